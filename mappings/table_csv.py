"""A mapping table as two CSV files, the form in which finance staff keep it in a spreadsheet.

mapping.csv: one row = one target of one side of one rule. crosswalks.csv: one row = one translation. Both carry every
version: rows with the same valid_from are one complete version. Reading never stops at the first mistake: all of them
come back, each with its row, its column and a sentence. Rows are numbered as a spreadsheet shows them: the header is
row 1. An apostrophe before what a spreadsheet would take for a formula (`'@job`) is no part of the cell.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from mappings.csv_guard import unguarded
from mappings.payroll import SIDES, LineKind, Side
from mappings.table import (
    HUNDRED,
    NONE,
    PAYROLL_TYPES,
    PRECEDENCE,
    SOURCES,
    Criteria,
    CrosswalkEntry,
    Policy,
    Rule,
    Table,
    Target,
    adds_up,
    fold,
    looked_up,
)

MAPPING_COLUMNS = (
    "valid_from",
    "rule",
    "kind",
    "component",
    "employee",
    "job",
    "department",
    "location",
    "compensation_level",
    "payroll_type",
    "off_cycle_reason",
    "side",
    "target",
    "percent",
    "main_account",
    "dimensions",
    "company_code",
    "accrual_account",
)

#: Columns that a file may leave out: few companies map by them. A custom field is written `Name=value`.
MAPPING_COLUMNS_OPTIONAL = ("employee_code", "custom_field")

CROSSWALK_COLUMNS = ("valid_from", "source_kind", "source_value", "target", "target_value")

#: One row of a file: column -> text without outer spaces.
Cells = Mapping[str, str]

#: Column -> what reads it, or raises ValueError with a sentence.
Checks = Mapping[str, Callable[[Cells], object]]


@dataclass(frozen=True, slots=True)
class RowError:
    """One mistake in a file. The column is empty where the whole row, or the whole file (row 1), is meant."""

    row: int
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One target of one side of one rule, as a row of mapping.csv says it."""

    row: int
    valid_from: date
    rule: str
    kind: LineKind
    criteria: Criteria
    side: Side
    target: Target


@dataclass(frozen=True, slots=True)
class CrosswalkRow:
    """One translation, as a row of crosswalks.csv says it."""

    row: int
    valid_from: date
    entry: CrosswalkEntry


def read_mapping_csv(text: str) -> tuple[list[MappingRow], list[RowError]]:
    """The rows of a mapping.csv and every mistake in it, by row. With one mistake nothing of it may be used."""
    numbered, errors = _numbered(text, MAPPING_COLUMNS, MAPPING_COLUMNS_OPTIONAL)
    readable, cell_errors = _readable(numbered, _MAPPING_CHECKS)
    return _mapping_rows(readable, errors + cell_errors)


def read_mapping_rows(numbered: Iterable[tuple[int, Cells]]) -> tuple[list[MappingRow], list[RowError]]:
    """The same for rows that come from elsewhere, as number and cells; the optional columns may not be left out here."""
    return _mapping_rows(*_readable(numbered, _MAPPING_CHECKS))


def read_crosswalks_csv(text: str) -> tuple[list[CrosswalkRow], list[RowError]]:
    """The rows of a crosswalks.csv and every mistake in it, by row. With one mistake nothing of it may be used."""
    numbered, errors = _numbered(text, CROSSWALK_COLUMNS, ())
    readable, cell_errors = _readable(numbered, _CROSSWALK_CHECKS)
    return _crosswalk_rows(readable, errors + cell_errors)


def read_crosswalk_rows(numbered: Iterable[tuple[int, Cells]]) -> tuple[list[CrosswalkRow], list[RowError]]:
    """The same for rows that come from elsewhere, as number and cells."""
    return _crosswalk_rows(*_readable(numbered, _CROSSWALK_CHECKS))


