"""The least that an acknowledged webhook costs: parse, insert, answer. What our view is compared with."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

_local = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length:
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
    body = environ["wsgi.input"].read(length)
    event = json.loads(body)
    db = getattr(_local, "db", None)
    if db is None:
        db = _local.db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    db.execute(
        "INSERT INTO mlc.bench_event (uuid, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [event["uuid"], body.decode()],
    )
    start_response("202 Accepted", [("Content-Length", "0")])
    return [b""]
