"""`make bench`: the figures of the product, measured in one run and printed as ratios and counts.

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
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, for a look")
    parser.add_argument("--only", choices=["webhook", "payroll", "dynamics", "way"], help="one part alone")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlc-bench-"))
    folder.chmod(0o755)
    # Registered before the server, so that it runs after the server has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    prepare(folder)

    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.bench import dynamics, payroll, way, webhook
    from tests.bench.stage import Stage

    load = os.getloadavg()[0]
    print(
        f"ml-connector bench: {os.cpu_count()} cores, Python {platform.python_version()}, load before the start {load:.1f}"
    )
    print("The sandboxes, the load and the product share these cores.\n")
    with Stage(folder) as stage:
        parts = {"dynamics": dynamics.run, "payroll": payroll.run, "way": way.run, "webhook": webhook.run}
        for name, part in parts.items():
            if options.only in (None, name):
                for line in part(stage, is_quick=options.quick):
                    print(line, flush=True)
                print(flush=True)
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
