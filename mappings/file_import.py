"""A mapping file into drafts: judged whole, then written whole or not at all.

A file holds complete versions by valid-from date. Each becomes the draft of its date: the one that is there is replaced,
otherwise a new one is made from the version in force, so that a file of rules keeps that version's crosswalk and policy.
Where an approved version of the date says something else, the draft is a correction of it with the same date.
The reader of `table_csv` judges form, this module adds what only the database knows: approved versions, lengths, and the
ledger's accounts, dimensions and company codes.

All functions run inside a tenant scope.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from audit import trail
from mappings.checks import crosswalk_faults, target_faults
from mappings.faults import company_code_faults
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.policy_values import stored_value
from mappings.sheets import ROWS_MAX
from mappings.table import Table, looked_up
from mappings.table_csv import (
    CrosswalkRow,
    MappingRow,
    RowError,
    read_crosswalk_rows,
    read_crosswalks_csv,
    read_mapping_csv,
    read_mapping_rows,
)
from mappings.tables import (
    POLICY_FIELDS,
    add_preparer,
    approved_table,
    chart_for,
    crosswalk_cells,
    crosswalk_of,
    new_draft,
    open_draft,
    rule_cells,
    rule_of,
    table_of_rows,
)
from tenants.models import LegalEntity

Row = TypeVar("Row", MappingRow, CrosswalkRow)

MAPPING = "mapping.csv"
CROSSWALKS = "crosswalks.csv"


@dataclass(frozen=True, slots=True)
class FileError:
    """One mistake in a file: which file, the row as a spreadsheet counts it, the column (empty = the whole row)."""

    file: str
    row: int
    column: str
    sentence: str

    def __str__(self) -> str:
        where = f"row {self.row}, column {self.column}" if self.column else f"row {self.row}"
        return f"{self.file}, {where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did. With one error `tables` is empty and nothing was written.

    `tables` are the versions of the file by valid-from date, drafts or, where the file says the same as an approved
    version, that one. `changed` are those that were written to.
    """

    tables: tuple[MappingTable, ...] = ()
    errors: tuple[FileError, ...] = ()
    changed: tuple[MappingTable, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionPlan:
    """What a file wants one version to be. No rows given (None) = as they are in `before`."""

    legal_entity: LegalEntity
    valid_from: date
    before: MappingTable | None
    """The newest version of this date, draft or approved, else the approved version that is in force on it."""
    mapping_rows: tuple[MappingRow, ...] | None
    crosswalk_rows: tuple[CrosswalkRow, ...] | None
    policy: tuple[tuple[str, str | bool], ...] = ()

    @property
    def target(self) -> MappingTable:
        """The version as it will be, without its rows: the draft that is there, or a new one, unsaved."""
        if self.is_in_place:
            assert self.before is not None
            return self.before
        policy = {name: getattr(self.before, name) for name in POLICY_FIELDS} if self.before else {}
        return MappingTable(
            legal_entity=self.legal_entity, valid_from=self.valid_from, version=0, **(policy | dict(self.policy))
        )

    @property
    def is_in_place(self) -> bool:
        """Whether a draft of exactly this date is there to be changed. An approved version gets a draft beside it."""
        return self._is_same_day and self.before is not None and self.before.state == MappingTable.State.DRAFT

    @property
    def _is_same_day(self) -> bool:
        return self.before is not None and self.before.valid_from == self.valid_from

    def rules_before(self) -> list[MappingRule]:
        return list(self.before.rules.all()) if self.before else []

    def crosswalk_before(self) -> list[Crosswalk]:
        return list(self.before.crosswalks.all()) if self.before else []

    def is_change(self) -> bool:
        """Whether the version differs from what stands for exactly this date."""
        if self.before is None or not self._is_same_day:
            return True
        if any(getattr(self.before, name) != value for name, value in self.policy):
            return True
        return _differ(self._rules_after(), self.rules_before()) or _differ(
            self._crosswalk_after(), self.crosswalk_before()
        )

    def table(self) -> Table:
        """The pure form of the version as it will be."""
        mapping_rows, _ = read_mapping_rows(
            (number, rule_cells(rule, self.valid_from)) for number, rule in enumerate(self._rules_after(), 1)
        )
        crosswalk_rows, _ = read_crosswalk_rows(
            (number, crosswalk_cells(entry, self.valid_from)) for number, entry in enumerate(self._crosswalk_after(), 1)
        )
        return table_of_rows(self.target, mapping_rows, [row.entry for row in crosswalk_rows])

    def _rules_after(self) -> list[MappingRule]:
        if self.mapping_rows is None:
            return self.rules_before()
        target = self.target
        return [rule_of(row, target) for row in self.mapping_rows]

    def _crosswalk_after(self) -> list[Crosswalk]:
        if self.crosswalk_rows is None:
            return self.crosswalk_before()
        target = self.target
        return [crosswalk_of(row, target) for row in self.crosswalk_rows]

    def write(self, by: str, source: str, digest: str) -> MappingTable:
        """Make the version what the file says. Raises NotADraft where the draft was approved meanwhile."""
        if self.is_in_place:
            assert self.before is not None
            draft = open_draft(self.before.pk)
        else:
            draft = new_draft(self.legal_entity, self.valid_from, copy_of=self.before, by=by)
        rows = 0
        if self.mapping_rows is not None:
            draft.rules.all().delete()
            MappingRule.objects.bulk_create(rule_of(row, draft) for row in self.mapping_rows)
            rows += len(self.mapping_rows)
        if self.crosswalk_rows is not None:
            draft.crosswalks.all().delete()
            Crosswalk.objects.bulk_create(crosswalk_of(row, draft) for row in self.crosswalk_rows)
            rows += len(self.crosswalk_rows)
        if self.policy:
            for name, value in self.policy:
                setattr(draft, name, value)
            draft.save(update_fields=[name for name, _ in self.policy])
        add_preparer(draft, by)
        trail.record(
            "mapping_table.imported",
            subject="mapping_table",
            subject_id=str(draft.pk),
            by=by or None,
            version=draft.version,
            rows=rows,
            file=source,
            digest=digest,
        )
        return draft


@dataclass(frozen=True, slots=True)
class Judged:
    """The versions of a file, by valid-from date, and every mistake in it. With one mistake nothing may be written."""

    plans: tuple[VersionPlan, ...]
    errors: tuple[FileError, ...]


def import_csv(
    legal_entity: LegalEntity,
    mapping_text: str,
    crosswalks_text: str | None,
    by: str,
    source: str,
    policy: Mapping[str, object] | None = None,
) -> ImportOutcome:
    """Read mapping.csv and crosswalks.csv into drafts of a legal entity: all versions, or none and every mistake.

    Empty crosswalks text = the versions have no crosswalk; None = they keep theirs. `by` is a user name, empty = the
    installation itself; `source` names the file in the audit trail. `policy` sets policy fields of every version. The
    same file again changes nothing. Raises ValueError for a policy that does not exist.
    """
    stored = {name: stored_value(name, value) for name, value in (policy or {}).items()}
    with transaction.atomic():
        # Two imports for one legal entity would each make a draft of the same date: the second waits here.
        LegalEntity.objects.select_for_update(no_key=True).get(pk=legal_entity.pk)
        judged = judge(legal_entity, mapping_text, crosswalks_text, stored)
        if judged.errors:
            return ImportOutcome(errors=judged.errors)
        plans = [_of_what_is_approved(plan) for plan in judged.plans]
        return write_all(plans, by, source, digest_of(mapping_text, crosswalks_text or ""))


def _of_what_is_approved(plan: VersionPlan) -> VersionPlan:
    """The plan against the approved version of its date, where that says the same already: a file that is applied again
    and again leaves alone the draft in which somebody prepares a correction of what it says.
    """
    in_force = approved_table(plan.legal_entity, plan.valid_from)
    if in_force is not None and in_force.valid_from == plan.valid_from:
        against_approved = replace(plan, before=in_force)
        if not against_approved.is_change():
            return against_approved
    return plan


def write_all(plans: Iterable[VersionPlan], by: str, source: str, digest: str) -> ImportOutcome:
    """Write the versions of a file that was judged without a mistake; untouched is what says the same already."""
    tables = []
    changed = []
    for plan in plans:
        if plan.is_change():
            tables.append(plan.write(by, source, digest))
            changed.append(tables[-1])
        else:
            assert plan.before is not None
            tables.append(plan.before)
    return ImportOutcome(tables=tuple(tables), changed=tuple(changed))


def digest_of(*texts: str) -> str:
    """What identifies the contents of files in the audit trail."""
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()


def judge(
    legal_entity: LegalEntity,
    mapping_text: str | None,
    crosswalks_text: str | None,
    policy: Mapping[str, str | bool] | None = None,
) -> Judged:
    """Read files without writing anything. None = this file is not given; an empty crosswalks text = no crosswalk."""
    mapping_rows: list[MappingRow] | None = None
    crosswalk_rows: list[CrosswalkRow] | None = None
    errors: list[FileError] = []
    if mapping_text is not None:
        mapping_rows, found = read_mapping_csv(mapping_text)
        errors += _of_file(MAPPING, found or _size_errors(mapping_rows))
    if crosswalks_text is not None:
        crosswalk_rows, found = read_crosswalks_csv(crosswalks_text) if crosswalks_text else ([], [])
        errors += _of_file(CROSSWALKS, found or (_size_errors(crosswalk_rows) if crosswalks_text else ()))
    if errors:
        return Judged((), tuple(errors))
    plans = _plans(legal_entity, mapping_rows, crosswalk_rows, tuple((policy or {}).items()))
    for plan in plans:
        errors += _version_errors(plan)
        errors += _length_errors(plan)
    errors = errors or [error for plan in plans for error in _reference_errors(plan)]
    return Judged(tuple(plans), tuple(sorted(errors, key=lambda error: (error.file != MAPPING, error.row))))


def _plans(
    legal_entity: LegalEntity,
    mapping_rows: Sequence[MappingRow] | None,
    crosswalk_rows: Sequence[CrosswalkRow] | None,
    policy: tuple[tuple[str, str | bool], ...],
) -> list[VersionPlan]:
    dates = {row.valid_from for row in mapping_rows or ()} | {row.valid_from for row in crosswalk_rows or ()}
    return [
        VersionPlan(
            legal_entity=legal_entity,
            valid_from=valid_from,
            before=_version_before(legal_entity, valid_from),
            mapping_rows=_dated(mapping_rows, valid_from),
            crosswalk_rows=_dated(crosswalk_rows, valid_from),
            policy=policy,
        )
        for valid_from in sorted(dates)
    ]


def _dated(rows: Sequence[Row] | None, valid_from: date) -> tuple[Row, ...] | None:
    return None if rows is None else tuple(row for row in rows if row.valid_from == valid_from)


def _version_before(legal_entity: LegalEntity, valid_from: date) -> MappingTable | None:
    """The newest version of exactly this date, draft or approved, else the approved one in force on it. A draft that is
    older than an approved version of its date counts for nothing: it could never be approved.
    """
    same_day: MappingTable | None = (
        MappingTable.objects.select_related("legal_entity__erp_connection")
        .filter(legal_entity=legal_entity, valid_from=valid_from)
        .order_by("-version")
        .first()
    )
    return same_day or approved_table(legal_entity, valid_from)


def _size_errors(rows: Sequence[MappingRow] | Sequence[CrosswalkRow]) -> Iterator[RowError]:
    if not rows:
        yield RowError(1, "", "The file has a header and no rows.")
    if len(rows) > ROWS_MAX:
        yield RowError(ROWS_MAX + 2, "", f"The file has more than {ROWS_MAX:,} rows.")


def _of_file(file: str, errors: Iterable[RowError]) -> list[FileError]:
    return [FileError(file, error.row, error.column, error.sentence) for error in errors]


def _version_errors(plan: VersionPlan) -> Iterator[FileError]:
    """A version must have rules."""
    file, rows = (MAPPING, plan.mapping_rows) if plan.mapping_rows else (CROSSWALKS, plan.crosswalk_rows)
    first = rows[0].row if rows else 1
    if not plan.mapping_rows and (plan.mapping_rows is not None or plan.before is None):
        yield FileError(file, first, "valid_from", f"No rules are valid from {plan.valid_from}.")


def _length_errors(plan: VersionPlan) -> Iterator[FileError]:
    """What does not fit into the database, found before it is written."""
    target = plan.target
    instances: list[tuple[str, int, MappingRule | Crosswalk]] = [
        *((MAPPING, row.row, rule_of(row, target)) for row in plan.mapping_rows or ()),
        *((CROSSWALKS, row.row, crosswalk_of(row, target)) for row in plan.crosswalk_rows or ()),
    ]
    for file, row, instance in instances:
        try:
            instance.clean_fields(exclude={"mapping_table", "tenant"})
        except ValidationError as error:
            for column, sentences in error.message_dict.items():
                yield FileError(file, row, column, " ".join(sentences))


def _reference_errors(plan: VersionPlan) -> Iterator[FileError]:
    """Accounts, dimensions, values and company codes that the ledger does not know, each with the closest that it does.

    What exists but cannot be used (closed, no manual entry) is a problem of the draft: it may be put right in the ledger.
    """
    table = plan.table()
    chart, system_label = chart_for(plan.target, table)
    if chart is None:
        return
    for row in plan.mapping_rows or ():
        faults = target_faults(table, row.kind, row.side, row.target, chart, system_label)
        code = row.target.company_code
        if code and not looked_up(code):
            faults = [*faults, *company_code_faults(chart, system_label, code)]
        for fault in faults:
            if fault.is_unknown:
                yield FileError(MAPPING, row.row, fault.column, fault.words)
    for entry_row in plan.crosswalk_rows or ():
        entry = entry_row.entry
        for fault in crosswalk_faults(table, entry.target, entry.target_value, chart, system_label):
            if fault.is_unknown:
                yield FileError(CROSSWALKS, entry_row.row, fault.column, fault.words)


def _differ(
    after: Iterable[MappingRule] | Iterable[Crosswalk], before: Iterable[MappingRule] | Iterable[Crosswalk]
) -> bool:
    return {_key(row) for row in after} != {_key(row) for row in before}


def _key(row: MappingRule | Crosswalk) -> tuple[str, ...]:
    """All of a row as text. The date is the version's, the same for both sides of a comparison."""
    cells = rule_cells(row, date.min) if isinstance(row, MappingRule) else crosswalk_cells(row, date.min)
    return tuple(cells.values())
