"""Members of a tenant: who they are, what they may do, inviting and removing them. Owners only.

Memberships and invitations stand outside the wall between tenants, so every query here names the tenant.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from audit import trail
from connector_site import invitations
from connector_site.second_factor import FACTORS
from connector_site.settings_tabs import given, member_who_asks, page
from tenants.middleware import unscoped
from tenants.models import Invitation, Membership, Role, Tenant
from tenants.scope import tenant_scope

LAST_OWNER = "This is the last owner of the tenant. Make somebody else an owner first."
OWN_WORK = "Whoever prepares a journal cannot approve it, whatever roles they hold."
PAY = "May see the pay of single employees"
PAY_HINT = "Each look is recorded in the audit trail."


def _roles() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Roles", choices=Role.choices, widget=forms.CheckboxSelectMultiple, help_text=OWN_WORK,
        error_messages={"required": "Choose at least one role."},
    )  # fmt: skip


class InviteForm(forms.Form):
    """`tenant` is the one that invites."""

    email = forms.EmailField(
        label="Mail address",
        error_messages={
            "required": "A mail address is missing.",
            "invalid": "This is no mail address. Example: ana@example.com.",
        },
    )
    roles = _roles()
    may_see_pay = forms.BooleanField(label=PAY, help_text=PAY_HINT, required=False)

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if Membership.objects.filter(tenant=self.tenant, user__email__iexact=email).exists():
            raise ValidationError("Somebody with this mail address is a member already.")
        if _open_invitations(self.tenant).filter(email__iexact=email).exists():
            raise ValidationError("This mail address has an open invitation. Withdraw it first to send another one.")
        return email


class MemberForm(forms.ModelForm):
    """Roles and pay of one member. A tenant always keeps an owner."""

    roles = _roles()

    class Meta:
        model = Membership
        fields = ("roles", "may_see_pay")
        labels = {"may_see_pay": PAY}
        help_texts = {"may_see_pay": PAY_HINT}

    def clean_roles(self) -> list[str]:
        roles: list[str] = self.cleaned_data["roles"]
        if Role.OWNER.value not in roles and is_last_owner(self.instance):
            raise ValidationError(LAST_OWNER)
        return sorted(roles)


def is_last_owner(member: Membership) -> bool:
    """Whether the tenant would be left without an owner. The tenant's row is locked: of two owners who remove each
    other at once, one stays.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=member.tenant_id)
    owners = Membership.objects.filter(tenant_id=member.tenant_id, roles__contains=[Role.OWNER.value])
    return not owners.exclude(pk=member.pk).exists()


def _open_invitations(tenant: Tenant) -> Any:
    found = Invitation.objects.filter(tenant=tenant, accepted_at__isnull=True, expires_at__gt=timezone.now())
    return found.select_related("invited_by").order_by("created_at")


def members(request: HttpRequest) -> HttpResponse:
    me = member_who_asks(request, Role.OWNER)
    rows = list(Membership.objects.filter(tenant_id=me.tenant_id).select_related("user").order_by("user__username"))
    proven = set(
        Authenticator.objects.filter(user__in=[row.user_id for row in rows], type__in=FACTORS).values_list(
            "user_id", flat=True
        )
    )
    return page(
        request, "settings/members.html", "settings_members",
        members=[(row, row.user_id in proven) for row in rows],
        invitations=list(_open_invitations(me.tenant)),
        requires_second_factor=me.tenant.requires_second_factor,
    )  # fmt: skip


@unscoped
def invite(request: HttpRequest) -> HttpResponse:
    """Send an invitation. It is stored first and mailed outside the transaction; without mail its link is shown once."""
    me = member_who_asks(request, Role.OWNER)
    with tenant_scope(me.tenant_id):
        form = InviteForm(me.tenant, given(request))
        if request.method != "POST" or not form.is_valid():
            return _drawn(request, form)
        asked = form.cleaned_data
        link = invitations.invite(
            me.tenant, asked["email"], asked["roles"], may_see_pay=asked["may_see_pay"], by=me.user
        )
        if not settings.HAS_MAIL:
            return page(
                request, "settings/invited.html", "settings_members", "Give this link", link=link, email=asked["email"]
            ).render()
    try:
        invitations.send(link)
    except invitations.NotSent as refused:
        form.add_error(None, str(refused))
        with tenant_scope(me.tenant_id):
            return _drawn(request, form)
    messages.success(request, f"An invitation is on its way to {asked['email']}. It works once and for seven days.")
    return HttpResponseRedirect(reverse("admin:settings_members"))


