"""Invitations: the one way to become a member. A link works once and for seven days; its secret is stored as a digest.

A sign-up is an invitation to a tenant that does not exist yet, sent to oneself: opening the link proves the mail address.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from audit import trail
from tenants.middleware import digest_of
from tenants.models import Invitation, Membership, Role, Tenant, User
from tenants.scope import tenant_scope

GOOD_FOR = timedelta(days=7)
#: Who founds a tenant sets it up and prepares; nobody approves what they prepared, so an approver has to be invited.
FOUNDER = (Role.OWNER.value, Role.PREPARER.value)


class NotSent(Exception):  # noqa: N818 - reads as what happened
    """The mail server did not take a mail; the sentence is for whoever wanted to send it."""


class NotOpen(Exception):  # noqa: N818
    """An invitation was used, ran out or never was; the sentence says which."""


def invite(
    tenant: Tenant | None,
    email: str,
    roles: Sequence[str],
    *,
    may_see_pay: bool,
    by: User | None,
    tenant_name: str = "",
) -> str:
    """Store an invitation and return its link, which is nowhere else. Inside the tenant's scope, if there is a tenant."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        tenant=tenant, tenant_name=tenant_name, email=email, roles=sorted(set(roles)), may_see_pay=may_see_pay,
        digest=digest_of(token), invited_by=by, expires_at=timezone.now() + GOOD_FOR,
    )  # fmt: skip
    if tenant is not None:
        trail.record(
            "invitation.sent", subject="invitation", subject_id=str(invitation.pk), email=email,
            roles=invitation.roles_in_words, expires=invitation.expires_at.date().isoformat(),
        )  # fmt: skip
    return settings.PUBLIC_URL + reverse("account_invitation", args=[token])


def send(link: str) -> None:
    """Mail a link to whom it invites, outside any transaction. Raises NotSent; the invitation is then gone."""
    invitation = find(link.rstrip("/").rpartition("/")[2])
    words = {"invitation": invitation, "link": link}
    subject = f"{invitation.tenant}: you are invited" if invitation.tenant else "Your link to ml-connector"
    try:
        send_mail(subject, render_to_string("account/email/invitation.txt", words), None, [invitation.email])
    except (OSError, SMTPException):
        withdraw(invitation)
        raise NotSent(
            f"The mail server did not take the mail to {invitation.email}, so nobody was invited. "
            "Try again later, or tell your operator."
        ) from None


def withdraw(invitation: Invitation) -> None:
    """Take an open invitation back, outside any scope or in the tenant's own."""
    if invitation.tenant_id is None:
        invitation.delete()
        return
    with tenant_scope(invitation.tenant_id):
        trail.record(
            "invitation.withdrawn", subject="invitation", subject_id=str(invitation.pk), email=invitation.email
        )
        invitation.delete()


def find(token: str) -> Invitation:
    """The open invitation behind a link. Raises NotOpen."""
    invitation = Invitation.objects.select_related("tenant", "invited_by").filter(digest=digest_of(token)).first()
    if invitation is None:
        raise NotOpen("This invitation was withdrawn, or the link is not whole.")
    if invitation.accepted_at is not None:
        raise NotOpen("This invitation was used before. It works once.")
    if not invitation.is_open:
        raise NotOpen(f"This invitation ran out on {invitation.expires_at:%-d %b %Y}.")
    return invitation


def accept(token: str, user: User) -> Membership:
    """Make the person a member, outside any scope. Of two at once, one wins. Raises NotOpen.

    Somebody who is a member already keeps the roles they have: an old link must not take rights away.
    """
    with transaction.atomic():
        Invitation.objects.select_for_update().filter(digest=digest_of(token)).first()
        invitation = find(token)
        tenant = invitation.tenant or _found(invitation)
        invitation.tenant, invitation.accepted_at, invitation.accepted_by = tenant, timezone.now(), user
        invitation.save(update_fields=["tenant", "accepted_at", "accepted_by"])
        membership, is_new = Membership.objects.get_or_create(
            tenant=tenant, user=user, defaults={"roles": invitation.roles, "may_see_pay": invitation.may_see_pay}
        )
        if is_new:
            with tenant_scope(tenant.id):
                trail.record(
                    "membership.created", subject="membership", subject_id=str(membership.pk), by=user.get_username(),
                    user=user.get_username(), roles=membership.roles_in_words,
                )  # fmt: skip
    return membership


def _found(invitation: Invitation) -> Tenant:
    """The tenant that somebody signs up for, under a free short name."""
    slug = start = slugify(invitation.tenant_name)[:50] or "tenant"
    while Tenant.objects.filter(slug=slug).exists():
        slug = f"{start}-{secrets.token_hex(3)}"
    tenant = Tenant.objects.create(name=invitation.tenant_name, slug=slug)
    with tenant_scope(tenant.id):
        trail.record(
            "tenant.created", subject="tenant", subject_id=str(tenant.id), by=invitation.email, name=tenant.name
        )
    return tenant
