"""A frozen journal as rows of a page: by main account, with the names that the ledger gives to accounts and dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from django.db.models import Q

from erp.models import Posting, PostingLine
from mappings.journal import ZERO
from mappings.models import DimensionValue, MainAccount


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One line. `values` has one text per dimension of the journal, empty where the line has none."""

    number: int
    text: str
    values: tuple[str, ...]
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class AccountRows:
    """The lines of one main account on one side, in the journal's order."""

    main_account: str
    name: str
    rows: tuple[JournalRow, ...]

    @property
    def debit(self) -> Decimal:
        return sum((row.debit for row in self.rows), ZERO)

    @property
    def credit(self) -> Decimal:
        return sum((row.credit for row in self.rows), ZERO)


@dataclass(frozen=True, slots=True)
class JournalTable:
    """`dimensions` are the column heads, as the ERP calls them."""

    dimensions: tuple[str, ...]
    accounts: tuple[AccountRows, ...]
    lines: int
    debit: Decimal
    credit: Decimal

    @property
    def residual(self) -> Decimal:
        return self.debit - self.credit


def journal_table(posting: Posting) -> JournalTable:
    """Four queries at most, inside a scope. Debits stand before credits, inside by main account, as the journal was built."""
    lines = list(posting.lines.all())
    dimensions = tuple(sorted({name for line in lines for name, _ in line.dimensions}))
    accounts = _account_names(posting, lines)
    values = _value_names(posting, lines)

    def row(line: PostingLine) -> JournalRow:
        mine = dict(line.dimensions)
        texts = (
            f"{mine[name]} {values.get((name, mine[name]), '')}".strip() if name in mine else "" for name in dimensions
        )
        return JournalRow(line.number, line.text, tuple(texts), line.debit, line.credit)

    grouped = [
        AccountRows(number, accounts.get(number, ""), tuple(row(line) for line in group))
        for (number, _), group in groupby(lines, key=lambda line: (line.main_account, line.debit > ZERO))
    ]
    debit = sum((line.debit for line in lines), ZERO)
    credit = sum((line.credit for line in lines), ZERO)
    return JournalTable(dimensions, tuple(grouped), len(lines), debit, credit)


def _account_names(posting: Posting, lines: list[PostingLine]) -> dict[str, str]:
    found = MainAccount.objects.filter(
        connection_id=posting.connection_id,
        company_code=posting.company_code,
        number__in={line.main_account for line in lines},
    )
    return dict(found.values_list("number", "name"))


def _value_names(posting: Posting, lines: list[PostingLine]) -> dict[tuple[str, str], str]:
    """Values of the company code win over those that are shared by all."""
    wanted = {(name, value) for line in lines for name, value in line.dimensions}
    found = (
        DimensionValue.objects.filter(
            Q(company_code=posting.company_code) | Q(company_code=""),
            connection_id=posting.connection_id,
            dimension__in={name for name, _ in wanted},
            value__in={value for _, value in wanted},
        )
        .order_by("company_code")
        .values_list("dimension", "value", "name")
    )
    return {(dimension, value): name for dimension, value, name in found}
