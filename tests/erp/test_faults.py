"""Faults of the world while a payroll is read from Gusto. However it goes, the far ledger ends with exactly one journal;
faults of the ERP are in `tests.erp.contract` (invariants I1, I2 and I6).
"""

from __future__ import annotations

import pytest

from erp.models import Posting
from tests.erp.test_main_job import paid
from tests.world import World


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
