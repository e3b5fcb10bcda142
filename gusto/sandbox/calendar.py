"""Pay periods of the sandbox: every other week, Saturday to Friday, paid the Friday after.

The grid hangs on a fixed day, so `today` decides only which periods exist, never where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

ANCHOR = date(2026, 1, 3)
DAYS = 14
PERIODS_PER_YEAR = 26
#: 16:00 in California, daylight saving left out.
DEADLINE_HOUR_UTC = 23


@dataclass(frozen=True, slots=True)
class PayPeriod:
    """The `index`-th period from the anchor."""

    index: int

    @property
    def start(self) -> date:
        return ANCHOR + timedelta(days=DAYS * self.index)

    @property
    def end(self) -> date:
        return self.start + timedelta(days=DAYS - 1)

    @property
    def check_date(self) -> date:
        return self.end + timedelta(days=7)


def deadline(check_date: date) -> datetime:
    """Two banking days before the check date, 16:00 Pacific: until then a payroll can be run or cancelled."""
    day = check_date
    banking_days = 0
    while banking_days < 2:
        day -= timedelta(days=1)
        banking_days += day.weekday() < 5
    return datetime(day.year, day.month, day.day, DEADLINE_HOUR_UTC, tzinfo=UTC)


def next_check_date(now: datetime) -> date:
    """The first banking day for which a payroll can still be run with a day to spare: for off-cycle payrolls."""
    day = now.date()
    while day.weekday() >= 5 or deadline(day) <= now + timedelta(days=1):
        day += timedelta(days=1)
    return day


def next_period(now: datetime) -> PayPeriod:
    """The earliest period whose payroll can still be run in time."""
    period = PayPeriod((now.date() - ANCHOR).days // DAYS - 2)
    while deadline(period.check_date) <= now:
        period = PayPeriod(period.index + 1)
    return period
