"""What every answer carries so that a browser keeps to our pages: no foreign script, no frame, no plain connection."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.test import Client

from gusto.models import GustoApplication
from tests.conftest import sign_in
from tests.connector_site.books import Books, books
from tests.connector_site.conftest import ROOT
from tests.connector_site.test_console_rights import every_page
from tests.connector_site.test_settings import GOOD

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
DOORS = (
    "/", "/account/login/", "/account/password/reset/", "/account/sign-up/", "/account/invitation/nothing/",
    "/account/security/", "/account/security/app/", "/account/security/keys/add/", "/account/security/sessions/",
    "/account/password/change/", "/account/reauthenticate/", "/account/session/", "/account/back/", "/no/such/page",
    "/api/v1/postings/", "/health/live", "/console/settings/", "/console/settings/members/", "/console/settings/tokens/new/",
)  # fmt: skip


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


def policy(response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def assert_headers(response, address: str, *, form_action: str = "'self'") -> None:
    assert policy(response) == {**POLICY, "form-action": form_action}, address
    assert response["X-Frame-Options"] == "DENY", address
    assert response["X-Content-Type-Options"] == "nosniff", address
    assert response["Referrer-Policy"] == "same-origin", address
    assert response["Cross-Origin-Opener-Policy"] == "same-origin", address


def test_every_page_carries_them(acme, dana, client):
    sign_in(client, dana)
    for address in (*every_page(acme), *DOORS):
        for visitor in (client, Client()):
            assert_headers(visitor.get(address), address)


def test_an_owners_forms_may_lead_to_gusto(acme, alice, client):
    GustoApplication.objects.create(
        client_id="id", client_secret="s", authorize_url="https://gusto.example/oauth/authorize?x=1"
    )
    sign_in(client, alice)
    assert_headers(client.get("/console/"), "/console/", form_action="'self' https://gusto.example")


def test_no_page_of_a_signed_in_person_is_kept_by_a_proxy(acme, dana, client):
    sign_in(client, dana)
    for address in ("/console/", "/console/settings/", "/account/session/", "/account/security/recovery/"):
        assert "no-store" in client.get(address).get("Cache-Control", "no-store")


def test_over_tls_the_browser_is_told_to_stay_there(db, client, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    assert "Strict-Transport-Security" not in client.get("/account/login/")
    assert client.get("/account/login/", secure=True)["Strict-Transport-Security"] == "max-age=31536000"


def test_in_production_cookies_are_locked_to_the_site():
    """Read from settings that a production environment gives."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **GOOD}
    done = subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        cwd=ROOT,
        env=env,
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    found = {
        line.partition(" = ")[0]: line.partition(" = ")[2].removesuffix("  ###").strip()
        for line in done.stdout.splitlines()
    }
    assert found["SESSION_COOKIE_NAME"] == "'__Host-mlc_session'"
    assert found["CSRF_COOKIE_NAME"] == "'__Host-mlc_csrf'"
    for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "CSRF_COOKIE_HTTPONLY"):
        assert found[name] == "True", name
    # Left as Django has it: HttpOnly, SameSite=Lax.
    assert not {"SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE"} & {
        name for name in found if found[name] == "False"
    }
    assert found["SECURE_HSTS_SECONDS"] == "31536000"
