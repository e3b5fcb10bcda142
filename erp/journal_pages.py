"""Journals in the console: the list, the page of one, and what can be done with it.

Nothing here is edited in a form. Every action is a page of its own that states its effect before the click; the address
of a hidden action still answers, so each checks state and role again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
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
from erp import decisions, posting_dates, reversal, unclear
from erp.connector import CONNECTORS, connector_class
from erp.journal_rows import BY_ACCOUNT, journal_table
from erp.models import Posting
from erp.pages import MOVING, REASON, TYPES, Asks, chip, confirm, may_see_pay, posting_title, why_blocked
from erp.repairs import repair_of_posting
from erp.states import NotAllowed
from erp.timeline import attempts_in_words, timeline
from erp.unclear import DOCUMENT_NUMBER_MAX, first_who_confirmed
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
    """What a person can do with a posting. `states` are those that offer it, BLOCKED for `reason` alone where that is given;
    the rest are words before and after.
    """

    roles: tuple[Role, ...]
    states: tuple[str, ...]
    title: str
    sentence: str
    button: str
    done: str
    asks: Asks | None = None
    reason: str = ""


#: Who may say what an ERP holds.
PEOPLE = (Role.OWNER, Role.PREPARER, Role.APPROVER)

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
        PEOPLE, ("sending", "entered"), "Ask the ledger now",
        "We ask the ledger first. We never send twice.", "Ask the ledger now", "The ledger is being asked.",
    ),
    "posting_date": Action(
        (Role.OWNER, Role.PREPARER), ("allocated", "blocked"), "Change the posting date",
        "The journal is dated on the day that you choose, which has to lie in an open fiscal period. Lines and amounts stay as "
        "they are, and a replay keeps the day. You have then prepared this journal.", "Change posting date",
        "The posting date is changed.", asks=Asks("posting_date", "Posting date", "A day in an open fiscal period.", "date"),
        reason="period",
    ),
    "found": Action(
        PEOPLE, ("blocked",), "I found it",
        "You looked in the ledger, and it shows the whole journal. It counts as posted with the document number that you enter; "
        "nothing is sent.", "It is there", "The journal counts as posted, as you say.",
        asks=Asks(
            "document_number", "Document number", "As the ledger shows it. It goes into the audit trail with your name.",
            length=DOCUMENT_NUMBER_MAX,
        ),
        reason="unclear",
    ),
    "not_there": Action(
        PEOPLE, ("blocked",), "It is not there: send again",
        "Two people have to confirm this, one of them an approver. You are the first: nothing is sent until a second person "
        "confirms it.", "It is not there", "You confirmed that it is not there.", reason="unclear",
    ),
    "take_back": Action(
        PEOPLE, ("blocked",), "Take back my confirmation",
        "You are not sure any more that the journal is not there. Nothing was sent.", "Take back my confirmation",
        "Your confirmation is taken back. Nothing was sent.", reason="unclear",
    ),
    "void": Action(
        (Role.OWNER, Role.PREPARER), ("allocated", "blocked"), "Give this journal up",
        "Gives this posting up for good. It is possible only while the ERP holds nothing of it; if something was sent, the "
        "ERP is asked now.", "Void posting", "The posting is given up.", asks=REASON,
    ),
    "reverse": Action(
        (Role.APPROVER,), ("entered", "posted"), "Create a reversal",
        "Creates a second journal with sides swapped, on the original posting date if that fiscal period is open, else on "
        "the first day of the next open one. The first stays as it is.", "Create reversal",
        "This is the reversal. Another approver releases it, as every journal.", asks=REASON,
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
            "repair": (
                repair_of_posting(posting, has_role(request, ACTIONS["posting_date"].roles))
                if posting.state == Posting.State.BLOCKED
                else None
            ),
            "first_who_confirmed": first_who_confirmed(posting),
            "erp_page": (
                connector_class(posting.connection.system).page(posting.connection.fields, posting.company_code)
                if posting.state == Posting.State.ENTERED
                else ""
            ),
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
            if not _is_offered(name, posting) or not has_role(request, action.roles):
                continue
            if name == "reverse" and (
                posting.kind == JournalKind.REVERSAL.value or posting.reversals.exclude(state="voided").exists()
            ):
                continue
            by, first, why_not = request.user.get_username(), first_who_confirmed(posting), ""
            if name == "take_back" and first != by:
                continue
            if name == "not_there" and first == by:
                why_not = "A second person has to confirm that it is not there."
            if name == "approve" and by in posting.prepared_by:
                why_not = "You prepared this journal. Someone else approves it."
            elif name == "approve" and posting.is_held:
                why_not = "The payroll run is blocked."
            button = "Ask the ledger now" if name == "replay" and posting.was_sent else action.button
            if name == "look" and posting.state == Posting.State.ENTERED:
                button = "Check now"
            elif name in {"found", "not_there"}:
                button = action.title
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
        asks = ACTIONS[name].asks
        said = request.POST.get(asks.name if asks else "digest", "").strip()
        if asks is REASON and not said:
            messages.error(request, "Say why: the reason goes into the audit trail.")
            return HttpResponseRedirect(reverse(f"admin:erp_posting_{name}", args=[posting_id]))
        page = reverse("admin:erp_posting_change", args=[posting_id])
        try:
            page = self._do(name, membership.tenant_id, posting_id, request.user.get_username(), said) or page
        except Posting.DoesNotExist:
            raise Http404 from None
        except NotAllowed as refused:
            if asks and asks is not REASON:
                # What was typed stays; where the state has moved on, that is said instead.
                with tenant_scope(membership.tenant_id):
                    return self._ask(request, name, posting_id, said, refused.sentence)
            messages.error(request, refused.sentence)
        except ExchangeError as error:
            messages.error(request, f"{error.sentence} Nothing was changed.")
        else:
            messages.success(request, ACTIONS[name].done)
        return HttpResponseRedirect(page)

    def _ask(
        self, request: HttpRequest, name: str, posting_id: int, typed: str = "", refused: str = ""
    ) -> HttpResponse:
        """The page before the click: what it will do, with the figures it will do it with. `refused`: why what was typed is
        not taken.
        """
        action = ACTIONS[name]
        posting = self.get_queryset(request).filter(pk=posting_id).first()
        if posting is None:
            raise Http404
        page = reverse("admin:erp_posting_change", args=[posting_id])
        if not _is_offered(name, posting):
            messages.warning(request, f"This journal is {posting.get_state_display().lower()} by now.")
            return HttpResponseRedirect(page)
        sentence, button = _words_before(name, posting)
        if name == "posting_date" and not refused:
            typed = request.GET.get("posting_date") or posting.posting_date.isoformat()
        crumbs = [
            ("Journals", reverse("admin:erp_posting_changelist")),
            (posting_title(posting), page),
            (action.title, ""),
        ]
        response = confirm(
            self, request, action.title, page, sentence, button, crumbs=crumbs, asks=action.asks, typed=typed,
            refused=refused, subject=posting_title(posting), **_facts(posting),
        )  # fmt: skip
        # Rendered here, because the scope ends before the middleware would do it.
        response.render()
        return response

    def _do(self, name: str, tenant_id: UUID, posting_id: int, by: str, said: str) -> str:
        """Act, with what the person typed, or saw (its digest). Returns the page to go to, empty = the posting's own. Raises
        what the phases raise.
        """
        if name == "void":
            decisions.void(tenant_id, posting_id, by, said)
            return ""
        with tenant_scope(tenant_id):
            posting = Posting.objects.get(pk=posting_id)
            if name == "approve":
                if posting.approved_by == by and posting.state in MOVING:
                    return ""  # the second click of a double click
                decisions.approve(posting, by, said)
            elif name == "withdraw":
                decisions.withdraw_approval(posting, by)
            elif name == "look":
                work.enqueue("erp.post", str(posting.pk), tenant_id=tenant_id)
            elif name == "reverse":
                return reverse("admin:erp_posting_change", args=[reversal.reverse(posting, by, said).pk])
            elif name == "posting_date":
                posting_dates.change_posting_date(posting, by, _day(said))
            elif name == "found":
                unclear.found_there(posting, by, said)
            elif name == "not_there":
                unclear.not_there(posting, by)
            elif name == "take_back":
                unclear.take_back(posting, by)
            elif name == "replay":
                decisions.replay(posting, by)
                if not posting.was_sent and posting.kind != JournalKind.REVERSAL.value:
                    # Its journal is built anew as another posting; the run's page outlives that.
                    return reverse("admin:gusto_payrollrun_change", args=[posting.payroll_run_id])
            return ""


def _is_offered(name: str, posting: Posting) -> bool:
    """Whether the state of a posting offers an action, whoever asks."""
    action = ACTIONS[name]
    if posting.state == Posting.State.BLOCKED and action.reason and posting.reason != action.reason:
        return False
    if name == "posting_date" and posting_dates.may_choose(posting):
        return False
    return posting.state in action.states


def _words_before(name: str, posting: Posting) -> tuple[str, str]:
    """(sentence, button) of the page before the click."""
    action = ACTIONS[name]
    first = first_who_confirmed(posting)
    if name == "approve":
        return connector_class(posting.connection.system).effect_sentence, action.button
    if name == "not_there" and first:
        label = CONNECTORS[posting.connection.system][0]
        return (
            f"{first} says that the journal is not there. If you say the same, it is sent again. We ask {label} first: what it "
            "shows is found and not sent twice; what it cannot show would be there twice.",
            "It is not there: send again",
        )
    return action.sentence, action.button


def _day(text: str) -> date:
    """Raises NotAllowed for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotAllowed("Enter the posting date as a day, such as 2026-12-01.") from None


def _facts(posting: Posting, by: str = BY_ACCOUNT) -> dict[str, Any]:
    """What a page and a confirmation repeat of a journal."""
    return {
        "posting": posting,
        "journal": journal_table(posting, by),
        "system_label": CONNECTORS[posting.connection.system][0],
    }
