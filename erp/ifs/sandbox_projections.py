"""Requests to the projections of the IFS Cloud sandbox: sign-in, rights, sets, records, actions, functions.

One request is one unit of work in one store transaction; in a $batch each changeset is one of its own, committed before
the next part begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from audit.sandbox import Answer, Refused, Request
from erp.ifs.sandbox_actions import call_action, call_function
from erp.ifs.sandbox_assistant import Assistant
from erp.ifs.sandbox_batch import answer_batch
from erp.ifs.sandbox_call import (
    Call,
    RefusedPart,
    check_cookies,
    check_headers,
    require_precondition,
    with_references,
)
from erp.ifs.sandbox_errors import ODATA_HEADERS, error_answer, not_found, refused, unauthorized
from erp.ifs.sandbox_filter import holds, required_values
from erp.ifs.sandbox_iam import Iam
from erp.ifs.sandbox_metadata import metadata, service_document
from erp.ifs.sandbox_odata import (
    Segment,
    answered,
    etag_of,
    in_order,
    key_text,
    next_link,
    parse_arguments,
    parse_key,
    parse_query,
    segments_of,
    shown_row,
)
from erp.ifs.sandbox_quick_reports import QUICK_REPORTS, answer_quick_report
from erp.ifs.sandbox_schema import Row, projections
from erp.ifs.sandbox_settings import Settings
from erp.ifs.sandbox_sources import Source, source_of
from erp.odata_sandbox import Operation

#: All projections here are of the category Users: they answer below /main only.
ROOT = "/main/ifsapplications/projection/v1/"
SAFE_IN_PATH = "/(),='"
#: How long a statement may run where `Prefer: wait` does not say (docs "request timeouts").
WAIT_SECONDS = 300


class Projections:
    def __init__(self, iam: Iam, assistant: Callable[[], Assistant]) -> None:
        """`assistant()`: one with the settings of the moment."""
        self.iam = iam
        self.assistant = assistant
        self.store = iam.store
        self._late: list[threading.Timer] = []

    def answer(self, request: Request) -> Answer:
        """Raises `Refused`."""
        if not self.iam.accepts(request.header("authorization")):
            raise unauthorized()
        check_cookies(request)
        if request.fault("metadata_modified"):
            raise refused("MI_MODIFIED_ERROR")
        if request.fault("illegal_state"):
            raise refused("ODP_ILLEGAL_STATE")
        if fault := request.fault("late"):
            # The client is told that time is up, and the statement goes on all the same.
            timer = threading.Timer(fault.seconds, self._do_late, [request])
            timer.daemon = True
            self._late.append(timer)
            timer.start()
            raise Refused(error_answer("ODP_OPERATION_TIMEOUT", seconds=waited(request)))
        return self._do(request)

    def _do_late(self, request: Request) -> None:
        try:
            self._do(request)
        except Refused:
            return  # nobody is there to be told

    def stop(self) -> None:
        for timer in self._late:
            timer.cancel()

    def _do(self, request: Request) -> Answer:
        assistant = self.assistant()
        name, service, rest = self._projection_of(request, assistant.settings)
        if name == QUICK_REPORTS:
            if request.method != "GET":
                raise refused("ODP_NOT_ALLOWED")
            with self.store.transaction():
                return answer_quick_report(rest, request.raw_query, assistant, service)
        operation = Operation(request.method, rest, request.raw_query, request.headers, request.body)
        call = Call(request, projections()[name], service, operation, assistant)
        if rest == "$batch":
            return answer_batch(call, self.in_one_unit)
        (answer,) = self.in_one_unit(call, [operation])
        return answer

    def _projection_of(self, request: Request, settings: Settings) -> tuple[str, str, str]:
        """Name, address of the service, and what stands behind it. An ungranted projection looks like none."""
        path = unquote(request.path)
        name, _, rest = path.removeprefix(ROOT).partition(".svc")
        known = projections().get(name)
        exists = known is not None and known.optional in {"", settings.ledger_source}
        if name == QUICK_REPORTS:
            exists = settings.ledger_source == "quick_report"
        if not path.startswith(ROOT) or not exists or (rest and not rest.startswith("/")):
            raise refused("MI_METADATA_NOTFOUND")
        if name in settings.denied_projections.split():
            raise refused("MI_METADATA_NOTFOUND" if settings.ungranted_status == 404 else "DB_INSUFFICIENT_PRIVILEGES")
        return name, f"{request.base_url}{ROOT}{name}.svc", rest.removeprefix("/")

    def in_one_unit(self, call: Call, operations: list[Operation]) -> list[Answer]:
        """All of them or none. Raises `RefusedPart`."""
        answers: list[Answer] = []
        created: dict[str, tuple[str, str]] = {}
        with self.store.transaction():
            if any(operation.method != "GET" for operation in operations) and call.request.fault("locked"):
                place = len(operations) - 1
                raise RefusedPart(call.assistant.errors.refuse("FND_LOCKED", lu="Voucher").answer, place)
            for place, operation in enumerate(operations):
                try:
                    answers.append(self._perform(replace(call, operation=operation, created=created)))
                except Refused as error:
                    raise RefusedPart(error.answer, place) from None
        return answers

    # One operation

    def _perform(self, call: Call) -> Answer:
        call = with_references(call)
        check_headers(call)
        segments = segments_of(call.operation.path)
        if not segments:
            return self._document(call, answered(200, service_document(call.projection)))
        first = segments[0]
        if len(segments) > 1:
            return self._below(call, segments)
        if first.name == "$metadata":
            return self._document(call, Answer(200, metadata(call.projection), dict(ODATA_HEADERS), "application/xml"))
        if first.name in call.projection.functions:
            return self._function(call, first)
        action = call.projection.actions.get(first.name)
        if action is not None and not action.binds:
            return call_action(call, action)
        return self._below(call, segments)

    def _document(self, call: Call, answer: Answer) -> Answer:
        if call.operation.method != "GET":
            raise refused("ODP_NOT_ALLOWED")
        return answer

    def _function(self, call: Call, segment: Segment) -> Answer:
        function = call.projection.functions[segment.name]
        arguments = parse_arguments(segment.inside or "", function.parameters, call.projection.name)
        value = call_function(call.assistant, function.name, arguments)
        if isinstance(function.returns, dict):
            name = f"IfsApp.{call.projection.name}.{function.name}Structure"
            answer = answered(200, {"@odata.context": f"{call.service}/$metadata#{name}", **value})
        else:
            context = f"{call.service}/$metadata#Edm.{function.returns}"
            answer = answered(200, {"@odata.context": context, "value": value})
        return self._document(call, answer)

    def _below(self, call: Call, segments: list[Segment]) -> Answer:
        """Set, record, array below a record, action on a record."""
        entity = call.projection.type_of_set(segments[0].name)
        if entity is None:
            raise not_found()
        source = source_of(entity, call.assistant, {})
        for place, segment in enumerate(segments):
            rest = segments[place + 1 :]
            if segment.inside is None and not rest:
                return self._collection(call, source)
            if segment.inside is None:
                raise not_found()
            row = source.find(parse_key(segment.inside, source.entity))
            if row is None:
                raise not_found()
            if not rest:
                return self._record(call, source, row)
            if rest[0].name.startswith("IfsApp."):
                return self._bound(call, source, row, rest)
            nested = call.projection.types.get(source.entity.nested.get(rest[0].name, ""))
            if nested is None:
                raise not_found()
            source = source_of(nested, call.assistant, {**row, "_key": source.entity.key})
        raise not_found()

    def _bound(self, call: Call, source: Source, row: Row, rest: list[Segment]) -> Answer:
        space, _, name = rest[0].name.rpartition(".")
        action = call.projection.actions.get(name)
        is_whole = space == f"IfsApp.{call.projection.name}" and len(rest) == 1 and rest[0].inside is None
        if action is None or not is_whole or action.binds != source.entity.name:
            raise not_found()
        return call_action(call, action, source.entity, row)

    # Sets

    def _collection(self, call: Call, source: Source) -> Answer:
        if call.operation.method == "GET":
            return self._list(call, source)
        entity, path = source.entity, call.operation.path
        if call.operation.method != "POST":
            raise refused("ODP_NOT_ALLOWED")
        if "create" not in entity.access:
            raise source.refusal("create")
        record = call.record(entity)
        for name in record:
            if name in entity.no_insert:
                raise call.assistant.errors.refuse("INSERT", name=name, lu=entity.lu)
        row = source.create(record)
        if call.operation.content_id:
            call.created[call.operation.content_id] = (f"{path}{key_text(entity, row)}", etag_of(entity, row))
        return self._shown(call, 201, source, row)

    def _list(self, call: Call, source: Source) -> Answer:
        entity, settings, path = source.entity, call.settings, call.operation.path
        query = parse_query(call.operation.raw_query, entity, settings)
        rows = source.all(required_values(query.condition))
        if query.condition is not None:
            rows = [row for row in rows if holds(query.condition, row, entity)]
        rows = in_order(rows, entity, query.order)
        fields = f"({','.join(query.select)})" if query.select else ""
        document: dict[str, Any] = {"@odata.context": f"{call.service}/$metadata#{plain_path(path)}{fields}"}
        if query.counts:
            document["@odata.count"] = len(rows)
        end = len(rows)
        if query.top is not None and not settings.top_is_page:
            end = min(end, query.skip + query.top)
        size = settings.page_size if query.top is None else min(query.top, settings.page_size)
        stop = min(query.skip + size, end)
        as_text = call.sends_text_numbers
        document["value"] = [shown_row(entity, row, query.select, as_text=as_text) for row in rows[query.skip : stop]]
        if stop < end and size:
            document["@odata.nextLink"] = next_link(
                f"{call.service}/{quote(path, safe=SAFE_IN_PATH)}", query, stop, settings
            )
        return answered(200, document)

    # Records

    def _record(self, call: Call, source: Source, row: Row) -> Answer:
        method, entity = call.operation.method, source.entity
        if method == "GET":
            query = parse_query(call.operation.raw_query, entity, call.settings, is_keyed=True)
            return self._shown(call, 200, source, row, query.select)
        what = {"PATCH": "update", "DELETE": "delete"}.get(method)
        if what is None:
            raise refused("ODP_NOT_ALLOWED")
        if what not in entity.access:
            raise source.refusal(what)
        require_precondition(call, entity, row)
        if what == "delete":
            source.delete(row)
            return Answer(204, None, dict(ODATA_HEADERS))
        record = call.record(entity)
        for name in record:
            if name in entity.no_update or name in entity.key:
                raise call.assistant.errors.refuse("UPDATE", name=name, lu=entity.lu)
        return self._shown(call, 200, source, source.change(row, record))

    def _shown(self, call: Call, status: int, source: Source, row: Row, select: list[str] | None = None) -> Answer:
        entity = source.entity
        context = f"{call.service}/$metadata#{plain_path(call.operation.path)}/$entity"
        shown = shown_row(entity, row, select, as_text=call.sends_text_numbers)
        return answered(status, {"@odata.context": context, **shown}, {"ETag": etag_of(entity, row)})


def plain_path(path: str) -> str:
    """An address without keys: VoucherSet/VoucherPostingArray."""
    return "/".join(segment.name for segment in segments_of(path))


def waited(request: Request) -> int:
    """Seconds of `Prefer: wait=N`."""
    for part in request.header("prefer").replace(" ", "").split(","):
        name, _, value = part.partition("=")
        if name == "wait" and value.isdigit():
            return min(int(value), WAIT_SECONDS)
    return WAIT_SECONDS
