"""A payroll document in our words: header, lines, sums, and what cannot be said. Pure: no database, no network.

Every cent of `employee_compensations` and `company_taxes` is in exactly one line (invariant I3); totals only repeat them
and are never lines. Pages are taken one at a time, so that a payroll of ten thousand people is never whole in memory.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from gusto.child_support import Order, remitted_by_gusto
from gusto.compensation import GROSS, Pay, lost_cents, pay_of
from gusto.content import digest_of, digest_of_person
from gusto.figures import (
    ZERO,
    TooPrecise,
    Unreadable,
    amount_of,
    day_of,
    document_of,
    flag_of,
    folded,
    name_of,
    rows_of,
)
from gusto.payroll_findings import Finding, Findings
from gusto.roster import CHILD_SUPPORT, CHILD_SUPPORT_NOT_REMITTED, Person
from mappings.journal import Problem
from mappings.payroll import LineKind, PayrollHeader, PayrollLine

#: Off-cycle reasons whose amounts may be negative, net pay included (accounting.md 4).
CORRECTIONS = frozenset({"correction", "wage correction", "tax reconciliation", "benefit reversal", "reversal"})


_CHILD_SUPPORT = frozenset({CHILD_SUPPORT, CHILD_SUPPORT_NOT_REMITTED})
_DEDUCTIONS = (LineKind.GARNISHMENT, LineKind.CHILD_SUPPORT, LineKind.OTHER_DEDUCTION)


class Form(enum.StrEnum):
    """In which form a payroll was given."""

    DOCUMENT = "document"
    """As Gusto's API gives it, with totals of its own."""
    LINES = "lines"
    """As our file of payroll lines (`gusto.lines_file`), without totals."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the payroll says of itself, beside its figures."""

    payroll_uuid: str
    company_uuid: str
    check_date: date
    is_processed: bool
    payroll_type: str
    """regular, off_cycle or external."""
    off_cycle_reason: str
    period_start: date | None
    period_end: date | None
    debit_date: date | None

    @property
    def may_be_negative(self) -> bool:
        return folded(self.off_cycle_reason) in CORRECTIONS

    @property
    def is_reversal(self) -> bool:
        return folded(self.off_cycle_reason) == "reversal"


@dataclass(slots=True)
class Off:
    """One equation that has to hold for each person: how many it fails, both sides in all, and how far they are apart."""

    people: int = 0
    left: Decimal = ZERO
    right: Decimal = ZERO
    difference: Decimal = ZERO
    """Of absolute values, so that two people cannot hide each other."""

    def compare(self, left: Decimal, right: Decimal) -> None:
        self.left += left
        self.right += right
        if left != right:
            self.people += 1
            self.difference += abs(left - right)


@dataclass(slots=True)
class Sums:
    """Sums over everybody who is not excluded."""

    people: int = 0
    gross: Decimal = ZERO
    net: Decimal = ZERO
    net_direct: Decimal = ZERO
    """Of those who are paid by direct deposit."""
    checks: Decimal = ZERO
    """check_amount of those who are paid by check."""
    cash_tips: Decimal = ZERO
    reimbursements: Decimal = ZERO
    reimbursements_direct: Decimal = ZERO
    employee_taxes: Decimal = ZERO
    employer_taxes: Decimal = ZERO
    company_taxes: Decimal = ZERO
    benefit_deductions: Decimal = ZERO
    contributions: Decimal = ZERO
    """Imputed ones included, as in totals.benefits."""
    imputed: Decimal = ZERO
    deductions: Decimal = ZERO
    """Child support included, as in totals.other_deductions."""
    child_support: Decimal = ZERO
    """What Gusto pays over to an agency."""
    draws_outside: Decimal = ZERO
    """Owner's draws on top of gross pay."""
    draws_outside_direct: Decimal = ZERO
    negative_net: int = 0
    """People whose net pay or check_amount is below zero."""
    gross_off: Off = field(default_factory=Off)
    net_off: Off = field(default_factory=Off)
    check_off: Off = field(default_factory=Off)

    def add(self, pay: Pay) -> None:
        """Count one person. The three equations are T7 of accounting.md 10."""
        cash_tips, reimbursed = pay.sum(LineKind.CASH_TIPS), pay.sum(LineKind.REIMBURSEMENT)
        taxes, imputed = pay.sum(LineKind.EMPLOYEE_TAX), pay.sum(LineKind.IMPUTED)
        benefits, deductions = pay.sum(LineKind.BENEFIT_DEDUCTION), pay.sum(*_DEDUCTIONS)
        self.people += 1
        self.gross += pay.gross
        self.net += pay.net
        self.cash_tips += cash_tips
        self.reimbursements += reimbursed
        self.employee_taxes += taxes
        self.employer_taxes += pay.sum(LineKind.EMPLOYER_TAX)
        self.benefit_deductions += benefits
        self.contributions += pay.sum(LineKind.EMPLOYER_CONTRIBUTION) + imputed
        self.imputed += imputed
        self.deductions += deductions
        self.draws_outside += pay.draw_outside
        if pay.payment_method == "Direct Deposit":
            self.net_direct += pay.net
            self.reimbursements_direct += reimbursed
            self.draws_outside_direct += pay.draw_outside
        elif pay.payment_method == "Check":
            self.checks += pay.paid
        self.negative_net += pay.net < 0 or pay.paid < 0
        self.gross_off.compare(pay.gross, pay.sum(*GROSS) - pay.draw_outside)
        left = pay.gross - taxes - benefits - deductions - cash_tips
        # A draw on top of gross pay may or may not be in net pay; it is always in what is paid (accounting.md 13).
        draw_in_net = pay.draw_outside if pay.net != left and pay.net == left + pay.draw_outside else ZERO
        self.net_off.compare(pay.net, left + draw_in_net)
        self.check_off.compare(pay.paid, pay.net + reimbursed + pay.draw_outside - draw_in_net)


