"""How long somebody stays signed in: so many hours after the sign-in, so many minutes after the last thing they did.

A page that looks again by itself is nobody at work, so its requests do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

#: Keys of the session: seconds since 1970.
STARTED, SEEN = "started_at", "seen_at"
#: A session is written at most this often for its last moment of use.
WRITE_SECONDS = 60


class SessionLifeMiddleware:
    """Stands after authentication. Ends a session that is too old or was left alone, before anybody acts under it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            if _is_over(request):
                logout(request)
            else:
                _note(request)
        return self.get_response(request)


def _is_over(request: HttpRequest) -> bool:
    now = time.time()
    started, seen = request.session.get(STARTED, now), request.session.get(SEEN, now)
    return bool(now - started > settings.SESSION_COOKIE_AGE or now - seen > settings.SESSION_IDLE_SECONDS)


def _note(request: HttpRequest) -> None:
    now = time.time()
    if STARTED not in request.session:
        request.session[STARTED] = request.session[SEEN] = now
    elif now - request.session[SEEN] > WRITE_SECONDS and "HX-Request" not in request.headers:
        request.session[SEEN] = now
