"""Faults of the world at each step of a posting. However it goes, the far ledger ends with exactly one journal, or with
none and a sentence (invariants I1, I2 and I6).
"""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import Exchange
from erp.models import Posting, PostingAttempt
from tenants.scope import tenant_scope
from tests.erp.test_main_job import paid
from tests.world import World

#: The requests of a posting, in their order: (name, method, path, how many matching requests pass before it).
STEPS = {
    "find": ("POST", r"/data/\$batch", 0),
    "header": ("POST", "/data/LedgerJournalHeaders", 0),
    "lines": ("POST", r"/data/\$batch", 1),
    "read_back": ("POST", r"/data/\$batch", 2),
}
#: What the frame can do to any of them.
FAULTS: dict[str, dict[str, Any]] = {
    "lost_answer": {},
    "refuse": {},
    "cut_body": {},
    "status": {"status": 503},
    "status_after": {"status": 502},
    "html": {"status": 502},
    "throttled": {"status": 429, "headers": {"Retry-After": "0"}},
}


def settled(world: World, uuid: str) -> Posting:
    """Go on until nothing moves any more: waiting work made due, settling times passed."""
    for _ in range(12):
        world.settle()
        world.hurry("erp.post")
        world.hurry("erp.allocate")
        posting = world.posting(uuid)
        if posting.state in {Posting.State.ENTERED, Posting.State.POSTED, Posting.State.BLOCKED}:
            return posting
    raise AssertionError(f"still {posting.state}: {posting.sentence}")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_one_journal_whatever_happens_to_one_request(world: World, step: str, fault: str):
    entity = world.entity()
    method, path, skip = STEPS[step]
    world.play("status" if fault == "throttled" else fault, method=method, path=path, skip=skip, **FAULTS[fault])
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert world.server.faults.waiting() == 0, "the fault was never played"
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)


@pytest.mark.parametrize(
    ("fault", "details"),
    [
        ("update_conflict", {}),
        ("batch_part_429", {}),
        ("batch_truncated", {}),
    ],
)
def test_one_journal_whatever_dynamics_does_to_the_lines(world: World, fault: str, details: dict[str, Any]):
    entity = world.entity()
    world.play(fault, **details)
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert world.server.faults.waiting() == 0, "the fault was never played"
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)


def test_a_journal_of_many_changesets_is_resumed_and_never_doubled(world: World):
    entity = world.entity()
    world.change_connection(changeset_size="2")
    # The first request with lines arrives and is stored, its answer is cut after the first changeset.
    world.play("batch_truncated")
    world.play("lost_answer", method="POST", path=r"/data/\$batch", skip=4)
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)


def test_a_refused_journal_leaves_nothing_behind(world: World):
    entity = world.entity()
    world.play("changeset_fails")
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert (posting.state, posting.reason) == ("blocked", "rejected")
    assert "Nothing is in the ledger." in posting.sentence
    assert world.journals() == []


def test_a_lost_answer_is_asked_for_and_not_sent_again(world: World):
    entity = world.entity()
    world.play("lost_answer", method="POST", path=r"/data/\$batch", skip=1)
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    with tenant_scope(world.tenant.id):
        steps = list(PostingAttempt.objects.order_by("id").values_list("step", "outcome"))
        headers = Exchange.objects.filter(path__endswith="/LedgerJournalHeaders", method="POST").count()
    assert steps == [("find", "absent"), ("post", "unknown"), ("find", "found")]
    assert headers == 1
    world.holds_exactly(posting)


def test_an_expired_token_is_renewed_once_in_the_middle(world: World):
    entity = world.entity()
    world.d365.expire_tokens()
    uuid = paid(world, entity)
    world.holds_exactly(settled(world, uuid))


def test_dynamics_away_for_a_while_costs_time_only(world: World):
    entity = world.entity()
    world.play("status", times=6, status=503)
    uuid = paid(world, entity)
    world.holds_exactly(settled(world, uuid))


def test_never_a_clear_answer_is_given_to_a_person(world: World):
    entity = world.entity()
    # Every header POST is taken away before it is done, and the answer lost: asked, absent, sent again, and so on.
    world.play("status", method="POST", path="/data/LedgerJournalHeaders", times=20, status=500)
    uuid = paid(world, entity)
    posting = settled(world, uuid)
    assert (posting.state, posting.reason) == ("blocked", "unclear")
    assert posting.posting_key in posting.sentence
    assert world.journals() == []


@pytest.mark.parametrize("path", ["/payrolls/", "/employees", "/oauth/token"])
@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status", "html"])
def test_gusto_faulty_while_reading_costs_time_only(world: World, path: str, fault: str):
    entity = world.entity()
    if path == "/oauth/token":
        world.gusto.expire_tokens()
    world.play(fault, system="gusto", path=path, **({"status": 503} if fault in {"status", "html"} else {}))
    uuid = paid(world, entity)
    world.hurry("gusto.read_payroll")
    posting = settled(world, uuid)
    assert world.server.faults.waiting() == 0, "the fault was never played"
    world.holds_exactly(posting)
