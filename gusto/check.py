"""What “Test connection” tries with a Gusto connection."""

from __future__ import annotations

import uuid

from audit.exchange import ExchangeError
from gusto.client import GustoClient
from gusto.models import WebhookSubscription
from tenants.checks import Check
from tenants.models import Connection
from tenants.scope import tenant_scope

#: Without these a payroll cannot be read back whole (gusto.md 2).
SCOPES = (
    "companies:read",
    "employees:read",
    "compensations:read",
    "departments:read",
    "payrolls:read",
    "pay_schedules:read",
    "company_benefits:read",
    "employee_benefits:read",
)
#: Permissions whose absence costs something, and what. Gusto gives them to an application on request.
SCOPES_USEFUL = {
    "jobs:read": "Jobs are then read from the employees.",
    "employments:read": "Hires and terminations are then not known.",
    "contractors:read": "Contractors are then not known.",
    "company_reports:read": "Gusto's own ledger report is then not compared.",
    "company_reports:write": "Gusto's own ledger report is then not compared.",
}


def check_gusto(connection_id: int, tenant_id: uuid.UUID) -> list[Check]:
    """Access, permissions, company, and whether notices arrive. See `tenants.checks`."""
    with tenant_scope(tenant_id):
        held = Connection.objects.get(pk=connection_id).stored_fields()
    company_uuid = held.get("company_uuid", "")
    lines: list[Check] = []
    with GustoClient(connection_id, tenant_id) as client:
        try:
            info = client.fetch("/v1/token_info", private=False).document
        except ExchangeError as error:
            return [Check(name="Access", is_passed=False, sentence=error.sentence)]
        resource = info.get("resource") if isinstance(info, dict) else None
        is_ours = isinstance(resource, dict) and resource.get("uuid") == company_uuid
        lines.append(
            Check(
                name="Access",
                is_passed=is_ours,
                sentence="Gusto accepts our access."
                if is_ours
                else "Gusto gives access to another company. An owner has to connect Gusto again.",
            )
        )
        lines.append(_permissions(str(info.get("scope", "")) if isinstance(info, dict) else ""))
        try:
            client.fetch(f"/v1/companies/{company_uuid}")
        except ExchangeError as error:
            lines.append(Check(name="Company", is_passed=False, sentence=error.sentence))
        else:
            lines.append(Check(name="Company", is_passed=True, sentence="The company can be read."))
    lines.append(_notices())
    return lines


def _permissions(scope: str) -> Check:
    given = set(scope.split())
    missing = [name for name in SCOPES if name not in given]
    if missing:
        sentence = f"Gusto has not given our application: {', '.join(missing)}. The operator asks Gusto to add them."
        return Check(name="Permissions", is_passed=False, sentence=sentence)
    lost = {what: name for name, what in SCOPES_USEFUL.items() if name not in given}
    sentence = "All permissions are there." if not lost else f"Enough permissions are there. {' '.join(lost)}"
    return Check(name="Permissions", is_passed=True, sentence=sentence)


def _notices() -> Check:
    """Passed in both cases: without webhooks the events feed brings every notice, only later."""
    is_verified = WebhookSubscription.objects.filter(
        state=WebhookSubscription.State.VERIFIED, application__is_active=True
    ).exists()
    sentence = (
        "Gusto sends us its notices."
        if is_verified
        else "Gusto's webhook is not verified yet. Until then we ask for notices every five minutes."
    )
    return Check(name="Notices", is_passed=True, sentence=sentence)
