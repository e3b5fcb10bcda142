"""Tables as text for a terminal: columns as wide as their widest cell, amounts to the right."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any


def lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """One line for the header, one of rules, one per row. A column that holds an amount is set to the right."""
    texts = [[cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[index]) for row in texts)) for index, name in enumerate(header)] if rows else []
    if not rows:
        return ["  ".join(header)]
    right = [any(isinstance(row[index], Decimal | int) for row in rows) for index in range(len(header))]

    def line(row: Sequence[str]) -> str:
        parts = (
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    return [line(header), "  ".join("-" * width for width in widths), *(line(row) for row in texts)]


def cell(value: Any) -> str:
    """Amounts with thousands and two decimals; nothing is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return str(value)
