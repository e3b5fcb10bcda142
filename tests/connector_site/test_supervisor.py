"""The supervisor with real children: what dies comes back, what hangs is replaced, what ends leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import requests
from django.db import connection

from audit import canary, work
from audit.models import WorkItem
from connector_site import supervisor
from connector_site.supervisor import Child, Pulse, Supervisor
from tests.connector_site.conftest import ROOT, free_port, processes, wait_until

#: Lives until SIGTERM, says when it started and ended, and has a child of its own in its group.
OBEDIENT = """
import pathlib, signal, subprocess, sys, time
log, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def say(word):
    with log.open("a") as file: file.write(f"{name} {word}\\n")
def end(*_):
    say("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
subprocess.Popen(["sleep", "300"])
say("started")
time.sleep(300)
"""

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(300)
"""


def obedient(log: Path, name: str) -> Child:
    return Child(name, (sys.executable, "-c", OBEDIENT, str(log), name), grace_seconds=5)


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


class Watched:
    """Runs a supervisor in this thread while `act` plays in another; what goes wrong there fails the test here."""

    def __init__(self, supervised: Supervisor) -> None:
        self.supervised = supervised
        self.error: BaseException | None = None

    def play(self, act) -> None:
        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - carried into the test's own thread
                self.error = error
            finally:
                connection.close()
                self.supervised.request_stop()

        threading.Thread(target=run).start()
        self.supervised.run()
        if self.error is not None:
            raise self.error


def test_children_start_in_order_and_stop_in_reverse(tmp_path):
    log = tmp_path / "log"
    supervised = Supervisor([obedient(log, name) for name in ("sandbox", "worker", "web")])
    sessions: list[int] = []

    def act() -> None:
        wait_until(lambda: len(lines(log)) == 3, "three children")
        sessions.extend(supervised.pids().values())

    Watched(supervised).play(act)
    assert [line for line in lines(log) if "ended" in line] == ["web ended", "worker ended", "sandbox ended"]
    assert len(sessions) == 3
    # A killed process is in the table for a moment longer.
    wait_until(lambda: not any(processes(session) for session in sessions), "nothing left of them")


def test_a_killed_child_comes_back_and_its_orphans_are_gone(tmp_path):
    log = tmp_path / "log"
    supervised = Supervisor([obedient(log, "worker")])

    def act() -> None:
        wait_until(lambda: lines(log), "the child")
        first = supervised.pids()["worker"]
        wait_until(lambda: len(processes(first)) == 2, "the child's own child")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: lines(log).count("worker started") == 2, "the second life")
        assert supervised.pids()["worker"] != first
        wait_until(lambda: not processes(first), "nothing left of the first life")

    Watched(supervised).play(act)


def test_a_child_that_dies_at_once_is_not_started_in_a_hurry(tmp_path):
    log = tmp_path / "log"
    child = Child("web", (sys.executable, "-c", f"open({str(log)!r}, 'a').write('x\\n'); raise SystemExit(3)"))
    supervised = Supervisor([child])
    Watched(supervised).play(lambda: time.sleep(4))
    # Waits of 0.5, 1, 2, 4 ... seconds.
    assert 2 <= len(lines(log)) <= 4


