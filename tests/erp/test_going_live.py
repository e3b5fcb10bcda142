"""A legal entity that is being set up: its last payrolls are read for the mapping and tried, nothing is kept and nothing
sent before it goes live, and from its first check date on every payroll is.
"""

from __future__ import annotations

import pytest
from django.utils import timezone

from erp import reference, tasks
from erp.dry_run import dry_run
from erp.models import Posting
from gusto import oauth
from gusto.last_runs import last_documents
from gusto.models import PayrollDocument, PayrollRun
from mappings.approval import submission_problems
from mappings.gap_filling import accept, look
from mappings.journal_text import LINE_TEXT_MAX
from mappings.models import MappingTable
from mappings.place import Place
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def harbor(world: World) -> LegalEntity:
    """Connected to both sides, without a mapping, not live."""
    with tenant_scope(world.tenant.id):
        erp = world.connection("d365")
        entity = LegalEntity.objects.create(name="Harbor Foods", erp_connection=erp, company_code="us01", is_live=False)
    granted = world.gusto.connect(world.gusto.companies()[0]["uuid"])
    oauth.connect_with_refresh_token(entity, granted["refresh_token"])
    reference.read(world.tenant.id, erp.pk)
    world.work()
    with tenant_scope(world.tenant.id):
        entity.refresh_from_db()
    return entity


def again(entity: LegalEntity) -> LegalEntity:
    with tenant_scope(entity.tenant_id):
        found: LegalEntity = LegalEntity.objects.select_related("erp_connection").get(pk=entity.pk)
        return found


def test_the_last_payrolls_are_read_and_not_posted(world, harbor):
    with tenant_scope(world.tenant.id):
        (run,) = PayrollRun.objects.all()
        assert (run.state, run.read_at) == ("ignored", None)
        assert run.check_date < harbor.posts_from_date
        assert run.sentence.startswith("Payrolls with a check date before")
        assert PayrollDocument.objects.filter(payroll_run=run).count() == 1
        assert list(last_documents(harbor)) == [run]
        assert not Posting.objects.exists()
    assert harbor.gusto_company_name == world.gusto.companies()[0]["name"]
    # Asked for once more, nothing is read twice.
    world.hurry("gusto.read_past")
    with tenant_scope(world.tenant.id):
        assert PayrollDocument.objects.count() == 1


def test_a_dry_run_shows_the_journal_and_keeps_nothing(world, harbor):
    world.map(harbor)
    with tenant_scope(world.tenant.id):
        entity, run = again(harbor), last_documents(harbor)[0]
        found = dry_run(entity, run, MappingTable.objects.get())
        assert found.problems == ()
        assert found.is_clean
        ((journal, table),) = found.with_tables
        assert journal.debit == journal.credit == table.debit
        assert table.residual == 0
        assert any("Wages" in group.head for group in table.groups)
        assert {row.verdict for row in found.tie_out} <= {"equal", "known"}
        assert "T8 debits" in {row.name for row in found.tie_out}
        assert not Posting.objects.exists()
    assert world.journals() == []


def test_a_dry_run_names_every_gap(world, harbor):
    world.map(harbor, without=("net_pay", "employee_tax"))
    with tenant_scope(world.tenant.id):
        found = dry_run(again(harbor), last_documents(harbor)[0], MappingTable.objects.get())
    assert not found.is_clean
    assert found.journals == ()
    assert {problem.code for problem in found.problems} == {"mapping"}
    assert len(found.problems) >= 2


def test_nothing_is_sent_before_going_live_and_everything_from_then_on(world, harbor):
    world.map(harbor)
    uuid = world.pay(harbor)
    world.hear(uuid)
    world.work()
    assert world.run(uuid).state == "read"
    with tenant_scope(world.tenant.id):
        assert not Posting.objects.exists(), "an approved mapping alone makes no journal"
        entity = again(harbor)
        entity.approval = LegalEntity.Approval.AUTOMATIC
        entity.posts_from_date = world.check_date(uuid)
        entity.save()
        tasks.go_live(entity)
    world.work()
    posting = world.posting(uuid)
    assert posting.state == "entered", posting.sentence
    world.holds_exactly(posting)
    with tenant_scope(world.tenant.id):
        assert Posting.objects.count() == 1, "what was paid before stays out of the books"


def test_a_payroll_that_was_read_for_the_mapping_is_posted_if_the_first_day_includes_it(world, harbor):
    world.map(harbor)
    with tenant_scope(world.tenant.id):
        entity, (run,) = again(harbor), PayrollRun.objects.all()
        entity.approval = LegalEntity.Approval.AUTOMATIC
        entity.posts_from_date = run.check_date
        entity.save()
        tasks.go_live(entity)
    world.work()
    world.holds_exactly(world.posting(run.payroll_uuid))


def test_accepting_what_the_chart_suggests_is_enough_for_a_first_dry_run(world, harbor):
    with tenant_scope(world.tenant.id):
        entity = again(harbor)
        shown = look(place_before_any_version(entity))
        assert len(shown.coverage.gaps) == len(shown.suggestions) > 20
        accepted = accept(
            place_before_any_version(entity), shown, {each.key for each in shown.suggestions.values()}, "alice"
        )
        assert accepted is not None
        draft, rules = accepted
        assert (draft.state, draft.changed_by) == ("draft", ["alice"])
        assert rules == len(shown.suggestions)
        assert [problem.sentence for problem in submission_problems(draft)] == []
        found = dry_run(entity, last_documents(harbor)[0], draft)
    assert [problem.sentence for problem in found.problems] == []
    assert found.is_clean
    texts = [line.text for line in found.journals[0].lines]
    assert max(map(len, texts)) <= LINE_TEXT_MAX, "what is frozen later has to hold it"
    assert any(text.endswith(" and more") for text in texts)


def place_before_any_version(entity: LegalEntity) -> Place:
    return Place(
        entity=entity, entities=[entity], versions=[], version=None, may_edit=True, may_approve=False, may_see_pay=True,
        username="alice", on_date=timezone.localdate(),
    )  # fmt: skip
