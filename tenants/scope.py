"""The wall between tenants: one current tenant for code and for the database's row-level security.

`tenant_scope()` is the only way to a tenant's rows. It opens a transaction and sets the tenant for that transaction
alone, so that a pooled connection can never carry one tenant's setting into another's request. A query on a tenant
model outside a scope raises here; if it ever got past this module, the database would answer with no rows.
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, models, transaction
from django.db.migrations.operations.base import Operation

Row = TypeVar("Row", bound=models.Model)

#: Who acts: set by the web middleware and by commands; empty = by itself. Written into every audit entry.
actor: contextvars.ContextVar[str] = contextvars.ContextVar("actor", default="")


class ScopeMissing(RuntimeError):  # noqa: N818 - a programming error, named after what is wrong
    """A tenant's table was asked outside `tenant_scope()`."""


class ForeignTenant(RuntimeError):  # noqa: N818
    """A scope of one tenant was asked for inside the scope of another."""


def open_tenant() -> uuid.UUID | None:
    """The tenant of the open scope, or None."""
    held: str | None = getattr(connection, "mlc_tenant", None)
    return uuid.UUID(held) if held else None


def current_tenant() -> uuid.UUID:
    """The tenant of the open scope. Raises ScopeMissing."""
    tenant = open_tenant()
    if tenant is None:
        raise ScopeMissing("no tenant scope is open")
    return tenant


@contextmanager
def tenant_scope(tenant_id: uuid.UUID | str) -> Iterator[None]:
    """Open a transaction in which exactly this tenant's rows exist. May be nested for the same tenant.

    Raises ForeignTenant inside the scope of another tenant.
    """
    value = str(uuid.UUID(str(tenant_id)))
    held = getattr(connection, "mlc_tenant", None)
    if held is not None:
        if held != value:
            raise ForeignTenant(f"scope of {held} is open, {value} was asked for")
        with transaction.atomic():
            yield
        return
    inside = connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant', %s, true)", [value])
        connection.mlc_tenant = value  # type: ignore[attr-defined]
        try:
            yield
        finally:
            connection.mlc_tenant = None  # type: ignore[attr-defined]
        # Inside an outer transaction the released savepoint would keep the setting, and whatever follows would still
        # see this tenant: code would pass its tests and fail in production.
        if inside and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('app.tenant', '', true)")


class TenantManager(models.Manager[Row]):
    """Only rows of the open scope: a second fence beside the database's, and the index on tenant_id is used."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[Row]:
        if open_tenant() is None:
            raise ScopeMissing(f"{self.model._meta.label} is a tenant's table; open tenant_scope() first")
        return super().get_queryset().filter(tenant_id=current_tenant())

    def none(self) -> models.QuerySet[Row]:
        """No rows of the model: nothing is asked, so no scope is needed."""
        return super().get_queryset().none()


class TenantModel(models.Model):
    """A row that belongs to one tenant. The tenant comes from the open scope; nobody passes it. Outside a scope the row
    stays without a tenant, and the database refuses it.
    """

    tenant = models.ForeignKey(
        "tenants.Tenant", models.PROTECT, editable=False, related_name="+", default=open_tenant, db_index=False
    )

    objects: models.Manager[Any] = TenantManager()

    class Meta:
        abstract = True


class TenantTable(Operation):
    """Migration operation that puts a tenant's table behind the wall. One per table, after all its foreign keys.

    It enables row-level security with one policy for reading and writing, makes (tenant_id, id) unique, and adds to
    every foreign key that points to another tenant's table a composite one over (tenant_id, key): a plain foreign key
    is checked by the database without policies and would accept another tenant's row.
    """

    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        table = model._meta.db_table
        rule = "tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid"
        schema_editor.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        schema_editor.execute(f'CREATE POLICY tenant ON "{table}" USING ({rule}) WITH CHECK ({rule})')
        schema_editor.execute(
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_tenant_row" UNIQUE (tenant_id, "{model._meta.pk.column}")'
        )
        for key in model._meta.local_fields:
            target = key.related_model
            if target is None or key.name == "tenant" or not _has_tenant(target):
                continue
            schema_editor.execute(
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_{key.column}_same_tenant" '
                f'FOREIGN KEY (tenant_id, "{key.column}") '
                f'REFERENCES "{target._meta.db_table}" (tenant_id, "{target._meta.pk.column}") '
                "DEFERRABLE INITIALLY DEFERRED"
            )

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        table = model._meta.db_table
        for key in model._meta.local_fields:
            schema_editor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{table}_{key.column}_same_tenant"')
        schema_editor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{table}_tenant_row" CASCADE')
        schema_editor.execute(f'DROP POLICY IF EXISTS tenant ON "{table}"')
        schema_editor.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')

    def describe(self) -> str:
        return f"Put {self.model_name} behind the tenant wall"


def _has_tenant(model: Any) -> bool:
    return any(field.name == "tenant" for field in model._meta.local_fields)
