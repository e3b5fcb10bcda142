"""The set-up of the M3 sandbox: divisions, identities, periods, currencies, and how a person changes them.

Everything is invented (`sandbox_data/environment.json`): a company with a blank division, two divisions in dollars, one in
Canadian dollars, one that is no longer active and one without any set-up. Dates lie around today.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from audit.sandbox import Store
from erp.infor.m3.sandbox_call import Row
from erp.infor.m3.sandbox_transactions import read_data

#: Years of periods before and after this one.
YEARS_BEFORE, YEARS_AFTER = 2, 1
#: What ended longer ago than this is closed in GLS990.
CLOSED_AFTER_DAYS = 400
ALWAYS_FROM, ALWAYS_TO = "20000101", "99991231"
PERIOD_TYPE = "1"
DIMENSIONS = ("1", "2", "3", "4", "5", "6", "7")

IDENTITY, DIVISION, PERIOD, SETTINGS, OPEN = "M3 identity", "M3 division", "M3 period", "M3 settings", "M3 open dates"
KINDS = (IDENTITY, DIVISION, PERIOD, SETTINGS, OPEN)


def packed(day: date) -> str:
    return day.strftime("%Y%m%d")


def dated(value: str, today: date, default: str) -> str:
    """'-200 days' counts from today."""
    if not value:
        return default
    return packed(today + timedelta(days=int(value.split()[0]))) if value.endswith("days") else value


class SetUp:
    """Looks up by code and changes by code; what never changes is read from the file."""

    def __init__(self, store: Store, today: date) -> None:
        self.store = store
        self.today = today
        given = read_data("environment.json")
        self.company: Row = given["company"]
        self.user: Row = given["user"]
        self.groups: list[Row] = given["groups"]
        self.currencies: dict[str, Row] = {row["CUCD"]: row for row in given["currencies"]}
        self.rates: list[Row] = given["rates"]
        self.interfaces: dict[str, dict[str, Any]] = {row["INTN"]: row for row in given["interfaces"]}
        self.information_numbers: list[str] = given["information_numbers"]
        self.series: str = given["series"]
        self.dimension_names: dict[str, str] = given["dimension_names"]
        self._given = given

    # Filling

    def fill(self) -> None:
        """Put the invented environment into the store, in place of what is there."""
        for kind in KINDS:
            self.store.delete_kind(kind)
        for division in self._given["divisions"]:
            self._fill_division(division)

    def _fill_division(self, given: dict[str, Any]) -> None:
        code = given["DIVI"]
        row = {
            "CONO": self.company["CONO"],
            "DIVI": code,
            "CONM": given["name"][:36],
            "TX15": given["name"][:15],
            "LOCD": given["LOCD"],
            "CSCD": given["CSCD"],
            "FADT": ALWAYS_FROM,
            "LADT": dated(given.get("last_active", ""), self.today, ALWAYS_TO),
            "PTFA": PERIOD_TYPE,
        }
        self.store.put(DIVISION, code, row)
        if given.get("is_empty") or given.get("is_blank"):
            return
        # CHEC 1: the job checks before it writes. FAC1-7: which dimensions are used.
        used = {f"FAC{n}": "1" if n == "1" or self._given["dimensions"].get(n) else "0" for n in DIMENSIONS}
        settings = {"DIVI": code, "CHEC": "1", "DCNY": "0", "DBPS": "", "DBNG": "-", "EICD": "0", **used}
        self.store.put(SETTINGS, code, settings)
        self.store.put_many(IDENTITY, {identity_key(row): row for row in self._identities(code)})
        self._fill_periods(code)

    def _identities(self, division: str) -> list[Row]:
        series = self._given["cost_centers"]
        numbers = range(series["from"], series["to"] + 1, series["step"])
        centers = [{"AITM": str(each), "TX40": f"{series['name']} {each}"} for each in numbers]
        listed = {
            "1": self._given["accounts"],
            **self._given["dimensions"],
            "2": centers + self._given["dimensions"]["2"],
        }
        return [self._identity(division, dimension, row) for dimension in sorted(listed) for row in listed[dimension]]

    def _identity(self, division: str, dimension: str, given: Mapping[str, str]) -> Row:
        is_result = dimension == "1" and given.get("AT01", "0") == "0"
        return {
            "CONO": self.company["CONO"],
            "DIVI": division,
            "AITP": dimension,
            **dict.fromkeys(("AT01", "LCCD", "AT13", "MTCD", "MQCD", "SLCD"), "0"),
            **{f"ACR{n}": "0" for n in range(2, 8)},
            "AT02": "1" if is_result else "0",
            "TX15": given["TX40"][:15],
            **given,
            "VFDT": dated(given.get("VFDT", ""), self.today, ALWAYS_FROM),
            "VTDT": dated(given.get("VTDT", ""), self.today, ALWAYS_TO),
        }

    def _fill_periods(self, division: str) -> None:
        rows = {}
        for year in range(self.today.year - YEARS_BEFORE, self.today.year + YEARS_AFTER + 1):
            for month in range(1, 13):
                last = calendar.monthrange(year, month)[1]
                rows[f"{division}/{year}/{month:02d}"] = {
                    "CONO": self.company["CONO"],
                    "DIVI": division,
                    "PETP": PERIOD_TYPE,
                    "YEA4": str(year),
                    "PERI": str(month),
                    "NAME": f"{year}-{month:02d}",
                    "FDAT": packed(date(year, month, 1)),
                    "TDAT": packed(date(year, month, last)),
                }
        self.store.put_many(PERIOD, rows)
        first = (self.today - timedelta(days=CLOSED_AFTER_DAYS)).replace(day=1)
        self.store.put(OPEN, division, {"from": packed(first), "to": f"{self.today.year + YEARS_AFTER}1231"})

    # Looking up

    def divisions(self) -> list[Row]:
        return sorted(self.store.all(DIVISION), key=lambda row: str(row["DIVI"]))

    def division(self, code: str) -> Row | None:
        found: Row | None = self.store.get(DIVISION, code)
        return found

    def settings(self, division: str) -> Row | None:
        found: Row | None = self.store.get(SETTINGS, division)
        return found

    def identities(self, division: str, dimension: str) -> list[Row]:
        """Of the division alone, in the order of their codes."""
        rows = (row for row in self.store.all(IDENTITY) if row["DIVI"] == division and row["AITP"] == dimension)
        return sorted(rows, key=lambda row: str(row["AITM"]))

    def identity(self, division: str, dimension: str, code: str) -> Row | None:
        found: Row | None = self.store.get(IDENTITY, f"{division}/{dimension}/{code}")
        return found

    def periods(self) -> list[Row]:
        return sorted(
            self.store.all(PERIOD), key=lambda row: (row["DIVI"], row["PETP"], int(row["YEA4"]), int(row["PERI"]))
        )

    def period_of(self, division: str, day: str) -> Row | None:
        """By the key, because a division's periods are calendar months here."""
        found: Row | None = self.store.get(PERIOD, f"{division}/{day[:4]}/{day[4:6]}")
        return found

    def is_open(self, division: str, day: str) -> bool:
        """GLS990: a range of dates, which no MI program shows."""
        found = self.store.get(OPEN, division)
        return found is not None and found["from"] <= day <= found["to"]

    def rate(self, local: str, currency: str) -> str:
        """Empty where there is none."""
        if local == currency:
            return "1.000000"
        fitting = [row["ARAT"] for row in self.rates if row["LOCD"] == local and row["CUCD"] == currency]
        return fitting[0] if fitting else ""

    # What a person changes. Each raises ValueError for what is not there.

    def set_identity(self, values: Mapping[str, str]) -> None:
        """New with TX40, changed without."""
        known = self.identity(values["DIVI"], values["AITP"], values["AITM"])
        if known is None and "TX40" not in values:
            raise ValueError(f"there is no identity {values['AITM']}; a new one needs TX40")
        if self.division(values["DIVI"]) is None:
            raise ValueError(f"there is no division {values['DIVI']}")
        row = {**(known or self._identity(values["DIVI"], values["AITP"], values)), **values}
        self.store.put(IDENTITY, identity_key(row), row)

    def remove_identity(self, division: str, dimension: str, code: str) -> None:
        if not self.store.delete(IDENTITY, f"{division}/{dimension}/{code}"):
            raise ValueError(f"there is no identity {code}")

    def set_division(self, code: str, values: Mapping[str, str]) -> None:
        known = self.division(code)
        if known is None or not set(values) <= set(known):
            raise ValueError(f"there is no division {code}, or no such field")
        self.store.put(DIVISION, code, {**known, **values})

    def set_settings(self, division: str, values: Mapping[str, str]) -> None:
        known = self.settings(division)
        if known is None or not set(values) <= set(known):
            raise ValueError(f"division {division} has no settings, or no such field")
        self.store.put(SETTINGS, division, {**known, **values})

    def set_open_dates(self, division: str, first: str, last: str) -> None:
        if self.store.get(OPEN, division) is None:
            raise ValueError(f"division {division} has no periods")
        self.store.put(OPEN, division, {"from": first, "to": last})


def identity_key(row: Mapping[str, str]) -> str:
    return f"{row['DIVI']}/{row['AITP']}/{row['AITM']}"
