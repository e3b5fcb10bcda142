"""A difference that a person may take responsibility for: seen, accepted with a reason by whoever controls, and then the
journal reaches the far ledger.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from erp.models import Posting
from gusto.models import PayrollRun
from tenants.scope import tenant_scope
from tests.erp.test_faults import settled
from tests.world import World


@pytest.fixture
def differing(world: World) -> PayrollRun:
    """A payroll whose total of benefits is 1.50 more than its people have."""
    entity = world.entity()
    payroll = world.gusto.create_payroll(entity.gusto_company_uuid)
    world.gusto.distort(payroll["payroll_uuid"], "benefits", 150)
    world.gusto.process(payroll["payroll_uuid"])
    world.hear(payroll["payroll_uuid"])
    world.work()
    run = world.run(payroll["payroll_uuid"])
    assert (run.state, run.reason) == ("blocked", "tie_out"), run.sentence
    return run


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_approver_accepts_it_with_a_reason_and_the_journal_goes_out(world: World, differing: PayrollRun, dana):
    run_page = reverse("admin:gusto_payrollrun_change", args=[differing.pk])
    accept = reverse("admin:gusto_payrollrun_accept", args=[differing.pk]) + "?name=T6%20benefits"
    client = browser(dana)
    assert accept in client.get(run_page).content.decode().replace("&amp;", "&")
    before = client.get(accept).content.decode()
    assert "You take responsibility for 1.50 as it stands now" in before
    assert world.journals() == []

    without = client.post(accept, {"reason": " "}, follow=True).content.decode()
    assert "Say why the difference is right." in without
    assert world.run(differing.payroll_uuid).state == "blocked"

    after = client.post(accept, {"reason": "Rounding of the carrier"}, follow=True).content.decode()
    assert "The difference is accepted." in after
    assert "You may accept" not in after
    world.work()
    world.holds_exactly(settled(world, differing.payroll_uuid))
    with tenant_scope(world.tenant.id):
        entry = AuditEntry.objects.get(action="payroll_run.difference_accepted")
    assert (entry.actor, entry.facts["reason"], entry.facts["amount"]) == ("dana", "Rounding of the carrier", "1.50")
    late = client.post(accept, {"reason": "Again"}, follow=True).content.decode()
    assert "This difference does not wait for anybody any more." in late


def test_whoever_prepares_does_not_accept_and_nothing_else_can_be_accepted(
    world: World, differing: PayrollRun, bob, dana
):
    accept = reverse("admin:gusto_payrollrun_accept", args=[differing.pk])
    page = browser(bob).get(reverse("admin:gusto_payrollrun_change", args=[differing.pk])).content.decode()
    assert "You may accept" not in page
    assert browser(bob).post(f"{accept}?name=T6%20benefits", {"reason": "Mine"}).status_code == 404
    answer = browser(dana).post(f"{accept}?name=T3%20gross", {"reason": "Any"}, follow=True).content.decode()
    assert "This difference does not wait for anybody any more." in answer
    assert world.run(differing.payroll_uuid).state == "blocked"
    with tenant_scope(world.tenant.id):
        assert not Posting.objects.exists()
