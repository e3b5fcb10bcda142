"""Posting in the Dynamics 365 sandbox: what the Post journals batch or a person in the form does, never a client.

A journal that fails stays unposted and gets a log; one that passes turns IsPosted and writes general ledger entries
(rules post-1, post-2, gl-1). Checks are those of the facts: each voucher balances and holds one date, the fiscal
period is open, the number sequences are there; accounts and dimensions are looked at again, for they may have changed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from audit.sandbox import Refused
from erp.d365.sandbox_dimensions import Dimensions, join_account_string, split_account_string
from erp.d365.sandbox_journals import Journals
from erp.d365.sandbox_odata import day_of
from erp.d365.sandbox_reference import ENTRY_SEQUENCE, JOURNAL_SEQUENCE, LEDGER_FORMAT, Reference
from erp.d365.sandbox_rows import Rows, joined
from erp.d365.sandbox_schema import EMPTY_DATE, Row

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class PostingOutcome:
    """What became of one journal: posted, or why not."""

    company: str
    journal: str
    is_posted: bool
    log: tuple[str, ...]


class Posting:
    def __init__(self, reference: Reference, dimensions: Dimensions, journals: Journals, vendor_control: str) -> None:
        self.reference = reference
        self.rows: Rows = reference.rows
        self.dimensions = dimensions
        self.journals = journals
        self.vendor_control = vendor_control

    def post(self, company: str = "", journal: str = "") -> list[PostingOutcome]:
        """Every unposted journal with lines, or those of one company, or one journal."""
        outcomes = []
        for header in self.rows.all("LedgerJournalHeaders"):
            fits = (not company or header["dataAreaId"] == company.lower()) and (
                not journal or header["JournalBatchNumber"].casefold() == journal.casefold()
            )
            if not fits or header["IsPosted"] == "Yes":
                continue
            lines = self.rows.of_journal("LedgerJournalLines", header)
            if not lines and not journal:
                continue
            log = self._check(header, lines)
            if not log:
                self._write(header, lines)
            outcome = PostingOutcome(header["dataAreaId"], header["JournalBatchNumber"], not log, tuple(log))
            outcomes.append(outcome)
            number = self.rows.store.next("post log")
            self.rows.store.put(
                "post_log",
                f"{number:08d}",
                {"company": outcome.company, "journal": outcome.journal, "is_posted": not log, "log": log},
            )
        return outcomes

    def _check(self, header: Row, lines: list[Row]) -> list[str]:
        company = header["dataAreaId"]
        if not lines:
            return ["The journal holds no lines."]
        log = [
            f"Number sequence for reference {sequence} has not been set up in company {company}."
            for sequence in (JOURNAL_SEQUENCE, ENTRY_SEQUENCE)
            if not self.reference.has_sequence(company, sequence)
        ]
        name = self.reference.existing("JournalNames", company, header["JournalName"])
        if name.get("IsApprovalActive") == "Yes" or name.get("IsWorkflowApprovalActive") == "Yes":
            log.append("The journal must be approved before it can be posted.")
        vouchers: dict[str, list[Row]] = defaultdict(list)
        for line in lines:
            vouchers[line["Voucher"]].append(line)
        for voucher, of_voucher in vouchers.items():
            log += self._check_voucher(company, voucher, of_voucher)
        for line in lines:
            log += self._check_accounts(company, line)
        return log

    def _check_voucher(self, company: str, voucher: str, lines: list[Row]) -> list[str]:
        log = []
        days = sorted({line.get("TransDate", EMPTY_DATE) for line in lines})
        if len(days) > 1:
            log.append(f"Voucher {voucher} has more than one transaction date: {', '.join(days)}.")
        for day in days:
            if self.reference.period_status(company, day_of(day)) != "Open":
                log.append(f"Fiscal period for {day} is not open.")
        balance: dict[str, Decimal] = defaultdict(Decimal)
        for line in lines:
            if not line.get("OffsetAccountDisplayValue"):
                balance[line["CurrencyCode"]] += rounded(line, "DebitAmount") - rounded(line, "CreditAmount")
        log += [
            f"The transactions on voucher {voucher} do not balance as per {days[0]}. (accounting currency: {amount})"
            for amount in balance.values()
            if amount
        ]
        return log

    def _check_accounts(self, company: str, line: Row) -> list[str]:
        for prefix in ("", "Offset"):
            text = line.get(f"{prefix}AccountDisplayValue")
            if text and line[f"{prefix}AccountType"] == "Ledger":
                try:
                    self.dimensions.ledger_account(company, text, day_of(line.get("TransDate", EMPTY_DATE)))
                except Refused as refused:
                    message = refused.answer.body["error"]["innererror"]["message"]
                    return [f"Line {line['LineNumber']}: {message.partition('Infolog: Error: ')[2]}"]
        return []

    def _write(self, header: Row, lines: list[Row]) -> None:
        """Entries, and then the header. `JournalNumber` of an entry is the ledger's own number, not the journal's."""
        company = header["dataAreaId"]
        name = self.reference.existing("JournalNames", company, header["JournalName"])
        if name.get("VoucherAllocationAtPosting") == "Yes":
            self._number_vouchers(company, name, lines)
        entry_number = f"{company.upper()}-GL{self.rows.store.next(f'entry {company}'):06d}"
        for line in lines:
            amount = rounded(line, "DebitAmount") - rounded(line, "CreditAmount")
            self._write_entry(header, line, entry_number, "", amount)
            if line.get("OffsetAccountDisplayValue"):
                self._write_entry(header, line, entry_number, "Offset", -amount)
        header["IsPosted"] = "Yes"
        header["AccountingCurrency"] = self.reference.ledger(company)["AccountingCurrency"]
        header["JournalTotalDebit"] = sum((rounded(line, "DebitAmount") for line in lines), Decimal(0))
        header["JournalTotalCredit"] = sum((rounded(line, "CreditAmount") for line in lines), Decimal(0))
        self.rows.update("LedgerJournalHeaders", header)
        if name.get("DeleteLinesAfterPosting") == "Yes":
            for line in lines:
                self.rows.delete("LedgerJournalLines", line)

    def _number_vouchers(self, company: str, name: Row, lines: list[Row]) -> None:
        """Placeholders become numbers of the voucher series, in the order of their first line."""
        numbers: dict[str, str] = {}
        for line in lines:
            if line["Voucher"] not in numbers:
                numbers[line["Voucher"]] = self.journals.new_voucher(company, name)
            line["Voucher"] = numbers[line["Voucher"]]
            used = {"journal": line["JournalBatchNumber"], "date": line.get("TransDate", EMPTY_DATE), "lines": 1}
            self.rows.store.put("voucher", joined(company, line["Voucher"]), used)
            self.rows.update("LedgerJournalLines", line)

    def _write_entry(self, header: Row, line: Row, entry_number: str, prefix: str, amount: Decimal) -> None:
        company = header["dataAreaId"]
        account = self._entry_account(company, line, prefix)
        ledger = self.reference.ledger(company)
        in_accounting = amount
        if line["CurrencyCode"] != ledger["AccountingCurrency"]:
            in_accounting = (amount * Decimal(line["ExchRate"]) / 100).quantize(CENT, ROUND_HALF_UP)
        self.rows.insert_entry(
            header,
            {
                "JournalNumber": entry_number,
                "Voucher": line["Voucher"],
                "AccountingDate": line.get("TransDate", EMPTY_DATE),
                "DocumentDate": line.get("DocumentDate", EMPTY_DATE),
                "DocumentNumber": line.get("Document", ""),
                "PostingLayer": header["PostingLayer"],
                "PostingType": "LedgerJournal",
                "AccountDisplayValue": account,
                "LedgerAccount": "-".join(filter(None, split_account_string(account, self.reference.delimiter()))),
                "TransactionCurrencyCode": line["CurrencyCode"],
                "TransactionCurrencyAmount": amount,
                "TransactionCurrencyDebitAmount": max(amount, Decimal(0)),
                "TransactionCurrencyCreditAmount": max(-amount, Decimal(0)),
                "AccountingCurrencyAmount": in_accounting,
                "ReportingCurrencyAmount": in_accounting,
                "IsCredit": "Yes" if amount < 0 else "No",
                "IsCorrection": "No",
                "Description": line.get("Text", ""),
                "LedgerName": ledger["Name"],
                "DataArea": company,
            },
        )

    def _entry_account(self, company: str, line: Row, prefix: str) -> str:
        """A vendor's entry lies on the control account of its posting profile, a bank's on its main account."""
        text = str(line[f"{prefix}AccountDisplayValue"])
        kind = line[f"{prefix}AccountType"]
        if kind == "Ledger":
            return text
        number = self.vendor_control
        if kind == "Bank":
            bank = split_account_string(text, self.reference.delimiter())[0]
            number = next(
                row["main_account"]
                for row in self.dimensions.banks
                if row["company"] == company and row["account"] == bank
            )
        written = self.reference.active_format(LEDGER_FORMAT)
        names: list[str] = written["_dimensions"] if written else ["MainAccount"]
        return join_account_string(
            [number if name == "MainAccount" else "" for name in names], self.reference.delimiter()
        )


def rounded(line: Row, field: str) -> Decimal:
    """An amount as it reaches the ledger: to the cent. More decimals can unbalance a voucher."""
    return Decimal(line.get(field, 0)).quantize(CENT, ROUND_HALF_UP)
