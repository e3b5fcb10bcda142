"""What a change of the mapping does in money, as rows of a page: what changes first, all the rest in one row, the totals.

Whoever may not see the pay of a single person gets no row that would give it away (`pay_privacy`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mappings.journal import ZERO
from mappings.models import DimensionValue, MainAccount
from mappings.pay_privacy import Sum, hidden_rows
from mappings.payroll import PayrollHeader
from mappings.preview import NO_RULE, NO_VALUE, MoneyDifference, MoneyRow, lines_of_run, money_difference
from mappings.table import Table
from tenants.models import LegalEntity


class Names:
    """Names of accounts and of values of dimensions in the ledger of a legal entity, read in two queries."""

    def __init__(self, entity: LegalEntity, accounts: Collection[str], values: Collection[str]) -> None:
        self._accounts: dict[str, str] = {}
        self._values: dict[tuple[str, str], str] = {}
        connection = entity.erp_connection_id
        if connection is None:
            return
        found = MainAccount.objects.filter(connection_id=connection, number__in=set(accounts))
        for number, name, code in found.values_list("number", "name", "company_code"):
            if name and (number not in self._accounts or code == entity.company_code):
                self._accounts[number] = name
        of_values = DimensionValue.objects.filter(connection_id=connection, value__in=set(values))
        for dimension, value, name in of_values.values_list("dimension", "value", "name"):
            self._values[dimension, value] = name

    def account(self, number: str) -> str:
        """`6000 Wages and salaries`."""
        return f"{number} {self._accounts.get(number, '')}".strip()

    def value(self, dimension: str, value: str) -> str:
        """`210 Consulting`."""
        return f"{value} {self._values.get((dimension, value), '')}".strip()

    def dimensions(self, pairs: Iterable[tuple[str, str]]) -> str:
        """`CostCenter 210 Consulting, Project P1`; a look-up as `CostCenter from department`."""
        return ", ".join(
            f"{name} from {value[1:]}" if value.startswith("@") else f"{name} {self.value(name, value)}"
            for name, value in pairs
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One row: debits positive, credits negative. The amounts are None where this person may not see them, or where a
    table could not be applied.
    """

    account: str
    dimensions: str = ""
    company_code: str = ""
    before: Decimal | None = None
    after: Decimal | None = None
    is_uncaught: bool = False
    is_hidden: bool = False

    @property
    def difference(self) -> Decimal | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """The rows that change, the sum of the debits that do not, all debits, and the residual of both journals."""

    money: MoneyDifference
    lines: tuple[Line, ...]
    unchanged: Line
    debits: Line
    residual: Line
    header: PayrollHeader
    headers: tuple[PayrollHeader, ...]
    """The runs that can be chosen, the newest first."""
    has_company_codes: bool
    """Whether rows tell company codes apart."""

    @property
    def is_changed(self) -> bool:
        return bool(self.lines)


def money_table(
    entity: LegalEntity, before: Table | None, after: Table, run: str, *, may_see_pay: bool
) -> MoneyTable | None:
    """What two tables do to one payroll run of a legal entity: that of the payroll uuid `run`, else the last. None where no
    payroll was read yet. Inside a scope.
    """
    headers = lines_of_run(entity)
    if not headers:
        return None
    header = next((each for each in headers if each.payroll_uuid == run), headers[0])
    money = money_difference(before, after, [header])
    names = Names(
        entity,
        {row.main_account for row in money.rows},
        {value for row in money.rows for _, value in row.dimensions},
    )
    changed, unchanged = _ordered(money.changed), money.unchanged
    rest = (_debits(unchanged, "before"), _people(unchanged))
    hidden = hidden_rows([*(row.sums for row in changed), (Sum(*rest), Sum(*rest), Sum(ZERO))], may_see_pay)
    codes = {row.company_code for row in money.rows}
    return MoneyTable(
        money=money,
        lines=tuple(_line(row, names, is_hidden=at in hidden) for at, row in enumerate(changed)),
        unchanged=_total("All other accounts, unchanged", unchanged, money, is_hidden=len(changed) in hidden),
        debits=_total("Total debits", money.rows, money, is_hidden=_is_one_persons(money.rows, may_see_pay)),
        residual=Line(
            "Residual, debits minus credits",
            before=_sum(money.rows, "before") if money.is_before_known else None,
            after=_sum(money.rows, "after") if money.is_after_known else None,
        ),
        header=header,
        headers=headers,
        has_company_codes=codes != {entity.company_code},
    )


def _ordered(rows: Iterable[MoneyRow]) -> list[MoneyRow]:
    """Debits before credits, what no rule catches last of each."""
    return sorted(
        rows,
        key=lambda row: (
            row.is_uncaught,
            (row.after or row.before or ZERO) < ZERO,
            row.company_code,
            row.main_account,
            row.dimensions,
        ),
    )


def _line(row: MoneyRow, names: Names, *, is_hidden: bool) -> Line:
    account = names.account(row.main_account)
    if row.is_uncaught:
        side = next(side for side, name in NO_RULE.items() if name == row.main_account)
        account = f"Caught by no rule, {side}"
    pairs = [(name, "no value" if value == NO_VALUE else value) for name, value in row.dimensions]
    return Line(
        account=account,
        dimensions=names.dimensions(pairs),
        company_code=row.company_code,
        before=None if is_hidden else row.before,
        after=None if is_hidden else row.after,
        is_uncaught=row.is_uncaught,
        is_hidden=is_hidden,
    )


def _total(words: str, rows: Sequence[MoneyRow], money: MoneyDifference, *, is_hidden: bool) -> Line:
    return Line(
        words,
        before=_debits(rows, "before") if money.is_before_known and not is_hidden else None,
        after=_debits(rows, "after") if money.is_after_known and not is_hidden else None,
        is_hidden=is_hidden,
    )


def _sum(rows: Iterable[MoneyRow], which: str) -> Decimal:
    return sum((getattr(row, which) or ZERO for row in rows), ZERO)


def _debits(rows: Iterable[MoneyRow], which: str) -> Decimal:
    return sum((max(getattr(row, which) or ZERO, ZERO) for row in rows), ZERO)


def _people(rows: Iterable[MoneyRow]) -> frozenset[str]:
    return frozenset[str]().union(*(row.before_people | row.after_people for row in rows))


def _is_one_persons(rows: Sequence[MoneyRow], may_see_pay: bool) -> bool:
    return not may_see_pay and len(_people(rows)) == 1
