"""A company without access to Gusto's API, in a real browser: a file with a mistake, the repaired one, what it does, the way
into the ledger, the same file once more, and a file that is taken back.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook  # type: ignore[import-untyped]
from playwright.sync_api import FilePayload, Page, expect

from gusto.models import PayrollDocument, PayrollRun
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.connector_site.browser.test_browser import MEASURES
from tests.gusto.payroll_files import csv_file, line_rows
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINES = csv_file(line_rows())
Window = Callable[..., Page]


@pytest.fixture
def in_file_mode(world: World) -> World:
    world.entity(approval="person", is_in_file_mode=True)
    return world


def named(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def wrong_lines() -> bytes:
    rows = line_rows()
    rows[3] |= {"amount": "250,00"}
    return csv_file(rows)


def look(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("Payroll file").set_input_files(named(name, content))
    page.get_by_role("button", name="Show what it does").click()


def kept(world: World) -> int:
    with tenant_scope(world.tenant.id):
        return int(PayrollRun.objects.count() + PayrollDocument.objects.count())


def test_fred_adds_a_file_and_it_reaches_the_ledger_once(in_file_mode: World, dana: Any, sign_in: Window):
    world = in_file_mode
    member(world.tenant, "fred", "preparer", "approver", may_see_pay=True)
    page = sign_in("fred")
    page.goto("/console/gusto/payrollrun/")
    expect(page.get_by_text("No payroll run yet. Add a payroll file, or connect Gusto")).to_be_visible()
    page.get_by_role("link", name="Add payroll file").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add payroll file")

    look(page, "november.csv", wrong_lines())
    expect(page.get_by_role("alert")).to_contain_text("november.csv cannot be added: 1 mistake. Nothing was saved.")
    cells = page.get_by_role("table", name="Mistakes in the file").locator("tbody td")
    expect(cells).to_have_text(["5", "amount", "250,00", re.compile(r"Write it as 250\.00\.")], use_inner_text=True)

    # Another file is chosen: what was said of the one before goes.
    page.get_by_label("Payroll file").set_input_files(named("november.csv", LINES))
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator(".banner")).to_contain_text("Nothing is saved yet. It becomes the payroll run of 26 Jun 2026")
    expect(page.locator(".banner")).to_contain_text("You prepare it by adding the file, so someone else approves it.")
    expect(page.locator(".facts")).to_contain_text(re.compile(r"Check date\s*26 Jun 2026.*Employees\s*2", re.DOTALL))
    expect(page.locator("tfoot td.amount").filter(has_text=re.compile(r"\d"))).to_have_text(["5,653.85", "5,653.85"])
    assert kept(world) == 0, "looking keeps nothing"
    page.get_by_role("button", name="Add payroll run").click()
    expect(page.locator(".messages")).to_contain_text("The file was added as payroll run 26 Jun 2026.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Regular payroll, check date 26 Jun 2026")
    address = page.url

    world.work()
    page.goto(f"/console/erp/posting/{world.posting().pk}/change/")
    expect(page.locator("main")).to_contain_text("You prepared this journal.")
    assert world.journals() == []
    approver = sign_in("dana")
    approver.goto(f"/console/erp/posting/{world.posting().pk}/approve/")
    approver.get_by_role("button", name="Approve and send").click()
    world.work()
    posting = world.posting()
    assert (posting.state, posting.prepared_by) == ("entered", ["bob", "fred"])
    world.holds_exactly(posting)

    # The same payroll, from another program.
    page.goto("/console/gusto/payrollrun/add-file/")
    look(page, "once-more.csv", LINES.replace(b"\r\n", b"\n"))
    expect(page.get_by_role("alert")).to_contain_text(
        re.compile(r"This file was added on \d+ \w+ \d+ as payroll run 26 Jun 2026\. Nothing was added\.")
    )
    expect(page.get_by_role("button", name="Add payroll run")).to_have_count(0)
    page.get_by_role("link", name="Open that payroll run").click()
    expect(page).to_have_url(address)
    world.work()
    world.holds_exactly(posting)


def test_other_content_waits_for_a_person_and_a_file_is_taken_back(in_file_mode: World, bob: Any, sign_in: Window):
    world = in_file_mode
    page = sign_in("bob")
    page.goto("/console/gusto/payrollrun/add-file/")
    look(page, "november.csv", LINES)
    page.get_by_role("button", name="Add payroll run").click()
    world.work()
    page.goto("/console/gusto/payrollrun/add-file/")
    rows = line_rows()
    rows[-1] |= {"component": "Direct Deposit"}
    look(page, "other.csv", csv_file(rows))
    expect(page.get_by_role("alert")).to_contain_text("Another file with other content was added on")
    expect(page.get_by_role("alert")).to_contain_text("Checks was 2,570.10 and is 0.00 now.")
    page.get_by_role("button", name="Block that payroll run").click()
    expect(page.locator(".page-title .chip")).to_contain_text("Blocked")
    expect(page.get_by_role("alert")).to_contain_text("Two files say different things of this payroll.")
    expect(page.get_by_role("alert").get_by_role("link")).to_have_text("Add payroll file")
    world.work()
    page.goto(f"/console/erp/posting/{world.posting().pk}/change/")
    expect(page.get_by_role("alert")).to_contain_text("The payroll run is blocked, so this journal is not sent.")
    assert world.journals() == []

    page.get_by_role("link", name="Open the payroll run").click()
    page.get_by_role("link", name="Take back").click()
    page.get_by_label("Reason").fill("The checks were paid by deposit.")
    page.get_by_role("button", name="Take payroll file back").click()
    expect(page.locator(".messages")).to_contain_text("The payroll file is taken back.")
    expect(page.locator(".timeline")).to_contain_text("was taken back: The checks were paid by deposit.")
    world.work()
    page.goto("/console/gusto/payrollrun/add-file/")
    look(page, "other.csv", csv_file(rows))
    expect(page.locator(".banner")).to_contain_text("in place of the file that was taken back")
    page.get_by_role("button", name="Add payroll run").click()
    world.work()
    page.goto(page.url)
    expect(page.locator("table", has_text="Company code").locator("tbody tr")).to_have_count(2)
    assert [posting.state for posting in world.postings()] == ["voided", "allocated"]


def test_the_template_is_downloaded_and_its_example_is_a_payroll(in_file_mode: World, bob: Any, sign_in: Window):
    page = sign_in("bob")
    page.goto("/console/gusto/payrollrun/add-file/")
    with page.expect_download() as found:
        page.get_by_role("link", name="Template").click()
    book = load_workbook(io.BytesIO(found.value.path().read_bytes()))
    lines, example, _ = book.worksheets
    for row in example.iter_rows(min_row=2, values_only=True):
        lines.append(row)
    out = io.BytesIO()
    book.save(out)
    look(page, "filled.xlsx", out.getvalue())
    expect(page.locator(".banner")).to_contain_text("It becomes the payroll run of 13 Nov 2026")


def test_the_page_fits_and_can_be_read_and_a_file_too_large_is_told(
    in_file_mode: World, bob: Any, sign_in: Window, tmp_path: Path
):
    large = tmp_path / "large.csv"
    large.write_bytes(LINES + b" " * (21 * 1024 * 1024))
    for size in (DESKTOP, PHONE):
        for colours in ("light", "dark"):
            page = sign_in("bob", viewport=size, color_scheme=colours)
            page.goto("/console/gusto/payrollrun/add-file/")
            page.get_by_text("Columns of a CSV or Excel file").click()
            for name, content in (("wrong.csv", wrong_lines()), ("november.csv", LINES)):
                look(page, name, content)
                page.locator("#preview .banner").wait_for()
                page.screenshot(path=str(tmp_path / f"{name}-{size['width']}-{colours}.png"), full_page=True)
                found = page.evaluate(MEASURES)
                assert found == {"over": 0, "h1": 1, "main": 1, "faint": []}, f"{name} {size['width']} {colours}"
                page.locator("input[name=payroll]").set_input_files([])
    page.get_by_label("Payroll file").set_input_files(large)
    page.get_by_role("button", name="Show what it does").click()
    expect(page.get_by_role("alert")).to_contain_text("larger than 20 MB. Nothing was saved.", timeout=20_000)


def test_without_a_script_a_file_is_chosen_twice(in_file_mode: World, bob: Any, sign_in: Window):
    page = sign_in("bob", java_script_enabled=False)
    page.goto("/console/gusto/payrollrun/add-file/")
    look(page, "november.csv", LINES)
    expect(page.locator("main")).to_contain_text("choose the same file again above before you press the button")
    page.get_by_label("Payroll file").set_input_files(named("november.csv", LINES))
    page.get_by_role("button", name="Add payroll run").click()
    expect(page.locator(".messages")).to_contain_text("The file was added as payroll run 26 Jun 2026.")
