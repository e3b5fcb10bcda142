"""What the pages of the Settings screen have in common: who is asking, the tabs they may open, the frame."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from tenants.middleware import membership_of
from tenants.models import Membership, Role

#: Name of the page -> its tab. Members are the owners' alone.
TABS = {
    "settings": "General",
    "settings_approval": "Approval",
    "settings_sign_in": "Sign-in",
    "settings_members": "Members",
    "settings_tokens": "API tokens",
}
OF_OWNERS = frozenset({"settings_members"})
#: An auditor reads and has no button that changes anything.
WRITERS = (Role.OWNER, Role.PREPARER, Role.APPROVER)


def member_who_asks(request: HttpRequest, *roles: Role) -> Membership:
    """Raises PermissionDenied for whoever is no member, or holds none of the roles if some are named."""
    membership = membership_of(request)
    if membership is None or (roles and not membership.has_role(*roles)):
        raise PermissionDenied
    return membership


def given(request: HttpRequest) -> QueryDict | None:
    """What was sent, None for a page that is only opened. A form of nothing but empty boxes is sent, too."""
    return request.POST if request.method == "POST" else None


def page(
    request: HttpRequest, template: str, tab: str, title: str = "", status: int = 200, **context: Any
) -> TemplateResponse:
    """A page below a tab; without a title it is the tab's own."""
    membership = member_who_asks(request)
    is_owner = membership.has_role(Role.OWNER)
    tabs = [
        (label, reverse(f"admin:{name}"), name == tab)
        for name, label in TABS.items()
        if is_owner or name not in OF_OWNERS
    ]
    crumbs = [("Settings", reverse("admin:settings")), (TABS[tab], reverse(f"admin:{tab}"))]
    frame = {
        **admin.site.each_context(request),
        "title": title or TABS[tab],
        "crumbs": [*crumbs, (title, "")] if title else crumbs,
        "tabs": tabs,
        "back": reverse(f"admin:{tab}"),
        "membership": membership,
        "is_owner": is_owner,
        "may_write": membership.has_role(*WRITERS),
    }
    return TemplateResponse(request, template, {**frame, **context}, status=status)
