"""Payroll runs, rules and journals written as short texts, so that a test reads like a ledger.

Fields stand two or more spaces apart; "-" is an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from mappings.allocation import Allocation
from mappings.payroll import LineKind, PayrollHeader, PayrollLine
from mappings.table import Criteria, CrosswalkEntry, Policy, Rule, Table, Target

DEFAULT_RULES = """
    R01  earning                -  debit 6000
    R02  employee_tax           -  credit 2110
    R03  employer_tax           -  debit 6100; credit 2110
    R04  benefit_deduction      -  credit 2150
    R05  employer_contribution  -  debit 6200; credit 2150
    R06  garnishment            -  credit 2140
    R07  child_support          -  credit 2110
    R08  other_deduction        -  credit 2145
    R09  reimbursement          -  debit 6300
    R10  net_pay                component=Direct Deposit  credit 2110
    R11  net_pay                component=Check  credit 2105
    R12  tips                   -  debit 2160
    R13  owners_draw            -  debit 3200
"""


def rows(text: str) -> Iterable[list[str]]:
    for row in text.strip().splitlines():
        if row.strip():
            yield ["" if cell == "-" else cell for cell in re.split(r"\s{2,}", row.strip())]


def run(text: str, **facts: object) -> PayrollHeader:
    """`kind  component  employee job department  amount`, one line per row, numbered from 1."""
    lines = []
    for number, (kind, component, who, amount) in enumerate(rows(text), start=1):
        employee, job, department = ("" if word == "-" else word for word in who.split() or ["-", "-", "-"])
        lines.append(
            PayrollLine(
                number=number,
                kind=LineKind(kind),
                component=component,
                amount=Decimal(amount),
                employee=employee,
                job=job,
                department=department,
            )
        )
    header = {
        "payroll_uuid": "2f4c7a52-run",
        "company_uuid": "9b1d-company",
        "check_date": date(2026, 6, 26),
        "payroll_type": "regular",
        "period_start": date(2026, 6, 8),
        "period_end": date(2026, 6, 21),
        "debit_date": date(2026, 6, 25),
        "lines": tuple(lines),
    }
    return PayrollHeader(**(header | facts))


def rules(text: str) -> tuple[Rule, ...]:
    """`name  kind  criterion=value, ...  debit account Name=value ...; credit 60% account, 40% account`."""
    result = []
    for name, kind, criteria, sides in rows(text):
        filled: dict = dict(part.strip().split("=", 1) for part in criteria.split(",") if part)
        if "custom_field" in filled:
            filled["custom_field"] = tuple(filled["custom_field"].split(":"))
        targets: dict[str, tuple[Target, ...]] = {}
        for side in sides.split(";"):
            word, _, rest = side.strip().partition(" ")
            targets[word] = tuple(target(position, part) for position, part in enumerate(rest.split(","), start=1))
        result.append(Rule(name, LineKind(kind), Criteria(**filled), **targets))
    return tuple(result)


def target(position: int, text: str) -> Target:
    words = text.split()
    percent = Decimal(words.pop(0)[:-1]) if words[0].endswith("%") else Decimal(100)
    account, *pairs = words
    dimensions = dict(pair.split("=") for pair in pairs)
    company_code = dimensions.pop("company_code", "")
    accrual_account = dimensions.pop("accrual_account", "")
    return Target(position, percent, account, tuple(sorted(dimensions.items())), company_code, accrual_account)


def table(rules_text: str = DEFAULT_RULES, crosswalk: str = "", **policy: object) -> Table:
    """`source_kind  source_value  target  target_value` per crosswalk row; the policy's fields by name."""
    return Table(
        version="1",
        valid_from=date(2026, 1, 1),
        rules=rules(rules_text),
        crosswalk=tuple(CrosswalkEntry(*row) for row in rows(crosswalk)),
        policy=Policy(**({"company_code": "US01"} | policy)),
    )


def ledger(allocation: Allocation) -> list[str]:
    """The journals as rows `company code  side  account  dimensions  amount`, as they stand."""
    assert [problem.sentence for problem in allocation.problems] == []
    return [
        "  ".join(
            [
                journal.company_code,
                "debit" if line.debit else "credit",
                line.main_account,
                ";".join(f"{name}={value}" for name, value in line.dimensions) or "-",
                str(line.debit or line.credit),
            ]
        )
        for journal in allocation.journals
        for line in journal.lines
    ]


def expected(text: str) -> list[str]:
    return ["  ".join(cell or "-" for cell in row) for row in rows(text)]
