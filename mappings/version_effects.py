"""What each version of a legal entity changed in money against the one before it, on the last payroll."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from mappings.journal import ZERO
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.pay_privacy import Sum
from mappings.place import Place, before
from mappings.preview import lines_of_run, money_difference
from mappings.table import Table
from mappings.tables import table_of_instances

#: Versions that are looked at, the newest; fewer where the payroll is large, so that the list opens at once.
VERSIONS_MAX = 8
LINES_MAX = 60_000


@dataclass(frozen=True, slots=True)
class Effect:
    """`moved` is the sum of what stands on other accounts, None where this person may not see it; `words` say why there is
    no figure.
    """

    moved: Decimal | None = None
    words: str = ""


def version_effects(place: Place) -> dict[int, Effect]:
    """By id of the version, inside a scope. Two queries for all rows, whatever the number of versions."""
    headers = lines_of_run(place.entity, 1)
    if not headers:
        return {}
    most = min(VERSIONS_MAX, LINES_MAX // max(1, len(headers[0].lines)))
    looked_at = [(version, before(version, place.versions)) for version in place.versions[:most]]
    tables = _tables({each.pk: each for pair in looked_at for each in pair if each is not None})
    found = {}
    for version, earlier in looked_at:
        if earlier is None:
            found[version.pk] = Effect(words="the first")
            continue
        money = money_difference(tables[earlier.pk], tables[version.pk], headers)
        if not money.is_known:
            found[version.pk] = Effect(words="cannot be told")
            continue
        risen = [row for row in money.changed if (row.difference or ZERO) > ZERO]
        people = frozenset[str]().union(*(row.moved_people for row in money.changed))
        moved = Sum(sum((row.difference or ZERO for row in risen), ZERO), people)
        shown = moved.shown(place.may_see_pay)
        found[version.pk] = Effect(shown, "" if shown is not None else "one person's")
    return found


def _tables(versions: dict[int, MappingTable]) -> dict[int, Table]:
    rules: dict[int, list[MappingRule]] = defaultdict(list)
    for rule in MappingRule.objects.filter(mapping_table__in=versions):
        rules[rule.mapping_table_id].append(rule)
    entries: dict[int, list[Crosswalk]] = defaultdict(list)
    for entry in Crosswalk.objects.filter(mapping_table__in=versions):
        entries[entry.mapping_table_id].append(entry)
    return {pk: table_of_instances(version, rules[pk], entries[pk]) for pk, version in versions.items()}
