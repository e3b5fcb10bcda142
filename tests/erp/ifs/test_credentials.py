"""The fields of a connection: what they take, what they refuse, and that the docs page names each."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.exchange import Misconfigured
from erp.connector import connector_class
from erp.ifs.connector import IfsConnector
from erp.ifs.fields import fields_of
from tenants.credentials import problems_of

DOCS = Path(__file__).resolve().parents[3] / "docs" / "connect-ifs-cloud.md"


def test_the_list_of_connectors_leads_here():
    assert connector_class("ifs") is IfsConnector


@pytest.mark.parametrize("source", ["none", "projection", "quick_report"])
def test_the_sandbox_fits(cloud, source):
    cloud.search_by(source)
    assert problems_of("ifs", cloud.credentials(), is_on_premises=False, sandbox_allowed=True) == {}


def test_every_example_fits_its_own_form():
    values = {field.name: field.example or "secret" for field in IfsConnector.credential_fields}
    assert problems_of("ifs", values, is_on_premises=False, sandbox_allowed=True) == {}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"address": "http://acme.ifs.cloud"}, "address"),
        ({"address": "acme.ifs.cloud"}, "address"),
        ({"iam_address": "http://acme.ifs.cloud"}, "iam_address"),
        ({"token_address": "ftp://acme.ifs.cloud"}, "token_address"),
        ({"realm": "../master"}, "realm"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"user_group": ""}, "user_group"),
        ({"user_group": "A B"}, "user_group"),
        ({"voucher_type": "LONG"}, "voucher_type"),
        ({"voucher_type": "G; 20=P"}, "voucher_type"),
        ({"path_prefix": "main/../int"}, "path_prefix"),
        ({"function_group": "I"}, "function_group"),
        ({"voucher_status": "Cancelled"}, "voucher_status"),
        ({"code_parts": "CostCenter=A"}, "code_parts"),
        ({"companies": "10;20"}, "companies"),
        ({"ledger_source": "https://evil.example.com/x"}, "ledger_source"),
        ({"ledger_source": "../X.svc/Y"}, "ledger_source"),
        ({"uses_batch": "true"}, "uses_batch"),
        ({"changeset_size": "0"}, "changeset_size"),
        ({"page_size": "5"}, "page_size"),
        ({"names": "VoucherRowSet"}, "names"),
        ({"names": "VoucherRowsAnalysis.VoucherRowSet=../X"}, "names"),
        ({"reference_series": "GUSTO'"}, "reference_series"),
        ({"scope": "openid  x"}, "scope"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused(cloud, changed, name):
    values = cloud.credentials(**changed)
    assert list(problems_of("ifs", values, is_on_premises=False, sandbox_allowed=True)) == [name]


def test_only_the_secret_is_secret():
    assert [field.name for field in IfsConnector.credential_fields if field.is_secret] == ["client_secret"]


def test_companies_may_have_a_user_group_and_a_voucher_type_of_their_own(cloud):
    fields = fields_of(cloud.credentials(user_group="AC, US20 = PR", voucher_type="US20=G,US10=P"))
    assert (fields.user_group("US10"), fields.user_group("US20")) == ("AC", "PR")
    assert (fields.voucher_type("US10"), fields.voucher_type("US20")) == ("P", "G")
    with pytest.raises(Misconfigured, match="no voucher type for company CA30"):
        fields.voucher_type("CA30")


def test_a_code_part_has_one_name(cloud):
    assert fields_of(cloud.credentials(code_parts="CostCenter=B, Department = C")).code_parts == {
        "CostCenter": "B",
        "Department": "C",
    }
    with pytest.raises(Misconfigured, match="two names"):
        fields_of(cloud.credentials(code_parts="CostCenter=B, Department=B"))


def test_the_docs_name_every_field():
    text = DOCS.read_text(encoding="utf-8")
    for field in IfsConnector.credential_fields:
        assert f"| {field.label} |" in text, field.label
