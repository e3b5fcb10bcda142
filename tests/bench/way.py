"""From the signed webhook to ENTERED: payrolls of fifty people with the real web server and the real worker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from erp.models import Posting
from gusto.models import WebhookEvent
from tenants.scope import tenant_scope
from tests.bench.figures import Figure, quantile
from tests.bench.stage import Stage

PAYROLLS, PAYROLLS_QUICK = 20, 4


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    world, count = stage.world, PAYROLLS_QUICK if is_quick else PAYROLLS
    entity = world.entity("Fifty people", company=1)
    took: list[float] = []
    with stage.worker():
        for _ in range(count):
            payroll = world.gusto.create_payroll(entity.gusto_company_uuid, off_cycle_reason="Correction")
            uuid = payroll["payroll_uuid"]
            world.gusto.process(uuid)
            took.append(seconds_to_entered(stage, uuid))
    yield f"From webhook to ENTERED, 50 people, {count} payrolls one after the other, web and worker running"
    yield str(Figure("median, p95", f"{statistics.median(took):.2f} s, {quantile(took, 0.95):.2f} s"))


def seconds_to_entered(stage: Stage, payroll_uuid: str) -> float:
    """From the moment at which the notice was received to that at which Dynamics held the whole journal."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with tenant_scope(stage.world.tenant.id):
            posting = Posting.objects.filter(payroll_run__payroll_uuid=payroll_uuid, entered_at__isnull=False).first()
        if posting is not None and posting.entered_at is not None:
            event = WebhookEvent.objects.get(entity_uuid=payroll_uuid, event_type="payroll.processed")
            return (posting.entered_at - event.received_at).total_seconds()
        time.sleep(0.02)
    raise RuntimeError(f"payroll {payroll_uuid} was not entered within two minutes")
