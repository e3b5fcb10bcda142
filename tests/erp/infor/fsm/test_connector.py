"""A journal is brought into FSM, over real HTTP, and found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.work import LeaseLost
from erp.connector import Absent, CannotTell, Found
from tests.erp.infor.fsm.conftest import CREATE, DELETE, INTERFACE, RESULTS, STAGED, Fsm, Kept, payroll
from tests.erp.nursery import wait_until

FIND = ["staged", "results", "ledger"]


def enter(fsm: Fsm, journal: Any, kept: Kept, **fields: str) -> Any:
    """What posting does: ask, then send unless it is there."""
    connector = fsm.connector(company_code=journal.company_code, **fields)
    found = connector.find_journal(journal, kept.progress())
    if isinstance(found, Found) and found.is_complete:
        return found
    if isinstance(found, CannotTell):
        return found
    return connector.post_journal(journal, kept.progress())


def without_polls(requests: list[str]) -> list[str]:
    """Questions for a result are counted apart: every question for results but the first."""
    first = requests.index("results")
    return [name for place, name in enumerate(requests) if name != "results" or place == first]


# The way of a journal


@pytest.mark.parametrize(
    ("lines", "fields", "expected"),
    [
        (20, {}, [*FIND, "create", "interface", "staged"]),
        (1000, {}, [*FIND, "create", "interface", "staged"]),
        (20, {"validates_first": "yes"}, [*FIND, "create", "validate", "interface", "staged"]),
        (1000, {"validates_first": "yes"}, [*FIND, "create", "validate", "interface", "staged"]),
        (20, {"batch_rows": "8"}, [*FIND, "create", "create", "create", "interface", "staged"]),
    ],
)
def test_a_journal_costs_at_most_seven_requests(
    fsm: Fsm, lines: int, fields: dict[str, str], expected: list[str]
) -> None:
    kept, journal = Kept(), payroll(lines)
    receipt = enter(fsm, journal, kept, **fields)
    requests = fsm.requests()
    assert without_polls(requests) == expected
    # One poll for each run, as the results are there at once.
    assert requests.count("results") == (3 if fields.get("validates_first") else 2)
    assert (receipt.document_number, receipt.is_posted) == (journal.posting_key, False)
    assert (receipt.line_count, receipt.debit, receipt.credit) == (lines, journal.debit, journal.credit)
    fsm.holds(journal)


def test_a_journal_is_found_entered_and_then_posted(fsm: Fsm) -> None:
    kept, journal = Kept(), payroll()
    enter(fsm, journal, kept)
    found = fsm.connector().find_journal(journal, kept.progress())
    assert found == Found(journal.posting_key, True, False, 20, journal.debit, journal.credit)
    (number,) = fsm.suite.post_journals()
    found = fsm.connector().find_journal(journal, kept.progress())
    assert found == Found(number, True, True, 20, journal.debit, journal.credit)
    assert fsm.connector().find_journal(journal, Kept().progress()) == found


def test_the_run_is_saved_before_it_leaves_and_results_are_told_apart(fsm: Fsm) -> None:
    kept = Kept()
    enter(fsm, payroll(), kept, validates_first="yes")
    steps = [(each.get("staging"), each.get("validated"), each.get("submitted")) for each in kept.saved]
    assert steps == [
        (None, False, False),
        (True, False, False),
        (False, False, False),
        (False, True, False),
        (False, False, True),
    ]
    before = [each["results_before"] for each in kept.saved]
    assert before[:-1] == [0, 0, 0, 0]
    assert before[-1] == int(fsm.state()["results"][0]["GLTransactionInterfaceResult"])


def test_an_unbalanced_journal_is_refused_here_although_fsm_takes_it(fsm: Fsm) -> None:
    journal = payroll()
    *others, last = journal.lines
    crooked = replace(journal, lines=(*others, replace(last, credit=last.credit - Decimal("0.01"))))
    with pytest.raises(Rejected, match="FSM would take a journal that does not balance"):
        enter(fsm, crooked, Kept())
    assert fsm.requests() == FIND
    assert fsm.state() == {"journals": [], "staged": {}, "results": []}


def test_another_currency_than_that_of_the_entity_is_refused(fsm: Fsm) -> None:
    with pytest.raises(
        Misconfigured, match="Accounting entity 300 keeps its books in CAD, and the journal is in USD"
    ) as info:
        enter(fsm, payroll(company_code="300"), Kept())
    assert info.value.page == "mapping"
    assert "create" not in fsm.requests()


def test_without_reference_data_at_hand_dimensions_are_read(fsm: Fsm) -> None:
    journal = payroll(4)
    fsm.connector(is_warm=False).post_journal(journal, Kept().progress())
    fsm.holds(journal)


@pytest.mark.parametrize("style", ["records", "object", "empty"])
def test_whatever_an_operation_answers_counts_as_submitted(fsm: Fsm, style: str) -> None:
    fsm.set(operation_answer=style)
    journal = payroll(4)
    enter(fsm, journal, Kept())
    fsm.holds(journal)


def test_lists_are_read_over_all_pages(fsm: Fsm) -> None:
    kept, journal = Kept(), payroll(25)
    receipt = enter(fsm, journal, kept, list_rows="10")
    assert receipt.line_count == 25
    fsm.set(paging_links=False)
    with pytest.raises(TemporaryFailure, match="FSM showed 10 of 25 rows"):
        fsm.connector(list_rows="10").find_journal(journal, kept.progress())


# Results that let wait


def test_a_run_that_takes_a_moment_is_waited_for(fsm: Fsm) -> None:
    fsm.set(interface_seconds=0.6)
    journal = payroll(4)
    receipt = enter(fsm, journal, Kept())
    assert receipt.line_count == 4
    assert fsm.requests().count("results") > 2
    fsm.holds(journal)


def test_a_run_that_takes_longer_is_asked_for_later_and_not_sent_again(fsm: Fsm) -> None:
    fsm.set(waits_for_control=True)
    kept, journal = Kept(), payroll(4)
    with pytest.raises(OutcomeUnknown, match="FSM has not said within 1 seconds"):
        enter(fsm, journal, kept, result_seconds="1")
    result = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(result, CannotTell)
    assert journal.posting_key in result.sentence
    with pytest.raises(OutcomeUnknown):
        fsm.connector().post_journal(journal, kept.progress())
    assert fsm.requests().count("interface") == 1
    fsm.suite.finish_runs()
    assert isinstance(enter(fsm, journal, kept), Found)
    fsm.holds(journal)


def test_a_run_that_never_happens_is_for_a_person_who_can_end_it_in_fsm(fsm: Fsm) -> None:
    fsm.play("run_vanishes", f"{INTERFACE}$")
    kept, journal = Kept(), payroll(4)
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept, result_seconds="1")
    result = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(result, CannotTell)
    assert "interface it there, or delete it there" in result.sentence
    # What was asked for: the person deletes the run group, and nothing is sent again by itself.
    fsm.suite.remove_run_group(journal.posting_key)
    assert fsm.connector().find_journal(journal, kept.progress()) == Absent(was_known=True)
    with pytest.raises(OutcomeUnknown, match="it is not entered again by itself"):
        fsm.connector().post_journal(journal, kept.progress())
    fsm.holds()


def test_a_person_who_interfaces_it_in_fsm_settles_it_too(fsm: Fsm) -> None:
    fsm.play("run_vanishes", f"{INTERFACE}$")
    kept, journal = Kept(), payroll(4)
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept, result_seconds="1")
    fsm.connector()._client.interface(journal.posting_key, edit_only=False)
    assert isinstance(enter(fsm, journal, kept), Found)
    fsm.holds(journal)


# Answers that are lost


@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status_after", "refuse", "late"])
def test_rows_whose_answer_was_lost_are_staged_once(fsm: Fsm, fault: str) -> None:
    fsm.play(fault, CREATE, status=502, seconds=0.0)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept)
    enter(fsm, journal, kept)
    fsm.holds(journal)


@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status_after", "late"])
@pytest.mark.parametrize("rows", ["posted", "unchanged"])
def test_a_run_whose_answer_was_lost_is_found(fsm: Fsm, fault: str, rows: str) -> None:
    fsm.set(interfaced_rows=rows)
    fsm.play(fault, f"{INTERFACE}$", status=504, seconds=0.0)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept)
    wait_until(lambda: bool(fsm.journals()), "the run was never done")
    assert isinstance(enter(fsm, journal, kept), Found)
    assert fsm.requests().count("interface") == 1
    fsm.holds(journal)


def test_a_batch_that_arrives_late_beside_its_second_sending_is_noticed(fsm: Fsm) -> None:
    """FSM may take rows twice; then all of them are taken out, and only exactly ours are interfaced."""
    fsm.play("late", CREATE, seconds=0.3)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept)
    fsm.play("slow_answer", CREATE, seconds=0.6)
    with pytest.raises(OutcomeUnknown, match="FSM holds 40 rows"):
        enter(fsm, journal, kept)
    assert fsm.staged(journal) == []
    enter(fsm, journal, kept)
    fsm.holds(journal)


def test_a_batch_that_is_refused_for_being_there_already_goes_on(fsm: Fsm) -> None:
    fsm.set(duplicates="refused")
    fsm.play("late", CREATE, seconds=0.2)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept)
    fsm.play("slow", CREATE, seconds=0.4)
    enter(fsm, journal, kept)
    fsm.holds(journal)


def test_rows_that_are_staged_exactly_are_gone_on_with(fsm: Fsm) -> None:
    fsm.play("status", f"{INTERFACE}$", status=429)
    kept, journal = Kept(), payroll()
    with pytest.raises(TemporaryFailure):
        enter(fsm, journal, kept)
    assert kept.values["submitted"] is False
    fsm.server.faults.clear()
    fsm.requests()
    enter(fsm, journal, kept)
    assert "create" not in fsm.requests()
    fsm.holds(journal)


def test_rows_that_are_staged_in_part_are_taken_out_and_staged_again(fsm: Fsm) -> None:
    fsm.play("refuse", CREATE, skip=1)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept, batch_rows="8")
    assert len(fsm.staged(journal)) == 8
    fsm.requests()
    enter(fsm, journal, kept, batch_rows="8")
    requests = fsm.requests()
    assert requests[3:5] == ["delete", "staged"]
    assert requests.count("create") == 3
    fsm.holds(journal)


@pytest.mark.parametrize("fault", ["lost_answer", "refuse", "status_after"])
def test_a_removal_whose_answer_was_lost_takes_nothing_of_what_comes(fsm: Fsm, fault: str) -> None:
    fsm.play("refuse", CREATE, skip=1)
    kept, journal = Kept(), payroll()
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept, batch_rows="8")
    fsm.play(fault, DELETE, status=502)
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept)
    enter(fsm, journal, kept)
    fsm.holds(journal)


def test_a_poll_that_fails_does_not_end_the_wait(fsm: Fsm) -> None:
    fsm.play("status", RESULTS, skip=1, status=503)
    journal = payroll(4)
    enter(fsm, journal, Kept())
    fsm.holds(journal)


def test_a_refused_read_after_the_run_left_is_no_refusal_of_the_journal(fsm: Fsm) -> None:
    body = {"code": "", "message": "Actor is not authorized to access GLTransactionInterfaceResult"}
    fsm.play("status", RESULTS, skip=1, status=400, body=body)
    kept, journal = Kept(), payroll(4)
    with pytest.raises(OutcomeUnknown, match="was submitted"):
        enter(fsm, journal, kept)
    assert isinstance(enter(fsm, journal, kept), Found)
    fsm.holds(journal)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_lease_that_is_lost_stops_before_the_next_write(fsm: Fsm, number: int) -> None:
    def lose(count: int) -> None:
        if count == number:
            raise LeaseLost

    kept, journal = Kept(before_write=lose), payroll(4)
    try:
        enter(fsm, journal, kept, validates_first="yes")
    except LeaseLost:
        assert fsm.journals() == []
    else:
        assert kept.writes < number
    kept.before_write = lambda count: None
    enter(fsm, journal, kept, validates_first="yes")
    fsm.holds(journal)


# Refusals


@pytest.mark.parametrize("style", ["object", "text"])
def test_a_row_that_is_not_created_is_said_with_its_line(fsm: Fsm, style: str) -> None:
    fsm.set(exception_style=style)
    fsm.play("row_refused", CREATE)
    kept, journal = Kept(), payroll(4)
    with pytest.raises(Rejected) as info:
        enter(fsm, journal, kept)
    assert info.value.sentence == "FSM did not take the journal. Line 2 (account 6000): “Record is locked”"
    connector = fsm.connector()
    connector.undo_journal(journal, kept.progress())
    assert fsm.staged(journal) == []


def test_all_that_a_run_finds_wrong_is_said_at_once(own_fsm: Fsm) -> None:
    fsm = own_fsm
    journal = payroll(8)
    connector = fsm.connector()
    fsm.suite.books.change_record("AccountingUnit", "100|200", {"Active": "false"})
    fsm.suite.books.remove_record("GeneralLedgerChartAccount", "2110")
    kept = Kept()
    with pytest.raises(Misconfigured) as info:
        connector.post_journal(journal, kept.progress())
    assert info.value.page == "mapping"
    assert "Lines 3 (account" not in info.value.sentence
    assert "Line 3 (account 6000): “Accounting Unit 200 is not active”" in info.value.sentence
    assert "Line 8 (account 2110): “Account 2110 does not exist”" in info.value.sentence
    # What waits for a repair leaves nothing behind, and goes on once it is repaired.
    assert fsm.staged(journal) == []
    fsm.holds()
    fsm.suite.books.change_record("AccountingUnit", "100|200", {"Active": "true"})
    account = {"Account": "2110", "DisplayAccount": "2110", "Active": "true", "FinanceEnterpriseGroup": "1"}
    fsm.suite.books.put_record("GeneralLedgerChartAccount", "2110", account)
    enter(fsm, journal, kept)
    fsm.holds(journal)


def test_a_period_that_is_not_there_waits_for_the_period(fsm: Fsm) -> None:
    journal = payroll(4, posting_date=date(2040, 7, 31))
    kept = Kept()
    with pytest.raises(Misconfigured, match="No period found for Posting Date July 31, 2040") as info:
        enter(fsm, journal, kept)
    assert info.value.page == "period"
    assert "Lines 1, 2, 3 (account 6000)" in info.value.sentence
    assert fsm.staged(journal) == []


def test_a_validation_that_finds_something_interfaces_nothing(fsm: Fsm) -> None:
    fsm.play("row_error", f"{INTERFACE}/EditOnly")
    kept, journal = Kept(), payroll(4)
    with pytest.raises(Rejected, match="Transaction is on hold by a rule"):
        enter(fsm, journal, kept, validates_first="yes")
    assert "interface" not in fsm.requests()
    fsm.connector().undo_journal(journal, kept.progress())
    kept.progress().clear()
    kept.values = {}
    enter(fsm, journal, kept, validates_first="yes")
    fsm.holds(journal)


def test_a_tenant_without_results_of_validations_is_told_what_to_set(fsm: Fsm) -> None:
    fsm.set(validation_writes_result=False)
    kept, journal = Kept(), payroll(4)
    with pytest.raises(Misconfigured, match="set “Validate before interfacing” of the connection to no"):
        enter(fsm, journal, kept, validates_first="yes", result_seconds="1")
    enter(fsm, journal, kept)
    fsm.holds(journal)


def test_a_validation_whose_worker_died_is_not_taken_for_a_run(fsm: Fsm) -> None:
    fsm.play("lost_answer", f"{INTERFACE}/EditOnly")
    kept, journal = Kept(), payroll(4)
    with pytest.raises(OutcomeUnknown):
        enter(fsm, journal, kept, validates_first="yes")
    found = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert not found.is_complete
    enter(fsm, journal, kept, validates_first="yes")
    fsm.holds(journal)


def test_a_run_that_is_refused_as_a_whole_is_a_matter_of_the_connection(fsm: Fsm) -> None:
    fsm.set(denied_actions="InterfaceTransactions")
    kept, journal = Kept(), payroll(4)
    with pytest.raises(Misconfigured, match="not authorized to perform InterfaceTransactions") as info:
        enter(fsm, journal, kept)
    assert info.value.page == "connection"
    assert kept.values["submitted"] is False
    fsm.set(denied_actions="")
    enter(fsm, journal, kept)
    fsm.holds(journal)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"enterprise_group": "2"}, "Enterprise Group does not exist"),
        ({"journal_code": "XX"}, "Journal Code XX does not exist"),
        ({"suite_path": "FSM/fsm/rest"}, "status 404"),
    ],
)
def test_a_wrong_field_of_the_connection_enters_nothing(fsm: Fsm, fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ExchangeError, match=sentence):
        enter(fsm, payroll(4), Kept(), **fields)
    fsm.holds()


# Undoing


def test_an_interfaced_run_group_is_not_taken_out(fsm: Fsm) -> None:
    kept, journal = Kept(), payroll(4)
    enter(fsm, journal, kept)
    with pytest.raises(Rejected, match="is interfaced in FSM and cannot be taken out"):
        fsm.connector().undo_journal(journal, kept.progress())
    with pytest.raises(Rejected, match="journalize not complete for this run group”"):
        fsm.connector()._client.delete(journal.posting_key)
    fsm.holds(journal)


def test_nothing_to_undo_is_no_error(fsm: Fsm) -> None:
    fsm.connector().undo_journal(payroll(4), Kept().progress())
    assert fsm.requests() == FIND


# What else there may be in FSM


def test_where_interfaced_rows_are_removed_the_ledger_has_the_word(fsm: Fsm) -> None:
    fsm.set(interfaced_rows="removed")
    kept, journal = Kept(), payroll(4)
    receipt = enter(fsm, journal, kept)
    assert (receipt.line_count, receipt.debit, receipt.is_posted) == (4, journal.debit, False)
    waiting = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(waiting, CannotTell)
    assert not waiting.needs_person
    assert isinstance(fsm.connector().find_journal(journal, Kept().progress()), CannotTell)
    fsm.suite.post_journals()
    found = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert (found.is_complete, found.is_posted) == (True, True)
    fsm.holds(journal)


def test_a_condition_tells_posted_lines_where_the_ledger_shows_others(fsm: Fsm) -> None:
    fsm.set(shows_unposted=True)
    kept, journal = Kept(), payroll(4)
    fields = {"posted_condition": 'Status = "2"'}
    assert not enter(fsm, journal, kept, **fields).is_posted
    found = fsm.connector(**fields).find_journal(journal, kept.progress())
    assert (found.is_complete, found.is_posted, found.document_number) == (True, False, journal.posting_key)
    fsm.suite.post_journals()
    found = fsm.connector(**fields).find_journal(journal, kept.progress())
    assert (found.is_complete, found.is_posted) == (True, True)
    with pytest.raises(Misconfigured, match="Condition for posted"):
        fsm.connector(posted_condition='Status "2"').find_journal(journal, kept.progress())


def test_a_journal_that_was_interfaced_in_part_is_for_a_person(fsm: Fsm) -> None:
    kept, journal = Kept(), payroll(4)
    enter(fsm, journal, kept)
    with fsm.suite.store.transaction():
        first, *others = fsm.suite.books.staged(journal.posting_key)
        fsm.suite.books.restage(journal.posting_key, [{**first, "Status": "0"}, *others])
    result = fsm.connector().find_journal(journal, kept.progress())
    assert isinstance(result, CannotTell)
    assert "3 of the 4 rows" in result.sentence


def test_rows_that_somebody_else_validated_are_for_a_person(fsm: Fsm) -> None:
    """Whether that run was a validation or an interfacing, FSM does not say."""
    kept, journal = Kept(), payroll(4)
    fsm.play("status", f"{INTERFACE}$", status=429)
    with pytest.raises(TemporaryFailure):
        enter(fsm, journal, kept)
    fsm.connector()._client.interface(journal.posting_key, edit_only=True)
    result = fsm.connector().find_journal(journal, Kept().progress())
    assert isinstance(result, CannotTell)
    assert "not by this connection" in result.sentence


def test_rows_on_hold_are_not_looked_for_with_another_key(fsm: Fsm) -> None:
    with pytest.raises(ValueError, match="without posting key"):
        fsm.connector().find_journal(payroll(key=""), Kept().progress())


@pytest.mark.parametrize("path", [STAGED, RESULTS])
@pytest.mark.parametrize("body", [{}, [{"_count": 1}, "row"], [{"_count": "x"}], {"exception": "no"}])
def test_an_answer_that_is_no_list_is_never_an_empty_one(fsm: Fsm, path: str, body: Any) -> None:
    fsm.play("status", path, status=200, body=body)
    with pytest.raises(TemporaryFailure, match="cannot be read"):
        fsm.connector().find_journal(payroll(), Kept().progress())


def test_lines_that_wait_in_the_ledger_with_other_amounts_are_for_a_person(fsm: Fsm) -> None:
    fsm.set(shows_unposted=True)
    kept, journal = Kept(), payroll(4)
    enter(fsm, journal, kept)
    with fsm.suite.store.transaction():
        (held,) = fsm.suite.books.journals()
        fsm.suite.books.put_journal({**held, "rows": held["rows"][1:]})
    result = fsm.connector(posted_condition='Status = "2"').find_journal(journal, kept.progress())
    assert isinstance(result, CannotTell)
    assert result.needs_person
    assert "in the ledger, not posted, in FSM with 3 lines" in result.sentence
