"""HTTP round trips of a journal, counted at the far side: with a warm token and fresh reference data, from the search for
it to the read-back. One entry of `ERPS` per system and way of entering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from audit import work
from audit.models import WorkItem
from audit.sandbox import Sandbox, Store
from erp import reference
from erp.building import keep
from erp.d365.sandbox import D365Sandbox
from erp.ifs.sandbox import IfsSandbox
from erp.models import Posting
from erp.states import set_approved
from gusto.models import PayrollRun
from mappings.journal import ZERO, Journal, JournalKind, JournalLine, posting_key
from mappings.models import MappingTable
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.bench.figures import Figure, at_most
from tests.bench.stage import Stage

#: A day in an open fiscal period of every sandbox.
POSTING_DATE = date(2026, 8, 14)
LINES, LINES_QUICK = (20, 1000), (20, 100)
#: Signs in and reads what is older than an hour; not counted.
WARM_UP_LINES = 4


@dataclass(frozen=True, slots=True)
class Erp:
    """A far ledger and what is wanted of it. `aim` gives the round trips at most for a number of lines."""

    name: str
    system: str
    sandbox: Callable[[Store], Any]
    """Its `SandboxSystem`, which has `facts()`."""
    fields: tuple[str, ...]
    """Fields of the connection that the sandbox tells."""
    company_code: str
    debit: tuple[str, tuple[tuple[str, str], ...]]
    """A main account for wages, and dimensions for it."""
    credit: str
    aim: Callable[[int], int]
    own_fields: Mapping[str, str] = field(default_factory=dict)
    polls: str = "(?!)"
    """Pattern of paths that only ask whether something has ended: counted apart. None by default."""


_CLIENT = ("client_id", "client_secret")
_IFS = ("address", "realm", *_CLIENT, "user_group", "voucher_type")

ERPS = (
    Erp(
        name="Dynamics 365", system="d365", sandbox=D365Sandbox, company_code="us01",
        fields=("environment", "authority", "directory_id", *_CLIENT), own_fields={"journal_name": "PAYROLL"},
        debit=("6000", (("CostCenter", "100"),)), credit="2110",
        aim=lambda lines: 4 if lines <= 20 else 10,
    ),
    Erp(
        name="IFS Cloud, $batch", system="ifs", sandbox=IfsSandbox, company_code="US10", fields=_IFS,
        own_fields={"companies": "US10", "uses_batch": "yes"},
        debit=("6000", (("CostCenter", "100"),)), credit="2110", aim=lambda lines: 4,
    ),
    Erp(
        name="IFS Cloud, row by row", system="ifs", sandbox=IfsSandbox, company_code="US10", fields=_IFS,
        own_fields={"companies": "US10", "uses_batch": "no"},
        debit=("6000", (("CostCenter", "100"),)), credit="2110",
        # Opening, its change, the rows, creation; and look-up and read-back around them.
        aim=lambda lines: lines + 3 + 2,
    ),
)  # fmt: skip


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    yield "HTTP round trips of a journal, warm token, read-back included"
    for number, erp in enumerate(ERPS):
        folder = stage.folder / f"{erp.system}-{number}"
        folder.mkdir()
        with Books(erp, folder) as books:
            books.enter(WARM_UP_LINES)
            for lines in LINES_QUICK if is_quick else LINES:
                yield str(books.figure(lines))


class Books:
    """A tenant whose only connection leads to one sandbox."""

    def __init__(self, erp: Erp, folder: Path) -> None:
        self.erp = erp
        self.system = erp.sandbox(Store(folder / "books.sqlite"))
        self.server = Sandbox([self.system])

    def __enter__(self) -> Books:
        self.server.start()
        facts = self.system.facts()
        self.tenant = Tenant.objects.create(name=self.erp.name, slug=re.sub("[^a-z0-9]+", "-", self.erp.name.lower()))
        with tenant_scope(self.tenant.pk):
            erp = Connection(system=self.erp.system, name=self.erp.name)
            erp.set_fields({**{name: facts[name] for name in self.erp.fields}, **self.erp.own_fields})
            erp.save()
            self.entity = LegalEntity.objects.create(
                name=self.erp.name, erp_connection=erp, company_code=self.erp.company_code, approval="automatic"
            )
            self.table = MappingTable.objects.create(
                legal_entity=self.entity, version=1, valid_from=date(2025, 1, 1), created_by="bench"
            )
        reference.read(self.tenant.pk, erp.pk)
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.stop()

    def figure(self, lines: int) -> Figure:
        paths = self.enter(lines)
        polls = sum(bool(re.search(self.erp.polls, path)) for path in paths)
        trips = len(paths) - polls
        shown = f"{trips:,} and {polls:,} polls" if polls else f"{trips:,}"
        return at_most(f"{self.erp.name}, {lines:,} lines", trips, self.erp.aim(lines), shown)

    def enter(self, lines: int) -> list[str]:
        """Bring a journal into the books; returns the path of every request that it took. Raises RuntimeError."""
        journal = self.journal(lines)
        # Whether an earlier journal is posted by now would be asked beside it.
        WorkItem.objects.filter(state=WorkItem.State.READY).update(due_at=timezone.now() + timedelta(hours=1))
        with tenant_scope(self.tenant.pk):
            payroll_run = PayrollRun.objects.create(
                legal_entity=self.entity, company_uuid="bench", payroll_uuid=f"bench-{lines}",
                state=PayrollRun.State.READ, announced_at=timezone.now(), read_at=timezone.now(),
                check_date=POSTING_DATE,
            )  # fmt: skip
            posting = keep(payroll_run, self.entity, self.table, journal, [], b"{}", prepared_by=[])
            with self.server.log_lock:
                self.server.log.clear()
            set_approved(posting, "")
        work.drain(seconds=120)
        with tenant_scope(self.tenant.pk):
            posting.refresh_from_db()
        if posting.state not in {Posting.State.ENTERED, Posting.State.POSTED}:
            raise RuntimeError(f"{self.erp.name}: the journal is {posting.state}: {posting.sentence}")
        with self.server.log_lock:
            entries: list[dict[str, Any]] = list(self.server.log)
        return [entry["path"] for entry in entries]

    def journal(self, lines: int) -> Journal:
        """Balanced: debits of a cent more each, and their sum as a credit."""
        account, dimensions = self.erp.debit
        debits = [
            JournalLine(number, account, dimensions, Decimal(number) / 100, ZERO, f"Line {number}")
            for number in range(1, lines)
        ]
        total = sum((line.debit for line in debits), ZERO)
        code = self.erp.company_code
        return Journal(
            kind=JournalKind.PAYROLL, company_code=code, posting_date=POSTING_DATE, document_date=POSTING_DATE,
            currency="USD", header_text="Bench",
            posting_key=posting_key(self.erp.name, f"bench-{lines}", JournalKind.PAYROLL, code, 1),
            lines=(*debits, JournalLine(lines, self.erp.credit, (), ZERO, total, "Clearing")),
        )  # fmt: skip
