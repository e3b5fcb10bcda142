"""Reference data of IFS Cloud: accounts with their rules, code parts by their meaning, periods that the user group may use."""

from __future__ import annotations

from datetime import date

import pytest

from audit.exchange import Misconfigured, TemporaryFailure
from erp.connector import Reference, ReferenceAccount, ReferencePeriod
from erp.ifs.reference import day
from erp.ifs.setup import code_part_names, series_problem
from tests.erp.ifs.conftest import Cloud


@pytest.fixture
def reference(cloud: Cloud) -> Reference:
    assert cloud.reference is not None
    return cloud.reference


def account(reference: Reference, number: str, company: str = "US10") -> ReferenceAccount:
    (found,) = [each for each in reference.accounts if (each.company_code, each.number) == (company, number)]
    return found


def period(reference: Reference, on: date, company: str = "US10") -> ReferencePeriod:
    (found,) = [each for each in reference.periods if each.company_code == company and each.start <= on <= each.end]
    return found


JULY = date(2026, 7, 31)


def test_companies_come_with_name_and_currency(reference):
    assert reference.company_codes == (
        ("CA30", "Cobalt Ridge Canada Ltd", "CAD"),
        ("MX40", "Cobalt Ridge México SA de CV", "MXN"),
        ("US10", "Cobalt Ridge Mills Inc", "USD"),
        ("US20", "Cobalt Ridge Haulage LLC", "USD"),
        ("US90", "Cobalt Ridge Newco Inc", "USD"),
    )
    assert reference.setup_problems == ()
    assert reference.facts["parallel_currencies"] == {"MX40": "USD"}
    assert reference.facts["rate_types"]["US10"] == ["1"]
    assert "JPY" in reference.facts["currencies"]["US10"]


def test_code_parts_are_named_by_what_they_mean(reference):
    assert reference.dimensions == ("Affiliate", "BusUnit", "CostCenter", "Department", "Project")
    parts = reference.facts["code_parts"]
    assert parts["US10"] == {"CostCenter": "B", "Department": "C", "Project": "D", "BusUnit": "E", "Affiliate": "F"}
    assert parts["MX40"]["CostCenter"] == "C"
    assert parts["US90"] == {}


def test_accounts_carry_validity_and_the_rule_of_each_code_part(reference):
    wages = account(reference, "6000")
    assert (wages.name, wages.allows_manual_entry, wages.requires_text) == ("Wages and salaries", True, False)
    assert wages.allowed_dimensions == frozenset({"CostCenter", "Department", "Project", "BusUnit", "Affiliate"})
    assert wages.required_dimensions == frozenset()
    assert account(reference, "5000").required_dimensions == frozenset({"CostCenter"})
    assert account(reference, "5000", "MX40").required_dimensions == frozenset({"CostCenter"})
    assert account(reference, "2110").allowed_dimensions == frozenset({"BusUnit", "Affiliate"})
    assert account(reference, "6300").requires_text
    assert account(reference, "6096").valid_from == date(2027, 3, 2)
    assert account(reference, "6095").valid_to == date(2026, 1, 26)


@pytest.mark.parametrize(
    ("number", "note"),
    [
        ("1010", "belongs to a sub-ledger, and function group M posts to none"),
        ("6999", "is for budgets only"),
        ("9000", "is statistical and does not count in the balance of a voucher"),
        ("6310", "demands a tax code, which payroll vouchers do not carry"),
        ("6400", "demands a quantity, which payroll vouchers do not carry"),
    ],
)
def test_accounts_that_take_no_rows_of_ours_say_why(reference, number, note):
    found = account(reference, number)
    assert (found.allows_manual_entry, found.entry_note) == (False, note)


def test_ledger_accounts_are_open_to_other_function_groups(cloud):
    reference = cloud.connector(is_warm=False, function_group="K", voucher_type="K", companies="US10").read_reference()
    assert account(reference, "1010").allows_manual_entry


def test_values_carry_validity(reference):
    values = {
        value.value: value
        for value in reference.dimension_values
        if (value.company_code, value.dimension) == ("US10", "CostCenter")
    }
    assert values["100"].name == "Cost center 100"
    assert values["101"].valid_to == date(2026, 1, 26)
    assert values["102"].valid_from == date(2027, 3, 2)
    assert not values["103"].is_active
    assert "O'Neil" in values
    assert {value.value for value in reference.dimension_values if value.dimension == "Project"} == {"P1", "P-2"}


def test_periods_are_ordinary_ones_and_open_for_the_user_group(reference):
    july = period(reference, JULY)
    assert (july.start, july.end, july.is_open, july.closed_note) == (date(2026, 7, 1), JULY, True, "")
    assert period(reference, date(2026, 12, 31)).name == "2026 12"
    old = period(reference, date(2025, 1, 15))
    assert (old.is_open, old.closed_note) == (False, "it is not open for user group AC")


def read(cloud: Cloud, company: str = "US10", **changed: str) -> Reference:
    return cloud.connector(company_code=company, is_warm=False, companies=company, **changed).read_reference()


