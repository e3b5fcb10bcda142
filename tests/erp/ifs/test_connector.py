"""Vouchers in IFS Cloud: made once whatever goes wrong, and found again in hold table and ledger. Each test looks at the
far books.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.work import LeaseLost
from erp.connector import Absent, CannotTell, Found
from erp.ifs.connector import DISPATCHED, NUMBER, OBJKEY, VOUCHER
from mappings.journal import JournalKind, JournalLine
from tests.erp.ifs.conftest import BATCH, CREATE, LOOK, OPEN, Cloud, Kept, payroll

LOST = (OutcomeUnknown, TemporaryFailure)


def enter(cloud: Cloud, journal, kept: Kept, **changed: Any):
    """One round of a worker: find, then post unless it is there. A new connector, as after a restart."""
    connector = cloud.connector(**changed)
    found = connector.find_journal(journal, kept.progress())
    if isinstance(found, Found):
        return found
    return connector.post_journal(journal, kept.progress())


def look(cloud: Cloud, journal, kept: Kept, **changed: Any):
    return cloud.connector(**changed).find_journal(journal, kept.progress())


def key_of(voucher: dict[str, Any]) -> tuple[str, int, str, int]:
    """As the sandbox names a voucher."""
    return voucher["Company"], int(voucher["AccountingYear"]), voucher["VoucherType"], int(voucher["VoucherNo"])


def edit(cloud: Cloud, row_number: int, **values: Any) -> None:
    """A person changes a row of the only held voucher."""
    (voucher,) = cloud.vouchers()
    with cloud.system.store.transaction():
        cloud.system.books.change_row(cloud.system.held_voucher(*key_of(voucher)), row_number, values)


def set_status(cloud: Cloud, status: str) -> None:
    voucher = cloud.vouchers()[-1]
    with cloud.system.store.transaction():
        cloud.system.books.change(cloud.system.held_voucher(*key_of(voucher)), VoucherStatus=status)


# Entering


@pytest.mark.parametrize("count", [20, 1000])
def test_a_voucher_costs_four_round_trips_whatever_its_size(cloud, count):
    cloud.system.change_settings(page_size=1000)
    journal, kept, connector = payroll(count), Kept(), cloud.connector()
    cloud.requests()
    assert connector.find_journal(journal, kept.progress()) == Absent()
    receipt = connector.post_journal(journal, kept.progress())
    assert cloud.requests() == [
        "GET /VoucherRowsAnalysis.svc/VoucherRowSet",
        "POST /VoucherEntryAssistantHandling.svc/VoucherSet",
        "POST /VoucherEntryAssistantHandling.svc/$batch",
        "GET /VoucherRowsAnalysis.svc/VoucherRowSet",
    ]
    there = cloud.holds(journal)
    assert receipt.document_number == kept.values[NUMBER] == f"P {there['VoucherNo']} (2026)"
    assert kept.values[VOUCHER] == [2026, "P", there["VoucherNo"]]
    assert (receipt.line_count, receipt.debit, receipt.credit) == (count, journal.debit, journal.credit)
    assert not receipt.is_posted
    assert there["VoucherText2"] == f"Payroll 2026-07-16 to 2026-07-31 {journal.posting_key}"
    assert (there["VoucherType"], there["UserGroup"], there["VoucherStatus"]) == ("P", "AC", "Approved")


@pytest.mark.parametrize("count", [20, 200])
def test_without_changesets_each_row_is_a_request_beside_five_others(cloud, count):
    """One less with the default type of the user group."""
    cloud.system.change_settings(page_size=1000)
    journal, kept, connector = payroll(count), Kept(), cloud.connector(uses_batch="no")
    cloud.requests()
    connector.find_journal(journal, kept.progress())
    connector.post_journal(journal, kept.progress())
    service = "/VoucherEntryAssistantHandling.svc/VoucherSet"
    record = f"{service}(Objkey='{kept.values[OBJKEY]}')"
    assert cloud.requests() == [
        "GET /VoucherRowsAnalysis.svc/VoucherRowSet",
        f"POST {service}",
        f"PATCH {record}",
        *[f"POST {record}/VoucherPostingArray"] * count,
        f"POST {record}/IfsApp.VoucherEntryAssistantHandling.{CREATE}",
        "GET /VoucherRowsAnalysis.svc/VoucherRowSet",
    ]
    cloud.holds(journal)


def test_the_default_type_of_the_service_user_needs_no_change(cloud):
    journal, connector = payroll(4), cloud.connector(uses_batch="no", voucher_type="M")
    cloud.requests()
    connector.post_journal(journal, Kept().progress())
    assert not any(request.startswith("PATCH") for request in cloud.requests())
    assert cloud.holds(journal)["VoucherType"] == "M"


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"user_group": "PR"}, {"UserGroup": "PR", "VoucherType": "P"}),
        ({"voucher_type": "E"}, {"VoucherType": "E", "VoucherStatus": "AwaitingApproval"}),
        ({"voucher_status": "AwaitingApproval"}, {"VoucherType": "P", "VoucherStatus": "AwaitingApproval"}),
        ({"function_group": "K", "voucher_type": "K"}, {"FunctionGroup": "K", "VoucherType": "K"}),
        ({"function_group": "Q", "voucher_type": "Q"}, {"FunctionGroup": "Q", "VoucherType": "Q"}),
        ({"user_group": "PR, US10=AC", "voucher_type": "P, US10=M"}, {"UserGroup": "AC", "VoucherType": "M"}),
        ({"validates_rows": "yes"}, {"VoucherType": "P"}),
        ({"accepts_warnings": "yes"}, {"VoucherType": "P"}),
    ],
)
def test_settings_of_the_connection_reach_the_voucher(cloud, uses_batch, changed, found):
    journal = payroll(4)
    enter(cloud, journal, Kept(), uses_batch=uses_batch, **changed)
    there = cloud.holds(journal)
    assert {name: there[name] for name in found} == found


def test_a_voucher_of_many_changesets_is_whole(cloud):
    journal, kept = payroll(10), Kept()
    cloud.connector()
    cloud.requests()
    enter(cloud, journal, kept, changeset_size="4")
    assert len([request for request in cloud.requests() if "$batch" in request]) == 3
    cloud.holds(journal)


@pytest.mark.parametrize("kind", [JournalKind.ACCRUAL, JournalKind.SETTLEMENT, JournalKind.REVERSAL])
def test_every_kind_of_journal_is_a_voucher(cloud, kind):
    journal = payroll(4, kind=kind, key=f"{kind.value:X<15}")
    enter(cloud, journal, Kept())
    cloud.holds(journal)


def test_code_parts_are_those_of_the_company(own_cloud):
    """In MX40 the cost center is code part C; its books are kept in pesos, with a parallel currency in US10's."""
    own_cloud.system.rows.update(
        "CompanyFinance", {**own_cloud.system.reference.company("MX40"), "ParallelAccCurrency": None}
    )
    journal = payroll(4, company_code="MX40", currency="MXN")
    enter(own_cloud, journal, Kept(), company_code="MX40")
    (voucher,) = own_cloud.vouchers()
    assert [row["CodeC"] for row in voucher["rows"]] == ["100", "100", "200", None]
    assert {row["CodeB"] for row in voucher["rows"]} == {None}


