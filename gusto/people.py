"""Employees as Gusto showed them last, for pages and for linking them with the ERP's people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gusto.models import Employee
from gusto.payroll_pages import EmployeeRow


def take(legal_entity_id: int, employees: Iterable[EmployeeRow], read_at: datetime) -> None:
    """Create or refresh rows, inside a scope. Names are not read with a payroll and stay as they are."""
    Employee.objects.bulk_create(
        [
            Employee(
                legal_entity_id=legal_entity_id,
                employee_uuid=row.employee_uuid,
                employee_code=row.employee_code[:60],
                department=row.department[:200],
                is_terminated=row.is_terminated,
                version=row.version[:100],
                read_at=read_at,
            )
            for row in employees
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["tenant", "legal_entity", "employee_uuid"],
        update_fields=["employee_code", "department", "is_terminated", "version", "read_at"],
    )
