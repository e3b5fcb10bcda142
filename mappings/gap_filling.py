"""From gaps to rows of a draft: what the last payrolls lack in a version, what could fill it, and filling it.

Filling writes into a draft and nothing else; where the version that was looked at is approved, a draft is made as a copy of
it first. All functions run inside a tenant scope.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from mappings.chart import Chart
from mappings.coverage import changed_components, coverage
from mappings.coverage_rows import ComponentKey, Coverage, Gap
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.payroll import LineKind, PayrollHeader, Side
from mappings.place import Place, serving
from mappings.policy import Policy
from mappings.preview import RUNS, lines_of_run
from mappings.suggestions import (
    Precedent,
    Suggestion,
    ValueSuggestion,
    described_dimensions,
    gap_key,
    suggestions,
    value_suggestions,
)
from mappings.table import Table, fold
from mappings.tables import CROSSWALK_FIELDS, chart_for, new_draft, note_change, open_draft, table_of
from tenants.models import LegalEntity


@dataclass(frozen=True, slots=True)
class Look:
    """A version, or nothing yet, looked at with the last payrolls, the newest first."""

    headers: tuple[PayrollHeader, ...]
    table: Table
    coverage: Coverage
    changed: frozenset[ComponentKey]
    """Components that the version treats otherwise than the one it takes over from."""
    suggestions: dict[str, Suggestion]
    value_suggestions: dict[str, ValueSuggestion]
    chart: Chart | None
    system_label: str

    def suggestion(self, gap: Gap) -> Suggestion | None:
        return self.suggestions.get(gap_key(gap))


def look(place: Place, runs: int = RUNS) -> Look:
    """Everything a coverage page shows: a constant number of queries, whatever the number of rules and components."""
    headers = lines_of_run(place.entity, runs)
    table = table_of(place.version) if place.version else empty_table(place.entity, headers)
    found = coverage(table, headers)
    changed: Collection[ComponentKey] = ()
    if place.version is not None and place.version.state != MappingTable.State.APPROVED and place.base is not None:
        changed = changed_components(found, coverage(table_of(place.base), headers))
    version = place.version or MappingTable(legal_entity=place.entity, valid_from=table.valid_from, version=0)
    chart, label = chart_for(version, table)
    return Look(
        headers=headers,
        table=table,
        coverage=found,
        changed=frozenset(changed),
        suggestions=suggestions(found, table, chart, _precedents(place, found.gaps)) if found.gaps else {},
        value_suggestions=(
            value_suggestions(found.crosswalk_gaps, table, chart, _known_values(place)) if found.crosswalk_gaps else {}
        ),
        chart=chart,
        system_label=label,
    )


def empty_table(entity: LegalEntity, headers: Iterable[PayrollHeader]) -> Table:
    """What stands before the first version: nothing is caught."""
    first = min((header.check_date for header in headers), default=date.min)
    return Table("0", first, (), (), Policy(company_code=entity.company_code))


# What the tenant mapped elsewhere or before


def _precedents(place: Place, gaps: Collection[Gap]) -> list[Precedent]:
    """Rules by component in the approved versions of the tenant that serve or served, besides the one looked at."""
    kinds = {gap.kind.value for gap in gaps}
    rows = (
        MappingRule.objects.filter(mapping_table__state=MappingTable.State.APPROVED, kind__in=kinds, target=1, percent=100)
        .exclude(component="")
        .filter(employee="", employee_code="")
        .exclude(mapping_table_id=place.version.pk if place.version else None)
        .order_by("mapping_table__valid_from", "mapping_table__version")
        .values_list(
            "kind", "component", "side", "main_account", "mapping_table__legal_entity_id", "mapping_table__version",
            "mapping_table__legal_entity__company_code",
        )
    )  # fmt: skip
    # The newest of each legal entity stands last and wins.
    newest: dict[tuple[str, str, str, int], Precedent] = {}
    for kind, component, side, account, entity_id, version, code in rows:
        is_own = entity_id == place.entity.pk
        words = f"version {version}" if is_own else f"company code {code}"
        newest[kind, fold(component), side, entity_id] = Precedent(
            LineKind(kind), component, Side(side), account, words, is_own
        )
    return list(newest.values())


def _known_values(place: Place) -> list[tuple[str, str, str, str, str]]:
    """Crosswalk rows of other approved versions, the newest first, with where each stands."""
    rows = (
        Crosswalk.objects.filter(mapping_table__state=MappingTable.State.APPROVED)
        .exclude(mapping_table_id=place.version.pk if place.version else None)
        .exclude(source_kind="employee")
        .order_by("-mapping_table__valid_from", "-mapping_table__version")
        .values_list(
            *CROSSWALK_FIELDS, "mapping_table__legal_entity_id", "mapping_table__legal_entity__company_code",
            "mapping_table__version",
        )
    )  # fmt: skip
    return [
        (*cells, f"version {version}" if entity_id == place.entity.pk else f"company code {code}")
        for *cells, entity_id, code, version in rows
    ]


# Filling


def accept(place: Place, shown: Look, keys: Collection[str], by: str) -> tuple[MappingTable, int] | None:
    """Write the suggestions of these keys into a draft; returns it with the number of rows. None where not one of them is
    suggested (any more): then nothing was written and no draft was made. Raises NotADraft for a submitted version.
    """
    rules = [each for each in shown.suggestions.values() if each.key in keys]
    values = [each for each in shown.value_suggestions.values() if each.key in keys]
    if not rules and not values:
        return None
    dates = [rule.gap.first_date for rule in rules] + [value.gap.first_date for value in values]
    draft = draft_of(place, dates, by)
    names = RuleNames(draft)
    for suggestion in rules:
        names.add(suggestion).save()
    for value in values:
        gap = value.gap
        Crosswalk.objects.create(
            mapping_table=draft, source_kind=gap.source_kind, source_value=gap.source_value, target=gap.target,
            target_value=value.value,
        )  # fmt: skip
    told = [f"rule {names.of(each)} for “{each.gap.component}” from a suggestion" for each in rules]
    told += [f"{value.gap.source_kind} “{value.gap.source_value}” from a suggestion" for value in values]
    note_change(draft, by, ", ".join(told))
    return draft, len(rules) + len(values)


def draft_of(place: Place, dates: Collection[date], by: str) -> MappingTable:
    """The draft of a place, locked; else a new one as a copy of what serves, valid from the first of these check dates.

    Raises NotADraft where the version of the place is submitted.
    """
    version = place.version
    if version is not None and version.state != MappingTable.State.APPROVED:
        return open_draft(version.pk)
    if place.unfinished is not None:
        return open_draft(place.unfinished.pk)
    valid_from = min(dates, default=date.today())  # noqa: DTZ011 - a day of the ledger, and only where no run was seen
    base = serving(place.versions, valid_from)
    if base is None and version is not None:
        base = version
    return new_draft(place.entity, valid_from, copy_of=base, by=by)


class RuleNames:
    """Names new rules of a draft: a gap on the other side of a rule that was made for the same lines joins that rule."""

    def __init__(self, draft: MappingTable, rules: Iterable[MappingRule] | None = None) -> None:
        """`rules` are those of the draft, where they were read already."""
        self.draft = draft
        self._names: set[str] = set()
        self._by_criteria: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        for rule in draft.rules.all() if rules is None else rules:
            self._names.add(rule.rule)
            self._keep(rule)
        self._given: dict[str, str] = {}

    def _keep(self, rule: MappingRule) -> None:
        self._by_criteria.setdefault(_criteria(rule), set()).add((rule.rule, rule.side))

    def add(self, suggestion: Suggestion) -> MappingRule:
        """An unsaved rule for a suggestion."""
        gap, target = suggestion.gap, suggestion.target
        rule = MappingRule(
            mapping_table=self.draft, kind=gap.kind.value, side=gap.side.value, main_account=target.main_account,
            dimensions=described_dimensions(target), company_code=target.company_code,
            accrual_account=target.accrual_account if gap.side == Side.CREDIT else "", **dict(gap.criteria or ()),
        )  # fmt: skip
        rule.rule = self.take(rule)
        self._given[suggestion.key] = rule.rule
        return rule

    def take(self, rule: MappingRule) -> str:
        """Name a rule, and count it among those of the draft from now on."""
        rule.rule = self._name(rule)
        self._keep(rule)
        return rule.rule

    def _name(self, rule: MappingRule) -> str:
        """A name for a rule with these criteria on this side."""
        there = self._by_criteria.get(_criteria(rule), set())
        taken = {name for name, side in there if side == rule.side}
        if open_names := {name for name, _ in there} - taken:
            return min(open_names)
        number = len(self._names) + 1
        while (name := f"R{number:02d}") in self._names:
            number += 1
        self._names.add(name)
        return name

    def of(self, suggestion: Suggestion) -> str:
        return self._given[suggestion.key]


_CRITERIA = (
    "kind", "component", "department", "job", "location", "employee", "employee_code", "custom_field",
    "compensation_level", "payroll_type", "off_cycle_reason",
)  # fmt: skip


def _criteria(rule: MappingRule) -> tuple[str, ...]:
    return tuple(fold(str(getattr(rule, name))) for name in _CRITERIA)
