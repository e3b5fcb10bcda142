"""The least that an acknowledged webhook costs: parse, insert, answer. What our view is compared with.

The same columns as `gusto.notices.store`, one connection per thread; no signature, no Django, no work item.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

INSERT = """INSERT INTO mlc.gusto_webhookevent (event_uuid, event_type, resource_uuid, entity_type, entity_uuid, sent_at,
    received_at, source, state)
VALUES (%s, %s, %s, %s, %s, to_timestamp(%s), clock_timestamp(), 'webhook', 'stored') ON CONFLICT (event_uuid) DO NOTHING"""
FIELDS = ("uuid", "event_type", "resource_uuid", "entity_type", "entity_uuid", "timestamp")

_of_thread = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length:
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
    notice = json.loads(environ["wsgi.input"].read(length))
    connection = getattr(_of_thread, "connection", None)
    if connection is None:
        connection = _of_thread.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection.execute(INSERT, [notice[field] for field in FIELDS])
    start_response("202 Accepted", [("Content-Length", "0")])
    return [b""]
