"""Webhooks of the Gusto sandbox, received by a real server: handshake, signature, retries, faults, feed (gusto.md 3)."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.gusto.running_sandbox import Receiver, Running, receiving, running, wait_until

FAST = {"delivery_backoff_milliseconds": 5, "delivery_backoff_max_milliseconds": 20, "delivery_timeout_seconds": 2}


@pytest.fixture
def gusto(tmp_path) -> Iterator[Running]:
    with running(tmp_path, employees=3, history=0, **FAST) as sandbox:
        yield sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def subscribe(gusto: Running, receiver: Receiver, *types: str) -> tuple[dict, str]:
    """A verified subscription and its verification token."""
    system = gusto.system_token()
    body = {"url": receiver.url, "subscription_types": list(types or ("Payroll",))}
    answer = gusto.call("POST", "/v1/webhook_subscriptions", system, json=body)
    assert answer.status_code == 201, answer.text
    token = wait_until(lambda: [row["verification_token"] for row in receiver.bodies() if "verification_token" in row])[
        0
    ]
    path = f"/v1/webhook_subscriptions/{answer.json()['uuid']}/verify"
    verified = gusto.call("PUT", path, system, json={"verification_token": token})
    assert verified.status_code == 200, verified.text
    return verified.json(), token


def ended(gusto: Running) -> list[dict]:
    rows: list[dict] = gusto.http.get(f"{gusto.address}/_sandbox/deliveries", timeout=10).json()["ended"]
    return rows


def settle(gusto: Running) -> None:
    wait_until(gusto.system.webhooks.is_idle)


def test_handshake(gusto, receiver):
    system = gusto.system_token()
    body = {"url": receiver.url, "subscription_types": ["Payroll", "Company"]}
    made = gusto.call("POST", "/v1/webhook_subscriptions", system, json=body).json()
    assert made["status"] == "pending"
    assert "verification_token" not in made
    headers, _ = wait_until(lambda: receiver.received)[0]
    assert "x-gusto-signature" not in headers
    token = receiver.bodies()[0]["verification_token"]
    assert set(receiver.bodies()[0]) == {"verification_token"}
    path = f"/v1/webhook_subscriptions/{made['uuid']}"
    wrong = gusto.call("PUT", f"{path}/verify", system, json={"verification_token": "wrong"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["message"] == "Invalid verification token"
    assert gusto.get(path, system).json()["status"] == "pending"
    assert gusto.get(f"{path}/request_verification_token", system).status_code == 200
    wait_until(lambda: len(receiver.received) == 2)
    assert receiver.bodies()[1]["verification_token"] == token
    assert (
        gusto.call("PUT", f"{path}/verify", system, json={"verification_token": token}).json()["status"] == "verified"
    )
    changed = gusto.call("PUT", path, system, json={"subscription_types": ["Employee"]}).json()
    assert changed["subscription_types"] == ["Employee"]
    assert [row["uuid"] for row in gusto.get("/v1/webhook_subscriptions", system).json()] == [made["uuid"]]
    assert gusto.call("DELETE", path, system).status_code == 204
    assert gusto.get(path, system).status_code == 404


def test_the_handshake_can_name_its_subscription(gusto, receiver):
    gusto.control("settings", handshake_names_subscription=True)
    subscription, _ = subscribe(gusto, receiver)
    assert receiver.bodies()[0]["webhook_subscription_uuid"] == subscription["uuid"]


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://receiver.example/hooks", "subscription_types": ["Payroll"]},
        {"url": "ftp://127.0.0.1/", "subscription_types": ["Payroll"]},
        {"url": "http://127.0.0.1:1/", "subscription_types": ["Department"]},
        {"url": "http://127.0.0.1:1/", "subscription_types": []},
        {"url": "http://127.0.0.1:1/"},
        {"subscription_types": ["Payroll"]},
    ],
)
def test_subscriptions_that_are_refused(gusto, body):
    assert gusto.call("POST", "/v1/webhook_subscriptions", gusto.system_token(), json=body).status_code == 422


def test_processing_sends_signed_events_that_the_feed_repeats(gusto, receiver):
    _, token = subscribe(gusto, receiver)
    gusto.company_token()
    payroll = gusto.open_payroll()
    assert gusto.control(f"payrolls/{payroll}/process").status_code == 200
    wait_until(lambda: len(receiver.events()) == 4)
    for headers, body in receiver.received[1:]:
        assert headers["x-gusto-signature"] == hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
    sent = {event["event_type"]: event for event in receiver.events()}
    assert set(sent) == {"company.provisioned", "payroll.calculated", "payroll.submitted", "payroll.processed"}
    event = sent["payroll.processed"]
    assert event["entity_uuid"] == payroll
    assert event["entity_type"] == "Payroll"
    assert (event["resource_type"], event["resource_uuid"]) == ("Company", gusto.company)
    assert isinstance(event["timestamp"], int)
    feed = gusto.get("/v1/events", gusto.system_token()).json()
    assert sorted(feed, key=lambda row: row["uuid"]) == sorted(sent.values(), key=lambda row: row["uuid"])
    assert gusto.get("/v1/webhooks/health_check", gusto.system_token()).json()["status"] == "healthy"


def test_only_wanted_types_and_only_connected_companies(gusto, receiver):
    subscribe(gusto, receiver, "Employee")
    gusto.system.process(gusto.open_payroll())
    settle(gusto)
    assert receiver.events() == []
    assert gusto.get("/v1/events", gusto.system_token()).json() == []
    gusto.company_token()
    gusto.system.process(gusto.system.create_payroll(gusto.company)["payroll_uuid"])
    wait_until(receiver.events)
    settle(gusto)
    assert [event["event_type"] for event in receiver.events()] == ["company.provisioned"]
    person = gusto.get(f"/v1/companies/{gusto.company}/employees", gusto.company_token()).json()[0]["uuid"]
    gusto.system.change_department(person, None)
    wait_until(lambda: "employee.updated" in {event["event_type"] for event in receiver.events()})


def test_a_subscription_that_is_not_verified_gets_no_events(gusto, receiver):
    body = {"url": receiver.url, "subscription_types": ["Payroll"]}
    gusto.call("POST", "/v1/webhook_subscriptions", gusto.system_token(), json=body)
    wait_until(lambda: receiver.received)
    gusto.company_token()
    gusto.system.process(gusto.open_payroll())
    settle(gusto)
    assert receiver.events() == []
    assert len(gusto.get("/v1/events", gusto.system_token()).json()) == 4


def test_deliveries_are_repeated_until_the_receiver_takes_them(gusto, receiver):
    subscribe(gusto, receiver)
    receiver.status = 500
    gusto.company_token()
    wait_until(lambda: len(receiver.events()) >= 4)
    receiver.status = 202
    settle(gusto)
    assert {event["uuid"] for event in receiver.events()} == {receiver.events()[0]["uuid"]}
    last = ended(gusto)[-1]
    assert last["result"] == "delivered"
    assert last["statuses"][-1] == 202
    assert set(last["statuses"][:-1]) == {500}


def test_sixteen_retries_then_given_up_and_unreachable_until_verified_again(gusto, receiver):
    gusto.control("settings", unreachable_after=1)
    subscription, token = subscribe(gusto, receiver)
    receiver.status = 410
    gusto.company_token()
    settle(gusto)
    assert len(receiver.events()) == 17
    assert ended(gusto)[-1]["result"] == "given_up"
    system = gusto.system_token()
    path = f"/v1/webhook_subscriptions/{subscription['uuid']}"
    assert gusto.get(path, system).json()["status"] == "unreachable"
    assert gusto.get("/v1/webhooks/health_check", system).json()["status"] == "unhealthy"
    receiver.status = 200
    gusto.system.process(gusto.open_payroll())
    settle(gusto)
    assert len(receiver.events()) == 17
    assert (
        gusto.call("PUT", f"{path}/verify", system, json={"verification_token": token}).json()["status"] == "verified"
    )
    gusto.system.create_payroll(gusto.company)
    wait_until(lambda: len(receiver.events()) == 18)


def test_a_redirect_or_silence_is_no_delivery(gusto, receiver):
    subscribe(gusto, receiver)
    receiver.status = 302
    gusto.company_token()
    wait_until(lambda: len(receiver.events()) >= 2)
    receiver.stop()
    wait_until(lambda: any(0 in row["statuses"] for row in gusto.system.store.all("outbox")))


def test_faults_lost_duplicate_late_and_wrongly_signed(gusto, receiver):
    _, token = subscribe(gusto, receiver)
    gusto.company_token()
    wait_until(receiver.events)
    settle(gusto)
    gusto.fault(fault="webhook_lost", path="payroll.calculated")
    gusto.fault(fault="webhook_duplicate", path="payroll.submitted", body=5)
    gusto.fault(fault="webhook_wrong_signature", path="payroll.processed")
    payroll = gusto.open_payroll()
    gusto.system.process(payroll)
    settle(gusto)
    counts = Counter(event["event_type"] for event in receiver.events())
    assert counts == {"company.provisioned": 1, "payroll.submitted": 5, "payroll.processed": 1}
    assert len({event["uuid"] for event in receiver.events() if event["event_type"] == "payroll.submitted"}) == 1
    for headers, body in receiver.received[1:]:
        is_right = headers["x-gusto-signature"] == hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
        assert is_right == (b"payroll.processed" not in body)
    # What was lost is still in the feed.
    feed = gusto.get("/v1/events", gusto.system_token(), event_type="payroll.*").json()
    assert [row["event_type"] for row in feed] == ["payroll.calculated", "payroll.submitted", "payroll.processed"]


def test_a_late_delivery_is_overtaken(gusto, receiver):
    subscribe(gusto, receiver)
    gusto.company_token()
    settle(gusto)
    gusto.fault(fault="webhook_late", path="payroll.processed", seconds=0.4)
    payroll = gusto.open_payroll()
    gusto.system.process(payroll)
    gusto.system.cancel(payroll, force=True)
    settle(gusto)
    order = [event["event_type"] for event in receiver.events()]
    assert order.index("payroll.cancelled") < order.index("payroll.processed")


def test_waiting_deliveries_survive_a_restart(tmp_path, receiver):
    with running(tmp_path, employees=2, companies=1, history=0, delivery_backoff_milliseconds=300) as first:
        subscribe(first, receiver)
        receiver.status = 503
        first.company_token()
        wait_until(receiver.events)
    receiver.status = 200
    tries = len(receiver.events())
    with running(tmp_path) as second:
        wait_until(lambda: len(receiver.events()) > tries)
        settle(second)
        assert ended(second)[-1]["result"] == "delivered"


def test_the_feed_pages_by_an_exclusive_cursor(gusto):
    gusto.company_token()
    for _ in range(9):
        gusto.system.process(gusto.system.create_payroll(gusto.company)["payroll_uuid"])
    system = gusto.system_token()
    everything = gusto.get("/v1/events", system, limit=100).json()
    assert len(everything) == 1 + 9 * 4
    assert len(gusto.get("/v1/events", system).json()) == 25
    collected: list[dict] = []
    cursor: dict[str, str] = {}
    while rows := gusto.get("/v1/events", system, limit=10, **cursor).json():
        collected += rows
        cursor = {"starting_after_uuid": rows[-1]["uuid"]}
    assert collected == everything
    assert gusto.get("/v1/events", system, limit=100, sort_order="desc").json() == everything[::-1]
    assert len(gusto.get("/v1/events", system, limit=100, event_type="payroll.processed").json()) == 9
    assert len(gusto.get("/v1/events", system, limit=100, event_type="*.provisioned").json()) == 1
    other = gusto.facts["companies"][1]["uuid"]
    assert gusto.get("/v1/events", system, resource_uuid=other).json() == []
    for query, key in (
        ({"starting_after_uuid": "unknown"}, "starting_after_uuid"),
        ({"resource_uuid": "unknown"}, "resource_uuid"),
        ({"limit": "101"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"sort_order": "up"}, "sort_order"),
    ):
        answer = gusto.get("/v1/events", system, **query)
        assert (answer.status_code, answer.json()["errors"][0]["error_key"]) == (422, key)


def test_the_feed_goes_back_thirty_days(gusto):
    gusto.company_token()
    first = gusto.get("/v1/events", gusto.system_token()).json()[0]
    gusto.control("clock", seconds=31 * 86_400)
    gusto.system.create_payroll(gusto.company)
    system = gusto.system_token()
    assert [row["event_type"] for row in gusto.get("/v1/events", system).json()] == ["payroll.created"]
    assert gusto.get("/v1/events", system, starting_after_uuid=first["uuid"]).status_code == 422
