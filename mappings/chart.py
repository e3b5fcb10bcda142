"""What the ledger knows, as far as checks need it: main accounts, dimensions and their values, fiscal periods.

Read once per run with a handful of queries and frozen, so that the checks themselves are pure and judge every line by
the same state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from mappings.models import Dimension, DimensionValue, FiscalPeriod, MainAccount
from tenants.credentials import declarations
from tenants.models import Connection


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """A main account of one company code. Dates are inclusive, None = open; no allowed dimensions given = any."""

    company_code: str
    number: str
    name: str = ""
    is_active: bool = True
    allows_manual_entry: bool = True
    valid_from: date | None = None
    valid_to: date | None = None
    allowed_dimensions: frozenset[str] | None = None
    required_dimensions: frozenset[str] = frozenset()
    requires_text: bool = False
    entry_note: str = ""
    """Why it takes no manual entry, as a clause behind “it”."""


@dataclass(frozen=True, slots=True)
class ChartValue:
    """A value of a dimension; an empty company code means that it holds in all of them."""

    company_code: str
    dimension: str
    value: str
    name: str = ""
    is_active: bool = True
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class ChartPeriod:
    """A fiscal period, both days inclusive."""

    company_code: str
    start_date: date
    end_date: date
    is_open: bool
    name: str = ""
    closed_note: str = ""
    """Why no journal can be entered in it, as a clause; empty where it is simply closed."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The reference data of one connection for some company codes.

    `on_date` is the day on which a mapping table is judged; a journal is judged on its own posting date. Names and
    numbers are compared exactly: how a ledger folds them is its own affair.
    """

    on_date: date
    accounts: Mapping[tuple[str, str], ChartAccount]
    """By company code and number."""
    dimensions: frozenset[str]
    values: Mapping[tuple[str, str, str], ChartValue]
    """By company code (or empty), dimension and value."""
    periods: tuple[ChartPeriod, ...] = ()

    @property
    def company_codes(self) -> frozenset[str]:
        """Company codes that have a main account at all."""
        return frozenset(company_code for company_code, _ in self.accounts)

    def account(self, company_code: str, number: str) -> ChartAccount | None:
        return self.accounts.get((company_code, number))

    def value(self, company_code: str, dimension: str, value: str) -> ChartValue | None:
        """The company code's own value before one that holds everywhere."""
        return self.values.get((company_code, dimension, value)) or self.values.get(("", dimension, value))

    def period(self, company_code: str, day: date) -> ChartPeriod | None:
        """The fiscal period of a day. A closing period overlaps the last month with a day or so: the longest counts."""
        found = [
            period
            for period in self.periods
            if period.company_code == company_code and period.start_date <= day <= period.end_date
        ]
        return max(found, key=lambda period: period.end_date - period.start_date, default=None)

    def next_open_date(self, company_code: str, day: date) -> date | None:
        """The first day after `day` that lies in an open fiscal period."""
        starts = [
            period.start_date
            for period in self.periods
            if period.company_code == company_code and period.is_open and period.start_date > day
        ]
        return min(starts, default=None)

    def closest_account(self, company_code: str, number: str) -> ChartAccount | None:
        """The account that was probably meant: the longest common beginning, then the greatest likeness. Only one that
        takes manual entries; None where the company code has none.
        """
        usable = {
            account.number: account
            for account in self.accounts.values()
            if account.company_code == company_code and account.is_active and account.allows_manual_entry
        }
        best = closest(number, usable)
        return usable[best] if best else None


def closest(text: str, candidates: Collection[str]) -> str:
    """The candidate with the longest common beginning, then the greatest likeness; empty where there is none."""
    return min(
        candidates,
        key=lambda other: (
            -_beginning(text, other),
            -SequenceMatcher(None, text, other, autojunk=False).ratio(),
            other,
        ),
        default="",
    )


def _beginning(text: str, other: str) -> int:
    """How many characters two texts have in common from the left."""
    return next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def chart_of(connection: Connection, company_codes: Collection[str], on_date: date) -> Chart:
    """Read the chart of a connection, inside a scope, in four queries."""
    codes = sorted(company_codes)
    accounts = MainAccount.objects.filter(connection=connection, company_code__in=codes)
    values = DimensionValue.objects.filter(connection=connection, company_code__in=["", *codes])
    periods = FiscalPeriod.objects.filter(connection=connection, company_code__in=codes).order_by("start_date")
    return Chart(
        on_date=on_date,
        accounts={
            (account.company_code, account.number): ChartAccount(
                company_code=account.company_code,
                number=account.number,
                name=account.name,
                is_active=account.is_active,
                allows_manual_entry=account.allows_manual_entry,
                valid_from=account.valid_from,
                valid_to=account.valid_to,
                allowed_dimensions=(
                    None if account.allowed_dimensions is None else frozenset(account.allowed_dimensions)
                ),
                required_dimensions=frozenset(account.required_dimensions),
                requires_text=account.requires_text,
                entry_note=account.entry_note,
            )
            for account in accounts
        },
        dimensions=frozenset(Dimension.objects.filter(connection=connection).values_list("name", flat=True)),
        values={
            (company_code, dimension, value): ChartValue(company_code, dimension, value, name, *rest)
            for company_code, dimension, value, name, *rest in values.values_list(
                "company_code", "dimension", "value", "name", "is_active", "valid_from", "valid_to"
            )
        },
        periods=tuple(
            ChartPeriod(
                period.company_code,
                period.start_date,
                period.end_date,
                period.is_open,
                period.name,
                period.closed_note,
            )
            for period in periods
        ),
    )


def has_reference(connection: Connection) -> bool:
    """Whether the reference data of a connection were ever read, inside a scope."""
    return MainAccount.objects.filter(connection=connection).exists()


def system_label(connection: Connection) -> str:
    """How people call the system behind a connection: "Dynamics 365 Finance & Operations"."""
    declared = declarations().get(connection.system)
    return declared.label if declared else connection.name
