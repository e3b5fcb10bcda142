"""The audit trail and the exchanges in the console: read-only, searchable, for every member; the work queue for the operator."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from audit import trail
from audit.models import AuditEntry, Exchange, WorkItem
from tenants.admin import RoleAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(RoleAdmin):
    """Who did what to what, when."""

    list_display = ("number", "at", "who", "said", "subject", "subject_id")
    list_filter = ("action", ("at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("subject_id", "actor", "request_id")
    list_display_links = ("number",)
    fields = ("number", "at", "who", "said", "subject", "subject_id", "facts", "request_id", "seal_shown")
    readonly_fields = fields
    list_per_page = 50
    actions = None

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor or "by itself"

    @display(description="What")
    def said(self, entry: AuditEntry) -> str:
        return trail.sentence(entry)

    @display(description="Seal")
    def seal_shown(self, entry: AuditEntry) -> str:
        return bytes(entry.seal).hex()


@admin.register(Exchange)
class ExchangeAdmin(RoleAdmin):
    """One request to an outside system and its answer, masked."""

    list_display = ("started_at", "system", "method", "path_shown", "status", "outcome", "milliseconds", "about")
    list_filter = ("system", "outcome", "is_write", ("started_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("about", "request_id", "path")
    list_per_page = 50
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(field.name for field in Exchange._meta.fields if field.name not in {"id", "tenant"})

    @display(description="Path")
    def path_shown(self, exchange: Exchange) -> str:
        return exchange.path if len(exchange.path) <= 80 else exchange.path[:79] + "…"


class OperatorAdmin(ModelAdmin):
    """A page of the installation's own things, for the operator alone; it shows no payroll and no amount."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WorkItem)
class WorkItemAdmin(OperatorAdmin):
    """What is to be done, and what was given up."""

    list_display = ("kind", "ref", "state", "due_at", "attempts", "sentence")
    list_filter = ("state", "kind")
    search_fields = ("ref",)
    list_per_page = 50
