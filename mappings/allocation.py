"""How a payroll run becomes journals. Pure: no I/O, no clock; the same run and table give the same bytes.

`legs` turns every payroll line into legs: so many cents on an account, with dimensions, in a company code. Here legs are
summed up into journals, each with a trace from its lines back to payroll lines and rules. What a policy puts in between
(accrual accounts, month-end shares, due-to and due-from) turns legs into other legs.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from mappings.findings import Finding, problems_of
from mappings.journal import ZERO, Journal, JournalKind, JournalLine, Problem, posting_key, residual
from mappings.journal_text import header_text, line_text
from mappings.legs import Legs, legs_of
from mappings.payroll import LineKind, PayrollHeader, Side
from mappings.splitting import from_cents
from mappings.table import Credits, Journals, Policy, PostingDate, Straddle, Table, defects

Dimensions = tuple[tuple[str, str], ...]


class LegKind(enum.StrEnum):
    """Why an amount of a payroll line stands where it stands."""

    NATURAL = "natural"
    """The line itself."""
    CONTRA = "contra"
    """The reversal of a journal."""


class TraceRow(NamedTuple):
    """How much of one payroll line stands in one journal line, and by which target of which rule.

    `journal` is a position in `Allocation.journals`, None where a whole company code adds up to 0.00 and makes none.
    `journal_line` is the number of the journal line, 0 where the rows of an account add up to 0.00 and make none. `side`
    is the natural one and `amount` signed: a negative sum turns the side of the journal line, not that of its rows.
    """

    journal: int | None
    company_code: str
    main_account: str
    dimensions: Dimensions
    side: Side
    leg: LegKind
    line: int
    rule: str
    target: int
    amount: Decimal
    journal_line: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """Journals and where every cent of them comes from, or problems: with one problem there is no journal at all.

    `findings` are the lines and people behind the problems of the mapping and of the payroll, one by one.
    """

    journals: tuple[Journal, ...] = ()
    problems: tuple[Problem, ...] = ()
    trace: tuple[TraceRow, ...] = ()
    findings: tuple[Finding, ...] = ()


def allocate(header: PayrollHeader, table: Table) -> Allocation:
    """Apply a table to the lines of a run: one PAYROLL journal per company code, or every problem at once.

    A table that is wrong by itself is not applied; its defects are all that is reported then. Raises ValueError where
    two lines of the run have the same number, because no trace could tell them apart.
    """
    if len({line.number for line in header.lines}) < len(header.lines):
        raise ValueError("two payroll lines have the same number")
    if wrong := defects(table):
        return Allocation(problems=wrong)
    posting_date = _posting_date(header, table.policy)
    legs, findings = legs_of(header, table)
    problems = [*_unsupported(table.policy), *problems_of(findings)]
    if posting_date is None:
        problems.append(_no_posting_date(table.policy))
    if problems or posting_date is None:
        return Allocation(problems=tuple(problems), findings=findings)
    return _journals(header, JournalKind.PAYROLL, posting_date, legs)


def contra_rows(rows: Iterable[TraceRow], journal: int) -> tuple[TraceRow, ...]:
    """The trace of a reversal: the rows of the reversed journal on the other side, under the reversal's position."""
    other = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}
    return tuple(row._replace(journal=journal, side=other[row.side], leg=LegKind.CONTRA) for row in rows)


# What the policy asks for


def _unsupported(policy: Policy) -> list[Problem]:
    """Choices that the product knows but cannot make yet. Never replaced by another choice in silence."""
    wanted = {
        Journals.ACCRUAL_SETTLEMENT: "two journals, accrual and settlement",
        Credits.PAYMASTER: "due-to and due-from entries for one paying company code",
        Straddle.CALENDAR_DAYS: "a month-end accrual by calendar days",
        Straddle.WORKING_DAYS: "a month-end accrual by working days",
    }
    return [
        Problem(
            code="configuration",
            kind="not_yet",
            sentence=f"The journal policy wants {wanted[choice]}. That is not yet possible. Nothing was sent.",
            facts=((name, choice.value),),
            page="mapping",
        )
        for name, choice in (("journals", policy.journals), ("credits", policy.credits), ("straddle", policy.straddle))
        if choice in wanted
    ]


def _posting_date(header: PayrollHeader, policy: Policy) -> date | None:
    dates = {
        PostingDate.CHECK_DATE: header.check_date,
        PostingDate.PERIOD_END: header.period_end,
        PostingDate.DEBIT_DATE: header.debit_date,
    }
    return dates[policy.posting_date]


