"""Our journal in Dynamics' words: account strings, texts, lines, and the comparison with what Dynamics holds."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from audit.exchange import Misconfigured, TemporaryFailure
from erp.d365.journal import (
    LedgerFormat,
    account_display_value,
    amount,
    compare,
    display_value,
    escaped,
    header_description,
    held_line,
    line_bodies,
)
from mappings.journal import Journal, JournalKind, JournalLine

FORMAT = LedgerFormat(("MainAccount", "BusinessUnit", "Department", "CostCenter"), "-")
KEY = "A1B2C3D4E5F6G7H"


def journal(*lines: JournalLine, header_text: str = "Payroll 2026-07-16 to 2026-07-31") -> Journal:
    return Journal(
        kind=JournalKind.PAYROLL,
        company_code="US01",
        posting_date=date(2026, 7, 31),
        document_date=date(2026, 8, 1),
        currency="USD",
        header_text=header_text,
        lines=lines,
        posting_key=KEY,
    )


def line(number: int, debit: str = "0.00", credit: str = "0.00", text: str = "") -> JournalLine:
    return JournalLine(number, "6000", (("Department", "020"),), Decimal(debit), Decimal(credit), text)


def held(body: dict, number: int = 1, **changed: object) -> dict:
    """The row that Dynamics shows for a body that was sent: 750 instead of 750.00, its own spelling of company."""
    row = {**body, "JournalBatchNumber": "US01-000001", "LineNumber": number, "Voucher": "GEN000001", **changed}
    return {
        name: int(value) if isinstance(value, Decimal) and value == int(value) else value for name, value in row.items()
    }


@pytest.mark.contract
def test_account_strings_are_those_of_the_facts(shared: Path) -> None:
    facts = json.loads((shared / "reference/dynamics365/dimensions.json").read_text())
    assert len(facts["encode"]) >= 9
    for vector in facts["encode"]:
        delimiter = vector["delimiter"]
        if vector["format"] is None:
            assert escaped(vector["value"], delimiter) == vector["text"], vector
            continue
        segments = facts["formats"][vector["format"]]
        assert display_value(segments, delimiter, vector["values"]) == vector["text"], vector
        if vector["format"] == "ledger":
            values = dict(vector["values"])
            main_account = values.pop("MainAccount")
            ledger_format = LedgerFormat(tuple(segments), delimiter)
            assert account_display_value(ledger_format, main_account, sorted(values.items())) == vector["text"], vector


def test_names_of_dimensions_are_compared_without_case_and_empty_segments_stay() -> None:
    assert account_display_value(FORMAT, "6000", [("department", "020")]) == "6000--020-"


def test_the_main_account_may_stand_anywhere() -> None:
    turned = LedgerFormat(("Department", "MainAccount"), "|")
    assert account_display_value(turned, "6000", [("Department", "0|2")]) == "0\\|2|6000"


@pytest.mark.parametrize("name", ["Project", "MainAccount"])
def test_a_dimension_outside_the_format_is_refused_because_dynamics_would_drop_it(name: str) -> None:
    with pytest.raises(Misconfigured, match="is not in Dynamics' active format") as refused:
        account_display_value(FORMAT, "6000", [(name, "P1")])
    assert refused.value.page == "mapping"


@pytest.mark.parametrize(
    ("value", "delimiter"), [("a\\b", "-"), ("a--b", "--"), ("a-", "--"), ("-a", "--"), ("a\\b", "--")]
)
def test_a_value_that_could_be_read_in_two_ways_is_refused(value: str, delimiter: str) -> None:
    with pytest.raises(Misconfigured):
        escaped(value, delimiter)


def test_a_single_character_of_a_double_delimiter_is_no_delimiter() -> None:
    assert escaped("a-b", "--") == "a-b"


def test_the_description_ends_in_the_posting_key_and_fits() -> None:
    assert header_description(journal(header_text="Payroll  July\n2026")) == f"Payroll July 2026 {KEY}"
    long = header_description(journal(header_text="x" * 100))
    assert len(long) == 60
    assert long.endswith(f"x {KEY}")
    cut_at_a_space = header_description(journal(header_text="x" * 43 + " yyyy"))
    assert cut_at_a_space == "x" * 43 + f" {KEY}"
    assert header_description(journal(header_text="")) == KEY


def test_the_lines_carry_what_dynamics_needs_and_nothing_it_refuses() -> None:
    (body, _) = line_bodies(journal(line(1, debit="12.50", text="y" * 70), line(2, credit="12.50")), FORMAT)
    assert body == {
        "dataAreaId": "us01",
        "TransDate": "2026-07-31T12:00:00Z",
        "DocumentDate": "2026-08-01T12:00:00Z",
        "Document": KEY,
        "AccountType": "Ledger",
        "AccountDisplayValue": "6000--020-",
        "DebitAmount": Decimal("12.50"),
        "CreditAmount": Decimal("0.00"),
        "CurrencyCode": "USD",
        "Text": "y" * 60,
    }


def test_equal_lines_are_counted_and_not_merged() -> None:
    planned = line_bodies(journal(*(line(n, debit="10.00") for n in (1, 2, 3)), line(4, credit="30.00")), FORMAT)
    there = [held_line(held(planned[0], 1)), held_line(held(planned[3], 2))]
    comparison = compare(planned, there)
    assert comparison.missing == (planned[1], planned[2])
    assert comparison.surplus == ()


def test_a_line_that_is_not_planned_is_surplus_and_its_place_stays_missing() -> None:
    planned = line_bodies(journal(line(1, debit="10.00"), line(2, credit="10.00")), FORMAT)
    changed = held_line(held(planned[0], 1, DebitAmount=11))
    comparison = compare(planned, [changed, held_line(held(planned[1], 2)), held_line(held(planned[1], 3))])
    assert comparison.missing == (planned[0],)
    assert {each.line_number for each in comparison.surplus} == {Decimal(1), Decimal(3)}


def test_spelling_that_dynamics_changes_makes_no_difference() -> None:
    planned = line_bodies(journal(line(1, debit="10.00", text="Wages ")), FORMAT)
    row = held(planned[0], Company="US01", dataAreaId="us01", AccountDisplayValue="6000--020-", CurrencyCode="usd")
    assert compare(planned, [held_line(row)]).missing == ()


def test_amounts_are_exact() -> None:
    assert amount(750) == Decimal("750.00")
    assert str(amount(Decimal("750.0"))) == "750.00"
    assert amount(Decimal("0.125")) == Decimal("0.125")
    with pytest.raises(TypeError):
        amount(0.1)


def test_a_row_that_is_no_line_is_not_counted_as_one() -> None:
    with pytest.raises(TemporaryFailure):
        held_line({"JournalBatchNumber": "1", "LineNumber": None})
