"""What the page "Coverage" asks of the database: as much for 10,000 rules and 500 components as for a handful."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from gusto import payroll_document
from gusto.models import PayrollRun
from mappings.models import MappingRule, MappingTable
from tenants.models import Connection, LegalEntity, Membership, Role, Tenant, User
from tenants.scope import tenant_scope
from tests.bench import people
from tests.bench.figures import Figure
from tests.bench.stage import Stage

#: (Rules, components) of a small and of a large mapping.
SIZES = ((20, 10), (10_000, 500))
RUNS = 3


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    yield f"The page “Coverage” over the last {RUNS} payrolls"
    client = signed_in(stage.world.tenant)
    counts = []
    for rules, components in SIZES:
        entity = mapped(stage, rules, components)
        seconds, count = looked(client, entity)
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


def looked(client: Client, entity: LegalEntity) -> tuple[float, int]:
    """Seconds and queries of the page, once it was opened before. Raises RuntimeError."""
    page = reverse("admin:mappings_coverage", args=[entity.pk])
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            answer = client.get(page)
            seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise RuntimeError(f"the coverage page was answered with {answer.status_code}")
    return seconds, len(queries)


def signed_in(tenant: Tenant) -> Client:
    """The browser of a preparer."""
    settings.ALLOWED_HOSTS.append("testserver")
    user = User.objects.create_user("bench", email="bench@example.com", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, roles=[Role.PREPARER])
    client = Client()
    client.force_login(user)
    return client


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
    if "Mapped" not in stage.world.entities:
        stage.world.entity("Mapped", company=0)
    with tenant_scope(stage.world.tenant.id):
        erp = Connection.objects.get(system="d365")
        entity: LegalEntity = LegalEntity.objects.create(name=f"{rules} rules", company_code="us01", erp_connection=erp)
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
