"""GLS840 and the jobs behind it, rule by rule: staging, checking, updating, and what the ledger then holds."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.erp.infor.m3.mi import COMPANY, KEY, LINES, PAY_DAY, serving

EXPENSE = ("2110", "", "-1.00")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("m3")) as found:
        yield found


@pytest.fixture
def mi(served):
    """Empty books and the settings of the beginning; what a test changes of the set-up it names itself."""
    served.frame.faults.clear()
    served.m3.reset_ledger()
    served.m3.change_settings(**type(served.m3.settings)().as_dict())
    return served


@pytest.fixture
def rules(mi):
    """The GL settings of a division, put back afterwards."""
    yield lambda **values: mi.m3.set_up.set_settings("MIL", values)
    mi.m3.set_up.set_settings("MIL", {"CHEC": "1", "DCNY": "0"})


def codes(answer) -> list[str]:
    return [result.get("errorCode", "") for result in answer.json()["results"]]


# Staging


def test_staging_looks_at_nothing(mi):
    answer = mi.stage([("NOSUCH", "NOSUCH", "1.00"), ("6090", "", "99999999999999.99")], ACDT="19000101", INRI="X9")
    assert answer["nrOfFailedTransactions"] == 0
    assert mi.staged() == ["1", "2"]


@pytest.mark.parametrize(("changed", "code"), [({"INTN": "NOSUCH"}, "WINTN03"), ({"DIVI": "ZZZ"}, "WDIVI03")])
def test_a_head_names_what_there_is(mi, changed, code):
    assert codes(mi.bulk("GLS840MI", [mi.head(**changed)])) == [code]
    assert mi.m3.ledger_state()["batches"] == []


def test_the_division_is_part_of_the_key(mi):
    mi.bulk("GLS840MI", [mi.head(), *mi.lines()])
    # The same KEY1 in another division is another batch.
    assert codes(mi.bulk("GLS840MI", [mi.head(DIVI="HAU"), *mi.lines(DIVI="HAU")])) == [""] * 4
    assert len(mi.m3.ledger_state()["batches"]) == 2
    # Without a division a line goes where the request is.
    assert codes(mi.bulk("GLS840MI", mi.lines([("6000", "", "1.00")], DIVI="", LINE="9"), divi="HAU")) == [""]
    lines = {batch["key"]: len(batch["lines"]) for batch in mi.m3.ledger_state()["batches"]}
    assert lines == {f"100/MIL/{KEY}": 3, f"100/HAU/{KEY}": 4}


def test_a_line_needs_its_head(mi):
    answer = mi.bulk("GLS840MI", mi.lines())
    assert codes(answer) == ["XRE0103"] * 3
    assert answer.json()["results"][0]["errorField"] == "KEY1"
    mi.m3.change_settings(line_needs_head=False)
    assert codes(mi.bulk("GLS840MI", mi.lines())) == [""] * 3
    assert mi.batch("UpdBatch")["errorCode"] == "XRE0103"


@pytest.mark.parametrize(
    ("how", "code", "amounts"),
    [("refuse", "XRE0104", ["8200.00"]), ("replace", "", ["9.00"]), ("append", "", ["8200.00", "9.00"])],
)
def test_the_same_line_again(mi, how, code, amounts):
    mi.m3.change_settings(duplicate_line=how)
    mi.stage(LINES[:1])
    assert codes(mi.bulk("GLS840MI", mi.lines([("6000", "100", "9.00")]))) == [code]
    (batch,) = mi.m3.ledger_state()["batches"]
    assert [line["CUAM"] for line in batch["lines"]] == amounts


def test_lines_are_in_the_order_of_their_numbers(mi):
    mi.bulk("GLS840MI", [mi.head()])
    for number in ("3", "1", "20", "2"):
        mi.bulk("GLS840MI", mi.lines([("6000", "", "1.00")], LINE=number))
    assert mi.staged() == ["1", "2", "3", "20"]


# Checking


@pytest.mark.parametrize(
    ("line", "changed", "code"),
    [
        (("NOSUCH", "", "1.00"), {}, "WAIT103"),
        (("6090", "", "1.00"), {}, "WAIT101"),
        (("1010", "", "1.00"), {}, "WAIT101"),
        (("6000", "999", "1.00"), {}, "WAIT203"),
        (("6000", "101", "1.00"), {}, "WAIT201"),
        (("6000", "102", "1.00"), {}, "WAIT201"),
        (("6000", "103", "1.00"), {}, "WAIT201"),
        (("5000", "", "1.00"), {}, "WAIT202"),
        (("6001", "", "1.00"), {}, "WAIT302"),
        (("6500", "", "1.00"), {}, "WAIT402"),
        (("6300", "", "1.00"), {"VTXT": ""}, "WVTXT02"),
        (("9000", "", "1.00"), {}, "WACQT02"),
        (("6000", "", "1.00"), {"INRI": "X9"}, "WINRI03"),
        (("6000", "", "1.00"), {"ACDT": ""}, "WACDT02"),
        (("6000", "", "1.00"), {"ACDT": "20100101"}, "WACDT01"),
        (("6000", "", "1.00"), {"ACDT": "20250101"}, "WACDT01"),
        (("6000", "", "1.00"), {"CUCD": "XXX"}, "WCUCD03"),
        (("6000", "", "1.005"), {}, "WCUAM01"),
        (("6000", "", "1.00"), {"EXN1": "7"}, "WEXN103"),
        (("6000", "", "1.00"), {"SHDT": "20261201"}, "WSHDT01"),
        (("6000", "", ""), {}, "XNU0000"),
        (("", "", "1.00"), {}, "WAIT102"),
        (("6000", "", "2.00"), {}, "WCUAM01"),
        (("6000", "", "1.00"), {}, ""),
    ],
)
def test_what_the_check_of_a_batch_finds(mi, line, changed, code):
    mi.bulk("GLS840MI", [mi.head(), *mi.lines([line], **changed), *mi.lines([EXPENSE], LINE="2")])
    assert mi.batch("CtrlBatch").get("errorCode", "") == code
    (batch,) = mi.m3.ledger_state()["batches"]
    assert batch["head"]["STAT"] == ("15" if code else "20")
    # Of itself it changes nothing in the ledger.
    assert mi.m3.ledger_state()["jobs"] == []


def test_a_check_that_says_nothing(mi):
    mi.m3.change_settings(control_answers=False)
    mi.stage([("NOSUCH", "", "1.00"), EXPENSE])
    assert mi.batch("CtrlBatch")["records"] == [{"CONO": COMPANY}]
    assert mi.m3.ledger_state()["batches"][0]["head"]["STAT"] == "15"


def test_a_batch_that_is_empty_or_not_there(mi):
    assert mi.batch("CtrlBatch")["errorCode"] == "XRE0103"
    assert mi.batch("UpdBatch")["errorCode"] == "XRE0103"
    mi.bulk("GLS840MI", [mi.head()])
    assert mi.batch("CtrlBatch")["errorField"] == "LINE"


def test_signs_and_codes(mi, rules):
    rules(DCNY="1")
    mi.stage()
    assert mi.batch("CtrlBatch")["errorCode"] == "WDBCR02"
    mi.m3.reset_ledger()
    lines = [*mi.lines(LINES[:2], DBCR="D"), *mi.lines(LINES[2:], DBCR="C", LINE="3")]
    mi.bulk("GLS840MI", [mi.head(), *lines])
    assert "errorCode" not in mi.batch("CtrlBatch")
    mi.m3.reset_ledger()
    mi.stage(DBCR="D")
    assert mi.batch("CtrlBatch")["errorCode"] == "WDBCR01"


def test_a_division_without_set_up(mi):
    mi.bulk("GLS840MI", [mi.head(DIVI="NEW"), *mi.lines(DIVI="NEW")], divi="NEW")
    assert mi.batch("CtrlBatch", DIVI="NEW")["errorCode"] == "WDIVI01"


# Updating


def test_the_ledger_follows_after_a_while(mi):
    mi.m3.change_settings(update_seconds=0.3)
    mi.stage()
    mi.batch("UpdBatch")
    count = "count(*) from FGLEDX where EGDIVI = 'MIL'"
    assert mi.select(count) == ["0"]
    time.sleep(0.35)
    assert mi.select(count) == ["3"]


def test_a_second_update_posts_a_second_time(mi):
    mi.stage()
    mi.batch("UpdBatch")
    assert mi.batch("UpdBatch")["records"] == [{"CONO": COMPANY}]
    mi.m3.update_ledger()
    assert [voucher["KEY1"] for voucher in mi.vouchers()] == [KEY, KEY]
    mi.m3.change_settings(second_update="refuse")
    assert mi.batch("UpdBatch")["errorCode"] == "WKEY101"


def test_a_batch_that_leaves_gls840_can_be_staged_again(mi):
    mi.m3.change_settings(keeps_batch=False)
    mi.stage()
    mi.batch("UpdBatch")
    assert mi.m3.ledger_state()["batches"] == []
    assert mi.stage()["nrOfFailedTransactions"] == 0


@pytest.mark.parametrize("checks", ["0", "1"])
def test_what_is_wrong_is_stopped_only_where_the_setting_says_so(mi, rules, checks):
    rules(CHEC=checks)
    mi.stage([("NOSUCH", "", "5.00"), EXPENSE])
    assert "errorCode" not in mi.batch("UpdBatch")
    mi.m3.update_ledger()
    if checks == "0":
        # Written as it came: unknown account, out of balance.
        (voucher,) = mi.vouchers()
        assert (voucher["debit"], voucher["credit"]) == (Decimal("5.00"), Decimal("1.00"))
    else:
        assert mi.vouchers() == []
        assert mi.m3.ledger_state()["jobs"][0]["errors"] == ["1: WAIT103 AIT1 NOSUCH"]
        assert mi.select("CRSTAT,CRAIT1 from FCR040 where CRDIVI = 'MIL'") == ["8;NOSUCH", "8;2110"]


def test_a_line_that_cannot_be_read_stops_the_job_in_any_case(mi, rules):
    rules(CHEC="0")
    line = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY, "LINE": "1", "PARM": "P1" + " " * 52 + "1,00".rjust(17)}
    mi.bulk("GLS840MI", [mi.head(INTN="PAYROLLPOS"), ("AddBatchLine", line)])
    mi.batch("UpdBatch")
    (job,) = mi.m3.update_ledger()
    assert (job["state"], job["errors"]) == ("failed", ["XNU0000 CUAM"])
    mi.m3.reset_ledger()
    mi.bulk("GLS840MI", [mi.head(INTN="PAYROLLPOS"), *mi.lines()])
    assert mi.batch("CtrlBatch")["errorField"] == "INTN"


def test_what_a_voucher_holds(mi):
    mi.stage()
    mi.batch("UpdBatch")
    mi.m3.update_ledger()
    (voucher,) = mi.vouchers()
    assert (voucher["DIVI"], voucher["YEA4"], voucher["ACDT"], voucher["VSER"]) == ("MIL", "2026", PAY_DAY, "PR")
    assert (voucher["debit"], voucher["credit"], voucher["row_count"]) == (Decimal("8827.30"), Decimal("8827.30"), 3)
    assert voucher["information"] == [KEY]
    assert [(row["AIT1"], row["AIT2"], str(row["CUAM"]), row["DBCR"]) for row in voucher["rows"]] == [
        ("6000", "100", "8200.00", "D"), ("6100", "100", "627.30", "D"), ("2110", "", "-8827.30", "C"),
    ]  # fmt: skip


def test_each_group_number_is_a_voucher_and_adds_up_for_itself(mi):
    first = mi.lines([("6000", "", "1.00"), EXPENSE])
    second = [
        (name, {**record, "LINE": str(number)})
        for number, (name, record) in enumerate(mi.lines([("6000", "", "2.00"), ("2110", "", "-2.00")], GRNR="2"), 3)
    ]
    mi.bulk("GLS840MI", [mi.head(), *first, *second])
    mi.batch("UpdBatch")
    mi.m3.update_ledger()
    assert [voucher["debit"] for voucher in mi.vouchers()] == [Decimal("1.00"), Decimal("2.00")]
    assert len({voucher["JRNO"] for voucher in mi.vouchers()}) == 1
    mi.m3.reset_ledger()
    mi.bulk("GLS840MI", [mi.head(), *mi.lines([("6000", "", "1.00")]), *mi.lines([EXPENSE], GRNR="2", LINE="2")])
    assert mi.batch("CtrlBatch")["errorCode"] == "WCUAM01"


def test_numbers_are_given_by_division_and_year(mi):
    def posted(**changed) -> str:
        mi.m3.reset_ledger()
        mi.bulk("GLS840MI", [mi.head(DIVI=changed.get("DIVI", "MIL")), *mi.lines(**changed)])
        mi.batch("UpdBatch", DIVI=changed.get("DIVI", "MIL"))
        mi.m3.update_ledger()
        (voucher,) = mi.vouchers()
        return f"{voucher['DIVI']} {voucher['YEA4']} {int(voucher['VONO'])}"

    first = int(posted().split()[2])
    assert posted() == f"MIL 2026 {first + 1}"
    assert posted(ACDT="20251215").startswith("MIL 2025 ")
    assert posted(DIVI="CAN", CUCD="CAD").startswith("CAN 2026 ")


def test_an_amount_in_another_currency_is_recorded_in_that_of_the_division(mi):
    mi.stage([("6000", "", "100.00"), ("2110", "", "-100.00")], CUCD="CAD")
    mi.batch("UpdBatch")
    mi.m3.update_ledger()
    (voucher,) = mi.vouchers()
    assert [str(row["ACAM"]) for row in voucher["rows"]] == ["73.00", "-73.00"]
    assert {row["ARAT"] for row in voucher["rows"]} == {"0.730000"}


def test_an_interface_that_reverses(mi):
    lines = mi.lines([("6000", "", "1.00"), EXPENSE], SHDT="20261201")
    mi.bulk("GLS840MI", [mi.head(INTN="PAYROLLREV"), *lines])
    assert "errorCode" not in mi.batch("CtrlBatch")
    mi.batch("UpdBatch")
    mi.m3.update_ledger()
    first, second = mi.vouchers()
    assert (first["ACDT"], second["ACDT"]) == (PAY_DAY, "20261201")
    assert [row["CUAM"] for row in first["rows"]] == [-row["CUAM"] for row in second["rows"]]
    assert (first["information"], second["information"]) == ([KEY], [])


def test_a_line_by_position_in_an_interface_by_field(mi):
    line = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY, "LINE": "1", "PARM": "I1"}
    answer = mi.bulk("GLS840MI", [mi.head(), ("AddBatchLine", line)])
    assert [result["records"] for result in answer.json()["results"]] == [[{"CONO": COMPANY}]] * 2
    assert mi.batch("CtrlBatch")["errorField"] == "INTN"
    assert mi.select("FLLINE,FLPARM from FGLINL") == ["1;I1"]
    assert mi.select("FELINE from FGLINF") == []
