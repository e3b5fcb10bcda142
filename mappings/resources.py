"""Mapping rules and crosswalks for django-import-export: its preview in, its export out.

The library walks the rows and shows what each would do; judging and writing stay in `file_import`, so that a file that a
person uploads, a provision file and a test get the same verdict. One wrong row, and nothing is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import tablib
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from import_export.resources import ModelResource
from import_export.results import Result, RowResult

from mappings.checks import check_table
from mappings.file_import import (
    CROSSWALKS,
    MAPPING,
    FileError,
    ImportOutcome,
    Judged,
    VersionPlan,
    digest_of,
    import_csv,
    judge,
    write_all,
)
from mappings.journal import Problem
from mappings.models import Crosswalk, MappingRule
from mappings.payroll import Side
from mappings.preview import TargetKey
from mappings.sheets import Sheet
from mappings.table import fold
from mappings.table_csv import CROSSWALK_COLUMNS, MAPPING_COLUMNS, MAPPING_COLUMNS_OPTIONAL
from mappings.tables import chart_for, crosswalk_cells, crosswalk_of, rule_cells, rule_of
from tenants.models import LegalEntity

__all__ = ["CrosswalkResource", "FileError", "ImportOutcome", "MappingRuleResource", "import_csv"]

Cells = Mapping[str, str]


class FileRefused(Exception):  # noqa: N818 - reads as what happened
    """Something is wrong with the file as a whole, so that its rows cannot be looked at."""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What one row of the file does: `what` is new, changed, unchanged, error or removed. `before` and `after` are its cells
    as they are stored and as they will be; those of a row with a mistake are as they were typed. A row that is removed has
    no number: it is not in the file.
    """

    number: int
    what: str
    before: Cells
    after: Cells
    errors: tuple[FileError, ...] = ()

    @property
    def cells(self) -> Cells:
        return self.after or self.before

    @property
    def target(self) -> TargetKey | None:
        """Names its money in a `MoneyDifference`; None for a crosswalk row."""
        cells = self.cells
        if self.what == "error" or "rule" not in cells:
            return None
        return cells["rule"], Side(cells["side"]), int(cells["target"])


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """What a file does to one version: counts of rows, and what will keep the draft from being approved."""

    plan: VersionPlan
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]


