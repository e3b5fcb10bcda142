"""How a payroll run becomes journals. Pure: no I/O, no clock; the same run and table give the same bytes.

`legs` turns every payroll line into legs: so many cents on an account, with dimensions, in a company code. What the
journal policy puts in between turns legs into other legs: accrual accounts (`accruals`), month-end shares (`straddle`),
due-to and due-from (`paymaster`). `summing` adds legs up to journal lines, each with a trace back to payroll lines and
rules. Here it is decided which journals there are, on which dates and under which identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from mappings.accruals import accrual_legs, cut, settlement_legs
from mappings.findings import Finding, problems_of
from mappings.journal import (
    SEQUENCE_MAX,
    Journal,
    JournalKind,
    Problem,
    period_end_sequence,
    posting_key,
    reversed_journal,
)
from mappings.journal_set import check_together
from mappings.journal_text import JournalTexts
from mappings.legs import LegGroup, legs_of
from mappings.paymaster import intercompany
from mappings.payroll import PayrollHeader
from mappings.policy import Journals, Lines, Policy, PostingDate
from mappings.straddle import FiscalPeriods, PeriodShare, accrual_of, period_shares
from mappings.summing import Summing
from mappings.table import Table, defects
from mappings.trace import LegKind, Trace, TraceBlock, TraceRow

__all__ = ["Allocation", "FiscalPeriods", "LegKind", "Trace", "TraceRow", "allocate"]


@dataclass(frozen=True, slots=True)
class Allocation:
    """Journals and where every cent of them comes from, or problems: with one problem there is no journal at all.

    `findings` are the lines and people behind the problems of the mapping and of the payroll, one by one. `warnings` do
    not stop anything: who is going to see people's pay, or why there is no journal without any problem.
    """

    journals: tuple[Journal, ...] = ()
    problems: tuple[Problem, ...] = ()
    trace: Trace = field(default_factory=Trace)
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def is_ignored(self) -> bool:
        """Whether the journal policy makes no journal of payrolls of this type."""
        return any(warning.kind == "ignored_payroll_type" for warning in self.warnings)


def allocate(
    header: PayrollHeader,
    table: Table,
    fiscal_periods: FiscalPeriods = (),
    chosen_dates: Mapping[str, date] | None = None,
) -> Allocation:
    """Apply a table to the lines of a run: all its journals, or every problem at once.

    The journals stand in the order of the ledger: accruals at fiscal period ends, each followed by its reversal, then
    PAYROLL, or ACCRUAL and SETTLEMENT; of each one per company code, ascending. They carry their final posting key and
    sequence. `fiscal_periods` (first and last day of each, any order) are asked for where the policy shares cost over
    them; none = calendar months. `chosen_dates` (by posting key) are posting dates that a person chose instead of the
    policy's; neither the keys nor the amounts depend on them. An accrual that is reversed keeps its own.

    A table that is wrong by itself is not applied; its defects are all that is reported then. Raises ValueError where
    two lines of the run have the same number, because no trace could tell them apart, and for a sequence that is not
    from 1 to 99, because journals of two lives of a run could get one identity.
    """
    if len({line.number for line in header.lines}) < len(header.lines):
        raise ValueError("two payroll lines have the same number")
    if not 1 <= header.sequence <= SEQUENCE_MAX:
        raise ValueError(f"the sequence of a payroll run is from 1 to {SEQUENCE_MAX}")
    if wrong := defects(table):
        return Allocation(problems=wrong)
    policy = table.policy
    if header.payroll_type in policy.ignored_payroll_types:
        return Allocation(warnings=(_ignored(header),))
    groups, findings = legs_of(header, table)
    plan, problems = _plan(header, policy, groups, fiscal_periods)
    problems += problems_of(findings)
    if problems:
        return Allocation(problems=tuple(problems), findings=findings)
    return _Making(header, policy, chosen_dates or {}).allocation(plan)


# Which journals there are


@dataclass(frozen=True, slots=True)
class _Planned:
    """One journal per company code, before its legs are added up. Reversed on a day, where one is given."""

    kind: JournalKind
    posting_date: date
    sequence: int
    groups: Sequence[LegGroup]
    reversal_date: date | None = None


def _plan(
    header: PayrollHeader, policy: Policy, groups: Sequence[LegGroup], fiscal_periods: FiscalPeriods
) -> tuple[list[_Planned], list[Problem]]:
    """What the policy wants of a run, or why it cannot be. A run without a pay period has nothing to accrue."""
    payment_date = _payment_date(header, policy)
    if payment_date is None:
        return [], [_no_posting_date(policy)]
    has_settlement = policy.journals == Journals.ACCRUAL_SETTLEMENT and header.period_end is not None
    cost_date = payment_date
    if has_settlement and header.period_end is not None:
        # Never after the payment: pay in advance is a cost of the day on which it is paid.
        cost_date = min(header.period_end, header.check_date, payment_date)
    shares, problems = period_shares(header, policy, cost_date, fiscal_periods)
    if problems:
        return [], problems
    if not has_settlement:
        accruals = [_accrual(header, share, accrual_of(groups, share, policy.accrual_account)) for share in shares]
        return [*accruals, _Planned(JournalKind.PAYROLL, payment_date, header.sequence, groups)], []
    *early, rest = cut(accrual_legs(groups), shares, policy.accrual_account) if shares else [accrual_legs(groups)]
    return [
        *(_accrual(header, share, part, is_final=True) for share, part in zip(shares, early, strict=True)),
        _Planned(JournalKind.ACCRUAL, cost_date, header.sequence, rest),
        _Planned(JournalKind.SETTLEMENT, payment_date, header.sequence, settlement_legs(groups)),
    ], []


def _accrual(header: PayrollHeader, share: PeriodShare, groups: Sequence[LegGroup], is_final: bool = False) -> _Planned:
    return _Planned(
        kind=JournalKind.ACCRUAL,
        posting_date=share.end_date,
        sequence=period_end_sequence(header.sequence, share.position),
        groups=groups,
        reversal_date=None if is_final else share.next_start_date,
    )


def _payment_date(header: PayrollHeader, policy: Policy) -> date | None:
    """The date of PAYROLL, or of SETTLEMENT."""
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


def _ignored(header: PayrollHeader) -> Problem:
    words = header.payroll_type.replace("_", "-")
    return Problem(
        code="mapping",
        kind="ignored_payroll_type",
        sentence=f"The journal policy makes no journal of {words} payrolls.",
        facts=(("payroll_type", header.payroll_type),),
        page="mapping",
    )


def _pay_privacy() -> Problem:
    return Problem(
        code="mapping",
        kind="pay_privacy",
        sentence=(
            "The journal policy makes one line per employee. "
            "Whoever can read these journals in the ledger sees what each employee is paid."
        ),
        page="mapping",
    )


# From legs to journals


class _Making:
    """Makes the journals of one run and their trace, in the order of the plan."""

    def __init__(self, header: PayrollHeader, policy: Policy, chosen_dates: Mapping[str, date]) -> None:
        self.header = header
        self.policy = policy
        self.chosen_dates = chosen_dates
        self.texts = JournalTexts(header, policy)
        self.summing = Summing(header, policy)
        self.journals: list[Journal] = []
        self.trace: list[TraceBlock] = []

    def allocation(self, plan: Iterable[_Planned]) -> Allocation:
        for planned in plan:
            first = len(self.journals)
            self._make(planned)
            if planned.reversal_date is not None:
                self._reverse(first, planned.reversal_date)
        if problems := check_together(self.journals, self.trace):
            return Allocation(problems=problems)
        warnings = (_pay_privacy(),) if self.policy.lines == Lines.EMPLOYEE else ()
        return Allocation(tuple(self.journals), trace=Trace(self.trace), warnings=warnings)

    def _make(self, planned: _Planned) -> None:
        """One journal per company code, ascending. A company code where all sums are 0.00 has none, but a trace."""
        groups = [*planned.groups, *intercompany(planned.groups, self.policy)]
        for company_code, sums in self.summing.sums(groups).items():
            numbered = list(enumerate((total for total in sums if total.cents), start=1))
            position = len(self.journals) if numbered else None
            for number, total in [*numbered, *((0, total) for total in sums if not total.cents)]:
                self.trace.append(self.summing.block(total, position, number))
            if numbered:
                key = self._key(planned.kind, company_code, planned.sequence)
                day = planned.posting_date
                if planned.reversal_date is None:
                    day = self.chosen_dates.get(key, day)
                self.journals.append(
                    Journal(
                        kind=planned.kind,
                        company_code=company_code,
                        posting_date=day,
                        document_date=self.header.check_date,
                        currency=self.header.currency,
                        header_text=self.texts.header(planned.kind, company_code, day),
                        lines=tuple(self.summing.line(number, total) for number, total in numbered),
                        posting_key=key,
                        sequence=planned.sequence,
                    )
                )

    def _reverse(self, first: int, posting_date: date) -> None:
        """The reversal of every journal from this position on, from its lines as they stand."""
        for position in range(first, len(self.journals)):
            journal = self.journals[position]
            blocks = [block for block in self.trace if block.journal == position]
            self.trace += [block.contra(len(self.journals)) for block in blocks]
            self.journals.append(
                reversed_journal(
                    journal,
                    posting_date,
                    self._key(JournalKind.REVERSAL, journal.company_code, journal.sequence, journal.posting_key),
                    self.texts.header(JournalKind.REVERSAL, journal.company_code, posting_date),
                    journal.sequence,
                )
            )

    def _key(self, kind: JournalKind, company_code: str, sequence: int, reverses: str = "") -> str:
        return posting_key(self.header.company_uuid, self.header.payroll_uuid, kind, company_code, sequence, reverses)
