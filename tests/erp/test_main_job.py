"""The main job, end to end in one process: a processed payroll reaches the far ledger exactly once."""

from __future__ import annotations

import pytest

from erp.models import Posting
from gusto.models import PayrollRun
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(tenant, live_server, settings, tmp_path):
    settings.PUBLIC_URL = live_server.url
    settings.SETTLING_SECONDS = 0
    made = make_world(tmp_path, tenant, live_server.url)
    yield made
    made.server.stop()


def test_a_processed_payroll_is_entered_once(world: World):
    entity = world.entity()
    uuid = world.pay(entity)
    world.hear(uuid)
    world.work()
    run = world.run(uuid)
    assert run.state == PayrollRun.State.READ, run.sentence
    posting = world.posting(uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)
