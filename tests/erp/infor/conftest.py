"""An ION API of its own for each test: the real gateway sandbox over HTTP, with a small suite behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit.exchange import RecordedSession
from audit.models import Exchange
from audit.sandbox import Answer, Fault, Request, Sandbox, Store
from erp.infor.ion import ION_FIELDS, IonClient
from erp.infor.sandbox import InforSandbox
from erp.infor.sandbox_suite import Suite
from tenants.scope import tenant_scope

TODAY = date(2026, 8, 14)
#: The connection of these tests; the token cache of the process is keyed by it and by the credentials.
CONNECTION_ID = 3
DEFAULTS = {field.name: field.default for field in ION_FIELDS}


class Ledger(Suite):
    """A product with one thing to change: what is added to it. It says itself what a request is about."""

    name = "LEDGER"

    def __init__(self, store: Store) -> None:
        super().__init__(store, seed=1, today=TODAY, settings={})
        self.route("GET", "/entries", lambda request: Answer(200, {"entries": store.all("LEDGER entry")}))
        self.route("GET", "/query", lambda request: Answer(200, {"raw": request.raw_query, "all": request.query}))
        self.route("GET", "/add", lambda request: self.add(request, request.parameter("amount")))
        self.route("POST", "/entries", lambda request: self.add(request, request.json()["amount"]))
        self.route("POST", "/refused", lambda request: Answer(400, {"errorCode": "XRE0103"}))
        self.route("GET", "/empty", lambda request: Answer(200))
        self.route("GET", "/_sandbox/count", lambda request: Answer(200, {"count": store.count("LEDGER entry")}))

    def fault_path(self, request: Request) -> str:
        is_add = request.path == "/add" or request.method == "POST"
        return f"{request.path}/Add" if is_add else request.path

    def facts(self) -> dict[str, Any]:
        return {"company": "100"}

    def reset_ledger(self) -> None:
        self.store.delete_kind("LEDGER entry")

    def add(self, request: Request, amount: Any) -> Answer:
        self.store.put("LEDGER entry", str(self.store.next("entry")), {"amount": amount})
        return Answer(200, {"amount": amount})


@dataclass
class Ion:
    """What a test does: connect as the product, make faults, and look at the far side."""

    tenant_id: Any
    server: Sandbox
    system: InforSandbox
    sessions: list[RecordedSession] = field(default_factory=list)

    def credentials(self, **changed: str) -> dict[str, str]:
        return {**DEFAULTS, "ionapi": self.system.ionapi(), **changed}

    def file(self, **changed: Any) -> str:
        """The .ionapi file with other values; None takes a key away."""
        values = {**json.loads(self.system.ionapi()), **changed}
        return json.dumps({name: value for name, value in values.items() if value is not None})

    def client(
        self, *, answer_seconds: float = 10, explains: frozenset[int] = frozenset({400}), **changed: str
    ) -> IonClient:
        session = RecordedSession(tenant_id=self.tenant_id, system="infor_m3", about="test", read_seconds=20)
        self.sessions.append(session)
        return IonClient(
            session, self.credentials(**changed), CONNECTION_ID, explains=explains, answer_seconds=answer_seconds
        )

    def play(self, fault: str, **details: Any) -> None:
        self.server.faults.add(Fault(fault, system="infor", **details))

    def asked(self, path: str) -> int:
        """Requests whose path holds this, as our own exchanges say."""
        with tenant_scope(self.tenant_id):
            return Exchange.objects.filter(path__contains=path).count()

    def amounts(self) -> list[Any]:
        return [entry["amount"] for entry in self.system.store.all("LEDGER entry")]


def until(condition: Any, seconds: float = 5) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def ion(tenant: Any, tmp_path: Path) -> Iterator[Ion]:
    store = Store(tmp_path / "infor.sqlite")
    system = InforSandbox(store, today=TODAY)
    system.suites["LEDGER"] = Ledger(store)
    server = Sandbox([system])
    server.start()
    made = Ion(tenant.pk, server, system)
    yield made
    server.stop()
    for session in made.sessions:
        session.close()
    store.close()
