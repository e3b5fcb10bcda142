"""Looking for a journal of ours in M3: in the general ledger by our posting key, and in the interface's batches.

A batch moves in one direction, from GLS840 into the ledger, and while it moves neither may show it. So the ledger's word
counts first; and once UpdBatch has left, or a batch that we had seen whole is gone, absence is never said: somebody may
have updated it a moment ago.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from erp.connector import Absent, CannotTell, FindResult, Found
from erp.infor.m3.client import M3Client
from erp.infor.m3.journal import StagedLine, amount_of, compare, staged_line, sums
from erp.infor.m3.tables import HEADS, INFORMATION, LEDGER, LINES, Columns, Row, Select, select
from mappings.journal import Journal


@dataclass(frozen=True, slots=True)
class Known:
    """What our record says of earlier rounds."""

    is_begun: bool = False
    """We began to stage this batch."""
    is_staged: bool = False
    """M3 took every line of it, or showed it whole."""
    is_left: bool = False
    """Whole and checked, it is all that we do: a person updates it."""
    dispatched_at: datetime | None = None
    """When UpdBatch left, unless M3 said that it did nothing."""
    is_accepted: bool = False
    """M3 took UpdBatch."""
    followed_at: datetime | None = None
    """When it was first found whole although we did not stage it."""
    gone_at: datetime | None = None
    """When the whole batch was first seen to be gone from GLS840 without our doing."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and what is staged."""

    result: FindResult
    staged: tuple[StagedLine, ...] = ()
    has_head: bool = False
    is_gone: bool = False
    """The whole batch is neither in GLS840 nor in the ledger."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How this connection asks: columns of tables, and how amounts are written."""

    columns: Columns
    style: str


def batch_name(journal: Journal) -> str:
    """What a staged batch is called for people, until it has a voucher number."""
    return f"batch {journal.posting_key}"


def look(client: M3Client, ask: Ask, journal: Journal, known: Known, now: datetime | None = None) -> Look:
    """One round trip where the ledger has nothing of the journal, else two. Raises what a read raises."""
    now = now or datetime.now(UTC)
    year = journal.posting_date.year
    found, lines, heads = select(
        client,
        ask.columns,
        [
            # The information is not indexed: year and division bound the search. A fiscal year may differ from the calendar's.
            Select(
                INFORMATION,
                journal.company_code,
                (
                    ("YEA4", ">=", str(year - 1)),
                    ("YEA4", "<=", str(year + 1)),
                    ("GEXN", "=", client.fields.information_number),
                    ("GEXI", "=", journal.posting_key),
                ),
                is_counted=False,
            ),
            *_batch(journal),
        ],
        "the journal",
    )
    staged = _staged(lines, ask)
    if found:
        return Look(_in_ledger(client, ask, journal, known, found, now), staged, bool(heads))
    return _in_batches(client, journal, known, staged, bool(heads), now)


def read_staged(client: M3Client, ask: Ask, journal: Journal) -> tuple[StagedLine, ...]:
    """The lines of the batch as they are now. One round trip."""
    lines, _ = select(client, ask.columns, list(_batch(journal)), "the staged batch")
    return _staged(lines, ask)


def _batch(journal: Journal) -> tuple[Select, Select]:
    by_key = (("KEY1", "=", journal.posting_key),)
    return (
        Select(LINES, journal.company_code, by_key),
        Select(HEADS, journal.company_code, by_key, is_counted=False),
    )


def _staged(rows: Sequence[Row], ask: Ask) -> tuple[StagedLine, ...]:
    return tuple(
        staged_line(row["LINE"], row["CUAM"], row.get("AIT1", ""), row.get("DBCR", ""), ask.style) for row in rows
    )


# In the ledger


