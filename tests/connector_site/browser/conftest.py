"""A real Chromium against a real server, with both sandboxes behind it.

playwright's event loop stays in the process, under which Django refuses its database calls: DJANGO_ALLOW_ASYNC_UNSAFE
lets them through. `make test` runs these tests as a call of their own, so that no other test runs under it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.world import World, make_world

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found)
        except Error:
            pytest.skip("Chromium is not installed here (on Debian and Ubuntu: apt-get install chromium)")
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def world(chromium, transactional_db, tenant, live_server, settings, tmp_path) -> Iterator[World]:
    settings.PUBLIC_URL = live_server.url
    settings.SETTLING_SECONDS = 0
    made = make_world(tmp_path, tenant, live_server.url)
    yield made
    made.server.stop()


@pytest.fixture
def sign_in(chromium, live_server) -> Iterator[Callable[..., Page]]:
    """Sign in as a person in a browser window of their own. At the end no page may have complained or called elsewhere."""
    complaints: list[str] = []
    hosts: set[str] = set()
    contexts = []

    def open_window(name: str, **options: object) -> Page:
        context = chromium.new_context(**{"viewport": DESKTOP, "base_url": live_server.url, **options})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: complaints.append(f"{said.text} {said.location}") if said.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto("/console/")
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill("a long password")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("navigation", name="Where you are").wait_for()
        return page

    open_window.expected = []  # type: ignore[attr-defined]
    yield open_window
    for context in contexts:
        context.close()
    # The one other host is Gusto's own page, where an owner grants access.
    assert {host for host in hosts if not host.startswith(("localhost", "127.0.0.1"))} == set()
    # Only the sandbox's own page has no icon; what a test breaks on purpose it names itself.
    known = ("favicon.ico", *open_window.expected)  # type: ignore[attr-defined]
    assert [text for text in complaints if not any(part in text for part in known)] == []
