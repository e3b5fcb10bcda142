"""The mapping in a real browser: a gap is filled, submitted, approved by another person and the run goes on; a changed file
says what it moves, to the cent, before anything is saved.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from gusto.models import PayrollRun
from mappings.models import MappingTable
from mappings.resources import MappingRuleResource
from mappings.tables import new_draft
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.connector_site.browser.test_browser import MEASURES
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Kinds that the approved version leaves out: every payroll of the sandbox has deductions of both.
MISSING = ("benefit_deduction",)


def paid(world: World, **mapping: object) -> tuple[LegalEntity, str]:
    """A legal entity with a payroll that was read."""
    entity = world.entity(approval="person", is_mapped=False)
    world.map(entity, **mapping)
    uuid = world.pay(entity)
    world.hear(uuid)
    world.work()
    return entity, uuid


def versions(world: World) -> list[MappingTable]:
    with tenant_scope(world.tenant.id):
        return list(MappingTable.objects.order_by("version"))


def test_a_gap_is_filled_submitted_approved_by_another_and_the_run_goes_on(world, bob, dana, sign_in):
    _, uuid = paid(world, without=MISSING)
    run = world.run(uuid)
    assert (run.state, run.reason) == (PayrollRun.State.BLOCKED, "mapping")
    with tenant_scope(world.tenant.id):
        before = list(versions(world)[0].rules.values_list("rule", "main_account"))

    page: Page = sign_in("bob")
    page.get_by_role("link", name="Map").filter(has_text="component").click()
    page.get_by_role("link", name="Map").filter(has_text="component").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Harbor Foods, company code us01")
    gaps = page.locator("section[aria-labelledby=gaps] tbody tr")
    count = gaps.count()
    assert count >= 1
    expect(page.locator("#answer")).to_contain_text(f"{count} gap{'s hold' if count > 1 else ' holds'}")
    expect(gaps.first).to_contain_text("Benefit deduction")
    expect(gaps.first).to_contain_text("2150 Benefit plans payable")
    expect(gaps.first).to_contain_text("% sure.")
    assert [table.state for table in versions(world)] == ["approved"], "nothing is applied by itself"

    page.get_by_role("button", name="Accept").first.click()
    expect(page.locator(".messages")).to_contain_text("added to draft version 2, which was started for it")
    expect(page.locator("#answer")).to_contain_text("Every component of the last payroll run is caught.")
    world.work()
    assert world.run(uuid).state == PayrollRun.State.BLOCKED, "a draft changes no run"
    first, draft = versions(world)
    with tenant_scope(world.tenant.id):
        assert list(first.rules.values_list("rule", "main_account")) == before
    assert (draft.state, draft.changed_by) == ("draft", ["bob"])

    page.get_by_role("link", name="Submit version 2").click()
    expect(page.locator("main")).to_contain_text("Somebody who had no part in it approves it")
    # What it does in money stands there before the click.
    expect(page.locator("table.money tbody tr").first).to_contain_text("2150 Benefit plans payable")
    page.get_by_role("button", name="Submit version 2").click()
    expect(page.locator(".messages")).to_contain_text("Version 2 is submitted.")
    expect(page.get_by_role("link", name="Approve version 2")).to_have_count(0)

    approver: Page = sign_in("dana")
    approver.locator(".nav-list a", has_text="Mapping").click()
    expect(approver.locator(".page-head .chip")).to_contain_text("Submitted")
    approver.get_by_role("link", name="Approve version 2").click()
    approver.get_by_role("button", name="Approve version 2").click()
    expect(approver.locator(".messages")).to_contain_text("Version 2 is approved.")
    world.work()
    posting = world.posting(uuid)
    assert (posting.state, posting.mapping_table_id, posting.prepared_by) == ("allocated", draft.pk, ["bob"])
    approver.get_by_role("link", name="Coverage").click()
    expect(approver.locator(".page-head .chip")).to_contain_text("In use")


def test_the_money_of_a_changed_file_is_right_to_the_cent(world, bob, sign_in):
    entity, uuid = paid(world)
    with tenant_scope(world.tenant.id):
        (table,) = MappingTable.objects.all()
        posting = world.posting(uuid)
        wages = {
            line.dimensions[0][1]: line.debit for line in posting.lines.filter(main_account="6000") if line.dimensions
        }
        rows = list(csv.DictReader(io.StringIO(MappingRuleResource().export(table.rules.all()).csv)))
    assert wages
    (earning,) = [row for row in rows if row["kind"] == "earning"]
    earning["main_account"] = "6010"
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)

    page: Page = sign_in("bob")
    page.locator(".nav-list a", has_text="Mapping").click()
    page.get_by_role("link", name="Import and export").click()
    page.get_by_role("link", name="Import rules").click()
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "mapping-june.csv", "mimeType": "text/csv", "buffer": out.getvalue().encode()}
    )
    page.get_by_role("button", name="Show what it does").click()
    expect(page.get_by_role("heading", name="Nothing is saved yet: mapping-june.csv")).to_be_visible()
    for center, amount in wages.items():
        old = page.locator("table.money tbody tr", has_text="6000 Wages").filter(has_text=f"CostCenter {center} ")
        expect(old.locator("td.amount")).to_have_text([f"{amount:,.2f}", "0.00", f"-{amount:,.2f}"])
        new = page.locator("table.money tbody tr", has_text="6010").filter(has_text=f"CostCenter {center} ")
        expect(new.locator("td.amount")).to_have_text(["0.00", f"{amount:,.2f}", f"+{amount:,.2f}"])
    total = f"{posting.debit:,.2f}"
    expect(page.locator("table.money tfoot tr").first.locator("td.amount")).to_have_text([total, total, "0.00"])
    expect(page.locator("table.money tr.residual td.amount")).to_have_text(["0.00", "0.00", "0.00"])
    moved = sum(wages.values(), Decimal(0))
    expect(page.locator("tr[data-row=changed] td.amount").last).to_have_text(f"{moved:,.2f}")
    expect(page.locator("tr[data-row=changed]")).to_contain_text("was 6000 Wages and salaries")
    page.get_by_text(f"Unchanged {len(rows) - 1}").click()
    expect(page.locator("tr[data-row=changed]")).to_be_hidden()
    expect(page.locator("tr[data-row=unchanged]").first).to_be_visible()
    assert len(versions(world)) == 1, "nothing is saved before somebody says so"
    page.get_by_role("button", name="Save as draft version 2").click()
    expect(page.locator(".messages")).to_contain_text(f"1 changed, {len(rows) - 1} unchanged")
    assert [each.state for each in versions(world)] == ["approved", "draft"]
    expect(page.get_by_role("heading", level=1)).to_contain_text(entity.name)


def test_every_mapping_page_fits_and_can_be_read(world, bob, sign_in):
    entity, _ = paid(world, without=MISSING)
    with tenant_scope(world.tenant.id):
        (table,) = MappingTable.objects.all()
        draft = new_draft(entity, table.valid_from, copy_of=table, by="gwen")
        draft.crosswalks.filter(source_value="Sales").delete()
        draft.rules.filter(kind="net_pay", component="Check").delete()
        rules = MappingRuleResource().export(table.rules.all()).csv.replace("6000", "6009", 1)
    base = "/console/mappings/mappingtable/"
    pages = [
        f"{base}coverage/{entity.pk}/", f"{base}coverage/{entity.pk}/?show=unused", "/console/mappings/mappingrule/",
        "/console/mappings/crosswalk/", base, f"{base}files/{entity.pk}/", f"{base}compare/{entity.pk}/?after={draft.pk}",
        f"{base}{draft.pk}/submit/", f"{base}{draft.pk}/change/",
    ]  # fmt: skip
    narrow = {"width": 320, "height": 700}
    for size, colours in ((DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "dark"), (narrow, "light")):
        page: Page = sign_in("bob", viewport=size, color_scheme=colours)
        for path in pages:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            _fits(page, f"{path} {size['width']} {colours}")
        page.goto(pages[0])
        page.get_by_role("link", name="Choose").first.click()
        _fits(page, f"choose {size['width']} {colours}")
        page.goto(f"/console/mappings/mappingrule/import/?entity={entity.pk}")
        _fits(page, f"import {size['width']} {colours}")
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "a.csv", "mimeType": "text/csv", "buffer": rules.encode()}
        )
        page.get_by_role("button", name="Show what it does").click()
        expect(page.get_by_role("link", name="Upload repaired file")).to_be_visible()
        _fits(page, f"preview {size['width']} {colours}")


def _fits(page: Page, here: str) -> None:
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    assert page.evaluate(MEASURES) == {"over": 0, "h1": 1, "main": 1, "faint": []}, here
