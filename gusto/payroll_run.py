"""A payroll run: read back whole from Gusto, stored as given, turned into lines, tied out.

A notice only says that something happened; what the run becomes is decided here by what Gusto answers. Three steps: load
the run in a short scope, read the payroll outside any scope, write the result in one short scope.

The same payroll read again is nothing new. Other content under a known uuid is a person's question, unless Gusto said in
between that the payroll was cancelled: then what was made of it is taken back first and the new one follows under the
next sequence. A second run for one payroll is never made (design 6, "Identity of a payroll run"). What becomes of a payroll
that a person brought as a file (`gusto.files`) is decided by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from audit import work
from audit.exchange import Misconfigured, Rejected
from audit.models import WorkItem
from audit.trail import record
from audit.work import Claim, Later
from gusto import labour_cost, payroll_document, people, source_codes
from gusto.client import GustoClient
from gusto.figures import Unreadable
from gusto.models import PayrollDocument, PayrollRun, WebhookEvent
from gusto.payroll_document import NotRead, header_of, reading_of
from gusto.payroll_findings import ACCEPTABLE
from gusto.payroll_identity import has_other_source, take_turn
from gusto.payroll_lines import Facts, Reading, read_document
from gusto.payroll_pages import Gone, Pages, fetch_payroll
from gusto.roster import person_of
from gusto.signals import payroll_changed, payroll_processed
from gusto.tie_out import Row, expected_debits, problems_of, row_of, tie_out, with_accepted
from mappings.journal import Problem
from tenants.scope import tenant_scope

__all__ = [
    "Acceptable",
    "NotRead",
    "accept_difference",
    "acceptable_differences",
    "header_of",
    "read_payroll",
    "read_payroll_exhausted",
    "reading_of",
]

State = PayrollRun.State

#: A notice may be here before the API shows what it says: for so long the payroll is looked at again by itself.
FRESH = timedelta(minutes=15)
LOOK_AGAIN = timedelta(minutes=1)
#: After a refusal that only a person can mend; a connection that is repaired is found without anybody's help.
EVERY_REFUSED = timedelta(hours=1)
#: How long to wait for the journals of a withdrawn payroll to be taken back before it is read under its next sequence.
EVERY_WITHDRAWAL = timedelta(seconds=5)
#: The work that takes journals back, above this floor: only whether it is still under way matters here.
WITHDRAWAL = "erp.withdraw"
LEDGER_REPORT = "gusto.read_ledger_report"

#: Reasons that another look at Gusto ends, for a run that was read before and has the same content still.
HEALED = frozenset({"unclear", "exhausted", "configuration", "rejected"})
#: Notices that take a payroll back, the one that makes it final, and those that a reversal payroll of Gusto's answers.
TAKEN_BACK = {"payroll.cancelled": "cancelled", "payroll.deleted": "deleted"}
PROCESSED = {"payroll.processed": "processed"}
REVERSED = {"payroll.reversed": "reversed", "payroll.partially_reversed": "partially_reversed"}

NOT_CONNECTED = "This legal entity is not connected to Gusto. An owner has to connect it."
EXTERNAL = "Gusto did not run this payroll: it was run elsewhere and entered at Gusto for the year's totals."
OTHER_SOURCE = (
    "The same payroll is here already from another source. A payroll is posted once; please look which is right."
)
CHANGED = "The payroll changed in Gusto after it was read, and Gusto said nothing of a cancellation. Nothing was changed here."


@dataclass(frozen=True, slots=True)
class _Order:
    """What has to be known of a run to read it outside any scope."""

    legal_entity_id: int
    company_uuid: str
    payroll_uuid: str
    connection_id: int
    currency: str
    posts_from_date: date | None
    is_read: bool
    """It reached READ and was not taken back since."""

    def is_wanted(self, facts: Facts) -> bool:
        """Whether people have to be read. A run that was read before is always compared whole."""
        return facts.is_processed and (self.is_read or not self.ignored_sentence(facts))

    def ignored_sentence(self, facts: Facts) -> str:
        """Why this payroll is not posted, or nothing."""
        if facts.payroll_type == "external":
            return EXTERNAL
        if self.posts_from_date is not None and facts.check_date < self.posts_from_date:
            return f"Payrolls with a check date before {self.posts_from_date:%-d %b %Y} are not posted here."
        return ""


def read_payroll(claim: Claim) -> Later | None:
    """Work gusto.read_payroll, `ref` is the id of the run. Safe to repeat."""
    assert claim.tenant_id is not None
    started = timezone.now()
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.select_related("legal_entity").filter(pk=int(claim.ref)).first()
        if run is None or run.source != PayrollRun.Source.API:
            return None
        entity = run.legal_entity
        if entity.gusto_connection_id is None:
            return _refused(claim, "configuration", NOT_CONNECTED)
        order = _Order(
            legal_entity_id=entity.pk,
            company_uuid=run.company_uuid,
            payroll_uuid=run.payroll_uuid,
            connection_id=entity.gusto_connection_id,
            currency=entity.currency,
            posts_from_date=entity.posts_from_date,
            is_read=_is_read(run),
        )
    try:
        with GustoClient(order.connection_id, claim.tenant_id, order.payroll_uuid, claim.guard) as client:
            pages = fetch_payroll(client, order.company_uuid, order.payroll_uuid, order.is_wanted, claim.progress)
        reading = _reading(pages, order.currency) if pages.pages else None
    except Gone:
        claim.guard()
        with tenant_scope(claim.tenant_id):
            return _not_there(claim, "deleted", started)
    except Misconfigured as error:
        return _refused(claim, "configuration", error.sentence)
    except Rejected as error:
        return _refused(claim, "rejected", error.sentence)
    except Unreadable as error:
        return _refused(claim, "unclear", str(error))
    claim.guard()
    with tenant_scope(claim.tenant_id):
        if not pages.facts.is_processed:
            return _not_there(claim, "unprocessed", started)
        if reading is None:
            _ignore(_locked(claim), pages.facts, order.ignored_sentence(pages.facts))
            return None
        take_turn(order.legal_entity_id)
        return _settle(_locked(claim), pages, reading, started)


def read_payroll_exhausted(claim: Claim, sentence: str) -> None:
    """The work was given up: the run waits for a person."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.select_for_update(of=("self",)).filter(pk=int(claim.ref)).first()
        if run is not None and run.state not in (State.WITHDRAWN, State.IGNORED):
            block(run, "exhausted", f"The payroll could not be read from Gusto: {sentence}", [])


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A difference as it stands that a person may accept. `amount` in the run's currency."""

    name: str
    """Of the tie-out row, or the kind of the problem."""
    amount: str
    sentence: str


