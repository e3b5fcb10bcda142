"""Looking for a journal of ours in FSM: staged rows, results of runs, lines of the ledger; and what they mean together.

Rows are staged under our run group, then a run interfaces them, then the journal that FSM made of them is posted. Until the
run they are nothing in the books and can be taken out; from then on they are entered. A run says what it did in a result
of its own, some time after it was submitted. Once we have submitted one and nobody said what became of it, the journal is
found or nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from audit.exchange import TemporaryFailure
from erp.connector import Absent, CannotTell, FindResult, Found
from erp.infor.fsm.answers import Row
from erp.infor.fsm.client import FsmClient, Listing, lpl
from erp.infor.fsm.journal import INTERFACED, RUN_GROUP, STAGED_FIELDS, STAGING, Totals, totals_of
from mappings.journal import Journal

RESULT = "GLTransactionInterfaceResult"
RESULT_FIELDS = (RESULT, "RunGroup", "Status", "RecordCount", "PassedCount", "FailedCount")
DETAIL = "GLTransactionDetail"
DETAIL_FIELDS = (
    DETAIL, "FinanceCodeBlock", "AccountingEntity", "PostingDate", "TransactionAmount", "Reference", "DocumentNumber",
    "ControlDocumentNumber",
)  # fmt: skip

#: Status of a result.
COMPLETE, INCOMPLETE = "1", "2"


@dataclass(frozen=True, slots=True, order=True)
class RunResult:
    """What one run says that it did."""

    number: int
    status: str
    records: int
    passed: int
    failed: int

    @property
    def is_good(self) -> bool:
        return self.status == COMPLETE and self.failed == 0 and self.passed == self.records

    @property
    def is_refusal(self) -> bool:
        """Without partial update such a run takes none of the rows of an entity."""
        return self.status == INCOMPLETE or self.failed > 0

    @classmethod
    def of(cls, row: Row) -> RunResult:
        """Raises TemporaryFailure."""
        try:
            number, records, passed, failed = (
                int(row[name] or 0) for name in (RESULT, "RecordCount", "PassedCount", "FailedCount")
            )
        except (KeyError, ValueError) as error:
            raise TemporaryFailure("FSM showed the result of a run that cannot be read.") from error
        return cls(number, row.get("Status", ""), records, passed, failed)


@dataclass(frozen=True, slots=True)
class Known:
    """What our record says of earlier rounds."""

    is_submitted: bool = False
    """A run that interfaces left, and nobody said that it was refused."""
    results_before: int = 0
    """The highest result of the run group when the last run of ours was submitted."""
    is_validated: bool = False
    """The results behind that are those of edit-only runs of ours."""


class Stage(Enum):
    """How far a journal has come."""

    NOTHING = auto()
    STAGED = auto()
    """Rows that no run has taken: they can be taken out, or gone on with."""
    ENTERED = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and what is behind it."""

    result: FindResult
    stage: Stage
    rows: Sequence[Row] = ()
    results: Sequence[RunResult] = field(default=())

    @property
    def last_result(self) -> int:
        return max((result.number for result in self.results), default=0)


def look(client: FsmClient, journal: Journal, known: Known, core_ledger: str) -> Look:
    """Three reads, in the order in which a journal moves, so that one that moves meanwhile is not missed.

    Raises what a read raises.
    """
    if not journal.posting_key:
        raise ValueError("a journal without posting key cannot be found again")
    rows = staged_rows(client, journal.posting_key)
    results = run_results(client, journal.posting_key)
    lines = posted_lines(client, journal.posting_key, core_ledger)
    if lines:
        return Look(_in_ledger(client, journal, lines, core_ledger), Stage.ENTERED, rows, results)
    return judged(journal, known, rows, results)


def staged_rows(client: FsmClient, posting_key: str) -> list[Row]:
    where = f"{lpl(FinanceEnterpriseGroup=client.fields.enterprise_group)} and {lpl(**{RUN_GROUP: posting_key})}"
    return client.rows(Listing(STAGING, STAGED_FIELDS, "the staged rows of the journal", where))


def run_results(client: FsmClient, posting_key: str) -> list[RunResult]:
    """In the order of their numbers."""
    where = lpl(FinanceEnterpriseGroup=client.fields.enterprise_group, RunGroup=posting_key)
    rows = client.rows(Listing(RESULT, RESULT_FIELDS, "the results of runs", where, set_name="ByRunTime"))
    return sorted(map(RunResult.of, rows))


def posted_lines(client: FsmClient, posting_key: str, core_ledger: str, condition: str = "") -> list[Row]:
    """Lines of the ledger under our reference; of the core ledger alone, where others are kept beside it."""
    where = lpl(FinanceEnterpriseGroup=client.fields.enterprise_group, Reference=posting_key)
    where = f"{where} and {condition}" if condition else where
    rows = client.rows(Listing(DETAIL, DETAIL_FIELDS, "the lines of the ledger", where))
    of_core = [row for row in rows if row.get("FinanceCodeBlock", "").split("|")[0] == core_ledger]
    return of_core or rows


