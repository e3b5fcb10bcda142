"""A small FSM behind the ION gateway sandbox: `/infor/{ti}/FSM/fsm/soap/...`.

`FsmSuite` puts the parts together: lists (`sandbox_lists`, filters `sandbox_lpl`), staging (`sandbox_staging`), runs and
journals (`sandbox_runs`, kept in `sandbox_books`), the set-up (`sandbox_environment`). Below the suite:

    /fsm/soap/classes/{Class}/lists/{list}                                    read
    /fsm/soap/classes/GLTransactionInterface/actions/CreateUnreleased[/batch] stage rows
    /fsm/soap/ldrest/GLTransactionInterface/InterfaceTransactions_…           a run: GET with effects
    /fsm/soap/ldrest/GLTransactionInterface/DeleteAllTransactionsForRunGroup_… take staged rows out
    /_sandbox/...                                                             see `sandbox_control`

Faults of its own (`POST /_sandbox/faults`, system "infor"): row_refused (one row of a batch is), row_error (a run finds
one row wrong), run_vanishes (submitted, and never done). A fault's path for an edit-only run ends with /EditOnly.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from audit.sandbox import Answer, Request, Store
from erp.infor.fsm.sandbox_books import GROUPS, Books, sums
from erp.infor.fsm.sandbox_control import add_control_routes
from erp.infor.fsm.sandbox_environment import fill
from erp.infor.fsm.sandbox_lists import Lists
from erp.infor.fsm.sandbox_runs import Runs
from erp.infor.fsm.sandbox_schema import classes
from erp.infor.fsm.sandbox_settings import FsmSettings
from erp.infor.fsm.sandbox_staging import Staging
from erp.infor.sandbox_suite import Suite

SOAP = "/fsm/soap"
OPERATIONS = f"{SOAP}/ldrest/GLTransactionInterface"
INTERFACE = f"{OPERATIONS}/InterfaceTransactions_InterfaceTransactionsForm_FormOperation"
DELETE = f"{OPERATIONS}/DeleteAllTransactionsForRunGroup_DeleteAllTransactionsForRunGroupForm_FormOperation"
CREATE = f"{SOAP}/classes/GLTransactionInterface/actions/CreateUnreleased"
SET_UP = tuple(
    name
    for name in classes()
    if name not in {"GLTransactionInterface", "GLTransactionInterfaceResult", "GLTransactionDetail"}
)


class FsmSuite(Suite):
    name = "FSM"

    def __init__(self, store: Store, *, seed: int, today: date, settings: Mapping[str, Any]) -> None:
        super().__init__(store, seed=seed, today=today, settings=settings)
        self.books = Books(store)
        self._page = ""
        self.settings = FsmSettings().changed({**(store.get("FSM", "settings") or {}), **settings})
        with store.transaction():
            store.put("FSM", "settings", self.settings.as_dict())
            if not self.books.set_up("FinanceEnterpriseGroup"):
                fill(self.books, today)
        self.route("GET", f"{SOAP}/classes/(?P<name>[A-Za-z0-9]+)/lists/(?P<list_name>[A-Za-z0-9_]+)", self._list)
        self.route("POST", CREATE, lambda request: self.staging().create(request))
        self.route("POST", f"{CREATE}/batch", lambda request: self.staging().create_batch(request))
        self.route("GET", INTERFACE, self._interface)
        self.route("GET", DELETE, self._delete)
        add_control_routes(self)

    # Serving

    def started(self, base_url: str) -> None:
        self._page = f"{base_url.rsplit('/', 2)[0]}/_sandbox/{self.name}/"

    def fault_path(self, request: Request) -> str:
        if request.path == INTERFACE and request.parameter("PrmEditOnly") == "true":
            return f"{request.path}/EditOnly"
        return request.path

    def before(self, request: Request) -> None:
        """What was submitted goes on whether or not anybody asks; here it catches up when somebody does."""
        self.catch_up()

    def catch_up(self) -> None:
        self.runs().work_off()
        self.runs().post_due()

    def lists(self) -> Lists:
        return Lists(self.books, self.settings)

    def staging(self) -> Staging:
        return Staging(self.books, self.settings)

    def runs(self) -> Runs:
        return Runs(self.books, self.settings)

    def _list(self, request: Request, name: str, list_name: str) -> Answer:
        return self.lists().answer(request, name, list_name)

    def _interface(self, request: Request) -> Answer:
        group = self.runs().submit(request)
        return self._operation("Interface Transactions Submitted", group)

    def _delete(self, request: Request) -> Answer:
        group = request.parameter("PrmRunGroup")
        self.staging().delete(group)
        return self._operation("Delete All Transactions For Run Group completed", group)

    def _operation(self, message: str, group: str) -> Answer:
        record = {"message": message, "_fields": {"PrmRunGroup": group}}
        style = self.settings.operation_answer
        return Answer(200, {"records": [record], "object": record, "empty": None}[style])

    # What an administrator or a person in FSM does

    def change_settings(self, **values: Any) -> FsmSettings:
        with self.store.transaction():
            self.settings = self.settings.changed(values)
            self.store.put("FSM", "settings", self.settings.as_dict())
        return self.settings

    def finish_runs(self) -> None:
        with self.store.transaction():
            self.runs().work_off(all_of_them=True)

    def post_journals(self, **wanted: str) -> list[str]:
        """Release and post every journal that was entered, or those with these values."""
        with self.store.transaction():
            self.catch_up()
            return self.runs().post(wanted)

    def remove_run_group(self, group: str) -> None:
        """A person takes it out of FSM: staged rows, and the journal that was made of it unless it is posted."""
        with self.store.transaction():
            self.catch_up()
            self.books.restage(group, [])
            for journal in self.books.journals():
                if journal["run_group"] == group and not journal["is_posted"]:
                    self.books.remove_journal(journal["number"])

    # What a test looks at

    def facts(self) -> dict[str, Any]:
        return {
            "enterprise_group": "1",
            "company_codes": [row["AccountingEntity"] for row in self.books.set_up("AccountingEntity")],
            "journal_code": "PR",
            "page": self._page,
        }

    def reset_ledger(self) -> None:
        with self.store.transaction():
            self.books.clear()

    def reset(self) -> None:
        with self.store.transaction():
            self.reset_ledger()
            self.books.clear_set_up(SET_UP)
            fill(self.books, self.today)
            self.settings = FsmSettings()
            self.store.put("FSM", "settings", self.settings.as_dict())

    def ledger_state(self) -> dict[str, Any]:
        """Journals with their lines, staged rows by run group, results of runs. Amounts are Decimal."""
        with self.store.transaction():
            self.catch_up()
            journals = []
            for journal in self.books.journals():
                count, debit, credit = sums(journal["rows"])
                journals.append({**journal, "row_count": count, "debit": debit, "credit": credit})
            staged = {group: self.books.staged(group) for group in self.store.keys(GROUPS)}
            return {"journals": journals, "staged": staged, "results": self.books.results()}
