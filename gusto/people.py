"""Employees as Gusto showed them last, for pages and for linking them with the ERP's people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gusto.models import Employee
from gusto.payroll_pages import EmployeeRow


def take(legal_entity_id: int, employees: Iterable[EmployeeRow], read_at: datetime) -> None:
    """Create or refresh rows, inside a scope. A name that is known stays where a source gives none."""
    rows = list(employees)
    facts = ["employee_code", "department", "is_terminated", "version", "read_at"]
    for given, fields in (
        ([row for row in rows if row.name], [*facts, "sealed_name"]),
        ([row for row in rows if not row.name], facts),
    ):
        Employee.objects.bulk_create(
            [
                Employee(
                    legal_entity_id=legal_entity_id,
                    employee_uuid=row.employee_uuid,
                    employee_code=row.employee_code[:60],
                    sealed_name=row.name[:200],
                    department=row.department[:200],
                    is_terminated=row.is_terminated,
                    version=row.version[:100],
                    read_at=read_at,
                )
                for row in given
            ],
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["tenant", "legal_entity", "employee_uuid"],
            update_fields=fields,
        )
