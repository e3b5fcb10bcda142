"""How the books behind the IFS Cloud sandbox begin. Everything is invented.

A group of four companies and an empty one; a chart of accounts with ledger, budget, statistical, ended and future
accounts; code parts that mean something else in one company and whose meaning is not said in another; a parallel
currency in one; user groups and voucher types of every kind that set-up checks should notice; accounting years around
today, with old periods closed.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from erp.ifs.sandbox_iam import SERVICE_USER
from erp.ifs.sandbox_rows import Rows
from erp.ifs.sandbox_schema import CODE_PARTS, Row, read_data

#: Periods that ended longer ago than this are closed at the beginning, and finally closed after the second time span.
CLOSED_AFTER_DAYS = 400
FINALLY_CLOSED_AFTER_DAYS = 730
VALID_FROM, VALID_UNTIL = "2000-01-01", "2049-12-31"
#: The ledger id of the general ledger, and the rate types of a company.
GENERAL_LEDGER = "00"
RATE_TYPE, PARALLEL_RATE_TYPE = "1", "P1"
#: Period of a number series that holds for the whole year.
WHOLE_YEAR = 99


def fill(rows: Rows, today: date) -> None:
    """Put the invented environment into an empty store; the service user may see all companies."""
    given = read_data("environment.json")
    accounts = read_data("accounts.json")
    for company in given["companies"]:
        fill_company(rows, company)
        if not company.get("is_empty"):
            fill_code_parts(rows, company, given, today)
            fill_accounts(rows, company, given, accounts, today)
            fill_currencies(rows, company, given)
            fill_periods(rows, company, given, today)
            fill_voucher_types(rows, company, given, today)
    allowed = [company["code"] for company in given["companies"]]
    rows.store.put("ifs", "service user", {"userid": SERVICE_USER, "companies": allowed})


def dated(row: Row, today: date) -> Row:
    """Validity as days: '-200 days' counts from today."""
    found = {"ValidFrom": VALID_FROM, "ValidUntil": VALID_UNTIL, **row}
    for name in ("ValidFrom", "ValidUntil"):
        if found[name].endswith("days"):
            found[name] = (today + timedelta(days=int(found[name].split()[0]))).isoformat()
    return found


def fill_company(rows: Rows, company: Row) -> None:
    rows.insert(
        "Company",
        {
            "Company": company["code"],
            "Name": company["name"],
            "CreationDate": VALID_FROM,
            "DefaultLanguage": {"MX": "es"}.get(company["country"], "en"),
            "PartyType": "Company",
            "TemplateCompany": False,
            "Country": company["country"],
            "CreatedBy": "IFSAPP",
        },
    )
    rows.insert(
        "CompanyFinance",
        {
            "Company": company["code"],
            "Description": company["name"],
            "CurrencyCode": company["currency"],
            "ValidFrom": VALID_FROM,
            "CorrectionType": "Reverse",
            "ParallelAccCurrency": company.get("parallel"),
            "ParallelBase": "AccountingCurrency" if company.get("parallel") else None,
            "UseVouNoPeriod": "FALSE",
        },
    )


def parts_of(company: Row, given: Row) -> dict[str, Row]:
    """Letter -> what the code part means in this company."""
    swaps = company.get("swaps", {})
    found = {swaps.get(part["part"], part["part"]): part for part in given["code_parts"]}
    return dict(sorted(found.items()))


def fill_code_parts(rows: Rows, company: Row, given: Row, today: date) -> None:
    parts = parts_of(company, given)
    says_logical = company.get("has_logical_parts", True)
    for letter in "A" + CODE_PARTS:
        part = parts.get(letter, {"name": f"Code {letter}", "description": "Not used", "function": "NoFunction"})
        is_used = letter in parts
        rows.insert(
            "AccountingCodeParts",
            {
                "Company": company["code"],
                "CodePart": letter,
                "CodeName": part["name"],
                "Description": part["description"],
                "CodePartUsed": "Yes" if is_used else "No",
                "CodePartUsedDb": is_used,
                "CodePartFunction": part["function"],
                "MaxNumberOfChar": 10,
                "ViewName": "ACCOUNT" if letter == "A" else f"CODE_{letter}",
                "PkgName": "ACCOUNT_API" if letter == "A" else f"CODE_{letter}_API",
                "LogicalCodePart": part.get("logical", "NotUsed") if says_logical else "NotUsed",
                "BaseForPfe": letter == "A",
                "CodePartMappingExists": "False",
                "SystemDefined": "False",
            },
        )
        if is_used and letter != "A":
            values = [dated(value, today) for value in values_of(part["name"], given)]
            rows.insert_all(
                f"Code{letter}",
                [code_part_value(company["code"], letter, value.pop("value"), value) for value in values],
            )


def values_of(name: str, given: Row) -> list[Row]:
    listed: list[Row] = list(given["values"].get(name, []))
    if name == "CostCenter":
        series = given["cost_centers"]
        numbers = range(series["from"], series["to"] + 1, series["step"])
        listed = [{"value": str(each), "description": f"{series['name']} {each}"} for each in numbers] + listed
    return listed


def code_part_value(company: str, letter: str, value: str, described: Row) -> Row:
    """`described`: description and validity in this file's words or as fields."""
    row = {
        "Company": company,
        f"Code{letter}": value,
        "CodePart": letter,
        "ValidFrom": VALID_FROM,
        "ValidUntil": VALID_UNTIL,
        "SortValue": value,
        "BudgetValue": "NotBudgetAccount",
        "CodeStringCompletionExists": False,
        "AttributeExists": False,
        "CodePartFunction": "NOFUNC",
        **{("Description" if name == "description" else name): given for name, given in described.items()},
    }
    row["BudgetValueDb"] = row["BudgetValue"] == "BudgetAccount"
    return row


