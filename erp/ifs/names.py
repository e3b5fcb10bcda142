"""Every name of IFS Cloud that the connector uses, and what it is called where a release calls it otherwise.

The accounting projections were stable from 21R1 to 22R2 but are not guaranteed, and later models are not public. So a
name is a default: the connection's field “Other names” replaces it, and "Test connection" compares all of them with the
`$metadata` of the tenant. A name is written as a path of defaults: `VoucherRowsAnalysis`,
`VoucherRowsAnalysis.VoucherRowSet`, `VoucherRowsAnalysis.VoucherRowSet.DebetAmount`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from audit.exchange import Misconfigured
from erp.odata import Row, literal

#: Code parts besides A, which is the account.
CODE_PARTS = "BCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class EntitySet:
    """A set of a projection, or with `parent` an array below each of its rows, and the fields that are read or written."""

    projection: str
    name: str
    fields: tuple[str, ...]
    parent: str = ""
    is_needed: bool = True
    """False: without it the connector works and says what it cannot tell."""

    @property
    def path(self) -> str:
        return f"{self.projection}.{self.name}"


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a projection; bound to a row of `binds` unless that is empty."""

    projection: str
    name: str
    binds: str = ""
    is_needed: bool = True

    @property
    def path(self) -> str:
        return f"{self.projection}.{self.name}"


ENTRY = "VoucherEntryAssistantHandling"

VOUCHER = EntitySet(
    ENTRY,
    "VoucherSet",
    (
        "Objkey", "OpennedFrom", "Company", "VoucherDate", "FunctionGroup", "VoucherText2", "UserGroup", "VoucherType",
        "VoucherNo", "AccountingYear", "AccountingPeriod", "VoucherStatus", "CurrencyCode", "CurrencyType",
    ),
)  # fmt: skip
#: ParentObjkey is in the body of a row and in no published list of its fields, so it is not looked for.
PARENT = "ParentObjkey"
ROW = EntitySet(
    ENTRY,
    "VoucherPostingArray",
    (
        "Company", "VoucherType", "AccountingYear", "AccountingPeriod", "VoucherNo", "VoucherDate", "Account",
        *(f"Code{part}" for part in CODE_PARTS), "CurrencyCode", "CurrencyType", "CurrencyRate", "ConversionFactor",
        "CurrencyDebetAmount", "DebetAmount", "CurrencyCreditAmount", "CreditAmount", "Correction", "AddInternal",
        "IntManualAdded", "Text", "ReferenceSerie", "ReferenceNumber",
    ),
    parent="VoucherSet",
)  # fmt: skip
CREATE = Action(ENTRY, "VoucherEntry_CreateVoucher", binds="VoucherSet")
REMOVE = Action(ENTRY, "VoucherEntry_RemoveTempVoucher", binds="VoucherSet")
VALIDATE = Action(ENTRY, "ValidateVoucherPosting", is_needed=False)

_AMOUNTS = ("VoucherType", "AccountingYear", "VoucherNo", "RowNo", "DebetAmount", "CreditAmount")
#: Rows of the hold table: until the ledger update takes the voucher out.
HELD_ROW = EntitySet(
    "VoucherRowsAnalysis", "VoucherRowSet", ("Company", *_AMOUNTS, "ReferenceSerie", "ReferenceNumber")
)
#: Headers of the hold table.
HELD_VOUCHER = EntitySet(
    "VouchersAnalysis",
    "VoucherSet",
    ("Company", "AccountingYear", "VoucherType", "VoucherNo", "VoucherStatus", "UpdateError"),
)
#: The assistant shows the ledger's rows of one known voucher, for copying; the only public way into the ledger.
LEDGER_VOUCHER = EntitySet(
    ENTRY,
    "CopyGlVoucherDetailsHeaderVirtualSet",
    ("Objkey", "Company", "VoucherNo", "VoucherType", "AccountingYear"),
    is_needed=False,
)
LEDGER_ROW = EntitySet(
    ENTRY,
    "GlVoucherRowsArray",
    (*_AMOUNTS, "ReferenceSerie", "ReferenceNumber"),
    parent="CopyGlVoucherDetailsHeaderVirtualSet",
    is_needed=False,
)
#: What the customer made to search the ledger; its address is a field of the connection, so only its fields are here.
LEDGER_SOURCE = EntitySet("LedgerSource", "Rows", ("Company", *_AMOUNTS, "ReferenceSerie", "ReferenceNumber"))

