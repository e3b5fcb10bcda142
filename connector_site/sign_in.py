"""How people sign in: django-allauth in the product's words, with second factors that are encrypted at rest, and what
people did about their sign-in written into the audit trail of each of their tenants.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.signals import password_changed, password_reset
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.usersessions.models import UserSession
from cryptography.fernet import InvalidToken
from django import forms
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from audit import trail
from connector_site import sudo
from tenants.models import Membership, User
from tenants.scope import tenant_scope
from tenants.secrets import SecretUnreadable, fernet

#: Kinds of second factor as people call them.
KINDS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey or security key",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}
_WRONG = "User name and password do not belong together. Mind capital letters in both."
_WRONG_CODE = "This code does not fit. Codes change every 30 seconds; enter the one that shows now."


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up here by themselves: people come by invitation (`connector_site.invitations`)."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This person was switched off.",
        "username_password_mismatch": _WRONG,
        "email_password_mismatch": "Mail address and password do not belong together. Mind capital letters in the password.",
        "incorrect_password": "This is not your password. Mind capital letters.",
        "enter_current_password": "This is not your password. Mind capital letters.",
        "incorrect_code": _WRONG_CODE,
        "invalid_password_reset": "This link was used before or is too old.",
        "too_many_login_attempts": (
            "Too many wrong passwords. Signing in as this person is closed for 5 minutes; payrolls go on meanwhile. "
            "After that try again, or set a new password."
        ),
        "rate_limited": "That was too often in a short time. Wait 5 minutes and try again.",
    }  # fmt: skip

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Wrong passwords are counted by person. Upstream counts by host and by what was typed, which would give whoever
        guesses five more tries for the mail address, and for each further name of this server.
        """
        login = str(credentials.get("email") or credentials.get("username") or "").lower()
        known = User.objects.filter(Q(username__iexact=login) | Q(email__iexact=login)).order_by("pk")
        key = known.values_list("pk", flat=True).first()
        return f"person:{key}" if key else f"nobody:{login}"

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """One rule for allauth's own pages and for ours: a sign-in of a moment ago counts, too."""
        return not sudo.is_confirmed(context.request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if settings.HAS_MAIL:
            super().send_mail(template_prefix, email, context)


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps and recovery codes are encrypted like every other secret."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _WRONG_CODE,
        "cannot_generate_recovery_codes": "Recovery codes come with a second factor. Set one up first.",
    }

    def encrypt(self, text: str) -> str:
        return fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises SecretUnreadable."""
        try:
            return fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable("a second factor cannot be opened with FIELD_ENCRYPTION_KEYS") from None

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:
        return f"Key {Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "ml-connector"}


class AddKeyForm(AddWebAuthnForm):
    """allauth's, in our words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name: forms.Field = self.fields["name"]
        name.label, name.help_text = "Name of the key", "So that you know it again, like “Laptop” or “Key ring”."
        passwordless: forms.Field = self.fields["passwordless"]
        passwordless.label = "Sign in with this key alone (passkey)"
        passwordless.help_text = "It then asks for a fingerprint, a face or a PIN instead of your password."


def note(user: Any, action: str, *, by: str | None = None, **facts: Any) -> None:
    """Write what a person (or `by`) did about their sign-in into the trail of each tenant they belong to, outside any
    scope.
    """
    for tenant_id in Membership.objects.filter(user=user).values_list("tenant_id", flat=True):
        with tenant_scope(tenant_id):
            trail.record(
                action,
                subject="user",
                subject_id=str(user.pk),
                by=user.get_username() if by is None else by,
                user=user.get_username(),
                **facts,
            )


@receiver(user_logged_in)
def _sweep_sessions(sender: Any, **kwargs: Any) -> None:
    """Whoever comes in takes out what others left: sessions that ran out, and the list of them."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    oldest = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    UserSession.objects.filter(created_at__lt=oldest).delete()


@receiver(password_changed)
@receiver(password_reset)
def _note_password(sender: Any, user: User, **kwargs: Any) -> None:
    note(user, "password.changed")


@receiver(authenticator_added)
@receiver(authenticator_reset)
def _note_factor(sender: Any, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    note(user, "second_factor.added", kind=KINDS[Authenticator.Type(authenticator.type)])


@receiver(authenticator_removed)
def _note_factor_removed(sender: Any, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    note(user, "second_factor.removed", kind=KINDS[Authenticator.Type(authenticator.type)])
