"""A payroll of any number of people, made on the spot: pages as Gusto gives them, and what is kept of the people.

Each person has 20 payroll lines, as `gusto.payroll_lines` makes them: 3 earnings, 4 employee taxes, 6 employer taxes, 2
benefits with both shares, 2 other deductions and the net pay. Amounts differ from person to person.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from gusto.roster import Job, Person
from tests.world import DEPARTMENTS

LINES_OF_A_PERSON = 20
PAGE = 100
CHECK_DATE = "2026-06-26"
_TAXES = (
    ("Federal Income Tax", False, 1210), ("Social Security", False, 620), ("Medicare", False, 145),
    ("CA State Income Tax", False, 410), ("Social Security", True, 620), ("Medicare", True, 145), ("FUTA", True, 60),
    ("CA SUI", True, 340), ("CA ETT", True, 10), ("Workers Compensation", True, 75),
)  # fmt: skip


def pages(people: int, bonuses: int = 1) -> Iterator[str]:
    """The pages of the payroll, one at a time, with so many different names of a bonus."""
    for first in range(0, people, PAGE):
        yield json.dumps(
            {
                "payroll_uuid": str(uuid.UUID(int=2)), "company_uuid": str(uuid.UUID(int=1)), "processed": True,
                "off_cycle": False, "check_date": CHECK_DATE, "payroll_deadline": "2026-06-24T22:00:00Z",
                "pay_period": {"start_date": "2026-06-08", "end_date": "2026-06-21"}, "company_taxes": [],
                "employee_compensations": [
                    _compensation(number, f"Bonus {number % bonuses}")
                    for number in range(first, min(first + PAGE, people))
                ],
            }
        )  # fmt: skip


def roster(people: int) -> dict[str, Person]:
    """The people by employee_uuid."""
    departments = list(DEPARTMENTS)
    jobs = [
        {str(uuid.UUID(int=number)): Job(f"Job {number}", is_primary=True, payment_unit="Hour")} for number in range(5)
    ]
    return {
        _uuid(number): Person(f"E-{number}", departments[number % len(departments)], jobs[number % len(jobs)])
        for number in range(people)
    }


def _uuid(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"person {number}"))


def _compensation(number: int, bonus_name: str) -> dict[str, Any]:
    job = str(uuid.UUID(int=number % 5))
    regular, overtime, bonus = 250_000 + 37 * (number % 7001), 12_000 + 11 * (number % 601), 5_000 + number % 997
    gross = regular + overtime + bonus
    taxes = [(name, is_employer, gross * rate // 10_000) for name, is_employer, rate in _TAXES]
    medical, retirement, fund, loan = 9_150, gross * 4 // 100, 1_250, 5_000
    net = gross - sum(cents for _, is_employer, cents in taxes if not is_employer) - medical - retirement - fund - loan
    return {
        "employee_uuid": _uuid(number), "excluded": False, "first_name": "Person", "preferred_first_name": None,
        "last_name": f"Number {number}", "gross_pay": _words(gross), "net_pay": _words(net), "check_amount": _words(net),
        "payment_method": "Check" if number % 20 == 0 else "Direct Deposit", "memo": None,
        "fixed_compensations": [{"name": bonus_name, "amount": _words(bonus), "job_uuid": job}],
        "hourly_compensations": [
            {"name": "Regular Hours", "hours": "80.000", "amount": _words(regular), "job_uuid": job,
             "compensation_multiplier": 1.0, "flsa_status": "Nonexempt"},
            {"name": "Overtime", "hours": "2.500", "amount": _words(overtime), "job_uuid": job,
             "compensation_multiplier": 1.5, "flsa_status": "Nonexempt"},
        ],
        "paid_time_off": [{"name": "Vacation Hours", "hours": "0.000", "amount": "0.00"}],
        "reimbursements": [],
        "taxes": [{"name": name, "employer": is_employer, "amount": _words(cents)} for name, is_employer, cents in taxes],
        "benefits": [
            {"name": "Medical", "employee_deduction": _words(medical), "company_contribution": _words(4 * medical),
             "imputed": False},
            {"name": "401(k)", "employee_deduction": _words(retirement), "company_contribution": _words(retirement // 2),
             "imputed": False},
        ],
        "deductions": [{"name": "Charity", "amount": _words(fund)}, {"name": "Loan", "amount": _words(loan)}],
    }  # fmt: skip


def _words(cents: int) -> str:
    return str(Decimal(cents).scaleb(-2))
