"""What Dynamics says about companies, accounts, dimensions and periods, and what of its set-up is in the way."""

from __future__ import annotations

import json
from datetime import date

import pytest

from audit.exchange import Misconfigured
from audit.sandbox import Refused
from erp.connector import Reference
from erp.d365.sandbox_dimensions import Dimensions
from erp.d365.sandbox_reference import LEDGER_FORMAT
from erp.d365.structures import fits
from tests.erp.d365.conftest import TODAY, Environment, Kept, payroll

CRITERIA = [
    ("6000", "*", True),
    ("6000", "5*;6*", True),
    ("6000", "6000..6999", True),
    ("6999", "6000..6999", True),
    ("7000", "6000..6999", False),
    ("6000", "6000", True),
    ("60001", "6000", False),
    ("6000", '""', False),
    ("", '*;""', True),
    ("abc", "A*", True),
    ("6.00", "6?00", True),
    ("6x00", "6.00", False),
    ("6000", "", False),
]


@pytest.mark.parametrize(("number", "criteria", "expected"), CRITERIA)
def test_criteria_of_account_structures(number, criteria, expected):
    assert fits(number, criteria) is expected


@pytest.fixture
def reference(dynamics: Environment) -> Reference:
    return dynamics.connector(is_warm=False).read_reference()


def account(reference: Reference, number: str, company_code: str = "us01"):
    (found,) = [each for each in reference.accounts if (each.company_code, each.number) == (company_code, number)]
    return found


def value(reference: Reference, dimension: str, text: str, company_code: str = ""):
    found = [each for each in reference.dimension_values if (each.dimension, each.value) == (dimension, text)]
    return next(each for each in found if each.company_code == company_code)


def test_companies_and_format(reference):
    assert reference.company_codes == (
        ("us01", "Harbor Lantern Foods Inc", "USD"),
        ("us02", "Harbor Lantern Logistics LLC", "USD"),
        ("ca01", "Harbor Lantern Canada Ltd", "CAD"),
    )
    assert reference.dimensions == ("BusinessUnit", "Department", "CostCenter", "Project", "Affiliate")
    assert reference.facts["segments"] == ["MainAccount", *reference.dimensions]
    assert reference.facts["delimiter"] == "-"
    assert reference.facts["journal_names"]["us01"]["VoucherSeriesCode"] == "PayVoucher"
    assert reference.setup_problems == ()
    json.dumps(reference.facts)


def test_three_requests_read_everything(dynamics):
    dynamics.requests()
    dynamics.connector(is_warm=False).read_reference()
    assert dynamics.requests() == ["POST /data/$batch"] * 3


def test_accounts_with_what_stops_them(reference):
    wages = account(reference, "6000")
    assert (wages.name, wages.is_active, wages.allows_manual_entry) == ("Wages and salaries", True, True)
    assert (wages.valid_from, wages.valid_to) == (None, None)
    assert not account(reference, "6090").is_active
    assert not account(reference, "2000").allows_manual_entry
    assert not account(reference, "6999").allows_manual_entry
    ended, to_come = account(reference, "6095").valid_to, account(reference, "6096").valid_from
    assert ended is not None
    assert ended < TODAY
    assert to_come is not None
    assert to_come > TODAY


def test_dimensions_follow_account_structures_and_advanced_rules(reference):
    assert account(reference, "6000").allowed_dimensions == {"BusinessUnit", "Department", "CostCenter", "Project"}
    assert account(reference, "6000").required_dimensions == frozenset()
    assert account(reference, "5000").required_dimensions == {"CostCenter"}
    assert account(reference, "6000", "us02").allowed_dimensions == {"Department", "CostCenter"}
    assert account(reference, "6000", "ca01").allowed_dimensions == {"Department"}
    assert account(reference, "2110").allowed_dimensions == {"BusinessUnit"}
    assert account(reference, "1350").allowed_dimensions == {"BusinessUnit", "Affiliate"}


def test_what_the_reference_allows_is_what_dynamics_takes(dynamics, reference):
    """The far side is asked: each allowed dimension is taken, each other one is refused."""
    system = dynamics.system
    dimensions = Dimensions(system.reference, system.collections.infolog(), [])
    examples = {"BusinessUnit": "001", "Department": "020", "CostCenter": "110", "Project": "P1", "Affiliate": "US02"}
    for number in ("6000", "2110", "1350"):
        for name, example in examples.items():
            text = "-".join([number, *(example if name == each else "" for each in reference.dimensions)])
            is_allowed = name in (account(reference, number).allowed_dimensions or ())
            if is_allowed:
                dimensions.ledger_account("us01", text, TODAY)
            else:
                with pytest.raises(Refused):
                    dimensions.ledger_account("us01", text, TODAY)