@dataclass(frozen=True, slots=True)
class Reading:
    """A payroll document, read."""

    facts: Facts
    header: PayrollHeader
    sums: Sums
    totals: Mapping[str, Decimal]
    """Gusto's own, as far as it gives them."""
    problems: tuple[Problem, ...]
    digest: str
    """Of the content, see `gusto.content`; empty where it was not asked for."""
    form: Form = Form.DOCUMENT


def facts_of(header: Mapping[str, Any]) -> Facts:
    """What a payroll says of itself. Raises Unreadable where uuid or check date is missing."""
    check_date = day_of(header.get("check_date"))
    payroll_uuid = header.get("payroll_uuid") or header.get("uuid")
    if check_date is None or not isinstance(payroll_uuid, str):
        raise Unreadable("The payroll has no check date or no uuid.")
    period = header.get("pay_period") or {}
    meta = header.get("payroll_status_meta") or {}
    if not isinstance(period, dict) or not isinstance(meta, dict):
        raise Unreadable("The payroll's pay period or status is not an object.")
    is_off_cycle = flag_of(header.get("off_cycle"))
    payroll_type = "off_cycle" if is_off_cycle else "regular"
    return Facts(
        payroll_uuid=payroll_uuid,
        company_uuid=str(header.get("company_uuid") or ""),
        check_date=check_date,
        is_processed=flag_of(header.get("processed")),
        payroll_type="external" if flag_of(header.get("external")) else payroll_type,
        off_cycle_reason=name_of(header.get("off_cycle_reason")) if is_off_cycle else "",
        period_start=day_of(period.get("start_date")),
        period_end=day_of(period.get("end_date")),
        debit_date=day_of(meta.get("expected_debit_time")),
    )


def read_document(
    pages: Iterable[str], people: Mapping[str, Person], currency: str = "USD", with_digest: bool = True
) -> Reading:
    """Turn the pages of one payroll, as Gusto gave them, into lines and sums.

    `people` by employee_uuid. The digest of the content is only needed to compare two readings, and costs a fifth of
    the time. Whatever does not fit is a problem of the reading. Raises Unreadable where there is no
    payroll to speak of: no page, not JSON, no check date.
    """
    reader: _Reader | None = None
    for text in pages:
        document = document_of(text)
        if not isinstance(document, dict):
            raise Unreadable("Gusto's answer is not a payroll.")
        if reader is None:
            reader = _Reader(document, people, with_digest)
        for compensation in rows_of(document, "employee_compensations"):
            reader.add(compensation)
    if reader is None:
        raise Unreadable("The payroll has no page.")
    return reader.finish(currency)


