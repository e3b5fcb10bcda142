#!/usr/bin/env python3
"""The operator's commands. `python manage.py help` lists them; `make demo` and `make test` are the short ways in."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector_site.settings")
    argv = sys.argv[1:]
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ImportError:
        sys.exit(
            "The packages are not installed. Run `make demo`, or `pip install --require-hashes -r requirements.lock`."
        )
    from connector_site import embedded_postgres, local, sandbox_urls

    if argv[:1] == ["sandbox"]:
        # It stands in for the outside and needs nothing of the product: no settings, no database.
        sys.exit(sandbox_urls.main(argv[1:]))
    try:
        local.prepare(argv)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, embedded_postgres.DatabaseNotStarted) as error:
        sys.exit(f"ml-connector does not start: {error}")
    except OperationalError as error:
        sys.exit(f"The database cannot be asked: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
