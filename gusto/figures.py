"""Amounts, days and names as Gusto writes them, read without loss. Pure.

Gusto mixes JSON strings and numbers for money inside one document (gusto.md 1.2), so both are read alike, from the raw
text: documents are parsed with every fraction as Decimal, and a float never exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import simplejson

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

#: Gusto's banking day ends at 16:00 Pacific (gusto.md 4.5), so a moment belongs to the day that it is there.
PACIFIC = ZoneInfo("America/Los_Angeles")

_DECIMAL = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)
_MONEY = re.compile(r"-?\d+\.\d\d\Z", re.ASCII)
#: The official payroll list carries this literal where a date is null (gusto.md 4.2).
_NIL = "nil"


class Unreadable(ValueError):  # noqa: N818 - reads as what it is
    """A document of Gusto does not have the shape that its contract promises. The text is for finance staff."""


class TooPrecise(Unreadable):
    """An amount has more than two decimals. It is a problem and is never rounded silently (accounting.md 2)."""


def document_of(text: str | bytes) -> Any:
    """JSON with every fraction as Decimal. Raises Unreadable."""
    try:
        return simplejson.loads(text, use_decimal=True)
    except ValueError:
        raise Unreadable("Gusto's answer is not JSON.") from None


def number_of(value: object) -> Decimal:
    """A number given as text or as a JSON number; null is 0. Raises Unreadable for anything else."""
    if isinstance(value, str):
        if _DECIMAL.match(value):
            return Decimal(value)
    elif isinstance(value, Decimal):
        if value.is_finite():
            return value
    elif value is None:
        return ZERO
    elif isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    raise Unreadable("An amount is not a number.")


def amount_of(value: object) -> Decimal:
    """Money with exactly two decimals; null is 0.00. Raises TooPrecise where a fraction of a cent would be lost."""
    if isinstance(value, str) and _MONEY.match(value):
        # What Gusto writes nearly always, a few hundred thousand times in a large payroll.
        return Decimal(value) or ZERO
    number = number_of(value)
    try:
        amount = number.quantize(CENT)
    except InvalidOperation:
        raise Unreadable("An amount is too large.") from None
    if amount != number:
        raise TooPrecise("An amount has more than two decimals.")
    return amount if amount else ZERO


def name_of(value: object) -> str:
    """A name without surplus spaces: names are keys at Gusto, and the same one comes with and without them."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable("A name is not text.")
    return " ".join(value.split())


def folded(name: str) -> str:
    """What two spellings of one name have in common: no case, no surplus spaces, one kind of apostrophe."""
    return " ".join(name.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split()).casefold()


def day_of(value: object) -> date | None:
    """A day given as a date, or as a moment: then the day it is in California. None where Gusto gives none."""
    if value is None or value in ("", _NIL):
        return None
    if not isinstance(value, str):
        raise Unreadable("A date is not text.")
    try:
        if len(value) == len("2026-06-15"):
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Unreadable("A date cannot be read.") from None
    return moment.date() if moment.tzinfo is None else moment.astimezone(PACIFIC).date()


def flag_of(value: object) -> bool:
    """A boolean; absent is false. Raises Unreadable for anything else: `"false"` must not pass for true."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Unreadable("A yes or no is neither.")
    return value


def rows_of(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The list of objects under a name; absent or null is empty. Raises Unreadable."""
    rows = holder.get(name)
    if rows is None:
        return []
    if isinstance(rows, list):
        for row in rows:
            if not isinstance(row, dict):
                break
        else:
            return rows
    raise Unreadable(f"“{name}” is not a list of objects.")
