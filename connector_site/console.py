"""The console's frame: who may enter, the navigation, the tenant switch and the home page.

Pages themselves are Django admin pages of each floor (`admin.py`), drawn by django-unfold.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from audit import trail
from erp.models import Posting
from gusto.models import PayrollRun
from tenants.middleware import SESSION_TENANT, membership_of, unscoped
from tenants.models import Connection, LegalEntity, Membership, Role

#: Runs that the sentence on the home page speaks of.
RECENT_RUNS = 6
#: Things listed under "Waits for you" before "and N more".
WAITING_SHOWN = 5


class SignInForm(AuthenticationForm):
    """Members sign in; being "staff" is no idea of this product."""

    def confirm_login_allowed(self, user: Any) -> None:
        if not user.is_active:
            raise ValidationError("This person was switched off.", code="inactive")


class ConsoleSite(UnfoldAdminSite):
    """The one admin site. Its index is the home page; its pages open under /console/."""

    index_title = "Home"
    index_template = "console/home.html"
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(user.is_active and (membership_of(request) is not None or getattr(user, "is_superuser", False)))

    def get_urls(self) -> list[URLPattern]:
        own = [path("tenant/", self.admin_view(_switch_tenant), name="switch_tenant")]
        return own + super().get_urls()

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # The upstream view caches results by person and term but not by tenant: after a switch it would show the other's.
        return HttpResponse()


@unscoped
@require_POST
def _switch_tenant(request: HttpRequest) -> HttpResponse:
    """Choose another tenant of one's own; every form of the old one is gone with the session's choice."""
    wanted = request.POST.get("tenant", "")
    memberships = Membership.objects.filter(user=request.user)
    found = memberships.filter(tenant__slug=wanted).select_related("tenant").first()
    if found is None:
        messages.error(request, "You are not a member of that tenant.")
    else:
        request.session[SESSION_TENANT] = str(found.tenant_id)
    return HttpResponseRedirect(reverse("admin:index"))


def stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def environment(request: HttpRequest) -> list[str] | None:
    """The badge beside the title wherever a connection leads to the sandbox instead of a vendor."""
    from django.conf import settings  # noqa: PLC0415 - read when a page is drawn

    return ["Sandbox", "warning"] if settings.SANDBOX_ALLOWED else None


def subheader(request: HttpRequest) -> str:
    membership = membership_of(request)
    return membership.tenant.name if membership else "Operator"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Only what this person may open."""
    membership = membership_of(request)
    groups: list[dict[str, Any]] = []
    if membership is not None:
        groups.append(
            {
                "items": [
                    _item("Home", "home", "admin:index"),
                    _item("Payroll runs", "payments", "admin:gusto_payrollrun_changelist"),
                    _item("Journals", "balance", "admin:erp_posting_changelist"),
                    _item("Mapping", "account_tree", "admin:mappings_mappingtable_changelist"),
                ]
            }
        )
        groups.append(
            {
                "separator": True,
                "items": [
                    _item("Legal entities", "domain", "admin:tenants_legalentity_changelist"),
                    _item("Connections", "cable", "admin:tenants_connection_changelist"),
                    _item("Main accounts", "list_alt", "admin:mappings_mainaccount_changelist"),
                    _item("Audit trail", "policy", "admin:audit_auditentry_changelist"),
                    _item("Exchanges", "swap_horiz", "admin:audit_exchange_changelist"),
                ]
                + ([_item("Members", "group", "admin:tenants_membership_changelist")] if _is_owner(membership) else []),
            }
        )
    if getattr(request.user, "is_superuser", False):
        groups.append(
            {
                "title": "Operator",
                "separator": True,
                "items": [
                    _item("Tenants", "apartment", "admin:tenants_tenant_changelist"),
                    _item("Gusto application", "key", "admin:gusto_gustoapplication_changelist"),
                    _item("Notices from Gusto", "notifications", "admin:gusto_webhookevent_changelist"),
                    _item("Work", "work_history", "admin:audit_workitem_changelist"),
                ],
            }
        )
    return groups


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(name)}


