"""Staging in the FSM sandbox: rows of GLTransactionInterface are created and taken out again.

Staging looks at the form of a row and at nothing else: accounts, dimensions, periods and balance are for the run. A row
that is refused stands among the others in an answer of status 200.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from audit.sandbox import Answer, Refused, Request
from erp.infor.fsm.sandbox_books import INTERFACED, RUN_GROUP, SEQUENCE, Books
from erp.infor.fsm.sandbox_lists import error
from erp.infor.fsm.sandbox_schema import Row, classes, row_problem
from erp.infor.fsm.sandbox_settings import FsmSettings

CREATED = "Global Ledger Transaction Interface created"
FALSE = frozenset({"", "N", "false", "0"})


class Staging:
    def __init__(self, books: Books, settings: FsmSettings) -> None:
        self.books = books
        self.settings = settings
        self.of = classes()["GLTransactionInterface"]

    def create(self, request: Request) -> Answer:
        """One row, flat JSON; a refusal is 400. Raises Refused."""
        self._check_action("CreateUnreleased")
        body = self._object(request)
        row, problem = self._created(body, set())
        if problem:
            raise error(problem)
        return Answer(200, {"_fields": row, "message": CREATED})

    def create_batch(self, request: Request) -> Answer:
        """Rows in order, each judged for itself. Raises Refused for what is no batch."""
        self._check_action("CreateUnreleased")
        document = self._object(request)
        records = document.get("_records")
        if set(document) != {"_records"} or not isinstance(records, list) or not records:
            raise error("_records is required")
        if self.settings.batch_max and len(records) > self.settings.batch_max:
            raise error(f"a batch may have {self.settings.batch_max} records")
        failures_max = int(request.parameter("_maxFailures", "-1"))
        answers: list[dict[str, Any]] = []
        failures = 0
        known: dict[str, set[str]] = {}
        failing = 2 if request.fault("row_refused") else 0
        for position, record in enumerate(records, 1):
            if not isinstance(record, dict) or not isinstance(record.get("_fields"), dict):
                raise error("a record needs _fields")
            fields = record["_fields"]
            group = str(fields.get(RUN_GROUP, "")).upper()
            if group not in known:
                known[group] = {row[SEQUENCE] for row in self.books.staged(group)}
            row, problem = self._created(fields, known[group]) if position != failing else ({}, "Record is locked")
            if problem:
                failures += 1
                answers.append({"_fields": self._key(fields), "exception": self._exception(problem)})
                if 0 <= failures_max < failures:
                    break
            else:
                answers.append({"_fields": row, "message": CREATED})
        return Answer(200, [*answers, {"batchStatus": "0"}])

    def _created(self, fields: Mapping[str, Any], known: set[str]) -> tuple[Row, str]:
        """The row as it is answered, or why it was refused. `known`: sequence numbers that the run group has."""
        if problem := row_problem(fields, self.of):
            return {}, problem
        if self.settings.duplicates == "refused" and fields[SEQUENCE] in known:
            return {}, f"Record already exists: {fields[RUN_GROUP]} {fields[SEQUENCE]}"
        known.add(fields[SEQUENCE])
        row = dict(fields)
        row[RUN_GROUP] = row[RUN_GROUP].upper()
        for name, decimals in self.of.create["amounts"].items():
            row[name] = f"{Decimal(row.get(name) or 0):.{decimals}f}"
        for name in self.of.create["booleans"]:
            row[name] = "false" if row.get(name, "") in FALSE else "true"
        row.setdefault("Status", "0")
        self.books.stage({**row, "ErrorMessage": ""})
        return row, ""

    def _key(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {SEQUENCE: str(fields.get(SEQUENCE, ""))}

    def _exception(self, problem: str) -> Any:
        return {"message": problem} if self.settings.exception_style == "object" else problem

    def delete(self, group: str) -> None:
        """Rows that a run took stay until their journal is posted. Raises Refused."""
        self._check_action("DeleteAllTransactionsForRunGroup")
        rows = self.books.staged(group.upper())
        open_groups = {journal["run_group"] for journal in self.books.journals() if not journal["is_posted"]}
        if any(row["Status"] == INTERFACED for row in rows) and group.upper() in open_groups:
            raise error(
                f"Exception ID: {uuid.uuid4()} - com.lawson.rdtech.type.ViewException: Cannot delete, journalize not complete for "
                "this run group"
            )
        self.books.restage(group.upper(), [])

    def _check_action(self, action: str) -> None:
        if action in self.settings.denied_actions.split():
            raise error(f"Actor is not authorized to perform {action} on {self.of.name}")

    def _object(self, request: Request) -> dict[str, Any]:
        try:
            document = request.json()
        except ValueError:
            raise error("the body is not JSON") from None
        if not isinstance(document, dict):
            raise Refused(Answer(400, {"code": "", "message": "the body must be an object"}))
        return document
