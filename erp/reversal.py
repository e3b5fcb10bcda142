"""Undoing a posted journal: the contra journal of a payroll that was cancelled, deleted or read back unprocessed.

The contra journal is made from the stored lines, never recomputed, and is linked both ways. Each journal is undone at
most once, however many notices arrive. A payroll that Gusto reverses by a reversal payroll gets none: that payroll is
posted from its own document.
"""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import timezone

from audit import trail, work
from erp.building import keep
from erp.journals import journal_of, problems_of_journal
from erp.models import Posting
from erp.states import NotAllowed, give_up, of_life, release_or_approve
from erp.traces import contra_trace_of
from gusto.models import PayrollRun
from mappings.chart import chart_of
from mappings.journal import JournalKind, Problem, posting_key, reversed_journal
from tenants.scope import tenant_scope

#: How long to wait for a journal that is just being sent before looking again whether it can be undone.
SENDING_WAIT = timedelta(seconds=5)

#: What became of the payroll -> why it is undone: these take it back whole, so each live journal gets a contra journal.
TAKEN_BACK = {
    "cancelled": "The payroll was cancelled in Gusto.",
    "deleted": "The payroll was deleted in Gusto.",
    "unprocessed": "The payroll was read back unprocessed in Gusto.",
    "taken_back": "The payroll file was taken back.",
}
#: These are answered by Gusto with a reversal payroll of its own.
ANSWERED_BY_GUSTO = {"reversed": "reversed", "partially_reversed": "partially reversed"}


def withdraw(claim: work.Claim) -> work.Later | None:
    """Work item erp.withdraw: undo what was built for a run that Gusto took back. Lives before the present one were taken
    back by definition; what of them settles late is undone then.
    """
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.select_for_update(of=("self",)).filter(pk=int(claim.ref)).first()
        if run is None:
            return None
        taken_back = list(range(1, run.sequence))
        if run.undone_by in ANSWERED_BY_GUSTO:
            _wait_for_reversal_payroll(run)
        elif run.undone_by in TAKEN_BACK:
            taken_back.append(run.sequence)
        reason = TAKEN_BACK.get(run.undone_by, "The payroll was taken back.")
        # Each is looked at, and not only until the first that is still being sent.
        is_sending = [_undo_life(run, sequence, reason) for sequence in taken_back]
    return work.Later(timezone.now() + SENDING_WAIT) if any(is_sending) else None


def _undo_life(run: PayrollRun, sequence: int, reason: str) -> bool:
    """Undo what one processing of a run was allocated to. True while something of it is still being sent."""
    is_sending = False
    # Locked, so that none of them begins to be sent while it is given up.
    for posting in of_life(run, sequence).exclude(kind=JournalKind.REVERSAL.value).select_for_update(of=("self",)):
        match posting.state:
            case Posting.State.ALLOCATED | Posting.State.APPROVED:
                give_up(posting, "", reason)
            case Posting.State.BLOCKED if not posting.was_sent:
                give_up(posting, "", reason)
            case Posting.State.ENTERED | Posting.State.POSTED:
                # An accrual with a reversal of its own is undone already.
                if not posting.reversals.exclude(state=Posting.State.VOIDED).exists():
                    reverse(posting, "", reason)
            case Posting.State.SENDING:
                is_sending = True
            case _:
                # VOIDED needs nothing; BLOCKED after sending is a person's, and is undone once it is settled.
                continue
    return is_sending


def reverse(posting: Posting, by: str, reason: str) -> Posting:
    """Create the contra journal of a journal that the ERP holds, inside a scope. Raises NotAllowed in any other state.

    Returns the existing one where there is one. Dated the original posting date if that fiscal period is open, else
    the first day of the next open one.
    """
    # Locked, so that two people at once make one contra journal.
    posting = (
        Posting.objects.select_for_update(of=("self",))
        .select_related("payroll_run", "connection", "legal_entity", "mapping_table")
        .get(pk=posting.pk)
    )
    if posting.state not in {Posting.State.ENTERED, Posting.State.POSTED}:
        raise NotAllowed(
            f"Only a journal that the ERP holds can be reversed; this one is {posting.get_state_display().lower()}."
        )
    if posting.kind == JournalKind.REVERSAL.value:
        raise NotAllowed("A reversal is not reversed.")
    existing: Posting | None = posting.reversals.exclude(state=Posting.State.VOIDED).first()
    if existing is not None:
        return existing
    journal = journal_of(posting)
    run = posting.payroll_run
    day = _reversal_date(posting)
    contra = reversed_journal(
        journal,
        day or posting.posting_date,
        posting_key(
            run.company_uuid, run.payroll_uuid, JournalKind.REVERSAL, posting.company_code, posting.sequence,
            posting.posting_key,
        ),
        f"{posting.header_text} reversal of {posting.document_number}"[:200],
        posting.sequence,
    )  # fmt: skip
    probe = Posting(
        connection=posting.connection, legal_entity=posting.legal_entity, kind=contra.kind.value, reverses=posting
    )
    problems = problems_of_journal(probe, contra) + _date_problem(day, posting)
    made = keep(
        run, posting.legal_entity, posting.mapping_table, contra, problems, contra_trace_of(posting),
        prepared_by=sorted({*run.prepared_by, by} - {""}), reverses=posting, reason=reason,
    )  # fmt: skip
    if not problems:
        release_or_approve(made)
    return made


def _reversal_date(posting: Posting) -> date | None:
    """The original date if it is open, else the first day of the next open fiscal period; None where none is open."""
    chart = chart_of(posting.connection, {posting.company_code}, on_date=posting.posting_date)
    mine = chart.period(posting.company_code, posting.posting_date)
    if mine is not None and mine.is_open:
        return posting.posting_date
    return chart.next_open_date(posting.company_code, posting.posting_date)


def _date_problem(day: date | None, posting: Posting) -> list[Problem]:
    if day is not None:
        return []
    return [
        Problem(
            code="period",
            kind="closed_period",
            sentence=f"No fiscal period from {posting.posting_date:%-d %b %Y} on is open in company code {posting.company_code}.",
            page="reference",
        )
    ]


def _wait_for_reversal_payroll(run: PayrollRun) -> None:
    """Gusto's own reversal payroll is posted from its document; until a person has seen that it came, the run says so."""
    word = ANSWERED_BY_GUSTO[run.undone_by]
    if not of_life(run).filter(state__in=[Posting.State.ENTERED, Posting.State.POSTED]).exists():
        return
    run.state, run.reason = PayrollRun.State.BLOCKED, "unclear"
    run.sentence = (
        f"Gusto {word} this payroll. Its journal stays; Gusto's own reversal payroll is posted from its document. "
        "If none arrives, reverse the journal here."
    )
    run.save(update_fields=["state", "reason", "sentence"])
    trail.record(
        "payroll_run.blocked", subject="payroll_run", subject_id=run.payroll_uuid, check_date=run.check_date or "?",
        sentence=run.sentence,
    )  # fmt: skip
