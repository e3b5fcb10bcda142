"""HTTP round trips of a Dynamics journal, counted at the far side: at most 4 for 20 lines, at most 10 for 1,000."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

from audit import work
from erp.building import keep
from erp.models import Posting
from erp.states import set_approved
from gusto.models import PayrollRun
from mappings.journal import Journal, JournalKind, JournalLine, posting_key
from mappings.models import MappingTable
from tenants.scope import tenant_scope
from tests.bench.stage import Stage

AIMS = {20: 4, 1000: 10}


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    world = stage.world
    entity = world.entity("Round trips", company=0)
    yield "Dynamics 365: HTTP round trips for a journal, warm token, read-back included"
    for lines, aim in {5: 0, **AIMS}.items():
        journal = journal_of(lines, world.today)
        with tenant_scope(world.tenant.id):
            made = PayrollRun.objects.create(
                legal_entity=entity, company_uuid="bench", payroll_uuid=f"bench-{lines}", state=PayrollRun.State.READ,
                announced_at=datetime.now(UTC), read_at=datetime.now(UTC), check_date=world.today,
            )  # fmt: skip
            posting = keep(
                made,
                entity,
                MappingTable.objects.filter(legal_entity=entity).get(),
                journal,
                [],
                b'{"rows":[]}',
                prepared_by=[],
            )
            before = len(data_requests(stage))
            set_approved(posting, "")
        work.drain(seconds=60)
        with tenant_scope(world.tenant.id):
            state = Posting.objects.get(pk=posting.pk).state
        trips = len(data_requests(stage)) - before
        if aim:  # the first journal warms token and reference data
            yield f"  {lines:>5} lines: {trips:>2} round trips (aim: at most {aim}), state {state}"


def data_requests(stage: Stage) -> list[str]:
    with stage.world.server.log_lock:
        return [entry["path"] for entry in stage.world.server.log if entry["system"] == "d365"]


def journal_of(lines: int, day: date) -> Journal:
    """Balanced: all lines but one are debits of a cent more each, the last is their sum as a credit."""
    debits = [
        JournalLine(
            number,
            "6000",
            (("CostCenter", f"{100 + 10 * (number % 80)}"),),
            Decimal(number) / 100,
            Decimal("0.00"),
            f"Line {number}",
        )
        for number in range(1, lines)
    ]
    total = sum((line.debit for line in debits), Decimal("0.00"))
    key = posting_key("bench", f"bench-{lines}", JournalKind.PAYROLL, "us01", 1)
    return Journal(
        kind=JournalKind.PAYROLL, company_code="us01", posting_date=day, document_date=day, currency="USD",
        header_text="Bench", posting_key=key,
        lines=(*debits, JournalLine(lines, "2110", (), Decimal("0.00"), total, "Clearing")),
    )  # fmt: skip
