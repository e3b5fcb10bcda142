""" "Test connection": one line per thing that posting needs, each failing for its own reason only."""

from __future__ import annotations

import pytest

from erp.connector import CheckResult
from erp.d365.sandbox_reference import LEDGER_FORMAT
from tests.erp.d365.conftest import Environment

NAMES = ["Sign-in", "Dynamics 365", "Company", "Journal name", "Format of account strings", "Dynamics user", "Rights"]


def checks(dynamics: Environment, **changed: str) -> dict[str, CheckResult]:
    return {result.name: result for result in dynamics.connector(is_warm=False, **changed).check()}


def failed(results: dict[str, CheckResult]) -> dict[str, str]:
    return {name: result.sentence for name, result in results.items() if not result.is_passed}


def test_a_connection_that_works_passes_every_line(dynamics):
    results = checks(dynamics)
    assert list(results) == NAMES
    assert failed(results) == {}
    assert results["Company"].sentence == "Company us01 is Harbor Lantern Foods Inc."
    assert "MainAccount-BusinessUnit-Department" in results["Format of account strings"].sentence
    assert "mlconnector" in results["Dynamics user"].sentence


def test_a_wrong_secret_stops_at_the_first_line(dynamics):
    assert list(checks(dynamics, client_secret="wrong")) == ["Sign-in"]
    assert "The client secret is wrong." in failed(checks(dynamics, client_secret="wrong"))["Sign-in"]


def test_a_valid_token_from_before_does_not_hide_a_new_problem(dynamics):
    assert failed(checks(dynamics)) == {}
    dynamics.system.change_settings(secret_expired=True)
    assert "has expired" in failed(checks(dynamics))["Sign-in"]


def test_an_unregistered_client_is_told_apart_from_a_wrong_secret(own_dynamics):
    own_dynamics.system.unregister_client(own_dynamics.system.entra.client_id)
    found = failed(checks(own_dynamics))
    assert list(found) == ["Dynamics 365"]
    assert "Microsoft Entra ID applications" in found["Dynamics 365"]


@pytest.mark.parametrize(
    ("changed", "name", "sentence"),
    [
        ({"company_code": "xx99"}, "Company", "no company xx99"),
        ({"journal_name": "NOSUCH"}, "Journal name", "has no journal name NOSUCH"),
        ({"journal_name": "VENDPAY"}, "Journal name", "type Payment"),
        ({"journal_name": "PRIVATE"}, "Journal name", "user group CFO"),
        ({"journal_name": "APPROVE"}, "Journal name", "approval"),
    ],
)
def test_a_setting_that_does_not_fit_says_what_to_do(dynamics, changed, name, sentence):
    assert sentence in failed(checks(dynamics, **changed))[name]


def test_a_missing_format_says_where_to_make_one(own_dynamics):
    with own_dynamics.system.store.transaction():
        own_dynamics.system.reference.set_format(LEDGER_FORMAT, None, is_active=False)
    found = failed(checks(own_dynamics))
    assert list(found) == ["Format of account strings"]
    assert "Financial dimension configuration for integrating applications" in found["Format of account strings"]


@pytest.mark.parametrize("entity_set", ["LedgerJournalHeaders", "LedgerJournalLines", "GeneralJournalAccountEntries"])
def test_a_right_that_is_missing_is_named(dynamics, entity_set):
    dynamics.system.change_settings(denied_entities=entity_set)
    found = failed(checks(dynamics))
    assert list(found) == ["Rights"]
    assert entity_set in found["Rights"]


def test_a_list_of_users_that_may_not_be_read_is_no_fault(dynamics):
    dynamics.system.change_settings(denied_entities="SysAADClients")
    assert failed(checks(dynamics)) == {}


def test_an_environment_that_does_not_answer_is_a_line_and_no_error(dynamics):
    dynamics.play("html", path="batch", status=503)
    assert list(failed(checks(dynamics))) == ["Dynamics 365"]


def test_lines_are_deleted_after_posting_is_only_a_remark(dynamics):
    result = checks(dynamics, journal_name="PURGE")["Journal name"]
    assert result.is_passed
    assert "deleted after posting" in result.sentence


def test_before_a_legal_entity_uses_it_the_connection_shows_what_it_sees(dynamics):
    results = checks(dynamics, company_code="")
    assert failed(results) == {}
    assert "ca01, us01, us02" in results["Company"].sentence
