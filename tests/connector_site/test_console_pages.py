"""What the pages say: the answer on Home, the journal with its sums, why something waits and where it is repaired, that a
moving page looks again, and what an error looks like.
"""

from __future__ import annotations

import html
import re
from datetime import date

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import verification, work
from audit.models import AuditEntry
from connector_site.home import answer, recent_runs
from erp.models import Posting
from gusto.models import PayrollRun
from mappings.models import MappingTable
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.connector_site.books import SECRET, TOKEN, Books, books

HOME = "/console/"


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


def text_of(response) -> str:
    """The page without tags, one space between words: what a reader reads."""
    main = response.content.decode()
    main = main[main.index("<main") : main.index("</main>")]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def posting_page(acme: Books) -> str:
    return reverse("admin:erp_posting_change", args=[acme.posting.pk])


def run_page(acme: Books) -> str:
    return reverse("admin:gusto_payrollrun_change", args=[acme.run.pk])


def gap(component: str, department: str, amount: str, employees: str = "4", side: str = "debit") -> dict:
    facts = {
        "kind": "earning", "component": component, "department": department, "side": side, "amount": amount, "lines": "2",
        "employees": employees,
    }  # fmt: skip
    sentence = f"No rule catches “{component}” in {department}."
    return {"code": "mapping", "kind": "gap", "sentence": sentence, "facts": facts, "page": "mapping"}


# --- Home -----------------------------------------------------------------------------------------------------------


def the_answer(acme: Books) -> tuple[str, str]:
    with tenant_scope(acme.tenant.id):
        return answer(recent_runs())


@pytest.mark.parametrize(
    ("state", "reason", "tone", "sentence"),
    [
        ("posted", "", "done", "The last payroll run is posted."),
        ("allocated", "", "wait", "The last payroll run is not posted yet. 1 waits for approval."),
        ("approved", "", "move", "The last payroll run is not posted yet. 1 is on its way."),
        ("sending", "", "move", "The last payroll run is not posted yet. 1 is on its way."),
        (
            "entered",
            "",
            "move",
            "The last payroll run is not posted yet. 1 is entered in the ERP, not yet posted there.",
        ),
        ("blocked", "period", "stop", "The last payroll run is not posted yet. 1 is blocked."),
        ("voided", "", "rest", "1 is not to be posted."),
    ],
)
def test_the_answer_follows_the_journal(acme, state, reason, tone, sentence):
    acme.change(state=state, reason=reason)
    assert the_answer(acme) == (tone, sentence)


def another_run(acme: Books, number: int, **values) -> None:
    with tenant_scope(acme.tenant.id):
        PayrollRun.objects.create(
            legal_entity=acme.entity, company_uuid="c", payroll_uuid=f"p{number}", check_date=date(2026, 11, 20),
            announced_at=timezone.now(), **values,
        )  # fmt: skip


def test_the_answer_counts_the_last_runs(acme):
    acme.change(state="posted")
    assert the_answer(acme)[0] == "done"
    another_run(acme, 1, state="blocked", reason="mapping")
    another_run(acme, 2, state="new")
    another_run(acme, 3, state="withdrawn")
    assert the_answer(acme) == (
        "stop",
        "1 of the last 4 payroll runs is posted. 1 is blocked, 1 is on its way, 1 is not to be posted.",
    )


def test_home_shows_the_answer_as_its_heading_and_what_waits(acme, dana, client):
    client.force_login(dana)
    page = client.get(HOME)
    assert "<h1>The last payroll run is not posted yet. 1 waits for approval.</h1>" in page.content.decode()
    text = text_of(page)
    assert "Approve 30,000.00 for company code harb1." in text
    assert "Prepared by bob." in text
    assert f'href="{posting_page(acme)}"' in page.content.decode()
    acme.change(state="approved")
    assert "Nothing waits for you." in text_of(client.get(HOME))


def test_each_role_waits_for_its_own(acme, alice, bob, dana, erin, client):
    another_run(
        acme, 1, state="blocked", reason="mapping", problems=[gap("Bonus", "Sales", "10.00")], sentence="x",
    )  # fmt: skip
    with tenant_scope(acme.tenant.id):
        type(acme.erp).objects.filter(pk=acme.erp.pk).update(health="broken", health_sentence="The secret ended.")
    for person, blocked, broken, to_approve in (
        (alice, True, True, False),
        (bob, True, False, False),
        (dana, False, False, True),
        (erin, False, False, False),
    ):
        client.force_login(person)
        text = text_of(client.get(HOME))
        assert ("No rule catches “Bonus”." in text) == blocked
        assert ("Map 1 component" in text) == blocked
        assert ("Repair the connection" in text) == broken
        assert ("Review and approve" in text) == to_approve


