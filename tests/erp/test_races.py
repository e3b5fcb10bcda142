"""Two things at the same moment: people, workers and Gusto act on one run without a lock between them but the database's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connection

from audit import work
from erp import building, decisions, posting, reversal
from erp.models import Posting
from gusto.models import PayrollRun
from tenants.scope import tenant_scope
from tests.erp.test_main_job import paid
from tests.world import World


def at_once(world: World, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run `first` in a transaction that commits only after `second` has begun, and has had time to look."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            second()
        except BaseException as error:  # noqa: BLE001 - carried into the test's own thread
            errors.append(error)
        finally:
            connection.close()

    with tenant_scope(world.tenant.id):
        first()
        other = threading.Thread(target=run)
        other.start()
        time.sleep(0.5)
    other.join()
    assert not errors, errors


def test_a_journal_that_begins_to_be_sent_is_not_given_up(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    run, waiting = world.run(uuid), world.posting(uuid)
    with tenant_scope(world.tenant.id):
        decisions.approve(waiting, "dana")
        PayrollRun.objects.filter(pk=run.pk).update(state="withdrawn", undone_by="cancelled")
    work.enqueue("erp.withdraw", str(run.pk), tenant_id=world.tenant.id)
    claims = {item.kind: item for item in (work.claim(), work.claim()) if item is not None}

    at_once(world, lambda: posting._start_sending(waiting.pk), lambda: reversal.withdraw(claims["erp.withdraw"]))
    # Its worker sends it now; given up here, it would stand in the ledger with nobody to undo it.
    assert world.posting(uuid).state == Posting.State.SENDING


def test_a_journal_that_is_just_approved_is_not_built_anew(world: World):
    entity = world.entity(approval="person")
    uuid = paid(world, entity)
    run, waiting = world.run(uuid), world.posting(uuid)

    def build() -> None:
        with tenant_scope(world.tenant.id):
            building.build(run.pk)

    at_once(world, lambda: decisions.approve(waiting, "dana"), build)
    after = world.posting(uuid)
    assert (after.pk, after.state, after.approved_by) == (waiting.pk, Posting.State.APPROVED, "dana")
