"""The console's frame: who may enter, the navigation and the tenant switch.

Pages themselves are Django admin pages of each floor (`admin.py`), drawn by django-unfold; Home is in `home`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from connector_site import error_pages, onboarding, onboarding_pages, settings_pages
from connector_site.find import find
from connector_site.frame import Frame, frame_of
from tenants.middleware import SESSION_TENANT, membership_of, unscoped
from tenants.models import LegalEntity, Membership, Role, User
from tenants.scope import open_tenant


class ConsoleSite(UnfoldAdminSite):
    """The one admin site. Its index is the home page; its pages open under /console/."""

    index_title = "Home"
    index_template = "console/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(user.is_active and membership_of(request) is not None)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """As upstream; a form whose session ended is not led to the door without a word about what was typed."""
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if (
                request.method == "POST"
                and not request.user.is_authenticated
                and request.path != reverse("admin:logout")
            ):
                return error_pages.session_ended(
                    request, f"{reverse('account_login')}?{urlencode({'next': request.path})}"
                )
            response: HttpResponse = guarded(request, *args, **kwargs)
            return response

        return asked

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where Django sends whoever may not open a page: to the sign-in, or to a word about having no tenant."""
        if request.user.is_authenticated and not self.has_permission(request):
            if getattr(request.user, "is_superuser", False):
                return HttpResponseRedirect(reverse("operator:index"))
            return TemplateResponse(request, "account/no_tenant.html", self.each_context(request), status=403)
        onward = request.GET.get("next") or reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': onward})}")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One's own password has its page among the pages of sign-in."""
        return HttpResponseRedirect(reverse("account_change_password"))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("tenant/", self.admin_view(_switch_tenant), name="switch_tenant"),
            *onboarding_pages.urls(self),
            *settings_pages.urls(self),
        ]
        found: list[URLPattern] = super().get_urls()
        return own + found

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """What the frame of every page shows: the tenant, the others of this person, and what they may do here."""
        membership = membership_of(request)
        context["tenant_name"] = membership.tenant.name if membership else "ml-connector"
        context["tenant_note"] = _tenant_note(membership)
        context["other_tenants"] = _other_tenants(request, membership)
        context["roles_shown"] = ", ".join(Role(role).label for role in membership.roles) if membership else ""
        context["site_favicons"] = [{"rel": "icon", "href": static("console/icon.svg"), "type": "image/svg+xml"}]
        # There is no site besides the console to look at.
        context["site_url"] = None
        context["may_find"] = membership is not None
        frame = _frame(request)
        context["broken_chain"] = frame.broken_chain if frame else ""
        return context

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list of an app's models is no page of the console."""
        return HttpResponseRedirect(reverse("admin:index"))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ours: the upstream view keeps results by person and term but not by tenant, and would show the other's."""
        return find(request)


def _frame(request: HttpRequest) -> Frame | None:
    """What the frame counts, once per request; None for whoever is no member, and on pages that belong to no tenant."""
    membership = membership_of(request)
    if membership is None or open_tenant() is None:
        return None
    found: Frame | None = getattr(request, "frame", None)
    if found is None:
        found = frame_of(membership, request.user.get_username(), anew=request.path == reverse("admin:index"))
        request.frame = found  # type: ignore[attr-defined]
    return found


def _tenant_note(membership: Membership | None) -> str:
    if membership is None:
        return ""
    if open_tenant() is None:
        return ""
    count = LegalEntity.objects.count()
    return f"{count} legal entit{'y' if count == 1 else 'ies'}"


def _other_tenants(request: HttpRequest, membership: Membership | None) -> list[Membership]:
    if membership is None:
        return []
    others = Membership.objects.filter(user_id=membership.user_id).exclude(pk=membership.pk)
    return list(others.select_related("tenant").order_by("tenant__name"))


@unscoped
@require_POST
def _switch_tenant(request: HttpRequest) -> HttpResponse:
    """Choose another tenant of one's own. What was open of the old one is gone: the way goes on from Home."""
    wanted = request.POST.get("tenant", "")
    memberships = Membership.objects.filter(user=cast(User, request.user))
    found = memberships.filter(tenant__slug=wanted).select_related("tenant").first()
    if found is None:
        messages.error(request, "You are not a member of that tenant.")
    else:
        request.session[SESSION_TENANT] = str(found.tenant_id)
    return HttpResponseRedirect(reverse("admin:index"))


def stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def script(request: HttpRequest) -> str:
    return static("console/console.js")


def environment(request: HttpRequest) -> list[str] | None:
    """The badge beside the title wherever a connection may lead to the sandbox instead of a vendor."""
    return ["Sandbox", "warning"] if settings.SANDBOX_ALLOWED else None


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Only what this person may open."""
    membership = membership_of(request)
    frame = _frame(request)
    groups: list[dict[str, Any]] = []
    left = onboarding.steps_left(membership.tenant) if membership is not None and _sets_up(membership) else 0
    if membership is not None:
        groups.append(
            {
                "items": [
                    *([_item("Set up", "checklist", "admin:set_up") | _badge(left, "rest", "left")] if left else []),
                    _item("Home", "home", "admin:index")
                    | _badge(frame.waits if frame else 0, "stop", "waiting for you"),
                    _item("Payroll runs", "payments", "admin:gusto_payrollrun_changelist"),
                    _item("Journals", "balance", "admin:erp_posting_changelist"),
                    _item(
                        "Mapping",
                        "account_tree",
                        "admin:mappings_coverage_first",
                        "mappings/mappingtable/",
                        "mappings/mappingrule/",
                        "mappings/crosswalk/",
                        "mappings/sourcecode/",
                    )
                    | _badge(frame.gaps if frame else 0, "wait", "without a rule"),
                    _item("Employees", "group", "admin:gusto_employee_changelist"),
                ]
            }
        )
        groups.append(
            {
                "separator": True,
                "items": [
                    _item("Legal entities", "domain", "admin:tenants_legalentity_changelist"),
                    _item("Connections", "cable", "admin:tenants_connection_changelist")
                    | _badge(frame.broken_connections if frame else 0, "stop", "need you"),
                    _item(
                        "Main accounts",
                        "list_alt",
                        "admin:mappings_mainaccount_changelist",
                        "mappings/dimensionvalue/",
                        "mappings/fiscalperiod/",
                    ),
                    _item("Audit trail", "policy", "admin:audit_auditentry_changelist"),
                    _item("Exchanges", "swap_horiz", "admin:audit_exchange_changelist"),
                    _item("Settings", "tune", "admin:settings"),
                ],
            }
        )
    return groups


def _sets_up(membership: Membership | None) -> bool:
    """Whether this person is an owner, and the page belongs to their tenant."""
    return membership is not None and membership.has_role(Role.OWNER) and open_tenant() is not None


def _badge(count: int, tone: str, words: str) -> dict[str, Any]:
    """A number beside an item of the navigation; none for nothing. `words` say to listeners what is counted."""
    return {"count": count, "tone": tone, "words": words} if count else {}


def _item(title: str, icon: str, name: str, *also: str) -> dict[str, Any]:
    """`also`: further lists below /console/ that belong to this item."""
    link = reverse(name)
    home = reverse("admin:index")
    ours = (link, *(home + path for path in also))

    def is_open(request: HttpRequest) -> bool:
        return request.path == home if link == home else request.path.startswith(ours)

    return {"title": title, "icon": icon, "link": link, "active": is_open}
