"""One person's pay in parts: which of Gusto's words is which line kind. Pure.

The tables say what each list of an `employee_compensations` entry holds; the rules are those of accounting.md 2 and 13.
Gusto has no ids for taxes, benefits, deductions and earnings: the name is the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from gusto.figures import ZERO, Unreadable, amount_of, flag_of, folded, name_of, number_of, rows_of
from gusto.payroll_findings import Finding, Findings
from gusto.roster import CHILD_SUPPORT, CHILD_SUPPORT_NOT_REMITTED, COURT_ORDERED, Job, Person, is_child_support
from mappings.payroll import LineKind, PayrollLine

#: Fixed compensations that are not wages, by folded name; every other name is an earning.
FIXED_KINDS = {
    "paycheck tips": LineKind.TIPS,
    "cash tips": LineKind.CASH_TIPS,
    "owner's draw": LineKind.OWNERS_DRAW,
    "reimbursement": LineKind.REIMBURSEMENT,
}
#: Payment method -> component of the net pay line. Historical belongs to external payrolls, which are not posted.
PAYMENT_METHODS = {"direct deposit": "Direct Deposit", "check": "Check", "historical": "Historical"}
#: The component of the part of a salary that Gusto does not itemise, and of a reimbursement without description.
SALARY = "Salary"
REIMBURSEMENT = "Reimbursement"
#: Which kind a deduction is by its nature; child support that Gusto pays over is found out later, by the totals.
DEDUCTION_KINDS = {
    CHILD_SUPPORT: LineKind.GARNISHMENT,
    CHILD_SUPPORT_NOT_REMITTED: LineKind.GARNISHMENT,
    COURT_ORDERED: LineKind.GARNISHMENT,
    "": LineKind.OTHER_DEDUCTION,
}
#: Kinds that together are gross pay.
GROSS = frozenset({LineKind.EARNING, LineKind.TIPS, LineKind.CASH_TIPS, LineKind.OWNERS_DRAW})


class Part(NamedTuple):
    """One amount of one person, not 0.00. `job` is None where Gusto names none."""

    kind: LineKind
    component: str
    amount: Decimal
    job: Job | None = None
    hours: Decimal | None = None
    is_residual: bool = False
    nature: str = ""
    """Of a deduction, see `gusto.roster`."""


@dataclass(frozen=True, slots=True)
class Pay:
    """What one person got."""

    parts: tuple[Part, ...]
    gross: Decimal
    net: Decimal
    paid: Decimal
    """check_amount: net pay and reimbursements, whatever the payment method."""
    payment_method: str
    draw_outside: Decimal
    """An owner's draw that is not in gross pay."""

    def sum(self, *kinds: LineKind) -> Decimal:
        return sum((part.amount for part in self.parts if part.kind in kinds), ZERO)


def pay_of(compensation: Mapping[str, Any], person: Person, findings: Findings, may_be_negative: bool = False) -> Pay:
    """One entry of employee_compensations in parts. Raises Unreadable where it has not the promised shape."""
    gross = amount_of(compensation.get("gross_pay"))
    paid = amount_of(compensation.get("check_amount"))
    method = _payment_method(compensation, paid, findings)
    wages = [*_hourly(compensation, person, findings), *_fixed(compensation, person, findings)]
    wages += _time_off(compensation, person)
    wages, draw_outside = _with_residual(wages, gross, person, findings, may_be_negative)
    found = [
        *(part for part in wages if part.kind != LineKind.REIMBURSEMENT),
        *_reimbursements(compensation, person, wages, findings),
        *_taxes(compensation),
        *_benefits(compensation),
        *_deductions(compensation, person),
        Part(LineKind.NET_PAY, method, paid),
    ]
    parts = tuple(part for part in found if part.amount)
    for part in parts:
        if not part.component:
            findings.add(Finding.UNNAMED, part.amount)
    return Pay(parts, gross, amount_of(compensation.get("net_pay")), paid, method, draw_outside)


def _payment_method(compensation: Mapping[str, Any], paid: Decimal, findings: Findings) -> str:
    given = name_of(compensation.get("payment_method"))
    method = PAYMENT_METHODS.get(folded(given))
    if method is None and paid:
        findings.add(Finding.PAYMENT_METHOD, paid, given or "none")
    return method or given


