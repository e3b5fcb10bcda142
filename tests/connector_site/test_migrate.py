"""Migrations run as the owner of the tables, in every way an operator may have set up the roles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("MLC_TEST_DATABASE_URL")), reason="a superuser's login is needed to make roles"
)


@pytest.fixture
def production(environment) -> Iterator[dict[str, str]]:
    """A database as compose.yaml makes it: two roles, none a member of the other. Name -> address."""
    host = parse_qs(urlsplit(environment["DATABASE_URL"]).query)["host"][0]
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as db:
        db.execute("ALTER ROLE mlc_owner LOGIN")
        db.execute("CREATE ROLE shop LOGIN NOINHERIT")
        db.execute("CREATE DATABASE shop OWNER mlc_owner")
        yield {
            "application": f"postgresql://shop@/shop?host={host}",
            "owner": f"postgresql://mlc_owner@/shop?host={host}",
        }
        db.execute("DROP DATABASE shop WITH (FORCE)")
        db.execute("DROP ROLE shop")
        db.execute("ALTER ROLE mlc_owner NOLOGIN")


def test_two_separate_roles_as_in_production(manage, production):
    embedded = {"MLC_EMBEDDED": "0", "MLC_PUBLIC_URL": "https://payroll.example.com"}
    done = manage(
        "migrate", DATABASE_URL=production["application"], MIGRATE_DATABASE_URL=production["owner"], **embedded
    )
    assert done.returncode == 0, done.stderr
    with psycopg.connect(production["application"]) as db:
        assert db.execute("SELECT count(*) FROM mlc.tenants_connection").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("DROP POLICY tenant ON mlc.tenants_connection")
    done = manage("check", "--database", "default", DATABASE_URL=production["application"], **embedded)
    assert done.returncode == 0, done.stderr
    assert "mlc.E" not in done.stderr
    again = manage(
        "migrate", DATABASE_URL=production["application"], MIGRATE_DATABASE_URL=production["owner"], **embedded
    )
    assert "No migrations to apply" in again.stdout


def test_the_start_names_the_command_that_is_missing(manage, production):
    done = manage(
        "run", DATABASE_URL=production["application"], MLC_EMBEDDED="0", MLC_PUBLIC_URL="https://payroll.example.com"
    )
    assert done.returncode == 1
    assert "Run manage.py migrate. (mlc.E006)" in done.stderr


def test_a_login_that_may_not_become_owner_is_told_so(manage, production):
    done = manage("migrate", DATABASE_URL=production["application"])
    assert done.returncode == 1
    assert "may not prepare the schema as mlc_owner" in done.stderr
    assert "MIGRATE_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
