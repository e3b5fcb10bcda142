"""From a payroll document to lines: every rule of accounting.md 2 and 13 on invented payrolls, and invariant I3."""

from __future__ import annotations

import csv
import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from gusto.compensation import lost_cents
from gusto.figures import Unreadable
from gusto.payroll_lines import Reading, read_document
from gusto.roster import Job, Person, kept_of, person_of
from mappings.payroll import LineKind, PayrollLine
from tests.gusto import documents
from tests.gusto.documents import benefit, fixed, hourly, hours, paid, payroll, salaried, tax, text, time_off

EVERYBODY = {"s": salaried(), "h": hourly()}


def read(document: Any, people: dict[str, Person] | None = None) -> Reading:
    return read_document([text(document)], EVERYBODY if people is None else people)


def rows(reading: Reading) -> list[tuple[str, str, str]]:
    return [(line.kind.value, line.component, str(line.amount)) for line in reading.header.lines]


def kinds_of_problems(reading: Reading) -> list[str]:
    return [problem.kind for problem in reading.problems]


def line_of(reading: Reading, component: str) -> PayrollLine:
    return next(line for line in reading.header.lines if line.component == component)


def test_wages_taxes_benefits_and_net_pay_of_an_hourly_person():
    reading = read(
        payroll(
            paid(
                "h",
                "1150.00",
                "861.00",
                hourly_compensations=[hours("800.00"), hours("150.00", "Overtime", count="5.000")],
                fixed_compensations=[fixed("200.00", "Commission")],
                taxes=[tax("230.00"), tax("57.50", "Social Security", employer=True)],
                benefits=[benefit("59.00", "120.00")],
            )
        )
    )
    assert reading.problems == ()
    assert rows(reading) == [
        ("earning", "Regular Hours", "800.00"),
        ("earning", "Overtime", "150.00"),
        ("earning", "Commission", "200.00"),
        ("employee_tax", "Federal Income Tax", "230.00"),
        ("employer_tax", "Social Security", "57.50"),
        ("benefit_deduction", "Dental", "59.00"),
        ("employer_contribution", "Dental", "120.00"),
        ("net_pay", "Direct Deposit", "861.00"),
    ]
    first = reading.header.lines[0]
    assert (first.employee, first.employee_code, first.job, first.department) == ("h", "h1", "Driver", "Fleet")
    assert (first.location, first.compensation_level, first.hours) == ("Salem", "Nonexempt", Decimal("40.000"))
    assert [line.number for line in reading.header.lines] == list(range(1, 9))
    assert line_of(reading, "Dental").job == ""
    assert line_of(reading, "Dental").location == "Salem"


def test_the_second_job_brings_its_title_and_place():
    wages = [hours("400.00"), hours("300.00", job="job-2", count="20.000")]
    reading = read(payroll(paid("h", "700.00", "700.00", hourly_compensations=wages)))
    assert [(line.job, line.location) for line in reading.header.lines] == [
        ("Driver", "Salem"),
        ("Clerk", "Bend"),
        ("", "Salem"),
    ]


def test_the_header_says_type_period_and_the_day_of_the_debit_in_california():
    header = read(payroll(paid("s", "0.00", "0.00"))).header
    assert (header.payroll_type, header.off_cycle_reason, header.currency) == ("regular", "", "USD")
    assert (header.period_start, header.period_end) == (datetime.date(2026, 6, 6), datetime.date(2026, 6, 19))
    # 00:00 UTC on the 25th is 17:00 on the 24th where Gusto's banking day ends.
    assert header.debit_date == datetime.date(2026, 6, 24)


def test_a_salary_that_is_not_itemised_becomes_one_line_and_time_off_is_a_part_of_it():
    reading = read(
        payroll(paid("s", "4000.00", "4000.00", paid_time_off=[time_off("400.00"), time_off("0.00", "Sick Hours")]))
    )
    assert rows(reading) == [
        ("earning", "Vacation Hours", "400.00"),
        ("earning", "Salary", "3600.00"),
        ("net_pay", "Direct Deposit", "4000.00"),
    ]
    salary = line_of(reading, "Salary")
    assert (salary.is_residual, salary.job) == (True, "Baker")
    assert line_of(reading, "Vacation Hours").hours == Decimal("8.000")


