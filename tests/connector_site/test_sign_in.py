"""Signing in and staying signed in: wrong passwords, second factors, sessions that end, new passwords, and what the audit
trail keeps of it.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from connector_site import checks, rotation
from connector_site.session_life import SEEN, STARTED
from tenants.models import CacheEntry, Membership, Tenant, User
from tenants.scope import tenant_scope
from tests.conftest import member, sign_in
from tests.connector_site.conftest import ROOT

HOME = "/console/"
DOOR = "/account/login/"
PASSWORD = "a long password"


#: Another web process, from another address.
ANOTHER_PROCESS = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "connector_site.settings"
import django
django.setup()
from django.test import Client
client = Client(REMOTE_ADDR="10.0.0.9", headers={{"Host": "localhost"}})
print(client.post("{DOOR}", {{"login": "dana", "password": "{PASSWORD}"}}).content.decode())
"""


def text_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def code_for(secret: str) -> str:
    """What an authenticator app shows now."""
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))


def set_up_app(client: Client) -> tuple[str, list[str]]:
    """Set an authenticator app up as a person does; returns its secret and the recovery codes shown once."""
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    secret = re.search(r'id="secret">([A-Z2-7]+)<', page).group(1)
    answer = client.post(reverse("mfa_activate_totp"), {"code": code_for(secret)}, follow=True)
    codes = re.findall(r"<li><code>(\d+)</code></li>", answer.content.decode())
    # The code that was just used is spent; the next sign-in waits for another one.
    CacheEntry.objects.all().delete()
    return secret, codes


def actions(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.id):
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


