"""The set-up of the sandbox's Dynamics environment: how it is looked up, and how a person in its forms changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from erp.d365.sandbox_filter import folded
from erp.d365.sandbox_rows import Rows
from erp.d365.sandbox_schema import Row, entity_set, enumerations

#: `DimensionParameters.DimensionSegmentDelimiter` -> the characters.
DELIMITERS = {
    "Hyphen": "-",
    "Period": ".",
    "Underscore": "_",
    "Bar": "|",
    "Tilde": "~",
    "DoubleHyphen": "--",
    "DoublePeriod": "..",
    "DoubleUnderscore": "__",
    "DoubleBar": "||",
    "DoubleTilde": "~~",
}
LEDGER_FORMAT = "DataEntityLedgerDimensionFormat"
DEFAULT_FORMAT = "DataEntityDefaultDimensionFormat"
#: Number sequences without which no journal is created or posted (rule post-2).
JOURNAL_SEQUENCE = "LedgerJournalId"
ENTRY_SEQUENCE = "GeneralJournalEntryJournalNumber"
#: Dimension -> (collection of its values, field of the value, whether a value belongs to one company).
BACKING_SETS = {
    "BusinessUnit": ("BusinessUnits", "OperatingUnitNumber", False),
    "Department": ("DepartmentsV2", "OperatingUnitNumber", False),
    "CostCenter": ("CostCenters", "OperatingUnitNumber", False),
    "Project": ("ProjectsV2", "ProjectId", True),
}
SEGMENTS_MAX = 11


class Reference:
    """Set-up data by name. Company codes are compared without case."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    # Looking up

    def company(self, code: str) -> Row | None:
        return self.rows.find("LegalEntities", code)

    def companies(self) -> list[str]:
        return [row["LegalEntityId"] for row in self.rows.all("LegalEntities")]

    def ledger(self, company: str) -> Row:
        """Raises KeyError for an unknown company."""
        row = self.rows.find("Ledgers", company)
        if row is None:
            raise KeyError(company)
        return row

    def main_account(self, company: str, number: str) -> Row | None:
        """As this company sees it: what it overrides lies over the chart of accounts."""
        chart = self.ledger(company)["ChartOfAccounts"]
        account = self.rows.find("MainAccounts", chart, number)
        if account is None:
            return None
        own = self.rows.find("MainAccountLegalEntities", number, chart, company) or {}
        merged = dict(account)
        for name in ("IsSuspended", "DoNotAllowManualEntry"):
            if own.get(name) == "Yes":
                merged[name] = "Yes"
        for name in ("ActiveFrom", "ActiveTo"):
            if own.get(name):
                merged[name] = own[name]
        return merged

    def journal_name(self, company: str, name: str) -> Row | None:
        return self.rows.find("JournalNames", company, name)

    def delimiter(self) -> str:
        (row,) = self.rows.all("DimensionParameters")
        return DELIMITERS[row["DimensionSegmentDelimiter"]]

    def active_format(self, kind: str) -> Row | None:
        """The one active format of a type; None where there is none."""
        active = [row for row in self.rows.all("DimensionIntegrationFormats") if row.get("IsActive") == "Yes"]
        fitting = [row for row in active if row["DimensionFormatType"] == kind]
        return fitting[0] if fitting else None

    def is_active_dimension(self, name: str) -> bool:
        if name == "MainAccount":
            return True
        row = self.rows.find("DimensionAttributes", name)
        return row is not None and not row.get("_inactive", False)

    def dimension_value(self, company: str, dimension: str, value: str) -> Row | None:
        """A value and what FinancialDimensionValues says of it; a company's own row wins over the shared one."""
        shared = self.rows.find("FinancialDimensionValues", dimension, "", value)
        own = self.rows.find("FinancialDimensionValues", dimension, company, value)
        if dimension in BACKING_SETS:
            name, _, is_of_company = BACKING_SETS[dimension]
            backing = self.rows.find(name, *([company, value] if is_of_company else [value]))
            if backing is None:
                return None
            return own or shared or {}
        return own or shared

    def structures(self, company: str) -> list[tuple[Row, list[Row]]]:
        """The company's active account structures, each with its active constraints."""
        ledger = self.ledger(company)
        names = [ledger.get(f"AccountStructureName{number}", "") for number in range(1, 21)]
        constraints = self.rows.all("AccountStructureConstraints")
        found = []
        for name in filter(None, names):
            structure = self.rows.find("AccountStructures", name, "Active")
            if structure is not None:
                fitting = [c for c in constraints if c["AccountStructure"] == name and c["Status"] == "Active"]
                found.append((structure, fitting))
        return found

    def added_dimensions(self, structure: str, main_account: str) -> list[str]:
        """Dimensions that active advanced rules add to a structure for this account."""
        added: list[str] = []
        for rule in self.rows.all("AdvancedRules"):
            if rule["AccountStructure"] != structure or rule["Status"] != "Active":
                continue
            criterion = self.rows.find(
                "AdvancedRuleCriteria", structure, rule["AdvancedRuleName"], "Active", "MainAccount"
            )
            if criterion is None or not fits_criterion(main_account, criterion["AdvancedRuleCriterion"]):
                continue
            for number in range(1, 5):
                name = rule.get(f"AdvancedRuleStructure{number}", "")
                rule_structure = self.rows.find("LedgerAdvancedRuleStructures", name, "Active") if name else None
                if rule_structure is not None:
                    added += segments_of(rule_structure)
        return added

    def period_status(self, company: str, day: date) -> str:
        """Open, OnHold or Closed of the operating period around a day; empty where there is none."""
        ledger = self.ledger(company)
        text = day.isoformat()
        for period in self.rows.all("FiscalPeriods"):
            is_around = period["StartDate"] <= text <= period["EndDate"] and period.get("Type") == "Operating"
            if period["Calendar"] == ledger["FiscalCalendar"] and is_around:
                status = self.rows.find(
                    "LedgerFiscalPeriodsV2",
                    ledger["Name"],
                    period["Calendar"],
                    period["FiscalYear"],
                    period["PeriodName"],
                )
                return str(status["PeriodStatus"]) if status else ""
        return ""

    def has_sequence(self, company: str, reference: str) -> bool:
        return reference in (self.rows.store.get("number_sequence", folded(company)) or [])

    # Changing, as a person in the forms would

    def set_sequences(self, company: str, references: list[str]) -> None:
        self.rows.store.put("number_sequence", folded(company), references)

    def set_delimiter(self, name: str) -> None:
        if name not in DELIMITERS:
            raise ValueError(f"delimiter must be one of {', '.join(DELIMITERS)}")
        (row,) = self.rows.all("DimensionParameters")
        row["DimensionSegmentDelimiter"] = name
        self.rows.update("DimensionParameters", row)
        for written in self.rows.all("DimensionIntegrationFormats"):
            self.write_format(written, written["_dimensions"])
        self.write_fixed_offsets()

    def set_format(self, kind: str, dimensions: list[str] | None, *, is_active: bool = True) -> None:
        """Change the active format of a type, or with `is_active` False leave the type without one."""
        if kind not in {LEDGER_FORMAT, DEFAULT_FORMAT}:
            raise ValueError(f"format must be {LEDGER_FORMAT} or {DEFAULT_FORMAT}")
        for name in dimensions or []:
            if name != "MainAccount" and self.rows.find("DimensionAttributes", name) is None:
                raise ValueError(f"there is no dimension {name}")
        of_kind = [row for row in self.rows.all("DimensionIntegrationFormats") if row["DimensionFormatType"] == kind]
        written = of_kind[0]
        written["IsActive"] = "Yes" if is_active else "No"
        self.write_format(written, dimensions if dimensions is not None else written["_dimensions"])
        self.write_fixed_offsets()

    def set_dimension_active(self, name: str, *, is_active: bool) -> None:
        row = self.existing("DimensionAttributes", name)
        row["_inactive"] = not is_active
        self.rows.update("DimensionAttributes", row)

    def change(self, entity_name: str, key: list[str], fields: Mapping[str, Any]) -> Row:
        """Overwrite fields of a set-up row. Raises ValueError for an unknown row, field or enumeration member."""
        entity = entity_set(entity_name)
        row = self.existing(entity_name, *key)
        for name, value in fields.items():
            kind = entity.fields.get(name)
            if kind is None or name in entity.key:
                raise ValueError(f"{entity_name} has no field {name} that can be changed")
            if kind in enumerations() and value not in enumerations()[kind]:
                raise ValueError(f"{name} must be one of {', '.join(enumerations()[kind])}")
            row[name] = value
        return self.rows.update(entity_name, row)

    def change_account(self, number: str, fields: Mapping[str, Any], company: str = "") -> Row:
        """Suspend an account, end it, ...: in the shared chart, or with `company` for one company alone."""
        if not company:
            chart = self.rows.all("ChartOfAccounts")[0]["ChartOfAccounts"]
            return self.change("MainAccounts", [chart, number], fields)
        chart = self.ledger(company)["ChartOfAccounts"]
        if self.rows.find("MainAccountLegalEntities", number, chart, company) is None:
            self.existing("MainAccounts", chart, number)
            row = {"MainAccountId": number, "ChartOfAccounts": chart, "LegalEntityId": company.upper()}
            self.rows.insert("MainAccountLegalEntities", row)
        return self.change("MainAccountLegalEntities", [number, chart, company], fields)

    def add_account(self, number: str, name: str, fields: Mapping[str, Any]) -> Row:
        chart = self.rows.all("ChartOfAccounts")[0]
        if self.rows.find("MainAccounts", chart["ChartOfAccounts"], number) is not None:
            raise ValueError(f"main account {number} exists")
        self.rows.insert(
            "MainAccounts",
            {
                "ChartOfAccounts": chart["ChartOfAccounts"],
                "MainAccountId": number,
                "Name": name,
                "MainAccountType": "Expense",
                "ChartOfAccountsRecId": chart["ChartOfAccountsRecId"],
            },
        )
        return self.change_account(number, fields)

    def add_dimension_value(self, dimension: str, value: str, name: str, company: str = "") -> None:
        """`company` is needed for a project and optional for a custom list."""
        self.existing("DimensionAttributes", dimension)
        if dimension not in BACKING_SETS:
            row = {"FinancialDimension": dimension, "LegalEntityId": company, "DimensionValue": value}
            self.rows.insert("FinancialDimensionValues", {**row, "Description": name})
            return
        collection, field, is_of_company = BACKING_SETS[dimension]
        row = {field: value, "ProjectName" if dimension == "Project" else "Name": name}
        if is_of_company:
            if not company:
                raise ValueError(f"a value of {dimension} belongs to a company")
            row["dataAreaId"] = company
        self.rows.insert(collection, row)

    def remove_dimension_value(self, dimension: str, value: str, company: str = "") -> None:
        self.existing("DimensionAttributes", dimension)
        if dimension in BACKING_SETS:
            collection, _, is_of_company = BACKING_SETS[dimension]
            self.rows.delete(collection, self.existing(collection, *([company, value] if is_of_company else [value])))
            return
        found = self.existing("FinancialDimensionValues", dimension, company, value)
        self.rows.delete("FinancialDimensionValues", found)

    def change_dimension_value(self, dimension: str, value: str, fields: Mapping[str, Any], company: str = "") -> Row:
        """Suspend a value, end it, block it for manual entry; for all companies or for one."""
        key = [dimension, company, value]
        if self.rows.find("FinancialDimensionValues", *key) is None:
            row = {"FinancialDimension": dimension, "LegalEntityId": company, "DimensionValue": value}
            self.rows.insert("FinancialDimensionValues", row)
        return self.change("FinancialDimensionValues", key, fields)

    def set_period(self, company: str, day: date, status: str) -> int:
        """Open, OnHold or Closed for every period of the company's ledger around a day; returns how many."""
        ledger = self.ledger(company)
        changed = 0
        for period in self.rows.all("FiscalPeriods"):
            if period["StartDate"] <= day.isoformat() <= period["EndDate"]:
                key = [ledger["Name"], period["Calendar"], period["FiscalYear"], period["PeriodName"]]
                self.change("LedgerFiscalPeriodsV2", key, {"PeriodStatus": status})
                changed += 1
        if not changed:
            raise ValueError(f"there is no fiscal period around {day}")
        return changed

    def existing(self, entity_name: str, *key: Any) -> Row:
        """Raises ValueError where there is no such row."""
        row = self.rows.find(entity_name, *key)
        if row is None:
            raise ValueError(f"{entity_name} has no row {', '.join(map(str, key))}")
        return row

    def write_format(self, row: Row, dimensions: list[str]) -> None:
        """The names of a format are joined by the delimiter, so that a new delimiter changes the text."""
        row["_dimensions"] = dimensions
        row["FinancialDimensionFormat"] = self.delimiter().join(dimensions)
        self.rows.update("DimensionIntegrationFormats", row)

    def write_fixed_offsets(self) -> None:
        """The fixed offset account of a journal name is an account string too."""
        written = self.active_format(LEDGER_FORMAT)
        dimensions = written["_dimensions"] if written else ["MainAccount"]
        for name in self.rows.all("JournalNames"):
            if number := name.get("_offset_main_account", ""):
                segments = [number if dimension == "MainAccount" else "" for dimension in dimensions]
                name["OffsetAccountDisplayValue"] = self.delimiter().join(segments)
                self.rows.update("JournalNames", name)


def segments_of(row: Row) -> list[str]:
    names = [row.get(f"SegmentName{number:02d}", "") for number in range(1, SEGMENTS_MAX + 1)]
    return [name for name in names if name]


def fits_criterion(value: str, criterion: str) -> bool:
    """Criteria of account structures and advanced rules: alternatives by ";".

    `*` is any value, `""` the blank one, `6*` a beginning, `6000..6999` a range, anything else an exact value. An
    empty criterion allows nothing. Forms from a public client of a live environment.
    """
    for part in (part.strip() for part in criterion.split(";")):
        if part == '""':
            if not value:
                return True
        elif not value or not part:
            continue
        elif ".." in part:
            first, _, last = part.partition("..")
            if first.strip() <= value <= last.strip():
                return True
        elif part.endswith("*"):
            if folded(value).startswith(folded(part[:-1])):
                return True
        elif folded(value) == folded(part):
            return True
    return False
