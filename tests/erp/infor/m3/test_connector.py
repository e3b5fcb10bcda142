"""Batches in Infor M3: made once whatever goes wrong, and found again in GLS840 and the ledger. Each test looks at the far
books.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.work import LeaseLost
from erp.connector import Absent, CannotTell, Found
from erp.infor.m3.connector import ACCEPTED, BEGUN, DISPATCHED, LEFT, NUMBER, STAGED
from mappings.journal import JournalKind, JournalLine
from tests.erp.infor.m3.conftest import CHECK, LOOK, M3, READ_BACK, STAGE, UPDATE, VOUCHER, Kept, payroll

FIND = "EXPORTMI Select FGLEDX,FGLINF,FGLINH"
STAGED_FIRST, STAGED_NEXT = "GLS840MI AddBatchHead,AddBatchLineFld", "GLS840MI AddBatchLineFld"
READ, CTRL, UPD = "EXPORTMI Select FGLINF,FGLINH", "GLS840MI CtrlBatch", "GLS840MI UpdBatch"
POLL, COUNT = "EXPORTMI Select FGLEDG", "EXPORTMI Select FGLEDX"


def enter(m3: M3, journal, kept: Kept, **changed: Any):
    """One round of a worker: find, then post unless it is there. A new connector, as after a restart."""
    connector = m3.connector(company_code=journal.company_code, **changed)
    found = connector.find_journal(journal, kept.progress())
    if isinstance(found, Found) and found.is_complete:
        return found
    return connector.post_journal(journal, kept.progress())


def look(m3: M3, journal, kept: Kept, **changed: Any):
    return m3.connector(company_code=journal.company_code, **changed).find_journal(journal, kept.progress())


def earlier(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")


# Entering


@pytest.mark.parametrize("count", [20, 1000])
def test_a_journal_costs_at_most_six_round_trips_and_one_for_each_bulk(m3, count):
    journal, kept, connector = payroll(count), Kept(), m3.connector()
    m3.requests()
    assert connector.find_journal(journal, kept.progress()) == Absent()
    receipt = connector.post_journal(journal, kept.progress())
    sent = m3.requests()
    bulks = -(-(count + 1) // 50)
    assert sent == [FIND, STAGED_FIRST, *[STAGED_NEXT] * (bulks - 1), READ, CTRL, UPD]
    assert len(sent) <= 6 + count / 50
    assert (receipt.document_number, receipt.is_posted) == (f"batch {journal.posting_key}", False)
    assert (receipt.line_count, receipt.debit, receipt.credit) == (count, journal.debit, journal.credit)
    found = look(m3, journal, kept)
    # So many rows that M3 may have cut them are counted.
    assert m3.requests() == ([FIND, POLL] if count < 100 else [FIND, COUNT, POLL])
    voucher = m3.holds(journal)
    number = f"PR {voucher['VONO']} ({voucher['YEA4']})"
    assert found == Found(number, True, True, count, journal.debit, journal.credit)
    assert kept.values[NUMBER] == number


@pytest.mark.parametrize("kind", [JournalKind.ACCRUAL, JournalKind.SETTLEMENT, JournalKind.REVERSAL])
def test_every_kind_of_journal_is_a_voucher(m3, kind):
    journal, kept = payroll(4, kind=kind, key=f"{kind.value:X<15}"), Kept()
    enter(m3, journal, kept)
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


def test_amounts_are_digits_and_no_floats(m3):
    lines = (
        JournalLine(1, "6000", (), Decimal("12345678901.23"), Decimal("0.00"), "Wages"),
        JournalLine(2, "6000", (), Decimal("0.01"), Decimal("0.00"), "Wages"),
        JournalLine(3, "2110", (), Decimal("0.00"), Decimal("12345678901.24"), "Net pay"),
    )
    journal, kept = payroll(4, lines=lines), Kept()
    enter(m3, journal, kept)
    assert look(m3, journal, kept).debit == Decimal("12345678901.24")
    assert [row["CUAM"] for row in m3.holds(journal)["rows"]] == [
        Decimal("12345678901.23"),
        Decimal("0.01"),
        Decimal("-12345678901.24"),
    ]


def test_settings_of_the_connection_reach_each_line(m3):
    journal = payroll(4)
    enter(
        m3, journal, Kept(), submit_mode="stage_only", group_number="PAY7", transaction_origin="2", information_number="2",
        rate_type="1", amounts="sign_and_code",
    )  # fmt: skip
    (batch,) = m3.batches()
    for line in batch["lines"]:
        expected = {"GRNR": "PAY7", "EICD": "2", "EXN1": "2", "EXI1": journal.posting_key, "CRTP": "1", "INRI": "I1"}
        assert {name: line[name] for name in expected} == expected
        assert line["DBCR"] == ("D" if Decimal(line["CUAM"]) > 0 else "C")
    assert batch["head"]["INTN"] == "PAYROLL"


def test_codes_are_written_where_crs750_wants_them(own_m3):
    with own_m3.system.store.transaction():
        own_m3.system.set_up.set_settings("MIL", {"DCNY": "1"})
    journal, kept = payroll(4), Kept()
    enter(own_m3, journal, kept)
    assert look(own_m3, journal, kept).is_posted
    own_m3.holds(journal)
    with pytest.raises(Misconfigured, match="How a side is written"):
        enter(own_m3, payroll(4, key="WITHOUTCODES"), Kept(), amounts="sign")


def test_a_connector_without_reference_data_reads_what_it_needs(m3):
    journal, kept = payroll(4), Kept()
    m3.connector(is_warm=False).post_journal(journal, kept.progress())
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


def test_dimensions_may_be_called_as_the_company_calls_them(own_m3):
    journal = payroll(4)
    lines = tuple(
        replace(line, dimensions=tuple(("Cost center", value) for _, value in line.dimensions))
        for line in journal.lines
    )
    own_m3.reference = own_m3.connector(is_warm=False, dimensions="").read_reference()
    enter(own_m3, replace(journal, lines=lines), Kept(), dimensions="")
    look(own_m3, journal, Kept())
    own_m3.holds(journal)


def test_nothing_leaves_for_a_dimension_or_a_currency_that_the_division_does_not_have(m3):
    unknown = replace(payroll(4).lines[0], dimensions=(("Region", "1"),))
    for journal, words in (
        (replace(payroll(4), lines=(unknown, *payroll(4).lines[1:])), "no accounting dimension Region"),
        (payroll(4, company_code="CAN"), "keeps its books in CAD"),
    ):
        with pytest.raises(Misconfigured, match=words) as caught:
            enter(m3, journal, Kept())
        assert caught.value.page == "mapping"
    assert m3.batches() == []


# Leaving it to a person


@pytest.mark.parametrize("keeps_batch", [True, False])
def test_a_batch_that_is_left_to_a_person_is_followed_until_it_is_posted(m3, keeps_batch):
    m3.set(keeps_batch=keeps_batch, updates_by_itself=False)
    journal, kept = payroll(4), Kept()
    m3.requests()
    receipt = enter(m3, journal, kept, submit_mode="stage_only")
    assert m3.requests() == [FIND, STAGED_FIRST, READ, CTRL]
    assert not receipt.is_posted
    assert kept.values[LEFT]
    assert m3.jobs() == []
    waiting = look(m3, journal, kept, submit_mode="stage_only")
    assert (waiting.is_complete, waiting.is_posted) == (True, False)
    m3.system.update_batch(journal.posting_key)
    found = look(m3, journal, kept, submit_mode="stage_only")
    # On its way it is in GLS840 still, or nowhere.
    assert found == waiting if keeps_batch else isinstance(found, CannotTell)
    m3.system.update_ledger()
    assert look(m3, journal, kept, submit_mode="stage_only").is_posted
    m3.holds(journal)


def test_a_batch_that_was_left_to_a_person_is_not_handed_over_after_the_setting_changes(m3):
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept, submit_mode="stage_only")
    assert enter(m3, journal, kept, submit_mode="update").is_complete
    assert m3.jobs() == []


def test_a_batch_that_a_person_deletes_is_never_staged_again_by_itself(m3):
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept, submit_mode="stage_only")
    m3.system.interface.remove(m3.system.interface.find_key(journal.posting_key))
    found = look(m3, journal, kept, submit_mode="stage_only")
    assert isinstance(found, CannotTell)
    assert not found.needs_person
    with pytest.raises(OutcomeUnknown):
        m3.connector(submit_mode="stage_only").post_journal(journal, kept.progress())
    # Had it been updated, the ledger would show it after these hours; a person decides what follows.
    kept.values["gone"] = earlier(5)
    assert look(m3, journal, kept, submit_mode="stage_only") == Absent(was_known=True)
    assert m3.batches() == []


def test_a_batch_that_vanishes_before_it_was_handed_over_calls_a_person(m3):
    """It was whole, so that somebody may have updated it by hand."""
    journal, kept = payroll(4), Kept()
    m3.play("status", path=UPDATE, status=429)
    with pytest.raises(TemporaryFailure):
        enter(m3, journal, kept)
    m3.system.interface.remove(m3.system.interface.find_key(journal.posting_key))
    found = look(m3, journal, kept)
    assert (isinstance(found, CannotTell), found.needs_person) == (True, False)
    kept.values["gone"] = earlier(5)
    found = look(m3, journal, kept)
    assert found.needs_person
    assert journal.posting_key in found.sentence
    assert m3.batches() == []


# Resuming


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_whoever_takes_over_at_any_step_ends_with_one_voucher(m3, stop):
    """A worker loses its lease before its n-th write; another one goes on."""
    journal = payroll(10)

    def lose(number: int) -> None:
        if number == stop:
            raise LeaseLost

    kept = Kept(before_write=lose)
    with pytest.raises(LeaseLost):
        enter(m3, journal, kept, bulk_size="4")
    kept.before_write = lambda number: None
    enter(m3, journal, kept, bulk_size="4")
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)
    assert len(m3.jobs()) == 1


def test_only_missing_lines_are_sent_when_a_batch_is_resumed(m3):
    journal, kept = payroll(10), Kept()
    m3.play("half_done", path=STAGE)
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    assert m3.staged() == [1, 2, 3, 4]
    assert look(m3, journal, kept) == Found(
        f"batch {journal.posting_key}", False, False, 4, sum(line.debit for line in journal.lines[:4]), Decimal("0.00")
    )
    m3.requests()
    enter(m3, journal, kept)
    assert m3.requests() == [FIND, STAGED_NEXT, READ, CTRL, UPD]
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


@pytest.mark.parametrize("duplicate_line", ["refuse", "replace"])
def test_a_request_that_comes_late_changes_nothing(m3, duplicate_line):
    """The gateway gave up on it, and M3 works on it after the same lines were sent again."""
    m3.set(duplicate_line=duplicate_line)
    journal, kept = payroll(4), Kept()
    m3.play("late", path=STAGE, seconds=0.4)
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    m3.play("slow", path=CHECK, seconds=0.6)
    enter(m3, journal, kept)
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


def test_a_batch_with_lines_twice_is_not_updated(m3):
    m3.set(duplicate_line="append")
    journal, kept = payroll(4), Kept()
    m3.play("late", path=STAGE, seconds=0.3)
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    m3.play("slow", path=READ_BACK, seconds=0.6)
    with pytest.raises(OutcomeUnknown, match="shows 8 of 4"):
        enter(m3, journal, kept)
    with pytest.raises(Rejected, match="Delete the batch in GLS840"):
        enter(m3, journal, kept)
    assert m3.jobs() == []
    m3.system.interface.remove(m3.system.interface.find_key(journal.posting_key))


def test_lines_of_somebody_else_stop_a_batch(m3):
    journal, kept = payroll(4), Kept()
    m3.play("status", path=CHECK, status=429)
    with pytest.raises(TemporaryFailure):
        enter(m3, journal, kept)
    m3.system.interface.change_line(m3.system.interface.find_key(journal.posting_key), 2, {"CUAM": "1.00"})
    with pytest.raises(Rejected, match=r"lines 2\)\. Delete the batch in GLS840"):
        enter(m3, journal, kept)
    assert m3.jobs() == []


# Refusals


@pytest.mark.parametrize("stops", [True, False], ids=["stops", "goes on"])
@pytest.mark.parametrize("message_form", ["padded", "with_code", "bare_code"])
def test_a_refused_line_is_named_and_nothing_is_updated(m3, stops, message_form):
    m3.set(bulk_stops_on_error=stops, message_form=message_form, language="DE", booleans_as_text=not stops)
    journal, kept = payroll(6), Kept()
    m3.play("refused_transaction", path=STAGE, body={"place": 4, "code": "XNU0000", "field": "CUAM"})
    m3.requests()
    with pytest.raises(Rejected) as caught:
        enter(m3, journal, kept)
    assert m3.requests() == [FIND, STAGED_FIRST]
    assert "line 3 on account 6000" in caught.value.sentence
    assert "XNU0000, field CUAM" in caught.value.sentence
    assert f"Batch {journal.posting_key} stays in GLS840 and was not updated." in caught.value.sentence
    assert m3.staged() == ([1, 2] if stops else [1, 2, 4, 5, 6])
    assert m3.jobs() == []
    enter(m3, journal, kept)
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


def test_all_refused_lines_are_named_at_once(m3):
    m3.set(definition_errors="result")
    journal = payroll(4)
    lines = tuple(replace(line, text=f"{line.text}\n") for line in journal.lines)
    with pytest.raises(Misconfigured, match="Record identity") as caught:
        enter(m3, replace(journal, lines=lines), Kept(), record_identity="X9")
    assert caught.value.page == "connection"
    assert m3.jobs() == []


@pytest.mark.parametrize("error_transport", ["result", "top"])
@pytest.mark.parametrize(
    ("site", "changed", "words"),
    [
        ({}, {"interface": "NOSUCH"}, "usage type 2 in GLS850"),
        ({}, {"record_identity": "Z1"}, "“Record identity” of the connection"),
        ({}, {"information_number": "9"}, "“GL information number” of the connection"),
        ({"absent_transactions": "GLS840MI.AddBatchLineFld"}, {}, "This release of M3 does not know"),
    ],
)
def test_what_a_person_has_to_set_up_is_said(m3, error_transport, site, changed, words):
    m3.set(error_transport=error_transport, **site)
    with pytest.raises(Misconfigured, match=words) as caught:
        enter(m3, payroll(4), Kept(), **changed)
    assert caught.value.page == "connection"
    assert m3.jobs() == []


@pytest.mark.parametrize("error_transport", ["result", "top"])
def test_the_check_of_m3_is_a_gate(own_m3, error_transport):
    """An account that was blocked after it was read is found by CtrlBatch; nothing is updated until it is open again."""
    own_m3.set(error_transport=error_transport)
    journal, kept, set_up = payroll(4), Kept(), own_m3.system.set_up
    own_m3.connector()
    with own_m3.system.store.transaction():
        set_up.set_identity({"DIVI": "MIL", "AITP": "1", "AITM": "6000", "LCCD": "1"})
    with pytest.raises(Misconfigured, match="6000") as caught:
        enter(own_m3, journal, kept)
    assert caught.value.page == "mapping"
    assert own_m3.jobs() == []
    with own_m3.system.store.transaction():
        set_up.set_identity({"DIVI": "MIL", "AITP": "1", "AITM": "6000", "LCCD": "0"})
    own_m3.requests()
    enter(own_m3, journal, kept)
    assert own_m3.requests() == [FIND, CTRL, UPD]
    assert look(own_m3, journal, kept).is_posted
    own_m3.holds(journal)


def test_a_day_that_gls990_has_closed_waits_as_a_period(own_m3):
    with own_m3.system.store.transaction():
        own_m3.system.set_up.set_open_dates("MIL", "20260801", "20261231")
    with pytest.raises(Misconfigured) as caught:
        enter(own_m3, payroll(4), Kept())
    assert caught.value.page == "period"


# Updating


@pytest.mark.parametrize(("fault", "is_done"), [("status", False), ("lost_answer", True), ("refuse", False)])
def test_an_update_whose_answer_is_lost_is_never_sent_again(m3, fault, is_done):
    journal, kept = payroll(4), Kept()
    m3.play(fault, path=UPDATE, **({"status": 504} if fault == "status" else {}))
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    assert kept.values[DISPATCHED]
    m3.requests()
    found = look(m3, journal, kept)
    if is_done:
        assert found.is_posted
        m3.holds(journal)
    else:
        assert isinstance(found, CannotTell)
        assert f"batch {journal.posting_key}" in found.sentence.lower().replace(
            journal.posting_key.lower(), journal.posting_key
        )
        assert "option 9" in found.sentence
        with pytest.raises(OutcomeUnknown):
            m3.connector().post_journal(journal, kept.progress())
        # A person does what we must not.
        m3.system.update_batch(journal.posting_key)
        assert look(m3, journal, kept).is_posted
        m3.holds(journal)
    assert UPD not in m3.requests()


def test_an_update_that_m3_does_after_the_gateway_gave_up_is_found(m3):
    journal, kept = payroll(4), Kept()
    m3.play("late", path=UPDATE, seconds=0.1)
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    for _ in range(100):
        found = look(m3, journal, kept)
        if isinstance(found, Found):
            break
        assert isinstance(found, CannotTell)
    assert found.is_posted
    m3.holds(journal)


@pytest.mark.parametrize("keeps_batch", [True, False])
def test_what_m3_took_is_entered_until_the_ledger_shows_it(m3, keeps_batch):
    m3.set(update_polls=2, keeps_batch=keeps_batch)
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept)
    assert kept.values[ACCEPTED]
    m3.requests()
    answers = [look(m3, journal, kept) for _ in range(3)]
    assert [answer.is_posted for answer in answers] == [False, False, True]
    assert m3.requests() == [FIND, FIND, FIND, POLL]
    m3.holds(journal)


def test_a_refused_update_counts_as_not_sent(m3):
    m3.play("refused_transaction", path=UPDATE, body={"place": 1, "code": "XAU0008", "field": "CONO"})
    journal, kept = payroll(4), Kept()
    with pytest.raises(Misconfigured):
        enter(m3, journal, kept)
    assert kept.values[DISPATCHED] == ""
    enter(m3, journal, kept)
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


@pytest.mark.parametrize("code", ["CPF9898", "XRE0104"])
def test_an_answer_to_an_update_that_no_table_knows_is_an_unknown_outcome(m3, code):
    m3.play("refused_transaction", path=UPDATE, body={"place": 1, "code": code, "field": ""})
    journal, kept = payroll(4), Kept()
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    assert isinstance(look(m3, journal, kept), CannotTell)
    assert m3.jobs() == []


@pytest.mark.parametrize("path", [STAGE, CHECK, UPDATE])
def test_an_answer_without_a_result_is_an_unknown_outcome(m3, path):
    m3.play("results_missing", path=path, status=1)
    journal, kept = payroll(4), Kept()
    with pytest.raises(OutcomeUnknown):
        enter(m3, journal, kept)
    if path != UPDATE:
        enter(m3, journal, kept)
    assert look(m3, journal, kept).is_posted
    m3.holds(journal)


def test_a_batch_that_ends_in_the_work_table_calls_a_person_after_some_hours(m3):
    journal, kept = payroll(4), Kept()
    m3.play("silent_failure", path=UPDATE)
    enter(m3, journal, kept)
    assert look(m3, journal, kept).is_complete
    kept.values[DISPATCHED] = earlier(5)
    assert not look(m3, journal, kept, posting_hours="6").is_posted
    found = look(m3, journal, kept)
    assert isinstance(found, CannotTell)
    assert found.needs_person
    assert "FCR040" in found.sentence
    assert m3.vouchers() == []


# Finding


def test_a_batch_that_was_posted_twice_by_a_person_is_shown(m3):
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept)
    look(m3, journal, kept)
    m3.system.update_batch(journal.posting_key)
    m3.system.update_ledger()
    found = look(m3, journal, kept)
    assert isinstance(found, CannotTell)
    assert found.needs_person
    assert "8 lines" in found.sentence


def test_a_batch_of_another_installation_is_followed_or_shown_and_never_touched(m3):
    """Without a record of our own, nobody knows whether UpdBatch left."""
    journal, first = payroll(4), Kept()
    enter(m3, journal, first, submit_mode="stage_only")
    again = Kept()
    m3.requests()
    assert enter(m3, journal, again).is_complete
    assert m3.requests() == [FIND]
    again.values["followed"] = earlier(5)
    assert look(m3, journal, again, submit_mode="stage_only").is_complete, "it waits for a person, however long"
    found = look(m3, journal, again)
    assert (isinstance(found, CannotTell), found.needs_person) == (True, True)
    m3.system.interface.change_line(m3.system.interface.find_key(journal.posting_key), 1, {"CUAM": "1.00"})
    found = look(m3, journal, again)
    assert (isinstance(found, CannotTell), found.needs_person) == (True, True)
    m3.system.interface.remove(m3.system.interface.find_key(journal.posting_key))
    assert isinstance(look(m3, journal, again), CannotTell)
    m3.play("half_done", path=STAGE)
    with pytest.raises(OutcomeUnknown):
        enter(m3, replace(journal, posting_key="HALFDONE"), Kept())
    found = look(m3, replace(journal, posting_key="HALFDONE"), Kept())
    assert isinstance(found, CannotTell)
    assert "did not stage" in found.sentence


def test_journals_of_others_in_the_same_journal_number_do_not_count(m3):
    """M3's journal number is of a job, which may have posted more than ours."""
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept)
    look(m3, journal, kept)
    with m3.system.store.transaction():
        (made,) = m3.system.jobs.journals()
        rows = m3.system.jobs.rows_of(made)
        strange = {**rows[0], "JSNO": "2", "information": [], "CUAM": "77.00"}
        # It stands between ours.
        moved = {f"{number:07d}": {**row, "JSNO": str(number)} for number, row in zip((1, 3, 4, 5), rows, strict=True)}
        m3.system.store.delete_kind(f"M3 FGLEDG {made['key']}")
        m3.system.store.put_many(f"M3 FGLEDG {made['key']}", {**moved, "0000002": strange})
    assert look(m3, journal, kept).line_count == 4


