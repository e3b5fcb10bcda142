"""Import and export: the tab with its three ways out and its two ways in, and the template that has the gaps in it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.comments import Comment  # type: ignore[import-untyped]
from openpyxl.styles import Font  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]
from openpyxl.worksheet.datavalidation import DataValidation  # type: ignore[import-untyped]

from mappings.coverage_rows import Gap
from mappings.csv_guard import guarded
from mappings.gap_filling import Look, RuleNames, look
from mappings.models import MappingRule, MappingTable
from mappings.payroll import LineKind, Side
from mappings.place import Place, place_of
from mappings.sheets import ROWS_MAX, ExcelSheet, text_cell
from mappings.suggestions import Suggestion, described_dimensions
from mappings.table_csv import CROSSWALK_COLUMNS, MAPPING_COLUMNS, MAPPING_COLUMNS_OPTIONAL
from mappings.tables import rule_cells
from mappings.version_pages import download, draw
from tenants.admin import EVERYBODY, RoleAdmin, has_role

COLUMNS = (*MAPPING_COLUMNS, *MAPPING_COLUMNS_OPTIONAL)


def urls(page: RoleAdmin) -> list[URLPattern]:
    """Addresses below those of the versions."""
    wrapped = page.admin_site.admin_view
    return [
        path(
            "files/<int:entity_id>/",
            wrapped(lambda request, entity_id: _files(page, request, entity_id)),
            name="mappings_files",
        ),
        path("files/<int:entity_id>/template.xlsx", wrapped(_template), name="mappings_template"),
    ]


def _place(request: HttpRequest, entity_id: int) -> Place:
    if not has_role(request, EVERYBODY):
        raise PermissionDenied
    place = place_of(request, "files", entity_id, request.GET.get("version"))
    if place is None:
        raise Http404
    return place


def _files(page: RoleAdmin, request: HttpRequest, entity_id: int) -> HttpResponse:
    _place(request, entity_id)
    return draw(
        page, request, "mappings/files.html", "Import and export", mapping_columns=MAPPING_COLUMNS,
        optional_columns=MAPPING_COLUMNS_OPTIONAL, crosswalk_columns=CROSSWALK_COLUMNS, rows_max=f"{ROWS_MAX:,}",
    )  # fmt: skip


def _template(request: HttpRequest, entity_id: int) -> HttpResponse:
    """Every rule of the version, and one prefilled row for each gap."""
    place = _place(request, entity_id)
    name = f"mapping-{place.entity.company_code}.xlsx"
    return download(template_with_gaps(place, look(place)), ExcelSheet().get_content_type(), name)


def template_with_gaps(place: Place, shown: Look) -> bytes:
    """mapping.csv as an Excel file that can be imported as it is once every account stands in it: the rules of a version,
    then one row per gap with what is suggested, its reason as a note; accounts, kinds and sides as lists to choose from.

    The rows are a whole version: that of the draft, or a new one from the first check date that has a gap.
    """
    version = place.version
    gaps = shown.coverage.gaps
    is_draft = version is not None and version.state == MappingTable.State.DRAFT
    valid_from = version.valid_from if version is not None else shown.table.valid_from
    if not is_draft:
        valid_from = max([valid_from, min((gap.first_date for gap in gaps), default=valid_from)])
    rules = list(version.rules.all()) if version is not None else []
    rows: list[tuple[dict[str, str], str]] = [(rule_cells(rule, valid_from), "") for rule in rules]
    names = RuleNames(version or MappingTable(legal_entity=place.entity, valid_from=valid_from, version=0), rules)
    rows += [_gap_row(gap, shown.suggestion(gap), names, valid_from) for gap in gaps]
    return _workbook(rows, shown, valid_from)


def _gap_row(gap: Gap, suggestion: Suggestion | None, names: RuleNames, valid_from: date) -> tuple[dict[str, str], str]:
    target = suggestion.target if suggestion else None
    rule = MappingRule(
        kind=gap.kind.value, side=gap.side.value, main_account=target.main_account if target else "",
        dimensions=described_dimensions(target) if target else "", company_code=target.company_code if target else "",
        accrual_account=target.accrual_account if target and gap.side == Side.CREDIT else "",
        **dict(gap.criteria or (("component", gap.component),)),
    )  # fmt: skip
    rule.rule = names.take(rule)
    note = "No account is suggested. Choose one."
    if suggestion is not None:
        note = f"Suggested, {suggestion.confidence} % sure: {suggestion.reason}"
    return rule_cells(rule, valid_from), note


def _workbook(rows: Sequence[tuple[dict[str, str], str]], shown: Look, valid_from: date) -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = "mapping"
    for column, name in enumerate(COLUMNS, start=1):
        text_cell(sheet, 1, column, name).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(column)].width = max(12, len(name) + 2)
    for row, (cells, note) in enumerate(rows, start=2):
        for column, name in enumerate(COLUMNS, start=1):
            text_cell(sheet, row, column, guarded(cells[name], is_typed=True))
        if note:
            sheet.cell(row, COLUMNS.index("main_account") + 1).comment = Comment(note, "ml-connector")
    sheet.freeze_panes = "C2"
    _choices(sheet, "kind", f'"{",".join(LineKind)}"')
    _choices(sheet, "side", '"debit,credit"')
    if shown.chart is not None:
        usable = [each for each in shown.chart.accounts.values() if each.is_active and each.allows_manual_entry]
        numbers = {account.number: account.name for account in sorted(usable, key=lambda each: each.number)}
        if numbers:
            _list_sheet(book, "accounts", ("main_account", "name"), numbers.items())
            _choices(sheet, "main_account", f"accounts!$A$2:$A${len(numbers) + 1}")
        values = {(each.dimension, each.value): each.name for each in shown.chart.values.values() if each.is_active}
        if values:
            listed = [(*key, name) for key, name in sorted(values.items())]
            _list_sheet(book, "dimension values", ("dimension", "value", "name"), listed)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _choices(sheet: Any, column: str, formula: str) -> None:
    """A list to choose from; what is not on it is asked about and allowed, because the import judges it anyway."""
    letter = get_column_letter(COLUMNS.index(column) + 1)
    # Excel takes a list that is written out only up to 255 characters.
    if len(formula) <= 255:
        choice = DataValidation(
            type="list", formula1=formula, allow_blank=True, errorStyle="warning", showErrorMessage=True
        )
        choice.error = f"This {column.replace('_', ' ')} is not on the list."
        choice.add(f"{letter}2:{letter}{ROWS_MAX + 1}")
        sheet.add_data_validation(choice)


def _list_sheet(book: Any, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    sheet = book.create_sheet(title)
    for row, cells in enumerate([columns, *rows], start=1):
        for column, text in enumerate(cells, start=1):
            text_cell(sheet, row, column, text)
