"""OData as it goes over the wire: values, keys, queries, $batch, pages, errors."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from audit.exchange import Misconfigured, TemporaryFailure
from erp.odata import (
    BatchIncomplete,
    Operation,
    address,
    all_rows,
    batch_answers,
    batch_of_changeset,
    batch_of_reads,
    error_body,
    etag_of,
    key,
    literal,
    next_address,
    rows_of,
)

ROOT = "https://ledger.example.com/data"


def test_a_quote_in_a_text_is_doubled() -> None:
    assert literal("O'Brien") == "'O''Brien'"
    assert literal(Decimal("12.50")) == "12.50"
    assert literal(True) == "true"
    assert literal(date(2026, 7, 31)) == "2026-07-31"


def test_a_key_is_escaped_for_a_path() -> None:
    assert key({"dataAreaId": "us01", "LineNumber": 3}) == "(dataAreaId='us01',LineNumber=3)"
    assert key({"Name": "a/b c"}) == "(Name='a%2Fb%20c')"


def test_a_space_is_never_a_plus() -> None:
    url = address(ROOT, "Headers", {"$filter": "Text eq 'Pay & tax + tips'", "$select": "", "$count": "true"})
    assert url == f"{ROOT}/Headers?$filter=Text%20eq%20'Pay%20%26%20tax%20%2B%20tips'&$count=true"


def test_a_batch_of_reads_has_crlf_and_closes() -> None:
    body, content_type = batch_of_reads([f"{ROOT}/A", f"{ROOT}/B"])
    assert content_type == "multipart/mixed; boundary=batch_mlc"
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert body.count(b"--batch_mlc\r\n") == 2
    assert body.endswith(b"--batch_mlc--\r\n")
    assert b"Content-ID" not in body


def test_a_changeset_numbers_its_parts_and_keeps_the_digits_of_an_amount() -> None:
    body, _ = batch_of_changeset(
        [
            Operation("POST", f"{ROOT}/Lines", {"DebitAmount": Decimal("1234567890123.10")}),
            Operation("DELETE", f"{ROOT}/Lines(1)"),
        ]
    )
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b'{"DebitAmount": 1234567890123.10}' in body
    assert b"Content-ID: 1\r\n" in body
    assert b"Content-ID: 2\r\n" in body
    assert b"--changeset_mlc--\r\n\r\n--batch_mlc--\r\n" in body
    assert f"DELETE {ROOT}/Lines(1) HTTP/1.1\r\n".encode() in body


BATCH = """--outer\r
Content-Type: application/http\r
Content-Transfer-Encoding: binary\r
\r
HTTP/1.1 200 OK\r
Content-Type: application/json\r
\r
{"value": [{"Amount": 0.10}]}\r
--outer\r
Content-Type: multipart/mixed; boundary="inner"\r
\r
--inner\r
Content-Type: application/http\r
Content-ID: 7\r
\r
HTTP/1.1 429 Too Many Requests\r
Retry-After: 15\r
\r
\r
--inner--\r
--outer--\r
"""


def test_the_answers_of_a_batch_are_taken_apart() -> None:
    read, changeset = batch_answers(BATCH.encode(), "multipart/mixed; boundary=outer")
    assert not isinstance(read, list)
    assert read.status == 200
    assert read.json() == {"value": [{"Amount": Decimal("0.10")}]}
    assert isinstance(changeset, list)
    assert [(part.status, part.content_id, part.headers["retry-after"]) for part in changeset] == [(429, "7", "15")]


def test_a_batch_with_plain_line_ends_is_read_as_well() -> None:
    plain = BATCH.replace("\r\n", "\n").encode()
    assert len(batch_answers(plain, 'multipart/mixed; boundary="outer"')) == 2


@pytest.mark.parametrize("length", range(20, len(BATCH) - 8, 25))
def test_a_batch_that_ends_early_is_never_taken_for_a_whole_one(length: int) -> None:
    with pytest.raises(BatchIncomplete):
        batch_answers(BATCH.encode()[:length], "multipart/mixed; boundary=outer")


def test_an_answer_that_is_no_multipart_is_refused() -> None:
    with pytest.raises(BatchIncomplete):
        batch_answers(b"<html></html>", "text/html")


def test_the_next_page_may_be_relative_but_not_elsewhere() -> None:
    asked = f"{ROOT}/Rows?$top=1"
    assert next_address({"@odata.nextLink": "Rows?$skip=1"}, asked) == f"{ROOT}/Rows?$skip=1"
    assert next_address({"@odata.nextLink": "https://LEDGER.example.com:443/data/Rows?$skip=1"}, asked)
    assert next_address({}, asked) == ""
    for elsewhere in (
        "https://evil.example.com/data/Rows",
        "http://ledger.example.com/data/Rows",
        "https://ledger.example.com:8443/data/Rows",
        "//evil.example.com/data/Rows",
        "https://ledger.example.com@evil.example.com/data",
    ):
        with pytest.raises(Misconfigured):
            next_address({"@odata.nextLink": elsewhere}, asked)


def test_all_pages_are_read_and_counted() -> None:
    pages = {
        f"{ROOT}/Rows?page=2": {"value": [{"n": 2}], "@odata.nextLink": "Rows?page=3"},
        f"{ROOT}/Rows?page=3": {"value": [{"n": 3}]},
    }
    first = {"value": [{"n": 1}], "@odata.nextLink": "Rows?page=2", "@odata.count": 3}
    assert [row["n"] for row in all_rows(first, f"{ROOT}/Rows", pages.__getitem__)] == [1, 2, 3]
    with pytest.raises(TemporaryFailure, match="announced 4 rows and gave 3"):
        all_rows({**first, "@odata.count": 4}, f"{ROOT}/Rows", pages.__getitem__)


def test_pages_that_go_in_a_circle_end() -> None:
    page = {"value": [], "@odata.nextLink": "Rows?page=2"}
    with pytest.raises(TemporaryFailure, match="a second time"):
        all_rows(page, f"{ROOT}/Rows", lambda url: page)


def test_a_next_page_stays_in_the_service_that_was_asked() -> None:
    asked, below = f"{ROOT}/A.svc/Rows?$top=1", f"{ROOT}/A.svc"
    assert next_address({"@odata.nextLink": "Rows?$skiptoken=1"}, asked, below) == f"{ROOT}/A.svc/Rows?$skiptoken=1"
    for elsewhere in (f"{ROOT}/B.svc/Rows", f"{ROOT}/A.svc2/Rows", "../B.svc/Rows"):
        with pytest.raises(Misconfigured):
            next_address({"@odata.nextLink": elsewhere}, asked, below)


def test_a_full_page_without_a_link_is_followed_by_what_comes_after_it() -> None:
    asked: list[str] = []

    def fetch(url: str) -> Any:
        asked.append(url)
        return {"value": [{"n": 3}, {"n": 4}] if url.endswith("$skip=2") else []}

    first = {"value": [{"n": 1}, {"n": 2}]}
    rows = all_rows(first, f"{ROOT}/Rows?$top=2", fetch, page_size=2)
    assert [row["n"] for row in rows] == [1, 2, 3, 4]
    assert asked == [f"{ROOT}/Rows?$top=2&$skip=2", f"{ROOT}/Rows?$top=2&$skip=4"]
    assert all_rows({"value": [{"n": 1}]}, f"{ROOT}/Rows?$top=2", fetch, page_size=2) == [{"n": 1}]
    with pytest.raises(TemporaryFailure, match="the same rows again"):
        all_rows(first, f"{ROOT}/Rows?$top=2", lambda url: first, page_size=2)


def test_a_row_without_an_etag_is_changed_in_any_state() -> None:
    assert etag_of({"@odata.etag": 'W/"1"'}) == 'W/"1"'
    assert etag_of({}) == "*"


def test_what_is_no_collection_is_refused() -> None:
    documents: list[Any] = [{}, {"value": "x"}, [], {"value": [1]}]
    for document in documents:
        with pytest.raises(ValueError, match="not a collection"):
            rows_of(document)


def test_the_cause_of_an_error_is_found_in_either_shape() -> None:
    inner = b'{"error":{"code":"","message":"An error has occurred.","innererror":{"message":"Why","type":"T","stacktrace":"at"}}}'
    found = error_body(inner)
    assert found is not None
    assert (found.words, found.inner_type) == ("Why", "T")
    service = error_body(b'{"Message":"Outer","ExceptionMessage":"Why","ExceptionType":"T"}')
    assert service is not None
    assert (service.words, service.inner_type) == ("Why", "T")
    details = error_body(b'{"error":{"code":"DATABASE_ERROR","message":"x","details":[{"message":"ORA-20110"}]}}')
    assert details is not None
    assert (details.code, details.words) == ("DATABASE_ERROR", "ORA-20110")
    for nothing in (b"", b"<html>", b"[]", b'{"value": []}'):
        assert error_body(nothing) is None
