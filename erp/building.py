"""From a payroll run that was read to frozen postings: allocate, check against reference data, keep.

A journal is frozen with the mapping version that made it. It is built anew only while nothing of its run was sent: when
the mapping or the reference data that it waited for have changed, or when a person replays it.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import date
from typing import Any

from django.db.models import QuerySet

from audit import trail, work
from audit.exchange import Misconfigured
from erp.connector import CONNECTORS
from erp.journals import problem_row, reason_of, rules_by_account, setup_problem, setup_problems
from erp.models import Posting, PostingLine, PostingTrace
from erp.reference import ensure_fresh
from erp.states import add_preparer, of_life, release_configuration, release_or_approve
from erp.traces import trace_of
from gusto.models import PayrollRun
from gusto.payroll_run import header_of
from gusto.tie_out import T8_DEBITS, JournalPart, journal_tie_out, problems_of, row_of
from mappings.allocation import Allocation, LegKind, allocate
from mappings.chart import chart_of
from mappings.checks import check_journal
from mappings.journal import Journal, JournalKind, Problem
from mappings.models import MainAccount, MappingTable
from mappings.payroll import PayrollHeader
from mappings.tables import approved_table, table_of
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tenants.secrets import sealed

#: States in which nothing of a posting has left and its journal may be built anew.
BUILDABLE = (Posting.State.ALLOCATED, Posting.State.BLOCKED)
#: Reasons for which a run waits that a changed mapping or connection can end; a tie-out needs the payroll read again.
REPAIRABLE = frozenset({"mapping", "configuration"})
#: The same for a posting, which may wait for reference data as well.
REPAIRABLE_POSTINGS = (
    Posting.Reason.MAPPING, Posting.Reason.REFERENCE, Posting.Reason.PERIOD, Posting.Reason.CONFIGURATION,
)  # fmt: skip


def allocate_run(claim: work.Claim) -> work.Later | None:
    """Work item erp.allocate: build the journals of a run, or say what is missing, all at once."""
    assert claim.tenant_id is not None
    tenant_id, run_id = claim.tenant_id, int(claim.ref)
    with tenant_scope(tenant_id):
        run = PayrollRun.objects.select_related("legal_entity").filter(pk=run_id).first()
        if run is None or not (_may_be_built(run) or _frozen(run).exists()):
            return None
        connection_id = run.legal_entity.erp_connection_id
        if connection_id is None:
            _block_run(run, [setup_problem("no_connection", f"{run.legal_entity} has no ERP connection yet.")])
            return None
    try:
        ensure_fresh(tenant_id, connection_id)
    except Misconfigured as error:
        with tenant_scope(tenant_id):
            run = PayrollRun.objects.select_for_update(of=("self",)).get(pk=run_id)
            _block_run(run, [setup_problem("connection", error.sentence)])
        return None
    with tenant_scope(tenant_id):
        build(run_id)
    return None


def allocate_exhausted(claim: work.Claim, sentence: str) -> None:
    """The work item was given up: the run waits for a person."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.filter(pk=int(claim.ref)).first()
        if run is not None and _may_be_built(run):
            run.state, run.reason, run.sentence = PayrollRun.State.BLOCKED, "exhausted", sentence
            run.save(update_fields=["state", "reason", "sentence"])
            _record_blocked(run)


