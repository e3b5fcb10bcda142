"""What is read of a payroll file, and every mistake in one: where it stands, what stands there, what would be right."""

from __future__ import annotations

import csv
import io
import json
import tomllib
import zipfile
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gusto import file_rows
from gusto.files import FileReading, FileRefused, read_file
from gusto.lines_file import reading_of_lines
from gusto.payroll_lines import Form
from gusto.tie_out import Verdict, tie_out
from mappings.payroll import SIDES, LineKind, Side
from tests.gusto.documents import COMPANY, PAYROLL, fixed, hours, paid, payroll, tax
from tests.gusto.payroll_files import COLUMNS, LINES, csv_file, excel_file, json_file, line_rows

ZERO = Decimal("0.00")


def read(content: bytes, employees: bytes | None = None) -> FileReading:
    return read_file("payroll", content, employees)


def mistakes(content: bytes, employees: bytes | None = None) -> list[tuple[int, str, str, str]]:
    """(row, column, value, sentence) of everything that is wrong with a file."""
    with pytest.raises(FileRefused) as refused:
        read(content, employees)
    return [(each.row, each.column, each.value, each.sentence) for each in refused.value.problems]


def with_cell(row: int, column: str, text: str, **facts: str) -> bytes:
    """The file of payroll lines with one cell changed; rows as a spreadsheet counts them."""
    rows = line_rows(**facts)
    rows[row - 2] |= {column: text}
    return csv_file(rows)


