"""What a page of ours may load and where its forms may lead: the Content-Security-Policy header of django-csp.

The one form that ends at another host is “Connect Gusto”: browsers hold the redirect that follows it against form-action,
too. So an owner's pages name Gusto's authorize page, and nobody else's do.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest

from gusto.models import GustoApplication
from tenants.middleware import membership_of
from tenants.models import Role


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp's, with the exception above."""

    def get_policy_parts(self, request: HttpRequest, response: Any, report_only: bool = False) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        membership = membership_of(request)
        is_page = response.status_code == 200 and response.get("Content-Type", "").startswith("text/html")
        if not report_only and is_page and membership is not None and membership.has_role(Role.OWNER):
            parts.update = {**(parts.update or {}), "form-action": _gusto_origins()}
        return parts


def _gusto_origins() -> list[str]:
    rows = GustoApplication.objects.filter(is_active=True).values_list("authorize_url", "api_url")
    addresses = [urlsplit(authorize_url or api_url) for authorize_url, api_url in rows]
    return sorted({f"{found.scheme}://{found.netloc}" for found in addresses if found.netloc})
