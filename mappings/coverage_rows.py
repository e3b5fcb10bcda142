"""The rows of a coverage page: what the last payrolls carried, and what a mapping table does with it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date

from mappings.pay_privacy import Sum
from mappings.payroll import LineKind, Side
from mappings.table import Rule, fold

#: A component of a kind, names compared as everywhere.
ComponentKey = tuple[LineKind, str]


class State(enum.StrEnum):
    """The worst that happens to any line of a component."""

    CAUGHT = "caught"
    MEMO = "memo"
    """Neither side is posted, and no rule says otherwise."""
    CROSSWALK_GAP = "crosswalk_gap"
    TIE = "tie"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Run:
    """One payroll run that was looked at."""

    check_date: date
    payroll_type: str
    off_cycle_reason: str = ""


@dataclass(frozen=True, slots=True)
class Catch:
    """A rule that caught lines of a component on one side."""

    side: Side
    rule: Rule

    @property
    def is_default(self) -> bool:
        """Whether the rule is its kind's default: it looks at nothing but the kind."""
        return not self.rule.criteria.filled()


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines of a component that no rule catches on one side.

    `criteria` are what a new rule has to name, besides the kind, to catch these lines and none that is caught today;
    None where no set of criteria does. `sum` is of the last run; `people` counts everybody in all runs.
    """

    kind: LineKind
    component: str
    side: Side
    criteria: tuple[tuple[str, str], ...] | None
    sum: Sum
    people: int
    first_date: date
    last_date: date


@dataclass(frozen=True, slots=True)
class Tie:
    """Lines of a component that several rules catch equally well."""

    kind: LineKind
    component: str
    side: Side
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrosswalkGap:
    """A source value for which the crosswalk does not give what a rule looks up. No value is named for employees, who
    stand together in one row. `sum` is of the last run.
    """

    source_kind: str
    source_value: str
    target: str
    rules: tuple[str, ...]
    sum: Sum
    people: int
    first_date: date


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """A component that was seen. `runs` says for each run, the oldest first, whether it occurred; `sum` is of the last."""

    kind: LineKind
    component: str
    runs: tuple[bool, ...]
    sum: Sum
    state: State
    catches: tuple[Catch, ...] = ()
    gaps: tuple[Gap, ...] = ()
    ties: tuple[Tie, ...] = ()

    @property
    def key(self) -> ComponentKey:
        return self.kind, fold(self.component)


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A department, job or location that was seen, or `(none)`; its wages of the last run.

    `targets` are what rules look up from it, with the crosswalk's value, None where it has none; `rules` name it.
    """

    source_kind: str
    value: str
    runs: tuple[bool, ...]
    sum: Sum
    people: int
    targets: tuple[tuple[str, str | None], ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two rules that fit the same lines by different criteria: no tie, but worth a look."""

    side: Side
    winner: Rule
    loser: Rule
    lines: int


@dataclass(frozen=True, slots=True)
class Usage:
    """When a rule last caught something on one side, and what it caught in the last run."""

    last_date: date
    sum: Sum


@dataclass(frozen=True, slots=True)
class Coverage:
    """Everything seen in `runs` (the oldest first) and what the table does with it."""

    runs: tuple[Run, ...]
    components: tuple[ComponentRow, ...]
    places: tuple[PlaceRow, ...]
    crosswalk_gaps: tuple[CrosswalkGap, ...]
    overlaps: tuple[Overlap, ...]
    unused: tuple[Rule, ...]
    usage: dict[tuple[str, Side], Usage] = field(default_factory=dict)

    @property
    def last_run(self) -> Run | None:
        return self.runs[-1] if self.runs else None

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for row in self.components for gap in row.gaps)

    @property
    def ties(self) -> tuple[Tie, ...]:
        return tuple(tie for row in self.components for tie in row.ties)

    @property
    def caught(self) -> int:
        """How many of the components are caught, or need no rule."""
        return sum(row.state in (State.CAUGHT, State.MEMO) for row in self.components)
