"""The journal policy as plain values: how a database row, a form and a file give it, under one set of names.

The names are those of policy.toml and of the columns of a mapping version. A value is judged by itself here; what
values say together is for `mappings.policy.policy_faults`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from mappings.policy import PAYROLL_TYPES, Credits, Journals, Lines, Policy, PostingDate, Straddle
from mappings.text_template import LENGTH_MAX

#: What may be chosen.
CHOICES: dict[str, type[enum.StrEnum]] = {
    "posting_date": PostingDate,
    "journals": Journals,
    "credits": Credits,
    "straddle": Straddle,
    "lines": Lines,
}

#: Company codes, accounts and texts, as the ledger has them.
TEXTS = (
    "paying_company_code",
    "due_from_account",
    "due_to_account",
    "affiliate_dimension",
    "accrual_account",
    "header_text",
    "line_text",
)

FLAGS = ("straddle_off_cycle", "clearing_detail")

#: Several values in one text, separated by spaces or commas; a file may give them as a list.
LISTS = ("unpaid_holidays", "ignored_payroll_types")

#: Characters that a row keeps.
NAME_LENGTH_MAX = 60
LENGTHS_MAX = {"header_text": LENGTH_MAX, "line_text": LENGTH_MAX, "unpaid_holidays": 1000}

#: Every name of a policy but the default company code, which belongs to the legal entity.
NAMES = (*CHOICES, *TEXTS, *FLAGS, *LISTS)

#: Tables of policy.toml.
_TABLES = ("policy", "intercompany")


def stored_value(name: str, value: object) -> str | bool:
    """A value as a row keeps it. Raises ValueError with a sentence for one that the policy does not have."""
    if name in CHOICES:
        if value not in tuple(CHOICES[name]):
            raise ValueError(f'The journal policy has no {name} "{value}". Choose from {", ".join(CHOICES[name])}.')
        return str(value)
    if name in FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f'"{value}" of {name} is neither true nor false.')
        return value
    if name in LISTS:
        each = _holiday if name == "unpaid_holidays" else _payroll_type
        return _short(name, " ".join(sorted({each(part) for part in _parts(value)})))
    if name in TEXTS:
        if not isinstance(value, str):
            raise ValueError(f'"{value}" of {name} is no text.')
        return _short(name, " ".join(value.split()))
    raise ValueError(f'The journal policy has no "{name}".')


def policy_from(company_code: str, values: Mapping[str, object]) -> Policy:
    """The policy behind values; what is not among them is as usual. Raises ValueError for one that cannot be read."""
    stored: dict[str, Any] = {name: stored_value(name, value) for name, value in values.items()}
    for name, choices in CHOICES.items():
        if name in stored:
            stored[name] = choices(stored[name])
    if "unpaid_holidays" in stored:
        stored["unpaid_holidays"] = tuple(date.fromisoformat(day) for day in stored["unpaid_holidays"].split())
    if "ignored_payroll_types" in stored:
        stored["ignored_payroll_types"] = tuple(stored["ignored_payroll_types"].split())
    return Policy(company_code, **stored)


def read_policy(document: Mapping[str, Mapping[str, object]]) -> Policy:
    """The policy of a policy.toml that was parsed: its tables `policy`, with `company_code`, and `intercompany`.

    Raises ValueError with every sentence at once.
    """
    values = {name: value for table in _TABLES for name, value in document.get(table, {}).items()}
    company_code = values.pop("company_code", "")
    faults = []
    for name, value in values.items():
        try:
            stored_value(name, value)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(" ".join(faults))
    return policy_from(str(company_code), values)


def _short(name: str, text: str) -> str:
    limit = LENGTHS_MAX.get(name, NAME_LENGTH_MAX)
    if len(text) > limit:
        raise ValueError(f"{name} has {len(text)} characters, {limit} are possible.")
    return text


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, str):
        return [part for part in re.split(r"[\s,;]+", value) if part]
    if isinstance(value, list | tuple):
        return value
    raise ValueError(f'"{value}" is no list.')


def _holiday(value: object) -> str:
    try:
        return (value if isinstance(value, date) else date.fromisoformat(str(value))).isoformat()
    except ValueError:
        raise ValueError(f'"{value}" is no date. Write a holiday as 2026-01-31.') from None


def _payroll_type(value: object) -> str:
    if value not in PAYROLL_TYPES:
        raise ValueError(f'"{value}" is no payroll type. Choose from {", ".join(PAYROLL_TYPES)}.')
    return str(value)
