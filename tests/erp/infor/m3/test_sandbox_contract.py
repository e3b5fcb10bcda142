"""The M3 sandbox held against the vendor's facts: definitions of transactions, samples of answers, message codes.

Samples are made of a tenant of their own; here its codes are put into the sandbox's set-up, and what travels is compared:
keys, forms, codes, lengths.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from erp.infor.m3.sandbox_messages import MESSAGE_LENGTH, TEXTS
from erp.infor.m3.sandbox_rest import BODY_TYPES, BULK_QUERY_NAMES, QUERY_NAMES
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_tables import COLUMNS, tables
from erp.infor.m3.sandbox_transactions import programs
from tests.conftest import SHARED
from tests.erp.infor.m3.mi import serving
from tests.erp.infor.m3.test_sandbox_scenarios import PLAYED

FOLDER = SHARED / "reference" / "infor-m3"
pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not FOLDER.exists(), reason="the vendors' files are not here"),
]


def read(path: str) -> Any:
    return json.loads((FOLDER / path).read_text(encoding="utf-8"))


def sample(name: str) -> Any:
    return read(f"samples/{name}.json")


@pytest.fixture
def mi(tmp_path):
    with serving(tmp_path) as found:
        # The sample's tenant: one division USA with its own accounts, and its interface.
        set_up = found.m3.set_up
        for dimension, codes in (("1", ("6000", "6010", "2200", "2210")), ("2", ("110", "210"))):
            for code in codes:
                set_up.set_identity({"DIVI": "MIL", "AITP": dimension, "AITM": code, "TX40": "Sample"})
        yield found


def as_ours(document: Any) -> Any:
    """A sample's codes in those of the sandbox."""
    text = json.dumps(document)
    for theirs, ours in (('"USA"', '"MIL"'), ("'USA'", "'MIL'"), (";USA;", ";MIL;"), ("PRELJOURNAL", "PAYROLL")):
        text = text.replace(theirs, ours)
    return json.loads(text)


