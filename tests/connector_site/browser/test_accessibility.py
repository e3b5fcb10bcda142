"""Every page held to WCAG 2.2 AA by axe, in light and in dark, and to the width of a tablet."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from erp.models import Posting
from mappings.models import MappingTable
from tenants.scope import tenant_scope
from tests.connector_site.browser.test_browser import first_ids
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
TABLET = {"width": 1024, "height": 768}


@pytest.fixture
def paid(world: World) -> Posting:
    uuid = world.pay(world.entity(approval="person"))
    world.hear(uuid)
    world.work()
    return world.posting(uuid)


@pytest.fixture
def pages(world: World, paid: Posting) -> list[str]:
    """Of the pages that `alice`, the owner, can open."""
    with tenant_scope(world.tenant.id):
        table = MappingTable.objects.get()
    mapping = [
        f"mappings/mappingtable/coverage/{table.legal_entity_id}/", f"mappings/mappingtable/files/{table.legal_entity_id}/",
        f"mappings/mappingrule/?mapping_table__id__exact={table.pk}", f"mappings/crosswalk/?mapping_table__id__exact={table.pk}",
        "gusto/payrollrun/add-file/",
    ]  # fmt: skip
    why = f"erp/posting/{paid.pk}/change/?why=1"
    return [*mapping, why]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(world: World, paid: Posting, pages, alice, sign_in, colours):
    page: Page = sign_in("alice", viewport=TABLET, color_scheme=colours)
    axe = Axe()
    found: dict[str, list[str]] = {}
    for path in [*first_ids(page, paid), *pages]:
        answer = page.goto(f"/console/{path}")
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        assert page.evaluate("document.documentElement.scrollWidth") <= TABLET["width"], path
        for violation in axe.run(page, options=RULES).response["violations"]:
            where = ", ".join(sorted({" ".join(node["target"]) for node in violation["nodes"]})[:4])
            found.setdefault(f"{violation['id']}: {violation['help']}", []).append(f"{path or 'home'}: {where}")
    assert not found, "\n".join(f"{rule}\n  " + "\n  ".join(places) for rule, places in found.items())
