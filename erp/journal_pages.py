"""Journals in the console: the list, the page of one, and what can be done with it.

Nothing here is edited in a form. Every action is a page of its own that states its effect before the click; the address
of a hidden action still answers, so each checks state and role again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from audit import trail, work
from audit.exchange import ExchangeError
from erp import decisions, reversal
from erp.connector import CONNECTORS, connector_class
from erp.journal_rows import BY_ACCOUNT, journal_table
from erp.models import Posting
from erp.pages import MOVING, TYPES, chip, confirm, may_see_pay, posting_title, why_blocked
from erp.repairs import repair_of_posting
from erp.states import NotAllowed
from erp.timeline import attempts_in_words, timeline
from erp.why import people_behind, why
from mappings.faults import day_words
from mappings.journal import JournalKind
from tenants.admin import RoleAdmin, has_role
from tenants.middleware import membership_of, unscoped
from tenants.models import Role
from tenants.scope import tenant_scope

#: Attempts on a page; all requests are among the exchanges.
ATTEMPTS_SHOWN = 20


class Action(NamedTuple):
    """What a person can do with a posting. `states` are those that offer it; the rest are words before and after."""

    roles: tuple[Role, ...]
    states: tuple[str, ...]
    title: str
    sentence: str
    button: str
    done: str
    asks_reason: bool = False


ACTIONS: dict[str, Action] = {
    "approve": Action(
        (Role.APPROVER,), ("allocated",), "Approve and send", "", "Approve and send",
        "Approved. It goes out at the next free moment.",
    ),
    "withdraw": Action(
        (Role.APPROVER,), ("approved",), "Withdraw the approval",
        "The journal waits for approval again. Nothing was sent.", "Withdraw approval",
        "The approval is withdrawn. Nothing was sent.",
    ),
    "replay": Action(
        (Role.OWNER, Role.PREPARER), ("blocked", "allocated"), "Replay this journal",
        "What was never sent is allocated again with the approved mapping of its check date. What was sent is asked for "
        "in the ledger first; it is never sent twice.", "Replay journal",
        "The journal is replayed. Usually a minute.",
    ),
    "look": Action(
        (Role.OWNER, Role.PREPARER, Role.APPROVER), ("sending", "entered"), "Ask the ledger now",
        "We ask the ledger first. We never send twice.", "Ask the ledger now", "The ledger is being asked.",
    ),
    "void": Action(
        (Role.OWNER, Role.PREPARER), ("allocated", "blocked"), "Give this journal up",
        "Gives this posting up for good. It is possible only while the ERP holds nothing of it; if something was sent, the "
        "ERP is asked now.", "Void posting", "The posting is given up.", asks_reason=True,
    ),
    "reverse": Action(
        (Role.APPROVER,), ("entered", "posted"), "Create a reversal",
        "Creates a second journal with sides swapped, on the original posting date if that fiscal period is open, else on "
        "the first day of the next open one. The first stays as it is.", "Create reversal",
        "This is the reversal. Another approver releases it, as every journal.", asks_reason=True,
    ),
}  # fmt: skip


@admin.register(Posting)
class PostingAdmin(RoleAdmin):
    """List of journals and the page of one, with its actions."""

    list_display = (
        "shown", "legal_entity", "company_code", "state_shown", "document_number", "posting_key", "debit_shown",
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("legal_entity", RelatedDropdownFilter),
    )
    list_filter_submit = True
    search_fields = ("posting_key", "document_number", "company_code", "payroll_run__payroll_uuid")
    search_help_text = "Document number, posting key, company code or Gusto id"
    date_hierarchy = "posting_date"
    list_per_page = 25
    change_form_template = "erp/posting.html"
    actions = None
    ordering = ("-posting_date", "-id")
    list_title = "Journals"
    empty_sentence = "No journal yet. A payroll run gets its journals as soon as it was read."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        found: QuerySet[Posting] = super().get_queryset(request)
        return found.select_related(
            "legal_entity", "payroll_run", "connection", "mapping_table", "reverses__payroll_run"
        )

    @display(description="Posting date", header=True, ordering="posting_date")
    def shown(self, posting: Posting) -> tuple[str, str]:
        if posting.reverses is not None:
            return day_words(posting.posting_date), posting_title(posting)
        run = posting.payroll_run
        kind = TYPES.get(run.payroll_type, "Payroll").removesuffix(" payroll")
        return day_words(posting.posting_date), f"{kind}, {run.off_cycle_reason}" if run.off_cycle_reason else kind

    @display(description="State", ordering="state")
    def state_shown(self, posting: Posting) -> str:
        return chip(posting.state, why_blocked(posting))

    @display(description="Debits", ordering="debit")
    def debit_shown(self, posting: Posting) -> str:
        return f"{posting.debit:,.2f}"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:object_id>/{name}/", self._action_view(name), name=f"erp_posting_{name}") for name in ACTIONS
        ]
        people = self.admin_site.admin_view(self.people)
        own.append(path("<int:object_id>/people/<int:number>/", people, name="erp_posting_people"))
        found: list[URLPattern] = super().get_urls()
        return [*own, *found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        posting = self.get_object(request, object_id)
        if posting is None:
            raise Http404
        context = {
            **_facts(posting, request.GET.get("by", BY_ACCOUNT)),
            "title": posting_title(posting),
            "printed_by": request.user.get_username(),
            "crumbs": [
                ("Journals", reverse("admin:erp_posting_changelist")),
                (f"{day_words(posting.posting_date)}, company code {posting.company_code}", ""),
            ],
            "timeline": timeline(("posting", posting.posting_key)),
            "attempts": attempts_in_words(posting.attempts.all()[:ATTEMPTS_SHOWN]),
            "offered": self._offered(request, posting),
            "repair": repair_of_posting(posting) if posting.state == Posting.State.BLOCKED else None,
            "may_see_pay": may_see_pay(request),
            "why": why(posting, int(asked)) if (asked := request.GET.get("why", "")).isdecimal() else None,
            "ties_out": next((row for row in posting.payroll_run.tie_out if row["name"] == "T8 debits"), None),
            "looks_again_seconds": MOVING.get(Posting.State(posting.state), 0),
        }
        return self.draw(request, object_id, extra_context, **context)

    def people(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        """The employees behind one journal line. A POST, because the look is recorded."""
        posting = self.get_object(request, str(object_id))
        if posting is None or not may_see_pay(request):
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = people_behind(posting, number)
        if not found:
            raise Http404
        trail.record(
            "posting.people_looked_up", subject="posting", subject_id=posting.posting_key,
            posting_key=posting.posting_key, line=number,
        )  # fmt: skip
        page = reverse("admin:erp_posting_change", args=[object_id])
        line = posting.lines.get(number=number)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Employees behind line {number}",
            "crumbs": [
                ("Journals", reverse("admin:erp_posting_changelist")), (posting_title(posting), page), (f"Line {number}", ""),
            ],
            "posting": posting,
            "line": line,
            "people": found,
            "back": f"{page}?why={number}#line-{number}",
        }  # fmt: skip
        return TemplateResponse(request, "erp/people.html", context)

    def _offered(self, request: HttpRequest, posting: Posting) -> list[dict[str, str]]:
        """The actions that this person sees: a missing right hides, a rule explains."""
        found = []
        for name, action in ACTIONS.items():
            if posting.state not in action.states or not has_role(request, action.roles):
                continue
            if name == "reverse" and (
                posting.kind == JournalKind.REVERSAL.value or posting.reversals.exclude(state="voided").exists()
            ):
                continue
            why_not = ""
            if name == "approve" and request.user.get_username() in posting.prepared_by:
                why_not = "You prepared this journal. Someone else approves it."
            elif name == "approve" and posting.is_held:
                why_not = "The payroll run is blocked."
            button = "Ask the ledger now" if name == "replay" and posting.was_sent else action.button
            link = reverse(f"admin:erp_posting_{name}", args=[posting.pk])
            found.append({"name": name, "button": button, "why_not": why_not, "link": link})
        return found

    def _action_view(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: int) -> HttpResponse:
            return self._act(request, name, object_id)

        # Unscoped: giving up asks the ERP first, outside any transaction.
        wrapped: Callable[..., HttpResponse] = unscoped(self.admin_site.admin_view(view))
        return wrapped

    def _act(self, request: HttpRequest, name: str, posting_id: int) -> HttpResponse:
        membership = membership_of(request)
        if membership is None or not membership.has_role(*ACTIONS[name].roles):
            raise Http404
        if request.method != "POST":
            with tenant_scope(membership.tenant_id):
                return self._ask(request, name, posting_id)
        reason = request.POST.get("reason", "").strip()
        if ACTIONS[name].asks_reason and not reason:
            messages.error(request, "Say why: the reason goes into the audit trail.")
            return HttpResponseRedirect(reverse(f"admin:erp_posting_{name}", args=[posting_id]))
        page = reverse("admin:erp_posting_change", args=[posting_id])
        try:
            page = self._do(name, membership.tenant_id, posting_id, request.user.get_username(), reason) or page
        except Posting.DoesNotExist:
            raise Http404 from None
        except NotAllowed as refused:
            messages.error(request, refused.sentence)
        except ExchangeError as error:
            messages.error(request, f"{error.sentence} Nothing was changed.")
        else:
            messages.success(request, ACTIONS[name].done)
        return HttpResponseRedirect(page)

    def _ask(self, request: HttpRequest, name: str, posting_id: int) -> HttpResponse:
        """The page before the click: what it will do, with the figures it will do it with."""
        action = ACTIONS[name]
        posting = self.get_queryset(request).filter(pk=posting_id).first()
        if posting is None:
            raise Http404
        page = reverse("admin:erp_posting_change", args=[posting_id])
        if posting.state not in action.states:
            messages.warning(request, f"This journal is {posting.get_state_display().lower()} by now.")
            return HttpResponseRedirect(page)
        sentence = connector_class(posting.connection.system).effect_sentence if name == "approve" else action.sentence
        crumbs = [
            ("Journals", reverse("admin:erp_posting_changelist")),
            (posting_title(posting), page),
            (action.title, ""),
        ]
        response = confirm(
            self, request, action.title, page, sentence, action.button, crumbs=crumbs, asks_reason=action.asks_reason,
            subject=posting_title(posting), **_facts(posting),
        )  # fmt: skip
        # Rendered here, because the scope ends before the middleware would do it.
        response.render()
        return response

    def _do(self, name: str, tenant_id: UUID, posting_id: int, by: str, reason: str) -> str:
        """Act; returns the page to go to, empty = the posting's own. Raises what the phases raise."""
        if name == "void":
            decisions.void(tenant_id, posting_id, by, reason)
            return ""
        with tenant_scope(tenant_id):
            posting = Posting.objects.get(pk=posting_id)
            if name == "approve":
                if posting.approved_by == by and posting.state in MOVING:
                    return ""  # the second click of a double click
                decisions.approve(posting, by)
            elif name == "withdraw":
                decisions.withdraw_approval(posting, by)
            elif name == "look":
                work.enqueue("erp.post", str(posting.pk), tenant_id=tenant_id)
            elif name == "reverse":
                return reverse("admin:erp_posting_change", args=[reversal.reverse(posting, by, reason).pk])
            elif name == "replay":
                decisions.replay(posting, by)
                if not posting.was_sent and posting.kind != JournalKind.REVERSAL.value:
                    # Its journal is built anew as another posting; the run's page outlives that.
                    return reverse("admin:gusto_payrollrun_change", args=[posting.payroll_run_id])
            return ""


def _facts(posting: Posting, by: str = BY_ACCOUNT) -> dict[str, Any]:
    """What a page and a confirmation repeat of a journal."""
    return {
        "posting": posting,
        "journal": journal_table(posting, by),
        "system_label": CONNECTORS[posting.connection.system][0],
    }
