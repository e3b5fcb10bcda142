"""What staged rows and results of runs mean together: every combination that can be met."""

from __future__ import annotations

from typing import Any

import pytest

from audit.exchange import TemporaryFailure
from erp.connector import Absent, CannotTell, Found
from erp.infor.fsm.fields import fields_of
from erp.infor.fsm.journal import SEQUENCE, is_staged_exactly, is_staged_once, row_bodies, totals_of
from erp.infor.fsm.ledger import Known, RunResult, Stage, judged
from tests.erp.infor.fsm.conftest import DEFAULTS, payroll

FIELDS = fields_of({**DEFAULTS, "enterprise_group": "1"})
JOURNAL = payroll(4)
GOOD, BAD = RunResult(7, "1", 4, 4, 0), RunResult(7, "2", 4, 3, 1)
OLD = RunResult(5, "1", 4, 4, 0)
NEVER, SUBMITTED = Known(), Known(is_submitted=True, results_before=5)
VALIDATED = Known(results_before=5, is_validated=True)
STAGED = Found(JOURNAL.posting_key, False, False, 4, JOURNAL.debit, JOURNAL.credit, "Staged, not interfaced.")
ENTERED = Found(JOURNAL.posting_key, True, False, 4, JOURNAL.debit, JOURNAL.credit)


def rows(statuses: str) -> list[dict[str, str]]:
    amounts = [str(line.debit - line.credit) for line in JOURNAL.lines]
    return [{"Status": status, "TransactionAmount": amount} for status, amount in zip(statuses, amounts, strict=False)]


@pytest.mark.parametrize(
    ("known", "statuses", "results", "stage", "expected"),
    [
        # Nothing of ours was submitted.
        (NEVER, "", [], Stage.NOTHING, Absent()),
        (NEVER, "", [BAD], Stage.NOTHING, Absent()),
        (NEVER, "", [GOOD], Stage.UNCLEAR, CannotTell),
        (NEVER, "0000", [], Stage.STAGED, STAGED),
        (NEVER, "0003", [BAD], Stage.STAGED, STAGED),
        (NEVER, "1111", [], Stage.STAGED, STAGED),
        (NEVER, "0000", [GOOD], Stage.UNCLEAR, CannotTell),
        (NEVER, "2222", [], Stage.ENTERED, ENTERED),
        (NEVER, "2222", [GOOD], Stage.ENTERED, ENTERED),
        (NEVER, "2220", [BAD], Stage.UNCLEAR, CannotTell),
        # A validation of ours left.
        (VALIDATED, "0000", [OLD, GOOD], Stage.STAGED, STAGED),
        (VALIDATED, "0003", [OLD, BAD], Stage.STAGED, STAGED),
        (VALIDATED, "0000", [OLD], Stage.STAGED, STAGED),
        (VALIDATED, "", [GOOD], Stage.NOTHING, Absent()),
        (VALIDATED, "2222", [GOOD], Stage.ENTERED, ENTERED),
        # The run left.
        (SUBMITTED, "0000", [], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "0000", [OLD], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "1111", [OLD], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "", [OLD], Stage.NOTHING, Absent(was_known=True)),
        (SUBMITTED, "2222", [OLD], Stage.ENTERED, ENTERED),
        (SUBMITTED, "2222", [OLD, GOOD], Stage.ENTERED, ENTERED),
        (SUBMITTED, "0000", [OLD, GOOD], Stage.ENTERED, ENTERED),
        (SUBMITTED, "", [OLD, GOOD], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "000", [OLD, GOOD], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "0003", [OLD, BAD], Stage.STAGED, STAGED),
        (SUBMITTED, "", [OLD, BAD], Stage.NOTHING, Absent()),
        (SUBMITTED, "2200", [OLD, GOOD], Stage.UNCLEAR, CannotTell),
        (SUBMITTED, "0000", [OLD, RunResult(7, "0", 4, 4, 0)], Stage.UNCLEAR, CannotTell),
    ],
)  # fmt: skip
def test_what_is_seen_means_one_thing(
    known: Known, statuses: str, results: list[RunResult], stage: Stage, expected: Any
) -> None:
    look = judged(JOURNAL, known, rows(statuses), results)
    assert look.stage is stage
    if expected is CannotTell:
        assert isinstance(look.result, CannotTell)
        assert JOURNAL.posting_key in look.result.sentence
    else:
        assert look.result == expected