def test_dimension_values_come_from_their_own_sets(reference):
    assert value(reference, "Department", "D-12").name == "Pop-up stores"
    assert value(reference, "BusinessUnit", "001").name == "Foods"
    assert value(reference, "Project", "P1", "us01").name == "New cannery"
    assert value(reference, "Affiliate", "US02").is_active
    assert not value(reference, "Affiliate", "OLD1").is_active
    assert not value(reference, "CostCenter", "980").is_active
    assert not value(reference, "CostCenter", "960").is_active
    ended = value(reference, "CostCenter", "970").valid_to
    assert ended is not None
    assert ended < TODAY
    keys = [(each.company_code, each.dimension, each.value) for each in reference.dimension_values]
    assert len(keys) == len(set(keys))
    assert reference.facts["partly_listed_dimensions"] == ["Affiliate"]
    assert reference.facts["unlisted_dimensions"] == []


def test_a_company_may_close_a_value_for_itself(own_dynamics):
    system = own_dynamics.system
    with system.store.transaction():
        system.reference.change_dimension_value("Department", "020", {"IsSuspended": "Yes"}, "US02")
        system.reference.change_dimension_value("Project", "P1", {"IsSuspended": "Yes"}, "us01")
        system.reference.change_account("6000", {"IsSuspended": "Yes"}, "us02")
    reference = own_dynamics.connector(is_warm=False).read_reference()
    assert value(reference, "Department", "020").is_active
    assert not value(reference, "Department", "020", "us02").is_active
    assert not value(reference, "Project", "P1", "us01").is_active
    assert account(reference, "6000").is_active
    assert not account(reference, "6000", "us02").is_active


def test_periods_with_their_status(own_dynamics):
    with own_dynamics.system.store.transaction():
        own_dynamics.system.reference.set_period("us01", date(2026, 7, 31), "OnHold")
    reference = own_dynamics.connector(is_warm=False).read_reference()

    def july(company_code: str):
        (found,) = [
            each
            for each in reference.periods
            if each.company_code == company_code and each.start <= date(2026, 7, 31) <= each.end
        ]
        return found

    assert (july("us01").start, july("us01").end) == (date(2026, 7, 1), date(2026, 7, 31))
    assert not july("us01").is_open
    assert july("us02").is_open
    assert reference.facts["period_status_of"] == "period"


def test_only_the_companies_of_the_connection_are_read(dynamics):
    reference = dynamics.connector(is_warm=False, companies="US02, ca01", company_code="us02").read_reference()
    assert {code for code, _, _ in reference.company_codes} == {"us02", "ca01"}
    assert {each.company_code for each in reference.accounts} == {"us02", "ca01"}
    assert {each.company_code for each in reference.periods} == {"us02", "ca01"}
    assert {each.company_code for each in reference.dimension_values} <= {"", "us02", "ca01"}
    assert reference.setup_problems == ()


def test_nothing_is_said_of_one_company_before_a_legal_entity_uses_the_connection(dynamics):
    assert dynamics.connector(is_warm=False, company_code="").read_reference().setup_problems == ()


@pytest.mark.parametrize(
    ("company_code", "journal_name", "sentence"),
    [
        ("xx99", "PAYROLL", "shows no company xx99"),
        ("us01", "NOSUCH", "has no journal name NOSUCH"),
        ("us01", "VENDPAY", "has type Payment"),
        ("us01", "PRIVATE", "private for the user group CFO"),
        ("us01", "APPROVE", "manual approval"),
        ("us01", "OFFSET", "has an offset account"),
    ],
)
def test_settings_that_stop_every_journal_are_said(dynamics, company_code, journal_name, sentence):
    reference = dynamics.connector(is_warm=False, company_code=company_code, journal_name=journal_name).read_reference()
    assert sentence in " ".join(reference.setup_problems)


def test_an_offset_account_by_default_stops_every_journal_too(own_dynamics):
    with own_dynamics.system.store.transaction():
        own_dynamics.system.reference.change(
            "JournalNames", ["us01", "PAYROLL"], {"OffsetAccountDisplayValue": "1010-----"}
        )
    (sentence,) = own_dynamics.connector(is_warm=False).read_reference().setup_problems
    assert "has an offset account" in sentence


def test_a_missing_format_is_said_and_nothing_is_sent(own_dynamics):
    with own_dynamics.system.store.transaction():
        own_dynamics.system.reference.set_format(LEDGER_FORMAT, None, is_active=False)
    connector = own_dynamics.connector(is_warm=False)
    (sentence,) = connector.read_reference().setup_problems
    assert "no active format" in sentence
    with pytest.raises(Misconfigured, match="no active format"):
        connector.post_journal(payroll(4), Kept().progress())
    assert own_dynamics.journals() == []


def test_pages_make_no_difference(dynamics, reference):
    dynamics.system.change_settings(page_size=10)
    assert dynamics.connector(is_warm=False).read_reference() == reference


@pytest.mark.parametrize("entity_set", ["MainAccounts", "DimensionParameters", "LedgerFiscalPeriodsV2", "CostCenters"])
def test_a_set_that_may_not_be_read_is_named(dynamics, entity_set):
    dynamics.system.change_settings(denied_entities=entity_set)
    with pytest.raises(Misconfigured, match=entity_set):
        dynamics.connector(is_warm=False).read_reference()
