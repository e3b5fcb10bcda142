"""Every behaviour that the sheet wants a simulator of M3 to play, played by the sandbox over HTTP.

What a client makes of it is tested with the connector; here only what it gets to see, and what the far side then holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.erp.infor.m3.mi import COMPANY, KEY, LINES, serving

#: Ids of the scenarios that are played below; a contract test compares them with the sheet's.
PLAYED: set[str] = set()
UPDATE = "GLS840MI/UpdBatch"
STAGE = "GLS840MI/AddBatchHead"
FIND = f"count(*) from FGLEDX where EGDIVI = 'MIL' and EGGEXN = 1 and EGGEXI = '{KEY}'"


def plays(*ids: str) -> Callable[[Any], Any]:
    PLAYED.update(ids)
    return lambda function: function


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("m3")) as found:
        yield found


@pytest.fixture
def mi(served):
    served.frame.faults.clear()
    served.gateway.reset()
    return served


def find(mi) -> str:
    (count,) = mi.select(FIND)
    return count


@plays("happy")
def test_a_batch_is_staged_updated_and_seen_after_two_looks(mi):
    mi.m3.change_settings(update_polls=2)
    assert mi.stage()["nrOfFailedTransactions"] == 0
    assert mi.batch("UpdBatch") == {"transaction": "UpdBatch", "records": [{"CONO": COMPANY}]}
    assert [find(mi) for _ in range(4)] == ["0", "0", "3", "3"]
    (journal,) = {line.split(";")[0] for line in mi.select("EGJRNO,EGJSNO from FGLEDX where EGDIVI = 'MIL'")}
    rows = mi.select(f"EGVONO,EGVSER,EGCUAM from FGLEDG where EGDIVI = 'MIL' and EGYEA4 = 2026 and EGJRNO = {journal}")
    assert rows == ["10000001;PR;8200.00", "10000001;PR;627.30", "10000001;PR;-8827.30"]


@plays("lag")
def test_a_batch_is_on_its_way_for_as_long_as_it_likes(mi):
    mi.m3.change_settings(updates_by_itself=False)
    mi.stage()
    mi.batch("UpdBatch")
    assert [find(mi) for _ in range(5)] == ["0"] * 5
    assert mi.vouchers() == []
    mi.m3.update_ledger()
    assert find(mi) == "3"


@plays("never")
def test_a_job_fails_without_a_word(mi):
    mi.stage()
    mi.play("silent_failure", path=UPDATE)
    assert mi.batch("UpdBatch")["records"] == [{"CONO": COMPANY}]
    assert find(mi) == "0"
    assert mi.select("CRSTAT,CRCUAM from FCR040") == ["8;8200.00", "8;627.30", "8;-8827.30"]
    assert mi.m3.ledger_state()["jobs"][0]["state"] == "failed"
    # A setting does the same to all.
    mi.m3.change_settings(update_fails=True)
    mi.batch("UpdBatch")
    assert find(mi) == "0"


@plays("partial")
def test_one_line_is_refused_and_the_others_are_kept(mi):
    mi.play("refused_transaction", path=STAGE, body={"place": 3, "code": "CPF9898", "field": "AIT1"})
    answer = mi.stage()
    assert [result.get("errorCode", "") for result in answer["results"]] == ["", "", "CPF9898", ""]
    assert mi.staged() == ["1", "3"]


@plays("stopped")
def test_nothing_is_done_behind_a_refused_line(mi):
    mi.m3.change_settings(bulk_stops_on_error=True)
    mi.play("refused_transaction", path=STAGE, body={"place": 3})
    answer = mi.stage()
    assert [result.get("notProcessed", False) for result in answer["results"]] == [False, False, False, True]
    assert answer["wasTerminated"] is True
    assert answer["nrOfNotProcessedTransactions"] == 1
    assert mi.staged() == ["1"]


@plays("dup_head")
def test_a_head_that_is_there(mi):
    mi.stage()
    first = mi.stage()["results"][0]
    assert (first["errorCode"], first["errorField"]) == ("XRE0104", "KEY1")
    mi.m3.change_settings(duplicate_head="accept")
    assert "errorCode" not in mi.stage()["results"][0]
    assert len(mi.m3.ledger_state()["batches"]) == 1


@plays("timeout_stage")
def test_the_gateway_gives_up_after_half_of_the_lines(mi):
    mi.play("half_done", path=STAGE)
    answer = mi.bulk("GLS840MI", [mi.head(), *mi.lines()])
    assert (answer.status_code, answer.content) == (504, b"")
    assert mi.staged() == ["1"]
    assert mi.select(f"FELINE,FECUAM from FGLINF where FEDIVI = 'MIL' and FEKEY1 = '{KEY}'") == ["1;8200.00"]
    assert mi.select(f"FHKEY1,FHINTN from FGLINH where FHDIVI = 'MIL' and FHKEY1 = '{KEY}'") == [f"{KEY};PAYROLL"]


@plays("timeout_update")
def test_the_gateway_gives_up_and_the_update_goes_through(mi):
    mi.stage()
    mi.play("status_after", path=UPDATE, status=504)
    record = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY}
    assert mi.bulk("GLS840MI", [("UpdBatch", record)]).status_code == 504
    assert find(mi) == "3"
    assert len(mi.vouchers()) == 1


@plays("timeout_update_lost")
def test_the_gateway_gives_up_and_nothing_is_updated(mi):
    mi.stage()
    mi.play("status", path=UPDATE, status=504)
    record = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY}
    assert mi.bulk("GLS840MI", [("UpdBatch", record)]).status_code == 504
    assert find(mi) == "0"
    assert mi.vouchers() == []


@plays("429_then_ok")
def test_two_requests_are_throttled(mi):
    mi.play("status", path=STAGE, status=429, times=2)
    statuses = [mi.bulk("GLS840MI", [mi.head(), *mi.lines()]).status_code for _ in range(3)]
    assert statuses == [429, 429, 200]
    assert mi.staged() == ["1", "2", "3"]


@plays("401_mid")
def test_a_token_ends_between_two_requests(mi):
    mi.stage()
    mi.play("expired_token", path=UPDATE)
    record = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY}
    assert mi.bulk("GLS840MI", [("UpdBatch", record)]).status_code == 401
    assert mi.m3.ledger_state()["jobs"] == []
    mi.token = ""
    assert mi.batch("UpdBatch")["records"]


@plays("400_business", "padded_message")
def test_an_error_of_m3_at_the_top_with_status_400(mi):
    mi.stage()
    mi.m3.change_settings(error_transport="top", message_form="with_code")
    answer = mi.bulk("GLS840MI", [("CtrlBatch", {"CONO": COMPANY, "DIVI": "MIL", "KEY1": "N0TH1NG"})])
    assert answer.status_code == 400
    said = answer.json()
    assert (said["errorCode"], said["errorField"]) == ("XRE0103", "KEY1")
    assert said["errorMessage"].startswith("Record does not exist   ")
    assert said["errorMessage"].rstrip().endswith("XRE0103KEY1")
    assert len(said["errorMessage"]) == 132
    # In a bulk it ends the answer, and what ran before is done.
    mi.m3.reset_ledger()
    answer = mi.bulk("GLS840MI", [mi.head(), mi.head(), *mi.lines()])
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "XRE0104")
    assert mi.staged() == []
    assert len(mi.m3.ledger_state()["batches"]) == 1


@plays("html_500")
def test_a_page_of_a_proxy(mi):
    mi.play("html", path=STAGE, status=500)
    answer = mi.bulk("GLS840MI", [mi.head()])
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html")
    assert mi.m3.ledger_state()["batches"] == []


@plays("string_bools")
def test_a_boolean_as_a_text(mi):
    mi.m3.change_settings(booleans_as_text=True)
    assert mi.stage()["wasTerminated"] == "false"


@plays("localized")
def test_a_message_in_the_language_of_the_user(mi):
    mi.m3.change_settings(language="DE")
    mi.stage()
    result = mi.stage()["results"][0]
    assert (result["errorCode"], result["errorMessage"].strip()) == ("XRE0104", "Datensatz ist bereits vorhanden")
    answer = mi.bulk("GLS840MI", [mi.head()], lanc="GB")
    assert answer.json()["results"][0]["errorMessage"].strip() == "Record already exists"


@plays("count_mismatch")
def test_fewer_results_than_transactions(mi):
    mi.play("results_missing", path=STAGE, status=2)
    assert len(mi.stage()["results"]) == 2
    assert mi.staged() == ["1", "2", "3"]


@plays("no_fld")
def test_a_release_without_lines_by_field(mi):
    mi.m3.change_settings(absent_transactions="GLS840MI.AddBatchLineFld")
    answer = mi.bulk("GLS840MI", [mi.head(), *mi.lines()])
    assert (answer.status_code, answer.json()["terminationErrorType"]) == (400, "TransactionNotFound")
    names = [row["TRNM"] for row in mi.records("MRS001MI", "LstTransactions", MINM="GLS840MI")]
    assert names == ["AddBatchHead", "AddBatchLine", "CtrlBatch", "UpdBatch"]
    assert mi.m3.ledger_state()["batches"] == []


@plays("closed_division_date")
def test_a_date_when_the_division_is_not_active(mi):
    dates = mi.records("MNS100MI", "GetActiveDates", CONO=COMPANY, DIVI="OLD")
    assert dates[0]["LADT"] < "20261113"
    mi.bulk("GLS840MI", [mi.head(DIVI="OLD"), *mi.lines(DIVI="OLD")], divi="OLD")
    result = mi.batch("CtrlBatch", DIVI="OLD")
    assert (result["errorCode"], result["errorField"]) == ("WACDT01", "ACDT")


@plays("blocked_account")
@pytest.mark.parametrize(
    ("account", "field", "value"), [("6090", "LCCD", "1"), ("6095", "VTDT", "20260504"), ("6096", "VFDT", "20270608")]
)
def test_an_account_that_may_not_be_used(mi, account, field, value):
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM=account)
    assert row[field] == value
    mi.stage([(account, "100", "1.00"), ("2110", "", "-1.00")])
    result = mi.batch("CtrlBatch")
    assert (result["errorCode"], result["errorField"]) == ("WAIT101", "AIT1")
    assert result["errorMessage"].strip() == f"Accounting dimension 1 {account} is invalid"


@plays("comma_user")
def test_an_amount_by_position_has_the_mark_of_the_user(mi):
    mi.m3.change_settings(decimal_mark=",")
    assert mi.records("MNS150MI", "GetUserData")[0]["DCFM"] == ","

    def parm(account: str, amount: str) -> str:
        cells = [("P1", 2), ("1", 6), ("MIL", 3), (account, 10), ("", 30), ("USD", 3)]
        text = "".join(f"{value:<{width}}" for value, width in cells)
        return f"{text}{amount:>17}20261113{'Wages':<40}{KEY:<45}"

    for mark, code in ((".", "XNU0000"), (",", "")):
        mi.m3.reset_ledger()
        lines = [("2110", f"100{mark}50"), ("2120", f"-100{mark}50")]
        staged = [
            ("AddBatchLine", {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY, "LINE": str(number), "PARM": parm(*line)})
            for number, line in enumerate(lines, start=1)
        ]
        answer = mi.bulk("GLS840MI", [mi.head(INTN="PAYROLLPOS"), *staged]).json()
        assert answer["nrOfFailedTransactions"] == 0
        assert mi.batch("CtrlBatch").get("errorCode", "") == code
    mi.batch("UpdBatch")
    assert find(mi) == "2"
    assert str(mi.vouchers()[0]["debit"]) == "100.50"


@plays("truncated_list")
def test_a_list_is_cut_without_a_word(mi):
    for number in range(200):
        mi.m3.set_up.set_identity({"DIVI": "MIL", "AITP": "4", "AITM": f"X{number:03d}", "TX40": "More"})
    there = len(mi.m3.set_up.identities("MIL", "4"))
    asked = {"AITP": "4", "DIVI": "MIL"}
    cut = mi.get("CRS630MI", "LstAccountID", **asked).json()
    assert (len(cut["results"][0]["records"]), cut["wasTerminated"]) == (100, False)
    assert len(mi.records("CRS630MI", "LstAccountID", **asked)) == there == 202
    # The next page begins at the last key.
    last = cut["results"][0]["records"][-1]["AITM"]
    further = mi.records("CRS630MI", "LstAccountID", **asked, AITM=last)
    assert (further[0]["AITM"], len(further)) == (last, there - 99)
    # A site that heeds no number at all, and one with a ceiling.
    mi.m3.change_settings(maxrecs_from="nowhere")
    assert len(mi.records("CRS630MI", "LstAccountID", **asked)) == 100
    mi.m3.change_settings(maxrecs_from="both", maxrecs_ceiling=150)
    assert len(mi.records("CRS630MI", "LstAccountID", **asked)) == 150


def test_the_lines_of_these_tests_add_up():
    assert sum(round(float(amount) * 100) for _, _, amount in LINES) == 0
