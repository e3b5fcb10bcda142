"""People at work in a real browser: sign in, approve, watch it arrive, connect Gusto, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from erp.models import Posting
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def paid(world: World) -> Posting:
    """A payroll that waits for approval."""
    uuid = world.pay(world.entity(approval="person"))
    world.hear(uuid)
    world.work()
    posting = world.posting(uuid)
    assert posting.state == "allocated", posting.sentence
    return posting


def test_dana_approves_and_watches_the_journal_arrive(world, paid, dana, sign_in, tmp_path):
    page: Page = sign_in("dana")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "The last payroll run is not posted yet. 1 waits for approval."
    )
    page.get_by_role("link", name="Review and approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Regular payroll, check date")
    total = f"{paid.debit:,.2f}"
    sums = page.locator("table.journal tfoot tr").first.locator("td.amount")
    expect(sums).to_have_text([total, total])
    expect(page.locator("tr.residual td.amount")).to_have_text("0.00")

    page.get_by_role("link", name="Approve and send").click()
    expect(page.locator(".facts")).to_contain_text(f"{total} USD")
    page.get_by_role("button", name="Approve and send").click()
    expect(page.locator(".chip").first).to_have_text("how_to_regApproved")
    assert world.journals() == [], "nothing leaves before a worker takes it"

    # The page looks again by itself: nobody reloads it here.
    world.work()
    expect(page.locator(".page-title .chip")).to_contain_text("Entered", timeout=15_000)
    expect(page.locator("main .banner")).to_contain_text("not yet posted")
    world.d365.post_journals()
    world.hurry("erp.post")
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator(".page-title .chip")).to_contain_text("Posted")
    expect(page.locator(".timeline").first).to_contain_text(re.compile(r"Approved\s*today \d\d:\d\d, dana"))
    posting = world.posting()
    expect(page.locator(".facts")).to_contain_text(posting.document_number)
    world.holds_exactly(posting)
    page.screenshot(path=str(tmp_path / "posted.png"), full_page=True)

    page.get_by_role("navigation").get_by_role("link", name=re.compile("^Home")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The last payroll run is posted.")


def test_an_impatient_double_click_and_a_second_approver_post_one_journal(world, paid, tenant, dana, sign_in):
    member(tenant, "dora", "approver")
    windows = [sign_in("dana"), sign_in("dora")]
    for page in windows:
        page.goto(f"/console/erp/posting/{paid.pk}/approve/")
    windows[0].get_by_role("button", name="Approve and send").dblclick()
    expect(windows[0].locator(".messages")).to_contain_text("It goes out at the next free moment.")
    windows[1].get_by_role("button", name="Approve and send").click()
    expect(windows[1].get_by_role("alert")).to_contain_text("This journal is approved and cannot be approved.")
    world.work()
    # Back and a reload ask nothing of the ledger.
    windows[0].go_back()
    windows[0].reload()
    world.work()
    posting = world.posting()
    assert (posting.state, posting.approved_by) == ("entered", "dana")
    world.holds_exactly(posting)


def test_alice_connects_gusto_and_comes_back(world, tenant, alice, sign_in):
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.create(name="Harbor Catering", company_code="us01")
    page: Page = sign_in("alice")
    page.goto(f"/console/tenants/legalentity/{entity.pk}/change/")
    page.get_by_role("button", name="Connect Gusto").click()
    # Over there, an administrator of the company refuses first and then allows.
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect to Gusto (sandbox)")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("Access was declined in Gusto, so nothing was connected.")
    page.goto(f"/console/tenants/legalentity/{entity.pk}/change/")
    page.get_by_role("button", name="Connect Gusto").click()
    company = world.gusto.companies()[1]
    page.get_by_label(company["name"]).check()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("Harbor Catering is connected to Gusto.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Harbor Catering")
    assert "code=" not in page.url
    with tenant_scope(tenant.id):
        entity.refresh_from_db()
    assert entity.gusto_company_uuid == company["uuid"]
    page.get_by_role("link", name="Gusto: Harbor Catering").click()
    # Connecting tests it at once; the button is there again when that is done, without a reload.
    expect(page.get_by_role("button", name="Test connection")).to_be_disabled()
    world.work()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("status")).to_contain_text("The connection is being tested.")
    world.work()
    expect(page.get_by_role("status")).to_have_count(0, timeout=15_000)
    expect(page.locator("section[aria-labelledby=checks] tbody tr").first).to_contain_text("Passed")


PAGES = (
    "", "gusto/payrollrun/", "erp/posting/", "mappings/mappingtable/", "mappings/mappingrule/", "tenants/legalentity/",
    "tenants/legalentity/1/change/", "tenants/connection/", "tenants/connection/1/change/", "tenants/connection/add/",
    "tenants/connection/1/credentials/", "audit/auditentry/", "audit/exchange/", "settings/",
    "settings/approval/", "settings/sign-in/", "settings/sign-in/rule/", "settings/members/", "settings/members/invite/",
    "settings/tokens/", "settings/tokens/new/", "mappings/mainaccount/", "gusto/employee/", "search/?q=R0", "../account/security/",
    "../account/security/app/", "../account/security/keys/", "../account/security/keys/add/",
    "../account/security/sessions/", "../account/password/change/", "../account/reauthenticate/",
)  # fmt: skip


def first_ids(page: Page, paid: Posting) -> list[str]:
    """The pages above with the ids that this run of the tests has."""
    entity, erp = paid.legal_entity_id, paid.connection_id
    fixed = [
        path.replace("legalentity/1", f"legalentity/{entity}").replace("connection/1", f"connection/{erp}")
        for path in PAGES
    ]
    return [*fixed, f"erp/posting/{paid.pk}/change/", f"gusto/payrollrun/{paid.payroll_run_id}/change/"]


def test_every_page_fits_has_one_heading_and_can_be_read(world, paid, alice, sign_in):
    for size in (DESKTOP, PHONE, {"width": 320, "height": 700}):
        for colours in ("light", "dark"):
            page: Page = sign_in("alice", viewport=size, color_scheme=colours)
            for path in first_ids(page, paid):
                here = f"{path} {size['width']} {colours}"
                answer = page.goto(f"/console/{path}")
                assert answer is not None
                assert answer.status == 200, here
                page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
                found = page.evaluate(MEASURES)
                assert found == {"over": 0, "h1": 1, "main": 1, "faint": []}, here


#: Pixels that the page is wider than the window, headings, landmarks, and the texts whose contrast is below 4.5:1
#: (WCAG 2.2 AA). A canvas turns any CSS colour into numbers.
MEASURES = """() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const paint = colour => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = paint(getComputedStyle(at).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll(".page *, .door *, .crumbs *, .tenant *, .person *")) {
    const own = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.textContent.trim()).join("");
    if (!own || !element.checkVisibility() || element.closest("[aria-disabled=true], :disabled")) continue;
    const ground = behind(element), ink = over(paint(getComputedStyle(element).color), ground);
    const [light, dark] = [luminance(ink), luminance(ground)].sort((a, b) => b - a);
    const ratio = (light + .05) / (dark + .05);
    if (ratio < 4.5) found.push(`${own.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  const root = document.documentElement, count = name => document.querySelectorAll(name).length;
  return {over: root.scrollWidth - root.clientWidth, h1: count("h1"), main: count("main"), faint: found};
}"""


def test_the_way_through_by_keyboard(world, paid, dana, other_tenant, sign_in):
    """Skip link, tenant switch, theme and sign-out without a mouse."""
    member(other_tenant, "dana", "auditor")
    page: Page = sign_in("dana")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.locator(".person summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_class("dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.locator(".tenant summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Borealis Tools").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tenant strong")).to_have_text("Borealis Tools")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile("^Six steps until your first payroll is in the ledger.")
    )
    page.locator(".person summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to ml-connector")


def test_on_a_phone_the_navigation_opens_and_closes(world, paid, alice, sign_in):
    page: Page = sign_in("alice", viewport=PHONE)
    link = page.get_by_role("link", name="Audit trail", exact=True)
    expect(link).not_to_be_visible()
    page.get_by_role("button", name="Open the navigation").click()
    expect(link).to_be_visible()
    page.get_by_role("button", name="Close the navigation").click()
    expect(link).not_to_be_visible()


def test_without_a_script_the_page_is_there_and_can_be_refreshed(world, paid, dana, sign_in):
    with tenant_scope(paid.tenant_id):
        Posting.objects.filter(pk=paid.pk).update(state="sending", approved_by="dana")
    page: Page = sign_in("dana", java_script_enabled=False)
    page.goto(f"/console/erp/posting/{paid.pk}/change/")
    expect(page.locator(".page-title .chip")).to_contain_text("Sending")
    with tenant_scope(paid.tenant_id):
        Posting.objects.filter(pk=paid.pk).update(state="entered", document_number="US01-1")
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator(".page-title .chip")).to_contain_text("Entered")


def test_the_ledger_is_asked_from_the_page_of_a_journal_that_somebody_removed(world, paid, dana, bob, sign_in):
    page: Page = sign_in("dana")
    page.goto(f"/console/erp/posting/{paid.pk}/approve/")
    page.get_by_role("button", name="Approve and send").click()
    world.work()
    posting = world.posting()
    world.d365.delete_journal("us01", posting.document_number)
    page.goto(f"/console/erp/posting/{paid.pk}/look/")
    page.get_by_role("button", name="Ask the ledger now").click()
    world.work()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("was taken out of Dynamics 365")
    assert world.journals() == [], "nothing was sent again"
