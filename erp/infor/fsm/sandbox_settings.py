"""What can be set on the FSM sandbox, while it runs too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from erp.infor.sandbox_settings import CheckedSettings


@dataclass(frozen=True, slots=True)
class FsmSettings(CheckedSettings):
    """Where the vendor's behaviour is not confirmed, both ways can be set; the default is what was seen or assumed."""

    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "duplicates": ("accepted", "refused"),
        "exception_style": ("object", "text"),
        "interfaced_rows": ("posted", "removed", "unchanged"),
        "operation_answer": ("records", "empty", "object"),
        "denied_style": ("error", "empty"),
    }

    duplicates: str = "accepted"
    """Whether rows of a run group may have one sequence number twice."""
    exception_style: str = "object"
    """How a refused row of a batch says why."""
    interface_seconds: float = 0.0
    """How long a run takes after it was submitted."""
    waits_for_control: bool = False
    """Runs stay submitted until POST /_sandbox/FSM/finish-runs."""
    interfaced_rows: str = "posted"
    """What becomes of staged rows that were interfaced: Status 2, gone, or as they were."""
    validation_writes_result: bool = True
    operation_answer: str = "records"
    """What a form operation answers; its body is assumed."""
    post_after_seconds: float = 0.0
    """When journals are posted by themselves; 0 = never."""
    shows_unposted: bool = False
    """Whether GLTransactionDetail holds lines before they are posted."""
    allows_back_periods: bool = False
    counts_by_default: bool = False
    """Whether lists say their count unless asked not to; else -1 unless asked for."""
    paging_links: bool = True
    limit_max: int = 0
    """Rows that a page holds at most, whatever was asked for; 0 = as many as were asked for."""
    units_are_active_only: bool = False
    """AccountingUnit without the field Active, as a release may have it."""
    batch_max: int = 0
    """Rows that a batch may hold; 0 = no limit, none is published."""
    denied_classes: str = ""
    """Classes, separated by blanks, that the service account's security class does not show."""
    denied_style: str = "error"
    """How that looks: an error, or a list without rows."""
    denied_actions: str = ""
    """Actions, separated by blanks, that the service account may not use."""
