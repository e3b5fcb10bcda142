"""The Settings screen: who sees which tab, what an owner changes, and the sentence of each change in the audit trail."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from audit import trail
from audit.models import AuditEntry
from connector_site.templatetags.console import day, moment
from tenants.middleware import date_style, digest_of
from tenants.models import ApiToken, LegalEntity, Membership, Tenant
from tenants.scope import tenant_scope
from tests.conftest import member, sign_in
from tests.connector_site.test_sign_in import HOME, PASSWORD, text_of

TABS = ("", "approval/", "sign-in/", "members/", "tokens/")
NEW_TOKEN = "/console/settings/tokens/new/"


@pytest.fixture
def as_alice(alice, client) -> Client:
    sign_in(client, alice)
    return client


def last_sentence(tenant: Tenant) -> str:
    with tenant_scope(tenant.id):
        return trail.sentence(AuditEntry.objects.latest("number"))


@pytest.mark.parametrize("who", ["alice", "bob", "dana", "erin"])
def test_each_role_sees_its_tabs_and_buttons(request, client, who):
    sign_in(client, request.getfixturevalue(who))
    seen = [tab for tab in TABS if client.get(f"/console/settings/{tab}").status_code == 200]
    assert seen == [tab for tab in TABS if tab != "members/" or who == "alice"]
    page = client.get("/console/settings/").content.decode()
    assert ("<form" in page[page.index("<main") :]) == (who == "alice")
    assert ("Make an API token" in text_of(client.get("/console/settings/tokens/"))) == (who != "erin")
    assert (client.get(NEW_TOKEN).status_code == 200) == (who != "erin")
    for address in ("", "sign-in/rule/", "members/invite/"):
        if who != "alice":
            assert client.post(f"/console/settings/{address}", {"name": "Mine"}).status_code == 403
    assert Tenant.objects.get().name == "Acme Bakery"


def test_the_operator_has_no_settings_of_a_tenant(client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("olga", password=PASSWORD))
    page = client.get("/console/settings/", follow=True)
    assert page.request["PATH_INFO"] == "/account/security/", "to the operator's site, by way of a second factor"


class TestGeneral:
    def test_name_zone_and_days_are_changed_and_recorded(self, tenant, as_alice):
        given = {"name": "Acme Bakeries", "time_zone": "America/New_York", "date_style": "month_first"}
        assert "The settings are saved." in text_of(as_alice.post("/console/settings/", given, follow=True))
        assert last_sentence(tenant) == (
            "The settings of Acme Bakeries were changed: Name is Acme Bakeries, Time zone is America/New_York, "
            "Days are written is Nov 13, 2026."
        )
        entry_page = text_of(as_alice.get(reverse("admin:audit_auditentry_changelist")))
        with tenant_scope(tenant.id):
            at = AuditEntry.objects.latest("number").at
        hour = at.astimezone(ZoneInfo("America/New_York"))
        assert f"{hour:%H:%M}" in entry_page
        assert "Nothing was changed." in text_of(as_alice.post("/console/settings/", given, follow=True))

    def test_a_wrong_form_keeps_what_was_typed(self, tenant, as_alice):
        answer = as_alice.post("/console/settings/", {"name": "", "time_zone": "Mars/Base", "date_style": "iso"})
        assert "A name is missing." in text_of(answer)
        assert "Mars/Base" in text_of(answer)
        assert Tenant.objects.get().date_style == "day_first"

    @pytest.mark.parametrize(
        ("style", "written"), [("day_first", "3 Nov 2026"), ("month_first", "Nov 3, 2026"), ("iso", "2026-11-03")]
    )
    def test_days_are_written_as_the_tenant_wants(self, style, written):
        value = datetime(2026, 11, 3, 18, 5, tzinfo=UTC)
        token = date_style.set(style)
        try:
            assert day(value.date()) == written
            assert f">{written} 18:05<" in moment(value)
        finally:
            date_style.reset(token)

    def test_the_next_request_is_not_written_like_the_last(self, tenant, other_tenant, alice, charlie):
        Tenant.objects.filter(pk=tenant.pk).update(date_style="iso", time_zone="Asia/Tokyo")
        first, second = Client(), Client()
        sign_in(first, alice)
        sign_in(second, charlie)
        assert first.get(HOME).status_code == second.get(HOME).status_code == 200
        assert date_style.get() == "day_first"


def test_the_rule_of_a_second_factor_is_changed_and_recorded(tenant, as_alice):
    as_alice.post("/console/settings/sign-in/rule/", {"requires_second_factor": "on"})
    assert Tenant.objects.get().requires_second_factor
    assert last_sentence(tenant).endswith("Owners and approvers need a second factor is on.")
    # Alice has none herself, so it begins with her.
    assert as_alice.get(HOME)["Location"] == reverse("mfa_index")


def test_approval_shows_each_legal_entity_and_its_limit(tenant, as_alice):
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.create(name="Harbor Foods", approval="automatic")
        LegalEntity.objects.create(name="Polar Foods")
    page = reverse("admin:tenants_legalentity_change", args=[entity.pk])
    given = {"name": "Harbor Foods", "currency": "USD", "approval": "automatic", "company_code": "us01"}
    assert "greater than or equal to 0" in text_of(as_alice.post(page, {**given, "approval_limit": "-1"}))
    assert as_alice.post(page, {**given, "approval_limit": "50000"}).status_code == 302
    with tenant_scope(tenant.id):
        assert LegalEntity.objects.get(pk=entity.pk).approval_limit == Decimal(50000)
    text = text_of(as_alice.get("/console/settings/approval/"))
    assert "By itself 50,000.00 USD" in text
    assert "By a person every journal" in text


class TestMembers:
    def test_roles_and_pay_are_changed_and_recorded(self, tenant, bob, as_alice):
        page = reverse("admin:settings_member", args=[bob.memberships.get().pk])
        said = text_of(as_alice.post(page, {"roles": ["preparer", "approver"], "may_see_pay": "on"}, follow=True))
        assert "bob is approver, preparer from the next page on." in said
        assert last_sentence(tenant) == "The roles of bob are now Approver, Preparer, may see pay."
        assert "Choose at least one role." in text_of(as_alice.post(page, {"roles": []}))

    def test_whoever_is_removed_is_out_at_once(self, tenant, bob, as_alice):
        his = Client()
        sign_in(his, bob)
        ApiToken.objects.create(membership=bob.memberships.get(), name="Report", digest=digest_of("his-token"))
        page = reverse("admin:settings_member_remove", args=[bob.memberships.get().pk])
        said = text_of(as_alice.get(page))
        assert "bob can no longer open Acme Bakery, from the next click on." in said
        assert "1 API token of theirs stops working." in said
        assert "What they prepared and approved stays as it is" in said
        as_alice.post(page)
        assert last_sentence(tenant) == "bob is no longer a member."
        assert his.get(HOME).status_code == 302
        assert his.get("/api/v1/postings/", headers={"Authorization": "Bearer his-token"}).status_code in {401, 403}

    def test_the_last_owner_stays(self, tenant, alice, as_alice):
        mine = alice.memberships.get()
        page = reverse("admin:settings_member_remove", args=[mine.pk])
        answer = as_alice.get(page)
        assert "This is the last owner of the tenant. Make somebody else an owner first." in text_of(answer)
        assert 'aria-disabled="true"' in answer.content.decode()
        assert as_alice.post(page).status_code == 409
        assert "This is the last owner" in text_of(
            as_alice.post(reverse("admin:settings_member", args=[mine.pk]), {"roles": ["auditor"]})
        )
        member(tenant, "otto", "owner")
        as_alice.post(page)
        assert not Membership.objects.filter(pk=mine.pk).exists()
        assert as_alice.get(HOME).status_code == 302

    def test_the_list_says_who_has_a_second_factor(self, bob, as_alice):
        text = text_of(as_alice.get("/console/settings/members/"))
        assert "bob bob@example.com Preparer Yes" in text
        assert "do_not_disturb_on Off" in text


class TestTokens:
    def make(self, client: Client, **changes: object):
        return client.post(NEW_TOKEN, {"name": "Nightly report", "scopes": ["postings:read", "audit:read"], **changes})

    def test_it_is_shown_once_works_and_is_revoked(self, tenant, dana, client):
        sign_in(client, dana)
        page = self.make(client)
        value = re.search(r"mlc_[\w-]{43}", page.content.decode()).group()
        token = ApiToken.objects.get()
        assert (token.digest, token.scopes) == (digest_of(value), ["audit:read", "postings:read"])
        assert last_sentence(tenant) == (
            "An API token “Nightly report” was created for dana: Read the audit trail, Read journals."
        )
        headers = {"Authorization": f"Bearer {value}"}
        assert Client().get("/api/v1/postings/", headers=headers).status_code == 200
        assert value not in client.get("/console/settings/tokens/").content.decode()
        client.post(reverse("admin:settings_token_revoke", args=[token.pk]))
        assert Client().get("/api/v1/postings/", headers=headers).status_code in {401, 403}
        assert last_sentence(tenant) == "The API token “Nightly report” of dana was removed."

    def test_a_wrong_form_makes_none(self, dana, client):
        sign_in(client, dana)
        assert "Choose at least one." in text_of(self.make(client, scopes=[]))
        assert "A name is missing." in text_of(self.make(client, name=" "))
        assert "everything:write" in text_of(self.make(client, scopes=["everything:write"]))
        self.make(client)
        assert "You have a token of this name." in text_of(self.make(client))
        assert ApiToken.objects.count() == 1

    def test_an_owner_sees_and_revokes_everybodys(self, tenant, dana, bob, as_alice):
        theirs = ApiToken.objects.create(membership=dana.memberships.get(), name="Hers", digest="x")
        assert "Hers dana" in text_of(as_alice.get("/console/settings/tokens/"))
        other = Client()
        sign_in(other, bob)
        assert "Hers" not in text_of(other.get("/console/settings/tokens/"))
        assert other.post(reverse("admin:settings_token_revoke", args=[theirs.pk])).status_code == 404
        as_alice.post(reverse("admin:settings_token_revoke", args=[theirs.pk]))
        assert not ApiToken.objects.exists()


class TestConfirmation:
    """Pages that could send payrolls elsewhere ask once more who it is."""

    ASKING = (NEW_TOKEN, "/console/settings/members/invite/", "/console/tenants/connection/add/d365/")

    def grow_old(self, client: Client, seconds: float) -> None:
        session = client.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time() - seconds}]
        session.save()

    def test_an_old_sign_in_is_asked_again_and_led_back(self, as_alice):
        self.grow_old(as_alice, 601)
        for address in self.ASKING:
            asked = as_alice.get(address)
            assert asked.status_code == 302
            assert asked["Location"].startswith(reverse("account_reauthenticate"))
        page = as_alice.get(asked["Location"])
        assert "Confirm that it is you" in text_of(page)
        wrong = as_alice.post(reverse("account_reauthenticate"), {"password": "wrong", "next": address})
        assert "This is not your password. Mind capital letters." in text_of(wrong)
        right = as_alice.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": address})
        assert right["Location"] == address
        assert as_alice.get(address).status_code == 200

    def test_whoever_types_for_long_loses_nothing(self, as_alice):
        self.grow_old(as_alice, 1200)
        made = as_alice.post(NEW_TOKEN, {"name": "Report", "scopes": ["audit:read"]})
        assert "This token is shown once." in text_of(made)

    def test_what_comes_far_too_late_is_not_kept_and_said_so(self, as_alice):
        self.grow_old(as_alice, 3000)
        answer = as_alice.post(NEW_TOKEN, {"name": "Report", "scopes": ["audit:read"]}, follow=True)
        assert "Nothing was saved; enter it again." in text_of(answer)
        assert not ApiToken.objects.exists()

    def test_whoever_may_not_is_not_even_asked(self, erin, client):
        sign_in(client, erin)
        self.grow_old(client, 3000)
        for address in self.ASKING:
            assert client.get(address).status_code in {403, 404}
