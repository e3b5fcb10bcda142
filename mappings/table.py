"""The pure form of a mapping table: rules, crosswalk and policy of one version, frozen.

Allocation sees a table only in this form, so that the same version gives the same journal whether it comes from the
database, from a file or from a test. What each field means is accounting.md 8; the file form is `table_csv`.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from mappings.journal import Problem
from mappings.payroll import SIDES, LineKind, Side
from mappings.policy import (
    PAYROLL_TYPES,
    Credits,
    Journals,
    Lines,
    Policy,
    PostingDate,
    Straddle,
    policy_faults,
)

__all__ = [
    "COMPANY_CODE",
    "HUNDRED",
    "NONE",
    "PAYROLL_TYPES",
    "PRECEDENCE",
    "SOURCES",
    "WEIGHTS",
    "Credits",
    "Criteria",
    "CrosswalkEntry",
    "Journals",
    "Lines",
    "Policy",
    "PostingDate",
    "Rule",
    "Straddle",
    "Table",
    "Target",
    "adds_up",
    "choose_version",
    "criterion_words",
    "defects",
    "describe_rule",
    "fold",
    "looked_up",
    "rule_defects",
    "target_defects",
]

#: Criteria from the most to the least telling. One criterion outweighs all that stand after it together.
PRECEDENCE = (
    "employee",
    "employee_code",
    "component",
    "job",
    "custom_field",
    "department",
    "location",
    "compensation_level",
    "off_cycle_reason",
    "payroll_type",
)

#: The powers of two behind `PRECEDENCE`: 512 for the employee down to 1 for the payroll type.
WEIGHTS = {criterion: 1 << position for position, criterion in enumerate(reversed(PRECEDENCE))}

#: What a crosswalk translates from; `@department` in a rule looks the person's department up.
SOURCES = ("department", "location", "job", "compensation_level", "employee")

#: Source value of the crosswalk row for people who have none.
NONE = "(none)"

#: Target of the crosswalk rows that give a company code instead of a dimension value.
COMPANY_CODE = "company_code"

HUNDRED = Decimal(100)


@functools.lru_cache(maxsize=65536)
def fold(name: str) -> str:
    """A name as it is compared: without case and surplus spaces."""
    return " ".join(name.split()).casefold()


def looked_up(value: str) -> str:
    """The source that a value is looked up from: `department` for `@department`, empty for a plain value."""
    return value[1:] if value.startswith("@") else ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a share of an amount goes.

    Positions number the targets of one rule and side from 1 and decide who gets the odd cent; their percentages add up
    to exactly 100. Dimensions are (name, value or `@source`). The company code is a code, an `@source`, or empty: wages
    go to the default company code, everything else follows the wages. The accrual account holds a credit between
    ACCRUAL and SETTLEMENT.
    """

    position: int
    percent: Decimal
    main_account: str
    dimensions: tuple[tuple[str, str], ...] = ()
    company_code: str = ""
    accrual_account: str = ""

    def sources(self) -> Iterator[str]:
        """The crosswalk sources that this target looks up."""
        for value in (*(value for _, value in self.dimensions), self.company_code):
            if looked_up(value):
                yield looked_up(value)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a line must be to be caught. Empty = any; all that are filled must hold; no wildcards.

    `employee` is Gusto's employee_uuid, `custom_field` a pair (name, value).
    """

    employee: str = ""
    employee_code: str = ""
    component: str = ""
    job: str = ""
    custom_field: tuple[str, str] = ("", "")
    department: str = ""
    location: str = ""
    compensation_level: str = ""
    off_cycle_reason: str = ""
    payroll_type: str = ""

    def filled(self) -> tuple[str, ...]:
        """Names of the filled criteria, the most telling first."""
        return tuple(criterion for criterion in PRECEDENCE if getattr(self, criterion) not in ("", ("", "")))

    def folded(self) -> tuple[str | tuple[str, str], ...]:
        """Values of the filled criteria as they are compared, in the order of `filled`."""
        return tuple(
            (fold(value[0]), fold(value[1])) if isinstance(value, tuple) else fold(value)
            for value in (getattr(self, criterion) for criterion in self.filled())
        )

    def specificity(self) -> int:
        """The larger sum catches. Equal sums of two rules that fit mean the same criteria: a tie."""
        return sum(WEIGHTS[criterion] for criterion in self.filled())


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to the lines that it catches. Debit and credit are caught separately, each by rules with targets."""

    name: str
    kind: LineKind
    criteria: Criteria = field(default_factory=Criteria)
    debit: tuple[Target, ...] = ()
    credit: tuple[Target, ...] = ()

    def targets(self, side: Side) -> tuple[Target, ...]:
        """The targets of one side by position."""
        targets = self.debit if side == Side.DEBIT else self.credit
        return tuple(sorted(targets, key=lambda target: target.position))


@dataclass(frozen=True, slots=True)
class CrosswalkEntry:
    """One translation: department Sales has CostCenter 200; job J2 belongs to company_code US02."""

    source_kind: str
    source_value: str
    target: str
    target_value: str

    def key(self) -> tuple[str, str, str]:
        return self.source_kind, fold(self.source_value), fold(self.target)


@dataclass(frozen=True, slots=True)
class Table:
    """One whole version, valid from a check date until the next one: rules, crosswalk and policy belong together."""

    version: str
    valid_from: date
    rules: tuple[Rule, ...]
    crosswalk: tuple[CrosswalkEntry, ...]
    policy: Policy


