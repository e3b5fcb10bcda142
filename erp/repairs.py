"""What a blocked payroll run or posting waits for, as rows for a page, each with the page on which a person repairs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from erp.models import Posting
from erp.posting_dates import may_choose
from gusto.models import PayrollRun
from mappings.faults import day_words
from mappings.journal import ZERO
from mappings.models import MappingTable
from mappings.tables import approved_table
from tenants.models import LegalEntity


@dataclass(slots=True)
class Gap:
    """A component that no rule catches, on one side, over all departments. `link` opens a new rule for it."""

    component: str
    kind: str
    side: str
    departments: list[str] = field(default_factory=list)
    lines: int = 0
    employees: int = 0
    amount: Decimal = ZERO
    link: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Any other problem in words, with where to repair it (empty = nowhere but in what the sentence names)."""

    sentence: str
    link: str
    words: str


@dataclass(slots=True)
class Repair:
    """`link` and `words` are the one step to take first. `sentence` is what the troubles mean together, where none says it."""

    gaps: list[Gap] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    link: str = ""
    words: str = ""
    sentence: str = ""

    @property
    def amount(self) -> Decimal:
        return sum((gap.amount for gap in self.gaps), ZERO)

    @property
    def components(self) -> int:
        return len({(gap.kind, gap.component) for gap in self.gaps})


def repair_of_run(run: PayrollRun) -> Repair:
    """Inside a scope; `run.legal_entity` is read."""
    place = _Place(run.legal_entity, run.check_date, None)
    found = _repair(run.problems, run.reason, run.sentence, place)
    if run.reason == "unclear" and run.problems:
        # Two sources say different things: the problems are where they differ.
        found.sentence = run.sentence
    return found


def repair_of_posting(posting: Posting, may_prepare: bool = True) -> Repair:
    """Inside a scope; legal entity, payroll run and mapping table are read. `may_prepare`: whether the person who reads it may
    choose a posting date.
    """
    place = _Place(posting.legal_entity, posting.payroll_run.check_date, posting.mapping_table)
    if may_prepare and not may_choose(posting):
        place.dated = posting
    return _repair(posting.problems, posting.reason, posting.sentence, place)


def summary(problems: list[dict[str, Any]], sentence: str) -> str:
    """The first of the problems in words, and how many more there are."""
    if not problems:
        return sentence
    gaps = _gaps([problem for problem in problems if problem["kind"] == "gap"])
    if not gaps:
        more = len(problems) - 1
        return f"{problems[0]['sentence']} And {more} more." if more else str(problems[0]["sentence"])
    more = len({(gap.kind, gap.component) for gap in gaps}) - 1
    first = f"No rule catches “{gaps[0].component}”" + (
        f" and {more} more component{'s' if more > 1 else ''}." if more else "."
    )
    others = len(problems) - sum(problem["kind"] == "gap" for problem in problems)
    return first + (f" And {others} more." if others else "")


def components_missing(problems: list[dict[str, Any]]) -> int:
    """How many components no rule catches."""
    return len({(gap.kind, gap.component) for gap in _gaps(each for each in problems if each["kind"] == "gap")})