class TestLines:
    def test_a_file_becomes_payroll_lines(self):
        reading = read(csv_file(line_rows())).reading
        facts = reading.facts
        assert (facts.check_date, facts.debit_date) == (date(2026, 6, 26), date(2026, 6, 25))
        assert (facts.period_start, facts.period_end) == (date(2026, 6, 6), date(2026, 6, 19))
        assert (facts.payroll_type, facts.off_cycle_reason, facts.payroll_uuid) == ("regular", "", "")
        lines = reading.header.lines
        assert [(each.number, each.kind, each.component, each.employee, each.amount) for each in lines] == [
            (number, LineKind(kind), component, employee, Decimal(amount))
            for number, (kind, component, employee, _, _, amount, _) in enumerate(LINES, 1)
        ]
        first, salary = lines[:2]
        assert (first.hours, first.job, first.department, first.employee_code) == (
            Decimal(80), "Baker", "Production", "E01",
        )  # fmt: skip
        assert [each.is_residual for each in lines[:3]] == [False, True, False]
        assert (first.payment_method, salary.payment_method) == ("Direct Deposit", "Check")
        assert (reading.sums.people, reading.form) == (2, Form.LINES)

    def test_a_file_proves_itself(self):
        rows = {row.name: row for row in tie_out(read(csv_file(line_rows())).reading)}
        assert {row.verdict for row in rows.values()} == {Verdict.EQUAL}
        assert (rows["T7 sides"].left, rows["T7 sides"].right) == (Decimal("5045.10"), Decimal("5045.10"))
        assert rows["T3 gross"].left == Decimal("5000.00")
        assert rows["T4"].left == Decimal("2570.10")
        # Net pay by direct deposit, 650.00 of employee taxes, 310.00 of employer taxes, the company's -1.25.
        assert rows["T1"].left == Decimal("2608.75")

    def test_only_what_is_needed_has_to_be_there(self):
        few = ["kind", "component", "employee", "amount", "check_date", "period_start", "period_end", "payroll_type"]
        full, short = read(csv_file(line_rows())).reading, read(csv_file(line_rows(), few)).reading
        assert [each.amount for each in short.header.lines] == [each.amount for each in full.header.lines]
        assert {each.department for each in short.header.lines} == {""}

    def test_facts_may_be_repeated_and_rows_be_empty(self):
        rows = line_rows()
        for row in rows[1:5]:
            row |= {name: rows[0][name] for name in ("check_date", "payroll_type")}
        content = csv_file(rows).replace(b"\r\n", b"\r\n,,,,,,,,,,,,,,,,,\r\n", 3)
        assert read(content).reading.header == read(csv_file(line_rows())).reading.header

    def test_lines_of_zero_are_none(self):
        rows = line_rows()
        rows.append({"kind": "garnishment", "component": "None", "employee": "E01", "amount": "0"})
        assert len(read(csv_file(rows)).reading.header.lines) == len(LINES)

    def test_an_off_cycle_payroll_may_have_no_period(self):
        content = csv_file(
            line_rows(payroll_type="off_cycle", off_cycle_reason="Bonus", period_start="", period_end="")
        )
        facts = read(content).reading.facts
        assert (facts.payroll_type, facts.off_cycle_reason, facts.period_start) == ("off_cycle", "Bonus", None)

    def test_a_correction_may_be_negative(self):
        lines = [
            ("earning", "Regular Hours", "E01", "", "", "-10.00", ""),
            ("net_pay", "Check", "E01", "", "", "-10.00", ""),
        ]
        facts = {"payroll_type": "off_cycle", "period_start": "", "period_end": ""}
        assert read(csv_file(line_rows(lines, off_cycle_reason="Correction", **facts)))
        ((row, column, value, sentence),) = mistakes(csv_file(line_rows(lines, off_cycle_reason="Bonus", **facts)))
        assert (row, column, value) == (3, "amount", "E01")
        assert "benefit reversal, correction, reversal, tax reconciliation or wage correction" in sentence

    def test_the_content_counts_not_its_form(self):
        rows = line_rows()
        digest = read(csv_file(rows)).reading.digest
        turned = [rows[0], *reversed(rows[1:])]
        assert read(csv_file(turned)).reading.digest == digest
        assert read(csv_file(rows, reversed(COLUMNS))).reading.digest == digest
        table = [COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in rows)]
        excel = read(excel_file(table))
        assert (excel.reading.digest, excel.digest) == (digest, read_file("other name", excel_file(table)).digest)
        assert read(with_cell(4, "department", "Elsewhere")).reading.digest != digest

    def test_all_worked_examples_are_such_files(self, shared):
        folders = sorted((shared / "accounting" / "examples").glob("[0-9]*"))
        assert len(folders) == 22
        for folder in folders:
            rows = list(csv.DictReader((folder / "payroll_lines.csv").open(newline="")))
            for facts in tomllib.loads((folder / "policy.toml").read_text())["payroll"]:
                mine = [row for row in rows if row["run"] == facts["run"]]
                mine[0] |= {name: str(value) for name, value in facts.items()}
                reading = read(csv_file(mine)).reading
                assert [line.number for line in reading.header.lines] == [int(row["line"]) for row in mine], folder.name
                assert not [row for row in tie_out(reading) if row.stops]


#: (row, column, what is written there, part of what is said of it).
WRONG_CELLS = [
    (3, "kind", "wages", "No such kind. Closest: "),
    (3, "kind", "", "No such kind. Choose one of earning"),
    (3, "component", "", "The component is empty."),
    (3, "component", "x" * 201, "This has 201 characters. At most 200"),
    (3, "employee", "", "Only an employer_tax may be of the company itself."),
    (3, "amount", "", "The amount is empty."),
    (3, "amount", "1,234.56", "Write it as 1234.56."),
    (3, "amount", "$ 3,000.00", "Write it as 3000.00."),
    (3, "amount", "(12.50)", "Write it as -12.50."),
    (3, "amount", "12.50-", "Write it as -12.50."),
    (3, "amount", "1.234,56", "Write it as 1234.56."),
    (3, "amount", "1234.567", "more than two decimals. We never round."),
    (3, "amount", "abc", "Write it as 1234.56 or -1234.56."),
    (3, "amount", "1e3", "Write it as 1234.56 or -1234.56."),
    (3, "amount", "NaN", "Write it as 1234.56 or -1234.56."),
    (3, "amount", "999999999999.00", "no amount that is read here"),
    (3, "amount", "=SUM(J2:J4)", "This is a formula."),
    (3, "job", "=A1", "This is a formula."),
    (3, "department", "#N/A", "Excel could not compute this cell."),
    (3, "extras", "hours=many", "Known are hours=40.000"),
    (3, "extras", "hours", "Write Name=value"),
    (3, "extras", "color=red", "Known are hours=40.000"),
    (3, "extras", "scope=company", "has no employee"),
    (3, "custom_fields", "Cost center", "Write Name=value"),
    (15, "component", "Cash", "Write one of them."),
    (3, "check_date", "2026-07-10", "row 2 says “2026-06-26”"),
    (3, "off_cycle_reason", "Bonus", "row 2 leaves it empty"),
    (3, "run", "R2", "A file is one payroll"),
    (2, "check_date", "", "The check date is empty."),
    (2, "check_date", "06/26/2026", "Write it as 2026-01-31."),
    (2, "check_date", "2026-02-30", "This is no day."),
    (2, "check_date", "0026-06-26", "This is no day."),
    (2, "debit_date", "soon", "This is no day."),
    (2, "period_end", "", "A regular payroll has a pay period with both days"),
    (2, "period_end", "2026-06-01", "ends before it starts"),
    (2, "payroll_type", "external", "Write regular or off_cycle"),
    (2, "off_cycle_reason", "Bonus", "A regular payroll has no off-cycle reason."),
]  # fmt: skip


