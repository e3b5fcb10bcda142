"""$filter as IFS Cloud takes it: comparisons, and / or / not, a few functions on texts.

No lambda, no `has`, no arithmetic, no path through a reference (docs "supported functionalities"). Texts compare letter
by letter, as Oracle does; a comparison with null is neither true nor false there, so only `eq null` and `ne null` find
rows without a value. An enumeration takes its full literal, or a plain text where the setting says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from erp.ifs.sandbox_errors import bad_url, not_implemented
from erp.ifs.sandbox_schema import PLAIN_KINDS, EntityType, Row, enumerations
from erp.odata_sandbox import Literal, Token, read_literal, tokens

OPERATORS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
TESTS = frozenset({"contains", "startswith", "endswith"})
CONVERSIONS: dict[str, Callable[[str], str]] = {"tolower": str.lower, "toupper": str.upper, "trim": str.strip}
NUMBERS = frozenset({"Edm.Decimal", "Edm.Int32"})
NULL = "null"


@dataclass(frozen=True, slots=True)
class Operand:
    """A field, perhaps converted by a function."""

    field: str
    conversion: str = ""

    def of(self, row: Row) -> Any:
        value = row.get(self.field)
        if self.conversion and value is not None:
            return CONVERSIONS[self.conversion](value)
        return value


@dataclass(frozen=True, slots=True)
class Comparison:
    operand: Operand
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class TextTest:
    """contains, startswith, endswith."""

    function: str
    operand: Operand
    text: str


@dataclass(frozen=True, slots=True)
class Negation:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` or `or` of two conditions."""

    word: str
    left: Condition
    right: Condition


Condition = Comparison | TextTest | Negation | Junction


class _Parser:
    def __init__(self, text: str, entity: EntityType, enum_style: str) -> None:
        self.text = text
        self.entity = entity
        self.enum_style = enum_style
        try:
            self.tokens = tokens(text)
        except ValueError as error:
            self.fail(error.args[0])
        self.at = 0

    def fail(self, position: int) -> NoReturn:
        raise bad_url(f"Syntax error at position {position} in '{self.text}'.")

    def peek(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "", len(self.text))

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def took(self, kind: str, text: str) -> bool:
        if (self.peek().kind, self.peek().text) == (kind, text):
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        token = self.take()
        if (token.kind, token.text) != ("sign", sign):
            self.fail(token.position)

    def either(self) -> Condition:
        left = self.both()
        while self.took("name", "or"):
            left = Junction("or", left, self.both())
        return left

    def both(self) -> Condition:
        left = self.one()
        while self.took("name", "and"):
            left = Junction("and", left, self.one())
        return left

    def one(self) -> Condition:
        if self.took("name", "not"):
            return Negation(self.one())
        if self.took("sign", "("):
            inner = self.either()
            self.expect(")")
            return inner
        token = self.take()
        if token.kind != "name":
            self.fail(token.position)
        if token.text in TESTS and self.took("sign", "("):
            return self.text_test(token.text)
        operand = self.operand(token)
        operator = self.take()
        if operator.text not in OPERATORS:
            raise not_implemented(f"The operator '{operator.text}' is not supported.")
        return Comparison(operand, operator.text, self.literal(operand))

    def text_test(self, function: str) -> Condition:
        token = self.take()
        operand = self.operand(token)
        if self.entity.fields[operand.field] != "String":
            raise bad_url(f"'{function}' takes a text, and '{operand.field}' is none.")
        self.expect(",")
        given = self.take()
        if given.kind != "string":
            self.fail(given.position)
        self.expect(")")
        return TextTest(function, operand, str(read_literal("string", given.text).value))

    def operand(self, token: Token) -> Operand:
        if token.text in CONVERSIONS and self.took("sign", "("):
            inner = self.operand(self.take())
            self.expect(")")
            if inner.conversion or self.entity.fields[inner.field] != "String":
                raise not_implemented(f"'{token.text}' is supported on a field of text only.")
            return Operand(inner.field, token.text)
        if "/" in token.text or (self.peek().kind, self.peek().text) == ("sign", "("):
            raise not_implemented(f"'{token.text}' is not supported.")
        if token.kind != "name" or token.text not in self.entity.fields:
            raise unknown_property(token.text, self.entity)
        return Operand(token.text)

    def literal(self, operand: Operand) -> Literal:
        token = self.take()
        kind = self.entity.fields[operand.field]
        if token.kind == "name":
            if token.text == NULL:
                return Literal(NULL, None)
            if token.text in {"true", "false"} and kind == "Boolean":
                return Literal("Edm.Boolean", token.text == "true")
            self.fail(token.position)
        if token.kind in {"sign", "end"}:
            self.fail(token.position)
        try:
            literal = read_literal(token.kind, token.text)
        except ValueError:
            self.fail(token.position)
        self.check(literal, operand.field)
        return literal

    def check(self, literal: Literal, name: str) -> None:
        kind = self.entity.fields[name]
        expected = self.entity.edm_type_of(name)
        if kind not in PLAIN_KINDS:
            wanted = expected if self.enum_style == "literal" else "Edm.String"
            if literal.edm_type == wanted and literal.value in enumerations()[kind]:
                return
        elif literal.edm_type == expected or {literal.edm_type, expected} <= NUMBERS:
            return
        raise bad_url(f"A value of type '{literal.edm_type}' does not fit '{name}', which is '{expected}'.")


