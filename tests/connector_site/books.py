"""A tenant with everything that a page or the API can show: one payroll run and its journal in a wanted state, the
mapping and reference data behind it, an exchange, entries of the trail. Written straight into the tables, so that a
test of pages needs no worker and no sandbox; what the pages do is then real.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from audit import trail
from audit.models import Exchange
from erp.models import Posting, PostingAttempt, PostingLine, PostingTrace, ReferenceSnapshot
from gusto.models import Employee, PayrollRun
from mappings.models import (
    Crosswalk,
    Dimension,
    DimensionValue,
    FiscalPeriod,
    MainAccount,
    MappingRule,
    MappingTable,
    SourceCode,
)
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tenants.secrets import sealed

#: (main account, cost center, debit, credit, text): 30,000.00 on each side.
LINES = [
    ("6000", "100", "18000.00", "0.00", "Wages Production"),
    ("6000", "200", "9000.50", "0.00", "Wages Sales"),
    ("6100", "100", "2999.50", "0.00", "Employer taxes Production"),
    ("2110", "", "0.00", "30000.00", "Net pay direct deposit, taxes"),
]
ACCOUNTS = {"6000": "Wages and salaries", "6100": "Employer payroll taxes", "2110": "Payroll clearing, Gusto"}
TOTAL = Decimal("30000.00")
CHECK_DATE = date(2026, 11, 13)
#: What stands behind the journal lines: (journal line, component, employee, amount, rule without its mark).
TRACE = [
    (1, "Regular Hours", "ann", "8000.00", "R01"), (1, "Regular Hours", "ben", "9000.00", "R01"),
    (1, "Overtime", "ben", "1000.00", "R01"), (2, "Regular Hours", "cleo", "9000.50", "R01"),
]  # fmt: skip
#: Must never be seen on any page.
SECRET = "d365-secret-that-nobody-may-see"
TOKEN = "gusto-token-that-nobody-may-see"


@dataclass
class Books:
    """What a test holds of one tenant."""

    tenant: Tenant
    entity: LegalEntity
    erp: Connection
    gusto: Connection
    table: MappingTable
    draft: MappingTable
    run: PayrollRun
    posting: Posting
    exchange: Exchange
    entry_id: int

    def again(self) -> Posting:
        """The posting as it stands now."""
        with tenant_scope(self.tenant.id):
            return Posting.objects.get(pk=self.posting.pk)

    def change(self, **values: Any) -> None:
        """Put the posting into another state, as a worker would have."""
        with tenant_scope(self.tenant.id):
            Posting.objects.filter(pk=self.posting.pk).update(**values)

    def change_run(self, **values: Any) -> None:
        with tenant_scope(self.tenant.id):
            PayrollRun.objects.filter(pk=self.run.pk).update(**values)


def books(tenant: Tenant, mark: str = "Harbor", state: str = "allocated", **posting: Any) -> Books:
    """`mark` is in every name and id, so that a test can look for it where it must not be."""
    with tenant_scope(tenant.id):
        return _fill(tenant, mark, {"state": state, **posting})


def _fill(tenant: Tenant, mark: str, posting_values: dict[str, Any]) -> Books:
    now = timezone.now()
    low = mark.lower()
    erp = Connection(system="d365", name=f"{mark} Dynamics", health="healthy", succeeded_at=now)
    erp.set_fields(
        {
            "environment": f"https://{low}.operations.dynamics.com", "directory_id": "11111111-2222-3333-4444-555555555555",
            "client_id": "66666666-7777-8888-9999-000000000000", "client_secret": SECRET, "journal_name": "PAYROLL",
        }
    )  # fmt: skip
    erp.save()
    gusto = Connection(system="gusto", name=f"{mark} Gusto", health="healthy", succeeded_at=now)
    gusto.set_fields({"access_token": TOKEN, "refresh_token": TOKEN, "company_uuid": f"{low}-company"})
    gusto.save()
    entity = LegalEntity.objects.create(
        name=f"{mark} Foods", erp_connection=erp, gusto_connection=gusto, company_code=f"{low[:4]}1",
        gusto_company_uuid=f"{low}-company",
    )  # fmt: skip
    code = entity.company_code
    ReferenceSnapshot.objects.create(
        connection=erp, read_at=now, digest="0", company_codes=[[code, f"{mark} Inc.", "USD"]],
        counts={"main accounts": len(ACCOUNTS), "fiscal periods": 1},
    )  # fmt: skip
    MainAccount.objects.bulk_create(
        MainAccount(connection=erp, company_code=code, number=number, name=f"{name} {mark}")
        for number, name in ACCOUNTS.items()
    )
    Dimension.objects.create(connection=erp, name="CostCenter")
    DimensionValue.objects.create(connection=erp, dimension="CostCenter", value="100", name=f"{mark} production")
    DimensionValue.objects.create(connection=erp, dimension="CostCenter", value="200", name=f"{mark} sales")
    FiscalPeriod.objects.create(
        connection=erp, company_code=code, name=f"{mark} 11", start_date=date(2026, 11, 1), end_date=date(2026, 11, 30),
        is_open=True,
    )  # fmt: skip
    SourceCode.objects.create(
        legal_entity=entity, kind="earning", component=f"{mark} Regular Hours", first_seen_date=CHECK_DATE,
        last_seen_date=CHECK_DATE,
    )  # fmt: skip
    table = _version(entity, 1, mark, MappingTable.State.DRAFT)
    MappingTable.objects.filter(pk=table.pk).update(
        state=MappingTable.State.APPROVED, approved_by="dana", approved_at=now
    )
    table.refresh_from_db()
    draft = _version(entity, 2, mark, MappingTable.State.DRAFT)
    run = PayrollRun.objects.create(
        legal_entity=entity, company_uuid=f"{low}-company", payroll_uuid=f"{low}-payroll", state="read",
        payroll_type="regular", check_date=CHECK_DATE, period_start=date(2026, 10, 26), period_end=date(2026, 11, 8),
        employees=9, announced_at=now, read_at=now,
        tie_out=[
            {"name": "T8 debits", "equation": "gross pay = debits", "left": "30000.00", "right": "30000.00",
             "difference": "0.00", "verdict": "equal", "note": ""},
        ],
    )  # fmt: skip
    posting = Posting.objects.create(
        **{
            "legal_entity": entity, "payroll_run": run, "connection": erp, "mapping_table": table, "kind": "PAYROLL",
            "company_code": code, "posting_key": f"{mark.upper()[:7]}KEY0001", "posting_date": CHECK_DATE,
            "document_date": CHECK_DATE, "currency": "USD", "header_text": f"Gusto payroll {mark}", "debit": TOTAL,
            "credit": TOTAL, "line_count": len(LINES), "journal_digest": "0" * 64, "prepared_by": ["bob"], **posting_values,
        }
    )  # fmt: skip
    PostingLine.objects.bulk_create(
        PostingLine(
            posting=posting, number=number, main_account=account, debit=Decimal(debit), credit=Decimal(credit), text=text,
            dimensions=[["CostCenter", center]] if center else [],
        )
        for number, (account, center, debit, credit, text) in enumerate(LINES, 1)
    )  # fmt: skip
    trace = {
        "lines": {
            str(number): ["earning", component, f"{low}-{who}", f"E-{who}", f"{mark} Production", ""]
            for number, (_, component, who, _, _) in enumerate(TRACE, 1)
        },
        "blocks": [
            [line, "6000", [], "debit", [["natural", f"{mark}-{rule}", 1, {str(number): int(Decimal(amount) * 100)}]]]
            for number, (line, _, _, amount, rule) in enumerate(TRACE, 1)
        ],
    }
    PostingTrace.objects.create(posting=posting, sealed=sealed(zlib.compress(json.dumps(trace).encode())))
    Employee.objects.bulk_create(
        Employee(
            legal_entity=entity, employee_uuid=f"{low}-{who}", sealed_name=f"{who.capitalize()} of {mark}", read_at=now
        )
        for who in ("ann", "ben", "cleo")
    )
    PostingAttempt.objects.create(posting=posting, step="find", started_at=now, finished_at=now, outcome="absent")
    exchange = Exchange.objects.create(
        system="d365", about=posting.posting_key, method="GET", host=f"{low}.operations.dynamics.com", path="/data/Ledgers",
        started_at=datetime(2026, 11, 13, 6, 12, tzinfo=UTC), outcome="answered", status=200, request_id="request-1",
    )  # fmt: skip
    entry = trail.record(
        "posting.allocated", subject="posting", subject_id=posting.posting_key, by="", posting_key=posting.posting_key,
        lines=len(LINES), debit=TOTAL, company_code=code,
    )  # fmt: skip
    return Books(tenant, entity, erp, gusto, table, draft, run, posting, exchange, entry.pk)


def _version(entity: LegalEntity, version: int, mark: str, state: str) -> MappingTable:
    table: MappingTable = MappingTable.objects.create(
        legal_entity=entity, version=version, valid_from=date(2026, version, 1), state=state, created_by="bob",
        changed_by=["bob"], note=f"{mark} {version}",
    )  # fmt: skip
    MappingRule.objects.create(
        mapping_table=table, rule=f"{mark}-R01", kind="earning", side="debit", main_account="6000",
        dimensions="CostCenter=@department",
    )  # fmt: skip
    Crosswalk.objects.create(
        mapping_table=table, source_kind="department", source_value=f"{mark} Production", target="CostCenter",
        target_value="100",
    )  # fmt: skip
    return table
