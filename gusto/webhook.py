"""Where Gusto's notices arrive: prove who sent it, store it, answer 202, ring; nothing else happens here.

All companies of all tenants arrive at one address under one key (gusto.md 3). No time is signed, so a notice can be sent
again by anybody who saw it: its uuid makes the second one nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from prometheus_client import Counter

from audit import work
from gusto.models import WebhookEvent, WebhookSubscription
from gusto.notices import NoticeMalformed, notice_of, store
from tenants.middleware import unscoped

#: A notice has about 300 bytes; what is a thousand times larger is not one.
BODY_BYTES_MAX = 256 * 1024
#: Keys are read again after this long, so that a subscription verified by a worker counts here.
KEYS_SECONDS = 5.0
#: A signature that fits no key asks for the keys again, but not more often than this: anybody can send wrong ones.
KEYS_SECONDS_MIN = 0.5

RECEIVED = Counter(
    "mlc_webhooks",
    "Requests to the webhook address by what became of them.",
    ["result"],
)
for _result in (
    "stored", "unknown_company", "duplicate", "handshake",
    "wrong_signature", "handshake_refused", "malformed", "too_large",
):  # fmt: skip
    RECEIVED.labels(_result)

_TOKEN = re.compile(r"[\x21-\x7e]{8,200}")
#: Whether a handshake names its subscription is known only from other people's receivers (gusto.md 3.1): both are taken.
_SUBSCRIPTION_NAMES = ("webhook_subscription_uuid", "subscription_uuid", "uuid")


class _Keys:
    """The verification tokens that Gusto accepted, kept for a moment: reading and opening them costs more than the rest
    of the view.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: list[bytes] = []
        self._read_at = float("-inf")

    def fit(self, body: bytes, signature: bytes) -> bool:
        """Whether one of them signed this body. Takes the same time for every wrong signature."""
        if self._any(self._current(KEYS_SECONDS), body, signature):
            return True
        return self._any(self._current(KEYS_SECONDS_MIN), body, signature)

    def forget(self) -> None:
        self._read_at = float("-inf")

    def _current(self, seconds_max: float) -> list[bytes]:
        with self._lock:
            if time.monotonic() - self._read_at > seconds_max:
                # Gusto stops sending to an unreachable address, but what it sent before still arrives.
                states = [WebhookSubscription.State.VERIFIED, WebhookSubscription.State.UNREACHABLE]
                rows = WebhookSubscription.objects.filter(state__in=states)
                self._keys = [row.verification_token.encode() for row in rows if row.verification_token]
                self._read_at = time.monotonic()
            return self._keys

    @staticmethod
    def _any(keys: list[bytes], body: bytes, signature: bytes) -> bool:
        fits = False
        for key in keys:
            # Every key is tried: leaving at the first would tell by the time taken which one it was.
            fits |= hmac.compare_digest(sign(key, body), signature)
        return fits


keys = _Keys()


def sign(key: bytes, body: bytes) -> bytes:
    """What Gusto puts into X-Gusto-Signature: HMAC-SHA256 of the raw body, in lowercase hexadecimal (gusto.md 3.3)."""
    return hmac.new(key, body, hashlib.sha256).hexdigest().encode()


@csrf_exempt
@require_POST
@unscoped
def webhook(request: HttpRequest) -> HttpResponse:
    """202: stored, or known already. 401: nobody knows who sent it. 413, 400: it cannot be a notice. Nothing is stored
    of what was refused.
    """
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return _answer("malformed", 400)
    if length > BODY_BYTES_MAX:
        return _answer("too_large", 413)
    try:
        body = request.body
    except UnreadablePostError:
        return _answer("malformed", 400)
    signature = request.headers.get("X-Gusto-Signature", "").encode("utf-8", "replace")
    is_signed = bool(signature) and keys.fit(body, signature)
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return _answer("wrong_signature", 401) if signature and not is_signed else _answer("malformed", 400)
    if isinstance(document, dict) and "verification_token" in document:
        return _handshake(document)
    if not is_signed:
        return _answer("wrong_signature", 401)
    try:
        notice = notice_of(document)
    except NoticeMalformed:
        return _answer("malformed", 400)
    states = store([notice], "webhook")
    if not states:
        return _answer("duplicate", 202)
    return _answer("unknown_company" if states[0] == WebhookEvent.State.UNKNOWN_COMPANY else "stored", 202)


def _handshake(document: dict[str, Any]) -> HttpResponse:
    """Anybody can send one, so its token is only offered: a worker asks Gusto whether it is right (gusto.subscription).
    Taken while a subscription of ours waits for one, never for one that is verified.
    """
    token = document["verification_token"]
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        return _answer("malformed", 400)
    named = next((str(document[name]) for name in _SUBSCRIPTION_NAMES if document.get(name)), "")
    with transaction.atomic():
        waiting = WebhookSubscription.objects.select_for_update().filter(
            state=WebhookSubscription.State.PENDING, application__is_active=True
        )
        if named:
            # Without a uuid: Gusto may call before it has answered us with the uuid of the new subscription.
            waiting = waiting.filter(subscription_uuid__in=[named, ""])
        subscription = waiting.order_by("-id").first()
        if subscription is None:
            return _answer("handshake_refused", 401)
        WebhookSubscription.objects.filter(pk=subscription.pk).update(offered_token=token)
        work.enqueue("gusto.subscribe", tenant_id=None)
    return _answer("handshake", 202)


def _answer(result: str, status: int) -> HttpResponse:
    RECEIVED.labels(result).inc()
    return HttpResponse(status=status)
