"""The checks on a mapping table and on a journal, each a function of its own, all of them run every time.

A check returns problems in finance's words: what, where, which rule, and the closest thing that exists. A table is
checked before it is approved and while it is edited; a journal before it is frozen and again before it is sent. The
same words come out for both, because both ask the same functions about an account, a dimension and a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from mappings.chart import Chart, ChartPeriod, chart_of
from mappings.faults import (
    Fault,
    account_faults,
    company_code_faults,
    day_words,
    dimension_faults,
    dimension_set_faults,
    rules_sentence,
    text_faults,
    value_faults,
)
from mappings.journal import ZERO, Journal, Problem, residual
from mappings.payroll import EMPLOYER_COSTS, SIDES, WAGES, LineKind, Side
from mappings.policy import Journals, Straddle
from mappings.table import COMPANY_CODE, Table, Target, defects, fold, looked_up

__all__ = [
    "Chart",
    "chart_of",
    "check_journal",
    "check_table",
    "company_codes_of",
    "crosswalk_faults",
    "target_faults",
    "ties",
]


# A journal

JournalCheck = Callable[[Journal, Chart, str, Mapping[str, Collection[str]]], Iterator[Problem]]


def _journal_company_code(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    for fault in company_code_faults(chart, system_label, journal.company_code):
        yield fault.problem()


def _journal_accounts(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    if journal.company_code not in chart.company_codes:
        return
    for number in sorted({line.main_account for line in journal.lines}):
        for fault in account_faults(chart, system_label, journal.company_code, number, journal.posting_date):
            yield fault.problem(rules_by_account.get(number, ()))


def _journal_dimensions(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    rules: dict[Fault, set[str]] = defaultdict(set)
    for line in journal.lines:
        names = [name for name, _ in line.dimensions]
        found = [
            *dimension_set_faults(chart, system_label, journal.company_code, line.main_account, names),
            *(fault for name in names for fault in dimension_faults(chart, system_label, name)),
            *(
                fault
                for name, value in line.dimensions
                for fault in value_faults(chart, system_label, journal.company_code, name, value, journal.posting_date)
            ),
        ]
        for fault in found:
            rules[fault].update(rules_by_account.get(line.main_account, ()))
    for fault, named in sorted(rules.items(), key=lambda item: item[0].sentence):
        yield fault.problem(named)


def _journal_texts(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """A line without a text of its own has that of the journal."""
    silent = {line.main_account for line in journal.lines if not (line.text or journal.header_text).strip()}
    for number in sorted(silent):
        for fault in text_faults(chart, system_label, journal.company_code, number):
            yield fault.problem(rules_by_account.get(number, ()))


def _journal_period(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    day = journal.posting_date
    period = chart.period(journal.company_code, day)
    facts = {"company_code": journal.company_code, "posting_date": day.isoformat()}
    if next_open := chart.next_open_date(journal.company_code, day):
        facts["next_open_date"] = next_open.isoformat()
    if period is None:
        kind = "missing_period"
        sentence = f"{system_label} has no fiscal period for {day_words(day)} in company code {journal.company_code}."
    elif not period.is_open:
        kind = "closed_period"
        sentence = (
            f"{_period_name(period)} takes no journal in company code {journal.company_code}: {period.closed_note}."
            if period.closed_note
            else f"{_period_name(period)} is closed in company code {journal.company_code}."
        )
    else:
        return
    yield Problem("period", kind, f"{sentence} Nothing was sent.", tuple(facts.items()), page="payroll_run")


def _journal_residual(
    journal: Journal, chart: Chart, system_label: str, rules_by_account: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    difference = residual(journal.lines)
    if difference != ZERO:
        yield Problem(
            code="mapping",
            kind="residual",
            sentence=f"Debits and credits differ by {abs(difference):,.2f}. We do not send a journal that does not balance.",
            facts=(("residual", str(difference)), ("company_code", journal.company_code)),
            page="payroll_run",
        )


#: Every check on a journal, in the order in which its problems are shown.
JOURNAL_CHECKS: tuple[JournalCheck, ...] = (
    _journal_company_code,
    _journal_accounts,
    _journal_dimensions,
    _journal_texts,
    _journal_period,
    _journal_residual,
)


def check_journal(
    journal: Journal,
    chart: Chart,
    system_label: str,
    rules_by_account: Mapping[str, Collection[str]] | None = None,
) -> list[Problem]:
    """Every problem of a journal at once, judged on its posting date; empty = the ledger should take it.

    `rules_by_account` (main account -> names of the rules that brought amounts there) lets a sentence name the rule to
    change.
    """
    rules = rules_by_account or {}
    return [problem for check in JOURNAL_CHECKS for problem in check(journal, chart, system_label, rules)]


# A mapping table by itself

TableCheck = Callable[[Table], Iterable[Problem]]


def _no_rules(table: Table) -> Iterator[Problem]:
    if not table.rules:
        yield _mapping_problem("empty", "The version has no rules, so it catches nothing.")


def ties(table: Table) -> Iterator[Problem]:
    """Two rules with the same kind, criteria and side catch the same lines equally well, whatever the payroll."""
    same: dict[tuple[LineKind, Side, Hashable], list[str]] = defaultdict(list)
    for rule in table.rules:
        for side in Side:
            if rule.targets(side):
                same[rule.kind, side, (rule.criteria.filled(), rule.criteria.folded())].append(rule.name)
    for (kind, side, _), names in same.items():
        if len(names) > 1:
            *others, last = sorted(names)
            yield _mapping_problem(
                "tie",
                f"Rules {', '.join(others)} and {last} catch the same lines equally well "
                f"({_words(kind)}, {side}). Make one more specific.",
                rules=" ".join([*others, last]),
                kind=kind.value,
                side=side.value,
            )


def _one_sided(table: Table) -> Iterator[Problem]:
    """Employer costs are debited and credited: with rules for one side only, every such line would be a gap."""
    for kind in sorted(EMPLOYER_COSTS):
        rules = [rule for rule in table.rules if rule.kind == kind]
        for side, other in ((Side.DEBIT, Side.CREDIT), (Side.CREDIT, Side.DEBIT)):
            named = sorted({rule.name for rule in rules if rule.targets(side)})
            if named and not any(rule.targets(other) for rule in rules):
                yield _mapping_problem(
                    "one_sided",
                    f"No rule gives the {other} of {_words(kind)}. {rules_sentence(named, f'gives only its {side}')}",
                    rules=" ".join(named),
                    kind=kind.value,
                    side=other.value,
                )


def _empty_crosswalks(table: Table) -> Iterator[Problem]:
    """A rule that looks something up finds nothing where the crosswalk has not one row for it."""
    known = {(entry.source_kind, fold(entry.target)) for entry in table.crosswalk}
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in table.rules:
        for target in (*rule.debit, *rule.credit):
            for name, value in (*target.dimensions, (COMPANY_CODE, target.company_code)):
                source = looked_up(value)
                if source and (source, fold(name)) not in known:
                    wanted[source, name].add(rule.name)
    for (source, name), rules in sorted(wanted.items()):
        yield _mapping_problem(
            "empty_crosswalk",
            f"The crosswalk gives no {source} a {_target_words(name)}. {rules_sentence(sorted(rules), 'looks it up')}",
            rules=" ".join(sorted(rules)),
            source=source,
            missing=name,
        )


def _nothing_to_settle(table: Table) -> Iterator[Problem]:
    """Accrual and settlement without an accrual account would be a PAYROLL journal on the wrong date."""
    waiting = [target for rule in table.rules for target in rule.credit if target.accrual_account]
    if table.rules and table.policy.journals == Journals.ACCRUAL_SETTLEMENT and not waiting:
        yield _mapping_problem(
            "nothing_to_settle",
            "The journal policy wants accrual and settlement, and no credit has an accrual account. "
            "Give net pay and the taxes one.",
        )


def _credits_elsewhere(table: Table) -> Iterator[Problem]:
    """Where one company code pays for all, every credit stays there; memo kinds are paid by nobody."""
    payer = table.policy.credit_company_code
    for rule in table.rules:
        codes = {target.company_code for target in rule.credit} - {"", payer}
        if payer and SIDES[rule.kind] and codes:
            yield _mapping_problem(
                "credit_company_code",
                f"Rule {rule.name} names company code {', '.join(sorted(codes))} for a credit. Company code {payer} pays "
                "for all, so every credit stays there. Leave the company code empty.",
                rules=rule.name,
                company_codes=", ".join(sorted(codes)),
            )


#: Every check on a table by itself, in the order in which its problems are shown.
TABLE_CHECKS: tuple[TableCheck, ...] = (
    _no_rules,
    defects,
    ties,
    _one_sided,
    _empty_crosswalks,
    _nothing_to_settle,
    _credits_elsewhere,
)


# A mapping table against the ledger

TableReferenceCheck = Callable[[Table, Chart, str], Iterator[Problem]]


def _table_company_codes(table: Table, chart: Chart, system_label: str) -> Iterator[Problem]:
    for company_code in sorted(company_codes_of(table)):
        for fault in company_code_faults(chart, system_label, company_code):
            yield fault.problem()


def _table_targets(table: Table, chart: Chart, system_label: str) -> Iterator[Problem]:
    rules: dict[Fault, set[str]] = defaultdict(set)
    for rule in table.rules:
        for side in Side:
            for target in rule.targets(side):
                for fault in target_faults(table, rule.kind, side, target, chart, system_label):
                    rules[fault].add(rule.name)
    for fault, named in rules.items():
        yield fault.problem(named)


def _table_crosswalk(table: Table, chart: Chart, system_label: str) -> Iterator[Problem]:
    seen = set()
    for entry in table.crosswalk:
        if fold(entry.target) == COMPANY_CODE:
            continue  # among the company codes of the table, which are checked above
        for fault in crosswalk_faults(table, entry.target, entry.target_value, chart, system_label):
            if fault not in seen:
                seen.add(fault)
                yield fault.problem()


def _table_policy(table: Table, chart: Chart, system_label: str) -> Iterator[Problem]:
    """The accounts of the journal policy, in every company code where they may be needed."""
    policy = table.policy
    codes = sorted(company_codes_of(table) & chart.company_codes)
    others = [code for code in codes if code != policy.paying_company_code]
    faults: list[Fault] = []
    if policy.straddle != Straddle.NONE:
        for code in codes:
            faults += _policy_account_faults(chart, system_label, code, policy.accrual_account, "")
    if policy.has_paymaster:
        affiliate = policy.affiliate_dimension
        for code in others:
            faults += _policy_account_faults(chart, system_label, code, policy.due_to_account, affiliate)
        if others and policy.paying_company_code in codes:
            faults += _policy_account_faults(
                chart, system_label, policy.paying_company_code, policy.due_from_account, affiliate
            )
        if affiliate and others:
            faults += dimension_faults(chart, system_label, affiliate)
            for code in others:
                faults += value_faults(chart, system_label, policy.paying_company_code, affiliate, code, chart.on_date)
                faults += value_faults(chart, system_label, code, affiliate, policy.paying_company_code, chart.on_date)
    for fault in dict.fromkeys(faults):
        yield replace(fault, sentence=f"{fault.sentence} The journal policy needs it.", uses="").problem()


def _policy_account_faults(
    chart: Chart, system_label: str, company_code: str, number: str, dimension: str
) -> Iterator[Fault]:
    yield from account_faults(chart, system_label, company_code, number, chart.on_date)
    yield from dimension_set_faults(chart, system_label, company_code, number, [dimension] if dimension else [])


#: Every check on a table against reference data.
TABLE_REFERENCE_CHECKS: tuple[TableReferenceCheck, ...] = (
    _table_company_codes,
    _table_targets,
    _table_crosswalk,
    _table_policy,
)


def check_table(table: Table, chart: Chart | None = None, system_label: str = "") -> list[Problem]:
    """Every problem of a mapping table at once; empty = it can be approved.

    Without a chart (the reference data were not read yet) the table is judged by itself. A table is judged before any
    journal exists, so where an amount may land in one of several company codes, it is enough that one of them fits.
    """
    found = [problem for check in TABLE_CHECKS for problem in check(table)]
    if chart is not None:
        found += [
            problem
            for reference_check in TABLE_REFERENCE_CHECKS
            for problem in reference_check(table, chart, system_label)
        ]
    return found


def company_codes_of(table: Table) -> set[str]:
    """Every company code in which a journal of this table may come out."""
    named = {
        target.company_code
        for rule in table.rules
        for target in (*rule.debit, *rule.credit)
        if target.company_code and not looked_up(target.company_code)
    }
    crosswalked = {entry.target_value for entry in table.crosswalk if fold(entry.target) == COMPANY_CODE}
    return {
        code for code in (table.policy.company_code, table.policy.credit_company_code, *named, *crosswalked) if code
    }


def target_faults(
    table: Table, kind: LineKind, side: Side, target: Target, chart: Chart, system_label: str
) -> list[Fault]:
    """What the ledger has against one target of a rule, in the first of the company codes where it may land."""
    codes = [code for code in _landing_codes(table, kind, side, target) if code in chart.company_codes]
    found: list[list[Fault]] = []
    for code in codes:
        names = [name for name, _ in target.dimensions]
        faults = [
            *account_faults(chart, system_label, code, target.main_account, chart.on_date),
            *dimension_set_faults(chart, system_label, code, target.main_account, names),
            *(
                fault
                for name, value in target.dimensions
                if not looked_up(value)
                for fault in value_faults(chart, system_label, code, name, value, chart.on_date)
            ),
        ]
        if target.accrual_account:
            faults += account_faults(
                chart, system_label, code, target.accrual_account, chart.on_date, column="accrual_account"
            )
        found.append(faults)
    unknown = [fault for name, _ in target.dimensions for fault in dimension_faults(chart, system_label, name)]
    return [*unknown, *min(found, key=len, default=[])]


def crosswalk_faults(table: Table, target: str, target_value: str, chart: Chart, system_label: str) -> list[Fault]:
    """What the ledger has against what a crosswalk row gives: a company code, or a value of a dimension."""
    if fold(target) == COMPANY_CODE:
        unknown_code = company_code_faults(chart, system_label, target_value)
        return [replace(fault, column="target_value", uses="") for fault in unknown_code]
    if unknown := list(dimension_faults(chart, system_label, target)):
        return [replace(fault, column="target", uses="") for fault in unknown]
    found = [
        [
            replace(fault, column="target_value", uses="")
            for fault in value_faults(chart, system_label, code, target, target_value, chart.on_date)
        ]
        for code in sorted(company_codes_of(table) & chart.company_codes)
    ]
    return min(found, key=len, default=[])


def _landing_codes(table: Table, kind: LineKind, side: Side, target: Target) -> list[str]:
    """Company codes where a target may land: its own, those of the crosswalk, the default, or wherever wages go."""
    if table.policy.has_paymaster and side == Side.CREDIT and SIDES[kind]:
        return [table.policy.paying_company_code]
    source = looked_up(target.company_code)
    if source:
        return sorted(
            {
                entry.target_value
                for entry in table.crosswalk
                if entry.source_kind == source and fold(entry.target) == COMPANY_CODE
            }
        )
    if target.company_code:
        return [target.company_code]
    if kind in WAGES and side == Side.DEBIT:
        return [table.policy.company_code]
    return sorted(company_codes_of(table))


# Words


def _mapping_problem(kind_of_problem: str, sentence: str, **facts: str) -> Problem:
    return Problem("mapping", kind_of_problem, sentence, tuple(facts.items()), page="mapping")


def _words(kind: object) -> str:
    return str(kind).replace("_", " ")


def _target_words(name: str) -> str:
    return "company code" if fold(name) == COMPANY_CODE else name


def _period_name(period: ChartPeriod) -> str:
    """`October 2026` for a calendar month, else the ledger's name or the days."""
    if period.start_date.day == 1 and (period.end_date + timedelta(days=1)).day == 1:
        following = period.end_date + timedelta(days=1)
        if (following.year * 12 + following.month) - (period.start_date.year * 12 + period.start_date.month) == 1:
            return f"{period.start_date:%B %Y}"
    return period.name or f"The fiscal period {day_words(period.start_date)} to {day_words(period.end_date)}"
