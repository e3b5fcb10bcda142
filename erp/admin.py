"""Payroll runs and their journals in the console: what stands where, why something waits, and what can be done.

Nothing here is edited in a form. Every action is a page of its own that states its effect before the click; the address
of a hidden action still answers, so each checks state and role again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit import trail, work
from audit.exchange import ExchangeError
from audit.models import AuditEntry, Exchange
from erp import posting as phases
from erp import reversal
from erp.building import replay_run
from erp.connector import CONNECTORS, connector_class
from erp.models import Posting
from gusto.models import PayrollRun
from mappings.journal import ZERO
from tenants.admin import RoleAdmin, has_role
from tenants.middleware import membership_of, unscoped
from tenants.models import Role
from tenants.scope import tenant_scope

#: Entries of the trail on a page; older ones are in the audit trail.
TIMELINE_ENTRIES = 40


def chip(name: str, note: str = "") -> SafeString:
    """The state chip of the console's frame, which stands above this floor and is reached through its template tag."""
    from django.template import engines  # noqa: PLC0415 - the engines are ready only when a page is drawn

    source = engines["django"].from_string("{% load console %}{% state name note %}")
    return SafeString(source.render({"name": name, "note": note}).strip())


def timeline(*subjects: tuple[str, str]) -> list[dict[str, Any]]:
    """What happened to these subjects, newest first."""
    found: list[AuditEntry] = []
    for subject, subject_id in subjects:
        found += AuditEntry.objects.filter(subject=subject, subject_id=subject_id).order_by("-number")[
            :TIMELINE_ENTRIES
        ]
    found.sort(key=lambda entry: -entry.number)
    return [
        {"at": entry.at, "who": entry.actor or "by itself", "sentence": trail.sentence(entry)}
        for entry in found[:TIMELINE_ENTRIES]
    ]


