"""What “Test connection” runs: each system registers one function here, because only its own floor knows how to ask.

The work around it (a worker runs it, its result is stored and told) is in `audit.checks`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import NotRequired, TypedDict

from tenants.models import Connection


class Check(TypedDict):
    """One line of a test: what was tried, whether it works, and what to do if not."""

    name: str
    is_passed: bool
    sentence: str
    seconds: NotRequired[float]
    """How long it took; one request may answer several lines."""


#: Gets the connection's id and its tenant; called outside any tenant scope, because it calls the outside world.
Tester = Callable[[int, uuid.UUID], list[Check]]

_testers: dict[str, Tester] = {}


def register(system: str, function: Tester) -> None:
    """Called by `apps.py`; the last registration of a system wins."""
    _testers[system] = function


def run(connection: Connection) -> list[Check]:
    """The lines of one test, at least one. Call outside a tenant scope. Raises what the system's function raises,
    KeyError for a system that registered none.
    """
    assert connection.tenant_id is not None, "a stored row has its tenant"
    return _testers[connection.system](connection.pk, connection.tenant_id)
