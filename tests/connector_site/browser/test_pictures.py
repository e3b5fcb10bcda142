"""The pictures of README and docs, taken of the product at work. `make screenshots` writes them to docs/images; otherwise
they go into a temporary folder, which proves that they can be taken.
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


#: Picture -> what an owner opens for it, below the console.
OTHERS = {
    "payroll-runs": "gusto/payrollrun/",
    "coverage": "mappings/mappingtable/coverage/{entity}/",
    "audit-trail": "audit/auditentry/",
    "settings": "settings/members/",
}


def test_the_posted_journal_and_the_other_pages(world: World, dana, alice, sign_in, tmp_path):
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
    folder = Path(os.environ.get("MLC_PICTURES", tmp_path))
    page.screenshot(path=str(folder / "journal.png"))
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.goto("/console/")
    page.screenshot(path=str(folder / "home.png"))
    owner: Page = sign_in("alice", viewport={"width": WIDTH, "height": 900})
    for name, path in OTHERS.items():
        owner.goto(f"/console/{path.format(entity=world.posting().legal_entity_id)}")
        owner.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        owner.screenshot(path=str(folder / f"{name}.png"))
    for name in ("journal", "home", *OTHERS):
        assert 20_000 < (folder / f"{name}.png").stat().st_size < BYTES_MAX, name
