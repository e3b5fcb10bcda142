"""Employees in the console, as read from Gusto: who they are and where they work. No pay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RelatedCheckboxFilter
from unfold.decorators import display

from gusto.models import Employee
from tenants.admin import RoleAdmin


class StateFilter(admin.SimpleListFilter):
    """Whether somebody works here still, in words."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("employed", "Employed"), ("terminated", "Terminated")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Employee]) -> QuerySet[Employee]:
        return queryset.filter(is_terminated=self.value() == "terminated") if self.value() else queryset


@admin.register(Employee)
class EmployeeAdmin(RoleAdmin):
    """A list to read and search. Names are sealed in the database, so they are shown and not searched."""

    list_display = ("name", "number", "department_shown", "legal_entity", "state", "read_at")
    list_display_links = None
    list_filter = (
        StateFilter, ("department", AllValuesCheckboxFilter), ("legal_entity", RelatedCheckboxFilter),
    )  # fmt: skip
    list_filter_submit = True
    list_select_related = ("legal_entity",)
    search_fields = ("employee_code", "employee_uuid", "department")
    search_help_text = "Employee number, department or Gusto id"
    ordering = ("legal_entity__name", "department", "employee_code", "id")
    list_per_page = 50
    actions = None
    empty_sentence = "No employee yet. They come with the first payroll run that is read from Gusto."

    @display(description="Name in Gusto")
    def name(self, employee: Employee) -> str:
        return str(employee.sealed_name) or "not read"

    @display(description="Number", ordering="employee_code")
    def number(self, employee: Employee) -> str:
        return employee.employee_code or "none"

    @display(description="Department", ordering="department")
    def department_shown(self, employee: Employee) -> str:
        return employee.department or "none"

    @display(description="State", ordering="is_terminated")
    def state(self, employee: Employee) -> str:
        name = "terminated" if employee.is_terminated else "employed"
        return render_to_string("console/parts/state.html", {"name": name, "note": ""})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Nothing more is known of an employee than the list shows."""
        raise Http404
