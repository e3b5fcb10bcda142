"""What must be true before anything is served: Django system checks with ids, and the refusal to start without them.

The wall between tenants is only as good as the database's role: a superuser reads past every policy without a word.
`manage.py check --database default` shows all; `manage.py run`, the web server and /health/ready use the same functions.

    mlc.E001  the role passes row-level security by        mlc.W001  the sandbox is open on a public address
    mlc.E002  the role may become owner of the tables      mlc.W002  no worker was seen
    mlc.E003  a tenant's table stands open
    mlc.E004  secrets cannot be opened with the keys
    mlc.E005  PostgreSQL is too old
    mlc.E006  migrations are not applied
    mlc.E007  the database cannot be asked
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from audit import canary
from connector_site.sign_in import SecondFactorAdapter
from gusto.models import GustoApplication, WebhookSubscription
from tenants.models import Connection, Tenant
from tenants.scope import tenant_scope
from tenants.secrets import SecretUnreadable

#: Tables with a tenant_id that stand outside the wall on purpose: they are read before the tenant is known, and hold
#: ids only (design section 5).
OPEN_TABLES = frozenset({"tenants_membership", "tenants_invitation", "gusto_companyroute", "audit_workitem"})
POSTGRESQL_MINIMUM = 150000
#: A worker that was not seen for so long is away: the supervisor needs about a minute to bring a stuck one back.
WORKER_SECONDS_MAX = 120.0

_OPEN_TABLES_SQL = """
SELECT c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
  AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
  AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(current_user, c.relowner, 'USAGE'))
           AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY c.relname"""


def role() -> list[CheckMessage]:
    """The database's role and version. Raises DatabaseError."""
    found: list[CheckMessage] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls, current_setting('server_version_num')::int, "
            "(SELECT pg_has_role(current_user, nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = 'mlc') "
            "FROM pg_roles WHERE rolname = current_user"
        )
        name, is_super, is_bypassing, version, is_owner = cursor.fetchone() or ("", True, True, 0, True)
    if is_super or is_bypassing:
        what = "a superuser" if is_super else "marked BYPASSRLS"
        found.append(
            Error(
                f"The database role {name} is {what}: it reads past the wall between tenants.",
                hint="Give DATABASE_URL a role made with: CREATE ROLE mlc LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT.",
                id="mlc.E001",
            )
        )
    elif is_owner and not settings.IS_EMBEDDED:
        found.append(
            Error(
                f"The database role {name} is, or may become, the owner of the tables: it could take the wall down.",
                hint="Give migrate a login of its own (MIGRATE_DATABASE_URL) and take the owner's role away: "
                f"REVOKE mlc_owner FROM {name}.",
                id="mlc.E002",
            )
        )
    if version < POSTGRESQL_MINIMUM:
        found.append(Error(f"PostgreSQL {version // 10000} is too old.", hint="15 or newer is needed.", id="mlc.E005"))
    return found


def open_tables() -> list[CheckMessage]:
    """Tables of tenants that this role could read without a scope. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_TABLES_SQL)
        names = [str(row[0]) for row in cursor.fetchall() if row[0] not in OPEN_TABLES]
    if not names:
        return []
    return [
        Error(
            f"Row-level security does not hold for {', '.join(names)}.",
            hint="Run manage.py migrate as the owner; a new tenant's table needs TenantTable in its migration.",
            id="mlc.E003",
        )
    ]


def unreadable_secrets(tenants_max: int | None = None) -> list[CheckMessage]:
    """Secrets that none of FIELD_ENCRYPTION_KEYS opens: the installation's own, and those of connections (of the first
    `tenants_max` tenants; None = all). Raises DatabaseError.
    """
    broken: list[str] = []
    for model in (GustoApplication, WebhookSubscription):
        try:
            list(model.objects.all())
        except SecretUnreadable:
            broken.append(str(model._meta.verbose_name))
    try:
        for factor in Authenticator.objects.filter(type=Authenticator.Type.TOTP):
            SecondFactorAdapter().decrypt(factor.data["secret"])
    except SecretUnreadable:
        broken.append("second factors")
    for tenant in Tenant.objects.order_by("created_at")[:tenants_max]:
        with tenant_scope(tenant.id):
            try:
                list(Connection.objects.all())
            except SecretUnreadable:
                broken.append(f"connections of {tenant.slug}")
    if not broken:
        return []
    return [
        Error(
            f"Stored secrets cannot be opened with FIELD_ENCRYPTION_KEYS: {', '.join(broken)}.",
            hint="Add the key they were encrypted with, after the first one.",
            id="mlc.E004",
        )
    ]


def unapplied_migrations() -> list[CheckMessage]:
    """Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not count:
        return []
    return [
        Error(
            f"The database is not at the state of this version: {count} migrations are not applied.",
            hint="Run manage.py migrate.",
            id="mlc.E006",
        )
    ]


def worker_not_seen() -> list[CheckMessage]:
    """Raises DatabaseError."""
    seconds = canary.seconds_since_seen()
    if seconds is not None and seconds <= WORKER_SECONDS_MAX:
        return []
    since = "ever" if seconds is None else f"for {round(seconds)} seconds"
    return [
        Warning(
            f"No worker was seen {since}: payrolls are stored and wait.",
            hint="Start manage.py run, which keeps web and worker running.",
            id="mlc.W002",
        )
    ]


@register
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.SANDBOX_ALLOWED and settings.IS_HTTPS:
        return [
            Warning(
                f"MLC_SANDBOX=1 on {settings.PUBLIC_URL}: connections may reach this machine over plain http.",
                hint="Take MLC_SANDBOX away once the sandbox is not needed any more.",
                id="mlc.W001",
            )
        ]
    return []


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """All checks that ask the database. Runs for `check --database default` and before `migrate`."""
    if not databases or "default" not in databases:
        return []
    try:
        found = role()
        if unapplied := unapplied_migrations():
            # Tables may be missing, so nothing more can be asked.
            return found + unapplied
        return found + open_tables() + unreadable_secrets() + worker_not_seen()
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        return [Error(f"The database cannot be asked: {reason}.", hint="Look at DATABASE_URL.", id="mlc.E007")]


def refusals() -> list[str]:
    """Why nothing may be served on this database, as sentences. Empty = it may. Called by whatever starts to serve."""
    found = check_database(None, ["default"])
    return [f"{message.msg} {message.hint} ({message.id})" for message in found if message.is_serious()]
