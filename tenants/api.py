"""Who may use the API, and what every floor's addresses of it share: members act by a bearer token of theirs or by their
session in the console.

The token itself is resolved in `tenants.middleware`, before the tenant's scope opens; here it is only recognised. A query
parameter that an address does not know is an error: a filter that is silently left out would answer with too much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from tenants.middleware import membership_of
from tenants.models import Role, Scope


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        if not request.headers.get("Authorization", "").lower().startswith("bearer "):
            return None
        if getattr(request._request, "api_token", None) is None:
            raise AuthenticationFailed("This token is not known.")
        return request._request.user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="ml-connector"'


class IsMember(BasePermission):
    """A member of a tenant; whoever is only an auditor reads and changes nothing. A token does only what its scopes say;
    a view names them as `scope_to_read` and `scope_to_write`.
    """

    message = "You are not a member of a tenant."

    def has_permission(self, request: Request, view: Any) -> bool:
        membership = membership_of(request._request)
        if membership is None:
            return False
        is_read = request.method in SAFE_METHODS
        token = getattr(request._request, "api_token", None)
        if token is not None:
            wanted: Scope | None = getattr(view, "scope_to_read" if is_read else "scope_to_write", None)
            if wanted is None or wanted not in token.scopes:
                raise PermissionDenied(
                    f"This token has no scope {wanted}. Make one that has it, in Settings, API tokens."
                    if wanted
                    else "No token may do this."
                )
        return is_read or membership.has_role(Role.OWNER, Role.PREPARER, Role.APPROVER)


class Pages(PageNumberPagination):
    """`?page=2&page_size=200`; the answer names how many there are, and the pages before and after."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500


class KnownParameters(DjangoFilterBackend):
    """The filters that a view declares, and no other parameter."""

    own: ClassVar[frozenset[str]] = frozenset({"page", "page_size"})

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        if not view.detail:
            filterset_class = self.get_filterset_class(view, queryset)
            names = self.own | (set(filterset_class.base_filters) if filterset_class else set())
            refuse_unknown(request, names)
            found: QuerySet[Any] = super().filter_queryset(request, queryset, view)
            return found
        refuse_unknown(request, ())
        return queryset


def refuse_unknown(request: Request, names: Iterable[str]) -> None:
    """Raises ValidationError for a query parameter that is not among the names."""
    unknown = sorted(set(request.query_params) - set(names))
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        raise ValidationError({name: [f"There is no such parameter here. Known: {known}."] for name in unknown})


class MemberRate(SimpleRateThrottle):
    """Requests of one member in one tenant, whichever token they use; counted in the cache that all web processes share."""

    scope = "member"

    def get_rate(self) -> str:
        return str(settings.API_RATE)

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        membership = membership_of(request._request)
        return None if membership is None else self.cache_format % {"scope": self.scope, "ident": membership.pk}
