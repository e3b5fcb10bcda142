"""The lists of rules and crosswalk rows: edited in drafts only, filled from files.

A file is shown first with what it would do, in rows and in money to a payroll; it is written whole or not at all. Between
the two it waits in the form, sealed (`forms.SealedFile`), so that the preview can be asked again for another payroll, or for
the rows with mistakes only, without a second upload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from import_export.admin import ImportExportModelAdmin
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import display

from mappings.csv_guard import guarded
from mappings.forms import SealedFile, SheetConfirmForm, SheetImportForm, is_excel_name
from mappings.models import MappingTable
from mappings.money_rows import MoneyTable, Names, money_table
from mappings.pay_privacy import Sum
from mappings.place import EDITORS, TABS, Place, address, crumbs_of, place_of, serving
from mappings.preview import lines_of_run
from mappings.resources import PreviewResult, PreviewRow
from mappings.sheets import CsvSheet, ExcelSheet, Unreadable, csv_text
from mappings.tables import NotADraft, note_change, open_draft, table_of
from mappings.version_pages import download
from tenants.admin import EVERYBODY, RoleAdmin, has_role
from tenants.models import LegalEntity

#: Rows of a preview that a page shows; those with mistakes first.
ROWS_SHOWN = 1_000

#: What a row does, in the order in which a preview shows and counts it.
ROW_WORDS = ("error", "new", "changed", "removed", "unchanged")


def locked_draft(table_id: int) -> MappingTable:
    """The draft, locked for this request. A version that is submitted or approved ends the request."""
    try:
        return open_draft(table_id)
    except NotADraft as error:
        raise PermissionDenied(str(error)) from None


class SheetAdmin(ImportExportModelAdmin, RoleAdmin):
    """Rows of versions: edited in drafts only, imported from and exported to files."""

    add_roles = change_roles = delete_roles = EDITORS
    list_per_page = 25
    list_filter_submit = True
    list_select_related = ("mapping_table__legal_entity",)
    #: In this order: `is_excel_name` is the number of the one that reads a file.
    formats = (CsvSheet, ExcelSheet)
    import_form_class = SheetImportForm
    confirm_form_class = SheetConfirmForm
    export_form_class = ExportForm
    import_template_name = "mappings/import.html"
    import_export_change_list_template = "mappings/rows.html"
    tmp_storage_class = SealedFile
    actions = ("delete_selected",)
    #: The tab that the list stands under.
    tab = ""

    @display(description="Version", ordering="mapping_table__version")
    def version_shown(self, row: Any) -> str:
        return f"{row.mapping_table.legal_entity}, {str(row.mapping_table).lower()}"

    # The list of one version

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.copy()
        entity = asked.pop("entity", [None])[-1]
        version = asked.get("mapping_table__id__exact")
        place = place_of(request, self.tab, None if version else entity, version)
        if request.method == "GET" and place is not None and place.version is not None and version is None:
            asked["mapping_table__id__exact"] = str(place.version.pk)
            return HttpResponseRedirect(f"{request.path}?{asked.urlencode()}")
        request.GET = asked  # type: ignore[assignment]
        if place is not None:
            words = dict(TABS)[self.tab]
            extra_context = {**self.list_context(request, place), **crumbs_of(place, words), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def list_context(self, request: HttpRequest, place: Place) -> dict[str, Any]:
        """What stands above the list."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        place: Place | None = getattr(request, "mapping_place", None)
        return found.none() if place is not None and place.version is None else found

    # Rights

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_open(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing to press where nothing can be changed; what is sent all the same is refused by `locked_draft`."""
        place: Place | None = getattr(request, "mapping_place", None)
        is_still = request.method == "GET" and place is not None and not place.is_draft
        return {} if is_still else super().get_actions(request)

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
        draft = locked_draft(obj.mapping_table_id)
        super().save_model(request, obj, form, change)
        note_change(draft, request.user.get_username(), self._changed(obj, form, change))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        draft = locked_draft(obj.mapping_table_id)
        what = f"{self._named(obj)} removed"
        super().delete_model(request, obj)
        note_change(draft, request.user.get_username(), what)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        by_table: dict[int, list[str]] = {}
        for row in queryset:
            by_table.setdefault(row.mapping_table_id, []).append(self._named(row))
        drafts = {table_id: locked_draft(table_id) for table_id in sorted(by_table)}
        super().delete_queryset(request, queryset)
        for table_id, names in by_table.items():
            note_change(drafts[table_id], request.user.get_username(), f"{', '.join(names)} removed")

    def _named(self, row: Any) -> str:
        raise NotImplementedError

    def _changed(self, row: Any, form: forms.ModelForm, change: bool) -> str:
        if not change:
            return f"{self._named(row)} added"
        return f"{self._named(row)}: {changes_of(row, form)}"

    # Files

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_import_errors"
        own = path("import/errors.csv", self.admin_site.admin_view(self.error_rows), name=name)
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.get("form")
        chosen = getattr(form, "cleaned_data", {}).get("legal_entity") if form is not None else None
        return {"legal_entity": chosen, "by": request.user.get_username()}

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        # What looked right in the preview may be wrong a minute later; then nothing may be left behind either.
        return {"rollback_on_validation_errors": True}

    def get_import_form_initial(self, request: HttpRequest) -> dict[str, Any]:
        place: Place | None = getattr(request, "mapping_place", None)
        return {"legal_entity": place.entity.pk if place else None, "format": "0"}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_confirm_form_initial(request, import_form)
        if import_form is not None:
            initial["legal_entity"] = import_form.cleaned_data["legal_entity"].pk
        return initial

    def add_data_read_fail_error_to_form(self, form: forms.Form, e: Exception) -> None:
        if not isinstance(e, Unreadable):
            raise e
        form.add_error("import_file", str(e))

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        self._open_sealed(request)
        place = self._place(request)
        response: TemplateResponse = super().import_action(request, **kwargs)
        context = response.context_data or {}
        resource = self.get_import_resource_classes(request)[0]
        context.update(
            opts=None, model_opts=self.opts, file=resource.file, columns=resource.columns, no_actions=True, place=place,
            title=f"Import {resource.file}", **crumbs_of(place, f"Import {resource.file}"),
        )  # fmt: skip
        result: PreviewResult | None = context.get("result")
        if result is not None and place is not None:
            if result.has_errors() and not result.sheet_errors:
                raise _defect(result)
            context |= self._preview(request, place, result, context["form"])
        return response

    def _open_sealed(self, request: HttpRequest) -> None:
        """A file that waits in the form stands in for an upload; what a file is, its name says."""
        if request.method != "POST":
            return
        fields = request.POST.copy()
        name = fields.get("import_file_name", "")
        if file := request.FILES.get("import_file"):
            fields["format"] = str(int(is_excel_name(file.name or "")))
            request.POST = fields  # type: ignore[assignment]
        if not name or request.FILES:
            return
        try:
            data = SealedFile(name=name).read()
        except signing.BadSignature:
            messages.error(request, "This preview is too old. Upload the file again.")
            return
        shown = request.POST.get("original_file_name", "file")
        request.FILES["import_file"] = SimpleUploadedFile(shown, data)

    def _place(self, request: HttpRequest) -> Place | None:
        """The legal entity of the form, for the head of the page; the form itself says what is wrong with another's."""
        asked = request.POST.get("legal_entity") or request.GET.get("entity") or ""
        is_here = asked.isdecimal() and LegalEntity.objects.filter(pk=int(asked)).exists()
        return place_of(request, "files", asked if is_here else None)

    def _preview(self, request: HttpRequest, place: Place, result: PreviewResult, form: Any) -> dict[str, Any]:
        money, in_use = self._money(request, place, result)
        # Whatever is cut off, no mistake is; what is shown stands as in the file, what is removed behind it.
        rows = sorted(result.preview_rows, key=lambda row: row.what != "error")[:ROWS_SHOWN]
        rows.sort(key=lambda row: (row.number == 0, row.number))
        counts = Counter(row.what for row in result.preview_rows)
        upload = form.cleaned_data["import_file"]
        numbers = [
            *{cells["main_account"] for row in rows for cells in (row.before, row.after) if "main_account" in cells}
        ]
        names = Names(place.entity, numbers, ())
        targets = {plan.target.version or None for plan in result.plans}
        next_version = (place.versions[0].version if place.versions else 0) + 1
        version = next(iter(targets - {None}), next_version) if len(targets) == 1 else None
        return {
            "file_name": upload.name,
            "sealed": upload.tmp_storage_name,
            "format": form.cleaned_data["format"],
            "rows": [self._row(row, money, names, place.may_see_pay) for row in rows],
            "more_rows": len(result.preview_rows) - ROWS_SHOWN,
            "read": sum(row.number > 0 for row in result.preview_rows),
            "counts": [(what, counts[what]) for what in ROW_WORDS if counts[what]],
            "error_rows": counts["error"],
            "money": money,
            "before_words": f"Version {in_use.version}, in use" if in_use else "Nothing in use",
            "after_words": "After this import",
            "draft_words": f"draft version {version}" if version else "drafts",
            "has_amounts": money is not None and money.money.is_known and self.tab == "rules",
        }

    def _money(
        self, request: HttpRequest, place: Place, result: PreviewResult
    ) -> tuple[MoneyTable | None, MappingTable | None]:
        """The version of the file that serves the chosen payroll, against the one in use for it."""
        headers = lines_of_run(place.entity)
        if not headers or not result.plans:
            return None, None
        wanted = request.POST.get("run", "")
        header = next((each for each in headers if each.payroll_uuid == wanted), headers[0])
        in_use = serving(place.versions, header.check_date)
        on_time = [plan for plan in result.plans if plan.valid_from <= header.check_date]
        plan = on_time[-1] if on_time else result.plans[0]
        money = money_table(
            place.entity, table_of(in_use) if in_use else None, plan.table(), header.payroll_uuid,
            may_see_pay=place.may_see_pay,
        )  # fmt: skip
        return money, in_use

    def _row(self, row: PreviewRow, money: MoneyTable | None, names: Names, may_see_pay: bool) -> dict[str, Any]:
        moved: Decimal | None = None
        is_hidden = False
        if money is not None and row.target is not None:
            sums = money.money.left if row.what == "removed" else money.money.moved
            of = sums.get(row.target, Sum(Decimal("0.00")))
            moved = of.shown(may_see_pay)
            is_hidden = moved is None
        return {"row": row, "moved": moved, "is_hidden": is_hidden, **self.row_words(row, names)}

    def row_words(self, row: PreviewRow, names: Names) -> dict[str, Any]:
        """What a row of the preview says: `catches`, `detail`, and `cells` as (before, after)."""
        raise NotImplementedError

    def error_rows(self, request: HttpRequest) -> HttpResponse:
        """The rows with mistakes as a file, each with what is wrong behind it: to be worked on, not to be imported."""
        if not self.has_import_permission(request) or request.method != "POST":
            raise PermissionDenied
        response = self.import_action(request)
        context = getattr(response, "context_data", None) or {}
        result: PreviewResult | None = context.get("result")
        if result is None:
            return response
        columns = self.get_import_resource_classes(request)[0].columns
        lines = [["row", *columns, "what is wrong"]]
        for row in result.preview_rows:
            if row.what == "error":
                wrong = " ".join(f"{error.column}: {error.sentence}".strip(": ") for error in row.errors)
                lines.append([str(row.number), *(guarded(row.cells.get(name, "")) for name in columns), guarded(wrong)])
        return download(csv_text(lines), "text/csv; charset=utf-8", "rows-with-errors.csv")

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        place = self._place(request)
        response: HttpResponse = super().process_import(request, **kwargs)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            resource = self.get_import_resource_classes(request)[0]
            response.context_data |= {
                "opts": None, "model_opts": self.opts, "place": place, "no_actions": True, "file": resource.file,
                "title": f"Import {resource.file}",
            }  # fmt: skip
        return response

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        if result.has_errors() and not result.sheet_errors:
            raise _defect(result)
        if result.sheet_errors:
            for error in result.sheet_errors[:20]:
                messages.error(request, str(error))
            messages.error(request, "Nothing was imported.")
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_import"
            return HttpResponseRedirect(reverse(name))
        super().process_result(result, request)
        place: Place | None = getattr(request, "mapping_place", None)
        entity = place.entity.pk if place else 0
        return HttpResponseRedirect(address("coverage", entity, None))

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


def changes_of(row: Any, form: forms.ModelForm) -> str:
    """`main_account from “6000” to “6010”`, for the audit trail."""
    parts = [
        f"{name} from {_shown(form.initial.get(name))} to {_shown(getattr(row, name))}" for name in form.changed_data
    ]
    return ", ".join(parts) or "saved as it was"


def _shown(value: Any) -> str:
    return f"“{value}”" if value not in (None, "") else "nothing"
