"""The mapping pages as people use them: who may edit, approve, import and read, and what a page refuses."""

from __future__ import annotations

import datetime
import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import AuditEntry
from audit.trail import sentence
from mappings.approval import submit
from mappings.models import (
    Crosswalk,
    Dimension,
    DimensionValue,
    FiscalPeriod,
    MainAccount,
    MappingRule,
    MappingTable,
    SourceCode,
)
from mappings.sheets import CsvSheet, ExcelSheet
from mappings.tables import POLICY_FIELDS, new_draft
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.mappings.test_file_import import CROSSWALKS, MAPPING
from tests.mappings.versions import approve

JANUARY = datetime.date(2026, 1, 1)
TABLES = "/console/mappings/mappingtable/"
RULES = "/console/mappings/mappingrule/"
CROSSWALK = "/console/mappings/crosswalk/"


@pytest.fixture
def entity(tenant) -> LegalEntity:
    with tenant_scope(tenant.id):
        made: LegalEntity = LegalEntity.objects.create(name="Acme Bakery Inc.", company_code="1000")
        return made


@pytest.fixture
def draft(tenant, entity) -> MappingTable:
    """A draft of somebody who has left, complete enough to be approved."""
    with tenant_scope(tenant.id):
        made = new_draft(entity, JANUARY, by="fred")
        for rule, kind, side, account in (
            ("R01", "earning", "debit", "6000"),
            ("R03", "employer_tax", "debit", "6100"),
            ("R03", "employer_tax", "credit", "2110"),
            ("R10", "net_pay", "credit", "2110"),
        ):
            MappingRule.objects.create(mapping_table=made, rule=rule, kind=kind, side=side, main_account=account)
        return made


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", response.content.decode()))


def rule_form(table: MappingTable, **values) -> dict[str, str]:
    """What the page of a rule sends."""
    names = (
        "rule kind component department job location employee employee_code custom_field compensation_level "
        "payroll_type off_cycle_reason side target percent main_account dimensions company_code accrual_account"
    )
    empty = dict.fromkeys(names.split(), "")
    given = {
        "rule": "R20", "kind": "earning", "side": "debit", "target": "1", "percent": "100", "main_account": "6000",
        "mapping_table": str(table.pk),
    }  # fmt: skip
    return {**empty, **given, **values}


def changed_by(tenant, table: MappingTable) -> list[str]:
    with tenant_scope(tenant.id):
        names: list[str] = MappingTable.objects.get(pk=table.pk).changed_by
        return names


def last_entry(tenant) -> tuple[str, str]:
    with tenant_scope(tenant.id):
        entry = AuditEntry.objects.first()
        assert entry is not None
        return entry.actor, sentence(entry)


def state_of(tenant, table: MappingTable) -> str:
    with tenant_scope(tenant.id):
        return str(MappingTable.objects.get(pk=table.pk).state)


def row(tenant, table: MappingTable, name: str, side: str = "debit") -> MappingRule:
    with tenant_scope(tenant.id):
        found: MappingRule = MappingRule.objects.get(mapping_table=table, rule=name, side=side)
        return found


# Reading


def test_every_page_opens_for_every_role(tenant, entity, draft, alice, bob, dana, erin):
    with tenant_scope(tenant.id):
        connection = Connection.objects.create(system="d365", name="Books")
        account = MainAccount.objects.create(connection=connection, company_code="1000", number="6000", name="Wages")
        value = DimensionValue.objects.create(connection=connection, dimension="CostCenter", value="0100")
        period = FiscalPeriod.objects.create(
            connection=connection, company_code="1000", start_date=JANUARY, end_date=JANUARY, is_open=True
        )
        code = SourceCode.objects.create(
            legal_entity=entity, kind="earning", component="Bonus", first_seen_date=JANUARY, last_seen_date=JANUARY
        )
        entry = Crosswalk.objects.create(
            mapping_table=draft, source_kind="job", source_value="Baker", target="CostCenter", target_value="0100"
        )
        rule = draft.rules.first()
    objects = {
        "mappingtable": draft, "mappingrule": rule, "crosswalk": entry, "mainaccount": account,
        "dimensionvalue": value, "fiscalperiod": period, "sourcecode": code,
    }  # fmt: skip
    for user in (alice, bob, dana, erin):
        client = signed_in(user)
        for name, found in objects.items():
            for address in (f"/console/mappings/{name}/", f"/console/mappings/{name}/{found.pk}/change/"):
                assert client.get(address, follow=True).status_code == 200, (user, address)


