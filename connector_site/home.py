"""Home: the answer to one question, is my payroll in the ledger, and what waits for the person who asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse

from audit.admin import chain
from erp.connector import CONNECTORS
from erp.models import Posting
from erp.pages import MOVING, TYPES, run_debits
from erp.repairs import repair_of_run, summary
from gusto.models import PayrollRun
from mappings.models import MappingTable
from tenants.credentials import declaration
from tenants.middleware import membership_of
from tenants.models import Connection, LegalEntity, Membership, Role

#: Runs that the sentence speaks of.
RECENT_RUNS = 6
#: Things listed under "Waits for you" before "and N more".
WAITING_SHOWN = 5
#: Seconds after which Home looks again while something moves.
LOOKS_AGAIN_SECONDS = 10

#: The way of a payroll run to the ledger.
STEPS = ("heard", "read", "allocated", "approved", "entered", "posted")


class Standing(StrEnum):
    """Where a payroll run as a whole stands: where the worst of its journals stands."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    MOVING = "moving"
    ENTERED = "entered"
    POSTED = "posted"
    DROPPED = "dropped"
    """Nothing of it is to be posted: withdrawn, before the first day, or given up."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One payroll run on Home. `postings` are the live ones."""

    run: PayrollRun
    postings: list[Posting]
    standing: Standing

    @property
    def kind(self) -> str:
        kind = TYPES.get(self.run.payroll_type, "Not read yet").removesuffix(" payroll")
        return f"{kind}, {self.run.off_cycle_reason}" if self.run.off_cycle_reason else kind

    @property
    def debit(self) -> Decimal:
        return run_debits(self.postings)

    @property
    def done(self) -> int:
        """How many of STEPS are behind it."""
        if not self.postings:
            return 1 if self.run.read_at is None else 2
        reached = {"allocated": 3, "approved": 4, "sending": 4, "entered": 5, "posted": 6}
        return min(
            (4 if posting.was_sent else 3) if posting.state == "blocked" else reached[posting.state]
            for posting in self.postings
        )

    @property
    def track(self) -> list[tuple[str, str]]:
        """(step, done | here | stop | later) for each of STEPS."""
        here = {Standing.BLOCKED: "stop", Standing.DROPPED: "later"}.get(self.standing, "here")
        return [
            (step, "done" if number < self.done else here if number == self.done else "later")
            for number, step in enumerate(STEPS)
        ]

    @property
    def track_words(self) -> str:
        if self.done == len(STEPS):
            return "All steps done: posted."
        where = {Standing.BLOCKED: "blocked at", Standing.WAITING: "waits at", Standing.DROPPED: "not going to"}
        return f"{self.done} of {len(STEPS)} steps done, {where.get(self.standing, 'now at')}: {STEPS[self.done]}."


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fills the home page. Named by the setting UNFOLD["DASHBOARD_CALLBACK"]."""
    membership = membership_of(request)
    context["membership"] = membership
    if membership is None:
        return context
    rows = recent_runs()
    waiting, count = waits_for(membership, request.user.get_username())
    steps = setup_steps()
    context.update(
        rows=rows,
        answer=answer(rows),
        waiting=waiting,
        waiting_count=count,
        connections=_connections(),
        steps=[] if all(done for _, done, _ in steps) else steps,
        may_set_up=membership.has_role(Role.OWNER),
        heard_at=Connection.objects.filter(system="gusto").aggregate(heard=Max("succeeded_at"))["heard"],
        has_files=has_files(),
        broken_chain="",
        looks_again_seconds=LOOKS_AGAIN_SECONDS
        if any(row.standing in {Standing.MOVING, Standing.ENTERED} for row in rows)
        else 0,
    )
    if membership.has_role(Role.OWNER, Role.AUDITOR) and not chain().is_intact:
        context["broken_chain"] = chain().sentence
    return context


def recent_runs() -> list[RunRow]:
    """The newest payroll runs with their live postings, inside a scope."""
    runs = PayrollRun.objects.select_related("legal_entity").prefetch_related("postings")[:RECENT_RUNS]
    found = []
    for run in runs:
        everything = list(run.postings.all())
        live = [posting for posting in everything if posting.state != Posting.State.VOIDED]
        found.append(RunRow(run, live, _standing(run, live, had_postings=bool(everything))))
    return found


def _standing(run: PayrollRun, live: list[Posting], *, had_postings: bool) -> Standing:
    states = {posting.state for posting in live}
    if run.state == PayrollRun.State.BLOCKED or Posting.State.BLOCKED in states:
        return Standing.BLOCKED
    if Posting.State.ALLOCATED in states:
        return Standing.WAITING
    if states & set(MOVING) - {Posting.State.ENTERED}:
        return Standing.MOVING
    if Posting.State.ENTERED in states:
        return Standing.ENTERED
    if states:
        return Standing.POSTED
    if had_postings or run.state in {PayrollRun.State.IGNORED, PayrollRun.State.WITHDRAWN}:
        return Standing.DROPPED
    return Standing.MOVING


#: Standing -> words for one and for several, in the order in which the sentence tells them.
WORDS: dict[Standing, tuple[str, str]] = {
    Standing.ENTERED: ("is entered in the ERP, not yet posted there", "are entered in the ERP, not yet posted there"),
    Standing.WAITING: ("waits for approval", "wait for approval"),
    Standing.BLOCKED: ("is blocked", "are blocked"),
    Standing.MOVING: ("is on its way", "are on their way"),
    Standing.DROPPED: ("is not to be posted", "are not to be posted"),
}


def answer(rows: list[RunRow]) -> tuple[str, str]:
    """(tone, sentence): how many of the last payroll runs are in the ledger, and where the others are."""
    if not rows:
        return "rest", "No payroll run yet."
    counts = Counter(row.standing for row in rows)
    whole, posted = len(rows), counts[Standing.POSTED]
    if posted == whole:
        oldest = min((row.run.check_date for row in rows if row.run.check_date), default=None)
        if whole == 1:
            return "done", "The last payroll run is posted."
        return "done", f"All {whole} payroll runs{f' since {oldest:%-d %B}' if oldest else ''} are posted."
    first = f"{posted} of the last {whole} payroll runs {'is' if posted == 1 else 'are'} posted."
    if whole == 1:
        first = "The last payroll run is not posted yet." if not counts[Standing.DROPPED] else ""
    others = [
        f"{counts[standing]} {words[counts[standing] != 1]}" for standing, words in WORDS.items() if counts[standing]
    ]
    tone = "stop" if counts[Standing.BLOCKED] else "wait" if counts[Standing.WAITING] else "move"
    if not counts.keys() - {Standing.POSTED, Standing.DROPPED}:
        tone = "done" if posted else "rest"
    return tone, f"{first} {', '.join(others)}.".strip()


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that a person can do something about. `what` is said first and strongest."""

    tone: str
    icon: str
    what: str
    more: str
    link: str
    button: str


