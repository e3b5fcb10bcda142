"""The general ledger report (gusto.md 8): asked for, polled, fetched from a presigned address; to the cent.

Account types beyond those seen in the vendor's samples are assumed by analogy ("OvertimeWages"): there is no closed
list. An accounting integration (aggregation `integration`) is not set up here and refused.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from audit.sandbox import Answer, Refused, Request
from gusto.sandbox import calculate, errors, money
from gusto.sandbox.access import Access, Caller
from gusto.sandbox.state import State

AGGREGATIONS = {"default": "", "job": "Job", "department": "Department"}
WAGES = {
    "Regular Hours": ("RegularWages", "Regular Wages"),
    "Overtime": ("OvertimeWages", "Overtime Wages"),
    "Double overtime": ("DoubleOvertimeWages", "Double Overtime Wages"),
    "Vacation Hours": ("VacationWages", "Vacation Wages"),
    "Sick Hours": ("SickWages", "Sick Wages"),
    "Holiday Hours": ("HolidayWages", "Holiday Wages"),
}


class Entry(NamedTuple):
    """One amount of the ledger: positive cents are a debit. `person` is named in the detailed table only."""

    account_type: str
    description: str
    dimension: str
    cents: int
    person: str = ""


class Reports:
    """The report addresses."""

    def __init__(self, state: State, access: Access) -> None:
        self.state = state
        self.access = access

    def create(self, request: Request, caller: Caller, payroll: str) -> Answer:
        """POST /v1/payrolls/{uuid}/reports/general_ledger {aggregation, integration_type}."""
        self.access.owned(caller, payroll, "payroll")
        try:
            body = request.json()
        except ValueError:
            raise errors.malformed_body() from None
        if not isinstance(body, dict):
            raise errors.malformed_body()
        aggregation = body.get("aggregation")
        if aggregation not in AGGREGATIONS:
            raise errors.invalid_value("aggregation", "Invalid aggregation option.")
        if body.get("integration_type") is not None:
            raise errors.invalid_value("integration_type", "Integration type must be null for this aggregation.")
        row = self.state.held(f"payroll:{caller.company_uuid}", payroll)
        if not row["public"]["processed"]:
            raise errors.invalid_operation("The payroll has not been processed.")
        request_uuid = str(uuid.uuid4())
        report = {
            "company_uuid": caller.company_uuid,
            "payroll_uuid": payroll,
            "aggregation": aggregation,
            "polls": 0,
            "file": "",
        }
        self.state.store.put("report", request_uuid, report)
        answer = {"payroll_uuid": payroll, "aggregation": aggregation, "integration_type": None}
        return Answer(200, {**answer, "request_uuid": request_uuid})

    def poll(self, request: Request, caller: Caller, report: str) -> Answer:
        """GET /v1/reports/{request_uuid}: pending at first, then succeeded with an address that works ten minutes."""
        row = self.state.held("report", report)
        if row["company_uuid"] != caller.company_uuid:
            raise errors.foreign()
        row["polls"] += 1
        if row["polls"] <= self.state.settings.report_polls:
            self.state.store.put("report", report, row)
            return Answer(200, {"request_uuid": report, "status": "pending", "report_urls": []})
        if not row["file"]:
            row["file"] = secrets.token_urlsafe(24)
            expires_at = self.state.now_milliseconds() + self.state.settings.report_seconds * 1000
            document = self.document(row["company_uuid"], row["payroll_uuid"], row["aggregation"])
            self.state.store.put("report_file", row["file"], {"expires_at": expires_at, "document": document})
        self.state.store.put("report", report, row)
        url = f"{request.base_url}/presigned/{row['file']}.json?X-Amz-Expires={self.state.settings.report_seconds}"
        return Answer(200, {"request_uuid": report, "status": "succeeded", "report_urls": [url]})

    def download(self, request: Request, file: str) -> Answer:
        """The presigned address: no token, and none must be sent, as with the storage that real reports lie in."""
        if request.header("Authorization"):
            raise _storage(400, "InvalidArgument", "Only one auth mechanism allowed")
        row = self.state.store.get("report_file", file)
        if row is None:
            raise _storage(403, "SignatureDoesNotMatch", "The request signature does not match")
        if row["expires_at"] <= self.state.now_milliseconds():
            raise _storage(403, "AccessDenied", "Request has expired")
        return Answer(200, row["document"])

    def document(self, company_uuid: str, payroll_uuid: str, aggregation: str) -> dict[str, Any]:
        """The report file: two tables, Basic and Detailed."""
        company = self.state.company(company_uuid)
        public = self.state.held(f"payroll:{company_uuid}", payroll_uuid)["public"]
        people = [row for row in self.state.store.all(f"compensation:{payroll_uuid}") if not row["paid"]["excluded"]]
        entries = [entry for person in people for entry in _person(person, aggregation)]
        entries += _company(public["company_taxes"], people, company["company_taxes_are_debited"])
        return {
            "company_name": company["public"]["name"],
            "ledger_description": _description(public),
            "check_date": public["check_date"],
            "data": [
                _table("Basic", entries, AGGREGATIONS[aggregation]),
                _table("Detailed", entries, AGGREGATIONS[aggregation]),
            ],
        }


def _storage(status: int, code: str, message: str) -> Refused:
    content = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Refused(Answer(status, content, content_type="application/xml"))


def _description(public: dict[str, Any]) -> str:
    kind = public.get("off_cycle_reason") or "Regular"
    period = public["pay_period"]
    if not period["start_date"]:
        return f"Ledger for {kind} Payroll"
    first, last = date.fromisoformat(period["start_date"]), date.fromisoformat(period["end_date"])
    return f"Ledger for {kind} Payroll {first:%b} {first.day} – {last:%b} {last.day}"


def _person(row: dict[str, Any], aggregation: str) -> Iterator[Entry]:
    """The costs of one person and what is owed for them; the bank's part is made from the totals."""
    paid, name = row["paid"], row["name"]

    def at(job_uuid: str) -> str:
        if aggregation == "job":
            return str(row["jobs"][job_uuid])
        return str(row["department"]) if aggregation == "department" else ""

    primary = at(row["primary_job"])
    unitemised = money.cents(paid["gross_pay"])
    for line in paid["hourly_compensations"]:
        cents = money.cents(line["amount"])
        unitemised -= cents
        yield Entry(*WAGES[line["name"]], at(line["job_uuid"]), cents, name)
    for line in paid["paid_time_off"]:
        cents = money.cents(line["amount"])
        unitemised -= cents
        yield Entry(*WAGES[line["name"]], primary, cents, name)
    for line in paid["fixed_compensations"]:
        if line["name"] == "Reimbursement":
            continue
        cents = money.cents(line["amount"])
        unitemised -= cents
        title = line["name"].title()
        account_type = "".join(letter for letter in title if letter.isalpha())
        yield Entry(account_type, title, at(line["job_uuid"]), cents, name)
        if title == "Cash Tips":
            yield Entry("CashTips", "Cash tips already paid", "", -cents)
    yield Entry(*WAGES["Regular Hours"], primary, unitemised, name)
    for line in paid["reimbursements"]:
        yield Entry("Reimbursement", line["description"] or "Reimbursement", primary, money.cents(line["amount"]))
    for line in paid["taxes"]:
        if line["employer"]:
            yield Entry("EmployerTax", f"{line['name']} - employer tax ", primary, money.cents(line["amount"]))
    for line in paid["benefits"]:
        contribution = 0 if line["imputed"] else money.cents(line["company_contribution"])
        yield Entry("BenefitCompanyContribution", f"{line['name']} - company contribution", primary, contribution)
        owed = contribution + money.cents(line["employee_deduction"])
        yield Entry("BenefitLiability", line["name"], "", -owed)
    for line in paid["deductions"]:
        if not calculate.is_child_support(line["name"]):
            yield Entry("Garnishment", line["name"], "", -money.cents(line["amount"]))