def adds_up(percents: Iterable[Decimal]) -> bool:
    """True where the percentages are exactly 100 together and none is negative. Nothing is scaled."""
    percents = list(percents)
    if not all(percent.is_finite() and percent >= 0 for percent in percents):
        return False
    return sum(Fraction(percent) for percent in percents) == 100


def choose_version(tables: Iterable[Table], check_date: date) -> Table | None:
    """The version with the latest valid-from not after the check date; None where no version reaches back so far.

    The check date alone decides, also for re-runs, corrections and a pay period that began under an older version.
    Raises ValueError where two versions claim the same day.
    """
    candidates = [table for table in tables if table.valid_from <= check_date]
    if not candidates:
        return None
    latest = max(table.valid_from for table in candidates)
    chosen = [table for table in candidates if table.valid_from == latest]
    if len(chosen) > 1:
        raise ValueError(f"{len(chosen)} versions of the mapping table are valid from {latest}")
    return chosen[0]


def defects(table: Table) -> tuple[Problem, ...]:
    """What is wrong with a table by itself, whatever the payroll. A table with a defect is not applied at all."""
    sentences = [("policy", sentence) for sentence in policy_faults(table.policy)]
    names = Counter(rule.name for rule in table.rules)
    sentences += [("rule", f"{count} rules are called {name}.") for name, count in names.items() if count > 1]
    for rule in table.rules:
        sentences += [("rule", f"Rule {rule.name}: {what}") for what in rule_defects(rule)]
    values: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for entry in table.crosswalk:
        values[entry.key()].add(entry.target_value)
        if entry.source_kind not in SOURCES or not (entry.source_value and entry.target and entry.target_value):
            sentences.append(
                ("crosswalk", f"The crosswalk row of {entry.source_kind} for {entry.target} is incomplete.")
            )
    sentences += [
        ("crosswalk", f"The crosswalk gives one {source} several values of {target}: {', '.join(sorted(several))}.")
        for (source, _, target), several in values.items()
        if len(several) > 1
    ]
    return tuple(Problem("mapping", kind, sentence, page="mapping") for kind, sentence in sorted(sentences))


def rule_defects(rule: Rule) -> Iterator[str]:
    """What is wrong with one rule by itself, as sentences without its name."""
    sides = SIDES[rule.kind]
    words = rule.kind.value.replace("_", " ")
    if not sides and not (rule.debit and rule.credit):
        yield f"{words} is posted only by a rule with both sides."
    for side in Side:
        targets = rule.targets(side)
        if not targets:
            continue
        if sides and side not in sides:
            yield f"{words} has no {side} side."
        if not adds_up(target.percent for target in targets):
            yield f"the {side} percentages {' + '.join(str(target.percent) for target in targets)} are not 100."
        if len({target.position for target in targets}) < len(targets):
            yield f"two {side} targets have the same number."
        if side == Side.DEBIT and any(target.accrual_account for target in targets):
            yield "only a credit waits on an accrual account, a debit does not."
        for target in targets:
            yield from target_defects(target)
    if not (rule.debit or rule.credit):
        yield "no side has a target."


def target_defects(target: Target) -> Iterator[str]:
    """What is wrong with one target by itself."""
    if not target.main_account:
        yield f"target {target.position} has no main account."
    if not all(name and value for name, value in target.dimensions):
        yield f"target {target.position} has a dimension without name or value."
    if len({fold(name) for name, _ in target.dimensions}) < len(target.dimensions):
        yield f"target {target.position} names a dimension twice."
    for source in target.sources():
        if source not in SOURCES:
            yield f"target {target.position} looks up @{source}, which is none of {', '.join(SOURCES)}."


def describe_rule(rule: Rule) -> str:
    """The rule in words, for "why this account". Names no person.

    `R20 catches earning, component "Bonus", department "Sales". Debit 6020, CostCenter by department.`
    """
    what = ", ".join([rule.kind.value.replace("_", " "), *_described_criteria(rule.criteria)])
    parts = [f"{rule.name} catches {what}."]
    for side in Side:
        targets = rule.targets(side)
        if targets:
            parts.append(f"{side.capitalize()} {'; '.join(_described_target(target) for target in targets)}.")
    return " ".join(parts)


def criterion_words(criterion: str) -> str:
    """A criterion as finance says it: `off-cycle reason`."""
    return _CRITERION_WORDS.get(criterion, criterion)


_CRITERION_WORDS = {
    "employee_code": "employee code",
    "custom_field": "custom field",
    "compensation_level": "compensation level",
    "off_cycle_reason": "off-cycle reason",
    "payroll_type": "payroll type",
}


def _described_criteria(criteria: Criteria) -> Iterator[str]:
    for criterion in criteria.filled():
        value = getattr(criteria, criterion)
        if criterion in ("employee", "employee_code"):
            yield "one employee"
        elif criterion == "custom_field":
            yield f'{value[0]} "{value[1]}"'
        else:
            yield f'{criterion_words(criterion)} "{value}"'


def _described_target(target: Target) -> str:
    percent = "" if target.percent == HUNDRED else f"{target.percent.normalize():f} % to "
    values = [*target.dimensions, *([("company code", target.company_code)] if target.company_code else [])]
    return ", ".join(
        [
            percent + target.main_account,
            *(f"{name} by {looked_up(value)}" if looked_up(value) else f"{name} {value}" for name, value in values),
        ]
    )
