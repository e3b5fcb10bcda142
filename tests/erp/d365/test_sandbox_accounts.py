"""Accounts and dimensions in the Dynamics 365 sandbox: what a line may carry, and what changes in the forms do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erp.d365.sandbox_dimensions import join_account_string, split_account_string
from erp.d365.sandbox_reference import DELIMITERS, fits_criterion
from tests.erp.d365.dynamics import Dynamics, running


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("9999-----", "The value '9999' in field 'Account' is not found in the related table 'Main accounts'"),
        ("------", "number of segments"),
        ("-----", "The value '' in field 'Account'"),
        ("6000", "number of segments"),
        ("6000--020-200-", "number of segments"),
        ("6000--D-12---", "number of segments"),
        ("6090-----", "Main account 6090 is suspended"),
        ("6095-----", "Main account 6095 is not active on 2026-11-13"),
        ("6096-----", "Main account 6096 is not active on 2026-11-13"),
        ("2190-----", "2190 is not allowed for manual entry. Enter another value"),
        ("2000-----", "2000 is not allowed for manual entry"),
        ("6999-----", "Main account 6999 is of type Total"),
        ("6000--999---", "The value '999' for financial dimension Department does not exist"),
        ("6000---105--", "The value '105' for financial dimension CostCenter does not exist"),
        ("6000---980--", "The value '980' for financial dimension CostCenter is suspended"),
        ("6000---970--", "The value '970' for financial dimension CostCenter is not active on 2026-11-13"),
        ("6000---960--", "960 is not allowed for manual entry in financial dimension CostCenter"),
        ("1350-----OLD1", "The value 'OLD1' for financial dimension Affiliate is suspended"),
        ("6000----L1-", "The value 'L1' for financial dimension Project does not exist"),
        ("6000-001-020-200-P1-US01", "dimension Affiliate is not in account structure Profit and loss"),
        ("020-6000----", "The value '020' in field 'Account'"),
    ],
)
def test_accounts_that_are_refused(d365, account, words):
    assert words in d365.refuse_line(d365.journal(), AccountDisplayValue=account)


def test_accounts_that_are_fine(d365):
    journal = d365.journal()
    for account in ("6000-----", "6000-001-D\\-12-200-P1-", "6000----P\\-2-", "2110-003----", "1350-003----CA01"):
        assert d365.add_line(journal, account, debit=1)["AccountDisplayValue"] == account


def test_a_missing_account(d365):
    journal = d365.journal()
    assert "Field 'Account' must be filled in." in d365.refuse_line(journal, AccountDisplayValue=...)
    assert "Field 'Account' must be filled in." in d365.refuse_line(journal, AccountDisplayValue="")


def test_the_side_that_an_account_requires(d365):
    journal = d365.journal()
    d365.add_line(journal, "6400-----", debit=1)
    fields = {"AccountDisplayValue": "6400-----", "DebitAmount": 0, "CreditAmount": 1}
    assert "Main account 6400 requires Debit" in d365.refuse_line(journal, **fields)


def test_negative_amounts_by_journal_name(d365):
    assert "Amounts must be positive" in d365.refuse_line(d365.journal(), DebitAmount=-1)
    assert d365.add_line(d365.journal(name="GENJRN"), debit=-1)["DebitAmount"] == -1


def test_journal_names_that_are_not_for_us(d365):
    for name, words in (("VENDPAY", "not of journal type Daily"), ("PRIVATE", "reserved for user group CFO")):
        answer = d365.call("POST", "LedgerJournalHeaders", {"JournalName": name})
        assert answer.status_code == 400
        assert words in answer.json()["error"]["innererror"]["message"]


@pytest.mark.parametrize("name", sorted(DELIMITERS))
def test_every_delimiter(d365, name):
    """The format's text follows the delimiter; values that hold it have to be escaped."""
    d365.control("POST", "dimensions", {"delimiter": name}).raise_for_status()
    assert d365.rows("DimensionParameters")[0]["DimensionSegmentDelimiter"] == name
    mark = DELIMITERS[name]
    names = ["MainAccount", "BusinessUnit", "Department", "CostCenter", "Project", "Affiliate"]
    active = [
        row["FinancialDimensionFormat"]
        for row in d365.rows("DimensionIntegrationFormats")
        if row["IsActive"] == "Yes" and row["DimensionFormatType"] == "DataEntityLedgerDimensionFormat"
    ]
    assert active == [mark.join(names)]
    value = f"A{mark}B"
    d365.control("POST", "dimension-values", {"dimension": "Department", "value": value, "name": "odd"})
    journal = d365.journal()
    good = join_account_string(["6000", "", value, "200", "", ""], mark)
    assert d365.add_line(journal, good, debit=1)["AccountDisplayValue"] == good
    unescaped = mark.join(["6000", "", value, "200", "", ""])
    assert "number of segments" in d365.refuse_line(journal, AccountDisplayValue=unescaped)
    fixed = d365.rows("JournalNames?$filter=Name eq 'OFFSET'")[0]["OffsetAccountDisplayValue"]
    assert fixed == mark.join(["1010", "", "", "", "", ""])


