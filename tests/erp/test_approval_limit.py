"""Journals that are approved by themselves, up to the amount above which a person approves every one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp import decisions
from erp.models import Posting
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.world import World

CENT = Decimal("0.01")


@pytest.mark.parametrize(("above", "state"), [(-CENT, "allocated"), (Decimal(0), "entered")])
def test_a_journal_above_the_limit_waits_for_a_person(world: World, above: Decimal, state: str):
    entity = world.entity(approval="person")
    uuid = world.pay(entity)
    world.hear(uuid)
    world.work()
    debit = world.posting(uuid).debit
    with tenant_scope(world.tenant.id):
        LegalEntity.objects.update(approval="automatic", approval_limit=debit + above)
        decisions.replay(Posting.objects.get(), "bob")
    world.work()
    posting = world.posting(uuid)
    assert (posting.state, posting.approved_by) == (state, "")
    waits = f"Above {debit + above:,.2f} USD a person approves every journal of Harbor Foods."
    assert posting.sentence == (waits if state == "allocated" else "")
    assert len(world.journals()) == (1 if state == "entered" else 0)