@pytest.mark.parametrize(
    "site",
    [
        {"maxrecs_ceiling": 100},
        {"maxrecs_from": "nowhere"},
        {"maxrecs_from": "query"},
        {"export_empty": "header"},
        {"field_lines_prefix": "ZZ"},
        {"head_status": True},
        {"user_division": ""},
    ],
)
def test_whatever_m3_cuts_or_calls_otherwise_every_line_is_read(own_m3, site):
    own_m3.set(**site)
    journal, kept = payroll(250), Kept()
    enter(own_m3, journal, kept)
    found = look(own_m3, journal, kept)
    assert (found.is_posted, found.line_count) == (True, 250)
    own_m3.holds(journal)


def test_a_service_user_with_a_division_of_its_own_reads_that_one(m3):
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept, export_division="own")
    assert look(m3, journal, kept, export_division="own").is_posted
    m3.holds(journal)


def test_nothing_is_sent_without_the_right_to_search(m3):
    m3.set(denied_programs="EXPORTMI")
    with pytest.raises((Misconfigured, TemporaryFailure)):
        enter(m3, payroll(4), Kept())
    assert m3.batches() == []


@pytest.mark.parametrize("path", [LOOK, VOUCHER])
def test_a_list_that_breaks_off_is_not_trusted(m3, path):
    journal, kept = payroll(4), Kept()
    enter(m3, journal, kept)
    m3.play("list_breaks", path=path, status=2)
    with pytest.raises(TemporaryFailure):
        look(m3, journal, kept)
    assert look(m3, journal, kept).is_posted


