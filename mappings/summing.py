"""From legs to journal lines: legs that meet on one account are added up, and every line keeps what it was made of.

One line per company code, main account, dimensions and natural side; the journal policy may also want one per department
or employee, and the clearing account by what Gusto withdraws. Debits and credits of one account are never netted. Only
sums are made here: nothing is split any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mappings.journal import ZERO, JournalLine
from mappings.journal_text import JournalTexts
from mappings.legs import LegGroup
from mappings.payroll import LineKind, PayrollHeader, PayrollLine, Side
from mappings.policy import Lines, Policy
from mappings.splitting import from_cents
from mappings.table import fold
from mappings.trace import Dimensions, LegKind, TraceBlock, TraceSource

#: What Gusto withdraws from the bank by itself, as it stands on the statement.
_WITHDRAWALS = {
    LineKind.NET_PAY: "net pay",
    LineKind.EMPLOYEE_TAX: "taxes",
    LineKind.EMPLOYER_TAX: "taxes",
    LineKind.CHILD_SUPPORT: "child support",
}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """The department or employee that a journal line belongs to; empty where the policy tells none apart.

    Compared by identity: a run has one for each.
    """

    label: str = ""
    key: str = ""


_NO_UNIT = Unit()


class Units:
    """Which unit each payroll line of a run belongs to."""

    def __init__(self, header: PayrollHeader, lines: Lines) -> None:
        self.is_per_employee = lines == Lines.EMPLOYEE
        self._by_line: dict[int, Unit] = {}
        if lines != Lines.SUMMARY:
            name = _employee if self.is_per_employee else _department
            # One department may be spelt in several ways: the same spelling is shown whatever the order of lines.
            labels: dict[str, str] = {}
            for line in header.lines:
                key, label = name(line)
                labels[key] = min(label, labels.get(key, label))
            units = {key: Unit(label, key) for key, label in labels.items()}
            self._by_line = {line.number: units[name(line)[0]] for line in header.lines}

    def apart(self, group: LegGroup) -> Iterable[tuple[Unit, LegGroup]]:
        """The group by unit; as it is where no units are told apart."""
        if not self._by_line or group.landing is None:
            return [(_NO_UNIT, group)]
        amounts: dict[Unit, dict[int, int]] = defaultdict(dict)
        for line, cents in group.amounts.items():
            amounts[self._by_line[line]][line] = cents
        return [(unit, group._replace(amounts=members)) for unit, members in amounts.items()]


@dataclass(frozen=True, slots=True)
class Sum:
    """All legs of one company code that become one journal line, or none where they add up to 0.00."""

    company_code: str
    main_account: str
    dimensions: Dimensions
    side: Side
    detail: str
    """The withdrawal, or the other company code of an intercompany line; empty where nothing is told apart."""
    unit: Unit
    groups: tuple[LegGroup, ...]
    cents: int

    def is_credit(self) -> bool:
        """The side of the journal line: a negative sum stands on the other one."""
        return (self.side == Side.CREDIT) != (self.cents < 0)

    def order(self) -> tuple[bool, str, Dimensions, Side, str, str, str]:
        return (
            self.is_credit(), self.main_account, self.dimensions, self.side, self.detail, self.unit.label, self.unit.key
        )  # fmt: skip


class Summing:
    """Makes the lines and the trace of all journals of one run."""

    def __init__(self, header: PayrollHeader, policy: Policy) -> None:
        self._units = Units(header, policy.lines)
        self._has_clearing_detail = policy.clearing_detail
        self._texts = JournalTexts(header, policy)
        net_pay = LineKind.NET_PAY
        self._net_pay_employees = {line.number: line.employee for line in header.lines if line.kind is net_pay}

    def sums(self, groups: Iterable[LegGroup]) -> dict[str, list[Sum]]:
        """Legs summed up by company code, ascending: debits, then credits, each by account and dimensions."""
        together: dict[tuple[str, str, Dimensions, Side, str, Unit], list[LegGroup]] = defaultdict(list)
        for whole in groups:
            for unit, group in self._units.apart(whole):
                account = (group.company_code, group.main_account, group.dimensions, group.side)
                together[(*account, self._detail(group), unit)].append(group)
        sums: dict[str, list[Sum]] = defaultdict(list)
        for (company_code, main_account, dimensions, side, detail, unit), members in together.items():
            cents = sum(sum(group.amounts.values()) for group in members)
            sums[company_code].append(
                Sum(company_code, main_account, dimensions, side, detail, unit, tuple(members), cents)
            )
        return {company_code: sorted(sums[company_code], key=Sum.order) for company_code in sorted(sums)}

    def line(self, number: int, total: Sum) -> JournalLine:
        """The journal line of a sum that is not 0.00."""
        amount = from_cents(abs(total.cents))
        return JournalLine(
            number=number,
            main_account=total.main_account,
            dimensions=total.dimensions,
            debit=ZERO if total.is_credit() else amount,
            credit=amount if total.is_credit() else ZERO,
            text=self._text(total),
        )

    def block(self, total: Sum, journal: int | None, number: int) -> TraceBlock:
        """The trace of a sum: what brought how much of which payroll line there."""
        met: dict[tuple[LegKind, str, int], list[Mapping[int, int]]] = defaultdict(list)
        for group in total.groups:
            rule, target = (group.landing.rule.name, group.landing.target.position) if group.landing else ("", 0)
            met[group.kind, rule, target].append(group.amounts)
        sources = tuple(TraceSource(*key, tuple(portions)) for key, portions in met.items())
        return TraceBlock(
            journal, total.company_code, total.main_account, total.dimensions, total.side, number, sources
        )

    def _detail(self, group: LegGroup) -> str:
        if group.landing is None:
            return group.partner
        if self._has_clearing_detail and group.kind == LegKind.NATURAL and group.side == Side.CREDIT:
            return _WITHDRAWALS.get(group.landing.rule.kind, "")
        return ""

    def _text(self, total: Sum) -> str:
        (first, *_) = total.groups
        if first.kind == LegKind.INTERCOMPANY:
            return f"Due {'from' if total.side == Side.DEBIT else 'to'} {first.partner}"
        if all(_is_owed(group) for group in total.groups):
            return ", ".join(text for text in ("Accrued payroll", total.unit.label) if text)
        landings = {group.landing: None for group in total.groups if group.landing}
        net_pay = (group for group in total.groups if group.landing and group.landing.rule.kind == LineKind.NET_PAY)
        is_of_one = self._units.is_per_employee and bool(total.unit.key)
        return self._texts.line(
            landings,
            company_code=total.company_code,
            place="" if self._units.is_per_employee else total.unit.label,
            people=0
            if is_of_one
            else len({self._net_pay_employees[line] for group in net_pay for line in group.amounts}),
            employee_code=total.unit.label if is_of_one else "",
        )


def _employee(line: PayrollLine) -> tuple[str, str]:
    return line.employee, line.employee_code or line.employee[:8]


def _department(line: PayrollLine) -> tuple[str, str]:
    return fold(line.department), " ".join(line.department.split())


def _is_owed(group: LegGroup) -> bool:
    """Whether this is what is owed for the cost of work of an earlier fiscal period, and not that cost itself."""
    if group.landing is None or group.landing.side == Side.CREDIT:
        return False
    return group.kind == LegKind.INTERIM or (group.kind == LegKind.ACCRUED and group.side == Side.CREDIT)