def _in_ledger(
    client: M3Client, ask: Ask, journal: Journal, known: Known, found: Sequence[Row], now: datetime
) -> FindResult:
    """Rows of the ledger under our posting key: posted, on the way, or not what was sent."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in found:
        numbers[row["YEA4"], row["JRNO"]].append(int(row["JSNO"]))
    selects = [
        Select(
            LEDGER,
            journal.company_code,
            (
                ("YEA4", "=", year),
                ("JRNO", "=", number),
                ("JSNO", ">=", str(min(places))),
                ("JSNO", "<=", str(max(places))),
            ),
        )
        for (year, number), places in numbers.items()
    ]
    ours = {(row["YEA4"], row["JRNO"], row["JSNO"]) for row in found}
    # A journal of M3 may hold vouchers of others beside ours.
    rows = [
        row
        for answer in select(client, ask.columns, selects, "the voucher")
        for row in answer
        if (row["YEA4"], row["JRNO"], row["JSNO"]) in ours
    ]
    debit, credit = sums([amount_of(row["CUAM"]) for row in rows])
    vouchers = ", ".join(sorted({_voucher(row) for row in rows if row["VONO"].strip("0")}))
    if vouchers and (len(rows), debit, credit) == (len(journal.lines), journal.debit, journal.credit):
        return Found(vouchers, True, True, len(rows), debit, credit)
    name = f"{batch_name(journal)}{f' as {vouchers}' if vouchers else ''}"
    found_words = f"{len(rows)} lines, debit {debit:,.2f}, credit {credit:,.2f}"
    ours_words = f"{len(journal.lines)} lines and {journal.debit:,.2f}"
    # Part of a voucher hardly balances; what does, and is not ours, was changed by somebody.
    is_final = bool(vouchers) and debit == credit
    why = "Somebody changed it." if is_final else "M3 is still posting it, or somebody changed it."
    return CannotTell(
        f"The ledger of M3 shows {name} with {found_words}; ours has {ours_words}. {why} Look for GL information "
        f"{journal.posting_key} in GLS200.",
        needs_person=is_final or _is_overdue(client, known, now),
    )


def _voucher(row: Row) -> str:
    series = row.get("VSER", "")
    return f"{f'{series} ' if series else ''}{row['VONO']} ({row['YEA4']})"


# In GLS840


def _in_batches(
    client: M3Client, journal: Journal, known: Known, staged: tuple[StagedLine, ...], has_head: bool, now: datetime
) -> Look:
    """The ledger shows nothing: what the batch says, together with what we know of earlier rounds."""
    key, place = journal.posting_key, f"batch {journal.posting_key} of division {journal.company_code}"
    debit, credit = sums([line.amount for line in staged])
    is_whole = has_head and compare(journal, staged).is_complete

    def said(result: FindResult, *, is_gone: bool = False) -> Look:
        return Look(result, staged, has_head, is_gone)

    def held(*, is_complete: bool) -> Look:
        return said(Found(batch_name(journal), is_complete, False, len(staged), debit, credit))

    if known.is_accepted:
        if _is_overdue(client, known, now):
            return said(
                CannotTell(
                    f"M3 took {place} {client.fields.posting_hours} hours ago, and its ledger does not show it. Look for it in "
                    "GLS840 and among the erroneous transactions of FCR040; nothing was sent again.",
                    needs_person=True,
                    is_not_shown=True,
                )
            )
        # What was read back before it was handed over; it may have left GLS840 by now.
        return said(Found(batch_name(journal), True, False, len(journal.lines), journal.debit, journal.credit))
    if known.dispatched_at is not None:
        where = (
            "It still lies in GLS840: if it was not updated, update it there with option 9."
            if staged
            else "It is not in GLS840 any more, so M3 probably took it, or somebody deleted it."
        )
        return said(
            CannotTell(
                f"{_begun(place)} was handed to the ledger of M3, and the answer was lost. {where} The ledger does not show GL "
                f"information {key}. Ask again once you know; nothing is sent again by itself.",
                is_not_shown=True,
            )
        )
    hours = timedelta(hours=client.fields.posting_hours)
    if is_whole and not known.is_begun:
        # Our record of it was lost, or another installation has it: it is followed, and never handed over a second time.
        if client.fields.updates and known.followed_at is not None and now - known.followed_at > hours:
            return said(
                CannotTell(
                    f"{_begun(place)} lies in GLS840, staged by another installation or before our record of it was lost, and the "
                    f"ledger of M3 does not show GL information {key}. If it was not updated, update it there with option 9.",
                    needs_person=True,
                )
            )
        return held(is_complete=True)
    if known.is_begun and (staged or has_head):
        # Whole, but not checked or handed over yet, is not all that we have to do.
        return held(is_complete=is_whole and known.is_left)
    if staged or has_head:
        return said(
            CannotTell(
                f"GLS840 holds a part of {place}, which this installation did not stage. Look whether another one is at work; if "
                "not, delete the batch in GLS840.",
                needs_person=known.is_left,
            )
        )
    if not known.is_staged:
        return said(Absent())
    is_gone_for_good = known.gone_at is not None and now - known.gone_at > hours
    if is_gone_for_good and known.is_begun and known.is_left:
        # Had somebody updated it, the ledger would show it by now; and nothing reaches the ledger without a person's hand.
        return said(Absent(was_known=True), is_gone=True)
    return said(
        CannotTell(
            f"{_begun(place)} is not in GLS840 any more, and the ledger of M3 does not show GL information {key}. Somebody updated "
            "or deleted it there. Look among the erroneous transactions of FCR040; nothing was sent again.",
            needs_person=is_gone_for_good,
            is_not_shown=True,
        ),
        is_gone=True,
    )


def _begun(words: str) -> str:
    """The beginning of a sentence; keys keep their letters."""
    return words[:1].upper() + words[1:]


def _is_overdue(client: M3Client, known: Known, now: datetime) -> bool:
    hours = timedelta(hours=client.fields.posting_hours)
    return known.dispatched_at is not None and now - known.dispatched_at > hours
