"""What a person in M3 does, played by the control addresses, and the page to look at."""

from __future__ import annotations

import pytest

from tests.erp.infor.m3.mi import KEY, serving


@pytest.fixture
def mi(tmp_path):
    with serving(tmp_path) as found:
        yield found


def test_a_person_updates_or_deletes_a_batch(mi):
    mi.stage()
    assert mi.control("POST", f"batches/{KEY}/update").status_code == 204
    assert mi.control("POST", "update-ledger").json() == {"jobs": [{"KEY1": KEY, "state": "posted", "errors": []}]}
    assert mi.control("GET", "ledger").json()["vouchers"][0]["row_count"] == 3
    assert mi.control("DELETE", f"batches/{KEY}").status_code == 204
    assert mi.control("GET", "ledger").json()["batches"] == []
    assert mi.control("DELETE", f"batches/{KEY}").status_code == 422
    assert mi.control("POST", f"batches/{KEY}/update").status_code == 422


def test_a_person_changes_a_line(mi):
    mi.stage()
    assert mi.control("PATCH", f"batches/{KEY}/3", {"CUAM": "-1.00"}).status_code == 204
    assert mi.batch("CtrlBatch")["errorCode"] == "WCUAM01"
    assert mi.control("PATCH", f"batches/{KEY}/9", {"CUAM": "1"}).status_code == 422


def test_a_person_changes_the_set_up(mi):
    mi.stage()
    blocked = {"DIVI": "MIL", "AITP": "1", "AITM": "6000", "LCCD": "1"}
    assert mi.control("POST", "identities", blocked).status_code == 204
    assert mi.batch("CtrlBatch")["errorCode"] == "WAIT101"
    assert mi.control("DELETE", "identities", {"DIVI": "MIL", "AITP": "1", "AITM": "6000"}).status_code == 204
    assert mi.batch("CtrlBatch")["errorCode"] == "WAIT103"
    assert mi.control("POST", "identities", {**blocked, "LCCD": "0"}).status_code == 422
    assert mi.control("POST", "identities", {**blocked, "LCCD": "0", "TX40": "Wages again"}).status_code == 204
    assert "errorCode" not in mi.batch("CtrlBatch")
    assert mi.control("POST", "open-dates", {"DIVI": "MIL", "from": "20261201", "to": "20261231"}).status_code == 204
    assert mi.batch("CtrlBatch")["errorCode"] == "WACDT01"
    assert mi.control("POST", "open-dates", {"DIVI": "NEW", "from": "1", "to": "2"}).status_code == 422
    assert mi.control("POST", "divisions", {"DIVI": "MIL", "LADT": "20260101"}).status_code == 204
    assert mi.records("MNS100MI", "GetActiveDates", DIVI="MIL")[0]["LADT"] == "20260101"
    assert mi.control("POST", "gl-settings", {"DIVI": "MIL", "DCNY": "1"}).status_code == 204
    assert mi.records("CRS750MI", "GetGLSettings", DIVI="MIL")[0]["DCNY"] == "1"
    assert mi.control("POST", "gl-settings", {"DIVI": "MIL", "NOPE": "1"}).status_code == 422
    # And all is as it was at the beginning.
    assert mi.control("POST", "reset", {"everything": True}).status_code == 204
    assert mi.records("CRS750MI", "GetGLSettings", DIVI="MIL")[0]["DCNY"] == "0"
    assert mi.control("GET", "ledger").json() == {"vouchers": [], "batches": [], "jobs": []}


def test_the_page_shows_vouchers_and_batches(mi):
    mi.m3.change_settings(updates_by_itself=False)
    mi.stage(VTXT="<b>Wages</b>")
    mi.batch("UpdBatch")
    address = mi.m3.facts()["page"]
    page = mi.session.get(address, timeout=10).text
    assert "No vouchers yet." in page
    assert f"MIL · {KEY} · Payroll · 3 lines" in page
    shown = mi.session.post(address + "update-button", timeout=10).text
    assert "PR 10000001 (2026)" in shown
    assert "8,827.30" in shown
    assert "&lt;b&gt;Wages" in shown
    assert "<b>Wages" not in shown


def test_a_person_updates_a_staged_batch_from_the_page(mi):
    mi.stage()
    address = mi.m3.facts()["page"]
    assert "Update (option 9)" in mi.session.get(address, timeout=10).text
    assert mi.session.post(f"{address}batches/N0TH1NG/update-button", timeout=10).status_code == 422
    shown = mi.session.post(f"{address}batches/{KEY}/update-button", timeout=10).text
    assert "PR 10000001 (2026)" in shown
    assert "Update (option 9)" not in shown
    assert len(mi.vouchers()) == 1
