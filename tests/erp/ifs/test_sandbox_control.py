"""What people do with vouchers of the IFS Cloud sandbox, its page, and the faults that it plays itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from tests.erp.ifs.cloud import (
    ASSISTANT,
    KEY,
    Cloud,
    begun_anew,
    code_of,
    database_error,
    running,
)


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def ready(ifs):
    """A temporary voucher that lacks only the last step."""
    objkey = ifs.header()["Objkey"]
    ifs.add_row(objkey, "6000", Decimal("10.00"))
    ifs.add_row(objkey, "2110", None, Decimal("10.00"))
    return objkey


def vouchers(ifs):
    return ifs.control("GET", "ledger").json()["vouchers"]


# People


def test_people_edit_and_remove_vouchers(ifs):
    number = ifs.voucher()
    address = f"vouchers/US10/2026/M/{number}"
    ifs.control("PATCH", address, {"VoucherText2": "By hand", "VoucherStatus": "Cancelled"})
    ifs.control("PATCH", f"{address}/2", {"ReferenceNumber": "OTHER", "CreditAmount": 9})
    (voucher,) = vouchers(ifs)
    assert (voucher["VoucherText2"], voucher["VoucherStatus"], voucher["credit"]) == ("By hand", "Cancelled", 9)
    references = ifs.control("GET", "ledger").json()["references"]
    assert (references[KEY]["rows"], references["OTHER"]["rows"]) == (1, 1)
    found = ifs.rows("VoucherRowsAnalysis/VoucherRowSet?$filter=Company eq 'US10' and ReferenceNumber eq 'OTHER'")
    assert [row["RowNo"] for row in found] == [2]
    for wrong in ({"Nothing": 1}, {"VoucherStatus": "x"}):
        answer = requests.patch(f"{ifs.host}/_sandbox/{address}", json=wrong, timeout=10)
        assert answer.status_code == 422
    assert requests.patch(f"{ifs.host}/_sandbox/{address}/9", json={"Text": "x"}, timeout=10).status_code == 422
    ifs.control("DELETE", address)
    assert vouchers(ifs) == []
    assert ifs.rows(f"VoucherRowsAnalysis/VoucherRowSet?$filter=Company eq 'US10' and ReferenceNumber eq '{KEY}'") == []
    updated = ifs.voucher()
    assert updated > number, "a number is never given twice"
    ifs.control("POST", "gl-update")
    answer = requests.delete(f"{ifs.host}/_sandbox/vouchers/US10/2026/M/{updated}", timeout=10)
    assert answer.status_code == 422


def test_reset(ifs):
    ifs.control("POST", "accounts", {"company": "US10", "number": "6000", "ValidUntil": "2020-01-01"})
    ifs.header()
    ifs.control("POST", "settings", {"page_size": 5})
    ifs.control("POST", "reset")
    state = ifs.sandbox.ledger_state()
    assert (state["vouchers"], state["references"], state["temporary"]) == ([], {}, 0)
    account = "AccountsHandling/AccountSet(Company='US10',Account='6000')"
    assert ifs.get(account)["ValidUntil"] == "2020-01-01"
    assert ifs.sandbox.settings.page_size == 5
    ifs.control("POST", "reset", {"everything": True})
    assert ifs.get(account)["ValidUntil"] == "2049-12-31"
    assert ifs.sandbox.settings.page_size == 100
    assert ifs.voucher() == 2026000001


def test_the_page(ifs):
    assert "No vouchers yet." in requests.get(f"{ifs.host}/", timeout=10).text
    first = ifs.voucher(Text="<script>alert(1)</script>")
    ifs.voucher(Decimal("1234.50"))
    page = requests.get(f"{ifs.host}/", timeout=10).text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "1,234.50" in page
    assert page.count("in the hold table, Approved") == 2
    form = {"Company": "US10", "AccountingYear": "2026", "VoucherType": "M", "VoucherNo": str(first)}
    answer = requests.post(f"{ifs.host}/_sandbox/update-button", data=form, timeout=10)
    assert (answer.status_code, answer.url) == (200, f"{ifs.host}/")
    assert (answer.text.count("in the general ledger"), answer.text.count("in the hold table")) == (1, 1)
    ifs.control("POST", "periods", {"company": "US10", "date": "2026-11-13", "status": "FinallyClosed"})
    answer = requests.post(f"{ifs.host}/_sandbox/update-button", timeout=10)
    assert "Voucher.PERCLOSED" in answer.text


# Faults


def test_a_lost_answer_after_the_last_step(ifs):
    objkey = ready(ifs)
    ifs.fault("lost_answer", path="CreateVoucher")
    with pytest.raises(requests.ConnectionError):
        ifs.create(objkey)
    assert len(vouchers(ifs)) == 1, "and a client that repeats the step makes a second one"
    ifs.create(objkey)
    assert len(ifs.sandbox.ledger_state()["references"][KEY]["vouchers"]) == 2


def test_a_statement_that_goes_on_after_the_time_is_up(ifs):
    objkey = ready(ifs)
    ifs.fault("late", path="CreateVoucher", seconds=0.3)
    answer = ifs.create(objkey, Prefer="wait=120")
    assert code_of(answer) == (504, "ODP_OPERATION_TIMEOUT")
    assert "(120 seconds)" in answer.json()["error"]["message"]
    assert vouchers(ifs) == []
    deadline = time.monotonic() + 10
    while not vouchers(ifs) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(vouchers(ifs)) == 1


def test_a_late_statement_that_fails_tells_nobody(ifs):
    objkey = ifs.header()["Objkey"]
    ifs.fault("late", path="CreateVoucher", seconds=0.0)
    assert ifs.create(objkey).status_code == 504
    deadline = time.monotonic() + 10
    while any(isinstance(each, threading.Timer) for each in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert vouchers(ifs) == []


def test_errors_that_are_to_be_repeated_or_not(ifs):
    objkey = ready(ifs)
    for fault, expected in (
        ("metadata_modified", (500, "MI_MODIFIED_ERROR")),
        ("illegal_state", (500, "ODP_ILLEGAL_STATE")),
    ):
        ifs.fault(fault, path="CreateVoucher")
        assert code_of(ifs.create(objkey)) == expected
    ifs.fault("locked", path="CreateVoucher")
    assert ifs.rows(f"{ASSISTANT}/VoucherSet")[0]["Objkey"] == objkey
    assert database_error(ifs.create(objkey)) == (
        "ORA-20113: Voucher.FND_LOCKED: The update could not be performed since the Voucher record is currently locked. "
        "Please retry the operation."
    )
    assert vouchers(ifs) == []
    assert ifs.create(objkey).status_code == 200


def test_a_proxy_in_between(ifs):
    ifs.fault("status", status=429, headers={"Retry-After": "5"}, path="AccountSet")
    answer = ifs.call("GET", "AccountsHandling/AccountSet")
    assert (answer.status_code, answer.headers["Retry-After"], answer.content) == (429, "5", b"")
    ifs.fault("html", status=502, path="openid-connect/token")
    assert ifs.ask_token().headers["Content-Type"].startswith("text/html")


def test_two_vouchers_at_once_get_two_numbers(ifs):
    keys = [ready(ifs) for _ in range(4)]
    headers = dict(ifs.headers)
    answers = []

    def create(objkey):
        address = (
            f"{ifs.service(ASSISTANT)}/VoucherSet(Objkey='{objkey}')/IfsApp.{ASSISTANT}.VoucherEntry_CreateVoucher"
        )
        answers.append(requests.post(address, json={}, headers=headers, timeout=20))

    threads = [threading.Thread(target=create, args=(objkey,)) for objkey in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(answer.json()["value"] for answer in answers) == [2026000001 + place for place in range(4)]
