"""The books behind the IFS Cloud sandbox: the hold table, and the general ledger that an update moves vouchers into.

A voucher that was moved is nowhere to be found in the hold table, and what a client can read of the general ledger is
little (facts, section 5): rows of a known number through the assistant, and whatever search the customer
made for it. Both are the same stored voucher here; `VoucherUpdatedDb` says where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp.ifs.sandbox_errors import DatabaseErrors
from erp.ifs.sandbox_rows import Rows, joined
from erp.ifs.sandbox_schema import Row

VOUCHER_KEY = ("Company", "AccountingYear", "VoucherType", "VoucherNo")
HELD, UPDATED = "N", "Y"


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What became of one voucher in an update of the general ledger: moved, or why not."""

    voucher: str
    is_updated: bool
    reason: str = ""


def name_of(header: Row) -> str:
    """US10/2026/P/2026000001"""
    return "/".join(str(header[name]) for name in VOUCHER_KEY)


class Books:
    """Reads and writes vouchers. Every write belongs into a store transaction of the caller."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.store = rows.store

    def key_of(self, header: Row) -> str:
        return joined(*(header[name] for name in VOUCHER_KEY))

    # Writing

    def insert(self, header: Row, rows: list[Row]) -> Row:
        """A new voucher in the hold table, with a number already."""
        header = {**header, "VoucherUpdatedDb": HELD, "_id": self.store.next("record"), "_version": 1}
        key = self.key_of(header)
        self.store.put("voucher", key, header)
        placed = [{**row, "_id": self.store.next("record"), "_version": 1} for row in rows]
        self.store.put_many(f"voucher rows {key}", {f"{row['RowNo']:08d}": row for row in placed})
        for number in {row["ReferenceNumber"] for row in rows if row.get("ReferenceNumber")}:
            self._note_reference(header["Company"], number, key)
        return header

    def _note_reference(self, company: str, number: str, key: str) -> None:
        """Never forgotten: a superset is enough to search."""
        place = joined(company, number)
        known: list[str] = self.store.get("voucher reference", place) or []
        self.store.put("voucher reference", place, [*known, key])

    def change(self, header: Row, **fields: Any) -> Row:
        header = {**header, **fields, "_version": header["_version"] + 1}
        self.store.put("voucher", self.key_of(header), header)
        return header

    def change_row(self, header: Row, number: int, fields: Mapping[str, Any]) -> None:
        """A person edits a row in the hold table. Raises ValueError where there is none."""
        kind = f"voucher rows {self.key_of(header)}"
        row = self.store.get(kind, f"{number:08d}")
        if row is None or not set(fields) <= set(row):
            raise ValueError(f"there is no row {number}, or it has no such field")
        self.store.put(kind, f"{number:08d}", {**row, **fields, "_version": row["_version"] + 1})
        if reference := fields.get("ReferenceNumber"):
            self._note_reference(header["Company"], reference, self.key_of(header))

    def remove(self, header: Row) -> None:
        key = self.key_of(header)
        self.store.delete("voucher", key)
        self.store.delete_kind(f"voucher rows {key}")

    def clear(self) -> None:
        for key in self.store.keys("voucher"):
            self.store.delete_kind(f"voucher rows {key}")
        for kind in ("voucher", "voucher reference"):
            self.store.delete_kind(kind)

    # Reading

    def all(self) -> list[Row]:
        return self.store.all("voucher")

    def find(self, company: str, year: Any, letter: str, number: Any, *, is_held: bool | None = None) -> Row | None:
        """`is_held`: only from the hold table, or only from the general ledger."""
        found: Row | None = self.store.get("voucher", joined(company, year, letter, number))
        if found is None or (is_held is not None and is_held != (found["VoucherUpdatedDb"] == HELD)):
            return None
        return found

    def rows_of(self, header: Row) -> list[Row]:
        return self.store.all(f"voucher rows {self.key_of(header)}")

    def headers(self, required: Mapping[str, Any], *, is_held: bool) -> list[Row]:
        """Vouchers that can have hits. `required`: values that a filter demands of each hit."""
        keys: Iterable[str] | None = None
        if all(name in required for name in VOUCHER_KEY):
            keys = [joined(*(required[name] for name in VOUCHER_KEY))]
        elif "Company" in required and "ReferenceNumber" in required:
            place = joined(required["Company"], required["ReferenceNumber"])
            keys = self.store.get("voucher reference", place) or []
        found = self.all() if keys is None else [self.store.get("voucher", key) for key in keys]
        return [row for row in found if row is not None and is_held == (row["VoucherUpdatedDb"] == HELD)]

    def all_rows(self, required: Mapping[str, Any], *, is_held: bool) -> list[Row]:
        return [row for header in self.headers(required, is_held=is_held) for row in self.rows_of(header)]

    def totals(self, header: Row) -> tuple[Decimal, Decimal]:
        """Debit and credit in the accounting currency."""
        rows = self.rows_of(header)
        debit = sum((Decimal(row["DebetAmount"] or 0) for row in rows), Decimal(0))
        return debit, sum((Decimal(row["CreditAmount"] or 0) for row in rows), Decimal(0))

    # The update of the general ledger

    def update_ledger(self, errors: DatabaseErrors, wanted: Mapping[str, Any], closed: Any) -> list[UpdateOutcome]:
        """Move approved vouchers out of the hold table.

        `wanted`: only vouchers with these values. `closed(header)`: whether the period is finally closed, which leaves
        the voucher where it is, with its update error.
        """
        outcomes = []
        for header in self.headers({}, is_held=True):
            if any(str(header[name]) != str(value) for name, value in wanted.items()):
                continue
            reason = ""
            if header["SimulationVoucher"] == "TRUE":
                reason = "a simulation voucher is never updated"
            elif header["VoucherStatus"] != "Approved":
                reason = f"its status is {header['VoucherStatus']}"
            elif closed(header):
                place = {"period": header["AccountingPeriod"], "year": header["AccountingYear"]}
                reason = errors.text("Voucher.PERCLOSED", **place)
                self.change(header, UpdateError=reason)
            else:
                self.change(header, VoucherUpdatedDb=UPDATED, UpdateError=None)
            outcomes.append(UpdateOutcome(name_of(header), not reason, reason))
        return outcomes
