"""The journal policy: its values as rows and files give them, what contradicts itself, and the texts that it words."""

from __future__ import annotations

from datetime import date

import pytest

from mappings.policy import HEADER_NAMES, Credits, Journals, Lines, Policy, PostingDate, Straddle, policy_faults
from mappings.policy_values import NAMES, policy_from, read_policy, stored_value
from mappings.text_template import filled, template_faults

PAYMASTER = {
    "credits": Credits.PAYMASTER,
    "paying_company_code": "US01",
    "due_from_account": "1350",
    "due_to_account": "2350",
}


# Values


def test_a_policy_file_is_read_whole():
    document = {
        "payroll": [{"run": "R1"}],
        "policy": {
            "company_code": "US01", "journals": "accrual_settlement", "posting_date": "debit_date",
            "credits": "paymaster", "straddle": "working_days", "lines": "employee", "accrual_account": "2120",
            "unpaid_holidays": [date(2026, 11, 26), "2026-07-03"], "straddle_off_cycle": True,
            "clearing_detail": True, "header_text": "Pay {check_date}", "line_text": "{what} {employee_code}",
            "ignored_payroll_types": [],
        },
        "intercompany": {
            "paying_company_code": "US01", "due_from_account": "1350", "due_to_account": "2350",
            "affiliate_dimension": "Affiliate",
        },
    }  # fmt: skip
    assert read_policy(document) == Policy(
        company_code="US01",
        posting_date=PostingDate.DEBIT_DATE,
        journals=Journals.ACCRUAL_SETTLEMENT,
        credits=Credits.PAYMASTER,
        straddle=Straddle.WORKING_DAYS,
        lines=Lines.EMPLOYEE,
        paying_company_code="US01",
        due_from_account="1350",
        due_to_account="2350",
        affiliate_dimension="Affiliate",
        accrual_account="2120",
        straddle_off_cycle=True,
        unpaid_holidays=(date(2026, 7, 3), date(2026, 11, 26)),
        clearing_detail=True,
        header_text="Pay {check_date}",
        line_text="{what} {employee_code}",
        ignored_payroll_types=(),
    )


def test_what_a_file_does_not_say_is_as_usual():
    assert read_policy({"policy": {"company_code": "US01"}}) == Policy("US01")
    assert Policy("US01").ignored_payroll_types == ("external",)


def test_every_value_that_cannot_be_is_named_at_once():
    with pytest.raises(ValueError, match="yesterday") as raised:
        read_policy({"policy": {"posting_date": "yesterday", "unpaid_holidays": ["4 July"], "straddel": "none"}})
    assert str(raised.value) == (
        'The journal policy has no posting_date "yesterday". Choose from check_date, period_end, debit_date. '
        '"4 July" is no date. Write a holiday as 2026-01-31. The journal policy has no "straddel".'
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lines", "each", "no lines"),
        ("straddle_off_cycle", "yes", "neither true nor false"),
        ("clearing_detail", 1, "neither true nor false"),
        ("due_to_account", 2350, "is no text"),
        ("due_to_account", "2" * 61, "61 characters, 60 are possible"),
        ("header_text", "x" * 121, "121 characters, 120 are possible"),
        ("unpaid_holidays", 20260703, "is no list"),
        ("unpaid_holidays", "2026-02-30", "is no date"),
        ("ignored_payroll_types", ["manual"], "is no payroll type"),
        ("company_code", "US01", 'has no "company_code"'),
    ],
)
def test_a_value_that_the_policy_does_not_have(name: str, value: object, words: str):
    with pytest.raises(ValueError, match=words):
        stored_value(name, value)


def test_a_row_keeps_lists_as_sorted_text():
    assert stored_value("unpaid_holidays", "2026-11-26, 2026-07-03;2026-11-26") == "2026-07-03 2026-11-26"
    assert stored_value("ignored_payroll_types", ["off_cycle", "external"]) == "external off_cycle"
    assert policy_from("US01", {"unpaid_holidays": "2026-07-03"}).unpaid_holidays == (date(2026, 7, 3),)


def test_a_policy_has_no_field_that_a_file_cannot_set():
    assert {*NAMES, "company_code"} == set(Policy.__dataclass_fields__)


# Policies that contradict themselves


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ({}, []),
        (PAYMASTER, []),
        ({"straddle": Straddle.WORKING_DAYS, "accrual_account": "2120"}, []),
        (
            {"credits": Credits.PAYMASTER, "due_to_account": "2350"},
            [
                "One company code pays for all, and the journal policy names no paying company code and no due-from account."
            ],
        ),
        (
            {"straddle": Straddle.CALENDAR_DAYS},
            ["The journal policy accrues pay at a month end and names no accrual account for it."],
        ),
        (
            {"journals": Journals.ACCRUAL_SETTLEMENT, "posting_date": PostingDate.PERIOD_END},
            [
                "With accrual and settlement the settlement is dated the check date or the debit date, not the period end."
            ],
        ),
        (
            {"header_text": "Payroll of {company_code}, {check_date}"},
            [
                "The header text of the journal policy begins with the pay period and {check_date}: "
                "a ledger cuts a text from the right."
            ],
        ),
        (
            {"header_text": "Payroll {period}"},
            [
                "The header text of the journal policy begins with the pay period and {check_date}: "
                "a ledger cuts a text from the right."
            ],
        ),
        ({"header_text": "{period_start} {check_date} {journal_kind} {company_code}"}, []),
        ({"line_text": "{place}"}, ["The line text of the journal policy does not say {what} is posted."]),
        (
            {"line_text": "{what} {employee_code}"},
            ["Only lines per employee can have {employee_code} in the line text of the journal policy."],
        ),
        (
            {"lines": Lines.EMPLOYEE, "line_text": "{what}"},
            ["Lines per employee need {employee_code} in the line text of the journal policy."],
        ),
    ],
)
def test_a_policy_that_contradicts_itself_says_so(values: dict, sentences: list[str]):
    assert list(policy_faults(Policy("US01", **values))) == sentences


# Templates


@pytest.mark.parametrize(
    ("template", "faults"),
    [
        ("", []),
        ("Payroll {check_date}", []),
        ("{check_date!r}", ["a brace stands alone. Write a name as {check_date}."]),
        ("{check_date.year}", ["a brace stands alone. Write a name as {check_date}."]),
        ("{} {0}", ["a brace stands alone. Write a name as {check_date}."]),
        ("{check_date", ["a brace stands alone. Write a name as {check_date}."]),
        ("{{check_date}}", ["a brace stands alone. Write a name as {check_date}."]),
        ("a\nb", ["it has a line break or another character that cannot be printed."]),
    ],
)
def test_only_known_names_stand_in_braces(template: str, faults: list[str]):
    assert list(template_faults(template, HEADER_NAMES)) == faults


def test_an_unknown_name_is_refused_with_those_that_are_known():
    (fault,) = template_faults("{employee}", ("what", "place"))
    assert fault == "{employee} is unknown. Choose from {what}, {place}."


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"what": "Wages", "place": "Sales", "people": "2 people"}, "Wages Sales, 2 people"),
        ({"what": "Wages", "place": "Sales", "people": ""}, "Wages Sales"),
        ({"what": "Net pay", "place": "", "people": "2 people"}, "Net pay, 2 people"),
        ({"what": "Wages {check_date}", "place": "", "people": ""}, "Wages {check_date}"),
    ],
)
def test_an_empty_value_takes_its_comma_with_it(values: dict[str, str], text: str):
    assert filled("{what} {place}, {people}", values) == text
