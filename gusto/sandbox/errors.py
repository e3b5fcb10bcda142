"""Gusto's error bodies (gusto.md 7, samples error-*.json of the reference), as refusals that a handler raises."""

from __future__ import annotations

from typing import Any

from audit.sandbox import Answer, Refused


def body(error_key: str, category: str, message: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """The `errors` document with one entry."""
    entry: dict[str, Any] = {"error_key": error_key, "category": category, "message": message}
    if metadata is not None:
        entry["metadata"] = metadata
    return {"errors": [entry]}


def not_found() -> Refused:
    return Refused(Answer(404, body("request", "not_found", "The requested resource was not found.")))


def foreign() -> Refused:
    """The resource exists and belongs to a company that this token was not granted."""
    message = "You do not have permission to access this resource."
    return Refused(Answer(404, body("request", "missing_permissions", message)))


def only_embedded() -> Refused:
    """An address of Gusto Embedded, asked with a token of an App Integrations application (docs "Error Categories")."""
    message = (
        "This endpoint is part of Gusto Embedded. Please contact us if you'd like to have more information and use it "
        "for production. Note, this may require you to enter a different agreement with Gusto."
    )
    return Refused(Answer(404, body("request", "missing_permissions", message)))


def unauthorized() -> Refused:
    """401; the body is assumed (gusto.md 2), a client goes by the status."""
    return Refused(Answer(401, {"error": "invalid_token"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'}))


def missing_scope(scope: str, named: bool) -> Refused:
    """403; the live API names the scope only sometimes (gusto-cli `handle-api-error.test.ts`)."""
    if not named:
        message = (
            "You do not have the necessary OAuth scopes for this request. Please reach out to developer@gusto.com "
            "for assistance."
        )
        return Refused(Answer(403, body("request", "missing_oauth_scopes", message)))
    message = (
        f"You do not have the '{scope}' OAuth scope required for this request. Please reach out to "
        "developer@gusto.com for assistance."
    )
    return Refused(Answer(403, body("request", "missing_oauth_scopes", message, {"missing_scope_name": scope})))


def version(given: str, well_formed: bool) -> Refused:
    if well_formed:
        message = f"Unsupported API Version `{given}`."
    else:
        message = f"Invalid API Version `{given}`. Expected format: YYYY-MM-DD"
    return Refused(Answer(406, body("request", "invalid_api_version", message)))


def unprocessable(error_key: str, category: str, message: str, metadata: dict[str, Any] | None = None) -> Refused:
    return Refused(Answer(422, body(error_key, category, message, metadata)))


def invalid_parameter(name: str, message: str) -> Refused:
    return unprocessable(name, "invalid_parameter", message)


def invalid_value(name: str, message: str) -> Refused:
    return unprocessable(name, "invalid_attribute_value", message)


def invalid_operation(message: str) -> Refused:
    return unprocessable("base", "invalid_operation", message)


def malformed_body() -> Refused:
    return Refused(Answer(400, body("request", "invalid_parameter", "The request body is not a JSON object.")))


def oauth(status: int, error: str, description: str) -> Refused:
    """A refusal of an /oauth address: RFC 6749 words, no `errors` list."""
    return Refused(Answer(status, {"error": error, "error_description": description}))
