"""The MI transactions that the M3 sandbox serves: their fields, and whether a record fits them.

Names, types, lengths and required fields are those of a tenant's own description (release of June 2020), kept in
`sandbox_data/transactions.json` as `NAME*:A15` (* = required; A alphanumeric, N numeric, D date yyyyMMdd). A transaction
or field that is not listed does not exist here and is refused. Of outputs only what the sandbox gives is listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from audit.sandbox import loads
from erp.infor.m3.sandbox_messages import Nok

DATA = Path(__file__).parent / "sandbox_data"
NUMBER = re.compile(r"-?\d+(\.\d+)?|-?\.\d+")
#: A required field whose blank is a value: the blank division.
MAY_BE_BLANK = frozenset({"DIVI"})


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: str
    """A, N or D."""
    length: int
    is_required: bool


@dataclass(frozen=True, slots=True)
class Transaction:
    program: str
    name: str
    text: str
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]


class DefinitionError(Exception):
    """A request that does not fit the definition of the transaction; M3 never gets to see it."""

    def __init__(self, kind: str, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.field = field


def read_data(name: str) -> Any:
    """A file of `sandbox_data`."""
    return loads((DATA / name).read_text(encoding="utf-8"))


def fields_of(text: str) -> dict[str, Field]:
    found = {}
    for word in text.split():
        name, _, kind = word.partition(":")
        found[name.rstrip("*")] = Field(name.rstrip("*"), kind[0], int(kind[1:]), name.endswith("*"))
    return found


@cache
def programs() -> dict[str, dict[str, Transaction]]:
    """Program -> transaction -> what it takes and gives."""
    return {
        program: {
            name: Transaction(program, name, each["text"], fields_of(each["in"]), fields_of(each["out"]))
            for name, each in described["transactions"].items()
        }
        for program, described in read_data("transactions.json").items()
    }


def program_texts() -> dict[str, str]:
    return {program: described["text"] for program, described in read_data("transactions.json").items()}


def find(program: str, name: str, absent: str = "") -> Transaction:
    """Raises DefinitionError for one that this release does not have. `absent`: PROGRAM.Transaction, by blanks."""
    found = programs().get(program, {}).get(name)
    if found is None or f"{program}.{name}" in absent.split():
        raise DefinitionError("TransactionNotFound", f"Transaction {name} not found in program {program}")
    return found


def check_definition(transaction: Transaction, record: Mapping[str, str]) -> None:
    """Raises DefinitionError: a field is missing, too long or unknown (the last is assumed to be refused)."""
    for name, value in record.items():
        field = transaction.inputs.get(name)
        if field is None:
            raise DefinitionError("InputFieldNotFound", f"Input field {name} not found in {transaction.name}", name)
        if len(value) > field.length:
            raise DefinitionError("InputFieldTooLong", f"Input field {name} is too long", name)
    for name, field in transaction.inputs.items():
        given = record.get(name)
        if field.is_required and (given is None or (not given.strip() and name not in MAY_BE_BLANK)):
            raise DefinitionError("MandatoryInputFieldNotFound", f"Mandatory input field {name} not found", name)


def check_values(transaction: Transaction, record: Mapping[str, str]) -> None:
    """Raises Nok for a number or a date that is none."""
    for name, value in record.items():
        kind = transaction.inputs[name].kind
        if kind == "N" and value.strip() and not NUMBER.fullmatch(value.strip()):
            raise Nok("XNU0000", name)
        if kind == "D" and value.strip() not in {"", "0"} and not is_day(value):
            raise Nok("XDT0001", name)


def is_day(value: str) -> bool:
    """yyyyMMdd, and a day of the calendar."""
    if not re.fullmatch(r"\d{8}", value):
        return False
    try:
        datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007 - a day, not a moment
    except ValueError:
        return False
    return True
