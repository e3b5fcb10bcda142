"""What a payroll pays: one person's compensation from parts, and the totals from the compensations.

Every sum is made of parts that are already whole cents, so a processed payroll satisfies T1 to T7 of the accounting
rules by construction. Shapes are those of API version 2026-06-15 with all includes; `payrolls` leaves out what was not
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gusto.sandbox import money
from gusto.sandbox.calendar import PERIODS_PER_YEAR
from gusto.sandbox.chance import Source, data

HOURS_PER_PERIOD = 80_000
#: Off-cycle reasons whose payroll carries no wages of the period (gusto.md 4.2).
BONUS = "Bonus"
CORRECTIONS = frozenset({"Correction", "Wage correction"})
TAX_RECONCILIATION = "Tax reconciliation"
BENEFIT_REVERSAL = "Benefit reversal"


@dataclass(frozen=True, slots=True)
class Run:
    """One processing of one payroll. `reason` is the off-cycle reason, empty for a regular payroll."""

    seed: int
    company_number: int
    payroll_number: int
    times_processed: int
    reason: str
    is_external: bool
    plans: dict[str, dict[str, Any]]
    """company_benefit_uuid -> its terms in data/benefits.json."""

    @property
    def has_deductions(self) -> bool:
        """Off-cycle runs skip benefits and regular deductions, but for a last payroll."""
        return not self.reason or self.reason == "Dismissed employee"


@dataclass(slots=True)
class _Pay:
    """The parts of one person's pay while they are gathered; amounts in cents."""

    gross: int = 0
    cash_tips: int = 0
    imputed: int = 0
    pretax: int = 0
    fixed: list[dict[str, Any]] = field(default_factory=list)
    hourly: list[dict[str, Any]] = field(default_factory=list)
    time_off: list[dict[str, Any]] = field(default_factory=list)
    reimbursements: list[dict[str, Any]] = field(default_factory=list)
    reimbursed: int = 0
    taxes: list[dict[str, Any]] = field(default_factory=list)
    employee_taxes: int = 0
    benefits: list[dict[str, Any]] = field(default_factory=list)
    benefit_deductions: int = 0
    deductions: list[dict[str, Any]] = field(default_factory=list)
    deducted: int = 0

    def add_fixed(self, name: str, cents: int, job_uuid: str) -> None:
        self.fixed.append({"name": name, "amount": money.text(cents), "job_uuid": job_uuid})
        self.gross += cents

    def add_hours(self, name: str, thousandths: int, cents: int, job: dict[str, Any], multiplier: float | int) -> None:
        flsa = job["compensations"][0]["flsa_status"]
        self.hourly.append(
            {
                "name": name,
                "hours": money.hours(thousandths),
                "amount": money.text(cents),
                "job_uuid": job["uuid"],
                "compensation_multiplier": multiplier,
                "flsa_status": flsa,
            }
        )
        self.gross += cents

    def add_tax(self, name: str, employer: bool, cents: int) -> None:
        if cents:
            self.taxes.append({"name": name, "employer": employer, "amount": money.text(cents)})
            self.employee_taxes += 0 if employer else cents

    @property
    def left(self) -> int:
        """What could still be deducted."""
        return self.gross - self.employee_taxes - self.benefit_deductions - self.deducted - self.cash_tips


def compensation(employee: dict[str, Any], run: Run) -> dict[str, Any]:
    """One entry of employee_compensations, whole."""
    traits = frozenset(employee["pay"]["traits"])
    source = Source(
        run.seed, "pay", run.company_number, run.payroll_number, run.times_processed, employee["pay"]["number"]
    )
    pay = _Pay()
    if run.reason == BONUS:
        _bonus(pay, employee, traits, source)
    elif run.reason in CORRECTIONS:
        pay.add_fixed("Correction Payment", source.random.randrange(2_000, 20_000), _primary(employee)["uuid"])
    elif run.reason == TAX_RECONCILIATION:
        pay.add_tax("FUTA", True, source.random.randrange(1, 400))
    elif run.reason == BENEFIT_REVERSAL:
        _reverse_benefits(pay, employee, run)
    else:
        _wages(pay, employee, traits, source)
        _extras(pay, employee, traits, source)
    if run.has_deductions:
        _benefits(pay, employee, run)
    if "owners_draw" not in traits and run.reason not in (TAX_RECONCILIATION, BENEFIT_REVERSAL):
        _taxes(pay, employee["pay"]["state"])
    if run.has_deductions:
        _deductions(pay, employee)
    document = _document(pay, employee, traits, run)
    if run.reason in CORRECTIONS and source.happens(30):
        # Paid too much before: this correction takes it back.
        return negated(document)
    return document