def build(run_id: int) -> None:
    """Allocate a run and keep the result, inside a scope. One problem of allocation, and there is no journal at all."""
    run = PayrollRun.objects.select_for_update(of=("self",)).select_related("legal_entity").get(pk=run_id)
    # Locked, so that nobody approves or sends one of them from here on.
    list(of_life(run).select_for_update(of=("self",)).values_list("pk"))
    if not _may_be_built(run):
        for posting in _frozen(run):
            release_configuration(posting)
        return
    entity = run.legal_entity
    assert run.check_date is not None
    assert entity.erp_connection is not None
    version = approved_table(entity, run.check_date)
    if version is None:
        sentence = f"No approved mapping version is valid on {run.check_date:%-d %b %Y}. Nothing was sent."
        _block_run(run, [Problem("mapping", "no_version", sentence, page="mapping")])
        return
    header = replace(header_of(run), sequence=run.sequence)
    chart = chart_of(entity.erp_connection, _company_codes(entity), on_date=run.check_date)
    periods = tuple(
        (period.start_date, period.end_date) for period in chart.periods if period.company_code == entity.company_code
    )
    allocation = allocate(header, table_of(version), periods, chosen_dates_of(run))
    if allocation.is_ignored:
        _ignore(run, allocation.warnings[0].sentence)
        return
    problems = list(allocation.problems) or _tie_out(run, header, allocation)
    if problems:
        _block_run(run, problems)
        return
    run.state, run.reason, run.problems = PayrollRun.State.READ, "", []
    run.sentence = " ".join(warning.sentence for warning in allocation.warnings)
    run.save(update_fields=["state", "reason", "sentence", "problems"])
    _drop_unsent(run)
    # What a person gave up stays given up while its sisters live; a run that was given up whole may be replayed.
    lives = of_life(run).exclude(state=Posting.State.VOIDED).exists()
    given_up = set(of_life(run).values_list("posting_key", flat=True)) if lives else set()
    label = CONNECTORS[entity.erp_connection.system][0]
    prepared_by = sorted({*version.changed_by, *filter(None, [version.created_by]), *run.prepared_by})
    kept: dict[str, Posting] = {}
    for index, journal in enumerate(allocation.journals):
        if journal.posting_key in given_up:
            continue
        trace = allocation.trace.of_journal(index)
        found = check_journal(journal, chart, label, rules_by_account(trace)) + setup_problems(entity)
        kept[journal.posting_key] = keep(
            run, entity, version, journal, found, trace_of(trace, header), prepared_by=prepared_by,
            reverses=kept.get(journal.reverses),
        )  # fmt: skip
    # Only now: all journals of a run are there and checked before the first of them goes on.
    for posting in kept.values():
        if posting.state == Posting.State.ALLOCATED:
            release_or_approve(posting)


def chosen_dates_of(run: PayrollRun) -> dict[str, date]:
    """Posting key -> posting date that a person chose."""
    return {key: date.fromisoformat(day) for key, day in run.chosen_dates.items()}


def _company_codes(entity: LegalEntity) -> set[str]:
    """Every company code of the ERP: a crosswalk may lead to any of them."""
    known = MainAccount.objects.filter(connection=entity.erp_connection).values_list("company_code", flat=True)
    return {entity.company_code, *known.distinct()}


def _ignore(run: PayrollRun, sentence: str) -> None:
    """The journal policy makes no journal of payrolls of this type."""
    _drop_unsent(run)
    run.state, run.reason, run.sentence, run.problems = PayrollRun.State.IGNORED, "", sentence, []
    run.save(update_fields=["state", "reason", "sentence", "problems"])
    trail.record(
        "payroll_run.ignored", subject="payroll_run", subject_id=run.payroll_uuid, check_date=run.check_date or "?",
        sentence=sentence,
    )  # fmt: skip


def _tie_out(run: PayrollRun, header: PayrollHeader, allocation: Allocation) -> list[Problem]:
    """T8 (accounting.md 10): the journals against Gusto's totals. The rows are kept beside those of the reading. Natural
    legs are the payroll lines, each once on every side, whatever journals the policy spreads them over.
    """
    lines = {line.number: line for line in header.lines}
    before = [row for row in run.tie_out if not row["name"].startswith("T8")]
    rows = journal_tie_out(
        (JournalPart(lines[row.line], row.side, row.amount) for row in allocation.trace if row.leg == LegKind.NATURAL),
        [row_of(row) for row in before],
    )
    run.tie_out = before + [row.as_json() for row in rows]
    run.journal_debits = next(row.right for row in rows if row.name == T8_DEBITS)
    run.save(update_fields=["tie_out", "journal_debits"])
    return problems_of(rows)


def replay_run(run: PayrollRun, by: str) -> None:
    """Read a payroll run again and allocate it with the approved mapping of its check date, inside a scope. What was
    approved or sent stays as it is; whoever replays has prepared the journals that come of it.
    """
    add_preparer(run.pk, by)
    trail.record(
        "payroll_run.replayed",
        subject="payroll_run",
        subject_id=run.payroll_uuid,
        by=by,
        check_date=run.check_date or "?",
    )
    work.enqueue("gusto.read_payroll", str(run.pk), tenant_id=run.tenant_id)
    work.enqueue("erp.allocate", str(run.pk), tenant_id=run.tenant_id)


