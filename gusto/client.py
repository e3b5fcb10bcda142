"""Reading Gusto: version header, paging, the shared call window, and one way to meet an expired token.

`GustoClient` acts with one company's grant, `SystemClient` with the installation's own token. Answers are plain JSON with
every fraction as Decimal; what they mean is for the modules that ask.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from audit.checks import mark_broken
from audit.exchange import Misconfigured, RecordedSession, TemporaryFailure, retry_after_seconds
from gusto import call_window, oauth
from gusto.answers import GustoAnswer, answer_of
from gusto.models import GustoApplication
from gusto.token_endpoint import active_application, api_address
from tenants.models import installation_tenant

#: How often one call is repeated because Gusto said “slow down”, before the work is put back.
SLOWED_MAX = 5
#: A client that has read something already waits out a whole window: giving up would throw away what it holds, and a
#: payroll of 10,000 people needs more calls than one window has.
WAIT_SECONDS_MAX_MIDWAY = call_window.WINDOW_SECONDS + 9.0
#: After a wait as long as this a kept connection may have been closed at the other end, so a new one is made.
IDLE_SECONDS = 15.0
#: A collection with more pages than this is not believed (10,000 people are 100 pages).
PAGES_MAX = 2000


class _Client:
    """What both clients share. Not shared between threads."""

    tenant_id: uuid.UUID

    def __init__(self, tenant_id: uuid.UUID, about: str, guard: Callable[[], None] | None) -> None:
        self.tenant_id = tenant_id
        self._guard = guard
        self._session = RecordedSession(tenant_id=tenant_id, system="gusto", about=about)
        self._application: GustoApplication | None = None

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def fetch(self, path: str, params: Mapping[str, str] | None = None, private: bool = True) -> GustoAnswer:
        """GET one address below /v1 (`path` starts with it). `private`: it carries pay or people, keep digests only.

        Raises NotThere (404), Misconfigured, Rejected (422), TemporaryFailure.
        """
        return self._send("GET", path, params=params, private=private)

    def pages(self, path: str, params: Mapping[str, str] | None = None, per: int = 100) -> Iterator[GustoAnswer]:
        """GET every page of a collection, or of the people inside one payroll. Never silently short.

        Follows X-Total-Pages. Where that header is missing the shape decides: a page as long as asked for is followed by
        the next. Raises TemporaryFailure where the collection changed while it was read.
        """
        number, before, counted = 1, "", ""
        while True:
            answer = self.fetch(path, {**(params or {}), "page": str(number), "per": str(per)})
            total, count = answer.headers.get("X-Total-Pages"), answer.headers.get("X-Total-Count", "")
            if number > 1 and count != counted:
                raise TemporaryFailure("The list changed in Gusto while it was read. It is read again.")
            counted = count
            if total is None and number > 1 and answer.text == before:
                # No header, and page 2 is page 1 again: this address does not page.
                return
            yield answer
            if not _has_next(answer, total, number, per):
                return
            before = answer.text
            number += 1
            if number > PAGES_MAX:
                raise TemporaryFailure(f"Gusto offers more than {PAGES_MAX} pages of one list.")

    def post(self, path: str, body: Any) -> GustoAnswer:
        """POST a JSON body. Raises as `fetch`, and OutcomeUnknown."""
        return self._send("POST", path, body=body)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        private: bool = True,
    ) -> GustoAnswer:
        if self._application is None:
            self._application = active_application()
        writes = method != "GET"
        refused, slowed = "", 0
        while True:
            if self._guard is not None:
                self._guard()
            token = self._token(refused)
            self._take_turn()
            response = self._session.call(
                method,
                api_address(self._application, path),
                writes=writes,
                private=private,
                returns=frozenset({429}),
                headers={
                    "Authorization": f"Bearer {token}",
                    "X-Gusto-API-Version": self._application.api_version,
                    "Accept": "application/json",
                },
                params=params,
                json=body,
            )
            if response.status_code == 429:
                slowed += 1
                self._slow_down(retry_after_seconds(response.headers), is_last=slowed >= SLOWED_MAX)
            elif response.status_code == 401:
                if refused:
                    self._refused()
                refused = token
            else:
                answer = answer_of(response, writes=writes)
                self._answered()
                return answer

    def _token(self, refused: str) -> str:
        """A token to use; not `refused`, which Gusto answered with 401."""
        raise NotImplementedError

    def _take_turn(self) -> None:
        """Wait for one's turn under the grant's limit of calls."""

    def _answered(self) -> None:
        """An answer was got."""

    def _slow_down(self, seconds: float | None, *, is_last: bool) -> None:
        """Gusto answered 429. Returns to try again, or raises TemporaryFailure."""
        raise TemporaryFailure("Gusto asks us to slow down. We try again by itself.", seconds)

    def _refused(self) -> None:
        """A new token was refused as well. Raises Misconfigured."""
        raise NotImplementedError


class GustoClient(_Client):
    """Reads one company with its grant. `about` is what the exchanges are for (a payroll uuid). `guard` is called before
    every call: pass `claim.guard`, so that a long read keeps its lease and stops when it has lost it.
    """

    def __init__(
        self, connection_id: int, tenant_id: uuid.UUID, about: str = "", guard: Callable[[], None] | None = None
    ) -> None:
        super().__init__(tenant_id, about or f"connection {connection_id}", guard)
        self.connection_id = connection_id
        self._has_answers = False

    def _token(self, refused: str) -> str:
        return oauth.access_token(self.connection_id, self.tenant_id, refused)

    def _take_turn(self) -> None:
        wait_seconds_max = WAIT_SECONDS_MAX_MIDWAY if self._has_answers else call_window.WAIT_SECONDS_MAX
        if call_window.take_turn(self.connection_id, self.tenant_id, wait_seconds_max) > IDLE_SECONDS:
            self._session.close()

    def _answered(self) -> None:
        self._has_answers = True

    def _slow_down(self, seconds: float | None, *, is_last: bool) -> None:
        call_window.pause(self.connection_id, self.tenant_id, seconds)
        if is_last:
            super()._slow_down(seconds, is_last=True)

    def _refused(self) -> None:
        mark_broken(self.connection_id, self.tenant_id, oauth.ENDED)
        raise Misconfigured(oauth.ENDED)


class SystemClient(_Client):
    """Acts for the installation: events, webhook subscriptions, disconnecting a company. Its exchanges belong to the
    installation's own tenant.
    """

    def __init__(self, about: str = "", guard: Callable[[], None] | None = None) -> None:
        super().__init__(installation_tenant().pk, about, guard)

    def put(self, path: str, body: Any) -> GustoAnswer:
        """PUT a JSON body. Raises as `post`."""
        return self._send("PUT", path, body=body)

    def delete(self, path: str) -> GustoAnswer:
        """Raises as `post`."""
        return self._send("DELETE", path)

    def _token(self, refused: str) -> str:
        return oauth.system_token(refused)

    def _refused(self) -> None:
        raise Misconfigured("Gusto does not accept this installation's own token.", "gusto")


def _has_next(answer: GustoAnswer, total: str | None, number: int, per: int) -> bool:
    if total is not None:
        if not total.isdigit():
            raise TemporaryFailure("Gusto did not say how many pages there are.")
        return number < int(total)
    rows = answer.document
    if isinstance(rows, dict):
        # The one document whose inside is paged: a payroll with its people (gusto.md 4.1).
        rows = rows.get("employee_compensations")
    # More than asked for is the whole of a list that does not page, fewer is its end.
    return isinstance(rows, list) and len(rows) == per
