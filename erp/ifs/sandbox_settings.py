"""What can be set on the IFS Cloud sandbox, while it runs too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

CHOICES: dict[str, tuple[Any, ...]] = {
    "language": ("en", "de"),
    "enum_style": ("literal", "text"),
    "ledger_source": ("none", "quick_report", "projection"),
    "database_error_status": (400, 500),
    "missing_precondition_status": (400, 428),
    "ungranted_status": (403, 404),
    "iam_refusal_status": (400, 401),
    "batch_status": (200, 202),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, checked. Raises ValueError from `changed` for an unknown name or a value of another type."""

    page_size: int = 100
    """Rows an answer holds before @odata.nextLink; the size of a real server is not published."""
    top_is_page: bool = True
    """$top is a size of page and the link goes on behind it, as in the sample; else $top is the end of the list."""
    relative_next_link: bool = False
    count_is_served: bool = False
    """$count=true works in places and is refused in others."""
    enum_style: str = "literal"
    """How a filter names a member of an enumeration: `IfsApp.P.Enum'Member'`, or a plain text."""
    token_seconds: int = 180
    client_enabled: bool = True
    """Of the IAM client; false: its secret was renewed or it was switched off."""
    iam_refusal_status: int = 400
    """Status of a wrong client or secret; both are seen."""
    language: str = "en"
    """Of the service user: texts of database errors."""
    text_marks: bool = False
    """Texts of database errors hold 0x1E and 0x1F, as seen with warnings."""
    database_error_status: int = 400
    missing_precondition_status: int = 428
    ungranted_status: int = 404
    """Of a projection that the permission sets do not grant: 404 was seen, 403 is documented."""
    denied_projections: str = ""
    """Projections, separated by blanks, that the service user's permission sets do not grant."""
    denied_actions: str = ""
    """Actions, separated by blanks, that they do not grant."""
    batch_limit: int = 5_000
    """Parts a $batch may hold; no limit is documented, 200 were seen in use."""
    batch_status: int = 200
    parent_from_path: bool = False
    """A row without ParentObjkey takes it from its address, which is unproven; else it is a missing property."""
    sets_cookie: bool = False
    """Answers set a session cookie; a write that brings one back without X-XSRF-TOKEN is refused."""
    temporary_seconds: float = 0.0
    """How long temporary records live; 0 = until they are removed."""
    gl_update_every_seconds: float = 0.0
    """The scheduled update of the general ledger; 0 = it never runs by itself."""
    ledger_source: str = "none"
    """What the customer made to search the general ledger: nothing, a quick report, a query projection."""

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
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"setting {name} must be one of {', '.join(str(each) for each in CHOICES[name])}")
            checked[name] = value
        settings = replace(self, **checked)
        if settings.page_size < 1 or settings.batch_limit < 1 or settings.token_seconds < 0:
            raise ValueError("page_size and batch_limit must be at least 1, token_seconds at least 0")
        return settings

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