@pytest.mark.parametrize(
    ("person", "gross", "itemised", "problem"),
    [
        ("h", "900.00", "800.00", "salary_unexplained"),
        ("s", "700.00", "800.00", "salary_unexplained"),
        ("unseen", "900.00", "0.00", "salary_unexplained"),
    ],
)
def test_a_rest_of_gross_that_is_no_salary_is_a_problem(person, gross, itemised, problem):
    reading = read(payroll(paid(person, gross, gross, hourly_compensations=[hours(itemised)])))
    assert problem in kinds_of_problems(reading)
    assert not any(line.is_residual for line in reading.header.lines)
    assert "lost" not in kinds_of_problems(reading)


def test_without_the_scope_for_pay_the_problem_names_the_scope():
    blind = salaried(jobs={"job-s": Job("Baker", True, "", "Salem", "")})
    reading = read(payroll(paid("s", "900.00", "900.00")), {"s": blind})
    assert kinds_of_problems(reading) == ["pay_hidden"]
    assert "compensations:read" in reading.problems[0].sentence


def test_tips_are_tips_and_cash_tips_are_in_gross_but_not_in_net():
    extra = [fixed("150.00", "Paycheck Tips"), fixed("90.00", "Cash  tips")]
    reading = read(
        payroll(paid("h", "640.00", "550.00", hourly_compensations=[hours("400.00")], fixed_compensations=extra))
    )
    assert rows(reading)[1:3] == [("tips", "Paycheck Tips", "150.00"), ("cash_tips", "Cash tips", "90.00")]
    assert reading.sums.net_off.people == 0
    assert reading.problems == ()


@pytest.mark.parametrize(("gross", "net"), [("2500.00", "2500.00"), ("0.00", "2500.00"), ("0.00", "0.00")])
def test_an_owners_draw_inside_or_outside_gross_pay(gross, net):
    draw = paid("s", gross, net, fixed_compensations=[fixed("2500.00", "Owner’s Draw", "job-s")])
    draw["check_amount"] = "2500.00"
    reading = read(payroll(draw))
    assert rows(reading) == [("owners_draw", "Owner’s Draw", "2500.00"), ("net_pay", "Direct Deposit", "2500.00")]
    sums = reading.sums
    assert (sums.gross_off.people, sums.net_off.people, sums.check_off.people) == (0, 0, 0)
    assert sums.draws_outside == (Decimal("0.00") if gross == "2500.00" else Decimal("2500.00"))
    assert reading.problems == ()


def test_a_draw_beside_wages_is_a_problem():
    both = paid("s", "3000.00", "3000.00", fixed_compensations=[fixed("2500.00", "Owner's Draw", "job-s")])
    assert kinds_of_problems(read(payroll(both))) == ["draw_unexplained"]


def test_reimbursements_are_counted_once():
    listed = [{"amount": "45.60", "description": "Travel"}, {"amount": "2.00", "description": None}]
    twice = {
        "reimbursements": listed,
        "fixed_compensations": [fixed("47.60", "reimbursement", "job-s")],
        "reimbursed": "47.60",
    }
    once = {"fixed_compensations": [fixed("47.60", "Reimbursement", "job-s")], "reimbursed": "47.60"}
    off_cycle = read(payroll(paid("s", "0.00", "0.00", **twice)))
    assert rows(off_cycle) == [
        ("reimbursement", "Travel", "45.60"),
        ("reimbursement", "Reimbursement", "2.00"),
        ("net_pay", "Direct Deposit", "47.60"),
    ]
    assert line_of(off_cycle, "Travel").job == "Baker"
    older = read(payroll(paid("s", "0.00", "0.00", **once)))
    assert rows(older) == [("reimbursement", "Reimbursement", "47.60"), ("net_pay", "Direct Deposit", "47.60")]
    assert off_cycle.problems == older.problems == ()
    twice["fixed_compensations"] = [fixed("40.00", "Reimbursement", "job-s")]
    assert kinds_of_problems(read(payroll(paid("s", "0.00", "0.00", **twice)))) == ["reimbursement_unclear"]


