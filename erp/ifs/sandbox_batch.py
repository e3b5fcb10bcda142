"""POST {Projection}.svc/$batch of the IFS Cloud sandbox: parts in order, a changeset all or nothing."""

from __future__ import annotations

from collections.abc import Callable

from audit.sandbox import Answer, Refused
from erp.ifs.sandbox_call import Call, RefusedPart
from erp.ifs.sandbox_errors import bad_content, refused
from erp.odata_sandbox import BatchReader, Changeset, Operation, Reply, count_operations, write_batch

Unit = Callable[[Call, list[Operation]], list[Answer]]


def malformed(message: str) -> Refused:
    return bad_content("BATCH_INVALID", message)


def answer_batch(call: Call, in_one_unit: Unit) -> Answer:
    """Stops behind the first part that fails, unless asked to go on. Raises `Refused` for the whole batch."""
    if call.operation.method != "POST":
        raise refused("ODP_NOT_ALLOWED")
    reader = BatchReader(call.service, malformed, takes_references=True)
    parts = reader.read(call.operation.body, call.header("content-type"))
    limit = call.settings.batch_limit
    if count_operations(parts) > limit:
        raise malformed(f"The batch holds more than {limit} requests.")
    goes_on = "odata.continue-on-error" in call.header("prefer").replace(" ", "").lower().split(",")
    replies: list[Reply] = []
    for part in parts:
        reply = answer_part(call, part, in_one_unit)
        replies.append(reply)
        failed = any(answer.status >= 400 for _, answer in reply.answers)
        if isinstance(part, Changeset) and not failed and call.request.fault("batch_truncated"):
            return Answer(hang_up=True)
        if failed and not goes_on:
            break
    return write_batch(replies, call.settings.batch_status)


def answer_part(call: Call, part: Operation | Changeset, in_one_unit: Unit) -> Reply:
    """A changeset that fails is answered by the one error of the part that failed, under its Content-ID."""
    operations = part.operations if isinstance(part, Changeset) else [part]
    try:
        if fault := call.request.fault("batch_part_429"):
            raise RefusedPart(Answer(429, None, {"Retry-After": fault.headers.get("Retry-After", "5")}), 0)
        answers = in_one_unit(call, operations)
    except RefusedPart as failed:
        content_id = operations[failed.place].content_id if operations else ""
        return Reply(((content_id, failed.answer),), is_changeset=False)
    named = tuple((operation.content_id, answer) for operation, answer in zip(operations, answers, strict=True))
    return Reply(named, is_changeset=isinstance(part, Changeset))