def test_a_connector_without_reference_data_reads_the_code_parts_itself(cloud):
    journal = payroll(4)
    cloud.connector(is_warm=False).post_journal(journal, Kept().progress())
    cloud.holds(journal)


def test_names_of_code_parts_can_be_chosen(cloud):
    journal = payroll(4)
    lines = tuple(
        replace(line, dimensions=tuple(("Team", value) for _, value in line.dimensions)) for line in journal.lines
    )
    cloud.connector(is_warm=False, code_parts="Team=B").post_journal(replace(journal, lines=lines), Kept().progress())
    cloud.holds(journal)


def test_posting_without_a_look_before_it_looks_first(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    again = Kept()
    receipt = cloud.connector().post_journal(journal, again.progress())
    cloud.holds(journal)
    assert receipt.document_number == again.values[NUMBER] == kept.values[NUMBER]


def test_posting_again_sends_nothing(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    cloud.requests()
    connector = cloud.connector()
    found = connector.find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert (found.is_complete, found.is_posted, found.line_count) == (True, False, 4)
    assert connector.post_journal(journal, kept.progress()).document_number == found.document_number
    assert all(request.startswith("GET") for request in cloud.requests())
    cloud.holds(journal)


@pytest.mark.parametrize(
    "style", [{"page_size": 7}, {"page_size": 7, "top_is_page": False}, {"relative_next_link": True, "page_size": 3}]
)
def test_pages_of_rows_are_read_to_the_end(cloud, style):
    cloud.system.change_settings(**style)
    journal, kept = payroll(20), Kept()
    enter(cloud, journal, kept)
    for size in ("10", "1000"):
        found = look(cloud, journal, Kept(), page_size=size)
        assert isinstance(found, Found)
        assert (found.line_count, found.is_complete) == (20, True)


def test_several_tokens_may_end_within_one_voucher(cloud):
    journal = payroll(6)
    kept = Kept(before_write=lambda number: cloud.system.expire_tokens())
    enter(cloud, journal, kept, uses_batch="no")
    cloud.holds(journal)
    assert kept.writes == 9


# What is saved when


def test_the_temporary_voucher_is_saved_before_anything_else_and_the_departure_before_it_leaves(cloud):
    journal = payroll(4)
    seen: list[tuple[int, dict[str, Any], int]] = []

    def note(number: int) -> None:
        seen.append((number, dict(kept.values), len(cloud.vouchers())))

    kept = Kept(before_write=note)
    enter(cloud, journal, kept, uses_batch="no")
    objkey = kept.values[OBJKEY]
    assert [values.get(OBJKEY, "") for _, values, _ in seen] == ["", *[objkey] * 6]
    assert {values.get(DISPATCHED, "") for _, values, _ in seen} == {""}
    assert {vouchers for *_, vouchers in seen} == {0}
    assert [values.get(DISPATCHED) for values in kept.saved] == ["", objkey, objkey]
    assert [NUMBER in values for values in kept.saved] == [False, False, True]


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
def test_a_worker_that_lost_its_lease_sends_nothing_more(cloud, uses_batch):
    journal = payroll(4)
    for at in range(1, 3 if uses_batch == "yes" else 8):

        def lost(number, at=at):
            if number == at:
                raise LeaseLost

        kept = Kept(before_write=lost)
        with pytest.raises(LeaseLost):
            enter(cloud, journal, kept, uses_batch=uses_batch)
        assert cloud.vouchers() == []
        assert not kept.values.get(DISPATCHED)
        kept.before_write = lambda number: None
        enter(cloud, journal, kept, uses_batch=uses_batch)
        cloud.holds(journal)
        # What the first worker left behind was thrown away; the second one's own is still there.
        assert cloud.temporary() == 1
        cloud.system.reset_ledger()


# Answers that are lost, cut or late


@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status_after", "html", "refuse"])
@pytest.mark.parametrize(("path", "skip"), [(LOOK, 0), (OPEN, 0), (LOOK, 1)])
def test_a_lost_answer_before_or_after_create_voucher_costs_another_try_only(cloud, fault, path, skip):
    journal, kept = payroll(8), Kept()
    cloud.connector()
    cloud.play(fault, path=path, skip=skip)
    for _ in range(3):
        try:
            enter(cloud, journal, kept)
        except LOST:
            continue
        break
    assert cloud.server.faults.waiting() == 0
    cloud.holds(journal)


@pytest.mark.parametrize("skip", range(6))
@pytest.mark.parametrize("fault", ["lost_answer", "refuse", "html"])
def test_without_changesets_too(cloud, fault, skip):
    """Header, type and four rows: none of them has an effect on the books."""
    journal, kept = payroll(4), Kept()
    cloud.connector()
    cloud.play(fault, path="/VoucherEntryAssistantHandling.svc/VoucherSet", skip=skip)
    with pytest.raises(TemporaryFailure):
        enter(cloud, journal, kept, uses_batch="no")
    assert cloud.vouchers() == []
    enter(cloud, journal, kept, uses_batch="no")
    cloud.holds(journal)


CREATING = [("yes", BATCH), ("no", CREATE)]


@pytest.mark.parametrize("fault", ["lost_answer", "cut_body", "status_after", "late"])
@pytest.mark.parametrize(("uses_batch", "path"), CREATING)
def test_a_lost_answer_to_create_voucher_ends_with_one_voucher(cloud, fault, uses_batch, path):
    journal, kept = payroll(8), Kept()
    cloud.connector()
    cloud.play(fault, path=path, seconds=0.2)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept, uses_batch=uses_batch)
    if fault == "late":
        time.sleep(0.4)
    found = enter(cloud, journal, kept, uses_batch=uses_batch)
    assert isinstance(found, Found)
    assert found.is_complete
    cloud.holds(journal)


@pytest.mark.parametrize(("uses_batch", "path"), CREATING)
@pytest.mark.parametrize("fault", ["refuse", "status", "html"])
def test_create_voucher_that_never_arrived_is_never_sent_again_by_itself(cloud, fault, uses_batch, path):
    """From here it looks as if the ledger update had taken the voucher: a person has to look."""
    journal, kept = payroll(8), Kept()
    cloud.connector()
    cloud.play(fault, path=path, status=502)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept, uses_batch=uses_batch)
    connector = cloud.connector()
    found = connector.find_journal(journal, kept.progress())
    assert isinstance(found, CannotTell)
    assert journal.posting_key in found.sentence
    cloud.requests()
    with pytest.raises(OutcomeUnknown):
        connector.post_journal(journal, kept.progress())
    assert cloud.requests() == []
    assert cloud.vouchers() == []


