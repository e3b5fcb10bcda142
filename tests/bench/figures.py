"""One measured figure with its aim, as a line of the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. `is_met`: whether the aim is; None = there is none, or this is the short version of it."""

    name: str
    value: str
    aim: str = ""
    is_met: bool | None = None

    def __str__(self) -> str:
        verdict = {None: "", True: ": met", False: ": MISSED"}[self.is_met]
        return f"  {self.name:<52} {self.value}" + (f"  [aim {self.aim}{verdict}]" if self.aim else "")


def at_most(name: str, count: float, most: float, value: str = "") -> Figure:
    """A figure whose aim is an upper limit; `value` is how it is shown, if not by itself."""
    return Figure(name, value or f"{count:,}", f"at most {most:,}", count <= most)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above. Raises IndexError for no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
