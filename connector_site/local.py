"""Where an installation without settings of its own lives: a folder for the database, the keys and the sandbox.

A laptop and the demo need no `.env`: keys are made once and kept, readable by their owner only, beside the data. As
soon as DATABASE_URL is set nothing here applies, and every setting has to be given.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from connector_site import embedded_postgres

ROOT = Path(__file__).resolve().parent.parent

#: What a demo must not take over from the shell or from `.env`: it would reach into another installation.
OF_AN_INSTALLATION = (
    "DATABASE_URL", "MIGRATE_DATABASE_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "FIELD_ENCRYPTION_KEYS",
    "MLC_PUBLIC_URL", "MLC_ALLOWED_HOSTS", "MLC_TRUSTED_PROXIES", "MLC_CA_BUNDLE", "MLC_SANDBOX", "MLC_DATA_FOLDER",
    "EMAIL_URL", "MLC_MAIL_FROM", "MLC_SIGN_UP",
)  # fmt: skip

#: Values with which the settings can be read although nothing is going to run: `--help` works on an empty machine.
FOR_HELP = {
    "DATABASE_URL": "postgresql://mlc@localhost/mlc",
    "SECRET_KEY": "nothing is signed with this while a help text is printed",
    "FIELD_ENCRYPTION_KEYS": "bm90aGluZyBpcyBlbmNyeXB0ZWQgZm9yIGEgaGVscCE=",
    "MLC_PUBLIC_URL": "https://localhost",
}


def data_folder(is_demo: bool) -> Path:
    """`MLC_DATA`, else a folder of the user. Each checkout has its own demo, so that two never meet."""
    if given := os.environ.get("MLC_DATA"):
        base = Path(given)
    elif os.geteuid() == 0:
        base = Path("/var/lib/ml-connector")
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ml-connector"
    if is_demo:
        return base / ("demo-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:8])
    return base / "local"


def prepare(argv: Sequence[str]) -> None:
    """Fill the environment for an installation without DATABASE_URL, before the settings are read. `argv` is what
    follows `manage.py`.

    `manage.py demo` starts from nothing each time; `MLC_DEMO=1 manage.py ...` looks at the demo's installation.
    Raises embedded_postgres.DatabaseNotStarted.
    """
    command = argv[0] if argv else "help"
    if command in {"help", "version"} or {"-h", "--help", "--version"} & set(argv):
        for name, value in FOR_HELP.items():
            if not _is_given(name):
                os.environ[name] = value
        return
    if os.environ.get("MLC_EMBEDDED") == "1":
        return  # a child of a command that has done all of this
    is_demo = command == "demo" or os.environ.get("MLC_DEMO") == "1"
    if is_demo:
        for name in OF_AN_INSTALLATION:
            os.environ.pop(name, None)
            os.environ.pop(f"{name}_FILE", None)
        os.environ["MLC_DEMO"] = "1"
        os.environ["MLC_SANDBOX"] = "1"
    else:
        _read_env_file()
        if _is_given("DATABASE_URL"):
            return
    folder = data_folder(is_demo)
    if command == "demo" and folder.exists():
        embedded_postgres.remove(folder / "pg18")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DATABASE_URL"] = embedded_postgres.start(folder / "pg18")
    os.environ["MLC_EMBEDDED"] = "1"
    os.environ.setdefault("MLC_DATA_FOLDER", str(folder))
    if command in {"demo", "run"}:
        port = _port(argv) or (free_port(8000) if is_demo else 8000)
        os.environ.setdefault("MLC_PUBLIC_URL", f"http://127.0.0.1:{port}")
    for name, value in _keys(folder / "keys").items():
        if not _is_given(name):
            os.environ[name] = value


def _is_given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _read_env_file() -> None:
    import environ  # noqa: PLC0415 - the help of the commands must not need it

    if (ROOT / ".env").exists():
        environ.Env.read_env(ROOT / ".env")


def _port(argv: Sequence[str]) -> int | None:
    """The value of --port, if it is a number; a wrong one is the command's to refuse."""
    for number, word in enumerate(argv):
        value = argv[number + 1] if word == "--port" and number + 1 < len(argv) else word.removeprefix("--port=")
        if word.startswith("--port") and value.isdigit():
            return int(value)
    return None


def free_port(wanted: int) -> int:
    """The wanted port of loopback, or any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def _keys(path: Path) -> dict[str, str]:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - only an installation without keys needs it

    if not path.exists():
        text = f"SECRET_KEY={secrets.token_urlsafe(50)}\nFIELD_ENCRYPTION_KEYS={Fernet.generate_key().decode()}\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