def test_an_imputed_benefit_is_memo_but_its_deduction_is_real():
    reading = read(payroll(paid("s", "100.00", "90.00", benefits=[benefit("10.00", "22.00", "Gym", imputed=True)])))
    assert rows(reading)[1:3] == [("benefit_deduction", "Gym", "10.00"), ("imputed", "Gym", "22.00")]
    assert (reading.sums.contributions, reading.sums.imputed) == (Decimal("22.00"), Decimal("22.00"))


def test_company_taxes_stand_last_without_a_person_and_may_be_negative():
    company = [tax("-0.92", "MO Deduction", employer=True), tax("5.00", "NY MCTMT", employer=True)]
    reading = read(payroll(paid("s", "100.00", "100.00"), company_taxes=company))
    assert rows(reading)[-2:] == [("employer_tax", "MO Deduction", "-0.92"), ("employer_tax", "NY MCTMT", "5.00")]
    last = reading.header.lines[-1]
    assert (last.employee, last.department, last.job, last.number) == ("", "", "", len(reading.header.lines))
    assert reading.sums.company_taxes == Decimal("4.08")
    assert reading.sums.employer_taxes == Decimal("0.00")


def test_a_company_tax_that_is_not_the_employers_is_a_problem():
    reading = read(payroll(paid("s", "1.00", "1.00"), company_taxes=[tax("3.00", "Odd Tax", employer=False)]))
    assert kinds_of_problems(reading) == ["company_tax"]


def test_deductions_by_nature_where_it_can_be_read():
    natures = {"county court": "court_ordered", "loan": ""}
    rows_given = [
        {"name": "County  Court", "amount": "12.00"},
        {"name": "Loan", "amount": "5.00"},
        {"name": "Uniform", "amount": "3.00"},
    ]
    reading = read(payroll(paid("s", "100.00", "80.00", deductions=rows_given)), {"s": salaried(deductions=natures)})
    assert rows(reading)[1:4] == [
        ("garnishment", "County Court", "12.00"),
        ("other_deduction", "Loan", "5.00"),
        ("other_deduction", "Uniform", "3.00"),
    ]


def support(*amounts: str) -> list[dict[str, Any]]:
    return [{"name": f"CHILD SUPPORT - {at}", "amount": amount} for at, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("amounts", "debited", "expected"),
    [
        (("100.00", "250.00"), "350.00", ["child_support", "child_support"]),
        (("100.00", "250.00"), "0.00", ["garnishment", "garnishment"]),
        (("100.00", "250.00"), "250.00", ["garnishment", "child_support"]),
        (("100.00", "30.00", "70.01"), "100.01", ["garnishment", "child_support", "child_support"]),
    ],
)
def test_child_support_is_what_gusto_debited(amounts, debited, expected):
    total = sum(map(Decimal, amounts))
    person = paid("s", "1000.00", str(1000 - total), deductions=support(*amounts))
    reading = read(payroll(person, child_support=debited))
    assert [line.kind.value for line in reading.header.lines if line.component.startswith("CHILD")] == expected
    assert reading.sums.child_support == Decimal(debited)
    assert reading.problems == ()


@pytest.mark.parametrize(("amounts", "debited"), [(("100.00", "250.00"), "240.00"), (("100.00", "100.00"), "100.00")])
def test_child_support_that_cannot_be_told_stops(amounts, debited):
    total = sum(map(Decimal, amounts))
    person = paid("s", "1000.00", str(1000 - total), deductions=support(*amounts))
    reading = read(payroll(person, child_support=debited))
    assert kinds_of_problems(reading) == ["child_support"]
    assert debited in reading.problems[0].sentence


