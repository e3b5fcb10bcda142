"""Posting in the Dynamics 365 sandbox, what people do with journals, and what tests look at: the ledger itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from audit.sandbox import loads
from tests.erp.d365.dynamics import TODAY, Dynamics, running


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


def entered(d365: Dynamics, amount: Any = 10, name: str = "PAYROLL", company: str = "us01", **fields: Any) -> str:
    """A balanced journal of two lines."""
    journal = d365.journal(company, name)
    d365.add_line(journal, debit=amount, dataAreaId=company, **fields)
    d365.add_line(journal, "2110-----", credit=amount, dataAreaId=company, **fields)
    return journal


def log_of(d365: Dynamics, journal: str) -> str:
    (outcome,) = d365.sandbox.post_journals("us01", journal)
    assert outcome.is_posted == (not outcome.log)
    return " ".join(outcome.log)


def test_a_closed_period_is_accepted_on_entry_and_refused_at_posting(d365):
    journal = entered(d365)
    body = {"company": "us01", "date": "2026-11-13", "status": "Closed"}
    assert d365.control("POST", "periods", body).json() == {"changed": 1}
    d365.add_line(journal, debit=1)
    d365.add_line(journal, "2110-----", credit=1)
    assert log_of(d365, journal) == "Fiscal period for 2026-11-13 is not open."
    assert d365.sandbox.ledger_state()["general_ledger"] == []
    d365.control("POST", "periods", {**body, "status": "OnHold"})
    assert "not open" in log_of(d365, journal)
    d365.control("POST", "periods", {**body, "status": "Open"})
    assert log_of(d365, journal) == ""


def test_periods_can_be_read(d365):
    periods = d365.rows("FiscalPeriods?$filter=FiscalYear eq '2026'")
    assert len(periods) == 14
    assert {row["Type"] for row in periods} == {"Opening", "Operating", "Closing"}
    november = next(row for row in periods if row["PeriodName"] == "Period 11")
    assert (november["StartDate"], november["EndDate"]) == ("2026-11-01T12:00:00Z", "2026-11-30T12:00:00Z")
    asked = "LedgerFiscalPeriodsV2?$filter=LegalEntityId eq 'us01' and PeriodName eq 'Period 11'"
    statuses = {row["YearName"]: row["PeriodStatus"] for row in d365.rows(asked)}
    assert statuses == {"2024": "Closed", "2025": "Open", "2026": "Open", "2027": "Open"}
    years = {row["FiscalYear"]: row["Status"] for row in d365.rows("FiscalYears?$filter=LegalEntityId eq 'US01'")}
    assert years == {"2024": "Close", "2025": "Open", "2026": "Open", "2027": "Open"}


def test_vouchers_that_do_not_balance(d365):
    journal = d365.journal()
    d365.add_line(journal, debit=Decimal("10.00"))
    d365.add_line(journal, "2110-----", credit=Decimal("9.99"))
    assert "do not balance as per 2026-11-13. (accounting currency: 0.01)" in log_of(d365, journal)
    d365.add_line(journal, "2110-----", credit=Decimal("0.01"))
    assert log_of(d365, journal) == ""

    journal = d365.journal()
    d365.add_line(journal, debit=Decimal("5"), Voucher="A")
    d365.add_line(journal, "2110-----", credit=Decimal("5"), Voucher="B")
    assert log_of(d365, journal).count("do not balance") == 2, "the journal balances, its vouchers do not"


def test_more_than_two_decimals_can_unbalance_a_voucher(d365):
    journal = d365.journal()
    for _ in range(2):
        d365.add_line(journal, debit=Decimal("0.005"))
    d365.add_line(journal, "2110-----", credit=Decimal("0.01"))
    assert "do not balance" in log_of(d365, journal)


def test_accounts_are_looked_at_again(d365):
    journal = entered(d365)
    d365.control("POST", "accounts", {"number": "2110", "IsSuspended": "Yes"})
    assert "Line 2: Main account 2110 is suspended." in log_of(d365, journal)


def test_journal_names_with_set_up_that_hinders(d365):
    assert "must be approved" in log_of(d365, entered(d365, name="APPROVE"))
    journal = entered(d365, name="PURGE", Document="GONE")
    assert log_of(d365, journal) == ""
    assert d365.rows(f"LedgerJournalLines?$filter=JournalBatchNumber eq '{journal}'") == []
    assert d365.rows("LedgerJournalHeaders?$filter=JournalTotalDebit eq 10")[0]["JournalBatchNumber"] == journal
    assert len(d365.rows("GeneralJournalAccountEntries?$filter=DocumentNumber eq 'GONE'")) == 2
    d365.control("POST", "journal-names", {"company": "us01", "name": "PAYROLL", "IsWorkflowApprovalActive": "Yes"})
    assert "must be approved" in log_of(d365, entered(d365))


def test_an_empty_journal_is_not_posted(d365):
    journal = d365.journal()
    assert d365.sandbox.post_journals() == []
    assert log_of(d365, journal) == "The journal holds no lines."


def test_foreign_currency(d365):
    journal = d365.journal()
    foreign = {"CurrencyCode": "EUR", "ExchRate": Decimal("110.00")}
    d365.add_line(journal, debit=Decimal("100.00"), **foreign)
    d365.add_line(journal, "2110-----", credit=Decimal("100.00"), **foreign)
    assert log_of(d365, journal) == ""
    entry = d365.rows("GeneralJournalAccountEntries")[0]
    assert (entry["TransactionCurrencyAmount"], entry["AccountingCurrencyAmount"]) == (100, 110)


def test_people_in_the_forms(d365):
    journal, posted = entered(d365), entered(d365)
    log_of(d365, posted)
    assert d365.control("PATCH", f"journals/us01/{journal}", {"Description": "Renamed"}).status_code == 204
    assert d365.rows("LedgerJournalHeaders?$filter=Description eq 'Renamed'")[0]["JournalBatchNumber"] == journal
    change = {"Text": "By hand", "Document": "X", "DebitAmount": Decimal("11.50")}
    assert d365.control("PATCH", f"journals/us01/{journal}/1", change).status_code == 204
    assert d365.rows("LedgerJournalLines?$filter=Document eq 'X'")[0]["DebitAmount"] == Decimal("11.5")
    assert d365.control("DELETE", f"journals/us01/{journal}/2").status_code == 204
    assert d365.control("DELETE", f"journals/us01/{journal}").status_code == 204
    assert [row["JournalBatchNumber"] for row in d365.rows("LedgerJournalHeaders")] == [posted]
    for path in (f"journals/us01/{posted}", f"journals/us01/{posted}/1"):
        assert d365.control("DELETE", path).status_code == 422
    assert d365.control("PATCH", f"journals/us01/{posted}", {"Description": "Later"}).status_code == 204
    assert d365.journal() > posted, "a number is never given twice"


def test_the_ledger_state_shows_duplicates(d365):
    first, second = entered(d365, Document="KEY1"), entered(d365, Document="KEY1")
    entered(d365, Decimal("2.25"), Document="KEY2")
    log_of(d365, first)
    state = loads(d365.control("GET", "ledger").content)
    key1, key2 = state["documents"]["KEY1"], state["documents"]["KEY2"]
    assert key1["journals"] == [f"us01/{first}", f"us01/{second}"]
    assert key1["posted_journals"] == [f"us01/{first}"]
    assert (key1["lines"], key1["debit"], key1["credit"], key1["entries"]) == (4, 20, 20, 2)
    assert (key1["ledger_debit"], key1["ledger_credit"]) == (10, 10)
    assert (key2["debit"], key2["posted_journals"]) == (Decimal("2.25"), [])
    assert len(d365.rows("LedgerJournalLines?$filter=Document eq 'KEY1'")) == 4
    assert len(d365.rows("LedgerJournalLines?$filter=Document eq 'KEY*'")) == 6
    journal = state["journals"][0]
    assert (journal["IsPosted"], journal["debit"], journal["credit"], journal["line_count"]) == ("Yes", 10, 10, 2)
    assert not [name for name in {**journal, **journal["lines"][0]} if name.startswith("_")]
    d365.control("POST", "reset").raise_for_status()
    state = d365.control("GET", "ledger").json()
    assert state == {"journals": [], "general_ledger": [], "documents": {}, "post_log": []}
    assert entered(d365, Document="KEY1")


def test_the_page(d365):
    """Journals with their sums, a button that posts, and nothing from a body taken as HTML."""
    journal = entered(d365, Decimal("1234.5"), Text="<script>alert(1)</script>")
    page = requests.get(f"{d365.environment}/", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    assert journal in page.text
    assert page.text.count("1,234.50") == 4
    assert "<script>" not in page.text
    (action,) = re.findall(r'action="([^"]+)">(?=<input)', page.text)
    answer = requests.post(action, data={"company": "us01", "journal": journal}, timeout=10)
    assert answer.url == f"{d365.environment}/"
    assert '<span class="state">posted</span>' in answer.text
    assert "<input" not in answer.text


def test_the_environment_posts_by_itself():
    with running(settings={"post_every_seconds": 0.2}) as d365:
        journal = entered(d365)
        key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
        end = time.monotonic() + 10
        while d365.get(key)["IsPosted"] == "No" and time.monotonic() < end:
            time.sleep(0.1)
        assert d365.get(key)["IsPosted"] == "Yes"
        assert len(d365.sandbox.ledger_state()["general_ledger"]) == 2


def test_the_books_survive_a_restart(tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    with running(path) as d365:
        journal = entered(d365, Document="KEPT")
        d365.control("POST", "settings", {"page_size": 7})
        d365.control("POST", "accounts", {"number": "6000", "IsSuspended": "Yes"})
    with running(path, today=TODAY.replace(year=2030)) as d365:
        assert d365.sandbox.settings.page_size == 7
        (header,) = d365.rows("LedgerJournalHeaders")
        assert header["JournalBatchNumber"] == journal
        assert len(d365.rows("LedgerJournalLines?$filter=Document eq 'KEPT'")) == 2
        assert "is suspended" in d365.refuse_line(journal)
        assert d365.journal() != journal
    with running(path, settings={"page_size": 3}) as d365:
        assert len(d365.get("MainAccounts")["value"]) == 3


def test_settings_and_facts(d365):
    facts = d365.control("GET", "facts").json()
    assert facts == d365.sandbox.facts()
    assert facts["company_codes"] == ["us01", "us02", "ca01"]
    assert facts["authority"] == f"{facts['environment']}/entra"
    assert facts["journal_name"] in {row["Name"] for row in d365.rows("JournalNames")}
    assert d365.control("GET", "settings").json()["default_company"] == "us01"
    with pytest.raises(ValueError, match="there is no setting nonsense"), running(settings={"nonsense": 1}):
        pass
