"""The page of a journal as people read it: grouped as they like, each line explained in place, and on paper."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def amounts(cells: Locator) -> Decimal:
    return sum((Decimal(text.replace(",", "")) for text in cells.all_inner_texts() if text.strip()), Decimal(0))


@pytest.fixture
def journal(world: World, dana, sign_in) -> Page:
    uuid = world.pay(world.entity(approval="person"))
    world.hear(uuid)
    world.work()
    page: Page = sign_in("dana")
    page.goto(f"/console/erp/posting/{world.posting(uuid).pk}/change/")
    return page


def test_a_journal_is_grouped_as_people_like_and_its_sums_stay(world: World, journal: Page):
    choices = journal.get_by_role("navigation", name="Group the journal by")
    posting = world.posting()
    for word in ("CostCenter", "Not grouped", "Account"):
        choices.get_by_role("link", name=word).click()
        expect(choices.get_by_role("link", name=word)).to_have_attribute("aria-current", "true")
        rows = journal.locator("table.journal tbody tr[id^=line-]")
        expect(rows).to_have_count(posting.line_count)
        assert amounts(rows.locator("td.amount:nth-last-child(2)")) == posting.debit
        assert amounts(rows.locator("td.amount:nth-last-child(1)")) == posting.credit
    choices.get_by_role("link", name="CostCenter").click()
    heads = journal.locator("table.journal tr.group th")
    assert heads.last.inner_text() == "No CostCenter", "what carries no value stands last"
    groups = journal.locator("table.journal tr.group td.amount")
    assert amounts(groups) == posting.debit + posting.credit


def test_why_opens_in_place_and_keeps_the_grouping(journal: Page):
    journal.get_by_role("link", name="CostCenter").click()
    journal.locator("table.journal .why-link").first.click()
    expect(journal.locator("#why")).to_contain_text("Why account")
    assert "by=CostCenter" in journal.url
    expect(journal.get_by_role("link", name="CostCenter")).to_have_attribute("aria-current", "true")
    line = journal.locator("tr:has(+ #why) td.amount")
    assert amounts(journal.locator("#why tbody td.amount:last-child")) == amounts(line)


def test_on_paper_there_is_the_whole_journal_and_no_frame(world: World, journal: Page, tmp_path):
    expect(journal.get_by_role("button", name="Print / PDF")).to_be_visible()
    journal.emulate_media(media="print")
    posting = world.posting()
    expect(journal.locator(".print-head").first).to_contain_text(posting.posting_key)
    expect(journal.locator(".print-head").first).to_contain_text("by dana")
    expect(journal.locator(".print-foot")).to_contain_text("not yet approved")
    expect(journal.locator("table.journal tbody tr[id^=line-]")).to_have_count(posting.line_count)
    for unseen in ("aside, #nav-sidebar", ".page-title .actions", ".crumbs-bar", ".segments"):
        expect(journal.locator(unseen).first).to_be_hidden()
    head = journal.locator("table.journal thead").evaluate("found => getComputedStyle(found).display")
    assert head == "table-header-group", "the head of the table is repeated on each page"
    folder = Path(os.environ.get("MLC_LOOK", tmp_path))
    journal.pdf(path=str(folder / "journal.pdf"), format="A4", prefer_css_page_size=False)
    assert (folder / "journal.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_nothing_runs_over_the_page(journal: Page, viewport, tmp_path):
    journal.set_viewport_size(viewport)
    for by in ("", "?by=CostCenter", "?by=none"):
        journal.goto(journal.url.partition("?")[0].partition("#")[0] + by)
        assert journal.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        folder = Path(os.environ.get("MLC_LOOK", tmp_path))
        name = by.partition("=")[2] or "account"
        journal.screenshot(path=str(folder / f"journal-{viewport['width']}-{name}.png"), full_page=True)
