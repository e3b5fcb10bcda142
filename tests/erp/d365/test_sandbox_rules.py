"""Every rule of simulator-rules.json, one test each, named after the rule: over HTTP, seen from the far side.

The sandbox has to refuse what Dynamics refuses, or every other test of the connector would prove nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tests.erp.d365.dynamics import (
    Dynamics,
    at_once,
    batch_of,
    changeset,
    inner_message,
    inner_type,
    operation,
    parts_of,
    post_line,
    request_text,
    running,
)

RULES = Path(__file__).resolve().parents[4] / "shared/reference/dynamics365/simulator-rules.json"
WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
SECURITY_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataSecurityException"


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


@pytest.mark.contract
def test_every_rule_has_its_test():
    if not RULES.exists():
        pytest.skip("../shared/reference/dynamics365/simulator-rules.json is not here")
    wanted = {"test_" + rule["id"].replace("-", "_") for rule in json.loads(RULES.read_text())["rules"]}
    assert wanted <= set(globals())


# Signing in


def test_auth_1(d365):
    """401 without a body for: no token, a foreign one, an expired one, another audience, an unregistered client."""
    address = f"{d365.environment}/data/Companies"

    def status(**headers: str) -> int:
        answer = requests.get(address, headers=headers, timeout=10)
        if answer.status_code == 401:
            assert answer.content == b""
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        return answer.status_code

    good = d365.sign_in()
    assert status(**good) == 200
    assert status() == 401
    assert status(Authorization="Bearer not.a.token") == 401
    head, payload, _ = good["Authorization"].split(".")
    assert status(Authorization=f"{head}.{payload}.{'A' * 43}") == 401
    assert status(**d365.sign_in(scope="https://graph.microsoft.com/.default")) == 401
    assert status(**d365.sign_in(scope=f"{d365.environment}//.default")) == 401, (
        "a slash at the end is another audience"
    )
    d365.control("POST", "expire-tokens").raise_for_status()
    assert status(**good) == 401
    good = d365.sign_in()
    client_id = d365.facts["client_id"]
    d365.control("POST", "clients", {"client_id": client_id, "registered": False}).raise_for_status()
    assert status(**good) == 401
    assert status(**d365.sign_in()) == 401, "Entra still gives tokens; Dynamics alone does not know the client"
    d365.control("POST", "clients", {"client_id": client_id, "registered": True}).raise_for_status()
    assert status(**good) == 200
    d365.control("POST", "settings", {"token_seconds": 1}).raise_for_status()
    short = d365.sign_in()
    assert status(**short) == 200
    time.sleep(1.1)
    assert status(**short) == 401


def test_auth_2(d365):
    """Roles, default company and language of the one F&O user behind the client id apply to every call."""
    assert d365.rows("SysAADClients")[0]["AADClientId"] == d365.facts["client_id"]
    d365.control("POST", "settings", {"denied_entities": "LedgerJournalHeaders", "default_company": "us02"})
    for answer in (
        d365.call("GET", "LedgerJournalHeaders"),
        d365.call("POST", "LedgerJournalHeaders", {"JournalName": "PAYROLL"}),
    ):
        assert answer.status_code == 403
        assert inner_message(answer) == "Access is denied."
    assert {row["dataAreaId"] for row in d365.rows("JournalNames")} == {"us02"}
    d365.control("POST", "settings", {"denied_entities": "", "language": "de"})
    assert d365.create("LedgerJournalHeaders", {"JournalName": "PAYROLL"})["dataAreaId"] == "us02"
    answer = d365.call("POST", "LedgerJournalHeaders", {"JournalName": "NOPE"})
    assert "wurde in der verknüpften Tabelle" in inner_message(answer)


# Companies


def test_co_1(d365):
    """Without cross-company=true a read sees the default company, whatever the filter says."""
    d365.journal("us01")
    there = d365.journal("us02")
    assert {row["dataAreaId"] for row in d365.rows("LedgerJournalHeaders")} == {"us01"}
    assert d365.rows("LedgerJournalHeaders?$filter=dataAreaId eq 'us02'") == []
    found = d365.rows("LedgerJournalHeaders?$filter=dataAreaId eq 'us02'&cross-company=true")
    assert [row["JournalBatchNumber"] for row in found] == [there]
    assert len(d365.rows("LedgerJournalHeaders?cross-company=true")) == 2
    assert len(d365.rows("LedgerJournalHeaders?cross-company=false")) == 1


def test_co_2(d365):
    """GET, PATCH and DELETE by key of another company need cross-company=true."""
    key = f"LedgerJournalHeaders(dataAreaId='us02',JournalBatchNumber='{d365.journal('us02')}')"
    assert d365.call("GET", key).status_code == 404
    for method, body in (("PATCH", {"Description": "x"}), ("DELETE", None)):
        answer = d365.call(method, key, body)
        assert answer.status_code == 400
        assert inner_message(answer) == "No resources were found when selecting for update."
    key += "?cross-company=true"
    assert d365.get(key)["dataAreaId"] == "us02"
    assert d365.call("PATCH", key, {"Description": "seen"}).status_code == 204
    assert d365.get(key)["Description"] == "seen"
    assert d365.call("DELETE", key).status_code == 204
    assert d365.rows("LedgerJournalHeaders?cross-company=true") == []


def test_co_3(d365):
    """POST takes the company from the body, answers it in lower case; Company and OffsetCompany come in upper case."""
    made = d365.create("LedgerJournalHeaders", {"dataAreaId": "US02", "JournalName": "PAYROLL"})
    assert made["dataAreaId"] == "us02"
    assert d365.create("LedgerJournalHeaders", {"JournalName": "PAYROLL"})["dataAreaId"] == "us01"
    line = d365.add_line(made["JournalBatchNumber"], "6000-----", debit=1, dataAreaId="US02")
    assert (line["dataAreaId"], line["Company"], line["OffsetCompany"]) == ("us02", "US02", "US02")
    answer = d365.call("POST", "LedgerJournalHeaders", {"dataAreaId": "zz99", "JournalName": "PAYROLL"})
    assert answer.status_code == 400
    assert "The company 'zz99' does not exist." in inner_message(answer)


# Headers


def test_hdr_1(d365):
    """A header is created with a generated number, no currency, no totals, not posted."""
    body = {"dataAreaId": "us01", "JournalName": "PAYROLL", "Description": "Payroll 2026-11 KEY"}
    answer = d365.call("POST", "LedgerJournalHeaders", body)
    assert answer.status_code == 201
    made = answer.json()
    assert made["JournalBatchNumber"] == "US01-000001"
    assert made | {"AccountingCurrency": "", "JournalTotalDebit": 0, "JournalTotalCredit": 0, "IsPosted": "No"} == made
    assert made["Description"] == "Payroll 2026-11 KEY"
    assert made["@odata.context"] == f"{d365.environment}/data/$metadata#LedgerJournalHeaders/$entity"
    assert answer.headers["ETag"] == made["@odata.etag"]
    key = "LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='US01-000001')"
    assert answer.headers["Location"] == f"{d365.environment}/data/{key}"
    assert d365.get(key) == made
    for name, table in (("NOPE", "'Journal names'"), (None, "must be filled in")):
        body = {"dataAreaId": "us01"} | ({"JournalName": name} if name else {})
        answer = d365.call("POST", "LedgerJournalHeaders", body)
        assert answer.status_code == 400
        assert table in inner_message(answer)
    assert len(d365.rows("LedgerJournalHeaders")) == 1


def test_hdr_2(d365):
    """Description left out is the description of the journal name."""
    assert d365.create("LedgerJournalHeaders", {"JournalName": "GENJRN"})["Description"] == "General journal"
    assert d365.create("LedgerJournalHeaders", {"JournalName": "PAYROLL"})["Description"] == "Payroll journal"


def test_hdr_3(d365):
    """A JournalBatchNumber in the body is refused with 403, and so is everything that F&O decides."""
    for field, value in (
        ("JournalBatchNumber", "MINE-1"),
        ("IsPosted", "Yes"),
        ("JournalTotalDebit", 1),
        ("AccountingCurrency", "USD"),
        ("PostingLayer", "Current"),
    ):
        answer = d365.call("POST", "LedgerJournalHeaders", {"JournalName": "PAYROLL", field: value})
        assert answer.status_code == 403
        assert inner_type(answer) == SECURITY_EXCEPTION
        assert inner_message(answer) == f"insert not allowed for field '{field}'"
    assert d365.rows("LedgerJournalHeaders") == []


def test_hdr_4(d365):
    """PATCH of a read-only field gives 403, of Description 204 without a body."""
    key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{d365.journal()}')"
    for field, value in (
        ("JournalName", "GENJRN"),
        ("AccountingCurrency", "USD"),
        ("IsPosted", "Yes"),
        ("JournalTotalDebit", 1),
        ("JournalTotalCredit", 1),
        ("PostingLayer", "Tax"),
        ("JournalBatchNumber", "US01-000009"),
    ):
        answer = d365.call("PATCH", key, {field: value})
        assert answer.status_code == 403
        assert inner_type(answer) == SECURITY_EXCEPTION
    before = d365.get(key)
    answer = d365.call("PATCH", key, {"Description": "Payroll, corrected"})
    assert (answer.status_code, answer.content) == (204, b"")
    after = d365.get(key)
    assert after["Description"] == "Payroll, corrected"
    assert after["@odata.etag"] != before["@odata.etag"]
    assert {**after, "Description": "", "@odata.etag": ""} == {**before, "Description": "", "@odata.etag": ""}


def test_hdr_5(d365):
    """An empty unposted header can be deleted, one with lines cannot."""
    journal = d365.journal()
    key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
    d365.add_line(journal, debit=1)
    answer = d365.call("DELETE", key)
    assert answer.status_code == 400
    assert inner_message(answer) == (
        "Delete failed for table row of type 'LedgerJournalHeaderEntity'. Infolog: Error: Ledger journal table cannot be "
        "deleted while dependent Journal lines exist. Delete dependent Journal lines and try again.."
    )
    line = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)"
    assert d365.call("DELETE", line).status_code == 204
    assert d365.call("DELETE", key).status_code == 204
    assert d365.call("GET", key).status_code == 404


def test_hdr_6(d365):
    """No uniqueness on Description: two POSTs make two journals."""
    first = d365.journal(Description="Payroll KEY")
    second = d365.journal(Description="Payroll KEY")
    assert first != second
    assert len(d365.rows("LedgerJournalHeaders?$filter=Description eq 'Payroll KEY'")) == 2


# Lines


def test_line_1(d365):
    """LineNumber is given, 1, 2, 3 per journal, and refused in a body."""
    journal, other = d365.journal(), d365.journal()
    assert [d365.add_line(journal, debit=1)["LineNumber"] for _ in range(3)] == [1, 2, 3]
    assert d365.add_line(other, debit=1)["LineNumber"] == 1
    message = d365.refuse_line(journal, status=403, LineNumber=4)
    assert message == "insert not allowed for field 'LineNumber'"


def test_line_2(d365):
    """An existing unposted journal and a currency are needed; AccountType is Ledger, ExchRate 100 by default."""
    journal = d365.journal()
    line = d365.create(
        "LedgerJournalLines",
        {
            "dataAreaId": "us01",
            "JournalBatchNumber": journal,
            "CurrencyCode": "USD",
            "AccountDisplayValue": "6000-----",
            "DebitAmount": Decimal("1.50"),
        },
    )
    assert (line["AccountType"], line["ExchRate"], line["DebitAmount"]) == ("Ledger", 100, Decimal("1.5"))
    assert "Field 'Currency' must be filled in." in d365.refuse_line(journal, CurrencyCode=...)
    assert "'LedgerJournalLineEntity.CurrencyCode'" in d365.refuse_line(journal, CurrencyCode=...)
    assert "'Journal batch number' must be filled in" in d365.refuse_line(journal, JournalBatchNumber=...)
    assert "'Ledger journal table'" in d365.refuse_line(journal, JournalBatchNumber="US01-000999")
    assert "'Ledger journal table'" in d365.refuse_line(d365.journal("us02")), "a journal of another company"
    assert "'Currencies'" in d365.refuse_line(journal, CurrencyCode="XXX")
    assert "must be = 1.00" in d365.refuse_line(journal, ExchRate=1)
    assert d365.add_line(journal, debit=1, ExchRate=100, Voucher="B1")["ExchRate"] == 100
    assert "does not exist" in d365.refuse_line(journal, CurrencyCode="EUR")
    d365.add_line(journal, credit=1, Voucher="B1")
    (outcome,) = d365.sandbox.post_journals()
    assert outcome.log[0] == "Fiscal period for 1900-01-01 is not open.", "the first line has no date"
    d365.sandbox.delete_line("us01", journal, 1)
    assert d365.sandbox.post_journals()[0].is_posted
    assert "is posted" in d365.refuse_line(journal)


def test_line_3(d365):
    """TransDate is a day at noon UTC, empty reads 1900-01-01; one voucher holds one date."""
    journal = d365.journal(name="MANUAL")
    line = d365.add_line(journal, debit=1, TransDate="2026-11-13T00:00:00Z", Voucher="A1")
    assert line["TransDate"] == "2026-11-13T12:00:00Z"
    assert line["DueDate"] == "1900-01-01T12:00:00Z"
    late = d365.add_line(journal, debit=1, TransDate="2026-11-13T23:30:00-05:00", Voucher="A2")
    assert late["TransDate"] == "2026-11-14T12:00:00Z"
    undated = {name: value for name, value in d365.line(journal, debit=1, Voucher="A3").items() if name != "TransDate"}
    assert d365.create("LedgerJournalLines", undated)["TransDate"] == "1900-01-01T12:00:00Z"
    message = d365.refuse_line(journal, Voucher="A1", TransDate="2026-11-14T12:00:00Z")
    assert "Voucher A1 already has transaction date 2026-11-13" in message
    for wrong in ("2026-11-13", "13.11.2026", "2026-13-13T12:00:00Z", "2026-11-13T12:00:00", None, 20261113):
        d365.refuse_line(journal, TransDate=wrong)


def test_line_4(d365):
    """Vouchers left out come from the series of the journal name, as its NewVoucher says; sent ones are kept."""

    def vouchers(name: str, *amounts: tuple[int, int, dict[str, str]]) -> list[str]:
        journal = d365.journal(name=name)
        return [
            d365.add_line(journal, debit=debit, credit=credit, **fields)["Voucher"] for debit, credit, fields in amounts
        ]

    offset = {"OffsetAccountDisplayValue": "2110-----"}
    first, second, third = (f"GEN{number:06d}" for number in (1, 2, 3))
    balance = vouchers("GENJRN", (10, 0, {}), (0, 4, {}), (0, 6, {}), (5, 0, {}), (0, 5, {}))
    assert balance == [first] * 3 + [second] * 2
    assert vouchers("GENJRN", (1, 0, offset), (1, 0, offset)) == [third, "GEN000004"], "an offset always balances"
    assert vouchers("PAYROLL", (1, 0, {}), (0, 1, {}), (2, 0, {})) == ["PAY000001"] * 3
    manual = vouchers("MANUAL", (1, 0, {}), (0, 1, {}), (2, 0, {"Voucher": "OWN1"}), (0, 2, {}))
    assert manual == ["GEN000005", "GEN000005", "OWN1", "OWN1"]
    fixed = vouchers("OFFSET", (1, 0, {}), (1, 0, {}))
    assert len(set(fixed)) == 2, "a fixed offset account gives each line a voucher of its own"

    # A voucher that was sent is kept and unique in the company, also once it is posted.
    journal = d365.journal()
    assert d365.add_line(journal, debit=1, Voucher="PR0001")["Voucher"] == "PR0001"
    d365.add_line(journal, credit=1, Voucher="PR0001")
    other = d365.journal()
    assert "Voucher PR0001 is already used in journal" in d365.refuse_line(other, Voucher="PR0001")
    assert d365.sandbox.post_journals("us01", journal)[0].is_posted
    assert "Voucher PR0001 is already used in journal" in d365.refuse_line(other, Voucher="PR0001")
    assert d365.rows("LedgerJournalLines?$filter=Voucher eq 'PR0001'")[0]["JournalBatchNumber"] == journal

    # With VoucherAllocationAtPosting it is a placeholder, replaced at posting.
    for _ in range(2):
        journal = d365.journal(name="ALLOC")
        d365.add_line(journal, debit=7, Voucher="1")
        d365.add_line(journal, credit=7, Voucher="1")
        assert d365.sandbox.post_journals("us01", journal)[0].is_posted
        (voucher,) = {
            row["Voucher"] for row in d365.rows(f"LedgerJournalLines?$filter=JournalBatchNumber eq '{journal}'")
        }
        assert voucher.startswith("PAY0")
        entries = d365.rows(f"GeneralJournalAccountEntries?$filter=Voucher eq '{voucher}'")
        assert len(entries) == 2


def test_line_5(d365):
    """A line updates its header; two writers at the same time on one journal conflict, on two journals they do not."""
    journal, other = d365.journal(), d365.journal()
    key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
    before = d365.get(key)["@odata.etag"]
    d365.add_line(journal, debit=1)
    assert d365.get(key)["@odata.etag"] != before

    def add(to: str):
        return lambda: d365.call("POST", "LedgerJournalLines", d365.line(to, debit=1))

    answers = at_once(d365, add(journal), add(journal))
    assert sorted(answer.status_code for answer in answers) == [201, 400]
    (refused,) = (answer for answer in answers if answer.status_code == 400)
    assert inner_type(refused) == WRITE_EXCEPTION
    assert inner_message(refused) == (
        "Write failed for table row of type 'LedgerJournalLineEntity'. Infolog: Error: Cannot edit a record in Ledger "
        "journal table (LedgerJournalTable).\nAn update conflict occurred due to another user process deleting the record "
        "or changing one or more fields in the record.."
    )
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 2
    assert [answer.status_code for answer in at_once(d365, add(journal), add(other))] == [201, 201]
    assert [add(journal)().status_code for _ in range(3)] == [201, 201, 201], "one after the other is fine"


def test_line_6(d365):
    """Debit and credit on one line need an offset account."""
    journal = d365.journal(name="GENJRN")
    assert "need an offset account" in d365.refuse_line(journal, DebitAmount=5, CreditAmount=5)
    offset = {"OffsetAccountDisplayValue": "2110-----"}
    assert d365.add_line(journal, debit=5, credit=2, **offset)["CreditAmount"] == 2


def test_line_7(d365):
    """Ledger: dimensions in AccountDisplayValue, default ones ignored. Vendor: the escaped number, default ones count."""
    journal = d365.journal()
    line = d365.add_line(journal, "6000--020-200--", debit=1, DefaultDimensionDisplayValue="nonsense")
    assert line["AccountDisplayValue"] == "6000--020-200--"
    assert line["DefaultDimensionDisplayValue"] == ""
    vendor = {"AccountType": "Vend", "DefaultDimensionDisplayValue": "002--"}
    line = d365.add_line(journal, "V\\-0042", credit=1, **vendor)
    assert (line["AccountDisplayValue"], line["DefaultDimensionDisplayValue"]) == ("V\\-0042", "002--")
    vendor["AccountDisplayValue"] = "V\\-0042"
    assert "'Vendors'" in d365.refuse_line(journal, **vendor | {"AccountDisplayValue": "V-0042"}), "not escaped"
    assert "'Vendors'" in d365.refuse_line(journal, **vendor | {"AccountDisplayValue": "9999"})
    assert "on hold" in d365.refuse_line(journal, **vendor | {"AccountDisplayValue": "1009"})
    assert "BusinessUnit" in d365.refuse_line(journal, **vendor | {"DefaultDimensionDisplayValue": "777--"})
    assert "number of segments" in d365.refuse_line(journal, **vendor | {"DefaultDimensionDisplayValue": "002"})
    assert d365.add_line(journal, "OPER", credit=1, AccountType="Bank")["AccountType"] == "Bank"
    assert "'Bank accounts'" in d365.refuse_line(journal, AccountType="Bank", AccountDisplayValue="NOPE")
    assert "is not set up" in d365.refuse_line(journal, AccountType="Cust", AccountDisplayValue="C1")


def test_line_8(d365):
    """A dimension that the account structure and its advanced rules lack is refused, whatever its value."""
    journal = d365.journal()
    message = d365.refuse_line(journal, AccountDisplayValue="2110---200--")
    assert "dimension CostCenter is not in account structure Balance sheet" in message
    assert "dimension Affiliate is not in" in d365.refuse_line(journal, AccountDisplayValue="2110-----US02")
    assert d365.add_line(journal, "1350-----US02", debit=1)["LineNumber"] == 1, "an advanced rule adds it to 1350"
    assert "dimension Affiliate is not in" in d365.refuse_line(journal, AccountDisplayValue="6000-----US02"), (
        "draft rule"
    )
    assert "does not allow '' for CostCenter" in d365.refuse_line(journal, AccountDisplayValue="5000-----")
    assert d365.add_line(journal, "5000---300--", debit=1)["LineNumber"] == 2
    there = d365.journal("us02")
    fields = {"dataAreaId": "us02", "JournalBatchNumber": there, "AccountDisplayValue": "6000-001----"}
    assert "dimension BusinessUnit is not in account structure Profit and loss US02" in d365.refuse_line(
        there, **fields
    )


def test_line_9(d365):
    """No active format, or an inactive dimension in it: nothing can be entered on the ledger."""
    journal = d365.journal()
    d365.control("POST", "dimensions", {"active": {"ledger": False}}).raise_for_status()
    message = d365.refuse_line(journal)
    assert message.endswith("Infolog: Error: No active format for data entities has been set up.")
    d365.control("POST", "dimensions", {"active": {"ledger": True}, "inactive": ["Project"]}).raise_for_status()
    assert d365.refuse_line(journal).endswith("Infolog: Error: Only active dimensions can be used.")
    d365.control("POST", "dimensions", {"reactivate": ["Project"]}).raise_for_status()
    assert d365.add_line(journal, debit=1)["LineNumber"] == 1


# Posting


def test_post_1(d365):
    """Nothing under /data posts a journal; the Post journals batch does."""
    journal = d365.journal()
    d365.add_line(journal, debit=10)
    d365.add_line(journal, "2110-----", credit=10)
    key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
    for action in ("Post", "post", "checkPost"):
        answer = d365.call("POST", f"{key}/Microsoft.Dynamics.DataEntities.{action}", {})
        assert answer.status_code == 404
    assert d365.call("PATCH", key, {"IsPosted": "Yes"}).status_code == 403
    assert d365.get(key)["IsPosted"] == "No"
    d365.control("POST", "post-journals", {"company": "us02"}).raise_for_status()
    assert d365.get(key)["IsPosted"] == "No"
    outcome = d365.control("POST", "post-journals", {"company": "us01"}).json()["journals"]
    assert outcome == [{"company": "us01", "journal": journal, "is_posted": True, "log": []}]
    posted = d365.get(key)
    assert (posted["IsPosted"], posted["JournalTotalDebit"], posted["JournalTotalCredit"]) == ("Yes", 10, 10)
    assert posted["AccountingCurrency"] == "USD"
    assert d365.control("POST", "post-journals", {}).json()["journals"] == [], "never twice"
    assert len(d365.sandbox.ledger_state()["general_ledger"]) == 2


def test_post_2(d365):
    """Without the two number sequences nothing is created or posted."""
    journal = d365.journal()
    d365.add_line(journal, debit=10)
    d365.add_line(journal, "2110-----", credit=10)
    d365.control("POST", "sequences", {"company": "us01", "references": ["LedgerJournalId"]}).raise_for_status()
    (outcome,) = d365.sandbox.post_journals()
    assert not outcome.is_posted
    assert "GeneralJournalEntryJournalNumber" in outcome.log[0]
    assert d365.sandbox.ledger_state()["general_ledger"] == []
    references = ["GeneralJournalEntryJournalNumber"]
    d365.control("POST", "sequences", {"company": "us01", "references": references}).raise_for_status()
    answer = d365.call("POST", "LedgerJournalHeaders", {"JournalName": "PAYROLL"})
    assert answer.status_code == 400
    assert "LedgerJournalId" in inner_message(answer)
    references = ["GeneralJournalEntryJournalNumber", "LedgerJournalId"]
    d365.control("POST", "sequences", {"company": "us01", "references": references}).raise_for_status()
    assert d365.sandbox.post_journals()[0].is_posted


# Batches


def test_batch_1(d365):
    """200 outside whatever happens inside; a failed changeset is one error part and stores nothing."""
    journal = d365.journal()
    good, bad = d365.line(journal, debit=1), d365.line(journal, "9999-----", debit=1)
    parts = d365.send_changesets([good, good, good])
    assert [(part.content_id, part.status) for part in parts] == [("1", 201), ("2", 201), ("3", 201)]
    assert [part.json()["LineNumber"] for part in parts] == [1, 2, 3]
    assert parts[0].headers["location"].endswith(f"(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)")
    parts = d365.send_changesets([good, bad, good])
    assert len(parts) == 1
    assert parts[0].status == 400
    assert inner_type(parts[0]) == WRITE_EXCEPTION
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 3
    d365.control("POST", "settings", {"infolog_status": 500})
    assert d365.send_changesets([bad])[0].status == 500


def test_batch_2(d365):
    """The Content-ID of the error part is not the failing row's; the row is known from the text only."""
    journal = d365.journal()
    bad = d365.line(journal, debit=1, CurrencyCode="XXX")
    (part,) = d365.send_changesets([d365.line(journal, debit=1), d365.line(journal, debit=2), bad])
    assert part.content_id == "1"
    assert "'XXX'" in inner_message(part)


