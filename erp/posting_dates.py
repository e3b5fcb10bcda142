"""The posting date that a person chooses for a journal that never left: kept with its payroll run, so that a replay keeps it.

Neither the posting key nor an amount depends on it. A reversal keeps its own rule (`erp.reversal`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from django.db.models import Max

from erp.journals import journal_of, problems_of_journal, reason_of
from erp.models import Posting
from erp.states import NotAllowed, add_preparer, block, lock, note, of_life, release
from gusto.models import PayrollRun
from gusto.payroll_run import header_of
from mappings.chart import Chart, chart_of
from mappings.faults import day_words
from mappings.journal import Journal, JournalKind
from mappings.journal_text import JournalTexts
from mappings.tables import table_of
from mappings.text_template import names_in

ENTERED_ALREADY = "This journal was sent already, so its posting date stays."


def may_choose(posting: Posting) -> str:
    """Why nobody chooses the date of this journal, in a sentence; empty = a person may."""
    is_waiting = posting.state == Posting.State.ALLOCATED or (
        posting.state == Posting.State.BLOCKED and posting.reason == Posting.Reason.PERIOD
    )
    if posting.was_sent or posting.sent_at is not None:
        return ENTERED_ALREADY
    if not is_waiting:
        return f"This journal is {posting.get_state_display().lower()}, so its posting date stays."
    if posting.kind == JournalKind.REVERSAL.value:
        return "A reversal is dated as what it reverses, or on the first day of the next open fiscal period."
    if posting.sequence >= 100:
        return "An accrual at the end of a fiscal period keeps its date."
    return ""


def change_posting_date(posting: Posting, by: str, day: date) -> None:
    """Date the journal on `day` instead of what the policy says, inside a scope; whoever does it has prepared it. Raises
    NotAllowed once it was sent, for a day in no open fiscal period, and where an accrual's reversal would come later.
    """
    # The run before the posting, in the order of `erp.building.build`.
    run = PayrollRun.objects.select_for_update(of=("self",)).get(pk=posting.payroll_run_id)
    locked = lock(posting.pk)
    if locked.posting_date == day and run.chosen_dates.get(locked.posting_key) == day.isoformat():
        return  # the second click of a double click
    if why_not := may_choose(locked):
        raise NotAllowed(why_not)
    _has_to_be_open(locked, day)
    _has_to_follow_reversals(locked, day)
    add_preparer(run.pk, by)
    run.refresh_from_db()
    run.chosen_dates = {**run.chosen_dates, locked.posting_key: day.isoformat()}
    run.save(update_fields=["chosen_dates"])
    before, was_blocked = locked.posting_date, locked.state == Posting.State.BLOCKED
    journal = _dated(locked, run, day)
    locked.posting_date, locked.header_text, locked.journal_digest = day, journal.header_text, journal.digest()
    locked.prepared_by = sorted({*locked.prepared_by, by} - {""})
    locked.save(update_fields=["posting_date", "header_text", "journal_digest", "prepared_by"])
    note("posting.date_changed", locked, by=by, before=day_words(before), posting_date=day_words(day))
    problems = problems_of_journal(locked, journal)
    if was_blocked:
        release(locked, problems)
    elif problems:
        block(locked, reason_of(problems), " ".join(problem.sentence for problem in problems), problems)


def _dated(posting: Posting, run: PayrollRun, day: date) -> Journal:
    """The frozen journal on another day; its text, too, where the policy writes the date into it."""
    journal = replace(journal_of(posting), posting_date=day)
    policy = table_of(posting.mapping_table).policy
    if "posting_date" not in names_in(policy.header_text):
        return journal
    text = JournalTexts(header_of(run), policy).header(journal.kind, posting.company_code, day)
    return replace(journal, header_text=text)


def _has_to_be_open(posting: Posting, day: date) -> None:
    chart = _chart(posting)
    period = chart.period(posting.company_code, day)
    if period is not None and period.is_open:
        return
    state = "closed" if period is not None else "not in a fiscal period that we know of"
    after = chart.next_open_date(posting.company_code, day)
    remedy = f" The next open day is {day_words(after)}." if after else " No later day is open."
    raise NotAllowed(
        f"{day_words(day)} is {state} in company code {posting.company_code}. The posting date was not changed.{remedy}"
    )


def _has_to_follow_reversals(posting: Posting, day: date) -> None:
    """What an accrual at a fiscal period end anticipates stays in the next period."""
    accruals = of_life(posting.payroll_run, posting.sequence).filter(
        kind=JournalKind.REVERSAL.value, sequence__gte=100, company_code=posting.company_code
    )
    last: date | None = accruals.exclude(state=Posting.State.VOIDED).aggregate(last=Max("posting_date"))["last"]
    if last is not None and day < last:
        raise NotAllowed(
            f"An accrual of this payroll run is reversed on {day_words(last)}. The journal is not dated before that."
        )


def _chart(posting: Posting) -> Chart:
    return chart_of(posting.connection, {posting.company_code}, on_date=posting.posting_date)
