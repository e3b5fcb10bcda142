"""The stored trace tells what the allocation knew: every row of it, and of its contra journal, with the line behind it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from erp.building import keep
from erp.models import Posting
from erp.traces import contra_trace_of, trace_of, trace_rows
from gusto.models import PayrollRun
from mappings.allocation import Allocation, allocate
from mappings.models import MappingTable
from mappings.payroll import PayrollHeader
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.mappings.runs import run, table

HEADER = run(
    """
    earning       Hours           E01 J1 Cafe    100.10
    earning       Hours           E02 J2 Bakery  200.20
    employer_tax  FUTA            E01 J1 Cafe    3.01
    other_deduction  Loan         E02 - Bakery   20.00
    net_pay       Direct Deposit  E01 - Cafe     100.10
    net_pay       Direct Deposit  E02 - Bakery   180.20
    """
)


@pytest.fixture
def entity(tenant: Tenant) -> LegalEntity:
    with tenant_scope(tenant.pk):
        erp = Connection.objects.create(system="d365", name="Dynamics 365")
        entity: LegalEntity = LegalEntity.objects.create(name="Harbor Foods", erp_connection=erp, company_code="US01")
        MappingTable.objects.create(legal_entity=entity, version=1, valid_from=date(2025, 1, 1), created_by="bob")
    return entity


def kept(entity: LegalEntity, header: PayrollHeader, allocation: Allocation, trace: bytes) -> Posting:
    """The only journal of an allocation, frozen with a trace, inside a scope."""
    (journal,) = allocation.journals
    payroll_run = PayrollRun.objects.create(
        legal_entity=entity, company_uuid=header.company_uuid, payroll_uuid=header.payroll_uuid, state="read",
        announced_at=timezone.now(), read_at=timezone.now(), check_date=header.check_date,
    )  # fmt: skip
    posting: Posting = keep(payroll_run, entity, MappingTable.objects.get(), journal, [], trace, prepared_by=["bob"])
    return posting


def rows_of(posting: Posting) -> list[dict[str, Any]]:
    return [row for line in posting.lines.all() for row in trace_rows(posting, line.number)]


def test_every_row_comes_back_with_its_payroll_line(entity: LegalEntity):
    allocation = allocate(HEADER, table())
    lines = {line.number: line for line in HEADER.lines}
    with tenant_scope(entity.tenant_id):
        posting = kept(entity, HEADER, allocation, trace_of(allocation.trace.of_journal(0), HEADER))
        found = rows_of(posting)
        assert len(found) == len(allocation.trace) == 7
        told = {(row["journal_line"], row["line"], row["rule"], row["target"], row["amount"]) for row in found}
        assert told == {(row.journal_line, row.line, row.rule, row.target, row.amount) for row in allocation.trace}
        for row in found:
            line = lines[row["line"]]
            assert (row["kind"], row["component"]) == (line.kind, line.component)
            assert (row["employee"], row["job"], row["department"]) == (line.employee, line.job, line.department)
        for each in posting.lines.all():
            side = "debit" if each.debit else "credit"
            amounts = [row["amount"] for row in trace_rows(posting, each.number) if row["side"] == side]
            assert sum(amounts, Decimal(0)) == (each.debit or each.credit)


def test_the_trace_of_a_contra_journal_has_every_amount_turned(entity: LegalEntity):
    allocation = allocate(HEADER, table())
    with tenant_scope(entity.tenant_id):
        posting = kept(entity, HEADER, allocation, trace_of(allocation.trace, HEADER))
        before, turned = rows_of(posting), contra_trace_of(posting)
        posting.delete()
        PayrollRun.objects.get().delete()
        contra = kept(entity, HEADER, allocation, turned)
        after = rows_of(contra)
    assert {row["leg"] for row in after} == {"contra"}
    assert [(row["line"], -row["amount"]) for row in after] == [(row["line"], row["amount"]) for row in before]


def test_a_line_without_a_trace_has_no_rows(entity: LegalEntity):
    allocation = allocate(HEADER, table())
    with tenant_scope(entity.tenant_id):
        posting = kept(entity, HEADER, allocation, trace_of(allocation.trace, HEADER))
        assert list(trace_rows(posting, 99)) == []