def tables(
    mapping_rows: Sequence[MappingRow], crosswalk_rows: Sequence[CrosswalkRow], policy: Policy
) -> tuple[list[Table], list[RowError]]:
    """The versions that the rows of both files make, by valid_from, under one policy.

    A crosswalk row that belongs to no version is a mistake: it would never be used.
    """
    rules = rules_by_version(mapping_rows)
    entries: dict[date, list[CrosswalkEntry]] = defaultdict(list)
    errors = []
    for row in crosswalk_rows:
        if row.valid_from in rules:
            entries[row.valid_from].append(row.entry)
        else:
            errors.append(RowError(row.row, "valid_from", f"No rules are valid from {row.valid_from}."))
    versions = [
        Table(valid_from.isoformat(), valid_from, rules[valid_from], tuple(entries[valid_from]), policy)
        for valid_from in sorted(rules)
    ]
    return versions, errors


def rules_by_version(rows: Iterable[MappingRow]) -> dict[date, tuple[Rule, ...]]:
    """Rules put together from their targets, in the order in which a file names them first."""
    targets: dict[tuple[date, str], list[MappingRow]] = defaultdict(list)
    for row in rows:
        targets[row.valid_from, row.rule].append(row)
    versions: dict[date, list[Rule]] = defaultdict(list)
    for (valid_from, name), members in targets.items():
        rule = Rule(
            name=name,
            kind=members[0].kind,
            criteria=members[0].criteria,
            debit=tuple(row.target for row in members if row.side == Side.DEBIT),
            credit=tuple(row.target for row in members if row.side == Side.CREDIT),
        )
        versions[valid_from].append(rule)
    return {valid_from: tuple(rules) for valid_from, rules in versions.items()}


# From text to cells


def _numbered(
    text: str, columns: Sequence[str], optional: Sequence[str]
) -> tuple[list[tuple[int, Cells]], list[RowError]]:
    """The rows of a file with their numbers, and what is wrong with the file or with a row as a whole."""
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        return [], [RowError(1, "", f"This is not a CSV file: {error}.")]
    if not lines:
        return [], [RowError(1, "", f"The file is empty. Its first row names the columns {', '.join(columns)}.")]
    header = [name.strip() for name in lines[0]]
    errors = list(_header_errors(header, columns, optional))
    if errors:
        return [], errors
    numbered: list[tuple[int, Cells]] = []
    for number, line in enumerate(lines[1:], start=2):
        texts = [unguarded(cell.strip()) for cell in line]
        if not any(texts):
            continue
        if len(texts) == len(header):
            numbered.append((number, dict.fromkeys(optional, "") | dict(zip(header, texts, strict=True))))
        else:
            errors.append(RowError(number, "", f"The row has {len(texts)} cells, the header has {len(header)}."))
    return numbered, errors


