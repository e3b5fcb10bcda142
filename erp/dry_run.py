"""A payroll as the journals that a mapping version would make of it: allocated, tied out and checked against reference data
as any other, but nothing is kept and nothing is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from erp.connector import CONNECTORS
from erp.journal_rows import JournalTable, table_of_lines
from erp.journals import rules_by_account, setup_problems
from gusto.models import PayrollRun
from gusto.payroll_document import reading_of
from gusto.tie_out import JournalPart, Row, journal_tie_out, problems_of, tie_out
from mappings.allocation import LegKind, allocate
from mappings.chart import chart_of
from mappings.checks import check_journal
from mappings.journal import Journal, Problem
from mappings.models import MainAccount, MappingTable
from mappings.tables import table_of
from tenants.models import LegalEntity


@dataclass(frozen=True, slots=True)
class DryRun:
    """What came out. Without journals `problems` say why there are none."""

    run: PayrollRun
    version: MappingTable
    problems: tuple[Problem, ...]
    tie_out: tuple[Row, ...]
    journals: tuple[Journal, ...] = ()
    tables: tuple[JournalTable, ...] = field(default=())
    note: str = ""
    """What has to be known though it stops nothing."""

    @property
    def is_clean(self) -> bool:
        return bool(self.journals) and not self.problems

    @property
    def with_tables(self) -> list[tuple[Journal, JournalTable]]:
        return list(zip(self.journals, self.tables, strict=True))


def dry_run(entity: LegalEntity, run: PayrollRun, version: MappingTable) -> DryRun:
    """Inside a scope; the run has a document, the legal entity an ERP connection whose reference data were read. `version`
    may be a draft and serves the run whatever its first day.
    """
    connection = entity.erp_connection
    assert connection is not None, "a dry run needs the chart of an ERP"
    reading = reading_of(run)
    rows = tie_out(reading)
    header = replace(reading.header, sequence=run.sequence)
    codes = MainAccount.objects.filter(connection=connection).values_list("company_code", flat=True).distinct()
    chart = chart_of(connection, {entity.company_code, *codes}, on_date=header.check_date)
    periods = tuple(
        (period.start_date, period.end_date) for period in chart.periods if period.company_code == entity.company_code
    )
    found = allocate(header, table_of(version), periods)
    problems = [*reading.problems, *problems_of(rows), *found.problems]
    note = " ".join(warning.sentence for warning in found.warnings)
    if found.problems or not found.journals:
        return DryRun(run, version, tuple(problems), rows, note=note)
    lines = {line.number: line for line in header.lines}
    natural = (row for row in found.trace if row.leg == LegKind.NATURAL)
    last = journal_tie_out((JournalPart(lines[row.line], row.side, row.amount) for row in natural), rows)
    problems += problems_of(last)
    for index, journal in enumerate(found.journals):
        trace = found.trace.of_journal(index)
        problems += check_journal(journal, chart, CONNECTORS[connection.system][0], rules_by_account(trace))
    problems += setup_problems(entity)
    tables = tuple(table_of_lines(journal.lines, connection.pk, journal.company_code) for journal in found.journals)
    return DryRun(run, version, tuple(dict.fromkeys(problems)), (*rows, *last), tuple(found.journals), tables, note)
