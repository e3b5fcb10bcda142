"""What people say about a journal of which nobody knows, and the posting date that they choose: on the pages and over the API."""

from __future__ import annotations

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from erp.models import Posting
from mappings.models import FiscalPeriod
from tenants.middleware import digest_of
from tenants.models import ApiToken, Membership
from tenants.scope import tenant_scope
from tests.connector_site.books import CHECK_DATE, Books, books
from tests.connector_site.test_console_actions import entries, page, press, work_due

NOT_SHOWN = "The ledger does not show the journal after 30 minutes. Look for reference HARBORKEY0001 in Dynamics 365."


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


@pytest.fixture
def unclear(acme) -> Books:
    acme.change(
        state="blocked",
        reason="unclear",
        was_sent=True,
        sentence=NOT_SHOWN,
        progress={"number": "7"},
        document_number="7",
    )
    return acme


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def api(user) -> dict[str, str]:
    token = f"token-of-{user.username}"
    ApiToken.objects.create(membership=Membership.objects.get(user=user), name="test", digest=digest_of(token))
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def test_home_and_the_page_say_what_to_look_for_and_what_can_be_said(unclear, bob, dana, erin):
    for user in (bob, dana):
        client = signed_in(user)
        assert NOT_SHOWN in client.get("/console/").content.decode()
        text = client.get(page(unclear)).content.decode()
        assert NOT_SHOWN in text
        assert f'href="{page(unclear, "found")}"' in text
        assert f'href="{page(unclear, "not_there")}"' in text
    auditor = signed_in(erin)
    assert page(unclear, "found") not in auditor.get(page(unclear)).content.decode()
    for name in ("found", "not_there", "take_back", "posting_date"):
        assert auditor.post(page(unclear, name)).status_code == 404
    assert unclear.again().state == "blocked"


def test_who_found_it_gives_its_number_once(unclear, bob, client):
    client.force_login(bob)
    text = press(client, unclear, "found", document_number="  ")
    assert "Enter the document number under which the ledger shows the journal." in text
    assert unclear.again().state == "blocked"
    long = "9" * 61
    text = press(client, unclear, "found", document_number=long)
    assert "at most 60 characters" in text
    assert f'value="{long}"' in text, "what was typed stays"
    for _ in range(2):
        assert "The journal counts as posted, as you say." in press(client, unclear, "found", document_number="US01-9")
    posting = unclear.again()
    assert (posting.state, posting.document_number, posting.found_by) == ("posted", "US01-9", "bob")
    (entry,) = entries(unclear, "posting.found")
    assert (entry.actor, entry.facts["document_number"]) == ("bob", "US01-9")
    assert "found by bob" in client.get(page(unclear)).content.decode()
    assert "This journal is posted by now." in press(client, unclear, "found", document_number="US01-10")


def test_two_people_send_it_again_and_one_of_them_twice_does_not(unclear, tenant, alice, bob, dana):
    first, second = signed_in(bob), signed_in(dana)
    assert "You confirmed that it is not there." in press(first, unclear, "not_there")
    assert "A second person has to confirm it." in press(first, unclear, "not_there")
    posting = unclear.again()
    assert (posting.state, posting.not_there_by, posting.progress) == ("blocked", ["bob"], {"number": "7"})
    text = first.get(page(unclear)).content.decode()
    assert "bob says that the journal is not in Dynamics 365" in text
    assert "A second person has to confirm that it is not there." in text
    assert page(unclear, "take_back") in text
    assert page(unclear, "take_back") not in second.get(page(unclear)).content.decode()
    assert "bob says that it is not there; a second person" in second.get("/console/").content.decode()
    assert "One of the two people who confirm this has to be an approver." in press(
        signed_in(alice), unclear, "not_there"
    )
    assert work_due("erp.post") == []
    assert "bob says that the journal is not there." in second.get(page(unclear, "not_there")).content.decode()
    for _ in range(2):
        assert "You confirmed that it is not there." in press(second, unclear, "not_there")
    posting = unclear.again()
    assert (posting.state, posting.reason, posting.progress, posting.document_number) == ("sending", "", {}, "")
    assert posting.not_there_by == ["bob", "dana"]
    assert work_due("erp.post") == [str(posting.pk)]
    (entry,) = entries(unclear, "posting.sent_again")
    assert (entry.actor, entry.facts["first"]) == ("dana", "bob")


def test_a_first_word_is_taken_back_by_its_author_only(unclear, bob, dana):
    first, second = signed_in(bob), signed_in(dana)
    press(first, unclear, "not_there")
    assert "Only whoever confirmed" in press(second, unclear, "take_back")
    assert unclear.again().not_there_by == ["bob"]
    assert "Your confirmation is taken back." in press(first, unclear, "take_back")
    assert unclear.again().not_there_by == []
    press(second, unclear, "not_there")
    assert (unclear.again().state, unclear.again().not_there_by) == ("blocked", ["dana"])
    press(first, unclear, "replay")
    assert unclear.again().not_there_by == [], "asking the ledger is a new round"


