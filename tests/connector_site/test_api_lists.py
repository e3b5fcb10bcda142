"""The API's lists: filters that are kept to, pages, scopes of tokens, the rate limit, imports of mapping tables."""

from __future__ import annotations

import secrets

import pytest
from django.test import Client

from audit import trail
from mappings.models import MappingTable
from tenants.middleware import digest_of
from tenants.models import ApiToken, Membership, Scope
from tenants.scope import tenant_scope
from tests.connector_site.books import Books, books
from tests.connector_site.test_api import assert_problem

LISTS = (
    "payroll-runs", "postings", "mapping-tables", "mapping-rules", "crosswalks", "main-accounts", "dimension-values",
    "fiscal-periods", "audit-entries",
)  # fmt: skip
IMPORTS = "/api/v1/mapping-imports/"
MAPPING = (
    "valid_from,rule,kind,component,employee,job,department,location,compensation_level,payroll_type,off_cycle_reason,side,"
    "target,percent,main_account,dimensions,company_code,accrual_account\n"
    "2027-01-01,R01,earning,,,,,,,,,debit,1,100,6000,,,\n"
    "2027-01-01,R02,net_pay,,,,,,,,,credit,1,100,2110,,,\n"
)


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


def address(name: str) -> str:
    return f"/api/v1/{name}/"


def client_with(user, *scopes: Scope) -> Client:
    text = secrets.token_urlsafe(32)
    membership = Membership.objects.get(user=user)
    ApiToken.objects.create(membership=membership, name="t", digest=digest_of(text), scopes=list(scopes or Scope))
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_of_one_tenant_and_each_of_it_opens(acme, erin, charlie, other_tenant, name):
    books(other_tenant, "Polar")
    mine = client_with(erin).get(address(name)).json()
    assert mine["count"] == len(mine["results"])
    foreign = client_with(charlie)
    for row in mine["results"][:3]:
        page = f"{address(name)}{row.get('id') or row['number']}/"
        assert client_with(erin).get(page).status_code == 200
        if name != "audit-entries":  # numbered from 1 in each tenant
            assert_problem(foreign.get(page), 404)
    assert "arbor" not in foreign.get(address(name)).content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_parameter_that_is_not_known_is_refused(acme, erin, name):
    client = client_with(erin)
    problem = assert_problem(client.get(address(name), {"stat": "posted"}), 400)
    assert "There is no such parameter here. Known: " in problem["errors"]["stat"][0]
    assert_problem(client.get(address(name), {"page": "none"}), 404)
    assert client.get(address(name), {"page_size": 1}).status_code == 200


def test_filters_narrow_and_wrong_values_are_named(acme, erin):
    client = client_with(erin)
    postings = address("postings")
    key = acme.posting.posting_key
    assert client.get(postings, {"posting_key": key, "posting_date_after": "2026-11-13"}).json()["count"] == 1
    assert client.get(postings, {"posting_date_before": "2026-11-12"}).json()["count"] == 0
    assert client.get(postings, {"company_code": "none of ours"}).json()["count"] == 0
    problem = assert_problem(client.get(postings, {"posting_date_after": "13.11.2026"}), 400)
    assert problem["errors"]["posting_date_after"] == ["Enter a valid date."]
    accounts = client.get(address("main-accounts"), {"number": "6000"}).json()["results"]
    assert {row["number"] for row in accounts} == {"6000"}


def test_audit_entries_say_what_was_done_and_go_on_where_somebody_stopped(acme, tenant, erin):
    client = client_with(erin)
    with tenant_scope(tenant.pk):
        trail.record("posting.people_looked_up", subject="posting", subject_id="K1", posting_key="K1", line=2)
    newest = client.get(address("audit-entries")).json()["results"][0]
    assert (newest["action"], newest["subject_id"]) == ("posting.people_looked_up", "K1")
    assert len(newest["seal"]) == 64
    assert "K1" in newest["sentence"]
    later = client.get(address("audit-entries"), {"number_after": newest["number"]}).json()
    assert later["results"] == []


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (Scope.READ_PAYROLL_RUNS, "payroll-runs"),
        (Scope.READ_POSTINGS, "postings"),
        (Scope.READ_MAPPINGS, "mapping-rules"),
        (Scope.READ_REFERENCE, "main-accounts"),
        (Scope.READ_AUDIT, "audit-entries"),
    ],
)
def test_a_token_does_only_what_its_scopes_say(acme, dana, scope, name):
    client = client_with(dana, scope)
    assert client.get(address(name)).status_code == 200
    for other in {"payroll-runs", "postings", "mapping-rules", "main-accounts", "audit-entries"} - {name}:
        problem = assert_problem(client.get(address(other)), 403)
        assert problem["detail"].startswith("This token has no scope ")
    problem = assert_problem(client.post(f"{address('postings')}{acme.posting.pk}/approve/"), 403)
    assert "postings:write" in problem["detail"]
    assert acme.again().state == "allocated"


