"""Nothing is served on a database whose role could read past the wall."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.db import connection

from audit import canary, work
from connector_site import checks
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.tenants.test_wall import OPEN


def ids(found) -> set[str]:
    return {message.id for message in found}


def test_the_allow_list_is_the_one_that_the_tests_hold():
    assert checks.OPEN_TABLES == OPEN


def test_the_role_of_the_tests_passes(db):
    canary.send()
    work.drain()
    assert checks.check_database(None, ["default"]) == []
    assert checks.refusals() == []


def test_nothing_is_asked_unless_the_database_is_named(db):
    assert checks.check_database(None, None) == []


def test_a_member_of_the_owner_is_refused_in_production(db, settings):
    settings.IS_EMBEDDED = False
    assert ids(checks.role()) == {"mlc.E002"}
    assert any("mlc.E002" in sentence for sentence in checks.refusals())


def test_a_table_without_a_policy_is_named(db):
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
        cursor.execute("CREATE TABLE mlc.open_thing (id int, tenant_id uuid)")
        cursor.execute("RESET ROLE")
    (found,) = checks.open_tables()
    assert "open_thing" in found.msg
    assert found.id == "mlc.E003"


def test_a_table_whose_wall_was_taken_down_is_named(db):
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
        cursor.execute("ALTER TABLE tenants_connection DISABLE ROW LEVEL SECURITY")
        cursor.execute("RESET ROLE")
    (found,) = checks.open_tables()
    assert "tenants_connection" in found.msg


def test_unapplied_migrations_are_counted(db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'erp'")
    (found,) = checks.unapplied_migrations()
    assert found.id == "mlc.E006"
    assert ids(checks.check_database(None, ["default"])) == {"mlc.E006"}


def test_secrets_of_every_tenant_are_tried(tenant, other_tenant, settings):
    with tenant_scope(other_tenant.id):
        Connection.objects.create(system="d365", name="Books", sealed_fields='{"client_secret": "hunter2"}')
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert checks.unreadable_secrets(tenants_max=1) == []
    (found,) = checks.unreadable_secrets()
    assert found.id == "mlc.E004"
    assert "borealis" in found.msg


def test_an_open_sandbox_on_a_public_address_is_a_warning(settings):
    settings.IS_HTTPS, settings.SANDBOX_ALLOWED = True, True
    assert ids(checks.check_settings(None)) == {"mlc.W001"}
    settings.SANDBOX_ALLOWED = False
    assert checks.check_settings(None) == []


@pytest.mark.skipif(bool(os.environ.get("MLC_TEST_DATABASE_URL")), reason="a superuser's login is not at hand")
@pytest.mark.parametrize("kind", ["superuser", "bypassrls"])
def test_the_start_is_refused_for_a_role_that_sees_everything(manage, environment, kind):
    host = parse_qs(urlsplit(environment["DATABASE_URL"]).query)["host"][0]
    role = "postgres"
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as db:
        if kind == "bypassrls":
            role = "mlc_sees_all"
            db.execute(f"DROP ROLE IF EXISTS {role}")
            db.execute(f"CREATE ROLE {role} LOGIN BYPASSRLS")
            db.execute(f"GRANT mlc_owner TO {role}")
    url = environment["DATABASE_URL"].replace("mlc@", f"{role}@", 1)
    done = manage("run", DATABASE_URL=url, MLC_EMBEDDED="0", MLC_PUBLIC_URL="http://127.0.0.1:8000")
    assert done.returncode == 1
    assert "mlc.E001" in done.stderr
    assert "reads past the wall between tenants" in done.stderr
    assert "Traceback" not in done.stderr
