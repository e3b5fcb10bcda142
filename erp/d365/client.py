"""The HTTP part of the Dynamics 365 connector: signing in with Microsoft Entra, reading, writing, $batch.

One token per connection and process, renewed before it ends; 401 gets one more try with a new token and is then a
setting to repair, because expired, wrong audience and unregistered client id look the same from outside.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from audit.exchange import (
    ExchangeError,
    Misconfigured,
    OutcomeUnknown,
    RecordedSession,
    TemporaryFailure,
    json_body,
    json_of,
)
from erp.d365.refusals import read_refusal, write_refusal
from erp.odata import (
    BatchIncomplete,
    Operation,
    PartAnswer,
    Row,
    address,
    all_rows,
    batch_answers,
    batch_of_changeset,
    batch_of_reads,
    key,
)

#: Tokens live about an hour; two minutes cover the longest batch and a clock that is slow (vendor's clients do the same).
RENEW_SECONDS = 120.0

#: AADSTS code -> what to do (Microsoft Learn, service principal troubleshooting; 90002 and 500011 assumed from general
#: behaviour).
SIGN_IN_REFUSALS = {
    "7000215": "The client secret is wrong. Enter the secret's value, not its id.",
    "7000222": "The client secret has expired. Make a new one for the app registration and enter it here.",
    "700016": "The client id is not known in this directory. Check client id and directory id.",
    "70011": "The environment address is not one that this directory knows. Enter it exactly as the browser shows it.",
    "500011": "The environment address is not one that this directory knows. Enter it exactly as the browser shows it.",
    "50034": "The directory id is wrong.",
    "90002": "The directory id is wrong, or it belongs to another cloud.",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What to read from an entity set, in all companies: without cross-company=true only the default company of the
    Dynamics user is shown, whatever the filter says.
    """

    entity_set: str
    where: str = ""
    select: tuple[str, ...] = ()
    orderby: str = ""
    top: int = 0
    counted: bool = False

    def options(self) -> dict[str, str]:
        return {
            "cross-company": "true",
            "$filter": self.where,
            "$select": ",".join(self.select),
            "$orderby": self.orderby,
            "$top": str(self.top) if self.top else "",
            "$count": "true" if self.counted else "",
        }


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    """Seconds of the monotonic clock."""


#: Tokens of this process: (connection, digest of what it signs in with) -> token. A changed secret is another key.
_tokens: dict[tuple[int, str], _Token] = {}