def test_batch_3(d365):
    """Changesets are committed one by one; after a failed one the rest goes unanswered and undone, unless asked to."""
    journal = d365.journal()
    good, bad = d365.line(journal, debit=1), d365.line(journal, "9999-----", debit=1)
    parts = d365.send_changesets([good], [bad], [good])
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 400)]
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 1
    parts = d365.send_changesets([good], [bad], [good], Prefer="odata.continue-on-error")
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 400), (3, 201)]
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 3


def test_batch_4(d365):
    """More operations than the limit are refused as a whole; the limit is 5,000, or what the environment says."""
    assert d365.sandbox.settings.batch_limit == 5_000
    d365.control("POST", "settings", {"batch_limit": 5})
    journal = d365.journal()
    texts = [post_line(d365.environment, d365.line(journal, debit=1)) for _ in range(3)]
    answer = d365.batch(batch_of(changeset(1, texts), changeset(2, texts)))
    assert answer.status_code == 400
    assert d365.sandbox.ledger_state()["journals"][0]["lines"] == []
    assert d365.batch(batch_of(changeset(1, texts), changeset(2, texts[:2]))).status_code == 200
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 5


def test_batch_5(d365):
    """A part carries its own 429 with Retry-After while the outer status is 200."""
    journal = d365.journal()
    good = d365.line(journal, debit=1)
    d365.fault("batch_part_429", skip=1, headers={"Retry-After": "7"})
    parts = d365.send_changesets([good], [good], [good])
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 429)]
    assert parts[1].headers["retry-after"] == "7"
    assert parts[1].json()["error"]["code"] == "429"
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 1


