"""A journal as rows of a page, frozen or only tried: by main account, by a dimension or as they are, with the names that the ledger gives
to accounts and dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Protocol

from django.db.models import Q

from erp.models import Posting
from mappings.journal import ZERO
from mappings.models import DimensionValue, MainAccount

#: Ways to group besides the journal's dimensions: by main account, which is how it was built, or not at all.
BY_ACCOUNT = "account"
NOT_GROUPED = "none"


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One line. `values` has one text per dimension of the journal, empty where the line has none."""

    number: int
    main_account: str
    account: str
    """The main account with its name."""
    text: str
    values: tuple[str, ...]
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class JournalGroup:
    """Lines that stand together, in the journal's order. `head` is empty where nothing is grouped."""

    head: str
    rows: tuple[JournalRow, ...]

    @property
    def debit(self) -> Decimal:
        return sum((row.debit for row in self.rows), ZERO)

    @property
    def credit(self) -> Decimal:
        return sum((row.credit for row in self.rows), ZERO)


@dataclass(frozen=True, slots=True)
class JournalTable:
    """`dimensions` are the column heads, as the ERP calls them. `by` is what its rows are grouped by."""

    dimensions: tuple[str, ...]
    groups: tuple[JournalGroup, ...]
    by: str
    lines: int
    debit: Decimal
    credit: Decimal

    @property
    def residual(self) -> Decimal:
        return self.debit - self.credit

    @property
    def choices(self) -> list[tuple[str, str]]:
        """(what to group by, as the address says it; its word)."""
        return [(BY_ACCOUNT, "Account"), *((name, name) for name in self.dimensions), (NOT_GROUPED, "Not grouped")]


class Line(Protocol):
    """A journal line, kept or not: `PostingLine` and `mappings.journal.JournalLine` alike."""

    @property
    def number(self) -> int: ...
    @property
    def main_account(self) -> str: ...
    @property
    def dimensions(self) -> Iterable[tuple[str, str]]: ...
    @property
    def debit(self) -> Decimal: ...
    @property
    def credit(self) -> Decimal: ...
    @property
    def text(self) -> str: ...


def journal_table(posting: Posting, by: str = BY_ACCOUNT) -> JournalTable:
    """The table of a posting's frozen journal. Three queries at most, inside a scope."""
    return table_of_lines(list(posting.lines.all()), posting.connection_id, posting.company_code, by)


def table_of_lines(lines: Sequence[Line], connection_id: int, company_code: str, by: str = BY_ACCOUNT) -> JournalTable:
    """Two queries at most, inside a scope. Debits stand before credits, inside by main account, as the journal was built.

    `by`: one of `choices`; anything else groups by main account.
    """
    dimensions = tuple(sorted({name for line in lines for name, _ in line.dimensions}))
    accounts = _account_names(connection_id, company_code, lines)
    values = _value_names(connection_id, company_code, lines)

    def row(line: Line) -> JournalRow:
        mine = dict(line.dimensions)
        texts = (
            f"{mine[name]} {values.get((name, mine[name]), '')}".strip() if name in mine else "" for name in dimensions
        )
        account = f"{line.main_account} {accounts.get(line.main_account, '')}".strip()
        return JournalRow(line.number, line.main_account, account, line.text, tuple(texts), line.debit, line.credit)

    rows = [row(line) for line in lines]
    if by == NOT_GROUPED:
        groups = [JournalGroup("", tuple(rows))]
    elif by in dimensions:
        at = dimensions.index(by)
        # What carries no value of the dimension stands last.
        rows.sort(key=lambda each: (not each.values[at], each.values[at]))
        groups = [
            JournalGroup(value or f"No {by}", tuple(group))
            for value, group in groupby(rows, key=lambda each: each.values[at])
        ]
    else:
        by = BY_ACCOUNT
        groups = [
            JournalGroup(account, tuple(group))
            for (account, _), group in groupby(rows, key=lambda each: (each.account, each.debit > ZERO))
        ]
    debit = sum((line.debit for line in lines), ZERO)
    credit = sum((line.credit for line in lines), ZERO)
    return JournalTable(dimensions, tuple(groups), by, len(lines), debit, credit)


def _account_names(connection_id: int, company_code: str, lines: Sequence[Line]) -> dict[str, str]:
    found = MainAccount.objects.filter(
        connection_id=connection_id,
        company_code=company_code,
        number__in={line.main_account for line in lines},
    )
    return dict(found.values_list("number", "name"))


def _value_names(connection_id: int, company_code: str, lines: Sequence[Line]) -> dict[tuple[str, str], str]:
    """Values of the company code win over those that are shared by all."""
    wanted = {(name, value) for line in lines for name, value in line.dimensions}
    found = (
        DimensionValue.objects.filter(
            Q(company_code=company_code) | Q(company_code=""),
            connection_id=connection_id,
            dimension__in={name for name, _ in wanted},
            value__in={value for _, value in wanted},
        )
        .order_by("company_code")
        .values_list("dimension", "value", "name")
    )
    return {(dimension, value): name for dimension, value, name in found}
