"""Every check on a journal and on a table, in the words that finance reads."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal

import pytest

from mappings.chart import Chart, ChartAccount, ChartPeriod, ChartValue, chart_of, closest, system_label
from mappings.checks import check_journal, check_table, company_codes_of
from mappings.journal import Journal, JournalKind, JournalLine
from mappings.models import Dimension, DimensionValue, FiscalPeriod, MainAccount
from mappings.payroll import LineKind
from mappings.policy import Credits, Journals, Policy, Straddle
from mappings.table import Criteria, CrosswalkEntry, Rule, Table, Target
from tenants import credentials
from tenants.models import Connection
from tenants.scope import tenant_scope

DAY = datetime.date(2026, 11, 13)
LEDGER = "IFS Cloud"


def day(month: int, number: int, year: int = 2026) -> datetime.date:
    return datetime.date(year, month, number)


ACCOUNTS = (
    ChartAccount("1000", "6000", "Wages", required_dimensions=frozenset({"CostCenter"})),
    ChartAccount("1000", "6100", "Payroll tax expense"),
    ChartAccount("1000", "6110", "Old payroll taxes", is_active=False),
    ChartAccount("1000", "6120", "Sold shop", valid_to=day(10, 31)),
    ChartAccount("1000", "6130", "New shop", valid_from=day(12, 1)),
    ChartAccount("1000", "1100", "Bank", allows_manual_entry=False),
    ChartAccount("1000", "1200", "Payables", allows_manual_entry=False, entry_note="belongs to a sub-ledger"),
    ChartAccount("1000", "6300", "Expenses paid back", requires_text=True),
    ChartAccount("1000", "2110", "Gusto clearing", allowed_dimensions=frozenset()),
    ChartAccount("2000", "6000", "Wages"),
    ChartAccount("2000", "2110", "Gusto clearing"),
    ChartAccount("2000", "6400", "Contract work"),
)

VALUES = (
    ChartValue("", "CostCenter", "100", "Bakery"),
    ChartValue("", "CostCenter", "200", "Sales"),
    ChartValue("", "CostCenter", "900", "Closed shop", valid_to=day(10, 31)),
    ChartValue("", "CostCenter", "910", "Blocked", is_active=False),
    ChartValue("2000", "CostCenter", "300", "Mill"),
    ChartValue("1000", "Project", "P1"),
)

PERIODS = (
    ChartPeriod("1000", day(10, 1), day(10, 31), is_open=False),
    ChartPeriod("1000", day(11, 1), day(11, 30), is_open=True),
    ChartPeriod("1000", day(12, 1), day(12, 31), is_open=True),
    ChartPeriod("1000", day(12, 31), day(12, 31), is_open=False, name="Closing 2026"),
    ChartPeriod("2000", day(9, 28), day(10, 25), is_open=False, name="P10 2026"),
    ChartPeriod("2000", day(12, 1), day(12, 31), is_open=False, closed_note="it is not open for user group AC"),
    ChartPeriod("2000", day(10, 26), day(11, 22), is_open=False),
)

CHART = Chart(
    on_date=DAY,
    accounts={(account.company_code, account.number): account for account in ACCOUNTS},
    dimensions=frozenset({"CostCenter", "Project", "Department"}),
    values={(value.company_code, value.dimension, value.value): value for value in VALUES},
    periods=PERIODS,
)

FINE = JournalLine(1, "6000", (("CostCenter", "100"),), Decimal("10.00"), Decimal("0.00"))


def journal(*lines: JournalLine, company_code: str = "1000", posting_date: datetime.date = DAY) -> Journal:
    return Journal(JournalKind.PAYROLL, company_code, posting_date, DAY, "USD", "Gusto payroll", tuple(lines))


def against_clearing(*lines: JournalLine) -> Journal:
    """These debits in balance with account 2110."""
    total = sum((line.debit for line in lines), Decimal("0.00"))
    return journal(*lines, JournalLine(99, "2110", (), Decimal("0.00"), total))


def debit(account: str, *dimensions: tuple[str, str]) -> JournalLine:
    return replace(FINE, main_account=account, dimensions=tuple(sorted(dimensions)))


def sentences(problems) -> list[str]:
    return [problem.sentence for problem in problems]


def test_a_journal_that_fits_has_no_problem():
    assert check_journal(against_clearing(FINE), CHART, LEDGER) == []


@pytest.mark.parametrize(
    ("line", "kind", "sentence"),
    [
        (
            debit("6190"),
            "unknown_account",
            "Account 6190 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. "
            "Closest: 6100 Payroll tax expense.",
        ),
        (debit("6110"), "closed_account", "Account 6110 is closed in IFS Cloud. Rule R-12 still uses it."),
        (
            debit("6120"),
            "closed_account",
            "Account 6120 is closed in IFS Cloud since 1 Nov 2026. Rule R-12 still uses it.",
        ),
        (
            debit("6130"),
            "closed_account",
            "Account 6130 is open in IFS Cloud only from 1 Dec 2026 on. Rule R-12 already uses it.",
        ),
        (debit("1100"), "no_manual_entry", "Account 1100 takes no manual entry in IFS Cloud. Rule R-12 uses it."),
        (
            debit("1200"),
            "no_manual_entry",
            "Account 1200 takes no manual entry in IFS Cloud: it belongs to a sub-ledger. Rule R-12 uses it.",
        ),
        (debit("6000"), "missing_dimension", "Account 6000 needs a CostCenter in IFS Cloud. Rule R-12 gives none."),
        (
            debit("2110", ("CostCenter", "100")),
            "dimension_not_allowed",
            "Account 2110 takes no CostCenter in IFS Cloud. Rule R-12 gives one.",
        ),
        (
            debit("6100", ("Costcentre", "100")),
            "unknown_dimension",
            "IFS Cloud has no dimension Costcentre. Rule R-12 uses it. Closest: CostCenter.",
        ),
        (
            debit("6100", ("CostCenter", "201")),
            "unknown_value",
            "CostCenter 201 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. Closest: 200.",
        ),
        (
            debit("6100", ("CostCenter", "300")),
            "unknown_value",
            "CostCenter 300 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. Closest: 100.",
        ),
        (
            debit("6100", ("CostCenter", "900")),
            "closed_value",
            "CostCenter 900 is closed in IFS Cloud since 1 Nov 2026. Rule R-12 still uses it.",
        ),
        (
            debit("6100", ("CostCenter", "910")),
            "closed_value",
            "CostCenter 910 is closed in IFS Cloud. Rule R-12 still uses it.",
        ),
    ],
)
def test_what_the_ledger_does_not_take(line, kind, sentence):
    problems = check_journal(against_clearing(line), CHART, LEDGER, {line.main_account: {"R-12"}})
    assert [(problem.code, problem.kind, problem.sentence) for problem in problems] == [("reference", kind, sentence)]
    assert problems[0].fact("rules") == "R-12"


def test_a_sentence_without_known_rules_blames_none():
    problems = check_journal(against_clearing(debit("6110")), CHART, LEDGER)
    assert sentences(problems) == ["Account 6110 is closed in IFS Cloud."]


def test_several_rules_are_named_in_order():
    problems = check_journal(against_clearing(debit("6110")), CHART, LEDGER, {"6110": {"R-09", "R-04", "R-10"}})
    assert sentences(problems) == ["Account 6110 is closed in IFS Cloud. Rules R-04, R-09 and R-10 still use it."]


def test_the_account_of_many_lines_is_reported_once():
    lines = [debit("6110", ("CostCenter", value)) for value in ("100", "200")]
    assert len(check_journal(against_clearing(*lines), CHART, LEDGER)) == 1


def test_a_company_code_that_the_ledger_lacks_is_one_problem():
    other = replace(against_clearing(FINE), company_code="3000")
    found = [problem for problem in check_journal(other, CHART, LEDGER) if problem.code == "reference"]
    assert sentences(found) == ["IFS Cloud has no main account in company code 3000. Closest: 1000."]


def test_a_closed_period_says_what_was_not_done_and_when_it_could_be():
    late = replace(against_clearing(FINE), posting_date=day(10, 30))
    [problem] = check_journal(late, CHART, LEDGER)
    assert (problem.code, problem.kind) == ("period", "closed_period")
    assert problem.sentence == "October 2026 is closed in company code 1000. Nothing was sent."
    assert problem.fact("next_open_date") == "2026-11-01"


@pytest.mark.parametrize(
    ("posting_date", "sentence"),
    [
        (day(10, 1), "P10 2026 is closed in company code 2000. Nothing was sent."),
        (day(11, 13), "The fiscal period 26 Oct 2026 to 22 Nov 2026 is closed in company code 2000. Nothing was sent."),
        (
            day(12, 4),
            "December 2026 takes no journal in company code 2000: it is not open for user group AC. Nothing was sent.",
        ),
        (day(1, 5, 2027), "IFS Cloud has no fiscal period for 5 Jan 2027 in company code 2000. Nothing was sent."),
    ],
)
def test_periods_that_are_no_months(posting_date, sentence):
    mine = replace(against_clearing(debit("6000")), company_code="2000", posting_date=posting_date)
    assert sentences(check_journal(mine, CHART, LEDGER)) == [sentence]


def test_an_account_that_demands_a_text_takes_that_of_the_journal():
    expenses = against_clearing(debit("6300"))
    assert check_journal(expenses, CHART, LEDGER) == []
    own = replace(expenses, header_text="", lines=tuple(replace(line, text="Taxi") for line in expenses.lines))
    assert check_journal(own, CHART, LEDGER) == []
    [problem] = check_journal(replace(expenses, header_text=" "), CHART, LEDGER, {"6300": {"R-12"}})
    assert (problem.code, problem.kind) == ("reference", "missing_text")
    assert problem.sentence == "Account 6300 demands a text in IFS Cloud. Rule R-12 gives none."


def test_a_closing_period_does_not_hide_the_month():
    last = replace(against_clearing(FINE), posting_date=day(12, 31))
    assert check_journal(last, CHART, LEDGER) == []


def test_the_posting_date_decides_what_is_closed():
    october = replace(against_clearing(debit("6120", ("CostCenter", "900"))), posting_date=day(10, 30))
    assert [problem.kind for problem in check_journal(october, CHART, LEDGER)] == ["closed_period"]


def test_a_residual_comes_last():
    short = journal(debit("6110"), JournalLine(2, "2110", (), Decimal("0.00"), Decimal("9.98")))
    problems = check_journal(short, CHART, LEDGER)
    assert [problem.kind for problem in problems] == ["closed_account", "residual"]
    assert problems[-1].sentence == (
        "Debits and credits differ by 0.02. We do not send a journal that does not balance."
    )
    assert problems[-1].code == "mapping"


def test_every_problem_shows_at_once():
    lines = [debit("6190"), debit("6000"), debit("6100", ("CostCenter", "910"), ("Plant", "1"))]
    late = replace(against_clearing(*lines), posting_date=day(10, 30))
    short = replace(late, lines=late.lines[:-1])
    assert [problem.kind for problem in check_journal(short, CHART, LEDGER)] == [
        "unknown_account",
        "missing_dimension",
        "closed_value",
        "unknown_dimension",
        "closed_period",
        "residual",
    ]


# A table


def target(account: str = "6000", *dimensions: tuple[str, str], **more) -> Target:
    return Target(1, Decimal(100), account, dimensions, **more)


CREDITS = (
    Rule("R02", LineKind.EMPLOYEE_TAX, credit=(target("2110"),)),
    Rule("R10", LineKind.NET_PAY, credit=(target("2110"),)),
)


def table(*rules: Rule, crosswalk: tuple[CrosswalkEntry, ...] = (), company_code: str = "1000") -> Table:
    return Table("1", day(1, 1), (*rules, *CREDITS), crosswalk, Policy(company_code))


WAGES = Rule("R01", LineKind.EARNING, debit=(target("6000", ("CostCenter", "100")),))


def test_a_table_that_fits_has_no_problem():
    assert check_table(table(WAGES)) == []
    assert check_table(table(WAGES), CHART, LEDGER) == []


@pytest.mark.parametrize(
    ("rules", "kind", "sentence"),
    [
        (
            [Rule("R01", LineKind.EARNING, debit=(replace(target(), percent=Decimal("99.99")),))],
            "rule",
            "Rule R01: the debit percentages 99.99 are not 100.",
        ),
        (
            [
                Rule("R20", LineKind.EARNING, Criteria(department="Sales"), debit=(target(),)),
                Rule("R21", LineKind.EARNING, Criteria(department=" SALES"), debit=(target(),)),
            ],
            "tie",
            "Rules R20 and R21 catch the same lines equally well (earning, debit). Make one more specific.",
        ),
        (
            [Rule("R03", LineKind.EMPLOYER_TAX, debit=(target("6100"),))],
            "one_sided",
            "No rule gives the credit of employer tax. Rule R03 gives only its debit.",
        ),
        (
            [
                Rule("R05", LineKind.EMPLOYER_CONTRIBUTION, credit=(target("2110"),)),
                Rule("R06", LineKind.EMPLOYER_CONTRIBUTION, Criteria(component="HSA"), credit=(target("2110"),)),
            ],
            "one_sided",
            "No rule gives the debit of employer contribution. Rules R05 and R06 give only its credit.",
        ),
        (
            [Rule("R07", LineKind.IMPUTED, debit=(target(),))],
            "rule",
            "Rule R07: imputed is posted only by a rule with both sides.",
        ),
        (
            [Rule("R01", LineKind.EARNING, debit=(target("6000", ("CostCenter", "@department")),))],
            "empty_crosswalk",
            "The crosswalk gives no department a CostCenter. Rule R01 looks it up.",
        ),
        (
            [Rule("R01", LineKind.EARNING, debit=(target(company_code="@job"),))],
            "empty_crosswalk",
            "The crosswalk gives no job a company code. Rule R01 looks it up.",
        ),
    ],
)
def test_what_is_wrong_with_a_table_by_itself(rules, kind, sentence):
    problems = check_table(table(*rules))
    assert [(problem.code, problem.kind, problem.sentence) for problem in problems] == [("mapping", kind, sentence)]


def test_debit_and_credit_by_different_rules_are_fine():
    rules = [
        Rule("R03", LineKind.EMPLOYER_TAX, Criteria(department="Sales"), debit=(target("6100"),)),
        Rule("R04", LineKind.EMPLOYER_TAX, credit=(target("2110"),)),
    ]
    assert check_table(table(*rules)) == []


def test_a_table_without_a_company_code_or_rules():
    empty = replace(table(company_code=""), rules=())
    assert sentences(check_table(empty)) == [
        "The version has no rules, so it catches nothing.",
        "The journal policy names no default company code.",
    ]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("6190"),))],
            "Account 6190 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. "
            "Closest: 6100 Payroll tax expense.",
        ),
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("6120"),))],
            "Account 6120 is closed in IFS Cloud since 1 Nov 2026. Rule R-12 still uses it.",
        ),
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("1100"),))],
            "Account 1100 takes no manual entry in IFS Cloud. Rule R-12 uses it.",
        ),
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("6000"),))],
            "Account 6000 needs a CostCenter in IFS Cloud. Rule R-12 gives none.",
        ),
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("6100", ("Plant", "7")),))],
            "IFS Cloud has no dimension Plant. Rule R-12 uses it. Closest: Project.",
        ),
        (
            [Rule("R-12", LineKind.EARNING, debit=(target("6100", ("CostCenter", "299")),))],
            "CostCenter 299 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. Closest: 200.",
        ),
        (
            [Rule("R-12", LineKind.TIPS, debit=(target("6100", company_code="3000"),))],
            "IFS Cloud has no main account in company code 3000. Closest: 1000.",
        ),
        (
            [Rule("R-12", LineKind.GARNISHMENT, credit=(target("2110", accrual_account="2199"),))],
            "Account 2199 does not exist in IFS Cloud, company code 1000. Rule R-12 uses it. "
            "Closest: 2110 Gusto clearing.",
        ),
    ],
)
def test_what_the_ledger_has_against_a_table(rules, sentence):
    problems = check_table(table(*rules), CHART, LEDGER)
    assert [(problem.code, problem.sentence) for problem in problems] == [("reference", sentence)]


PAYMASTER = Policy(
    "1000",
    credits=Credits.PAYMASTER,
    paying_company_code="1000",
    due_from_account="1350",
    due_to_account="2110",
    affiliate_dimension="Department",
)
MILLS = Rule("R06", LineKind.REIMBURSEMENT, debit=(target("6400", company_code="2000"),))


@pytest.mark.parametrize(
    ("policy", "rules", "kind", "sentence"),
    [
        (
            Policy("1000", journals=Journals.ACCRUAL_SETTLEMENT),
            [],
            "nothing_to_settle",
            "The journal policy wants accrual and settlement, and no credit has an accrual account. "
            "Give net pay and the taxes one.",
        ),
        (
            PAYMASTER,
            [Rule("R04", LineKind.BENEFIT_DEDUCTION, credit=(target("2150", company_code="2000"),))],
            "credit_company_code",
            "Rule R04 names company code 2000 for a credit. Company code 1000 pays for all, so every credit stays there. "
            "Leave the company code empty.",
        ),
        (
            replace(PAYMASTER, due_to_account=""),
            [],
            "policy",
            "One company code pays for all, and the journal policy names no due-to account.",
        ),
        (
            Policy("1000"),
            [Rule("R01", LineKind.EARNING, debit=(target(accrual_account="2120"),))],
            "rule",
            "Rule R01: only a credit waits on an accrual account, a debit does not.",
        ),
    ],
)
def test_a_journal_policy_that_the_rules_do_not_fit(policy, rules, kind, sentence):
    problems = check_table(replace(table(*rules), policy=policy))
    assert [(problem.kind, problem.sentence) for problem in problems] == [(kind, sentence)]


def test_the_credits_of_memo_kinds_may_be_anywhere_since_nobody_pays_them():
    car = Rule("R07", LineKind.IMPUTED, debit=(target("6200"),), credit=(target("6400", company_code="2000"),))
    assert check_table(replace(table(car), policy=PAYMASTER)) == []


def test_what_the_ledger_has_against_the_accounts_of_the_policy():
    """The payer needs the due-from account, every other company code the due-to account, each with its affiliate."""
    assert sentences(check_table(replace(table(MILLS), policy=PAYMASTER), CHART, LEDGER)) == [
        "Account 1350 does not exist in IFS Cloud, company code 1000. The journal policy needs it. Closest: 6130 New shop.",
        "Department 2000 does not exist in IFS Cloud, company code 1000. The journal policy needs it.",
        "Department 1000 does not exist in IFS Cloud, company code 2000. The journal policy needs it.",
    ]
    alone = replace(table(WAGES), policy=PAYMASTER)
    assert check_table(alone, CHART, LEDGER) == [], "one company code owes itself nothing"


def test_the_accrual_account_is_needed_wherever_cost_may_land():
    policy = Policy("1000", straddle=Straddle.CALENDAR_DAYS, accrual_account="6400")
    assert sentences(check_table(replace(table(WAGES, MILLS), policy=policy), CHART, LEDGER)) == [
        "Account 6400 does not exist in IFS Cloud, company code 1000. The journal policy needs it. Closest: 6000 Wages."
    ]


def test_the_paying_company_code_is_one_of_the_table():
    policy = replace(PAYMASTER, paying_company_code="3000")
    assert company_codes_of(replace(table(MILLS), policy=policy)) == {"1000", "2000", "3000"}
    found = sentences(check_table(replace(table(WAGES), policy=policy), CHART, LEDGER))
    assert found[0] == "IFS Cloud has no main account in company code 3000. Closest: 1000."


def test_a_fault_of_several_rules_is_one_problem():
    rules = [
        Rule(name, LineKind.EARNING, Criteria(component=name), debit=(target("6110"),)) for name in ("R-09", "R-04")
    ]
    assert sentences(check_table(table(*rules), CHART, LEDGER)) == [
        "Account 6110 is closed in IFS Cloud. Rules R-04 and R-09 still use it."
    ]


def test_what_a_crosswalk_gives_must_exist():
    looking_up = Rule("R01", LineKind.EARNING, debit=(target("6000", ("CostCenter", "@department")),))
    crosswalk = (
        CrosswalkEntry("department", "Sales", "CostCenter", "220"),
        CrosswalkEntry("department", "Bakery", "CostCenter", "100"),
        CrosswalkEntry("department", "Shop", "Region", "7"),
        CrosswalkEntry("job", "Miller", "company_code", "9000"),
    )
    assert sentences(check_table(table(looking_up, crosswalk=crosswalk), CHART, LEDGER)) == [
        "IFS Cloud has no main account in company code 9000. Closest: 1000.",
        "CostCenter 220 does not exist in IFS Cloud, company code 1000. Closest: 200.",
        "IFS Cloud has no dimension Region. Closest: CostCenter.",
    ]


def test_it_is_enough_that_one_company_code_fits():
    """The table cannot know which company code a credit follows; the journal does, and is checked again."""
    by_job = Rule("R01", LineKind.EARNING, debit=(target("6000", ("CostCenter", "100"), company_code="@job"),))
    deduction = Rule("R08", LineKind.OTHER_DEDUCTION, credit=(target("6400"),))
    crosswalk = (
        CrosswalkEntry("job", "Baker", "company_code", "1000"),
        CrosswalkEntry("job", "Miller", "company_code", "2000"),
    )
    mine = table(by_job, deduction, crosswalk=crosswalk)
    assert company_codes_of(mine) == {"1000", "2000"}
    assert check_table(mine, CHART, LEDGER) == []
    [problem] = check_journal(against_clearing(debit("6400")), CHART, LEDGER)
    assert problem.kind == "unknown_account"


@pytest.mark.parametrize(
    ("text", "candidates", "best"),
    [
        ("6190", {"6100", "7190", "6000"}, "6100"),
        ("0601", {"601", "0600"}, "0600"),
        ("CostCentre", {"CostCenter", "Cost"}, "CostCenter"),
        ("x", set(), ""),
    ],
)
def test_the_closest_thing_begins_alike(text, candidates, best):
    assert closest(text, candidates) == best


# From rows


def test_a_chart_is_read_with_four_queries(tenant, django_assert_num_queries):
    with tenant_scope(tenant.id):
        connection = Connection.objects.create(system="d365", name="Books")
        other = Connection.objects.create(system="d365", name="Other books")
        for row in ACCOUNTS:
            MainAccount.objects.create(
                connection=connection,
                company_code=row.company_code,
                number=row.number,
                name=row.name,
                is_active=row.is_active,
                allows_manual_entry=row.allows_manual_entry,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
                allowed_dimensions=None if row.allowed_dimensions is None else sorted(row.allowed_dimensions),
                required_dimensions=sorted(row.required_dimensions),
                requires_text=row.requires_text,
                entry_note=row.entry_note,
            )
        for name in CHART.dimensions:
            Dimension.objects.create(connection=connection, name=name)
        for value in VALUES:
            DimensionValue.objects.create(
                connection=connection,
                company_code=value.company_code,
                dimension=value.dimension,
                value=value.value,
                name=value.name,
                is_active=value.is_active,
                valid_to=value.valid_to,
            )
        for period in PERIODS:
            FiscalPeriod.objects.create(
                connection=connection,
                company_code=period.company_code,
                name=period.name,
                start_date=period.start_date,
                end_date=period.end_date,
                is_open=period.is_open,
                closed_note=period.closed_note,
            )
        MainAccount.objects.create(connection=other, company_code="1000", number="6190")
        with django_assert_num_queries(4):
            chart = chart_of(connection, {"1000", "2000"}, DAY)
        assert chart.accounts == CHART.accounts
        assert chart.values == CHART.values
        assert chart.dimensions == CHART.dimensions
        assert set(chart.periods) == set(PERIODS)
        assert chart_of(connection, {"2000"}, DAY).company_codes == {"2000"}


def test_the_system_is_called_as_people_call_it(monkeypatch):
    monkeypatch.setitem(credentials._declared, "a_ledger", credentials.SystemDeclaration("a_ledger", "A Ledger", ()))
    assert system_label(Connection(system="a_ledger", name="Books")) == "A Ledger"
    assert system_label(Connection(system="unheard", name="Books")) == "Books"
