"""What differs between two versions of a mapping, row by row and for the journal policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mappings.models import MappingTable
from mappings.table import fold
from mappings.tables import POLICY_FIELDS, crosswalk_cells, rule_cells

#: Columns that name a row and so cannot differ.
_NAMES = ("valid_from", "rule", "side", "target", "source_kind", "source_value")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row: `what` is row_new, row_changed or row_removed; `cells` are (column, before, after) that tell them apart."""

    what: str
    row: str
    cells: tuple[tuple[str, str, str], ...]


def row_changes(before: MappingTable | None, after: MappingTable) -> list[RowChange]:
    """Every row and every field of the policy in which a version differs from another, inside a scope. Five queries."""
    changes = _changes(_rules(before), _rules(after)) + _changes(_entries(before), _entries(after))
    if before is not None:
        cells = tuple(
            (name, _policy_text(before, name), _policy_text(after, name))
            for name in POLICY_FIELDS
            if getattr(before, name) != getattr(after, name)
        )
        if cells:
            changes.append(RowChange("row_changed", "Journal policy", cells))
    return changes


def _changes(before: Mapping[Key, Mapping[str, str]], after: Mapping[Key, Mapping[str, str]]) -> list[RowChange]:
    found = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        cells = new or old or {}
        # The whole amount goes without saying where a row is new or gone.
        names = [
            name
            for name in cells
            if name not in _NAMES and ((old and new) or (name, cells[name]) != ("percent", "100"))
        ]
        told = tuple(
            (name, (old or {}).get(name, ""), (new or {}).get(name, ""))
            for name in names
            if (old or {}).get(name, "") != (new or {}).get(name, "")
        )
        what = "row_new" if old is None else "row_removed" if new is None else "row_changed"
        found.append(RowChange(what, _row_words(cells), told))
    return found


def _rules(table: MappingTable | None) -> dict[Key, dict[str, str]]:
    if table is None:
        return {}
    rows = [rule_cells(rule, date.min) for rule in table.rules.all()]
    return {(cells["rule"], cells["side"], cells["target"].zfill(4)): cells for cells in rows}


def _entries(table: MappingTable | None) -> dict[Key, dict[str, str]]:
    if table is None:
        return {}
    rows = [crosswalk_cells(entry, date.min) for entry in table.crosswalks.all()]
    return {(cells["source_kind"], fold(cells["source_value"]), fold(cells["target"])): cells for cells in rows}


def _row_words(cells: Mapping[str, str]) -> str:
    if "rule" in cells:
        target = "" if cells["target"] == "1" else f", target {cells['target']}"
        return f"Rule {cells['rule']}, {cells['side']}{target}"
    return f"{cells['source_kind'].capitalize()} {cells['source_value']}"


def _policy_text(table: MappingTable, name: str) -> str:
    value = getattr(table, name)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
