"""The webhook address: only what Gusto signed is stored, once, and quickly; a handshake is only an offer."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY

from audit.models import WorkItem
from gusto import webhook
from gusto.models import GustoApplication, WebhookEvent, WebhookSubscription
from tests.gusto.test_grant import in_threads

TOKEN = "0f5c0b64-6f0e-4b0b-8b63-1f0a34cf7e11"
ADDRESS = "/gusto/webhook"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid4()),
        "event_type": "payroll.processed",
        "resource_type": "Company",
        "resource_uuid": "5f3c1d0a-8a52-43d7-9f0e-2f8d3c1a9b77",
        "entity_type": "Payroll",
        "entity_uuid": "1c2d3e4f-0000-4000-8000-a1b2c3d4e5f6",
        "timestamp": 1_790_000_000,
    } | changes


def signature(body: bytes, token: str = TOKEN) -> str:
    """Written from Gusto's documentation, not with the product's code."""
    return hmac.new(token.encode(), body, hashlib.sha256).hexdigest()


def send(body: bytes, signed_with: str | None = TOKEN, **headers: str) -> int:
    if signed_with is not None:
        headers["X-Gusto-Signature"] = signature(body, signed_with)
    # A stranger's request: no session, no form of ours.
    browser = Client(enforce_csrf_checks=True)
    return browser.post(ADDRESS, data=body, content_type="application/json", headers=headers).status_code


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("mlc_webhooks_total", {"result": result}) or 0.0


def nothing_is_stored() -> bool:
    return not WebhookEvent.objects.exists() and not WorkItem.objects.exists()


@pytest.fixture
def subscription(db) -> WebhookSubscription:
    webhook.keys.forget()
    application = GustoApplication.objects.create(client_id="id", client_secret="secret")
    return WebhookSubscription.objects.create(
        application=application,
        subscription_uuid="6f6c2c1e-1111-4111-8111-111111111111",
        url="https://payroll.example.com/gusto/webhook",
        state=WebhookSubscription.State.VERIFIED,
        verification_token=TOKEN,
    )


class TestNotices:
    def test_a_signed_notice_is_stored_and_made_due(self, subscription):
        sent = event()
        assert send(encoded(sent)) == 202
        stored = WebhookEvent.objects.get()
        assert stored.event_uuid == sent["uuid"]
        assert stored.event_type == "payroll.processed"
        assert stored.resource_uuid == sent["resource_uuid"]
        assert stored.entity_uuid == sent["entity_uuid"]
        assert stored.sent_at.timestamp() == sent["timestamp"]
        assert stored.source == "webhook"
        [due] = WorkItem.objects.all()
        assert (due.kind, due.ref, due.tenant_id) == ("gusto.read_event", str(stored.pk), None)

    def test_it_is_stored_and_made_due_by_one_statement(self, subscription, django_assert_num_queries):
        """Gusto waits for each round trip to the database; the keys are known from the first notice."""
        send(encoded(event()))
        # The bell is rung after commit, which the test's own transaction never comes to.
        with django_assert_num_queries(1):
            assert send(encoded(event())) == 202
        assert WebhookEvent.objects.count() == WorkItem.objects.count() == 2

    def test_the_raw_body_counts_not_its_meaning(self, subscription):
        spaced = json.dumps(event(), indent=3).encode() + b"\n"
        assert send(spaced) == 202
        body = encoded(event())
        assert send(body + b" ", signed_with=None, **{"X-Gusto-Signature": signature(body)}) == 401

    def test_a_second_delivery_is_nothing_new(self, subscription):
        body = encoded(event())
        before = counted("duplicate")
        assert [send(body) for _ in range(3)] == [202] * 3
        assert WebhookEvent.objects.count() == WorkItem.objects.count() == 1
        assert counted("duplicate") == before + 2

    @pytest.mark.parametrize(
        "given",
        [
            "0" * 64,
            "",
            "é" * 64,
            "sha256=" + "0" * 64,
            signature(b"{}").upper(),
        ],
    )
    def test_a_wrong_signature_stores_nothing_and_is_counted(self, subscription, given):
        before = counted("wrong_signature")
        assert send(encoded(event()), signed_with=None, **{"X-Gusto-Signature": given}) == 401
        assert nothing_is_stored()
        assert counted("wrong_signature") == before + 1

    def test_another_key_stores_nothing(self, subscription):
        assert send(encoded(event()), signed_with="another key") == 401
        assert send(encoded(event()), signed_with="") == 401
        assert send(encoded(event()), signed_with=None) == 401
        assert nothing_is_stored()

    def test_without_a_verified_subscription_nothing_is_believed(self, subscription):
        """Least of all a notice signed with nothing, while we have no key."""
        WebhookSubscription.objects.update(state="pending", verification_token="")
        webhook.keys.forget()
        assert send(encoded(event())) == 401
        assert send(encoded(event()), signed_with="") == 401
        WebhookSubscription.objects.update(state="removed", verification_token=TOKEN)
        webhook.keys.forget()
        assert send(encoded(event())) == 401
        assert nothing_is_stored()

    def test_a_key_verified_a_moment_ago_counts_at_once(self, subscription):
        assert send(encoded(event()), signed_with="a newer key") == 401
        WebhookSubscription.objects.create(
            application=subscription.application,
            subscription_uuid="6f6c2c1e-2222-4222-8222-222222222222",
            state="verified",
            verification_token="a newer key",
        )
        time.sleep(webhook.KEYS_SECONDS_MIN + 0.05)
        assert send(encoded(event()), signed_with="a newer key") == 202
        assert send(encoded(event())) == 202

    def test_too_much_is_not_even_read(self, subscription):
        before = counted("too_large")
        body = encoded(event(padding="x" * webhook.BODY_BYTES_MAX))
        assert send(body) == 413
        assert nothing_is_stored()
        assert counted("too_large") == before + 1
        just_fits = event()
        just_fits["padding"] = "x" * (webhook.BODY_BYTES_MAX - len(encoded(just_fits | {"padding": ""})))
        assert len(encoded(just_fits)) == webhook.BODY_BYTES_MAX
        assert send(encoded(just_fits)) == 202

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not json",
            b"\xff\xfe",
            b"[]",
            b"null",
            b"[" * 100_000,
            b"1" * 5_000,
            encoded({}),
            encoded(event(uuid=None)),
            encoded(event(uuid="../../etc")),
            encoded(event(uuid="a\x00b" * 5)),
            encoded(event(uuid=["x"])),
            encoded(event(event_type="payroll")),
            encoded(event(event_type="payroll." + "x" * 200)),
            encoded(event(resource_uuid=7)),
            encoded(event(entity_uuid="")),
            encoded(event(timestamp="now")),
            encoded(event(timestamp=True)),
            encoded(event(timestamp=10**30)),
            encoded(event(timestamp=1.5)),
        ],
    )
    def test_what_is_no_notice_is_refused_and_counted(self, subscription, body):
        before = counted("malformed")
        assert send(body) == 400
        assert nothing_is_stored()
        assert counted("malformed") == before + 1

    def test_fields_that_nobody_knows_yet_do_not_harm(self, subscription):
        assert send(encoded(event(references={"employee_uuid": "x"}, brand_new=[1, 2]))) == 202

    def test_a_company_that_nobody_connected_is_kept(self, subscription):
        before = counted("unknown_company")
        assert send(encoded(event())) == 202
        assert WebhookEvent.objects.get().state == WebhookEvent.State.UNKNOWN_COMPANY
        assert counted("unknown_company") == before + 1

    def test_it_asks_little_of_the_database(self, subscription, django_assert_max_num_queries):
        send(encoded(event()))
        with django_assert_max_num_queries(4):
            assert send(encoded(event())) == 202

    def test_only_post_is_answered(self, subscription):
        assert Client().get(ADDRESS).status_code == 405

    def test_a_signed_in_browser_changes_nothing(self, subscription, alice):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(alice)
        body = encoded(event())
        answer = browser.post(
            ADDRESS, data=body, content_type="application/json", headers={"X-Gusto-Signature": signature(body)}
        )
        assert answer.status_code == 202
        assert browser.post(ADDRESS, data=body, content_type="application/json").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_fifty_deliveries_at_once_are_one_event_and_one_work_item(subscription):
    body = encoded(event())
    assert in_threads(50, lambda: send(body)) == [202] * 50
    assert WebhookEvent.objects.count() == 1
    assert WorkItem.objects.filter(kind="gusto.read_event").count() == 1


class TestHandshake:
    def offer(self, **fields: str) -> int:
        return send(encoded({"verification_token": "offered-token-1"} | fields), signed_with=None)

    def pending(self, subscription: WebhookSubscription, **changes: str) -> None:
        fields = {"state": "pending", "verification_token": ""} | changes
        WebhookSubscription.objects.filter(pk=subscription.pk).update(**fields)

    def test_a_pending_subscription_takes_the_offer_and_believes_nothing_yet(self, subscription):
        self.pending(subscription)
        before = counted("handshake")
        assert self.offer() == 202
        subscription.refresh_from_db()
        assert (subscription.offered_token, subscription.verification_token) == ("offered-token-1", "")
        assert subscription.state == WebhookSubscription.State.PENDING
        assert [(item.kind, item.tenant_id) for item in WorkItem.objects.all()] == [("gusto.subscribe", None)]
        assert counted("handshake") == before + 1
        # Offered is not accepted: what is signed with it is nothing.
        webhook.keys.forget()
        assert send(encoded(event()), signed_with="offered-token-1") == 401

    def test_a_verified_one_is_never_overwritten(self, subscription):
        before = counted("handshake_refused")
        assert self.offer() == 401
        assert self.offer(webhook_subscription_uuid=subscription.subscription_uuid) == 401
        body = encoded({"verification_token": "offered-token-1"})
        assert send(body) == 401  # not even when it is signed
        subscription.refresh_from_db()
        assert (subscription.offered_token, subscription.verification_token) == ("", TOKEN)
        assert subscription.state == WebhookSubscription.State.VERIFIED
        assert nothing_is_stored()
        assert counted("handshake_refused") == before + 3

    def test_where_nothing_waits_there_is_no_handshake(self, subscription):
        for state in ("removed", "unreachable"):
            self.pending(subscription, state=state)
            assert self.offer() == 401
        subscription.delete()
        assert self.offer() == 401
        assert nothing_is_stored()

    def test_an_application_that_was_put_aside_takes_none(self, subscription):
        self.pending(subscription)
        GustoApplication.objects.update(is_active=False)
        assert self.offer() == 401

    def test_the_subscription_may_be_named(self, subscription):
        self.pending(subscription)
        assert self.offer(webhook_subscription_uuid="6f6c2c1e-9999-4999-8999-999999999999") == 401
        assert self.offer(webhook_subscription_uuid=subscription.subscription_uuid) == 202

    def test_it_may_come_before_gusto_named_the_subscription(self, subscription):
        self.pending(subscription, subscription_uuid="")
        assert self.offer(webhook_subscription_uuid="6f6c2c1e-9999-4999-8999-999999999999") == 202

    @pytest.mark.parametrize("token", ["", "short", "x" * 201, "with space in it", "line\nbreak-line", 12345678, None])
    def test_a_token_has_the_form_of_one(self, subscription, token):
        self.pending(subscription)
        assert send(encoded({"verification_token": token}), signed_with=None) == 400
        subscription.refresh_from_db()
        assert subscription.offered_token == ""


@pytest.mark.contract
def test_official_signature_vectors(shared):
    vectors = json.loads((shared / "reference/gusto/webhook-signature-vectors.json").read_text())["vectors"]
    assert len(vectors) >= 4
    for vector in vectors:
        key, body = vector["verification_token"].encode(), vector["body"].encode()
        assert webhook.sign(key, body) == vector["x_gusto_signature"].encode(), vector["name"]


@pytest.mark.contract
@pytest.mark.parametrize(
    "name", ["payroll", "company", "company-provisioned", "employee", "bank-account", "contractor"]
)
def test_official_events_are_stored(shared, subscription, name):
    body = (shared / f"reference/gusto/webhook-event-{name}.json").read_bytes()
    assert send(body) == 202
    assert WebhookEvent.objects.get().event_uuid == json.loads(body)["uuid"]


@pytest.mark.contract
def test_the_official_handshake_is_understood(shared, subscription):
    WebhookSubscription.objects.update(state="pending", verification_token="")
    body = (shared / "reference/gusto/webhook-verification-post.json").read_bytes()
    assert send(body, signed_with=None) == 202
    subscription.refresh_from_db()
    assert subscription.offered_token == json.loads(body)["verification_token"]
