"""The operator's own site under /operator/: tenants, the application at Gusto, its notices, the work queue.

It shows no payroll, no name of a person and no amount, and belongs to no tenant, so its pages open no tenant's scope. Who
enters is a superuser with a second factor. Its colour is another, so that nobody takes it for a tenant's console.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from audit import trail
from audit.models import AuditEntry
from connector_site.second_factor import has_second_factor
from tenants.middleware import unscoped
from tenants.models import User, installation_tenant
from tenants.scope import tenant_scope

#: Entries of the installation's own trail on its page.
ENTRIES_SHOWN = 200


class OperatorSite(UnfoldAdminSite):
    """Django's admin for one role. Templates ask `admin:` for addresses and get those of this site."""

    settings_name = "UNFOLD_OPERATOR"
    index_title = "Operator"

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return isinstance(user, User) and user.is_active and user.is_superuser and has_second_factor(user)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """As upstream, outside every tenant's scope: an operator may be a member somewhere, too."""
        guarded: Callable[..., Any] = unscoped(super().admin_view(view, cacheable))
        return guarded

    def get_urls(self) -> list[URLPattern]:
        own = [path("trail/", self.admin_view(self.trail), name="trail")]
        found: list[URLPattern] = super().get_urls()
        return own + found

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """To the sign-in; for an operator without a second factor to where one is set up; for others a closed door."""
        user = request.user
        if isinstance(user, User) and user.is_superuser and not has_second_factor(user):
            messages.warning(request, "The operator's pages open with a second factor alone. Set one up first.")
            return HttpResponseRedirect(reverse("mfa_index"))
        if user.is_authenticated and not self.has_permission(request):
            return TemplateResponse(request, "account/no_operator.html", {"title": "Operator"}, status=403)
        onward = request.GET.get("next") or reverse("operator:index")
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': onward})}")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("operator:tenants_tenant_changelist"))

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.index(request)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Each list has a search of its own."""
        return self.index(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))

    def trail(self, request: HttpRequest) -> HttpResponse:
        """What was done to the installation itself."""
        with tenant_scope(installation_tenant().pk):
            entries = [(entry, trail.sentence(entry)) for entry in AuditEntry.objects.all()[:ENTRIES_SHOWN]]
        context = {
            **self.each_context(request),
            "title": "Audit trail",
            "crumbs": [("Audit trail", "")],
            "entries": entries,
        }
        request.current_app = self.name
        return TemplateResponse(request, "operator/trail.html", context)

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        context["tenant_name"] = "ml-connector"
        context["tenant_note"] = "Operator"
        context["roles_shown"] = "Operator"
        context["site_favicons"] = [{"rel": "icon", "href": static("console/icon.svg"), "type": "image/svg+xml"}]
        context["site_url"] = None
        return context


operator_site = OperatorSite(name="operator")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The same for every operator."""
    return [
        {
            "items": [
                _item("Tenants", "apartment", "tenants_tenant_changelist"),
                _item("Gusto application", "key", "gusto_gustoapplication_changelist"),
                _item("Notices from Gusto", "notifications", "gusto_webhookevent_changelist"),
                _item("Work queue", "work_history", "audit_workitem_changelist"),
                _item("Audit trail", "policy", "trail"),
            ]
        }
    ]


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    link = reverse(f"operator:{name}")
    return {"title": title, "icon": icon, "link": link, "active": lambda request: request.path.startswith(link)}
