"""The projections that the IFS Cloud sandbox serves: sets, types, keys, actions, and what a client may write.

Names and types come from `sandbox_data/projections.json`, which follows the public application model of 21R1 to 22R2.
A projection, set or field that is not listed there does not exist in the sandbox and is refused. Assumed, because the
model's interface facts name them without their fields: the members of a user group, currency codes, the lists above the
user groups of a period and of a voucher series, general ledger rows, the catalogue of projections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from audit.sandbox import dumps, loads

DATA = Path(__file__).parent / "sandbox_data"
#: Code parts besides A, the account.
CODE_PARTS = "BCDEFGHIJ"
#: Kinds of a field that are not enumerations.
PLAIN_KINDS = {
    "String": "Edm.String",
    "Decimal": "Edm.Decimal",
    "Date": "Edm.Date",
    "Boolean": "Edm.Boolean",
    "DateTimeOffset": "Edm.DateTimeOffset",
}

#: A stored row: fields that are not null, and private ones that begin with an underscore.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntityType:
    """One type of one projection. The same logical unit looks different in different projections."""

    projection: str
    name: str
    lu: str
    """Logical unit: where the rows come from, and `luname` of each."""
    key: tuple[str, ...]
    fields: dict[str, str]
    """Field -> String, Decimal, Date, Boolean, DateTimeOffset or the name of an enumeration; the key comes first."""
    lengths: dict[str, int]
    nested: dict[str, str]
    """Array below one row -> type of its rows."""
    access: frozenset[str]
    no_insert: frozenset[str]
    no_update: frozenset[str]
    is_virtual: bool
    """A temporary record of an assistant, known by its Objkey."""

    def edm_type_of(self, name: str) -> str:
        kind = self.fields[name]
        return PLAIN_KINDS.get(kind) or f"IfsApp.{self.projection}.{kind}"


@dataclass(frozen=True, slots=True)
class Action:
    """`binds`: the type it is called on; empty for one that is called on the projection."""

    name: str
    binds: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    needs_precondition: bool = False
    supports_warnings: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """`returns`: a kind, or the fields of a structure."""

    name: str
    parameters: dict[str, str]
    returns: str | dict[str, str]


@dataclass(frozen=True, slots=True)
class Projection:
    name: str
    sets: dict[str, str]
    types: dict[str, EntityType]
    actions: dict[str, Action]
    functions: dict[str, Function]
    optional: str
    """The value of the setting ledger_source without which nobody has made this projection."""

    def type_of_set(self, name: str) -> EntityType | None:
        return self.types.get(self.sets.get(name, ""))

    def enumerations_used(self) -> list[str]:
        used = {kind for each in self.types.values() for kind in each.fields.values()}
        return sorted(used - set(PLAIN_KINDS))


def read_data(name: str) -> Any:
    """A file of `sandbox_data`, fractions as Decimal."""
    return loads((DATA / name).read_text(encoding="utf-8"))


def expanded(document: Any) -> Any:
    """Entries whose name holds {X} once for each code part."""
    if not isinstance(document, dict):
        return document
    found: dict[str, Any] = {}
    for name, value in document.items():
        if "{X}" in name:
            for part in CODE_PARTS:
                found[name.replace("{X}", part)] = expanded(loads(dumps(value).replace("{X}", part)))
        else:
            found[name] = expanded(value)
    return found


@cache
def enumerations() -> dict[str, tuple[str, ...]]:
    """Enumeration -> its members."""
    return {name: tuple(members.split()) for name, members in read_data("enums.json").items()}


@cache
def projections() -> dict[str, Projection]:
    found = {}
    for name, described in expanded(read_data("projections.json")).items():
        actions = {each: Action(each, **values) for each, values in described.get("actions", {}).items()}
        functions = {each: Function(each, **values) for each, values in described.get("functions", {}).items()}
        found[name] = Projection(
            name=name,
            sets=described["sets"],
            types={each: entity_type(name, each, values) for each, values in described["types"].items()},
            actions=actions,
            functions=functions,
            optional=described.get("optional", ""),
        )
    return found


def entity_type(projection: str, name: str, described: Row) -> EntityType:
    fields, lengths = {}, {}
    for each, kind in described["fields"].items():
        plain, _, length = kind.partition("(")
        fields[each] = plain
        if length:
            lengths[each] = int(length.rstrip(")"))
    return EntityType(
        projection=projection,
        name=name,
        lu=described["lu"],
        key=tuple(described["key"].split()),
        fields=fields,
        lengths=lengths,
        nested=described.get("nested", {}),
        access=frozenset(described["access"].split()),
        no_insert=frozenset(described.get("no_insert", "").split()),
        no_update=frozenset(described.get("no_update", "").split()),
        is_virtual=described.get("virtual", False),
    )


@cache
def keys_by_lu() -> dict[str, tuple[str, ...]]:
    """How the rows of a logical unit are kept; where projections differ in the order of the key, the first one's."""
    found: dict[str, tuple[str, ...]] = {}
    for projection in projections().values():
        for each in projection.types.values():
            found.setdefault(each.lu, each.key)
    return found
