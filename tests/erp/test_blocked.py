"""What bad input gets: blocked with a sentence that names it, nothing in the far ledger, and on its way by itself once it
is repaired.
"""

from __future__ import annotations

import pytest

from erp import decisions, reference
from erp.models import Posting
from erp.states import NotAllowed
from gusto.models import PayrollRun
from mappings import tables
from mappings.approval import approve, submit
from mappings.models import MappingTable
from mappings.signals import version_approved
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.erp.test_faults import settled
from tests.erp.test_main_job import paid
from tests.world import DEPARTMENTS, World


def read_reference(world: World) -> None:
    with tenant_scope(world.tenant.id):
        connection_id = Connection.objects.get(system="d365").pk
    reference.read(world.tenant.id, connection_id)


def test_an_unmapped_component_names_kind_component_and_amount_and_goes_on_once_mapped(world: World):
    entity = world.entity()
    with tenant_scope(world.tenant.id):
        draft = tables.new_draft(entity, world.today, copy_of=MappingTable.objects.get(), by="bob")
        draft.rules.filter(kind="employee_tax").delete()
        submit(draft, "bob")
        approve(draft, "dana")
    uuid = paid(world, entity)
    run = world.run(uuid)
    assert (run.state, run.reason) == ("blocked", "mapping")
    assert "employee tax" in run.sentence.lower()
    assert "Social Security" in run.sentence
    assert any(char.isdigit() for char in run.sentence)
    assert world.postings(uuid) == []
    assert world.journals() == []
    with tenant_scope(world.tenant.id):
        repaired = tables.new_draft(entity, world.tomorrow, copy_of=MappingTable.objects.get(version=1), by="bob")
        submit(repaired, "bob")
        approve(repaired, "dana")
    world.hurry("erp.recheck")
    world.work()
    world.holds_exactly(settled(world, uuid))
    assert world.run(uuid).state == PayrollRun.State.READ


def test_no_approved_version_is_said_and_waited_for(world: World):
    entity = world.entity()
    with tenant_scope(world.tenant.id):
        assert tables.approved_table(entity, world.today) is not None
    other = world.unmapped_entity("Harbor Logistics", company=1)
    uuid = paid(world, other)
    run = world.run(uuid)
    assert (run.state, run.reason) == ("blocked", "mapping")
    assert "No approved mapping version is valid on" in run.sentence
    with tenant_scope(world.tenant.id):
        table = world.map(other, version=1)
        version_approved.send(sender=MappingTable, table=table)
    world.work()
    world.holds_exactly(settled(world, uuid))


def test_an_account_that_dynamics_does_not_have_is_named_and_waited_for(world: World):
    entity = world.entity()
    world.replace_mapping(entity, changed={"6100": "6177"})
    uuid = paid(world, entity)
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "reference")
    assert "6177" in posting.sentence
    assert world.journals() == []
    world.d365.reference.add_account("6177", "Employer taxes, new", {})
    read_reference(world)
    world.work()
    world.holds_exactly(settled(world, uuid))


def test_a_suspended_account_is_found_before_anything_is_sent(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    world.d365.reference.change_account("6100", {"IsSuspended": "Yes"}, "")
    read_reference(world)
    with tenant_scope(world.tenant.id):
        decisions.approve(Posting.objects.get(), "dana")
    world.work()
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "reference")
    assert "6100" in posting.sentence
    assert world.journals() == []


def test_a_closed_period_is_said_and_waited_for(world: World):
    entity = world.entity()
    uuid = world.pay(entity)
    check_date = world.check_date(uuid)
    world.d365.reference.set_period("us01", check_date, "Closed")
    read_reference(world)
    world.hear(uuid)
    world.work()
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "period")
    assert "closed" in posting.sentence.lower()
    assert f"{check_date:%B %Y}" in posting.sentence
    assert world.journals() == []
    world.d365.reference.set_period("us01", check_date, "Open")
    read_reference(world)
    world.work()
    world.holds_exactly(settled(world, uuid))


def test_a_journal_goes_on_although_its_sister_was_approved_while_it_waited(world: World):
    entity = world.entity(is_mapped=False)
    codes = {name: ("us01", "us02")[number % 2] for number, name in enumerate(DEPARTMENTS)}
    world.map(entity, company_codes=codes)
    uuid = world.pay(entity)
    check_date = world.check_date(uuid)
    world.d365.reference.set_period("us02", check_date, "Closed")
    read_reference(world)
    world.hear(uuid)
    world.work()
    states = {posting.company_code: (posting.state, posting.reason) for posting in world.postings(uuid)}
    assert states == {"us01": ("approved", ""), "us02": ("blocked", "period")}
    assert world.journals() == []
    world.d365.reference.set_period("us02", check_date, "Open")
    read_reference(world)
    world.hurry()
    assert [posting.state for posting in world.postings(uuid)] == ["entered", "entered"]
    world.holds_exactly(*world.postings(uuid))


def test_totals_that_do_not_add_up_block_with_both_figures(world: World):
    entity = world.entity()
    payroll = world.gusto.create_payroll(entity.gusto_company_uuid)
    uuid = payroll["payroll_uuid"]
    world.gusto.process(uuid)
    world.gusto.distort(uuid, "gross_pay", 1234)
    world.hear(uuid)
    world.work()
    run = world.run(uuid)
    assert (run.state, run.reason) == ("blocked", "tie_out")
    assert "12.34" in run.sentence
    assert world.postings(uuid) == []
    assert world.journals() == []


def test_nobody_approves_what_they_prepared(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ALLOCATED
    assert posting.prepared_by == ["bob"]
    assert world.journals() == []
    with tenant_scope(world.tenant.id):
        with pytest.raises(NotAllowed, match="You prepared this journal"):
            decisions.approve(Posting.objects.get(), "bob")
        decisions.approve(Posting.objects.get(), "dana")
        with pytest.raises(NotAllowed):
            decisions.approve(Posting.objects.get(), "erin")
    world.work()
    world.holds_exactly(settled(world, uuid))


def test_an_approval_can_be_taken_back_before_it_is_sent(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    with tenant_scope(world.tenant.id):
        decisions.approve(Posting.objects.get(), "dana")
        decisions.withdraw_approval(Posting.objects.get(), "dana")
    world.work()
    assert world.posting(uuid).state == Posting.State.ALLOCATED
    assert world.journals() == []


def test_a_posting_is_given_up_only_while_the_erp_holds_nothing(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    posting = world.posting(uuid)
    decisions.void(world.tenant.id, posting.pk, "bob", "paid by hand")
    assert world.posting(uuid).state == Posting.State.VOIDED
    world.hurry("erp.post")
    assert world.journals() == []


def test_a_sent_posting_is_asked_for_before_it_is_given_up(world: World):
    entity = world.entity()
    # The header arrives, its answer never does, and Dynamics then gives no clear answer either.
    world.play("status_after", method="POST", path="/data/LedgerJournalHeaders", status=500)
    world.play("status", method="POST", path=r"/data/\$batch", skip=1, times=200, status=500)
    uuid = paid(world, entity)
    posting = world.posting(uuid)
    with tenant_scope(world.tenant.id):
        Posting.objects.filter(pk=posting.pk).update(state="blocked", reason="unclear", settles_at=None)
    world.server.faults.clear()
    with pytest.raises(NotAllowed, match="holds this journal"):
        decisions.void(world.tenant.id, posting.pk, "bob", "paid by hand")
    with tenant_scope(world.tenant.id):
        decisions.replay(Posting.objects.get(), "bob")
    world.work()
    world.holds_exactly(settled(world, uuid))
