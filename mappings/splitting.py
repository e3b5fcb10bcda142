"""Cent-exact splitting by largest remainder: how one amount becomes parts that add up to it.

Percentages of small amounts leave cents over (33/33/34 % of 10.02), and a journal with such a cent does not balance.
Everything here is done on whole cents with exact integers: no float, no rounded share, no setting of the caller's
decimal context has any influence (accounting.md 7).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Generic, TypeVar

Weight = int | Fraction | Decimal

#: Moving the decimal point must never round, whatever precision the caller's own context has.
_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)

Key = TypeVar("Key")


def to_cents(amount: Decimal) -> int:
    """The amount in whole cents.

    Raises ValueError where that would round (1.002), and for what is no number (NaN, Infinity).
    """
    try:
        numerator, denominator = amount.as_integer_ratio()
    except (ValueError, OverflowError):
        raise ValueError("an amount must be a finite number") from None
    cents, remainder = divmod(numerator * 100, denominator)
    if remainder:
        raise ValueError("an amount has more than two decimals")
    return cents


def from_cents(cents: int) -> Decimal:
    """The amount with exactly two decimals."""
    return _EXACT.scaleb(cents, -2)


def whole_weights(weights: Sequence[Weight]) -> tuple[int, ...]:
    """The same proportions in whole numbers: 33.33, 33.33, 33.34 become 3333, 3333, 3334 or a multiple of them.

    Raises TypeError for a float, ValueError for a negative weight and where no weight is above zero.
    """
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | Fraction | Decimal):
            raise TypeError("a weight must be an int, a Fraction or a Decimal")
        if isinstance(weight, Decimal) and not weight.is_finite():
            raise ValueError("a weight must be a finite number")
    fractions = [Fraction(weight) for weight in weights]
    if any(fraction < 0 for fraction in fractions):
        raise ValueError("a weight must not be negative")
    if not any(fractions):
        raise ValueError("at least one weight must be above zero")
    denominator = math.lcm(*(fraction.denominator for fraction in fractions))
    return tuple(int(fraction * denominator) for fraction in fractions)


def split_cents(cents: int, weights: Sequence[int]) -> list[int]:
    """Whole cents in proportion to whole weights, none negative, at least one above zero.

    Every part is its exact share rounded down; the cents still missing go one each to the largest remainders, ties to
    the lower position. The sign is put back on every part, so that a correction mirrors the payment to the cent.
    """
    total = sum(weights)
    sign = -1 if cents < 0 else 1
    shares = [divmod(abs(cents) * weight, total) for weight in weights]
    parts = [floor for floor, _ in shares]
    missing = abs(cents) - sum(parts)
    if missing:
        by_remainder = sorted(range(len(parts)), key=lambda position: (-shares[position][1], position))
        for position in by_remainder[:missing]:
            parts[position] += 1
    return [sign * part for part in parts]


@dataclass(frozen=True, slots=True)
class Shares(Generic[Key]):
    """Where amounts go, by position, and in which proportion: whole weights as for `split_cents`."""

    keys: tuple[Key, ...]
    weights: tuple[int, ...]

    def parts(self, cents: int) -> Sequence[tuple[Key, int]]:
        """Every key with its part; none with a part of zero."""
        if len(self.keys) == 1:
            return ((self.keys[0], cents),)
        return [(key, part) for key, part in zip(self.keys, split_cents(cents, self.weights), strict=True) if part]


def split(amount: Decimal, weights: Sequence[Weight]) -> list[Decimal]:
    """The amount in parts with two decimals, one per weight, in proportion to the weights.

    The parts add up to the amount exactly, each lies within one cent of its exact share, and split(-x) = -split(x). The
    position of a weight decides a tie, so give them in an order that means something, never in the order of a file.
    Raises ValueError for an amount with more than two decimals, a negative weight, or no weight above zero.
    """
    return [from_cents(part) for part in split_cents(to_cents(amount), whole_weights(weights))]
