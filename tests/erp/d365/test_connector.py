"""Journals in Dynamics: entered once whatever goes wrong, found again, resumed, undone. Each test looks at the far ledger."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.work import LeaseLost
from erp.connector import Absent, CannotTell, Found
from erp.d365.connector import NUMBER
from mappings.journal import JournalLine
from tests.erp.d365.conftest import Environment, Kept, payroll

BATCH = "/data/\\$batch"
HEADERS = "/data/LedgerJournalHeaders"


def enter(dynamics: Environment, journal, kept: Kept, **changed: Any):
    """One round of a worker: find, then post unless it is there. A new connector, as after a restart."""
    connector = dynamics.connector(**changed)
    found = connector.find_journal(journal, kept.progress())
    if isinstance(found, Found) and found.is_complete:
        return found
    return connector.post_journal(journal, kept.progress())


def number_of(dynamics: Environment) -> str:
    (journal,) = dynamics.journals()
    return str(journal["JournalBatchNumber"])


# Entering


def test_twenty_lines_cost_four_round_trips(dynamics):
    journal, kept, connector = payroll(20), Kept(), dynamics.connector()
    dynamics.requests()
    assert connector.find_journal(journal, kept.progress()) == Absent()
    receipt = connector.post_journal(journal, kept.progress())
    assert dynamics.requests() == [
        "POST /data/$batch",
        "POST /data/LedgerJournalHeaders",
        "POST /data/$batch",
        "POST /data/$batch",
    ]
    dynamics.holds(journal)
    assert kept.values == {NUMBER: receipt.document_number} == {NUMBER: number_of(dynamics)}
    assert (receipt.line_count, receipt.debit, receipt.credit) == (20, journal.debit, journal.credit)
    assert not receipt.is_posted
    assert dynamics.journals()[0]["Description"] == f"Payroll 2026-07-16 to 2026-07-31 {journal.posting_key}"


def test_a_thousand_lines_cost_ten_round_trips(dynamics):
    journal, kept, connector = payroll(1000), Kept(), dynamics.connector()
    dynamics.requests()
    connector.find_journal(journal, kept.progress())
    connector.post_journal(journal, kept.progress())
    assert len(dynamics.requests()) == 10
    dynamics.holds(journal)


def test_posting_without_a_look_before_it_looks_first(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    again = Kept()
    receipt = dynamics.connector().post_journal(journal, again.progress())
    dynamics.holds(journal)
    assert receipt.document_number == again.values[NUMBER] == number_of(dynamics)


def test_posting_again_sends_nothing(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.requests()
    connector = dynamics.connector()
    found = connector.find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert (found.is_complete, found.is_posted, found.line_count) == (True, False, 4)
    assert connector.post_journal(journal, kept.progress()).document_number == found.document_number
    assert dynamics.requests() == ["POST /data/$batch"]
    dynamics.holds(journal)


def test_a_connector_without_reference_data_reads_the_format_itself(dynamics):
    journal = payroll(4)
    dynamics.connector(is_warm=False).post_journal(journal, Kept().progress())
    dynamics.holds(journal)


@pytest.mark.parametrize(("company_code", "currency"), [("us02", "USD"), ("CA01", "CAD")])
def test_other_companies_than_the_users_default_one(dynamics, company_code, currency):
    journal, kept = payroll(4, company_code=company_code, currency=currency), Kept()
    enter(dynamics, journal, kept)
    dynamics.holds(journal)
    found = dynamics.connector().find_journal(journal, Kept().progress())
    assert isinstance(found, Found)
    assert found.is_complete


def test_a_delimiter_inside_a_value_reaches_the_right_segment(own_dynamics):
    dynamics = own_dynamics
    for delimiter in ("Hyphen", "Bar", "DoublePeriod"):
        with dynamics.system.store.transaction():
            dynamics.system.reference.set_delimiter(delimiter)
        dynamics.reference = None
        line = JournalLine(
            1, "6000", (("Department", "D-12"), ("Project", "P-2")), Decimal("1.00"), Decimal("0.00"), "a"
        )
        journal = payroll(4, key=f"DELIMITER{delimiter.upper():.6}".ljust(15, "X"))
        journal = replace(journal, lines=(line, JournalLine(2, "2110", (), Decimal("0.00"), Decimal("1.00"), "b")))
        enter(dynamics, journal, Kept())
        dynamics.system.post_journals()
        entries = [
            entry
            for entry in dynamics.system.ledger_state()["general_ledger"]
            if entry["DocumentNumber"] == journal.posting_key
        ]
        # The sandbox reads the string by its own rules and writes the values that it understood.
        assert sorted(entry["LedgerAccount"] for entry in entries) == ["2110", "6000-D-12-P-2"]


def test_a_long_text_is_cut_before_dynamics_refuses_it(dynamics):
    journal = payroll(2, header_text="y" * 90)
    journal = replace(journal, lines=tuple(replace(line, text="x" * 90) for line in journal.lines))
    enter(dynamics, journal, Kept())
    (there,) = dynamics.journals()
    assert [line["Text"] for line in there["lines"]] == ["x" * 60] * 2
    assert there["Description"] == "y" * 44 + f" {journal.posting_key}"


def test_pages_of_lines_are_read_to_the_end(dynamics):
    dynamics.system.change_settings(page_size=7)
    journal, kept = payroll(20), Kept()
    enter(dynamics, journal, kept)
    found = dynamics.connector().find_journal(journal, Kept().progress())
    assert isinstance(found, Found)
    assert (found.line_count, found.is_complete) == (20, True)


# Answers that are lost, cut or late


@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status_after", "refuse", "html"])
@pytest.mark.parametrize("path", [HEADERS, BATCH])
@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_a_lost_answer_anywhere_ends_in_one_journal(dynamics, fault, path, skip):
    """`skip` counts requests of that kind: for $batch the look, two changesets, and the read-back."""
    journal, kept = payroll(8), Kept()
    dynamics.connector().find_journal(journal, kept.progress())
    dynamics.play(fault, path=path, method="POST", skip=skip)
    for _ in range(3):
        try:
            enter(dynamics, journal, kept, changeset_size="4")
        except (OutcomeUnknown, TemporaryFailure):
            continue
        break
    if path == BATCH:
        assert dynamics.server.faults.waiting() == 0
    dynamics.holds(journal)
    assert kept.values == {NUMBER: number_of(dynamics)}


def test_a_write_whose_answer_is_lost_is_unknown_and_a_read_is_not(dynamics):
    journal, kept = payroll(4), Kept()
    connector = dynamics.connector()
    dynamics.play("lost_answer", path=BATCH)
    with pytest.raises(TemporaryFailure):
        connector.find_journal(journal, kept.progress())
    connector.find_journal(journal, kept.progress())
    dynamics.play("lost_answer", path=HEADERS)
    with pytest.raises(OutcomeUnknown):
        connector.post_journal(journal, kept.progress())
    assert kept.values == {}
    assert len(dynamics.journals()) == 1


def test_a_header_whose_answer_was_lost_is_found_and_completed(dynamics):
    journal, kept = payroll(4), Kept()
    dynamics.play("lost_answer", path=HEADERS)
    with pytest.raises(OutcomeUnknown):
        enter(dynamics, journal, kept)
    found = dynamics.connector().find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert (found.is_complete, found.line_count, found.document_number) == (False, 0, number_of(dynamics))
    enter(dynamics, journal, kept)
    dynamics.holds(journal)


def test_a_kill_before_the_number_is_saved_ends_in_one_journal(dynamics):
    journal = payroll(4)

    class Killed(BaseException):
        pass

    class Dies(Kept):
        def _save(self, values):
            raise Killed

    with pytest.raises(Killed):
        enter(dynamics, journal, Dies())
    kept = Kept()
    enter(dynamics, journal, kept)
    dynamics.holds(journal)
    assert kept.values == {NUMBER: number_of(dynamics)}


def test_a_batch_that_is_cut_after_its_changeset_is_unknown_and_not_repeated(dynamics):
    journal, kept = payroll(8), Kept()
    dynamics.play("batch_truncated")
    with pytest.raises(OutcomeUnknown):
        enter(dynamics, journal, kept, changeset_size="4")
    assert dynamics.journals()[0]["line_count"] == 4
    enter(dynamics, journal, kept, changeset_size="4")
    dynamics.holds(journal)


# Changesets that fail


def test_a_refused_changeset_gives_the_infolog_and_is_resumed(dynamics):
    journal, kept = payroll(8), Kept()
    dynamics.play("changeset_fails", skip=1, status=500)
    with pytest.raises(Rejected, match="Deadlock victim") as refused:
        enter(dynamics, journal, kept, changeset_size="4")
    assert "at Microsoft" not in refused.value.sentence
    assert dynamics.journals()[0]["line_count"] == 4
    enter(dynamics, journal, kept, changeset_size="4")
    dynamics.holds(journal)


def test_a_throttled_changeset_waits_as_long_as_dynamics_says(dynamics):
    journal, kept = payroll(4), Kept()
    connector = dynamics.connector()
    connector.find_journal(journal, kept.progress())
    dynamics.play("batch_part_429", headers={"Retry-After": "7"})
    with pytest.raises(TemporaryFailure) as wait:
        connector.post_journal(journal, kept.progress())
    assert wait.value.retry_after_seconds == 7
    assert dynamics.journals()[0]["line_count"] == 0
    enter(dynamics, journal, kept)
    dynamics.holds(journal)


def test_an_update_conflict_is_temporary(dynamics):
    journal, kept = payroll(4), Kept()
    dynamics.play("update_conflict")
    with pytest.raises(TemporaryFailure, match="Somebody else wrote to this journal"):
        enter(dynamics, journal, kept)
    enter(dynamics, journal, kept)
    dynamics.holds(journal)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("language", ["en-US", "de"])
def test_an_account_that_dynamics_does_not_know_is_refused_in_its_words(dynamics, status, language):
    dynamics.system.change_settings(infolog_status=status, language=language)
    journal = payroll(4)
    lines = (replace(journal.lines[0], main_account="9999"), *journal.lines[1:])
    kept = Kept()
    with pytest.raises(Rejected, match="9999"):
        enter(dynamics, replace(journal, lines=lines), kept)
    assert dynamics.journals()[0]["line_count"] == 0
    dynamics.connector().undo_journal(journal, kept.progress())
    assert dynamics.journals() == []
    assert kept.values == {}


@pytest.mark.parametrize("status", [400, 500])
def test_a_journal_name_that_is_missing_is_a_setting_to_repair(dynamics, status):
    dynamics.system.change_settings(infolog_status=status)
    with pytest.raises(Misconfigured, match="NOSUCH") as found:
        enter(dynamics, payroll(4), Kept(), journal_name="NOSUCH")
    assert found.value.page == "connection"
    assert dynamics.journals() == []


def test_a_batch_that_is_too_big_for_the_environment_says_so(dynamics):
    dynamics.system.change_settings(batch_limit=20)
    with pytest.raises(Rejected, match="maximum number of '20'"):
        enter(dynamics, payroll(30), Kept())
    assert dynamics.journals()[0]["line_count"] == 0


def test_a_right_that_is_missing_is_a_setting_to_repair(dynamics):
    connector = dynamics.connector()
    dynamics.system.change_settings(denied_entities="GeneralJournalAccountEntries")
    with pytest.raises(Misconfigured, match="may not read GeneralJournalAccountEntries"):
        connector.find_journal(payroll(4), Kept().progress())


def test_a_dimension_outside_the_format_is_refused_before_anything_is_sent(dynamics):
    journal = payroll(4)
    line = replace(journal.lines[0], dimensions=(("Campaign", "C1"),))
    connector = dynamics.connector()
    dynamics.requests()
    with pytest.raises(Misconfigured, match="Campaign"):
        connector.post_journal(replace(journal, lines=(line, *journal.lines[1:])), Kept().progress())
    assert dynamics.requests() == []


# Tokens and leases


def test_a_token_that_ends_on_the_way_is_renewed(dynamics):
    journal = payroll(8)
    kept = Kept(before_write=lambda number: dynamics.system.expire_tokens())
    enter(dynamics, journal, kept, changeset_size="4")
    dynamics.holds(journal)
    assert kept.writes == 3


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_worker_that_lost_its_lease_sends_nothing_more(dynamics, at):
    def lost(number):
        if number == at:
            raise LeaseLost

    journal, kept = payroll(8), Kept(before_write=lost)
    with pytest.raises(LeaseLost):
        enter(dynamics, journal, kept, changeset_size="4")
    assert [each["line_count"] for each in dynamics.journals()] == [[], [0], [4]][at - 1]
    kept.before_write = lambda number: None
    enter(dynamics, journal, kept, changeset_size="4")
    dynamics.holds(journal)


# What people do meanwhile


def test_a_read_back_that_differs_is_unknown_and_then_completed(dynamics):
    journal = payroll(8)

    def removes_a_line(number):
        if number == 3:
            dynamics.system.delete_line("us01", number_of(dynamics), 1)

    kept = Kept(before_write=removes_a_line)
    with pytest.raises(OutcomeUnknown, match="not what was sent"):
        enter(dynamics, journal, kept, changeset_size="4")
    kept.before_write = lambda number: None
    enter(dynamics, journal, kept, changeset_size="4")
    dynamics.holds(journal)


def test_a_text_that_finance_corrects_changes_nothing(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.system.edit_line("us01", number_of(dynamics), 1, {"Text": "Corrected"})
    found = dynamics.connector().find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert found.is_complete


def test_other_content_under_the_same_key_replaces_an_unposted_journal(dynamics):
    first, kept = payroll(4), Kept()
    enter(dynamics, first, kept)
    second = replace(payroll(6), header_text="Payroll, mapped anew")
    found = dynamics.connector().find_journal(second, kept.progress())
    assert isinstance(found, Found)
    assert not found.is_complete
    enter(dynamics, second, kept)
    dynamics.holds(second)
    assert kept.values == {NUMBER: number_of(dynamics)}


def test_a_line_of_somebody_else_is_never_deleted(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.system.edit_line("us01", number_of(dynamics), 1, {"Document": "BOB-1", "DebitAmount": Decimal("999.00")})
    connector = dynamics.connector()
    found = connector.find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert not found.is_complete
    with pytest.raises(Rejected, match="not entered from here"):
        connector.post_journal(journal, kept.progress())
    with pytest.raises(Rejected, match="not entered from here"):
        connector.undo_journal(journal, kept.progress())
    assert dynamics.journals()[0]["line_count"] == 4


def test_two_journals_under_one_key_wait_for_a_person(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    other = payroll(4, key="AN0THERP0ST1NGX")
    enter(dynamics, other, Kept())
    copy = next(each for each in dynamics.journals() if other.posting_key in each["Description"])
    dynamics.system.edit_description("us01", copy["JournalBatchNumber"], f"A copy {journal.posting_key} of Bob's")
    for progress in (kept.progress(), Kept().progress()):
        connector = dynamics.connector()
        found = connector.find_journal(journal, progress)
        assert isinstance(found, CannotTell)
        assert copy["JournalBatchNumber"] in found.sentence
        with pytest.raises(OutcomeUnknown):
            connector.post_journal(journal, progress)


def test_a_journal_is_found_by_its_lines_when_its_description_was_changed(dynamics):
    journal = payroll(4)
    enter(dynamics, journal, Kept())
    dynamics.system.edit_description("us01", number_of(dynamics), "Wages of July")
    found = dynamics.connector().find_journal(journal, Kept().progress())
    assert isinstance(found, Found)
    assert found.is_complete


def test_a_deleted_journal_is_absent_and_was_known(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.system.delete_journal("us01", number_of(dynamics))
    connector = dynamics.connector()
    assert connector.find_journal(journal, kept.progress()) == Absent(was_known=True)
    with pytest.raises(OutcomeUnknown, match="Somebody deleted it"):
        connector.post_journal(journal, kept.progress())
    assert dynamics.journals() == []


def test_a_number_that_was_given_to_somebody_elses_journal_is_not_ours(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, payroll(6, key="AN0THERP0ST1NGX"), kept)
    found = dynamics.connector().find_journal(journal, kept.progress())
    assert isinstance(found, CannotTell)
    assert "does not carry the posting key" in found.sentence


# Posted


def test_a_posted_journal_is_seen_and_cannot_be_undone(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.system.post_journals()
    dynamics.requests()
    connector = dynamics.connector()
    found = connector.find_journal(journal, kept.progress())
    assert found == Found(number_of(dynamics), True, True, 4, journal.debit, journal.credit)
    assert dynamics.requests() == ["POST /data/$batch"]
    with pytest.raises(Rejected, match="can only be reversed"):
        connector.undo_journal(journal, kept.progress())
    assert dynamics.journals()[0]["line_count"] == 4


def test_a_journal_that_was_changed_and_posted_is_shown_and_left_alone(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    number = number_of(dynamics)
    dynamics.system.edit_line("us01", number, 1, {"DebitAmount": Decimal("101.10")})
    dynamics.system.edit_line("us01", number, 4, {"CreditAmount": journal.credit + 1})
    dynamics.system.post_journals()
    connector = dynamics.connector()
    found = connector.find_journal(journal, kept.progress())
    assert found == Found(number, False, True, 4, journal.debit + 1, journal.credit + 1)
    with pytest.raises(OutcomeUnknown, match="Somebody changed it"):
        connector.post_journal(journal, kept.progress())
    assert dynamics.journals()[0]["line_count"] == 4


def test_lines_that_are_deleted_after_posting_are_read_from_the_ledger(dynamics):
    journal, kept = payroll(6), Kept()
    enter(dynamics, journal, kept, journal_name="PURGE")
    dynamics.system.post_journals()
    assert dynamics.journals()[0]["line_count"] == 0
    for progress in (kept.progress(), Kept().progress()):
        connector = dynamics.connector()
        found = connector.find_journal(journal, progress)
        assert isinstance(found, Found)
        assert (found.is_complete, found.is_posted, found.debit) == (True, True, journal.debit)
        assert found.document_number == number_of(dynamics)
        assert "ledger" in found.note
        assert connector.post_journal(journal, progress).is_posted


def clean_up(dynamics: Environment, *, entries_left: int | None = None) -> None:
    """What the clean-up of posted journals does: header and lines go, the ledger stays. The sandbox finds entries by
    their header, so it keeps the row under a number that no client knows.
    """
    rows = dynamics.system.rows
    with dynamics.system.store.transaction():
        (header,) = rows.all("LedgerJournalHeaders")
        for line in rows.of_journal("LedgerJournalLines", header):
            rows.delete("LedgerJournalLines", line)
        entries = rows.of_journal("GeneralJournalAccountEntries", header)
        rows.delete("LedgerJournalHeaders", header)
        kept = entries if entries_left is None else entries[:entries_left]
        dynamics.system.store.delete_kind(f"GeneralJournalAccountEntries {rows.journal_key(header)}")
        for entry in kept:
            rows.insert_entry(header, {name: value for name, value in entry.items() if not name.startswith("_")})


def test_a_posted_journal_that_was_cleaned_up_is_never_entered_again(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    number = number_of(dynamics)
    dynamics.system.post_journals()
    clean_up(dynamics)
    known = dynamics.connector().find_journal(journal, kept.progress())
    assert isinstance(known, Found)
    assert (known.is_posted, known.is_complete, known.document_number) == (True, True, number)
    # A restored database has forgotten the number; the voucher stands in its place.
    connector = dynamics.connector()
    forgotten = connector.find_journal(journal, Kept().progress())
    assert isinstance(forgotten, Found)
    assert forgotten.document_number.startswith("PAY")
    assert connector.post_journal(journal, Kept().progress()).is_posted
    assert dynamics.journals() == []


def test_a_ledger_that_shows_a_part_waits_for_a_person(dynamics):
    journal, kept = payroll(4), Kept()
    enter(dynamics, journal, kept)
    dynamics.system.post_journals()
    clean_up(dynamics, entries_left=2)
    found = dynamics.connector().find_journal(journal, kept.progress())
    assert isinstance(found, CannotTell)
    assert "2 entries" in found.sentence


def test_an_unposted_journal_whose_key_is_in_the_ledger_already_waits_for_a_person(dynamics):
    journal = payroll(4)
    enter(dynamics, journal, Kept())
    dynamics.system.post_journals()
    clean_up(dynamics)
    enter(dynamics, payroll(4, key="AN0THERP0ST1NGX"), Kept())
    dynamics.system.edit_description("us01", number_of(dynamics), f"Again {journal.posting_key}")
    found = dynamics.connector().find_journal(journal, Kept().progress())
    assert isinstance(found, CannotTell)
    assert "its ledger already shows entries" in found.sentence


# Undoing


def test_undo_leaves_nothing_and_can_be_repeated(dynamics):
    journal, kept = payroll(8), Kept()
    enter(dynamics, journal, kept)
    dynamics.connector(changeset_size="3").undo_journal(journal, kept.progress())
    assert dynamics.journals() == []
    assert kept.values == {}
    dynamics.connector().undo_journal(journal, kept.progress())
    assert dynamics.connector().find_journal(journal, kept.progress()) == Absent()


def test_undo_works_in_other_companies_than_the_users_default_one(dynamics):
    journal, kept = payroll(4, company_code="us02"), Kept()
    enter(dynamics, journal, kept)
    dynamics.connector().undo_journal(journal, kept.progress())
    assert dynamics.journals() == []


@pytest.mark.parametrize("fault", ["lost_answer", "status_after", "html", "refuse"])
@pytest.mark.parametrize(("path", "skip"), [(BATCH, 1), (BATCH, 2), (r"/data/LedgerJournalHeaders\(", 0)])
def test_a_lost_answer_while_undoing_ends_in_nothing(dynamics, fault, path, skip):
    journal, kept = payroll(8), Kept()
    enter(dynamics, journal, kept)
    dynamics.play(fault, path=path, skip=skip)
    with pytest.raises((OutcomeUnknown, TemporaryFailure)):
        dynamics.connector(changeset_size="4").undo_journal(journal, kept.progress())
    dynamics.connector(changeset_size="4").undo_journal(journal, kept.progress())
    assert dynamics.journals() == []
    assert kept.values == {}
