"""Signing in with Infor OS: the password grant of a service account, and tokens of whatever life the tenant chose.

A token is renewed before it ends and shared by all clients of a connection in this process. A refresh token is not used:
with a service account it saves nothing, and an app may give none.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from audit.exchange import ExchangeError, Misconfigured, RecordedSession, TemporaryFailure, json_of
from erp.infor.ion_file import IonFile, IonFileRefused, read_ionapi

#: Before the end of its life a token is renewed: longer than the longest single request (the gateway cuts at 60 s).
RENEW_SECONDS = 120.0
#: Where the answer does not say how long a token lives; “currently about two hours” (docs.infor.com).
USUAL_SECONDS = 7200.0

#: `error` of RFC 6749, 5.2 -> what to do. No error body of Infor's was seen; its paths are PingFederate's.
ADVICE = {
    "invalid_client": "The authorized app of the .ionapi file is not known there, or its secret was changed. Download the file "
    "again and upload it.",
    "invalid_grant": "The service account of the .ionapi file is not accepted: it was deleted, expired, or its user is "
    "disabled. Download the file again with “Create Service Account” ticked and upload it.",
    "unauthorized_client": "The authorized app may not sign in with a service account. Make it a Backend Service.",
    "invalid_scope": "The scopes of the .ionapi file are not those of the authorized app. Download the file again and upload it.",
    "unsupported_grant_type": "The authorized app may not sign in with a service account. Make it a Backend Service.",
}


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    """Seconds of the monotonic clock."""


#: Tokens of this process: (connection, digest of what it signs in with) -> token. A changed file is another key.
_tokens: dict[tuple[int, str], _Token] = {}


class SignIn:
    """The tokens of one connection, for one piece of work. Not shared between threads.

    Raises Misconfigured where the stored file cannot be used.
    """

    def __init__(self, session: RecordedSession, credentials: Mapping[str, str], connection_id: int) -> None:
        try:
            # Which addresses may be reached is judged anew for each request, by the session.
            self.file: IonFile = read_ionapi(credentials["ionapi"], is_on_premises=True, sandbox_allowed=True)
        except IonFileRefused as refused:
            raise Misconfigured(str(refused)) from None
        self._session = session
        self._token_url = credentials.get("token_url") or self.file.token_url
        self._uses_body = credentials.get("client_authentication") == "body"
        file = self.file
        parts = [self._token_url, file.ci, file.cs, file.saak, file.sask, *file.sc]
        self._key = (connection_id, hashlib.sha256("\n".join(parts).encode()).hexdigest())

    @property
    def host(self) -> str:
        return urlsplit(self._token_url).netloc

    def renew(self) -> None:
        """Get a new token, whatever is known. Raises as `token`."""
        self.forget()
        self.token()

    def forget(self) -> None:
        """The token was refused."""
        _tokens.pop(self._key, None)

    def token(self) -> str:
        """Raises Misconfigured with the words of Infor OS, TemporaryFailure."""
        known = _tokens.get(self._key)
        if known is not None and time.monotonic() < known.renew_at:
            return known.text
        asked_at = time.monotonic()
        response = self._ask()
        document = self._document(response)
        if response.status_code != 200:
            raise self._refusal(response.status_code, document)
        text = document.get("access_token")
        if not isinstance(text, str) or not text:
            raise TemporaryFailure(f"{self.host} gave an answer without a token. We try again by itself.")
        lifetime = _lifetime(document.get("expires_in"))
        # A tenant may choose lives that are shorter than the margin.
        _tokens[self._key] = _Token(text, asked_at + lifetime - min(RENEW_SECONDS, lifetime / 2))
        return text

    def _ask(self) -> requests.Response:
        """Both ways to name the client are in use. The form is percent-encoded: `saak` holds `#`, `ci` holds `~`."""
        file = self.file
        form = {"grant_type": "password", "username": file.saak, "password": file.sask}
        if file.sc:
            form["scope"] = " ".join(file.sc)
        headers = {"Accept": "application/json"}
        if self._uses_body:
            form |= {"client_id": file.ci, "client_secret": file.cs}
        else:
            pair = base64.b64encode(f"{file.ci}:{file.cs}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        # Private: the name of the account is half of a secret.
        return self._session.call("POST", self._token_url, writes=False, private=True, headers=headers, data=form)

    def _document(self, response: requests.Response) -> Mapping[str, Any]:
        """The JSON object of an answer. Raises Misconfigured where something else lives at this address."""
        try:
            document = json_of(response)
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
        if response.status_code in {401, 403}:
            return {}
        raise Misconfigured(
            f"{self.host} does not answer as the sign-in of Infor OS does (status {response.status_code}). Upload the "
            ".ionapi file anew, or enter “Address for tokens”."
        )

    def _refusal(self, status: int, document: Mapping[str, Any]) -> ExchangeError:
        error = str(document.get("error") or "")
        words = str(document.get("error_description") or error or f"status {status}")[:300]
        if error in {"temporarily_unavailable", "server_error"}:
            return TemporaryFailure(f"Infor OS cannot sign us in at the moment: “{words}” We try again by itself.")
        advice = ADVICE.get(error, "Infor OS refused the sign-in. Download the .ionapi file again and upload it.")
        return Misconfigured(f"{advice} Infor OS says: “{words}”")


def _lifetime(value: Any) -> float:
    """Seconds; a number, a text of digits, or nothing (all are in the field)."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return USUAL_SECONDS
    return seconds if 0 < seconds < float("inf") else USUAL_SECONDS
