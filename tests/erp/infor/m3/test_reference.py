"""Reference data of Infor M3: divisions, identities of all seven dimensions with their rules, periods, names."""

from __future__ import annotations

from datetime import date

import pytest

from audit.exchange import Misconfigured, TemporaryFailure
from erp.connector import Reference, ReferenceAccount, ReferencePeriod
from erp.infor.m3.connector import M3Connector
from erp.infor.m3.fields import fields_of
from erp.infor.m3.reference import day
from erp.infor.m3.setup import dimension_names, entry_note, rules, used_dimensions
from tests.erp.infor.m3.conftest import M3, TODAY

REQUIRED = {"ionapi": "{}", "company": "100", "interface": "PAYROLL"}
DEFAULTS = {field.name: field.default for field in M3Connector.credential_fields}


@pytest.fixture
def reference(m3: M3) -> Reference:
    assert m3.reference is not None
    return m3.reference


def fields(**changed: str):
    return fields_of({**DEFAULTS, **REQUIRED, **changed})


def account(reference: Reference, number: str, division: str = "MIL") -> ReferenceAccount:
    (found,) = [each for each in reference.accounts if (each.company_code, each.number) == (division, number)]
    return found


def period(reference: Reference, on: date, division: str = "MIL") -> ReferencePeriod:
    (found,) = [each for each in reference.periods if each.company_code == division and each.start <= on <= each.end]
    return found


def test_divisions_come_with_name_and_currency_and_without_the_blank_one(reference):
    assert reference.company_codes == (
        ("CAN", "Cobalt Ridge Canada Ltd", "CAD"),
        ("HAU", "Cobalt Ridge Haulage LLC", "USD"),
        ("MIL", "Cobalt Ridge Mills Inc", "USD"),
        ("NEW", "Cobalt Ridge Newco Inc", "USD"),
        ("OLD", "Cobalt Ridge Wharf, closed", "USD"),
    )
    assert reference.setup_problems == ()
    assert reference.facts["currencies"] == {"CAN": "CAD", "HAU": "USD", "MIL": "USD", "NEW": "USD", "OLD": "USD"}
    assert reference.facts["currency_decimals"] == {"CAD": "2", "USD": "2"}
    assert reference.facts["debit_credit_codes"] == {"CAN": False, "HAU": False, "MIL": False, "OLD": False}
    assert reference.facts["departments"]


def test_only_divisions_that_the_connection_names_are_read(m3):
    found = m3.connector(is_warm=False, divisions="HAU").read_reference()
    assert [code for code, _, _ in found.company_codes] == ["HAU", "MIL"], "and that of the legal entity"


def test_columns_are_found_by_their_names_without_prefix(reference):
    columns = reference.facts["columns"]
    assert columns["FGLINF"]["LINE"] == "FELINE"
    assert columns["FGLEDX"]["GEXI"] == "EGGEXI"
    assert (columns["FGLINH"]["KEY1"], columns["FGLEDG"]["VONO"]) == ("FHKEY1", "EGVONO")


def test_dimensions_are_called_as_the_company_calls_them(m3):
    found = m3.connector(is_warm=False, dimensions="").read_reference()
    assert found.facts["dimensions"] == {
        "Cost center": "AIT2",
        "Department": "AIT3",
        "Project": "AIT4",
        "Business unit": "AIT5",
        "Acc dimension 6": "AIT6",
        "Acc dimension 7": "AIT7",
    }
    found = m3.connector(is_warm=False, dimensions="", divisions="MIL, HAU").read_reference()
    assert found.dimensions == ("Business unit", "Cost center", "Department", "Project"), (
        "those that CRS750 says are used"
    )
    values = {
        (each.company_code, each.value): each for each in found.dimension_values if each.dimension == "Cost center"
    }
    assert values["MIL", "200"].name == "Cost center 200"
    assert not values["MIL", "103"].is_active
    assert values["MIL", "101"].valid_to is not None
    assert values["MIL", "102"].valid_from > TODAY


