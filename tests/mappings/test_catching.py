"""Which rule catches a line: the order of criteria, ties, and agreement with the plain reading of the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.catching import Catcher, Caught, Uncaught
from mappings.payroll import LineKind, PayrollHeader, PayrollLine, Side
from mappings.table import PRECEDENCE, WEIGHTS, Criteria, CrosswalkEntry, Policy, Rule, Table, Target, fold

HEADER = PayrollHeader(
    payroll_uuid="run",
    company_uuid="company",
    check_date=date(2026, 6, 26),
    payroll_type="off_cycle",
    off_cycle_reason="Bonus",
)
LINE = PayrollLine(
    number=1,
    kind=LineKind.EARNING,
    component="Bonus",
    amount=Decimal("5000.00"),
    employee="uuid-1",
    employee_code="1042",
    job="Trainer",
    department="Sales",
    location="Reno",
    compensation_level="Exempt",
    custom_fields=(("Grant", "G-7"), ("Shirt", "L")),
)
FITTING = {
    "employee": "uuid-1",
    "employee_code": "1042",
    "component": "Bonus",
    "job": "Trainer",
    "custom_field": ("Grant", "G-7"),
    "department": "Sales",
    "location": "Reno",
    "compensation_level": "Exempt",
    "off_cycle_reason": "Bonus",
    "payroll_type": "off_cycle",
}
WAGES = (Target(1, Decimal(100), "6000"),)


def rule(name: str, **criteria) -> Rule:
    return Rule(name, LineKind.EARNING, Criteria(**criteria), debit=WAGES)


def catcher(*rules: Rule, header: PayrollHeader = HEADER, crosswalk: tuple[CrosswalkEntry, ...] = ()) -> Catcher:
    return Catcher(Table("1", date(2026, 1, 1), rules, crosswalk, Policy("US01")), header)


def caught_by(*rules: Rule, line: PayrollLine = LINE) -> str:
    caught = catcher(*rules).catch(line, Side.DEBIT, line.job, "US01")
    assert isinstance(caught, Caught)
    return caught.rule.name


def test_the_weights_are_the_powers_of_two() -> None:
    assert [WEIGHTS[criterion] for criterion in PRECEDENCE] == [512, 256, 128, 64, 32, 16, 8, 4, 2, 1]


@pytest.mark.parametrize("position", range(len(PRECEDENCE)))
def test_one_criterion_outweighs_all_that_stand_after_it_together(position: int) -> None:
    higher, *lower = PRECEDENCE[position:]
    one = rule("one", **{higher: FITTING[higher]})
    all_others = rule("others", **{criterion: FITTING[criterion] for criterion in lower})
    assert caught_by(all_others, one) == "one"


def test_a_superset_of_criteria_beats_its_subset() -> None:
    assert (
        caught_by(rule("kind"), rule("dept", department="Sales"), rule("both", department="Sales", location="Reno"))
        == "both"
    )


def test_every_criterion_must_hold() -> None:
    for criterion in PRECEDENCE:
        other = ("Grant", "G-8") if criterion == "custom_field" else "another"
        assert caught_by(rule("kind"), rule("more", **(FITTING | {criterion: other}))) == "kind"


def test_who_wins_and_whom_it_beats() -> None:
    rules = [
        rule("R01"),
        rule("R21", payroll_type="off_cycle", off_cycle_reason="Bonus"),
        rule("R20", component="bonus"),
    ]
    assert [winner.name for winner in catcher(*rules).fitting(LINE, Side.DEBIT)] == ["R20", "R21", "R01"]


def test_equal_criteria_are_a_tie_that_names_its_rules_in_order() -> None:
    rules = [rule("R9", department="Sales"), rule("R4", department=" sales "), rule("R1")]
    uncaught = catcher(*rules).catch(LINE, Side.DEBIT, LINE.job, "US01")
    assert isinstance(uncaught, Uncaught)
    assert [tied.name for tied in uncaught.rules] == ["R4", "R9"]
    assert not uncaught.is_gap


def test_two_custom_fields_of_one_person_tie() -> None:
    rules = [rule("grant", custom_field=("grant", "g-7")), rule("shirt", custom_field=("Shirt", "L"))]
    uncaught = catcher(*rules).catch(LINE, Side.DEBIT, LINE.job, "US01")
    assert isinstance(uncaught, Uncaught)
    assert len(uncaught.rules) == 2
    assert caught_by(*rules, line=replace(LINE, custom_fields=(("Shirt", "L"), ("shirt", "l")))) == "shirt"


def test_a_rule_without_targets_on_a_side_does_not_catch_there() -> None:
    uncaught = catcher(rule("R1")).catch(LINE, Side.CREDIT, LINE.job, "US01")
    assert isinstance(uncaught, Uncaught)
    assert uncaught.is_gap


def test_what_the_crosswalk_lacks_is_named_completely() -> None:
    target = Target(1, Decimal(100), "6000", (("CostCenter", "@department"), ("Site", "@location")), "@job")
    crosswalk = (CrosswalkEntry("department", "SALES", "costcenter", "200"),)
    lookup = catcher(replace(rule("R1"), debit=(target,)), crosswalk=crosswalk)
    uncaught = lookup.catch(LINE, Side.DEBIT, LINE.job, "US01")
    assert isinstance(uncaught, Uncaught)
    assert uncaught.missing == (("location", "Reno", "Site"), ("job", "Trainer", "company_code"))


def test_dimensions_are_sorted_by_name() -> None:
    target = Target(1, Decimal(100), "6000", (("Site", "10"), ("CostCenter", "20")))
    caught = catcher(replace(rule("R1"), debit=(target,))).catch(LINE, Side.DEBIT, LINE.job, "US01")
    assert isinstance(caught, Caught)
    assert caught.landings.keys[0].dimensions == (("CostCenter", "20"), ("Site", "10"))


def test_each_line_is_answered_by_its_own_values() -> None:
    """Answers are kept per combination of values; one person's answer is never given to another."""
    target = Target(1, Decimal(100), "6000", (("CostCenter", "@department"),), "@job")
    crosswalk = tuple(
        CrosswalkEntry(kind, value, dimension, value.upper())
        for kind, dimension, values in (("department", "CostCenter", ("a", "b")), ("job", "company_code", ("x", "y")))
        for value in values
    )
    lookup = catcher(replace(rule("R1"), debit=(target,)), rule("own", employee="boss"), crosswalk=crosswalk)
    for _ in range(2):
        for department in "ab":
            for job in "xy":
                line = replace(LINE, department=department, employee="other")
                caught = lookup.catch(line, Side.DEBIT, job, "US01")
                assert isinstance(caught, Caught)
                (landing,) = caught.landings.keys
                assert landing.dimensions == (("CostCenter", department.upper()),)
                assert landing.company_code == job.upper()
        boss = lookup.catch(replace(LINE, department="a", employee="boss"), Side.DEBIT, "x", "US01")
        assert isinstance(boss, Caught)
        assert boss.rule.name == "own"