def _hourly(compensation: Mapping[str, Any], person: Person, findings: Findings) -> Iterator[Part]:
    for row in rows_of(compensation, "hourly_compensations"):
        amount = amount_of(row.get("amount"))
        if amount:
            yield Part(
                LineKind.EARNING, name_of(row.get("name")), amount, _job(row, person, amount, findings), _hours(row)
            )


def _fixed(compensation: Mapping[str, Any], person: Person, findings: Findings) -> Iterator[Part]:
    for row in rows_of(compensation, "fixed_compensations"):
        amount = amount_of(row.get("amount"))
        if amount:
            name = name_of(row.get("name"))
            kind = FIXED_KINDS.get(folded(name), LineKind.EARNING)
            yield Part(kind, name, amount, _job(row, person, amount, findings))


def _time_off(compensation: Mapping[str, Any], person: Person) -> Iterator[Part]:
    """Gusto names no job for time off and values it at the primary job's rate."""
    for row in rows_of(compensation, "paid_time_off"):
        yield Part(
            LineKind.EARNING, name_of(row.get("name")), amount_of(row.get("amount")), person.primary_job, _hours(row)
        )


def _with_residual(
    wages: list[Part], gross: Decimal, person: Person, findings: Findings, may_be_negative: bool
) -> tuple[list[Part], Decimal]:
    """The wages with what Gusto does not itemise, and the owner's draw that is not in gross pay.

    A salary is not always itemised: what is left of gross is a line "Salary" on the primary job, if that job is salaried
    and the rest has the right sign (negative only in corrections). Time off is a part of a salary, never on top. An
    owner has a draw or wages, never both; whether the draw is in gross pay shows here.
    """
    itemised = sum((part.amount for part in wages if part.kind in GROSS - {LineKind.OWNERS_DRAW}), ZERO)
    draw = sum((part.amount for part in wages if part.kind == LineKind.OWNERS_DRAW), ZERO)
    rest = gross - itemised
    if draw:
        if rest not in (ZERO, draw):
            findings.add(Finding.DRAW_UNEXPLAINED, rest)
        return wages, ZERO if rest == draw else draw
    if not rest:
        return wages, ZERO
    job = person.primary_job
    if job.is_salaried and (rest > 0) == (gross > 0) and (rest > 0 or may_be_negative):
        return [*wages, Part(LineKind.EARNING, SALARY, rest, job, is_residual=True)], ZERO
    is_hidden = bool(person.jobs) and not any(each.payment_unit for each in person.jobs.values())
    findings.add(Finding.PAY_HIDDEN if is_hidden else Finding.SALARY_UNEXPLAINED, rest)
    return wages, ZERO


def _reimbursements(
    compensation: Mapping[str, Any], person: Person, wages: list[Part], findings: Findings
) -> Iterator[Part]:
    """Each once: off-cycle payrolls repeat them among the fixed compensations, older ones have them only there."""
    in_fixed = [part for part in wages if part.kind == LineKind.REIMBURSEMENT]
    listed = [
        Part(
            LineKind.REIMBURSEMENT,
            name_of(row.get("description")) or REIMBURSEMENT,
            amount_of(row.get("amount")),
            person.primary_job,
        )
        for row in rows_of(compensation, "reimbursements")
    ]
    sum_listed, sum_fixed = _sum(listed), _sum(in_fixed)
    if sum_listed and sum_fixed and sum_listed != sum_fixed:
        findings.add(Finding.REIMBURSEMENT_UNCLEAR, sum_listed - sum_fixed)
    yield from listed if sum_listed else in_fixed


def _taxes(compensation: Mapping[str, Any]) -> Iterator[Part]:
    for row in rows_of(compensation, "taxes"):
        kind = LineKind.EMPLOYER_TAX if _stated(row, "employer") else LineKind.EMPLOYEE_TAX
        yield Part(kind, name_of(row.get("name")), amount_of(row.get("amount")))


def _benefits(compensation: Mapping[str, Any]) -> Iterator[Part]:
    for row in rows_of(compensation, "benefits"):
        name, contribution = name_of(row.get("name")), amount_of(row.get("company_contribution"))
        yield Part(LineKind.BENEFIT_DEDUCTION, name, amount_of(row.get("employee_deduction")))
        if contribution:
            kind = LineKind.IMPUTED if _stated(row, "imputed") else LineKind.EMPLOYER_CONTRIBUTION
            yield Part(kind, name, contribution)


