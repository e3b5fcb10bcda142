"""The webhook subscription against the sandbox, which really posts its handshake and its notices to our address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit import work
from audit.models import AuditEntry, WorkItem
from gusto import subscription
from gusto.models import GustoApplication, PayrollRun, WebhookEvent, WebhookSubscription
from tenants.models import installation_tenant
from tenants.scope import tenant_scope
from tests.gusto.conftest import do, requests_to
from tests.gusto.running_sandbox import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

STATES = WebhookSubscription.State


@pytest.fixture
def public(live_server, settings, application):
    """The product is served where its public address says."""
    settings.PUBLIC_URL = live_server.url
    return live_server


@pytest.fixture
def unheard(settings, application) -> None:
    """Nobody listens at the public address: a handshake never arrives by itself."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"


def subscribe() -> WorkItem:
    return do("gusto.subscribe")


def verified() -> WebhookSubscription | None:
    work.drain()
    return WebhookSubscription.objects.filter(state=STATES.VERIFIED).first()


def ours() -> WebhookSubscription:
    return WebhookSubscription.objects.exclude(state=STATES.REMOVED).get()


def theirs(gusto) -> list[dict]:
    return gusto.system.store.all("subscription")


def wait_minutes(item: WorkItem) -> float:
    return (item.due_at - timezone.now()).total_seconds() / 60


def told() -> list[str]:
    with tenant_scope(installation_tenant().pk):
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


@pytest.mark.parametrize("is_named", [False, True])
def test_it_is_created_and_verified_by_itself(public, gusto, is_named):
    gusto.system.change_settings(handshake_names_subscription=is_named)
    work.enqueue("gusto.subscribe", tenant_id=None)
    found = wait_until(verified)
    [at_gusto] = theirs(gusto)
    assert found.subscription_uuid == at_gusto["uuid"]
    assert found.verification_token == at_gusto["verification_token"]
    assert found.offered_token == ""
    assert (at_gusto["status"], at_gusto["url"]) == ("verified", f"{public.url}/gusto/webhook")
    assert told() == ["webhook_subscription.created", "webhook_subscription.verified"]
    # Looking again changes nothing.
    assert 300 < wait_minutes(subscribe()) <= 360
    assert len(theirs(gusto)) == WebhookSubscription.objects.count() == 1
    assert len(told()) == 2


def test_a_processed_payroll_is_heard_and_read_back(public, gusto, connected, tenant):
    wait_until(verified)
    payroll_uuid = gusto.open_payroll()
    gusto.system.process(payroll_uuid)

    def read() -> PayrollRun | None:
        work.drain()
        with tenant_scope(tenant.id):
            return PayrollRun.objects.filter(payroll_uuid=payroll_uuid, read_at__isnull=False).first()

    run = wait_until(read)
    assert run.content_digest, run.sentence
    event = WebhookEvent.objects.get(entity_uuid=payroll_uuid, event_type="payroll.processed")
    assert (event.source, event.state) == ("webhook", WebhookEvent.State.HANDLED)


def test_a_wrong_offer_is_never_kept(unheard, gusto):
    subscribe()
    assert (
        Client().post("/gusto/webhook", {"verification_token": "of-an-attacker"}, "application/json").status_code == 202
    )
    assert ours().offered_token == "of-an-attacker"
    subscribe()
    waiting = ours()
    assert (waiting.state, waiting.offered_token, waiting.verification_token) == (STATES.PENDING, "", "")
    assert theirs(gusto)[0]["status"] == "pending"
    assert "webhook_subscription.verified" not in told()
    # The right one is asked for again.
    uuid = waiting.subscription_uuid
    assert requests_to(gusto, f"/v1/webhook_subscriptions/{uuid}/verify") == [422]
    assert requests_to(gusto, f"/v1/webhook_subscriptions/{uuid}/request_verification_token") == [200]


def test_the_right_offer_after_a_wrong_one_counts(unheard, gusto):
    subscribe()
    browser = Client()
    browser.post("/gusto/webhook", {"verification_token": "of-an-attacker"}, "application/json")
    token = theirs(gusto)[0]["verification_token"]
    browser.post("/gusto/webhook", {"verification_token": token}, "application/json")
    subscribe()
    assert (ours().state, ours().verification_token) == (STATES.VERIFIED, token)


def test_a_handshake_that_does_not_come_is_asked_for_again_ever_more_rarely(unheard, gusto):
    assert wait_minutes(subscribe()) <= 1
    again = f"/v1/webhook_subscriptions/{ours().subscription_uuid}/request_verification_token"
    assert wait_minutes(subscribe()) <= 1
    assert requests_to(gusto, again) == []
    waits = []
    for minutes in (3, 30, 600):
        WebhookSubscription.objects.update(created_at=timezone.now() - timedelta(minutes=minutes))
        waits.append(round(wait_minutes(subscribe())))
    assert requests_to(gusto, again) == [200] * 3
    assert waits == [3, 30, 360]


