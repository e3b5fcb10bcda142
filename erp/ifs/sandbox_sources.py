"""Where the rows of each set of the IFS Cloud sandbox come from, and what a client may do with them.

Three kinds: set-up data, which is only read; vouchers of the hold table and of the general ledger; temporary records of
the assistant. A record is visible only in the companies that the service user may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.sandbox import Refused
from erp.ifs.sandbox_assistant import HEADER, LEDGER_SEARCH, LEDGER_VOUCHER, Assistant
from erp.ifs.sandbox_books import VOUCHER_KEY, Books
from erp.ifs.sandbox_errors import not_found, refused
from erp.ifs.sandbox_reference import Reference
from erp.ifs.sandbox_schema import EntityType, Row, projections

Key = Mapping[str, Any]
#: Fields of a voucher that a client may change in the hold table.
CHANGEABLE = frozenset({"VoucherText2"})


class Source:
    """Rows of one type; below a parent, only its rows. Without one, `parent` is empty."""

    def __init__(self, entity: EntityType, assistant: Assistant, parent: Row) -> None:
        self.entity = entity
        self.assistant = assistant
        self.reference: Reference = assistant.reference
        self.books: Books = assistant.books
        self.parent = parent

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        """`required`: what every hit must have; a source may leave out other rows."""
        raise NotImplementedError

    def find(self, key: Key) -> Row | None:
        wanted = list(self.all(key))
        return next((row for row in wanted if all(row.get(name) == value for name, value in key.items())), None)

    def create(self, record: Row) -> Row:
        raise self.refusal("create")

    def change(self, row: Row, record: Row) -> Row:
        raise self.refusal("update")

    def delete(self, row: Row) -> None:
        raise self.refusal("delete")

    def refusal(self, what: str) -> Refused:
        """What the model has is refused for want of a permission set, what it has not as such (500 seen for PATCH)."""
        if what in self.entity.access:
            return refused("DB_INSUFFICIENT_PRIVILEGES")
        return refused("ODP_ILLEGAL_STATE" if what == "update" else "ODP_NOT_ALLOWED")


class SetUp(Source):
    def all(self, required: Mapping[str, Any]) -> list[Row]:
        rows = self.reference.rows.all(self.entity.lu)
        allowed = self.reference.companies_allowed()
        rows = [row for row in rows if row["Company"] in allowed]
        if self.parent:
            # By the parts of the parent's key that its rows have too.
            shared = {name: self.parent[name] for name in self.parent["_key"] if name in self.entity.fields}
            rows = [row for row in rows if all(row[name] == value for name, value in shared.items())]
        return rows


class Catalogue(Source):
    """AllProjections: which projections there are."""

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        names = (name for name, each in projections().items() if not each.optional)
        return [
            {"Name": name, "Description": name, "Categories": "Users", "_id": place, "_version": 1}
            for place, name in enumerate(sorted(names), start=1)
        ]


class HoldTable(Source):
    """Vouchers that are not updated yet."""

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        allowed = self.reference.companies_allowed()
        found = [row for row in self.books.headers(required, is_held=True) if row["Company"] in allowed]
        return [self._shaped(row) for row in found]

    def _shaped(self, row: Row) -> Row:
        """A boolean is a text in some projections."""
        shaped = dict(row)
        for name, kind in self.entity.fields.items():
            if kind == "String" and isinstance(row.get(name), bool):
                letters = ("N", "Y") if self.entity.lengths.get(name) == 1 else ("FALSE", "TRUE")
                shaped[name] = letters[row[name]]
        if "TotalDebit" in self.entity.fields:
            shaped["TotalDebit"], shaped["TotalCredit"] = self.books.totals(row)
        return shaped

    def change(self, row: Row, record: Row) -> Row:
        for name in record:
            if name not in CHANGEABLE:
                raise self.assistant.errors.refuse("UPDATE", name=name, lu="Voucher")
        held = self.books.find(*(row[name] for name in VOUCHER_KEY))
        if held is None:
            raise not_found()
        return self._shaped(self.books.change(held, **record))


class VoucherRows(Source):
    """Rows of held vouchers, or of updated ones where the type is the general ledger's."""

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        is_held = self.entity.lu == "VoucherRow"
        if "Objkey" in self.parent:
            return self.assistant.ledger_rows(self.parent)
        if self.parent:
            return self.books.rows_of(self.parent)
        allowed = self.reference.companies_allowed()
        return [row for row in self.books.all_rows(required, is_held=is_held) if row["Company"] in allowed]


class LedgerVouchers(Source):
    def all(self, required: Mapping[str, Any]) -> list[Row]:
        return self.assistant.ledger_vouchers(self.parent)


class Temporary(Source):
    """Headers of the assistant and views into the general ledger."""

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        return self.assistant.all(self.entity.lu)

    def find(self, key: Key) -> Row | None:
        return self.assistant.find(self.entity.lu, key["Objkey"])

    def create(self, record: Row) -> Row:
        if self.entity.lu == HEADER:
            return self.assistant.create_header(record)
        return self.assistant.open_ledger_view(self.entity.lu, record)

    def change(self, row: Row, record: Row) -> Row:
        return self.assistant.change_header(row, record)

    def delete(self, row: Row) -> None:
        if self.entity.lu == HEADER:
            self.assistant.remove(row)
        else:
            self.assistant.store.delete(f"temporary {self.entity.lu}", row["Objkey"])


class TemporaryRows(Source):
    """Rows below a header of the assistant."""

    def all(self, required: Mapping[str, Any]) -> list[Row]:
        return self.assistant.rows_of(self.parent)

    def find(self, key: Key) -> Row | None:
        return self.assistant.find_row(self.parent, key["Objkey"])

    def create(self, record: Row) -> Row:
        return self.assistant.create_row(self.parent, record)

    def change(self, row: Row, record: Row) -> Row:
        return self.assistant.change_row(self.parent, row, record)

    def delete(self, row: Row) -> None:
        self.assistant.delete_row(self.parent, row)


SOURCES: dict[str, type[Source]] = {
    "Projection": Catalogue,
    "Voucher": HoldTable,
    "VoucherRow": VoucherRows,
    "GenLedVoucherRow": VoucherRows,
    "GenLedVoucher": LedgerVouchers,
    HEADER: Temporary,
    LEDGER_SEARCH: Temporary,
    LEDGER_VOUCHER: Temporary,
    "VoucherPosting": TemporaryRows,
}


def source_of(entity: EntityType, assistant: Assistant, parent: Row) -> Source:
    return SOURCES.get(entity.lu, SetUp)(entity, assistant, parent)
