"""Mapping in the console: versions with their approval, rules and crosswalks with import and export, and the ledger's
words to look up.

Preparers edit drafts, approvers approve what they had no part in, everybody reads. What changes something is a POST
from a page that says first what it will do; the address of each such page checks role and state again.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from audit import trail
from mappings import coverage_pages, file_pages, version_pages
from mappings.approval import approval_problems
from mappings.checks import ties
from mappings.coverage import coverage
from mappings.coverage_rows import Usage
from mappings.faults import day_words
from mappings.forms import CRITERIA, CrosswalkForm, MappingRuleForm
from mappings.models import Crosswalk, DimensionValue, FiscalPeriod, MainAccount, MappingRule, MappingTable, SourceCode
from mappings.money_rows import Names
from mappings.payroll import Side
from mappings.place import APPROVERS, EDITORS, Place, before, crumbs_of, place_of, standing
from mappings.preview import lines_of_run
from mappings.resources import CrosswalkResource, MappingRuleResource, PreviewRow
from mappings.sheet_admin import SheetAdmin, changes_of, locked_draft
from mappings.table import WEIGHTS
from mappings.tables import POLICY_FIELDS, RULE_FIELDS, new_draft, note_change, percent_text, table_of
from mappings.version_effects import version_effects
from tenants.admin import RoleAdmin, RoleInline, has_role


class RuleInline(RoleInline):
    """The rules of a version; each opens on its own page."""

    model = MappingRule
    fields = (
        "rule", "kind", "component", "department", "job", "location", "side", "target", "percent", "main_account",
        "dimensions", "company_code",
    )  # fmt: skip
    show_change_link = True
    per_page = 25
    tab = True
    verbose_name_plural = "Rules"


class CrosswalkInline(RoleInline):
    model = Crosswalk
    fields = ("source_kind", "source_value", "target", "target_value")
    show_change_link = True
    per_page = 25
    tab = True
    verbose_name_plural = "Crosswalk"


@admin.register(MappingTable)
class MappingTableAdmin(RoleAdmin):
    """Versions: a draft is edited, approved by another person, and never changes again."""

    list_display = (
        "version_shown",
        "valid_from_shown",
        "state_shown",
        "rules_shown",
        "prepared_by_shown",
        "approved_by",
        "effect_shown",
    )
    list_filter = (("legal_entity", RelatedDropdownFilter), ("state", ChoicesDropdownFilter))
    list_filter_submit = True
    list_select_related = ("legal_entity",)
    search_fields = ("legal_entity__name", "note", "created_by", "approved_by")
    ordering = ("legal_entity__name", "-valid_from", "-version")
    list_per_page = 25
    add_roles = change_roles = delete_roles = EDITORS
    inlines = (RuleInline, CrosswalkInline)
    change_form_outer_before_template = "mappings/version.html"
    change_list_template = "mappings/rows.html"
    change_form_template = "mappings/version_form.html"
    empty_sentence = "No version yet. Coverage shows what the payrolls carry, and starts the first one."
    readonly_fields = ("created_by", "created_at", "changed_by_shown", "approved_by", "approved_at")
    fieldsets = (
        (None, {"fields": ("legal_entity", "valid_from", "note")}),
        (
            "Journals",
            {
                "fields": (
                    "journals", "posting_date", "lines", "clearing_detail", "header_text", "line_text",
                    "ignored_payroll_types",
                )
            },
        ),
        (
            "Company codes",
            {
                "fields": (
                    "credits", "paying_company_code", "due_from_account", "due_to_account", "affiliate_dimension"
                )
            },
        ),
        ("Month end", {"fields": ("straddle", "accrual_account", "straddle_off_cycle", "unpaid_holidays")}),
        ("Who", {"fields": readonly_fields}),
    )  # fmt: skip
    add_fieldsets = fieldsets[:-1]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[MappingTable]:
        found: QuerySet[MappingTable] = super().get_queryset(request).annotate(rules_count=Count("rules"))
        return found

    @display(description="Version", ordering="version")
    def version_shown(self, table: MappingTable) -> str:
        return str(table)

    @display(description="Valid from", ordering="valid_from")
    def valid_from_shown(self, table: MappingTable) -> str:
        return day_words(table.valid_from)

    @display(description="State", ordering="state")
    def state_shown(self, table: Any) -> str:
        return render_to_string("mappings/state.html", {"name": getattr(table, "standing", table.state)})

    @display(description="Rows of rules")
    def rules_shown(self, table: Any) -> int:
        count: int = table.rules_count
        return count

    @display(description="Prepared by")
    def prepared_by_shown(self, table: MappingTable) -> str:
        return ", ".join(sorted({*table.changed_by, *filter(None, [table.created_by])}))

    @display(description="Moves on the last payroll")
    def effect_shown(self, table: Any) -> str:
        """The money difference to the version before, with the way to its rows."""
        earlier, effect = getattr(table, "earlier", None), getattr(table, "effect", None)
        if earlier is None:
            return "the first"
        words = "Compare" if effect is None else effect.words or (f"{effect.moved:,.2f}" if effect.moved else "nothing")
        page = reverse("admin:mappings_compare", args=[table.legal_entity_id])
        return format_html(
            '<a href="{}?before={}&amp;after={}">{}<span class="second">against version {}</span></a>',
            page, earlier.pk, table.pk, words, earlier.version,
        )  # fmt: skip

    @display(description="Changed by")
    def changed_by_shown(self, table: MappingTable) -> str:
        return ", ".join(table.changed_by)

    # Rights

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.state == MappingTable.State.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.state == MappingTable.State.DRAFT)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[str]:
        return (*self.readonly_fields, "legal_entity") if obj else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Iterable[Any]:
        return self.inlines if obj else ()

    # Changes

    def save_model(self, request: HttpRequest, obj: MappingTable, form: forms.ModelForm, change: bool) -> None:
        by = request.user.get_username()
        if change:
            draft = locked_draft(obj.pk)
            if form.changed_data:
                # Only these: who changed the draft may have been added to since the page's object was read.
                obj.save(update_fields=form.changed_data)
                note_change(draft, by, changes_of(obj, form))
            return
        draft = new_draft(obj.legal_entity, obj.valid_from, by=by)
        for name in ("note", *POLICY_FIELDS):
            setattr(draft, name, getattr(obj, name))
        draft.save(update_fields=["note", *POLICY_FIELDS])
        obj.pk = draft.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: MappingTable) -> None:
        draft = locked_draft(obj.pk)
        trail.record(
            "mapping_table.removed",
            subject="mapping_table",
            subject_id=str(draft.pk),
            version=draft.version,
            legal_entity=draft.legal_entity.name,
        )
        super().delete_model(request, obj)

    # Pages of its own

    def get_urls(self) -> list[URLPattern]:
        found: list[URLPattern] = super().get_urls()
        return [*coverage_pages.urls(self), *file_pages.urls(self), *version_pages.urls(self), *found]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = request.GET.get("legal_entity__id__exact")
        place = place_of(request, "versions", wanted)
        if place is not None and wanted is None:
            return HttpResponseRedirect(f"{request.path}?{_with(request, legal_entity__id__exact=place.entity.pk)}")
        response: HttpResponse = super().changelist_view(
            request, {**crumbs_of(place, "Versions"), **(extra_context or {})}
        )
        return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, its rows with what is asked once for all of them: where each stands and what it moved."""
        found = super().get_changelist_instance(request)
        place: Place | None = getattr(request, "mapping_place", None)
        if place is not None:
            effects = version_effects(place)
            for table in found.result_list:
                table.standing = standing(table, place.versions, place.on_date)
                table.earlier = before(table, place.versions)
                table.effect = effects.get(table.pk)
        return found

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        table = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if table is not None:
            place = place_of(request, "versions", version_id=table.pk)
            is_draft = table.state == MappingTable.State.DRAFT
            found = (
                []
                if table.state == MappingTable.State.APPROVED
                else approval_problems(table, request.user.get_username())
            )
            more = {
                "title": f"{table} of {table.legal_entity}",
                **crumbs_of(place, str(table)),
                "table": table,
                "problems": [problem for problem in found if problem.kind not in ("own_work", "not_submitted")],
                "own_work": [problem.sentence for problem in found if problem.kind == "own_work"],
                "may_approve": has_role(request, APPROVERS),
                "may_edit": has_role(request, EDITORS),
                "is_draft": is_draft,
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})
        return response


