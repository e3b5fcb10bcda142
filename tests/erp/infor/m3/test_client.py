"""Answers of M3 taken apart: every published reply, and what cannot be matched with what was sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.infor.m3.client import Call, RefusedWhole, Result, _results, is_true
from erp.infor.m3.refusals import MiError, Next, next_of
from tests.erp.infor.m3.conftest import M3

SAMPLES = "reference/infor-m3/samples"


def sample(shared: Path, name: str) -> Any:
    return json.loads((shared / SAMPLES / f"{name}.json").read_text())["body"]


def stage_calls(count: int) -> list[Call]:
    return [Call("AddBatchHead"), *[Call("AddBatchLineFld")] * (count - 1)]


def states(results: list[Result]) -> list[str]:
    """One word per result."""
    return [
        next_of(result.error).name if result.error else "done" if result.is_processed else "left out"
        for result in results
    ]


# Published replies


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bulk-stage-response-ok", ["done"] * 7),
        ("bulk-stage-response-partial-continue", ["done"] * 3 + ["REFUSED"] + ["done"] * 3),
        ("bulk-stage-response-stopped", ["done"] * 3 + ["REFUSED"] + ["left out"] * 3),
        ("bulk-stage-response-duplicate", ["DUPLICATE"] * 7),
    ],
)
def test_every_line_of_a_published_bulk_is_judged_by_itself(shared: Path, name: str, expected: list[str]) -> None:
    assert states(_results(sample(shared, name), stage_calls(7), "lines", has_effect=True)) == expected


@pytest.mark.contract
@pytest.mark.parametrize("name", ["v2-get-not-found-200", "v2-get-not-found-400"])
def test_the_same_error_is_read_in_both_transports(shared: Path, name: str) -> None:
    (result,) = _results(sample(shared, name), [Call("GetAccountID")], "an account", has_effect=False)
    assert result.error == MiError("XRE0103", "Record does not exist", "AITM", "ServerReturnedNOK")
    assert result.records == ()


@pytest.mark.contract
def test_published_records_are_texts(shared: Path) -> None:
    (result,) = _results(sample(shared, "v2-get-ok"), [Call("GetAccountID")], "an account", has_effect=False)
    assert result.error is None
    assert result.records[0]["AITM"] == "6000"
    assert all(isinstance(value, str) for value in result.records[0].values())


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "read", "write"),
    [
        ("v2-400-terminated", RefusedWhole, Rejected),
        ("v2-unknown-transaction", RefusedWhole, Misconfigured),
        ("v2-200-empty-results", TemporaryFailure, OutcomeUnknown),
    ],
)
def test_a_published_answer_without_results(
    shared: Path, name: str, read: type[ExchangeError], write: type[ExchangeError]
) -> None:
    for has_effect, expected in ((False, read), (True, write)):
        with pytest.raises(expected):
            _results(sample(shared, name), stage_calls(2), "lines", has_effect=has_effect)


@pytest.mark.contract
def test_a_right_that_is_missing_is_told_by_its_code(shared: Path) -> None:
    (result,) = _results(sample(shared, "v2-not-authorized"), [Call("AddBatchHead")], "a batch", has_effect=True)
    assert result.error is not None
    assert next_of(result.error) is Next.RIGHT
    assert result.error.words == "Not authorized for company 100"


# What does not match


def answer(*names: str, **more: Any) -> dict[str, Any]:
    return {"results": [{"transaction": name, "records": []} for name in names], "wasTerminated": False, **more}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        answer(),
        answer("AddBatchHead"),
        answer("AddBatchLineFld", "AddBatchHead"),
        answer("AddBatchHead", "AddBatchLineFld", "AddBatchLineFld"),
        {"results": ["AddBatchHead", "AddBatchLineFld"]},
        answer("AddBatchHead", wasTerminated="false", nrOfNotProcessedTransactions=1),
        answer("AddBatchHead", wasTerminated=True),
        answer("AddBatchHead", wasTerminated=True, nrOfNotProcessedTransactions="x"),
    ],
)
def test_what_cannot_be_matched_is_unknown_for_a_write_and_asked_again_for_a_read(document: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        _results(document, stage_calls(2), "lines", has_effect=True)
    with pytest.raises(TemporaryFailure):
        _results(document, stage_calls(2), "lines", has_effect=False)


@pytest.mark.parametrize("terminated", [True, "true", " TRUE "])
def test_what_a_terminated_bulk_left_out_is_told(terminated: Any) -> None:
    document = answer("AddBatchHead", wasTerminated=terminated, nrOfNotProcessedTransactions="1")
    assert states(_results(document, stage_calls(2), "lines", has_effect=True)) == ["done", "left out"]


@pytest.mark.parametrize(
    ("value", "found"), [(True, True), ("true", True), ("false", False), (False, False), (None, False), (1, False)]
)
def test_a_boolean_may_be_a_text(value: object, found: bool) -> None:
    assert is_true(value) is found


@pytest.mark.parametrize(
    ("code", "expected"),
    [("XRE0104", OutcomeUnknown), ("CPF9898", OutcomeUnknown), ("XNU0000", Rejected), ("XAU0008", Misconfigured)],
)
def test_a_bulk_that_is_refused_as_a_whole(code: str, expected: type[ExchangeError]) -> None:
    """Which of its transactions it was is not said; what is there already, or unclear, is looked at before more is sent."""
    document = {"errorMessage": "x", "errorCode": code, "errorType": "ServerReturnedNOK", "errorField": ""}
    with pytest.raises(expected):
        _results(document, stage_calls(2), "lines", has_effect=True)


# Over HTTP


def test_reads_that_are_refused_as_a_whole_are_asked_one_by_one(m3: M3) -> None:
    m3.set(error_transport="top")
    client = m3.connector()._client
    calls = [
        Call("GetAccountID", {"AITP": "1", "AITM": number, "DIVI": "MIL"}) for number in ("6000", "NOSUCH", "2110")
    ]
    m3.requests()
    found = client.read("CRS630MI", calls, "accounts", division="MIL")
    assert [len(records) for records in found] == [1, 0, 1]
    assert len(m3.requests()) == 4


def test_company_and_number_of_records_go_with_every_request(m3: M3) -> None:
    m3.connector(page_size="500")._client.read("MNS100MI", [Call("LstDivisions", {"CONO": "100"})], "divisions")
    body = json.loads(m3.bodies()[-1])
    assert list(body)[-1] == "transactions", "the server reads the body as it comes"
    assert (body["cono"], body["maxReturnedRecords"]) == (100, 500)
    assert "divi" not in body, "that of the service user"
