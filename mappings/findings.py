"""What stops an allocation: one finding per payroll line or person, one problem per repair.

Four hundred lines without a rule are one thing to do for finance, so findings with the same repair become one problem
with one sentence, the number of lines and their amount. The findings stay beside it for a table of lines. A sentence
never names a person.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mappings.journal import ZERO, Problem
from mappings.payroll import SIDES, PayrollLine, Side
from mappings.table import COMPANY_CODE, NONE, fold


class FindingKind(enum.StrEnum):
    """Which check a line or person did not pass."""

    TIE = "tie"
    GAP = "gap"
    CROSSWALK_GAP = "crosswalk_gap"
    COMPANY_CODE = "company_code"
    """A credit whose target names another company code than the one it has to stay in."""
    DECIMALS = "decimals"
    WAGES = "wages"
    """Wages of both signs, or of 0.00 in total: nothing can follow them."""
    NEGATIVE_NET_PAY = "negative_net_pay"
    UNBALANCED = "unbalanced"
    """The lines of a person are not the same in debit and credit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One payroll line that cannot be allocated on one side, or one person (then `line` is one of the person's lines).

    `rules` are the names of the rules concerned, `missing` the dimension (or `company_code`) that the crosswalk does not
    give for `source` (source kind, source value), `amount` the whole line or the person's difference.
    """

    kind: FindingKind
    line: PayrollLine
    amount: Decimal
    side: Side | None = None
    rules: tuple[str, ...] = ()
    missing: str = ""
    source: tuple[str, str] = ("", "")
    company_codes: tuple[str, ...] = ()

    def order(self) -> tuple[int, bool, str, tuple[str, ...], str]:
        """By line, debit before credit: the same findings always stand in the same order."""
        return self.line.number, self.side == Side.CREDIT, self.kind, self.rules, self.missing


def reported_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in order, each once. A line with a problem on its debit side is not reported for its credit side again."""
    unique = {finding.order(): finding for finding in findings}
    debits = {finding.line.number for finding in unique.values() if finding.side == Side.DEBIT}
    return tuple(
        finding
        for _, finding in sorted(unique.items(), key=lambda item: item[0])
        if finding.side != Side.CREDIT or finding.line.number not in debits
    )


def problems_of(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """One problem for all findings that the same repair settles, in the order of their first lines."""
    by_repair: dict[Hashable, list[Finding]] = {}
    for finding in findings:
        by_repair.setdefault((finding.kind, *_REPAIRS[finding.kind](finding)), []).append(finding)
    return tuple(_problem(members) for members in by_repair.values())


def _component(finding: Finding) -> tuple[Hashable, ...]:
    line = finding.line
    return finding.side, finding.rules, line.kind, fold(line.component), fold(line.department)


def _crosswalk_row(finding: Finding) -> tuple[Hashable, ...]:
    source_kind, source_value = finding.source
    # One sentence for all employees without a row of their own: it may name none of them.
    return source_kind, "" if source_kind == "employee" else fold(source_value), fold(finding.missing)


#: What tells one repair from another.
_REPAIRS: dict[FindingKind, Callable[[Finding], tuple[Hashable, ...]]] = {
    FindingKind.TIE: _component,
    FindingKind.GAP: _component,
    FindingKind.CROSSWALK_GAP: _crosswalk_row,
    FindingKind.COMPANY_CODE: lambda finding: (finding.side, finding.rules),
    FindingKind.DECIMALS: _component,
    FindingKind.WAGES: lambda finding: finding.company_codes,
    FindingKind.NEGATIVE_NET_PAY: lambda finding: (),
    FindingKind.UNBALANCED: lambda finding: (),
}


def _problem(findings: Sequence[Finding]) -> Problem:
    kind = findings[0].kind
    of_the_payroll = kind in (FindingKind.DECIMALS, FindingKind.NEGATIVE_NET_PAY, FindingKind.UNBALANCED)
    return Problem(
        code="tie_out" if of_the_payroll else "mapping",
        kind=kind.value,
        sentence=f"{_SENTENCES[kind](findings)} Nothing was sent.",
        facts=_facts(findings),
        page="payroll_run" if of_the_payroll else "mapping",
    )


def _facts(findings: Sequence[Finding]) -> tuple[tuple[str, str], ...]:
    """The figures behind a sentence. Several values stand behind one another; the employee only if there is but one."""
    employees = _distinct(finding.line.employee for finding in findings)
    source_kinds = _distinct(finding.source[0] for finding in findings)
    facts = {
        "kind": ", ".join(_distinct(finding.line.kind.value for finding in findings)),
        "component": ", ".join(_distinct(finding.line.component for finding in findings)),
        "department": ", ".join(_distinct(finding.line.department for finding in findings)),
        "employee": employees[0] if len(employees) == 1 else "",
        "employees": str(len(employees)),
        "side": ", ".join(_distinct(finding.side.value for finding in findings if finding.side)),
        "amount": str(_total(findings)),
        "line": str(findings[0].line.number),
        "lines": str(len({finding.line.number for finding in findings})),
        "rules": " ".join(_distinct(rule for finding in findings for rule in finding.rules)),
        "missing": ", ".join(_distinct(finding.missing for finding in findings)),
        "source": ", ".join(source_kinds),
        "company_codes": ", ".join(_distinct(code for finding in findings for code in finding.company_codes)),
    }
    if source_kinds != ["employee"]:
        facts["source_value"] = ", ".join(_distinct(finding.source[1] for finding in findings))
    return tuple((name, value) for name, value in facts.items() if value)


# Sentences


def _tie(findings: Sequence[Finding]) -> str:
    *others, last = findings[0].rules
    return f"Rules {', '.join(others)} and {last} catch {_what(findings[0])} equally well. Make one more specific. {_size(findings)}"


def _gap(findings: Sequence[Finding]) -> str:
    return f"No rule catches {_what(findings[0])}. {_size(findings)}"


def _crosswalk_gap(findings: Sequence[Finding]) -> str:
    source_kind, source_value = findings[0].source
    missing = findings[0].missing.replace(COMPANY_CODE, "company code")
    people = len({finding.line.employee for finding in findings})
    size = f"{_count(people, 'employee')}, {_total(findings):,.2f}."
    if source_kind == "employee":
        return f"The crosswalk gives {_count(people, 'employee')} no {missing}. {_size(findings)}"
    source = source_kind.replace("_", " ")
    if source_value == NONE:
        return f"The crosswalk has no row {NONE} for people without {source}, so they have no {missing}. {size}"
    return f'{source.capitalize()} "{source_value}" has no {missing} in the crosswalk. {size}'


def _company_code(findings: Sequence[Finding]) -> str:
    rules = " ".join(findings[0].rules)
    return (
        f"Rule {rules} names company code {', '.join(_distinct(c for f in findings for c in f.company_codes))} for a credit "
        f"that stays where its wages are, or in the company code that pays for all. Leave it empty. {_size(findings)}"
    )


def _decimals(findings: Sequence[Finding]) -> str:
    amounts = ", ".join(_distinct(str(finding.line.amount) for finding in findings))
    return f"{_count(len(findings), 'payroll line')} of {_what(findings[0])} cannot be paid in cents: {amounts}. We do not round."


def _wages(findings: Sequence[Finding]) -> str:
    codes = findings[0].company_codes
    where = f"company codes {', '.join(codes)}" if len(codes) > 1 else f"the jobs in company code {codes[0]}"
    people = _count(len(findings), "employee")
    return (
        f"The wages of {people} in {where} have both signs or are 0.00 together, "
        f"so they cannot say where taxes, deductions and net pay belong."
    )


def _negative_net_pay(findings: Sequence[Finding]) -> str:
    return f"The net pay of {_count(len(findings), 'employee')} is below zero, {_total(findings):,.2f}, in a run that corrects nothing."


def _unbalanced(findings: Sequence[Finding]) -> str:
    difference = sum((abs(finding.amount) for finding in findings), ZERO)
    people = _count(len(findings), "employee")
    return f"Pay and what it is made of differ by {difference:,.2f} for {people}. We do not send a journal that does not balance."


_SENTENCES: dict[FindingKind, Callable[[Sequence[Finding]], str]] = {
    FindingKind.TIE: _tie,
    FindingKind.GAP: _gap,
    FindingKind.CROSSWALK_GAP: _crosswalk_gap,
    FindingKind.COMPANY_CODE: _company_code,
    FindingKind.DECIMALS: _decimals,
    FindingKind.WAGES: _wages,
    FindingKind.NEGATIVE_NET_PAY: _negative_net_pay,
    FindingKind.UNBALANCED: _unbalanced,
}


def _what(finding: Finding) -> str:
    """`"Bonus" (earning) in Sales`; the side is said where a line has two of them."""
    line = finding.line
    words = line.kind.value.replace("_", " ")
    side = f"the {finding.side} of " if finding.side and len(SIDES[line.kind]) != 1 else ""
    return f'{side}"{line.component}" ({words}){f" in {line.department}" if line.department else ""}'


def _size(findings: Sequence[Finding]) -> str:
    return f"{_count(len(findings), 'payroll line')}, {_total(findings):,.2f}."


def _total(findings: Sequence[Finding]) -> Decimal:
    """A line that lacks two dimensions is two findings but one amount."""
    return sum({finding.line.number: finding.amount for finding in findings}.values(), ZERO)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
