"""A work item that has to be done soon: the proof that somebody works.

Processes that are alive prove nothing: a worker that was killed while it held the queue's lock leaves a cluster that
lives and does nothing. The supervisor sends a canary every few seconds and restarts the worker when one is not done
in time; the health page shows when the last one was.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from django.db import connection

from audit.work import Claim, enqueue

KIND = "audit.canary"
#: Claims go by due time; from before everything else, a canary never waits behind a backlog.
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
#: Done canaries are kept this long, for the health page.
KEPT_SECONDS = 600.0


def handle(item: Claim) -> None:
    """Nothing to do: that it is done is the proof."""


def send() -> str:
    """Make a canary due and ring. Returns its ref. Each has a ref of its own, because a worker that is killed with a
    canary in its hand would hold the same ref until its lease ends.
    """
    ref = uuid.uuid4().hex
    enqueue(KIND, ref, tenant_id=None, due_at=FIRST)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM audit_workitem WHERE kind = %s AND state = 'done' "
            "AND finished_at < clock_timestamp() - %s * interval '1 second'",
            [KIND, KEPT_SECONDS],
        )
    return ref


def is_done(ref: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM audit_workitem WHERE kind = %s AND ref = %s AND state = 'done'", [KIND, ref])
        return cursor.fetchone() is not None


def withdraw(ref: str) -> None:
    """Take back a canary that nobody has begun."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_workitem WHERE kind = %s AND ref = %s AND state = 'ready'", [KIND, ref])


def seconds_since_seen() -> float | None:
    """Seconds since the last canary was done; None if none is on record."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - max(finished_at))::float FROM audit_workitem "
            "WHERE kind = %s AND state = 'done'",
            [KIND],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def busy_workers() -> int:
    """How many items are in the hands of a worker whose lease lives."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM audit_workitem WHERE state = 'running' AND kind <> %s "
            "AND leased_until > clock_timestamp()",
            [KIND],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0
