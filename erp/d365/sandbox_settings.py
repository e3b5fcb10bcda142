"""What can be set on the Dynamics 365 sandbox, while it runs too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

LANGUAGES = ("en-US", "de")


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, checked. Raises ValueError from `changed` for an unknown name or a value of another type."""

    page_size: int = 10_000
    """Rows an answer holds before @odata.nextLink."""
    batch_limit: int = 5_000
    """Operations a $batch may hold; stricter environments were seen to refuse over 200."""
    token_seconds: int = 3_599
    default_company: str = "us01"
    """Of the F&O user behind the client id: reads without cross-company=true see this company only."""
    language: str = "en-US"
    """Of the same user: Infolog texts."""
    secret_expired: bool = False
    denied_entities: str = ""
    """Collections, separated by blanks, that the user's roles do not reach: 403."""
    infolog_status: int = 400
    """Status of an Infolog refusal: 400 in evidence of 2026, 500 in evidence of 2020."""
    overlong: str = "refuse"
    """What happens to Description over 60, Text over 60, Document over 20 characters: refuse or cut. Nobody has
    published which; refuse is the stricter reading."""
    update_conflicts: bool = True
    """Two writers at the same time on one journal: the later one gets the update conflict."""
    post_every_seconds: float = 0.0
    """The Post journals batch of the environment; 0 = it never runs by itself."""

    def changed(self, values: Mapping[str, Any]) -> Settings:
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"there is no setting {name}; there are {', '.join(known)}")
            kind = known[name]
            if kind is float and isinstance(value, int | Decimal) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                raise ValueError(f"setting {name} must be {kind.__name__}")
            checked[name] = value
        settings = replace(self, **checked)
        if settings.language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}")
        if settings.overlong not in {"refuse", "cut"}:
            raise ValueError("overlong must be refuse or cut")
        if settings.page_size < 1 or settings.batch_limit < 1:
            raise ValueError("page_size and batch_limit must be at least 1")
        return settings

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
