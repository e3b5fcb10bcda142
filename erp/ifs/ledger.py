"""Looking for a voucher of ours: first in the hold table, then in the general ledger as far as it can be seen.

A voucher is in one of the two and moves in one direction, so the hold table is asked first. The ledger can be asked for a
voucher whose number is known; it can be searched by reference only where the customer made something for that. Absence
is proven only by a search of both, or where CreateVoucher never left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from erp.connector import Absent, CannotTell, FindResult, Found
from erp.ifs.client import IfsClient, Query
from erp.ifs.journal import Voucher, VoucherKey, vouchers_of
from erp.ifs.names import HELD_ROW, HELD_VOUCHER, LEDGER_ROW, LEDGER_SOURCE, LEDGER_VOUCHER
from erp.odata import Row, query_string
from mappings.journal import Journal

_SAFE_IN_ARGUMENTS = "'(),=:"

#: Status of a voucher that will never reach the ledger.
CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class Known:
    """What our record says of earlier rounds."""

    is_dispatched: bool
    """CreateVoucher left at least once, and nobody said that it was refused."""
    key: VoucherKey | None = None
    """The voucher that IFS answered with."""
    cancelled: frozenset[VoucherKey] = frozenset()
    """Vouchers of this journal that were cancelled before the present round began."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and the voucher behind it."""

    result: FindResult
    key: VoucherKey | None = None
    cancelled: frozenset[VoucherKey] = frozenset()


def look(client: IfsClient, journal: Journal, known: Known, *, is_read_back: bool = False) -> Look:
    """One round trip where the hold table has nothing and nothing was sent, or for a read-back; else up to four.

    `is_read_back`: the voucher was created a moment ago, so its status is not asked for. Raises what a read raises.
    """
    if not journal.posting_key:
        raise ValueError("a journal without posting key cannot be found again")
    series = client.fields.reference_series
    rows = client.rows(
        Query(
            HELD_ROW,
            where=client.names.equals(
                HELD_ROW, Company=journal.company_code, ReferenceSerie=series, ReferenceNumber=journal.posting_key
            ),
            orderby=",".join(client.names.field(HELD_ROW, name) for name in ("VoucherNo", "RowNo")),
            # One more than there should be, so that the page is not full and nothing more is asked for.
            top=len(journal.lines) + 1,
        )
    )
    held = vouchers_of(rows, series, journal.posting_key)
    is_plain = is_read_back and len(held) == 1
    states = {} if is_plain or not held else _states(client, journal, held)
    cancelled = frozenset(key for key in held if states.get(key, {}).get("VoucherStatus") == CANCELLED)
    alive = [voucher for key, voucher in held.items() if key not in cancelled]
    if alive:
        note = str(states.get(alive[0].key, {}).get("UpdateError") or "")
        return _judged(journal, known, alive, cancelled, note, is_posted=False)
    if client.fields.ledger_source:
        rows = search_ledger(client, journal.company_code, journal.posting_key)
        found = list(vouchers_of(rows, series, journal.posting_key).values())
        if found:
            return _judged(journal, known, found, cancelled, "", is_posted=True)
    if known.key is not None and (voucher := _in_ledger(client, journal, known.key)):
        return _judged(journal, known, [voucher], cancelled, "", is_posted=True)
    was_known = known.key is not None or known.is_dispatched
    if was_known and (known.key in cancelled if known.key else cancelled - known.cancelled):
        return Look(Absent(was_known=True), cancelled=cancelled)
    if client.fields.ledger_source:
        return Look(Absent(was_known=known.key is not None), cancelled=cancelled)
    if was_known:
        return Look(CannotTell(_cannot_tell(journal, known, series), is_not_shown=True), cancelled=cancelled)
    return Look(Absent(), cancelled=cancelled)


