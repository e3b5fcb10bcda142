"""Gusto's ledger report against our lines (T9): compared where it is to be had, and never in the way where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from django.utils import timezone

from audit import work
from audit.exchange import TemporaryFailure
from audit.models import Exchange, WorkItem
from audit.work import Later
from gusto.figures import Unreadable
from gusto.ledger_report import AccountType, account_types, compare, read_ledger_report, read_ledger_report_exhausted
from gusto.models import PayrollRun
from gusto.payroll_lines import Reading, read_document
from gusto.payroll_run import accept_difference, read_payroll
from gusto.signals import payroll_processed
from gusto.tie_out import Verdict
from tenants.scope import tenant_scope
from tests.gusto.conftest import connect
from tests.gusto.documents import benefit, hourly, hours, paid, payroll, tax, text
from tests.gusto.running_sandbox import Running, running

State = PayrollRun.State


# The comparison


def reading(**changes: Any) -> Reading:
    person = paid(
        "h",
        "1000.00",
        "800.00",
        hourly_compensations=[hours("900.00"), hours("100.00", "Overtime", count="3.000")],
        taxes=[tax("150.00"), tax("76.50", "Social Security", employer=True)],
        benefits=[benefit("50.00", "120.00"), benefit("0.00", "5.00", "Gym", imputed=True)],
    )
    return read_document([text(payroll(person, **changes))], {"h": hourly()})


def report(**changes: tuple[str, str]) -> list[AccountType]:
    rows = {
        "RegularWages": ("900.00", "0.00"),
        "OvertimeWages": ("100.00", "0.00"),
        "EmployerTax": ("76.50", "0.00"),
        "BenefitCompanyContribution": ("120.00", "0.00"),
        "BenefitLiability": ("0.00", "170.00"),
        "DebitNetPay": ("0.00", "800.00"),
        "DebitTax": ("0.00", "226.50"),
    } | changes
    return [AccountType(name, Decimal(debit), Decimal(credit)) for name, (debit, credit) in rows.items()]


def test_a_report_that_agrees():
    assert {row.verdict for row in compare(reading(), report())} == {Verdict.EQUAL}


@pytest.mark.parametrize(
    ("name", "amounts", "stopped"),
    [
        ("RegularWages", ("900.01", "0.00"), "T9 wages"),
        ("EmployerTax", ("76.49", "0.00"), "T9 EmployerTax"),
        ("BenefitCompanyContribution", ("125.00", "0.00"), "T9 BenefitCompanyContribution"),
        ("DebitNetPay", ("0.00", "799.99"), "T9 DebitNetPay"),
        ("DebitTax", ("0.00", "226.51"), "T9 DebitTax"),
    ],
)
def test_a_known_type_that_is_off_stops_unless_accepted(name, amounts, stopped):
    rows = compare(reading(), report(**{name: amounts}))
    assert [row.name for row in rows if row.stops] == [stopped, "T9 balance"]
    assert all(row.is_acceptable for row in rows)


def test_an_unknown_type_on_the_same_side_is_shown_and_stops_nothing():
    rows = compare(reading(), report(RegularWages=("700.00", "0.00"), PieceRate=("200.00", "0.00")))
    wages = next(row for row in rows if row.name == "T9 wages")
    assert wages.verdict is Verdict.KNOWN
    assert "PieceRate" in wages.note
    rows = compare(reading(), report(DebitTax=("0.00", "26.50"), PieceRate=("200.00", "0.00"), Odd=("0.00", "400.00")))
    assert {row.name: row.verdict for row in rows}["T9 DebitTax"] is Verdict.KNOWN
    rows = compare(reading(), report(DebitTax=("0.00", "26.50"), PieceRate=("200.00", "0.00")))
    assert {row.name: row.verdict for row in rows}["T9 DebitTax"] is Verdict.STOP


def test_company_taxes_may_be_in_the_employers_taxes_or_not():
    company = [tax("5.00", "NY MCTMT", employer=True)]
    for amount in ("76.50", "81.50"):
        rows = compare(reading(company_taxes=company), report(EmployerTax=(amount, "0.00")))
        assert {row.name: row.verdict for row in rows}["T9 EmployerTax"] is Verdict.EQUAL


def test_the_basic_table_is_summed_and_names_of_people_are_left():
    rows = [
        ["RegularWages", "Regular Wages", "900.0", None],
        ["RegularWages", "Other", "0.5", None],
        ["DebitTax", "x", None, "1.00"],
    ]
    headers = ["Account Type", "Account Description", "Debit", "Credit"]
    document = {
        "data": [
            {"data_type": "Basic", "headers": headers, "rows": rows},
            {
                "data_type": "Detailed",
                "headers": headers,
                "rows": [["RegularWages", "Regular Wages for Ada", "9.0", None]],
            },
        ]
    }
    assert account_types(document) == (
        AccountType("RegularWages", Decimal("900.50"), Decimal("0.00")),
        AccountType("DebitTax", Decimal("0.00"), Decimal("1.00")),
    )


@pytest.mark.parametrize(
    "document", [[], {}, {"data": []}, {"data": [{"data_type": "Basic", "headers": ["A"], "rows": []}]}]
)
def test_a_report_of_another_shape_is_refused(document):
    with pytest.raises(Unreadable):
        account_types(document)


@pytest.mark.contract
def test_the_report_of_the_guide_is_read(shared):
    path = shared / "reference/gusto/general-ledger-report.json"
    if not path.exists():
        pytest.skip("../shared/reference/gusto/general-ledger-report.json is not here")
    types = account_types(simplejson.loads(path.read_text(), use_decimal=True))
    assert all(each.is_known for each in types)
    assert sum(each.balance for each in types) == 0
    assert {each.name for each in types} == {"EmployerTax", "RegularWages", "DebitNetPay", "DebitTax"}


# The work


@pytest.fixture
def gusto(tmp_path) -> Iterator[Running]:
    with running(tmp_path, employees=12, companies=1, history=0, report_polls=1) as found:
        yield found


def work_item(kind: str, run: Any) -> work.Claim:
    WorkItem.objects.filter(state="ready").update(state="done")
    work.enqueue(kind, str(run.pk), tenant_id=run.tenant_id)
    item = work.claim()
    assert item is not None
    assert item.kind == kind
    return item


def read(run: Any) -> Later | None:
    item = work_item("gusto.read_ledger_report", run)
    try:
        return read_ledger_report(item)
    finally:
        WorkItem.objects.filter(pk=item.item_id).update(state="done", lease=None, leased_until=None)


def again(run: Any) -> Any:
    with tenant_scope(run.tenant_id):
        return PayrollRun.objects.get(pk=run.pk)


def run_of(connected: Any, payroll_uuid: str) -> Any:
    """A run of a processed payroll that was read."""
    with tenant_scope(connected.tenant_id):
        made = PayrollRun.objects.create(
            legal_entity=connected,
            company_uuid=connected.gusto_company_uuid,
            payroll_uuid=payroll_uuid,
            announced_at=timezone.now(),
        )
    item = work_item("gusto.read_payroll", made)
    read_payroll(item)
    assert WorkItem.objects.filter(kind="gusto.read_ledger_report", ref=str(made.pk), state="ready").exists()
    WorkItem.objects.filter(pk=item.item_id).update(state="done", lease=None, leased_until=None)
    assert again(made).state == State.READ
    return again(made)


@pytest.fixture
def run(connected, gusto) -> Any:
    payroll_uuid = gusto.open_payroll()
    gusto.system.process(payroll_uuid)
    return run_of(connected, payroll_uuid)


def test_a_report_is_asked_for_polled_fetched_and_compared(run, gusto):
    assert isinstance(read(run), Later)
    assert again(run).ledger_report["state"] == "pending"
    assert read(run) is None
    found = again(run)
    assert (found.state, found.ledger_report["state"]) == (State.READ, "compared")
    rows = {row["name"]: row for row in found.tie_out if row["name"].startswith("T9")}
    assert {row["verdict"] for row in rows.values()} <= {"equal", "known"}
    assert rows["T9 EmployerTax"]["verdict"] == rows["T9 DebitNetPay"]["verdict"] == "equal"
    assert {row["name"] for row in found.tie_out} > {"T1", "T7 net"}
    assert {"RegularWages", "EmployerTax", "DebitTax"} <= {row["name"] for row in found.ledger_report["account_types"]}
    with tenant_scope(run.tenant_id):
        fetched = list(Exchange.objects.filter(path__contains="/presigned/"))
    assert [exchange.is_private for exchange in fetched] == [True]
    with gusto.server.log_lock:
        asked = [row["path"] for row in gusto.server.log if row["path"].endswith("general_ledger")]
    assert len(asked) == 1
    assert read(run) is None
    assert len(asked) == 1


def test_nothing_of_people_is_kept(run, gusto):
    read(run)
    read(run)
    kept = json.dumps([again(run).ledger_report, again(run).tie_out])
    for person in gusto.system.state.store.all(f"compensation:{run.payroll_uuid}"):
        assert person["name"] not in kept
        assert person["paid"]["employee_uuid"] not in kept


def test_a_difference_makes_the_run_wait_until_it_is_accepted(run, connected, gusto):
    # People of hourly wages alone: their report has no account type that is not known.
    plain = [
        row["paid"]["employee_uuid"]
        for row in gusto.system.state.store.all(f"compensation:{run.payroll_uuid}")
        if not row["paid"]["fixed_compensations"] and not row["paid"]["reimbursements"]
        if row["paid"]["payment_method"] == "Direct Deposit" and not row["paid"]["deductions"]
        if row["paid"]["hourly_compensations"] and not row["paid"]["excluded"]
    ]
    payroll_uuid = gusto.system.create_payroll(gusto.company, employee_uuids=plain)["payroll_uuid"]
    gusto.system.process(payroll_uuid)
    run = run_of(connected, payroll_uuid)
    kind = f"compensation:{payroll_uuid}"
    stored = gusto.system.state.store.get(kind, plain[0])
    tax_row = next(row for row in stored["paid"]["taxes"] if row["employer"])
    tax_row["amount"] = str(Decimal(tax_row["amount"]) + 3)
    gusto.system.state.store.put(kind, plain[0], stored)
    said: list[int] = []

    def processed(run: PayrollRun, **_: Any) -> None:
        said.append(run.pk)

    read(run)
    read(run)
    found = again(run)
    assert (found.state, found.reason) == (State.BLOCKED, "tie_out")
    stopped = {row["name"]: row["difference"] for row in found.tie_out if row["verdict"] == "stop"}
    assert stopped.pop("T9 EmployerTax") == "3.00"
    payroll_processed.connect(processed)
    try:
        with tenant_scope(run.tenant_id):
            for name in ["T9 EmployerTax", *stopped]:
                assert said == []
                accept_difference(found, name, "Checked with Gusto")
    finally:
        payroll_processed.disconnect(processed)
    assert again(run).state == State.READ
    assert said == [run.pk]


def test_a_missing_scope_is_not_available_and_stops_nothing(run, gusto, connected):
    scopes = [scope for scope in gusto.system.state.application()["scopes"] if not scope.startswith("company_reports")]
    gusto.system.change_application(scopes=scopes)
    connect(gusto, connected)
    assert read(run) is None
    found = again(run)
    assert (found.state, found.ledger_report["state"]) == (State.READ, "not_available")
    assert "company_reports" in found.ledger_report["sentence"]
    assert not any(row["name"].startswith("T9") for row in found.tie_out)


def test_a_report_that_fails_or_never_comes_is_not_available(run, gusto):
    gusto.fault(path="/v1/reports/", fault="status", status=200, body={"status": "failed", "report_urls": []})
    assert read(run) is None
    assert again(run).ledger_report["state"] == "not_available"
    with tenant_scope(run.tenant_id):
        late = {"state": "pending", "request_uuid": "x", "asked_at": (timezone.now() - timedelta(hours=1)).isoformat()}
        PayrollRun.objects.filter(pk=run.pk).update(ledger_report=late)
    gusto.fault(path="/v1/reports/", fault="status", status=200, body={"status": "pending", "report_urls": []})
    assert read(run) is None
    assert "in time" in again(run).ledger_report["sentence"]


def test_a_fault_mid_way_is_tried_again_and_asks_once(run, gusto):
    gusto.system.change_settings(report_polls=0)
    gusto.fault(path="/presigned/", fault="cut_body")
    with pytest.raises(TemporaryFailure):
        read(run)
    assert again(run).ledger_report["state"] == "pending"
    assert read(run) is None
    assert again(run).ledger_report["state"] == "compared"
    with gusto.server.log_lock:
        assert len([row for row in gusto.server.log if row["path"].endswith("general_ledger")]) == 1


def test_a_lost_answer_to_the_request_is_tried_again(run, gusto):
    gusto.system.change_settings(report_polls=0)
    gusto.fault(path="general_ledger$", fault="lost_answer")
    with pytest.raises(TemporaryFailure):
        read(run)
    assert read(run) is None
    assert again(run).ledger_report["state"] == "compared"


def test_given_up_it_is_not_available(run):
    read_ledger_report_exhausted(work_item("gusto.read_ledger_report", run), "Gusto has a fault of its own.")
    assert (again(run).state, again(run).ledger_report["state"]) == (State.READ, "not_available")


def test_a_run_that_was_not_read_asks_for_no_report(connected, gusto):
    with tenant_scope(connected.tenant_id):
        made = PayrollRun.objects.create(
            legal_entity=connected, company_uuid="c", payroll_uuid="p", announced_at=timezone.now()
        )
    assert read(made) is None
    with gusto.server.log_lock:
        assert not [row for row in gusto.server.log if "general_ledger" in row["path"]]