def test_a_list_says_what_it_shows(draft, erin):
    client = signed_in(erin)
    versions = text_of(client.get(TABLES, follow=True))
    assert "Version 1" in versions
    assert "Draft" in versions
    assert "Acme Bakery Inc., company code 1000" in versions
    rules = text_of(client.get(RULES, {"q": "6100"}, follow=True))
    assert "R03" in rules
    assert "R01" not in rules
    assert "Acme Bakery Inc., company code 1000" in rules


def test_the_most_specific_rule_stands_first(tenant, draft, erin):
    with tenant_scope(tenant.id):
        for number, criteria in enumerate(({"location": "Oslo"}, {"component": "Bonus"}, {"department": "Sales"}), 20):
            MappingRule.objects.create(
                mapping_table=draft, rule=f"R{number}", kind="earning", side="debit", main_account="6010", **criteria
            )
    page = text_of(signed_in(erin).get(RULES, follow=True))
    found = re.findall(r">(R\d\d)<", page[page.index("result_list") :])
    assert list(dict.fromkeys(found)) == ["R21", "R22", "R20", "R01", "R03", "R10"]


def test_a_tie_is_said_above_the_rules(tenant, draft, erin):
    with tenant_scope(tenant.id):
        MappingRule.objects.create(mapping_table=draft, rule="R09", kind="earning", side="debit", main_account="6010")
    page = text_of(signed_in(erin).get(RULES, follow=True))
    assert "Rules R01 and R09 catch the same lines equally well (earning, debit). Make one more specific." in page


def test_lists_cost_the_same_whatever_their_length(tenant, entity, draft, erin, django_assert_max_num_queries):
    with tenant_scope(tenant.id):
        MappingRule.objects.bulk_create(
            MappingRule(mapping_table=draft, rule=f"R{n}", kind="earning", side="debit", main_account="6000")
            for n in range(100, 400)
        )
    client = signed_in(erin)
    rules, tables = f"{RULES}?mapping_table__id__exact={draft.pk}", f"{TABLES}?legal_entity__id__exact={entity.pk}"
    for address in (rules, tables, f"{TABLES}{draft.pk}/change/"):
        client.get(address)
        with django_assert_max_num_queries(25):
            assert client.get(address).status_code == 200


def test_another_tenants_mapping_does_not_exist(tenant, draft, charlie):
    client = signed_in(charlie)
    rule = row(tenant, draft, "R01")
    assert "Version 1" not in text_of(client.get(TABLES))
    assert "6100" not in text_of(client.get(RULES))
    assert client.get(f"{RULES}?mapping_table__id__exact={draft.pk}").status_code == 404
    for address in (f"{TABLES}{draft.pk}/change/", f"{RULES}{rule.pk}/change/", f"{TABLES}{draft.pk}/delete/"):
        assert client.get(address).status_code in {302, 404}, address
    for address in ("submit/", "take-back/", "approve/", "copy/", "export/mapping.csv", "export/crosswalks.xlsx"):
        assert client.get(f"{TABLES}{draft.pk}/{address}").status_code == 404, address
        assert client.post(f"{TABLES}{draft.pk}/{address}", {"valid_from": "2026-07-01"}).status_code == 404, address
    refused = client.post(f"{RULES}add/", rule_form(draft))
    assert refused.status_code == 200
    assert "That choice is not one of the available choices" in text_of(refused)
    with tenant_scope(tenant.id):
        assert MappingRule.objects.count() == 4
        assert MappingTable.objects.get().state == "draft"


def test_nobody_reads_without_a_membership(draft, db, django_user_model):
    stranger = django_user_model.objects.create_user("stranger", password="a long password", is_staff=True)
    assert signed_in(stranger).get(TABLES).status_code in {302, 403}
    assert Client().get(TABLES).status_code == 302


