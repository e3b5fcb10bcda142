"""Mapping in the console: versions with their approval, rules and crosswalks with import and export, and the ledger's
words to look up.

Preparers edit drafts, approvers approve what they had no part in, everybody reads. What changes something is a POST
from a page that says first what it will do; the address of each such page checks role and state again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from audit import trail
from mappings import coverage_pages, file_pages, version_pages
from mappings.approval import approval_problems
from mappings.faults import day_words
from mappings.models import Crosswalk, DimensionValue, FiscalPeriod, MainAccount, MappingRule, MappingTable, SourceCode
from mappings.place import APPROVERS, EDITORS, Place, before, crumbs_of, place_of, standing
from mappings.row_admin import CrosswalkAdmin, MappingRuleAdmin
from mappings.sheet_admin import changes_of, locked_draft
from mappings.tables import POLICY_FIELDS, new_draft, note_change
from mappings.version_effects import version_effects
from tenants.admin import RoleAdmin, has_role


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


admin.site.register(MappingRule, MappingRuleAdmin)
admin.site.register(Crosswalk, CrosswalkAdmin)


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
