""" "Test connection" for IFS Cloud: one line for each thing that posting needs, and what to do where it is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from audit.exchange import ExchangeError
from erp.connector import CheckResult
from erp.ifs.client import IfsClient, Query
from erp.ifs.ledger import search_ledger
from erp.ifs.metadata import Difference, differences, read_model
from erp.ifs.names import (
    ACCOUNT,
    ACTIONS,
    COMPANY,
    COMPANY_FINANCE,
    ENTITY_SETS,
    USER_GROUP,
    VOUCHER_TYPE,
    Action,
    EntitySet,
)
from erp.ifs.setup import company_problems, voucher_type_problems, voucher_type_remarks
from erp.odata import Row

#: How many company codes a sentence names before a legal entity has chosen one.
COMPANIES_SHOWN = 20

#: A reference that no voucher has.
NO_POSTING_KEY = "TESTCONNECTION"


def check(client: IfsClient, company: str) -> list[CheckResult]:
    """A fresh sign-in, the description of every projection that is used, and a few questions. Never raises for what it
    finds.
    """
    try:
        client.sign_in()
    except ExchangeError as error:
        return [CheckResult("Sign-in", False, error.sentence)]
    results = [CheckResult("Sign-in", True, "IFS IAM gives a token for this client.")]
    try:
        known = client.rows(Query(COMPANY))
    except ExchangeError as error:
        return [*results, CheckResult("IFS Cloud", False, error.sentence)]
    results.append(CheckResult("IFS Cloud", True, "IFS Cloud answers and accepts the sign-in."))
    rights, names = _projections(client)
    results += [rights, names]
    if not (rights.is_passed and names.is_passed):
        return results
    try:
        results.append(_company(client, known, company))
        results += _entering(client, company) if company else []
        results.append(_ledger(client, company))
    except ExchangeError as error:
        results.append(CheckResult("Set-up", False, error.sentence))
    return results


def _projections(client: IfsClient) -> tuple[CheckResult, CheckResult]:
    """Whether each projection is granted, and whether its names are those that are used."""
    sets: dict[str, list[EntitySet]] = defaultdict(list)
    actions: dict[str, list[Action]] = defaultdict(list)
    for of in ENTITY_SETS:
        sets[of.projection].append(of)
    for action in ACTIONS:
        actions[action.projection].append(action)
    refused: list[str] = []
    found: list[Difference] = []
    for projection, used in sets.items():
        try:
            model = read_model(client.metadata(used[0]))
        except ExchangeError as error:
            if any(of.is_needed for of in used):
                refused.append(error.sentence)
            continue
        found += differences(client.names, model, used, actions[projection])
    if refused:
        rights = CheckResult("Rights", False, " ".join(dict.fromkeys(refused)))
    else:
        rights = CheckResult(
            "Rights",
            True,
            "Every projection that is used is granted. Whether the service user may also create vouchers shows with the first "
            "voucher.",
        )
    needed = [difference.sentence for difference in found if difference.is_needed]
    if needed:
        return rights, CheckResult("Names", False, " ".join(needed))
    remarks = [difference.sentence for difference in found]
    fits = "Projections, sets, actions and fields have the names that are used."
    return rights, CheckResult("Names", True, " ".join([fits, *remarks]))


def _company(client: IfsClient, known: Sequence[Row], company: str) -> CheckResult:
    finance = client.rows(Query(COMPANY_FINANCE))
    codes = sorted(str(row["Company"]) for row in finance)
    if not codes:
        return CheckResult(
            "Company",
            False,
            "The service user sees no company: IFS answers with empty lists. Make it a finance user of the "
            "companies in IFS.",
        )
    if not company:
        return CheckResult(
            "Company", True, f"The service user sees these companies: {', '.join(codes[:COMPANIES_SHOWN])}."
        )
    own = next((row for row in finance if row["Company"] == company), None)
    accounts = client.rows(Query(ACCOUNT, where=client.names.equals(ACCOUNT, Company=company))) if own else []
    problems = company_problems(company, known, own, accounts)
    if problems or own is None:
        return CheckResult("Company", False, " ".join(problems))
    name = next((str(row.get("Name") or "") for row in known if row.get("Company") == company), "") or "there"
    sentence = f"Company {company} is {name} and keeps its books in {own.get('CurrencyCode')}."
    return CheckResult("Company", True, sentence)


def _entering(client: IfsClient, company: str) -> list[CheckResult]:
    """User group and voucher type of the company."""
    fields, names = client.fields, client.names
    user_group, voucher_type = fields.user_group(company), fields.voucher_type(company)
    groups = client.rows(Query(USER_GROUP, where=names.equals(USER_GROUP, Company=company, UserGroup=user_group)))
    types = client.rows(
        Query(VOUCHER_TYPE, where=names.equals(VOUCHER_TYPE, Company=company, VoucherType=voucher_type))
    )
    if groups:
        words = (
            f"User group {user_group} is {groups[0].get('Description') or 'there'}. Its open periods are read hourly."
        )
        group = CheckResult("User group", True, words)
    else:
        words = (
            f"Company {company} has no user group {user_group}. Create it in IFS, or enter another one in the settings of "
            "the connection."
        )
        group = CheckResult("User group", False, words)
    row: Row | None = types[0] if types else None
    problems = voucher_type_problems(row, company, voucher_type)
    if row is None or problems:
        return [group, CheckResult("Voucher type", False, " ".join(problems))]
    fits = f"Voucher type {voucher_type} ({row.get('Description') or 'without description'}) takes manual vouchers."
    return [group, CheckResult("Voucher type", True, " ".join([fits, *voucher_type_remarks(row)]))]


def _ledger(client: IfsClient, company: str) -> CheckResult:
    """Whether a voucher can be looked for after the ledger update."""
    name = "General ledger"
    if not client.fields.ledger_source:
        return CheckResult(
            name,
            True,
            "The ledger cannot be searched by reference: should an answer be lost, a person has to look. Enter a search "
            "under “Search in the general ledger” to have it looked for by itself.",
        )
    search_ledger(client, company, NO_POSTING_KEY)
    return CheckResult(name, True, "The search in the general ledger answers.")
