"""Charlie of another tenant finds nothing of Acme's: on no list, no page, no export, no API, and no address with its ids
(invariant I7). What belongs to Acme carries the mark "Harbor" in every name and id.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from erp.journal_pages import ACTIONS
from tenants.models import ApiToken, Invitation, Membership
from tenants.scope import TenantModel, tenant_scope
from tests.conftest import sign_in
from tests.connector_site.books import Books, books

MARKS = ("harbor", "Harbor", "HARBOR")

#: Models whose pages belong to a tenant, and the operator's.
TENANT_MODELS = [model for model in admin.site._registry if issubclass(model, TenantModel)]
OPERATOR_PAGES = ["tenants_tenant", "gusto_gustoapplication", "gusto_webhookevent", "audit_workitem"]


def page(model, name: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.fixture
def acme(tenant, alice) -> Books:
    return books(tenant, "Harbor")


@pytest.fixture
def borealis(other_tenant) -> Books:
    return books(other_tenant, "Polar")


@pytest.fixture
def as_charlie(client: Client, charlie) -> Client:
    sign_in(client, charlie)
    return client


def assert_clean(response) -> None:
    text = response.content.decode()
    assert not [mark for mark in MARKS if mark in text], response.request["PATH_INFO"]
    assert "Acme" not in text


def test_the_pages_of_a_tenant_are_known():
    """A new page of a tenant's rows has to come under the tests below by itself: this says that it does."""
    assert {model._meta.label for model in TENANT_MODELS} >= {
        "gusto.PayrollRun", "erp.Posting", "tenants.Connection", "tenants.LegalEntity", "mappings.MappingTable",
        "mappings.MappingRule", "mappings.Crosswalk", "mappings.MainAccount", "audit.AuditEntry", "audit.Exchange",
    }  # fmt: skip


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_a_list_shows_only_the_own_tenant(model, acme, borealis, as_charlie):
    response = as_charlie.get(page(model, "changelist"), follow=True)
    assert response.status_code == 200
    assert_clean(response)
    with tenant_scope(borealis.tenant.id):
        assert model.objects.exists(), "the test shows nothing where there is nothing to show"
    # The search words come back in the page; what was found does not.
    found = as_charlie.get(page(model, "changelist"), {"q": "Harbor"}).content.decode()
    assert 'id="result_list"' not in found or not admin.site._registry[model].search_fields


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_a_page_of_another_tenant_is_not_there(model, acme, borealis, as_charlie):
    with tenant_scope(acme.tenant.id):
        foreign = list(model.objects.values_list("pk", flat=True)[:3])
    assert foreign
    for pk in foreign:
        for name in ("change", "delete", "history"):
            response = as_charlie.get(page(model, name, pk))
            assert response.status_code in {403, 404}, (name, response.status_code)
            assert_clean(response)
        assert as_charlie.post(page(model, "change", pk), {"name": "taken"}).status_code in {403, 404}


def foreign_addresses(acme: Books) -> Iterator[str]:
    for name in ACTIONS:
        yield reverse(f"admin:erp_posting_{name}", args=[acme.posting.pk])
    yield reverse("admin:erp_posting_people", args=[acme.posting.pk, 1])
    yield reverse("admin:gusto_payrollrun_replay", args=[acme.run.pk])
    for name in ("test", "credentials", "reference"):
        yield reverse(f"admin:tenants_connection_{name}", args=[acme.erp.pk])
    for name in ("submit", "take_back", "approve", "copy"):
        yield reverse(f"admin:mappings_mappingtable_{name}", args=[acme.draft.pk])
    for name in ("coverage", "accept", "choose", "files", "template", "compare"):
        yield reverse(f"admin:mappings_{name}", args=[acme.entity.pk])
    yield reverse("admin:mappings_mappingtable_export", args=[acme.table.pk, "mapping", "csv"])
    yield reverse("gusto:connect", args=[acme.entity.pk])
    yield reverse("gusto:disconnect", args=[acme.entity.pk])


def test_no_action_reaches_another_tenant(acme, borealis, as_charlie):
    for address in foreign_addresses(acme):
        for response in (
            as_charlie.get(address),
            as_charlie.post(address, {"reason": "because", "valid_from": "2026-01-01"}),
        ):
            assert response.status_code in {403, 404, 405}, (address, response.status_code)
            assert_clean(response)
    assert acme.again().state == "allocated"
    with tenant_scope(acme.tenant.id):
        assert acme.entity.mapping_tables.count() == 2


def test_home_and_the_frame_show_only_the_own_tenant(acme, borealis, as_charlie):
    response = as_charlie.get("/console/")
    assert_clean(response)
    assert "Polar Foods" in response.content.decode()


def test_a_form_does_not_take_a_row_of_another_tenant(acme, borealis, as_charlie):
    """Charlie's legal entity may not be given Acme's connection."""
    values = {
        "name": "Polar Foods",
        "erp_connection": acme.erp.pk,
        "company_code": "x",
        "currency": "USD",
        "approval": "person",
    }
    response = as_charlie.post(page(type(acme.entity), "change", borealis.entity.pk), values)
    assert response.status_code == 200
    assert "not one of the available choices" in response.content.decode()


def test_members_of_another_tenant_are_not_there(acme, borealis, alice, as_charlie):
    membership = Membership.objects.get(user=alice)
    token = ApiToken.objects.create(membership=membership, name="Report", digest="x")
    invitation = Invitation.objects.create(
        tenant=acme.tenant,
        email="new@example.com",
        roles=["owner"],
        digest="x",
        expires_at=timezone.now() + timedelta(1),
    )
    for name, key in (
        ("settings_member", membership.pk),
        ("settings_member_remove", membership.pk),
        ("settings_token_revoke", token.pk),
        ("settings_invitation_withdraw", invitation.pk),
    ):
        for method in (as_charlie.get, as_charlie.post):
            assert method(reverse(f"admin:{name}", args=[key]), {"roles": ["auditor"]}).status_code == 404, name
    assert "Report" not in as_charlie.get(reverse("admin:settings_tokens")).content.decode()
    text = as_charlie.get(reverse("admin:settings_members")).content.decode()
    assert "new@example.com" not in text
    assert "alice" not in text
    assert "charlie" in text


def test_the_operators_pages_are_not_for_members(acme, as_charlie):
    for name in OPERATOR_PAGES:
        page = as_charlie.get(reverse(f"operator:{name}_changelist"), follow=True)
        assert page.status_code == 403
        assert "who does not run this installation" in page.content.decode()


def test_a_switch_leads_only_to_own_tenants(acme, borealis, charlie, as_charlie):
    as_charlie.post(reverse("admin:switch_tenant"), {"tenant": "acme"})
    assert_clean(as_charlie.get("/console/"))
    Membership.objects.create(tenant=acme.tenant, user=charlie, roles=["auditor"])
    assert as_charlie.get(reverse("admin:switch_tenant")).status_code == 405
    as_charlie.post(reverse("admin:switch_tenant"), {"tenant": "acme"})
    text = as_charlie.get("/console/").content.decode()
    assert "Harbor Foods" in text
    assert "Polar Foods" not in text
    # The rights are those of the chosen tenant, not the sum of both.
    assert as_charlie.get(reverse("admin:settings_members")).status_code == 403


def test_whoever_lost_the_membership_is_out_at_once(acme, borealis, charlie, as_charlie):
    Membership.objects.filter(user=charlie).delete()
    response = as_charlie.get("/console/")
    assert response.status_code == 302
    assert "/login/" in response["Location"]
