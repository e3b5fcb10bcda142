"""A journal in the words of IFS Cloud, and vouchers put together from rows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from audit.exchange import Misconfigured, TemporaryFailure, json_body
from erp.ifs.journal import (
    VoucherKey,
    amount,
    header_body,
    header_changes,
    header_text,
    row_bodies,
    row_text,
    vouchers_of,
)
from mappings.journal import JournalLine
from tests.erp.ifs.conftest import payroll

HEADER = {
    "UserGroup": "AC", "VoucherType": "M", "VoucherStatus": "Approved", "AccountingYear": 2026, "AccountingPeriod": 7,
    "CurrencyCode": "USD", "CurrencyType": "1",
}  # fmt: skip
PARTS = {"CostCenter": "B", "Project": "D"}


def bodies(journal, header=HEADER, **changed):
    given = {"voucher_type": "G", "rate_type": "", "reference_series": "GUSTO", **changed}
    return row_bodies(journal, header, PARTS, **given)


def test_a_header_opens_an_empty_voucher_and_names_the_posting_key():
    assert header_body(payroll(2), "M", "NEW_VOUCHER") == {
        "OpennedFrom": "NEW_VOUCHER",
        "Company": "US10",
        "VoucherDate": "2026-07-31",
        "FunctionGroup": "M",
        "VoucherText2": "Payroll 2026-07-16 to 2026-07-31 K3Y0F0NEP0ST1NG",
    }


def test_a_long_header_keeps_the_posting_key():
    text = header_text(payroll(2, header_text="x " * 1500))
    assert len(text) <= 2000
    assert text.endswith(" K3Y0F0NEP0ST1NG")


@pytest.mark.parametrize(
    ("user_group", "voucher_type", "status", "changes"),
    [
        ("AC", "M", "", []),
        ("AC", "M", "Approved", []),
        ("AC", "G", "", [{"VoucherType": "G"}]),
        ("AC", "G", "Approved", [{"VoucherType": "G"}, {"VoucherStatus": "Approved"}]),
        ("AC", "M", "NotApproved", [{"VoucherStatus": "NotApproved"}]),
        ("PR", "M", "", [{"UserGroup": "PR"}, {"VoucherType": "M"}]),
        ("PR", "G", "NotApproved", [{"UserGroup": "PR"}, {"VoucherType": "G"}, {"VoucherStatus": "NotApproved"}]),
    ],
)
def test_only_what_differs_is_changed_one_thing_at_a_time(user_group, voucher_type, status, changes):
    assert header_changes(HEADER, user_group, voucher_type, status) == changes


def test_a_row_has_one_pair_of_amounts_and_every_field_that_the_model_demands():
    first, *_, last = bodies(payroll(3))
    assert first == {
        "Company": "US10", "VoucherType": "G", "AccountingYear": 2026, "AccountingPeriod": 7, "VoucherNo": 0,
        "VoucherDate": "2026-07-31", "CurrencyCode": "USD", "CurrencyType": "1", "CurrencyRate": 1,
        "ConversionFactor": 1, "Correction": False, "AddInternal": False, "IntManualAdded": False,
        "ReferenceSerie": "GUSTO", "ReferenceNumber": "K3Y0F0NEP0ST1NG", "Account": "6000",
        "Text": "Wages 2026-07-16 to 2026-07-31", "CodeB": "100", "CurrencyDebetAmount": Decimal("100.10"),
        "DebetAmount": Decimal("100.10"),
    }  # fmt: skip
    assert (last["CurrencyCreditAmount"], last["CreditAmount"]) == (Decimal("200.20"), Decimal("200.20"))
    assert "DebetAmount" not in last


def test_amounts_reach_the_wire_digit_for_digit():
    line = JournalLine(1, "6000", (), Decimal("12345678901234.10"), Decimal("0.00"))
    (body,) = bodies(replace(payroll(2), lines=(line,)))
    assert b'"DebetAmount": 12345678901234.10' in json_body(body)


def test_a_rate_type_of_the_connection_wins():
    assert {body["CurrencyType"] for body in bodies(payroll(3), rate_type="7")} == {"7"}


def test_a_text_is_cut_and_never_empty():
    journal = payroll(2)
    assert row_text(journal, "a\nb  c") == "a b c"
    assert row_text(journal, "") == "Payroll 2026-07-16 to 2026-07-31"
    assert len(row_text(journal, "y" * 500)) == 200


def test_another_currency_than_the_companys_is_refused_in_words():
    with pytest.raises(Misconfigured, match="keeps its books in CAD, and the journal is in USD") as refused:
        bodies(payroll(2), {**HEADER, "CurrencyCode": "CAD"})
    assert refused.value.page == "mapping"


def test_a_dimension_that_is_no_code_part_of_the_company_is_refused_in_words():
    journal = payroll(2)
    line = replace(journal.lines[0], dimensions=(("Region", "WEST"),))
    with pytest.raises(Misconfigured, match="US10 uses no code part Region") as refused:
        bodies(replace(journal, lines=(line, journal.lines[1])))
    assert refused.value.page == "mapping"


def row(number: int = 1, debit: str | None = "1.00", credit: str | None = None, **changed):
    return {
        "AccountingYear": 2026, "VoucherType": "G", "VoucherNo": 2026000007, "RowNo": number,
        "DebetAmount": None if debit is None else Decimal(debit), "CreditAmount": None if credit is None else Decimal(credit),
        "ReferenceSerie": "GUSTO", "ReferenceNumber": "KEY", **changed,
    }  # fmt: skip


def test_rows_are_put_together_to_vouchers():
    found = vouchers_of([row(), row(2, None, "1.00"), row(VoucherNo=2026000008)], "GUSTO", "KEY")
    first, second = found.values()
    assert (first.line_count, first.debit, first.credit, first.is_ours) == (2, Decimal("1.00"), Decimal("1.00"), True)
    assert first.key.document_number == "G 2026000007 (2026)"
    assert second.key == VoucherKey(2026, "G", 2026000008)
    (foreign,) = vouchers_of([row(), row(2, ReferenceNumber=None)], "GUSTO", "KEY").values()
    assert not foreign.is_ours


@pytest.mark.parametrize("value", [1.5, True, "abc", [], {}])
def test_an_amount_that_is_none_is_refused(value):
    with pytest.raises(TemporaryFailure):
        amount({"DebetAmount": value}, "DebetAmount")


@pytest.mark.parametrize(
    ("value", "found"), [(10, "10.00"), (Decimal("0.1"), "0.10"), ("2.125", "2.125"), (None, "0.00")]
)
def test_amounts_have_at_least_two_decimals(value, found):
    assert str(amount({"DebetAmount": value}, "DebetAmount")) == found


def test_a_row_without_its_voucher_is_refused():
    with pytest.raises(TemporaryFailure):
        vouchers_of([{"RowNo": 1}], "GUSTO", "KEY")
