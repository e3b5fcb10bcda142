"""The texts of a journal: what a controller reads in the ledger, and never the name of a person.

A line text comes from the rules that caught its payroll lines, so it stays the same from run to run: a rule for one
component says the component, any other says the kind. The most telling words come first, because an ERP cuts from the
right.
"""

from __future__ import annotations

from collections.abc import Collection

from mappings.catching import Landing
from mappings.payroll import LineKind, PayrollHeader
from mappings.table import Rule

#: Net pay first: it is what a controller looks for on the clearing account.
_WORDS = {
    LineKind.NET_PAY: "net pay",
    LineKind.EARNING: "wages",
    LineKind.TIPS: "tips",
    LineKind.CASH_TIPS: "cash tips",
    LineKind.OWNERS_DRAW: "owner's draw",
    LineKind.REIMBURSEMENT: "reimbursements",
    LineKind.EMPLOYEE_TAX: "employee taxes",
    LineKind.EMPLOYER_TAX: "employer taxes",
    LineKind.BENEFIT_DEDUCTION: "benefit deductions",
    LineKind.EMPLOYER_CONTRIBUTION: "employer contributions",
    LineKind.GARNISHMENT: "garnishments",
    LineKind.CHILD_SUPPORT: "child support",
    LineKind.OTHER_DEDUCTION: "deductions",
    LineKind.IMPUTED: "imputed benefits",
}

_ORDER = {kind: position for position, kind in enumerate(_WORDS)}

#: Components of these are free text about one person's affairs: a case number, a creditor.
_PRIVATE = frozenset({LineKind.GARNISHMENT, LineKind.CHILD_SUPPORT, LineKind.OTHER_DEDUCTION})

_BOTH_TAXES = {_WORDS[LineKind.EMPLOYEE_TAX], _WORDS[LineKind.EMPLOYER_TAX]}


def header_text(header: PayrollHeader) -> str:
    """`Gusto payroll 2026-06-08 to 2026-06-21, paid 2026-06-26 off-cycle Bonus`."""
    period = f" {header.period_start} to {header.period_end}," if header.period_start and header.period_end else ""
    text = f"Gusto payroll{period} paid {header.check_date}"
    return f"{text} off-cycle {header.off_cycle_reason}".rstrip() if header.payroll_type == "off_cycle" else text


def line_text(landings: Collection[Landing], people: int) -> str:
    """`Wages Sales`, `Employer taxes Workshop`, `Net pay direct deposit, taxes, 12 people`.

    `people` is the number of people whose net pay is in the line, 0 if it holds none.
    """
    labels: dict[str, int] = {}
    for landing in landings:
        label, order = _label(landing.rule), _ORDER[landing.rule.kind]
        labels[label] = min(order, labels.get(label, order))
    if labels.keys() >= _BOTH_TAXES:
        labels = {label: order for label, order in labels.items() if label not in _BOTH_TAXES}
        labels["taxes"] = _ORDER[LineKind.EMPLOYEE_TAX]
    text = ", ".join(sorted(labels, key=lambda label: (labels[label], label)))
    places = {landing.place for landing in landings}
    if len(places) == 1:
        text = f"{text} {places.pop()}".rstrip()
    if people:
        text += f", {people} {'person' if people == 1 else 'people'}"
    return text[:1].upper() + text[1:]


def _label(rule: Rule) -> str:
    component = " ".join(rule.criteria.component.split())
    if rule.kind == LineKind.NET_PAY:
        return f"{_WORDS[rule.kind]} {component.lower()}".rstrip()
    if component and rule.kind not in _PRIVATE:
        return component
    return _WORDS[rule.kind]
