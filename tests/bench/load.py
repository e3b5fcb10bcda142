"""Signed notices at a constant rate, from a process of its own; prints latencies from the planned moment of sending.

A server that falls behind is charged with the waiting, because the next request is planned whether or not the last one
was answered.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import sys
import threading
import time
import uuid
from urllib.parse import urlsplit

SENDERS = 16


def main(url: str, token: str, company: str, rate: int, seconds: int) -> None:
    parts = urlsplit(url)
    planned = rate * seconds
    notices = [notice(token, company) for _ in range(planned)]
    took: list[float] = []
    failed = 0
    lock = threading.Lock()
    following = iter(range(planned))
    began = time.perf_counter() + 0.2

    def send() -> None:
        nonlocal failed
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        while True:
            with lock:
                number = next(following, None)
            if number is None:
                return
            at = began + number / rate
            if (wait := at - time.perf_counter()) > 0:
                time.sleep(wait)
            body, signature = notices[number]
            try:
                connection.request(
                    "POST", parts.path, body, {"X-Gusto-Signature": signature, "Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
                fine = answer.status == 202
            except (OSError, http.client.HTTPException):
                connection.close()
                fine = False
            with lock:
                took.append((time.perf_counter() - at) * 1000)
                failed += not fine

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took.sort()
    sys.stdout.write(
        json.dumps(
            {
                "sent": planned,
                "failed": failed,
                **{f"p{share}": took[min(len(took) - 1, len(took) * share // 100)] for share in (50, 95, 99)},
                "max": took[-1],
            }
        )
    )


def notice(token: str, company: str) -> tuple[bytes, str]:
    body = json.dumps(
        {
            "uuid": str(uuid.uuid4()),
            "event_type": "company.updated",
            "resource_type": "Company",
            "resource_uuid": company,
            "entity_type": "Company",
            "entity_uuid": company,
            "timestamp": int(time.time()),
        }
    ).encode()
    return body, hmac.new(token.encode(), body, hashlib.sha256).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
