"""The embedded PostgreSQL: one server for all, gone with its last user, back after every kind of death."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from connector_site import embedded_postgres
from tests.connector_site.conftest import ROOT, line_of, wait_until

#: Starts or joins the server, says so, and lives until its input ends.
USER = """
import sys, pathlib
from connector_site import embedded_postgres
print(embedded_postgres.start(pathlib.Path(sys.argv[1]), is_throw_away=True), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def base():
    """A folder that nobody's PostgreSQL may enter as well: pytest's own lie below a private one."""
    folder = Path(tempfile.mkdtemp(prefix="mlc-embedded-"))
    folder.chmod(0o755)
    yield folder
    for data in folder.rglob("PG_VERSION"):
        if data.parent.parent == folder or data.parent.parent.parent == folder:
            embedded_postgres.stop(data.parent)
    shutil.rmtree(folder)


def user(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def server_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def test_the_last_user_stops_the_server(base):
    data = base / "pg"
    first, second = user(data), user(data)
    url = line_of(first).strip()
    assert url == line_of(second).strip(), "two processes that start at once share one server"
    first.communicate("")
    assert answers(url)
    second.communicate("")
    assert not answers(url)
    assert not (data / "postmaster.pid").exists()


def test_a_killed_user_lets_go(base):
    data = base / "pg"
    killed = user(data)
    url = line_of(killed).strip()
    killed.kill()
    killed.communicate()
    assert answers(url), "kill -9 stops nobody's server"
    next_one = user(data)
    assert line_of(next_one).strip() == url
    next_one.communicate("")
    assert not answers(url)


def test_a_killed_server_is_started_again(base):
    data = base / "pg"
    with psycopg.connect(embedded_postgres.start(data, is_throw_away=True), autocommit=True) as db:
        db.execute("CREATE TABLE pg_temp.kept (value int)")
    embedded_postgres.stop(data)
    holder = user(data)
    url = line_of(holder).strip()
    os.kill(server_pid(data), signal.SIGKILL)
    wait_until(lambda: not answers(url), "the end of the server")
    assert (data / "postmaster.pid").exists()
    assert answers(embedded_postgres.start(data, is_throw_away=True))
    holder.communicate("")


def test_a_stale_pid_of_somebody_elses_process_is_not_believed(base):
    data = base / "pg"
    embedded_postgres.start(data, is_throw_away=True)
    embedded_postgres.stop(data)
    # The number of a living process that is no PostgreSQL, as after a restart of the machine.
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n5432\n{data}\n\n  0 0\nready\n")
    shutil.chown(data / "postmaster.pid", data.owner(), data.group())
    assert answers(embedded_postgres.start(data, is_throw_away=True))


@pytest.mark.parametrize(
    "name", ["with spaces and 'quotes'", "a-long-name-" + "x" * 90, "ünïcode"], ids=["spaces", "long", "unicode"]
)
def test_any_path_will_do(base, name):
    data = base / name / "pg"
    url = embedded_postgres.start(data, is_throw_away=True)
    assert answers(url)
    embedded_postgres.stop(data)
    assert not answers(url)


def test_the_application_owns_nothing_and_others_may_not_enter(base):
    data = base / "pg"
    with psycopg.connect(embedded_postgres.start(data, is_throw_away=True)) as db:
        row = db.execute(
            "SELECT current_user, rolsuper, rolbypassrls, pg_get_userbyid(datdba) FROM pg_roles, pg_database "
            "WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()
        assert row == ("mlc", False, False, "mlc_owner")
        assert db.execute("SHOW listen_addresses").fetchone() == ("",), "no TCP port"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_remove_refuses_while_somebody_uses_it(base):
    data = base / "pg"
    holder = user(data)
    line_of(holder)
    with pytest.raises(embedded_postgres.DatabaseNotStarted, match="in use by another process"):
        embedded_postgres.remove(data)
    holder.communicate("")
    embedded_postgres.remove(data)
    assert not data.exists()


def test_parents_keep_their_modes(base):
    before = {parent: parent.stat().st_mode for parent in base.parents}
    embedded_postgres.start(base / "deep" / "pg", is_throw_away=True)
    assert {parent: parent.stat().st_mode for parent in base.parents} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_private_folder_is_refused_in_words(base):
    private = base / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(embedded_postgres.DatabaseNotStarted, match="MLC_DATA"):
        embedded_postgres.start(private / "pg", is_throw_away=True)
