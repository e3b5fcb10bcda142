"""OAuth 2 as Gusto does it (gusto.md 2): codes, rotating refresh tokens, system tokens, token_info, disconnect.

A grant is what one company gave the application; all its tokens share the company's uuid as `grant`. A refresh token
stays usable until the access token made from it is used for the first time; then the whole old pair is revoked.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from audit.sandbox import Answer, Refused, Request
from gusto.sandbox import errors, page
from gusto.sandbox.access import SYSTEM_SCOPES, Access, Caller
from gusto.sandbox.state import State
from gusto.sandbox.webhooks import Webhooks

SYSTEM_GRANT = "system"


class OAuth:
    """The addresses under /oauth, and the tokens."""

    def __init__(self, state: State, access: Access, webhooks: Webhooks) -> None:
        self.state = state
        self.access = access
        self.webhooks = webhooks

    def authorize_page(self, request: Request) -> Answer:
        """GET /oauth/authorize: the page on which an admin approves."""
        application, redirect_uri, state = self._checked(request.query)
        companies = [(row["public"]["uuid"], row["public"]["name"]) for row in self.state.store.all("company")]
        return Answer(200, page.authorize(application, companies, redirect_uri, state))

    def authorize(self, request: Request) -> Answer:
        """POST /oauth/authorize, a form: what the page asks plus company_uuid and `decision` (approve, the default, or
        deny). Redirects back with code and state, or with error=access_denied."""
        form = request.form()
        _, redirect_uri, state = self._checked({name: [value] for name, value in form.items()})
        decision = form.get("decision", "approve")
        answer: dict[str, str] = {}
        if decision == "deny":
            answer["error"] = "access_denied"
        elif decision == "approve":
            company = self.state.company(form.get("company_uuid", ""))
            answer["code"] = self.new_code(company["public"]["uuid"], redirect_uri)
        else:
            raise errors.oauth(400, "invalid_request", "decision is approve or deny")
        if state:
            answer["state"] = state
        joint = "&" if "?" in redirect_uri else "?"
        return Answer(302, None, {"Location": f"{redirect_uri}{joint}{urlencode(answer)}"})

    def _checked(self, query: dict[str, list[str]]) -> tuple[dict[str, Any], str, str]:
        """The application, the redirect_uri and the state. Raises Refused where it would be unsafe to redirect."""
        values = {name: given[0] for name, given in query.items()}
        application = self.state.application()
        if values.get("client_id") != application["client_id"]:
            raise Refused(Answer(401, page.refused("invalid_client", "No application has this client_id.")))
        redirect_uri = values.get("redirect_uri", "")
        if redirect_uri not in application["redirect_uris"]:
            sentence = "The redirect_uri is not one of those registered with the application."
            raise Refused(Answer(400, page.refused("invalid_redirect_uri", sentence)))
        if values.get("response_type") != "code":
            raise Refused(Answer(400, page.refused("unsupported_response_type", "response_type must be code.")))
        return application, redirect_uri, values.get("state", "")

    def new_code(self, company_uuid: str, redirect_uri: str) -> str:
        code = secrets.token_urlsafe(32)
        expires_at = self.state.now_milliseconds() + self.state.settings.code_seconds * 1000
        row = {"company_uuid": company_uuid, "redirect_uri": redirect_uri, "expires_at": expires_at, "is_used": False}
        self.state.store.put("code", code, row)
        return code

    def token(self, request: Request) -> Answer:
        """POST /oauth/token, JSON: authorization_code, refresh_token or system_access."""
        body = self._client_body(request)
        grant_type = body.get("grant_type")
        if grant_type == "authorization_code":
            return self._from_code(body)
        if grant_type == "refresh_token":
            return self._from_refresh_token(body)
        if grant_type == "system_access":
            return Answer(200, self._answer(self.new_token(""), system=True))
        raise errors.oauth(400, "unsupported_grant_type", "The authorization grant type is not supported.")

    def _from_code(self, body: dict[str, Any]) -> Answer:
        code = _text(body, "code")
        row = self.state.store.get("code", code)
        if row is None or row["expires_at"] <= self.state.now_milliseconds():
            raise errors.oauth(400, "invalid_grant", "code is invalid or expired")
        if row["is_used"]:
            raise errors.oauth(400, "invalid_grant", "code already redeemed")
        if _text(body, "redirect_uri") != row["redirect_uri"]:
            raise errors.oauth(400, "invalid_grant", "redirect_uri does not match the authorization request")
        self.state.store.put("code", code, {**row, "is_used": True})
        return Answer(200, self._answer(self.connect(row["company_uuid"])))

    def connect(self, company_uuid: str) -> str:
        """Give the application a grant; returns the access token. Sends company.provisioned."""
        access_token = self.new_token(company_uuid)
        self.state.store.put("grant", company_uuid, {"is_live": True})
        self.webhooks.emit("company.provisioned", company_uuid, "Company", company_uuid)
        return access_token

    def connected(self, company_uuid: str) -> dict[str, Any]:
        """`connect` without a browser: the whole answer of /oauth/token. Raises Refused (404)."""
        self.state.company(company_uuid)
        return self._answer(self.connect(company_uuid))

    def _from_refresh_token(self, body: dict[str, Any]) -> Answer:
        refresh_token = _text(body, "refresh_token")
        held = self.state.store.get("refresh", refresh_token)
        old = self.state.store.get("token", held["access_token"]) if held else None
        if held is None or old is None or old["revoked"]:
            raise errors.oauth(400, "invalid_grant", "The refresh token is invalid, used up or revoked.")
        return Answer(200, self._answer(self.new_token(old["company_uuid"], replaces=held["access_token"])))

    def new_token(self, company_uuid: str, replaces: str = "") -> str:
        """Store a new pair (no refresh token for the system, `company_uuid` empty); returns the access token."""
        access_token = secrets.token_urlsafe(32)
        refresh_token = secrets.token_urlsafe(32) if company_uuid else ""
        now = self.state.now_milliseconds()
        scopes = SYSTEM_SCOPES if not company_uuid else self.state.application()["scopes"]
        row = {
            "grant": company_uuid or SYSTEM_GRANT,
            "company_uuid": company_uuid,
            "created_at": now,
            "expires_at": now + self.state.settings.token_seconds * 1000,
            "scopes": list(scopes),
            "refresh_token": refresh_token,
            "replaces": replaces,
            "revoked": False,
        }
        self.state.store.put("token", access_token, row)
        if refresh_token:
            self.state.store.put("refresh", refresh_token, {"access_token": access_token})
        return access_token

    def _answer(self, access_token: str, system: bool = False) -> dict[str, Any]:
        row = self.state.held("token", access_token)
        answer = {
            "access_token": access_token,
            "token_type": "Bearer" if system else "bearer",
            "expires_in": self.state.settings.token_seconds,
            "created_at": row["created_at"] // 1000,
            "refresh_token": row["refresh_token"] or None,
        }
        if not system:
            answer["scope"] = " ".join([*row["scopes"], "public"])
        return answer

    def revoke(self, request: Request) -> Answer:
        """POST /oauth/revoke: the whole pair of the given access (or refresh) token; an unknown one is no error."""
        body = self._client_body(request)
        value = _text(body, "token")
        held = self.state.store.get("refresh", value)
        access_token = held["access_token"] if held else value
        row = self.state.store.get("token", access_token)
        if row is not None:
            self.state.store.put("token", access_token, {**row, "revoked": True})
            if row["company_uuid"]:
                is_live = any(each["company_uuid"] == row["company_uuid"] for each in self.live_tokens().values())
                self.state.store.put("grant", row["company_uuid"], {"is_live": is_live})
        return Answer(200, {})

    def token_info(self, request: Request, caller: Caller) -> Answer:
        """GET /v1/token_info: how a client learns which company it was given."""
        scope = " ".join([*sorted(caller.scopes), "public"])
        if not caller.company_uuid:
            resource = {"type": "Oauth::Application", "uuid": self.state.application()["uuid"]}
            return Answer(200, {"scope": scope, "resource": resource, "resource_owner": None})
        company = self.state.company(caller.company_uuid)
        resource = {"type": "Company", "uuid": caller.company_uuid}
        owner = {"type": "CompanyAdmin", "uuid": company["admin_uuid"]}
        return Answer(200, {"scope": scope, "resource": resource, "resource_owner": owner})

    def disconnect(self, request: Request, caller: Caller, company: str) -> Answer:
        """POST /v1/companies/{uuid}/disconnect_app_integration, with a system token."""
        self.state.company(company)
        if not self.revoke_grant(company):
            raise errors.not_found()
        return Answer(204)

    def revoke_grant(self, company_uuid: str) -> bool:
        """Revoke all tokens of a company; False where none was live. Sends company.deprovisioned."""
        live = {value: row for value, row in self.live_tokens().items() if row["company_uuid"] == company_uuid}
        if live:
            # The event still belongs to the connected time; afterwards nothing of this company is sent.
            self.webhooks.emit("company.deprovisioned", company_uuid, "Company", company_uuid)
            self.state.store.put("grant", company_uuid, {"is_live": False})
        self.state.store.put_many("token", {value: {**row, "revoked": True} for value, row in live.items()})
        return bool(live)

    def expire(self, company_uuid: str = "") -> int:
        """Let access tokens (of one company, or all) expire now; refresh tokens stay. Returns how many."""
        now = self.state.now_milliseconds()
        rows = {
            value: {**row, "expires_at": now}
            for value, row in self.live_tokens().items()
            if row["expires_at"] > now and (not company_uuid or row["company_uuid"] == company_uuid)
        }
        self.state.store.put_many("token", rows)
        return len(rows)

    def live_tokens(self) -> dict[str, dict[str, Any]]:
        """Access token to row, of those not revoked (an expired one still carries a refresh token)."""
        keys = self.state.store.keys("token")
        rows = self.state.store.all("token")
        return {key: row for key, row in zip(keys, rows, strict=True) if not row["revoked"]}

    def _client_body(self, request: Request) -> dict[str, Any]:
        """The JSON body of a program that names its client id and secret. Raises Refused."""
        if {"client_secret", "refresh_token", "code", "token"} & set(request.query):
            raise errors.oauth(400, "invalid_request", "Secrets must not be sent in the URL.")
        if not request.header("Content-Type").lower().startswith("application/json"):
            raise errors.oauth(400, "invalid_request", "The request body must be JSON.")
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise errors.oauth(400, "invalid_request", "The request body must be a JSON object.")
        application = self.state.application()
        is_client = body.get("client_id") == application["client_id"]
        secret = _text(body, "client_secret").encode()
        if not is_client or not secrets.compare_digest(secret, application["client_secret"].encode()):
            description = "Client authentication failed due to unknown client or wrong secret."
            raise errors.oauth(401, "invalid_client", description)
        return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise errors.oauth(400, "invalid_request", f"Missing required parameter: {name}.")
    return value
