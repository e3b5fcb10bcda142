"""“Connect Gusto” from the button to the grant, over the sandbox's real authorize page, token endpoint and token_info."""

from __future__ import annotations

import json
from datetime import date, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.exchange import TemporaryFailure
from audit.models import AuditEntry, WorkItem
from audit.trail import sentence
from gusto import oauth
from gusto.models import AuthorizationState, CompanyRoute, WebhookEvent
from tenants.models import Connection, LegalEntity, Membership
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.gusto.conftest import connect, legal_entity_of, requests_to

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def to_gusto(browser: Client, legal_entity: LegalEntity) -> str:
    answer = browser.post(f"/gusto/connect/{legal_entity.pk}/")
    assert answer.status_code == 302, answer.content
    return answer["Location"]


def decide(address: str, company_uuid: str, decision: str = "approve") -> dict[str, str]:
    """What the owner does on Gusto's page; returns the query with which Gusto sends the browser back."""
    page = requests.get(address, timeout=10)
    assert page.status_code == 200
    form = dict(parse_qsl(urlsplit(address).query)) | {"company_uuid": company_uuid, "decision": decision}
    answer = requests.post(address.partition("?")[0], data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def said(browser: Client, query: dict[str, str]) -> str:
    """Come back with this query; returns the sentence that the owner reads."""
    answer = browser.get("/gusto/callback", query)
    assert answer.status_code == 302
    assert "code" not in answer["Location"]
    return " ".join(str(message) for message in get_messages(answer.wsgi_request)._queued_messages)


def entries(tenant, action: str) -> list[str]:
    with tenant_scope(tenant.id):
        return [sentence(entry) for entry in AuditEntry.objects.filter(action=action).order_by("number")]


def nothing_is_stored(tenant) -> bool:
    with tenant_scope(tenant.id):
        return not (
            Connection.objects.exists()
            or LegalEntity.objects.exclude(gusto_company_uuid="").exists()
            or CompanyRoute.objects.filter(tenant=tenant).exists()
        )


def test_an_owner_connects_a_company(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    address = to_gusto(browser, legal_entity)
    assert "scope" not in parse_qs(urlsplit(address).query)
    words = said(browser, decide(address, gusto.company))
    assert words == "Acme Bakery LLC is connected to Gusto."
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.get()
        held = Connection.objects.get()
        assert (entity.gusto_company_uuid, entity.gusto_connection_id) == (gusto.company, held.pk)
        assert (held.system, held.health) == ("gusto", Connection.Health.HEALTHY)
        fields = held.stored_fields()
        assert fields["company_uuid"] == gusto.company
        assert "payrolls:read" in fields["scope"].split()
        with connection.cursor() as cursor:
            cursor.execute("SELECT sealed_fields FROM tenants_connection")
            assert fields["access_token"] not in cursor.fetchone()[0]
    answer = gusto.get(f"/v1/companies/{gusto.company}", fields["access_token"])
    assert answer.status_code == 200
    assert CompanyRoute.objects.get().company_uuid == gusto.company
    assert entries(tenant, "gusto.connected") == [f"Acme Bakery LLC was connected to Gusto company {gusto.company}."]
    due = set(WorkItem.objects.values_list("kind", "ref", "tenant_id"))
    assert {
        ("gusto.sweep", str(entity.pk), tenant.id),
        ("tenants.check_connection", str(held.pk), tenant.id),
        ("gusto.feed", "", None),
        ("gusto.subscribe", "", None),
    } <= due


def test_what_was_paid_before_is_not_posted_unless_the_owner_says_so(application, gusto, tenant, legal_entity):
    connected = connect(gusto, legal_entity)
    assert connected.posts_from_date == timezone.now().date()
    told = entries(tenant, "legal_entity.changed")
    assert told == [
        f"Legal entity Acme Bakery LLC was changed: payrolls are posted from {connected.posts_from_date} on."
    ]
    chosen = legal_entity_of(tenant, "Acme Deliveries LLC", posts_from_date=date(2026, 1, 1))
    assert connect(gusto, chosen, gusto.facts["companies"][1]["uuid"]).posts_from_date == date(2026, 1, 1)
    assert connect(gusto, chosen, gusto.facts["companies"][1]["uuid"]).posts_from_date == date(2026, 1, 1)


def test_no_secret_stands_in_the_exchanges(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    back = decide(to_gusto(browser, legal_entity), gusto.company)
    said(browser, back)
    with tenant_scope(tenant.id):
        fields = Connection.objects.get().stored_fields()
        with connection.cursor() as cursor:
            cursor.execute("SELECT json_agg(e)::text FROM audit_exchange e")
            kept = cursor.fetchone()[0]
    assert "token_info" in kept
    secrets = [fields["access_token"], fields["refresh_token"], back["code"], gusto.facts["client_secret"]]
    assert not [secret for secret in secrets if secret in kept]


def test_only_an_owner_may_start(application, gusto, tenant, bob, dana, legal_entity):
    for user in (bob, dana):
        assert signed_in(user).post(f"/gusto/connect/{legal_entity.pk}/").status_code == 403
    assert Client().post(f"/gusto/connect/{legal_entity.pk}/")["Location"].startswith("/account/login/")
    with tenant_scope(tenant.id):
        assert not AuthorizationState.objects.exists()


def test_a_legal_entity_of_another_tenant_does_not_exist(application, gusto, charlie, legal_entity):
    assert signed_in(charlie).post(f"/gusto/connect/{legal_entity.pk}/").status_code == 404


def test_starting_needs_a_form_of_ours(application, gusto, alice, legal_entity):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(f"/gusto/connect/{legal_entity.pk}/").status_code == 403
    assert browser.get(f"/gusto/connect/{legal_entity.pk}/").status_code == 405


def test_a_declined_access_connects_nothing(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    back = decide(to_gusto(browser, legal_entity), gusto.company, "deny")
    assert back["error"] == "access_denied"
    assert said(browser, back) == "Access was declined in Gusto, so nothing was connected."
    assert nothing_is_stored(tenant)
    assert requests_to(gusto, "/oauth/token") == []
    assert "declined" in entries(tenant, "gusto.refused")[0]


def test_any_other_error_is_a_denial_and_is_not_repeated_blindly(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    state = parse_qs(urlsplit(to_gusto(browser, legal_entity)).query)["state"][0]
    words = said(browser, {"state": state, "error": "Call +1 555 0100 to repair your account", "code": "x"})
    assert words == "Gusto gave no access, so nothing was connected."


def test_a_state_works_once(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    address = to_gusto(browser, legal_entity)
    said(browser, decide(address, gusto.company))
    again = decide(address, gusto.company)
    assert said(browser, again) == oauth.STATE_UNKNOWN
    assert requests_to(gusto, "/oauth/token") == [200]


def test_a_state_of_another_browser_is_refused(application, gusto, tenant, alice, legal_entity):
    """Somebody lures the owner to a callback that he started himself (RFC 6819, 4.4.1.8)."""
    mine, theirs = signed_in(alice), signed_in(alice)
    back = decide(to_gusto(mine, legal_entity), gusto.company)
    assert said(theirs, back) == oauth.STATE_FOREIGN
    assert nothing_is_stored(tenant)
    # It is used up now, for its own browser as well.
    assert said(mine, back) == oauth.STATE_UNKNOWN
    assert requests_to(gusto, "/oauth/token") == []


def test_a_state_of_another_person_is_refused(application, gusto, tenant, alice, legal_entity):
    back = decide(to_gusto(signed_in(alice), legal_entity), gusto.company)
    assert said(signed_in(member(tenant, "frank", "owner")), back) == oauth.STATE_FOREIGN
    assert nothing_is_stored(tenant)


def test_a_state_belongs_to_its_person_even_in_the_same_session(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    back = decide(to_gusto(browser, legal_entity), gusto.company)
    with pytest.raises(oauth.ConnectRefused) as caught:
        oauth.finish(member(tenant, "frank", "owner"), browser.session.session_key, back)
    assert caught.value.sentence == oauth.STATE_FOREIGN
    assert nothing_is_stored(tenant)


def test_a_member_of_another_tenant_cannot_use_a_state(application, gusto, tenant, alice, charlie, legal_entity):
    back = decide(to_gusto(signed_in(alice), legal_entity), gusto.company)
    assert said(signed_in(charlie), back) == oauth.STATE_UNKNOWN
    assert nothing_is_stored(tenant)


def test_who_is_no_owner_any_more_cannot_finish(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    back = decide(to_gusto(browser, legal_entity), gusto.company)
    Membership.objects.filter(user=alice).update(roles=["preparer"])
    assert said(browser, back) == oauth.NOT_AN_OWNER
    assert nothing_is_stored(tenant)


def test_a_state_ends_after_ten_minutes(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    back = decide(to_gusto(browser, legal_entity), gusto.company)
    with tenant_scope(tenant.id):
        AuthorizationState.objects.update(created_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert said(browser, back) == oauth.STATE_LATE
    assert nothing_is_stored(tenant)


def test_only_the_digest_of_a_state_is_stored(application, gusto, tenant, alice, legal_entity):
    state = parse_qs(urlsplit(to_gusto(signed_in(alice), legal_entity)).query)["state"][0]
    with tenant_scope(tenant.id), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(s)::text FROM gusto_authorizationstate s")
        kept = cursor.fetchone()[0]
    assert state not in kept
    assert json.loads(kept)["digest"]


@pytest.mark.parametrize("state", ["", "x", "0" * 32, "not-a-tenant.abc", "0" * 32 + ".abc"])
def test_an_invented_state_is_refused(application, gusto, alice, legal_entity, state):
    assert said(signed_in(alice), {"state": state, "code": "abc"}) == oauth.STATE_UNKNOWN


def test_an_invented_code_is_refused(application, gusto, tenant, alice, legal_entity):
    browser = signed_in(alice)
    state = parse_qs(urlsplit(to_gusto(browser, legal_entity)).query)["state"][0]
    assert said(browser, {"state": state, "code": "invented"}) == oauth.CODE_ENDED
    assert nothing_is_stored(tenant)


def test_a_reconnect_must_give_the_same_company(connected, application, gusto, tenant, alice):
    other = gusto.facts["companies"][1]["uuid"]
    with tenant_scope(tenant.id):
        before = Connection.objects.get().stored_fields()
    browser = signed_in(alice)
    assert said(browser, decide(to_gusto(browser, connected), other)) == oauth.OTHER_COMPANY
    with tenant_scope(tenant.id):
        assert Connection.objects.get().stored_fields() == before
        assert LegalEntity.objects.get().gusto_company_uuid == gusto.company
    assert list(CompanyRoute.objects.values_list("company_uuid", flat=True)) == [gusto.company]
    assert len(entries(tenant, "gusto.refused")) == 1
    # The same company is fine, and its new pair replaces the old one.
    assert "is connected" in said(browser, decide(to_gusto(browser, connected), gusto.company))
    with tenant_scope(tenant.id):
        assert Connection.objects.get().stored_fields()["access_token"] != before["access_token"]


def test_a_reconnect_heals(connected, application, gusto, tenant, alice):
    with tenant_scope(tenant.id):
        Connection.objects.update(health="broken", health_sentence="x")
    browser = signed_in(alice)
    said(browser, decide(to_gusto(browser, connected), gusto.company))
    with tenant_scope(tenant.id):
        assert Connection.objects.get().health == Connection.Health.HEALTHY
    assert entries(tenant, "connection.healed") == ["Connection Gusto: Acme Bakery LLC works again."]


def test_a_company_of_another_tenant_is_refused_without_telling_whose(
    connected, application, gusto, other_tenant, charlie
):
    theirs = legal_entity_of(other_tenant, "Borealis Tools Inc")
    browser = signed_in(charlie)
    words = said(browser, decide(to_gusto(browser, theirs), gusto.company))
    assert words == oauth.TAKEN
    assert "Acme" not in words
    assert nothing_is_stored(other_tenant)


def test_a_company_of_another_legal_entity_is_refused(connected, application, gusto, tenant, alice):
    second = legal_entity_of(tenant, "Acme Deliveries LLC")
    browser = signed_in(alice)
    assert said(browser, decide(to_gusto(browser, second), gusto.company)) == oauth.TAKEN
    other = gusto.facts["companies"][1]["uuid"]
    assert "is connected" in said(browser, decide(to_gusto(browser, second), other))
    with tenant_scope(tenant.id):
        assert Connection.objects.count() == 2


def test_without_an_application_nothing_starts(tenant, alice, legal_entity):
    browser = signed_in(alice)
    answer = browser.post(f"/gusto/connect/{legal_entity.pk}/")
    assert answer.status_code == 302
    assert answer["Location"] == f"/console/tenants/legalentity/{legal_entity.pk}/change/"
    assert "no Gusto application" in " ".join(str(m) for m in get_messages(answer.wsgi_request))


def test_a_wrong_client_secret_is_said(application, gusto, tenant, alice, legal_entity):
    type(application).objects.update(client_secret="wrong")
    browser = signed_in(alice)
    words = said(browser, decide(to_gusto(browser, legal_entity), gusto.company))
    assert words == "Gusto does not accept this installation's client id and secret."
    assert nothing_is_stored(tenant)


def test_what_came_before_the_connection_is_picked_up(application, gusto, tenant, legal_entity):
    event = WebhookEvent.objects.create(
        event_uuid="0b0c8f0e-3a57-4a3f-9c57-0123456789ab",
        event_type="payroll.processed",
        resource_uuid=gusto.company,
        sent_at=timezone.now(),
        state=WebhookEvent.State.UNKNOWN_COMPANY,
    )
    connect(gusto, legal_entity)
    event.refresh_from_db()
    assert event.state == WebhookEvent.State.STORED
    assert WorkItem.objects.filter(kind="gusto.read_event", ref=str(event.pk)).exists()


def test_a_provisioned_refresh_token_connects_once(application, gusto, tenant, legal_entity):
    given = gusto.system.connect(gusto.company)["refresh_token"]
    assert oauth.connect_with_refresh_token(legal_entity, given) is True
    assert oauth.connect_with_refresh_token(legal_entity, given) is False
    assert requests_to(gusto, "/oauth/token") == [200]
    with tenant_scope(tenant.id):
        held = Connection.objects.get()
        assert held.health == Connection.Health.HEALTHY
        assert held.name == "Gusto: Acme Bakery LLC"


def test_a_kill_after_the_first_use_loses_no_provisioned_grant(application, gusto, tenant, legal_entity):
    """The given token is dead from the first use on; what was stored before that goes on."""
    given = gusto.system.connect(gusto.company)["refresh_token"]
    gusto.fault(fault="lost_answer", path="token_info")
    with pytest.raises(TemporaryFailure):
        oauth.connect_with_refresh_token(legal_entity, given)
    assert gusto.post_token(grant_type="refresh_token", refresh_token=given).status_code == 400
    assert oauth.connect_with_refresh_token(legal_entity, given) is True
    with tenant_scope(tenant.id):
        assert LegalEntity.objects.get().gusto_company_uuid == gusto.company
        assert Connection.objects.count() == 1


def test_a_lost_answer_to_a_provisioned_token_loses_nothing(application, gusto, tenant, legal_entity):
    given = gusto.system.connect(gusto.company)["refresh_token"]
    gusto.fault(fault="lost_answer", path="oauth/token")
    with pytest.raises(TemporaryFailure):
        oauth.connect_with_refresh_token(legal_entity, given)
    assert oauth.connect_with_refresh_token(legal_entity, given) is True


def test_a_provisioned_token_of_another_company_stores_nothing(connected, application, gusto, tenant):
    other = gusto.facts["companies"][1]["uuid"]
    with tenant_scope(tenant.id):
        before = Connection.objects.get().stored_fields()
    with pytest.raises(oauth.ConnectRefused, match="another Gusto company"):
        oauth.connect_with_refresh_token(connected, gusto.system.connect(other)["refresh_token"])
    with tenant_scope(tenant.id):
        assert Connection.objects.get().stored_fields() == before


def test_a_dead_provisioned_token_is_said(application, gusto, tenant, legal_entity):
    with pytest.raises(oauth.ConnectRefused) as caught:
        oauth.connect_with_refresh_token(legal_entity, "never given by anybody")
    assert caught.value.sentence == oauth.GIVEN_ENDED
    assert nothing_is_stored(tenant)


def test_disconnecting_ends_the_grant_on_both_sides(connected, application, gusto, tenant, other_tenant, alice):
    with tenant_scope(tenant.id):
        token = Connection.objects.get().stored_fields()["access_token"]
    answer = signed_in(alice).post(f"/gusto/disconnect/{connected.pk}/")
    assert answer.status_code == 302
    assert gusto.get(f"/v1/companies/{gusto.company}", token).status_code == 401
    with tenant_scope(tenant.id):
        held = Connection.objects.get()
        assert held.health == Connection.Health.OFF
        assert "refresh_token" not in held.stored_fields()
    assert entries(tenant, "gusto.disconnected") == ["Acme Bakery LLC was disconnected from Gusto."]
    # The company is free for others, but the legal entity stays bound to it.
    connect(gusto, legal_entity_of(other_tenant, "Borealis Tools Inc"))
    with pytest.raises(oauth.ConnectRefused):
        oauth.connect_with_refresh_token(
            connected, gusto.system.connect(gusto.facts["companies"][1]["uuid"])["refresh_token"]
        )
