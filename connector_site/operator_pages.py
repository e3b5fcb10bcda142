"""What the operator's site shows: tenants by age of what waits, never by amount; the application at Gusto, whose every change
is written into the installation's audit trail; notices and work as ids.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from audit import trail
from audit.models import WorkItem
from connector_site.month import counted_runs
from connector_site.operator import operator_site
from connector_site.sudo import is_confirmed
from connector_site.templatetags.console import chip
from erp.models import Posting
from gusto.models import GustoApplication, PayrollRun, WebhookEvent, WebhookSubscription
from tenants.models import Connection, LegalEntity, Tenant, installation_tenant
from tenants.scope import tenant_scope


class OperatorAdmin(ModelAdmin):
    """A page of the installation's own things; whoever may enter the site may read it. Nobody writes."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = str(self.opts.verbose_name_plural)
        title = title[:1].upper() + title[1:]
        words = {"title": title, "crumbs": [(title, "")]}
        response: HttpResponse = super().changelist_view(request, {**words, **(extra_context or {})})
        return response

    def has_module_permission(self, request: HttpRequest) -> bool:
        return operator_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Left to the audit trail, as everywhere."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Left to the audit trail, as everywhere."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of a tenant. Moments, of which the page shows the age; None = nothing waits."""

    is_live: bool = False
    unposted_since: datetime | None = None
    broken_connections: int = 0
    queued_since: datetime | None = None


def figures_of(tenants: Iterable[Tenant]) -> dict[uuid.UUID, Figures]:
    """Figures by tenant, outside any scope: each tenant is asked in a scope of its own, so this is for one page of them."""
    queued = dict(_queued())
    found = {}
    for tenant in tenants:
        with tenant_scope(tenant.pk):
            found[tenant.pk] = Figures(
                is_live=LegalEntity.objects.filter(is_live=True).exists(),
                unposted_since=_unposted_since(),
                broken_connections=Connection.objects.filter(health=Connection.Health.BROKEN).count(),
                queued_since=queued.get(tenant.pk),
            )
    return found


def _unposted_since() -> datetime | None:
    """When the oldest payroll run was heard of that is to be posted and is not, inside a scope."""
    live = Posting.objects.exclude(state=Posting.State.VOIDED)
    is_waiting = live.exclude(state=Posting.State.POSTED).values("payroll_run_id")
    moments = [
        rows.order_by("announced_at").values_list("announced_at", flat=True).first()
        for rows in (counted_runs().filter(postings__isnull=True), PayrollRun.objects.filter(pk__in=is_waiting))
    ]
    return min(filter(None, moments), default=None)


def _queued() -> list[tuple[uuid.UUID, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenant_id, min(due_at) FROM audit_workitem WHERE tenant_id IS NOT NULL AND "
            "state IN ('ready', 'running') AND due_at < clock_timestamp() GROUP BY tenant_id"
        )
        return list(cursor.fetchall())


def age(since: datetime | None) -> str:
    """3 days, 5 hours, 12 minutes; “none” where nothing waits."""
    if since is None:
        return "none"
    minutes = max(0, int((timezone.now() - since).total_seconds() // 60))
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            number = minutes // size
            return f"{number} {word}{'' if number == 1 else 's'}"
    return "under a minute"


@admin.register(Tenant, site=operator_site)
class TenantAdmin(OperatorAdmin):
    """Who is here and whose payroll waits how long. Nothing of what is in it."""

    list_display = ("name", "since", "stage", "unposted", "need_somebody", "queued")
    list_display_links = None
    search_fields = ("name", "slug")
    ordering = ("name",)
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(is_installation=False)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        rows = list(found.result_list)
        figures = figures_of(rows)
        for row in rows:
            row.figures = figures[row.pk]
        found.result_list = rows
        return found

    @display(description="Since", ordering="created_at")
    def since(self, tenant: Tenant) -> str:
        return f"{tenant.created_at:%-d %b %Y}"

    @display(description="Stage")
    def stage(self, tenant: Any) -> SafeString:
        return chip("live" if tenant.figures.is_live else "setting_up")

    @display(description="Oldest unposted run")
    def unposted(self, tenant: Any) -> str:
        return age(tenant.figures.unposted_since)

    @display(description="Connections that need somebody")
    def need_somebody(self, tenant: Any) -> str:
        return str(tenant.figures.broken_connections or "none")

    @display(description="Age of the queue")
    def queued(self, tenant: Any) -> str:
        return age(tenant.figures.queued_since)


class SubscriptionInline(admin.TabularInline):
    model = WebhookSubscription
    fields = readonly_fields = ("url", "state", "created_at", "verified_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return operator_site.has_permission(request)


class GustoApplicationForm(forms.ModelForm):
    """The secret goes in by a field of another name and is never shown."""

    new_client_secret = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False),
        help_text="Leave empty to keep the stored one.",
    )

    class Meta:
        model = GustoApplication
        fields = ("name", "client_id", "api_url", "authorize_url", "token_url", "api_version", "is_active")

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("new_client_secret"):
            self.instance.client_secret = self.cleaned_data["new_client_secret"]
            self.instance.system_token = ""
        return super().save(commit)


@admin.register(GustoApplication, site=operator_site)
class GustoApplicationAdmin(OperatorAdmin):
    """The installation's developer application at Gusto. Whoever changes it is asked once more who they are."""

    form = GustoApplicationForm
    list_display = ("name", "client_id", "api_url", "is_active")
    inlines = (SubscriptionInline,)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        if self.has_module_permission(request) and not is_confirmed(request):
            onward = urlencode({"next": request.get_full_path()})
            return HttpResponseRedirect(f"{reverse('account_reauthenticate')}?{onward}")
        listed = reverse("operator:gusto_gustoapplication_changelist")
        title = "Gusto application" if object_id else "Add the Gusto application"
        words = {
            "title": title, "crumbs": [("Gusto applications", listed), (title, "")], "subtitle": None,
            "show_save_and_add_another": False, "show_save_and_continue": False,
        }  # fmt: skip
        with transaction.atomic():
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, {**(extra_context or {}), **words}
            )
        return response

    def save_model(self, request: HttpRequest, obj: GustoApplication, form: Any, change: bool) -> None:
        """The change and its entry in the installation's trail are one."""
        names = [name for name in form.changed_data if name != "new_client_secret"]
        before = {name: str(form.initial.get(name, "")) for name in names}
        super().save_model(request, obj, form, change)
        facts: dict[str, Any] = {"name": obj.name}
        if change:
            replaced = ["client secret"] if form.cleaned_data.get("new_client_secret") else []
            facts["changed"] = ", ".join([*(name.replace("_", " ") for name in names), *replaced]) or "nothing"
            facts["before"], facts["after"] = before, {name: str(getattr(obj, name)) for name in names}
        with tenant_scope(installation_tenant().pk):
            trail.record(
                "gusto_application.changed" if change else "gusto_application.created", subject="gusto_application",
                subject_id=str(obj.pk), by=request.user.get_username(), **facts,
            )  # fmt: skip


@admin.register(WebhookEvent, site=operator_site)
class WebhookEventAdmin(OperatorAdmin):
    """Notices as received: ids only. Those of companies that nobody connected stay here until somebody does."""

    list_display = ("received_at", "event_type", "resource_uuid", "entity_uuid", "source", "state")
    list_filter = ("state", "source", "event_type")
    search_fields = ("event_uuid", "resource_uuid", "entity_uuid")
    list_per_page = 50
    actions = None


@admin.register(WorkItem, site=operator_site)
class WorkItemAdmin(OperatorAdmin):
    """What is to be done, and what was given up. Why an attempt did not finish may name a payroll, so it is not shown."""

    list_display = ("kind", "ref", "state", "due_at", "attempts", "created_at", "finished_at")
    fields = ("tenant_id", "kind", "ref", "state", "due_at", "attempts", "created_at", "finished_at")
    list_filter = ("state", "kind")
    search_fields = ("ref",)
    list_per_page = 50
    actions = None