def test_a_new_tenant_gets_the_steps(tenant, alice, client):
    client.force_login(alice)
    text = text_of(client.get(HOME))
    assert "Six steps until your first payroll is in the ledger." in text
    for step in (
        "Connect Gusto",
        "Connect your ERP",
        "Read reference data",
        "Map payroll to accounts",
        "Dry run",
        "Go live",
    ):
        assert step in text
    assert "After step 5" in text
    assert "6<span> left</span>" in client.get(HOME).content.decode()
    with tenant_scope(tenant.id):
        LegalEntity.objects.create(name="Harbor")
    text = text_of(client.get(HOME))
    assert "No payroll run yet." in text
    assert "steps until" not in text


def test_a_broken_chain_is_told_to_owner_and_auditor(acme, alice, bob, erin, client):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL ROLE mlc_owner")
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute("RESET ROLE")
    with tenant_scope(acme.tenant.id), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditentry SET actor = 'nobody' WHERE number = 1")
    verification.schedule_all()
    work.drain()
    cache.clear()
    for person, is_told in ((alice, True), (erin, True), (bob, False)):
        client.force_login(person)
        for page in (HOME, posting_page(acme), reverse("admin:erp_posting_changelist")):
            assert ("The audit trail is not whole." in text_of(client.get(page))) == is_told, page
    assert "does not match its seal" in text_of(client.get(reverse("admin:audit_auditentry_changelist")))


# --- The journal ----------------------------------------------------------------------------------------------------


def test_a_journal_shows_accounts_names_sums_and_residual(acme, erin, client):
    client.force_login(erin)
    text = text_of(client.get(posting_page(acme)))
    for words in (
        "Regular payroll, check date 13 Nov 2026", "6000 Wages and salaries Harbor 27,000.50", "100 Harbor production",
        "Total 30,000.00 30,000.00", "Residual, debits minus credits 0.00", "Harbor Foods", "HARBORKEY0001",
        "Asked: the ledger holds nothing of it.", "Gusto payroll totals 30,000.00",
    ):  # fmt: skip
        assert words in text, words


def test_a_journal_has_one_heading_one_main_and_table_scopes(acme, erin, client):
    client.force_login(erin)
    page = client.get(posting_page(acme)).content.decode()
    assert page.count("<h1") == 1
    assert page.count("<main") == 1
    assert 'href="#content"' in page
    assert '<th scope="col" class="amount">Debit</th>' in page


def test_why_adds_up_to_the_line_and_names_the_rule(acme, bob, client):
    client.force_login(bob)
    assert "Why account" not in text_of(client.get(posting_page(acme)))
    page = client.get(posting_page(acme), {"why": "1"})
    text = text_of(page)
    assert "Why account 6000?" in text
    assert "Regular Hours Earning Rule Harbor-R01 Earning 2 17,000.00" in text
    assert "Overtime Earning Rule Harbor-R01 Earning 1 1,000.00" in text
    assert "Line total 2 18,000.00" in text
    assert "Show the 2 employees behind this line" in text
    (link,) = {
        html.unescape(found) for found in re.findall(r'<a href="([^"]+)">Rule Harbor-R01', page.content.decode())
    }
    assert "Harbor-R01" in client.get(link).content.decode()


def test_amounts_of_single_people_are_hidden_from_who_may_not_see_pay(acme, alice, client):
    client.force_login(alice)
    page = text_of(client.get(posting_page(acme), {"why": "1"}))
    assert "17,000.00" not in page, "with the total it would tell the one of the other part"
    assert "1,000.00" not in page.replace("18,000.00", "").replace("30,000.00", "")
    assert "Employee amounts are hidden for your role." in page
    people = reverse("admin:erp_posting_people", args=[acme.posting.pk, 1])
    assert client.get(people).status_code == client.post(people).status_code == 404