# Editing


def test_a_preparer_edits_a_draft(tenant, draft, bob):
    rule = row(tenant, draft, "R01")
    form = rule_form(draft, rule="R01", main_account="6010", dimensions="Plant=10; CostCenter=@department")
    assert signed_in(bob).post(f"{RULES}{rule.pk}/change/", form).status_code == 302
    saved = row(tenant, draft, "R01")
    assert (saved.main_account, saved.dimensions) == ("6010", "CostCenter=@department;Plant=10")
    assert changed_by(tenant, draft) == ["bob", "fred"]
    actor, words = last_entry(tenant)
    assert actor == "bob"
    assert words.startswith("Mapping table version 1 was changed: rule R01 debit 1: ")
    assert "main_account from “6000” to “6010”" in words


def test_an_owner_adds_a_rule_and_removes_one(tenant, draft, alice):
    client = signed_in(alice)
    assert client.post(f"{RULES}add/", rule_form(draft, department="Sales")).status_code == 302
    assert last_entry(tenant) == ("alice", "Mapping table version 1 was changed: rule R20 debit 1 added.")
    added = row(tenant, draft, "R20")
    assert client.post(f"{RULES}{added.pk}/delete/", {"post": "yes"}).status_code == 302
    assert last_entry(tenant) == ("alice", "Mapping table version 1 was changed: rule R20 debit 1 removed.")
    assert changed_by(tenant, draft) == ["alice", "fred"]


def test_rules_are_removed_in_bulk_and_named(tenant, draft, bob):
    with tenant_scope(tenant.id):
        keys = list(MappingRule.objects.filter(rule="R03").values_list("pk", flat=True))
    data = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    assert signed_in(bob).post(RULES, data).status_code == 302
    actor, words = last_entry(tenant)
    assert actor == "bob"
    assert "rule R03 credit 1" in words
    assert "rule R03 debit 1" in words
    with tenant_scope(tenant.id):
        assert MappingRule.objects.count() == 2


def test_a_crosswalk_is_edited_in_a_draft(tenant, draft, bob):
    values = {"source_kind": "department", "source_value": "Bakery", "target": "CostCenter", "target_value": "0100"}
    client = signed_in(bob)
    assert client.post(f"{CROSSWALK}add/", {"mapping_table": draft.pk, **values}).status_code == 302
    assert last_entry(tenant) == ("bob", "Mapping table version 1 was changed: crosswalk department Bakery added.")
    twice = client.post(f"{CROSSWALK}add/", {"mapping_table": draft.pk, **values, "source_value": " BAKERY"})
    assert "department Bakery has its CostCenter already: 0100." in text_of(twice)


def test_a_version_itself_is_made_and_edited(tenant, entity, bob):
    client = signed_in(bob)
    policy = {
        "posting_date": "period_end", "journals": "payroll", "credits": "follow_wages", "straddle": "none",
        "lines": "summary", "ignored_payroll_types": "external",
    }  # fmt: skip
    values = {"legal_entity": entity.pk, "valid_from": "2026-07-01", "note": "Summer", **policy}
    assert client.post(f"{TABLES}add/", values).status_code == 302
    with tenant_scope(tenant.id):
        table = MappingTable.objects.get()
    assert (table.version, table.created_by, table.changed_by, table.note) == (1, "bob", ["bob"], "Summer")
    assert table.posting_date == "period_end"
    management = {
        f"{prefix}-{name}": "0"
        for prefix in ("rules", "crosswalks")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")
    }
    change = client.post(f"{TABLES}{table.pk}/change/", {**values, "valid_from": "2026-08-01", **management})
    assert change.status_code == 302, text_of(change)
    assert last_entry(tenant) == (
        "bob", "Mapping table version 1 was changed: valid_from from “2026-07-01” to “2026-08-01”.",
    )  # fmt: skip


def test_the_page_of_a_version_has_its_whole_journal_policy(tenant, draft, bob):
    page = text_of(signed_in(bob).get(f"{TABLES}{draft.pk}/change/"))
    assert [name for name in POLICY_FIELDS if f'name="{name}"' not in page] == []


