"""Reading M3's tables with EXPORTMI: which columns they have, and rows that are surely all of them.

A table's columns carry a prefix of two letters, which no public page says for every table; so they are asked for (LstFields)
and kept with the reference data. EXPORTMI does not page and lists may be cut, so what may be long goes out with its
count(*), and a cut answer is read on by the key columns until the count is reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.exchange import ExchangeError, Misconfigured, TemporaryFailure
from erp.infor.m3.client import SHORTEST_CUT, Call, M3Client, Record
from erp.infor.m3.fields import Fields

PROGRAM = "EXPORTMI"
QUERY_LENGTH = 982
SEPARATOR = ";"

#: What a value in a query may hold: everything that we ask by. Quotes would have to be doubled, and nobody needs them.
_SAFE_VALUE = re.compile(r"[0-9A-Za-z:_-]*")

#: Further questions to one table before its rows are given up.
PAGES_MAX = 200


@dataclass(frozen=True, slots=True)
class Table:
    """A table of M3 and the fields of it that are used, without their prefix."""

    name: str
    keys: tuple[str, ...]
    """Of its index, without company and division: by them a cut answer is read on."""
    fields: tuple[str, ...]
    """What else is read and has to be there."""
    extras: tuple[str, ...] = ()
    """What is read where the table has it."""
    prefix: str = ""
    """Where public code shows it."""

    @property
    def needed(self) -> tuple[str, ...]:
        return ("DIVI", *self.keys, *self.fields)


#: Head and lines of a batch of the interface, before it is updated.
HEADS = Table("FGLINH", ("KEY1",), (), prefix="FH")
LINES = Table("FGLINF", ("KEY1", "LINE"), ("CUAM",), ("AIT1", "DBCR"))
#: Additional information of the general ledger, where our posting key stands, and the ledger itself.
INFORMATION = Table("FGLEDX", ("YEA4", "JRNO", "JSNO", "GEXN"), ("GEXI",), prefix="EG")
LEDGER = Table("FGLEDG", ("YEA4", "JRNO", "JSNO"), ("VONO", "CUAM"), ("VSER",), prefix="EG")

TABLES = (HEADS, LINES, INFORMATION, LEDGER)

#: Fields whose values are numbers, in a query without quotes.
NUMBERS = frozenset({"LINE", "YEA4", "JRNO", "JSNO", "GEXN"})

#: table -> field without prefix -> column.
Columns = Mapping[str, Mapping[str, str]]


def read_columns(client: M3Client) -> dict[str, dict[str, str]]:
    """The columns of all tables that are used, as M3 names them. One round trip.

    Raises Misconfigured where the service user may not read a table, or a column is not found.
    """
    calls = [Call("LstFields", {"FILE": table.name}) for table in TABLES]
    answers = client.ask(PROGRAM, calls, "the columns of its tables", division=_context(client.fields, ""))
    found = {}
    for table, answer in zip(TABLES, answers, strict=True):
        if isinstance(answer, ExchangeError):
            raise answer
        found[table.name] = columns_of(table, answer, client.fields)
    return found


def columns_of(table: Table, records: Sequence[Record], fields: Fields) -> dict[str, str]:
    """Field -> column of one table. What the connection says comes first. Raises Misconfigured."""
    there = [record.get("FLDN", "") for record in records]
    found = {}
    missing = []
    for name in (*table.needed, *table.extras):
        chosen = fields.columns.get(f"{table.name}.{name}")
        fitting = [column for column in there if column[2:] == name]
        if chosen:
            found[name] = chosen
        elif f"{table.prefix}{name}" in fitting:
            found[name] = f"{table.prefix}{name}"
        elif len(fitting) == 1:
            found[name] = fitting[0]
        elif name in table.needed:
            missing.append(name)
    if missing:
        raise Misconfigured(
            f"M3 shows no column {', '.join(missing)} of table {table.name} to the service user. Give it the right to EXPORTMI, or "
            "enter the columns under “Columns of tables” of the connection."
        )
    return found


@dataclass(frozen=True, slots=True)
class Select:
    """Rows of one table. Conditions are (field without prefix, operator, value); the division is added to them.

    `is_counted`: the count goes out with the question. False for what is slow to look for and mostly not there: it is
    counted only where so many rows came that they may have been cut.
    """

    table: Table
    division: str
    conditions: tuple[tuple[str, str, str], ...]
    is_counted: bool = True


#: One row: field without prefix -> value.
Row = Mapping[str, str]


def select(client: M3Client, columns: Columns, selects: Sequence[Select], what: str) -> list[list[Row]]:
    """All rows of each question; one round trip where M3 cuts nothing and few rows come uncounted. Raises as a read does."""
    calls = [_rows_call(client, columns, each) for each in selects]
    calls += [_count_call(client, columns, each) for each in selects if each.is_counted]
    context = _context(client.fields, selects[0].division)
    answers = client.read(PROGRAM, calls, what, division=context, is_counted=True)
    counts = iter(answers[len(selects) :])
    found = []
    for each, records in zip(selects, answers, strict=False):
        rows = _rows(columns, each, records)
        if each.is_counted:
            count = _count(next(counts))
        elif len(records) >= SHORTEST_CUT:
            (counted,) = client.read(PROGRAM, [_count_call(client, columns, each)], what, division=context)
            count = _count(counted)
        else:
            count = len(rows)
        if len(rows) < count:
            rows = _read_on(client, columns, each, rows, count, what)
        if len(rows) != count:
            raise TemporaryFailure(
                f"M3 counted {count} rows of {each.table.name} and showed {len(rows)}. We ask again."
            )
        found.append([row for row in rows if row["DIVI"] == each.division])
    return found


def _read_on(client: M3Client, columns: Columns, asked: Select, rows: list[Row], count: int, what: str) -> list[Row]:
    """What M3 cut off: everything behind the last key, level by level."""
    for _ in range(PAGES_MAX):
        if len(rows) >= count or not rows:
            break
        calls = [_rows_call(client, columns, each) for each in _behind(asked, rows[-1])]
        context = _context(client.fields, asked.division)
        pages = client.read(PROGRAM, calls, what, division=context, is_counted=True)
        # The deepest level comes first, and a cut page there hides what is on the levels above only until the next round.
        new = next((page for records in pages if (page := _rows(columns, asked, records))), [])
        if not new:
            break
        rows = [*rows, *new]
    return rows


def _behind(asked: Select, last: Row) -> Iterator[Select]:
    """The rest of the present group, then the groups behind it: JRNO = 7 and JSNO > 5; JRNO > 7."""
    keys = asked.table.keys
    for depth in range(len(keys), 0, -1):
        same = tuple((name, "=", last[name]) for name in keys[: depth - 1])
        yield Select(
            asked.table, asked.division, (*asked.conditions, *same, (keys[depth - 1], ">", last[keys[depth - 1]]))
        )


def _context(fields: Fields, division: str) -> str | None:
    """The division in which EXPORTMI is called: blank, so that a filter may name one, or the service user's own."""
    return "" if fields.filters_division else (division or None)


