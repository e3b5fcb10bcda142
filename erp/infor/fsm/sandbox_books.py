"""What the FSM sandbox keeps: staged rows by run group, results of runs, journals with their lines, and the set-up.

Staged rows and lines of the ledger have an index each (run group, reference), so that a big ledger stays quick to search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from audit.sandbox import Store
from erp.infor.fsm.sandbox_schema import Row

RUN_GROUP = "GLTransactionInterface.RunGroup"
SEQUENCE = "GLTransactionInterface.SequenceNumber"
GROUPS, RESULTS, RUNS, JOURNALS, REFERENCES = (
    "FSM run group", "FSM result", "FSM run", "FSM journal", "FSM reference",
)  # fmt: skip
INTERFACED = "2"


class Books:
    """Reads and writes. Every write belongs into a store transaction of the caller."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Staged rows

    def stage(self, row: Row) -> None:
        group = row[RUN_GROUP]
        self.store.put(GROUPS, group, {})
        self.store.put(f"FSM staged {group}", str(self.store.next("FSM staged")), row)

    def run_groups(self) -> list[str]:
        return self.store.keys(GROUPS)

    def staged(self, group: str) -> list[Row]:
        return [dict(row) for row in self.store.all(f"FSM staged {group}")]

    def restage(self, group: str, rows: Iterable[Row]) -> None:
        """These rows and no others, in this order."""
        self.store.delete_kind(f"FSM staged {group}")
        kept = {str(self.store.next("FSM staged")): row for row in rows}
        self.store.put_many(f"FSM staged {group}", kept)
        if not kept:
            self.store.delete(GROUPS, group)

    # Results

    def add_result(self, row: Row) -> None:
        number = str(self.store.next("FSM result") + 6000)
        self.store.put(RESULTS, number, {**row, "GLTransactionInterfaceResult": number})

    def results(self) -> list[Row]:
        found: list[Row] = self.store.all(RESULTS)
        return found

    # Journals

    def enter(self, group: str, entity: str, rows: list[Row], entered_at: float) -> None:
        number = str(self.store.next("FSM journal") + 410000)
        self.store.put(
            JOURNALS,
            number,
            {
                "number": number, "run_group": group, "entity": entity, "is_posted": False, "entered_at": entered_at,
                "rows": rows,
            },
        )  # fmt: skip
        for reference in {row.get("Reference", "") for row in rows}:
            numbers = self.store.get(REFERENCES, reference) or []
            self.store.put(REFERENCES, reference, [*numbers, number])

    def journals(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.store.all(JOURNALS)
        return found

    def journals_with(self, reference: str) -> list[dict[str, Any]]:
        found = (self.store.get(JOURNALS, number) for number in self.store.get(REFERENCES, reference) or [])
        return [journal for journal in found if journal is not None]

    def put_journal(self, journal: Mapping[str, Any]) -> None:
        self.store.put(JOURNALS, journal["number"], journal)

    def remove_journal(self, number: str) -> None:
        self.store.delete(JOURNALS, number)

    def details(self, journals: Iterable[Mapping[str, Any]], *, with_unposted: bool) -> Iterator[Row]:
        """Lines as GLTransactionDetail shows them."""
        for journal in journals:
            if not journal["is_posted"] and not with_unposted:
                continue
            for position, row in enumerate(journal["rows"], 1):
                amount = Decimal(row["TransactionAmount"])
                yield {
                    "GLTransactionDetail": f"{journal['number']}{position:05d}",
                    "FinanceEnterpriseGroup": row["FinanceEnterpriseGroup"],
                    "FinanceCodeBlock": code_block(row),
                    "PrimaryLedger": "CORE",
                    "AccountingEntity": row["AccountingEntity"],
                    "PostingDate": row["PostingDate"],
                    "TransactionAmount": f"{amount:.3f}",
                    "Debit": f"{max(amount, Decimal(0)):.3f}",
                    "Credit": f"{max(-amount, Decimal(0)):.3f}",
                    "Reference": row.get("Reference", ""),
                    "Description": row.get("Description", ""),
                    "DocumentNumber": row.get("DocumentNumber", ""),
                    "ControlDocumentNumber": journal["number"],
                    "System": row.get("System", ""),
                    "GeneralLedgerEvent": row.get("GeneralLedgerEvent", ""),
                    "Status": "2" if journal["is_posted"] else "1",
                }

    def clear(self) -> None:
        for group in self.run_groups():
            self.store.delete_kind(f"FSM staged {group}")
        for kind in (GROUPS, RESULTS, RUNS, JOURNALS, REFERENCES):
            self.store.delete_kind(kind)

    # Set-up

    def set_up(self, name: str) -> list[Row]:
        """Every record of a class of the set-up."""
        found: list[Row] = self.store.all(f"FSM class {name}")
        return found

    def record(self, name: str, key: str) -> Row | None:
        found: Row | None = self.store.get(f"FSM class {name}", key)
        return found

    def put_record(self, name: str, key: str, row: Mapping[str, str]) -> None:
        self.store.put(f"FSM class {name}", key, dict(row))

    def change_record(self, name: str, key: str, changes: Mapping[str, str]) -> None:
        """Raises ValueError where there is none."""
        found = self.record(name, key)
        if found is None:
            raise ValueError(f"there is no {name} {key}")
        self.put_record(name, key, {**found, **changes})

    def remove_record(self, name: str, key: str) -> None:
        self.store.delete(f"FSM class {name}", key)

    def clear_set_up(self, names: Iterable[str]) -> None:
        for name in names:
            self.store.delete_kind(f"FSM class {name}")


def code_block(row: Row) -> str:
    """`CORE|100|500|6000||…`: ledger, entity, unit, account, dimensions."""
    dimensions = [row.get(f"FinanceDimension{number}", "") for number in range(1, 11)]
    return "|".join(["CORE", row["AccountingEntity"], row.get("AccountingUnit", ""), row["AccountCode"], *dimensions])


def sums(rows: Iterable[Row]) -> tuple[int, Decimal, Decimal]:
    """Count, debits, credits."""
    amounts = [Decimal(row["TransactionAmount"]) for row in rows]
    zero = Decimal("0.00")
    debit = sum((each for each in amounts if each > 0), zero)
    return len(amounts), debit.quantize(zero), -sum((each for each in amounts if each < 0), zero).quantize(zero)
