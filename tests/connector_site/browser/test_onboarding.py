"""A new tenant in a real browser: from sign-in to the first journal by reading the screen only, with a refusal, a failing
check and a break in between.
"""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from erp.models import Posting
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.connector_site.browser.test_browser import MEASURES
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: What the issue allows from sign-in to the dry run, in seconds.
SECONDS_MAX = 300


def entity_of(world: World) -> LegalEntity:
    with tenant_scope(world.tenant.id):
        return LegalEntity.objects.get()


def set_up_to_erp(world: World, page: Page) -> None:
    """Step 1, as fast as one can."""
    page.get_by_role("link", name="Connect Gusto", exact=True).first.click()
    page.get_by_role("button", name="Connect Gusto").click()
    page.get_by_label(world.gusto.companies()[0]["name"]).check()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("is connected to Gusto.")
    world.work()
    page.get_by_role("link", name="Continue to your ERP").click()


def fill_erp(world: World, page: Page, **changed: str) -> None:
    facts = {**world.d365.facts(), **changed}
    page.get_by_role("navigation", name="Which system holds your books").get_by_role(
        "link", name="Dynamics 365"
    ).click()
    page.get_by_label("Environment address").fill(facts["environment"])
    page.get_by_label("Directory (tenant) id").fill(facts["directory_id"])
    page.get_by_label("Client id").fill(facts["client_id"])
    page.get_by_label("Client secret").fill(facts["client_secret"])
    page.get_by_label("Sign-in address").fill(facts["authority"])
    page.get_by_label("Journal name").fill(changed.get("journal_name", "PAYROLL"))
    page.get_by_label("Company code", exact=True).fill("us01")