@pytest.mark.parametrize(("row", "column", "text", "said"), WRONG_CELLS)
def test_a_wrong_cell_is_named_with_what_would_be_right(row, column, text, said):
    found = mistakes(with_cell(row, column, text))
    assert (row, column, text[: file_rows.VALUE_SHOWN]) == found[0][:3]
    assert said in found[0][3]
    assert len(found) == 1


class TestRefused:
    def test_all_mistakes_come_at_once_in_the_order_of_the_file(self):
        rows = line_rows(check_date="")
        rows[3] |= {"amount": "x", "kind": "tax"}
        rows[7] |= {"component": ""}
        assert [found[:2] for found in mistakes(csv_file(rows))] == [
            (2, "check_date"), (5, "kind"), (5, "amount"), (9, "component"),
        ]  # fmt: skip

    def test_a_file_full_of_mistakes_is_not_read_to_its_end(self):
        rows = line_rows()
        rows += [{"kind": "wrong", "component": "x", "employee": "E", "amount": "1"}] * 5000
        assert len(mistakes(csv_file(rows))) == 200

    def test_a_person_whose_lines_do_not_add_up(self):
        rows = line_rows()
        rows[12] |= {"amount": "1649.99"}
        ((row, column, value, sentence),) = mistakes(csv_file(rows))
        assert (row, column, value) == (2, "amount", "E01")
        assert "differ by 0.01" in sentence

    def test_two_people_do_not_hide_each_other(self):
        rows = line_rows()
        rows[12] |= {"amount": "1640.00"}
        rows[13] |= {"amount": "2580.10"}
        assert [found[2] for found in mistakes(csv_file(rows))] == ["E01", "E02"]

    def test_a_number_that_is_there_twice(self):
        rows = line_rows()
        for number, row in enumerate(rows, 1):
            row["line"] = str(number)
        rows[5]["line"] = "2"
        assert mistakes(csv_file(rows)) == [(7, "line", "2", "Row 3 has this number already. Number each line once.")]
        rows[5]["line"] = ""
        assert mistakes(csv_file(rows)) == [(7, "line", "", "Number all lines 1, 2, 3, or none.")]
        assert mistakes(with_cell(3, "line", "2"))[0][:3] == (3, "line", "2")

    def test_a_reversal_takes_back(self):
        facts = {"payroll_type": "off_cycle", "off_cycle_reason": "Reversal"}
        ((_, column, value, sentence),) = mistakes(csv_file(line_rows(**facts)))
        assert (column, value) == ("off_cycle_reason", "Reversal")
        assert "not positive" in sentence

    def test_nothing_but_zeros(self):
        assert mistakes(csv_file(line_rows([("earning", "Bonus", "E01", "", "", "0.00", "")])))[0][1] == "amount"

    @pytest.mark.parametrize(
        ("content", "row", "column", "said"),
        [
            (b"", 1, "", "The file is empty."),
            (b"\n\n", 1, "", "The file is empty."),
            (csv_file([]), 1, "", "no payroll line"),
            (b"kind;component;employee;amount\nearning;a;b;1\n", 1, "", "separated by semicolons"),
            (csv_file(line_rows(), [name for name in COLUMNS if name != "amount"]), 1, "amount", "is missing"),
            (csv_file(line_rows(), [*COLUMNS, "departement"]), 1, "departement", "is not known"),
            (csv_file(line_rows(), [*COLUMNS, "kind"]), 1, "kind", "is there twice"),
            (csv_file(line_rows(), [*COLUMNS, ""]), 1, "", "A column has no name."),
            (csv_file(line_rows()) + b"R1,2,earning\n", 16, "", "has 3 cells, the first row has 18"),
            (csv_file(line_rows()) + b'earning,"open', 16, "", "not a CSV file"),
            (csv_file(line_rows()).replace(b"Travel", b"Caf\xe9"), 4, "", "not in UTF-8, probably in Windows-1252"),
            ("kind".encode("utf-16"), 0, "", "UTF-16"),
            (b"kind\nearn\x00ing", 2, "", "not text"),
            (b"\xd0\xcf\x11\xe0" + b"0" * 100, 0, "", "before 2007"),
        ],
    )  # fmt: skip
    def test_what_is_no_such_file(self, content, row, column, said):
        found = mistakes(content)
        assert found[0][:2] == (row, column)
        assert said in found[0][3]

    def test_what_is_too_large(self, monkeypatch):
        assert "larger than 20 MB" in mistakes(b" " * (20 * 1024 * 1024 + 1))[0][3]
        line = "earning,Bonus,E01,1.00,,,,\n"
        head = "kind,component,employee,amount,check_date,period_start,period_end,payroll_type\n"
        first = "earning,Bonus,E01,1.00,2026-06-26,,,off_cycle\n"
        content = (head + first + line * 100_000).encode()
        assert mistakes(content) == [
            (100_002, "", "", "The file has more than 100,000 rows. Larger payrolls are added as JSON, as Gusto's API gives them.")
        ]  # fmt: skip
        monkeypatch.setattr(file_rows, "CSV_ROWS_MAX", 20)
        assert "more than 20 rows" in mistakes((head + first + line * 20).encode())[0][3]

    def test_an_employees_document_beside_lines(self):
        assert mistakes(csv_file(line_rows()), b"[]")[0][1] == "employees"


