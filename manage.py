#!/usr/bin/env python3
"""The operator's commands. `python manage.py help` lists them; `make demo` and `make test` are the short ways in."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector_site.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("The packages are not installed. Run `make demo`, or `pip install --require-hashes -r requirements.lock`.")
    from connector_site import embedded_postgres, local

    try:
        local.prepare(sys.argv[1] if len(sys.argv) > 1 else "")
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, embedded_postgres.DatabaseNotStarted) as error:
        sys.exit(f"ml-connector does not start: {error}")


if __name__ == "__main__":
    main()
