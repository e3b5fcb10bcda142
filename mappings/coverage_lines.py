"""The rows of the coverage pages in words: what a template prints, as this person may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from mappings.coverage_rows import Catch, ComponentRow, CrosswalkGap, Gap, PlaceRow, State
from mappings.gap_filling import Look
from mappings.money_rows import Names
from mappings.pay_privacy import Sum
from mappings.payroll import SIDES, LineKind, Side
from mappings.place import Place, address
from mappings.suggestions import crosswalk_gap_key, gap_key
from mappings.table import HUNDRED, Rule, Target, fold


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum as this person may see it."""

    amount: Decimal | None
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class GapLine:
    """One gap with what could fill it."""

    component: str
    kind: str
    side: str
    """Said where the kind has two."""
    where: str
    people: int
    first_date: date
    amount: Amount
    account: str
    dimensions: str
    reason: str
    confidence: int
    key: str
    choose: str


@dataclass(frozen=True, slots=True)
class CaughtLine:
    """A rule that catches a component on one side."""

    rule: str
    link: str
    side: str
    account: str
    dimensions: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A component, department, job or location that was seen."""

    name: str
    runs: Sequence[bool]
    runs_words: str
    amount: Amount
    state: str = ""
    caught: Sequence[CaughtLine] = ()
    targets: Sequence[tuple[str, str]] = ()
    rules: Sequence[tuple[str, str]] = ()
    is_changed: bool = False


class Lines:
    """Makes the rows of one page."""

    def __init__(self, place: Place, shown: Look) -> None:
        self.place = place
        self.shown = shown
        found = shown.coverage
        targets = [target for rule in shown.table.rules for side in Side for target in rule.targets(side)]
        targets += [suggestion.target for suggestion in shown.suggestions.values()]
        values = {value for target in targets for _, value in target.dimensions if not value.startswith("@")}
        values |= {value for row in found.places for _, value in row.targets if value}
        values |= {each.value for each in shown.value_suggestions.values()}
        self.names = Names(place.entity, {target.main_account for target in targets}, values)

    def amount(self, of: Sum) -> Amount:
        shown = of.shown(self.place.may_see_pay)
        return Amount(shown, is_hidden=shown is None)

    def rule(self, name: str) -> tuple[str, str]:
        version = self.place.version
        link = address("rules", self.place.entity.pk, version.pk if version else None)
        return name, f"{link}&{urlencode({'q': name})}"

    def gap(self, gap: Gap) -> GapLine:
        suggestion = self.shown.suggestion(gap)
        where = [f"{name} {value}" for name, value in gap.criteria or () if name != "component"]
        page = reverse("admin:mappings_choose", args=[self.place.entity.pk])
        query = {"gap": gap_key(gap), **({"version": self.place.version.pk} if self.place.version else {})}
        return GapLine(
            component=gap.component or "(no name)",
            kind=kind_words(gap.kind),
            side=gap.side.value if len(SIDES[gap.kind]) > 1 else "",
            where=", ".join(where),
            people=gap.people,
            first_date=gap.first_date,
            amount=self.amount(gap.sum),
            account=self.names.account(suggestion.target.main_account) if suggestion else "",
            dimensions=self.dimensions(suggestion.target) if suggestion else "",
            reason=suggestion.reason if suggestion else "",
            confidence=suggestion.confidence if suggestion else 0,
            key=suggestion.key if suggestion else "",
            choose=f"{page}?{urlencode(query)}",
        )

    def value_gap(self, gap: CrosswalkGap) -> dict[str, Any]:
        suggestion = self.shown.value_suggestions.get(crosswalk_gap_key(gap))
        version = self.place.version
        query = {
            "source_kind": gap.source_kind, "source_value": gap.source_value, "target": gap.target,
            **({"mapping_table": version.pk} if version else {}), **({"target_value": suggestion.value} if suggestion else {}),
        }  # fmt: skip
        choose = f"{reverse('admin:mappings_crosswalk_add')}?{urlencode(query)}" if self.place.is_draft else ""
        return {
            "gap": gap,
            "target": target_words(gap.target),
            "name": gap.source_value or "Employees without a row",
            "rules": [self.rule(name) for name in gap.rules],
            "amount": self.amount(gap.sum),
            "value": f"{suggestion.value} {suggestion.value_name}".strip() if suggestion else "",
            "suggestion": suggestion,
            "choose": choose,
        }

    def dimensions(self, target: Target) -> str:
        words = self.names.dimensions(target.dimensions)
        code = target.company_code
        if code:
            words += f"{', ' if words else ''}company code {f'from {code[1:]}' if code.startswith('@') else code}"
        return words

    def component(self, row: ComponentRow) -> SeenLine:
        return SeenLine(
            name=row.component or "(no name)",
            runs=row.runs,
            runs_words=self.runs_words(row.runs),
            amount=self.amount(row.sum),
            state="" if row.state == State.CAUGHT else row.state.value,
            caught=[self.caught(row, catch) for catch in row.catches],
            is_changed=row.key in self.shown.changed,
        )

    def caught(self, row: ComponentRow, catch: Catch) -> CaughtLine:
        name, link = self.rule(catch.rule.name)
        targets = catch.rule.targets(catch.side)
        account = ", ".join(
            ("" if target.percent == HUNDRED else f"{target.percent.normalize():f} % ")
            + self.names.account(target.main_account)
            for target in targets
        )
        dimensions = "; ".join(dict.fromkeys(words for target in targets if (words := self.dimensions(target))))
        side = catch.side.value if len(SIDES[row.kind]) != 1 else ""
        return CaughtLine(name, link, side, account, dimensions, catch.is_default)

    def seen_place(self, row: PlaceRow) -> SeenLine:
        return SeenLine(
            name=row.value,
            runs=row.runs,
            runs_words=self.runs_words(row.runs),
            amount=self.amount(row.sum),
            targets=[
                (target_words(name), self.names.value(name, value) if value else "") for name, value in row.targets
            ],
            rules=[self.rule(name) for name in row.rules],
        )

    def runs_words(self, runs: Sequence[bool]) -> str:
        return f"in {sum(runs)} of {len(runs)} payroll run{'' if len(runs) == 1 else 's'}"

    def unused(self, rule: Rule) -> dict[str, Any]:
        name, link = self.rule(rule.name)
        told = ", ".join(
            f"{criterion.replace('_', ' ')} {_value_words(rule, criterion)}" for criterion in rule.criteria.filled()
        )
        targets = [target for side in Side for target in rule.targets(side)]
        return {
            "name": name, "link": link, "kind": kind_words(rule.kind), "criteria": told or "any",
            "account": ", ".join(dict.fromkeys(self.names.account(target.main_account) for target in targets)),
        }  # fmt: skip


def kind_words(kind: LineKind) -> str:
    words = kind.value.replace("_", " ")
    return words[:1].upper() + words[1:]


def _value_words(rule: Rule, criterion: str) -> str:
    """No page of the mapping names a person."""
    if criterion in ("employee", "employee_code"):
        return "(one person)"
    value = getattr(rule.criteria, criterion)
    return f"“{'='.join(value) if isinstance(value, tuple) else value}”"


def target_words(name: str) -> str:
    return name.replace("_", " ") if fold(name) == "company_code" else name