class TestExcel:
    def table(self, **cells: Any) -> list[list[Any]]:
        rows: list[dict[str, Any]] = [dict(row) for row in line_rows()]
        for row in rows:
            row["amount"] = float(row["amount"])
        rows[0] |= {"check_date": date(2026, 6, 26), "department": "Production"}
        rows[1] |= cells
        return [list(COLUMNS), *([row.get(name) for name in COLUMNS] for row in rows)]

    def test_numbers_and_days_are_read_as_a_person_sees_them(self):
        assert read(excel_file(self.table())).reading.header == read(csv_file(line_rows())).reading.header

    def test_noise_behind_the_fifteenth_digit_is_none(self):
        assert read(excel_file(self.table(amount=3000 + 1e-12))).reading.header.lines[1].amount == Decimal("3000.00")
        assert mistakes(excel_file(self.table(amount=3000.001)))[0][:3] == (3, "amount", "3000.001")

    def test_what_is_kept_is_read_again_the_same(self):
        file = read(excel_file(self.table()))
        again = reading_of_lines(file.pages.pages[0], "company", "payroll", "USD")
        assert again.header.lines == file.reading.header.lines
        assert (again.digest, again.facts.payroll_uuid) == (file.reading.digest, "payroll")

    @pytest.mark.parametrize(("column", "value"), [("amount", "=1500*2"), ("component", "=A1"), ("department", "=B2")])
    def test_formulas_are_refused_even_with_a_result(self, column, value):
        found = mistakes(excel_file(self.table(**{column: value})))
        assert found == [(3, column, value, "This is a formula. Enter the value, or paste the sheet as values.")]

    def test_rows_are_counted_as_excel_counts_them(self):
        table = self.table(amount="x")
        assert mistakes(excel_file([table[0], [], [], *table[1:]]))[0][:2] == (5, "amount")

    def test_too_many_rows(self, monkeypatch):
        monkeypatch.setattr(file_rows, "EXCEL_ROWS_MAX", 10)
        assert "more than 10 rows" in mistakes(excel_file(self.table()))[0][3]

    def test_a_bomb_is_not_unpacked(self, monkeypatch):
        monkeypatch.setattr(file_rows, "UNPACKED_BYTES_MAX", 1000)
        assert "unpacks to more than" in mistakes(excel_file(self.table()))[0][3]

    def test_a_document_type_inside_is_refused(self):
        content = _changed(
            excel_file(self.table()),
            lambda text: text.replace(b"<workbook ", b"<!DOCTYPE a [<!ENTITY b 'c'>]><workbook "),
        )
        assert "document type" in mistakes(content)[0][3]

    @pytest.mark.parametrize(
        "content", [b"PK\x03\x04 and then nothing", lambda excel: excel[: len(excel) // 2], lambda excel: _empty_zip()]
    )
    def test_a_damaged_workbook_is_called_so(self, content):
        damaged = content if isinstance(content, bytes) else content(excel_file(self.table()))
        assert "is damaged" in mistakes(damaged)[0][3]


def _changed(excel: bytes, change: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(excel)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, change(before.read(name)))
    return out.getvalue()


def _empty_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    return out.getvalue()


PERSON = paid(
    "e-1", "2000.00", "1750.00", hourly_compensations=[hours("2000.00")],
    taxes=[tax("250.00"), tax("153.00", "Social Security", employer=True)],
)  # fmt: skip
SECOND = paid("e-2", "500.00", "500.00", fixed_compensations=[fixed("500.00", "Bonus", job="job-2")])
EMPLOYEES = [
    {
        "uuid": uuid,
        "first_name": "Nobody",
        "date_of_birth": "1990-01-01",
        "department": department,
        "employee_code": code,
        "jobs": [
            {
                "uuid": job, "title": title, "primary": True, "payment_unit": "Hour", "location": {"city": "Salem"},
                "compensations": [{"uuid": "c", "flsa_status": "Nonexempt"}], "current_compensation_uuid": "c",
            }
        ],
    }
    for uuid, code, department, job, title in (
        ("e-1", "h1", "Fleet", "job-h", "Driver"), ("e-2", "h2", "Office", "job-2", "Clerk"), ("e-3", "h3", "", "job-3", ""),
    )
]  # fmt: skip


class TestDocument:
    def test_a_payroll_as_the_api_gives_it(self):
        file = read(json_file(payroll(PERSON, SECOND)), json_file(EMPLOYEES))
        assert (file.reading.facts.payroll_uuid, file.reading.facts.company_uuid) == (PAYROLL, COMPANY)
        places = {(each.employee, each.department, each.job) for each in file.reading.header.lines if each.job}
        assert places == {("e-1", "Fleet", "Driver"), ("e-2", "Office", "Clerk")}
        assert set(file.pages.people) == {"e-1", "e-2"}
        assert [row.employee_code for row in file.pages.employees] == ["h1", "h2"]
        assert "Nobody" not in json.dumps(file.pages.people)
        assert {row.verdict for row in tie_out(file.reading)} == {Verdict.EQUAL}

    def test_pages_are_kept_as_they_stand(self):
        whole = payroll(PERSON, SECOND)
        one, two = ({**whole, "employee_compensations": [person]} for person in (PERSON, SECOND))
        text = f" [ {json.dumps(one)} ,\n{json.dumps(two, indent=1)}]\n"
        file = read(text.encode("utf-8-sig"))
        assert file.pages.pages == [json.dumps(one), json.dumps(two, indent=1)]
        assert file.reading.header == read(json_file(whole)).reading.header
        assert file.reading.digest == read(json_file(whole)).reading.digest

    def test_without_employees_nobody_has_a_department(self):
        lines = read(json_file(payroll(PERSON, SECOND))).reading.header.lines
        assert {(each.department, each.job, each.location) for each in lines} == {("", "", "")}

    def test_employees_may_be_pages_too(self):
        one, two = (
            read(json_file(payroll(PERSON)), json_file(given)) for given in (EMPLOYEES, [EMPLOYEES[:1], EMPLOYEES[1:]])
        )
        assert one.pages == two.pages

    @pytest.mark.parametrize(
        ("changes", "column", "said"),
        [
            ({"processed": False}, "processed", "not processed"),
            ({"external": True}, "external", "did not run this payroll"),
            ({"totals": {"gross_pay": "2000.01"}}, "totals", "a difference of 0.01"),
            ({"off_cycle": True, "off_cycle_reason": "x" * 61}, "off_cycle_reason", "61 characters"),
            ({"check_date": None}, "", "no check date"),
            ({"payroll_uuid": None, "uuid": None}, "", "no uuid"),
            ({"payroll_uuid": "x" * 65}, "uuid", "65 characters"),
            ({"employee_compensations": None}, "employee_compensations", "no list of employee_compensations"),
            ({"employee_compensations": [PERSON, PERSON]}, "employee_compensations", "lists 1 person twice"),
            ({"pay_period": "June"}, "", "not an object"),
        ],
    )  # fmt: skip
    def test_what_speaks_against_a_payroll(self, changes, column, said):
        found = mistakes(json_file({**payroll(PERSON), **{name: value for name, value in changes.items() if name != "totals"}}
                                   if "totals" not in changes else payroll(PERSON, **changes)))  # fmt: skip
        assert found[0][1] == column
        assert said in found[0][3]

    def test_a_payroll_without_totals_or_includes(self):
        assert mistakes(json_file({**payroll(PERSON), "totals": None}))[0][1] == "totals"
        person = {name: value for name, value in PERSON.items() if name not in ("taxes", "benefits")}
        ((_, column, _, sentence),) = mistakes(json_file({**payroll(PERSON), "employee_compensations": [person]}))
        assert column == "employee_compensations"
        assert "lacks benefits, taxes" in sentence
        assert "include=benefits,deductions,taxes" in sentence

    def test_pages_of_two_payrolls(self):
        other = {**payroll(SECOND), "check_date": "2026-07-10"}
        found = mistakes(json_file([payroll(PERSON), other]))
        assert found[0][1] == "check_date, totals"
        assert "Page 2 says something else" in found[0][3]

    def test_a_page_that_is_missing_shows_in_the_totals(self):
        whole = payroll(PERSON, SECOND)
        found = mistakes(json_file({**whole, "employee_compensations": [PERSON]}))
        assert {each[1] for each in found} == {"totals"}

    def test_a_difference_that_a_person_may_accept_is_left_to_them(self):
        file = read(json_file(payroll(PERSON, totals={"other_deductions": "5.00"})))
        assert [row.name for row in tie_out(file.reading) if row.stops] == ["T6 other_deductions"]

    def test_people_whom_the_employees_document_lacks(self):
        ((_, _, _, sentence),) = mistakes(json_file(payroll(PERSON, SECOND)), json_file(EMPLOYEES[:1]))
        assert "lacks 1 person of this payroll" in sentence

    @pytest.mark.parametrize("employees", [b"{}", b"[1]", b'[{"uuid": "e-1"}]', b"[", b"\xff\xfe"])
    def test_what_is_no_employees_document(self, employees):
        assert mistakes(json_file(payroll(PERSON)), employees)[0][1] == "employees"

    @pytest.mark.parametrize(
        ("content", "row", "said"),
        [
            (b"{", 1, "not JSON"),
            (b'{\n"a": }', 2, "not JSON"),
            (b"{} {}", 1, "behind its end"),
            (b"[{}", 1, "does not end"),
            (b"[{}] x", 1, "behind its end"),
            (b"[]", 0, "list of pages is empty"),
            (b"[1]", 0, "no payroll"),
            (b'["a"]', 0, "no payroll"),
            (b"{}", 0, "employee_compensations"),
            (b'{"a": 1e999999999}', 0, "a number has an exponent"),
            (b'{"a": ' + b"9" * 5000 + b"}", 0, "not JSON"),
            (b"[" * 100_000, 0, "nested too deeply"),
        ],
    )
    def test_what_is_no_payroll_at_all(self, content, row, said):
        found = mistakes(content)
        assert found[0][0] == row
        assert said in found[0][3]


# A file that is written and read again says the same


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20).filter(
    lambda text: text == " ".join(text.split()) and not text.startswith(("=", "#"))
)
CENTS = st.integers(-(10**9), 10**9).filter(bool)
BALANCED = [kind for kind, sides in SIDES.items() if len(sides) == 1 and kind is not LineKind.NET_PAY]


@st.composite
def payroll_rows(draw: Any) -> list[dict[str, str]]:
    """Rows of a correction, which may be negative, so that any amounts are possible; net pay is what is left."""
    rows: list[dict[str, str]] = []
    for employee in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        kinds = draw(
            st.lists(st.sampled_from([*BALANCED, LineKind.EMPLOYER_TAX, LineKind.IMPUTED]), min_size=1, max_size=5)
        )
        left = 0
        for kind in kinds:
            cents = draw(CENTS)
            left += {(Side.DEBIT,): cents, (Side.CREDIT,): -cents}.get(SIDES[kind], 0)
            rows.append(
                {
                    "kind": kind.value, "component": draw(NAMES), "employee": employee, "amount": _text(cents),
                    "job": draw(st.just("") | NAMES), "department": draw(st.just("") | NAMES),
                    "location": draw(st.just("") | NAMES), "compensation_level": draw(st.just("") | NAMES),
                    "extras": draw(st.sampled_from(["", "hours=7.250", "derived=residual", "hours=1; derived=residual"])),
                    "custom_fields": draw(st.sampled_from(["", "Cost center=0110", "A=1;B=2"])),
                }
            )  # fmt: skip
        if left:
            component = draw(st.sampled_from(["Direct Deposit", "Check"]))
            rows.append({"kind": "net_pay", "component": component, "employee": employee, "amount": _text(left)})
    rows[0] |= {
        "check_date": "2026-06-26", "period_start": "", "period_end": "", "payroll_type": "off_cycle",
        "off_cycle_reason": "Correction",
    }  # fmt: skip
    return rows


def _text(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


@settings(max_examples=80, deadline=None)
@given(payroll_rows())
def test_a_file_that_is_written_says_the_same_when_it_is_read(rows):
    file = read(csv_file(rows))
    assert [
        {
            "kind": line.kind.value, "component": line.component, "employee": line.employee, "amount": str(line.amount),
            "job": line.job, "department": line.department, "location": line.location, "level": line.compensation_level,
            "hours": line.hours, "residual": line.is_residual, "fields": line.custom_fields,
        }
        for line in file.reading.header.lines
    ] == [
        {
            "kind": row["kind"], "component": row["component"], "employee": row["employee"], "amount": row["amount"],
            "job": row.get("job", ""), "department": row.get("department", ""), "location": row.get("location", ""),
            "level": row.get("compensation_level", ""),
            "hours": {"hours=7.250": Decimal("7.25"), "hours=1; derived=residual": Decimal(1)}.get(row.get("extras", "")),
            "residual": "residual" in row.get("extras", ""),
            "fields": tuple(tuple(pair.split("=")) for pair in row.get("custom_fields", "").split(";") if pair),
        }
        for row in rows
    ]  # fmt: skip
    again = reading_of_lines(file.pages.pages[0], "company", "payroll", "EUR")
    assert (again.header.lines, again.digest) == (file.reading.header.lines, file.reading.digest)
    assert not [row for row in tie_out(again) if row.stops]
