"""Runs of the FSM sandbox: a run group is edited, and interfaced where all rows of an entity are clean.

A run is submitted and answered at once; it happens some time later and leaves a result. An unbalanced run group is taken
like any other. Wordings of errors are assumed but for “No period found for Posting Date …”.
"""

from __future__ import annotations

import calendar
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.sandbox import Request
from erp.infor.fsm.sandbox_books import INTERFACED, RUNS, Books
from erp.infor.fsm.sandbox_lists import error
from erp.infor.fsm.sandbox_schema import Row, read_data
from erp.infor.fsm.sandbox_settings import FsmSettings

SWITCHES = frozenset(
    {
        "PrmEditOnly", "PrmEditAndInterface", "PrmMoveErrorsToNewRunGroup", "PrmJournalByJournalCode", "PrmJournalizeByEntity",
        "PrmByPassOrganizationCode", "PrmBypassStructureRelationEdit", "PrmByPassAccountCode", "PrmBypassNegativeRateEdit",
        "PrmPartialUpdate", "PrmInterfaceInDetail", "_cmAll",
    }
)  # fmt: skip
TEXTS = frozenset(
    {
        "PrmCurrencyTable",
        "PrmRunGroup",
        "PrmPrimaryLedger",
        "PrmAccountingEntity",
        "PrmErrorRunGroupPrefix",
        "PrmEnterpriseGroup",
    }
)


