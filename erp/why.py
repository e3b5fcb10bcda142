"""Why a journal line stands where it stands: the payroll lines behind it, summed by component and rule, and the people.

Opened from the sealed trace only when somebody asks. Amounts of single people are for those who may see pay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from erp.models import Posting, PostingLine
from erp.traces import trace_rows
from gusto.models import Employee
from mappings.journal import ZERO
from mappings.models import MappingRule
from mappings.payroll import Side
from mappings.table import PRECEDENCE

#: A part of fewer people than this would tell the pay of one.
PEOPLE_MIN = 2


@dataclass(slots=True)
class Part:
    """One component by one rule. `amount` counts towards the side on which the journal line stands."""

    component: str
    kind: str
    rule: str
    amount: Decimal = ZERO
    people: set[str] = field(default_factory=set)
    words: str = ""
    link: str = ""

    @property
    def employees(self) -> int:
        return len(self.people)


@dataclass(frozen=True, slots=True)
class Why:
    """The parts of a journal line; they add up to its amount."""

    line: PostingLine
    parts: list[Part]

    @property
    def total(self) -> Decimal:
        return sum((part.amount for part in self.parts), ZERO)

    @property
    def employees(self) -> int:
        return len(set().union(*(part.people for part in self.parts))) if self.parts else 0

    @property
    def tells_of_one(self) -> bool:
        """Whether some amount in it is a single person's."""
        return any(0 < part.employees < PEOPLE_MIN for part in self.parts)


@dataclass(frozen=True, slots=True)
class Person:
    """What of a journal line is one employee's."""

    name: str
    number: str
    department: str
    amount: Decimal


def why(posting: Posting, number: int) -> Why | None:
    """The payroll lines behind journal line `number`, inside a scope; None where there is no such line or no trace of it."""
    line = posting.lines.filter(number=number).first()
    if line is None:
        return None
    parts: dict[tuple[str, str, str], Part] = {}
    for row, amount in _rows_of(posting, line):
        key = (row["kind"], row["component"], row["rule"])
        part = parts.setdefault(key, Part(component=row["component"], kind=row["kind"], rule=row["rule"]))
        part.amount += amount
        if row["employee"]:
            part.people.add(row["employee"])
    if not parts:
        return None
    rules = {rule.rule: rule for rule in MappingRule.objects.filter(mapping_table_id=posting.mapping_table_id)}
    for part in parts.values():
        part.words = _criteria(rules.get(part.rule))
        if part.rule in rules:
            query = urlencode({"mapping_table__id__exact": posting.mapping_table_id, "q": part.rule})
            part.link = f"{reverse('admin:mappings_mappingrule_changelist')}?{query}"
    return Why(line, sorted(parts.values(), key=lambda part: (-part.amount, part.component)))


def people_behind(posting: Posting, number: int) -> list[Person]:
    """The employees behind journal line `number`, by name, inside a scope. Record the look before it is shown."""
    line = posting.lines.filter(number=number).first()
    if line is None:
        return []
    amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    facts: dict[str, dict[str, Any]] = {}
    for row, amount in _rows_of(posting, line):
        if row["employee"]:
            amounts[row["employee"]] += amount
            facts[row["employee"]] = row
    known = Employee.objects.filter(legal_entity_id=posting.legal_entity_id, employee_uuid__in=list(amounts))
    names = {employee.employee_uuid: employee.sealed_name for employee in known}
    people = [
        Person(names.get(uuid) or "no name read", facts[uuid]["employee_code"], facts[uuid]["department"], amount)
        for uuid, amount in amounts.items()
    ]
    return sorted(people, key=lambda person: (person.name, person.number))


def _rows_of(posting: Posting, line: PostingLine) -> Iterator[tuple[dict[str, Any], Decimal]]:
    """(row of the trace, what it adds to the side of the line)."""
    side = Side.DEBIT.value if line.debit else Side.CREDIT.value
    for row in trace_rows(posting, line.number):
        yield row, row["amount"] if row["side"] == side else -row["amount"]


def _criteria(rule: MappingRule | None) -> str:
    """Earning, department Sales: what the rule catches."""
    if rule is None:
        return ""
    words = [rule.get_kind_display()]
    for name in PRECEDENCE:
        value = getattr(rule, name)
        if value:
            words.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(words)
