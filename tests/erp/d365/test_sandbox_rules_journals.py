"""Rules of simulator-rules.json about journals: hdr-*, line-*, post-*, del-1, gl-1. One test each, named after the rule."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.erp.d365.dynamics import (
    Dynamics,
    at_once,
    batch_of,
    changeset,
    inner_message,
    inner_type,
    parts_of,
    request_text,
    running,
)

WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
SECURITY_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataSecurityException"


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


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


# Undoing, and the ledger


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
    assert delete(range(7, 8)) == [204]
    assert d365.add_line(journal, debit=1)["LineNumber"] == 7
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
