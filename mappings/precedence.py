"""Which rule beats which, and why: what a controller asks of a journal line, and of a table before it is used.

The order of accounting.md 8 decides by the highest criterion that one of two fitting rules fills and the other does not.
Here that criterion is named, for one payroll line (`why`) and for a whole table: rules that nothing can reach, and pairs
of criteria that meet in one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from mappings.catching import Catcher
from mappings.journal import Problem
from mappings.payroll import SIDES, LineKind, PayrollHeader, PayrollLine, Side
from mappings.policy import PAYROLL_TYPES
from mappings.table import WEIGHTS, Rule, Table, criterion_words, describe_rule, fold

#: Kinds that carry no job in Gusto: taxes withheld, deductions and net pay belong to the person.
_WITHOUT_JOB = frozenset(
    {
        LineKind.EMPLOYEE_TAX,
        LineKind.BENEFIT_DEDUCTION,
        LineKind.GARNISHMENT,
        LineKind.CHILD_SUPPORT,
        LineKind.OTHER_DEDUCTION,
        LineKind.NET_PAY,
    }
)


# One payroll line


@dataclass(frozen=True, slots=True)
class Loser:
    """A rule that fits a line and does not catch it: the winner looks at `criterion` and this one does not."""

    rule: Rule
    criterion: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why a line is where it is on one side, or nowhere: without a winner it is a gap, or a tie of the rules in `tied`.

    Losers stand in the order in which they would have caught the line. No sentence names a person.
    """

    winner: Rule | None
    losers: tuple[Loser, ...]
    tied: tuple[Rule, ...]
    sentence: str


def why(line: PayrollLine, side: Side, table: Table, header: PayrollHeader, job: str | None = None) -> Why:
    """Which rule catches a line of a run on one side, and why the others that fit do not.

    `job` is the job that an employer cost follows, where that is not the line's own. Arranges the whole table: for many
    lines of one run use `why_of`.
    """
    return why_of(Catcher(table, header), line, side, job)


def why_of(catcher: Catcher, line: PayrollLine, side: Side, job: str | None = None) -> Why:
    """The same with the rules of a run arranged before."""
    fitting = catcher.fitting(line, side, job)
    if not fitting:
        return Why(None, (), (), f"No rule catches the {side} of {line.kind.value.replace('_', ' ')}.")
    best = fitting[0].criteria.specificity()
    first = [rule for rule in fitting if rule.criteria.specificity() == best]
    rest = fitting[len(first) :]
    losers = tuple(_loser(first[0], rule) for rule in rest)
    if len(first) > 1:
        *others, last = [rule.name for rule in first]
        sentence = f"Rules {', '.join(others)} and {last} catch the line equally well, so none of them does."
        return Why(None, losers, tuple(first), sentence)
    return Why(first[0], losers, (), describe_rule(first[0]))


def deciding_criterion(winner: Rule, loser: Rule) -> str:
    """The highest criterion that the winner fills and the loser does not; empty where both fill the same."""
    filled = set(loser.criteria.filled())
    return next((criterion for criterion in winner.criteria.filled() if criterion not in filled), "")


def _loser(winner: Rule, rule: Rule) -> Loser:
    criterion = deciding_criterion(winner, rule)
    words = criterion_words(criterion)
    filled = rule.criteria.filled()
    mine = f"looks at {_listed([criterion_words(each) for each in filled])} only" if filled else "is the default"
    sentence = f"{winner.name} looks at the {words}; {rule.name} {mine}."
    return Loser(rule, criterion, sentence)


# A whole table


def table_warnings(table: Table) -> list[Problem]:
    """What is useless or surprising in a table without making a journal wrong; it can be approved as it is."""
    return [*unreachable(table), *(overlap.warning() for overlap in overlaps(table))]


def unreachable(table: Table) -> list[Problem]:
    """Rules that never catch a line on a side, whatever the payroll: because they contradict themselves, because others
    always beat them, or because the journal policy ignores what they are for.
    """
    by_key: dict[Hashable, Rule] = {}
    for rule in sorted(table.rules, key=lambda rule: rule.name):
        for side in Side:
            if rule.targets(side):
                by_key.setdefault(_key(rule, side, rule.criteria.payroll_type), rule)
    types = [each for each in PAYROLL_TYPES if each not in table.policy.ignored_payroll_types]
    found = []
    for rule in table.rules:
        for side in Side:
            if rule.targets(side) and (reason := _unreachable(rule, side, types, by_key)):
                found.append(_never_used(rule, side, reason))
    return found


def _unreachable(rule: Rule, side: Side, types: Sequence[str], by_key: dict[Hashable, Rule]) -> str:
    """Why a rule catches nothing on one side, as the rest of a sentence; empty where it may."""
    criteria = rule.criteria
    if criteria.off_cycle_reason and criteria.payroll_type not in ("", "off_cycle"):
        return f"an off-cycle reason is never there in {criteria.payroll_type} payrolls."
    own_type = "off_cycle" if criteria.off_cycle_reason else criteria.payroll_type
    if own_type and own_type not in types:
        return f"the journal policy makes no journal of {own_type.replace('_', '-')} payrolls."
    if criteria.job and rule.kind in _WITHOUT_JOB:
        return f"Gusto names no job for {rule.kind.value.replace('_', ' ')}."
    if not criteria.payroll_type:
        possible = [own_type] if own_type else types
        winners = [by_key.get(_key(rule, side, each)) for each in possible]
        if possible and all(winners):
            names = [winner.name for winner in winners if winner]
            return f"{_listed(names)} always {'beats' if len(names) == 1 else 'beat'} it by the payroll type."
    return ""


