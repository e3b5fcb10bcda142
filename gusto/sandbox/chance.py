"""Chance from a seed, and the invented names it draws from."""

from __future__ import annotations

import json
import random
import uuid
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@cache
def data(name: str) -> Any:
    """A file of sandbox/data: invented names, places, departments, plans, tax rates."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


class Source:
    """Chance of its own for one subject of one company, so that one subject's choices never move another's."""

    def __init__(self, *subject: Any) -> None:
        self.random = random.Random(":".join(str(part) for part in subject))  # noqa: S311 - sample data, not secrets

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def pick(self, choices: list[Any]) -> Any:
        return choices[self.random.randrange(len(choices))]

    def happens(self, percent: int) -> bool:
        return self.random.randrange(100) < percent
