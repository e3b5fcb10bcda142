"""OData as the IFS Cloud sandbox speaks it: addresses, options, pages, records, bodies, preconditions."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urljoin

import pytest
import requests

from audit.sandbox import dumps, loads
from erp.ifs.sandbox_odata import literal_value
from tests.erp.ifs.cloud import ASSISTANT, PAY_DAY, Cloud, begun_anew, code_of, running

ACCOUNTS = "AccountsHandling/AccountSet"
OF_US10 = "Company eq 'US10'"


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def still() -> Iterator[Cloud]:
    """For tests that only read."""
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def numbers(ifs, condition):
    return [row["Account"] for row in ifs.rows(f"{ACCOUNTS}?$filter={OF_US10} and {condition}&$orderby=Account")]


# Addresses


def test_keys(ifs):
    answer = ifs.call("GET", f"{ACCOUNTS}(Account='6000',Company='US10')")
    assert (answer.status_code, answer.json()["Description"]) == (200, "Wages and salaries")
    assert answer.headers["ETag"] == answer.json()["@odata.etag"]
    assert ifs.call("GET", f"{ACCOUNTS}(Company='US10',Account='1')").status_code == 404
    assert ifs.call("GET", "CodeBHandling/CodeBSet(Company='US10',CodeB='O''Neil')").status_code == 200
    rate = "CurrencyRatesHandling/CurrencyRateSet(Company='US10',CurrencyType='1',CurrencyCode='CAD',ValidFrom={})"
    assert ifs.get(rate.format("2000-01-01"))["CurrencyRate"] == Decimal("0.74")
    number = ifs.voucher()
    voucher = "VouchersAnalysis/VoucherSet(Company='US10',AccountingYear=2026,VoucherType='M',VoucherNo={})"
    assert ifs.get(voucher.format(number))["VoucherNo"] == number
    for wrong in (
        "(Company='US10')", "('6000')", "(Company='US10',Account=6000)", "(Company='US10',Account='6000',X=1)",
        "(Company='US10',Account=x)", "(Company='US10',Account=60 00)", "(Company='US10',Account='60'00')",
        "(Company='US10',Company='US10')",
    ):  # fmt: skip
        assert ifs.call("GET", f"{ACCOUNTS}{wrong}").status_code in {400, 404}, wrong
    for wrong in (rate.format("'2000-01-01'"), rate.format("2000-13-01"), voucher.format(f"'{number}'")):
        assert code_of(ifs.call("GET", wrong)) == (400, "ODP_UNSUPPORTED_URL"), wrong


@pytest.mark.parametrize(
    "path",
    [
        "Nothing/AccountSet", "AccountsHandling/NothingSet", f"{ACCOUNTS}/x", f"{ACCOUNTS}(Company='US10',Account='6000')/x",
        f"{ACCOUNTS}(Company='US10',Account='6000')/IfsApp.AccountsHandling.Account_Do",
        "AccountingPeriodsHandling/AccountingPeriodDetailArray", "AccountsHandling/$openapi",
    ],
)  # fmt: skip
def test_unknown_addresses(still, path):
    expected = "MI_METADATA_NOTFOUND" if path.startswith("Nothing") else "ODP_RESOURCE_NOTFOUND"
    assert code_of(still.call("GET", path)) == (404, expected)


def test_the_accounting_projections_answer_below_main_only(still):
    for prefix in ("int", "b2b"):
        address = still.service("AccountsHandling").replace("/main/", f"/{prefix}/") + "/AccountSet"
        assert code_of(requests.get(address, headers=still.headers or still.sign_in(), timeout=10)) == (
            404, "MI_METADATA_NOTFOUND",
        )  # fmt: skip


def test_arrays_below_a_record(still):
    year = "AccountingPeriodsHandling/AccountingYearSet(Company='US10',AccountingYear=2026)/AccountingPeriodDetailArray"
    rows = still.rows(f"{year}?$filter=YearEndPeriod eq IfsApp.AccountingPeriodsHandling.PeriodType'Ordinary'")
    assert [row["AccountingPeriod"] for row in rows] == list(range(1, 13))
    assert still.get(f"{year}(Company='US10',AccountingYear=2026,AccountingPeriod=11)")["DateUntil"] == "2026-11-30"
    assert still.call("GET", year.replace("2026", "1999")).status_code == 404


def test_an_enumeration_in_a_key():
    text = "IfsApp.SupplierHandling.PartyType'Supplier'"
    assert literal_value(text, "PartyType", "SupplierHandling") == "Supplier"
    for wrong in ("'Supplier'", text.replace("SupplierHandling", "Other"), text.replace("'S", "'s"), "Supplier"):
        with pytest.raises(ValueError, match=r"[Ss]upplier"):
            literal_value(wrong, "PartyType", "SupplierHandling")


# Options


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Account eq '6000'", ["6000"]),
        ("(Account eq '6000' or Account eq '2110')", ["2110", "6000"]),
        ("Account ge '6300' and Account lt '6400'", ["6300", "6310"]),
        ("startswith(Account,'61')", ["6100", "6110"]),
        ("contains(tolower(Description),'kitchen')", ["6002"]),
        ("endswith(Description,'draw')", ["3200"]),
        ("not startswith(Account,'6') and Account gt '5'", ["5000", "9000"]),
        ("contains(Description,'Owner''s')", ["3200"]),
        ("ValidFrom gt 2026-01-01", ["6096"]),
        ("ValidUntil le 2026-11-19", ["6090", "6095"]),
        ("TaxCodeMandatory eq true", ["6310"]),
        ("LedgFlag eq IfsApp.AccountsHandling.AccountingLedgFlag'LedgerAccount'", ["1010", "2000", "2190"]),
        ("ReqCodeB eq IfsApp.AccountsHandling.AccountRequest'Mandatory'", ["5000"]),
        ("Account eq '6000' and ProcessCode eq null", ["6000"]),
        # Neither true nor false for a row without a value.
        ("Account eq '6000' and ProcessCode ne 'x'", []),
        ("Account eq '6000' and not (ProcessCode eq 'x') and ProcessCode ne null", []),
        ("Account eq '6OOO'", []),
        ("contains(ProcessCode,'x')", []),
        ("(trim(Account) eq '6000' and toupper(Description) eq 'WAGES AND SALARIES')", ["6000"]),
        ("Description eq 'wages and salaries'", []),
    ],
)
def test_filters(still, condition, found):
    assert numbers(still, condition) == found


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("Nothing eq 'x'", 400),
        ("Account eq 6000", 400),
        ("Account eq '6000", 400),
        ("Account eq", 400),
        ("Account '6000'", 501),
        ("Account eq '6000' and", 400),
        ("(Account eq '6000'", 400),
        ("Account eq '6000' Account", 400),
        ("ValidFrom eq '2026-01-01'", 400),
        ("ValidFrom eq 2026-02-30", 400),
        ("TaxCodeMandatory eq 'true'", 400),
        ("LedgFlag eq 'LedgerAccount'", 400),
        ("LedgFlag eq IfsApp.AccountsHandling.AccountingLedgFlag'Y'", 400),
        ("LedgFlag eq AccountingLedgFlag'LedgerAccount'", 400),
        ("Account in ('6000')", 501),
        ("LedgFlag has 'x'", 501),
        ("length(Account) eq 4", 501),
        ("Rows/any(r: r/Account eq '6000')", 400),
        ("CompanyRef/Name eq 'x'", 501),
        ("Account mod 2 eq 0", 501),
        ("contains(ValidFrom,'2026')", 400),
        ("contains(Account,6000)", 400),
        ("contains(Account)", 400),
        ("tolower(tolower(Account)) eq 'x'", 501),
        ("tolower(ValidFrom) eq 'x'", 501),
        ("Account eq true", 400),
        ("Account%2Beq%2B'6000'", 400),
        ("Account eq '6000' and $count gt 1", 400),
    ],
)
def test_filters_that_are_refused(still, condition, status):
    answer = still.call("GET", f"{ACCOUNTS}?$filter={condition}")
    assert code_of(answer) == (status, "ODP_UNSUPPORTED_URL" if status == 400 else "ODP_NOT_IMPLEMENTED")


def test_an_enumeration_as_text_where_the_server_wants_it_so(ifs):
    ifs.sandbox.change_settings(enum_style="text")
    assert numbers(ifs, "LedgFlag eq 'LedgerAccount'") == ["1010", "2000", "2190"]
    condition = "LedgFlag eq IfsApp.AccountsHandling.AccountingLedgFlag'LedgerAccount'"
    assert ifs.call("GET", f"{ACCOUNTS}?$filter={condition}").status_code == 400


def test_moments_are_compared_as_moments(still):
    path = "CurrencyRateTypesHandling/CurrencyTypeSet?$filter=Company eq 'US10' and LastUpdated {}"
    assert len(still.rows(path.format("eq 2000-01-01T07:00:00%2B01:00"))) == 1
    assert still.rows(path.format("gt 2000-01-01T06:00:00Z")) == []


def test_numbers_are_compared_as_numbers(ifs):
    ifs.voucher(Decimal("99.50"))
    ifs.voucher(Decimal("100"))
    rows = "VoucherRowsAnalysis/VoucherRowSet"
    assert len(ifs.rows(f"{rows}?$filter=DebetAmount gt 99.5")) == 1
    assert len(ifs.rows(f"{rows}?$filter=DebetAmount ge 99.5 and AccountingYear eq 2026")) == 2
    assert [row["DebetAmount"] for row in ifs.rows(f"{rows}?$orderby=DebetAmount desc&$filter=RowNo eq 1")] == [
        100, Decimal("99.5"),
    ]  # fmt: skip


def test_select_order_and_other_options(still):
    path = f"{ACCOUNTS}?$select=Account,Description&$filter={OF_US10}&$orderby=Description desc,Account&$top=2&$format=json"
    rows = still.rows(path)
    assert [row["Description"] for row in rows] == ["Wages, warehouse", "Wages, sales"]
    assert set(rows[0]) == {"@odata.etag", "luname", "keyref", "Objgrants", "Account", "Description"}
    assert still.call("GET", f"{ACCOUNTS}?sap-language=EN&$top=1").status_code == 200
    for wrong in ("$select=Nothing", "$orderby=Nothing", "$orderby=Account down", "$top=x", "$top=-1", "$skip=1.5",
                  "$Filter=x", "$nothing=1", "$top=1&$top=2", "%24filter=x", "$orderby=Account desc asc"):  # fmt: skip
        assert code_of(still.call("GET", f"{ACCOUNTS}?{wrong}")) == (400, "ODP_UNSUPPORTED_URL"), wrong
    for unsupported in ("$expand=Rows", "$apply=groupby((Company))", "$search=x", "$count=true", "$format=atom"):
        assert code_of(still.call("GET", f"{ACCOUNTS}?{unsupported}")) == (501, "ODP_NOT_IMPLEMENTED"), unsupported
    key = "(Company='US10',Account='6000')"
    assert still.call("GET", f"{ACCOUNTS}{key}?$filter={OF_US10}").status_code == 400
    assert "ValidFrom" not in still.get(f"{ACCOUNTS}{key}?$select=Account")


def test_count_where_it_is_served(ifs):
    ifs.sandbox.change_settings(count_is_served=True)
    document = ifs.get(f"{ACCOUNTS}?$count=true&$filter={OF_US10}&$top=1")
    assert (document["@odata.count"], len(document["value"])) == (43, 1)


# Pages


def all_pages(ifs, path):
    document, asked, sizes = ifs.get(path), ifs.service("x").replace("x.svc", "") + path.replace("/", ".svc/", 1), []
    rows = document["value"]
    sizes.append(len(rows))
    while link := document.get("@odata.nextLink"):
        asked = urljoin(asked, link)
        document = loads(requests.get(asked, headers=ifs.headers, timeout=10).content)
        sizes.append(len(document["value"]))
        rows += document["value"]
    return [row["Account"] for row in rows], sizes


@pytest.mark.parametrize("is_relative", [False, True])
def test_pages(ifs, is_relative):
    ifs.sandbox.change_settings(page_size=20, relative_next_link=is_relative)
    everything = [row["Account"] for row in ifs.sandbox.rows.all("Account") if row["Company"] == "US10"]
    found, sizes = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}")
    assert (found, sizes) == (everything, [20, 20, 3])
    found, sizes = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}&$top=15")
    assert (found, sizes) == (everything, [15, 15, 13])
    found, sizes = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}&$top=1000&$skip=30")
    assert (found, sizes) == (everything[30:], [13])
    link = ifs.get(f"{ACCOUNTS}?$filter=Description ne 'a%26b=c %25'&$top=1")["@odata.nextLink"]
    assert "$filter=Description%20ne%20'a%26b%3Dc%20%25'" in link
    assert link.startswith("AccountSet?" if is_relative else f"{ifs.host}/main/")
    nested = "CodePartValuesHandling/CompanyFinanceSet(Company='US10')/CodeBArray?$top=40"
    document = ifs.get(nested)
    asked = f"{ifs.service('CodePartValuesHandling')}/{nested.partition('/')[2]}"
    rest = requests.get(urljoin(asked, document["@odata.nextLink"]), headers=ifs.headers, timeout=10).json()
    assert rest["value"][0]["CodeB"] != document["value"][0]["CodeB"]


def test_pages_of_a_server_for_which_top_is_the_end(ifs):
    ifs.sandbox.change_settings(page_size=20, top_is_page=False)
    everything = [row["Account"] for row in ifs.sandbox.rows.all("Account") if row["Company"] == "US10"]
    found, sizes = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}&$top=35")
    assert (found, sizes) == (everything[:35], [20, 15])
    found, sizes = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}&$top=20")
    assert (found, sizes) == (everything[:20], [20]), "a full page without a link: the client goes on with $skip"
    found, _ = all_pages(ifs, f"{ACCOUNTS}?$filter={OF_US10}&$top=20&$skip=20")
    assert found == everything[20:40]


# Bodies


def test_numbers_are_plain_or_texts_as_asked(ifs):
    ifs.voucher(Decimal("1234.50"))
    path = "VoucherRowsAnalysis/VoucherRowSet?$filter=RowNo eq 1"
    content = ifs.call("GET", path).text
    assert '"DebetAmount":1234.5,' in content
    (row,) = ifs.get(path, Accept="application/json;IEEE754Compatible=true")["value"]
    assert (row["DebetAmount"], row["AccountingYear"], row["CreditAmount"]) == ("1234.5", "2026", None)

    objkey = ifs.header()["Objkey"]
    body = ifs.row(objkey, debit="10.00", CurrencyRate="1", ConversionFactor="1")
    rows = f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/VoucherPostingArray"
    assert code_of(ifs.call("POST", rows, body)) == (400, "ODP_DESERIALIZATION_ERROR")
    kind = "application/json;IEEE754Compatible=true"
    assert ifs.call("POST", rows, body, Content_Type=kind).status_code == 201
    for wrong in (10, "ten", "NaN"):
        answer = ifs.call("POST", rows, {**body, "DebetAmount": wrong}, Content_Type=kind)
        assert code_of(answer) == (400, "ODP_DESERIALIZATION_ERROR"), wrong


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("Nothing", "x", "UNKNOWN_CONTENT"),
        ("company", "US10", "UNKNOWN_CONTENT"),
        ("Correction", "false", "INVALID_VALUE_FOR_PROPERTY"),
        ("Correction", 0, "INVALID_VALUE_FOR_PROPERTY"),
        ("DebetAmount", "10.00", "INVALID_VALUE_FOR_PROPERTY"),
        ("DebetAmount", True, "INVALID_VALUE_FOR_PROPERTY"),
        ("DebetAmount", [1], "INVALID_VALUE_FOR_PROPERTY"),
        ("Account", 6000, "INVALID_VALUE_FOR_PROPERTY"),
        ("TaxDirection", "NOTAX", "INVALID_VALUE_FOR_PROPERTY"),
        ("VoucherDate", f"{PAY_DAY}T00:00:00Z", "INVALID_VALUE_FOR_PROPERTY"),
        ("VoucherDate", "13.11.2026", "INVALID_VALUE_FOR_PROPERTY"),
        ("VoucherDate", "2026-02-30", "INVALID_VALUE_FOR_PROPERTY"),
    ],
)
def test_bodies_that_do_not_fit(still, field, value, code):
    objkey = still.header()["Objkey"]
    rows = f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/VoucherPostingArray"
    answer = still.call("POST", rows, still.row(objkey, debit=10, **{field: value}))
    assert code_of(answer) == (400, "ODP_DESERIALIZATION_ERROR")
    (detail,) = answer.json()["error"]["details"]
    assert detail["code"] == code
    assert field in detail["message"]
    assert still.rows(rows) == []


def test_moments_and_annotations_in_a_body(still):
    body = {"Company": "US10", "CurrencyType": "9", "@odata.etag": "x", "luname": "x"}
    path = "CurrencyRateTypesHandling/CurrencyTypeSet"
    assert still.call("POST", path, {**body, "LastUpdated": "2026-11-13T08:00:00Z"}).status_code == 403
    assert code_of(still.call("POST", path, {**body, "LastUpdated": "today"})) == (400, "ODP_DESERIALIZATION_ERROR")
    assert still.open(**{"@odata.type": f"#IfsApp.{ASSISTANT}.VoucherEntry"}).status_code == 201


def test_texts_that_are_too_long(still):
    assert code_of(still.open(VoucherText2="x" * 2001)) == (400, "DB_VALUE_TOO_LARGE")
    objkey = still.header(VoucherText2="x" * 2000)["Objkey"]
    rows = f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/VoucherPostingArray"
    for field, length in (("Text", 200), ("ReferenceNumber", 50), ("ReferenceSerie", 50), ("Account", 20)):
        body = still.row(objkey, debit=1, **{field: "x" * (length + 1)})
        assert code_of(still.call("POST", rows, body)) == (400, "DB_VALUE_TOO_LARGE")
        assert still.call("POST", rows, {**body, field: "x" * length}).status_code == 201


def test_bodies_that_are_no_json_object(still):
    for content, kind in ((b"{", "application/json"), (b"[]", "application/json"), (b"{}", "text/plain")):
        answer = still.call("POST", f"{ASSISTANT}/VoucherSet", content, Content_Type=kind)
        assert code_of(answer) == (400, "ODP_DESERIALIZATION_ERROR")


def test_what_the_server_gives_cannot_be_given(still):
    answer = still.open(Objkey="AAAX1")
    assert answer.json()["error"]["details"][0]["message"].startswith("ORA-20121: Field [Objkey]")


# Preconditions


def test_preconditions(ifs):
    header = ifs.header()
    path = f"{ASSISTANT}/VoucherSet(Objkey='{header['Objkey']}')"
    assert code_of(ifs.call("PATCH", path, {"VoucherText2": "a"})) == (428, "ODP_MISSING_PRECONDITION")
    first = ifs.patch(header, {"VoucherText2": "a"}, header["@odata.etag"])
    assert first.status_code == 200
    assert first.headers["ETag"] not in {header["@odata.etag"], ""}
    assert first.headers["ETag"].startswith('W/"')
    assert code_of(ifs.patch(header, {"VoucherText2": "b"}, header["@odata.etag"])) == (412, "DB_OBJECT_MODIFIED")
    assert ifs.patch(header, {"VoucherText2": "c"}, "*").json()["VoucherText2"] == "c"
    ifs.fault("modified")
    tag = ifs.get(path)["@odata.etag"]
    assert code_of(ifs.patch(header, {"VoucherText2": "d"}, tag)) == (412, "DB_OBJECT_MODIFIED")
    assert ifs.patch(header, {"VoucherText2": "d"}, tag).status_code == 200
    assert code_of(ifs.create(header["Objkey"], If_Match=tag)) == (412, "DB_OBJECT_MODIFIED")
    assert code_of(ifs.call("DELETE", path)) == (428, "ODP_MISSING_PRECONDITION")
    assert ifs.call("DELETE", path, If_Match="*").status_code == 204
    assert ifs.call("GET", path).status_code == 404
    assert ifs.call("GET", f"{ACCOUNTS}?$top=1", If_None_Match="*").status_code == 501
    ifs.sandbox.change_settings(missing_precondition_status=400)
    header = ifs.header()
    assert code_of(ifs.call("PATCH", f"{ASSISTANT}/VoucherSet(Objkey='{header['Objkey']}')", {})) == (
        400, "ODP_MISSING_PRECONDITION",
    )  # fmt: skip


def test_writes_that_are_not_for_us(ifs):
    number = ifs.voucher()
    account = f"{ACCOUNTS}(Company='US10',Account='6000')"
    held = f"VoucherRowsAnalysis/VoucherRowSet(Company='US10',VoucherType='M',AccountingYear=2026,VoucherNo={number},RowNo=1)"
    before = (ifs.get(account), ifs.get(held))
    assert code_of(ifs.call("POST", ACCOUNTS, {"Company": "US10", "Account": "1"})) == (
        403,
        "DB_INSUFFICIENT_PRIVILEGES",
    )
    assert code_of(ifs.call("PATCH", account, {"Description": "x"}, If_Match="*")) == (
        403,
        "DB_INSUFFICIENT_PRIVILEGES",
    )
    assert code_of(ifs.call("DELETE", account, If_Match="*")) == (403, "DB_INSUFFICIENT_PRIVILEGES")
    assert code_of(ifs.call("PATCH", held, {"Text": "x"}, If_Match="*")) == (500, "ODP_ILLEGAL_STATE")
    assert code_of(ifs.call("DELETE", held, If_Match="*")) == (405, "ODP_NOT_ALLOWED")
    assert code_of(ifs.call("POST", "VoucherHandling/VoucherSet", {})) == (405, "ODP_NOT_ALLOWED")
    assert code_of(ifs.call("PUT", account, {}, If_Match="*")) == (405, "ODP_NOT_ALLOWED")
    assert code_of(ifs.call("PATCH", ACCOUNTS, {})) == (405, "ODP_NOT_ALLOWED")
    assert code_of(ifs.call("POST", f"{ASSISTANT}/$metadata", {})) == (405, "ODP_NOT_ALLOWED")
    assert (ifs.get(account), ifs.get(held)) == before


def test_cookies(ifs):
    ifs.sandbox.change_settings(sets_cookie=True)
    answer = ifs.open()
    assert answer.status_code == 201, "a client with a token and without cookies needs nothing else"
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    ifs.session.cookies.clear()
    assert code_of(ifs.call("POST", f"{ASSISTANT}/VoucherSet", {}, Cookie=cookie)) == (403, "CSRF_ERROR")
    assert ifs.call("GET", f"{ACCOUNTS}?$top=1", Cookie=cookie).status_code == 200
    answer = ifs.call("POST", f"{ASSISTANT}/VoucherSet", dumps({}).encode(), Cookie=cookie, X_XSRF_TOKEN="1")
    assert code_of(answer) == (400, "DATABASE_ERROR")
    ifs.session.cookies.clear()
