"""A running sandbox, the installation's application at it, and legal entities that are connected to its companies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from audit import work
from audit.models import WorkItem
from gusto import webhook
from gusto.models import GustoApplication
from gusto.oauth import connect_with_refresh_token
from tenants.models import LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.gusto.running_sandbox import Running, running


@pytest.fixture
def gusto(tmp_path) -> Iterator[Running]:
    with running(tmp_path, employees=3, companies=2, history=1) as found:
        yield found


@pytest.fixture
def application(db, gusto: Running) -> GustoApplication:
    # Keys outlive a test's rows in this process, as they outlive a change for a moment in production.
    webhook.keys.forget()
    return GustoApplication.objects.create(
        client_id=gusto.facts["client_id"], client_secret=gusto.facts["client_secret"], api_url=gusto.address
    )


def legal_entity_of(tenant: Tenant, name: str = "Acme Bakery LLC", **fields: object) -> LegalEntity:
    with tenant_scope(tenant.id):
        return LegalEntity.objects.create(name=name, **fields)


@pytest.fixture
def legal_entity(tenant: Tenant) -> LegalEntity:
    return legal_entity_of(tenant)


def connect(gusto: Running, legal_entity: LegalEntity, company_uuid: str = "") -> LegalEntity:
    """Connect a legal entity to a company of the sandbox (the first unless named), as the provision file does."""
    pair = gusto.system.connect(company_uuid or gusto.company)
    assert connect_with_refresh_token(legal_entity, pair["refresh_token"])
    with tenant_scope(legal_entity.tenant_id):
        return LegalEntity.objects.get(pk=legal_entity.pk)


@pytest.fixture
def connected(application: GustoApplication, gusto: Running, legal_entity: LegalEntity) -> LegalEntity:
    """Acme Bakery LLC, connected to the sandbox's first company."""
    return connect(gusto, legal_entity)


def requests_to(gusto: Running, path: str) -> list[int]:
    """The statuses of all requests that the sandbox got at this path, in order."""
    with gusto.server.log_lock:
        return [entry["status"] for entry in gusto.server.log if entry["path"] == path]


def do(kind: str, ref: str = "", tenant_id: Any = None) -> WorkItem:
    """Do one work item of this kind now and nothing else; returns its row as it is afterwards."""
    WorkItem.objects.filter(state=WorkItem.State.READY).delete()
    work.enqueue(kind, ref, tenant_id=tenant_id)
    claim = work.claim()
    assert claim is not None
    work.run(claim)
    return WorkItem.objects.filter(kind=kind, ref=ref).order_by("-pk")[0]


def is_due(kind: str, ref: str = "") -> bool:
    return WorkItem.objects.filter(kind=kind, ref=ref, state=WorkItem.State.READY).exists()
