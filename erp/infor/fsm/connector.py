"""Brings a journal into Infor FSM through its transaction interface, and finds it again.

Staging rows has no effect on the books, so rows that were staged in part or twice are taken out and staged again. What has
an effect is the run that interfaces them: it is submitted once, after it was saved that it leaves. From then on FSM is
only asked: by the result of the run, the status of the rows, and the lines of its ledger.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
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
from erp.infor.fsm.answers import Row
from erp.infor.fsm.check import check
from erp.infor.fsm.client import FsmClient
from erp.infor.fsm.fields import CREDENTIAL_FIELDS, fields_of
from erp.infor.fsm.journal import SEQUENCE, Totals, is_staged_exactly, is_staged_once, row_bodies, totals_of
from erp.infor.fsm.ledger import Known, Look, RunResult, Stage, judged, look, run_results, staged_rows
from erp.infor.fsm.reference import read_reference, set_up_of
from erp.infor.fsm.refusals import LineError, lines_refused
from mappings.journal import Journal
from tenants.credentials import CredentialField

#: Names under which the progress of a posting is kept.
STAGING = "staging"
"""Rows left to be staged, and no complete answer came yet: what is there has to be counted."""
VALIDATED = "validated"
"""An edit-only run left; the results behind `results_before` are its own."""
SUBMITTED = "submitted"
"""The run that interfaces left; false again only where FSM said that it took nothing."""
RESULTS_BEFORE = "results_before"

#: Pauses between two questions for a result; results were seen within a second of the submit.
POLL_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0)
#: How often staging is asked whether a removal is done.
REMOVAL_LOOKS = 4


class FsmConnector(Connector):
    system: ClassVar[str] = "infor_fsm"
    label: ClassVar[str] = "Infor FSM"
    #: A run may wait behind others in FSM, and the gateway gives up long before FSM does.
    settling_seconds: ClassVar[int] = 900
    can_undo: ClassVar[bool] = True
    posts_by_itself: ClassVar[bool] = False
    effect_sentence: ClassVar[str] = (
        "This interfaces one run group in Infor FSM, which makes a journal of it. Finance, or a scheduled process in FSM, "
        "releases and posts it."
    )
    to_ask: ClassVar[tuple[str, ...]] = (
        "The credentials file (.ionapi) of an authorized app of type Backend Service, downloaded with Create Service Account "
        "ticked.",
        "An actor of FSM for that service account, with access to the accounting entities and to the transaction interface.",
        "The key of the finance enterprise group.",
        "Who releases and posts the journals that come from the transaction interface: a person or a scheduled process.",
    )
    limits: ClassVar[tuple[str, ...]] = (
        "Infor FSM is not asked to post from here: the journal waits there until it is released and posted. This console then "
        "shows it as posted.",
        "A run group that is interfaced cannot be taken back from here; its journal can only be reversed.",
        "If the answer to a run is lost and FSM shows no result of it, a person has to look.",
        "Journals are written in the currency of the accounting entity. Projects, units and taxes are not written.",
        "FSM takes journals that do not balance; they are refused here.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = CREDENTIAL_FIELDS

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._fields = fields_of(access.credentials)
        self._client = FsmClient(access.session, access.credentials, self._fields, access.connection_id)
        # What find_journal has just seen, so that post_journal need not look again. Used once.
        self._seen: dict[str, Look] = {}

    # ---------------------------------------------------------------------------------------------------- set-up

    @classmethod
    def begun_anew(cls, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Rows that wait in FSM may still be there with the result of our own edit-only run; the run that interfaces is what
        did not happen.
        """
        return {name: progress[name] for name in (STAGING, VALIDATED, RESULTS_BEFORE) if name in progress}

    def check(self) -> list[CheckResult]:
        return check(self._client, self.access.company_code)

    def read_reference(self) -> Reference:
        return read_reference(self._client, self.access.company_code)

    def _facts(self) -> dict[str, Any]:
        """Fields of dimensions and the core ledger: from the reference data at hand, else read."""
        known = dict(self.access.reference.facts) if self.access.reference else {}
        return known if "dimension_fields" in known else set_up_of(self._client).facts()

    # ---------------------------------------------------------------------------------------------------- finding

    def find_journal(self, journal: Journal, progress: Progress) -> FindResult:
        """Three round trips: staged rows, results of runs, lines of the ledger."""
        seen = self._look(journal, progress)
        self._seen = {journal.posting_key: seen}
        return seen.result

    def _look(self, journal: Journal, progress: Progress) -> Look:
        return look(self._client, journal, _known(progress), str(self._facts().get("core_ledger", "")))

    # ---------------------------------------------------------------------------------------------------- entering

    def post_journal(self, journal: Journal, progress: Progress) -> JournalReceipt:
        """Stage the rows, interface them, read the result and the rows back.

        Costs n / “Rows per request” + 2 requests, 1 more where it is validated first, and the questions for results, besides
        the 3 of find_journal; the journal is looked for here if this connector has not just done so.
        """
        facts = self._facts()
        bodies = row_bodies(journal, facts["dimension_fields"], self._fields)
        currency = facts.get("currencies", {}).get(journal.company_code, "")
        if currency and currency != journal.currency:
            raise Misconfigured(
                f"Accounting entity {journal.company_code} keeps its books in {currency}, and the journal is in {journal.currency}. "
                f"Send its lines to an entity that keeps books in {journal.currency}.",
                "mapping",
            )
        seen = self._seen.pop(journal.posting_key, None) or self._look(journal, progress)
        match seen.result:
            case CannotTell(sentence):
                raise OutcomeUnknown(sentence)
            case Absent(was_known=True):
                raise OutcomeUnknown(
                    f"Run group {journal.posting_key} was submitted in FSM and is no longer there. Somebody removed it; it is not "
                    "entered again by itself."
                )
            case Found(is_complete=True) as found:
                return _receipt(found)
            case Found() as found if seen.stage is not Stage.STAGED:
                raise OutcomeUnknown(
                    f"Run group {found.document_number} is in FSM with {found.line_count} lines, debits {found.debit:,.2f}, credits "
                    f"{found.credit:,.2f}, which is not what was to be entered. Nothing more was sent."
                )
            case _:
                pass
        last = seen.last_result
        # What an earlier run took nothing of starts anew.
        progress.save(**{SUBMITTED: False, RESULTS_BEFORE: last, VALIDATED: False})
        staged = self._stage(journal, bodies, seen.rows, progress)
        if self._fields.validates_first:
            last = self._validate(journal, last, progress)
        result = self._interface(journal, last, progress)
        return self._read_back(journal, staged, result, progress)

    def _stage(self, journal: Journal, bodies: Sequence[Row], rows: Sequence[Row], progress: Progress) -> Totals:
        """Exactly the rows of the journal in the staging, each once; their totals as FSM shows them."""
        if rows:
            if is_staged_exactly(bodies, rows):
                return totals_of(rows)
            self._remove(journal, progress)
        was_left_open = bool(progress.get(STAGING))
        progress.save(**{STAGING: True})
        words = f"the rows of run group {journal.posting_key}"
        created: list[Row] = []
        refusals: list[tuple[str, str]] = []
        for start in range(0, len(bodies), self._fields.batch_rows):
            progress.guard()
            answer = self._client.stage(bodies[start : start + self._fields.batch_rows], words)
            created += answer.created
            refusals += answer.refused
        if was_left_open or refusals:
            # An earlier request may have arrived late: then rows are there twice, or were refused for being there.
            rows = staged_rows(self._client, journal.posting_key)
            if is_staged_once(bodies, rows):
                created, refusals = list(rows), []
            elif not refusals:
                self._remove(journal, progress)
                raise OutcomeUnknown(
                    f"FSM holds {len(rows)} rows of run group {journal.posting_key}; they are staged again."
                )
        if refusals:
            raise self._refused(_rows_refused(bodies, refusals), journal, progress)
        totals = totals_of(created)
        if not totals.fits(journal):
            raise OutcomeUnknown(
                f"FSM staged {totals.line_count} rows of run group {journal.posting_key}, and they are not what was sent."
            )
        progress.save(**{STAGING: False})
        return totals

    def _validate(self, journal: Journal, last: int, progress: Progress) -> int:
        """An edit-only run. Returns the number of its result, so that it is not taken for that of the run to come."""
        progress.guard()
        progress.save(**{VALIDATED: True, RESULTS_BEFORE: last})
        self._submit(journal, edit_only=True)
        result = self._result(journal, last)
        if result is None:
            raise Misconfigured(
                f"FSM shows no result of the validation of run group {journal.posting_key}, and nothing was interfaced. If it never "
                "does, set “Validate before interfacing” of the connection to no."
            )
        self._judge(journal, result, progress)
        return result.number

    def _interface(self, journal: Journal, last: int, progress: Progress) -> RunResult:
        """The run with an effect, submitted once."""
        progress.guard()
        progress.save(**{SUBMITTED: True, RESULTS_BEFORE: last, VALIDATED: False})
        try:
            self._submit(journal, edit_only=False)
        except OutcomeUnknown:
            raise
        except ExchangeError:
            # It did not get to FSM, or FSM refused to begin: no run.
            progress.guard()
            progress.save(**{SUBMITTED: False})
            raise
        try:
            result = self._result(journal, last)
        except (Rejected, Misconfigured) as error:
            raise OutcomeUnknown(
                f"The run of run group {journal.posting_key} was submitted. {error.sentence}"
            ) from error
        if result is None:
            raise OutcomeUnknown(
                f"FSM has not said within {self._fields.result_seconds:.0f} seconds what became of run group "
                f"{journal.posting_key}. It is asked again."
            )
        self._judge(journal, result, progress)
        return result

    def _submit(self, journal: Journal, *, edit_only: bool) -> None:
        """Raises Misconfigured where FSM refuses the whole run: that is no matter of single rows."""
        try:
            self._client.interface(journal.posting_key, edit_only=edit_only)
        except Rejected as error:
            raise Misconfigured(f"{error.sentence} Press Test connection.") from error

    def _result(self, journal: Journal, last: int) -> RunResult | None:
        """The result of the run behind `last`, once it is there; None after the connection's time."""
        until = time.monotonic() + self._fields.result_seconds
        pauses = iter(POLL_SECONDS)
        while True:
            time.sleep(next(pauses, POLL_SECONDS[-1]))
            try:
                found = run_results(self._client, journal.posting_key)
            except TemporaryFailure:
                # The run goes on whether or not we are answered; the next question is as good.
                found = []
            news = [result for result in found if result.number > last]
            if news:
                return news[-1]
            if time.monotonic() >= until:
                return None

    def _judge(self, journal: Journal, result: RunResult, progress: Progress) -> None:
        """Go on after a good result; raise what the refusal of a run means, with what FSM says of each row."""
        if result.is_good and result.passed == len(journal.lines):
            return
        if not result.is_refusal:
            raise OutcomeUnknown(
                f"FSM says that {result.passed} of {result.records} rows of run group {journal.posting_key} passed; the journal has "
                f"{len(journal.lines)}."
            )
        rows = staged_rows(self._client, journal.posting_key)
        errors = [
            LineError(row.get(SEQUENCE, ""), row.get("AccountCode", ""), row["ErrorMessage"])
            for row in rows
            if row.get("ErrorMessage")
        ]
        raise self._refused(lines_refused(errors, result.failed), journal, progress)

    def _refused(self, error: ExchangeError, journal: Journal, progress: Progress) -> ExchangeError:
        """A refusal is cleared away by posting; what waits for a repair is cleared away here, or next time."""
        if isinstance(error, Misconfigured):
            self._try_to_remove(journal, progress)
        return error

    def _read_back(self, journal: Journal, staged: Totals, result: RunResult, progress: Progress) -> JournalReceipt:
        """By the rows that were interfaced; where FSM keeps none, by the ledger, and until that shows them by what FSM had
        staged and its result.
        """
        try:
            rows = staged_rows(self._client, journal.posting_key)
            seen = judged(journal, _known(progress), rows, [result]) if rows else self._look(journal, progress)
        except (Rejected, Misconfigured) as error:
            raise OutcomeUnknown(f"Run group {journal.posting_key} was interfaced. {error.sentence}") from error
        if isinstance(seen.result, Found) and seen.result.is_complete:
            return _receipt(seen.result)
        if not seen.rows and seen.stage is Stage.UNCLEAR and result.passed == staged.line_count:
            return JournalReceipt(journal.posting_key, False, staged.line_count, staged.debit, staged.credit)
        raise OutcomeUnknown("The journal was interfaced in FSM, but what FSM shows of it is not what was sent.")

    # ---------------------------------------------------------------------------------------------------- undoing

    def undo_journal(self, journal: Journal, progress: Progress) -> None:
        """Take the staged rows out. Raises Rejected where they are interfaced, OutcomeUnknown where that cannot be told."""
        self._seen.clear()
        seen = self._look(journal, progress)
        if isinstance(seen.result, CannotTell):
            raise OutcomeUnknown(seen.result.sentence)
        if seen.stage is Stage.ENTERED:
            raise Rejected(f"Run group {journal.posting_key} is interfaced in FSM and cannot be taken out.")
        if seen.rows:
            self._remove(journal, progress)

    def _remove(self, journal: Journal, progress: Progress) -> None:
        """Delete the run group, and wait until it is gone: what is staged after that must not be taken with it."""
        progress.guard()
        self._client.delete(journal.posting_key)
        for pause in POLL_SECONDS[:REMOVAL_LOOKS]:
            time.sleep(pause)
            if not staged_rows(self._client, journal.posting_key):
                return
        raise TemporaryFailure(f"FSM still holds rows of run group {journal.posting_key}. We look again by itself.")

    def _try_to_remove(self, journal: Journal, progress: Progress) -> bool:
        """The same after a refusal, which is what has to be told. False: it stays behind, and is taken out next time."""
        try:
            self._remove(journal, progress)
        except ExchangeError:
            return False
        return True


def _known(progress: Progress) -> Known:
    return Known(
        is_submitted=bool(progress.get(SUBMITTED)),
        results_before=int(progress.get(RESULTS_BEFORE, 0)),
        is_validated=bool(progress.get(VALIDATED)),
    )


def _rows_refused(bodies: Sequence[Row], refusals: Sequence[tuple[str, str]]) -> ExchangeError:
    """What refused rows of a batch mean; an answer need not name the row."""
    accounts = {body[SEQUENCE]: body["AccountCode"] for body in bodies}
    return lines_refused(
        [LineError(sequence or "?", accounts.get(sequence, "?"), words) for sequence, words in refusals], len(refusals)
    )


def _receipt(found: Found) -> JournalReceipt:
    return JournalReceipt(found.document_number, found.is_posted, found.line_count, found.debit, found.credit)
