"""Where an installation without settings of its own lives: a folder for the database, the keys and the sandbox.

A laptop and the demo need no `.env`: keys are made once and kept, readable by their owner only, beside the data. As
soon as DATABASE_URL is set nothing here applies, and every setting has to be given.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from connector_site import embedded_postgres

ROOT = Path(__file__).resolve().parent.parent


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


def prepare(command: str) -> None:
    """Fill the environment for an installation without DATABASE_URL, before the settings are read.

    `manage.py demo` starts from nothing each time; `MLC_DEMO=1 manage.py ...` looks at the demo's installation.
    Raises embedded_postgres.DatabaseNotStarted.
    """
    if os.environ.get("DATABASE_URL") or command in {"", "help", "--help", "-h", "sandbox"}:
        return
    is_demo = command == "demo" or os.environ.get("MLC_DEMO") == "1"
    folder = data_folder(is_demo)
    if command == "demo" and folder.exists():
        embedded_postgres.remove(folder / "pg18")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DATABASE_URL"] = embedded_postgres.start(folder / "pg18")
    os.environ["MLC_EMBEDDED"] = "1"
    os.environ.setdefault("MLC_DATA_FOLDER", str(folder))
    if is_demo:
        os.environ["MLC_DEMO"] = "1"
        os.environ.setdefault("MLC_SANDBOX", "1")
    for name, value in _keys(folder / "keys").items():
        os.environ.setdefault(name, value)


def _keys(path: Path) -> dict[str, str]:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - only an installation without keys needs it

    if not path.exists():
        text = f"SECRET_KEY={secrets.token_urlsafe(50)}\nFIELD_ENCRYPTION_KEYS={Fernet.generate_key().decode()}\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
