"""The conversation that makes a voucher: the Voucher Entry Assistant's temporary records, from opening to CreateVoucher.

Nothing before CreateVoucher has an effect on the books, so any step of it may be lost and is begun anew with another
temporary voucher. CreateVoucher inserts, checks and numbers the voucher in one transaction, and would make a second one
if it were sent again: it is sent in one place, here, after `dispatch()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.ifs.client import IfsClient, value_of
from erp.ifs.journal import header_body
from erp.ifs.names import CREATE, PARENT, REMOVE, ROW, VALIDATE, VOUCHER
from erp.ifs.refusals import Stale
from erp.odata import Operation, Row, etag_of
from mappings.journal import Journal

#: Called before each outside write; raises LeaseLost where somebody else owns the work by now.
Guard = Callable[[], None]


def open_voucher(client: IfsClient, journal: Journal) -> Row:
    """A new temporary voucher with the defaults of the service user. Raises TemporaryFailure, Rejected, Misconfigured."""
    body = header_body(journal, client.fields.function_group, client.fields.opened_from)
    header = client.insert(VOUCHER, client.names.body(VOUCHER, body), "a temporary voucher")
    if not header.get("Objkey"):
        raise TemporaryFailure("IFS opened a temporary voucher without its key. We try again by itself.")
    return header


def remove_voucher(client: IfsClient, objkey: str) -> None:
    """Throw a temporary voucher away. Nothing to do where IFS has it no more. Raises TemporaryFailure."""
    try:
        client.act(REMOVE, VOUCHER, objkey, {}, "the removal of a temporary voucher")
    except (Rejected, Misconfigured):
        # It is gone, or this user may not remove it: either way it is never made a voucher, and IFS clears such records.
        return


def create_voucher(
    client: IfsClient, header: Row, changes: Sequence[Row], rows: Sequence[Row], *, guard: Guard, dispatch: Guard
) -> int | None:
    """Change the header, add the rows, create the voucher. Its number, None where the answer does not say it.

    `dispatch` is called immediately before the request that creates and saves that it leaves. Raises OutcomeUnknown
    where nobody knows whether the voucher was created; after any other error it was not.
    """
    enter = _in_changesets if client.fields.uses_batch else _one_by_one
    value = enter(client, header, changes, rows, guard=guard, dispatch=dispatch)
    try:
        return int(value)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _one_by_one(
    client: IfsClient, header: Row, changes: Sequence[Row], rows: Sequence[Row], *, guard: Guard, dispatch: Guard
) -> Any:
    objkey = str(header["Objkey"])
    etag = etag_of(header)
    for change in changes:
        guard()
        body = client.names.body(VOUCHER, change)
        try:
            changed = client.update(VOUCHER, objkey, etag, body, "the header of the voucher")
        except Stale:
            etag = etag_of(client.read_record(VOUCHER, objkey))
            guard()
            changed = client.update(VOUCHER, objkey, etag, body, "the header of the voucher")
        etag = etag_of(changed)
    _validate(client, guard, begins=True)
    for number, row in enumerate(rows, 1):
        guard()
        client.insert(ROW, _row_body(client, objkey, row), f"row {number} of the voucher", _parent_key(objkey))
    _validate(client, guard, begins=False)
    guard()
    dispatch()
    return client.act(CREATE, VOUCHER, objkey, {}, "the voucher", has_effect=True)


def _validate(client: IfsClient, guard: Guard, *, begins: bool) -> None:
    if client.fields.validates_rows:
        guard()
        client.act(VALIDATE, VOUCHER, "", {"Init": begins}, "the validation of rows")


def _in_changesets(
    client: IfsClient, header: Row, changes: Sequence[Row], rows: Sequence[Row], *, guard: Guard, dispatch: Guard
) -> Any:
    """Changes and rows in as few changesets as fit, CreateVoucher in the last."""
    objkey = str(header["Objkey"])
    size = client.fields.changeset_size
    pieces = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    etag, value = etag_of(header), None
    for number, piece in enumerate(pieces, 1):
        is_first, is_last = number == 1, number == len(pieces)
        what = "the voucher" if is_last else "rows of the voucher"
        guard()
        if is_last:
            dispatch()
        try:
            value = _changeset(client, objkey, etag, changes if is_first else (), piece, what, is_last=is_last)
        except Stale:
            # Refused as a whole, so nothing was done, CreateVoucher included.
            etag = etag_of(client.read_record(VOUCHER, objkey))
            guard()
            value = _changeset(client, objkey, etag, changes if is_first else (), piece, what, is_last=is_last)
    return value


def _changeset(
    client: IfsClient,
    objkey: str,
    etag: str,
    changes: Sequence[Row],
    rows: Sequence[Row],
    what: str,
    *,
    is_last: bool,
) -> Any:
    operations = [
        # Only the first change knows the state that it changes.
        Operation(
            "PATCH",
            client.record(VOUCHER, objkey),
            client.names.body(VOUCHER, change),
            {"If-Match": etag if number == 0 else "*"},
        )
        for number, change in enumerate(changes)
    ]
    rows_path = client.path(ROW, _parent_key(objkey))
    posts = [Operation("POST", rows_path, _row_body(client, objkey, row)) for row in rows]
    if client.fields.validates_rows:
        validate = client.action(VALIDATE, VOUCHER, "")
        posts = [Operation("POST", validate, {"Init": True}), *posts, Operation("POST", validate, {"Init": False})]
    operations += posts
    if is_last:
        create = client.action(CREATE, VOUCHER, objkey)
        operations.append(Operation("POST", create, {}, client.action_headers(CREATE)))
    parts = client.changeset(VOUCHER, operations, what, has_effect=is_last)
    return value_of(parts[-1].content) if is_last else None


def _parent_key(objkey: str) -> dict[str, str]:
    return {"Objkey": objkey}


def _row_body(client: IfsClient, objkey: str, row: Row) -> Row:
    return {client.names.field(ROW, PARENT): objkey, **client.names.body(ROW, row)}
