"""Which child support Gusto pays over to the agency, and which the employer does. Pure.

The payroll does not say it line by line; `totals.child_support_debit` says how much Gusto took from the bank for it
(accounting.md 13). So the orders are matched against that total, and what cannot be told is not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gusto.roster import CHILD_SUPPORT_NOT_REMITTED

#: Sums that are kept in view while a fitting set of orders is looked for; with more, no answer is given.
SUMS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Order:
    """One child support deduction of one person."""

    line: int
    """Its position among the payroll lines."""
    cents: int
    nature: str
    """A nature of `gusto.roster`."""


def remitted_by_gusto(orders: Sequence[Order], debited_cents: int) -> frozenset[int] | None:
    """The lines whose orders Gusto pays. None where no set of orders adds up to what it debited, or several do.

    Tried in this order: all; none, where nothing was debited; all but those to agencies that Gusto does not pay; the
    one set that fits.
    """
    if sum(order.cents for order in orders) == debited_cents:
        return frozenset(order.line for order in orders)
    if debited_cents == 0:
        return frozenset()
    payable = [order for order in orders if order.nature != CHILD_SUPPORT_NOT_REMITTED]
    if sum(order.cents for order in payable) == debited_cents:
        return frozenset(order.line for order in payable)
    return _only_set(payable, debited_cents)


def _only_set(orders: Sequence[Order], cents: int) -> frozenset[int] | None:
    """The one set of orders with this sum. Sums that can be reached in more than one way lead nowhere."""
    ways: dict[int, frozenset[int] | None] = {0: frozenset()}
    for order in orders:
        reached = dict(ways)
        for total, lines in ways.items():
            more = total + order.cents
            reached[more] = None if more in ways or lines is None else lines | {order.line}
        if len(reached) > SUMS_MAX:
            return None
        ways = reached
    return ways.get(cents)