def test_a_closed_period_offers_the_next_open_day_and_refuses_any_other(acme, bob, dana):
    with tenant_scope(acme.tenant.id):
        FiscalPeriod.objects.update(is_open=False)
        FiscalPeriod.objects.create(
            connection=acme.erp, company_code=acme.entity.company_code, name="12", start_date=date(2026, 12, 1),
            end_date=date(2026, 12, 31), is_open=True,
        )  # fmt: skip
    problem = {
        "code": "period", "kind": "closed_period", "sentence": "November 2026 is closed in company code harb1. Nothing was sent.",
        "facts": {"company_code": "harb1", "posting_date": "2026-11-13", "next_open_date": "2026-12-01"}, "page": "payroll_run",
    }  # fmt: skip
    acme.change(state="blocked", reason="period", sentence=problem["sentence"], problems=[problem])
    client = signed_in(bob)
    text = client.get(page(acme)).content.decode()
    assert "Post on 1 Dec 2026" in text
    assert f"{page(acme, 'posting_date')}?posting_date=2026-12-01" in text
    assert "Post on" not in signed_in(dana).get(page(acme)).content.decode(), "an approver does not choose dates"
    asked = client.get(f"{page(acme, 'posting_date')}?posting_date=2026-12-01").content.decode()
    assert 'value="2026-12-01"' in asked
    text = press(client, acme, "posting_date", posting_date="2026-11-20")
    assert "20 Nov 2026 is closed in company code harb1. The posting date was not changed." in text
    assert "The next open day is 1 Dec 2026." in text
    assert 'value="2026-11-20"' in text
    assert "Enter the posting date as a day" in press(client, acme, "posting_date", posting_date="tomorrow")
    assert "not in a fiscal period" in press(client, acme, "posting_date", posting_date="2031-01-01")
    assert acme.again().posting_date == CHECK_DATE
    for _ in range(2):
        assert "The posting date is changed." in press(client, acme, "posting_date", posting_date="2026-12-01")
    posting = acme.again()
    assert posting.posting_date == date(2026, 12, 1)
    assert posting.prepared_by == ["bob"]
    (entry,) = entries(acme, "posting.date_changed")
    assert (entry.actor, entry.facts["before"]) == ("bob", "13 Nov 2026")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"state": "approved"}, "approved"),
        ({"state": "entered", "was_sent": True}, "entered"),
        ({"state": "blocked", "reason": "period", "was_sent": True}, "blocked"),
        ({"kind": "REVERSAL"}, "allocated"),
    ],
)
def test_what_left_and_what_undoes_a_journal_keeps_its_date(acme, alice, client, values, why):
    acme.change(**values)
    client.force_login(alice)
    text = press(client, acme, "posting_date", posting_date="2026-11-20")
    assert f"This journal is {why} by now." in text
    assert page(acme, "posting_date") not in text
    assert acme.again().posting_date == CHECK_DATE


def test_an_approver_who_saw_another_date_approves_nothing(acme, bob, dana):
    approver = signed_in(dana)
    seen = acme.again().journal_digest
    assert seen in approver.get(page(acme, "approve")).content.decode()
    press(signed_in(bob), acme, "posting_date", posting_date="2026-11-20")
    assert acme.again().posting_date == date(2026, 11, 20)
    text = press(approver, acme, "approve", digest=seen)
    assert "This journal was changed since you opened the page." in text
    assert acme.again().state == "allocated"
    press(approver, acme, "approve", digest=acme.again().journal_digest)
    assert acme.again().state == "approved"


def test_an_entered_journal_leads_into_the_erp(acme, dana, client):
    client.force_login(dana)
    there = 'href="https://harbor.operations.dynamics.com/?cmp=harb1"'
    assert there not in client.get(page(acme)).content.decode()
    acme.change(state="entered", document_number="US01-000007")
    text = client.get(page(acme)).content.decode()
    assert there in text
    assert "Open in Dynamics 365 Finance &amp; Operations" in text


def test_the_api_does_the_same_and_keeps_to_the_same_rules(unclear, bob, dana, erin, client):
    root = f"/api/v1/postings/{unclear.posting.pk}"
    first, second, auditor = api(bob), api(dana), api(erin)

    def post(path: str, who: dict[str, str], **body: str) -> tuple[int, dict]:
        answer = client.post(f"{root}/{path}/", body, content_type="application/json", **who)
        return answer.status_code, answer.json()

    for path, body in (
        ("found", {"document_number": "7"}),
        ("not-there", {}),
        ("posting-date", {"posting_date": "2026-11-20"}),
    ):
        assert post(path, auditor, **body)[0] == 403
    assert post("found", first)[0] == 400
    assert post("not-there", first)[1]["not_there_by"] == ["bob"]
    status, problem = post("not-there", first)
    assert (status, problem["detail"]) == (
        409,
        "You confirmed already that it is not there. A second person has to confirm it.",
    )
    assert client.delete(f"{root}/not-there/", **first).json()["not_there_by"] == []
    assert post("not-there", first)[0] == 200
    assert post("not-there", second)[1]["state"] == "sending"
    assert post("found", second, document_number="US01-9")[0] == 409
    assert post("posting-date", second, posting_date="2026-11-20")[0] == 403
    assert post("posting-date", first, posting_date="2026-11-20")[0] == 409
    unclear.change(state="blocked", reason="unclear")
    assert post("found", second, document_number="US01-9")[1]["found_by"] == "dana"


def test_whoever_replays_a_run_has_prepared_its_journals(acme, bob, client):
    client.force_login(bob)
    client.post(reverse("admin:gusto_payrollrun_replay", args=[acme.run.pk]))
    with tenant_scope(acme.tenant.id):
        acme.run.refresh_from_db()
        assert acme.run.prepared_by == ["bob"]
        assert AuditEntry.objects.filter(action="payroll_run.replayed", actor="bob").exists()
        assert Posting.objects.get().prepared_by == ["bob"]
