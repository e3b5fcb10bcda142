"""The general ledger report of the Gusto sandbox agrees with its payroll to the cent (gusto.md 8)."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.gusto.running_sandbox import Running, running

ZERO = Decimal(0)


@pytest.fixture(scope="module")
def gusto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gusto"), employees=45, companies=1, history=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def token(gusto: Running) -> str:
    return gusto.company_token()


def ask(gusto: Running, token: str, payroll: str, **body: Any) -> requests.Response:
    path = f"/v1/payrolls/{payroll}/reports/general_ledger"
    return gusto.call("POST", path, token, json={"aggregation": "default", "integration_type": None} | body)


def url_of(gusto: Running, token: str, payroll: str, aggregation: str = "default") -> str:
    accepted = ask(gusto, token, payroll, aggregation=aggregation).json()
    path = f"/v1/reports/{accepted['request_uuid']}"
    first = gusto.get(path, token).json()
    assert (first["status"], first["report_urls"]) == ("pending", [])
    done = gusto.get(path, token).json()
    assert done["status"] == "succeeded"
    return str(done["report_urls"][0])


def fetch(gusto: Running, token: str, payroll: str, aggregation: str = "default") -> Any:
    answer = requests.get(url_of(gusto, token, payroll, aggregation), timeout=30)
    assert answer.status_code == 200
    return answer.json()


def past_payroll(gusto: Running) -> str:
    return str(next(row["payroll_uuid"] for row in gusto.system.companies()[0]["payrolls"] if row["processed"]))


def sides(table: Any) -> dict[str, Decimal]:
    """Account type -> debits less credits."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in table["rows"]:
        assert (row[-2] is None) != (row[-1] is None)
        assert Decimal(row[-2] or row[-1]) > 0
        sums[row[0]] += Decimal(row[-2] or 0) - Decimal(row[-1] or 0)
    return sums


def check(report: Any, payroll: dict[str, Any]) -> None:
    """Both tables balance, say the same, and their account types equal the payroll's parts."""
    basic, detailed = report["data"]
    for table in (basic, detailed):
        debits = sum((Decimal(row[-2]) for row in table["rows"] if row[-2]), ZERO)
        credits = sum((Decimal(row[-1]) for row in table["rows"] if row[-1]), ZERO)
        assert debits == credits == Decimal(table["totals"][-2]) == Decimal(table["totals"][-1])
    assert sides(basic) == sides(detailed)
    sums = sides(basic)
    totals = {name: Decimal(value) for name, value in payroll["totals"].items()}
    company_taxes = sum((Decimal(tax["amount"]) for tax in payroll["company_taxes"]), ZERO)
    assert sums["EmployerTax"] == totals["employer_taxes"] + company_taxes
    assert sums["BenefitCompanyContribution"] == totals["benefits"] - totals["imputed_pay"]
    assert sums["DebitNetPay"] == -totals["net_pay_debit"]
    assert sums["DebitTax"] == -totals["tax_debit"]
    assert sums["DebitReimbursement"] == -totals["reimbursement_debit"]
    assert sums["DebitChildSupport"] == -totals["child_support_debit"]
    assert sums["EmployeePaymentCheck"] == -totals["check_amount"]
    assert sums["Garnishment"] == totals["child_support_debit"] - totals["other_deductions"]
    assert sums["Reimbursement"] == totals["reimbursements"]
    not_wages = {
        "EmployerTax",
        "BenefitCompanyContribution",
        "BenefitLiability",
        "DebitNetPay",
        "DebitTax",
        "DebitReimbursement",
        "DebitChildSupport",
        "EmployeePaymentCheck",
        "Garnishment",
        "Reimbursement",
        "CompanyTaxLiability",
        "CashTips",
    }
    wages = sum((amount for name, amount in sums.items() if name not in not_wages), ZERO)
    # Cash tips stand on both sides: earned, and already paid by the customer.
    assert wages == totals["gross_pay"] - totals["employee_cash_tips"]
    assert sums["CashTips"] == 0


@pytest.mark.parametrize("aggregation", ["default", "job", "department"])
def test_the_report_agrees_with_the_payroll(gusto, token, aggregation):
    payroll_uuid = past_payroll(gusto)
    payroll = gusto.whole_payroll(token, payroll_uuid)
    report = fetch(gusto, token, payroll_uuid, aggregation)
    assert report["check_date"] == payroll["check_date"]
    columns = {"default": [], "job": ["Job"], "department": ["Department"]}[aggregation]
    headers = ["Account Type", "Account Description", *columns, "Debit", "Credit"]
    assert [table["headers"] for table in report["data"]] == [headers, headers]
    check(report, payroll)


def test_wages_by_department_are_those_of_the_people(gusto, token):
    payroll_uuid = past_payroll(gusto)
    payroll = gusto.whole_payroll(token, payroll_uuid)
    people = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()
    departments = {row["uuid"]: row["department"] or "" for row in people}
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for person in payroll["employee_compensations"]:
        if not person["excluded"]:
            expected[departments[person["employee_uuid"]]] += Decimal(person["gross_pay"])
    table = fetch(gusto, token, payroll_uuid, "department")["data"][0]
    # A liability on the debit side is a negative company tax.
    no_gross = {"EmployerTax", "BenefitCompanyContribution", "Reimbursement", "CompanyTaxLiability"}
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in table["rows"]:
        if row[3] and row[0] not in no_gross:
            found[row[2]] += Decimal(row[3])
    assert found == expected
    assert "" in found


@pytest.mark.parametrize("reason", ["Bonus", "Correction", "Reversal"])
def test_reports_of_special_payrolls(gusto, token, reason):
    if reason == "Reversal":
        uuid = gusto.system.reverse(past_payroll(gusto))["payroll_uuid"]
    else:
        uuid = gusto.system.create_payroll(gusto.company, reason)["payroll_uuid"]
        gusto.system.process(uuid)
    check(fetch(gusto, token, uuid), gusto.whole_payroll(token, uuid))


def test_company_taxes_inside_the_debit(tmp_path):
    with running(tmp_path, companies=0) as gusto:
        made = gusto.system.create_company(employees=20, history=1, company_taxes="inside")
        gusto.company = made["uuid"]
        token, uuid = gusto.company_token(), made["payrolls"][0]["payroll_uuid"]
        report = fetch(gusto, token, uuid)
        check(report, gusto.whole_payroll(token, uuid))
        assert "CompanyTaxLiability" not in sides(report["data"][0])


def test_what_is_refused(gusto, token):
    payroll = past_payroll(gusto)
    for body in (
        {"aggregation": "city"},
        {"aggregation": None},
        {"aggregation": "integration", "integration_type": "xero"},
        {"integration_type": "qbo"},
    ):
        assert ask(gusto, token, payroll, **body).status_code == 422
    assert ask(gusto, token, gusto.open_payroll()).status_code == 422
    assert ask(gusto, token, "unknown").status_code == 404
    assert gusto.get("/v1/reports/unknown", token).status_code == 404
    assert gusto.call("POST", f"/v1/payrolls/{payroll}/reports/general_ledger", token, data="[").status_code == 400


def test_the_presigned_address(gusto, token):
    url = url_of(gusto, token, past_payroll(gusto))
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 400
    assert requests.get(url, timeout=10).status_code == 200
    assert requests.get(url.replace(".json", "x.json"), timeout=10).status_code == 403
    gusto.control("clock", seconds=601)
    assert requests.get(url, timeout=10).status_code == 403
