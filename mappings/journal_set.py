"""What the journals of one run must be together, whatever the journal policy makes of them (T10 of accounting.md 10).

The legs of a payroll are the measure: however many journals they are spread over, each account ends where one PAYROLL
journal would have ended, accrual accounts end at 0.00, an accrual and its reversal undo one another, and what one company
code owes is what the other has to get.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from mappings.journal import ZERO, Journal, JournalKind, Problem, residual
from mappings.payroll import Side
from mappings.trace import Dimensions, LegKind, TraceRow

#: Company code, main account, dimensions.
Place = tuple[str, str, Dimensions]


def check_together(journals: Sequence[Journal], trace: Iterable[TraceRow]) -> tuple[Problem, ...]:
    """Every equation of T10 that the journals of a run do not hold, each with its difference; none = they do.

    `journals` and `trace` are those of one `Allocation`: what is checked is that lines and legs tell the same story.
    """
    natural: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    interim: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    owed = ZERO
    for row in trace:
        amount = row.amount if row.side == Side.DEBIT else -row.amount
        place = (row.company_code, row.main_account, row.dimensions)
        if row.leg == LegKind.NATURAL:
            natural[place] += amount
        elif row.leg == LegKind.INTERIM:
            interim[place] += amount
        elif row.leg == LegKind.INTERCOMPANY:
            natural[place] += amount
            owed += amount
    return (
        *residuals(journals),
        *_differences("payroll", "The journals of the run and its payroll differ by", _payroll(journals), natural),
        *_differences("accrual_account", "After the settlement there remain", interim, {}),
        *_reversals(journals),
        *([_problem("intercompany", f"Due-to and due-from entries differ by {abs(owed):,.2f}.")] if owed else []),
    )


def residuals(journals: Iterable[Journal]) -> tuple[Problem, ...]:
    """Every journal in which debits and credits are not the same."""
    return tuple(
        _problem(
            "residual",
            f"Debits and credits differ by {abs(residual(journal.lines)):,.2f} in company code {journal.company_code}. "
            "We do not send a journal that does not balance.",
            company_code=journal.company_code,
            amount=str(abs(residual(journal.lines))),
        )
        for journal in journals
        if residual(journal.lines)
    )


def _payroll(journals: Sequence[Journal]) -> Mapping[Place, Decimal]:
    """Debits less credits of what is not undone within the run."""
    undone = {journal.reverses for journal in journals if journal.kind == JournalKind.REVERSAL}
    standing = [
        journal for journal in journals if journal.kind != JournalKind.REVERSAL and journal.posting_key not in undone
    ]
    return _sums(standing)


def _sums(journals: Iterable[Journal]) -> dict[Place, Decimal]:
    sums: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for journal in journals:
        for line in journal.lines:
            sums[journal.company_code, line.main_account, line.dimensions] += line.debit - line.credit
    return sums


def _differences(
    kind: str, words: str, sums: Mapping[Place, Decimal], expected: Mapping[Place, Decimal]
) -> Iterable[Problem]:
    for place in sorted({*sums, *expected}):
        difference = abs(sums.get(place, ZERO) - expected.get(place, ZERO))
        if difference:
            company_code, account, dimensions = place
            where = " ".join([account, *(f"{name} {value}" for name, value in dimensions)])
            yield _problem(
                kind,
                f"{words} {difference:,.2f} on account {where} in company code {company_code}.",
                company_code=company_code,
                account=account,
                amount=str(difference),
            )


def _reversals(journals: Sequence[Journal]) -> Iterable[Problem]:
    by_key = {journal.posting_key: journal for journal in journals}
    for reversal in journals:
        if reversal.kind != JournalKind.REVERSAL:
            continue
        accrual = by_key.get(reversal.reverses)
        if accrual is None or accrual.posting_date >= reversal.posting_date:
            yield _problem("reversal", f"The reversal of {reversal.posting_date} undoes no accrual before it.")
            continue
        words = f"The accrual of {accrual.posting_date} and its reversal differ by"
        yield from _differences("reversal", words, _sums([accrual, reversal]), {})


def _problem(kind: str, sentence: str, **facts: str) -> Problem:
    return Problem("mapping", kind, f"{sentence} Nothing was sent.", tuple(facts.items()), page="mapping")