def test_a_period_that_is_closed_for_the_user_group_only_is_closed(own_cloud):
    own_cloud.system.reference.set_period("US10", JULY, "Closed", "AC")
    assert not period(read(own_cloud), JULY).is_open
    assert period(read(own_cloud, user_group="PR"), JULY).is_open
    own_cloud.system.reference.set_period("US10", JULY, "", "AC")
    assert period(read(own_cloud), JULY).closed_note == "user group AC is not connected to it"


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"voucher_type": "X"}, "voucher type X has no number series for 2026"),
        (
            {"voucher_type": "Z"},
            "voucher type Z is not connected to user group AC for function group M in 2026",
        ),
        ({"voucher_type": "O"}, "user group AC may only approve vouchers of type O in 2026"),
        (
            {"voucher_type": "P", "function_group": "Q"},
            "voucher type P is not connected to user group AC for function group Q in 2026",
        ),
    ],
)
def test_a_voucher_type_that_cannot_be_used_in_a_year_closes_its_periods(cloud, changed, note):
    found = period(read(cloud, **changed), JULY)
    assert (found.is_open, found.closed_note) == (False, note)


def test_a_number_series_that_is_used_up_closes_the_year(own_cloud):
    own_cloud.system.reference.set_series("US10", "P", 2026, {"CurrentNumber": 2027000000})
    found = read(own_cloud)
    assert period(found, JULY).closed_note == "the number series of voucher type P for 2026 is used up"
    assert period(found, date(2027, 1, 31)).is_open


def test_series_by_period_are_looked_at_by_period():
    series = [{"Period": 7, "CurrentNumber": 1, "SerieUntil": 9}]
    assert series_problem(series, "P", 2026, 7, is_by_period=True) == ""
    assert series_problem(series, "P", 2026, 8, is_by_period=True) == "voucher type P has no number series for 2026"
    assert series_problem(series, "P", 2026, 8, is_by_period=False) == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"voucher_type": "I"}, "is not for vouchers that are entered by hand"),
        ({"voucher_type": "S"}, "simulation vouchers, which never reach the ledger"),
        ({"voucher_type": "QQ"}, "has no voucher type QQ"),
        ({"user_group": "NOSUCH"}, "has no user group NOSUCH"),
        ({"user_group": "US20=AC"}, "names no user group for company US10"),
    ],
)
def test_a_set_up_under_which_nothing_can_be_posted_is_said_for_the_company(cloud, changed, words):
    found = read(cloud, **changed)
    assert any(words in sentence for sentence in found.setup_problems)
    # For a journal of another legal entity on the same connection, the period says it.
    assert words in period(found, JULY).closed_note


def test_a_company_without_rights_is_told_from_an_empty_one(own_cloud):
    (sentence,) = read(own_cloud, "US90").setup_problems[:1]
    assert "it is empty" in sentence
    own_cloud.system.reference.set_rights("US10", is_allowed=False)
    found = read(own_cloud)
    assert found.company_codes == ()
    assert "IFS shows no company US10 to this connection" in found.setup_problems[0]
    assert "finance user of that company" in found.setup_problems[0]
    for code in ("US20", "CA30", "MX40", "US90"):
        own_cloud.system.reference.set_rights(code, is_allowed=False)
    assert read(own_cloud).setup_problems[0].startswith("The service user of this connection sees no company")


def test_a_company_whose_accounting_is_hidden_is_said(own_cloud):
    own_cloud.system.rows.delete("CompanyFinance", own_cloud.system.reference.company("US10"))
    assert "shows nothing of its accounting" in read(own_cloud).setup_problems[0]


def test_only_the_companies_that_are_wanted_are_read(cloud):
    found = cloud.connector(company_code="US10", is_warm=False, companies="US20").read_reference()
    assert [code for code, *_ in found.company_codes] == ["US10", "US20"]
    assert {each.company_code for each in found.accounts} == {"US10", "US20"}


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
def test_round_trips_do_not_grow_with_companies_where_batches_are_used(cloud, uses_batch):
    cloud.requests()
    one = read(cloud, uses_batch=uses_batch)
    requests = len(cloud.requests())
    assert account(one, "6000")
    assert requests < 20 if uses_batch == "yes" else requests > 40
    if uses_batch == "yes":
        cloud.connector(is_warm=False, companies="US10, US20").read_reference()
        assert len(cloud.requests()) == requests


def test_small_pages_give_the_same(cloud, reference):
    cloud.system.change_settings(page_size=9)
    found = read(cloud, page_size="10")
    assert set(found.accounts) == {each for each in reference.accounts if each.company_code == "US10"}


def test_a_list_of_currencies_that_is_not_granted_is_left_out(cloud):
    cloud.system.change_settings(denied_projections="CurrencyCodesHandling")
    assert read(cloud).facts["currencies"] == {}
    cloud.system.change_settings(denied_projections="AccountsHandling")
    with pytest.raises(Misconfigured, match="AccountsHandling"):
        read(cloud)


def test_code_parts_of_one_name_carry_their_letters():
    rows = [
        {"CodePart": letter, "CodeName": name, "CodePartUsedDb": used, "LogicalCodePart": logical}
        for letter, name, used, logical in [
            ("A", "Account", True, "NotUsed"),
            ("B", "Cost Ctr", True, "CostCenter"),
            ("C", "Place", True, "NotUsed"),
            ("D", "Place", True, "NotUsed"),
            ("E", "", True, "NotUsed"),
            ("F", "Object", False, "Object"),
        ]
    ]
    assert code_part_names(rows, {}) == {"CostCenter": "B", "Place C": "C", "Place D": "D", "Code E": "E"}
    assert code_part_names(rows, {"Site": "D"}) == {"CostCenter": "B", "Place": "C", "Site": "D", "Code E": "E"}


def test_a_date_that_is_none_is_refused():
    assert day("2026-07-31T00:00:00Z") == JULY
    assert day(None) is None
    with pytest.raises(TemporaryFailure):
        day("soon")
