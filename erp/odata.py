"""What ERPs that speak OData v4 have in common: how a value, a key and a query are written, $batch, paging, errors.

Nothing here knows a vendor's entity or decides what happens next; amounts are read and written as Decimal. Where a
vendor is narrower than the standard (Dynamics refuses "+" for a space, IFS wants `$` left alone) the narrower form is
written for all.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import simplejson

from audit.exchange import Misconfigured, TemporaryFailure, json_body

#: A row as the vendor names it.
Row = dict[str, Any]

#: Characters that stay as they are in a query value; a space becomes %20, "+" becomes %2B, never the other way.
_SAFE_IN_QUERY = "'(),*:/@$"
_SAFE_IN_KEY = "'(),=:"


def literal(value: str | int | Decimal | bool | date) -> str:
    """A value as OData writes it in a filter or a key: text quoted with its quotes doubled, everything else bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def key(parts: Mapping[str, str | int | Decimal]) -> str:
    """`(dataAreaId='usmf',JournalBatchNumber='00642')`, escaped for a path."""
    inside = ",".join(f"{name}={literal(value)}" for name, value in parts.items())
    return quote(f"({inside})", safe=_SAFE_IN_KEY)


def query_string(options: Mapping[str, str]) -> str:
    """`$filter=…&$select=…` in the order given; empty values are left out."""
    return "&".join(f"{name}={quote(value, safe=_SAFE_IN_QUERY)}" for name, value in options.items() if value)


def address(root: str, entity_set: str, options: Mapping[str, str] | None = None, key_part: str = "") -> str:
    """The absolute address of an entity set, or with `key_part` of one row."""
    query = query_string(options or {})
    return f"{root}/{entity_set}{key_part}" + (f"?{query}" if query else "")


# ---------------------------------------------------------------------------------------------------------- paging


def rows_of(document: Any) -> list[Row]:
    """The rows of a collection answer. Raises ValueError where it is not one."""
    rows = document.get("value") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a collection of rows")
    return rows


def next_address(document: Any, asked: str, below: str = "") -> str:
    """The address of the next page, or empty. Raises Misconfigured if it leads to another origin, or out of `below`
    (the address of a service).

    The next request carries our token: an answer must not be able to send it elsewhere.
    """
    link = document.get("@odata.nextLink") if isinstance(document, dict) else None
    if not link:
        return ""
    found = urljoin(asked, str(link))
    is_below = not below or urlsplit(found).path.startswith(urlsplit(below).path.rstrip("/") + "/")
    if _origin(found) != _origin(asked) or not is_below:
        raise Misconfigured(
            f"{urlsplit(asked).hostname} sent us on to {urlsplit(found).netloc or 'nowhere'} for the next page. "
            "The address of the connection has to be the one that the system itself uses."
        )
    return found


def _skipping(asked: str, count: int) -> str:
    """The same question from row `count` on."""
    plain = re.sub(r"&\$skip=\d+|(?<=\?)\$skip=\d+&?", "", asked)
    return f"{plain}{'&' if '?' in plain else '?'}$skip={count}"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    standard = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or standard


def all_rows(
    document: Any, asked: str, fetch: Callable[[str], Any], *, below: str = "", page_size: int = 0
) -> list[Row]:
    """Every row of a collection whose first page is `document`; `fetch` reads one further page.

    `page_size`: the $top that was asked for, where a server may fill a page and give no link; the rest is then asked
    for by $skip. Raises TemporaryFailure where the pages go in a circle or do not add up to `@odata.count`, ValueError
    where a page is no collection.
    """
    rows = page = rows_of(document)
    expected = document.get("@odata.count")
    first, seen, begin = asked, {asked}, 0
    while link := next_address(document, asked, below) or (
        # Links may have led to the end of what $top let through, which need not be the end of the list.
        _skipping(first, len(rows)) if page_size and len(rows) - begin >= page_size else ""
    ):
        is_skipping = "@odata.nextLink" not in document
        begin = len(rows) if is_skipping else begin
        if link in seen:
            raise TemporaryFailure(
                f"{urlsplit(asked).hostname} sent us to a page a second time. We try again by itself."
            )
        seen.add(link)
        document, asked = fetch(link), link
        before, page = page, rows_of(document)
        if is_skipping and page and page == before:
            raise TemporaryFailure(
                f"{urlsplit(asked).hostname} takes no $skip and gave the same rows again. We try again by itself."
            )
        rows = rows + page
    if expected is not None and int(expected) != len(rows):
        raise TemporaryFailure(
            f"{urlsplit(asked).hostname} announced {expected} rows and gave {len(rows)}. We try again by itself."
        )
    return rows


def etag_of(row: Row) -> str:
    """The ETag of a row as a condition for changing it; `*`, any state, where it has none."""
    return str(row.get("@odata.etag") or "*")


# ---------------------------------------------------------------------------------------------------------- errors


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error answer, taken apart. `inner_*` is the cause where the outer message says nothing."""

    code: str
    message: str
    inner_message: str = ""
    inner_type: str = ""
    details: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The most telling text, without stack trace."""
        return self.inner_message or "; ".join(self.details) or self.message


