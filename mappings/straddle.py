"""Work of a pay period in each fiscal period that it crosses, and the cost that is accrued for it (accounting.md 5).

A payroll is posted whole on its date. What was worked for in an earlier fiscal period is its cost: accrued on its last
day and reversed on the first day of the next one. Only cost is accrued. Taxes withheld, deductions and net pay are parts
of the same gross and are owed on payment; reimbursements, tips and draws are no cost of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from mappings.journal import PERIOD_ENDS_MAX, Problem
from mappings.legs import LegGroup
from mappings.payroll import LineKind, PayrollHeader, Side
from mappings.policy import Policy, Straddle
from mappings.splitting import split_cents
from mappings.trace import LegKind

#: (first day, last day) of each fiscal period.
FiscalPeriods = tuple[tuple[date, date], ...]

#: Kinds whose debit is the cost of work.
COSTS_OF_WORK = frozenset({LineKind.EARNING, LineKind.EMPLOYER_TAX, LineKind.EMPLOYER_CONTRIBUTION})

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PeriodShare:
    """How much of a pay period was worked up to the end of one fiscal period: `days` of `of_days`, cumulative.

    `position` counts the fiscal period ends of the run from 1, `next_start_date` is the first day of the fiscal period
    that follows.
    """

    position: int
    end_date: date
    next_start_date: date
    days: int
    of_days: int


def straddles(header: PayrollHeader, policy: Policy) -> bool:
    """Whether the policy shares this run over fiscal periods at all: a bonus belongs to its date, by default."""
    if policy.straddle == Straddle.NONE or header.period_start is None or header.period_end is None:
        return False
    return header.payroll_type != "off_cycle" or policy.straddle_off_cycle


def period_shares(
    header: PayrollHeader, policy: Policy, posting_date: date, fiscal_periods: FiscalPeriods = ()
) -> tuple[list[PeriodShare], list[Problem]]:
    """The fiscal period ends before the fiscal period of the posting date that the pay period reaches, or why not.

    No fiscal periods given = calendar months. Overlapping ones, as a ledger's closing periods are, change nothing.
    """
    if not straddles(header, policy):
        return [], []
    assert header.period_start is not None
    assert header.period_end is not None
    periods = sorted(fiscal_periods) or _calendar_months(header.period_start, posting_date)
    first_missing = _first_missing_day(periods, header.period_start, posting_date)
    if first_missing is not None:
        return [], [_missing_period(first_missing)]
    posting_start = min((start for start, end in periods if start <= posting_date <= end), default=posting_date)
    ends = sorted({end for _, end in periods if header.period_start <= end < posting_start})
    if not ends:
        return [], []
    of_days = _days(header.period_start, header.period_end, policy)
    if not of_days or len(ends) > PERIOD_ENDS_MAX:
        return [], [_cannot_share(header, of_days, len(ends))]
    return [
        PeriodShare(
            position=position,
            end_date=end,
            next_start_date=min(start for start, _ in periods if start > end),
            days=_days(header.period_start, min(end, header.period_end), policy),
            of_days=of_days,
        )
        for position, end in enumerate(ends, start=1)
    ], []


def share_of_cost(groups: Iterable[LegGroup], share: PeriodShare) -> list[LegGroup]:
    """Of every finished leg of a cost of work the part up to a fiscal period end, on the same account."""
    weights = (share.days, share.of_days - share.days)
    shared = []
    for group in groups:
        if group.side == Side.DEBIT and group.landing and group.landing.rule.kind in COSTS_OF_WORK:
            amounts = {line: split_cents(cents, weights)[0] for line, cents in group.amounts.items()}
            shared.append(group._replace(amounts={line: cents for line, cents in amounts.items() if cents}))
    return shared


def accrual_of(groups: Iterable[LegGroup], share: PeriodShare, accrual_account: str) -> list[LegGroup]:
    """Both sides of the accrual at one fiscal period end: the share of the costs against what is owed for them."""
    costs = [group._replace(kind=LegKind.ACCRUED) for group in share_of_cost(groups, share)]
    owed = [cost._replace(main_account=accrual_account, dimensions=(), side=Side.CREDIT) for cost in costs]
    return [*costs, *owed]


def _days(first: date, last: date, policy: Policy) -> int:
    """Days from first to last, both included; by working days Monday to Friday without unpaid holidays."""
    count = (last - first).days + 1
    if policy.straddle == Straddle.CALENDAR_DAYS:
        return max(count, 0)
    days = (first + timedelta(days=offset) for offset in range(count))
    return sum(day.weekday() < 5 and day not in policy.unpaid_holidays for day in days)


def _calendar_months(first: date, last: date) -> list[tuple[date, date]]:
    """The months from that of the first day to that of the last."""
    months = []
    start = first.replace(day=1)
    while start <= last:
        following = (start + timedelta(days=31)).replace(day=1)
        months.append((start, following - _DAY))
        start = following
    return months


def _first_missing_day(periods: Iterable[tuple[date, date]], first: date, last: date) -> date | None:
    """The first day that lies in none of the fiscal periods; they are sorted."""
    day = first
    for start, end in periods:
        if day > last or start > day:
            break
        day = max(day, end + _DAY)
    return day if day <= last else None


def _missing_period(day: date) -> Problem:
    return Problem(
        code="period",
        kind="missing_period",
        sentence=(
            f"No fiscal period is known for {day:%-d %b %Y}, so the pay period cannot be shared over its fiscal periods. "
            "Nothing was sent."
        ),
        facts=(("date", day.isoformat()),),
        page="reference",
    )


def _cannot_share(header: PayrollHeader, of_days: int, ends: int) -> Problem:
    period = f"The pay period {header.period_start:%-d %b %Y} to {header.period_end:%-d %b %Y}"
    reason = f"crosses {ends} fiscal period ends, {PERIOD_ENDS_MAX} are possible" if of_days else "has no working day"
    return Problem(
        code="configuration",
        kind="straddle",
        sentence=f"{period} {reason}, so it cannot be shared over its fiscal periods. Nothing was sent.",
        facts=(("period_start", str(header.period_start)), ("period_end", str(header.period_end))),
        page="mapping",
    )
