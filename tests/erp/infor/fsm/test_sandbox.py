"""The FSM sandbox, rule by rule: what staging takes, what a run finds, what lists show, and its switches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests

from erp.infor.fsm.sandbox_lpl import LplError, parse
from tests.erp.infor.fsm.conftest import Fsm

STAGING = "/classes/GLTransactionInterface"
LIST = f"{STAGING}/lists/_generic"
RUN = "/ldrest/GLTransactionInterface/InterfaceTransactions_InterfaceTransactionsForm_FormOperation"
DELETE = (
    "/ldrest/GLTransactionInterface/DeleteAllTransactionsForRunGroup_DeleteAllTransactionsForRunGroupForm_FormOperation"
)
GROUP, SEQUENCE = "GLTransactionInterface.RunGroup", "GLTransactionInterface.SequenceNumber"


def row(number: int = 1, **changed: Any) -> dict[str, Any]:
    found = {
        "FinanceEnterpriseGroup": "1", GROUP: "run1", SEQUENCE: str(number), "AccountingEntity": "100",
        "AccountCode": "6000", "PostingDate": "20260731", "CurrencyCode": "USD", "TransactionAmount": "10.5",
    }  # fmt: skip
    return {name: value for name, value in {**found, **changed}.items() if value is not None}


def stage(fsm: Fsm, *rows: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    body = {"_records": [{"message": "BatchImport", "_fields": each} for each in rows]}
    answer = fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", query, body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def run(fsm: Fsm, **changed: str) -> requests.Response:
    query = {
        "PrmRunGroup": "run1", "PrmEnterpriseGroup": "1", "PrmEditOnly": "false", "PrmEditAndInterface": "true",
        "PrmPartialUpdate": "false", "PrmJournalizeByEntity": "true",
    }  # fmt: skip
    return fsm.ask(RUN, {**query, **changed})


def result(fsm: Fsm) -> tuple[str, str, str, str]:
    last = fsm.state()["results"][-1]
    return last["Status"], last["RecordCount"], last["PassedCount"], last["FailedCount"]


def errors(fsm: Fsm) -> list[tuple[str, str]]:
    return [(each["Status"], each["ErrorMessage"]) for each in fsm.state()["staged"].get("RUN1", [])]


# Staging


def test_staging_takes_any_account_dimension_period_and_sum(fsm: Fsm) -> None:
    answer = stage(fsm, row(AccountCode="nowhere", AccountingUnit="x", FinanceDimension9="y", PostingDate="20991231"))
    assert answer[0]["message"] == "Global Ledger Transaction Interface created"
    assert answer[-1] == {"batchStatus": "0"}
    assert fsm.state()["staged"]["RUN1"][0]["AccountCode"] == "nowhere"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Colour": "red"}, "Colour is not a field of GLTransactionInterface"),
        ({"AccountCode": None}, "AccountCode is required"),
        ({"PostingDate": ""}, "PostingDate is required"),
        ({"PostingDate": "2026-07-31"}, "PostingDate is not a valid date"),
        ({"TransactionAmount": 10.5}, "TransactionAmount must be a string"),
        ({"TransactionAmount": "10,50"}, "TransactionAmount is not a valid number"),
        ({"Status": "7"}, "7 is not a valid state of Status"),
        ({GROUP: "R" * 31}, "Run Group may have 30 characters"),
        ({SEQUENCE: "one"}, "Sequence Number is not a valid number"),
    ],
)
def test_the_form_of_a_row_is_checked_and_the_others_are_created(fsm: Fsm, changed: dict[str, Any], words: str) -> None:
    first, wrong, last, status = stage(fsm, row(1), row(2, **changed), row(3))
    assert "exception" not in first
    assert words in wrong["exception"]["message"]
    assert last["_fields"][SEQUENCE] == "3"
    assert status == {"batchStatus": "0"}


def test_a_single_row_is_created_or_refused_with_400(fsm: Fsm) -> None:
    path = f"{STAGING}/actions/CreateUnreleased"
    answer = fsm.ask(path, None, row())
    assert (answer.status_code, answer.json()["_fields"]["TransactionAmount"]) == (200, "10.500")
    answer = fsm.ask(path, None, row(AccountCode=None))
    assert (answer.status_code, answer.json()) == (400, {"code": "", "message": "AccountCode is required"})


@pytest.mark.parametrize(
    "body", [{}, {"_records": []}, {"_records": [{}]}, {"_records": [{"_fields": {}}], "x": 1}, []]
)
def test_what_is_no_batch_is_refused_as_a_whole(fsm: Fsm, body: Any) -> None:
    assert fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", None, body).status_code == 400


def test_a_batch_stops_at_its_limit_of_failures(fsm: Fsm) -> None:
    answer = stage(fsm, row(1), row(2, AccountCode=None), row(3), _maxFailures="0")
    assert [("exception" in each) for each in answer] == [False, True, False]
    assert len(fsm.state()["staged"]["RUN1"]) == 1


@pytest.mark.parametrize(("duplicates", "count"), [("accepted", 2), ("refused", 1)])
def test_a_sequence_number_twice_is_taken_or_refused(fsm: Fsm, duplicates: str, count: int) -> None:
    fsm.set(duplicates=duplicates)
    stage(fsm, row())
    second, _ = stage(fsm, row())
    assert ("exception" in second) == (count == 1)
    assert len(fsm.state()["staged"]["RUN1"]) == count


def test_a_batch_may_be_too_long(fsm: Fsm) -> None:
    fsm.set(batch_max=1)
    body = {"_records": [{"_fields": row(1)}, {"_fields": row(2)}]}
    answer = fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", None, body)
    assert answer.json()["message"] == "a batch may have 1 records"


# Runs


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"AccountingEntity": "999"}, "Accounting Entity 999 does not exist"),
        ({"PostingDate": "20400825"}, "No period found for Posting Date August 25, 2040"),
        ({"PostingDate": "20240825"}, "Period is closed for Posting Date August 25, 2024"),
        ({"AccountCode": "9999"}, "Account 9999 does not exist"),
        ({"AccountCode": "6190"}, "Account 6190 is not active"),
        ({"AccountingUnit": "199"}, "Accounting Unit 199 does not exist"),
        ({"AccountingUnit": "190"}, "Accounting Unit 190 is not active"),
        ({"FinanceDimension1": "PDX"}, "Finance Dimension 1 PDX is not active"),
        ({"FinanceDimension2": "G9"}, "Finance Dimension 2 G9 does not exist"),
        ({"CurrencyCode": "XXX"}, "Currency XXX does not exist"),
        ({"JournalCode": "XX"}, "Journal Code XX does not exist"),
    ],
)
def test_a_run_takes_no_row_of_an_entity_where_one_is_wrong(fsm: Fsm, changed: dict[str, str], words: str) -> None:
    stage(fsm, row(1), row(2, **changed))
    assert run(fsm).status_code == 200
    assert result(fsm) == ("2", "2", "1", "1")
    assert errors(fsm)[1] == ("3", words)
    taken = [each["entity"] for each in fsm.journals()]
    # The other row is of another entity than the unknown one.
    assert taken == (["100"] if "AccountingEntity" in changed else [])


def test_a_run_takes_a_group_that_does_not_balance(fsm: Fsm) -> None:
    stage(fsm, row(1), row(2, TransactionAmount="-3"))
    run(fsm)
    assert result(fsm) == ("1", "2", "2", "0")
    (journal,) = fsm.journals()
    assert (journal["debit"], journal["credit"]) == (Decimal("10.50"), Decimal("3.00"))
    assert [status for status, _ in errors(fsm)] == ["2", "2"]


def test_partial_update_takes_the_clean_rows(fsm: Fsm) -> None:
    stage(fsm, row(1), row(2, AccountCode="9999"))
    run(fsm, PrmPartialUpdate="true")
    assert [each["row_count"] for each in fsm.journals()] == [1]
    assert [status for status, _ in errors(fsm)] == ["2", "3"]


def test_entities_are_taken_each_for_itself(fsm: Fsm) -> None:
    stage(fsm, row(1), row(2, AccountingEntity="200", AccountCode="9999"), row(3, AccountingEntity="200"))
    run(fsm)
    assert [each["entity"] for each in fsm.journals()] == ["100"]


def test_journals_are_made_by_journal_code_where_that_is_wanted(fsm: Fsm) -> None:
    stage(fsm, row(1, JournalCode="PR"), row(2, JournalCode="JE"))
    run(fsm, PrmJournalizeByEntity="false", PrmJournalByJournalCode="true")
    assert len(fsm.journals()) == 2


def test_edit_only_takes_nothing_and_says_what_is_wrong(fsm: Fsm) -> None:
    stage(fsm, row(1), row(2, AccountCode="9999"))
    run(fsm, PrmEditOnly="true", PrmEditAndInterface="false")
    assert fsm.journals() == []
    assert [status for status, _ in errors(fsm)] == ["0", "3"]
    assert result(fsm) == ("2", "2", "1", "1")


def test_a_second_run_takes_only_what_the_first_left(fsm: Fsm) -> None:
    stage(fsm, row(1))
    run(fsm)
    run(fsm)
    assert result(fsm) == ("1", "0", "0", "0")
    assert len(fsm.journals()) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"PrmColour": "red"}, "PrmColour is not a parameter"),
        ({"PrmPartialUpdate": "yes"}, "PrmPartialUpdate is not a valid boolean"),
        ({"PrmRunGroup": ""}, "Run Group is required"),
        ({"PrmEnterpriseGroup": "9"}, "Enterprise Group does not exist"),
        ({"PrmEditOnly": "true"}, "Select either Edit Only or Edit And Interface"),
    ],
)
def test_a_run_with_other_parameters_is_refused(fsm: Fsm, changed: dict[str, str], words: str) -> None:
    answer = run(fsm, **changed)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert fsm.state()["results"] == []


def test_a_run_happens_when_it_is_told_to(fsm: Fsm) -> None:
    fsm.set(waits_for_control=True)
    stage(fsm, row())
    assert run(fsm).json()[0]["message"] == "Interface Transactions Submitted"
    assert fsm.state()["results"] == []
    fsm.suite.finish_runs()
    assert result(fsm) == ("1", "1", "1", "0")


def test_back_periods_and_required_units_are_switches(own_fsm: Fsm) -> None:
    stage(own_fsm, row(PostingDate="20240825"))
    own_fsm.set(allows_back_periods=True)
    run(own_fsm)
    assert result(own_fsm) == ("1", "1", "1", "0")
    own_fsm.suite.books.change_record("FinanceEnterpriseGroup", "1", {"AccountingUnitRequired": "true"})
    stage(own_fsm, row(2))
    run(own_fsm)
    assert errors(own_fsm)[-1] == ("3", "Accounting Unit is required")


def test_journals_are_posted_by_a_person_or_by_themselves(fsm: Fsm) -> None:
    stage(fsm, row())
    run(fsm)
    query = {"_fields": "ControlDocumentNumber,FinanceCodeBlock,Debit,Credit"}
    details = "/classes/GLTransactionDetail/lists/_generic"
    assert fsm.ask(details, query).json() == [{"_count": 0}]
    (number,) = fsm.suite.post_journals(run_group="RUN1")
    _, line = fsm.ask(details, query).json()
    assert line["_fields"]["ControlDocumentNumber"] == number
    assert line["_fields"]["FinanceCodeBlock"].startswith("CORE|100||6000|")
    assert (line["_fields"]["Debit"], line["_fields"]["Credit"]) == ("10.500", "0.000")
    fsm.set(post_after_seconds=0.001)
    stage(fsm, row(2))
    run(fsm)
    assert len(fsm.ask(details, query).json()) == 3


# Taking out


def test_staged_rows_are_taken_out_and_interfaced_ones_only_once_they_are_posted(fsm: Fsm) -> None:
    stage(fsm, row())
    assert fsm.ask(DELETE, {"PrmRunGroup": "run1"}).status_code == 200
    assert fsm.state()["staged"] == {}
    stage(fsm, row())
    run(fsm)
    assert fsm.ask(DELETE, {"PrmRunGroup": "run1"}).status_code == 400
    fsm.suite.post_journals()
    assert fsm.ask(DELETE, {"PrmRunGroup": "run1"}).status_code == 200
    assert (fsm.state()["staged"], len(fsm.journals())) == ({}, 1)


# Lists


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "_fields is required"),
        ({"_fields": "Colour"}, "Colour is not a field of GLTransactionInterface"),
        ({"_fields": "Status", "_setName": "ByColour"}, "ByColour is not a set of GLTransactionInterface"),
        ({"_fields": "Status", "_limit": "many"}, "_limit many is not a valid number"),
        ({"_fields": "Status", "_colour": "red"}, "_colour is not a parameter"),
        ({"_fields": "Status", "_filter": "Status"}, "Status is not a filter"),
        ({"_fields": "Status", "_out": "CSV"}, "JSON"),
    ],
)
def test_a_list_with_another_query_is_refused(fsm: Fsm, query: dict[str, str], words: str) -> None:
    answer = fsm.ask(LIST, query)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_a_list_that_is_not_there_is_404(fsm: Fsm) -> None:
    assert fsm.ask("/classes/GLTransactionInterface/lists/Colours", {"_fields": "_all"}).status_code == 404
    assert fsm.ask("/classes/Colour/lists/_generic", {"_fields": "_all"}).status_code == 404


def test_a_list_is_filtered_in_both_ways_and_counted_on_demand(fsm: Fsm) -> None:
    stage(fsm, *(row(number, AccountCode="6000" if number % 2 else "6100") for number in range(1, 8)))
    query = {"_fields": SEQUENCE, "_limit": "100"}
    header, *rows = fsm.ask(LIST, {**query, "_lplFilter": f'{GROUP} = "RUN1" and not AccountCode = "6000"'}).json()
    assert header["_count"] == -1
    assert [each["_fields"][SEQUENCE] for each in rows] == ["2", "4", "6"]
    header, *rows = fsm.ask(
        LIST, {**query, "_filter": "AccountCode::6100|Status::0", "_omitCountValue": "false"}
    ).json()
    assert (header["_count"], len(rows)) == (3, 3)
    assert fsm.ask(LIST, {**query, "_recordCountOnly": "true"}).json() == [{"_count": 7}]
    assert len(fsm.ask(LIST, {"_fields": "_all"}).json()[1]["_fields"]) > 70


def test_a_page_asked_for_by_hand_loses_its_filter_and_the_link_keeps_it(fsm: Fsm) -> None:
    stage(fsm, *(row(number, AccountCode="6000" if number % 2 else "6100") for number in range(1, 11)))
    query = {"_fields": SEQUENCE, "_limit": "2", "_lplFilter": 'AccountCode = "6100"'}
    header, *_ = fsm.ask(LIST, query).json()
    (link,) = [each["href"] for each in header["_links"] if each["rel"] == "next"]
    kept = fsm.ask(f"{STAGING}/lists/{link.removeprefix('../lists/')}").json()
    assert [each["_fields"][SEQUENCE] for each in kept[1:]] == ["6", "8"]
    lost = fsm.ask(LIST, {**query, "_paging": "NEXT", "_rkn": "2"}).json()
    assert [each["_fields"][SEQUENCE] for each in lost[1:]] == ["3", "4"]


@pytest.mark.parametrize("style", ["error", "empty"])
def test_a_class_without_rights_is_an_error_or_empty(fsm: Fsm, style: str) -> None:
    fsm.set(denied_classes="AccountingUnit", denied_style=style)
    answer = fsm.ask("/classes/AccountingUnit/lists/_generic", {"_fields": "AccountingUnit"})
    assert (answer.status_code, answer.json()) in [
        (400, {"code": "", "message": "Actor is not authorized to access AccountingUnit"}),
        (200, [{"_count": 0}]),
    ]
    assert answer.status_code == (400 if style == "error" else 200)


# Filters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A = "1"', True),
        ('A="1" and B = "x"', False),
        ('A="2" or B = "2"', True),
        ('A = "1" and (B = "2" or B = "3")', True),
        ('not A = "1"', False),
        ('A <> "1" OR not B = "3"', True),
        ('A < "2" and B >= "2" and B != "9"', True),
    ],
)
def test_conditions_hold_as_they_read(text: str, expected: bool) -> None:
    assert parse(text, {"A", "B"}).test({"A": "1", "B": "2"}) is expected


@pytest.mark.parametrize(
    "text", ["A", "A =", 'A == "1"', 'C = "1"', 'A = "1" B = "2"', '(A = "1"', "A = 1", 'A = "1" and', "A ; B"]
)
def test_what_is_no_condition_is_said_in_the_words_of_fsm(text: str) -> None:
    with pytest.raises(LplError, match="ConditionNode tree failed"):
        parse(text, {"A", "B"})


def test_only_what_must_hold_can_be_used_as_an_index() -> None:
    assert parse('A = "1" and (B = "2" or B = "3")', {"A", "B"}).equal == {"A": "1"}
    assert parse('A = "1" or B = "2"', {"A", "B"}).equal == {}
    assert parse('not A = "1"', {"A", "B"}).equal == {}


# Control addresses


def control(fsm: Fsm, method: str, path: str, **body: Any) -> requests.Response:
    return requests.request(method, f"{fsm.server.address}/infor/_sandbox/FSM/{path}", json=body or None, timeout=10)


def test_a_person_in_fsm_can_be_played_by_control_addresses(own_fsm: Fsm) -> None:
    fsm = own_fsm
    stage(fsm, row())
    run(fsm)
    assert control(fsm, "GET", "ledger").json()["journals"][0]["run_group"] == "RUN1"
    assert control(fsm, "POST", "post-journals", run_group="OTHER").json() == {"journals": []}
    assert len(control(fsm, "POST", "post-journals").json()["journals"]) == 1
    changed = {"class": "GeneralLedgerChartAccount", "key": "6000", "Active": "false"}
    assert control(fsm, "POST", "records", **changed).status_code == 204
    assert control(fsm, "POST", "records", **{**changed, "Colour": "red"}).status_code == 422
    assert control(fsm, "POST", "records", **{**changed, "key": "1"}).status_code == 422
    assert control(fsm, "POST", "records", **{**changed, "class": "Colour"}).status_code == 422
    assert control(fsm, "POST", "records", **{**changed, "key": "6001", "new": True}).status_code == 204
    assert control(fsm, "DELETE", "records", **{"class": "AccountingUnit", "key": "100|100"}).status_code == 204
    assert fsm.suite.books.record("AccountingUnit", "100|100") is None
    assert control(fsm, "POST", "settings", duplicates="refused").json()["duplicates"] == "refused"
    assert control(fsm, "POST", "settings", duplicates="maybe").status_code == 422
    assert control(fsm, "DELETE", "run-groups/RUN1").status_code == 204
    assert control(fsm, "POST", "reset", everything=True).status_code == 204
    assert control(fsm, "GET", "settings").json()["duplicates"] == "accepted"
    assert fsm.state() == {"journals": [], "staged": {}, "results": []}
    assert control(fsm, "GET", "facts").json()["company_codes"] == ["100", "200", "300"]


def test_journals_and_run_groups_can_be_looked_at_and_posted(fsm: Fsm) -> None:
    address = fsm.suite.facts()["page"]
    assert "No journals yet." in requests.get(address, timeout=10).text
    stage(fsm, row(1, Description="<b>Wages</b>"), row(2, TransactionAmount="-10.5"))
    run(fsm)
    stage(fsm, row(1, **{GROUP: "run2"}, AccountCode="<9999>"))
    run(fsm, PrmRunGroup="run2")
    text = requests.get(address, timeout=10).text
    assert "run group RUN1" in text
    assert "not posted" in text
    assert "&lt;b&gt;Wages&lt;/b&gt;" in text
    assert "<td>Sum of 2 lines</td>" in text.replace(' colspan="7"', "")
    assert "Account &lt;9999&gt; does not exist" in text
    assert "not posted" not in requests.post(f"{address}post-button", timeout=10).text
    assert [each["is_posted"] for each in fsm.journals()] == [True]
