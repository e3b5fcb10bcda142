""" "Test connection" for Infor FSM: one line for each thing that posting needs, and what to do where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from audit.exchange import ExchangeError
from erp.connector import CheckResult
from erp.infor.fsm.client import FsmClient, Listing
from erp.infor.fsm.fields import UNIT
from erp.infor.fsm.journal import STAGED_FIELDS, STAGING
from erp.infor.fsm.ledger import RESULT, RESULT_FIELDS, posted_lines
from erp.infor.fsm.reference import (
    account_rows,
    dimension_rows,
    entity_rows,
    group_rows,
    of_group,
    period_rows,
    unit_rows,
)
from erp.infor.fsm.setup import SetUp, day, entity_problems, group_problem, set_up_from

#: A reference that no journal has.
NO_POSTING_KEY = "TESTCONNECTION"


def check(client: FsmClient, company: str) -> list[CheckResult]:
    """A fresh sign-in, and a question to every class that is used. Never raises for what it finds."""
    try:
        client.sign_in()
    except ExchangeError as error:
        return [CheckResult("Sign-in", False, error.sentence)]
    results = [CheckResult("Sign-in", True, f"Infor OS gives a token for tenant {client.tenant}.")]
    group = client.fields.enterprise_group
    try:
        found = group_rows(client)
    except ExchangeError as error:
        return [*results, CheckResult("Finance enterprise group", False, error.sentence)]
    if problem := group_problem(found, group):
        return [*results, CheckResult("Finance enterprise group", False, problem)]
    set_up = set_up_from(found[0], client.fields)
    results.append(
        CheckResult("Finance enterprise group", True, f"FSM answers and shows finance enterprise group {group}.")
    )
    questions: list[tuple[str, Callable[[], tuple[bool, str]]]] = [
        ("Accounting entity", lambda: _entity(client, company)),
        ("Accounts", lambda: _accounts(client)),
        ("Dimensions", lambda: _dimensions(client, set_up)),
        ("Periods", lambda: _periods(client)),
        ("Transaction interface", lambda: _interface(client)),
        ("General ledger", lambda: _ledger(client)),
    ]
    for name, ask in questions:
        try:
            is_passed, sentence = ask()
        except ExchangeError as error:
            is_passed, sentence = False, error.sentence
        results.append(CheckResult(name, is_passed, sentence))
    return results


def _entity(client: FsmClient, company: str) -> tuple[bool, str]:
    entities = {row["AccountingEntity"]: row for row in entity_rows(client)}
    problems = entity_problems(entities, client.fields.enterprise_group, company)
    if problems:
        return False, " ".join(problems)
    if not company:
        return True, f"The service account sees these accounting entities: {', '.join(sorted(entities)[:20])}."
    own = entities[company]
    return True, (
        f"Accounting entity {company} is {own.get('Name') or 'there'} and keeps its books in "
        f"{own.get('FunctionalCurrency') or 'a currency that it does not say'}."
    )


def _accounts(client: FsmClient) -> tuple[bool, str]:
    count = len(account_rows(client))
    if not count:
        return (
            False,
            "FSM shows no posting account. Give the service account's security class the right to the chart of accounts.",
        )
    return True, f"FSM shows {count:,} posting accounts."


def _dimensions(client: FsmClient, set_up: SetUp) -> tuple[bool, str]:
    parts = []
    for name, field in set_up.dimension_fields.items():
        rows = unit_rows(client) if field == UNIT else dimension_rows(client, field, name)
        parts.append(f"{name} ({field}, {len(rows):,} values)")
    required = f" {set_up.unit_name} is required on every line." if set_up.is_unit_required else ""
    return True, f"Mapping tables can use {', '.join(parts)}.{required}"


def _periods(client: FsmClient) -> tuple[bool, str]:
    today = datetime.now(UTC).date()
    for row in period_rows(client):
        start, end = (
            day(row.get("BeginDate", ""), "a close period"),
            day(row.get("DerivedEndDate", ""), "a close period"),
        )
        if start is not None and end is not None and start <= today <= end:
            return True, f"Today lies in {row.get('PeriodName') or 'period ' + row.get('PeriodNumber', '')}."
    return False, "FSM shows no close period for today. Create the close periods of this year in FSM."


def _interface(client: FsmClient) -> tuple[bool, str]:
    client.rows(Listing(STAGING, STAGED_FIELDS, "the transaction interface", of_group(client), limit=1))
    client.rows(Listing(RESULT, RESULT_FIELDS, "the results of runs", of_group(client), set_name="ByRunTime", limit=1))
    return True, (
        "Staged rows and results of runs can be read. Whether rows may be created and interfaced shows with the first journal."
    )


def _ledger(client: FsmClient) -> tuple[bool, str]:
    """The filter on our reference and the connection's own condition, on a reference that no journal has."""
    posted_lines(client, NO_POSTING_KEY, "", client.fields.posted_condition)
    return True, "The ledger can be searched by reference."
