"""How the sandbox's Dynamics environment begins. Everything is invented.

Three legal entities of one group, a shared chart of accounts with some suspended, ended, future and system-only
accounts, dimensions, formats (one inactive), account structures (one draft), advanced rules, journal names of every kind
that set-up checks should notice, and fiscal periods around today with closed old ones.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, timedelta

from erp.d365.sandbox_reference import ENTRY_SEQUENCE, JOURNAL_SEQUENCE, Reference
from erp.d365.sandbox_schema import Row, read_data

#: Periods that ended longer ago than this are closed at the beginning.
CLOSED_AFTER_DAYS = 400


def relative_day(text: str, today: date) -> str:
    """'-200 days' as a day."""
    return (today + timedelta(days=int(text.split()[0]))).isoformat()


def fill(reference: Reference, today: date) -> None:
    """Put the invented environment into an empty store."""
    rows = reference.rows
    given = read_data("environment.json")
    days = ("ActiveFrom", "ActiveTo")

    def dated(row: Row) -> Row:
        return {name: relative_day(value, today) if name in days else value for name, value in row.items()}

    for row in given["currencies"]:
        rows.insert("Currencies", row)
    chart = rows.insert("ChartOfAccounts", given["chart_of_accounts"])
    chart["ChartOfAccountsRecId"] = chart["_id"]
    rows.update("ChartOfAccounts", chart)
    for account in read_data("accounts.json"):
        found = rows.insert("MainAccounts", {"ChartOfAccounts": chart["ChartOfAccounts"], **dated(account)})
        rows.update(
            "MainAccounts",
            {**found, "MainAccountRecId": found["_id"], "ChartOfAccountsRecId": chart["_id"]},
        )
    for entity in given["legal_entities"]:
        fill_company(reference, entity, given, chart)
    rows.insert("DimensionParameters", {"Key": 0, "DimensionSegmentDelimiter": "Hyphen"})
    for dimension in given["dimensions"]:
        rows.insert(
            "DimensionAttributes",
            {
                "DimensionName": dimension["name"],
                "UseValuesFrom": dimension["values_from"],
                "ReportColumnName": dimension["column"],
                "_inactive": dimension.get("inactive", False),
            },
        )
    for row in given["formats"]:
        stored = {name: value for name, value in row.items() if name != "dimensions"}
        reference.write_format(rows.insert("DimensionIntegrationFormats", stored), row["dimensions"])
    fill_dimension_values(reference, given, dated)
    fill_structures(reference, given)
    reference.write_fixed_offsets()
    for row in given["vendor_groups"]:
        rows.insert("VendorGroups", row)
    for row in given["vendors"]:
        rows.insert("VendorsV2", row)
    fill_periods(reference, given["fiscal_calendar"], today)


def fill_company(reference: Reference, entity: Row, given: Row, chart: Row) -> None:
    """Legal entity, ledger, number sequences and journal names. Ledgers spell the code in capitals, others do not."""
    rows = reference.rows
    code = entity["code"]
    rows.insert(
        "LegalEntities",
        {
            "LegalEntityId": code,
            "Name": entity["name"],
            "NameAlias": entity["alias"],
            "LanguageId": "en-US",
            "AddressCountryRegionId": entity["country"],
            "AddressCity": entity["city"],
            "AddressState": entity["state"],
        },
    )
    rows.insert("Companies", {"DataArea": code, "Name": entity["name"], "KnownAs": entity["alias"]})
    structures = {f"AccountStructureName{number}": name for number, name in enumerate(entity["structures"], start=1)}
    ledger = rows.insert(
        "Ledgers",
        {
            "LegalEntityId": code.upper(),
            "Name": code.upper(),
            "Description": entity["name"],
            "AccountingCurrency": entity["currency"],
            "ReportingCurrency": entity["currency"],
            "ChartOfAccounts": chart["ChartOfAccounts"],
            "ChartOfAccountsRecId": chart["_id"],
            "FiscalCalendar": given["fiscal_calendar"],
            **structures,
        },
    )
    rows.update("Ledgers", {**ledger, "LedgerRecId": ledger["_id"]})
    reference.set_sequences(code, [JOURNAL_SEQUENCE, ENTRY_SEQUENCE])
    for name in given["journal_names"]:
        stored = {field: value for field, value in name.items() if field != "offset_main_account"}
        stored["_offset_main_account"] = name.get("offset_main_account", "")
        rows.insert("JournalNames", {"dataAreaId": code, "VoucherSeriesCompanyId": code, **stored})


def fill_dimension_values(reference: Reference, given: Row, dated: Callable[[Row], Row]) -> None:
    rows = reference.rows
    for row in given["business_units"]:
        rows.insert("BusinessUnits", {**row, "OperatingUnitType": "OMBusinessUnit"})
    for row in given["departments"]:
        rows.insert("DepartmentsV2", {**row, "OperatingUnitTypes": "OMDepartment", "PartyType": "OperatingUnit"})
    series = given["cost_centers"]
    for number in range(series["from"], series["to"] + 1, series["step"]):
        row = {"OperatingUnitNumber": str(number), "Name": f"{series['name']} {number}"}
        rows.insert("CostCenters", {**row, "OperatingUnitType": "OMCostCenter"})
    for row in given["projects"]:
        rows.insert("ProjectsV2", row)
    for row in given["custom_dimension_values"]:
        rows.insert("FinancialDimensionValues", dated(row))


def fill_structures(reference: Reference, given: Row) -> None:
    rows = reference.rows
    for structure in given["account_structures"]:
        name, status = structure["name"], structure["status"]
        segments = {f"SegmentName{number:02d}": text for number, text in enumerate(structure["segments"], start=1)}
        described = {"AccountStructureName": name, "Status": status, "StructureType": "AccountStructure"}
        rows.insert("AccountStructures", {**described, **segments})
        for position, criteria in enumerate(structure["constraints"], start=1):
            columns = {f"SegmentCriteria{number:02d}": text for number, text in enumerate(criteria, start=1)}
            placed = {"AccountStructure": name, "Status": status, "Position": position}
            rows.insert("AccountStructureConstraints", {**placed, **columns})
    for structure in given["rule_structures"]:
        segments = {f"SegmentName{number:02d}": text for number, text in enumerate(structure["segments"], start=1)}
        described = {"AccountRuleStructureName": structure["name"], "Status": structure["status"]}
        rows.insert("LedgerAdvancedRuleStructures", {**described, **segments})
    for rule in given["advanced_rules"]:
        shared = {"AccountStructure": rule["structure"], "Status": rule["status"]}
        rows.insert(
            "AdvancedRules",
            {**shared, "AdvancedRuleName": rule["name"], "AdvancedRuleStructure1": rule["adds"]},
        )
        rows.insert(
            "AdvancedRuleCriteria",
            {
                **shared,
                "AdvancedRule": rule["name"],
                "SegmentName": "MainAccount",
                "AdvancedRuleCriterion": rule["criterion"],
            },
        )


def fill_periods(reference: Reference, calendar_name: str, today: date) -> None:
    """Two years back and one ahead, a period a month, with the opening and closing periods that every year has."""
    rows = reference.rows
    for year in range(today.year - 2, today.year + 2):
        first, last = date(year, 1, 1), date(year, 12, 31)
        periods = [("Opening", "Opening", first, first, 1)]
        for month in range(1, 13):
            end = date(year, month, calendar.monthrange(year, month)[1])
            periods.append((f"Period {month}", "Operating", date(year, month, 1), end, month))
        periods.append(("Closing", "Closing", last, last, 12))
        for name, kind, start, end, month in periods:
            rows.insert(
                "FiscalPeriods",
                {
                    "Calendar": calendar_name,
                    "FiscalYear": str(year),
                    "PeriodName": name,
                    "StartDate": start.isoformat(),
                    "EndDate": end.isoformat(),
                    "Type": kind,
                    "Days": (end - start).days + 1,
                    "Month": f"Month{month}",
                    "Quarter": f"Q{(month + 2) // 3}",
                    "ShortName": f"P{month}",
                },
            )
            is_closed = end < today - timedelta(days=CLOSED_AFTER_DAYS)
            for ledger in rows.all("Ledgers"):
                rows.insert(
                    "LedgerFiscalPeriodsV2",
                    {
                        "LedgerName": ledger["Name"],
                        "Calendar": calendar_name,
                        "YearName": str(year),
                        "PeriodName": name,
                        "LegalEntityId": ledger["LegalEntityId"],
                        "PeriodStatus": "Closed" if is_closed else "Open",
                    },
                )
        for ledger in rows.all("Ledgers"):
            rows.insert(
                "FiscalYears",
                {
                    "LegalEntityId": ledger["LegalEntityId"],
                    "Calendar": calendar_name,
                    "FiscalYear": str(year),
                    "LegalEntityName": ledger["Description"],
                    "Status": "Close" if last < today - timedelta(days=CLOSED_AFTER_DAYS) else "Open",
                },
            )
