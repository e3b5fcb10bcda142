"""“Test connection” for Gusto, as a worker does it: what is stored, and what people hear."""

from __future__ import annotations

import pytest

from audit import checks
from audit.models import AuditEntry, WorkItem
from audit.trail import sentence
from gusto.models import WebhookSubscription
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.gusto.conftest import connect, do, legal_entity_of

pytestmark = pytest.mark.django_db


def checked(entity) -> Connection:
    item = do(checks.KIND, str(entity.gusto_connection_id), entity.tenant_id)
    assert item.state == WorkItem.State.DONE
    with tenant_scope(entity.tenant_id):
        return Connection.objects.get(pk=entity.gusto_connection_id)


def lines(connection: Connection) -> dict[str, bool]:
    return {line["name"]: line["is_passed"] for line in connection.checks}


def told(tenant) -> list[str]:
    with tenant_scope(tenant.id):
        wanted = ["connection.tested", "connection.broken", "connection.healed"]
        return [sentence(entry) for entry in AuditEntry.objects.filter(action__in=wanted).order_by("number")]


def test_everything_works(connected, application, gusto, tenant):
    WebhookSubscription.objects.create(application=application, subscription_uuid="x", state="verified")
    found = checked(connected)
    assert lines(found) == {"Access": True, "Permissions": True, "Company": True, "Notices": True}
    assert found.checks[-1]["sentence"] == "Gusto sends us its notices."
    assert found.health == Connection.Health.HEALTHY
    assert found.tested_at is not None
    assert told(tenant) == ["Connection Gusto: Acme Bakery LLC was tested: everything works."]


def test_without_a_webhook_it_works_and_says_so(connected):
    found = checked(connected)
    assert found.health == Connection.Health.HEALTHY
    assert "every five minutes" in found.checks[-1]["sentence"]


def test_missing_permissions_are_named(application, gusto, tenant):
    gusto.system.change_application(scopes=["companies:read", "employees:read", "payrolls:read"])
    entity = connect(gusto, legal_entity_of(tenant))
    found = checked(entity)
    assert lines(found) == {"Access": True, "Permissions": False, "Company": True, "Notices": True}
    assert "departments:read" in found.health_sentence
    assert "companies:read" not in found.health_sentence
    assert found.health == Connection.Health.BROKEN


def test_what_is_only_useful_breaks_nothing(application, gusto, tenant):
    scopes = [name for name in gusto.system.state.application()["scopes"] if not name.startswith("company_reports")]
    gusto.system.change_application(scopes=scopes)
    found = checked(connect(gusto, legal_entity_of(tenant)))
    assert found.health == Connection.Health.HEALTHY
    [permissions] = [line["sentence"] for line in found.checks if line["name"] == "Permissions"]
    assert "ledger report is then not compared" in permissions


@pytest.mark.django_db(transaction=True)
def test_it_breaks_and_heals_and_each_is_told_once(connected, gusto, tenant):
    gusto.system.revoke_grant(gusto.company)
    for _ in range(2):
        found = checked(connected)
    assert lines(found) == {"Access": False}
    assert found.health == Connection.Health.BROKEN
    connect(gusto, connected)
    checked(connected)
    name = "Connection Gusto: Acme Bakery LLC"
    ended = "Gusto ended our access to this company. An owner has to connect Gusto again."
    assert told(tenant) == [
        f"{name} stopped working: {ended}",
        f"{name} was tested: 1 of 1 checks failed.",
        f"{name} was tested: 1 of 1 checks failed.",
        f"{name} works again.",
        f"{name} was tested: everything works.",
    ]


def test_gusto_that_cannot_be_reached_is_an_answer_too(connected, gusto):
    gusto.fault(fault="status", status=503, path="token_info")
    found = checked(connected)
    assert lines(found) == {"Access": False}


def test_a_connection_that_is_gone_or_off_is_left_alone(connected, tenant):
    assert do(checks.KIND, "999999", tenant.id).state == WorkItem.State.DONE
    with tenant_scope(tenant.id):
        Connection.objects.update(health=Connection.Health.OFF)
    assert checked(connected).health == Connection.Health.OFF
