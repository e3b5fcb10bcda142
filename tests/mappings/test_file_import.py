"""A mapping file becomes drafts, whole or not at all, and every mistake is named by row and column."""

from __future__ import annotations

import csv
import datetime
import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import tablib
from django.db import connection
from openpyxl import Workbook, load_workbook  # type: ignore[import-untyped]

from audit.models import AuditEntry
from audit.trail import sentence
from mappings.csv_guard import unguarded
from mappings.file_import import FileError, ImportOutcome, import_csv
from mappings.models import Crosswalk, Dimension, DimensionValue, MainAccount, MappingRule, MappingTable
from mappings.sheets import UNPACKED_BYTES_MAX, CsvSheet, ExcelSheet, Unreadable, cell_text
from mappings.table import Policy
from mappings.table_csv import read_crosswalks_csv, read_mapping_csv, tables
from mappings.tables import table_of
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.mappings.versions import approve

#: Excel's dates are moments without a time zone.
MIDNIGHT = datetime.datetime(2026, 1, 1)  # noqa: DTZ001

HEADER = (
    "valid_from,rule,kind,component,employee,job,department,location,compensation_level,payroll_type,"
    "off_cycle_reason,side,target,percent,main_account,dimensions,company_code,accrual_account\n"
)
CROSSWALK_HEADER = "valid_from,source_kind,source_value,target,target_value\n"

MAPPING = HEADER + (
    "2026-01-01,R01,earning,,,,,,,,,debit,1,60,0600,CostCenter=@department,,\n"
    "2026-01-01,R01,earning,,,,,,,,,debit,2,40,6000,CostCenter=100,,\n"
    "2026-01-01,R02,employee_tax,,,,,,,,,credit,1,100,2110,,,\n"
    "2026-01-01,R10,net_pay,Direct Deposit,,,,,,,,credit,1,100,2110,,,\n"
)
CROSSWALKS = (
    CROSSWALK_HEADER + "2026-01-01,department,Bakery,CostCenter,0100\n2026-01-01,department,(none),CostCenter,0900\n"
)


@pytest.fixture
def bakery(tenant) -> Iterator[LegalEntity]:
    with tenant_scope(tenant.id):
        yield LegalEntity.objects.create(name="Acme Bakery Inc.", company_code="1000")


@pytest.fixture
def ledger(bakery) -> Connection:
    """Reference data with a few accounts, one dimension and its values."""
    connection: Connection = Connection.objects.create(system="a_ledger", name="Books")
    bakery.erp_connection = connection
    bakery.save()
    for number, name in (("0600", "Wages"), ("6000", "Wages, shop"), ("6100", "Payroll taxes"), ("2110", "Clearing")):
        MainAccount.objects.create(connection=connection, company_code="1000", number=number, name=name)
    Dimension.objects.create(connection=connection, name="CostCenter")
    for value in ("0100", "100", "0900"):
        DimensionValue.objects.create(connection=connection, dimension="CostCenter", value=value)
    return connection


def imported(bakery, mapping: str = MAPPING, crosswalks: str | None = CROSSWALKS, by: str = "bob", **more):
    return import_csv(bakery, mapping, crosswalks, by, "mapping.csv", **more)


def nothing_was_imported() -> bool:
    return not (MappingTable.objects.exists() or MappingRule.objects.exists() or Crosswalk.objects.exists())


def test_a_file_becomes_a_draft(bakery):
    outcome = imported(bakery)
    assert outcome.errors == ()
    [draft] = outcome.tables
    assert outcome.changed == outcome.tables
    assert (draft.state, draft.version, draft.valid_from) == ("draft", 1, datetime.date(2026, 1, 1))
    assert (draft.created_by, draft.changed_by) == ("bob", ["bob"])
    assert table_of(draft).rules[0].debit[0].main_account == "0600"
    assert sorted(draft.crosswalks.values_list("source_value", "target_value")) == [
        ("(none)", "0900"),
        ("Bakery", "0100"),
    ]
    entry = AuditEntry.objects.get(action="mapping_table.imported")
    assert sentence(entry) == "6 rows were imported into mapping table version 1 from mapping.csv."
    assert (entry.actor, len(entry.facts["digest"])) == ("bob", 64)


def test_the_same_file_again_changes_nothing(bakery):
    first = imported(bakery)
    entries = AuditEntry.objects.count()
    again = imported(bakery, by="alice")
    assert (again.tables, again.changed) == (first.tables, ())
    assert again.tables[0].changed_by == ["bob"]
    assert AuditEntry.objects.count() == entries


