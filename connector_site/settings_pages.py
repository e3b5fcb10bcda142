"""The Settings screen: general, approval, sign-in. Members and API tokens have modules of their own."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from audit import trail
from connector_site import member_pages, token_pages
from connector_site.second_factor import has_second_factor
from connector_site.settings_tabs import WRITERS, given, member_who_asks, page
from connector_site.sudo import confirmed
from tenants.models import LegalEntity, Role, Tenant


def urls(site: Any) -> list[URLPattern]:
    """The addresses below /console/settings/, for the admin site."""

    def at(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        found: URLPattern = path(f"settings/{route}", site.admin_view(view), name=name)
        return found

    return [
        at("", general, "settings"),
        at("approval/", approval, "settings_approval"),
        at("sign-in/", sign_in, "settings_sign_in"),
        at("sign-in/rule/", confirmed(sign_in_rule, Role.OWNER), "settings_sign_in_rule"),
        at("members/", member_pages.members, "settings_members"),
        at("members/invite/", confirmed(member_pages.invite, Role.OWNER), "settings_invite"),
        at("members/<int:member_id>/", confirmed(member_pages.change, Role.OWNER), "settings_member"),
        at("members/<int:member_id>/remove/", confirmed(member_pages.remove, Role.OWNER), "settings_member_remove"),
        at(
            "invitations/<int:invitation_id>/withdraw/",
            confirmed(member_pages.withdraw, Role.OWNER),
            "settings_invitation_withdraw",
        ),
        at("tokens/", token_pages.tokens, "settings_tokens"),
        at("tokens/new/", confirmed(token_pages.create, *WRITERS), "settings_token_new"),
        at("tokens/<int:token_id>/revoke/", confirmed(token_pages.revoke, *WRITERS), "settings_token_revoke"),
    ]


class GeneralForm(forms.ModelForm):
    """What the tenant is called and how its pages write days and hours."""

    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())],
        help_text="Hours on the pages. Days of payrolls and journals are the same everywhere.",
    )

    class Meta:
        model = Tenant
        fields = ("name", "time_zone", "date_style")
        labels = {"name": "Name", "date_style": "Days are written"}
        error_messages = {"name": {"required": "A name is missing."}}


class SignInRuleForm(forms.ModelForm):
    class Meta:
        model = Tenant
        fields = ("requires_second_factor",)
        labels = {"requires_second_factor": "Owners and approvers need a second factor"}
        help_texts = {
            "requires_second_factor": "Whoever has none sets one up at the next page they open, before anything else."
        }


def general(request: HttpRequest) -> HttpResponse:
    """Readable for every member; an owner changes it."""
    membership = member_who_asks(request)
    if not membership.has_role(Role.OWNER):
        if request.method == "POST":
            member_who_asks(request, Role.OWNER)
        return page(request, "settings/general.html", "settings", tenant=membership.tenant)
    form = GeneralForm(given(request), instance=Tenant.objects.get(pk=membership.tenant_id))
    if request.method == "POST" and form.is_valid():
        _save(request, form)
        return HttpResponseRedirect(reverse("admin:settings"))
    return page(request, "settings/general.html", "settings", tenant=membership.tenant, form=form)


def approval(request: HttpRequest) -> HttpResponse:
    """How journals of each legal entity are released; changed on the page of the legal entity."""
    entities = LegalEntity.objects.order_by("name")
    return page(request, "settings/approval.html", "settings_approval", entities=entities)


def sign_in(request: HttpRequest) -> HttpResponse:
    """What this tenant asks of those who sign in, and how long a session lives on this installation."""
    membership = member_who_asks(request)
    return page(
        request, "settings/sign_in.html", "settings_sign_in", tenant=membership.tenant,
        session_hours=settings.SESSION_COOKIE_AGE // 3600, idle_minutes=settings.SESSION_IDLE_SECONDS // 60,
        has_own=has_second_factor(membership.user),
    )  # fmt: skip


def sign_in_rule(request: HttpRequest) -> HttpResponse:
    membership = member_who_asks(request, Role.OWNER)
    form = SignInRuleForm(given(request), instance=Tenant.objects.get(pk=membership.tenant_id))
    if request.method == "POST" and form.is_valid():
        _save(request, form)
        return HttpResponseRedirect(reverse("admin:settings_sign_in"))
    return page(
        request, "settings/form.html", "settings_sign_in", "Second factor", form=form, button="Save",
    )  # fmt: skip


def _save(request: HttpRequest, form: forms.ModelForm) -> None:
    """Store and record what changed, in words."""
    if not form.changed_data:
        messages.info(request, "Nothing was changed.")
        return
    before = {str(form.fields[name].label): str(form.initial.get(name, "")) for name in form.changed_data}
    tenant = form.save()
    changed = ", ".join(f"{form.fields[name].label} is {_value(form, name)}" for name in form.changed_data)
    trail.record(
        "tenant.settings_changed", subject="tenant", subject_id=str(tenant.pk), name=tenant.name, changed=changed,
        before=before, after={str(form.fields[name].label): str(getattr(tenant, name)) for name in form.changed_data},
    )  # fmt: skip
    messages.success(request, "The settings are saved.")


def _value(form: forms.ModelForm, name: str) -> str:
    value = form.cleaned_data[name]
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(dict(getattr(form.fields[name], "choices", ())).get(value, value))
