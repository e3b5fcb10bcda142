"""What has to be set up in Infor M3 before a batch can be posted, and what an account asks of a line.

Each question has a sentence for the person who repairs it, used by "Test connection" and by the reference data alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from erp.infor.m3.client import Record
from erp.infor.m3.fields import Fields
from erp.infor.m3.journal import CHECK, HEAD, LINE, UPDATE

#: Accounting dimensions beside the account.
DIMENSIONS = tuple(f"AIT{number}" for number in range(2, 8))

#: CRS750 “Check transaction file”: with any other value, wrong transactions update the ledger unchecked.
CHECKED = frozenset({"1", "2"})


def is_set(value: str | None) -> bool:
    """A code that is neither blank nor zero."""
    return bool((value or "").strip("0 "))


def division_problems(
    company: str, division: str, divisions: Iterable[Record], accounts: Sequence[Record]
) -> list[str]:
    """Why nothing can be posted to this division at all."""
    if not any(row.get("DIVI") == division for row in divisions):
        return [
            f"M3 shows no division {division} of company {company} to this connection. Check the company code, and whether the "
            "service user may work in that division."
        ]
    if not accounts:
        return [f"Division {division} has no account in CRS630 yet, or the service user may not see them."]
    return []


def settings_problems(division: str, settings: Record | None) -> list[str]:
    """What CRS750 says against posting to a division."""
    if settings is None:
        return [f"M3 shows no settings of the general ledger (CRS750) of division {division} to this connection."]
    if settings.get("CHEC", "").strip() not in CHECKED:
        return [
            f"“Check transaction file” in CRS750 of division {division} is {settings.get('CHEC') or 'not set'}: wrong transactions "
            "would reach the ledger unchecked. Set it to 1 or 2."
        ]
    return []


def used_dimensions(settings: Record | None) -> frozenset[str]:
    """Dimensions that a division uses (CRS750). Where it names none at all, the field says nothing, and all count."""
    used = {name for name in DIMENSIONS if is_set((settings or {}).get(f"FAC{name[-1]}"))}
    return frozenset(used or DIMENSIONS)


def dimension_names(headings: Iterable[Record], fields: Fields) -> dict[str, str]:
    """Dimension -> AIT2 to AIT7: what the connection chose, else the heading that the company gave it, else M3's own.

    `headings`: LstAdtFieldInf of a transaction that has the dimensions as input. Two of one name carry their field.
    """
    chosen = {code: name for name, code in fields.dimensions.items()}
    by_field = {row.get("FLNM", ""): row for row in headings}
    names = {}
    for code in DIMENSIONS:
        row = by_field.get(code, {})
        heading = next((row[name] for name in ("TXC0", "TXAA", "TX15", "FLDS") if row.get(name)), "")
        # Names are written as `name=value, name=value` in mapping tables.
        plain = " ".join("".join(" " if sign in "=,;@" else sign for sign in heading).split())
        names[code] = chosen.get(code) or plain or code
    doubles = {name for name, count in Counter(names.values()).items() if count > 1}
    return {(f"{name} {code}" if name in doubles else name): code for code, name in names.items()}


def transaction_problems(records: Iterable[Record], fields: Fields) -> list[str]:
    """Which transactions of GLS840MI this release lacks, of those that are used."""
    there = {row.get("TRNM", "") for row in records}
    needed = [HEAD, LINE, *([CHECK] if fields.checks_batch else []), *([UPDATE] if fields.updates else [])]
    missing = [name for name in needed if name not in there]
    if not missing:
        return []
    sentence = f"GLS840MI of this M3 has no transaction {', '.join(missing)}."
    if LINE in missing:
        return [f"{sentence} Field based lines need M3 Cloud Edition; position based ones cannot be written from here."]
    return [f"{sentence} Check which release of M3 this is."]


def entry_note(account: Record, currency: str) -> str:
    """Why an account takes no lines of ours, as a clause behind “it”; empty if it does."""
    if is_set(account.get("AT13")):
        return "is blocked for manual entry"
    if is_set(account.get("MQCD")):
        return "demands a quantity, which payroll journals do not carry"
    if is_set(account.get("CCCD")) and account.get("CUCD") not in {None, "", currency}:
        return f"takes only {account['CUCD']}"
    return ""


def rules(account: Record, names: Mapping[str, str], fields: Fields) -> tuple[frozenset[str], frozenset[str]]:
    """(allowed, required) dimensions of an account by its rules ACR2 to ACR7."""
    codes = {name: (account.get(f"ACR{code[-1]}") or "").strip() for name, code in names.items()}
    allowed = frozenset(name for name, code in codes.items() if code not in fields.blocked_codes)
    required = frozenset(name for name, code in codes.items() if code in fields.mandatory_codes)
    return allowed, required
