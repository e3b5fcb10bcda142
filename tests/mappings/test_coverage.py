"""What a coverage page says of the last payrolls, and that it says the same as the allocation of a run."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.allocation import allocate
from mappings.coverage import changed_components, coverage
from mappings.coverage_rows import Coverage, State
from mappings.findings import FindingKind
from mappings.payroll import LineKind, PayrollHeader, Side
from mappings.table import COMPANY_CODE
from tests.mappings.runs import DEFAULT_RULES, run, table

FRIDAYS = [date(2026, 6, 26), date(2026, 6, 12), date(2026, 5, 29)]

#: Ann works in Sales and in the Shop, Ben in the Shop; Ann alone has a bonus.
TWO_PEOPLE = """
    earning         Regular Hours   ann Clerk Sales   1000.00
    earning         Bonus           ann Clerk Sales   250.00
    earning         Regular Hours   ben Baker Shop    800.00
    employee_tax    Income Tax      ann - -           250.00
    employer_tax    Medicare        ann - -           25.00
    employer_tax    Medicare        ben - -           12.50
    net_pay         Direct Deposit  ann - -           1000.00
    net_pay         Direct Deposit  ben - -           800.00
"""


def runs(*texts: str) -> list[PayrollHeader]:
    """Runs with their check dates, newest first."""
    return [run(text, check_date=day) for text, day in zip(texts, FRIDAYS, strict=False)]


def states(found: Coverage) -> dict[str, State]:
    return {f"{row.kind} {row.component}": row.state for row in found.components}


def test_every_component_is_shown_with_the_rule_that_catches_it():
    found = coverage(table(), runs(TWO_PEOPLE))
    assert found.gaps == ()
    assert (found.caught, len(found.components)) == (5, 5)
    bonus, hours, *_, net_pay = found.components
    assert [(catch.rule.name, catch.side, catch.is_default) for catch in hours.catches] == [("R01", Side.DEBIT, True)]
    assert [(catch.rule.name, catch.is_default) for catch in net_pay.catches] == [("R10", False)]
    assert (hours.sum.amount, hours.sum.people) == (Decimal("1800.00"), {"ann", "ben"})
    assert bonus.sum.reveals_pay
    medicare = found.components[3]
    assert [(catch.rule.name, catch.side) for catch in medicare.catches] == [("R03", Side.DEBIT), ("R03", Side.CREDIT)]


def test_occurrence_is_counted_by_run_and_the_amount_is_that_of_the_last():
    older = "earning  Regular Hours  ann Clerk Sales  900.00\nearning  Overtime  ann Clerk Sales  10.00"
    found = coverage(table(), runs(TWO_PEOPLE, older, older))
    assert [each.check_date for each in found.runs] == FRIDAYS[::-1]
    by_name = {row.component: row for row in found.components}
    assert by_name["Regular Hours"].runs == (True, True, True)
    assert by_name["Overtime"].runs == (True, True, False)
    assert by_name["Overtime"].sum.amount == 0
    assert by_name["Bonus"].runs == (False, False, True)
    assert by_name["Bonus"].sum.amount == Decimal("250.00")


def test_a_gap_says_what_a_rule_for_it_has_to_name():
    without = DEFAULT_RULES.replace(
        "R01  earning                -", "R01  earning                component=Regular Hours"
    )
    found = coverage(table(without), runs(TWO_PEOPLE, TWO_PEOPLE))
    [gap] = found.gaps
    assert (gap.kind, gap.component, gap.side, gap.criteria) == (
        LineKind.EARNING, "Bonus", Side.DEBIT, (("component", "Bonus"),),
    )  # fmt: skip
    assert (gap.sum.amount, gap.people, gap.first_date, gap.last_date) == (
        Decimal("250.00"), 1, FRIDAYS[1], FRIDAYS[0],
    )  # fmt: skip
    assert states(found)["earning Bonus"] == State.GAP
    assert (found.caught, len(found.components)) == (4, 5)


def test_a_gap_on_both_sides_is_two_gaps():
    without = "\n".join(row for row in DEFAULT_RULES.splitlines() if "R03" not in row)
    found = coverage(table(without), runs(TWO_PEOPLE))
    assert [(gap.component, gap.side) for gap in found.gaps] == [("Medicare", Side.DEBIT), ("Medicare", Side.CREDIT)]
    assert found.gaps[0].sum.amount == Decimal("37.50")


def test_a_rule_for_a_gap_takes_nothing_from_rules_that_catch():
    """Hours of the Shop have no rule; a rule for the component alone would take those of Sales as well."""
    by_department = DEFAULT_RULES.replace("earning                -", "earning                department=Sales")
    found = coverage(table(by_department), runs(TWO_PEOPLE))
    [gap] = found.gaps
    assert gap.criteria == (("component", "Regular Hours"), ("department", "Shop"))
    assert gap.sum.amount == Decimal("800.00")


def test_lines_that_no_criterion_separates_get_no_rule_proposed():
    one_person = DEFAULT_RULES.replace("earning                -", "earning                employee=ann")
    text = TWO_PEOPLE.replace("ben Baker Shop", "ben Clerk Sales")
    [gap] = coverage(table(one_person), runs(text)).gaps
    assert gap.criteria is None


def test_costs_of_an_employer_follow_the_job_of_the_wages():
    by_job = """
        R01  earning       -          debit 6000
        R02  employee_tax  -          credit 2110
        R03  employer_tax  job=Clerk  debit 6100; credit 2110
        R10  net_pay       -          credit 2110
    """
    [debit, credit] = coverage(table(by_job), runs(TWO_PEOPLE)).gaps
    assert debit.criteria == credit.criteria == (("component", "Medicare"), ("job", "Baker"))
    assert debit.sum.amount == Decimal("12.50")


def test_a_tie_names_both_rules():
    tie = DEFAULT_RULES + "    R20  earning  -  debit 6001\n"
    found = coverage(table(tie), runs(TWO_PEOPLE))
    assert {each.rules for each in found.ties} == {("R01", "R20")}
    assert states(found)["earning Bonus"] == State.TIE


def test_a_crosswalk_gap_names_the_department_and_what_it_lacks():
    looked_up = DEFAULT_RULES.replace("debit 6000", "debit 6000 CostCenter=@department")
    found = coverage(table(looked_up, "department  Sales  CostCenter  200"), runs(TWO_PEOPLE, TWO_PEOPLE))
    [gap] = found.crosswalk_gaps
    assert (gap.source_kind, gap.source_value, gap.target, gap.rules) == ("department", "Shop", "CostCenter", ("R01",))
    assert (gap.sum.amount, gap.people, gap.first_date) == (Decimal("800.00"), 1, FRIDAYS[1])
    assert states(found)["earning Regular Hours"] == State.CROSSWALK_GAP
    places = {(row.source_kind, row.value): row for row in found.places}
    assert places["department", "Sales"].targets == (("CostCenter", "200"),)
    assert places["department", "Shop"].targets == (("CostCenter", None),)
    assert places["job", "Clerk"].targets == ()


def test_people_without_a_department_have_a_row_of_their_own():
    found = coverage(table(), runs(TWO_PEOPLE.replace("ben Baker Shop", "ben Baker -")))
    departments = [(row.value, row.people) for row in found.places if row.source_kind == "department"]
    assert departments == [("Sales", 1), ("(none)", 1)]


def test_employees_without_a_row_in_the_crosswalk_stand_together():
    looked_up = DEFAULT_RULES.replace("debit 6000", "debit 6000 company_code=@employee")
    [gap] = coverage(table(looked_up, "employee  zoe  company_code  US01"), runs(TWO_PEOPLE)).crosswalk_gaps
    assert (gap.source_kind, gap.source_value, gap.target, gap.people) == ("employee", "", COMPANY_CODE, 2)


def test_overlaps_are_rules_that_fit_by_other_criteria():
    both = DEFAULT_RULES + (
        "    R20  earning  component=Bonus    debit 6020\n"
        "    R21  earning  department=Sales   debit 6030\n"
    )  # fmt: skip
    found = coverage(table(both), runs(TWO_PEOPLE))
    assert [(each.winner.name, each.loser.name, each.lines) for each in found.overlaps] == [("R20", "R21", 1)]


def test_rules_that_caught_nothing_are_named():
    found = coverage(table(), runs(TWO_PEOPLE))
    assert [rule.name for rule in found.unused] == ["R04", "R05", "R06", "R07", "R08", "R09", "R11", "R12", "R13"]
    assert found.usage["R01", Side.DEBIT].sum.amount == Decimal("2050.00")
    assert found.usage["R03", Side.DEBIT].sum.amount == Decimal("37.50")


def test_memo_lines_need_no_rule():
    memo = TWO_PEOPLE + "    imputed  Life Insurance  ann - -  5.00\n"
    found = coverage(table(), runs(memo))
    assert states(found)["imputed Life Insurance"] == State.MEMO
    assert found.caught == len(found.components)
    booked = DEFAULT_RULES + "    R20  imputed  -  debit 6200; credit 6200\n"
    assert states(coverage(table(booked), runs(memo)))["imputed Life Insurance"] == State.CAUGHT


def test_lines_of_nothing_need_no_rule():
    found = coverage(table("R10  net_pay  -  credit 2110"), runs("earning  Regular Hours  ann Clerk Sales  0.00"))
    assert found.components == ()


def test_names_are_one_component_whatever_case_and_spaces():
    found = coverage(table(), runs("earning  Regular Hours  ann - -  1.00\nearning  REGULAR hours   ben - -  1.00"))
    assert [row.component for row in found.components] == ["Regular Hours"]
    assert found.components[0].sum.amount == Decimal("2.00")


def test_what_two_versions_treat_differently():
    other = DEFAULT_RULES.replace("credit 2110", "credit 2111", 1) + "    R20  earning  component=Bonus  debit 6020\n"
    now, before = coverage(table(other), runs(TWO_PEOPLE)), coverage(table(), runs(TWO_PEOPLE))
    assert changed_components(now, before) == {(LineKind.EMPLOYEE_TAX, "income tax"), (LineKind.EARNING, "bonus")}
    assert changed_components(before, before) == set()


def test_nothing_seen_is_nothing_covered():
    found = coverage(table(), [])
    assert (found.components, found.last_run, len(found.unused)) == ((), None, 13)


LINES = st.tuples(
    st.sampled_from(["earning", "employer_tax", "employee_tax", "tips", "imputed"]),
    st.sampled_from(["One", "Two"]),
    st.sampled_from(["ann", "ben"]),
    st.sampled_from(["Clerk", "Baker", "-"]),
    st.sampled_from(["Sales", "Shop", "-"]),
    # No amount is so small that its share for one of the jobs is less than a cent, which needs no rule.
    st.integers(1_000, 2_000),
)
RULES = st.tuples(
    st.sampled_from(["earning", "employer_tax", "employee_tax", "tips", "imputed"]),
    st.sampled_from(["-", "component=One", "job=Clerk", "department=Sales", "component=Two, job=Baker"]),
    st.booleans(),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(LINES, min_size=1, max_size=8), st.lists(RULES, max_size=8, unique_by=lambda rule: rule[:2]))
def test_coverage_and_allocation_find_the_same_gaps(lines, given_rules):
    """The first gap side of each line is what the allocation reports: it names a line for one side only."""
    wages = {who: f"earning  Base  {who} Base -  10.00" for who in ("ann", "ben")}
    text = "\n".join(
        [*wages.values(), *(f"{kind}  {name}  {who} {job} {dept}  {cents / 100:.2f}" for kind, name, who, job, dept, cents in lines)]
    )  # fmt: skip
    sides = {
        "earning": "debit 6000", "tips": "debit 2160", "employee_tax": "credit 2110",
        "employer_tax": "debit 6100; credit 2110", "imputed": "debit 6200; credit 6201",
    }  # fmt: skip
    made = ["R00  earning  component=Base  debit 6000"]
    for number, (kind, criteria, is_looked_up) in enumerate(given_rules, 1):
        account = sides[kind].replace(
            "debit 6000", "debit 6000 CostCenter=@department" if is_looked_up else "debit 6000"
        )
        made.append(f"R{number:02d}  {kind}  {criteria}  {account}")
    made_table = table("\n".join(made), "department  Sales  CostCenter  200")
    header = run(text)
    found = coverage(made_table, [header])
    of_allocation = [each for each in allocate(header, made_table).findings if each.kind == FindingKind.GAP]
    assert {(each.line.kind, each.line.component) for each in of_allocation} == {
        (gap.kind, gap.component) for gap in found.gaps
    }
    missing = [each for each in allocate(header, made_table).findings if each.kind == FindingKind.CROSSWALK_GAP]
    assert {(each.source[1], each.missing) for each in missing} == {
        (gap.source_value, gap.target) for gap in found.crosswalk_gaps
    }


@settings(deadline=None, max_examples=100)
@given(st.lists(LINES, min_size=1, max_size=8), st.lists(RULES, max_size=6, unique_by=lambda rule: rule[:2]))
def test_rules_for_all_gaps_close_them_and_take_nothing_away(lines, given_rules):
    text = "\n".join(
        f"{kind}  {name}  {who} {job} {dept}  {cents / 100:.2f}" for kind, name, who, job, dept, cents in lines
    )
    sides = {
        "earning": "debit 6000", "tips": "debit 2160", "employee_tax": "credit 2110",
        "employer_tax": "debit 6100; credit 2110", "imputed": "debit 6200; credit 6201",
    }  # fmt: skip
    made = [f"R{n:02d}  {kind}  {criteria}  {sides[kind]}" for n, (kind, criteria, _) in enumerate(given_rules, 1)]
    headers = [run(text)]
    before = coverage(table("\n".join(made)), headers)
    new = [
        f"N{n:02d}  {gap.kind}  {', '.join(f'{name}={value}' for name, value in gap.criteria) or '-'}  {gap.side} 9999"
        for n, gap in enumerate(before.gaps)
        if gap.criteria is not None
    ]
    after = coverage(table("\n".join([*made, *new])), headers)
    assert {(gap.kind, gap.component, gap.side) for gap in after.gaps} == {
        (gap.kind, gap.component, gap.side) for gap in before.gaps if gap.criteria is None
    }
    for row in before.components:
        old = {(catch.side, catch.rule.name) for catch in row.catches}
        [now] = [each for each in after.components if each.key == row.key]
        assert old <= {(catch.side, catch.rule.name) for catch in now.catches}
    assert {name for name, _ in before.usage} <= {name for name, _ in after.usage}
    for key, usage in before.usage.items():
        assert after.usage[key].sum.amount == usage.sum.amount


def test_ten_thousand_rules_and_five_hundred_components_are_no_product():
    made = "\n".join(
        f"R{n:05d}  earning  component=C{n % 500}, department=D{n // 500}  debit 6{n % 1000:03d}" for n in range(10_000)
    )
    text = "\n".join(f"earning  C{n}  e{n % 50} Clerk D{n % 20}  {n + 1}.00" for n in range(500))
    headers = [run(text)] * 6
    built = table(made)
    assert len(built.rules) == 10_000
    before = time.perf_counter()
    found = coverage(built, headers)
    assert len(found.components) == 500
    assert found.caught == 500
    # Asked one by one this would be 30 million comparisons.
    assert time.perf_counter() - before < 10


def test_a_custom_field_is_looked_at_too():
    header = run("earning  Hours  ann Clerk Sales  1.00")
    [line] = header.lines
    member = replace(header, lines=(replace(line, custom_fields=(("Union", "Local 5"),)),))
    by_union = table("R01  earning  custom_field=Union:Local 5  debit 6000")
    assert coverage(by_union, [member]).gaps == ()
    assert len(coverage(by_union, [header]).gaps) == 1