# Reading


def test_read_1(d365):
    """Pages of 10,000 with an absolute nextLink; $top, $skip, $count, $select, $orderby, $filter; no unknown $expand."""
    assert d365.sandbox.settings.page_size == 10_000
    d365.control("POST", "settings", {"page_size": 4})
    journal = d365.journal(name="GENJRN")
    for amount in range(1, 11):
        d365.add_line(journal, debit=amount)
    asked = f"LedgerJournalLines?$filter=JournalBatchNumber eq '{journal}'&$orderby=DebitAmount desc&$count=true&$select=DebitAmount"
    document = d365.get(asked)
    assert document["@odata.count"] == 10
    assert document["@odata.context"].endswith("#LedgerJournalLines(DebitAmount)")
    assert all(set(row) == {"@odata.etag", "DebitAmount"} for row in document["value"])
    amounts, links = [row["DebitAmount"] for row in document["value"]], 0
    while "@odata.nextLink" in document:
        assert document["@odata.nextLink"].startswith(f"{d365.environment}/data/LedgerJournalLines?")
        answer = requests.get(document["@odata.nextLink"], headers=d365.headers, timeout=10)
        document = answer.json()
        amounts += [row["DebitAmount"] for row in document["value"]]
        links += 1
    assert (amounts, links) == (list(range(10, 0, -1)), 2)
    top = d365.get("LedgerJournalLines?$orderby=LineNumber&$skip=2&$top=3")
    assert [row["LineNumber"] for row in top["value"]] == [3, 4, 5]
    assert "@odata.nextLink" not in top
    page = d365.get("LedgerJournalLines?$top=6")
    assert (len(page["value"]), "@odata.nextLink" in page) == (4, True)
    assert len(requests.get(page["@odata.nextLink"], headers=d365.headers, timeout=10).json()["value"]) == 2
    for wrong in ("$expand=LedgerJournalLines", "$top=-1", "$skip=x", "$count=yes", "$search=x", "$apply=x"):
        assert d365.call("GET", f"LedgerJournalHeaders?{wrong}").status_code == 400, wrong


