"""The picture of the README, taken of the product at work. `make screenshots` writes it to docs/images; otherwise it goes
into a temporary folder, which proves that it can be taken.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: A README is read over slow lines, too.
BYTES_MAX = 300_000
#: As much as shows the journal with its totals and the story beside it.
WIDTH, HEIGHT_MAX = 1440, 1360


def test_the_posted_journal(world: World, dana, sign_in, tmp_path):
    uuid = world.pay(world.entity(approval="person"))
    world.hear(uuid)
    world.work()
    page: Page = sign_in("dana", viewport={"width": WIDTH, "height": 900})
    page.get_by_role("link", name="Review and approve").click()
    page.get_by_role("link", name="Approve and send").click()
    page.get_by_role("button", name="Approve and send").click()
    world.work()
    world.d365.post_journals()
    world.hurry("erp.post")
    page.goto(f"/console/erp/posting/{world.posting().pk}/change/")
    expect(page.locator(".page-title .chip")).to_contain_text("Posted")
    height = page.evaluate("Math.ceil(document.querySelector('table.journal').getBoundingClientRect().bottom) + 32")
    page.set_viewport_size({"width": WIDTH, "height": min(height, HEIGHT_MAX)})
    picture = Path(os.environ.get("MLC_PICTURES", tmp_path)) / "journal.png"
    page.screenshot(path=str(picture))
    assert 20_000 < picture.stat().st_size < BYTES_MAX
