"""Mapping in the console: versions with their approval, rules and crosswalks with import and export, and the ledger's
words to look up.

Preparers edit drafts, approvers approve what they had no part in, everybody reads. What changes something is a POST
from a page that says first what it will do; the address of each such page checks role and state again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from import_export.admin import ImportExportModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import display

from audit import trail
from mappings.faults import day_words
from mappings.forms import (
    CRITERIA,
    CopyForm,
    CrosswalkForm,
    MappingRuleForm,
    SealedFile,
    SheetConfirmForm,
    SheetImportForm,
)
from mappings.models import Crosswalk, DimensionValue, FiscalPeriod, MainAccount, MappingRule, MappingTable, SourceCode
from mappings.resources import CrosswalkResource, MappingRuleResource
from mappings.sheets import CsvSheet, ExcelSheet
from mappings.tables import (
    POLICY_FIELDS,
    ApprovalRefused,
    NotADraft,
    approval_problems,
    approve,
    new_draft,
    note_change,
    open_draft,
    percent_text,
)
from tenants.admin import EVERYBODY, RoleAdmin, RoleInline, has_role
from tenants.models import Role

EDITORS = frozenset({Role.OWNER, Role.PREPARER})
APPROVERS = frozenset({Role.APPROVER})


def _locked_draft(table_id: int) -> MappingTable:
    """The draft, locked for this request. An approved version ends the request."""
    try:
        return open_draft(table_id)
    except NotADraft as error:
        raise PermissionDenied(str(error)) from None


def _state_chip(table: MappingTable) -> str:
    return render_to_string("mappings/state.html", {"name": table.state})


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
        "legal_entity",
        "valid_from_shown",
        "state_shown",
        "rules_shown",
        "created_by",
        "approved_by",
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
    list_before_template = "mappings/versions.html"
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
    def state_shown(self, table: MappingTable) -> str:
        return _state_chip(table)

    @display(description="Rows of rules")
    def rules_shown(self, table: Any) -> int:
        count: int = table.rules_count
        return count

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
            draft = _locked_draft(obj.pk)
            if form.changed_data:
                # Only these: who changed the draft may have been added to since the page's object was read.
                obj.save(update_fields=form.changed_data)
                note_change(draft, by, _changes(obj, form))
            return
        draft = new_draft(obj.legal_entity, obj.valid_from, by=by)
        for name in ("note", *POLICY_FIELDS):
            setattr(draft, name, getattr(obj, name))
        draft.save(update_fields=["note", *POLICY_FIELDS])
        obj.pk = draft.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: MappingTable) -> None:
        draft = _locked_draft(obj.pk)
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
        view = self.admin_site.admin_view
        own = [
            path("<int:object_id>/approve/", view(self.approve), name="mappings_mappingtable_approve"),
            path("<int:object_id>/copy/", view(self.copy), name="mappings_mappingtable_copy"),
            path(
                "<int:object_id>/export/<slug:what>.<slug:form>", view(self.export), name="mappings_mappingtable_export"
            ),
        ]
        found: list[URLPattern] = super().get_urls()
        return own + found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {"may_edit": has_role(request, EDITORS)}
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **more})
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        table = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if table is not None:
            is_draft = table.state == MappingTable.State.DRAFT
            found = approval_problems(table, request.user.get_username()) if is_draft else []
            more = {
                "title": f"{table} of {table.legal_entity}",
                "table": table,
                "problems": [problem for problem in found if problem.kind != "own_work"],
                "may_approve": is_draft and has_role(request, APPROVERS),
                "own_work": [problem.sentence for problem in found if problem.kind == "own_work"],
                "may_edit": has_role(request, EDITORS),
                "is_draft": is_draft,
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})
        return response

    def approve(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Say what approving does, then do it."""
        if not has_role(request, APPROVERS):
            raise PermissionDenied
        table = get_object_or_404(MappingTable.objects.select_related("legal_entity__erp_connection"), pk=object_id)
        by = request.user.get_username()
        if request.method == "POST":
            try:
                approve(table, by)
            except ApprovalRefused as refused:
                for problem in refused.problems:
                    messages.error(request, problem.sentence)
            else:
                messages.success(
                    request, f"{table} is approved. It serves check dates from {day_words(table.valid_from)} on."
                )
            return self._back(table)
        context = {"table": table, "problems": approval_problems(table, by), "rules": table.rules.count()}
        return self._page(request, "mappings/approve.html", f"Approve {str(table).lower()}", table, context)

    def copy(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A new draft with the rules, crosswalk and policy of a version."""
        if not has_role(request, EDITORS):
            raise PermissionDenied
        table = get_object_or_404(MappingTable.objects.select_related("legal_entity"), pk=object_id)
        form = CopyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            by = request.user.get_username()
            draft = new_draft(table.legal_entity, form.cleaned_data["valid_from"], copy_of=table, by=by)
            messages.success(request, f"{draft} is a draft, a copy of {str(table).lower()}.")
            return self._back(draft)
        return self._page(
            request, "mappings/copy.html", f"Copy {str(table).lower()}", table, {"table": table, "form": form}
        )

    def export(self, request: HttpRequest, object_id: int, what: str, form: str) -> HttpResponse:
        """A version's rules or crosswalk as a file that can be imported again."""
        if not has_role(request, EVERYBODY):
            raise PermissionDenied
        table = get_object_or_404(MappingTable, pk=object_id)
        resources = {
            "mapping": (MappingRuleResource, table.rules.all()),
            "crosswalks": (CrosswalkResource, table.crosswalks.all()),
        }
        formats: dict[str, type[CsvSheet] | type[ExcelSheet]] = {"csv": CsvSheet, "xlsx": ExcelSheet}
        if what not in resources or form not in formats:
            return HttpResponse(status=404)
        resource, rows = resources[what]
        file_format = formats[form]()
        response = HttpResponse(
            file_format.export_data(resource().export(rows)), content_type=file_format.get_content_type()
        )
        response["Content-Disposition"] = f'attachment; filename="{what}.{form}"'
        return response

    def _back(self, table: MappingTable) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:mappings_mappingtable_change", args=[table.pk]))

    def _page(
        self, request: HttpRequest, template: str, title: str, table: MappingTable, context: dict[str, Any]
    ) -> HttpResponse:
        back = reverse("admin:mappings_mappingtable_change", args=[table.pk])
        whole = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "back": back, **context}
        return TemplateResponse(request, template, whole)