values = st.sampled_from(["", "Alpha", "ALPHA ", "Beta"])
filled = st.fixed_dictionaries({criterion: values for criterion in PRECEDENCE if criterion != "custom_field"})


@settings(max_examples=300)
@given(
    st.lists(filled, max_size=8),
    filled,
    st.sampled_from(["regular", "off_cycle"]),
)
def test_look_ups_agree_with_the_plain_reading(rules: list[dict], facts: dict, payroll_type: str) -> None:
    """Brute force: of all rules whose filled criteria equal the line's values, the largest sum of weights."""
    run_facts = {"payroll_type": payroll_type, "off_cycle_reason": facts["off_cycle_reason"]}
    line = replace(LINE, **{name: value for name, value in facts.items() if name not in run_facts})
    table_rules = [rule(f"R{number}", **criteria) for number, criteria in enumerate(rules)]

    reason = facts["off_cycle_reason"] if payroll_type == "off_cycle" else ""
    line_values = facts | {"payroll_type": payroll_type, "off_cycle_reason": reason}
    fitting = [
        candidate
        for candidate, criteria in zip(table_rules, rules, strict=True)
        if all(fold(wanted) == fold(line_values[name]) for name, wanted in criteria.items() if wanted)
    ]
    best = max((candidate.criteria.specificity() for candidate in fitting), default=0)
    winners = [candidate.name for candidate in fitting if candidate.criteria.specificity() == best]

    answer = catcher(*table_rules, header=replace(HEADER, **run_facts)).catch(line, Side.DEBIT, line.job, "US01")
    if len(winners) == 1:
        assert isinstance(answer, Caught)
        assert [answer.rule.name] == winners
    else:
        assert isinstance(answer, Uncaught)
        assert [tied.name for tied in answer.rules] == sorted(winners)