class PreviewResult(Result):
    """The library's result with what our preview shows beside the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet_errors: tuple[FileError, ...] = ()
        self.summaries: tuple[VersionSummary, ...] = ()
        self.plans: tuple[VersionPlan, ...] = ()
        self.preview_rows: list[PreviewRow] = []


class _SheetResource(ModelResource):
    """The rows of one file. Subclasses say which file, which columns, and how a row of it becomes a row of a version."""

    file: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def __init__(self, legal_entity: LegalEntity | None = None, by: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.legal_entity = legal_entity
        self.by = by
        self.judged = Judged((), ())
        self.sheet = Sheet([])
        self.errors_by_row: dict[int, list[FileError]] = {}
        self.after: dict[int, tuple[VersionPlan, Cells]] = {}
        self.before: dict[tuple[str, ...], Cells] = {}
        self.preview_rows: list[PreviewRow] = []

    @classmethod
    def get_result_class(cls) -> type[PreviewResult]:
        return PreviewResult

    def get_diff_headers(self) -> list[str]:
        return list(self.columns)

    def get_user_visible_fields(self) -> list[Any]:
        return [self.fields[name] for name in self.columns if name in self.fields]

    # In

    def _judge(self, text: str) -> Judged:
        raise NotImplementedError

    def _rows_after(self, plan: VersionPlan) -> Iterator[tuple[int, Cells]]:
        """Row of the file and its cells as they will be stored."""
        raise NotImplementedError

    def _rows_before(self, plan: VersionPlan) -> Iterable[Cells]:
        raise NotImplementedError

    def _key(self, cells: Cells) -> tuple[str, ...]:
        """What makes two rows the same row, before and after."""
        raise NotImplementedError

    def before_import(self, dataset: Sheet, **kwargs: Any) -> None:
        assert self.legal_entity is not None
        # Two imports for one legal entity would each make a draft of the same date: the second waits here.
        LegalEntity.objects.select_for_update(no_key=True).get(pk=self.legal_entity.pk)
        self.sheet = dataset
        self.judged = self._judge(dataset.text)
        for error in self.judged.errors:
            self.errors_by_row.setdefault(error.row, []).append(error)
        for plan in self.judged.plans:
            self.before |= {self._key(cells): cells for cells in self._rows_before(plan)}
            self.after |= {row: (plan, cells) for row, cells in self._rows_after(plan)}
        if refused := [error for row, errors in self.errors_by_row.items() if row == 1 for error in errors]:
            dataset.wipe()
            raise FileRefused(" ".join(error.sentence for error in refused))

    def import_row(self, row: Cells, instance_loader: Any, **kwargs: Any) -> RowResult:
        """What a row would do. It is written, with all others, after the last one."""
        result = self.get_row_result_class()()
        number = self.sheet.row_numbers[kwargs["row_number"] - 1]
        if errors := self.errors_by_row.get(number):
            result.import_type = RowResult.IMPORT_TYPE_INVALID
            by_column: dict[str, list[str]] = defaultdict(list)
            for error in errors:
                by_column[error.column or NON_FIELD_ERRORS].append(error.sentence)
            result.validation_error = ValidationError(dict(by_column))
            self._show(number, "error", {}, {name: row.get(name) or "" for name in self.columns}, tuple(errors))
        elif number in self.after:
            _, cells = self.after[number]
            before = self.before.get(self._key(cells), {})
            if not before:
                result.import_type = RowResult.IMPORT_TYPE_NEW
                self._show(number, "new", {}, cells)
            elif before == cells:
                result.import_type = RowResult.IMPORT_TYPE_SKIP
                self._show(number, "unchanged", before, cells)
            else:
                result.import_type = RowResult.IMPORT_TYPE_UPDATE
                self._show(number, "changed", before, cells)
        else:
            result.import_type = RowResult.IMPORT_TYPE_SKIP  # another row is wrong, and nothing is imported
        return result

    def _show(self, number: int, what: str, before: Cells, after: Cells, errors: tuple[FileError, ...] = ()) -> None:
        self.preview_rows.append(PreviewRow(number, what, before, after, errors))

    def after_import(self, dataset: Sheet, result: PreviewResult, **kwargs: Any) -> None:
        result.sheet_errors, result.plans = self.judged.errors, self.judged.plans
        result.preview_rows = self.preview_rows
        kept = {self._key(cells) for _, cells in self.after.values()}
        removed_cells = [cells for key, cells in self.before.items() if key not in kept]
        if self.judged.plans and not self._has_unreadable_rows():
            for cells in removed_cells:
                self._show(0, "removed", cells, {})
        if self.judged.errors:
            return
        for _ in removed_cells:
            removed = self.get_row_result_class()()
            removed.import_type = RowResult.IMPORT_TYPE_DELETE
            result.append_row_result(removed)
            result.increment_row_result_total(removed)
        if kwargs.get("dry_run"):
            result.summaries = tuple(self._summary(plan) for plan in self.judged.plans)
        else:
            write_all(self.judged.plans, self.by, kwargs.get("file_name") or self.file, digest_of(self.sheet.text))

    def _has_unreadable_rows(self) -> bool:
        """Whether a row could not be read at all, so that it is not known which row it replaces."""
        return any(number not in self.after for number in self.errors_by_row)

    def _summary(self, plan: VersionPlan) -> VersionSummary:
        after = {self._key(cells): cells for mine, cells in self.after.values() if mine is plan}
        before = {self._key(cells): cells for cells in self._rows_before(plan)}
        counts = Counter(
            "new" if key not in before else "unchanged" if before[key] == cells else "changed"
            for key, cells in after.items()
        )
        counts["removed"] = len(before.keys() - after.keys())
        table = plan.table()
        return VersionSummary(plan, dict(counts), tuple(check_table(table, *chart_for(plan.target, table))))

    # Out

    def _cells(self, row: Any) -> Cells:
        raise NotImplementedError

    def _export_columns(self, rows: list[Cells]) -> tuple[str, ...]:
        return self.columns

    def export(self, queryset: QuerySet[Any] | None = None, **kwargs: Any) -> tablib.Dataset:
        """Whole versions in the form of their file. Raises ValueError where one file cannot hold them."""
        rows = list((self.get_queryset() if queryset is None else queryset).select_related("mapping_table"))
        versions: dict[Any, set[int]] = defaultdict(set)
        for row in rows:
            versions[row.mapping_table.valid_from].add(row.mapping_table_id)
        for valid_from, tables in versions.items():
            if len(tables) > 1:
                raise ValueError(
                    f"{len(tables)} versions are valid from {valid_from}, and a file can hold one of them. "
                    "Filter the list by version first."
                )
        cells = sorted((self._cells(row) for row in rows), key=self._order)
        columns = self._export_columns(cells)
        return tablib.Dataset(*([row[name] for name in columns] for row in cells), headers=list(columns))

    def _order(self, cells: Cells) -> tuple[Any, ...]:
        return self._key(cells)


class MappingRuleResource(_SheetResource):
    """mapping.csv: one row = one target of one side of one rule."""

    file = MAPPING
    columns = (*MAPPING_COLUMNS, *MAPPING_COLUMNS_OPTIONAL)

    class Meta:
        model = MappingRule
        name = "Mapping rules"
        fields = tuple(name for name in MAPPING_COLUMNS if name != "valid_from")
        use_bulk = True  # nothing is written row by row, so no row needs a savepoint

    def _judge(self, text: str) -> Judged:
        assert self.legal_entity is not None
        return judge(self.legal_entity, text, None)

    def _rows_after(self, plan: VersionPlan) -> Iterator[tuple[int, Cells]]:
        target = plan.target
        for row in plan.mapping_rows or ():
            yield row.row, rule_cells(rule_of(row, target), plan.valid_from)

    def _rows_before(self, plan: VersionPlan) -> Iterable[Cells]:
        return [rule_cells(rule, plan.valid_from) for rule in plan.rules_before()]

    def _key(self, cells: Cells) -> tuple[str, ...]:
        return cells["valid_from"], cells["rule"], cells["side"], cells["target"]

    def _cells(self, row: MappingRule) -> Cells:
        return rule_cells(row, row.mapping_table.valid_from)

    def _order(self, cells: Cells) -> tuple[Any, ...]:
        return cells["valid_from"], cells["rule"], cells["side"] == "credit", int(cells["target"])

    def _export_columns(self, rows: list[Cells]) -> tuple[str, ...]:
        used = tuple(name for name in MAPPING_COLUMNS_OPTIONAL if any(row[name] for row in rows))
        return (*MAPPING_COLUMNS, *used)


class CrosswalkResource(_SheetResource):
    """crosswalks.csv: one row = one translation."""

    file = CROSSWALKS
    columns = CROSSWALK_COLUMNS

    class Meta:
        model = Crosswalk
        name = "Crosswalks"
        fields = tuple(name for name in CROSSWALK_COLUMNS if name != "valid_from")
        use_bulk = True

    def _judge(self, text: str) -> Judged:
        assert self.legal_entity is not None
        # An empty file is judged as one that lacks its header; to `judge` no text means that there is no crosswalk.
        return judge(self.legal_entity, None, text or "\n")

    def _rows_after(self, plan: VersionPlan) -> Iterator[tuple[int, Cells]]:
        target = plan.target
        for row in plan.crosswalk_rows or ():
            yield row.row, crosswalk_cells(crosswalk_of(row, target), plan.valid_from)

    def _rows_before(self, plan: VersionPlan) -> Iterable[Cells]:
        return [crosswalk_cells(entry, plan.valid_from) for entry in plan.crosswalk_before()]

    def _key(self, cells: Cells) -> tuple[str, ...]:
        return cells["valid_from"], cells["source_kind"], fold(cells["source_value"]), fold(cells["target"])

    def _cells(self, row: Crosswalk) -> Cells:
        return crosswalk_cells(row, row.mapping_table.valid_from)
