"""MI programs of the M3 sandbox that only read set-up: identities, settings, divisions, periods, currencies, users, rights.

What a list does with a key that it is given (it begins there, or shows only what equals it) is not published for these
programs: setting lists_start_at_key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from erp.infor.m3.sandbox_call import MiCall, Program, Row
from erp.infor.m3.sandbox_messages import Nok, does_not_exist, not_found
from erp.infor.m3.sandbox_setup import ALWAYS_FROM, DIMENSIONS, SetUp

#: The general code whose values are currencies (CSYTAB).
CURRENCY_CODE = "CUCD"


class ReferencePrograms:
    def __init__(self, set_up: SetUp) -> None:
        self.set_up = set_up

    def table(self) -> dict[tuple[str, str], Program]:
        return {
            ("CRS630MI", "GetAccountID"): self.get_identity,
            ("CRS630MI", "LstAccountID"): self.list_identities,
            ("CRS633MI", "LstAccGroups"): self.list_groups,
            ("CRS750MI", "GetGLSettings"): self.get_settings,
            ("MNS095MI", "Get"): self.get_company,
            ("MNS095MI", "Lst"): self.list_companies,
            ("MNS100MI", "GetActiveDates"): self.get_active_dates,
            ("MNS100MI", "GetBasicData"): self.get_division,
            ("MNS100MI", "LstDivisions"): self.list_divisions,
            ("CRS910MI", "Select"): self.select_periods,
            ("CRS055MI", "GetBasicData"): self.get_currency,
            ("CRS055MI", "LstRatesPerType"): self.list_rates,
            ("CRS055MI", "SelExchangeRate"): self.select_rates,
            ("CRS175MI", "LstCurrRates"): self.list_currency_rates,
            ("CRS175MI", "LstGeneralCode"): self.list_general_code,
            ("CRS080MI", "Get"): self.get_department,
            ("CRS080MI", "Lst"): self.list_departments,
            ("MNS150MI", "GetUserData"): self.get_user,
            ("MNS150MI", "LstCmpDivi"): self.list_companies_of_user,
            ("AUTCHKMI", "ChkAuthority"): self.check_authority,
        }

    # Identities

    def get_identity(self, call: MiCall) -> Iterable[Row]:
        self._known_division(call)
        dimension = self._dimension(call)
        found = self.set_up.identity(call.division, dimension, call.get("AITM"))
        if found is None:
            raise not_found("AITM")
        return [found]

    def list_identities(self, call: MiCall) -> Iterable[Row]:
        self._known_division(call)
        rows = self.set_up.identities(call.division, self._dimension(call))
        language = call.get("LNCD") or call.context.language
        return ({**row, "LNCD": language, "LX40": "", "LX15": ""} for row in from_key(call, rows, "AITM"))

    def _dimension(self, call: MiCall) -> str:
        dimension = call.get("AITP")
        if dimension not in DIMENSIONS:
            raise Nok("WAITP01", "AITP", dimension)
        return dimension

    def list_groups(self, call: MiCall) -> Iterable[Row]:
        return (
            {"DIVI": call.division, "LVEL": "1", "LVLS": "1", "TX15": row["TX40"][:15], **row}
            for row in from_key(call, self.set_up.groups, "AICL")
        )

    # Company, divisions, settings, periods

    def get_company(self, call: MiCall) -> Iterable[Row]:
        return [{"CMTP": "1", "CCRT": "1", "DCFM": ".", **self.set_up.company}]

    def list_companies(self, call: MiCall) -> Iterable[Row]:
        return self.get_company(call)

    def get_active_dates(self, call: MiCall) -> Iterable[Row]:
        row = self._known_division(call)
        return [{"FADT": row["FADT"], "LADT": row["LADT"]}]

    def get_division(self, call: MiCall) -> Iterable[Row]:
        row = self._known_division(call)
        name = self.set_up.currencies[row["LOCD"]]["TX40"]
        return [{"DTFM": "YMD", "DCFM": ".", "TIZO": "UTC", "LOCT": name, **row}]

    def list_divisions(self, call: MiCall) -> Iterable[Row]:
        return from_key(call, self.set_up.divisions(), "DIVI")

    def get_settings(self, call: MiCall) -> Iterable[Row]:
        self._known_division(call)
        found = self.set_up.settings(call.division)
        if found is None:
            raise not_found("DIVI")
        return [found]

    def select_periods(self, call: MiCall) -> Iterable[Row]:
        """Between the given limits; a limit that is blank is none."""
        limits = [("DIVI", "FDIV", "TDIV", str), ("YEA4", "FYEA", "TYEA", int), ("PETP", "FPET", "TPET", int)]
        for row in self.set_up.periods():
            if all(is_between(row[name], call.get(low), call.get(high), kind) for name, low, high, kind in limits):
                yield row

    # Currencies

    def get_currency(self, call: MiCall) -> Iterable[Row]:
        found = self.set_up.currencies.get(call.get("CUCD"))
        if found is None:
            raise not_found("CUCD")
        return [{"CONO": call.company, "DIVI": call.division, "RAFA": "1", "TX15": str(found["TX40"])[:15], **found}]

    def list_rates(self, call: MiCall) -> Iterable[Row]:
        wanted = (call.get("CUCD"), str(int(call.get("CRTP"))))
        return [self._rate(row) for row in self.set_up.rates if (row["CUCD"], row["CRTP"]) == wanted]

    def select_rates(self, call: MiCall) -> Iterator[Row]:
        for division in self.set_up.divisions():
            for row in self.set_up.rates:
                is_wanted = is_between(row["CUCD"], call.get("FCUR"), call.get("TCUR"), str)
                if is_wanted and row["LOCD"] == division["LOCD"] and row["CRTP"] == str(int(call.get("CRTP"))):
                    yield {**self._rate(row), "CONO": call.company, "DIVI": division["DIVI"]}

    def list_currency_rates(self, call: MiCall) -> Iterator[Row]:
        for row in self.set_up.rates:
            currency = self.set_up.currencies[row["CUCD"]]
            rate = self._rate(row)
            yield {
                "CUC1": row["CUCD"],
                "CUC2": row["LOCD"],
                "DCCD": currency["DCCD"],
                "TX40": currency["TX40"],
                **{name: rate[name] for name in ("RAFA", "DMCU", "ARAT", "CUTD")},
            }

    def _rate(self, row: Row) -> Row:
        return {"RAFA": "1", "DMCU": "1", "CUTD": f"{self.set_up.today.year}0101", **row}

    def list_general_code(self, call: MiCall) -> Iterator[Row]:
        """Only the one general code whose values this sandbox has."""
        if call.get("STCO") != CURRENCY_CODE:
            return
        rows = [{**row, "STKY": code} for code, row in sorted(self.set_up.currencies.items())]
        for row in from_key(call, rows, "STKY"):
            yield {"CONO": call.company, "STCO": CURRENCY_CODE, "TX15": row["TX40"][:15], **row}

    # Departments, users, rights

    def _departments(self) -> list[Row]:
        division = next(row["DIVI"] for row in self.set_up.divisions() if self.set_up.settings(row["DIVI"]))
        rows = self.set_up.identities(division, "3")
        return [{"DEPT": row["AITM"], "TX40": row["TX40"], "TX15": row["TX15"], "FACI": "M01"} for row in rows]

    def get_department(self, call: MiCall) -> Iterable[Row]:
        found = [row for row in self._departments() if row["DEPT"] == call.get("DEPT")]
        if not found:
            raise not_found("DEPT")
        return found

    def list_departments(self, call: MiCall) -> Iterable[Row]:
        return from_key(call, self._departments(), "DEPT")

    def get_user(self, call: MiCall) -> Iterable[Row]:
        """The service user, who is also the one meant where none is named."""
        user, settings = self.set_up.user, call.context.settings
        if call.get("USID") not in {"", user["USID"]}:
            raise not_found("USID")
        division = self.set_up.division(settings.user_division)
        return [
            {
                "CONO": settings.user_company,
                "DIVI": settings.user_division,
                "LANC": settings.language,
                "DTFM": "YMD",
                "DCFM": settings.decimal_mark,
                "TIZO": "UTC",
                "USTA": "20",
                "TX40": self.set_up.company["TX40"],
                "CONM": division["CONM"] if division else "",
                "FADT": division["FADT"] if division else ALWAYS_FROM,
                "LADT": division["LADT"] if division else "0",
                **user,
            }
        ]

    def list_companies_of_user(self, call: MiCall) -> Iterable[Row]:
        if call.get("USID") != self.set_up.user["USID"]:
            raise not_found("USID")
        return (
            {"CONO": row["CONO"], "DIVI": row["DIVI"], "TX40": self.set_up.company["TX40"], "CONM": row["CONM"]}
            for row in self.set_up.divisions()
        )

    def check_authority(self, call: MiCall) -> Iterable[Row]:
        """A program of M3 (GLS840), or its MI twin."""
        program = call.get("APGM")
        denied = call.context.settings.denied_programs.split()
        right = "0" if program in denied or f"{program}MI" in denied else "1"
        return [dict.fromkeys(("ALPG", *(f"ALO{number}" for number in range(1, 10))), right)]

    def _known_division(self, call: MiCall) -> Row:
        found = self.set_up.division(call.division)
        if found is None:
            raise does_not_exist("DIVI", call.division)
        return found


def from_key(call: MiCall, rows: Iterable[Row], name: str) -> Iterator[Row]:
    """Rows in the order of a key: from the given one on, or those that equal it."""
    key = call.get(name)
    for row in rows:
        fits = row[name] >= key if call.context.settings.lists_start_at_key else row[name] == key
        if not key or fits:
            yield row


def is_between(value: str, low: str, high: str, kind: Callable[[str], Any]) -> bool:
    return (not low or kind(value) >= kind(low)) and (not high or kind(value) <= kind(high))
