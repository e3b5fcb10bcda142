"""The part of LPL that filters lists in the FSM sandbox: comparisons with texts, `and`, `or`, `not`, parentheses.

The words of its errors are those that public client code looks for in live answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(r'\s*(?:(?P<text>"[^"]*")|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><>|!=|<=|>=|[=<>()]))')
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}

Test = Callable[[Mapping[str, str]], bool]


class LplError(ValueError):
    """The text is what FSM answers."""


@dataclass(frozen=True, slots=True)
class Condition:
    test: Test
    equal: Mapping[str, str] = field(default_factory=dict)
    """Fields that must have a value for the condition to hold at all; what an index can use."""


def parse(text: str, fields: Collection[str]) -> Condition:
    """Raises LplError."""
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise LplError(f"ConditionNode tree failed: unexpected character at {position}")
        tokens.append(found.group().strip())
        position = found.end()
    reader = _Reader(tokens, fields)
    condition = reader.either()
    if reader.tokens:
        raise LplError(f"ConditionNode tree failed: Expected a logical operator but found {reader.tokens[0]}")
    return condition


class _Reader:
    def __init__(self, tokens: list[str], fields: Collection[str]) -> None:
        self.tokens = tokens
        self.fields = fields

    def next(self) -> str:
        if not self.tokens:
            raise LplError("ConditionNode tree failed: unexpected end of condition")
        return self.tokens.pop(0)

    def takes(self, word: str) -> bool:
        if self.tokens and self.tokens[0].lower() == word:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Condition:
        parts = [self.all_of()]
        while self.takes("or"):
            parts.append(self.all_of())
        if len(parts) == 1:
            return parts[0]
        return Condition(lambda row: any(part.test(row) for part in parts))

    def all_of(self) -> Condition:
        parts = [self.one()]
        while self.takes("and"):
            parts.append(self.one())
        equal = {name: value for part in parts for name, value in part.equal.items()}
        return Condition(lambda row: all(part.test(row) for part in parts), equal)

    def one(self) -> Condition:
        if self.takes("not"):
            inner = self.one()
            return Condition(lambda row: not inner.test(row))
        if self.takes("("):
            inner = self.either()
            if not self.takes(")"):
                raise LplError("ConditionNode tree failed: missing )")
            return inner
        name, sign, value = self.next(), self.next(), self.next()
        if name not in self.fields:
            raise LplError(f"ConditionNode tree failed: {name} is not a field")
        if sign not in _COMPARE or not value.startswith('"'):
            raise LplError(f"ConditionNode tree failed: Expected a logical operator but found {sign}")
        wanted, compare = value[1:-1], _COMPARE[sign]
        return Condition(lambda row: compare(row.get(name, ""), wanted), {name: wanted} if sign == "=" else {})
