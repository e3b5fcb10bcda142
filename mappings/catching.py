"""Which rule catches a payroll line, and where the targets of that rule lead (accounting.md 8).

The most specific rule that fits wins, by a total order of criteria, so the order in which rules are written never
matters. The rules of one kind and side are grouped by the criteria that they fill: within a group the values of a line
lead to its rules by one look-up, and two rules found together are a tie.

A large payroll asks the same question many times (10,000 people, a handful of departments), so an answer is kept for
every combination of the values that rules and crosswalk look at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from mappings.payroll import SIDES, LineKind, PayrollHeader, PayrollLine, Side
from mappings.splitting import Shares, whole_weights
from mappings.table import COMPANY_CODE, NONE, WEIGHTS, Rule, Table, Target, fold, looked_up

#: What may stand after the kind in the text of a journal line, the most telling first.
_PLACES = ("department", "job", "location")

#: Criteria that hold for the whole run and do not tell one line from another.
_OF_THE_RUN = frozenset({"off_cycle_reason", "payroll_type"})

_DEBIT = Side.DEBIT


@dataclass(frozen=True, slots=True, eq=False)
class Landing:
    """A target with everything looked up: the account, dimensions and company code that a share of a line reaches.

    Compared by identity: the same question gets the same landing.
    """

    rule: Rule
    target: Target
    side: Side
    company_code: str
    dimensions: tuple[tuple[str, str], ...]
    place: str
    """The department, job or location that rule or target look at; empty where they look at none."""


@dataclass(frozen=True, slots=True, eq=False)
class Caught:
    """The rule that caught a line on one side, and its landings by position in proportion to their percentages."""

    rule: Rule
    landings: Shares[Landing]
    only: Landing | None
    """The landing where there is but one, as nearly always."""


@dataclass(frozen=True, slots=True, eq=False)
class Uncaught:
    """Why a line has no landing on one side.

    No rules: a gap. Rules without `missing`: a tie between them. One rule with `missing`: the crosswalk has no row for
    (source kind, source value, target), each of them given.
    """

    rules: tuple[Rule, ...] = ()
    missing: tuple[tuple[str, str, str], ...] = ()
    only: ClassVar[None] = None
    """As in `Caught`, so that the usual case is asked for first."""

    @property
    def is_gap(self) -> bool:
        return not self.rules


class Catcher:
    """The rules and the crosswalk of one table, arranged for the lines of one payroll run."""

    def __init__(self, table: Table, header: PayrollHeader) -> None:
        self._crosswalk = {entry.key(): entry.target_value for entry in table.crosswalk}
        self._run_values = {
            "payroll_type": fold(header.payroll_type),
            # Gusto keeps the reason only on off-cycle runs; on any other it is not to be trusted.
            "off_cycle_reason": fold(header.off_cycle_reason) if header.payroll_type == "off_cycle" else "",
        }
        rules: dict[tuple[LineKind, Side], list[Rule]] = defaultdict(list)
        for rule in table.rules:
            for side in Side:
                # A memo kind is posted only by a rule that says both where it comes from and where it goes.
                if rule.targets(side) and (SIDES[rule.kind] or (rule.debit and rule.credit)):
                    rules[rule.kind, side].append(rule)
        self._debits = {kind: _Route(rules[kind, Side.DEBIT], self._run_values) for kind in LineKind}
        self._credits = {kind: _Route(rules[kind, Side.CREDIT], self._run_values) for kind in LineKind}

    def catch(self, line: PayrollLine, side: Side, job: str, company_code: str) -> Caught | Uncaught:
        """The rule that catches a line, as a line of `job`, on one side, and where it leads.

        `company_code` is where a target without one of its own lands.
        """
        route = (self._debits if side is _DEBIT else self._credits)[line.kind]
        key = (company_code, job, route.values_looked_at(line))
        answer = route.answers.get(key)
        if answer is None:
            answer = route.answers[key] = self._answer(route, line, side, job, company_code)
        return answer

    def fitting(self, line: PayrollLine, side: Side, job: str | None = None) -> tuple[Rule, ...]:
        """Every rule that fits a line, the one that catches it first: who won and whom it beat."""
        groups = (self._debits if side is _DEBIT else self._credits)[line.kind].fitting(
            line, line.job if job is None else job
        )
        return tuple(rule for group in groups for rule in group)

    def _answer(self, route: _Route, line: PayrollLine, side: Side, job: str, company_code: str) -> Caught | Uncaught:
        winners = next(route.fitting(line, job), [])
        if len(winners) != 1:
            return Uncaught(rules=tuple(winners))
        rule = winners[0]
        targets = rule.targets(side)
        missing: list[tuple[str, str, str]] = []
        landings = []
        for target in targets:
            dimensions = tuple(
                (name, self._value(value, name, line, job, missing)) for name, value in sorted(target.dimensions)
            )
            code = self._value(target.company_code, COMPANY_CODE, line, job, missing) or company_code
            landings.append(Landing(rule, target, side, code, dimensions, _place(rule, target, line, job)))
        if missing:
            return Uncaught(rules=(rule,), missing=tuple(dict.fromkeys(missing)))
        shares = Shares(tuple(landings), whole_weights([target.percent for target in targets]))
        return Caught(rule, shares, only=landings[0] if len(landings) == 1 else None)

    def _value(self, value: str, target: str, line: PayrollLine, job: str, missing: list[tuple[str, str, str]]) -> str:
        """A plain value as it is, an `@source` through the crosswalk; what the crosswalk lacks goes to `missing`."""
        source = looked_up(value)
        if not source:
            return value
        source_value = (job if source == "job" else getattr(line, source)) or NONE
        found = self._crosswalk.get((source, fold(source_value), fold(target)))
        if found is None:
            missing.append((source, source_value, target))
            return ""
        return found


class _Route:
    """The rules of one kind and side, the most specific group first, and the answers given so far."""

    def __init__(self, rules: list[Rule], run_values: dict[str, str]) -> None:
        self.answers: dict[Hashable, Caught | Uncaught] = {}
        self._run_values = run_values
        groups: dict[tuple[str, ...], dict[Hashable, list[Rule]]] = defaultdict(lambda: defaultdict(list))
        # By name, so that a tie names its rules in the same order whatever the order of the table.
        for rule in sorted(rules, key=lambda rule: rule.name):
            groups[rule.criteria.filled()][rule.criteria.folded()].append(rule)
        self._groups = sorted(groups.items(), key=lambda group: sum(WEIGHTS[name] for name in group[0]), reverse=True)
        self.values_looked_at = _getter(rules)

    def fitting(self, line: PayrollLine, job: str) -> Iterator[list[Rule]]:
        """Rules that fit, in groups of equal specificity, the most specific first."""
        for criteria, rules_by_values in self._groups:
            found = [rule for values in self._values(criteria, line, job) for rule in rules_by_values.get(values, ())]
            if found:
                yield found

    def _values(self, criteria: tuple[str, ...], line: PayrollLine, job: str) -> Iterator[tuple[Hashable, ...]]:
        """The line's values of the criteria: once, or once for each custom field of the person."""
        custom_fields: Iterable[tuple[str, str]] = [("", "")]
        if "custom_field" in criteria:
            custom_fields = dict.fromkeys((fold(name), fold(value)) for name, value in line.custom_fields)
        for custom_field in custom_fields:
            yield tuple(self._value(criterion, line, job, custom_field) for criterion in criteria)

    def _value(self, criterion: str, line: PayrollLine, job: str, custom_field: tuple[str, str]) -> Hashable:
        if criterion in _OF_THE_RUN:
            return self._run_values[criterion]
        if criterion == "custom_field":
            return custom_field
        return fold(job if criterion == "job" else getattr(line, criterion))


def _getter(rules: list[Rule]) -> Callable[[PayrollLine], Hashable]:
    """Reads from a line everything that these rules or their targets look at, the job and the run apart."""
    names = {criterion for rule in rules for criterion in rule.criteria.filled()}
    names |= {source for rule in rules for side in Side for target in rule.targets(side) for source in target.sources()}
    names -= {"job", *_OF_THE_RUN}
    if "custom_field" in names:
        names = (names - {"custom_field"}) | {"custom_fields"}
    # The lines of a route have one kind: it tells none of them apart.
    return attrgetter(*sorted(names)) if names else attrgetter("kind")


def _place(rule: Rule, target: Target, line: PayrollLine, job: str) -> str:
    """The department, job or location of the line, if rule or target tell lines apart by it."""
    looked_at = {*rule.criteria.filled(), *(looked_up(value) for _, value in target.dimensions)}
    for place in _PLACES:
        if place in looked_at:
            return " ".join((job if place == "job" else str(getattr(line, place))).split())
    return ""