@pytest.mark.parametrize("source", ["projection", "quick_report"])
@pytest.mark.parametrize("fault", ["refuse", "lost_answer"])
def test_with_a_search_in_the_ledger_it_is_settled_by_itself(cloud, source, fault):
    cloud.search_by(source)
    journal, kept = payroll(8), Kept()
    cloud.connector()
    cloud.play(fault, path=BATCH, method="POST")
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept)
    # The ledger update comes before we ask.
    cloud.system.update_ledger()
    enter(cloud, journal, kept)
    cloud.holds(journal)


@pytest.mark.parametrize("fault", ["batch_part_429", "locked", "modified", "metadata_modified"])
def test_what_passes_by_itself_is_tried_again(cloud, fault):
    journal, kept = payroll(4), Kept()
    cloud.connector()
    cloud.play(fault, path=BATCH if fault != "metadata_modified" else OPEN)
    for _ in range(2):
        try:
            enter(cloud, journal, kept)
        except TemporaryFailure:
            continue
        break
    assert cloud.server.faults.waiting() == 0
    assert [values[DISPATCHED] == "" for values in kept.saved].count(True) >= 1
    cloud.holds(journal)


def test_a_throttled_changeset_waits_as_long_as_ifs_says(cloud):
    kept = Kept()
    cloud.play("batch_part_429", path=BATCH, headers={"Retry-After": "7"})
    with pytest.raises(TemporaryFailure) as wait:
        enter(cloud, payroll(4), kept)
    assert wait.value.retry_after_seconds == 7
    assert kept.values[DISPATCHED] == ""
    assert cloud.vouchers() == []


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
def test_a_stale_etag_is_read_again_and_repeated_once(cloud, uses_batch):
    journal = payroll(4)
    cloud.connector()
    cloud.play("modified")
    enter(cloud, journal, Kept(), uses_batch=uses_batch)
    assert cloud.server.faults.waiting() == 0
    cloud.holds(journal)
    cloud.system.reset_ledger()
    cloud.play("modified", times=2)
    with pytest.raises(TemporaryFailure, match="Somebody else changed the same record"):
        enter(cloud, journal, Kept(), uses_batch=uses_batch)
    assert cloud.vouchers() == []
    assert cloud.temporary() == 0


