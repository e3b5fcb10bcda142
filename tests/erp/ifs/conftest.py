"""An IFS Cloud of its own for each test: the real sandbox over HTTP, and a connector of a real tenant."""

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
from erp.ifs.connector import IfsConnector
from erp.ifs.sandbox import IfsSandbox
from erp.ifs.sandbox_settings import Settings
from mappings.journal import Journal, JournalKind, JournalLine
from tenants.scope import tenant_scope

TODAY = date(2026, 8, 14)
#: The connection of all these tests; the token cache of the process is keyed by it and by the credentials.
CONNECTION_ID = 2
DEFAULTS = {field.name: field.default for field in IfsConnector.credential_fields}
PROJECTION = "/main/ifsapplications/projection/v1"
SERVICE = f"{PROJECTION}/VoucherEntryAssistantHandling.svc"
LOOK = rf"{PROJECTION}/VoucherRowsAnalysis\.svc/"
OPEN = rf"{SERVICE}/VoucherSet$"
BATCH = rf"{SERVICE}/\$batch"
CREATE = "VoucherEntry_CreateVoucher"
REPORT_NAMES = ", ".join(
    f"LedgerSource.Rows.{name}=C{place}_{column}"
    for place, name, column in (
        (1, "Company", "COMPANY"), (2, "VoucherType", "VOUCHER_TYPE"), (3, "AccountingYear", "ACCOUNTING_YEAR"),
        (4, "VoucherNo", "VOUCHER_NO"), (5, "RowNo", "ROW_NO"), (7, "DebetAmount", "DEBET_AMOUNT"),
        (8, "CreditAmount", "CREDIT_AMOUNT"), (9, "ReferenceSerie", "REFERENCE_SERIE"),
        (10, "ReferenceNumber", "REFERENCE_NUMBER"),
    )
)  # fmt: skip
#: How the connection searches the ledger -> what the customer made for it, and the fields of the connection.
LEDGER_SOURCES = {
    "projection": {"ledger_source": "QueryProjectionLEDGERROWS.svc/LEDGERROWSSet"},
    "quick_report": {
        "ledger_source": "QuickReports.svc/QuickReport_410017(COMPANY='{company}',REFERENCE_SERIE='{series}',"
        "REFERENCE_NUMBER='{reference}')",
        "names": REPORT_NAMES,
    },
}


@dataclass
class Cloud:
    """What a test does: connect as the product, make faults, and look at the far books."""

    tenant_id: Any
    server: Sandbox
    system: IfsSandbox
    sessions: list[RecordedSession] = field(default_factory=list)
    reference: Reference | None = None
    requests_seen: int = 0
    ledger_source: str = "none"

    def credentials(self, **changed: str) -> dict[str, str]:
        facts = self.system.facts()
        known = {name: facts[name] for name in ("realm", "client_id", "client_secret", "user_group", "voucher_type")}
        source = LEDGER_SOURCES.get(self.ledger_source, {})
        return {**DEFAULTS, **known, "address": facts["address"], **source, **changed}

    def search_by(self, ledger_source: str) -> None:
        """The customer made something to search the ledger, and the connection uses it."""
        self.system.change_settings(ledger_source=ledger_source)
        self.ledger_source = ledger_source

    def connector(self, *, company_code: str = "US10", is_warm: bool = True, **changed: str) -> IfsConnector:
        """A new connector, as each piece of work has one. Warm: with the reference data at hand, as in production."""
        session = RecordedSession(tenant_id=self.tenant_id, system="ifs", about="test", read_seconds=20)
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
        return IfsConnector(access)

    def play(self, fault: str, **details: Any) -> None:
        self.server.faults.add(Fault(fault, system="ifs", **details))

    def requests(self) -> list[str]:
        """Method and path of every request to a projection since the last call, as the far side saw them.

        The sandbox notes a request after it has answered; our own exchanges say how many there must be.
        """
        with tenant_scope(self.tenant_id):
            sent = Exchange.objects.filter(path__contains=PROJECTION).count()
        deadline = time.monotonic() + 5
        while True:
            with self.server.log_lock:
                seen = [
                    f"{entry['method']} {entry['path'].removeprefix(PROJECTION)}"
                    for entry in self.server.log
                    if PROJECTION in entry["path"]
                ]
            if len(seen) >= sent or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        assert len(seen) == sent
        new, self.requests_seen = seen[self.requests_seen :], sent
        return new

    def vouchers(self) -> list[dict[str, Any]]:
        """All vouchers, held and updated."""
        found: list[dict[str, Any]] = self.system.ledger_state()["vouchers"]
        return found

    def temporary(self) -> int:
        """Headers of the assistant that were not thrown away."""
        found: int = self.system.ledger_state()["temporary"]
        return found

    def holds(self, journal: Journal, *, count: int = 1) -> dict[str, Any]:
        """The far side has exactly this journal, `count` vouchers in all."""
        there = self.vouchers()
        assert len(there) == count
        (own,) = [each for each in there if {row["ReferenceNumber"] for row in each["rows"]} == {journal.posting_key}]
        assert own["Company"] == journal.company_code
        assert own["VoucherDate"] == journal.posting_date.isoformat()
        found = [
            (row["Account"], parts_of(row), row["DebetAmount"] or 0, row["CreditAmount"] or 0, row["Text"])
            for row in own["rows"]
        ]
        assert found == [
            (line.main_account, dict(line.dimensions), line.debit, line.credit, line.text) for line in journal.lines
        ]
        for row in own["rows"]:
            assert row["ReferenceSerie"] == "GUSTO"
            assert row["CurrencyCode"] == journal.currency
            assert (row["CurrencyDebetAmount"], row["CurrencyCreditAmount"]) == (
                row["DebetAmount"],
                row["CreditAmount"],
            )
        return own


