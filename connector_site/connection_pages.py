"""Connections in the console: one box for each, which says how it stands, what it last brought, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from audit import checks, trail
from connector_site.onboarding import is_moving
from erp.connector import CONNECTORS
from erp.models import ReferenceSnapshot
from gusto.models import LastSweep
from tenants.admin import RoleAdmin, has_role
from tenants.credentials import declaration, is_loopback_name
from tenants.models import Connection, LegalEntity, Role

READ_REFERENCE = "erp.read_reference"
DISCONNECTED = "Disconnected by an owner."


@dataclass(frozen=True, slots=True)
class Box:
    """One connection as the page shows it."""

    connection: Connection
    system: str
    entities: list[LegalEntity]
    snapshot: ReferenceSnapshot | None
    sweep: LastSweep | None
    is_sandbox: bool
    is_testing: bool
    is_reading: bool

    @property
    def is_erp(self) -> bool:
        return self.connection.system in CONNECTORS

    @property
    def is_off(self) -> bool:
        return self.connection.health == Connection.Health.OFF

    @property
    def company_codes(self) -> str:
        """Those that payroll goes to by default; for Gusto the companies."""
        names = {entity.company_code if self.is_erp else entity.name for entity in self.entities}
        return ", ".join(sorted(names - {""}))

    @property
    def accounts(self) -> int:
        return int(self.snapshot.counts.get("main accounts", 0)) if self.snapshot else 0

    @property
    def new_accounts(self) -> int:
        return int(self.snapshot.counts.get("new main accounts", 0)) if self.snapshot else 0


def boxes() -> list[Box]:
    """Every connection of the tenant, Gusto's last, inside a scope; a constant number of queries and two for each."""
    entities = list(LegalEntity.objects.order_by("name"))
    snapshots = {found.connection_id: found for found in ReferenceSnapshot.objects.all()}
    sweeps = {found.legal_entity_id: found for found in LastSweep.objects.all()}
    found = []
    for connection in Connection.objects.order_by("name"):
        is_gusto = connection.system == "gusto"
        mine = [
            entity
            for entity in entities
            if (entity.gusto_connection_id if is_gusto else entity.erp_connection_id) == connection.pk
        ]
        found.append(
            Box(
                connection=connection,
                system=declaration(connection.system).label,
                entities=mine,
                snapshot=snapshots.get(connection.pk),
                sweep=next((sweeps[entity.pk] for entity in mine if entity.pk in sweeps), None) if is_gusto else None,
                is_sandbox=_is_sandbox(connection),
                is_testing=is_moving(connection.tenant_id, checks.KIND, str(connection.pk)),
                is_reading=not is_gusto and is_moving(connection.tenant_id, READ_REFERENCE, str(connection.pk)),
            )
        )
    return sorted(found, key=lambda box: (not box.is_erp, box.connection.name))


def _is_sandbox(connection: Connection) -> bool:
    """Whether an address of it leads to this machine, where only sandboxes answer."""
    values = connection.fields
    addresses = [values.get(field.name, "") for field in declaration(connection.system).fields if field.is_address]
    return any(is_loopback_name(urlsplit(address).hostname or "") for address in addresses if address)


def listed(page: RoleAdmin, request: HttpRequest) -> HttpResponse:
    """The Connections screen."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    shown = boxes()
    context = {
        **page.admin_site.each_context(request),
        "title": "Connections",
        "crumbs": [("Connections", "")],
        "boxes": shown,
        "is_moving": any(box.is_testing or box.is_reading for box in shown),
        "may_change": has_role(request, (Role.OWNER,)),
        "empty_sentence": page.empty_words(request),
    }
    return TemplateResponse(request, "tenants/connections.html", context)


def disconnect(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Say what stops and what is kept, then switch an ERP's connection off. Gusto's ends at Gusto first (`gusto.connect`)."""
    connection = page.get_object(request, str(object_id))
    if connection is None or not has_role(request, (Role.OWNER,)):
        raise Http404
    back = reverse("admin:tenants_connection_changelist")
    is_erp = connection.system in CONNECTORS
    entities = LegalEntity.objects.filter(**{"erp_connection" if is_erp else "gusto_connection": connection})
    if connection.health == Connection.Health.OFF:
        return HttpResponseRedirect(back)
    if request.method == "POST" and is_erp:
        locked = Connection.objects.select_for_update().get(pk=connection.pk)
        secrets = [field.name for field in declaration(locked.system).fields if field.is_secret]
        locked.set_fields(dict.fromkeys(secrets, ""))
        locked.health, locked.health_sentence, locked.checks = Connection.Health.OFF, DISCONNECTED, []
        locked.save(update_fields=["sealed_fields", "health", "health_sentence", "checks"])
        trail.record("connection.disconnected", subject="connection", subject_id=str(locked.pk), name=locked.name)
        messages.success(request, f"{locked.name} is disconnected.")
        return HttpResponseRedirect(back)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Disconnect {connection.name}",
        "crumbs": [("Connections", back), (f"Disconnect {connection.name}", "")],
        "connection": connection,
        "is_erp": is_erp,
        "entities": list(entities),
        "back": back,
    }
    return TemplateResponse(request, "tenants/disconnect.html", context)
