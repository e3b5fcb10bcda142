"""Does the payroll add up: T1 to T8 of accounting.md 10, each difference with both figures. Pure.

A row is an equation with its verdict. A difference stops the run, except the variants that are known and named; some
may be accepted by a person, with the amount they saw. No sentence names a person.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

from gusto.figures import ZERO
from gusto.payroll_lines import Facts, Form, Off, Reading, Sums
from mappings.journal import Problem
from mappings.payroll import SIDES, LineKind, PayrollLine, Side


class Verdict(enum.StrEnum):
    EQUAL = "equal"
    KNOWN = "known"
    """A difference with a name: shown, goes on."""
    ACCEPTED = "accepted"
    """A person took responsibility for exactly this difference."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Row:
    """One equation. `left` is Gusto's total, `right` what the document adds up to, unless the equation says otherwise."""

    name: str
    equation: str
    left: Decimal
    right: Decimal
    verdict: Verdict
    note: str = ""
    difference: Decimal = ZERO
    people: int = 0
    """How many people it does not hold for, where it has to hold for each."""
    is_acceptable: bool = False

    @property
    def stops(self) -> bool:
        return self.verdict is Verdict.STOP

    @property
    def sentence(self) -> str:
        """The difference in finance's words."""
        who = f" It does not hold for {_people(self.people)}." if self.people else ""
        note = f" {self.note}" if self.note else ""
        return (
            f"{self.name}: {self.equation}: {self.left:,.2f} against {self.right:,.2f}, "
            f"a difference of {self.difference:,.2f}.{who}{note}"
        )

    def as_json(self) -> dict[str, Any]:
        """The row as it is stored with the run; amounts are text."""
        return {
            "name": self.name,
            "equation": self.equation,
            "left": str(self.left),
            "right": str(self.right),
            "difference": str(self.difference),
            "people": self.people,
            "verdict": self.verdict.value,
            "note": self.note,
            "is_acceptable": self.is_acceptable,
        }


def row_of(stored: Mapping[str, Any]) -> Row:
    """The row behind `Row.as_json`."""
    return Row(
        name=stored["name"],
        equation=stored["equation"],
        left=Decimal(stored["left"]),
        right=Decimal(stored["right"]),
        verdict=Verdict(stored["verdict"]),
        note=stored["note"],
        difference=Decimal(stored["difference"]),
        people=stored["people"],
        is_acceptable=stored["is_acceptable"],
    )


def tie_out(reading: Reading) -> tuple[Row, ...]:
    """T1 to T7 for a document that was read, and the conditions under which its signs may be trusted. Of a file of payroll
    lines, which has no totals, what it proves of itself.
    """
    if reading.form is Form.LINES:
        return tuple(_of_lines(reading))
    figures = _Figures(reading)
    return (
        *_debits(figures),
        *_pay(figures),
        *_reimbursements(figures),
        *_parts(figures),
        *_people_rows(reading.sums),
        *_signs(reading.facts, reading.sums, figures),
        *_memos(reading.sums),
    )