def test_a_look_at_people_is_recorded_and_not_kept(acme, bob, client):
    client.force_login(bob)
    people = reverse("admin:erp_posting_people", args=[acme.posting.pk, 1])
    assert client.get(people).status_code == 405, "a link does not look"
    with tenant_scope(acme.tenant.id):
        assert not AuditEntry.objects.filter(action="posting.people_looked_up").exists()
    response = client.post(people)
    assert "Ann of Harbor E-ann Harbor Production 8,000.00 Ben of Harbor E-ben Harbor Production 10,000.00" in text_of(
        response
    )
    assert "Line total 18,000.00" in text_of(response)
    assert "no-store" in response["Cache-Control"]
    with tenant_scope(acme.tenant.id):
        entry = AuditEntry.objects.get(action="posting.people_looked_up")
    assert (entry.actor, entry.subject_id, entry.facts["line"]) == ("bob", "HARBORKEY0001", 1)
    assert "8000" not in str(entry.facts)
    for nothing in ("99", "4"):
        assert client.post(reverse("admin:erp_posting_people", args=[acme.posting.pk, nothing])).status_code == 404


@pytest.mark.parametrize("asked", ["99", "-1", "x", "1 or 1=1", ""])
def test_a_line_that_is_not_there_opens_nothing(acme, bob, client, asked):
    client.force_login(bob)
    response = client.get(posting_page(acme), {"why": asked})
    assert response.status_code == 200
    assert "Why account" not in text_of(response)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("allocated", "Waits for approval. Prepared by bob. Approving sends 4 journal lines"),
        ("approved", "It goes out at the next free moment."),
        ("sending", "We ask the ledger first. We never send twice."),
        ("entered", "Dynamics 365 Finance & Operations as US01-7, not yet posted."),
        ("voided", "Given up. Paid by hand."),
    ],
)
def test_each_state_says_what_it_waits_for(acme, erin, client, state, words):
    client.force_login(erin)
    acme.change(state=state, document_number="US01-7", void_reason="Paid by hand.")
    assert words in text_of(client.get(posting_page(acme)))


@pytest.mark.parametrize(
    ("state", "looks_again"),
    [("allocated", False), ("approved", True), ("sending", True), ("entered", True), ("posted", False)],
)
def test_only_a_moving_page_looks_again(acme, erin, client, state, looks_again):
    """By itself with a script, by the link without one."""
    client.force_login(erin)
    acme.change(state=state)
    page = client.get(posting_page(acme)).content.decode()
    assert ('hx-trigger="every' in page) == looks_again
    assert ('class="quiet refresh" href="">Refresh</a>' in page) == looks_again


def test_a_run_looks_again_while_it_is_worked_on(acme, erin, client):
    client.force_login(erin)
    assert "hx-trigger" not in client.get(run_page(acme)).content.decode()
    with tenant_scope(acme.tenant.id):
        work.enqueue("gusto.read_payroll", str(acme.run.pk), tenant_id=acme.tenant.id)
    assert "hx-trigger" in client.get(run_page(acme)).content.decode()


def test_a_tie_out_shows_what_differs_and_folds_what_holds(acme, erin, client):
    rows = [
        {"name": "T1", "equation": "gross = gross", "left": "10.00", "right": "10.00", "difference": "0.00",
         "verdict": "equal", "note": ""},
        {"name": "T3", "equation": "net pay = everybody's net pay", "left": "620.66", "right": "500.66", "difference": "120.00",
         "verdict": "stop", "note": ""},
    ]  # fmt: skip
    acme.change_run(tie_out=rows)
    client.force_login(erin)
    page = client.get(run_page(acme))
    assert "620.66 500.66 +120.00" in text_of(page)
    before_the_fold = page.content.decode().split('<details class="fold">')[0]
    assert "Net pay = everybody" in before_the_fold
    assert "Gross = gross" not in before_the_fold


# --- Where it is repaired -------------------------------------------------------------------------------------------


def test_gaps_lead_to_a_new_rule_in_the_open_draft(acme, bob, client):
    problems = [
        gap("Bonus", "Sales", "100.00"),
        gap("Bonus", "Production", "50.25"),
        gap("Tips & more", "Sales", "7.00"),
    ]
    acme.change_run(state="blocked", reason="mapping", problems=problems, sentence="x")
    client.force_login(bob)
    page = client.get(run_page(acme))
    text = text_of(page)
    assert "No rule catches 2 components. 157.25 of this payroll run. Nothing was sent." in text
    assert "Bonus Earning Debit Sales, Production 4 150.25 Add a rule" in text
    source = html.unescape(page.content.decode())
    link = f"{reverse('admin:mappings_mappingrule_add')}?mapping_table={acme.draft.pk}&kind=earning&component=Tips+%26+more&side=debit"
    assert f'href="{link}"' in source
    form = client.get(link).content.decode()
    assert 'value="Tips &amp; more"' in form, "the form is filled in"
    coverage = reverse("admin:mappings_coverage", args=[acme.entity.pk])
    assert f'button-primary" href="{coverage}">Map 2 components</a>' in source
    assert client.get(coverage).status_code == 200