def test_a_child_that_does_not_listen_is_killed(tmp_path):
    output = tmp_path / "output"
    supervised = Supervisor([Child("web", (sys.executable, "-c", DEAF), grace_seconds=1, output=output)])
    found: list[int] = []

    def act() -> None:
        wait_until(lambda: output.exists() and "ready" in output.read_text(), "the child")
        found.append(supervised.pids()["web"])

    began = time.monotonic()
    Watched(supervised).play(act)
    assert processes(found[0]) == {}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_children_end_with_their_supervisor(tmp_path, number):
    log = tmp_path / "log"
    program = (
        "import django, sys; django.setup()\n"
        "from connector_site.supervisor import Child, Supervisor\n"
        f"Supervisor([Child('worker', (sys.executable, '-c', {OBEDIENT!r}, {str(log)!r}, 'worker'))]).run()"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "connector_site.settings"}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    wait_until(lambda: lines(log), "the child")
    (child,) = (int(name) for name in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    process.send_signal(number)
    code = process.wait(timeout=15)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    # A killed supervisor cannot clear the group; the kernel's signal ends the child itself.
    wait_until(lambda: child not in processes(child), "the child's end", 5)
    if number == signal.SIGKILL:
        os.killpg(child, signal.SIGKILL)
    assert "worker ended" in lines(log)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_lives_and_does_nothing_is_replaced(tmp_path):
    log = tmp_path / "log"
    pulse = Pulse(canary_seconds=0.2, canary_seconds_max=1.0, sweep_seconds=0.1)
    supervised = Supervisor([obedient(log, "worker")], pulse)
    Watched(supervised).play(
        lambda: wait_until(lambda: lines(log).count("worker started") >= 2, "the stuck worker's successor")
    )
    assert lines(log)[:2] == ["worker started", "worker ended"]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_works_is_left_alone(tmp_path):
    log = tmp_path / "log"
    ended = threading.Event()

    def drain() -> None:
        while not ended.wait(0.1):
            work.drain()
        connection.close()

    worker = threading.Thread(target=drain)
    worker.start()
    try:
        pulse = Pulse(canary_seconds=0.2, canary_seconds_max=1.0, sweep_seconds=0.1)
        Watched(Supervisor([obedient(log, "worker")], pulse)).play(lambda: time.sleep(3))
    finally:
        ended.set()
        worker.join()
    assert lines(log) == ["worker started", "worker ended"]
    assert WorkItem.objects.filter(kind=canary.KIND, state="done").count() >= 3


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_its_hands_full_is_not_stuck(tmp_path, settings):
    log = tmp_path / "log"
    for number in range(settings.WORKERS):
        work.enqueue("test.long", str(number), tenant_id=None)
        assert work.claim() is not None
    pulse = Pulse(canary_seconds=0.2, canary_seconds_max=0.5, sweep_seconds=0.1)
    Watched(Supervisor([obedient(log, "worker")], pulse)).play(lambda: time.sleep(2.5))
    assert lines(log) == ["worker started", "worker ended"]


@pytest.mark.django_db(transaction=True)
def test_the_pulse_survives_a_database_that_goes_away():
    pulse = Pulse(has_worker=False, sweep_seconds=0.1)
    pulse.beat()
    # The server closes the session, as in a restart or a fail-over.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    killer = connection.copy()
    with killer.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    killer.close()
    pulse.beat()
    assert pulse._is_down
    pulse.beat()
    assert not pulse._is_down


class Installation:
    """`manage.py run` in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--port", str(self.port)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def get(self, path: str) -> requests.Response | None:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)
        except requests.ConnectionError:
            return None

    def is_ready(self) -> bool:
        answer = self.get("/health/ready")
        return answer is not None and answer.status_code == 200

    def children(self) -> dict[str, int]:
        """web and worker -> process id of the leader of each session."""
        found = {}
        pid = self.process.pid
        for name in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            command = processes(int(name)).get(int(name), "")
            for kind, word in (("web", "granian"), ("worker", "qcluster")):
                if word in command:
                    found[kind] = int(name)
        return found


def _is_new(installation: Installation, name: str, before: int) -> bool:
    return installation.children().get(name, before) != before


@pytest.mark.django_db(transaction=True)
def test_run_survives_the_kill_of_each_child_and_ends_clean(environment):
    installation = Installation(environment)
    try:
        wait_until(installation.is_ready, "the installation")
        for name in ("web", "worker"):
            before = installation.children()
            os.killpg(before[name], signal.SIGKILL)
            wait_until(partial(_is_new, installation, name, before[name]), f"a new {name}")
            wait_until(lambda: installation.get("/health/live") is not None, "the web server")
            WorkItem.objects.filter(kind=canary.KIND).delete()
            ref = canary.send()
            wait_until(partial(canary.is_done, ref), f"work after the kill of {name}")
        sessions = list(installation.children().values())
        installation.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, errors = installation.process.communicate(timeout=40)
        assert installation.process.returncode == 0, errors
        assert time.monotonic() - began < 15
        assert [processes(session) for session in sessions] == [{}, {}]
        assert errors.count('"event": "supervisor.child_died"') == 2
    finally:
        installation.process.kill()
        installation.process.wait()


def test_the_kernel_is_asked_only_where_it_can_answer(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert supervisor._die_with_parent(os.getpid()) is None