def test_a_changeset_whose_answer_ends_early_is_looked_for(cloud):
    journal, kept = payroll(4), Kept()
    cloud.connector()
    cloud.play("batch_truncated", path=BATCH)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept)
    assert isinstance(enter(cloud, journal, kept), Found)
    cloud.holds(journal)


# Refusals


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_voucher_leaves_nothing_behind_and_says_why(cloud, uses_batch, language, status):
    cloud.system.change_settings(language=language, database_error_status=status)
    journal, kept = payroll(4), Kept()
    line = replace(journal.lines[0], main_account="9999")
    with pytest.raises(Misconfigured, match="an account or code part value is missing") as refused:
        enter(cloud, replace(journal, lines=(line, *journal.lines[1:])), kept, uses_batch=uses_batch)
    assert refused.value.page == "mapping"
    assert "9999" in refused.value.sentence
    assert cloud.vouchers() == []
    assert cloud.temporary() == 0
    assert kept.values == {OBJKEY: "", DISPATCHED: "", "cancelled": []}
    # Once the cause is gone the same journal goes through.
    enter(cloud, journal, kept, uses_batch=uses_batch)
    cloud.holds(journal)


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ({"main_account": "1010"}, Misconfigured, "sub-ledger"),
        ({"main_account": "6999"}, Misconfigured, "budget"),
        ({"main_account": "6096"}, Misconfigured, "not valid on the voucher date"),
        ({"main_account": "5000", "dimensions": ()}, Misconfigured, "mandatory for its account"),
        ({"main_account": "2105", "dimensions": (("CostCenter", "100"),)}, Misconfigured, "blocked for its account"),
        ({"dimensions": (("CostCenter", "101"),)}, Misconfigured, "missing or not valid"),
        ({"main_account": "9000"}, Rejected, "does not balance"),
    ],
)
def test_ifs_is_quoted_for_what_a_check_before_would_have_found(cloud, line, error, words):
    journal = payroll(4)
    bad = replace(journal, lines=(replace(journal.lines[0], **line), *journal.lines[1:]))
    with pytest.raises(error, match=words):
        enter(cloud, bad, Kept())
    assert cloud.vouchers() == []


