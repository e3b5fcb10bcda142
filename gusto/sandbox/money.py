"""Amounts inside the generator: whole cents as integers, written as Gusto writes them. No float, no rounding twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def text(cents: int) -> str:
    """`-92` as "-0.92"."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def cents(amount: Any) -> int:
    """An amount of a document (text or number) as cents; null is nothing."""
    if amount is None:
        return 0
    exact = Decimal(amount) * 100
    whole = int(exact)
    assert whole == exact, "the sandbox writes whole cents only"
    return whole


def number(amount: str) -> Decimal:
    """The JSON number that Gusto sends in the fields it did not turn into strings: no surplus zero ("12.50" is 12.5)."""
    short = amount.rstrip("0")
    return Decimal(f"{short}0" if short.endswith(".") else short)


def hours(thousandths: int) -> str:
    """`7250` as "7.250"."""
    sign = "-" if thousandths < 0 else ""
    return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"


def per_million(amount_cents: int, rate: int) -> int:
    """`rate` millionths of an amount, half a cent away from zero."""
    product = abs(amount_cents) * rate
    rounded = (abs(product) + 500_000) // 1_000_000
    return rounded if (amount_cents < 0) == (rate < 0) else -rounded


def wage(thousandths: int, rate_cents: int, tenths: int) -> int:
    """Hours x hourly rate x multiplier (in tenths), half up, in cents."""
    return (thousandths * rate_cents * tenths * 2 + 10_000) // 20_000
