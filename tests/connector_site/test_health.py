"""The health pages tell the truth, name no tenant, and answer even where nothing else does."""

from __future__ import annotations

import datetime
import uuid
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from audit import canary, work
from audit.models import WorkItem
from connector_site import health
from gusto.models import GustoApplication, PayrollRun, WebhookEvent
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope


@pytest.fixture
def worker_seen(db) -> None:
    canary.send()
    work.drain()


@pytest.fixture(autouse=True)
def counted_anew(monkeypatch) -> None:
    monkeypatch.setattr(health, "COUNTED_SECONDS", 0.0)


def failing(client) -> dict[str, str]:
    """Name and sentence of every line that does not pass."""
    answer = client.get("/health/ready")
    found = {line["name"]: line["sentence"] for line in answer.json()["checks"] if not line["is_passed"]}
    assert answer.status_code == (503 if found else 200)
    return found


def figures(client, **headers) -> dict[str, float]:
    text = client.get("/metrics", headers=headers).content.decode()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line.startswith("mlc_"))
    }


def test_live_asks_nothing(client):
    assert client.get("/health/live").json() == {"status": "live"}


def test_ready_when_everything_is_there(client, worker_seen):
    assert failing(client) == {}


def test_not_ready_without_a_worker(client, db):
    assert "No worker was seen ever" in failing(client)["worker"]


def test_not_ready_when_the_worker_went_silent(client, worker_seen):
    WorkItem.objects.filter(kind=canary.KIND).update(finished_at=timezone.now() - timedelta(minutes=9))
    assert "for 540 seconds" in failing(client)["worker"]


def test_not_ready_when_work_waits_too_long(client, worker_seen):
    moment = timezone.now() - timedelta(minutes=20)
    WorkItem.objects.create(kind="test.thing", tenant_id=uuid.uuid4(), due_at=moment, created_at=moment)
    assert "1200 seconds" in failing(client)["work"]


def test_work_that_is_due_later_is_not_late(client, worker_seen):
    moment = timezone.now()
    WorkItem.objects.create(kind="test.thing", due_at=moment + timedelta(hours=1), created_at=moment)
    canary.send()
    assert failing(client) == {}


def test_not_ready_when_secrets_cannot_be_opened(client, worker_seen, tenant, settings):
    with tenant_scope(tenant.id):
        Connection.objects.create(system="d365", name="Books", sealed_fields='{"client_secret": "hunter2"}')
    GustoApplication.objects.create(client_id="id", client_secret="hunter2")
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    sentence = failing(client)["keys"]
    assert "Gusto application" in sentence
    assert "hunter2" not in sentence


def test_not_ready_with_a_role_that_sees_everything(client, worker_seen):
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
    try:
        assert "Row-level security does not hold for" in failing(client)["role"]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


@pytest.mark.django_db(transaction=True)
def test_not_ready_and_still_live_without_a_database(client, settings):
    connection.close()
    host = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        assert failing(client) == {"database": "The database cannot be reached."}
        assert client.get("/health/live").status_code == 200
        assert figures(client)["mlc_database_up"] == 0
    finally:
        connection.settings_dict["HOST"] = host


def test_the_metrics_count_over_all_tenants_and_name_none(client, tenant, other_tenant, worker_seen):
    for number, one in enumerate((tenant, other_tenant)):
        with tenant_scope(one.id):
            entity = LegalEntity.objects.create(name=f"Entity {number}")
            PayrollRun.objects.create(
                legal_entity=entity, company_uuid="c", payroll_uuid="p", announced_at=timezone.now(), state="blocked"
            )
    WebhookEvent.objects.create(
        event_uuid="e", event_type="payroll.processed", resource_uuid="r", sent_at=datetime.datetime.now(datetime.UTC)
    )
    found = figures(client)
    assert found['mlc_payroll_runs{state="blocked"}'] == 2
    assert found['mlc_payroll_runs{state="read"}'] == 0
    assert found['mlc_postings{state="posted"}'] == 0
    assert found['mlc_webhook_events{state="stored"}'] == 1
    assert found['mlc_work_items{state="done"}'] == 1
    assert found["mlc_tenants"] == 2
    assert found["mlc_worker_seen_seconds"] < 60
    text = client.get("/metrics").content.decode()
    assert "Acme" not in text
    assert "acme" not in text


def test_the_oldest_due_item_is_measured(client, db):
    moment = timezone.now() - timedelta(seconds=90)
    WorkItem.objects.create(kind="test.thing", due_at=moment, created_at=moment)
    assert 89 < figures(client)["mlc_oldest_due_work_seconds"] < 95


def test_the_metrics_keep_to_their_token(client, db, settings):
    settings.METRICS_TOKEN = "a token for the scraper"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer something else"}).status_code == 401
    assert figures(client, Authorization="Bearer a token for the scraper")["mlc_database_up"] == 1


def test_the_pages_only_show(client, db):
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert client.post(path).status_code == 405
