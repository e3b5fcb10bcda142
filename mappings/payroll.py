"""The neutral input of allocation: what one payroll run paid, line by line.

Gusto's words stop at `gusto.payroll_run`; from here on a payroll is a list of `PayrollLine`s and a `PayrollHeader`.
Every cent of a payroll document is in exactly one line (invariant I3), so totals are never lines.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


class LineKind(enum.StrEnum):
    """What an amount is, which decides its natural side (accounting.md 2)."""

    EARNING = "earning"
    TIPS = "tips"
    CASH_TIPS = "cash_tips"
    OWNERS_DRAW = "owners_draw"
    REIMBURSEMENT = "reimbursement"
    EMPLOYEE_TAX = "employee_tax"
    EMPLOYER_TAX = "employer_tax"
    BENEFIT_DEDUCTION = "benefit_deduction"
    GARNISHMENT = "garnishment"
    CHILD_SUPPORT = "child_support"
    OTHER_DEDUCTION = "other_deduction"
    EMPLOYER_CONTRIBUTION = "employer_contribution"
    IMPUTED = "imputed"
    NET_PAY = "net_pay"


class Side(enum.StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


#: The natural sides of each kind. Memo kinds have none: the amount is in no journal unless a rule gives both sides.
SIDES: dict[LineKind, tuple[Side, ...]] = {
    LineKind.EARNING: (Side.DEBIT,),
    LineKind.TIPS: (Side.DEBIT,),
    LineKind.OWNERS_DRAW: (Side.DEBIT,),
    LineKind.REIMBURSEMENT: (Side.DEBIT,),
    LineKind.EMPLOYEE_TAX: (Side.CREDIT,),
    LineKind.BENEFIT_DEDUCTION: (Side.CREDIT,),
    LineKind.GARNISHMENT: (Side.CREDIT,),
    LineKind.CHILD_SUPPORT: (Side.CREDIT,),
    LineKind.OTHER_DEDUCTION: (Side.CREDIT,),
    LineKind.NET_PAY: (Side.CREDIT,),
    LineKind.EMPLOYER_TAX: (Side.DEBIT, Side.CREDIT),
    LineKind.EMPLOYER_CONTRIBUTION: (Side.DEBIT, Side.CREDIT),
    LineKind.IMPUTED: (),
    LineKind.CASH_TIPS: (),
}

#: Wages decide where the rest of a person's pay goes (accounting.md 6).
WAGES = frozenset({LineKind.EARNING, LineKind.TIPS, LineKind.OWNERS_DRAW})

#: Kinds that follow a person's wages by (company code, job) and are debited and credited in the same company code.
EMPLOYER_COSTS = frozenset({LineKind.EMPLOYER_TAX, LineKind.EMPLOYER_CONTRIBUTION})


@dataclass(frozen=True, slots=True)
class PayrollLine:
    """One amount of a payroll run, ready to be mapped.

    `amount` is signed, positive = the natural side of `kind`, with exactly two decimals. Texts are as given by Gusto
    and compared without case and surplus spaces. Empty text = none.
    """

    number: int
    kind: LineKind
    component: str
    amount: Decimal
    employee: str = ""
    """Gusto's employee_uuid; empty for a company-level tax."""
    employee_code: str = ""
    job: str = ""
    """Title of the job; empty where Gusto names none (taxes, benefits, deductions, net pay)."""
    department: str = ""
    location: str = ""
    compensation_level: str = ""
    payment_method: str = ""
    hours: Decimal | None = None
    is_residual: bool = False
    """The part of a salary that Gusto does not itemise, derived as gross less everything itemised."""
    custom_fields: tuple[tuple[str, str], ...] = ()
    """The employee's custom fields as (name, value)."""


@dataclass(frozen=True, slots=True)
class PayrollHeader:
    """What holds for the whole payroll run."""

    payroll_uuid: str
    company_uuid: str
    check_date: date
    payroll_type: str
    """regular, off_cycle or external."""
    off_cycle_reason: str = ""
    period_start: date | None = None
    period_end: date | None = None
    debit_date: date | None = None
    currency: str = "USD"
    sequence: int = 1
    """From 1: raised each time that a payroll is processed again after it was withdrawn. Part of a journal's identity."""
    lines: tuple[PayrollLine, ...] = field(default=())
