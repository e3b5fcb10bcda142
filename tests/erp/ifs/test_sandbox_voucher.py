"""The conversation of a voucher in the IFS Cloud sandbox: temporary records, defaults, the hold table, the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.erp.ifs.cloud import (
    ASSISTANT,
    KEY,
    PAY_DAY,
    REMOVE,
    TODAY,
    Cloud,
    begun_anew,
    code_of,
    constant_of,
    database_error,
    running,
)

LOOKUP = f"VoucherRowsAnalysis/VoucherRowSet?$filter=Company eq 'US10' and ReferenceSerie eq 'GUSTO' and ReferenceNumber eq '{KEY}'"


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def still() -> Iterator[Cloud]:
    """For tests that change no set-up and no settings, and look at no other voucher."""
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def temporary(header):
    return f"{ASSISTANT}/VoucherSet(Objkey='{header['Objkey']}')"


def test_the_conversation(ifs):
    assert ifs.rows(LOOKUP) == []
    header = ifs.header()
    assert ifs.patch(header, {"VoucherType": "P"}, header["@odata.etag"]).status_code == 200
    ifs.add_row(header["Objkey"], "6000", Decimal("12500.25"), CodeB="100")
    ifs.add_row(header["Objkey"], "2110", None, Decimal("12500.25"))
    assert ifs.rows(LOOKUP) == []
    assert ifs.sandbox.ledger_state()["vouchers"] == [], "nothing before the last step has an effect on the books"
    answer = ifs.create(header["Objkey"])
    assert (answer.status_code, answer.json()["value"]) == (200, 2026000001)
    rows = ifs.rows(LOOKUP)
    assert [(row["Account"], row["CodeB"], row["DebetAmount"], row["CreditAmount"]) for row in rows] == [
        ("6000", "100", Decimal("12500.25"), None),
        ("2110", None, None, Decimal("12500.25")),
    ]
    assert [row["RowNo"] for row in rows] == [1, 2]
    assert {(row["VoucherType"], row["VoucherNo"], row["TransCode"]) for row in rows} == {("P", 2026000001, "MANUAL")}
    assert ifs.sandbox.ledger_state()["references"] == {
        KEY: {
            "vouchers": ["US10/2026/P/2026000001"],
            "updated_vouchers": [],
            "rows": 2,
            "debit": Decimal("12500.25"),
            "credit": Decimal("12500.25"),
        }
    }


# Defaults


def test_defaults_of_the_service_user_overwrite_what_is_sent(ifs):
    header = ifs.header(
        UserGroup="PR", VoucherType="P", VoucherNo=77, AccountingYear=2025, AccountingPeriod=1, VoucherStatus="NotApproved",
        CurrencyCode="EUR", CurrencyType="9", AmountMethod="GrossAmountEntry", UseCorrectionRows=True, Userid="ME",
    )  # fmt: skip
    given = {
        "UserGroup": "AC", "VoucherType": "M", "VoucherNo": 0, "AccountingYear": 2026, "AccountingPeriod": 11,
        "VoucherStatus": "Approved", "CurrencyCode": "USD", "CurrencyType": "1", "AmountMethod": "NetAmountEntry",
        "UseCorrectionRows": False, "Userid": "MLCONNECTOR", "DateReg": TODAY.isoformat(), "FunctionGroup": "M",
    }  # fmt: skip
    assert {name: header[name] for name in given} == given
    ifs.control("POST", "user-groups", {"company": "US10", "user_group": "AC", "member": False})
    own = ifs.header()
    assert (own["UserGroup"], own["VoucherType"]) == ("PR", "P"), "a group and a default type of its own save a step"
    assert ifs.header("CA30")["CurrencyCode"] == "CAD"
    assert ifs.header("MX40")["ParallelCurrencyCode"] == "USD"


def test_a_header_that_cannot_be_opened(ifs):
    def refused(company="US10", **fields):
        return constant_of(database_error(ifs.open(company, **fields)))

    for name in ("Company", "VoucherDate", "FunctionGroup"):
        assert "is mandatory for Voucher Entry" in database_error(ifs.open(**{"company": "US10", name: ...}))
    assert refused("XX") == "Company.FND_RECORD_NOT_EXIST"
    assert refused("US90") == "UserGroupMemberFinance.NOUSERGR"
    assert refused(VoucherDate="1999-01-15") == "AccountingPeriod.NOYEAR2"
    assert refused(OpennedFrom=...) == "Voucher.NOVOU", "anything but NEW_VOUCHER copies a voucher"
    number = ifs.voucher()
    source = {"CompanyFrom": "US10", "AccountingYearFrom": 2026, "VoucherTypeFrom": "M", "VoucherNoFrom": number}
    assert code_of(ifs.open(OpennedFrom="COPY", **source)) == (501, "ODP_NOT_IMPLEMENTED")
    ifs.control("POST", "periods", {"company": "US10", "date": PAY_DAY, "status": "", "user_group": "AC"})
    assert refused() == "UserGroupPeriod.NOGROUP"
    body = {"company": "US10", "voucher_type": "M", "user_group": "AC"}
    assert ifs.control("POST", "voucher-type-user-groups", body).json() == {"changed": 4}
    assert refused(VoucherDate="2026-10-30") == "VoucherTypeUserGroup.NO_DEF_TYPE"
    ifs.control("POST", "rights", {"company": "US10", "allowed": False})
    assert refused() == "UserGroupMemberFinance.NOTAUTHORIZEDUSER"
    assert ifs.sandbox.ledger_state()["temporary"] == 1, "of the voucher that was created"


def test_one_change_at_a_time(still):
    header = still.header()
    both = still.patch(header, {"VoucherDate": "2026-10-30", "VoucherType": "P", "VoucherText2": "New"}).json()
    assert (both["VoucherDate"], both["AccountingPeriod"], both["VoucherText2"]) == ("2026-10-30", 10, "New")
    assert both["VoucherType"] == "M", "date comes before type, and the type is lost"
    typed = still.patch(header, {"VoucherType": "E"}).json()
    assert (typed["VoucherType"], typed["VoucherStatus"]) == ("E", "AwaitingApproval")
    assert still.patch(header, {"VoucherStatus": "NotApproved"}).json()["VoucherStatus"] == "NotApproved"
    grouped = still.patch(header, {"UserGroup": "PR"}).json()
    assert (grouped["UserGroup"], grouped["VoucherType"], grouped["VoucherStatus"]) == ("PR", "P", "Approved")
    assert constant_of(database_error(still.patch(header, {"UserGroup": "YE"}))) == "AccountingPeriod.NOYEAR2"
    assert constant_of(database_error(still.patch(header, {"VoucherType": "Z"}))) == "VoucherTypeUserGroup.INVVOUTYPE2"
    assert constant_of(database_error(still.patch(header, {"VoucherType": "?"}))) == "VoucherTypeUserGroup.INVVOUTYPE2"
    assert "[VOUCHER_DATE] is mandatory" in database_error(still.patch(header, {"VoucherDate": None}))
    still.patch(header, {"UserGroup": "AC"})
    constant = "VoucherEntryAssistantHandling.APPONLYUSERGRP"
    assert constant_of(database_error(still.patch(header, {"VoucherType": "O"}))) == constant


@pytest.mark.parametrize(
    ("letter", "status"),
    [
        ("M", "Approved"),
        ("P", "Approved"),
        ("E", "AwaitingApproval"),
        ("W", "AwaitingApproval"),
        ("U", "AwaitingApproval"),
    ],
)
def test_the_status_follows_the_type(still, letter, status):
    header = still.header()
    if letter != "M":
        header = still.patch(header, {"VoucherType": letter}).json()
    assert header["VoucherStatus"] == status
    assert header["UseApporvalWorkflow"] == ("TRUE" if letter == "W" else "FALSE")


@pytest.mark.parametrize("group", ["K", "Q"])
def test_other_function_groups_for_manual_entry(ifs, group):
    header = ifs.header(FunctionGroup=group)
    assert constant_of(ifs.refusal(header)) == "VoucherTypeUserGroup.INVVOUTYPE2", "the default type is one of group M"
    header = ifs.header(FunctionGroup=group)
    assert ifs.patch(header, {"VoucherType": group}).status_code == 200
    ifs.add_row(header["Objkey"], "6000", 1)
    ifs.add_row(header["Objkey"], "2110", None, 1)
    assert ifs.create(header["Objkey"]).status_code == 200
    (voucher,) = ifs.sandbox.ledger_state()["vouchers"]
    assert (voucher["VoucherType"], voucher["FunctionGroup"]) == (group, group)


# Rows


def test_rows_take_from_the_header_what_was_sent_otherwise(still):
    header = still.header()
    row = still.add_row(
        header["Objkey"], "6000", 1, VoucherDate="2020-01-01", AccountingYear=2020, AccountingPeriod=1, VoucherType="X",
        VoucherNo=5,
    )  # fmt: skip
    assert (row["VoucherDate"], row["AccountingYear"], row["VoucherType"], row["VoucherNo"]) == (PAY_DAY, 2026, "M", 0)
    assert (row["TransCode"], row["ParentObjkey"]) == ("MANUAL", header["Objkey"])
    still.patch(header, {"VoucherDate": "2026-10-30"})
    still.patch(header, {"VoucherType": "P"})
    (again,) = still.rows(f"{temporary(header)}/VoucherPostingArray")
    assert (again["VoucherDate"], again["AccountingPeriod"], again["VoucherType"]) == ("2026-10-30", 10, "P")
    assert again["Objkey"] == row["Objkey"]
    assert still.get(f"{temporary(header)}/VoucherPostingArray(Objkey='{row['Objkey']}')")["Account"] == "6000"


def test_what_a_row_must_bring(ifs):
    header = ifs.header()
    path = f"{temporary(header)}/VoucherPostingArray"
    body = ifs.row(header["Objkey"], debit=1)
    for name in ("ParentObjkey", "Correction", "AddInternal", "IntManualAdded"):
        answer = ifs.call("POST", path, {field: value for field, value in body.items() if field != name})
        assert code_of(answer) == (400, "ODP_MISSING_PROPERTY"), name
    assert ifs.call("POST", path, {**body, "ParentObjkey": "AAAX0000000000000099"}).status_code == 404
    assert "ORA-20121" in database_error(ifs.call("POST", path, {**body, "TransCode": "MANUAL"}))
    assert ifs.rows(path) == []
    ifs.sandbox.change_settings(parent_from_path=True)
    del body["ParentObjkey"]
    assert ifs.call("POST", path, body).json()["ParentObjkey"] == header["Objkey"]


def test_rows_can_be_changed_and_taken_away(still):
    header = still.header()
    row, other = still.add_row(header["Objkey"], "6000", 5), still.add_row(header["Objkey"], "6000", 7)
    path = f"{temporary(header)}/VoucherPostingArray(Objkey='{row['Objkey']}')"
    assert still.call("PATCH", path, {"Account": "6010"}).status_code == 428
    changed = still.call("PATCH", path, {"Account": "6010"}, If_Match=row["@odata.etag"])
    assert changed.json()["Account"] == "6010"
    assert still.call("PATCH", path, {"Account": "6020"}, If_Match=row["@odata.etag"]).status_code == 412
    assert still.call("DELETE", path, If_Match="*").status_code == 204
    assert [each["Objkey"] for each in still.rows(f"{temporary(header)}/VoucherPostingArray")] == [other["Objkey"]]


# Temporary records


def test_temporary_records_are_removed(ifs):
    header = ifs.header()
    ifs.add_row(header["Objkey"], "6000", 1)
    assert ifs.get(temporary(header))["Objkey"] == header["Objkey"]
    assert ifs.sandbox.ledger_state()["temporary"] == 1
    removed = ifs.call("POST", f"{temporary(header)}/{REMOVE}", {}, If_Match="*")
    assert (removed.status_code, removed.content) == (204, b"")
    assert ifs.sandbox.ledger_state()["temporary"] == 0
    for answer in (ifs.create(header["Objkey"]), ifs.call("GET", temporary(header)),
                   ifs.call("POST", f"{temporary(header)}/{REMOVE}", {}),
                   ifs.call("POST", f"{temporary(header)}/VoucherPostingArray", ifs.row(header["Objkey"], debit=1))):  # fmt: skip
        assert code_of(answer) == (404, "ODP_RESOURCE_NOTFOUND")


def test_temporary_records_may_not_live_for_ever(ifs):
    header = ifs.header()
    ifs.sandbox.change_settings(temporary_seconds=0.3)
    assert ifs.call("GET", temporary(header)).status_code == 200
    time.sleep(0.35)
    assert ifs.create(header["Objkey"]).status_code == 404
    ifs.sandbox.change_settings(temporary_seconds=0.0)
    header = ifs.header()
    ifs.control("POST", "expire-temporary")
    assert ifs.call("GET", temporary(header)).status_code == 404


def test_objkeys_are_never_given_twice(ifs):
    keys = [ifs.header()["Objkey"] for _ in range(3)]
    ifs.control("POST", "reset", {})
    assert len({*keys, ifs.header()["Objkey"]}) == 4


# The last step


def test_a_second_create_makes_a_second_voucher(ifs):
    header = ifs.header()
    ifs.add_row(header["Objkey"], "6000", 10)
    ifs.add_row(header["Objkey"], "2110", None, 10)
    numbers = [ifs.create(header["Objkey"]).json()["value"] for _ in range(2)]
    assert numbers == [2026000001, 2026000002]
    assert ifs.sandbox.ledger_state()["references"][KEY]["vouchers"] == [
        "US10/2026/M/2026000001", "US10/2026/M/2026000002",
    ]  # fmt: skip


def test_create_takes_an_empty_object_and_no_precondition(ifs):
    header = ifs.header()
    ifs.add_row(header["Objkey"], "6000", 10)
    ifs.add_row(header["Objkey"], "2110", None, 10)
    path = f"{temporary(header)}/IfsApp.{ASSISTANT}.VoucherEntry_CreateVoucher"
    assert code_of(ifs.call("POST", path, {"Value": 1})) == (400, "ODP_DESERIALIZATION_ERROR")
    assert code_of(ifs.call("POST", path, b"")) == (400, "ODP_DESERIALIZATION_ERROR")
    assert code_of(ifs.call("GET", path)) == (405, "ODP_NOT_ALLOWED")
    for wrong in ("VoucherEntry_CreateVoucher", "IfsApp.Other.VoucherEntry_CreateVoucher",
                  f"IfsApp.{ASSISTANT}.VoucherEntry_Create", f"IfsApp.{ASSISTANT}.ValidateVoucherPosting"):  # fmt: skip
        assert ifs.call("POST", f"{temporary(header)}/{wrong}", {}).status_code == 404
    assert ifs.sandbox.ledger_state()["vouchers"] == []
    assert ifs.call("POST", path, {}).status_code == 200


def test_warnings_are_accepted_where_they_are_supported(still):
    header = still.header()
    still.add_row(header["Objkey"], "6000", 10)
    still.add_row(header["Objkey"], "2110", None, 10)
    accept = {"X_IFS_Accept_Warnings": "true"}
    assert still.call("POST", f"{temporary(header)}/{REMOVE}", {}, **accept).status_code == 400
    assert still.call("GET", temporary(header), **accept).status_code == 400
    assert still.create(header["Objkey"], **accept).status_code == 200


def test_the_validate_action_checks_nothing(still):
    path = f"{ASSISTANT}/ValidateVoucherPosting"
    assert still.call("POST", path, {"Init": True}).status_code == 204
    assert code_of(still.call("POST", path, {"Init": "True"})) == (400, "ODP_DESERIALIZATION_ERROR")
    assert code_of(still.call("POST", path, {})) == (400, "ODP_DESERIALIZATION_ERROR")


def test_the_reference_is_not_the_transfer_id(ifs):
    ifs.voucher(TransferId="OURS")
    assert {row["TransferId"] for row in ifs.rows(LOOKUP)} != {"OURS"}


# The hold table


HELD = ("VouchersAnalysis", "VoucherDetailsAnalysis", "VoucherHandling")


def test_a_voucher_in_the_hold_table(ifs):
    number = ifs.voucher(Decimal("10.50"))
    key = f"(Company='US10',AccountingYear=2026,VoucherType='M',VoucherNo={number})"
    for projection in HELD:
        voucher = ifs.get(f"{projection}/VoucherSet{key}")
        assert (voucher["VoucherStatus"], voucher["VoucherText2"]) == ("Approved", "Payroll 2026-10-31 to 2026-11-13")
    assert ifs.get(f"VouchersAnalysis/VoucherSet{key}")["VoucherUpdatedDb"] == "N"
    assert ifs.get(f"VouchersAnalysis/VoucherSet{key}")["InterimVoucher"] is False
    assert ifs.get(f"VoucherDetailsAnalysis/VoucherSet{key}")["InterimVoucher"] == "N"
    assert ifs.get(f"VouchersAnalysis/VoucherSet{key}")["UseCorrectionRows"] == "FALSE"
    handling = ifs.get(f"VoucherHandling/VoucherSet{key}")
    assert (handling["TotalDebit"], handling["TotalCredit"]) == (Decimal("10.5"), Decimal("10.5"))
    for array in ("VoucherHandling/VoucherSet{}/VoucherPostingArray", "VoucherHandling/VoucherSet{}/VoucherRowArray",
                  "VoucherDetailsAnalysis/VoucherSet{}/DetailVoucherDetail"):  # fmt: skip
        assert [row["RowNo"] for row in ifs.rows(array.format(key))] == [1, 2]
    condition = "Company eq 'US10' and VoucherStatus eq IfsApp.VouchersAnalysis.VoucherStatus'Approved'"
    assert len(ifs.rows(f"VouchersAnalysis/VoucherSet?$filter={condition}")) == 1


def test_a_voucher_leaves_the_hold_table(ifs):
    number = ifs.voucher()
    assert ifs.control("POST", "gl-update", {"VoucherType": "P"}).json() == {"vouchers": []}
    outcome = ifs.control("POST", "gl-update", {"Company": "US10", "VoucherNo": number}).json()["vouchers"]
    assert outcome == [{"voucher": f"US10/2026/M/{number}", "is_updated": True, "reason": ""}]
    assert ifs.rows(LOOKUP) == []
    key = f"(Company='US10',AccountingYear=2026,VoucherType='M',VoucherNo={number})"
    for projection in HELD:
        assert ifs.rows(f"{projection}/VoucherSet") == []
        assert ifs.call("GET", f"{projection}/VoucherSet{key}").status_code == 404
    assert ifs.sandbox.ledger_state()["references"][KEY]["updated_vouchers"] == [f"US10/2026/M/{number}"]
    assert ifs.control("POST", "gl-update").json() == {"vouchers": []}


def test_what_stays_in_the_hold_table(ifs):
    for letter, status in (("E", ""), ("P", "NotApproved"), ("S", "")):
        header = ifs.header()
        ifs.patch(header, {"VoucherType": letter})
        if status:
            ifs.patch(header, {"VoucherStatus": status})
        ifs.add_row(header["Objkey"], "6000", 1)
        ifs.add_row(header["Objkey"], "2110", None, 1)
        assert ifs.create(header["Objkey"]).status_code == 200
    reasons = [each["reason"] for each in ifs.control("POST", "gl-update").json()["vouchers"]]
    assert reasons == [
        "its status is AwaitingApproval", "its status is NotApproved", "a simulation voucher is never updated",
    ]  # fmt: skip
    number = ifs.voucher()
    ifs.control("POST", "periods", {"company": "US10", "date": PAY_DAY, "status": "FinallyClosed"})
    (outcome,) = ifs.control("POST", "gl-update", {"VoucherType": "M"}).json()["vouchers"]
    assert outcome["reason"].startswith("ORA-20110: Voucher.PERCLOSED:")
    found = ifs.rows(f"VouchersAnalysis/VoucherSet?$filter=VoucherNo eq {number} and VoucherType eq 'M'")
    assert [row["UpdateError"] for row in found] == [outcome["reason"]]


def test_the_scheduled_update(ifs):
    ifs.sandbox.change_settings(gl_update_every_seconds=0.2)
    ifs.voucher()
    deadline = time.monotonic() + 10
    while ifs.rows(LOOKUP) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ifs.rows(LOOKUP) == []
    assert len(ifs.sandbox.ledger_state()["references"][KEY]["updated_vouchers"]) == 1


def test_status_events(ifs):
    number = ifs.voucher()
    path = f"VoucherHandling/VoucherSet(Company='US10',AccountingYear=2026,VoucherType='M',VoucherNo={number})"

    def event(name, **headers):
        return ifs.call("POST", f"{path}/IfsApp.VoucherHandling.VoucherEntry_{name}", {}, **headers)

    assert code_of(event("DelayUpdate")) == (428, "ODP_MISSING_PRECONDITION")
    tag = ifs.get(path)["@odata.etag"]
    for name, status in (
        ("DelayUpdate", "NotApproved"),
        ("ReadyApprove", "AwaitingApproval"),
        ("ReadyToUpdate", "Approved"),
    ):
        assert event(name, If_Match="*").status_code == 204
        assert ifs.get(path)["VoucherStatus"] == status
    assert code_of(event("DelayUpdate", If_Match=tag)) == (412, "DB_OBJECT_MODIFIED")
    changed = ifs.call("PATCH", path, {"VoucherText2": "Other"}, If_Match="*")
    assert (changed.status_code, changed.json()["VoucherText2"]) == (200, "Other")
    for fields in ({"VoucherDate": "2026-10-30"}, {"VoucherNo": 1}, {"VoucherStatus": "NotApproved"}):
        assert "ORA-20122" in database_error(ifs.call("PATCH", path, fields, If_Match="*"))
    ifs.control("POST", "gl-update")
    assert event("DelayUpdate", If_Match="*").status_code == 404


def test_approving_is_checked(ifs):
    header = ifs.header()
    ifs.patch(header, {"VoucherStatus": "NotApproved"})
    ifs.add_row(header["Objkey"], "6000", 10)
    number = ifs.create(header["Objkey"]).json()["value"]
    approve = "IfsApp.VoucherHandling.VoucherEntry_{}"
    path = "VoucherHandling/VoucherSet(Company='US10',AccountingYear=2026,VoucherType='{}',VoucherNo={})/{}"

    def refused(letter, number, event):
        answer = ifs.call("POST", path.format(letter, number, approve.format(event)), {}, If_Match="*")
        return constant_of(database_error(answer))

    assert refused("M", number, "ReadyToUpdate") == "Voucher.VOUCHERMUSTBEBALANCE"
    assert refused("M", number, "ReadyApprove") == "Voucher.AWAITINGAPPROVALMUSTBEBALANCE"
    for letter, constant in (("U", "Voucher.SEPUSERAPP"), ("E", "Voucher.STATUSINVALID")):
        header = ifs.header()
        ifs.patch(header, {"VoucherType": letter})
        ifs.add_row(header["Objkey"], "6000", 1)
        ifs.add_row(header["Objkey"], "2110", None, 1)
        number = ifs.create(header["Objkey"]).json()["value"]
        assert refused(letter, number, "ReadyToUpdate") == constant


# The general ledger


def test_a_known_number_is_confirmed_in_the_ledger(ifs):
    number = ifs.voucher()
    body = {"Company": "US10", "VoucherNo": number, "VoucherType": "M", "AccountingYear": 2026}

    def rows():
        view = ifs.call("POST", f"{ASSISTANT}/CopyGlVoucherDetailsHeaderVirtualSet", body)
        assert view.status_code == 201
        key = f"(Objkey='{view.json()['Objkey']}')"
        return ifs.rows(f"{ASSISTANT}/CopyGlVoucherDetailsHeaderVirtualSet{key}/GlVoucherRowsArray")

    assert rows() == [], "it is in the hold table"
    ifs.control("POST", "gl-update")
    assert [(row["RowNo"], row["Account"], row["ReferenceNumber"]) for row in rows()] == [
        (1, "6000", KEY), (2, "2110", KEY),
    ]  # fmt: skip
    answer = ifs.call("POST", f"{ASSISTANT}/CopyGlVoucherDetailsHeaderVirtualSet", {"Company": "US10"})
    assert "is mandatory" in database_error(answer)


def test_vouchers_of_the_ledger_are_listed(ifs):
    numbers = [ifs.voucher(), ifs.voucher()]
    ifs.control("POST", "gl-update", {"VoucherNo": numbers[0]})
    view = ifs.call("POST", f"{ASSISTANT}/CopyGlHeaderVirtualSet", {"Company": "US10"}).json()
    path = f"{ASSISTANT}/CopyGlHeaderVirtualSet(Objkey='{view['Objkey']}')"
    assert [row["VoucherNo"] for row in ifs.rows(f"{path}/GenLedVoucherVirtualArray")] == [numbers[0]]
    assert ifs.call("PATCH", path, {"Company": "US20"}, If_Match="*").status_code == 500
    assert ifs.call("DELETE", path, If_Match="*").status_code == 204


def test_the_ledger_cannot_be_searched_unless_the_customer_made_something_for_it(ifs):
    number = ifs.voucher()
    ifs.control("POST", "gl-update")
    projection = f"QueryProjectionLEDGERROWS/LEDGERROWSSet?$filter=Company eq 'US10' and ReferenceNumber eq '{KEY}'"
    report = f"QuickReports/QuickReport_410017(COMPANY='US10',REFERENCE_SERIE='GUSTO',REFERENCE_NUMBER='{KEY}')"
    for path in (projection, report):
        assert code_of(ifs.call("GET", path)) == (404, "MI_METADATA_NOTFOUND")
    ifs.control("POST", "settings", {"ledger_source": "projection"})
    assert ifs.call("GET", report).status_code == 404
    rows = ifs.rows(f"{projection} and ReferenceSerie eq 'GUSTO'")
    assert [(row["VoucherNo"], row["RowNo"]) for row in rows] == [(number, 1), (number, 2)]
    ifs.control("POST", "settings", {"ledger_source": "quick_report"})
    assert ifs.call("GET", projection).status_code == 404
    rows = ifs.rows(f"{report}?$skip=0&$top=1000")
    assert [(row["C4_VOUCHER_NO"], row["C7_DEBET_AMOUNT"], row["C8_CREDIT_AMOUNT"]) for row in rows] == [
        (number, 10, None), (number, None, 10),
    ]  # fmt: skip
    assert ifs.rows(report.replace("GUSTO", "OTHER")) == []
    assert ifs.rows(report.replace("US10", "US20")) == []
    first = ifs.get(f"{report}?$top=1")
    assert [row["C5_ROW_NO"] for row in first["value"]] == [1]
    assert first["@odata.nextLink"].endswith("?$top=1&$skiptoken=1")
    assert [row["C5_ROW_NO"] for row in ifs.rows(f"{report}?$top=1&$skiptoken=1")] == [2]
    parameters = ifs.rows("QuickReports/GetParameters(ReportId='410017')")
    assert [row["ParameterName"] for row in parameters] == ["COMPANY", "REFERENCE_SERIE", "REFERENCE_NUMBER"]
    for wrong in ("QuickReports/QuickReport_1()", "QuickReports/GetParameters(ReportId='1')", "QuickReports/x/y"):
        assert ifs.call("GET", wrong).status_code == 404
    assert ifs.call("GET", report.replace("COMPANY=", "X=")).status_code == 400
    assert ifs.call("POST", report, {}).status_code == 405
    ifs.control("POST", "rights", {"company": "US10", "allowed": False})
    assert ifs.rows(report) == []


# Functions


def test_functions_that_tell_what_a_header_will_get(ifs):
    period = f"AccYearPeriodInfo(Company='US10',VoucherDate={PAY_DAY},UserGroup='AC')"
    found = ifs.get(f"{ASSISTANT}/{period}")
    assert (found["AccountingYear"], found["AccountingPeriod"], found["AccPeriodDescription"]) == (2026, 11, "2026 11")
    answer = ifs.call("GET", f"{ASSISTANT}/{period.replace(PAY_DAY, '1999-01-01')}")
    assert constant_of(database_error(answer)) == "AccountingPeriod.NOYEAR2"
    info = "VoucherHeaderInfo(Company='US10',AccountingYear=2026,UserGroup='{}',VoucherType='{}')"
    found = ifs.get(f"{ASSISTANT}/{info.format('AC', 'W')}")
    assert (found["AuthorizeLevel"], found["FunctionGroup"], found["UseApporvalWorkflow"]) == (
        "EnterAndApprove",
        "M",
        "TRUE",
    )
    assert ifs.get(f"{ASSISTANT}/{info.format('PR', 'W')}")["AuthorizeLevel"] is None
    assert constant_of(database_error(ifs.call("GET", f"{ASSISTANT}/{info.format('AC', 'V')}"))).endswith("NOT_EXIST")
    balance = "AutomaticVoucherBalance(Company='US10',VoucherType='{}',FunctionGroup='{}')"
    assert ifs.get(f"{ASSISTANT}/{balance.format('K', 'K')}")["value"] == "Y"
    assert ifs.get(f"{ASSISTANT}/{balance.format('M', 'M')}")["value"] == "N"
    for wrong in ("AccYearPeriodInfo(Company='US10')", period.replace(PAY_DAY, f"'{PAY_DAY}'"), "AccYearPeriodInfo"):
        assert code_of(ifs.call("GET", f"{ASSISTANT}/{wrong}")) == (400, "ODP_UNSUPPORTED_URL")
    assert ifs.call("POST", f"{ASSISTANT}/{period}", {}).status_code == 405
    ifs.control("POST", "rights", {"company": "US10", "allowed": False})
    assert constant_of(database_error(ifs.call("GET", f"{ASSISTANT}/{period}"))).endswith("NOT_EXIST")