COMPANY = EntitySet("CompaniesHandling", "CompanySet", ("Company", "Name"))
COMPANY_FINANCE = EntitySet(
    "CodePartValuesHandling", "CompanyFinanceSet", ("Company", "CurrencyCode", "ParallelAccCurrency", "UseVouNoPeriod")
)
ACCOUNT = EntitySet(
    "AccountsHandling",
    "AccountSet",
    (
        "Company", "Account", "Description", "ValidFrom", "ValidUntil", "LogicalAccountType", "LedgFlag",
        *(f"ReqCode{part}" for part in CODE_PARTS), "ReqText", "ReqQuantity", "ReqProcessCode", "BudAccount",
        "StatAccount", "TaxCodeMandatory",
    ),
)  # fmt: skip
CODE_PART = EntitySet(
    "DefineCodeStringHandling",
    "AccountingCodePartsSet",
    ("Company", "CodePart", "CodeName", "CodePartUsedDb", "LogicalCodePart"),
)
#: Code part -> its values, company by company. The projections CodeBHandling to CodeJHandling hold the same; these arrays
#: need one grant and one round trip.
CODE_VALUES = {
    part: EntitySet(
        "CodePartValuesHandling",
        f"Code{part}Array",
        ("Company", f"Code{part}", "Description", "ValidFrom", "ValidUntil", "BudgetValue"),
        parent="CompanyFinanceSet",
    )
    for part in CODE_PARTS
}
YEAR = EntitySet("AccountingPeriodsHandling", "AccountingYearSet", ("Company", "AccountingYear"))
PERIOD = EntitySet(
    "AccountingPeriodsHandling",
    "AccountingPeriodDetailArray",
    ("Company", "AccountingYear", "AccountingPeriod", "Description", "YearEndPeriod", "DateFrom", "DateUntil"),
    parent="AccountingYearSet",
)
#: Only the way to the array below it.
PERIOD_OF_GROUPS = EntitySet(
    "UserGroupPerPeriodHandling", "AccountingPeriodSet", ("AccountingYear", "AccountingPeriod", "Company")
)
GROUP_PERIOD = EntitySet(
    "UserGroupPerPeriodHandling",
    "DetailUserGroups",
    ("Company", "AccountingYear", "AccountingPeriod", "UserGroup", "LedgerId", "PeriodStatus"),
    parent="AccountingPeriodSet",
)
USER_GROUP = EntitySet("UsersPerUserGroupHandling", "UserGroupFinanceSet", ("Company", "UserGroup", "Description"))
VOUCHER_TYPE = EntitySet(
    "VoucherTypeHandling",
    "VoucherTypes",
    (
        "Company", "VoucherType", "Description", "AutomaticAllotDb", "UseManual", "SimulationVoucher", "LedgerId",
        "UseApprovalWorkflow", "SeparateUserApproval",
    ),
)  # fmt: skip
SERIES = EntitySet(
    "UserRelatedVoucherData",
    "VoucherNoSerialSet",
    ("Company", "VoucherType", "AccountingYear", "Period", "SerieUntil", "CurrentNumber"),
)
#: Only the way to the array below it.
SERIES_OF_GROUPS = EntitySet(
    "UserGroupPerVoucherSeriesHandling",
    "VoucherNoSerialYearSet",
    ("Company", "VoucherType", "AccountingYear", "Period"),
)
GROUP_TYPE = EntitySet(
    "UserGroupPerVoucherSeriesHandling",
    "VoucherTypeUserGroupArray",
    ("Company", "AccountingYear", "UserGroup", "VoucherType", "FunctionGroup", "AuthorizeLevel", "DefaultTypeDb"),
    parent="VoucherNoSerialYearSet",
)
CURRENCY = EntitySet("CurrencyCodesHandling", "CurrencyCodeSet", ("Company", "CurrencyCode"), is_needed=False)
RATE_TYPE = EntitySet(
    "CurrencyRateTypesHandling",
    "CurrencyTypeSet",
    ("Company", "CurrencyType", "Description", "RefCurrencyCode", "RateTypeCategory"),
)

