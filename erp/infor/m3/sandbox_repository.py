"""MRS001MI of the M3 sandbox: which programs, transactions and fields there are, as the definitions say it.

What a company calls its dimensions is the heading of the field; that LstAdtFieldInf shows it as TX15 is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from erp.infor.m3.sandbox_call import MiCall, Program, Row
from erp.infor.m3.sandbox_messages import not_found
from erp.infor.m3.sandbox_tables import KINDS, tables
from erp.infor.m3.sandbox_transactions import Field, Transaction, program_texts, programs

#: Where the first field begins in the reply of an MI program, behind its 15 characters of status.
FIRST_POSITION = 16


class RepositoryPrograms:
    """`headings`: field -> what the company calls it."""

    def __init__(self, headings: Mapping[str, str]) -> None:
        self.headings = headings

    def table(self) -> dict[tuple[str, str], Program]:
        return {
            ("MRS001MI", "GetTransaction"): self.get_transaction,
            ("MRS001MI", "LstAdtFieldInf"): self.list_fields,
            ("MRS001MI", "LstFields"): self.list_fields,
            ("MRS001MI", "LstFieldInfo"): self.list_table_fields,
            ("MRS001MI", "LstPrograms"): self.list_programs,
            ("MRS001MI", "LstTransactions"): self.list_transactions,
        }

    def list_programs(self, call: MiCall) -> Iterable[Row]:
        return ({"MINM": name, "MIDS": text} for name, text in sorted(program_texts().items()))

    def list_transactions(self, call: MiCall) -> Iterable[Row]:
        found = self._transactions(call)
        if not found:
            raise not_found("MINM")
        return (self._row(each) for each in found)

    def get_transaction(self, call: MiCall) -> Iterable[Row]:
        return [self._row(self._transaction(call))]

    def list_fields(self, call: MiCall) -> Iterator[Row]:
        """TRTP I are inputs, O outputs."""
        transaction = self._transaction(call)
        if call.get("TRTP") not in {"I", "O"}:
            raise not_found("TRTP")
        fields = transaction.inputs if call.get("TRTP") == "I" else transaction.outputs
        position = FIRST_POSITION
        for field in fields.values():
            yield self._field(call, field, position)
            position += field.length

    def list_table_fields(self, call: MiCall) -> Iterator[Row]:
        found = tables(call.context.settings).get(call.get("FILE"))
        if found is None:
            raise not_found("FILE")
        for column in found.columns.values():
            yield {
                "FLNA": column.name,
                "FLTY": column.kind,
                "FLLE": str(column.length),
                "FLDP": str(column.decimals),
                "FRL1": column.text,
            }

    def _transactions(self, call: MiCall) -> list[Transaction]:
        program = call.get("MINM")
        absent = call.context.settings.absent_transactions.split()
        there = programs().get(program, {})
        return [each for name, each in there.items() if f"{program}.{name}" not in absent]

    def _transaction(self, call: MiCall) -> Transaction:
        for each in self._transactions(call):
            if each.name == call.get("TRNM"):
                return each
        raise not_found("TRNM")

    def _row(self, transaction: Transaction) -> Row:
        return {"MINM": transaction.program, "TRNM": transaction.name, "TRDS": transaction.text, "STAT": "20"}

    def _field(self, call: MiCall, field: Field, position: int) -> Row:
        return {
            "MINM": call.get("MINM"),
            "TRNM": call.get("TRNM"),
            "TRTP": call.get("TRTP"),
            "FLNM": field.name,
            "FLDS": KINDS[field.name][3] if field.name in KINDS else field.name,
            "FRPO": str(position),
            "TOPO": str(position + field.length - 1),
            "LENG": str(field.length),
            "FLDP": "0",
            "TYPE": field.kind,
            "MAND": "1" if field.is_required else "0",
            "TX15": self.headings.get(field.name, ""),
        }
