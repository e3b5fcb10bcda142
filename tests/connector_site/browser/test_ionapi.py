"""Uploading a credential in a real browser: what is chosen is shown, and nothing else on the page changes."""

from __future__ import annotations

import pytest

from audit.sandbox import Sandbox, Store
from erp.infor.sandbox import InforSandbox
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.connector_site.browser.conftest import PHONE

pytestmark = pytest.mark.browser


def test_an_ionapi_file_is_chosen_and_uploaded(chromium, transactional_db, tenant, live_server, sign_in, tmp_path):
    store = Store(tmp_path / "infor.sqlite3")
    infor = InforSandbox(store)
    server = Sandbox([infor])
    server.start()
    (tmp_path / "acme.ionapi").write_text(infor.ionapi())
    member(tenant, "olga", "owner")
    page = sign_in("olga")
    page.goto("/console/tenants/connection/add/infor_m3/")
    page.locator("input[type=file]").set_input_files(tmp_path / "acme.ionapi")
    assert page.get_by_label("Name", exact=False).first.input_value() == "Infor M3"
    assert page.get_by_label("Choose file to upload").input_value() == "acme.ionapi"
    page.get_by_label("Company", exact=False).first.fill("100")
    page.get_by_label("Interface", exact=False).first.fill("PAYROLL")
    page.get_by_role("button", name="Save and test").click()
    page.get_by_role("heading", name="Infor M3").wait_for()
    with tenant_scope(tenant.id):
        assert Connection.objects.get().stored_fields()["ionapi"] == infor.ionapi()
    page.goto(page.url.replace("/change/", "/credentials/"))
    assert page.get_by_text("Stored. Upload a new one to replace it.").is_visible()
    # A long address in a hint does not push the form out of a phone.
    page.set_viewport_size(PHONE)
    (outer,) = page.locator("section.box").evaluate_all("all => all.map(each => each.getBoundingClientRect().right)")
    fields = page.locator(".field-row input").evaluate_all("all => all.map(each => each.getBoundingClientRect().right)")
    assert max(fields) <= outer
    server.stop()
    store.close()
