"""One notice from Gusto: read strictly, stored once, and put to work in the same transaction.

The webhook and the events feed bring the same notices under the same uuids; whichever comes first is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

from django.db import connection, transaction

from audit import work
from gusto.models import WebhookEvent

KIND_READ_EVENT = "gusto.read_event"

_UUID = re.compile(r"[A-Za-z0-9-]{8,64}")
_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_NAME = re.compile(r"[A-Za-z0-9_:]{0,60}")


class NoticeMalformed(ValueError):  # noqa: N818 - reads as what is wrong
    """Not a notice of the form that Gusto documents."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as received: ids only (gusto.md 3.2)."""

    event_uuid: str
    event_type: str
    resource_uuid: str
    entity_type: str
    entity_uuid: str
    sent_at: datetime


def notice_of(document: Any) -> Notice:
    """Raises NoticeMalformed. Unknown fields are left out: new ones come without a new version."""
    if not isinstance(document, dict):
        raise NoticeMalformed("not an object")
    timestamp = document.get("timestamp")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise NoticeMalformed("timestamp")
    try:
        sent_at = datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        raise NoticeMalformed("timestamp") from None
    event_type = _text(document, "event_type", _TYPE)
    if len(event_type) > 100:
        raise NoticeMalformed("event_type")
    return Notice(
        event_uuid=_text(document, "uuid", _UUID),
        event_type=event_type,
        resource_uuid=_text(document, "resource_uuid", _UUID),
        entity_type=_text(document, "entity_type", _NAME),
        entity_uuid=_text(document, "entity_uuid", _UUID),
        sent_at=sent_at,
    )


def _text(document: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = document.get(name)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise NoticeMalformed(name)
    return value


#: One statement, and so one transaction and one round trip: Gusto waits for it. `{rows}` stands for the notices.
_STORE = f"""WITH event AS (
    INSERT INTO gusto_webhookevent (event_uuid, event_type, resource_uuid, entity_type, entity_uuid, sent_at, received_at,
        source, state)
    SELECT event_uuid, event_type, resource_uuid, entity_type, entity_uuid, sent_at, clock_timestamp(), %s,
        CASE WHEN EXISTS (SELECT 1 FROM gusto_companyroute WHERE company_uuid = resource_uuid)
             THEN 'stored' ELSE 'unknown_company' END
    FROM (VALUES {{rows}}) AS notice (event_uuid, event_type, resource_uuid, entity_type, entity_uuid, sent_at)
    ON CONFLICT (event_uuid) DO NOTHING RETURNING id, state
), due AS ({work.enqueue_sql(f"SELECT NULL::uuid, '{KIND_READ_EVENT}', id::text, NULL::timestamptz FROM event")})
SELECT state FROM event ORDER BY id"""  # noqa: S608 - made of constants; values are parameters
_ROW = "(%s, %s, %s, %s, %s, %s::timestamptz)"
_values_of = attrgetter("event_uuid", "event_type", "resource_uuid", "entity_type", "entity_uuid", "sent_at")


def store(notices: Iterable[Notice], source: Literal["webhook", "feed"]) -> list[WebhookEvent.State]:
    """Store what is not stored yet and make it due, all or nothing. Returns the state of each NEW event: stored, or
    unknown_company where nobody here has connected the company (shown to the operator, picked up when it is).
    """
    rows = [_values_of(notice) for notice in notices]
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_STORE.format(rows=", ".join([_ROW] * len(rows))), [source, *chain.from_iterable(rows)])
        states = [WebhookEvent.State(state) for (state,) in cursor.fetchall()]
    if states:
        transaction.on_commit(work.ring)
    return states


def pick_up(company_uuid: str = "") -> int:
    """Make due what had come for a company (empty = any) before it was connected. Returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE gusto_webhookevent AS event SET state = 'stored' FROM gusto_companyroute AS route
            WHERE event.state = 'unknown_company' AND route.company_uuid = event.resource_uuid
              AND (%s = '' OR event.resource_uuid = %s) RETURNING event.id""",
            [company_uuid, company_uuid],
        )
        found = [str(row[0]) for row in cursor.fetchall()]
        for event_id in found:
            work.enqueue(KIND_READ_EVENT, event_id, tenant_id=None)
    return len(found)
