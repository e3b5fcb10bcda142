"""Durable work: one owner at a time, nothing lost, nothing done by two, patience with failures."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from audit import canary, work
from audit.exchange import Misconfigured, TemporaryFailure
from audit.models import WorkItem

KIND = "test.thing"


@pytest.fixture
def registered():
    """Register a handler under KIND for one test."""
    before = dict(work._kinds)

    def register(handle, **options):
        work.register(KIND, handle, **options)

    yield register
    work._kinds.clear()
    work._kinds.update(before)


def item(**values) -> WorkItem:
    now = timezone.now()
    return WorkItem.objects.create(
        **{"kind": KIND, "ref": "1", "due_at": now, "created_at": now, "tenant_id": uuid.uuid4(), **values}
    )


def test_the_same_work_is_enqueued_once_and_becomes_due_at_the_earlier_moment(tenant):
    soon, late = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(hours=5)
    for due_at in (late, soon, late):
        work.enqueue(KIND, "7", tenant_id=tenant.id, due_at=due_at)
    work.enqueue(KIND, "7", tenant_id=None, due_at=late)
    work.enqueue(KIND, "7", tenant_id=None, due_at=late)
    assert [(row.tenant_id, row.due_at) for row in WorkItem.objects.order_by("id")] == [(tenant.id, soon), (None, late)]


def test_a_claim_takes_the_oldest_due_item_and_nobody_else_gets_it(db):
    now = timezone.now()
    item(ref="later", due_at=now + timedelta(hours=1))
    item(ref="second", due_at=now - timedelta(minutes=1))
    item(ref="first", due_at=now - timedelta(minutes=2))
    assert [claim.ref for claim in (work.claim(), work.claim())] == ["first", "second"]
    assert work.claim() is None


def test_a_claim_that_outlived_its_lease_is_taken_over_and_its_first_owner_writes_nothing(db):
    row = item()
    first = work.claim()
    WorkItem.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    second = work.claim()
    assert (second.item_id, second.is_takeover, second.attempts) == (row.pk, True, 2)
    with pytest.raises(work.LeaseLost):
        first.guard()
    second.guard()
    work._finish(first)
    assert WorkItem.objects.get().state == "running"


def test_guard_prolongs_the_lease(db):
    item()
    claim = work.claim()
    WorkItem.objects.update(leased_until=timezone.now() + timedelta(seconds=5))
    claim.guard()
    assert WorkItem.objects.get().leased_until > timezone.now() + timedelta(seconds=work.LEASE_SECONDS - 10)


def test_work_about_one_thing_never_runs_twice_at_once(tenant):
    work.enqueue(KIND, "7", tenant_id=tenant.id)
    first = work.claim()
    work.enqueue(KIND, "7", tenant_id=tenant.id)
    work.enqueue(KIND, "8", tenant_id=tenant.id)
    assert work.claim().ref == "8"
    assert work.claim() is None
    work._finish(first)
    assert work.claim().ref == "7"


def test_what_was_enqueued_while_it_ran_is_done_again(tenant, registered):
    seen = []

    def handle(claim):
        seen.append(claim.ref)
        if len(seen) == 1:
            work.enqueue(KIND, claim.ref, tenant_id=tenant.id)

    registered(handle)
    work.enqueue(KIND, "7", tenant_id=tenant.id)
    work.drain()
    assert seen == ["7", "7"]
    assert {row.state for row in WorkItem.objects.all()} == {"done"}


@pytest.mark.parametrize("wait", [None, 77.0])
def test_a_temporary_failure_is_tried_again_with_growing_waits(db, registered, wait):
    def handle(claim):
        raise TemporaryFailure("The ledger rests.", wait)

    registered(handle)
    item()
    for attempt in range(1, 7):
        WorkItem.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        before = timezone.now()
        assert work.drain() == 1
        row = WorkItem.objects.get()
        assert (row.state, row.attempts, row.sentence) == ("ready", attempt, "The ledger rests.")
        seconds = (row.due_at - before).total_seconds()
        if wait:
            assert 76 < seconds < 79, "Retry-After of the far side is honoured"
        else:
            assert 0.2 <= seconds <= work.BACKOFF_SECONDS * 2 ** (attempt - 1) + 1
    assert work.drain() == 0, "it is not due yet"


def test_the_backoff_is_capped(db, registered):
    def handle(claim):
        raise TemporaryFailure("Down.")

    registered(handle)
    item(attempts=30)
    work.drain()
    assert WorkItem.objects.get().due_at <= timezone.now() + timedelta(seconds=work.BACKOFF_SECONDS_MAX)


def test_what_fails_too_often_is_given_up_and_its_floor_is_told(db, registered):
    told = []

    def handle(claim):
        raise TemporaryFailure("Still down.")

    registered(handle, attempts_max=2, exhausted=lambda claim, sentence: told.append((claim.ref, sentence)))
    item()
    for _ in range(3):
        WorkItem.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        work.drain()
    row = WorkItem.objects.get()
    assert (row.state, row.attempts, row.sentence) == ("exhausted", 2, "Still down.")
    assert told == [("1", "Still down.")]


def test_a_worker_that_dies_each_time_does_not_try_for_ever(db, registered):
    told = []
    registered(lambda claim: None, attempts_max=3, exhausted=lambda claim, sentence: told.append(claim.ref))
    item(attempts=3, state="running", lease=uuid.uuid4(), leased_until=timezone.now() - timedelta(seconds=1))
    work.drain()
    assert WorkItem.objects.get().state == "exhausted"
    assert told == ["1"]


@pytest.mark.parametrize("error", [ValueError("4711.50 for Ana Ruiz"), Misconfigured("No secret.")])
def test_an_unexpected_error_keeps_the_work_and_shows_no_value(db, registered, error, caplog):
    def handle(claim):
        raise error

    registered(handle)
    item()
    work.drain()
    row = WorkItem.objects.get()
    assert row.state == "ready"
    assert "4711" not in row.sentence + caplog.text


def test_work_of_an_unknown_kind_waits(db):
    item(kind="test.nobody_knows")
    work.drain()
    assert WorkItem.objects.get().state == "ready"


def test_later_puts_back_without_counting(db, registered):
    due_at = timezone.now() + timedelta(minutes=3)
    registered(lambda claim: work.Later(due_at, "It settles."))
    item(attempts=4)
    work.drain()
    row = WorkItem.objects.get()
    assert (row.state, row.attempts, row.due_at, row.sentence) == ("ready", 0, due_at, "It settles.")


def test_putting_back_merges_with_what_was_enqueued_meanwhile(tenant, registered):
    def handle(claim):
        work.enqueue(KIND, claim.ref, tenant_id=tenant.id, due_at=timezone.now() + timedelta(hours=1))
        return work.Later(timezone.now() + timedelta(minutes=1))

    registered(handle)
    work.enqueue(KIND, "7", tenant_id=tenant.id)
    work.drain()
    row = WorkItem.objects.get()
    assert row.state == "ready"
    assert row.due_at < timezone.now() + timedelta(minutes=2)


def test_a_bell_rings_only_while_none_waits(tenant, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        for ref in "abc":
            work.enqueue(KIND, ref, tenant_id=tenant.id)
    assert OrmQ.objects.count() == 1


def test_the_sweep_rings_for_what_nobody_heard_and_clears_what_is_long_done(db):
    item(due_at=timezone.now() - timedelta(seconds=5))
    item(ref="2", state="running", lease=uuid.uuid4(), leased_until=timezone.now() - timedelta(seconds=1))
    old = item(ref="3", state="done", finished_at=timezone.now() - timedelta(days=2))
    new = item(ref="4", state="done", finished_at=timezone.now())
    assert work.sweep() == 2
    assert OrmQ.objects.count() == 1
    kept = set(WorkItem.objects.values_list("pk", flat=True))
    assert new.pk in kept
    assert old.pk not in kept


def test_a_sweep_of_nothing_is_silent(db):
    item(due_at=timezone.now() + timedelta(hours=1))
    assert work.sweep() == 0
    assert not OrmQ.objects.exists()


def test_the_canary_is_done_before_everything_else(db, registered):
    order = []
    registered(lambda claim: order.append(claim.ref))
    item(due_at=timezone.now() - timedelta(days=3))
    ref = canary.send()
    assert not canary.is_done(ref)
    claim = work.claim()
    assert claim.ref == ref
    work.run(claim)
    assert canary.is_done(ref)
    assert canary.seconds_since_seen() < 5


@pytest.mark.django_db(transaction=True)
def test_many_workers_do_each_item_exactly_once(registered):
    done: list[str] = []
    at_once: dict[str, int] = {}
    lock = threading.Lock()

    def handle(claim):
        with lock:
            at_once[claim.ref] = at_once.get(claim.ref, 0) + 1
            assert at_once[claim.ref] == 1
            done.append(claim.ref)
        time.sleep(0.002)
        with lock:
            at_once[claim.ref] -= 1

    registered(handle)
    tenant_id = uuid.uuid4()
    for number in range(60):
        work.enqueue(KIND, str(number), tenant_id=tenant_id)

    def worker():
        try:
            work.drain()
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=int) == [str(number) for number in range(60)]
    assert WorkItem.objects.filter(state="done").count() == 60


def test_recurring_work_is_made_once_and_keeps_its_moment(db):
    later = timezone.now() + timedelta(hours=3)
    work.ensure("test.kind", "1", tenant_id=None)
    work.ensure("test.kind", "1", tenant_id=None)
    WorkItem.objects.update(due_at=later)
    work.ensure("test.kind", "1", tenant_id=None)
    item = WorkItem.objects.get()
    assert item.due_at == later
    WorkItem.objects.update(state=WorkItem.State.EXHAUSTED)
    work.ensure("test.kind", "1", tenant_id=None)
    assert WorkItem.objects.filter(state=WorkItem.State.READY).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_takeover_and_what_waited_behind_it_never_run_together():
    """A worker died over an item, and the same work was enqueued again: when the lease ends, both could be claimed."""
    now = timezone.now()
    tenant_id = uuid.uuid4()
    died = item(state="running", lease=uuid.uuid4(), leased_until=now - timedelta(seconds=1), tenant_id=tenant_id)
    item(tenant_id=tenant_id)
    second: list[work.Claim | None] = []

    def other_worker() -> None:
        try:
            second.append(work.claim())
        finally:
            connection.close()

    with transaction.atomic():
        first = work.claim()
        # The first worker's claim is not committed yet, so nobody else can see it.
        thread = threading.Thread(target=other_worker)
        thread.start()
        thread.join()
    assert first is not None
    assert first.item_id == died.pk
    assert second == [None]
