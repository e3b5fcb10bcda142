"""A payroll of ten thousand people, read back from Gusto and allocated by one worker: calls, seconds, peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.figures import Figure, at_most
from tests.bench.stage import Stage
from tests.world import own_process

PEOPLE, PEOPLE_QUICK = 10_000, 500
#: 100 pages and a few more.
CALLS_MAX = 110

READ = """
import json, resource, sys, time, django
django.setup()
from audit import work
from gusto.models import PayrollRun
from tenants.scope import tenant_scope
began = time.monotonic()
while True:
    done = work.drain(seconds=120)
    with tenant_scope(sys.argv[1]):
        run = PayrollRun.objects.filter(payroll_uuid=sys.argv[2]).first()
    if run is not None and run.state != "new" and not done or time.monotonic() - began > 900:
        break
    time.sleep(0.2)
print(json.dumps({"seconds": time.monotonic() - began, "state": run.state, "sentence": run.sentence[:200],
                  "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    world, people = stage.world, PEOPLE_QUICK if is_quick else PEOPLE
    company = world.gusto.create_company(seed=7, employees=people, name="Bench of many", history=0)
    position = [row["uuid"] for row in world.gusto.companies()].index(company["uuid"])
    entity = world.entity("Many people", company=position, approval="person")
    uuid = world.gusto.create_payroll(entity.gusto_company_uuid)["payroll_uuid"]
    world.gusto.process(uuid)
    with world.server.log_lock:
        world.server.log.clear()
    # The notice arrives at the web server; the worker of the bench reads, ties out and allocates what it announces.
    argv = [sys.executable, "-c", READ, str(world.tenant.id), uuid]
    with own_process(argv, stage.address, stdout=subprocess.PIPE) as child:
        output, _ = child.communicate(timeout=1200)
    found = json.loads(output.splitlines()[-1])
    if found["state"] != "read":
        raise RuntimeError(f"the payroll run is {found['state']}: {found['sentence']}")
    with world.server.log_lock:
        paths = [entry["path"] for entry in world.server.log if entry["system"] == "gusto"]
    calls = [path for path in paths if path.startswith("/v1/")]
    of_payroll = sum("/payrolls/" in path and "reports" not in path for path in calls)
    of_people = sum(path.endswith("/employees") for path in calls)
    yield f"A payroll of {people:,} people, read back and allocated by one worker"
    yield str(at_most("calls to Gusto for the payroll", of_payroll, CALLS_MAX))
    others = len(calls) - of_payroll - of_people
    yield str(Figure("calls for its people, other calls", f"{of_people:,}, {others:,}"))
    yield str(Figure("seconds, with Gusto's limit of 200 calls a minute", f"{found['seconds']:.1f}"))
    yield str(Figure("peak memory of the worker", f"{found['kilobytes'] / 1024:,.0f} MB"))
