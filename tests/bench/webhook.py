"""How fast a notice is acknowledged beside a running worker, and how far that is from a bare view that does one insert."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg

from gusto.models import WebhookSubscription
from tests.bench.stage import Stage, free_port, wait_for
from tests.world import own_process

#: A rate counts as sustained while 99 of 100 answers come within this, and none fails.
SUSTAINED_P99_MS = 200.0


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    seconds = 5 if is_quick else 30
    company = stage.world.gusto.companies()[0]["uuid"]
    token = WebhookSubscription.objects.get(state=WebhookSubscription.State.VERIFIED).verification_token
    with stage.worker():
        steady = load(f"{stage.address}/gusto/webhook", str(token), company, 200, seconds)
        yield f"Webhook acknowledgement beside a running worker, 200 requests/s for {seconds} s, from the planned moment of sending"
        yield "  " + shown(steady) + " (aim: p99 under 50 ms)"
        ours = highest(lambda rate: load(f"{stage.address}/gusto/webhook", str(token), company, rate, 5))
    bare = bare_view(token=str(token), company=company)
    yield f"  highest sustained rate {ours}/s; a bare view with one insert {bare}/s; ratio {ours / bare:.2f}"


def shown(found: dict[str, Any]) -> str:
    return (
        f"p50 {found['p50']:.1f} ms, p95 {found['p95']:.1f} ms, p99 {found['p99']:.1f} ms, max {found['max']:.0f} ms, "
        f"{found['failed']} of {found['sent']} failed"
    )


def load(url: str, token: str, company: str, rate: int, seconds: int) -> dict[str, Any]:
    """Play the load from a process of its own."""
    argv = [sys.executable, "-m", "tests.bench.load", url, token, company, str(rate), str(seconds)]
    done = subprocess.run(argv, capture_output=True, check=True, env=dict(os.environ))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def highest(play: Any) -> int:
    """The highest of a row of rates that is sustained."""
    best = 0
    for rate in (100, 200, 300, 400, 500, 600, 800, 1000, 1200, 1500, 2000):
        found = play(rate)
        if found["failed"] or found["p99"] > SUSTAINED_P99_MS:
            break
        best = rate
    return best


def bare_view(token: str, company: str) -> int:
    """A granian view without anything of ours but the same insert, under the same load."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
        db.execute("SET ROLE mlc_owner")
        db.execute("CREATE TABLE IF NOT EXISTS mlc.bench_event (id bigserial PRIMARY KEY, uuid text UNIQUE, body text)")
        db.execute("GRANT ALL ON mlc.bench_event TO mlc")
        db.execute("GRANT ALL ON SEQUENCE mlc.bench_event_id_seq TO mlc")
    port = free_port()
    argv = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--blocking-threads", "4", "--backpressure", "64", "--no-ws", "--log-level", "error", "tests.bench.bare:application",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with own_process(argv, address):
        wait_for(address)
        return highest(lambda rate: load(f"{address}/", token, company, rate, 5))
