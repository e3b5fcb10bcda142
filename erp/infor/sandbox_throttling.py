"""The throttling and quota policies of the gateway: how many requests pass, which wait, which answer 429.

Names and meaning are those of the policies in Infor's API Gateway; that a refused request does not count is assumed.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from erp.infor.sandbox_settings import GatewaySettings


class Throttling:
    """Counts of one tenant, shared by all threads; a restart of the sandbox forgets them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: deque[float] = deque()

    def clear(self) -> None:
        with self._lock:
            self._passed.clear()

    def judge(self, settings: GatewaySettings) -> tuple[float, float]:
        """(seconds until one may pass again, seconds that this one waits); the first is 0 for one that passes."""
        now = time.monotonic()
        period = settings.period_milliseconds / 1000
        limits = [(settings.requests_max, period), (settings.quota_allow, float(settings.quota_seconds))]
        with self._lock:
            while self._passed and self._passed[0] < now - max(period, settings.quota_seconds):
                self._passed.popleft()
            for allowed, seconds in limits:
                recent = [moment for moment in self._passed if moment > now - seconds]
                if allowed and len(recent) >= allowed:
                    return recent[-allowed] + seconds - now, 0.0
            self._passed.append(now)
            in_period = sum(1 for moment in self._passed if moment > now - period)
        beyond = in_period - settings.delay_after_count if settings.delay_after_count else 0
        return 0.0, max(beyond, 0) * settings.delay_milliseconds / 1000


def whole_seconds(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
