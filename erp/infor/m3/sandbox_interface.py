"""GLS840MI of the M3 sandbox: a batch is staged line by line, checked (option 6) and handed to the ledger (option 9).

Staging looks at nothing but the form of a field: accounts, dates and amounts that do not exist or do not add up are taken.
A batch is known by company, division and KEY1. AddBatchLineFld has no company of its own, so a line goes where the request
says. UpdBatch answers with the company alone, whatever its job will find.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from audit.sandbox import Store
from erp.infor.m3.sandbox_call import MiCall, Program, Row
from erp.infor.m3.sandbox_checks import Checks
from erp.infor.m3.sandbox_jobs import Jobs
from erp.infor.m3.sandbox_messages import already_exists, does_not_exist, invalid, not_found
from erp.infor.m3.sandbox_setup import SetUp

BATCH = "M3 batch"
#: Of a batch in GLS840; which numbers M3 uses is not published.
STAGED, CHECKED, WRONG, UPDATED = "10", "20", "15", "90"


class Interface:
    def __init__(self, store: Store, set_up: SetUp, checks: Checks, jobs: Jobs) -> None:
        self.store = store
        self.set_up = set_up
        self.checks = checks
        self.jobs = jobs

    def table(self) -> dict[tuple[str, str], Program]:
        return {
            ("GLS840MI", "AddBatchHead"): self.add_head,
            ("GLS840MI", "AddBatchLine"): self.add_line,
            ("GLS840MI", "AddBatchLineFld"): self.add_line,
            ("GLS840MI", "CtrlBatch"): self.control,
            ("GLS840MI", "UpdBatch"): self.update,
        }

    # Staging

    def add_head(self, call: MiCall) -> Iterable[Row]:
        if self.set_up.division(call.division) is None:
            raise does_not_exist("DIVI", call.division)
        if call.get("INTN") not in self.set_up.interfaces:
            raise does_not_exist("INTN", call.get("INTN"))
        key = batch_key(call)
        known = self.store.get(BATCH, key)
        if known is not None and known["head"] and call.context.settings.duplicate_head == "refuse":
            raise already_exists("KEY1")
        head = {
            "CONO": call.company,
            "DIVI": call.division,
            "KEY1": call.get("KEY1"),
            "INTN": call.get("INTN"),
            "DESC": call.get("DESC"),
            "USID": call.get("USID") or self.set_up.user["USID"],
            "STAT": STAGED,
            **self.stamp(),
        }
        self.store.put(BATCH, key, {**(known or {"updates": 0}), "key": key, "head": head})
        return [{"CONO": call.company}]

    def add_line(self, call: MiCall) -> Iterable[Row]:
        """By field or by position. The interface's kind is looked at when the batch is checked."""
        settings = call.context.settings
        key, line = batch_key(call), int(call.get("LINE"))
        batch = self.store.get(BATCH, key)
        if settings.line_needs_head and (batch is None or not batch["head"]):
            raise not_found("KEY1")
        if batch is None:
            self.store.put(BATCH, key, {"key": key, "head": None, "updates": 0})
        place = f"{line:07d}"
        if self.store.get(lines_kind(key), place) is not None:
            if settings.duplicate_line == "refuse":
                raise already_exists("LINE")
            if settings.duplicate_line == "append":
                place = f"{place}#{self.store.next('M3 line'):06d}"
        given = {name: value for name, value in call.record.items() if name not in {"CONO", "DIVI"} and value.strip()}
        row = {**given, "CONO": call.company, "DIVI": call.division, "LINE": str(line), **self.stamp()}
        self.store.put(lines_kind(key), place, row)
        # As M3 answers: AddBatchLine with the company, AddBatchLineFld with nothing.
        return [{"CONO": call.company}] if "CONO" in call.transaction.outputs else []

    # Checking and updating

    def control(self, call: MiCall) -> Iterable[Row]:
        key = batch_key(call)
        batch = self._batch(key)
        errors = self.checks.errors_of(batch["head"], self.lines(key), call.context.settings)
        self._set_status(batch, WRONG if errors else CHECKED)
        if errors and call.context.settings.control_answers:
            raise errors[0].nok
        return [{"CONO": call.company}]

    def update(self, call: MiCall) -> Iterable[Row]:
        self.hand_over(batch_key(call), call.context.settings)
        return [{"CONO": call.company}]

    def hand_over(self, key: str, settings: Any, *, fails: bool = False) -> None:
        """Option 9. Raises Nok for a batch that is not there, or was updated where that is refused."""
        batch = self._batch(key)
        if batch["updates"] and settings.second_update == "refuse":
            raise invalid("KEY1", batch["head"]["KEY1"])
        self.jobs.begin(batch["head"], self.lines(key), fails=fails)
        if not settings.keeps_batch:
            self.remove(key)
            return
        batch["updates"] += 1
        self._set_status(batch, UPDATED)

    # Looking

    def _batch(self, key: str) -> dict[str, Any]:
        batch: dict[str, Any] | None = self.store.get(BATCH, key)
        if batch is None or not batch["head"]:
            raise not_found("KEY1")
        return batch

    def _set_status(self, batch: dict[str, Any], status: str) -> None:
        batch["head"]["STAT"] = status
        self.store.put(BATCH, batch["key"], batch)

    def batches(self) -> list[dict[str, Any]]:
        return self.store.all(BATCH)

    def lines(self, key: str) -> list[Row]:
        """In the order of their numbers, whatever order they came in."""
        return sorted(self.store.all(lines_kind(key)), key=lambda row: int(row["LINE"]))

    def find_key(self, key1: str) -> str:
        """The whole key of the one batch with this KEY1. Raises ValueError."""
        found: list[str] = [batch["key"] for batch in self.batches() if batch["key"].split("/", 2)[2] == key1]
        if len(found) != 1:
            raise ValueError(f"there are {len(found)} batches {key1}")
        return found[0]

    # What a person does

    def remove(self, key: str) -> None:
        self.store.delete(BATCH, key)
        self.store.delete_kind(lines_kind(key))

    def change_line(self, key: str, line: int, values: dict[str, str]) -> None:
        known = self.store.get(lines_kind(key), f"{line:07d}")
        if known is None:
            raise ValueError(f"there is no line {line}")
        self.store.put(lines_kind(key), f"{line:07d}", {**known, **values})

    def clear(self) -> None:
        for batch in self.batches():
            self.remove(batch["key"])

    def stamp(self) -> Row:
        now = datetime.now(UTC)
        day = now.strftime("%Y%m%d")
        return {
            "RGDT": day,
            "RGTM": now.strftime("%H%M%S"),
            "LMDT": day,
            "CHNO": "1",
            "CHID": self.set_up.user["USID"],
        }


def batch_key(call: MiCall) -> str:
    return f"{call.company}/{call.division}/{call.get('KEY1')}"


def lines_kind(key: str) -> str:
    return f"M3 FGLIN {key}"