def test_a_release_that_names_no_dimensions_has_their_fields(m3):
    m3.set(absent_transactions="MRS001MI.LstAdtFieldInf")
    found = m3.connector(is_warm=False, dimensions="Team=AIT3").read_reference()
    assert found.facts["dimensions"] == {"AIT2": "AIT2", "Team": "AIT3", **{f"AIT{n}": f"AIT{n}" for n in range(4, 8)}}


@pytest.mark.parametrize(
    ("headings", "chosen", "names"),
    [
        ([{"FLNM": "AIT2", "TXC0": "Cost = center, old", "TX15": "Dim 2"}], "", "Cost center old"),
        ([{"FLNM": "AIT2", "TX15": "Dim 2", "FLDS": "Accounting dimension 2"}], "", "Dim 2"),
        ([{"FLNM": "AIT2", "FLDS": "Accounting dimension 2"}], "", "Accounting dimension 2"),
        ([], "", "AIT2"),
        ([{"FLNM": "AIT2", "TXC0": "Cost center"}], "Team=AIT2", "Team"),
        ([{"FLNM": "AIT2", "TXC0": "Region"}, {"FLNM": "AIT3", "TXC0": "Region"}], "", "Region AIT2"),
    ],
)
def test_the_name_of_a_dimension_can_be_written_in_a_mapping_table(headings, chosen, names):
    found = dimension_names(headings, fields(dimensions=chosen))
    assert {code: name for name, code in found.items()}["AIT2"] == names
    assert sorted(found.values()) == [f"AIT{n}" for n in range(2, 8)]


def test_accounts_carry_validity_blocks_and_the_rule_of_each_dimension(reference):
    wages = account(reference, "6000")
    assert (wages.name, wages.is_active, wages.allows_manual_entry) == ("Wages and salaries", True, True)
    assert wages.allowed_dimensions == {"CostCenter", "Department", "Project", "Business unit"}
    assert (wages.required_dimensions, wages.valid_from, wages.valid_to) == (frozenset(), date(2000, 1, 1), None)
    assert account(reference, "5000").required_dimensions == {"CostCenter"}
    assert account(reference, "6001").required_dimensions == {"Department"}
    assert not account(reference, "6090").is_active
    assert account(reference, "6095").valid_to < TODAY < account(reference, "6096").valid_from
    bank = account(reference, "1010")
    assert (bank.allows_manual_entry, bank.entry_note) == (False, "is blocked for manual entry")
    assert account(reference, "6300").requires_text
    assert account(reference, "9000").entry_note.startswith("demands a quantity")


def test_codes_of_account_rules_are_settings():
    row = {"ACR2": "1", "ACR3": "2", "ACR4": "9"}
    names = {"A": "AIT2", "B": "AIT3", "C": "AIT4"}
    assert rules(row, names, fields()) == ({"A", "B", "C"}, {"A"})
    assert rules(row, names, fields(mandatory_codes="1, 2", blocked_codes="9")) == ({"A", "B"}, {"A", "B"})


def test_an_account_of_another_currency_says_so():
    assert entry_note({"CCCD": "1", "CUCD": "EUR"}, "USD") == "takes only EUR"
    assert entry_note({"CCCD": "1", "CUCD": "USD"}, "USD") == ""
    assert entry_note({"CUCD": "EUR"}, "USD") == ""


def test_dimensions_that_a_division_does_not_use_are_not_allowed():
    assert used_dimensions({"FAC2": "1", "FAC3": "0", "FAC4": ""}) == {"AIT2"}
    assert used_dimensions({}) == used_dimensions(None) == {f"AIT{n}" for n in range(2, 8)}


# Periods


def test_periods_are_months_of_three_years(reference):
    july = period(reference, date(2026, 7, 31))
    assert (july.start, july.end, july.name, july.is_open) == (date(2026, 7, 1), date(2026, 7, 31), "2026-07", True)
    years = {each.start.year for each in reference.periods if each.company_code == "MIL"}
    assert years >= {2025, 2026, 2027}


def test_a_division_takes_nothing_behind_its_last_day(reference):
    last = TODAY.replace(year=2026, month=1, day=26)
    assert period(reference, last, "OLD").is_open
    late = period(reference, date(2026, 7, 31), "OLD")
    assert (late.is_open, late.closed_note) == (False, "it is active until 26 Jan 2026")


