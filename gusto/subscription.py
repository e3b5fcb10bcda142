"""Our webhook subscription at Gusto, kept as it should be: created, verified, revived (gusto.md 3.1).

A handshake is only an offer, because anybody can send one. Its token becomes the key of every signature when Gusto has
accepted it, and is never overwritten afterwards.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.trail import record
from audit.work import Claim, Later
from gusto.answers import NotThere
from gusto.client import SystemClient
from gusto.models import GustoApplication, WebhookSubscription
from tenants.models import installation_tenant
from tenants.scope import tenant_scope

logger = structlog.get_logger("gusto.subscription")

PATH = "/v1/webhook_subscriptions"
#: The notices that something here acts on. The events feed brings every kind, whatever is subscribed.
TYPES = ("Company", "Payroll")
#: A verified subscription is looked after this often: Gusto gives up on an address that keeps failing.
LOOK_EVERY = timedelta(hours=6)
#: While the handshake is awaited; it takes seconds where the address can be reached from outside.
LOOK_EVERY_PENDING = timedelta(minutes=1)
#: The token is asked for again after this long without a handshake, then ever more rarely.
PATIENCE = timedelta(minutes=2)
#: After a refusal that a person has to repair (an address that Gusto cannot reach). The events feed works meanwhile.
LOOK_EVERY_REFUSED = timedelta(hours=1)


def webhook_address() -> str:
    """Where Gusto has to send its notices: public, https."""
    return settings.PUBLIC_URL + reverse("gusto:webhook")


def ensure(claim: Claim) -> Later | None:
    """Work `gusto.subscribe`: bring the subscription one step nearer to verified. None = there is no application."""
    application = GustoApplication.objects.filter(is_active=True).first()
    if application is None:
        return None
    try:
        with SystemClient(about="webhook subscription", guard=claim.guard) as client:
            return Later(timezone.now() + _step(client, application))
    except OutcomeUnknown as error:
        # The next look finds what was created, by its address.
        raise TemporaryFailure(error.sentence) from error
    except (Misconfigured, Rejected) as error:
        logger.warning("gusto.subscription_refused", sentence=error.sentence)
        return Later(timezone.now() + LOOK_EVERY_REFUSED, error.sentence)


def _step(client: SystemClient, application: GustoApplication) -> timedelta:
    """One look at both sides. Returns when to look again."""
    address = webhook_address()
    theirs = _theirs(client, address)
    ours = _ours(application, address, theirs)
    if ours is None:
        _create(client, application, address)
        return LOOK_EVERY_PENDING
    status = str(theirs[ours.subscription_uuid].get("status"))
    if ours.state == WebhookSubscription.State.VERIFIED and status == "verified":
        _widen(client, ours.subscription_uuid, theirs[ours.subscription_uuid])
        return LOOK_EVERY
    token = ours.offered_token if ours.state == WebhookSubscription.State.PENDING else ours.verification_token
    if token:
        if _verify(client, ours, token):
            return LOOK_EVERY
        if ours.state != WebhookSubscription.State.PENDING:
            # Gusto has forgotten the token that it once accepted: this subscription can never be heard again.
            _give_up(client, ours)
            return timedelta()
    waited = timezone.now() - ours.created_at
    if token or waited > PATIENCE:
        client.fetch(f"{PATH}/{ours.subscription_uuid}/request_verification_token", private=False)
        return min(max(waited, LOOK_EVERY_PENDING), LOOK_EVERY)
    return LOOK_EVERY_PENDING


def _theirs(client: SystemClient, address: str) -> dict[str, dict[str, Any]]:
    """Gusto's live subscriptions to our address, by uuid."""
    rows = client.fetch(PATH, private=False).document
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("uuid") for row in rows):
        raise TemporaryFailure("Gusto's list of webhook subscriptions has a form that we do not know.")
    return {str(row["uuid"]): row for row in rows if row.get("url") == address and row.get("status") != "removed"}


