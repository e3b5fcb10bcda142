"""Fixtures that every floor uses. People in tests always have the same names and roles: Alice owns, Bob prepares,
Charlie belongs to another tenant and must find nothing of Alice's, Dana approves, Erin audits.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Tenant, User

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """Transactional tests empty the tables by TRUNCATE, which the application's role may not do: as owner, grant it and
    put the guards against it aside, in the test database only.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
        cursor.execute("GRANT TRUNCATE ON ALL TABLES IN SCHEMA mlc TO mlc")
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgtype & 32 <> 0 AND NOT tgisinternal"
        )
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        cursor.execute("RESET ROLE")


@pytest.fixture(autouse=True)
def _passwords_are_quick(settings) -> None:
    """A password is slow to check on purpose, a third of a second; people of tests sign in hundreds of times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


@pytest.fixture
def tenant(db) -> Tenant:
    return Tenant.objects.create(name="Acme Bakery", slug="acme")


@pytest.fixture
def other_tenant(db) -> Tenant:
    return Tenant.objects.create(name="Borealis Tools", slug="borealis")


def member(tenant: Tenant, name: str, *roles: str, may_see_pay: bool = False) -> User:
    """A person who signs in as `name` with the password "a long password", with these roles in this tenant."""
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com", "is_staff": True})
    user.set_password("a long password")
    user.save()
    Membership.objects.create(tenant=tenant, user=user, roles=list(roles), may_see_pay=may_see_pay)
    return user


def sign_in(client: Client, user: User) -> None:
    """Through the page, as people do: pages that ask whether it is really you take it for the proof."""
    answer = client.post(reverse("account_login"), {"login": user.get_username(), "password": "a long password"})
    assert answer.status_code == 302, answer.content.decode()


@pytest.fixture
def alice(tenant) -> User:
    return member(tenant, "alice", "owner")


@pytest.fixture
def bob(tenant) -> User:
    return member(tenant, "bob", "preparer", may_see_pay=True)


@pytest.fixture
def dana(tenant) -> User:
    return member(tenant, "dana", "approver", may_see_pay=True)


@pytest.fixture
def erin(tenant) -> User:
    return member(tenant, "erin", "auditor")


@pytest.fixture
def charlie(other_tenant) -> User:
    return member(other_tenant, "charlie", "owner", "preparer", "approver", may_see_pay=True)


@pytest.fixture
def shared() -> Path:
    """The folder of the vendors' facts; tests that compare with it are skipped, in words, where it is not."""
    if not SHARED.exists():
        pytest.skip("../shared is not here, so nothing can be compared with the vendors' files")
    return SHARED
