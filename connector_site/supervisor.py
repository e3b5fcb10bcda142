"""One process that starts the others and keeps them running: web, worker, and the sandbox in a demo.

Each child leads a process group of its own, so that nothing of it is left when it ends, and ends with this process
even if that is killed (Linux). Beside the children runs the pulse: it sweeps the work items every second, lets Gusto's
feed and sweeps be scheduled, and sends the canary by which a worker that is alive but stuck is found and restarted.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from audit import canary, verification, work
from erp import tasks
from gusto import events

logger = structlog.get_logger("connector_site.supervisor")

#: How often the main loop looks at its children.
LOOK_SECONDS = 0.2
#: A child that died is started again after the first, doubled for each further death, up to the second; a child that
#: lived for RESTART_FORGOTTEN_SECONDS starts from the first again.
RESTART_SECONDS = 0.5
RESTART_SECONDS_MAX = 30.0
RESTART_FORGOTTEN_SECONDS = 60.0
#: Seconds between two canaries, and how long one may take before the worker counts as stuck.
CANARY_SECONDS = 10.0
CANARY_SECONDS_MAX = 30.0
#: While every worker holds an item the canary has to wait: stuck is then what outlives the longest lease.
BUSY_SECONDS_MAX = work.LEASE_SECONDS + 60.0
#: Between two calls of every `schedule_all`, which are safe to repeat: a new legal entity is swept soon.
SCHEDULE_SECONDS = 120.0

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running. `grace_seconds`: how long it may take to end after SIGTERM before it is killed."""

    name: str
    argv: tuple[str, ...]
    grace_seconds: float = 15.0
    environment: dict[str, str] = field(default_factory=dict)
    output: Path | None = None
    """Where its output goes; None = to ours."""


def web(host: str, port: int, output: Path | None = None) -> Child:
    """The web server. Backpressure bounds what waits for a thread; a died worker process is replaced by granian."""
    argv = (
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port),
        "--workers", str(settings.WEB_PROCESSES), "--blocking-threads", str(settings.WEB_THREADS),
        "--backpressure", "64", "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "10",
        "--log-level", "warning", "connector_site.wsgi:application",
    )  # fmt: skip
    return Child("web", argv, output=output)


