"""What an operator sees of an installation: connections, payroll runs and postings. No person and no secret."""

from __future__ import annotations

from typing import Any

from erp.models import Posting
from gusto.models import PayrollRun
from tenants.models import Connection, Tenant
from tenants.scope import tenant_scope


def report(slug: str = "") -> dict[str, list[dict[str, Any]]]:
    """Rows of all tenants, or of one. Amounts are Decimal, days are dates. Raises Tenant.DoesNotExist."""
    tenants = Tenant.objects.filter(is_installation=False).order_by("slug")
    if slug:
        tenants = tenants.filter(pk=Tenant.objects.get(slug=slug).pk)
    found: dict[str, list[dict[str, Any]]] = {"connections": [], "payroll_runs": [], "postings": []}
    for tenant in tenants:
        with tenant_scope(tenant.id):
            found["connections"] += [_connection(tenant, row) for row in Connection.objects.order_by("name")]
            runs = PayrollRun.objects.select_related("legal_entity").order_by("check_date", "id")
            found["payroll_runs"] += [_payroll_run(tenant, row) for row in runs]
            postings = Posting.objects.select_related("legal_entity", "payroll_run", "reverses")
            found["postings"] += [_posting(tenant, row) for row in postings.order_by("id")]
    return found


def _connection(tenant: Tenant, row: Connection) -> dict[str, Any]:
    return {
        "tenant": tenant.slug,
        "name": row.name,
        "system": row.system,
        "health": row.health,
        "sentence": row.health_sentence,
        "tested_at": row.tested_at,
        "succeeded_at": row.succeeded_at,
    }


def _payroll_run(tenant: Tenant, row: PayrollRun) -> dict[str, Any]:
    return {
        "tenant": tenant.slug,
        "legal_entity": row.legal_entity.name,
        "payroll_uuid": row.payroll_uuid,
        "check_date": row.check_date,
        "payroll_type": row.payroll_type,
        "employees": row.employees,
        "state": row.state,
        "reason": row.reason,
        "sentence": row.sentence,
    }


def _posting(tenant: Tenant, row: Posting) -> dict[str, Any]:
    return {
        "tenant": tenant.slug,
        "legal_entity": row.legal_entity.name,
        "company_code": row.company_code,
        "payroll_uuid": row.payroll_run.payroll_uuid,
        "check_date": row.payroll_run.check_date,
        "kind": row.kind,
        "sequence": row.sequence,
        "reverses": row.reverses.posting_key if row.reverses else "",
        "state": row.state,
        "reason": row.reason,
        "sentence": row.sentence,
        "posting_key": row.posting_key,
        "document_number": row.document_number,
        "posting_date": row.posting_date,
        "currency": row.currency,
        "debit": row.debit,
        "credit": row.credit,
        "line_count": row.line_count,
    }