def keep(
    run: PayrollRun, entity: LegalEntity, version: MappingTable, journal: Journal, problems: list[Problem], trace: bytes,
    *, prepared_by: list[str], reverses: Posting | None = None, reason: str = "",
) -> Posting:  # fmt: skip
    """Freeze one journal as a posting, inside a scope: ALLOCATED, or BLOCKED with every problem. `reason` is why a journal
    that the ERP holds is reversed; an accrual's own reversal has none. The caller releases it.
    """
    posting: Posting = Posting.objects.create(
        legal_entity=entity,
        payroll_run=run,
        connection=entity.erp_connection,
        mapping_table=version,
        kind=journal.kind.value,
        company_code=journal.company_code,
        sequence=journal.sequence,
        reverses=reverses,
        posting_key=journal.posting_key,
        state=Posting.State.BLOCKED if problems else Posting.State.ALLOCATED,
        reason=reason_of(problems) if problems else "",
        sentence=" ".join(problem.sentence for problem in problems),
        problems=[problem_row(problem) for problem in problems],
        posting_date=journal.posting_date,
        document_date=journal.document_date,
        currency=journal.currency,
        header_text=journal.header_text,
        debit=journal.debit,
        credit=journal.credit,
        line_count=len(journal.lines),
        journal_digest=journal.digest(),
        prepared_by=prepared_by,
    )
    PostingLine.objects.bulk_create(
        PostingLine(
            posting=posting, number=line.number, main_account=line.main_account,
            dimensions=[list(pair) for pair in line.dimensions], debit=line.debit, credit=line.credit, text=line.text,
        )
        for line in journal.lines
    )  # fmt: skip
    PostingTrace.objects.create(posting=posting, sealed=sealed(zlib.compress(trace)))
    facts: dict[str, Any] = {
        "posting_key": posting.posting_key, "lines": posting.line_count, "debit": f"{posting.debit:,.2f}",
        "company_code": posting.company_code,
    }  # fmt: skip
    if not reason:
        trail.record("posting.allocated", subject="posting", subject_id=posting.posting_key, **facts)
    else:
        facts["posting_key"] = journal.reverses
        trail.record(
            "posting.reversal_created", subject="posting", subject_id=posting.posting_key, reason=reason, **facts
        )
    if problems:
        trail.record(
            "posting.blocked", subject="posting", subject_id=posting.posting_key, sentence=posting.sentence, **facts
        )
    return posting


def recheck(claim: work.Claim) -> work.Later | None:
    """Work item erp.recheck, for a legal entity: mapping or reference data changed, so what waits for them goes on."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        runs = set(
            PayrollRun.objects.filter(
                legal_entity_id=int(claim.ref), state=PayrollRun.State.BLOCKED, reason__in=["mapping", "configuration"]
            ).values_list("pk", flat=True)
        )
        waiting = Posting.objects.select_for_update().filter(
            legal_entity_id=int(claim.ref),
            state=Posting.State.BLOCKED,
            reason__in=REPAIRABLE_POSTINGS,
        )
        for posting in waiting:
            if posting.was_sent or posting.kind == JournalKind.REVERSAL.value:
                release_configuration(posting)
            else:
                runs.add(posting.payroll_run_id)
        for run_id in runs:
            work.enqueue("erp.allocate", str(run_id), tenant_id=claim.tenant_id)
    return None


def _may_be_built(run: PayrollRun) -> bool:
    """Read, or waiting for something that can be repaired, and nothing of it approved or sent."""
    if run.state == PayrollRun.State.READ:
        pass
    elif run.state != PayrollRun.State.BLOCKED or run.reason not in REPAIRABLE:
        return False
    if run.read_at is None:
        return False
    live = of_life(run).exclude(state=Posting.State.VOIDED)
    return not live.exclude(state__in=BUILDABLE).exists() and not live.filter(was_sent=True).exists()


def _frozen(run: PayrollRun) -> QuerySet[Posting]:
    """Journals that wait for a repair while a sister is approved or sent already, so that the run cannot be built anew: each
    goes on as it was frozen, once nothing speaks against it any more.
    """
    waiting = of_life(run).filter(state=Posting.State.BLOCKED, was_sent=False, reason__in=REPAIRABLE_POSTINGS)
    return waiting if run.state == PayrollRun.State.READ else waiting.none()


def _drop_unsent(run: PayrollRun) -> None:
    """Nothing of these journals left: they are built anew, and the audit trail keeps that they were there."""
    unsent = of_life(run).filter(state__in=BUILDABLE, was_sent=False)
    unsent.filter(reverses__isnull=False).delete()
    unsent.delete()


def _block_run(run: PayrollRun, problems: list[Problem]) -> None:
    if not _may_be_built(run):
        return
    _drop_unsent(run)
    run.state, run.reason = PayrollRun.State.BLOCKED, reason_of(problems)
    run.sentence = " ".join(problem.sentence for problem in problems)
    run.problems = [problem_row(problem) for problem in problems]
    run.save(update_fields=["state", "reason", "sentence", "problems"])
    _record_blocked(run)


def _record_blocked(run: PayrollRun) -> None:
    trail.record(
        "payroll_run.blocked", subject="payroll_run", subject_id=run.payroll_uuid,
        check_date=run.check_date or "?", sentence=run.sentence,
    )  # fmt: skip
