"""General journals of the Dynamics 365 sandbox: headers and lines as a client may write them.

Rules hdr-*, line-*, del-1 of the facts. Where the facts leave a choice, the stricter reading is taken:

- fact: `LineNumber` and `JournalBatchNumber` are given by F&O and refused in a body; an unknown main account,
  dimension or currency is refused on entry; a header with lines cannot be deleted; the update conflict.
- fact: an unposted journal may hold lines that do not balance yet or lie in a closed period; both are found when it is
  posted. So a closed period is accepted here and refused by the posting, with a log.
- assumed: one voucher with two dates is refused on entry (the facts only say that a voucher holds one date);
  a voucher of another journal is refused on entry; texts over their length are refused, not cut (a setting);
  header totals stay 0 until posting, so that nobody reads a sum there that F&O may compute later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from erp.d365.sandbox_dimensions import Dimensions
from erp.d365.sandbox_errors import Infolog, nothing_to_update
from erp.d365.sandbox_odata import day_of
from erp.d365.sandbox_reference import JOURNAL_SEQUENCE, Reference
from erp.d365.sandbox_rows import Rows, joined
from erp.d365.sandbox_schema import EMPTY_DATE, EntitySet, Row, entity_set
from erp.d365.sandbox_settings import Settings

HEADERS = entity_set("LedgerJournalHeaders")
LINES = entity_set("LedgerJournalLines")
#: Labels and tables as an Infolog names them.
LABELS = {
    "JournalName": ("Name", "Journal names"),
    "JournalBatchNumber": ("Journal batch number", "Ledger journal table"),
    "CurrencyCode": ("Currency", "Currencies"),
    "AccountDisplayValue": ("Account", "Main accounts"),
}


class Journals:
    """Writes on behalf of one unit of work (a request or a changeset), inside its store transaction.

    `touch(journal)` is called before a journal is changed and raises the update conflict where two writers meet.
    """

    def __init__(
        self,
        reference: Reference,
        dimensions: Dimensions,
        infolog: Infolog,
        settings: Settings,
        touch: Callable[[str, EntitySet], None],
    ) -> None:
        self.reference = reference
        self.rows: Rows = reference.rows
        self.dimensions = dimensions
        self.infolog = infolog
        self.settings = settings
        self.touch = touch

    # Headers

    def create_header(self, body: Row) -> Row:
        company = self._company(body, HEADERS)
        self._required(body, HEADERS)
        name = self._journal_name(company, body["JournalName"])
        if not self.reference.has_sequence(company, JOURNAL_SEQUENCE):
            facts = {"reference": JOURNAL_SEQUENCE, "company": company}
            raise self.infolog.refuse(HEADERS, "no_number_sequence", **facts)
        number = self.rows.store.next(f"journal {company}")
        row = {
            **body,
            "dataAreaId": company,
            "JournalBatchNumber": f"{company.upper()}-{number:06d}",
            "JournalName": name["Name"],
            "Description": body.get("Description") or name.get("Description", ""),
            "PostingLayer": name.get("PostingLayer", "Current"),
            "IsPosted": "No",
            "_last_line": 0,
        }
        return self.rows.insert("LedgerJournalHeaders", self._fitted(row, HEADERS))

    def update_header(self, header: Row, body: Row) -> Row:
        self._unposted(header, HEADERS)
        self.touch(self.rows.journal_key(header), HEADERS)
        return self.rows.update("LedgerJournalHeaders", {**header, **self._fitted(body, HEADERS)})

    def delete_header(self, header: Row) -> None:
        self._unposted(header, HEADERS, verb="Delete")
        self.touch(self.rows.journal_key(header), HEADERS)
        if self.rows.of_journal("LedgerJournalLines", header):
            raise self.infolog.refuse(HEADERS, "header_has_lines", verb="Delete")
        self.rows.delete("LedgerJournalHeaders", header)

    # Lines

    def create_line(self, body: Row) -> Row:
        company = self._company(body, LINES)
        self._required(body, LINES)
        header = self.rows.find("LedgerJournalHeaders", company, body["JournalBatchNumber"])
        if header is None:
            label, table = LABELS["JournalBatchNumber"]
            raise self.infolog.unrelated(LINES, "JournalBatchNumber", body["JournalBatchNumber"], label, table)
        self._unposted(header, LINES)
        self.touch(self.rows.journal_key(header), LINES)
        name = self._journal_name(company, header["JournalName"])
        row = {
            "AccountType": "Ledger",
            "OffsetAccountType": "Ledger",
            **body,
            "dataAreaId": company,
            "JournalBatchNumber": header["JournalBatchNumber"],
            "LineNumber": header["_last_line"] + 1,
        }
        if name.get("IsFixedOffsetAccount") == "Yes" and not row.get("OffsetAccountDisplayValue"):
            row["OffsetAccountDisplayValue"] = name["OffsetAccountDisplayValue"]
        self._check_line(company, name, row, is_rate_given="ExchRate" in body)
        if not row.get("Voucher"):
            row["Voucher"] = self._next_voucher(header, name)
        self._take_voucher(header, name, row)
        line = self.rows.insert("LedgerJournalLines", row)
        self.rows.note_document(line.get("Document", ""), header)
        header["_last_line"] = row["LineNumber"]
        header["AccountingCurrency"] = self.reference.ledger(company)["AccountingCurrency"]
        self._count_in(header, name, line)
        self.rows.update("LedgerJournalHeaders", header)
        return line

    def update_line(self, line: Row, body: Row) -> Row:
        header, name = self._header_of(line)
        self._unposted(header, LINES)
        self.touch(self.rows.journal_key(header), LINES)
        changed = {**line, **body}
        self._check_line(line["dataAreaId"], name, changed, is_rate_given="ExchRate" in body)
        if changed["Voucher"] != line["Voucher"] or changed.get("TransDate") != line.get("TransDate"):
            self._leave_voucher(header, name, line)
            self._take_voucher(header, name, changed)
        saved = self.rows.update("LedgerJournalLines", changed)
        self.rows.note_document(saved.get("Document", ""), header)
        self._recount(header, name)
        self.rows.update("LedgerJournalHeaders", header)
        return saved

    def delete_line(self, line: Row) -> None:
        """The next line gets the highest number left plus one."""
        header, name = self._header_of(line)
        self._unposted(header, LINES, verb="Delete")
        self.touch(self.rows.journal_key(header), LINES)
        self._leave_voucher(header, name, line)
        self.rows.delete("LedgerJournalLines", line)
        self._recount(header, name)
        self.rows.update("LedgerJournalHeaders", header)

    # Checks

    def _company(self, body: Row, entity: EntitySet) -> str:
        """From the body, else the user's default company; lower case from here on (rule co-3)."""
        code = body.get("dataAreaId") or self.settings.default_company
        company = self.reference.company(code)
        if company is None:
            raise self.infolog.refuse(entity, "company_unknown", company=code)
        return str(company["LegalEntityId"])

    def _required(self, body: Row, entity: EntitySet) -> None:
        for field in entity.required:
            if not body.get(field):
                raise self.infolog.mandatory(entity, field, LABELS[field][0])

    def _journal_name(self, company: str, text: str) -> Row:
        name = self.reference.journal_name(company, text)
        if name is None:
            raise self.infolog.unrelated(HEADERS, "JournalName", text, *LABELS["JournalName"])
        if name.get("Type", "Daily") != "Daily":
            raise self.infolog.refuse(HEADERS, "journal_type", name=text)
        if group := name.get("PrivateForUserGroup"):
            raise self.infolog.refuse(HEADERS, "journal_private", name=text, group=group)
        return name

    def _unposted(self, header: Row, entity: EntitySet, verb: str = "Write") -> None:
        if header.get("IsPosted") == "Yes":
            raise self.infolog.refuse(entity, "journal_posted", verb=verb, journal=header["JournalBatchNumber"])

    def _header_of(self, line: Row) -> tuple[Row, Row]:
        header = self.rows.find("LedgerJournalHeaders", line["dataAreaId"], line["JournalBatchNumber"])
        name = self.reference.journal_name(line["dataAreaId"], header["JournalName"]) if header else None
        if header is None or name is None:
            raise nothing_to_update()
        return header, name

    def _fitted(self, row: Row, entity: EntitySet) -> Row:
        for field, length in entity.lengths.items():
            if len(row.get(field, "")) > length:
                if self.settings.overlong == "refuse":
                    raise self.infolog.refuse_field(entity, field, "too_long", label=field, length=length)
                row[field] = row[field][:length].rstrip()
        return row

    def _check_line(self, company: str, name: Row, row: Row, *, is_rate_given: bool) -> None:
        """Everything that is checked when a line is entered; fills in what F&O derives."""
        self._fitted(row, LINES)
        day = day_of(row.get("TransDate", EMPTY_DATE))
        self._check_currency(company, row, is_rate_given=is_rate_given)
        if not row.get("AccountDisplayValue"):
            raise self.infolog.mandatory(LINES, "AccountDisplayValue", LABELS["AccountDisplayValue"][0])
        for field in ("Company", "OffsetCompany"):
            given = row.get(field) or company
            if given.casefold() != company.casefold():
                raise self.infolog.refuse(LINES, "offset_company", company=given)
            row[field] = company.upper()
        main_account = self._check_side(company, row, day, "")
        if row.get("OffsetAccountDisplayValue"):
            self._check_side(company, row, day, "Offset")
        self._check_amounts(company, name, row, main_account)

    def _check_side(self, company: str, row: Row, day: date, prefix: str) -> str:
        """An account string, and the default dimensions that count only off the ledger (rule line-7).

        Returns the main account, empty for a vendor or bank account.
        """
        text = row[f"{prefix}AccountDisplayValue"]
        label = f"{prefix} account".strip().capitalize()
        default_field = f"{prefix}DefaultDimensionDisplayValue"
        if row[f"{prefix}AccountType"] == "Ledger":
            row[default_field] = ""
            return self.dimensions.ledger_account(company, text, day, label).main_account
        self.dimensions.subledger_account(company, row[f"{prefix}AccountType"], text, label)
        self.dimensions.default_dimensions(company, row.get(default_field, ""), day)
        return ""

    def _check_currency(self, company: str, row: Row, *, is_rate_given: bool) -> None:
        currency = self.rows.find("Currencies", row["CurrencyCode"])
        if currency is None:
            raise self.infolog.unrelated(LINES, "CurrencyCode", row["CurrencyCode"], *LABELS["CurrencyCode"])
        row["CurrencyCode"] = currency["CurrencyCode"]
        accounting = self.reference.ledger(company)["AccountingCurrency"]
        if row["CurrencyCode"] == accounting:
            # A rate is per hundred; a wrong one for the accounting currency is refused (recorded).
            if is_rate_given and row["ExchRate"] != 100:
                raise self.infolog.refuse(LINES, "exchange_rate")
            row["ExchRate"] = 100
        elif not row.get("ExchRate"):
            facts = {"currency": row["CurrencyCode"], "accounting_currency": accounting}
            raise self.infolog.refuse(LINES, "no_exchange_rate", **facts)

    def _check_amounts(self, company: str, name: Row, row: Row, main_account: str) -> None:
        debit, credit = Decimal(row.get("DebitAmount", 0)), Decimal(row.get("CreditAmount", 0))
        if debit and credit and not row.get("OffsetAccountDisplayValue"):
            raise self.infolog.refuse(LINES, "amount_sides")
        if min(debit, credit) < 0 and name.get("AllowOnlyPositiveDebitsAndCredits") == "Yes":
            raise self.infolog.refuse(LINES, "amount_negative", name=name["Name"])
        account = self.reference.main_account(company, main_account) if main_account else None
        side = (account or {}).get("DebitCreditRequirement", "None")
        if (side == "Debit" and credit) or (side == "Credit" and debit):
            raise self.infolog.refuse(LINES, "account_side", account=main_account, side=side)

    # Vouchers (rule line-4)

    def _next_voucher(self, header: Row, name: Row) -> str:
        running = header.get("_running")
        if running and name.get("NewVoucher", "BalanceSheet") in {"OneVoucher", "Manually"}:
            return str(running["voucher"])
        if running and Decimal(running["balance"]) != 0:
            return str(running["voucher"])
        return self.new_voucher(header["dataAreaId"], name)

    def new_voucher(self, company: str, name: Row) -> str:
        """From the voucher series of the journal name, skipping what somebody has used by hand."""
        series = name["VoucherSeriesCode"]
        while True:
            number = f"{series[:3].upper()}{self.rows.store.next(f'voucher {company} {series}'):06d}"
            if self.rows.store.get("voucher", joined(company, number)) is None:
                return number

    def _voucher_key(self, header: Row, name: Row, voucher: str) -> str:
        """Numbered at posting, a voucher is a placeholder within its journal; else it is unique in the company."""
        if name.get("VoucherAllocationAtPosting") == "Yes":
            return joined(header["dataAreaId"], header["JournalBatchNumber"], voucher)
        return joined(header["dataAreaId"], voucher)

    def _take_voucher(self, header: Row, name: Row, row: Row) -> None:
        key = self._voucher_key(header, name, row["Voucher"])
        day = row.get("TransDate", EMPTY_DATE)
        used = self.rows.store.get("voucher", key) or {"journal": header["JournalBatchNumber"], "date": day, "lines": 0}
        if used["journal"] != header["JournalBatchNumber"]:
            raise self.infolog.refuse(LINES, "voucher_used", voucher=row["Voucher"], journal=used["journal"])
        if used["date"] != day:
            raise self.infolog.refuse(LINES, "voucher_date", voucher=row["Voucher"], date=used["date"])
        used["lines"] += 1
        self.rows.store.put("voucher", key, used)

    def _leave_voucher(self, header: Row, name: Row, row: Row) -> None:
        key = self._voucher_key(header, name, row["Voucher"])
        used = self.rows.store.get("voucher", key)
        if used is not None and used["lines"] > 1:
            self.rows.store.put("voucher", key, {**used, "lines": used["lines"] - 1})
        else:
            self.rows.store.delete("voucher", key)

    def _count_in(self, header: Row, name: Row, line: Row) -> None:
        """Keep the running voucher and what it is still out of balance by."""
        running = header.get("_running")
        if running is None or running["voucher"] != line["Voucher"]:
            if running is not None and name.get("NewVoucher", "BalanceSheet") == "OneVoucher":
                return
            running = {"voucher": line["Voucher"], "balance": Decimal(0)}
        if not line.get("OffsetAccountDisplayValue"):
            amount = Decimal(line.get("DebitAmount", 0)) - Decimal(line.get("CreditAmount", 0))
            running["balance"] = Decimal(running["balance"]) + amount
        header["_running"] = running

    def _recount(self, header: Row, name: Row) -> None:
        lines = self.rows.of_journal("LedgerJournalLines", header)
        header["_last_line"] = max((line["LineNumber"] for line in lines), default=0)
        header["_running"] = None
        for line in lines:
            self._count_in(header, name, line)