def with_accepted(rows: Iterable[Row], accepted: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows, with what a person accepted: {"name", "amount"} with the difference that they saw, to the cent."""
    taken = {(entry["name"], Decimal(entry["amount"])) for entry in accepted}
    return tuple(
        replace(row, verdict=Verdict.ACCEPTED)
        if row.stops and row.is_acceptable and (row.name, row.difference) in taken
        else row
        for row in rows
    )


def problems_of(rows: Iterable[Row]) -> list[Problem]:
    """What stops the run."""
    return [
        Problem(
            code="tie_out",
            kind="difference",
            sentence=row.sentence,
            facts=(
                ("name", row.name),
                ("left", str(row.left)),
                ("right", str(row.right)),
                ("difference", str(row.difference)),
                ("people", str(row.people)),
            ),
            page="payroll_run",
        )
        for row in rows
        if row.stops
    ]


class _Figures:
    """Gusto's totals beside the sums of its document."""

    def __init__(self, reading: Reading) -> None:
        self.sums = reading.sums
        self.totals = reading.totals
        self.is_external = reading.facts.payroll_type == "external"

    def total(self, name: str) -> Decimal:
        return self.totals.get(name, ZERO)

    def row(self, name: str, equation: str, total: str, right: Decimal, **more: Any) -> Row:
        """Compare one of Gusto's totals. A total that Gusto does not give cannot tie out."""
        row = compared(name, equation, self.total(total), right, **more)
        if total not in self.totals:
            return replace(row, verdict=Verdict.STOP, note=f"Gusto does not give the total “{total}”.")
        return row


def compared(
    name: str, equation: str, left: Decimal, right: Decimal, is_acceptable: bool = False, people: int = 0
) -> Row:
    """A row that is equal or stops."""
    difference = abs(left - right)
    verdict = Verdict.STOP if difference else Verdict.EQUAL
    return Row(name, equation, left, right, verdict, "", difference, people, is_acceptable)


def known(row: Row, note: str) -> Row:
    """The same row, its difference being one that is known by name."""
    return replace(row, verdict=Verdict.KNOWN, note=note)


# T1, T2


def _debits(figures: _Figures) -> Iterable[Row]:
    parts = ("net_pay_debit", "tax_debit", "reimbursement_debit", "child_support_debit")
    right = sum((figures.total(part) for part in parts), ZERO)
    equation = "company debit = net pay debit + tax debit + reimbursement debit + child support debit"
    row = figures.row("T1", equation, "company_debit", right)
    missing = [part for part in parts if part not in figures.totals]
    yield replace(row, verdict=Verdict.STOP, note=f"Gusto does not give {', '.join(missing)}.") if missing else row
    yield _tax_debit(figures)


def _tax_debit(figures: _Figures) -> Row:
    """Gusto does not say whether company taxes are part of its tax debit; the figures do (accounting.md 13)."""
    peoples = figures.total("employer_taxes") + figures.total("employee_taxes")
    company = figures.sums.company_taxes
    outside = figures.row("T2", "tax debit = employer taxes + employee taxes", "tax_debit", peoples)
    if not company or "tax_debit" not in figures.totals:
        return outside
    if not outside.difference:
        return known(outside, f"Company taxes of {company:,.2f} are {OUTSIDE}")
    inside = figures.row(
        "T2", "tax debit = employer taxes + employee taxes + company taxes", "tax_debit", peoples + company
    )
    return outside if inside.difference else replace(inside, note=f"Company taxes of {company:,.2f} are {INSIDE}")


OUTSIDE = "not in Gusto's tax debit: credit them to a payroll tax account, not to the clearing account."
INSIDE = "in Gusto's tax debit."


# T3 to T5


def _pay(figures: _Figures) -> Iterable[Row]:
    sums = figures.sums
    for row in (
        figures.row("T3 gross", "gross pay = everybody's gross pay", "gross_pay", sums.gross),
        figures.row("T3 net", "net pay = everybody's net pay", "net_pay", sums.net),
        _net_debit(figures),
    ):
        is_known = figures.is_external and row.stops
        yield known(row, "The payroll was run elsewhere and only entered at Gusto.") if is_known else row
    yield figures.row("T4", "checks = amounts of everybody paid by check", "check_amount", sums.checks)


def _net_debit(figures: _Figures) -> Row:
    sums = figures.sums
    name, equation = "T3 debit", "net pay debit = net pay of everybody paid by direct deposit"
    row = figures.row(name, equation, "net_pay_debit", sums.net_direct)
    if row.stops and sums.draws_outside_direct:
        with_draws = figures.row(
            name, f"{equation} + owner's draws", "net_pay_debit", sums.net_direct + sums.draws_outside_direct
        )
        return row if with_draws.stops else with_draws
    return row


def _reimbursements(figures: _Figures) -> Iterable[Row]:
    """Off-cycle and recorded payrolls leave some out of the totals: that is known where each person's amount holds."""
    sums = figures.sums
    paid = figures.row(
        "T5 reimbursements", "reimbursements = everybody's reimbursements", "reimbursements", sums.reimbursements
    )
    debit = figures.row(
        "T5 debit",
        "reimbursement debit = reimbursements of everybody paid by direct deposit",
        "reimbursement_debit",
        sums.reimbursements_direct,
    )
    if debit.stops and figures.total("reimbursement_debit") == sums.reimbursements:
        debit = known(debit, "Gusto counts those of people paid by check as well.")
    for row in (paid, debit):
        is_known = row.stops and not sums.check_off.people and not row.note
        yield known(row, "Gusto left some out of its total; each is booked once.") if is_known else row


# T6


def _parts(figures: _Figures) -> Iterable[Row]:
    sums = figures.sums
    #: (total, what it is the sum of, the sum, whether older documents lack it)
    equations: tuple[tuple[str, str, Decimal, bool], ...] = (
        ("employee_taxes", "everybody's own taxes", sums.employee_taxes, False),
        ("employer_taxes", "the employer's taxes on everybody", sums.employer_taxes, False),
        ("employee_benefits_deductions", "everybody's benefit deductions", sums.benefit_deductions, False),
        ("benefits", "the employer's contributions, imputed ones too", sums.contributions, False),
        ("imputed_pay", "imputed contributions", sums.imputed, True),
        ("other_deductions", "everybody's other deductions, child support too", sums.deductions, True),
        ("child_support_debit", "child support that Gusto pays over", sums.child_support, False),
    )
    for total, words, right, may_lack in equations:
        name, equation = f"T6 {total}", f"{total.replace('_', ' ')} = {words}"
        if may_lack and total not in figures.totals:
            yield Row(name, equation, right, right, Verdict.KNOWN, "Gusto does not give this total.")
        else:
            yield figures.row(name, equation, total, right, is_acceptable=total in figures.totals)


# T7


def _people_rows(sums: Sums) -> Iterable[Row]:
    yield _each("T7 gross", "each person's gross pay = earnings + tips + cash tips", sums.gross_off)
    yield _each(
        "T7 net",
        "each person's net pay = gross pay - taxes - benefit deductions - other deductions - cash tips",
        sums.net_off,
    )
    yield _each("T7 paid", "each person's amount paid = net pay + reimbursements", sums.check_off)


def _each(name: str, equation: str, off: Off) -> Row:
    row = compared(name, equation, off.left, off.right, people=off.people)
    verdict = Verdict.STOP if off.people else Verdict.EQUAL
    return replace(row, difference=off.difference, verdict=verdict)


def _signs(facts: Facts, sums: Sums, figures: _Figures) -> Iterable[Row]:
    """What no equation shows: a liability that Gusto leaves with the employer, and signs that nobody has proven."""
    yield compared("Deferred taxes", "deferred payroll taxes = 0.00", figures.total("deferred_payroll_taxes"), ZERO)
    negative = Decimal(sums.negative_net)
    row = compared("Negative net pay", "people with negative net pay = 0", negative, ZERO, people=sums.negative_net)
    yield known(row, "The payroll is a correction.") if row.stops and facts.may_be_negative else row
    if facts.is_reversal:
        row = compared("Reversal", "a reversal payroll takes back: its gross pay is not positive", sums.gross, ZERO)
        yield row if sums.gross > 0 else replace(row, verdict=Verdict.EQUAL, difference=ZERO)


def _memos(sums: Sums) -> Iterable[Row]:
    """Sums that no total of Gusto's repeats, kept for T8."""
    for name, equation, amount in (
        (CASH_TIPS, "cash tips are in gross pay, and the people already have them", sums.cash_tips),
        (COMPANY_TAXES, "taxes of the company itself, on top of everybody's", sums.company_taxes),
        (DRAWS, "owner's draws on top of gross pay", sums.draws_outside),
    ):
        yield Row(name, equation, amount, amount, Verdict.EQUAL)


CASH_TIPS, COMPANY_TAXES, DRAWS = "Cash tips", "Company taxes", "Owner's draws"


# A file of payroll lines


def _of_lines(reading: Reading) -> Iterable[Row]:
    """Each person's sides, and under the names of T1 to T6 the sums of the lines: T8 compares the journals with them."""
    sums = reading.sums
    sides: dict[str, dict[Side, Decimal]] = {}
    net_pay, debited = ZERO, ZERO
    for line in reading.header.lines:
        natural = SIDES[line.kind]
        if line.employee and len(natural) == 1:
            person = sides.setdefault(line.employee, dict.fromkeys(Side, ZERO))
            person[natural[0]] += line.amount
        if line.kind is LineKind.NET_PAY:
            net_pay += line.amount
        elif line.kind in _DEBITED_BY_GUSTO:
            debited += line.amount
    each = Off()
    for person in sides.values():
        each.compare(person[Side.DEBIT], person[Side.CREDIT])
    yield _each(
        "T7 sides", "each person's earnings, tips, draws and reimbursements = taxes, deductions and net pay", each
    )
    for name, words, amount in (
        ("T1", "company debit = net pay by direct deposit, taxes, child support", net_pay - sums.checks + debited),
        ("T2", "taxes = everybody's and the company's", sums.employee_taxes + sums.employer_taxes + sums.company_taxes),
        ("T3 gross", "gross pay = earnings + tips + cash tips + draws", sums.gross),
        ("T4", "checks = amounts of everybody paid by check", sums.checks),
        ("T5 reimbursements", "reimbursements = everybody's reimbursements", sums.reimbursements),
        ("T6 employee_taxes", "employee taxes = everybody's own taxes", sums.employee_taxes),
        ("T6 employer_taxes", "employer taxes = the employer's taxes on everybody", sums.employer_taxes),
        ("T6 benefits", "benefits = the employer's contributions, imputed ones too", sums.contributions),
        ("T6 imputed_pay", "imputed pay = imputed contributions", sums.imputed),
        ("T6 child_support_debit", "child support debit = child support that Gusto pays over", sums.child_support),
    ):
        yield Row(name, words, amount, amount, Verdict.EQUAL, NO_TOTAL)
    yield from _memos(sums)


NO_TOTAL = "The file gives no total: this is the sum of its lines."


# T8

#: Credits of a person that Gusto takes from the bank account, beside net pay by direct deposit.
_DEBITED_BY_GUSTO = frozenset({LineKind.EMPLOYEE_TAX, LineKind.EMPLOYER_TAX, LineKind.CHILD_SUPPORT})
#: Rows whose known or accepted difference is between Gusto's debit and our lines as well.
_EXPLAINING = ("T5 debit", "T6 child_support_debit", "T6 employee_taxes", "T6 employer_taxes")


class JournalPart(NamedTuple):
    """So much of one payroll line on one natural side of a journal: a row of the trace, signed."""

    line: PayrollLine
    side: Side
    amount: Decimal


def journal_tie_out(parts: Iterable[JournalPart], tied: Iterable[Row]) -> tuple[Row, ...]:
    """T8: the PAYROLL journals of a run against Gusto's totals, by the run's own tie-out rows (T1 to T7).

    Signed sums of the natural sides are compared, because a negative sum stands on the other side of a journal. Memo
    kinds, which an explicit rule may have put on both sides, are left out. Accounts play no part, so that a mapping
    table may name them as it likes.
    """
    by_name = {row.name: row for row in tied}
    sums = dict.fromkeys(Side, ZERO)
    debited, checks = ZERO, ZERO
    company_taxes_are_debited = not by_name["T2"].note.endswith(OUTSIDE)
    for line, side, amount in parts:
        if not SIDES[line.kind]:
            continue
        sums[side] += amount
        if side is Side.DEBIT:
            continue
        if line.kind is LineKind.NET_PAY:
            if line.component == "Check":
                checks += amount
            else:
                debited += amount
        elif line.kind in _DEBITED_BY_GUSTO and (line.employee or company_taxes_are_debited):
            debited += amount
    return (
        compared("T8 sides", "debits = credits", sums[Side.DEBIT], sums[Side.CREDIT]),
        _debited_row(by_name, debited),
        compared("T8 checks", "credits for checks = checks", by_name["T4"].left, checks),
        compared(T8_DEBITS, _T8_DEBITS, expected_debits(by_name.values()), sums[Side.DEBIT]),
    )


def _debited_row(by_name: Mapping[str, Row], debited: Decimal) -> Row:
    row = compared("T8 clearing", "company debit = credits that Gusto debits", by_name["T1"].left, debited)
    explaining = [by_name[name] for name in _EXPLAINING if name in by_name]
    named = [each for each in explaining if each.verdict in (Verdict.KNOWN, Verdict.ACCEPTED)]
    if row.stops and debited - row.left == sum((each.right - each.left for each in named), ZERO):
        return known(row, "It is the difference that is known from above.")
    return row


T8_DEBITS = "T8 debits"
_T8_DEBITS = (
    "gross pay - cash tips + reimbursements + employer taxes + company taxes + contributions that are not imputed "
    "+ owner's draws on top of gross pay = debits"
)


def expected_debits(rows: Iterable[Row]) -> Decimal:
    """What the journals of a run debit in all: from Gusto's totals where they tie out, from the document where a difference
    is known or accepted.
    """
    by_name = {row.name: row for row in rows}

    def figure(name: str) -> Decimal:
        row = by_name[name]
        return row.left if row.verdict is Verdict.EQUAL else row.right

    return (
        figure("T3 gross")
        - figure(CASH_TIPS)
        + figure("T5 reimbursements")
        + figure("T6 employer_taxes")
        + figure(COMPANY_TAXES)
        + figure("T6 benefits")
        - figure("T6 imputed_pay")
        + figure(DRAWS)
    )


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"