def test_read_2(d365):
    """Enumerations only by their full literal with eq and ne; a number is an incompatible type."""
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    d365.add_line(journal, "2110-----", credit=1)
    d365.sandbox.post_journals()
    d365.journal()
    yes = "Microsoft.Dynamics.DataEntities.NoYes'Yes'"
    assert [row["JournalBatchNumber"] for row in d365.rows(f"LedgerJournalHeaders?$filter=IsPosted eq {yes}")] == [
        journal
    ]
    assert len(d365.rows(f"LedgerJournalHeaders?$filter=IsPosted ne {yes}")) == 1
    answer = d365.call("GET", "LedgerJournalHeaders?$filter=IsPosted eq 0")
    assert answer.status_code == 400
    assert inner_message(answer) == (
        "A binary operator with incompatible types was detected. Found operand types "
        "'Microsoft.Dynamics.DataEntities.NoYes' and 'Edm.Int32' for operator kind 'Equal'."
    )
    other = "Microsoft.Dynamics.DataEntities.NewVoucher'Manually'"
    unknown = "Microsoft.Dynamics.DataEntities.NoYes'Maybe'"
    for wrong in ("eq 'Yes'", f"gt {yes}", f"eq {other}", f"eq {unknown}", "eq Yes", "has 1"):
        assert d365.call("GET", f"LedgerJournalHeaders?$filter=IsPosted {wrong}").status_code == 400, wrong
    kind = "Microsoft.Dynamics.DataEntities.LedgerJournalACType'Ledger'"
    assert d365.rows(f"LedgerJournalLines?$filter=AccountType eq {kind}") == [], "reportedly returns nothing"


