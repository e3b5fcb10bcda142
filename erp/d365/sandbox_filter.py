"""$filter as Dynamics 365 F&O takes it: comparisons joined by and/or, parentheses, wildcards, enumeration literals.

No `in`, no `has`, no functions, no arithmetic (facts, section 4). Texts compare without case and without trailing
spaces, as its database does (assumed from the platform's default collation). An enumeration takes eq and ne with its
full literal only (rule read-2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from erp.d365.sandbox_errors import bad_query
from erp.d365.sandbox_schema import NAMESPACE, EntitySet, Row, enumerations
from erp.odata_sandbox import Literal, read_literal, tokens

OPERATORS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
#: Filtering on these reportedly returns nothing, whatever the row holds: filter them on the client.
BLIND_FIELDS = {"LedgerJournalLines": frozenset({"AccountType", "OffsetAccountType"})}


@dataclass(frozen=True, slots=True)
class Comparison:
    field: str
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` or `or` of two conditions."""

    word: str
    left: Condition
    right: Condition


Condition = Comparison | Junction


def folded(text: str) -> str:
    """How two texts are the same to the database."""
    return text.rstrip().casefold()


def literal_of(kind: str, text: str) -> Literal:
    """Raises `Refused` for a literal that is none, such as 2026-13-01."""
    try:
        return read_literal(kind, text)
    except ValueError:
        raise bad_query(f"Unrecognized '{text}'.") from None


class _Parser:
    def __init__(self, text: str, entity: EntitySet) -> None:
        self.text = text
        self.entity = entity
        try:
            self.tokens = [(token.kind, token.text, token.position) for token in tokens(text)]
        except ValueError as error:
            raise bad_query(f"Syntax error at position {error.args[0]} in '{text}'.") from None
        self.at = 0

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "", len(self.text))

    def take(self) -> tuple[str, str, int]:
        token = self.peek()
        self.at += 1
        return token

    def fail(self, position: int) -> NoReturn:
        raise bad_query(f"Syntax error at position {position} in '{self.text}'.")

    def either(self) -> Condition:
        left = self.both()
        while self.peek()[:2] == ("name", "or"):
            self.take()
            left = Junction("or", left, self.both())
        return left

    def both(self) -> Condition:
        left = self.one()
        while self.peek()[:2] == ("name", "and"):
            self.take()
            left = Junction("and", left, self.one())
        return left

    def one(self) -> Condition:
        kind, text, position = self.take()
        if (kind, text) == ("sign", "("):
            inner = self.either()
            if self.take()[:2] != ("sign", ")"):
                self.fail(position)
            return inner
        if kind != "name":
            self.fail(position)
        if self.peek()[:2] == ("sign", "("):
            raise bad_query(f"An unknown function with name '{text}' was found.")
        if text not in self.entity.fields:
            raise unknown_property(text, self.entity)
        operator = self.take()[1]
        if operator not in OPERATORS:
            raise bad_query(f"The operator '{operator}' is not supported.")
        kind, raw, position = self.take()
        if (kind, raw) == ("name", "null"):
            return Comparison(text, operator, Literal("null", None))
        if kind in {"name", "sign", "end"}:
            self.fail(position)
        comparison = Comparison(text, operator, literal_of(kind, raw))
        self.check(comparison)
        return comparison

    def check(self, comparison: Comparison) -> None:
        expected = self.entity.edm_type_of(comparison.field)
        kind = self.entity.fields[comparison.field]
        given = comparison.literal.edm_type
        numbers = {"Edm.Decimal", "Edm.Int32", "Edm.Int64"}
        if expected != given and not (expected in numbers and given in numbers):
            raise bad_query(
                "A binary operator with incompatible types was detected. Found operand types "
                f"'{expected}' and '{given}' for operator kind '{OPERATORS[comparison.operator]}'."
            )
        if expected.startswith(NAMESPACE):
            if comparison.literal.value not in enumerations()[kind]:
                raise bad_query(f"The string '{comparison.literal.value}' is not a valid enumeration type constant.")
            if comparison.operator not in {"eq", "ne"}:
                raise bad_query(f"The operator '{comparison.operator}' is not supported for '{expected}'.")


def unknown_property(name: str, entity: EntitySet) -> Exception:
    return bad_query(f"Could not find a property named '{name}' on type '{entity.edm_type}'.")


def parse_filter(text: str, entity: EntitySet) -> Condition:
    """Raises `Refused` (400) for everything that is not in the module's first sentence."""
    parser = _Parser(text, entity)
    condition = parser.either()
    kind, word, position = parser.peek()
    if kind != "end":
        if kind == "name":
            raise bad_query(f"The operator '{word}' is not supported.")
        parser.fail(position)
    return condition


def required_texts(condition: Condition | None) -> dict[str, str]:
    """Field -> folded text that every hit must have: what narrows a search before rows are read."""
    if isinstance(condition, Junction) and condition.word == "and":
        return {**required_texts(condition.left), **required_texts(condition.right)}
    if isinstance(condition, Comparison) and condition.operator == "eq":
        value = condition.literal.value
        if isinstance(value, str) and condition.literal.edm_type == "Edm.String" and "*" not in value:
            return {condition.field: folded(value)}
    return {}


def holds(condition: Condition, row: Row, entity: EntitySet) -> bool:
    """Whether a stored row fits."""
    if isinstance(condition, Junction):
        left = holds(condition.left, row, entity)
        if condition.word == "and":
            return left and holds(condition.right, row, entity)
        return left or holds(condition.right, row, entity)
    if condition.field in BLIND_FIELDS.get(entity.name, ()):
        return False
    if condition.literal.edm_type == "null":
        return condition.operator == "ne"
    kind = entity.fields[condition.field]
    have: Any = row.get(condition.field)
    if have is None:
        have = entity.default(condition.field)
    want = condition.literal.value
    if kind == "String":
        if "*" in want and condition.operator in {"eq", "ne"}:
            pattern = ".*".join(re.escape(part) for part in folded(want).split("*"))
            return (re.fullmatch(pattern, folded(have), re.DOTALL) is not None) == (condition.operator == "eq")
        have, want = folded(have), folded(want)
    elif kind == "Date":
        have = datetime.fromisoformat(f"{have}T12:00:00+00:00")
    compared: bool = {
        "eq": have == want,
        "ne": have != want,
        "gt": have > want,
        "ge": have >= want,
        "lt": have < want,
        "le": have <= want,
    }[condition.operator]
    return compared