def _drawn(request: HttpRequest, form: forms.Form) -> HttpResponse:
    """Inside the scope, because the frame reads tenant's rows."""
    button = "Send invitation" if settings.HAS_MAIL else "Make a link"
    return page(request, "settings/form.html", "settings_members", "Invite somebody", form=form, button=button).render()


def withdraw(request: HttpRequest, invitation_id: int) -> HttpResponse:
    me = member_who_asks(request, Role.OWNER)
    invitation = _open_invitations(me.tenant).filter(pk=invitation_id).first()
    if invitation is None:
        raise Http404
    if request.method == "POST":
        invitations.withdraw(invitation)
        messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
        return HttpResponseRedirect(reverse("admin:settings_members"))
    return page(
        request, "settings/confirm.html", "settings_members", "Withdraw an invitation",
        sentences=[f"The link that was sent to {invitation.email} leads nowhere from now on."], button="Withdraw invitation",
    )  # fmt: skip


def _member(me: Membership, member_id: int) -> Membership:
    found = Membership.objects.filter(tenant_id=me.tenant_id, pk=member_id).select_related("user").first()
    if found is None:
        raise Http404
    return found


def _rights(member: Membership) -> dict[str, str]:
    """What a member may do, for the trail."""
    return {"Roles": member.roles_in_words, "May see pay": "yes" if member.may_see_pay else "no"}


def change(request: HttpRequest, member_id: int) -> HttpResponse:
    me = member_who_asks(request, Role.OWNER)
    member = _member(me, member_id)
    before = _rights(member)
    form = MemberForm(given(request), instance=member)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        trail.record(
            "membership.changed", subject="membership", subject_id=str(member.pk), user=member.user.get_username(),
            roles=member.roles_in_words + (", may see pay" if member.may_see_pay else ""), before=before, after=_rights(member),
        )  # fmt: skip
        messages.success(
            request, f"{member.user.get_username()} is {member.roles_in_words.lower()} from the next page on."
        )
        return HttpResponseRedirect(reverse("admin:settings_members"))
    return page(
        request, "settings/member.html", "settings_members", member.user.get_username(), form=form, button="Save",
        member=member,
    )  # fmt: skip


def remove(request: HttpRequest, member_id: int) -> HttpResponse:
    me = member_who_asks(request, Role.OWNER)
    member = _member(me, member_id)
    name = member.user.get_username()
    forbidden = LAST_OWNER if is_last_owner(member) and member.has_role(Role.OWNER) else ""
    if request.method == "POST" and not forbidden:
        trail.record("membership.removed", subject="membership", subject_id=str(member.pk), user=name)
        member.delete()
        messages.success(request, f"{name} is no longer a member.")
        return HttpResponseRedirect(
            reverse("admin:settings_members" if member.user_id != me.user_id else "admin:index")
        )
    tokens = member.api_tokens.count()
    sentences = [
        f"{name} can no longer open {me.tenant}, from the next click on.",
        f"{tokens} API token{'s' if tokens > 1 else ''} of theirs stop{'' if tokens > 1 else 's'} working."
        if tokens
        else "",
        "What they prepared and approved stays as it is, and so does the audit trail.",
        "Their sign-in stays: other tenants that have them as a member keep them.",
    ]
    return page(
        request, "settings/confirm.html", "settings_members", f"Remove {name}", status=409 if request.method == "POST" else 200,
        sentences=[text for text in sentences if text], button=f"Remove {name}", forbidden=forbidden,
    )  # fmt: skip