def test_a_file_replaces_the_draft_of_its_date(bakery):
    [draft] = imported(bakery).tables
    less = "".join(MAPPING.splitlines(keepends=True)[:3]).replace("6000,CostCenter=100", "6010,")
    [again] = imported(bakery, less, "", by="alice").tables
    assert again == draft
    assert [str(rule.main_account) for rule in again.rules.all()] == ["0600", "6010"]
    assert not again.crosswalks.exists()
    assert again.changed_by == ["alice", "bob"]


def test_a_file_of_rules_keeps_crosswalk_and_policy_of_the_version_in_force(bakery):
    [first] = imported(bakery, policy={"posting_date": "period_end"}).tables
    approve(first, by="dana")
    july = MAPPING.replace("2026-01-01", "2026-07-01")
    [draft] = imported(bakery, july, None, by="alice").tables
    assert (draft.version, draft.changed_by, draft.posting_date) == (2, ["alice"], "period_end")
    assert draft.crosswalks.count() == 2
    assert table_of(draft).rules == table_of(first).rules


def test_a_file_may_hold_several_versions(bakery):
    both = MAPPING + MAPPING.replace("2026-01-01", "2026-07-01").removeprefix(HEADER)
    outcome = imported(bakery, both)
    assert [str(draft.valid_from) for draft in outcome.tables] == ["2026-01-01", "2026-07-01"]
    assert [draft.crosswalks.count() for draft in outcome.tables] == [2, 0]


def test_what_an_approved_version_says_already_is_no_change(bakery):
    approve(imported(bakery).tables[0], by="dana")
    same = imported(bakery)
    assert (same.errors, same.changed, same.tables[0].state) == ((), (), "approved")
    assert MappingTable.objects.count() == 1


def test_a_file_corrects_an_approved_version_by_a_draft_of_the_same_date(bakery):
    first = approve(imported(bakery).tables[0], by="dana")
    outcome = imported(bakery, MAPPING.replace("0600", "0601"))
    [correction] = outcome.changed
    assert (correction.version, correction.state, correction.valid_from) == (2, "draft", first.valid_from)
    assert correction.rules.get(rule="R01", target=1).main_account == "0601"
    assert first.rules.get(rule="R01", target=1).main_account == "0600"
    assert correction.crosswalks.count() == 2
    approve(correction, by="dana")
    assert imported(bakery, MAPPING.replace("0600", "0601")).changed == ()


def test_a_file_that_is_applied_again_leaves_a_correction_in_work_alone(bakery):
    approve(imported(bakery).tables[0], by="dana")
    [correction] = imported(bakery, MAPPING.replace("0600", "0601")).changed
    again = imported(bakery)
    assert (again.changed, again.tables[0].version) == ((), 1)
    assert correction.rules.get(rule="R01", target=1).main_account == "0601"


def test_the_policy_takes_part(bakery):
    [draft] = imported(bakery).tables
    outcome = imported(bakery, policy={"posting_date": "debit_date"})
    draft.refresh_from_db()
    assert (outcome.changed, draft.posting_date) == ((draft,), "debit_date")
    assert imported(bakery, policy={"posting_date": "debit_date"}).changed == ()
    with pytest.raises(ValueError, match='no posting_date "yesterday"'):
        imported(bakery, policy={"posting_date": "yesterday"})