def test_a_draft_is_removed_with_its_rows(tenant, draft, bob):
    assert signed_in(bob).post(f"{TABLES}{draft.pk}/delete/", {"post": "yes"}).status_code == 302
    assert last_entry(tenant) == ("bob", "Mapping table version 1, a draft, was removed.")
    with tenant_scope(tenant.id):
        assert not MappingRule.objects.exists()


@pytest.mark.parametrize("name", ["dana", "erin"])
def test_approvers_and_auditors_change_nothing(tenant, draft, name, request):
    client = signed_in(request.getfixturevalue(name))
    rule = row(tenant, draft, "R01")
    for address, data in (
        (f"{RULES}add/", rule_form(draft)),
        (f"{RULES}{rule.pk}/change/", rule_form(draft, rule="R01", main_account="6010")),
        (f"{RULES}{rule.pk}/delete/", {"post": "yes"}),
        (f"{RULES}import/", {}),
        (f"{RULES}process_import/", {}),
        (f"{CROSSWALK}add/", {}),
        (f"{TABLES}add/", {}),
        (f"{TABLES}{draft.pk}/delete/", {"post": "yes"}),
        (f"{TABLES}{draft.pk}/copy/", {"valid_from": "2026-07-01"}),
    ):
        assert client.post(address, data).status_code == 403, address
    client.post(RULES, {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"})
    assert row(tenant, draft, "R01").main_account == "6000"
    assert changed_by(tenant, draft) == ["fred"]
    with tenant_scope(tenant.id):
        assert MappingTable.objects.count() == 1


def test_an_approved_version_cannot_be_edited_by_anybody(tenant, draft):
    everything = member(tenant, "gina", "owner", "preparer", "approver")
    client = signed_in(everything)
    with tenant_scope(tenant.id):
        entry = Crosswalk.objects.create(
            mapping_table=draft, source_kind="job", source_value="Baker", target="CostCenter", target_value="0100"
        )
        approve(draft, by="dana")
    rule = row(tenant, draft, "R01")
    posts: list[tuple[str, Any]] = [
        (f"{RULES}{rule.pk}/change/", rule_form(draft, rule="R01", main_account="6010")),
        (f"{RULES}{rule.pk}/delete/", {"post": "yes"}),
        (f"{CROSSWALK}{entry.pk}/change/", {"source_kind": "job"}),
        (f"{CROSSWALK}{entry.pk}/delete/", {"post": "yes"}),
        (f"{TABLES}{draft.pk}/change/", {"valid_from": "2027-01-01"}),
        (f"{TABLES}{draft.pk}/delete/", {"post": "yes"}),
        (RULES, {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"}),
    ]
    for address, data in posts:
        assert client.post(address, data).status_code == 403, address
    refused = client.post(f"{RULES}add/", rule_form(draft))
    assert "not one of the available choices" in text_of(refused)
    with tenant_scope(tenant.id):
        assert MappingRule.objects.count() == 4
        assert MappingRule.objects.get(pk=rule.pk).main_account == "6000"
        assert MappingTable.objects.get().valid_from == JANUARY
    assert "Save" not in text_of(client.get(f"{RULES}{rule.pk}/change/"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "employee_tax"}, "employee_tax has no debit side."),
        ({"dimensions": "CostCenter"}, "is not of the form Name=value."),
        ({"dimensions": "CostCenter=@town"}, "cannot be looked up."),
        ({"company_code": "@town"}, "cannot be looked up."),
        ({"percent": "101"}, '"101" is no percentage from 0 to 100'),
        ({"custom_field": "Union"}, "is not of the form Name=value."),
        ({"accrual_account": "2120"}, "Only a credit waits on an accrual account."),
        ({"rule": "R01"}, "Rule R01 has a debit target 1 already."),
        ({"rule": "R01", "target": "2", "department": "Sales"}, "The other rows of rule R01 have another department."),
        ({}, "Rules R01 and R20 catch the same lines equally well (earning, debit). Make one more specific."),
    ],
)
def test_a_wrong_rule_is_refused_with_words(tenant, draft, bob, values, words):
    response = signed_in(bob).post(f"{RULES}add/", rule_form(draft, **values))
    assert response.status_code == 200
    assert words in text_of(response)
    with tenant_scope(tenant.id):
        assert MappingRule.objects.count() == 4


def test_an_account_that_the_ledger_lacks_is_refused_with_the_closest(tenant, entity, draft, bob):
    with tenant_scope(tenant.id):
        entity.erp_connection = Connection.objects.create(system="a_ledger", name="Books")
        entity.save()
        for number in ("6000", "6100", "2110"):
            MainAccount.objects.create(connection=entity.erp_connection, company_code="1000", number=number)
        Dimension.objects.create(connection=entity.erp_connection, name="CostCenter")
    client = signed_in(bob)
    form = rule_form(draft, department="Sales", main_account="6190", dimensions="Plant=7")
    words = text_of(client.post(f"{RULES}add/", form))
    assert "Account 6190 does not exist in Books, company code 1000. Closest: 6100." in words
    assert "Books has no dimension Plant. Closest: CostCenter." in words


def test_criteria_belong_to_the_whole_rule(tenant, draft, bob):
    debit = row(tenant, draft, "R03")
    form = rule_form(draft, rule="R03", kind="employer_tax", component="FUTA", main_account="6100")
    assert signed_in(bob).post(f"{RULES}{debit.pk}/change/", form).status_code == 302
    assert row(tenant, draft, "R03", "credit").component == "FUTA"
    form = rule_form(draft, rule="R03", kind="earning", component="FUTA", main_account="6100")
    refused = signed_in(bob).post(f"{RULES}{debit.pk}/change/", form)
    assert "Rule R03 has another row: earning has no credit side." in text_of(refused)
    assert row(tenant, draft, "R03", "credit").kind == "employer_tax"


# Approving


def test_a_version_is_submitted_by_one_and_approved_by_another(tenant, draft, bob, dana):
    preparer, approver = signed_in(bob), signed_in(dana)
    assert "Version 1 is not submitted yet." in text_of(approver.post(f"{TABLES}{draft.pk}/approve/", follow=True))
    page = text_of(preparer.get(f"{TABLES}{draft.pk}/submit/"))
    assert "It cannot be changed any more until it is taken back." in page
    assert "No payroll was read yet" not in page, "there is nothing to compare, and nothing is said"
    assert state_of(tenant, draft) == "draft"
    assert preparer.post(f"{TABLES}{draft.pk}/submit/").status_code == 302
    assert last_entry(tenant) == ("bob", "Mapping table version 1, valid from 1 Jan 2026, was submitted for approval.")
    # Submitted it stands still.
    rule = row(tenant, draft, "R01")
    assert preparer.post(f"{RULES}{rule.pk}/change/", rule_form(draft, rule="R01")).status_code == 403
    assert preparer.post(f"{TABLES}{draft.pk}/approve/").status_code == 403
    assert "Approve version 1" in text_of(approver.get(f"{TABLES}{draft.pk}/change/"))
    page = text_of(approver.get(f"{TABLES}{draft.pk}/approve/"))
    assert "Payroll runs with a check date from 1 Jan 2026 on are allocated with this version." in page
    assert "bob, fred" in page
    assert state_of(tenant, draft) == "submitted"
    assert approver.post(f"{TABLES}{draft.pk}/approve/").status_code == 302
    with tenant_scope(tenant.id):
        assert MappingTable.objects.get().approved_by == "dana"
    assert last_entry(tenant) == ("dana", "Mapping table version 1, valid from 1 Jan 2026, was approved.")


@pytest.mark.parametrize("name", ["bob", "dana"])
def test_a_submitted_version_is_taken_back(tenant, draft, name, request):
    with tenant_scope(tenant.id):
        submit(draft, "fred")
    client = signed_in(request.getfixturevalue(name))
    assert "It becomes a draft again" in text_of(client.get(f"{TABLES}{draft.pk}/take-back/"))
    assert client.post(f"{TABLES}{draft.pk}/take-back/").status_code == 302
    assert state_of(tenant, draft) == "draft"
    assert "Version 1 is a draft." in text_of(client.post(f"{TABLES}{draft.pk}/take-back/", follow=True))


def test_own_work_is_not_approved(tenant, draft):
    client = signed_in(member(tenant, "gina", "preparer", "approver"))
    rule = row(tenant, draft, "R01")
    client.post(f"{RULES}{rule.pk}/change/", rule_form(draft, rule="R01", main_account="6010"))
    client.post(f"{TABLES}{draft.pk}/submit/")
    page = text_of(client.get(f"{TABLES}{draft.pk}/change/"))
    assert "You prepared this version. Someone else approves it." in page
    assert 'aria-disabled="true">Approve version 1' in page
    answer = client.post(f"{TABLES}{draft.pk}/approve/", follow=True)
    assert "You prepared this version. Someone else approves it." in text_of(answer)
    assert state_of(tenant, draft) == "submitted"


def test_problems_stand_in_the_way_and_on_the_page(tenant, draft, bob):
    with tenant_scope(tenant.id):
        draft.rules.filter(rule="R03", side="credit").delete()
    client = signed_in(bob)
    words = "No rule gives the credit of employer tax. Rule R03 gives only its debit."
    page = text_of(client.get(f"{TABLES}{draft.pk}/change/"))
    assert words in page
    assert 'aria-disabled="true">Submit version 1' in page
    assert words in text_of(client.get(f"{TABLES}{draft.pk}/submit/"))
    assert words in text_of(client.post(f"{TABLES}{draft.pk}/submit/", follow=True))
    assert state_of(tenant, draft) == "draft"


@pytest.mark.parametrize("name", ["dana", "erin"])
def test_only_editors_submit(tenant, draft, name, request):
    client = signed_in(request.getfixturevalue(name))
    assert client.get(f"{TABLES}{draft.pk}/submit/").status_code == 403
    assert client.post(f"{TABLES}{draft.pk}/submit/").status_code == 403
    assert state_of(tenant, draft) == "draft"


@pytest.mark.parametrize("name", ["alice", "bob", "erin"])
def test_only_approvers_approve(tenant, draft, name, request):
    client = signed_in(request.getfixturevalue(name))
    assert client.get(f"{TABLES}{draft.pk}/approve/").status_code == 403
    assert client.post(f"{TABLES}{draft.pk}/approve/").status_code == 403
    with tenant_scope(tenant.id):
        assert MappingTable.objects.get().state == "draft"


def test_a_post_without_its_token_does_nothing(tenant, draft, dana):
    client = Client(enforce_csrf_checks=True)
    client.force_login(dana)
    assert client.post(f"{TABLES}{draft.pk}/approve/").status_code == 403
    with tenant_scope(tenant.id):
        assert MappingTable.objects.get().state == "draft"


def test_a_version_is_copied_into_a_draft(tenant, draft, bob):
    client = signed_in(bob)
    assert client.get(f"{TABLES}{draft.pk}/copy/").status_code == 200
    assert client.post(f"{TABLES}{draft.pk}/copy/", {"valid_from": "next year"}).status_code == 200
    assert client.post(f"{TABLES}{draft.pk}/copy/", {"valid_from": "2026-07-01"}).status_code == 302
    with tenant_scope(tenant.id):
        copy = MappingTable.objects.get(version=2)
        assert (str(copy.valid_from), copy.rules.count(), copy.changed_by) == ("2026-07-01", 4, ["bob", "fred"])


# Files


def upload(client: Client, entity: LegalEntity, content: bytes, address: str = RULES, name: str = "mapping.csv"):
    file = SimpleUploadedFile(name, content)
    form = "1" if name.endswith(".xlsx") else "0"
    return client.post(
        f"{address}import/", {"legal_entity": entity.pk, "import_file": file, "format": form, "resource": "0"}
    )


def confirm(client: Client, preview, address: str = RULES, **more):
    """Press the button of the preview."""
    fields = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', preview.content.decode()))
    fields.pop("csrfmiddlewaretoken", None)
    assert {"import_file_name", "original_file_name", "format", "legal_entity"} <= fields.keys()
    return client.post(f"{address}process_import/", {**fields, **more}, follow=True)


def test_a_file_is_shown_first_and_imported_on_confirmation(tenant, entity, bob):
    client = signed_in(bob)
    assert "Columns: valid_from, rule, kind" in text_of(client.get(f"{RULES}import/"))
    preview = upload(client, entity, MAPPING.encode())
    words = text_of(preview)
    assert "Nothing is saved yet" in words
    assert words.count("add</span>New<") == 4
    assert "4 rows read." in words
    assert "Save as draft version 1" in words
    with tenant_scope(tenant.id):
        assert not MappingTable.objects.exists()
    done = confirm(client, preview)
    assert "Imported into drafts: 4 new, 0 changed, 0 unchanged, 0 removed." in text_of(done)
    with tenant_scope(tenant.id):
        table = MappingTable.objects.get()
        assert table.changed_by == ["bob"]
        assert set(table.rules.values_list("main_account", flat=True)) == {"0600", "6000", "2110"}
    assert last_entry(tenant) == ("bob", "4 rows were imported into mapping table version 1 from mapping.csv.")


def test_a_preview_says_what_changes(tenant, entity, bob):
    client = signed_in(bob)
    confirm(client, upload(client, entity, MAPPING.encode()))
    confirm(client, upload(client, entity, CROSSWALKS.encode(), CROSSWALK, "crosswalks.csv"), CROSSWALK)
    again = MAPPING.replace(",60,0600", ",50,0600").replace(",40,6000,", ",50,6000,")
    again = "".join(again.splitlines(keepends=True)[:-1])
    again += "2026-01-01,R11,net_pay,Check,,,,,,,,credit,1,100,2105,,,\n"
    preview = upload(client, entity, again.encode())
    words = text_of(preview)
    for what, count in (("new", 1), ("changed", 2), ("unchanged", 1), ("removed", 1)):
        assert f'data-what="{what}">{what.capitalize()} {count}<' in words
        assert words.count(f'<tr data-row="{what}"') == count
    assert '<span class="quiet">percent</span> <s class="quiet">60</s> <strong>50</strong>' in words
    done = confirm(client, preview)
    assert "Imported into drafts: 1 new, 2 changed, 1 unchanged, 1 removed." in text_of(done)
    with tenant_scope(tenant.id):
        table = MappingTable.objects.get()
        assert sorted(table.rules.values_list("rule", flat=True)) == ["R01", "R01", "R02", "R11"]
        assert table.crosswalks.count() == 2


def test_a_preview_shows_what_will_keep_the_draft_from_approval(entity, bob):
    tie = MAPPING + "2026-01-01,R12,employee_tax,,,,,,,,,credit,1,100,2110,,,\n"
    words = text_of(upload(signed_in(bob), entity, tie.encode()))
    assert "Rules R02 and R12 catch the same lines equally well (employee tax, credit)." in words
    assert "Save as draft version 1" in words


def test_an_excel_file_goes_the_same_way(tenant, entity, bob):
    client = signed_in(bob)
    data = ExcelSheet().export_data(CsvSheet().create_dataset(MAPPING))
    confirm(client, upload(client, entity, data, name="mapping.xlsx"))
    with tenant_scope(tenant.id):
        assert MappingRule.objects.filter(main_account="0600", percent=60).exists()


@pytest.mark.parametrize(
    ("content", "row_and_column", "words"),
    [
        (MAPPING.replace("main_account", "account"), ("1", "main_account"), 'Column "main_account" is missing.'),
        (MAPPING.replace(",40,", ",41,"), ("2", "percent"), "are 60 + 41, not 100."),
        (MAPPING.replace("employee_tax", "employee_taxes"), ("4", "kind"), '"employee_taxes" is unknown.'),
        ("\n", ("1", "valid_from"), 'Column "valid_from" is missing.'),
        (MAPPING.splitlines()[0], ("1", ""), "The file has a header and no rows."),
        (MAPPING.replace(",credit,1,100,2110,,,\n", ",credit,1,100,2110,,,,\n", 1), ("4", ""), "The row has 19 cells"),
    ],
)
def test_a_bad_file_names_row_and_column_and_cannot_be_confirmed(tenant, entity, bob, content, row_and_column, words):
    client = signed_in(bob)
    page = text_of(upload(client, entity, content.encode()))
    number, column = row_and_column
    assert f"Row {number}{f', column {column}' if column else ''}: " in page
    assert words in page
    assert "Traceback" not in page
    assert 'aria-disabled="true">Save as draft' in page
    assert "Upload repaired file" in page
    with tenant_scope(tenant.id):
        assert not MappingTable.objects.exists()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (
            MAPPING.encode() + "é".encode("latin-1"),
            "mapping.csv",
            "Row 6 is not in UTF-8. Save the file as “CSV UTF-8”",
        ),
        (b"valid_from;rule\n", "mapping.csv", "Row 1 separates its columns by semicolons."),
        (b"valid_from,rule\n", "mapping.xlsx", "This is no Excel file (.xlsx)."),
        (b"PK\x03\x04\x00\x00", "mapping.csv", "The file is no text."),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(entity, bob, content, name, words):
    page = text_of(upload(signed_in(bob), entity, content, name=name))
    assert words in page


def test_what_becomes_wrong_after_the_preview_is_not_imported(tenant, entity, bob):
    client = signed_in(bob)
    preview = upload(client, entity, MAPPING.encode())
    with tenant_scope(tenant.id):
        entity.erp_connection = Connection.objects.create(system="a_ledger", name="Books")
        entity.save()
        MainAccount.objects.create(connection=entity.erp_connection, company_code="1000", number="6001")
        Dimension.objects.create(connection=entity.erp_connection, name="CostCenter")
        DimensionValue.objects.create(connection=entity.erp_connection, dimension="CostCenter", value="100")
    page = text_of(confirm(client, preview))
    assert "mapping.csv, row 3, column main_account: Account 6000 does not exist in Books" in page
    assert "Nothing was imported." in page
    with tenant_scope(tenant.id):
        assert not MappingTable.objects.exists()


def test_the_file_between_preview_and_import_cannot_be_exchanged(tenant, entity, bob):
    client = signed_in(bob)
    preview = upload(client, entity, MAPPING.encode())
    page = text_of(confirm(client, preview, import_file_name="bm90:aGluZw:x"))
    assert "This preview is too old. Upload the file again." in page
    with tenant_scope(tenant.id):
        assert not MappingTable.objects.exists()


def test_a_file_is_not_imported_into_another_tenant(tenant, entity, charlie):
    client = signed_in(charlie)
    page = text_of(upload(client, entity, MAPPING.encode()))
    assert "That choice is not one of the available choices" in page
    with tenant_scope(tenant.id):
        assert not MappingTable.objects.exists()


def test_a_version_goes_out_in_the_form_in_which_it_came_in(tenant, entity, bob, erin):
    client = signed_in(bob)
    confirm(client, upload(client, entity, MAPPING.encode()))
    confirm(client, upload(client, entity, CROSSWALKS.encode(), CROSSWALK, "crosswalks.csv"), CROSSWALK)
    with tenant_scope(tenant.id):
        table = MappingTable.objects.get()
    auditor = signed_in(erin)
    rules = auditor.get(f"{TABLES}{table.pk}/export/mapping.csv")
    assert rules.content.decode() == MAPPING
    assert rules["Content-Disposition"] == 'attachment; filename="mapping.csv"'
    entries = auditor.get(f"{TABLES}{table.pk}/export/crosswalks.csv").content.decode()
    assert sorted(entries.splitlines()) == sorted(CROSSWALKS.splitlines())
    excel = auditor.get(f"{TABLES}{table.pk}/export/mapping.xlsx").content
    assert ExcelSheet().create_dataset(excel).text == MAPPING
    assert auditor.get(f"{TABLES}{table.pk}/export/secrets.csv").status_code == 404


def test_rows_of_two_versions_of_one_date_do_not_go_into_one_file(tenant, entity, draft, erin):
    client = signed_in(erin)
    assert client.get(f"{RULES}export/").status_code == 200
    one = client.post(f"{RULES}export/", {"format": "0", "resource": "0"})
    assert one.content.decode().count("\n") == 5
    with tenant_scope(tenant.id):
        new_draft(entity, JANUARY, copy_of=draft)
    two = client.post(f"{RULES}export/", {"format": "0", "resource": "0"})
    assert "2 versions are valid from 2026-01-01" in text_of(two)