def _primary(employee: dict[str, Any]) -> dict[str, Any]:
    primary: dict[str, Any] = next(job for job in employee["public"]["jobs"] if job["primary"])
    return primary


def period_salary(rate_cents: int, payment_unit: str) -> int:
    """A salary for one pay period of two weeks, in cents, half up."""
    yearly = {"Year": 1, "Month": 12, "Week": 52}.get(payment_unit)
    if yearly is None:
        return rate_cents
    return (rate_cents * yearly * 2 + PERIODS_PER_YEAR) // (PERIODS_PER_YEAR * 2)


def hourly_rate(rate_cents: int, payment_unit: str) -> int:
    """The rate by the hour that Gusto's own calculator uses: Year / 2080, Week / 40, Month / 173.333 (gusto.md 4.3)."""
    if payment_unit == "Hour":
        return rate_cents
    return (period_salary(rate_cents, payment_unit) * 2 + HOURS_PER_PERIOD // 1000) // (HOURS_PER_PERIOD // 500)


def _wages(pay: _Pay, employee: dict[str, Any], traits: frozenset[str], source: Source) -> None:
    primary = _primary(employee)
    rate = money.cents(primary["rate"])
    if "owners_draw" in traits:
        pay.add_fixed("Owner's Draw", 250_000, primary["uuid"])
        return
    off = _time_off(pay, traits, source, hourly_rate(rate, primary["payment_unit"]))
    paid_off = sum(money.cents(row["amount"]) for row in pay.time_off)
    if "salary" in traits:
        salary = period_salary(rate, primary["payment_unit"])
        if "itemised" in traits:
            pay.gross += paid_off
            pay.add_hours("Regular Hours", HOURS_PER_PERIOD - off, salary - paid_off, primary, 1)
        else:
            # Unitemised: gross says it, no line does. Time off is inside the salary.
            pay.gross += salary
        return
    pay.gross += paid_off
    shares = [1] if len(employee["public"]["jobs"]) == 1 else [5, 3]
    for job, share in zip(employee["public"]["jobs"], shares, strict=True):
        hours = (HOURS_PER_PERIOD - off) * share // sum(shares) - source.random.randrange(9) * 250
        cents = money.cents(job["rate"])
        pay.add_hours("Regular Hours", hours, money.wage(hours, cents, 10), job, 1)
        if "overtime" in traits:
            over = source.random.randrange(1, 33) * 250
            pay.add_hours("Overtime", over, money.wage(over, cents, 15), job, 1.5)
            if source.happens(25):
                over = source.random.randrange(1, 9) * 250
                pay.add_hours("Double overtime", over, money.wage(over, cents, 20), job, 2)


def _time_off(pay: _Pay, traits: frozenset[str], source: Source, rate: int) -> int:
    """All kinds are listed, taken or not; returns the hours taken in thousandths."""
    taken = 0
    for name in data("earnings")["paid_time_off"]:
        hours = source.random.randrange(1, 5) * 2_000 if "time_off" in traits and source.happens(60) else 0
        pay.time_off.append(
            {
                "name": name,
                "hours": money.hours(hours),
                "amount": money.text(money.wage(hours, rate, 10)),
                "final_payout_unused_hours_input": None,
            }
        )
        taken += hours
    return taken


def _extras(pay: _Pay, employee: dict[str, Any], traits: frozenset[str], source: Source) -> None:
    job_uuid = _primary(employee)["uuid"]
    if "tips" in traits:
        pay.add_fixed("Paycheck Tips", source.random.randrange(8_000, 30_000), job_uuid)
        pay.cash_tips = source.random.randrange(1_000, 6_000)
        pay.add_fixed("Cash Tips", pay.cash_tips, job_uuid)
    if "commission" in traits:
        pay.add_fixed("Commission", source.random.randrange(20_000, 150_000), job_uuid)
    if "stipend" in traits:
        pay.add_fixed("Phone Stipend", 3_500, job_uuid)
    if "reimbursed" in traits:
        _reimburse(pay, source)


def _reimburse(pay: _Pay, source: Source) -> None:
    cents = source.random.randrange(800, 24_000)
    description = source.pick(["Travel expenses", "Tools", None])
    pay.reimbursements.append({"amount": money.text(cents), "description": description})
    pay.reimbursed += cents


def _bonus(pay: _Pay, employee: dict[str, Any], traits: frozenset[str], source: Source) -> None:
    job_uuid = _primary(employee)["uuid"]
    # Both spellings occur in Gusto's samples (gusto.md 4.3).
    name = "bonus" if employee["pay"]["number"] % 7 == 3 else "Bonus"
    pay.add_fixed(name, source.random.randrange(25_000, 200_000), job_uuid)
    if "reimbursed" in traits:
        _reimburse(pay, source)
        # Off-cycle payrolls repeat the reimbursement among the fixed compensations; it is no part of gross.
        amount = pay.reimbursements[0]["amount"]
        pay.fixed.append({"name": "Reimbursement", "amount": amount, "job_uuid": job_uuid})


def _benefits(pay: _Pay, employee: dict[str, Any], run: Run) -> None:
    for enrolment in employee["benefits"]:
        terms = run.plans[enrolment["company_benefit_uuid"]]
        if "employee_percent" in terms:
            deduction = money.per_million(pay.gross, terms["employee_percent"] * 10_000)
            contribution = money.per_million(deduction, terms["match_percent"] * 10_000)
        else:
            deduction, contribution = terms["employee"], terms["company"]
        deduction = max(0, min(deduction, pay.left // 4))
        pay.benefits.append(
            {
                "name": terms["description"],
                "employee_deduction": money.text(deduction),
                "company_contribution": money.text(contribution),
                "imputed": terms["imputed"],
            }
        )
        pay.benefit_deductions += deduction
        pay.pretax += deduction if terms["pretax"] else 0
        pay.imputed += contribution if terms["imputed"] else 0


def _reverse_benefits(pay: _Pay, employee: dict[str, Any], run: Run) -> None:
    for enrolment in employee["benefits"]:
        terms = run.plans[enrolment["company_benefit_uuid"]]
        deduction = terms.get("employee", 0)
        if deduction:
            pay.benefits.append(
                {
                    "name": terms["description"],
                    "employee_deduction": money.text(-deduction),
                    "company_contribution": "0.00",
                    "imputed": terms["imputed"],
                }
            )
            pay.benefit_deductions -= deduction


def _taxes(pay: _Pay, state: str) -> None:
    taxable = max(0, pay.gross + pay.imputed - pay.pretax)
    bases = {"wages": taxable, "income": max(0, taxable - 40_000)}
    for rates in (data("taxes")["federal"], data("taxes")[state]):
        for side, employer in (("employee", False), ("employer", True)):
            for name, base, rate in rates[side]:
                pay.add_tax(name, employer, money.per_million(bases[base], rate))


def _deductions(pay: _Pay, employee: dict[str, Any]) -> None:
    for garnishment in employee["public"]["garnishments"]:
        cents = max(0, min(money.cents(garnishment["amount"]), pay.left // 2))
        pay.deductions.append({"name": garnishment["description"], "amount": money.text(cents)})
        pay.deducted += cents


def _document(pay: _Pay, employee: dict[str, Any], traits: frozenset[str], run: Run) -> dict[str, Any]:
    public = employee["public"]
    has_names = "null_names" not in traits
    net = pay.left
    return {
        "employee_uuid": public["uuid"],
        "excluded": "excluded" in traits,
        "first_name": public["first_name"] if has_names else None,
        "preferred_first_name": public["preferred_first_name"],
        "last_name": public["last_name"] if has_names else None,
        "gross_pay": money.text(pay.gross),
        "net_pay": money.text(net),
        "check_amount": money.text(net + pay.reimbursed),
        "payment_method": "Historical" if run.is_external else public["payment_method"],
        "memo": None,
        "fixed_compensations": pay.fixed,
        "hourly_compensations": pay.hourly,
        "paid_time_off": pay.time_off,
        "reimbursements": pay.reimbursements,
        "taxes": pay.taxes,
        "benefits": pay.benefits,
        "deductions": pay.deductions,
    }


def negated(document: dict[str, Any]) -> dict[str, Any]:
    """The same compensation with every amount and every hour turned: what a reversal payroll carries here.

    The signs of real reversal payrolls are unknown (gusto.md 10).
    """

    def turned(row: dict[str, Any], *names: str) -> dict[str, Any]:
        return {name: _turn(value) if name in names else value for name, value in row.items()}

    return {
        **turned(document, "gross_pay", "net_pay", "check_amount"),
        "fixed_compensations": [turned(row, "amount") for row in document["fixed_compensations"]],
        "hourly_compensations": [turned(row, "amount", "hours") for row in document["hourly_compensations"]],
        "paid_time_off": [turned(row, "amount", "hours") for row in document["paid_time_off"]],
        "reimbursements": [turned(row, "amount") for row in document["reimbursements"]],
        "taxes": [turned(row, "amount") for row in document["taxes"]],
        "benefits": [turned(row, "employee_deduction", "company_contribution") for row in document["benefits"]],
        "deductions": [turned(row, "amount") for row in document["deductions"]],
    }


def _turn(amount: str | None) -> str | None:
    if amount is None or not amount.strip("0."):
        return amount
    return amount[1:] if amount.startswith("-") else f"-{amount}"


def company_taxes(compensations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Taxes on the company beside those of its people; the Missouri one is a small credit, hence negative."""
    withheld: dict[str, int] = {}
    wages: dict[str, int] = {}
    for document in compensations:
        if document["excluded"]:
            continue
        for tax in document["taxes"]:
            if not tax["employer"]:
                withheld[tax["name"]] = withheld.get(tax["name"], 0) + money.cents(tax["amount"])
            elif tax["name"].endswith(" SUI"):
                state = tax["name"][:2]
                wages[state] = wages.get(state, 0) + money.cents(document["gross_pay"])
    rows = []
    for tax in data("taxes")["company"]:
        base = withheld.get(tax["of_tax"], 0) if "of_tax" in tax else wages.get(tax["of_state"], 0)
        cents = money.per_million(base, tax["rate"])
        if cents:
            rows.append({"name": tax["name"], "employer": True, "amount": money.text(cents)})
    return rows


def payroll_taxes(compensations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All people's taxes summed by tax; the amounts are JSON numbers, unlike everything else (gusto.md 1.2)."""
    sums: dict[tuple[str, bool], int] = {}
    for document in compensations:
        if not document["excluded"]:
            for tax in document["taxes"]:
                key = (tax["name"], tax["employer"])
                sums[key] = sums.get(key, 0) + money.cents(tax["amount"])
    return [
        {"name": name, "employer": employer, "amount": money.number(money.text(cents))}
        for (name, employer), cents in sums.items()
    ]


def is_child_support(deduction_name: str) -> bool:
    return deduction_name.lower().startswith("child support")


FIXED_TOTALS = {
    "bonus": "employee_bonuses",
    "commission": "employee_commissions",
    "cash tips": "employee_cash_tips",
    "paycheck tips": "employee_paycheck_tips",
    "owner's draw": "owners_draw",
}
TOTALS = (
    "company_debit",
    "net_pay_debit",
    "tax_debit",
    "reimbursement_debit",
    "child_support_debit",
    "reimbursements",
    "net_pay",
    "gross_pay",
    "employee_bonuses",
    "employee_commissions",
    "employee_cash_tips",
    "employee_paycheck_tips",
    "additional_earnings",
    "owners_draw",
    "check_amount",
    "employer_taxes",
    "employee_taxes",
    "benefits",
    "employee_benefits_deductions",
    "imputed_pay",
    "deferred_payroll_taxes",
    "other_deductions",
)


def totals(
    compensations: Iterable[dict[str, Any]], taxes_of_company: list[dict[str, Any]], company_taxes_are_debited: bool
) -> dict[str, str]:
    """The 22 totals of a payroll, each a sum of parts (gusto.md 4.4). Excluded people count nowhere."""
    sums = dict.fromkeys(TOTALS, 0)
    for document in compensations:
        if not document["excluded"]:
            _add_person(sums, document)
    sums["tax_debit"] = sums["employer_taxes"] + sums["employee_taxes"]
    if company_taxes_are_debited:
        sums["tax_debit"] += sum(money.cents(tax["amount"]) for tax in taxes_of_company)
    sums["company_debit"] = (
        sums["net_pay_debit"] + sums["tax_debit"] + sums["reimbursement_debit"] + sums["child_support_debit"]
    )
    return {name: money.text(cents) for name, cents in sums.items()}


def _add_person(sums: dict[str, int], document: dict[str, Any]) -> None:
    net, check = money.cents(document["net_pay"]), money.cents(document["check_amount"])
    reimbursed = sum(money.cents(row["amount"]) for row in document["reimbursements"])
    sums["gross_pay"] += money.cents(document["gross_pay"])
    sums["net_pay"] += net
    sums["reimbursements"] += reimbursed
    if document["payment_method"] == "Direct Deposit":
        sums["net_pay_debit"] += net
        sums["reimbursement_debit"] += reimbursed
    elif document["payment_method"] == "Check":
        sums["check_amount"] += check
    for row in document["fixed_compensations"]:
        if row["name"] != "Reimbursement":
            name = FIXED_TOTALS.get(row["name"].lower(), "additional_earnings")
            sums[name] += money.cents(row["amount"])
    for row in document["taxes"]:
        sums["employer_taxes" if row["employer"] else "employee_taxes"] += money.cents(row["amount"])
    for row in document["benefits"]:
        contribution = money.cents(row["company_contribution"])
        sums["benefits"] += contribution
        sums["imputed_pay"] += contribution if row["imputed"] else 0
        sums["employee_benefits_deductions"] += money.cents(row["employee_deduction"])
    for row in document["deductions"]:
        cents = money.cents(row["amount"])
        sums["other_deductions"] += cents
        sums["child_support_debit"] += cents if is_child_support(row["name"]) else 0