def test_once_a_run_left_absence_is_only_what_a_person_made() -> None:
    """Never a bare Absent, after which posting would send again, unless FSM said that the run took nothing."""
    for statuses in ("", "0000", "1111", "2222", "0003", "2200"):
        for results in ([], [OLD], [OLD, GOOD], [OLD, RunResult(9, "", 0, 0, 0)]):
            look = judged(JOURNAL, SUBMITTED, rows(statuses), results)
            assert look.result != Absent()
            assert look.stage is not Stage.STAGED


def test_rows_that_were_changed_are_not_the_journal() -> None:
    changed = rows("2222")
    changed[0]["TransactionAmount"] = "93.100"
    look = judged(JOURNAL, SUBMITTED, changed, [OLD, GOOD])
    assert isinstance(look.result, CannotTell)
    assert look.result.needs_person
    assert f"Run group {JOURNAL.posting_key} is interfaced in FSM with 4 lines" in look.result.sentence


def test_a_journal_that_was_interfaced_twice_is_for_a_person() -> None:
    twice = [*rows("2222"), *rows("2222")]
    look = judged(JOURNAL, SUBMITTED, twice, [OLD, RunResult(7, "1", 8, 8, 0)])
    assert isinstance(look.result, CannotTell)
    assert look.result.needs_person


@pytest.mark.parametrize("row", [{}, {"GLTransactionInterfaceResult": "x"}])
def test_a_result_that_cannot_be_read_is_none(row: dict[str, str]) -> None:
    with pytest.raises(TemporaryFailure):
        RunResult.of(row)


def staged_as(**changed: str) -> list[dict[str, str]]:
    bodies = row_bodies(JOURNAL, {"CostCenter": "AccountingUnit"}, FIELDS)
    shown = [{**body, "TransactionAmount": f"{body['TransactionAmount']}0", "ErrorMessage": ""} for body in bodies]
    shown[1].update(changed)
    return shown


@pytest.mark.parametrize(
    ("changed", "is_exact"),
    [
        ({}, True),
        ({"TransactionAmount": "100.1"}, True),
        ({"TransactionAmount": "100.11"}, False),
        ({"TransactionAmount": "100.1001"}, False),
        ({"AccountCode": "6100"}, False),
        ({"AccountingUnit": ""}, False),
        ({"FinanceDimension10": "X"}, False),
        ({"PostingDate": "20260801"}, False),
        ({"Reference": ""}, False),
        ({"GLTransactionInterface.SequenceNumber": "1"}, False),
        ({"ErrorMessage": "wrong"}, False),
        ({"Status": "3"}, False),
    ],
)
def test_rows_are_ours_only_exactly(changed: dict[str, str], is_exact: bool) -> None:
    bodies = row_bodies(JOURNAL, {"CostCenter": "AccountingUnit"}, FIELDS)
    assert is_staged_exactly(bodies, staged_as(**changed)) is is_exact


def test_rows_are_ours_only_once_each() -> None:
    bodies = row_bodies(JOURNAL, {"CostCenter": "AccountingUnit"}, FIELDS)
    shown = staged_as()
    assert is_staged_exactly(bodies, shown[::-1])
    assert not is_staged_exactly(bodies, [*shown, shown[0]])
    assert not is_staged_exactly(bodies, shown[:-1])
    # Of what was just sent, FSM may show other texts.
    assert is_staged_once(bodies, staged_as(AccountCode="006000", **{SEQUENCE: "002"}))
    assert not is_staged_once(bodies, [*shown, shown[0]])
    assert not is_staged_once(bodies, staged_as(TransactionAmount="100.11"))
    with pytest.raises(TemporaryFailure, match="an amount that cannot be read"):
        totals_of([{"TransactionAmount": "1,00"}])
