"""Plays a plan: once undisturbed, once with everything that goes wrong, and then lets it come to rest."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import date
from pathlib import Path

from django.db import connection

from audit import work
from audit.models import WorkItem
from audit.sandbox import Fault
from connector_site.supervisor import Pulse
from erp.decisions import approve, look_now, replay
from erp.models import Posting
from erp.states import NotAllowed
from gusto.events import schedule_all
from tenants.models import LegalEntity, Tenant
from tenants.scope import tenant_scope
from tests.chaos.ending import RECURRING
from tests.chaos.plan import Act, Plan, fault_of
from tests.chaos.processes import Web, Workers
from tests.world import DEPARTMENTS, World, make_world

#: Reasons for which a person has to act: they look, and replay. No other may be left once nothing goes wrong any more.
A_PERSON_REPLAYS = frozenset({Posting.Reason.REJECTED, Posting.Reason.UNCLEAR, Posting.Reason.EXHAUSTED})
SETTLE_SECONDS_MAX = 60.0
NAMES = ("Harbor Foods", "Harbor Logistics")


class Stage:
    """A world set up for a plan: two connected legal entities and open payrolls, nothing processed yet."""

    def __init__(self, plan: Plan, folder: Path, web: Web) -> None:
        self.plan = plan
        folder.mkdir()
        tenant = Tenant.objects.create(name="Acme Bakery", slug="acme")
        self.world: World = make_world(folder, tenant, web.address, companies=0)
        gusto = self.world.gusto
        gusto.change_settings(delivery_retries=3, delivery_backoff_milliseconds=100)
        self.entities: list[LegalEntity] = []
        for number, company in enumerate(plan.companies):
            gusto.create_company(seed=plan.seed + 1, employees=company.employees, history=1)
            entity = self.world.entity(
                NAMES[number], approval=company.approval, company_code=company.company_code, company=number,
                is_mapped=False,
            )  # fmt: skip
            codes = {name: ("us01", "us02")[position % 2] for position, name in enumerate(DEPARTMENTS)}
            self.world.map(entity, company_codes=codes if company.is_split else None)
            self.entities.append(entity)
        self.world.change_connection(changeset_size=plan.changeset_size)
        self.payrolls = [self._open(number) for number in range(len(plan.payrolls))]

    def _open(self, number: int) -> str:
        payroll = self.plan.payrolls[number]
        company_uuid = self.entities[payroll.company].gusto_company_uuid
        people = None
        if payroll.people:
            store = self.world.gusto.store
            active = [row["public"] for row in store.all(f"employee:{company_uuid}") if not row["public"]["terminated"]]
            people = [person["uuid"] for person in active[: payroll.people]]
        made = self.world.gusto.create_payroll(company_uuid, off_cycle_reason=payroll.reason, employee_uuids=people)
        return str(made["payroll_uuid"])

    def command(self, act: Act, *, is_calm: bool = False) -> bool:
        """What somebody does to a payroll in Gusto. False: it is not about a payroll."""
        if act.payroll < 0:
            return False
        gusto, payroll_uuid = self.world.gusto, self.payrolls[act.payroll]
        match act.what:
            case "process":
                gusto.process(payroll_uuid)
            case "process_unheard" if is_calm:
                gusto.process(payroll_uuid)
            case "process_unheard":
                with gusto.store.transaction():
                    gusto.process(payroll_uuid)
                    for kind in ("event", "outbox"):
                        for key in gusto.store.keys(kind):
                            if payroll_uuid in str(gusto.store.get(kind, key)):
                                gusto.store.delete(kind, key)
            case "cancel":
                gusto.cancel(payroll_uuid, force=True)
            case "delete":
                gusto.delete(payroll_uuid, force=True)
            case "reverse":
                gusto.reverse(payroll_uuid)
            case "pay":
                gusto.pay(payroll_uuid)
            case _:
                raise AssertionError(act.what)
        return True

    def close(self) -> None:
        self.world.server.stop()

    # What people do

    def approve_all(self) -> None:
        with tenant_scope(self.world.tenant.id):
            waiting = list(Posting.objects.filter(state=Posting.State.ALLOCATED))
        for posting in waiting:
            # Built anew, or gone on, between the look and the click.
            with suppress(NotAllowed, Posting.DoesNotExist), tenant_scope(self.world.tenant.id):
                approve(posting, "dana")

    def replay_all(self) -> None:
        with tenant_scope(self.world.tenant.id):
            for posting in Posting.objects.filter(state=Posting.State.BLOCKED, reason__in=A_PERSON_REPLAYS):
                replay(posting, "erin")

    def look_now(self) -> None:
        with tenant_scope(self.world.tenant.id):
            for posting in Posting.objects.exclude(state=Posting.State.VOIDED):
                look_now(posting)

    def read_reference(self) -> None:
        work.enqueue("erp.read_reference", str(self.entities[0].erp_connection_id), tenant_id=self.world.tenant.id)

    # Rest

    def come_to_rest(self) -> None:
        """Work, with time passing and people doing their part, until nothing is left to do. No other worker lives."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            self.world.work()
            self.approve_all()
            self.replay_all()
            left = self._left()
            if not left and self.world.gusto.webhooks.is_idle():
                return
            assert time.monotonic() < deadline, f"it does not come to rest: {left}"
            self._pass_time()
            self._make_due(left)
            time.sleep(0.02)

    def look_everywhere(self) -> None:
        """What happens by itself within a day: feed, sweeps, subscription and reference data are looked after."""
        self.read_reference()
        schedule_all()
        self._make_due(list(WorkItem.objects.filter(state="ready", kind__in=RECURRING)))
        self.come_to_rest()

    def _left(self) -> list[WorkItem]:
        """Work that is not done, but for what recurs and for journals that wait for somebody to post them in Dynamics."""
        with tenant_scope(self.world.tenant.id):
            entered = Posting.objects.filter(state=Posting.State.ENTERED).values_list("pk", flat=True)
            polled = {str(pk) for pk in entered}
        items = WorkItem.objects.filter(state__in=["ready", "running"]).exclude(kind__in=RECURRING)
        return [item for item in items if not (item.kind == "erp.post" and item.ref in polled)]

    def _make_due(self, items: list[WorkItem]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET due_at = clock_timestamp() WHERE state = 'ready' AND id = ANY(%s)",
                [[item.pk for item in items]],
            )

    def _pass_time(self) -> None:
        """As if a quarter of an hour had passed, for everything that waits for time."""
        scoped = {
            "erp_posting": ("settles_at",),
            "gusto_payrollrun": ("announced_at", "read_at", "withdrawn_at"),
            "gusto_payrolldocument": ("read_at",),
            "gusto_callwindow": ("paused_until",),
            "erp_referencesnapshot": ("read_at",),
        }
        with connection.cursor() as cursor:
            cursor.execute("UPDATE gusto_webhookevent SET received_at = received_at - interval '16 minutes'")
        with tenant_scope(self.world.tenant.id), connection.cursor() as cursor:
            for table, columns in scoped.items():
                changes = ", ".join(f"{column} = {column} - interval '16 minutes'" for column in columns)
                cursor.execute(f"UPDATE {table} SET {changes}")
            cursor.execute("UPDATE gusto_callwindow SET sent_at = '[]'")


