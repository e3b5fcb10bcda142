"""Who may use the API: members, by a bearer token of theirs or by their session in the console.

The token itself is resolved in `tenants.middleware`, before the tenant's scope opens; here it is only recognised.
"""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants.middleware import membership_of
from tenants.models import Role


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        if not request.headers.get("Authorization", "").lower().startswith("bearer "):
            return None
        if not getattr(request._request, "is_by_token", False):
            raise AuthenticationFailed("This token is not known.")
        return request._request.user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="ml-connector"'


class IsMember(BasePermission):
    """A member of a tenant; whoever is only an auditor reads and changes nothing."""

    message = "You are not a member of a tenant."

    def has_permission(self, request: Request, view: Any) -> bool:
        membership = membership_of(request._request)
        if membership is None:
            return False
        if request.method in SAFE_METHODS:
            return True
        return membership.has_role(Role.OWNER, Role.PREPARER, Role.APPROVER)
