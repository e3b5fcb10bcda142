"""A small ION API for the product to sign in to, with a suite per Infor product behind it.

`InforSandbox` is the gateway: sign-in (`sandbox_sign_in`), throttling (`sandbox_throttling`), and the way to the suites
(`sandbox_suite` says how one is added). Addresses below the prefix of the system, where TI is the tenant of the file:

    /TI/as/token.oauth2  /TI/as/revoke_token.oauth2
    /TI/SUITE/...                          with a Bearer token, else 401
    /_sandbox/ionapi                       the .ionapi file of the tenant; ?app=web for one without a service account
    /_sandbox/facts                        what connections need
    /_sandbox/settings                     GET, POST {name: value}
    /_sandbox/expire-tokens                POST
    /_sandbox/reset                        POST {everything?}: journals of all suites; with everything: set-up, settings
    /_sandbox/SUITE/...                    what a person in the product or a test does there

Faults of its own (`POST /_sandbox/faults`, system "infor"): expired_token (the token of this request ends before it is
looked at), login_page (`status` 302: a redirect to a sign-in page, 200: the page), late (504 now, the work is done
`seconds` later). What a fault's `path` is compared with is /TI/SUITE/ and what the suite says of the request. Statuses,
lost, cut, slow, HTML and empty answers are faults of the frame.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from audit.sandbox import Answer, Request, SandboxSystem, Store, controlled
from erp.infor.sandbox_settings import GatewaySettings
from erp.infor.sandbox_sign_in import TENANT, SignInService
from erp.infor.sandbox_suite import SUITES, Suite, suite_class
from erp.infor.sandbox_throttling import Throttling, whole_seconds

DEFAULT_SEED = 1979
LOGIN_PAGE = (
    "<html><head><title>Sign in</title></head><body><form action='/login'>Sign in to Infor OS</form></body></html>"
)
UNAUTHORIZED = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class InforSandbox(SandboxSystem):
    """`settings`: of the gateway by name; of a suite as an object under the suite's name.

    Raises ValueError for an unknown setting. `today` places fiscal periods; a store that is not empty is kept.
    """

    name = "infor"

    def __init__(
        self,
        store: Store,
        *,
        seed: int = DEFAULT_SEED,
        today: date | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(store)
        day = today or date.today()  # noqa: DTZ011 - accounting periods lie around the local day
        given = dict(settings or {})
        of_suites = {name: given.pop(name, {}) for name in SUITES}
        self.settings = GatewaySettings().changed({**(store.get("ion", "settings") or {}), **given})
        self.sign_in = SignInService(store, seed)
        self.throttling = Throttling()
        self.suites: dict[str, Suite] = {
            name: suite_class(name)(store, seed=seed, today=day, settings=of_suites[name]) for name in SUITES
        }
        self._base_url = ""
        self._late: list[threading.Timer] = []
        store.put("ion", "settings", self.settings.as_dict())
        self._add_routes()

    def _add_routes(self) -> None:
        def control(method: str, path: str, function: Any) -> None:
            self.route(method, path, functools.partial(controlled, function))

        self.route("POST", f"/{TENANT}/as/token[.]oauth2", lambda request: self.sign_in.token(request, self.settings))
        self.route(
            "POST", f"/{TENANT}/as/revoke_token[.]oauth2", lambda request: self.sign_in.revoke(request, self.settings)
        )
        self.route("GET", "/_sandbox/ionapi", self._download)
        control("GET", "/_sandbox/facts", lambda body: self.facts())
        control("GET", "/_sandbox/settings", lambda body: self.settings.as_dict())
        control("POST", "/_sandbox/settings", lambda body: self.change_settings(**body).as_dict())
        control("POST", "/_sandbox/expire-tokens", lambda body: self.sign_in.expire_all())
        control("POST", "/_sandbox/reset", lambda body: self.reset() if body.get("everything") else self.reset_ledger())

    # Serving

    def started(self, base_url: str) -> None:
        self._base_url = base_url
        for name, suite in self.suites.items():
            suite.faults = self.faults
            suite.started(f"{base_url}/{TENANT}/{name}")

    def stopped(self) -> None:
        for timer in self._late:
            timer.cancel()
        for suite in self.suites.values():
            suite.stopped()

    def fault_path(self, request: Request) -> str:
        """/TI/SUITE/ and what the suite says of the request."""
        found = self._suite_of(request)
        if found is None:
            return request.path
        suite, inner = found
        return f"/{TENANT}/{suite.name}{suite.fault_path(inner)}"

    def answer(self, request: Request) -> Answer:
        parts = request.path.split("/")
        if parts[1] == "_sandbox" and len(parts) > 3 and parts[2] in self.suites:
            rest = "/_sandbox/" + "/".join(parts[3:])
            return self.suites[parts[2]].answer(
                replace(request, path=rest, base_url=f"{request.base_url}/_sandbox/{parts[2]}")
            )
        if parts[1] == TENANT and len(parts) > 2 and parts[2] != "as":
            return self._through(request)
        return super().answer(request)

    def _suite_of(self, request: Request) -> tuple[Suite, Request] | None:
        """The suite of a path and the request as it sees it."""
        _, tenant, name, *rest = [*request.path.split("/"), ""]
        suite = self.suites.get(name)
        if tenant != TENANT or suite is None:
            return None
        path = "/" + "/".join(rest).rstrip("/") if rest else "/"
        return suite, replace(request, path=path, base_url=f"{request.base_url}/{tenant}/{name}")

    def _through(self, request: Request) -> Answer:
        """One request through the gateway: policies, token, right, suite."""
        settings = self.settings
        again_seconds, wait_seconds = self.throttling.judge(settings)
        if again_seconds:
            headers = {"Retry-After": whole_seconds(again_seconds)} if settings.sends_retry_after else {}
            return Answer(429, None, headers)
        time.sleep(wait_seconds)
        if request.fault("expired_token"):
            self.sign_in.expire(request.header("authorization"))
        if fault := request.fault("login_page"):
            if fault.status == 200:
                return Answer(200, LOGIN_PAGE, {}, "text/html")
            return Answer(302, LOGIN_PAGE, {"Location": f"{request.base_url}/{TENANT}/as/login"}, "text/html")
        if not self.sign_in.accepts(request.header("authorization")):
            return Answer(401, {"error": "invalid_token"}, dict(UNAUTHORIZED))
        found = self._suite_of(request)
        if found is None or found[0].name in settings.absent_suites.split() or found[1].path.startswith("/_sandbox"):
            return Answer(404)
        suite, inner = found
        if suite.name in settings.denied_suites.split():
            return Answer(403)
        if fault := request.fault("late"):
            # The gateway gives up, and the product goes on all the same.
            timer = threading.Timer(fault.seconds, suite.answer, [inner])
            timer.daemon = True
            self._late.append(timer)
            timer.start()
            return Answer(504)
        return suite.answer(inner)

    # What an administrator does

    def _download(self, request: Request) -> Answer:
        file = self.sign_in.ionapi(request.base_url, self.settings)
        if request.parameter("app") == "web":
            file = {name: value for name, value in file.items() if name not in {"saak", "sask"}}
        headers = {"Content-Disposition": 'attachment; filename="ml-connector.ionapi"'}
        return Answer(200, json.dumps(file, indent=1).encode(), headers, "application/octet-stream")

    def change_settings(self, **values: Any) -> GatewaySettings:
        with self.store.transaction():
            self.settings = self.settings.changed(values)
            self.store.put("ion", "settings", self.settings.as_dict())
        return self.settings

    def reset_ledger(self) -> None:
        """Forget the journals of every suite; set-up and settings stay."""
        with self.store.transaction():
            for suite in self.suites.values():
                suite.reset_ledger()

    def reset(self) -> None:
        """As it was at the beginning, with the settings of the beginning; tokens stay good."""
        with self.store.transaction():
            for suite in self.suites.values():
                suite.reset()
            self.settings = GatewaySettings()
            self.store.put("ion", "settings", self.settings.as_dict())
        self.throttling.clear()

    def ionapi(self) -> str:
        """The text of the tenant's `.ionapi` file, once the sandbox is started."""
        return json.dumps(self.sign_in.ionapi(self._base_url, self.settings))

    def facts(self) -> dict[str, Any]:
        """What connections need to know, once the sandbox is started: the file, and per suite its own facts."""
        found: dict[str, Any] = {
            "tenant": TENANT,
            "ionapi": self.ionapi(),
            "ionapi_file": f"{self._base_url}/_sandbox/ionapi",
        }
        for name, suite in self.suites.items():
            found |= {f"{name.lower()}_{key}": value for key, value in suite.facts().items()}
        return found
