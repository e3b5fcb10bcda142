"""“Confirm that it is you”: before credentials are typed, members changed or tokens made, whoever is signed in enters the
password or the second factor once more, unless they did so a moment ago.

An unattended browser must not be enough to send payrolls elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from tenants.admin import has_role
from tenants.models import Role

#: A form that was opened in time may be sent a while later: somebody is typing.
TYPING_SECONDS = 1800


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this session proved who it is lately: by signing in or by confirming."""
    moments = [float(record.get("at", 0)) for record in get_authentication_records(request, request.user)]
    age = time.time() - max(moments, default=0.0)
    grace = TYPING_SECONDS if request.method == "POST" else 0
    return age < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT + grace


def confirmed(view: Callable[..., HttpResponse], *roles: Role) -> Callable[..., HttpResponse]:
    """A page that opens only after `is_confirmed`; the way leads back to it. What was typed too late is not kept, and
    the next page says so. Whoever holds none of the roles is refused by the page itself, without being asked.
    """

    @wraps(view)
    def asked_first(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_confirmed(request) or not has_role(request, roles):
            return view(request, *args, **kwargs)
        if request.method == "POST":
            messages.warning(
                request, "Too much time passed since you confirmed that it is you. Nothing was saved; enter it again."
            )
        return HttpResponseRedirect(
            f"{reverse('account_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"
        )

    return asked_first
