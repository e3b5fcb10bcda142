"""A tenant with one connection to a far ledger, and journals to bring there: what the tests of posting hold in their hands.

It works from kept journals on (`erp.building.keep`), without Gusto, so that a test takes a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from audit import work
from audit.exchange import RecordedSession
from audit.models import WorkItem
from audit.sandbox import Fault
from erp import building, decisions, reference, unclear
from erp.connector import Access, Reference, connector_class
from erp.journals import journal_of
from erp.models import Posting, PostingAttempt, ReferenceSnapshot
from erp.states import set_approved
from gusto.models import PayrollRun
from mappings.journal import ZERO, Journal, JournalKind, JournalLine, reversed_journal
from mappings.models import MappingTable
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.erp.far_ledger import FarLedger, Step

#: What the frame of the sandboxes can do to any request: name -> fields of `audit.sandbox.Fault`.
FAULTS: dict[str, dict[str, Any]] = {
    "lost_answer": {},
    "refuse": {},
    "cut_body": {},
    "status": {"status": 503},
    "status_after": {"status": 502},
    "html": {"status": 502},
    "throttled": {"fault": "status", "status": 429, "headers": {"Retry-After": "0"}},
}
POSTING_DATE = date(2026, 8, 14)
FINAL = {Posting.State.ENTERED, Posting.State.POSTED, Posting.State.BLOCKED}


@dataclass
class Books:
    tenant: Tenant
    far: FarLedger
    entity: LegalEntity
    connection_id: int
    made: int = 0

    # Journals

    def journal(self, kind: JournalKind = JournalKind.PAYROLL, lines: int = 4, company_code: str = "") -> Journal:
        """Balanced, with two equal lines, and a key of its own."""
        account, dimensions = self.far.debit
        debits = [
            JournalLine(
                number, account, dimensions, Decimal("100.10") + max(number - 2, 0), ZERO, f"Wages {kind.value}"
            )
            for number in range(1, lines)
        ]
        total = sum((line.debit for line in debits), ZERO)
        return Journal(
            kind=kind,
            company_code=company_code or self.far.company_code,
            posting_date=POSTING_DATE,
            document_date=POSTING_DATE,
            currency="USD",
            header_text=f"Contract {kind.value}",
            lines=(*debits, JournalLine(lines, self.far.credit, (), ZERO, total, "Net pay")),
            posting_key=self._key(kind),
        )

    def _key(self, kind: JournalKind) -> str:
        self.made += 1
        return f"C0NTRACT{kind.value[:2]}{self.made:05d}"

    def keep(self, journal: Journal, *, reverses: Posting | None = None, beside: Posting | None = None) -> Posting:
        """A frozen, approved posting, as if it had been allocated. `beside`: another one of the same payroll run."""
        with tenant_scope(self.tenant.pk):
            sister = reverses or beside
            run = sister.payroll_run if sister else self._run(journal.posting_key)
            posting = building.keep(
                run, self.entity, MappingTable.objects.get(), journal, [], b"[]", prepared_by=["bob"],
                reverses=reverses, reason="test" if reverses else "",
            )  # fmt: skip
            set_approved(posting, "dana")
        return posting

    def _run(self, payroll_uuid: str) -> PayrollRun:
        run: PayrollRun = PayrollRun.objects.create(
            legal_entity=self.entity, company_uuid="company", payroll_uuid=payroll_uuid, state="read",
            payroll_type="regular", check_date=POSTING_DATE, announced_at=timezone.now(), read_at=timezone.now(),
        )  # fmt: skip
        return run

    def keep_contra(self, posting: Posting) -> Posting:
        """Its reversal. It is not built anew when what it waits for is repaired, as a run's own journals are."""
        with tenant_scope(self.tenant.pk):
            journal = journal_of(posting)
        key = self._key(JournalKind.REVERSAL)
        return self.keep(reversed_journal(journal, POSTING_DATE, key, "Contra"), reverses=posting)

    def unbalanced(self) -> Journal:
        journal = self.journal()
        last = journal.lines[-1]
        return replace(journal, lines=(*journal.lines[:-1], replace(last, credit=last.credit - Decimal("0.01"))))

    # Going on

    def again(self, posting: Posting) -> Posting:
        """The posting as it stands now."""
        with tenant_scope(self.tenant.pk):
            return Posting.objects.select_related("payroll_run").get(pk=posting.pk)

    def hurry(self) -> None:
        """As if waiting times and settling times had passed: everything that waits is due, and done."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_workitem SET due_at = clock_timestamp() WHERE state = 'ready'")
        with tenant_scope(self.tenant.pk):
            Posting.objects.filter(settles_at__isnull=False).update(settles_at=timezone.now())
        work.drain(seconds=60)

    def settled(self, posting: Posting) -> Posting:
        """Go on until nothing moves any more."""
        work.drain(seconds=60)
        for _ in range(12):
            posting = self.again(posting)
            if posting.state in FINAL:
                return posting
            self.hurry()
        waiting = list(
            WorkItem.objects.exclude(state="done").values_list("kind", "ref", "state", "attempts", "sentence")
        )
        raise AssertionError(f"still {posting.state}: {posting.sentence} {waiting}")

    def send(self, journal: Journal) -> Posting:
        return self.settled(self.keep(journal))

    def replay(self, posting: Posting) -> Posting:
        """A person decides that it is tried again."""
        with tenant_scope(self.tenant.pk):
            decisions.replay(Posting.objects.get(pk=posting.pk), "dana")
        return self.settled(posting)

    def not_there(self, posting: Posting, *people: str) -> Posting:
        """People say, one after the other, that the ledger does not hold it."""
        for person in people:
            with tenant_scope(self.tenant.pk):
                unclear.not_there(Posting.objects.get(pk=posting.pk), person)
        return self.settled(posting)

    def found(self, posting: Posting, document_number: str) -> Posting:
        """A person says under which number the ledger holds it."""
        with tenant_scope(self.tenant.pk):
            unclear.found_there(Posting.objects.get(pk=posting.pk), "dana", document_number)
        return self.settled(posting)

    def leases_end(self) -> None:
        """As if the lease of every worker that has some work had ended: it is free to be taken over."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET leased_until = clock_timestamp() - interval '1 second' WHERE state = 'running'"
            )

    def change_fields(self, **fields: str) -> None:
        with tenant_scope(self.tenant.pk):
            row = Connection.objects.get(pk=self.connection_id)
            row.set_fields({**row.fields, **fields})
            row.save()

    def read_reference(self) -> None:
        reference.read(self.tenant.pk, self.connection_id)

    # Faults, and what became of it

    def play(self, fault: str, step: Step | None = None, **details: Any) -> None:
        aimed = {"method": step.method, "path": step.path, "skip": step.skip} if step else {}
        fields = {
            "fault": fault,
            "system": self.far.sandbox or self.far.system,
            **aimed,
            **FAULTS.get(fault, {}),
            **details,
        }
        self.far.server.faults.add(Fault(**fields))

    def played(self) -> list[str]:
        """The faults that were played to their end."""
        with self.far.server.log_lock:
            return [entry["fault"] for entry in self.far.server.log]

    def requests(self) -> int:
        """How many requests the far side has answered."""
        with self.far.server.log_lock:
            return len(self.far.server.log)

    def holds(self, *postings: Posting) -> None:
        """The far ledger has these journals, each once and whole, and no other."""
        expected = [
            (each.posting_key, each.company_code, each.line_count, each.debit, each.credit) for each in postings
        ]
        there = [
            (held.posting_key, held.company_code, held.line_count, held.debit, held.credit)
            for held in self.far.journals()
        ]
        assert sorted(there) == sorted(expected)

    def attempts(self, posting: Posting) -> list[tuple[str, str]]:
        with tenant_scope(self.tenant.pk):
            found = PostingAttempt.objects.filter(posting=posting).order_by("id").values_list("step", "outcome")
            return list(found)


def books_of(tenant: Tenant, far: FarLedger, known: list[Reference]) -> Books:
    """`known`: the reference data, read over there by the first test and then reused, as the set-up stays as it is."""
    with tenant_scope(tenant.pk):
        row = Connection(system=far.system, name="Books")
        row.set_fields(far.fields())
        row.save()
        entity = LegalEntity.objects.create(
            name="Harbor Foods", erp_connection=row, company_code=far.company_code, approval="automatic"
        )
        MappingTable.objects.create(legal_entity=entity, version=1, valid_from=date(2025, 1, 1), created_by="bob")
        fields = row.fields
    if not known:
        with RecordedSession(tenant_id=tenant.pk, system=far.system) as session:
            access = Access(row.pk, far.company_code, fields, session)
            known.append(connector_class(far.system)(access).read_reference())
    with tenant_scope(tenant.pk):
        reference.save(row.pk, known[0])
        assert ReferenceSnapshot.objects.get(connection=row).setup_problems == []
    return Books(tenant, far, entity, row.pk)
