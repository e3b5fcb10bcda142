"""M3 REST of the sandbox rule by rule: what a request must look like, contexts, lists, and all forms of an error."""

from __future__ import annotations

import json
import time

import pytest

from tests.erp.infor.m3.mi import COMPANY, KEY, serving

ACCOUNTS = {"AITP": "1", "DIVI": "MIL"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("m3")) as found:
        yield found


@pytest.fixture
def mi(served):
    served.frame.faults.clear()
    served.m3.reset_ledger()
    served.m3.change_settings(**type(served.m3.settings)().as_dict())
    return served


def body(transactions=(), **changed):
    """Of a bulk; None takes a name away."""
    found = {"program": "GLS840MI", "cono": 100, "divi": "MIL", **changed, "transactions": list(transactions)}
    return {name: value for name, value in found.items() if value is not None}


# What a request must look like


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"program": None}, "The body must name program and transactions"),
        ({"colour": "red"}, "nothing that is unknown"),
        ({"cono": "100"}, "cono is of another type"),
        ({"cono": True}, "cono is of another type"),
        ({"excludeEmptyValues": "true"}, "excludeEmptyValues is of another type"),
        ({"transactions": [{"transaction": "AddBatchHead", "record": {"CONO": 100}}]}, "A record holds texts"),
        ({"transactions": [{"record": {}}]}, "A record holds texts"),
        (
            {"transactions": [{"transaction": "X", "colour": 1}]},
            "A transaction has transaction, record and selectedColumns",
        ),
        ({"dateFormat": "MDY6"}, "Dates are served as YMD8 only"),
    ],
)
def test_a_bulk_that_is_none(mi, changed, reason):
    answer = mi.post(body(**changed))
    assert answer.status_code == 400
    assert reason in answer.json()["terminationReason"]
    assert answer.json()["wasTerminated"] is True


def test_nothing_stands_behind_the_transactions(mi):
    given = {"program": "GLS840MI", "transactions": [], "cono": 100}
    assert "must come last" in mi.post(given).json()["terminationReason"]


def test_a_bulk_of_nothing_is_answered_with_nothing(mi):
    assert mi.post(body()).json()["results"] == []


def test_methods_addresses_and_types(mi):
    one = f"{mi.address}/MNS150MI/GetUserData"
    assert mi.session.post(one, headers=mi.headers(), json={}, timeout=10).status_code == 405
    assert mi.session.get(mi.address, headers=mi.headers(), timeout=10).status_code == 405
    assert mi.session.get(f"{mi.address}/MNS150MI", headers=mi.headers(), timeout=10).status_code == 404
    assert mi.session.post(mi.address, headers=mi.headers(), data=b"{}", timeout=10).status_code == 415
    broken = {**mi.headers(), "Content-Type": "application/json"}
    assert mi.session.post(mi.address, headers=broken, data=b"{", timeout=10).status_code == 400
    assert mi.post(body(), returncols="CONO").status_code == 400
    assert mi.get("MNS150MI", "GetUserData", speed="1").status_code == 400


def test_matrix_parameters_as_one_client_sends_them(mi):
    address = f"{mi.address}/CRS630MI/LstAccountID;metadata=false;maxrecs=7;excludempty=true;cono=100;divi=MIL;returncols=AITM,TX40"
    rows = mi.session.get(address, params=ACCOUNTS, headers=mi.headers(), timeout=10).json()["results"][0]["records"]
    assert len(rows) == 7
    assert set(rows[0]) == {"AITM", "TX40"}


@pytest.mark.parametrize(
    ("record", "kind", "reason"),
    [
        ({"KEY1": ""}, "MandatoryInputFieldNotFound", "Mandatory input field KEY1 not found"),
        ({"KEY1": "X" * 16}, "InputFieldTooLong", "Input field KEY1 is too long"),
        ({"COLOUR": "red"}, "InputFieldNotFound", "Input field COLOUR not found in AddBatchHead"),
    ],
)
@pytest.mark.parametrize("way", ["terminate", "result"])
def test_a_record_that_does_not_fit_its_definition(mi, record, kind, reason, way):
    mi.m3.change_settings(definition_errors=way)
    wrong = ("AddBatchHead", {**mi.head()[1], **record})
    answer = mi.bulk("GLS840MI", [mi.head(), wrong])
    if way == "terminate":
        # Nothing has run.
        assert answer.status_code == 400
        said = (answer.json()["terminationErrorType"], answer.json()["terminationReason"])
        assert answer.json()["nrOfNotProcessedTransactions"] == 2
        assert mi.m3.ledger_state()["batches"] == []
    else:
        result = answer.json()["results"][1]
        said = (result["errorType"], result["errorMessage"])
        assert len(mi.m3.ledger_state()["batches"]) == 1
    assert said == (kind, reason)


