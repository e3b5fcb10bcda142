"""Nobody can tell from outside whether the ERP took a journal: what people who look there say about it.

Either somebody found it, and its number is ours; or two people, one of them an approver, say that it is not there, and it
is sent again: after the ERP was asked once more, so that a journal that is there after all is found and not doubled.
"""

from __future__ import annotations

from django.utils import timezone

from erp.connector import connector_class
from erp.models import Posting
from erp.states import NotAllowed, call_followers, label_of, lock, note, resume_sending
from tenants.models import Membership, Role

DOCUMENT_NUMBER_MAX = 60
#: What one person alone is told.
ALONE = "You confirmed already that it is not there. A second person has to confirm it."
NO_APPROVER = "One of the two people who confirm this has to be an approver."


def not_shown_sentence(posting: Posting) -> str:
    """How long the ledger has not shown a journal that left, and what to look for."""
    minutes = max(1, int((timezone.now() - (posting.sent_at or timezone.now())).total_seconds() // 60))
    age = f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes < 120 else f"{minutes // 60} hours"
    return (
        f"The ledger does not show the journal after {age}. Look for reference {posting.posting_key} in "
        f"{label_of(posting)}."
    )


def found_there(posting: Posting, by: str, document_number: str) -> None:
    """Somebody looked and found the journal in the ledger: POSTED with that number, inside a scope. Raises NotAllowed in any
    state but BLOCKED (unclear), and without a number.
    """
    number = " ".join(document_number.split())
    locked = lock(posting.pk)
    if locked.state == Posting.State.POSTED and (locked.found_by, locked.document_number) == (by, number):
        return  # the second click of a double click
    _has_to_be_unclear(locked)
    if not number:
        raise NotAllowed("Enter the document number under which the ledger shows the journal.")
    if len(number) > DOCUMENT_NUMBER_MAX or not number.isprintable():
        raise NotAllowed(f"A document number has at most {DOCUMENT_NUMBER_MAX} characters.")
    now = timezone.now()
    locked.state, locked.reason, locked.sentence, locked.problems = Posting.State.POSTED, "", "", []
    locked.document_number, locked.found_by, locked.settles_at = number, by, None
    locked.entered_at, locked.posted_at = locked.entered_at or now, now
    locked.not_there_by, locked.not_there_at = [], None
    locked.save()
    note("posting.found", locked, by=by, system=label_of(locked), document_number=number)
    call_followers(locked)


def not_there(posting: Posting, by: str) -> None:
    """Somebody looked and the ERP holds nothing of it, inside a scope: kept if it is the first, SENDING again if it is the
    second. Raises NotAllowed in any state but BLOCKED (unclear), for one person twice, and for two without an approver.
    """
    locked = lock(posting.pk)
    if locked.state != Posting.State.BLOCKED and locked.not_there_by[1:] == [by]:
        return  # the second click of a double click
    _has_to_be_unclear(locked)
    first = first_who_confirmed(locked)
    if not first:
        locked.not_there_by, locked.not_there_at = [by], timezone.now()
        locked.save(update_fields=["not_there_by", "not_there_at"])
        note("posting.not_there", locked, by=by, system=label_of(locked))
        return
    if first == by:
        raise NotAllowed(ALONE)
    either = Membership.objects.filter(user__username__in=[first, by], user__is_active=True)
    if not either.filter(tenant=locked.tenant, roles__contains=[Role.APPROVER]).exists():
        raise NotAllowed(NO_APPROVER)
    # The old steps lead nowhere; whoever asks starts from our posting key.
    locked.progress = connector_class(locked.connection.system).begun_anew(locked.progress)
    locked.document_number = ""
    locked.save(update_fields=["progress", "document_number"])
    resume_sending(locked)
    locked.not_there_by = [first, by]
    locked.save(update_fields=["not_there_by"])
    note("posting.sent_again", locked, by=by, first=first, system=label_of(locked))


def take_back(posting: Posting, by: str) -> None:
    """The first one is not sure any more, inside a scope. Raises NotAllowed for anybody else."""
    locked = lock(posting.pk)
    _has_to_be_unclear(locked)
    if first_who_confirmed(locked) != by:
        raise NotAllowed("Only whoever confirmed that it is not there takes that back.")
    locked.not_there_by, locked.not_there_at = [], None
    locked.save(update_fields=["not_there_by", "not_there_at"])
    note("posting.not_there_taken_back", locked, by=by)


def first_who_confirmed(posting: Posting) -> str:
    """Who waits for a second person to say the same; empty = nobody. Two names are an earlier round, which is over."""
    return str(posting.not_there_by[0]) if len(posting.not_there_by) == 1 else ""


def _has_to_be_unclear(posting: Posting) -> None:
    if (posting.state, posting.reason) != (Posting.State.BLOCKED, Posting.Reason.UNCLEAR):
        raise NotAllowed(
            f"This journal is {posting.get_state_display().lower()} by now. Only one that waits for a clear answer is "
            "looked for by people."
        )