def test_read_3(d365):
    """A star in a text stands for anything."""
    journal = d365.journal()
    for text in ("PAY 2026-11 17 Wages", "PAY 2026-11 17 Taxes", "PAY 2026-11 18 Wages", "Bonus"):
        d365.add_line(journal, debit=1, Text=text)

    def count(condition: str) -> int:
        return len(d365.rows(f"LedgerJournalLines?$filter={condition}"))

    assert count("Text eq 'PAY 2026-11 17 *'") == 2
    assert count("Text eq '*wages*'") == 2
    assert count("Text eq '*Wages'") == 2
    assert count("Text eq 'PAY*Wages'") == 2
    assert count("Text ne 'PAY*'") == 1
    assert count("Text eq 'PAY'") == 0
    assert count("Text eq 'BONUS'") == 1, "texts compare without case"


def test_read_4(d365):
    """A blank in the query is %20; "+" is refused."""
    d365.journal()
    assert d365.call("GET", "LedgerJournalHeaders?$filter=JournalName eq 'PAYROLL'").status_code == 200
    answer = d365.call("GET", "LedgerJournalHeaders?$filter=JournalName+eq+'PAYROLL'")
    assert answer.status_code == 400
    assert "%20" in answer.json()["error"]["message"]


def test_read_5(d365):
    """Names of collections, fields and query options are case-sensitive."""
    answer = d365.call("GET", "ledgerjournalheaders")
    assert answer.status_code == 404
    address = f"{d365.environment}/data/ledgerjournalheaders"
    assert answer.json() == {"Message": f"No HTTP resource was found that matches the request URI '{address}'."}
    for wrong in (
        "$filter=journalname eq 'X'",
        "$select=journalname",
        "$orderby=journalname",
        "$Filter=JournalName eq 'X'",
    ):
        assert d365.call("GET", f"LedgerJournalHeaders?{wrong}").status_code == 400, wrong
    assert d365.call("POST", "LedgerJournalHeaders", {"journalName": "PAYROLL"}).status_code == 400
    journal = d365.journal()
    assert (
        d365.call("GET", f"LedgerJournalHeaders(DataAreaId='us01',JournalBatchNumber='{journal}')").status_code == 400
    )
    assert d365.rows(f"LedgerJournalHeaders?$filter=JournalBatchNumber eq '{journal.lower()}'"), "values are not"