def test_without_a_draft_the_way_leads_to_the_coverage_that_starts_one(acme, bob, client):
    with tenant_scope(acme.tenant.id):
        MappingTable.objects.filter(pk=acme.draft.pk).delete()
    acme.change_run(state="blocked", reason="mapping", problems=[gap("Bonus", "Sales", "100.00")], sentence="x")
    client.force_login(bob)
    page = client.get(run_page(acme)).content.decode()
    link = reverse("admin:mappings_coverage", args=[acme.entity.pk])
    assert f'button-primary" href="{link}">Map 1 component</a>' in page
    assert client.get(link).status_code == 200


def test_one_persons_amount_is_only_for_those_who_may_see_pay(acme, alice, bob, client):
    problems = [gap("Bonus", "Sales", "1234.56", employees="1")]
    acme.change_run(state="blocked", reason="mapping", problems=problems, sentence="x")
    client.force_login(alice)
    assert "1,234.56" not in client.get(run_page(acme)).content.decode()
    client.force_login(bob)
    assert "1,234.56" in client.get(run_page(acme)).content.decode()


@pytest.mark.parametrize(
    ("problem", "name", "of"),
    [
        (("reference", "unknown_account", "mapping", {"rules": "Harbor-R01", "account": "6999"}), "mappings_mappingrule_changelist", None),
        (("period", "closed_period", "payroll_run", {"company_code": "harb1"}), "tenants_connection_change", "erp"),
        (("configuration", "setup", "connection", {}), "tenants_connection_change", "erp"),
        (
            ("mapping", "crosswalk_gap", "mapping", {"source": "department", "source_value": "Field Ops", "missing": "CostCenter"}),
            "mappings_crosswalk_add", None,
        ),
    ],
)  # fmt: skip
def test_each_problem_leads_to_the_page_that_repairs_it(acme, alice, client, problem, name, of):
    code, kind, where, facts = problem
    row = {"code": code, "kind": kind, "sentence": "A sentence of the check.", "facts": facts, "page": where}
    acme.change(state="blocked", reason=code, problems=[row], sentence="A sentence of the check.")
    client.force_login(alice)
    page = client.get(posting_page(acme))
    assert "A sentence of the check." in text_of(page)
    (link,) = re.findall(r'class="button button-primary" href="([^"]+)"', page.content.decode())
    address = reverse(f"admin:{name}", args=[getattr(acme, of).pk] if of else [])
    assert html.unescape(link).split("?")[0] == address
    target = client.get(html.unescape(link))
    assert target.status_code == 200
    for value in ("Harbor-R01", "Field Ops"):
        if value in facts.values():
            assert value in target.content.decode()


def test_there_is_at_most_one_primary_button(acme, alice, dana, client):
    for person in (alice, dana):
        client.force_login(person)
        for state in ("allocated", "approved", "sending", "entered", "posted", "blocked", "voided"):
            acme.change(state=state, reason="unclear" if state == "blocked" else "", sentence="Look there.")
            page = client.get(posting_page(acme)).content.decode()
            assert page.count("button-primary") <= 1, state
            leads_on = state == "entered" or (person, state) in {(dana, "allocated"), (alice, "blocked")}
            assert ("button-primary" in page) == leads_on


# --- Lists ----------------------------------------------------------------------------------------------------------


def more_rows(acme: Books, first: int, count: int) -> None:
    """Runs with a journal each, as every payroll makes them."""
    with tenant_scope(acme.tenant.id):
        for number in range(first, first + count):
            run = PayrollRun.objects.create(
                legal_entity=acme.entity, company_uuid="c", payroll_uuid=f"more-{number}", check_date=date(2026, 12, 1),
                announced_at=timezone.now(), read_at=timezone.now(), state="read", payroll_type="regular",
            )  # fmt: skip
            Posting.objects.create(
                legal_entity=acme.entity, payroll_run=run, connection=acme.erp, mapping_table=acme.table, kind="PAYROLL",
                company_code="harb1", posting_key=f"MORE{number:011}", posting_date=date(2026, 12, 1),
                document_date=date(2026, 12, 1), currency="USD", header_text="more", debit=0, credit=0, line_count=0,
                journal_digest="0" * 64, prepared_by=["bob"],
            )  # fmt: skip


