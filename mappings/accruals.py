"""Cost at the period end, payment later: the legs of ACCRUAL and SETTLEMENT (accounting.md 5).

Together the two journals are the PAYROLL journal. A credit whose target has an accrual account waits there: ACCRUAL
credits it in place of the final account, SETTLEMENT debits it and credits the final one. Any other credit is final at
once. Where the pay period crosses fiscal period ends, ACCRUAL is cut into one for each: the cost of the work up to then
against the accrual account of the policy, which the last of them clears. Nothing has to be reversed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mappings.legs import LegGroup
from mappings.payroll import Side
from mappings.straddle import PeriodShare, share_of_cost
from mappings.trace import LegKind


def waits(group: LegGroup) -> bool:
    """Whether these legs are credits that stand on an accrual account until they are settled."""
    return group.side == Side.CREDIT and group.landing is not None and bool(group.landing.target.accrual_account)


def accrual_legs(groups: Iterable[LegGroup]) -> list[LegGroup]:
    """The legs of ACCRUAL, what will be settled on its accrual account."""
    return [_interim(group) if waits(group) else group for group in groups]


def settlement_legs(groups: Iterable[LegGroup]) -> list[LegGroup]:
    """The legs of SETTLEMENT: out of the accrual accounts, onto the final ones; same amounts, same dimensions."""
    waiting = [group for group in groups if waits(group)]
    return [*(_interim(group)._replace(side=Side.DEBIT) for group in waiting), *waiting]


def cut(groups: Sequence[LegGroup], shares: Sequence[PeriodShare], accrual_account: str) -> list[list[LegGroup]]:
    """The legs of ACCRUAL, cut at the fiscal period ends: one list for each of them, and the rest."""
    parts = []
    before: list[LegGroup] = []
    for share in shares:
        to_date = share_of_cost(groups, share)
        costs = [*to_date, *_negative(before)]
        owed = [_on_account(cost, accrual_account, Side.CREDIT) for cost in costs]
        parts.append(_merged([*costs, *owed]))
        before = to_date
    cleared = [_on_account(cost, accrual_account, Side.DEBIT) for cost in before]
    parts.append(_merged([*groups, *_negative(before), *cleared]))
    return parts


def _interim(group: LegGroup) -> LegGroup:
    assert group.landing is not None
    return group._replace(main_account=group.landing.target.accrual_account, kind=LegKind.INTERIM)


def _on_account(group: LegGroup, accrual_account: str, side: Side) -> LegGroup:
    return group._replace(main_account=accrual_account, dimensions=(), side=side, kind=LegKind.INTERIM)


def _negative(groups: Iterable[LegGroup]) -> list[LegGroup]:
    return [group._replace(amounts={line: -cents for line, cents in group.amounts.items()}) for group in groups]


def _merged(groups: Iterable[LegGroup]) -> list[LegGroup]:
    """Groups that differ in nothing but their amounts as one, without what adds up to 0.00."""
    merged: dict[tuple[object, ...], tuple[LegGroup, dict[int, int]]] = {}
    for group in groups:
        place = (group.company_code, group.main_account, group.side, group.kind, group.landing)
        _, amounts = merged.setdefault(place, (group, {}))
        for line, cents in group.amounts.items():
            amounts[line] = amounts.get(line, 0) + cents
    return [
        group._replace(amounts={line: cents for line, cents in amounts.items() if cents})
        for group, amounts in merged.values()
    ]
