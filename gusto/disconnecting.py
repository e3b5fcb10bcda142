"""End a company's grant: at Gusto first, then here, so that no access outlives our knowledge of it."""

from __future__ import annotations

from contextlib import suppress

from audit.trail import record
from gusto.answers import NotThere
from gusto.client import SystemClient
from gusto.models import CompanyRoute
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope


def disconnect(legal_entity: LegalEntity) -> None:
    """Gusto revokes every token of the company for our application; our copy is removed and the company is free to be
    connected elsewhere. The legal entity keeps its company: a reconnect must give the same one.

    Call outside any scope. Raises the four errors; nothing is removed then.
    """
    company_uuid = legal_entity.gusto_company_uuid
    if not company_uuid or legal_entity.gusto_connection_id is None:
        return
    # NotThere: no grant is left at Gusto, which is what was wanted.
    with SystemClient(about=f"legal entity {legal_entity.pk}") as client, suppress(NotThere):
        client.post(f"/v1/companies/{company_uuid}/disconnect_app_integration", {})
    assert legal_entity.tenant_id is not None, "a stored row has its tenant"
    with tenant_scope(legal_entity.tenant_id):
        connection = Connection.objects.select_for_update().get(pk=legal_entity.gusto_connection_id)
        connection.set_fields({"access_token": "", "refresh_token": "", "provisioned_digest": ""})
        connection.health, connection.health_sentence = Connection.Health.OFF, "Disconnected by an owner."
        connection.save(update_fields=["sealed_fields", "health", "health_sentence"])
        CompanyRoute.objects.filter(company_uuid=company_uuid, legal_entity_id=legal_entity.pk).delete()
        record(
            "gusto.disconnected",
            subject="legal_entity",
            subject_id=str(legal_entity.pk),
            legal_entity=legal_entity.name,
        )
