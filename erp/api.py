"""Payroll runs and postings over the API: to be read by members, decided on by whom the console would let. No person's pay
is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.exchange import ExchangeError
from erp import decisions, posting_dates, unclear
from erp.building import replay_run
from erp.models import Posting, PostingLine
from erp.states import NotAllowed
from gusto.models import PayrollRun
from tenants.api_rows import TenantRows
from tenants.middleware import membership_of
from tenants.models import Role, Scope
from tenants.scope import tenant_scope


class Conflict(APIException):
    """The state or a rule forbids it; the detail is the sentence of the console."""

    status_code = status.HTTP_409_CONFLICT


#: Who says what an ERP holds, and what everybody else is told.
PEOPLE = (Role.OWNER, Role.PREPARER, Role.APPROVER)
LOOKING = "Only an owner, a preparer or an approver says what the ledger holds."

#: Ids are bigints over there; a larger number is no id and not a server's fault.
ID_MAX = 2**63 - 1


class PayrollRunFilter(filters.FilterSet):
    """An unknown state is an error: an empty list would read as "nothing there"."""

    state = filters.ChoiceFilter(choices=PayrollRun.State.choices)
    legal_entity = filters.NumberFilter(field_name="legal_entity_id", min_value=1, max_value=ID_MAX)
    payroll_uuid = filters.CharFilter()
    check_date_after = filters.DateFilter(field_name="check_date", lookup_expr="gte")
    check_date_before = filters.DateFilter(field_name="check_date", lookup_expr="lte")

    class Meta:
        model = PayrollRun
        fields: tuple[str, ...] = ()


class PostingFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Posting.State.choices)
    legal_entity = filters.NumberFilter(field_name="legal_entity_id", min_value=1, max_value=ID_MAX)
    payroll_uuid = filters.CharFilter(field_name="payroll_run__payroll_uuid")
    company_code = filters.CharFilter()
    posting_key = filters.CharFilter()
    document_number = filters.CharFilter()
    posting_date_after = filters.DateFilter(field_name="posting_date", lookup_expr="gte")
    posting_date_before = filters.DateFilter(field_name="posting_date", lookup_expr="lte")

    class Meta:
        model = Posting
        fields: tuple[str, ...] = ()


class NotReached(APIException):
    """The ERP did not answer, so nothing was changed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
