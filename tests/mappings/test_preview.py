"""The money difference between two tables, to the cent, also where one of them does not catch everything; and whose pay
it would give away.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.allocation import allocate
from mappings.journal import ZERO
from mappings.pay_privacy import Sum, hidden_rows, total_of
from mappings.payroll import Side
from mappings.preview import MoneyDifference, money_difference
from tests.mappings.runs import DEFAULT_RULES, run, table

#: Ann and Ben of Sales, Cleo of the Shop; Ann alone has a bonus.
PAYROLL = """
    earning         Regular Hours   ann Clerk Sales   1000.00
    earning         Bonus           ann Clerk Sales   250.00
    earning         Regular Hours   ben Clerk Sales   800.00
    earning         Regular Hours   cleo Baker Shop   600.00
    employee_tax    Income Tax      ann - -           250.00
    employer_tax    Medicare        ann - -           25.00
    employer_tax    Medicare        ben - -           12.50
    net_pay         Direct Deposit  ann - -           1000.00
    net_pay         Direct Deposit  ben - -           800.00
    net_pay         Direct Deposit  cleo - -          600.00
"""


def rows(found: MoneyDifference) -> list[tuple[str, str | None, str | None, str | None]]:
    def text(amount: Decimal | None) -> str | None:
        return None if amount is None else str(amount)

    return [(row.main_account, text(row.before), text(row.after), text(row.difference)) for row in found.changed]


def sums_to_nothing(found: MoneyDifference) -> bool:
    return all(
        sum(amounts, ZERO) == ZERO for amounts in zip(*((row.before, row.after) for row in found.rows), strict=True)
    )


def test_a_bonus_on_an_account_of_its_own():
    after = table(DEFAULT_RULES + "    R20  earning  component=Bonus  debit 6020\n")
    found = money_difference(table(), after, [run(PAYROLL)])
    assert rows(found) == [("6000", "2650.00", "2400.00", "-250.00"), ("6020", "0.00", "250.00", "250.00")]
    assert found.difference == Decimal("0.00")
    assert sums_to_nothing(found)
    assert found.moved == {("R20", Side.DEBIT, 1): Sum(Decimal("250.00"), frozenset({"ann"}))}
    assert found.left == {("R01", Side.DEBIT, 1): Sum(Decimal("250.00"), frozenset({"ann"}))}
    [wages, bonus] = found.changed
    assert (wages.moved_people, bonus.after_people) == ({"ann"}, {"ann"})
    assert wages.before_people == {"ann", "ben", "cleo"}


def test_credits_are_negative():
    after = table(DEFAULT_RULES.replace("credit 2110", "credit 2111"))
    found = money_difference(table(), after, [run(PAYROLL)])
    assert rows(found) == [("2110", "-2687.50", "0.00", "2687.50"), ("2111", "0.00", "-2687.50", "-2687.50")]


def test_dimensions_and_company_codes_are_accounts_of_their_own():
    after = table(DEFAULT_RULES.replace("debit 6000", "debit 6000 CostCenter=@department company_code=@department"),
                  "department  Sales  CostCenter  200\ndepartment  Shop  CostCenter  300\n"
                  "department  Sales  company_code  US01\ndepartment  Shop  company_code  US02")  # fmt: skip
    found = money_difference(table(), after, [run(PAYROLL)])
    changed = {(row.company_code, row.main_account, row.dimensions): row.difference for row in found.changed}
    assert changed["US02", "6000", (("CostCenter", "300"),)] == Decimal("600.00")
    assert changed["US02", "2110", ()] == Decimal("-600.00")
    assert changed["US01", "6000", (("CostCenter", "200"),)] == Decimal("2050.00")
    assert found.difference == ZERO
    assert sums_to_nothing(found)


def test_several_runs_are_summed_up():
    after = table(DEFAULT_RULES.replace("debit 6000", "debit 6001"))
    found = money_difference(table(), after, [run(PAYROLL), run(PAYROLL)])
    assert rows(found) == [("6000", "5300.00", "0.00", "-5300.00"), ("6001", "0.00", "5300.00", "5300.00")]


def test_equal_tables_differ_in_nothing():
    found = money_difference(table(), table(), [run(PAYROLL)])
    assert (found.changed, found.moved, found.left, found.difference) == ((), {}, {}, ZERO)
    assert len(found.unchanged) == 3


def test_before_the_first_version_nothing_was_posted():
    found = money_difference(None, table(), [run(PAYROLL)])
    assert {row.before for row in found.rows} == {ZERO}
    assert found.difference == ZERO


def test_what_no_rule_catches_stands_in_rows_of_its_own():
    without = "\n".join(row for row in DEFAULT_RULES.splitlines() if "R01" not in row and "R03" not in row)
    found = money_difference(table(without), table(), [run(PAYROLL)])
    assert [problem.kind for problem in found.before_problems] == ["gap", "gap", "gap", "gap"]
    assert found.after_problems == ()
    assert rows(found) == [
        ("(no rule, credit)", "-37.50", "0.00", "37.50"),
        ("(no rule, debit)", "2687.50", "0.00", "-2687.50"),
        ("2110", "-2650.00", "-2687.50", "-37.50"),
        ("6000", "0.00", "2650.00", "2650.00"),
        ("6100", "0.00", "37.50", "37.50"),
    ]
    assert [row.is_uncaught for row in found.changed] == [True, True, False, False, False]
    assert sums_to_nothing(found)


def test_a_value_that_the_crosswalk_lacks_stands_as_no_value():
    looked_up = DEFAULT_RULES.replace("debit 6000", "debit 6000 CostCenter=@department")
    found = money_difference(table(looked_up, "department  Sales  CostCenter  200"), table(), [run(PAYROLL)])
    before = {row.dimensions: row.before for row in found.rows if row.main_account == "6000"}
    assert before == {
        (("CostCenter", "200"),): Decimal("2050.00"), (("CostCenter", "(no value)"),): Decimal("600.00"), (): ZERO,
    }  # fmt: skip
    assert [problem.kind for problem in found.before_problems] == ["crosswalk_gap"]


def test_a_tie_stands_with_what_no_rule_catches():
    tie = DEFAULT_RULES + "    R20  earning  -  debit 6001\n"
    found = money_difference(table(), table(tie), [run(PAYROLL)])
    assert rows(found) == [("(no rule, debit)", "0.00", "2650.00", "2650.00"), ("6000", "2650.00", "0.00", "-2650.00")]
    assert {problem.kind for problem in found.after_problems} == {"tie"}


def test_a_table_that_cannot_be_applied_says_so_and_the_other_one_is_shown():
    broken = table(DEFAULT_RULES.replace("debit 6000", "debit 60% 6000, 30% 6001"))
    found = money_difference(table(), broken, [run(PAYROLL)])
    assert not found.is_after_known
    assert found.difference is None
    assert "60 + 30 are not 100" in found.after_problems[0].sentence
    assert {row.after for row in found.rows} == {None}
    assert sum((row.before or ZERO for row in found.rows), ZERO) == ZERO
    assert found.is_before_known


def test_wages_that_nothing_can_follow_are_no_gap():
    text = "earning  Hours  ann Clerk Sales  100.00\nearning  Hours  ann Baker Shop  -100.00"
    codes = table(
        "R01  earning  -  debit 6000 company_code=@department",
        "department  Sales  company_code  US01\ndepartment  Shop  company_code  US02",
    )
    found = money_difference(None, codes, [run(text)])
    assert not found.is_after_known
    assert [problem.kind for problem in found.after_problems] == ["wages"]


AMOUNTS = st.lists(st.integers(100, 99_999), min_size=1, max_size=6)
CHANGES = st.sampled_from(
    [
        ("debit 6000", "debit 60% 6000, 40% 6001"),
        ("debit 6000", "debit 33.33% 6000, 66.67% 6001"),
        ("debit 6000", "debit 6000 CostCenter=@department"),
        ("debit 6100; credit 2110", "debit 6101; credit 2111"),
        ("R01  earning                -", "R01  earning                department=Sales"),
        ("R03  employer_tax           -", "R03  employer_tax           component=None"),
        ("component=Direct Deposit", "component=Check or so"),
    ]
)


@settings(deadline=None, max_examples=100)
@given(AMOUNTS, CHANGES)
def test_both_sides_balance_and_agree_with_the_journals_to_the_cent(amounts, change):
    lines = []
    for n, cents in enumerate(amounts):
        wages = Decimal(cents) / 100
        lines += [
            f"earning  Hours  e{n} Clerk {'Sales' if n % 2 else 'Shop'}  {wages}",
            f"employer_tax  Medicare  e{n} - -  {(wages / 10).quantize(Decimal('0.01'))}",
            f"net_pay  Direct Deposit  e{n} - -  {wages}",
        ]
    header = run("\n".join(lines))
    changed = DEFAULT_RULES.replace(*change)
    assert changed != DEFAULT_RULES
    found = money_difference(table(), table(changed), [header])
    assert found.difference == ZERO
    assert sums_to_nothing(found)
    for built, amount_of in ((table(), "before"), (table(changed), "after")):
        journals = allocate(header, built).journals
        if allocate(header, built).problems:
            continue
        in_journals = {
            (journal.company_code, line.main_account, line.dimensions): ZERO
            for journal in journals
            for line in journal.lines
        }
        for journal in journals:
            for line in journal.lines:
                in_journals[journal.company_code, line.main_account, line.dimensions] += line.debit - line.credit
        shown = {(row.company_code, row.main_account, row.dimensions): getattr(row, amount_of) for row in found.rows}
        assert {key: amount for key, amount in shown.items() if amount} == {k: v for k, v in in_journals.items() if v}


# Whose pay it is


def test_one_persons_amount_is_shown_only_to_those_who_may_see_pay():
    bonus = Sum(Decimal("250.00"), frozenset({"ann"}))
    assert bonus.shown(may_see_pay=False) is None
    assert bonus.shown(may_see_pay=True) == Decimal("250.00")
    assert Sum(Decimal("250.00"), frozenset({"ann", "ben"})).shown(may_see_pay=False) == Decimal("250.00")
    assert Sum(Decimal("25.00")).shown(may_see_pay=False) == Decimal("25.00")
    assert Sum(ZERO, frozenset({"ann"})).shown(may_see_pay=False) == ZERO


def test_a_total_does_not_give_one_person_away():
    ann, ben = Sum(Decimal(1), frozenset({"ann"})), Sum(Decimal(2), frozenset({"ben"}))
    both = Sum(Decimal(3), frozenset({"ann", "ben"}))
    assert total_of([both], may_see_pay=False) == 3
    assert total_of([both, ann], may_see_pay=False) is None
    assert total_of([both, ann, ann], may_see_pay=False) is None
    assert total_of([both, ann, ben], may_see_pay=False) == 6
    assert total_of([both, ann], may_see_pay=True) == 4


def test_the_row_that_would_give_a_hidden_one_away_is_hidden_with_it():
    def row(amount: int, *people: str) -> tuple[Sum, ...]:
        return (Sum(Decimal(amount), frozenset(people)),)

    many = ("ann", "ben", "cleo")
    assert hidden_rows([row(10, *many), row(-10, *many)], may_see_pay=False) == set()
    assert hidden_rows([row(10, *many), row(-7, *many), row(-3, "ann", "ben"), row(1, "ann")], may_see_pay=False) == {
        2,
        3,
    }
    assert hidden_rows([row(10, *many), row(-5, "ann"), row(-5, "ben")], may_see_pay=False) == {1, 2}
    assert hidden_rows([row(10, *many), row(-5, "ann"), row(-5, "ann")], may_see_pay=False) == {0, 1, 2}
    assert hidden_rows([row(10, "ann"), row(-10, *many)], may_see_pay=True) == set()


def test_a_moved_bonus_is_hidden_although_many_people_share_the_account():
    after = table(DEFAULT_RULES + "    R20  earning  component=Bonus  debit 6020\n")
    found = money_difference(table(), after, [run(PAYROLL)])
    hidden = hidden_rows([row.sums for row in found.rows], may_see_pay=False)
    assert {found.rows[at].main_account for at in hidden} == {"6000", "6020"}