def acceptable_differences(run: PayrollRun) -> list[Acceptable]:
    """What stops a run that waits for its tie-out, and may be accepted; empty for any other run."""
    if run.state != State.BLOCKED or run.reason != "tie_out":
        return []
    rows = [row_of(row) for row in run.tie_out]
    found = [Acceptable(row.name, str(row.difference), row.sentence) for row in rows if row.stops and row.is_acceptable]
    return found + [
        Acceptable(row["kind"], row["facts"]["amount"], row["sentence"])
        for row in run.problems
        if row["kind"] in ACCEPTABLE
    ]


def accept_difference(run: PayrollRun, name: str, reason: str) -> None:
    """A person takes responsibility for one difference as it stands, inside a scope; the run goes on if it was the last.

    `name` is that of a tie-out row or the kind of a problem. Raises ValueError, with a sentence, where that cannot be.
    """
    locked = PayrollRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if not reason.strip():
        raise ValueError("Say why the difference is right.")
    if locked.state != State.BLOCKED or locked.reason != "tie_out":
        raise ValueError("This payroll run does not wait for a difference.")
    found = next((each for each in acceptable_differences(locked) if each.name == name), None)
    if found is None:
        raise ValueError("This difference cannot be accepted.")
    rows = [row_of(row) for row in locked.tie_out]
    entry = {"name": name, "amount": found.amount, "reason": reason.strip()}
    locked.accepted_differences = [*locked.accepted_differences, entry]
    rows = list(with_accepted(rows, locked.accepted_differences))
    locked.tie_out = [row.as_json() for row in rows]
    locked.debits = expected_debits(rows)
    unread = [row for row in locked.problems if row["kind"] not in ("difference", name)]
    locked.problems = unread + [_problem_row(problem) for problem in problems_of(rows)]
    _record(locked, "payroll_run.difference_accepted", amount=entry["amount"], reason=entry["reason"])
    if not locked.problems:
        if locked.read_at is None:
            _finish_reading(locked)
        else:
            reach_read(locked)
        return
    locked.sentence = _summary([row["sentence"] for row in locked.problems])
    locked.save()


