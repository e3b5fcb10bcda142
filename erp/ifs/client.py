"""The HTTP part of the IFS Cloud connector: projections, reading in pages, rows that are written, changesets.

Every request carries a token that is valid now; 401 gets one more try with a new token. Only CreateVoucher, and a
changeset that holds it, changes the books: for everything else a lost answer costs nothing but another try, so it is a
TemporaryFailure. No cookie is kept: with a cookie session IFS wants an anti-forgery token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
import simplejson

from audit.exchange import (
    ExchangeError,
    Misconfigured,
    OutcomeUnknown,
    RecordedSession,
    TemporaryFailure,
    json_body,
    json_of,
)
from erp.ifs.fields import Fields
from erp.ifs.names import CREATE, Action, EntitySet
from erp.ifs.refusals import plain, refusal
from erp.ifs.sign_in import SignIn
from erp.odata import (
    BatchIncomplete,
    Operation,
    PartAnswer,
    Row,
    all_rows,
    batch_answers,
    batch_of_changeset,
    batch_of_reads,
    error_body,
    key,
    query_string,
)

#: Seconds that IFS may take for CreateVoucher before it gives up (`Prefer: wait`), and we for its answer. The answer to a
#: statement that went on comes before the connector's settling time is over.
WAIT_SECONDS = 120
ANSWER_SECONDS = 135.0

#: Statuses with a body of IFS' own that says more than the status.
_SAYS_WHY = frozenset({500, 501, 503, 504})

#: Reads in one $batch, unless the connection wants smaller ones; up to 200 parts are seen in the field.
READS_PER_BATCH = 100

JSON = "application/json"

#: Parts of a key as our names have them.
Key = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """What to read from a set, or with `parent_key` from the array below one row. Names are ours."""

    of: EntitySet
    where: str = ""
    """A filter with their names: see Names.equals."""
    orderby: str = ""
    parent_key: Key = field(default_factory=dict)
    top: int = 0
    """How many rows are expected, where more than a page."""

    def page_size(self, usual: int) -> int:
        return max(usual, self.top)


class IfsClient:
    """One IFS Cloud, for one piece of work. Not shared between threads."""

    def __init__(
        self, session: RecordedSession, credentials: Mapping[str, str], fields: Fields, connection_id: int
    ) -> None:
        self._session = session
        self._sign_in = SignIn(session, credentials, connection_id)
        self._root = f"{credentials['address'].rstrip('/')}/{credentials['path_prefix']}/ifsapplications/projection/v1"
        self._client_id = credentials["client_id"]
        self.fields = fields
        self.names = fields.names

    def sign_in(self) -> None:
        """Get a new token, whatever is known. Raises Misconfigured with the words of IFS IAM, TemporaryFailure."""
        self._sign_in.renew()

    # ---------------------------------------------------------------------------------------------------- addresses

    def service(self, of: EntitySet | Action) -> str:
        return f"{self._root}/{self.names.projection(of)}.svc"

    def path(self, of: EntitySet, parent_key: Key | None = None) -> str:
        """Of a set, or of the array below one row of its parent; relative to the service."""
        if not of.parent:
            return self.names.set(of)
        parts = {self.names.parent_field(of, name): value for name, value in (parent_key or {}).items()}
        return f"{self.names.parent(of)}{key(parts)}/{self.names.set(of)}"

    def record(self, of: EntitySet, objkey: str) -> str:
        """Of one temporary record."""
        return self.names.set(of) + key({self.names.field(of, "Objkey"): objkey})

    def action(self, action: Action, of: EntitySet, objkey: str) -> str:
        return f"{self.record(of, objkey)}/{self.names.action(action)}" if action.binds else self.names.action(action)

    def _address(self, query: Query) -> str:
        options = {
            "$select": ",".join(self.names.fields(query.of)),
            "$filter": query.where,
            "$orderby": query.orderby,
            "$top": str(query.page_size(self.fields.page_size)),
        }
        return f"{self.path(query.of, query.parent_key)}?{query_string(options)}"

    # ---------------------------------------------------------------------------------------------------- reading

    def rows(self, query: Query) -> list[Row]:
        """Every row, over all pages, with our names. Raises what `refusal` knows."""
        service = self.service(query.of)
        url = f"{service}/{self._address(query)}"
        return self._all_rows(query, self._read(url, self._words(query)), url)

    def read_many(self, queries: Sequence[Query]) -> list[list[Row] | ExchangeError]:
        """Several reads of one projection, in one round trip where changesets are used; each answers for itself.

        Raises TemporaryFailure where an answer as a whole cannot be used.
        """
        if not self.fields.uses_batch:
            return [self._rows_or_error(query) for query in queries]
        found: list[list[Row] | ExchangeError] = []
        size = min(READS_PER_BATCH, self.fields.changeset_size)
        while len(found) < len(queries):
            found += self._read_batch(queries[len(found) : len(found) + size])
        return found

    def _rows_or_error(self, query: Query) -> list[Row] | ExchangeError:
        try:
            return self.rows(query)
        except ExchangeError as error:
            return error

    def _read_batch(self, queries: Sequence[Query]) -> list[list[Row] | ExchangeError]:
        """Answers to the first queries: to all of them, or up to and with the first refusal."""
        service = self.service(queries[0].of)
        content, content_type = batch_of_reads([self._address(query) for query in queries])
        what = f"several reads of {self.names.projection(queries[0].of)}"
        response = self._batch(service, content, content_type, what, prefer="odata.continue-on-error")
        try:
            answers = batch_answers(response.content, response.headers.get("Content-Type", ""))
        except BatchIncomplete as error:
            raise TemporaryFailure("IFS did not answer completely. Nothing was changed.") from error
        found = [self._part(service, query, answer) for query, answer in zip(queries, answers, strict=False)]
        is_stopped = len(answers) < len(queries) and bool(found) and isinstance(found[-1], ExchangeError)
        if len(answers) != len(queries) and not is_stopped:
            raise TemporaryFailure("IFS left a question without an answer. Nothing was changed.")
        return found

    def _part(self, service: str, query: Query, answer: PartAnswer | list[PartAnswer]) -> list[Row] | ExchangeError:
        if isinstance(answer, list):
            return TemporaryFailure("IFS answered a question with a changeset.")
        if answer.status != 200:
            return refusal(answer.status, answer.headers, answer.content, self._words(query))
        try:
            return self._all_rows(query, answer.json(), f"{service}/{self._address(query)}")
        except ExchangeError as error:
            return error
        except ValueError:
            return TemporaryFailure(f"IFS gave an answer to {self._words(query)} that cannot be read.")

    def _all_rows(self, query: Query, document: Any, asked: str) -> list[Row]:
        words = self._words(query)
        try:
            rows = all_rows(
                document,
                asked,
                lambda url: self._read(url, words),
                below=self.service(query.of),
                page_size=query.page_size(self.fields.page_size),
            )
        except (ValueError, TypeError) as error:
            raise TemporaryFailure(f"IFS gave an answer to {words} that cannot be read.") from error
        return [self.names.row(query.of, row) for row in rows]

    def _words(self, query: Query) -> str:
        return f"{self.names.projection(query.of)}, {self.names.set(query.of)}"

    def _read(self, url: str, what: str) -> Any:
        response = self._call("GET", url)
        if response.status_code != 200:
            raise refusal(response.status_code, response.headers, response.content, what)
        try:
            return json_of(response)
        except ValueError:
            raise refusal(response.status_code, response.headers, response.content, what) from None

    def function_rows(self, path: str, of: EntitySet) -> list[Row]:
        """The rows at a path below the projections that the customer named, with our names for those of `of`."""
        url = f"{self._root}/{path}"
        service = url[: url.index(".svc") + len(".svc")]
        what = f"the search in the general ledger ({path.partition('(')[0]})"
        try:
            document = self._read(url, what)
            rows = all_rows(document, url, lambda link: self._read(link, what), below=service)
        except ValueError as error:
            raise TemporaryFailure(f"IFS gave an answer to {what} that cannot be read.") from error
        return [self.names.row(of, row) for row in rows]

    def metadata(self, of: EntitySet | Action) -> bytes:
        """The `$metadata` of a projection. Raises what `refusal` knows."""
        what = f"projection {self.names.projection(of)}"
        response = self._call("GET", f"{self.service(of)}/$metadata", accept="application/xml")
        if response.status_code != 200 or b"edmx" not in response.content[:1000]:
            raise refusal(response.status_code, response.headers, response.content, what)
        return response.content

    # ---------------------------------------------------------------------------------------------------- writing

    def insert(self, of: EntitySet, body: Row, what: str, parent_key: Key | None = None) -> Row:
        """POST one temporary record and return it as IFS made it, with our names."""
        response = self._write("POST", f"{self.service(of)}/{self.path(of, parent_key)}", body, what)
        return self.names.row(of, _row(response, what))

    def update(self, of: EntitySet, objkey: str, etag: str, body: Row, what: str) -> Row:
        """PATCH one temporary record; the record as it stands then, empty where IFS does not show it.

        Raises Stale where the ETag is an old one or is missed.
        """
        response = self._write(
            "PATCH", f"{self.service(of)}/{self.record(of, objkey)}", body, what, headers={"If-Match": etag}
        )
        return self.names.row(of, _row(response, what)) if response.content else {}

    def read_record(self, of: EntitySet, objkey: str) -> Row:
        """One temporary record as it stands."""
        what = f"{self.names.projection(of)}, {self.names.set(of)}"
        document = self._read(f"{self.service(of)}/{self.record(of, objkey)}", what)
        if not isinstance(document, dict):
            raise TemporaryFailure(f"IFS gave an answer to {what} that cannot be read.")
        return self.names.row(of, document)

    def act(self, action: Action, of: EntitySet, objkey: str, body: Row, what: str, *, has_effect: bool = False) -> Any:
        """Call an action; its value, None where it gives none that can be read."""
        url = f"{self.service(action)}/{self.action(action, of, objkey)}"
        headers = self.action_headers(action)
        response = self._write("POST", url, body, what, headers=headers, has_effect=has_effect)
        return value_of(response.content)

    def action_headers(self, action: Action) -> dict[str, str]:
        """A bound action on a temporary record takes any state of it; only CreateVoucher knows warnings."""
        headers = {"If-Match": "*"} if action.binds else {}
        if action is CREATE and self.fields.accepts_warnings:
            headers["X-IFS-Accept-Warnings"] = "true"
        return headers

    def changeset(
        self, of: EntitySet, operations: Sequence[Operation], what: str, *, has_effect: bool
    ) -> list[PartAnswer]:
        """Write several things, all of them or none. `url` of an operation is relative to the service.

        Raises OutcomeUnknown where `has_effect` and nobody knows whether it was done.
        """
        content, content_type = batch_of_changeset(operations)
        response = self._batch(self.service(of), content, content_type, what, writes=True, has_effect=has_effect)
        try:
            answers = batch_answers(response.content, response.headers.get("Content-Type", ""))
        except BatchIncomplete as error:
            raise _unknown(f"IFS gave no complete answer to {what}.", has_effect) from error
        # A failed changeset answers with one part, inside a changeset or bare.
        parts = [part for answer in answers for part in (answer if isinstance(answer, list) else [answer])]
        for part in parts:
            if not 200 <= part.status < 300:
                raise refusal(part.status, part.headers, part.content, what, has_effect=has_effect)
        if len(parts) != len(operations):
            raise _unknown(f"IFS answered {len(parts)} of {len(operations)} parts of {what}.", has_effect)
        return parts

    def _batch(
        self,
        service: str,
        content: bytes,
        content_type: str,
        what: str,
        *,
        writes: bool = False,
        has_effect: bool = False,
        prefer: str = "",
    ) -> requests.Response:
        response = self._call(
            "POST",
            f"{service}/$batch",
            writes=writes,
            has_effect=has_effect,
            content=content,
            content_type=content_type,
            accept="multipart/mixed",
            prefer=prefer,
        )
        if response.status_code in {200, 202}:
            return response
        # 413 comes from a gateway before IFS; 400 to a whole batch is about its form, not about what it asks for.
        if response.status_code in {400, 413}:
            body = error_body(response.content)
            words = plain(body.words) if body else f"status {response.status_code}"
            raise Misconfigured(
                f"IFS did not take {what} in one request: “{words}” If it is too big, lower “Rows per changeset” of the "
                "connection; if IFS takes no changesets, switch them off there."
            )
        raise refusal(response.status_code, response.headers, response.content, what, has_effect=has_effect)

    def _write(
        self,
        method: str,
        url: str,
        body: Row,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        has_effect: bool = False,
    ) -> requests.Response:
        response = self._call(
            method,
            url,
            writes=True,
            has_effect=has_effect,
            content=json_body(body),
            content_type=JSON,
            headers=headers,
        )
        if response.status_code not in {200, 201, 204}:
            raise refusal(response.status_code, response.headers, response.content, what, has_effect=has_effect)
        return response

    # ---------------------------------------------------------------------------------------------------- sending

    def _call(
        self,
        method: str,
        url: str,
        *,
        writes: bool = False,
        has_effect: bool = False,
        content: bytes | None = None,
        content_type: str = "",
        accept: str = JSON,
        prefer: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send with a token; after 401 once more with a new one. Raises Misconfigured after the second 401."""
        for _ in range(2):
            sent = {"Authorization": f"Bearer {self._sign_in.token()}", "Accept": accept, **(headers or {})}
            if content_type:
                sent["Content-Type"] = content_type
            if has_effect:
                prefer = f"wait={WAIT_SECONDS}"
            if prefer:
                sent["Prefer"] = prefer
            try:
                response = self._session.call(
                    method,
                    url,
                    writes=writes,
                    headers=sent,
                    data=content,
                    # 503 to CreateVoucher may come from a gateway behind which it is being done.
                    returns=_SAYS_WHY - {503} if has_effect else _SAYS_WHY,
                    read_seconds=ANSWER_SECONDS if has_effect else None,
                )
            except OutcomeUnknown as error:
                if has_effect:
                    raise
                raise TemporaryFailure(f"{error.sentence} Nothing was booked. We try again by itself.") from error
            if response.status_code != 401:
                return response
            self._sign_in.forget()
        raise Misconfigured(
            "IFS Cloud does not accept this sign-in, although IFS IAM does. Check that the IAM client "
            f"{self._client_id} belongs to this IFS Cloud and has a service user that is active there."
        )


def _row(response: requests.Response, what: str) -> Row:
    try:
        row = json_of(response)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise TemporaryFailure(f"IFS took {what} and gave an answer that cannot be read. We try again by itself.")
    return row


def value_of(content: bytes) -> Any:
    """The value of an action, `{"value": N}`; None where there is none: what was done is read back anyway."""
    try:
        document = simplejson.loads(content, use_decimal=True)
    except ValueError:
        return None
    return document.get("value") if isinstance(document, dict) else None


def _unknown(sentence: str, has_effect: bool) -> ExchangeError:
    return OutcomeUnknown(sentence) if has_effect else TemporaryFailure(f"{sentence} We try again by itself.")
