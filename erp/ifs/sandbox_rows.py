"""Rows of the IFS Cloud sandbox in its store, by logical unit, with ids and versions for their ETags.

Vouchers keep their rows in one kind each, temporary records too, so that a big ledger stays quick to search.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from audit.sandbox import Store
from erp.ifs.sandbox_schema import Row, keys_by_lu

#: Rows inserted at once have ids above all that are inserted one by one.
BLOCK = 1_000_000


def joined(*values: Any) -> str:
    """A key as one text. Numbers that are equal give the same text."""
    return "|".join(str(int(value)) if isinstance(value, Decimal) else str(value) for value in values)


class Rows:
    """Reads and writes rows. Every write belongs into a store transaction of the caller."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, lu: str, *key: Any) -> Row | None:
        found: Row | None = self.store.get(lu, joined(*key))
        return found

    def existing(self, lu: str, *key: Any) -> Row:
        """For control addresses. Raises ValueError where there is none."""
        found = self.find(lu, *key)
        if found is None:
            raise ValueError(f"there is no {lu} {', '.join(str(part) for part in key)}")
        return found

    def all(self, lu: str) -> list[Row]:
        """In the order of creation."""
        return self.store.all(lu)

    def insert(self, lu: str, row: Row) -> Row:
        row = {**row, "_id": self.store.next("record"), "_version": 1}
        self.store.put(lu, self.key_of(lu, row), row)
        return row

    def insert_all(self, lu: str, rows: Iterable[Row]) -> None:
        """Many at once: their ids are those of a block of its own."""
        first = self.store.next("record") * BLOCK
        placed = [{**row, "_id": first + place, "_version": 1} for place, row in enumerate(rows)]
        self.store.put_many(lu, {self.key_of(lu, row): row for row in placed})

    def update(self, lu: str, row: Row) -> Row:
        row = {**row, "_version": row["_version"] + 1}
        self.store.put(lu, self.key_of(lu, row), row)
        return row

    def delete(self, lu: str, row: Row) -> None:
        self.store.delete(lu, self.key_of(lu, row))

    def key_of(self, lu: str, row: Row) -> str:
        return joined(*(row[name] for name in keys_by_lu()[lu]))