def test_days_that_the_connection_calls_closed_cut_a_period_in_two(m3):
    found = m3.connector(is_warm=False, closed_until="2026-07-15").read_reference()
    parts = [each for each in found.periods if each.company_code == "MIL" and each.name == "2026-07"]
    assert [(each.start.day, each.end.day, each.is_open) for each in parts] == [(1, 15, False), (16, 31, True)]
    assert parts[0].closed_note == "days up to 15 Jul 2026 are closed"
    assert not period(found, date(2026, 6, 30)).is_open


def test_a_division_that_does_not_check_transactions_takes_nothing(own_m3):
    with own_m3.system.store.transaction():
        own_m3.system.set_up.set_settings("MIL", {"CHEC": "0"})
    found = own_m3.connector(is_warm=False).read_reference()
    assert "Set it to 1 or 2" in found.setup_problems[0]
    assert "Check transaction file" in period(found, date(2026, 7, 31)).closed_note
    assert period(found, date(2026, 7, 31), "HAU").is_open
    other = own_m3.connector(company_code="HAU", is_warm=False).read_reference()
    assert other.setup_problems == ()


@pytest.mark.parametrize(
    ("company_code", "words"),
    [("XXX", "no division XXX"), ("NEW", "has no account in CRS630")],
)
def test_a_division_without_books_is_a_problem_of_the_set_up(m3, company_code, words):
    problems = m3.connector(company_code=company_code, is_warm=False).read_reference().setup_problems
    assert words in problems[0]


# Lists


@pytest.mark.parametrize(
    "site",
    [
        {"maxrecs_ceiling": 100},
        {"maxrecs_from": "nowhere"},
        {"maxrecs_from": "query"},
        {"maxrecs_from": "body"},
        {"error_transport": "top"},
        {"booleans_as_text": True, "language": "DE"},
    ],
)
def test_lists_are_whole_however_m3_cuts_them(own_m3, site):
    """More than a hundred cost centers, of which a list shows a hundred."""
    with own_m3.system.store.transaction():
        for number in range(1000, 1250):
            own_m3.system.set_up.set_identity(
                {"DIVI": "MIL", "AITP": "2", "AITM": str(number), "TX40": f"Cost center {number}"}
            )
    own_m3.set(**site)
    found = own_m3.connector(is_warm=False, divisions="MIL").read_reference()
    values = {each.value for each in found.dimension_values if each.dimension == "CostCenter"}
    assert values >= {str(number) for number in range(1000, 1250)} | {"100", "990"}


def test_a_list_that_is_cut_and_cannot_be_read_on_is_not_trusted(own_m3):
    with own_m3.system.store.transaction():
        for number in range(1000, 1250):
            own_m3.system.set_up.set_identity(
                {"DIVI": "MIL", "AITP": "2", "AITM": str(number), "TX40": f"Cost center {number}"}
            )
    own_m3.set(maxrecs_ceiling=100, lists_start_at_key=False)
    with pytest.raises(Misconfigured, match="Records per list"):
        own_m3.connector(is_warm=False, divisions="MIL").read_reference()


@pytest.mark.parametrize("path", ["MNS100MI", "CRS630MI", "CRS910MI", "EXPORTMI"])
def test_a_list_that_breaks_off_is_not_reference_data(m3, path):
    m3.play("list_breaks", path=path, status=1)
    with pytest.raises(TemporaryFailure):
        m3.connector(is_warm=False).read_reference()


def test_reference_data_cost_a_handful_of_requests(m3):
    m3.connector(is_warm=False, divisions="MIL, HAU").read_reference()
    assert len(m3.requests()) <= 12


@pytest.mark.parametrize(
    ("text", "found"),
    [("20260731", date(2026, 7, 31)), ("0", None), ("", None), (None, None), ("99991231", None)],
)
def test_days_are_read_as_m3_writes_them(text, found):
    assert day(text) == found


@pytest.mark.parametrize("text", ["2026-07-31", "31072026", "x"])
def test_what_is_no_day_is_not_guessed(text):
    with pytest.raises(TemporaryFailure):
        day(text)
