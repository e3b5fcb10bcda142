"""Our journal in the words of IFS Cloud, and the vouchers of IFS compared with our journal. Pure: no network, no clock.

Spelling is theirs: Debet, OpennedFrom. Lengths are those of the public application model. Fields that the server fills
from the temporary header are sent as well where the model calls them mandatory; it overwrites them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from audit.exchange import Misconfigured, TemporaryFailure
from erp.odata import Row
from mappings.journal import ZERO, Journal

TEXT_LENGTH = 200
HEADER_TEXT_LENGTH = 2000


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def header_text(journal: Journal) -> str:
    """The posting key is its last word, for people who look for it in IFS."""
    room = HEADER_TEXT_LENGTH - len(journal.posting_key) - 1
    return f"{_one_line(journal.header_text)[:room].rstrip()} {journal.posting_key}".strip()


def row_text(journal: Journal, text: str) -> str:
    return _one_line(text or journal.header_text)[:TEXT_LENGTH].rstrip()


def header_body(journal: Journal, function_group: str, opened_from: str) -> Row:
    """What opens an empty temporary voucher. User group, type, period and currency come from the service user's defaults
    whatever is sent.
    """
    return {
        "OpennedFrom": opened_from,
        "Company": journal.company_code,
        "VoucherDate": journal.posting_date.isoformat(),
        "FunctionGroup": function_group,
        "VoucherText2": header_text(journal),
    }


def header_changes(header: Row, user_group: str, voucher_type: str, voucher_status: str) -> list[Row]:
    """What has to be changed about the header that IFS proposes, in order and one thing at a time: IFS looks at one.

    A changed user group may bring its own default type, and a changed type gives the status anew.
    """
    changes: list[Row] = []
    if header.get("UserGroup") != user_group:
        changes.append({"UserGroup": user_group})
    if changes or header.get("VoucherType") != voucher_type:
        changes.append({"VoucherType": voucher_type})
    if voucher_status and (changes or header.get("VoucherStatus") != voucher_status):
        changes.append({"VoucherStatus": voucher_status})
    return changes


def row_bodies(
    journal: Journal,
    header: Row,
    code_parts: Mapping[str, str],
    *,
    voucher_type: str,
    rate_type: str,
    reference_series: str,
) -> list[Row]:
    """The rows as they are sent, in the journal's order. `code_parts`: dimension -> letter, in this company.

    Raises Misconfigured for what cannot be written: another currency than the company's, a parallel currency, a
    dimension that is no code part.
    """
    currency = str(header.get("CurrencyCode") or "")
    if currency != journal.currency:
        raise Misconfigured(
            f"Company {journal.company_code} keeps its books in {currency or 'no currency'}, and the journal is in "
            f"{journal.currency}. Send its lines to a company that keeps books in {journal.currency}.",
            "mapping",
        )
    shared = {
        "Company": journal.company_code,
        "VoucherType": voucher_type,
        "AccountingYear": header.get("AccountingYear"),
        "AccountingPeriod": header.get("AccountingPeriod"),
        "VoucherNo": 0,
        "VoucherDate": journal.posting_date.isoformat(),
        "CurrencyCode": currency,
        "CurrencyType": rate_type or header.get("CurrencyType"),
        # The company's own currency has the rate 1.
        "CurrencyRate": 1,
        "ConversionFactor": 1,
        "Correction": False,
        "AddInternal": False,
        "IntManualAdded": False,
        "ReferenceSerie": reference_series,
        "ReferenceNumber": journal.posting_key,
    }
    bodies = []
    for line in journal.lines:
        body = {**shared, "Account": line.main_account, "Text": row_text(journal, line.text)}
        for name, value in line.dimensions:
            if name not in code_parts:
                raise Misconfigured(
                    f"Company {journal.company_code} uses no code part {name}. Take it out of the mapping table, or name it "
                    "under “Names of code parts” of the connection.",
                    "mapping",
                )
            body[f"Code{code_parts[name]}"] = value
        side, amount = ("Debet", line.debit) if line.debit else ("Credit", line.credit)
        body[f"Currency{side}Amount"] = body[f"{side}Amount"] = amount
        bodies.append(body)
    return bodies


@dataclass(frozen=True, slots=True, order=True)
class VoucherKey:
    """How IFS names a voucher inside a company."""

    year: int
    type: str
    number: int

    @property
    def document_number(self) -> str:
        return f"{self.type} {self.number} ({self.year})"

    @classmethod
    def of(cls, row: Row) -> VoucherKey:
        """Raises TemporaryFailure for a row that names no voucher."""
        try:
            return cls(int(row["AccountingYear"]), str(row["VoucherType"]), int(row["VoucherNo"]))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise TemporaryFailure("IFS showed a voucher row that cannot be read.") from error


@dataclass(frozen=True, slots=True)
class Voucher:
    """One voucher as IFS shows it: count and sums of its rows, and whether all of them are ours."""

    key: VoucherKey
    line_count: int
    debit: Decimal
    credit: Decimal
    is_ours: bool
    """Every row carries our reference."""

    def fits(self, journal: Journal) -> bool:
        return (self.line_count, self.debit, self.credit) == (len(journal.lines), journal.debit, journal.credit)


def vouchers_of(rows: Iterable[Row], reference_series: str, posting_key: str) -> dict[VoucherKey, Voucher]:
    """Rows put together to vouchers. Raises TemporaryFailure for a row that cannot be read."""
    found: dict[VoucherKey, Voucher] = {}
    for row in rows:
        key = VoucherKey.of(row)
        before = found.get(key) or Voucher(key, 0, ZERO, ZERO, True)
        debit, credit = before.debit + amount(row, "DebetAmount"), before.credit + amount(row, "CreditAmount")
        is_ours = (row.get("ReferenceSerie"), row.get("ReferenceNumber")) == (reference_series, posting_key)
        found[key] = Voucher(key, before.line_count + 1, debit, credit, before.is_ours and is_ours)
    return found


def amount(row: Row, name: str) -> Decimal:
    """An amount as IFS writes it, with at least two decimals; the side that a row does not have is null.

    Raises TemporaryFailure for anything but a number.
    """
    value: Any = row.get(name)
    if value is None:
        return ZERO
    if isinstance(value, bool | float) or not isinstance(value, int | Decimal | str):
        raise TemporaryFailure("IFS showed an amount that cannot be read.")
    try:
        found = Decimal(value)
        cents = found.quantize(ZERO)
    except ArithmeticError as error:
        raise TemporaryFailure("IFS showed an amount that cannot be read.") from error
    return cents if cents == found else found