def worker(output: Path | None = None) -> Child:
    """The queue's cluster. Under SIGTERM it finishes what it has in hand; what takes longer is redone after its lease."""
    return Child(
        "worker", (sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"), grace_seconds=20.0, output=output
    )


class Supervisor:
    """Keeps children running until `request_stop()` or a signal. Children start in the given order and stop in reverse.

    `run()` belongs to the main thread: it owns the signals, and the kernel ties a child to the thread that started it.
    """

    def __init__(self, children: Sequence[Child], pulse: Pulse | None = None) -> None:
        self._running = [_Running(child) for child in children]
        self._pulse = pulse
        self._stops = 0

    def run(self, started: Callable[[], None] | None = None) -> None:
        """Start everything, call `started`, look after the children, and stop everything in order."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for running in self._running:
                running.start()
            if self._pulse is not None:
                self._pulse.start()
            if started is not None:
                started()
            while not self._stops:
                self._look()
                # Not an Event: a signal handler that sets one can meet its lock held by this very thread.
                time.sleep(LOOK_SECONDS)
        finally:
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def request_stop(self) -> None:
        """Let `run()` end. May be called from any thread."""
        self._stops += 1

    def pids(self) -> dict[str, int]:
        """Name of each child -> its process id, 0 while it is not running."""
        return {running.child.name: running.pid for running in self._running}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    def _look(self) -> None:
        for running in self._running:
            running.restart_if_died()
        if self._pulse is not None and self._pulse.is_stuck.is_set():
            for running in self._running:
                if running.child.name == "worker":
                    logger.error("supervisor.worker_stuck")
                    running.stop(lambda: self._stops > 0)
                    running.start()
            self._pulse.worker_restarted()

    def _stop(self) -> None:
        logger.info("supervisor.stopping")
        if self._pulse is not None:
            self._pulse.stop()
        asked = self._stops
        for running in reversed(self._running):
            # Whoever presses Ctrl-C again does not want to wait.
            running.stop(lambda: self._stops > max(asked, 1))
        logger.info("supervisor.stopped")


class _Running:
    """A child and its present process."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._started_at = 0.0
        self._deaths = 0
        self._due_at: float | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> None:
        if self.child.output is not None and self._output is None:
            self._output = self.child.output.open("ab")
        self._due_at = None
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603
            self.child.argv,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            cwd=settings.BASE_DIR,
            env={**os.environ, **self.child.environment},
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()),
        )
        logger.info("supervisor.child_started", child=self.child.name, pid=self._process.pid)

    def restart_if_died(self) -> None:
        if self._process is None:
            return
        if self._due_at is not None:
            if time.monotonic() >= self._due_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._kill_group()
        lived = time.monotonic() - self._started_at
        self._deaths = 1 if lived > RESTART_FORGOTTEN_SECONDS else self._deaths + 1
        wait = min(RESTART_SECONDS * 2 ** min(self._deaths - 1, 10), RESTART_SECONDS_MAX)
        self._due_at = time.monotonic() + wait
        logger.error("supervisor.child_died", child=self.child.name, exit_code=code, restart_in_seconds=wait)

    def stop(self, is_impatient: Callable[[], bool]) -> None:
        """SIGTERM, wait, then SIGKILL for the whole group in any case: orphans of a killed leader would work on."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.terminate()
            ends = time.monotonic() + self.child.grace_seconds
            while process.poll() is None and time.monotonic() < ends and not is_impatient():
                time.sleep(0.05)
            _kill_group(process.pid)
            process.wait()
            logger.info("supervisor.child_stopped", child=self.child.name, exit_code=process.returncode)
        if self._output is not None:
            self._output.close()
            self._output = None

    def _kill_group(self) -> None:
        if self._process is not None:
            _kill_group(self._process.pid)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # No such group any more; macOS says "not permitted" for one that consists of zombies.
        return


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask the kernel for SIGTERM when its parent ends. Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask


class Pulse(threading.Thread):
    """Sweep, schedules and canary, in a thread of its own: a database that hangs must not keep the supervisor from
    looking after its children.
    """

    def __init__(
        self,
        *,
        has_worker: bool = True,
        canary_seconds: float = CANARY_SECONDS,
        canary_seconds_max: float = CANARY_SECONDS_MAX,
        sweep_seconds: float = 1.0,
    ) -> None:
        super().__init__(name="pulse", daemon=True)
        #: Set when the worker is alive and does nothing; the supervisor restarts it.
        self.is_stuck = threading.Event()
        self._has_worker = has_worker
        self._canary_seconds = canary_seconds
        self._canary_seconds_max = canary_seconds_max
        self._sweep_seconds = sweep_seconds
        self._ended = threading.Event()
        self._canary: str = ""
        self._canary_at = -canary_seconds
        self._scheduled_at = -SCHEDULE_SECONDS
        self._is_down = False

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001 - without a pulse no lost bell is healed: it must go on
                logger.error("supervisor.pulse_failed", error=type(error).__name__)
            self._ended.wait(self._sweep_seconds)
        connection.close()

    def stop(self) -> None:
        """Ends the thread; does not wait for a database that hangs."""
        self._ended.set()
        if self.is_alive():
            self.join(timeout=2)

    def worker_restarted(self) -> None:
        """Begin to wait anew: the new worker gets a new canary, which also rings."""
        self._canary = ""
        self._canary_at = -self._canary_seconds
        self.is_stuck.clear()

    def beat(self) -> None:
        """Sweep once, schedule and look at the canary when it is time. A database that is away is waited for."""
        try:
            close_old_connections()
            work.sweep()
            if time.monotonic() - self._scheduled_at >= SCHEDULE_SECONDS:
                self._scheduled_at = time.monotonic()
                events.schedule_all()
                tasks.schedule_all()
                verification.schedule_all()
            if self._has_worker and not self.is_stuck.is_set():
                self._look_at_canary()
        except (DatabaseError, InterfaceError) as error:
            if not self._is_down:
                logger.error("supervisor.database_away", error=type(error).__name__)
            self._is_down = True
            # What is waited for cannot be seen now, so nothing is concluded from it.
            self._canary, self._canary_at = "", time.monotonic()
            connection.close()
        else:
            if self._is_down:
                logger.info("supervisor.database_back")
            self._is_down = False

    def _look_at_canary(self) -> None:
        waited = time.monotonic() - self._canary_at
        if not self._canary:
            if waited >= self._canary_seconds:
                self._canary, self._canary_at = canary.send(), time.monotonic()
            return
        if canary.is_done(self._canary):
            self._canary = ""
            return
        if waited <= self._canary_seconds_max:
            return
        if canary.busy_workers() >= settings.WORKERS and waited <= BUSY_SECONDS_MAX:
            return
        canary.withdraw(self._canary)
        self.is_stuck.set()
