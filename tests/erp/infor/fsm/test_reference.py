"""Reference data of FSM, over real HTTP: what is read, under which names, and what holds a journal back."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from audit.exchange import ExchangeError, Misconfigured, TemporaryFailure
from erp.connector import Reference
from erp.infor.fsm.fields import DIMENSION_FIELDS
from erp.infor.fsm.setup import day, dimension_names, is_active, is_true
from tests.erp.infor.fsm.conftest import SOAP, Fsm, Kept, payroll


def read(fsm: Fsm, company_code: str = "100", **fields: str) -> Reference:
    return fsm.connector(company_code=company_code, is_warm=False, **fields).read_reference()


def test_the_set_up_is_read_in_one_request_per_class(fsm: Fsm) -> None:
    found = read(fsm)
    assert [path.removeprefix(f"/COBALT_TST{SOAP}/classes/").split("/")[0] for path in fsm.requests()] == [
        "FinanceEnterpriseGroup", "AccountingEntity", "GeneralLedgerChartAccount", "AccountingUnit", "FinanceDimension1",
        "FinanceDimension2", "FinanceDimension3", "GeneralLedgerClosePeriod",
    ]  # fmt: skip
    assert found.company_codes == (
        ("100", "Harbor Foods Inc.", "USD"), ("200", "Harbor Foods West LLC", "USD"), ("300", "Harbor Foods Canada Ltd.", "CAD"),
    )  # fmt: skip
    assert found.setup_problems == ()
    assert found.dimensions == ("CostCenter", "Grant", "Labor Grade", "Location")
    assert found.facts["dimension_fields"] == {
        "CostCenter": "AccountingUnit", "Location": "FinanceDimension1", "Labor Grade": "FinanceDimension2",
        "Grant": "FinanceDimension3",
    }  # fmt: skip
    assert found.facts["core_ledger"] == "CORE"


def test_accounts_and_values_say_whether_they_can_be_used(fsm: Fsm) -> None:
    found = read(fsm)
    accounts = {(each.company_code, each.number): each for each in found.accounts}
    assert len(accounts) == 3 * 17
    assert accounts["200", "6000"].name == "Wages and salaries"
    assert accounts["200", "6000"].is_active
    assert not accounts["100", "6190"].is_active
    assert accounts["100", "6000"].required_dimensions == frozenset()
    values = {(each.company_code, each.dimension, each.value): each for each in found.dimension_values}
    assert values["100", "CostCenter", "300"].name == "Engineering"
    assert not values["100", "CostCenter", "190"].is_active
    # Finance dimensions belong to the enterprise group, and so to every entity.
    assert values["", "Location", "BOS"].is_active
    assert not values["", "Location", "PDX"].is_active


def month_of(day: date) -> tuple[date, date]:
    """First and last day."""
    last = calendar.monthrange(day.year, day.month)[1]
    return day.replace(day=1), day.replace(day=last)


def test_periods_are_open_from_the_current_one_on(fsm_today: Fsm) -> None:
    start, end = month_of(datetime.now(UTC).date())
    before, _ = month_of(start - timedelta(days=1))
    fsm_today.suite.books.change_record("AccountingEntity", "200", {"CurrentPeriodEndDate": f"{end:%Y%m%d}"})
    periods = {(each.company_code, each.start): each for each in read(fsm_today).periods}
    current = periods["200", start]
    assert (current.end, current.is_open, current.closed_note) == (end, True, "")
    assert current.name == f"{calendar.month_name[start.month]} {start.year}"
    assert periods["100", before].is_open
    closed = periods["200", before]
    assert (closed.is_open, closed.closed_note) == (
        False, "it lies before the current period of accounting entity 200",
    )  # fmt: skip
    # Old years are left out.
    assert {each.end.year for each in periods.values()} == {start.year - 1, start.year, start.year + 1}
    assert all(each.is_open for each in read(fsm_today, back_periods="yes").periods)


def test_an_entity_has_the_periods_of_its_own_close_configuration(fsm_today: Fsm) -> None:
    books = fsm_today.suite.books
    books.change_record("AccountingEntity", "200", {"CloseConfiguration": "WEEK", "CurrentPeriodEndDate": ""})
    books.change_record("AccountingEntity", "300", {"CloseConfiguration": ""})
    start = datetime.now(UTC).date()
    end = start + timedelta(days=6)
    week = {
        "GeneralLedgerCloseConfiguration": "WEEK", "BeginDate": f"{start:%Y%m%d}", "DerivedEndDate": f"{end:%Y%m%d}",
        "GeneralLedgerCloseYear": "2026", "PeriodNumber": "28", "FinanceEnterpriseGroup": "1",
    }  # fmt: skip
    books.put_record("GeneralLedgerClosePeriod", "week", week)
    periods = read(fsm_today).periods
    assert [(each.start, each.end, each.is_open, each.name) for each in periods if each.company_code == "200"] == [
        (start, end, True, "2026 28")
    ]
    # Without one of its own it has that of the enterprise group.
    assert {each.start for each in periods if each.company_code == "300"} == {
        each.start for each in periods if each.company_code == "100"
    }


def test_a_connection_reads_the_entities_that_it_names(fsm_today: Fsm) -> None:
    found = read(fsm_today, "100", entities="200")
    assert [code for code, _, _ in found.company_codes] == ["100", "200"]
    assert {each.company_code for each in found.dimension_values} == {"", "100", "200"}
    assert {each.company_code for each in found.periods} == {"100", "200"}


@pytest.mark.parametrize(
    ("company_code", "fields", "site", "sentence"),
    [
        ("100", {"enterprise_group": "2"}, {}, "FSM shows no finance enterprise group 2 to this connection"),
        ("999", {}, {}, "FSM shows no accounting entity 999 in finance enterprise group 1. It shows 100, 200, 300."),
        (
            "100",
            {},
            {"denied_classes": "AccountingEntity", "denied_style": "empty"},
            "FSM shows no accounting entity of",
        ),
    ],
)
def test_what_stops_every_journal_is_a_problem_of_the_set_up(
    fsm: Fsm, company_code: str, fields: dict[str, str], site: dict[str, Any], sentence: str
) -> None:
    fsm.set(**site)
    (problem,) = read(fsm, company_code, **fields).setup_problems
    assert problem.startswith(sentence)


def test_a_class_without_rights_is_a_sentence_that_names_it(fsm: Fsm) -> None:
    fsm.set(denied_classes="AccountingUnit")
    with pytest.raises(Misconfigured, match=r"not authorized to access AccountingUnit.*security class"):
        read(fsm)


def test_a_release_without_a_field_is_asked_for_all_there_is(fsm: Fsm) -> None:
    fsm.set(units_are_active_only=True)
    values = [each for each in read(fsm).dimension_values if each.dimension == "CostCenter"]
    assert len(values) == 3 * 11
    assert all(each.is_active for each in values)


def test_a_required_unit_is_required_of_every_account(own_fsm: Fsm) -> None:
    assert not any(each.required_dimensions for each in read(own_fsm).accounts)
    assert {each.required_dimensions for each in read(own_fsm, unit_required="yes").accounts} == {
        frozenset({"CostCenter"})
    }
    own_fsm.suite.books.change_record("FinanceEnterpriseGroup", "1", {"AccountingUnitRequired": "true"})
    assert {each.required_dimensions for each in read(own_fsm).accounts} == {frozenset({"CostCenter"})}
    assert not any(each.required_dimensions for each in read(own_fsm, unit_required="no").accounts)


def test_short_pages_are_put_together(fsm: Fsm) -> None:
    assert read(fsm, list_rows="10") == read(fsm)
    fsm.set(counts_by_default=True)
    assert read(fsm, list_rows="10") == read(fsm)


def test_pages_that_are_shorter_than_asked_for_are_put_together(fsm: Fsm) -> None:
    whole = read(fsm)
    fsm.set(limit_max=12)
    assert read(fsm) == whole


def test_a_list_that_is_cut_is_never_taken_for_whole(fsm: Fsm) -> None:
    fsm.set(paging_links=False)
    with pytest.raises(TemporaryFailure, match="FSM showed 10 of 17 rows of the accounts"):
        read(fsm, list_rows="10")


def test_the_tenants_labels_name_the_dimensions_of_a_journal(own_fsm: Fsm) -> None:
    own_fsm.suite.books.change_record(
        "FinanceEnterpriseGroup", "1", {"AccountingUnitLabel": "Kostenstelle", "FinanceDimension4Label": "CostCenter"}
    )
    found = read(own_fsm)
    assert found.facts["dimension_fields"]["Kostenstelle"] == "AccountingUnit"
    value = {"FinanceDimension4": "100", "Active": "true", "FinanceEnterpriseGroup": "1"}
    for unit in ("100", "200"):
        own_fsm.suite.books.put_record("FinanceDimension4", unit, {**value, "FinanceDimension4": unit})
    journal = payroll(4)
    own_fsm.connector().post_journal(journal, Kept().progress())
    (entered,) = own_fsm.journals()
    assert [row.get("FinanceDimension4", "") for row in entered["rows"]] == ["100", "100", "200", ""]
    with pytest.raises(ExchangeError, match="FSM has no dimension CostCenter"):
        own_fsm.connector(is_warm=False, dimension_names="Unit=FinanceDimension4").post_journal(
            payroll(4, key="AN0THERKEY00001"), Kept().progress()
        )


@pytest.mark.parametrize(
    ("labels", "chosen", "expected"),
    [
        ({}, {}, {"AccountingUnit": "AccountingUnit"}),
        (
            {"AccountingUnit": "Cost  Center", "FinanceDimension10": "a=b;c@d,e"},
            {},
            {"Cost Center": "AccountingUnit", "a b c d e": "FinanceDimension10"},
        ),
        (
            {"AccountingUnit": "Unit", "FinanceDimension1": "Region", "FinanceDimension2": "Region"},
            {},
            {"Unit": "AccountingUnit", "Region FinanceDimension1": "FinanceDimension1", "Region FinanceDimension2": "FinanceDimension2"},
        ),
        (
            {"AccountingUnit": "Unit", "FinanceDimension1": "Region"},
            {"CostCenter": "AccountingUnit", "Crew": "FinanceDimension7"},
            {"CostCenter": "AccountingUnit", "Region": "FinanceDimension1", "Crew": "FinanceDimension7"},
        ),
    ],
)  # fmt: skip
def test_dimensions_are_named_by_the_connection_or_the_tenant(
    labels: dict[str, str], chosen: dict[str, str], expected: dict[str, str]
) -> None:
    group = {f"{field}Label": labels.get(field, "") for field in DIMENSION_FIELDS}
    assert dimension_names(group, chosen) == expected


def test_texts_of_fsm_are_read_as_what_they_mean() -> None:
    assert [is_true(text) for text in ("true", "1", "Y", "false", "", "0")] == [True, True, True, False, False, False]
    assert [is_active(row) for row in ({}, {"Active": ""}, {"Active": "true"}, {"Active": "false"})] == [
        True, True, True, False,
    ]  # fmt: skip
    assert day("20260731", "it") == day("2026-07-31", "it") == date(2026, 7, 31)
    assert day("", "it") is None
    assert day("00000000", "it") is None
    with pytest.raises(TemporaryFailure, match="FSM showed “20261331” where a date of it belongs"):
        day("20261331", "it")
