"""`make bench`: run every part and print its figures as they are found. `--help` says what can be chosen.

Nothing here asserts a time: a machine that is busy gives other figures. `--quick` takes a short look.
"""

from __future__ import annotations

import argparse
import atexit
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

PARTS = ("round_trips", "allocation", "coverage", "pages", "payroll", "way", "webhook")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer people, lines and seconds, for a look")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be given more than once")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlc-bench-"))
    # PostgreSQL runs as nobody when we are root.
    folder.chmod(0o755)
    # Registered before the server, so that it runs after the server has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    prepare(folder)

    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.bench import allocation, coverage, pages, payroll, round_trips, way, webhook
    from tests.bench.stage import Stage

    parts = dict(zip(PARTS, (round_trips, allocation, coverage, pages, payroll, way, webhook), strict=True))
    print(f"ml-connector bench{', the short version' if options.quick else ''}: {os.cpu_count()} cores, "
          f"Python {platform.python_version()}; load, sandboxes and product share these cores")  # fmt: skip
    with Stage(folder) as stage:
        for name in options.only or PARTS:
            began, load = time.monotonic(), os.getloadavg()[0]
            print(flush=True)
            for line in parts[name].run(stage, is_quick=options.quick):
                print(line, flush=True)
            print(f"  ({name}: {time.monotonic() - began:.0f} s, load average before it {load:.1f})", flush=True)
    return 0


def prepare(folder: Path) -> None:
    """A database of its own, as durable as a real one, and the settings of a sandbox installation."""
    from cryptography.fernet import Fernet

    from connector_site import embedded_postgres

    (folder / "staticfiles").mkdir()
    os.environ["DATABASE_URL"] = embedded_postgres.start(folder / "pg")
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "connector_site.settings",
            "MLC_EMBEDDED": "1",
            "MLC_SANDBOX": "1",
            "MLC_DATA_FOLDER": str(folder),
            "MLC_STATIC_STORAGE": "django.contrib.staticfiles.storage.StaticFilesStorage",
            "MLC_LOG_LEVEL": "ERROR",
            "SECRET_KEY": "a key for the bench that is long enough to be accepted",
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
