"""What the page "Coverage" asks of the database: as much for 10,000 rules and 500 components as for a handful."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gusto import payroll_document
from gusto.last_runs import last_runs
from gusto.models import PayrollRun
from mappings.coverage import coverage
from mappings.models import MappingRule, MappingTable
from mappings.tables import table_of
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.bench import people
from tests.bench.figures import Figure
from tests.bench.stage import Stage

#: (Rules, components) of a small and of a large mapping.
SIZES = ((20, 10), (10_000, 500))
RUNS = 3


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    yield f"Coverage of the last {RUNS} payrolls"
    counts = []
    for rules, components in SIZES:
        entity = mapped(stage, rules, components)
        seconds, count, seen = looked(stage, entity)
        if seen < components:
            raise RuntimeError(f"{seen} components were seen, not {components}")
        counts.append(count)
        yield str(Figure(f"{rules:,} rules, {components} components", f"{count} queries, {seconds:.2f} s"))
    yield str(
        Figure(
            "queries of the large one beyond those of the small",
            str(counts[1] - counts[0]),
            "0",
            counts[0] == counts[1],
        )
    )


def looked(stage: Stage, entity: LegalEntity) -> tuple[float, int, int]:
    """Seconds, queries, and components that were seen."""
    with tenant_scope(stage.world.tenant.id), CaptureQueriesContext(connection) as queries:
        began = time.perf_counter()
        found = coverage(table_of(MappingTable.objects.get(legal_entity=entity)), last_runs(entity, RUNS))
        return time.perf_counter() - began, len(queries), len(found.components)


def mapped(stage: Stage, rules: int, components: int) -> LegalEntity:
    """A legal entity with that many rules, each for a component in a department, and payrolls that carry all components."""
    kept: dict[str, Any] = {
        uuid: {
            "code": person.employee_code,
            "department": person.department,
            "jobs": {job_uuid: asdict(job) for job_uuid, job in person.jobs.items()},
        }
        for uuid, person in people.roster(components).items()
    }
    with tenant_scope(stage.world.tenant.id):
        entity = LegalEntity.objects.create(name=f"{rules} rules", company_code="us01")
        version = MappingTable.objects.create(
            legal_entity=entity, version=1, valid_from=date(2025, 1, 1), created_by="bench"
        )
        MappingRule.objects.bulk_create(
            MappingRule(
                mapping_table=version, rule=f"R{number:05d}", kind="earning", component=f"Bonus {number % components}",
                department=f"Department {number // components}", side="debit", main_account="6000",
            )
            for number in range(rules)
        )  # fmt: skip
        for number in range(RUNS):
            made = PayrollRun.objects.create(
                legal_entity=entity, company_uuid="bench", payroll_uuid=f"bench-coverage-{rules}-{number}",
                state=PayrollRun.State.READ, announced_at=timezone.now(), read_at=timezone.now(),
                check_date=date(2026, 6, 26),
            )  # fmt: skip
            payroll_document.store(made, list(people.pages(components, components)), kept, timezone.now())
    return entity