class SheetAdmin(ImportExportModelAdmin, RoleAdmin):
    """Rows of versions: edited in drafts only, imported from and exported to files."""

    add_roles = change_roles = delete_roles = EDITORS
    list_per_page = 25
    list_filter_submit = True
    list_select_related = ("mapping_table__legal_entity",)
    formats = (CsvSheet, ExcelSheet)
    import_form_class = SheetImportForm
    confirm_form_class = SheetConfirmForm
    export_form_class = ExportForm
    import_template_name = "mappings/import.html"
    tmp_storage_class = SealedFile
    actions = ("delete_selected",)

    @display(description="Version", ordering="mapping_table__version")
    def version_shown(self, row: Any) -> str:
        return f"{row.mapping_table.legal_entity}, {str(row.mapping_table).lower()}"

    # Rights

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_open(obj)

    def has_import_permission(self, request: HttpRequest) -> bool:
        return has_role(request, EDITORS)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return has_role(request, EVERYBODY)

    def _is_open(self, obj: Any) -> bool:
        return obj is None or obj.mapping_table.state == MappingTable.State.DRAFT

    # Changes

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[str]:
        return ("mapping_table",) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "mapping_table":
            drafts = MappingTable.objects.filter(state=MappingTable.State.DRAFT).select_related("legal_entity")
            kwargs["queryset"] = drafts.order_by("legal_entity__name", "version")
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "mapping_table" and field is not None:
            field.label_from_instance = lambda table: f"{table.legal_entity}, {str(table).lower()}"
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        draft = _locked_draft(obj.mapping_table_id)
        super().save_model(request, obj, form, change)
        note_change(draft, request.user.get_username(), self._changed(obj, form, change))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        draft = _locked_draft(obj.mapping_table_id)
        what = f"{self._named(obj)} removed"
        super().delete_model(request, obj)
        note_change(draft, request.user.get_username(), what)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        by_table: dict[int, list[str]] = {}
        for row in queryset:
            by_table.setdefault(row.mapping_table_id, []).append(self._named(row))
        drafts = {table_id: _locked_draft(table_id) for table_id in sorted(by_table)}
        super().delete_queryset(request, queryset)
        for table_id, names in by_table.items():
            note_change(drafts[table_id], request.user.get_username(), f"{', '.join(names)} removed")

    def _named(self, row: Any) -> str:
        raise NotImplementedError

    def _changed(self, row: Any, form: forms.ModelForm, change: bool) -> str:
        if not change:
            return f"{self._named(row)} added"
        return f"{self._named(row)}: {_changes(row, form)}"

    # Files

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.get("form")
        chosen = getattr(form, "cleaned_data", {}).get("legal_entity") if form is not None else None
        return {"legal_entity": chosen, "by": request.user.get_username()}

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        # What looked right in the preview may be wrong a minute later; then nothing may be left behind either.
        return {"rollback_on_validation_errors": True}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_confirm_form_initial(request, import_form)
        if import_form is not None:
            initial["legal_entity"] = import_form.cleaned_data["legal_entity"].pk
        return initial

    def add_data_read_fail_error_to_form(self, form: forms.Form, e: Exception) -> None:
        sentence = "This file cannot be read as the chosen format. CSV is UTF-8 with commas, Excel is .xlsx."
        form.add_error("import_file", sentence)

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response: TemplateResponse = super().import_action(request, **kwargs)
        context = response.context_data or {}
        resource = self.get_import_resource_classes(request)[0]
        context["file"], context["columns"] = resource.file, resource.columns
        result = context.get("result")
        if result is not None and result.has_errors() and not result.sheet_errors:
            raise _defect(result)
        return response

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        if result.has_errors() and not result.sheet_errors:
            raise _defect(result)
        if result.sheet_errors:
            for error in result.sheet_errors:
                messages.error(request, str(error))
            messages.error(request, "Nothing was imported.")
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_import"
            return HttpResponseRedirect(reverse(name))
        response: HttpResponse = super().process_result(result, request)
        return response

    def add_success_message(self, result: Any, request: HttpRequest) -> None:
        totals = result.totals
        messages.success(
            request,
            f"Imported into drafts: {totals['new']} new, {totals['update']} changed, {totals['skip']} unchanged, "
            f"{totals['delete']} removed.",
        )

    def get_export_filename(self, request: HttpRequest, queryset: QuerySet[Any], file_format: Any) -> str:
        stem = self.get_export_resource_classes(request)[0].file.removesuffix(".csv")
        return f"{stem}.{file_format.get_extension()}"