class _Place:
    """The pages around one legal entity and check date."""

    def __init__(self, entity: LegalEntity, check_date: date | None, used: MappingTable | None) -> None:
        self.entity = entity
        self.used = used or (approved_table(entity, check_date) if check_date else None)
        drafts = MappingTable.objects.filter(legal_entity=entity, state=MappingTable.State.DRAFT)
        if check_date is not None:
            drafts = drafts.filter(valid_from__lte=check_date)
        self.draft: MappingTable | None = drafts.order_by("-valid_from", "-version").first()
        #: The journal whose posting date may be changed.
        self.dated: Posting | None = None

    def mapping(self) -> tuple[str, str]:
        """(link, words) of the version to change: the open draft, else a draft to be made, else the list."""
        if self.draft is not None:
            return _page("mappings_mappingtable_change", self.draft.pk), f"Open draft {str(self.draft).lower()}"
        if self.used is not None:
            return _page("mappings_mappingtable_copy", self.used.pk), "Make a draft"
        return f"{_page('mappings_mappingtable_add')}?{urlencode({'legal_entity': self.entity.pk})}", "Make a version"

    def coverage(self) -> str:
        """The page that shows every gap with what could fill it."""
        return _page("mappings_coverage", self.entity.pk)

    def connection(self) -> tuple[str, str]:
        if self.entity.erp_connection_id is None:
            return _page("tenants_legalentity_change", self.entity.pk), f"Open {self.entity}"
        return _page("tenants_connection_change", self.entity.erp_connection_id), "Open the connection"

    def other_date(self, day: str) -> tuple[str, str]:
        """Where the journal is dated on the next open day; the connection where it cannot be."""
        if self.dated is None or not day:
            return self.connection()
        page = _page("erp_posting_posting_date", self.dated.pk)
        return f"{page}?{urlencode({'posting_date': day})}", f"Post on {day_words(date.fromisoformat(day))}"

    def rules(self, names: str) -> tuple[str, str]:
        """The first of the rules by name, in the draft where there is one."""
        table = self.draft or self.used
        if table is None or not names:
            return self.mapping()
        rule = names.split()[0]
        query = urlencode({"mapping_table__id__exact": table.pk, "q": rule})
        return f"{_page('mappings_mappingrule_changelist')}?{query}", f"Open rule {rule}"

    def new_rule(self, gap: Gap) -> str:
        if self.draft is None:
            return ""
        given = {"mapping_table": self.draft.pk, "kind": gap.kind, "component": gap.component, "side": gap.side}
        return f"{_page('mappings_mappingrule_add')}?{urlencode(given)}"

    def new_crosswalk(self, facts: dict[str, str]) -> tuple[str, str]:
        if self.draft is None or "," in facts.get("source", "") or "source_value" not in facts:
            return self.mapping()
        given = {
            "mapping_table": self.draft.pk, "source_kind": facts.get("source", ""), "source_value": facts["source_value"],
            "target": facts.get("missing", ""),
        }  # fmt: skip
        return f"{_page('mappings_crosswalk_add')}?{urlencode(given)}", "Add to the crosswalk"


def _repair(problems: list[dict[str, Any]], reason: str, sentence: str, place: _Place) -> Repair:
    gaps = _gaps([problem for problem in problems if problem["kind"] == "gap"])
    for gap in gaps:
        gap.link = place.new_rule(gap)
    troubles = [_trouble(problem, place) for problem in problems if problem["kind"] != "gap"]
    if not problems and sentence:
        troubles.append(Trouble(sentence, *_place_of_reason(reason, place)))
    found = Repair(gaps, troubles)
    if gaps:
        components = found.components
        found.link, found.words = place.coverage(), f"Map {components} component{'' if components == 1 else 's'}"
    elif troubles:
        found.link, found.words = next(((each.link, each.words) for each in troubles if each.link), ("", ""))
    return found


def _gaps(problems: Iterable[dict[str, Any]]) -> list[Gap]:
    by_rule: dict[tuple[str, str, str], Gap] = {}
    for problem in problems:
        facts = problem["facts"]
        key = (facts.get("kind", ""), facts.get("component", ""), facts.get("side", ""))
        gap = by_rule.setdefault(key, Gap(component=key[1], kind=key[0], side=key[2]))
        gap.departments.append(facts.get("department", "no department"))
        gap.employees += int(facts.get("employees", "0"))
        gap.lines += int(facts.get("lines", "0"))
        gap.amount += Decimal(facts.get("amount", "0"))
    return list(by_rule.values())


def _trouble(problem: dict[str, Any], place: _Place) -> Trouble:
    sentence, facts = problem["sentence"], problem["facts"]
    if problem["kind"] == "crosswalk_gap":
        return Trouble(sentence, *place.new_crosswalk(facts))
    if problem["code"] == "period":
        return Trouble(sentence, *place.other_date(facts.get("next_open_date", "")))
    if problem["code"] == "configuration" or problem["page"] in {"connection", "reference"}:
        return Trouble(sentence, *place.connection())
    if problem["page"] == "mapping":
        return Trouble(sentence, *place.rules(facts.get("rules", "")))
    return Trouble(sentence, "", "")


def _place_of_reason(reason: str, place: _Place) -> tuple[str, str]:
    if reason in {"configuration", "exhausted"}:
        return place.connection()
    if reason in {"mapping", "reference"}:
        return place.mapping()
    return "", ""


def _page(name: str, *args: int) -> str:
    return reverse(f"admin:{name}", args=args)