def account_row(company: str, described: Row, rules: Row) -> Row:
    """`rules`: code part name -> request of balance sheet accounts, by letter."""
    is_balance = described["kind"] in {"Assets", "Liabilities"}
    demands = {f"ReqCode{letter}": rules.get(letter, "Blocked") if is_balance else "Can" for letter in CODE_PARTS}
    return {
        "Company": company,
        "CodePart": "A",
        "AccntGroup": described["Account"][0] + "000",
        "AccntType": described["kind"].upper(),
        "LogicalAccountType": described["kind"],
        "LedgFlag": "NotLedgerAccount",
        **demands,
        "ReqQuantity": "Can",
        "ReqText": "Can",
        "ReqProcessCode": "Can",
        "CurrBalance": "NoCurrencyBalance",
        "BudAccount": "NotBudgetAccount",
        "StatAccount": "NoStatisticalAccount",
        "TaxHandlingValue": "Blocked",
        "TaxFlag": "NotTaxAccount",
        "TaxCodeMandatory": False,
        "ExcludeFromCurrTrans": False,
        **{name: value for name, value in described.items() if name != "kind"},
    }


def fill_accounts(rows: Rows, company: Row, given: Row, accounts: list[Row], today: date) -> None:
    rules = {
        letter: given["balance_sheet_rules"].get(part["name"]) for letter, part in parts_of(company, given).items()
    }
    swaps = company.get("swaps", {})
    written = []
    for account in accounts:
        named = {
            (f"ReqCode{swaps.get(name[-1], name[-1])}" if name.startswith("ReqCode") else name): value
            for name, value in account.items()
        }
        written.append(account_row(company["code"], dated(named, today), rules))
    rows.insert_all("Account", written)


def fill_currencies(rows: Rows, company: Row, given: Row) -> None:
    code, own = company["code"], company["currency"]
    rows.insert_all("CurrencyCode", [{"Company": code, **each} for each in given["currency_codes"]])
    kinds = [(RATE_TYPE, "Rates of the company", own, "Normal", "Yes")]
    if company.get("parallel"):
        kinds.append((PARALLEL_RATE_TYPE, "Parallel rates", company["parallel"], "ParallelCurrency", "No"))
    for rate_type, description, reference, category, is_default in kinds:
        rows.insert(
            "CurrencyType",
            {
                "Company": code,
                "CurrencyType": rate_type,
                "Description": description,
                "TypeDefault": is_default,
                "RefCurrencyCode": reference,
                "RateTypeCategory": category,
                "LastUpdated": f"{VALID_FROM}T06:00:00Z",
            },
        )
        for currency, worth in given["rates"].items():
            rate = (Decimal(worth) / Decimal(given["rates"][reference])).quantize(Decimal("0.000001"))
            rows.insert(
                "CurrencyRate",
                {
                    "Company": code,
                    "CurrencyType": rate_type,
                    "CurrencyCode": currency,
                    "ValidFrom": VALID_FROM,
                    "CurrencyRate": Decimal(1) if currency == reference else rate,
                    "ConvFactor": 1,
                    "RefCurrencyCode": reference,
                },
            )


def years_around(today: date) -> range:
    return range(today.year - 2, today.year + 2)