def changed(row: int, column: str, value: str) -> str:
    """The good file with one cell changed; rows are counted as in a spreadsheet."""
    lines = [line.split(",") for line in MAPPING.splitlines()]
    lines[row - 1][lines[0].index(column)] = value
    return "\n".join(",".join(line) for line in lines) + "\n"


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        (MAPPING.replace("main_account,", "account,"), 1, "main_account", 'Column "main_account" is missing.'),
        (MAPPING.replace("main_account,", "account,"), 1, "account", 'Column "account" is unknown.'),
        ("", 1, "", "The file is empty."),
        (HEADER, 1, "", "The file has a header and no rows."),
        (changed(3, "percent", "41"), 2, "percent", "are 60 + 41, not 100."),
        (changed(3, "percent", "fifty"), 3, "percent", '"fifty" is no percentage'),
        (changed(3, "percent", "-40"), 3, "percent", '"-40" is no percentage'),
        (changed(4, "kind", "employee_taxes"), 4, "kind", '"employee_taxes" is unknown.'),
        (changed(4, "side", "debit"), 4, "side", "employee_tax has no debit side."),
        (changed(3, "target", "1"), 3, "target", "Row 2 is target 1 of rule R01, debit, already."),
        (changed(3, "department", "Shop"), 3, "department", "Rule R01 has another department in row 2."),
        (changed(2, "valid_from", "01/01/2026"), 2, "valid_from", '"01/01/2026" is no date.'),
        (changed(2, "valid_from", "2026-02-30"), 2, "valid_from", '"2026-02-30" is no date.'),
        (changed(4, "main_account", ""), 4, "main_account", "The main account is empty."),
        (changed(4, "main_account", "2" * 61), 4, "main_account", "at most 60 characters"),
        (changed(5, "component", "x" * 201), 5, "component", "at most 200 characters"),
        (changed(2, "dimensions", "CostCenter"), 2, "dimensions", "is not of the form Name=value"),
        (changed(2, "dimensions", "CostCenter=@town"), 2, "dimensions", "cannot be looked up"),
        (MAPPING.replace("2110,,,\n", "2110,,,,\n", 1), 4, "", "The row has 19 cells, the header has 18."),
    ],
)
def test_a_bad_mapping_names_row_and_column_and_imports_nothing(bakery, text, row, column, words):
    outcome = imported(bakery, text, "")
    assert outcome.tables == ()
    assert any((error.row, error.column) == (row, column) and words in error.sentence for error in outcome.errors), (
        outcome.errors
    )
    assert {error.file for error in outcome.errors} == {"mapping.csv"}
    assert nothing_was_imported()


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        (CROSSWALKS.replace(",target_value\n", "\n", 1), 1, "target_value", 'Column "target_value" is missing.'),
        (CROSSWALK_HEADER, 1, "", "The file has a header and no rows."),
        (CROSSWALKS.replace("department,Bakery", "dept,Bakery"), 2, "source_kind", '"dept" is unknown.'),
        (CROSSWALKS.replace("(none)", ""), 3, "source_value", "Write (none) for people who have none."),
        (CROSSWALKS.replace("(none)", "BAKERY"), 3, "source_value", "gives CostCenter of department BAKERY already."),
        (
            CROSSWALKS.replace("2026-01-01,department,B", "2026-02-01,department,B"),
            2,
            "valid_from",
            "No rules are valid",
        ),
        (CROSSWALKS.replace("0900", "9" * 101), 3, "target_value", "at most 100 characters"),
    ],
)
def test_a_bad_crosswalk_names_row_and_column_and_imports_nothing(bakery, text, row, column, words):
    outcome = imported(bakery, MAPPING, text)
    assert [(error.file, error.row, error.column) for error in outcome.errors] == [("crosswalks.csv", row, column)]
    assert words in outcome.errors[0].sentence
    assert nothing_was_imported()


def test_every_mistake_is_named_at_once(bakery):
    outcome = imported(bakery, changed(4, "kind", "tax").replace("60,0600", "sixty,0600"), CROSSWALKS + "x,y\n")
    assert [(error.file, error.row, error.column) for error in outcome.errors] == [
        ("mapping.csv", 2, "percent"),
        ("mapping.csv", 4, "kind"),
        ("crosswalks.csv", 4, ""),
    ]
    assert str(outcome.errors[1]).startswith('mapping.csv, row 4, column kind: "tax" is unknown.')


def test_a_mistake_in_one_version_keeps_the_other_out(bakery):
    both = MAPPING + MAPPING.replace("2026-01-01", "2026-07-01").removeprefix(HEADER).replace("100,2110", "90,2110")
    assert [error.row for error in imported(bakery, both, "").errors] == [8, 9]
    assert nothing_was_imported()


def test_a_mistake_leaves_the_draft_that_was_there(bakery):
    [draft] = imported(bakery).tables
    before = table_of(draft)
    assert imported(bakery, changed(3, "percent", "41")).errors
    assert table_of(MappingTable.objects.get()) == before


