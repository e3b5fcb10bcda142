"""Home: the answer to one question, is my payroll in the ledger, and what waits for the person who asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from connector_site.hearing import Hearing, hearing
from connector_site.labour_cost import cost_chart
from connector_site.month import month_tie_out
from connector_site.onboarding import Step, steps_of_tenant
from connector_site.waiting import SHOWN as WAITING_SHOWN
from connector_site.waiting import SHOWN_ALL as WAITING_SHOWN_ALL
from connector_site.waiting import waits_for
from erp.models import Posting
from erp.pages import MOVING, TYPES, run_debits
from gusto.models import PayrollRun
from tenants.credentials import declaration
from tenants.middleware import membership_of
from tenants.models import Connection, LegalEntity, Role

#: Runs that the sentence speaks of.
RECENT_RUNS = 6
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
    assert membership is not None, "the site lets members in alone"
    context["membership"] = membership
    rows = recent_runs()
    heard = hearing()
    is_all_shown = request.GET.get("waits") == "all"
    waiting, count = waits_for(
        membership, request.user.get_username(), WAITING_SHOWN_ALL if is_all_shown else WAITING_SHOWN
    )
    steps = [] if LegalEntity.objects.filter(is_live=True).exists() else steps_of_tenant()
    today = timezone.localdate()
    by_department = request.GET.get("cost") == "department"
    context.update(
        rows=rows,
        answer=whole_answer(rows, heard),
        hearing=heard,
        waiting=waiting,
        waiting_count=count,
        waiting_more=count - len(waiting),
        connections=_connections(),
        steps=steps,
        steps_words=_steps_words(steps),
        may_set_up=membership.has_role(Role.OWNER),
        has_files=has_files(),
        months=month_tie_out(today),
        chart=cost_chart(today, by_department=by_department, may_see_pay=membership.may_see_pay),
        drawn_at=timezone.now(),
        looks_again_seconds=LOOKS_AGAIN_SECONDS
        if any(row.standing in {Standing.MOVING, Standing.ENTERED} for row in rows)
        else 0,
    )
    return context


def whole_answer(rows: list[RunRow], heard: Hearing) -> tuple[str, str]:
    """(tone, sentence): `answer`, after a word about Gusto where it is silent."""
    tone, sentence = answer(rows)
    if not heard.sentence:
        return tone, sentence
    return "stop", f"{heard.sentence} {sentence}"


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


def _connections() -> list[tuple[Connection, str]]:
    """(connection, name of its system)."""
    return [
        (connection, declaration(connection.system).label)
        for connection in Connection.objects.order_by("system", "name")
    ]


def has_files() -> bool:
    """Whether payrolls came as files, inside a scope."""
    return PayrollRun.objects.filter(source=PayrollRun.Source.FILE).exists()


def _steps_words(steps: list[Step]) -> str:
    """What a tenant without a live legal entity is told instead of an answer."""
    left = sum(step.state != "done" for step in steps)
    word = ("No", "One", "Two", "Three", "Four", "Five", "Six")[left]
    return f"{word} step{'' if left == 1 else 's'} until your first payroll is in the ledger."
