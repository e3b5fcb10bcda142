"""Requests at a constant rate, each measured from the moment at which it was planned to leave.

Measuring from the planned moment counts the wait of requests that could not even be sent because earlier ones were slow,
which a client that waits for its answers leaves out. A process of its own, one thread and raw sockets, so that the load
costs less of the machine than what it measures.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.bench.figures import quantile

#: Connections kept open; Gusto's senders are many, a proxy in front keeps fewer.
CONNECTIONS = 32
#: An overloaded server is not waited for longer than this after the last planned request.
GRACE_SECONDS = 10.0


@dataclass(slots=True)
class Outcome:
    """What became of the requests. Seconds of those answered with the wanted status; everything else is an error."""

    rate: float
    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def milliseconds(self, share: float) -> float:
        """The latency that this share of the answers does not exceed; 0 for no answers."""
        return quantile(self.seconds, share) * 1000 if self.seconds else 0.0


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    planned_at: float = 0.0
    received: bytes = b""


def request(address: str, body: bytes, signature: str) -> bytes:
    """One signed notice as it goes over the wire."""
    parts = urlsplit(address)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"X-Gusto-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(address: str, requests: Sequence[bytes], rate: float, wanted_status: int = 202) -> Outcome:
    """Send all requests, `rate` in a second."""
    parts = urlsplit(address)
    target = (parts.hostname or "", parts.port or 80)
    outcome = Outcome(rate)
    idle: deque[_Connection] = deque(_Connection(_connected(target)) for _ in range(CONNECTIONS))
    busy: dict[socket.socket, _Connection] = {}
    waiting: deque[int] = deque()
    begins = time.perf_counter() + 0.05
    ends = begins + len(requests) / rate + GRACE_SECONDS
    planned = 0
    while (planned < len(requests) or waiting or busy) and time.perf_counter() < ends:
        now = time.perf_counter()
        while planned < len(requests) and begins + planned / rate <= now:
            waiting.append(planned)
            planned += 1
        while waiting and idle:
            number = waiting.popleft()
            connection = idle.popleft()
            connection.planned_at = begins + number / rate
            connection.received = b""
            try:
                connection.socket.sendall(requests[number])
            except OSError:
                outcome.errors += 1
                idle.append(_Connection(_connected(target)))
                continue
            busy[connection.socket] = connection
        # select(2) and not epoll: its timeout is in microseconds, so that requests leave when they are due.
        next_at = begins + planned / rate if planned < len(requests) and not (waiting and idle) else now + 0.1
        ready, _, _ = select.select(list(busy), [], [], max(0.0, min(next_at - time.perf_counter(), 0.1)))
        for each in ready:
            connection = busy[each]
            status = _answer(connection)
            if status is None:
                continue
            del busy[each]
            if status == wanted_status:
                outcome.seconds.append(time.perf_counter() - connection.planned_at)
            else:
                outcome.errors += 1
            if status == 0:
                each.close()
                connection = _Connection(_connected(target))
            idle.append(connection)
    outcome.errors += len(busy) + len(waiting) + len(requests) - planned
    for connection in [*idle, *busy.values()]:
        connection.socket.close()
    return outcome


def _connected(target: tuple[str, int]) -> socket.socket:
    found = socket.create_connection(target, timeout=5)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _answer(connection: _Connection) -> int | None:
    """The status once the whole answer is there, None before, 0 where the connection was closed."""
    with suppress(ConnectionError):
        part = connection.socket.recv(65536)
        connection.received += part
        if not part:
            return 0
        head, blank, body = connection.received.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        return int(head[9:12]) if len(body) >= length else None
    return 0


def notice(token: str, company: str) -> tuple[bytes, str]:
    """A notice as Gusto sends it, of nothing that anybody has to read, and its signature."""
    body = json.dumps(
        {
            "uuid": str(uuid.uuid4()), "event_type": "company.updated", "resource_type": "Company",
            "resource_uuid": company, "entity_type": "Company", "entity_uuid": company, "timestamp": int(time.time()),
        }
    ).encode()  # fmt: skip
    return body, hmac.new(token.encode(), body, hashlib.sha256).hexdigest()


def main(address: str, token: str, company: str, rate: int, seconds: int) -> None:
    """Play a load of signed notices and print latencies in milliseconds as JSON."""
    outcome = send(address, [request(address, *notice(token, company)) for _ in range(rate * seconds)], rate)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = {name: outcome.milliseconds(share) for name, share in shares.items()}
    sys.stdout.write(json.dumps({"sent": rate * seconds, "failed": outcome.errors, **found}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
