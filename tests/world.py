"""The whole way in one process: a Gusto and a Dynamics sandbox over real HTTP, Infor's where a test asks for it, a web server
of ours that really receives the webhooks, and workers that a test lets run. Tests play faults of the world and look at the
far ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from django.db import connection

from audit import work
from audit.sandbox import Fault, Sandbox, Store
from erp import reference
from erp.connector import CONNECTORS
from erp.d365.sandbox import D365Sandbox
from erp.infor.sandbox import InforSandbox
from erp.models import Posting, ReferenceSnapshot
from gusto import oauth
from gusto.models import GustoApplication, PayrollRun, WebhookSubscription
from gusto.sandbox.system import GustoSandbox
from mappings.models import Crosswalk, MappingRule, MappingTable
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope

#: kind, component, side, main account, dimensions: enough for every oddity that the sandbox generates.
RULES = [
    ("earning", "", "debit", "6000", "CostCenter=@department"),
    ("tips", "", "debit", "2160", ""),
    ("owners_draw", "", "debit", "3200", ""),
    ("reimbursement", "", "debit", "6300", "CostCenter=@department"),
    ("employee_tax", "", "credit", "2110", ""),
    ("employer_tax", "", "debit", "6100", "CostCenter=@department"),
    ("employer_tax", "", "credit", "2110", ""),
    ("benefit_deduction", "", "credit", "2150", ""),
    ("employer_contribution", "", "debit", "6200", "CostCenter=@department"),
    ("employer_contribution", "", "credit", "2150", ""),
    ("garnishment", "", "credit", "2140", ""),
    ("child_support", "", "credit", "2110", ""),
    ("other_deduction", "", "credit", "2145", ""),
    ("net_pay", "Direct Deposit", "credit", "2110", ""),
    ("net_pay", "Check", "credit", "2105", ""),
]
DEPARTMENTS = {
    "Production": "100", "Sales": "200", "Engineering": "300", "Front of House": "400", "Administration": "500",
    "Warehouse": "600", "Customer Care": "700", "Research & Development": "800", "(none)": "990",
}  # fmt: skip


WORKER = """
import time, django
django.setup()
from audit import work
while True:
    if not work.drain(5):
        time.sleep(0.02)
"""


def own_environment(public_url: str, **variables: str) -> dict[str, str]:
    """The environment of a process of ours on the test's database; `variables` override."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        **os.environ,
        "DATABASE_URL": urlunsplit(url._replace(path="/" + connection.settings_dict["NAME"])),
        "DJANGO_SETTINGS_MODULE": "connector_site.settings",
        "MLC_PUBLIC_URL": public_url,
        "MLC_SETTLING_SECONDS": "0",
        "MLC_LOG_LEVEL": "ERROR",
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        **variables,
    }


