"""The token endpoint: a code, a refresh token or the application's own secret in, a token out (gusto.md 2).

Asking for a token changes nothing that could be lost: the pair that a refresh token belongs to dies only when the NEW
access token is first used. So a lost answer is a TemporaryFailure here, although the request is a POST; a code that was
used up by a lost answer costs its owner one more click.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from audit.exchange import Misconfigured, OutcomeUnknown, RecordedSession, TemporaryFailure, json_of
from gusto.answers import errors_of, words_of
from gusto.models import GustoApplication

#: Together the ten seconds for which a refresh may hold its row lock: every worker of the grant waits for it.
CONNECT_SECONDS = 3.0
READ_SECONDS = 7.0
#: A token is renewed after this share of its life; drawn anew each time, so that many grants do not renew at once.
RENEWED_AFTER = (0.72, 0.78)
#: Where Gusto does not say how long a token lives. It lives 7,200 s (gusto.md 2); too short costs only a call.
LIFE_SECONDS = 3600


class GrantEnded(Exception):  # noqa: N818 - reads as what happened
    """Gusto does not accept the code or refresh token any more (`invalid_grant`)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token with what renews it. Moments are by our own clock: Gusto's may differ."""

    access_token: str
    refresh_token: str
    scope: str
    granted_at: datetime
    expires_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Not yet in the last quarter of its life."""
        share = random.uniform(*RENEWED_AFTER)  # noqa: S311 - jitter, not a secret
        return now < self.granted_at + (self.expires_at - self.granted_at) * share

    def fields(self) -> dict[str, str]:
        """As the fields of a connection (see gusto/apps.py)."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
            "granted_at": self.granted_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
        }


def pair_of(fields: dict[str, str]) -> Pair | None:
    """The pair in the fields of a connection, None where there is none."""
    if not fields.get("access_token") or not fields.get("refresh_token"):
        return None
    return Pair(
        fields["access_token"],
        fields["refresh_token"],
        fields.get("scope", ""),
        datetime.fromisoformat(fields["granted_at"]).astimezone(UTC),
        datetime.fromisoformat(fields["expires_at"]).astimezone(UTC),
    )


def active_application() -> GustoApplication:
    """The installation's developer application. Raises Misconfigured."""
    found = GustoApplication.objects.filter(is_active=True).first()
    if found is None:
        raise Misconfigured("This installation has no Gusto application yet. The operator sets it up.", "gusto")
    return found


def api_address(application: GustoApplication, path: str) -> str:
    return application.api_url.rstrip("/") + path


def authorize_address(application: GustoApplication) -> str:
    return application.authorize_url or api_address(application, "/oauth/authorize")


def ask(application: GustoApplication, tenant_id: uuid.UUID, about: str, **grant: str) -> Pair:
    """POST /oauth/token with `grant_type` and what belongs to it. A system token comes without refresh token.

    Raises GrantEnded, Misconfigured (Gusto refuses the application itself), TemporaryFailure.
    """
    sent_at = timezone.now()
    body = {"client_id": application.client_id, "client_secret": application.client_secret, **grant}
    address = application.token_url or api_address(application, "/oauth/token")
    with RecordedSession(
        tenant_id=tenant_id,
        system="gusto",
        about=about,
        connect_seconds=CONNECT_SECONDS,
        read_seconds=READ_SECONDS,
    ) as session:
        try:
            response = session.call("POST", address, writes=True, json=body)
        except OutcomeUnknown as unknown:
            raise TemporaryFailure("Gusto did not answer when we asked for access. We try again.") from unknown
    if response.status_code == 200:
        try:
            document = json_of(response)
        except ValueError:
            document = None
        return _pair(document, sent_at, is_system=grant["grant_type"] == "system_access")
    errors = errors_of(response)
    kinds = {error.category for error in errors}
    if response.status_code == 400 and "invalid_grant" in kinds:
        raise GrantEnded
    if response.status_code == 401 or "invalid_client" in kinds:
        raise Misconfigured("Gusto does not accept this installation's client id and secret.", "gusto")
    if errors:
        raise Misconfigured(f"Gusto gave no access: {words_of(errors)}", "gusto")
    raise TemporaryFailure(f"Gusto's sign-in gave an answer that we do not know (status {response.status_code}).")


def _pair(document: Any, sent_at: datetime, *, is_system: bool) -> Pair:
    """Closed by default: without the tokens it is not an answer. Raises TemporaryFailure."""
    if not isinstance(document, dict):
        document = {}
    access_token, refresh_token = document.get("access_token"), document.get("refresh_token")
    has_refresh_token = isinstance(refresh_token, str) and refresh_token
    if not isinstance(access_token, str) or not access_token or not (has_refresh_token or is_system):
        raise TemporaryFailure("Gusto's sign-in gave an answer without the tokens.")
    seconds = document.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        seconds = LIFE_SECONDS
    scope = document.get("scope")
    return Pair(
        access_token,
        refresh_token if isinstance(refresh_token, str) else "",
        scope if isinstance(scope, str) else "",
        sent_at,
        sent_at + timedelta(seconds=seconds),
    )