def play_calm(stage: Stage) -> None:
    """One thing after the other, each brought to rest, nothing going wrong."""
    for act in stage.plan.acts:
        if stage.command(act, is_calm=True):
            stage.come_to_rest()
    finish(stage)


def finish(stage: Stage) -> None:
    """Somebody posts everything in Dynamics; we notice."""
    stage.world.d365.post_journals()
    stage.world.hurry("erp.post")
    stage.come_to_rest()


class Storm:
    """The plan with everything that goes wrong, on workers and a web server that are killed."""

    def __init__(self, stage: Stage, web: Web, workers: Workers) -> None:
        self.stage = stage
        self.world = stage.world
        self.web = web
        self.workers = workers
        self._pulse = Pulse(has_worker=False, sweep_seconds=0.2)
        self._due: list[tuple[float, str]] = []
        self._ambushes: list[tuple[Fault, Act]] = []

    def play(self) -> None:
        """Everything in the plan, and then the end of everything that goes wrong."""
        acts = list(self.stage.plan.acts)
        self._pulse.start()
        try:
            for _ in range(2):
                self.workers.start()
            began = time.monotonic()
            while acts or self._due:
                now = time.monotonic() - began
                while acts and acts[0].at <= now:
                    self._do(acts.pop(0), now)
                for each in [due for due in self._due if due[0] <= now]:
                    self._due.remove(each)
                    self._later(each[1])
                self._spring(now)
                time.sleep(0.005)
            self._end()
        finally:
            self._pulse.stop()

    def _do(self, act: Act, now: float) -> None:
        if self.stage.command(act):
            return
        match act.what:
            case "fault":
                self.world.server.faults.add(fault_of(act.fault))
            case "ambush":
                fault = fault_of(act.fault)
                self._ambushes.append((fault, act))
                self.world.server.faults.add(fault)
            case "kill_worker":
                self._kill_workers(1, now + act.seconds)
            case "pause_worker" if self.workers.pids:
                self.workers.pause(self.workers.pids[0])
                self._due.append((now + act.seconds, f"go_on {self.workers.pids[0]}"))
            case "kill_web":
                self.web.kill()
                self._due.append((now + act.seconds, "web"))
            case "expire_gusto_tokens":
                self.world.gusto.expire_tokens()
            case "expire_d365_tokens":
                self.world.d365.expire_tokens()
            case "post_journals":
                self.world.d365.post_journals()
            case "approve":
                self.stage.approve_all()
            case "look_now":
                self.stage.look_now()
            case "close_period":
                self._set_periods(act.company, "Closed")
                self._due.append((now + act.seconds, f"open {act.company}"))
            case "pause_worker":
                return
            case _:
                raise AssertionError(act.what)

    def _later(self, what: str) -> None:
        word, _, which = what.partition(" ")
        match word:
            case "worker":
                self.workers.start()
            case "web":
                self.web.start()
            case "go_on":
                self.workers.go_on(int(which))
            case "open":
                self._set_periods(int(which), "Open")

    def _spring(self, now: float) -> None:
        """Kill the workers whose request an ambush holds; nobody knows which one it is, so all of them."""
        for fault, act in list(self._ambushes):
            if fault.times <= 0:
                self._ambushes.remove((fault, act))
                time.sleep(act.seconds)
                self._kill_workers(len(self.workers.pids), now)

    def _kill_workers(self, count: int, restart_at: float) -> None:
        for pid in self.workers.pids[:count]:
            self.workers.kill(pid)
            self._due.append((restart_at, "worker"))

    def _set_periods(self, company: int, status: str) -> None:
        """Every fiscal period in which a payroll of this plan stands, in one company code; we are told only sometimes."""
        code = self.stage.plan.companies[company].company_code
        for day in {self.world.today, *self._check_dates()}:
            self.world.d365.reference.set_period(code, day, status)
        if uuid.UUID(self.stage.payrolls[0]).int % 2:
            self.stage.read_reference()

    def _check_dates(self) -> set[date]:
        payrolls = [payroll for company in self.world.gusto.companies() for payroll in company["payrolls"]]
        return {date.fromisoformat(payroll["check_date"]) for payroll in payrolls}

    def _end(self) -> None:
        """Nothing goes wrong any more: the web server is there, notices are delivered, the living workers get on."""
        self.world.server.faults.clear()
        self.web.wait()
        deadline = time.monotonic() + 10
        while not self.world.gusto.webhooks.is_idle() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        self.workers.kill_all()
        self._pulse.stop()
        self.world.lease_ends()