def waits_for(membership: Membership, username: str) -> tuple[list[Waiting], int]:
    """What this person can do something about, worst first and at most WAITING_SHOWN, and how many there are."""
    found: list[Waiting] = []
    count = 0
    if membership.has_role(Role.OWNER, Role.PREPARER):
        runs = PayrollRun.objects.filter(state=PayrollRun.State.BLOCKED).select_related("legal_entity")
        count += runs.count()
        found += [_blocked_run(run) for run in runs.order_by("check_date", "id")[:WAITING_SHOWN]]
        postings = Posting.objects.filter(state=Posting.State.BLOCKED).select_related("legal_entity", "payroll_run")
        count += postings.count()
        found += [_blocked_posting(posting) for posting in postings.order_by("posting_date", "id")[:WAITING_SHOWN]]
    if membership.has_role(Role.OWNER):
        broken = Connection.objects.filter(health=Connection.Health.BROKEN).order_by("name")
        count += broken.count()
        found += [_broken_connection(connection) for connection in broken[:WAITING_SHOWN]]
    if membership.has_role(Role.APPROVER):
        waiting = Posting.objects.filter(state=Posting.State.ALLOCATED).exclude(prepared_by__contains=[username])
        # Held, as `Posting.is_held` says of one.
        waiting = waiting.exclude(
            payroll_run__state=PayrollRun.State.BLOCKED, payroll_run__undone_by="", reverses__isnull=True
        )
        count += waiting.count()
        waiting = waiting.select_related("legal_entity", "payroll_run")
        found += [_to_approve(posting) for posting in waiting.order_by("posting_date", "id")[:WAITING_SHOWN]]
    return found[:WAITING_SHOWN], count


