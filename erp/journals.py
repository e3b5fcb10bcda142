"""A posting's journal as it stands in the database: its lines, and what speaks against it.

What is frozen is read from here and never computed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from erp.connector import CONNECTORS
from erp.models import Posting
from mappings.allocation import Trace
from mappings.chart import chart_of
from mappings.checks import check_journal
from mappings.journal import Journal, JournalKind, JournalLine, Problem
from tenants.models import LegalEntity


def problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as it is stored with a run or a posting."""
    return {
        "code": problem.code,
        "kind": problem.kind,
        "sentence": problem.sentence,
        "facts": dict(problem.facts),
        "page": problem.page,
    }


def setup_problem(kind: str, sentence: str) -> Problem:
    """Something about the connection itself that a person has to set right."""
    return Problem(code="configuration", kind=kind, sentence=sentence, page="connection")


def journal_of(posting: Posting) -> Journal:
    """The frozen journal as it stands in the database, inside a scope."""
    return Journal(
        kind=JournalKind(posting.kind),
        company_code=posting.company_code,
        posting_date=posting.posting_date,
        document_date=posting.document_date,
        currency=posting.currency,
        header_text=posting.header_text,
        posting_key=posting.posting_key,
        sequence=posting.sequence,
        reverses=posting.reverses.posting_key if posting.reverses else "",
        lines=tuple(
            JournalLine(
                number=line.number, main_account=line.main_account,
                dimensions=tuple((name, value) for name, value in line.dimensions), debit=line.debit,
                credit=line.credit, text=line.text,
            )
            for line in posting.lines.all()
        ),
    )  # fmt: skip


def problems_of_journal(posting: Posting, journal: Journal) -> list[Problem]:
    """What the reference data say against a frozen journal now, inside a scope."""
    chart = chart_of(posting.connection, {journal.company_code}, on_date=journal.posting_date)
    return check_journal(journal, chart, CONNECTORS[posting.connection.system][0]) + setup_problems(
        posting.legal_entity
    )


def setup_problems(entity: LegalEntity) -> list[Problem]:
    """Settings in the ERP under which nothing can be posted, as the connector found them."""
    snapshot = getattr(entity.erp_connection, "reference_snapshot", None)
    if snapshot is None:
        return [setup_problem("reference", "The reference data of the ERP were never read.")]
    return [setup_problem("setup", sentence) for sentence in snapshot.setup_problems]


def reason_of(problems: Iterable[Problem]) -> str:
    """The reason under which a posting waits: the one that a person has to act on first."""
    found = {problem.code for problem in problems}
    for reason in (
        Posting.Reason.CONFIGURATION, Posting.Reason.MAPPING, Posting.Reason.REFERENCE, Posting.Reason.PERIOD,
        Posting.Reason.TIE_OUT,
    ):  # fmt: skip
        if reason.value in found:
            return reason.value
    raise ValueError(f"no reason for {sorted(found)}")


def rules_by_account(trace: Trace) -> dict[str, set[str]]:
    """Which rules brought amounts to which main account, for sentences that name the rule to change."""
    found: dict[str, set[str]] = {}
    for block in trace.blocks:
        for source in block.sources:
            if source.rule:
                found.setdefault(block.main_account, set()).add(source.rule)
    return found
