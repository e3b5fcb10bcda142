"""What the pages of payroll runs and of journals have in common: their words, and the page before a click."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.template.response import TemplateResponse

from erp.models import Posting
from gusto.models import PayrollRun
from mappings.faults import day_words
from mappings.journal import ZERO, JournalKind
from tenants.admin import RoleAdmin
from tenants.middleware import membership_of

#: Payroll types in words.
TYPES = {"regular": "Regular payroll", "off_cycle": "Off-cycle payroll", "external": "External payroll"}

#: States in which a page looks again by itself, and after how many seconds: we work on it, or somebody in the ERP.
MOVING = {Posting.State.APPROVED: 3, Posting.State.SENDING: 3, Posting.State.ENTERED: 15}


class Asks(NamedTuple):
    """The one thing that a page before a click asks for. `kind` is the type of its field."""

    name: str
    label: str
    hint: str
    kind: str = "text"
    length: int = 300


REASON = Asks("reason", "Reason", "It goes into the audit trail.")


def chip(name: str, note: str = "") -> str:
    """The state chip of the console's frame."""
    return render_to_string("console/parts/state.html", {"name": name, "note": note})


def run_title(run: PayrollRun) -> str:
    """Off-cycle payroll (Bonus), check date 11 Dec 2026."""
    kind = TYPES.get(run.payroll_type, "Payroll")
    reason = f" ({run.off_cycle_reason})" if run.off_cycle_reason else ""
    return f"{kind}{reason}, check date {day_words(run.check_date)}" if run.check_date else f"{kind} {run.payroll_uuid}"


def posting_title(posting: Posting) -> str:
    if posting.reverses is not None:
        return f"Reversal of {posting.reverses.document_number or posting.reverses.posting_key}"
    title = run_title(posting.payroll_run)
    return title if posting.kind == JournalKind.PAYROLL.value else f"{posting.kind.capitalize()}, {title}"


def run_debits(postings: Iterable[Posting]) -> Decimal:
    """The expense side of a run: a settlement moves the same money once more, a reversal takes it back."""
    expense = {JournalKind.PAYROLL.value, JournalKind.ACCRUAL.value}
    return sum((posting.debit for posting in postings if posting.kind in expense), ZERO)


def why_blocked(posting: Posting) -> str:
    return str(posting.get_reason_display())


def may_see_pay(request: HttpRequest) -> bool:
    membership = membership_of(request)
    return membership is not None and membership.may_see_pay


def confirm(
    model_admin: RoleAdmin, request: HttpRequest, title: str, back: str, sentence: str, button: str, **context: Any
) -> TemplateResponse:
    return TemplateResponse(
        request,
        "console/confirm.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "back": back,
            "sentence": sentence,
            "button": button,
            **context,
        },
    )
