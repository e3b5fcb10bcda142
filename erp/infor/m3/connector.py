"""Brings a journal into Infor M3 as a batch of the general ledger interface, and finds it again.

A batch is staged line by line, read back, and handed to the ledger by UpdBatch, which answers with no number and must never
be repeated on a guess. So what happened is saved before each step: that staging begins, that the batch was seen whole, that
UpdBatch leaves, that M3 took it. Our posting key is the batch's key, so that a line sent twice is the same line, and stands
as GL information on every line, by which the ledger is searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.connector import (
    Absent,
    Access,
    CannotTell,
    CheckResult,
    Connector,
    FindResult,
    Found,
    JournalReceipt,
    Progress,
    Reference,
)
from erp.infor.m3.check import check
from erp.infor.m3.client import Call, M3Client, Result
from erp.infor.m3.fields import CREDENTIAL_FIELDS, fields_of
from erp.infor.m3.journal import (
    CHECK,
    PROGRAM,
    UPDATE,
    StagedLine,
    batch_call,
    compare,
    head_call,
    line_calls,
    style_of,
    sums,
)
from erp.infor.m3.ledger import Ask, Known, Look, batch_name, look, read_staged
from erp.infor.m3.reference import dimensions_of, read_reference, uses_codes
from erp.infor.m3.refusals import MiError, Next, next_of, quoted, write_error
from erp.infor.m3.tables import read_columns
from mappings.journal import Journal
from tenants.credentials import CredentialField

#: Names under which the progress of a posting is kept.
BEGUN = "begun"
"""Saved before the first line is staged."""
STAGED = "staged"
"""M3 took every line, or showed the batch whole."""
LEFT = "left"
"""It was left to a person, who updates it in GLS840."""
DISPATCHED = "dispatched"
"""When UpdBatch left (ISO, UTC); emptied only where M3 said that nothing was done."""
ACCEPTED = "accepted"
"""M3 took UpdBatch."""
FOLLOWED = "followed"
"""When the batch was first found whole and waiting (ISO, UTC)."""
GONE = "gone"
"""When the batch was first seen to be gone from GLS840 (ISO, UTC)."""
NUMBER = "number"
"""What people call it: the batch, then the voucher."""

#: How many refused lines a sentence names.
LINES_SHOWN = 5


class M3Connector(Connector):
    system: ClassVar[str] = "infor_m3"
    label: ClassVar[str] = "Infor M3"
    #: The gateway gives up after 60 s, M3 does not; its jobs write the ledger some minutes later.
    settling_seconds: ClassVar[int] = 900
    can_undo: ClassVar[bool] = False
    posts_by_itself: ClassVar[bool] = True
    effect_sentence: ClassVar[str] = (
        "This stages one batch in GLS840 of Infor M3 and, unless the connection leaves that to a person, hands it to the general "
        "ledger, where a job of M3 posts it as one voucher."
    )
    to_ask: ClassVar[tuple[str, ...]] = (
        "The credentials file (.ionapi) of an authorized app of type Backend Service, downloaded with Create Service Account "
        "ticked.",
        "An M3 user for that service account that may work in the company and its divisions.",
        "An interface template in GLS850 of usage type 2, with a record identity for journal lines.",
        "CRS750: Check transaction file 1 or 2 in every division that is posted to.",
    )
    limits: ClassVar[tuple[str, ...]] = (
        "M3 does not answer with a voucher number: the ledger is searched by our posting key until it shows the journal, usually "
        "after a few minutes.",
        "A batch that was handed to the ledger can only be reversed; a staged one can be deleted by a person in GLS840, not from "
        "here.",
        "If the answer to that last step is lost and the ledger does not show the journal, a person has to look in GLS840.",
        "Days that GLS990 has closed cannot be read from outside: enter them for the connection, or M3 refuses the journal.",
        "Journals are written in the currency of the division; VAT codes, quantities and ranges of allowed values (ACR) are left "
        "to M3.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = CREDENTIAL_FIELDS

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._fields = fields_of(access.credentials)
        self._client = M3Client(access.session, access.credentials, self._fields, access.connection_id)
        # What find_journal has just seen, so that post_journal need not look again. Used once.
        self._seen: dict[str, Look] = {}

    # ---------------------------------------------------------------------------------------------------- set-up

    def check(self) -> list[CheckResult]:
        return check(self._client, self.access.company_code)

    def read_reference(self) -> Reference:
        return read_reference(self._client, self.access.company_code)

    def _facts(self) -> Mapping[str, Any]:
        return self.access.reference.facts if self.access.reference else {}

    def _ask(self, company_code: str) -> Ask:
        """From the reference data at hand, else read."""
        columns = self._facts().get("columns") or read_columns(self._client)
        known: bool | None = self._facts().get("debit_credit_codes", {}).get(company_code)
        codes = known if known is not None else uses_codes(self._client, company_code)
        return Ask(columns, style_of(self._fields, codes))

    def _dimensions(self) -> Mapping[str, str]:
        found: Mapping[str, str] | None = self._facts().get("dimensions")
        return found if found is not None else dimensions_of(self._client)

    # ---------------------------------------------------------------------------------------------------- finding

    def find_journal(self, journal: Journal, progress: Progress) -> FindResult:
        """One round trip where the ledger shows nothing of the journal, else two."""
        seen = look(self._client, self._ask(journal.company_code), journal, _known(progress))
        self._seen = {journal.posting_key: seen}
        match seen.result:
            case Found(is_complete=True, is_posted=False) if not progress.get(ACCEPTED):
                since = progress.get(FOLLOWED) or _now()
                _save(progress, **{STAGED: True, LEFT: True, GONE: "", FOLLOWED: since})
            case Found(is_posted=True) as found:
                _save(progress, **{NUMBER: found.document_number})
            case CannotTell() if seen.is_gone and not progress.get(GONE):
                progress.save(**{GONE: _now()})
        return seen.result

    # ---------------------------------------------------------------------------------------------------- entering

    def post_journal(self, journal: Journal, progress: Progress) -> JournalReceipt:
        """Stage what is missing of the batch, read it back, have it checked and hand it over, as the connection says.

        A journal of n lines costs (n + 1) / bulk size requests, and 1 each to read back, check and hand over, besides what
        find_journal cost; the journal is looked for here if this connector has not just done so. After an error other
        than OutcomeUnknown the ledger holds nothing of it; what is staged stays and is completed the next time.
        """
        ask = self._ask(journal.company_code)
        seen = self._seen.pop(journal.posting_key, None) or look(self._client, ask, journal, _known(progress))
        match seen.result:
            case CannotTell(sentence):
                raise OutcomeUnknown(sentence)
            case Found(is_complete=True) as found:
                return _receipt(found)
            case Found() | Absent():
                pass
        staged = self._stage(journal, progress, ask, seen)
        if self._fields.checks_batch:
            self._check_batch(journal, progress)
        if self._fields.updates:
            self._update(journal, progress)
        else:
            progress.save(**{LEFT: True, NUMBER: batch_name(journal)})
        debit, credit = sums([line.amount for line in staged])
        return JournalReceipt(batch_name(journal), False, len(staged), debit, credit)

    def _stage(self, journal: Journal, progress: Progress, ask: Ask, seen: Look) -> tuple[StagedLine, ...]:
        """The whole batch, as M3 shows it. Raises Rejected for lines that are not ours, OutcomeUnknown."""
        currency = str(self._facts().get("currencies", {}).get(journal.company_code) or journal.currency)
        if currency != journal.currency:
            raise Misconfigured(
                f"Division {journal.company_code} keeps its books in {currency}, and the journal is in {journal.currency}. Send "
                f"its lines to a division that keeps books in {journal.currency}.",
                "mapping",
            )
        lines = line_calls(journal, self._fields, self._dimensions(), ask.style)
        comparison = compare(journal, seen.staged)
        if comparison.wrong:
            raise Rejected(
                f"Batch {journal.posting_key} in GLS840 of M3 holds lines that are not those of the journal "
                f"({_numbers(comparison.wrong)}). Delete the batch in GLS840, then try again; it was not updated."
            )
        calls = [lines[number] for number in comparison.missing]
        if not seen.has_head:
            calls.insert(0, head_call(journal, self._fields))
        if not calls:
            progress.save(**{STAGED: True})
            return seen.staged
        if not progress.get(BEGUN):
            progress.save(**{BEGUN: True})
        size = self._fields.bulk_size
        for start in range(0, len(calls), size):
            progress.guard()
            piece = calls[start : start + size]
            _check_staging(
                piece, self._client.write(PROGRAM, piece, "lines of the batch", division=journal.company_code), journal
            )
        # From here on a person could update it in GLS840, so that it may be gone and yet not absent.
        progress.save(**{STAGED: True, NUMBER: batch_name(journal)})
        staged = read_staged(self._client, ask, journal)
        found = compare(journal, staged)
        if not found.is_complete:
            raise OutcomeUnknown(
                f"M3 took all lines of batch {journal.posting_key}, and shows {len(staged)} of {len(journal.lines)}. It was not "
                "updated."
            )
        return staged

    def _check_batch(self, journal: Journal, progress: Progress) -> None:
        """CtrlBatch, alone in its request: in one bulk with UpdBatch it might not stop that."""
        progress.guard()
        self._one(CHECK, journal, "the check of the batch", has_ledger_effect=False)

    def _update(self, journal: Journal, progress: Progress) -> None:
        """UpdBatch, once. Where M3 says that it did nothing, it counts as not sent."""
        progress.guard()
        progress.save(**{DISPATCHED: _now()})
        try:
            self._one(UPDATE, journal, "the update of the batch", has_ledger_effect=True)
        except (Rejected, Misconfigured, TemporaryFailure):
            progress.guard()
            progress.save(**{DISPATCHED: ""})
            raise
        progress.save(**{ACCEPTED: True})

    def _one(self, transaction: str, journal: Journal, what: str, *, has_ledger_effect: bool) -> None:
        call = batch_call(transaction, journal, self._fields)
        (result,) = self._client.write(PROGRAM, [call], what, division=journal.company_code)
        if result.error is not None:
            raise write_error(result.error, what, has_ledger_effect=has_ledger_effect)
        if not result.is_processed:
            raise TemporaryFailure(f"M3 did not process {what}. Nothing was done; we try again by itself.")


def _check_staging(calls: Sequence[Call], results: Sequence[Result], journal: Journal) -> None:
    """Every line was taken, now or before. Raises one error for all refused ones: the first that a person can repair."""
    refused: list[tuple[Call, MiError]] = []
    is_whole = True
    for call, result in zip(calls, results, strict=True):
        if result.error is None:
            is_whole = is_whole and result.is_processed
        elif next_of(result.error) is not Next.DUPLICATE:
            # A line that is there already is proven by the read-back.
            refused.append((call, result.error))
    if not refused:
        if not is_whole:
            raise TemporaryFailure(f"M3 took a part of batch {journal.posting_key} only. We go on by itself.")
        return
    errors = [write_error(error, _line_words(call, journal)) for call, error in refused]
    order = (Misconfigured, Rejected, TemporaryFailure, OutcomeUnknown)
    errors.sort(key=lambda error: next(place for place, kind in enumerate(order) if isinstance(error, kind)))
    first = errors[0]
    others = [f"{_line_words(call, journal)}: {quoted(error)}" for call, error in refused[:LINES_SHOWN]]
    if len(refused) > 1:
        more = f" and {len(refused) - LINES_SHOWN} more" if len(refused) > LINES_SHOWN else ""
        first.sentence = f"{first.sentence} In all, M3 refused {len(refused)}: {'; '.join(others)}{more}."
    first.sentence += f" Batch {journal.posting_key} stays in GLS840 and was not updated."
    raise first


def _line_words(call: Call, journal: Journal) -> str:
    number = call.record.get("LINE")
    if number is None:
        return f"the head of batch {journal.posting_key}"
    return f"line {number} on account {call.record['AIT1']}"


def _known(progress: Progress) -> Known:
    return Known(
        is_begun=bool(progress.get(BEGUN)),
        is_staged=bool(progress.get(STAGED)),
        is_left=bool(progress.get(LEFT)),
        dispatched_at=_moment(progress.get(DISPATCHED)),
        is_accepted=bool(progress.get(ACCEPTED)),
        followed_at=_moment(progress.get(FOLLOWED)),
        gone_at=_moment(progress.get(GONE)),
    )


def _save(progress: Progress, **values: Any) -> None:
    """Only where something is new: a look is repeated often."""
    if any(progress.get(name) != value for name, value in values.items()):
        progress.save(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:LINES_SHOWN])
    return f"lines {shown}{' and more' if len(numbers) > LINES_SHOWN else ''}"


def _receipt(found: Found) -> JournalReceipt:
    return JournalReceipt(found.document_number, found.is_posted, found.line_count, found.debit, found.credit)
