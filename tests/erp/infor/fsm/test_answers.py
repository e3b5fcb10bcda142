"""Answers of FSM taken apart, and what its words mean: one row of a test for each row of a table."""

from __future__ import annotations

from typing import Any

import pytest

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.infor.fsm.answers import batch_of, error_words, exception_of, operation_exception, page_of, plain
from erp.infor.fsm.journal import SEQUENCE
from erp.infor.fsm.refusals import REFUSALS, LineError, lines_refused, read_refused, refused


def row(number: str = "1") -> dict[str, Any]:
    return {"_fields": {SEQUENCE: number}, "message": "Global Ledger Transaction Interface created"}


def test_a_page_is_its_header_and_its_rows() -> None:
    next_link = {"rel": "next", "href": "../lists/_generic?_limit=1&_lplFilter=A%20%3D%20%22B%22&_rkn=1"}
    page = page_of(
        [{"_count": 7, "_links": [{"rel": "self", "href": "x"}, next_link]}, {"_fields": {"A": 1, "B": None}}], "it"
    )
    assert page.rows == ({"A": "1", "B": ""},)
    assert page.count == 7
    assert page.next_query == {"_limit": "1", "_lplFilter": 'A = "B"', "_rkn": "1"}


@pytest.mark.parametrize(
    ("document", "count"),
    [([{"_count": 0}], 0), ([{"_count": -1}], None), ([{"_count": "3"}], 3), ([], None), ([row()], None)],
)
def test_a_count_that_fsm_does_not_say_is_none(document: Any, count: int | None) -> None:
    assert page_of(document, "it").count == count


@pytest.mark.parametrize(
    "document", [None, {}, {"_count": 0}, ["a"], [{"_count": "x"}], [{"_count": 0}, {"exception": "no"}]]
)
def test_what_is_no_list_is_not_an_empty_one(document: Any) -> None:
    with pytest.raises(TemporaryFailure, match=r"an answer to it that cannot be read"):
        page_of(document, "it")


@pytest.mark.parametrize(
    ("answer", "created", "refused_rows", "is_complete"),
    [
        ([row("1"), row("2"), {"batchStatus": "0"}], 2, [], True),
        ([row("1"), {"batchStatus": "0"}], 1, [], False),
        ([row("1"), row("2")], 2, [], False),
        ([row("1"), row("2"), {"batchStatus": "1"}], 2, [], False),
        (
            [row("1"), {"_fields": {SEQUENCE: "2"}, "exception": {"message": "no"}}, {"batchStatus": "0"}],
            1,
            [("2", "no")],
            True,
        ),
        ([row("1"), {"_fields": {SEQUENCE: "2"}, "exception": "no"}, {"batchStatus": "1"}], 1, [("2", "no")], True),
        ([{**row("1"), "exception": "no"}, row("2"), {"batchStatus": "0"}], 1, [("1", "no")], True),
        ([{"exception": {}}, row("2"), {"batchStatus": "0"}], 1, [("", "no words")], True),
        (
            [{"_fields": {SEQUENCE: "1"}, "message": "BatchImport"}, row("2"), {"batchStatus": "0"}],
            1,
            [("1", "BatchImport")],
            True,
        ),
    ],
)
def test_every_row_of_a_batch_is_looked_at(
    answer: Any, created: int, refused_rows: list[tuple[str, str]], is_complete: bool
) -> None:
    found = batch_of(answer, SEQUENCE, 2)
    assert found is not None
    assert (len(found.created), list(found.refused), found.is_complete) == (created, refused_rows, is_complete)


@pytest.mark.parametrize("document", [None, {}, {"batchStatus": "0"}, ["a"], "text"])
def test_what_is_no_answer_to_a_batch_says_nothing(document: Any) -> None:
    assert batch_of(document, SEQUENCE, 1) is None


def test_words_are_found_wherever_they_stand() -> None:
    assert exception_of({"exception": {"message": " a\n b "}}) == "a b"
    assert exception_of({"exception": "a"}) == "a"
    assert exception_of({}) is None
    assert operation_exception([{"message": "submitted"}, {"exception": "a"}]) == "a"
    assert operation_exception({"exception": {"message": "a"}}) == "a"
    assert operation_exception(None) is None
    assert error_words({"code": "", "message": "a"}) == "a"
    assert error_words("a") == ""


