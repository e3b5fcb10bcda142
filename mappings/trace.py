"""Where every cent of a journal comes from: from a journal line back to payroll lines and to the rules that caught them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from mappings.payroll import Side

Dimensions = tuple[tuple[str, str], ...]


class LegKind(enum.StrEnum):
    """Why an amount of a payroll line stands where it stands.

    The natural legs of a run are its payroll lines, each once on every natural side, whatever the journal policy: sums
    that compare a run with its payroll are sums of natural legs.
    """

    NATURAL = "natural"
    """The line itself."""
    INTERIM = "interim"
    """In and out of an accrual account, between the accrual and the settlement of a run."""
    ACCRUED = "accrued"
    """The share of a cost that belongs to a fiscal period before that of the payroll."""
    INTERCOMPANY = "intercompany"
    """What one company code owes the one that paid. No payroll line stands behind it."""
    CONTRA = "contra"
    """The reversal of a journal."""


class TraceRow(NamedTuple):
    """How much of one payroll line stands in one journal line, and by which target of which rule.

    `journal` is a position in `Allocation.journals`, None where a whole company code adds up to 0.00 and makes none.
    `journal_line` is the number of the journal line, 0 where the rows of an account add up to 0.00 and make none. `side`
    is the natural one and `amount` signed: a negative sum turns the side of the journal line, not that of its rows. What
    one company code owes another has no payroll line and no rule: `line` and `target` are 0 there, `rule` is empty.
    """

    journal: int | None
    company_code: str
    main_account: str
    dimensions: Dimensions
    side: Side
    leg: LegKind
    line: int
    rule: str
    target: int
    amount: Decimal
    journal_line: int


_OTHER = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}


def contra_rows(rows: Iterable[TraceRow], journal: int) -> tuple[TraceRow, ...]:
    """The trace of a reversal: the rows of the reversed journal on the other side, under the reversal's position."""
    return tuple(row._replace(journal=journal, side=_OTHER[row.side], leg=LegKind.CONTRA) for row in rows)
