"""A legal entity without access to Gusto's API: its payroll comes as a file, and reaches the far ledger all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from audit import trail
from audit.models import Exchange, WorkItem
from erp.decisions import approve
from erp.models import Posting
from erp.states import NotAllowed
from gusto.files import FileReading, Outcome, add, read_file, take_back
from gusto.models import PayrollRun
from gusto.payroll_pages import INCLUDE
from gusto.payroll_run import header_of
from mappings.journal import JournalKind
from mappings.payroll import PayrollHeader
from tenants.models import LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.gusto.payroll_files import csv_file, line_rows
from tests.gusto.running_sandbox import VERSION
from tests.world import World


def elsewhere(world: World, tenant: Tenant, approval: str = "automatic") -> tuple[World, LegalEntity]:
    """Another tenant with the same books, an approved mapping and no grant at Gusto."""
    there = replace(world, tenant=tenant, entities={})
    return there, there.entity("Harbor Foods by file", approval=approval, is_in_file_mode=True)


def documents_of(world: World, payroll_uuid: str) -> tuple[bytes, bytes]:
    """A payroll and its employees exactly as Gusto's API answers."""
    company_uuid = world.gusto.payroll_document(payroll_uuid)["company_uuid"]
    token = world.gusto.connect(company_uuid)["access_token"]
    address = f"{world.gusto.facts()['address']}/v1/companies/{company_uuid}"
    headers = {"Authorization": f"Bearer {token}", "X-Gusto-API-Version": VERSION}
    answers = [
        requests.get(f"{address}/{path}", {"include": include, "page": 1, "per": 100}, headers=headers, timeout=30)
        for path, include in ((f"payrolls/{payroll_uuid}", INCLUDE), ("employees", "custom_fields"))
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    return answers[0].content, answers[1].content


def lines_of(header: PayrollHeader) -> bytes:
    """The same payroll as a file of payroll lines, as somebody would keep it by hand."""
    rows = [
        {
            "kind": line.kind.value, "component": line.component, "employee": line.employee_code, "job": line.job,
            "department": line.department, "location": line.location, "compensation_level": line.compensation_level,
            "amount": str(line.amount), "extras": "derived=residual" if line.is_residual else "",
        }
        for line in header.lines
    ]  # fmt: skip
    rows[0] |= {
        name: str(getattr(header, name) or "")
        for name in ("check_date", "period_start", "period_end", "payroll_type", "off_cycle_reason", "debit_date")
    }
    return csv_file(rows)


def header_of_run(world: World, payroll_uuid: str) -> PayrollHeader:
    with tenant_scope(world.tenant.id):
        return header_of(PayrollRun.objects.select_related("legal_entity").get(payroll_uuid=payroll_uuid))


def given(entity: LegalEntity, file: FileReading, by: str = "bob") -> PayrollRun:
    with tenant_scope(entity.tenant_id):
        run = add(entity, file, by).run
        assert run is not None
        return run


def test_a_file_makes_the_journal_that_the_api_makes_and_never_a_second_one(world: World, tenant, other_tenant):
    uuid = world.pay(world.entity())
    world.hear(uuid)
    world.work()
    by_api = world.posting(uuid)
    assert by_api.state == Posting.State.ENTERED, by_api.sentence
    there, entity = elsewhere(world, other_tenant)
    run = given(entity, read_file("payroll.json", *documents_of(world, uuid)))
    world.work()
    by_file = there.posting(uuid)
    assert by_file.journal_digest == by_api.journal_digest
    assert (by_file.posting_key, by_file.prepared_by) == (by_api.posting_key, ["bob"])
    # Another installation, or a restored database: what the ledger holds is found and not sent again.
    assert (by_file.state, by_file.document_number) == (Posting.State.ENTERED, by_api.document_number)
    world.holds_exactly(by_api)
    rows = {row["name"]: row["verdict"] for row in there.run(uuid).tie_out}
    assert set(rows.values()) <= {"equal", "known"}
    assert {name.split()[0] for name in rows} >= {"T1", "T7", "T8"}
    with tenant_scope(other_tenant.id):
        assert not Exchange.objects.filter(system="gusto").exists()
        assert trail.verify().is_intact
    assert run.source == PayrollRun.Source.FILE


def test_lines_are_posted_approved_by_somebody_else_and_taken_back(world: World, tenant, other_tenant):
    uuid = world.pay(world.entity(approval="person"))
    world.hear(uuid)
    world.work()
    by_api = world.posting(uuid)
    content = lines_of(header_of_run(world, uuid))
    there, entity = elsewhere(world, other_tenant, approval="person")
    run = given(entity, read_file("payroll.csv", content))
    world.work()
    (posting,) = there.postings()
    assert posting.state == Posting.State.ALLOCATED, posting.sentence
    assert posting.journal_digest == by_api.journal_digest
    assert posting.posting_key != by_api.posting_key
    with tenant_scope(other_tenant.id), pytest.raises(NotAllowed, match="You prepared this journal"):
        approve(posting, "bob")
    with tenant_scope(other_tenant.id):
        approve(posting, "dana")
    world.work()
    (posting,) = there.postings()
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)

    with tenant_scope(other_tenant.id):
        take_back(run, "fred", "The wrong month.")
    world.work()
    posting, reversal = there.postings()
    assert (reversal.kind, reversal.reverses_id, reversal.state) == (
        JournalKind.REVERSAL.value, posting.pk, Posting.State.ALLOCATED,
    )  # fmt: skip
    assert reversal.prepared_by == ["bob", "fred"]
    with tenant_scope(other_tenant.id):
        approve(reversal, "dana")
    changed = content.replace(b"Check\r\n", b"Direct Deposit\r\n").replace(b",Check,", b",Direct Deposit,")
    assert changed != content
    with tenant_scope(other_tenant.id):
        assert add(entity, read_file("payroll.csv", changed), "bob").outcome == Outcome.AGAIN
    world.work()
    *_, second = there.postings()
    assert (second.state, second.sequence, second.prepared_by) == (Posting.State.ALLOCATED, 2, ["bob", "fred"])
    with tenant_scope(other_tenant.id):
        approve(second, "dana")
    world.work()
    posting, reversal, second = there.postings()
    world.holds_exactly(posting, reversal, second)
    assert sum(world.balances().values()) == 0