def _where(client: M3Client, columns: Columns, asked: Select) -> str:
    names = columns[asked.table.name]
    conditions = [("DIVI", "=", asked.division)] if client.fields.filters_division else []
    parts = []
    for name, operator, value in (*conditions, *asked.conditions):
        if not _SAFE_VALUE.fullmatch(value):
            raise Misconfigured(f"“{value}” cannot be looked for in M3.", "mapping")
        written = value if name in NUMBERS else f"'{value}'"
        parts.append(f"{names[name]} {operator} {written}")
    return " and ".join(parts)


def _rows_call(client: M3Client, columns: Columns, asked: Select) -> Call:
    names = columns[asked.table.name]
    query = f"{','.join(names.values())} from {asked.table.name} where {_where(client, columns, asked)}"
    return _call(query, HDRS="1")


def _count_call(client: M3Client, columns: Columns, asked: Select) -> Call:
    return _call(f"count(*) from {asked.table.name} where {_where(client, columns, asked)}", HDRS="0")


def _call(query: str, **record: str) -> Call:
    if len(query) > QUERY_LENGTH:
        raise ValueError("a question to EXPORTMI is too long")
    return Call("Select", {"QERY": query, "SEPC": SEPARATOR, **record})


def _count(records: Sequence[Record]) -> int:
    """Nothing at all is none; else the last line is the number."""
    if not records:
        return 0
    try:
        return int(records[-1].get("REPL", "").strip().rstrip(SEPARATOR).strip())
    except ValueError as error:
        raise TemporaryFailure("M3 was asked how many rows there are and gave no number.") from error


def _rows(columns: Columns, asked: Select, records: Sequence[Record]) -> list[Row]:
    """Rows by our names. The first line names the columns; no line at all is no row."""
    names = columns[asked.table.name]
    lines = [[cell.strip() for cell in record.get("REPL", "").split(SEPARATOR)] for record in records]
    if not lines:
        return []
    if lines[0][: len(names)] != list(names.values()):
        raise TemporaryFailure(f"M3 showed other columns of {asked.table.name} than it was asked for.")
    if any(len(line) < len(names) for line in lines):
        raise TemporaryFailure(f"M3 showed a row of {asked.table.name} that is cut.")
    return [dict(zip(names, line, strict=False)) for line in lines[1:]]
