"""The journal policy of one mapping version: which journals a payroll run makes, on which dates, in which company codes.

What each choice means is accounting.md 3, 5 and 6. A policy that contradicts itself is refused by name (`policy_faults`)
and never replaced by another choice in silence.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from mappings.text_template import names_in, template_faults

PAYROLL_TYPES = ("regular", "off_cycle", "external")

#: What a header text may name. Those of the check date and the pay period come first: a ledger cuts from the right.
HEADER_DATES = ("check_date", "period", "period_start", "period_end")
HEADER_NAMES = (
    *HEADER_DATES,
    "debit_date",
    "posting_date",
    "payroll_type",
    "off_cycle_reason",
    "journal_kind",
    "company_code",
)

#: What a line text may name.
LINE_NAMES = ("what", "place", "people", "employee_code", "check_date", "period", "company_code")


class PostingDate(enum.StrEnum):
    """The date of the PAYROLL journal; with accrual and settlement that of the SETTLEMENT."""

    CHECK_DATE = "check_date"
    PERIOD_END = "period_end"
    DEBIT_DATE = "debit_date"


class Journals(enum.StrEnum):
    """One journal per company code, or cost at the period end and settlement at the check date."""

    PAYROLL = "payroll"
    ACCRUAL_SETTLEMENT = "accrual_settlement"


class Credits(enum.StrEnum):
    """Where credits go when wages go to several company codes."""

    FOLLOW_WAGES = "follow_wages"
    PAYMASTER = "paymaster"


class Straddle(enum.StrEnum):
    """How a pay period across a month end is shared."""

    NONE = "none"
    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"


class Lines(enum.StrEnum):
    """One journal line per company code, main account, dimensions and natural side; or also per department or employee."""

    SUMMARY = "summary"
    DEPARTMENT = "department"
    EMPLOYEE = "employee"


@dataclass(frozen=True, slots=True)
class Policy:
    """How journals are made of what the rules caught. `company_code` is the default one."""

    company_code: str
    posting_date: PostingDate = PostingDate.CHECK_DATE
    journals: Journals = Journals.PAYROLL
    credits: Credits = Credits.FOLLOW_WAGES
    straddle: Straddle = Straddle.NONE
    lines: Lines = Lines.SUMMARY
    paying_company_code: str = ""
    """With one paymaster: the company code whose bank account Gusto debits."""
    due_from_account: str = ""
    """In the paying company code: what the others owe it."""
    due_to_account: str = ""
    """In every other company code: what it owes the paying one."""
    affiliate_dimension: str = ""
    """The dimension that says which company code the other one is; empty where the ledger has none."""
    accrual_account: str = ""
    """Owed for work of an earlier fiscal period: the credit of a month-end accrual."""
    straddle_off_cycle: bool = False
    """Whether off-cycle runs are shared over a month end, too."""
    unpaid_holidays: tuple[date, ...] = ()
    """Days from Monday to Friday that are no working days. Paid holidays are: they are earned."""
    clearing_detail: bool = False
    """Credits of net pay, taxes and child support on separate lines, as Gusto's withdrawals are."""
    header_text: str = ""
    """Template of the header text; empty = the usual one."""
    line_text: str = ""
    """Template of the line texts; empty = the usual ones."""
    ignored_payroll_types: tuple[str, ...] = ("external",)
    """Payroll types that make no journal. External payrolls were run and booked elsewhere."""

    @property
    def has_paymaster(self) -> bool:
        return self.credits == Credits.PAYMASTER

    @property
    def credit_company_code(self) -> str:
        """Where all credits stay; empty where they follow the wages."""
        return self.paying_company_code if self.has_paymaster else ""


def policy_faults(policy: Policy) -> Iterator[str]:
    """What contradicts itself or is missing in a policy, whatever the rules, as sentences."""
    if not policy.company_code:
        yield "The journal policy names no default company code."
    if policy.has_paymaster:
        yield from _intercompany_faults(policy)
    if policy.straddle != Straddle.NONE and not policy.accrual_account:
        yield "The journal policy accrues pay at a month end and names no accrual account for it."
    if policy.journals == Journals.ACCRUAL_SETTLEMENT and policy.posting_date == PostingDate.PERIOD_END:
        yield "With accrual and settlement the settlement is dated the check date or the debit date, not the period end."
    for name in policy.ignored_payroll_types:
        if name not in PAYROLL_TYPES:
            yield f'The journal policy ignores the payroll type "{name}". The types are {", ".join(PAYROLL_TYPES)}.'
    for fault in template_faults(policy.header_text, HEADER_NAMES):
        yield f"The header text of the journal policy cannot be used: {fault}"
    for fault in template_faults(policy.line_text, LINE_NAMES):
        yield f"The line text of the journal policy cannot be used: {fault}"
    yield from _template_order_faults(policy)


def _intercompany_faults(policy: Policy) -> Iterator[str]:
    missing = [
        words
        for words, value in (
            ("paying company code", policy.paying_company_code),
            ("due-from account", policy.due_from_account),
            ("due-to account", policy.due_to_account),
        )
        if not value
    ]
    if missing:
        yield f"One company code pays for all, and the journal policy names no {' and no '.join(missing)}."


def _template_order_faults(policy: Policy) -> Iterator[str]:
    names = names_in(policy.header_text)
    if policy.header_text:
        before = names[: names.index("check_date")] if "check_date" in names else names
        if "check_date" not in names or not set(before) <= set(HEADER_DATES):
            yield (
                "The header text of the journal policy begins with the pay period and {check_date}: "
                "a ledger cuts a text from the right."
            )
    if policy.line_text:
        names = names_in(policy.line_text)
        if "what" not in names:
            yield "The line text of the journal policy does not say {what} is posted."
        if policy.lines == Lines.EMPLOYEE and "employee_code" not in names:
            yield "Lines per employee need {employee_code} in the line text of the journal policy."
    if policy.lines != Lines.EMPLOYEE and "employee_code" in names_in(policy.line_text):
        yield "Only lines per employee can have {employee_code} in the line text of the journal policy."
