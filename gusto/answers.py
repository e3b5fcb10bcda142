"""What an answer of Gusto means: one table from status to what happens next, and Gusto's words for people.

Error bodies are read defensively: an entry of `errors` may be a bare string, entries may be nested, and a proxy answers
HTML (gusto-cli, handle-api-error.test.ts). A status in no row is closed by default: unknown for a write, temporary for a
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure, json_of

#: Characters of Gusto's words that are shown; longer ones are lists of the same.
WORDS_LENGTH = 400


@dataclass(frozen=True, slots=True)
class GustoAnswer:
    """An answer below 300. `document` is the parsed JSON with every fraction as Decimal, None for an empty body;
    `text` is the body as received; names in `headers` are found in any case.
    """

    status: int
    text: str
    document: Any
    headers: Mapping[str, str]


class NotThere(Rejected):
    """404: Gusto does not know it, or does not let this grant see it. `category` is Gusto's: not_found,
    missing_permissions, deprecated_endpoint, or empty where the body said nothing.
    """

    def __init__(self, sentence: str, category: str) -> None:
        super().__init__(sentence)
        self.category = category


@dataclass(frozen=True, slots=True)
class GustoError:
    """One entry of an error body."""

    category: str
    message: str
    scope: str = ""
    """The missing OAuth scope, where Gusto names it."""


def answer_of(response: requests.Response, *, writes: bool) -> GustoAnswer:
    """The answer, if it is one. Raises what its status means; 401 and 429 are the caller's."""
    if not 200 <= response.status_code < 300:
        raise refusal_of(response, writes=writes)
    document = None
    if response.content:
        try:
            document = json_of(response)
        except ValueError:
            sentence = "Something between us and Gusto answered in its place."
            raise (OutcomeUnknown(sentence) if writes else TemporaryFailure(sentence)) from None
    return GustoAnswer(response.status_code, response.content.decode("utf-8", "replace"), document, response.headers)


def refusal_of(response: requests.Response, *, writes: bool) -> ExchangeError:
    """What an answer of 300 or more means (gusto.md 7, table of statuses)."""
    errors = errors_of(response)
    words = words_of(errors)
    category = errors[0].category if errors else ""
    match response.status_code:
        case 403 if any(error.category == "missing_oauth_scopes" for error in errors):
            scope = next((error.scope for error in errors if error.scope), "")
            named = f"the permission “{scope}”" if scope else "a permission"
            return Misconfigured(
                f"Gusto has not given our application {named}. Ask Gusto to add it, then connect the company again."
            )
        case 403:
            return Misconfigured(f"Gusto does not allow this: {words}")
        case 404:
            return NotThere(f"Gusto does not know what was asked for: {words}", category)
        case 406:
            return Misconfigured(f"Gusto does not accept the API version we ask for: {words}", "gusto")
        case 409:
            return TemporaryFailure(f"Gusto is busy with the same thing: {words}")
        case 422:
            return Rejected(f"Gusto refused: {words}")
    sentence = f"Gusto gave an answer that we do not know (status {response.status_code})."
    return OutcomeUnknown(sentence) if writes else TemporaryFailure(sentence)


def errors_of(response: requests.Response) -> list[GustoError]:
    """The entries of an error body, nested ones included; empty for HTML, nothing or anything unknown."""
    try:
        document = json_of(response)
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    if isinstance(document.get("error"), str):
        # RFC 6749 words, as the OAuth addresses and the assumed body of a 401 use them.
        description = document.get("error_description")
        return [GustoError(document["error"], description if isinstance(description, str) else document["error"])]
    return _entries(document.get("errors"))


def _entries(given: Any) -> list[GustoError]:
    found: list[GustoError] = []
    for entry in given if isinstance(given, list) else [given]:
        if isinstance(entry, str):
            found.append(GustoError("", entry))
        elif isinstance(entry, dict):
            if entry.get("errors"):
                found += _entries(entry["errors"])
                continue
            category, message = entry.get("category"), entry.get("message")
            found.append(
                GustoError(
                    category if isinstance(category, str) else "",
                    message if isinstance(message, str) else "",
                    _scope(entry),
                )
            )
    return found


def _scope(entry: dict[str, Any]) -> str:
    """Gusto names the missing scope in `metadata`, only in the message, or not at all."""
    metadata = entry.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("missing_scope_name"), str):
        return str(metadata["missing_scope_name"])
    found = re.search(r"'([a-z_]+(?::[a-z]+)+)' OAuth scope", str(entry.get("message") or ""))
    return found[1] if found else ""


def words_of(errors: list[GustoError]) -> str:
    """Gusto's own words in one line, or that it gave none."""
    words = " ".join(dict.fromkeys(error.message for error in errors if error.message))
    return words[:WORDS_LENGTH] or "it gave no reason."