def test_an_agency_that_gusto_does_not_pay_is_left_out_first():
    natures = {"child support - 0": "child_support_not_remitted", "child support - 1": "child_support"}
    person = paid("s", "1000.00", "800.00", deductions=support("100.00", "100.00"))
    reading = read(payroll(person, child_support="100.00"), {"s": salaried(deductions=natures)})
    assert [line.kind.value for line in reading.header.lines[1:3]] == ["garnishment", "child_support"]


def test_many_child_support_orders_end_in_time():
    deductions = support(*(f"{at * 7 + 0.13:.2f}" for at in range(1, 201)))
    total = sum(Decimal(row["amount"]) for row in deductions)
    person = paid("s", "200000.00", str(200000 - total), deductions=deductions)
    assert kinds_of_problems(read(payroll(person, child_support="777.77"))) == ["child_support"]


def test_net_pay_follows_the_payment_method():
    check = paid("s", "10.00", "10.00", payment_method="Check")
    assert rows(read(payroll(check)))[-1] == ("net_pay", "Check", "10.00")
    odd = paid("s", "10.00", "10.00", payment_method="Pigeon")
    assert kinds_of_problems(read(payroll(odd))) == ["payment_method"]
    nothing = paid("s", "0.00", "0.00", payment_method=None)
    assert read(payroll(nothing)).header.lines == ()
    assert read(payroll(nothing)).problems == ()


def test_an_excluded_person_is_skipped_even_with_pay():
    reading = read(payroll(paid("s", "10.00", "10.00"), paid("h", "999.00", "999.00", excluded=True)))
    assert {line.employee for line in reading.header.lines} == {"s"}
    assert reading.sums.people == 1


def test_a_person_twice_is_a_problem_and_counted_once():
    reading = read(payroll(paid("s", "10.00", "10.00"), paid("s", "10.00", "10.00")))
    assert kinds_of_problems(reading) == ["twice"]
    assert len(reading.header.lines) == 2


def test_text_and_number_are_read_alike_and_without_loss():
    as_text = paid("h", "1900.10", "1900.10", hourly_compensations=[hours("1900.10")])
    raw = text(payroll(as_text)).replace('"1900.10"', "1900.1")
    assert rows(read_document([raw], EVERYBODY)) == rows(read(payroll(as_text)))
    assert read_document([raw], EVERYBODY).digest == read(payroll(as_text)).digest


def with_person(field: str, amount: str) -> str:
    """A payroll of one person, with JSON text in place of one of the person's amounts."""
    head, _, tail = text(payroll(paid("s", "10.01", "10.01"))).rpartition(f'"{field}": "10.01"')
    return f'{head}"{field}": {amount}{tail}'


@pytest.mark.parametrize("amount", ["10.005", '"10.005"', "10.00500000000000078"])
def test_a_fraction_of_a_cent_is_a_problem_not_rounded(amount):
    assert kinds_of_problems(read_document([with_person("gross_pay", amount)], EVERYBODY)) == ["too_precise"]


@pytest.mark.parametrize("amount", ['"1,000.00"', "true", '"NaN"', '""', "[]"])
def test_what_is_no_number_is_a_problem(amount):
    assert kinds_of_problems(read_document([with_person("net_pay", amount)], EVERYBODY)) == ["unreadable"]
    in_totals = text(payroll(paid("s", "1.00", "1.00"))).replace('"tax_debit": "0.00"', f'"tax_debit": {amount}')
    assert kinds_of_problems(read_document([in_totals], EVERYBODY)) == ["unreadable"]


def test_a_tax_that_does_not_say_whose_it_is_is_a_problem():
    silent = tax("1.00") | {"employer": None}
    assert kinds_of_problems(read(payroll(paid("s", "10.00", "9.00", taxes=[silent])))) == ["unreadable"]


def test_an_amount_without_a_name_and_one_of_an_unknown_job_are_problems():
    nameless = paid("h", "10.00", "10.00", hourly_compensations=[hours("10.00", name="  ")])
    assert kinds_of_problems(read(payroll(nameless))) == ["unnamed"]
    gone = paid("h", "10.00", "10.00", hourly_compensations=[hours("10.00", job="job-gone")])
    reading = read(payroll(gone))
    assert kinds_of_problems(reading) == ["unknown_job"]
    assert reading.header.lines[0].job == ""


