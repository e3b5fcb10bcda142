"""Where every cent of a journal comes from: from a journal line back to payroll lines and to the rules that caught them.

A payroll of ten thousand people has a quarter of a million rows of trace. They are kept as what they were added up from,
the cents of payroll lines by rule and target, and become rows only as they are read.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, overload

from mappings.payroll import Side
from mappings.splitting import from_cents

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


class TraceSource(NamedTuple):
    """What one target of one rule brought to a journal line: cents by payroll line, in any number of portions.

    Parts of one payroll line that went apart by job and meet here again are one row.
    """

    leg: LegKind
    rule: str
    target: int
    portions: tuple[Mapping[int, int], ...]

    def cents(self) -> int:
        return sum(sum(portion.values()) for portion in self.portions)

    def by_line(self) -> Mapping[int, int]:
        """The cents of each payroll line over all portions."""
        if len(self.portions) == 1:
            return self.portions[0]
        amounts: dict[int, int] = {}
        for portion in self.portions:
            for line, cents in portion.items():
                amounts[line] = amounts.get(line, 0) + cents
        return amounts


class TraceBlock(NamedTuple):
    """The trace of one journal line, or of an account that adds up to 0.00 and makes none; fields as in `TraceRow`."""

    journal: int | None
    company_code: str
    main_account: str
    dimensions: Dimensions
    side: Side
    journal_line: int
    sources: tuple[TraceSource, ...]

    def cents(self, leg: LegKind) -> int:
        """The sum of one kind of legs, signed, positive = a debit."""
        cents = sum(source.cents() for source in self.sources if source.leg == leg)
        return cents if self.side == Side.DEBIT else -cents

    def rows(self, amounts: Mapping[int, Decimal]) -> list[TraceRow]:
        """One row per payroll line, kind of leg, rule and target, in this order; `amounts` gives the amount of cents."""
        journal, code, account, dimensions, side, number, sources = self
        rows: list[TraceRow] = []
        for source in sorted(sources, key=_BY_RULE):
            leg, rule, target, _ = source
            rows += [
                _row((journal, code, account, dimensions, side, leg, line, rule, target, amounts[cents], number))
                for line, cents in source.by_line().items()
            ]
        rows.sort(key=_BY_LINE)
        return rows

    def contra(self, journal: int) -> TraceBlock:
        """The same in the journal that reverses this one: on the other side, under the same line number."""
        other = Side.CREDIT if self.side == Side.DEBIT else Side.DEBIT
        sources = tuple(source._replace(leg=LegKind.CONTRA) for source in self.sources)
        return self._replace(journal=journal, side=other, sources=sources)


class Trace(Sequence[TraceRow]):
    """The rows of an allocation, block after block; reads like a tuple of them."""

    __slots__ = ("blocks",)

    def __init__(self, blocks: Iterable[TraceBlock] = ()) -> None:
        self.blocks = tuple(blocks)

    def of_journal(self, journal: int | None) -> Trace:
        """The rows of the journal at this position."""
        return Trace(block for block in self.blocks if block.journal == journal)

    def __iter__(self) -> Iterator[TraceRow]:
        amounts = _Amounts()
        for block in self.blocks:
            yield from block.rows(amounts)

    def __len__(self) -> int:
        return sum(len(source.by_line()) for block in self.blocks for source in block.sources)

    @overload
    def __getitem__(self, index: int) -> TraceRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TraceRow]: ...

    def __getitem__(self, index: int | slice) -> TraceRow | Sequence[TraceRow]:
        if isinstance(index, slice) or index < 0:
            return tuple(self)[index]
        try:
            return next(islice(self, index, None))
        except StopIteration:
            raise IndexError(index) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class _Amounts(dict[int, Decimal]):
    """Cents as amounts. The same one stands on two sides, in a journal and in its reversal: it is made once."""

    def __missing__(self, cents: int) -> Decimal:
        amount = self[cents] = from_cents(cents)
        return amount


#: Builds a row from its fields without a call of Python code.
_row = partial(tuple.__new__, TraceRow)
_BY_RULE = attrgetter("leg", "rule", "target")
_BY_LINE = attrgetter("line")
