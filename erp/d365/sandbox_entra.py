"""Microsoft Entra ID as far as signing in to the sandbox's Dynamics environment needs it: client credentials.

v2 (`/oauth2/v2.0/token`, `scope`) and v1 (`/oauth2/token`, `resource`, numbers as strings), form-encoded. Error codes
70011, 700016, 7000215, 7000222 and 90002 are the facts'; 500011 (a resource the directory does not know), 70003 and
900144 are general Entra behaviour. A token is a signed list of claims; F&O looks at aud, tid, oid, appid and exp.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from audit.sandbox import Answer, Refused, Request, Store

#: Another API that every directory knows: a token for it is genuine, and Dynamics refuses it by its audience.
OTHER_RESOURCE = "https://graph.microsoft.com"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Entra:
    """One directory with one app. Secret and ids are derived from the seed, so that they survive a restart."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.directory = str(uuid.UUID(bytes=self._digest(seed, "directory")[:16], version=4))
        self.client_id = str(uuid.UUID(bytes=self._digest(seed, "client")[:16], version=4))
        self.object_id = str(uuid.UUID(bytes=self._digest(seed, "principal")[:16], version=4))
        # With the characters that break a form which is not encoded.
        self.client_secret = f"s8Q~{encoded(self._digest(seed, 'secret'))[:30]}+/="
        self._signing_key = self._digest(seed, "signing")

    @staticmethod
    def _digest(seed: int, name: str) -> bytes:
        return hashlib.sha256(f"d365 sandbox {seed} {name}".encode()).digest()

    def token(
        self, request: Request, directory: str, *, is_v2: bool, life_seconds: int, is_secret_expired: bool
    ) -> Answer:
        """POST to a token address. Every refusal is Entra's JSON with its AADSTS code."""
        if directory.lower() != self.directory:
            raise refused(400, "invalid_request", 90002, f"Tenant '{directory}' not found. Check to make sure you have "
                          "the correct tenant ID and are signing into the correct cloud.")  # fmt: skip
        if not request.header("content-type").startswith("application/x-www-form-urlencoded"):
            raise refused(400, "invalid_request", 900144, "The request body must contain the following parameter: "
                          "'grant_type'.")  # fmt: skip
        form = request.form()
        for name in ("grant_type", "client_id", "client_secret"):
            if not form.get(name):
                raise refused(400, "invalid_request", 900144, "The request body must contain the following parameter: "
                              f"'{name}'.")  # fmt: skip
        if form["grant_type"] != "client_credentials":
            raise refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type "
                          f"'{form['grant_type']}'.")  # fmt: skip
        if form["client_id"].lower() != self.client_id:
            raise refused(400, "unauthorized_client", 700016, f"Application with identifier '{form['client_id']}' was "
                          f"not found in the directory '{self.directory}'.")  # fmt: skip
        if not hmac.compare_digest(form["client_secret"].encode(), self.client_secret.encode()):
            raise refused(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent "
                          "in the request is the client secret value, not the client secret ID, for a secret added to "
                          f"app '{self.client_id}'.")  # fmt: skip
        if is_secret_expired:
            raise refused(401, "invalid_client", 7000222, f"The provided client secret keys for app '{self.client_id}' "
                          "are expired.")  # fmt: skip
        resource = self._scope_resource(form) if is_v2 else form.get("resource", "")
        self._check_resource(resource, request)
        return self._issue(resource, life_seconds, is_v2=is_v2)

    def _scope_resource(self, form: dict[str, str]) -> str:
        scope = form.get("scope", "")
        resource = scope.removesuffix("/.default")
        if resource == scope or not resource or " " in scope:
            raise refused(400, "invalid_scope", 70011, "The provided request must include a 'scope' input parameter. "
                          "The provided value for the input parameter 'scope' is not valid.")  # fmt: skip
        return resource

    def _check_resource(self, resource: str, request: Request) -> None:
        """The environment under any loopback name, with or without a slash at its end: the audience tells later."""
        ours, theirs = urlsplit(request.base_url), urlsplit(resource.removesuffix("/"))
        is_ours = (
            theirs.scheme == ours.scheme
            and theirs.hostname in LOOPBACK
            and theirs.port == ours.port
            and theirs.path.lower() == ours.path.lower()
        )
        if not is_ours and resource.removesuffix("/") != OTHER_RESOURCE:
            raise refused(400, "invalid_resource", 500011, f"The resource principal named {resource} was not found in "
                          f"the tenant named {self.directory}. This can happen if the application has not been "
                          "installed by the administrator of the tenant.")  # fmt: skip

    def _issue(self, resource: str, life_seconds: int, *, is_v2: bool) -> Answer:
        now = int(time.time())
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{self.directory}/",
            "tid": self.directory,
            "oid": self.object_id,
            "appid": self.client_id,
            "idtyp": "app",
            "iat": now,
            # To the fraction, so that a test may wait for the end of a very short life.
            "exp": time.time() + life_seconds,
            "generation": self._generation(),
            "uti": uuid.uuid4().hex,
        }
        body: dict[str, Any] = {"token_type": "Bearer", "expires_in": life_seconds, "ext_expires_in": life_seconds}
        if not is_v2:
            body |= {
                "expires_in": str(life_seconds),
                "ext_expires_in": str(life_seconds),
                "expires_on": str(now + life_seconds),
                "not_before": str(now),
                "resource": resource,
            }
        body["access_token"] = self.sign(claims)
        return Answer(200, body, {"Cache-Control": "no-store"})

    def sign(self, claims: dict[str, Any]) -> str:
        head = encoded(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        payload = encoded(json.dumps(claims).encode())
        signature = hmac.new(self._signing_key, f"{head}.{payload}".encode(), hashlib.sha256).digest()
        return f"{head}.{payload}.{encoded(signature)}"

    def accepted_client(self, authorization: str, environment: str) -> str:
        """The client id of a Bearer token that F&O would take; empty otherwise, for whatever reason."""
        scheme, _, token = authorization.partition(" ")
        parts = token.split(".")
        if scheme != "Bearer" or len(parts) != 3:
            return ""
        signature = hmac.new(self._signing_key, f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(encoded(signature), parts[2]):
            return ""
        claims = json.loads(decoded(parts[1]))
        is_valid = (
            claims["aud"] == environment
            and claims["tid"] == self.directory
            and claims.get("oid")
            and claims["exp"] > time.time()
            and claims["generation"] == self._generation()
        )
        return str(claims["appid"]) if is_valid else ""

    def expire_tokens(self) -> None:
        """Every token issued so far is refused from now on."""
        self.store.put("entra", "generation", self._generation() + 1)

    def _generation(self) -> int:
        return int(self.store.get("entra", "generation") or 0)


def refused(status: int, error: str, code: int, text: str) -> Refused:
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    timestamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    description = f"AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
    body = {
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": str(trace),
        "correlation_id": str(correlation),
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    return Refused(Answer(status, body, {"Cache-Control": "no-store"}))
