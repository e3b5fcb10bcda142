"""OData of the Dynamics 365 sandbox beyond the rules: filters, keys, bodies, ETags."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.erp.d365.dynamics import Dynamics, inner_message, running


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


@pytest.fixture
def amounts(d365) -> Dynamics:
    """A journal with lines of 1 to 5 dollars, a day apart, each with a voucher of its own."""
    journal = d365.journal(name="MANUAL")
    for number in range(1, 6):
        day = f"2026-11-{number:02d}T12:00:00Z"
        d365.add_line(journal, debit=Decimal(number), TransDate=day, Voucher=f"V{number}", Text=f"O'Neil {number}")
    return d365


def numbers(d365: Dynamics, condition: str) -> list[int]:
    return [row["LineNumber"] for row in d365.rows(f"LedgerJournalLines?$filter={condition}")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("DebitAmount gt 3", [4, 5]),
        ("DebitAmount ge 3.0 and DebitAmount lt 5", [3, 4]),
        ("DebitAmount eq 1 or DebitAmount eq 5 and CreditAmount eq 1", [1]),
        ("(DebitAmount eq 1 or DebitAmount eq 5) and CreditAmount eq 0", [1, 5]),
        ("DebitAmount ne 2 and DebitAmount le 3", [1, 3]),
        ("Text eq 'O''Neil 2'", [2]),
        ("TransDate eq 2026-11-03T12:00:00Z", [3]),
        ("TransDate ge 2026-11-04T00:00:00Z", [4, 5]),
        ("TransDate le 2026-11-02T12:00:00%2B00:00", [1, 2]),
        ("Voucher gt 'v3'", [4, 5]),
        ("Voucher eq 'V1 '", [1]),
        ("LineNumber eq 2", [2]),
        ("Document eq 'mlckey000000001' and DebitAmount eq 4", [4]),
        ("Document eq null", []),
    ],
)
def test_filters(amounts, condition, expected):
    assert numbers(amounts, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "DebitAmount in (1,2)",
        "startswith(Text,'O')",
        "contains(Text,'O')",
        "not (DebitAmount eq 1)",
        "Text eq 5",
        "DebitAmount eq '5'",
        "DebitAmount add 1 eq 2",
        "TransDate eq 2026-11-03",
        "TransDate eq '2026-11-03T12:00:00Z'",
        "TransDate eq 2026-13-03T12:00:00Z",
        "NoSuchField eq 1",
        "Text eq",
        "Text",
        "(Text eq 'a'",
        "Text eq 'a' Text eq 'b'",
        "Text eq 'a')",
        "Text eq Voucher",
        "'a' eq Text",
        "Text = 'a'",
        "Text EQ 'a'",
        "LedgerJournalHeader/Description eq 'x'",
        "",
    ],
)
def test_filters_that_are_refused(amounts, condition):
    answer = amounts.call("GET", f"LedgerJournalLines?$filter={condition}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("The query specified in the URI is not valid.")


def test_order_and_window(amounts):
    def asked(options: str) -> list[int]:
        return [row["LineNumber"] for row in amounts.rows(f"LedgerJournalLines?{options}")]

    assert asked("$orderby=TransDate desc") == [5, 4, 3, 2, 1]
    assert asked("$orderby=CreditAmount asc,DebitAmount desc&$top=2") == [5, 4]
    assert asked("$skip=4") == [5]
    assert asked("$top=0") == []
    assert amounts.get("LedgerJournalLines?$top=1&$count=true")["@odata.count"] == 5
    for wrong in ("$orderby=DebitAmount down", "$orderby=", "$top=1&$top=2", "$count=1"):
        assert amounts.call("GET", f"LedgerJournalLines?{wrong}").status_code == 400, wrong


def test_keys(d365):
    journal = d365.journal()
    key = f"dataAreaId='us01',JournalBatchNumber='{journal}'"
    assert d365.get(f"LedgerJournalHeaders({key})")["JournalBatchNumber"] == journal
    assert d365.get(f"LedgerJournalHeaders(JournalBatchNumber='{journal}', dataAreaId='US01')")["dataAreaId"] == "us01"
    assert d365.get(f"LedgerJournalHeaders({key})?$select=IsPosted")["IsPosted"] == "No"
    status = "Microsoft.Dynamics.DataEntities.DimensionHierarchyConstraintStatus'Active'"
    assert d365.get(f"AccountStructures(AccountStructureName='Balance sheet',Status={status})")["SegmentName02"]
    assert d365.call("GET", "LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='O''Brien')").status_code == 404
    for wrong in ("dataAreaId='us01'", f"{key},X='1'", f"'{journal}'", f"{key},dataAreaId='us01'", "dataAreaId=us01"):
        assert d365.call("GET", f"LedgerJournalHeaders({wrong})").status_code == 400, wrong
    for wrong in ("$filter=IsPosted eq 1", "$top=1", "$count=true"):
        assert d365.call("GET", f"LedgerJournalHeaders({key})?{wrong}").status_code == 400, wrong
    assert d365.call("PUT", f"LedgerJournalHeaders({key})", {}).status_code == 405
    assert d365.call("DELETE", "LedgerJournalHeaders").status_code == 405
    assert d365.call("GET", "NoSuchSet").status_code == 404
    assert d365.call("DELETE", "LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='X')").status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"DebitAmount": "10.00"},
        {"DebitAmount": True},
        {"DebitAmount": None},
        {"Text": 5},
        {"AccountType": 0},
        {"AccountType": "ledger"},
        {"AccountType": "Vendor"},
        {"ReverseEntry": True},
        {"TransDate": "2026-11-13T12:00:00"},
        {"NoSuchField": 1},
        {"text": "x"},
        {"ListField01": "x"},
        {"@odata.type": "#Microsoft.Dynamics.DataEntities.LedgerJournalHeader"},
    ],
)
def test_bodies_that_are_refused(d365, wrong):
    journal = d365.journal()
    d365.refuse_line(journal, **wrong)


def test_bodies(d365):
    journal = d365.journal()
    kind = {"@odata.type": "#Microsoft.Dynamics.DataEntities.LedgerJournalLine"}
    line = d365.add_line(journal, debit=Decimal("0.10"), Text="Wages  ", Voucher=None, **kind)
    assert (line["DebitAmount"], line["Text"]) == (Decimal("0.1"), "Wages")
    for body in (b"", b"[]", b"{", b'"x"'):
        assert d365.call("POST", "LedgerJournalLines", body).status_code == 400, body
    answer = d365.call("POST", "LedgerJournalLines", d365.line(journal, debit=1), Content_Type="text/plain")
    assert answer.status_code == 415


def test_texts_over_their_length_are_refused_or_cut(d365):
    journal = d365.journal()
    for field, length in (("Document", 20), ("Text", 60)):
        assert d365.add_line(journal, debit=1, **{field: "x" * length})[field] == "x" * length
        assert f"longer than {length} characters" in d365.refuse_line(journal, **{field: "x" * (length + 1)})
    body = {"JournalName": "PAYROLL", "Description": "x" * 61}
    assert d365.call("POST", "LedgerJournalHeaders", body).status_code == 400
    d365.control("POST", "settings", {"overlong": "cut"})
    assert d365.add_line(journal, debit=1, Document="x" * 21)["Document"] == "x" * 20
    assert d365.create("LedgerJournalHeaders", body)["Description"] == "x" * 60


def test_etags(d365):
    journal = d365.journal()
    key = f"LedgerJournalHeaders(dataAreaId='us01',JournalBatchNumber='{journal}')"
    answer = d365.call("GET", key)
    first = answer.headers["ETag"]
    assert first == answer.json()["@odata.etag"]
    assert first.startswith('W/"')
    assert d365.call("PATCH", key, {"Description": "a"}, If_Match=first).status_code == 204
    for method, body in (("PATCH", {"Description": "b"}), ("DELETE", None)):
        assert d365.call(method, key, body, If_Match=first).status_code == 412
    assert d365.get(key)["Description"] == "a"
    assert d365.call("PATCH", key, {"Description": "c"}, If_Match="*").status_code == 204
    now = d365.get(key)["@odata.etag"]
    d365.add_line(journal, debit=1)
    assert d365.call("PATCH", key, {"Description": "d"}, If_Match=now).status_code == 412, "a line changes its header"
    assert [row["@odata.etag"] for row in d365.rows("LedgerJournalHeaders")] == [d365.get(key)["@odata.etag"]]


def test_what_is_read_only(d365):
    for name in ("MainAccounts", "JournalNames", "GeneralJournalAccountEntries", "SysAADClients"):
        assert d365.call("POST", name, {}).status_code == 403
    key = "MainAccounts(ChartOfAccounts='Shared',MainAccountId='6000')"
    assert d365.call("PATCH", key, {"IsSuspended": "Yes"}).status_code == 403
    assert d365.get(key)["IsSuspended"] == "No"


def test_display_values_are_built_on_request(d365):
    """getCombinationDisplayValue joins by the active format and drops what is not in it, without a word."""
    action = "DimensionCombinations/Microsoft.Dynamics.DataEntities.getCombinationDisplayValue"
    body = {
        "_entityName": "LedgerJournalLineEntity",
        "_propertyName": "LedgerDimension",
        "_attributeNames": ["MainAccount", "Department", "Campaign"],
        "_attributeValues": ["6000", "D-12", "spring"],
        "_ledgerJournalACType": "Ledger",
    }
    answer = d365.call("POST", action, body)
    assert answer.json()["value"] == "6000--D\\-12---"
    sets = "DimensionSets/Microsoft.Dynamics.DataEntities.getSetDisplayValue"
    body = {"_attributeNames": ["BusinessUnit"], "_attributeValues": ["002"]}
    assert d365.call("POST", sets, body).json()["value"] == "002--"
    assert d365.call("POST", sets, {}).status_code == 400


def test_the_service_document_lists_the_collections(d365):
    names = {row["name"] for row in d365.rows("")}
    assert {"LedgerJournalHeaders", "LedgerJournalLines", "MainAccounts", "LedgerFiscalPeriodsV2"} <= names
    for name in names:
        assert d365.call("GET", f"{name}?$top=1&cross-company=true").status_code == 200, name


def test_a_refused_change_keeps_the_row(d365):
    journal = d365.journal()
    line = d365.add_line(journal, debit=1)
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)"
    assert d365.call("PATCH", key, {"AccountDisplayValue": "9999-----"}).status_code == 500
    answer = d365.call("PATCH", key, {"LineNumber": 2})
    assert (answer.status_code, inner_message(answer)) == (403, "update not allowed for field 'LineNumber'")
    assert d365.get(key)["AccountDisplayValue"] == line["AccountDisplayValue"]
    assert d365.call("PATCH", key, {"DebitAmount": Decimal("2.5"), "Document": "NEWKEY"}).status_code == 204
    (changed,) = d365.rows("LedgerJournalLines?$filter=Document eq 'NEWKEY'")
    assert changed["DebitAmount"] == Decimal("2.5")


def test_a_line_changes_its_voucher_and_date(d365):
    """The old voucher is free again; a date can change only where the voucher has no other line."""
    journal, other = d365.journal(name="MANUAL"), d365.journal(name="MANUAL")
    d365.add_line(journal, debit=1, Voucher="A1")
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)"
    assert d365.call("PATCH", key, {"TransDate": "2026-11-14T12:00:00Z"}).status_code == 204
    assert d365.call("PATCH", key, {"Voucher": "A2"}).status_code == 204
    assert "already used" in d365.refuse_line(other, Voucher="A2")
    assert d365.add_line(other, debit=1, Voucher="A1")["Voucher"] == "A1"
    assert d365.call("PATCH", key, {"Voucher": "A1"}).status_code == 500
    d365.add_line(journal, debit=1, Voucher="A2", TransDate="2026-11-14T12:00:00Z")
    assert d365.call("PATCH", key, {"TransDate": "2026-11-15T12:00:00Z"}).status_code == 500
    assert d365.get(key)["TransDate"] == "2026-11-14T12:00:00Z"