def add_rows(run: PayrollRun, rows: Iterable[Row]) -> None:
    """Put rows of a later comparison beside those of the reading, in the place of earlier ones of the same names; the
    run is locked, inside a scope. One that stops makes a run wait that had nothing against it.
    """
    added = with_accepted(rows, run.accepted_differences)
    names = {row.name for row in added}
    run.tie_out = [row for row in run.tie_out if row["name"] not in names] + [row.as_json() for row in added]
    problems = problems_of(added)
    if problems and run.state == State.READ:
        block(run, "tie_out", _summary([problem.sentence for problem in problems]), problems)
    else:
        run.save()


# What Gusto answered


def _reading(pages: Pages, currency: str) -> Reading:
    known = {uuid: person_of(kept) for uuid, kept in pages.people.items()}
    return read_document(pages.pages, known, currency)


def _settle(run: PayrollRun, pages: Pages, reading: Reading, started: datetime) -> Later | None:
    """A processed payroll was read whole."""
    if _is_read(run):
        _compare(run, reading)
        _mark_reversal(run, pages)
        return None
    if run.state == State.WITHDRAWN and run.read_at is not None:
        if withdrawal_is_under_way(run):
            return Later(
                timezone.now() + EVERY_WITHDRAWAL, "The journals of the withdrawn payroll are taken back first."
            )
        begin_again(run)
    take(run, pages, reading, started)
    return None


def begin_again(run: PayrollRun) -> None:
    """The next life of a run that was taken back."""
    run.sequence += 1
    run.accepted_differences = []


def take(run: PayrollRun, pages: Pages, reading: Reading, read_at: datetime) -> None:
    """Keep a payroll that was read whole, and let it go on if nothing speaks against it. The run is locked or new."""
    run.withdrawn_at, run.undone_by, run.read_at = None, "", None
    _take_facts(run, reading)
    if run._state.adding:
        run.save()
    payroll_document.store(run, pages.pages, pages.people, read_at, reading.form)
    people.take(run.legal_entity_id, pages.employees, read_at)
    source_codes.take(run.legal_entity_id, reading.facts.check_date, reading.header.lines)
    labour_cost.take(run, reading.header.lines)
    problems = _problems(run, reading)
    if has_other_source(run):
        block(run, "unclear", OTHER_SOURCE, [])
    elif problems:
        block(run, "tie_out", _summary([problem.sentence for problem in problems]), problems)
    else:
        _finish_reading(run)
        _mark_reversal(run, pages)


def _compare(run: PayrollRun, reading: Reading) -> None:
    """A run that was read, read again: nothing happens twice, and nothing is replaced in silence."""
    if reading.digest == run.content_digest:
        if run.state == State.BLOCKED and run.reason in HEALED and run.undone_by not in REVERSED.values():
            reach_read(run)
        return
    if _notices(run, TAKEN_BACK).filter(received_at__gt=run.read_at).exists():
        # Cancelled, changed and processed again before we looked.
        _withdraw(run, "cancelled")
        work.enqueue("gusto.read_payroll", str(run.pk), tenant_id=run.tenant_id)
        return
    block(run, "unclear", CHANGED, changes(run, reading))


def changes(run: PayrollRun, reading: Reading) -> list[Problem]:
    """What a payroll says otherwise than the run that stands under its identity, sum by sum."""
    before = {row.name: row for row in map(row_of, run.tie_out)}
    problems = [
        Problem(
            "unclear",
            "changed",
            f"{row.equation.partition(' = ')[0].capitalize()} was {was:,.2f} and is {row.left:,.2f} now.",
        )
        for row in tie_out(reading)
        if row.name in before and (was := before[row.name].left) != row.left
    ]
    return problems or [Problem("unclear", "changed", "Single amounts or payment methods differ.")]


