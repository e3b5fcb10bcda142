"""The audit trail over the API: what was done, by whom, in words and as facts; to be read, never written."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import mixins, serializers

from audit import trail
from audit.models import AuditEntry
from tenants.api_rows import TenantRows
from tenants.models import Scope


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A journal was approved",
            value={
                "number": 1204, "at": "2026-11-24T07:30:11Z", "action": "posting.approved", "actor": "anna",
                "sentence": "anna approved journal EDGU3QPZYKQ6SDH, 35,784.54.", "subject": "posting",
                "subject_id": "EDGU3QPZYKQ6SDH", "request_id": "26f61ab1", "facts": {"debit": "35784.54"},
                "seal": "5f1d0c6c3f7b6f0e6c1f0f4d9a3b1e22c4a5b6d7e8f90123456789abcdef0123",
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class AuditEntrySerializer(serializers.ModelSerializer):
    """One entry. `sentence` says it in words; `seal` chains it to the one before (SHA-256, hexadecimal)."""

    sentence = serializers.SerializerMethodField()
    seal = serializers.SerializerMethodField()
    facts = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEntry
        fields = ("number", "at", "action", "actor", "sentence", "subject", "subject_id", "request_id", "facts", "seal")
        read_only_fields = fields

    def get_sentence(self, entry: AuditEntry) -> str:
        return trail.sentence(entry)

    def get_seal(self, entry: AuditEntry) -> str:
        return bytes(entry.seal).hex()


class AuditEntryFilter(filters.FilterSet):
    """Entries of a person, an action, a thing or a time; `number_after` goes on where somebody stopped reading."""

    actor = filters.CharFilter()
    action = filters.CharFilter()
    subject = filters.CharFilter()
    subject_id = filters.CharFilter()
    at_after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    at_before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")
    number_after = filters.NumberFilter(field_name="number", lookup_expr="gt", min_value=0, max_value=2**63 - 1)

    class Meta:
        model = AuditEntry
        fields: tuple[str, ...] = ()


class AuditEntryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantRows):
    """The audit trail of the member's tenant, newest first; an entry is found by its number."""

    scope_to_read = Scope.READ_AUDIT
    serializer_class = AuditEntrySerializer
    filterset_class = AuditEntryFilter
    lookup_field = "number"
    model = AuditEntry

    def rows(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.order_by("-number")
