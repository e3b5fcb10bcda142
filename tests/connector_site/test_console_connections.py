"""Connections by hand: what a form refuses, that secrets go in and never come out, and what a test of a connection says,
asked of a real Dynamics sandbox over HTTP.
"""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from audit import work
from audit.models import AuditEntry
from audit.sandbox import Sandbox, Store
from erp.d365.sandbox import D365Sandbox
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.conftest import sign_in
from tests.connector_site.books import SECRET, Books, books

ADD = "/console/tenants/connection/add/d365/"
GOOD = {
    "name": "Dynamics", "environment": "https://contoso.operations.dynamics.com",
    "directory_id": "11111111-2222-3333-4444-555555555555", "client_id": "66666666-7777-8888-9999-000000000000",
    "client_secret": "first-secret", "authority": "https://login.microsoftonline.com", "journal_name": "PAYROLL",
    "changeset_size": "150", "companies": "",
}  # fmt: skip


def page(connection: Connection, name: str = "change") -> str:
    return reverse(f"admin:tenants_connection_{name}", args=[connection.pk])


def text_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def stored(tenant, name: str = "Dynamics") -> dict[str, str]:
    with tenant_scope(tenant.id):
        return Connection.objects.get(name=name).stored_fields()


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


@pytest.fixture
def as_alice(client: Client, alice) -> Client:
    sign_in(client, alice)
    return client


def test_an_erp_is_connected_by_a_form_of_its_declared_fields(tenant, as_alice):
    assert "Dynamics 365 Finance & Operations" in text_of(as_alice.get(reverse("admin:tenants_connection_add")))
    form = as_alice.get(ADD).content.decode()
    assert 'type="password"' in form
    response = as_alice.post(ADD, GOOD)
    assert response.status_code == 302
    assert stored(tenant)["client_secret"] == "first-secret"
    with tenant_scope(tenant.id):
        connection = Connection.objects.get()
        assert connection.health == "untested"
        entry = AuditEntry.objects.get(action="connection.created")
    assert "first-secret" not in str(entry.facts)
    # It is tested and read at once, by a worker; the page says so and looks again.
    answer = as_alice.get(response["Location"])
    assert "The connection is being tested." in text_of(answer)
    assert "hx-trigger" in answer.content.decode()
    assert "first-secret" not in answer.content.decode()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("environment", "", "Environment address is missing."),
        ("environment", "http://contoso.operations.dynamics.com", "is not encrypted. Use https://."),
        ("environment", "ftp://contoso", "is not an address."),
        ("environment", "https://user:password@contoso.com", "must not carry a user or a password"),
        ("directory_id", "?", "does not have the expected form"),
        ("client_secret", "", "Client secret is missing."),
        ("name", "", "Name is missing."),
    ],
)
def test_a_form_says_what_is_wrong_and_saves_nothing(tenant, as_alice, field, value, sentence):
    response = as_alice.post(ADD, {**GOOD, field: value})
    assert response.status_code == 200
    assert "Nothing was saved." in text_of(response)
    assert sentence in text_of(response)
    assert "first-secret" not in response.content.decode(), "a secret is not sent back, not even to who typed it"
    with tenant_scope(tenant.id):
        assert not Connection.objects.exists()


def test_two_connections_of_one_name_are_refused(tenant, as_alice):
    as_alice.post(ADD, GOOD)
    assert "Another connection has this name." in text_of(as_alice.post(ADD, GOOD))


def test_a_system_that_does_not_exist_has_no_form(as_alice):
    for system in ("gusto", "nothing"):
        assert as_alice.get(f"/console/tenants/connection/add/{system}/").status_code == 404


def test_a_stored_secret_is_never_in_a_page(acme, as_alice):
    for name in ("change", "credentials"):
        assert SECRET not in as_alice.get(page(acme.erp, name)).content.decode()
    form = as_alice.get(page(acme.erp, "credentials"))
    assert "Leave empty to keep the stored one." in text_of(form)
    values = {name: value for name, value in GOOD.items() if name != "name"}
    wrong = as_alice.post(page(acme.erp, "credentials"), {**values, "directory_id": "?"})
    assert SECRET not in wrong.content.decode()


