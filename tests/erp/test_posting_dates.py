"""A posting date that a person chooses: nothing but the day changes, the ledger has it, and a replay keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from erp import decisions, posting_dates
from erp.building import replay_run
from erp.journals import journal_of
from erp.models import Posting
from erp.states import NotAllowed
from mappings.faults import day_words
from tenants.scope import tenant_scope
from tests.erp.test_blocked import read_reference
from tests.erp.test_faults import settled
from tests.erp.test_journal_kinds import straddling
from tests.erp.test_main_job import paid
from tests.world import World


def journal(world: World):
    with tenant_scope(world.tenant.id):
        return journal_of(Posting.objects.get())


def test_a_closed_period_is_stepped_over_and_the_day_outlives_a_replay(world: World):
    entity = world.entity(approval="person")
    uuid = world.pay(entity)
    check_date = world.check_date(uuid)
    world.d365.reference.set_period("us01", check_date, "Closed")
    read_reference(world)
    run = world.hear(uuid)
    world.work()
    before = journal(world)
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "period")
    (problem,) = posting.problems
    day = type(check_date).fromisoformat(problem["facts"]["next_open_date"])
    with tenant_scope(world.tenant.id):
        with pytest.raises(NotAllowed, match=f"is closed in company code us01.*The next open day is {day_words(day)}"):
            posting_dates.change_posting_date(posting, "carol", check_date)
        posting_dates.change_posting_date(posting, "carol", day)
    changed = journal(world)
    assert changed == replace(before, posting_date=day), "nothing but the day"
    assert world.posting(uuid).state == "allocated"
    assert "carol" in world.posting(uuid).prepared_by
    digest = world.posting(uuid).journal_digest
    assert digest == changed.digest()
    with tenant_scope(world.tenant.id):
        replay_run(run, "erin")
    world.work()
    posting = world.posting(uuid)
    assert (posting.posting_date, posting.journal_digest) == (day, digest)
    assert {"carol", "erin"} <= set(posting.prepared_by)
    with tenant_scope(world.tenant.id):
        for preparer in ("carol", "erin"):
            with pytest.raises(NotAllowed, match="You prepared this journal"):
                decisions.approve(posting, preparer)
        decisions.approve(posting, "dana")
    world.work()
    world.holds_exactly(settled(world, uuid))
    (there,) = world.journals()
    assert {line["TransDate"][:10] for line in there["lines"]} == {day.isoformat()}
    with tenant_scope(world.tenant.id), pytest.raises(NotAllowed, match="sent already"):
        posting_dates.change_posting_date(world.posting(uuid), "carol", check_date)


def test_a_text_that_says_the_posting_date_says_the_new_one_after_a_replay_too(world: World):
    entity = world.entity(approval="person", is_mapped=False)
    world.map(entity, header_text="{period} {check_date} posted {posting_date}")
    uuid = paid(world, entity)
    assert world.run(uuid).state == "read", world.run(uuid).sentence
    before = world.posting(uuid)
    day = before.posting_date + timedelta(days=1)
    with tenant_scope(world.tenant.id):
        posting_dates.change_posting_date(before, "carol", day)
    changed = world.posting(uuid)
    assert changed.posting_key == before.posting_key
    assert changed.header_text == before.header_text.replace(f"posted {before.posting_date}", f"posted {day}")
    assert changed.header_text != before.header_text
    with tenant_scope(world.tenant.id):
        decisions.replay(changed, "bob")
    world.work()
    anew = world.posting(uuid)
    assert anew.pk != changed.pk
    assert (anew.posting_date, anew.journal_digest) == (day, changed.journal_digest)
    assert {"bob", "carol"} <= set(anew.prepared_by)


def test_month_end_accruals_keep_their_dates_and_the_journal_stays_behind_their_reversal(world: World):
    entity = world.entity(approval="person", is_mapped=False)
    world.map(entity, straddle="calendar_days", accrual_account="2120")
    uuid = straddling(world, entity)
    found = {(posting.kind, posting.sequence): posting for posting in world.postings(uuid)}
    reversal, payroll = found["REVERSAL", 101], found["PAYROLL", 1]
    with tenant_scope(world.tenant.id):
        for kept, words in ((found["ACCRUAL", 101], "keeps its date"), (reversal, "A reversal is dated")):
            with pytest.raises(NotAllowed, match=words):
                posting_dates.change_posting_date(kept, "carol", payroll.posting_date)
        with pytest.raises(NotAllowed, match=f"is reversed on {day_words(reversal.posting_date)}"):
            posting_dates.change_posting_date(payroll, "carol", reversal.posting_date - timedelta(days=1))
        posting_dates.change_posting_date(payroll, "carol", reversal.posting_date)
    assert {posting.posting_date for posting in world.postings(uuid) if posting.sequence == 1} == {
        reversal.posting_date
    }
