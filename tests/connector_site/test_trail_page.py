"""The audit trail in the console: filters, and an entry that says what was before and what is after, with secrets masked."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from audit import trail
from audit.models import AuditEntry
from tenants.scope import tenant_scope
from tests.conftest import sign_in

LIST = "/console/audit/auditentry/"


def text_of(response) -> str:
    page = response.content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def entry_page(tenant, action: str) -> str:
    with tenant_scope(tenant.id):
        return reverse("admin:audit_auditentry_change", args=[AuditEntry.objects.get(action=action).pk])


def test_changed_rights_stand_as_before_and_after(tenant, alice, bob, erin, client):
    sign_in(client, alice)
    page = reverse("admin:settings_member", args=[bob.memberships.get().pk])
    assert client.post(page, {"roles": ["approver"]}).status_code == 302
    client.force_login(erin)
    text = text_of(client.get(entry_page(tenant, "membership.changed")))
    assert "What Before After Roles Preparer Approver May see pay yes no" in text
    assert "The roles of bob are now Approver." in text


def test_changed_settings_stand_as_before_and_after(tenant, alice, client):
    sign_in(client, alice)
    given = {"name": "Acme Bakeries", "time_zone": "America/New_York", "date_style": "day_first"}
    assert client.post("/console/settings/", given).status_code == 302
    text = text_of(client.get(entry_page(tenant, "tenant.settings_changed")))
    assert "Name Acme Bakery Acme Bakeries" in text
    assert "Time zone UTC America/New_York" in text


def test_a_secret_is_masked_on_both_sides(tenant, erin, client):
    with tenant_scope(tenant.id):
        trail.record(
            "connection.changed", subject="connection", subject_id="1", name="ERP", changed="client secret",
            before={"client_secret": "old-secret", "host": "a"}, after={"client_secret": "new-secret", "host": "b"},
        )  # fmt: skip
    client.force_login(erin)
    page = client.get(entry_page(tenant, "connection.changed"))
    assert "Host a b" in text_of(page)
    assert "old-secret" not in page.content.decode()
    assert "new-secret" not in page.content.decode()


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"actor": "bob"}, True), ({"actor": "dana"}, False), ({"action": "posting.replayed"}, True),
        ({"action": "posting.voided"}, False), ({"subject": "posting"}, True), ({"subject": "connection"}, False),
        ({"at_from_0": "2020-01-01", "at_from_1": "00:00"}, True), ({"at_to_0": "2020-01-01", "at_to_1": "00:00"}, False),
    ],
)  # fmt: skip
def test_person_action_object_and_period_narrow_the_list(tenant, erin, client, query, is_found):
    with tenant_scope(tenant.id):
        trail.record("posting.replayed", subject="posting", subject_id="K1", by="bob", posting_key="K1")
        trail.record("connection.healed", subject="webhook", subject_id="1", by="zoe", name="ERP")
    client.force_login(erin)
    assert ("Journal K1 was replayed." in text_of(client.get(LIST, query))) == is_found
