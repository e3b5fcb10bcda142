"""How a connection is doing, in one sentence: the one place that writes it.

Whoever talks to an outside system says here whether it worked. The return value tells whether that is news, so that
the audit trail gets one entry for a break and one for its end, and not one for every call.
"""

from __future__ import annotations

from django.utils import timezone

from tenants.models import Connection


def mark_healthy(connection_id: int) -> bool:
    """Inside the tenant's scope. True if the connection was broken before."""
    found: Connection = Connection.objects.select_for_update().only("health", "succeeded_at").get(pk=connection_id)
    healed = found.health == Connection.Health.BROKEN.value
    found.health = Connection.Health.HEALTHY
    found.health_sentence = ""
    found.succeeded_at = timezone.now()
    found.save(update_fields=["health", "health_sentence", "succeeded_at"])
    return healed


def mark_broken(connection_id: int, sentence: str) -> bool:
    """Inside the tenant's scope. `sentence` is for finance. True if it was not broken with the same sentence before."""
    found: Connection = Connection.objects.select_for_update().only("health", "health_sentence").get(pk=connection_id)
    is_news = found.health != Connection.Health.BROKEN.value or found.health_sentence != sentence
    found.health = Connection.Health.BROKEN
    found.health_sentence = sentence
    found.save(update_fields=["health", "health_sentence"])
    return is_news
