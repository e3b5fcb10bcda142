"""The template of a payroll file: an Excel file of which the first sheet is filled in and read; behind it stand an example
that could be added as it is, and what each column means. The page of payroll files says the same words.
"""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any, NamedTuple

from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.styles import Alignment, Font  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]

from gusto.lines_file import COLUMNS
from mappings.payroll import LineKind


class Column(NamedTuple):
    """One column of a file of payroll lines, in words."""

    name: str
    needed: str
    meaning: str


_EACH, _FIRST, _MAY = "every row", "first row", "optional"

COLUMN_MEANINGS = tuple(
    Column(name, needed, meaning)
    for name, (needed, meaning) in {
        "run": (_MAY, "A name for the payroll, for your own use; the same in all rows."),
        "line": (_MAY, "Number of the payroll line: 1, 2, 3. Number all rows or none."),
        "kind": (_EACH, f"What the amount is: {', '.join(LineKind)}."),
        "component": (
            _EACH,
            "Name of the amount, as your mapping rules name it: Regular Hours, Social Security, Medical. Of net_pay: Direct "
            "Deposit or Check.",
        ),
        "employee": (_EACH, "Code of the employee, the same in all their rows. Empty only for a tax of the company itself."),
        "job": (_MAY, "As your mapping rules and crosswalks name it."),
        "department": (_MAY, "As your mapping rules and crosswalks name it; say it in every row of the employee."),
        "location": (_MAY, "As your mapping rules and crosswalks name it."),
        "compensation_level": (_MAY, "As your mapping rules and crosswalks name it."),
        "amount": (
            _EACH,
            "1234.56, with at most two decimals. Taxes, deductions and net pay stand without a minus; a minus takes back.",
        ),
        "extras": (
            _MAY,
            "hours=40.000; derived=residual for the rest of a salary; scope=company for a tax of the company itself. Several "
            "are joined by semicolons.",
        ),
        "custom_fields": (_MAY, "Name=value, several joined by semicolons."),
        "check_date": (_FIRST, "2026-01-31: the day on which people are paid."),
        "period_start": (_FIRST, "First day of the pay period. Only an off-cycle payroll may have none."),
        "period_end": (_FIRST, "Last day of the pay period."),
        "payroll_type": (_FIRST, "regular or off_cycle."),
        "off_cycle_reason": (_MAY, "First row only: why it is off-cycle, such as Bonus or Correction."),
        "debit_date": (_MAY, "First row only: the day on which Gusto debits your bank account."),
    }.items()
)  # fmt: skip

#: A payroll of two people that adds up. What stands in none of these columns is empty.
EXAMPLE_COLUMNS = (
    "kind", "component", "employee", "job", "department", "amount", "extras",
    "check_date", "period_start", "period_end", "payroll_type", "debit_date",
)  # fmt: skip
_FACTS = ("2026-11-13", "2026-10-24", "2026-11-06", "regular", "2026-11-12")
EXAMPLE = (
    ("earning", "Regular Hours", "E01", "Baker", "Production", "2000.00", "hours=80.000", *_FACTS),
    ("earning", "Salary", "E02", "Sales Manager", "Sales", "3000.00", ""),
    ("reimbursement", "Travel", "E02", "Sales Manager", "Sales", "45.10", ""),
    ("employee_tax", "Federal Income Tax", "E01", "", "Production", "250.00", ""),
    ("employee_tax", "Federal Income Tax", "E02", "", "Sales", "400.00", ""),
    ("employer_tax", "Social Security", "E01", "", "Production", "124.00", ""),
    ("employer_tax", "Social Security", "E02", "", "Sales", "186.00", ""),
    ("employer_tax", "State Workforce", "", "", "", "1.25", "scope=company"),
    ("benefit_deduction", "Medical", "E01", "", "Production", "100.00", ""),
    ("employer_contribution", "Medical", "E01", "", "Production", "300.00", ""),
    ("net_pay", "Direct Deposit", "E01", "", "Production", "1650.00", ""),
    ("net_pay", "Check", "E02", "", "Sales", "2645.10", ""),
)

SHEETS = ("Payroll lines", "Example", "Columns")
#: Excel leaves alone what is entered here: a code 0600 stays 0600. Amounts and days may be what Excel makes of them.
_TEXT_COLUMNS = frozenset(COLUMNS) - {
    "line", "amount", "check_date", "period_start", "period_end", "debit_date"
}  # fmt: skip


def template() -> bytes:
    """The Excel file."""
    book = Workbook()
    lines, example, meanings = book.active, book.create_sheet(SHEETS[1]), book.create_sheet(SHEETS[2])
    lines.title = SHEETS[0]
    for sheet in (lines, example):
        _head(sheet, COLUMNS)
        for at, name in enumerate(COLUMNS, start=1):
            column = sheet.column_dimensions[get_column_letter(at)]
            column.width = max(12, len(name) + 2)
            column.number_format = "@" if name in _TEXT_COLUMNS else "General"
    for row, cells in enumerate(EXAMPLE, start=2):
        for name, text in zip(EXAMPLE_COLUMNS, cells, strict=False):
            cell = example.cell(row, COLUMNS.index(name) + 1, Decimal(text) if name == "amount" else text or None)
            cell.number_format = "0.00" if name == "amount" else "@"
    _head(meanings, ("Column", "Needed", "Meaning"))
    for column in COLUMN_MEANINGS:
        meanings.append(column)
    for letter, width in zip("ABC", (22, 14, 110), strict=True):
        meanings.column_dimensions[letter].width = width
    for row in meanings.iter_rows(min_row=2):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _head(sheet: Any, names: tuple[str, ...]) -> None:
    sheet.append(names)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "A2"
