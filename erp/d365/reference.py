"""Reads what a posting is checked against: companies, main accounts, dimension values, fiscal periods.

All first pages come in one $batch, values of dimensions in a second, advanced rules, where there are any, in a third.
A thing that Dynamics does not show is said in words or left open, never guessed: a wrong guess would block a right
posting, or let a wrong one through to finance.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from audit.exchange import ExchangeError, TemporaryFailure
from erp.connector import Reference, ReferenceAccount, ReferenceDimensionValue, ReferencePeriod
from erp.d365.client import D365Client, Query
from erp.d365.refusals import EntityMissing
from erp.d365.setup import (
    ATTRIBUTES,
    FORMATS,
    JOURNAL_NAME_FIELDS,
    PARAMETERS,
    checked_rows,
    is_yes,
    journal_name_problems,
    journal_names,
    ledger_format,
    row_of_company,
)
from erp.d365.structures import Structures, read_structures
from erp.odata import Row

#: Dates that mean “none” (recorded).
NO_DATE = "1900-01-01"
OPEN_END = "2154-12-31"

#: Types of main account that carry no amounts of their own.
SUM_ACCOUNTS = frozenset({"Total", "Reporting"})

#: Which set holds the values of a dimension, by DimensionAttributes.UseValuesFrom without spaces and case: set, number,
#: name, whether a value belongs to a company. FinancialDimensionValues lists only values that were used, so it cannot
#: stand in for these.
BACKING_SETS = {
    "departments": ("DepartmentsV2", "OperatingUnitNumber", "Name", False),
    "businessunits": ("BusinessUnits", "OperatingUnitNumber", "Name", False),
    "costcenters": ("CostCenters", "OperatingUnitNumber", "Name", False),
    "projects": ("ProjectsV2", "ProjectId", "ProjectName", True),
}
CUSTOM_LIST = "customlist"

LEGAL_ENTITIES = Query("LegalEntities", select=("LegalEntityId", "Name"))

_ACCOUNT_FIELDS = ("ChartOfAccounts", "MainAccountId", "IsSuspended", "DoNotAllowManualEntry", "ActiveFrom", "ActiveTo")
_SETS = {
    "formats": FORMATS,
    "parameters": PARAMETERS,
    "attributes": ATTRIBUTES,
    "legal entities": LEGAL_ENTITIES,
    "ledgers": Query("Ledgers"),
    "main accounts": Query("MainAccounts", select=(*_ACCOUNT_FIELDS, "Name", "MainAccountType")),
    "overrides": Query("MainAccountLegalEntities", select=(*_ACCOUNT_FIELDS, "LegalEntityId")),
    "structures": Query("AccountStructures"),
    "constraints": Query("AccountStructureConstraints"),
    "rules": Query("AdvancedRules"),
    "periods": Query("FiscalPeriods", select=("Calendar", "FiscalYear", "StartDate", "EndDate", "PeriodName", "Type")),
    "years": Query("FiscalYears"),
    "currencies": Query("Currencies", select=("CurrencyCode",)),
    "values": Query(
        "FinancialDimensionValues",
        select=(
            "FinancialDimension",
            "LegalEntityId",
            "DimensionValue",
            "Description",
            "IsSuspended",
            "IsBlockedForManualEntry",
            "IsTotal",
            "ActiveFrom",
            "ActiveTo",
        ),
    ),
}
_PERIOD_STATUSES = Query("LedgerFiscalPeriodsV2")

#: (company code, name, accounting currency)
Company = tuple[str, str, str]


def read_reference(client: D365Client, company_code: str, journal_name: str, companies: frozenset[str]) -> Reference:
    """Reference data of the companies that the Dynamics user sees, or only of `companies` (in lower case).

    Raises what a read raises; settings under which nothing can be posted become `setup_problems`.
    """
    *answers, name_rows, period_statuses = client.read_many(
        [*_SETS.values(), journal_names(journal_name), _PERIOD_STATUSES]
    )
    found = dict(zip(_SETS, map(checked_rows, answers), strict=True))
    names = checked_rows(name_rows)
    # Statuses per period came to OData late. Where they are missing, the status of the year is all there is.
    if isinstance(period_statuses, ExchangeError) and not isinstance(period_statuses, EntityMissing):
        raise period_statuses

    problems: list[str] = []
    form = ledger_format(found["formats"], found["parameters"], found["attributes"])
    if isinstance(form, str):
        problems.append(form)
    dimensions = () if isinstance(form, str) else form.dimensions

    ledgers = {
        str(row["LegalEntityId"]).casefold(): row
        for row in found["ledgers"]
        if not companies or str(row["LegalEntityId"]).casefold() in companies
    }
    company_codes = tuple(
        (code, str(row.get("Name") or ""), str(ledgers[code.casefold()].get("AccountingCurrency") or ""))
        for row in found["legal entities"]
        if (code := str(row["LegalEntityId"])).casefold() in ledgers
    )
    spelled = {code.casefold(): code for code, _, _ in company_codes}
    if company_code and company_code.casefold() not in spelled:
        problems.append(
            f"Dynamics shows no company {company_code} with a ledger to this connection. Check the company code, and "
            "whether the Dynamics user may work in that company."
        )
    if company_code:
        problems += journal_name_problems(row_of_company(names, company_code), journal_name, company_code)

    structures = read_structures(client, found["structures"], found["constraints"], found["rules"])
    statuses = _statuses(period_statuses, found["years"])
    for code, _, _ in company_codes:
        if not any(key[0] == code.casefold() for key in statuses):
            problems.append(
                f"Dynamics does not show whether the fiscal periods of company {code} are open. The Dynamics user of "
                "this connection needs the right to read the ledger calendar."
            )
    backed, custom, unlisted = _sources(dimensions, found["attributes"])
    return Reference(
        company_codes=company_codes,
        dimensions=dimensions,
        accounts=tuple(
            _accounts(company_codes, ledgers, found["main accounts"], found["overrides"], structures, dimensions)
        ),
        dimension_values=tuple(_dimension_values(client, backed, custom, found["values"], spelled)),
        periods=tuple(_periods(company_codes, ledgers, found["periods"], statuses)),
        setup_problems=tuple(problems),
        facts={
            "segments": [] if isinstance(form, str) else list(form.segments),
            "delimiter": "" if isinstance(form, str) else form.delimiter,
            "journal_names": {
                str(row["dataAreaId"]).casefold(): {name: row.get(name) for name in JOURNAL_NAME_FIELDS}
                for row in names
            },
            "currencies": sorted(str(row["CurrencyCode"]) for row in found["currencies"]),
            "unlisted_dimensions": unlisted,
            "partly_listed_dimensions": custom,
            "period_status_of": "year" if isinstance(period_statuses, EntityMissing) else "period",
        },
    )


def day(value: Any) -> date | None:
    """The day of a moment as Dynamics writes it; None for its “no date”. Raises TemporaryFailure for anything else."""
    text = str(value or NO_DATE)[:10]
    if text in {NO_DATE, OPEN_END}:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise TemporaryFailure(f"Dynamics showed “{text}” where a date belongs.") from error


def _later(one: date | None, other: date | None) -> date | None:
    return max((each for each in (one, other) if each), default=None)


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((each for each in (one, other) if each), default=None)


# Main accounts


def _accounts(
    company_codes: Sequence[Company],
    ledgers: Mapping[str, Row],
    main_accounts: Sequence[Row],
    overrides: Sequence[Row],
    structures: Structures,
    dimensions: Sequence[str],
) -> Iterator[ReferenceAccount]:
    """One account per company and main account of its chart, with what the company overrides."""
    by_chart: dict[str, list[Row]] = defaultdict(list)
    for row in main_accounts:
        by_chart[str(row["ChartOfAccounts"])].append(row)
    overridden = {
        (str(row["LegalEntityId"]).casefold(), str(row["ChartOfAccounts"]), str(row["MainAccountId"])): row
        for row in overrides
    }
    for code, _, _ in company_codes:
        ledger = ledgers[code.casefold()]
        chart = str(ledger.get("ChartOfAccounts") or "")
        names = [str(ledger[name]) for number in range(1, 21) if ledger.get(name := f"AccountStructureName{number}")]
        for row in by_chart[chart]:
            number = str(row["MainAccountId"])
            own = overridden.get((code.casefold(), chart, number), {})
            allowed, required = structures.dimensions(names, number, dimensions)
            yield ReferenceAccount(
                company_code=code,
                number=number,
                name=str(row.get("Name") or ""),
                is_active=not is_yes(row.get("IsSuspended")) and not is_yes(own.get("IsSuspended")),
                allows_manual_entry=row.get("MainAccountType") not in SUM_ACCOUNTS
                and not is_yes(row.get("DoNotAllowManualEntry"))
                and not is_yes(own.get("DoNotAllowManualEntry")),
                valid_from=_later(day(row.get("ActiveFrom")), day(own.get("ActiveFrom"))),
                valid_to=_earlier(day(row.get("ActiveTo")), day(own.get("ActiveTo"))),
                allowed_dimensions=allowed,
                required_dimensions=required,
            )


# Fiscal periods


def _statuses(periods: list[Row] | ExchangeError, years: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """(company, year, period) -> status where Dynamics shows it, else (company, year) -> status."""
    if isinstance(periods, list):
        return {
            (str(row["LegalEntityId"]).casefold(), str(row["YearName"]), str(row["PeriodName"])): str(
                row["PeriodStatus"]
            )
            for row in periods
        }
    return {(str(row["LegalEntityId"]).casefold(), str(row["FiscalYear"])): str(row["Status"]) for row in years}


def _periods(
    company_codes: Sequence[Company],
    ledgers: Mapping[str, Row],
    periods: Sequence[Row],
    statuses: Mapping[tuple[str, ...], str],
) -> Iterator[ReferencePeriod]:
    """Operating periods of each company's calendar. Open = Dynamics says Open; on hold and closed are not."""
    for code, _, _ in company_codes:
        calendar = str(ledgers[code.casefold()].get("FiscalCalendar") or "")
        for row in periods:
            if row.get("Calendar") != calendar or row.get("Type") != "Operating":
                continue
            start, end = day(row.get("StartDate")), day(row.get("EndDate"))
            if start is None or end is None:
                raise TemporaryFailure(f"Dynamics showed a fiscal period of calendar {calendar} without its dates.")
            key = (code.casefold(), str(row["FiscalYear"]), str(row["PeriodName"]))
            status = statuses.get(key) or statuses.get(key[:2], "")
            yield ReferencePeriod(code, start, end, status == "Open", f"{row['FiscalYear']} {row['PeriodName']}")


