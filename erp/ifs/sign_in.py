"""Signing in with IFS IAM: client credentials, where tokens come from, and tokens of three minutes.

A token is renewed before it ends, also between two steps of one voucher, and shared by all clients of a connection in
this process. The realm is not the name of the host, so the address for tokens is asked from IFS IAM (OpenID discovery)
unless the connection names it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from audit.exchange import ExchangeError, Misconfigured, RecordedSession, TemporaryFailure, json_of
from erp.ifs.refusals import plain

#: Tokens live 180 s (documented and seen). The longest single request of a voucher waits for a statement of 120 s, but a
#: request is judged when it arrives, so a margin for a slow clock and a slow network is enough.
RENEW_SECONDS = 45.0

#: The value of the field “Scope” that leaves it out.
NO_SCOPE = "none"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    """Seconds of the monotonic clock."""


#: Of this process: (connection, digest of what it signs in with) -> token, and -> address for tokens.
_tokens: dict[tuple[int, str], _Token] = {}
_addresses: dict[tuple[int, str], str] = {}


class SignIn:
    """The tokens of one connection, for one piece of work. Not shared between threads."""

    def __init__(self, session: RecordedSession, credentials: Mapping[str, str], connection_id: int) -> None:
        self._session = session
        self._iam = (credentials.get("iam_address") or credentials["address"]).rstrip("/")
        self._realm = credentials["realm"]
        self._token_address = credentials.get("token_address", "")
        self._client_id = credentials["client_id"]
        self._secret = credentials["client_secret"]
        self._scope = credentials["scope"]
        parts = [self._iam, self._realm, self._token_address, self._client_id, self._secret, self._scope]
        self._key = (connection_id, hashlib.sha256("\n".join(parts).encode()).hexdigest())

    def renew(self) -> None:
        """Ask for address and token anew, whatever is known. Raises Misconfigured with the words of IFS IAM."""
        self.forget()
        _addresses.pop(self._key, None)
        self.token()

    def forget(self) -> None:
        """The token was refused."""
        _tokens.pop(self._key, None)

    def token(self) -> str:
        """Raises Misconfigured, TemporaryFailure."""
        known = _tokens.get(self._key)
        if known is not None and time.monotonic() < known.renew_at:
            return known.text
        asked_at = time.monotonic()
        form = {"grant_type": "client_credentials", "client_id": self._client_id, "client_secret": self._secret}
        if self._scope != NO_SCOPE:
            form["scope"] = self._scope
        response = self._session.call(
            "POST", self._address(), writes=False, headers={"Accept": "application/json"}, data=form
        )
        document = self._document(response, "asked for a token")
        if response.status_code != 200:
            raise self._refusal(response.status_code, document)
        try:
            text, lifetime = str(document["access_token"]), float(document["expires_in"])
        except (KeyError, TypeError, ValueError) as error:
            raise TemporaryFailure("IFS IAM gave an answer without a token. We try again by itself.") from error
        # The lifetime can be set per IAM client and may be shorter than the margin.
        _tokens[self._key] = _Token(text, asked_at + lifetime - min(RENEW_SECONDS, lifetime / 2))
        return text

    def _address(self) -> str:
        """Where tokens come from. Raises Misconfigured where IFS IAM does not know the realm."""
        if self._token_address:
            return self._token_address
        if self._key not in _addresses:
            _addresses[self._key] = self._discovered()
        return _addresses[self._key]

    def _discovered(self) -> str:
        realm = f"{self._iam}/auth/realms/{quote(self._realm, safe='')}"
        response = self._session.call(
            "GET",
            f"{realm}/.well-known/openid-configuration",
            writes=False,
            headers={"Accept": "application/json"},
        )
        document = self._document(response, f"asked for realm {self._realm}")
        if response.status_code == 404:
            raise Misconfigured(
                f"IFS IAM at {self._iam} has no realm {self._realm}. It is in the address of the sign-in page, behind "
                f"/auth/realms/. IFS IAM says: “{_words(document)}”"
            )
        if response.status_code != 200:
            # Some installations hide the document; the path below a realm is documented.
            return f"{realm}/protocol/openid-connect/token"
        found = str(document.get("token_endpoint") or "")
        # The secret goes there next: an answer must not be able to send it to another host.
        if urlsplit(found)[:2] != urlsplit(self._iam)[:2]:
            raise Misconfigured(
                f"IFS IAM says that tokens come from {urlsplit(found).netloc or 'nowhere'}, not from "
                f"{urlsplit(self._iam).netloc}. If that is right, enter it as “Address of IFS IAM”, or the whole address "
                "under “Address for tokens”."
            )
        return found

    def _document(self, response: requests.Response, doing: str) -> Mapping[str, Any]:
        """The JSON object of an answer. Raises Misconfigured for a web page: something else lives at this address."""
        try:
            document = json_of(response)
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
        if response.status_code < 500 and response.status_code != 403:
            raise Misconfigured(
                f"{urlsplit(self._iam).netloc} does not answer as IFS IAM does when it is {doing} (status "
                f"{response.status_code}). Check the IFS Cloud address, or enter “Address of IFS IAM”."
            )
        raise TemporaryFailure(
            f"IFS IAM gave no clear answer when it was {doing} (status {response.status_code}). We try again by itself."
        )

    def _refusal(self, status: int, document: Mapping[str, Any]) -> ExchangeError:
        """What an error answer of IFS IAM means: {error, error_description} (RFC 6749, 5.2)."""
        error, words = str(document.get("error") or ""), _words(document)
        if error in {"temporarily_unavailable", "server_error"}:
            return TemporaryFailure(f"IFS IAM cannot sign us in at the moment: “{words}” We try again by itself.")
        if error in {"invalid_client", "unauthorized_client"}:
            # IFS IAM does not say which of them is wrong.
            advice = (
                f"The client id {self._client_id} or its secret is wrong, the client is switched off, or it has no service "
                "account."
            )
        elif error == "invalid_scope":
            advice = f"The scope “{self._scope}” is not offered to this client. Change “Scope”; none leaves it out."
        elif status == 404:
            advice = f"There is no realm {self._realm} there. Check the realm and “Address for tokens”."
        else:
            advice = "IFS IAM refused the sign-in."
        return Misconfigured(f"{advice} IFS IAM says: “{words}”")


def _words(document: Mapping[str, Any]) -> str:
    return plain(str(document.get("error_description") or document.get("error") or ""))[:300]
