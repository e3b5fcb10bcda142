"""What the frame of every page counts: what waits for me, gaps in the mapping, broken connections, a broken audit chain.

It stands on every page, so it is counted once in FRAME_SECONDS per member; Home counts anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.core.cache import cache

from audit import verification
from connector_site.waiting import count_for
from gusto.models import PayrollRun
from tenants.models import Connection, Membership, Role

FRAME_SECONDS = 30
#: Blocked runs that are looked through for gaps: they mostly repeat each other's.
RUNS_LOOKED_THROUGH = 50


@dataclass(frozen=True, slots=True)
class Frame:
    """`broken_chain` is what is wrong with the audit trail, for those who are told of it, else empty."""

    waits: int
    gaps: int
    broken_connections: int
    broken_chain: str


def frame_of(membership: Membership, username: str, *, anew: bool = False) -> Frame:
    """The frame for a member, inside their tenant's scope."""
    # By the member and not by role alone: nobody approves what they prepared, so two approvers may see two counts.
    key = f"frame:{membership.tenant_id}:{membership.pk}:{'-'.join(sorted(membership.roles))}"
    held = None if anew else cache.get(key)
    if held is not None:
        return Frame(**held)
    found = Frame(
        waits=count_for(membership, username),
        gaps=_gaps(),
        broken_connections=Connection.objects.filter(health=Connection.Health.BROKEN).count(),
        broken_chain=_broken_chain() if membership.has_role(Role.OWNER, Role.AUDITOR) else "",
    )
    cache.set(key, asdict(found), FRAME_SECONDS)
    return found


def _gaps() -> int:
    """Components that no rule catches, in the payroll runs that wait for a mapping."""
    blocked = PayrollRun.objects.filter(state=PayrollRun.State.BLOCKED, reason="mapping")
    return len(
        {
            (entity, problem["facts"].get("kind"), problem["facts"].get("component"))
            for entity, problems in blocked.values_list("legal_entity_id", "problems")[:RUNS_LOOKED_THROUGH]
            for problem in problems
            if problem["kind"] == "gap"
        }
    )


def _broken_chain() -> str:
    last = verification.last()
    return "" if last is None or last.is_intact else last.sentence
