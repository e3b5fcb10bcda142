"""The operator's site: who enters, what it tells of a tenant and what it never does, and that a change is written down."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import work
from audit.models import AuditEntry, WorkItem
from connector_site.operator_pages import age
from gusto.models import GustoApplication, PayrollRun, WebhookEvent
from tenants.models import Connection, LegalEntity, Membership, User, installation_tenant
from tenants.scope import tenant_scope
from tests.conftest import sign_in
from tests.connector_site.books import SECRET, TOKEN, Books, books

PAGES = ("tenants_tenant", "gusto_gustoapplication", "gusto_webhookevent", "audit_workitem")
CLIENT_SECRET = "gusto-secret-that-nobody-may-see"


@pytest.fixture
def acme(tenant) -> Books:
    return books(tenant, "Harbor")


@pytest.fixture
def olga(db) -> User:
    return User.objects.create_superuser("olga", "olga@example.com", "a long password")


@pytest.fixture
def application(db) -> GustoApplication:
    return GustoApplication.objects.create(client_id="our-client", client_secret=CLIENT_SECRET)


@pytest.fixture
def as_olga(olga, client) -> Client:
    """Signed in with the password a moment ago, with a second factor."""
    sign_in(client, olga)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={})
    return client


def text_of(response) -> str:
    page = response.content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def test_without_a_second_factor_the_operator_is_led_to_set_one_up(olga, client):
    page = client.get("/operator/", follow=True)
    assert page.request["PATH_INFO"] == "/account/login/"
    sign_in(client, olga)
    for name in PAGES:
        page = client.get(reverse(f"operator:{name}_changelist"), follow=True)
        assert page.request["PATH_INFO"] == reverse("mfa_index")
        assert "The operator's pages open with a second factor alone." in html.unescape(page.content.decode())


def test_after_the_sign_in_the_operator_is_on_the_list_of_tenants(acme, as_olga):
    page = as_olga.get("/console/", follow=True)
    assert page.request["PATH_INFO"] == reverse("operator:tenants_tenant_changelist")
    text = page.content.decode()
    assert "Notices from Gusto" in text
    assert "Payroll runs" not in text


def test_a_tenant_is_told_by_ages_and_counts(acme, other_tenant, as_olga):
    with tenant_scope(acme.tenant.id):
        PayrollRun.objects.filter(pk=acme.run.pk).update(announced_at=timezone.now() - timedelta(days=3, hours=1))
        Connection.objects.filter(pk=acme.erp.pk).update(health="broken", health_sentence="The secret of Harbor ended.")
        LegalEntity.objects.update(is_live=True)
    work.enqueue("erp.post", "1", tenant_id=acme.tenant.id, due_at=timezone.now() - timedelta(hours=2, minutes=5))
    text = text_of(as_olga.get(reverse("operator:tenants_tenant_changelist")))
    assert re.search(r"Acme Bakery \d+ \w+ \d{4} check_circle Live 3 days 1 2 hours", text), text
    assert re.search(r"Borealis Tools \d+ \w+ \d{4} checklist Setting up none none none", text), text
    acme.change(state="posted")
    assert "Live none 1" in text_of(as_olga.get(reverse("operator:tenants_tenant_changelist")))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "under a minute"), (60, "1 minute"), (7100, "1 hour"), (90_000, "1 day"), (864_000, "10 days")],
)
def test_an_age_is_one_number_and_its_word(seconds, words):
    assert age(timezone.now() - timedelta(seconds=seconds)) == words


def test_no_page_names_people_amounts_or_secrets(acme, as_olga, application):
    work.enqueue("erp.post", str(acme.posting.pk), tenant_id=acme.tenant.id)
    sentence = "The payroll of Harbor waits."
    WorkItem.objects.update(sentence=sentence)
    WebhookEvent.objects.create(
        event_uuid="e1", event_type="payroll.processed", resource_uuid="harbor-company", sent_at=timezone.now()
    )
    addresses = [reverse(f"operator:{name}_changelist") for name in PAGES]
    addresses.append(reverse("operator:audit_workitem_change", args=[WorkItem.objects.get().pk]))
    addresses += [reverse("operator:gusto_gustoapplication_change", args=[application.pk]), reverse("operator:trail")]
    for address in addresses:
        page = as_olga.get(address)
        assert page.status_code == 200, address
        text = page.content.decode()
        for hidden in (SECRET, TOKEN, CLIENT_SECRET, "30,000.00", "30000.00", "Ann of", "Harbor Foods", sentence):
            assert hidden not in text, (address, hidden)


def test_what_the_operator_changes_is_written_into_the_trail_of_the_installation(as_olga, application):
    page = reverse("operator:gusto_gustoapplication_change", args=[application.pk])
    form = {
        "name": "Gusto", "client_id": "another-client", "api_url": application.api_url, "authorize_url": "", "token_url": "",
        "api_version": application.api_version, "is_active": "on", "new_client_secret": "a new secret",
        "subscriptions-TOTAL_FORMS": "0", "subscriptions-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert as_olga.post(page, form).status_code == 302
    application.refresh_from_db()
    assert (application.client_id, application.client_secret) == ("another-client", "a new secret")
    with tenant_scope(installation_tenant().pk):
        entry = AuditEntry.objects.get(action="gusto_application.changed")
    assert entry.actor == "olga"
    assert entry.facts["before"] == {"client_id": "our-client"}
    assert entry.facts["after"] == {"client_id": "another-client"}
    assert "a new secret" not in str(entry.facts)
    text = text_of(as_olga.get(reverse("operator:trail")))
    assert "olga The application Gusto at Gusto was changed: client id, client secret." in text


def test_the_application_is_changed_only_by_somebody_who_confirmed_who_they_are(olga, application, client):
    client.force_login(olga)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={})
    page = reverse("operator:gusto_gustoapplication_change", args=[application.pk])
    for method in (client.get, client.post):
        answer = method(page, {"client_id": "stolen"})
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("account_reauthenticate"))
    application.refresh_from_db()
    assert application.client_id == "our-client"


def test_an_operator_who_is_also_a_member_keeps_the_two_apart(acme, olga, as_olga):
    Membership.objects.create(tenant=acme.tenant, user=olga, roles=["auditor"])
    console = as_olga.get("/console/").content.decode()
    assert "Harbor Foods" in console
    assert "Work queue" not in console
    assert not [
        model for model in admin.site._registry if model._meta.model_name in {"tenant", "gustoapplication", "workitem"}
    ]
    text = as_olga.get(reverse("operator:tenants_tenant_changelist")).content.decode()
    assert "Work queue" in text
    assert "Harbor Foods" not in text