@pytest.mark.parametrize(
    ("changed", "page", "words"),
    [
        ({"user_group": "CFO"}, "connection", "does not belong to the user group|not connected to the user group"),
        ({"voucher_type": "X"}, "connection", "no number series"),
        ({"voucher_type": "O"}, "connection", "may only approve"),
        ({"voucher_type": "ZZ"}, "connection", "not connected to the user group"),
        ({"rate_type": "9"}, "connection", "valid rate|rate type"),
    ],
)
def test_settings_that_ifs_refuses_are_settings_to_repair(cloud, changed, page, words):
    with pytest.raises(Misconfigured, match=words) as refused:
        enter(cloud, payroll(4), Kept(), **changed)
    assert refused.value.page == page
    assert cloud.vouchers() == []


def test_a_closed_period_waits_for_its_opening(own_cloud):
    journal, kept = payroll(4), Kept()
    own_cloud.connector()
    own_cloud.system.reference.set_period("US10", journal.posting_date, "Closed")
    with pytest.raises(Misconfigured, match="the period") as refused:
        enter(own_cloud, journal, kept)
    assert refused.value.page == "period"
    own_cloud.system.reference.set_period("US10", journal.posting_date, "Open")
    enter(own_cloud, journal, kept)
    own_cloud.holds(journal)


