"""One test per seed. `make chaos SEEDS=20` plays seeds 1 to 20, `make chaos FIRST=17 SEEDS=1` repeats seed 17."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.chaos.ending import differences, ending_of, violations
from tests.chaos.plan import SETTLING_SECONDS, Plan, plan_of
from tests.chaos.processes import Web, Workers
from tests.chaos.storm import Stage, Storm, finish, play_calm

FIRST = int(os.environ.get("MLC_CHAOS_FIRST", "1"))
SEEDS = int(os.environ.get("MLC_CHAOS_SEEDS", "3"))


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_storm_ends_like_an_undisturbed_run(seed: int, transactional_db, settings, tmp_path: Path, caplog):
    plan = plan_of(seed)
    try:
        _play(plan, settings, tmp_path)
    except BaseException as error:
        error.add_note(f"Repeat it with: make chaos FIRST={seed} SEEDS=1\n{plan}")
        raise
    faults = [record for record in caplog.records if record.name == "audit.work" and record.levelno >= logging.ERROR]
    assert not faults, [record.msg for record in faults]


def _play(plan: Plan, settings, folder: Path) -> None:
    with (folder / "output").open("wb") as output:
        web = Web(output)
        settings.PUBLIC_URL, settings.SETTLING_SECONDS = web.address, SETTLING_SECONDS
        web.start()
        workers = Workers(web.address, output, SETTLING_SECONDS)
        try:
            web.wait()
            stage = Stage(plan, folder / "calm", web)
            try:
                play_calm(stage)
                calm = ending_of(stage.world)
                assert not (found := list(violations(stage.world))), "undisturbed: " + "\n".join(found)
            finally:
                stage.close()
            call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
            stage = Stage(plan, folder / "storm", web)
            try:
                Storm(stage, web, workers).play()
                stage.come_to_rest()
                stage.look_everywhere()
                finish(stage)
                found = [*violations(stage.world), *differences(plan, stage.payrolls, calm, ending_of(stage.world))]
                assert not found, "\n".join(found)
            finally:
                stage.close()
        finally:
            workers.close()
            web.kill()
    said = (folder / "output").read_text()
    assert "work.failed" not in said, said
