"""Worked examples, figure by figure: journals, trace and problems as an accountant expects them.

Two sets in one form: those of the accounting reference, read from where they lie (skipped where they are not), and the
project's own in `worked_examples`, each with the arithmetic behind its figures in its README.md. The form of the files
is described in worked_examples/README.md.
"""

from __future__ import annotations

import csv
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mappings.allocation import Allocation, Trace, allocate
from mappings.journal import Journal, JournalKind, JournalLine, reversed_journal
from mappings.journal_set import check_together
from mappings.payroll import LineKind, PayrollHeader, PayrollLine
from mappings.policy import Journals, Straddle
from mappings.policy_values import read_policy
from mappings.table import Table, choose_version
from mappings.table_csv import CrosswalkRow, read_crosswalks_csv, read_mapping_csv, tables

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "accounting" / "examples"
OWN = Path(__file__).resolve().parent / "worked_examples"

FILES = {"README.md", "payroll_lines.csv", "mapping.csv", "crosswalks.csv", "policy.toml"}


def folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.glob("*") if folder.is_dir()) if root.is_dir() else []


def parameters(having: str) -> list:
    """Every example with a file of this name. Where the reference is not here, one parameter says so."""
    reference = [
        pytest.param(folder, id=f"reference {folder.name}", marks=pytest.mark.contract)
        for folder in folders(REFERENCE)
        if (folder / having).exists()
    ] or [pytest.param(None, id="reference", marks=pytest.mark.contract)]
    return reference + [pytest.param(folder, id=folder.name) for folder in folders(OWN) if (folder / having).exists()]


@dataclass(frozen=True)
class Example:
    """One folder: its runs, its policy file and its versions of the mapping table."""

    folder: Path
    policy: dict[str, Any]
    headers: dict[str, PayrollHeader]
    versions: list[Table]

    def expected(self, name: str) -> list[dict[str, str]]:
        return rows_of(self.folder / f"{name}.csv")

    @property
    def fiscal_periods(self) -> tuple[tuple[date, date], ...]:
        return tuple((day(period["start"]), day(period["end"])) for period in self.policy.get("fiscal_period", ()))

    def table(self, header: PayrollHeader) -> Table:
        table = choose_version(self.versions, header.check_date)
        assert table is not None
        return table

    def allocations(self) -> dict[str, Allocation]:
        """The allocation of every run by the version of its check date, with the reversals of cancelled runs."""
        result = {
            run: allocate(header, self.table(header), self.fiscal_periods) for run, header in self.headers.items()
        }
        for event in self.policy.get("event", ()):
            assert event["type"] == "cancelled"
            result[event["run"]] = self.cancelled(result[event["run"]])
        return result

    def cancelled(self, allocation: Allocation) -> Allocation:
        """With the reversal of every journal that stands; on its date, or on the first open day after a closed one."""
        undone = {journal.reverses for journal in allocation.journals}
        journals, trace = list(allocation.journals), list(allocation.trace.blocks)
        for position, journal in enumerate(allocation.journals):
            if journal.kind == JournalKind.REVERSAL or journal.posting_key in undone:
                continue
            contra = reversed_journal(journal, self.open_day(journal.posting_date), f"CONTRA{position}", "reversal")
            trace += [block.contra(len(journals)) for block in allocation.trace.of_journal(position).blocks]
            journals.append(contra)
        return replace(allocation, journals=tuple(journals), trace=Trace(trace))

    def open_day(self, posting_date: date) -> date:
        periods = [
            (day(each["start"]), day(each["end"]), each["status"]) for each in self.policy.get("fiscal_period", ())
        ]
        if all(status == "open" for start, end, status in periods if start <= posting_date <= end):
            return posting_date
        return min(start for start, _, status in periods if status == "open" and start > posting_date)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def day(text: str) -> date:
    return date.fromisoformat(text)


def example(folder: Path | None) -> Example:
    if folder is None:
        pytest.skip("../shared/accounting/examples is not here")
    document = tomllib.loads((folder / "policy.toml").read_text(encoding="utf-8"))
    mapping_rows, errors = read_mapping_csv((folder / "mapping.csv").read_text(encoding="utf-8"))
    assert errors == []
    crosswalk_rows: list[CrosswalkRow] = []
    if (folder / "crosswalks.csv").exists():
        crosswalk_rows, errors = read_crosswalks_csv((folder / "crosswalks.csv").read_text(encoding="utf-8"))
        assert errors == []
    versions, errors = tables(mapping_rows, crosswalk_rows, read_policy(document))
    assert errors == []
    lines = rows_of(folder / "payroll_lines.csv")
    headers = {payroll["run"]: header_of(payroll, lines) for payroll in document["payroll"]}
    assert sum(len(header.lines) for header in headers.values()) == len(lines)
    return Example(folder, document, headers, versions)