def _judged(
    journal: Journal,
    known: Known,
    vouchers: list[Voucher],
    cancelled: frozenset[VoucherKey],
    note: str,
    *,
    is_posted: bool,
) -> Look:
    place = "the general ledger" if is_posted else "the hold table"
    numbers = ", ".join(sorted(voucher.key.document_number for voucher in vouchers))
    if len(vouchers) > 1:
        return Look(
            CannotTell(
                f"IFS has several vouchers with reference {journal.posting_key} in {place}: {numbers}. Look at them in IFS "
                "and cancel the surplus one, or take the reference out of it."
            ),
            cancelled=cancelled,
        )
    (voucher,) = vouchers
    if known.key is not None and voucher.key != known.key:
        return Look(
            CannotTell(
                f"We entered voucher {known.key.document_number} in IFS, and {place} shows voucher {numbers} with the same "
                "reference. It may be a copy. Look at both in IFS, and take the reference out of the one that is not ours."
            ),
            cancelled=cancelled,
        )
    if not voucher.is_ours:
        return Look(
            CannotTell(
                f"Voucher {numbers} in {place} of IFS holds rows without our reference {journal.posting_key}. It may be "
                "somebody else's voucher under the same number. Look at it in IFS."
            ),
            cancelled=cancelled,
        )
    found = Found(
        voucher.key.document_number,
        voucher.fits(journal),
        is_posted,
        voucher.line_count,
        voucher.debit,
        voucher.credit,
        f"The ledger update says: “{note}”" if note else "",
    )
    return Look(found, voucher.key, cancelled)


def _cannot_tell(journal: Journal, known: Known, series: str) -> str:
    place = f"company {journal.company_code} of IFS, reference series {series}, reference number {journal.posting_key}"
    if known.key is not None:
        return (
            f"Voucher {known.key.document_number} is not in the hold table of IFS any more, and its ledger does not show it "
            f"to this connection. It was posted, or somebody removed it. Look in {place}."
        )
    return (
        "The voucher was sent and its answer was lost. It is not in the hold table of IFS; the ledger update may have taken "
        f"it, and the ledger cannot be searched from here. Look in {place}."
    )


def _states(client: IfsClient, journal: Journal, keys: Collection[VoucherKey]) -> dict[VoucherKey, Mapping[str, Any]]:
    """Status and update error of vouchers in the hold table."""
    conditions = [
        client.names.equals(HELD_VOUCHER, AccountingYear=key.year, VoucherType=key.type, VoucherNo=key.number)
        for key in sorted(keys)
    ]
    either = " or ".join(f"({condition})" for condition in conditions)
    where = f"{client.names.equals(HELD_VOUCHER, Company=journal.company_code)} and ({either})"
    return {VoucherKey.of(row): row for row in client.rows(Query(HELD_VOUCHER, where=where))}


def search_ledger(client: IfsClient, company: str, posting_key: str) -> list[Row]:
    """What the customer's own search finds in the ledger under our reference. Raises what a read raises."""
    fields, names = client.fields, client.names
    path, parenthesis, arguments = fields.ledger_source.partition("(")
    if parenthesis:
        values = {"company": company, "series": fields.reference_series, "reference": posting_key}
        for name, value in values.items():
            arguments = arguments.replace(f"{{{name}}}", value.replace("'", "''"))
        path = f"{path}({quote(arguments, safe=_SAFE_IN_ARGUMENTS)}"
    else:
        where = names.equals(
            LEDGER_SOURCE, Company=company, ReferenceSerie=fields.reference_series, ReferenceNumber=posting_key
        )
        path = f"{path}?{query_string({'$filter': where, '$top': str(fields.page_size)})}"
    return client.function_rows(path, LEDGER_SOURCE)


def _in_ledger(client: IfsClient, journal: Journal, key: VoucherKey) -> Voucher | None:
    """A voucher whose number is known, as the ledger shows it to the assistant for copying; None where it does not.

    The temporary record that is made for it has no effect on the books.
    """
    body = {
        "Company": journal.company_code,
        "VoucherNo": key.number,
        "VoucherType": key.type,
        "AccountingYear": key.year,
    }
    try:
        record = client.insert(LEDGER_VOUCHER, client.names.body(LEDGER_VOUCHER, body), "a look into the ledger")
        objkey = record.get("Objkey")
        rows = client.rows(Query(LEDGER_ROW, parent_key={"Objkey": objkey})) if objkey else []
    except (Rejected, Misconfigured):
        # This release has no such view or hides it from this user: then the ledger is as unknown as without it.
        return None
    if not rows:
        return None
    found = vouchers_of(rows, client.fields.reference_series, journal.posting_key)
    if set(found) != {key}:
        raise TemporaryFailure(f"IFS was asked for voucher {key.document_number} and showed another one.")
    return found[key]
