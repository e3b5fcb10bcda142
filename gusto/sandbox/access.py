"""Who may do what: version header, bearer token, rate limit and scope, in this order, before every /v1 handler."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

from audit.sandbox import Answer, Handler, Refused, Request
from gusto.sandbox import errors
from gusto.sandbox.state import State

#: The version this sandbox speaks. Every other one in the header is refused (406).
API_VERSION = "2026-06-15"

#: What an application of the default start may do with a company (gusto.md 2, "Scopes to ask Gusto for").
COMPANY_SCOPES = (
    "companies:read",
    "employees:read",
    "jobs:read",
    "compensations:read",
    "employments:read",
    "departments:read",
    "contractors:read",
    "payrolls:read",
    "pay_schedules:read",
    "benefits:read",
    "company_benefits:read",
    "company_benefits:read:phi",
    "employee_benefits:read",
    "employee_benefits:read:phi",
    "garnishments:read",
    "company_reports:read",
    "company_reports:write",
)

#: What only a system token carries.
SYSTEM_SCOPES = (
    "webhook_subscriptions:read",
    "webhook_subscriptions:write",
    "events:read",
    "companies:disconnect_app_integration",
)

#: Gusto writes the reset time in Pacific time; daylight saving is left out here, a client must not care.
PACIFIC = timezone(timedelta(hours=-7))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a company's grant, or the application itself (`company_uuid` empty)."""

    grant: str
    company_uuid: str
    scopes: frozenset[str]
    version: str

    def has(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def is_current(self) -> bool:
        """False for an application's minimum version, which has the older shapes."""
        return self.version == API_VERSION


ApiHandler = Callable[..., Answer]


class Access:
    """Wraps the handlers of /v1."""

    def __init__(self, state: State) -> None:
        self.state = state
        # In memory: a restart forgives, and a refused request must not be forgotten by a rollback.
        self._windows: dict[str, deque[float]] = {}

    def guard(self, handler: ApiHandler, scope: str) -> Handler:
        """The handler behind all checks. A refusal is answered here, so that the first use of a token stays noted."""

        def guarded(request: Request, **path: str) -> Answer:
            # Several ids may be joined by commas (gusto.md 7).
            headers = {"X-Request-Id": f"{uuid.uuid4()},{uuid.uuid4()}"}
            try:
                version = self.version(request)
                headers["X-Gusto-API-Version"] = version
                token = self.token(request)
                headers |= self.count(token["grant"])
                caller = Caller(token["grant"], token["company_uuid"], frozenset(token["scopes"]), version)
                if scope and not caller.has(scope):
                    raise errors.missing_scope(scope, self.state.settings.names_missing_scope)
                answer = handler(request, caller, **path)
            except Refused as refused:
                answer = refused.answer
            answer.headers = headers | answer.headers
            return answer

        return guarded

    def version(self, request: Request) -> str:
        """Absent means the application's minimum version. Raises Refused (406)."""
        given = request.header("X-Gusto-API-Version")
        if not given:
            return str(self.state.application()["minimum_version"])
        if given != API_VERSION:
            raise errors.version(given, re.fullmatch(r"\d{4}-\d{2}-\d{2}", given) is not None)
        return given

    def token(self, request: Request) -> dict[str, Any]:
        """The live token of the request; its first use revokes the one it replaced. Raises Refused (401)."""
        scheme, _, value = request.header("Authorization").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise errors.unauthorized()
        store = self.state.store
        token: dict[str, Any] | None = store.get("token", value)
        if token is None or token["revoked"] or token["expires_at"] <= self.state.now_milliseconds():
            raise errors.unauthorized()
        if token["replaces"]:
            old = store.get("token", token["replaces"])
            if old is not None:
                store.put("token", token["replaces"], {**old, "revoked": True})
            token = {**token, "replaces": ""}
            store.put("token", value, token)
        return token

    def count(self, grant: str) -> dict[str, str]:
        """Count one request of a grant; returns the X-RateLimit headers. Raises Refused (429)."""
        settings = self.state.settings
        window = self._windows.setdefault(grant, deque())
        now = time.monotonic()
        while window and window[0] <= now - settings.rate_limit_seconds:
            window.popleft()
        left = settings.rate_limit - len(window)
        oldest = window[0] if window else now
        wait_seconds = max(1, math.ceil(oldest + settings.rate_limit_seconds - now))
        reset = (self.state.now() + timedelta(seconds=wait_seconds)).astimezone(PACIFIC)
        headers = {
            "X-RateLimit-Limit": str(settings.rate_limit),
            "X-RateLimit-Remaining": str(max(0, left - 1)),
            "X-RateLimit-Reset": reset.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        if left <= 0:
            raise Refused(Answer(429, None, headers | {"Retry-After": str(wait_seconds)}))
        window.append(now)
        return headers

    def company(self, caller: Caller, company_uuid: str) -> dict[str, Any]:
        """The company, which must be the caller's. Raises Refused (404)."""
        company = self.state.company(company_uuid)
        if caller.company_uuid != company_uuid:
            raise errors.foreign()
        return company

    def owned(self, caller: Caller, uuid: str, subject: str) -> str:
        """The uuid of the document that holds `uuid`, of the caller's company. Raises Refused (404)."""
        owner = self.state.owner(uuid, subject)
        if owner.company_uuid != caller.company_uuid:
            raise errors.foreign()
        return owner.parent