def same_address(acme: Books, **changed: str) -> dict[str, str]:
    return {**GOOD, "environment": "https://harbor.operations.dynamics.com", "client_secret": "", **changed}


def test_disconnecting_says_what_stops_and_keeps_what_was_made(acme, as_alice):
    box = text_of(as_alice.get("/console/tenants/connection/"))
    assert "Harbor Dynamics" in box
    assert "3 accounts, 0 new." in box
    asked = text_of(as_alice.get(page(acme.erp, "disconnect")))
    assert "No journal is sent to Harbor Dynamics any more" in asked
    assert "stay as they are" in asked
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == SECRET, "looking changes nothing"
    answer = as_alice.post(page(acme.erp, "disconnect"), follow=True)
    assert "Harbor Dynamics is disconnected." in text_of(answer)
    assert "client_secret" not in stored(acme.tenant, "Harbor Dynamics")
    with tenant_scope(acme.tenant.id):
        acme.erp.refresh_from_db()
        assert (acme.erp.health, acme.again().state) == ("off", "allocated")
        assert AuditEntry.objects.filter(action="connection.disconnected").count() == 1
    # Credentials bring it back, to be tested first.
    as_alice.post(page(acme.erp, "credentials"), same_address(acme, client_secret="another"))
    with tenant_scope(acme.tenant.id):
        acme.erp.refresh_from_db()
    assert acme.erp.health == "untested"


def test_a_legal_entity_begins_with_its_set_up(tenant, as_alice):
    answer = as_alice.get("/console/tenants/legalentity/add/")
    assert (answer.status_code, answer["Location"]) == (302, "/console/set-up/new/")
    made = as_alice.post("/console/set-up/new/", {"name": "Harbor", "then": "files"})
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.get()
    assert made["Location"].endswith(f"legal_entity={entity.pk}")
    assert not entity.is_live
    assert "Another legal entity has this name." in text_of(as_alice.post("/console/set-up/new/", {"name": "Harbor"}))


@pytest.mark.parametrize("name", ["gusto", "erp", "reference", "map", "dry-run", "go-live", "go-live/confirm"])
def test_the_set_up_is_for_owners_alone(acme, bob, client, name):
    sign_in(client, bob)
    for path in (f"/console/set-up/{acme.entity.pk}/{name}/", "/console/set-up/new/", "/console/set-up/"):
        assert client.get(path).status_code == 403
        assert client.post(path, {}).status_code == 403


def test_nobody_but_an_owner_disconnects(acme, bob, client):
    sign_in(client, bob)
    assert client.post(page(acme.erp, "disconnect")).status_code == 404
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == SECRET


def test_a_secret_that_is_left_empty_stays(acme, as_alice):
    assert as_alice.post(page(acme.erp, "credentials"), same_address(acme, journal_name="GENERAL")).status_code == 302
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == SECRET
    assert stored(acme.tenant, "Harbor Dynamics")["journal_name"] == "GENERAL"
    with tenant_scope(acme.tenant.id):
        entry = AuditEntry.objects.get(action="connection.changed")
    assert entry.facts["changed"] == "Journal name"


def test_a_new_secret_replaces_the_old_one(acme, as_alice):
    response = as_alice.post(
        page(acme.erp, "credentials"), same_address(acme, client_secret=" new secret "), follow=True
    )
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == " new secret ", "blanks belong to a secret"
    assert "new secret" not in response.content.decode()
    with tenant_scope(acme.tenant.id):
        entry = AuditEntry.objects.get(action="connection.changed")
    assert entry.facts["changed"] == "Client secret"
    assert "new secret" not in str(entry.facts)


