"""The main job, end to end in one process: a processed payroll reaches the far ledger exactly once, whatever the payroll
holds and however often it is announced.
"""

from __future__ import annotations

import threading

import pytest
import requests
from django.db import connection

from audit import trail
from erp.decisions import replay
from erp.models import Posting
from gusto.models import PayrollRun, WebhookEvent
from mappings.journal import ZERO
from tenants.scope import tenant_scope
from tests.world import World


def paid(world: World, entity, *args, **options) -> str:
    """Process a payroll in Gusto and let it come as far as it can."""
    uuid = world.pay(entity, *args, **options)
    world.hear(uuid)
    world.work()
    return uuid


def test_a_processed_payroll_is_entered_and_then_posted(world: World):
    entity = world.entity()
    uuid = paid(world, entity)
    run = world.run(uuid)
    assert run.state == PayrollRun.State.READ, run.sentence
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    assert posting.debit == posting.credit > ZERO
    world.holds_exactly(posting)
    (journal,) = world.journals()
    assert posting.document_number == journal["JournalBatchNumber"]
    world.d365.post_journals()
    world.hurry("erp.post")
    posting = world.posting(uuid)
    assert posting.state == Posting.State.POSTED
    world.holds_exactly(posting)
    with tenant_scope(world.tenant.id):
        assert trail.verify().is_intact


def test_every_tie_out_row_of_the_run_is_equal_or_known(world: World):
    uuid = paid(world, world.entity())
    rows = world.run(uuid).tie_out
    assert {row["name"].split()[0] for row in rows} >= {"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8"}
    assert {row["verdict"] for row in rows} <= {"equal", "known"}


def test_the_same_webhook_fifty_times_at_once_makes_one_journal(world: World):
    entity = world.entity()
    world.play("webhook_lost", system="gusto", path="payroll.processed")
    uuid = world.pay(entity)
    assert not WebhookEvent.objects.filter(entity_uuid=uuid, event_type="payroll.processed").exists()
    body, signature = world.signed("payroll.processed", entity.gusto_company_uuid, "Payroll", uuid)
    statuses: list[int] = []

    def send() -> None:
        answer = requests.post(
            f"{world.public_url}/gusto/webhook",
            data=body,
            headers={"X-Gusto-Signature": signature, "Content-Type": "application/json"},
            timeout=30,
        )
        statuses.append(answer.status_code)

    senders = [threading.Thread(target=send) for _ in range(50)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert statuses == [202] * 50
    world.hear(uuid)
    world.work()
    world.holds_exactly(world.posting(uuid))


def test_workers_that_race_make_one_journal(world: World):
    entity = world.entity()
    uuid = world.pay(entity)
    world.hear(uuid)

    def drain() -> None:
        try:
            world.work()
        finally:
            connection.close()

    workers = [threading.Thread(target=drain) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    world.work()
    world.holds_exactly(world.posting(uuid))


@pytest.mark.parametrize("reason", ["Bonus", "Correction", "Dismissed employee", "Hired employee"])
def test_off_cycle_payrolls_are_journals_of_their_own(world: World, reason: str):
    entity = world.entity()
    regular = paid(world, entity)
    special = paid(world, entity, reason)
    run = world.run(special)
    assert run.state == PayrollRun.State.READ, run.sentence
    assert run.off_cycle_reason == reason
    world.holds_exactly(world.posting(regular), world.posting(special))


def test_company_codes_from_two_gusto_companies_stand_apart(world: World):
    one = world.entity("Harbor Foods", company_code="us01", company=0)
    two = world.entity("Harbor Logistics", company_code="us02", company=1)
    first, second = paid(world, one), paid(world, two)
    world.holds_exactly(world.posting(first), world.posting(second))
    assert {journal["dataAreaId"] for journal in world.journals()} == {"us01", "us02"}


def test_the_same_payroll_gives_the_same_bytes(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    before = world.posting(uuid)
    with tenant_scope(world.tenant.id):
        replay(Posting.objects.get(pk=before.pk), "bob")
    world.work()
    after = world.posting(uuid)
    assert after.journal_digest == before.journal_digest
    assert after.posting_key == before.posting_key
