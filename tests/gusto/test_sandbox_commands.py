"""Commands on the Gusto sandbox, by control address, page and method, and what a client then reads (gusto.md 4.5)."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.gusto.running_sandbox import Running, running
from tests.gusto.test_sandbox_arithmetic import ALL, check


@pytest.fixture
def gusto(tmp_path) -> Iterator[Running]:
    with running(tmp_path, employees=12, companies=1, history=1, today=date(2026, 9, 16)) as sandbox:
        sandbox.system.connect(sandbox.company)
        yield sandbox


def event_types(gusto: Running) -> list[str]:
    rows = gusto.get("/v1/events", gusto.system_token(), limit=100, event_type="payroll.*").json()
    return [row["event_type"] for row in rows]


def read(gusto: Running, payroll: str) -> dict:
    path = f"/v1/companies/{gusto.company}/payrolls/{payroll}"
    document: dict = gusto.get(path, gusto.company_token(), include="totals").json()
    return document


def processed(gusto: Running) -> str:
    return next(str(row["payroll_uuid"]) for row in gusto.system.companies()[0]["payrolls"] if row["processed"])


def test_submitted_is_not_processed(gusto):
    payroll = gusto.open_payroll()
    assert gusto.control(f"payrolls/{payroll}/submit").status_code == 200
    submitted = read(gusto, payroll)
    assert submitted["processed"] is False
    assert submitted["processing_request"]["status"] == "submitting"
    assert gusto.control(f"payrolls/{payroll}/fail").status_code == 200
    assert read(gusto, payroll)["processing_request"]["status"] == "processing_failed"
    assert gusto.control(f"payrolls/{payroll}/process").status_code == 200
    done = read(gusto, payroll)
    assert done["processed"] is True
    assert done["processed_date"] == "2026-09-16"
    assert done["processing_request"]["status"] == "submit_success"
    assert gusto.control(f"payrolls/{payroll}/process").status_code == 422
    assert gusto.control(f"payrolls/{payroll}/pay").status_code == 200
    assert event_types(gusto) == [
        "payroll.calculated",
        "payroll.submitted",
        "payroll.processing_failed",
        "payroll.calculated",
        "payroll.submitted",
        "payroll.processed",
        "payroll.paid",
    ]


def test_cancel_until_the_deadline_then_only_by_force(gusto):
    payroll = gusto.open_payroll()
    gusto.system.process(payroll)
    assert gusto.control(f"payrolls/{payroll}/cancel").status_code == 200
    cancelled = read(gusto, payroll)
    assert (cancelled["processed"], cancelled["totals"], cancelled["calculated_at"]) == (False, None, None)
    assert "employee_compensations" not in cancelled
    assert gusto.control(f"payrolls/{payroll}/cancel").status_code == 422
    gusto.system.process(payroll)
    gusto.control("clock", seconds=30 * 86_400)
    assert gusto.control(f"payrolls/{payroll}/cancel").status_code == 422
    assert gusto.control(f"payrolls/{payroll}/cancel", force=True).status_code == 200
    assert event_types(gusto).count("payroll.cancelled") == 2


def test_delete(gusto):
    payroll = gusto.open_payroll()
    gusto.system.process(payroll)
    assert gusto.control(f"payrolls/{payroll}/delete").status_code == 422
    gusto.system.cancel(payroll)
    assert gusto.control(f"payrolls/{payroll}/delete").status_code == 200
    path = f"/v1/companies/{gusto.company}/payrolls/{payroll}"
    assert gusto.get(path, gusto.company_token()).status_code == 404
    assert gusto.control(f"payrolls/{payroll}/process").status_code == 404
    assert event_types(gusto)[-1] == "payroll.deleted"


def test_reversal_with_a_payroll(gusto):
    original = processed(gusto)
    made = gusto.control(f"payrolls/{original}/reverse").json()
    token = gusto.company_token()
    listed = gusto.get(f"/v1/companies/{gusto.company}/payrolls", token, include="reversals").json()
    assert [row["reversal_payroll_uuids"] for row in listed if row["uuid"] == original] == [[made["payroll_uuid"]]]
    assert read(gusto, original)["processed"] is True
    reversal = read(gusto, made["payroll_uuid"])
    assert (reversal["off_cycle_reason"], reversal["processed"]) == ("Reversal", True)
    assert Decimal(reversal["totals"]["company_debit"]) < 0
    assert event_types(gusto) == ["payroll.created", "payroll.processed", "payroll.reversed"]
    gusto.control("settings", embedded=True)
    record = gusto.get(f"/v1/companies/{gusto.company}/payroll_reversals", token).json()[0]
    assert record["reversed_payroll_uuid"] == original
    assert record["reversal_payroll_uuid"] == made["payroll_uuid"]
    assert len(record["reversed_employee_uuids"]) == 12


def test_reversal_without_a_payroll_and_with_positive_signs(gusto):
    original = processed(gusto)
    gusto.control(f"payrolls/{original}/reverse", with_payroll=False)
    assert event_types(gusto) == ["payroll.reversed"]
    assert len(gusto.system.companies()[0]["payrolls"]) == 2
    made = gusto.control(f"payrolls/{original}/reverse", negative=False).json()
    assert Decimal(read(gusto, made["payroll_uuid"])["totals"]["gross_pay"]) > 0


def test_partial_reversal(gusto):
    original = processed(gusto)
    token = gusto.company_token()
    people = gusto.whole_payroll(token, original)["employee_compensations"]
    some = [people[1]["employee_uuid"], people[4]["employee_uuid"]]
    made = gusto.control(f"payrolls/{original}/reverse", employee_uuids=some).json()
    reversal = gusto.whole_payroll(token, made["payroll_uuid"], ALL)
    assert [row["employee_uuid"] for row in reversal["employee_compensations"]] == some
    check(reversal)
    assert event_types(gusto)[-1] == "payroll.partially_reversed"
    assert gusto.control(f"payrolls/{original}/reverse", employee_uuids=["unknown"]).status_code == 404


def test_payrolls_for_some_people_only(gusto):
    token = gusto.company_token()
    people = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()
    chosen = [people[3]["uuid"]]
    path = f"companies/{gusto.company}/payrolls"
    made = gusto.control(path, off_cycle_reason="Bonus", employee_uuids=chosen, check_date="2026-10-01").json()
    gusto.system.process(made["payroll_uuid"])
    payroll = gusto.whole_payroll(token, made["payroll_uuid"])
    assert [row["employee_uuid"] for row in payroll["employee_compensations"]] == chosen
    assert payroll["check_date"] == "2026-10-01"


def test_regular_payrolls_follow_each_other(gusto):
    for _ in range(3):
        gusto.control(f"companies/{gusto.company}/payrolls")
    rows = [row for row in gusto.system.companies()[0]["payrolls"] if row["payroll_type"] == "regular"]
    starts = [date.fromisoformat(row["start_date"]) for row in rows]
    assert [(b - a).days for a, b in pairwise(starts)] == [14] * (len(starts) - 1)
    for row in rows:
        assert date.fromisoformat(row["check_date"]).weekday() == 4


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(
    "distortion", ["company_debit", "gross_pay", "child_support_debit", "person", "dropped person"]
)
def test_a_payroll_that_does_not_add_up(gusto, is_open, distortion):
    token = gusto.company_token()
    payroll = gusto.open_payroll() if is_open else processed(gusto)
    person = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()[0]["uuid"]
    body = {"field": distortion, "cents": 1}
    if distortion == "person":
        body = {"field": "net_pay", "cents": -1, "employee_uuid": person}
    if distortion == "dropped person":
        body = {"field": "people", "cents": 0, "employee_uuid": person}
    assert gusto.control(f"payrolls/{payroll}/distort", **body).status_code == 200
    if is_open:
        gusto.system.process(payroll)
    with pytest.raises(AssertionError):
        check(gusto.whole_payroll(token, payroll, ALL))
    assert gusto.control(f"payrolls/{payroll}/distort", field="nothing", cents=1).status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("companies", {"employees": 0}),
        ("companies", {"employees": 10_001}),
        ("companies", {"employees": "12"}),
        ("companies", {"colour": "red"}),
        ("companies/{company}/payrolls", {"off_cycle_reason": "Holiday"}),
        ("companies/{company}/payrolls", {"check_date": "2026-10-01"}),
        ("companies/{company}/payrolls", {"off_cycle_reason": "Bonus", "check_date": "soon"}),
        ("settings", {"rate_limit": -1}),
        ("settings", {"rate_limit": "200"}),
        ("settings", {"colour": 1}),
        ("clock", {"seconds": "10"}),
        ("clock", {}),
        ("application", {"client_id": "mine"}),
        ("payrolls/{payroll}/cancel", {"force": "yes"}),
        ("payrolls/{payroll}/process", {"force": True}),
    ],
)
def test_commands_with_wrong_arguments(gusto, path, body):
    path = path.format(company=gusto.company, payroll=gusto.open_payroll())
    before = gusto.system.companies()
    assert gusto.control(path, **body).status_code == 422
    assert gusto.system.companies() == before


def test_companies_grants_and_revocation(gusto):
    made = gusto.control("companies", seed=5, employees=3, name="Anvil & Sons", departments=2, tips=False).json()
    assert made["name"] == "Anvil & Sons"
    pair = gusto.control(f"companies/{made['uuid']}/connect").json()
    assert gusto.get(f"/v1/companies/{made['uuid']}", pair["access_token"]).json()["name"] == "Anvil & Sons"
    grants = gusto.http.get(f"{gusto.address}/_sandbox/grants", timeout=10)
    assert made["uuid"] in {row["company_uuid"] for row in grants.json()}
    assert pair["access_token"] not in grants.text
    assert gusto.control(f"companies/{made['uuid']}/revoke_grant").json() == {"revoked": True}
    assert gusto.get("/v1/token_info", pair["access_token"]).status_code == 401
    feed = gusto.get("/v1/events", gusto.system_token(), resource_uuid=made["uuid"]).json()
    assert [row["event_type"] for row in feed] == ["company.provisioned", "company.deprovisioned"]
    gusto.system.process(made["payrolls"][-1]["payroll_uuid"])
    assert len(gusto.get("/v1/events", gusto.system_token(), resource_uuid=made["uuid"]).json()) == 2


def test_the_page_and_its_buttons(gusto):
    page = gusto.http.get(f"{gusto.address}/", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    payroll = gusto.open_payroll()
    action = f"_sandbox/payrolls/{payroll}/process"
    assert re.findall(r'action="([^"]+/process)"', page.text) == [action]
    for other in ("Cancel", "Reverse", "New bonus payroll"):
        assert other in page.text
    # A form whose only control is its button sends an empty body.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = gusto.http.post(f"{gusto.address}/{action}", headers=form, timeout=10, allow_redirects=False)
    assert (pressed.status_code, pressed.headers["Location"]) == (303, f"{gusto.address}/")
    assert read(gusto, payroll)["processed"] is True
    assert f"_sandbox/payrolls/{payroll}/cancel" in gusto.http.get(f"{gusto.address}/", timeout=10).text
    bonus = f"{gusto.address}/_sandbox/companies/{gusto.company}/payrolls"
    assert gusto.http.post(bonus, data={"off_cycle_reason": "Bonus"}, timeout=10).status_code == 200
    assert "Bonus" in gusto.http.get(f"{gusto.address}/", timeout=10).text


def test_another_site_cannot_press_the_buttons(gusto):
    payroll = gusto.open_payroll()
    address = f"{gusto.address}/_sandbox/payrolls/{payroll}/process"
    answer = gusto.http.post(address, headers={"Origin": "https://evil.example"}, timeout=10)
    assert answer.status_code == 403
    assert read(gusto, payroll)["processed"] is False


def test_ten_thousand_people(tmp_path):
    """Pages are found by their place in the store, not by reading everyone: the last is no slower than the first."""
    with running(tmp_path, employees=10_000, companies=1, history=0) as gusto:
        token, payroll = gusto.company_token(), gusto.open_payroll()
        began = time.monotonic()
        gusto.system.process(payroll)
        assert time.monotonic() - began < 60, "seconds, not minutes, even on a busy machine"
        began = time.monotonic()
        document = gusto.whole_payroll(token, payroll, ALL)
        # 100 pages, each far below 100 ms when the machine is free; a scan per page would take minutes.
        assert time.monotonic() - began < 40
        assert len(document["employee_compensations"]) == 10_000
        check(document)


@pytest.mark.parametrize("day", range(7))
def test_off_cycle_payrolls_are_paid_on_a_banking_day_that_can_still_be_met(tmp_path, day):
    today = date(2026, 9, 14 + day)
    with running(tmp_path, employees=3, companies=1, history=2, today=today) as gusto:
        gusto.system.connect(gusto.company)
        made = gusto.system.create_payroll(gusto.company, "Bonus")
        assert today < date.fromisoformat(made["check_date"])
        assert date.fromisoformat(made["check_date"]).weekday() < 5
        gusto.system.process(made["payroll_uuid"])
        assert read(gusto, made["payroll_uuid"])["processed_date"] == today.isoformat()
        gusto.system.cancel(made["payroll_uuid"])
        for row in gusto.system.companies()[0]["payrolls"]:
            past = read(gusto, row["payroll_uuid"])
            if past["processed"]:
                assert past["created_at"][:10] < past["processed_date"] < past["check_date"]
                assert past["processed_date"] <= today.isoformat()


def test_the_stored_document_is_what_is_served(gusto):
    payroll = processed(gusto)
    served = gusto.whole_payroll(gusto.company_token(), payroll, ALL)
    stored = gusto.system.payroll_document(payroll)
    assert served["employee_compensations"] == stored["employee_compensations"]
    assert served["totals"] == stored["totals"]


def test_the_sandbox_needs_no_django():
    script = "import sys, gusto.sandbox.system; sys.exit(any(name.startswith('django') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
