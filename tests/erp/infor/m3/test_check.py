""" "Test connection": one line per thing that posting needs, each failing for its own reason only, with what to do."""

from __future__ import annotations

import json

import pytest

from erp.connector import CheckResult
from tests.erp.infor.m3.conftest import EXECUTE, M3

LINES = ["Sign-in", "Service user", "Division", "Ledger settings", "Interface", "General ledger", "Dimensions"]


def checks(m3: M3, company_code: str = "MIL", **changed: str) -> dict[str, CheckResult]:
    connector = m3.connector(company_code=company_code, is_warm=False, **changed)
    return {result.name: result for result in connector.check()}


def failed(results: dict[str, CheckResult]) -> dict[str, str]:
    return {name: result.sentence for name, result in results.items() if not result.is_passed}


def test_a_connection_that_works_passes_every_line_and_writes_nothing(m3):
    results = checks(m3)
    assert list(results) == LINES
    assert failed(results) == {}
    assert "as user MLCONN (company 100, division MIL)" in results["Service user"].sentence
    assert results["Division"].sentence == "Division MIL is Cobalt Ridge Mi."
    assert "it shows with the first batch" in results["Interface"].sentence
    assert (
        "CostCenter (AIT2), Department (AIT3), Project (AIT4), Business unit (AIT5)" in results["Dimensions"].sentence
    )
    assert m3.batches() == []


def test_a_wrong_secret_stops_at_the_first_line(m3):
    file = {**json.loads(m3.gateway.ionapi()), "cs": "wrong"}
    results = checks(m3, ionapi=json.dumps(file))
    assert list(failed(results)) == list(results) == ["Sign-in"]


def test_an_m3_that_does_not_answer_is_a_line_and_no_error(m3):
    m3.play("html", path=f"{EXECUTE}/MNS150MI", status=503)
    assert list(failed(checks(m3))) == ["Service user"]
    m3.gateway.change_settings(absent_suites="M3")
    assert "The product is not in this tenant" in failed(checks(m3))["Service user"]


def test_before_a_legal_entity_uses_it_the_connection_shows_what_it_sees(m3):
    results = checks(m3, company_code="")
    assert failed(results) == {}
    assert list(results) == [name for name in LINES if name != "Ledger settings"]
    assert "divisions of company 100: CAN, HAU, MIL, NEW, OLD." in results["Division"].sentence


@pytest.mark.parametrize(
    ("changed", "line", "words"),
    [
        ({"company_code": "XXX"}, "Division", "M3 shows no division XXX of company 100"),
        ({"company_code": "NEW"}, "Ledger settings", "no settings of the general ledger (CRS750) of division NEW"),
    ],
)
def test_a_company_code_that_does_not_fit_says_what_to_do(m3, changed, line, words):
    assert words in failed(checks(m3, **changed))[line]


def test_a_company_that_the_user_may_not_work_in_is_named(m3):
    m3.set(denied_companies="100")
    found = failed(checks(m3))
    assert list(found) == ["Service user"]
    assert "Not authorized for company 100" in found["Service user"]


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("MNS100MI", "Division"),
        ("CRS750MI", "Ledger settings"),
        ("MRS001MI", "Interface"),
        ("EXPORTMI", "General ledger"),
    ],
)
def test_a_right_that_is_missing_fails_its_own_line(m3, program, line):
    m3.set(denied_programs=program)
    found = failed(checks(m3))
    assert list(found) == [line]
    assert f"the right to {program}" in found[line]


def test_a_release_without_field_based_lines_is_named(m3):
    m3.set(absent_transactions="GLS840MI.AddBatchLineFld")
    assert "need M3 Cloud Edition" in failed(checks(m3))["Interface"]


@pytest.mark.parametrize(
    ("submit_mode", "checks_batch", "missing"),
    [("update", "yes", "CtrlBatch, UpdBatch"), ("update", "no", "UpdBatch"), ("stage_only", "no", "")],
)
def test_only_transactions_that_are_used_have_to_be_there(m3, submit_mode, checks_batch, missing):
    m3.set(absent_transactions="GLS840MI.CtrlBatch GLS840MI.UpdBatch")
    found = failed(checks(m3, submit_mode=submit_mode, checks_batch=checks_batch))
    assert found.get("Interface", "").startswith(
        f"GLS840MI of this M3 has no transaction {missing}." if missing else ""
    )
    assert bool(found) == bool(missing)


@pytest.mark.parametrize(("value", "is_fine"), [("0", False), ("1", True), ("2", True), ("3", False)])
def test_crs750_has_to_check_transactions(own_m3, value, is_fine):
    with own_m3.system.store.transaction():
        own_m3.system.set_up.set_settings("MIL", {"CHEC": value})
    found = failed(checks(own_m3))
    assert list(found) == ([] if is_fine else ["Ledger settings"])
    if not is_fine:
        assert "Set it to 1 or 2." in found["Ledger settings"]


def test_columns_that_are_not_found_can_be_entered(m3):
    found = failed(checks(m3, columns="FGLINF.LINE=ZZLINE"))
    assert found == {}, "columns are taken as entered"
    m3.set(absent_transactions="EXPORTMI.LstFields")
    assert "EXPORTMI" in failed(checks(m3))["General ledger"]
