"""API tokens of members: made with the scopes they need, shown once, revoked at once.

Everybody sees their own; an owner sees and revokes those of all members.
"""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit import trail
from connector_site.settings_tabs import WRITERS, given, member_who_asks, page
from tenants.middleware import digest_of
from tenants.models import ApiToken, Membership, Role, Scope

#: So that a token is known as ours wherever it is found.
PREFIX = "mlc_"


class TokenForm(forms.Form):
    """`membership` is whose token it becomes."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="What it is for, like “Nightly report”.",
        error_messages={"required": "A name is missing."},
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        label="It may", choices=Scope.choices, widget=forms.CheckboxSelectMultiple,
        help_text="Within what you may do yourself.", error_messages={"required": "Choose at least one."},
    )  # fmt: skip

    def __init__(self, membership: Membership, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership = membership

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if ApiToken.objects.filter(membership=self.membership, name=name).exists():
            raise ValidationError("You have a token of this name. Revoke it first, or choose another name.")
        return name


def _tokens(me: Membership) -> Any:
    found = ApiToken.objects.filter(membership__tenant_id=me.tenant_id).select_related("membership__user")
    if not me.has_role(Role.OWNER):
        found = found.filter(membership=me)
    return found.order_by("membership__user__username", "name")


def tokens(request: HttpRequest) -> HttpResponse:
    me = member_who_asks(request)
    return page(request, "settings/tokens.html", "settings_tokens", tokens=_tokens(me))


def create(request: HttpRequest) -> HttpResponse:
    me = member_who_asks(request, *WRITERS)
    form = TokenForm(me, given(request))
    if request.method == "POST" and form.is_valid():
        value = PREFIX + secrets.token_urlsafe(32)
        token = ApiToken.objects.create(
            membership=me,
            name=form.cleaned_data["name"],
            scopes=sorted(form.cleaned_data["scopes"]),
            digest=digest_of(value),
        )
        trail.record(
            "api_token.created", subject="api_token", subject_id=str(token.pk), name=token.name,
            user=me.user.get_username(), scopes=token.scopes_in_words,
        )  # fmt: skip
        return page(request, "settings/token_made.html", "settings_tokens", token.name, token=token, value=value)
    return page(
        request, "settings/form.html", "settings_tokens", "Make an API token", form=form, button="Make the token"
    )


def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    me = member_who_asks(request, *WRITERS)
    token = _tokens(me).filter(pk=token_id).first()
    if token is None:
        raise Http404
    if request.method == "POST":
        trail.record(
            "api_token.removed", subject="api_token", subject_id=str(token.pk), name=token.name,
            user=token.membership.user.get_username(),
        )  # fmt: skip
        token.delete()
        messages.success(request, f"The token “{token.name}” no longer works.")
        return HttpResponseRedirect(reverse("admin:settings_tokens"))
    return page(
        request, "settings/confirm.html", "settings_tokens", f"Revoke “{token.name}”",
        sentences=["Whatever uses this token is refused from now on. It cannot be brought back."], button="Revoke token",
    )  # fmt: skip
