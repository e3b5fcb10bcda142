"""A small Dynamics 365 Finance & Operations for the product to sign in to and post into.

`D365Sandbox` puts the parts together: Entra (`sandbox_entra`), the collections under /data with $batch
(`sandbox_collections`, `sandbox_batch`), journals and their rules (`sandbox_journals`, `sandbox_dimensions`), posting
(`sandbox_posting`), the set-up of the environment (`sandbox_reference`, invented in `sandbox_environment`). Addresses
below the prefix of the system:

    /entra/{directory}/oauth2/v2.0/token    the authority is {prefix}/entra
    /data/...                               the environment is {prefix}
    /_sandbox/...                           what a person in the forms, an administrator or a test does
    /                                       journals to look at, with a button that posts them

Rules of `simulator-rules.json` and the tests that hold them: tests/erp/d365/test_sandbox_rules*.py, one test per rule,
named after it (rule "hdr-3": `test_hdr_3`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from audit.sandbox import Answer, Refused, Request, SandboxSystem, Store
from erp.d365.sandbox_collections import Collections
from erp.d365.sandbox_control import add_control_routes
from erp.d365.sandbox_dimensions import Dimensions
from erp.d365.sandbox_entra import Entra
from erp.d365.sandbox_environment import fill
from erp.d365.sandbox_journals import Journals
from erp.d365.sandbox_posting import Posting, PostingOutcome
from erp.d365.sandbox_reference import Reference
from erp.d365.sandbox_rows import Rows
from erp.d365.sandbox_schema import Row, read_data
from erp.d365.sandbox_settings import Settings

DEFAULT_SEED = 365
#: How often the posting thread looks whether its setting says that it is time.
TICK_SECONDS = 0.2


class D365Sandbox(SandboxSystem):
    """Raises ValueError for an unknown setting. `today` places fiscal periods; a store that is not empty is kept."""

    name = "d365"

    def __init__(
        self,
        store: Store,
        *,
        seed: int = DEFAULT_SEED,
        today: date | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(store)
        self.rows = Rows(store)
        self.reference = Reference(self.rows)
        self.entra = Entra(store, seed)
        data = read_data("environment.json")
        self.banks: list[Row] = data["bank_accounts"]
        self.vendor_control = str(data["vendor_control_account"])
        self.settings = Settings().changed({**(store.get("d365", "settings") or {}), **(settings or {})})
        with store.transaction():
            store.put("d365", "settings", self.settings.as_dict())
            if store.get("d365", "filled") is None:
                fill(self.reference, today or date.today())  # noqa: DTZ011 - fiscal periods lie around the local day
                self.register_client(self.entra.client_id)
                store.put("d365", "filled", True)
        self.collections = Collections(self.rows, self.reference, self.entra, lambda: self.settings, self.banks)
        self._base_url = ""
        self._stop = threading.Event()
        self._poster: threading.Thread | None = None
        token = "/entra/(?P<directory>[^/]+)/oauth2"  # noqa: S105 - an address
        self.route("POST", f"{token}/v2[.]0/token", self._token_v2)
        self.route("POST", f"{token}/token", self._token_v1)
        add_control_routes(self)

    # Serving

    def answer(self, request: Request) -> Answer:
        """/data keeps its own units of work, because the changesets of a batch are committed one by one."""
        if request.path == "/data" or request.path.startswith("/data/"):
            try:
                return self.collections.answer(request)
            except Refused as refused:
                return refused.answer
        return super().answer(request)

    def started(self, base_url: str) -> None:
        self._base_url = base_url
        self._poster = threading.Thread(target=self._post_now_and_then, name="d365-post-journals", daemon=True)
        self._poster.start()

    def stopped(self) -> None:
        self._stop.set()
        if self._poster is not None:
            self._poster.join(timeout=10)

    def facts(self) -> dict[str, Any]:
        """What a connection needs to know, once the sandbox is started."""
        return {
            "authority": f"{self._base_url}/entra",
            "directory_id": self.entra.directory,
            "environment": self._base_url,
            "client_id": self.entra.client_id,
            "client_secret": self.entra.client_secret,
            "company_codes": self.reference.companies(),
            "journal_name": "PAYROLL",
            "page": f"{self._base_url}/",
        }

    def _token_v2(self, request: Request, directory: str) -> Answer:
        return self._token(request, directory, is_v2=True)

    def _token_v1(self, request: Request, directory: str) -> Answer:
        return self._token(request, directory, is_v2=False)

    def _token(self, request: Request, directory: str, *, is_v2: bool) -> Answer:
        return self.entra.token(
            request,
            directory,
            is_v2=is_v2,
            life_seconds=self.settings.token_seconds,
            is_secret_expired=self.settings.secret_expired,
        )

    def _post_now_and_then(self) -> None:
        waited = 0.0
        while not self._stop.wait(TICK_SECONDS):
            waited += TICK_SECONDS
            if self.settings.post_every_seconds and waited >= self.settings.post_every_seconds:
                waited = 0.0
                self.post_journals()

    # What an administrator does

    def change_settings(self, **values: Any) -> Settings:
        with self.store.transaction():
            self.settings = self.settings.changed(values)
            self.store.put("d365", "settings", self.settings.as_dict())
        return self.settings

    def register_client(self, client_id: str) -> None:
        """The page System administration > Setup > Microsoft Entra ID applications."""
        with self.store.transaction():
            if self.rows.find("SysAADClients", client_id) is None:
                row = {"AADClientId": client_id, "Name": "ml-connector", "UserId": "mlconnector"}
                self.rows.insert("SysAADClients", row)

    def unregister_client(self, client_id: str) -> None:
        with self.store.transaction():
            self.rows.delete("SysAADClients", self.reference.existing("SysAADClients", client_id))

    def expire_tokens(self) -> None:
        self.entra.expire_tokens()

    # What a person in the journal forms does

    def post_journals(self, company: str = "", journal: str = "") -> list[PostingOutcome]:
        """Post all unposted journals, or those of a company, or one; the outcome of each says why not."""
        with self.store.transaction():
            infolog = self.collections.infolog()
            dimensions = Dimensions(self.reference, infolog, self.banks)
            journals = Journals(self.reference, dimensions, infolog, self.settings, lambda journal, entity: None)
            return Posting(self.reference, dimensions, journals, self.vendor_control).post(company, journal)

    def delete_journal(self, company: str, journal: str) -> None:
        """Lines and header. Raises ValueError for an unknown or posted journal."""
        with self.store.transaction():
            header = self._unposted(company, journal)
            journals = self._journals_of_a_person()
            for line in self.rows.of_journal("LedgerJournalLines", header):
                journals.delete_line(line)
            journals.delete_header(self._unposted(company, journal))

    def delete_line(self, company: str, journal: str, line_number: int) -> None:
        with self.store.transaction():
            self._unposted(company, journal)
            line = self.reference.existing("LedgerJournalLines", company, journal, line_number)
            self._journals_of_a_person().delete_line(line)

    def edit_description(self, company: str, journal: str, description: str) -> None:
        with self.store.transaction():
            header = self.reference.existing("LedgerJournalHeaders", company, journal)
            self.rows.update("LedgerJournalHeaders", {**header, "Description": description})

    def edit_line(self, company: str, journal: str, line_number: int, fields: Mapping[str, Any]) -> None:
        """Text, Document, amounts of an unposted line; names as in LedgerJournalLines, amounts as Decimal."""
        with self.store.transaction():
            self._unposted(company, journal)
            line = self.reference.existing("LedgerJournalLines", company, journal, line_number)
            self._journals_of_a_person().update_line(line, dict(fields))

    def _unposted(self, company: str, journal: str) -> Row:
        header = self.reference.existing("LedgerJournalHeaders", company, journal)
        if header["IsPosted"] == "Yes":
            raise ValueError(f"journal {journal} is posted")
        return header

    def _journals_of_a_person(self) -> Journals:
        infolog = self.collections.infolog()
        dimensions = Dimensions(self.reference, infolog, self.banks)
        return Journals(self.reference, dimensions, infolog, self.settings, lambda journal, entity: None)

    # What a test looks at

    def reset_ledger(self) -> None:
        """Forget all journals, entries and logs; set-up, settings and number sequences stay."""
        with self.store.transaction():
            for journal in self.store.keys("LedgerJournalHeaders"):
                self.store.delete_kind(f"LedgerJournalLines {journal}")
                self.store.delete_kind(f"GeneralJournalAccountEntries {journal}")
            for kind in ("LedgerJournalHeaders", "document", "voucher", "post_log"):
                self.store.delete_kind(kind)

    def ledger_state(self) -> dict[str, Any]:
        """Everything in the books: journals with lines, ledger entries, and sums by Document. Amounts are Decimal."""
        with self.store.transaction():
            journals, entries = [], []
            documents: dict[str, dict[str, Any]] = defaultdict(new_document)
            for header in self.rows.all("LedgerJournalHeaders"):
                lines = self.rows.of_journal("LedgerJournalLines", header)
                journals.append({**public(header), "lines": [public(line) for line in lines], **sums(lines)})
                for line in lines:
                    noted = documents[line.get("Document", "")]
                    note_journal(noted, header)
                    noted["lines"] += 1
                    noted["debit"] += Decimal(line.get("DebitAmount", 0))
                    noted["credit"] += Decimal(line.get("CreditAmount", 0))
                for entry in self.rows.of_journal("GeneralJournalAccountEntries", header):
                    entries.append(public(entry))
                    noted = documents[entry.get("DocumentNumber", "")]
                    note_journal(noted, header)
                    noted["entries"] += 1
                    noted["ledger_debit"] += Decimal(entry["TransactionCurrencyDebitAmount"])
                    noted["ledger_credit"] += Decimal(entry["TransactionCurrencyCreditAmount"])
            return {
                "journals": journals,
                "general_ledger": entries,
                "documents": dict(documents),
                "post_log": self.store.all("post_log"),
            }


def public(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def sums(lines: list[Row]) -> dict[str, Any]:
    return {
        "line_count": len(lines),
        "debit": sum((Decimal(line.get("DebitAmount", 0)) for line in lines), Decimal(0)),
        "credit": sum((Decimal(line.get("CreditAmount", 0)) for line in lines), Decimal(0)),
    }


def new_document() -> dict[str, Any]:
    zeros = dict.fromkeys(("debit", "credit", "ledger_debit", "ledger_credit"), Decimal(0))
    return {"journals": [], "posted_journals": [], "lines": 0, "entries": 0, **zeros}


def note_journal(noted: dict[str, Any], header: Row) -> None:
    """A document that stands in two journals is what must never happen; both are then listed."""
    name = f"{header['dataAreaId']}/{header['JournalBatchNumber']}"
    for field in ("journals", *(["posted_journals"] if header["IsPosted"] == "Yes" else [])):
        if name not in noted[field]:
            noted[field].append(name)
