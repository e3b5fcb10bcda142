"""A small IFS Cloud for the product to sign in to, read from and enter vouchers in.

`IfsSandbox` puts the parts together: IFS IAM (`sandbox_iam`), the projections with $batch (`sandbox_projections`,
`sandbox_batch`), the Voucher Entry Assistant and its checks (`sandbox_assistant`, `sandbox_checks`), hold table and
general ledger (`sandbox_books`), the set-up (`sandbox_reference`, invented in `sandbox_environment`). Addresses below
the prefix of the system:

    /auth/realms/{realm}/...                          token and discovery
    /main/ifsapplications/projection/v1/{P}.svc/...   projections
    /_sandbox/...                                     what a person in the pages, an administrator or a test does
    /                                                 vouchers to look at, with a button that updates the ledger

Faults of its own (`POST /_sandbox/faults`, system "ifs"): metadata_modified (500, repeat), illegal_state (500, do not
repeat), locked (ORA-20113), modified (412 for the next exact If-Match), late (504 now, the work is done `seconds` later),
batch_part_429, batch_truncated (cut after a changeset was stored).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date
from typing import Any

from audit.sandbox import Answer, Refused, Request, SandboxSystem, Store
from erp.ifs.sandbox_assistant import Assistant
from erp.ifs.sandbox_books import Books, UpdateOutcome
from erp.ifs.sandbox_control import add_control_routes
from erp.ifs.sandbox_environment import fill
from erp.ifs.sandbox_errors import DatabaseErrors
from erp.ifs.sandbox_iam import CLIENT_ID, REALM, Iam
from erp.ifs.sandbox_ledger_state import ledger_state
from erp.ifs.sandbox_projections import Projections
from erp.ifs.sandbox_quick_reports import REPORT_ID
from erp.ifs.sandbox_reference import Reference
from erp.ifs.sandbox_rows import Rows
from erp.ifs.sandbox_schema import Row, keys_by_lu
from erp.ifs.sandbox_settings import Settings

DEFAULT_SEED = 1983
#: How often the thread of the ledger update looks whether its setting says that it is time.
TICK_SECONDS = 0.2


class IfsSandbox(SandboxSystem):
    """Raises ValueError for an unknown setting. `today` places accounting years; a store that is not empty is kept."""

    name = "ifs"

    def __init__(
        self,
        store: Store,
        *,
        seed: int = DEFAULT_SEED,
        today: date | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(store)
        self.today = today or date.today()  # noqa: DTZ011 - accounting periods lie around the local day
        self.rows = Rows(store)
        self.reference = Reference(self.rows)
        self.books = Books(self.rows)
        self.iam = Iam(store, seed)
        self.settings = Settings().changed({**(store.get("ifs", "settings") or {}), **(settings or {})})
        with store.transaction():
            store.put("ifs", "settings", self.settings.as_dict())
            if store.get("ifs", "service user") is None:
                fill(self.rows, self.today)
        self.projections = Projections(self.iam, self.assistant)
        self._base_url = ""
        self._stop = threading.Event()
        self._updater: threading.Thread | None = None
        realm = "/auth/realms/(?P<realm>[^/]+)"
        self.route("POST", f"{realm}/protocol/openid-connect/token", self._token)
        self.route("GET", f"{realm}/[.]well-known/openid-configuration", self.iam.discovery)
        add_control_routes(self)

    # Serving

    def answer(self, request: Request) -> Answer:
        """Projections keep their own units of work, because the changesets of a batch are committed one by one."""
        if not request.path.startswith(("/main/", "/int/", "/b2b/")):
            return super().answer(request)
        try:
            answer = self.projections.answer(request)
        except Refused as refused:
            answer = refused.answer
        if self.settings.sets_cookie:
            answer.headers["Set-Cookie"] = "IFSSESSION=sandbox; Path=/; HttpOnly"
        return answer

    def started(self, base_url: str) -> None:
        self._base_url = base_url
        self._updater = threading.Thread(target=self._update_now_and_then, name="ifs-gl-update", daemon=True)
        self._updater.start()

    def stopped(self) -> None:
        self._stop.set()
        self.projections.stop()
        if self._updater is not None:
            self._updater.join(timeout=10)

    def facts(self) -> dict[str, Any]:
        """What a connection needs to know, once the sandbox is started."""
        return {
            "address": self._base_url,
            "realm": REALM,
            "client_id": CLIENT_ID,
            "client_secret": self.iam.client_secret,
            "company_codes": sorted(self.reference.companies_allowed()),
            "user_group": "AC",
            "voucher_type": "P",
            "quick_report": REPORT_ID,
            "page": f"{self._base_url}/",
        }

    def assistant(self) -> Assistant:
        """One with the settings of the moment."""
        return Assistant(self.rows, self.reference, self.books, self.settings, self.today)

    def _token(self, request: Request, realm: str) -> Answer:
        return self.iam.token(request, realm, self.settings)

    def _update_now_and_then(self) -> None:
        waited = 0.0
        while not self._stop.wait(TICK_SECONDS):
            waited += TICK_SECONDS
            every = self.settings.gl_update_every_seconds
            if every and waited >= every:
                waited = 0.0
                self.update_ledger()

    # What an administrator does

    def change_settings(self, **values: Any) -> Settings:
        with self.store.transaction():
            self.settings = self.settings.changed(values)
            self.store.put("ifs", "settings", self.settings.as_dict())
        return self.settings

    def expire_tokens(self) -> None:
        self.iam.expire_tokens()

    def forget_temporary(self) -> None:
        """All temporary records of the assistant are gone, as after a restart of the server."""
        with self.store.transaction():
            self.assistant().forget()

    # What a person in the pages does

    def update_ledger(self, **wanted: Any) -> list[UpdateOutcome]:
        """The update of the general ledger, for all approved vouchers or those with these values."""
        errors = DatabaseErrors(self.settings.language, 400)
        with self.store.transaction():
            return self.books.update_ledger(errors, wanted, self._is_finally_closed)

    def _is_finally_closed(self, header: Row) -> bool:
        year, period = int(header["AccountingYear"]), int(header["AccountingPeriod"])
        status = self.reference.period_status(header["Company"], year, period, header["UserGroup"])
        return status == "FinallyClosed"

    def held_voucher(self, company: str, year: int, letter: str, number: int) -> Row:
        """Raises ValueError for a voucher that is not in the hold table."""
        found = self.books.find(company, year, letter, number, is_held=True)
        if found is None:
            raise ValueError(f"voucher {company}/{year}/{letter}/{number} is not in the hold table")
        return found

    def remove_voucher(self, company: str, year: int, letter: str, number: int) -> None:
        with self.store.transaction():
            self.books.remove(self.held_voucher(company, year, letter, number))

    # What a test looks at

    def reset_ledger(self) -> None:
        """Forget all vouchers and temporary records; set-up, settings and number series stay."""
        with self.store.transaction():
            self.books.clear()
            self.assistant().forget()

    def reset(self) -> None:
        """As it was at the beginning, with the settings of the beginning; tokens stay good."""
        with self.store.transaction():
            self.reset_ledger()
            for lu in keys_by_lu():
                self.store.delete_kind(lu)
            fill(self.rows, self.today)
            self.settings = Settings()
            self.store.put("ifs", "settings", self.settings.as_dict())

    def ledger_state(self) -> dict[str, Any]:
        """Everything in the books, and sums by reference number. Amounts are Decimal."""
        with self.store.transaction():
            return ledger_state(self.books, self.assistant())
