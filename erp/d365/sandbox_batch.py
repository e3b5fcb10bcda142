"""multipart/mixed of POST /data/$batch: read strictly, written as recorded answers look.

Lines end with CRLF. A changeset needs a Content-ID in each part and takes no GET. The recorded request of 2021 leaves
out the end mark of its changeset, so the outer boundary ends it too; the outer end mark itself must be there.
"""

from __future__ import annotations

import http
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from audit.sandbox import Answer, Refused
from erp.d365.sandbox_errors import error_answer

METHODS = {"GET", "POST", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request inside a batch. `path` is below /data and decoded."""

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


def malformed(message: str) -> Refused:
    return Refused(error_answer(400, f"The batch request is not valid. {message}"))


def boundary_of(content_type: str) -> str:
    """Raises `Refused` unless it is multipart/mixed with a boundary."""
    kind, _, parameters = content_type.partition(";")
    match = re.search(r'boundary="?([^";]+)"?', parameters)
    if kind.strip().lower() != "multipart/mixed" or match is None:
        raise malformed("The content type must be multipart/mixed with a boundary.")
    return match[1].strip()


def split_parts(body: bytes, boundary: str, *, needs_end: bool) -> list[bytes]:
    mark = re.compile(rb"\r\n--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    text = b"\r\n" + body
    marks = list(mark.finditer(text))
    if not marks or marks[0][1]:
        raise malformed("No part begins with the boundary; lines must end with CRLF.")
    end = next((position for position, found in enumerate(marks) if found[1]), None)
    if end is None and needs_end:
        raise malformed("The end boundary is missing.")
    opening = marks[:end]
    stops = [found.start() for found in marks[1:]] + [len(text)]
    return [text[found.end() : stop] for found, stop in zip(opening, stops, strict=False)]


def split_head(part: bytes) -> tuple[dict[str, str], bytes]:
    """Headers with names in lower case, and what follows the blank line."""
    head, blank, rest = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise malformed("A part has no blank line after its headers; lines must end with CRLF.")
    if b"\n" in head.replace(b"\r\n", b""):
        raise malformed("Lines must end with CRLF.")
    return headers_of(head), rest


def headers_of(head: bytes) -> dict[str, str]:
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise malformed(f"'{line}' is not a header.")
        headers[name.strip().lower()] = value.strip()
    return headers


def read_operation(part: bytes, service: str, *, in_changeset: bool) -> Operation:
    headers, content = split_head(part)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/http":
        raise malformed("A part must be application/http.")
    if headers.get("content-transfer-encoding", "").lower() != "binary":
        raise malformed("A part must have Content-Transfer-Encoding: binary.")
    content_id = headers.get("content-id", "")
    if in_changeset and not content_id:
        raise malformed("A part of a changeset needs a Content-ID.")
    request_line, _, rest = content.partition(b"\r\n")
    words = request_line.decode("latin-1").split(" ")
    if len(words) != 3 or words[0] not in METHODS or words[2] != "HTTP/1.1":
        raise malformed(f"'{request_line.decode('latin-1')}' is not a request line.")
    method, address, _ = words
    if in_changeset and method == "GET":
        raise malformed("A changeset takes no GET.")
    head, _, body = rest.partition(b"\r\n\r\n")
    inner = headers_of(head.strip(b"\r\n")) if head.strip() else {}
    path, raw_query = below_service(address, service)
    return Operation(method, path, raw_query, inner, body, content_id)


def below_service(address: str, service: str) -> tuple[str, str]:
    """Absolute addresses must be this environment's; absolute paths and addresses relative to /data are fine."""
    parts = urlsplit(address)
    path = parts.path
    if parts.scheme:
        given, _, _ = address.partition("?")
        if not given.startswith(service + "/"):
            raise malformed(f"The address '{address}' is not of this service.")
        path = given[len(service) + 1 :]
    elif path.startswith("/"):
        root = urlsplit(service).path + "/"
        if not path.startswith(root):
            raise malformed(f"The address '{address}' is not of this service.")
        path = path[len(root) :]
    if path.startswith("$"):
        raise malformed(f"The address '{address}' cannot be part of a batch.")
    return unquote(path), parts.query


def read_batch(body: bytes, content_type: str, service: str) -> list[Operation | Changeset]:
    """`service` is the address of /data. Raises `Refused` (400) for the whole batch; nothing of it was done then."""
    parts: list[Operation | Changeset] = []
    for part in split_parts(body, boundary_of(content_type), needs_end=True):
        headers, content = split_head(part)
        kind = headers.get("content-type", "")
        if not kind.lower().startswith("multipart/mixed"):
            parts.append(read_operation(part, service, in_changeset=False))
            continue
        changeset = Changeset()
        # The blank line before the first boundary was taken by the head.
        for inner in split_parts(content, boundary_of(kind), needs_end=False):
            changeset.operations.append(read_operation(inner, service, in_changeset=True))
        ids = [operation.content_id for operation in changeset.operations]
        if len(set(ids)) != len(ids):
            raise malformed("Two parts of a changeset have the same Content-ID.")
        parts.append(changeset)
    return parts


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


def write_batch(replies: list[Reply]) -> Answer:
    """The outer status is 200 whatever happened inside (rule batch-1)."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    parts = []
    for reply in replies:
        written = [write_part(content_id, answer) for content_id, answer in reply.answers]
        if not reply.is_changeset:
            parts += written
            continue
        inner = f"changesetresponse_{uuid.uuid4()}"
        parts.append(f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode() + multipart(written, inner))
    return Answer(200, multipart(parts, boundary), {"OData-Version": "4.0"}, f"multipart/mixed; boundary={boundary}")