def test_a_payroll_that_came_as_a_file_is_not_posted_from_gusto_too(world: World, tenant):
    entity = world.entity()
    first = world.pay(entity)
    world.hear(first)
    world.work()
    by_api = world.posting(first)
    # First Gusto, then a file.
    run = given(entity, read_file("payroll.csv", lines_of(header_of_run(world, first))))
    world.work()
    assert (run.pk, world.run(first).state, world.run(first).reason) == (by_api.payroll_run_id, "blocked", "unclear")
    world.holds_exactly(by_api)

    # First a file, then Gusto, which names the same uuid: its notices touch nothing.
    second = world.pay(entity, "Bonus")
    run = given(entity, read_file("bonus.json", *documents_of(world, second)))
    world.hear(second)
    world.work()
    world.hurry("gusto.sweep")
    assert (world.run(second).pk, world.run(second).source) == (run.pk, PayrollRun.Source.FILE)
    world.holds_exactly(by_api, world.posting(second))

    # First a file without the uuid, then Gusto: the days tell.
    third = world.pay(entity, "Correction")
    document = read_file("correction.json", *documents_of(world, third))
    run = given(entity, read_file("correction.csv", lines_of(document.reading.header)))
    assert run.payroll_uuid != third
    world.hear(third)
    world.work()
    assert (world.run(third).state, world.run(third).reason) == ("blocked", "unclear")
    world.holds_exactly(by_api, world.posting(second), world.posting(run.payroll_uuid))


def test_nothing_is_sent_while_two_files_contradict_each_other(world: World, tenant):
    entity = world.entity(approval="person", is_in_file_mode=True)
    rows = line_rows()
    first = read_file("first.csv", csv_file(rows))
    rows[-1] |= {"component": "Direct Deposit"}
    second = read_file("second.csv", csv_file(rows))
    run = given(entity, first)
    world.work()
    given(entity, second)
    assert world.run(run.payroll_uuid).state == PayrollRun.State.BLOCKED
    with tenant_scope(tenant.id), pytest.raises(NotAllowed, match="The payroll run is blocked"):
        approve(world.posting(), "dana")
    # The first file again: it stands, and is approved.
    given(entity, first)
    world.work()
    with tenant_scope(tenant.id):
        approve(world.posting(), "dana")
    # Approved, but no worker was there yet.
    given(entity, second)
    world.work()
    assert world.posting().state == Posting.State.APPROVED
    assert world.journals() == []
    with tenant_scope(tenant.id):
        (item,) = WorkItem.objects.filter(kind="erp.post", state="ready")
    assert item.sentence == "Its payroll run is blocked, so it is not sent."
    given(entity, first)
    world.hurry("erp.post")
    posting = world.posting()
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)
