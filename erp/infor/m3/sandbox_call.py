"""One MI transaction as a program of the M3 sandbox gets it: its record, and the context of the request around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_transactions import Transaction

#: Output field -> text; what is left out is blank.
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What a request says for all its transactions, defaults of the service user filled in."""

    company: str
    division: str
    language: str
    settings: M3Settings


@dataclass(frozen=True, slots=True)
class MiCall:
    transaction: Transaction
    record: Mapping[str, str]
    context: Context

    def get(self, name: str) -> str:
        """The value of a field without blanks around it; empty where it was not given."""
        return self.record.get(name, "").strip()

    @property
    def company(self) -> str:
        """CONO of the record, else of the request."""
        return str(int(self.get("CONO"))) if self.get("CONO") else self.context.company

    @property
    def division(self) -> str:
        """DIVI of the record, also a blank one, else of the request."""
        return self.get("DIVI") if "DIVI" in self.record else self.context.division


#: Gives the records one by one, so that some may come before an error. Raises Nok.
Program = Callable[[MiCall], Iterable[Row]]