#: What the code parts mean in company US10, written out independently of the connector.
MEANINGS = {"B": "CostCenter", "C": "Department", "D": "Project", "E": "BusUnit", "F": "Affiliate"}


def parts_of(row: dict[str, Any]) -> dict[str, str]:
    return {name: row[f"Code{letter}"] for letter, name in MEANINGS.items() if row.get(f"Code{letter}")}


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


def payroll(count: int = 20, *, key: str = "K3Y0F0NEP0ST1NG", company_code: str = "US10", **changed: Any) -> Journal:
    """A balanced journal of `count` lines: expenses by cost center, one credit; two of the lines are equal."""
    centers = ["100", "200", "210", "300", "O'Neil"]
    lines = [
        JournalLine(
            number=number,
            main_account="6000",
            dimensions=(("CostCenter", centers[max(number - 2, 0) % len(centers)]),),
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
def serving(folder: Path) -> Iterator[tuple[Sandbox, IfsSandbox]]:
    store = Store(folder / "ifs.sqlite")
    system = IfsSandbox(store, today=TODAY)
    server = Sandbox([system])
    server.start()
    yield server, system
    server.stop()
    store.close()


@contextmanager
def cloud_of(tenant: Any, server: Sandbox, system: IfsSandbox) -> Iterator[Cloud]:
    cloud = Cloud(tenant.pk, server, system)
    yield cloud
    # All of this test's requests are noted before the next test empties the log.
    cloud.requests()
    for session in cloud.sessions:
        session.close()


@pytest.fixture(scope="session")
def served_ifs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, IfsSandbox]]:
    with serving(tmp_path_factory.mktemp("ifs")) as running:
        yield running


#: Reference data of the shared sandbox, whose set-up no test changes: read once.
shared_reference: list[Reference] = []


@pytest.fixture
def cloud(tenant: Any, served_ifs: tuple[Sandbox, IfsSandbox]) -> Iterator[Cloud]:
    """Empty books on the sandbox that all tests share. Not for tests that change its set-up."""
    server, system = served_ifs
    server.faults.clear()
    system.reset_ledger()
    system.change_settings(**asdict(Settings()))
    server.log.clear()
    with cloud_of(tenant, server, system) as found:
        if not shared_reference:
            shared_reference.append(found.connector(is_warm=False).read_reference())
            found.requests()
        found.reference = shared_reference[0]
        yield found


@pytest.fixture
def own_cloud(tenant: Any, tmp_path: Path) -> Iterator[Cloud]:
    """A sandbox of the test's own, whose set-up it may change."""
    with serving(tmp_path) as running, cloud_of(tenant, *running) as found:
        yield found
