"""The texts of a journal: what a controller reads in the ledger, and never the name of a person.

A line text comes from the rules that caught its payroll lines, so it stays the same from run to run: a rule for one
component says the component, any other says the kind. The most telling words come first, because an ERP cuts from the
right. The journal policy may word both texts by a template of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from mappings.catching import Landing
from mappings.journal import JournalKind
from mappings.payroll import LineKind, PayrollHeader
from mappings.policy import Policy
from mappings.table import Rule
from mappings.text_template import filled, names_in

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

#: What the header text says after the payroll; only accruals are reversed as the payroll is posted.
_JOURNAL_WORDS = {
    JournalKind.PAYROLL: "payroll",
    JournalKind.ACCRUAL: "accrual",
    JournalKind.SETTLEMENT: "settlement",
    JournalKind.REVERSAL: "reversal of accrual",
}

#: Characters of a line text; a mapping with a rule for each component would make it as long as the payroll has taxes.
LINE_TEXT_MAX = 200

_LINE_TEXT = "{what} {place}, {people}"
_LINE_TEXT_EMPLOYEE = "{what} {place}, {employee_code}"


class JournalTexts:
    """The texts of all journals of one run."""

    def __init__(self, header: PayrollHeader, policy: Policy) -> None:
        self._header = header
        self._policy = policy
        self._of_the_run = {
            "check_date": str(header.check_date),
            "period": f"{header.period_start} to {header.period_end}" if _has_period(header) else "",
            "period_start": str(header.period_start or ""),
            "period_end": str(header.period_end or ""),
            "debit_date": str(header.debit_date or ""),
            "payroll_type": header.payroll_type.replace("_", "-"),
            "off_cycle_reason": header.off_cycle_reason if header.payroll_type == "off_cycle" else "",
        }

    def header(self, kind: JournalKind, company_code: str, posting_date: date) -> str:
        """`Gusto payroll 2026-06-08 to 2026-06-21, paid 2026-06-26 off-cycle Bonus accrual`."""
        words = _JOURNAL_WORDS[kind]
        template = self._policy.header_text
        if template:
            values = {"posting_date": str(posting_date), "journal_kind": words, "company_code": company_code}
            text = filled(template, self._of_the_run | values)
        else:
            text = self._usual_header()
        # A template that does not say the kind would give the journals of a run one text.
        has_kind = kind == JournalKind.PAYROLL or "journal_kind" in names_in(template)
        return text if has_kind else f"{text} {words}"

    def line(
        self,
        landings: Collection[Landing],
        *,
        company_code: str,
        place: str = "",
        people: int = 0,
        employee_code: str = "",
    ) -> str:
        """`Wages Sales`, `Employer taxes Workshop`, `Net pay direct deposit, taxes, 12 people`, `Wages Sales, E-117`.

        `people` is the number of people whose net pay is in the line, 0 if it holds none. `place` is where the line
        belongs, if it is not for the landings to say. An employee code makes it a line of one employee.
        """
        places = {place or landing.place for landing in landings}
        values = {
            "what": _what(landings),
            "place": places.pop() if len(places) == 1 else "",
            "people": f"{people} {'person' if people == 1 else 'people'}" if people else "",
            "employee_code": employee_code,
            "company_code": company_code,
        }
        template = self._policy.line_text or (_LINE_TEXT_EMPLOYEE if employee_code else _LINE_TEXT)
        text = _shortened(filled(template, self._of_the_run | values))
        return text[:1].upper() + text[1:]

    def _usual_header(self) -> str:
        header = self._header
        period = f" {self._of_the_run['period']}," if _has_period(header) else ""
        text = f"Gusto payroll{period} paid {header.check_date}"
        return f"{text} off-cycle {header.off_cycle_reason}".rstrip() if header.payroll_type == "off_cycle" else text


def _shortened(text: str) -> str:
    """At most LINE_TEXT_MAX characters: a line of many components names the first of them."""
    if len(text) <= LINE_TEXT_MAX:
        return text
    more = " and more"
    kept = text[: LINE_TEXT_MAX - len(more)]
    return (kept.rpartition(", ")[0] or kept) + more


def _has_period(header: PayrollHeader) -> bool:
    return bool(header.period_start and header.period_end)


def _what(landings: Collection[Landing]) -> str:
    """`net pay direct deposit, taxes`: one label per kind or component."""
    labels: dict[str, int] = {}
    for landing in landings:
        label, order = _label(landing.rule), _ORDER[landing.rule.kind]
        labels[label] = min(order, labels.get(label, order))
    if labels.keys() >= _BOTH_TAXES:
        labels = {label: order for label, order in labels.items() if label not in _BOTH_TAXES}
        labels["taxes"] = _ORDER[LineKind.EMPLOYEE_TAX]
    return ", ".join(sorted(labels, key=lambda label: (labels[label], label)))


def _label(rule: Rule) -> str:
    component = " ".join(rule.criteria.component.split())
    if rule.kind == LineKind.NET_PAY:
        return f"{_WORDS[rule.kind]} {component.lower()}".rstrip()
    if component and rule.kind not in _PRIVATE:
        return component
    return _WORDS[rule.kind]
