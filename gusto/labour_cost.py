"""What a payroll run costs by kind and department: sums for figures that name nobody, kept when the run is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from gusto.figures import ZERO
from gusto.models import LabourCost, PayrollRun
from mappings.payroll import SIDES, LineKind, PayrollLine, Side


def take(run: PayrollRun, lines: Iterable[PayrollLine]) -> None:
    """Replace the sums of a run by those of its lines, inside a scope. They add up to the natural debits of its journals."""
    amounts: defaultdict[tuple[LineKind, str], Decimal] = defaultdict(lambda: ZERO)
    people: defaultdict[tuple[LineKind, str], set[str]] = defaultdict(set)
    for line in lines:
        if Side.DEBIT not in SIDES[line.kind]:
            continue
        key = line.kind, line.department[:200]
        amounts[key] += line.amount
        if line.employee:
            people[key].add(line.employee)
    LabourCost.objects.filter(payroll_run=run).delete()
    LabourCost.objects.bulk_create(
        LabourCost(
            payroll_run=run, kind=kind.value, department=department, amount=amount, employees=len(people[kind, department])
        )
        for (kind, department), amount in amounts.items()
    )  # fmt: skip
