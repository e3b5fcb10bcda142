"""The fields of a connection: what they take, what they refuse, and that the docs page names each."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from audit.exchange import Misconfigured
from erp.connector import connector_class
from erp.infor.m3.connector import M3Connector
from erp.infor.m3.fields import fields_of
from tenants.credentials import problems_of

DOCS = Path(__file__).resolve().parents[4] / "docs" / "connect-infor-m3.md"


def test_the_list_of_connectors_leads_here():
    assert connector_class("infor_m3") is M3Connector


def test_the_sandbox_fits(m3):
    assert problems_of("infor_m3", m3.credentials(), is_on_premises=False, sandbox_allowed=True) == {}


def test_every_example_fits_its_own_form(m3):
    values = {field.name: field.example or field.default for field in M3Connector.credential_fields}
    values["ionapi"] = m3.gateway.ionapi()
    assert problems_of("infor_m3", values, is_on_premises=False, sandbox_allowed=True) == {}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ionapi": "{}"}, "ionapi"),
        ({"company": ""}, "company"),
        ({"company": "0"}, "company"),
        ({"company": "1000"}, "company"),
        ({"interface": ""}, "interface"),
        ({"interface": "A NAME THAT IS TOO LONG"}, "interface"),
        ({"record_identity": "I11"}, "record_identity"),
        ({"submit_mode": "post"}, "submit_mode"),
        ({"checks_batch": "true"}, "checks_batch"),
        ({"bulk_size": "0"}, "bulk_size"),
        ({"bulk_size": "1000"}, "bulk_size"),
        ({"group_number": "1 2"}, "group_number"),
        ({"transaction_origin": "12"}, "transaction_origin"),
        ({"information_number": "0"}, "information_number"),
        ({"amounts": "minus"}, "amounts"),
        ({"rate_type": "123"}, "rate_type"),
        ({"dimensions": "CostCenter=AIT1"}, "dimensions"),
        ({"dimensions": "CostCenter"}, "dimensions"),
        ({"mandatory_codes": "yes"}, "mandatory_codes"),
        ({"closed_until": "2026-02-30"}, "closed_until"),
        ({"closed_until": "yesterday"}, "closed_until"),
        ({"divisions": "USA'"}, "divisions"),
        ({"export_division": "both"}, "export_division"),
        ({"page_size": "5"}, "page_size"),
        ({"posting_hours": "0"}, "posting_hours"),
        ({"columns": "FGLINF.LINE"}, "columns"),
        ({"columns": "FGLINF.LINE=FF LINE"}, "columns"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused(m3, changed, name):
    values = m3.credentials(**changed)
    assert list(problems_of("infor_m3", values, is_on_premises=False, sandbox_allowed=True)) == [name]


def test_only_the_file_is_secret():
    assert [field.name for field in M3Connector.credential_fields if field.is_secret] == ["ionapi"]


def test_fields_are_taken_apart(m3):
    fields = fields_of(
        m3.credentials(
            dimensions="Cost center = AIT2, Project=AIT3", columns="FGLINF.LINE = FFLINE", divisions="MIL , HAU",
            mandatory_codes="1, 2", blocked_codes="9", closed_until="2026-06-30", group_number="none",
        )
    )  # fmt: skip
    assert fields.dimensions == {"Cost center": "AIT2", "Project": "AIT3"}
    assert fields.columns == {"FGLINF.LINE": "FFLINE"}
    assert (fields.divisions, fields.mandatory_codes, fields.blocked_codes) == ({"MIL", "HAU"}, {"1", "2"}, {"9"})
    assert (fields.closed_until, fields.group_number) == (date(2026, 6, 30), "")


def test_a_dimension_has_one_name(m3):
    with pytest.raises(Misconfigured, match="one dimension two names"):
        fields_of(m3.credentials(dimensions="CostCenter=AIT2, Team=AIT2"))


def test_the_docs_page_names_every_field():
    page = DOCS.read_text()
    for field in M3Connector.credential_fields:
        assert field.label in page, field.label
