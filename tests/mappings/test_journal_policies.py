"""What a journal policy makes of a run beside the worked examples: dates, identity, texts, notes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from mappings.allocation import Allocation, allocate
from mappings.journal import JournalKind, JournalLine, period_end_sequence, posting_key
from mappings.journal_set import check_together
from mappings.policy import Credits, Journals, Lines, PostingDate, Straddle
from tests.mappings.runs import DEFAULT_RULES, expected, ledger, run, table

WAITING = DEFAULT_RULES.replace("credit 2110", "credit 2110 accrual_account=2130")

PAY = """
    earning       Salary           E01 J1 Sales  1400.00
    employee_tax  All taxes        E01 - Sales   180.00
    employer_tax  Social Security  E01 - Sales   107.10
    net_pay       Direct Deposit   E01 - Sales   1220.00
    """
#: 22 June to 5 July, paid on 10 July: 9 of 14 days are in June.
OVER_THE_MONTH_END = {
    "period_start": date(2026, 6, 22),
    "period_end": date(2026, 7, 5),
    "debit_date": date(2026, 7, 8),
    "check_date": date(2026, 7, 10),
}
CALENDAR_DAYS = {"straddle": Straddle.CALENDAR_DAYS, "accrual_account": "2190"}
PAYMASTER = {
    "credits": Credits.PAYMASTER,
    "paying_company_code": "US01",
    "due_from_account": "1350",
    "due_to_account": "2350",
    "affiliate_dimension": "Affiliate",
}


def made(allocation: Allocation) -> list[tuple[str, str, str, int]]:
    """Kind, company code, posting date and sequence of every journal."""
    assert [problem.sentence for problem in allocation.problems] == []
    return [
        (journal.kind.value, journal.company_code, journal.posting_date.isoformat(), journal.sequence)
        for journal in allocation.journals
    ]


def problem_of(allocation: Allocation) -> tuple[str, str, str]:
    assert allocation.journals == ()
    (problem,) = allocation.problems
    return problem.code, problem.kind, problem.sentence


# Identity


def test_every_journal_carries_the_life_of_its_run_and_an_accrual_its_period_end():
    header = run(PAY, **(OVER_THE_MONTH_END | {"check_date": date(2026, 8, 3)}), sequence=3)
    allocation = allocate(header, table(**CALENDAR_DAYS))
    assert made(allocation) == [
        ("ACCRUAL", "US01", "2026-06-30", 301),
        ("REVERSAL", "US01", "2026-07-01", 301),
        ("ACCRUAL", "US01", "2026-07-31", 302),
        ("REVERSAL", "US01", "2026-08-01", 302),
        ("PAYROLL", "US01", "2026-08-03", 3),
    ]
    first, undone, *_, payroll = allocation.journals
    uuids = (header.company_uuid, header.payroll_uuid)
    assert first.posting_key == posting_key(*uuids, JournalKind.ACCRUAL, "US01", 301)
    assert undone.reverses == first.posting_key
    assert undone.posting_key == posting_key(*uuids, JournalKind.REVERSAL, "US01", 301, first.posting_key)
    assert payroll.posting_key == posting_key(*uuids, JournalKind.PAYROLL, "US01", 3)


@pytest.mark.parametrize("sequence", [0, 100])
def test_a_sequence_that_could_meet_another_is_refused(sequence: int):
    with pytest.raises(ValueError, match="from 1 to 99"):
        allocate(run(PAY, sequence=sequence), table())
    with pytest.raises(ValueError, match="from 1 to 99"):
        period_end_sequence(sequence, 1)
    with pytest.raises(ValueError, match="from 1 to 99"):
        period_end_sequence(1, sequence)


# Accrual and settlement


@pytest.mark.parametrize(
    ("facts", "choice", "dates"),
    [
        ({}, PostingDate.CHECK_DATE, ("2026-06-21", "2026-06-26")),
        ({}, PostingDate.DEBIT_DATE, ("2026-06-21", "2026-06-25")),
        # Paid in advance: the accrual never comes after the check date, nor after its settlement.
        ({"period_end": date(2026, 7, 5)}, PostingDate.CHECK_DATE, ("2026-06-26", "2026-06-26")),
        ({"period_end": date(2026, 7, 5)}, PostingDate.DEBIT_DATE, ("2026-06-25", "2026-06-25")),
    ],
)
def test_the_dates_of_accrual_and_settlement(facts: dict, choice: PostingDate, dates: tuple[str, str]):
    allocation = allocate(run(PAY, **facts), table(WAITING, journals=Journals.ACCRUAL_SETTLEMENT, posting_date=choice))
    assert made(allocation) == [("ACCRUAL", "US01", dates[0], 1), ("SETTLEMENT", "US01", dates[1], 1)]


def test_a_run_without_a_pay_period_is_one_payroll_journal():
    allocation = allocate(
        run(PAY, period_start=None, period_end=None),
        table(WAITING, journals=Journals.ACCRUAL_SETTLEMENT, **CALENDAR_DAYS),
    )
    assert made(allocation) == [("PAYROLL", "US01", "2026-06-26", 1)]


def test_a_missing_settlement_date_is_said():
    policy = {"journals": Journals.ACCRUAL_SETTLEMENT, "posting_date": PostingDate.DEBIT_DATE}
    _, kind, sentence = problem_of(allocate(run(PAY, debit_date=None), table(WAITING, **policy)))
    assert kind == "posting_date"
    assert sentence.startswith("The journal policy posts on the debit date, and this payroll has none.")


def test_one_paymaster_settles_in_one_company_code():
    """The accrual has the due-to and due-from pair; everything that is settled stands in the paying company code."""
    lines = PAY.replace("E01 J1 Sales", "E01 J2 Sales")
    rules = WAITING.replace("debit 6000", "debit 6000 company_code=@job")
    both = allocate(
        run(lines), table(rules, "job  J2  company_code  US02", journals=Journals.ACCRUAL_SETTLEMENT, **PAYMASTER)
    )
    assert made(both) == [
        ("ACCRUAL", "US01", "2026-06-21", 1),
        ("ACCRUAL", "US02", "2026-06-21", 1),
        ("SETTLEMENT", "US01", "2026-06-26", 1),
    ]
    assert ledger(both) == expected(
        """
        US01  debit   1350  Affiliate=US02  1507.10
        US01  credit  2130  -  1507.10
        US02  debit   6000  -  1400.00
        US02  debit   6100  -  107.10
        US02  credit  2350  Affiliate=US01  1507.10
        US01  debit   2130  -  1507.10
        US01  credit  2110  -  1507.10
        """
    )


# Month ends


@pytest.mark.parametrize(
    ("facts", "choice", "dates"),
    [
        (OVER_THE_MONTH_END, PostingDate.CHECK_DATE, ["2026-06-30", "2026-07-01", "2026-07-10"]),
        (OVER_THE_MONTH_END, PostingDate.DEBIT_DATE, ["2026-06-30", "2026-07-01", "2026-07-08"]),
        (OVER_THE_MONTH_END, PostingDate.PERIOD_END, ["2026-06-30", "2026-07-01", "2026-07-05"]),
        # Worked in June, paid in July: June has it whole.
        (
            OVER_THE_MONTH_END | {"period_end": date(2026, 6, 30)},
            PostingDate.CHECK_DATE,
            ["2026-06-30", "2026-07-01", "2026-07-10"],
        ),
        # Paid in the month in which it was worked, paid before the period begins, worked from the first day on.
        ({}, PostingDate.CHECK_DATE, ["2026-06-26"]),
        (OVER_THE_MONTH_END | {"check_date": date(2026, 6, 19)}, PostingDate.CHECK_DATE, ["2026-06-19"]),
        (OVER_THE_MONTH_END | {"period_start": date(2026, 7, 1)}, PostingDate.CHECK_DATE, ["2026-07-10"]),
    ],
)
def test_month_ends_between_work_and_payment(facts: dict, choice: PostingDate, dates: list[str]):
    allocation = allocate(run(PAY, **facts), table(posting_date=choice, **CALENDAR_DAYS))
    assert [day for _, _, day, _ in made(allocation)] == dates


def test_a_whole_period_worked_before_the_month_end_is_accrued_whole():
    facts = OVER_THE_MONTH_END | {"period_end": date(2026, 6, 30)}
    accrual = allocate(run(PAY, **facts), table(**CALENDAR_DAYS)).journals[0]
    assert [(line.main_account, str(line.debit or line.credit)) for line in accrual.lines] == [
        ("6000", "1400.00"),
        ("6100", "107.10"),
        ("2190", "1507.10"),
    ]


def test_a_period_that_begins_on_the_last_weekend_of_a_month_accrues_nothing_by_working_days():
    """Saturday and Sunday are no working days: the period end is counted, and there is nothing to book on it."""
    facts = {
        "period_start": date(2026, 10, 31),
        "period_end": date(2026, 11, 13),
        "check_date": date(2026, 12, 4),
    }
    policy = CALENDAR_DAYS | {"straddle": Straddle.WORKING_DAYS}
    assert made(allocate(run(PAY, **facts), table(**policy))) == [
        ("ACCRUAL", "US01", "2026-11-30", 102),
        ("REVERSAL", "US01", "2026-12-01", 102),
        ("PAYROLL", "US01", "2026-12-04", 1),
    ]


@pytest.mark.parametrize(("flag", "journals"), [(False, 1), (True, 3)])
def test_off_cycle_runs_are_shared_only_if_the_policy_says_so(flag: bool, journals: int):
    bonus = run(PAY, payroll_type="off_cycle", off_cycle_reason="Bonus", **OVER_THE_MONTH_END)
    assert len(allocate(bonus, table(straddle_off_cycle=flag, **CALENDAR_DAYS)).journals) == journals


def test_a_pay_period_without_a_working_day_is_said():
    facts = OVER_THE_MONTH_END | {"period_start": date(2026, 6, 27), "period_end": date(2026, 6, 28)}
    policy = CALENDAR_DAYS | {"straddle": Straddle.WORKING_DAYS}
    assert problem_of(allocate(run(PAY, **facts), table(**policy))) == (
        "configuration",
        "straddle",
        "The pay period 27 Jun 2026 to 28 Jun 2026 has no working day, so it cannot be shared over its fiscal periods. "
        "Nothing was sent.",
    )


JUNE = (date(2026, 6, 1), date(2026, 6, 30))
JULY = (date(2026, 7, 1), date(2026, 7, 31))


@pytest.mark.parametrize(
    ("periods", "missing"),
    [
        ((JULY,), "22 Jun 2026"),
        ((JUNE,), "1 Jul 2026"),
        ((JUNE, (date(2026, 7, 2), date(2026, 7, 31))), "1 Jul 2026"),
        ((JUNE, (date(2026, 7, 1), date(2026, 7, 9))), "10 Jul 2026"),
    ],
)
def test_a_fiscal_period_that_the_ledger_does_not_have_is_said(periods: tuple, missing: str):
    assert problem_of(allocate(run(PAY, **OVER_THE_MONTH_END), table(**CALENDAR_DAYS), periods)) == (
        "period",
        "missing_period",
        f"No fiscal period is known for {missing}, so the pay period cannot be shared over its fiscal periods. "
        "Nothing was sent.",
    )


def test_a_closing_period_changes_nothing():
    closing = (date(2026, 6, 30), date(2026, 6, 30))
    with_closing = allocate(run(PAY, **OVER_THE_MONTH_END), table(**CALENDAR_DAYS), (JULY, closing, JUNE))
    assert with_closing == allocate(run(PAY, **OVER_THE_MONTH_END), table(**CALENDAR_DAYS))


# One paymaster

TWO_CODES = DEFAULT_RULES.replace("debit 6000", "debit 6000 company_code=@job")
JOBS = "job  J1  company_code  US01\n job  J2  company_code  US02"


def test_the_due_from_lines_of_two_company_codes_stay_apart_without_an_affiliate_dimension():
    lines = """
        earning  Salary          E01 J2 Ops  500.00
        earning  Salary          E01 J3 Ops  300.00
        net_pay  Direct Deposit  E01 - Ops   800.00
        """
    policy = PAYMASTER | {"affiliate_dimension": ""}
    allocation = allocate(run(lines), table(TWO_CODES, JOBS + "\n job  J3  company_code  US03", **policy))
    payer = allocation.journals[0]
    assert [(line.main_account, line.text, str(line.debit)) for line in payer.lines if line.debit] == [
        ("1350", "Due from US02", "500.00"),
        ("1350", "Due from US03", "300.00"),
    ]
    assert [journal.lines[-1].text for journal in allocation.journals[1:]] == ["Due to US01", "Due to US01"]


def test_the_paymaster_need_not_be_the_default_company_code():
    policy = PAYMASTER | {"paying_company_code": "US09"}
    assert ledger(allocate(run(PAY), table(**policy))) == expected(
        """
        US01  debit   6000  -  1400.00
        US01  debit   6100  -  107.10
        US01  credit  2350  Affiliate=US09  1507.10
        US09  debit   1350  Affiliate=US01  1507.10
        US09  credit  2110  -  1507.10
        """
    )


def test_a_memo_that_a_rule_books_stays_in_its_company_code():
    lines = """
        earning  Salary          E01 J2 Ops  500.00
        imputed  Company Car     E01 - Ops   80.00
        net_pay  Direct Deposit  E01 - Ops   500.00
        """
    rules = TWO_CODES + "R30  imputed  -  debit 6200; credit 6400"
    assert ledger(allocate(run(lines), table(rules, JOBS, **PAYMASTER)))[-4:] == expected(
        """
        US02  debit   6000  -  500.00
        US02  debit   6200  -  80.00
        US02  credit  2350  Affiliate=US01  500.00
        US02  credit  6400  -  80.00
        """
    )


@pytest.mark.parametrize(
    ("wages", "cost"),
    [
        (("-100.00", "100.00"), ["US01 1.50", "US02 1.50"]),
        (("0.00", "0.00"), ["US01 3.00"]),
        (("-50.00", "-100.00"), ["US01 1.00", "US02 2.00"]),
    ],
)
def test_an_employer_cost_follows_wages_of_any_sign(wages: tuple[str, str], cost: list[str]):
    net = sum(Decimal(each) for each in wages)
    lines = f"""
        earning       Hours  E01 J1 Ops  {wages[0]}
        earning       Hours  E01 J2 Ops  {wages[1]}
        employer_tax  FUTA   E01 - Ops   3.00
        net_pay       Check  E01 - Ops   {net}
        """
    correction = run(lines, payroll_type="off_cycle", off_cycle_reason="Wage correction")
    trace = allocate(correction, table(TWO_CODES, JOBS, **PAYMASTER)).trace
    assert [f"{row.company_code} {row.amount}" for row in trace if row.main_account == "6100"] == cost


def test_every_credit_that_names_another_company_code_is_a_problem():
    rules = TWO_CODES.replace("credit 2110\n", "credit 2110 company_code=US02\n", 1)
    code, kind, sentence = problem_of(allocate(run(PAY), table(rules, JOBS, **PAYMASTER)))
    assert (code, kind) == ("mapping", "company_code")
    assert sentence == (
        "Rule R02 names company code US02 for a credit that stays where its wages are, or in the company code that pays "
        "for all. Leave it empty. 1 payroll line, 180.00. Nothing was sent."
    )


def test_a_person_who_does_not_balance_stops_the_run_of_a_paymaster_too():
    _, kind, sentence = problem_of(allocate(run(PAY.replace("1220.00", "1219.99")), table(**PAYMASTER)))
    assert kind == "unbalanced"
    assert "differ by 0.01 for 1 employee" in sentence


# Texts and notes


def texts(allocation: Allocation) -> list[list[str]]:
    return [[line.text for line in journal.lines] for journal in allocation.journals]


def test_the_header_says_which_journal_of_the_run_it_is():
    accrued = allocate(run(PAY, **OVER_THE_MONTH_END), table(**CALENDAR_DAYS))
    payroll = "Gusto payroll 2026-06-22 to 2026-07-05, paid 2026-07-10"
    assert [journal.header_text for journal in accrued.journals] == [
        f"{payroll} accrual",
        f"{payroll} reversal of accrual",
        payroll,
    ]
    settled = allocate(
        run(PAY, payroll_type="off_cycle", off_cycle_reason="Bonus"),
        table(WAITING, journals=Journals.ACCRUAL_SETTLEMENT),
    )
    assert [journal.header_text.partition("paid ")[2] for journal in settled.journals] == [
        "2026-06-26 off-cycle Bonus accrual",
        "2026-06-26 off-cycle Bonus settlement",
    ]


@pytest.mark.parametrize(
    ("template", "header_texts"),
    [
        (
            "PR {period_end} {check_date} {company_code}",
            ["PR 2026-07-05 2026-07-10 US01 accrual", "PR 2026-07-05 2026-07-10 US01 reversal of accrual"],
        ),
        (
            "{check_date} {journal_kind} of {posting_date}, {off_cycle_reason}",
            ["2026-07-10 accrual of 2026-06-30", "2026-07-10 reversal of accrual of 2026-07-01"],
        ),
    ],
)
def test_a_header_of_ones_own(template: str, header_texts: list[str]):
    allocation = allocate(run(PAY, **OVER_THE_MONTH_END), table(header_text=template, **CALENDAR_DAYS))
    assert [journal.header_text for journal in allocation.journals[:2]] == header_texts


def test_lines_of_ones_own():
    allocation = allocate(run(PAY), table(line_text="{what} {check_date} {place}, {people}"))
    assert texts(allocation) == [
        ["Wages 2026-06-26", "Employer taxes 2026-06-26", "Net pay direct deposit, taxes 2026-06-26, 1 person"]
    ]


def test_lines_per_department_say_it_in_one_spelling():
    lines = (
        PAY + PAY.replace("E01", "E02").replace("Sales", "SALES") + PAY.replace("E01", "E03").replace("Sales", "Ops")
    )
    assert texts(allocate(run(lines), table(lines=Lines.DEPARTMENT))) == [
        [
            "Wages Ops",
            "Wages SALES",
            "Employer taxes Ops",
            "Employer taxes SALES",
            "Net pay direct deposit, taxes Ops, 1 person",
            "Net pay direct deposit, taxes SALES, 2 people",
        ]
    ]


def test_lines_per_employee_show_the_code_and_warn():
    header = run(PAY + PAY.replace("E01", "9f2c-uuid") + "\n employer_tax  FUTA  - - -  9.00")
    coded = replace(
        header, lines=tuple(replace(line, employee_code="P-7" * (line.employee == "E01")) for line in header.lines)
    )
    allocation = allocate(coded, table(lines=Lines.EMPLOYEE))
    assert texts(allocation) == [
        [
            "Wages, 9f2c-uui",
            "Wages, P-7",
            "Employer taxes",
            "Employer taxes, 9f2c-uui",
            "Employer taxes, P-7",
            "Employer taxes",
            "Net pay direct deposit, taxes, 9f2c-uui",
            "Net pay direct deposit, taxes, P-7",
        ]
    ]
    (warning,) = allocation.warnings
    assert warning.kind == "pay_privacy"
    assert warning.sentence == (
        "The journal policy makes one line per employee. "
        "Whoever can read these journals in the ledger sees what each employee is paid."
    )
    assert allocate(coded, table(lines=Lines.DEPARTMENT)).warnings == ()


def test_an_accrual_per_employee_says_whose_pay_is_owed():
    header = run(PAY, **OVER_THE_MONTH_END)
    coded = replace(header, lines=tuple(replace(line, employee_code="P-7") for line in header.lines))
    accrual, *_ = allocate(coded, table(lines=Lines.EMPLOYEE, **CALENDAR_DAYS)).journals
    assert [line.text for line in accrual.lines] == ["Wages, P-7", "Employer taxes, P-7", "Accrued payroll, P-7"]


def test_the_clearing_account_in_detail_tells_withdrawals_apart():
    lines = PAY.replace("1220.00", "1120.00") + "\n child_support  Case 1  E01 - Sales  100.00"
    allocation = allocate(run(lines), table(clearing_detail=True))
    (journal,) = allocation.journals
    assert [(line.text, str(line.credit)) for line in journal.lines if line.main_account == "2110"] == [
        ("Child support", "100.00"),
        ("Net pay direct deposit, 1 person", "1120.00"),
        ("Taxes", "287.10"),
    ]
    waiting = allocate(run(lines), table(WAITING, clearing_detail=True, journals=Journals.ACCRUAL_SETTLEMENT))
    assert [len(journal.lines) for journal in waiting.journals] == [3, 4], "accrual accounts are not told apart"


# Payrolls that make no journal


@pytest.mark.parametrize(
    ("payroll_type", "ignored", "sentence"),
    [
        ("external", ("external",), "The journal policy makes no journal of external payrolls."),
        ("off_cycle", ("external", "off_cycle"), "The journal policy makes no journal of off-cycle payrolls."),
    ],
)
def test_an_ignored_payroll_type_makes_no_journal_and_says_so(payroll_type: str, ignored: tuple, sentence: str):
    # Nothing of it is looked at: not even a rule is needed.
    header = run(PAY, payroll_type=payroll_type)
    allocation = allocate(header, table("R01  tips  -  debit 2160", ignored_payroll_types=ignored))
    assert (allocation.journals, allocation.problems, allocation.is_ignored) == ((), (), True)
    assert [warning.sentence for warning in allocation.warnings] == [sentence]


def test_an_external_payroll_is_posted_if_the_policy_says_so():
    allocation = allocate(run(PAY, payroll_type="external"), table(ignored_payroll_types=()))
    assert made(allocation) == [("PAYROLL", "US01", "2026-06-26", 1)]
    assert not allocation.is_ignored


# T10: the check finds what does not fit together


def tampered(allocation: Allocation, position: int, change: dict[str, str]) -> Allocation:
    """A journal in which these accounts have another amount, on the side where they stand."""
    journals = list(allocation.journals)

    def line(found: JournalLine) -> JournalLine:
        if found.main_account not in change:
            return found
        amount = Decimal(change[found.main_account])
        return replace(found, debit=amount) if found.debit else replace(found, credit=amount)

    journals[position] = replace(journals[position], lines=tuple(line(each) for each in journals[position].lines))
    return replace(allocation, journals=tuple(journals))


def found_in(allocation: Allocation) -> list[tuple[str, str]]:
    return [
        (problem.kind, problem.sentence.removesuffix(" Nothing was sent."))
        for problem in check_together(allocation.journals, allocation.trace.blocks)
    ]


def test_a_settlement_that_leaves_something_behind_is_found():
    allocation = allocate(run(PAY), table(WAITING, journals=Journals.ACCRUAL_SETTLEMENT))
    assert found_in(allocation) == []
    assert found_in(tampered(allocation, 1, {"2130": "1507.00", "2110": "1507.00"})) == [
        ("payroll", "The journals of the run and its payroll differ by 0.10 on account 2110 in company code US01."),
        ("payroll", "The journals of the run and its payroll differ by 0.10 on account 2130 in company code US01."),
    ]
    only_accrued = replace(allocation, journals=allocation.journals[:1])
    assert [kind for kind, _ in found_in(only_accrued)] == ["payroll", "payroll"]
    no_settlement = [block for block in allocation.trace.blocks if block.journal == 0]
    kinds = {problem.kind for problem in check_together(allocation.journals[:1], no_settlement)}
    assert kinds == {"payroll", "accrual_account"}


def test_a_journal_that_does_not_balance_is_found():
    allocation = allocate(run(PAY), table())
    assert found_in(tampered(allocation, 0, {"6000": "1400.01"}))[0] == (
        "residual",
        "Debits and credits differ by 0.01 in company code US01. We do not send a journal that does not balance.",
    )


def test_a_reversal_that_does_not_undo_its_accrual_is_found():
    allocation = allocate(run(PAY, **OVER_THE_MONTH_END), table(**CALENDAR_DAYS))
    assert found_in(allocation) == []
    words = "The accrual of 30 Jun 2026 and its reversal differ by"
    assert found_in(tampered(allocation, 1, {"6000": "899.00", "2190": "967.85"})) == [
        ("reversal", f"{words} 1.00 on account 2190 in company code US01."),
        ("reversal", f"{words} 1.00 on account 6000 in company code US01."),
    ]
    same_day = list(allocation.journals)
    same_day[1] = replace(same_day[1], posting_date=date(2026, 6, 30))
    assert found_in(replace(allocation, journals=tuple(same_day))) == [
        ("reversal", "The reversal of 30 Jun 2026 undoes no accrual before it.")
    ]


def test_due_to_that_is_not_due_from_is_found():
    lines = PAY.replace("E01 J1", "E01 J2")
    allocation = allocate(run(lines), table(TWO_CODES, JOBS, **PAYMASTER))
    assert found_in(allocation) == []
    without_due_from = [block for block in allocation.trace.blocks if block.main_account != "1350"]
    kinds = [problem.kind for problem in check_together(allocation.journals, without_due_from)]
    assert kinds == ["payroll", "intercompany"]
