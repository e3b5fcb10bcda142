"""What a refusal of Dynamics means: the table, fed with the errors of the facts and with what no table knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.d365.refusals import WORDS_LENGTH, EntityMissing, read_refusal, write_refusal
from erp.odata import batch_answers

WRITE = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"


def infolog(text: str, inner_type: str = WRITE) -> bytes:
    message = f"Write failed for table row of type 'LedgerJournalLineEntity'. Infolog: {text}"
    inner = {"message": message, "type": inner_type, "stacktrace": "   at Microsoft.Dynamics.Secret.Place"}
    return json.dumps({"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}).encode()


#: Error of the facts -> what it means for a write; those left out are for reads.
WRITES = {
    "duplicate-key": Rejected,
    "mandatory-field": Rejected,
    "value-not-in-related-table": Misconfigured,
    "update-conflict": TemporaryFailure,
    "delete-header-with-lines": TemporaryFailure,
    "no-resources-found": TemporaryFailure,
    "read-only-field": Rejected,
    "insert-of-non-insertable-field": Rejected,
    "privilege-missing": Misconfigured,
    "dimension-format-missing": Misconfigured,
    "dimension-inactive": Misconfigured,
    "plain-patch-poor-message": OutcomeUnknown,
    "throttled": TemporaryFailure,
    "gateway-html": OutcomeUnknown,
}
READS = {"unknown-entity-set": EntityMissing, "bad-filter": Rejected, "gateway-html": TemporaryFailure}


@pytest.mark.contract
def test_every_error_of_the_facts_has_its_meaning(shared: Path) -> None:
    facts = json.loads((shared / "reference/dynamics365/errors/errors.json").read_text())
    seen = set()
    for error in facts["errors"]:
        body = error["body"]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else b""
        headers = error.get("headers", {})
        for table, judge in ((WRITES, write_refusal), (READS, read_refusal)):
            if error["id"] in table:
                found = judge(error["status"], headers, content, "the lines")
                assert type(found) is table[error["id"]], (error["id"], found)
                assert "stacktrace" not in found.sentence
                seen.add(error["id"])
    # 401 never reaches the table: the client answers it with a new sign-in.
    assert {error["id"] for error in facts["errors"]} - seen == {"unauthorized"}


@pytest.mark.contract
def test_recorded_answers_of_batches_are_read(shared: Path) -> None:
    def answers(name: str) -> list:
        raw = (shared / "reference/dynamics365/batch" / name).read_bytes()
        head, _, body = raw.partition(b"\r\n\r\n")
        if raw.startswith(b"HTTP/"):
            boundary = head.split(b"boundary=")[1].split()[0].decode()
        else:
            body, boundary = raw, raw.split(b"\r\n", 1)[0][2:].decode()
        return batch_answers(body, f"multipart/mixed; boundary={boundary}")

    (failed,) = answers("failure-response.http")
    assert [(part.status, part.content_id) for part in failed] == [(500, "1")]
    refusal = write_refusal(failed[0].status, failed[0].headers, failed[0].content, "the lines")
    assert type(refusal) is Rejected
    assert "The record already exists." in refusal.sentence
    stored, throttled = answers("two-changesets-second-throttled-response.http")
    assert [part.status for part in stored] == [201]
    wait = write_refusal(throttled[0].status, throttled[0].headers, throttled[0].content, "the lines")
    assert isinstance(wait, TemporaryFailure)
    assert wait.retry_after_seconds == 15
    (lines,) = answers("ledger-lines-response.http")
    assert [part.status for part in lines] == [201] * 5
    (invoice,) = answers("vendor-invoice-journal-response.http")
    assert [part.json()["JournalBatchNumber"] for part in invoice] == ["B0002"] * 3


def test_finance_reads_the_infolog_and_no_stack_trace() -> None:
    found = write_refusal(400, {}, infolog("Error: Main account 9999 is not valid.\nUse another one.."), "the lines")
    assert type(found) is Rejected
    assert found.sentence == (
        "Dynamics did not accept the lines: “Error: Main account 9999 is not valid. Use another one.”"
    )


def test_an_infolog_in_another_language_is_still_a_refusal() -> None:
    found = write_refusal(500, {}, infolog("Fehler: Das Hauptkonto 9999 ist nicht gültig."), "the lines")
    assert type(found) is Rejected
    assert "Hauptkonto" in found.sentence


def test_a_long_infolog_is_cut() -> None:
    found = write_refusal(400, {}, infolog("Error: " + "x" * 5000), "the lines")
    assert len(found.sentence) < WORDS_LENGTH + 100


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (403, b"<html>blocked by a proxy</html>"),
        (404, b""),
        (302, b""),
        (500, b'{"error": {"code": "", "message": "An error has occurred."}}'),
        (503, b'{"error": {"code": "", "message": "busy"}}'),
        (200, b""),
        (299, b'{"value": 1}'),
    ],
)
def test_what_no_row_knows_is_unknown_for_a_write_and_temporary_for_a_read(status: int, content: bytes) -> None:
    assert type(write_refusal(status, {}, content, "the lines")) is OutcomeUnknown
    assert type(read_refusal(status, {}, content, "Ledgers")) is TemporaryFailure


def test_a_right_that_is_missing_names_what_it_is_for() -> None:
    body = json.dumps(
        {
            "error": {
                "code": "",
                "message": "x",
                "innererror": {"message": "Access is denied.", "type": "a.ODataSecurityException"},
            }
        }
    ).encode()
    assert (
        "may not read GeneralJournalAccountEntries"
        in read_refusal(403, {}, body, "GeneralJournalAccountEntries").sentence
    )
    assert "may not write the lines" in write_refusal(403, {}, body, "the lines").sentence
