"""Reference data of the IFS Cloud sandbox: what there is, who may see it, and how a person in the pages changes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from erp.ifs.sandbox import IfsSandbox
from erp.ifs.sandbox_schema import CODE_PARTS, projections
from tests.erp.ifs.cloud import ASSISTANT, PAY_DAY, Cloud, begun_anew, code_of, running

OF_US10 = "$filter=Company eq 'US10'&$top=500"


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def still() -> Iterator[Cloud]:
    """For tests that change no set-up and no settings, and look at no other voucher."""
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def by(rows, field):
    return {row[field]: row for row in rows}


# What there is


def test_companies(still):
    companies = by(still.rows("CompaniesHandling/CompanySet"), "Company")
    assert set(companies) == {"US10", "US20", "CA30", "MX40", "US90"}
    finance = by(still.rows("CodePartValuesHandling/CompanyFinanceSet"), "Company")
    assert {code: (row["CurrencyCode"], row["ParallelAccCurrency"]) for code, row in finance.items()} == {
        "US10": ("USD", None), "US20": ("USD", None), "CA30": ("CAD", None), "MX40": ("MXN", "USD"), "US90": ("USD", None),
    }  # fmt: skip


def test_accounts(still):
    accounts = by(still.rows(f"AccountsHandling/AccountSet?{OF_US10}"), "Account")
    # The accounts that payroll journals use.
    assert set(accounts) >= {
        "1250", "1350", "2105", "2110", "2111", "2120", "2130", "2135", "2140", "2145", "2150", "2160", "2170", "2350",
        "3200", "5000", "6000", "6001", "6020", "6060", "6100", "6200", "6300",
    }  # fmt: skip
    assert (accounts["2110"]["LedgFlag"], accounts["1010"]["LedgFlag"]) == ("NotLedgerAccount", "LedgerAccount")
    assert (accounts["2110"]["ReqCodeB"], accounts["6000"]["ReqCodeB"]) == ("Blocked", "Can")
    assert accounts["6095"]["ValidUntil"] < PAY_DAY < accounts["6096"]["ValidFrom"]
    assert accounts["6300"]["ReqText"] == "Mandatory"
    everywhere = still.rows("AccountsHandling/MultiCompanyAccountSet?$filter=Account eq '6000'")
    assert [row["Company"] for row in everywhere] == ["US10", "US20", "CA30", "MX40"]


@pytest.mark.parametrize(
    ("company", "cost_center"), [("US10", "B"), ("US20", ""), ("CA30", "B"), ("MX40", "C"), ("US90", "")]
)
def test_the_cost_center_is_found_by_its_meaning(still, company, cost_center):
    rows = still.rows(f"DefineCodeStringHandling/AccountingCodePartsSet?$filter=Company eq '{company}'")
    if company == "US90":
        assert rows == []
        return
    assert "".join(row["CodePart"] for row in rows) == f"A{CODE_PARTS}"
    found = [row["CodePart"] for row in rows if row["LogicalCodePart"] == "CostCenter"]
    assert found == ([cost_center] if cost_center else [])
    used = {row["CodeName"]: row["CodePart"] for row in rows if row["CodePartUsedDb"]}
    assert set(used) == {"Account", "CostCenter", "Department", "Project", "BusUnit", "Affiliate"}
    letter = used["CostCenter"]
    values = still.rows(f"Code{letter}Handling/Code{letter}Set?$filter=Company eq '{company}'&$top=500")
    assert {"100", "990", "O'Neil"} <= {row[f"Code{letter}"] for row in values}
    nested = still.rows(f"CodePartValuesHandling/CompanyFinanceSet(Company='{company}')/Code{letter}Array?$top=500")
    assert [row[f"Code{letter}"] for row in nested] == [row[f"Code{letter}"] for row in values]
    lookup = still.rows(f"{ASSISTANT}/Reference_Code{letter}?$filter=Company eq '{company}'&$top=500")
    assert len(lookup) == len(values)


def test_years_and_periods(still):
    years = still.rows(f"AccountingPeriodsHandling/AccountingYearSet?{OF_US10}")
    assert [row["AccountingYear"] for row in years] == [2024, 2025, 2026, 2027]
    path = "AccountingPeriodsHandling/AccountingYearSet(Company='US10',AccountingYear=2026)/AccountingPeriodDetailArray"
    periods = still.rows(path)
    assert [row["YearEndPeriod"] for row in periods] == ["YearOpening", *["Ordinary"] * 12, "YearClosing"]
    path = "UserGroupPerPeriodHandling/AccountingPeriodSet(AccountingYear={},AccountingPeriod={},Company='US10')/DetailUserGroups"
    groups = {row["UserGroup"]: row["PeriodStatus"] for row in still.rows(path.format(2026, 11))}
    assert groups == {"AC": "Open", "PR": "Open", "CFO": "Open"}
    assert [row["UserGroup"] for row in still.rows(path.format(2026, 13))] == ["YE"]
    assert {row["PeriodStatus"] for row in still.rows(path.format(2025, 6))} == {"Closed"}
    assert {row["PeriodStatus"] for row in still.rows(path.format(2024, 6))} == {"FinallyClosed"}
    assert len(still.rows(f"UserGroupPerPeriodHandling/AccountingPeriodSet?{OF_US10} and AccountingYear eq 2026".replace(
        "&$top=500 and", " and"))) == 14  # fmt: skip


def test_voucher_types_of_user_groups(still):
    types = by(still.rows(f"VoucherTypeHandling/VoucherTypes?{OF_US10}"), "VoucherType")
    assert (types["P"]["UseManual"], types["I"]["UseManual"], types["S"]["SimulationVoucher"]) == (True, False, True)
    path = (
        "UserGroupPerVoucherSeriesHandling/VoucherNoSerialYearSet(Company='US10',VoucherType='P',AccountingYear=2026,"
        "Period=99)/VoucherTypeUserGroupArray"
    )
    found = {
        row["UserGroup"]: (row["AuthorizeLevel"], row["DefaultTypeDb"], row["FunctionGroup"])
        for row in still.rows(path)
    }
    assert found == {"AC": ("EnterAndApprove", False, "M"), "PR": ("EnterAndApprove", True, "M")}
    series = still.rows(
        "UserRelatedVoucherData/VoucherNoSerialSet?$filter=Company eq 'US10' and AccountingYear eq 2026&$top=50"
    )
    assert {row["VoucherType"] for row in series} == set(types) - {"X"}
    assert by(series, "VoucherType")["P"]["CurrentNumber"] == 2026000001
    groups = by(still.rows(f"UsersPerUserGroupHandling/UserGroupFinanceSet?{OF_US10}"), "UserGroup")
    assert groups["YE"]["AllowedAccountingPeriod"] == "YearEndPeriods"
    members = "UsersPerUserGroupHandling/UserGroupFinanceSet(Company='US10',UserGroup='{}')/UserGroupMemberFinanceArray"
    assert [(row["Userid"], row["DefaultGroup"]) for row in still.rows(members.format("AC"))] == [
        ("MLCONNECTOR", "Yes")
    ]
    assert still.rows(members.format("CFO")) == []


def test_currencies_and_rate_types(still):
    codes = by(still.rows(f"CurrencyCodesHandling/CurrencyCodeSet?{OF_US10}"), "CurrencyCode")
    assert (codes["USD"]["CurrencyRounding"], codes["JPY"]["CurrencyRounding"]) == (2, 0)
    types = still.rows("CurrencyRateTypesHandling/CurrencyTypeSet?$filter=Company eq 'MX40'")
    assert [(row["CurrencyType"], row["TypeDefault"], row["RefCurrencyCode"]) for row in types] == [
        ("1", "Yes", "MXN"), ("P1", "No", "USD"),
    ]  # fmt: skip
    rates = still.rows("CurrencyRatesHandling/CurrencyRateSet?$filter=Company eq 'US10' and CurrencyCode eq 'USD'")
    assert [row["CurrencyRate"] for row in rates] == [1]


def test_the_catalogue(still):
    names = [row["Name"] for row in still.rows("AllProjections/Projections")]
    assert ASSISTANT in names
    assert "QueryProjectionLEDGERROWS" not in names


# Rights


def test_a_company_that_the_service_user_may_not_see_is_an_empty_list(ifs):
    ifs.voucher(company="US20")
    number = ifs.voucher()
    ifs.control("POST", "gl-update", {"Company": "US20"})
    ifs.control("POST", "rights", {"company": "US10", "allowed": False})
    ifs.control("POST", "settings", {"ledger_source": "projection"})
    for name, projection in projections().items():
        for each in projection.sets:
            entity = projection.type_of_set(each)
            assert entity
            if "Company" in entity.fields and not entity.is_virtual:
                answer = ifs.call("GET", f"{name}/{each}?{OF_US10}")
                assert (answer.status_code, answer.json()["value"]) == (200, []), (name, each)
    assert {row["Company"] for row in ifs.rows("AccountsHandling/AccountSet?$top=500")} == {"US20", "CA30", "MX40"}
    account = "AccountsHandling/AccountSet(Company='US10',Account='6000')"
    voucher = f"VouchersAnalysis/VoucherSet(Company='US10',AccountingYear=2026,VoucherType='M',VoucherNo={number})"
    for path in (account, voucher, "CodePartValuesHandling/CompanyFinanceSet(Company='US10')/CodeBArray"):
        assert code_of(ifs.call("GET", path)) == (404, "ODP_RESOURCE_NOTFOUND")
    # Told apart from an empty company: that one is in the list of companies.
    assert [row["Company"] for row in ifs.rows("CompaniesHandling/CompanySet?$filter=startswith(Company,'US')")] == [
        "US20", "US90",
    ]  # fmt: skip
    assert ifs.rows("AccountsHandling/AccountSet?$filter=Company eq 'US90'") == []
    body = {"Company": "US10", "VoucherNo": number, "VoucherType": "M", "AccountingYear": 2026}
    assert ifs.call("POST", f"{ASSISTANT}/CopyGlVoucherDetailsHeaderVirtualSet", body).status_code == 400
    ifs.control("POST", "rights", {"company": "US10", "allowed": True})
    assert ifs.get(voucher)["VoucherNo"] == number


def test_a_projection_that_is_not_granted(ifs):
    objkey = ifs.header()["Objkey"]
    ifs.control("POST", "settings", {"denied_projections": f"AccountsHandling {ASSISTANT}"})
    for path in ("AccountsHandling/AccountSet", "AccountsHandling/$metadata", f"{ASSISTANT}/"):
        assert code_of(ifs.call("GET", path)) == (404, "MI_METADATA_NOTFOUND"), "as one that there is not"
    assert ifs.create(objkey).status_code == 404
    assert ifs.call("GET", "CompaniesHandling/CompanySet").status_code == 200
    ifs.control("POST", "settings", {"ungranted_status": 403})
    assert code_of(ifs.call("GET", "AccountsHandling/AccountSet")) == (403, "DB_INSUFFICIENT_PRIVILEGES")


def test_an_action_that_is_not_granted(ifs):
    objkey = ifs.header()["Objkey"]
    ifs.add_row(objkey, "6000", 1)
    ifs.add_row(objkey, "2110", None, 1)
    ifs.control("POST", "settings", {"denied_actions": "VoucherEntry_CreateVoucher"})
    assert code_of(ifs.create(objkey)) == (403, "DB_INSUFFICIENT_PRIVILEGES")
    assert ifs.sandbox.ledger_state()["vouchers"] == []


# What people change


def test_accounts_are_changed_and_opened(ifs):
    path = "AccountsHandling/AccountSet(Company='US10',Account='{}')"
    tag = ifs.get(path.format("6000"))["@odata.etag"]
    ifs.control("POST", "accounts", {"company": "US10", "number": "6000", "ReqCodeB": "Blocked"})
    changed = ifs.get(path.format("6000"))
    assert changed["ReqCodeB"] == "Blocked"
    assert changed["@odata.etag"] != tag
    assert ifs.get(path.format("6000").replace("US10", "US20"))["ReqCodeB"] == "Can"
    ifs.control("POST", "accounts", {"company": "US10", "number": "6777", "Description": "Wages, night shift"})
    assert ifs.get(path.format("6777"))["ReqCodeB"] == "Can"


def test_code_parts_and_their_values_are_changed(ifs):
    path = "CodeBHandling/CodeBSet(Company='US10',CodeB='{}')"
    new = {"company": "US10", "code_part": "B", "value": "1000"}
    ifs.control("POST", "code-part-values", {**new, "Description": "Night shift"})
    assert ifs.get(path.format("1000"))["ValidUntil"] == "2049-12-31"
    ifs.control("POST", "code-part-values", {**new, "ValidUntil": "2026-01-31"})
    assert ifs.get(path.format("1000"))["ValidUntil"] == "2026-01-31"
    ifs.control("DELETE", "code-part-values", new)
    assert ifs.call("GET", path.format("1000")).status_code == 404
    ifs.control(
        "POST", "code-parts", {"company": "US10", "code_part": "B", "LogicalCodePart": "NotUsed", "CodePartUsed": "No"}
    )
    row = ifs.get("DefineCodeStringHandling/AccountingCodePartsSet(Company='US10',CodePart='B')")
    assert (row["LogicalCodePart"], row["CodePartUsedDb"]) == ("NotUsed", False)


def test_periods_series_and_groups_are_changed(ifs):
    body = {"company": "US10", "date": PAY_DAY, "status": "Closed"}
    assert ifs.control("POST", "periods", body).json() == {"changed": 3}
    assert ifs.control("POST", "periods", {**body, "user_group": "AC", "status": "Open"}).json() == {"changed": 1}
    ifs.control("POST", "user-groups", {"company": "US10", "user_group": "CFO", "member": True, "default": True})
    assert ifs.header()["UserGroup"] in {"AC", "CFO"}
    series = {"company": "US10", "voucher_type": "P", "year": 2026}
    ifs.control("POST", "number-series", {**series, "CurrentNumber": 2026000500})
    path = "UserRelatedVoucherData/VoucherNoSerialSet(Company='US10',VoucherType='P',AccountingYear=2026,Period=99)"
    assert ifs.get(path)["CurrentNumber"] == 2026000500
    ifs.control("POST", "number-series", series)
    assert ifs.call("GET", path).status_code == 404
    numbers = {"SerieFrom": 1, "SerieUntil": 9, "CurrentNumber": 1}
    ifs.control("POST", "number-series", {**series, **numbers})
    assert ifs.get(path)["SerieUntil"] == 9


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "accounts", {"company": "US10"}),
        ("POST", "accounts", {"company": "US10", "number": "1"}),
        ("POST", "accounts", {"company": "XX", "number": "1", "Description": "x"}),
        ("POST", "accounts", {"company": "US10", "number": "6000", "Nothing": 1}),
        ("POST", "accounts", {"company": "US10", "number": "6000", "LedgFlag": "Y"}),
        ("POST", "accounts", {"company": "US10", "number": "6000", "Account": "1"}),
        ("POST", "code-part-values", {"company": "US10", "code_part": "A", "value": "1", "Description": "x"}),
        ("POST", "code-part-values", {"company": "US10", "code_part": "B", "value": "1"}),
        ("DELETE", "code-part-values", {"company": "US10", "code_part": "B", "value": "1"}),
        ("POST", "code-parts", {"company": "US10", "code_part": "Z"}),
        ("POST", "periods", {"company": "US10", "date": "x", "status": "Open"}),
        ("POST", "periods", {"company": "US10", "date": PAY_DAY, "status": "Ajar"}),
        ("POST", "periods", {"company": "US10", "date": "1999-01-01", "status": "Open"}),
        ("POST", "rights", {"company": "XX", "allowed": True}),
        ("POST", "user-groups", {"company": "US10", "user_group": "XX", "member": True}),
        ("POST", "voucher-types", {"company": "US10", "voucher_type": "V", "UseManual": True}),
        ("POST", "number-series", {"company": "US10", "voucher_type": "X", "year": 2026}),
        ("POST", "settings", {"nothing": 1}),
        ("POST", "settings", {"page_size": "1"}),
        ("POST", "settings", {"page_size": 0}),
        ("POST", "settings", {"language": "fr"}),
        ("POST", "settings", {"database_error_status": 404}),
        ("DELETE", "vouchers/US10/2026/M/1", None),
        ("PATCH", "vouchers/US10/2026/M/1", {"VoucherText2": "x"}),
        ("PATCH", "vouchers/US10/2026/M/1/1", {"Text": "x"}),
        ("POST", "reset", []),
    ],
)
def test_mistakes_at_control_addresses(served, method, path, body):
    answer = requests.request(method, f"{served.host}/_sandbox/{path}", json=body, timeout=10)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]


def test_an_unknown_control_address(served):
    assert requests.get(f"{served.host}/_sandbox/nothing", timeout=10).status_code == 404


def test_settings_are_checked_when_it_is_made():
    with pytest.raises(ValueError, match="there is no setting nothing"), running(settings={"nothing": 1}):
        pass
    with running(settings={"page_size": 7, "gl_update_every_seconds": 1}) as cloud:
        assert cloud.control("GET", "settings").json()["page_size"] == 7
        assert cloud.sandbox.settings.gl_update_every_seconds == 1.0


def test_the_name_and_the_facts(ifs):
    facts = ifs.control("GET", "facts").json()
    assert IfsSandbox.name == "ifs"
    assert facts == ifs.sandbox.facts()
    assert facts["address"] == ifs.host
    assert facts["company_codes"] == ["CA30", "MX40", "US10", "US20", "US90"]
    assert (facts["user_group"], facts["voucher_type"]) == ("AC", "P")