# Errors


def test_err_1(d365):
    """A plain PATCH says only that an error has occurred; the same PATCH in a batch carries the Infolog."""
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)"
    plain = d365.call("PATCH", key, {"CurrencyCode": "XXX"})
    assert plain.status_code == 500
    assert plain.json() == {"error": {"code": "", "message": "An error has occurred."}}
    text = request_text("PATCH", f"{d365.environment}/data/{key}", {"CurrencyCode": "XXX"})
    (part,) = parts_of(d365.batch(batch_of(changeset(1, [text]))))
    assert part.status == 400
    assert "The value 'XXX' in field 'Currency' is not found" in inner_message(part)
    assert d365.get(key)["CurrencyCode"] == "USD"
    (single,) = parts_of(d365.batch(batch_of(operation(text))))
    assert "'XXX'" in inner_message(single)


def test_err_2(d365):
    """Infolog texts are in the language of the F&O user."""
    journal = d365.journal()
    english = d365.refuse_line(journal, CurrencyCode="XXX")
    d365.control("POST", "settings", {"language": "de"})
    german = d365.refuse_line(journal, CurrencyCode="XXX")
    assert "is not found in the related table 'Currencies'" in english
    assert "wurde in der verknüpften Tabelle 'Currencies' nicht gefunden" in german
    assert english.partition("Infolog:")[0] == german.partition("Infolog:")[0]


