"""The daily walk along every tenant's chain of audit entries, and whenever somebody asks for one: piece by piece, so that
its progress can be watched and no transaction is long. What it found is kept and stands on the pages.
"""

from __future__ import annotations

import uuid
import zoneinfo
from datetime import datetime, time, timedelta

from django.utils import timezone

from audit import trail, work
from audit.models import ChainVerification
from tenants.models import Tenant
from tenants.scope import tenant_scope

KIND = "audit.verify"
#: Entries per piece; SHA-256 over as many takes some milliseconds.
PIECE = 2000
#: When the walk of the day begins, in the tenant's time zone: before anybody works.
BEGINS = time(5, 0)
#: Walks that are kept; the trail itself says of each that it was made.
KEPT = 400


def verify_chain(claim: work.Claim) -> work.Later:
    """Work item audit.verify: walk the tenant's chain, keep what was found, and again tomorrow."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        head, entries = trail.standing()
    broken_at = None
    for first in range(1, head.number + 1, PIECE):
        claim.progress(first - 1, head.number)
        with tenant_scope(claim.tenant_id):
            broken_at = trail.first_unfit(first, min(first + PIECE - 1, head.number))
        if broken_at is not None:
            break
    claim.guard()
    with tenant_scope(claim.tenant_id):
        found = trail.verify_end(head, entries) if broken_at is None else trail.unfit(head, entries, broken_at)
        ChainVerification.objects.create(
            verified_at=timezone.now(), entries=found.entries, broken_at=found.broken_at, sentence=found.sentence
        )
        kept = ChainVerification.objects.values_list("pk", flat=True)[:KEPT]
        ChainVerification.objects.exclude(pk__in=list(kept)).delete()
    return work.Later(_tomorrow(claim.tenant_id))


def last() -> ChainVerification | None:
    """What the last walk along the open scope's chain found; None before the first."""
    found: ChainVerification | None = ChainVerification.objects.first()
    return found


def schedule_all() -> None:
    """Make the walk due for every tenant that has none waiting. Safe at any time."""
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        work.ensure(KIND, tenant_id=tenant_id)


def _tomorrow(tenant_id: uuid.UUID) -> datetime:
    zone = zoneinfo.ZoneInfo(Tenant.objects.values_list("time_zone", flat=True).get(pk=tenant_id))
    day = timezone.localtime(timezone=zone).date() + timedelta(days=1)
    return datetime.combine(day, BEGINS, zone)
