"""Which sums of a payroll may be shown to somebody who may not see the pay of a single person.

A sum over people is shown to everybody; a component that only one person has is that person's pay. A total gives away
what is hidden in it if the people behind are one person, so that something else is hidden with it then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mappings.journal import ZERO


@dataclass(frozen=True, slots=True)
class Sum:
    """An amount and the employees behind it; nobody for what the company itself owes."""

    amount: Decimal
    people: frozenset[str] = frozenset()

    @property
    def reveals_pay(self) -> bool:
        """Whether it is the pay of one person."""
        return len(self.people) == 1 and self.amount != ZERO

    def shown(self, may_see_pay: bool) -> Decimal | None:
        """The amount, or None where this person may not see it."""
        return self.amount if may_see_pay or not self.reveals_pay else None


def total_of(sums: Iterable[Sum], may_see_pay: bool) -> Decimal | None:
    """The total of sums that are shown one by one beside it; None where it would give away the pay of one person."""
    found = list(sums)
    hidden = [each for each in found if each.shown(may_see_pay) is None]
    people = frozenset[str]().union(*(each.people for each in hidden))
    if len(people) == 1:
        return None
    return sum((each.amount for each in found), ZERO)


def hidden_rows(rows: Sequence[Collection[Sum]], may_see_pay: bool) -> set[int]:
    """Positions of rows whose sums are not shown, where the total of each column is known to be 0.00.

    A row is hidden whole, because its sums follow from one another. Where the rest of a column would still give the
    pay of one person away, the row with the fewest people behind it is hidden, too.
    """
    if may_see_pay:
        return set()
    people = [frozenset[str]().union(*(each.people for each in row)) for row in rows]
    hidden = {at for at, row in enumerate(rows) if any(each.reveals_pay for each in row)}
    if hidden and (len(hidden) == 1 or len(frozenset[str]().union(*(people[at] for at in hidden))) == 1):
        others = [at for at in range(len(rows)) if at not in hidden and any(each.amount for each in rows[at])]
        if others:
            hidden.add(min(others, key=lambda at: (len(people[at]), at)))
    return hidden