def test_thr_1(d365):
    """No quota per user; 429 with Retry-After only under load."""
    statuses: list[int] = []

    def read() -> None:
        statuses.extend(d365.call("GET", "Companies").status_code for _ in range(25))

    d365.sign_in()
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    d365.fault("status", status=429, headers={"Retry-After": "15"}, path="/data/")
    answer = d365.call("GET", "Companies")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "15")
    assert d365.call("GET", "Companies").status_code == 200


def test_del_1(d365):
    """Undo: every line in changesets, then the header; only while the journal is not posted."""
    journal = d365.journal()
    for amount in (1, 2, 3):
        d365.add_line(journal, debit=amount)
        d365.add_line(journal, "2110-----", credit=amount)
    header = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"

    def delete(numbers: range) -> list[int]:
        keys = [f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber={n})" for n in numbers]
        texts = [request_text("DELETE", f"{d365.environment}/data/{key}") for key in keys]
        return [part.status for part in parts_of(d365.batch(batch_of(changeset(1, texts))))]

    assert delete(range(1, 5)) == [204] * 4
    assert delete(range(1, 3)) == [400], "they are gone"
    assert d365.add_line(journal, debit=1)["LineNumber"] == 7, "the highest left plus one"
    assert delete(range(5, 8)) == [204] * 3
    assert d365.call("DELETE", header).status_code == 204
    assert d365.sandbox.ledger_state()["journals"] == []

    journal = d365.journal()
    header = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
    d365.add_line(journal, debit=1)
    d365.add_line(journal, "2110-----", credit=1)
    assert d365.sandbox.post_journals()[0].is_posted
    assert delete(range(1, 3)) == [400]
    answer = d365.call("DELETE", header)
    assert answer.status_code == 400
    assert "is posted" in inner_message(answer)
    assert len(d365.sandbox.ledger_state()["general_ledger"]) == 2


