"""The frame of every step of the set-up: the steps on the left, the step, what to ask for on the right; owners only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from connector_site import onboarding
from connector_site.onboarding import Progress
from tenants.middleware import membership_of
from tenants.models import Membership, Role


def owner_of(request: HttpRequest) -> Membership:
    """Raises PermissionDenied for whoever is no owner."""
    membership = membership_of(request)
    if membership is None or not membership.has_role(Role.OWNER):
        raise PermissionDenied
    return membership


def page(request: HttpRequest, progress: Progress | None, name: str, template: str, **context: Any) -> TemplateResponse:
    """One step in its frame: the steps on the left, what to ask for on the right."""
    steps = progress.steps() if progress else onboarding.first_steps()
    entity = progress.entity if progress else None
    others = [other for other in onboarding.entities_in_set_up() if entity is None or other.pk != entity.pk]
    title = onboarding.STEPS[name][0]
    membership = owner_of(request)
    onboarding.count_anew()
    frame = {
        **admin.site.each_context(request),
        "title": title,
        "crumbs": [(f"Set up {membership.tenant.name}", reverse("admin:set_up")), (title, "")],
        "steps": steps, "here": name, "progress": progress, "entity": entity, "others": others,
        "done": progress.done if progress else {},
    }  # fmt: skip
    return TemplateResponse(request, template, {**frame, **context})