ENTITY_SETS: tuple[EntitySet, ...] = (
    VOUCHER, ROW, LEDGER_VOUCHER, LEDGER_ROW, HELD_ROW, HELD_VOUCHER, COMPANY, COMPANY_FINANCE, ACCOUNT, CODE_PART,
    *CODE_VALUES.values(), YEAR, PERIOD, PERIOD_OF_GROUPS, GROUP_PERIOD, USER_GROUP, VOUCHER_TYPE, SERIES,
    SERIES_OF_GROUPS, GROUP_TYPE, CURRENCY, RATE_TYPE,
)  # fmt: skip
ACTIONS = (CREATE, REMOVE, VALIDATE)


def known_paths() -> frozenset[str]:
    """Every path that “Other names” may replace."""
    sets = (*ENTITY_SETS, LEDGER_SOURCE)
    return frozenset(
        {each.projection for each in sets}
        | {each.path for each in sets}
        | {f"{each.path}.{name}" for each in sets for name in each.fields}
        | {f"{ROW.path}.{PARENT}"}
        | {action.path for action in ACTIONS}
    )


class Names:
    """The names of one connection. Raises Misconfigured for a path that is none of ours."""

    def __init__(self, changed: Mapping[str, str]) -> None:
        unknown = sorted(set(changed) - known_paths())
        if unknown:
            raise Misconfigured(
                f"“Other names” of the connection replaces {', '.join(unknown)}, which is no name that is used. Write the "
                "usual name, with projection and set before it, an equals sign, and the name in this release."
            )
        self._changed = dict(changed)

    def projection(self, of: EntitySet | Action) -> str:
        return self._changed.get(of.projection, of.projection)

    def set(self, of: EntitySet) -> str:
        return self._changed.get(of.path, of.name)

    def parent(self, of: EntitySet) -> str:
        """The set above an array."""
        return self._changed.get(f"{of.projection}.{of.parent}", of.parent)

    def parent_field(self, of: EntitySet, name: str) -> str:
        """A field of the set above an array."""
        return self._changed.get(f"{of.projection}.{of.parent}.{name}", name)

    def action(self, of: Action) -> str:
        """As it stands in an address: bound actions carry their namespace."""
        name = self._changed.get(of.path, of.name)
        return f"IfsApp.{self.projection(of)}.{name}" if of.binds else name

    def field(self, of: EntitySet, name: str) -> str:
        return self._changed.get(f"{of.path}.{name}", name)

    def fields(self, of: EntitySet) -> tuple[str, ...]:
        return tuple(self.field(of, name) for name in of.fields)

    def equals(self, of: EntitySet, **values: str | int | Decimal | date) -> str:
        """A filter: every given field has exactly this value."""
        return " and ".join(f"{self.field(of, name)} eq {literal(value)}" for name, value in values.items())

    def row(self, of: EntitySet, row: Mapping[str, Any]) -> Row:
        """A row of theirs with our names."""
        ours = {self.field(of, name): name for name in of.fields}
        return {ours.get(name, name): value for name, value in row.items()}

    def body(self, of: EntitySet, body: Mapping[str, Any]) -> Row:
        """A row of ours with their names."""
        return {self.field(of, name): value for name, value in body.items()}


def changed_names(text: str) -> dict[str, str]:
    """`Path=Name` pairs, separated by commas or line ends. The form of the text is checked by the credential field."""
    pairs = (pair.partition("=") for pair in text.replace("\n", ",").split(","))
    return {path.strip(): name.strip() for path, _, name in pairs if path.strip()}