@pytest.mark.parametrize(
    ("text", "row", "column", "sentence"),
    [
        (
            changed(4, "main_account", "6190"),
            4,
            "main_account",
            "Account 6190 does not exist in Books, company code 1000. Closest: 6100 Payroll taxes.",
        ),
        (
            changed(4, "accrual_account", "2120"),
            4,
            "accrual_account",
            "Account 2120 does not exist in Books, company code 1000. Closest: 2110 Clearing.",
        ),
        (
            changed(3, "dimensions", "CostCentre=100"),
            3,
            "dimensions",
            "Books has no dimension CostCentre. Closest: CostCenter.",
        ),
        (
            changed(3, "dimensions", "CostCenter=0101"),
            3,
            "dimensions",
            "CostCenter 0101 does not exist in Books, company code 1000. Closest: 0100.",
        ),
        (
            changed(3, "company_code", "1001"),
            3,
            "company_code",
            "Books has no main account in company code 1001. Closest: 1000.",
        ),
    ],
)
def test_what_the_ledger_does_not_know_is_named_with_the_closest_that_it_does(
    bakery, ledger, text, row, column, sentence
):
    assert imported(bakery, text).errors == (FileError("mapping.csv", row, column, sentence),)
    assert nothing_was_imported()


def test_a_crosswalk_to_what_the_ledger_does_not_know(bakery, ledger):
    crosswalks = (
        CROSSWALKS.replace("0900", "0901") + "2026-01-01,job,Baker,Region,7\n2026-01-01,job,Miller,company_code,2\n"
    )
    assert [(error.row, error.column, error.sentence) for error in imported(bakery, MAPPING, crosswalks).errors] == [
        (3, "target_value", "CostCenter 0901 does not exist in Books, company code 1000. Closest: 0900."),
        (4, "target", "Books has no dimension Region. Closest: CostCenter."),
        (5, "target_value", "Books has no main account in company code 2. Closest: 1000."),
    ]
    assert nothing_was_imported()


def test_a_file_that_fits_the_ledger_is_imported(bakery, ledger):
    assert imported(bakery).errors == ()


def test_an_account_that_is_closed_is_a_problem_of_the_draft_not_of_the_file(bakery, ledger):
    MainAccount.objects.filter(number="2110").update(is_active=False)
    assert imported(bakery).errors == ()


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_the_same_moment_make_one_draft(tenant):
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.create(name="Acme Bakery Inc.", company_code="1000")
    both_ready = threading.Barrier(2)
    outcomes: list[ImportOutcome] = []

    def run(by: str) -> None:
        try:
            with tenant_scope(tenant.id):
                both_ready.wait(timeout=30)
                outcomes.append(import_csv(entity, MAPPING, CROSSWALKS, by, "mapping.csv"))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(len(outcome.changed) for outcome in outcomes) == [0, 1]
    with tenant_scope(tenant.id):
        assert MappingTable.objects.count() == 1
        assert MappingRule.objects.count() == 4


# Excel


def excel(lines: Sequence[Sequence[object]], formats: dict[tuple[int, int], str] | None = None) -> bytes:
    book = Workbook()
    for line in lines:
        book.active.append(line)
    for (row, column), number_format in (formats or {}).items():
        book.active.cell(row, column).number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_what_excel_makes_of_cells_is_read_as_a_person_sees_it(bakery):
    header = HEADER.strip().split(",")
    filler = [None] * 8
    lines: list[list[object]] = [
        [*header],
        [MIDNIGHT, "R01", "earning", *filler, "debit", 1, 0.6, 600, "CostCenter=100", None, None],
        [],
        [datetime.date(2026, 1, 1), "R01", "earning", *filler, "debit", 2, 40, "0601", None, None, None],
        ["2026-01-01", "R02", "net_pay", *filler, "credit", 1.0, 100, 2110, None, None, None, None, None, "  "],
    ]
    sheet = ExcelSheet().create_dataset(excel(lines, {(2, 14): "0.00%", (2, 15): "0000"}))
    assert sheet.row_numbers == [2, 4, 5]
    outcome = imported(bakery, sheet.text, "")
    assert outcome.errors == ()
    assert list(outcome.tables[0].rules.values_list("rule", "target", "percent", "main_account")) == [
        ("R01", 1, 60, "0600"),
        ("R01", 2, 40, "0601"),
        ("R02", 1, 100, "2110"),
    ]


def test_rows_of_an_excel_file_are_counted_as_excel_counts_them(bakery):
    lines = [line.split(",") for line in changed(4, "kind", "tax").splitlines()]
    lines.insert(2, [])
    sheet = ExcelSheet().create_dataset(excel(lines))
    assert [(error.row, error.column) for error in imported(bakery, sheet.text, "").errors] == [(5, "kind")]


