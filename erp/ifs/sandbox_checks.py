"""What VoucherEntry_CreateVoucher of the IFS Cloud sandbox checks: the header, each row, the balance; the first error only.

Constants are the facts' (`business_errors.json`); the order of the checks is assumed. Stricter than proven, so that a
client cannot lean on it: amounts with more decimals than their currency, negative amounts without Correction, amounts
that do not agree with the rate.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp.ifs.sandbox_errors import DatabaseErrors
from erp.ifs.sandbox_reference import Reference
from erp.ifs.sandbox_schema import CODE_PARTS, Row

#: Function groups of vouchers that people enter.
MANUAL_GROUPS = frozenset({"M", "K", "Q"})
NEW_STATUSES = frozenset({"Approved", "NotApproved", "AwaitingApproval"})
#: Sides of a row: amount in its currency, in the accounting currency, in the parallel currency.
DEBIT = ("CurrencyDebetAmount", "DebetAmount", "ThirdCurrencyDebitAmount")
CREDIT = ("CurrencyCreditAmount", "CreditAmount", "ThirdCurrencyCreditAmount")
CENT = Decimal("0.01")


class VoucherChecks:
    """One voucher. Looks each account and value up once."""

    def __init__(self, reference: Reference, errors: DatabaseErrors, header: Row) -> None:
        self.reference = reference
        self.errors = errors
        self.header = header
        self.company: str = header["Company"]
        self.finance = reference.company(self.company) or {}
        self.day: str = header["VoucherDate"]
        self._known: dict[tuple[str, ...], Row | None] = {}

    def check(self, rows: list[Row]) -> None:
        """Raises `Refused` with the first error."""
        if not rows:
            raise self.errors.refuse("Voucher.NOVOUCHERROW")
        self._check_status(rows)
        self._check_period()
        self._check_type()
        for number, row in enumerate(rows, start=1):
            self._check_row(number, row)
        self._check_balance(rows)

    # The header

    def _check_status(self, rows: list[Row]) -> None:
        header = self.header
        if header["VoucherStatus"] not in NEW_STATUSES:
            raise self.errors.refuse(
                "Voucher.STATUSINVALID", status=header["VoucherStatus"], type=header["VoucherType"]
            )
        if header.get("ReferenceMandatory") == "Y":
            # So in 22R2, whether the references are filled or not.
            if header["VoucherStatus"] == "Approved":
                raise self.errors.refuse("Voucher.REFSERNUMNOTNULL")
            for number, row in enumerate(rows, start=1):
                if not row.get("ReferenceSerie") or not row.get("ReferenceNumber"):
                    raise self.errors.refuse("Voucher.NULLREFROWEXISTS", row=number)

    def _check_period(self) -> None:
        header, group = self.header, self.header["UserGroup"]
        if group not in self.reference.groups_of_user(self.company):
            user = self.reference.user()["userid"]
            values = {"user": user, "group": group, "company": self.company}
            raise self.errors.refuse("UserGroupMemberFinance.NOTAUTHORIZEDUSER", **values)
        year, period = int(header["AccountingYear"]), int(header["AccountingPeriod"])
        status = self.reference.period_status(self.company, year, period, group)
        if not status:
            raise self.errors.refuse("UserGroupPeriod.NOGROUP", group=group, period=period, year=year)
        if status == "FinallyClosed":
            raise self.errors.refuse("Voucher.PERCLOSED", period=period, year=year)
        if status == "Closed":
            raise self.errors.refuse("UserGroupPeriod.NOTOPENPERIODGROUP", group=group)

    def _check_type(self) -> None:
        header = self.header
        letter, group, function_group = header["VoucherType"], header["UserGroup"], header["FunctionGroup"]
        voucher_type = self.reference.voucher_type(self.company, letter)
        if voucher_type is None or not voucher_type["UseManual"] or function_group not in MANUAL_GROUPS:
            raise self.errors.refuse("Voucher.NOTMANUAL", type=letter)
        year = int(header["AccountingYear"])
        connected = self.reference.type_of_group(self.company, year, group, letter, function_group)
        if connected is None:
            values = {"type": letter, "group": group, "function_group": function_group, "year": year}
            raise self.errors.refuse("VoucherTypeUserGroup.INVVOUTYPE2", **values)
        if connected["AuthorizeLevel"] == "ApproveOnly":
            raise self.errors.refuse("Voucher.APPROVEONLYVOUENTRY", group=group, type=letter)
        if header["VoucherStatus"] == "Approved":
            if voucher_type["SeparateUserApproval"]:
                raise self.errors.refuse("Voucher.SEPUSERAPP")
            if voucher_type["UseApprovalWorkflow"] or connected["AuthorizeLevel"] == "EnterOnly":
                raise self.errors.refuse("Voucher.STATUSINVALID", status="Approved", type=letter)

    # A row

    def _check_row(self, number: int, row: Row) -> None:
        for name in ("Company", "Account"):
            if row.get(name) is None:
                raise self.errors.mandatory(name, "VoucherRow")
        if row["Company"] != self.company:
            raise self.errors.refuse("Voucher.ACCRULDOUBLEENTRY1", row=number, company=row["Company"])
        side = self._check_sides(number, row)
        self._check_currency(row)
        self._check_amounts(number, row, side)
        account = self._check_account(row)
        self._check_code_parts(row, account)
        self._check_demands(row, account)
        if self.finance.get("ParallelAccCurrency"):
            self._check_parallel(number, row, side)

    def _check_sides(self, number: int, row: Row) -> tuple[str, str, str]:
        sides = [side for side in (DEBIT, CREDIT) if any(row.get(name) is not None for name in side[:2])]
        if len(sides) == 2:
            raise self.errors.refuse("VoucherRow.VOUROWDEBDITAMTERR", row=number)
        if not sides or not any(row.get(name) for name in sides[0][:2]):
            raise self.errors.refuse("VoucherRow.NOAMOUNT", row=number)
        return sides[0]

    def _check_currency(self, row: Row) -> None:
        currency = row.get("CurrencyCode")
        if currency is None:
            raise self.errors.refuse("VoucherRow.CURCODENULL")
        for name in ("CurrencyType", "CurrencyRate", "ConversionFactor"):
            if row.get(name) is None:
                raise self.errors.mandatory(name, "VoucherRow")
        if self._found("CurrencyCode", currency) is None:
            raise self.errors.refuse("CurrencyCode.NOCURR", currency=currency, company=self.company)
        if row["CurrencyRate"] <= 0:
            raise self.errors.refuse("VoucherRow.NEGATIVECURRRATE")
        if currency == self.finance["CurrencyCode"] and row["CurrencyRate"] != 1:
            raise self.errors.refuse("VoucherRow.BASECURRSAME")
        if self._rate(row["CurrencyType"], currency) is None:
            values = {"currency": currency, "rate_type": row["CurrencyType"], "date": self.day}
            raise self.errors.refuse("CurrencyRate.NOVALID", **values)

    def _check_amounts(self, number: int, row: Row, side: tuple[str, str, str]) -> None:
        in_currency, in_accounting = row.get(side[0]), row.get(side[1])
        wrong = self.errors.refuse("VoucherRow.INCORRECTAMOUNTS", row=number)
        if in_currency is None or in_accounting is None:
            raise wrong
        for value, currency in ((in_currency, row["CurrencyCode"]), (in_accounting, self.finance["CurrencyCode"])):
            known = self._found("CurrencyCode", currency) or {}
            places = int(known.get("CurrencyRounding", 2))
            if Decimal(value) != round(Decimal(value), places) or (value < 0 and not row["Correction"]):
                raise wrong
        worth = Decimal(in_currency) * Decimal(row["CurrencyRate"]) / Decimal(row["ConversionFactor"])
        if abs(worth - Decimal(in_accounting)) > (0 if row["CurrencyRate"] == 1 else CENT):
            raise wrong

    def _check_account(self, row: Row) -> Row:
        number = row["Account"]
        account = self._found("Account", number)
        if account is None or not self._is_valid(account):
            raise self.errors.refuse("AccountingCodestr.CODEMISSING", code_name="Account", value=number)
        if account["LedgFlag"] == "LedgerAccount" and self.header["FunctionGroup"] == "M":
            raise self.errors.refuse("VoucherRow.VOUISLEDGER", account=number)
        if account["BudAccount"] == "BudgetAccount":
            raise self.errors.refuse("VoucherRow.BUDACCONLY", account=number)
        return account

    def _check_code_parts(self, row: Row, account: Row) -> None:
        for letter in CODE_PARTS:
            value = row.get(f"Code{letter}")
            part = self._found("AccountingCodeParts", letter) or {}
            named = {"code_name": part.get("CodeName", letter), "account": account["Account"]}
            demand = account[f"ReqCode{letter}"]
            if value is None:
                if demand == "Mandatory":
                    raise self.errors.refuse("AccountingCodestr.WRONGREQMANDATORY", **named)
                continue
            if part.get("CodePartUsed") != "Yes":
                raise self.errors.refuse("AccountingCodestr.WRONGREQ", code_name=letter, company=self.company)
            if demand == "Blocked":
                raise self.errors.refuse("AccountingCodestr.WRONGREQBLOCKED", **named)
            known = self._found(f"Code{letter}", value)
            if known is None or not self._is_valid(known):
                code_name = named["code_name"]
                raise self.errors.refuse("AccountingCodestr.CODEMISSING", code_name=code_name, value=value)
            if known["BudgetValue"] == "BudgetAccount":
                code_name = named["code_name"]
                raise self.errors.refuse("AccountingCodestr.CODEMISSINGBUD", code_name=code_name, value=value)

    def _check_demands(self, row: Row, account: Row) -> None:
        number = account["Account"]
        if account["ReqText"] == "Mandatory" and row.get("Text") is None:
            raise self.errors.refuse("AccountingCodestr.WRONGTEXTREQ", account=number)
        if account["ReqQuantity"] == "Mandatory" and row.get("Quantity") is None:
            raise self.errors.refuse("AccountingCodestr.WRONGREQ1", account=number, what="quantity")
        code = row.get("OptionalCode")
        if code is None and account["TaxCodeMandatory"]:
            raise self.errors.mandatory("OptionalCode", "VoucherRow")
        if code is not None and row.get("TaxDirection") is None:
            raise self.errors.refuse("VoucherRow.NOTAXDIRECTION", code=code)

    def _check_parallel(self, number: int, row: Row, side: tuple[str, str, str]) -> None:
        """The parallel amount of a company whose parallel currency is counted from its accounting currency."""
        rate_type = row.get("ParallelCurrRateType")
        if rate_type is None:
            raise self.errors.refuse("VoucherRow.PARALLELRATETYPENULL")
        if self._rate(rate_type, self.finance["CurrencyCode"]) is None:
            raise self.errors.refuse("VoucherRow.NOPARALLELFORCURR", currency=self.finance["CurrencyCode"])
        for name in ("ParallelCurrencyRate", "ParallelConversionFactor", side[2]):
            if row.get(name) is None:
                raise self.errors.mandatory(name, "VoucherRow")
        factor = Decimal(row["ParallelCurrencyRate"]) / Decimal(row["ParallelConversionFactor"])
        if abs(Decimal(row[side[1]]) * factor - Decimal(row[side[2]])) > CENT:
            raise self.errors.refuse("VoucherRow.INCORRECTAMOUNTS", row=number)

    # The whole

    def _check_balance(self, rows: list[Row]) -> None:
        """Statistical accounts do not count; a voucher that is not approved yet may wait for its other side."""
        balance = Decimal(0)
        for row in rows:
            account = self._found("Account", row["Account"]) or {}
            if account.get("StatAccount") != "StatisticalAccount":
                balance += Decimal(row.get("DebetAmount") or 0) - Decimal(row.get("CreditAmount") or 0)
        if balance and self.header["VoucherStatus"] == "Approved":
            raise self.errors.refuse("Voucher.VOUNOTBALANCED", voucher=0)
        if balance and self.header["VoucherStatus"] == "AwaitingApproval":
            raise self.errors.refuse("Voucher.AWAITINGAPPROVALMUSTBEBALANCE")

    def _is_valid(self, row: Row) -> bool:
        return bool(row["ValidFrom"] <= self.day <= row["ValidUntil"])

    def _found(self, lu: str, name: Any) -> Row | None:
        place = (lu, str(name))
        if place not in self._known:
            self._known[place] = self.reference.rows.find(lu, self.company, name)
        return self._known[place]

    def _rate(self, rate_type: str, currency: str) -> Row | None:
        place = ("rate", rate_type, currency)
        if place not in self._known:
            self._known[place] = self.reference.rate(self.company, rate_type, currency, self.day)
        return self._known[place]
