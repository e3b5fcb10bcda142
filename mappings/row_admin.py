"""The lists of rules and of crosswalk rows: what stands in their columns, and what a row of an import says."""

from __future__ import annotations

import functools
import operator
from typing import Any

from django.db.models import Case, Value, When
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from mappings import coverage_pages
from mappings.checks import ties
from mappings.coverage import coverage
from mappings.coverage_rows import Usage
from mappings.faults import day_words
from mappings.forms import CRITERIA, CrosswalkForm, MappingRuleForm
from mappings.models import Crosswalk, MappingRule
from mappings.money_rows import Names
from mappings.payroll import Side
from mappings.place import Place
from mappings.preview import lines_of_run
from mappings.resources import CrosswalkResource, MappingRuleResource, PreviewRow
from mappings.sheet_admin import SheetAdmin
from mappings.table import WEIGHTS
from mappings.tables import RULE_FIELDS, percent_text, table_of


class MappingRuleAdmin(SheetAdmin):
    """From kind, component, department, ... to main account and dimensions."""

    form = MappingRuleForm
    tab = "rules"
    resource_classes = (MappingRuleResource,)
    list_display = (
        "rule", "kind_shown", "catches_shown", "account_shown", "dimensions_shown", "versions_shown", "used_shown",
        "caught_shown",
    )  # fmt: skip
    list_filter = (("kind", ChoicesDropdownFilter), ("side", ChoicesDropdownFilter))
    list_before_template = "mappings/rule_list.html"
    empty_sentence = "This version has no rules yet. Coverage suggests them, or a file brings them."
    search_fields = ("rule", "component", "department", "job", "location", "main_account", "dimensions", "company_code")
    fieldsets = (
        (None, {"fields": ("mapping_table", "rule")}),
        (
            "Catches",
            {
                "fields": (
                    "kind", "component", "department", "job", "location", "employee", "employee_code", "custom_field",
                    "compensation_level", "payroll_type", "off_cycle_reason",
                ),
                "description": "Empty = any. The most specific rule wins; all rows of a rule catch the same lines.",
            },
        ),
        (
            "Books",
            {
                "fields": (
                    "side", "target", "percent", "main_account", "dimensions", "company_code", "accrual_account",
                ),
            },
        ),
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> Any:
        """The most specific rule first, as allocation weighs it (`mappings.table.WEIGHTS`)."""
        weights = [Case(When(**{name: ""}, then=Value(0)), default=Value(weight)) for name, weight in WEIGHTS.items()]
        return (functools.reduce(operator.add, weights).desc(), "rule", "-side", "target")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "mapping_table__id__exact" or super().lookup_allowed(lookup, value, request)

    def list_context(self, request: HttpRequest, place: Place) -> dict[str, Any]:
        if place.version is None:
            return {}
        table = table_of(place.version)
        request.rule_usage = coverage(table, lines_of_run(place.entity)).usage  # type: ignore[attr-defined]
        return {"ties": [problem.sentence for problem in ties(table)]}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, its rows with what is asked once for all of them: names, use, and the versions that have the row."""
        found = super().get_changelist_instance(request)
        place: Place | None = getattr(request, "mapping_place", None)
        if place is not None:
            rows = list(found.result_list)
            usage: dict[tuple[str, Side], Usage] = getattr(request, "rule_usage", {})
            values = {part.partition("=")[2] for row in rows for part in row.dimensions.split(";")}
            names = Names(place.entity, {row.main_account for row in rows}, values)
            versions = _versions_with(rows, place)
            for row in rows:
                row.names, row.versions, row.place = names, versions[row.pk], place
                row.usage = usage.get((row.rule, Side(row.side)))
            found.result_list = rows
        return found

    @display(description="Kind", ordering="kind")
    def kind_shown(self, rule: MappingRule) -> str:
        return f"{rule.get_kind_display()}, {rule.side}"

    @display(description="Catches", header=True, ordering="component")
    def catches_shown(self, rule: MappingRule) -> tuple[str, str]:
        return rule.component or "any component", criteria_words(rule)

    @display(description="Account", ordering="main_account")
    def account_shown(self, rule: Any) -> str:
        words = rule.names.account(rule.main_account) if hasattr(rule, "names") else rule.main_account
        return words if rule.percent == 100 else f"{percent_text(rule.percent)} % {words}"

    @display(description="Dimensions", ordering="dimensions")
    def dimensions_shown(self, rule: Any) -> str:
        words = _dimension_words(rule.dimensions, rule.names) if hasattr(rule, "names") else rule.dimensions
        code = rule.company_code
        if code:
            words += f"{', ' if words else ''}company code {f'from {code[1:]}' if code.startswith('@') else code}"
        return words or "none"

    @display(description="In versions")
    def versions_shown(self, rule: Any) -> str:
        return ", ".join(map(str, getattr(rule, "versions", [])))

    @display(description="Last used")
    def used_shown(self, rule: Any) -> str:
        usage: Usage | None = getattr(rule, "usage", None)
        return day_words(usage.last_date) if usage else "not seen"

    @display(description="Last payroll")
    def caught_shown(self, rule: Any) -> str:
        """What it caught there; one person's amount only for those who may see pay."""
        usage: Usage | None = getattr(rule, "usage", None)
        if usage is None:
            return ""
        amount = usage.sum.shown(rule.place.may_see_pay)
        return "one person's" if amount is None else f"{amount:,.2f}"

    def row_words(self, row: PreviewRow, names: Names) -> dict[str, Any]:
        cells, before_cells = row.cells, row.before or row.cells
        criteria = [
            f"{name.replace('_', ' ')} {cells[name]}" for name in CRITERIA
            if name not in ("kind", "component", "employee", "employee_code") and cells.get(name)
        ]  # fmt: skip
        criteria += ["one employee"] if cells.get("employee") or cells.get("employee_code") else []
        kind = cells["kind"].replace("_", " ").capitalize()
        target = "" if cells["target"] in ("1", "") else f", target {cells['target']}"
        told = [
            (name.replace("_", " "), before_cells[name], cells[name])
            for name in ("percent", "company_code", "accrual_account")
            if before_cells[name] != cells[name] or cells[name] not in ("", "100")
        ]
        dimensions = tuple(_dimension_words(each["dimensions"], names) for each in (before_cells, cells))
        return {
            "catches": cells["component"] or "any component",
            "detail": f"{kind}, {', '.join(criteria) or 'any department'}, {cells['rule']} {cells['side']}{target}",
            "account": (names.account(before_cells["main_account"]), names.account(cells["main_account"])),
            "cells": [("", *dimensions), *told] if any(dimensions) else told,
            "also": [
                (name.replace("_", " "), row.before[name], cells[name]) for name in CRITERIA
                if row.before and row.after and row.before[name] != cells[name]
            ],
        }  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for sibling in form.siblings:
            sibling.save(update_fields=CRITERIA)

    def _named(self, row: MappingRule) -> str:
        return f"rule {row}"


class CrosswalkAdmin(SheetAdmin):
    """From a department, location, job or employee to a dimension's value or a company code."""

    form = CrosswalkForm
    tab = "crosswalks"
    resource_classes = (CrosswalkResource,)
    list_display = ("source_kind", "source_value", "target", "value_shown")
    list_filter = (("source_kind", ChoicesDropdownFilter),)
    list_before_template = "mappings/crosswalk_list.html"
    empty_sentence = "This version has no crosswalk rows. Rules that look nothing up need none."
    search_fields = ("source_value", "target", "target_value")
    ordering = ("source_kind", "source_value", "target")
    fields = ("mapping_table", "source_kind", "source_value", "target", "target_value")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "mapping_table__id__exact" or super().lookup_allowed(lookup, value, request)

    def list_context(self, request: HttpRequest, place: Place) -> dict[str, Any]:
        return coverage_pages.places_context(place)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        place: Place | None = getattr(request, "mapping_place", None)
        if place is not None:
            rows = list(found.result_list)
            names = Names(place.entity, (), {row.target_value for row in rows})
            for row in rows:
                row.names = names
            found.result_list = rows
        return found

    @display(description="Value", ordering="target_value")
    def value_shown(self, row: Any) -> str:
        return str(row.names.value(row.target, row.target_value)) if hasattr(row, "names") else str(row.target_value)

    def row_words(self, row: PreviewRow, names: Names) -> dict[str, Any]:
        cells, before_cells = row.cells, row.before or row.cells
        return {
            "catches": cells["source_value"],
            "detail": cells["source_kind"].capitalize(),
            "account": tuple(names.value(each["target"], each["target_value"]) for each in (before_cells, cells)),
            "cells": [("gives", before_cells["target"], cells["target"])],
            "also": [],
        }

    def _named(self, row: Crosswalk) -> str:
        return f"crosswalk {row}"


def criteria_words(rule: MappingRule) -> str:
    """What a rule looks at besides kind and component. A person is named by nobody but the rule's own page."""
    told = []
    for name in CRITERIA:
        value = getattr(rule, name)
        if name in ("kind", "component") or not value:
            continue
        if name in ("employee", "employee_code"):
            told.append("one employee")
        else:
            told.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(told) or ("any" if rule.component else "the default of its kind")


def _dimension_words(text: str, names: Names) -> str:
    """`CostCenter=@department;Project=P1` as `CostCenter from department, Project P1 Bridge`."""
    pairs = [part.partition("=") for part in text.split(";") if "=" in part]
    return names.dimensions((name.strip(), value.strip()) for name, _, value in pairs)


def _versions_with(rows: list[Any], place: Place) -> dict[int, list[int]]:
    """By row, the versions of the legal entity that have exactly this row, in one query."""
    fields = ("rule", *(name for name in RULE_FIELDS if name != "rule"))
    number = {version.pk: version.version for version in place.versions}
    same: dict[tuple[Any, ...], list[int]] = {}
    found = MappingRule.objects.filter(mapping_table__in=number, rule__in={row.rule for row in rows})
    for table_id, *cells in found.values_list("mapping_table_id", *fields):
        same.setdefault(tuple(cells), []).append(number[table_id])
    return {row.pk: sorted(same.get(tuple(getattr(row, name) for name in fields), [])) for row in rows}
