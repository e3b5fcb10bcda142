"""What a ledger says to one account, one dimension, one value, in words that hold for a journal, a mapping table and a
row of a file alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from mappings.chart import Chart, ChartAccount, ChartValue, closest
from mappings.journal import Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the ledger will not take, before it is said whose rule it is.

    `column` is the column of mapping.csv or crosswalks.csv that is wrong. `uses` is what a rule does that leads here:
    "uses it", "gives none"; empty where no rule is to blame.
    """

    kind: str
    column: str
    sentence: str
    uses: str = ""
    hint: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    def problem(self, rules: Collection[str] = ()) -> Problem:
        """The problem for finance: `Account 6190 is closed in IFS Cloud. Rule R-12 still uses it.`"""
        named = sorted(rules)
        parts = [self.sentence, rules_sentence(named, self.uses), self.hint]
        facts = dict(self.facts) | ({"rules": " ".join(named)} if named else {})
        return Problem(
            code="reference",
            kind=self.kind,
            sentence=" ".join(part for part in parts if part),
            facts=tuple(facts.items()),
            page="mapping",
        )

    @property
    def is_unknown(self) -> bool:
        """Whether the ledger has nothing of this name: a mistake in what was typed. Anything else may be put right there."""
        return self.kind.startswith("unknown_")

    @property
    def words(self) -> str:
        """The same without a rule, for a row of a file."""
        return f"{self.sentence} {self.hint}".strip()


def company_code_faults(chart: Chart, system_label: str, company_code: str) -> Iterator[Fault]:
    """A company code without any main account is none."""
    if company_code not in chart.company_codes:
        yield Fault(
            "unknown_company_code",
            "company_code",
            f"{system_label} has no main account in company code {company_code}.",
            "uses it",
            _hint(closest(company_code, chart.company_codes)),
            (("company_code", company_code),),
        )


def account_faults(
    chart: Chart, system_label: str, company_code: str, number: str, on_date: date, column: str = "main_account"
) -> Iterator[Fault]:
    """Exists, active, valid on the day, allows manual entry."""
    facts = (("account", number), ("company_code", company_code))
    account = chart.account(company_code, number)
    if account is None:
        meant = chart.closest_account(company_code, number)
        yield Fault(
            "unknown_account",
            column,
            f"Account {number} does not exist in {system_label}, company code {company_code}.",
            "uses it",
            _hint(f"{meant.number} {meant.name}" if meant else ""),
            (*facts, *((("closest", meant.number),) if meant else ())),
        )
        return
    if closed := _closed(account, system_label, on_date):
        words, uses = closed
        yield Fault("closed_account", column, f"Account {number} is {words}.", uses, facts=facts)
    if not account.allows_manual_entry:
        yield Fault(
            "no_manual_entry",
            column,
            f"Account {number} takes no manual entry in {system_label}"
            + (f": it {account.entry_note}." if account.entry_note else "."),
            "uses it",
            facts=facts,
        )


def text_faults(chart: Chart, system_label: str, company_code: str, number: str) -> Iterator[Fault]:
    """For a line without a text: the account does not demand one. Nothing about an unknown account."""
    account = chart.account(company_code, number)
    if account is not None and account.requires_text:
        yield Fault(
            "missing_text",
            "main_account",
            f"Account {number} demands a text in {system_label}.",
            "gives none",
            facts=(("account", number), ("company_code", company_code)),
        )


def dimension_set_faults(
    chart: Chart, system_label: str, company_code: str, number: str, names: Collection[str]
) -> Iterator[Fault]:
    """Required dimensions present, no dimension that the account does not take. Nothing about an unknown account."""
    account = chart.account(company_code, number)
    if account is None:
        return
    facts = (("account", number), ("company_code", company_code))
    for name in sorted(account.required_dimensions - set(names)):
        yield Fault(
            "missing_dimension",
            "dimensions",
            f"Account {number} needs {_a(name)} in {system_label}.",
            "gives none",
            facts=(*facts, ("dimension", name)),
        )
    if account.allowed_dimensions is not None:
        for name in sorted((set(names) & chart.dimensions) - account.allowed_dimensions):
            yield Fault(
                "dimension_not_allowed",
                "dimensions",
                f"Account {number} takes no {name} in {system_label}.",
                "gives one",
                facts=(*facts, ("dimension", name)),
            )


def dimension_faults(chart: Chart, system_label: str, name: str) -> Iterator[Fault]:
    """The dimension exists."""
    if name not in chart.dimensions:
        yield Fault(
            "unknown_dimension",
            "dimensions",
            f"{system_label} has no dimension {name}.",
            "uses it",
            _hint(closest(name, chart.dimensions)),
            (("dimension", name),),
        )


def value_faults(
    chart: Chart, system_label: str, company_code: str, name: str, value: str, on_date: date
) -> Iterator[Fault]:
    """Exists and active on the day. Nothing about a value of an unknown dimension."""
    if name not in chart.dimensions:
        return
    facts = (("dimension", name), ("value", value), ("company_code", company_code))
    found = chart.value(company_code, name, value)
    if found is None:
        others = {
            other
            for code, dimension, other in chart.values
            if dimension == name and code in ("", company_code) and chart.values[code, dimension, other].is_active
        }
        yield Fault(
            "unknown_value",
            "dimensions",
            f"{name} {value} does not exist in {system_label}, company code {company_code}.",
            "uses it",
            _hint(closest(value, others)),
            facts,
        )
    elif closed := _closed(found, system_label, on_date):
        words, uses = closed
        yield Fault("closed_value", "dimensions", f"{name} {value} is {words}.", uses, facts=facts)


def _closed(found: ChartAccount | ChartValue, system_label: str, on_date: date) -> tuple[str, str] | None:
    """Why something cannot be used on a day, and what a rule does that uses it; None where it can."""
    if found.valid_to is not None and found.valid_to < on_date:
        return f"closed in {system_label} since {day_words(found.valid_to + timedelta(days=1))}", "still uses it"
    if not found.is_active:
        return f"closed in {system_label}", "still uses it"
    if found.valid_from is not None and found.valid_from > on_date:
        return f"open in {system_label} only from {day_words(found.valid_from)} on", "already uses it"
    return None


# Words


def rules_sentence(rules: Collection[str], uses: str) -> str:
    """`Rule R-12 still uses it.` or `Rules R-04 and R-09 still use it.`"""
    if not rules or not uses:
        return ""
    if len(rules) == 1:
        return f"Rule {next(iter(rules))} {uses}."
    *others, last = rules
    plural = uses.replace("uses", "use").replace("gives", "give").replace("looks", "look")
    return f"Rules {', '.join(others)} and {last} {plural}."


def _hint(best: str) -> str:
    return f"Closest: {best.strip()}." if best.strip() else ""


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def day_words(day: date) -> str:
    """`1 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"
