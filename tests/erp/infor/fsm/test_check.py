""" "Test connection" for FSM: each line, and what it says where something is missing."""

from __future__ import annotations

import pytest

from tests.erp.infor.fsm.conftest import Fsm


def lines(fsm: Fsm, company_code: str = "100", **fields: str) -> dict[str, tuple[bool, str]]:
    found = fsm.connector(company_code=company_code, is_warm=False, **fields).check()
    return {line.name: (line.is_passed, line.sentence) for line in found}


def test_a_connection_that_works_says_what_it_sees(fsm_today: Fsm) -> None:
    found = lines(fsm_today)
    assert list(found) == [
        "Sign-in", "Finance enterprise group", "Accounting entity", "Accounts", "Dimensions", "Periods",
        "Transaction interface", "General ledger",
    ]  # fmt: skip
    assert found["Sign-in"] == (True, "Infor OS gives a token for tenant COBALT_TST.")
    assert found["Accounting entity"] == (
        True,
        "Accounting entity 100 is Harbor Foods Inc. and keeps its books in USD.",
    )
    assert found["Accounts"] == (True, "FSM shows 17 posting accounts.")
    assert found["Dimensions"] == (
        True,
        "Mapping tables can use CostCenter (AccountingUnit, 33 values), Location (FinanceDimension1, 4 values), Labor Grade "
        "(FinanceDimension2, 3 values), Grant (FinanceDimension3, 2 values).",
    )
    assert found["Periods"][0]
    assert found["General ledger"] == (True, "The ledger can be searched by reference.")
    assert all(is_passed for is_passed, _ in found.values())


def test_before_a_company_code_is_chosen_the_entities_are_named(fsm: Fsm) -> None:
    assert lines(fsm, "")["Accounting entity"] == (
        True,
        "The service account sees these accounting entities: 100, 200, 300.",
    )


@pytest.mark.parametrize(
    ("name", "fields", "site", "words"),
    [
        ("Finance enterprise group", {"enterprise_group": "7"}, {}, "no finance enterprise group 7"),
        ("Finance enterprise group", {"suite_path": "FSM/other"}, {}, "status 404"),
        ("Finance enterprise group", {}, {"denied_classes": "FinanceEnterpriseGroup"}, "not authorized"),
        ("Accounting entity", {}, {"denied_classes": "AccountingEntity"}, "not authorized"),
        ("Accounts", {}, {"denied_classes": "GeneralLedgerChartAccount", "denied_style": "empty"}, "no posting account"),
        ("Dimensions", {}, {"denied_classes": "FinanceDimension2"}, "not authorized to access FinanceDimension2"),
        ("Periods", {}, {"denied_classes": "GeneralLedgerClosePeriod", "denied_style": "empty"}, "no close period for today"),
        ("Transaction interface", {}, {"denied_classes": "GLTransactionInterface"}, "not authorized"),
        ("Transaction interface", {}, {"denied_classes": "GLTransactionInterfaceResult"}, "not authorized"),
        ("General ledger", {}, {"denied_classes": "GLTransactionDetail"}, "not authorized"),
        ("General ledger", {"posted_condition": "Colour = \"2\""}, {}, "Condition for posted"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_its_line(
    fsm: Fsm, name: str, fields: dict[str, str], site: dict[str, str], words: str
) -> None:
    fsm.set(**site)
    found = lines(fsm, **fields)
    failed = {line: sentence for line, (is_passed, sentence) in found.items() if not is_passed}
    assert list(failed) == [name]
    assert words in failed[name]


def test_an_entity_that_is_not_there_is_said_with_those_that_are(fsm: Fsm) -> None:
    is_passed, sentence = lines(fsm, "555")["Accounting entity"]
    assert not is_passed
    assert "no accounting entity 555" in sentence
    assert "It shows 100, 200, 300." in sentence


def test_a_required_unit_is_said(own_fsm: Fsm) -> None:
    own_fsm.suite.books.change_record("FinanceEnterpriseGroup", "1", {"AccountingUnitRequired": "true"})
    assert lines(own_fsm)["Dimensions"][1].endswith("CostCenter is required on every line.")


def test_a_sign_in_that_is_refused_is_the_only_line(fsm: Fsm) -> None:
    fsm.system.change_settings(account_enabled=False)
    found = lines(fsm)
    assert list(found) == ["Sign-in"]
    assert "service account" in found["Sign-in"][1]
