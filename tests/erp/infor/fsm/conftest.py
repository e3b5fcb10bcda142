"""An FSM behind an ION gateway for each test: the real sandbox over HTTP, and a connector of a real tenant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from requests import Response

from audit.exchange import RecordedSession
from audit.models import Exchange
from audit.sandbox import Fault, Sandbox, Store
from erp.connector import Access, Progress, Reference
from erp.infor.fsm.connector import FsmConnector
from erp.infor.fsm.sandbox import FsmSuite
from erp.infor.fsm.sandbox_settings import FsmSettings
from erp.infor.sandbox import InforSandbox
from erp.infor.sandbox_settings import GatewaySettings
from mappings.journal import Journal, JournalKind, JournalLine
from tenants.scope import tenant_scope

TODAY = date(2026, 8, 14)
#: The connection of all these tests; the token cache of the process is keyed by it and by the credentials.
CONNECTION_ID = 5
DEFAULTS = {field.name: field.default for field in FsmConnector.credential_fields}
SOAP = "/FSM/fsm/soap"
STAGED = f"{SOAP}/classes/GLTransactionInterface/lists/_generic"
RESULTS = f"{SOAP}/classes/GLTransactionInterfaceResult/lists/_generic"
DETAILS = f"{SOAP}/classes/GLTransactionDetail/lists/_generic"
CREATE = f"{SOAP}/classes/GLTransactionInterface/actions/CreateUnreleased/batch"
INTERFACE = "/InterfaceTransactions_InterfaceTransactionsForm_FormOperation"
DELETE = "/DeleteAllTransactionsForRunGroup_DeleteAllTransactionsForRunGroupForm_FormOperation"
#: The same for people, in the order of `Fsm.requests`.
NAMES = {
    STAGED: "staged", RESULTS: "results", DETAILS: "ledger", CREATE: "create",
    f"{INTERFACE}/EditOnly": "validate", INTERFACE: "interface", DELETE: "delete",
}  # fmt: skip


@dataclass
class Fsm:
    """What a test does: connect as the product, make faults, and look at the far side."""

    tenant_id: Any
    server: Sandbox
    system: InforSandbox
    sessions: list[RecordedSession] = field(default_factory=list)
    reference: Reference | None = None
    requests_seen: int = 0
    bearer: str = ""
    asked: int = 0
    """Requests of somebody else."""

    @property
    def suite(self) -> FsmSuite:
        found = self.system.suites["FSM"]
        assert isinstance(found, FsmSuite)
        return found

    def credentials(self, **changed: str) -> dict[str, str]:
        return {**DEFAULTS, "ionapi": self.system.ionapi(), "enterprise_group": "1", **changed}

    def connector(self, *, company_code: str = "100", is_warm: bool = True, **changed: str) -> FsmConnector:
        """A new connector, as each piece of work has one. Warm: with the reference data at hand, as in production."""
        session = RecordedSession(tenant_id=self.tenant_id, system="infor_fsm", about="test", read_seconds=20)
        self.sessions.append(session)
        if is_warm and self.reference is None:
            self.reference = self.connector(is_warm=False).read_reference()
        access = Access(
            connection_id=CONNECTION_ID,
            company_code=company_code,
            credentials=self.credentials(**changed),
            session=session,
            reference=self.reference if is_warm else None,
        )
        return FsmConnector(access)

    def play(self, fault: str, path: str = "", **details: Any) -> None:
        self.server.faults.add(Fault(fault, system="infor", path=path, **details))

    def set(self, **settings: Any) -> None:
        self.suite.change_settings(**settings)

    def requests(self) -> list[str]:
        """What was asked of FSM since the last call, as the far side saw it, in short names.

        The sandbox notes a request after it has answered; our own exchanges say how many there must be.
        """
        with tenant_scope(self.tenant_id):
            sent = Exchange.objects.filter(path__contains=SOAP).count() + self.asked
        deadline = time.monotonic() + 5
        while True:
            with self.server.log_lock:
                seen = [entry["about"] or entry["path"] for entry in self.server.log if SOAP in entry["path"]]
            if len(seen) >= sent or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        assert len(seen) == sent
        new, self.requests_seen = seen[self.requests_seen :], sent
        return [next((name for part, name in NAMES.items() if path.endswith(part)), path) for path in new]

    def ask(self, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Response:
        """A request of somebody's own, past the product's client; POST where there is a body. `path`: below the suite."""
        file = json.loads(self.system.ionapi())
        if not self.bearer:
            form = {"grant_type": "password", "username": file["saak"], "password": file["sask"]}
            answer = requests.post(file["pu"] + file["ot"], data=form, auth=(file["ci"], file["cs"]), timeout=10)
            self.bearer = answer.json()["access_token"]
        self.asked += 1
        return requests.request(
            "GET" if body is None else "POST", f"{file['iu']}/{file['ti']}/FSM/fsm/soap{path}", params=dict(query or {}), json=body,
            headers={"Authorization": f"Bearer {self.bearer}"}, timeout=10,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        return self.suite.ledger_state()

    def journals(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.state()["journals"]
        return found

    def staged(self, journal: Journal) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.state()["staged"].get(journal.posting_key, [])
        return found

    def holds(self, *journals: Journal) -> None:
        """The far side has these journals, each once and whole, and no other."""
        there = {each["run_group"]: each for each in self.journals()}
        assert len(self.journals()) == len(there) == len(journals)
        for journal in journals:
            own = there[journal.posting_key]
            assert own["entity"] == journal.company_code
            assert (own["row_count"], own["debit"], own["credit"]) == (
                len(journal.lines),
                journal.debit,
                journal.credit,
            )
            found = [
                (
                    row["AccountCode"],
                    row.get("AccountingUnit", ""),
                    Decimal(row["TransactionAmount"]),
                    row["Description"],
                )
                for row in own["rows"]
            ]
            assert found == [
                (line.main_account, dict(line.dimensions).get("CostCenter", ""), line.debit - line.credit, line.text)
                for line in journal.lines
            ]
            assert {row["Reference"] for row in own["rows"]} == {journal.posting_key}
            assert {row["PostingDate"] for row in own["rows"]} == {journal.posting_date.strftime("%Y%m%d")}


@dataclass
class Kept:
    """The progress of a posting: what was saved, and a hook before each outside write."""

    values: dict[str, Any] = field(default_factory=dict)
    before_write: Callable[[int], None] = lambda number: None
    writes: int = 0
    saved: list[dict[str, Any]] = field(default_factory=list)

    def progress(self) -> Progress:
        return Progress(self.values, self._save, self._guard)

    def _save(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        self.saved.append(self.values)

    def _guard(self) -> None:
        self.writes += 1
        self.before_write(self.writes)


def payroll(count: int = 20, *, key: str = "K3Y0F0NEP0ST1NG", company_code: str = "100", **changed: Any) -> Journal:
    """A balanced journal of `count` lines: expenses by cost center, one credit; two of the lines are equal."""
    units = ["100", "200", "210", "300", "700"]
    lines = [
        JournalLine(
            number=number,
            main_account="6000",
            dimensions=(("CostCenter", units[max(number - 2, 0) % len(units)]),),
            debit=Decimal("100.10") + max(number - 2, 0),
            credit=Decimal("0.00"),
            text="Wages 2026-07-16 to 2026-07-31",
        )
        for number in range(1, count)
    ]
    total = sum((line.debit for line in lines), Decimal("0.00"))
    lines.append(JournalLine(count, "2110", (), Decimal("0.00"), total, "Net pay 2026-07-31"))
    journal = Journal(
        kind=JournalKind.PAYROLL,
        company_code=company_code,
        posting_date=date(2026, 7, 31),
        document_date=date(2026, 8, 1),
        currency="USD",
        header_text="Payroll 2026-07-16 to 2026-07-31",
        lines=tuple(lines),
        posting_key=key,
    )
    return replace(journal, **changed)


@contextmanager
def serving(folder: Path, today: date) -> Iterator[tuple[Sandbox, InforSandbox]]:
    store = Store(folder / "infor.sqlite")
    system = InforSandbox(store, today=today)
    server = Sandbox([system])
    server.start()
    yield server, system
    server.stop()
    store.close()


@contextmanager
def fsm_of(tenant: Any, server: Sandbox, system: InforSandbox) -> Iterator[Fsm]:
    found = Fsm(tenant.pk, server, system)
    yield found
    # All of this test's requests are noted before the next test empties the log.
    found.requests()
    for session in found.sessions:
        session.close()


@pytest.fixture(scope="session")
def served_fsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, InforSandbox]]:
    with serving(tmp_path_factory.mktemp("fsm"), TODAY) as running:
        yield running


#: Reference data of the shared sandbox, whose set-up no test changes: read once.
shared_reference: list[Reference] = []


@pytest.fixture
def fsm(tenant: Any, served_fsm: tuple[Sandbox, InforSandbox]) -> Iterator[Fsm]:
    """Empty books on the sandbox that all tests share. Not for tests that change its set-up."""
    server, system = served_fsm
    server.faults.clear()
    system.reset_ledger()
    system.change_settings(**asdict(GatewaySettings()))
    server.log.clear()
    with fsm_of(tenant, server, system) as found:
        found.set(**asdict(FsmSettings()))
        if not shared_reference:
            shared_reference.append(found.connector(is_warm=False).read_reference())
            found.requests()
        found.reference = shared_reference[0]
        yield found


@pytest.fixture
def own_fsm(tenant: Any, tmp_path: Path) -> Iterator[Fsm]:
    """A sandbox of the test's own, whose set-up it may change."""
    with serving(tmp_path, TODAY) as running, fsm_of(tenant, *running) as found:
        yield found


@pytest.fixture
def fsm_today(tenant: Any, tmp_path: Path) -> Iterator[Fsm]:
    """The same, with close periods around the real day: what is read there depends on it."""
    with serving(tmp_path, datetime.now(UTC).date()) as running, fsm_of(tenant, *running) as found:
        yield found
