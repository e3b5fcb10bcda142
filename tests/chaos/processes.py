"""Real processes of the product that a storm kills: workers and a web server.

Workers are forked from a process that has everything imported, so that a new one is there within milliseconds and the
storm is spent on work.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO

import requests

from connector_site import supervisor
from tests.world import own_environment

FORKING = """
import os, signal, sys, time, django
django.setup()
from audit import work
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        while True:
            if not work.drain(5):
                time.sleep(0.02)
    print(pid, flush=True)
"""


class Workers:
    """Workers on the test's database; each is a process that drains what is due until it is killed."""

    def __init__(self, public_url: str, output: IO[bytes], settling_seconds: int) -> None:
        self.pids: list[int] = []
        self._is_ready = False
        self._parent = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            env=own_environment(public_url, MLC_SETTLING_SECONDS=str(settling_seconds)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, start_new_session=True, text=True, bufsize=1,
        )  # fmt: skip

    def start(self) -> int:
        """Fork one more; returns its process id."""
        assert self._parent.stdin is not None
        if not self._is_ready:
            self._is_ready = self._line() == "ready"
        self._parent.stdin.write("start\n")
        self._parent.stdin.flush()
        self.pids.append(int(self._line()))
        return self.pids[-1]

    def _line(self) -> str:
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline().strip()
        assert line, "the workers' parent has ended; see what it said"
        return line

    def kill(self, pid: int) -> None:
        """SIGKILL, and wait until the process is gone."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            while True:
                os.kill(pid, 0)
                time.sleep(0.002)
        self.pids.remove(pid)

    def pause(self, pid: int) -> None:
        """SIGSTOP: alive, holding its locks, and doing nothing."""
        os.kill(pid, signal.SIGSTOP)

    def go_on(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def kill_all(self) -> None:
        for pid in list(self.pids):
            self.kill(pid)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.wait()
        for pipe in (self._parent.stdin, self._parent.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class Web:
    """The web server as it is started in production, at an address that stays the same through its deaths."""

    def __init__(self, output: IO[bytes]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self._port}"
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            supervisor.web("127.0.0.1", self._port).argv,
            env=own_environment(self.address), stdout=self._output, stderr=self._output, start_new_session=True,
        )  # fmt: skip

    def wait(self, seconds: float = 30) -> None:
        """Until it answers."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(requests.RequestException):
                requests.get(f"{self.address}/health/live", timeout=2)
                return
            assert time.monotonic() < deadline, "the web server did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL for the server and its worker processes, as a machine that goes down."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