def _with(request: HttpRequest, **more: Any) -> str:
    asked = request.GET.copy()
    asked.update(more)
    return asked.urlencode()


@admin.register(MappingRule)
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


@admin.register(Crosswalk)
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


class LookUpAdmin(RoleAdmin):
    """What came from Gusto or the ledger: to be looked up, never typed."""

    list_per_page = 25
    list_filter_submit = True
    actions = None


@admin.register(MainAccount)
class MainAccountAdmin(LookUpAdmin):
    list_display = ("number", "name", "company_code", "connection", "is_active", "allows_manual_entry", "valid_to")
    list_filter = (("connection", RelatedDropdownFilter), "company_code", "is_active", "allows_manual_entry")
    list_select_related = ("connection",)
    search_fields = ("number", "name")


@admin.register(DimensionValue)
class DimensionValueAdmin(LookUpAdmin):
    list_display = ("dimension", "value", "name", "company_code", "connection", "is_active", "valid_to")
    list_filter = (("connection", RelatedDropdownFilter), "dimension", "company_code", "is_active")
    list_select_related = ("connection",)
    search_fields = ("value", "name")


@admin.register(FiscalPeriod)
class FiscalPeriodAdmin(LookUpAdmin):
    list_display = ("company_code", "name", "start_date", "end_date", "is_open", "connection")
    list_filter = (("connection", RelatedDropdownFilter), "company_code", "is_open")
    list_select_related = ("connection",)
    search_fields = ("name", "company_code")


@admin.register(SourceCode)
class SourceCodeAdmin(LookUpAdmin):
    list_display = ("kind", "component", "legal_entity", "first_seen_date", "last_seen_date")
    list_filter = (("legal_entity", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("legal_entity",)
    search_fields = ("component",)
