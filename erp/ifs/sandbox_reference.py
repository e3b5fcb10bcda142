"""The set-up behind the IFS Cloud sandbox: how it is looked up, and how a person in its pages changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from erp.ifs.sandbox_environment import GENERAL_LEDGER, WHOLE_YEAR, account_row, code_part_value
from erp.ifs.sandbox_rows import Rows
from erp.ifs.sandbox_schema import CODE_PARTS, PLAIN_KINDS, Row, enumerations, projections


class Reference:
    """Set-up data by name. Company codes are compared letter by letter."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    # The service user

    def user(self) -> Row:
        return dict(self.rows.store.get("ifs", "service user") or {})

    def companies_allowed(self) -> frozenset[str]:
        """Companies of whose rows the service user sees anything."""
        return frozenset(self.user()["companies"])

    def set_rights(self, company: str, *, is_allowed: bool) -> None:
        """Raises ValueError for an unknown company."""
        self.rows.existing("Company", company)
        user = self.user()
        others = [each for each in user["companies"] if each != company]
        self.rows.store.put("ifs", "service user", {**user, "companies": [*others, company] if is_allowed else others})

    def groups_of_user(self, company: str) -> list[str]:
        """User groups of the service user, the default first."""
        userid = self.user()["userid"]
        members = [
            row
            for row in self.rows.all("UserGroupMemberFinance")
            if row["Company"] == company and row["Userid"] == userid
        ]
        members.sort(key=lambda row: row["DefaultGroup"] != "Yes")
        return [row["UserGroup"] for row in members]

    def set_member(self, company: str, group: str, *, is_member: bool, is_default: bool = False) -> None:
        self.rows.existing("UserGroupFinance", company, group)
        userid = self.user()["userid"]
        found = self.rows.find("UserGroupMemberFinance", company, group, userid)
        if found is not None:
            self.rows.delete("UserGroupMemberFinance", found)
        if is_member:
            named = {"Company": company, "UserGroup": group, "Userid": userid}
            self.rows.insert("UserGroupMemberFinance", {**named, "DefaultGroup": "Yes" if is_default else "No"})

    # Companies, accounts, code parts

    def company(self, code: str) -> Row | None:
        """Company finance: currency and parallel currency."""
        return self.rows.find("CompanyFinance", code)

    def account(self, company: str, number: str) -> Row | None:
        return self.rows.find("Account", company, number)

    def code_part_value(self, company: str, letter: str, value: str) -> Row | None:
        return self.rows.find(f"Code{letter}", company, value)

    def set_account(self, company: str, number: str, fields: Mapping[str, Any]) -> None:
        """Change an account, or open one where fields hold a Description and there is none."""
        checked("Account", "AccountsHandling", fields)
        found = self.account(company, number)
        if found is not None:
            self.rows.update("Account", {**found, **fields})
            return
        if "Description" not in fields or self.company(company) is None:
            raise ValueError(f"there is no account {number} in {company}; a new one needs a Description")
        described = {"Account": number, "kind": fields.get("LogicalAccountType", "Cost"), **fields}
        days = {"ValidFrom": "2000-01-01", "ValidUntil": "2049-12-31"}
        self.rows.insert("Account", account_row(company, {**days, **described}, {}))

    def set_value(self, company: str, letter: str, value: str, fields: Mapping[str, Any]) -> None:
        """Change a code part value, or add one where fields hold a Description and there is none."""
        if letter not in CODE_PARTS:
            raise ValueError(f"code part must be one of {CODE_PARTS}")
        checked(f"Code{letter}", f"Code{letter}Handling", fields)
        found = self.code_part_value(company, letter, value)
        if found is not None:
            self.rows.update(f"Code{letter}", {**found, **fields})
            return
        if "Description" not in fields or self.company(company) is None:
            raise ValueError(f"there is no value {value} in {company}; a new one needs a Description")
        self.rows.insert(f"Code{letter}", code_part_value(company, letter, value, dict(fields)))

    def remove_value(self, company: str, letter: str, value: str) -> None:
        self.rows.delete(f"Code{letter}", self.rows.existing(f"Code{letter}", company, value))

    def set_code_part(self, company: str, letter: str, fields: Mapping[str, Any]) -> None:
        checked("AccountingCodeParts", "DefineCodeStringHandling", fields)
        found = self.rows.existing("AccountingCodeParts", company, letter)
        row = {**found, **fields}
        row["CodePartUsedDb"] = row["CodePartUsed"] == "Yes"
        self.rows.update("AccountingCodeParts", row)

    # Years and periods

    def allowed_periods(self, company: str, group: str) -> str:
        """OrdinaryPeriods or YearEndPeriods; empty for an unknown group."""
        found = self.rows.find("UserGroupFinance", company, group)
        return found["AllowedAccountingPeriod"] if found else ""

    def period_of(self, company: str, day: str, group: str) -> Row | None:
        """The accounting period of a day, of the kind that the user group works in."""
        is_ordinary = self.allowed_periods(company, group) != "YearEndPeriods"
        for row in self.rows.all("AccountingPeriod"):
            fits = (row["YearEndPeriod"] == "Ordinary") == is_ordinary
            if row["Company"] == company and fits and row["DateFrom"] <= day <= row["DateUntil"]:
                return row
        return None

    def period_status(self, company: str, year: int, period: int, group: str) -> str:
        """Open, Closed or FinallyClosed for a user group; empty where it is not connected to the period."""
        found = self.rows.find("UserGroupPeriod", company, year, period, group, GENERAL_LEDGER)
        return found["PeriodStatus"] if found else ""

    def set_period(self, company: str, day: date, status: str, group: str = "") -> int:
        """Open or close the ordinary period of a day, for one user group or for all. How many rows were changed.

        An empty status takes the user group off the period.
        """
        if status and status not in enumerations()["AccYearPerStatus"]:
            raise ValueError(f"status must be one of {', '.join(enumerations()['AccYearPerStatus'])}")
        period = self.period_of(company, day.isoformat(), group)
        if period is None:
            raise ValueError(f"there is no period for {day} in {company}")
        changed = 0
        for row in self.rows.all("UserGroupPeriod"):
            is_meant = all(row[name] == period[name] for name in ("Company", "AccountingYear", "AccountingPeriod"))
            if not is_meant or (group and row["UserGroup"] != group):
                continue
            changed += 1
            if status:
                self.rows.update("UserGroupPeriod", {**row, "PeriodStatus": status, "LedgerInfoPeriodStatus": status})
            else:
                self.rows.delete("UserGroupPeriod", row)
        return changed

    # Voucher types and numbers

    def voucher_type(self, company: str, letter: str) -> Row | None:
        return self.rows.find("VoucherType", company, letter)

    def type_of_group(self, company: str, year: int, group: str, letter: str, function_group: str) -> Row | None:
        """How a user group may use a voucher type for a function group."""
        return self.rows.find("VoucherTypeUserGroup", company, year, group, letter, function_group)

    def default_type(self, company: str, year: int, group: str) -> Row | None:
        """The default voucher type of function group M."""
        for row in self.rows.all("VoucherTypeUserGroup"):
            named = (row["Company"], row["AccountingYear"], row["UserGroup"], row["FunctionGroup"])
            if named == (company, year, group, "M") and row["DefaultTypeDb"]:
                return row
        return None

    def set_voucher_type(self, company: str, letter: str, fields: Mapping[str, Any]) -> None:
        checked("VoucherType", "VoucherTypeHandling", fields)
        self.rows.update("VoucherType", {**self.rows.existing("VoucherType", company, letter), **fields})

    def set_type_of_group(self, company: str, letter: str, group: str, fields: Mapping[str, Any]) -> int:
        """Change how a user group uses a voucher type in all years, or take it away where fields are empty."""
        checked("VoucherTypeUserGroup", "UserGroupPerVoucherSeriesHandling", fields)
        found = [
            row
            for row in self.rows.all("VoucherTypeUserGroup")
            if (row["Company"], row["VoucherType"], row["UserGroup"]) == (company, letter, group)
        ]
        for row in found:
            if fields:
                changed = {**row, **fields}
                changed["DefaultType"] = "Y" if changed["DefaultTypeDb"] else "N"
                self.rows.update("VoucherTypeUserGroup", changed)
            else:
                self.rows.delete("VoucherTypeUserGroup", row)
        return len(found)

    def next_number(self, company: str, letter: str, year: int) -> int | None:
        """The next number of a series, taken; 0 where the series is used up, None where there is none."""
        series = self.rows.find("VoucherNoSerial", company, letter, year, WHOLE_YEAR)
        if series is None:
            return None
        number = int(series["CurrentNumber"])
        if number > series["SerieUntil"]:
            return 0
        self.rows.update("VoucherNoSerial", {**series, "CurrentNumber": number + 1})
        return number

    def set_series(self, company: str, letter: str, year: int, fields: Mapping[str, Any]) -> None:
        """Change or, where there is none, add a number series; without fields it is taken away."""
        checked("VoucherNoSerial", "UserRelatedVoucherData", fields)
        found = self.rows.find("VoucherNoSerial", company, letter, year, WHOLE_YEAR)
        if not fields:
            self.rows.delete(
                "VoucherNoSerial", self.rows.existing("VoucherNoSerial", company, letter, year, WHOLE_YEAR)
            )
        elif found is not None:
            self.rows.update("VoucherNoSerial", {**found, **fields})
        else:
            named = {"Company": company, "VoucherType": letter, "AccountingYear": year, "Period": WHOLE_YEAR}
            self.rows.insert("VoucherNoSerial", {**named, **fields})

    # Currencies

    def rate(self, company: str, rate_type: str, currency: str, day: str) -> Row | None:
        """The rate that is valid on a day: the last one that has begun."""
        begun = [
            row
            for row in self.rows.all("CurrencyRate")
            if (row["Company"], row["CurrencyType"], row["CurrencyCode"]) == (company, rate_type, currency)
            and row["ValidFrom"] <= day
        ]
        return max(begun, key=lambda row: row["ValidFrom"]) if begun else None

    def default_rate_type(self, company: str) -> str:
        for row in self.rows.all("CurrencyType"):
            if row["Company"] == company and row["TypeDefault"] == "Yes":
                return str(row["CurrencyType"])
        return ""


def checked(type_name: str, projection: str, fields: Mapping[str, Any]) -> None:
    """Names and members of enumerations as the projection has them. Raises ValueError."""
    entity = projections()[projection].types[type_name]
    for name, value in fields.items():
        kind = entity.fields.get(name)
        if kind is None or name in entity.key:
            raise ValueError(f"{type_name} has no field {name} to set")
        if kind not in PLAIN_KINDS and value not in enumerations()[kind]:
            raise ValueError(f"{name} must be one of {', '.join(enumerations()[kind])}")
