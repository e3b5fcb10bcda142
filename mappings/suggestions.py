"""What could fill a gap: an account with its dimensions, the reason, and how sure we are. Never applied by itself.

In this order, the first that finds something: another version of this tenant that maps the same name (another company code
before an earlier version of this one), the other components of the same kind where they all go to one account, the account
whose name is nearest, and at last where most of the same kind go. Accounts come from the ledger's chart; a ledger says
little about what an account is for, so its type is read from the range of numbers that the table books this side to.

Pure: a table, its coverage, a chart and precedents in, suggestions out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from rapidfuzz import fuzz, process, utils

from mappings.chart import Chart, ChartAccount, ChartValue
from mappings.coverage_rows import Coverage, CrosswalkGap, Gap
from mappings.payroll import LineKind, Side
from mappings.table import COMPANY_CODE, HUNDRED, NONE, Table, Target, fold

#: Percent of likeness from which a name is worth suggesting, and from which a component is taken for the same thing.
NEAR, SAME = 62, 90

_PLURALS = {
    LineKind.EARNING: "earnings",
    LineKind.TIPS: "tips",
    LineKind.OWNERS_DRAW: "owner's draws",
    LineKind.REIMBURSEMENT: "reimbursements",
    LineKind.EMPLOYEE_TAX: "employee taxes",
    LineKind.EMPLOYER_TAX: "employer taxes",
    LineKind.BENEFIT_DEDUCTION: "benefit deductions",
    LineKind.GARNISHMENT: "garnishments",
    LineKind.CHILD_SUPPORT: "child support payments",
    LineKind.OTHER_DEDUCTION: "other deductions",
    LineKind.EMPLOYER_CONTRIBUTION: "employer contributions",
    LineKind.NET_PAY: "kinds of net pay",
}


#: How charts of accounts call what a kind is booked to, the most usual first.
_ACCOUNT_NAMES: dict[tuple[LineKind, Side], tuple[str, ...]] = {
    (LineKind.EARNING, Side.DEBIT): ("wages and salaries", "salaries", "wages", "payroll expense"),
    (LineKind.TIPS, Side.DEBIT): ("tips",),
    (LineKind.OWNERS_DRAW, Side.DEBIT): ("owner's draw",),
    (LineKind.REIMBURSEMENT, Side.DEBIT): ("employee reimbursements", "travel expenses"),
    (LineKind.EMPLOYEE_TAX, Side.CREDIT): ("payroll clearing", "payroll taxes payable"),
    (LineKind.EMPLOYER_TAX, Side.DEBIT): ("employer payroll taxes", "payroll tax expense"),
    (LineKind.EMPLOYER_TAX, Side.CREDIT): ("payroll clearing", "payroll taxes payable"),
    (LineKind.BENEFIT_DEDUCTION, Side.CREDIT): ("benefits payable", "benefit plans payable"),
    (LineKind.GARNISHMENT, Side.CREDIT): ("garnishments payable", "garnishments withheld"),
    (LineKind.CHILD_SUPPORT, Side.CREDIT): ("child support payable", "payroll clearing"),
    (LineKind.OTHER_DEDUCTION, Side.CREDIT): ("other deductions payable", "other amounts withheld"),
    (LineKind.EMPLOYER_CONTRIBUTION, Side.DEBIT): ("employer benefits", "benefit plans employer share"),
    (LineKind.EMPLOYER_CONTRIBUTION, Side.CREDIT): ("benefits payable", "benefit plans payable"),
    (LineKind.NET_PAY, Side.CREDIT): ("payroll clearing", "wages payable"),
}


@dataclass(frozen=True, slots=True)
class Precedent:
    """Where another approved version of the tenant maps a component. `words` say which: a company code, or a version."""

    kind: LineKind
    component: str
    side: Side
    main_account: str
    words: str
    is_own: bool
    """Whether it is an earlier version of the same legal entity."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One target for a gap. `confidence` is 0 to 100 percent."""

    gap: Gap
    target: Target
    account_name: str
    reason: str
    confidence: int

    @property
    def key(self) -> str:
        """Names what is suggested for what, so that accepting does exactly what was shown or nothing."""
        told = (self.gap.kind, fold(self.gap.component), self.gap.side, self.gap.criteria, self.target)
        return sha256(repr(told).encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class ValueSuggestion:
    """A crosswalk row for a source value that has none."""

    gap: CrosswalkGap
    value: str
    value_name: str
    reason: str
    confidence: int

    @property
    def key(self) -> str:
        told = (self.gap.source_kind, fold(self.gap.source_value), fold(self.gap.target), self.value)
        return sha256(repr(told).encode()).hexdigest()[:20]


def gap_key(gap: Gap) -> str:
    """Names a gap whatever is suggested for it."""
    return sha256(repr((gap.kind, fold(gap.component), gap.side, gap.criteria)).encode()).hexdigest()[:20]


def suggestions(
    found: Coverage, table: Table, chart: Chart | None, precedents: Iterable[Precedent]
) -> dict[str, Suggestion]:
    """By `gap_key`, for every gap that has one. Without a chart only accounts that the tenant's tables know are named."""
    advisor = _Advisor(found, table, chart, precedents)
    made = {gap_key(gap): advisor.suggest(gap) for gap in found.gaps if gap.criteria is not None}
    return {key: suggestion for key, suggestion in made.items() if suggestion is not None}


class _Advisor:
    """What is known about a table, arranged for one look per gap."""

    def __init__(self, found: Coverage, table: Table, chart: Chart | None, precedents: Iterable[Precedent]) -> None:
        self.chart = chart
        self.company_code = table.policy.company_code
        self.siblings: dict[tuple[LineKind, Side], dict[str, Target]] = defaultdict(dict)
        for row in found.components:
            for catch in row.catches:
                targets = catch.rule.targets(catch.side)
                if len(targets) == 1:
                    self.siblings[row.kind, catch.side].setdefault(row.component, targets[0])
        self.precedents: dict[tuple[LineKind, Side], list[Precedent]] = defaultdict(list)
        for precedent in precedents:
            self.precedents[precedent.kind, precedent.side].append(precedent)
        self.usable = {
            account.number: account
            for account in (chart.accounts.values() if chart else ())
            if account.company_code == self.company_code and account.is_active and account.allows_manual_entry
        }
        booked = {side: Counter[str]() for side in Side}
        for rule in table.rules:
            for side in Side:
                booked[side].update(target.main_account[:1] for target in rule.targets(side))
        #: First figures of the accounts that the table debits or credits: the nearest that charts have to a type.
        self.ranges = {side: frozenset(counter) for side, counter in booked.items()}
        self.entries = {(entry.source_kind, fold(entry.target)) for entry in table.crosswalk}

    def suggest(self, gap: Gap) -> Suggestion | None:
        for look in (self._precedent, self._all_siblings, self._name, self._most_siblings, self._kind):
            found = look(gap)
            if found is not None:
                account, reason, confidence = found
                target = self._target(gap, account)
                known = self.usable.get(account)
                return Suggestion(gap, target, known.name if known else "", reason, confidence)
        return None

    # Where to

    def _precedent(self, gap: Gap) -> tuple[str, str, int] | None:
        same = [
            (fuzz.ratio(fold(gap.component), fold(each.component)), each)
            for each in self.precedents[gap.kind, gap.side]
            if self._may_use(each.main_account)
        ]
        best = max(same, key=lambda pair: (pair[0], not pair[1].is_own, pair[1].words), default=None)
        if best is None or best[0] < SAME or not gap.component:
            return None
        likeness, precedent = best
        name = "It" if likeness == 100 else f"“{precedent.component}”"
        return precedent.main_account, f"{name} goes there in {precedent.words}.", 95 if likeness == 100 else 80

    def _all_siblings(self, gap: Gap) -> tuple[str, str, int] | None:
        accounts = Counter(target.main_account for target in self._siblings(gap).values())
        if len(accounts) != 1:
            return None
        ((account, count),) = accounts.items()
        if not self._may_use(account):
            return None
        if count == 1:
            (name,) = self._siblings(gap)
            return account, f"The other {gap.kind.value.replace('_', ' ')}, “{name}”, goes there.", 60
        words = _PLURALS.get(gap.kind, gap.kind.value.replace("_", " "))
        return account, f"The {count} other {words} go there.", min(90, 70 + 3 * count)

    def _name(self, gap: Gap) -> tuple[str, str, int] | None:
        siblings = self._siblings(gap)
        near = process.extractOne(
            gap.component, list(siblings), scorer=fuzz.WRatio, processor=utils.default_process, score_cutoff=SAME
        )
        if near and self._may_use(siblings[near[0]].main_account):
            return siblings[near[0]].main_account, f"“{near[0]}”, a similar name, goes there.", int(near[1] * 0.75)
        accounts = [
            account
            for account in self.usable.values()
            if account.name and (not self.ranges[gap.side] or account.number[:1] in self.ranges[gap.side])
        ]
        best = _nearest(gap.component, [account.name for account in accounts])
        if best is None:
            return None
        return accounts[best[0]].number, "Closest name in the chart of accounts.", int(best[1] * 0.7)

    def _most_siblings(self, gap: Gap) -> tuple[str, str, int] | None:
        accounts = Counter(target.main_account for target in self._siblings(gap).values())
        usable = [(count, account) for account, count in accounts.items() if self._may_use(account)]
        if not usable:
            return None
        count, account = max(usable)
        words, all_of_them = _PLURALS.get(gap.kind, gap.kind.value.replace("_", " ")), accounts.total()
        return account, f"{count} of the {all_of_them} other {words} {'goes' if count == 1 else 'go'} there.", 35

    def _kind(self, gap: Gap) -> tuple[str, str, int] | None:
        """For a kind that the table does not know yet: the account whose name says what it is for."""
        names = [account.name for account in self.usable.values()]
        found = [
            (likeness, -at, position)
            for at, words in enumerate(_ACCOUNT_NAMES.get((gap.kind, gap.side), ()))
            if (best := _nearest(words, names)) is not None
            for position, likeness in [best]
        ]
        if not found:
            return None
        likeness, _, position = max(found)
        account = list(self.usable.values())[position]
        words = gap.kind.value.replace("_", " ")
        return account.number, f"By its name it is for {words}, {gap.side}.", int(likeness * 0.5)

    def _siblings(self, gap: Gap) -> dict[str, Target]:
        mine = fold(gap.component)
        return {name: target for name, target in self.siblings[gap.kind, gap.side].items() if fold(name) != mine}

    def _may_use(self, account: str) -> bool:
        return self.chart is None or account in self.usable

    # With what

    def _target(self, gap: Gap, account: str) -> Target:
        """The account with dimensions and company code as the same kind has them, as far as the account takes them."""
        alike = Counter(
            (target.dimensions, target.company_code, target.accrual_account) for target in self._siblings(gap).values()
        )
        dimensions, company_code, accrual_account = max(alike, key=lambda key: (alike[key], key), default=((), "", ""))
        known = self.usable.get(account)
        return Target(1, HUNDRED, account, self._dimensions(dimensions, known), company_code, accrual_account)

    def _dimensions(
        self, dimensions: Sequence[tuple[str, str]], account: ChartAccount | None
    ) -> tuple[tuple[str, str], ...]:
        if account is None:
            return tuple(dimensions)
        allowed = account.allowed_dimensions
        taken = {name: value for name, value in dimensions if allowed is None or name in allowed}
        for name in account.required_dimensions - taken.keys():
            source = next(
                (each for each in ("department", "job", "location") if (each, fold(name)) in self.entries), ""
            )
            if source:
                taken[name] = f"@{source}"
        return tuple(sorted(taken.items()))


def _nearest(name: str, names: Sequence[str]) -> tuple[int, float] | None:
    """Position and likeness of the nearest of some names: whole words count more than letters in common."""
    found = process.extract(
        name, names, scorer=fuzz.token_set_ratio, processor=utils.default_process, score_cutoff=NEAR - 10, limit=10
    )
    scored = [
        (0.7 * score + 0.3 * fuzz.token_sort_ratio(name, other, processor=utils.default_process), -at)
        for other, score, at in found
    ]
    score, at = max(scored, default=(0.0, 0))
    return (-at, score) if score >= NEAR else None


# Crosswalks


def value_suggestions(
    gaps: Iterable[CrosswalkGap], table: Table, chart: Chart | None, known: Iterable[tuple[str, str, str, str, str]]
) -> dict[str, ValueSuggestion]:
    """By `crosswalk_gap_key`. `known` are rows of other versions: source kind, source value, target, value, words."""
    before: dict[tuple[str, str, str], tuple[str, str]] = {}
    for source_kind, source_value, target, value, words in known:
        before.setdefault((source_kind, fold(source_value), fold(target)), (value, words))
    found = {}
    for gap in gaps:
        suggestion = _value(gap, table, chart, before)
        if suggestion is not None:
            found[crosswalk_gap_key(gap)] = suggestion
    return found


def crosswalk_gap_key(gap: CrosswalkGap) -> str:
    return sha256(repr((gap.source_kind, fold(gap.source_value), fold(gap.target))).encode()).hexdigest()[:20]


def _value(
    gap: CrosswalkGap, table: Table, chart: Chart | None, before: dict[tuple[str, str, str], tuple[str, str]]
) -> ValueSuggestion | None:
    if not gap.source_value or gap.source_value == NONE or fold(gap.target) == COMPANY_CODE:
        return None
    code = table.policy.company_code
    values = [
        value
        for value in (chart.values.values() if chart else ())
        if value.dimension == gap.target and value.company_code in ("", code) and value.is_active
    ]
    by_value = {value.value: value for value in values}
    told = before.get((gap.source_kind, fold(gap.source_value), fold(gap.target)))
    if told is not None and (chart is None or told[0] in by_value):
        return ValueSuggestion(gap, told[0], _name_of(by_value.get(told[0])), f"It has it in {told[1]}.", 95)
    named = [value for value in values if value.name]
    best = _nearest(gap.source_value, [value.name for value in named])
    if best is None:
        return None
    value = named[best[0]]
    reason = "The name is the same." if best[1] >= 99 else "Closest name among the values."
    return ValueSuggestion(gap, value.value, value.name, reason, int(best[1] * (0.95 if best[1] >= 99 else 0.75)))


def _name_of(value: ChartValue | None) -> str:
    return value.name if value else ""


def described_dimensions(target: Target) -> str:
    """`CostCenter=@department;Project=P1`, as a rule has it."""
    return ";".join(f"{name}={value}" for name, value in target.dimensions)
