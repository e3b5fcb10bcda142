"""Home and what stands around it in a real browser: the sentence in every standing, badges, the chart with its table, Find,
and a verification that is watched to its end.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone
from playwright.sync_api import Page, expect

from audit import trail, verification, work
from gusto.models import LabourCost
from tenants.models import Connection, Membership, User
from tenants.scope import tenant_scope
from tests.connector_site.books import Books, books

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme(tenant) -> Books:
    found = books(tenant, "Harbor")
    found.change_run(debits=Decimal("30000.00"), journal_debits=Decimal("30000.00"), check_date=timezone.localdate())
    with tenant_scope(tenant.id):
        LabourCost.objects.bulk_create(
            LabourCost(payroll_run=found.run, kind=kind, department=department, amount=Decimal(amount), employees=4)
            for kind, department, amount in (
                ("earning", "Production", "18000.00"), ("earning", "Sales", "9000.50"), ("employer_tax", "Sales", "2999.50"),
            )
        )  # fmt: skip
    return found


def test_the_sentence_follows_the_payroll(acme, dana, sign_in):
    page: Page = sign_in("dana")
    head = page.get_by_role("heading", level=1)
    for state, reason, sentence in (
        ("posted", "", "The last payroll run is posted."),
        ("blocked", "period", "The last payroll run is not posted yet. 1 is blocked."),
        ("entered", "", "The last payroll run is not posted yet. 1 is entered in the ERP, not yet posted there."),
        ("sending", "", "The last payroll run is not posted yet. 1 is on its way."),
    ):
        acme.change(state=state, reason=reason)
        page.goto("/console/")
        expect(head).to_have_text(sentence)
    with tenant_scope(acme.tenant.id):
        Connection.objects.filter(pk=acme.gusto.pk).update(succeeded_at=timezone.now() - timedelta(days=4, hours=1))
    page.goto("/console/")
    expect(head).to_contain_text("We have not heard from Gusto for 4 days.")
    expect(page.locator(".answer .tone-stop")).to_be_visible()


def test_what_waits_is_counted_in_the_navigation_and_vanishes_with_the_deed(acme, dana, sign_in):
    page: Page = sign_in("dana")
    expect(page.locator(".nav-list a", has_text="Home").locator(".badge")).to_have_text("1 waiting for you")
    page.get_by_role("link", name="Review and approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("check date")
    acme.change(state="approved")
    page.goto("/console/")
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    expect(page.locator(".badge")).to_have_count(0)


#: Colour of the first stack, of the ticks, and whether pixels of the canvas have the first one.
CHART = """() => {
  const chart = Object.values(Chart.instances)[0], canvas = chart.canvas;
  const bar = chart.getDatasetMeta(0).data.at(-1), ratio = chart.currentDevicePixelRatio;
  const at = canvas.getContext("2d").getImageData(bar.x * ratio, (bar.y + bar.base) / 2 * ratio, 1, 1).data;
  return {stack: chart.data.datasets[0].backgroundColor, ticks: chart.options.scales.y.ticks.color, drawn: [...at].slice(0, 3)};
}"""


def test_the_chart_follows_the_theme_and_its_table_says_the_same(acme, dana, sign_in):
    page: Page = sign_in("dana", color_scheme="light")
    page.wait_for_function("Object.values(Chart.instances).length === 1")
    page.wait_for_timeout(300)
    light = page.evaluate(CHART)
    assert (light["stack"], light["drawn"]) == ("#23396f", [0x23, 0x39, 0x6F])
    page.locator(".person summary").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function("Object.values(Chart.instances)[0].data.datasets[0].backgroundColor === '#6f8fd6'")
    page.wait_for_timeout(300)
    dark = page.evaluate(CHART)
    assert dark["drawn"] == [0x6F, 0x8F, 0xD6]
    assert dark["ticks"] != light["ticks"]
    table = page.locator("#cost-table")
    expect(table).not_to_be_visible()
    page.get_by_text("Show as table").click()
    expect(table.locator("tbody tr").last).to_contain_text("27,000.50")
    expect(table.locator("tbody tr").last.locator("td").last).to_have_text("30,000.00")
    page.get_by_role("link", name="By department").click()
    page.get_by_text("Show as table").click()
    expect(page.locator("#cost-table thead")).to_contain_text("Production")
    expect(page.locator("#cost-table tbody tr").last).to_contain_text("12,000.00")


def test_ctrl_k_leads_to_the_box_and_enter_finds(acme, erin, sign_in):
    page: Page = sign_in("erin")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox", name="Find payroll runs, journals, rules, employees")).to_be_focused()
    page.keyboard.type("HARBORKEY")
    page.keyboard.press("Enter")
    page.locator("section", has_text="Journals").get_by_role("link", name="HARBORKEY0001").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Regular payroll, check date")


def fill(acme: Books, entries: int) -> None:
    with tenant_scope(acme.tenant.id):
        for _ in range(entries):
            trail.record("posting.people_looked_up", subject="posting", subject_id="x", posting_key="x")


def test_a_verification_is_watched_to_its_end_and_told_once(acme, erin, sign_in):
    fill(acme, 5)
    page: Page = sign_in("erin")
    page.goto("/console/audit/auditentry/")
    expect(page.locator("#chain")).to_contain_text("The chain was not verified yet.")
    page.get_by_role("button", name="Verify now").click()
    bar = page.get_by_role("progressbar")
    expect(page.locator("#chain")).to_contain_text("waits for its turn")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/chain/" in request.url else None)
    # As far as a worker that is in the middle of it has come.
    claim = next(found for found in iter(work.claim, None) if found.kind == verification.KIND)
    claim.progress(2, 7)
    expect(bar).to_have_attribute("aria-valuenow", "2")
    expect(bar).to_have_attribute("aria-valuemax", "7")
    expect(page.locator("#chain")).to_contain_text("2 of 7 entries")
    # An answer that is lost on the way: the page keeps what it shows and asks again.
    sign_in.expected.append("/audit/auditentry/chain/")
    page.route("**/audit/auditentry/chain/**", lambda route: route.fulfill(status=502, body="lost"), times=1)
    with page.expect_response(lambda answer: answer.status == 502):
        pass
    expect(bar).to_have_attribute("aria-valuenow", "2")
    before = len(asked)
    work.run(claim)
    expect(page.locator("#chain")).to_contain_text(
        re.compile(r"Chain verified today \d\d:\d\d, \d+ entries"), timeout=10_000
    )
    expect(page.locator("#chain-said")).to_contain_text(
        re.compile(r"The chain is verified: \d+ entries, none changed.")
    )
    assert len(asked) > before
    done = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == done, "what is finished is not asked again"


def test_without_a_script_a_verification_is_followed_by_refresh(acme, erin, sign_in):
    page: Page = sign_in("erin", java_script_enabled=False)
    page.goto("/console/audit/auditentry/")
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("progressbar")).to_have_count(1)
    work.drain()
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#chain")).to_contain_text("Chain verified today")


def test_the_operators_pages_have_another_colour_and_no_payroll(acme, sign_in):
    olga = User.objects.create_superuser("olga", "olga@example.com", "a long password")
    Membership.objects.create(tenant=acme.tenant, user=olga, roles=["auditor"])
    page: Page = sign_in("olga")
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={})
    page.goto("/operator/")
    expect(page.get_by_role("row", name=re.compile("Acme Bakery"))).to_contain_text("under a minute")
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--color-primary-600')"
    assert "330" in page.evaluate(colour)
    for name in ("Gusto application", "Notices from Gusto", "Work queue", "Audit trail"):
        page.locator(".nav-list").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.locator(".nav-list [aria-current]")).to_contain_text(name)
    page.locator(".person summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