def _ours(application: GustoApplication, address: str, theirs: dict[str, dict[str, Any]]) -> WebhookSubscription | None:
    """Our live row, brought in line with what Gusto has; None = there is none at Gusto either."""
    with transaction.atomic():
        rows = list(
            WebhookSubscription.objects.select_for_update().filter(application=application, url=address).order_by("-id")
        )
        known = [row for row in rows if row.subscription_uuid in theirs]
        for row in rows:
            if row not in known and row.subscription_uuid:
                _set_state(row, WebhookSubscription.State.REMOVED)
        # One with a key before one that waits: two come about if a created one was lost sight of.
        known.sort(key=lambda row: not row.verification_token)
        for chosen in known[:1]:
            if chosen.verification_token:
                lost = theirs[chosen.subscription_uuid].get("status") == "unreachable"
                states = WebhookSubscription.State
                _set_state(chosen, states.UNREACHABLE if lost else states.VERIFIED)
            else:
                _set_state(chosen, WebhookSubscription.State.PENDING)
            return chosen
        if not theirs:
            return None
        # Created by us and its answer lost, or by an installation whose database is gone: take it over.
        chosen = next((row for row in rows if not row.subscription_uuid), None) or WebhookSubscription(
            application=application, url=address
        )
        chosen.subscription_uuid = next(iter(theirs))
        chosen.save()
        return chosen


def _set_state(row: WebhookSubscription, state: WebhookSubscription.State) -> None:
    if row.state != state:
        row.state = state
        row.save(update_fields=["state"])


def _create(client: SystemClient, application: GustoApplication, address: str) -> None:
    """The row is there before the request: the handshake may arrive before the answer."""
    waiting, _ = WebhookSubscription.objects.get_or_create(
        subscription_uuid="",
        defaults={"application": application, "url": address},
    )
    try:
        made = client.post(PATH, {"url": address, "subscription_types": list(TYPES)}).document
    except (Rejected, Misconfigured, TemporaryFailure):
        waiting.delete()
        raise
    if not isinstance(made, dict) or not made.get("uuid"):
        raise OutcomeUnknown("Gusto did not say which webhook subscription it created.")
    # Only these fields: a handshake may have written its token meanwhile.
    WebhookSubscription.objects.filter(pk=waiting.pk).update(
        subscription_uuid=str(made["uuid"]), application=application, url=address, created_at=timezone.now()
    )
    _record("webhook_subscription.created")


def _verify(client: SystemClient, subscription: WebhookSubscription, token: str) -> bool:
    """Ask Gusto whether this is its token. False = it is not; an offer is forgotten then."""
    try:
        client.put(f"{PATH}/{subscription.subscription_uuid}/verify", {"verification_token": token})
    except NotThere:
        raise TemporaryFailure("The webhook subscription went away while it was verified.") from None
    except Rejected as error:
        logger.warning("gusto.subscription_not_verified", sentence=error.sentence)
        _settle(subscription, token, None)
        return False
    _settle(subscription, token, timezone.now())
    return True


def _settle(subscription: WebhookSubscription, token: str, verified_at: datetime | None) -> None:
    with transaction.atomic():
        row = WebhookSubscription.objects.select_for_update().get(pk=subscription.pk)
        mine = WebhookSubscription.objects.filter(pk=subscription.pk)
        if verified_at is not None:
            state = WebhookSubscription.State.VERIFIED
            mine.update(verification_token=token, offered_token="", state=state, verified_at=verified_at)
        elif row.offered_token == token:
            # Another one may have come meanwhile; that one is tried next.
            mine.update(offered_token="")
    if verified_at is not None:
        _record("webhook_subscription.verified")


def _widen(client: SystemClient, subscription_uuid: str, theirs: dict[str, Any]) -> None:
    """An older version of this product subscribed to fewer kinds of notice."""
    types = theirs.get("subscription_types")
    if isinstance(types, list) and not set(TYPES) <= set(types):
        client.put(f"{PATH}/{subscription_uuid}", {"subscription_types": sorted({*TYPES, *types})})


def _give_up(client: SystemClient, subscription: WebhookSubscription) -> None:
    client.delete(f"{PATH}/{subscription.subscription_uuid}")
    WebhookSubscription.objects.filter(pk=subscription.pk).update(state=WebhookSubscription.State.REMOVED)


def _record(action: str) -> None:
    tenant = installation_tenant()
    with tenant_scope(tenant.pk):
        record(action)
