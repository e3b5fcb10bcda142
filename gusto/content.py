"""When two readings of a payroll say the same: a digest of its figures. Pure.

Independent of how the people were paged and sorted, of text or number for money, of spelling, and of what changes by
itself with the days (payroll_status_meta). A name of a person is no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gusto.figures import Unreadable, folded, number_of, rows_of

#: What of the payroll itself counts.
HEADER_FIELDS = ("payroll_uuid", "company_uuid", "check_date", "processed", "off_cycle", "off_cycle_reason", "external")
#: What of a person counts beside the lists.
PERSON_FIELDS = ("gross_pay", "net_pay", "check_amount")
#: The lists of a person whose rows carry pay, with the amounts in each row.
AMOUNTS: dict[str, tuple[str, ...]] = {
    "fixed_compensations": ("amount",),
    "hourly_compensations": ("amount", "hours"),
    "paid_time_off": ("amount", "hours"),
    "reimbursements": ("amount",),
    "taxes": ("amount",),
    "benefits": ("employee_deduction", "company_contribution"),
    "deductions": ("amount",),
}
_KEYS = ("job_uuid", "employer", "imputed")


def digest_of_person(compensation: Mapping[str, Any]) -> str:
    """Of one entry of employee_compensations; of an excluded person only that counts. Raises Unreadable where its lists
    are no lists of objects.
    """
    who = str(compensation.get("employee_uuid"))
    if compensation.get("excluded") is True:
        return _digest([who, "excluded"])
    lists = [
        sorted(_row(row, amounts) for row in rows_of(compensation, name) if any(_is_some(row.get(a)) for a in amounts))
        for name, amounts in AMOUNTS.items()
    ]
    figures = [_plain(compensation.get(name)) for name in PERSON_FIELDS]
    return _digest([who, compensation.get("payment_method"), *figures, *lists])


def digest_of(header: Mapping[str, Any], people: Iterable[str]) -> str:
    """Of the payroll, given the digests of its people in any order. Raises Unreadable where its parts are no objects."""
    totals = header.get("totals") or {}
    period = header.get("pay_period") or {}
    if not isinstance(totals, dict) or not isinstance(period, dict):
        raise Unreadable("The payroll's totals or pay period are not an object.")
    return _digest(
        [
            *(header.get(name) for name in HEADER_FIELDS),
            period.get("start_date"),
            period.get("end_date"),
            sorted((name, _plain(value)) for name, value in totals.items()),
            sorted(_row(row, ("amount",)) for row in rows_of(header, "company_taxes")),
            sorted(people),
        ]
    )


def _row(row: Mapping[str, Any], amounts: tuple[str, ...]) -> list[str]:
    name = row.get("name", row.get("description"))
    return [folded(name) if isinstance(name, str) else "", *(_plain(row.get(a)) for a in amounts)] + [
        str(row.get(key)) for key in _KEYS
    ]


def _is_some(value: object) -> bool:
    return value not in (None, "0.00", "0.000") and _plain(value) != "0"


def _plain(value: object) -> str:
    """The same text for "12.50", "12.5" and 12.5; what is no number counts as it stands."""
    try:
        number = number_of(value)
    except Unreadable:
        return f"?{value}"
    return format(number.normalize(), "f") if number else "0"


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), default=str).encode()).hexdigest()