def test_a_company_that_the_service_user_may_not_see_is_a_setting_to_repair(own_cloud):
    own_cloud.connector()
    own_cloud.system.reference.set_rights("US10", is_allowed=False)
    with pytest.raises(Misconfigured, match="does not belong to the user group") as refused:
        enter(own_cloud, payroll(4), Kept())
    assert refused.value.page == "connection"


def test_another_currency_and_a_parallel_currency_are_refused_before_any_row(cloud):
    for company, currency, words in (("CA30", "USD", "keeps its books in CAD"), ("MX40", "MXN", "parallel currency")):
        cloud.connector()
        cloud.requests()
        with pytest.raises(Misconfigured, match=words) as refused:
            enter(cloud, payroll(4, company_code=company, currency=currency), Kept())
        assert refused.value.page == "mapping"
        assert not any("Array" in request or "$batch" in request for request in cloud.requests())
        assert cloud.temporary() == 0


def test_an_illegal_state_is_refused_and_not_tried_again(cloud):
    cloud.connector()
    cloud.play("illegal_state", path=OPEN)
    with pytest.raises(Rejected):
        enter(cloud, payroll(4), Kept())
    assert cloud.vouchers() == []


@pytest.mark.parametrize(
    "denied", [{"denied_projections": "VoucherEntryAssistantHandling"}, {"denied_actions": CREATE}]
)
@pytest.mark.parametrize("status", [403, 404])
def test_a_projection_or_action_that_is_not_granted_is_a_setting_to_repair(cloud, denied, status):
    cloud.connector()
    cloud.system.change_settings(**denied, ungranted_status=status)
    with pytest.raises(Misconfigured, match="permission set") as refused:
        enter(cloud, payroll(4), Kept())
    assert refused.value.page == "connection"
    assert cloud.vouchers() == []


def test_a_batch_that_is_too_big_says_so_and_smaller_ones_pass(cloud):
    cloud.system.change_settings(batch_limit=20)
    journal, kept = payroll(30), Kept()
    with pytest.raises(Misconfigured, match="lower “Rows per changeset”"):
        enter(cloud, journal, kept)
    enter(cloud, journal, kept, changeset_size="10")
    cloud.holds(journal)


def test_a_temporary_voucher_that_ifs_forgot_is_begun_anew(cloud):
    journal = payroll(4)

    def forget(number):
        if number == 2:
            cloud.system.forget_temporary()

    kept = Kept(before_write=forget)
    with pytest.raises(Misconfigured):
        enter(cloud, journal, kept)
    kept.before_write = lambda number: None
    enter(cloud, journal, kept)
    cloud.holds(journal)


# The ledger update


def test_a_voucher_in_the_ledger_is_posted_where_its_number_is_known(cloud):
    journal, kept = payroll(4), Kept()
    receipt = enter(cloud, journal, kept)
    cloud.system.update_ledger()
    found = look(cloud, journal, kept)
    assert found == Found(receipt.document_number, True, True, 4, journal.debit, journal.credit)
    assert cloud.connector().post_journal(journal, kept.progress()).is_posted
    cloud.holds(journal)


def test_a_voucher_that_reaches_the_ledger_at_once_is_read_back_from_there(cloud):
    journal, kept = payroll(4), Kept()
    cloud.system.change_settings(gl_update_every_seconds=0.2)
    cloud.play("slow", path=LOOK, skip=1, seconds=0.8)
    receipt = enter(cloud, journal, kept)
    assert receipt.is_posted
    cloud.holds(journal)