def _defect(result: Any) -> Exception:
    """What stopped an import although the file is right: a defect of ours, for the log and not for a page."""
    errors = [*result.base_errors, *(error for _, errors in result.row_errors() for error in errors)]
    found: Exception = errors[0].error
    return found


def _changes(row: Any, form: forms.ModelForm) -> str:
    """`main_account from “6000” to “6010”`, for the audit trail."""
    parts = [
        f"{name} from {_shown(form.initial.get(name))} to {_shown(getattr(row, name))}" for name in form.changed_data
    ]
    return ", ".join(parts) or "saved as it was"


def _shown(value: Any) -> str:
    return f"“{value}”" if value not in (None, "") else "nothing"


@admin.register(MappingRule)
class MappingRuleAdmin(SheetAdmin):
    """From kind, component, department, ... to main account and dimensions."""

    form = MappingRuleForm
    resource_classes = (MappingRuleResource,)
    list_display = (
        "rule", "version_shown", "kind", "component", "department", "job", "location", "side", "target",
        "percent_shown", "main_account", "dimensions", "company_code",
    )  # fmt: skip
    list_filter = (
        ("mapping_table", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("side", ChoicesDropdownFilter),
    )
    search_fields = ("rule", "component", "department", "job", "location", "main_account", "dimensions", "company_code")
    ordering = ("-mapping_table", "rule", "-side", "target")
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

    @display(description="Percent", ordering="percent")
    def percent_shown(self, rule: MappingRule) -> str:
        return percent_text(rule.percent)

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
    resource_classes = (CrosswalkResource,)
    list_display = ("source_kind", "source_value", "target", "target_value", "version_shown")
    list_filter = (
        ("mapping_table", RelatedDropdownFilter),
        ("source_kind", ChoicesDropdownFilter),
    )
    search_fields = ("source_value", "target", "target_value")
    ordering = ("-mapping_table", "source_kind", "source_value", "target")
    fields = ("mapping_table", "source_kind", "source_value", "target", "target_value")

    def _named(self, row: Crosswalk) -> str:
        return f"crosswalk {row}"


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
