"""What an error looks like: a page in the console's look, or a problem document under /api/. Never a traceback.

The reference number is the id of the request, under which the log, the audit trail and the exchanges know it.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from audit.exchange import request_id

API = "/api/"

#: Told to a program; people get the page.
DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.FORBIDDEN: "You may not do this.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something broke on our side. Nothing of this request was kept.",
}

CSRF_SENTENCE = (
    "The form came without the mark of this browser's session, so nothing was done. Open the page again and repeat what "
    "you wanted. If it happens again, allow this site to set cookies."
)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, HTTPStatus.BAD_REQUEST)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, HTTPStatus.FORBIDDEN, str(exception or ""))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Named by the setting CSRF_FAILURE_VIEW."""
    return _answer(request, HTTPStatus.FORBIDDEN, CSRF_SENTENCE)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def session_ended(request: HttpRequest, sign_in: str) -> HttpResponse:
    """The answer to a form whose session ended meanwhile; `sign_in` is the address of the way back."""
    page = render_to_string("session_ended.html", {"reference": request_id.get(), "sign_in": sign_in})
    return HttpResponse(page, status=HTTPStatus.UNAUTHORIZED)


def _answer(request: HttpRequest, status: HTTPStatus, sentence: str = "") -> HttpResponse:
    reference = request_id.get()
    if request.path.startswith(API):
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": sentence or DETAILS[status],
            "reference": reference,
        }
        return JsonResponse(document, status=status, content_type="application/problem+json")
    # Without the request: no context processor may touch session or database here.
    page = render_to_string(f"{status.value}.html", {"reference": reference, "sentence": sentence})
    return HttpResponse(page, status=status)