def test_without_a_number_and_without_a_search_nobody_can_tell(cloud):
    journal, kept = payroll(4), Kept()
    cloud.connector()
    cloud.play("lost_answer", path=BATCH)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept)
    cloud.system.update_ledger()
    found = look(cloud, journal, kept)
    assert isinstance(found, CannotTell)
    assert "reference series GUSTO, reference number K3Y0F0NEP0ST1NG" in found.sentence


@pytest.mark.parametrize("source", ["projection", "quick_report"])
def test_a_restored_database_finds_the_voucher_in_the_ledger(cloud, source):
    cloud.search_by(source)
    cloud.system.change_settings(page_size=3)
    journal, kept = payroll(10), Kept()
    receipt = enter(cloud, journal, kept)
    cloud.system.update_ledger()
    for progress in (kept.progress(), Kept().progress()):
        connector = cloud.connector()
        found = connector.find_journal(journal, progress)
        assert found == Found(receipt.document_number, True, True, 10, journal.debit, journal.credit)
        assert connector.post_journal(journal, progress).is_posted
    cloud.holds(journal)


def test_a_view_into_the_ledger_that_is_not_granted_leaves_it_open(cloud):
    journal, kept = payroll(4), Kept()
    receipt = enter(cloud, journal, kept)
    cloud.system.update_ledger()
    cloud.play(
        "status", path="CopyGlVoucherDetails", status=403, body={"error": {"code": "SE_UNAUTHORIZED", "message": ""}}
    )
    found = look(cloud, journal, kept)
    assert isinstance(found, CannotTell)
    assert receipt.document_number in found.sentence


# What people do meanwhile


def remove(cloud: Cloud) -> None:
    cloud.system.remove_voucher(*key_of(cloud.vouchers()[-1]))