class Runs:
    def __init__(self, books: Books, settings: FsmSettings) -> None:
        self.books = books
        self.settings = settings

    def submit(self, request: Request) -> str:
        """Take a run on. Returns its run group. Raises Refused for parameters that make no run."""
        if "InterfaceTransactions" in self.settings.denied_actions.split():
            raise error("Actor is not authorized to perform InterfaceTransactions on GLTransactionInterface")
        query = {name: values[0] for name, values in request.query.items()}
        for name, value in query.items():
            if name not in SWITCHES | TEXTS:
                raise error(f"{name} is not a parameter of InterfaceTransactions")
            if name in SWITCHES and value not in {"true", "false"}:
                raise error(f"{name} is not a valid boolean: {value}")
        group = query.get("PrmRunGroup", "").upper()
        if not group:
            raise error("Run Group is required")
        if self.books.record("FinanceEnterpriseGroup", query.get("PrmEnterpriseGroup", "")) is None:
            raise error("Enterprise Group does not exist")
        edits = query.get("PrmEditOnly") == "true"
        if edits == (query.get("PrmEditAndInterface") == "true"):
            raise error("Select either Edit Only or Edit And Interface")
        run = {
            "group": group,
            "enterprise_group": query["PrmEnterpriseGroup"],
            "due": time.time() + self.settings.interface_seconds,
            "edits": edits,
            "partial": query.get("PrmPartialUpdate") == "true",
            "by_journal_code": query.get("PrmJournalByJournalCode") == "true",
            "fails": bool(request.fault("row_error")),
        }
        if request.fault("run_vanishes"):
            return group
        self.books.store.put(RUNS, str(self.books.store.next("FSM run")), run)
        if not self.settings.interface_seconds and not self.settings.waits_for_control:
            self.work_off()
        return group

    def work_off(self, *, all_of_them: bool = False) -> None:
        """Do what is due."""
        if self.settings.waits_for_control and not all_of_them:
            return
        for key in self.books.store.keys(RUNS):
            run = self.books.store.get(RUNS, key)
            if run is not None and (all_of_them or float(run["due"]) <= time.time()):
                self.books.store.delete(RUNS, key)
                self._do(run)

    def _do(self, run: Mapping[str, Any]) -> None:
        books, group = self.books, run["group"]
        rows = books.staged(group)
        waiting = [row for row in rows if row["Status"] != INTERFACED]
        for position, row in enumerate(waiting, 1):
            row["ErrorMessage"] = self.error_of(row)
            if run["fails"] and position == len(waiting):
                row["ErrorMessage"] = "Transaction is on hold by a rule of this tenant"
            row["Status"] = "3" if row["ErrorMessage"] else "0"
        failed = sum(1 for row in waiting if row["ErrorMessage"])
        if not run["edits"]:
            self._interface(run, waiting)
        self.books.restage(group, [row for row in rows if row["Status"] != "gone"])
        if run["edits"] and not self.settings.validation_writes_result:
            return
        books.add_result(
            {
                "FinanceEnterpriseGroup": run["enterprise_group"],
                "RunGroup": group,
                "RunTime": datetime.now().strftime("%Y%m%d%H%M%S%f")[:16],  # noqa: DTZ005 - as the server's clock shows it
                "RecordCount": str(len(waiting)),
                "PassedCount": str(len(waiting) - failed),
                "FailedCount": str(failed),
                "Status": "2" if failed else "1",
            }
        )

    def _interface(self, run: Mapping[str, Any], waiting: list[Row]) -> None:
        by_entity: dict[str, list[Row]] = defaultdict(list)
        for row in waiting:
            by_entity[row["AccountingEntity"]].append(row)
        after = {"posted": INTERFACED, "removed": "gone", "unchanged": "0"}[self.settings.interfaced_rows]
        for entity, rows in by_entity.items():
            clean = [row for row in rows if not row["ErrorMessage"]]
            if not clean or (len(clean) < len(rows) and not run["partial"]):
                continue
            by_journal: dict[str, list[Row]] = defaultdict(list)
            for row in clean:
                by_journal[row.get("JournalCode", "") if run["by_journal_code"] else ""].append(row)
            for taken in by_journal.values():
                self.books.enter(run["group"], entity, [dict(row) for row in taken], time.time())
            for row in clean:
                row["Status"] = after

    def error_of(self, row: Row) -> str:
        """The first thing that is wrong with a row; empty if nothing is."""
        books = self.books
        entity = books.record("AccountingEntity", row["AccountingEntity"])
        if entity is None:
            return f"Accounting Entity {row['AccountingEntity']} does not exist"
        if problem := self._period_problem(row["PostingDate"], entity):
            return problem
        account = books.record("GeneralLedgerChartAccount", row["AccountCode"])
        if account is None:
            return f"Account {row['AccountCode']} does not exist"
        if account["Active"] != "true":
            return f"Account {row['AccountCode']} is not active"
        unit = row.get("AccountingUnit", "")
        group = books.record("FinanceEnterpriseGroup", row["FinanceEnterpriseGroup"]) or {}
        if not unit and group.get("AccountingUnitRequired") == "true":
            return "Accounting Unit is required"
        if unit and (problem := self._value_problem("AccountingUnit", f"{row['AccountingEntity']}|{unit}", unit)):
            return problem
        for number in range(1, 11):
            name = f"FinanceDimension{number}"
            if row.get(name) and (problem := self._value_problem(name, row[name], row[name])):
                return problem
        given = read_data("environment.json")
        if row.get("CurrencyCode", "") not in given["currencies"]:
            return f"Currency {row.get('CurrencyCode', '')} does not exist"
        if row.get("JournalCode") and row["JournalCode"] not in given["journal_codes"]:
            return f"Journal Code {row['JournalCode']} does not exist"
        return ""

    def _value_problem(self, name: str, key: str, value: str) -> str:
        words = (
            "Accounting Unit"
            if name == "AccountingUnit"
            else f"Finance Dimension {name.removeprefix('FinanceDimension')}"
        )
        found = self.books.record(name, key)
        if found is None:
            return f"{words} {value} does not exist"
        return "" if found["Active"] == "true" else f"{words} {value} is not active"

    def _period_problem(self, day: str, entity: Row) -> str:
        periods = self.books.set_up("GeneralLedgerClosePeriod")
        period = next((row for row in periods if row["BeginDate"] <= day <= row["DerivedEndDate"]), None)
        if period is None:
            return f"No period found for Posting Date {long_date(day)}"
        is_back = period["DerivedEndDate"] < entity["CurrentPeriodEndDate"]
        if is_back and not self.settings.allows_back_periods:
            return f"Period is closed for Posting Date {long_date(day)}"
        return ""

    def post(self, wanted: Mapping[str, str] | None = None) -> list[str]:
        """What finance or a scheduled process does: release and post journals. Returns their numbers."""
        numbers = []
        for journal in self.books.journals():
            if journal["is_posted"] or any(str(journal.get(name)) != value for name, value in (wanted or {}).items()):
                continue
            self.books.put_journal({**journal, "is_posted": True})
            numbers.append(journal["number"])
        return numbers

    def post_due(self) -> None:
        seconds = self.settings.post_after_seconds
        if not seconds:
            return
        for journal in self.books.journals():
            if not journal["is_posted"] and float(journal["entered_at"]) + seconds <= time.time():
                self.books.put_journal({**journal, "is_posted": True})


def long_date(day: str) -> str:
    """`20250825` -> `August 25, 2025`."""
    return f"{calendar.month_name[int(day[4:6])]} {int(day[6:])}, {day[:4]}"
