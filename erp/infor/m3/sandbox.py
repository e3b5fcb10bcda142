"""A small Infor M3 behind the gateway of the Infor sandbox: M3 REST, the GL interface, and a ledger that follows later.

`M3Sandbox` puts the parts together: requests (`sandbox_rest`) against definitions (`sandbox_transactions`), set-up and the
programs that read it (`sandbox_setup`, `sandbox_reference`, `sandbox_repository`), GLS840 (`sandbox_interface`,
`sandbox_checks`), the jobs behind it and the ledger (`sandbox_jobs`, `sandbox_ledger`), EXPORTMI (`sandbox_export`).

Faults of its own (`POST /_sandbox/faults`, system "infor"); what the path is compared with names program, transactions and,
for EXPORTMI, tables: /TI/M3/m3api-rest/v2/execute/GLS840MI/UpdBatch. half_done (half of a bulk runs, then 504),
refused_transaction (`body` {place, code?, field?}: this one is refused), results_missing (the last `status` results are left
out), list_breaks (an error behind `status` records), silent_failure (the job of this UpdBatch ends in FCR040 with status 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from audit.sandbox import Answer, Request, Store
from erp.infor.m3 import sandbox_rest
from erp.infor.m3.sandbox_call import MiCall, Row
from erp.infor.m3.sandbox_checks import Checks
from erp.infor.m3.sandbox_control import add_control_routes
from erp.infor.m3.sandbox_export import ExportPrograms
from erp.infor.m3.sandbox_interface import Interface, batch_key
from erp.infor.m3.sandbox_jobs import Jobs
from erp.infor.m3.sandbox_ledger import LedgerPrograms
from erp.infor.m3.sandbox_ledger_state import ledger_state
from erp.infor.m3.sandbox_reference import ReferencePrograms
from erp.infor.m3.sandbox_repository import RepositoryPrograms
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_setup import DIVISION, SetUp
from erp.infor.sandbox_suite import Suite

SETTINGS = "M3 sandbox settings"


class M3Sandbox(Suite):
    """Raises ValueError for an unknown setting. `today` places periods; a store that is not empty is kept."""

    name = "M3"

    def __init__(self, store: Store, *, seed: int, today: date, settings: Mapping[str, Any]) -> None:
        super().__init__(store, seed=seed, today=today, settings=settings)
        self.set_up = SetUp(store, today)
        checks = Checks(self.set_up)
        self.jobs = Jobs(store, self.set_up, checks)
        self.interface = Interface(store, self.set_up, checks, self.jobs)
        self.settings = M3Settings().changed({**(store.get(SETTINGS, "") or {}), **settings})
        with store.transaction():
            store.put(SETTINGS, "", self.settings.as_dict())
            if not store.count(DIVISION):
                self.set_up.fill()
        programs = {
            **ReferencePrograms(self.set_up).table(),
            **RepositoryPrograms(self.set_up.dimension_names).table(),
            **self.interface.table(),
            **LedgerPrograms(self.jobs).table(),
            **ExportPrograms(self.interface, self.jobs).table(),
        }
        self._rest = sandbox_rest.Rest(programs, self._before_ledger, [self.set_up.company["CONO"]])
        self._page = ""
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            self.route(method, rf"{sandbox_rest.ROOT}(?:/.*)?", self._execute)
        add_control_routes(self)

    # Serving

    def started(self, base_url: str) -> None:
        self._page = f"{base_url.rsplit('/', 2)[0]}/_sandbox/{self.name}/"

    def fault_path(self, request: Request) -> str:
        is_execute = request.path.split(";")[0].startswith(sandbox_rest.ROOT)
        return sandbox_rest.about(request) if is_execute else request.path

    def facts(self) -> dict[str, Any]:
        return {
            "company": self.set_up.company["CONO"],
            "divisions": [row["DIVI"] for row in self.set_up.divisions() if self.set_up.settings(row["DIVI"])],
            "interface": "PAYROLL",
            "record_identity": "I1",
            "page": self._page,
        }

    def _execute(self, request: Request) -> Answer:
        if request.fault("silent_failure"):
            return self._failing(request)
        return self._rest.answer(request, self.settings)

    def _failing(self, request: Request) -> Answer:
        """The same, with jobs that end in FCR040."""

        def update(call: MiCall) -> list[Row]:
            self.interface.hand_over(batch_key(call), call.context.settings, fails=True)
            return [{"CONO": call.company}]

        programs = {**self._rest.programs, ("GLS840MI", "UpdBatch"): update}
        return sandbox_rest.Rest(programs, self._before_ledger, self._rest.companies).answer(request, self.settings)

    def _before_ledger(self) -> None:
        self.jobs.looked(self.settings)

    # What an administrator or an accountant does

    def change_settings(self, **values: Any) -> M3Settings:
        with self.store.transaction():
            self.settings = self.settings.changed(values)
            self.store.put(SETTINGS, "", self.settings.as_dict())
        return self.settings

    def update_ledger(self) -> list[dict[str, Any]]:
        """Every job that waits, now."""
        with self.store.transaction():
            return self.jobs.run_waiting(self.settings)

    def update_batch(self, key1: str) -> None:
        """A person chooses option 9 in GLS840. Raises ValueError for a batch that is not there."""
        with self.store.transaction():
            self.interface.hand_over(self.interface.find_key(key1), self.settings)

    # What a test looks at

    def reset_ledger(self) -> None:
        with self.store.transaction():
            self.interface.clear()
            self.jobs.clear()

    def reset(self) -> None:
        with self.store.transaction():
            self.reset_ledger()
            self.set_up.fill()
            self.settings = M3Settings()
            self.store.put(SETTINGS, "", self.settings.as_dict())

    def ledger_state(self) -> dict[str, Any]:
        """Batches, jobs, and the vouchers of the ledger with their sums. Amounts are Decimal; nothing is set going."""
        with self.store.transaction():
            return ledger_state(self.interface, self.jobs)
