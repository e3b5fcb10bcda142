"""Durable work: enqueue, claim, lease, try again, give up, sweep.

The truth is the `WorkItem` row; django-q2 is only the bell that wakes a worker. Work is done at least once, so every
handler must be safe to run again. A handler runs outside any transaction and opens short scopes itself, because it
calls the outside world in between.

Handlers are registered in `apps.py`. A handler gets a `Claim` and returns None (done) or `Later` (the same again).
It raises one of the four errors of `audit.exchange`: TemporaryFailure is tried again with exponential backoff and full
jitter, everything else is the handler's to translate before it reaches this module.
"""

from __future__ import annotations

import random
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from audit.exchange import ExchangeError, TemporaryFailure, request_id

logger = structlog.get_logger("audit.work")

#: Seconds a claim is held. Longer than the longest HTTP deadline (75 s) plus the longest settling that a handler sits
#: out itself; longer settling is a `Later`.
LEASE_SECONDS = 240
#: First key of the session lock that a worker holds while it does an item. The server frees it within milliseconds of
#: a kill, so that the sweep can hand the item on without waiting for the lease to end.
LOCK_CLASS = 0x4D4C43
#: A claim and its session lock are two statements; the sweep leaves a claim alone that is younger than this.
LOCK_GRACE_SECONDS = 3
#: First wait after a failed attempt, in seconds; doubled each time up to BACKOFF_SECONDS_MAX, then jittered fully.
BACKOFF_SECONDS = 2.0
#: An ERP's maintenance window is a night: with this cap and 40 attempts an item lives for about a day.
BACKOFF_SECONDS_MAX = 3600.0
#: Attempts before an item is given up: 12 doublings to the cap, then hourly through a day of outage.
ATTEMPTS_MAX = 40
#: Seconds that one ring of the bell works before it lets go, so that a cluster can be stopped.
DRAIN_SECONDS = 20.0


class LeaseLost(Exception):  # noqa: N818 - reads as what happened
    """Another worker owns this work by now; stop at once and write nothing."""


@dataclass(frozen=True, slots=True)
class Later:
    """The work goes on at `due_at`; this attempt is not counted as a failure."""

    due_at: datetime
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One item, owned by this worker until its lease ends."""

    item_id: int
    tenant_id: uuid.UUID | None
    kind: str
    ref: str
    attempts: int
    lease: uuid.UUID
    is_takeover: bool = False
    """Another worker held this item before and did not finish it."""

    def guard(self) -> None:
        """Prolong the lease. Raises LeaseLost if it is no longer ours. Call before each outside write."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET leased_until = clock_timestamp() + %s * interval '1 second' "
                "WHERE id = %s AND lease = %s AND state = 'running'",
                [LEASE_SECONDS, self.item_id, self.lease],
            )
            if cursor.rowcount != 1:
                raise LeaseLost(f"{self.kind} {self.ref}")

    def progress(self, done: int, total: int) -> None:
        """Prolong the lease and say how far the work is, for whoever watches. Raises LeaseLost."""
        self.guard()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_workitem SET steps_done = %s, steps_total = %s WHERE id = %s AND lease = %s",
                [done, total, self.item_id, self.lease],
            )


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of work is done. `exhausted` is told when it is given up for good."""

    name: str
    handle: Callable[[Claim], Later | None]
    exhausted: Callable[[Claim, str], None] | None = None
    attempts_max: int = ATTEMPTS_MAX


_kinds: dict[str, Kind] = {}


def register(
    name: str,
    handle: Callable[[Claim], Later | None],
    exhausted: Callable[[Claim, str], None] | None = None,
    attempts_max: int = ATTEMPTS_MAX,
) -> None:
    """Make a kind of work known. Called by `apps.py`; the last registration of a name wins."""
    _kinds[name] = Kind(name, handle, exhausted, attempts_max)


def enqueue(kind: str, ref: str = "", *, tenant_id: uuid.UUID | str | None, due_at: datetime | None = None) -> None:
    """Make work due, in the caller's transaction, and ring after commit. The same work already waiting is not doubled:
    it becomes due at the earlier of the two moments.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            enqueue_sql("SELECT %s::uuid, %s, %s, %s::timestamptz"),
            [str(tenant_id) if tenant_id else None, kind, ref, due_at],
        )
    if due_at is None or due_at <= timezone.now():
        transaction.on_commit(ring)


def enqueue_sql(rows: str) -> str:
    """The statement of `enqueue` for the rows of a query (tenant_id, kind, ref, due_at; NULL = now), to stand in a larger
    statement. Who uses it rings after commit.
    """
    return f"""INSERT INTO audit_workitem (tenant_id, kind, ref, state, due_at, attempts, sentence, created_at)
        SELECT tenant_id, kind, ref, 'ready', COALESCE(due_at, clock_timestamp()), 0, '', clock_timestamp()
        FROM ({rows}) AS given (tenant_id, kind, ref, due_at)
        ON CONFLICT (tenant_id, kind, ref) WHERE state = 'ready'
        DO UPDATE SET due_at = LEAST(audit_workitem.due_at, EXCLUDED.due_at)"""  # noqa: S608 - the query is ours, values are parameters


