"""Coming in, in a real browser: a second factor set up by reading the page, a passkey, an invitation, a door that is closed,
and a session that ends while somebody types.
"""

from __future__ import annotations

import re

import pytest
from allauth.usersessions.models import UserSession
from django.core import mail
from playwright.sync_api import BrowserContext, Page, expect

from connector_site import invitations
from tenants.models import ApiToken, CacheEntry, Tenant
from tenants.scope import tenant_scope
from tests.connector_site.browser.conftest import DESKTOP, PHONE
from tests.connector_site.browser.test_browser import MEASURES
from tests.connector_site.test_sign_in import PASSWORD, code_for

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def door(chromium, live_server, settings):
    """A browser in which nobody is signed in. At the end nothing may have broken the content security policy."""
    settings.PUBLIC_URL = live_server.url
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_window(**options: object) -> Page:
        context = chromium.new_context(**{"viewport": DESKTOP, "base_url": live_server.url, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/account/login/")
        return page

    yield open_window
    for context in contexts:
        context.close()
    # Chromium lists an answer with 410 or 503 like an error; here the pages are meant to give them.
    assert [text for text in complaints if not re.search(r"status of (410|503)", text)] == []


def enter(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("User name or mail address").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def plug_in(page: Page) -> None:
    """An authenticator of Chromium's own, with a fingerprint that is always there."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_dana_is_led_to_a_second_factor_and_signs_in_with_it(tenant, dana, door):
    Tenant.objects.update(requires_second_factor=True)
    page = door()
    enter(page, "dana")
    expect(page.get_by_role("alert")).to_contain_text("Acme Bakery asks owners and approvers for a second factor.")
    page.get_by_role("link", name="Set up an app").click()
    expect(page.locator("img.qr")).to_be_visible()
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code").fill(code_for(secret))
    page.get_by_role("button", name="Set up the app").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    page.get_by_role("link", name="I keep them, go to Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Six steps until your first payroll is in the ledger.")
    # The next sign-in asks for the code after the password, and takes a recovery code in its place.
    CacheEntry.objects.all().delete()
    for code in (code_for(secret), recovery):
        other = door()
        enter(other, "dana")
        expect(other.get_by_role("heading", level=1)).to_have_text("One more proof")
        other.get_by_label("Code").fill("000000")
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.locator(".error")).to_contain_text("This code does not fit.")
        other.get_by_label("Code").fill(code)
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.get_by_role("navigation", name="Where you are")).to_be_visible()


def test_every_page_before_the_sign_in_fits_and_can_be_read(tenant, alice, door, settings):
    settings.HAS_MAIL = settings.SIGN_UP_ALLOWED = True
    with tenant_scope(tenant.id):
        link = invitations.invite(tenant, "nina@a-long-name.example.com", ["approver"], may_see_pay=True, by=alice)
    pages = ("/account/login/", "/account/password/reset/", "/account/sign-up/", "/account/invitation/none/", link)
    for size in (DESKTOP, PHONE, {"width": 320, "height": 700}):
        for colours in ("light", "dark"):
            page = door(viewport=size, color_scheme=colours)
            for path in pages:
                page.goto(path)
                page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
                found = page.evaluate(MEASURES)
                assert found == {"over": 0, "h1": 1, "main": 1, "faint": []}, f"{path} {size['width']} {colours}"


def test_bob_adds_a_passkey_and_needs_no_password_any_more(tenant, bob, door):
    page = door()
    plug_in(page)
    enter(page, "bob")
    page.locator(".person summary").click()
    page.get_by_role("link", name="Your sign-in").click()
    page.get_by_role("link", name="Add a key").click()
    page.get_by_label("Name of the key").fill("Laptop")
    page.get_by_label("Sign in with this key alone (passkey)").check()
    page.get_by_role("button", name="Add the key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.goto("/account/security/keys/")
    expect(page.get_by_role("row", name="Laptop")).to_contain_text("Passkey")
    page.goto("/console/")
    page.locator(".person summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("navigation", name="Where you are")).to_be_visible()
    # As a second factor after the password it serves, too.
    page.locator(".person summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/account/login/")
    enter(page, "bob")
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_role("navigation", name="Where you are")).to_be_visible()


def test_a_passkey_that_is_not_there_is_said_in_words(tenant, door):
    page = door()
    plug_in(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")


def test_alice_invites_nina_who_comes_in(tenant, alice, door, settings):
    settings.HAS_MAIL = True
    page = door()
    enter(page, "alice")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Members").click()
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("Mail address").fill("nina@example.com")
    page.get_by_label("Approver").check()
    page.get_by_role("button", name="Send invitation").click()
    expect(page.locator(".messages")).to_contain_text("An invitation is on its way to nina@example.com.")
    expect(page.get_by_role("row", name="nina@example.com")).to_contain_text("Approver")
    link = re.search(r"https?://\S+/account/invitation/\S+", str(mail.outbox[0].body)).group()
    hers = door()
    hers.goto(link)
    expect(hers.get_by_role("heading", level=1)).to_have_text("You are invited to Acme Bakery")
    hers.get_by_label("Password").fill("short")
    hers.get_by_role("button", name="Accept and sign in").click()
    expect(hers.locator(".error")).to_contain_text("too short")
    hers.get_by_label("Password").fill("a password of my own")
    hers.get_by_role("button", name="Accept and sign in").click()
    expect(hers.locator(".tenant strong")).to_have_text("Acme Bakery")
    expect(hers.locator(".person strong")).to_have_text("nina")
    again = door()
    again.goto(link)
    expect(again.locator("main")).to_contain_text("This invitation was used before. It works once.")


def test_after_five_wrong_passwords_the_door_says_for_how_long_it_is_closed(tenant, dana, door):
    page = door()
    for _ in range(5):
        enter(page, "dana", "a wrong password")
        expect(page.get_by_role("alert")).to_contain_text("User name and password do not belong together.")
    enter(page, "dana")
    expect(page.get_by_role("alert")).to_contain_text(
        "Too many wrong passwords. Signing in as this person is closed for 5 minutes; payrolls go on meanwhile."
    )
    expect(page.get_by_role("link", name="Forgot your password?")).to_be_visible()


def test_a_session_that_ends_while_somebody_types_loses_nothing(tenant, dana, door):
    page = door()
    enter(page, "dana")
    page.clock.install()
    page.goto("/console/settings/tokens/new/")
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_label("Read the audit trail").check()
    UserSession.objects.get().end()
    page.clock.fast_forward("05:00")
    page.get_by_role("button", name="Make the token").click()
    said = page.get_by_role("alert")
    expect(said).to_contain_text("Your session ended. Nothing was sent, and what you typed is still here.")
    expect(page.get_by_label("Name")).to_have_value("Nightly report")
    assert not ApiToken.objects.exists()
    with page.context.expect_page() as opened:
        said.get_by_role("link", name="Sign in again in a new tab").click()
    second = opened.value
    enter(second, "dana")
    expect(second.get_by_role("heading", level=1)).to_have_text("You are signed in again")
    second.close()
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#token")).to_contain_text("mlc_")
    assert ApiToken.objects.get().name == "Nightly report"


def test_a_server_that_is_away_loses_nothing_either(tenant, dana, door):
    page = door()
    enter(page, "dana")
    page.clock.install()
    page.goto("/console/settings/tokens/new/")
    page.get_by_label("Name").fill("Nightly report")
    page.clock.fast_forward("05:00")
    page.route("**/account/session/", lambda route: route.fulfill(status=503))
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Nothing was sent")
    expect(page.get_by_label("Name")).to_have_value("Nightly report")
