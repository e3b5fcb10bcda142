"""A person of the demo at the console: signs in, presses buttons and follows redirects over real HTTP, as a browser would."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

#: Seconds to wait for a page; the first one after the start compiles templates.
PAGE_SECONDS = 30.0


class PageRefused(Exception):  # noqa: N818 - reads as what happened
    """A page did not do what a person expected of it; the sentence says which."""


class Form(HTMLParser):
    """The hidden fields and the address of the form with the given field, or of the first form of a page."""

    def __init__(self, page: requests.Response) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action = ""
        self.feed(page.text)
        self.action = urljoin(page.url, self._action) if self._action else page.url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "").lower() == "post":
            self._action = self._action or values.get("action", "")
        if tag == "input" and values.get("type") == "hidden":
            self.fields.setdefault(values.get("name", ""), values.get("value", ""))


class Visitor:
    """One person with a browser of their own (cookies)."""

    def __init__(self, console: str, user: str, password: str) -> None:
        self.console = console
        self.user = user
        self._password = password
        self._session = requests.Session()
        # Nothing of the shell's proxies: everything here is on this machine.
        self._session.trust_env = False

    def sign_in(self) -> None:
        """Raises PageRefused."""
        page = self._get(f"{self.console}/")
        answer = self._send(page.url, {**Form(page).fields, "login": self.user, "password": self._password})
        if answer.status_code != 200 or "/login/" in answer.url:
            raise PageRefused(f"{self.user} could not sign in (status {answer.status_code}).")

    def press(self, page_address: str, address: str, **fields: str) -> requests.Response:
        """Send the form of a page to an address, redirects followed; returns the page where it ends. Raises PageRefused."""
        page = self._get(page_address)
        return self._send(address, {**Form(page).fields, **fields})

    def send(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the form of a page that is open. Raises PageRefused."""
        form = Form(page)
        return self._send(form.action, {**form.fields, **fields})

    def _get(self, address: str) -> requests.Response:
        try:
            answer = self._session.get(address, timeout=PAGE_SECONDS)
        except requests.RequestException as error:
            raise PageRefused(f"{address} does not answer ({type(error).__name__}).") from None
        if answer.status_code != 200:
            raise PageRefused(f"{address} answers with status {answer.status_code}.")
        return answer

    def _send(self, address: str, fields: dict[str, str]) -> requests.Response:
        try:
            return self._session.post(address, data=fields, timeout=PAGE_SECONDS)
        except requests.RequestException as error:
            raise PageRefused(f"{address} does not answer ({type(error).__name__}).") from None
