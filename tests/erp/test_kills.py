"""SIGKILL of a worker while it reads a payroll, or of the web server, then a start again: the same end state, one journal
(I6). SIGKILL at each request to an ERP is in `tests.erp.contract`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

import pytest
import requests

from audit import work
from erp.models import Posting
from tests.erp.test_faults import settled
from tests.world import World, make_world, own_process

#: (method, path) of every outside request between a notice and the journal; those to the ERP are in `tests.erp.contract`.
PHASES = {
    "reading the payroll": ("GET", "/payrolls/"),
    "reading its people": ("GET", "/employees"),
}


@pytest.mark.parametrize("moment", ["slow", "slow_answer"], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_worker_killed_at_any_phase_leaves_one_journal(world: World, phase: str, moment: str):
    entity = world.entity()
    method, path = PHASES[phase]
    uuid = world.pay(entity)
    world.play(moment, system="gusto", method=method, path=path, seconds=1.0)
    with world.worker() as process:
        deadline = time.monotonic() + 30
        while world.server.faults.waiting():
            assert time.monotonic() < deadline, "the phase was never reached"
            time.sleep(0.01)
        time.sleep(0.1)
        process.kill()
        process.wait()
    # The request of the dead may still do its work over there.
    time.sleep(1.2)
    world.lease_ends()
    world.hear(uuid)
    world.work()
    posting = settled(world, uuid)
    assert posting.state == Posting.State.ENTERED, posting.sentence
    world.holds_exactly(posting)


def test_the_sweep_hands_on_the_work_of_a_killed_worker_within_seconds(world: World):
    entity = world.entity()
    uuid = world.pay(entity)
    world.play("slow_answer", method="POST", path="/data/LedgerJournalHeaders", seconds=1.0)
    with world.worker() as process:
        deadline = time.monotonic() + 30
        while world.server.faults.waiting():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
    time.sleep(work.LOCK_GRACE_SECONDS)
    deadline = time.monotonic() + 10
    while not (world.postings(uuid) and world.posting(uuid).state == Posting.State.ENTERED):
        assert time.monotonic() < deadline, "nobody took the work over"
        work.sweep()
        world.work()
        time.sleep(0.2)
    world.holds_exactly(world.posting(uuid))


def test_a_killed_web_server_loses_no_payroll(transactional_db, tenant, settings, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    settings.PUBLIC_URL, settings.SETTLING_SECONDS = address, 0
    argv = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--no-access-log", "--log-level", "error", "connector_site.wsgi:application",
    ]  # fmt: skip
    with own_process(argv, address) as web:
        wait_for(address)
        world = make_world(tmp_path, tenant, address)
        try:
            entity = world.entity()
            os.killpg(web.pid, signal.SIGKILL)
            web.wait()
            uuid = world.pay(entity)
            time.sleep(0.3)
            with own_process(argv, address):
                wait_for(address)
                world.hear(uuid)
                world.work()
                world.holds_exactly(settled(world, uuid))
        finally:
            world.server.stop()


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.get(f"{address}/health/live", timeout=2)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the web server did not start"
            time.sleep(0.05)
        else:
            return
