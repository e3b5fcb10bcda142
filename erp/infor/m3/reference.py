"""Reference data of Infor M3: divisions with their currency, days and ledger settings, accounting identities of all seven
dimensions, periods, currencies, departments, and the names of dimensions and columns.

Everything is asked division by division. Lists carry `maxrecs`, and one that may have been cut is read on from its last
key. Whether a day is closed (GLS990) cannot be read; the connection may say it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from audit.exchange import ExchangeError, TemporaryFailure
from erp.connector import Reference, ReferenceAccount, ReferenceDimensionValue, ReferencePeriod
from erp.infor.m3.client import Call, M3Client, Record
from erp.infor.m3.journal import LINE, PROGRAM
from erp.infor.m3.setup import (
    dimension_names,
    division_problems,
    entry_note,
    is_set,
    rules,
    settings_problems,
    used_dimensions,
)
from erp.infor.m3.tables import read_columns

#: Fiscal years that are read: this one, one before and one behind it.
YEARS = (-1, 0, 1)

#: Dates that mean “open”: none, zero, and the end of time.
OPEN_ENDS = frozenset({"", "0", "00000000", "99991231", "99999999"})


@dataclass(frozen=True, slots=True)
class Division:
    """One division: a set of books."""

    code: str
    name: str
    currency: str
    period_type: str
    first_day: date | None
    last_day: date | None
    settings: Record | None
    """CRS750; None where it is not shown."""


def read_reference(client: M3Client, company_code: str) -> Reference:
    """Reference data of the divisions of the company, or of those that the connection names.

    Raises what a read raises; settings under which nothing can be posted become `setup_problems`, or the reason why a
    period is not open.
    """
    fields = client.fields
    known = read_divisions(client)
    wanted = fields.divisions | {company_code} if fields.divisions and company_code else fields.divisions
    codes = [row["DIVI"] for row in known if row.get("DIVI") and (not wanted or row["DIVI"] in wanted)]
    divisions = _divisions(client, known, codes)
    names = dimensions_of(client)
    identities = {code: _identities(client, code) for code in codes}
    accounts = {code: found[0] for code, found in identities.items()}
    used = {field for division in divisions.values() for field in used_dimensions(division.settings)}
    problems: list[str] = []
    if not codes:
        problems.append(
            f"The service user sees no division of company {fields.company}. Check “Company” of the connection, and the user's "
            "rights in MNS150."
        )
    elif company_code:
        problems += division_problems(fields.company, company_code, known, accounts.get(company_code, []))
        if company_code in divisions:
            problems += settings_problems(company_code, divisions[company_code].settings)
    return Reference(
        company_codes=tuple((code, divisions[code].name, divisions[code].currency) for code in codes),
        dimensions=tuple(sorted(name for name, field in names.items() if field in used)),
        accounts=tuple(_accounts(divisions, accounts, names, client)),
        dimension_values=tuple(_values(identities, names)),
        periods=tuple(_periods(client, divisions)),
        setup_problems=tuple(problems),
        facts={
            "columns": read_columns(client),
            "dimensions": names,
            "debit_credit_codes": {
                code: is_set(division.settings.get("DCNY")) for code, division in divisions.items() if division.settings
            },
            "currencies": {code: division.currency for code, division in divisions.items()},
            "currency_decimals": _decimals(client, {division.currency for division in divisions.values()}),
            "departments": _departments(client),
        },
    )


# Divisions


def read_divisions(client: M3Client) -> list[Record]:
    """Every division of the company, the blank one too. Raises what a read raises."""
    call = Call("LstDivisions", {"CONO": client.fields.company})
    return client.lists("MNS100MI", [call], "DIVI", "the divisions")[0]


def uses_codes(client: M3Client, division: str) -> bool:
    """Whether debit and credit codes are used in a division (CRS750). One round trip."""
    settings = _settings(client, [division])[division]
    return settings is not None and is_set(settings.get("DCNY"))


def read_settings(client: M3Client, division: str) -> Record | None:
    return _settings(client, [division])[division]


def _settings(client: M3Client, codes: Sequence[str]) -> dict[str, Record | None]:
    answers = client.read("CRS750MI", [Call("GetGLSettings", {"DIVI": code}) for code in codes], "the ledger settings")
    return {code: answer[0] if answer else None for code, answer in zip(codes, answers, strict=True)}


def _divisions(client: M3Client, known: Sequence[Record], codes: Sequence[str]) -> dict[str, Division]:
    if not codes:
        return {}
    calls = [
        Call(transaction, {"CONO": client.fields.company, "DIVI": code})
        for code in codes
        for transaction in ("GetBasicData", "GetActiveDates")
    ]
    answers = [answer[0] if answer else {} for answer in client.read("MNS100MI", calls, "the divisions")]
    settings = _settings(client, codes)
    names = {row.get("DIVI", ""): row.get("TX15", "") for row in known}
    found = {}
    for place, code in enumerate(codes):
        basic, dates = answers[2 * place], answers[2 * place + 1]
        found[code] = Division(
            code=code,
            name=basic.get("CONM") or names[code] or basic.get("TX15", ""),
            currency=basic.get("LOCD", ""),
            period_type=basic.get("PTFA", ""),
            first_day=day(dates.get("FADT")),
            last_day=day(dates.get("LADT")),
            settings=settings[code],
        )
    return found


# Identities


def _identities(client: M3Client, division: str) -> list[list[Record]]:
    """Accounting identities of dimensions 1 to 7 of a division. One round trip where M3 cuts nothing."""
    calls = [Call("LstAccountID", {"AITP": str(number), "DIVI": division}) for number in range(1, 8)]
    found = client.lists("CRS630MI", calls, "AITM", "the accounting identities", division=division)
    return [[row for row in rows if row.get("AITM")] for rows in found]


def _accounts(
    divisions: Mapping[str, Division],
    accounts: Mapping[str, Sequence[Record]],
    names: Mapping[str, str],
    client: M3Client,
) -> Iterator[ReferenceAccount]:
    for code, rows in accounts.items():
        division = divisions[code]
        used = used_dimensions(division.settings)
        in_use = {name: field for name, field in names.items() if field in used}
        for row in rows:
            allowed, required = rules(row, in_use, client.fields)
            note = entry_note(row, division.currency)
            yield ReferenceAccount(
                company_code=code,
                number=row["AITM"],
                name=row.get("TX40", ""),
                is_active=not is_set(row.get("LCCD")),
                allows_manual_entry=not note,
                entry_note=note,
                valid_from=day(row.get("VFDT")),
                valid_to=day(row.get("VTDT")),
                allowed_dimensions=allowed,
                required_dimensions=required,
                requires_text=is_set(row.get("MTCD")),
            )


def _values(
    identities: Mapping[str, Sequence[Sequence[Record]]], names: Mapping[str, str]
) -> Iterator[ReferenceDimensionValue]:
    by_field = {field: name for name, field in names.items()}
    for code, lists in identities.items():
        for number, rows in enumerate(lists[1:], 2):
            for row in rows:
                yield ReferenceDimensionValue(
                    company_code=code,
                    dimension=by_field[f"AIT{number}"],
                    value=row["AITM"],
                    name=row.get("TX40", ""),
                    is_active=not is_set(row.get("LCCD")),
                    valid_from=day(row.get("VFDT")),
                    valid_to=day(row.get("VTDT")),
                )


# Periods


def _periods(client: M3Client, divisions: Mapping[str, Division]) -> Iterator[ReferencePeriod]:
    """Periods of the division's type, each cut where the division's active days or the closed ones end inside it."""
    this_year = datetime.now(UTC).year
    asked = [(division, this_year + offset) for division in divisions.values() for offset in YEARS]
    calls = []
    for division, year in asked:
        record = {"CONO": client.fields.company, "FDIV": division.code, "TDIV": division.code}
        record |= {"FYEA": str(year), "TYEA": str(year)}
        if division.period_type:
            record |= {"FPET": division.period_type, "TPET": division.period_type}
        calls.append(Call("Select", record))
    for (division, _), rows in zip(asked, client.read("CRS910MI", calls, "the periods"), strict=True):
        for row in rows:
            if row.get("DIVI", division.code) not in {"", division.code}:
                continue
            start, end = day(row.get("FDAT")), day(row.get("TDAT"))
            if start is None or end is None:
                raise TemporaryFailure(f"M3 showed a period of division {division.code} without its dates.")
            name = row.get("NAME") or f"{row.get('YEA4', '')}-{row.get('PERI', '')}"
            yield from _cut(client, division, start, end, name)


def _cut(client: M3Client, division: Division, start: date, end: date, name: str) -> Iterator[ReferencePeriod]:
    """A period in at most three parts: before, in and behind the days on which the division takes journals."""
    wrong = " and ".join(sentence.rstrip(".") for sentence in settings_problems(division.code, division.settings))
    closed_until = client.fields.closed_until
    first = max(
        (each for each in (division.first_day, closed_until and closed_until + timedelta(days=1)) if each),
        default=start,
    )
    last = division.last_day or end
    is_closed = closed_until is not None and (division.first_day is None or closed_until >= division.first_day)
    before = (
        f"days up to {first - timedelta(days=1):%-d %b %Y} are closed"
        if is_closed
        else f"it begins on {first:%-d %b %Y}"
    )
    if start < first:
        until = min(end, first - timedelta(days=1))
        yield ReferencePeriod(division.code, start, until, False, name, before)
    if max(start, first) <= min(end, last):
        yield ReferencePeriod(division.code, max(start, first), min(end, last), not wrong, name, wrong)
    if end > last:
        begins = max(start, last + timedelta(days=1))
        yield ReferencePeriod(division.code, begins, end, False, name, f"it is active until {last:%-d %b %Y}")


# Names, currencies, departments


def dimensions_of(client: M3Client) -> dict[str, str]:
    """Dimension -> AIT2 to AIT7, as the company calls them. One round trip; a release that does not say has none."""
    call = Call("LstAdtFieldInf", {"MINM": PROGRAM, "TRNM": LINE, "TRTP": "I"})
    (answer,) = client.ask("MRS001MI", [call], "the names of dimensions")
    return dimension_names([] if isinstance(answer, ExchangeError) else answer, client.fields)


def _decimals(client: M3Client, currencies: set[str]) -> dict[str, Any]:
    """Currency -> decimal places, for people."""
    known = sorted(currency for currency in currencies if currency)
    calls = [Call("GetBasicData", {"CUCD": currency}) for currency in known]
    answers = client.ask("CRS055MI", calls, "the currencies") if calls else []
    return {
        currency: answer[0].get("DCCD", "")
        for currency, answer in zip(known, answers, strict=True)
        if not isinstance(answer, ExchangeError) and answer
    }


def _departments(client: M3Client) -> dict[str, str]:
    """Department -> name, for people who map Gusto's departments; not every service user may read them."""
    try:
        (rows,) = client.lists("CRS080MI", [Call("Lst")], "DEPT", "the departments")
    except ExchangeError:
        return {}
    return {row["DEPT"]: row.get("TX40", "") for row in rows if row.get("DEPT")}


def day(text: str | None) -> date | None:
    """A day as M3 writes it; None where it means “open”. Raises TemporaryFailure for what is no day."""
    value = (text or "").strip()
    if value in OPEN_ENDS:
        return None
    try:
        return datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 - a day, not a moment
    except ValueError as error:
        raise TemporaryFailure(f"M3 showed “{value}” where a date belongs.") from error
