"""Control addresses under /_sandbox, for tests, scripts and the buttons of the page: the commands over HTTP.

JSON in, JSON out; a form (the page's buttons) is answered with the way back to the page. Refusals look like Gusto's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from audit.sandbox import Answer, Refused, Request
from gusto.sandbox import errors, page
from gusto.sandbox.commands import Commands
from gusto.sandbox.oauth import OAuth
from gusto.sandbox.state import State
from gusto.sandbox.webhooks import Webhooks


class Control:
    """Handlers of the control addresses. They take no token: the sandbox is on loopback."""

    def __init__(self, state: State, commands: Commands, oauth: OAuth, webhooks: Webhooks) -> None:
        self.state = state
        self.commands = commands
        self.oauth = oauth
        self.webhooks = webhooks

    def home(self, request: Request) -> Answer:
        """GET /gusto/: companies and payrolls with their buttons."""
        return Answer(200, page.home(self.commands.companies(), self.state.store.all("subscription")))

    def companies(self, request: Request) -> Answer:
        return Answer(200, self.commands.companies())

    def create_company(self, request: Request) -> Answer:
        return self._done(request, self.commands.create_company, status=201)

    def create_payroll(self, request: Request, company: str) -> Answer:
        return self._done(request, self.commands.create_payroll, company, status=201)

    def payroll(self, request: Request, payroll: str, action: str) -> Answer:
        """submit, process, fail, pay, cancel, delete, reverse or distort; the body has the command's arguments."""
        command: Callable[..., Any] = getattr(self.commands, action)
        return self._done(request, command, payroll)

    def change_department(self, request: Request, employee: str) -> Answer:
        return self._done(request, self.commands.change_department, employee)

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
            result = command(*path, **arguments)
        except (TypeError, ValueError) as error:
            raise errors.invalid_parameter("base", str(error)) from error
        if is_form:
            return Answer(303, None, {"Location": f"{request.base_url}/"})
        return Answer(status, result)

    def _refuse_other_sites(self, request: Request) -> None:
        """A page of another site must not press these buttons in the operator's browser."""
        origin = request.header("Origin")
        if origin and origin != "null" and urlsplit(origin).netloc != urlsplit(request.base_url).netloc:
            raise Refused(Answer(403, errors.body("request", "invalid_operation", "Another site sent this form.")))