def _header_errors(header: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> Iterator[RowError]:
    for name in columns:
        if name not in header:
            yield RowError(1, name, f'Column "{name}" is missing.')
    for name in dict.fromkeys(header):
        if name not in columns and name not in optional:
            yield RowError(1, name, f'Column "{name}" is unknown. The columns are {", ".join(columns)}.')
        elif header.count(name) > 1:
            yield RowError(1, name, f'Column "{name}" is there twice.')


# From cells to values. Each of these raises ValueError with a sentence about its own column.


def _date(cells: Cells) -> date:
    text = cells["valid_from"]
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # 2026-02-30 has the form of a date; the sentence below is right for it, too
    raise ValueError(f'"{text}" is no date. Write it as 2026-01-31.')


def _rule(cells: Cells) -> str:
    return _filled(cells, "rule")


def _kind(cells: Cells) -> LineKind:
    return LineKind(_one_of(cells, "kind", tuple(LineKind)))


def _payroll_type(cells: Cells) -> str:
    return _one_of(cells, "payroll_type", ("", *PAYROLL_TYPES))


def _custom_field(cells: Cells) -> tuple[str, str]:
    return _pair(cells["custom_field"]) if cells["custom_field"] else ("", "")


def _side(cells: Cells) -> Side:
    side = Side(_one_of(cells, "side", tuple(Side)))
    if cells["kind"] in tuple(LineKind) and side not in (SIDES[LineKind(cells["kind"])] or tuple(Side)):
        raise ValueError(f"{cells['kind']} has no {side} side.")
    return side


def _position(cells: Cells) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", cells["target"]):
        raise ValueError(f'"{cells["target"]}" is no target number. Number the targets of a side 1, 2, 3.')
    return int(cells["target"])


def _percent(cells: Cells) -> Decimal:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", cells["percent"]) or Decimal(cells["percent"]) > HUNDRED:
        raise ValueError(f'"{cells["percent"]}" is no percentage from 0 to 100, such as 33.33.')
    return Decimal(cells["percent"])


def _main_account(cells: Cells) -> str:
    return _filled(cells, "main_account")


def _dimensions(cells: Cells) -> tuple[tuple[str, str], ...]:
    """`CostCenter=@department;Plant=10` as pairs sorted by name."""
    pairs = [_pair(part) for part in cells["dimensions"].split(";")] if cells["dimensions"] else []
    names = [fold(name) for name, _ in pairs]
    for name, value in pairs:
        _check_source(value)
        if names.count(fold(name)) > 1:
            raise ValueError(f"{name} is there twice.")
    return tuple(sorted(pairs))


def _company_code(cells: Cells) -> str:
    _check_source(cells["company_code"])
    return cells["company_code"]


def _accrual_account(cells: Cells) -> str:
    if cells["accrual_account"] and cells["side"] == Side.DEBIT:
        raise ValueError("Only a credit waits on an accrual account.")
    return cells["accrual_account"]


def _source_kind(cells: Cells) -> str:
    return _one_of(cells, "source_kind", SOURCES)


def _source_value(cells: Cells) -> str:
    if not cells["source_value"]:
        raise ValueError(f"The source value is empty. Write {NONE} for people who have none.")
    return cells["source_value"]


def _crosswalk_target(cells: Cells) -> str:
    return _filled(cells, "target")


def _target_value(cells: Cells) -> str:
    return _filled(cells, "target_value")


def _filled(cells: Cells, column: str) -> str:
    if not cells[column]:
        raise ValueError(f"The {column.replace('_', ' ')} is empty.")
    return cells[column]


def _one_of(cells: Cells, column: str, values: Sequence[str]) -> str:
    if cells[column] not in values:
        raise ValueError(
            f'"{cells[column]}" is unknown. Choose one of {", ".join(value for value in values if value)}.'
        )
    return cells[column]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or not value:
        raise ValueError(f'"{text.strip()}" is not of the form Name=value.')
    return name, value


def _check_source(value: str) -> None:
    if value.startswith("@") and looked_up(value) not in SOURCES:
        known = ", ".join(f"@{source}" for source in SOURCES)
        raise ValueError(f'"{value}" cannot be looked up. Choose one of {known}.')


#: What each column must hold. A column that is not here may hold any text.
_MAPPING_CHECKS: Checks = {
    "valid_from": _date,
    "rule": _rule,
    "kind": _kind,
    "payroll_type": _payroll_type,
    "custom_field": _custom_field,
    "side": _side,
    "target": _position,
    "percent": _percent,
    "main_account": _main_account,
    "dimensions": _dimensions,
    "company_code": _company_code,
    "accrual_account": _accrual_account,
}

_CROSSWALK_CHECKS: Checks = {
    "valid_from": _date,
    "source_kind": _source_kind,
    "source_value": _source_value,
    "target": _crosswalk_target,
    "target_value": _target_value,
}


def _readable(numbered: Iterable[tuple[int, Cells]], checks: Checks) -> tuple[list[tuple[int, Cells]], list[RowError]]:
    """The rows in which every cell can be read, and every cell of the others that cannot."""
    readable = []
    errors = []
    for row, cells in numbered:
        wrong = []
        for column, read in checks.items():
            try:
                read(cells)
            except ValueError as error:
                wrong.append(RowError(row, column, str(error)))
        errors += wrong
        if not wrong:
            readable.append((row, cells))
    return readable, errors


def _mapping_row(row: int, cells: Cells) -> MappingRow:
    texts = {criterion: cells[criterion] for criterion in PRECEDENCE if criterion != "custom_field"}
    return MappingRow(
        row=row,
        valid_from=_date(cells),
        rule=_rule(cells),
        kind=_kind(cells),
        criteria=Criteria(custom_field=_custom_field(cells), **texts),
        side=_side(cells),
        target=Target(
            position=_position(cells),
            percent=_percent(cells),
            main_account=_main_account(cells),
            dimensions=_dimensions(cells),
            company_code=_company_code(cells),
            accrual_account=_accrual_account(cells),
        ),
    )


def _crosswalk_row(row: int, cells: Cells) -> CrosswalkRow:
    entry = CrosswalkEntry(_source_kind(cells), _source_value(cells), _crosswalk_target(cells), _target_value(cells))
    return CrosswalkRow(row, _date(cells), entry)


# What rows say together


def _mapping_rows(
    readable: Iterable[tuple[int, Cells]], errors: Iterable[RowError]
) -> tuple[list[MappingRow], list[RowError]]:
    rows = [_mapping_row(row, cells) for row, cells in readable]
    # A row with a mistake is missing from its rule: what the rest adds up to says nothing then.
    errors = list(errors) or list(_rule_errors(rows))
    return rows, sorted(errors, key=lambda error: error.row)


def _crosswalk_rows(
    readable: Iterable[tuple[int, Cells]], errors: Iterable[RowError]
) -> tuple[list[CrosswalkRow], list[RowError]]:
    rows = [_crosswalk_row(row, cells) for row, cells in readable]
    errors = [*errors, *_repeated_entries(rows)]
    return rows, sorted(errors, key=lambda error: error.row)


def _repeated_entries(rows: Iterable[CrosswalkRow]) -> Iterator[RowError]:
    first: dict[tuple[date, tuple[str, str, str]], CrosswalkRow] = {}
    for row in rows:
        known = first.setdefault((row.valid_from, row.entry.key()), row)
        if known is not row:
            what = f"{row.entry.target} of {row.entry.source_kind} {row.entry.source_value}"
            yield RowError(row.row, "source_value", f"Row {known.row} gives {what} already.")


def _rule_errors(rows: Sequence[MappingRow]) -> Iterator[RowError]:
    """Rows of one rule and version must agree on kind and criteria; targets of one side must be whole and numbered."""
    first: dict[tuple[date, str], MappingRow] = {}
    sides: dict[tuple[date, str, Side], list[MappingRow]] = defaultdict(list)
    for row in rows:
        known = first.setdefault((row.valid_from, row.rule), row)
        for column in _differences(known, row):
            yield RowError(
                row.row, column, f"Rule {row.rule} has another {column.replace('_', ' ')} in row {known.row}."
            )
        sides[row.valid_from, row.rule, row.side].append(row)
    for (valid_from, rule, side), members in sides.items():
        by_position: dict[int, int] = {}
        for row in members:
            known_row = by_position.setdefault(row.target.position, row.row)
            if known_row != row.row:
                sentence = f"Row {known_row} is target {row.target.position} of rule {rule}, {side}, already."
                yield RowError(row.row, "target", sentence)
        if not adds_up(row.target.percent for row in members):
            percents = " + ".join(str(row.target.percent) for row in members)
            sentence = f"The percentages of rule {rule}, {side}, valid from {valid_from}, are {percents}, not 100."
            yield RowError(members[0].row, "percent", sentence)
    for (valid_from, rule), row in first.items():
        if not SIDES[row.kind] and not all((valid_from, rule, side) in sides for side in Side):
            yield RowError(
                row.row, "side", f"{row.kind} is posted only by a rule with both sides; rule {rule} has one."
            )


def _differences(first: MappingRow, row: MappingRow) -> Iterator[str]:
    """Columns in which two rows of one rule disagree, names compared as everywhere without case and surplus spaces."""
    if first.kind != row.kind:
        yield "kind"
    ours, theirs = (dict(zip(c.filled(), c.folded(), strict=True)) for c in (first.criteria, row.criteria))
    for criterion in PRECEDENCE:
        if ours.get(criterion) != theirs.get(criterion):
            yield criterion
