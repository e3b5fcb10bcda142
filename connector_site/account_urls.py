"""The addresses of sign-in and of one's own security: django-allauth's pages, drawn in the console's frame for whoever is
signed in.

They belong to no tenant, so they open no scope: a count of wrong passwords must outlive the page that refused one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.usersessions import views as usersessions
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, re_path, reverse

from connector_site import invitation_pages, second_factor
from tenants.middleware import membership_of, unscoped
from tenants.scope import tenant_scope

View = Callable[..., HttpResponse]

#: Fields of allauth's forms in the product's words.
LABELS = {
    "login": "User name or mail address",
    "password": "Password",
    "email": "Mail address",
    "oldpassword": "Password now",
    "password1": "New password",
    "password2": "New password again",
    "code": "Code",
    "name": "Name of the key",
}


def _in_our_words(form: Any) -> None:
    for name in getattr(form, "fields", {}):
        # Of the bound field: a form that was checked has made them all before.
        form[name].label = LABELS.get(name, form[name].label)
        form.fields[name].widget.attrs.pop("placeholder", None)


def framed(view: View) -> View:
    """Give a page what the console's frame shows, and draw it inside the tenant's scope."""

    @wraps(view)
    def drawn(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse) and not response.is_rendered:
            membership = membership_of(request)
            with tenant_scope(membership.tenant_id) if membership else nullcontext():
                frame = admin.site.each_context(request)
                own = {
                    "membership": membership,
                    "has_mail": settings.HAS_MAIL,
                    "sign_up_allowed": settings.SIGN_UP_ALLOWED,
                    "is_second_factor_owed": membership is not None and second_factor.is_owed(membership),
                    "crumbs": [("Your sign-in", reverse("mfa_index"))],
                }
                given = response.context_data or {}
                if (view.__module__ or "").startswith("allauth."):
                    _in_our_words(given.get("form"))
                response.context_data = {**frame, **own, **given}
                response.render()
        return response

    return unscoped(drawn)


urlpatterns = [
    path("login/", framed(account.login), name="account_login"),
    path("logout/", framed(account.logout), name="account_logout"),
    path("inactive/", framed(account.account_inactive), name="account_inactive"),
    path("sign-up/", framed(invitation_pages.sign_up), name="account_signup"),
    path("invitation/<str:token>/", framed(invitation_pages.accept), name="account_invitation"),
    path("session/", unscoped(invitation_pages.session_state), name="account_session"),
    path("back/", framed(invitation_pages.signed_in_again), name="account_signed_in_again"),
    path("reauthenticate/", framed(account.reauthenticate), name="account_reauthenticate"),
    path("password/change/", framed(account.password_change), name="account_change_password"),
    path("password/set/", framed(account.password_set), name="account_set_password"),
    path("password/reset/", framed(account.password_reset), name="account_reset_password"),
    path("password/reset/done/", framed(account.password_reset_done), name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        framed(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        framed(account.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    path("security/", framed(mfa.index), name="mfa_index"),
    path("security/code/", framed(mfa.authenticate), name="mfa_authenticate"),
    path("security/confirm/", framed(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("security/app/", framed(totp.activate_totp), name="mfa_activate_totp"),
    path("security/app/remove/", framed(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("security/recovery/", framed(recovery_codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("security/recovery/new/", framed(recovery_codes.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("security/recovery/file/", framed(recovery_codes.download_recovery_codes), name="mfa_download_recovery_codes"),
    path("security/keys/", framed(webauthn.list_webauthn), name="mfa_list_webauthn"),
    path("security/keys/add/", framed(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("security/keys/confirm/", framed(webauthn.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("security/keys/sign-in/", framed(webauthn.login_webauthn), name="mfa_login_webauthn"),
    path("security/keys/<int:pk>/remove/", framed(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path("security/keys/<int:pk>/edit/", framed(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("security/sessions/", framed(usersessions.list_usersessions), name="usersessions_list"),
]