def test_a_correction_may_take_back_a_salary_that_is_not_itemised():
    back = paid("s", "-300.00", "-300.00")
    off_cycle: dict[str, Any] = {"off_cycle": True, "off_cycle_reason": "Correction"}
    assert rows(read(payroll(back, **off_cycle))) == [
        ("earning", "Salary", "-300.00"),
        ("net_pay", "Direct Deposit", "-300.00"),
    ]
    assert kinds_of_problems(read(payroll(back))) == ["salary_unexplained"]


def test_no_sentence_names_a_person():
    reading = read(payroll(paid("somebody-unseen", "1.00", "1.00")))
    assert "1 person" in " ".join(problem.sentence for problem in reading.problems)
    assert not any("somebody" in problem.sentence for problem in reading.problems)


def test_pages_are_one_payroll():
    people = [paid(f"p{at}", "10.00", "10.00") for at in range(26)]
    known = {f"p{at}": salaried() for at in range(26)}
    whole = payroll(*people)
    pages = [whole | {"employee_compensations": people[:25]}, whole | {"employee_compensations": people[25:]}]
    in_pages = read_document([text(page) for page in pages], known)
    assert in_pages.header == read(whole, known).header
    assert in_pages.digest == read(whole, known).digest
    assert in_pages.sums.people == 26


def test_the_digest_is_of_content_alone():
    people = [paid("s", "10.00", "10.00"), paid("h", "5.00", "5.00", hourly_compensations=[hours("5.00")])]
    base = read(payroll(*people)).digest
    assert read(payroll(*reversed(people))).digest == base
    assert read(payroll(*people, payroll_status_meta={"cancellable": True})).digest == base
    assert read(payroll(people[0] | {"first_name": "Ada", "version": "x"}, people[1])).digest == base
    assert read(payroll(people[0] | {"payment_method": "Check"}, people[1])).digest != base
    assert read(payroll(people[0] | {"excluded": True}, people[1])).digest != base
    assert read(payroll(*people, check_date="2026-06-27")).digest != base


@pytest.mark.parametrize("pages", [[], ["[]"], ["not json"], ["{}"]])
def test_what_is_no_payroll_is_refused(pages):
    with pytest.raises(Unreadable):
        read_document(pages, {})


# Invariant I3

cents = st.integers(min_value=-500_000, max_value=5_000_000).map(lambda value: Decimal(value).scaleb(-2))
names = st.sampled_from(["Bonus", "bonus ", "Paycheck Tips", "Cash Tips", "Commission", "Reimbursement"])


@st.composite
def compensations(draw: Any, employee: str) -> dict[str, Any]:
    def amounts(most: int = 3) -> list[str]:
        return [str(amount) for amount in draw(st.lists(cents, max_size=most))]

    wages = [hours(amount, job=draw(st.sampled_from(["job-h", "job-2"]))) for amount in amounts()]
    extra = [fixed(amount, draw(names)) for amount in amounts()]
    off = [time_off(amount) for amount in amounts(2)]
    listed = [{"amount": amount, "description": draw(st.sampled_from([None, "Tools"]))} for amount in amounts(2)]
    itemised = sum(
        (Decimal(row["amount"]) for row in [*wages, *extra, *off] if row["name"] != "Reimbursement"), Decimal()
    )
    return paid(
        employee,
        str(itemised + draw(st.sampled_from([Decimal(), Decimal("0.01"), Decimal("1250.00")]))),
        str(draw(cents)),
        hourly_compensations=wages,
        fixed_compensations=extra,
        paid_time_off=off,
        reimbursements=listed,
        taxes=[tax(amount, employer=draw(st.booleans())) for amount in amounts()],
        benefits=[benefit(amount, str(draw(cents)), imputed=draw(st.booleans())) for amount in amounts()],
        deductions=[{"name": draw(st.sampled_from(["Child support", "Loan"])), "amount": a} for a in amounts()],
        payment_method=draw(st.sampled_from(["Direct Deposit", "Check"])),
    )


