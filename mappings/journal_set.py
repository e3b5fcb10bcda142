"""What the journals of one run must be together, whatever the journal policy makes of them (T10 of accounting.md 10).

The legs of a payroll are the measure: however many journals they are spread over, each account ends where one PAYROLL
journal would have ended, accrual accounts end at 0.00, an accrual and its reversal undo one another, and what one company
code owes is what the other has to get.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from mappings.journal import Journal, JournalKind, Problem, residual
from mappings.splitting import from_cents, to_cents
from mappings.trace import Dimensions, LegKind, TraceBlock

#: Company code, main account, dimensions.
Place = tuple[str, str, Dimensions]


def check_together(journals: Sequence[Journal], trace: Iterable[TraceBlock]) -> tuple[Problem, ...]:
    """Every equation of T10 that the journals of a run do not hold, each with its difference; none = they do.

    `journals` and `trace` (its blocks) are those of one `Allocation`: what is checked is that lines and legs tell the
    same story.
    """
    natural: dict[Place, int] = defaultdict(int)
    interim: dict[Place, int] = defaultdict(int)
    owed = 0
    for block in trace:
        place = (block.company_code, block.main_account, block.dimensions)
        between = block.cents(LegKind.INTERCOMPANY)
        natural[place] += block.cents(LegKind.NATURAL) + between
        interim[place] += block.cents(LegKind.INTERIM)
        owed += between
    return (
        *_residuals(journals),
        *_differences("payroll", "The journals of the run and its payroll differ by", _payroll(journals), natural),
        *_differences("accrual_account", "After the settlement there remain", interim, {}),
        *_reversals(journals),
        *([_problem("intercompany", f"Due-to and due-from entries differ by {_words(owed)}.")] if owed else []),
    )


def _residuals(journals: Iterable[Journal]) -> Iterable[Problem]:
    for journal in journals:
        if difference := abs(residual(journal.lines)):
            yield _problem(
                "residual",
                f"Debits and credits differ by {difference:,.2f} in company code {journal.company_code}. "
                "We do not send a journal that does not balance.",
                company_code=journal.company_code,
                amount=str(difference),
            )


def _payroll(journals: Sequence[Journal]) -> Mapping[Place, int]:
    """Debits less credits of what is not undone within the run."""
    undone = {journal.reverses for journal in journals if journal.kind == JournalKind.REVERSAL}
    standing = [
        journal for journal in journals if journal.kind != JournalKind.REVERSAL and journal.posting_key not in undone
    ]
    return _sums(standing)


def _sums(journals: Iterable[Journal]) -> dict[Place, int]:
    """Debits less credits in cents."""
    sums: dict[Place, int] = defaultdict(int)
    for journal in journals:
        for line in journal.lines:
            sums[journal.company_code, line.main_account, line.dimensions] += to_cents(line.debit - line.credit)
    return sums


def _differences(kind: str, words: str, sums: Mapping[Place, int], expected: Mapping[Place, int]) -> Iterable[Problem]:
    for place in sorted({*sums, *expected}):
        difference = sums.get(place, 0) - expected.get(place, 0)
        if difference:
            company_code, account, dimensions = place
            where = " ".join([account, *(f"{name} {value}" for name, value in dimensions)])
            yield _problem(
                kind,
                f"{words} {_words(difference)} on account {where} in company code {company_code}.",
                company_code=company_code,
                account=account,
                amount=str(from_cents(abs(difference))),
            )


def _reversals(journals: Sequence[Journal]) -> Iterable[Problem]:
    by_key = {journal.posting_key: journal for journal in journals}
    for reversal in journals:
        if reversal.kind != JournalKind.REVERSAL:
            continue
        accrual = by_key.get(reversal.reverses)
        if accrual is None or accrual.posting_date >= reversal.posting_date:
            yield _problem(
                "reversal", f"The reversal of {reversal.posting_date:%-d %b %Y} undoes no accrual before it."
            )
            continue
        words = f"The accrual of {accrual.posting_date:%-d %b %Y} and its reversal differ by"
        yield from _differences("reversal", words, _sums([accrual, reversal]), {})


def _words(cents: int) -> str:
    return f"{from_cents(abs(cents)):,.2f}"


def _problem(kind: str, sentence: str, **facts: str) -> Problem:
    return Problem("mapping", kind, f"{sentence} Nothing was sent.", tuple(facts.items()), page="mapping")