def _mark_reversal(run: PayrollRun, pages: Pages) -> None:
    """Gusto reversed the payroll, whole or for some people: told upwards once for each of the two."""
    notices = _notices(run, REVERSED)
    if run.sequence > 1:
        # Older ones are about what this payroll was before it was taken back.
        notices = notices.filter(received_at__gt=run.read_at)
    notice = notices.order_by("-sent_at").first()
    what = REVERSED[notice.event_type] if notice is not None else "reversed" if pages.has_reversals else ""
    if what and run.undone_by != what:
        run.undone_by = what
        run.save(update_fields=["undone_by"])
        _record(run, "payroll_run.withdrawn", what=what.replace("_", " "))
        payroll_changed.send(sender=PayrollRun, run=run, what=what)


def _not_there(claim: Claim, what: str, started: datetime) -> Later | None:
    """The payroll is gone, or it is not processed (any more)."""
    run = _locked(claim)
    if run.state == State.IGNORED:
        return None
    notice = _notices(run, {**TAKEN_BACK, **PROCESSED}).order_by("-sent_at", "-pk").first()
    if what == "unprocessed" and not _is_read(run) and _is_fresh(run, notice, started):
        return Later(timezone.now() + LOOK_AGAIN, "Gusto does not show the payroll as processed yet.")
    if run.state == State.WITHDRAWN:
        return None
    if what == "unprocessed" and notice is not None:
        what = TAKEN_BACK.get(notice.event_type, what)
    _withdraw(run, what)
    return None


def _is_fresh(run: PayrollRun, notice: WebhookEvent | None, started: datetime) -> bool:
    """Somebody said so recently that the payroll is processed that the API may not show it yet."""
    if notice is None:
        return run.state == State.NEW and started < run.announced_at + FRESH
    return notice.event_type in PROCESSED and started < notice.received_at + FRESH


def _withdraw(run: PayrollRun, what: str) -> None:
    was_read = _is_read(run)
    run.state, run.reason, run.problems = State.WITHDRAWN, "", []
    run.sentence = {
        "cancelled": "The payroll was cancelled in Gusto.",
        "deleted": "The payroll was deleted in Gusto.",
        "unprocessed": "Gusto does not show the payroll as processed.",
    }[what]
    run.undone_by, run.withdrawn_at = what, timezone.now()
    run.save()
    _record(run, "payroll_run.withdrawn", what="read back unprocessed" if what == "unprocessed" else what)
    if was_read:
        payroll_changed.send(sender=PayrollRun, run=run, what=what)


def _ignore(run: PayrollRun, facts: Facts, sentence: str) -> None:
    if run.state == State.IGNORED and run.sentence == sentence:
        return
    run.state, run.reason, run.sentence, run.problems = State.IGNORED, "", sentence, []
    _take_header(run, facts)
    run.save()
    _record(run, "payroll_run.ignored", sentence=sentence)


def _refused(claim: Claim, reason: str, sentence: str) -> Later | None:
    """Gusto cannot be asked, or gave something else than a payroll. A run that was read stays as it is, unless a notice
    says that it was taken back: then somebody has to know that this could not be looked at.
    """
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = _locked(claim)
        if run.state in (State.WITHDRAWN, State.IGNORED):
            return None
        if _is_read(run) and not _notices(run, TAKEN_BACK).filter(received_at__gt=run.read_at).exists():
            return None
        block(run, reason, sentence, [])
    return Later(timezone.now() + EVERY_REFUSED, sentence) if reason == "configuration" else None


# What is kept


def _take_header(run: PayrollRun, facts: Facts) -> None:
    run.payroll_type, run.off_cycle_reason = facts.payroll_type, facts.off_cycle_reason
    run.check_date, run.debit_date = facts.check_date, facts.debit_date
    run.period_start, run.period_end = facts.period_start, facts.period_end