def _blocked_run(run: PayrollRun) -> Waiting:
    button = "Look at it"
    if run.reason == "mapping":
        gaps = repair_of_run(run).components
        button = f"Map {gaps} component{'s' if gaps > 1 else ''}" if gaps else "Repair the mapping"
    day = f"{run.check_date:%-d %b}" if run.check_date else run.payroll_uuid
    problems = run.problems if run.reason != "unclear" else []
    return Waiting(
        "stop", "report", f"Blocked: {summary(problems, run.sentence)}", f"Payroll run {day}, {run.legal_entity}.",
        reverse("admin:gusto_payrollrun_change", args=[run.pk]), button,
    )  # fmt: skip


def _blocked_posting(posting: Posting) -> Waiting:
    button = {"mapping": "Repair the mapping", "reference": "Repair the mapping", "configuration": "Repair"}
    return Waiting(
        "stop", "report", f"Blocked: {summary(posting.problems, posting.sentence)}",
        f"Payroll run {posting.payroll_run.check_date:%-d %b}, company code {posting.company_code}, {posting.debit:,.2f}.",
        reverse("admin:erp_posting_change", args=[posting.pk]), button.get(posting.reason, "Look at it"),
    )  # fmt: skip


def _broken_connection(connection: Connection) -> Waiting:
    return Waiting(
        "stop", "key", f"{connection.name} does not work.", connection.health_sentence,
        reverse("admin:tenants_connection_change", args=[connection.pk]), "Repair the connection",
    )  # fmt: skip


def _to_approve(posting: Posting) -> Waiting:
    by = f" Prepared by {', '.join(posting.prepared_by)}." if posting.prepared_by else ""
    return Waiting(
        "wait", "how_to_reg", f"Approve {posting.debit:,.2f} for company code {posting.company_code}.",
        f"Payroll run {posting.payroll_run.check_date:%-d %b}, {posting.legal_entity}, {posting.line_count} journal lines.{by}",
        reverse("admin:erp_posting_change", args=[posting.pk]), "Review and approve",
    )  # fmt: skip


def _connections() -> list[tuple[Connection, str]]:
    """(connection, name of its system)."""
    return [
        (connection, declaration(connection.system).label)
        for connection in Connection.objects.order_by("system", "name")
    ]


def has_files() -> bool:
    """Whether payrolls came as files, inside a scope."""
    return PayrollRun.objects.filter(source=PayrollRun.Source.FILE).exists()


def setup_steps() -> list[tuple[str, bool, str]]:
    """(what to do, done, page) until a first payroll can be posted."""
    erp = Connection.objects.filter(system__in=list(CONNECTORS)).order_by("id").first()
    entity = LegalEntity.objects.order_by("id").first()
    connected = LegalEntity.objects.filter(gusto_connection__isnull=False).exists() or has_files()
    approved = MappingTable.objects.filter(state=MappingTable.State.APPROVED).exists()
    entity_page = reverse("admin:tenants_legalentity_change", args=[entity.pk]) if entity else ""
    return [
        ("Connect your ERP", erp is not None, reverse("admin:tenants_connection_add")),
        ("Add a legal entity and its company code", entity is not None, reverse("admin:tenants_legalentity_add")),
        (
            "Connect Gusto, or add payroll files",
            connected,
            entity_page or reverse("admin:tenants_legalentity_changelist"),
        ),
        (
            "Map payroll to main accounts and have it approved",
            approved,
            reverse("admin:mappings_mappingtable_changelist"),
        ),
    ]
