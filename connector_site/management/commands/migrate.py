"""Django's migrate, run as the owner of the tables.

The application's role owns nothing, so it can neither drop a policy nor disable a trigger. Production gives the owner a
login of its own (MIGRATE_DATABASE_URL); on the embedded server the application's role becomes owner for this command.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import DatabaseError, OperationalError, connections

OWNER = "mlc_owner"
APPLICATION = "mlc"


class Command(Migrate):
    help = (
        "Bring the database to the state of this version. Safe to run again; run it before each start of a new "
        "version. Runs as the owner of the tables: with MIGRATE_DATABASE_URL if that is set, else as a login that may "
        "SET ROLE mlc_owner."
    )

    def get_check_kwargs(self, options: Any) -> Any:
        """Without the checks of the database: before its first migration none of them can pass."""
        return {**super().get_check_kwargs(options), "databases": None}

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        application = connection.settings_dict.get("USER") or APPLICATION
        with _login_of_the_owner(connection):
            try:
                _become_owner(connection, application)
            except OperationalError:
                raise
            except DatabaseError as error:
                raise CommandError(
                    f"The login {connection.settings_dict.get('USER') or 'in DATABASE_URL'} may not prepare the schema as "
                    f"{OWNER}: {str(error).strip().splitlines()[0]}. Make both roles first (CREATE ROLE {OWNER} LOGIN ...; "
                    f"CREATE ROLE {application} LOGIN NOINHERIT ...), let {OWNER} own the database, and set "
                    "MIGRATE_DATABASE_URL to its login."
                ) from None
            try:
                super().handle(*args, **options)
            finally:
                with connection.cursor() as cursor:
                    cursor.execute("RESET row_security")
                    cursor.execute("RESET ROLE")


@contextmanager
def _login_of_the_owner(connection: Any) -> Iterator[None]:
    """MIGRATE_DATABASE_URL for the time of the command; whatever runs in this process afterwards is not the owner."""
    if not settings.MIGRATE_DATABASE_URL:
        yield
        return
    own = environ.Env.db_url_config(settings.MIGRATE_DATABASE_URL)
    names = ("USER", "PASSWORD", "HOST", "PORT")
    before = {name: connection.settings_dict.get(name, "") for name in names}
    connection.close()
    connection.settings_dict.update({name: own.get(name, "") for name in names})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def _become_owner(connection: Any, application: str) -> None:
    """Raises DatabaseError where this login may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()"
        )
        owns_database = bool((cursor.fetchone() or [False])[0])
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'mlc'")
        schema_exists = cursor.fetchone() is not None
        if not schema_exists and owns_database:
            # A test database belongs to the application's role; a real one to the owner.
            cursor.execute(f"CREATE SCHEMA mlc AUTHORIZATION {OWNER}")
        cursor.execute(f"SET ROLE {OWNER}")
        if not schema_exists and not owns_database:
            cursor.execute("CREATE SCHEMA mlc")
        quoted = connection.ops.quote_name(application)
        cursor.execute(f"GRANT USAGE ON SCHEMA mlc TO {quoted}")
        cursor.execute(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA mlc GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {quoted}"
        )
        cursor.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA mlc GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {quoted}")
        # Turns "silently no rows" under a policy into an error while data are migrated.
        cursor.execute("SET row_security = off")
