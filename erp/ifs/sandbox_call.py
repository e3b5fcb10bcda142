"""One operation on one projection of the IFS Cloud sandbox, and what its headers demand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from audit.sandbox import Answer, Refused, Request
from erp.ifs.sandbox_assistant import Assistant
from erp.ifs.sandbox_errors import error_answer, not_found, not_implemented, refused
from erp.ifs.sandbox_odata import etag_of, read_object, read_record
from erp.ifs.sandbox_schema import EntityType, Projection, Row
from erp.ifs.sandbox_settings import Settings
from erp.odata_sandbox import Operation

ACCEPT_WARNINGS = "x-ifs-accept-warnings"
IEEE754 = "ieee754compatible=true"


@dataclass(frozen=True, slots=True)
class Call:
    """`created`: address and ETag of what parts of the same changeset made, by Content-ID."""

    request: Request
    projection: Projection
    service: str
    operation: Operation
    assistant: Assistant
    created: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.assistant.settings

    def header(self, name: str, default: str = "") -> str:
        return self.operation.headers.get(name, default)

    @property
    def sends_text_numbers(self) -> bool:
        return IEEE754 in self.header("accept").replace(" ", "").lower()

    def body(self) -> dict[str, Any]:
        """Raises `Refused` (400) for anything but a JSON object."""
        return read_object(self.operation.body, self.header("content-type"))

    def record(self, entity: EntityType) -> Row:
        """The body as it is stored. Raises `Refused` (400)."""
        takes_text_numbers = IEEE754 in self.header("content-type").replace(" ", "").lower()
        return read_record(self.body(), entity, takes_text_numbers=takes_text_numbers)


class RefusedPart(Refused):
    """A refusal inside a unit of several operations: `place` is the number of the one that failed."""

    def __init__(self, answer: Answer, place: int) -> None:
        super().__init__(answer)
        self.place = place


def with_references(call: Call) -> Call:
    """$1 in an address or in If-Match stands for what the part with this Content-ID made."""
    operation = call.operation
    head, slash, rest = operation.path.partition("/")
    path, headers = operation.path, operation.headers
    if head.startswith("$") and head[1:].isdigit():
        path = _created(call, head)[0] + slash + rest
    if call.header("if-match").startswith("$"):
        headers = {**headers, "if-match": _created(call, call.header("if-match"))[1]}
    return replace(call, operation=replace(operation, path=unquote(path), headers=headers))


def _created(call: Call, reference: str) -> tuple[str, str]:
    if reference[1:] not in call.created:
        raise not_found()
    return call.created[reference[1:]]


def check_headers(call: Call) -> None:
    """Headers that this address does not support."""
    if call.header("if-none-match"):
        raise not_implemented("If-None-Match is not supported.")
    action = call.projection.actions.get(call.operation.path.rpartition(".")[2])
    if call.header(ACCEPT_WARNINGS) and (action is None or not action.supports_warnings):
        # 400 was seen where a projection does not support warnings; which code is assumed.
        raise not_implemented("Warnings are not supported here.", status=400)


def check_cookies(request: Request) -> None:
    """A cookie session has to prove that a write is no forgery; a client with a token keeps no cookies."""
    if request.method != "GET" and request.header("cookie") and not request.header("x-xsrf-token"):
        raise refused("CSRF_ERROR")


def check_precondition(call: Call, entity: EntityType, row: Row) -> None:
    """A given If-Match must fit, or be "*"."""
    given = call.header("if-match", "*")
    # The fault: somebody else was quicker, so that no tag which the client can know fits any more.
    if given != "*" and (given != etag_of(entity, row) or call.request.fault("modified")):
        raise refused("DB_OBJECT_MODIFIED")


def require_precondition(call: Call, entity: EntityType, row: Row) -> None:
    """PATCH, DELETE and state events need If-Match. An upsert is not supported here."""
    if not call.header("if-match"):
        raise Refused(error_answer("ODP_MISSING_PRECONDITION", status=call.settings.missing_precondition_status))
    check_precondition(call, entity, row)
