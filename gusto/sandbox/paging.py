"""Gusto's paging by `page` and `per` with X-Page headers (gusto.md 7), and the reading of other query parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from audit.sandbox import Answer, Request
from gusto.sandbox import errors

PER_DEFAULT = 25
PER_MAX = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection: `number` from 1, `per` rows each."""

    number: int
    per: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.per

    def headers(self, count: int) -> dict[str, str]:
        return {
            "X-Page": str(self.number),
            "X-Per-Page": str(self.per),
            "X-Total-Pages": str(-(-count // self.per)),
            "X-Total-Count": str(count),
        }


def page_of(request: Request, always: bool) -> Page | None:
    """The page asked for; None where the whole collection is answered (neither parameter given and not `always`).

    `per` above 100 is cut to 100, as X-Per-Page then says. Raises Refused (422) for anything but a positive number.
    """
    given = request.query
    if not always and "page" not in given and "per" not in given:
        return None
    return Page(_positive(request, "page", 1), min(_positive(request, "per", PER_DEFAULT), PER_MAX))


def paged(request: Request, rows: Sequence[Any], always: bool = False) -> Answer:
    """The page asked for out of all rows, as a list with its headers."""
    page = page_of(request, always)
    if page is None:
        return Answer(200, list(rows))
    return Answer(200, list(rows[page.offset : page.offset + page.per]), page.headers(len(rows)))


def _positive(request: Request, name: str, default: int) -> int:
    text = request.parameter(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise errors.invalid_parameter(name, f"Parameter '{name}' must be a positive number.")
    return int(text)


def words(request: Request, name: str) -> list[str] | None:
    """The values of a comma list, whether commas are encoded, repeated or written as `name[]=`; None where absent."""
    given = request.query.get(name, []) + request.query.get(f"{name}[]", [])
    if not given:
        return None
    return [word.strip() for value in given for word in value.split(",") if word.strip()]


def includes(request: Request, known: frozenset[str]) -> frozenset[str]:
    """The `include` tokens that are known; others are dropped silently, as Gusto does (gusto.md 4.1)."""
    return frozenset(words(request, "include") or []) & known


def flag(request: Request, name: str) -> bool | None:
    """A boolean parameter; None where absent. Raises Refused (422)."""
    text = request.parameter(name).lower()
    if not text:
        return None
    if text not in ("true", "false"):
        raise errors.invalid_parameter(name, f"Parameter '{name}' must be true or false.")
    return text == "true"


def day(request: Request, name: str) -> date | None:
    """A date parameter; None where absent. Raises Refused (422)."""
    text = request.parameter(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise errors.invalid_parameter(name, f"Parameter '{name}' is not a valid date.") from None


def months_from(start: date, months: int) -> date:
    """The same day `months` later (negative: earlier), or the last day of that month."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    for last in (start.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(start.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
