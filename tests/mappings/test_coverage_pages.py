"""The coverage pages as people use them: what is missing, what is suggested, and that filling a gap touches a draft only."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEntry
from audit.trail import sentence
from gusto.models import PayrollRun
from mappings.models import Crosswalk, MainAccount, MappingRule
from mappings.preview import lines_of_run
from mappings.tables import new_draft
from tenants.scope import tenant_scope
from tests.mappings.mapping_world import JANUARY, JUNE, LINES, MAY, RULES, Mapped, mapped, signed_in


@pytest.fixture
def bakery(tenant) -> Mapped:
    return mapped(tenant)


def page_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", response.content.decode()))


def words_of(response) -> str:
    """What a reader reads."""
    page = page_of(response)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index('<div id="main"') : page.index("</main>")]))


def keys(client: Client, bakery: Mapped, name: str = "") -> list[str]:
    """What the Accept buttons of the page stand for."""
    page = page_of(client.get(bakery.coverage))
    found = re.findall(r'name="key" value="(\w+)" aria-label="Accept ([^"]*)"', page)
    return [key for key, label in found if name in label]


def accept(client: Client, bakery: Mapped, *wanted: str, **more: str):
    return client.post(f"{bakery.coverage}accept/", {"key": wanted, **more}, follow=True)


def test_a_gap_says_what_it_holds_and_what_could_fill_it(bakery, bob):
    bakery.pay()
    words = words_of(signed_in(bob).get(bakery.coverage))
    assert "4 of 5 components are caught. 1 gap holds 300.00 of payroll run 26 Jun 2026." in words
    assert "Looked at the last payroll run, 26 Jun 2026, with version 1." in words
    assert "Wellness Stipend Earning, 2 employees, first seen 26 Jun 2026 300.00 6230 Employee wellness" in words
    assert re.search(r"Closest name in the chart of accounts\. \d\d % sure\. CostCenter from department", words)
    assert "Accepting starts draft version 2 as a copy of version 1." in words
    assert "Accept the suggestion" in words


def test_accepting_starts_a_draft_and_touches_nothing_else(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    (key,) = keys(client, bakery)
    words = words_of(accept(client, bakery, key))
    assert "1 row was added to draft version 2, which was started for it and is valid from 26 Jun 2026." in words
    assert "Every component of the last payroll run is caught." in words
    approved, draft = bakery.versions()
    assert (approved.state, draft.state, draft.valid_from) == ("approved", "draft", JUNE)
    assert (draft.changed_by, draft.created_by) == (["bob"], "bob")
    new = [row for row in bakery.rules(draft) if row not in bakery.rules(approved)]
    assert new == [("R06", "Wellness Stipend", "debit", "6230", "CostCenter=@department")]
    assert len(bakery.rules(approved)) == len(RULES)
    with tenant_scope(bakery.tenant.id):
        entry = AuditEntry.objects.filter(action="mapping_table.changed").latest("number")
        assert (entry.actor, sentence(entry)) == (
            "bob", "Mapping table version 2 was changed: rule R06 for “Wellness Stipend” from a suggestion.",
        )  # fmt: skip


def test_both_sides_of_a_component_are_one_rule(bakery, bob):
    bakery.pay([*LINES, ("employer_contribution", "Medical", "E01", "", "Production", "300.00", "")])
    client = signed_in(bob)
    wanted = keys(client, bakery, "Medical")
    assert len(wanted) == 2
    accept(client, bakery, *wanted)
    _, draft = bakery.versions()
    assert [row[:4] for row in bakery.rules(draft) if row[1] == "Medical"] == [
        ("R06", "Medical", "debit", "6200"), ("R06", "Medical", "credit", "2150"),
    ]  # fmt: skip


def test_what_changed_meanwhile_is_not_accepted(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    (key,) = keys(client, bakery)
    with tenant_scope(bakery.tenant.id):
        MainAccount.objects.filter(number="6230").update(is_active=False)
    words = words_of(accept(client, bakery, key))
    assert "Nothing was accepted: what was suggested has changed since the page was opened." in words
    assert len(bakery.versions()) == 1


def test_a_draft_that_is_there_takes_what_is_accepted(bakery, bob):
    bakery.pay()
    with tenant_scope(bakery.tenant.id):
        draft = new_draft(bakery.entity, JANUARY, copy_of=bakery.table, by="gwen")
    client = signed_in(bob)
    assert "Accepting changes draft version 2 only." in words_of(client.get(bakery.coverage))
    accept(client, bakery, *keys(client, bakery), version=str(draft.pk))
    _, found = bakery.versions()
    assert (found.pk, found.changed_by, len(bakery.rules(found))) == (draft.pk, ["bob", "gwen"], len(RULES) + 1)
    words = words_of(client.get(f"{bakery.coverage}?show=changed"))
    assert "Changed in draft 1" in words
    assert "Wellness Stipend changed in the draft" in words
    # The version in use is looked at as it is, and filled nowhere but in the draft.
    old = words_of(client.get(f"{bakery.coverage}?version={bakery.table.pk}"))
    assert "Version 2 is being prepared. Gaps are filled there." in old
    assert "Accept" not in old.replace("Accepting", "")


def test_a_submitted_version_stands_still(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    accept(client, bakery, *keys(client, bakery))
    _, draft = bakery.versions()
    bakery.pay([*LINES[:-1], ("net_pay", "Direct Deposit", "E03", "", "Sales", "450.00", ""),
                ("earning", "Sick Hours", "E03", "Clerk", "Sales", "50.00", "")], check_date=MAY)  # fmt: skip
    (key,) = keys(client, bakery)
    assert client.post(f"/console/mappings/mappingtable/{draft.pk}/submit/").status_code == 302
    words = words_of(accept(client, bakery, key))
    assert "Nothing was accepted" in words
    assert "Version 2 is submitted and stands still. Take it back to change it." in words
    assert len(bakery.rules(draft)) == len(RULES) + 1


@pytest.mark.parametrize("name", ["dana", "erin"])
def test_who_may_not_edit_sees_the_gaps_and_no_button(bakery, name, bob, request):
    bakery.pay()
    (key,) = keys(signed_in(bob), bakery)
    client = signed_in(request.getfixturevalue(name))
    words = words_of(client.get(bakery.coverage))
    assert "1 gap holds" in words
    assert "Owners and preparers fill gaps in a draft." in words
    assert not keys(client, bakery)
    assert accept(client, bakery, key).status_code == 403
    assert client.get(f"{bakery.coverage}choose/").status_code == 403
    assert len(bakery.versions()) == 1


def test_a_get_accepts_nothing(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    (key,) = keys(client, bakery)
    assert client.get(f"{bakery.coverage}accept/", {"key": key}).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(bob)
    assert strict.post(f"{bakery.coverage}accept/", {"key": key}).status_code == 403
    assert len(bakery.versions()) == 1


def test_one_persons_pay_is_shown_only_to_those_who_may_see_it(bakery, alice, bob):
    bakery.pay()
    hidden = words_of(signed_in(alice).get(bakery.coverage))
    assert re.search(r"Bonus one person's R02", hidden)
    assert "400.00" not in hidden
    assert re.search(r"Bonus 400\.00 R02", words_of(signed_in(bob).get(bakery.coverage)))


def choose(client: Client, bakery: Mapped, **values: str):
    page = page_of(client.get(bakery.coverage))
    link = re.search(r'href="([^"]*/choose/[^"]*)"', page)
    assert link
    form = {"main_account": "6300", "dimensions": "CostCenter=@department", "company_code": "", **values}
    return client.get(link[1]), client.post(link[1], form, follow=True)


def test_another_account_is_chosen(bakery, bob):
    bakery.pay()
    form, done = choose(signed_in(bob), bakery)
    assert 'value="6230"' in page_of(form), "what is suggested stands in the field"
    assert '<option value="6300">6300 Travel expenses</option>' in page_of(form)
    assert "A rule for “Wellness Stipend” was added to the draft." in words_of(done)
    _, draft = bakery.versions()
    assert ("R06", "Wellness Stipend", "debit", "6300", "CostCenter=@department") in bakery.rules(draft)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"main_account": "6301"},
            "Account 6301 does not exist in Dynamics 365 Finance & Operations, company code 1000.",
        ),
        ({"main_account": ""}, "This field is required."),
        (
            {"dimensions": "CostCenter"},
            "“CostCenter” is not of the form Name=value.".replace("“", '"').replace("”", '"'),
        ),
        ({"dimensions": "Plant=1"}, "has no dimension Plant."),
    ],
)
def test_a_wrong_account_is_refused_with_words_and_makes_no_draft(bakery, bob, values, words):
    bakery.pay()
    _, answer = choose(signed_in(bob), bakery, **values)
    assert words in words_of(answer)
    assert len(bakery.versions()) == 1


def test_a_department_without_a_value_gets_one(bakery, bob):
    bakery.pay([*LINES[:1], ("earning", "Regular Hours", "E02", "Clerk", "Warehouse", "3000.00", ""),
                ("net_pay", "Direct Deposit", "E01", "", "Production", "2000.00", ""),
                ("net_pay", "Direct Deposit", "E02", "", "Warehouse", "3000.00", "")])  # fmt: skip
    client = signed_in(bob)
    words = words_of(client.get(bakery.coverage))
    assert "Warehouse Department has no CostCenter, 1 employee, first seen 26 Jun 2026" in words
    assert "300 Warehouse The name is the same." in words
    listed = words_of(client.get("/console/mappings/crosswalk/", follow=True))
    assert "Values that the crosswalk lacks" in listed
    assert "Production 2,000.00 CostCenter 100 Production" in listed
    accept(client, bakery, *keys(client, bakery, "Warehouse"))
    _, draft = bakery.versions()
    with tenant_scope(bakery.tenant.id):
        row = Crosswalk.objects.get(mapping_table=draft, source_value="Warehouse")
        assert (row.source_kind, row.target, row.target_value) == ("department", "CostCenter", "300")
        assert Crosswalk.objects.filter(mapping_table=bakery.table).count() == 2


def test_the_first_version_is_started_from_nothing(bakery, bob):
    bakery.pay()
    with tenant_scope(bakery.tenant.id):
        other = type(bakery.entity).objects.create(
            name="Acme Mills Inc.", company_code="1000", erp_connection=bakery.entity.erp_connection
        )
    mills = Mapped(bakery.tenant, other, bakery.table)
    client = signed_in(bob)
    assert "No payroll was read yet." in words_of(client.get(mills.coverage))
    mills.pay()
    words = words_of(client.get(mills.coverage))
    assert "0 of 5 components are caught." in words
    assert "It goes there in company code 1000." in words, "the bakery maps Regular Hours already"
    page = page_of(client.get(mills.coverage))
    accept(client, mills, *re.findall(r'type="hidden" name="key" value="(\w+)"', page))
    (draft,) = mills.versions()
    assert (draft.version, draft.valid_from, draft.state) == (1, JUNE, "draft")
    assert ("Regular Hours", "debit", "6000") in [row[1:4] for row in mills.rules(draft)]


def test_without_a_legal_entity_the_page_says_what_comes_first(alice):
    words = words_of(signed_in(alice).get("/console/mappings/mappingtable/coverage/"))
    assert "A mapping belongs to a legal entity, and there is none yet." in words


def test_rules_that_caught_nothing_are_listed(bakery, bob):
    bakery.pay()
    words = words_of(signed_in(bob).get(f"{bakery.coverage}?show=unused"))
    assert "Rules never used 1" in words
    assert "R04 Employee tax any 2110 Payroll clearing, Gusto" in words


def test_large_payrolls_are_looked_at_one_by_one(bakery):
    bakery.pay()
    bakery.pay(check_date=MAY)
    with tenant_scope(bakery.tenant.id):
        assert [header.check_date for header in lines_of_run(bakery.entity)] == [JUNE, MAY]
        PayrollRun.objects.filter(check_date=MAY).update(employees=12_000)
        assert [header.check_date for header in lines_of_run(bakery.entity)] == [JUNE]
        PayrollRun.objects.filter(check_date=JUNE).update(employees=50_000)
        assert [header.check_date for header in lines_of_run(bakery.entity)] == [JUNE]


def queries(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_number_of_queries_depends_on_neither_rules_nor_components(bakery, bob):
    """10,000 rules and 500 components cost as many queries as six rules and five components."""
    bakery.pay()
    client = signed_in(bob)
    few = queries(client, bakery.coverage)
    with tenant_scope(bakery.tenant.id):
        draft = new_draft(bakery.entity, JANUARY, copy_of=bakery.table, by="gwen")
        MappingRule.objects.bulk_create(
            MappingRule(
                mapping_table=draft, rule=f"Q{number}", kind="earning", component=f"Component {number}", side="debit",
                main_account="6000",
            )
            for number in range(10_000)
        )  # fmt: skip
    many = [("earning", f"Component {number * 21}", "E01", "Baker", "Production", "1.00", "") for number in range(490)]
    bakery.pay([*many, ("net_pay", "Direct Deposit", "E01", "", "Production", "490.00", "")], check_date=MAY)
    bakery.pay([*many[:400], ("net_pay", "Direct Deposit", "E01", "", "Production", "400.00", "")], check_date=JANUARY)
    address = f"{bakery.coverage}?version={draft.pk}"
    response = client.get(address)
    assert "of 495 components are caught" in words_of(response)
    # Two more runs are read, and the draft is compared with the version before it: nothing else is asked.
    assert queries(client, address) <= few + 2 * PER_RUN + COMPARED


#: A payroll run is its row, its document and what belongs to them.
PER_RUN = 3
#: Rules and crosswalks of the version that a draft takes over from.
COMPARED = 2
