"""A payroll run from notice to READ against the sandbox over HTTP: whole or not at all, once, and every way back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from audit import work
from audit.exchange import TemporaryFailure
from audit.models import AuditEntry, Exchange, WorkItem
from audit.work import Claim, Later
from gusto.models import Employee, LabourCost, PayrollDocument, PayrollRun, WebhookEvent
from gusto.payroll_run import (
    NotRead,
    accept_difference,
    header_of,
    read_payroll,
    read_payroll_exhausted,
    reading_of,
)
from gusto.signals import payroll_changed, payroll_processed
from mappings.models import SourceCode
from mappings.payroll import LineKind
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tenants.secrets import unsealed
from tests.gusto.conftest import connect, legal_entity_of
from tests.gusto.running_sandbox import Running, running

State = PayrollRun.State


@pytest.fixture
def gusto(tmp_path) -> Iterator[Running]:
    """One company of twelve people: the cast that shows the oddities of the reference."""
    with running(tmp_path, employees=12, companies=1, history=0, report_polls=0) as found:
        yield found


@pytest.fixture
def told() -> Iterator[list[tuple[str, int]]]:
    """What was said upwards: (processed or the kind of change, id of the run)."""
    said: list[tuple[str, int]] = []

    def processed(run: PayrollRun, **_: Any) -> None:
        said.append(("processed", run.pk))

    def changed(run: PayrollRun, what: str, **_: Any) -> None:
        said.append((what, run.pk))

    payroll_processed.connect(processed)
    payroll_changed.connect(changed)
    yield said
    payroll_processed.disconnect(processed)
    payroll_changed.disconnect(changed)


def announce(entity: Any, payroll_uuid: str, **fields: Any) -> Any:
    with tenant_scope(entity.tenant_id):
        return PayrollRun.objects.create(
            legal_entity=entity,
            company_uuid=entity.gusto_company_uuid,
            payroll_uuid=payroll_uuid,
            **{"announced_at": timezone.now()} | fields,
        )


def claimed(ref: str, tenant_id: Any, keep: str = "gusto.read_payroll") -> Claim:
    """A claim of a worker on reading a run; other work that is due is put aside, but for the kind to keep."""
    WorkItem.objects.exclude(kind=keep).filter(state="ready").update(state="done")
    work.enqueue("gusto.read_payroll", ref, tenant_id=tenant_id)
    item = work.claim()
    assert item is not None
    assert (item.kind, item.ref, item.tenant_id) == ("gusto.read_payroll", ref, tenant_id)
    return item


def read(run: Any, keep: str = "gusto.read_payroll") -> Later | None:
    """Do the work as a worker does."""
    item = claimed(str(run.pk), run.tenant_id, keep)
    try:
        return read_payroll(item)
    finally:
        WorkItem.objects.filter(pk=item.item_id).update(state="done", lease=None, leased_until=None)


def again(run: Any) -> Any:
    with tenant_scope(run.tenant_id):
        return PayrollRun.objects.select_related("legal_entity").get(pk=run.pk)


def processed(gusto: Running, **options: Any) -> str:
    """A payroll of the first company, processed."""
    payroll = (
        gusto.open_payroll() if not options else gusto.system.create_payroll(gusto.company, **options)["payroll_uuid"]
    )
    gusto.system.process(payroll)
    return str(payroll)


def taken(gusto: Running, entity: Any, **options: Any) -> Any:
    """A run that was read."""
    run = announce(entity, processed(gusto, **options))
    assert read(run) is None
    run = again(run)
    assert run.state == State.READ, run.problems
    return run


def notice(run: Any, what: str, uuid: str = "") -> None:
    """What the webhook view or the events feed stores."""
    WebhookEvent.objects.create(
        event_uuid=uuid or f"{what}-{run.payroll_uuid}"[:64],
        event_type=f"payroll.{what}",
        resource_uuid=run.company_uuid,
        entity_type="Payroll",
        entity_uuid=run.payroll_uuid,
        sent_at=timezone.now(),
    )


def payroll_calls(gusto: Running, payroll: str) -> list[str]:
    with gusto.server.log_lock:
        return [row["query"] for row in gusto.server.log if row["path"].endswith(f"/payrolls/{payroll}")]


def test_a_processed_payroll_is_read(connected, gusto, told):
    run = taken(gusto, connected)
    assert told == [("processed", run.pk)]
    payroll = gusto.system.companies()[0]["payrolls"][0]
    assert (run.payroll_type, str(run.check_date), run.employees) == ("regular", payroll["check_date"], 11)
    assert (str(run.period_start), str(run.period_end)) == (payroll["start_date"], payroll["end_date"])
    assert run.debit_date is not None
    assert run.debit_date < run.check_date
    assert {row["verdict"] for row in run.tie_out} <= {"equal", "known"}
    assert {row["name"] for row in run.tie_out} > {"T1", "T2", "T4", "T7 net"}
    with tenant_scope(run.tenant_id):
        entry = AuditEntry.objects.get(action="payroll_run.read")
        assert (entry.facts["employees"], entry.facts["pages"]) == (11, 1)


class TestWhole:
    def test_what_was_stored_gives_the_same_lines_and_is_sealed(self, connected, gusto):
        run = taken(gusto, connected)
        whole = gusto.whole_payroll(gusto.company_token(), run.payroll_uuid)
        with tenant_scope(run.tenant_id):
            document = PayrollDocument.objects.get()
            header = header_of(run)
            reading = reading_of(run)
        assert (header.company_uuid, header.payroll_uuid) == (gusto.company, run.payroll_uuid)
        assert (reading.header, reading.sums.people) == (header, 11)
        for private in (whole["employee_compensations"][0]["employee_uuid"], "gross_pay", "Federal"):
            assert private.encode() not in bytes(document.sealed)
        opened = json.loads(zlib.decompress(unsealed(document.sealed)))
        assert [json.loads(page)["payroll_uuid"] for page in opened["pages"]] == [run.payroll_uuid]
        people = json.dumps(opened["people"])
        for private in (
            "first_name",
            "last_name",
            "date_of_birth",
            "ssn",
            "rate",
            "street",
            "phone",
            "email",
            "amount",
        ):
            assert private not in people
        paid = {row["employee_uuid"]: row for row in whole["employee_compensations"] if not row["excluded"]}
        assert {line.employee for line in header.lines if line.employee} == set(paid)
        for uuid, row in paid.items():
            mine = [line for line in header.lines if line.employee == uuid]
            wages = {LineKind.EARNING, LineKind.TIPS, LineKind.CASH_TIPS}
            assert sum(line.amount for line in mine if line.kind in wages) == Decimal(row["gross_pay"])
            assert [line.amount for line in mine if line.kind is LineKind.NET_PAY] == [Decimal(row["check_amount"])]

    @pytest.mark.parametrize(("employees", "pages"), [(1, 1), (26, 1), (130, 2)])
    def test_nobody_is_left_out_however_many_there_are(self, application, tenant, tmp_path, gusto, employees, pages):
        company = gusto.system.create_company(seed=3, employees=employees, history=0)
        entity = connect(gusto, legal_entity_of(tenant), company["uuid"])
        payroll = company["payrolls"][0]["payroll_uuid"]
        summary = gusto.system.process(payroll)
        run = announce(entity, payroll)
        read(run)
        run = again(run)
        assert run.state == State.READ
        with tenant_scope(run.tenant_id):
            document = PayrollDocument.objects.get()
            header = header_of(run)
            assert document.pages == pages == len(payroll_calls(gusto, payroll))
            pages_kept = json.loads(zlib.decompress(unsealed(document.sealed)))["pages"]
        assert sum(len(json.loads(page)["employee_compensations"]) for page in pages_kept) == summary["people"]
        assert summary["people"] == employees
        gross = {LineKind.EARNING, LineKind.TIPS, LineKind.CASH_TIPS, LineKind.OWNERS_DRAW}
        assert sum(line.amount for line in header.lines if line.kind in gross) == Decimal(summary["gross_pay"])
        # The people come in pages too: never a call for one.
        with gusto.server.log_lock:
            calls = [row["path"] for row in gusto.server.log if "/employees" in row["path"]]
        assert set(calls) == {f"/v1/companies/{company['uuid']}/employees"}
        assert len(calls) == -(-employees // 100)

    @pytest.mark.parametrize("seed", [2, 5, 8, 13])
    def test_every_company_ties_out(self, application, tenant, gusto, seed):
        company = gusto.system.create_company(seed=seed, employees=60, history=0, owners_draw=seed == 5)
        entity = connect(gusto, legal_entity_of(tenant), company["uuid"])
        payrolls = [company["payrolls"][0]["payroll_uuid"]]
        for reason in ("Bonus", "Correction", "Dismissed employee", "Tax reconciliation", "Benefit reversal"):
            payrolls.append(gusto.system.create_payroll(company["uuid"], off_cycle_reason=reason)["payroll_uuid"])
        for payroll in payrolls:
            summary = gusto.system.process(payroll)
            run = announce(entity, payroll)
            read(run)
            run = again(run)
            assert run.state == State.READ, (summary["off_cycle_reason"], run.problems)
            assert run.off_cycle_reason == summary["off_cycle_reason"]
            assert (run.period_start is None) == (run.off_cycle_reason == "Tax reconciliation")
            with tenant_scope(run.tenant_id):
                header = header_of(run)
            direct = [line for line in header.lines if line.kind is LineKind.NET_PAY and line.component != "Check"]
            debit = next(row for row in run.tie_out if row["name"] == "T3 debit")
            paid_back = next(row for row in run.tie_out if row["name"] == "T5 debit")
            assert sum(line.amount for line in direct) == Decimal(debit["left"]) + Decimal(paid_back["right"])

    def test_the_cast_of_oddities(self, connected, gusto):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            lines = header_of(run).lines
        by_kind: dict[LineKind, list[Any]] = {kind: [line for line in lines if line.kind is kind] for kind in LineKind}
        assert any(line.is_residual and line.component == "Salary" for line in by_kind[LineKind.EARNING])
        two_jobs = [{line.job for line in lines if line.employee == each.employee and line.job} for each in lines]
        assert any(len(titles) == 2 for titles in two_jobs)
        assert by_kind[LineKind.IMPUTED]
        assert any(line.component == "Gym Membership" for line in by_kind[LineKind.BENEFIT_DEDUCTION])
        assert by_kind[LineKind.TIPS]
        assert by_kind[LineKind.CASH_TIPS]
        assert {line.component.partition(" - ")[0] for line in by_kind[LineKind.CHILD_SUPPORT]} == {"Child support"}
        assert {line.component.partition(" - ")[0] for line in by_kind[LineKind.GARNISHMENT]} == {
            "Creditor garnishment"
        }
        assert {line.component for line in by_kind[LineKind.OTHER_DEDUCTION]} == {"Company loan to employee"}
        assert {line.component for line in by_kind[LineKind.NET_PAY]} == {"Check", "Direct Deposit"}
        assert any(line.amount < 0 and not line.employee for line in by_kind[LineKind.EMPLOYER_TAX])
        assert any(not line.department for line in lines if line.employee)
        assert any(name == "Cost center" for line in lines for name, _ in line.custom_fields)
        assert {line.compensation_level for line in lines if line.employee} == {"Exempt", "Nonexempt"}

    def test_a_bonus_payroll_counts_a_reimbursement_once(self, connected, gusto):
        run = taken(gusto, connected, off_cycle_reason="Bonus")
        with tenant_scope(run.tenant_id):
            lines = header_of(run).lines
        whole = gusto.whole_payroll(gusto.company_token(), run.payroll_uuid)
        given = [row for person in whole["employee_compensations"] for row in person["reimbursements"]]
        repeated = [
            row
            for person in whole["employee_compensations"]
            for row in person["fixed_compensations"]
            if row["name"] == "Reimbursement"
        ]
        assert given
        assert repeated
        booked = [line.amount for line in lines if line.kind is LineKind.REIMBURSEMENT]
        assert sorted(booked) == sorted(Decimal(row["amount"]) for row in given)

    def test_where_somebody_worked_is_frozen_when_the_payroll_is_read(self, connected, gusto):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            before = header_of(run)
        somebody = next(line for line in before.lines if line.department)
        gusto.system.change_department(somebody.employee, None)
        assert read(run) is None
        with tenant_scope(run.tenant_id):
            assert header_of(run) == before
            assert Employee.objects.get(employee_uuid=somebody.employee).department == somebody.department

    def test_employees_and_source_codes_are_noted_once(self, connected, gusto):
        first = taken(gusto, connected)
        second = taken(gusto, connected, off_cycle_reason="Bonus")
        with tenant_scope(first.tenant_id):
            codes = {(code.kind, code.component): code for code in SourceCode.objects.all()}
            people = list(Employee.objects.all())
            lines = [*header_of(first).lines, *header_of(second).lines]
        assert set(codes) == {(line.kind.value, line.component) for line in lines}
        tax = codes["employee_tax", "Medicare"]
        days = sorted([first.check_date, second.check_date])
        assert [tax.first_seen_date, tax.last_seen_date] == days
        assert len(people) == len({row.employee_uuid for row in people}) == 11
        assert all(row.employee_code and row.sealed_name for row in people)

    def test_how_far_the_reading_is_can_be_watched(self, connected, gusto):
        run = announce(connected, processed(gusto))
        assert read(run) is None
        item = WorkItem.objects.get(kind="gusto.read_payroll", ref=str(run.pk))
        assert item.steps_done == item.steps_total > 0

    def test_what_a_run_costs_is_kept_by_kind_and_department_and_adds_up(self, connected, gusto):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            costs = list(LabourCost.objects.filter(payroll_run=run))
            lines = header_of(run).lines
        assert sum(cost.amount for cost in costs) == run.debits > 0
        earning = {cost.department: cost for cost in costs if cost.kind == "earning"}
        for department, cost in earning.items():
            mine = [line for line in lines if line.kind == "earning" and line.department == department]
            assert cost.amount == sum(line.amount for line in mine)
            assert cost.employees == len({line.employee for line in mine})

    def test_exchanges_keep_no_pay(self, connected, gusto):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            rows = list(Exchange.objects.filter(about=run.payroll_uuid))
        assert len(rows) == 2
        assert all(row.is_private and not row.answer_body and row.answer_digest for row in rows)


class TestTieOut:
    def test_a_total_that_is_off_blocks_with_both_figures(self, connected, gusto, told):
        payroll = gusto.open_payroll()
        gusto.system.distort(payroll, "gross_pay", 1_00)
        summary = gusto.system.process(payroll)
        run = announce(connected, payroll)
        read(run)
        run = again(run)
        assert (run.state, run.reason, run.read_at) == (State.BLOCKED, "tie_out", None)
        wrong = Decimal(summary["gross_pay"]) + 1
        assert f"{wrong:,.2f} against {wrong - 1:,.2f}, a difference of 1.00" in run.sentence
        row = next(row for row in run.tie_out if row["name"] == "T3 gross")
        assert (row["left"], row["right"], row["verdict"]) == (str(wrong), str(wrong - 1), "stop")
        assert [problem["facts"]["name"] for problem in run.problems] == ["T3 gross"]
        assert told == []
        with tenant_scope(run.tenant_id):
            assert AuditEntry.objects.filter(action="payroll_run.blocked").count() == 1
            assert not WorkItem.objects.filter(kind="gusto.read_ledger_report").exists()
        read(run)
        with tenant_scope(run.tenant_id):
            assert AuditEntry.objects.filter(action="payroll_run.blocked").count() == 1
            assert PayrollDocument.objects.count() == 1

    @pytest.mark.parametrize("field", ["gross_pay", "net_pay", "check_amount"])
    def test_a_person_whose_pay_is_off_blocks_and_is_not_named(self, connected, gusto, field):
        payroll = gusto.open_payroll()
        gusto.system.process(payroll)
        whole = gusto.whole_payroll(gusto.company_token(), payroll)
        person = next(row for row in whole["employee_compensations"] if row["hourly_compensations"])
        gusto.system.distort(payroll, field, 5, person["employee_uuid"])
        run = announce(connected, payroll)
        read(run)
        run = again(run)
        assert (run.state, run.reason) == (State.BLOCKED, "tie_out")
        text = json.dumps([run.problems, run.tie_out, run.sentence])
        assert person["employee_uuid"] not in text
        assert any(row["people"] == 1 and row["difference"] == "0.05" for row in run.tie_out)

    def test_a_person_who_is_missing_among_the_totals_blocks(self, connected, gusto):
        payroll = gusto.open_payroll()
        gusto.system.process(payroll)
        whole = gusto.whole_payroll(gusto.company_token(), payroll)
        gone = next(row for row in whole["employee_compensations"] if not row["excluded"])
        gusto.system.distort(payroll, "people", 0, gone["employee_uuid"])
        run = announce(connected, payroll)
        read(run)
        run = again(run)
        assert (run.state, run.reason) == (State.BLOCKED, "tie_out")
        row = next(row for row in run.tie_out if row["name"] == "T3 gross")
        assert row["difference"] == gone["gross_pay"]

    def test_a_person_may_accept_exactly_this_difference(self, connected, gusto, told, tenant):
        payroll = gusto.open_payroll()
        gusto.system.distort(payroll, "benefits", 150)
        gusto.system.process(payroll)
        run = announce(connected, payroll)
        read(run)
        run = again(run)
        with tenant_scope(tenant.id):
            for name, reason in (("T6 imputed_pay", "Seen"), ("T3 gross", "Seen"), ("T6 benefits", " ")):
                with pytest.raises(ValueError, match=r"\."):
                    accept_difference(run, name, reason)
            accept_difference(run, "T6 benefits", "Rounding of the carrier")
        run = again(run)
        assert (run.state, run.sentence, run.problems) == (State.READ, "", [])
        assert run.read_at is not None
        assert told == [("processed", run.pk)]
        assert next(row for row in run.tie_out if row["name"] == "T6 benefits")["verdict"] == "accepted"
        with tenant_scope(tenant.id):
            entry = AuditEntry.objects.get(action="payroll_run.difference_accepted")
            assert (entry.facts["amount"], entry.facts["reason"]) == ("1.50", "Rounding of the carrier")
        assert read(run) is None
        assert again(run).state == State.READ

    def test_a_reversal_payroll_with_unproven_signs_blocks(self, connected, gusto):
        original = taken(gusto, connected)
        reversal = gusto.system.reverse(original.payroll_uuid, negative=False)["payroll_uuid"]
        run = announce(connected, reversal)
        read(run)
        run = again(run)
        assert (run.state, run.reason) == (State.BLOCKED, "tie_out")
        assert "reversal payroll takes back" in run.sentence

    def test_a_reversal_payroll_with_negative_amounts_is_read(self, connected, gusto):
        original = taken(gusto, connected)
        run = announce(connected, gusto.system.reverse(original.payroll_uuid)["payroll_uuid"])
        read(run)
        run = again(run)
        assert (run.state, run.off_cycle_reason) == (State.READ, "Reversal"), run.problems
        with tenant_scope(run.tenant_id):
            back = {(line.employee, line.kind, line.component, line.job): line.amount for line in header_of(run).lines}
            there = {
                (line.employee, line.kind, line.component, line.job): line.amount for line in header_of(original).lines
            }
        assert back == {key: -amount for key, amount in there.items()}

    def test_without_the_scope_for_pay_it_says_which_scope(self, connected, gusto):
        scopes = [scope for scope in gusto.system.state.application()["scopes"] if scope != "compensations:read"]
        gusto.system.change_application(scopes=scopes)
        entity = connect(gusto, connected)
        run = announce(entity, processed(gusto))
        read(run)
        run = again(run)
        assert (run.state, run.reason) == (State.BLOCKED, "tie_out")
        assert "compensations:read" in json.dumps(run.problems)

    def test_people_whom_gusto_does_not_list_block_until_it_does_or_somebody_accepts(self, connected, gusto, told):
        first = taken(gusto, connected)
        plain = [
            row["paid"]["employee_uuid"]
            for row in gusto.system.state.store.all(f"compensation:{first.payroll_uuid}")
            if row["paid"]["hourly_compensations"] and not row["paid"]["excluded"]
        ]
        run = announce(connected, processed(gusto, employee_uuids=plain))
        gusto.fault(path="/employees$", fault="status", status=200, body=[])
        read(run)
        found = again(run)
        assert (found.state, found.reason) == (State.BLOCKED, "tie_out")
        assert [problem["kind"] for problem in found.problems] == ["unknown_employee"]
        assert found.problems[0]["facts"]["number"] == str(len(plain))
        with tenant_scope(run.tenant_id):
            accept_difference(found, "unknown_employee", "They left before Gusto came")
        assert again(run).state == State.READ
        assert told[1:] == [("processed", run.pk)]
        other = announce(connected, processed(gusto, employee_uuids=plain))
        gusto.fault(path="/employees$", fault="status", status=200, body=[])
        read(other)
        assert again(other).state == State.BLOCKED
        read(other)
        assert again(other).state == State.READ
        with tenant_scope(run.tenant_id):
            assert PayrollDocument.objects.filter(payroll_run=other).count() == 2
            assert any(line.department for line in header_of(other).lines)


class TestAgain:
    def test_the_same_payroll_again_is_nothing_new(self, connected, gusto, told):
        run = taken(gusto, connected)
        first = again(run)
        for _ in range(2):
            assert read(run) is None
        with tenant_scope(run.tenant_id):
            assert PayrollDocument.objects.count() == 1
            assert AuditEntry.objects.filter(action="payroll_run.read").count() == 1
        assert vars_of(again(run)) == vars_of(first)
        assert told == [("processed", run.pk)]

    def test_other_content_blocks_and_nothing_is_replaced(self, connected, gusto, told):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            before = header_of(run)
        gusto.system.distort(run.payroll_uuid, "net_pay", 3)
        read(run)
        changed = again(run)
        assert (changed.state, changed.reason) == (State.BLOCKED, "unclear")
        was = Decimal(next(row for row in run.tie_out if row["name"] == "T3 net")["left"])
        assert [problem["sentence"] for problem in changed.problems] == [
            f"Net pay was {was:,.2f} and is {was + Decimal('0.03'):,.2f} now."
        ]
        assert changed.content_digest == run.content_digest
        with tenant_scope(run.tenant_id):
            assert PayrollRun.objects.count() == 1
            assert header_of(changed) == before
        gusto.system.distort(run.payroll_uuid, "net_pay", -3)
        read(run)
        assert again(run).state == State.READ
        assert told == [("processed", run.pk), ("processed", run.pk)]

    def test_a_run_that_waits_for_the_mapping_is_left_alone(self, connected, gusto, told):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            PayrollRun.objects.filter(pk=run.pk).update(state=State.BLOCKED, reason="mapping", sentence="No rule.")
        read(run)
        assert (again(run).state, again(run).sentence) == (State.BLOCKED, "No rule.")
        assert len(told) == 1

    def test_the_same_payroll_from_a_file_is_not_posted_twice(self, connected, gusto, told):
        payroll = processed(gusto)
        summary = gusto.system.companies()[0]["payrolls"][0]
        by_file = announce(
            connected,
            "from-a-file",
            source=PayrollRun.Source.FILE,
            state=State.READ,
            payroll_type="regular",
            check_date=summary["check_date"],
            period_start=summary["start_date"],
            period_end=summary["end_date"],
        )
        run = announce(connected, payroll)
        read(run)
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "unclear")
        assert told == []
        with tenant_scope(run.tenant_id):
            PayrollRun.objects.filter(pk=by_file.pk).update(state=State.IGNORED)
        read(run)
        assert again(run).state == State.READ


def vars_of(run: Any) -> dict[str, Any]:
    return {field.name: getattr(run, field.name) for field in PayrollRun._meta.local_fields}


class TestWithdrawn:
    def test_a_cancelled_payroll_is_taken_back_and_comes_again_under_the_next_sequence(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.cancel(run.payroll_uuid, force=True)
        notice(run, "cancelled")
        assert read(run) is None
        gone = again(run)
        assert (gone.state, gone.undone_by, gone.sequence) == (State.WITHDRAWN, "cancelled", 1)
        assert gone.withdrawn_at is not None
        assert told[1:] == [("cancelled", run.pk)]
        assert read(run) is None
        assert told[2:] == []
        gusto.system.process(run.payroll_uuid)
        assert read(run) is None
        back = again(run)
        assert (back.state, back.sequence, back.undone_by, back.withdrawn_at) == (State.READ, 2, "", None)
        assert told[2:] == [("processed", run.pk)]
        with tenant_scope(run.tenant_id):
            assert PayrollDocument.objects.count() == 2
            gross = {LineKind.EARNING, LineKind.TIPS, LineKind.CASH_TIPS}
            sums = sum(line.amount for line in header_of(back).lines if line.kind in gross)
        assert sums == Decimal(next(row for row in back.tie_out if row["name"] == "T3 gross")["left"])
        with tenant_scope(run.tenant_id):
            words = [entry.facts["what"] for entry in AuditEntry.objects.filter(action="payroll_run.withdrawn")]
        assert words == ["cancelled"]

    def test_without_a_notice_it_was_read_back_unprocessed(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.cancel(run.payroll_uuid, force=True)
        read(run)
        assert (again(run).state, again(run).undone_by) == (State.WITHDRAWN, "unprocessed")
        assert told[1:] == [("unprocessed", run.pk)]

    def test_a_deleted_payroll(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.delete(run.payroll_uuid, force=True)
        read(run)
        assert (again(run).state, again(run).undone_by) == (State.WITHDRAWN, "deleted")
        assert told[1:] == [("deleted", run.pk)]

    def test_the_next_sequence_waits_until_the_journals_are_taken_back(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.cancel(run.payroll_uuid, force=True)
        read(run)
        gusto.system.process(run.payroll_uuid)
        pending = WorkItem.objects.filter(kind="erp.withdraw", ref=str(run.pk))
        assert pending.update(state="ready", due_at=timezone.now() + timedelta(hours=1)) == 1
        assert isinstance(read(run, keep="erp.withdraw"), Later)
        assert (again(run).state, again(run).sequence) == (State.WITHDRAWN, 1)
        read(run)
        assert (again(run).state, again(run).sequence) == (State.READ, 2)

    def test_cancelled_and_processed_again_before_anybody_looked(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.cancel(run.payroll_uuid, force=True)
        notice(run, "cancelled")
        gusto.system.process(run.payroll_uuid)
        assert read(run) is None
        assert (again(run).state, again(run).undone_by) == (State.WITHDRAWN, "cancelled")
        assert WorkItem.objects.filter(kind="gusto.read_payroll", state="ready").count() == 1
        read(run)
        assert (again(run).state, again(run).sequence) == (State.READ, 2)
        assert told[1:] == [("cancelled", run.pk), ("processed", run.pk)]

    def test_a_payroll_that_never_was_read_is_withdrawn_without_a_word(self, connected, gusto, told):
        payroll = gusto.open_payroll()
        fresh = announce(connected, payroll)
        later = read(fresh)
        assert isinstance(later, Later)
        assert again(fresh).state == State.NEW
        with tenant_scope(fresh.tenant_id):
            PayrollRun.objects.filter(pk=fresh.pk).update(announced_at=timezone.now() - timedelta(hours=1))
        assert read(fresh) is None
        assert again(fresh).state == State.WITHDRAWN
        notice(fresh, "processed")
        assert isinstance(read(fresh), Later)
        gusto.system.process(payroll)
        read(fresh)
        assert (again(fresh).state, again(fresh).sequence) == (State.READ, 1)
        assert told == [("processed", fresh.pk)]

    @pytest.mark.parametrize("what", ["reversed", "partially_reversed"])
    def test_a_reversed_payroll_is_marked_and_told_once(self, connected, gusto, told, what):
        run = taken(gusto, connected)
        with tenant_scope(run.tenant_id):
            somebody = next(line.employee for line in header_of(run).lines)
        people = [somebody] if what == "partially_reversed" else None
        gusto.system.reverse(run.payroll_uuid, employee_uuids=people)
        notice(run, what)
        for _ in range(2):
            read(run)
        assert (again(run).state, again(run).undone_by) == (State.READ, what)
        assert told[1:] == [(what, run.pk)]

    def test_a_reversal_is_seen_without_a_notice(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.reverse(run.payroll_uuid)
        read(run)
        assert told[1:] == [("reversed", run.pk)]

    def test_reversed_then_cancelled_is_taken_back(self, connected, gusto, told):
        run = taken(gusto, connected)
        gusto.system.reverse(run.payroll_uuid, with_payroll=False)
        notice(run, "reversed")
        read(run)
        gusto.system.cancel(run.payroll_uuid, force=True)
        notice(run, "cancelled")
        read(run)
        assert (again(run).state, again(run).undone_by) == (State.WITHDRAWN, "cancelled")
        assert told[1:] == [("reversed", run.pk), ("cancelled", run.pk)]


class TestIgnored:
    def test_an_external_payroll_is_not_posted(self, connected, gusto, told):
        run = announce(connected, processed(gusto, external=True))
        read(run)
        run = again(run)
        assert (run.state, run.payroll_type) == (State.IGNORED, "external")
        assert "run elsewhere" in run.sentence
        assert told == []
        with tenant_scope(run.tenant_id):
            assert PayrollDocument.objects.count() == 0
            with pytest.raises(NotRead):
                header_of(run)

    def test_a_payroll_before_the_first_day_is_not_posted_until_that_day_is_moved(self, connected, gusto, told):
        with tenant_scope(connected.tenant_id):
            LegalEntity.objects.filter(pk=connected.pk).update(posts_from_date=date(2100, 1, 1))
        run = announce(connected, processed(gusto))
        read(run)
        assert (again(run).state, told) == (State.IGNORED, [])
        assert "1 Jan 2100" in again(run).sentence
        assert len(payroll_calls(gusto, run.payroll_uuid)) == 1
        with tenant_scope(connected.tenant_id):
            LegalEntity.objects.filter(pk=connected.pk).update(posts_from_date=None)
        read(run)
        assert (again(run).state, told) == (State.READ, [("processed", run.pk)])


class TestFaults:
    @pytest.fixture
    def large(self, application, tenant, gusto) -> tuple[LegalEntity, str]:
        """A payroll of two pages."""
        company = gusto.system.create_company(seed=4, employees=105, history=0)
        payroll = company["payrolls"][0]["payroll_uuid"]
        gusto.system.process(payroll)
        return connect(gusto, legal_entity_of(tenant), company["uuid"]), str(payroll)

    @pytest.mark.parametrize(
        "fault",
        [
            {"fault": "status", "status": 503},
            {"fault": "cut_body"},
            {"fault": "html", "status": 200},
            {"fault": "lost_answer"},
            {"fault": "html", "status": 502},
        ],
    )
    def test_a_fault_on_the_second_page_leaves_nothing_behind(self, large, gusto, told, fault):
        entity, payroll = large
        run = announce(entity, payroll)
        gusto.fault(path=f"/payrolls/{payroll}$", skip=1, **fault)
        with pytest.raises(TemporaryFailure):
            read(run)
        assert again(run).state == State.NEW
        with tenant_scope(run.tenant_id):
            assert PayrollDocument.objects.count() == 0
        read(run)
        assert (again(run).state, again(run).employees) == (State.READ, 105 - excluded(gusto, entity, payroll))

    def test_a_fault_among_the_people_leaves_nothing_behind(self, large, gusto):
        entity, payroll = large
        run = announce(entity, payroll)
        gusto.fault(path="/employees$", skip=1, fault="cut_body")
        with pytest.raises(TemporaryFailure):
            read(run)
        assert again(run).state == State.NEW
        read(run)
        assert again(run).state == State.READ

    def test_people_who_are_not_in_the_list_of_the_payroll_are_asked_for_by_uuid(self, large, gusto):
        entity, payroll = large
        run = announce(entity, payroll)
        gusto.fault(path="/employees$", fault="status", status=200, body=[])
        read(run)
        assert again(run).state == State.READ
        with gusto.server.log_lock:
            asked = [row["query"] for row in gusto.server.log if row["path"].endswith("/employees")]
        assert ["payroll_uuid" in asked[0], *("uuids" in query for query in asked[1:])] == [True] * len(asked)
        assert len(asked) <= 4

    @pytest.mark.django_db(transaction=True)
    def test_a_token_that_ends_between_two_pages_is_renewed(self, large, gusto):
        entity, payroll = large
        run = announce(entity, payroll)
        gusto.fault(path=f"/payrolls/{payroll}$", skip=1, fault="status", status=401)
        read(run)
        assert again(run).state == State.READ, again(run).sentence

    def test_a_payroll_that_changes_between_two_pages_is_read_again(self, large, gusto):
        entity, payroll = large
        run = announce(entity, payroll)
        meanwhile(gusto, payroll, lambda: gusto.system.distort(payroll, "benefits", 100))
        read(run)
        assert len(payroll_calls(gusto, payroll)) == 4
        run = again(run)
        assert (run.state, run.reason) == (State.BLOCKED, "tie_out")
        assert [problem["facts"]["name"] for problem in run.problems] == ["T6 benefits"]

    def test_a_person_who_goes_between_two_pages_is_noticed(self, large, gusto):
        entity, payroll = large
        first = gusto.system.state.store.keys(f"compensation:{payroll}")[0]
        run = announce(entity, payroll)
        meanwhile(gusto, payroll, lambda: gusto.system.distort(payroll, "people", 0, first))
        with pytest.raises(TemporaryFailure):
            read(run)
        assert again(run).state == State.NEW

    def test_a_404_that_is_not_gustos_takes_nothing_back(self, connected, gusto, told):
        run = taken(gusto, connected)
        path = f"/payrolls/{run.payroll_uuid}$"
        gusto.fault(path=path, fault="html", status=404)
        assert read(run) is None
        foreign = {"errors": [{"error_key": "request", "category": "missing_permissions", "message": "No"}]}
        gusto.fault(path=path, fault="status", status=404, body=foreign)
        assert read(run) is None
        gone = {"errors": [{"error_key": "request", "category": "not_found", "message": "Not here"}]}
        gusto.fault(path=path, fault="status", status=404, body=gone)
        gusto.fault(path=f"/companies/{gusto.company}$", fault="status", status=404, body=gone)
        with pytest.raises(TemporaryFailure):
            read(run)
        assert again(run).state == State.READ
        assert len(told) == 1

    def test_another_payroll_than_asked_for_is_not_taken(self, connected, gusto, told):
        run = announce(connected, processed(gusto))
        other = {
            "payroll_uuid": "another",
            "company_uuid": gusto.company,
            "check_date": "2026-06-26",
            "processed": True,
        }
        gusto.fault(path=f"/payrolls/{run.payroll_uuid}$", fault="status", status=200, body=other)
        read(run)
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "unclear")
        read(run)
        assert again(run).state == State.READ

    def test_without_a_count_of_people_nothing_is_believed(self, connected, gusto):
        run = announce(connected, processed(gusto))
        whole = gusto.call(
            "GET", f"/v1/companies/{gusto.company}/payrolls/{run.payroll_uuid}", gusto.company_token()
        ).json()
        connect(gusto, connected)
        gusto.fault(path=f"/payrolls/{run.payroll_uuid}$", fault="status", status=200, body=whole)
        with pytest.raises(TemporaryFailure):
            read(run)
        assert again(run).state == State.NEW

    def test_a_grant_that_ended_blocks_and_connecting_again_heals(self, connected, gusto):
        run = announce(connected, processed(gusto))
        gusto.system.revoke_grant(gusto.company)
        later = read(run)
        assert isinstance(later, Later)
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "configuration")
        connect(gusto, connected)
        read(run)
        assert again(run).state == State.READ

    def test_a_run_that_was_read_stays_as_it_is_when_gusto_cannot_be_asked(self, connected, gusto):
        run = taken(gusto, connected)
        gusto.system.revoke_grant(gusto.company)
        assert read(run) is None
        assert again(run).state == State.READ
        notice(run, "cancelled")
        assert isinstance(read(run), Later)
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "configuration")

    def test_a_legal_entity_without_gusto_blocks(self, tenant, legal_entity):
        run = announce(legal_entity, "p-1")
        assert isinstance(read(run), Later)
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "configuration")

    def test_given_up_it_waits_for_a_person_and_heals(self, connected, gusto, told):
        run = announce(connected, processed(gusto))
        claim = Claim(1, run.tenant_id, "gusto.read_payroll", str(run.pk), 40, None)
        read_payroll_exhausted(claim, "Gusto has a fault of its own (status 503).")
        assert (again(run).state, again(run).reason) == (State.BLOCKED, "exhausted")
        assert "status 503" in again(run).sentence
        read(run)
        assert again(run).state == State.READ
        read_payroll_exhausted(claim, "Again.")
        read(run)
        assert again(run).state == State.READ
        assert told == [("processed", run.pk)] * 2

    def test_a_lost_lease_writes_nothing(self, connected, gusto, told):
        run = announce(connected, processed(gusto))
        item = claimed(str(run.pk), run.tenant_id)
        WorkItem.objects.filter(pk=item.item_id).update(lease="00000000-0000-0000-0000-000000000000")
        with pytest.raises(work.LeaseLost):
            read_payroll(item)
        assert (again(run).state, told) == (State.NEW, [])


def excluded(gusto: Running, entity: LegalEntity, payroll: str) -> int:
    people = gusto.system.state.store.all(f"compensation:{payroll}")
    return sum(row["paid"]["excluded"] for row in people)


def meanwhile(gusto: Running, payroll: str, change: Callable[[], Any]) -> None:
    """Do something at Gusto after the first page of a payroll was answered, before the second is."""
    show = gusto.system.answer
    pages = []

    def answer(request: Any) -> Any:
        found = show(request)
        if request.path.endswith(f"/payrolls/{payroll}"):
            pages.append(request.raw_query)
            if len(pages) == 1:
                change()
        return found

    gusto.system.answer = answer  # type: ignore[method-assign]


def test_no_tenant_sees_the_run_of_another(connected, gusto, other_tenant):
    run = taken(gusto, connected)
    with tenant_scope(other_tenant.id):
        assert not PayrollRun.objects.exists()
        assert not PayrollDocument.objects.exists()
        assert not Employee.objects.exists()
        assert not SourceCode.objects.exists()
    assert read_payroll(claimed(str(run.pk), other_tenant.id, keep="")) is None


def test_an_unknown_run_is_nothing_to_do(connected):
    assert read_payroll(claimed("999999", connected.tenant_id)) is None
