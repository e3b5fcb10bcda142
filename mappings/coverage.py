"""What the last payrolls carried and what a mapping table does with it: caught, by which rule, or not.

Pure: payroll runs and a table in, rows out. Every line is asked of the same `Catcher` that allocation asks, so a page
that says "caught" and a run that is blocked for a gap cannot both be right. The work grows with the number of payroll
lines and of rules, never with their product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from mappings.catching import Catcher, Caught, Uncaught
from mappings.coverage_rows import (
    Catch,
    ComponentKey,
    ComponentRow,
    Coverage,
    CrosswalkGap,
    Gap,
    Overlap,
    PlaceRow,
    Run,
    State,
    Tie,
    Usage,
)
from mappings.journal import ZERO
from mappings.pay_privacy import Sum
from mappings.payroll import EMPLOYER_COSTS, SIDES, WAGES, LineKind, PayrollHeader, PayrollLine, Side
from mappings.table import COMPANY_CODE, NONE, Rule, Table, fold, looked_up

#: What a rule may look at to tell lines of one component apart, tried from the left; the first set that separates a gap
#: from the lines that are caught is enough for a new rule.
_SEPARATORS: tuple[tuple[str, ...], ...] = (
    (),
    ("department",),
    ("job",),
    ("location",),
    ("job", "department"),
    ("job", "department", "location"),
)

_PLACES = ("department", "job", "location")


def coverage(table: Table, headers: Sequence[PayrollHeader]) -> Coverage:
    """Look at payroll runs, newest first, as `preview.lines_of_run` gives them, through a table."""
    looking = _Looking(table, tuple(reversed(headers)))
    for position, header in enumerate(looking.headers):
        looking.look(position, header, Catcher(table, header))
    return looking.coverage()


def changed_components(now: Coverage, before: Coverage) -> set[ComponentKey]:
    """Components that two tables treat differently: another rule, account, dimension or percentage, or a new gap."""
    treated = {row.key: _treatment(row) for row in before.components}
    return {row.key for row in now.components if treated.get(row.key) != _treatment(row)}


def _treatment(row: ComponentRow) -> Hashable:
    return row.state, frozenset(
        (catch.side, catch.rule.criteria, catch.rule.targets(catch.side)) for catch in row.catches
    )


# Looking


@dataclass(slots=True)
class _Seen:
    """Something that payroll lines carry, while the runs are looked at."""

    name: str
    runs: list[bool]
    amount: Decimal = ZERO
    last_people: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    """In all runs."""

    def take(self, position: int, line: PayrollLine) -> None:
        self.runs[position] = True
        if line.employee:
            self.people.add(line.employee)
        if position == len(self.runs) - 1:
            self.amount += line.amount
            if line.employee:
                self.last_people.add(line.employee)

    @property
    def sum(self) -> Sum:
        return Sum(self.amount, frozenset(self.last_people))


@dataclass(slots=True)
class _Uncaught:
    """Lines that are not caught for one reason, each counted once. `names` are the values behind it, as spelled."""

    names: dict[str, str]
    seen: _Seen
    dates: set[date] = field(default_factory=set)
    last: tuple[int, int] = (0, 0)

    def take(self, position: int, check_date: date, line: PayrollLine) -> None:
        self.dates.add(check_date)
        if self.last != (position, line.number):
            self.last = (position, line.number)
            self.seen.take(position, line)


#: Department, job and location of a line, folded.
Place = tuple[str, str, str]

#: Rule and side.
UsedKey = tuple[str, Side]


class _Looking:
    """All runs seen through one table. What holds for every line with the same answer is done once."""

    def __init__(self, table: Table, headers: Sequence[PayrollHeader]) -> None:
        self.headers = headers
        self.rules = {rule.name: rule for rule in table.rules}
        self.crosswalk = table.crosswalk
        self.company_code = table.policy.company_code
        self.components: dict[ComponentKey, _Seen] = {}
        self.places: dict[tuple[str, str], _Seen] = {}
        self.catches: dict[ComponentKey, dict[UsedKey, Rule]] = defaultdict(dict)
        self.ties: dict[ComponentKey, set[tuple[Side, tuple[str, ...]]]] = defaultdict(set)
        self.caught_places: dict[tuple[ComponentKey, Side], set[Place]] = defaultdict(set)
        self.uncaught: dict[tuple[ComponentKey, Side], dict[Place, _Uncaught]] = defaultdict(dict)
        self.looked_up: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.missing: dict[tuple[str, str, str], _Uncaught] = {}
        self.missing_rules: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.missing_of: set[ComponentKey] = set()
        self.overlaps: dict[tuple[Side, str, str], int] = defaultdict(int)
        self.used: dict[UsedKey, _Seen] = {}
        self.used_dates: dict[UsedKey, date] = {}

    def look(self, position: int, header: PayrollHeader, catcher: Catcher) -> None:
        """One run. A line of 0.00 needs no rule, as in the allocation."""
        lines = [line for line in header.lines if line.amount != ZERO]
        jobs: dict[str, dict[str, None]] = defaultdict(dict)
        for line in lines:
            if line.kind in WAGES and line.employee:
                jobs[line.employee].setdefault(line.job)
        beaten: dict[Caught, tuple[str, ...]] = {}
        met: set[Hashable] = set()
        for line in lines:
            component = self._see(position, line)
            # What a job costs the employer follows the wages of the person's jobs.
            follows = jobs[line.employee] if line.kind in EMPLOYER_COSTS and line.employee in jobs else (line.job,)
            for side in self._sides(catcher, line):
                rules: dict[str, None] = {}
                for job in follows:
                    answer = catcher.catch(line, side, job, self.company_code)
                    if isinstance(answer, Uncaught) and not answer.missing:
                        self._not_caught(position, header.check_date, line, component, side, job, answer)
                        continue
                    rule = answer.rule if isinstance(answer, Caught) else answer.rules[0]
                    rules.setdefault(rule.name)
                    at = (answer, component, line.department, job, line.location)
                    if at not in met:
                        met.add(at)
                        self._meet(line, component, side, job, rule)
                    if isinstance(answer, Uncaught):
                        self._missing(position, header.check_date, line, component, answer)
                        continue
                    if answer not in beaten:
                        beaten[answer] = _beaten(catcher, line, side, job)
                    for loser in beaten[answer]:
                        self.overlaps[side, rule.name, loser] += 1
                for name in rules:
                    self._use(position, header.check_date, line, (name, side))

    def _see(self, position: int, line: PayrollLine) -> ComponentKey:
        component = (line.kind, fold(line.component))
        seen = self.components.get(component)
        if seen is None:
            seen = self.components[component] = self._new(line.component)
        seen.take(position, line)
        if line.kind in WAGES:
            for source_kind in _PLACES:
                value = getattr(line, source_kind) or NONE
                place = self.places.get((source_kind, fold(value)))
                if place is None:
                    place = self.places[source_kind, fold(value)] = self._new(value)
                place.take(position, line)
        return component

    def _new(self, name: str) -> _Seen:
        return _Seen(" ".join(name.split()), [False] * len(self.headers))

    def _sides(self, catcher: Catcher, line: PayrollLine) -> tuple[Side, ...]:
        """A memo line is asked for only where a rule gives it a debit side, as in the allocation."""
        if SIDES[line.kind]:
            return SIDES[line.kind]
        answer = catcher.catch(line, Side.DEBIT, line.job, self.company_code)
        return () if isinstance(answer, Uncaught) and answer.is_gap else (Side.DEBIT, Side.CREDIT)

    def _meet(self, line: PayrollLine, component: ComponentKey, side: Side, job: str, rule: Rule) -> None:
        """A rule catches a component at a place for the first time in a run."""
        self.catches[component][rule.name, side] = rule
        self.caught_places[component, side].add(_place(line, job))
        for target in rule.targets(side):
            for name, value in (*target.dimensions, (COMPANY_CODE, target.company_code)):
                source_kind = looked_up(value)
                if source_kind in _PLACES:
                    source_value = job if source_kind == "job" else getattr(line, source_kind)
                    self.looked_up[source_kind, fold(source_value or NONE)].add(name)

    def _use(self, position: int, check_date: date, line: PayrollLine, key: UsedKey) -> None:
        used = self.used.get(key)
        if used is None:
            used = self.used[key] = self._new("")
        used.take(position, line)
        self.used_dates[key] = check_date

    def _missing(
        self, position: int, check_date: date, line: PayrollLine, component: ComponentKey, answer: Uncaught
    ) -> None:
        self.missing_of.add(component)
        for source_kind, source_value, target in answer.missing:
            # Employees stand together: a page may name none of them.
            value = "" if source_kind == "employee" else source_value
            key = (source_kind, fold(value), fold(target))
            found = self.missing.get(key)
            if found is None:
                names = {"source_kind": source_kind, "source_value": value, "target": target}
                found = self.missing[key] = _Uncaught(names, self._new(value))
            self.missing_rules[key].add(answer.rules[0].name)
            found.take(position, check_date, line)

    def _not_caught(
        self, position: int, check_date: date, line: PayrollLine, component: ComponentKey, side: Side, job: str,
        answer: Uncaught,
    ) -> None:  # fmt: skip
        if not answer.is_gap:
            self.ties[component].add((side, tuple(rule.name for rule in answer.rules)))
            return
        cells, place = self.uncaught[component, side], _place(line, job)
        found = cells.get(place)
        if found is None:
            names = {"department": line.department, "job": job, "location": line.location}
            found = cells[place] = _Uncaught(names, self._new(line.component))
        found.take(position, check_date, line)

    # What was found

    def coverage(self) -> Coverage:
        kinds = list(LineKind)
        used = {name for name, _ in self.used}
        components = sorted(self.components.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1]))
        places = sorted(
            self.places.items(), key=lambda item: (_PLACES.index(item[0][0]), item[0][1] == NONE, item[0][1])
        )
        given, named = self._given(), self._named()
        return Coverage(
            runs=tuple(Run(each.check_date, each.payroll_type, each.off_cycle_reason) for each in self.headers),
            components=tuple(self._component(key, seen) for key, seen in components),
            places=tuple(self._place(key, seen, given[key], named[key]) for key, seen in places),
            crosswalk_gaps=tuple(self._crosswalk_gaps()),
            overlaps=tuple(
                Overlap(side, self.rules[winner], self.rules[loser], lines)
                for (side, winner, loser), lines in sorted(self.overlaps.items())
            ),
            unused=tuple(rule for name, rule in sorted(self.rules.items()) if name not in used),
            usage={key: Usage(self.used_dates[key], seen.sum) for key, seen in self.used.items()},
        )

    def _given(self) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
        """What the crosswalk gives for each source value, by target: the target as spelled and its value."""
        given: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
        for entry in self.crosswalk:
            given[entry.source_kind, fold(entry.source_value)][fold(entry.target)] = (entry.target, entry.target_value)
        return given

    def _named(self) -> dict[tuple[str, str], list[str]]:
        """The rules that name each department, job or location."""
        named: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, rule in sorted(self.rules.items()):
            for source_kind in _PLACES:
                if value := getattr(rule.criteria, source_kind):
                    named[source_kind, fold(value)].append(name)
        return named

    def _component(self, key: ComponentKey, seen: _Seen) -> ComponentRow:
        kind, _ = key
        gaps = tuple(gap for side in Side for gap in self._gaps(key, seen.name, side))
        ties = tuple(Tie(kind, seen.name, side, rules) for side, rules in sorted(self.ties[key]))
        found = sorted(self.catches[key].items(), key=lambda item: (item[0][1] == Side.CREDIT, item[0][0]))
        catches = tuple(Catch(side, rule) for (_, side), rule in found)
        if gaps:
            state = State.GAP
        elif ties:
            state = State.TIE
        elif key in self.missing_of:
            state = State.CROSSWALK_GAP
        else:
            state = State.CAUGHT if catches else State.MEMO
        return ComponentRow(kind, seen.name, tuple(seen.runs), seen.sum, state, catches, gaps, ties)

    def _gaps(self, key: ComponentKey, name: str, side: Side) -> Iterator[Gap]:
        cells = self.uncaught.get((key, side))
        if not cells:
            return
        separator = self._separator(cells, self.caught_places.get((key, side), ()))
        together: dict[tuple[str, ...], list[_Uncaught]] = defaultdict(list)
        for cell in cells.values():
            together[tuple(fold(cell.names[criterion]) for criterion in separator or ())].append(cell)
        for _, members in sorted(together.items()):
            criteria = [("component", name)] if name else []
            criteria += [(criterion, members[0].names[criterion]) for criterion in separator or ()]
            dates = {day for cell in members for day in cell.dates}
            people = frozenset[str]().union(*(cell.seen.people for cell in members))
            amounts = [cell.seen.sum for cell in members]
            yield Gap(
                kind=key[0],
                component=name,
                side=side,
                criteria=None if separator is None else tuple(criteria),
                sum=_together(amounts),
                people=len(people),
                first_date=min(dates),
                last_date=max(dates),
            )

    def _separator(self, cells: dict[Place, _Uncaught], caught: Collection[Place]) -> tuple[str, ...] | None:
        """The criteria that tell these lines from those that are caught; None where none of the sets does."""
        for names in _SEPARATORS:
            positions = [_PLACES.index(name) for name in names]
            values = {tuple(place[at] for at in positions) for place in cells}
            # No criterion can say "none": an empty one means any.
            is_said = all(all(value) for value in values)
            if is_said and values.isdisjoint(tuple(place[at] for at in positions) for place in caught):
                return names
        return None

    def _crosswalk_gaps(self) -> Iterator[CrosswalkGap]:
        for key, found in sorted(self.missing.items()):
            yield CrosswalkGap(
                **found.names,
                rules=tuple(sorted(self.missing_rules[key])),
                sum=found.seen.sum,
                people=len(found.seen.people),
                first_date=min(found.dates),
            )

    def _place(
        self, key: tuple[str, str], seen: _Seen, given: dict[str, tuple[str, str]], rules: list[str]
    ) -> PlaceRow:
        wanted: dict[str, tuple[str, str | None]] = {fold(name): (name, None) for name in self.looked_up.get(key, ())}
        return PlaceRow(
            source_kind=key[0],
            value=seen.name,
            runs=tuple(seen.runs),
            sum=seen.sum,
            people=len(seen.people),
            targets=tuple(sorted((wanted | given).values())),
            rules=tuple(rules),
        )


def _place(line: PayrollLine, job: str) -> Place:
    return fold(line.department), fold(job), fold(line.location)


def _beaten(catcher: Catcher, line: PayrollLine, side: Side, job: str) -> tuple[str, ...]:
    """Rules that fit a line and lost, though they look at something that the winner does not."""
    winner, *others = catcher.fitting(line, side, job)
    return tuple(rule.name for rule in others if not {*rule.criteria.filled()} <= {*winner.criteria.filled()})


def _together(sums: Iterable[Sum]) -> Sum:
    found = list(sums)
    return Sum(sum((each.amount for each in found), ZERO), frozenset[str]().union(*(each.people for each in found)))
