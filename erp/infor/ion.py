"""The ION API as a product's connector sees it: the fields of a connection, and a client that signs in and asks.

`IonClient` sends each request once. Only what the gateway surely did not hand on is sent again: after 401, once, with a
new token. A call with effects whose answer is lost, late, empty, a page or a 5xx is OutcomeUnknown; the connector asks
the product what became of it. What the product itself says, also its refusals, comes back as an `IonAnswer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import requests

from audit.exchange import RecordedSession, json_body, json_of
from erp.infor.ion_file import IonFile, IonFileRefused, read_ionapi
from erp.infor.ion_gateway import OWN_STATUSES, gateway_error, is_page, is_sign_in_page
from erp.infor.ion_sign_in import SignIn
from tenants.credentials import CredentialField

__all__ = ["ANSWER_SECONDS", "ION_FIELDS", "IonAnswer", "IonClient", "IonFile", "IonFileRefused", "read_ionapi"]

#: Seconds that we wait for an answer: the gateway's 60, and a margin so that it is the gateway who gives up.
ANSWER_SECONDS = 75.0

JSON = "application/json"


def file_problem(value: str, *, is_on_premises: bool, sandbox_allowed: bool) -> str:
    """What is wrong with an uploaded file, as a sentence; nothing if it can be used."""
    try:
        read_ionapi(value, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)
    except IonFileRefused as refused:
        return str(refused)
    return ""


#: Of every Infor product; a product puts its own behind them.
ION_FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "ionapi",
        "Credentials file (.ionapi)",
        hint="Of an authorized app of type Backend Service, downloaded from Infor OS with “Create Service Account” ticked.",
        is_secret=True,
        is_file=True,
        accept=".ionapi,.json,application/json",
        check=file_problem,
    ),
    CredentialField(
        "ion_url",
        "ION API address",
        hint="Only where it is not the one in the file, on premises for instance: all that stands before the product's name.",
        example="https://ion.acme.example:7443/infor",
        is_required=False,
        is_address=True,
    ),
    CredentialField(
        "token_url",
        "Address for tokens",
        hint="Only where it is not the one in the file.",
        example="https://ion.acme.example:9443/InforIntSTS/connect/token",
        is_required=False,
        is_address=True,
    ),
    CredentialField(
        "client_authentication",
        "How the app signs in",
        hint="basic: in a header, as Infor describes it. body: in the form.",
        pattern="basic|body",
        default="basic",
        example="basic",
    ),
)


@dataclass(frozen=True, slots=True)
class IonAnswer:
    """What a product answered: 2xx, or a status that the caller said it explains. `document` is its JSON."""

    status: int
    document: Any


class IonClient:
    """One tenant's ION API, for one piece of work. Not shared between threads.

    Paths are relative to `{iu}/{ti}/`, such as `M3/m3api-rest/v2/execute`. `what` names a call in sentences (“the journal
    in M3”). `private`: bodies carry pay or people, so that only digests of them are kept. `explains`: statuses with a JSON
    body of the product's own that the caller reads; without one they are the gateway's. Raises Misconfigured where the
    stored file cannot be used.
    """

    def __init__(
        self,
        session: RecordedSession,
        credentials: Mapping[str, str],
        connection_id: int,
        *,
        explains: frozenset[int] = frozenset({400}),
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._session = session
        self._sign_in = SignIn(session, credentials, connection_id)
        self._root = (credentials.get("ion_url") or self._sign_in.file.ion_url).rstrip("/")
        self._explains = explains
        self._answer_seconds = answer_seconds

    @property
    def tenant(self) -> str:
        """Infor's name of the tenant, for people."""
        return self._sign_in.file.ti

    def sign_in(self) -> None:
        """Get a new token, whatever is known. Raises Misconfigured with the words of Infor OS, TemporaryFailure."""
        self._sign_in.renew()

    def get(self, path: str, params: Mapping[str, str] | None = None, *, what: str, private: bool = False) -> IonAnswer:
        """Read. Raises TemporaryFailure, Misconfigured."""
        return self._answer("GET", path, params, None, what, has_effect=False, private=private)

    def get_with_effect(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        what: str,
        private: bool = False,
        may_be_empty: bool = False,
    ) -> IonAnswer:
        """A GET that changes something over there: sent once. Raises OutcomeUnknown besides.

        `may_be_empty`: where nobody knows what the product answers, a 2xx without JSON counts, unless it is a page.
        """
        return self._answer(
            "GET", path, params, None, what, has_effect=True, private=private, may_be_empty=may_be_empty
        )

    def send(
        self,
        path: str,
        body: Any,
        *,
        has_effect: bool,
        what: str,
        private: bool = False,
        params: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> IonAnswer:
        """Send JSON. `has_effect`: something changes over there; false for a read that needs a body.

        Raises TemporaryFailure, Misconfigured; OutcomeUnknown only with effect.
        """
        return self._answer(method, path, params, body, what, has_effect=has_effect, private=private)

    def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        what: str,
        *,
        has_effect: bool,
        private: bool,
        may_be_empty: bool = False,
    ) -> IonAnswer:
        response = self._call(method, path, params, body, has_effect=has_effect, private=private)
        status, is_good = response.status_code, 200 <= response.status_code < 300
        if is_good or status in self._explains:
            try:
                return IonAnswer(status, json_of(response))
            except ValueError:
                if is_good and may_be_empty and not is_page(response.headers, response.content):
                    return IonAnswer(status, None)
        raise gateway_error(status, response.headers, response.content, what, has_effect=has_effect)

    def _call(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Any, *, has_effect: bool, private: bool
    ) -> requests.Response:
        """Send with a token; after 401 once more with a new one, and so a read after a sign-in page."""
        response = self._call_once(method, path, params, body, has_effect=has_effect, private=private)
        is_page_for_us = is_sign_in_page(response.status_code, response.headers, response.content)
        if response.status_code != 401 and not is_page_for_us:
            return response
        self._sign_in.forget()
        if is_page_for_us and has_effect:
            # That a page means a bad token is assumed, and nothing with effect is sent twice on an assumption.
            return response
        return self._call_once(method, path, params, body, has_effect=has_effect, private=private)

    def _call_once(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Any, *, has_effect: bool, private: bool
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._sign_in.token()}", "Accept": JSON}
        if body is not None:
            headers["Content-Type"] = JSON
        return self._session.call(
            method,
            f"{self._root}/{path.lstrip('/')}",
            writes=has_effect,
            private=private,
            returns=OWN_STATUSES,
            headers=headers,
            # Spaces as %20: behind the gateway not everybody takes a plus for one.
            params=urlencode(params, quote_via=quote) if params else None,
            data=json_body(body) if body is not None else None,
            read_seconds=self._answer_seconds,
        )