class ProblemsField(serializers.JSONField):
    """What has to be repaired. The employee behind a single line is left out: with its amount that would be pay."""

    def to_representation(self, value: Any) -> Any:
        return [
            {**problem, "facts": {name: fact for name, fact in problem["facts"].items() if name != "employee"}}
            for problem in value
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A payroll run that was read",
            value={
                "id": 41, "legal_entity": "Harbor Lantern Foods Inc", "payroll_uuid": "b5f0a1de-7c3e-4d1b-9d0f-2f6a4c1e8a55",
                "state": "read", "reason": "", "sentence": "", "problems": [],
                "tie_out": [
                    {"name": "T8 debits", "equation": "payroll totals = debits of the journals", "left": "35784.54",
                     "right": "35784.54", "difference": "0.00", "verdict": "equal", "note": "", "people": 0, "is_acceptable": False},
                ],
                "payroll_type": "regular", "off_cycle_reason": "", "check_date": "2026-11-27", "period_start": "2026-11-09",
                "period_end": "2026-11-22", "employees": 12, "sequence": 1, "announced_at": "2026-11-24T06:12:03Z",
                "read_at": "2026-11-24T06:12:05Z",
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class PayrollRunSerializer(serializers.ModelSerializer):
    legal_entity = serializers.CharField(source="legal_entity.name", read_only=True)
    # Empty unless it is blocked.
    reason = serializers.CharField(read_only=True)
    problems = ProblemsField(read_only=True)
    tie_out = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = PayrollRun
        fields = (
            "id", "legal_entity", "payroll_uuid", "state", "reason", "sentence", "problems", "tie_out", "payroll_type",
            "off_cycle_reason", "check_date", "period_start", "period_end", "employees", "sequence", "announced_at", "read_at",
        )  # fmt: skip
        read_only_fields = fields


class PostingLineSerializer(serializers.ModelSerializer):
    """One of `debit` and `credit` is zero. `dimensions` are pairs of name and value."""

    dimensions = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2), read_only=True
    )

    class Meta:
        model = PostingLine
        fields = ("number", "main_account", "dimensions", "debit", "credit", "text")
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A journal in the ledger",
            value={
                "id": 77, "legal_entity": "Harbor Lantern Foods Inc", "payroll_uuid": "b5f0a1de-7c3e-4d1b-9d0f-2f6a4c1e8a55",
                "kind": "PAYROLL", "company_code": "us01", "sequence": 1, "reverses": None, "posting_key": "EDGU3QPZYKQ6SDH",
                "state": "posted", "reason": "", "sentence": "", "problems": [], "posting_date": "2026-11-27", "currency": "USD",
                "header_text": "Payroll 9 Nov to 22 Nov 2026, paid 27 Nov 2026", "debit": "35784.54", "credit": "35784.54",
                "line_count": 29, "document_number": "US01-000001", "found_by": "", "not_there_by": [],
                "approved_by": "anna", "approved_at": "2026-11-24T07:30:11Z",
                "entered_at": "2026-11-24T07:30:13Z", "posted_at": "2026-11-24T09:02:40Z",
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class PostingSerializer(serializers.ModelSerializer):
    legal_entity = serializers.CharField(source="legal_entity.name", read_only=True)
    payroll_uuid = serializers.CharField(source="payroll_run.payroll_uuid", read_only=True)
    reverses: serializers.SlugRelatedField[Posting] = serializers.SlugRelatedField(
        slug_field="posting_key", read_only=True, allow_null=True
    )
    # Empty unless it is blocked.
    reason = serializers.CharField(read_only=True)
    problems = ProblemsField(read_only=True)
    # Who says that the ERP holds nothing of it; two = it was sent again.
    not_there_by = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Posting
        fields = (
            "id", "legal_entity", "payroll_uuid", "kind", "company_code", "sequence", "reverses", "posting_key", "state",
            "reason", "sentence", "problems", "posting_date", "currency", "header_text", "debit", "credit", "line_count",
            "document_number", "found_by", "not_there_by", "approved_by", "approved_at", "entered_at", "posted_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A journal in the ledger with two of its lines",
            value={
                "id": 77, "legal_entity": "Harbor Lantern Foods Inc", "payroll_uuid": "b5f0a1de-7c3e-4d1b-9d0f-2f6a4c1e8a55",
                "kind": "PAYROLL", "company_code": "us01", "sequence": 1, "reverses": None, "posting_key": "EDGU3QPZYKQ6SDH",
                "state": "posted", "reason": "", "sentence": "", "problems": [], "posting_date": "2026-11-27", "currency": "USD",
                "header_text": "Payroll 9 Nov to 22 Nov 2026, paid 27 Nov 2026", "debit": "35784.54", "credit": "35784.54",
                "line_count": 29, "document_number": "US01-000001", "found_by": "", "not_there_by": [],
                "approved_by": "anna", "approved_at": "2026-11-24T07:30:11Z",
                "entered_at": "2026-11-24T07:30:13Z", "posted_at": "2026-11-24T09:02:40Z",
                "lines": [
                    {"number": 1, "main_account": "6000", "dimensions": [["CostCenter", "110"], ["Department", "030"]],
                     "debit": "6368.30", "credit": "0.00", "text": "Wages Production"},
                    {"number": 29, "main_account": "2110", "dimensions": [], "debit": "0.00", "credit": "27251.27",
                     "text": "Net pay direct deposit, taxes, 12 people"},
                ],
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class PostingWithLinesSerializer(PostingSerializer):
    lines = PostingLineSerializer(many=True, read_only=True)

    class Meta(PostingSerializer.Meta):
        fields = (*PostingSerializer.Meta.fields, "lines")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class ReasonSerializer(serializers.Serializer):
    """Why something is done; it goes into the audit trail."""

    reason = serializers.CharField(max_length=300)


class FoundSerializer(serializers.Serializer):
    """The number under which the ledger shows the journal."""

    document_number = serializers.CharField(max_length=unclear.DOCUMENT_NUMBER_MAX)


class PostingDateSerializer(serializers.Serializer):
    """A day in an open fiscal period of the company code."""

    posting_date = serializers.DateField()


class PayrollRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantRows):
    """The payroll runs of the member's tenant, newest check date first."""

    scope_to_read = Scope.READ_PAYROLL_RUNS
    scope_to_write = Scope.WRITE_POSTINGS
    serializer_class = PayrollRunSerializer
    filterset_class = PayrollRunFilter
    model = PayrollRun

    def rows(self) -> QuerySet[PayrollRun]:
        found: QuerySet[PayrollRun] = PayrollRun.objects.select_related("legal_entity")
        return found.order_by(F("check_date").desc(nulls_first=True), "-id")

    @extend_schema(request=None, responses={202: PayrollRunSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: int) -> Response:
        """Read the payroll run again and allocate it. What was sent stays as it is."""
        _needs(request, "Only an owner or a preparer replays a payroll run.", Role.OWNER, Role.PREPARER)
        run = self.get_object()
        if run.state == PayrollRun.State.WITHDRAWN:
            raise Conflict("This payroll run was withdrawn. There is nothing to replay.")
        replay_run(run, request.user.get_username())
        return Response(self.get_serializer(run).data, status=status.HTTP_202_ACCEPTED)


class PostingViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantRows):
    """The postings of the member's tenant, newest first; one with its journal lines."""

    scope_to_read = Scope.READ_POSTINGS
    scope_to_write = Scope.WRITE_POSTINGS
    filterset_class = PostingFilter
    model = Posting

    def rows(self) -> QuerySet[Posting]:
        found: QuerySet[Posting] = Posting.objects.select_related("legal_entity", "payroll_run", "reverses")
        return found.order_by("-posting_date", "-id")

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        return PostingSerializer if self.action == "list" else PostingWithLinesSerializer

    @extend_schema(request=None, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: int) -> Response:
        """Release the journal. Only an approver may, and never whoever prepared it."""
        _needs(request, "Only an approver may release a journal.", Role.APPROVER)
        return self._decided(request, decisions.approve)

    @extend_schema(request=None, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: int) -> Response:
        """Withdraw the approval of a journal that was not sent yet."""
        _needs(request, "Only an approver withdraws an approval.", Role.APPROVER)
        return self._decided(request, decisions.withdraw_approval)

    @extend_schema(request=None, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: int) -> Response:
        """Allocate again what was never sent; ask the ledger for what was."""
        _needs(request, "Only an owner or a preparer replays a journal.", Role.OWNER, Role.PREPARER)
        return self._decided(request, decisions.replay)

    @extend_schema(request=FoundSerializer, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"])
    def found(self, request: Request, pk: int) -> Response:
        """Say that the ledger shows a journal of which nobody knew. It counts as posted; nothing is sent."""
        _needs(request, LOOKING, *PEOPLE)
        given = FoundSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        number = given.validated_data["document_number"]
        return self._decided(request, lambda posting, by: unclear.found_there(posting, by, number))

    @extend_schema(request=None, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"], url_path="not-there")
    def not_there(self, request: Request, pk: int) -> Response:
        """Say that the ERP holds nothing of it. The second person who says so sends it again, after the ERP was asked; one of
        the two is an approver.
        """
        _needs(request, LOOKING, *PEOPLE)
        return self._decided(request, unclear.not_there)

    @extend_schema(request=None, responses={200: PostingWithLinesSerializer})
    @not_there.mapping.delete
    def take_back(self, request: Request, pk: int) -> Response:
        """Take back that the ERP holds nothing of it, before a second person said so."""
        _needs(request, LOOKING, *PEOPLE)
        return self._decided(request, unclear.take_back)

    @extend_schema(request=PostingDateSerializer, responses=PostingWithLinesSerializer)
    @action(detail=True, methods=["post"], url_path="posting-date")
    def posting_date(self, request: Request, pk: int) -> Response:
        """Date a journal that never left on another day. Whoever does it has prepared the journal."""
        _needs(request, "Only an owner or a preparer changes a posting date.", Role.OWNER, Role.PREPARER)
        given = PostingDateSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        day = given.validated_data["posting_date"]
        return self._decided(request, lambda posting, by: posting_dates.change_posting_date(posting, by, day))

    def _decided(self, request: Request, decide: Callable[[Posting, str], None]) -> Response:
        posting = self.get_object()
        try:
            decide(posting, request.user.get_username())
        except NotAllowed as refused:
            raise Conflict(refused.sentence) from None
        posting.refresh_from_db()
        return Response(self.get_serializer(posting).data)


class VoidPosting(APIView):
    """Give a posting up for good. Outside any scope, because the ERP is asked first whether it holds anything of it."""

    scope_to_write = Scope.WRITE_POSTINGS
    serializer_class = ReasonSerializer

    @extend_schema(request=ReasonSerializer, responses=PostingSerializer, operation_id="postings_void_create")
    def post(self, request: Request, pk: int) -> Response:
        """Possible only while the ERP holds nothing of it."""
        _needs(request, "Only an owner or a preparer gives a journal up.", Role.OWNER, Role.PREPARER)
        given = ReasonSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        membership = membership_of(request._request)
        assert membership is not None, "whoever has a role is a member"
        tenant_id = membership.tenant_id
        try:
            decisions.void(tenant_id, pk, request.user.get_username(), given.validated_data["reason"])
        except Posting.DoesNotExist:
            raise NotFound from None
        except NotAllowed as refused:
            raise Conflict(refused.sentence) from None
        except ExchangeError as error:
            raise NotReached(error.sentence) from None
        with tenant_scope(tenant_id):
            posting = Posting.objects.select_related("legal_entity", "payroll_run", "reverses").get(pk=pk)
            return Response(PostingSerializer(posting).data)


def _needs(request: Request, sentence: str, *roles: Role) -> None:
    """Raises PermissionDenied with the sentence for a member without any of the roles."""
    membership = membership_of(request._request)
    if membership is None or not membership.has_role(*roles):
        raise PermissionDenied(sentence)