def header_of(payroll: dict[str, str], rows: list[dict[str, str]]) -> PayrollHeader:
    def day_or_none(name: str) -> date | None:
        return day(payroll[name]) if payroll[name] else None

    return PayrollHeader(
        payroll_uuid=payroll["run"],
        company_uuid="example",
        check_date=day(payroll["check_date"]),
        payroll_type=payroll["payroll_type"],
        off_cycle_reason=payroll["off_cycle_reason"],
        period_start=day_or_none("period_start"),
        period_end=day_or_none("period_end"),
        debit_date=day_or_none("debit_date"),
        lines=tuple(
            PayrollLine(
                number=int(row["line"]),
                kind=LineKind(row["kind"]),
                component=row["component"],
                amount=Decimal(row["amount"]),
                employee=row["employee"],
                employee_code=row["employee"],
                job=row["job"],
                department=row["department"],
                location=row["location"],
                compensation_level=row["compensation_level"],
            )
            for row in rows
            if row["run"] == payroll["run"]
        ),
    )


# Journals and traces as the files have them. A journal is known by what it is, since its number is only a label.

#: Run, kind, company code, posting date; kind, company code and posting date of the journal that it reverses.
Name = tuple[str, ...]


def names_of(run: str, journals: tuple[Journal, ...]) -> list[Name]:
    by_key = {journal.posting_key: journal for journal in journals}
    names: list[Name] = []
    for journal in journals:
        undone = by_key.get(journal.reverses)
        assert bool(undone) == bool(journal.reverses)
        names.append(
            (
                run,
                *facts_of(journal),
                *(facts_of(undone) if undone else ("", "", "")),
            )
        )
    assert len(set(names)) == len(names)
    return names


def facts_of(journal: Journal) -> tuple[str, str, str]:
    return journal.kind.value, journal.company_code, journal.posting_date.isoformat()


def expected_names(rows: list[dict[str, str]]) -> dict[str, Name]:
    """The names by journal number."""
    facts = {row["journal"]: (row["journal_kind"], row["company_code"], row["posting_date"]) for row in rows}
    return {
        row["journal"]: (row["run"], *facts[row["journal"]], *facts.get(row["reverses"], ("", "", ""))) for row in rows
    }


def text_of(dimensions: tuple[tuple[str, str], ...]) -> str:
    return ";".join(f"{name}={value}" for name, value in dimensions)


def line_row(line: JournalLine) -> tuple[str, ...]:
    debit, credit = (str(amount) if amount else "" for amount in (line.debit, line.credit))
    return line.main_account, text_of(line.dimensions), debit, credit


def trace_rows(run: str, allocation: Allocation) -> Counter:
    names = names_of(run, allocation.journals)
    return Counter(
        (
            *(names[row.journal] if row.journal is not None else ()),
            row.company_code,
            row.main_account,
            text_of(row.dimensions),
            row.side.value,
            row.leg.value,
            str(row.line or ""),
            row.rule,
            str(row.target or ""),
            str(row.amount),
        )
        for row in allocation.trace
    )


TRACE_COLUMNS = ("company_code", "main_account", "dimensions", "side", "leg", "line", "rule", "target", "amount")


@pytest.mark.parametrize("folder", parameters("expected_journal.csv"))
def test_the_journals_are_those_of_the_accountant(folder: Path | None) -> None:
    this = example(folder)
    found: Counter = Counter()
    for run, allocation in this.allocations().items():
        assert [problem.sentence for problem in allocation.problems] == []
        for name, journal in zip(names_of(run, allocation.journals), allocation.journals, strict=True):
            found.update((*name, *line_row(line)) for line in journal.lines)
    rows = this.expected("expected_journal")
    names = expected_names(rows)
    columns = ("main_account", "dimensions", "debit", "credit")
    assert found == Counter((*names[row["journal"]], *(row[column] for column in columns)) for row in rows)


@pytest.mark.parametrize("folder", parameters("expected_trace.csv"))
def test_every_amount_is_traced_as_the_accountant_does(folder: Path | None) -> None:
    this = example(folder)
    found: Counter = Counter()
    for run, allocation in this.allocations().items():
        found += trace_rows(run, allocation)
    names = expected_names(this.expected("expected_journal"))
    assert found == Counter(
        (*names.get(row["journal"], ()), *(row[column] for column in TRACE_COLUMNS))
        for row in this.expected("expected_trace")
    )


@pytest.mark.parametrize("folder", parameters("expected_trace.csv"))
def test_the_journals_of_a_run_are_its_payroll(folder: Path | None) -> None:
    for allocation in example(folder).allocations().values():
        # The reversals of a cancelled run undo its payroll, too: nothing is left of it.
        standing = replace(
            allocation,
            journals=tuple(journal for journal in allocation.journals if not journal.posting_key.startswith("CONTRA")),
        )
        assert check_together(standing.journals, standing.trace.blocks) == ()


