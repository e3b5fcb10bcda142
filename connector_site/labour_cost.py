"""Labour cost by month on Home: what was debited for people, stacked by kind or by department, and the same as a table.

An amount that is one person's is that person's pay: without the right to see pay it is added to others, and so is one that
could be told by taking the others from the total.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncMonth

from connector_site.month import counted_runs
from gusto.models import LabourCost
from mappings.journal import ZERO
from mappings.payroll import LineKind

MONTHS = 6
#: Departments that get a colour of their own; the others are one stack.
DEPARTMENTS = 7
#: From so many runs of one legal entity in a month its bar says so: a month of three paydays is no raise.
RUNS_TOLD = 3

KINDS = {
    LineKind.EARNING: "Earnings", LineKind.TIPS: "Earnings", LineKind.OWNERS_DRAW: "Earnings",
    LineKind.EMPLOYER_TAX: "Employer taxes", LineKind.EMPLOYER_CONTRIBUTION: "Employer contributions",
    LineKind.REIMBURSEMENT: "Reimbursements",
}  # fmt: skip
#: In the order of the legend; the colours are --chart-1, --chart-2, ... of console.css.
KIND_ORDER = ("Earnings", "Employer taxes", "Employer contributions", "Reimbursements")
NO_DEPARTMENT = "No department"
OTHERS = "Other departments"


@dataclass(frozen=True, slots=True)
class CostChart:
    """Stacks by month. `rows` is the table: (label of the month, amounts in the order of `series`, their sum)."""

    by: str
    currency: str
    is_only_currency: bool
    series: list[str]
    rows: list[tuple[str, list[Decimal], Decimal]]

    @property
    def data(self) -> str:
        """For Chart.js, in thousands."""
        sets = [
            {
                "label": name, "data": [float(round(amounts[number] / 1000, 2)) for _, amounts, _ in self.rows],
                "backgroundColor": f"var(--chart-{number + 1})", "borderColor": "var(--paper)", "borderWidth": {"top": 1},
                "borderSkipped": False, "stack": "cost", "maxBarThickness": 44,
            }
            for number, name in enumerate(self.series)
        ]  # fmt: skip
        return json.dumps({"labels": [label for label, *_ in self.rows], "datasets": sets})

    @property
    def options(self) -> str:
        """All of them: what is given replaces every default. Colours of ticks follow the theme, by console.js."""
        return json.dumps(OPTIONS)


OPTIONS: dict[str, Any] = {
    "animation": False, "responsive": True, "maintainAspectRatio": False,
    "plugins": {"legend": {"display": False}, "tooltip": {"mode": "index", "intersect": False}},
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "border": {"display": False}},
        "y": {"stacked": True, "beginAtZero": True, "border": {"display": False}, "ticks": {"maxTicksLimit": 6}},
    },
}  # fmt: skip


def cost_chart(today: date, *, by_department: bool, may_see_pay: bool) -> CostChart | None:
    """The last months to today in the currency of most payroll runs, None without any; two queries, inside a scope."""
    this = today.replace(day=1)
    # A payroll is processed some days before its check date, which may lie in the next month.
    runs = counted_runs().filter(check_date__gte=_plus(this, 1 - MONTHS), check_date__lt=_plus(this, 2))
    counts = list(
        runs.filter(debits__isnull=False)
        .annotate(month=TruncMonth("check_date"))
        .values("legal_entity_id", "legal_entity__currency", "month")
        .annotate(runs=Count("pk"))
    )
    if not counts:
        return None
    by_currency: defaultdict[str, int] = defaultdict(int)
    for row in counts:
        by_currency[row["legal_entity__currency"]] += row["runs"]
    currency = max(by_currency, key=lambda each: (by_currency[each], each))
    most_runs: defaultdict[date, int] = defaultdict(int)
    for row in counts:
        if row["legal_entity__currency"] == currency:
            most_runs[row["month"]] = max(most_runs[row["month"]], row["runs"])
    costs = (
        LabourCost.objects.filter(payroll_run__in=runs.filter(legal_entity__currency=currency).values("pk"))
        .annotate(month=TruncMonth("payroll_run__check_date"))
        .values("month", "department" if by_department else "kind")
        .annotate(sum=Sum("amount"), people=Max("employees"))
    )
    amounts: defaultdict[str, defaultdict[date, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    fewest: dict[str, int] = {}
    for row in costs:
        name = (row["department"] or NO_DEPARTMENT) if by_department else KINDS[LineKind(row["kind"])]
        amounts[name][row["month"]] += row["sum"]
        # A company's own taxes have nobody behind them and tell nobody's pay.
        fewest[name] = min(fewest.get(name, row["people"]), row["people"]) if row["people"] else fewest.get(name, 2)
    if by_department:
        series = _folded(amounts, fewest if not may_see_pay else {})
    else:
        series = [name for name in KIND_ORDER if name in amounts]
    last = max(this, *most_runs)
    shown = [month for number in range(1 - MONTHS, 1) if (month := _plus(last, number)) >= min(most_runs)]
    rows = []
    for month in shown:
        values = [amounts[name][month] for name in series]
        rows.append((_label(month, most_runs[month], is_open=month >= this), values, sum(values, ZERO)))
    return CostChart("department" if by_department else "kind", currency, len(by_currency) == 1, series, rows)


def _folded(amounts: defaultdict[str, defaultdict[date, Decimal]], fewest: dict[str, int]) -> list[str]:
    """The departments that stand alone, largest first, and what is left as one; changes `amounts`."""

    def total(name: str) -> Decimal:
        return sum(amounts[name].values(), ZERO)

    ranked = sorted(amounts, key=lambda name: (-total(name), name))
    hidden = [name for name in ranked if fewest.get(name, 2) < 2]
    alone = [name for name in ranked if name not in hidden]
    if len(hidden) == 1 and alone:
        # The total less all others would tell the one that is hidden.
        hidden.append(alone.pop())
    rest = alone[DEPARTMENTS:] + hidden
    alone = alone[:DEPARTMENTS]
    if rest:
        for name in rest:
            for month, amount in amounts.pop(name).items():
                amounts[OTHERS][month] += amount
        alone.append(OTHERS)
    return alone


def _plus(month: date, months: int) -> date:
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _label(month: date, runs: int, *, is_open: bool) -> str:
    return f"{month:%b}{f', {runs} runs' if runs >= RUNS_TOLD else ''}{' to date' if is_open else ''}"
