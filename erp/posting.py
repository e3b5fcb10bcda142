"""The phases of a posting: send, ask, read back. Order, retry and waiting are decided here and nowhere else.

A phase is one short transaction; no network inside it. SENDING is saved before the first request leaves, and from then
on the ERP is asked before anything is sent: find, then post only after `Absent`. An outcome that nobody knows is asked
for after a settling time. A call with ledger effect is never repeated blindly (invariants I1 and I6).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from audit import work
from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.connector import (
    Absent,
    CannotTell,
    Connector,
    FindResult,
    Found,
    JournalReceipt,
    Progress,
    connector_class,
)  # fmt: skip
from erp.journals import journal_of, problems_of_journal, reason_of
from erp.models import Posting, PostingAttempt
from erp.reference import connector_of, ensure_fresh, settling_seconds
from erp.states import block, call_followers, label_of, lock, note, of_life
from erp.unclear import not_shown_sentence
from mappings.journal import Journal, JournalKind
from tenants.scope import tenant_scope

#: Unknown outcomes in a row before a person has to look: the ERP answers questions but never keeps what it is sent.
UNKNOWN_OUTCOMES_MAX = 8

#: How long a journal waits before it looks again for the one that has to move first; that one calls it, too.
SISTER_WAIT = timedelta(minutes=10)

#: Page on which a refusal of the ERP is repaired -> what the posting waits for; anything else is configuration.
_REASONS = {"mapping": Posting.Reason.MAPPING, "period": Posting.Reason.PERIOD}

#: (age of the entry, wait until the ERP is asked again whether somebody posted it). Most journals are posted the same
#: day; after a week an hourly question still notices within the hour.
POLL_STEPS = (
    (timedelta(minutes=5), timedelta(seconds=3)),
    (timedelta(hours=1), timedelta(minutes=1)),
    (timedelta(days=1), timedelta(minutes=10)),
)
POLL_LAST = timedelta(hours=1)


def post(claim: work.Claim) -> work.Later | None:
    """Work item erp.post: bring one posting as far as it can go now."""
    assert claim.tenant_id is not None
    tenant_id, posting_id = claim.tenant_id, int(claim.ref)
    with tenant_scope(tenant_id):
        posting = Posting.objects.filter(pk=posting_id).first()
        if posting is None:
            return None
        state, connection_id = posting.state, posting.connection_id
    if state == Posting.State.APPROVED:
        try:
            ensure_fresh(tenant_id, connection_id)
        except Misconfigured as error:
            with tenant_scope(tenant_id):
                block(lock(posting_id), Posting.Reason.CONFIGURATION, error.sentence)
            return None
        with tenant_scope(tenant_id):
            waits = _start_sending(posting_id)
        if waits is not None:
            return waits
        state = Posting.State.SENDING
        with tenant_scope(tenant_id):
            if Posting.objects.get(pk=posting_id).state != Posting.State.SENDING:
                return None
    if state == Posting.State.SENDING:
        return _send(claim, tenant_id, posting_id)
    if state == Posting.State.ENTERED:
        return _look(claim, tenant_id, posting_id)
    return None


def post_exhausted(claim: work.Claim, sentence: str) -> None:
    """The work item was given up: a person has to look."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        posting = Posting.objects.select_for_update().filter(pk=int(claim.ref)).first()
        if posting is not None and posting.state in {Posting.State.APPROVED, Posting.State.SENDING}:
            block(posting, Posting.Reason.EXHAUSTED, f"{sentence} It was tried {claim.attempts} times.")


def _start_sending(posting_id: int) -> work.Later | None:
    """APPROVED to SENDING, or BLOCKED where the reference data have changed, or wait for the run's other journals."""
    posting = lock(posting_id)
    if posting.state != Posting.State.APPROVED:
        return None
    problems = problems_of_journal(posting, journal_of(posting))
    if problems:
        block(posting, reason_of(problems), " ".join(problem.sentence for problem in problems), problems)
        return None
    if posting.is_held:
        return work.Later(timezone.now() + SISTER_WAIT, "Its payroll run is blocked, so it is not sent.")
    waits_for = _waits_for(posting)
    if waits_for is not None:
        return work.Later(
            timezone.now() + SISTER_WAIT,
            f"It waits for journal {waits_for.posting_key} of the same payroll run, which is "
            f"{waits_for.get_state_display().lower()}.",
        )
    posting.state = Posting.State.SENDING
    posting.sent_at = timezone.now()
    posting.save(update_fields=["state", "sent_at"])
    note("posting.sending", posting, system=label_of(posting))
    return None


