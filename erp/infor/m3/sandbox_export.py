"""EXPORTMI of the M3 sandbox: questions in M3's own small language, answered as texts with a separator.

    F1,F2 from TABLE where A = 'x' and B >= 20260101          count(*) from TABLE where ...

One table, conditions joined by `and`, no word SELECT in front. The company is the session's and cannot be asked for; a
division can be asked for only while the session has none (setting division_filter). Rows come in the order of the table's
key, without pages. A separator inside a value is not marked. What is not listed here is refused; how M3 refuses a question
is not published: CPF9898 with words.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp.infor.m3.sandbox_call import MiCall, Program, Row
from erp.infor.m3.sandbox_interface import Interface
from erp.infor.m3.sandbox_jobs import WORK_STATUS, Jobs
from erp.infor.m3.sandbox_messages import Nok, not_found
from erp.infor.m3.sandbox_tables import Column, Table, tables

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
REPLY_LENGTH = 3985
DEFAULT_SEPARATOR = ";"
#: These prefix each value with the name of its field, in a form that is not published.
PREFIXING_SEPARATORS = frozenset({"*", "#"})
QUERY = re.compile(r"\s*(?P<columns>.+?)\s+from\s+(?P<table>\w+)(?:\s+where\s+(?P<where>.+?))?\s*", re.IGNORECASE)
CONDITION = re.compile(
    r"\s*(?P<column>\w+)\s*(?P<operator>=|<>|>=|<=|>|<)\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<number>-?\d+(?:\.\d+)?))\s*"
)
#: A field of a row -> its value, where a question names it with `=`: lets a source leave other rows out.
Wanted = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Condition:
    column: Column
    operator: str
    value: str

    def fits(self, row: Mapping[str, Any]) -> bool:
        there = str(row.get(self.column.field, ""))
        compare = OPERATORS[self.operator]
        if self.column.kind == "N":
            return compare(Decimal(there or "0"), Decimal(self.value or "0"))
        return compare(there, self.value)


@dataclass(frozen=True, slots=True)
class Question:
    table: Table
    columns: tuple[Column, ...]
    """Empty for count(*)."""
    conditions: tuple[Condition, ...]

    def wanted(self) -> dict[str, str]:
        return {each.column.field: each.value for each in self.conditions if each.operator == "="}


def refused(words: str) -> Nok:
    return Nok("CPF9898", "QERY", words)


def read_question(text: str, known: Mapping[str, Table]) -> Question:
    """Raises Nok."""
    match = QUERY.fullmatch(text)
    if match is None or match["columns"].lower().startswith("select "):
        raise refused("The query must be: fields from table where conditions")
    table = known.get(match["table"].upper())
    if table is None:
        raise refused(f"Table {match['table']} cannot be read")
    columns: tuple[Column, ...] = ()
    if match["columns"].replace(" ", "").lower() != "count(*)":
        columns = tuple(column_of(table, name) for name in match["columns"].split(","))
    return Question(table, columns, tuple(read_conditions(match["where"] or "", table)))


def read_conditions(text: str, table: Table) -> Iterator[Condition]:
    place = 0
    while place < len(text):
        match = CONDITION.match(text, place)
        if match is None:
            raise refused(f"The condition cannot be read: {text[place : place + 40]}")
        column = column_of(table, match["column"])
        is_number = match["number"] is not None
        if is_number and column.kind == "A":
            raise refused(f"{column.name} is compared with a number")
        value = match["number"] if is_number else match["text"].replace("''", "'")
        if column.kind == "N" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            raise refused(f"{column.name} is compared with a text")
        yield Condition(column, match["operator"], value)
        place = match.end()
        if place < len(text):
            joined = re.compile(r"and\b\s*", re.IGNORECASE).match(text, place)
            if joined is None:
                raise refused(f"The condition cannot be read: {text[place : place + 40]}")
            place = joined.end()


def column_of(table: Table, name: str) -> Column:
    found = table.columns.get(name.strip().upper())
    if found is None:
        raise refused(f"{name.strip()} is no field of {table.name}")
    return found


class ExportPrograms:
    def __init__(self, interface: Interface, jobs: Jobs) -> None:
        self.interface = interface
        self.jobs = jobs

    def table(self) -> dict[tuple[str, str], Program]:
        return {("EXPORTMI", "LstFields"): self.list_fields, ("EXPORTMI", "Select"): self.select}

    def list_fields(self, call: MiCall) -> Iterator[Row]:
        found = tables(call.context.settings).get(call.get("FILE"))
        if found is None:
            raise not_found("FILE")
        for column in found.columns.values():
            yield {
                "FLDN": column.name,
                "FLDS": column.text,
                "FLTY": column.kind,
                "FLLE": str(column.length),
                "FLDP": str(column.decimals),
            }

    def select(self, call: MiCall) -> Iterable[Row]:
        settings = call.context.settings
        question = read_question(call.get("QERY"), tables(settings))
        separator = call.get("SEPC") or DEFAULT_SEPARATOR
        if separator in PREFIXING_SEPARATORS:
            raise refused(f"Separator {separator} is not served here")
        session_division = call.context.division
        self._check_session(question, session_division, call.context.settings.division_filter)
        rows = [
            row
            for row in self.rows(question.table.name, question.wanted())
            if row["CONO"] == call.context.company
            and (not session_division or row["DIVI"] == session_division)
            and all(condition.fits(row) for condition in question.conditions)
        ]
        lines = list(replies(question, rows, separator))
        if call.get("HDRS") == "1" and (rows or settings.export_empty == "header" or not question.columns):
            names = [column.name for column in question.columns] or ["COUNT(*)"]
            lines.insert(0, separator.join(names))
        return ({"REPL": line[:REPLY_LENGTH]} for line in lines)

    def _check_session(self, question: Question, division: str, division_filter: str) -> None:
        for condition in question.conditions:
            if condition.column.field == "CONO":
                raise refused("The company cannot be a condition")
            if condition.column.field == "DIVI" and division and division_filter == "refused":
                raise refused("The division cannot be a condition in a session of a division")

    # Where rows come from

    def rows(self, name: str, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """In the order of the key. Rows that do not have what is wanted may be left out."""
        if name in {"FGLEDG", "FGLEDX"}:
            return self._ledger(name, wanted)
        if name == "FGLINH":
            return (batch["head"] for batch in self._batches(wanted) if batch["head"])
        if name == "FCR040":
            return self._work()
        return self._lines(name, wanted)

    def _ledger(self, name: str, wanted: Wanted) -> Iterator[dict[str, Any]]:
        for journal in self.jobs.journals():
            is_asked = all(journal[each] == wanted.get(each, journal[each]) for each in ("DIVI", "YEA4", "JRNO"))
            if not is_asked or wanted.get("GEXI", "") not in {"", *journal["information"]}:
                continue
            for row in self.jobs.rows_of(journal):
                if name == "FGLEDG":
                    yield row
                    continue
                for number, text in row["information"]:
                    key = {each: row[each] for each in ("CONO", "DIVI", "YEA4", "JRNO", "JSNO")}
                    yield {**key, "GEXN": number, "GEXI": text, "TXID": "0"}

    def _batches(self, wanted: Wanted) -> list[dict[str, Any]]:
        found = sorted(self.interface.batches(), key=lambda batch: str(batch["key"]))
        key1 = wanted.get("KEY1")
        return [batch for batch in found if key1 is None or batch["key"].split("/", 2)[2] == key1]

    def _lines(self, name: str, wanted: Wanted) -> Iterator[dict[str, Any]]:
        for batch in self._batches(wanted):
            for row in self.interface.lines(batch["key"]):
                if ("PARM" in row) == (name == "FGLINL"):
                    yield row

    def _work(self) -> Iterator[dict[str, Any]]:
        for job in self.jobs.all():
            if job["state"] in WORK_STATUS:
                for row in self.jobs.lines_of(job):
                    yield {**row, "STAT": WORK_STATUS[job["state"]]}


def replies(question: Question, rows: list[dict[str, Any]], separator: str) -> Iterator[str]:
    if not question.columns:
        yield str(len(rows))
        return
    for row in rows:
        yield separator.join(shown(column, row) for column in question.columns)


def shown(column: Column, row: Mapping[str, Any]) -> str:
    """A number without a value is 0; one of a line that was staged is shown as the table keeps it."""
    value = str(row.get(column.field, ""))
    if column.kind == "A":
        return value
    return f"{Decimal(value or '0'):.{column.decimals}f}" if re.fullmatch(r"-?\d*\.?\d+|", value) else value