def test_a_person_signs_in_by_name_or_by_mail_address(dana):
    for name in ("dana", "dana@example.com"):
        client = Client()
        answer = client.post(DOOR, {"login": name, "password": PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, HOME)
        assert client.get(HOME).status_code == 200


def test_a_session_gets_a_new_key_at_sign_in(dana, client):
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    client.cookies["mlc_session"] = planted
    sign_in(client, dana)
    assert client.session.session_key != planted


class TestLockout:
    def test_five_wrong_passwords_close_the_door_in_every_process(self, environment, dana, client):
        for _ in range(5):
            assert "do not belong together" in text_of(client.post(DOOR, {"login": "dana", "password": "wrong"}))
        done = subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert "Too many wrong passwords. Signing in as this person is closed for 5 minutes" in done.stdout, done.stderr
        # Neither her mail address nor upper case gives five more tries.
        for name in ("dana", "dana@example.com", "DANA"):
            assert "Too many wrong passwords." in text_of(client.post(DOOR, {"login": name, "password": PASSWORD})), (
                name
            )
        # Somebody else is not shut out with her.
        member(Tenant.objects.get(), "dora", "approver")
        assert client.post(DOOR, {"login": "dora", "password": PASSWORD}).status_code == 302

    def test_a_right_password_is_no_wrong_one(self, dana, client):
        for _ in range(7):
            client.post(DOOR, {"login": "dana", "password": PASSWORD})
            client.post(reverse("admin:logout"))
        assert client.post(DOOR, {"login": "dana", "password": PASSWORD}).status_code == 302

    def test_codes_cannot_be_guessed_either(self, dana, client):
        sign_in(client, dana)
        secret, _ = set_up_app(client)
        client.post(reverse("admin:logout"))
        client.post(DOOR, {"login": "dana", "password": PASSWORD})
        wrong = f"{(int(code_for(secret)) + 1) % 1_000_000:06}"
        said = [text_of(client.post(reverse("mfa_authenticate"), {"code": wrong})) for _ in range(6)]
        assert "This code does not fit." in said[0]
        assert "Too many wrong passwords." in said[-1]
        client.post(reverse("mfa_authenticate"), {"code": code_for(secret)})
        assert client.get(HOME).status_code == 302


class TestSecondFactor:
    def test_an_app_is_set_up_and_asked_for(self, transactional_db, tenant, dana, client):
        sign_in(client, dana)
        secret, codes = set_up_app(client)
        assert len(codes) == 10
        client.post(reverse("admin:logout"))
        half = client.post(DOOR, {"login": "dana", "password": PASSWORD, "next": HOME})
        assert half["Location"].startswith(reverse("mfa_authenticate"))
        assert client.get(HOME).status_code == 302, "a password alone is half the way"
        assert "This code does not fit." in text_of(client.post(reverse("mfa_authenticate"), {"code": "000000"}))
        whole = client.post(reverse("mfa_authenticate"), {"code": code_for(secret)})
        assert whole["Location"] == HOME
        assert client.get(HOME).status_code == 200
        assert actions(tenant).count("second_factor.added") == 2, "the app and its recovery codes"

    def test_a_recovery_code_works_once(self, dana, client):
        sign_in(client, dana)
        _, codes = set_up_app(client)
        for status in (302, 200):
            client.post(reverse("admin:logout"))
            client.post(DOOR, {"login": "dana", "password": PASSWORD})
            assert client.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == status

    def test_recovery_codes_are_shown_once(self, dana, client):
        sign_in(client, dana)
        _, codes = set_up_app(client)
        again = text_of(client.get(reverse("mfa_view_recovery_codes")))
        assert "They were shown when they were made." in again
        assert not any(code in again for code in codes)

    def test_its_secret_is_encrypted_and_its_key_can_be_rotated(self, dana, client, settings):
        sign_in(client, dana)
        secret, codes = set_up_app(client)
        stored = str(list(Authenticator.objects.values_list("data", flat=True)))
        assert secret not in stored
        assert not any(code in stored for code in codes)
        old, new = settings.FIELD_ENCRYPTION_KEYS, Fernet.generate_key().decode()
        settings.FIELD_ENCRYPTION_KEYS = [new, *old]
        done = {tally.place.label: tally for tally in rotation.rotate() if not tally.tenant}
        assert done["mfa.Authenticator.data"].rotated == 2
        settings.FIELD_ENCRYPTION_KEYS = [new]
        client.post(reverse("admin:logout"))
        client.post(DOOR, {"login": "dana", "password": PASSWORD})
        assert client.post(reverse("mfa_authenticate"), {"code": code_for(secret)}).status_code == 302
        settings.FIELD_ENCRYPTION_KEYS = old
        (found,) = checks.unreadable_secrets()
        assert "second factors" in found.msg

    def test_whoever_owes_one_is_led_to_it_first(self, tenant, dana, bob, client):
        Tenant.objects.update(requires_second_factor=True)
        sign_in(client, dana)
        for address in (HOME, "/console/erp/posting/", "/console/settings/"):
            answer = client.get(address)
            assert (answer.status_code, answer["Location"]) == (302, reverse("mfa_index"))
        page = text_of(client.get(reverse("mfa_index")))
        assert "Acme Bakery asks owners and approvers for a second factor." in page
        refused = client.get("/api/v1/postings/")
        assert refused.status_code == 403
        assert "asks owners and approvers for a second factor" in refused.json()["detail"]
        set_up_app(client)
        assert client.get(HOME).status_code == 200
        # A preparer is not asked.
        other = Client()
        sign_in(other, bob)
        assert other.get(HOME).status_code == 200

    def test_the_way_out_stays_open(self, tenant, dana, other_tenant, client):
        Tenant.objects.filter(pk=tenant.pk).update(requires_second_factor=True)
        Membership.objects.create(tenant=other_tenant, user=dana, roles=["approver"])
        sign_in(client, dana)
        client.post(reverse("admin:switch_tenant"), {"tenant": "borealis"})
        assert client.get(HOME).status_code == 200
        assert "You are signed out" in text_of(client.post(reverse("admin:logout")))

    def test_the_operator_helps_whoever_lost_everything(self, tenant, dana, client, capsys):
        sign_in(client, dana)
        set_up_app(client)
        call_command("reset_second_factor", "dana")
        assert "signs in with the password alone" in capsys.readouterr().out
        assert client.get(HOME).status_code == 302
        sign_in(Client(), dana)
        assert actions(tenant)[-1] == "second_factor.reset"
        with pytest.raises(CommandError, match="no person with the user name nobody"):
            call_command("reset_second_factor", "nobody")


class TestSession:
    def age(self, client: Client, **seconds: float) -> None:
        session = client.session
        for name, past in seconds.items():
            session[name] = time.time() - past
        session.save()

    def test_it_ends_when_nobody_clicks(self, dana, client, settings):
        sign_in(client, dana)
        client.get(HOME)
        self.age(client, **{SEEN: settings.SESSION_IDLE_SECONDS - 5})
        # A page that looks again by itself keeps nobody signed in.
        assert client.get(HOME, headers={"HX-Request": "true"}).status_code == 200
        assert time.time() - client.session[SEEN] > 60
        assert client.get(HOME).status_code == 200
        assert time.time() - client.session[SEEN] < 60
        self.age(client, **{SEEN: settings.SESSION_IDLE_SECONDS + 1})
        assert client.get(HOME).status_code == 302
        assert client.get(HOME).status_code == 302

    def test_it_ends_after_a_days_work(self, dana, client, settings):
        sign_in(client, dana)
        client.get(HOME)
        self.age(client, **{STARTED: settings.SESSION_COOKIE_AGE + 1})
        assert client.get(HOME).status_code == 302

    def test_what_ran_out_is_swept_when_somebody_comes_in(self, dana, bob, client):
        old = Client()
        sign_in(old, dana)
        Session.objects.update(expire_date=timezone.now() - timedelta(hours=1))
        UserSession.objects.update(created_at=timezone.now() - timedelta(days=2))
        sign_in(client, bob)
        assert Session.objects.get().session_key == client.session.session_key
        assert UserSession.objects.get().user == bob

    def test_a_form_that_comes_too_late_is_told_so(self, dana, client):
        sign_in(client, dana)
        address = reverse("admin:settings_token_new")
        client.logout()
        answer = client.post(address, {"name": "Report"})
        assert answer.status_code == 401
        said = text_of(answer)
        assert "Your session ended while this form was open" in said
        assert "Nothing of the form was saved or sent." in said

    def test_every_other_browser_is_signed_out_at_once(self, dana):
        here, there = Client(), Client(headers={"User-Agent": "Elsewhere 1.0"})
        for client in (here, there):
            sign_in(client, dana)
        assert "Elsewhere 1.0" in text_of(here.get(reverse("usersessions_list")))
        assert "Every other browser is signed out." in text_of(here.post(reverse("usersessions_list"), follow=True))
        assert there.get(HOME).status_code == 302
        assert here.get(HOME).status_code == 200

    def test_a_new_password_signs_the_others_out(self, tenant, dana):
        here, there = Client(), Client()
        for client in (here, there):
            sign_in(client, dana)
        address = reverse("account_change_password")
        wrong = {"oldpassword": "wrong", "password1": "another long one", "password2": "another long one"}
        assert "This is not your password." in text_of(here.post(address, wrong))
        weak = {"oldpassword": PASSWORD, "password1": "password", "password2": "password"}
        assert "too short" in text_of(here.post(address, weak))
        here.post(address, {**wrong, "oldpassword": PASSWORD})
        assert here.get(HOME).status_code == 200
        assert there.get(HOME).status_code == 302
        assert actions(tenant)[-1] == "password.changed"

    def test_the_script_learns_whether_somebody_is_signed_in(self, dana, client):
        assert client.get("/account/session/").json()["signed_in"] is False
        sign_in(client, dana)
        found = client.get("/account/session/").json()
        assert found["signed_in"] is True
        assert found["csrf"]


class TestForgottenPassword:
    def test_a_link_sets_a_new_one_once(self, tenant, dana, client, settings, capsys):
        settings.HAS_MAIL = True
        said = text_of(client.post(reverse("account_reset_password"), {"email": "dana@example.com"}, follow=True))
        assert "If somebody signs in here with that mail address, a link is on its way." in said
        (message,) = mail.outbox
        assert message.to == ["dana@example.com"]
        link = re.search(r"https?://\S+", message.body).group()
        path = link[link.index("/account/") :]
        form = client.get(path, follow=True)
        answer = client.post(
            form.request["PATH_INFO"],
            {"password1": "a brand new password", "password2": "a brand new password"},
            follow=True,
        )
        assert "Your new password is set" in text_of(answer)
        assert client.post(DOOR, {"login": "dana", "password": "a brand new password"}).status_code == 302
        assert "This link leads nowhere" in text_of(Client().get(path, follow=True))
        assert actions(tenant)[-1] == "password.changed"
        # Whoever reads the log cannot use the link.
        assert path.rpartition("-")[2].strip("/") not in capsys.readouterr().err

    def test_nobody_learns_who_is_here(self, dana, client, settings):
        settings.HAS_MAIL = True
        said = text_of(client.post(reverse("account_reset_password"), {"email": "nobody@example.com"}, follow=True))
        assert "If somebody signs in here with that mail address" in said
        assert mail.outbox == []

    def test_without_mail_the_page_says_whom_to_ask(self, dana, client):
        said = text_of(client.get(reverse("account_reset_password")))
        assert "This installation sends no mail, so no link can reach you. Ask your operator" in said
        client.post(reverse("account_reset_password"), {"email": "dana@example.com"})
        assert mail.outbox == []


def test_whoever_belongs_to_no_tenant_is_told_so(db, client):
    user = User.objects.create_user("nora", password=PASSWORD)
    sign_in(client, user)
    answer = client.get(HOME, follow=True)
    assert answer.status_code == 403
    assert "You belong to no tenant" in text_of(answer)
    assert "Sign out" in text_of(answer)


def test_somebody_who_was_switched_off_stays_out(dana, client):
    dana.is_active = False
    dana.save()
    answer = client.post(DOOR, {"login": "dana", "password": PASSWORD}, follow=True)
    assert "This person was switched off" in text_of(answer)
    assert client.get(HOME).status_code == 302