def test_unknown_programs_transactions_and_columns(mi):
    for program, transaction in (("XYZ100MI", "Get"), ("GLS840MI", "DltBatch")):
        answer = mi.get(program, transaction)
        assert (answer.status_code, answer.json()["terminationErrorType"]) == (400, "TransactionNotFound")
    answer = mi.get("CRS630MI", "LstAccountID", **ACCOUNTS, returncols="AITM,COLOUR")
    assert "Output field COLOUR not found" in answer.json()["terminationReason"]


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"CUAM": "1,00"}, "XNU0000", "CUAM"),
        ({"CUAM": "1.00-"}, "XNU0000", "CUAM"),
        ({"LINE": "one"}, "XNU0000", "LINE"),
        ({"ACDT": "2026-1-3"}, "XDT0001", "ACDT"),
        ({"ACDT": "20260230"}, "XDT0001", "ACDT"),
        ({"SHDT": "13112026"}, "XDT0001", "SHDT"),
    ],
)
def test_numbers_and_dates_have_one_form(mi, changed, code, field):
    mi.bulk("GLS840MI", [mi.head()])
    answer = mi.bulk("GLS840MI", mi.lines([("6000", "", "1.00")], **changed))
    result = answer.json()["results"][0]
    assert (result["errorCode"], result["errorField"], result["errorType"]) == (code, field, "ServerReturnedNOK")


# Contexts


def test_a_request_without_company_and_division_is_the_users(mi):
    mi.post(
        {"program": "GLS840MI", "transactions": [{"transaction": "AddBatchHead", "record": {**mi.head(DIVI="")[1]}}]}
    )
    (batch,) = mi.m3.ledger_state()["batches"]
    assert batch["key"] == f"100/MIL/{KEY}"


def test_a_company_that_is_not_the_users(mi):
    assert mi.code("MNS150MI", "GetUserData", cono="200") == ("XAU0008", "CONO")
    assert mi.code("MNS100MI", "LstDivisions", CONO="200") == ("XAU0008", "CONO")
    mi.m3.change_settings(denied_companies="100")
    assert mi.code("MNS150MI", "GetUserData") == ("XAU0008", "CONO")


def test_a_program_that_the_user_may_not_run(mi):
    mi.m3.change_settings(denied_programs="EXPORTMI")
    answer = mi.get("EXPORTMI", "LstFields", FILE="FGLEDX")
    result = answer.json()["results"][0]
    assert (answer.status_code, result["errorCode"]) == (200, "CPF9898")
    assert mi.records("AUTCHKMI", "ChkAuthority", APGM="EXPORTMI")[0]["ALPG"] == "0"
    assert mi.records("AUTCHKMI", "ChkAuthority", APGM="GLS840")[0]["ALPG"] == "1"


# Answers


def test_blanks_are_shown_left_out_or_padded(mi):
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM="6000")
    assert (row["AICL"], row["CUCD"], row["VTCD"], row["AT13"]) == ("6", "", "0", "0")
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM="6000", excludeempty="true")
    assert "CUCD" not in row
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM="6000", righttrim="false")
    assert row["AITM"] == "6000      "


def test_a_blank_number_is_a_zero_or_nothing(mi):
    mi.m3.change_settings(numeric_blank="")
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM="6000")
    assert (row["VTCD"], row["LCCD"]) == ("", "0")


def test_a_list_of_nothing_is_no_records_or_an_error(mi):
    asked = {"AITP": "7", "DIVI": "MIL"}
    assert mi.records("CRS630MI", "LstAccountID", **asked) == []
    mi.m3.change_settings(empty_list="error")
    assert mi.code("CRS630MI", "LstAccountID", **asked) == ("XRE0103", "AITP")


def test_parameters_are_echoed_where_asked_for(mi):
    answer = mi.get("CRS630MI", "GetAccountID", AITP="1", AITM="6000", extendedresult="true")
    assert answer.json()["results"][0]["parameters"] == {"AITP": "1", "AITM": "6000"}