def test_gl_1(d365):
    """Posted rows carry the voucher, our document, the ledger's own journal number, and DataArea."""
    journal = d365.journal()
    d365.add_line(journal, "6000--D\\-12-200--", debit=Decimal("1250.40"), Document="MLCKEY000000042")
    d365.add_line(journal, "2110-----", credit=Decimal("1250.40"), Document="MLCKEY000000042")
    d365.add_line(
        journal, "V\\-0042", credit=5, AccountType="Vend", OffsetAccountDisplayValue="6300-----", Document="OTHER"
    )
    assert d365.rows("GeneralJournalAccountEntries") == []
    assert d365.sandbox.post_journals()[0].is_posted
    entries = d365.rows("GeneralJournalAccountEntries?cross-company=true&$filter=DocumentNumber eq 'MLCKEY000000042'")
    assert [entry["AccountDisplayValue"] for entry in entries] == ["6000--D\\-12-200--", "2110-----"]
    assert [entry["AccountingCurrencyAmount"] for entry in entries] == [Decimal("1250.4"), Decimal("-1250.4")]
    assert [entry["IsCredit"] for entry in entries] == ["No", "Yes"]
    assert {entry["Voucher"] for entry in entries} == {"PAY000001"}
    assert {entry["DataArea"] for entry in entries} == {"us01"}
    assert {entry["AccountingDate"] for entry in entries} == {"2026-11-13T12:00:00Z"}
    assert all(entry["JournalNumber"] != journal for entry in entries)
    assert "dataAreaId" not in entries[0]
    others = d365.rows("GeneralJournalAccountEntries?$filter=DocumentNumber eq 'OTHER'")
    amounts = {entry["AccountDisplayValue"]: entry["AccountingCurrencyAmount"] for entry in others}
    assert amounts == {"2000-----": -5, "6300-----": 5}
    d365.control("POST", "settings", {"default_company": "us02"})
    assert d365.rows("GeneralJournalAccountEntries") == []
    assert (
        d365.call(
            "DELETE",
            f"GeneralJournalAccountEntries(GeneralJournalAccountEntryRecId={entries[0]['GeneralJournalAccountEntryRecId']})?cross-company=true",
        ).status_code
        == 403
    )
