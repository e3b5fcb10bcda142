"""Webhook subscriptions, the events feed, and the sender that really delivers (gusto.md 3).

An event has one uuid, in the feed and in every delivery. Deliveries wait in the store (kind `outbox`) until a thread
sends them, so they survive a restart; what is done with moves to kind `delivery`, the log. Order is not guaranteed:
several are sent at once.

Faults played here, taken by `path` = /webhook/<event type>: webhook_lost (never sent), webhook_late (sent `seconds`
later, others overtake it), webhook_duplicate (sent `body` times at once, 2 where none is given) and
webhook_wrong_signature (signed with another key).
"""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from audit.sandbox import Answer, Faults, Request, dumps
from gusto.sandbox import errors
from gusto.sandbox.access import Caller
from gusto.sandbox.state import State, stamp

SUBSCRIPTION_TYPES = frozenset(
    {
        "BankAccount",
        "Company",
        "CompanyBenefit",
        "Contractor",
        "ContractorPayment",
        "Employee",
        "EmployeeBenefit",
        "EmployeeJobCompensation",
        "ExternalPayroll",
        "Form",
        "Location",
        "Notification",
        "Payroll",
        "PayrollSync",
        "PaySchedule",
        "PeopleBatch",
        "Signatory",
    }
)
#: Sent to every verified subscription, whatever it asked for (gusto.md 3.5).
ALWAYS_SENT = frozenset({"company.provisioned"})
FEED_DAYS = 30
FEED_LIMIT_DEFAULT, FEED_LIMIT_MAX = 25, 100
SENDERS = 4
FAULTS = frozenset({"webhook_lost", "webhook_late", "webhook_duplicate", "webhook_wrong_signature"})


