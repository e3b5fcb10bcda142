"""Each role sees what it may do and nothing else; the address of a hidden action checks again; a GET changes nothing."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry, WorkItem
from erp.journal_pages import ACTIONS
from erp.models import Posting
from gusto.models import PayrollRun
from tenants.models import Connection, LegalEntity, Membership
from tenants.scope import TenantModel, tenant_scope
from tests.conftest import sign_in
from tests.connector_site.books import Books, books

ROLES = ["alice", "bob", "dana", "erin"]


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


@pytest.fixture
def signed_in(request, client):
    def sign_in_as(name: str, *, is_asked_again: bool = False) -> Client:
        """With `is_asked_again` by password, for the pages that ask for it."""
        user = request.getfixturevalue(name)
        client.logout()
        if is_asked_again:
            sign_in(client, user)
        else:
            client.force_login(user)
        return client

    return sign_in_as


def posting_page(acme: Books, name: str = "change") -> str:
    return reverse(f"admin:erp_posting_{name}", args=[acme.posting.pk])


def counts(acme: Books) -> tuple[object, ...]:
    """Everything that a click could change."""
    with tenant_scope(acme.tenant.id):
        return (
            *Posting.objects.values_list("state", "approved_by", "prepared_by").order_by("pk"),
            *PayrollRun.objects.values_list("state"),
            *Connection.objects.values_list("name", "health", "tested_at").order_by("pk"),
            *LegalEntity.objects.values_list("name", "approval"),
            AuditEntry.objects.count(),
            WorkItem.objects.count(),
            Membership.objects.count(),
        )


#: Who is offered which action, by the state of the journal (console.md 3.3).
OFFERED = {
    "allocated": {
        "alice": {"replay", "posting_date", "void"},
        "bob": {"replay", "posting_date", "void"},
        "dana": {"approve"},
        "erin": set(),
    },
    "approved": {"alice": set(), "bob": set(), "dana": {"withdraw"}, "erin": set()},
    "sending": {"alice": {"look"}, "bob": {"look"}, "dana": {"look"}, "erin": set()},
    "entered": {"alice": {"look"}, "bob": {"look"}, "dana": {"look", "reverse"}, "erin": set()},
    "posted": {"alice": set(), "bob": set(), "dana": {"reverse"}, "erin": set()},
    "blocked": {"alice": {"replay", "void"}, "bob": {"replay", "void"}, "dana": set(), "erin": set()},
    "voided": {"alice": set(), "bob": set(), "dana": set(), "erin": set()},
}


@pytest.mark.parametrize("who", ROLES)
def test_each_state_offers_each_role_its_actions(acme, signed_in, who):
    client = signed_in(who)
    for state, by_role in OFFERED.items():
        acme.change(state=state, reason="reference" if state == "blocked" else "")
        text = client.get(posting_page(acme)).content.decode()
        assert {name for name in ACTIONS if f'href="{posting_page(acme, name)}"' in text} == by_role[who], state


@pytest.mark.parametrize("who", ROLES)
def test_a_hidden_action_checks_the_role_again(acme, signed_in, who):
    client = signed_in(who)
    # What is said of an unclear journal is offered where it is unclear; only an auditor may say nothing.
    of_people = set() if who == "erin" else {"found", "not_there", "take_back"}
    hidden = set(ACTIONS) - of_people - set().union(*(by_role[who] for by_role in OFFERED.values()))
    assert hidden, "every role has something that it may not do"
    before = counts(acme)
    for name in hidden:
        for method in (client.get, client.post):
            assert method(posting_page(acme, name), {"reason": "because"}).status_code == 404, name
    assert counts(acme) == before


def every_page(acme: Books) -> list[str]:
    """Every address of the console that can be opened with a GET."""
    found = [reverse("admin:index")]
    with tenant_scope(acme.tenant.id):
        for model in admin.site._registry:
            if not issubclass(model, TenantModel):
                continue
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            found += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
            found += [
                reverse(f"{name}_{view}", args=[row.pk])
                for row in model.objects.all()[:2]
                for view in ("change", "delete")
            ]
    found += [posting_page(acme, name) for name in ACTIONS]
    found.append(reverse("admin:gusto_payrollrun_replay", args=[acme.run.pk]))
    found += [
        reverse(f"admin:tenants_connection_{name}", args=[acme.erp.pk]) for name in ("test", "credentials", "reference")
    ]
    steps = ("submit", "take_back", "approve", "copy")
    found += [reverse(f"admin:mappings_mappingtable_{name}", args=[acme.draft.pk]) for name in steps]
    found += [reverse(f"admin:mappings_{name}", args=[acme.entity.pk]) for name in ("accept", "choose", "files")]
    found += [reverse("admin:mappings_mappingrule_import"), reverse("admin:mappings_mappingrule_import_errors")]
    found += [reverse("gusto:connect", args=[acme.entity.pk]), reverse("gusto:disconnect", args=[acme.entity.pk])]
    return found


@pytest.mark.parametrize("who", ROLES)
def test_a_get_changes_nothing(acme, signed_in, who):
    client = signed_in(who)
    before = counts(acme)
    for address in every_page(acme):
        response = client.get(address)
        assert response.status_code in {200, 302, 403, 404, 405}, (address, response.status_code)
    assert counts(acme) == before


@pytest.mark.parametrize("who", ROLES)
def test_a_post_without_the_csrf_token_is_refused(acme, request, who):
    client = Client(enforce_csrf_checks=True)
    client.force_login(request.getfixturevalue(who))
    before = counts(acme)
    addresses = [posting_page(acme, name) for name in ACTIONS]
    addresses += [
        reverse("admin:gusto_payrollrun_replay", args=[acme.run.pk]),
        reverse("admin:tenants_connection_test", args=[acme.erp.pk]),
        reverse("admin:tenants_connection_credentials", args=[acme.erp.pk]),
        reverse("admin:tenants_legalentity_change", args=[acme.entity.pk]),
        reverse("admin:switch_tenant"),
        reverse("gusto:connect", args=[acme.entity.pk]),
    ]
    for address in addresses:
        response = client.post(address, {"reason": "because", "tenant": "acme"})
        assert response.status_code == 403, address
        assert "came without the mark of this browser" in response.content.decode()
    assert counts(acme) == before


def test_an_auditor_sees_everything_and_no_button(acme, signed_in):
    client = signed_in("erin")
    for address in every_page(acme):
        response = client.get(address)
        if response.status_code != 200:
            continue
        text = response.content.decode()
        main = text[text.index("<main") :]  # the save buttons of a form stand below it
        # Searching, filtering and verifying ask and change nothing.
        asking = r'<form[^>]*(?:method="get"|id="changelist-search"|id="filter-form"|/verify/").*?</form>'
        assert 'type="submit"' not in re.sub(asking, "", main, flags=re.DOTALL), address
        assert "button-primary" not in main, address


def test_only_an_owner_sees_members_and_changes_connections(acme, signed_in):
    for who, status in (("alice", 200), ("bob", 403), ("dana", 403), ("erin", 403)):
        client = signed_in(who)
        text = client.get(reverse("admin:index")).content.decode()
        assert ">Members<" not in text, "it is a tab of the settings"
        tabs = client.get(reverse("admin:settings")).content.decode()
        assert (">Members<" in tabs) == (status == 200)
        assert client.get(reverse("admin:settings_members")).status_code == status
        assert client.get(reverse("admin:settings_invite")).status_code == (302 if status == 200 else 403)
        page = client.get(reverse("admin:tenants_connection_change", args=[acme.erp.pk])).content.decode()
        assert ("Test connection" in page) == (who == "alice")
        changed = client.post(
            reverse("admin:tenants_legalentity_change", args=[acme.entity.pk]),
            {"name": f"By {who}", "company_code": "x", "currency": "USD", "approval": "automatic"},
        )
        assert changed.status_code == (302 if who == "alice" else 403)
    with tenant_scope(acme.tenant.id):
        assert LegalEntity.objects.get().name == "By alice"


NAVIGATION = {
    "Home", "Payroll runs", "Journals", "Mapping", "Employees", "Legal entities", "Connections", "Main accounts",
    "Audit trail", "Exchanges", "Settings",
}  # fmt: skip


def navigation_of(client: Client) -> dict[str, str]:
    """Title -> address of what the frame offers."""
    page = client.get(reverse("admin:index")).content.decode()
    items = page[page.index('id="nav-sidebar-apps"') : page.index("<main")]
    found = re.findall(r'<a href="([^"]+)"[^>]*><span class="material-symbols-outlined"[^>]*>\w+</span>([^<]+)<', items)
    return {title.strip(): address for address, title in found if address.startswith("/console/")}


@pytest.mark.parametrize("who", ROLES)
def test_each_role_sees_its_navigation_and_each_item_opens(acme, signed_in, who):
    client = signed_in(who)
    found = navigation_of(client)
    assert set(found) - {"Set up"} == NAVIGATION
    assert {client.get(address, follow=True).status_code for address in found.values()} == {200}


def test_a_tenant_keeps_an_owner(acme, alice, bob, signed_in):
    client = signed_in("alice", is_asked_again=True)
    page = reverse("admin:settings_member", args=[alice.memberships.get().pk])
    response = client.post(page, {"roles": ["preparer"]})
    assert "last owner" in response.content.decode()
    removal = reverse("admin:settings_member_remove", args=[alice.memberships.get().pk])
    assert 'aria-disabled="true"' in client.get(removal).content.decode()
    assert client.post(removal).status_code == 409
    other = reverse("admin:settings_member", args=[bob.memberships.get().pk])
    assert client.post(other, {"roles": ["owner", "preparer"]}).status_code == 302
    assert client.post(page, {"roles": ["preparer"]}).status_code == 302
    assert alice.memberships.get().roles == ["preparer"]


def test_a_role_that_does_not_exist_is_refused(acme, bob, signed_in):
    client = signed_in("alice", is_asked_again=True)
    page = reverse("admin:settings_member", args=[bob.memberships.get().pk])
    assert client.post(page, {"roles": ["emperor"]}).status_code == 200
    assert bob.memberships.get().roles == ["preparer"]
