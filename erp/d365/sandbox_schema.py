"""The entity sets that the Dynamics 365 sandbox serves: fields, types, keys and what a client may write.

Names and types come from `sandbox_data/entities.json`, which follows the public descriptions of F&O 10.0.47. A set or
field that is not listed there does not exist in the sandbox and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audit.sandbox import loads

DATA = Path(__file__).parent / "sandbox_data"
NAMESPACE = "Microsoft.Dynamics.DataEntities"

#: A stored row: OData fields that differ from their default, and private ones that begin with an underscore.
Row = dict[str, Any]

EMPTY_DATE = "1900-01-01"
#: Types of `entities.json` that are not enumerations. A Date is a day; on the wire it is noon UTC.
PLAIN_TYPES = {
    "String": "Edm.String",
    "Decimal": "Edm.Decimal",
    "Date": "Edm.DateTimeOffset",
    "Int32": "Edm.Int32",
    "Int64": "Edm.Int64",
}


@dataclass(frozen=True, slots=True)
class EntitySet:
    """One collection under /data."""

    name: str
    type_name: str
    key: tuple[str, ...]
    fields: dict[str, str]
    """Field -> String, Decimal, Date, Int32, Int64 or the name of an enumeration."""
    required: tuple[str, ...]
    no_insert: frozenset[str]
    """AllowEditOnCreate=false: refused in a POST body."""
    no_update: frozenset[str]
    """AllowEdit=false: refused in a PATCH body."""
    lengths: dict[str, int]
    company_field: str
    """The field that says whose row it is; empty for rows that all companies share."""

    @property
    def entity_name(self) -> str:
        """How an Infolog names it."""
        return f"{self.type_name}Entity"

    @property
    def edm_type(self) -> str:
        return f"{NAMESPACE}.{self.type_name}"

    def edm_type_of(self, field: str) -> str:
        kind = self.fields[field]
        return PLAIN_TYPES.get(kind) or f"{NAMESPACE}.{kind}"

    def default(self, field: str) -> Any:
        """What an empty column reads as: X++ knows no null."""
        kind = self.fields[field]
        if kind == "String":
            return ""
        if kind == "Date":
            return EMPTY_DATE
        if kind in PLAIN_TYPES:
            return 0
        return enumerations()[kind][0]


def read_data(name: str) -> Any:
    """A file of `sandbox_data`, numbers as Decimal."""
    return loads((DATA / name).read_text(encoding="utf-8"))


@cache
def enumerations() -> dict[str, tuple[str, ...]]:
    """Enumeration -> its members, the default first."""
    return {name: tuple(members.split()) for name, members in read_data("enums.json").items()}


@cache
def entity_sets() -> dict[str, EntitySet]:
    sets = {}
    for name, described in read_data("entities.json").items():
        fields = {field: kind for kind, names in described["fields"].items() for field in names.split()}
        key = tuple(described["key"].split())
        sets[name] = EntitySet(
            name=name,
            type_name=described["type"],
            key=key,
            fields={**{field: fields[field] for field in key}, **fields},
            required=tuple(described.get("required", "").split()),
            no_insert=frozenset(described.get("no_insert", "").split()),
            no_update=frozenset(described.get("no_update", "").split()),
            lengths={field: int(length) for field, length in described.get("lengths", {}).items()},
            company_field=described.get("company_field", "dataAreaId" if "dataAreaId" in key else ""),
        )
    return sets


def entity_set(name: str) -> EntitySet:
    """Raises KeyError for a collection that is not served."""
    return entity_sets()[name]
