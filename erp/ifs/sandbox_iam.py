"""IFS IAM as far as signing in to the sandbox needs it: one realm, one confidential client, client credentials.

The realm is not the name of the host. Tokens live for three minutes and are looked up in the store, so that a restart
keeps them. Error bodies are Keycloak's; which status a wrong secret gets is not proven (setting iam_refusal_status).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from audit.sandbox import Answer, Refused, Request, Store
from erp.ifs.sandbox_settings import Settings

REALM = "cobaltprod"
#: At most 20 characters, as IAM has it.
CLIENT_ID = "ML_CONNECTOR"
SERVICE_USER = "MLCONNECTOR"
REFRESH_SECONDS = 1_800
#: Scopes that the client may ask for; what it gets besides is fixed.
OPTIONAL_SCOPES = frozenset({"openid", "microprofile-jwt", "audience", "email", "profile"})


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


class Iam:
    """The secret is derived from the seed, so that it survives a restart."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        digest = hashlib.sha256(f"ifs sandbox {seed} secret".encode()).digest()
        # With the characters that break a form which is not encoded.
        self.client_secret = base64.b64encode(digest).decode()[:36] + "+/=&"

    # Addresses

    def discovery(self, request: Request, realm: str) -> Answer:
        self._check_realm(realm)
        issuer = f"{request.base_url}/auth/realms/{REALM}"
        connect = f"{issuer}/protocol/openid-connect"
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{connect}/auth",
            "token_endpoint": f"{connect}/token",
            "userinfo_endpoint": f"{connect}/userinfo",
            "end_session_endpoint": f"{connect}/logout",
            "jwks_uri": f"{connect}/certs",
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": sorted(OPTIONAL_SCOPES),
        }
        return Answer(200, document)

    def token(self, request: Request, realm: str, settings: Settings) -> Answer:
        """Raises `Refused` with Keycloak's JSON."""
        self._check_realm(realm)
        if not request.header("content-type").startswith("application/x-www-form-urlencoded"):
            raise iam_refused(415, "unsupported_media_type", "The content type must be a form")
        form = request.form()
        grant = form.get("grant_type", "")
        if not grant:
            raise iam_refused(400, "invalid_request", "Missing form parameter: grant_type")
        is_known = hmac.compare_digest(form.get("client_id", "").encode(), CLIENT_ID.encode())
        is_right = hmac.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode())
        if not is_known or not is_right or not settings.client_enabled:
            error = "unauthorized_client" if settings.iam_refusal_status == 400 else "invalid_client"
            raise iam_refused(settings.iam_refusal_status, error, "Invalid client or Invalid client credentials")
        if grant != "client_credentials":
            raise iam_refused(400, "unsupported_grant_type", "Unsupported grant_type")
        scopes = form.get("scope", "").split()
        if not set(scopes) <= OPTIONAL_SCOPES:
            raise iam_refused(400, "invalid_scope", f"Invalid scopes: {' '.join(scopes)}")
        return self._issue(request, settings, has_openid="openid" in scopes)

    def _check_realm(self, realm: str) -> None:
        if realm != REALM:
            raise Refused(Answer(404, {"error": "Realm does not exist"}))

    def _issue(self, request: Request, settings: Settings, *, has_openid: bool) -> Answer:
        issuer = f"{request.base_url}/auth/realms/{REALM}"
        session = str(uuid.uuid4())
        life = settings.token_seconds
        claims = {"iss": issuer, "azp": CLIENT_ID, "sid": session, "exp": int(time.time()) + life}
        access = self._written({**claims, "typ": "Bearer", "upn": f"service-account-{CLIENT_ID.lower()}"})
        for token in self.store.all("token"):
            if token["until"] < time.time():
                self.store.delete("token", token["digest"])
        digest = hashlib.sha256(access.encode()).hexdigest()
        # To the fraction, so that a test may wait for the end of a very short life.
        self.store.put("token", digest, {"digest": digest, "until": time.time() + life})
        body: dict[str, Any] = {
            "access_token": access,
            "expires_in": life,
            "refresh_expires_in": REFRESH_SECONDS,
            "refresh_token": self._written({**claims, "typ": "Refresh"}),
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session,
            "scope": "openid audience microprofile-jwt email profile" if has_openid else "audience email profile",
        }
        if has_openid:
            body["id_token"] = self._written({**claims, "typ": "ID"})
        return Answer(200, body, {"Cache-Control": "no-store"})

    def _written(self, claims: dict[str, Any]) -> str:
        """Looks like a JWT; what makes it good is that the store knows it."""
        return f"{encoded({'alg': 'RS256', 'typ': 'JWT'})}.{encoded({**claims, 'jti': uuid.uuid4().hex})}.{uuid.uuid4().hex}"

    # What projections ask

    def accepts(self, authorization: str) -> bool:
        """Whether a Bearer token is ours and alive."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer":
            return False
        found = self.store.get("token", hashlib.sha256(token.encode()).hexdigest())
        return found is not None and found["until"] > time.time()

    def expire_tokens(self) -> None:
        """Every token issued so far is refused from now on."""
        self.store.delete_kind("token")


def iam_refused(status: int, error: str, description: str) -> Refused:
    body = {"error": error, "error_description": description}
    return Refused(Answer(status, body, {"Cache-Control": "no-store"}))
