"""The API's frame: its addresses and its one error format (problem details, RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import set_rollback

from erp.api import PayrollRunViewSet, PostingViewSet

router = SimpleRouter()
router.register("payroll-runs", PayrollRunViewSet, basename="payroll-run")
router.register("postings", PostingViewSet, basename="posting")


def problem_json(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error of the API in one shape: type, title, status, detail, and `errors` by field where there are any."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
    }
    if isinstance(error.detail, dict):
        document["detail"] = "Some values cannot be used."
        document["errors"] = error.detail
    else:
        document["detail"] = error.detail if isinstance(error.detail, str) else " ".join(map(str, error.detail))
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    set_rollback()
    return Response(document, status=error.status_code, headers=headers, content_type="application/problem+json")
