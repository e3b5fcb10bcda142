"""A payroll of ten thousand people: calls to Gusto, seconds, memory, and allocation against its floor.

The floor is what no allocation can do without: reading the JSON with exact decimals and adding every amount once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from gusto.models import PayrollRun
from gusto.payroll_document import header_of
from mappings.allocation import allocate
from mappings.models import MappingTable
from mappings.tables import table_of
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.bench.stage import Stage
from tests.world import own_process

#: Amounts of a person, by list.
AMOUNTS = {
    "fixed_compensations": ("amount",), "hourly_compensations": ("amount",), "paid_time_off": ("amount",),
    "reimbursements": ("amount",), "taxes": ("amount",), "deductions": ("amount",),
    "benefits": ("employee_deduction", "company_contribution"),
}  # fmt: skip

READ = """
import json, resource, sys, time, django
django.setup()
from audit import work
began = time.monotonic()
tries = 0
while not tries or tries < 400:
    done = work.drain(seconds=120)
    from gusto.models import PayrollRun
    from tenants.scope import tenant_scope
    with tenant_scope(sys.argv[1]):
        run = PayrollRun.objects.filter(payroll_uuid=sys.argv[2]).first()
    if run is not None and run.state != "new" and not done:
        break
    tries += 1
    time.sleep(0.2)
print(json.dumps({"seconds": time.monotonic() - began, "state": run.state, "reason": run.reason, "sentence": run.sentence[:200],
                  "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    world = stage.world
    people = 1_000 if is_quick else 10_000
    company = world.gusto.create_company(seed=7, employees=people, name="Bench of many", history=0)
    position = [row["uuid"] for row in world.gusto.companies()].index(company["uuid"])
    entity = world.entity("Many people", company=position, approval="person")
    payroll = world.gusto.create_payroll(entity.gusto_company_uuid)
    uuid = payroll["payroll_uuid"]
    world.gusto.process(uuid)
    with world.server.log_lock:
        world.server.log.clear()
    # The notice arrives at the web server; the worker of the bench reads, ties out and allocates what it announces.
    with own_process(
        [sys.executable, "-c", READ, str(world.tenant.id), uuid], stage.address, stdout=subprocess.PIPE
    ) as child:
        output, _ = child.communicate(timeout=1200)
    found = json.loads(output.splitlines()[-1])
    calls = [
        entry["path"] for entry in world.server.log if entry["system"] == "gusto" and entry["path"].startswith("/v1/")
    ]
    of_payroll = sum("/payrolls/" in path and "reports" not in path for path in calls)
    of_people = sum(path.endswith("/employees") for path in calls)
    yield f"A payroll of {people:,} people, read back and allocated by one worker"
    others = len(calls) - of_payroll - of_people
    yield f"  Gusto calls: {of_payroll} for the payroll (aim: at most 110), {of_people} for its people, {others} others"
    state = f"{found['state']} {found['reason']} {found['sentence']}".rstrip()
    yield f"  {found['seconds']:.1f} s with Gusto's limit of 200 calls a minute, state {state}"
    yield f"  peak memory of the worker {found['kilobytes'] / 1024:.0f} MB (ru_maxrss)"
    yield from allocation(world.tenant.id, entity, uuid)


def allocation(tenant_id: Any, entity: LegalEntity, payroll_uuid: str) -> Iterator[str]:
    """Allocation with full trace as a ratio to the floor, on the document as Gusto gave it."""
    from gusto import payroll_document

    with tenant_scope(tenant_id):
        payroll_run = PayrollRun.objects.get(payroll_uuid=payroll_uuid)
        header = replace(header_of(payroll_run), sequence=payroll_run.sequence)
        table = table_of(MappingTable.objects.get(legal_entity=entity))
        pages = payroll_document._opened(payroll_run.documents.first())["pages"]
    began = time.perf_counter()
    amounts = floor(pages)
    base = time.perf_counter() - began
    best = min(timed(lambda: allocate(header, table)) for _ in range(3))
    result = allocate(header, table)
    yield (
        f"  allocation of {len(header.lines):,} lines into {len(result.trace):,} trace rows: {best:.2f} s, "
        f"{best / base:.1f} times the floor of {base:.2f} s (json.loads with Decimal plus {amounts:,} additions; aim 3)"
    )


def floor(pages: list[str]) -> int:
    """json.loads with Decimal plus one addition per amount. Returns how many amounts there were."""
    total, count = Decimal(0), 0
    for page in pages:
        document = json.loads(page, parse_float=Decimal)
        for person in document["employee_compensations"]:
            for name, fields in AMOUNTS.items():
                for row in person.get(name) or ():
                    for field in fields:
                        if row.get(field) is not None:
                            total += Decimal(row[field])
                            count += 1
    return count


def timed(act: Any) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
