"""The HTTP part of the M3 connector: transactions of one program in one request, each answered for itself.

Everything goes through the bulk call of m3api-rest v2, a read too: one way to ask, one form of answer. An answer is taken
apart here and not judged: positions and names of results must be those that were sent, and what M3 did not process or did
not answer is told apart from what it refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, RecordedSession, TemporaryFailure
from erp.infor.ion import IonClient
from erp.infor.m3.fields import Fields
from erp.infor.m3.refusals import MiError, Next, next_of, quoted, read_error, words_of, write_error

EXECUTE = "M3/m3api-rest/v2/execute"

#: Lists were seen to be cut at 100 records without maxrecs and at 1,000 with it: a shorter one is whole.
SHORTEST_CUT = 100

#: A record of M3: all values are texts.
Record = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction as it is sent."""

    transaction: str
    record: Record = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What M3 said to one transaction. Records beside an error are never used: a list may break off in the middle."""

    transaction: str
    records: tuple[Record, ...] = ()
    error: MiError | None = None
    is_processed: bool = True


class RefusedWhole(TemporaryFailure):
    """Several reads were answered with one error at the top."""


class M3Client:
    """One M3, for one piece of work. Not shared between threads."""

    def __init__(
        self, session: RecordedSession, credentials: Mapping[str, str], fields: Fields, connection_id: int
    ) -> None:
        self._ion = IonClient(session, credentials, connection_id)
        self.fields = fields

    @property
    def tenant(self) -> str:
        return self._ion.tenant

    def sign_in(self) -> None:
        """Get a new token, whatever is known. Raises Misconfigured, TemporaryFailure."""
        self._ion.sign_in()

    # ---------------------------------------------------------------------------------------------------- reading

    def read(
        self, program: str, calls: Sequence[Call], what: str, *, division: str | None = None, is_counted: bool = False
    ) -> list[list[Record]]:
        """Records of each transaction, an empty list where M3 says that there is none. Raises what `read_error` knows.

        `division`: the context; None = that of the service user, empty = the blank division. `is_counted`: the caller knows
        how many there are, so that all are asked for at once.
        """
        found = []
        for result in self.ask(program, calls, what, division=division, is_counted=is_counted):
            if isinstance(result, ExchangeError):
                raise result
            found.append(result)
        return found

    def ask(
        self, program: str, calls: Sequence[Call], what: str, *, division: str | None = None, is_counted: bool = False
    ) -> list[list[Record] | ExchangeError]:
        """The same, each answering for itself. Raises where the answer as a whole cannot be used."""
        found: list[list[Record] | ExchangeError] = []
        size = self.fields.bulk_size
        for start in range(0, len(calls), size):
            piece = calls[start : start + size]
            try:
                results = self._answers(program, piece, what, division, is_counted=is_counted)
            except RefusedWhole:
                # One of them stands for all at the top of the answer; alone, each is answered for itself.
                results = [
                    result
                    for call in piece
                    for result in self._answers(program, [call], what, division, is_counted=is_counted)
                ]
            found += [_records_or_error(result, what) for result in results]
        return found

    def _answers(
        self, program: str, calls: Sequence[Call], what: str, division: str | None, *, is_counted: bool
    ) -> list[Result]:
        """One for each read. Where M3 stops at one that it refuses, those behind it are asked for again."""
        found: list[Result] = []
        while len(found) < len(calls):
            rest = calls[len(found) :]
            results = self._execute(program, rest, what, division, has_effect=False, is_counted=is_counted)
            done = list(takewhile(lambda result: result.is_processed, results))
            if not done:
                return found + results
            found += done
        return found

    def lists(
        self, program: str, calls: Sequence[Call], key: str, what: str, *, division: str | None = None
    ) -> list[list[Record]]:
        """Lists that are whole: what M3 may have cut is asked for again from its last key on, until nothing new comes.

        `key`: the input field that a list can begin at, under the same name in its records.
        """
        found = self.read(program, calls, what, division=division)
        open_ends = [place for place, records in enumerate(found) if len(records) >= SHORTEST_CUT]
        while open_ends:
            # From the last but one: an answer that holds both proves that the list begins at a key.
            further = [
                Call(calls[place].transaction, {**calls[place].record, key: found[place][-2].get(key, "")})
                for place in open_ends
            ]
            pages = self.read(program, further, what, division=division)
            still_open = []
            for place, page in zip(open_ends, pages, strict=True):
                last = found[place][-1].get(key)
                if all(record.get(key) != last for record in page):
                    self._check_whole(len(found[place]), what)
                    continue
                known = {record.get(key) for record in found[place]}
                new = [record for record in page if record.get(key) not in known]
                found[place] += new
                if new:
                    still_open.append(place)
            open_ends = still_open
        return found

    def _check_whole(self, count: int, what: str) -> None:
        """A list that cannot be read on is whole, unless it has as many records as M3 is known to cut at."""
        if count % SHORTEST_CUT == 0 or count >= self.fields.page_size:
            raise Misconfigured(
                f"M3 shows {count} records of {what}, perhaps not all, and cannot be asked for the rest. Enter a higher number "
                "under “Records per list” of the connection."
            )

    # ---------------------------------------------------------------------------------------------------- writing

    def write(self, program: str, calls: Sequence[Call], what: str, *, division: str) -> list[Result]:
        """Results at the places of their transactions. Raises OutcomeUnknown where one is missing or in a wrong place."""
        return self._execute(program, calls, what, division, has_effect=True)

    # ---------------------------------------------------------------------------------------------------- sending

    def _execute(
        self,
        program: str,
        calls: Sequence[Call],
        what: str,
        division: str | None,
        *,
        has_effect: bool,
        is_counted: bool = False,
    ) -> list[Result]:
        most = 0 if is_counted else self.fields.page_size
        body: dict[str, Any] = {"program": program, "cono": int(self.fields.company)}
        if division is not None:
            body["divi"] = division
        # 0 = all, as the vendor says; a site that cuts all the same is found out by the count.
        body |= {"excludeEmptyValues": True, "rightTrim": True, "maxReturnedRecords": most}
        # Last, because the server reads the body as it comes.
        body["transactions"] = [{"transaction": call.transaction, "record": dict(call.record)} for call in calls]
        # Some sites heed only what the query says.
        params = {"maxrecs": str(most), "dateformat": "YMD8"}
        answer = self._ion.send(EXECUTE, body, has_effect=has_effect, what=f"{what} in M3", params=params)
        return _results(answer.document, calls, what, has_effect=has_effect)


def _records_or_error(result: Result, what: str) -> list[Record] | ExchangeError:
    if result.error is not None:
        is_empty = next_of(result.error) is Next.ABSENT and not result.records
        return [] if is_empty else read_error(result.error, what)
    if not result.is_processed:
        return TemporaryFailure(f"M3 left {what} out. We try again by itself.")
    return list(result.records)


def _results(document: Any, calls: Sequence[Call], what: str, *, has_effect: bool) -> list[Result]:
    """The results of an answer, one per transaction. Raises where they cannot be matched with what was sent."""

    def unclear(words: str) -> ExchangeError:
        if has_effect:
            return OutcomeUnknown(f"M3 {words} {what}. Whether it was done is not known.")
        return TemporaryFailure(f"M3 {words} {what}. We try again by itself.")

    if not isinstance(document, dict):
        raise unclear("gave no clear answer to")
    rows = document.get("results")
    rows = rows if isinstance(rows, list) else []
    whole = _whole_error(document)
    if not rows:
        if whole is None:
            raise unclear("gave an empty answer to")
        if len(calls) == 1:
            return [Result(calls[0].transaction, error=whole)]
        if not has_effect:
            raise RefusedWhole(f"M3 refused {what}: {quoted(whole)}.")
        if next_of(whole) in {Next.DUPLICATE, Next.UNCLEAR}:
            raise unclear(f"answered {quoted(whole)} as a whole to")
        raise write_error(whole, what)
    if len(rows) > len(calls):
        raise unclear("answered more than was sent to")
    found = []
    for call, row in zip(calls, rows, strict=False):
        if not isinstance(row, dict) or row.get("transaction") != call.transaction:
            raise unclear("mixed up its answers to")
        found.append(_result(row))
    missing = len(calls) - len(rows)
    if missing:
        if not (is_true(document.get("wasTerminated")) and _count(document) == missing):
            raise unclear("left a part without an answer of")
        found += [Result(call.transaction, is_processed=False) for call in calls[len(rows) :]]
    return found


def _result(row: Mapping[str, Any]) -> Result:
    records = row.get("records")
    records = records if isinstance(records, list) else []
    error = None
    if row.get("errorCode") or row.get("errorType") or row.get("errorMessage"):
        error = _error(row)
    return Result(
        str(row["transaction"]),
        tuple({str(name): str(value).strip() for name, value in record.items()} for record in records),
        error,
        is_processed=not is_true(row.get("notProcessed")),
    )


def _whole_error(document: Mapping[str, Any]) -> MiError | None:
    """The error at the top of an answer: of a single transaction, or why a bulk was terminated."""
    if document.get("errorCode") or document.get("errorType") or document.get("errorMessage"):
        return _error(document)
    if document.get("terminationErrorType") or document.get("terminationReason"):
        words = words_of(str(document.get("terminationReason") or ""), "", "")
        return MiError("", words, type=str(document.get("terminationErrorType") or ""))
    return None


def _error(row: Mapping[str, Any]) -> MiError:
    code, name = str(row.get("errorCode") or "").strip(), str(row.get("errorField") or "").strip()
    words = words_of(str(row.get("errorMessage") or ""), code, name)
    return MiError(code, words, name, str(row.get("errorType") or "").strip())


def is_true(value: object) -> bool:
    """A boolean that may come as a text: `"false"` was seen."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _count(document: Mapping[str, Any]) -> int:
    """How many transactions M3 says that it did not process; -1 where it does not say."""
    try:
        return int(document.get("nrOfNotProcessedTransactions", -1))
    except (TypeError, ValueError):
        return -1
