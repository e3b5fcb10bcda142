"""What we say of payroll files is true: template, documentation and page name the columns that are read, and their examples
are payrolls that can be added.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from openpyxl import load_workbook  # type: ignore[import-untyped]

from gusto.files import read_file
from gusto.lines_file import COLUMNS, COLUMNS_REQUIRED
from gusto.lines_template import COLUMN_MEANINGS, SHEETS, template
from gusto.payroll_pages import INCLUDE
from mappings.payroll import LineKind

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "payroll-files.md").read_text()


def table(head: str) -> list[list[str]]:
    """The cells of a table of the page, without its head."""
    rows = PAGE.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def example_of_template() -> bytes:
    """The template with its example copied into the sheet that is read."""
    book = load_workbook(io.BytesIO(template()))
    assert tuple(book.sheetnames) == SHEETS
    for row in book[SHEETS[1]].iter_rows(min_row=2, values_only=True):
        book[SHEETS[0]].append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_every_column_is_explained_once_and_in_the_order_of_the_file():
    assert tuple(column.name for column in COLUMN_MEANINGS) == COLUMNS
    assert [name for row in table("Column | Needed") for name in row[0].split(", ")] == list(COLUMNS)
    needed = {column.name for column in COLUMN_MEANINGS if column.needed != "optional"}
    assert needed == set(COLUMNS_REQUIRED)
    assert {name for row in table("Column | Needed") if row[1] != "optional" for name in row[0].split(", ")} == needed


def test_every_kind_is_explained_once():
    assert sorted(name for row in table("Kind | Side") for name in row[0].split(", ")) == sorted(LineKind)
    (kinds,) = (column.meaning for column in COLUMN_MEANINGS if column.name == "kind")
    assert set(re.findall(r"\w+", kinds)) >= set(LineKind)


def test_the_examples_of_page_and_template_are_one_payroll():
    (sample,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    of_page = read_file("sample.csv", sample.encode()).reading
    of_template = read_file("template.xlsx", example_of_template()).reading
    assert of_page.digest == of_template.digest
    assert of_page.header == of_template.header
    assert (of_page.sums.people, len(of_page.header.lines)) == (2, 12)


def test_the_page_asks_gusto_for_what_is_needed():
    assert f"include={INCLUDE}\n" in PAGE
