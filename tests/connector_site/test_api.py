"""The API: what it shows, to whom, and that every error has one shape (RFC 9457)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.test import Client

from audit.models import AuditEntry
from tenants.middleware import digest_of
from tenants.models import ApiToken, Membership
from tenants.scope import tenant_scope
from tests.connector_site.books import SECRET, TOKEN, Books, books

RUNS, POSTINGS = "/api/v1/payroll-runs/", "/api/v1/postings/"


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


def bearer(user, text: str = "a-token-of-a-test") -> dict[str, str]:
    ApiToken.objects.create(membership=Membership.objects.get(user=user), name="test", digest=digest_of(text))
    return {"Authorization": f"Bearer {text}"}


def assert_problem(response, status: int) -> dict:
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/problem+json")
    document = json.loads(response.content)
    assert {"type", "title", "status", "detail"} <= set(document)
    assert document["status"] == status
    assert isinstance(document["detail"], str)
    assert document["detail"]
    return document


def test_a_member_reads_runs_and_postings(acme, erin, client):
    client.force_login(erin)
    (run,) = client.get(RUNS).json()["results"]
    assert (run["payroll_uuid"], run["state"], run["check_date"]) == ("harbor-payroll", "read", "2026-11-13")
    (posting,) = client.get(POSTINGS).json()["results"]
    assert posting["debit"] == posting["credit"] == "30000.00", "money is text, to the cent"
    whole = client.get(f"{POSTINGS}{acme.posting.pk}/").json()
    assert sum(Decimal(line["debit"]) for line in whole["lines"]) == Decimal("30000.00")


def test_nothing_secret_and_no_person_is_in_it(acme, dana, client):
    client.force_login(dana)
    acme.change_run(
        problems=[
            {"code": "mapping", "kind": "gap", "sentence": "No rule.", "page": "mapping",
             "facts": {"component": "Bonus", "employee": "emp-1234", "employees": "1"}},
        ]
    )  # fmt: skip
    for address in (RUNS, f"{RUNS}{acme.run.pk}/", POSTINGS, f"{POSTINGS}{acme.posting.pk}/"):
        text = client.get(address).content.decode()
        assert SECRET not in text
        assert TOKEN not in text
        assert "emp-1234" not in text


def test_a_state_narrows_a_list_and_an_unknown_one_is_refused(acme, dana, client):
    client.force_login(dana)
    assert client.get(POSTINGS, {"state": "allocated"}).json()["count"] == 1
    assert client.get(POSTINGS, {"state": "posted"}).json()["count"] == 0
    assert_problem(client.get(POSTINGS, {"state": "done"}), 400)["errors"]["state"]
    assert_problem(client.get(RUNS, {"state": "allocated"}), 400)


def test_another_tenant_finds_nothing(acme, charlie, other_tenant, client):
    books(other_tenant, "Polar")
    for headers in ({}, bearer(charlie)):
        if not headers:
            client.force_login(charlie)
        else:
            client = Client()
        for address in (RUNS, POSTINGS):
            document = client.get(address, headers=headers).json()
            assert document["count"] == 1
            assert "arbor" not in json.dumps(document)
        assert_problem(client.get(f"{RUNS}{acme.run.pk}/", headers=headers), 404)
        assert_problem(client.get(f"{POSTINGS}{acme.posting.pk}/", headers=headers), 404)
        assert_problem(client.post(f"{POSTINGS}{acme.posting.pk}/approve/", headers=headers), 404)
    assert acme.again().state == "allocated"


def test_without_a_sign_in_there_is_nothing(acme, client):
    response = client.get(POSTINGS)
    assert_problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_an_unknown_token_and_one_of_a_switched_off_person_are_refused(acme, dana, client):
    assert_problem(client.get(POSTINGS, headers={"Authorization": "Bearer nobody-knows-this"}), 401)
    headers = bearer(dana)
    assert client.get(POSTINGS, headers=headers).status_code == 200
    dana.is_active = False
    dana.save()
    assert_problem(client.get(POSTINGS, headers=headers), 401)


def test_only_a_digest_of_a_token_is_kept(acme, dana):
    bearer(dana, "the-token-itself")
    assert "the-token-itself" not in json.dumps(list(ApiToken.objects.values()), default=str)


def test_an_approver_approves_once(acme, dana, client):
    headers = bearer(dana)
    response = client.post(f"{POSTINGS}{acme.posting.pk}/approve/", headers=headers)
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["approved_by"]) == ("approved", "dana")
    document = assert_problem(client.post(f"{POSTINGS}{acme.posting.pk}/approve/", headers=headers), 409)
    assert document["detail"] == "This journal is approved and cannot be approved."
    with tenant_scope(acme.tenant.id):
        assert AuditEntry.objects.filter(action="posting.approved", actor="dana").count() == 1


def test_the_preparer_is_refused_in_words(acme, dana, client):
    acme.change(prepared_by=["dana"])
    document = assert_problem(client.post(f"{POSTINGS}{acme.posting.pk}/approve/", headers=bearer(dana)), 409)
    assert document["detail"] == "You prepared this journal. Someone else approves it."


@pytest.mark.parametrize("who", ["alice", "bob", "erin"])
def test_whoever_is_no_approver_cannot_approve(acme, who, request, client):
    headers = bearer(request.getfixturevalue(who))
    assert_problem(client.post(f"{POSTINGS}{acme.posting.pk}/approve/", headers=headers), 403)
    assert acme.again().state == "allocated"


def test_a_session_needs_its_csrf_token(acme, dana):
    """A page of another site can make the browser send the cookie, but not the token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(dana)
    assert_problem(client.post(f"{POSTINGS}{acme.posting.pk}/approve/"), 403)
    assert acme.again().state == "allocated"


def test_nothing_else_can_be_written(acme, dana, client):
    headers = bearer(dana)
    for method in (client.post, client.put, client.patch, client.delete):
        assert_problem(method(f"{POSTINGS}{acme.posting.pk}/", headers=headers), 405)
        assert_problem(method(RUNS, headers=headers), 405)


def test_an_unknown_address_is_a_problem_too(dana, client):
    client.force_login(dana)
    document = assert_problem(client.get("/api/v1/nothing/"), 404)
    assert document["reference"]


def test_a_defect_is_a_problem_without_a_traceback(acme, dana, client):
    """A row that no code of ours would write: reading it fails somewhere inside."""
    acme.change(problems=["Jane Doe, 42.00"])
    client.force_login(dana)
    client.raise_request_exception = False
    response = client.get(POSTINGS, headers={"X-Request-Id": "reference-0815"})
    document = assert_problem(response, 500)
    assert document["reference"] == "reference-0815"
    assert "Jane" not in response.content.decode()
    assert "Traceback" not in response.content.decode()