@pytest.mark.parametrize("folder", parameters("equivalent_payroll_journal.csv"))
def test_accrual_and_settlement_are_one_payroll_journal(folder: Path | None) -> None:
    this = example(folder)
    both: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    one: Counter = Counter()
    for run, header in this.headers.items():
        table = this.table(header)
        for journal in allocate(header, table, this.fiscal_periods).journals:
            for line in journal.lines:
                place = (run, journal.company_code, line.main_account, text_of(line.dimensions))
                both[place] += line.debit - line.credit
        whole = replace(table, policy=replace(table.policy, journals=Journals.PAYROLL, straddle=Straddle.NONE))
        for journal in allocate(header, whole).journals:
            one.update((*name_of(run, journal), *line_row(line)) for line in journal.lines)
    rows = this.expected("equivalent_payroll_journal")
    columns = ("run", "journal_kind", "company_code", "posting_date", "main_account", "dimensions", "debit", "credit")
    assert one == Counter(tuple(row[column] for column in columns) for row in rows)
    assert {place: amount for place, amount in both.items() if amount} == {
        (row["run"], row["company_code"], row["main_account"], row["dimensions"]): Decimal(row["debit"] or 0)
        - Decimal(row["credit"] or 0)
        for row in rows
    }


def name_of(run: str, journal: Journal) -> tuple[str, ...]:
    return run, *facts_of(journal)


PROBLEM_COLUMNS = (
    "run", "problem", "line", "side", "kind", "component", "employee", "department", "amount", "rules", "missing"
)  # fmt: skip


@pytest.mark.parametrize("folder", parameters("expected_problems.csv"))
def test_the_problems_are_those_of_the_accountant_and_there_is_no_journal(folder: Path | None) -> None:
    this = example(folder)
    found = []
    for run, allocation in this.allocations().items():
        assert not allocation.journals
        assert not allocation.trace
        assert allocation.problems
        found += [
            (
                run,
                finding.kind.value,
                str(finding.line.number),
                finding.side.value if finding.side else "",
                finding.line.kind.value,
                finding.line.component,
                finding.line.employee,
                finding.line.department,
                str(finding.amount),
                " ".join(finding.rules),
                finding.missing,
            )
            for finding in allocation.findings
        ]
    expected = [tuple(row[column] for column in PROBLEM_COLUMNS) for row in this.expected("expected_problems")]
    assert sorted(found) == sorted(expected)


def test_lines_with_one_repair_are_one_problem() -> None:
    (folder,) = REFERENCE.glob("21-*") if REFERENCE.is_dir() else (None,)
    (allocation,) = example(folder).allocations().values()
    # The department without a cost center is one thing to repair, however many lines wait for it.
    assert [problem.kind for problem in allocation.problems] == ["tie", "gap", "crosswalk_gap"]
    assert [problem.fact("lines") for problem in allocation.problems] == ["1", "1", "2"]


def test_every_example_is_whole_and_says_what_it_expects() -> None:
    for folder in [*folders(OWN), *folders(REFERENCE)]:
        names = {path.name for path in folder.iterdir()}
        assert names >= FILES - {"crosswalks.csv"}
        expectations = names - FILES
        assert expectations in (
            {"expected_journal.csv", "expected_trace.csv"},
            {"expected_journal.csv", "expected_trace.csv", "equivalent_payroll_journal.csv"},
            {"expected_problems.csv"},
        )


def test_the_project_has_examples_of_its_own() -> None:
    assert len(folders(OWN)) >= 15


def test_expected_journals_balance_and_their_traces_add_up_to_them() -> None:
    """The files themselves, whatever the product does: a slip of the pen in an expectation is found here."""
    for folder in folders(OWN):
        if not (folder / "expected_journal.csv").exists():
            continue
        lines: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
        for row in rows_of(folder / "expected_journal.csv"):
            amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
            assert amount, folder
            lines[row["journal"], row["company_code"], row["main_account"], row["dimensions"]] += amount
        for journal in {journal for journal, *_ in lines}:
            assert sum(amount for key, amount in lines.items() if key[0] == journal) == 0, (folder, journal)
        traced: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
        for row in rows_of(folder / "expected_trace.csv"):
            amount = Decimal(row["amount"]) if row["side"] == "debit" else -Decimal(row["amount"])
            traced[row["journal"], row["company_code"], row["main_account"], row["dimensions"]] += amount
        assert {k: v for k, v in traced.items() if v} == {k: v for k, v in lines.items() if v}, folder
