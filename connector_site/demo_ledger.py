"""What the far ledger of the demo holds, compared with what it should, and one journal of it as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector_site import columns
from erp.models import Posting


def faults(ledger: Mapping[str, Any], postings: Iterable[Posting]) -> list[str]:
    """Every way in which the ledger is not exactly these postings, each once and whole. Empty = it is."""
    found = []
    wanted = {posting.posting_key: posting for posting in postings if posting.state != Posting.State.VOIDED}
    documents = {key: held for key, held in ledger["documents"].items() if key}
    for key in sorted(documents.keys() - wanted.keys()):
        found.append(f"The ledger holds {key}, which nobody here knows.")
    for key, posting in wanted.items():
        held = documents.get(key)
        if posting.state != Posting.State.POSTED:
            if held is not None:
                found.append(f"The ledger holds {key} although it is {posting.state}.")
            continue
        if held is None:
            found.append(f"The ledger does not hold {key}.")
            continue
        if len(held["journals"]) != 1 or len(held["posted_journals"]) != 1:
            found.append(f"The ledger holds {key} in {len(held['journals'])} journals instead of one.")
        expected = [Decimal(posting.line_count), posting.debit, posting.credit, posting.debit, posting.credit]
        actual = [Decimal(held[name]) for name in ("lines", "debit", "credit", "ledger_debit", "ledger_credit")]
        if actual != expected:
            found.append(
                f"The ledger holds {key} with other figures: {', '.join(map(str, actual))} instead of "
                f"{', '.join(map(str, expected))}."
            )
    return found


def journal_table(
    ledger: Mapping[str, Any], posting: Posting, names: Mapping[str, str], segments: Sequence[str], delimiter: str
) -> list[str]:
    """The journal of a posting as the ledger has it, line by line. `names`: main account -> its name; `segments`: what
    stands where in an account string of this ledger, the main account first.
    """
    (journal,) = [
        each for each in ledger["journals"] if each["lines"] and each["lines"][0]["Document"] == posting.posting_key
    ]
    rows: list[list[Any]] = []
    for line in journal["lines"]:
        account, *values = str(line["AccountDisplayValue"]).split(delimiter)
        shown = ", ".join(f"{name} {value}" for name, value in zip(segments[1:], values, strict=False) if value)
        debit, credit = (Decimal(line[name] or 0) for name in ("DebitAmount", "CreditAmount"))
        rows.append([account, names.get(account, ""), shown, debit or None, credit or None])
    rows.append(["", "Total", "", journal["debit"], journal["credit"]])
    return columns.lines(["Account", "Name", "Dimensions", "Debit", "Credit"], rows)
