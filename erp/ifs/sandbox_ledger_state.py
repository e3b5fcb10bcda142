"""The books behind the IFS Cloud sandbox as a test or a person looks at them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from erp.ifs.sandbox_assistant import HEADER, Assistant
from erp.ifs.sandbox_books import UPDATED, Books, name_of
from erp.ifs.sandbox_schema import Row


def ledger_state(books: Books, assistant: Assistant) -> dict[str, Any]:
    """`vouchers` with their rows, held and updated; `references`: reference number -> vouchers and sums."""
    vouchers = []
    references: dict[str, dict[str, Any]] = defaultdict(new_reference)
    for header in books.all():
        rows = books.rows_of(header)
        debit, credit = books.totals(header)
        is_updated = header["VoucherUpdatedDb"] == UPDATED
        shown = {"rows": [public(row) for row in rows], "row_count": len(rows), "debit": debit, "credit": credit}
        vouchers.append({**public(header), **shown, "is_updated": is_updated})
        for row in rows:
            noted = references[row["ReferenceNumber"] or ""]
            for field in ("vouchers", *(["updated_vouchers"] if is_updated else [])):
                # A reference in two vouchers is what must never happen; both are then listed.
                if name_of(header) not in noted[field]:
                    noted[field].append(name_of(header))
            noted["rows"] += 1
            noted["debit"] += Decimal(row["DebetAmount"] or 0)
            noted["credit"] += Decimal(row["CreditAmount"] or 0)
    return {"vouchers": vouchers, "references": dict(references), "temporary": len(assistant.all(HEADER))}


def public(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def new_reference() -> dict[str, Any]:
    return {"vouchers": [], "updated_vouchers": [], "rows": 0, "debit": Decimal(0), "credit": Decimal(0)}
