"""A legal entity with a ledger's reference data, an approved mapping and a payroll that came as a file, for tests of the
mapping pages: everything as the product keeps it, without a worker or a sandbox.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.test import Client

from gusto.files import add, read_file
from mappings.models import Crosswalk, Dimension, DimensionValue, MainAccount, MappingRule, MappingTable
from mappings.tables import new_draft
from tenants.models import Connection, LegalEntity, Tenant, User
from tenants.scope import tenant_scope
from tests.gusto.payroll_files import csv_file, line_rows
from tests.mappings.versions import approve

JANUARY = datetime.date(2026, 1, 1)
ACCOUNTS = {
    "6000": "Wages and salaries", "6015": "Bonus, billable", "6100": "Employer payroll taxes", "6200": "Employer benefits",
    "6230": "Employee wellness", "6300": "Travel expenses", "2110": "Payroll clearing, Gusto", "2150": "Benefits payable",
    "2105": "Payroll checks outstanding",
}  # fmt: skip
#: rule, kind, component, side, account: what the approved version catches.
RULES = [
    ("R01", "earning", "Regular Hours", "debit", "6000"),
    ("R02", "earning", "Bonus", "debit", "6015"),
    ("R03", "employer_tax", "", "debit", "6100"),
    ("R03", "employer_tax", "", "credit", "2110"),
    ("R04", "employee_tax", "", "credit", "2110"),
    ("R05", "net_pay", "", "credit", "2110"),
]
#: kind, component, employee, job, department, amount: a payroll of three people that adds up.
LINES = [
    ("earning", "Regular Hours", "E01", "Baker", "Production", "2000.00", ""),
    ("earning", "Regular Hours", "E02", "Clerk", "Sales", "3000.00", ""),
    ("earning", "Wellness Stipend", "E01", "Baker", "Production", "150.00", ""),
    ("earning", "Wellness Stipend", "E02", "Clerk", "Sales", "150.00", ""),
    ("earning", "Bonus", "E03", "Clerk", "Sales", "400.00", ""),
    ("employer_tax", "Social Security", "E01", "", "Production", "124.00", ""),
    ("employer_tax", "Social Security", "E02", "", "Sales", "186.00", ""),
    ("net_pay", "Direct Deposit", "E01", "", "Production", "2150.00", ""),
    ("net_pay", "Direct Deposit", "E02", "", "Sales", "3150.00", ""),
    ("net_pay", "Direct Deposit", "E03", "", "Sales", "400.00", ""),
]
JUNE, MAY = datetime.date(2026, 6, 26), datetime.date(2026, 5, 29)


@dataclass
class Mapped:
    """One legal entity, its ledger and its approved version."""

    tenant: Tenant
    entity: LegalEntity
    table: MappingTable

    @property
    def coverage(self) -> str:
        return f"/console/mappings/mappingtable/coverage/{self.entity.pk}/"

    def pay(self, lines: Iterable[tuple[str, ...]] = LINES, check_date: datetime.date = JUNE) -> None:
        """A payroll of this legal entity, given as a file."""
        end = check_date - datetime.timedelta(days=7)
        facts = {
            "check_date": check_date.isoformat(), "period_end": end.isoformat(), "debit_date": check_date.isoformat(),
            "period_start": (end - datetime.timedelta(days=13)).isoformat(),
        }  # fmt: skip
        file = read_file("june.csv", csv_file(line_rows(lines, **facts)))
        with tenant_scope(self.tenant.id):
            effect = add(self.entity, file, "fred")
            assert effect.run is not None
            assert effect.run.state == "read", effect.run.sentence

    def versions(self) -> list[MappingTable]:
        """All of them, the oldest first."""
        with tenant_scope(self.tenant.id):
            return list(MappingTable.objects.filter(legal_entity=self.entity).order_by("version"))

    def rules(self, table: MappingTable) -> list[tuple[str, str, str, str, str]]:
        """Name, component, side, account and dimensions of every row."""
        with tenant_scope(self.tenant.id):
            names = ("rule", "component", "side", "main_account", "dimensions")
            return list(table.rules.order_by("rule", "-side").values_list(*names))


def mapped(tenant: Tenant, rules: Iterable[tuple[str, str, str, str, str]] = RULES) -> Mapped:
    """Acme Bakery in company code 1000, with these rules approved from January on."""
    with tenant_scope(tenant.id):
        connection = Connection.objects.create(system="d365", name="Books")
        entity = LegalEntity.objects.create(name="Acme Bakery Inc.", company_code="1000", erp_connection=connection)
        MainAccount.objects.bulk_create(
            MainAccount(connection=connection, company_code="1000", number=number, name=name)
            for number, name in ACCOUNTS.items()
        )
        Dimension.objects.create(connection=connection, name="CostCenter")
        for value, name in (("100", "Production"), ("200", "Sales"), ("300", "Warehouse")):
            DimensionValue.objects.create(connection=connection, dimension="CostCenter", value=value, name=name)
        table = new_draft(entity, JANUARY, by="gwen")
        MappingRule.objects.bulk_create(
            MappingRule(
                mapping_table=table, rule=rule, kind=kind, component=component, side=side, main_account=account,
                percent=Decimal(100), dimensions="CostCenter=@department" if side == "debit" else "",
            )
            for rule, kind, component, side, account in rules
        )  # fmt: skip
        for department, value in (("Production", "100"), ("Sales", "200")):
            Crosswalk.objects.create(
                mapping_table=table, source_kind="department", source_value=department, target="CostCenter",
                target_value=value,
            )  # fmt: skip
        return Mapped(tenant, entity, approve(table, "harry"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
