"""A file of payroll lines: the form in which a payroll comes that no API gives. Pure.

One row = one payroll line. What holds for the whole payroll stands in columns of its own, in the first row; the other rows
leave them empty or repeat them. A file has no totals of Gusto's, so it proves itself: per person, what the payroll costs
is where the money went. The form is explained in docs/how-to/payroll-files.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from gusto.compensation import GROSS
from gusto.figures import ZERO, folded, name_of
from gusto.file_rows import VALUE_SHOWN, FileProblem, FileRefused, Row, columns_of, refused, rows_of_csv
from gusto.payroll_lines import CORRECTIONS, Facts, Form, Reading, Sums
from mappings.chart import closest
from mappings.payroll import SIDES, LineKind, PayrollHeader, PayrollLine, Side

#: What holds for the whole payroll.
FACT_COLUMNS = ("run", "check_date", "period_start", "period_end", "payroll_type", "off_cycle_reason", "debit_date")
COLUMNS = (
    "run", "line", "kind", "component", "employee", "job", "department", "location", "compensation_level", "amount",
    "extras", "custom_fields", "check_date", "period_start", "period_end", "payroll_type", "off_cycle_reason", "debit_date",
)  # fmt: skip
COLUMNS_REQUIRED = (
    "kind", "component", "employee", "amount", "check_date", "period_start", "period_end", "payroll_type",
)  # fmt: skip
#: Characters that a text may have, where it is stored or compared by name.
LENGTHS_MAX = {"component": 200, "employee": 60, "off_cycle_reason": 60}
LENGTH_MAX = 200
PAYROLL_TYPES = ("regular", "off_cycle")
#: Component of net pay: only these two are known to decide whether Gusto debits it or the employer writes a check.
NET_PAY_COMPONENTS = {"direct deposit": "Direct Deposit", "check": "Check"}
#: After so many mistakes the rest of the file is not read.
PROBLEMS_MAX = 200

_AMOUNT = re.compile(r"-?\d{1,11}(\.\d{1,2})?\Z", re.ASCII)
_PRECISE = re.compile(r"-?\d+\.\d{3,}\Z", re.ASCII)
_HOURS = re.compile(r"\d{1,6}(\.\d{1,6})?\Z", re.ASCII)
_POSITION = re.compile(r"[1-9]\d{0,8}\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_YEARS = range(2000, 2100)
#: What Excel shows where it could not compute.
_EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})

_DEBITS = frozenset(kind for kind, sides in SIDES.items() if sides == (Side.DEBIT,))
_CREDITS = frozenset(kind for kind, sides in SIDES.items() if sides == (Side.CREDIT,))

Cells = Mapping[str, str]
Value = TypeVar("Value")


def read_lines(rows: Iterable[Row]) -> Reading:
    """The rows of a file, the header first, as a payroll without uuids. Raises FileRefused with every mistake."""
    numbered = iter(rows)
    _, header = next(numbered, (1, []))
    if not header:
        raise refused("The file is empty. Start from the template.", row=1)
    names = [name.casefold() for name in header]
    if problems := columns_of(names, COLUMNS_REQUIRED, COLUMNS):
        raise FileRefused(*problems)
    reader = _Reader(names)
    for number, cells in numbered:
        reader.add(number, cells)
        if len(reader.problems) >= PROBLEMS_MAX:
            break
    return reader.finish()


def reading_of_lines(text: str, company_uuid: str, payroll_uuid: str, currency: str) -> Reading:
    """The payroll behind a file that was taken, from its CSV text. Raises FileRefused for a text that never was taken."""
    return identified(read_lines(rows_of_csv(text)), company_uuid, payroll_uuid, currency)


def identified(reading: Reading, company_uuid: str, payroll_uuid: str, currency: str) -> Reading:
    """The same payroll under the ids that it goes by here."""
    facts = replace(reading.facts, company_uuid=company_uuid, payroll_uuid=payroll_uuid)
    header = replace(reading.header, company_uuid=company_uuid, payroll_uuid=payroll_uuid, currency=currency)
    return replace(reading, facts=facts, header=header)


@dataclass(slots=True)
class _Person:
    """What the lines of one employee add up to."""

    row: int
    debits: Decimal = ZERO
    credits: Decimal = ZERO
    net: Decimal = ZERO
    net_row: int = 0
    payment_method: str = ""


@dataclass(slots=True)
class _Reader:
    """Takes one row after the other."""

    _header: list[str]
    problems: list[FileProblem] = field(default_factory=list)
    _first: tuple[int, Cells] | None = None
    _lines: list[PayrollLine] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _people: dict[str, _Person] = field(default_factory=dict)
    # One object per text: ten thousand people share a few dozen names.
    _texts: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, cells: list[str]) -> None:
        if len(cells) != len(self._header):
            self._say(number, "", "", f"The row has {len(cells)} cells, the first row has {len(self._header)}.")
            return
        named = dict(zip(self._header, cells, strict=True))
        known = len(self.problems)
        for column, text in named.items():
            if text.startswith("="):
                self._say(number, column, text, "This is a formula. Enter the value, or paste the sheet as values.")
            elif text in _EXCEL_ERRORS:
                self._say(number, column, text, "Excel could not compute this cell. Enter the value.")
        if self._first is None:
            self._first = (number, named)
        else:
            self._same_facts(number, named, *self._first)
        if len(self.problems) == known:
            self._add_line(number, named)

    def finish(self) -> Reading:
        if self._first is None:
            raise refused("The file has its first row and no payroll line.", row=1)
        facts = self._facts(*self._first)
        if facts is not None and not self.problems:
            self._prove(facts)
        if facts is None or self.problems:
            raise FileRefused(*sorted(self.problems, key=lambda problem: problem.row))
        lines = tuple(replace(line, payment_method=self._method(line)) for line in self._lines)
        header = PayrollHeader(
            payroll_uuid="", company_uuid="", check_date=facts.check_date, payroll_type=facts.payroll_type,
            off_cycle_reason=facts.off_cycle_reason, period_start=facts.period_start, period_end=facts.period_end,
            debit_date=facts.debit_date, lines=lines,
        )  # fmt: skip
        return Reading(facts, header, self._sums(lines), {}, (), _digest(facts, lines), Form.LINES)

    # Rows

    def _say(self, row: int, column: str, value: str, sentence: str) -> None:
        self.problems.append(FileProblem(row, column, value[:VALUE_SHOWN], sentence))

    def _same_facts(self, number: int, cells: Cells, first_row: int, first: Cells) -> None:
        for column in FACT_COLUMNS:
            text = cells.get(column, "")
            if text and text != first[column]:
                says = f"says “{first[column][:VALUE_SHOWN]}”" if first[column] else "leaves it empty"
                self._say(
                    number, column, text,
                    f"A file is one payroll, and row {first_row} {says}. Leave this cell empty, or write the same.",
                )  # fmt: skip

    def _add_line(self, number: int, cells: Cells) -> None:
        known = len(self.problems)
        kind = self._kind(number, cells["kind"])
        component = self._name(number, cells, "component")
        employee = self._name(number, cells, "employee")
        amount = self._read(number, cells, "amount", _amount)
        hours, is_residual, is_of_company = self._extras(number, cells.get("extras", ""))
        custom_fields = self._read(number, cells, "custom_fields", _pairs) or ()
        position = self._position(number, cells)
        others = {
            name: self._name(number, cells, name) for name in ("job", "department", "location", "compensation_level")
        }
        if not component:
            self._say(number, "component", "", "The component is empty. Write its name as Gusto gives it.")
        if kind is LineKind.NET_PAY and component:
            given, component = component, NET_PAY_COMPONENTS.get(folded(component), "")
            if not component:
                self._say(
                    number, "component", given, "Net pay is paid by Direct Deposit or by Check. Write one of them."
                )
        if not employee and kind is not None and kind is not LineKind.EMPLOYER_TAX:
            self._say(
                number, "employee", "", "The employee is empty. Only an employer_tax may be of the company itself."
            )
        if employee and is_of_company:
            self._say(
                number, "extras", cells["extras"], "A line with scope=company has no employee. Empty one of the two."
            )
        if len(self.problems) > known or kind is None or amount is None:
            return
        if amount:
            line = PayrollLine(
                number=position, kind=kind, component=component, amount=amount, employee=employee,
                employee_code=employee, hours=hours, is_residual=is_residual, custom_fields=custom_fields, **others,
            )  # fmt: skip
            self._lines.append(line)
            if employee:
                self._count(number, line)

    def _count(self, number: int, line: PayrollLine) -> None:
        person = self._people.setdefault(line.employee, _Person(number))
        if line.kind in _DEBITS:
            person.debits += line.amount
        elif line.kind in _CREDITS:
            person.credits += line.amount
        if line.kind is LineKind.NET_PAY:
            person.net += line.amount
            person.net_row = person.net_row or number
            person.payment_method = person.payment_method or line.component

    def _read(self, number: int, cells: Cells, column: str, read: Callable[[str], Value]) -> Value | None:
        try:
            return read(cells.get(column, ""))
        except ValueError as error:
            self._say(number, column, cells[column], str(error))
            return None

    def _name(self, number: int, cells: Cells, column: str) -> str:
        text = name_of(cells.get(column, ""))
        most = LENGTHS_MAX.get(column, LENGTH_MAX)
        if len(text) > most:
            self._say(number, column, text, f"This has {len(text)} characters. At most {most} are possible.")
        return self._texts.setdefault(text, text)

    def _kind(self, number: int, text: str) -> LineKind | None:
        if text in tuple(LineKind):
            return LineKind(text)
        meant = closest(text.casefold(), [kind.value for kind in LineKind]) if text else ""
        hint = f"Closest: {meant}. " if meant else ""
        self._say(number, "kind", text, f"No such kind. {hint}Choose one of {', '.join(LineKind)}.")
        return None

    def _position(self, number: int, cells: Cells) -> int:
        """The number of the line; where the first row has none, its place in the file."""
        text = cells.get("line", "")
        is_numbered = self._first is not None and bool(self._first[1].get("line"))
        if not text and not is_numbered:
            return len(self._lines) + 1
        if not is_numbered or not _POSITION.match(text):
            self._say(number, "line", text, "Number all lines 1, 2, 3, or none.")
            return 0
        known = self._numbers.setdefault(int(text), number)
        if known != number:
            self._say(number, "line", text, f"Row {known} has this number already. Number each line once.")
        return int(text)

    def _extras(self, number: int, text: str) -> tuple[Decimal | None, bool, bool]:
        """Hours, whether the line is the residual of a salary, whether it is of the company itself."""
        hours, is_residual, is_of_company = None, False, False
        try:
            for name, value in _pairs(text):
                if name == "hours" and _HOURS.match(value):
                    hours = Decimal(value)
                elif (name, value) == ("derived", "residual"):
                    is_residual = True
                elif (name, value) == ("scope", "company"):
                    is_of_company = True
                else:
                    raise ValueError(
                        "Known are hours=40.000, derived=residual and scope=company, joined by semicolons."
                    )
        except ValueError as error:
            self._say(number, "extras", text, str(error))
        return hours, is_residual, is_of_company

    # The payroll

    def _facts(self, row: int, first: Cells) -> Facts | None:
        known = len(self.problems)
        days = {
            name: self._read(row, first, name, _day)
            for name in ("check_date", "period_start", "period_end", "debit_date")
            if name in first
        }
        check_date, start, end = days["check_date"], days["period_start"], days["period_end"]
        payroll_type = first["payroll_type"]
        reason = self._name(row, first, "off_cycle_reason")
        if not first["check_date"]:
            self._say(row, "check_date", "", "The check date is empty. Write it in the first row, as 2026-01-31.")
        if payroll_type not in PAYROLL_TYPES:
            self._say(row, "payroll_type", payroll_type, "Write regular or off_cycle in the first row.")
        if payroll_type == "regular" and reason:
            self._say(row, "off_cycle_reason", reason, "A regular payroll has no off-cycle reason. Empty this cell.")
        for name, other in (("period_start", "period_end"), ("period_end", "period_start")):
            if not first[name] and (first[other] or payroll_type == "regular"):
                self._say(
                    row, name, "", "A regular payroll has a pay period with both days; an off-cycle one may have none."
                )
        if start and end and end < start:
            self._say(row, "period_end", first["period_end"], "The pay period ends before it starts.")
        if len(self.problems) > known or check_date is None:
            return None
        return Facts(
            payroll_uuid="", company_uuid="", check_date=check_date, is_processed=True, payroll_type=payroll_type,
            off_cycle_reason=reason, period_start=start, period_end=end, debit_date=days.get("debit_date"),
        )  # fmt: skip

    def _prove(self, facts: Facts) -> None:
        """What no single row shows: each person's sides, and signs that only a correction may have."""
        if not self._lines:
            self._say(1, "amount", "", "Every amount of the file is 0.00.")
        for employee, person in self._people.items():
            if person.debits != person.credits:
                self._say(
                    person.row, "amount", employee,
                    "The lines of this employee do not add up: the debit side (earnings, tips, draws, reimbursements) and "
                    "the credit side (own taxes, deductions, net pay) differ by "
                    f"{abs(person.debits - person.credits):,.2f}.",
                )  # fmt: skip
            if person.net < 0 and not facts.may_be_negative:
                self._say(
                    person.net_row, "amount", employee,
                    f"Net pay below zero is possible only where the off-cycle reason is {_or(CORRECTIONS)}.",
                )  # fmt: skip
        gross = sum((line.amount for line in self._lines if line.kind in GROSS), ZERO)
        if facts.is_reversal and gross > 0:
            self._say(
                1, "off_cycle_reason", facts.off_cycle_reason, "A reversal takes back: its gross pay is not positive."
            )

    def _method(self, line: PayrollLine) -> str:
        return self._people[line.employee].payment_method if line.employee else ""

    def _sums(self, lines: Iterable[PayrollLine]) -> Sums:
        """Sums over everybody, as far as lines can say them."""
        by_kind = dict.fromkeys(LineKind, ZERO)
        company_taxes, checks = ZERO, ZERO
        for line in lines:
            if not line.employee:
                company_taxes += line.amount
                continue
            by_kind[line.kind] += line.amount
            if line.kind is LineKind.NET_PAY and line.component == "Check":
                checks += line.amount
        return Sums(
            people=len(self._people),
            gross=sum((by_kind[kind] for kind in GROSS), ZERO),
            checks=checks,
            cash_tips=by_kind[LineKind.CASH_TIPS],
            reimbursements=by_kind[LineKind.REIMBURSEMENT],
            employee_taxes=by_kind[LineKind.EMPLOYEE_TAX],
            employer_taxes=by_kind[LineKind.EMPLOYER_TAX],
            company_taxes=company_taxes,
            benefit_deductions=by_kind[LineKind.BENEFIT_DEDUCTION],
            contributions=by_kind[LineKind.EMPLOYER_CONTRIBUTION] + by_kind[LineKind.IMPUTED],
            imputed=by_kind[LineKind.IMPUTED],
            deductions=by_kind[LineKind.GARNISHMENT]
            + by_kind[LineKind.CHILD_SUPPORT]
            + by_kind[LineKind.OTHER_DEDUCTION],
            child_support=by_kind[LineKind.CHILD_SUPPORT],
        )


