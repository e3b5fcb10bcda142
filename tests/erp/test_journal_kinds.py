"""Accruals, settlements and reversing accruals reach the far ledger whole, in their order, each once, and add up to the one
journal that they stand for.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from erp.models import Posting
from mappings.journal import ZERO
from tenants.models import LegalEntity
from tests.erp.test_main_job import paid
from tests.erp.test_reversal import taken_back
from tests.world import World

ACCRUALS = {"net_pay": "2120", "employee_tax": "2130", "employer_tax": "2130", "child_support": "2135"}


def straddling(world: World, entity: LegalEntity) -> str:
    """Process payrolls until one of them has a pay period that crosses a month end; returns that one."""
    for _ in range(4):
        uuid = world.pay(entity)
        period = world.gusto.payroll_document(uuid)["pay_period"]
        start, end = date.fromisoformat(period["start_date"]), date.fromisoformat(period["end_date"])
        world.hear(uuid)
        world.work()
        if start.month != end.month:
            return uuid
        world.gusto.advance(14 * 24 * 3600)
    raise AssertionError("no pay period crosses a month end")


def finish(world: World, uuid: str) -> dict[tuple[str, int], Posting]:
    for _ in range(6):
        world.hurry("erp.post")
    found = {(posting.kind, posting.sequence): posting for posting in world.postings(uuid)}
    assert {posting.state for posting in found.values()} == {"entered"}, [p.sentence for p in found.values()]
    return found


def test_accrual_and_settlement_are_entered_in_order_and_add_up_to_one_journal(world: World):
    entity = world.entity(is_mapped=False)
    world.map(entity, accruals=ACCRUALS, journals="accrual_settlement")
    uuid = paid(world, entity)
    found = finish(world, uuid)
    assert set(found) == {("ACCRUAL", 1), ("SETTLEMENT", 1)}
    accrual, settlement = found["ACCRUAL", 1], found["SETTLEMENT", 1]
    run = world.run(uuid)
    assert run.period_end is not None
    assert run.check_date is not None
    assert (accrual.posting_date, settlement.posting_date) == (min(run.period_end, run.check_date), run.check_date)
    assert accrual.entered_at <= settlement.entered_at
    world.holds_exactly(accrual, settlement)
    balances = world.balances()
    for account in set(ACCRUALS.values()):
        assert sum(amount for (_, text), amount in balances.items() if text.startswith(account)) == ZERO
    clearing = sum(amount for (_, text), amount in balances.items() if text.startswith("2110"))
    assert clearing < ZERO


@pytest.mark.parametrize("days", ["calendar_days", "working_days"])
def test_a_month_end_accrual_is_reversed_by_itself(world: World, days: str):
    entity = world.entity(is_mapped=False)
    world.map(entity, straddle=days, accrual_account="2120")
    uuid = straddling(world, entity)
    found = finish(world, uuid)
    assert set(found) == {("ACCRUAL", 101), ("REVERSAL", 101), ("PAYROLL", 1)}
    accrual, reversal = found["ACCRUAL", 101], found["REVERSAL", 101]
    assert reversal.reverses == accrual
    assert reversal.posting_date == accrual.posting_date + timedelta(days=1)
    assert reversal.posting_date.day == 1
    assert accrual.entered_at <= reversal.entered_at
    assert ZERO < accrual.debit < found["PAYROLL", 1].debit
    own = world.postings()
    world.holds_exactly(*own)


def test_a_cancelled_payroll_takes_back_what_its_own_reversal_does_not(world: World):
    entity = world.entity(is_mapped=False)
    world.map(entity, straddle="calendar_days", accrual_account="2120")
    uuid = straddling(world, entity)
    finish(world, uuid)
    taken_back(world, uuid, "cancel")
    found = finish(world, uuid)
    assert set(found) == {("ACCRUAL", 101), ("REVERSAL", 101), ("PAYROLL", 1), ("REVERSAL", 1)}
    keys = {posting.posting_key for posting in found.values()}
    ours = [journal for journal in world.journals() if journal["Description"].rsplit(" ", 1)[-1] in keys]
    assert len(ours) == 4
    assert set(world.balances_of(keys).values()) == {ZERO}


def test_wages_in_two_company_codes_with_one_that_pays(world: World):
    entity = world.entity(is_mapped=False)
    world.map(
        entity, company_codes={"Production": "us01", "Sales": "us02", "(none)": "us01"},
        credits="paymaster", paying_company_code="us01", due_from_account="1350", due_to_account="2350",
    )  # fmt: skip
    uuid = paid(world, entity)
    run = world.run(uuid)
    assert run.state == "read", run.sentence
    postings = world.postings(uuid)
    assert {posting.company_code for posting in postings} == {"us01", "us02"}
    for _ in range(4):
        world.hurry("erp.post")
    world.holds_exactly(*world.postings(uuid))
    balances = world.balances()
    due_from = sum(amount for (_, text), amount in balances.items() if text.startswith("1350"))
    due_to = sum(amount for (_, text), amount in balances.items() if text.startswith("2350"))
    assert due_from == -due_to > ZERO


def test_a_settlement_waits_for_its_accrual(world: World):
    entity = world.entity(is_mapped=False)
    world.map(entity, accruals=ACCRUALS, journals="accrual_settlement")
    world.play("changeset_fails")
    uuid = paid(world, entity)
    states = {posting.kind: posting.state for posting in world.postings(uuid)}
    assert states == {"ACCRUAL": "blocked", "SETTLEMENT": "approved"}
    assert world.journals() == []
