"""Payrolls that Gusto takes back: each live journal gets exactly one contra journal, however many notices arrive."""

from __future__ import annotations

import pytest

from erp import reversal
from erp.decisions import approve, replay
from erp.models import Posting
from erp.states import NotAllowed
from gusto.models import PayrollRun
from mappings.journal import ZERO
from tenants.scope import tenant_scope
from tests.erp.test_blocked import read_reference
from tests.erp.test_faults import settled
from tests.erp.test_main_job import paid
from tests.world import World


def taken_back(world: World, uuid: str, how: str) -> None:
    getattr(world.gusto, how)(uuid, force=True)
    world.until(lambda: world.run(uuid).state == PayrollRun.State.WITHDRAWN)
    world.work()
    world.settle()
    world.hurry("erp.withdraw")
    world.hurry("erp.post")


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_payroll_taken_back_after_entry_gets_one_contra_journal(world: World, how: str):
    entity = world.entity()
    uuid = paid(world, entity)
    world.d365.post_journals()
    world.hurry("erp.post")
    taken_back(world, uuid, how)
    original, contra = world.postings(uuid)
    assert contra.kind == "REVERSAL"
    assert contra.reverses == original
    assert contra.state == Posting.State.ENTERED, contra.sentence
    world.holds_exactly(original, contra)
    with tenant_scope(world.tenant.id):
        lines = {(line.main_account, str(line.dimensions)): (line.debit, line.credit) for line in original.lines.all()}
        for line in contra.lines.all():
            assert lines[line.main_account, str(line.dimensions)] == (line.credit, line.debit)
    balances = world.balances()
    assert set(balances.values()) == {ZERO}
    # More notices of the same change nothing.
    world.send("payroll.cancelled", entity.gusto_company_uuid, "Payroll", uuid)
    world.work()
    world.hurry("erp.withdraw")
    assert len(world.postings(uuid)) == 2


def test_a_payroll_taken_back_before_sending_is_given_up(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    taken_back(world, uuid, "cancel")
    assert world.posting(uuid).state == Posting.State.VOIDED
    assert world.journals() == []


def test_the_same_payroll_processed_again_is_a_new_sequence(world: World):
    entity = world.entity()
    uuid = paid(world, entity)
    taken_back(world, uuid, "cancel")
    world.gusto.process(uuid)
    world.until(lambda: world.run(uuid).sequence == 2)
    world.hurry("gusto.read_payroll")
    world.work()
    settled_states = [posting.state for posting in world.postings(uuid)]
    assert settled_states == ["entered", "entered", "entered"]
    original, contra, again = world.postings(uuid)
    assert (original.sequence, contra.sequence, again.sequence) == (1, 1, 2)
    assert again.posting_key != original.posting_key
    world.holds_exactly(original, contra, again)


def test_a_reversal_into_a_closed_period_stands_on_the_next_open_day(world: World):
    entity = world.entity()
    uuid = paid(world, entity)
    original = world.posting(uuid)
    world.d365.post_journals()
    world.hurry("erp.post")
    world.d365.reference.set_period("us01", original.posting_date, "Closed")
    read_reference(world)
    taken_back(world, uuid, "cancel")
    _, contra = world.postings(uuid)
    assert contra.state == Posting.State.ENTERED, contra.sentence
    assert contra.posting_date > original.posting_date
    assert contra.posting_date.day == 1
    world.holds_exactly(original, contra)


def test_a_person_reverses_a_journal_once(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    with tenant_scope(world.tenant.id):
        posting = Posting.objects.get()
        with pytest.raises(NotAllowed):
            reversal.reverse(posting, "dana", "wrong month")
        approve(posting, "dana")
    world.work()
    original = settled(world, uuid)
    with tenant_scope(world.tenant.id):
        posting = Posting.objects.get()
        first = reversal.reverse(posting, "dana", "wrong month")
        second = reversal.reverse(posting, "dana", "wrong month")
        assert first == second
        assert first.state == Posting.State.ALLOCATED
        with pytest.raises(NotAllowed, match="You prepared"):
            approve(first, "dana")
        approve(first, "erin")
    world.work()
    world.hurry("erp.post")
    world.holds_exactly(original, world.postings(uuid)[1])


def test_a_payroll_that_gusto_reverses_waits_for_gustos_own_reversal_payroll(world: World):
    entity = world.entity()
    uuid = paid(world, entity)
    original = world.posting(uuid)
    world.gusto.reverse(uuid, with_payroll=False)
    world.until(lambda: world.run(uuid).state == PayrollRun.State.BLOCKED)
    run = world.run(uuid)
    assert "reversed" in run.sentence
    assert [posting.kind for posting in world.postings(uuid)] == ["PAYROLL"]
    world.holds_exactly(original)


def test_a_journal_of_an_earlier_life_that_settles_late_is_undone_then(world: World):
    entity = world.entity()
    world.play("status_after", method="POST", path="/data/LedgerJournalHeaders", status=500)
    uuid = paid(world, entity)
    late = world.posting(uuid)
    with tenant_scope(world.tenant.id):
        Posting.objects.filter(pk=late.pk).update(state="blocked", reason="unclear", settles_at=None)
    taken_back(world, uuid, "cancel")
    assert [posting.kind for posting in world.postings(uuid)] == ["PAYROLL"]
    world.gusto.process(uuid)
    world.until(lambda: world.run(uuid).sequence == 2)
    world.hurry("gusto.read_payroll")
    world.work()
    with tenant_scope(world.tenant.id):
        replay(Posting.objects.get(pk=late.pk), "bob")
    world.work()
    world.hurry("erp.withdraw")
    world.hurry("erp.post")
    found = {(posting.kind, posting.sequence): posting for posting in world.postings(uuid)}
    assert set(found) == {("PAYROLL", 1), ("REVERSAL", 1), ("PAYROLL", 2)}
    world.holds_exactly(*found.values())
    assert sum(abs(amount) for amount in world.balances().values()) == 2 * found["PAYROLL", 2].debit
