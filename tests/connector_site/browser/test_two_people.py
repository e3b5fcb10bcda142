"""A journal of which nobody knows, in a real browser: two people in two windows say that it is not there, and the ledger then
has it once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def looked_at(page: Page, name: str, folder: Path) -> None:
    """Nothing runs over the page, wide and narrow, light and dark; pictures of all four where somebody wants to look."""
    for colours in ("light", "dark"):
        for size in (DESKTOP, PHONE):
            page.emulate_media(color_scheme=colours)
            page.reload()
            page.set_viewport_size(size)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            page.screenshot(path=str(folder / f"{name}-{colours}-{size['width']}.png"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.reload()
    page.set_viewport_size(DESKTOP)


def test_two_people_have_it_sent_again_once(world: World, bob, dana, sign_in, tmp_path):
    folder = Path(os.environ.get("MLC_LOOK", tmp_path))
    world.play("status", method="POST", path="/data/LedgerJournalHeaders", times=200, status=500)
    uuid = world.pay(world.entity())
    world.hear(uuid)
    world.work()
    for _ in range(12):
        world.settle()
        world.hurry("erp.post")
    posting = world.posting(uuid)
    assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
    world.server.faults.clear()
    address = f"/console/erp/posting/{posting.pk}/change/"

    first: Page = sign_in("bob")
    expect(first.get_by_text(f"Look for reference {posting.posting_key} in Dynamics 365").first).to_be_visible()
    first.get_by_role("link", name="Say what is there").click()
    looked_at(first, "unclear", folder)
    first.get_by_role("link", name="I found it").click()
    looked_at(first, "found", folder)
    first.get_by_role("link", name="Back").click()
    first.get_by_role("link", name="It is not there: send again").click()
    expect(first.get_by_text("Two people have to confirm this")).to_be_visible()
    first.get_by_role("button", name="It is not there").click()
    expect(first.get_by_text("bob says that the journal is not in")).to_be_visible()
    expect(first.locator("[aria-disabled=true]", has_text="It is not there")).to_be_visible()
    looked_at(first, "first", folder)

    second: Page = sign_in("dana")
    second.goto(address)
    second.get_by_role("link", name="It is not there: send again").click()
    looked_at(second, "second", folder)
    second.get_by_role("button", name="It is not there: send again").dblclick()
    expect(second.locator(".page-title .chip")).to_contain_text("Sending")
    world.work()
    second.goto(address)
    expect(second.locator(".page-title .chip")).to_contain_text("Entered")
    expect(second.get_by_role("link", name="Open in Dynamics 365")).to_be_visible()
    looked_at(second, "entered", folder)
    world.holds_exactly(world.posting(uuid))
