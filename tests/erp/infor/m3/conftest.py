"""An Infor M3 of its own for each test: the real gateway and M3 sandboxes over HTTP, and a connector of a real tenant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from audit.exchange import RecordedSession
from audit.models import Exchange
from audit.sandbox import Fault, Sandbox, Store
from erp.connector import Access, Progress, Reference
from erp.infor.m3.connector import M3Connector
from erp.infor.m3.sandbox import M3Sandbox
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.sandbox import InforSandbox
from erp.infor.sandbox_settings import GatewaySettings
from mappings.journal import ZERO, Journal, JournalKind, JournalLine
from tenants.scope import tenant_scope

TODAY = date(2026, 8, 14)
#: The connection of all these tests; the token cache of the process is keyed by it and by the credentials.
CONNECTION_ID = 4
DEFAULTS = {field.name: field.default for field in M3Connector.credential_fields}
EXECUTE = "/m3api-rest/v2/execute"
#: What faults are aimed at: program, transactions and, for EXPORTMI, tables.
LOOK, READ_BACK = f"{EXECUTE}/EXPORTMI/Select/FGLEDX", f"{EXECUTE}/EXPORTMI/Select/FGLINF"
VOUCHER = f"{EXECUTE}/EXPORTMI/Select/FGLEDG"
STAGE, CHECK, UPDATE = (f"{EXECUTE}/GLS840MI/{name}" for name in ("AddBatch", "CtrlBatch", "UpdBatch"))


@dataclass
class M3:
    """What a test does: connect as the product, make faults, and look at the far books."""

    tenant_id: Any
    server: Sandbox
    gateway: InforSandbox
    sessions: list[RecordedSession] = field(default_factory=list)
    reference: Reference | None = None
    requests_seen: int = 0

    @property
    def system(self) -> M3Sandbox:
        found = self.gateway.suites["M3"]
        assert isinstance(found, M3Sandbox)
        return found

    def credentials(self, **changed: str) -> dict[str, str]:
        facts = self.gateway.facts()
        known = {"ionapi": facts["ionapi"], "company": facts["m3_company"], "interface": facts["m3_interface"]}
        return {**DEFAULTS, **known, "dimensions": "CostCenter=AIT2, Department=AIT3", **changed}

    def connector(self, *, company_code: str = "MIL", is_warm: bool = True, **changed: str) -> M3Connector:
        """A new connector, as each piece of work has one. Warm: with the reference data at hand, as in production."""
        session = RecordedSession(tenant_id=self.tenant_id, system="infor_m3", about="test", read_seconds=20)
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
        return M3Connector(access)

    def play(self, fault: str, **details: Any) -> None:
        self.server.faults.add(Fault(fault, system="infor", **details))

    def set(self, **settings: Any) -> None:
        self.system.change_settings(**settings)

    def bodies(self) -> list[str]:
        """Bodies of what was asked of M3, oldest first, as our own exchanges keep them."""
        with tenant_scope(self.tenant_id):
            found = Exchange.objects.filter(path__contains=EXECUTE).order_by("id")
            return [exchange.request_body for exchange in found]

    def requests(self) -> list[str]:
        """What was asked of M3 since the last call: program, transactions, tables."""
        bodies = self.bodies()
        new, self.requests_seen = bodies[self.requests_seen :], len(bodies)
        return [asked(body) for body in new]

    def vouchers(self) -> list[dict[str, Any]]:
        """All vouchers of the ledger."""
        found: list[dict[str, Any]] = self.system.ledger_state()["vouchers"]
        return found

    def batches(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.system.ledger_state()["batches"]
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """What became of each UpdBatch."""
        found: list[dict[str, Any]] = self.system.ledger_state()["jobs"]
        return found

    def holds(self, journal: Journal) -> dict[str, Any]:
        """The ledger has exactly this journal, as one voucher, and nothing else."""
        (voucher,) = self.vouchers()
        assert voucher["KEY1"] == journal.posting_key
        assert (voucher["DIVI"], voucher["ACDT"]) == (journal.company_code, f"{journal.posting_date:%Y%m%d}")
        names = {"CostCenter": "AIT2", "Department": "AIT3"}
        planned = [
            (
                line.main_account,
                {names[name]: value for name, value in line.dimensions},
                line.debit - line.credit,
                line.text,
            )
            for line in journal.lines
        ]
        there = [
            (
                row["AIT1"],
                {name: row[name] for name in ("AIT2", "AIT3", "AIT4", "AIT5", "AIT6", "AIT7") if row[name]},
                row["CUAM"],
                row["VTXT"],
            )
            for row in voucher["rows"]
        ]
        assert there == planned
        for row in voucher["rows"]:
            assert row["CUCD"] == journal.currency
            assert [list(each) for each in row["information"]] == [["1", journal.posting_key]]
        return voucher

    def staged(self) -> list[int]:
        """Numbers of the lines in the one batch of GLS840."""
        (batch,) = self.batches()
        return [int(line["LINE"]) for line in batch["lines"]]


def asked(body: str) -> str:
    """`EXPORTMI Select FGLEDX,FGLINF` of a request, each name once; a body may be cut."""
    (program,) = re.findall(r'"program": "(\w+)"', body)
    transactions = dict.fromkeys(re.findall(r'"transaction": "(\w+)"', body))
    tables = dict.fromkeys(re.findall(r" from (\w+) where", body))
    return " ".join(filter(None, [program, ",".join(transactions), ",".join(tables)]))


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


def payroll(count: int = 20, *, key: str = "K3Y0F0NEP0ST1NG", company_code: str = "MIL", **changed: Any) -> Journal:
    """A balanced journal of `count` lines: expenses by cost center, one credit; two of the lines are equal."""
    centers = ["100", "200", "210", "300", "990"]
    lines = [
        JournalLine(
            number=number,
            main_account="6000",
            dimensions=(("CostCenter", centers[max(number - 2, 0) % len(centers)]),),
            debit=Decimal("100.10") + max(number - 2, 0),
            credit=ZERO,
            text="Wages 2026-07-16 to 2026-07-31",
        )
        for number in range(1, count)
    ]
    total = sum((line.debit for line in lines), ZERO)
    lines.append(JournalLine(count, "2110", (), ZERO, total, "Net pay 2026-07-31"))
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
def serving(folder: Path) -> Iterator[tuple[Sandbox, InforSandbox]]:
    store = Store(folder / "infor.sqlite")
    gateway = InforSandbox(store, today=TODAY)
    server = Sandbox([gateway])
    server.start()
    yield server, gateway
    server.stop()
    store.close()


@contextmanager
def m3_of(tenant: Any, server: Sandbox, gateway: InforSandbox) -> Iterator[M3]:
    found = M3(tenant.pk, server, gateway)
    yield found
    for session in found.sessions:
        session.close()


@pytest.fixture(scope="session")
def served_m3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, InforSandbox]]:
    with serving(tmp_path_factory.mktemp("m3")) as running:
        yield running


#: Reference data of the shared sandbox, whose set-up no test changes: read once.
shared_reference: list[Reference] = []


@pytest.fixture
def m3(tenant: Any, served_m3: tuple[Sandbox, InforSandbox]) -> Iterator[M3]:
    """Empty books on the sandbox that all tests share. Not for tests that change its set-up."""
    server, gateway = served_m3
    server.faults.clear()
    gateway.reset_ledger()
    gateway.change_settings(**GatewaySettings().as_dict())
    with m3_of(tenant, server, gateway) as found:
        found.set(**M3Settings().as_dict())
        server.log.clear()
        if not shared_reference:
            shared_reference.append(found.connector(is_warm=False).read_reference())
            found.requests()
        found.reference = shared_reference[0]
        yield found


@pytest.fixture
def own_m3(tenant: Any, tmp_path: Path) -> Iterator[M3]:
    """A sandbox of the test's own, whose set-up it may change."""
    with serving(tmp_path) as running, m3_of(tenant, *running) as found:
        yield found
