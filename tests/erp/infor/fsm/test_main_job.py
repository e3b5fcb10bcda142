"""The main job with the books in FSM: a processed payroll reaches its ledger exactly once, under the tenant's own dimensions,
and waits for what FSM does not have yet.
"""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from audit import trail
from audit.models import AuditEntry
from erp import reference
from erp.infor.fsm.sandbox import FsmSuite
from erp.models import Posting
from mappings.models import Dimension
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.erp.test_faults import settled
from tests.erp.test_journal_kinds import finish
from tests.erp.test_main_job import paid
from tests.erp.test_reversal import taken_back
from tests.world import DEPARTMENTS, World

ROOT = Path(__file__).resolve().parents[4]
JOBS = [job for row in json.loads((ROOT / "gusto/sandbox/data/departments.json").read_text()) for job in row["jobs"]]
#: Title of a job -> labor grade: hourly, salaried, and those who lead.
GRADES = {
    **{title: "G1" if unit == "hour" else "G2" for title, unit, _ in JOBS},
    "Manager": "G3", "Owner": "G3", "(none)": "G2",
}  # fmt: skip
ACCRUALS = {"employee_tax": "2410", "employer_tax": "2410", "net_pay": "2410"}


def suite_of(world: World) -> FsmSuite:
    found = world.infor.suites["FSM"]
    assert isinstance(found, FsmSuite)
    return found


def entity_of(world: World, **mapping: Any) -> LegalEntity:
    entity = world.entity(system="infor_fsm", company_code="100", is_mapped=False)
    world.map(entity, **mapping)
    return entity


def holds_exactly(world: World, *postings: Posting) -> None:
    there = suite_of(world).ledger_state()["journals"]
    assert sorted(each["run_group"] for each in there) == sorted(posting.posting_key for posting in postings)
    for posting in postings:
        (own,) = [each for each in there if each["run_group"] == posting.posting_key]
        assert (own["row_count"], own["debit"], own["credit"]) == (posting.line_count, posting.debit, posting.credit)


def by(world: World, field: str, account: str) -> dict[str, Decimal]:
    """Sums of an account in the far ledger by one field."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for journal in suite_of(world).ledger_state()["journals"]:
        for row in journal["rows"]:
            if row["AccountCode"] == account:
                found[row.get(field, "")] += Decimal(row["TransactionAmount"])
    return dict(found)


def read_reference(world: World) -> None:
    with tenant_scope(world.tenant.id):
        connection_id = Connection.objects.get(system="infor_fsm").pk
    reference.read(world.tenant.id, connection_id)


def test_a_payroll_is_interfaced_and_then_posted_by_department_and_job(world: World) -> None:
    entity = entity_of(world, jobs=GRADES, job_dimension="Labor Grade")
    with tenant_scope(world.tenant.id):
        names = set(Dimension.objects.values_list("name", flat=True))
    assert names == {"CostCenter", "Location", "Labor Grade", "Grant"}
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    assert posting.document_number == posting.posting_key
    holds_exactly(world, posting)
    with tenant_scope(world.tenant.id):
        wages = [line for line in Posting.objects.get().lines.all() if line.main_account == "6000"]
    for name, field in (("CostCenter", "AccountingUnit"), ("Labor Grade", "FinanceDimension2")):
        expected: dict[str, Decimal] = defaultdict(Decimal)
        for line in wages:
            expected[dict(line.dimensions)[name]] += line.debit - line.credit
        assert by(world, field, "6000") == expected
        assert len(expected) > 1
    assert set(by(world, "AccountingUnit", "6000")) <= set(DEPARTMENTS.values())
    assert set(by(world, "FinanceDimension2", "6000")) <= {"G1", "G2", "G3"}
    (number,) = suite_of(world).post_journals()
    world.hurry("erp.post")
    posting = world.posting(uuid)
    assert (posting.state, posting.document_number) == (Posting.State.POSTED, number)
    holds_exactly(world, posting)
    with tenant_scope(world.tenant.id):
        assert trail.verify().is_intact


def test_what_fsm_does_not_have_is_named_exactly_and_waited_for(world: World) -> None:
    """An account and two cost centers at once; held, and released by the poll that brings the last of them."""
    entity = entity_of(world, changed={"6100": "6177"})
    books = suite_of(world).books
    gone = {unit: books.record("AccountingUnit", f"100|{unit}") for unit in DEPARTMENTS.values()}
    for unit in gone:
        books.remove_record("AccountingUnit", f"100|{unit}")
    read_reference(world)
    uuid = paid(world, entity)
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "reference"), posting.sentence
    assert "Account 6177 does not exist in Infor FSM, company code 100." in posting.sentence
    needed = [unit for unit in gone if f"CostCenter {unit}" in posting.sentence or f"“{unit}”" in posting.sentence]
    assert len(needed) > 1, posting.sentence
    with tenant_scope(world.tenant.id):
        entries = AuditEntry.objects.filter(action="posting.blocked")
        assert any("6177" in str(entry.facts) for entry in entries), [entry.facts for entry in entries]
    assert suite_of(world).ledger_state()["staged"] == {}
    account = {"Account": "6177", "DisplayAccount": "6177", "Active": "true", "FinanceEnterpriseGroup": "1"}
    books.put_record("GeneralLedgerChartAccount", "6177", account)
    read_reference(world)
    world.work()
    assert world.posting(uuid).reason == "reference"
    for unit, row in gone.items():
        assert row is not None
        books.put_record("AccountingUnit", f"100|{unit}", row)
    read_reference(world)
    world.work()
    posting = settled(world, uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    holds_exactly(world, posting)


def test_an_accrual_and_its_settlement_are_two_run_groups_and_are_both_undone(world: World) -> None:
    entity = entity_of(world, journals="accrual_settlement", accruals=ACCRUALS)
    uuid = paid(world, entity)
    found = finish(world, uuid)
    assert set(found) == {("ACCRUAL", 1), ("SETTLEMENT", 1)}
    holds_exactly(world, *found.values())
    taken_back(world, uuid, "cancel")
    finish(world, uuid)
    assert sorted(posting.kind for posting in world.postings(uuid)) == ["ACCRUAL", "REVERSAL", "REVERSAL", "SETTLEMENT"]
    holds_exactly(world, *world.postings(uuid))
    assert sum(by(world, "AccountingUnit", "6000").values()) == 0
