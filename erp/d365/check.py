""" "Test connection" for Dynamics 365: one line for each thing that posting needs, and what to do where it is missing."""

from __future__ import annotations

from collections.abc import Mapping

from audit.exchange import ExchangeError
from erp.connector import CheckResult
from erp.d365.client import D365Client, Query
from erp.d365.reference import LEGAL_ENTITIES
from erp.d365.setup import (
    ATTRIBUTES,
    FORMATS,
    PARAMETERS,
    journal_name_problems,
    journal_name_remarks,
    journal_names,
    ledger_format,
    row_of_company,
)
from erp.odata import Row, literal

Answer = list[Row] | ExchangeError

#: Sets that posting reads and writes: whether they can be read is all that shows from outside.
_USED_SETS = ("LedgerJournalHeaders", "LedgerJournalLines", "GeneralJournalAccountEntries")

#: How many company codes a sentence names before a legal entity has chosen one.
COMPANIES_SHOWN = 20


def check(client: D365Client, credentials: Mapping[str, str], company_code: str) -> list[CheckResult]:
    """Two requests: a fresh sign-in, and one $batch of questions. Never raises for what it finds."""
    try:
        client.sign_in()
    except ExchangeError as error:
        return [CheckResult("Sign-in", False, error.sentence)]
    results = [CheckResult("Sign-in", True, "Microsoft Entra gives a token for this environment.")]
    try:
        companies, names, formats, parameters, attributes, registered, *used = client.read_many(
            [
                LEGAL_ENTITIES,
                journal_names(credentials["journal_name"]),
                FORMATS,
                PARAMETERS,
                ATTRIBUTES,
                Query("SysAADClients", where=f"AADClientId eq {literal(credentials['client_id'])}"),
                *(Query(name, top=1) for name in _USED_SETS),
            ]
        )
    except ExchangeError as error:
        return [*results, CheckResult("Dynamics 365", False, error.sentence)]
    results.append(CheckResult("Dynamics 365", True, "The environment answers and accepts the sign-in."))
    results.append(_company(companies, company_code))
    results.append(_journal_name(names, credentials["journal_name"], company_code))
    results.append(_format(formats, parameters, attributes))
    results.append(_user(registered))
    results.append(_rights(used))
    return results


def _company(companies: Answer, company_code: str) -> CheckResult:
    if isinstance(companies, ExchangeError):
        return CheckResult("Company", False, companies.sentence)
    if not company_code:
        codes = ", ".join(sorted(str(row.get("LegalEntityId")) for row in companies)[:COMPANIES_SHOWN])
        return CheckResult("Company", bool(companies), f"The Dynamics user sees these companies: {codes or 'none'}.")
    found = [row for row in companies if str(row.get("LegalEntityId")).casefold() == company_code.casefold()]
    if not found:
        return CheckResult(
            "Company",
            False,
            f"Dynamics shows no company {company_code} to this connection. Check the company code, and whether the Dynamics "
            "user may work in that company.",
        )
    return CheckResult("Company", True, f"Company {company_code} is {found[0].get('Name') or 'there'}.")


def _journal_name(names: Answer, name: str, company_code: str) -> CheckResult:
    if isinstance(names, ExchangeError):
        return CheckResult("Journal name", False, names.sentence)
    if not company_code:
        codes = ", ".join(sorted(str(row.get("dataAreaId")) for row in names)[:COMPANIES_SHOWN])
        return CheckResult("Journal name", bool(names), f"Companies with journal name {name}: {codes or 'none'}.")
    row = row_of_company(names, company_code)
    problems = journal_name_problems(row, name, company_code)
    if row is None or problems:
        return CheckResult("Journal name", False, " ".join(problems))
    fits = f"Journal name {name} ({row.get('Description') or 'without description'}) takes general journals."
    return CheckResult("Journal name", True, " ".join([fits, *journal_name_remarks(row)]))


def _format(formats: Answer, parameters: Answer, attributes: Answer) -> CheckResult:
    for answer in (formats, parameters, attributes):
        if isinstance(answer, ExchangeError):
            return CheckResult("Format of account strings", False, answer.sentence)
    assert isinstance(formats, list)
    assert isinstance(parameters, list)
    assert isinstance(attributes, list)
    found = ledger_format(formats, parameters, attributes)
    if isinstance(found, str):
        return CheckResult("Format of account strings", False, found)
    return CheckResult(
        "Format of account strings", True, f"Account strings are written as {found.delimiter.join(found.segments)}."
    )


def _user(registered: Answer) -> CheckResult:
    # The sign-in itself proves the registration; this only names the user, and many users may not read the list.
    if isinstance(registered, ExchangeError) or not registered:
        return CheckResult(
            "Dynamics user",
            True,
            "The client id is registered. Which Dynamics user it works as cannot be seen from here.",
        )
    return CheckResult(
        "Dynamics user",
        True,
        f"Works in Dynamics as user {registered[0].get('UserId')}. Set that user's language to English (en-US), so that "
        "messages of Dynamics are recognised.",
    )


def _rights(used: list[Answer]) -> CheckResult:
    missing = [answer.sentence for answer in used if isinstance(answer, ExchangeError)]
    if missing:
        return CheckResult("Rights", False, " ".join(missing))
    return CheckResult(
        "Rights",
        True,
        "General journals and ledger entries can be read. Whether the user may also write journals shows with the first "
        "journal; the role Accountant may.",
    )
