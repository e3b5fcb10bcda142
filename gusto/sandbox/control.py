"""Control addresses under /_sandbox, for tests, scripts and the buttons of the page: the commands over HTTP.

JSON in, JSON out; a form (the page's buttons) is answered with the way back to the page. Refusals look like Gusto's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from audit.sandbox import Answer, Refused, Request
from gusto.sandbox import errors, page
from gusto.sandbox.companies import Companies
from gusto.sandbox.oauth import OAuth
from gusto.sandbox.runs import Runs
from gusto.sandbox.state import State


class Control:
    """Handlers of the control addresses. They take no token: the sandbox is on loopback."""

    def __init__(self, state: State, companies: Companies, runs: Runs, oauth: OAuth) -> None:
        self.state = state
        self._companies = companies
        self._runs = runs
        self.oauth = oauth

    def home(self, request: Request) -> Answer:
        """GET /gusto/: companies and payrolls with their buttons."""
        return Answer(
            200, page.home(request.base_url, self._companies.companies(), self.state.store.all("subscription"))
        )

    def companies(self, request: Request) -> Answer:
        return Answer(200, self._companies.companies())

    def create_company(self, request: Request) -> Answer:
        return self._done(request, self._companies.create_company, status=201)

    def create_payroll(self, request: Request, company: str) -> Answer:
        return self._done(request, self._runs.create_payroll, company, status=201)

    def payroll(self, request: Request, payroll: str, action: str) -> Answer:
        """submit, process, fail, pay, cancel, delete, reverse or distort; the body has the command's arguments."""
        command: Callable[..., Any] = getattr(self._runs, action)
        return self._done(request, command, payroll)

    def change_department(self, request: Request, employee: str) -> Answer:
        return self._done(request, self._companies.change_department, employee)

    def grants(self, request: Request) -> Answer:
        """Live tokens, without the tokens themselves."""
        rows = self.oauth.live_tokens().values()
        shown = ("grant", "company_uuid", "created_at", "expires_at", "scopes")
        return Answer(200, [{name: row[name] for name in shown} for row in rows])

    def connect(self, request: Request, company: str) -> Answer:
        """A grant without the browser: the token answer of /oauth/token."""
        return self._done(request, self.oauth.connected, company, status=201)

    def expire_tokens(self, request: Request) -> Answer:
        return self._done(request, lambda company_uuid="": {"expired": self.oauth.expire(company_uuid)})

    def revoke_grant(self, request: Request, company: str) -> Answer:
        return self._done(request, lambda uuid: {"revoked": self.oauth.revoke_grant(uuid)}, company)

    def settings(self, request: Request) -> Answer:
        return self._done(request, self.state.settings_changed)

    def clock(self, request: Request) -> Answer:
        """{"seconds": n}: put the sandbox's clock on."""
        return self._done(request, self.state.advanced)

    def application(self, request: Request) -> Answer:
        """Change redirect_uris, scopes or minimum_version of the application."""
        return self._done(request, self.state.change_application)

    def deliveries(self, request: Request) -> Answer:
        """Webhook deliveries that ended, and those that wait."""
        return Answer(200, {"ended": self.state.store.all("delivery"), "waiting": self.state.store.all("outbox")})

    def _done(self, request: Request, command: Callable[..., Any], *path: str, status: int = 200) -> Answer:
        is_form = request.header("Content-Type").startswith("application/x-www-form-urlencoded")
        self._refuse_other_sites(request)
        try:
            arguments = request.form() if is_form else request.json() if request.body else {}
            if not isinstance(arguments, dict):
                raise errors.malformed_body()
            check_arguments(command, path, arguments)
            result = command(*path, **arguments)
        except ValueError as error:
            raise errors.invalid_parameter("base", str(error)) from error
        if is_form:
            return Answer(303, None, {"Location": f"{request.base_url}/"})
        return Answer(status, result)

    def _refuse_other_sites(self, request: Request) -> None:
        """A page of another site must not press these buttons in the operator's browser."""
        origin = request.header("Origin")
        if origin and urlsplit(origin).netloc != urlsplit(request.base_url).netloc:
            raise Refused(Answer(403, errors.body("request", "invalid_operation", "Another site sent this form.")))


def check_arguments(command: Callable[..., Any], path: tuple[str, ...], arguments: Mapping[str, Any]) -> None:
    """Names and types of a request's arguments against the command's own. Raises ValueError."""
    signature = inspect.signature(command)
    try:
        bound = signature.bind(*path, **arguments)
    except TypeError as error:
        raise ValueError(str(error)) from error
    for name, value in bound.arguments.items():
        default = signature.parameters[name].default
        if default is not inspect.Parameter.empty and default is not None and type(value) is not type(default):
            raise ValueError(f"{name} must be a {type(default).__name__}")
