"""Versions of a mapping: rows and the pure table are the same thing, and nobody approves their own work."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.models import AuditEntry
from audit.trail import sentence
from mappings import approval
from mappings.approval import ApprovalRefused, submit, take_back
from mappings.models import Crosswalk, MainAccount, MappingRule, MappingTable
from mappings.payroll import LineKind
from mappings.policy_values import policy_from
from mappings.signals import version_approved
from mappings.table import Criteria, CrosswalkEntry, Rule, Target
from mappings.tables import (
    POLICY_FIELDS,
    NotADraft,
    approved_table,
    new_draft,
    note_change,
    open_draft,
    policy_of,
    table_of,
)
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.mappings.versions import approve

JANUARY = datetime.date(2026, 1, 1)
JULY = datetime.date(2026, 7, 1)


@pytest.fixture
def scope(tenant):
    with tenant_scope(tenant.id):
        yield tenant


@pytest.fixture
def bakery(scope) -> LegalEntity:
    made: LegalEntity = LegalEntity.objects.create(name="Acme Bakery Inc.", company_code="1000")
    return made


def rule(table: MappingTable, name: str = "R01", kind: str = "earning", side: str = "debit", **more) -> MappingRule:
    values = {"main_account": "6000", **more}
    made: MappingRule = MappingRule.objects.create(mapping_table=table, rule=name, kind=kind, side=side, **values)
    return made


def small_draft(entity: LegalEntity, valid_from: datetime.date = JANUARY, by: str = "bob") -> MappingTable:
    """Wages, employee taxes and net pay: enough to be approved."""
    draft = new_draft(entity, valid_from, by=by)
    rule(draft)
    rule(draft, "R02", "employee_tax", "credit", main_account="2110")
    rule(draft, "R10", "net_pay", "credit", main_account="2110")
    return draft


def kinds(refused) -> list[str]:
    return [problem.kind for problem in refused.value.problems]


def test_rows_become_the_pure_table(bakery):
    draft = new_draft(bakery, JANUARY, by="bob")
    rule(
        draft,
        component="Regular Hours",
        custom_field="Union=Local 5",
        department="Sales",
        payroll_type="off_cycle",
        off_cycle_reason="Bonus",
        percent=Decimal("33.33"),
        dimensions="Plant=10;CostCenter=@department",
        company_code="@job",
    )
    rule(draft, target=2, component="Regular Hours", custom_field="Union=Local 5", department="Sales",
         payroll_type="off_cycle", off_cycle_reason="Bonus", percent=Decimal("66.67"), main_account="0600")  # fmt: skip
    rule(draft, "R02", "net_pay", "credit", main_account="2110", accrual_account="2120")
    Crosswalk.objects.create(
        mapping_table=draft,
        source_kind="department",
        source_value="Sales",
        target="CostCenter",
        target_value="0200",
    )
    table = table_of(draft)
    assert table.version == "1"
    assert table.valid_from == JANUARY
    assert table.policy.company_code == "1000"
    assert table.crosswalk == (CrosswalkEntry("department", "Sales", "CostCenter", "0200"),)
    wages, net_pay = table.rules
    assert wages == Rule(
        name="R01",
        kind=LineKind.EARNING,
        criteria=Criteria(
            component="Regular Hours",
            custom_field=("Union", "Local 5"),
            department="Sales",
            off_cycle_reason="Bonus",
            payroll_type="off_cycle",
        ),
        debit=(
            Target(1, Decimal("33.33"), "6000", (("CostCenter", "@department"), ("Plant", "10")), "@job"),
            Target(2, Decimal("66.67"), "0600"),
        ),
    )
    assert net_pay.credit == (Target(1, Decimal(100), "2110", accrual_account="2120"),)


def test_a_table_costs_two_queries(bakery, django_assert_num_queries):
    draft = small_draft(bakery)
    with django_assert_num_queries(2):
        table_of(draft)


def test_a_copy_has_the_same_rules_under_a_new_number(bakery):
    first = small_draft(bakery)
    first.posting_date = "period_end"
    first.save()
    Crosswalk.objects.create(
        mapping_table=first,
        source_kind="job",
        source_value="Baker",
        target="company_code",
        target_value="1000",
    )
    copy = new_draft(bakery, JULY, copy_of=first, by="alice")
    assert copy.version == 2
    one, two = table_of(first), table_of(copy)
    assert (one.rules, one.crosswalk, one.policy) == (two.rules, two.crosswalk, two.policy)
    assert two.valid_from == JULY


def test_a_version_keeps_its_whole_policy_and_a_copy_has_it_too(bakery):
    values: dict[str, str | bool] = {
        "posting_date": "debit_date", "journals": "accrual_settlement", "credits": "paymaster",
        "straddle": "working_days", "lines": "department", "paying_company_code": "1000", "due_from_account": "1350",
        "due_to_account": "2350", "affiliate_dimension": "Affiliate", "accrual_account": "2120",
        "straddle_off_cycle": True, "unpaid_holidays": "2026-07-03 2026-11-26", "clearing_detail": True,
        "header_text": "Payroll {period}, paid {check_date}", "line_text": "{what} {place}",
        "ignored_payroll_types": "external off_cycle",
    }  # fmt: skip
    first = small_draft(bakery)
    for name in POLICY_FIELDS:
        setattr(first, name, values[name])
    first.full_clean(exclude=["created_by"])
    first.save()
    first.refresh_from_db()
    expected = policy_from("1000", values)
    assert policy_of(first) == policy_of(new_draft(bakery, JULY, copy_of=first)) == expected
    assert expected.unpaid_holidays == (datetime.date(2026, 7, 3), datetime.date(2026, 11, 26))
    assert expected.has_paymaster


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unpaid_holidays", "4 July"),
        ("ignored_payroll_types", "manual"),
        ("header_text", "{check_date.year}"),
        ("line_text", "{employee}"),
    ],
)
def test_a_form_refuses_what_the_policy_does_not_have(bakery, field, value):
    draft = small_draft(bakery)
    setattr(draft, field, value)
    with pytest.raises(ValidationError) as raised:
        draft.full_clean(exclude=["created_by"])
    assert set(raised.value.message_dict) == {field}


def test_whoever_prepared_a_copied_draft_prepared_the_copy_too(bakery):
    first = small_draft(bakery, by="bob")
    copy = new_draft(bakery, JULY, copy_of=first, by="alice")
    assert copy.changed_by == ["alice", "bob"]
    approve(first, by="dana")
    first.refresh_from_db()
    assert new_draft(bakery, JULY, copy_of=first, by="alice").changed_by == ["alice"]


def test_an_approved_version_serves_its_check_dates(bakery):
    first = small_draft(bakery)
    approve(first, by="dana")
    approve(small_draft(bakery, JULY), by="dana")
    small_draft(bakery, datetime.date(2026, 3, 1))
    assert approved_table(bakery, datetime.date(2025, 12, 31)) is None
    assert approved_table(bakery, JANUARY) == first
    assert approved_table(bakery, datetime.date(2026, 6, 30)) == first
    july = approved_table(bakery, JULY)
    assert july is not None
    assert july.version == 2


def test_another_legal_entitys_version_is_not_used(bakery):
    other = LegalEntity.objects.create(name="Acme Mills Inc.", company_code="2000")
    approve(small_draft(other), by="dana")
    assert approved_table(bakery, JULY) is None


def test_approval_is_told_and_recorded(bakery):
    heard = []

    def hear(sender, table, **_):
        heard.append((sender, table.version, table.state))

    version_approved.connect(hear)
    try:
        table = approve(small_draft(bakery), by="dana")
    finally:
        version_approved.disconnect(hear)
    assert heard == [(MappingTable, 1, "approved")]
    assert (table.approved_by, table.approved_at is not None) == ("dana", True)
    entry = AuditEntry.objects.get(action="mapping_table.approved")
    assert entry.actor == "dana"
    assert sentence(entry) == "Mapping table version 1, valid from 1 Jan 2026, was approved."


def test_nobody_approves_what_they_prepared(bakery):
    draft = small_draft(bakery, by="bob")
    note_change(open_draft(draft.pk), "erin", "rule R01")
    submit(draft, "alice")
    for person in ("bob", "erin", "alice"):
        draft.refresh_from_db()
        with pytest.raises(ApprovalRefused, match=r"You prepared this version. Someone else approves it.") as refused:
            approve(draft, by=person)
        assert kinds(refused) == ["own_work"]
    draft.refresh_from_db()
    assert draft.state == "submitted"
    assert not AuditEntry.objects.filter(action="mapping_table.approved").exists()


def test_what_is_not_submitted_is_not_approved(bakery):
    draft = small_draft(bakery)
    with pytest.raises(ApprovalRefused, match=r"Version 1 is not submitted yet. Whoever prepares it submits it first."):
        approval.approve(draft, by="dana")


def test_what_is_submitted_stands_still_until_it_is_taken_back(bakery):
    draft = submit(small_draft(bakery), "bob")
    assert (draft.state, draft.submitted_by, draft.submitted_at is not None) == ("submitted", "bob", True)
    with pytest.raises(NotADraft):
        open_draft(draft.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rule(draft, "R99", "tips")
    with pytest.raises(ApprovalRefused) as refused:
        submit(draft, "bob")
    assert kinds(refused) == ["not_a_draft"]
    again = take_back(draft, "dana")
    assert (again.state, again.submitted_by, again.changed_by) == ("draft", "", ["bob"])
    rule(open_draft(draft.pk), "R99", "tips")
    with pytest.raises(ApprovalRefused, match=r"Version 1 is a draft\."):
        take_back(draft, "bob")
    assert [sentence(entry) for entry in AuditEntry.objects.filter(subject="mapping_table").order_by("number")][1:] == [
        "Mapping table version 1, valid from 1 Jan 2026, was submitted for approval.",
        "Mapping table version 1 became a draft again.",
    ]


def test_a_draft_with_problems_is_not_submitted(bakery):
    draft = new_draft(bakery, JANUARY, by="bob")
    with pytest.raises(ApprovalRefused) as refused:
        submit(draft, "bob")
    assert kinds(refused) == ["empty"]


def test_nobody_approves_their_own_work_where_journals_go_out_by_themselves(bakery):
    bakery.approval = LegalEntity.Approval.AUTOMATIC
    bakery.save()
    with pytest.raises(ApprovalRefused, match="Someone else approves it"):
        approve(small_draft(bakery, by="bob"), by="bob")


def test_the_installation_approves_only_what_no_person_touched(bakery):
    draft = small_draft(bakery, by="")
    note_change(open_draft(draft.pk), "bob", "rule R01")
    with pytest.raises(ApprovalRefused, match=r"bob changed this version. A person who did not approves it."):
        approve(draft, by="")
    assert approve(small_draft(bakery, by=""), by="").state == "approved"


def test_a_table_with_problems_is_not_approved(bakery):
    draft = new_draft(bakery, JANUARY, by="bob")
    rule(draft, percent=Decimal(60))
    rule(draft, target=2, percent=Decimal(30))
    rule(draft, "R20", department="Sales")
    rule(draft, "R21", department="sales ")
    rule(draft, "R03", "employer_tax")
    with pytest.raises(ApprovalRefused) as refused:
        approve(draft, by="dana")
    assert [problem.sentence for problem in refused.value.problems] == [
        "Rule R01: the debit percentages 60 + 30 are not 100.",
        "Rules R20 and R21 catch the same lines equally well (earning, debit). Make one more specific.",
        "No rule gives the credit of employer tax. Rule R03 gives only its debit.",
    ]


def test_an_empty_version_is_not_approved(bakery):
    with pytest.raises(ApprovalRefused) as refused:
        approve(new_draft(bakery, JANUARY, by="bob"), by="dana")
    assert kinds(refused) == ["empty"]


def test_a_version_with_an_account_that_the_ledger_lacks_is_not_approved(bakery):
    bakery.erp_connection = Connection.objects.create(system="d365", name="Books")
    bakery.save()
    for number in ("2110", "6010"):
        MainAccount.objects.create(connection=bakery.erp_connection, company_code="1000", number=number)
    with pytest.raises(ApprovalRefused, match=r"Account 6000 does not exist .* Rule R01 uses it. Closest: 6010."):
        approve(small_draft(bakery), by="dana")


def test_a_correction_of_the_same_date_takes_over_and_the_older_version_is_kept(bakery):
    first = approve(small_draft(bakery), by="dana")
    correction = new_draft(bakery, JANUARY, copy_of=first, by="bob")
    correction.rules.filter(rule="R01").update(main_account="6010")
    assert approved_table(bakery, JULY) == first
    approve(correction, by="dana")
    in_force = approved_table(bakery, JANUARY)
    assert in_force is not None
    assert (in_force.version, in_force.rules.get(rule="R01").main_account) == (2, "6010")
    first.refresh_from_db()
    assert (first.state, first.rules.get(rule="R01").main_account) == ("approved", "6000")


def test_a_later_date_stands_above_a_newer_correction_of_an_earlier_one(bakery):
    first = approve(small_draft(bakery), by="dana")
    july = approve(small_draft(bakery, JULY), by="dana")
    correction = approve(new_draft(bakery, JANUARY, copy_of=first, by="bob"), by="dana")
    assert approved_table(bakery, datetime.date(2026, 6, 30)) == correction
    assert approved_table(bakery, JULY) == july


def test_a_draft_that_a_newer_version_has_overtaken_is_not_approved(bakery):
    overtaken, newer = small_draft(bakery), small_draft(bakery)
    approve(newer, by="dana")
    with pytest.raises(ApprovalRefused, match="Version 2 is approved for the same first check date") as refused:
        approve(overtaken, by="dana")
    assert kinds(refused) == ["superseded"]


def test_an_approved_version_is_no_draft(bakery):
    table = approve(small_draft(bakery), by="dana")
    with pytest.raises(NotADraft):
        open_draft(table.pk)
    with pytest.raises(ApprovalRefused) as refused:
        approve(table, by="erin")
    assert kinds(refused) == ["not_a_draft"]
    with pytest.raises(IntegrityError), transaction.atomic():
        rule(table, "R99", "tips")


def test_every_change_says_who_and_what(bakery):
    draft = small_draft(bakery, by="bob")
    note_change(open_draft(draft.pk), "alice", "rule R01 debit 1")
    draft.refresh_from_db()
    assert draft.changed_by == ["alice", "bob"]
    entry = AuditEntry.objects.get(action="mapping_table.changed")
    assert (entry.actor, sentence(entry)) == ("alice", "Mapping table version 1 was changed: rule R01 debit 1.")
