"""A Gusto sandbox that runs in a thread and is asked over real HTTP, and a receiver for its webhooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import simplejson

from audit.sandbox import Sandbox, Store
from gusto.sandbox.system import GustoSandbox

VERSION = "2026-06-15"
CALLBACK = "http://127.0.0.1:8000/gusto/callback"


class Running:
    """One running sandbox with its first company, and the requests a test makes of it."""

    def __init__(self, system: GustoSandbox, server: Sandbox) -> None:
        self.system = system
        self.server = server
        self.facts = system.facts()
        self.address = f"{server.address}/gusto"
        self.company = self.facts["companies"][0]["uuid"] if self.facts["companies"] else ""
        self.http = requests.Session()

    def post_token(self, **body: str) -> requests.Response:
        client = {"client_id": self.facts["client_id"], "client_secret": self.facts["client_secret"]}
        return self.http.post(f"{self.address}/oauth/token", json=client | body, timeout=10)

    def company_token(self) -> str:
        return str(self.system.connect(self.company)["access_token"])

    def system_token(self) -> str:
        return str(self.post_token(grant_type="system_access").json()["access_token"])

    def call(
        self, method: str, path: str, token: str = "", version: str | None = VERSION, **arguments: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if version is not None:
            headers["X-Gusto-API-Version"] = version
        return self.http.request(method, f"{self.address}{path}", headers=headers, timeout=60, **arguments)

    def get(self, path: str, token: str, **query: Any) -> requests.Response:
        return self.call("GET", path, token, params=query)

    def control(self, path: str, **body: Any) -> requests.Response:
        return self.http.post(f"{self.address}/_sandbox/{path}", json=body, timeout=60)

    def fault(self, **fault: Any) -> None:
        answer = self.http.post(f"{self.server.address}/_sandbox/faults", json={"system": "gusto"} | fault, timeout=10)
        assert answer.status_code == 201, answer.text

    def open_payroll(self) -> str:
        """The regular payroll that is not processed yet."""
        payrolls = self.system.companies()[0]["payrolls"]
        return str(next(row["payroll_uuid"] for row in payrolls if not row["processed"]))

    def whole_payroll(self, token: str, payroll_uuid: str, include: str = "benefits,deductions,taxes,totals") -> Any:
        """The payroll with all its people, page by page, numbers as Decimal."""
        document: Any = None
        page, pages = 1, 1
        while page <= pages:
            path = f"/v1/companies/{self.company}/payrolls/{payroll_uuid}"
            answer = self.get(path, token, include=include, page=page, per=100)
            assert answer.status_code == 200, answer.text
            part = exact(answer)
            if document is None:
                document = part
            else:
                document["employee_compensations"] += part["employee_compensations"]
            pages, page = int(answer.headers["X-Total-Pages"]), page + 1
        return document


@contextmanager
def running(path: Path, **options: Any) -> Iterator[Running]:
    """Start a sandbox on a free port, with its store under `path`."""
    store = Store(path / "gusto.sqlite")
    system = GustoSandbox(store, **options)
    server = Sandbox([system])
    server.start()
    try:
        yield Running(system, server)
    finally:
        server.stop()
        store.close()


def exact(answer: requests.Response) -> Any:
    """The JSON of an answer with every fraction as Decimal."""
    return simplejson.loads(answer.content, use_decimal=True)


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("did not happen in time")


class Receiver:
    """A webhook receiver: keeps what was posted and answers with `status`."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing to stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def bodies(self) -> list[dict[str, Any]]:
        return [simplejson.loads(body) for _, body in list(self.received)]

    def events(self) -> list[dict[str, Any]]:
        return [body for body in self.bodies() if "event_type" in body]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()