# Weather


@pytest.mark.parametrize("path", [LOOK, STAGE, READ_BACK, CHECK, UPDATE])
@pytest.mark.parametrize("fault", ["expired_token", "login_page"])
def test_a_token_that_ends_is_renewed_and_nothing_with_effect_sent_twice(m3, fault, path):
    journal, kept = payroll(4), Kept()
    m3.play(fault, path=path, **({"status": 302} if fault == "login_page" else {}))
    try:
        enter(m3, journal, kept)
    except ExchangeError:
        assert fault == "login_page"
        if not isinstance(look(m3, journal, kept), CannotTell):
            enter(m3, journal, kept)
    if kept.values.get(ACCEPTED):
        assert look(m3, journal, kept).is_posted
        m3.holds(journal)
    assert len(m3.jobs()) <= 1


def test_progress_is_saved_before_each_step(m3):
    journal = payroll(4)
    seen: list[dict[str, Any]] = []
    kept = Kept()
    kept.before_write = lambda number: seen.append(dict(kept.values))
    enter(m3, journal, kept)
    assert seen == [
        {BEGUN: True},
        {BEGUN: True, STAGED: True, NUMBER: f"batch {journal.posting_key}"},
        {BEGUN: True, STAGED: True, NUMBER: f"batch {journal.posting_key}"},
    ]
    assert set(kept.values) == {BEGUN, STAGED, NUMBER, DISPATCHED, ACCEPTED}


def test_a_day_in_another_year_than_the_clock_is_found(own_m3):
    journal, kept = payroll(4, posting_date=date(2025, 12, 31)), Kept()
    enter(own_m3, journal, kept)
    assert look(own_m3, journal, kept).is_posted
    own_m3.holds(journal)