def unknown_property(name: str, entity: EntityType) -> Exception:
    return bad_url(f"The property '{name}' is not defined in type '{entity.name}'.")


def parse_filter(text: str, entity: EntityType, enum_style: str) -> Condition:
    """Raises `Refused`: 400 for what is wrong, 501 for what this service does not support."""
    parser = _Parser(text, entity, enum_style)
    condition = parser.either()
    rest = parser.peek()
    if rest.kind != "end":
        parser.fail(rest.position)
    return condition


def required_values(condition: Condition | None) -> dict[str, Any]:
    """Field -> value that every hit must have: what narrows a search before rows are read."""
    if isinstance(condition, Junction) and condition.word == "and":
        return {**required_values(condition.left), **required_values(condition.right)}
    if not isinstance(condition, Comparison) or condition.operator != "eq" or condition.operand.conversion:
        return {}
    return {} if condition.literal.edm_type == NULL else {condition.operand.field: condition.literal.value}


def holds(condition: Condition, row: Row, entity: EntityType) -> bool:
    """Whether a stored row fits."""
    if isinstance(condition, Junction):
        left = holds(condition.left, row, entity)
        if condition.word == "and":
            return left and holds(condition.right, row, entity)
        return left or holds(condition.right, row, entity)
    if isinstance(condition, Negation):
        return not holds(condition.condition, row, entity)
    have = condition.operand.of(row)
    if isinstance(condition, TextTest):
        if have is None:
            return False
        if condition.function == "contains":
            return condition.text in have
        return bool(getattr(have, condition.function)(condition.text))
    if condition.literal.edm_type == NULL:
        return (have is None) == (condition.operator == "eq")
    if have is None:
        return False
    return compared(typed(have, entity.fields[condition.operand.field]), condition.operator, condition.literal.value)


def typed(value: Any, kind: str) -> Any:
    """A stored value as it compares: days and moments are kept as text."""
    if kind == "Decimal":
        return Decimal(value)
    if kind == "Date":
        return date.fromisoformat(value)
    if kind == "DateTimeOffset":
        return datetime.fromisoformat(value)
    return value


def compared(have: Any, operator: str, want: Any) -> bool:
    if operator == "eq":
        return bool(have == want)
    if operator == "ne":
        return bool(have != want)
    if operator == "gt":
        return bool(have > want)
    if operator == "ge":
        return bool(have >= want)
    if operator == "lt":
        return bool(have < want)
    return bool(have <= want)