def error_body(content: bytes) -> ErrorBody | None:
    """The error in an answer, in either of the shapes that are known; None where it holds none (a proxy's page).

    `{"error": {code, message, innererror, details}}` is OData's; `{"Message", "ExceptionMessage"}` is what Web API
    services answer.
    """
    try:
        document = simplejson.loads(content, use_decimal=True)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        inner = error.get("innererror")
        inner = inner if isinstance(inner, dict) else {}
        details = error.get("details")
        return ErrorBody(
            code=str(error.get("code") or ""),
            message=str(error.get("message") or ""),
            inner_message=str(inner.get("message") or ""),
            inner_type=str(inner.get("type") or ""),
            details=tuple(
                str(detail.get("message") or "")
                for detail in (details if isinstance(details, list) else [])
                if isinstance(detail, dict)
            ),
        )
    if "Message" in document:
        return ErrorBody(
            code="",
            message=str(document["Message"]),
            inner_message=str(document.get("ExceptionMessage") or ""),
            inner_type=str(document.get("ExceptionType") or ""),
        )
    return None


# ---------------------------------------------------------------------------------------------------------- $batch


@dataclass(frozen=True, slots=True)
class Operation:
    """One request inside a $batch. `url` is absolute (recorded with Dynamics) or relative to the service (IFS)."""

    method: str
    url: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """One answer inside a $batch. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    content_id: str = ""

    def json(self) -> Any:
        """Raises ValueError where the part is not JSON."""
        return simplejson.loads(self.content, use_decimal=True)


class BatchIncomplete(ValueError):  # noqa: N818 - reads as what is wrong with the answer
    """The answer to a $batch ends early or is not one: what was done is not known from it."""


_BATCH_BOUNDARY = "batch_mlc"
_CHANGESET_BOUNDARY = "changeset_mlc"
_NEW_LINE = b"\r\n"


def batch_of_reads(urls: Sequence[str]) -> tuple[bytes, str]:
    """Body and content type of a $batch of GETs."""
    parts = [_http_part(Operation("GET", url)) for url in urls]
    return _multipart(_BATCH_BOUNDARY, parts), f"multipart/mixed; boundary={_BATCH_BOUNDARY}"


def batch_of_changeset(operations: Sequence[Operation]) -> tuple[bytes, str]:
    """Body and content type of a $batch with one changeset: all of it is done or nothing.

    Content-IDs are 1, 2, 3 … in the order given.
    """
    parts = [_http_part(operation, str(number)) for number, operation in enumerate(operations, 1)]
    changeset = f"Content-Type: multipart/mixed; boundary={_CHANGESET_BOUNDARY}\r\n\r\n".encode() + _multipart(
        _CHANGESET_BOUNDARY, parts
    )
    return _multipart(_BATCH_BOUNDARY, [changeset]), f"multipart/mixed; boundary={_BATCH_BOUNDARY}"


def _http_part(operation: Operation, content_id: str = "") -> bytes:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        head.append(f"Content-ID: {content_id}")
    request = [
        f"{operation.method} {operation.url} HTTP/1.1",
        "OData-Version: 4.0",
        "OData-MaxVersion: 4.0",
        "Accept: application/json;odata.metadata=minimal",
        *(f"{name}: {value}" for name, value in operation.headers.items()),
    ]
    if operation.body is not None:
        request.append("Content-Type: application/json;odata.metadata=minimal")
    content = json_body(operation.body) if operation.body is not None else b""
    return "\r\n".join([*head, "", *request, "", ""]).encode() + content


def _multipart(boundary: str, parts: Sequence[bytes]) -> bytes:
    mark = f"--{boundary}".encode()
    body = b"".join(mark + _NEW_LINE + part + _NEW_LINE for part in parts)
    return body + mark + b"--" + _NEW_LINE


def batch_answers(content: bytes, content_type: str) -> list[PartAnswer | list[PartAnswer]]:
    """The answers in a $batch answer, in order; a list is the answer to a changeset.

    Raises BatchIncomplete where the closing boundary is missing or a part is no HTTP answer. Whether every request
    was answered is for the caller to count: a vendor may leave out what follows a failed changeset.
    """
    answers: list[PartAnswer | list[PartAnswer]] = []
    for headers, body in _parts(content, content_type):
        inner_type = headers.get("content-type", "")
        if inner_type.lower().startswith("multipart/mixed"):
            answers.append([_http_answer(head, part) for head, part in _parts(body, inner_type)])
        else:
            answers.append(_http_answer(headers, body))
    return answers


def _parts(content: bytes, content_type: str) -> Iterator[tuple[dict[str, str], bytes]]:
    found = re.search(r'boundary="?([^";,\s]+)"?', content_type, re.IGNORECASE)
    if found is None:
        raise BatchIncomplete("the answer is no multipart")
    mark = re.escape(b"--" + found[1].encode())
    marks = list(re.finditer(rb"(?:^|\r?\n)" + mark + rb"(--)?[ \t]*(?=\r?\n|$)", content))
    if not marks or marks[-1][1] is None:
        raise BatchIncomplete("the answer ends before its closing boundary")
    for start, end in itertools.pairwise(marks):
        yield _headers_and_body(content[start.end() : end.start()].lstrip(b"\r\n"))


def _headers_and_body(part: bytes) -> tuple[dict[str, str], bytes]:
    split = re.search(rb"\r?\n\r?\n", part)
    head, body = (part[: split.start()], part[split.end() :]) if split else (part, b"")
    headers = {}
    for line in head.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, body


def _http_answer(part_headers: Mapping[str, str], body: bytes) -> PartAnswer:
    status_line, _, rest = body.lstrip(b"\r\n").partition(b"\n")
    found = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})", status_line)
    if found is None:
        raise BatchIncomplete("a part of the answer is no HTTP answer")
    # A part without headers starts with the empty line that ends them.
    headers, content = ({}, rest.lstrip(b"\r\n")) if rest[:1] in b"\r\n" else _headers_and_body(rest)
    content_id = part_headers.get("content-id", "") or headers.get("content-id", "")
    return PartAnswer(int(found[1]), headers, content.strip(), content_id)
