"""What happened to a payroll run and its journals, in few words, newest first: the story that a page tells beside them.

The audit trail has the whole sentences; here the subject is known, so a state and its detail say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from django.db.models import Q

from audit import trail
from audit.models import AuditEntry
from erp.models import PostingAttempt

#: Entries of a page; older ones are in the audit trail.
ENTRIES_MAX = 40

#: Action -> state whose colour and shape it has, head, detail. Other actions are told by their sentence.
WORDS: dict[str, tuple[str, str, str]] = {
    "payroll_run.announced": ("new", "Heard", "by {source}"),
    "payroll_run.read": ("read", "Read from Gusto", "{employees} people"),
    "payroll_run.blocked": ("blocked", "Blocked", "{sentence}"),
    "payroll_run.withdrawn": ("withdrawn", "Taken back", "{what} in Gusto"),
    "payroll_run.replayed": ("sending", "Replayed", ""),
    "payroll_run.ignored": ("ignored", "Not posted", "{sentence}"),
    "posting.allocated": ("allocated", "Allocated", "{lines} lines, {debit}, company code {company_code}"),
    "posting.approved": ("approved", "Approved", ""),
    "posting.approval_withdrawn": ("allocated", "Approval withdrawn", ""),
    "posting.sending": ("sending", "Sending", "to {system}"),
    "posting.entered": ("entered", "Entered", "in {system} as {document_number}"),
    "posting.posted": ("posted", "Posted", "as {document_number}"),
    "posting.date_changed": ("allocated", "Posting date changed", "from {before} to {posting_date}"),
    "posting.found": ("posted", "Found", "in {system} as {document_number}"),
    "posting.not_there": ("blocked", "Not there", "in {system}; a second person has to confirm it"),
    "posting.not_there_taken_back": ("blocked", "Confirmation taken back", ""),
    "posting.sent_again": ("sending", "Not there, sent again", "{first} confirmed it first"),
    "posting.blocked": ("blocked", "Blocked", "{sentence}"),
    "posting.released": ("allocated", "Goes on by itself", "{sentence}"),
    "posting.replayed": ("sending", "Replayed", ""),
    "posting.voided": ("voided", "Given up", "{reason}"),
    "posting.reversal_created": ("allocated", "Reversal created", "{reason}"),
    "posting.undone": ("voided", "Taken out", "a partial journal, of {system}"),
    "posting.people_looked_up": ("new", "Employees looked at", ""),
}

#: (step, outcome) of an attempt -> words. What the ERP said stands behind them.
ATTEMPTS: dict[tuple[str, str], str] = {
    ("find", "found"): "Asked: the ledger holds something of it.",
    ("find", "absent"): "Asked: the ledger holds nothing of it.",
    ("find", "cannottell"): "Asked: the ledger cannot say.",
    ("post", "journalreceipt"): "Sent and read back.",
    ("undo", "done"): "Taken out again.",
}
OUTCOMES: dict[str, str] = {
    "": "Under way.",
    "unknown": "No clear answer.",
    "unknown, asked": "No clear answer; asked again since.",
    "temporary": "Not answered for now; tried again by itself.",
    "rejected": "Refused.",
    "misconfigured": "The connection needs a person.",
}
STEPS = {"find": "Asking", "post": "Sending", "undo": "Taking out"}


class Entry(NamedTuple):
    """One line of the story. `state` names colour and shape."""

    at: datetime | None
    who: str
    state: str
    head: str
    detail: str


def timeline(*subjects: tuple[str, str]) -> list[Entry]:
    """What the audit trail says of these (subject, subject id), newest first, inside a scope."""
    wanted = Q()
    for subject, subject_id in subjects:
        wanted |= Q(subject=subject, subject_id=subject_id)
    return [_entry(entry) for entry in AuditEntry.objects.filter(wanted).order_by("-number")[:ENTRIES_MAX]]


def _entry(entry: AuditEntry) -> Entry:
    who = entry.actor or "by itself"
    if entry.action not in WORDS:
        return Entry(entry.at, who, "new", "", trail.sentence(entry))
    state, head, detail = WORDS[entry.action]
    facts = {name: _money(value) if name == "debit" else value for name, value in entry.facts.items()}
    return Entry(entry.at, who, state, head, detail.format_map(_Known(facts)))


class _Known(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


def _money(value: object) -> str:
    try:
        return f"{Decimal(str(value)):,.2f}"
    except InvalidOperation:
        return str(value)


def attempts_in_words(attempts: Iterable[PostingAttempt]) -> list[tuple[datetime, str, str]]:
    """(moment, what was tried and how it ended, what the ERP said)."""
    found = []
    for attempt in attempts:
        words = ATTEMPTS.get((attempt.step, attempt.outcome))
        if words is None:
            step = STEPS.get(attempt.step, attempt.step.replace("_", " ").capitalize())
            words = f"{step}: {OUTCOMES.get(attempt.outcome, attempt.outcome)}"
        found.append((attempt.started_at, words, attempt.sentence))
    return found