def test_words_lose_what_only_infor_can_use() -> None:
    text = (
        "Exception ID: 0c7e2a39-a5c4-4d75-8f7c-f3c9a39da9c1 - com.lawson.rdtech.type.ViewException: Cannot delete, journalize not "
        "complete for this run group"
    )
    assert plain(text) == "Cannot delete, journalize not complete for this run group"
    assert len(plain("x" * 1000)) == 400


#: Words as FSM or the sandbox says them -> the row of the table that has to catch them, and the page it leads to.
WORDS = {
    "No period found for Posting Date August 25, 2025": ("No period found", "period"),
    "ConditionNode tree failed: X is not a field": ("ConditionNode tree failed", "connection"),
    "Expected a logical operator but found =": ("Expected a logical operator", "connection"),
    "SpecArray Invalid Operation: An attempt to add a null object has been detected.": (
        "SpecArray Invalid Operation",
        "connection",
    ),
    "Actor is not authorized to access AccountingUnit": ("not authorized", "connection"),
    "Security violation": ("security", "connection"),
    "Colour is not a field of Ledger": ("is not a field", "connection"),
    "LeafRecords is not a set of Ledger": ("is not a set", "connection"),
    "Cannot delete, journalize not complete for this run group": ("journalize not complete", ""),
    "Period is closed for Posting Date August 25, 2025": ("period", "period"),
    "Accounting Unit 200 is not active": ("accounting unit", "mapping"),
    "Finance Dimension 1 PDX does not exist": ("dimension", "mapping"),
    "Account 6190 is not active": ("account", "mapping"),
}


def test_every_row_of_the_table_has_its_words() -> None:
    assert {text for text, _ in WORDS.values()} == {refusal.text for refusal in REFUSALS}


@pytest.mark.parametrize("words", WORDS)
def test_words_lead_to_the_page_where_they_are_repaired(words: str) -> None:
    text, page = WORDS[words]
    first = next(refusal for refusal in REFUSALS if refusal.text.casefold() in words.casefold())
    assert (first.text, first.page) == (text, page)
    error = refused(words, "the rows")
    assert f"FSM did not accept the rows: “{words}” {first.advice}" == error.sentence
    assert getattr(error, "page", "") == page
    assert isinstance(error, Misconfigured if page else Rejected)


def test_unknown_words_are_a_refusal_in_their_own_words() -> None:
    error = refused("Konto gesperrt", "the rows")
    assert isinstance(error, Rejected)
    assert error.sentence == "FSM did not accept the rows: “Konto gesperrt”"


def test_a_read_is_refused_for_a_right_or_a_name() -> None:
    assert isinstance(read_refused("Actor is not authorized to access Ledger", "the ledger"), Misconfigured)
    assert isinstance(read_refused("Kein Zugriff", "the ledger"), Misconfigured)
    assert isinstance(read_refused("", "the ledger"), TemporaryFailure)


def test_lines_with_the_same_error_are_one_sentence() -> None:
    errors = [LineError(str(number), "6000", "Kostenstelle fehlt") for number in range(1, 9)]
    error = lines_refused([*errors, LineError("9", "6100", "Account 6100 is not active")], 9)
    assert isinstance(error, Rejected)
    assert error.sentence == (
        "FSM did not take the journal. Lines 1, 2, 3, 4, 5, 6 and more (account 6000): “Kostenstelle fehlt” Line 9 (account 6100): "
        "“Account 6100 is not active”"
    )


def test_lines_wait_for_a_repair_only_where_every_one_of_them_does() -> None:
    period, account = LineError("1", "6000", "No period found"), LineError("2", "6000", "Account 6000 is not active")
    both = lines_refused([period, account], 2)
    assert isinstance(both, Misconfigured)
    assert both.page == "mapping"
    assert both.sentence.endswith(
        "Open the period in FSM, or change the posting date. Repair the mapping table, or the account in FSM."
    )
    assert isinstance(lines_refused([], 3), Rejected)
    assert "3 of its rows were refused, and it does not say why" in lines_refused([], 3).sentence


def test_a_sentence_names_eight_errors_and_counts_the_rest() -> None:
    errors = [
        LineError(str(number), str(6000 + number), f"Account {6000 + number} is not active") for number in range(1, 12)
    ]
    assert " And 3 more." in lines_refused(errors, 11).sentence
