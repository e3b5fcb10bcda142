"""No row of one tenant is readable or writable under another (invariant I7): by the ORM and by raw SQL."""

from __future__ import annotations

import datetime

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import UniqueConstraint

from mappings.models import MappingRule, MappingTable
from tenants.models import Connection, LegalEntity
from tenants.scope import ForeignTenant, ScopeMissing, TenantModel, tenant_scope

#: Tables with a tenant_id that stand outside the wall on purpose (design section 5).
OPEN = {"tenants_membership", "tenants_invitation", "gusto_companyroute", "audit_workitem"}


def test_every_table_with_a_tenant_is_behind_the_wall(db):
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relkind = 'r' AND c.relnamespace = 'mlc'::regnamespace AND NOT a.attisdropped
              AND NOT (c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid
                                                    AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL))"""
        )
        assert {row[0] for row in cursor.fetchall()} == OPEN


def test_every_unique_constraint_of_a_tenant_table_starts_with_the_tenant(db):
    for model in apps.get_models():
        if not issubclass(model, TenantModel):
            continue
        for constraint in model._meta.constraints:
            if isinstance(constraint, UniqueConstraint):
                assert constraint.fields[0] == "tenant", f"{model._meta.label}: {constraint.name}"
        for field in model._meta.local_fields:
            assert not field.unique or field.primary_key or field.one_to_one, f"{model._meta.label}.{field.name}"


def test_a_query_outside_a_scope_raises(db):
    with pytest.raises(ScopeMissing):
        Connection.objects.count()


def test_rows_of_another_tenant_do_not_exist(tenant, other_tenant):
    with tenant_scope(tenant.id):
        mine = Connection.objects.create(system="d365", name="Books")
    with tenant_scope(other_tenant.id):
        assert not Connection.objects.filter(pk=mine.pk).exists()
        assert Connection.objects.filter(pk=mine.pk).update(name="taken") == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenants_connection")
            assert cursor.fetchone() == (0,)
            cursor.execute("UPDATE tenants_connection SET name = 'taken'")
            assert cursor.rowcount == 0
            cursor.execute("DELETE FROM tenants_connection")
            assert cursor.rowcount == 0


def test_a_row_cannot_be_written_into_another_tenant(tenant, other_tenant):
    with (
        tenant_scope(other_tenant.id),
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO tenants_connection (tenant_id, system, name, is_on_premises, sealed_fields, health, "
            "health_sentence, checks, created_at) VALUES (%s, 'd365', 'x', false, '{}', 'untested', '', '[]', now())",
            [tenant.id],
        )


def test_a_foreign_key_to_another_tenants_row_is_refused(tenant, other_tenant):
    with tenant_scope(tenant.id):
        theirs = Connection.objects.create(system="d365", name="Books")
    with pytest.raises(IntegrityError), transaction.atomic():
        with tenant_scope(other_tenant.id):
            LegalEntity.objects.create(name="Borealis", erp_connection_id=theirs.pk)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_scopes_of_two_tenants_do_not_nest(tenant, other_tenant):
    with tenant_scope(tenant.id), pytest.raises(ForeignTenant), tenant_scope(other_tenant.id):
        pass


def test_nothing_is_visible_after_a_scope(tenant):
    with tenant_scope(tenant.id):
        Connection.objects.create(system="d365", name="Books")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenants_connection")
        assert cursor.fetchone() == (0,)


def test_the_application_owns_nothing(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
    for sql in (
        "DROP POLICY tenant ON tenants_connection",
        "ALTER TABLE tenants_connection DISABLE ROW LEVEL SECURITY",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_an_approved_mapping_version_never_changes(tenant):
    with tenant_scope(tenant.id):
        entity = LegalEntity.objects.create(name="Acme")
        table = MappingTable.objects.create(legal_entity=entity, version=1, valid_from=datetime.date(2026, 1, 1))
        row = MappingRule.objects.create(
            mapping_table=table, rule="R01", kind="earning", side="debit", main_account="6000"
        )
        table.state = "approved"
        table.save()
        for change in (
            lambda: MappingRule.objects.filter(pk=row.pk).update(main_account="6001"),
            lambda: row.delete(),
            lambda: MappingTable.objects.filter(pk=table.pk).update(valid_from=datetime.date(2025, 1, 1)),
            lambda: MappingRule.objects.create(
                mapping_table=table, rule="R02", kind="tips", side="debit", main_account="6000"
            ),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()
