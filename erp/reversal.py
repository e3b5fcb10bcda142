"""Undoing a posted journal: the contra journal of a payroll that was cancelled, deleted or read back unprocessed.

The contra journal is made from the stored lines, never recomputed, and is linked both ways. Each journal is undone at
most once, however many notices arrive. A payroll that Gusto reverses by a reversal payroll gets none: that payroll is
posted from its own document.
"""

from __future__ import annotations

import json
from datetime import date, timedelta

from django.utils import timezone

from audit import trail, work
from erp.building import keep
from erp.journals import journal_of, problems_of_journal, trace_rows
from erp.models import Posting
from erp.posting import NotAllowed, give_up
from gusto.models import PayrollRun
from mappings.chart import chart_of
from mappings.journal import Journal, JournalKind, Problem, posting_key, reversed_journal
from tenants.scope import tenant_scope

#: How long to wait for a journal that is just being sent before looking again whether it can be undone.
SENDING_WAIT = timedelta(seconds=5)

#: What Gusto says -> what happens: these take the payroll back whole, so each live journal gets a contra journal.
TAKEN_BACK = {"cancelled": "cancelled", "deleted": "deleted", "unprocessed": "read back unprocessed"}
#: These are answered by Gusto with a reversal payroll of its own.
ANSWERED_BY_GUSTO = {"reversed": "reversed", "partially_reversed": "partially reversed"}


def withdraw(claim: work.Claim) -> work.Later | None:
    """Work item erp.withdraw: undo what was built for a run that Gusto took back."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.select_for_update(of=("self",)).filter(pk=int(claim.ref)).first()
        if run is None:
            return None
        if run.undone_by in ANSWERED_BY_GUSTO:
            _wait_for_reversal_payroll(run)
            return None
        if run.undone_by not in TAKEN_BACK:
            return None
        word = TAKEN_BACK[run.undone_by]
        is_sending = False
        for posting in Posting.objects.filter(payroll_run=run, sequence=run.sequence).exclude(
            kind=JournalKind.REVERSAL.value
        ):
            match posting.state:
                case Posting.State.ALLOCATED | Posting.State.APPROVED:
                    give_up(posting, "", f"The payroll was {word} in Gusto.")
                case Posting.State.BLOCKED if not posting.was_sent:
                    give_up(posting, "", f"The payroll was {word} in Gusto.")
                case Posting.State.ENTERED | Posting.State.POSTED:
                    reverse(posting, "", f"The payroll was {word} in Gusto.")
                case Posting.State.SENDING:
                    is_sending = True
                case _:
                    # VOIDED needs nothing; BLOCKED after sending is a person's, and is undone once it is settled.
                    continue
    return work.Later(timezone.now() + SENDING_WAIT) if is_sending else None


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
    made = keep(
        run, posting.legal_entity, posting.mapping_table, contra, problems_of_journal(probe, contra) + _date_problem(day, posting),
        _contra_trace(posting, contra), reverses=posting, reason=reason,
    )  # fmt: skip
    if by:
        made.prepared_by = [by]
        made.save(update_fields=["prepared_by"])
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


def _contra_trace(posting: Posting, contra: Journal) -> bytes:
    """The trace of the original with every amount turned."""
    rows = [{**row, "leg": "contra", "amount": _negated(row["amount"])} for row in trace_rows(posting)]
    return json.dumps({"reverses": contra.reverses, "rows": rows}, separators=(",", ":")).encode()


def _negated(amount: str) -> str:
    return amount[1:] if amount.startswith("-") else f"-{amount}"


def _wait_for_reversal_payroll(run: PayrollRun) -> None:
    """Gusto's own reversal payroll is posted from its document; until a person has seen that it came, the run says so."""
    word = ANSWERED_BY_GUSTO[run.undone_by]
    if not Posting.objects.filter(
        payroll_run=run, sequence=run.sequence, state__in=[Posting.State.ENTERED, Posting.State.POSTED]
    ).exists():
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
