"""The collections under /data of the Dynamics 365 sandbox: sign-in, reads, writes, $batch.

One request is one unit of work in one store transaction; in a $batch each changeset is one of its own, committed
before the next begins (rule batch-3), so that a batch cut short leaves what was done before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from audit.sandbox import Answer, Refused, Request, loads
from erp.d365.sandbox_batch import read_batch
from erp.d365.sandbox_dimensions import Dimensions, join_account_string
from erp.d365.sandbox_entra import Entra
from erp.d365.sandbox_errors import (
    AN_ERROR,
    JSON_TYPE,
    ODATA_HEADERS,
    PLATFORM,
    Infolog,
    InfologRefused,
    access_denied,
    bad_body,
    error_answer,
    hidden_infolog,
    not_found,
    nothing_to_update,
    precondition_failed,
    throttled,
    unauthorized,
    unknown_address,
)
from erp.d365.sandbox_filter import folded, holds, required_texts
from erp.d365.sandbox_journals import Journals
from erp.d365.sandbox_odata import (
    Query,
    Resource,
    context_of,
    etag_of,
    key_text,
    next_link,
    options_of,
    parse_key,
    parse_query,
    parse_resource,
    read_body,
    shown_row,
)
from erp.d365.sandbox_reference import DEFAULT_FORMAT, LEDGER_FORMAT, Reference
from erp.d365.sandbox_rows import BY_JOURNAL, Rows, joined
from erp.d365.sandbox_schema import NAMESPACE, EntitySet, Row, entity_sets, enumerations
from erp.d365.sandbox_settings import Settings
from erp.odata_sandbox import Changeset, Operation, Reply, count_operations, write_batch

#: What a client may write; everything else is read only for the roles of its user.
WRITABLE = frozenset({"LedgerJournalHeaders", "LedgerJournalLines"})


@dataclass(slots=True)
class Work:
    """One unit of work: who does it, since when it waits, which journals it changed."""

    request: Request
    started: float = field(default_factory=time.monotonic)
    journals: set[str] = field(default_factory=set)

    @property
    def service(self) -> str:
        return f"{self.request.base_url}/data"


@dataclass(frozen=True, slots=True)
class LastWrite:
    author: int
    """id of the request"""
    done: float


class Collections:
    def __init__(
        self, rows: Rows, reference: Reference, entra: Entra, settings: Callable[[], Settings], banks: list[Row]
    ) -> None:
        self.rows = rows
        self.reference = reference
        self.entra = entra
        self.settings = settings
        self.banks = banks
        self._lock = threading.RLock()
        self._last_writes: dict[str, LastWrite] = {}

    # One request

    def answer(self, request: Request) -> Answer:
        """Raises `Refused`."""
        arrived = time.monotonic()
        self._sign_in(request)
        path = request.path.removeprefix("/data").removeprefix("/")
        if path in {"$batch", "%24batch"}:
            if request.method != "POST":
                raise unknown_address(request.base_url + request.path)
            return self._batch(request, arrived)
        operation = Operation(request.method, unquote(path), request.raw_query, request.headers, request.body)
        work = Work(request, started=arrived)
        with self._unit(work):
            try:
                return self._perform(work, operation)
            except InfologRefused:
                # Rule err-1: a plain PATCH may hide the cause; the same PATCH in a $batch shows it.
                if request.method == "PATCH":
                    raise Refused(hidden_infolog()) from None
                raise

    def _sign_in(self, request: Request) -> None:
        """Rules auth-1 and auth-2: the token, then the client id on the Microsoft Entra ID applications page."""
        client = self.entra.accepted_client(request.header("authorization"), request.base_url)
        if not client or self.rows.find("SysAADClients", client) is None:
            raise unauthorized(request.base_url, self.entra.directory)

    @contextmanager
    def _unit(self, work: Work) -> Iterator[None]:
        """All or nothing; and a note of when each changed journal was last written, while others still wait."""
        with self._lock, self.rows.store.transaction():
            yield
            for journal in work.journals:
                self._last_writes[journal] = LastWrite(id(work.request), time.monotonic())

    def journals(self, work: Work) -> Journals:
        settings = self.settings()
        infolog = self.infolog()

        def touch(journal: str, entity: EntitySet) -> None:
            last = self._last_writes.get(journal)
            overlaps = last is not None and last.author != id(work.request) and last.done > work.started
            if settings.update_conflicts and overlaps:
                raise infolog.refuse(entity, "update_conflict")
            work.journals.add(journal)

        dimensions = Dimensions(self.reference, infolog, self.banks)
        return Journals(self.reference, dimensions, infolog, settings, touch)

    def infolog(self) -> Infolog:
        return Infolog(self.settings().language, self.settings().infolog_status)

    # Batch

    def _batch(self, request: Request, arrived: float) -> Answer:
        parts = read_batch(request.body, request.header("content-type"), f"{request.base_url}/data")
        limit = self.settings().batch_limit
        if count_operations(parts) > limit:
            message = (
                f"The batch holds too many operations. Only batches with a maximum number of '{limit}' are allowed."
            )
            raise Refused(error_answer(400, message))
        goes_on = "odata.continue-on-error" in request.header("prefer").replace(" ", "").lower().split(",")
        replies: list[Reply] = []
        for part in parts:
            # The first part waits since the request came; each further one begins when the one before is done.
            work = Work(request, started=time.monotonic() if replies else arrived)
            reply, is_cut = self._part(work, part)
            if is_cut:
                return Answer(hang_up=True)
            replies.append(reply)
            if not goes_on and any(answer.status >= 400 for _, answer in reply.answers):
                break
        return write_batch(replies)

    def _part(self, work: Work, part: Operation | Changeset) -> tuple[Reply, bool]:
        """One changeset or single operation, done whole or not at all, and whether the connection is cut then."""
        operations = part.operations if isinstance(part, Changeset) else [part]
        is_changeset = isinstance(part, Changeset)
        try:
            self._play_faults(work.request, is_changeset=is_changeset)
            with self._unit(work):
                answers = [(operation.content_id, self._perform(work, operation)) for operation in operations]
        except Refused as refused:
            # One error part; its Content-ID is the first one's, not the failing row's (rule batch-2).
            first = operations[0].content_id if operations else ""
            return Reply(((first, refused.answer),), is_changeset), False
        return Reply(tuple(answers), is_changeset), bool(is_changeset and work.request.fault("batch_truncated"))

    def _play_faults(self, request: Request, *, is_changeset: bool) -> None:
        if fault := request.fault("batch_part_429"):
            raise Refused(throttled(fault.headers.get("Retry-After", "15")))
        if is_changeset and (fault := request.fault("changeset_fails")):
            # 500 in evidence of 2020, 400 in evidence of 2026; a fault that names neither plays the older one.
            status = 400 if fault.status == 400 else 500
            message = "Write failed for table row of type 'LedgerJournalLineEntity'. Infolog: Error: Deadlock victim."
            raise Refused(error_answer(status, AN_ERROR, message, f"{PLATFORM}.AxODataWriteException"))

    # One operation

    def _perform(self, work: Work, operation: Operation) -> Answer:
        address = f"{work.service}/{operation.path}"
        if not operation.path and operation.method == "GET":
            return self._service_document(work)
        resource = parse_resource(operation.path)
        if resource is not None and resource.action and operation.method == "POST":
            return self._act(work, resource, operation)
        entity = entity_sets().get(resource.name) if resource else None
        if resource is None or entity is None or resource.action:
            raise unknown_address(address)
        if entity.name in self.settings().denied_entities.split():
            raise access_denied()
        if resource.key_text is None:
            if operation.method == "GET":
                return self._list(work, entity, operation)
            if operation.method == "POST":
                return self._create(work, entity, operation)
            raise Refused(error_answer(405, "The requested resource does not support this method."))
        query = parse_query(operation.raw_query, entity, is_keyed=True)
        row = self._visible(entity, parse_key(resource.key_text, entity), query)
        if operation.method == "GET":
            if row is None:
                raise not_found(operation.path)
            document = {"@odata.context": context_of(work.service, entity, query, is_single=True)}
            return answered(200, document | shown_row(entity, row, query.select), {"ETag": etag_of(row)})
        if operation.method not in {"PATCH", "DELETE"}:
            raise Refused(error_answer(405, "The requested resource does not support this method."))
        return self._change(work, entity, row, operation)

    def _service_document(self, work: Work) -> Answer:
        names = [{"name": name, "kind": "EntitySet", "url": name} for name in sorted(entity_sets())]
        return answered(200, {"@odata.context": f"{work.service}/$metadata", "value": names})

    def _visible(self, entity: EntitySet, key: tuple[Any, ...], query: Query) -> Row | None:
        """The row of a key; a row of another company only with cross-company=true (rule co-2)."""
        if entity.name == "GeneralJournalAccountEntries":
            row = next((row for row in self.rows.all(entity.name) if row["_id"] == key[0]), None)
        else:
            row = self.rows.find(entity.name, *key)
        if row is None or not self._is_in_reach(entity, row, query):
            return None
        return row

    def _is_in_reach(self, entity: EntitySet, row: Row, query: Query) -> bool:
        """General ledger entries have DataArea instead of dataAreaId; that they follow the rule too is assumed."""
        if not entity.company_field or query.is_cross_company:
            return True
        return folded(row.get(entity.company_field, "")) == folded(self.settings().default_company)

    def _list(self, work: Work, entity: EntitySet, operation: Operation) -> Answer:
        query = parse_query(operation.raw_query, entity, is_keyed=False)
        rows = [
            row
            for row in self.rows.all(entity.name, self._narrowed(entity, query))
            if self._is_in_reach(entity, row, query)
            and (query.condition is None or holds(query.condition, row, entity))
        ]
        for name, is_descending in reversed(query.order):
            rows.sort(key=lambda row, name=name: order_key(entity, row, name), reverse=is_descending)  # type: ignore[misc]
        document: dict[str, Any] = {"@odata.context": context_of(work.service, entity, query, is_single=False)}
        if query.count:
            document["@odata.count"] = len(rows)
        rows = rows[query.skip :] if query.top is None else rows[query.skip : query.skip + query.top]
        page_size = self.settings().page_size
        document["value"] = [shown_row(entity, row, query.select) for row in rows[:page_size]]
        if len(rows) > page_size:
            document["@odata.nextLink"] = next_link(f"{work.service}/{entity.name}", query, page_size)
        return answered(200, document)

    def _narrowed(self, entity: EntitySet, query: Query) -> list[str] | None:
        """Journals that can hold hits, where the filter names one journal or one document."""
        if entity.name not in BY_JOURNAL:
            return None
        wanted = required_texts(query.condition)
        if "dataAreaId" in wanted and "JournalBatchNumber" in wanted:
            return [joined(wanted["dataAreaId"], wanted["JournalBatchNumber"])]
        document = wanted.get("Document" if entity.name == "LedgerJournalLines" else "DocumentNumber")
        return self.rows.journals_with_document(document) if document else None

    def _create(self, work: Work, entity: EntitySet, operation: Operation) -> Answer:
        options_of(operation.raw_query)
        require_json(operation)
        if entity.name not in WRITABLE:
            raise access_denied()
        body = read_body(operation.body, entity, is_insert=True)
        journals = self.journals(work)
        if entity.name == "LedgerJournalHeaders":
            row = journals.create_header(body)
        else:
            if work.request.fault("update_conflict"):
                raise self.infolog().refuse(entity, "update_conflict")
            row = journals.create_line(body)
        document = {"@odata.context": context_of(work.service, entity, None, is_single=True)} | shown_row(entity, row)
        address = f"{work.service}/{entity.name}{key_text(entity, row)}"
        return answered(201, document, {"ETag": etag_of(row), "Location": address})

    def _change(self, work: Work, entity: EntitySet, row: Row | None, operation: Operation) -> Answer:
        """PATCH and DELETE by key: 204 without a body."""
        if entity.name not in WRITABLE:
            raise access_denied()
        body: Row = {}
        if operation.method == "PATCH":
            require_json(operation)
            body = read_body(operation.body, entity, is_insert=False)
        if row is None:
            raise nothing_to_update()
        expected = operation.headers.get("if-match", "*")
        if expected != "*" and expected != etag_of(row):
            raise precondition_failed()
        journals = self.journals(work)
        is_header = entity.name == "LedgerJournalHeaders"
        if operation.method == "DELETE":
            (journals.delete_header if is_header else journals.delete_line)(row)
            return Answer(204, None, dict(ODATA_HEADERS))
        changed = (journals.update_header if is_header else journals.update_line)(row, body)
        return Answer(204, None, {**ODATA_HEADERS, "ETag": etag_of(changed)})

    def _act(self, work: Work, resource: Resource, operation: Operation) -> Answer:
        """getCombinationDisplayValue and getSetDisplayValue: F&O builds the string; unknown dimensions are dropped."""
        actions = {
            ("DimensionCombinations", f"{NAMESPACE}.getCombinationDisplayValue"): LEDGER_FORMAT,
            ("DimensionSets", f"{NAMESPACE}.getSetDisplayValue"): DEFAULT_FORMAT,
        }
        kind = actions.get((resource.name, resource.action))
        if kind is None or resource.key_text is not None:
            raise unknown_address(f"{work.service}/{operation.path}")
        try:
            document = loads(operation.body)
            names, values = list(document["_attributeNames"]), list(document["_attributeValues"])
        except (ValueError, TypeError, KeyError):
            raise bad_body("The parameters _attributeNames and _attributeValues are needed.") from None
        written = self.reference.active_format(kind)
        if written is None or len(names) != len(values):
            raise Refused(error_answer(400, AN_ERROR, "No active format for data entities has been set up."))
        given = dict(zip(names, values, strict=True))
        text = join_account_string([given.get(name, "") for name in written["_dimensions"]], self.reference.delimiter())
        return answered(200, {"@odata.context": f"{work.service}/$metadata#Edm.String", "value": text})


def order_key(entity: EntitySet, row: Row, name: str) -> Any:
    value = row.get(name)
    if value is None:
        value = entity.default(name)
    kind = entity.fields[name]
    if kind == "String":
        return folded(value)
    return enumerations()[kind].index(value) if kind in enumerations() else value


def require_json(operation: Operation) -> None:
    content_type = operation.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(error_answer(415, f"The content type '{content_type}' is not supported."))


def answered(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, dict(document), {**ODATA_HEADERS, **(headers or {})}, JSON_TYPE)