@given(st.tuples(compensations("s"), compensations("h")), st.lists(cents, max_size=3))
def test_every_cent_is_in_exactly_one_line(people, company):
    company_taxes = [tax(str(amount), "Levy", employer=True) for amount in company]
    reading = read(payroll(*people, company_taxes=company_taxes))
    lines = reading.header.lines
    assert "lost" not in kinds_of_problems(reading)
    for person in people:
        mine = [line for line in lines if line.employee == person["employee_uuid"]]
        for name, amount, kinds in (
            ("taxes", "amount", {LineKind.EMPLOYEE_TAX, LineKind.EMPLOYER_TAX}),
            ("benefits", "employee_deduction", {LineKind.BENEFIT_DEDUCTION}),
            ("benefits", "company_contribution", {LineKind.EMPLOYER_CONTRIBUTION, LineKind.IMPUTED}),
            ("deductions", "amount", {LineKind.GARNISHMENT, LineKind.CHILD_SUPPORT, LineKind.OTHER_DEDUCTION}),
        ):
            given_cents = sorted(Decimal(row[amount]) for row in person[name] if Decimal(row[amount]))
            assert sorted(line.amount for line in mine if line.kind in kinds) == given_cents
        wages = {LineKind.EARNING, LineKind.TIPS, LineKind.CASH_TIPS}
        if not {"salary_unexplained"} & set(kinds_of_problems(reading)):
            assert sum(line.amount for line in mine if line.kind in wages) == Decimal(person["gross_pay"])
        assert sum(line.amount for line in mine if line.kind is LineKind.NET_PAY) == Decimal(person["check_amount"])
    assert sum(line.amount for line in lines if not line.employee) == sum(company)


@given(compensations("h"), st.data())
def test_a_lost_or_doubled_line_is_noticed(person, data):
    reading = read(payroll(person))
    lines = list(reading.header.lines)
    if kinds_of_problems(reading) or not lines:
        return
    assert lost_cents(person, lines) == 0
    victim = data.draw(st.sampled_from(lines))
    assert lost_cents(person, [line for line in lines if line is not victim]) == abs(victim.amount)
    assert lost_cents(person, [*lines, victim]) == abs(victim.amount)


# People


def test_nothing_private_is_kept_of_an_employee():
    employee = {
        "uuid": "e1",
        "first_name": "Ada",
        "last_name": "Byron",
        "employee_code": "ab12cd",
        "department": " Ovens ",
        "date_of_birth": "1990-01-01",
        "ssn": "123-45-6789",
        "phone": "5551234567",
        "email": "ada@example.com",
        "home_address": {"street_1": "1 Hidden Lane"},
        "jobs": [
            {
                "uuid": "j1",
                "title": "Baker",
                "primary": True,
                "payment_unit": "Year",
                "rate": "98765.00",
                "location": {"street_1": "2 Mill Road", "city": "Salem", "state": "OR"},
                "current_compensation_uuid": "c2",
                "compensations": [
                    {"uuid": "c1", "flsa_status": "Nonexempt", "rate": "1.00"},
                    {"uuid": "c2", "flsa_status": "Exempt", "rate": "98765.00"},
                ],
            }
        ],
        "custom_fields": [{"name": "Cost center", "value": "K-10", "type": "text"}, {"name": "Empty", "value": None}],
        "garnishments": [
            {
                "description": "Child support - 9",
                "garnishment_type": "child_support",
                "amount": "44.44",
                "court_ordered": True,
                "child_support": {"state": "SC", "case_number": "SECRETCASE"},
            },
            {"description": "Tools", "garnishment_type": None, "court_ordered": False, "amount": "1.00"},
        ],
    }
    kept = json.dumps(kept_of(employee))
    for private in (
        "Ada",
        "Byron",
        "1990",
        "123-45",
        "555123",
        "example",
        "Lane",
        "Mill",
        "98765",
        "SECRETCASE",
        "44.44",
    ):
        assert private not in kept
    person = person_of(json.loads(kept))
    assert (person.employee_code, person.department) == ("ab12cd", "Ovens")
    assert person.jobs["j1"] == person.primary_job == documents.SALARIED
    assert person.custom_fields == (("Cost center", "K-10"),)
    assert person.deductions == {"child support - 9": "child_support_not_remitted", "tools": ""}