def _company(
    company_taxes: list[dict[str, Any]], people: list[dict[str, Any]], company_taxes_are_debited: bool
) -> Iterator[Entry]:
    """Company-level taxes, and what Gusto debits or the employer pays by check."""
    for tax in company_taxes:
        cents = money.cents(tax["amount"])
        yield Entry("EmployerTax", f"{tax['name']} - company tax ", "", cents)
        if not company_taxes_are_debited:
            yield Entry("CompanyTaxLiability", tax["name"], "", -cents)
    totals = calculate.totals([row["paid"] for row in people], company_taxes, company_taxes_are_debited)
    for account_type, description, total in (
        ("DebitNetPay", "Debit net pay", "net_pay_debit"),
        ("DebitTax", "Debit tax", "tax_debit"),
        ("DebitReimbursement", "Debit reimbursement", "reimbursement_debit"),
        ("DebitChildSupport", "Debit child support", "child_support_debit"),
        ("EmployeePaymentCheck", "Employee payments by check", "check_amount"),
    ):
        yield Entry(account_type, description, "", -money.cents(totals[total]))


def _table(data_type: str, entries: list[Entry], column: str) -> dict[str, Any]:
    """Rows summed by account type, description and dimension, debits first."""
    sums: dict[tuple[str, str, str], int] = {}
    for entry in entries:
        description = entry.description
        if data_type == "Detailed" and entry.person:
            description = f"{description} for {entry.person}"
        key = (entry.account_type, description, entry.dimension)
        sums[key] = sums.get(key, 0) + entry.cents
    rows = [(key, cents) for key, cents in sums.items() if cents]
    rows.sort(key=lambda row: row[1] < 0)
    debit = sum(cents for _, cents in rows if cents > 0)
    credit = -sum(cents for _, cents in rows if cents < 0)
    dimension = [column] if column else []
    return {
        "headers": ["Account Type", "Account Description", *dimension, "Debit", "Credit"],
        "rows": [
            [*(key if column else key[:2]), _amount(key[0], max(cents, 0)), _amount(key[0], max(-cents, 0))]
            for key, cents in rows
        ],
        "totals": [None, "Totals", *([""] if column else []), money.text(debit), money.text(credit)],
        "data_type": data_type,
    }


def _amount(account_type: str, cents: int) -> str | None:
    """Text or null; wages with one decimal where that is enough ("1760.0"), as in the vendor's sample."""
    if not cents:
        return None
    return str(money.number(money.text(cents))) if account_type.endswith("Wages") else money.text(cents)
