"""The audit trail and the exchanges in the console: read-only, searchable, for every member."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from audit import trail, verification, work
from audit.models import AuditEntry, Exchange, WorkItem
from tenants.admin import RoleAdmin, has_role
from tenants.models import Role
from tenants.scope import current_tenant

#: Who may have the chain verified.
VERIFIERS = (Role.OWNER, Role.AUDITOR)

#: Characters of a sentence in the list; the entry's page has it whole.
SENTENCE_SHOWN = 240

#: Subject of an entry -> its list in the console, where it is found by its id.
LISTS = {
    "payroll_run": "admin:gusto_payrollrun_changelist",
    "posting": "admin:erp_posting_changelist",
}
#: Subject -> its page; the subject id is the page's.
PAGES = {
    "connection": "admin:tenants_connection_change",
    "legal_entity": "admin:tenants_legalentity_change",
    "mapping_table": "admin:mappings_mappingtable_change",
}

#: Outcome of an exchange -> state whose colour and shape it has; an answer of 400 and more is `declined`.
OUTCOMES = {"temporary": "temporary", "unknown": "unknown", "refused": "failed"}


def is_under_way(tenant_id: uuid.UUID | None, kinds: Iterable[str], ref: str) -> bool:
    """Whether work on something waits or runs now, for pages that show it while it moves."""
    return WorkItem.objects.filter(
        tenant_id=tenant_id, kind__in=list(kinds), ref=ref, state__in=[WorkItem.State.READY, WorkItem.State.RUNNING]
    ).exists()


@admin.register(AuditEntry)
class AuditEntryAdmin(RoleAdmin):
    """Who did what to what, when."""

    list_display = ("number", "when", "who", "said", "about")
    list_filter = (
        ("actor", AllValuesCheckboxFilter), ("action", AllValuesCheckboxFilter), ("subject", AllValuesCheckboxFilter),
        ("at", RangeDateTimeFilter),
    )  # fmt: skip
    list_filter_submit = True
    search_fields = ("subject_id", "actor", "request_id", "action")
    search_help_text = "Person, action, posting key, Gusto id or reference number"
    list_display_links = ("number",)
    list_per_page = 50
    actions = None
    list_title = "Audit trail"
    change_form_template = "audit/entry.html"
    list_before_template = "audit/chain.html"

    @display(description="When", ordering="at")
    def when(self, entry: AuditEntry) -> datetime | None:
        return entry.at

    @display(description="Who", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor or "by itself"

    @display(description="What")
    def said(self, entry: AuditEntry) -> str:
        return Truncator(trail.sentence(entry)).chars(SENTENCE_SHOWN)

    @display(description="About")
    def about(self, entry: AuditEntry) -> SafeString | str:
        link, words = about(entry.subject, entry.subject_id)
        return format_html('<a href="{}">{}</a>', link, words) if link else words

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("verify/", self.admin_site.admin_view(self.verify), name="audit_verify"),
            path("chain/", self.admin_site.admin_view(self.chain), name="audit_chain"),
        ]
        found: list[URLPattern] = super().get_urls()
        return own + found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **_chain(request)})
        return response

    def chain(self, request: HttpRequest) -> HttpResponse:
        """The head of the list alone, for a page that watches a verification."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return TemplateResponse(request, "audit/chain_state.html", {**_chain(request), "is_watched": True})

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Have the chain verified now."""
        if not has_role(request, VERIFIERS):
            raise PermissionDenied
        if request.method == "POST":
            if _progress() is None:
                trail.record("audit.verification_asked", subject="audit_trail")
            work.enqueue(verification.KIND, tenant_id=current_tenant())
        return HttpResponseRedirect(reverse("admin:audit_auditentry_changelist"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        if entry is None:
            raise Http404
        link, words = about(entry.subject, entry.subject_id)
        changes, facts = changes_of(entry.facts)
        context = {
            "entry": entry,
            "changes": changes,
            "entry_facts": facts,
            "title": f"Audit entry {entry.number}",
            "crumbs": [("Audit trail", reverse("admin:audit_auditentry_changelist")), (f"Entry {entry.number}", "")],
            "sentence": trail.sentence(entry),
            "about_link": link,
            "about_words": words,
            "seal": bytes(entry.seal).hex(),
        }
        return self.draw(request, object_id, extra_context, **context)


def _progress() -> work.Progress | None:
    return work.progress_of(current_tenant(), [verification.KIND])


def _chain(request: HttpRequest) -> dict[str, Any]:
    """What the head of the list shows. `looks` counts how often a page has looked: it looks less often after a while."""
    looks = request.GET.get("looks", "0")
    number = int(looks) + 1 if looks.isdecimal() and len(looks) < 6 else 1
    return {
        "chain": verification.last(),
        "progress": _progress(),
        "may_verify": has_role(request, VERIFIERS),
        "looks": number,
        "looks_again_seconds": 1 if number <= 30 else 5,
    }


def changes_of(facts: dict[str, Any]) -> tuple[list[tuple[str, Any, Any]], list[tuple[str, Any]]]:
    """The facts of an entry: (name, before, after) of what it says both of, and (name, value) of the rest. Secrets were
    masked before they were written.
    """
    before, after = facts.get("before"), facts.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [], list(facts.items())
    names = list(dict.fromkeys([*before, *after]))
    rest = [(name, value) for name, value in facts.items() if name not in ("before", "after")]
    return [(name, before.get(name, ""), after.get(name, "")) for name in names], rest


def about(subject: str, subject_id: str) -> tuple[str, str]:
    """(link or empty, words) of what an entry speaks of."""
    words = subject.replace("_", " ").capitalize()
    if subject in LISTS and subject_id:
        return f"{reverse(LISTS[subject])}?q={subject_id}", words
    if subject in PAGES and subject_id.isdigit():
        try:
            return reverse(PAGES[subject], args=[subject_id]), words
        except NoReverseMatch:
            return "", words
    return "", words


@admin.register(Exchange)
class ExchangeAdmin(RoleAdmin):
    """One request to an outside system and its answer, masked."""

    list_display = ("started_at", "system", "call", "outcome_shown", "milliseconds", "about")
    list_filter = (
        ("system", AllValuesCheckboxFilter),
        ("outcome", AllValuesCheckboxFilter),
        "is_write",
        ("started_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("about", "request_id", "path")
    search_help_text = "Posting key, Gusto id, path or reference number"
    list_per_page = 50
    actions = None
    change_form_template = "audit/exchange.html"

    @display(description="Request", ordering="path")
    def call(self, exchange: Exchange) -> SafeString:
        path = exchange.path if len(exchange.path) <= 90 else exchange.path[:89] + "…"
        return format_html('<span class="mono">{} {}</span>', exchange.method, path)

    @display(description="Answer", ordering="status")
    def outcome_shown(self, exchange: Exchange) -> str:
        return render_to_string("console/parts/state.html", {"name": _outcome(exchange), "note": exchange.status or ""})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        exchange = self.get_object(request, object_id)
        if exchange is None:
            raise Http404
        context = {
            "exchange": exchange,
            "outcome": _outcome(exchange),
            "title": f"{exchange.method} {exchange.host}",
            "crumbs": [("Exchanges", reverse("admin:audit_exchange_changelist")), (f"Exchange {exchange.pk}", "")],
        }
        return self.draw(request, object_id, extra_context, **context)


def _outcome(exchange: Exchange) -> str:
    if exchange.outcome == "answered":
        return "answered" if (exchange.status or 0) < 400 else "declined"
    return OUTCOMES.get(exchange.outcome, exchange.outcome)
