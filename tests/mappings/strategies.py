"""Any correct payroll run, any complete mapping table and any journal policy, for laws that hold for all of them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from mappings.payroll import SIDES, WAGES, LineKind, PayrollHeader, PayrollLine, Side
from mappings.policy import Credits, Journals, Lines, Policy, PostingDate, Straddle
from mappings.splitting import from_cents
from mappings.table import Criteria, CrosswalkEntry, Rule, Table, Target

KINDS_OF_A_PERSON = [
    LineKind.EARNING,
    LineKind.TIPS,
    LineKind.OWNERS_DRAW,
    LineKind.REIMBURSEMENT,
    LineKind.EMPLOYEE_TAX,
    LineKind.BENEFIT_DEDUCTION,
    LineKind.GARNISHMENT,
    LineKind.CHILD_SUPPORT,
    LineKind.OTHER_DEDUCTION,
    LineKind.EMPLOYER_TAX,
    LineKind.EMPLOYER_CONTRIBUTION,
    LineKind.IMPUTED,
    LineKind.CASH_TIPS,
]
JOB_TITLES = ["Barista", "Trainer", "barista lead"]
DEPARTMENTS = ["Cafe", "Field", ""]
COMPONENTS = ["Alpha", "Beta"]

cents = st.integers(0, 300_000)


@st.composite
def payroll_runs(draw: st.DrawFn, has_both_signs: bool = False) -> PayrollHeader:
    """A correct payroll: wages of one sign, net pay exactly what is left; in a correction everybody pays back.

    With both signs wages may be moved between jobs, which only one paymaster can stand.
    """
    sign = draw(st.sampled_from([1, 1, -1]))
    lines: list[PayrollLine] = []

    def add(kind: LineKind, amount: int, employee: str, job: str, department: str) -> None:
        component = draw(st.sampled_from(COMPONENTS))
        lines.append(
            PayrollLine(
                number=len(lines) + 1,
                kind=kind,
                component=component,
                amount=from_cents(sign * amount),
                employee=employee,
                employee_code=employee.replace("E", "P-"),
                job=job,
                department=department,
            )
        )

    for number in range(draw(st.integers(1, 3))):
        department = draw(st.sampled_from(DEPARTMENTS))
        left = 0
        for kind in draw(st.lists(st.sampled_from(KINDS_OF_A_PERSON), min_size=1, max_size=9)):
            job = draw(st.sampled_from(JOB_TITLES)) if SIDES[kind] == (Side.DEBIT,) else ""
            amount = draw(cents)
            if has_both_signs and kind in WAGES:
                amount *= draw(st.sampled_from([1, -1]))
            if SIDES[kind] == (Side.CREDIT,):
                amount = max(min(amount, left), 0)
                left -= amount
            elif SIDES[kind] == (Side.DEBIT,):
                left += amount
            add(kind, amount, f"E{number}", job, department)
        add(LineKind.NET_PAY, left, f"E{number}", "", department)
    if draw(st.booleans()):
        add(LineKind.EMPLOYER_TAX, draw(cents), "", "", "")
    corrects = sign < 0 or has_both_signs
    check_date = date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
    period_start: date | None = check_date - timedelta(days=draw(st.sampled_from([40, 18, 75, 9, -5])))
    period_end: date | None = (
        period_start + timedelta(days=draw(st.sampled_from([13, 6, 14, 30, 35]))) if period_start else None
    )
    if draw(st.integers(0, 9)) == 0:
        period_start = period_end = None
    return PayrollHeader(
        payroll_uuid="run",
        company_uuid="company",
        check_date=check_date,
        payroll_type="off_cycle" if corrects else "regular",
        off_cycle_reason="Correction" if corrects else "",
        period_start=period_start,
        period_end=period_end,
        debit_date=check_date - timedelta(days=2),
        sequence=draw(st.sampled_from([1, 1, 2, 99])),
        lines=tuple(draw(st.permutations(lines))),
    )


@st.composite
def policies(draw: st.DrawFn, **fixed: object) -> Policy:
    """Any journal policy that does not contradict itself; `fixed` are fields that it has in any case."""
    lines = draw(st.sampled_from(Lines))
    journals = fixed.get("journals") or draw(st.sampled_from(Journals))
    dates = [PostingDate.CHECK_DATE, PostingDate.DEBIT_DATE]
    values: dict[str, object] = {
        "company_code": "US01",
        "posting_date": draw(st.sampled_from(dates)),
        "journals": journals,
        "credits": draw(st.sampled_from(Credits)),
        "straddle": draw(st.sampled_from([*Straddle, Straddle.CALENDAR_DAYS])),
        "lines": lines,
        "paying_company_code": draw(st.sampled_from(["US01", "US02", "US09"])),
        "due_from_account": "1350",
        "due_to_account": draw(st.sampled_from(["2350", "1350"])),
        "affiliate_dimension": draw(st.sampled_from(["Affiliate", ""])),
        "accrual_account": draw(st.sampled_from(["2190", "2120"])),
        "straddle_off_cycle": draw(st.booleans()),
        "unpaid_holidays": draw(st.sampled_from([(), (date(2026, 7, 3), date(2026, 11, 26))])),
        "clearing_detail": draw(st.booleans()),
        "header_text": draw(st.sampled_from(["", "Pay {period} {check_date} {company_code}"])),
        "line_text": draw(st.sampled_from(["", "{what} {employee_code}" if lines == Lines.EMPLOYEE else "{what}"])),
    }
    return Policy(**(values | fixed))


@st.composite
def mapping_tables(draw: st.DrawFn, policy: Policy | None = None) -> Table:
    """A complete table: a default rule for every kind, more specific ones above it, no two with one key."""
    policy = policy or Policy("US01")
    rules = []
    for kind in LineKind:
        keys = draw(
            st.sets(
                st.tuples(*(st.sampled_from(["", *values]) for values in (COMPONENTS, JOB_TITLES, DEPARTMENTS[:2]))),
                max_size=2,
            )
        )
        for position, (component, job, department) in enumerate(sorted(keys | {("", "", "")})):
            sides = {}
            for side in SIDES[kind] or draw(st.sampled_from([(), (Side.DEBIT, Side.CREDIT)])):
                sides[side.value] = draw(targets(kind, side, policy))
            if sides:
                rules.append(
                    Rule(
                        f"{kind}-{position}",
                        kind,
                        Criteria(component=component, job=job, department=department),
                        **sides,
                    )
                )
    crosswalk = [
        *(
            CrosswalkEntry("job", job, "company_code", f"US0{i % 2 + 1}")
            for i, job in enumerate([*JOB_TITLES, "(none)"])
        ),
        *(CrosswalkEntry("job", job, "CostCenter", f"3{i}0") for i, job in enumerate([*JOB_TITLES, "(none)"])),
        *(CrosswalkEntry("department", name or "(none)", "CostCenter", f"{i}00") for i, name in enumerate(DEPARTMENTS)),
    ]
    return Table(
        "1", date(2026, 1, 1), tuple(draw(st.permutations(rules))), tuple(draw(st.permutations(crosswalk))), policy
    )


def targets(kind: LineKind, side: Side, policy: Policy) -> st.SearchStrategy[tuple[Target, ...]]:
    percents = st.sampled_from([["100"], ["50", "50"], ["33.33", "33.33", "33.34"], ["1", "99"], ["60", "0", "40"]])
    # Net pay and the credit of an employer cost stay where their debits are, and every credit with its paymaster.
    stays = kind == LineKind.NET_PAY or (side == Side.CREDIT and len(SIDES[kind]) != 1)
    stays = stays or (side == Side.CREDIT and policy.has_paymaster)
    codes = ["", "@job", "US03"] if kind in WAGES else [""] if stays else ["", "", "US02"]
    dimensions = st.sampled_from(
        [(), (("CostCenter", "@department"),), (("CostCenter", "@job"),), (("CostCenter", "9"),)]
    )
    accrual_accounts = st.sampled_from(["", "2120", "2130"] if side == Side.CREDIT else [""])
    one = st.tuples(st.sampled_from(["6000", "6100", "2110"]), dimensions, st.sampled_from(codes), accrual_accounts)

    def build(percents: list[str], places: list) -> tuple[Target, ...]:
        return tuple(
            Target(position, Decimal(percent), *place)
            for position, (percent, place) in enumerate(zip(percents, places, strict=False), 1)
        )

    return st.builds(build, percents, st.lists(one, min_size=3, max_size=3))


@st.composite
def allocations(draw: st.DrawFn, **fixed: object) -> tuple[PayrollHeader, Table]:
    """A run and a table under any journal policy."""
    policy = draw(policies(**fixed))
    header = draw(payroll_runs(has_both_signs=policy.has_paymaster and draw(st.booleans())))
    return header, draw(mapping_tables(policy))