def _take_facts(run: PayrollRun, reading: Reading) -> None:
    _take_header(run, reading.facts)
    run.employees, run.content_digest = reading.sums.people, reading.digest
    rows = _rows(run, reading)
    run.tie_out = [row.as_json() for row in rows]
    run.debits, run.journal_debits = expected_debits(rows), None
    run.ledger_report = {}


def _rows(run: PayrollRun, reading: Reading) -> tuple[Row, ...]:
    in_rows = [entry for entry in run.accepted_differences if entry["name"] not in ACCEPTABLE]
    return with_accepted(tie_out(reading), in_rows)


def _problems(run: PayrollRun, reading: Reading) -> list[Problem]:
    """What stops the run: what could not be read, and what does not tie out, less what a person accepted."""
    accepted = {(entry["name"], Decimal(entry["amount"])) for entry in run.accepted_differences}
    unread = [
        problem
        for problem in reading.problems
        if problem.kind not in ACCEPTABLE or (problem.kind, Decimal(problem.fact("amount"))) not in accepted
    ]
    return unread + problems_of(_rows(run, reading))


# States


def _locked(claim: Claim) -> PayrollRun:
    run: PayrollRun = (
        PayrollRun.objects.select_for_update(of=("self",)).select_related("legal_entity").get(pk=int(claim.ref))
    )
    return run


def _is_read(run: PayrollRun) -> bool:
    """It reached READ, so journals may have been made of it, and it was not taken back since."""
    return run.read_at is not None and run.state != State.WITHDRAWN


def _finish_reading(run: PayrollRun) -> None:
    """Nothing speaks against the stored document. `read_at` is when its reading began: what Gusto said later, the
    document may not show.
    """
    document = PayrollDocument.objects.filter(payroll_run=run)[0]
    run.read_at = document.read_at
    if run.source == PayrollRun.Source.FILE:
        # Gusto is not asked about a payroll that it did not bring.
        reach_read(run)
        return
    _record(run, "payroll_run.read", employees=run.employees, pages=document.pages)
    reach_read(run)
    work.enqueue(LEDGER_REPORT, str(run.pk), tenant_id=run.tenant_id)


def reach_read(run: PayrollRun) -> None:
    """READ, inside a scope, the run locked: nothing speaks against it (any more)."""
    run.state, run.reason, run.sentence, run.problems = State.READ, "", "", []
    run.save()
    payroll_processed.send(sender=PayrollRun, run=run)


def block(run: PayrollRun, reason: str, sentence: str, problems: list[Problem]) -> None:
    """BLOCKED, inside a scope, the run locked: it waits for a person."""
    is_new = (run.state, run.reason, run.sentence) != (State.BLOCKED, reason, sentence)
    run.state, run.reason, run.sentence = State.BLOCKED, reason, sentence
    run.problems = [_problem_row(problem) for problem in problems]
    run.save()
    if is_new:
        _record(run, "payroll_run.blocked", sentence=sentence)


def _problem_row(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "kind": problem.kind,
        "sentence": problem.sentence,
        "facts": dict(problem.facts),
        "page": problem.page,
    }


def _summary(sentences: list[str]) -> str:
    more = f" And {len(sentences) - 1} more." if len(sentences) > 1 else ""
    return f"The payroll does not add up. {sentences[0]}{more}"


def _notices(run: PayrollRun, kinds: Mapping[str, str]) -> QuerySet[WebhookEvent]:
    """What Gusto said of this payroll."""
    return WebhookEvent.objects.filter(
        resource_uuid=run.company_uuid, entity_uuid=run.payroll_uuid, event_type__in=list(kinds)
    )


def withdrawal_is_under_way(run: PayrollRun) -> bool:
    return WorkItem.objects.filter(
        tenant_id=run.tenant_id,
        kind=WITHDRAWAL,
        ref=str(run.pk),
        state__in=[WorkItem.State.READY, WorkItem.State.RUNNING],
    ).exists()


def _record(run: PayrollRun, action: str, **facts: Any) -> None:
    record(
        action,
        subject="payroll_run",
        subject_id=run.payroll_uuid,
        check_date=run.check_date.isoformat() if run.check_date else "?",
        **facts,
    )
