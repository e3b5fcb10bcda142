"""How the set-up behind the FSM sandbox begins. Everything is invented.

One finance enterprise group with three accounting entities, one of them in another currency; a chart with a closed account;
accounting units and three of the ten finance dimensions in use, under labels of the tenant's own; close periods by month
around today, the current one a little more than a year ago.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from erp.infor.fsm.sandbox_books import Books
from erp.infor.fsm.sandbox_schema import Row, read_data

#: The current period of an entity is that of the day so long ago: what lies before it takes no entries.
CURRENT_DAYS_AGO = 400
YEARS = (-2, 1)
CONFIGURATION = "MONTH"


def fill(books: Books, today: date) -> None:
    given = read_data("environment.json")
    group = given["group"]["FinanceEnterpriseGroup"]
    books.put_record("FinanceEnterpriseGroup", group, given["group"])
    current = today - timedelta(days=CURRENT_DAYS_AGO)
    for code, name, currency in given["entities"]:
        books.put_record("AccountingEntity", code, entity(group, code, name, currency, current))
        for is_open, units in ((True, given["units"]), (False, given["closed_units"])):
            for unit, description in units:
                row = {"AccountingEntity": code, "AccountingUnit": unit, "Description": description}
                books.put_record("AccountingUnit", f"{code}|{unit}", {**row, **common(group, is_open)})
    for is_open, accounts in ((True, given["accounts"]), (False, given["closed_accounts"])):
        for number, description, section in accounts:
            books.put_record("GeneralLedgerChartAccount", number, account(group, number, description, section, is_open))
    for is_open, dimensions in ((True, given["dimensions"]), (False, given["closed_dimensions"])):
        for field, values in dimensions.items():
            for value, description in values:
                row = {field: value, "Description": description, "DisplayDimension": value, "DimensionType": "1"}
                books.put_record(field, value, {**row, **common(group, is_open)})
    for year in range(today.year + YEARS[0], today.year + YEARS[1] + 1):
        for month in range(1, 13):
            row = period(group, year, month)
            books.put_record("GeneralLedgerClosePeriod", f"{year}|{month:02d}", row)


def common(group: str, is_open: bool) -> Row:
    return {"FinanceEnterpriseGroup": group, "Active": "true" if is_open else "false"}


def entity(group: str, code: str, name: str, currency: str, current: date) -> Row:
    end = date(current.year, current.month, calendar.monthrange(current.year, current.month)[1])
    return {
        "FinanceEnterpriseGroup": group, "AccountingEntity": code, "DisplayAccountingEntity": code, "Name": name,
        "FunctionalCurrency": currency, "CloseConfiguration": CONFIGURATION, "CurrentPeriod": str(current.month),
        "CurrentPeriodEndDate": f"{end:%Y%m%d}", "PostingCategory": "1", "Status": "1",
    }  # fmt: skip


def account(group: str, number: str, description: str, section: str, is_open: bool) -> Row:
    return {
        "GeneralLedgerChartAccount": f"GL-{number}", "Account": number, "DisplayAccount": number,
        "AccountDescription": description, "AccountType": "1", "ChartSection": section, "ChartType": "1",
        **common(group, is_open),
    }  # fmt: skip


def period(group: str, year: int, month: int) -> Row:
    last = calendar.monthrange(year, month)[1]
    return {
        "FinanceEnterpriseGroup": group, "GeneralLedgerCloseConfiguration": CONFIGURATION,
        "GeneralLedgerClosePeriod": f"{year}{month:02d}", "GeneralLedgerCloseYear": str(year), "PeriodNumber": str(month),
        "PeriodName": f"{calendar.month_name[month]} {year}", "BeginDate": f"{year}{month:02d}01",
        "DerivedEndDate": f"{year}{month:02d}{last:02d}",
    }  # fmt: skip
