"""A credential that is a file, in the console: the .ionapi file of Infor goes in by upload and never comes out."""

from __future__ import annotations

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import AuditEntry
from audit.sandbox import Sandbox, Store
from erp.infor.sandbox import InforSandbox
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.conftest import sign_in

ADD = "/console/tenants/connection/add/infor_m3/"
FIELDS = {"name": "Infor M3", "company": "100", "interface": "PAYROLL"}


@pytest.fixture
def file(tmp_path):
    """The .ionapi file of a sandbox that serves."""
    store = Store(tmp_path / "infor.sqlite3")
    infor = InforSandbox(store)
    server = Sandbox([infor])
    server.start()
    yield infor.ionapi()
    server.stop()
    store.close()


@pytest.fixture
def as_alice(client: Client, alice) -> Client:
    sign_in(client, alice)
    return client


def upload(text: str) -> dict[str, SimpleUploadedFile]:
    return {"ionapi": SimpleUploadedFile("tenant.ionapi", text.encode())}


def text_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def defaults(client: Client) -> dict[str, str]:
    """What the form shows filled in."""
    return {name: field.initial for name, field in client.get(ADD).context["form"].fields.items() if field.initial}


def connection_of(tenant) -> Connection:
    with tenant_scope(tenant.id):
        return Connection.objects.get()


def test_a_file_is_uploaded_kept_and_replaced(tenant, as_alice, file):
    page = as_alice.get(ADD).content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert 'accept=".ionapi,.json,application/json"' in page
    values = {**defaults(as_alice), **FIELDS}
    response = as_alice.post(ADD, {**values, **upload(file)})
    assert response.status_code == 302, text_of(response)
    connection = connection_of(tenant)
    assert connection.stored_fields()["ionapi"] == file
    # On its page, and in the audit trail, there is nothing of it.
    shown = as_alice.get(response["Location"]).content.decode()
    assert "Credentials file (.ionapi)" in shown
    with tenant_scope(tenant.id):
        facts = str([entry.facts for entry in AuditEntry.objects.all()])
    for secret in ("cs", "saak", "sask"):
        assert f'"{secret}"' not in html.unescape(shown)
        assert f'"{secret}"' not in facts
    # A later visit says that there is one, and an empty field keeps it.
    address = f"/console/tenants/connection/{connection.pk}/credentials/"
    assert "Stored. Upload a new one to replace it." in text_of(as_alice.get(address))
    assert as_alice.post(address, {**values, "bulk_size": "60"}).status_code == 302
    kept = connection_of(tenant).stored_fields()
    assert (kept["ionapi"], kept["bulk_size"]) == (file, "60")
    newer = file.replace("ml-connector", "ml-connector 2")
    assert as_alice.post(address, {**values, **upload(newer)}).status_code == 302
    assert connection_of(tenant).stored_fields()["ionapi"] == newer


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "Credentials file (.ionapi) is missing."),
        ("[1, 2]", "This is not an .ionapi file: it is not a JSON object. Download it again from Infor OS"),
        ("x" * 5 * 1024 * 1024, "The file is larger than 64 KB; an .ionapi file has about 1 KB."),
        (
            '{"ti": "ACME_TST"}',
            "The file lacks “ci” (the client id), “cs” (the client secret), “iu” (the ION API address)",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_on_the_page(tenant, as_alice, content, sentence):
    given = {**defaults(as_alice), **FIELDS, **(upload(content) if content else {})}
    response = as_alice.post(ADD, given)
    assert response.status_code == 200
    assert "Nothing was saved." in text_of(response)
    assert sentence in text_of(response)
    with tenant_scope(tenant.id):
        assert not Connection.objects.exists()
