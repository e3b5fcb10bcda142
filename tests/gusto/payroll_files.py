"""Payroll files for tests: written here with the csv module and openpyxl, apart from the product's own reader."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]

COLUMNS = [
    "run", "line", "kind", "component", "employee", "job", "department", "location", "compensation_level", "amount",
    "extras", "custom_fields", "check_date", "period_start", "period_end", "payroll_type", "off_cycle_reason", "debit_date",
]  # fmt: skip

#: What holds for the whole payroll: it stands in the first row.
FACTS = {
    "check_date": "2026-06-26",
    "period_start": "2026-06-06",
    "period_end": "2026-06-19",
    "payroll_type": "regular",
    "debit_date": "2026-06-25",
}
#: kind, component, employee, job, department, amount, extras: a payroll of two that adds up.
LINES = [
    ("earning", "Regular Hours", "E01", "Baker", "Production", "2000.00", "hours=80.000"),
    ("earning", "Salary", "E02", "Clerk", "Sales", "3000.00", "derived=residual"),
    ("reimbursement", "Travel", "E02", "Clerk", "Sales", "45.10", ""),
    ("employee_tax", "Federal Income Tax", "E01", "", "Production", "250.00", ""),
    ("employee_tax", "Federal Income Tax", "E02", "", "Sales", "400.00", ""),
    ("employer_tax", "Social Security", "E01", "", "Production", "124.00", ""),
    ("employer_tax", "Social Security", "E02", "", "Sales", "186.00", ""),
    ("employer_tax", "State Workforce", "", "", "", "-1.25", "scope=company"),
    ("benefit_deduction", "Medical", "E01", "", "Production", "100.00", ""),
    ("employer_contribution", "Medical", "E01", "", "Production", "300.00", ""),
    ("imputed", "Life Insurance", "E02", "", "Sales", "12.00", ""),
    ("garnishment", "Creditor garnishment", "E02", "", "Sales", "75.00", ""),
    ("net_pay", "Direct Deposit", "E01", "", "Production", "1650.00", ""),
    ("net_pay", "Check", "E02", "", "Sales", "2570.10", ""),
]


def line_rows(lines: Iterable[tuple[str, ...]] = LINES, **facts: str) -> list[dict[str, str]]:
    """The rows of a file; facts change or add what its first row says."""
    names = ("kind", "component", "employee", "job", "department", "amount", "extras")
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    rows[0] |= FACTS | facts
    return rows


def csv_file(rows: Iterable[Mapping[str, str]], columns: Iterable[str] = COLUMNS) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*columns], restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def excel_file(table: Iterable[Iterable[Any]]) -> bytes:
    """A workbook with these cells in its first sheet; numbers are numbers, days are days."""
    book = Workbook()
    sheet = book.active
    for row in table:
        sheet.append([*row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def json_file(document: Any) -> bytes:
    return json.dumps(document).encode()
