"""The pictures of README and docs, taken of the product at work. `make screenshots` writes them to docs/images; otherwise
they go into a temporary folder, which proves that they can be taken.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mappings.resources import MappingRuleResource
from tenants.scope import tenant_scope
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


def test_the_mapping_with_a_gap_and_a_changed_file(world: World, tenant, bob, sign_in, tmp_path):
    folder = Path(os.environ.get("MLC_PICTURES", tmp_path))
    entity = world.entity(is_mapped=False)
    table = world.map(entity, without=("benefit_deduction",))
    world.hear(world.pay(entity))
    world.work()
    page: Page = sign_in("bob", viewport={"width": WIDTH, "height": 900})
    page.locator(".nav-list a", has_text="Mapping").click()
    expect(page.get_by_role("heading", name="Gaps", exact=True)).to_be_visible()
    page.screenshot(path=str(folder / "coverage-gaps.png"))
    with tenant_scope(tenant.id):
        rules = MappingRuleResource().export(table.rules.all()).csv
    earnings = next(row for row in rules.splitlines() if ",earning," in row)
    changed = rules.replace(earnings, earnings.replace(",6000,", ",6010,"))
    page.goto(f"/console/mappings/mappingrule/import/?entity={entity.pk}")
    file = {"name": "mapping-us01.csv", "mimeType": "text/csv", "buffer": changed.encode()}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show what it does").click()
    expect(page.get_by_role("heading", name="Nothing is saved yet: mapping-us01.csv")).to_be_visible()
    page.screenshot(path=str(folder / "import-preview.png"))
    for name in ("coverage-gaps", "import-preview"):
        assert 20_000 < (folder / f"{name}.png").stat().st_size < BYTES_MAX, name