def _waits_for(posting: Posting) -> Posting | None:
    """The journal of the same run that has to move first. All journals of a run are checked before the first is sent; a
    reversal follows what it reverses, a settlement the accruals that it settles.
    """
    sisters = of_life(posting.payroll_run, posting.sequence).exclude(pk=posting.pk).exclude(state=Posting.State.VOIDED)
    blocked = sisters.filter(state=Posting.State.BLOCKED, was_sent=False).first()
    if blocked is not None and not posting.is_contra:
        found: Posting = blocked
        return found
    held = [Posting.State.ENTERED, Posting.State.POSTED]
    if posting.reverses is not None:
        return None if posting.reverses.state in held else posting.reverses
    if posting.kind == JournalKind.SETTLEMENT.value:
        accruals = sisters.filter(kind=JournalKind.ACCRUAL.value, company_code=posting.company_code)
        first: Posting | None = accruals.exclude(state__in=held).first()
        return first
    return None


def _send(claim: work.Claim, tenant_id: uuid.UUID, posting_id: int) -> work.Later | None:
    """SENDING: ask, then send only what is proven absent or resume what is proven partial, then read back.

    Whatever came of the network is saved only while the work is still ours: a worker that hung in a request for longer
    than its lease must not write over what the one that took over has found out since.
    """
    with tenant_scope(tenant_id):
        posting = lock(posting_id)
        if posting.state != Posting.State.SENDING:
            return None
        waits = _settle_unfinished(posting)
        if waits is not None:
            return waits
        if _unknown_outcomes(posting) >= UNKNOWN_OUTCOMES_MAX:
            block(
                posting, Posting.Reason.UNCLEAR,
                f"{not_shown_sentence(posting)} It gave no clear answer {UNKNOWN_OUTCOMES_MAX} times.",
            )  # fmt: skip
            return None
        journal, connection_id, is_private = journal_of(posting), posting.connection_id, posting.shows_pay
        progress = _progress(tenant_id, posting, claim)
    try:
        with connector_of(
            tenant_id,
            connection_id,
            about=journal.posting_key,
            company_code=journal.company_code,
            is_private=is_private,
        ) as connector:
            found = _attempt(tenant_id, posting_id, "find", lambda: connector.find_journal(journal, progress))
            answer = _act_on(tenant_id, posting_id, connector, journal, progress, found)
    except OutcomeUnknown as error:
        claim.guard()
        with tenant_scope(tenant_id):
            posting = lock(posting_id)
            posting.settles_at = timezone.now() + timedelta(seconds=_settling(posting))
            posting.sentence = "We sent the journal and got no clear answer. We ask the ledger before anything else."
            posting.save(update_fields=["settles_at", "sentence"])
        return work.Later(posting.settles_at, error.sentence)
    except Rejected as error:
        claim.guard()
        with tenant_scope(tenant_id):
            block(lock(posting_id), Posting.Reason.REJECTED, error.sentence)
        return None
    except Misconfigured as error:
        claim.guard()
        reason = _REASONS.get(error.page, Posting.Reason.CONFIGURATION)
        with tenant_scope(tenant_id):
            block(lock(posting_id), reason, error.sentence)
        return None
    if answer is None:
        return None
    claim.guard()
    with tenant_scope(tenant_id):
        return _entered(lock(posting_id), answer)


