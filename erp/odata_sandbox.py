"""What the sandboxes of ERPs that speak OData v4 have in common: literals, named key parts, multipart of $batch.

Nothing here knows a vendor: how a mistake is refused, which literals a field takes and what a service supports stays in
the vendor's folder. The counterpart on the product's side is `erp.odata`; neither imports the other, so that client and
sandbox cannot share an error.
"""

from __future__ import annotations

import http
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

from audit.sandbox import Answer, Refused

# Literals and keys

TOKEN = re.compile(
    r"""\s*(?:
    (?P<enumeration>[A-Za-z_][\w.]*'(?:[^']|'')*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)
    |(?P<decimal>-?\d+\.\d+)
    |(?P<integer>-?\d+)
    |(?P<name>[A-Za-z_@][\w./]*)
    |(?P<sign>[(),])
    )""",
    re.VERBOSE,
)
KEY_PART = re.compile(
    r"\s*(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>(?:[A-Za-z_][\w.]*)?'(?:[^']|'')*'|[^',]+)\s*(?P<end>,|\Z)"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of an expression: `kind` is a group name of TOKEN, or "end"."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Literal:
    """`edm_type` is the full name of an enumeration for its literals."""

    edm_type: str
    value: Any


def tokens(text: str) -> list[Token]:
    """Raises ValueError with the position as its only argument where no token begins."""
    found: list[Token] = []
    position = 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None:
            raise ValueError(position)
        found.append(Token(str(match.lastgroup), match[0].strip(), position))
        position = match.end()
    return found


def read_literal(kind: str, text: str) -> Literal:
    """A token as a value. Raises ValueError for a literal that is none, such as 2026-13-01."""
    if kind == "string":
        return Literal("Edm.String", text[1:-1].replace("''", "'"))
    if kind == "integer":
        return Literal("Edm.Int32", int(text))
    if kind == "decimal":
        return Literal("Edm.Decimal", Decimal(text))
    if kind == "enumeration":
        name, _, rest = text.partition("'")
        return Literal(name, rest[:-1])
    if kind == "moment":
        return Literal("Edm.DateTimeOffset", datetime.fromisoformat(text).astimezone(UTC))
    return Literal("Edm.Date", datetime.fromisoformat(text).date())


def named_parts(text: str) -> dict[str, str]:
    """`Company='10',No=5` as names with their literals, not yet read. Raises ValueError for another form."""
    parts: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = KEY_PART.match(text, position)
        if match is None or match["name"] in parts:
            raise ValueError(text)
        parts[match["name"]] = match["value"]
        position = match.end()
    return parts


# $batch

METHODS = {"GET", "POST", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request inside a batch. `path` is below the service and decoded."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    content_id: str = ""


@dataclass(slots=True)
class Changeset:
    """Operations that are stored all or none."""

    operations: list[Operation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one part of a batch is answered: one or more answers of a changeset, or of a single operation."""

    answers: tuple[tuple[str, Answer], ...]
    """(Content-ID, answer)"""
    is_changeset: bool


@dataclass(frozen=True, slots=True)
class BatchReader:
    """multipart/mixed of POST $batch, read strictly: CRLF at the end of lines, a Content-ID in each part of a changeset
    and no GET in it. A recorded request (Dynamics, 2021) leaves out the end mark of its changeset, so the outer boundary
    ends it too; the outer end mark itself must be there.
    """

    service: str
    """Address of the service that takes the batch; parts may not lead elsewhere."""
    malformed: Callable[[str], Refused]
    """A sentence as the vendor's refusal."""
    takes_references: bool = False
    """Whether an address may begin with $1, the resource that the part with this Content-ID created."""

    def read(self, body: bytes, content_type: str) -> list[Operation | Changeset]:
        """Raises `Refused` for the whole batch; nothing of it was done then."""
        parts: list[Operation | Changeset] = []
        for part in self._split_parts(body, self._boundary_of(content_type), needs_end=True):
            headers, content = self._split_head(part)
            kind = headers.get("content-type", "")
            if not kind.lower().startswith("multipart/mixed"):
                parts.append(self._read_operation(part, in_changeset=False))
                continue
            changeset = Changeset()
            # The blank line before the first boundary was taken by the head.
            for inner in self._split_parts(content, self._boundary_of(kind), needs_end=False):
                changeset.operations.append(self._read_operation(inner, in_changeset=True))
            ids = [operation.content_id for operation in changeset.operations]
            if len(set(ids)) != len(ids):
                raise self.malformed("Two parts of a changeset have the same Content-ID.")
            parts.append(changeset)
        return parts

    def _boundary_of(self, content_type: str) -> str:
        kind, _, parameters = content_type.partition(";")
        match = re.search(r'boundary="?([^";]+)"?', parameters)
        if kind.strip().lower() != "multipart/mixed" or match is None:
            raise self.malformed("The content type must be multipart/mixed with a boundary.")
        return match[1].strip()

    def _split_parts(self, body: bytes, boundary: str, *, needs_end: bool) -> list[bytes]:
        mark = re.compile(rb"\r\n--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r\n|\Z)")
        text = b"\r\n" + body
        marks = list(mark.finditer(text))
        if not marks or marks[0][1]:
            raise self.malformed("No part begins with the boundary; lines must end with CRLF.")
        end = next((position for position, found in enumerate(marks) if found[1]), None)
        if end is None and needs_end:
            raise self.malformed("The end boundary is missing.")
        opening = marks[:end]
        stops = [found.start() for found in marks[1:]] + [len(text)]
        return [text[found.end() : stop] for found, stop in zip(opening, stops, strict=False)]

    def _split_head(self, part: bytes) -> tuple[dict[str, str], bytes]:
        """Headers with names in lower case, and what follows the blank line."""
        head, blank, rest = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not blank:
            raise self.malformed("A part has no blank line after its headers; lines must end with CRLF.")
        if b"\n" in head.replace(b"\r\n", b""):
            raise self.malformed("Lines must end with CRLF.")
        return self._headers_of(head), rest

    def _headers_of(self, head: bytes) -> dict[str, str]:
        headers = {}
        for line in head.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if not colon:
                raise self.malformed(f"'{line}' is not a header.")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _read_operation(self, part: bytes, *, in_changeset: bool) -> Operation:
        headers, content = self._split_head(part)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/http":
            raise self.malformed("A part must be application/http.")
        if headers.get("content-transfer-encoding", "").lower() != "binary":
            raise self.malformed("A part must have Content-Transfer-Encoding: binary.")
        content_id = headers.get("content-id", "")
        if in_changeset and not content_id:
            raise self.malformed("A part of a changeset needs a Content-ID.")
        request_line, _, rest = content.partition(b"\r\n")
        words = request_line.decode("latin-1").split(" ")
        if len(words) != 3 or words[0] not in METHODS or words[2] != "HTTP/1.1":
            raise self.malformed(f"'{request_line.decode('latin-1')}' is not a request line.")
        method, address, _ = words
        if in_changeset and method == "GET":
            raise self.malformed("A changeset takes no GET.")
        head, _, body = rest.partition(b"\r\n\r\n")
        inner = self._headers_of(head.strip(b"\r\n")) if head.strip() else {}
        path, raw_query = self._below_service(address)
        return Operation(method, path, raw_query, inner, body, content_id)

    def _below_service(self, address: str) -> tuple[str, str]:
        """Absolute addresses must be this service's; absolute paths and addresses relative to it are fine."""
        parts = urlsplit(address)
        path = parts.path
        if parts.scheme:
            given, _, _ = address.partition("?")
            if not given.startswith(self.service + "/"):
                raise self.malformed(f"The address '{address}' is not of this service.")
            path = given[len(self.service) + 1 :]
        elif path.startswith("/"):
            root = urlsplit(self.service).path + "/"
            if not path.startswith(root):
                raise self.malformed(f"The address '{address}' is not of this service.")
            path = path[len(root) :]
        if path.startswith("$") and not (self.takes_references and re.match(r"\$\d+(/|\Z)", path)):
            raise self.malformed(f"The address '{address}' cannot be part of a batch.")
        return unquote(path), parts.query


def count_operations(parts: list[Operation | Changeset]) -> int:
    return sum(len(part.operations) if isinstance(part, Changeset) else 1 for part in parts)


def write_answer(answer: Answer) -> bytes:
    body, content_type = answer.encoded()
    lines = [f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def write_part(content_id: str, answer: Answer) -> bytes:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    if content_id:
        head += f"Content-ID: {content_id}\r\n"
    return head.encode() + b"\r\n" + write_answer(answer)


def multipart(parts: list[bytes], boundary: str) -> bytes:
    begun = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return begun + b"--" + boundary.encode() + b"--\r\n"


def write_batch(replies: list[Reply], status: int = 200) -> Answer:
    """The outer status says nothing of what happened inside; a failed changeset is one plain part."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    parts = []
    for reply in replies:
        written = [write_part(content_id, answer) for content_id, answer in reply.answers]
        if not reply.is_changeset:
            parts += written
            continue
        inner = f"changesetresponse_{uuid.uuid4()}"
        parts.append(f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode() + multipart(written, inner))
    return Answer(status, multipart(parts, boundary), {"OData-Version": "4.0"}, f"multipart/mixed; boundary={boundary}")
