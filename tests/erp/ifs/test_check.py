""" "Test connection": one line per thing that posting needs, each failing for its own reason only; names that differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.exchange import Misconfigured, TemporaryFailure
from erp.connector import CheckResult
from erp.ifs.metadata import differences, read_model
from erp.ifs.names import (
    CREATE,
    ENTRY,
    HELD_ROW,
    LEDGER_ROW,
    LEDGER_VOUCHER,
    REMOVE,
    ROW,
    VALIDATE,
    VOUCHER,
    Names,
    changed_names,
)
from tests.erp.ifs.conftest import LEDGER_SOURCES, Cloud, Kept, payroll

LINES = ["Sign-in", "IFS Cloud", "Rights", "Names", "Company", "User group", "Voucher type", "General ledger"]


def checks(cloud: Cloud, company_code: str = "US10", **changed: str) -> dict[str, CheckResult]:
    connector = cloud.connector(company_code=company_code, is_warm=False, **changed)
    return {result.name: result for result in connector.check()}


def failed(results: dict[str, CheckResult]) -> dict[str, str]:
    return {name: result.sentence for name, result in results.items() if not result.is_passed}


def test_a_connection_that_works_passes_every_line(cloud):
    results = checks(cloud)
    assert list(results) == LINES
    assert failed(results) == {}
    assert results["Company"].sentence == "Company US10 is Cobalt Ridge Mills Inc and keeps its books in USD."
    assert "User group AC is Accountants" in results["User group"].sentence
    assert "Voucher type P (Payroll)" in results["Voucher type"].sentence
    assert "a person has to look" in results["General ledger"].sentence


def test_a_wrong_secret_stops_at_the_first_line(cloud):
    results = checks(cloud, client_secret="wrong")
    assert list(failed(results)) == list(results) == ["Sign-in"]


def test_a_valid_token_from_before_does_not_hide_a_new_problem(cloud):
    assert failed(checks(cloud)) == {}
    cloud.system.change_settings(client_enabled=False)
    assert list(failed(checks(cloud))) == ["Sign-in"]


def test_an_ifs_cloud_that_does_not_answer_is_a_line_and_no_error(cloud):
    cloud.play("html", path="CompanySet", status=503)
    assert list(failed(checks(cloud))) == ["IFS Cloud"]
    cloud.play("html", path="CompanySet", status=200)
    assert "Check the IFS Cloud address" in failed(checks(cloud))["IFS Cloud"]


@pytest.mark.parametrize("status", [403, 404])
def test_projections_that_are_not_granted_are_all_named(cloud, status):
    cloud.system.change_settings(
        denied_projections="AccountsHandling VoucherRowsAnalysis CurrencyCodesHandling", ungranted_status=status
    )
    found = failed(checks(cloud))
    assert list(found) == ["Rights"]
    assert "AccountsHandling" in found["Rights"]
    assert "VoucherRowsAnalysis" in found["Rights"]
    assert "CurrencyCodesHandling" not in found["Rights"]


@pytest.mark.parametrize(
    ("changed", "line", "words"),
    [
        ({"company_code": "US99"}, "Company", "IFS shows no company US99"),
        ({"company_code": "US90"}, "Company", "it is empty"),
        ({"user_group": "NOSUCH"}, "User group", "has no user group NOSUCH"),
        ({"voucher_type": "QQ"}, "Voucher type", "has no voucher type QQ"),
        ({"voucher_type": "S"}, "Voucher type", "simulation"),
        ({"voucher_type": "US20=P"}, "Set-up", "names no voucher type for company US10"),
    ],
)
def test_a_setting_that_does_not_fit_says_what_to_do(cloud, changed, line, words):
    assert words in failed(checks(cloud, **changed))[line]


def test_an_approval_in_ifs_is_only_a_remark(cloud):
    for voucher_type, words in (("W", "approval workflow"), ("U", "Another user has to approve")):
        result = checks(cloud, voucher_type=voucher_type)["Voucher type"]
        assert result.is_passed
        assert words in result.sentence


def test_before_a_legal_entity_uses_it_the_connection_shows_what_it_sees(cloud):
    results = checks(cloud, company_code="")
    assert failed(results) == {}
    assert "CA30, MX40, US10, US20, US90" in results["Company"].sentence


def test_a_user_without_companies_is_told(own_cloud):
    for code in ("US10", "US20", "CA30", "MX40", "US90"):
        own_cloud.system.reference.set_rights(code, is_allowed=False)
    assert "sees no company" in failed(checks(own_cloud, company_code=""))["Company"]


@pytest.mark.parametrize("source", LEDGER_SOURCES)
def test_a_search_in_the_ledger_is_tried(cloud, source):
    cloud.search_by(source)
    assert "answers" in checks(cloud)["General ledger"].sentence
    cloud.system.change_settings(ledger_source="none")
    assert "search in the general ledger" in failed(checks(cloud))["Set-up"]


# Names


def test_names_that_differ_are_shown_with_what_to_change(cloud):
    names = (
        "VoucherRowsAnalysis.VoucherRowSet.DebetAmount=DebitAmount, VoucherTypeHandling.VoucherTypes=VoucherTypeSet, "
        "VoucherEntryAssistantHandling.VoucherEntry_CreateVoucher=VoucherEntry_Create"
    )
    found = failed(checks(cloud, names=names))
    assert list(found) == ["Names"]
    assert "add “VoucherRowsAnalysis.VoucherRowSet.DebetAmount=DebetAmount” to “Other names”" in found["Names"]
    assert "add “VoucherTypeHandling.VoucherTypes=VoucherTypes”" in found["Names"]
    assert "has no action VoucherEntry_Create" in found["Names"]


def test_a_projection_of_another_name_is_asked_for_by_it(cloud):
    found = failed(checks(cloud, names="VoucherRowsAnalysis=VoucherRowsAnalysis2"))
    assert "VoucherRowsAnalysis2" in found["Rights"]


def test_a_name_that_is_not_used_is_refused(cloud):
    with pytest.raises(Misconfigured, match="replaces VoucherSet, which is no name that is used"):
        cloud.connector(is_warm=False, names="VoucherSet=Vouchers")


def test_other_names_reach_the_wire_and_come_back(cloud):
    """The sandbox has the usual names only, so a release that differs is played by naming other fields of the same kind."""
    names = changed_names(
        "VoucherRowsAnalysis.VoucherRowSet.ReferenceSerie=Text,\nVoucherRowsAnalysis.VoucherRowSet = Rows "
    )
    assert names == {
        "VoucherRowsAnalysis.VoucherRowSet.ReferenceSerie": "Text",
        "VoucherRowsAnalysis.VoucherRowSet": "Rows",
    }
    known = Names(names)
    assert known.set(HELD_ROW) == "Rows"
    assert known.equals(HELD_ROW, Company="US10", ReferenceSerie="G'") == "Company eq 'US10' and Text eq 'G'''"
    assert known.row(HELD_ROW, {"Text": "GUSTO", "RowNo": 1}) == {"ReferenceSerie": "GUSTO", "RowNo": 1}
    assert known.body(HELD_ROW, {"ReferenceSerie": "GUSTO"}) == {"Text": "GUSTO"}
    journal = payroll(4)
    lines = tuple(line for line in journal.lines)
    found = cloud.connector(names="VoucherEntryAssistantHandling.VoucherSet.VoucherText2=TextId")
    found.post_journal(journal, Kept().progress())
    (voucher,) = cloud.vouchers()
    assert voucher["VoucherText2"] is None
    assert len(voucher["rows"]) == len(lines)


@pytest.mark.contract
def test_the_published_models_have_every_name_that_is_used(shared: Path) -> None:
    folder = shared / "reference/ifs-cloud/samples"
    entry = read_model((folder / f"metadata-{ENTRY}.xml").read_bytes())
    assert differences(Names({}), entry, [VOUCHER, ROW], [CREATE, REMOVE, VALIDATE]) == []
    rows = read_model((folder / "metadata-VoucherRowsAnalysis.xml").read_bytes())
    assert differences(Names({}), rows, [HELD_ROW], []) == []
    # The reduced sample leaves the way into the ledger out, which is no reason not to post.
    missing = differences(Names({}), entry, [LEDGER_VOUCHER, LEDGER_ROW], [])
    assert [difference.is_needed for difference in missing] == [False, False]


MODEL = b"""<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="IfsApp.P" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Base"><Property Name="Company" Type="Edm.String"/></EntityType>
<EntityType Name="Row" BaseType="IfsApp.P.Base"><Property Name="VoucherType" Type="Edm.String"/></EntityType>
<EntityContainer Name="P"><EntitySet Name="VoucherRowSet" EntityType="IfsApp.P.Row"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def test_fields_of_a_base_type_count() -> None:
    found = [difference.sentence for difference in differences(Names({}), read_model(MODEL), [HELD_ROW], [])]
    assert not any("field Company" in sentence or "field VoucherType" in sentence for sentence in found)
    assert any("field DebetAmount" in sentence for sentence in found)


@pytest.mark.parametrize("document", [b"<edmx", b"", b'<!DOCTYPE x [<!ENTITY a "b">]><edmx>&a;</edmx>'])
def test_what_is_no_model_is_refused(document: bytes) -> None:
    with pytest.raises(TemporaryFailure):
        read_model(document)
