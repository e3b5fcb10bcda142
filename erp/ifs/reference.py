"""Reference data of IFS Cloud: companies, accounts with their rules for code parts, code part values, periods that are
open for the user group, voucher types and their series, currencies.

Everything is asked for company by company, because IFS applies no company of its own to what a service user reads. One
round trip serves all companies of one projection. A company without rights is an empty list with 200, so the finance
record of each company decides what an empty list means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from audit.exchange import ExchangeError, TemporaryFailure
from erp.connector import Reference, ReferenceAccount, ReferenceDimensionValue, ReferencePeriod
from erp.ifs.client import IfsClient, Query
from erp.ifs.names import (
    ACCOUNT,
    CODE_PART,
    CODE_VALUES,
    COMPANY,
    COMPANY_FINANCE,
    CURRENCY,
    GROUP_PERIOD,
    GROUP_TYPE,
    PERIOD,
    RATE_TYPE,
    SERIES,
    USER_GROUP,
    VOUCHER_TYPE,
    YEAR,
    EntitySet,
)
from erp.ifs.setup import (
    checked_rows,
    code_part_names,
    company_problems,
    entry_note,
    group_type_problem,
    is_true,
    period_problem,
    series_problem,
    voucher_type_problems,
)
from erp.odata import Row

#: Accounting years that are read: this one, the one before it, and all that are to come. Each period costs a question.
YEARS_BACK = 1

#: Kind of a period in which payrolls are posted; the others open and close a year.
ORDINARY = "Ordinary"


def read_reference(client: IfsClient, company_code: str) -> Reference:
    """Reference data of the companies that the service user may see, or of those that the connection names.

    Raises what a read raises; settings under which nothing can be posted become `setup_problems`, or the reason why a
    period is not open.
    """
    fields = client.fields
    known = client.rows(Query(COMPANY))
    finance = {str(row["Company"]): row for row in client.rows(Query(COMPANY_FINANCE))}
    wanted = fields.companies | {company_code} if fields.companies and company_code else fields.companies
    companies = sorted(code for code in finance if not wanted or code in wanted)
    accounts = _per_company(client, ACCOUNT, companies)
    code_parts = {
        company: code_part_names(rows, fields.code_parts)
        for company, rows in _per_company(client, CODE_PART, companies).items()
    }
    problems: list[str] = []
    if not finance:
        problems.append(
            "The service user of this connection sees no company: IFS answers with empty lists. Make it a finance "
            "user of the companies in IFS."
        )
    elif company_code:
        problems += company_problems(company_code, known, finance.get(company_code), accounts.get(company_code, []))
    setups = _setups(client, companies)
    if company_code in setups:
        problems += setups[company_code].problems
    names = {str(row["Company"]): str(row.get("Name") or "") for row in known}
    return Reference(
        company_codes=tuple(
            (code, names.get(code, ""), str(finance[code].get("CurrencyCode") or "")) for code in companies
        ),
        dimensions=tuple(sorted({name for parts in code_parts.values() for name in parts})),
        accounts=tuple(_accounts(accounts, code_parts, fields.function_group)),
        dimension_values=tuple(_values(client, code_parts)),
        periods=tuple(_periods(client, companies, setups, finance)),
        setup_problems=tuple(problems),
        facts={
            "code_parts": code_parts,
            "parallel_currencies": {
                code: str(finance[code]["ParallelAccCurrency"])
                for code in companies
                if finance[code].get("ParallelAccCurrency")
            },
            **_currencies(client, companies),
        },
    )


def code_parts_of(client: IfsClient, company: str) -> dict[str, str]:
    """Dimension -> letter of one company, where no reference data are at hand. One round trip."""
    return code_part_names(_per_company(client, CODE_PART, [company])[company], client.fields.code_parts)


def _per_company(
    client: IfsClient, of: EntitySet, companies: Sequence[str], condition: Mapping[str, str] | str = ""
) -> dict[str, list[Row]]:
    """The rows of a set by company. `condition`: more of the filter, the same for all or by company."""
    if not companies:
        return {}
    queries = []
    for company in companies:
        more = condition if isinstance(condition, str) else condition[company]
        where = client.names.equals(of, Company=company)
        queries.append(Query(of, where=f"{where} and {more}" if more else where))
    answers = client.read_many(queries)
    return dict(zip(companies, map(checked_rows, answers), strict=True))


def _below(client: IfsClient, queries: Sequence[Query]) -> list[list[Row]]:
    """The rows of arrays, one list per query."""
    return [checked_rows(answer) for answer in client.read_many(queries)] if queries else []


# Accounts and code parts


def _accounts(
    accounts: Mapping[str, Sequence[Row]], code_parts: Mapping[str, Mapping[str, str]], function_group: str
) -> Iterator[ReferenceAccount]:
    for company, rows in accounts.items():
        parts = code_parts[company]
        for row in rows:
            rules = {name: row.get(f"ReqCode{letter}") for name, letter in parts.items()}
            note = entry_note(row, function_group)
            yield ReferenceAccount(
                company_code=company,
                number=str(row["Account"]),
                name=str(row.get("Description") or ""),
                allows_manual_entry=not note,
                entry_note=note,
                valid_from=day(row.get("ValidFrom")),
                valid_to=day(row.get("ValidUntil")),
                allowed_dimensions=frozenset(name for name, rule in rules.items() if rule != "Blocked"),
                required_dimensions=frozenset(name for name, rule in rules.items() if rule == "Mandatory"),
                requires_text=row.get("ReqText") == "Mandatory",
            )


def _values(client: IfsClient, code_parts: Mapping[str, Mapping[str, str]]) -> Iterator[ReferenceDimensionValue]:
    places = [(company, name, letter) for company, parts in code_parts.items() for name, letter in parts.items()]
    queries = [Query(CODE_VALUES[letter], parent_key={"Company": company}) for company, _, letter in places]
    for (company, name, letter), rows in zip(places, _below(client, queries), strict=True):
        for row in rows:
            yield ReferenceDimensionValue(
                company_code=company,
                dimension=name,
                value=str(row[f"Code{letter}"]),
                name=str(row.get("Description") or ""),
                is_active=row.get("BudgetValue") != "BudgetAccount",
                valid_from=day(row.get("ValidFrom")),
                valid_to=day(row.get("ValidUntil")),
            )


# Voucher type, user group, periods


@dataclass(frozen=True, slots=True)
class _Setup:
    """How vouchers are made in one company."""

    user_group: str
    voucher_type: str
    problems: tuple[str, ...]
    series: Mapping[int, Sequence[Row]]
    """Accounting year -> number series of the voucher type."""
    groups: Mapping[int, Sequence[Row]]
    """Accounting year -> user groups that may use the voucher type."""


def _setups(client: IfsClient, companies: Sequence[str]) -> dict[str, _Setup]:
    """User group and voucher type of each company, with what speaks against them."""
    fields, names = client.fields, client.names
    groups: dict[str, str] = {}
    types: dict[str, str] = {}
    problems: dict[str, tuple[str, ...]] = {}
    for company in companies:
        try:
            groups[company], types[company] = fields.user_group(company), fields.voucher_type(company)
        except ExchangeError as error:
            problems[company] = (error.sentence,)
    named = [company for company in companies if company in types]
    found_groups = _per_company(
        client, USER_GROUP, named, {each: names.equals(USER_GROUP, UserGroup=groups[each]) for each in named}
    )
    found_types = _per_company(
        client, VOUCHER_TYPE, named, {each: names.equals(VOUCHER_TYPE, VoucherType=types[each]) for each in named}
    )
    year = f"{names.field(SERIES, 'AccountingYear')} ge {_first_year()}"
    found_series = _per_company(
        client, SERIES, named, {each: f"{names.equals(SERIES, VoucherType=types[each])} and {year}" for each in named}
    )
    series: dict[str, dict[int, list[Row]]] = {company: {} for company in named}
    for company, rows in found_series.items():
        for row in rows:
            series[company].setdefault(int(row["AccountingYear"]), []).append(row)
    places = [(company, number, rows[0]) for company, years in series.items() for number, rows in years.items()]
    queries = [
        Query(
            GROUP_TYPE,
            parent_key={name: row[name] for name in ("Company", "VoucherType", "AccountingYear", "Period")},
        )
        for _, _, row in places
    ]
    of_groups: dict[str, dict[int, list[Row]]] = {company: {} for company in named}
    for (company, number, _), rows in zip(places, _below(client, queries), strict=True):
        of_groups[company][number] = rows
    for company in named:
        missing = (
            []
            if found_groups[company]
            else [
                f"Company {company} has no user group {groups[company]}. Create it in IFS, or enter another one in the "
                "settings of the connection."
            ]
        )
        first: Row | None = next(iter(found_types[company]), None)
        problems[company] = (*missing, *voucher_type_problems(first, company, types[company]))
    return {
        company: _Setup(
            groups.get(company, ""),
            types.get(company, ""),
            tuple(problems[company]),
            series.get(company, {}),
            of_groups.get(company, {}),
        )
        for company in companies
    }


def _periods(
    client: IfsClient, companies: Sequence[str], setups: Mapping[str, _Setup], finance: Mapping[str, Row]
) -> Iterator[ReferencePeriod]:
    """Ordinary periods; open where the user group may enter vouchers of the voucher type in them."""
    years = _per_company(client, YEAR, companies, f"{client.names.field(YEAR, 'AccountingYear')} ge {_first_year()}")
    parents = [
        {"Company": company, "AccountingYear": row["AccountingYear"]} for company, rows in years.items() for row in rows
    ]
    found = _below(client, [Query(PERIOD, parent_key=parent) for parent in parents])
    periods = [row for rows in found for row in rows if row.get("YearEndPeriod") == ORDINARY]
    queries = [
        Query(
            GROUP_PERIOD,
            parent_key={name: row[name] for name in ("AccountingYear", "AccountingPeriod", "Company")},
        )
        for row in periods
    ]
    for row, rows in zip(periods, _below(client, queries), strict=True):
        company, year, number = str(row["Company"]), int(row["AccountingYear"]), int(row["AccountingPeriod"])
        setup = setups[company]
        reasons = [*(sentence.rstrip(".") for sentence in setup.problems)]
        if not reasons:
            is_by_period = is_true(finance[company].get("UseVouNoPeriod"))
            series = setup.series.get(year, ())
            of_group = setup.groups.get(year, ())
            reasons = [
                period_problem(rows, setup.user_group),
                series_problem(series, setup.voucher_type, year, number, is_by_period=is_by_period)
                or group_type_problem(
                    of_group, setup.user_group, setup.voucher_type, client.fields.function_group, year
                ),
            ]
        start, end = day(row.get("DateFrom")), day(row.get("DateUntil"))
        if start is None or end is None:
            raise TemporaryFailure(f"IFS showed a period of company {company} without its dates.")
        note = ", and ".join(reason for reason in reasons if reason)
        name = str(row.get("Description") or f"{year} {number:02d}")
        yield ReferencePeriod(company, start, end, not note, name, note)


def _first_year() -> int:
    return datetime.now(UTC).year - YEARS_BACK


# Currencies


def _currencies(client: IfsClient, companies: Sequence[str]) -> dict[str, Any]:
    """Currencies and rate types by company, for people; the list of currencies is not granted everywhere."""
    rate_types = _per_company(client, RATE_TYPE, companies)
    try:
        currencies = _per_company(client, CURRENCY, companies)
    except ExchangeError:
        currencies = {}
    return {
        "rate_types": {
            company: sorted(str(row["CurrencyType"]) for row in rows) for company, rows in rate_types.items()
        },
        "currencies": {
            company: sorted(str(row["CurrencyCode"]) for row in rows) for company, rows in currencies.items()
        },
    }


def day(value: Any) -> date | None:
    """Raises TemporaryFailure for what is no day."""
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise TemporaryFailure(f"IFS showed “{value}” where a date belongs.") from error
