"""The rows of a payroll file as text, from CSV or from the first sheet of an Excel file; whatever is neither is refused.

A person made the file in a program that we do not know, so nothing about it is trusted: its size, its encoding, what it
unpacks to, and cells that are computed. A refusal says where, what stands there, and what would be right. Pure.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl import load_workbook  # type: ignore[import-untyped]
from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

from mappings.sheets import cell_text

#: Of a file, and of an Excel file once unpacked.
BYTES_MAX = 20 * 1024 * 1024
UNPACKED_BYTES_MAX = 96 * 1024 * 1024
MEMBERS_MAX = 500
#: Rows below the header. Excel is read thirty times slower than CSV.
CSV_ROWS_MAX = 100_000
EXCEL_ROWS_MAX = 20_000
#: Columns that are looked at; the form has 18.
COLUMNS_MAX = 60
#: Characters of a value that a refusal repeats.
VALUE_SHOWN = 60

ZIP_START = b"PK\x03\x04"
OLD_EXCEL_START = b"\xd0\xcf\x11\xe0"
UTF_16_STARTS = (b"\xff\xfe", b"\xfe\xff")
#: Bytes of an XML file in which a document type would have to stand. No Excel file has one; entities make bombs of it.
PROLOGUE_BYTES = 4096

SAVE_AS_CSV = "In Excel, save it as “CSV UTF-8 (Comma delimited)”."

#: One row of a file: its number as a spreadsheet counts (the header is row 1), and its cells without outer spaces.
Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One mistake in a payroll file. Row 0 = the file as a whole; column and value may be empty."""

    row: int
    column: str
    value: str
    sentence: str
    """What is wrong and what would be right. For a page of whoever brought the file, never for a log."""

    def __str__(self) -> str:
        where = ", ".join(
            part
            for part in (f"row {self.row}" if self.row else "", f"column {self.column}" if self.column else "")
            if part
        )
        return f"{where}: {self.sentence}" if where else self.sentence


class FileRefused(ValueError):  # noqa: N818 - reads as what happened
    """A file that is not taken, with every mistake that could be told."""

    def __init__(self, *problems: FileProblem) -> None:
        super().__init__(problems[0].sentence)
        self.problems = problems


def refused(sentence: str, row: int = 0, column: str = "", value: str = "") -> FileRefused:
    """For one mistake that ends the reading."""
    return FileRefused(FileProblem(row, column, value[:VALUE_SHOWN], sentence))


def rows_of_csv(text: str) -> Iterator[Row]:
    """Every row with something in it, the header first. Raises FileRefused."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    try:
        for number, line in enumerate(reader, start=1):
            if number > CSV_ROWS_MAX + 1:
                raise refused(
                    f"The file has more than {CSV_ROWS_MAX:,} rows. Larger payrolls are added as JSON, as Gusto's API "
                    "gives them.",
                    row=number,
                )
            cells = [cell.strip() for cell in line]
            if any(cells):
                yield number, cells
    except csv.Error as error:
        raise refused(f"This is not a CSV file: {error}. {SAVE_AS_CSV}", row=number + 1) from None


def rows_of_excel(content: bytes) -> Iterator[Row]:
    """Every row of the first sheet with something in it, the header first. Raises FileRefused."""
    _check_archive(content)
    try:
        # Read as formulas, not as what Excel last showed for them: a formula may point anywhere.
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        if not book.worksheets:
            raise refused("The Excel file has no sheet.")
        width = 0
        rows = book.worksheets[0].iter_rows(max_row=EXCEL_ROWS_MAX + 2, max_col=COLUMNS_MAX)
        for number, row in enumerate(rows, start=1):
            cells = [_text_of(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if not cells:
                continue
            if number > EXCEL_ROWS_MAX + 1:
                raise refused(
                    f"The sheet has more than {EXCEL_ROWS_MAX:,} rows. {SAVE_AS_CSV} A CSV file may have "
                    f"{CSV_ROWS_MAX:,}.",
                    row=number,
                )
            # Cells that are empty to the end of a row do not exist in the file.
            width = width or len(cells)
            yield number, [*cells, *[""] * (width - len(cells))]
        book.close()
    except FileRefused:
        raise
    except _DAMAGED:
        raise refused(_NO_EXCEL) from None


#: What a damaged workbook ends in; a SyntaxError is the XML parser's, a RuntimeError the archive's that wants a password.
_DAMAGED = (
    InvalidFileException, zipfile.BadZipFile, zlib.error, AttributeError, EOFError, LookupError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
_NO_EXCEL = "This Excel file is damaged. Open it in Excel and save it again as .xlsx."


def text_of(content: bytes) -> str:
    """The file as UTF-8 text, without byte order mark. Raises FileRefused, naming the encoding where it shows."""
    if content.startswith(UTF_16_STARTS):
        raise refused(f"The file is in UTF-16 (Excel's “Unicode Text”), not in UTF-8. {SAVE_AS_CSV}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise refused(
            f"The file is not in UTF-8, probably in Windows-1252. {SAVE_AS_CSV}",
            row=row,
            value=content[error.start : error.start + 1].decode("cp1252", "replace"),
        ) from None
    if "\x00" in text:
        raise refused(f"The file is not text. {SAVE_AS_CSV}", row=text.count("\n", 0, text.index("\x00")) + 1)
    return text


def columns_of(header: Sequence[str], required: Sequence[str], known: Sequence[str]) -> list[FileProblem]:
    """What is wrong with the first row of a file: columns that are missing, unknown, or there twice."""
    if len(header) == 1 and header[0].count(";") > 1:
        return [FileProblem(1, "", "", f"The columns are separated by semicolons, not by commas. {SAVE_AS_CSV}")]
    found = [
        FileProblem(1, name, "", f"The column {name} is missing. Start from the template.")
        for name in required
        if name not in header
    ]
    for name in dict.fromkeys(header):
        if name not in known:
            words = "A column has no name." if not name else f"The column {name[:VALUE_SHOWN]} is not known."
            found.append(FileProblem(1, name, name[:VALUE_SHOWN], f"{words} The columns are {', '.join(known)}."))
        elif header.count(name) > 1:
            found.append(FileProblem(1, name, name, f"The column {name} is there twice. Keep one."))
    return found


def _check_archive(content: bytes) -> None:
    """What the file unpacks to, by its own list, which the reader of the archive holds it to."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > UNPACKED_BYTES_MAX:
                raise refused(
                    f"The Excel file unpacks to more than {UNPACKED_BYTES_MAX // 1024**2} MB or {MEMBERS_MAX} parts. "
                    f"Copy the sheet into a new workbook. Or: {SAVE_AS_CSV}"
                )
            for member in members:
                with archive.open(member) as part:
                    if b"<!DOCTYPE" in part.read(PROLOGUE_BYTES).upper():
                        raise refused("The Excel file has a document type inside, which Excel never writes.")
    except FileRefused:
        raise
    except _DAMAGED:
        raise refused(_NO_EXCEL) from None


def _text_of(cell: Any) -> str:
    """What a person sees in a cell; of a computed one the formula, which no column takes."""
    value = cell.value
    if cell.data_type == "f":
        return f"={str(value).removeprefix('=')}"
    if isinstance(value, float):
        # Excel keeps and shows 15 digits; what stands behind them is noise of the machine, not what was entered.
        value = float(f"{value:.15g}")
    return cell_text(value, getattr(cell, "number_format", "")).strip()
