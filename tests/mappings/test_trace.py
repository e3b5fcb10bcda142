"""The trace reads like a tuple of rows, whatever it is kept as."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from mappings.allocation import Allocation, LegKind, Trace, TraceRow, allocate
from mappings.payroll import Side
from mappings.policy import Straddle
from tests.mappings.runs import run, table

LINES = """
    earning       Hours           E01 J2 Cafe  100.00
    earning       Hours           E01 J1 Cafe  100.00
    employer_tax  FUTA            E01 - Cafe   3.01
    net_pay       Direct Deposit  E01 - Cafe   200.00
    """
RULES = """
    R01  earning       -  debit 50% 6000, 50% 6001
    R03  employer_tax  -  debit 6100; credit 2110
    R10  net_pay       -  credit 2110
    """


@pytest.fixture
def allocation() -> Allocation:
    return allocate(run(LINES), table(RULES))


def test_rows_stand_by_journal_line_then_payroll_line_then_rule_and_target(allocation: Allocation):
    assert [(row.journal_line, row.main_account, row.line, row.rule, str(row.amount)) for row in allocation.trace] == [
        (1, "6000", 1, "R01", "50.00"),
        (1, "6000", 2, "R01", "50.00"),
        (2, "6001", 1, "R01", "50.00"),
        (2, "6001", 2, "R01", "50.00"),
        (3, "6100", 3, "R03", "3.01"),
        (4, "2110", 3, "R03", "3.01"),
        (4, "2110", 4, "R10", "200.00"),
    ]


def test_parts_of_a_line_that_meet_again_are_one_row(allocation: Allocation):
    """The employer tax went apart by job and meets on both accounts."""
    (source,) = next(block for block in allocation.trace.blocks if block.main_account == "6100").sources
    assert [dict(portion) for portion in source.portions] == [{3: 151}, {3: 150}]
    assert source.by_line() == {3: 301}


def test_it_is_indexed_sliced_counted_and_compared(allocation: Allocation):
    trace = allocation.trace
    rows = tuple(trace)
    assert len(trace) == len(rows) == 7
    assert trace[4] == rows[4]
    assert trace[-1] == rows[-1]
    assert trace[1:3] == rows[1:3]
    assert rows[3] in trace
    with pytest.raises(IndexError):
        trace[7]
    assert trace == rows
    assert trace == allocate(run(LINES), table(RULES)).trace
    assert trace != rows[:-1]
    assert hash(trace) == hash(rows)
    assert repr(trace) == repr(rows)
    assert not Trace()
    assert all(isinstance(row, TraceRow) and isinstance(row.amount, Decimal) for row in trace)


def test_the_rows_of_one_journal():
    over_a_month_end = {
        "period_start": date(2026, 6, 22),
        "period_end": date(2026, 7, 5),
        "check_date": date(2026, 7, 10),
    }
    policy = {"straddle": Straddle.CALENDAR_DAYS, "accrual_account": "2190"}
    allocation = allocate(run(LINES, **over_a_month_end), table(RULES, **policy))
    assert [journal.kind.value for journal in allocation.journals] == ["ACCRUAL", "REVERSAL", "PAYROLL"]
    for position in range(3):
        mine = allocation.trace.of_journal(position)
        assert tuple(mine) == tuple(row for row in allocation.trace if row.journal == position)
        assert {row.leg for row in mine} == {[LegKind.ACCRUED, LegKind.CONTRA, LegKind.NATURAL][position]}
    accrued, undone = (allocation.trace.of_journal(position) for position in (0, 1))
    assert [(row.main_account, row.line, row.amount, row.journal_line) for row in accrued] == [
        (row.main_account, row.line, row.amount, row.journal_line) for row in undone
    ]
    assert {(row.side, other.side) for row, other in zip(accrued, undone, strict=True)} == {
        (Side.DEBIT, Side.CREDIT),
        (Side.CREDIT, Side.DEBIT),
    }