def test_the_primary_job_is_never_guessed():
    two = {"a": Job("A", False, "Year"), "b": Job("B", False, "Year")}
    assert Person(jobs=two).primary_job.title == ""
    assert Person(jobs={"a": two["a"]}).primary_job.title == "A"


# The recorded payroll

RECORDED = "reference/gusto/employees-recorded.json"


def recorded_people(shared: Any, with_levels: bool = True) -> dict[str, Person]:
    path = shared / RECORDED
    if not path.exists():
        pytest.skip(f"../shared/{RECORDED} is not here")
    employees = simplejson.loads(path.read_text(), use_decimal=True)
    if not with_levels:
        for job in (job for employee in employees for job in employee["jobs"]):
            job["compensations"] = []
    return {employee["uuid"]: person_of(kept_of(employee)) for employee in employees}


@pytest.mark.contract
def test_the_recorded_payroll_gives_the_lines_of_the_worked_example(shared):
    example = shared / "accounting/examples/22-recorded-payroll/payroll_lines.csv"
    document = shared / "reference/gusto/payroll-full-2026-06-15.derived.json"
    if not example.exists() or not document.exists():
        pytest.skip("../shared has no example 22 or no derived payroll")
    with example.open(newline="") as file:
        expected = list(csv.DictReader(file))
    # The example has no compensation levels, so they are taken out of the people as well.
    reading = read_document([document.read_text()], recorded_people(shared, with_levels=False))
    assert reading.problems == ()
    codes: dict[str, str] = {}
    got = []
    for line, row in zip(reading.header.lines, expected, strict=True):
        extras = {name: value for name, _, value in (pair.partition("=") for pair in row["extras"].split(";")) if name}
        got.append(
            {
                "run": row["run"],
                "line": str(line.number),
                "kind": line.kind.value,
                "component": line.component,
                "employee": codes.setdefault(line.employee, row["employee"]),
                "job": line.job,
                "department": line.department,
                "location": line.location,
                "compensation_level": line.compensation_level,
                "amount": str(line.amount),
                "extras": row["extras"],
            }
        )
        assert line.is_residual == (extras.get("derived") == "residual")
        assert line.hours == (Decimal(extras["hours"]) if "hours" in extras else None)
    assert got == expected
    assert len(set(codes.values())) == len(codes)


@pytest.mark.contract
def test_the_raw_recording_is_read_and_what_it_lacks_is_said(shared):
    """The older shape gives no amounts for hours, so hourly wages cannot be told apart: a problem, no guess."""
    path = shared / "reference/gusto/payroll-calculated-recorded.json"
    if not path.exists():
        pytest.skip("../shared/reference/gusto/payroll-calculated-recorded.json is not here")
    reading = read_document([path.read_text()], recorded_people(shared))
    assert kinds_of_problems(reading) == ["salary_unexplained"]
    assert not reading.facts.is_processed
    assert {line.compensation_level for line in reading.header.lines} == {"Exempt", "Nonexempt"}
    assert sum(line.amount for line in reading.header.lines if line.kind is LineKind.REIMBURSEMENT) == Decimal("2.00")


@pytest.mark.contract
@pytest.mark.parametrize("name", ["payroll-full-processed.json", "payroll-get-2025-11-15-shape.json"])
def test_official_samples_are_read_without_a_fault_of_ours(shared, name):
    path = shared / "reference/gusto" / name
    if not path.exists():
        pytest.skip(f"../shared/reference/gusto/{name} is not here")
    reading = read_document([path.read_text()], {})
    assert reading.header.lines
    assert not {"lost", "unreadable"} & set(kinds_of_problems(reading))