def periods_of(year: int) -> list[tuple[int, str, str, date, date]]:
    """(period, kind, description, first day, last day), with those that open and close the year."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    found = [(0, "YearOpening", f"{year} opening", first, first)]
    for month in range(1, 13):
        end = date(year, month, calendar.monthrange(year, month)[1])
        found.append((month, "Ordinary", f"{year} {month:02d}", date(year, month, 1), end))
    return [*found, (13, "YearClosing", f"{year} closing", last, last)]


def fill_periods(rows: Rows, company: Row, given: Row, today: date) -> None:
    code = company["code"]
    for group in given["user_groups"]:
        named = {"Company": code, "UserGroup": group["group"]}
        described = {"Description": group["description"], "AllowedAccountingPeriod": group["periods"]}
        rows.insert("UserGroupFinance", {**named, **described})
        if group.get("member"):
            is_default = "Yes" if group.get("default") else "No"
            rows.insert("UserGroupMemberFinance", {**named, "Userid": SERVICE_USER, "DefaultGroup": is_default})
    periods: list[Row] = []
    of_groups: list[Row] = []
    for year in years_around(today):
        rows.insert("AccountingYear", {"Company": code, "AccountingYear": year, "YearStatusDb": "O"})
        for number, kind, description, start, end in periods_of(year):
            named = {"Company": code, "AccountingYear": year, "AccountingPeriod": number}
            days = {"DateFrom": start.isoformat(), "DateUntil": end.isoformat()}
            month = {"CalYear": year, "CalMonth": end.month}
            periods.append({**named, "Description": description, "YearEndPeriod": kind, **days, **month})
            age = (today - end).days
            status = "FinallyClosed" if age > FINALLY_CLOSED_AFTER_DAYS else "Open"
            status = "Closed" if CLOSED_AFTER_DAYS < age <= FINALLY_CLOSED_AFTER_DAYS else status
            of_groups += [
                group_period(named, group["group"], status)
                for group in given["user_groups"]
                if (group["periods"] == "OrdinaryPeriods") == (kind == "Ordinary")
            ]
    rows.insert_all("AccountingPeriod", periods)
    rows.insert_all("UserGroupPeriod", of_groups)


def group_period(period: Row, group: str, status: str) -> Row:
    return {
        **period,
        "UserGroup": group,
        "LedgerId": GENERAL_LEDGER,
        "Ledger": "GeneralLedger",
        "LedgerDescription": "General ledger",
        "PeriodStatus": status,
        "LedgerInfoPeriodStatus": status,
    }


def fill_voucher_types(rows: Rows, company: Row, given: Row, today: date) -> None:
    code = company["code"]
    series: list[Row] = []
    connected: list[Row] = []
    for described in given["voucher_types"]:
        letter, group = described["type"], described.get("function_group", "M")
        rows.insert("VoucherType", voucher_type(code, described, group))
        for year in years_around(today):
            named = {"Company": code, "VoucherType": letter, "AccountingYear": year}
            if described.get("has_series", True):
                first = year * 1_000_000 + 1
                last = first + described.get("numbers", 999_999) - 1
                numbers = {"SerieFrom": first, "SerieUntil": last, "CurrentNumber": first}
                series.append({**named, "Period": WHOLE_YEAR, **numbers})
            for user_group, level in described["groups"].items():
                is_default = user_group in described.get("default_of", [])
                connected.append(
                    {
                        **named,
                        "UserGroup": user_group,
                        "FunctionGroup": group,
                        "DefaultType": "Y" if is_default else "N",
                        "DefaultTypeDb": is_default,
                        "VoucherTypeDesc": described["description"],
                        "AuthorizeLevel": level,
                        "VoucherGroup": group,
                    }
                )
    rows.insert_all("VoucherNoSerial", series)
    rows.insert_all("VoucherTypeUserGroup", connected)


def voucher_type(company: str, described: Row, group: str) -> Row:
    known: dict[str, Any] = {
        "Company": company,
        "VoucherType": described["type"],
        "VoucherGroup": group,
        "AutomaticAllot": "Yes",
        "Description": described["description"],
        "LablePrint": "No",
        "StoreOriginal": "No",
        "AutomaticVouBalance": "N",
        "LedgerId": GENERAL_LEDGER,
        "UseManual": True,
        "SimulationVoucher": False,
        "Balance": True,
        "SingleFunctionGroup": True,
        "Ledger": "GeneralLedger",
        "UseApprovalWorkflow": False,
        "SeparateUserApproval": False,
        "AutomaticAllotDb": True,
        "FunctionGroupCount": 1,
    }
    return {**known, **{name: value for name, value in described.items() if name in known}}
