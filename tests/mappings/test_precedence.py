"""Which rule beats which, and why: for one payroll line, and for a whole table before any payroll."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pytest

from mappings.payroll import LineKind, PayrollLine, Side
from mappings.precedence import overlaps, table_warnings, unreachable, why
from mappings.table import HUNDRED, WEIGHTS, Criteria, Policy, Rule, Table, Target
from tests.mappings.runs import run, table

RULES = """
    R01  earning       -  debit 6000
    R20  earning       component=Bonus  debit 6020
    R21  earning       payroll_type=off_cycle,off_cycle_reason=Bonus  debit 6025
    R22  earning       department=Sales  debit 6001
    R23  earning       department=Field  debit 6002
    R40  employer_tax  job=J2  debit 6107; credit 2117
    R41  employer_tax  -  debit 6100; credit 2110
    R10  net_pay       -  credit 2110
    """
LINES = """
    earning       Bonus           E01 J1 Sales  5000.00
    employer_tax  FUTA            E01 - Sales   3.00
    reimbursement  Travel         E01 J1 Sales  10.00
    net_pay       Direct Deposit  E01 - Sales   5010.00
    """


def line(number: int) -> PayrollLine:
    return run(LINES).lines[number - 1]


TARGET = Target(1, HUNDRED, "6000")


def test_the_winner_and_what_decided_against_each_of_the_others():
    header = run(LINES, payroll_type="off_cycle", off_cycle_reason="Bonus")
    found = why(line(1), Side.DEBIT, table(RULES), header)
    assert found.winner is not None
    assert found.winner.name == "R20"
    assert found.sentence == 'R20 catches earning, component "Bonus". Debit 6020.'
    assert [(loser.rule.name, loser.criterion, loser.sentence) for loser in found.losers] == [
        ("R22", "component", "R20 looks at the component; R22 looks at department only."),
        ("R21", "component", "R20 looks at the component; R21 looks at off-cycle reason and payroll type only."),
        ("R01", "component", "R20 looks at the component; R01 is the default."),
    ]


def test_a_rule_that_does_not_fit_is_no_loser():
    found = why(line(1), Side.DEBIT, table(RULES), run(LINES))
    assert [loser.rule.name for loser in found.losers] == ["R22", "R01"]


def test_an_employer_cost_is_asked_for_as_a_line_of_the_job_it_follows():
    winners = []
    for job in ("", "J2"):
        found = why(line(2), Side.CREDIT, table(RULES), run(LINES), job)
        assert found.winner is not None
        winners.append((found.winner.name, [(loser.rule.name, loser.criterion) for loser in found.losers]))
    assert winners == [("R41", []), ("R40", [("R41", "job")])]


def test_a_gap_and_a_tie_have_no_winner():
    found = why(line(3), Side.DEBIT, table(RULES), run(LINES))
    assert (found.winner, found.tied, found.losers) == (None, (), ())
    assert found.sentence == "No rule catches the debit of reimbursement."
    tie = table(RULES + "    R24  earning  component=bonus  debit 6029")
    found = why(line(1), Side.DEBIT, tie, run(LINES))
    assert found.winner is None
    assert [rule.name for rule in found.tied] == ["R20", "R24"]
    assert found.sentence == "Rules R20 and R24 catch the line equally well, so none of them does."
    assert [loser.rule.name for loser in found.losers] == ["R22", "R01"]


def test_no_sentence_names_a_person():
    rules = table(
        "R01  earning  -  debit 6000\n R02  earning  employee=E01  debit 6001\n R03  earning  employee_code=E01  debit 6002"
    )
    coded = replace(line(1), employee_code="E01")
    found = why(coded, Side.DEBIT, rules, run(LINES))
    texts = [found.sentence, *(loser.sentence for loser in found.losers)]
    assert [loser.criterion for loser in found.losers] == ["employee", "employee"]
    assert not any("E01" in text for text in texts)


@pytest.mark.parametrize("criterion", WEIGHTS)
def test_each_criterion_decides_against_all_below_it_together(criterion: str):
    fields = {name: "x" for name, weight in WEIGHTS.items() if weight < WEIGHTS[criterion] and name != "custom_field"}
    values = {"payroll_type": "off_cycle", "off_cycle_reason": "x", "custom_field": ("Team", "x"), "component": "Bonus"}
    below = Rule("R01", LineKind.EARNING, Criteria(**{name: values.get(name, "x") for name in fields}), (TARGET,))
    above = Rule("R02", LineKind.EARNING, Criteria(**{criterion: values.get(criterion, "x")}), (TARGET,))
    bonus = PayrollLine(
        1, LineKind.EARNING, "Bonus", line(1).amount, "x", "x", "x", "x", "x", "x", custom_fields=(("Team", "x"),)
    )
    mine = Table("1", date(2026, 1, 1), (below, above), (), Policy("US01"))
    found = why(bonus, Side.DEBIT, mine, run(LINES, payroll_type="off_cycle", off_cycle_reason="x"))
    assert found.winner is not None
    assert (found.winner.name, [loser.criterion for loser in found.losers]) == ("R02", [criterion])


# A whole table


@pytest.mark.parametrize(
    ("rules", "policy", "sentences"),
    [
        (RULES, {}, []),
        (
            "R30  earning  payroll_type=regular,off_cycle_reason=Bonus  debit 6025",
            {},
            ["Rule R30 is never used: an off-cycle reason is never there in regular payrolls."],
        ),
        (
            "R30  earning  off_cycle_reason=Bonus  debit 6025\n"
            "R31  earning  off_cycle_reason=bonus,payroll_type=off_cycle  debit 6026",
            {},
            ["Rule R30 is never used: R31 always beats it by the payroll type."],
        ),
        (
            "R30  earning  component=Bonus  debit 6025\n"
            "R31  earning  component=BONUS,payroll_type=regular  debit 6026\n"
            "R32  earning  component=Bonus,payroll_type=off_cycle  debit 6027",
            {},
            ["Rule R30 is never used: R31 and R32 always beat it by the payroll type."],
        ),
        (
            "R30  earning  component=Bonus  debit 6025\n"
            "R31  earning  component=Bonus,payroll_type=regular  debit 6026\n"
            "R32  earning  component=Bonus,payroll_type=off_cycle  debit 6027",
            {"ignored_payroll_types": ()},
            [],
        ),
        (
            "R30  earning  payroll_type=external  debit 6025",
            {},
            ["Rule R30 is never used: the journal policy makes no journal of external payrolls."],
        ),
        (
            "R30  earning  off_cycle_reason=Bonus  debit 6025",
            {"ignored_payroll_types": ("off_cycle",)},
            ["Rule R30 is never used: the journal policy makes no journal of off-cycle payrolls."],
        ),
        (
            "R30  employee_tax  job=Baker  credit 2110",
            {},
            ["Rule R30 is never used: Gusto names no job for employee tax."],
        ),
        (
            "R30  employer_tax  -  debit 6100; credit 2110\n"
            "R31  employer_tax  payroll_type=regular  debit 6101\n"
            "R32  employer_tax  payroll_type=off_cycle  debit 6102",
            {},
            ["Rule R30 is never used for its debit: R31 and R32 always beat it by the payroll type."],
        ),
        (
            "R30  earning  department=Sales  debit 6025\n R31  earning  department=Sales,location=Reno  debit 6026",
            {},
            [],
        ),
    ],
)
def test_rules_that_nothing_can_reach(rules: str, policy: dict, sentences: list[str]):
    assert [problem.sentence for problem in unreachable(table(rules, **policy))] == sentences


def test_criteria_that_meet_in_one_line():
    found = overlaps(table(RULES))
    assert [(each.kind, each.side, each.criterion, each.winners, each.losers) for each in found] == [
        (LineKind.EARNING, Side.DEBIT, "component", ("R20",), ("R22", "R23")),
        (LineKind.EARNING, Side.DEBIT, "component", ("R20",), ("R21",)),
        (LineKind.EARNING, Side.DEBIT, "department", ("R22", "R23"), ("R21",)),
    ]
    assert found[0].sentence == (
        "Rules by component (R20) catch before rules by department (R22, R23) what both fit: earning, debit. "
        "A rule with both criteria says otherwise."
    )
    assert [problem.kind for problem in table_warnings(table(RULES))] == ["overlap"] * 3


@pytest.mark.parametrize(
    "rules",
    [
        # The one fits only what the other fits, too: that is what rules are for.
        "R01  earning  -  debit 6000\n R02  earning  department=Sales  debit 6001",
        "R01  earning  department=Sales  debit 6000\n R02  earning  department=Sales,location=Reno  debit 6001",
        "R01  earning  off_cycle_reason=Bonus  debit 6000\n R02  earning  payroll_type=off_cycle  debit 6001",
        # They never fit one line.
        "R01  earning  component=Bonus,job=J1  debit 6000\n R02  earning  department=Sales,job=J2  debit 6001",
        "R01  earning  off_cycle_reason=Bonus  debit 6000\n R02  earning  payroll_type=regular  debit 6001",
        "R01  earning  component=Bonus  debit 6000\n R02  tips  department=Sales  debit 6001",
        "R01  employer_tax  component=FUTA  debit 6000\n R02  employer_tax  department=Sales  credit 2110",
    ],
)
def test_criteria_that_do_not_meet(rules: str):
    assert overlaps(table(rules)) == ()


def test_ten_thousand_rules_are_looked_at_in_no_time():
    rules = tuple(
        Rule(f"C{number}", LineKind.EARNING, Criteria(component=f"C{number}", job=f"J{number % 50}"), (TARGET,))
        for number in range(8000)
    ) + tuple(
        Rule(f"D{number}", LineKind.EARNING, Criteria(department=f"D{number}", job=f"J{number % 60}"), (TARGET,))
        for number in range(2000)
    )
    mine = Table("1", date(2026, 1, 1), rules, (), Policy("US01"))
    started = time.process_time()
    (found,) = overlaps(mine)
    assert unreachable(mine) == []
    assert time.process_time() - started < 2
    assert (len(found.winners), len(found.losers)) == (8000, 50 * 33 + 20)
    assert len(found.sentence) < 200