def forms(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of results must agree: everything but the texts of messages, which are M3's own."""
    return [
        {name: len(value) if name == "errorMessage" else value for name, value in result.items()} for result in results
    ]


def assert_same(answer: requests.Response, expected: dict[str, Any]) -> None:
    body = answer.json()
    assert answer.status_code == expected["status"]
    assert forms(body["results"]) == forms(expected["body"]["results"])
    said = {name: value for name, value in body.items() if name not in {"results", "terminationReason"}}
    known = {name: value for name, value in expected["body"].items() if name not in {"results", "terminationReason"}}
    assert {**said, **known} == said


def test_every_transaction_is_the_vendors():
    """Every input with its type, length and whether it is required; of outputs those that the sandbox gives."""
    compared = 0
    for program, transactions in programs().items():
        there = read(f"transactions/{program}.json")["transactions"]
        for name, ours in transactions.items():
            theirs = {each["f"]: each for each in there[name]["in"]}
            assert list(ours.inputs) == list(theirs), (program, name)
            for field in ours.inputs.values():
                each = theirs[field.name]
                assert (field.length, field.is_required) == (each["len"], bool(each["req"])), (program, name, field)
                assert field.kind == (each["t"] or "A"), (program, name, field)
            outputs = {each["f"]: each for each in there[name]["out"]}
            for field in ours.outputs.values():
                each = outputs[field.name]
                assert (field.length, field.kind) == (each["len"], each["t"] or "A"), (program, name, field)
            compared += 1
    assert compared == sum(len(transactions) for transactions in programs().values()) > 30


def test_requests_are_taken_as_the_contract_says():
    contract = read("rest-v2-contract.json")
    assert set(contract["bulk"]["body"]) == set(BODY_TYPES)
    assert set(contract["bulk"]["query_allowed"]) == BULK_QUERY_NAMES
    assert set(contract["single"]["query"]) - {"{FIELD}"} <= set(QUERY_NAMES)


def test_answers_have_only_keys_of_the_contract(mi):
    schema = read("rest-v2-contract.json")["response_schema"]
    mi.m3.change_settings(bulk_stops_on_error=True)
    answer = mi.bulk("GLS840MI", [mi.head(), mi.head(), mi.head()]).json()
    assert set(answer) <= set(schema)
    assert {name for result in answer["results"] for name in result} <= set(schema["results"][0])
    kinds = set(read("rest-v2-contract.json")["errorType_values_seen"])
    assert {result["errorType"] for result in answer["results"] if "errorType" in result} <= kinds


def test_tables_have_the_columns_that_were_seen():
    known = read("tables.json")
    for name in ("FGLEDG", "FGLEDX", "FGLINH", "FGLINL"):
        ours = tables(M3Settings())[name].columns
        assert set(known[name]["index00"]) <= set(ours)
        keys = list(ours)[: len(known[name]["index00"])]
        assert keys == known[name]["index00"]
        assert all(column.startswith(known[name]["prefix"]) for column in ours)
    assert set(known["FGLEDX"]["cols"]) <= set(tables(M3Settings())["FGLEDX"].columns)
    assert set(known["FGLEDG"]["cols"]) <= set(tables(M3Settings())["FGLEDG"].columns)
    assert {"FGLINF", "FCR040"} < set(COLUMNS)


def test_generic_messages_are_m3s():
    codes = read("message-codes.json")["codes"]
    for code in TEXTS:
        if len(code) == 7:
            texts = [codes[code]["text"], *codes[code].get("alt", [])]
            assert code == "CPF9898" or TEXTS[code]["GB"] in texts


def test_a_bulk_is_answered_as_sampled(mi):
    request = as_ours(sample("bulk-stage-request"))["body"]
    assert_same(mi.post(request), sample("bulk-stage-response-ok"))
    assert_same(mi.post(request), sample("bulk-stage-response-duplicate"))


@pytest.mark.parametrize(("stops", "name"), [(False, "partial-continue"), (True, "stopped")])
def test_a_bulk_goes_on_or_stops_as_sampled(mi, stops, name):
    mi.m3.change_settings(bulk_stops_on_error=stops)
    request = as_ours(sample("bulk-stage-request"))["body"]
    request["transactions"][3]["record"]["CUAM"] = "4.100,00"
    answer = mi.post(request)
    assert_same(answer, sample(f"bulk-stage-response-{name}"))
    if stops:
        assert answer.json()["terminationReason"] == sample("bulk-stage-response-stopped")["body"]["terminationReason"]


def test_an_update_is_answered_and_found_as_sampled(mi):
    mi.post(as_ours(sample("bulk-stage-request"))["body"])
    assert_same(mi.post(as_ours(sample("bulk-update-request"))["body"]), sample("bulk-update-response-ok"))
    expected = as_ours(sample("exportmi-select-by-reference"))
    record = expected["request"]["record"]
    mi.m3.change_settings(user_division="")
    answer = mi.bulk("EXPORTMI", [("Select", record)], divi="")
    (journal,) = {voucher["JRNO"] for voucher in mi.vouchers()}
    lines = [row["REPL"].replace(";4711;", f";{journal};") for row in expected["body"]["results"][0]["records"]]
    assert [row["REPL"] for row in answer.json()["results"][0]["records"]] == lines
    voucher = as_ours(sample("gls200mi-lstvoucherlines"))
    number = mi.vouchers()[0]["VONO"]
    rows = mi.records("GLS200MI", "LstVoucherLines", DIVI="MIL", YEA4="2026", VONO=number)
    own = {"JRNO", "VONO", "VSER", "RGDT", "RGTM"}
    for ours, theirs in zip(rows, voucher["body"]["results"][0]["records"], strict=True):
        assert {name: ours[name] for name in theirs if name not in own} == {
            name: value for name, value in theirs.items() if name not in own
        }


def test_no_row_is_answered_as_sampled(mi):
    record = as_ours(sample("exportmi-select-by-reference"))["request"]["record"]
    mi.m3.change_settings(user_division="")
    assert_same(mi.bulk("EXPORTMI", [("Select", record)], divi=""), sample("exportmi-select-empty"))


def test_fields_of_a_table_as_sampled(mi):
    expected = sample("exportmi-lstfields")["body"]["results"][0]["records"]
    rows = {row["FLDN"]: row for row in mi.records("EXPORTMI", "LstFields", FILE="FGLEDX")}
    assert [rows[row["FLDN"]] for row in expected] == expected


def test_one_transaction_as_sampled(mi):
    expected = sample("v2-get-ok")
    query = {**expected["request"]["query"], "DIVI": "MIL"}
    answer = mi.get("CRS630MI", "GetAccountID", **query)
    (ours,) = answer.json()["results"][0]["records"]
    (theirs,) = expected["body"]["results"][0]["records"]
    assert set(theirs) <= set(ours)
    rest = {name: value for name, value in answer.json().items() if name != "results"}
    assert rest == {name: value for name, value in expected["body"].items() if name != "results"}
    assert_same(mi.get("CRS630MI", "GetAccountID", AITP="1", AITM="0815", DIVI="MIL"), sample("v2-get-not-found-200"))


def test_an_error_at_the_top_as_sampled(mi):
    mi.m3.change_settings(error_transport="top", message_form="with_code")
    expected = sample("v2-get-not-found-400")
    answer = mi.get("CRS630MI", "GetAccountID", AITP="1", AITM="0815", DIVI="MIL")
    assert answer.status_code == expected["status"]
    assert answer.json() == expected["body"]
    assert len(answer.json()["errorMessage"]) == MESSAGE_LENGTH


def test_what_does_not_fit_a_definition_as_sampled(mi):
    answer = mi.bulk("GLS840MI", [("CtrlBatch", {"CONO": "100"})])
    expected = sample("v2-400-terminated")
    assert (answer.status_code, answer.json()) == (expected["status"], expected["body"])
    mi.m3.change_settings(absent_transactions="GLS840MI.AddBatchLineFld")
    answer = mi.bulk("GLS840MI", [mi.head(), *mi.lines()])
    expected = sample("v2-unknown-transaction")
    assert answer.status_code == expected["status"]
    assert {**answer.json(), **expected["body"]} == answer.json()


def test_not_authorized_as_sampled(mi):
    mi.m3.change_settings(denied_companies="100")
    expected = sample("v2-not-authorized")
    assert_same(mi.bulk("GLS840MI", [mi.head()]), expected)
    said = mi.bulk("GLS840MI", [mi.head()]).json()["results"][0]["errorMessage"]
    assert said == expected["body"]["results"][0]["errorMessage"]


def test_every_scenario_of_the_sheet_is_played():
    assert {scenario["id"] for scenario in read("sim-scenarios.json")["scenarios"]} == PLAYED