def test_a_secret_does_not_travel_to_a_changed_address(acme, as_alice):
    response = as_alice.post(page(acme.erp, "credentials"), same_address(acme, environment="https://elsewhere.example"))
    assert "Environment address changed, so this has to be entered again." in text_of(response)
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == SECRET
    assert stored(acme.tenant, "Harbor Dynamics")["environment"] == "https://harbor.operations.dynamics.com"
    moved = same_address(acme, environment="https://elsewhere.example", client_secret="theirs")
    assert as_alice.post(page(acme.erp, "credentials"), moved).status_code == 302
    assert stored(acme.tenant, "Harbor Dynamics")["client_secret"] == "theirs"


def test_a_gusto_grant_has_no_form(acme, as_alice):
    assert as_alice.get(page(acme.gusto, "credentials")).status_code == 404
    text = text_of(as_alice.get(page(acme.gusto)))
    assert "on the page of its legal entity" in text
    assert "Test connection" in text
    assert "Read reference data" not in text


@pytest.mark.django_db(transaction=True)
class TestWithDynamics:
    """Press "Test connection" and let a worker do it."""

    @pytest.fixture
    def dynamics(self, tmp_path):
        system = D365Sandbox(Store(tmp_path / "d365.sqlite"))
        server = Sandbox([system])
        server.start()
        yield system
        server.stop()

    @pytest.fixture
    def connection(self, dynamics, tenant) -> Connection:
        facts = dynamics.facts()
        with tenant_scope(tenant.id):
            connection = Connection(system="d365", name="Dynamics")
            known = ("environment", "authority", "directory_id", "client_id", "client_secret")
            connection.set_fields({**{name: facts[name] for name in known}, "journal_name": "PAYROLL"})
            connection.save()
        return connection

    def _again(self, connection: Connection, client: Client) -> str:
        response = client.post(page(connection, "test"), follow=True)
        assert "The connection is being tested." in text_of(response)
        work.drain(30)
        after = client.get(page(connection))
        assert "hx-trigger" not in after.content.decode(), "it is done, so the page stands still"
        return text_of(after)

    def test_each_line_of_a_test_is_shown(self, connection, as_alice):
        text = self._again(connection, as_alice)
        assert "Healthy" in text
        assert "Sign-in Passed Microsoft Entra gives a token for this environment." in re.sub(
            r"check_circle ", "", text
        )

    def test_a_wrong_secret_is_shown_in_the_vendors_words_and_repaired(self, connection, dynamics, tenant, as_alice):
        values = {name: stored(tenant)[name] for name in ("environment", "authority", "directory_id", "client_id")}
        values |= {"journal_name": "PAYROLL", "changeset_size": "150"}
        as_alice.post(page(connection, "credentials"), {**values, "client_secret": "wrong-secret"})
        text = self._again(connection, as_alice)
        assert "Needs you" in text
        assert "AADSTS7000215" in text
        assert "Enter the secret's value, not its id." in text
        assert "wrong-secret" not in text
        assert "does not work." in text_of(as_alice.get("/console/"))
        right = dynamics.facts()["client_secret"]
        as_alice.post(page(connection, "credentials"), {**values, "client_secret": right})
        text = self._again(connection, as_alice)
        assert "Healthy" in text
        assert "AADSTS" not in text
        assert right not in text
        assert "does not work." not in text_of(as_alice.get("/console/"))

    def test_reference_data_are_read_and_counted(self, connection, as_alice):
        response = as_alice.post(page(connection, "reference"), follow=True)
        assert "The reference data are being read." in text_of(response)
        work.drain(30)
        text = text_of(as_alice.get(page(connection)))
        assert re.search(r"Main accounts \d+", text)
        assert "Company codes 3" in text
        links = re.findall(r'<dd><a href="([^"]+)">\d+</a>', as_alice.get(page(connection)).content.decode())
        lists = [text_of(as_alice.get(html.unescape(link))) for link in links]
        assert [
            word in found for found, word in zip(lists, ("Wages and salaries", "CostCenter", "us01"), strict=True)
        ] == [True] * 3
