"""The main job with Infor M3: a processed payroll reaches the ledger once; what M3 does not have is held, named, and released
by itself; a batch that gets lost over there calls a person.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from audit.models import AuditEntry
from audit.sandbox import Fault
from erp import decisions, reference
from erp.infor.m3.sandbox import M3Sandbox
from erp.models import Posting
from erp.tasks import schedule_all
from gusto.models import PayrollRun
from gusto.payroll_run import header_of
from mappings import tables
from mappings.approval import approve, submit
from mappings.models import Crosswalk, Dimension, MappingTable
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.erp.test_main_job import paid
from tests.world import DEPARTMENTS, World

CENTERS = tuple(DEPARTMENTS.values())


def books(world: World) -> M3Sandbox:
    found = world.infor.suites["M3"]
    assert isinstance(found, M3Sandbox)
    return found


def connect(world: World):
    return world.entity(system="infor_m3", company_code="MIL")


def read_reference(world: World) -> None:
    with tenant_scope(world.tenant.id):
        connection_id = Connection.objects.get(system="infor_m3").pk
    reference.read(world.tenant.id, connection_id)
    world.work()


def holds(world: World, posting: Posting) -> None:
    """The ledger has this journal as one voucher, and nothing else."""
    (voucher,) = books(world).ledger_state()["vouchers"]
    assert voucher["information"] == [posting.posting_key]
    assert (voucher["row_count"], voucher["debit"], voucher["credit"]) == (
        posting.line_count,
        posting.debit,
        posting.credit,
    )


def blocked_entries(world: World, posting: Posting) -> list[AuditEntry]:
    with tenant_scope(world.tenant.id):
        return list(AuditEntry.objects.filter(action="posting.blocked", subject_id=posting.posting_key))


def test_a_processed_payroll_is_staged_entered_and_then_posted(world: World):
    uuid = paid(world, connect(world))
    assert world.run(uuid).state == PayrollRun.State.READ, world.run(uuid).sentence
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    assert posting.document_number == f"batch {posting.posting_key}"
    world.hurry("erp.post")
    posting = world.posting(uuid)
    assert posting.state == Posting.State.POSTED
    assert posting.document_number.startswith("PR 1000000")
    holds(world, posting)


def test_everything_that_m3_does_not_have_is_held_named_at_once_and_released_by_itself(world: World):
    entity = connect(world)
    set_up = books(world).set_up
    with set_up.store.transaction():
        set_up.remove_identity("MIL", "1", "6100")
        set_up.set_identity({"DIVI": "MIL", "AITP": "1", "AITM": "2110", "LCCD": "1"})
        for center in CENTERS:
            set_up.remove_identity("MIL", "2", center)
    read_reference(world)
    posting = world.posting(paid(world, entity))
    assert (posting.state, posting.reason) == ("blocked", "reference")
    assert "Account 6100 does not exist in Infor M3, company code MIL" in posting.sentence
    assert "Account 2110 is closed in Infor M3" in posting.sentence
    (entry,) = blocked_entries(world, posting)
    assert "6100" in entry.facts["sentence"]
    center = next(each for each in posting.problems if each["kind"] == "unknown_value")
    assert center["facts"]["dimension"] == "CostCenter"
    assert center["facts"]["value"] in entry.facts["sentence"]
    assert books(world).ledger_state()["batches"] == []
    with set_up.store.transaction():
        set_up.set_identity({"DIVI": "MIL", "AITP": "1", "AITM": "6100", "TX40": "Employer payroll taxes"})
        set_up.set_identity({"DIVI": "MIL", "AITP": "1", "AITM": "2110", "LCCD": "0"})
        for center in CENTERS:
            set_up.set_identity({"DIVI": "MIL", "AITP": "2", "AITM": center, "TX40": f"Cost center {center}"})
    # The next poll brings it, and nobody has to do anything.
    schedule_all()
    world.hurry("erp.read_reference")
    posting = world.posting()
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.hurry("erp.post")
    holds(world, world.posting())


def test_a_batch_that_the_jobs_of_m3_drop_calls_a_person_and_is_never_sent_again(world: World):
    entity = connect(world)
    world.server.faults.add(Fault("silent_failure", system="infor", path="UpdBatch"))
    uuid = paid(world, entity)
    world.hurry("erp.post")
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ENTERED
    with tenant_scope(world.tenant.id):
        at = (datetime.now(UTC) - timedelta(hours=5)).isoformat(timespec="seconds")
        Posting.objects.filter(pk=posting.pk).update(progress={**posting.progress, "dispatched": at})
    world.hurry("erp.post")
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "unclear")
    assert "FCR040" in posting.sentence
    assert len(blocked_entries(world, posting)) == 1
    assert len(books(world).ledger_state()["jobs"]) == 1
    # A person repairs it in M3.
    books(world).update_batch(posting.posting_key)
    books(world).update_ledger()
    with tenant_scope(world.tenant.id):
        decisions.look_now(Posting.objects.get(pk=posting.pk))
    world.hurry("erp.post")
    assert world.posting(uuid).state == Posting.State.POSTED
    holds(world, world.posting(uuid))


def test_jobs_lead_to_dimensions_under_the_names_that_the_company_gave_them(world: World):
    """A crosswalk gives each job its cost center, under M3's own name of that dimension."""
    entity = connect(world)
    with tenant_scope(world.tenant.id):
        row = Connection.objects.get(system="infor_m3")
        row.set_fields({**row.fields, "dimensions": ""})
        row.save()
    read_reference(world)
    uuid = paid(world, entity)
    with tenant_scope(world.tenant.id):
        names = set(Dimension.objects.values_list("name", flat=True))
        assert {"Cost center", "Department", "Project", "Business unit"} <= names
        run = PayrollRun.objects.get(payroll_uuid=uuid)
        jobs = sorted({line.job for line in header_of(run).lines if line.job})
        assert len(jobs) > 1
        centers = {job: str(100 + 10 * place) for place, job in enumerate([*jobs, "(none)"])}
        assert run.check_date is not None
        draft = tables.new_draft(entity, run.check_date, copy_of=MappingTable.objects.get(), by="bob")
        draft.rules.update(dimensions="")
        draft.rules.filter(kind="earning").update(dimensions="Cost center=@job")
        Crosswalk.objects.filter(mapping_table=draft).delete()
        Crosswalk.objects.bulk_create(
            Crosswalk(
                mapping_table=draft, source_kind="job", source_value=job, target="Cost center", target_value=center
            )
            for job, center in centers.items()
        )  # fmt: skip
        submit(draft, "bob")
        approve(draft, "dana")
    world.work()
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.hurry("erp.post")
    holds(world, world.posting(uuid))
    (voucher,) = books(world).ledger_state()["vouchers"]
    found = {row["AIT2"] for row in voucher["rows"] if row["AIT1"] == "6000"}
    assert len(found) > 1
    assert found <= set(centers.values())
