"""The names that the connector uses against the `$metadata` of the tenant: what is missing, and what was probably meant."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from audit.exchange import TemporaryFailure
from erp.ifs.names import Action, EntitySet, Names


@dataclass(frozen=True, slots=True)
class Difference:
    """`is_needed`: nothing can be sent as long as it is not repaired."""

    sentence: str
    is_needed: bool


@dataclass(slots=True)
class Model:
    """One projection: sets and arrays with the types of their rows, types with their fields, actions."""

    sets: dict[str, str] = field(default_factory=dict)
    fields: dict[str, set[str]] = field(default_factory=dict)
    arrays: dict[str, dict[str, str]] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)
    bases: dict[str, str] = field(default_factory=dict)

    def fields_of(self, type_name: str) -> set[str]:
        """With those of the types that it extends."""
        found: set[str] = set()
        seen: set[str] = set()
        while type_name and type_name not in seen:
            seen.add(type_name)
            found |= self.fields.get(type_name, set())
            type_name = self.bases.get(type_name, "")
        return found


def read_model(document: bytes) -> Model:
    """Raises TemporaryFailure for what is no EDMX document."""
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise TemporaryFailure("IFS described a projection in a form that is not read.")
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except ElementTree.ParseError as error:
        raise TemporaryFailure("IFS described a projection in a form that cannot be read.") from error
    model = Model()
    for element in root.iter():
        kind, name = _plain(element.tag), element.get("Name", "")
        if kind == "EntityType":
            model.bases[name] = _plain(element.get("BaseType", ""))
            model.fields[name] = {each.get("Name", "") for each in element if _plain(each.tag) == "Property"}
            model.arrays[name] = {
                each.get("Name", ""): _plain(each.get("Type", ""))
                for each in element
                if _plain(each.tag) == "NavigationProperty" and each.get("Type", "").startswith("Collection(")
            }
        elif kind == "EntitySet":
            model.sets[name] = _plain(element.get("EntityType", ""))
        elif kind == "Action":
            model.actions.add(name)
    return model


def differences(
    names: Names, model: Model, sets: Collection[EntitySet], actions: Collection[Action]
) -> list[Difference]:
    """Every name of one projection that is not as the connector has it."""
    return [*_of_sets(names, model, sets), *_of_actions(names, model, actions)]


def _of_sets(names: Names, model: Model, sets: Collection[EntitySet]) -> Iterator[Difference]:
    for of in sets:
        projection, name = names.projection(of), names.set(of)
        if of.parent:
            known: Mapping[str, str] = model.arrays.get(model.sets.get(names.parent(of), ""), {})
            words = f"{projection} has no array {name} below {names.parent(of)}"
        else:
            known = model.sets
            words = f"{projection} has no set {name}"
        if name not in known:
            yield Difference(f"{words}. {_advice(of.path, name, known)}", of.is_needed)
            continue
        fields = model.fields_of(known[name])
        for each in of.fields:
            actual = names.field(of, each)
            if actual not in fields:
                yield Difference(
                    f"{projection}, {name} has no field {actual}. {_advice(f'{of.path}.{each}', actual, fields)}",
                    of.is_needed,
                )


def _of_actions(names: Names, model: Model, actions: Collection[Action]) -> Iterator[Difference]:
    for action in actions:
        name = names.action(action).rpartition(".")[2]
        if name not in model.actions:
            advice = _advice(action.path, name, model.actions)
            yield Difference(f"{names.projection(action)} has no action {name}. {advice}", action.is_needed)


def _advice(path: str, name: str, known: Collection[str]) -> str:
    meant = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if meant:
        return f"Probably {meant[0]} is meant: add “{path}={meant[0]}” to “Other names”."
    return f"If it has another name there, add “{path}=…” to “Other names”."


def _plain(name: str) -> str:
    """`{namespace}EntityType`, `IfsApp.P.VoucherEntry`, `Collection(IfsApp.P.VoucherPosting)` -> the last word."""
    return name.rpartition("}")[2].rstrip(")").rpartition(".")[2].rpartition("(")[2]
