"""The fields of a connection: what they take, what they refuse, and that the docs page names each."""

from __future__ import annotations

from pathlib import Path

import pytest

from erp.connector import connector_class
from erp.d365.connector import D365Connector
from tenants.credentials import declare, problems_of

DOCS = Path(__file__).resolve().parents[3] / "docs" / "connect-dynamics-365.md"


@pytest.fixture(autouse=True)
def declared():
    declare("d365", D365Connector.label, D365Connector.credential_fields)


def test_the_list_of_connectors_leads_here():
    assert connector_class("d365") is D365Connector


def test_the_sandbox_fits(dynamics):
    assert problems_of("d365", dynamics.credentials(), is_on_premises=False, sandbox_allowed=True) == {}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"environment": "http://contoso.operations.dynamics.com"}, "environment"),
        ({"authority": "login.microsoftonline.com"}, "authority"),
        ({"directory_id": "../other"}, "directory_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"journal_name": "longer than ten"}, "journal_name"),
        ({"journal_name": " GenJrn"}, "journal_name"),
        ({"changeset_size": "0"}, "changeset_size"),
        ({"changeset_size": "5001"}, "changeset_size"),
        ({"companies": "usmf;demf"}, "companies"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused(dynamics, changed, name):
    values = dynamics.credentials(**changed)
    assert list(problems_of("d365", values, is_on_premises=False, sandbox_allowed=True)) == [name]


def test_only_the_secret_is_secret():
    assert [field.name for field in D365Connector.credential_fields if field.is_secret] == ["client_secret"]


def test_the_docs_name_every_field():
    text = DOCS.read_text(encoding="utf-8")
    for field in D365Connector.credential_fields:
        assert f"| {field.label} |" in text, field.label
