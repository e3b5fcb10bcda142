"""Starts a throw-away PostgreSQL for a test run, before Django reads its settings.

A pytest plugin and not a conftest, because pytest-django reads the settings first. Each run has a server of its own,
so that two runs on one machine never meet; xdist's workers inherit it. `MLC_TEST_DATABASE_URL` names another server (the
suite also runs on PostgreSQL 15).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet


def _start() -> None:
    if given := os.environ.get("MLC_TEST_DATABASE_URL"):
        os.environ["DATABASE_URL"] = given
    elif "PYTEST_XDIST_WORKER" not in os.environ:
        from connector_site import embedded_postgres  # noqa: PLC0415 - only the first process of a run starts one

        # Not below the user's temp folder if that is private: PostgreSQL runs as nobody when we are root.
        folder = Path(tempfile.mkdtemp(prefix="mlc-tests-"))
        folder.chmod(0o755)
        # Runs after the server was stopped, which registers itself later: the last in goes first.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["DATABASE_URL"] = embedded_postgres.start(folder / "pg", is_throw_away=True)
    os.environ["MLC_EMBEDDED"] = "1"
    os.environ["MLC_SANDBOX"] = "1"
    os.environ["MLC_STATIC_STORAGE"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    os.environ.setdefault("SECRET_KEY", "a key for tests that is long enough to be accepted")
    os.environ.setdefault("FIELD_ENCRYPTION_KEYS", Fernet.generate_key().decode())


_start()
