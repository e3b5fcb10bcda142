"""Our journal in M3's words, checked against the vendor's description of GLS840MI; what is staged compared with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.infor.m3.connector import M3Connector
from erp.infor.m3.fields import CODE, SIGN, SIGN_AND_CODE, Fields, fields_of
from erp.infor.m3.journal import (
    Comparison,
    StagedLine,
    amount_of,
    batch_call,
    compare,
    head_call,
    line_calls,
    staged_line,
    style_of,
    sums,
)
from mappings.journal import ZERO, Journal, JournalKind, JournalLine

FACTS = "reference/infor-m3"
DIMENSIONS = {"CostCenter": "AIT2", "Project": "AIT3"}
REQUIRED = {"ionapi": "{}", "company": "100", "interface": "PRELJOURNAL"}


def fields(**changed: str) -> Fields:
    defaults = {field.name: field.default for field in M3Connector.credential_fields}
    return fields_of({**defaults, **REQUIRED, **changed})


def line(number: int, account: str, amount: str, *dimensions: tuple[str, str], text: str = "Wages") -> JournalLine:
    value = Decimal(amount)
    return JournalLine(number, account, dimensions, max(value, ZERO), max(-value, ZERO), text)


JOURNAL = Journal(
    kind=JournalKind.PAYROLL,
    company_code="USA",
    posting_date=date(2026, 1, 16),
    document_date=date(2026, 1, 16),
    currency="USD",
    header_text="Payroll 2026-01-01..2026-01-15",
    lines=(
        line(1, "6000", "8200.00", ("CostCenter", "110")),
        line(2, "6010", "627.30", ("CostCenter", "110"), ("Project", "P100")),
        line(3, "2200", "-8827.30", text=""),
    ),
    posting_key="GPZ7K2M4QX9A1B3",
)


def test_the_head_names_batch_and_interface() -> None:
    assert head_call(JOURNAL, fields()).record == {
        "CONO": "100",
        "DIVI": "USA",
        "KEY1": "GPZ7K2M4QX9A1B3",
        "INTN": "PRELJOURNAL",
        "DESC": "Payroll 2026-01-01..2026-01-15",
    }


def test_a_line_is_written_with_sign_and_posting_key() -> None:
    calls = line_calls(JOURNAL, fields(), DIMENSIONS, SIGN)
    assert list(calls) == [1, 2, 3]
    assert calls[2].record == {
        "KEY1": "GPZ7K2M4QX9A1B3",
        "LINE": "2",
        "INRI": "I1",
        "DIVI": "USA",
        "GRNR": "1",
        "EICD": "0",
        "AIT1": "6010",
        "AIT2": "110",
        "AIT3": "P100",
        "CUCD": "USD",
        "CUAM": "627.30",
        "ACDT": "20260116",
        "VTXT": "Wages",
        "EXN1": "1",
        "EXI1": "GPZ7K2M4QX9A1B3",
    }
    assert calls[3].record["CUAM"] == "-8827.30"
    assert calls[3].record["VTXT"] == "Payroll 2026-01-01..2026-01-15"
    assert sum(Decimal(call.record["CUAM"]) for call in calls.values()) == 0


@pytest.mark.contract
@pytest.mark.parametrize("style", [SIGN, SIGN_AND_CODE, CODE])
def test_every_record_fits_the_vendors_description(shared: Path, style: str) -> None:
    facts = json.loads((shared / FACTS / "transactions/GLS840MI.json").read_text())["transactions"]
    ours = fields(rate_type="1")
    calls = [
        head_call(JOURNAL, ours),
        *line_calls(JOURNAL, ours, DIMENSIONS, style).values(),
        batch_call("CtrlBatch", JOURNAL, ours),
        batch_call("UpdBatch", JOURNAL, ours),
    ]
    for call in calls:
        known = {field["f"]: field for field in facts[call.transaction]["in"]}
        assert set(call.record) <= set(known)
        assert {name for name, field in known.items() if field["req"]} <= set(call.record)
        for name, value in call.record.items():
            assert 0 < len(value) <= known[name]["len"], name
            if known[name]["t"] == "N":
                assert Decimal(value).is_finite(), name


@pytest.mark.contract
def test_the_published_request_is_what_we_would_send(shared: Path) -> None:
    """Apart from the reference on its lines, which is our posting key."""
    sample = json.loads((shared / FACTS / "samples/bulk-stage-request.json").read_text())["body"]["transactions"]
    records = [{**each["record"]} for each in sample]
    lines = tuple(
        line(
            number, record["AIT1"], record["CUAM"], *([("CostCenter", record["AIT2"])] if "AIT2" in record else []),
            text=record["VTXT"],
        )
        for number, record in enumerate(records[1:], 1)
    )  # fmt: skip
    journal = replace(JOURNAL, lines=lines)
    ours = [head_call(journal, fields()), *line_calls(journal, fields(), DIMENSIONS, SIGN).values()]
    for record in records[1:]:
        record["EXI1"] = JOURNAL.posting_key
    assert [dict(call.record) for call in ours] == records


def test_settings_that_say_none_leave_their_fields_out() -> None:
    record = line_calls(JOURNAL, fields(group_number="none", transaction_origin="none"), DIMENSIONS, SIGN)[1].record
    assert not {"GRNR", "EICD", "CRTP", "DBCR"} & set(record)


@pytest.mark.parametrize(
    ("style", "debit", "credit"),
    [
        (SIGN, ("8200.00", None), ("-8827.30", None)),
        (SIGN_AND_CODE, ("8200.00", "D"), ("-8827.30", "C")),
        (CODE, ("8200.00", "D"), ("8827.30", "C")),
    ],
)
def test_sides_are_written_as_the_customer_has_them(style: str, debit: tuple, credit: tuple) -> None:
    calls = line_calls(JOURNAL, fields(), DIMENSIONS, style)
    found = [(calls[number].record["CUAM"], calls[number].record.get("DBCR")) for number in (1, 3)]
    assert found == [debit, credit]
    for number, (amount, code) in zip((1, 3), found, strict=True):
        held = staged_line(str(number), amount, "", code or "", style)
        assert held.amount == JOURNAL.lines[number - 1].debit - JOURNAL.lines[number - 1].credit


@pytest.mark.parametrize(
    ("amounts", "uses_codes", "style"),
    [
        ("auto", False, SIGN),
        ("auto", None, SIGN),
        ("auto", True, SIGN_AND_CODE),
        ("sign", True, SIGN),
        ("code", False, CODE),
        ("sign_and_code", False, SIGN_AND_CODE),
    ],
)
def test_codes_follow_crs750_unless_the_connection_says(amounts: str, uses_codes: bool | None, style: str) -> None:
    assert style_of(fields(amounts=amounts), uses_codes) == style


def test_texts_are_one_line_of_forty_characters() -> None:
    long = replace(JOURNAL, header_text="Payroll\n" + "x" * 60, lines=(*JOURNAL.lines[:2], JOURNAL.lines[2]))
    assert head_call(long, fields()).record["DESC"] == "Payroll " + "x" * 32
    assert line_calls(long, fields(), DIMENSIONS, SIGN)[3].record["VTXT"] == "Payroll " + "x" * 32
    assert head_call(replace(JOURNAL, header_text=" "), fields()).record["DESC"] == JOURNAL.posting_key


def test_a_dimension_that_m3_does_not_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match="no accounting dimension Project") as caught:
        line_calls(JOURNAL, fields(), {"CostCenter": "AIT2"}, SIGN)
    assert caught.value.page == "mapping"


def test_a_value_that_is_too_long_is_refused() -> None:
    journal = replace(JOURNAL, lines=(line(1, "6000", "1.00", ("CostCenter", "12345678901")),))
    with pytest.raises(Misconfigured, match="longer than the 10 characters"):
        line_calls(journal, fields(), DIMENSIONS, SIGN)


def test_an_amount_that_is_too_long_is_refused() -> None:
    journal = replace(JOURNAL, lines=(line(1, "6000", "-12345678901234.00"),))
    with pytest.raises(Rejected, match="17 characters"):
        line_calls(journal, fields(), DIMENSIONS, SIGN)


@pytest.mark.parametrize("key", ["", "abc", "WITH-HYPHEN", "SIXTEENCHARACTER"])
def test_a_key_that_m3_cannot_hold_is_a_mistake_of_ours(key: str) -> None:
    with pytest.raises(ValueError, match="posting key"):
        head_call(replace(JOURNAL, posting_key=key), fields())


STAGED = [
    StagedLine(1, Decimal("8200.00"), "6000"),
    StagedLine(2, Decimal("627.30"), "6010"),
    StagedLine(3, Decimal("-8827.30"), "2200"),
]


def test_a_batch_that_holds_every_line_once_is_complete() -> None:
    assert compare(JOURNAL, STAGED).is_complete
    assert compare(JOURNAL, list(reversed(STAGED))).is_complete
    assert compare(JOURNAL, [replace(each, account="") for each in STAGED]).is_complete


@pytest.mark.parametrize(
    ("staged", "missing", "wrong"),
    [
        ([], (1, 2, 3), ()),
        (STAGED[:1], (2, 3), ()),
        (STAGED[1:], (1,), ()),
        ([*STAGED, STAGED[0]], (), (1,)),
        ([*STAGED, StagedLine(4, Decimal("0.01"), "6000")], (), (4,)),
        ([replace(STAGED[0], amount=Decimal("8200.01")), *STAGED[1:]], (), (1,)),
        ([replace(STAGED[0], account="6001"), *STAGED[1:]], (), (1,)),
    ],
)
def test_what_is_missing_and_what_is_not_ours_is_told_by_number(staged: list, missing: tuple, wrong: tuple) -> None:
    assert compare(JOURNAL, staged) == Comparison(missing, wrong)


@pytest.mark.parametrize(
    ("text", "amount"), [("8200.00", "8200.00"), ("-8200", "-8200.00"), ("", "0.00"), ("0.125", "0.125")]
)
def test_amounts_are_read_digit_for_digit(text: str, amount: str) -> None:
    assert str(amount_of(text)) == amount


@pytest.mark.parametrize("text", ["1.234,50", "x", "NaN"])
def test_what_is_no_amount_is_not_guessed(text: str) -> None:
    with pytest.raises(TemporaryFailure):
        amount_of(text)
    with pytest.raises(TemporaryFailure):
        staged_line("x", "1.00", "", "", SIGN)


def test_sums_are_exact() -> None:
    assert sums([each.amount for each in STAGED]) == (Decimal("8827.30"), Decimal("8827.30"))
    assert sums([]) == (ZERO, ZERO)