def _deductions(compensation: Mapping[str, Any], person: Person) -> Iterator[Part]:
    for row in rows_of(compensation, "deductions"):
        name = name_of(row.get("name"))
        nature = person.deductions.get(folded(name))
        if nature is None:
            nature = CHILD_SUPPORT if is_child_support(name) else ""
        yield Part(DEDUCTION_KINDS[nature], name, amount_of(row.get("amount")), nature=nature)


def _job(row: Mapping[str, Any], person: Person, amount: Decimal, findings: Findings) -> Job:
    job_uuid = row.get("job_uuid")
    job = person.jobs.get(job_uuid) if isinstance(job_uuid, str) else person.primary_job
    if job is None:
        if person.jobs:
            findings.add(Finding.UNKNOWN_JOB, amount)
        return Job()
    return job


def _hours(row: Mapping[str, Any]) -> Decimal | None:
    return number_of(row.get("hours")) or None


def _stated(row: Mapping[str, Any], name: str) -> bool:
    """A yes or no that decides where money goes, so it must be there. Raises Unreadable."""
    if row.get(name) is None:
        raise Unreadable(f"A row does not say whether it is “{name}”.")
    return flag_of(row[name])


def _sum(parts: Iterable[Part]) -> Decimal:
    return sum((part.amount for part in parts), ZERO)


# Invariant I3

#: Where the cents of each kind come from.
_SOURCES = {
    **dict.fromkeys(GROSS, "gross"),
    LineKind.REIMBURSEMENT: "reimbursements",
    LineKind.EMPLOYEE_TAX: "employee_taxes",
    LineKind.EMPLOYER_TAX: "employer_taxes",
    LineKind.BENEFIT_DEDUCTION: "benefit_deductions",
    LineKind.EMPLOYER_CONTRIBUTION: "contributions",
    LineKind.IMPUTED: "contributions",
    LineKind.GARNISHMENT: "deductions",
    LineKind.CHILD_SUPPORT: "deductions",
    LineKind.OTHER_DEDUCTION: "deductions",
    LineKind.NET_PAY: "paid",
}


def lost_cents(compensation: Mapping[str, Any], lines: Iterable[PayrollLine]) -> Decimal:
    """How much of one person's pay is in no line, or in two (invariant I3); 0.00 is the only good answer.

    Counted from the document again, list by list, so that a forgotten line cannot hide behind a surplus one. Raises
    Unreadable.
    """
    placed: dict[str, Decimal] = {}
    for line in lines:
        source = _SOURCES[line.kind]
        placed[source] = placed.get(source, ZERO) + line.amount
    fixed = rows_of(compensation, "fixed_compensations")
    draws = _total(row for row in fixed if folded(name_of(row.get("name"))) == "owner's draw")
    in_fixed = _total(row for row in fixed if folded(name_of(row.get("name"))) == "reimbursement")
    itemised = _total(fixed) - draws - in_fixed
    itemised += _total(rows_of(compensation, "hourly_compensations")) + _total(rows_of(compensation, "paid_time_off"))
    gross = amount_of(compensation.get("gross_pay"))
    taxes, benefits = rows_of(compensation, "taxes"), rows_of(compensation, "benefits")
    given = {
        # A draw on top of gross pay leaves nothing of gross unexplained.
        "gross": gross + (draws if gross == itemised else ZERO),
        "reimbursements": _total(rows_of(compensation, "reimbursements")) or in_fixed,
        "employee_taxes": _total(row for row in taxes if row.get("employer") is False),
        "employer_taxes": _total(row for row in taxes if row.get("employer") is True),
        "benefit_deductions": _total(benefits, "employee_deduction"),
        "contributions": _total(benefits, "company_contribution"),
        "deductions": _total(rows_of(compensation, "deductions")),
        "paid": amount_of(compensation.get("check_amount")),
    }
    return sum((abs(amount - placed.get(source, ZERO)) for source, amount in given.items()), ZERO)


def _total(rows: Iterable[Mapping[str, Any]], amount: str = "amount") -> Decimal:
    return sum((amount_of(row.get(amount)) for row in rows), ZERO)
