"""The neutral output of allocation: journals that balance to 0.00, ready for any ERP.

Debit and credit are two columns, exactly one positive, never a sign: that is how a ledger reads, and it cannot be
misread on the way to an ERP that wants a signed amount. Every sum uses Decimal; a float never touches an amount.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

ZERO = Decimal("0.00")


class JournalKind(enum.StrEnum):
    PAYROLL = "PAYROLL"
    ACCRUAL = "ACCRUAL"
    SETTLEMENT = "SETTLEMENT"
    REVERSAL = "REVERSAL"
    CONTRACTOR = "CONTRACTOR"


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence for finance and where to repair it. A value, not an exception, so that all of them show at once.

    `code` is one of the reasons a posting can be blocked for: mapping, reference, period, configuration, tie_out.
    `kind` names the check (tie, gap, crosswalk_gap, unknown_account, closed_period, ...). `facts` are the figures
    behind the sentence (kind, component, department, amount, rules, ...), for tables and for tests.
    """

    code: str
    kind: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    page: str = ""
    """Where to repair it: mapping, connection, reference, payroll_run or empty."""

    def fact(self, name: str) -> str:
        return dict(self.facts).get(name, "")


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One main account and its dimensions, on one side.

    Exactly one of debit and credit is positive, with two decimals; the other is 0.00. Dimensions are (name, value)
    pairs sorted by name; a value is never empty.
    """

    number: int
    main_account: str
    dimensions: tuple[tuple[str, str], ...]
    debit: Decimal
    credit: Decimal
    text: str = ""

    def __post_init__(self) -> None:
        if (self.debit > 0) == (self.credit > 0) or self.debit < 0 or self.credit < 0:
            raise ValueError(f"line {self.number}: exactly one of debit and credit must be positive")


@dataclass(frozen=True, slots=True)
class Journal:
    """Header and lines, one company code, one posting date, one currency.

    `posting_key` is our own id inside the ERP (15 characters A-Z 0-9); `document_date` is the check date. `sequence` is
    that of the payroll run for PAYROLL, ACCRUAL and SETTLEMENT, see `period_end_sequence` for an accrual at a fiscal
    period end; a REVERSAL has that of the journal it reverses.
    """

    kind: JournalKind
    company_code: str
    posting_date: date
    document_date: date
    currency: str
    header_text: str
    lines: tuple[JournalLine, ...]
    posting_key: str = ""
    sequence: int = 1
    reverses: str = ""
    """Posting key of the journal that a REVERSAL undoes."""

    @property
    def debit(self) -> Decimal:
        return sum((line.debit for line in self.lines), ZERO)

    @property
    def credit(self) -> Decimal:
        return sum((line.credit for line in self.lines), ZERO)

    def canonical(self) -> bytes:
        """The same journal gives the same bytes (invariant I5)."""
        return json.dumps(
            {
                "kind": self.kind.value,
                "company_code": self.company_code,
                "posting_date": self.posting_date.isoformat(),
                "document_date": self.document_date.isoformat(),
                "currency": self.currency,
                "header_text": self.header_text,
                "sequence": self.sequence,
                "reverses": self.reverses,
                "lines": [
                    [
                        line.number,
                        line.main_account,
                        [list(pair) for pair in line.dimensions],
                        str(line.debit),
                        str(line.credit),
                        line.text,
                    ]
                    for line in self.lines
                ],
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()

    def digest(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()


def residual(lines: Iterable[JournalLine]) -> Decimal:
    """Debits minus credits. Anything but 0.00 means that the journal must not be sent."""
    total = ZERO
    for line in lines:
        total += line.debit - line.credit
    return total


def reversed_journal(
    journal: Journal, posting_date: date, posting_key: str, header_text: str, sequence: int = 1
) -> Journal:
    """The contra journal: debit and credit exchanged, from the lines as they stand, never recomputed."""
    return replace(
        journal,
        kind=JournalKind.REVERSAL,
        posting_date=posting_date,
        posting_key=posting_key,
        header_text=header_text,
        sequence=sequence,
        reverses=journal.posting_key,
        lines=tuple(replace(line, debit=line.credit, credit=line.debit) for line in journal.lines),
    )


#: Fiscal period ends that one payroll run may cross, and times that it may be processed, so that numbers never meet.
PERIOD_ENDS_MAX = SEQUENCE_MAX = 99


def period_end_sequence(sequence: int, position: int) -> int:
    """Sequence of the ACCRUAL at the k-th fiscal period end of a run: 101, 102, ...; in its second life 201, 202, ...

    Raises ValueError beyond 99 of either.
    """
    if not (1 <= sequence <= SEQUENCE_MAX and 1 <= position <= PERIOD_ENDS_MAX):
        raise ValueError("a run is processed, and crosses fiscal period ends, from 1 to 99 times")
    return sequence * 100 + position


def posting_key(
    company_uuid: str, payroll_uuid: str, kind: JournalKind, company_code: str, sequence: int, reverses: str = ""
) -> str:
    """Our own id inside the ERP's journal: 15 characters A-Z 0-9.

    Derived from facts that both Gusto and the ledger know, never from our own row ids, so that a second installation
    or a restored database finds the same journal. 15 base-36 characters carry 77 bits.
    """
    seed = "\n".join([company_uuid, payroll_uuid, kind.value, company_code, str(sequence), reverses])
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    key = ""
    for _ in range(15):
        number, digit = divmod(number, 36)
        key = digits[digit] + key
    return key
