"""T1 to T8 of accounting.md 10 on invented payrolls: what ties out, which differences are known, what stops."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import simplejson

from gusto.payroll_lines import Reading, read_document
from gusto.roster import kept_of, person_of
from gusto.tie_out import (
    INSIDE,
    OUTSIDE,
    JournalPart,
    Row,
    Verdict,
    journal_tie_out,
    problems_of,
    row_of,
    tie_out,
    with_accepted,
)
from mappings.payroll import SIDES, LineKind, Side
from tests.gusto.documents import benefit, fixed, hourly, hours, paid, payroll, salaried, tax, text

EVERYBODY = {"s": salaried(), "h": hourly()}


def people() -> list[dict[str, Any]]:
    """A salaried person by check with a reimbursement, an hourly one by direct deposit with everything else."""
    return [
        paid(
            "s",
            "4000.00",
            "3200.00",
            payment_method="Check",
            reimbursements=[{"amount": "45.60", "description": "Travel"}],
            reimbursed="45.60",
            taxes=[tax("800.00"), tax("306.00", "Social Security", employer=True)],
        ),
        paid(
            "h",
            "1040.00",
            "480.00",
            hourly_compensations=[hours("800.00")],
            fixed_compensations=[fixed("150.00", "Paycheck Tips"), fixed("90.00", "Cash Tips")],
            reimbursements=[{"amount": "4.40", "description": None}],
            reimbursed="4.40",
            taxes=[tax("100.00"), tax("50.00", "Social Security", employer=True)],
            benefits=[benefit("30.00", "60.00"), benefit("10.00", "22.00", "Gym", imputed=True)],
            deductions=[{"name": "Child support - 1", "amount": "300.00"}, {"name": "Loan", "amount": "30.00"}],
        ),
    ]


def read(document: Any) -> Reading:
    return read_document([text(document)], EVERYBODY)


def whole(**changes: Any) -> Reading:
    return read(payroll(*people(), child_support="300.00", **changes))


def rows(reading: Reading) -> dict[str, Row]:
    return {row.name: row for row in tie_out(reading)}


def stops(reading: Reading) -> list[str]:
    return [row.name for row in tie_out(reading) if row.stops]


def changed(name: str, amount: str, **changes: Any) -> Reading:
    """The same payroll with one total that is off."""
    base = payroll(*people(), child_support="300.00", **changes)
    base["totals"][name] = str(Decimal(base["totals"][name]) + Decimal(amount))
    return read(base)


def test_a_payroll_that_adds_up_ties_out():
    reading = whole()
    assert reading.problems == ()
    assert {row.verdict for row in tie_out(reading)} == {Verdict.EQUAL}
    assert rows(reading)["T1"].left == Decimal("1684.40") + Decimal("356.00")


@pytest.mark.parametrize(
    ("total", "stopped"),
    [
        ("company_debit", ["T1"]),
        ("tax_debit", ["T1", "T2"]),
        ("gross_pay", ["T3 gross"]),
        ("net_pay", ["T3 net"]),
        ("net_pay_debit", ["T1", "T3 debit"]),
        ("check_amount", ["T4"]),
        ("employee_taxes", ["T2", "T6 employee_taxes"]),
        ("employer_taxes", ["T2", "T6 employer_taxes"]),
        ("employee_benefits_deductions", ["T6 employee_benefits_deductions"]),
        ("benefits", ["T6 benefits"]),
        ("imputed_pay", ["T6 imputed_pay"]),
        ("other_deductions", ["T6 other_deductions"]),
        ("deferred_payroll_taxes", ["Deferred taxes"]),
    ],
)
def test_a_total_that_is_a_cent_off_stops_with_both_figures(total, stopped):
    right, wrong = whole(), changed(total, "0.01")
    assert stops(wrong) == stopped
    for name in stopped:
        row = rows(wrong)[name]
        assert row.difference == Decimal("0.01")
        assert {rows(right)[name].left, rows(right)[name].right} & {row.left, row.right}
        problem = next(problem for problem in problems_of(tie_out(wrong)) if dict(problem.facts)["name"] == name)
        assert f"{row.left:,.2f} against {row.right:,.2f}, a difference of 0.01" in problem.sentence
        assert problem.code == "tie_out"


def test_child_support_that_no_deduction_explains_stops():
    reading = changed("child_support_debit", "0.01")
    assert [problem.kind for problem in reading.problems] == ["child_support"]
    assert stops(reading) == ["T1", "T6 child_support_debit"]


@pytest.mark.parametrize("total", ["company_debit", "tax_debit", "net_pay_debit", "gross_pay", "benefits"])
def test_a_total_that_gusto_does_not_give_stops(total):
    base = payroll(*people(), child_support="300.00")
    base["totals"][total] = None
    assert stops(read(base))


def test_two_totals_are_lacking_in_older_documents():
    base = payroll(*people(), child_support="300.00")
    del base["totals"]["imputed_pay"], base["totals"]["other_deductions"]
    found = rows(read(base))
    assert (found["T6 imputed_pay"].verdict, found["T6 other_deductions"].verdict) == (Verdict.KNOWN, Verdict.KNOWN)
    assert stops(read(base)) == []


def test_company_taxes_are_found_inside_or_outside_the_tax_debit():
    company = [tax("-0.92", "MO Deduction", employer=True), tax("5.00", "NY MCTMT", employer=True)]
    outside = whole(company_taxes=company)
    assert (rows(outside)["T2"].verdict, stops(outside)) == (Verdict.KNOWN, [])
    assert rows(outside)["T2"].note.endswith(OUTSIDE)
    base = payroll(*people(), child_support="300.00", company_taxes=company)
    base["totals"] |= {
        "tax_debit": str(Decimal(base["totals"]["tax_debit"]) + Decimal("4.08")),
        "company_debit": str(Decimal(base["totals"]["company_debit"]) + Decimal("4.08")),
    }
    inside = read(base)
    assert (rows(inside)["T2"].verdict, stops(inside)) == (Verdict.EQUAL, [])
    assert rows(inside)["T2"].note.endswith(INSIDE)
    base["totals"]["tax_debit"] = str(Decimal(base["totals"]["tax_debit"]) + Decimal("0.01"))
    assert "T2" in stops(read(base))


def test_reimbursements_that_gusto_leaves_out_of_its_totals_are_known():
    base = payroll(*people(), child_support="300.00")
    base["totals"] |= {
        "reimbursements": "0.00",
        "reimbursement_debit": "0.00",
        "company_debit": str(Decimal(base["totals"]["company_debit"]) - Decimal("4.40")),
    }
    reading = read(base)
    found = rows(reading)
    assert (found["T5 reimbursements"].verdict, found["T5 debit"].verdict) == (Verdict.KNOWN, Verdict.KNOWN)
    assert (found["T5 reimbursements"].left, found["T5 reimbursements"].right) == (Decimal("0.00"), Decimal("50.00"))
    assert stops(reading) == []
    assert {row.name: row.verdict for row in journal_tie_out(parts(reading), tie_out(reading))}[
        "T8 clearing"
    ] is Verdict.KNOWN


def test_reimbursements_of_check_payees_in_the_debit_are_known():
    base = payroll(*people(), child_support="300.00")
    base["totals"]["reimbursement_debit"] = "50.00"
    base["totals"]["company_debit"] = str(Decimal(base["totals"]["company_debit"]) + Decimal("45.60"))
    assert stops(read(base)) == []
    assert rows(read(base))["T5 debit"].verdict is Verdict.KNOWN


def test_reimbursements_do_not_pass_where_a_persons_amount_does_not_hold():
    persons = people()
    persons[1]["check_amount"] = "500.00"
    base = payroll(*persons, child_support="300.00", totals={"reimbursements": "0.00"})
    assert stops(read(base)) == ["T5 reimbursements", "T7 paid"]


@pytest.mark.parametrize(
    ("field", "stopped"),
    [("gross_pay", ["T7 gross", "T7 net"]), ("net_pay", ["T7 net", "T7 paid"]), ("check_amount", ["T7 paid"])],
)
def test_a_person_whose_pay_does_not_add_up_stops_without_being_named(field, stopped):
    persons = people()
    persons[1][field] = str(Decimal(persons[1][field]) + 7)
    reading = read(payroll(*persons, child_support="300.00"))
    assert stops(reading) == stopped
    sentences = " ".join(problem.sentence for problem in problems_of(tie_out(reading)))
    assert "It does not hold for 1 person." in sentences
    assert "difference of 7.00" in sentences


def test_two_people_cannot_hide_each_other():
    persons = people()
    persons[0]["net_pay"] = "3201.00"
    persons[0]["check_amount"] = "3246.60"
    persons[1]["net_pay"] = "479.00"
    persons[1]["check_amount"] = "483.40"
    row = rows(read(payroll(*persons, child_support="300.00")))["T7 net"]
    assert (row.left, row.right) == (Decimal("3680.00"), Decimal("3680.00"))
    assert (row.verdict, row.people, row.difference) == (Verdict.STOP, 2, Decimal("2.00"))


def test_negative_net_pay_stops_unless_it_is_a_correction():
    person = paid("h", "-10.00", "-10.00", hourly_compensations=[hours("-10.00", count="-1.000")])
    assert stops(read(payroll(person))) == ["Negative net pay"]
    for reason in ("Correction", "wage correction", "Reversal"):
        assert stops(read(payroll(person, off_cycle=True, off_cycle_reason=reason))) == []
    assert stops(read(payroll(person, off_cycle=True, off_cycle_reason="Bonus"))) == ["Negative net pay"]


def test_a_reversal_payroll_with_positive_signs_stops():
    reading = whole(off_cycle=True, off_cycle_reason="Reversal")
    assert stops(reading) == ["Reversal"]
    assert rows(reading)["Reversal"].left == Decimal("5040.00")


def test_a_person_accepts_exactly_one_difference():
    reading = changed("benefits", "1.50")
    row = rows(reading)["T6 benefits"]
    assert row.is_acceptable
    accepted = with_accepted(tie_out(reading), [{"name": "T6 benefits", "amount": "1.50"}])
    assert {row.name: row.verdict for row in accepted}["T6 benefits"] is Verdict.ACCEPTED
    assert problems_of(accepted) == []
    for other in ({"name": "T6 benefits", "amount": "1.49"}, {"name": "T6 imputed_pay", "amount": "1.50"}):
        assert problems_of(with_accepted(tie_out(reading), [other]))


def test_what_may_not_be_accepted_is_not():
    reading = changed("gross_pay", "1.00")
    assert problems_of(with_accepted(tie_out(reading), [{"name": "T3 gross", "amount": "1.00"}]))


def test_rows_survive_storage():
    for row in tie_out(changed("benefits", "1.50")):
        assert row_of(row.as_json()) == row


# T8


def parts(reading: Reading) -> list[JournalPart]:
    """A journal that books every line whole on its natural sides."""
    return [JournalPart(line, side, line.amount) for line in reading.header.lines for side in SIDES[line.kind]]


def test_a_journal_of_all_lines_ties_out():
    company = [tax("5.00", "NY MCTMT", employer=True)]
    for reading in (whole(), whole(company_taxes=company)):
        found = journal_tie_out(parts(reading), tie_out(reading))
        assert {row.verdict for row in found} == {Verdict.EQUAL}, [row.sentence for row in found if row.stops]
    debits = {row.name: row.right for row in found}["T8 debits"]
    # 5,040.00 gross, less 90.00 cash tips, 50.00 reimbursements, 356.00 + 5.00 employer taxes, 60.00 contributions
    assert debits == Decimal("5421.00")


def test_memo_kinds_that_a_rule_books_on_both_sides_are_left_out():
    reading = whole()
    gym = next(line for line in reading.header.lines if line.kind is LineKind.IMPUTED)
    booked = [*parts(reading), *(JournalPart(gym, side, gym.amount) for side in Side)]
    assert {row.verdict for row in journal_tie_out(booked, tie_out(reading))} == {Verdict.EQUAL}


@pytest.mark.parametrize(
    ("kind", "stopped"),
    [
        (LineKind.EARNING, {"T8 sides", "T8 debits"}),
        (LineKind.EMPLOYEE_TAX, {"T8 sides", "T8 clearing"}),
        (LineKind.EMPLOYER_TAX, {"T8 clearing", "T8 debits"}),
        (LineKind.BENEFIT_DEDUCTION, {"T8 sides"}),
        (LineKind.CHILD_SUPPORT, {"T8 sides", "T8 clearing"}),
    ],
)
def test_a_line_that_is_missing_in_the_journal_stops(kind, stopped):
    reading = whole()
    lost = next(line for line in reading.header.lines if line.kind is kind)
    found = journal_tie_out([part for part in parts(reading) if part.line is not lost], tie_out(reading))
    assert {row.name for row in found if row.stops} == stopped


def test_a_check_that_is_missing_in_the_journal_stops():
    reading = whole()
    booked = [part for part in parts(reading) if part.line.component != "Check"]
    found = journal_tie_out(booked, tie_out(reading))
    assert {row.name for row in found if row.stops} == {"T8 sides", "T8 checks"}


@pytest.mark.contract
def test_the_recorded_payroll_ties_out_and_its_raw_form_names_the_two_dollars(shared):
    folder = shared / "reference/gusto"
    names = ("employees-recorded.json", "payroll-full-2026-06-15.derived.json", "payroll-calculated-recorded.json")
    if any(not (folder / name).exists() for name in names):
        pytest.skip("../shared/reference/gusto has no recorded payroll")
    employees, derived, raw = ((folder / name).read_text() for name in names)
    known_people = {row["uuid"]: person_of(kept_of(row)) for row in simplejson.loads(employees, use_decimal=True)}
    reading = read_document([derived], known_people)
    assert {row.verdict for row in tie_out(reading)} == {Verdict.EQUAL}
    journal = {row.name: row for row in journal_tie_out(parts(reading), tie_out(reading))}
    assert {row.verdict for row in journal.values()} == {Verdict.EQUAL}
    assert journal["T8 clearing"].right == rows(reading)["T1"].left
    found = rows(read_document([raw], known_people))
    assert found["T1"].verdict is Verdict.EQUAL
    assert (found["T5 reimbursements"].difference, found["T5 debit"].difference) == (Decimal("2.00"), Decimal("2.00"))
    assert found["T6 imputed_pay"].verdict is Verdict.KNOWN
