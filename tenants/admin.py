"""What every page of the console has in common: rights come from the roles of a membership, never from Django's own
permission tables, and nothing is written into Django's log.

Django's log stands outside the wall between tenants and would show object names of one to a member of another; the
audit trail is the record of what people did.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from tenants.middleware import membership_of
from tenants.models import Role

EVERYBODY: frozenset[Role] = frozenset(Role)
NOBODY: frozenset[Role] = frozenset()


def has_role(request: HttpRequest, roles: Collection[Role]) -> bool:
    """Whether the member who asks holds one of these roles. Nobody who is no member does."""
    membership = membership_of(request)
    return membership is not None and membership.has_role(*roles)


class TenantForm(forms.ModelForm):
    """A form of a tenant's row. The tenant is no field of it, so Django would leave every unique constraint that names
    the tenant unchecked, and a duplicate would end in an error page.
    """

    def _get_validation_exclusions(self) -> set[str]:
        return set(super()._get_validation_exclusions()) - {"tenant"}  # type: ignore[misc]


class RoleAdmin(ModelAdmin):
    """A page whose rights are said by four sets of roles. Without more words: everybody reads, nobody writes."""

    form = TenantForm
    view_roles: Collection[Role] = EVERYBODY
    add_roles: Collection[Role] = NOBODY
    change_roles: Collection[Role] = NOBODY
    delete_roles: Collection[Role] = NOBODY
    #: Head of the list where the model's own name is not the reader's; said when the list is empty.
    list_title = ""
    empty_sentence = ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = self.list_title or str(self.opts.verbose_name_plural).capitalize()
        words = {"title": title, "crumbs": [(title, "")]}
        response: HttpResponse = super().changelist_view(request, {**words, **(extra_context or {})})
        return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows of the list, which the template of an empty list is given and nothing else."""
        found = super().get_changelist_instance(request)
        found.empty_sentence = self.empty_words(request)
        return found

    def empty_words(self, request: HttpRequest) -> str:
        """What an empty list says to this person."""
        return self.empty_sentence

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Rights before the row: the operator, who belongs to no tenant, gets an answer and not a missing scope."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().get_object(request, object_id, from_field)

    def draw(self, request: HttpRequest, object_id: str, given: dict[str, Any] | None, **context: Any) -> HttpResponse:
        """The page of one object, for a `change_view` that fills a template of its own."""
        response: HttpResponse = super().change_view(
            request, object_id, extra_context={"subtitle": None, **context, **(given or {})}
        )
        return response

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Another tenant's page and one that never was are the same to a reader."""
        raise Http404

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request, self.view_roles)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.view_roles)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request, self.add_roles)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.change_roles)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.delete_roles)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Left to the audit trail."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Left to the audit trail."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Left to the audit trail."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404("the audit trail is the history")
