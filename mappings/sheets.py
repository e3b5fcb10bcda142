"""A file of rows, as CSV or as an Excel sheet, on its way in and out.

Finance keeps mappings in Excel, which likes to turn account 0600 into 600, a date into a moment and 33 % into 0.33. What
goes out is text cell by cell, so that Excel leaves it alone; what comes in is turned back into the text that a person
sees, and only then judged by the same reader as a CSV file.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import tablib
from import_export.formats import base_formats
from openpyxl import Workbook, load_workbook  # type: ignore[import-untyped]
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # type: ignore[import-untyped]
from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

from mappings.csv_guard import guarded

#: A file with more rows is refused.
ROWS_MAX = 5_000
#: Columns that are looked at; the widest file has 20.
COLUMNS_MAX = 60
#: Bytes of an Excel file, unpacked; 5,000 rows are about 5 MB.
UNPACKED_BYTES_MAX = 64 * 1024 * 1024


class Sheet(tablib.Dataset):
    """The rows of a file: as a table for the preview, and as the CSV text that is judged.

    `row_numbers` are the rows of the file behind the rows of the table, as a spreadsheet counts them; empty rows of the
    file are left out of the table.
    """

    def __init__(self, lines: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.text = csv_text(lines)
        self.row_numbers: list[int] = []
        header = list(lines[0]) if lines else []
        self.headers = header or None
        for number, line in enumerate(lines[1:], start=2):
            if any(cell.strip() for cell in line):
                self.row_numbers.append(number)
                self.append([*line, *[""] * len(header)][: len(header)])

    def __bool__(self) -> bool:
        """An empty file is judged as well: it is told what it lacks."""
        return True


def csv_text(lines: Iterable[Sequence[str]]) -> str:
    """The rows as CSV: comma, quoted only where needed, LF."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()


class Unreadable(ValueError):  # noqa: N818 - reads as what it is
    """A file that is no table at all. The text is a sentence for the person who gave it: what it is, what would be right."""


class CsvSheet(base_formats.CSV):
    """A CSV file in UTF-8, with or without a byte order mark."""

    def create_dataset(self, in_stream: bytes | str, **kwargs: Any) -> Sheet:
        """Raises Unreadable for what is no CSV file."""
        text = _decoded(in_stream, self.encoding or "utf-8-sig") if isinstance(in_stream, bytes) else in_stream
        if "\x00" in text:
            raise Unreadable(
                "The file is no text. Save it as “CSV UTF-8”; an Excel file is one whose name ends in .xlsx."
            )
        text = text.removeprefix("\ufeff")
        header = text.partition("\n")[0]
        if "," not in header and (";" in header or "\t" in header):
            sign = "semicolons" if ";" in header else "tabs"
            raise Unreadable(
                f"Row 1 separates its columns by {sign}. Separate them by commas, or upload the Excel file itself."
            )
        reader = csv.reader(io.StringIO(text), strict=True)
        try:
            lines = list(itertools.islice(reader, ROWS_MAX + 2))
        except csv.Error as error:
            raise Unreadable(f"Row {reader.line_num} cannot be read as CSV: {error}.") from None
        return Sheet(lines)

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        return csv_text([dataset.headers, *([guarded(str(text)) for text in line] for line in dataset)])


class ExcelSheet(base_formats.XLSX):
    """The first sheet of an Excel file."""

    def create_dataset(self, in_stream: bytes) -> Sheet:
        """Raises Unreadable for what is no Excel file."""
        try:
            with zipfile.ZipFile(io.BytesIO(in_stream)) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > UNPACKED_BYTES_MAX:
                raise Unreadable(
                    f"Unpacked the file has {unpacked / 1024**2:,.0f} MB, more than a table of {ROWS_MAX:,} rows can have. "
                    "Copy the rows into a new file."
                )
            # Values, not formulas: a formula counts as what Excel last showed for it.
            book = load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True)
        except Unreadable:
            raise
        except _NO_EXCEL:
            raise Unreadable(
                "This is no Excel file (.xlsx). Save it as “Excel Workbook”, or as “CSV UTF-8” with a name that ends in .csv."
            ) from None
        if not book.worksheets:
            raise Unreadable("The file has no sheet with rows.")
        rows = book.worksheets[0].iter_rows(max_row=ROWS_MAX + 2, max_col=COLUMNS_MAX)
        try:
            lines = [[cell_text(cell.value, getattr(cell, "number_format", "")) for cell in row] for row in rows]
        except _NO_EXCEL:
            raise Unreadable("The first sheet of the file is damaged. Copy its rows into a new file.") from None
        finally:
            book.close()
        width = len(_without_empty_end(lines[0])) if lines else 0
        # Excel often keeps formatted empty cells beside the table; only cells with text there are a mistake.
        return Sheet([line[: max(width, len(_without_empty_end(line)))] for line in lines])

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> bytes:
        book = Workbook()
        sheet = book.active
        for row, line in enumerate([dataset.headers, *dataset], start=1):
            for column, text in enumerate(line, start=1):
                text_cell(sheet, row, column, guarded(str(text), is_typed=True))
        sheet.freeze_panes = "A2"
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()


def text_cell(sheet: Any, row: int, column: int, text: str) -> Any:
    """A cell that Excel leaves alone: 0600 stays 0600, and a component called "=1+1" is a name, not a formula."""
    cell = sheet.cell(row, column, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text))
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


#: What zipfile, the XML parser and openpyxl raise for files that are no workbook.
_NO_EXCEL = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    SyntaxError,
    LookupError,
    EOFError,
    OSError,
    TypeError,
    AttributeError,
    ValueError,
)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise Unreadable(
            f"Row {row} is not in UTF-8. Save the file as “CSV UTF-8”, or upload the Excel file itself."
        ) from None


def cell_text(value: Any, number_format: str = "") -> str:
    """What a person sees in a cell: 2026-01-31 for a date, 0600 for 600 shown as 0000, 33.33 for 33.33 %."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        number = Decimal(repr(value))
        if number.is_finite() and "%" in number_format:
            number *= 100
        text = f"{number.normalize():f}"
        return text.zfill(len(number_format)) if re.fullmatch("0+", number_format) and text.isdigit() else text
    return str(value)


def _without_empty_end(line: Sequence[str]) -> Sequence[str]:
    last = max((at for at, text in enumerate(line, start=1) if text.strip()), default=0)
    return line[:last]
