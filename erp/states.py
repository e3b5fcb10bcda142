"""The states of a posting and the ways between them; each function is one transition inside a tenant scope.

What people decide is in `erp.decisions`, what a worker does with the ERP in `erp.posting`; both come through here, so that
no state is ever written without its reason, its sentence and its audit entry.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from audit import trail, work
from erp.connector import CONNECTORS
from erp.journals import journal_of, problem_row, problems_of_journal, reason_of
from erp.models import Posting
from gusto.models import PayrollRun
from mappings.journal import JournalKind, Problem
from tenants.models import LegalEntity


class NotAllowed(Exception):  # noqa: N818 - reads as what happened
    """An action that the state or a rule forbids; the sentence says why, for the person who tried."""

    @property
    def sentence(self) -> str:
        return str(self)


def of_life(run: PayrollRun, sequence: int | None = None) -> QuerySet[Posting]:
    """The postings that one processing of a run was allocated to, contra journals apart: the run's own sequence, and its
    accruals at fiscal period ends, which carry sequence * 100 + k (`mappings.journal.period_end_sequence`).
    """
    own = run.sequence if sequence is None else sequence
    own = own // 100 if own >= 100 else own
    contra = Q(kind=JournalKind.REVERSAL.value, sequence=own)
    found: QuerySet[Posting] = Posting.objects.filter(payroll_run=run).filter(
        (Q(sequence=own) & ~contra) | Q(sequence__gte=own * 100, sequence__lt=(own + 1) * 100)
    )
    return found


def lock(posting_id: int) -> Posting:
    """The posting as it stands now, its row locked until the end of the transaction."""
    found: Posting = (
        Posting.objects.select_for_update(of=("self",)).select_related("payroll_run", "connection").get(pk=posting_id)
    )
    return found


def add_preparer(run_id: int, by: str) -> None:
    """This person's change is in whatever is built of the run from now on; inside a scope. Empty = nobody."""
    run = PayrollRun.objects.select_for_update(of=("self",)).get(pk=run_id)
    if by and by not in run.prepared_by:
        run.prepared_by = sorted({*run.prepared_by, by})
        run.save(update_fields=["prepared_by"])


def label_of(posting: Posting) -> str:
    """How people call the system that this posting goes to."""
    return CONNECTORS[posting.connection.system][0]


def set_approved(posting: Posting, by: str) -> None:
    """APPROVED, and on its way. `by` is a user name, empty = the legal entity's rule."""
    posting.state = Posting.State.APPROVED
    posting.approved_by, posting.approved_at, posting.sentence = by, timezone.now(), ""
    posting.save(update_fields=["state", "approved_by", "approved_at", "sentence"])
    note("posting.approved", posting, by=by)
    work.enqueue("erp.post", str(posting.pk), tenant_id=posting.tenant_id)


def release_or_approve(posting: Posting) -> None:
    """A freshly built journal without problems: approved by itself where the legal entity says so and the amount is not
    above its limit.
    """
    entity = LegalEntity.objects.get(pk=posting.legal_entity_id)
    if entity.approval != LegalEntity.Approval.AUTOMATIC:
        return
    if entity.approval_limit is None or posting.debit <= entity.approval_limit:
        set_approved(posting, "")
        return
    posting.sentence = (
        f"Above {entity.approval_limit:,.2f} {posting.currency} a person approves every journal of {entity}."
    )
    posting.save(update_fields=["sentence"])


def release(posting: Posting, problems: list[Problem]) -> None:
    """A blocked, never sent journal is looked at again: still blocked, or on its way."""
    if problems:
        block(posting, reason_of(problems), " ".join(problem.sentence for problem in problems), problems)
        return
    posting.state, posting.reason, posting.sentence, posting.problems = Posting.State.ALLOCATED, "", "", []
    posting.save(update_fields=["state", "reason", "sentence", "problems"])
    note("posting.released", posting, sentence="what it waited for is there")
    release_or_approve(posting)


def resume_sending(posting: Posting) -> None:
    """SENDING again, for a journal of which a write has left: the ERP is asked first."""
    posting.state, posting.reason, posting.sentence, posting.problems = Posting.State.SENDING, "", "", []
    posting.settles_at = None
    # Whoever found nothing so far has looked before this round.
    posting.not_there_by, posting.not_there_at = [], None
    posting.save(
        update_fields=["state", "reason", "sentence", "problems", "settles_at", "not_there_by", "not_there_at"]
    )
    # A person or a repair started a new round: earlier unknown outcomes no longer count against it.
    posting.attempts.filter(outcome="unknown").update(outcome="unknown, asked")
    work.enqueue("erp.post", str(posting.pk), tenant_id=posting.tenant_id)


def release_configuration(posting: Posting) -> None:
    """The connection works again, inside a scope: a posting blocked for it goes on where it stood."""
    if posting.was_sent or posting.sent_at is not None:
        resume_sending(posting)
    else:
        release(posting, problems_of_journal(posting, journal_of(posting)))


def block(posting: Posting, reason: str, sentence: str, problems: list[Problem] | None = None) -> None:
    """BLOCKED: waits for a person, or for what `reason` names. `sentence` is for finance."""
    posting.state, posting.reason, posting.sentence = Posting.State.BLOCKED, reason, sentence
    posting.problems = [problem_row(problem) for problem in problems or []]
    posting.settles_at = None
    posting.save(update_fields=["state", "reason", "sentence", "problems", "settles_at"])
    note("posting.blocked", posting, sentence=sentence)


def call_followers(posting: Posting) -> None:
    """The ERP holds this journal from now on: what waited for it goes on, inside a scope."""
    for sister in of_life(posting.payroll_run, posting.sequence).filter(state=Posting.State.APPROVED):
        work.enqueue("erp.post", str(sister.pk), tenant_id=sister.tenant_id)
    life = posting.sequence // 100 or posting.sequence
    if posting.payroll_run.withdrawn_at is not None or life < posting.payroll_run.sequence:
        # The payroll was cancelled while its journal was on the way.
        work.enqueue("erp.withdraw", str(posting.payroll_run_id), tenant_id=posting.tenant_id)


def give_up(posting: Posting, by: str, reason: str) -> None:
    """VOIDED, inside a scope, for a posting of which the ERP holds nothing."""
    posting.state, posting.reason, posting.void_reason = Posting.State.VOIDED, "", reason[:300]
    posting.save(update_fields=["state", "reason", "void_reason"])
    note("posting.voided", posting, by=by, reason=reason)
    # What would have undone it has nothing to undo.
    for reversal in posting.reversals.filter(was_sent=False).exclude(state=Posting.State.VOIDED):
        give_up(reversal, by, reason)


def note(action: str, posting: Posting, by: str | None = None, **facts: Any) -> None:
    """One audit entry about a posting, with the facts that every sentence about it may name."""
    trail.record(
        action, subject="posting", subject_id=posting.posting_key, by=by, posting_key=posting.posting_key,
        debit=f"{posting.debit:,.2f}", company_code=posting.company_code, lines=posting.line_count, **facts,
    )  # fmt: skip
