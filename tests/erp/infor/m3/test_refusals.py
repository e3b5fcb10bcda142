"""What an error of M3 means: the tables, one row per code, fed with every id of the facts and with what no table knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.infor.m3.refusals import (
    ADVICE,
    CODES,
    ENDINGS,
    NOK,
    PAGES,
    TYPES,
    WORDS_LENGTH,
    MiError,
    Next,
    next_of,
    read_error,
    words_of,
    write_error,
)

FACTS = "reference/infor-m3"

#: class of the facts -> what it means here.
CLASSES = {
    "not_found": Next.ABSENT,
    "duplicate": Next.DUPLICATE,
    "auth": Next.RIGHT,
    "data": Next.REFUSED,
    "conflict": Next.CONFLICT,
    "config": Next.SETTING,
    "unknown": Next.UNCLEAR,
    "missing_reference": Next.ABSENT,
}


def error(code: str = "", field: str = "", type_: str = NOK) -> MiError:
    return MiError(code, "Etwas stimmt nicht", field, type_)


@pytest.mark.contract
def test_every_message_id_of_the_facts_has_its_meaning(shared: Path) -> None:
    codes = json.loads((shared / FACTS / "message-codes.json").read_text())["codes"]
    assert {code: next_of(error(code)) for code in codes} == {
        code: CLASSES[row["class"]] for code, row in codes.items()
    }


@pytest.mark.contract
def test_every_type_of_the_facts_has_its_meaning(shared: Path) -> None:
    types = json.loads((shared / FACTS / "rest-v2-contract.json").read_text())["errorType_values_seen"]
    assert set(types) == {*TYPES, NOK}


@pytest.mark.parametrize("code", CODES)
def test_each_code_counts_whatever_the_text_says(code: str) -> None:
    assert next_of(MiError(code, "Der Datensatz ist bereits vorhanden", type=NOK)) is CODES[code]
    assert next_of(MiError(code, "", type=NOK)) is CODES[code]


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_ending_counts_for_ids_of_its_form_only(ending: str) -> None:
    assert next_of(error(f"WAI01{ending}")) is ENDINGS[ending]
    assert next_of(error(f"WA{ending}")) is Next.UNCLEAR
    assert next_of(error(f"XAI01{ending}")) is Next.UNCLEAR


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (error("XRE0103"), TemporaryFailure),
        (error("XRE0104"), Rejected),
        (error("XAU0008", "CONO"), Misconfigured),
        (error("XNU0000"), Rejected),
        (error("XDT0001"), Rejected),
        (error("XUP0001"), TemporaryFailure),
        (error("XAD0001"), TemporaryFailure),
        (error("XDE0001"), TemporaryFailure),
        (error("XOPC001"), Misconfigured),
        (error("MO48302"), Rejected),
        (error("CPF9898"), TemporaryFailure),
        (error("ZZZ9999"), TemporaryFailure),
        (error(), TemporaryFailure),
        (error(type_="TransactionNotFound"), Misconfigured),
        (error(type_="MandatoryInputFieldNotFound"), Misconfigured),
        (error(type_="InputFieldTooLong"), Misconfigured),
    ],
)
def test_a_read_that_met_an_error(found: MiError, expected: type[ExchangeError]) -> None:
    assert type(read_error(found, "the divisions")) is expected


@pytest.mark.parametrize(
    ("found", "staging", "update"),
    [
        (error("XRE0103", "KEY1"), Rejected, Rejected),
        (error("XRE0104", "KEY1"), Rejected, OutcomeUnknown),
        (error("XAU0008", "CONO"), Misconfigured, Misconfigured),
        (error("XNU0000", "CUAM"), Rejected, Rejected),
        (error("XDT0001", "ACDT"), Misconfigured, Misconfigured),
        (error("XUP0001"), TemporaryFailure, OutcomeUnknown),
        (error("XAD0001"), TemporaryFailure, OutcomeUnknown),
        (error("XDE0001"), TemporaryFailure, OutcomeUnknown),
        (error("XOPC001"), Misconfigured, Misconfigured),
        (error("MO48302", "VTXT"), Rejected, Rejected),
        (error("CPF9898"), Rejected, OutcomeUnknown),
        (error("ZZZ9999"), Rejected, OutcomeUnknown),
        (error(), Rejected, OutcomeUnknown),
        (error("WAI0101", "AIT1"), Misconfigured, Misconfigured),
        (error("WAI0102", "AIT2"), Misconfigured, Misconfigured),
        (error("WAI0103", "AIT7"), Misconfigured, Misconfigured),
        (error("WIN0103", "INTN"), Misconfigured, Misconfigured),
        (error(type_="TransactionNotFound"), Misconfigured, Misconfigured),
        (error(type_="MandatoryInputFieldNotFound"), Rejected, Rejected),
        (error(type_="InputFieldTooLong"), Rejected, Rejected),
    ],
)
def test_a_write_that_met_an_error(found: MiError, staging: type[ExchangeError], update: type[ExchangeError]) -> None:
    assert type(write_error(found, "line 1")) is staging
    assert type(write_error(found, "the update of the batch", has_ledger_effect=True)) is update


@pytest.mark.parametrize(("field", "page"), PAGES.items())
def test_each_field_leads_to_the_page_that_repairs_it(field: str, page: str) -> None:
    found = write_error(error("WXX0103", field), "line 1")
    assert isinstance(found, Misconfigured)
    assert found.page == page
    if page == "connection":
        assert found.sentence.endswith(ADVICE[field])


def test_the_words_of_m3_are_shown_with_code_and_field() -> None:
    found = write_error(MiError("WAI0103", "Konto 6190 existiert nicht", "AIT1", NOK), "line 3 on account 6190")
    assert found.sentence == (
        "M3 did not accept line 3 on account 6190: “Konto 6190 existiert nicht” (WAI0103, field AIT1)."
    )
    assert "“no text” (CPF9898)" in write_error(MiError("CPF9898", ""), "line 1").sentence


@pytest.mark.parametrize(
    ("text", "code", "field", "words"),
    [
        ("Record does not exist      XRE0103AITM        ", "XRE0103", "AITM", "Record does not exist"),
        ("Record does not exist      XRE0103 AITM       ", "XRE0103", "AITM", "Record does not exist"),
        ("Not authorized for company 100      ", "XAU0008", "CONO", "Not authorized for company 100"),
        ("XRE0103", "XRE0103", "", ""),
        ("", "", "", ""),
    ],
)
def test_padding_code_and_field_are_no_words(text: str, code: str, field: str, words: str) -> None:
    assert words_of(text, code, field) == words


def test_long_words_are_cut() -> None:
    assert len(words_of("x" * 1000, "", "")) == WORDS_LENGTH
