"""From payroll lines to legs: so many cents of a line, by a target of the rule that caught it, at one landing.

Person by person, because a person's wages decide where the rest of the pay belongs, and because net pay is what is left
of the person in each company code. The order in which amounts are split decides who gets an odd cent and is that of
accounting.md 7; each split works on finished cents of the one before. A sum is never split, so whatever is summed up
later is right per employee, per dimension and in total.

Where one company code pays for all, only debits go by the wages; every credit stays in the paying company code.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, TypeVar

from mappings.catching import Catcher, Landing, Uncaught
from mappings.findings import Finding, FindingKind, reported_once
from mappings.journal import ZERO
from mappings.payroll import EMPLOYER_COSTS, SIDES, WAGES, LineKind, PayrollHeader, PayrollLine, Side
from mappings.splitting import Shares, from_cents, to_cents
from mappings.table import Table, fold
from mappings.trace import Dimensions, LegKind

#: Off-cycle reasons whose amounts may be negative, net pay included.
CORRECTIONS = frozenset({"correction", "wage correction", "tax reconciliation", "benefit reversal", "reversal"})

#: Wages belong to a company code and a job; no job means the job of whatever line goes there.
Cell = tuple[str, str | None]

Key = TypeVar("Key", str, Cell)


class LegGroup(NamedTuple):
    """Legs of one kind that stand on one account by one landing: the cents of each payroll line, positive = `side`.

    Natural legs stand where the landing says; any other stands where the journal policy puts it. What one company code
    owes another has no landing: `partner` is the other one, and the amount stands under line number 0.
    """

    company_code: str
    main_account: str
    dimensions: Dimensions
    side: Side
    kind: LegKind
    landing: Landing | None
    amounts: Mapping[int, int]
    partner: str = ""


def legs_of(header: PayrollHeader, table: Table) -> tuple[list[LegGroup], tuple[Finding, ...]]:
    """The natural legs of everybody, in the order of their first lines, and what could not be allocated."""
    lines_by_employee: dict[str, list[PayrollLine]] = defaultdict(list)
    for line in sorted(header.lines, key=attrgetter("number")):
        lines_by_employee[line.employee].append(line)
    run = _Run(
        catcher=Catcher(table, header),
        default_company_code=table.policy.company_code,
        paying_company_code=table.policy.credit_company_code,
        corrects=header.payroll_type == "off_cycle" and fold(header.off_cycle_reason) in CORRECTIONS,
    )
    for employee, lines in lines_by_employee.items():
        _Person(run, is_company=not employee).allocate(lines)
    groups = [
        LegGroup(
            company_code=landing.company_code,
            main_account=landing.target.main_account,
            dimensions=landing.dimensions,
            side=landing.side,
            kind=LegKind.NATURAL,
            landing=landing,
            amounts=amounts,
        )
        for landing, amounts in run.legs.items()
    ]
    return groups, reported_once(run.findings)


@dataclass(slots=True)
class _Run:
    """What all people of a run share: who catches their lines, and where legs and findings are collected."""

    catcher: Catcher
    default_company_code: str
    paying_company_code: str
    """Where all credits stay; empty where they follow the wages."""
    corrects: bool
    legs: dict[Landing, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    """Cents by payroll line at each landing that they reached."""
    findings: list[Finding] = field(default_factory=list)


class _Role(enum.StrEnum):
    """What a line does in the pay of a person."""

    WAGES = "wages"
    EMPLOYER_COST = "employer_cost"
    MEMO = "memo"
    OTHER = "other"
    NET_PAY = "net_pay"


def _role(kind: LineKind) -> _Role:
    if kind in WAGES:
        return _Role.WAGES
    if kind in EMPLOYER_COSTS:
        return _Role.EMPLOYER_COST
    if kind == LineKind.NET_PAY:
        return _Role.NET_PAY
    return _Role.OTHER if SIDES[kind] else _Role.MEMO


_ROLES = {kind: _role(kind) for kind in LineKind}

# Looked up once: a member of an enum costs as much as the rest of a step, and there are millions of steps.
_EVERY_ROLE = tuple(_Role)
_NET_PAY = _Role.NET_PAY
_DEBIT, _CREDIT = Side.DEBIT, Side.CREDIT
_ONE_SIDE = {kind: sides[0] for kind, sides in SIDES.items() if len(sides) == 1}


class _Person:
    """The lines of one person, or of the company itself, turned into legs.

    Wages decide where everything else goes. `balance` is debits less credits in each company code; net pay is what is
    left of it, so that it ends at zero everywhere, or at zero in total where one company code pays for all.
    """

    def __init__(self, run: _Run, is_company: bool) -> None:
        self.run = run
        self.catch = run.catcher.catch
        self.legs = run.legs
        self.is_company = is_company
        self.wages: dict[Cell, int] = defaultdict(int)
        self.balance: dict[str, int] = defaultdict(int)
        self.findings_before = len(run.findings)

    def allocate(self, lines: Sequence[PayrollLine]) -> None:
        """Post all lines, in the order that decides about odd cents.

        A finding does not end it: there may be more to find, and no journal is made then in any case.
        """
        amounts = self._amounts(lines)
        net_pay = amounts[_Role.NET_PAY]
        self._post_wages(amounts[_Role.WAGES])
        cells, codes = self._shares_of_wages(amounts)
        for line, cents in amounts[_Role.EMPLOYER_COST]:
            for (code, job), part in cells.parts(cents):
                self._post_both_sides(line, part, line.job if job is None else job, code)
        for line, cents in amounts[_Role.MEMO]:
            for code, part in codes.parts(cents):
                self._post_memo(line, part, code)
        for line, cents in [*amounts[_Role.OTHER], *net_pay[:-1]]:
            self._post_one_side(line, cents, codes)
        for line, cents in net_pay[-1:]:
            self._post_net_pay(line, cents, codes)
        self._check(net_pay, lines[-1])

    def _amounts(self, lines: Sequence[PayrollLine]) -> dict[_Role, list[tuple[PayrollLine, int]]]:
        """Lines and their cents by role. A line of 0.00 needs no rule; net pay of 0.00 may still move between codes."""
        amounts: dict[_Role, list[tuple[PayrollLine, int]]] = {role: [] for role in _EVERY_ROLE}
        for line in lines:
            try:
                cents = to_cents(line.amount)
            except ValueError:
                amount = line.amount if line.amount.is_finite() else ZERO
                self.run.findings.append(Finding(FindingKind.DECIMALS, line, amount))
                continue
            role = _ROLES[line.kind]
            if cents or role is _NET_PAY:
                amounts[role].append((line, cents))
        return amounts

    def _post_wages(self, amounts: Sequence[tuple[PayrollLine, int]]) -> None:
        default, wages = self.run.default_company_code, self.wages
        for line, cents in amounts:
            reached = self._post(line, cents, _DEBIT, line.job, default)
            # A line that nobody catches still counts, so that the rest of the person is looked at.
            for code, part in reached or ((default, cents),):
                wages[code, line.job] += part

    def _shares_of_wages(
        self, amounts: Mapping[_Role, Sequence[tuple[PayrollLine, int]]]
    ) -> tuple[Shares[Cell], Shares[str]]:
        """How wages are spread over cells of company code and job, and over company codes alone.

        What belongs to no person, and a person without wages, goes to the default company code.
        """
        if self.is_company or not self.wages:
            default = self.run.default_company_code
            return _whole((default, None)), _whole(default)
        if len(self.wages) == 1:
            ((code, job),) = self.wages
            return _whole((code, job)), _whole(code)
        wages_by_code: dict[str, int] = defaultdict(int)
        for (code, _), cents in self.wages.items():
            wages_by_code[code] += cents
        if self.run.paying_company_code:
            default = self.run.default_company_code
            return _absolute_shares(self.wages, (default, None)), _absolute_shares(wages_by_code, default)
        cells, codes = _shares(self.wages), _shares(wages_by_code)
        cannot_follow = codes is None or (cells is None and amounts[_Role.EMPLOYER_COST])
        if cannot_follow and self._is_sound():
            total = from_cents(sum(wages_by_code.values()))
            line = amounts[_Role.WAGES][0][0]
            self.run.findings.append(
                Finding(FindingKind.WAGES, line, total, company_codes=tuple(sorted(wages_by_code)))
            )
        return cells or _equal_shares(self.wages), codes or _equal_shares(wages_by_code)

    def _post_both_sides(self, line: PayrollLine, cents: int, job: str, company_code: str) -> None:
        """A cost and its debt: the credit stays in the company code of the debit, or in the one that pays for all."""
        debit = self.catch(line, _DEBIT, job, company_code).only
        if debit is not None and not self.run.paying_company_code:
            credit = self.catch(line, _CREDIT, job, debit.company_code).only
            if credit is not None and credit.company_code == debit.company_code:
                # The usual case, shorter: one landing each, and the balance of the person stays what it is.
                for landing in (debit, credit):
                    amounts = self.legs[landing]
                    amounts[line.number] = amounts.get(line.number, 0) + cents
                return
        for code, part in self._post(line, cents, _DEBIT, job, company_code):
            self._post(line, part, _CREDIT, job, self.run.paying_company_code or code, stays=True)

    def _post_memo(self, line: PayrollLine, cents: int, company_code: str) -> None:
        """A memo line is posted only if a rule with both sides catches it. Nobody pays it: it stays where it is."""
        caught = self.catch(line, _DEBIT, line.job, company_code)
        if not (isinstance(caught, Uncaught) and caught.is_gap):
            for code, part in self._post(line, cents, _DEBIT, line.job, company_code):
                self._post(line, part, _CREDIT, line.job, code, stays=True)

    def _post_one_side(self, line: PayrollLine, cents: int, codes: Shares[str]) -> None:
        """What follows the wages; a credit does not where one company code pays for all. 0.00 goes nowhere."""
        if not cents:
            return
        side = _ONE_SIDE[line.kind]
        if side is _CREDIT and self.run.paying_company_code:
            self._post(line, cents, side, line.job, self.run.paying_company_code, stays=True)
            return
        for code, part in codes.parts(cents):
            self._post(line, part, side, line.job, code)

    def _post_net_pay(self, line: PayrollLine, cents: int, codes: Shares[str]) -> None:
        """Net pay is what is left of the person in each company code, if that is the amount of the line in total."""
        if self.run.paying_company_code:
            self._post_one_side(line, cents, codes)
            return
        left = {code: balance for code, balance in self.balance.items() if balance}
        if sum(left.values()) != cents:
            # The difference is found below, or lines are missing; whether a rule catches net pay is still to be learnt.
            left = {codes.keys[0]: cents} if cents else {}
        for code, balance in left.items():
            self._post(line, balance, _CREDIT, line.job, code, stays=True)

    def _check(self, net_pay: Sequence[tuple[PayrollLine, int]], last_line: PayrollLine) -> None:
        """Whether the person balances in each company code, and is not asked to pay."""
        is_balanced = not (sum if self.run.paying_company_code else any)(self.balance.values())
        if not is_balanced and self._is_sound():
            difference = sum(self.balance.values()) or max(self.balance.values())
            self.run.findings.append(Finding(FindingKind.UNBALANCED, last_line, from_cents(difference)))
        for line, cents in net_pay:
            if cents < 0 and not self.run.corrects:
                self.run.findings.append(Finding(FindingKind.NEGATIVE_NET_PAY, line, line.amount))

    def _post(
        self, line: PayrollLine, cents: int, side: Side, job: str, company_code: str, stays: bool = False
    ) -> Collection[tuple[str, int]]:
        """Legs of one amount on one side; returns what each company code got, nothing where no rule catches the line.

        `company_code` is where a target without one of its own lands; `stays`: where all of them have to land.
        """
        caught = self.catch(line, side, job, company_code)
        number = line.number
        if caught.only is not None:
            # The loop below for one landing, written out: nearly every amount goes this way.
            landing = caught.only
            amounts, code = self.legs[landing], landing.company_code
            amounts[number] = amounts.get(number, 0) + cents
            self.balance[code] += cents if side is _DEBIT else -cents
            if stays and code != company_code:
                self._report_company_code(line, side, landing)
            return ((code, cents),)
        if isinstance(caught, Uncaught):
            self._report(line, side, caught)
            return ()
        reached: dict[str, int] = {}
        for landing, part in caught.landings.parts(cents):
            amounts, code = self.legs[landing], landing.company_code
            amounts[number] = amounts.get(number, 0) + part
            self.balance[code] += part if side is _DEBIT else -part
            reached[code] = reached.get(code, 0) + part
            if stays and code != company_code:
                self._report_company_code(line, side, landing)
        return reached.items()

    def _report_company_code(self, line: PayrollLine, side: Side, landing: Landing) -> None:
        rules, codes = (landing.rule.name,), (landing.company_code,)
        found = Finding(FindingKind.COMPANY_CODE, line, line.amount, side, rules, company_codes=codes)
        self.run.findings.append(found)

    def _report(self, line: PayrollLine, side: Side, uncaught: Uncaught) -> None:
        rules = tuple(rule.name for rule in uncaught.rules)
        if not uncaught.missing:
            kind = FindingKind.GAP if uncaught.is_gap else FindingKind.TIE
            self.run.findings.append(Finding(kind, line, line.amount, side, rules))
        for source_kind, source_value, target in uncaught.missing:
            source = (source_kind, source_value)
            self.run.findings.append(
                Finding(FindingKind.CROSSWALK_GAP, line, line.amount, side, rules, missing=target, source=source)
            )

    def _is_sound(self) -> bool:
        """No finding about this person so far: sums mean something only then."""
        return len(self.run.findings) == self.findings_before


@lru_cache(maxsize=4096)
def _whole(key: Key) -> Shares[Key]:
    """All to one place. There are few of these for any number of people."""
    return Shares((key,), (1,))


def _shares(wages: Mapping[Key, int]) -> Shares[Key] | None:
    """Wages as proportions, absolute where all are negative; None where both signs or a sum of zero give none."""
    keys = tuple(sorted(wages))
    if len(keys) == 1:
        return Shares(keys, (1,))
    weights = tuple(wages[key] for key in keys)
    if not any(weights) or (min(weights) < 0 < max(weights)):
        return None
    return Shares(keys, tuple(abs(weight) for weight in weights))


def _absolute_shares(wages: Mapping[Key, int], default: Key) -> Shares[Key]:
    """Wages as proportions whatever their signs: wages moved between company codes weigh by what was moved.

    Only costs follow them then, no credit. Where all wages are 0.00, costs stay at the only place that had any, or at
    the default.
    """
    keys = tuple(sorted(key for key in wages if wages[key] or len(wages) == 1))
    return Shares(keys, tuple(abs(wages[key]) or 1 for key in keys)) if keys else Shares((default,), (1,))


def _equal_shares(wages: Mapping[Key, int]) -> Shares[Key]:
    """A stand-in for a person who has a finding: every rule that could be asked is asked."""
    keys = tuple(sorted(wages))
    return Shares(keys, (1,) * len(keys))
