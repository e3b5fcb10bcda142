"""Mapping tables and reference data over the API: versions with their rules and crosswalks to be read, drafts to be filled
from the same CSV texts that the console imports.

A version that was approved never changes, by this way either; what an import would do can be asked for first.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mappings.file_import import FileError, import_csv, judge
from mappings.models import Crosswalk, DimensionValue, FiscalPeriod, MainAccount, MappingRule, MappingTable
from tenants.api_rows import TenantRows
from tenants.middleware import membership_of
from tenants.models import LegalEntity, Role, Scope

#: Ids are bigints over there; a larger number is no id and not a server's fault.
ID_MAX = 2**63 - 1
#: Characters of a CSV text; a version of 5,000 rules has about 600,000.
TEXT_MAX = 5_000_000


class MappingTableSerializer(serializers.ModelSerializer):
    """A version of a legal entity's mapping with its journal policy."""

    legal_entity_name = serializers.CharField(source="legal_entity.name", read_only=True)
    changed_by = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = MappingTable
        exclude = ("tenant",)


class MappingRuleSerializer(serializers.ModelSerializer):
    """A row of a version. An empty criterion fits everything; `percent` is the share of this target."""

    class Meta:
        model = MappingRule
        exclude = ("tenant",)


class CrosswalkSerializer(serializers.ModelSerializer):
    """What a Gusto department, location, job or employee is called in the ledger."""

    class Meta:
        model = Crosswalk
        exclude = ("tenant",)


class MainAccountSerializer(serializers.ModelSerializer):
    """A main account as the ERP has it. Dates are inclusive; none = open. No `allowed_dimensions` = any may be filled."""

    allowed_dimensions = serializers.ListField(child=serializers.CharField(), allow_null=True, read_only=True)
    required_dimensions = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = MainAccount
        exclude = ("tenant",)


class DimensionValueSerializer(serializers.ModelSerializer):
    """A dimension value as the ERP has it; an empty company code = valid in all."""

    class Meta:
        model = DimensionValue
        exclude = ("tenant",)


class FiscalPeriodSerializer(serializers.ModelSerializer):
    """A fiscal period of a company code."""

    class Meta:
        model = FiscalPeriod
        exclude = ("tenant",)


class MappingTableFilter(filters.FilterSet):
    legal_entity = filters.NumberFilter(field_name="legal_entity_id", min_value=1, max_value=ID_MAX)
    state = filters.ChoiceFilter(choices=MappingTable.State.choices)

    class Meta:
        model = MappingTable
        fields: tuple[str, ...] = ()


class MappingRuleFilter(filters.FilterSet):
    mapping_table = filters.NumberFilter(field_name="mapping_table_id", min_value=1, max_value=ID_MAX)
    kind = filters.CharFilter()
    component = filters.CharFilter()
    main_account = filters.CharFilter()

    class Meta:
        model = MappingRule
        fields: tuple[str, ...] = ()


class CrosswalkFilter(filters.FilterSet):
    mapping_table = filters.NumberFilter(field_name="mapping_table_id", min_value=1, max_value=ID_MAX)
    source_kind = filters.CharFilter()
    target = filters.CharFilter()

    class Meta:
        model = Crosswalk
        fields: tuple[str, ...] = ()


class ReferenceFilter(filters.FilterSet):
    """What all reference data have in common: whose they are."""

    connection = filters.NumberFilter(field_name="connection_id", min_value=1, max_value=ID_MAX)
    company_code = filters.CharFilter()


class MainAccountFilter(ReferenceFilter):
    number = filters.CharFilter()
    is_active = filters.BooleanFilter()

    class Meta:
        model = MainAccount
        fields: tuple[str, ...] = ()


class DimensionValueFilter(ReferenceFilter):
    dimension = filters.CharFilter()
    value = filters.CharFilter()

    class Meta:
        model = DimensionValue
        fields: tuple[str, ...] = ()


class FiscalPeriodFilter(ReferenceFilter):
    is_open = filters.BooleanFilter()

    class Meta:
        model = FiscalPeriod
        fields: tuple[str, ...] = ()


class _Readable(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantRows):
    """A list and one of it, in a fixed order."""

    order: ClassVar[tuple[str, ...]]

    def rows(self) -> QuerySet[Any]:
        found: QuerySet[Any] = self.model._default_manager.order_by(*self.order)
        return found.select_related("legal_entity") if self.model is MappingTable else found


class MappingTableViewSet(_Readable):
    """Versions of mapping tables, newest first."""

    scope_to_read = Scope.READ_MAPPINGS
    serializer_class = MappingTableSerializer
    filterset_class = MappingTableFilter
    order = ("-valid_from", "-version", "id")
    model = MappingTable