@pytest.mark.parametrize(
    "address", ["/console/", "/console/gusto/payrollrun/", "/console/erp/posting/", "/api/v1/postings/"]
)
def test_a_page_asks_the_database_as_often_for_many_rows_as_for_few(acme, dana, client, address):
    client.force_login(dana)
    counts = []
    for first, count in ((0, 4), (10, 15)):
        more_rows(acme, first, count)
        client.get(address)  # whatever is kept for a while is there now
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_lists_are_searched_by_what_people_type(acme, erin, client):
    acme.change(document_number="US01-000042", state="entered")
    client.force_login(erin)
    for model in ("gusto_payrollrun", "erp_posting"):
        address = reverse(f"admin:{model}_changelist")
        for found in ("US01-000042", "HARBORKEY0001", "harbor-payroll"):
            assert (
                "1 in all"
                in text_of(client.get(address, {"q": found})) + client.get(address, {"q": found}).content.decode()
            )
        assert "Nothing fits this search." in text_of(client.get(address, {"q": "US01-000043"}))


def test_an_entry_of_the_trail_leads_to_its_subject(acme, erin, client):
    client.force_login(erin)
    page = client.get(reverse("admin:audit_auditentry_change", args=[acme.entry_id]))
    assert "Journal HARBORKEY0001 was built: 4 lines" in text_of(page)
    link = f"{reverse('admin:erp_posting_changelist')}?q=HARBORKEY0001"
    assert f'href="{link}"' in page.content.decode()
    assert "HARBORKEY0001" in client.get(link).content.decode()


def test_no_page_shows_a_secret(acme, alice, client):
    client.force_login(alice)
    for name, row in (
        ("tenants_connection", acme.erp),
        ("tenants_connection", acme.gusto),
        ("tenants_legalentity", acme.entity),
    ):
        for address in (reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])):
            text = client.get(address).content.decode()
            assert SECRET not in text
            assert TOKEN not in text


# --- Errors and the door --------------------------------------------------------------------------------------------


def test_what_is_not_there_says_so_with_a_reference_number(acme, erin, client):
    client.force_login(erin)
    for address in ("/nothing", "/console/erp/posting/999999/change/", "/console/audit/exchange/999999/change/"):
        response = client.get(address, headers={"X-Request-Id": "reference-0815"})
        assert response.status_code == 404
        assert "There is no such page" in response.content.decode()
        assert "reference-0815" in response.content.decode()


def test_a_defect_shows_no_traceback_and_keeps_nothing(acme, erin, client):
    """A row that no code of ours would write: reading it fails somewhere inside."""
    acme.change(problems=["Jane Doe, 42.00"], state="blocked", reason="mapping")
    client.force_login(erin)
    client.raise_request_exception = False
    response = client.get(posting_page(acme), headers={"X-Request-Id": "reference-0815"})
    assert response.status_code == 500
    text = response.content.decode()
    assert "Something broke on our side" in text
    assert "reference-0815" in text
    for word in ("Traceback", "TypeError", "Jane", "/work/", "site-packages"):
        assert word not in text


def test_sign_in_and_out(acme, dana, client):
    response = client.get(HOME)
    assert response.status_code == 302
    door = client.get(response["Location"], follow=True).content.decode()
    assert "<h1>Sign in to ml-connector</h1>" in door
    door_address = reverse("account_login")
    wrong = client.post(door_address, {"login": "dana", "password": "wrong"}).content.decode()
    assert "User name and password do not belong together." in wrong
    assert "staff" not in wrong
    right = client.post(door_address, {"login": "dana", "password": "a long password", "next": HOME})
    assert (right.status_code, right["Location"]) == (302, HOME)
    assert "Acme Bakery" in client.get(HOME).content.decode()
    assert "You are signed out" in client.post(reverse("admin:logout")).content.decode()
    assert client.get(HOME).status_code == 302


def test_a_switched_off_person_does_not_come_in(acme, dana, client):
    dana.is_active = False
    dana.save()
    client.post(reverse("account_login"), {"login": "dana", "password": "a long password"})
    assert client.get(HOME).status_code == 302


def test_the_door_leads_only_into_the_console(dana, client):
    values = {"login": "dana", "password": "a long password", "next": "https://elsewhere.example/"}
    assert client.post(reverse("account_login"), values)["Location"].startswith("/")