def sign(verification_token: str, body: bytes) -> str:
    """X-Gusto-Signature: lowercase hex HMAC-SHA256 of the raw body, keyed with the verification token."""
    return hmac.new(verification_token.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """Subscriptions and events; `start` and `stop` run the sender."""

    def __init__(self, state: State, faults: Callable[[], Faults]) -> None:
        self.state = state
        self._faults = faults
        self._wake = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_flight: set[str] = set()
        self._in_flight_lock = threading.Lock()

    # Events

    def emit(self, event_type: str, company_uuid: str, entity_type: str, entity_uuid: str) -> str:
        """Record an event and queue its deliveries; returns its uuid, empty where the company is not connected.

        An application hears nothing of companies that did not grant it access.
        """
        grant = self.state.store.get("grant", company_uuid)
        if grant is None or not grant["is_live"]:
            return ""
        event_uuid = str(uuid.uuid4())
        event = {
            "uuid": event_uuid,
            "event_type": event_type,
            "resource_type": "Company",
            "resource_uuid": company_uuid,
            "entity_type": entity_type,
            "entity_uuid": entity_uuid,
            "timestamp": int(self.state.now().timestamp()),
        }
        self.state.store.put("event", event_uuid, event)
        for subscription in self.state.store.all("subscription"):
            wanted = entity_type in subscription["subscription_types"] or event_type in ALWAYS_SENT
            if wanted and subscription["status"] == "verified":
                self._queue(subscription["uuid"], event_type, dumps(event), event_uuid)
        return event_uuid

    def events(self, request: Request, caller: Caller) -> Answer:
        """GET /v1/events: 30 days back, an exclusive cursor, wildcards in the event type."""
        limit_text = request.parameter("limit") or str(FEED_LIMIT_DEFAULT)
        if not limit_text.isdigit() or not 1 <= int(limit_text) <= FEED_LIMIT_MAX:
            raise errors.invalid_parameter("limit", "Parameter 'limit' must be between 1 and 100.")
        sort_order = request.parameter("sort_order") or "asc"
        if sort_order not in ("asc", "desc"):
            raise errors.invalid_parameter("sort_order", "Parameter 'sort_order' must be asc or desc.")
        oldest = int((self.state.now() - timedelta(days=FEED_DAYS)).timestamp())
        rows = [event for event in self.state.store.all("event") if event["timestamp"] >= oldest]
        rows.sort(key=lambda event: event["timestamp"])  # stable: events of one second keep their order
        if sort_order == "desc":
            rows.reverse()
        if after := request.parameter("starting_after_uuid"):
            at = next((at for at, event in enumerate(rows) if event["uuid"] == after), None)
            if at is None:
                sentence = "Parameter 'starting_after_uuid' does not correspond to a valid event."
                raise errors.invalid_value("starting_after_uuid", sentence)
            rows = rows[at + 1 :]
        if resource := request.parameter("resource_uuid"):
            if self.state.store.get("company", resource) is None:
                sentence = "Parameter 'resource_uuid' does not correspond to a valid resource."
                raise errors.invalid_value("resource_uuid", sentence)
            rows = [event for event in rows if event["resource_uuid"] == resource]
        if pattern := request.parameter("event_type"):
            rows = [event for event in rows if fnmatch.fnmatchcase(event["event_type"], pattern)]
        return Answer(200, rows[: int(limit_text)])

    # Subscriptions

    def create(self, request: Request, caller: Caller) -> Answer:
        """POST /v1/webhook_subscriptions: pending until verified; the handshake is posted to the url."""
        body = _json_object(request)
        subscription_uuid = str(uuid.uuid4())
        subscription = {
            "uuid": subscription_uuid,
            "url": _loopback(body.get("url")),
            "status": "pending",
            "subscription_types": _types(body.get("subscription_types")),
            "verification_token": str(uuid.uuid4()),
            "given_up": 0,
        }
        self.state.store.put("subscription", subscription_uuid, subscription)
        self._queue_handshake(subscription)
        return Answer(201, _public(subscription))

    def all(self, request: Request, caller: Caller) -> Answer:
        """GET /v1/webhook_subscriptions."""
        return Answer(200, [_public(row) for row in self.state.store.all("subscription")])

    def show(self, request: Request, caller: Caller, subscription: str) -> Answer:
        return Answer(200, _public(self._subscription(subscription)))

    def update(self, request: Request, caller: Caller, subscription: str) -> Answer:
        """PUT: only the types can be changed."""
        row = self._subscription(subscription)
        row["subscription_types"] = _types(_json_object(request).get("subscription_types"))
        self.state.store.put("subscription", subscription, row)
        return Answer(200, _public(row))

    def delete(self, request: Request, caller: Caller, subscription: str) -> Answer:
        self._subscription(subscription)
        self.state.store.delete("subscription", subscription)
        return Answer(204)

    def verify(self, request: Request, caller: Caller, subscription: str) -> Answer:
        """PUT .../verify with the token that the handshake carried."""
        row = self._subscription(subscription)
        given = _json_object(request).get("verification_token")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), row["verification_token"].encode()):
            raise errors.invalid_value("base", "Invalid verification token")
        row |= {"status": "verified", "given_up": 0}
        self.state.store.put("subscription", subscription, row)
        return Answer(200, _public(row))

    def request_token(self, request: Request, caller: Caller, subscription: str) -> Answer:
        """GET .../request_verification_token: the handshake once more."""
        self._queue_handshake(self._subscription(subscription))
        return Answer(200, {"message": "Success! The subscriber will be notified with the verification token"})

    def health(self, request: Request, caller: Caller) -> Answer:
        """GET /v1/webhooks/health_check: by the deliveries of the last ten minutes."""
        since = int((time.time() - 600) * 1000)
        ended = {row["result"] for row in self.state.store.all("delivery") if row["ended_at"] >= since}
        status = "unhealthy" if "given_up" in ended else "healthy" if "delivered" in ended else "unknown"
        return Answer(200, {"status": status, "last_checked_at": stamp(self.state.now())})

    def _subscription(self, subscription_uuid: str) -> dict[str, Any]:
        return self.state.held("subscription", subscription_uuid)

    # Deliveries

    def _queue_handshake(self, subscription: dict[str, Any]) -> None:
        body = {"verification_token": subscription["verification_token"]}
        if self.state.settings.handshake_names_subscription:
            body["webhook_subscription_uuid"] = subscription["uuid"]
        self._queue(subscription["uuid"], "", dumps(body), "")

    def _queue(self, subscription_uuid: str, event_type: str, body: str, event_uuid: str, copy: bool = False) -> None:
        key = f"{self.state.store.next('delivery'):09d}"
        row = {
            "number": key,
            "subscription_uuid": subscription_uuid,
            "event_uuid": event_uuid,
            "event_type": event_type,
            "body": body,
            "due_at": int(time.time() * 1000),
            "statuses": [],
            "faults_are_taken": copy,
            "wrong_signature": False,
        }
        self.state.store.put("outbox", key, row)
        self._wake.set()

    def start(self) -> None:
        self._is_stopping.clear()
        self._thread = threading.Thread(target=self._run, name="gusto-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def is_idle(self) -> bool:
        """Nothing waits to be sent."""
        return self.state.store.count("outbox") == 0

    def _run(self) -> None:
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="gusto-webhook") as senders:
            while not self._is_stopping.is_set():
                self._wake.clear()
                now = int(time.time() * 1000)
                waiting = self.state.store.all("outbox")
                for row in waiting:
                    with self._in_flight_lock:
                        if row["due_at"] > now or row["number"] in self._in_flight:
                            continue
                        self._in_flight.add(row["number"])
                    senders.submit(self._send, row["number"])
                next_due = min((row["due_at"] for row in waiting if row["due_at"] > now), default=now + 1000)
                self._wake.wait(max(0.005, (next_due - now) / 1000))

    def _send(self, number: str) -> None:
        try:
            if not self._is_stopping.is_set():
                self._send_one(number)
        finally:
            with self._in_flight_lock:
                self._in_flight.discard(number)
            self._wake.set()

    def _send_one(self, number: str) -> None:
        with self.state.store.transaction():
            row = self.state.store.get("outbox", number)
            if row is None or self._play_faults(row):
                return
            subscription = self.state.store.get("subscription", row["subscription_uuid"])
            if subscription is None or (row["event_uuid"] and subscription["status"] != "verified"):
                self._finish(row, "dropped")
                return
        body = row["body"].encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Gusto-Webhooks-Sandbox"}
        if row["event_uuid"]:
            key = "not the key" if row["wrong_signature"] else subscription["verification_token"]
            headers["X-Gusto-Signature"] = sign(key, body)
        status = self._post(subscription["url"], body, headers)
        with self.state.store.transaction():
            row["statuses"].append(status)
            if 200 <= status < 300:
                self._finish(row, "delivered")
            elif len(row["statuses"]) > self.state.settings.delivery_retries:
                self._finish(row, "given_up")
            else:
                settings = self.state.settings
                wait = settings.delivery_backoff_milliseconds * 2 ** (len(row["statuses"]) - 1)
                row["due_at"] = int(time.time() * 1000) + min(wait, settings.delivery_backoff_max_milliseconds)
                self.state.store.put("outbox", number, row)

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The receiver's status, 0 where it did not answer in time."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy stands between two ends of loopback
                answer = session.post(
                    url,
                    data=body,
                    headers=headers,
                    timeout=self.state.settings.delivery_timeout_seconds,
                    allow_redirects=False,
                )
                return answer.status_code
        except requests.RequestException:
            return 0

    def _play_faults(self, row: dict[str, Any]) -> bool:
        """Change the delivery as a waiting fault says; True where it is not to be sent now."""
        if row["faults_are_taken"]:
            return False
        row["faults_are_taken"] = True
        fault = (
            self._faults().take("gusto", "POST", f"/webhook/{row['event_type']}", FAULTS) if row["event_uuid"] else None
        )
        if fault is not None and fault.fault == "webhook_lost":
            self._finish(row, "lost")
            return True
        if fault is not None and fault.fault == "webhook_late":
            row["due_at"] = int(time.time() * 1000 + (fault.seconds or 1.0) * 1000)
        elif fault is not None and fault.fault == "webhook_duplicate":
            for _ in range(int(fault.body or 2) - 1):
                self._queue(row["subscription_uuid"], row["event_type"], row["body"], row["event_uuid"], copy=True)
        elif fault is not None:
            row["wrong_signature"] = True
        self.state.store.put("outbox", row["number"], row)
        return fault is not None and fault.fault == "webhook_late"

    def _finish(self, row: dict[str, Any], result: str) -> None:
        """Move a delivery to the log; a subscription that keeps failing becomes unreachable."""
        self.state.store.delete("outbox", row["number"])
        done = {**row, "result": result, "ended_at": int(time.time() * 1000)}
        self.state.store.put("delivery", row["number"], done)
        subscription = self.state.store.get("subscription", row["subscription_uuid"])
        if subscription is None or not row["event_uuid"] or result not in ("delivered", "given_up"):
            return
        subscription["given_up"] = 0 if result == "delivered" else subscription["given_up"] + 1
        if subscription["given_up"] >= self.state.settings.unreachable_after:
            subscription["status"] = "unreachable"
        self.state.store.put("subscription", subscription["uuid"], subscription)


def _public(subscription: dict[str, Any]) -> dict[str, Any]:
    return {name: subscription[name] for name in ("uuid", "url", "status", "subscription_types")}


def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        raise errors.malformed_body() from None
    if not isinstance(body, dict):
        raise errors.malformed_body()
    return body


def _loopback(url: Any) -> str:
    """The real Gusto wants a publicly routable address; this one sends to its own machine only."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.invalid_value("url", "Url is invalid")
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise errors.invalid_value("url", "Url must be a loopback address in this sandbox")
    return str(url)


def _types(given: Any) -> list[str]:
    if not isinstance(given, list) or not given:
        raise errors.unprocessable("subscription_types", "missing_parameter", "Subscription types are required")
    for name in given:
        if name not in SUBSCRIPTION_TYPES:
            raise errors.invalid_value("subscription_types", f"Subscription type {name} is not valid")
    return sorted(given)