class MappingRuleViewSet(_Readable):
    """Rows of mapping tables."""

    scope_to_read = Scope.READ_MAPPINGS
    serializer_class = MappingRuleSerializer
    filterset_class = MappingRuleFilter
    order = ("mapping_table_id", "rule", "side", "target", "id")
    model = MappingRule


class CrosswalkViewSet(_Readable):
    """Rows of crosswalks."""

    scope_to_read = Scope.READ_MAPPINGS
    serializer_class = CrosswalkSerializer
    filterset_class = CrosswalkFilter
    order = ("mapping_table_id", "source_kind", "source_value", "id")
    model = Crosswalk


class MainAccountViewSet(_Readable):
    """Main accounts as last read from the ERP."""

    scope_to_read = Scope.READ_REFERENCE
    serializer_class = MainAccountSerializer
    filterset_class = MainAccountFilter
    order = ("connection_id", "company_code", "number", "id")
    model = MainAccount


class DimensionValueViewSet(_Readable):
    """Dimension values as last read from the ERP."""

    scope_to_read = Scope.READ_REFERENCE
    serializer_class = DimensionValueSerializer
    filterset_class = DimensionValueFilter
    order = ("connection_id", "dimension", "company_code", "value", "id")
    model = DimensionValue


class FiscalPeriodViewSet(_Readable):
    """Fiscal periods as last read from the ERP."""

    scope_to_read = Scope.READ_REFERENCE
    serializer_class = FiscalPeriodSerializer
    filterset_class = FiscalPeriodFilter
    order = ("connection_id", "company_code", "start_date", "id")
    model = FiscalPeriod


class MappingImportSerializer(serializers.Serializer):
    """CSV texts as the console imports them. `crosswalks_csv`: none = the versions keep theirs, empty = they have none."""

    legal_entity = serializers.IntegerField(min_value=1, max_value=ID_MAX)
    mapping_csv = serializers.CharField(max_length=TEXT_MAX, trim_whitespace=False)
    crosswalks_csv = serializers.CharField(
        max_length=TEXT_MAX, trim_whitespace=False, required=False, allow_null=True, allow_blank=True, default=None
    )
    is_trial = serializers.BooleanField(default=False, help_text="Judge only, write nothing.")


class ImportedVersionSerializer(serializers.Serializer):
    """A version of the file. `is_changed`: whether the file changes it; no id = it would be new."""

    id = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    valid_from = serializers.DateField()
    state = serializers.CharField()
    is_changed = serializers.BooleanField()


class MappingImportViewSet(viewsets.ViewSet):
    """Import mapping.csv and crosswalks.csv into drafts: all versions of the file, or none and every mistake."""

    scope_to_write = Scope.WRITE_MAPPINGS

    @extend_schema(
        request=MappingImportSerializer,
        responses={201: ImportedVersionSerializer(many=True), 200: ImportedVersionSerializer(many=True)},
    )
    def create(self, request: Request) -> Response:
        membership = membership_of(request._request)
        if membership is None or not membership.has_role(Role.OWNER, Role.PREPARER):
            raise PermissionDenied("Only an owner or a preparer prepares mapping tables.")
        given = MappingImportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        entity = LegalEntity.objects.filter(pk=given.validated_data["legal_entity"]).first()
        if entity is None:
            raise ValidationError({"legal_entity": ["There is no such legal entity."]})
        mapping, crosswalks = given.validated_data["mapping_csv"], given.validated_data["crosswalks_csv"]
        if given.validated_data["is_trial"]:
            judged = judge(entity, mapping, crosswalks)
            _refuse(judged.errors)
            return Response(
                [
                    {
                        "id": plan.target.pk, "version": plan.target.version or None, "valid_from": plan.valid_from,
                        "state": plan.target.state, "is_changed": plan.is_change(),
                    }
                    for plan in judged.plans
                ]
            )  # fmt: skip
        outcome = import_csv(entity, mapping, crosswalks, request.user.get_username(), "API")
        _refuse(outcome.errors)
        changed = {table.pk for table in outcome.changed}
        return Response(
            [
                {
                    "id": table.pk, "version": table.version, "valid_from": table.valid_from, "state": table.state,
                    "is_changed": table.pk in changed,
                }
                for table in outcome.tables
            ],
            status=status.HTTP_201_CREATED,
        )  # fmt: skip


def _refuse(errors: tuple[FileError, ...]) -> None:
    """Raises ValidationError with every mistake, by file."""
    if errors:
        by_field: dict[str, list[str]] = {}
        for error in errors:
            by_field.setdefault(error.file.replace(".", "_"), []).append(str(error))
        raise ValidationError(by_field)
