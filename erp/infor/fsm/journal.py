"""Our journal as rows of GLTransactionInterface, and the rows of FSM compared with it. Pure: no network, no clock.

Amounts are signed: debits positive, credits negative. The posting key is the run group of the rows, under which they are
found before they are posted, and the reference of each of them, under which they are found in the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.infor.fsm.answers import Row
from erp.infor.fsm.fields import DIMENSION_FIELDS, Fields
from mappings.journal import ZERO, Journal

STAGING = "GLTransactionInterface"
RUN_GROUP = f"{STAGING}.RunGroup"
SEQUENCE = f"{STAGING}.SequenceNumber"

#: What is read of a staged row.
STAGED_FIELDS = (
    RUN_GROUP, SEQUENCE, "Status", "ErrorMessage", "AccountingEntity", "AccountCode", *DIMENSION_FIELDS, "PostingDate",
    "CurrencyCode", "TransactionAmount", "Reference",
)  # fmt: skip
#: Of these a staged row has to have our values before it is interfaced.
COMPARED_FIELDS = (
    SEQUENCE, "AccountingEntity", "AccountCode", *DIMENSION_FIELDS, "PostingDate", "CurrencyCode", "Reference",
)  # fmt: skip

#: Status of a staged row.
INTERFACED = "2"
ERROR = "3"


def wire_date(day: date) -> str:
    return day.strftime("%Y%m%d")


def description(journal: Journal, text: str, length: int) -> str:
    return re.sub(r"\s+", " ", text or journal.header_text).strip()[:length].rstrip()


def row_bodies(journal: Journal, dimensions: Mapping[str, str], fields: Fields) -> list[Row]:
    """The rows as they are sent, in the journal's order. `dimensions`: name in the mapping table -> field of a row.

    Raises Rejected for a journal that does not balance, which FSM would take; Misconfigured for a dimension that this
    tenant does not use.
    """
    if journal.debit != journal.credit or not journal.lines:
        raise Rejected(
            f"Debits are {journal.debit:,.2f} and credits {journal.credit:,.2f}. FSM would take a journal that does not "
            "balance, so it is not sent."
        )
    shared = {
        "FinanceEnterpriseGroup": fields.enterprise_group,
        RUN_GROUP: journal.posting_key,
        "AccountingEntity": journal.company_code,
        "ToAccountingEntity": journal.company_code,
        "Status": "0",
        "GeneralLedgerEvent": fields.event,
        "JournalCode": fields.journal_code,
        "System": fields.system_code,
        "PostingDate": wire_date(journal.posting_date),
        "TransactionDate": wire_date(journal.document_date),
        "CurrencyCode": journal.currency,
        "UnitsAmount": "0",
        "AutoReverse": "N",
        "Reference": journal.posting_key,
        "DocumentNumber": "",
        "Project": "",
    }
    bodies = []
    for line in journal.lines:
        body = {
            **shared,
            SEQUENCE: str(line.number),
            "AccountCode": line.main_account,
            "Description": description(journal, line.text, fields.description_length),
            "TransactionAmount": str(line.debit or -line.credit),
        }
        for name, value in line.dimensions:
            if name not in dimensions:
                raise Misconfigured(
                    f"FSM has no dimension {name}. Take it out of the mapping table, or name it under “Names of dimensions” of "
                    "the connection.",
                    "mapping",
                )
            body[dimensions[name]] = value
        bodies.append(body)
    return bodies


@dataclass(frozen=True, slots=True)
class Totals:
    """Count and sums of rows as FSM shows them."""

    line_count: int = 0
    debit: Decimal = ZERO
    credit: Decimal = ZERO

    def fits(self, journal: Journal) -> bool:
        return (self.line_count, self.debit, self.credit) == (len(journal.lines), journal.debit, journal.credit)


def totals_of(rows: Iterable[Row]) -> Totals:
    """Raises TemporaryFailure for an amount that cannot be read."""
    amounts = [amount(row.get("TransactionAmount", "")) for row in rows]
    debit = sum((each for each in amounts if each > 0), ZERO)
    credit = -sum((each for each in amounts if each < 0), ZERO)
    return Totals(len(amounts), debit, credit)


def amount(text: str) -> Decimal:
    """`457.660` -> 457.66; an amount that is no whole cent stays what it is, and so never passes for ours."""
    try:
        found = Decimal(text)
        cents = found.quantize(ZERO)
    except ArithmeticError as error:
        raise TemporaryFailure("FSM showed an amount that cannot be read. We try again by itself.") from error
    return cents if cents == found else found


def is_staged_exactly(bodies: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether FSM holds each of our rows once, with our values, and no other, and none of them was found wrong."""
    if any(row.get("ErrorMessage") or row.get("Status") == ERROR for row in rows):
        return False
    return sorted(map(_compared, bodies)) == sorted(map(_compared, rows))


def is_staged_once(bodies: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether FSM holds each of the rows that were just sent once, and no other; whatever it makes of their texts."""
    numbers = sorted(row.get(SEQUENCE, "").lstrip("0") for row in rows)
    return numbers == sorted(body[SEQUENCE] for body in bodies) and totals_of(rows) == totals_of(bodies)


def _compared(row: Row) -> tuple[str, ...]:
    value = amount(row.get("TransactionAmount", ""))
    return (*(row.get(name, "").strip() for name in COMPARED_FIELDS), f"{value.normalize():f}")