def _is_owner(membership: Membership) -> bool:
    return membership.has_role(Role.OWNER)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The figures of the home page: the answer, what waits for this person, the last runs, the connections."""
    membership = membership_of(request)
    context["membership"] = membership
    if membership is None:
        return context
    context["other_tenants"] = (
        Membership.objects.filter(user=request.user)
        .exclude(pk=membership.pk)
        .select_related("tenant")
        .order_by("tenant__name")
    )
    runs = list(PayrollRun.objects.select_related("legal_entity").prefetch_related("postings")[:RECENT_RUNS])
    context["runs"] = [{"run": run, "postings": [p for p in run.postings.all() if p.state != "voided"]} for run in runs]
    context["answer"] = answer(context["runs"])
    waiting = waits_for(membership, request.user.get_username())
    context["waiting"], context["waiting_more"] = waiting[:WAITING_SHOWN], max(0, len(waiting) - WAITING_SHOWN)
    context["connections"] = Connection.objects.order_by("name")
    context["entities"] = LegalEntity.objects.select_related("gusto_connection", "erp_connection").order_by("name")
    context["broken_chain"] = _broken_chain(membership)
    return context


def answer(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """(tone, sentence) to the one question: is my payroll in the ledger?"""
    if not rows:
        return "rest", "No payroll run yet."
    posted = entered = blocked = waiting = under_way = 0
    for row in rows:
        states = {posting.state for posting in row["postings"]}
        run = row["run"]
        if run.state == PayrollRun.State.BLOCKED or "blocked" in states:
            blocked += 1
        elif "allocated" in states:
            waiting += 1
        elif states and states <= {"posted"}:
            posted += 1
        elif states and states <= {"posted", "entered"}:
            entered += 1
        elif run.state in {PayrollRun.State.IGNORED, PayrollRun.State.WITHDRAWN} and not states:
            posted += 1
        else:
            under_way += 1
    whole = len(rows)
    if posted == whole:
        return "done", (
            "The last payroll run is posted." if whole == 1 else f"All of the last {whole} payroll runs are posted."
        )
    parts = [f"{posted} of the last {whole} payroll runs {'is' if posted == 1 else 'are'} posted."]
    if entered:
        parts.append(f"{entered} {'is' if entered == 1 else 'are'} entered in the ERP and not yet posted there.")
    if waiting:
        parts.append(f"{waiting} {'waits' if waiting == 1 else 'wait'} for approval.")
    if blocked:
        parts.append(f"{blocked} {'is' if blocked == 1 else 'are'} blocked.")
    if under_way:
        parts.append(f"{under_way} {'is' if under_way == 1 else 'are'} on the way.")
    return ("stop" if blocked else "wait" if waiting else "move"), " ".join(parts)


def waits_for(membership: Membership, username: str) -> list[dict[str, str]]:
    """What this person can do something about, worst first: tone, icon, sentence, link, button."""
    found: list[dict[str, str]] = []
    if membership.has_role(Role.OWNER, Role.PREPARER):
        for run in PayrollRun.objects.filter(state=PayrollRun.State.BLOCKED).order_by("check_date"):
            found.append(
                _todo(
                    "stop", "report", f"Blocked: {run.sentence}", "admin:gusto_payrollrun_change", run.pk, "Look at it"
                )
            )
        for posting in Posting.objects.filter(state=Posting.State.BLOCKED).order_by("posting_date"):
            found.append(
                _todo(
                    "stop",
                    "report",
                    f"Blocked: {posting.sentence}",
                    "admin:erp_posting_change",
                    posting.pk,
                    "Look at it",
                )
            )
    if membership.has_role(Role.OWNER):
        for connection in Connection.objects.filter(health=Connection.Health.BROKEN).order_by("name"):
            sentence = f"{connection.name}: {connection.health_sentence}"
            found.append(
                _todo(
                    "stop", "key", sentence, "admin:tenants_connection_change", connection.pk, "Repair the connection"
                )
            )
    if membership.has_role(Role.APPROVER):
        for posting in Posting.objects.filter(state=Posting.State.ALLOCATED).order_by("posting_date"):
            if username in posting.prepared_by:
                continue
            sentence = f"Approve {posting.debit:,.2f} for company code {posting.company_code}, {posting.header_text}."
            found.append(
                _todo("wait", "how_to_reg", sentence, "admin:erp_posting_change", posting.pk, "Review and approve")
            )
    return found


def _todo(tone: str, icon: str, sentence: str, name: str, pk: int, button: str) -> dict[str, str]:
    return {"tone": tone, "icon": icon, "sentence": sentence, "link": reverse(name, args=[pk]), "button": button}


def _broken_chain(membership: Membership) -> str:
    """The sentence of a broken audit chain, for those who must know."""
    if not membership.has_role(Role.OWNER, Role.AUDITOR):
        return ""
    found = trail.verify()
    return "" if found.is_intact else found.sentence