def _in_ledger(client: FsmClient, journal: Journal, lines: Sequence[Row], core_ledger: str) -> FindResult:
    totals = totals_of(lines)
    numbers = sorted({row.get("ControlDocumentNumber") or row.get("DocumentNumber") or "" for row in lines} - {""})
    condition = client.fields.posted_condition
    is_posted = not condition or len(posted_lines(client, journal.posting_key, core_ledger, condition)) == len(lines)
    if not is_posted and not totals.fits(journal):
        return _other(journal, totals, "in the ledger, not posted,")
    number = ", ".join(numbers[:3]) if numbers and is_posted else journal.posting_key
    note = "" if totals.fits(journal) else "Look at it in FSM, under this reference."
    return Found(number, totals.fits(journal), is_posted, totals.line_count, totals.debit, totals.credit, note)


def judged(journal: Journal, known: Known, rows: Sequence[Row], results: Sequence[RunResult]) -> Look:
    """What staging and results mean where the ledger shows nothing. Pure."""
    totals = totals_of(rows)
    interfaced = sum(1 for row in rows if row.get("Status") == INTERFACED)

    def found(stage: Stage, result: FindResult) -> Look:
        return Look(result, stage, rows, results)

    if rows and interfaced == len(rows):
        return found(Stage.ENTERED, _entered(journal, totals))
    if interfaced:
        return found(
            Stage.UNCLEAR,
            CannotTell(
                f"FSM has interfaced {interfaced} of the {len(rows)} rows of run group {journal.posting_key}, and not the others. "
                "Look at it in FSM, under GL Transaction Interface.",
                needs_person=True,
            ),
        )
    news = [result for result in results if result.number > known.results_before]
    last = news[-1] if news else None
    staged = Found(
        journal.posting_key, False, False, totals.line_count, totals.debit, totals.credit, "Staged, not interfaced."
    )
    if known.is_submitted:
        return found(*_after_submitting(journal, totals, last, staged))
    if last is not None and last.is_good and not known.is_validated:
        return found(
            Stage.UNCLEAR,
            CannotTell(
                f"Run group {journal.posting_key} was interfaced or validated in FSM with {last.passed} rows, not by this "
                "connection, and its ledger does not show it yet. Look at it in FSM, under GL Transaction Interface."
            ),
        )
    return found(Stage.STAGED, staged) if rows else found(Stage.NOTHING, Absent())


def _after_submitting(
    journal: Journal, totals: Totals, last: RunResult | None, staged: Found
) -> tuple[Stage, FindResult]:
    """A run of ours left. Never a bare Absent without a word of FSM that the run took nothing."""
    key, is_there = journal.posting_key, totals.line_count > 0
    if last is None:
        if is_there:
            return Stage.UNCLEAR, CannotTell(
                f"Run group {key} was submitted, its answer was lost, and FSM shows no result of a run. Look at it in FSM, under GL "
                "Transaction Interface: interface it there, or delete it there; then ask again here."
            )
        # Interfaced rows cannot be deleted before their journal is made, and then the ledger shows it.
        return Stage.NOTHING, Absent(was_known=True)
    if last.is_good:
        if not is_there:
            return Stage.UNCLEAR, CannotTell(
                f"FSM interfaced {last.passed} rows of run group {key} and keeps none of them, and its ledger does not show them "
                "yet: the journal waits to be posted, or somebody removed it. Look at it in FSM, with this reference.",
                is_not_shown=True,
            )
        if last.passed != totals.line_count:
            return Stage.UNCLEAR, CannotTell(
                f"FSM interfaced {last.passed} rows of run group {key} and shows {totals.line_count}; the journal has "
                f"{len(journal.lines)} lines. Look at it in FSM, with this reference.",
                needs_person=True,
            )
        return Stage.ENTERED, _entered(journal, totals)
    if last.is_refusal:
        return (Stage.STAGED, staged) if is_there else (Stage.NOTHING, Absent())
    return Stage.UNCLEAR, CannotTell(
        f"FSM says of the run of run group {key} that {last.passed} rows passed and {last.failed} did not, with status "
        f"“{last.status}”, which is not known here. Look at it in FSM.",
        needs_person=True,
    )


def _entered(journal: Journal, totals: Totals) -> FindResult:
    """Interfaced rows; what is entered and not ours cannot be completed, and a person has to look."""
    if not totals.fits(journal):
        return _other(journal, totals, "interfaced")
    return Found(journal.posting_key, True, False, totals.line_count, totals.debit, totals.credit)


def _other(journal: Journal, totals: Totals, where: str) -> CannotTell:
    return CannotTell(
        f"Run group {journal.posting_key} is {where} in FSM with {totals.line_count} lines, debits {totals.debit:,.2f} and credits "
        f"{totals.credit:,.2f}; the journal has {len(journal.lines)} lines and {journal.debit:,.2f}. Look at it in FSM.",
        needs_person=True,
    )
