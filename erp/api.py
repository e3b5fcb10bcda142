"""Payroll runs and postings over the API: to be read by members, approved by approvers. No person's pay is in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from erp import decisions
from erp.models import Posting, PostingLine
from erp.states import NotAllowed
from gusto.models import PayrollRun
from tenants.middleware import membership_of
from tenants.models import Role


class Conflict(APIException):
    """The state or a rule forbids it; the detail is the sentence of the console."""

    status_code = status.HTTP_409_CONFLICT


def _in_state(rows: QuerySet[Any], request: Request, known: Collection[str]) -> QuerySet[Any]:
    """`?state=` narrows a list. A state that does not exist is an error: an empty list would read as "nothing there"."""
    wanted = request.query_params.get("state")
    if wanted is None:
        return rows
    if wanted not in known:
        raise ValidationError({"state": [f"“{wanted}” is not a state. Known: {', '.join(sorted(known))}."]})
    return rows.filter(state=wanted)


class ProblemsField(serializers.JSONField):
    """What has to be repaired. The employee behind a single line is left out: with its amount that would be pay."""

    def to_representation(self, value: Any) -> Any:
        return [
            {**problem, "facts": {name: fact for name, fact in problem["facts"].items() if name != "employee"}}
            for problem in value
        ]


class PayrollRunSerializer(serializers.ModelSerializer):
    legal_entity = serializers.CharField(source="legal_entity.name", read_only=True)
    problems = ProblemsField(read_only=True)

    class Meta:
        model = PayrollRun
        fields = (
            "id", "legal_entity", "payroll_uuid", "state", "reason", "sentence", "problems", "tie_out", "payroll_type",
            "off_cycle_reason", "check_date", "period_start", "period_end", "employees", "sequence", "announced_at", "read_at",
        )  # fmt: skip
        read_only_fields = fields


class PostingLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = PostingLine
        fields = ("number", "main_account", "dimensions", "debit", "credit", "text")
        read_only_fields = fields


class PostingSerializer(serializers.ModelSerializer):
    legal_entity = serializers.CharField(source="legal_entity.name", read_only=True)
    payroll_uuid = serializers.CharField(source="payroll_run.payroll_uuid", read_only=True)
    reverses: serializers.SlugRelatedField[Posting] = serializers.SlugRelatedField(
        slug_field="posting_key", read_only=True
    )
    problems = ProblemsField(read_only=True)

    class Meta:
        model = Posting
        fields = (
            "id", "legal_entity", "payroll_uuid", "kind", "company_code", "sequence", "reverses", "posting_key", "state",
            "reason", "sentence", "problems", "posting_date", "currency", "header_text", "debit", "credit", "line_count",
            "document_number", "approved_by", "approved_at", "entered_at", "posted_at",
        )  # fmt: skip
        read_only_fields = fields


class PostingWithLinesSerializer(PostingSerializer):
    lines = PostingLineSerializer(many=True, read_only=True)

    class Meta(PostingSerializer.Meta):
        fields = (*PostingSerializer.Meta.fields, "lines")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class PayrollRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """The payroll runs of the member's tenant, newest check date first."""

    serializer_class = PayrollRunSerializer

    def get_queryset(self) -> QuerySet[PayrollRun]:
        found: QuerySet[PayrollRun] = PayrollRun.objects.select_related("legal_entity")
        return _in_state(found, self.request, PayrollRun.State.values)


class PostingViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """The postings of the member's tenant, newest first; one with its journal lines."""

    def get_queryset(self) -> QuerySet[Posting]:
        found: QuerySet[Posting] = Posting.objects.select_related("legal_entity", "payroll_run", "reverses")
        return _in_state(found, self.request, Posting.State.values)

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        return PostingSerializer if self.action == "list" else PostingWithLinesSerializer

    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str | None = None) -> Response:
        """Release the journal. Only an approver may, and never whoever prepared it."""
        membership = membership_of(request._request)
        if membership is None or not membership.has_role(Role.APPROVER):
            raise PermissionDenied("Only an approver may release a journal.")
        posting = self.get_object()
        try:
            decisions.approve(posting, request.user.get_username())
        except NotAllowed as refused:
            raise Conflict(refused.sentence) from None
        posting.refresh_from_db()
        return Response(self.get_serializer(posting).data)