# Cells. Each of these raises ValueError with what would be right.


def _amount(text: str) -> Decimal:
    if _AMOUNT.match(text):
        return Decimal(text).quantize(ZERO) or ZERO
    if not text:
        raise ValueError("The amount is empty. Write it as 1234.56.")
    if _PRECISE.match(text):
        raise ValueError("The amount has more than two decimals. We never round. Write it as 1234.56.")
    meant = re.sub(r"[$\s]", "", text)
    is_negative = meant.startswith(("(", "-")) or meant.endswith("-")
    meant = meant.strip("()-")
    if re.fullmatch(r"\d{1,3}(,\d{3})*(\.\d{1,2})?", meant):
        meant = meant.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(\.\d{3})*,\d\d|\d+,\d\d", meant):
        meant = meant.replace(".", "").replace(",", ".")
    meant = f"-{meant}" if is_negative else meant
    right = meant if _AMOUNT.match(meant) else "1234.56 or -1234.56"
    raise ValueError(f"This is no amount that is read here. Write it as {right}.")


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.match(text) else None
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise ValueError("This is no day. Write it as 2026-01-31.")
    return day


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`Name=value;Other=value` as pairs."""
    found = []
    for part in text.split(";") if text else ():
        name, _, value = (name_of(each) for each in part.partition("="))
        if not name or not value:
            raise ValueError("Write Name=value, several joined by semicolons.")
        found.append((name, value))
    return tuple(found)


def _or(words: Iterable[str]) -> str:
    *others, last = sorted(words)
    return f"{', '.join(others)} or {last}"


def _digest(facts: Facts, lines: Iterable[PayrollLine]) -> str:
    """Of the content: not of how rows are sorted, numbered or spelled, nor of whether it came as CSV or from Excel."""
    days = (facts.check_date, facts.period_start, facts.period_end, facts.debit_date)
    parts = [
        Form.LINES.value,
        *map(str, days),
        facts.payroll_type,
        folded(facts.off_cycle_reason),
        sorted(
            [
                line.kind.value, folded(line.component), line.employee, folded(line.job), folded(line.department),
                folded(line.location), folded(line.compensation_level), str(line.amount),
                str((line.hours or ZERO).normalize()), str(line.is_residual), sorted(line.custom_fields),
            ]
            for line in lines
        ),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()
