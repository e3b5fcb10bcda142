"""The business classes that the FSM sandbox serves: fields, sets, lists, and what a row may be created with.

Names come from `sandbox_data/classes.json`, which follows the OpenAPI of the classes. What is not listed there does not
exist in the sandbox and is refused. Assumed: the fields of AccountingUnit and GLTransactionDetail, which no public OpenAPI
shows, and that an unknown field is an error at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from audit.sandbox import loads

DATA = Path(__file__).parent / "sandbox_data"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class BusinessClass:
    name: str
    fields: frozenset[str]
    sets: frozenset[str]
    lists: frozenset[str]
    create: Mapping[str, Any] = field(default_factory=dict)
    """fields, required, dates, amounts (decimals by field), booleans, enums."""


@cache
def read_data(name: str) -> Any:
    return loads((DATA / name).read_bytes())


@cache
def classes() -> dict[str, BusinessClass]:
    found = {}
    for name, given in read_data("classes.json").items():
        if name == "FinanceDimension":
            for number in range(1, 11):
                own = f"FinanceDimension{number}"
                found[own] = _class(own, {**given, "fields": [*given["fields"], own, f"Parent{own}"]})
        else:
            found[name] = _class(name, given)
    return found


def _class(name: str, given: Mapping[str, Any]) -> BusinessClass:
    return BusinessClass(
        name, frozenset(given["fields"]), frozenset(given["sets"]), frozenset(given["lists"]), given.get("create", {})
    )


def row_problem(fields: Mapping[str, Any], of: BusinessClass) -> str:
    """What speaks against creating a row, as FSM would word it (assumed); empty if nothing does. Accounts, dimensions and
    periods are not looked at: staging takes any.
    """
    rules = of.create
    for name, value in fields.items():
        if name not in rules["fields"]:
            return f"{name} is not a field of {of.name}"
        if not isinstance(value, str):
            return f"{name} must be a string"
    for name in rules["required"]:
        if not fields.get(name):
            return f"{name} is required"
    for name in rules["dates"]:
        if fields.get(name) and not re.fullmatch(r"\d{8}", fields[name]):
            return f"{name} is not a valid date; the format is YYYYMMDD"
    for name in rules["amounts"]:
        if fields.get(name) and not re.fullmatch(r"-?\d{1,15}(\.\d{1,5})?", fields[name]):
            return f"{name} is not a valid number"
    for name, allowed in rules["enums"].items():
        if name in fields and fields[name] not in allowed:
            return f"{fields[name]} is not a valid state of {name}"
    if len(fields[f"{of.name}.RunGroup"]) > 30:
        return "Run Group may have 30 characters"
    if not fields[f"{of.name}.SequenceNumber"].isdigit():
        return "Sequence Number is not a valid number"
    return ""