class D365Client:
    """One environment, for one piece of work. Not shared between threads."""

    def __init__(self, session: RecordedSession, credentials: Mapping[str, str], connection_id: int) -> None:
        self._session = session
        self._environment = credentials["environment"].rstrip("/")
        self._authority = credentials["authority"].rstrip("/")
        self._directory = credentials["directory_id"]
        self._client_id = credentials["client_id"]
        self._secret = credentials["client_secret"]
        self._root = f"{self._environment}/data"
        signs_in_with = "\n".join([self._environment, self._authority, self._directory, self._client_id, self._secret])
        self._token_key = (connection_id, hashlib.sha256(signs_in_with.encode()).hexdigest())

    # ------------------------------------------------------------------------------------------------------ sign-in

    def sign_in(self) -> None:
        """Get a new token, whatever is cached. Raises Misconfigured with Entra's words, TemporaryFailure."""
        self._forget_token()
        self._token()

    def _token(self) -> str:
        known = _tokens.get(self._token_key)
        if known is not None and time.monotonic() < known.renew_at:
            return known.text
        asked_at = time.monotonic()
        response = self._session.call(
            "POST",
            f"{self._authority}/{quote(self._directory, safe='')}/oauth2/v2.0/token",
            writes=False,
            headers={"Accept": "application/json"},
            data={
                "grant_type": "client_credentials",
                "client_id": self._client_id,
                "client_secret": self._secret,
                "scope": f"{self._environment}/.default",
            },
        )
        try:
            document = json_of(response)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise TemporaryFailure(
                f"The sign-in address of Microsoft Entra gave no clear answer (status {response.status_code})."
            )
        if response.status_code != 200:
            raise _sign_in_refusal(document)
        try:
            text, lifetime = str(document["access_token"]), float(document["expires_in"])
        except (KeyError, TypeError, ValueError) as error:
            raise TemporaryFailure("Microsoft Entra gave an answer without a token.") from error
        # A sandbox or a strict policy may hand out tokens that live shorter than the margin.
        _tokens[self._token_key] = _Token(text, asked_at + lifetime - min(RENEW_SECONDS, lifetime / 2))
        return text

    def _forget_token(self) -> None:
        _tokens.pop(self._token_key, None)

    # ------------------------------------------------------------------------------------------------------ reading

    def rows(self, query: Query) -> list[Row]:
        """Every row, over all pages. Raises what `read_refusal` knows."""
        return self._all_rows(
            query, self._read(address(self._root, query.entity_set, query.options()), query.entity_set)
        )

    def read_many(self, queries: Sequence[Query]) -> list[list[Row] | ExchangeError]:
        """Several reads in one round trip; each answers for itself. Further pages cost one round trip each, and so
        does what Dynamics leaves unanswered after a refusal.

        Raises TemporaryFailure where the answer as a whole cannot be used.
        """
        found: list[list[Row] | ExchangeError] = []
        while len(found) < len(queries):
            found += self._read_batch(queries[len(found) :])
        return found

    def _read_batch(self, queries: Sequence[Query]) -> list[list[Row] | ExchangeError]:
        """Answers to the first queries: to all of them, or up to and with the first refusal."""
        content, content_type = batch_of_reads(
            [address(self._root, query.entity_set, query.options()) for query in queries]
        )
        # Without this the standard lets a server stop at the first refusal; whether Dynamics heeds it is undocumented.
        response = self._batch(content, content_type, writes=False, prefer="odata.continue-on-error")
        if response.status_code != 200:
            raise read_refusal(response.status_code, response.headers, response.content, "several entity sets at once")
        try:
            answers = batch_answers(response.content, response.headers.get("Content-Type", ""))
        except BatchIncomplete as error:
            raise TemporaryFailure("Dynamics did not answer completely. Nothing was changed.") from error
        found = [self._rows_or_error(query, answer) for query, answer in zip(queries, answers, strict=False)]
        is_whole = len(answers) == len(queries)
        is_stopped = len(answers) < len(queries) and bool(found) and isinstance(found[-1], ExchangeError)
        if not is_whole and not is_stopped:
            raise TemporaryFailure("Dynamics left a question without an answer. Nothing was changed.")
        return found

    def _rows_or_error(self, query: Query, answer: PartAnswer | list[PartAnswer]) -> list[Row] | ExchangeError:
        if isinstance(answer, list):
            return TemporaryFailure("Dynamics answered a question with a changeset.")
        if answer.status != 200:
            return read_refusal(answer.status, answer.headers, answer.content, query.entity_set)
        try:
            return self._all_rows(query, answer.json())
        except ExchangeError as error:
            return error
        except ValueError:
            return TemporaryFailure(f"Dynamics gave an answer to {query.entity_set} that cannot be read.")

    def _all_rows(self, query: Query, document: Any) -> list[Row]:
        asked = address(self._root, query.entity_set, query.options())
        try:
            if query.top:
                # $count counts what the filter finds, not what $top lets through.
                document = {**document, "@odata.count": None}
            return all_rows(document, asked, lambda url: self._read(url, query.entity_set))
        except (ValueError, TypeError) as error:
            raise TemporaryFailure(f"Dynamics gave an answer to {query.entity_set} that cannot be read.") from error

    def _read(self, url: str, what: str) -> Any:
        response = self._call("GET", url, writes=False)
        if response.status_code != 200:
            raise read_refusal(response.status_code, response.headers, response.content, what)
        try:
            return json_of(response)
        except ValueError as error:
            raise TemporaryFailure(f"Dynamics gave an answer to {what} that cannot be read.") from error

    # ------------------------------------------------------------------------------------------------------ writing

    def create(self, entity_set: str, body: Row, what: str) -> Row:
        """POST one row and return it as Dynamics stored it. Raises what `write_refusal` knows."""
        response = self._call(
            "POST",
            address(self._root, entity_set),
            writes=True,
            content=json_body(body),
            content_type="application/json",
            returns=frozenset({500}),
        )
        # 201 is the service's own answer; 200 was recorded behind a proxy.
        if response.status_code not in {200, 201}:
            raise write_refusal(response.status_code, response.headers, response.content, what)
        try:
            row = json_of(response)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise OutcomeUnknown(f"Dynamics took {what} and gave an answer that cannot be read.")
        return row

    def delete(self, entity_set: str, key_parts: Mapping[str, Any], what: str) -> None:
        """DELETE one row. Raises what `write_refusal` knows."""
        url = address(self._root, entity_set, {"cross-company": "true"}, key(key_parts))
        response = self._call("DELETE", url, writes=True, returns=frozenset({500}))
        if response.status_code != 204:
            raise write_refusal(response.status_code, response.headers, response.content, what)

    def create_all(self, entity_set: str, bodies: Sequence[Row], what: str) -> None:
        """POST rows in one changeset: all of them or none. Raises what `write_refusal` knows."""
        self._changeset([Operation("POST", address(self._root, entity_set), body) for body in bodies], what)

    def delete_all(self, entity_set: str, keys: Sequence[Mapping[str, Any]], what: str) -> None:
        """DELETE rows in one changeset: all of them or none. Raises what `write_refusal` knows."""
        options = {"cross-company": "true"}
        self._changeset(
            [Operation("DELETE", address(self._root, entity_set, options, key(parts))) for parts in keys], what
        )

    def _changeset(self, operations: Sequence[Operation], what: str) -> None:
        content, content_type = batch_of_changeset(operations)
        response = self._batch(content, content_type, writes=True)
        if response.status_code != 200:
            raise write_refusal(response.status_code, response.headers, response.content, what)
        try:
            answers = batch_answers(response.content, response.headers.get("Content-Type", ""))
        except BatchIncomplete as error:
            raise OutcomeUnknown(f"Dynamics gave no complete answer to {what}.") from error
        # A failed changeset answers with one part, inside a changeset (recorded) or bare (the standard).
        parts = [part for answer in answers for part in (answer if isinstance(answer, list) else [answer])]
        for part in parts:
            if not 200 <= part.status < 300:
                raise write_refusal(part.status, part.headers, part.content, what)
        if len(parts) != len(operations):
            raise OutcomeUnknown(f"Dynamics answered {len(parts)} of {len(operations)} parts of {what}.")

    # ------------------------------------------------------------------------------------------------------ sending

    def _batch(self, content: bytes, content_type: str, *, writes: bool, prefer: str = "") -> requests.Response:
        return self._call(
            "POST",
            f"{self._root}/$batch",
            writes=writes,
            content=content,
            content_type=content_type,
            accept="multipart/mixed",
            prefer=prefer,
        )

    def _call(
        self,
        method: str,
        url: str,
        *,
        writes: bool,
        content: bytes | None = None,
        content_type: str = "",
        accept: str = "application/json;odata.metadata=minimal",
        prefer: str = "",
        returns: frozenset[int] = frozenset(),
    ) -> requests.Response:
        """Send with a token; after 401 once more with a new one. Raises Misconfigured after the second 401."""
        for _ in range(2):
            headers = {
                "Authorization": f"Bearer {self._token()}",
                "Accept": accept,
                "OData-Version": "4.0",
                "OData-MaxVersion": "4.0",
            }
            if content_type:
                headers["Content-Type"] = content_type
            if prefer:
                headers["Prefer"] = prefer
            response = self._session.call(method, url, writes=writes, headers=headers, data=content, returns=returns)
            if response.status_code != 401:
                return response
            self._forget_token()
        raise Misconfigured(
            "Dynamics does not accept this sign-in, although Microsoft Entra does. In Dynamics, open System "
            f"administration > Setup > Microsoft Entra ID applications and enter the client id {self._client_id} with "
            "a user. The environment address must be exactly the one that the browser shows, without a slash at the end."
        )


def _sign_in_refusal(document: Mapping[str, Any]) -> ExchangeError:
    """What Entra's error answer means: {error, error_description, error_codes}."""
    description = str(document.get("error_description") or document.get("error") or "")
    # Everything after this point is ids for Microsoft's support.
    words = re.split(r"\s*Trace ID:", description)[0].strip()[:300]
    if document.get("error") in {"temporarily_unavailable", "server_error"}:
        return TemporaryFailure(f"Microsoft Entra cannot sign us in at the moment: “{words}”")
    codes = [str(code) for code in document.get("error_codes") or re.findall(r"AADSTS(\d+)", description)]
    advice = next((SIGN_IN_REFUSALS[code] for code in codes if code in SIGN_IN_REFUSALS), "")
    return Misconfigured(f"{advice or 'Microsoft Entra refused the sign-in.'} Microsoft Entra says: “{words}”")
