"""How the Dynamics 365 sandbox refuses: error bodies in the vendor's shapes, Infolog texts in the user's language.

Shapes: an "error" object whose "code" is empty and whose "innererror" names the cause (recorded 2020 and 2026), a
top-level "Message" for a collection that does not exist, an empty body for 401 (assumed: none was ever published).
Infolog texts marked "recorded" in the facts are given word for word; the others follow their style and are assumed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from audit.sandbox import Answer, Refused
from erp.d365.sandbox_schema import EntitySet, read_data

JSON_TYPE = "application/json; odata.metadata=minimal; charset=utf-8"
ODATA_HEADERS = {"OData-Version": "4.0"}
PLATFORM = "Microsoft.Dynamics.Platform.Integration.Services.OData"
STACKTRACE = (
    f"   at {PLATFORM}.Update.UpdateProcessor.CreateEntity_Save(ChangeOperationContext context, ChangeInfo changeInfo)\r\n"
    "   at …"
)
AN_ERROR = "An error has occurred."


@cache
def infolog_texts() -> dict[str, dict[str, str]]:
    return dict(read_data("infolog.json"))


class InfologRefused(Refused):
    """A refusal that carries an Infolog. A plain PATCH hides it (rule err-1), a part of a $batch shows it."""


def error_answer(
    status: int,
    message: str,
    inner: str = "",
    inner_type: str = "",
    headers: dict[str, str] | None = None,
    code: str = "",
) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"message": inner, "type": inner_type, "stacktrace": STACKTRACE}
    return Answer(status, {"error": error}, {**ODATA_HEADERS, **(headers or {})}, JSON_TYPE)


class Infolog:
    """Texts in the language of the F&O user behind the client id (rule err-2)."""

    def __init__(self, language: str, status: int) -> None:
        self.texts = infolog_texts()[language]
        self.status = status

    def text(self, name: str, /, **values: object) -> str:
        return self.texts[name].format(**values)

    def refuse(self, entity: EntitySet, name: str, /, *, verb: str = "Write", **values: object) -> InfologRefused:
        """One error line."""
        return self._refused(entity, verb, f"Error: {self.text(name, **values)}")

    def refuse_field(self, entity: EntitySet, field: str, name: str, /, **values: object) -> InfologRefused:
        """A warning and the name of the field whose check failed."""
        failed = self.text("validate_field", field=f"{entity.entity_name}.{field}")
        return self._refused(entity, "Write", f"Warning: {self.text(name, **values)}; Warning: {failed}")

    def mandatory(self, entity: EntitySet, field: str, label: str) -> InfologRefused:
        return self.refuse_field(entity, field, "mandatory", label=label)

    def unrelated(self, entity: EntitySet, field: str, value: object, label: str, table: str) -> InfologRefused:
        return self.refuse_field(entity, field, "unrelated", value=value, label=label, table=table)

    def _refused(self, entity: EntitySet, verb: str, lines: str) -> InfologRefused:
        message = f"{verb} failed for table row of type '{entity.entity_name}'. Infolog: {lines}."
        return InfologRefused(error_answer(self.status, AN_ERROR, message, f"{PLATFORM}.AxODataWriteException"))


def hidden_infolog() -> Answer:
    """What a plain PATCH answers instead of the Infolog."""
    return error_answer(500, AN_ERROR)


def forbidden_field(field: str, what: str) -> Refused:
    """A field that may not be written: 403 and not 400 (recorded live for updates). `what`: insert or update."""
    message = f"{what} not allowed for field '{field}'"
    return Refused(error_answer(403, AN_ERROR, message, f"{PLATFORM}.ODataSecurityException"))


def access_denied() -> Refused:
    return Refused(error_answer(403, AN_ERROR, "Access is denied.", f"{PLATFORM}.ODataSecurityException"))


def nothing_to_update() -> Refused:
    """PATCH or DELETE of an unknown key, or of another company's without cross-company=true (400, recorded)."""
    message = "No resources were found when selecting for update."
    return Refused(error_answer(400, AN_ERROR, message, "System.InvalidOperationException"))


def not_found(resource: str) -> Refused:
    """GET of a key that is not there. The status is one of the facts' open points; 404 is assumed."""
    return Refused(error_answer(404, f"No resource was found for '{resource}'."))


def unknown_address(address: str) -> Refused:
    body = {"Message": f"No HTTP resource was found that matches the request URI '{address}'."}
    return Refused(Answer(404, body, dict(ODATA_HEADERS), JSON_TYPE))


def bad_query(message: str) -> Refused:
    full = f"The query specified in the URI is not valid. {message}"
    return Refused(error_answer(400, full, message, "Microsoft.OData.Core.ODataException"))


def bad_body(message: str) -> Refused:
    """A body that does not fit the type: unknown property, wrong literal, malformed JSON. Wording assumed."""
    return Refused(error_answer(400, "The request is invalid.", message, "Microsoft.OData.Core.ODataException"))


def precondition_failed() -> Refused:
    """If-Match with another ETag (412 as in OData; the body is assumed)."""
    message = "The record was changed by another process since it was read."
    return Refused(error_answer(412, AN_ERROR, message, f"{PLATFORM}.ODataPreconditionFailedException"))


def throttled(seconds: str = "15") -> Answer:
    """Resource-based throttling: 429 with Retry-After in seconds, alone or as one part of a $batch."""
    message = (
        "This request could not be processed at this time due to system experiencing high resource utilization. "
        f"Please retry the request after {seconds} seconds."
    )
    return error_answer(429, message, headers={"Retry-After": seconds}, code="429")


def unauthorized(environment: str, directory: str) -> Refused:
    """Expired, wrong audience, unregistered client: one and the same answer (rule auth-1)."""
    challenge = (
        f'Bearer authorization_uri="https://login.microsoftonline.com/{directory}/oauth2/authorize", '
        f'resource_id="{environment}"'
    )
    return Refused(Answer(401, None, {"WWW-Authenticate": challenge}))
