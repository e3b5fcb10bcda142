"""What has to be set up in IFS Cloud before a voucher can be made: code parts, user group, voucher type and its series.

Each question has a sentence for the person who repairs it, used by "Test connection" and by the reference data alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from audit.exchange import ExchangeError
from erp.ifs.names import CODE_PARTS
from erp.odata import Row

#: Ledger ids of voucher types and period statuses that concern the general ledger; others are internal ledgers.
GENERAL_LEDGERS = ("00", "*")

#: Meanings that IFS gives a code part by itself; NotUsed is none.
LOGICAL = frozenset({"CostCenter", "Project", "Object"})

#: Authority of a user group over a voucher type under which vouchers can be entered.
MAY_ENTER = frozenset({"EnterOnly", "EnterAndApprove"})


def checked_rows(answer: list[Row] | ExchangeError) -> list[Row]:
    """Raises the error that stands in place of rows."""
    if isinstance(answer, ExchangeError):
        raise answer
    return answer


def is_true(value: object) -> bool:
    """Booleans are texts in some sets."""
    return value is True or str(value).upper() in {"TRUE", "Y"}


def code_part_names(rows: Iterable[Row], chosen: Mapping[str, str]) -> dict[str, str]:
    """Dimension -> letter, in one company: what the connection chose, else what IFS calls it.

    A code part with a meaning of its own is named by it, so that the cost center has one name in all companies,
    whichever letter it has there. Two code parts of one name carry their letters.
    """
    used = {
        str(row["CodePart"]): row
        for row in rows
        if str(row.get("CodePart")) in CODE_PARTS and is_true(row.get("CodePartUsedDb"))
    }
    chosen_letters = {letter: name for name, letter in chosen.items()}
    names = {}
    for letter, row in sorted(used.items()):
        logical = str(row.get("LogicalCodePart") or "")
        own = re.sub(r"\s+", " ", str(row.get("CodeName") or "")).strip()
        names[letter] = chosen_letters.get(letter) or (logical if logical in LOGICAL else own) or f"Code {letter}"
    doubles = {name for name, count in Counter(names.values()).items() if count > 1}
    return {f"{name} {letter}" if name in doubles else name: letter for letter, name in names.items()}


def company_problems(company: str, known: Iterable[Row], finance: Row | None, accounts: Sequence[Row]) -> list[str]:
    """Why nothing can be posted to this company at all. A missing right and an empty company look alike, both being
    empty lists with status 200; the company's own finance record, which every company has, tells them apart.
    """
    if finance is None:
        if any(row.get("Company") == company for row in known):
            return [
                f"IFS knows company {company}, but shows nothing of its accounting to this connection. Make the service "
                "user a finance user of that company in IFS."
            ]
        return [
            f"IFS shows no company {company} to this connection. Either it does not exist, or the service user may not "
            "work in it: check the company code, and make the service user a finance user of that company in IFS."
        ]
    if not accounts:
        return [f"Company {company} has no account in IFS yet. The service user sees the company; it is empty."]
    return []


def voucher_type_problems(row: Row | None, company: str, voucher_type: str) -> list[str]:
    """Why this voucher type cannot take our vouchers, as sentences; empty if it can."""
    where = f"Voucher type {voucher_type} of company {company}"
    if row is None:
        return [
            f"Company {company} has no voucher type {voucher_type}. Create it in IFS, or enter another one in the settings "
            "of the connection."
        ]
    problems = []
    if not is_true(row.get("UseManual")):
        problems.append(f"{where} is not for vouchers that are entered by hand. Switch that on, or choose another.")
    if not is_true(row.get("AutomaticAllotDb")):
        problems.append(f"{where} does not number its vouchers by itself. Switch automatic allotment on.")
    if is_true(row.get("SimulationVoucher")):
        problems.append(f"{where} makes simulation vouchers, which never reach the ledger. Choose another.")
    if str(row.get("LedgerId") or GENERAL_LEDGERS[0]) not in GENERAL_LEDGERS:
        problems.append(f"{where} belongs to internal ledger {row['LedgerId']} only. Choose another.")
    return problems


def voucher_type_remarks(row: Row) -> list[str]:
    """What is worth knowing about a voucher type that fits."""
    if is_true(row.get("UseApprovalWorkflow")):
        return ["An approval workflow of IFS has to approve its vouchers before they reach the ledger."]
    if is_true(row.get("SeparateUserApproval")):
        return ["Another user has to approve its vouchers in IFS before they reach the ledger."]
    return []


def series_problem(series: Sequence[Row], voucher_type: str, year: int, period: int, *, is_by_period: bool) -> str:
    """Why the voucher type gives no number in a period, as a clause; empty if it does."""
    if is_by_period:
        series = [row for row in series if row.get("Period") == period]
    if not series:
        return f"voucher type {voucher_type} has no number series for {year}"
    if all(_is_used_up(row) for row in series):
        return f"the number series of voucher type {voucher_type} for {year} is used up"
    return ""


def _is_used_up(series: Row) -> bool:
    current, until = series.get("CurrentNumber"), series.get("SerieUntil")
    return current is not None and until is not None and current > until


def group_type_problem(rows: Sequence[Row], user_group: str, voucher_type: str, function_group: str, year: int) -> str:
    """Why the user group may not enter vouchers of the type in a year, as a clause; empty if it may."""
    connected = [
        row for row in rows if row.get("UserGroup") == user_group and row.get("FunctionGroup") == function_group
    ]
    if not connected:
        return (
            f"voucher type {voucher_type} is not connected to user group {user_group} for function group "
            f"{function_group} in {year}"
        )
    if not any(row.get("AuthorizeLevel") in MAY_ENTER for row in connected):
        return f"user group {user_group} may only approve vouchers of type {voucher_type} in {year}"
    return ""


def period_problem(rows: Sequence[Row], user_group: str) -> str:
    """Why a period takes no vouchers of the user group, as a clause; empty if it does."""
    own = [row for row in rows if row.get("UserGroup") == user_group and row.get("LedgerId") in GENERAL_LEDGERS]
    if not own:
        return f"user group {user_group} is not connected to it"
    if any(row.get("PeriodStatus") != "Open" for row in own):
        return f"it is not open for user group {user_group}"
    return ""


def entry_note(account: Row, function_group: str) -> str:
    """Why an account takes no rows of ours, as a clause behind “it”; empty if it does."""
    if account.get("LedgFlag") == "LedgerAccount" and function_group == "M":
        return "belongs to a sub-ledger, and function group M posts to none"
    if account.get("BudAccount") == "BudgetAccount":
        return "is for budgets only"
    if account.get("StatAccount") == "StatisticalAccount" or str(account.get("LogicalAccountType")).startswith(
        "Statistics"
    ):
        return "is statistical and does not count in the balance of a voucher"
    if is_true(account.get("TaxCodeMandatory")):
        return "demands a tax code, which payroll vouchers do not carry"
    if account.get("ReqQuantity") == "Mandatory":
        return "demands a quantity, which payroll vouchers do not carry"
    if account.get("ReqProcessCode") == "Mandatory":
        return "demands a process code, which payroll vouchers do not carry"
    return ""