def _no_posting_date(policy: Policy) -> Problem:
    words = policy.posting_date.replace("_", " ")
    return Problem(
        code="configuration",
        kind="posting_date",
        sentence=f"The journal policy posts on the {words}, and this payroll has none. Nothing was sent.",
        facts=(("posting_date", policy.posting_date.value),),
        page="mapping",
    )


# From legs to journals


@dataclass(frozen=True, slots=True)
class _Sum:
    """All legs of one company code that meet on one account, dimensions and natural side."""

    side: Side
    main_account: str
    dimensions: Dimensions
    cents: int
    legs: Legs

    def is_credit(self) -> bool:
        """The side of the journal line: a negative sum stands on the other one."""
        return (self.side == Side.CREDIT) != (self.cents < 0)

    def order(self) -> tuple[bool, str, Dimensions, Side]:
        return self.is_credit(), self.main_account, self.dimensions, self.side

    def journal_line(self, number: int, employees: Mapping[int, str]) -> JournalLine:
        amount = from_cents(abs(self.cents))
        net_pay = (legs for landing, legs in self.legs.items() if landing.rule.kind == LineKind.NET_PAY)
        people = {employees[line_number] for legs in net_pay for line_number in legs}
        return JournalLine(
            number=number,
            main_account=self.main_account,
            dimensions=self.dimensions,
            debit=ZERO if self.is_credit() else amount,
            credit=amount if self.is_credit() else ZERO,
            text=line_text(self.legs, people=len(people)),
        )

    def trace(self, journal: int | None, company_code: str, number: int) -> list[TraceRow]:
        """One row per payroll line, rule and target, in this order."""
        # Parts of one line that went apart by job and meet here again are one row.
        amounts: dict[tuple[str, int], dict[int, int]] = {}
        for landing, legs in self.legs.items():
            known = amounts.setdefault((landing.rule.name, landing.target.position), {})
            for line_number, cents in legs.items():
                known[line_number] = known.get(line_number, 0) + cents
        account = (journal, company_code, self.main_account, self.dimensions, self.side, LegKind.NATURAL)
        rows = [
            TraceRow._make((*account, line_number, rule, target, from_cents(cents), number))
            for (rule, target), legs in amounts.items()
            for line_number, cents in legs.items()
        ]
        return sorted(rows, key=attrgetter("line", "rule", "target"))


def _journals(header: PayrollHeader, kind: JournalKind, posting_date: date, legs: Legs) -> Allocation:
    """One journal per company code, ascending, with its trace. A company code where all sums are 0.00 has none."""
    employees = {line.number: line.employee for line in header.lines}
    journals: list[Journal] = []
    trace: list[TraceRow] = []
    for company_code, sums in sorted(_sums(legs).items()):
        numbered = list(enumerate((total for total in sums if total.cents), start=1))
        position = len(journals) if numbered else None
        for number, total in [*numbered, *((0, total) for total in sums if not total.cents)]:
            trace += total.trace(position, company_code, number)
        if numbered:
            journals.append(
                Journal(
                    kind=kind,
                    company_code=company_code,
                    posting_date=posting_date,
                    document_date=header.check_date,
                    currency=header.currency,
                    header_text=header_text(header),
                    lines=tuple(total.journal_line(number, employees) for number, total in numbered),
                    posting_key=posting_key(header.company_uuid, header.payroll_uuid, kind, company_code, sequence=1),
                )
            )
    if problems := [_residual(journal) for journal in journals if residual(journal.lines)]:
        return Allocation(problems=tuple(problems))
    return Allocation(tuple(journals), trace=tuple(trace))


def _sums(legs: Legs) -> dict[str, list[_Sum]]:
    """Legs summed up by company code: debits, then credits, each by account and dimensions."""
    together: dict[tuple[str, Side, str, Dimensions], Legs] = defaultdict(dict)
    for landing, members in legs.items():
        account = (landing.company_code, landing.side, landing.target.main_account, landing.dimensions)
        together[account][landing] = members
    sums: dict[str, list[_Sum]] = defaultdict(list)
    for (company_code, side, main_account, dimensions), met in together.items():
        cents = sum(sum(amounts.values()) for amounts in met.values())
        sums[company_code].append(_Sum(side, main_account, dimensions, cents, met))
    return {company_code: sorted(totals, key=_Sum.order) for company_code, totals in sums.items()}


def _residual(journal: Journal) -> Problem:
    difference = abs(residual(journal.lines))
    return Problem(
        code="mapping",
        kind="residual",
        sentence=(
            f"Debits and credits differ by {difference:,.2f} in company code {journal.company_code}. "
            "We do not send a journal that does not balance."
        ),
        facts=(("company_code", journal.company_code), ("amount", str(difference))),
        page="mapping",
    )
