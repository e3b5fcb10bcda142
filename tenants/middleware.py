"""Which tenant a request belongs to, and the scope around all of it.

The scope wraps the whole request, templates included: with Django's own ATOMIC_REQUESTS a lazily rendered list would
be read after the transaction and come out empty without an error. Views that call outside are marked `unscoped` and
open short scopes themselves. What ends in an error is rolled back.
"""

from __future__ import annotations

import contextvars
import hashlib
import zoneinfo
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone

from tenants.models import ApiToken, Membership, Tenant
from tenants.scope import actor, tenant_scope

View = TypeVar("View", bound=Callable[..., Any])

#: Key of the session that holds the id of the chosen tenant.
SESSION_TENANT = "tenant"

#: How the tenant of the request writes days; what runs without a request writes them the usual way.
date_style: contextvars.ContextVar[str] = contextvars.ContextVar("date_style", default=Tenant.DateStyle.DAY_FIRST)


def unscoped(view: View) -> View:
    """Mark a view that opens its scopes itself, because it calls outside or belongs to no tenant."""
    view.is_unscoped = True  # type: ignore[attr-defined]
    return view


def digest_of(token: str) -> str:
    """What is stored of an API token. A token has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def membership_of(request: HttpRequest) -> Membership | None:
    """The membership under which this request acts, or None (signed out, or the operator)."""
    found: Membership | None = getattr(request, "membership", None)
    return found


class TenantMiddleware:
    """Stands after authentication. Sets `request.membership` and opens the tenant's scope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        membership = self._by_token(request) or self._by_session(request)
        request.membership = membership  # type: ignore[attr-defined]
        who = request.user.get_username() if request.user.is_authenticated else ""
        token = actor.set(who)
        try:
            if membership is not None:
                timezone.activate(zoneinfo.ZoneInfo(membership.tenant.time_zone))
                date_style.set(membership.tenant.date_style)
            if membership is None or _is_unscoped(request):
                return self.get_response(request)
            structlog.contextvars.bind_contextvars(tenant=str(membership.tenant_id))
            with tenant_scope(membership.tenant_id):
                response = self.get_response(request)
                if response.status_code >= 400:
                    transaction.set_rollback(True)
                return response
        finally:
            actor.reset(token)
            timezone.deactivate()
            date_style.set(Tenant.DateStyle.DAY_FIRST)

    def _by_token(self, request: HttpRequest) -> Membership | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        found = (
            ApiToken.objects.select_related("membership__user", "membership__tenant")
            .filter(digest=digest_of(token), membership__user__is_active=True)
            .first()
        )
        if found is None:
            return None
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
        request.user = found.membership.user
        request.api_token = found  # type: ignore[attr-defined]
        return found.membership

    def _by_session(self, request: HttpRequest) -> Membership | None:
        if not request.user.is_authenticated:
            return None
        memberships = Membership.objects.select_related("tenant").filter(user=request.user)
        chosen = request.session.get(SESSION_TENANT)
        if chosen:
            found = memberships.filter(tenant_id=chosen).first()
            if found is not None:
                return found
        return memberships.order_by("tenant__name").first()


def _is_unscoped(request: HttpRequest) -> bool:
    try:
        return bool(getattr(resolve(request.path_info).func, "is_unscoped", False))
    except Resolver404:
        return False
