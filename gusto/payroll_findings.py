"""What keeps a payroll document from becoming lines, counted while it is read and said once, in finance's words. Pure.

A sentence never names a person or one person's pay: it says how many people and how much in all.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal

from gusto.figures import ZERO
from mappings.journal import Problem


class Finding(enum.StrEnum):
    """Why a payroll cannot be turned into lines as it stands."""

    SALARY_UNEXPLAINED = "salary_unexplained"
    PAY_HIDDEN = "pay_hidden"
    DRAW_UNEXPLAINED = "draw_unexplained"
    REIMBURSEMENT_UNCLEAR = "reimbursement_unclear"
    UNKNOWN_EMPLOYEE = "unknown_employee"
    UNKNOWN_JOB = "unknown_job"
    PAYMENT_METHOD = "payment_method"
    UNNAMED = "unnamed"
    TWICE = "twice"
    TOO_PRECISE = "too_precise"
    UNREADABLE = "unreadable"
    LOST = "lost"
    COMPANY_TAX = "company_tax"
    CHILD_SUPPORT = "child_support"


#: `{n}` how many, `{people}` that many people, `{amount}` their sum, `{names}` the words of Gusto that are not known.
SENTENCES = {
    Finding.SALARY_UNEXPLAINED: (
        "Gross pay of {people} is not itemised by Gusto, and there is no salaried primary job to book it on: {amount} in all."
    ),
    Finding.PAY_HIDDEN: (
        "Gross pay of {people} is not itemised by Gusto ({amount} in all), and the grant does not show how the jobs are "
        "paid. Gusto has to give our application the scope compensations:read."
    ),
    Finding.DRAW_UNEXPLAINED: "An owner's draw of {people} stands beside other pay; nothing explains {amount} of it.",
    Finding.REIMBURSEMENT_UNCLEAR: "Reimbursements of {people} are in two lists that differ by {amount} in all.",
    Finding.UNKNOWN_EMPLOYEE: "Gusto's list of employees lacks {people} of this payroll, paid {amount} in all.",
    Finding.UNKNOWN_JOB: "Gusto does not list the jobs of {n} amounts any more: {amount} in all.",
    Finding.PAYMENT_METHOD: "The payment method of {people} is not known here ({names}): {amount} in all.",
    Finding.UNNAMED: "Amounts without a name in Gusto's document: {n}, together {amount}.",
    Finding.TWICE: "The payroll lists {people} twice.",
    Finding.TOO_PRECISE: "The pay of {people} has amounts with more than two decimals. We never round silently.",
    Finding.UNREADABLE: "Parts of the payroll that cannot be read: {n}. {names}",
    Finding.LOST: "{amount} of the payroll would be in no line or in two. That is a fault of ours; nothing was sent.",
    Finding.COMPANY_TAX: "Company taxes that are not the employer's ({names}): {amount} in all.",
    Finding.CHILD_SUPPORT: (
        "Gusto debited {names} for child support. No set of the {n} child support deductions, {amount} in all, adds up "
        "to that, or more than one does."
    ),
}
#: What a person may accept: the amounts are right, only where they belong is known less exactly.
ACCEPTABLE = frozenset({Finding.UNKNOWN_EMPLOYEE, Finding.UNKNOWN_JOB})


@dataclass(slots=True)
class _Count:
    number: int = 0
    amount: Decimal = ZERO
    names: set[str] = field(default_factory=set)


class Findings:
    """Counts findings of one document; `problems()` says each kind once."""

    def __init__(self) -> None:
        self._counts: dict[Finding, _Count] = {}

    def __len__(self) -> int:
        """How many there are, of all kinds."""
        return sum(count.number for count in self._counts.values())

    def add(self, finding: Finding, amount: Decimal = ZERO, name: str = "", number: int = 1) -> None:
        count = self._counts.setdefault(finding, _Count())
        count.number += number
        count.amount += abs(amount)
        if name:
            count.names.add(name)

    def problems(self) -> tuple[Problem, ...]:
        return tuple(_problem(finding, count) for finding, count in sorted(self._counts.items()))


def _problem(finding: Finding, count: _Count) -> Problem:
    names = ", ".join(sorted(count.names)[:5])
    return Problem(
        code="tie_out",
        kind=finding.value,
        sentence=SENTENCES[finding].format(
            n=count.number,
            people="1 person" if count.number == 1 else f"{count.number} people",
            amount=f"{count.amount:,.2f}",
            names=names,
        ),
        facts=(("number", str(count.number)), ("amount", str(count.amount)), ("names", names)),
        page="payroll_run",
    )
