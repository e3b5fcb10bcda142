"""The pages behind “Connect Gusto”: to Gusto, back from Gusto, and the end of a connection."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.exchange import ExchangeError, Misconfigured
from gusto import oauth
from gusto.disconnecting import disconnect as end_connection
from tenants.middleware import membership_of, unscoped
from tenants.models import LegalEntity, Membership, Role, User
from tenants.scope import tenant_scope


def _owner(request: HttpRequest) -> Membership:
    membership = membership_of(request)
    if membership is None or not membership.has_role(Role.OWNER):
        raise PermissionDenied(oauth.NOT_AN_OWNER)
    return membership


def _session_key(request: HttpRequest) -> str:
    assert request.session.session_key is not None, "who is signed in has a session"
    return request.session.session_key


@login_required
@require_POST
def connect(request: HttpRequest, legal_entity_id: int) -> HttpResponse:
    """Send the owner to Gusto."""
    membership = _owner(request)
    legal_entity = get_object_or_404(LegalEntity.objects.all(), pk=legal_entity_id)
    return to_gusto(request, membership, legal_entity)


def to_gusto(request: HttpRequest, membership: Membership, legal_entity: LegalEntity) -> HttpResponse:
    """The way to Gusto's page for an owner, or back with a sentence; inside the tenant's scope."""
    try:
        return HttpResponseRedirect(oauth.begin(membership, _session_key(request), legal_entity))
    except (oauth.ConnectRefused, Misconfigured) as error:
        messages.error(request, error.sentence)
        return _page_of(legal_entity)


def _page_of(legal_entity: LegalEntity) -> HttpResponseRedirect:
    """Where the connection to Gusto is looked after: its step of the set-up, later the page of the legal entity."""
    if not legal_entity.is_live:
        return redirect("admin:set_up_step", legal_entity.pk, "gusto")
    return redirect("admin:tenants_legalentity_change", legal_entity.pk)


def _set_up_of(request: HttpRequest) -> LegalEntity | None:
    """The first legal entity of the member's tenant that is still being set up; outside any scope."""
    membership = membership_of(request)
    if membership is None:
        return None
    with tenant_scope(membership.tenant_id):
        found: LegalEntity | None = LegalEntity.objects.filter(is_live=False).order_by("name").first()
    return found


@login_required
@require_GET
@never_cache
@unscoped
def callback(request: HttpRequest) -> HttpResponse:
    """Gusto sends the owner back here. The code does not stay in the address: a redirect follows in every case."""
    try:
        legal_entity = oauth.finish(cast(User, request.user), _session_key(request), request.GET.dict())
    except oauth.ConnectRefused as refused:
        messages.error(request, refused.sentence)
        in_set_up = _set_up_of(request)
        return _page_of(in_set_up) if in_set_up is not None else redirect("admin:index")
    messages.success(request, f"{legal_entity.name} is connected to Gusto.")
    return _page_of(legal_entity)


@login_required
@require_POST
@unscoped
def disconnect(request: HttpRequest, legal_entity_id: int) -> HttpResponse:
    """End the grant at Gusto and here."""
    membership = _owner(request)
    with tenant_scope(membership.tenant_id):
        legal_entity = get_object_or_404(LegalEntity.objects.all(), pk=legal_entity_id)
    try:
        end_connection(legal_entity)
    except ExchangeError as error:
        messages.error(request, error.sentence)
    else:
        messages.success(request, f"{legal_entity.name} is disconnected from Gusto.")
    return _page_of(legal_entity)
