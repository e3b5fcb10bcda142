"""A Dynamics environment of its own for each test: the real sandbox over HTTP, and a connector of a real tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from audit.exchange import RecordedSession
from audit.models import Exchange
from audit.sandbox import Fault, Sandbox, Store
from erp.connector import Access, Progress, Reference
from erp.d365.connector import D365Connector
from erp.d365.sandbox import D365Sandbox
from erp.d365.sandbox_settings import Settings
from mappings.journal import Journal, JournalKind, JournalLine
from tenants.scope import tenant_scope

TODAY = date(2026, 8, 14)
#: The connection of all these tests; the token cache of the process is keyed by it and by the credentials.
CONNECTION_ID = 1
DEFAULTS = {field.name: field.default for field in D365Connector.credential_fields}


@dataclass
class Environment:
    """What a test does: connect as the product, make faults, and look at the far ledger."""

    tenant_id: Any
    server: Sandbox
    system: D365Sandbox
    sessions: list[RecordedSession] = field(default_factory=list)
    reference: Reference | None = None
    requests_seen: int = 0

    def credentials(self, **changed: str) -> dict[str, str]:
        facts = self.system.facts()
        known = {
            name: facts[name] for name in ("environment", "authority", "directory_id", "client_id", "client_secret")
        }
        return {**DEFAULTS, **known, "journal_name": "PAYROLL", **changed}

    def connector(self, *, company_code: str = "us01", is_warm: bool = True, **changed: str) -> D365Connector:
        """A new connector, as each piece of work has one. Warm: with the reference data at hand, as in production."""
        session = RecordedSession(tenant_id=self.tenant_id, system="d365", about="test", read_seconds=20)
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
        return D365Connector(access)

    def play(self, fault: str, **details: Any) -> None:
        self.server.faults.add(Fault(fault, system="d365", **details))

    def requests(self) -> list[str]:
        """Method and path of every request under /data since the last call, as the far side saw them.

        The sandbox notes a request after it has answered; our own exchanges say how many there must be.
        """
        with tenant_scope(self.tenant_id):
            sent = Exchange.objects.filter(path__contains="/data").count()
        deadline = time.monotonic() + 5
        while True:
            with self.server.log_lock:
                seen = [f"{entry['method']} {entry['path']}" for entry in self.server.log if "/data" in entry["path"]]
            if len(seen) >= sent or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        assert len(seen) == sent
        new, self.requests_seen = seen[self.requests_seen :], sent
        return new

    def journals(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.system.ledger_state()["journals"]
        return found

    def holds(self, journal: Journal, *, count: int = 1) -> None:
        """The far side has exactly this journal, `count` journals in all."""
        there = self.journals()
        assert len(there) == count
        (own,) = [each for each in there if journal.posting_key in each["Description"]]
        assert own["dataAreaId"] == journal.company_code.lower()
        found = sorted(
            (line["AccountDisplayValue"], Decimal(line["DebitAmount"]), Decimal(line["CreditAmount"]), line["Text"])
            for line in own["lines"]
        )
        assert found == sorted(
            (display(line, own["dataAreaId"]), line.debit, line.credit, line.text) for line in journal.lines
        )
        for line in own["lines"]:
            assert line["Document"] == journal.posting_key
            assert line["TransDate"] == journal.posting_date.isoformat()
            assert line["DocumentDate"] == journal.document_date.isoformat()
            assert line["CurrencyCode"] == journal.currency
            assert line["AccountType"] == "Ledger"


def display(line: JournalLine, company_code: str) -> str:
    """The account string in the sandbox's format, written out independently of the connector."""
    values = dict(line.dimensions)
    names = ["BusinessUnit", "Department", "CostCenter", "Project", "Affiliate"]
    return "-".join([line.main_account, *(values.get(name, "").replace("-", "\\-") for name in names)])


@dataclass
class Kept:
    """The progress of a posting: what was saved, and a hook before each outside write."""

    values: dict[str, Any] = field(default_factory=dict)
    before_write: Callable[[int], None] = lambda number: None
    writes: int = 0

    def progress(self) -> Progress:
        return Progress(self.values, self._save, self._guard)

    def _save(self, values: dict[str, Any]) -> None:
        self.values = dict(values)

    def _guard(self) -> None:
        self.writes += 1
        self.before_write(self.writes)


def payroll(count: int = 20, *, key: str = "K3Y0F0NEP0ST1NG", company_code: str = "us01", **changed: Any) -> Journal:
    """A balanced journal of `count` lines: expenses by department, one credit; two of the lines are equal."""
    departments = ["010", "020", "021", "022", "030", "D-12"]
    lines = [
        JournalLine(
            number=number,
            main_account="6000",
            dimensions=(("Department", departments[max(number - 2, 0) % len(departments)]),),
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
def serving(folder: Path) -> Iterator[tuple[Sandbox, D365Sandbox]]:
    store = Store(folder / "d365.sqlite")
    system = D365Sandbox(store, today=TODAY)
    server = Sandbox([system])
    server.start()
    yield server, system
    server.stop()
    store.close()


@contextmanager
def environment_of(tenant: Any, server: Sandbox, system: D365Sandbox) -> Iterator[Environment]:
    environment = Environment(tenant.pk, server, system)
    yield environment
    # All of this test's requests are noted before the next test empties the log.
    environment.requests()
    for session in environment.sessions:
        session.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, D365Sandbox]]:
    with serving(tmp_path_factory.mktemp("d365")) as running:
        yield running


@pytest.fixture
def dynamics(tenant: Any, served: tuple[Sandbox, D365Sandbox]) -> Iterator[Environment]:
    """An empty ledger on the sandbox that all tests share. Not for tests that change its set-up."""
    server, system = served
    server.faults.clear()
    system.reset_ledger()
    system.change_settings(**asdict(Settings()))
    server.log.clear()
    with environment_of(tenant, server, system) as environment:
        yield environment


@pytest.fixture
def own_dynamics(tenant: Any, tmp_path: Path) -> Iterator[Environment]:
    """A sandbox of the test's own, whose set-up it may change."""
    with serving(tmp_path) as running, environment_of(tenant, *running) as environment:
        yield environment
