"""Find: what the box leads to, and that it knows one tenant at a time."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from gusto.models import Employee
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.connector_site.books import Books, books

FIND = "/console/search/"


@pytest.fixture
def acme(tenant) -> Books:
    found = books(tenant, "Harbor")
    found.change(document_number="US01-000418", state="posted")
    with tenant_scope(tenant.id):
        Employee.objects.filter(employee_uuid="harbor-ann").update(employee_code="E-4711")
    return found


def main_of(response) -> str:
    page = response.content.decode()
    return page[page.index("<main") : page.index("</main>")]


def text_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main_of(response))))


@pytest.mark.parametrize(
    ("term", "head", "words"),
    [
        ("us01-0004", "Journals", "US01-000418"),
        ("HARBORK", "Journals", "posting key HARBORKEY0001"),
        ("harbor-payroll", "Payroll runs", "Regular payroll, check date 13 Nov 2026"),
        ("13 Nov 2026", "Payroll runs", "Harbor Foods, harbor-payroll"),
        ("2026-11-13", "Payroll runs", "Harbor Foods, harbor-payroll"),
        ("Harbor-R01", "Mapping rules", "Rule Harbor-R01, main account 6000"),
        ("e-4711", "Employees", "Ann of Harbor"),
    ],
)
def test_what_is_typed_leads_to_what_it_names(acme, erin, client, term, head, words):
    client.force_login(erin)
    text = text_of(client.get(FIND, {"q": term}))
    assert f"Found for “{term}”" in text
    assert head in text
    assert words in text


def test_every_result_opens(acme, erin, client):
    client.force_login(erin)
    links = set()
    for term in ("HARBORK", "harbor-payroll", "Harbor-R01", "e-4711"):
        found = re.findall(r'class="strong" href="([^"]+)"', main_of(client.get(FIND, {"q": term})))
        assert found, term
        links |= set(found)
    for link in links:
        assert client.get(html.unescape(link)).status_code == 200, link


def test_nothing_found_says_what_can_be_found(acme, erin, client):
    client.force_login(erin)
    text = text_of(client.get(FIND, {"q": "zebra<script>"}))
    assert "Nothing in Acme Bakery fits." in text
    assert "employees by their number." in text
    assert "Type at least 2 characters." in text_of(client.get(FIND, {"q": "a"}))


def test_charlie_finds_nothing_of_another_tenant_not_even_after_a_switch(acme, charlie, client):
    Membership.objects.create(tenant=acme.tenant, user=charlie, roles=["auditor"])
    client.force_login(charlie)
    terms = ("HARBORK", "harbor-payroll", "Harbor-R01", "e-4711", "13 Nov 2026")
    client.post(reverse("admin:switch_tenant"), {"tenant": "acme"})
    assert all(
        "Found" in (text := text_of(client.get(FIND, {"q": term}))) and "Nothing in" not in text for term in terms
    )
    client.post(reverse("admin:switch_tenant"), {"tenant": "borealis"})
    for term in terms:
        text = text_of(client.get(FIND, {"q": term}))
        assert "Nothing in Borealis Tools fits." in text, term
        assert "Harbor Foods" not in text


def test_who_is_no_member_finds_nothing(acme, django_user_model, client):
    client.force_login(django_user_model.objects.create_superuser("olga", password="a long password"))
    answer = client.get(FIND, {"q": "harbor"}, follow=True)
    assert "HARBORKEY0001" not in answer.content.decode()
    assert answer.request["PATH_INFO"] == reverse("mfa_index")
