"""The sign-in of the Infor sandbox: one authorized app with one service account, and the `.ionapi` file for it.

Tokens are looked up in the store, so that a restart keeps them. Which error body a refusal has is assumed (RFC 6749).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from audit.sandbox import Answer, Refused, Request, Store
from erp.infor.sandbox_settings import GatewaySettings

TENANT = "COBALT_TST"
TOKEN_KIND = "ion token"  # noqa: S105 - a kind of document


def derived(seed: int, what: str, length: int) -> str:
    """Looks like one of Infor's keys: 86 characters of base64url; the same after a restart."""
    digest = b"".join(hashlib.sha256(f"infor sandbox {seed} {what} {part}".encode()).digest() for part in range(3))
    return base64.urlsafe_b64encode(digest).decode()[:length]


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


class SignInService:
    """Addresses below {pu}, and what the gateway asks about a token."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.client_id = f"{TENANT}~{derived(seed, 'ci', 43)}"
        self.client_secret = derived(seed, "cs", 86)
        self.account_key = f"{TENANT}#{derived(seed, 'saak', 86)}"
        self.account_secret = derived(seed, "sask", 86)

    def ionapi(self, base_url: str, settings: GatewaySettings) -> dict[str, Any]:
        """The file as Infor OS writes it for a backend service with a service account."""
        found = {
            "ti": TENANT,
            "cn": "ml-connector",
            "dt": "12",
            "ci": self.client_id,
            "cs": self.client_secret,
            "iu": base_url,
            "pu": f"{base_url}/{TENANT}/as/",
            "oa": "authorization.oauth2",
            "ot": "token.oauth2",
            "or": "revoke_token.oauth2",
            "ev": "V1480769020",
            "v": "1.0",
            "saak": self.account_key,
            "sask": self.account_secret,
        }
        return {**found, "sc": [settings.scope]} if settings.scope else found

    def token(self, request: Request, settings: GatewaySettings) -> Answer:
        """Raises `Refused`."""
        form = self._form(request)
        self._check_client(request, form, settings)
        grant = form.get("grant_type", "")
        if grant == "refresh_token":
            return self._refreshed(form, settings)
        if grant != "password":
            raise refused(400, "unsupported_grant_type", "The grant type is not supported.")
        if not settings.grants_password:
            raise refused(400, "unauthorized_client", "The client is not allowed to use this grant type.")
        is_known = equal(form.get("username", ""), self.account_key)
        is_right = equal(form.get("password", ""), self.account_secret)
        if not is_known or not is_right or not settings.account_enabled:
            raise refused(400, "invalid_grant", "We didn't recognize the username or password you entered.")
        if settings.scope and settings.scope not in form.get("scope", "").split():
            raise refused(
                400, "invalid_scope", "The requested scope(s) must be blank or a subset of the provided scopes."
            )
        return self._issue(settings)

    def revoke(self, request: Request, settings: GatewaySettings) -> Answer:
        form = self._form(request)
        self._check_client(request, form, settings)
        self.store.delete(TOKEN_KIND, digest_of(form.get("token", "")))
        return Answer(200)

    def _form(self, request: Request) -> dict[str, str]:
        if not request.header("content-type").startswith("application/x-www-form-urlencoded"):
            raise refused(400, "invalid_request", "The content type must be a form.")
        return request.form()

    def _check_client(self, request: Request, form: dict[str, str], settings: GatewaySettings) -> None:
        scheme, _, text = request.header("authorization").partition(" ")
        way = "basic" if scheme.lower() == "basic" else "body"
        if way == "basic":
            try:
                client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise refused(401, "invalid_client", "Invalid client or client credentials.") from None
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        is_right = equal(client_id, self.client_id) and equal(secret, self.client_secret)
        if not is_right or not settings.app_enabled or settings.client_authentication not in {way, "both"}:
            raise refused(401, "invalid_client", "Invalid client or client credentials.")

    def _refreshed(self, form: dict[str, str], settings: GatewaySettings) -> Answer:
        if not self.store.delete("ion refresh token", digest_of(form.get("refresh_token", ""))):
            raise refused(400, "invalid_grant", "unknown, invalid, or expired refresh token")
        return self._issue(settings)

    def _issue(self, settings: GatewaySettings) -> Answer:
        life = settings.token_seconds
        claims = {
            "scope": "",
            "client_id": self.client_id,
            "jti": uuid.uuid4().hex,
            "ServiceAccount": self.account_key,
            "Tenant": TENANT,
            "exp": int(time.time() + life),
        }
        text = f"{encoded({'alg': 'RS256', 'kid': 'sandbox'})}.{encoded(claims)}.{uuid.uuid4().hex}"
        for token in self.store.all(TOKEN_KIND):
            if token["until"] < time.time():
                self.store.delete(TOKEN_KIND, token["digest"])
        digest = digest_of(text)
        self.store.put(TOKEN_KIND, digest, {"digest": digest, "until": time.time() + life})
        body: dict[str, Any] = {"access_token": text, "token_type": "Bearer"}
        if settings.expires_in != "missing":
            seconds = int(life) if life >= 1 else life
            body["expires_in"] = str(seconds) if settings.expires_in == "text" else seconds
        if settings.issues_refresh_token:
            body["refresh_token"] = uuid.uuid4().hex
            self.store.put("ion refresh token", digest_of(body["refresh_token"]), {})
        return Answer(200, body, {"Cache-Control": "no-store"})

    def accepts(self, authorization: str) -> bool:
        """Whether a Bearer token is ours and alive."""
        scheme, _, token = authorization.partition(" ")
        found = self.store.get(TOKEN_KIND, digest_of(token)) if scheme == "Bearer" else None
        return found is not None and found["until"] > time.time()

    def expire(self, authorization: str) -> None:
        self.store.delete(TOKEN_KIND, digest_of(authorization.partition(" ")[2]))

    def expire_all(self) -> None:
        """Every token issued so far is refused from now on."""
        self.store.delete_kind(TOKEN_KIND)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def refused(status: int, error: str, description: str) -> Refused:
    body = {"error": error, "error_description": description}
    return Refused(Answer(status, body, {"Cache-Control": "no-store"}))
