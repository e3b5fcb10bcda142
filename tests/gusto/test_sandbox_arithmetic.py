"""Every generated payroll adds up: T1 to T7 of the accounting rules, read over HTTP, Decimal from the raw text."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.gusto.running_sandbox import Running, running

ZERO = Decimal(0)
ALL = "benefits,deductions,taxes,totals,payroll_taxes"


def total(rows: list[dict[str, Any]], name: str = "amount") -> Decimal:
    return sum((Decimal(row[name]) for row in rows), ZERO)


def earnings(person: dict[str, Any]) -> Decimal:
    """What is itemised; a reimbursement among the fixed compensations is no earning."""
    fixed = [row for row in person["fixed_compensations"] if row["name"] != "Reimbursement"]
    return total(person["hourly_compensations"]) + total(fixed) + total(person["paid_time_off"])


def named(people: list[dict[str, Any]], list_name: str, name: str) -> Decimal:
    return sum((total([row for row in person[list_name] if row["name"].lower() == name]) for person in people), ZERO)


def check(payroll: dict[str, Any], residual_allowed: bool = True) -> str:
    """Assert T1 to T7; returns which variant of T2 holds: inside, outside or both (no company taxes)."""
    totals = {name: Decimal(value) for name, value in payroll["totals"].items()}
    people = [person for person in payroll["employee_compensations"] if not person["excluded"]]
    direct = [person for person in people if person["payment_method"] == "Direct Deposit"]
    checks = [person for person in people if person["payment_method"] == "Check"]

    def each(name: str, whom: list[dict[str, Any]] = people) -> Decimal:
        return total(whom, name)

    def inner(list_name: str, name: str = "amount", **where: bool) -> Decimal:
        return sum(
            (
                total([row for row in person[list_name] if all(row[k] == v for k, v in where.items())], name)
                for person in people
            ),
            ZERO,
        )

    # T1
    parts = ("net_pay_debit", "tax_debit", "reimbursement_debit", "child_support_debit")
    assert totals["company_debit"] == sum(totals[name] for name in parts)
    # T2
    of_company = total(payroll["company_taxes"])
    of_people = totals["employer_taxes"] + totals["employee_taxes"]
    assert totals["tax_debit"] in (of_people, of_people + of_company)
    # T3
    assert totals["gross_pay"] == each("gross_pay")
    assert totals["net_pay"] == each("net_pay")
    assert totals["net_pay_debit"] == each("net_pay", direct)
    # T4
    assert totals["check_amount"] == each("check_amount", checks)
    # T5
    assert totals["reimbursements"] == inner("reimbursements")
    assert totals["reimbursement_debit"] == sum((total(person["reimbursements"]) for person in direct), ZERO)
    # T6
    assert totals["employee_taxes"] == inner("taxes", employer=False)
    assert totals["employer_taxes"] == inner("taxes", employer=True)
    assert totals["employee_benefits_deductions"] == inner("benefits", "employee_deduction")
    assert totals["benefits"] == inner("benefits", "company_contribution")
    assert totals["imputed_pay"] == inner("benefits", "company_contribution", imputed=True)
    assert totals["other_deductions"] == inner("deductions")
    child_support = [
        row for person in people for row in person["deductions"] if row["name"].lower().startswith("child support")
    ]
    assert totals["child_support_debit"] == total(child_support)
    for name, field in (
        ("bonus", "employee_bonuses"),
        ("commission", "employee_commissions"),
        ("cash tips", "employee_cash_tips"),
        ("paycheck tips", "employee_paycheck_tips"),
        ("owner's draw", "owners_draw"),
    ):
        assert totals[field] == named(people, "fixed_compensations", name)
    # T7, per person
    for person in payroll["employee_compensations"]:
        gross, net = Decimal(person["gross_pay"]), Decimal(person["net_pay"])
        residual = gross - earnings(person)
        if residual and residual_allowed:
            assert residual * gross > 0, "only an unitemised salary may be left, taken back where pay is taken back"
            assert not person["hourly_compensations"], "a salary is itemised or it is not"
        else:
            assert residual == 0
        taxes = total([row for row in person["taxes"] if not row["employer"]])
        deductions = total(person["benefits"], "employee_deduction") + total(person["deductions"])
        assert net == gross - taxes - deductions - named([person], "fixed_compensations", "cash tips")
        assert Decimal(person["check_amount"]) == net + total(person["reimbursements"])
    # The company sums by tax repeat the people's.
    by_tax: dict[tuple[str, bool], Decimal] = {}
    for person in people:
        for tax in person["taxes"]:
            key = (tax["name"], tax["employer"])
            by_tax[key] = by_tax.get(key, ZERO) + Decimal(tax["amount"])
    assert {(row["name"], row["employer"]): Decimal(row["amount"]) for row in payroll["payroll_taxes"]} == by_tax
    if not of_company:
        return "both"
    return "inside" if totals["tax_debit"] == of_people + of_company else "outside"


@pytest.mark.parametrize(
    ("seed", "employees"), [(1, 1), (1, 12), (2, 12), (3, 2), (4, 37), (5, 120), (6, 260), (7, 5), (8, 60)]
)
def test_regular_payrolls_add_up(tmp_path, seed, employees):
    with running(tmp_path, seed=seed, employees=employees, companies=1, history=2) as gusto:
        gusto.system.process(gusto.open_payroll())
        token = gusto.company_token()
        for summary in gusto.system.companies()[0]["payrolls"]:
            payroll = gusto.whole_payroll(token, summary["payroll_uuid"], ALL)
            assert len(payroll["employee_compensations"]) == employees
            variant = check(payroll)
            if payroll["company_taxes"]:
                assert variant == ("inside" if seed % 2 == 1 else "outside")


@pytest.fixture(scope="module")
def gusto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gusto"), employees=40, companies=1, history=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def token(gusto: Running) -> str:
    return gusto.company_token()


@pytest.mark.parametrize(
    "reason",
    [
        "Adhoc",
        "Benefit reversal",
        "Bonus",
        "Correction",
        "Dismissed employee",
        "Hired employee",
        "Wage correction",
        "Tax reconciliation",
        "Disability insurance distribution",
        "Transition from old pay schedule",
    ],
)
def test_off_cycle_payrolls_add_up(gusto, token, reason):
    created = gusto.system.create_payroll(gusto.company, reason)
    gusto.system.process(created["payroll_uuid"])
    payroll = gusto.whole_payroll(token, created["payroll_uuid"], ALL)
    assert payroll["off_cycle"] is True
    assert payroll["off_cycle_reason"] == reason
    check(payroll)
    if reason == "Bonus":
        assert any(
            row["name"] == "Reimbursement" and person["reimbursements"][0]["amount"] == row["amount"]
            for person in payroll["employee_compensations"]
            for row in person["fixed_compensations"]
        )
        names = {row["name"] for person in payroll["employee_compensations"] for row in person["fixed_compensations"]}
        assert {"Bonus", "bonus"} <= names
    if reason == "Tax reconciliation":
        assert payroll["pay_period"]["start_date"] is None
    if reason in ("Correction", "Wage correction"):
        gross = [Decimal(person["gross_pay"]) for person in payroll["employee_compensations"]]
        assert min(gross) < 0 < max(gross)


def test_a_reversal_payroll_is_the_reversed_one_turned(gusto, token):
    original = next(row for row in gusto.system.companies()[0]["payrolls"] if row["processed"])
    reversal = gusto.system.reverse(original["payroll_uuid"])
    before = gusto.whole_payroll(token, original["payroll_uuid"], ALL)
    after = gusto.whole_payroll(token, reversal["payroll_uuid"], ALL)
    assert after["off_cycle_reason"] == "Reversal"
    check_turned(before, after)


def check_turned(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, value in before["totals"].items():
        assert Decimal(after["totals"][name]) == -Decimal(value)
    assert "-0.00" not in str(after)
    turned = [Decimal(row["gross_pay"]) for row in after["employee_compensations"]]
    assert turned == [-Decimal(row["gross_pay"]) for row in before["employee_compensations"]]


def test_an_owner_on_draw_and_a_company_without_taxes(tmp_path):
    with running(tmp_path, companies=0) as gusto:
        made = gusto.system.create_company(employees=6, owners_draw=True, company_taxes="none", history=1)
        gusto.company = made["uuid"]
        payroll = gusto.whole_payroll(gusto.company_token(), made["payrolls"][0]["payroll_uuid"], ALL)
        check(payroll)
        assert payroll["totals"]["owners_draw"] == "2500.00"
        assert payroll["company_taxes"] == []
        owner = payroll["employee_compensations"][0]
        assert owner["fixed_compensations"][0]["name"] == "Owner's Draw"
        assert owner["taxes"] == []


def test_a_second_processing_pays_other_amounts(gusto, token):
    payroll_uuid = gusto.open_payroll()
    first = gusto.system.process(payroll_uuid)
    gusto.system.cancel(payroll_uuid)
    second = gusto.system.process(payroll_uuid)
    assert first["gross_pay"] != second["gross_pay"]
    check(gusto.whole_payroll(token, payroll_uuid, ALL))


def test_the_same_seed_gives_the_same_company_and_another_seed_another(tmp_path):
    documents = []
    for at, seed in enumerate((11, 11, 12)):
        path = tmp_path / str(at)
        path.mkdir()
        with running(path, seed=seed, employees=20, companies=1, history=1) as gusto:
            token = gusto.company_token()
            payrolls = gusto.system.companies()[0]["payrolls"]
            payroll = gusto.whole_payroll(token, payrolls[0]["payroll_uuid"], ALL)
            documents.append((gusto.get(f"/v1/companies/{gusto.company}/employees", token).json(), payroll))
    assert documents[0][0] == documents[1][0]
    assert documents[0][1]["employee_compensations"] == documents[1][1]["employee_compensations"]
    assert documents[0][1]["totals"] == documents[1][1]["totals"]
    assert documents[0][0] != documents[2][0]


def test_a_small_company_shows_every_oddity(gusto, token):
    payroll_uuid = next(row["payroll_uuid"] for row in gusto.system.companies()[0]["payrolls"] if row["processed"])
    payroll = gusto.whole_payroll(token, payroll_uuid, ALL)
    people = payroll["employee_compensations"][:12]
    by_uuid = {row["uuid"]: row for row in gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()}
    assert any(not person["hourly_compensations"] and person["gross_pay"] != "0.00" for person in people)
    assert any(len({row["job_uuid"] for row in person["hourly_compensations"]}) == 2 for person in people)
    assert any(by_uuid[person["employee_uuid"]]["department_uuid"] is None for person in people)
    assert any(
        row["imputed"] and row["employee_deduction"] != "0.00" for person in people for row in person["benefits"]
    )
    names = [row["name"] for person in people for row in person["deductions"]]
    assert any(name.startswith("Child support") for name in names)
    assert any(name.startswith("Creditor garnishment") for name in names)
    assert "Company loan to employee" in names
    assert any(Decimal(tax["amount"]) < 0 for tax in payroll["company_taxes"])
    assert any(person["last_name"] is None for person in people)
    assert any(person["excluded"] and Decimal(person["gross_pay"]) > 0 for person in people)
    assert any(person["payment_method"] == "Check" for person in people)
    fixed = {row["name"] for person in people for row in person["fixed_compensations"]}
    assert {"Paycheck Tips", "Cash Tips", "Commission", "Phone Stipend"} <= fixed
    assert any(Decimal(row["hours"]) > 0 for person in people for row in person["paid_time_off"])
    assert any(Decimal(row["hours"]) == 0 for person in people for row in person["paid_time_off"])
    assert any(person["reimbursements"] for person in people)
