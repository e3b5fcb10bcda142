"""Gusto's 200 calls per rolling minute, shared by every worker that uses the same grant.

Each call takes its turn under a row lock in a transaction of a few milliseconds; moments are the database's, so that
machines whose clocks differ still share one window.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

from django.db import connection

from audit.exchange import TemporaryFailure
from gusto.models import CallWindow
from tenants.scope import tenant_scope

#: Gusto allows 200 (gusto.md 7). The reserve is for calls that overtake each other on the way there, and for a call that
#: was sent just before a restart of Gusto's own count.
CALLS_MAX = 200
CALLS_RESERVE = 10
#: Gusto's window with a second for what was under way longer than its successors.
WINDOW_SECONDS = 61.0
#: Longer than this a worker does not sit and wait for its first call; it has other work.
WAIT_SECONDS_MAX = 20.0
#: A pause where Gusto says “slow down” without saying for how long.
PAUSE_SECONDS = 10.0


def take_turn(connection_id: int, tenant_id: uuid.UUID, wait_seconds_max: float = WAIT_SECONDS_MAX) -> float:
    """Wait until one more call may leave under this grant, and count it. Returns the seconds waited.

    Raises TemporaryFailure, with the seconds to wait, where it would take longer than `wait_seconds_max`.
    """
    began = time.monotonic()
    while True:
        wait = _turn(connection_id, tenant_id)
        waited = time.monotonic() - began
        if wait <= 0:
            return waited
        if waited + wait > wait_seconds_max:
            raise TemporaryFailure("This company's calls to Gusto are used up for the minute.", wait)
        time.sleep(wait)


def pause(connection_id: int, tenant_id: uuid.UUID, seconds: float | None) -> None:
    """Gusto asked to slow down (429): no worker of this grant calls before `seconds` have passed."""
    with tenant_scope(tenant_id):
        window = _locked(connection_id)
        until = _now() + (PAUSE_SECONDS if seconds is None else seconds)
        if window.paused_until is None or window.paused_until.timestamp() < until:
            CallWindow.objects.filter(pk=window.pk).update(paused_until=datetime.fromtimestamp(until, UTC))


def _turn(connection_id: int, tenant_id: uuid.UUID) -> float:
    """Seconds until the next call may leave; 0 = it may leave now and has been counted."""
    with tenant_scope(tenant_id):
        window = _locked(connection_id)
        now = _now()
        if window.paused_until is not None and window.paused_until.timestamp() > now:
            return window.paused_until.timestamp() - now
        sent_at = [moment for moment in window.sent_at if moment > now - WINDOW_SECONDS]
        free = CALLS_MAX - CALLS_RESERVE - len(sent_at)
        if free <= 0:
            # The call that has to leave the window first; older ones make room for calls that wait already.
            return float(sent_at[-free]) + WINDOW_SECONDS - now + 0.005
        CallWindow.objects.filter(pk=window.pk).update(sent_at=[*sent_at, round(now, 3)], paused_until=None)
        return 0.0


def _locked(connection_id: int) -> CallWindow:
    if not CallWindow.objects.filter(connection_id=connection_id).exists():
        CallWindow.objects.bulk_create([CallWindow(connection_id=connection_id)], ignore_conflicts=True)
    window: CallWindow = CallWindow.objects.select_for_update().get(connection_id=connection_id)
    return window


def _now() -> float:
    """The database's clock in epoch seconds, asked after the lock was got."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        row = cursor.fetchone()
    assert row is not None
    return float(row[0])