def test_dates_and_leading_zeros_survive_a_round_through_excel(bakery):
    lines = [line.split(",") for line in MAPPING.splitlines()]
    lines[4][3] = "=1+1"
    once = CsvSheet().create_dataset("\n".join(",".join(line) for line in lines))
    data = ExcelSheet().export_data(once)
    cell = load_workbook(io.BytesIO(data)).active["O2"]
    assert (cell.value, cell.data_type, cell.number_format) == ("0600", "s", "@")
    assert ExcelSheet().create_dataset(data).text == once.text


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (None, "", ""),
        (600, "0000", "0600"),
        (12345, "0000", "12345"),
        (33.33, "General", "33.33"),
        (0.3333, "0.00%", "33.33"),
        (1e2, "General", "100"),
        (0.1 + 0.2, "General", "0.30000000000000004"),
        (True, "General", "TRUE"),
        (MIDNIGHT, "yyyy-mm-dd", "2026-01-01"),
        (MIDNIGHT.replace(hour=6, minute=30), "yyyy-mm-dd", "2026-01-01 06:30:00"),
        ("0600", "General", "0600"),
    ],
)
def test_cells(value, number_format, text):
    assert cell_text(value, number_format) == text


@pytest.mark.parametrize("data", [b"", b"valid_from,rule\n", b"PK\x03\x04 not a workbook"])
def test_what_is_no_excel_file_is_refused_in_words(data):
    with pytest.raises(Unreadable, match="This is no Excel file"):
        ExcelSheet().create_dataset(data)


def test_a_file_of_another_encoding_names_the_row():
    with pytest.raises(Unreadable, match="Row 3 is not in UTF-8"):
        CsvSheet(encoding="utf-8-sig").create_dataset("a,b\nc,d\né".encode("latin-1"))


def test_an_excel_file_that_unpacks_to_more_than_a_table_is_refused():
    """A bomb: a few kilobytes that are gigabytes unpacked; what it says of itself is enough to refuse it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (UNPACKED_BYTES_MAX + 1))
    assert len(out.getvalue()) < 100_000
    with pytest.raises(Unreadable, match=r"Unpacked the file has 64 MB"):
        ExcelSheet().create_dataset(out.getvalue())


@pytest.mark.parametrize("sheet", [CsvSheet(), ExcelSheet()])
def test_names_that_a_spreadsheet_would_run_go_out_as_text_and_come_back(sheet):
    names = ["=HYPERLINK(1)", "+1", "-1", "@job", "\tx", "'quoted", "'=1", "plain"]
    data = sheet.export_data(tablib.Dataset(*([name] for name in names), headers=["component"]))
    text = sheet.create_dataset(data if isinstance(data, bytes) else data.encode()).text
    cells = [line[0] for line in csv.reader(io.StringIO(text))][1:]
    assert [unguarded(cell) for cell in cells] == names
    if isinstance(sheet, CsvSheet):
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


# The worked examples


def example_folders() -> list[Path]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "accounting" / "examples"
    return sorted(path.parent for path in folder.glob("*/mapping.csv"))


@pytest.mark.contract
@pytest.mark.parametrize("folder", example_folders() or [None], ids=lambda folder: folder.name if folder else "none")
def test_every_worked_example_is_imported_as_it_is_written(bakery, folder):
    if folder is None:
        pytest.skip("../shared/accounting/examples is not here, so no worked example can be imported")
    mapping = (folder / "mapping.csv").read_text()
    crosswalks = (folder / "crosswalks.csv").read_text() if (folder / "crosswalks.csv").exists() else ""
    outcome = imported(bakery, mapping, crosswalks)
    assert outcome.errors == ()
    mapping_rows, _ = read_mapping_csv(mapping)
    crosswalk_rows, _ = read_crosswalks_csv(crosswalks) if crosswalks else ([], [])
    expected, _ = tables(mapping_rows, crosswalk_rows, Policy("1000"))
    assert len(outcome.tables) == len(expected)
    for draft, table in zip(outcome.tables, expected, strict=True):
        found = table_of(draft)
        assert found.valid_from == table.valid_from
        assert {rule.name: rule for rule in found.rules} == {rule.name: rule for rule in table.rules}
        assert set(found.crosswalk) == set(table.crosswalk)
    assert imported(bakery, mapping, crosswalks).changed == ()
