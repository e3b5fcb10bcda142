"""The API's frame: its addresses, its description (OpenAPI 3.1) and its one error format (problem details, RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import set_rollback

from audit.api import AuditEntryViewSet
from erp.api import PayrollRunViewSet, PostingViewSet, VoidPosting
from mappings.api import (
    CrosswalkViewSet,
    DimensionValueViewSet,
    FiscalPeriodViewSet,
    MainAccountViewSet,
    MappingImportViewSet,
    MappingRuleViewSet,
    MappingTableViewSet,
)
from tenants.middleware import unscoped

#: Answers of any address besides its own, with what they mean.
PROBLEMS = {
    "400": "Some values cannot be used; `errors` says which and why.",
    "401": "No token, or one that is not known.",
    "403": "The member may not do this, or the token lacks the scope.",
    "404": "There is no such thing in this tenant.",
    "409": "The state or a rule forbids it; the detail is the sentence of the console.",
    "415": "The body must be JSON.",
    "429": "Too many requests; Retry-After says when to go on.",
    "503": "The ERP did not answer; nothing was changed.",
}
#: Problems that only some methods have.
OF_WRITING = {"409", "415", "503"}

router = SimpleRouter(use_regex_path=False)
router.register("payroll-runs", PayrollRunViewSet, basename="payroll-run")
router.register("postings", PostingViewSet, basename="posting")
router.register("mapping-tables", MappingTableViewSet, basename="mapping-table")
router.register("mapping-rules", MappingRuleViewSet, basename="mapping-rule")
router.register("crosswalks", CrosswalkViewSet, basename="crosswalk")
router.register("mapping-imports", MappingImportViewSet, basename="mapping-import")
router.register("main-accounts", MainAccountViewSet, basename="main-account")
router.register("dimension-values", DimensionValueViewSet, basename="dimension-value")
router.register("fiscal-periods", FiscalPeriodViewSet, basename="fiscal-period")
router.register("audit-entries", AuditEntryViewSet, basename="audit-entry")

urlpatterns = [
    # The description names no tenant and needs no token; it is the same for everybody.
    path(
        "schema/",
        unscoped(
            SpectacularAPIView.as_view(
                permission_classes=[AllowAny],
                authentication_classes=[],
                throttle_classes=[],
                renderer_classes=[OpenApiJsonRenderer],
            )
        ),
        name="api_schema",
    ),
    path("postings/<int:pk>/void/", unscoped(VoidPosting.as_view()), name="posting-void"),
    *router.urls,
]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the description names a member's token."""

    target_class = "tenants.api.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A token of a member, made in Settings, API tokens."}


def with_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Every operation may answer with a problem. Named by SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"]."""
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "A sentence for a person."},
            "errors": {"type": "object", "description": "Sentences by field.", "additionalProperties": True},
        },
        "examples": [
            {
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "detail": "You prepared this journal. Someone else approves it.",
            }
        ],
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in result["paths"].values():
        for method, operation in methods.items():
            for status, words in PROBLEMS.items():
                if method != "get" or status not in OF_WRITING:
                    operation["responses"].setdefault(status, {"description": words, "content": problem})
    return result


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