def _key(rule: Rule, side: Side, payroll_type: str) -> Hashable:
    """Everything that decides what a rule catches, with this payroll type in place of its own."""
    values = dict(zip(rule.criteria.filled(), rule.criteria.folded(), strict=True))
    values.pop("payroll_type", None)
    return rule.kind, side, frozenset(values.items()), fold(payroll_type)


def _never_used(rule: Rule, side: Side, reason: str) -> Problem:
    one_of_two = f" for its {side}" if rule.debit and rule.credit else ""
    return Problem(
        code="mapping",
        kind="unreachable",
        sentence=f"Rule {rule.name} is never used{one_of_two}: {reason}",
        facts=(("rules", rule.name), ("kind", rule.kind.value), ("side", side.value)),
        page="mapping",
    )


@dataclass(frozen=True, slots=True)
class CriteriaOverlap:
    """Two sets of criteria, none part of the other, of rules that may fit one line: the winners catch it by `criterion`.

    `winners` and `losers` are the names of the rules of either set that may meet one of the other.
    """

    kind: LineKind
    side: Side
    criterion: str
    winning: tuple[str, ...]
    losing: tuple[str, ...]
    winners: tuple[str, ...]
    losers: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """`Rules by component (R20) catch before rules by department (R30, R31) what both fit: earning, debit.`"""
        kind = self.kind.value.replace("_", " ")
        return (
            f"Rules by {_listed([criterion_words(each) for each in self.winning])} ({_few(self.winners)}) catch before "
            f"rules by {_listed([criterion_words(each) for each in self.losing])} ({_few(self.losers)}) "
            f"what both fit: {kind}, {self.side}. A rule with both criteria says otherwise."
        )

    def warning(self) -> Problem:
        facts = {
            "kind": self.kind.value,
            "side": self.side.value,
            "criterion": self.criterion,
            "rules": " ".join(self.winners),
            "losers": " ".join(self.losers),
        }
        return Problem("mapping", "overlap", self.sentence, tuple(facts.items()), page="mapping")


def overlaps(table: Table) -> tuple[CriteriaOverlap, ...]:
    """Every pair of criteria sets that may meet in one line, in the order of kinds, sides and precedence.

    Sets are compared, not pairs of rules: a thousand rules by component and a hundred by department are one overlap.
    """
    groups: dict[tuple[LineKind, Side], dict[tuple[str, ...], list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in table.rules:
        for side in Side:
            if rule.targets(side) and (SIDES[rule.kind] or (rule.debit and rule.credit)):
                groups[rule.kind, side][rule.criteria.filled()].append(rule)
    return tuple(
        found
        for (kind, side), by_criteria in sorted(groups.items())
        for winning, losing in _incomparable(list(by_criteria))
        if (found := _overlap(kind, side, winning, losing, by_criteria[winning], by_criteria[losing]))
    )


def _incomparable(sets: Sequence[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of which none contains the other, the one that wins first."""
    ordered = sorted(sets, key=lambda names: sum(WEIGHTS[name] for name in names), reverse=True)
    for position, winning in enumerate(ordered):
        for losing in ordered[position + 1 :]:
            if not set(losing) <= _implied(winning):
                yield winning, losing


def _overlap(
    kind: LineKind,
    side: Side,
    winning: tuple[str, ...],
    losing: tuple[str, ...],
    one: Sequence[Rule],
    other: Sequence[Rule],
) -> CriteriaOverlap | None:
    """Rules of both sets meet where they agree in the criteria that both have."""
    both = sorted(_implied(winning) & _implied(losing))
    ones, others = _by_values(one, both), _by_values(other, both)
    meeting = ones.keys() & others.keys()
    if not meeting:
        return None
    return CriteriaOverlap(
        kind=kind,
        side=side,
        criterion=deciding_criterion(one[0], other[0]),
        winning=winning,
        losing=losing,
        winners=tuple(sorted(name for values in meeting for name in ones[values])),
        losers=tuple(sorted(name for values in meeting for name in others[values])),
    )


def _implied(names: tuple[str, ...]) -> set[str]:
    """With what the criteria say beside themselves: an off-cycle reason is there in off-cycle payrolls only."""
    return {*names, "payroll_type"} if "off_cycle_reason" in names else set(names)


def _by_values(rules: Sequence[Rule], criteria: Sequence[str]) -> dict[Hashable, list[str]]:
    """Names of the rules by their values of some of their criteria."""
    found: dict[Hashable, list[str]] = defaultdict(list)
    for rule in rules:
        values: dict[str, Hashable] = {"payroll_type": "off_cycle"}
        values |= zip(rule.criteria.filled(), rule.criteria.folded(), strict=True)
        found[tuple(values[criterion] for criterion in criteria)].append(rule.name)
    return found


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _few(names: Sequence[str]) -> str:
    """Three names and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
