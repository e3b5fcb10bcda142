"""The pure table: choice of version, defects of a table, and rules in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from mappings.payroll import LineKind
from mappings.table import (
    Criteria,
    CrosswalkEntry,
    Policy,
    Rule,
    Table,
    Target,
    adds_up,
    choose_version,
    defects,
    describe_rule,
    fold,
)
from tests.mappings.runs import DEFAULT_RULES, rules, table

D = Decimal


def version(valid_from: str) -> Table:
    return replace(table(), version=valid_from, valid_from=date.fromisoformat(valid_from))


@pytest.mark.parametrize(
    ("check_date", "chosen"),
    [("2025-12-31", None), ("2026-01-01", "2026-01-01"), ("2026-06-30", "2026-01-01"), ("2026-07-01", "2026-07-01")],
)
def test_the_check_date_chooses_the_version(check_date: str, chosen: str | None) -> None:
    found = choose_version([version("2026-07-01"), version("2026-01-01")], date.fromisoformat(check_date))
    assert (found.version if found else None) == chosen


def test_two_versions_of_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="2 versions"):
        choose_version([version("2026-01-01"), version("2026-01-01")], date(2026, 6, 26))


def test_names_are_compared_without_case_and_surplus_spaces() -> None:
    assert fold("  Regular   HOURS ") == fold("regular hours")
    assert fold("Straße") == fold("STRASSE")


@pytest.mark.parametrize(
    ("percents", "is_whole"),
    [
        (["100"], True),
        (["33.33", "33.33", "33.34"], True),
        (["0", "100"], True),
        (["33.33", "33.33", "33.33"], False),
        (["99.999999999999999999999999999999"], False),
        (["150", "-50"], False),
        (["NaN"], False),
        ([], False),
    ],
)
def test_percentages_add_up_exactly(percents: list[str], is_whole: bool) -> None:
    assert adds_up(D(percent) for percent in percents) is is_whole


def test_a_right_table_has_no_defect() -> None:
    assert defects(table(DEFAULT_RULES, "department  Sales  CostCenter  200")) == ()


WHOLE = Target(1, D(100), "6000")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Rule("R1", LineKind.EARNING), "Rule R1: no side has a target."),
        (Rule("R1", LineKind.EARNING, credit=(WHOLE,)), "Rule R1: earning has no credit side."),
        (Rule("R1", LineKind.IMPUTED, debit=(WHOLE,)), "Rule R1: imputed is posted only by a rule with both sides."),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, percent=D(99)),)),
            "Rule R1: the debit percentages 99 are not 100.",
        ),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, percent=D(50)), replace(WHOLE, percent=D(50)))),
            "Rule R1: two debit targets have the same number.",
        ),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, main_account=""),)),
            "Rule R1: target 1 has no main account.",
        ),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, dimensions=(("CostCenter", ""),)),)),
            "Rule R1: target 1 has a dimension without name or value.",
        ),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, dimensions=(("A", "1"), ("a", "2"))),)),
            "Rule R1: target 1 names a dimension twice.",
        ),
        (
            Rule("R1", LineKind.EARNING, debit=(replace(WHOLE, company_code="@manager"),)),
            "Rule R1: target 1 looks up @manager, which is none of department, location, job, compensation_level, employee.",
        ),
    ],
)
def test_a_rule_that_is_wrong_by_itself(rule: Rule, sentence: str) -> None:
    assert [problem.sentence for problem in defects(replace(table(), rules=(rule,)))] == [sentence]


def test_tables_that_are_wrong_by_themselves() -> None:
    twice = rules("R1  earning  -  debit 6000\n R1  tips  -  debit 2160")
    crosswalk = (
        CrosswalkEntry("department", "Sales", "CostCenter", "200"),
        CrosswalkEntry("department", "SALES ", "costcenter", "250"),
        CrosswalkEntry("manager", "Ann", "CostCenter", "1"),
    )
    wrong = Table("1", date(2026, 1, 1), twice, crosswalk, Policy(""))
    assert [problem.sentence for problem in defects(wrong)] == [
        "The crosswalk gives one department several values of costcenter: 200, 250.",
        "The crosswalk row of manager for CostCenter is incomplete.",
        "The journal policy names no default company code.",
        "2 rules are called R1.",
    ]


def test_a_rule_in_words_names_no_person() -> None:
    rule = Rule(
        "R20",
        LineKind.EMPLOYER_TAX,
        Criteria(employee="uuid-of-jane", component="FUTA", custom_field=("Grant", "G-7"), off_cycle_reason="Bonus"),
        debit=(
            Target(2, D("40.00"), "6101", (), "@job"),
            Target(1, D("60"), "6100", (("CostCenter", "@department"), ("Plant", "10"))),
        ),
        credit=(Target(1, D(100), "2111"),),
    )
    assert describe_rule(rule) == (
        'R20 catches employer tax, one employee, component "FUTA", Grant "G-7", off-cycle reason "Bonus". '
        "Debit 60 % to 6100, CostCenter by department, Plant 10; 40 % to 6101, company code by job. Credit 2111."
    )