def test_a_lost_answer_to_the_creation_makes_no_second_one(public, gusto):
    gusto.fault(fault="lost_answer", method="POST", path="webhook_subscriptions")
    item = subscribe()
    assert item.state == WorkItem.State.READY
    work.enqueue("gusto.subscribe", tenant_id=None)
    found = wait_until(verified)
    [at_gusto] = theirs(gusto)
    assert found.subscription_uuid == at_gusto["uuid"]
    assert WebhookSubscription.objects.count() == 1


def test_a_lost_answer_to_the_verification_is_made_good(public, gusto):
    gusto.fault(fault="lost_answer", method="PUT", path="verify")
    work.enqueue("gusto.subscribe", tenant_id=None)
    wait_until(lambda: (work.drain(), theirs(gusto) and theirs(gusto)[0]["status"] == "verified")[1])
    WorkItem.objects.filter(kind="gusto.subscribe").update(due_at=timezone.now())
    found = wait_until(verified)
    assert found.verification_token == theirs(gusto)[0]["verification_token"]


def test_after_a_lost_database_the_old_subscription_is_taken_over(public, gusto):
    work.enqueue("gusto.subscribe", tenant_id=None)
    wait_until(verified)
    WebhookSubscription.objects.all().delete()
    subscribe()
    WebhookSubscription.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    work.enqueue("gusto.subscribe", tenant_id=None)
    found = wait_until(verified)
    assert [row["uuid"] for row in theirs(gusto)] == [found.subscription_uuid]


def test_one_that_gusto_removed_is_replaced(public, gusto):
    work.enqueue("gusto.subscribe", tenant_id=None)
    first = wait_until(verified)
    gusto.system.store.delete("subscription", first.subscription_uuid)
    subscribe()
    first.refresh_from_db()
    assert first.state == STATES.REMOVED
    second = wait_until(verified)
    assert second.subscription_uuid == theirs(gusto)[0]["uuid"] != first.subscription_uuid


def test_an_unreachable_one_is_revived_with_its_token(public, gusto):
    work.enqueue("gusto.subscribe", tenant_id=None)
    found = wait_until(verified)
    token = found.verification_token
    gusto.system.store.put("subscription", found.subscription_uuid, theirs(gusto)[0] | {"status": "unreachable"})
    subscribe()
    assert theirs(gusto)[0]["status"] == "verified"
    found.refresh_from_db()
    assert (found.state, found.verification_token) == (STATES.VERIFIED, token)


def test_one_whose_token_gusto_forgot_is_replaced(public, gusto):
    work.enqueue("gusto.subscribe", tenant_id=None)
    first = wait_until(verified)
    forgotten = theirs(gusto)[0] | {"status": "unreachable", "verification_token": "another"}
    gusto.system.store.put("subscription", first.subscription_uuid, forgotten)
    subscribe()
    second = wait_until(verified)
    assert second.subscription_uuid != first.subscription_uuid
    assert [row["uuid"] for row in theirs(gusto)] == [second.subscription_uuid]


def test_fewer_kinds_than_we_act_on_are_widened(public, gusto):
    work.enqueue("gusto.subscribe", tenant_id=None)
    found = wait_until(verified)
    gusto.system.store.put(
        "subscription", found.subscription_uuid, theirs(gusto)[0] | {"subscription_types": ["Employee"]}
    )
    subscribe()
    assert theirs(gusto)[0]["subscription_types"] == ["Company", "Employee", "Payroll"]


def test_an_address_that_gusto_refuses_is_tried_again_with_its_words(settings, application, gusto):
    settings.PUBLIC_URL = "https://payroll.example.com"
    item = subscribe()
    assert "loopback" in item.sentence
    assert 50 < wait_minutes(item) <= 60
    assert not WebhookSubscription.objects.exists()


def test_another_public_address_gets_a_subscription_of_its_own(public, gusto, settings):
    """The old one stays at Gusto: it may belong to a copy of this installation."""
    work.enqueue("gusto.subscribe", tenant_id=None)
    first = wait_until(verified)
    settings.PUBLIC_URL = public.url.replace("localhost", "127.0.0.1")
    subscribe()
    wait_until(lambda: (work.drain(), WebhookSubscription.objects.filter(state=STATES.VERIFIED).count() == 2)[1])
    first.refresh_from_db()
    assert first.state == STATES.VERIFIED
    assert len(theirs(gusto)) == 2


def test_without_an_application_there_is_nothing_to_do(db):
    assert not GustoApplication.objects.exists()
    assert subscribe().state == WorkItem.State.DONE


def test_the_address_is_the_public_one(settings):
    settings.PUBLIC_URL = "https://payroll.example.com"
    assert subscription.webhook_address() == "https://payroll.example.com/gusto/webhook"
