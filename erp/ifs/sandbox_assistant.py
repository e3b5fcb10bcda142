"""The Voucher Entry Assistant of the IFS Cloud sandbox: temporary records known by their Objkey, and what becomes of them.

The conversation of the facts (section 5): open a header, whose defaults are the service user's; perhaps change its type;
add rows, which take date, period and type from the header; create the voucher, which checks everything and allots the
number. Nothing before that has any effect on the books, and nothing stops a second one: it makes a second voucher.
"""

from __future__ import annotations

import time
from datetime import date
from typing import Any

from audit.sandbox import Refused
from erp.ifs.sandbox_books import VOUCHER_KEY, Books
from erp.ifs.sandbox_checks import VoucherChecks
from erp.ifs.sandbox_errors import DatabaseErrors, not_found, not_implemented, refused
from erp.ifs.sandbox_reference import Reference
from erp.ifs.sandbox_rows import Rows
from erp.ifs.sandbox_schema import CODE_PARTS, Row
from erp.ifs.sandbox_settings import Settings

HEADER, LEDGER_SEARCH, LEDGER_VOUCHER = "VoucherEntry", "CopyGlHeaderVirtual", "CopyGlVoucherDetailsHeaderVirtual"
#: Logical unit of a temporary record -> how its Objkeys begin.
OBJKEYS = {HEADER: "AAAX", "VoucherPosting": "AAAR", LEDGER_SEARCH: "AAAS", LEDGER_VOUCHER: "AAAT"}
NEW_VOUCHER = "NEW_VOUCHER"
#: What a row takes from its header, whatever was sent.
FROM_HEADER = ("VoucherType", "AccountingYear", "AccountingPeriod", "VoucherDate")
#: Booleans that a row must bring.
REQUIRED_OF_ROW = ("Correction", "AddInternal", "IntManualAdded")
#: Function groups of which the assistant lists vouchers of the general ledger.
LEDGER_GROUPS = frozenset({"M", "Q"})


