"""Our journal in the words of M3's interface GLS840, and what is staged there compared with it. Pure: no network, no clock.

Lengths are those of the tenant description of `GLS840MI`. Line numbers are given by us, in the journal's order, so that a
line that is sent twice is the same line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.infor.m3.client import Call
from erp.infor.m3.fields import AUTO, CODE, SIGN, SIGN_AND_CODE, Fields
from mappings.journal import ZERO, Journal, JournalLine

PROGRAM = "GLS840MI"
HEAD, LINE, CHECK, UPDATE = "AddBatchHead", "AddBatchLineFld", "CtrlBatch", "UpdBatch"

KEY_LENGTH = 15
DESCRIPTION_LENGTH = 40
TEXT_LENGTH = 40
IDENTITY_LENGTH = 10
AMOUNT_LENGTH = 17


def style_of(fields: Fields, uses_codes: bool | None) -> str:
    """How a side is written. `uses_codes`: what CRS750 of the division says; None = not read."""
    if fields.amounts != AUTO:
        return fields.amounts
    return SIGN_AND_CODE if uses_codes else SIGN


def signed(line: JournalLine) -> Decimal:
    """The amount as M3 has it: debit positive."""
    return line.debit - line.credit


def head_call(journal: Journal, fields: Fields) -> Call:
    record = {
        "CONO": fields.company,
        "DIVI": journal.company_code,
        "KEY1": _key(journal),
        "INTN": fields.interface,
        "DESC": _one_line(journal.header_text)[:DESCRIPTION_LENGTH].rstrip() or journal.posting_key,
    }
    return Call(HEAD, record)


def batch_call(transaction: str, journal: Journal, fields: Fields) -> Call:
    """CtrlBatch or UpdBatch."""
    return Call(transaction, {"CONO": fields.company, "DIVI": journal.company_code, "KEY1": _key(journal)})


def line_calls(journal: Journal, fields: Fields, dimensions: Mapping[str, str], style: str) -> dict[int, Call]:
    """The lines by their numbers, from 1. `dimensions`: name in the mapping table -> AIT2 to AIT7.

    Raises Misconfigured for what cannot be written: a dimension that M3 does not have, a value that is too long.
    """
    shared = {
        "KEY1": _key(journal),
        "INRI": fields.record_identity,
        "DIVI": journal.company_code,
        "GRNR": fields.group_number,
        "EICD": fields.transaction_origin,
        "CUCD": journal.currency,
        "CRTP": fields.rate_type,
        "ACDT": f"{journal.posting_date:%Y%m%d}",
        "EXN1": fields.information_number,
        "EXI1": journal.posting_key,
    }
    calls = {}
    for number, line in enumerate(journal.lines, 1):
        record = {
            **shared,
            "LINE": str(number),
            **_identities(journal, line, dimensions),
            **_amount(line, style),
            "VTXT": _one_line(line.text or journal.header_text)[:TEXT_LENGTH].rstrip(),
        }
        calls[number] = Call(LINE, {name: value for name, value in record.items() if value})
    return calls


def _identities(journal: Journal, line: JournalLine, dimensions: Mapping[str, str]) -> dict[str, str]:
    found = {"AIT1": line.main_account}
    for name, value in line.dimensions:
        if name not in dimensions:
            raise Misconfigured(
                f"M3 has no accounting dimension {name}. Take it out of the mapping table, or name it under “Names of "
                "dimensions” of the connection.",
                "mapping",
            )
        found[dimensions[name]] = value
    for value in found.values():
        if len(value) > IDENTITY_LENGTH:
            raise Misconfigured(
                f"“{value}” is longer than the {IDENTITY_LENGTH} characters that M3 has for an accounting identity.",
                "mapping",
            )
    return found


def _amount(line: JournalLine, style: str) -> dict[str, str]:
    amount = signed(line)
    text = f"{abs(amount) if style == CODE else amount:.2f}"
    if len(text) > AMOUNT_LENGTH:
        raise Rejected(f"The amount {text} is longer than the {AMOUNT_LENGTH} characters that M3 has for it.")
    return {"CUAM": text} if style == SIGN else {"CUAM": text, "DBCR": "D" if amount > 0 else "C"}


def _key(journal: Journal) -> str:
    key = journal.posting_key
    if not re.fullmatch(rf"[0-9A-Z]{{1,{KEY_LENGTH}}}", key):
        raise ValueError("a journal without a posting key of 15 characters cannot be found again")
    return key


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True, slots=True)
class StagedLine:
    """One line of a batch, read back."""

    number: int
    amount: Decimal
    """Debit positive."""
    account: str
    """Empty where the table does not show it."""


def staged_line(number: str, amount: str, account: str, code: str, style: str) -> StagedLine:
    """Raises TemporaryFailure for what is no number."""
    value = amount_of(amount)
    if style == CODE and code == "C":
        value = -value
    try:
        return StagedLine(int(number), value, account)
    except ValueError as error:
        raise TemporaryFailure("M3 showed a line of a batch that cannot be read.") from error


def amount_of(text: str) -> Decimal:
    """An amount as M3 writes it, with at least two decimals. Raises TemporaryFailure for anything but a number."""
    try:
        found = Decimal(text or "0")
        if not found.is_finite():
            raise InvalidOperation
        cents = found.quantize(ZERO)
    except InvalidOperation as error:
        raise TemporaryFailure("M3 showed an amount that cannot be read.") from error
    return cents if cents == found else found


def sums(amounts: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Debit and credit of signed amounts."""
    debit = sum((amount for amount in amounts if amount > 0), ZERO)
    return debit, -sum((amount for amount in amounts if amount < 0), ZERO)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is staged beside what should be."""

    missing: tuple[int, ...]
    """Numbers of lines that are not staged."""
    wrong: tuple[int, ...]
    """Numbers that are staged with another amount or account, twice, or that are not ours."""

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.wrong


def compare(journal: Journal, staged: Sequence[StagedLine]) -> Comparison:
    planned = dict(enumerate(journal.lines, 1))
    seen: set[int] = set()
    wrong = set()
    for held in staged:
        line = planned.get(held.number)
        is_ours = (
            line is not None and held.amount == signed(line) and (not held.account or held.account == line.main_account)
        )
        if not is_ours or held.number in seen:
            wrong.add(held.number)
        seen.add(held.number)
    return Comparison(tuple(number for number in planned if number not in seen), tuple(sorted(wrong)))
