"""The stored trace of a journal: which payroll line put how much into which journal line, by which target of which rule.

It holds people's pay, so it is kept as one sealed blob (`erp.building.keep`) and opened only when somebody asks. A payroll
of ten thousand people has a quarter of a million rows: what holds for many of them is stored once, and rows are made as
they are read.

The blob opens to JSON {"lines": {number: [one value per field of LINE_FIELDS]}, "blocks": [[journal line, main account,
dimensions, side, [[kind of leg, rule, target, {number: cents}]]]]}; what a field means is `mappings.trace.TraceRow`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from erp.models import Posting
from mappings.payroll import PayrollHeader
from mappings.splitting import from_cents
from mappings.trace import LegKind, Trace
from tenants.secrets import unsealed

#: What is kept of a payroll line. Due-to and due-from have none behind them: number 0, and empty texts.
LINE_FIELDS = ("kind", "component", "employee", "employee_code", "department", "job")
_line_values = attrgetter(*LINE_FIELDS)
_NO_LINE = ("",) * len(LINE_FIELDS)


def trace_of(trace: Trace, header: PayrollHeader) -> bytes:
    """The trace of one journal as JSON: its part of the trace of an allocation, and the run's header with all lines."""
    blocks = [
        (
            block.journal_line,
            block.main_account,
            block.dimensions,
            block.side,
            [(leg.leg, leg.rule, leg.target, dict(leg.by_line())) for leg in block.sources],
        )
        for block in trace.blocks
    ]
    numbers = {number for *_, legs in blocks for *_, cents in legs for number in cents}
    lines = {line.number: _line_values(line) for line in header.lines if line.number in numbers}
    return _json({"lines": lines, "blocks": blocks})


def contra_trace_of(posting: Posting) -> bytes:
    """The trace, as JSON, of the journal that undoes this one, inside a scope: every amount turned."""
    document = _opened(posting)
    for *_, legs in document["blocks"]:
        for leg in legs:
            leg[0] = LegKind.CONTRA
            leg[3] = {number: -cents for number, cents in leg[3].items()}
    return _json(document)


def trace_rows(posting: Posting, journal_line: int) -> Iterator[dict[str, Any]]:
    """The rows behind one journal line, inside a scope. Holds people's pay: show it to those who may see pay, and record
    it.
    """
    document = _opened(posting)
    lines = document["lines"]
    for number, main_account, dimensions, side, legs in document["blocks"]:
        if number != journal_line:
            continue
        for leg, rule, target, amounts in legs:
            for line, cents in amounts.items():
                yield {
                    "journal_line": number, "main_account": main_account, "dimensions": dimensions, "side": side,
                    "leg": leg, "rule": rule, "target": target, "line": int(line), "amount": from_cents(cents),
                    **dict(zip(LINE_FIELDS, lines.get(line, _NO_LINE), strict=True)),
                }  # fmt: skip


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _opened(posting: Posting) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(unsealed(posting.trace.sealed)))
    return document
