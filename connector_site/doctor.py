"""Looks at everything an installation depends on, signs in to every outside system, and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.exchange import ExchangeError
from audit.models import WorkItem
from connector_site import checks, health
from gusto.client import SystemClient
from gusto.models import GustoApplication, WebhookSubscription
from mappings.models import MappingTable
from tenants import checks as connection_checks
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tenants.secrets import SecretUnreadable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `where` is a place an operator knows: database, worker, a tenant's connection."""

    where: str
    is_passed: bool
    sentence: str


def examine(slug: str = "") -> Iterator[Finding]:
    """Findings as they are made; calls outside, so it takes a while. `slug`: only this tenant's part is about tenants."""
    yield from _database()
    yield from _work()
    yield from _gusto()
    tenants = Tenant.objects.filter(is_installation=False).order_by("slug")
    if slug:
        tenants = tenants.filter(slug=slug)
    if not tenants:
        yield Finding("tenants", False, "There is no tenant yet. Create one with manage.py provision.")
    for tenant in tenants:
        yield from _tenant(tenant)


def _database() -> Iterator[Finding]:
    found = [*checks.check_settings(None), *checks.check_database(None, ["default"])]
    for message in found:
        yield Finding("installation", False, f"{message.msg} {message.hint} ({message.id})")
    if not found:
        yield Finding("installation", True, "Database, role, migrations, keys and worker are as they should be.")


def _work() -> Iterator[Finding]:
    seconds = health.oldest_due_seconds()
    if seconds > health.OLDEST_SECONDS_MAX:
        yield Finding("work", False, f"The oldest due work item has waited for {round(seconds)} seconds.")
    for item in WorkItem.objects.filter(state=WorkItem.State.EXHAUSTED).order_by("-finished_at")[:10]:
        yield Finding(
            "work", False, f"{item.kind} {item.ref} was given up after {item.attempts} times: {item.sentence}"
        )


def _gusto() -> Iterator[Finding]:
    where = "Gusto application"
    application = GustoApplication.objects.filter(is_active=True).first()
    if application is None:
        yield Finding(where, False, "There is none. Set [gusto_application] in a provision file.")
        return
    try:
        with SystemClient(about="doctor") as client:
            client.fetch("/v1/webhook_subscriptions", private=False)
    except ExchangeError as error:
        yield Finding(where, False, error.sentence)
        return
    yield Finding(where, True, f"{application.api_url} accepts our client id and secret.")
    verified = WebhookSubscription.objects.filter(application=application, state=WebhookSubscription.State.VERIFIED)
    yield Finding(
        "Gusto webhook",
        verified.exists(),
        "Gusto sends its notices here."
        if verified.exists()
        else "It is not verified; until it is, notices come from the events feed every few minutes.",
    )


def _tenant(tenant: Tenant) -> Iterator[Finding]:
    try:
        with tenant_scope(tenant.id):
            connections = list(Connection.objects.exclude(health=Connection.Health.OFF).order_by("name"))
            entities = list(LegalEntity.objects.order_by("name"))
            mapped = set(
                MappingTable.objects.filter(state=MappingTable.State.APPROVED).values_list("legal_entity_id", flat=True)
            )
    except SecretUnreadable:
        # The installation's own part has said so already; without them nothing more can be asked.
        yield Finding(tenant.slug, False, "The connections' secrets cannot be opened with FIELD_ENCRYPTION_KEYS.")
        return
    for connection in connections:
        yield from _connection(tenant, connection)
    for entity in entities:
        missing = [
            sentence
            for is_missing, sentence in (
                (entity.gusto_connection_id is None, "it is not connected to Gusto"),
                (entity.erp_connection_id is None, "it has no ERP connection"),
                (not entity.company_code, "it has no company code"),
                (entity.pk not in mapped, "it has no approved mapping version"),
            )
            if is_missing
        ]
        where = f"{tenant.slug} / {entity.name}"
        if missing:
            yield Finding(where, False, f"Its payrolls cannot be posted: {', '.join(missing)}.")
        else:
            yield Finding(where, True, "Connected on both sides and mapped.")


def _connection(tenant: Tenant, connection: Connection) -> Iterator[Finding]:
    where = f"{tenant.slug} / {connection.name}"
    try:
        lines = connection_checks.run(connection)
    except KeyError:
        yield Finding(where, False, f"Nobody here knows how to sign in to “{connection.system}”.")
        return
    except ExchangeError as error:
        yield Finding(where, False, error.sentence)
        return
    for line in lines:
        yield Finding(where, line["is_passed"], f"{line['name']}: {line['sentence']}")
