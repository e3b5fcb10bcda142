"""What is suggested for a gap: from where, in which order, with which reason; never an account that cannot be used."""

from __future__ import annotations

import datetime

import pytest

from mappings.chart import Chart, ChartAccount, ChartValue
from mappings.coverage import coverage
from mappings.coverage_rows import Gap
from mappings.payroll import LineKind, Side
from mappings.suggestions import Precedent, Suggestion, gap_key, suggestions, value_suggestions
from mappings.table import Table
from tests.mappings.runs import run, table

DAY = datetime.date(2026, 6, 26)
ACCOUNTS = {
    "6000": "Wages and salaries", "6015": "Bonus, billable", "6100": "Employer payroll taxes", "6230": "Employee wellness",
    "6300": "Travel", "2110": "Payroll clearing, Gusto", "2150": "Benefit plans payable",
}  # fmt: skip


def chart(accounts: dict[str, str] | None = None, values: dict[str, str] | None = None, **more) -> Chart:
    """Accounts by number, cost centers by value; `closed` and `without_entry` are numbers."""
    closed, without_entry = more.get("closed", ()), more.get("without_entry", ())
    return Chart(
        on_date=DAY,
        accounts={
            ("US01", number): ChartAccount(
                "US01", number, name, is_active=number not in closed, allows_manual_entry=number not in without_entry,
                required_dimensions=frozenset(more.get("required", {}).get(number, ())),
                allowed_dimensions=more.get("allowed", {}).get(number),
            )
            for number, name in (ACCOUNTS if accounts is None else accounts).items()
        },
        dimensions=frozenset({"CostCenter"}),
        values={
            ("", "CostCenter", value): ChartValue("", "CostCenter", value, name) for value, name in (values or {}).items()
        },
    )  # fmt: skip


def suggested(the_table: Table, payroll: str, the_chart: Chart | None, *precedents: Precedent) -> list[Suggestion]:
    found = coverage(the_table, [run(payroll)])
    made = suggestions(found, the_table, the_chart, precedents)
    return [made[gap_key(gap)] for gap in found.gaps if gap_key(gap) in made]


def only(the_table: Table, payroll: str, the_chart: Chart | None, *precedents: Precedent) -> tuple[str, str]:
    (found,) = suggested(the_table, payroll, the_chart, *precedents)
    return found.target.main_account, found.reason


RULES = """
    R01  earning       component=Regular Hours  debit 6000 CostCenter=@department
    R02  earning       component=Bonus          debit 6015 CostCenter=@department
    R03  employer_tax  component=FUTA           debit 6100 CostCenter=@department; credit 2110
    R04  employer_tax  component=Medicare       debit 6100 CostCenter=@department; credit 2110
    R05  net_pay       -                        credit 2110
"""
KNOWN = """
    earning  Regular Hours  ann - Sales  1000.00
    earning  Bonus  ann - Sales  100.00
    employer_tax  FUTA  ann - Sales  6.00
    employer_tax  Medicare  ann - Sales  14.50
"""
CROSSWALK = "department  Sales  CostCenter  200"
WELLNESS = KNOWN + "    earning  Wellness Stipend  ann - Sales  50.00\n"
LEAVE = KNOWN + "    employer_tax  WA Paid Family Leave  ann - Sales  8.91\n"


def precedent(component: str, account: str, words: str = "company code 1000", **more) -> Precedent:
    given = {"kind": LineKind.EARNING, "side": Side.DEBIT, "is_own": False, **more}
    return Precedent(component=component, main_account=account, words=words, **given)


def test_the_same_name_in_another_company_code_stands_first():
    found = only(table(RULES, CROSSWALK), WELLNESS, chart(), precedent("wellness  stipend", "6300"))
    assert found == ("6300", "It goes there in company code 1000.")


def test_another_company_code_stands_before_an_earlier_version_of_the_own():
    own = precedent("Wellness Stipend", "6000", "version 3", is_own=True)
    assert only(table(RULES, CROSSWALK), WELLNESS, chart(), own) == ("6000", "It goes there in version 3.")
    both = only(table(RULES, CROSSWALK), WELLNESS, chart(), own, precedent("Wellness Stipend", "6300"))
    assert both == ("6300", "It goes there in company code 1000.")


def test_a_nearly_equal_name_elsewhere_is_named():
    found = only(table(RULES, CROSSWALK), WELLNESS, chart(), precedent("Wellness Stipends", "6300"))
    assert found == ("6300", "“Wellness Stipends” goes there in company code 1000.")


def test_where_all_others_of_the_kind_go():
    debit, credit = suggested(table(RULES, CROSSWALK), LEAVE, chart())
    assert (debit.target.main_account, debit.reason) == ("6100", "The 2 other employer taxes go there.")
    assert debit.target.dimensions == (("CostCenter", "@department"),), "as its siblings have them"
    assert (credit.target.main_account, credit.target.dimensions) == ("2110", ())


def test_the_nearest_name_of_an_account_where_the_kind_goes_to_several():
    assert only(table(RULES, CROSSWALK), WELLNESS, chart()) == ("6230", "Closest name in the chart of accounts.")


