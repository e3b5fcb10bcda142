"""From a payroll run to journals: small ledgers worked out by hand, every problem, and laws that hold for any run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from mappings.allocation import Allocation, LegKind, Trace, allocate
from mappings.journal import JournalKind, posting_key
from mappings.payroll import Side
from mappings.table import (
    Credits,
    Journals,
    PostingDate,
    Straddle,
    Table,
)
from tests.mappings.runs import DEFAULT_RULES, expected, ledger, run, table

D = Decimal

# Ledgers. Their figures are those of worked examples of payroll accounting, from gross wages to clearing account.

LEDGERS = {
    "a single office": (
        """
        earning       Regular Hours       E01 J1 Office  2000.00
        employee_tax  Federal Income Tax  E01 - Office   180.00
        employee_tax  Social Security     E01 - Office   124.00
        employee_tax  Medicare            E01 - Office   29.00
        employer_tax  Social Security     E01 - Office   124.00
        employer_tax  Medicare            E01 - Office   29.00
        net_pay       Direct Deposit      E01 - Office   1667.00
        earning       Regular Hours       E02 J1 Office  1600.00
        employee_tax  Federal Income Tax  E02 - Office   120.00
        employee_tax  Social Security     E02 - Office   99.20
        employee_tax  Medicare            E02 - Office   23.20
        employer_tax  Social Security     E02 - Office   99.20
        employer_tax  Medicare            E02 - Office   23.20
        net_pay       Direct Deposit      E02 - Office   1357.60
        """,
        table(),
        """
        US01  debit   6000  -  3600.00
        US01  debit   6100  -  275.40
        US01  credit  2110  -  3875.40
        """,
    ),
    "two departments, direct labor in the workshop": (
        """
        earning                Regular Hours    E01 J1 Sales     2000.00
        employee_tax           All taxes        E01 - Sales      323.00
        employer_tax           Social Security  E01 - Sales      124.00
        employer_tax           Medicare         E01 - Sales      29.00
        benefit_deduction      Medical          E01 - Sales      50.00
        employer_contribution  Medical          E01 - Sales      150.00
        net_pay                Direct Deposit   E01 - Sales      1627.00
        earning                Regular Hours    E02 J2 Workshop  1600.00
        employee_tax           All taxes        E02 - Workshop   232.40
        employer_tax           Social Security  E02 - Workshop   99.20
        employer_tax           Medicare         E02 - Workshop   23.20
        benefit_deduction      Medical          E02 - Workshop   50.00
        employer_contribution  Medical          E02 - Workshop   150.00
        net_pay                Direct Deposit   E02 - Workshop   1317.60
        """,
        table(
            """
            R01  earning                -  debit 6000 CostCenter=@department
            R02  employee_tax           -  credit 2110
            R03  employer_tax           -  debit 6100 CostCenter=@department; credit 2110
            R04  benefit_deduction      -  credit 2150
            R05  employer_contribution  -  debit 6200 CostCenter=@department; credit 2150
            R10  net_pay                component=Direct Deposit  credit 2110
            R20  earning                department=Workshop  debit 5000 CostCenter=@department
            """,
            """
            department  Sales     CostCenter  200
            department  Workshop  CostCenter  300
            """,
        ),
        """
        US01  debit   5000  CostCenter=300  1600.00
        US01  debit   6000  CostCenter=200  2000.00
        US01  debit   6100  CostCenter=200  153.00
        US01  debit   6100  CostCenter=300  122.40
        US01  debit   6200  CostCenter=200  150.00
        US01  debit   6200  CostCenter=300  150.00
        US01  credit  2110  -  3775.40
        US01  credit  2150  -  400.00
        """,
    ),
    "one employee, two jobs: employer taxes follow the wages": (
        """
        earning       Regular Hours       E01 J1 Cafe  540.00
        earning       Regular Hours       E01 J2 Cafe  262.50
        employee_tax  Federal Income Tax  E01 - Cafe   40.00
        employee_tax  Social Security     E01 - Cafe   49.76
        employee_tax  Medicare            E01 - Cafe   11.64
        employer_tax  Social Security     E01 - Cafe   49.76
        employer_tax  Medicare            E01 - Cafe   11.64
        net_pay       Direct Deposit      E01 - Cafe   701.10
        """,
        table(
            """
            R01  earning       -  debit 6000 CostCenter=@job
            R02  employee_tax  -  credit 2110
            R03  employer_tax  -  debit 6100 CostCenter=@job; credit 2110
            R10  net_pay       -  credit 2110
            """,
            """
            job  J1  CostCenter  310
            job  J2  CostCenter  320
            """,
        ),
        """
        US01  debit   6000  CostCenter=310  540.00
        US01  debit   6000  CostCenter=320  262.50
        US01  debit   6100  CostCenter=310  41.31
        US01  debit   6100  CostCenter=320  20.09
        US01  credit  2110  -  863.90
        """,
    ),
    "two company codes: net pay balances each": (
        """
        earning            Regular Hours       E01 J1 Ops  600.01
        earning            Regular Hours       E01 J2 Ops  399.99
        employee_tax       Federal Income Tax  E01 - Ops   70.00
        employee_tax       Social Security     E01 - Ops   62.00
        employee_tax       Medicare            E01 - Ops   14.50
        employer_tax       Social Security     E01 - Ops   62.00
        employer_tax       Medicare            E01 - Ops   14.50
        benefit_deduction  401k                E01 - Ops   33.33
        net_pay            Direct Deposit      E01 - Ops   820.17
        earning            Regular Hours       E02 J1 Ops  500.00
        employee_tax       All taxes           E02 - Ops   58.25
        employer_tax       Social Security     E02 - Ops   31.00
        employer_tax       Medicare            E02 - Ops   7.25
        net_pay            Direct Deposit      E02 - Ops   441.75
        """,
        table(
            """
            R01  earning            -  debit 6000 company_code=@job
            R02  employee_tax       -  credit 2110
            R03  employer_tax       -  debit 6100; credit 2110
            R04  benefit_deduction  -  credit 2150
            R10  net_pay            -  credit 2110
            """,
            """
            job  J1  company_code  US01
            job  J2  company_code  US02
            """,
        ),
        """
        US01  debit   6000  -  1100.01
        US01  debit   6100  -  84.15
        US01  credit  2110  -  1164.16
        US01  credit  2150  -  20.00
        US02  debit   6000  -  399.99
        US02  debit   6100  -  30.60
        US02  credit  2110  -  417.26
        US02  credit  2150  -  13.33
        """,
    ),
    "child support by Gusto, a garnishment and a loan by the employer": (
        """
        earning          Regular Hours              E01 J1 Ops  1500.00
        employee_tax     All taxes                  E01 - Ops   214.75
        employer_tax     Social Security            E01 - Ops   93.00
        employer_tax     Medicare                   E01 - Ops   21.75
        child_support    Child support - case 4471  E01 - Ops   300.00
        garnishment      County court               E01 - Ops   120.00
        other_deduction  Company loan               E01 - Ops   25.00
        net_pay          Direct Deposit             E01 - Ops   840.25
        """,
        table(DEFAULT_RULES + "R20  other_deduction  component=Company loan  credit 1250"),
        """
        US01  debit   6000  -  1500.00
        US01  debit   6100  -  114.75
        US01  credit  1250  -  25.00
        US01  credit  2110  -  1469.75
        US01  credit  2140  -  120.00
        """,
    ),
    "imputed benefits are in no journal": (
        """
        earning                Salary           E01 J1 Ops  2500.00
        imputed                Company Car      E01 - Ops   80.00
        imputed                Gym              E01 - Ops   45.00
        employee_tax           All taxes        E01 - Ops   410.81
        employer_tax           Social Security  E01 - Ops   162.75
        employer_tax           Medicare         E01 - Ops   38.06
        benefit_deduction      Gym              E01 - Ops   20.00
        benefit_deduction      Medical          E01 - Ops   60.00
        employer_contribution  Medical          E01 - Ops   240.00
        net_pay                Direct Deposit   E01 - Ops   2009.19
        """,
        table(),
        """
        US01  debit   6000  -  2500.00
        US01  debit   6100  -  200.81
        US01  debit   6200  -  240.00
        US01  credit  2110  -  2620.81
        US01  credit  2150  -  320.00
        """,
    ),
    "paycheck tips clear a liability, cash tips are in no journal": (
        """
        earning       Regular Hours    E01 J1 Floor  400.00
        tips          Paycheck Tips    E01 J1 Floor  150.00
        cash_tips     Cash Tips        E01 J1 Floor  90.00
        employee_tax  All taxes        E01 - Floor   78.96
        employer_tax  Social Security  E01 - Floor   39.68
        employer_tax  Medicare         E01 - Floor   9.28
        net_pay       Direct Deposit   E01 - Floor   471.04
        """,
        table(),
        """
        US01  debit   2160  -  150.00
        US01  debit   6000  -  400.00
        US01  debit   6100  -  48.96
        US01  credit  2110  -  598.96
        """,
    ),
    "a negative company tax turns its sides": (
        """
        earning       Regular Hours                  E01 J1 Ops  1000.00
        employee_tax  All taxes                      E01 - Ops   136.50
        employer_tax  Social Security                E01 - Ops   62.00
        employer_tax  Medicare                       E01 - Ops   14.50
        net_pay       Direct Deposit                 E01 - Ops   863.50
        employer_tax  State unemployment adjustment  - - -       -0.92
        """,
        table(DEFAULT_RULES + "R20  employer_tax  component=State unemployment adjustment  debit 6110; credit 2110"),
        """
        US01  debit   6000  -  1000.00
        US01  debit   6100  -  76.50
        US01  credit  2110  -  1075.58
        US01  credit  6110  -  0.92
        """,
    ),
    "check and direct deposit, with reimbursements in both": (
        """
        earning        Regular Hours    E01 J1 Ops  1000.00
        reimbursement  Travel           E01 J1 Ops  45.60
        employee_tax   All taxes        E01 - Ops   136.50
        employer_tax   Social Security  E01 - Ops   62.00
        employer_tax   Medicare         E01 - Ops   14.50
        net_pay        Direct Deposit   E01 - Ops   909.10
        earning        Regular Hours    E02 J1 Ops  800.00
        reimbursement  Parking          E02 J1 Ops  12.00
        employee_tax   All taxes        E02 - Ops   101.20
        employer_tax   Social Security  E02 - Ops   49.60
        employer_tax   Medicare         E02 - Ops   11.60
        net_pay        Check            E02 - Ops   710.80
        """,
        table(),
        """
        US01  debit   6000  -  1800.00
        US01  debit   6100  -  137.70
        US01  debit   6300  -  57.60
        US01  credit  2105  -  710.80
        US01  credit  2110  -  1284.50
        """,
    ),
    "vacation taken out of a salary was accrued before": (
        """
        earning       Salary           E01 J1 Ops  3600.00
        earning       Vacation Hours   E01 J1 Ops  400.00
        employee_tax  All taxes        E01 - Ops   786.00
        employer_tax  Social Security  E01 - Ops   248.00
        employer_tax  Medicare         E01 - Ops   58.00
        net_pay       Direct Deposit   E01 - Ops   3214.00
        """,
        table(DEFAULT_RULES + "R20  earning  component=Vacation Hours  debit 2170"),
        """
        US01  debit   2170  -  400.00
        US01  debit   6000  -  3600.00
        US01  debit   6100  -  306.00
        US01  credit  2110  -  4306.00
        """,
    ),
    "percentages of small amounts, line by line": (
        """
        earning  Regular Hours   E01 J1 Shared  10.02
        earning  Regular Hours   E01 J1 Shared  1.00
        earning  Adjustment      E01 J1 Shared  0.01
        net_pay  Direct Deposit  E01 - Shared   11.03
        """,
        table(
            """
            R01  earning  -  debit 33% 6000 CostCenter=100, 33% 6000 CostCenter=200, 34% 6000 CostCenter=300
            R10  net_pay  -  credit 2110
            """
        ),
        """
        US01  debit   6000  CostCenter=100  3.64
        US01  debit   6000  CostCenter=200  3.63
        US01  debit   6000  CostCenter=300  3.76
        US01  credit  2110  -  11.03
        """,
    ),
    "a person of two company codes by percentage": (
        """
        earning       Salary           E01 J1 Ops  1000.01
        employee_tax  All taxes        E01 - Ops   100.01
        employer_tax  Social Security  E01 - Ops   62.01
        net_pay       Check            E01 - Ops   900.00
        """,
        table(
            """
            R01  earning       -  debit 70% 6000, 30% 6000 company_code=US02
            R02  employee_tax  -  credit 2110
            R03  employer_tax  -  debit 6100; credit 50% 2111, 50% 2112
            R10  net_pay       -  credit 2105
            """
        ),
        # Wages 700.01 and 300.00; taxes 70.007 and 30.003: 70.01, 30.00; employer tax 43.4071 and 18.6029: 43.41, 18.60.
        """
        US01  debit   6000  -  700.01
        US01  debit   6100  -  43.41
        US01  credit  2105  -  630.00
        US01  credit  2110  -  70.01
        US01  credit  2111  -  21.71
        US01  credit  2112  -  21.70
        US02  debit   6000  -  300.00
        US02  debit   6100  -  18.60
        US02  credit  2105  -  270.00
        US02  credit  2110  -  30.00
        US02  credit  2111  -  9.30
        US02  credit  2112  -  9.30
        """,
    ),
    "a person without wages belongs to the default company code": (
        """
        reimbursement  Travel          E01 J2 Ops  45.60
        employer_tax   Late fee        E01 - Ops   1.00
        net_pay        Direct Deposit  E01 - Ops   45.60
        """,
        table(),
        """
        US01  debit   6100  -  1.00
        US01  debit   6300  -  45.60
        US01  credit  2110  -  46.60
        """,
    ),
    "what belongs to no person goes to the default company code": (
        """
        earning       Casual labor    - J2 Ops  100.00
        employer_tax  FUTA            - - Ops   3.00
        net_pay       Direct Deposit  - - Ops   100.00
        """,
        table(DEFAULT_RULES.replace("debit 6000", "debit 6000 company_code=@job"), "job  J2  company_code  US02"),
        """
        US01  debit   6100  -  3.00
        US01  credit  2110  -  3.00
        US02  debit   6000  -  100.00
        US02  credit  2110  -  100.00
        """,
    ),
    "a reimbursement may name its own company code, and net pay follows it": (
        """
        earning        Salary          E01 J1 Ops  1000.00
        reimbursement  Travel          E01 J1 Ops  45.60
        employee_tax   All taxes       E01 - Ops   200.00
        net_pay        Direct Deposit  E01 - Ops   845.60
        """,
        table(DEFAULT_RULES.replace("debit 6300", "debit 6300 company_code=US02")),
        """
        US01  debit   6000  -  1000.00
        US01  credit  2110  -  1000.00
        US02  debit   6300  -  45.60
        US02  credit  2110  -  45.60
        """,
    ),
    "lines of 0.00 need no rule and make no line": (
        """
        earning      Salary            E01 J1 Ops  500.00
        earning      Holiday Bonus     E01 J1 Ops  0.00
        garnishment  Levy              E01 - Ops   500.00
        tips         Paycheck Tips     E01 J1 Ops  0.00
        net_pay      Direct Deposit    E01 - Ops   0.00
        """,
        table(
            """
            R01  earning      component=Salary  debit 6000
            R06  garnishment  -  credit 2140
            """
        ),
        """
        US01  debit   6000  -  500.00
        US01  credit  2140  -  500.00
        """,
    ),
    "an imputed benefit is posted where a rule gives both sides": (
        """
        earning  Salary          E01 J1 Ops  500.00
        imputed  Company Car     E01 - Ops   80.00
        imputed  Gym             E01 - Ops   45.00
        net_pay  Direct Deposit  E01 - Ops   500.00
        """,
        table(DEFAULT_RULES + "R30  imputed  component=Company Car  debit 6200; credit 6400"),
        """
        US01  debit   6000  -  500.00
        US01  debit   6200  -  80.00
        US01  credit  2110  -  500.00
        US01  credit  6400  -  80.00
        """,
    ),
    "names are compared without case and surplus spaces": (
        """
        earning  holiday BONUS   E01 J1 sales  70.00
        net_pay  DIRECT deposit  E01 - sales   70.00
        """,
        table(
            """
            R20  earning  component=Holiday Bonus  debit 6020 CostCenter=@department
            R10  net_pay  component=Direct Deposit  credit 2110
            """,
            "department  Sales  costcenter  200",
        ),
        """
        US01  debit   6020  CostCenter=200  70.00
        US01  credit  2110  -  70.00
        """,
    ),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_the_ledger(name: str) -> None:
    lines, rules, journal = LEDGERS[name]
    assert ledger(allocate(run(lines), rules)) == expected(journal)


def test_a_correction_mirrors_the_payment() -> None:
    rules = """
        R01  earning       -  debit 33.33% 6000 CostCenter=100, 33.33% 6000 CostCenter=200, 33.34% 6000 CostCenter=300
        R02  employee_tax  -  credit 2110
        R03  employer_tax  -  debit 6100; credit 2110
        R10  net_pay       -  credit 2110
        """
    lines = """
        earning       Regular Hours    E01 J1 Shared  -100.01
        earning       Bonus            E01 J1 Shared  -0.02
        employee_tax  Social Security  E01 - Shared   -6.20
        employee_tax  Medicare         E01 - Shared   -1.45
        employer_tax  Social Security  E01 - Shared   -6.20
        employer_tax  Medicare         E01 - Shared   -1.45
        net_pay       Direct Deposit   E01 - Shared   -92.38
        """
    correction = run(lines, payroll_type="off_cycle", off_cycle_reason="Correction")
    assert ledger(allocate(correction, table(rules))) == expected(
        """
        US01  debit   2110  -  107.68
        US01  credit  6000  CostCenter=100  33.34
        US01  credit  6000  CostCenter=200  33.33
        US01  credit  6000  CostCenter=300  33.36
        US01  credit  6100  -  7.65
        """
    )
    # The same amounts without their signs: every line on the other side, every cent where it was.
    payment = ledger(allocate(run(lines.replace("  -", "  ")), table(rules)))
    assert sorted(payment) == expected(
        """
        US01  credit  2110  -  107.68
        US01  debit  6000  CostCenter=100  33.34
        US01  debit  6000  CostCenter=200  33.33
        US01  debit  6000  CostCenter=300  33.36
        US01  debit  6100  -  7.65
        """
    )


def test_a_debit_and_a_credit_of_one_account_are_not_netted() -> None:
    lines = """
        earning  Salary          E01 J1 Ops  500.00
        net_pay  Direct Deposit  E01 - Ops   500.00
        """
    same_account = table("R01  earning  -  debit 2110\n R10  net_pay  -  credit 2110")
    assert ledger(allocate(run(lines), same_account)) == [
        "US01  debit  2110  -  500.00",
        "US01  credit  2110  -  500.00",
    ]


# Which rule catches


BONUS = """
    earning  Bonus           E01 J1 Sales  5000.00
    net_pay  Direct Deposit  E01 - Sales   5000.00
    """


@pytest.mark.parametrize(
    ("payroll_type", "reason", "account"),
    [("off_cycle", "Bonus", "6020"), ("regular", "", "6020")],
)
def test_the_component_ranks_above_the_kind_of_run(payroll_type: str, reason: str, account: str) -> None:
    rules = """
        R01  earning  -  debit 6000
        R20  earning  component=Bonus  debit 6020
        R21  earning  payroll_type=off_cycle,off_cycle_reason=Bonus  debit 6025
        R10  net_pay  -  credit 2110
        """
    allocation = allocate(run(BONUS, payroll_type=payroll_type, off_cycle_reason=reason), table(rules))
    assert allocation.journals[0].lines[0].main_account == account


@pytest.mark.parametrize(("payroll_type", "account"), [("off_cycle", "6025"), ("regular", "6000")])
def test_an_off_cycle_reason_holds_only_off_cycle(payroll_type: str, account: str) -> None:
    rules = """
        R01  earning  -  debit 6000
        R21  earning  off_cycle_reason=Bonus  debit 6025
        R10  net_pay  -  credit 2110
        """
    allocation = allocate(run(BONUS, payroll_type=payroll_type, off_cycle_reason="Bonus"), table(rules))
    assert allocation.journals[0].lines[0].main_account == account


def test_debit_and_credit_are_caught_separately() -> None:
    lines = """
        earning       Salary           E01 J1 Sales  500.00
        employer_tax  FUTA             E01 - Sales   3.00
        net_pay       Direct Deposit   E01 - Sales   500.00
        """
    rules = DEFAULT_RULES + (
        """
        R40  employer_tax  department=Sales  debit 6105
        R41  employer_tax  component=FUTA  credit 2111
        """
    )
    allocation = allocate(run(lines), table(rules))
    assert {(row.rule, row.side.value, row.main_account) for row in allocation.trace if row.line == 2} == {
        ("R40", "debit", "6105"),
        ("R41", "credit", "2111"),
    }


def test_employer_taxes_are_caught_as_lines_of_the_job_they_follow() -> None:
    lines = """
        earning       Hours           E01 Barista Cafe  600.00
        earning       Hours           E01 Trainer Cafe  200.00
        employer_tax  FUTA            E01 - Cafe        4.80
        net_pay       Direct Deposit  E01 - Cafe        800.00
        """
    rules = DEFAULT_RULES + "R40  employer_tax  job=trainer  debit 6107; credit 2117"
    assert ledger(allocate(run(lines), table(rules))) == expected(
        """
        US01  debit   6000  -  800.00
        US01  debit   6100  -  3.60
        US01  debit   6107  -  1.20
        US01  credit  2110  -  803.60
        US01  credit  2117  -  1.20
        """
    )


# What stands in a journal beside its amounts


def test_header_and_line_texts_say_what_and_where_but_not_who() -> None:
    header = run(LEDGERS["two departments, direct labor in the workshop"][0])
    (journal,) = allocate(header, LEDGERS["two departments, direct labor in the workshop"][1]).journals
    assert journal.kind == JournalKind.PAYROLL
    assert journal.header_text == "Gusto payroll 2026-06-08 to 2026-06-21, paid 2026-06-26"
    assert journal.document_date == journal.posting_date == date(2026, 6, 26)
    assert journal.currency == "USD"
    assert journal.posting_key == posting_key("9b1d-company", "2f4c7a52-run", JournalKind.PAYROLL, "US01", 1)
    assert [line.number for line in journal.lines] == list(range(1, 9))
    assert [line.text for line in journal.lines] == [
        "Wages Workshop",
        "Wages Sales",
        "Employer taxes Sales",
        "Employer taxes Workshop",
        "Employer contributions Sales",
        "Employer contributions Workshop",
        "Net pay direct deposit, taxes, 2 people",
        "Benefit deductions, employer contributions",
    ]


def test_a_private_component_is_not_in_a_line_text() -> None:
    lines = """
        earning      Bonus                    E01 J1 Ops  500.00
        garnishment  Court order Jane Sample  E01 - Ops   100.00
        net_pay      Check                    E01 - Ops   400.00
        """
    rules = (
        "R01  earning  component=Bonus  debit 6020\n"
        "R06  garnishment  component=Court order Jane Sample  credit 2140\n"
        "R10  net_pay  component=Check  credit 2105"
    )
    (journal,) = allocate(run(lines), table(rules)).journals
    assert [line.text for line in journal.lines] == ["Bonus", "Net pay check, 1 person", "Garnishments"]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"payroll_type": "off_cycle", "off_cycle_reason": "Bonus"}, "2026-06-21, paid 2026-06-26 off-cycle Bonus"),
        ({"payroll_type": "off_cycle"}, "2026-06-21, paid 2026-06-26 off-cycle"),
        ({"period_start": None, "period_end": None}, "Gusto payroll paid 2026-06-26"),
    ],
)
def test_the_header_text_of_special_runs(facts: dict, text: str) -> None:
    (journal,) = allocate(run(BONUS, **facts), table()).journals
    assert journal.header_text.endswith(text)


@pytest.mark.parametrize(
    ("choice", "day"),
    [
        (PostingDate.CHECK_DATE, date(2026, 6, 26)),
        (PostingDate.PERIOD_END, date(2026, 6, 21)),
        (PostingDate.DEBIT_DATE, date(2026, 6, 25)),
    ],
)
def test_the_policy_chooses_the_posting_date(choice: PostingDate, day: date) -> None:
    (journal,) = allocate(run(BONUS), table(posting_date=choice)).journals
    assert journal.posting_date == day
    assert journal.document_date == date(2026, 6, 26)


def test_the_trace_leads_from_each_journal_line_to_payroll_lines_and_rules() -> None:
    lines, rules, _ = LEDGERS["one employee, two jobs: employer taxes follow the wages"]
    allocation = allocate(run(lines), rules)
    employer_tax = [row for row in allocation.trace if row.line == 6]
    assert [(row.side.value, row.dimensions, str(row.amount), row.journal_line) for row in employer_tax] == [
        ("debit", (("CostCenter", "310"),), "33.48", 3),
        ("debit", (("CostCenter", "320"),), "16.28", 4),
        ("credit", (), "49.76", 5),
    ]
    assert {row.leg for row in allocation.trace} == {LegKind.NATURAL}
    contra = Trace(block.contra(1) for block in allocation.trace.blocks)
    assert [
        (row.journal, row.side != original.side, row.leg, row.amount)
        for row, original in zip(contra, allocation.trace, strict=True)
    ] == [(1, True, LegKind.CONTRA, row.amount) for row in allocation.trace]


def test_amounts_that_cancel_each_other_are_traced_without_a_line() -> None:
    lines = """
        earning  Salary          E01 J1 Ops  500.00
        earning  Bonus           E01 J1 Ops  70.00
        earning  Bonus           E01 J1 Ops  -70.00
        net_pay  Direct Deposit  E01 - Ops   500.00
        """
    allocation = allocate(run(lines), table(DEFAULT_RULES + "R20  earning  component=Bonus  debit 6020"))
    assert [line.main_account for line in allocation.journals[0].lines] == ["6000", "2110"]
    assert [(row.line, row.journal_line) for row in allocation.trace if row.main_account == "6020"] == [(2, 0), (3, 0)]


def test_a_company_code_where_everything_cancels_has_no_journal_but_a_trace() -> None:
    lines = """
        earning        Salary          E01 J1 Ops  500.00
        reimbursement  Travel          E01 J1 Ops  40.00
        reimbursement  Travel          E01 J1 Ops  -40.00
        net_pay        Direct Deposit  E01 - Ops   500.00
        """
    allocation = allocate(run(lines), table(DEFAULT_RULES.replace("debit 6300", "debit 6300 company_code=US02")))
    assert [journal.company_code for journal in allocation.journals] == ["US01"]
    assert [(row.line, row.journal, row.company_code) for row in allocation.trace if row.main_account == "6300"] == [
        (2, None, "US02"),
        (3, None, "US02"),
    ]


# Problems


def problems(allocation: Allocation) -> list[tuple[str, str, str]]:
    assert allocation.journals == ()
    assert not allocation.trace
    return [(problem.code, problem.kind, problem.sentence) for problem in allocation.problems]


def test_every_problem_comes_at_once_and_one_repair_is_one_problem() -> None:
    lines = """
        earning        Regular Hours     E01 J1 Sales  1000.00
        reimbursement  Wellness Stipend  E01 J1 Sales  150.00
        employer_tax   Social Security   E01 - Sales   62.00
        net_pay        Direct Deposit    E01 - Sales   1150.00
        earning        Regular Hours     E02 J1 Field  800.00
        reimbursement  Wellness Stipend  E02 J1 Field  150.00
        employer_tax   Social Security   E02 - Field   49.60
        net_pay        Direct Deposit    E02 - Field   950.00
        earning        Regular Hours     E03 J1 Sales  900.00
        reimbursement  wellness stipend  E03 J1 Sales  150.00
        net_pay        Direct Deposit    E03 - Sales   1050.00
        """
    rules = """
        R01  earning       -  debit 6000 CostCenter=@department
        R03  employer_tax  -  debit 6100 CostCenter=@department; credit 2110
        R10  net_pay       -  credit 2110
        R20  earning       department=Sales  debit 6050 CostCenter=@department
        R21  earning       department=Sales  debit 6060 CostCenter=@department
        """
    allocation = allocate(run(lines), table(rules, "department  Sales  CostCenter  200"))
    assert problems(allocation) == [
        (
            "mapping",
            "tie",
            'Rules R20 and R21 catch "Regular Hours" (earning) in Sales equally well. Make one more specific. '
            "2 payroll lines, 1,900.00. Nothing was sent.",
        ),
        (
            "mapping",
            "gap",
            'No rule catches "Wellness Stipend" (reimbursement) in Sales. 2 payroll lines, 300.00. Nothing was sent.',
        ),
        (
            "mapping",
            "crosswalk_gap",
            'Department "Field" has no CostCenter in the crosswalk. 1 employee, 849.60. Nothing was sent.',
        ),
        (
            "mapping",
            "gap",
            'No rule catches "Wellness Stipend" (reimbursement) in Field. 1 payroll line, 150.00. Nothing was sent.',
        ),
    ]
    tie, gap, crosswalk_gap, _ = allocation.problems
    assert (tie.fact("rules"), tie.fact("line"), tie.fact("lines")) == ("R20 R21", "1", "2")
    assert (gap.fact("kind"), gap.fact("component"), gap.fact("amount")) == (
        "reimbursement",
        "Wellness Stipend, wellness stipend",
        "300.00",
    )
    assert (crosswalk_gap.fact("missing"), crosswalk_gap.fact("source_value")) == ("CostCenter", "Field")
    assert crosswalk_gap.page == "mapping"
    # One row per line and side: the employer tax of Field is not reported for its credit side again.
    assert [(finding.kind.value, finding.line.number) for finding in allocation.findings] == [
        ("tie", 1),
        ("gap", 2),
        ("crosswalk_gap", 5),
        ("gap", 6),
        ("crosswalk_gap", 7),
        ("tie", 9),
        ("gap", 10),
    ]


def one_problem(lines: str, rules: Table | None = None, **facts: object) -> tuple[str, str, str]:
    (problem,) = problems(allocate(run(lines, **facts), rules or table()))
    return problem


def test_people_without_department_need_a_row_of_their_own() -> None:
    lines = "earning  Salary  E01 J1 -  70.00\n net_pay  Check  E01 - -  70.00"
    rules = DEFAULT_RULES.replace("debit 6000", "debit 6000 CostCenter=@department")
    _, kind, sentence = one_problem(lines, table(rules))
    assert kind == "crosswalk_gap"
    assert sentence.startswith(
        "The crosswalk has no row (none) for people without department, so they have no CostCenter."
    )
    allocation = allocate(run(lines), table(rules, "department  (none)  CostCenter  900"))
    assert ledger(allocation)[0] == "US01  debit  6000  CostCenter=900  70.00"


def test_a_compensation_level_leads_to_a_dimension() -> None:
    """Payroll lines of a file carry one; a level that the crosswalk does not know is named."""
    lines = """
        earning  Salary  E01 J1 Ops  70.00
        net_pay  Check   E01 - Ops   70.00
        """
    header = run(lines)
    senior = replace(header, lines=tuple(replace(line, compensation_level="Senior") for line in header.lines))
    rules = DEFAULT_RULES.replace("debit 6000", "debit 6000 Grade=@compensation_level")
    crosswalk = "compensation_level  senior  Grade  G7"
    assert ledger(allocate(senior, table(rules, crosswalk)))[0] == "US01  debit  6000  Grade=G7  70.00"
    assert [sentence for _, _, sentence in problems(allocate(senior, table(rules)))] == [
        'Compensation level "Senior" has no Grade in the crosswalk. 1 employee, 70.00. Nothing was sent.'
    ]
    assert [sentence for _, _, sentence in problems(allocate(header, table(rules, crosswalk)))] == [
        "The crosswalk has no row (none) for people without compensation level, so they have no Grade. 1 employee, 70.00. "
        "Nothing was sent."
    ]


def test_a_sentence_names_no_employee() -> None:
    lines = """
        earning  Salary  uuid-of-jane J1 Ops  70.00
        net_pay  Check   uuid-of-jane - Ops   70.00
        earning  Salary  uuid-of-john J1 Ops  30.00
        net_pay  Check   uuid-of-john - Ops   30.00
        """
    rules = DEFAULT_RULES.replace("debit 6000", "debit 6000 Person=@employee company_code=@employee")
    allocation = allocate(run(lines), table(rules))
    assert [sentence for _, _, sentence in problems(allocation)] == [
        "The crosswalk gives 2 employees no Person. 2 payroll lines, 100.00. Nothing was sent.",
        "The crosswalk gives 2 employees no company code. 2 payroll lines, 100.00. Nothing was sent.",
    ]
    assert "jane" not in str(allocation.problems)
    assert {finding.line.employee for finding in allocation.findings} == {"uuid-of-jane", "uuid-of-john"}


def test_the_missing_side_is_said_where_a_line_has_two() -> None:
    lines = """
        earning       Salary  E01 J1 Ops  70.00
        employer_tax  FUTA    E01 - Ops   3.00
        net_pay       Check   E01 - Ops   70.00
        """
    rules = DEFAULT_RULES.replace("debit 6100; credit 2110", "debit 6100")
    assert one_problem(lines, table(rules)) == (
        "mapping",
        "gap",
        'No rule catches the credit of "FUTA" (employer tax) in Ops. 1 payroll line, 3.00. Nothing was sent.',
    )


def test_a_line_with_a_problem_on_its_debit_side_is_not_reported_for_its_credit_side_too() -> None:
    lines = """
        earning       Hours  E01 J1 Ops  100.00
        earning       Hours  E01 J2 Ops  100.00
        employer_tax  FUTA   E01 - Ops   3.00
        net_pay       Check  E01 - Ops   200.00
        """
    rules = DEFAULT_RULES.replace(
        "R03  employer_tax           -  debit 6100; credit 2110", "R03  employer_tax  job=J1  debit 6100"
    )
    assert "employer_tax  job=J1" in rules
    (finding,) = allocate(run(lines), table(rules)).findings
    assert (finding.kind.value, finding.line.number, finding.side) == ("gap", 3, Side.DEBIT)


TWO_CODES = """
    R01  earning       -  debit 6000 company_code=@job
    R02  employee_tax  -  credit 2110
    R03  employer_tax  -  debit 6100; credit 2110
    R10  net_pay       -  credit 2110
    """
JOBS = "job  J1  company_code  US01\n job  J2  company_code  US02\n job  J3  company_code  US01"


@pytest.mark.parametrize(("second", "net"), [("-20.00", "80.00"), ("-100.00", "0.00")])
def test_wages_moved_between_company_codes_lead_nowhere(second: str, net: str) -> None:
    lines = (
        f"earning  Hours  E01 J1 Ops  100.00\n earning  Hours  E01 J2 Ops  {second}\n net_pay  Check  E01 - Ops  {net}"
    )
    code, kind, sentence = one_problem(lines, table(TWO_CODES, JOBS))
    assert (code, kind) == ("mapping", "wages")
    assert sentence.startswith(
        "The wages of 1 employee in company codes US01, US02 have both signs or are 0.00 together"
    )


def test_wages_of_both_signs_within_one_company_code_matter_only_to_employer_costs() -> None:
    lines = "earning  Hours  E01 J1 Ops  100.00\n earning  Hours  E01 J3 Ops  -20.00\n net_pay  Check  E01 - Ops  80.00"
    assert ledger(allocate(run(lines), table(TWO_CODES, JOBS))) == [
        "US01  debit  6000  -  80.00",
        "US01  credit  2110  -  80.00",
    ]
    _, kind, _ = one_problem(lines + "\n employer_tax  FUTA  E01 - Ops  3.00", table(TWO_CODES, JOBS))
    assert kind == "wages"


def test_negative_wages_weigh_by_their_absolute_amount() -> None:
    lines = """
        earning       Hours           E01 J1 Ops  -540.00
        earning       Hours           E01 J2 Ops  -262.50
        employee_tax  FICA            E01 - Ops   -49.76
        net_pay       Direct Deposit  E01 - Ops   -752.74
        """
    correction = run(lines, payroll_type="off_cycle", off_cycle_reason="Wage correction")
    rules = TWO_CODES.replace("R02  employee_tax  -  credit 2110", "R02  employee_tax  -  credit 2130")
    assert ledger(allocate(correction, table(rules, JOBS))) == expected(
        """
        US01  debit   2110  -  506.52
        US01  debit   2130  -  33.48
        US01  credit  6000  -  540.00
        US02  debit   2110  -  246.22
        US02  debit   2130  -  16.28
        US02  credit  6000  -  262.50
        """
    )


def test_an_odd_cent_goes_by_the_job_not_by_the_order_of_lines() -> None:
    lines = """
        earning       Hours           E01 J2 Cafe  100.00
        earning       Hours           E01 J1 Cafe  100.00
        employer_tax  FUTA            E01 - Cafe   0.01
        net_pay       Direct Deposit  E01 - Cafe   200.00
        """
    rules = DEFAULT_RULES.replace("debit 6100", "debit 6100 CostCenter=@job")
    allocation = allocate(run(lines), table(rules, "job  J1  CostCenter  310\n job  J2  CostCenter  320"))
    assert "US01  debit  6100  CostCenter=310  0.01" in ledger(allocation)


def test_wages_that_nobody_catches_are_not_reported_as_wages_of_both_signs_too() -> None:
    lines = "earning  Hours  E01 J2 Ops  100.00\n earning  Hours  E01 J9 Ops  -20.00\n net_pay  Check  E01 - Ops  80.00"
    _, kind, sentence = one_problem(lines, table(TWO_CODES, JOBS))
    assert kind == "crosswalk_gap"
    assert sentence == 'Job "J9" has no company code in the crosswalk. 1 employee, -20.00. Nothing was sent.'


@pytest.mark.parametrize("amount", ["70.001", "NaN", "Infinity"])
def test_an_amount_that_is_not_in_cents_is_never_rounded(amount: str) -> None:
    lines = f"earning  Salary  E01 J1 Ops  {amount}\n net_pay  Check  E01 - Ops  70.00"
    code, kind, sentence = one_problem(lines)
    assert (code, kind) == ("tie_out", "decimals")
    assert amount in sentence


def test_negative_net_pay_stops_a_run_that_corrects_nothing() -> None:
    lines = (
        "earning  Salary  E01 J1 Ops  70.00\n garnishment  Levy  E01 - Ops  100.00\n net_pay  Check  E01 - Ops  -30.00"
    )
    assert one_problem(lines) == (
        "tie_out",
        "negative_net_pay",
        "The net pay of 1 employee is below zero, -30.00, in a run that corrects nothing. Nothing was sent.",
    )
    _, kind, _ = one_problem(lines, payroll_type="off_cycle", off_cycle_reason="Bonus")
    assert kind == "negative_net_pay"
    reversal = run(lines, payroll_type="off_cycle", off_cycle_reason="Reversal")
    assert ledger(allocate(reversal, table())) == expected(
        """
        US01  debit   2105  -  30.00
        US01  debit   6000  -  70.00
        US01  credit  2140  -  100.00
        """
    )


def test_a_person_who_does_not_balance_stops_the_run() -> None:
    lines = """
        earning  Salary  E01 J1 Ops  70.00
        net_pay  Check   E01 - Ops   69.98
        earning  Salary  E02 J1 Ops  50.00
        """
    allocation = allocate(run(lines), table())
    assert problems(allocation) == [
        (
            "tie_out",
            "unbalanced",
            "Pay and what it is made of differ by 50.02 for 2 employees. We do not send a journal that does not balance. "
            "Nothing was sent.",
        )
    ]
    assert [str(finding.amount) for finding in allocation.findings] == ["0.02", "50.00"]
    backwards = replace(run(lines), lines=run(lines).lines[::-1])
    assert repr(allocate(backwards, table())) == repr(allocation)


def test_a_gap_is_not_reported_as_a_difference_too() -> None:
    lines = "earning  Salary  E01 J1 Ops  70.00\n garnishment  Levy  E01 - Ops  10.00\n net_pay  Cash  E01 - Ops  60.00"
    rules = "R01  earning  -  debit 6000\n R10  net_pay  component=Check  credit 2105"
    assert [kind for _, kind, _ in problems(allocate(run(lines), table(rules)))] == ["gap", "gap"]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("employer_tax", "R30  employer_tax  component=FUTA  credit 2110 company_code=US02"),
        ("net_pay", "R30  net_pay  -  credit 2105 company_code=US02"),
    ],
)
def test_a_credit_that_must_stay_cannot_name_another_company_code(kind: str, rule: str) -> None:
    lines = """
        earning       Salary  E01 J1 Ops  70.00
        employer_tax  FUTA    E01 - Ops   3.00
        net_pay       Cash    E01 - Ops   70.00
        """
    rules = DEFAULT_RULES + "R29  net_pay  component=Cash  credit 2105\n" * (kind != "net_pay") + rule
    code, problem, sentence = one_problem(lines, table(rules))
    assert (code, problem) == ("mapping", "company_code")
    assert sentence.startswith("Rule R30 names company code US02 for a credit")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"company_code": ""}, "names no default company code"),
        ({"credits": Credits.PAYMASTER}, "no paying company code and no due-from account and no due-to account"),
        ({"straddle": Straddle.CALENDAR_DAYS}, "names no accrual account"),
        ({"journals": Journals.ACCRUAL_SETTLEMENT, "posting_date": PostingDate.PERIOD_END}, "not the period end"),
        ({"ignored_payroll_types": ("external", "offcycle")}, 'ignores the payroll type "offcycle"'),
    ],
)
def test_a_policy_that_contradicts_itself_is_not_applied(policy: dict, words: str) -> None:
    code, kind, sentence = one_problem(BONUS, table(**policy))
    assert (code, kind) == ("mapping", "policy")
    assert words in sentence


def test_a_missing_posting_date_is_said() -> None:
    assert one_problem(BONUS, table(posting_date=PostingDate.DEBIT_DATE), debit_date=None) == (
        "configuration",
        "posting_date",
        "The journal policy posts on the debit date, and this payroll has none. Nothing was sent.",
    )


def test_a_table_with_a_defect_is_not_applied() -> None:
    rules = DEFAULT_RULES.replace("debit 6000", "debit 60% 6000, 39.99% 6001")
    assert one_problem(BONUS, table(rules)) == (
        "mapping",
        "rule",
        "Rule R01: the debit percentages 60 + 39.99 are not 100.",
    )


def test_two_lines_of_one_number_are_refused() -> None:
    header = run(BONUS)
    with pytest.raises(ValueError, match="same number"):
        allocate(replace(header, lines=(header.lines[0], header.lines[0])), table())