def test_a_removed_voucher_is_absent_only_where_the_ledger_was_searched(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    remove(cloud)
    assert isinstance(look(cloud, journal, kept), CannotTell)
    cloud.search_by("projection")
    connector = cloud.connector()
    assert connector.find_journal(journal, kept.progress()) == Absent(was_known=True)
    with pytest.raises(OutcomeUnknown, match="no longer there"):
        connector.post_journal(journal, kept.progress())
    assert cloud.vouchers() == []


def test_a_cancelled_voucher_is_gone_and_a_new_round_makes_another(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    set_status(cloud, "Cancelled")
    assert look(cloud, journal, kept) == Absent(was_known=True)
    # A person decides to send it again: what was known is forgotten.
    again = Kept()
    assert look(cloud, journal, again) == Absent()
    enter(cloud, journal, again)
    assert [voucher["VoucherStatus"] for voucher in cloud.vouchers()] == ["Cancelled", "Approved"]
    found = look(cloud, journal, again)
    assert isinstance(found, Found)
    assert found.is_complete


def test_an_older_cancelled_voucher_proves_nothing_about_a_newer_one(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    set_status(cloud, "Cancelled")
    again = Kept()
    cloud.play("lost_answer", path=BATCH)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, again)
    cloud.system.update_ledger()
    assert isinstance(look(cloud, journal, again), CannotTell)


def test_a_voucher_that_was_cancelled_after_a_lost_answer_is_gone(cloud):
    journal, kept = payroll(4), Kept()
    cloud.connector()
    cloud.play("lost_answer", path=BATCH)
    with pytest.raises(OutcomeUnknown):
        enter(cloud, journal, kept)
    set_status(cloud, "Cancelled")
    assert look(cloud, journal, kept) == Absent(was_known=True)


def test_a_changed_voucher_is_shown_and_left_alone(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    edit(cloud, 1, DebetAmount=Decimal("101.10"), CurrencyDebetAmount=Decimal("101.10"))
    connector = cloud.connector()
    found = connector.find_journal(journal, kept.progress())
    assert isinstance(found, Found)
    assert (found.is_complete, found.debit) == (False, journal.debit + 1)
    with pytest.raises(Rejected, match="Somebody changed it"):
        connector.post_journal(journal, kept.progress())
    assert len(cloud.vouchers()) == 1


def test_a_text_that_finance_corrects_changes_nothing(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    edit(cloud, 1, Text="Corrected")
    found = look(cloud, journal, kept)
    assert isinstance(found, Found)
    assert found.is_complete


def test_two_vouchers_under_one_reference_wait_for_a_person(cloud):
    journal, other = payroll(4), payroll(4, key="AN0THERP0ST1NGX")
    enter(cloud, other, Kept())
    for number in range(1, 5):
        edit(cloud, number, ReferenceNumber=journal.posting_key)
    kept = Kept()
    assert isinstance(look(cloud, journal, kept), Found)
    copy = cloud.vouchers()[0]["VoucherNo"]
    third = payroll(4, key="YETAN0THERKEY00")
    enter(cloud, third, kept)
    with cloud.system.store.transaction():
        held = cloud.system.held_voucher(*key_of(cloud.vouchers()[-1]))
        for number in range(1, 5):
            cloud.system.books.change_row(held, number, {"ReferenceNumber": journal.posting_key})
    for progress in (kept.progress(), Kept().progress()):
        connector = cloud.connector()
        found = connector.find_journal(journal, progress)
        assert isinstance(found, CannotTell)
        assert str(copy) in found.sentence
        with pytest.raises(OutcomeUnknown):
            connector.post_journal(journal, progress)
    assert len(cloud.vouchers()) == 2


def test_a_copy_in_the_hold_table_is_not_taken_for_ours(cloud):
    journal, kept = payroll(4), Kept()
    enter(cloud, journal, kept)
    cloud.system.update_ledger()
    enter(cloud, payroll(4, key="AN0THERP0ST1NGX"), Kept())
    with cloud.system.store.transaction():
        held = cloud.system.held_voucher(*key_of(cloud.vouchers()[-1]))
        for number in range(1, 5):
            cloud.system.books.change_row(held, number, {"ReferenceNumber": journal.posting_key})
    found = look(cloud, journal, kept)
    assert isinstance(found, CannotTell)
    assert "It may be a copy" in found.sentence


def test_a_voucher_of_somebody_else_under_our_number_is_not_ours(cloud):
    journal, kept = payroll(4), Kept()
    receipt = enter(cloud, payroll(4, key="AN0THERP0ST1NGX"), kept)
    cloud.system.update_ledger()
    found = look(cloud, journal, kept)
    assert isinstance(found, CannotTell)
    assert receipt.document_number in found.sentence
    assert "without our reference" in found.sentence


def test_a_journal_without_a_posting_key_is_a_defect(cloud):
    with pytest.raises(ValueError, match="posting key"):
        look(cloud, payroll(4, key=""), Kept())


def test_a_posting_date_in_another_year_is_numbered_there(cloud):
    journal, kept = payroll(4, posting_date=date(2025, 12, 31)), Kept()
    receipt = enter(cloud, journal, kept)
    assert kept.values[VOUCHER][0] == 2025
    assert receipt.document_number.endswith("(2025)")
    cloud.system.update_ledger()
    assert isinstance(look(cloud, journal, kept), Found)


def test_a_line_may_have_several_code_parts_and_characters_of_every_kind(cloud):
    dimensions = (("CostCenter", "O'Neil"), ("Department", "D-12"), ("Project", "P-2"))
    text = "Löhne & “Zulagen” 100% O'Neil; ÷"
    line = JournalLine(1, "6500", dimensions, Decimal("0.01"), Decimal("0.00"), text)
    other = JournalLine(2, "2110", (), Decimal("0.00"), Decimal("0.01"), text)
    journal = payroll(2, lines=(line, other))
    enter(cloud, journal, Kept())
    cloud.holds(journal)
