"""What people decide about a journal: to release it, to take that back, to try again, to ask now, to give it up.

Each checks the state again under a lock, because two people may decide at once; a refusal is a sentence for whoever
tried.
"""

from __future__ import annotations

import uuid

from audit import work
from erp.connector import Absent, Progress
from erp.journals import journal_of, problems_of_journal
from erp.models import Posting
from erp.reference import connector_of
from erp.states import NotAllowed, add_preparer, give_up, lock, note, release, resume_sending, set_approved
from gusto.models import PayrollRun
from mappings.journal import JournalKind
from tenants.scope import actor, tenant_scope

HELD = "The payroll run is blocked, so its journal is not approved. What it waits for stands on its page."


def approve(posting: Posting, by: str, digest: str = "") -> None:
    """Release a journal, inside a scope. Raises NotAllowed for the preparer, in any state but ALLOCATED, while its payroll
    run is blocked, and if the person saw another journal: `digest` is that of what was on the page, empty = not said.
    """
    locked = lock(posting.pk)
    if locked.state != Posting.State.ALLOCATED:
        raise NotAllowed(f"This journal is {locked.get_state_display().lower()} and cannot be approved.")
    if digest and digest != locked.journal_digest:
        raise NotAllowed("This journal was changed since you opened the page. Nothing was approved; look at it again.")
    if by in locked.prepared_by:
        raise NotAllowed("You prepared this journal. Someone else approves it.")
    if locked.is_held:
        raise NotAllowed(HELD)
    set_approved(locked, by)


def withdraw_approval(posting: Posting, by: str) -> None:
    """Take an approval back before anything was sent, inside a scope."""
    locked = lock(posting.pk)
    if locked.state != Posting.State.APPROVED:
        raise NotAllowed("Only an approved journal that was not sent yet can be taken back.")
    locked.state = Posting.State.ALLOCATED
    locked.approved_by, locked.approved_at = "", None
    locked.save(update_fields=["state", "approved_by", "approved_at"])
    note("posting.approval_withdrawn", locked, by=by)


def replay(posting: Posting, by: str) -> None:
    """Run a blocked posting again, inside a scope; safe by construction. What was never sent is built anew with the
    approved mapping of its check date; what was sent is asked for first.
    """
    # The run before the posting, in the order of `erp.building.build`.
    PayrollRun.objects.select_for_update(of=("self",)).get(pk=posting.payroll_run_id)
    locked = lock(posting.pk)
    if locked.state not in {Posting.State.BLOCKED, Posting.State.ALLOCATED}:
        raise NotAllowed(f"This journal is {locked.get_state_display().lower()}; only a waiting one can be replayed.")
    note("posting.replayed", locked, by=by)
    if by and by not in locked.prepared_by:
        locked.prepared_by = [*locked.prepared_by, by]
        locked.save(update_fields=["prepared_by"])
    if locked.was_sent:
        if locked.reason == Posting.Reason.REMOVED:
            # A person decided to send again what was taken out over there; the old number leads nowhere.
            locked.progress, locked.document_number = {}, ""
            locked.save(update_fields=["progress", "document_number"])
        resume_sending(locked)
    elif locked.kind == JournalKind.REVERSAL.value:
        release(locked, problems_of_journal(locked, journal_of(locked)))
    else:
        # Its journal is built anew, as another posting.
        add_preparer(locked.payroll_run_id, by)
        work.enqueue("erp.allocate", str(locked.payroll_run_id), tenant_id=locked.tenant_id)


def void(tenant_id: uuid.UUID, posting_id: int, by: str, reason: str) -> None:
    """Give a posting up for good; outside any scope, because a sent one is asked for first. Raises NotAllowed while the
    ERP holds anything of it or cannot say.
    """
    with tenant_scope(tenant_id):
        posting = Posting.objects.get(pk=posting_id)
        if posting.state not in {Posting.State.ALLOCATED, Posting.State.APPROVED, Posting.State.BLOCKED}:
            raise NotAllowed(f"A journal that is {posting.get_state_display().lower()} cannot be given up.")
        journal, was_sent, is_private = journal_of(posting), posting.was_sent, posting.shows_pay
        connection_id, progress = posting.connection_id, Progress(posting.progress, lambda values: None)
    if was_sent:
        with connector_of(
            tenant_id,
            connection_id,
            about=journal.posting_key,
            company_code=journal.company_code,
            is_private=is_private,
        ) as connector:
            found = connector.find_journal(journal, progress)
        if not isinstance(found, Absent):
            raise NotAllowed("The ERP holds this journal, or cannot say. It is not given up.")
    with tenant_scope(tenant_id):
        posting = lock(posting_id)
        if posting.state not in {Posting.State.ALLOCATED, Posting.State.APPROVED, Posting.State.BLOCKED}:
            raise NotAllowed("This journal moved on meanwhile.")
        give_up(posting, by, reason)


def look_now(posting: Posting) -> None:
    """Ask the ERP at once ("Check now", "Ask the ledger now"), inside a scope."""
    if posting.state == Posting.State.BLOCKED and posting.was_sent:
        replay(posting, actor.get())
        return
    work.enqueue("erp.post", str(posting.pk), tenant_id=posting.tenant_id)