# Dimension values


def _sources(
    dimensions: Sequence[str], attributes: Sequence[Row]
) -> tuple[dict[str, tuple[str, str, str, bool]], list[str], list[str]]:
    """Dimensions with a set behind them, with a custom list (of which only used values are shown), and with neither:
    the values of those cannot be listed.
    """
    sources = {
        str(row["DimensionName"]).casefold(): re.sub(r"[^a-z]", "", str(row.get("UseValuesFrom") or "").casefold())
        for row in attributes
    }
    backed = {
        name: BACKING_SETS[source]
        for name in dimensions
        if (source := sources.get(name.casefold(), "")) in BACKING_SETS
    }
    custom = [name for name in dimensions if sources.get(name.casefold()) == CUSTOM_LIST]
    return backed, custom, [name for name in dimensions if name not in backed and name not in custom]


def _dimension_values(
    client: D365Client,
    backed: Mapping[str, tuple[str, str, str, bool]],
    custom: Sequence[str],
    own_values: Sequence[Row],
    spelled: Mapping[str, str],
) -> Iterator[ReferenceDimensionValue]:
    """`spelled` are the companies that are read, by their code in lower case; values of others are left out."""
    settings: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in own_values:
        code = str(row.get("LegalEntityId") or "").casefold()
        if code and code not in spelled:
            continue
        row = {**row, "LegalEntityId": spelled.get(code, "")}
        settings[(str(row["FinancialDimension"]).casefold(), str(row["DimensionValue"]).casefold())].append(row)
    queries = [
        Query(entity_set, select=(number, name, *(["dataAreaId"] if is_company else [])))
        for entity_set, number, name, is_company in backed.values()
    ]
    answers = client.read_many(queries) if queries else []
    for (dimension, (_, number, name, _)), answer in zip(backed.items(), answers, strict=True):
        for row in checked_rows(answer):
            value, company = str(row[number]), str(row.get("dataAreaId") or "").casefold()
            if company and company not in spelled:
                continue
            own = settings[(dimension.casefold(), value.casefold())]
            yield from _values(dimension, spelled.get(company, ""), value, str(row.get(name) or ""), own)
    for dimension in custom:
        for (owner, _), rows in settings.items():
            if owner == dimension.casefold() and rows:
                first = rows[0]
                yield from _values(
                    dimension, "", str(first["DimensionValue"]), str(first.get("Description") or ""), rows
                )


def _values(
    dimension: str, company_code: str, value: str, name: str, settings: Sequence[Row]
) -> Iterable[ReferenceDimensionValue]:
    """One value: for its company; or for all companies, and once more for each company with settings of its own."""
    shared: Row = next((row for row in settings if not row.get("LegalEntityId")), {})
    own = {str(row["LegalEntityId"]): row for row in settings if row.get("LegalEntityId")}
    if company_code:
        own = {company_code: own.get(company_code, {})}
    else:
        own = {"": {}, **own}
    for code, row in own.items():
        yield ReferenceDimensionValue(
            company_code=code,
            dimension=dimension,
            value=value,
            name=name,
            is_active=not any(
                is_yes(each.get(flag))
                for each in (shared, row)
                for flag in ("IsSuspended", "IsBlockedForManualEntry", "IsTotal")
            ),
            valid_from=_later(day(shared.get("ActiveFrom")), day(row.get("ActiveFrom"))),
            valid_to=_earlier(day(shared.get("ActiveTo")), day(row.get("ActiveTo"))),
        )