@admin.register(PayrollRun)
class PayrollRunAdmin(RoleAdmin):
    """List and page of payroll runs."""

    list_display = ("shown", "legal_entity", "state_shown", "employees", "debit_shown", "documents_shown")
    list_filter = ("state", "legal_entity", "payroll_type")
    search_fields = ("payroll_uuid", "postings__document_number", "postings__posting_key")
    date_hierarchy = "check_date"
    list_per_page = 25
    ordering = ("-check_date", "-id")
    change_form_template = "erp/payroll_run.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayrollRun]:
        found: QuerySet[PayrollRun] = super().get_queryset(request)
        return found.select_related("legal_entity").prefetch_related("postings")

    @display(description="Check date", header=True, ordering="check_date")
    def shown(self, run: PayrollRun) -> tuple[str, str]:
        kind = run.get_payroll_type_display() if hasattr(run, "get_payroll_type_display") else run.payroll_type
        second = kind.replace("_", "-").capitalize() if kind else "Not read yet"
        return (
            f"{run.check_date:%-d %b %Y}" if run.check_date else run.payroll_uuid,
            f"{second}, {run.off_cycle_reason}" if run.off_cycle_reason else second,
        )

    @display(description="State")
    def state_shown(self, run: PayrollRun) -> SafeString:
        live = _live(run)
        if run.state == PayrollRun.State.READ and live:
            return SafeString(" ".join(chip(posting.state, posting.company_code) for posting in live))
        return chip(run.state, run.reason.replace("_", "-"))

    @display(description="Debits")
    def debit_shown(self, run: PayrollRun) -> str:
        total = sum((posting.debit for posting in _live(run) if posting.kind == "PAYROLL"), ZERO)
        return f"{total:,.2f}" if total else ""

    @display(description="Document numbers")
    def documents_shown(self, run: PayrollRun) -> str:
        return ", ".join(posting.document_number for posting in _live(run) if posting.document_number)

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:object_id>/replay/", self.admin_site.admin_view(self.replay), name="gusto_payrollrun_replay")
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        postings = list(run.postings.select_related("reverses").order_by("id"))
        context = {
            "run": run,
            "postings": postings,
            "timeline": timeline(
                ("payroll_run", run.payroll_uuid), *(("posting", posting.posting_key) for posting in postings)
            ),
            "may_replay": has_role(request, (Role.OWNER, Role.PREPARER)) and run.state != PayrollRun.State.WITHDRAWN,
            "ledger_rows": sorted(run.ledger_report.get("types", {}).items()) if run.ledger_report else [],
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read the payroll again and allocate it with the approved mapping of its check date."""
        run = self.get_object(request, str(object_id))
        if run is None or not has_role(request, (Role.OWNER, Role.PREPARER)):
            raise Http404
        page = reverse("admin:gusto_payrollrun_change", args=[object_id])
        if request.method != "POST":
            return _confirm(
                self, request, "Replay this payroll run", page,
                "The payroll run is read from Gusto again and allocated with the approved mapping of its check date. "
                "Nothing that was sent is sent again.", "Replay payroll run",
            )  # fmt: skip
        replay_run(run, request.user.get_username())
        messages.success(request, "The payroll run is read again. Usually a minute.")
        return HttpResponseRedirect(page)


def _live(run: PayrollRun) -> list[Posting]:
    return [posting for posting in run.postings.all() if posting.state != Posting.State.VOIDED]


#: Name of an action -> who may, the states that offer it, title, sentence before the click, words of the button.
ACTIONS: dict[str, tuple[tuple[Role, ...], tuple[str, ...], str, str, str]] = {
    "approve": ((Role.APPROVER,), ("allocated",), "Approve and send", "", "Approve and send"),
    "withdraw": (
        (Role.APPROVER,), ("approved",), "Withdraw the approval",
        "The journal waits for approval again. Nothing was sent.", "Withdraw approval",
    ),
    "replay": (
        (Role.OWNER, Role.PREPARER), ("blocked", "allocated"), "Replay this journal",
        "What was never sent is allocated again with the approved mapping of its check date. What was sent is asked for "
        "in the ledger first; it is never sent twice.", "Replay journal",
    ),
    "look": (
        (Role.OWNER, Role.PREPARER, Role.APPROVER), ("sending", "entered"), "Ask the ledger now",
        "We ask the ledger first. We never send twice.", "Ask the ledger now",
    ),
    "void": (
        (Role.OWNER, Role.PREPARER), ("allocated", "blocked"), "Give this journal up",
        "Gives this posting up for good. It is possible only while the ERP holds nothing of it; if something was sent, the "
        "ERP is asked now.", "Void posting",
    ),
    "reverse": (
        (Role.APPROVER,), ("entered", "posted"), "Create a reversal",
        "Creates a second journal with sides swapped, on the original posting date if that fiscal period is open, else on "
        "the first day of the next open one. The first stays as it is.", "Create reversal",
    ),
}  # fmt: skip


@admin.register(Posting)
class PostingAdmin(RoleAdmin):
    """List of journals and the page of one, with its actions."""

    list_display = (
        "shown",
        "legal_entity",
        "kind",
        "company_code",
        "posting_date",
        "state_shown",
        "debit_shown",
        "document_number",
    )
    list_filter = ("state", "reason", "company_code", "kind", "legal_entity")
    search_fields = ("posting_key", "document_number", "payroll_run__payroll_uuid")
    date_hierarchy = "posting_date"
    list_per_page = 25
    change_form_template = "erp/posting.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        found: QuerySet[Posting] = super().get_queryset(request)
        return found.select_related("legal_entity", "payroll_run", "connection", "mapping_table", "reverses")

    @display(description="Journal", header=True, ordering="posting_key")
    def shown(self, posting: Posting) -> tuple[str, str]:
        return posting.posting_key, posting.header_text

    @display(description="State", ordering="state")
    def state_shown(self, posting: Posting) -> SafeString:
        return chip(posting.state, posting.get_reason_display())

    @display(description="Debits", ordering="debit")
    def debit_shown(self, posting: Posting) -> str:
        return f"{posting.debit:,.2f}"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:object_id>/{name}/", self._action_view(name), name=f"erp_posting_{name}") for name in ACTIONS
        ]
        found: list[URLPattern] = super().get_urls()
        return [*own, *found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        posting = self.get_object(request, object_id)
        if posting is None:
            raise Http404
        context = {
            **_facts(posting),
            "timeline": timeline(("posting", posting.posting_key)),
            "attempts": posting.attempts.all()[:20],
            "offered": self._offered(request, posting),
            "exchanges": Exchange.objects.filter(about=posting.posting_key).count(),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def _offered(self, request: HttpRequest, posting: Posting) -> list[dict[str, str]]:
        """The actions that this person sees: a missing right hides, a rule explains."""
        found = []
        for name, (roles, states, _, _, button) in ACTIONS.items():
            if posting.state not in states or not has_role(request, roles):
                continue
            if name == "reverse" and (posting.kind == "REVERSAL" or posting.reversals.exclude(state="voided").exists()):
                continue
            why_not = ""
            if name == "approve" and request.user.get_username() in posting.prepared_by:
                why_not = "You prepared this journal. Someone else approves it."
            found.append(
                {
                    "name": name,
                    "button": button,
                    "why_not": why_not,
                    "link": reverse(f"admin:erp_posting_{name}", args=[posting.pk]),
                }
            )
        return found

    def _action_view(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: int) -> HttpResponse:
            return self._act(request, name, object_id)

        view.is_unscoped = True  # type: ignore[attr-defined] - giving up asks the ERP first, outside any transaction
        wrapped: Callable[..., HttpResponse] = unscoped(self.admin_site.admin_view(view))
        return wrapped

    def _act(self, request: HttpRequest, name: str, posting_id: int) -> HttpResponse:
        membership = membership_of(request)
        roles, states, title, sentence, button = ACTIONS[name]
        if membership is None or not membership.has_role(*roles):
            raise Http404
        tenant_id = membership.tenant_id
        page = reverse("admin:erp_posting_change", args=[posting_id])
        by = request.user.get_username()
        if request.method != "POST":
            with tenant_scope(tenant_id):
                posting = Posting.objects.select_related("connection", "legal_entity").filter(pk=posting_id).first()
                if posting is None:
                    raise Http404
                if posting.state not in states:
                    messages.warning(request, f"This journal is {posting.get_state_display().lower()} by now.")
                    return HttpResponseRedirect(page)
                if name == "approve":
                    sentence = connector_class(posting.connection.system).effect_sentence
                response = _confirm(
                    self,
                    request,
                    title,
                    page,
                    sentence,
                    button,
                    asks_reason=name in {"void", "reverse"},
                    **_facts(posting),
                )
                response.render()
                return response
        reason = request.POST.get("reason", "").strip()
        if name in {"void", "reverse"} and not reason:
            messages.error(request, "Say why: the reason goes into the audit trail.")
            return HttpResponseRedirect(reverse(f"admin:erp_posting_{name}", args=[posting_id]))
        try:
            if name == "void":
                phases.void(tenant_id, posting_id, by, reason)
            else:
                with tenant_scope(tenant_id):
                    posting = Posting.objects.filter(pk=posting_id).first()
                    if posting is None:
                        raise Http404
                    if name == "approve":
                        phases.approve(posting, by)
                    elif name == "withdraw":
                        phases.withdraw_approval(posting, by)
                    elif name == "replay":
                        phases.replay(posting, by)
                    elif name == "look":
                        work.enqueue("erp.post", str(posting.pk), tenant_id=tenant_id)
                    else:
                        made = reversal.reverse(posting, by, reason)
                        page = reverse("admin:erp_posting_change", args=[made.pk])
        except Posting.DoesNotExist:
            raise Http404 from None
        except phases.NotAllowed as refused:
            messages.error(request, refused.sentence)
        except ExchangeError as error:
            messages.error(request, f"{error.sentence} Nothing was changed.")
        else:
            messages.success(request, f"{title}: done.")
        return HttpResponseRedirect(page)


def _facts(posting: Posting) -> dict[str, Any]:
    """What a page and a confirmation repeat of a journal."""
    lines = list(posting.lines.all())
    return {
        "posting": posting,
        "lines": lines,
        "residual": sum((line.debit - line.credit for line in lines), ZERO),
        "system_label": CONNECTORS[posting.connection.system][0],
    }


def _confirm(
    model_admin: RoleAdmin, request: HttpRequest, title: str, back: str, sentence: str, button: str,
    asks_reason: bool = False, **context: Any,
) -> TemplateResponse:  # fmt: skip
    return TemplateResponse(
        request,
        "console/confirm.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "back": back,
            "sentence": sentence,
            "button": button,
            "asks_reason": asks_reason,
            **context,
        },
    )