def test_a_member_has_so_many_requests_and_is_told_when_to_go_on(acme, erin, dana, settings):
    settings.API_RATE = "3/min"
    client = client_with(erin)
    for _ in range(3):
        assert client.get(address("postings")).status_code == 200
    answer = client.get(address("postings"))
    assert_problem(answer, 429)
    assert 0 < int(answer["Retry-After"]) <= 60
    assert client_with(dana).get(address("postings")).status_code == 200, "each member has a rate of their own"


# --- what is done over the API -----------------------------------------------------------------------------------


def test_a_journal_is_released_and_taken_back(acme, dana):
    client = client_with(dana)
    journal = f"{address('postings')}{acme.posting.pk}/"
    assert client.post(f"{journal}approve/").json()["state"] == "approved"
    assert client.post(f"{journal}withdraw/").json()["state"] == "allocated"
    problem = assert_problem(client.post(f"{journal}withdraw/"), 409)
    assert problem["detail"] == "Only an approved journal that was not sent yet can be taken back."
    assert_problem(client.post(f"{journal}replay/"), 403)


def test_a_journal_is_given_up_with_a_reason(acme, bob, dana):
    void = f"{address('postings')}{acme.posting.pk}/void/"
    assert_problem(client_with(dana).post(void, {"reason": "Paid by hand"}, "application/json"), 403)
    client = client_with(bob)
    assert_problem(client.post(void, {}, "application/json"), 400)
    assert client.post(void, {"reason": "Paid by hand"}, "application/json").json()["state"] == "voided"
    assert_problem(client.post(void, {"reason": "Once more"}, "application/json"), 409)
    nothing = f"{address('postings')}987654321/void/"
    assert_problem(client.post(nothing, {"reason": "Nothing there"}, "application/json"), 404)


def test_a_payroll_run_is_replayed(acme, bob, dana):
    replay = f"{address('payroll-runs')}{acme.run.pk}/replay/"
    assert_problem(client_with(dana).post(replay), 403)
    assert client_with(bob).post(replay).status_code == 202


def test_a_mapping_is_imported_into_a_draft_whole_or_not_at_all(acme, tenant, bob, dana):
    entity = acme.posting.legal_entity_id
    document = {"legal_entity": entity, "mapping_csv": MAPPING, "crosswalks_csv": ""}
    assert_problem(client_with(dana).post(IMPORTS, document, "application/json"), 403)
    client = client_with(bob)

    def versions() -> int:
        with tenant_scope(tenant.pk):
            return MappingTable.objects.count()

    before = versions()
    (trial,) = client.post(IMPORTS, {**document, "is_trial": True}, "application/json").json()
    assert (trial["is_changed"], trial["id"], trial["valid_from"]) == (True, None, "2027-01-01")
    wrong = {**document, "mapping_csv": MAPPING.replace(",6000,", ",6999999,")}
    problem = assert_problem(client.post(IMPORTS, wrong, "application/json"), 400)
    assert problem["errors"]["mapping_csv"][0].startswith("mapping.csv, row 2, column main_account: ")
    assert versions() == before

    answer = client.post(IMPORTS, document, "application/json")
    (made,) = answer.json()
    assert (answer.status_code, made["state"], made["is_changed"]) == (201, "draft", True)
    assert versions() == before + 1
    rules = client.get(address("mapping-rules"), {"mapping_table": made["id"]}).json()["results"]
    assert [(rule["rule"], rule["main_account"]) for rule in rules] == [("R01", "6000"), ("R02", "2110")]
    (again,) = client.post(IMPORTS, document, "application/json").json()
    assert (again["id"], again["is_changed"]) == (made["id"], False)
    unknown = {**document, "legal_entity": 987654321}
    assert_problem(client.post(IMPORTS, unknown, "application/json"), 400)