def test_how_many_records_a_bulk_gives(mi):
    def count(**context) -> int:
        query = {"maxrecs": context.pop("maxrecs")} if "maxrecs" in context else {}
        listed = [{"transaction": "LstAccountID", "record": {"AITP": "2"}, "selectedColumns": ["AITM"]}]
        given = body(listed, program="CRS630MI", **context)
        return len(mi.post(given, **query).json()["results"][0]["records"])

    assert count(maxReturnedRecords=5) == 5
    assert count(maxrecs="6", maxReturnedRecords=5) == 6
    assert count(maxReturnedRecords=0) == 93
    mi.m3.change_settings(maxrecs_from="query", maxrecs_default=3)
    assert count(maxReturnedRecords=5) == 3
    assert count(maxrecs="6") == 6
    mi.m3.change_settings(maxrecs_from="body")
    assert count(maxrecs="6", maxReturnedRecords=5) == 5


def test_records_may_come_before_an_error(mi):
    mi.play("list_breaks", path="LstAccountID", status=5)
    (result,) = mi.get("CRS630MI", "LstAccountID", **ACCOUNTS).json()["results"]
    assert len(result["records"]) == 5
    assert (result["errorCode"], result["errorField"]) == ("CPF9898", "RETT")


def test_a_message_may_be_a_bare_code(mi):
    mi.m3.change_settings(message_form="bare_code")
    (result,) = mi.get("CRS630MI", "GetAccountID", AITP="1", AITM="NONE").json()["results"]
    assert result["errorMessage"] == "XRE0103"


def test_a_bulk_that_takes_longer_than_the_gateway_waits_is_done_all_the_same(mi):
    mi.m3.change_settings(transaction_milliseconds=30, gateway_seconds=0.1)
    began = time.monotonic()
    answer = mi.bulk("GLS840MI", [mi.head(), *mi.lines()])
    assert answer.status_code == 504
    assert 0.1 <= time.monotonic() - began < 2
    assert mi.staged() == ["1", "2", "3"]
    assert mi.bulk("GLS840MI", mi.lines()[:2]).status_code == 200


def test_a_bulk_may_have_a_limit(mi):
    mi.m3.change_settings(bulk_max=3)
    assert mi.bulk("GLS840MI", [mi.head(), *mi.lines()]).status_code == 400
    assert mi.m3.ledger_state()["batches"] == []


def test_what_faults_see_of_a_request(mi):
    mi.stage()
    mi.select("count(*) from FGLEDX where EGDIVI = 'MIL'")
    mi.records("MNS150MI", "GetUserData")
    deadline = time.monotonic() + 5
    while len(mi.frame.log) < 3 or "GetUserData" not in mi.frame.log[-1]["about"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    execute = "/COBALT_TST/M3/m3api-rest/v2/execute"
    assert [entry["about"] for entry in mi.frame.log[-3:]] == [
        f"{execute}/GLS840MI/AddBatchHead,AddBatchLineFld",
        f"{execute}/EXPORTMI/Select/FGLEDX",
        f"{execute}/MNS150MI/GetUserData",
    ]


def test_the_gateway_stands_before_it(mi):
    address = f"{mi.address}/MNS150MI/GetUserData"
    assert mi.session.get(address, timeout=10).status_code == 401
    assert mi.session.get(address, headers=mi.headers(), timeout=10).status_code == 200
    assert mi.session.get(address.replace("/v2/", "/v9/"), headers=mi.headers(), timeout=10).status_code == 404


@pytest.mark.parametrize(
    "values", [{"speed": 1}, {"duplicate_head": "maybe"}, {"update_polls": "2"}, {"update_polls": -1}]
)
def test_a_setting_that_cannot_be(mi, values):
    answer = mi.control("POST", "settings", values)
    assert answer.status_code == 422
    assert json.loads(answer.text)["error"]


def test_settings_survive_a_restart(tmp_path):
    with serving(tmp_path) as first:
        first.m3.change_settings(update_polls=3, update_seconds=0.5)
        first.stage()
    with serving(tmp_path) as second:
        assert (second.m3.settings.update_polls, second.m3.settings.update_seconds) == (3, 0.5)
        assert second.staged() == ["1", "2", "3"]
        assert second.records("MNS095MI", "Lst")[0]["CONO"] == COMPANY
