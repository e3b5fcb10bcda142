"""One company code pays for all: what every other one owes it (accounting.md 6).

All credits stay in the company code whose bank account Gusto debits. Every other one carries only its costs, so it owes
them to the paying one: due to there, due from here, one pair for each of them in each journal. It is the difference of a
whole company code and not of a payroll line, hence no line stands behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mappings.legs import LegGroup
from mappings.payroll import Side
from mappings.policy import Policy
from mappings.trace import Dimensions, LegKind


def intercompany(groups: Iterable[LegGroup], policy: Policy) -> list[LegGroup]:
    """The due-to and due-from legs under which every company code of one journal balances; none without a paymaster."""
    if not policy.has_paymaster:
        return []
    owed: dict[str, int] = defaultdict(int)
    for group in groups:
        cents = sum(group.amounts.values())
        owed[group.company_code] += cents if group.side == Side.DEBIT else -cents
    payer = policy.paying_company_code
    legs = []
    for code, cents in sorted(owed.items()):
        if cents and code != payer:
            legs += [
                _leg(code, policy.due_to_account, _affiliate(policy, payer), Side.CREDIT, cents, payer),
                _leg(payer, policy.due_from_account, _affiliate(policy, code), Side.DEBIT, cents, code),
            ]
    return legs


def _leg(company_code: str, account: str, dimensions: Dimensions, side: Side, cents: int, partner: str) -> LegGroup:
    return LegGroup(company_code, account, dimensions, side, LegKind.INTERCOMPANY, None, {0: cents}, partner)


def _affiliate(policy: Policy, company_code: str) -> Dimensions:
    return ((policy.affiliate_dimension, company_code),) if policy.affiliate_dimension else ()
