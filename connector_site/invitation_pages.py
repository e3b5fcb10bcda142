"""The pages of whoever is not in yet, or not any more: an invitation, signing up, and the way back of a session that ended."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import perform_login
from allauth.decorators import rate_limit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET

from connector_site import invitations
from tenants.middleware import SESSION_TENANT
from tenants.models import Invitation, Tenant, User

NAME_TAKEN = "Somebody here has this user name already. Choose another one."


class NewPersonForm(forms.ModelForm):
    """User name and password of somebody who comes for the first time."""

    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
        error_messages={"required": "A password is missing."},
    )

    class Meta:
        model = User
        fields = ("username",)
        labels = {"username": "User name"}
        help_texts = {"username": "It stands beside what you do in the audit trail."}
        error_messages = {"username": {"required": "A user name is missing.", "unique": NAME_TAKEN}}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if password := cleaned.get("password"):
            try:
                validate_password(password, User(username=cleaned.get("username", ""), email=self.instance.email))
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        user.set_password(self.cleaned_data["password"])
        user.save()
        return user


class SignUpForm(forms.Form):
    tenant_name = forms.CharField(
        label="Name of your company",
        max_length=200,
        error_messages={"required": "The name of your company is missing."},
    )
    email = forms.EmailField(
        label="Your mail address",
        error_messages={
            "required": "A mail address is missing.",
            "invalid": "This is no mail address. Example: ana@example.com.",
        },
    )

    def clean_tenant_name(self) -> str:
        name: str = self.cleaned_data["tenant_name"].strip()
        return name


@never_cache
@sensitive_post_parameters("password")
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """What somebody is invited to, and yes to it: as the person who is signed in, or as a new one."""
    try:
        invitation = invitations.find(token)
    except invitations.NotOpen as refused:
        return TemplateResponse(request, "account/invitation_over.html", {"sentence": str(refused)}, status=410)
    if request.user.is_authenticated:
        if request.method == "POST":
            return _become_member(request, token, request.user)
        return _page(request, invitation)
    is_known = User.objects.filter(email__iexact=invitation.email, is_active=True).exists()
    form = NewPersonForm(
        request.POST or None,
        instance=User(email=invitation.email),
        initial={"username": invitation.email.partition("@")[0]},
    )
    if request.method == "POST" and not is_known and form.is_valid():
        try:
            with transaction.atomic():
                user = form.save()
                invitations.accept(token, user)
        except IntegrityError:
            form.add_error("username", NAME_TAKEN)
        except invitations.NotOpen as refused:
            return TemplateResponse(request, "account/invitation_over.html", {"sentence": str(refused)}, status=410)
        else:
            answer: HttpResponse = perform_login(request, user, redirect_url=reverse("admin:index"))
            return answer
    return _page(request, invitation, form=form, is_known=is_known)


def _page(request: HttpRequest, invitation: Invitation, **context: Any) -> TemplateResponse:
    tenant: Tenant | str = invitation.tenant or invitation.tenant_name
    return TemplateResponse(
        request, "account/invitation.html", {"invitation": invitation, "invited_to": tenant, **context}
    )


def _become_member(request: HttpRequest, token: str, user: User) -> HttpResponse:
    try:
        membership = invitations.accept(token, user)
    except invitations.NotOpen as refused:
        return TemplateResponse(request, "account/invitation_over.html", {"sentence": str(refused)}, status=410)
    request.session[SESSION_TENANT] = str(membership.tenant_id)
    messages.success(request, f"You are a member of {membership.tenant} as {membership.roles_in_words}.")
    return HttpResponseRedirect(reverse("admin:index"))


@never_cache
@rate_limit(action="signup")
def sign_up(request: HttpRequest) -> HttpResponse:
    """Ask for a link with which to found a tenant. The answer is the same for every mail address."""
    if not settings.SIGN_UP_ALLOWED:
        return TemplateResponse(request, "account/signup_closed.html", status=403)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        link = invitations.invite(
            None, email, invitations.FOUNDER, may_see_pay=True, by=None, tenant_name=form.cleaned_data["tenant_name"]
        )
        try:
            invitations.send(link)
        except invitations.NotSent as refused:
            form.add_error(None, str(refused))
        else:
            return TemplateResponse(request, "account/signup_sent.html", {"email": email})
    return TemplateResponse(request, "account/signup.html", {"form": form})


@require_GET
@never_cache
def session_state(request: HttpRequest) -> HttpResponse:
    """For the console's script, before it sends a form: whether somebody is still signed in, and a fresh form mark."""
    return JsonResponse({"signed_in": request.user.is_authenticated, "csrf": get_token(request)})


@require_GET
def signed_in_again(request: HttpRequest) -> HttpResponse:
    """Where the second tab ends in which somebody signed in again."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(reverse("account_login"))
    return TemplateResponse(request, "account/signed_in_again.html")