def _act_on(
    tenant_id: uuid.UUID, posting_id: int, connector: Connector, journal: Journal, progress: Progress, found: FindResult
) -> JournalReceipt | None:
    """What follows from what the ERP holds. None = blocked for a person, with the reason saved."""
    label = connector.label
    progress.guard()
    if isinstance(found, CannotTell):
        with tenant_scope(tenant_id):
            posting = lock(posting_id)
            block(posting, Posting.Reason.UNCLEAR, _unclear_sentence(posting, found))
        return None
    if isinstance(found, Absent) and found.was_known:
        with tenant_scope(tenant_id):
            posting = lock(posting_id)
            number = posting.document_number or str(progress.get("number", ""))
            block(
                posting, Posting.Reason.REMOVED,
                f"We entered this journal in {label} before{f' as {number}' if number else ''}, and it is not there "
                "any more. Nothing was sent again.",
            )  # fmt: skip
        return None
    if isinstance(found, Found):
        if found.is_complete:
            return JournalReceipt(found.document_number, found.is_posted, found.line_count, found.debit, found.credit)
        if found.is_posted:
            with tenant_scope(tenant_id):
                block(
                    lock(posting_id), Posting.Reason.UNCLEAR,
                    f"{label} posted {found.document_number} with {found.line_count} lines and debits of {found.debit:,.2f}; "
                    f"ours has {len(journal.lines)} lines and {journal.debit:,.2f}. {found.note}".strip(),
                )  # fmt: skip
            return None
    with tenant_scope(tenant_id):
        posting = lock(posting_id)
        posting.was_sent = True
        posting.save(update_fields=["was_sent"])
    try:
        receipt: JournalReceipt = _attempt(
            tenant_id, posting_id, "post", lambda: connector.post_journal(journal, progress)
        )
        return receipt
    except Rejected as error:
        if connector.can_undo:
            _take_out(tenant_id, posting_id, connector, journal, progress)
            raise Rejected(f"{error.sentence} Nothing is in the ledger.") from error
        raise


def _take_out(
    tenant_id: uuid.UUID, posting_id: int, connector: Connector, journal: Journal, progress: Progress
) -> None:
    """After a refusal: leave nothing half-written over there. A failure of this is not hidden, it is tried again."""
    found = _attempt(tenant_id, posting_id, "find", lambda: connector.find_journal(journal, progress))
    if isinstance(found, Found) and not found.is_posted:
        _attempt(tenant_id, posting_id, "undo", lambda: connector.undo_journal(journal, progress))
        with tenant_scope(tenant_id):
            note("posting.undone", lock(posting_id), system=connector.label)
    progress.clear()


def _look(claim: work.Claim, tenant_id: uuid.UUID, posting_id: int) -> work.Later | None:
    """ENTERED: has somebody posted it over there, or taken it out?"""
    with tenant_scope(tenant_id):
        posting = Posting.objects.get(pk=posting_id)
        journal, connection_id, is_private = journal_of(posting), posting.connection_id, posting.shows_pay
        progress = _progress(tenant_id, posting, claim)
    try:
        with connector_of(
            tenant_id,
            connection_id,
            about=journal.posting_key,
            company_code=journal.company_code,
            is_private=is_private,
        ) as connector:
            found = connector.find_journal(journal, progress)
    except Misconfigured as error:
        return work.Later(timezone.now() + POLL_LAST, error.sentence)
    with tenant_scope(tenant_id):
        posting = lock(posting_id)
        if posting.state != Posting.State.ENTERED:
            return None
        if isinstance(found, Absent):
            block(
                posting, Posting.Reason.REMOVED,
                f"Journal {posting.document_number} was taken out of {connector.label}. Nothing was sent again.",
            )  # fmt: skip
            return None
        if isinstance(found, Found) and not found.is_complete:
            block(
                posting, Posting.Reason.UNCLEAR,
                f"Journal {posting.document_number} was changed in {connector.label}: {found.line_count} lines, debits "
                f"{found.debit:,.2f}, credits {found.credit:,.2f}; ours has {posting.line_count} lines and {posting.debit:,.2f}.",
            )  # fmt: skip
            return None
        if isinstance(found, CannotTell) and found.needs_person:
            block(posting, Posting.Reason.UNCLEAR, _unclear_sentence(posting, found))
            return None
        if isinstance(found, Found) and found.is_posted:
            _posted(posting, found.document_number)
            return None
        return work.Later(_next_look(posting))


