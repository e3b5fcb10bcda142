"""Commands as they are run for real: in a process of their own, on the database of the test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Look until it is true; a test that fails says what it waited for."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"waited {seconds} seconds for {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints, empty at its end."""
    assert process.stdout is not None
    return process.stdout.readline()


def processes(session: int) -> dict[int, str]:
    """Process id -> command line of every living process of a session. A child of the supervisor leads its own."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.fixture
def environment(transactional_db) -> dict[str, str]:
    """The environment of a process that works on this test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    mine = url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return {**os.environ, "DATABASE_URL": mine}


@pytest.fixture
def manage(environment) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `manage.py ...` to its end. `without` names variables to leave out, keywords set some."""

    def run(*argv: str, without: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in {**environment, **variables}.items() if name not in without}
        return subprocess.run(
            [sys.executable, "manage.py", *argv], cwd=ROOT, env=env, text=True, capture_output=True, timeout=60
        )

    return run
