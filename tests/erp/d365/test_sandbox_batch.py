"""$batch of the Dynamics 365 sandbox beyond the rules: its form on the wire, reads inside, faults, two writers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.erp.d365.dynamics import (
    CRLF,
    Dynamics,
    at_once,
    batch_of,
    changeset,
    inner_message,
    operation,
    parts_of,
    post_line,
    request_text,
    running,
)


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


def lines(d365: Dynamics) -> list[Any]:
    return [line for journal in d365.sandbox.ledger_state()["journals"] for line in journal["lines"]]


def test_reads_inside_a_batch(d365):
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    service = f"{d365.environment}/data"
    answer = d365.batch(
        batch_of(
            operation(request_text("GET", f"{service}/LedgerJournalLines?$filter=DebitAmount%20eq%201&$count=true")),
            operation(request_text("GET", "/d365/data/LedgerJournalHeaders?cross-company=true")),
            operation(request_text("GET", "MainAccounts?$top=1", Accept="application/json")),
            operation(request_text("GET", f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')")),
        )
    )
    parts = parts_of(answer)
    assert [part.status for part in parts] == [200] * 4
    assert parts[0].json()["@odata.count"] == 1
    assert parts[1].json()["value"][0]["JournalBatchNumber"] == journal
    assert parts[3].json()["@odata.etag"] == parts[3].headers["etag"]


def test_a_read_that_fails_stops_the_batch(d365):
    texts = [request_text("GET", path) for path in ("Companies", "NoSuchSet", "Companies")]
    content = batch_of(*(operation(text) for text in texts))
    assert [part.status for part in parts_of(d365.batch(content))] == [200, 404]
    answer = d365.batch(content, Prefer="odata.continue-on-error")
    assert [part.status for part in parts_of(answer)] == [200, 404, 200]


def test_create_change_delete_and_read_in_one_batch(d365):
    journal = d365.journal()
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber={{}})"
    first = [post_line(d365.environment, d365.line(journal, debit=number)) for number in (1, 2)]
    second = [request_text("PATCH", key.format(1), {"Text": "changed"}), request_text("DELETE", key.format(2))]
    read = operation(request_text("GET", "LedgerJournalLines?$select=LineNumber,Text"))
    parts = parts_of(d365.batch(batch_of(changeset(1, first), changeset(2, second), read)))
    assert [part.status for part in parts] == [201, 201, 204, 204, 200]
    assert [(row["LineNumber"], row["Text"]) for row in parts[4].json()["value"]] == [(1, "changed")]
    assert parts[2].body == b""


def test_a_changeset_that_fails_late_undoes_its_deletes(d365):
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber={{}})"
    texts = [request_text("DELETE", key.format(1)), request_text("DELETE", key.format(9))]
    (part,) = parts_of(d365.batch(batch_of(changeset(1, texts))))
    assert part.status == 400
    assert inner_message(part) == "No resources were found when selecting for update."
    assert len(lines(d365)) == 1


def test_header_and_lines_in_one_changeset_cannot_work(d365):
    """The number is given by F&O, and $1 references to a keyed line are not supported."""
    header = request_text("POST", "LedgerJournalHeaders", {"dataAreaId": "us01", "JournalName": "PAYROLL"})
    line = post_line(d365.environment, d365.line("$1", debit=1))
    (part,) = parts_of(d365.batch(batch_of(changeset(1, [header, line]))))
    assert part.status == 400
    assert d365.sandbox.ledger_state()["journals"] == []
    reference = request_text("POST", "$1/LedgerJournalLines", d365.line("x", debit=1))
    assert d365.batch(batch_of(changeset(1, [header, reference]))).status_code == 400


def test_the_form_is_read_strictly(d365):
    journal = d365.journal()
    good = batch_of(changeset(1, [post_line(d365.environment, d365.line(journal, debit=1))]))
    text = good.decode()
    wrong = {
        "bare line feeds": good.replace(b"\r\n", b"\n"),
        "no end": good.removesuffix(b"--batch_1--\r\n"),
        "no Content-ID": text.replace(f"Content-ID: 1{CRLF}", "").encode(),
        "no binary": text.replace("Content-Transfer-Encoding: binary", "X: y").encode(),
        "no application/http": text.replace("application/http", "text/plain").encode(),
        "a GET in a changeset": text.replace("POST http", "GET http").encode(),
        "another host": text.replace(d365.environment, "http://elsewhere.example/d365").encode(),
        "another service": text.replace("/d365/data/", "/d365/other/").encode(),
        "no HTTP version": text.replace(" HTTP/1.1", "").encode(),
        "a batch in a batch": text.replace("/data/LedgerJournalLines", "/data/$batch").encode(),
        "another boundary": good.replace(b"batch_1", b"batch_2"),
        "empty": b"",
    }
    for name, content in wrong.items():
        assert d365.batch(content).status_code == 400, name
    twice = batch_of(changeset(1, [post_line(d365.environment, d365.line(journal, debit=1))] * 2))
    assert d365.batch(twice.replace(b"Content-ID: 2", b"Content-ID: 1")).status_code == 400
    assert d365.call("POST", "$batch", good, Content_Type="application/json").status_code == 400
    assert d365.call("POST", "$batch", good, Content_Type="multipart/mixed").status_code == 400
    assert d365.call("GET", "$batch").status_code == 404
    assert lines(d365) == []
    assert parts_of(d365.batch(b"a preamble" + b"\r\n" + good))[0].status == 201
    assert len(lines(d365)) == 1


def test_a_part_needs_json(d365):
    journal = d365.journal()
    text = post_line(d365.environment, d365.line(journal, debit=1))
    (part,) = parts_of(d365.batch(batch_of(changeset(1, [text.replace("application/json", "text/plain")]))))
    assert part.status == 415


def test_fault_changeset_fails(d365):
    journal = d365.journal()
    good = d365.line(journal, debit=1)
    d365.fault("changeset_fails", skip=1)
    parts = d365.send_changesets([good], [good, good], [good])
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 500)]
    d365.fault("changeset_fails", status=400, times=2)
    assert [part.status for part in d365.send_changesets([good], [good], Prefer="odata.continue-on-error")] == [
        400,
        400,
    ]
    assert len(lines(d365)) == 1
    assert [part.status for part in d365.send_changesets([good])] == [201]


def test_fault_batch_truncated(d365):
    """The first changeset is done, then the connection is cut: nobody knows, but the ledger does."""
    journal = d365.journal()
    good = d365.line(journal, debit=1)
    d365.fault("batch_truncated")
    with pytest.raises(requests.ConnectionError):
        d365.send_changesets([good, good], [good])
    assert len(lines(d365)) == 2
    d365.fault("batch_truncated", skip=1)
    with pytest.raises(requests.ConnectionError):
        d365.send_changesets([good], [good], [good])
    assert len(lines(d365)) == 4


def test_fault_update_conflict(d365):
    journal = d365.journal()
    good = d365.line(journal, debit=1)
    d365.fault("update_conflict", times=2)
    assert "update conflict occurred" in d365.refuse_line(journal)
    (part,) = d365.send_changesets([good, good])
    assert "update conflict occurred" in inner_message(part)
    assert lines(d365) == []
    d365.fault("update_conflict", skip=2)
    (part,) = d365.send_changesets([good, good, good])
    assert part.status == 400
    assert lines(d365) == []
    assert [part.status for part in d365.send_changesets([good])] == [201]


def test_a_lost_answer_leaves_the_work_done(d365):
    journal = d365.journal()
    d365.fault("lost_answer", path="batch")
    with pytest.raises(requests.ConnectionError):
        d365.send_changesets([d365.line(journal, debit=1)])
    assert len(lines(d365)) == 1
    d365.fault("refuse", path="batch")
    with pytest.raises(requests.ConnectionError):
        d365.send_changesets([d365.line(journal, debit=1)])
    assert len(lines(d365)) == 1


def test_two_batches_on_one_journal_conflict(d365):
    journal = d365.journal()
    good = [d365.line(journal, debit=1)]
    answers = at_once(d365, lambda: d365.send_changesets(good), lambda: d365.send_changesets(good))
    statuses = sorted(part.status for parts in answers for part in parts)
    assert statuses == [201, 400]
    assert len(lines(d365)) == 1
    d365.control("POST", "settings", {"update_conflicts": False})
    answers = at_once(d365, lambda: d365.send_changesets(good), lambda: d365.send_changesets(good))
    assert [part.status for parts in answers for part in parts] == [201, 201]


def test_a_thousand_lines_in_seven_changesets(d365):
    journal = d365.journal()
    bodies = [d365.line(journal, "6000---200--", debit=Decimal("10.01")) for _ in range(500)]
    bodies += [d365.line(journal, "2110-----", credit=Decimal("10.01")) for _ in range(500)]
    parts = d365.send_changesets(*(bodies[start : start + 150] for start in range(0, 1000, 150)))
    assert [part.json()["LineNumber"] for part in parts] == list(range(1, 1001))
    document = d365.get(f"LedgerJournalLines?$filter=JournalBatchNumber eq '{journal}'&$count=true&$select=DebitAmount")
    assert document["@odata.count"] == 1000
    assert sum(row["DebitAmount"] for row in document["value"]) == Decimal("5005.00")
    assert d365.sandbox.post_journals()[0].is_posted