@pytest.mark.parametrize("delimiter", sorted(DELIMITERS.values()))
@pytest.mark.parametrize(
    "segments", [[""], ["6000"], ["6000", ""], ["6000", "a-b", ""], ["", "x.y", "a_b", "c|d", "e~f"], ["a\\b", "c"]]
)
def test_account_strings_come_back(delimiter, segments):
    assert split_account_string(join_account_string(segments, delimiter), delimiter) == segments


def test_another_format(d365):
    d365.control("POST", "dimensions", {"ledger": ["CostCenter", "MainAccount"], "default": ["Department"]})
    journal = d365.journal()
    assert d365.add_line(journal, "200-6000", debit=1)["AccountDisplayValue"] == "200-6000"
    assert "is not found" in d365.refuse_line(journal, AccountDisplayValue="6000-200")
    assert "number of segments" in d365.refuse_line(journal, AccountDisplayValue="6000-----")
    vendor = {"AccountType": "Vend", "DefaultDimensionDisplayValue": "020"}
    assert d365.add_line(journal, "1001", credit=1, **vendor)["DefaultDimensionDisplayValue"] == "020"


def test_accounts_change_in_the_forms(d365):
    journal = d365.journal()
    d365.control("POST", "accounts", {"number": "6000", "IsSuspended": "Yes"}).raise_for_status()
    assert "is suspended" in d365.refuse_line(journal)
    d365.control("POST", "accounts", {"number": "6000", "IsSuspended": "No"}).raise_for_status()
    d365.add_line(journal, debit=1)
    d365.control("POST", "accounts", {"number": "6000", "company": "us01", "IsSuspended": "Yes"}).raise_for_status()
    assert "is suspended" in d365.refuse_line(journal)
    assert d365.rows("MainAccounts?$filter=MainAccountId eq '6000'")[0]["IsSuspended"] == "No"
    (own,) = d365.rows("MainAccountLegalEntities?$filter=MainAccountId eq '6000'")
    assert (own["LegalEntityId"], own["IsSuspended"]) == ("US01", "Yes")
    there = {"dataAreaId": "us02", "JournalBatchNumber": d365.journal("us02")}
    assert d365.create("LedgerJournalLines", {**d365.line("x", debit=1), **there})["LineNumber"] == 1
    d365.control("POST", "accounts", {"number": "6777", "name": "New", "MainAccountType": "Expense"}).raise_for_status()
    assert d365.add_line(journal, "6777-----", debit=1)["LineNumber"] == 2


def test_dimension_values_change_in_the_forms(d365):
    journal = d365.journal()
    value = {"dimension": "CostCenter", "value": "200"}
    assert d365.control("DELETE", "dimension-values", value).status_code == 204
    assert "'200' for financial dimension CostCenter does not exist" in d365.refuse_line(
        journal, AccountDisplayValue="6000---200--"
    )
    assert "200" not in {row["OperatingUnitNumber"] for row in d365.rows("CostCenters")}
    assert d365.control("POST", "dimension-values", {**value, "name": "Sales"}).status_code == 204
    d365.add_line(journal, "6000---200--", debit=1)
    d365.control("PATCH", "dimension-values", {**value, "company": "us01", "IsSuspended": "Yes"}).raise_for_status()
    assert "is suspended" in d365.refuse_line(journal, AccountDisplayValue="6000---200--")
    there = {"dataAreaId": "us02", "JournalBatchNumber": d365.journal("us02")}
    body = {**d365.line("x", "6000---200--", debit=1), **there}
    assert d365.create("LedgerJournalLines", body)["LineNumber"] == 1


def test_mistakes_in_control_bodies_are_named(d365):
    for path, body in (
        ("settings", {"no_such": 1}),
        ("settings", {"page_size": "4"}),
        ("settings", {"language": "fr"}),
        ("accounts", {"number": "9999", "IsSuspended": "Yes"}),
        ("accounts", {"number": "6000", "IsSuspended": "Maybe"}),
        ("accounts", {"number": "6000", "NoField": "Yes"}),
        ("dimensions", {"delimiter": "Comma"}),
        ("dimensions", {"ledger": ["MainAccount", "Nothing"]}),
        ("dimensions", {"formats": []}),
        ("periods", {"company": "us01", "date": "1999-01-01", "status": "Open"}),
        ("periods", {"company": "us01", "date": "2026-11-01", "status": "Ajar"}),
        ("clients", {"client_id": "nobody", "registered": False}),
        ("journal-names", {"company": "us01", "name": "NOPE", "Description": "x"}),
    ):
        answer = d365.control("POST", path, body)
        assert answer.status_code == 422, (path, body, answer.text)
        assert answer.json()["error"]
    assert d365.control("DELETE", "journals/us01/NOPE").status_code == 422


@pytest.mark.parametrize(
    ("value", "criterion", "fits"),
    [
        ("6000", "6000..6999", True),
        ("601200", "6000..6999", True),
        ("7000", "6000..6999", False),
        ("2110", "1*;2*;3*", True),
        ("4000", "1*;2*;3*", False),
        ("", "*", False),
        ("", '*;""', True),
        ("200", '*;""', True),
        ("", "", False),
        ("200", "", False),
        ("us01", "US01", True),
    ],
)
def test_criteria(value, criterion, fits):
    assert fits_criterion(value, criterion) is fits