@contextmanager
def own_process(argv: list[str], public_url: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours on the test's database, in a process group of its own; gone with its children afterwards."""
    process = subprocess.Popen(argv, env=own_environment(public_url), start_new_session=True, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class World:
    """What a test holds in its hands."""

    tenant: Tenant
    server: Sandbox
    gusto: GustoSandbox
    d365: D365Sandbox
    public_url: str
    folder: Path
    entities: dict[str, LegalEntity] = field(default_factory=dict)

    @cached_property
    def infor(self) -> InforSandbox:
        """Infor's gateway with its suites, served beside the others from the first use on."""
        system = InforSandbox(Store(self.folder / "infor.sqlite"))
        system.faults = self.server.faults
        self.server.systems["infor"] = system
        system.started(f"{self.server.address}/infor")
        return system

    def connection(self, system: str) -> Connection:
        """The tenant's connection to a far ledger, inside a scope; made at the first use."""
        found: Connection | None = Connection.objects.filter(system=system).first()
        if found is None:
            found = Connection(system=system, name={"d365": "Dynamics 365"}.get(system, CONNECTORS[system][0]))
            found.set_fields(self._fields_of(system))
            found.save()
        return found

    def _fields_of(self, system: str) -> dict[str, str]:
        if system == "infor_fsm":
            return {"ionapi": self.infor.ionapi(), "enterprise_group": "1"}
        if system == "infor_m3":
            books = {"company": "100", "interface": "PAYROLL", "divisions": "MIL, HAU", "dimensions": "CostCenter=AIT2"}
            return {"ionapi": self.infor.ionapi(), **books}
        facts = self.d365.facts()
        known = ("environment", "authority", "directory_id", "client_id", "client_secret")
        return {**{key: facts[key] for key in known}, "journal_name": "PAYROLL"}

    def entity(
        self, name: str = "Harbor Foods", *, approval: str = "automatic", company_code: str = "us01", company: int = 0,
        is_mapped: bool = True, is_in_file_mode: bool = False, system: str = "d365",
    ) -> LegalEntity:  # fmt: skip
        """A legal entity that is connected to a Gusto company (not in file mode) and to an ERP, with an approved mapping."""
        with tenant_scope(self.tenant.id):
            erp = self.connection(system)
            entity = LegalEntity.objects.create(
                name=name, erp_connection=erp, company_code=company_code, approval=approval
            )
        if is_mapped:
            self.map(entity)
        if not is_in_file_mode:
            company_uuid = self.gusto.companies()[company]["uuid"]
            granted = self.gusto.connect(company_uuid)
            oauth.connect_with_refresh_token(entity, granted["refresh_token"])
        with tenant_scope(self.tenant.id):
            entity.refresh_from_db()
            reference_read = ReferenceSnapshot.objects.filter(connection=erp).exists()
        if not reference_read:
            reference.read(self.tenant.id, erp.pk)
        self.entities[name] = entity
        self.work()
        return entity

    def unmapped_entity(self, name: str, company: int) -> LegalEntity:
        return self.entity(name, company=company, is_mapped=False)

    def replace_mapping(self, entity: LegalEntity, **changes: Any) -> MappingTable:
        """A later approved version, with accounts or kinds changed."""
        return self.map(entity, version=2, valid_from=date(2025, 6, 1), **changes)

    @property
    def today(self) -> date:
        return self.gusto.state.today()

    @property
    def tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    def check_date(self, payroll_uuid: str) -> date:
        return date.fromisoformat(self.gusto.payroll_document(payroll_uuid)["check_date"])

    def map(
        self, entity: LegalEntity, *, without: tuple[str, ...] = (), valid_from: date = date(2025, 1, 1), version: int = 1,
        changed: dict[str, str] | None = None, by: str = "bob", company_codes: dict[str, str] | None = None,
        accruals: dict[str, str] | None = None, jobs: dict[str, str] | None = None, job_dimension: str = "", **policy: Any,
    ) -> MappingTable:  # fmt: skip
        """An approved version; `without` leaves kinds out, `changed` replaces main accounts, `company_codes` sends the wages
        of departments to company codes of their own (credits follow the wages). `accruals` gives the credits of a kind an
        accrual account; `jobs` gives wages a value of `job_dimension` by job title. `policy` are fields of the version.
        """
        with tenant_scope(self.tenant.id):
            table = MappingTable.objects.create(
                legal_entity=entity, version=version, valid_from=valid_from, created_by=by, changed_by=[by], **policy
            )
            MappingRule.objects.bulk_create(
                MappingRule(
                    mapping_table=table,
                    rule=f"R{number:02d}",
                    kind=kind,
                    component=component,
                    side=side,
                    main_account=(changed or {}).get(account, account),
                    dimensions=f"{dimensions};{job_dimension}=@job" if jobs and kind == "earning" else dimensions,
                    company_code="@department" if company_codes and kind == "earning" else "",
                    accrual_account=(accruals or {}).get(kind, "") if side == "credit" else "",
                )
                for number, (kind, component, side, account, dimensions) in enumerate(_numbered(), 1)
                if kind not in without
            )
            Crosswalk.objects.bulk_create(
                Crosswalk(
                    mapping_table=table, source_kind="department", source_value=department, target="CostCenter",
                    target_value=value,
                )
                for department, value in DEPARTMENTS.items()
            )  # fmt: skip
            Crosswalk.objects.bulk_create(
                Crosswalk(
                    mapping_table=table, source_kind="department", source_value=department, target="company_code",
                    target_value=code,
                )
                for department, code in (company_codes or {}).items()
            )  # fmt: skip
            Crosswalk.objects.bulk_create(
                Crosswalk(
                    mapping_table=table, source_kind="job", source_value=job, target=job_dimension, target_value=value
                )
                for job, value in (jobs or {}).items()
            )  # fmt: skip
            MappingTable.objects.filter(pk=table.pk).update(state=MappingTable.State.APPROVED, approved_by="dana")
            table.refresh_from_db()
        return table

    def change_connection(self, **fields: str) -> None:
        """Change fields of the Dynamics connection."""
        with tenant_scope(self.tenant.id):
            row = Connection.objects.get(system="d365")
            row.set_fields(fields)
            row.save(update_fields=["sealed_fields"])

    def pay(self, entity: LegalEntity, off_cycle_reason: str = "", **options: Any) -> str:
        """Process a payroll in Gusto; returns its uuid. The webhooks go out by themselves."""
        payroll = self.gusto.create_payroll(entity.gusto_company_uuid, off_cycle_reason=off_cycle_reason, **options)
        payroll_uuid: str = payroll["payroll_uuid"]
        self.gusto.process(payroll_uuid)
        return payroll_uuid

    def hear(self, payroll_uuid: str, seconds: float = 20) -> PayrollRun:
        """Wait until the webhook of a payroll has arrived and made a run."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with tenant_scope(self.tenant.id):
                run = PayrollRun.objects.filter(payroll_uuid=payroll_uuid).first()
            if run is not None:
                return run
            self.work()
            time.sleep(0.05)
        raise AssertionError(f"no webhook for payroll {payroll_uuid} within {seconds} s")

    def signed(self, event_type: str, company_uuid: str, entity_type: str, entity_uuid: str) -> tuple[bytes, str]:
        """A notice as Gusto would send it now, with its signature."""
        body = json.dumps(
            {
                "uuid": str(uuid.uuid4()), "event_type": event_type, "resource_type": "Company",
                "resource_uuid": company_uuid, "entity_type": entity_type, "entity_uuid": entity_uuid,
                "timestamp": int(time.time()),
            }
        ).encode()  # fmt: skip
        key = WebhookSubscription.objects.get(state=WebhookSubscription.State.VERIFIED).verification_token
        return body, hmac.new(key.encode(), body, hashlib.sha256).hexdigest()

    def send(self, event_type: str, company_uuid: str, entity_type: str, entity_uuid: str) -> int:
        """Deliver one more signed notice; returns the status it was answered with."""
        body, signature = self.signed(event_type, company_uuid, entity_type, entity_uuid)
        return requests.post(
            f"{self.public_url}/gusto/webhook", data=body,
            headers={"X-Gusto-Signature": signature, "Content-Type": "application/json"}, timeout=30,
        ).status_code  # fmt: skip

    def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        """Work until something holds: notices arrive by themselves."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came true"
            self.work()
            time.sleep(0.05)

    def balances(self) -> dict[tuple[str, str], Decimal]:
        """Debits minus credits by company and account string over the whole far ledger, entered or posted."""
        return self.balances_of({journal["Description"].rsplit(" ", 1)[-1] for journal in self.journals()})

    def balances_of(self, posting_keys: set[str]) -> dict[tuple[str, str], Decimal]:
        """The same of some journals only."""
        found: dict[tuple[str, str], Decimal] = {}
        for journal in self.journals():
            if journal["Description"].rsplit(" ", 1)[-1] not in posting_keys:
                continue
            for line in journal["lines"]:
                key = journal["dataAreaId"], line["AccountDisplayValue"]
                found[key] = found.get(key, Decimal()) + Decimal(line["DebitAmount"]) - Decimal(line["CreditAmount"])
        return found

    def work(self) -> int:
        """Let a worker do everything that is due."""
        return work.drain(seconds=60)

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker in a process of its own on the test's database, to be killed; it works off what is due until then."""
        with own_process([sys.executable, "-c", WORKER], self.public_url) as process:
            yield process

    def lease_ends(self) -> None:
        """As if the lease of every killed worker had ended: its work is free to be taken over."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET leased_until = clock_timestamp() - interval '1 second' WHERE state = 'running'"
            )

    def hurry(self, kind: str = "") -> int:
        """Make waiting work due now, and do it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET due_at = clock_timestamp() WHERE state = 'ready' AND (%s = '' OR kind = %s)",
                [kind, kind],
            )
        return self.work()

    def settle(self) -> None:
        """As if the settling time of every unknown outcome had passed."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant', %s, false)", [str(self.tenant.id)])
            cursor.execute("UPDATE erp_posting SET settles_at = clock_timestamp() WHERE settles_at IS NOT NULL")
            cursor.execute("SELECT set_config('app.tenant', '', false)")

    def play(self, fault: str, system: str = "d365", **details: Any) -> None:
        self.server.faults.add(Fault(fault, system=system, **details))

    def run(self, payroll_uuid: str) -> PayrollRun:
        with tenant_scope(self.tenant.id):
            found: PayrollRun = PayrollRun.objects.get(payroll_uuid=payroll_uuid)
        return found

    def postings(self, payroll_uuid: str = "") -> list[Posting]:
        """Every posting of a run (or all), oldest first."""
        with tenant_scope(self.tenant.id):
            found = Posting.objects.select_related("reverses", "payroll_run").order_by("id")
            return list(found.filter(payroll_run__payroll_uuid=payroll_uuid) if payroll_uuid else found)

    def posting(self, payroll_uuid: str = "") -> Posting:
        (found,) = self.postings(payroll_uuid)
        return found

    def journals(self) -> list[dict[str, Any]]:
        """What the far ledger holds, journal by journal."""
        found: list[dict[str, Any]] = self.d365.ledger_state()["journals"]
        return found

    def holds_exactly(self, *postings: Posting) -> None:
        """The far ledger has these journals, each once and whole, and no other (invariants I1 and I2)."""
        there = self.journals()
        keys = sorted(journal["Description"].rsplit(" ", 1)[-1] for journal in there)
        assert keys == sorted(posting.posting_key for posting in postings)
        for posting in postings:
            (journal,) = [each for each in there if each["Description"].endswith(posting.posting_key)]
            lines = journal["lines"]
            assert len(lines) == posting.line_count
            assert sum(Decimal(line["DebitAmount"]) for line in lines) == posting.debit
            assert sum(Decimal(line["CreditAmount"]) for line in lines) == posting.credit
            assert {line["Document"] for line in lines} == {posting.posting_key}


def _numbered() -> list[tuple[str, str, str, str, str]]:
    return RULES


def make_world(folder: Path, tenant: Tenant, public_url: str, **gusto_options: Any) -> World:
    """Start both sandboxes on a free port and enter them as the operator would."""
    options: dict[str, Any] = {"employees": 6, "companies": 2, "history": 1, **gusto_options}
    gusto = GustoSandbox(Store(folder / "gusto.sqlite"), redirect_uris=(f"{public_url}/gusto/callback",), **options)
    d365 = D365Sandbox(Store(folder / "d365.sqlite"))
    server = Sandbox([gusto, d365])
    server.start()
    facts = gusto.facts()
    GustoApplication.objects.create(
        client_id=facts["client_id"], client_secret=facts["client_secret"], api_url=facts["address"],
        authorize_url=facts["authorize_url"], token_url=facts["token_url"],
    )  # fmt: skip
    world = World(tenant, server, gusto, d365, public_url, folder)
    work.enqueue("gusto.subscribe", tenant_id=None)
    deadline = time.monotonic() + 15
    while not _is_subscribed() and time.monotonic() < deadline:
        world.work()
        time.sleep(0.05)
        world.hurry("gusto.subscribe")
    assert _is_subscribed(), "the webhook subscription was not verified"
    return world


def _is_subscribed() -> bool:
    return WebhookSubscription.objects.filter(state=WebhookSubscription.State.VERIFIED).exists()