class _Reader:
    """Takes one person after the other; nothing of a page is kept but its lines."""

    def __init__(self, header: Mapping[str, Any], people: Mapping[str, Person], with_digest: bool) -> None:
        self._with_digest = with_digest
        self._facts = facts_of(header)
        self._header = {name: value for name, value in header.items() if name != "employee_compensations"}
        self._people = people
        self._lines: list[PayrollLine] = []
        self._sums = Sums()
        self._findings = Findings()
        self._orders: list[Order] = []
        self._digests: list[str] = []
        self._seen: set[str] = set()
        # One object per text: ten thousand people share a few dozen names.
        self._texts: dict[str, str] = {}

    def add(self, compensation: Mapping[str, Any]) -> None:
        """Take one entry of employee_compensations; an excluded person is skipped by the flag, whatever it carries."""
        try:
            if self._with_digest:
                self._digests.append(digest_of_person(compensation))
            if not flag_of(compensation.get("excluded")):
                self._add(compensation)
        except TooPrecise:
            self._findings.add(Finding.TOO_PRECISE)
        except Unreadable as error:
            self._findings.add(Finding.UNREADABLE, name=str(error))

    def _add(self, compensation: Mapping[str, Any]) -> None:
        employee = compensation.get("employee_uuid")
        if not isinstance(employee, str) or not employee:
            raise Unreadable("A compensation names no employee.")
        if employee in self._seen:
            self._findings.add(Finding.TWICE)
            return
        self._seen.add(employee)
        known = len(self._findings)
        person = self._people.get(employee)
        if person is None:
            self._findings.add(Finding.UNKNOWN_EMPLOYEE, amount_of(compensation.get("check_amount")))
            person = Person()
        pay = pay_of(compensation, person, self._findings, self._facts.may_be_negative)
        first = len(self._lines)
        # Where Gusto names no job, place and level are those of the primary one.
        primary, department = person.primary_job, self._text(person.department)
        for part in pay.parts:
            if part.nature in _CHILD_SUPPORT:
                self._orders.append(Order(len(self._lines), int(part.amount.scaleb(2)), part.nature))
            place = part.job or primary
            self._lines.append(
                PayrollLine(
                    number=len(self._lines) + 1,
                    kind=part.kind,
                    component=self._text(part.component),
                    amount=part.amount,
                    employee=employee,
                    employee_code=person.employee_code,
                    job=self._text(part.job.title) if part.job else "",
                    department=department,
                    location=self._text(place.location),
                    compensation_level=self._text(place.compensation_level),
                    payment_method=pay.payment_method,
                    hours=part.hours,
                    is_residual=part.is_residual,
                    custom_fields=person.custom_fields,
                )
            )
        self._sums.add(pay)
        if len(self._findings) == known and (lost := lost_cents(compensation, self._lines[first:])):
            self._findings.add(Finding.LOST, lost)

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def finish(self, currency: str) -> Reading:
        """What is true of the whole payroll: company taxes, child support, totals."""
        totals = self._totals()
        self._company_taxes()
        self._child_support(totals.get("child_support_debit"))
        facts = self._facts
        header = PayrollHeader(
            payroll_uuid=facts.payroll_uuid,
            company_uuid=facts.company_uuid,
            check_date=facts.check_date,
            payroll_type=facts.payroll_type,
            off_cycle_reason=facts.off_cycle_reason,
            period_start=facts.period_start,
            period_end=facts.period_end,
            debit_date=facts.debit_date,
            currency=currency,
            lines=tuple(self._lines),
        )
        digest = digest_of(self._header, self._digests) if self._with_digest else ""
        return Reading(facts, header, self._sums, totals, self._findings.problems(), digest)

    def _totals(self) -> dict[str, Decimal]:
        given = self._header.get("totals") or {}
        totals: dict[str, Decimal] = {}
        for name, value in given.items():
            try:
                if value is not None:
                    totals[name] = amount_of(value)
            except Unreadable:
                self._findings.add(Finding.UNREADABLE, name=f"The total “{name}” is not an amount.")
        return totals

    def _company_taxes(self) -> None:
        """Taxes of the company itself: on top of everybody's, with no person, and sometimes negative."""
        try:
            for row in rows_of(self._header, "company_taxes"):
                name, amount = name_of(row.get("name")), amount_of(row.get("amount"))
                if not amount:
                    continue
                if row.get("employer") is not True:
                    self._findings.add(Finding.COMPANY_TAX, amount, name)
                if not name:
                    self._findings.add(Finding.UNNAMED, amount)
                self._sums.company_taxes += amount
                self._lines.append(PayrollLine(len(self._lines) + 1, LineKind.EMPLOYER_TAX, self._text(name), amount))
        except TooPrecise:
            self._findings.add(Finding.TOO_PRECISE)
        except Unreadable as error:
            self._findings.add(Finding.UNREADABLE, name=str(error))

    def _child_support(self, debited: Decimal | None) -> None:
        """Child support that Gusto debits is paid over by Gusto; the rest stays a garnishment of the employer's."""
        if not self._orders:
            return
        remitted = remitted_by_gusto(self._orders, int((debited or ZERO).scaleb(2)))
        if remitted is None:
            total = Decimal(sum(order.cents for order in self._orders)).scaleb(-2)
            names = f"{debited or ZERO:,.2f}"
            self._findings.add(Finding.CHILD_SUPPORT, total, names, number=len(self._orders))
            return
        for at in remitted:
            self._lines[at] = replace(self._lines[at], kind=LineKind.CHILD_SUPPORT)
            self._sums.child_support += self._lines[at].amount