def ensure(kind: str, ref: str = "", *, tenant_id: uuid.UUID | str | None) -> None:
    """Make recurring work due unless it waits or runs already; what waits keeps its moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO audit_workitem (tenant_id, kind, ref, state, due_at, attempts, sentence, created_at)
            SELECT %s::uuid, %s, %s, 'ready', clock_timestamp(), 0, '', clock_timestamp()
            WHERE NOT EXISTS (SELECT 1 FROM audit_workitem WHERE state IN ('ready', 'running') AND kind = %s AND ref = %s
                              AND tenant_id IS NOT DISTINCT FROM %s::uuid)
            ON CONFLICT DO NOTHING""",
            [str(tenant_id) if tenant_id else None, kind, ref, kind, ref, str(tenant_id) if tenant_id else None],
        )
        is_new = cursor.rowcount > 0
    if is_new:
        transaction.on_commit(ring)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far work is that somebody waits for. `total` 0 = nobody knows how many steps there are."""

    done: int
    total: int
    is_running: bool
    sentence: str
    """Why the last attempt did not finish, or nothing."""

    @property
    def percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total else 0


def progress_of(tenant_id: uuid.UUID | None, kinds: Iterable[str], ref: str = "") -> Progress | None:
    """How far the work on something is that is due or runs now; None where nothing is."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT steps_done, steps_total, state = 'running', sentence FROM audit_workitem
            WHERE kind = ANY(%s) AND ref = %s AND tenant_id IS NOT DISTINCT FROM %s::uuid
              AND (state = 'running' OR (state = 'ready' AND due_at <= clock_timestamp()))
            ORDER BY state = 'running' DESC, due_at LIMIT 1""",
            [list(kinds), ref, str(tenant_id) if tenant_id else None],
        )
        row = cursor.fetchone()
    return Progress(*row) if row else None


def ring() -> None:
    """Wake a worker, unless a bell is already waiting to be heard. A lost ring is the sweep's business."""
    from django_q.tasks import async_task  # noqa: PLC0415 - django-q2 reads settings and models when imported

    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM django_q_ormq WHERE lock <= clock_timestamp())")
        row = cursor.fetchone()
    if not (row and row[0]):
        async_task("audit.work.drain")


def claim() -> Claim | None:
    """Take the oldest due item, in a transaction of its own. Two items about the same thing never run together: what was
    enqueued behind a worker that died waits until the dead worker's item is taken over and done.
    """
    lease = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE audit_workitem AS mine SET state = 'running', attempts = mine.attempts + 1, lease = %s,
                steps_done = 0, steps_total = 0,
                leased_until = clock_timestamp() + %s * interval '1 second'
            FROM (SELECT id, state FROM audit_workitem AS due
                  WHERE ((due.state = 'ready' AND due.due_at <= clock_timestamp())
                         OR (due.state = 'running' AND due.leased_until < clock_timestamp()))
                    AND NOT EXISTS (SELECT 1 FROM audit_workitem AS other
                                    WHERE other.state = 'running' AND other.id <> due.id AND other.kind = due.kind
                                      AND other.ref = due.ref AND other.tenant_id IS NOT DISTINCT FROM due.tenant_id
                                      AND (due.state = 'ready' OR other.leased_until >= clock_timestamp()))
                  ORDER BY due.due_at FOR UPDATE SKIP LOCKED LIMIT 1) AS found
            WHERE mine.id = found.id
            RETURNING mine.id, mine.tenant_id, mine.kind, mine.ref, mine.attempts, found.state""",
            [lease, LEASE_SECONDS],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Claim(row[0], row[1], row[2], row[3], row[4], lease, is_takeover=row[5] == "running")


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Work until nothing is due or the budget ends; then ring again. Returns how many items were tried."""
    ends = time.monotonic() + seconds
    done = 0
    while (item := claim()) is not None:
        run(item)
        done += 1
        if time.monotonic() > ends:
            ring()
            break
    return done


def run(item: Claim) -> None:
    """Do one claimed item and write down how it ended."""
    context = request_id.set(f"work-{item.item_id}-{item.attempts}")
    log = logger.bind(kind=item.kind, ref=item.ref, tenant=str(item.tenant_id or ""), attempt=item.attempts)
    known = _kinds.get(item.kind)
    _hold(item, "pg_advisory_lock")
    try:
        if known is None:
            raise TemporaryFailure(f"Nobody here knows how to do “{item.kind}”.")
        if item.attempts > known.attempts_max:
            _give_up(item, known, "It was tried too often without an end.")
            return
        later = known.handle(item)
    except LeaseLost:
        log.warning("work.lease_lost")
    except ExchangeError as error:
        wait = error.retry_after_seconds if isinstance(error, TemporaryFailure) else None
        log.info("work.temporary", error=type(error).__name__)
        _try_again(item, known, error.sentence, wait)
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever it is, the work stays
        # The message of an unknown exception may hold values; only where it arose is logged.
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "work.failed", error=type(error).__name__, place=f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
        )
        _try_again(item, known, f"An internal fault ({type(error).__name__}).", None)
    else:
        if later is None:
            _finish(item)
        else:
            _put_back(item, later.due_at, later.sentence, forgive=True)
    finally:
        _hold(item, "pg_advisory_unlock")
        request_id.reset(context)