def _entered(posting: Posting, receipt: JournalReceipt) -> work.Later | None:
    """The ERP holds the journal: read back, so the figures are the ERP's own."""
    if receipt.line_count != posting.line_count or receipt.debit != posting.debit or receipt.credit != posting.credit:
        block(
            posting, Posting.Reason.UNCLEAR,
            f"{label_of(posting)} holds {receipt.line_count} lines, debits {receipt.debit:,.2f} and credits {receipt.credit:,.2f}; "
            f"ours has {posting.line_count} lines and {posting.debit:,.2f}.",
        )  # fmt: skip
        return None
    posting.document_number = receipt.document_number
    posting.entered_at = timezone.now()
    posting.settles_at, posting.sentence = None, ""
    posting.state = Posting.State.ENTERED
    posting.save(update_fields=["document_number", "entered_at", "settles_at", "sentence", "state"])
    note("posting.entered", posting, system=label_of(posting), document_number=receipt.document_number)
    call_followers(posting)
    if receipt.is_posted:
        _posted(posting, receipt.document_number)
        return None
    return work.Later(_next_look(posting))


def _posted(posting: Posting, document_number: str) -> None:
    posting.state = Posting.State.POSTED
    posting.document_number = document_number
    posting.posted_at = timezone.now()
    posting.save(update_fields=["state", "document_number", "posted_at"])
    note("posting.posted", posting, document_number=document_number)


def _unclear_sentence(posting: Posting, found: CannotTell) -> str:
    return f"{not_shown_sentence(posting)} {found.sentence}" if found.is_not_shown else found.sentence


def _settling(posting: Posting) -> int:
    return settling_seconds(connector_class(posting.connection.system))


def _next_look(posting: Posting) -> datetime:
    now = timezone.now()
    age = now - (posting.entered_at or now)
    for limit, wait in POLL_STEPS:
        if age < limit:
            return now + wait
    return now + POLL_LAST


def _settle_unfinished(posting: Posting) -> work.Later | None:
    """An attempt without an end belonged to a worker that died: its request may still arrive over there."""
    unfinished = posting.attempts.filter(step="post", outcome="").order_by("-id").first()
    if unfinished is not None:
        posting.settles_at = timezone.now() + timedelta(seconds=_settling(posting))
        posting.save(update_fields=["settles_at"])
        unfinished.outcome, unfinished.finished_at = "unknown", timezone.now()
        unfinished.sentence = "The worker ended before the answer came."
        unfinished.save(update_fields=["outcome", "finished_at", "sentence"])
    if posting.settles_at is not None and posting.settles_at > timezone.now():
        return work.Later(posting.settles_at, "The ERP is asked after a settling time.")
    return None


def _unknown_outcomes(posting: Posting) -> int:
    return int(posting.attempts.filter(step="post", outcome="unknown").count())


def _progress(tenant_id: uuid.UUID, posting: Posting, claim: work.Claim) -> Progress:
    posting_id = posting.pk

    def save(values: dict[str, Any]) -> None:
        with tenant_scope(tenant_id):
            Posting.objects.filter(pk=posting_id).update(progress=values)

    return Progress(posting.progress, save, claim.guard)


def _attempt(tenant_id: uuid.UUID, posting_id: int, step: str, act: Any) -> Any:
    """Save the intent, act outside any transaction, save how it ended; the error goes on."""
    with tenant_scope(tenant_id):
        row = PostingAttempt.objects.create(posting_id=posting_id, step=step, started_at=timezone.now())
    try:
        result = act()
    except ExchangeError as error:
        # A connector may raise a narrower one of the four.
        outcome = next(word for kind, word in _OUTCOMES.items() if isinstance(error, kind))
        _end_attempt(tenant_id, row, outcome, error.sentence)
        raise
    said = ""
    if isinstance(result, Found):
        said = f"{result.document_number}: {result.line_count} lines, debits {result.debit:,.2f}"
    elif isinstance(result, JournalReceipt):
        said = f"{result.document_number}: {result.line_count} lines read back, debits {result.debit:,.2f}"
    elif isinstance(result, CannotTell):
        said = result.sentence
    _end_attempt(tenant_id, row, type(result).__name__.lower() if result is not None else "done", said)
    return result


_OUTCOMES: dict[type[ExchangeError], str] = {
    TemporaryFailure: "temporary",
    Rejected: "rejected",
    Misconfigured: "misconfigured",
    OutcomeUnknown: "unknown",
}


def _end_attempt(tenant_id: uuid.UUID, row: PostingAttempt, outcome: str, sentence: str) -> None:
    with tenant_scope(tenant_id):
        row.outcome, row.sentence, row.finished_at = outcome, sentence, timezone.now()
        row.save(update_fields=["outcome", "sentence", "finished_at"])