def test_a_new_owner_goes_live_by_reading_the_screen(world, alice, dana, sign_in, tmp_path):
    started = time.monotonic()
    page: Page = sign_in("alice")
    expect(page.get_by_role("heading", level=1)).to_have_text("Six steps until your first payroll is in the ledger.")
    expect(page.get_by_role("link", name="Set up")).to_contain_text("6 left")
    page.screenshot(path=str(tmp_path / "home.png"))
    page.get_by_role("link", name="Connect Gusto", exact=True).click()

    # 1 Gusto, refused first.
    expect(page.get_by_role("complementary")).to_contain_text("Nothing is written to Gusto")
    page.get_by_role("button", name="Connect Gusto").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert").first).to_contain_text("Access was declined in Gusto, so nothing was connected.")
    expect(page.locator("main")).to_contain_text("Nothing is connected yet, and nothing was stored.")
    page.get_by_role("button", name="Connect Gusto").click()
    company = world.gusto.companies()[0]
    page.get_by_label(company["name"]).check()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#live")).to_contain_text("The last payrolls are being read.")
    world.work()
    expect(page.locator("#live")).to_contain_text("6 people. Read for the mapping, not posted.", timeout=15_000)
    expect(page.get_by_role("heading", level=2).first).to_have_text(company["name"])
    page.get_by_role("link", name="Continue to your ERP").click()

    # 2 ERP, with one check that does not pass.
    fill_erp(world, page, journal_name="NOTTHERE")
    expect(page.get_by_role("complementary")).to_contain_text("An app registration in Microsoft Entra")
    mail = page.get_by_role("link", name="Copy this as an e-mail").get_attribute("href")
    assert mail is not None
    assert mail.startswith("mailto:?subject=")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#live")).to_contain_text("Being tested")
    world.work()
    checks = page.locator(".checks li")
    expect(checks.filter(has_text="Not passed")).to_have_count(1, timeout=15_000)
    assert checks.count() > 4, "all run though one does not pass"
    expect(checks.filter(has_text="Not passed")).to_contain_text("NOTTHERE")
    expect(checks.first).to_contain_text(" s")
    expect(page.locator("#why-not")).to_have_text(f"Possible when all {checks.count()} checks pass")
    expect(page.get_by_role("button", name="Continue to reference data")).to_have_attribute("aria-disabled", "true")
    page.screenshot(path=str(tmp_path / "erp.png"), full_page=True)
    secret = world.d365.facts()["client_secret"]
    assert secret not in page.content()

    # Left, and come back to where it was.
    page.get_by_role("link", name="Home", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Five steps until your first payroll is in the ledger.")
    page.get_by_role("link", name="Set up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect your ERP")
    expect(page.get_by_label("Client id")).to_have_value(world.d365.facts()["client_id"])
    expect(page.get_by_label("Client secret")).to_have_value("")
    assert secret not in page.content()
    page.get_by_label("Journal name").fill("PAYROLL")
    page.get_by_role("button", name="Test connection").click()
    world.work()
    expect(page.locator("#live")).to_contain_text("checks pass", timeout=15_000)
    page.get_by_role("button", name="Continue to reference data").click()

    # 3 Reference data.
    expect(page.locator("#live")).to_contain_text("We go on reading. You can close this page.")
    world.work()
    expect(page.get_by_role("progressbar", name="Main accounts")).to_have_attribute(
        "aria-valuenow", "100", timeout=15_000
    )
    page.get_by_role("link", name="Continue to the mapping").click()

    # 4 Map.
    expect(page.get_by_role("button", name="Continue to the dry run")).to_have_attribute("aria-disabled", "true")
    page.screenshot(path=str(tmp_path / "map.png"), full_page=True)
    page.get_by_role("button", name="Accept all").click()
    expect(page.locator(".messages")).to_contain_text("added to draft version 1.")
    page.get_by_role("link", name="Continue to the dry run").click()

    # 5 Dry run.
    expect(page.locator("main .banner")).to_contain_text("This payroll could be posted as it is.")
    assert time.monotonic() - started < SECONDS_MAX
    sums = page.locator("table.journal tfoot tr").first.locator("td.amount")
    assert sums.first.inner_text() == sums.last.inner_text()
    assert Decimal(sums.first.inner_text().replace(",", "")) > 1000
    expect(page.locator("tr.residual td.amount")).to_have_text("0.00")
    page.screenshot(path=str(tmp_path / "dry-run.png"), full_page=True)
    with tenant_scope(world.tenant.id):
        assert not Posting.objects.exists()
    assert world.journals() == []

    # 6 Go live: somebody else approves the mapping first.
    page.get_by_role("link", name="Continue to go live").click()
    expect(page.get_by_label("A person approves every journal")).to_be_checked()
    page.get_by_role("link", name="Submit version 1").click()
    page.get_by_role("button", name="Submit version 1").click()
    page.get_by_role("link", name="Set up").click()
    expect(page.locator("main .banner")).to_contain_text("waits for an approver who had no part in it.")
    expect(page.get_by_role("link", name="Ask dana")).to_be_visible()
    page.screenshot(path=str(tmp_path / "go-live.png"), full_page=True)
    approver: Page = sign_in("dana")
    expect(approver.get_by_role("link", name="Set up")).to_have_count(0)
    approver.get_by_role("link", name="Mapping", exact=True).click()
    approver.get_by_role("link", name="Approve version 1").click()
    approver.get_by_role("button", name="Approve version 1").click()
    page.reload()
    first_date = page.get_by_label("First check date").input_value()
    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Go live with company code us01 from")
    assert not entity_of(world).is_live
    page.get_by_role("button", name="Go live").click()
    expect(page.locator(".messages")).to_contain_text("is live. Payrolls from check date")
    expect(page.get_by_role("link", name="Set up")).to_have_count(0)
    entity = entity_of(world)
    assert (entity.is_live, entity.approval, entity.posts_from_date.isoformat()) == (True, "person", first_date)

    # The next payroll becomes a journal that waits for the approver.
    uuid = world.pay(entity)
    world.hear(uuid)
    world.work()
    run = world.run(uuid)
    assert run.state == "read", run.sentence
    assert world.posting(uuid).state == "allocated", world.posting(uuid).sentence


def test_every_step_fits_and_can_be_read(world, alice, sign_in):
    page: Page = sign_in("alice")
    set_up_to_erp(world, page)
    fill_erp(world, page)
    page.get_by_role("button", name="Test connection").click()
    world.work()
    expect(page.locator("#live")).to_contain_text("checks pass", timeout=15_000)
    page.get_by_role("button", name="Continue to reference data").click()
    world.work()
    entity = entity_of(world)
    for size in (DESKTOP, PHONE):
        for colours in ("light", "dark"):
            page = sign_in("alice", viewport=size, color_scheme=colours)
            for path in (
                "",
                "tenants/connection/",
                *(f"set-up/{entity.pk}/{name}/" for name in ("gusto", "erp", "reference", "map")),
            ):
                page.goto(f"/console/{path}")
                _fits(page, f"{path} {size['width']} {colours}")
    page.get_by_role("button", name="Accept all").click()
    for size in (DESKTOP, PHONE):
        for colours in ("light", "dark"):
            page = sign_in("alice", viewport=size, color_scheme=colours)
            for name in ("map", "dry-run", "go-live"):
                page.goto(f"/console/set-up/{entity.pk}/{name}/")
                _fits(page, f"{name} {size['width']} {colours}")


def _fits(page: Page, here: str) -> None:
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    assert page.evaluate(MEASURES) == {"over": 0, "h1": 1, "main": 1, "faint": []}, here