def _hold(item: Claim, function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [LOCK_CLASS, item.item_id % 2**31])


def _finish(item: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_workitem SET state = 'done', finished_at = clock_timestamp(), lease = NULL, leased_until = NULL, "
            "sentence = '' WHERE id = %s AND lease = %s",
            [item.item_id, item.lease],
        )


def _try_again(item: Claim, known: Kind | None, sentence: str, wait: float | None) -> None:
    if known is not None and item.attempts >= known.attempts_max:
        _give_up(item, known, sentence)
        return
    ceiling = min(BACKOFF_SECONDS * 2 ** min(item.attempts - 1, 16), BACKOFF_SECONDS_MAX)
    seconds = wait if wait is not None else random.uniform(0.2, ceiling)  # noqa: S311 - jitter, not a secret
    _put_back(item, timezone.now() + timedelta(seconds=seconds), sentence, forgive=False)


def _put_back(item: Claim, due_at: datetime, sentence: str, *, forgive: bool) -> None:
    """Back to ready; merged into an item that was enqueued meanwhile, so that there is one of each."""
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _merge_or_ready(cursor, item, due_at, sentence, forgive=forgive)
            return
        except IntegrityError:
            # The same work was enqueued between the look and the write: look again, now it is there to be merged into.
            continue


def _merge_or_ready(cursor: Any, item: Claim, due_at: datetime, sentence: str, *, forgive: bool) -> None:
    cursor.execute("SELECT 1 FROM audit_workitem WHERE id = %s AND lease = %s FOR UPDATE", [item.item_id, item.lease])
    if cursor.fetchone() is None:
        return
    cursor.execute(
        """UPDATE audit_workitem SET due_at = LEAST(due_at, %s), attempts = GREATEST(attempts, %s)
        WHERE state = 'ready' AND kind = %s AND ref = %s AND tenant_id IS NOT DISTINCT FROM %s""",
        [due_at, 0 if forgive else item.attempts, item.kind, item.ref, item.tenant_id],
    )
    if cursor.rowcount:
        cursor.execute("DELETE FROM audit_workitem WHERE id = %s", [item.item_id])
        return
    cursor.execute(
        "UPDATE audit_workitem SET state = 'ready', due_at = %s, sentence = %s, lease = NULL, leased_until = NULL, "
        "attempts = CASE WHEN %s THEN 0 ELSE attempts END WHERE id = %s",
        [due_at, sentence, forgive, item.item_id],
    )


def _give_up(item: Claim, known: Kind, sentence: str) -> None:
    logger.error("work.exhausted", kind=item.kind, ref=item.ref, attempts=item.attempts)
    if known.exhausted is not None:
        known.exhausted(item, sentence)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_workitem SET state = 'exhausted', finished_at = clock_timestamp(), lease = NULL, "
            "leased_until = NULL, sentence = %s WHERE id = %s AND lease = %s",
            [sentence, item.item_id, item.lease],
        )


#: Done items are kept for a day, for the operator's eye, then removed by the sweep.
DONE_KEPT = timedelta(days=1)


def sweep() -> int:
    """Free the items of workers that died, ring if anything has been due for more than a second, and remove what was done
    a day ago. Returns how many are overdue. Called every second or so by the supervisor; heals every lost bell.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE audit_workitem AS item SET leased_until = clock_timestamp() - interval '1 second'
            WHERE state = 'running' AND leased_until > clock_timestamp()
              AND leased_until < clock_timestamp() + (%s - %s) * interval '1 second'
              AND NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
                              AND objid::bigint = item.id %% 2147483648
                              AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))""",
            [LEASE_SECONDS, LOCK_GRACE_SECONDS, LOCK_CLASS],
        )
        cursor.execute(
            "SELECT count(*) FROM audit_workitem WHERE (state = 'ready' AND due_at < clock_timestamp() - interval '1 second') "
            "OR (state = 'running' AND leased_until < clock_timestamp())"
        )
        row = cursor.fetchone()
        overdue = int(row[0]) if row else 0
        cursor.execute(
            "DELETE FROM audit_workitem WHERE id IN (SELECT id FROM audit_workitem WHERE state = 'done' "
            "AND finished_at < clock_timestamp() - %s * interval '1 second' LIMIT 1000)",
            [DONE_KEPT.total_seconds()],
        )
    if overdue:
        ring()
    return overdue
