"""Invented payroll documents of API version 2026-06-15, whose totals are summed up here, apart from the product."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from gusto.roster import Job, Person

COMPANY = "11111111-0000-4000-8000-000000000001"
PAYROLL = "22222222-0000-4000-8000-000000000001"
ZERO = Decimal("0.00")

SALARIED = Job("Baker", True, "Year", "Salem", "Exempt")
HOURLY = Job("Driver", True, "Hour", "Salem", "Nonexempt")
SECOND = Job("Clerk", False, "Hour", "Bend", "Nonexempt")


def salaried(**changes: Any) -> Person:
    return Person(**{"employee_code": "s1", "department": "Ovens", "jobs": {"job-s": SALARIED}} | changes)


def hourly(**changes: Any) -> Person:
    jobs = {"job-h": HOURLY, "job-2": SECOND}
    return Person(**{"employee_code": "h1", "department": "Fleet", "jobs": jobs} | changes)


def paid(employee: str, gross: str, net: str, **changes: Any) -> dict[str, Any]:
    """One compensation. `reimbursed` adds to what is paid; lists are given as they are."""
    reimbursed = Decimal(changes.pop("reimbursed", "0.00"))
    return {
        "employee_uuid": employee,
        "excluded": False,
        "first_name": None,
        "last_name": None,
        "gross_pay": gross,
        "net_pay": net,
        "check_amount": str(Decimal(net) + reimbursed),
        "payment_method": "Direct Deposit",
        "memo": None,
        "fixed_compensations": [],
        "hourly_compensations": [],
        "paid_time_off": [],
        "reimbursements": [],
        "taxes": [],
        "benefits": [],
        "deductions": [],
    } | changes


def hours(amount: Any, name: str = "Regular Hours", job: str = "job-h", count: str = "40.000") -> dict[str, Any]:
    return {"name": name, "hours": count, "amount": amount, "job_uuid": job, "compensation_multiplier": 1.0}


def fixed(amount: Any, name: str, job: str = "job-h") -> dict[str, Any]:
    return {"name": name, "amount": amount, "job_uuid": job}


def time_off(amount: Any, name: str = "Vacation Hours", count: str = "8.000") -> dict[str, Any]:
    return {"name": name, "hours": count, "amount": amount, "final_payout_unused_hours_input": None}


def tax(amount: Any, name: str = "Federal Income Tax", employer: bool = False) -> dict[str, Any]:
    return {"name": name, "employer": employer, "amount": amount}


def benefit(deduction: Any, contribution: Any, name: str = "Dental", imputed: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "employee_deduction": deduction,
        "company_contribution": contribution,
        "imputed": imputed,
    }


def payroll(*people: dict[str, Any], company_taxes: Any = (), child_support: str = "0.00", **changes: Any) -> Any:
    """A processed payroll with totals that add up; `totals` in the changes replaces single ones."""
    totals = _totals(people, Decimal(child_support))
    totals |= changes.pop("totals", {})
    return {
        "uuid": PAYROLL,
        "payroll_uuid": PAYROLL,
        "company_uuid": COMPANY,
        "check_date": "2026-06-26",
        "off_cycle": False,
        "external": False,
        "processed": True,
        "processed_date": "2026-06-24",
        "calculated_at": "2026-06-24T19:00:00Z",
        "pay_period": {"start_date": "2026-06-06", "end_date": "2026-06-19", "pay_schedule_uuid": "schedule"},
        "payroll_status_meta": {"cancellable": False, "expected_debit_time": "2026-06-25T00:00:00Z"},
        "totals": totals,
        "company_taxes": list(company_taxes),
        "employee_compensations": list(people),
    } | changes


def text(document: Any) -> str:
    return json.dumps(document)


def _sum(rows: Any, amount: str = "amount", **fits: Any) -> Decimal:
    return sum((Decimal(row[amount] or "0") for row in rows if all(row.get(k) == v for k, v in fits.items())), ZERO)


def _totals(people: Any, child_support: Decimal) -> dict[str, str]:
    people = [person for person in people if not person["excluded"]]
    direct = [person for person in people if person["payment_method"] == "Direct Deposit"]
    taxes = [tax for person in people for tax in person["taxes"]]
    benefits = [row for person in people for row in person["benefits"]]
    sums = {
        "gross_pay": _sum(people, "gross_pay"),
        "net_pay": _sum(people, "net_pay"),
        "net_pay_debit": _sum(direct, "net_pay"),
        "check_amount": _sum(people, "check_amount", payment_method="Check"),
        "reimbursements": sum((_sum(person["reimbursements"]) for person in people), ZERO),
        "reimbursement_debit": sum((_sum(person["reimbursements"]) for person in direct), ZERO),
        "employee_taxes": _sum(taxes, employer=False),
        "employer_taxes": _sum(taxes, employer=True),
        "tax_debit": _sum(taxes),
        "employee_benefits_deductions": _sum(benefits, "employee_deduction"),
        "benefits": _sum(benefits, "company_contribution"),
        "imputed_pay": _sum(benefits, "company_contribution", imputed=True),
        "other_deductions": sum((_sum(person["deductions"]) for person in people), ZERO),
        "child_support_debit": child_support,
        "deferred_payroll_taxes": ZERO,
    }
    sums["company_debit"] = (
        sums["net_pay_debit"] + sums["tax_debit"] + sums["reimbursement_debit"] + sums["child_support_debit"]
    )
    return {name: str(amount) for name, amount in sums.items()}
