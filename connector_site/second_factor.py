"""The tenant's rule that its owners and approvers sign in with a second factor: whoever has none is led to set one up
before anything else.
"""

from __future__ import annotations

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from connector_site import error_pages
from tenants.middleware import membership_of
from tenants.models import Membership, Role, User

#: Recovery codes are a way back in, no factor of their own.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
#: Where somebody who owes a second factor may go: to set it up, and out.
OPEN = ("/account/", "/health/", "/static/")


def has_second_factor(user: User) -> bool:
    found: bool = Authenticator.objects.filter(user=user, type__in=FACTORS).exists()
    return found


def is_owed(membership: Membership) -> bool:
    """Whether the tenant asks this member for a second factor that they do not have."""
    return (
        membership.tenant.requires_second_factor
        and membership.has_role(Role.OWNER, Role.APPROVER)
        and not has_second_factor(membership.user)
    )


class SecondFactorMiddleware:
    """Stands after the tenant's. An API token was made by somebody who had proven themselves, so it is left alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        membership = membership_of(request)
        if membership is None or getattr(request, "api_token", None) is not None or not is_owed(membership):
            return self.get_response(request)
        ways_out = (*OPEN, reverse("admin:logout"), reverse("admin:switch_tenant"))
        if request.path.startswith(ways_out):
            return self.get_response(request)
        if request.path.startswith(error_pages.API):
            sentence = f"{membership.tenant} asks owners and approvers for a second factor, and you have none yet."
            return error_pages.forbidden(request, PermissionDenied(sentence))
        return HttpResponseRedirect(reverse("mfa_index"))
