"""Which financial dimensions a main account takes: account structures and advanced rules of Dynamics.

Dynamics refuses a ledger account that carries a dimension its structure does not have, and one that leaves out a
dimension whose criteria do not allow blank. What cannot be read is left open: Dynamics has the last word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erp.d365.client import D365Client, Query
from erp.d365.journal import MAIN_ACCOUNT
from erp.d365.refusals import EntityMissing
from erp.d365.setup import checked_rows
from erp.odata import Row


def fits(value: str, criteria: str) -> bool:
    """Whether a value is allowed by criteria: `1*;2*`, `600000..699999`, `601200`, `*`; `""` is blank.

    Ranges compare as texts, as Dynamics does.
    """
    for part in (piece.strip() for piece in criteria.split(";")):
        if part in {"", '""'}:
            continue
        low, dots, high = part.partition("..")
        if dots:
            if low.strip().casefold() <= value.casefold() <= high.strip().casefold():
                return True
        elif re.fullmatch(re.escape(part).replace(r"\*", ".*").replace(r"\?", "."), value, re.IGNORECASE):
            return True
    return False


def _segments(row: Row) -> list[str]:
    return [str(row[name]) for number in range(1, 12) if row.get(name := f"SegmentName{number:02d}")]


@dataclass(frozen=True, slots=True)
class Structures:
    """Account structures and advanced rules, active ones only."""

    by_name: Mapping[str, list[str]]
    constraints: Mapping[str, list[list[str]]]
    """Structure -> rows of criteria, in the order of its segments."""
    rules: Mapping[str, list[tuple[list[str], list[str]]]]
    """Structure -> (criteria on the main account, dimensions that the rule adds)."""
    are_rules_known: bool

    def dimensions(
        self, names: Sequence[str], main_account: str, known: Sequence[str]
    ) -> tuple[frozenset[str] | None, frozenset[str]]:
        """(allowed, required) for a main account in a ledger with these structures; None = any.

        `known` are the dimensions of the active format, whose spelling is used; an allowed one that is not among them
        cannot be written, a required one is named all the same. A main account that no structure covers is left open.
        """
        spelled = {name.casefold(): name for name in known}
        for name in names:
            segments = [segment.casefold() for segment in self.by_name.get(name, [])]
            if MAIN_ACCOUNT.casefold() not in segments:
                continue
            at = segments.index(MAIN_ACCOUNT.casefold())
            rows = [row for row in self.constraints.get(name, []) if fits(main_account, row[at])]
            if not rows:
                continue
            if not self.are_rules_known:
                return None, frozenset()
            allowed = set(segments)
            for criteria, added in self.rules.get(name, []):
                if not criteria or any(fits(main_account, each) for each in criteria):
                    allowed.update(segment.casefold() for segment in added)
            # Blank must be allowed in words ("") where a criterion stands; a segment without one is not used there.
            required = [
                segment
                for i, segment in enumerate(self.by_name[name])
                if i != at and all(row[i] and '""' not in row[i] for row in rows)
            ]
            return (
                frozenset(spelled[each] for each in allowed if each in spelled),
                frozenset(spelled.get(each.casefold(), each) for each in required),
            )
        return None, frozenset()


def _is_active(row: Row) -> bool:
    return row.get("Status") == "Active"


def read_structures(
    client: D365Client, structures: Sequence[Row], constraints: Sequence[Row], rules: Sequence[Row]
) -> Structures:
    by_name = {str(row["AccountStructureName"]): _segments(row) for row in structures if _is_active(row)}
    found: dict[str, list[list[str]]] = defaultdict(list)
    for row in filter(_is_active, constraints):
        name = str(row["AccountStructure"])
        count = len(by_name.get(name, []))
        found[name].append([str(row.get(f"SegmentCriteria{number:02d}") or "") for number in range(1, count + 1)])
    active_rules = [row for row in rules if _is_active(row) and row.get("RuleType", "GeneralLedger") == "GeneralLedger"]
    if not active_rules:
        return Structures(by_name, found, {}, True)
    try:
        criteria_rows, rule_structures = (
            checked_rows(part)
            for part in client.read_many(
                [
                    Query("AdvancedRuleCriteria"),
                    Query("LedgerAdvancedRuleStructures"),
                ]
            )
        )
    except EntityMissing:
        return Structures(by_name, found, {}, False)
    added = {str(row["AccountRuleStructureName"]): _segments(row) for row in rule_structures if _is_active(row)}
    known: dict[str, list[tuple[list[str], list[str]]]] = defaultdict(list)
    for rule in active_rules:
        criteria = [
            str(row["AdvancedRuleCriterion"])
            for row in filter(_is_active, criteria_rows)
            if row.get("AccountStructure") == rule["AccountStructure"]
            and row.get("AdvancedRule") == rule["AdvancedRuleName"]
            and str(row.get("SegmentName") or "").casefold() == MAIN_ACCOUNT.casefold()
        ]
        names = [str(rule[name]) for number in range(1, 5) if rule.get(name := f"AdvancedRuleStructure{number}")]
        known[str(rule["AccountStructure"])].append(
            (criteria, [each for name in names for each in added.get(name, [])])
        )
    return Structures(by_name, found, known, True)
