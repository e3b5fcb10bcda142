""" "Test connection" for Infor M3: one line for each thing that posting needs, and what to do where it is missing."""

from __future__ import annotations

from collections.abc import Callable

from audit.exchange import ExchangeError
from erp.connector import CheckResult
from erp.infor.m3.client import Call, M3Client
from erp.infor.m3.journal import PROGRAM
from erp.infor.m3.reference import dimensions_of, read_divisions, read_settings
from erp.infor.m3.setup import settings_problems, transaction_problems
from erp.infor.m3.tables import INFORMATION, Select, read_columns, select

#: How many divisions a sentence names before a legal entity has chosen one.
DIVISIONS_SHOWN = 20

#: What to do where a question of a line is refused, behind M3's own words.
ADVICE = {
    "Service user": "Map the service account to a user of M3, and give it the rights of the docs page.",
    "Division": "Give the service user the right to MNS100MI.",
    "Ledger settings": "Give the service user the right to CRS750MI.",
    "Interface": "Give the service user the right to MRS001MI.",
    "General ledger": "Give the service user the right to EXPORTMI: without it a journal cannot be found again, and nothing is "
    "sent.",
    "Dimensions": "Give the service user the right to MRS001MI.",
}

#: GL information that no journal has.
NO_POSTING_KEY = "TESTCONNECTION"


def check(client: M3Client, division: str) -> list[CheckResult]:
    """A fresh sign-in and a few questions; nothing is written. Never raises for what it finds."""
    try:
        client.sign_in()
    except ExchangeError as error:
        return [CheckResult("Sign-in", False, error.sentence)]
    results = [CheckResult("Sign-in", True, f"Infor OS gives a token for tenant {client.tenant}.")]
    user = _line("Service user", lambda: _user(client))
    results.append(user)
    if not user.is_passed:
        return results
    lines: list[tuple[str, Callable[[], tuple[bool, str]]]] = [
        ("Division", lambda: _division(client, division)),
        ("Interface", lambda: _interface(client)),
        ("General ledger", lambda: _ledger(client, division)),
        ("Dimensions", lambda: (True, _dimensions(client))),
    ]
    if division:
        lines.insert(1, ("Ledger settings", lambda: _settings(client, division)))
    return results + [_line(name, ask) for name, ask in lines]


def _line(name: str, ask: Callable[[], tuple[bool, str]]) -> CheckResult:
    try:
        is_passed, sentence = ask()
    except ExchangeError as error:
        return CheckResult(name, False, f"{error.sentence} {ADVICE[name]}")
    return CheckResult(name, is_passed, sentence)


def _user(client: M3Client) -> tuple[bool, str]:
    (rows,) = client.read("MNS150MI", [Call("GetUserData")], "the service user")
    if not rows:
        return (
            False,
            "M3 shows no user behind the service account. Map the service account to a user of M3 in Infor OS.",
        )
    user = rows[0]
    place = f"company {user.get('CONO') or 'none'}, division {user.get('DIVI') or 'blank'}"
    return True, f"M3 answers and knows this connection as user {user.get('USID') or 'without a name'} ({place})."


def _division(client: M3Client, division: str) -> tuple[bool, str]:
    company = client.fields.company
    known = {row["DIVI"]: row.get("TX15", "") for row in read_divisions(client) if row.get("DIVI")}
    if not known:
        return False, (
            f"The service user sees no division of company {company}. Check “Company” of the connection, and the user's rights in "
            "MNS150."
        )
    if not division:
        return (
            True,
            f"The service user sees these divisions of company {company}: {', '.join(sorted(known)[:DIVISIONS_SHOWN])}.",
        )
    if division not in known:
        return False, (
            f"M3 shows no division {division} of company {company} to this connection. Check the company code, and whether the "
            "service user may work in that division."
        )
    return True, f"Division {division} is {known[division] or 'there'}."


def _settings(client: M3Client, division: str) -> tuple[bool, str]:
    problems = settings_problems(division, read_settings(client, division))
    return not problems, " ".join(problems) or "The ledger checks transactions before it is updated (CRS750)."


def _interface(client: M3Client) -> tuple[bool, str]:
    (rows,) = client.read("MRS001MI", [Call("LstTransactions", {"MINM": PROGRAM})], "the transactions of GLS840MI")
    problems = transaction_problems(rows, client.fields)
    if problems:
        return False, " ".join(problems)
    return True, (
        f"GLS840MI takes field based lines. Whether {client.fields.interface} in GLS850 has usage type 2 and record identity "
        f"{client.fields.record_identity} cannot be read from outside; it shows with the first batch."
    )


def _ledger(client: M3Client, division: str) -> tuple[bool, str]:
    columns = read_columns(client)
    where = (("YEA4", ">=", "2000"), ("GEXN", "=", client.fields.information_number), ("GEXI", "=", NO_POSTING_KEY))
    select(client, columns, [Select(INFORMATION, division, where, is_counted=False)], "the ledger")
    return True, "Batches and the ledger can be read with EXPORTMI, so that a journal is found by our posting key."


def _dimensions(client: M3Client) -> str:
    names = dimensions_of(client)
    return f"Dimensions are called {', '.join(f'{name} ({field})' for name, field in names.items())}."
