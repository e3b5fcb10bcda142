"""Django's migrate, run as the owner of the tables.

The application's role owns nothing, so it can neither drop a policy nor disable a trigger. Production gives the owner a
login of its own (MIGRATE_DATABASE_URL); on the embedded server the application's role becomes owner for this command.
"""

from typing import Any

import environ
from django.conf import settings
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections

OWNER = "mlc_owner"
APPLICATION = "mlc"


class Command(Migrate):
    help = (
        "Bring the database to the state of this version. Safe to run again; run it before each start of a new version."
    )

    def get_check_kwargs(self, options: Any) -> Any:
        """Without the checks of the database: before its first migration none of them can pass."""
        return {**super().get_check_kwargs(options), "databases": None}

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        application = connection.settings_dict.get("USER") or APPLICATION
        if settings.MIGRATE_DATABASE_URL:
            own = environ.Env.db_url_config(settings.MIGRATE_DATABASE_URL)
            connection.close()
            for name in ("USER", "PASSWORD", "HOST", "PORT"):
                connection.settings_dict[name] = own.get(name, "")
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
            cursor.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA mlc GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {quoted}"
            )
            # Turns "silently no rows" under a policy into an error while data are migrated.
            cursor.execute("SET row_security = off")
        try:
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET row_security")
                cursor.execute("RESET ROLE")