class Assistant:
    """Temporary records of the service user. Every write belongs into a store transaction of the caller."""

    def __init__(self, rows: Rows, reference: Reference, books: Books, settings: Settings, today: date) -> None:
        self.rows = rows
        self.store = rows.store
        self.reference = reference
        self.books = books
        self.settings = settings
        self.today = today
        status = settings.database_error_status
        self.errors = DatabaseErrors(settings.language, status, has_marks=settings.text_marks)

    # Temporary records

    def find(self, lu: str, objkey: str) -> Row | None:
        found: Row | None = self.store.get(f"temporary {lu}", objkey)
        if found is None or self._is_over(found):
            return None
        return found

    def all(self, lu: str) -> list[Row]:
        return [row for row in self.store.all(f"temporary {lu}") if not self._is_over(row)]

    def _is_over(self, record: Row) -> bool:
        life = self.settings.temporary_seconds
        return bool(life and time.time() > float(record["_made"]) + life)

    def _insert(self, lu: str, kind: str, row: Row) -> Row:
        number = self.store.next(f"objkey {lu}")
        row = {"Objkey": f"{OBJKEYS[lu]}{number:016d}", **row, "_id": number, "_version": 1, "_made": time.time()}
        self.store.put(kind, row["Objkey"], row)
        return row

    def _update(self, kind: str, row: Row) -> Row:
        row = {**row, "_version": row["_version"] + 1}
        self.store.put(kind, row["Objkey"], row)
        return row

    def forget(self) -> None:
        """All temporary records are gone, as after a restart of the server."""
        for header in self.store.keys(f"temporary {HEADER}"):
            self.store.delete_kind(rows_kind(header))
        for lu in (HEADER, LEDGER_SEARCH, LEDGER_VOUCHER):
            self.store.delete_kind(f"temporary {lu}")

    # Headers

    def create_header(self, body: Row) -> Row:
        if body.get("OpennedFrom") != NEW_VOUCHER:
            raise self._copying(body)
        for name in ("Company", "VoucherDate", "FunctionGroup"):
            if body.get(name) is None:
                raise self.errors.mandatory(name, HEADER)
        company = body["Company"]
        finance = self.reference.company(company)
        if finance is None:
            raise self.errors.refuse("FND_RECORD_NOT_EXIST", lu="Company")
        user = self.reference.user()["userid"]
        groups = self.reference.groups_of_user(company)
        if company not in self.reference.companies_allowed():
            values = {"user": user, "group": groups[0] if groups else "*", "company": company}
            raise self.errors.refuse("UserGroupMemberFinance.NOTAUTHORIZEDUSER", **values)
        if not groups:
            raise self.errors.refuse("UserGroupMemberFinance.NOUSERGR", user=user, company=company)
        header = {
            **body,
            "UserGroup": groups[0],
            "VoucherNo": 0,
            "DateReg": self.today.isoformat(),
            "Userid": user,
            "InterimVoucher": "N",
            "CurrencyCode": finance["CurrencyCode"],
            "CurrencyType": self.reference.default_rate_type(company),
            "CurrencyRate": 1,
            "ParallelCurrencyCode": finance["ParallelAccCurrency"],
            "AmountMethod": "NetAmountEntry",
            "UseCorrectionRows": False,
            "MultiCompanyMode": False,
            "Automatic": "TRUE",
        }
        self._place(header)
        self._take_default_type(header)
        return self._insert(HEADER, f"temporary {HEADER}", header)

    def _copying(self, body: Row) -> Refused:
        """Anything but NEW_VOUCHER goes into copying another voucher."""
        key = [str(body.get(f"{name}From")) for name in VOUCHER_KEY]
        if self.books.find(*key) is None:
            return self.errors.refuse("Voucher.NOVOU")
        return not_implemented("Copying a voucher is no part of this sandbox.")

    def _place(self, header: Row) -> None:
        header |= self.year_and_period(header["Company"], header["VoucherDate"], header["UserGroup"])

    def year_and_period(self, company: str, day: str, group: str) -> Row:
        """Of a date, for a user group. Raises `Refused` where it has none; whether it is open is asked later."""
        period = self.reference.period_of(company, day, group)
        if period is None:
            raise self.errors.refuse("AccountingPeriod.NOYEAR2", date=day, company=company)
        year, number = period["AccountingYear"], period["AccountingPeriod"]
        if not self.reference.period_status(company, year, number, group):
            raise self.errors.refuse("UserGroupPeriod.NOGROUP", group=group, period=number, year=year)
        return {
            "AccountingYear": year,
            "AccountingPeriod": number,
            "AccountingPeriodDescription": period["Description"],
        }

    def _take_default_type(self, header: Row) -> None:
        year, group = header["AccountingYear"], header["UserGroup"]
        default = self.reference.default_type(header["Company"], year, group)
        if default is None:
            raise self.errors.refuse("VoucherTypeUserGroup.NO_DEF_TYPE", group=group, year=year)
        self._take_type(header, default["VoucherType"], "M")

    def _take_type(self, header: Row, letter: str, function_group: str) -> None:
        """Number and status begin anew with a type."""
        company, year, group = header["Company"], header["AccountingYear"], header["UserGroup"]
        connected = self.reference.type_of_group(company, year, group, letter, function_group)
        voucher_type = self.reference.voucher_type(company, letter)
        if connected is None or voucher_type is None:
            values = {"type": letter, "group": group, "function_group": function_group, "year": year}
            raise self.errors.refuse("VoucherTypeUserGroup.INVVOUTYPE2", **values)
        level = connected["AuthorizeLevel"]
        if level == "ApproveOnly":
            constant = "VoucherEntryAssistantHandling.APPONLYUSERGRP"
            raise self.errors.refuse(constant, group=group, type=letter)
        needs_others = voucher_type["UseApprovalWorkflow"] or voucher_type["SeparateUserApproval"]
        header |= {
            "VoucherType": letter,
            "VoucherNo": 0,
            "VoucherStatus": "Approved" if level == "EnterAndApprove" and not needs_others else "AwaitingApproval",
            "AuthorizeLevel": level,
            "SimulationVoucher": spelled(voucher_type["SimulationVoucher"]),
            "UseApporvalWorkflow": spelled(voucher_type["UseApprovalWorkflow"]),
            "SeparateUserApproval": spelled(voucher_type["SeparateUserApproval"]),
        }

    def change_header(self, header: Row, body: Row) -> Row:
        """One of date, user group and type is taken, in this order; another one in the same call is lost."""
        changed = {name: value for name, value in body.items() if value != header.get(name)}
        header = dict(header)
        fields = ("VoucherDate", "UserGroup", "VoucherType")
        taken = next((name for name in fields if name in changed), "")
        for name in fields:
            if name != taken:
                changed.pop(name, None)
        header |= changed
        if taken in {"VoucherDate", "UserGroup"}:
            if header[taken] is None:
                raise self.errors.mandatory(taken, HEADER)
            self._place(header)
        if taken == "UserGroup":
            self._take_default_type(header)
        if taken == "VoucherType":
            self._take_type(header, str(header["VoucherType"]), str(header["FunctionGroup"]))
        return self._update(f"temporary {HEADER}", header)

    def remove(self, header: Row) -> None:
        """VoucherEntry_RemoveTempVoucher, and DELETE."""
        self.store.delete_kind(rows_kind(header["Objkey"]))
        self.store.delete(f"temporary {HEADER}", header["Objkey"])

    # Rows

    def create_row(self, header: Row, body: Row) -> Row:
        """Accounts, code parts, amounts: nothing of it is looked at here."""
        parent = body.get("ParentObjkey")
        if parent is None and not self.settings.parent_from_path:
            raise refused("ODP_MISSING_PROPERTY", "ParentObjkey")
        if parent is not None and parent != header["Objkey"]:
            raise not_found()
        for name in REQUIRED_OF_ROW:
            if body.get(name) is None:
                raise refused("ODP_MISSING_PROPERTY", name)
        row = {**body, "ParentObjkey": header["Objkey"], "TransCode": "MANUAL"}
        return self._of_header(header, self._insert("VoucherPosting", rows_kind(header["Objkey"]), row))

    def rows_of(self, header: Row) -> list[Row]:
        return [self._of_header(header, row) for row in self.store.all(rows_kind(header["Objkey"]))]

    def find_row(self, header: Row, objkey: str) -> Row | None:
        found = self.store.get(rows_kind(header["Objkey"]), objkey)
        return self._of_header(header, found) if found else None

    def change_row(self, header: Row, row: Row, body: Row) -> Row:
        return self._of_header(header, self._update(rows_kind(header["Objkey"]), {**row, **body}))

    def delete_row(self, header: Row, row: Row) -> None:
        self.store.delete(rows_kind(header["Objkey"]), row["Objkey"])

    def _of_header(self, header: Row, row: Row) -> Row:
        """A changed date, type, year or period is that of rows already present too."""
        return {**row, **{name: header[name] for name in FROM_HEADER}, "VoucherNo": header["VoucherNo"]}

    # The voucher

    def create_voucher(self, header: Row) -> int:
        """The number of the new voucher in the hold table. Raises `Refused` with the first error."""
        rows = self.rows_of(header)
        VoucherChecks(self.reference, self.errors, header).check(rows)
        company, letter, year = header["Company"], header["VoucherType"], int(header["AccountingYear"])
        number = self.reference.next_number(company, letter, year)
        if number is None:
            raise self.errors.refuse("VoucherNoSerial.NO_SER", type=letter, year=year)
        if number == 0:
            raise self.errors.refuse("VoucherNoSerial.HIGH_NO", type=letter, year=year)
        self.books.insert(
            self._voucher(header, number),
            [self._voucher_row(header, row, number, place) for place, row in enumerate(rows, start=1)],
        )
        return number

    def _voucher(self, header: Row, number: int) -> Row:
        is_approved = header["VoucherStatus"] == "Approved"
        copied = (
            "Company AccountingYear VoucherType VoucherDate UserGroup AccountingPeriod DateReg Userid VoucherStatus "
            "CurrencyType CurrencyCode CurrencyRate VoucherText2 FunctionGroup AmountMethod SimulationVoucher "
            "UseCorrectionRows AuthorizeLevel AccountingPeriodDescription ParallelCurrencyCode UseApporvalWorkflow "
            "SeparateUserApproval MultiCompanyMode ReferenceMandatory"
        )
        return {
            **{name: header.get(name) for name in copied.split()},
            "VoucherNo": number,
            "InterimVoucher": False,
            "Automatic": "TRUE",
            "RowGroupValidation": "N",
            "EnteredByUserGroup": header["UserGroup"],
            "ApprovalDate": self.today.isoformat() if is_approved else None,
            "ApprovedByUserid": header["Userid"] if is_approved else None,
        }

    def _voucher_row(self, header: Row, row: Row, number: int, place: int) -> Row:
        kept = {name: value for name, value in row.items() if not name.startswith("_") and name not in OF_THE_ASSISTANT}
        empty = dict.fromkeys(
            ("DebetAmount", "CreditAmount", "CurrencyDebetAmount", "CurrencyCreditAmount", "Text", "ReferenceSerie",
             "ReferenceNumber", *(f"Code{letter}" for letter in CODE_PARTS))
        )  # fmt: skip
        return {
            **empty,
            **kept,
            "VoucherNo": number,
            "RowNo": place,
            "Amount": difference(row, "DebetAmount", "CreditAmount"),
            "CurrencyAmount": difference(row, "CurrencyDebetAmount", "CurrencyCreditAmount"),
            # By the server, whatever was sent: no place for a reference of ours.
            "TransferId": header["Objkey"],
            "FunctionGroup": header["FunctionGroup"],
            "EntryDate": header["DateReg"],
            "EnteredByUserGroup": header["UserGroup"],
            "Userid": header["Userid"],
            "ApprovedByUserid": header["Userid"] if header["VoucherStatus"] == "Approved" else None,
            "Corrected": "N",
            "AutoTaxVouEntry": False,
        }

    # Looking into the general ledger

    def open_ledger_view(self, lu: str, body: Row) -> Row:
        """A temporary record below which vouchers or rows of the general ledger are listed."""
        needed = VOUCHER_KEY if lu == LEDGER_VOUCHER else ("Company",)
        for name in needed:
            if body.get(name) is None:
                raise self.errors.mandatory(name, lu)
        if body["Company"] not in self.reference.companies_allowed():
            raise self.errors.refuse("FND_RECORD_NOT_EXIST", lu="Company")
        return self._insert(lu, f"temporary {lu}", body)

    def ledger_rows(self, view: Row) -> list[Row]:
        key = [view[name] for name in VOUCHER_KEY]
        header = self.books.find(*key, is_held=False)
        return self.books.rows_of(header) if header else []

    def ledger_vouchers(self, view: Row) -> list[Row]:
        found = self.books.headers({}, is_held=False)
        return [row for row in found if row["Company"] == view["Company"] and row["FunctionGroup"] in LEDGER_GROUPS]


#: Fields of a temporary row that a voucher row does not have.
OF_THE_ASSISTANT = frozenset(
    {"Objkey", "ParentObjkey", "AddInternal", "IntManualAdded", "IsStatAccount", "RequiredString", "TextId"}
)


def rows_kind(objkey: str) -> str:
    return f"temporary rows {objkey}"


def spelled(value: bool) -> str:
    """How the database spells a boolean: TRUE, FALSE."""
    return str(bool(value)).upper()


def difference(row: Row, debit: str, credit: str) -> Any:
    return (row.get(debit) or 0) - (row.get(credit) or 0)