def test_a_similar_component_leads_before_the_name_of_an_account():
    found = only(table(RULES, CROSSWALK), KNOWN + "    earning  Bonus, 2nd  ann - Sales  5.00\n", chart())
    assert found == ("6015", "“Bonus”, a similar name, goes there.")


def test_where_most_go_is_the_last_thing_to_say():
    odd = KNOWN + "    earning  Zzyx  ann - Sales  5.00\n"
    rules = RULES + "    R06  earning  component=Overtime  debit 6000\n"
    payroll = odd + "    earning  Overtime  ann - Sales  5.00\n"
    (found,) = suggested(table(rules, CROSSWALK), payroll, chart())
    assert (found.target.main_account, found.reason) == ("6000", "2 of the 3 other earnings go there.")
    assert found.confidence < 50


def test_a_kind_that_nothing_is_known_of_is_told_by_the_names_of_accounts():
    """The first mapping of a tenant: nothing to copy from but the chart."""
    payroll = "employer_tax  FUTA  ann - Sales  6.00"
    debit, credit = suggested(table("R01  net_pay  -  credit 2110"), payroll, chart())
    assert (debit.target.main_account, debit.reason) == ("6100", "By its name it is for employer tax, debit.")
    assert credit.target.main_account == "2110"


@pytest.mark.parametrize("unusable", [{"closed": ("6230",)}, {"without_entry": ("6230",)}])
def test_what_the_ledger_does_not_take_is_not_suggested(unusable):
    account, _ = only(table(RULES, CROSSWALK), WELLNESS, chart(**unusable))
    assert account != "6230"
    account, _ = only(table(RULES, CROSSWALK), WELLNESS, chart(**unusable), precedent("Wellness Stipend", "6230"))
    assert account != "6230"


def test_nothing_is_suggested_where_nothing_is_like_it():
    assert (
        suggested(table("R01  net_pay  -  credit 2110"), "tips  Zzyx  ann - -  5.00", chart({"2110": "Clearing"})) == []
    )


def test_dimensions_are_those_that_the_account_takes_and_needs():
    none_taken = chart(allowed={"6230": frozenset()})
    (found,) = suggested(table(RULES, CROSSWALK), WELLNESS, none_taken)
    assert found.target.dimensions == ()
    rules = RULES.replace(" CostCenter=@department", "")
    (found,) = suggested(table(rules, CROSSWALK), WELLNESS, chart(required={"6230": {"CostCenter"}}))
    assert found.target.dimensions == (("CostCenter", "@department"),)


def test_without_reference_data_the_tenants_own_accounts_are_enough():
    account, reason = only(table(RULES, CROSSWALK), KNOWN + "    earning  Bonus 2  ann - Sales  5.00\n", None)
    assert (account, reason) == ("6015", "“Bonus”, a similar name, goes there.")


def test_every_suggestion_has_a_reason_and_says_how_sure_it_is():
    found = suggested(table(RULES, CROSSWALK), WELLNESS + LEAVE.replace(KNOWN, ""), chart())
    assert len(found) == 3
    for suggestion in found:
        assert suggestion.reason.endswith(".")
        assert 0 < suggestion.confidence < 100


def test_a_key_names_exactly_what_was_shown():
    (one,) = suggested(table(RULES, CROSSWALK), WELLNESS, chart())
    (same,) = suggested(table(RULES, CROSSWALK), WELLNESS, chart())
    (other,) = suggested(table(RULES, CROSSWALK), WELLNESS, chart(), precedent("Wellness Stipend", "6300"))
    assert one.key == same.key != other.key


# Crosswalks


def value_of(department: str, the_chart: Chart, *known: tuple[str, str, str, str, str]) -> tuple[str, str] | None:
    the_table = table("R01  earning  -  debit 6000 CostCenter=@department", "department  Sales  CostCenter  200")
    found = coverage(the_table, [run(f"earning  Regular Hours  ann - {department}  10.00")])
    made = list(value_suggestions(found.crosswalk_gaps, the_table, the_chart, known).values())
    return (made[0].value, made[0].reason) if made else None


def test_a_department_gets_the_value_of_its_name():
    values = chart(values={"100": "Production", "300": "Field Operations"})
    assert value_of("Production", values) == ("100", "The name is the same.")
    assert value_of("Field-Ops-Operations", values) == ("300", "Closest name among the values.")
    assert value_of("Legal", values) is None


def test_a_department_gets_the_value_that_it_has_in_another_company_code():
    known = ("department", "production", "CostCenter", "300", "company code 1000")
    values = chart(values={"100": "Production", "300": "Field Operations"})
    assert value_of("Production", values, known) == ("300", "It has it in company code 1000.")


def test_people_without_a_department_get_no_value_suggested():
    assert value_of("-", chart(values={"100": "(none)"})) is None


def test_gap_keys_tell_sides_apart():
    the_table = table("R01  net_pay  -  credit 2110")
    found = coverage(the_table, [run("employer_tax  FUTA  ann - -  6.00")])
    gaps: tuple[Gap, ...] = found.gaps
    assert len({gap_key(gap) for gap in gaps}) == 2
