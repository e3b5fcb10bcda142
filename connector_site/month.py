"""The month's tie-out on Home: what Gusto's payrolls debit, what our journals hold of it, what the ledger shows, and the rest
split until nothing is unexplained. From stored figures, in one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, DecimalField, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from erp.models import Posting
from gusto.models import PayrollRun
from mappings.journal import ZERO

_MONEY: DecimalField[Decimal, Decimal] = DecimalField(max_digits=18, decimal_places=2)


@dataclass(frozen=True, slots=True)
class MonthTieOut:
    """The debits of all payroll runs with a check date in a month, in one currency."""

    month: date
    currency: str
    runs: int
    unread: int
    """Runs without figures yet: they are in no sum."""
    payroll: Decimal
    journals: Decimal
    posted: Decimal
    not_allocated: Decimal
    given_up: Decimal

    @property
    def not_posted(self) -> Decimal:
        return self.journals - self.posted

    @property
    def unexplained(self) -> Decimal:
        return self.payroll - self.journals - self.not_allocated - self.given_up


def counted_runs() -> QuerySet[PayrollRun]:
    """Payroll runs that are to be posted, inside a scope."""
    return PayrollRun.objects.exclude(state__in=[PayrollRun.State.WITHDRAWN, PayrollRun.State.IGNORED])


def month_tie_out(today: date) -> list[MonthTieOut]:
    """One per currency, of this month or, where it has no payroll run, of the one nearest to it before, else after; inside a
    scope.

    A run counts as posted once all of its journals are; until then all of it is not yet posted.
    """
    newest: date | None = (
        counted_runs().filter(check_date__lt=_next(today)).aggregate(newest=Max("check_date"))["newest"]
    )
    if newest is None:
        return []
    first = newest.replace(day=1)
    postings = Posting.objects.filter(payroll_run=OuterRef("pk"))
    live = postings.exclude(state=Posting.State.VOIDED)
    runs = counted_runs().filter(check_date__gte=first, check_date__lt=_next(newest))
    runs = runs.annotate(
        has_postings=Exists(postings), is_live=Exists(live), is_open=Exists(live.exclude(state=Posting.State.POSTED))
    )
    rows = (
        runs.annotate(currency=F("legal_entity__currency"))
        .values("currency")
        .annotate(
            runs=Count("pk"),
            unread=Count("pk", filter=Q(debits__isnull=True)),
            payroll=_sum("debits", Q()),
            journals=_sum("journal_debits", Q(is_live=True)),
            posted=_sum("journal_debits", Q(is_live=True, is_open=False)),
            not_allocated=_sum("debits", Q(has_postings=False)),
            given_up=_sum("debits", Q(has_postings=True, is_live=False)),
        )
        .order_by("-runs", "currency")
    )
    return [MonthTieOut(month=first, **row) for row in rows]


def _next(day: date) -> date:
    """The first day of the month after."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _sum(name: str, which: Q) -> Coalesce:
    return Coalesce(Sum(name, filter=which, default=None), Value(ZERO, output_field=_MONEY), output_field=_MONEY)
