"""What the buttons do: approve, withdraw, replay, look, void, reverse; twice, at once, too late, by the wrong person."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry, WorkItem
from erp.models import Posting
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.connector_site.books import CHECK_DATE, TOTAL, Books, books


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


def page(acme: Books, name: str = "change") -> str:
    return reverse(f"admin:erp_posting_{name}", args=[acme.posting.pk])


def press(client: Client, acme: Books, name: str, **values: str) -> str:
    """Press a button and read the page that follows."""
    return client.post(page(acme, name), values, follow=True).content.decode()


def entries(acme: Books, action: str) -> list[AuditEntry]:
    with tenant_scope(acme.tenant.id):
        return list(AuditEntry.objects.filter(action=action))


def work_due(kind: str) -> list[str]:
    return list(WorkItem.objects.filter(kind=kind, state="ready").values_list("ref", flat=True))


def test_the_page_before_the_click_repeats_what_will_be_sent(acme, dana, client):
    client.force_login(dana)
    text = client.get(page(acme, "approve")).content.decode()
    assert "30,000.00 USD" in text
    assert "13 Nov 2026" in text
    assert acme.entity.company_code in text
    assert "general journal in Dynamics 365" in text
    assert acme.again().state == "allocated"


def test_an_approver_approves(acme, dana, client):
    client.force_login(dana)
    text = press(client, acme, "approve")
    assert "It goes out at the next free moment." in text
    posting = acme.again()
    assert (posting.state, posting.approved_by) == ("approved", "dana")
    assert work_due("erp.post") == [str(posting.pk)]
    (entry,) = entries(acme, "posting.approved")
    assert entry.actor == "dana"


def test_a_double_click_approves_once_and_says_so_twice(acme, dana, client):
    client.force_login(dana)
    for _ in range(2):
        assert "It goes out at the next free moment." in press(client, acme, "approve")
    assert len(entries(acme, "posting.approved")) == 1
    assert len(work_due("erp.post")) == 1


def test_the_preparer_is_told_why_not(acme, tenant, client):
    client.force_login(member(tenant, "both", "preparer", "approver"))
    acme.change(prepared_by=["bob", "both"])
    text = client.get(page(acme)).content.decode()
    assert "You prepared this journal. Someone else approves it." in text
    assert 'aria-disabled="true"' in text
    assert f'href="{page(acme, "approve")}"' not in text
    assert "You prepared this journal. Someone else approves it." in press(client, acme, "approve")
    assert acme.again().state == "allocated"
    assert "Waits for you" in client.get("/console/").content.decode()
    assert "Review and approve" not in client.get("/console/").content.decode()


@pytest.mark.parametrize("state", ["approved", "sending", "entered", "posted", "blocked", "voided"])
def test_whoever_comes_too_late_is_told_the_state(acme, dana, client, state):
    client.force_login(dana)
    acme.change(state=state, reason="reference" if state == "blocked" else "", approved_by="somebody")
    assert f"This journal is {state} and cannot be approved." in press(client, acme, "approve")
    assert f"This journal is {state} by now." in client.get(page(acme, "approve"), follow=True).content.decode()
    assert acme.again().state == state
    assert work_due("erp.post") == []


def test_an_approval_is_withdrawn_before_anything_was_sent(acme, dana, client):
    client.force_login(dana)
    press(client, acme, "approve")
    assert "The approval is withdrawn." in press(client, acme, "withdraw")
    posting = acme.again()
    assert (posting.state, posting.approved_by, posting.approved_at) == ("allocated", "", None)
    acme.change(state="sending")
    assert "Only an approved journal" in press(client, acme, "withdraw")
    assert acme.again().state == "sending"


def test_a_replay_of_what_was_never_sent_builds_it_anew(acme, bob, client):
    client.force_login(bob)
    acme.change(state="blocked", reason="reference", sentence="Account 6999 is closed.")
    response = client.post(page(acme, "replay"))
    # The journal becomes another posting, so the way leads to the run.
    assert response["Location"] == reverse("admin:gusto_payrollrun_change", args=[acme.run.pk])
    assert work_due("erp.allocate") == [str(acme.run.pk)]
    assert "bob" in acme.again().prepared_by
    assert len(entries(acme, "posting.replayed")) == 1


def test_a_replay_of_what_was_sent_asks_first(acme, alice, client):
    client.force_login(alice)
    acme.change(state="blocked", reason="unclear", was_sent=True, sentence="No clear answer.")
    assert "Ask the ledger now" in client.get(page(acme)).content.decode()
    press(client, acme, "replay")
    posting = acme.again()
    assert (posting.state, posting.reason) == ("sending", "")
    assert work_due("erp.post") == [str(posting.pk)]
    assert work_due("erp.allocate") == []


def test_asking_the_ledger_only_asks(acme, bob, client):
    client.force_login(bob)
    acme.change(state="entered", document_number="US01-000007")
    assert "The ledger is being asked." in press(client, acme, "look")
    assert acme.again().state == "entered"
    assert work_due("erp.post") == [str(acme.posting.pk)]


def test_giving_up_needs_a_reason_and_keeps_it(acme, bob, client):
    client.force_login(bob)
    assert "Say why" in press(client, acme, "void", reason="  ")
    assert acme.again().state == "allocated"
    assert "Paid by hand." in press(client, acme, "void", reason="Paid by hand.")
    posting = acme.again()
    assert (posting.state, posting.void_reason) == ("voided", "Paid by hand.")
    (entry,) = entries(acme, "posting.voided")
    assert (entry.actor, entry.facts["reason"]) == ("bob", "Paid by hand.")


@pytest.mark.parametrize("state", ["sending", "entered", "posted"])
def test_what_the_erp_may_hold_is_not_given_up(acme, bob, client, state):
    client.force_login(bob)
    acme.change(state=state)
    assert f"A journal that is {state} cannot be given up." in press(client, acme, "void", reason="Away with it.")
    assert acme.again().state == state


def test_a_reversal_is_a_second_journal_with_sides_swapped(acme, dana, client):
    client.force_login(dana)
    acme.change(state="posted", document_number="US01-000007")
    assert "Say why" in press(client, acme, "reverse")
    text = press(client, acme, "reverse", reason="Wrong month.")
    assert "Reversal of US01-000007" in text
    with tenant_scope(acme.tenant.id):
        contra = Posting.objects.get(kind="REVERSAL")
        assert contra.reverses_id == acme.posting.pk
        assert (contra.debit, contra.credit, contra.posting_date) == (TOTAL, TOTAL, CHECK_DATE)
        sides = {line.main_account: (line.debit > 0) for line in contra.lines.all()}
    assert sides == {"6000": False, "6100": False, "2110": True}
    # Pressed again it leads to the same journal; the one who made it does not release it.
    press(client, acme, "reverse", reason="Wrong month.")
    with tenant_scope(acme.tenant.id):
        assert Posting.objects.filter(kind="REVERSAL").count() == 1
    other = reverse("admin:erp_posting_change", args=[contra.pk])
    assert "You prepared this journal." in client.get(other).content.decode()
    assert "Create reversal" not in client.get(page(acme)).content.decode()


def test_a_run_is_replayed(acme, bob, client):
    client.force_login(bob)
    address = reverse("admin:gusto_payrollrun_replay", args=[acme.run.pk])
    assert "Nothing that was sent is sent again." in client.get(address).content.decode()
    assert work_due("gusto.read_payroll") == []
    assert "The payroll run is read again." in client.post(address, follow=True).content.decode()
    assert work_due("gusto.read_payroll") == [str(acme.run.pk)]
    (entry,) = entries(acme, "payroll_run.replayed")
    assert entry.actor == "bob"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Two people press at the same moment, each in a request and a database connection of their own."""

    def _both(self, people, acme: Books, name: str, **values: str) -> list[int]:
        clients = []
        for person in people:
            client = Client()
            client.force_login(person)
            clients.append(client)
        gate, statuses = threading.Barrier(len(clients)), []

        def press_it(client: Client) -> None:
            try:
                gate.wait(10)
                statuses.append(client.post(page(acme, name), values).status_code)
            finally:
                connection.close()

        threads = [threading.Thread(target=press_it, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return statuses

    def test_two_approvers_at_once_release_one_journal_once(self, tenant, dana):
        acme = books(tenant, "Harbor")
        assert self._both([dana, member(tenant, "dora", "approver")], acme, "approve") == [302, 302]
        assert acme.again().state == "approved"
        assert len(entries(acme, "posting.approved")) == 1
        assert len(work_due("erp.post")) == 1

    def test_two_reversals_at_once_are_one(self, tenant, dana):
        acme = books(tenant, "Harbor", state="posted", document_number="US01-000007")
        people = [dana, member(tenant, "dora", "approver")]
        assert self._both(people, acme, "reverse", reason="Wrong month.") == [302, 302]
        with tenant_scope(acme.tenant.id):
            assert Posting.objects.filter(kind="REVERSAL").count() == 1

    def test_giving_up_and_approving_at_once_ends_in_one_of_both(self, tenant, dana, bob):
        acme = books(tenant, "Harbor")
        both = member(tenant, "dora", "approver", "preparer")
        first = threading.Thread(target=lambda: (_post(dana, page(acme, "approve")), connection.close()))
        second = threading.Thread(target=lambda: (_post(both, page(acme, "void"), reason="No."), connection.close()))
        for thread in (first, second):
            thread.start()
        for thread in (first, second):
            thread.join(30)
        posting = acme.again()
        assert (posting.state, posting.void_reason) in {("approved", ""), ("voided", "No.")}


def _post(user, address: str, **values: str) -> None:
    client = Client()
    client.force_login(user)
    client.post(address, values)
