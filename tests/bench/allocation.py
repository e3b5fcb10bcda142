"""Allocation with its trace against its floor, in memory, and what storing the trace takes.

The floor is what no allocation can do without: reading the JSON with exact decimals and adding every amount once. It is
measured in the same process and in turns with the allocation, in seconds of the processor. Each size has a process of its
own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils import timezone

from erp.building import keep
from erp.traces import trace_of
from gusto.models import PayrollRun
from gusto.payroll_lines import read_document
from mappings.allocation import Allocation, allocate
from mappings.models import MappingTable
from mappings.payroll import LineKind, PayrollHeader
from mappings.policy import Policy
from mappings.table import Criteria, CrosswalkEntry, Rule, Table, Target
from tenants.scope import tenant_scope
from tests.bench import people
from tests.bench.figures import Figure, at_most
from tests.bench.stage import Stage
from tests.world import DEPARTMENTS, RULES

RATIO_MAX = 3.0
MEGABYTES_MAX = 2_000
STORE_SECONDS_MAX = 2.0
#: Payroll lines become 28 rows of trace for each person: 9,000 people make 252,000.
PEOPLE_STORED = 9_000
REPEATS = 9
ALONE = """
import sys, json, django
django.setup()
from tests.bench import allocation
print(json.dumps(allocation.measured(int(sys.argv[1]), int(sys.argv[2]))))
"""
#: Where the amounts of a person's compensation stand: list, fields.
AMOUNTS = (
    ("fixed_compensations", ("amount",)), ("hourly_compensations", ("amount",)), ("paid_time_off", ("amount",)),
    ("reimbursements", ("amount",)), ("taxes", ("amount",)), ("deductions", ("amount",)),
    ("benefits", ("employee_deduction", "company_contribution")),
)  # fmt: skip


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    yield f"Allocation in memory, {people.LINES_OF_A_PERSON} payroll lines for each person"
    few, many = (1_000, 10_000) if is_quick else (10_000, 100_000)
    found = _measured_apart(few)
    rows = f"{found['lines']:,} lines, {found['rows']:,} trace rows"
    floor_seconds = found["floor_seconds"]
    ratio, shown = found["seconds"] / floor_seconds, found["row_seconds"] / floor_seconds
    words = f"{ratio:.2f} times the floor ({found['seconds']:.2f} s to {floor_seconds:.2f} s; {rows})"
    yield str(Figure(f"{few:,} people, with full trace", words, f"under {RATIO_MAX:g} times", ratio < RATIO_MAX))
    yield str(Figure("  the same, and every row of the trace shown", f"{shown:.2f} times the floor"))
    found = _measured_apart(many, repeats=1)
    size = f"{found['megabytes']:,.0f} MB, {found['lines']:,} lines, {found['rows']:,} trace rows"
    yield str(at_most(f"{many:,} people, peak memory", found["megabytes"], MEGABYTES_MAX, size))
    yield str(_storing(stage, 1_000 if is_quick else PEOPLE_STORED))


def _measured_apart(count: int, repeats: int = REPEATS) -> dict[str, Any]:
    argv = [sys.executable, "-c", ALONE, str(count), str(repeats)]
    done = subprocess.run(argv, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(count: int, repeats: int) -> dict[str, Any]:
    """Seconds (the least of the repeats, in turns), counts, and megabytes before the trace was shown row by row."""
    header, rules = header_of(people.pages(count), count), table()
    # Not where memory is measured: the pages of all people would count.
    pages = list(people.pages(count)) if repeats > 1 else []
    took, floors, shown = [], [], []
    for _ in range(repeats):
        seconds, allocation = _timed(lambda: allocate(header, rules))
        took.append(seconds)
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if repeats > 1:
            floors.append(_timed(lambda: floor(pages))[0])
            shown.append(seconds + _timed(partial(_count, allocation.trace))[0])
    return {
        "lines": len(header.lines), "rows": len(allocation.trace), "megabytes": megabytes, "seconds": min(took),
        "floor_seconds": min(floors, default=0.0), "row_seconds": min(shown, default=0.0),
    }  # fmt: skip


def _count(rows: Iterable[object]) -> int:
    return sum(1 for _ in rows)


def header_of(pages: Iterable[str], count: int) -> PayrollHeader:
    """The lines of the made payroll. Raises RuntimeError where one of its people does not add up."""
    reading = read_document(pages, people.roster(count), with_digest=False)
    if len(reading.header.lines) != count * people.LINES_OF_A_PERSON:
        raise RuntimeError(f"{len(reading.header.lines)} lines of {count} people")
    return reading.header


def table() -> Table:
    """The rules of the tests' world in their pure form."""
    rules = []
    for number, (kind, component, side, account, dimensions) in enumerate(RULES, 1):
        name, _, value = dimensions.partition("=")
        target = Target(1, Decimal(100), account, ((name, value),) if name else ())
        sides = {side: (target,)}
        rules.append(Rule(f"R{number:02d}", LineKind(kind), Criteria(component=component), **sides))
    crosswalk = (CrosswalkEntry("department", name, "CostCenter", value) for name, value in DEPARTMENTS.items())
    return Table("1", date(2025, 1, 1), tuple(rules), tuple(crosswalk), Policy(company_code="us01"))


def floor(pages: Iterable[str]) -> tuple[Decimal, int]:
    """json.loads with Decimal plus one addition per amount. Returns the sum, and how many amounts there were."""
    total, count = Decimal(0), 0
    for page in pages:
        document = json.loads(page, parse_float=Decimal)
        for person in document["employee_compensations"]:
            total += Decimal(person["check_amount"])
            count += 1
            for name, fields in AMOUNTS:
                for row in person[name]:
                    for field in fields:
                        total += Decimal(row[field])
                        count += 1
    return total, count


def _storing(stage: Stage, count: int) -> Figure:
    """One journal with its whole trace, from the allocation to the committed rows."""
    entity = stage.world.entity("Stored trace", company=0)
    header = header_of(people.pages(count), count)
    header = replace(header, payroll_uuid="bench-trace")
    allocation: Allocation = allocate(header, table())
    with tenant_scope(stage.world.tenant.id):
        made = PayrollRun.objects.create(
            legal_entity=entity, company_uuid="bench", payroll_uuid="bench-trace", state=PayrollRun.State.READ,
            announced_at=timezone.now(), read_at=timezone.now(), check_date=header.check_date,
        )  # fmt: skip
        version = MappingTable.objects.get(legal_entity=entity)
    began = time.perf_counter()
    with tenant_scope(stage.world.tenant.id):
        (journal,) = allocation.journals
        trace = trace_of(allocation.trace.of_journal(0), header)
        posting = keep(made, entity, version, journal, [], trace, prepared_by=[])
    seconds = time.perf_counter() - began
    with tenant_scope(stage.world.tenant.id):
        sealed = len(posting.trace.sealed)
    words = f"{seconds:.2f} s for {len(allocation.trace):,} rows, {sealed / 1_000_000:.1f} MB, sealed"
    return at_most("storing the trace of a journal", seconds, STORE_SECONDS_MAX, words)


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor: others on the machine count as little as can be."""
    began = time.process_time()
    result = act()
    return time.process_time() - began, result
