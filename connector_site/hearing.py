"""Whether we hear from Gusto, for Home: when last, since when nothing was missed, when people are paid next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from tenants.models import Connection, LegalEntity

#: Gusto is asked at least daily; a second day without an answer is no coincidence.
SILENT_AFTER = timedelta(days=2)
#: A sweep that a tenant made rarer is missed after twice its time.
SWEEPS_MISSED = 2


@dataclass(frozen=True, slots=True)
class Hearing:
    """Of all legal entities whose payrolls come over Gusto's API together: each fact is that of the worst of them."""

    heard_at: datetime | None = None
    """The last answer of Gusto."""
    complete_from_date: date | None = None
    """Since this day no processed payroll is missing here; None while one legal entity was never compared."""
    next_check_date: date | None = None
    silent_days: int = 0
    """Whole days without an answer where one was due; 0 = none is missed."""

    @property
    def sentence(self) -> str:
        """What is said before everything else while Gusto is silent, or nothing."""
        return f"We have not heard from Gusto for {self.silent_days} days." if self.silent_days else ""


def hearing() -> Hearing:
    """One query, inside a scope."""
    now = timezone.now()
    rows = list(
        LegalEntity.objects.filter(gusto_connection__isnull=False)
        .exclude(gusto_connection__health=Connection.Health.OFF)
        .values_list(
            "gusto_connection__succeeded_at", "sweep_hours", "last_sweep__complete_from_date",
            "last_sweep__next_check_date",
        )
    )  # fmt: skip
    heard = [(at, hours) for at, hours, *_ in rows if at is not None]
    silent = [
        now - at for at, hours in heard if now - at > max(SILENT_AFTER, SWEEPS_MISSED * timedelta(hours=hours or 0))
    ]
    complete = [day for *_, day, _ in rows]
    return Hearing(
        heard_at=max((at for at, _ in heard), default=None),
        complete_from_date=None if None in complete else max(complete, default=None),
        next_check_date=min((day for *_, day in rows if day is not None and day >= timezone.localdate()), default=None),
        silent_days=max(silent, default=timedelta()).days,
    )
