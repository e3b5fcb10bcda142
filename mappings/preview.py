"""What a change of the mapping does in money, before anything is saved: the last payrolls, allocated by both tables.

Payroll runs live a floor above, so that floor registers here what gives them (`register`, in its apps.py). What a table
does not catch is no reason for an empty page: it lands on stand-in accounts, so that every cent stands in some row, and
the problems stand beside the figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mappings.allocation import Allocation, LegKind, TraceRow, allocate
from mappings.findings import Finding, FindingKind
from mappings.journal import ZERO, Problem
from mappings.pay_privacy import Sum
from mappings.payroll import PayrollHeader, Side
from mappings.table import HUNDRED, Criteria, CrosswalkEntry, Rule, Table, Target
from tenants.models import LegalEntity

#: Runs that a mapping is looked at with, unless somebody asks for another number.
RUNS = 6

#: Gives the last payroll runs of a legal entity that could be read, newest check date first, at most so many.
LinesOfRun = Callable[[LegalEntity, int], Sequence[PayrollHeader]]

_lines_of_run: list[LinesOfRun] = []


def register(lines_of_run: LinesOfRun) -> None:
    """Called by `apps.py` of the floor that has payroll runs; the last registration wins."""
    _lines_of_run[:] = [lines_of_run]


def lines_of_run(legal_entity: LegalEntity, runs: int = RUNS) -> tuple[PayrollHeader, ...]:
    """The last runs with their lines, newest first, inside a scope; none where nobody registered."""
    return tuple(_lines_of_run[0](legal_entity, runs)) if _lines_of_run else ()


# Stand-ins

#: Accounts that hold what no rule catches, and the value that stands where the crosswalk has none.
NO_RULE = {Side.DEBIT: "(no rule, debit)", Side.CREDIT: "(no rule, credit)"}
NO_VALUE = "(no value)"

#: A gap may hide another on the other side of the same lines; after so many rounds there is none left.
_ROUNDS = 6

#: Company code, main account, dimensions.
Account = tuple[str, str, tuple[tuple[str, str], ...]]

#: Name of the rule, side, number of the target: one row of mapping.csv.
TargetKey = tuple[str, Side, int]


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """One account of the journals, in signed amounts: debits positive, credits negative.

    None where a table could not be applied at all. `moved_people` are the people whose amounts stand elsewhere now.
    """

    company_code: str
    main_account: str
    dimensions: tuple[tuple[str, str], ...]
    before: Decimal | None
    after: Decimal | None
    before_people: frozenset[str] = frozenset()
    after_people: frozenset[str] = frozenset()
    moved_people: frozenset[str] = frozenset()

    @property
    def difference(self) -> Decimal | None:
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def is_uncaught(self) -> bool:
        """Whether the row is what no rule catches."""
        return self.main_account in NO_RULE.values()

    @property
    def sums(self) -> tuple[Sum, Sum, Sum]:
        """Before, after and difference with the people behind each."""
        return (
            Sum(self.before or ZERO, self.before_people),
            Sum(self.after or ZERO, self.after_people),
            Sum(self.difference or ZERO, self.moved_people),
        )


@dataclass(frozen=True, slots=True)
class MoneyDifference:
    """The rows of both tables, ordered by company code, account and dimensions, and what speaks against each table.

    `moved` is what an amount of the table after took from elsewhere, by its row in mapping.csv, `left` what a row of the
    table before gave away; both absolute.
    """

    rows: tuple[MoneyRow, ...]
    before_problems: tuple[Problem, ...] = ()
    after_problems: tuple[Problem, ...] = ()
    is_before_known: bool = True
    is_after_known: bool = True
    moved: Mapping[TargetKey, Sum] = field(default_factory=dict)
    left: Mapping[TargetKey, Sum] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        return self.is_before_known and self.is_after_known

    @property
    def difference(self) -> Decimal | None:
        """The total of all differences: 0.00, because both sides balance. None where one side is unknown."""
        return sum((row.difference or ZERO for row in self.rows), ZERO) if self.is_known else None

    @property
    def changed(self) -> tuple[MoneyRow, ...]:
        return tuple(row for row in self.rows if row.difference != ZERO)

    @property
    def unchanged(self) -> tuple[MoneyRow, ...]:
        return tuple(row for row in self.rows if row.difference == ZERO)


def money_difference(before: Table | None, after: Table, headers: Sequence[PayrollHeader]) -> MoneyDifference:
    """Allocate the same runs by both tables and compare, account by account, in signed amounts (debit positive).

    No table before = nothing was posted by one. Where a table catches only part of a run, the rest stands in rows of
    its own; where it cannot be applied at all, its amounts are None and its problems say why.
    """
    one, two = _books(before, headers), _books(after, headers)
    rows = []
    for company_code, main_account, dimensions in sorted({*one.amounts, *two.amounts}):
        account = (company_code, main_account, dimensions)
        row = MoneyRow(
            company_code=company_code,
            main_account=main_account,
            dimensions=dimensions,
            before=one.amounts.get(account, ZERO) if one.is_known else None,
            after=two.amounts.get(account, ZERO) if two.is_known else None,
            before_people=one.people(account),
            after_people=two.people(account),
            moved_people=_moved_people(one, two, account) if one.is_known and two.is_known else frozenset(),
        )
        if row.before or row.after:
            rows.append(row)
    is_known = one.is_known and two.is_known
    return MoneyDifference(
        rows=tuple(rows),
        before_problems=tuple(one.problems),
        after_problems=tuple(two.problems),
        is_before_known=one.is_known,
        is_after_known=two.is_known,
        moved=_gains(one, two) if is_known else {},
        left=_gains(two, one) if is_known else {},
    )


# One table


#: A payroll line of one of the runs: position of the run, number of the line.
LineKey = tuple[int, int]


@dataclass(slots=True)
class _Books:
    """Where one table puts the amounts of all runs together. `employees` are those of the lines; a line of the journal
    without one (what one company code owes another) has all people of its company code behind it.
    """

    is_known: bool = True
    problems: list[Problem] = field(default_factory=list)
    amounts: dict[Account, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    by_line: dict[Account, dict[LineKey, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: ZERO))
    )
    targets: dict[tuple[LineKey, Side], list[tuple[TargetKey, Account, Decimal]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    employees: dict[LineKey, str] = field(default_factory=dict)
    by_company_code: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def take(self, run: int, header: PayrollHeader, trace: Iterable[TraceRow]) -> None:
        employees = {line.number: line.employee for line in header.lines}
        for row in trace:
            account = (row.company_code, row.main_account, row.dimensions)
            signed = row.amount if row.side == Side.DEBIT else -row.amount
            key = (run, row.line)
            self.amounts[account] += signed
            self.by_line[account][key] += signed
            self.employees[key] = employees.get(row.line, "")
            if self.employees[key]:
                self.by_company_code[row.company_code].add(self.employees[key])
            if row.leg == LegKind.NATURAL:
                self.targets[key, row.side].append(((row.rule, row.side, row.target), account, row.amount))

    def people(self, account: Account) -> frozenset[str]:
        return self.people_of(account, (key for key, amount in self.by_line.get(account, {}).items() if amount))

    def people_of(self, account: Account, lines: Iterable[LineKey]) -> frozenset[str]:
        found: set[str] = set()
        for key in lines:
            if key[1] == 0:
                found |= self.by_company_code[account[0]]
            elif self.employees[key]:
                found.add(self.employees[key])
        return frozenset(found)


def _books(table: Table | None, headers: Sequence[PayrollHeader]) -> _Books:
    books = _Books()
    if table is None:
        return books
    for run, header in enumerate(headers):
        found = allocate(header, table)
        books.problems += [problem for problem in found.problems if problem not in books.problems]
        whole = _with_stand_ins(header, table, found)
        if whole is None:
            return _Books(is_known=False, problems=books.problems)
        books.take(run, header, whole.trace)
    return books


def _with_stand_ins(header: PayrollHeader, table: Table, found: Allocation) -> Allocation | None:
    """The allocation with stand-ins for what the table does not catch; None where something else is wrong, too."""
    for _ in range(_ROUNDS):
        if not found.problems:
            return found
        patched = _patched(table, found.findings)
        if patched is None:
            return None
        table = patched
        found = allocate(header, table)
    return None


def _patched(table: Table, findings: Sequence[Finding]) -> Table | None:
    """The table with a stand-in for every finding, None where one of them can have none."""
    rules = {rule.name: rule for rule in table.rules}
    crosswalk = {entry.key(): entry for entry in table.crosswalk}
    for finding in findings:
        side = finding.side
        if finding.kind == FindingKind.CROSSWALK_GAP:
            entry = CrosswalkEntry(*finding.source, finding.missing, NO_VALUE)
            crosswalk.setdefault(entry.key(), entry)
        elif finding.kind == FindingKind.GAP and side is not None:
            stand_in = _stand_in(finding, side, Criteria())
            rules[stand_in.name] = stand_in
        elif finding.kind == FindingKind.TIE and side is not None:
            tied = [rules[name] for name in finding.rules if name in rules]
            if len({rule.criteria.folded() for rule in tied}) > 1:
                return None
            for rule in tied:
                without = replace(rule, debit=()) if side == Side.DEBIT else replace(rule, credit=())
                if without.debit or without.credit:
                    rules[rule.name] = without
                else:
                    del rules[rule.name]
            if tied:
                stand_in = _stand_in(finding, side, tied[0].criteria)
                rules[stand_in.name] = stand_in
        else:
            return None
    if not findings:
        return None
    return replace(table, rules=tuple(rules.values()), crosswalk=tuple(crosswalk.values()))


def _stand_in(finding: Finding, side: Side, criteria: Criteria) -> Rule:
    targets = (Target(1, HUNDRED, NO_RULE[side]),)
    name = " ".join(["(no rule)", finding.line.kind.value, side.value, *finding.rules])
    empty: tuple[Target, ...] = ()
    return Rule(
        name=name,
        kind=finding.line.kind,
        criteria=criteria,
        debit=targets if side == Side.DEBIT else empty,
        credit=targets if side == Side.CREDIT else empty,
    )


# Both tables


def _moved_people(one: _Books, two: _Books, account: Account) -> frozenset[str]:
    before, after = one.by_line.get(account, {}), two.by_line.get(account, {})
    moved = [key for key in {*before, *after} if before.get(key, ZERO) != after.get(key, ZERO)]
    return one.people_of(account, (key for key in moved if key in before)) | two.people_of(
        account, (key for key in moved if key in after)
    )


def _gains(before: _Books, after: _Books) -> dict[TargetKey, Sum]:
    """By target of the table after: the amounts, absolute, that did not stand on the same account before."""
    amounts: dict[TargetKey, Decimal] = defaultdict(lambda: ZERO)
    people: dict[TargetKey, set[str]] = defaultdict(set)
    for (key, side), landed in after.targets.items():
        stood: dict[Account, Decimal] = defaultdict(lambda: ZERO)
        for _, account, amount in before.targets.get((key, side), ()):
            stood[account] += abs(amount)
        for target, account, amount in landed:
            kept = min(abs(amount), stood[account])
            stood[account] -= kept
            if gained := abs(amount) - kept:
                amounts[target] += gained
                if after.employees[key]:
                    people[target].add(after.employees[key])
    return {target: Sum(amount, frozenset(people[target])) for target, amount in amounts.items()}
