"""Rows of the Dynamics 365 sandbox in its store: keys without case, RecIds, row versions.

Journal lines and general ledger entries lie in one kind per journal, so that a big ledger stays quick to search.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from audit.sandbox import Store
from erp.d365.sandbox_filter import folded
from erp.d365.sandbox_schema import EntitySet, Row, entity_set

#: RecIds begin where the platform's own do.
FIRST_RECORD_ID = 5637144576
BY_JOURNAL = frozenset({"LedgerJournalLines", "GeneralJournalAccountEntries"})


def key_part(value: Any) -> str:
    if isinstance(value, int | Decimal):
        return f"{int(value):012d}"
    return folded(str(value))


def joined(*values: Any) -> str:
    return "|".join(key_part(value) for value in values)


class Rows:
    """Reads and writes rows. Every write belongs into a store transaction of the caller."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, entity_name: str, *key: Any) -> Row | None:
        """By the full key of the entity. Not for general ledger entries: their key names no journal."""
        entity = entity_set(entity_name)
        found: Row | None = self.store.get(self._kind(entity, *key[:2]), joined(*key))
        return found

    def all(self, entity_name: str, journals: Iterable[str] | None = None) -> list[Row]:
        """In the order of creation. `journals`: only these, as `joined(company, number)`."""
        if entity_name not in BY_JOURNAL:
            return self.store.all(entity_name)
        rows: list[Row] = []
        for journal in self.store.keys("LedgerJournalHeaders") if journals is None else journals:
            rows += self.store.all(f"{entity_name} {journal}")
        return rows

    def of_journal(self, entity_name: str, header: Row) -> list[Row]:
        return self.all(entity_name, [self.journal_key(header)])

    def insert(self, entity_name: str, row: Row) -> Row:
        row = {**row, "_id": FIRST_RECORD_ID + self.store.next("RecId") - 1, "_version": 1}
        self._put(entity_set(entity_name), row)
        return row

    def update(self, entity_name: str, row: Row) -> Row:
        row["_version"] += 1
        self._put(entity_set(entity_name), row)
        return row

    def delete(self, entity_name: str, row: Row) -> None:
        entity = entity_set(entity_name)
        key = [row[name] for name in entity.key]
        self.store.delete(self._kind(entity, *key[:2]), joined(*key))

    def insert_entry(self, header: Row, row: Row) -> Row:
        """A general ledger entry of a posted journal."""
        row = {**row, "_id": FIRST_RECORD_ID + self.store.next("RecId") - 1, "_version": 1}
        row["GeneralJournalAccountEntryRecId"] = row["_id"]
        self.store.put(f"GeneralJournalAccountEntries {self.journal_key(header)}", key_part(row["_id"]), row)
        return row

    def journal_key(self, header: Row) -> str:
        return joined(header["dataAreaId"], header["JournalBatchNumber"])

    def note_document(self, document: str, header: Row) -> None:
        """Remember that a journal holds lines with this document. Never forgotten: a superset is enough to search."""
        if not document:
            return
        known: list[str] = self.store.get("document", folded(document)) or []
        if self.journal_key(header) not in known:
            self.store.put("document", folded(document), [*known, self.journal_key(header)])

    def journals_with_document(self, document: str) -> list[str]:
        return self.store.get("document", folded(document)) or []

    def _kind(self, entity: EntitySet, *key: Any) -> str:
        return f"{entity.name} {joined(*key)}" if entity.name in BY_JOURNAL else entity.name

    def _put(self, entity: EntitySet, row: Row) -> None:
        key = [row.get(name, entity.default(name)) for name in entity.key]
        self.store.put(self._kind(entity, *key[:2]), joined(*key), row)
