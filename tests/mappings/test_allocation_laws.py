"""Laws of allocation: for any correct run, any complete table and any journal policy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.allocation import Allocation, LegKind, TraceRow, allocate
from mappings.journal import Journal, JournalKind, posting_key, residual
from mappings.journal_set import check_together
from mappings.payroll import SIDES, LineKind, PayrollHeader, Side
from mappings.policy import Journals, Lines, Straddle
from mappings.straddle import COSTS_OF_WORK, straddles
from mappings.table import Table
from tests.mappings.strategies import allocations

D = Decimal

Run = tuple[PayrollHeader, Table]
Place = tuple[str, str, tuple[tuple[str, str], ...]]


def allocated(run: Run) -> Allocation:
    allocation = allocate(*run)
    assert [problem.sentence for problem in allocation.problems] == []
    return allocation


def under(run: Run, **policy: object) -> Run:
    """The same run and rules under another journal policy."""
    header, rules = run
    return header, replace(rules, policy=replace(rules.policy, **policy))


def books(journals: Iterable[Journal]) -> dict[Place, Decimal]:
    """Debits less credits of every account, without those at 0.00."""
    sums: dict[Place, Decimal] = defaultdict(D)
    for journal in journals:
        for line in journal.lines:
            sums[journal.company_code, line.main_account, line.dimensions] += line.debit - line.credit
    return {place: amount for place, amount in sums.items() if amount}


def signed(row: TraceRow) -> Decimal:
    return row.amount if row.side == Side.DEBIT else -row.amount


# Balance (I2), identity (I1)


@settings(max_examples=60, deadline=None)
@given(allocations())
def test_every_journal_balances_and_is_known_by_its_own_key(run: Run) -> None:
    header, _ = run
    journals = allocated(run).journals
    for journal in journals:
        assert residual(journal.lines) == 0
        assert journal.lines
        assert journal.document_date == header.check_date
        assert [line.number for line in journal.lines] == list(range(1, len(journal.lines) + 1))
        assert journal.posting_key == posting_key(
            header.company_uuid,
            header.payroll_uuid,
            journal.kind,
            journal.company_code,
            journal.sequence,
            journal.reverses,
        )
    assert len({journal.posting_key for journal in journals}) == len(journals)
    identities = [(each.kind, each.company_code, each.sequence, each.reverses) for each in journals]
    assert len(set(identities)) == len(identities)
    for kind in (JournalKind.PAYROLL, JournalKind.SETTLEMENT):
        codes = [each.company_code for each in journals if each.kind == kind]
        assert codes == sorted(set(codes))
        assert {each.sequence for each in journals if each.kind == kind} <= {header.sequence}
    for accrual in journals:
        if accrual.kind == JournalKind.ACCRUAL and accrual.sequence != header.sequence:
            life, position = divmod(accrual.sequence, 100)
            assert life == header.sequence
            assert position >= 1


# Every cent in exactly one place (I3)


@settings(max_examples=60, deadline=None)
@given(allocations())
def test_every_cent_of_every_line_is_traced_once_on_every_side(run: Run) -> None:
    header, _ = run
    allocation = allocated(run)
    traced: dict[tuple[int, Side], Decimal] = defaultdict(D)
    keys: Counter = Counter()
    for row in allocation.trace:
        assert row.amount != 0
        assert row.amount.as_tuple().exponent == -2
        assert bool(row.line) == bool(row.rule) == bool(row.target)
        keys[row._replace(amount=D(0))] += 1
        if row.leg == LegKind.NATURAL:
            traced[row.line, row.side] += row.amount
        if row.journal is not None:
            assert row.company_code == allocation.journals[row.journal].company_code
    assert set(keys.values()) <= {1}
    for line in header.lines:
        for side in SIDES[line.kind]:
            assert traced.pop((line.number, side), D(0)) == line.amount
        if not SIDES[line.kind]:
            both = {traced.pop((line.number, side), D(0)) for side in Side}
            assert both in ({D(0)}, {line.amount})
    assert not traced


@settings(max_examples=40, deadline=None)
@given(allocations())
def test_a_journal_line_is_the_sum_of_its_trace(run: Run) -> None:
    allocation = allocated(run)
    assert len(allocation.trace) == sum(1 for _ in allocation.trace)
    sums: dict[tuple[int | None, int], Decimal] = defaultdict(D)
    for row in allocation.trace:
        sums[row.journal, row.journal_line] += signed(row)
        if row.journal is not None and row.journal_line:
            line = allocation.journals[row.journal].lines[row.journal_line - 1]
            assert (line.main_account, line.dimensions) == (row.main_account, row.dimensions)
    assert sums.pop((None, 0), D(0)) == 0
    for position, journal in enumerate(allocation.journals):
        assert sums.pop((position, 0), D(0)) == 0
        for line in journal.lines:
            assert sums.pop((position, line.number)) == line.debit - line.credit
        if journal.kind != JournalKind.REVERSAL:
            order = [(line.credit > 0, line.main_account, line.dimensions) for line in journal.lines]
            assert order == sorted(order)
    assert not sums


# The same bytes (I5)


@settings(max_examples=40, deadline=None)
@given(allocations(), st.randoms())
def test_the_same_run_and_rules_give_the_same_bytes_in_any_order(run: Run, random) -> None:
    def shuffled(items: tuple) -> tuple:
        return tuple(random.sample(items, len(items)))

    header, rules = run
    first = allocated(run)
    again = allocate(
        replace(header, lines=shuffled(header.lines)),
        replace(
            rules,
            rules=shuffled(tuple(replace(r, debit=shuffled(r.debit), credit=shuffled(r.credit)) for r in rules.rules)),
            crosswalk=shuffled(rules.crosswalk),
        ),
    )
    assert [journal.canonical() for journal in first.journals] == [journal.canonical() for journal in again.journals]
    assert repr(first) == repr(again)


@settings(max_examples=25, deadline=None)
@given(allocations(), st.data())
def test_problems_are_the_same_in_any_order_and_leave_no_journal(run: Run, data) -> None:
    """Taking rules and crosswalk rows away makes gaps, and nothing is posted around them."""
    header, rules = run
    kept = tuple(rule for rule in rules.rules if data.draw(st.booleans()))
    crosswalk = tuple(entry for entry in rules.crosswalk if data.draw(st.booleans()))
    incomplete = replace(rules, rules=kept, crosswalk=crosswalk)
    first = allocate(header, incomplete)
    again = allocate(
        replace(header, lines=header.lines[::-1]), replace(incomplete, rules=kept[::-1], crosswalk=crosswalk[::-1])
    )
    assert repr(first) == repr(again)
    assert not (first.problems and (first.journals or first.trace))
    needed = {line.kind for line in header.lines if line.amount and SIDES[line.kind]} - {LineKind.NET_PAY}
    if needed - {rule.kind for rule in kept}:
        assert "gap" in {problem.kind for problem in first.problems}


@settings(max_examples=25, deadline=None)
@given(allocations(), st.integers(1, 99))
def test_another_life_of_a_run_has_other_keys_and_nothing_else_changes(run: Run, sequence: int) -> None:
    header, rules = run
    one, two = (allocated((replace(header, sequence=each), rules)).journals for each in (sequence, 100 - sequence or 1))
    if sequence != 50:
        assert not {journal.posting_key for journal in one} & {journal.posting_key for journal in two}
    plain: Callable[[Journal], Journal] = lambda journal: replace(journal, posting_key="", sequence=1, reverses="")  # noqa: E731
    assert [plain(journal) for journal in one] == [plain(journal) for journal in two]


# T10: together the journals of a run are its payroll


@settings(max_examples=60, deadline=None)
@given(allocations())
def test_what_stands_after_all_journals_is_what_one_payroll_journal_leaves(run: Run) -> None:
    """Against a second allocation with one PAYROLL journal per company code: every account, every dimension."""
    allocation = allocated(run)
    assert check_together(allocation.journals, allocation.trace.blocks) == ()
    one = allocated(under(run, journals=Journals.PAYROLL, straddle=Straddle.NONE))
    assert {journal.kind for journal in one.journals} <= {JournalKind.PAYROLL}
    assert books(allocation.journals) == books(one.journals)


@settings(max_examples=30, deadline=None)
@given(allocations(journals=Journals.ACCRUAL_SETTLEMENT))
def test_what_waits_on_an_accrual_account_is_settled_to_the_cent(run: Run) -> None:
    header, rules = run
    allocation = allocated(run)
    waiting: dict[Place, Decimal] = defaultdict(D)
    kinds = Counter(journal.kind for journal in allocation.journals)
    for row in allocation.trace:
        if row.leg == LegKind.INTERIM:
            waiting[row.company_code, row.main_account, row.dimensions] += signed(row)
        if row.leg == LegKind.INTERIM and row.journal is not None and row.rule:
            assert row.main_account in {"2120", "2130", rules.policy.accrual_account}
    assert not any(waiting.values())
    assert kinds[JournalKind.REVERSAL] == 0
    if header.period_end is None:
        assert set(kinds) <= {JournalKind.PAYROLL}
        return
    assert kinds[JournalKind.PAYROLL] == 0
    dates = defaultdict(set)
    for journal in allocation.journals:
        dates[journal.kind].add(journal.posting_date)
    assert len(dates[JournalKind.SETTLEMENT]) <= 1
    for settled in dates[JournalKind.SETTLEMENT]:
        assert all(accrued <= settled for accrued in dates[JournalKind.ACCRUAL])
        assert settled in (header.check_date, header.debit_date)


@settings(max_examples=40, deadline=None)
@given(allocations(journals=Journals.PAYROLL, straddle=Straddle.CALENDAR_DAYS, straddle_off_cycle=True))
def test_an_accrual_is_the_share_of_the_days_and_undone_on_the_first_day_after(run: Run) -> None:
    header, _ = run
    allocation = allocated(run)
    by_key = {journal.posting_key: journal for journal in allocation.journals}
    payments = [journal.posting_date for journal in allocation.journals if journal.kind == JournalKind.PAYROLL]
    costs = {line.number for line in header.lines if line.kind in COSTS_OF_WORK}
    reversed_keys = set()
    for position, journal in enumerate(allocation.journals):
        if journal.kind == JournalKind.REVERSAL:
            accrual = by_key[journal.reverses]
            reversed_keys.add(accrual.posting_key)
            assert journal.posting_date == accrual.posting_date + timedelta(days=1)
            assert [(line.main_account, line.dimensions, line.credit, line.debit) for line in journal.lines] == [
                (line.main_account, line.dimensions, line.debit, line.credit) for line in accrual.lines
            ]
            assert journal.sequence == accrual.sequence
        if journal.kind != JournalKind.ACCRUAL:
            continue
        assert header.period_start is not None
        assert header.period_end is not None
        assert (journal.posting_date + timedelta(days=1)).day == 1
        assert header.period_start <= journal.posting_date
        assert all(journal.posting_date < payment.replace(day=1) for payment in payments)
        days = (header.period_end - header.period_start).days + 1
        worked = min((journal.posting_date - header.period_start).days + 1, days)
        rows = allocation.trace.of_journal(position)
        parts: dict[int, list[Decimal]] = defaultdict(list)
        for row in rows:
            assert row.line in costs
            if row.side == Side.DEBIT:
                parts[row.line].append(row.amount)
        for number, amounts in parts.items():
            whole = sum(
                (row.amount for row in allocation.trace if natural_debit(row, number, journal.company_code)), D(0)
            )
            exact = Fraction(whole) * worked / days
            # A leg is a part of a line, by job and target; each is off by less than a cent.
            legs = 9
            assert abs(Fraction(sum(amounts)) - exact) < Fraction(legs, 100)
            assert abs(sum(amounts)) <= abs(whole)
    assert {journal.posting_key for journal in allocation.journals if journal.kind == JournalKind.ACCRUAL} == (
        reversed_keys
    )


def natural_debit(row: TraceRow, line: int, company_code: str) -> bool:
    return (row.line, row.leg, row.side, row.company_code) == (line, LegKind.NATURAL, Side.DEBIT, company_code)


@settings(max_examples=25, deadline=None)
@given(allocations())
def test_nothing_is_accrued_where_nothing_crosses_a_month_end(run: Run) -> None:
    header, rules = run
    kinds = {journal.kind for journal in allocated(run).journals}
    start, first = header.period_start, date(header.check_date.year, header.check_date.month, 1)
    crosses = start is not None and start < first
    if rules.policy.journals == Journals.PAYROLL and not (crosses and straddles(header, rules.policy)):
        # The debit date may lie in the month before the check date: then there is still less to accrue.
        assert kinds <= {JournalKind.PAYROLL}


# One paymaster


@settings(max_examples=40, deadline=None)
@given(allocations(credits="paymaster"))
def test_every_credit_stays_with_the_paymaster_and_what_is_owed_is_due(run: Run) -> None:
    header, rules = run
    policy = rules.policy
    kinds = {line.number: line.kind for line in header.lines}
    allocation = allocated(run)
    owed: dict[str, Decimal] = defaultdict(D)
    for row in allocation.trace:
        if row.leg == LegKind.INTERCOMPANY:
            owed["payer" if row.company_code == policy.paying_company_code else "others"] += signed(row)
            assert row.dimensions == () or row.dimensions[0][0] == policy.affiliate_dimension
        elif row.side == Side.CREDIT and row.leg == LegKind.NATURAL and SIDES[kinds[row.line]]:
            assert row.company_code == policy.paying_company_code
    assert owed["payer"] == -owed["others"]


# Finer lines are the same amounts


@settings(max_examples=30, deadline=None)
@given(allocations())
def test_lines_per_department_or_employee_add_up_to_the_summary(run: Run) -> None:
    finest = allocated(run)
    coarse = allocated(
        under(run, lines=Lines.SUMMARY, clearing_detail=False, line_text="", header_text=run[1].policy.header_text)
    )
    assert [journal.posting_key for journal in finest.journals] == [journal.posting_key for journal in coarse.journals]
    for fine, summary in zip(finest.journals, coarse.journals, strict=True):
        assert books([fine]) == books([summary])
        assert len(fine.lines) >= len(books([summary]))
    assert (finest.warnings != ()) == (run[1].policy.lines == Lines.EMPLOYEE)
