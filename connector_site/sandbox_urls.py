"""Every sandbox under /<system>/ of one server: what `manage.py sandbox` starts and what it prints.

Runs before the settings are read and without Django, because a sandbox stands in for the outside: it needs no
database, no keys and nothing of the product's configuration.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.sandbox import Sandbox, SandboxSystem, Store

#: system -> dotted path of its sandbox. One line per outside system.
SYSTEMS: dict[str, str] = {
    "gusto": "gusto.sandbox.system.GustoSandbox",
    "d365": "erp.d365.sandbox.D365Sandbox",
    "ifs": "erp.ifs.sandbox.IfsSandbox",
    "infor": "erp.infor.sandbox.InforSandbox",
}

DEFAULT_PORT = 8100
#: Where Gusto may send an owner back to, below the product's public address.
CALLBACK_PATH = "/gusto/callback"

DESCRIPTION = """Run a small Gusto, Dynamics 365, IFS Cloud and Infor CloudSuite on this machine, over real HTTP, until Ctrl-C.

They stand in for the outside systems: the product's own code signs in to them, reads payrolls, enters journals and is
refused the way the vendors refuse. Only this machine can reach them. Nothing of the product's database is touched.

What you get is printed: addresses, client ids and secrets, the companies, and how to play payrolls and faults."""

EPILOG = """examples:
  manage.py sandbox                                an empty installation's counterpart on port 8100
  manage.py sandbox --data /tmp/box --employees 50 kept in a folder, two companies of 50 people
  manage.py sandbox --port 0 --json                any free port; one JSON document on the first line, for scripts

play (POST with curl; every address is below the one printed):
  /gusto/_sandbox/companies/COMPANY/payrolls       create a payroll, then .../payrolls/PAYROLL/process
  /d365/_sandbox/post-journals                     post every entered journal, as the accountant would
  /d365/_sandbox/ledger                            (GET) what the ledger holds
  /ifs/_sandbox/gl-update                          update the general ledger with every approved voucher
  /ifs/_sandbox/ledger                             (GET) what hold table and ledger hold
  /infor/_sandbox/ionapi                           (GET) the .ionapi file of the Infor tenant
  /infor/_sandbox/M3/update-ledger                 do what M3's ledger jobs still have to do
  /infor/_sandbox/M3/ledger                        (GET) what M3's batches and ledger hold
  /infor/_sandbox/FSM/post-journals                release and post every journal that FSM has made
  /infor/_sandbox/FSM/ledger                       (GET) what FSM's journals and run groups hold
  /_sandbox/faults                                 the next answer is lost, slow, cut, 429, ...
"""


def parser(prog: str = "manage.py sandbox") -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog=prog, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(found)
    return found


def add_arguments(found: argparse.ArgumentParser) -> None:
    found.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1; 0 = any free one (%(default)s)"
    )
    found.add_argument(
        "--data", metavar="DIR", type=Path, help="keep everything in this folder; without it a restart begins anew"
    )
    found.add_argument("--seed", type=int, default=1, help="people and payrolls are drawn from it (%(default)s)")
    found.add_argument("--employees", type=int, default=12, help="people per company, 1 to 10000 (%(default)s)")
    found.add_argument("--companies", type=int, default=2, help="companies in Gusto (%(default)s)")
    found.add_argument(
        "--without-grants", action="store_true", help="print no tokens: owners grant access in a browser"
    )
    found.add_argument(
        "--public-url",
        default=os.environ.get("MLC_PUBLIC_URL", "http://127.0.0.1:8000"),
        help="address of the console that owners are sent back to after they granted access (%(default)s)",
    )
    found.add_argument("--json", action="store_true", help="print what is served as one line of JSON")


def sandbox_class(system: str) -> type[SandboxSystem]:
    """Raises KeyError for a system that is not in SYSTEMS."""
    module_name, _, class_name = SYSTEMS[system].rpartition(".")
    found: type[SandboxSystem] = getattr(importlib.import_module(module_name), class_name)
    return found


def build(
    data: Path,
    *,
    port: int = 0,
    seed: int = 1,
    employees: int = 12,
    companies: int = 2,
    public_url: str = "http://127.0.0.1:8000",
    **settings: Mapping[str, Any],
) -> Sandbox:
    """Every system with a store of its own below `data`, not yet started. What a store already holds is kept.

    `settings`: system -> its settings. Raises OSError if the port is taken, ValueError for a wrong value.
    """
    data.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, dict[str, Any]] = {
        "gusto": {
            "seed": seed,
            "employees": employees,
            "companies": companies,
            "redirect_uris": (public_url.rstrip("/") + CALLBACK_PATH,),
            **settings.get("gusto", {}),
        },
        "d365": {"seed": seed, "settings": settings.get("d365", {})},
        "ifs": {"seed": seed, "settings": settings.get("ifs", {})},
        "infor": {"seed": seed, "settings": settings.get("infor", {})},
    }
    return Sandbox(
        [sandbox_class(name)(Store(data / f"{name}.sqlite3"), **arguments.get(name, {})) for name in SYSTEMS], port
    )


def facts(sandbox: Sandbox, *, with_grants: bool) -> dict[str, Any]:
    """What is served: the control address, and per system what a client needs (ids, secrets, companies).

    `with_grants`: each company of Gusto gets a fresh grant, for a provision file or a script that has no browser.
    """
    found: dict[str, Any] = {"address": sandbox.address, "control": f"{sandbox.address}/_sandbox"}
    for name, system in sandbox.systems.items():
        found[name] = {"address": f"{sandbox.address}/{name}", **system.facts()}  # type: ignore[attr-defined]
    gusto: Any = sandbox.systems["gusto"]
    for company in found["gusto"]["companies"] if with_grants else ():
        with gusto.store.transaction():
            grant = gusto.oauth.connected(company["uuid"])
        company["access_token"] = grant["access_token"]
        company["refresh_token"] = grant["refresh_token"]
    return found


def main(argv: Sequence[str]) -> int:
    """The command from its arguments. Returns the exit code; a wrong argument ends the process with 2."""
    return serve(parser().parse_args(argv))


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM. Returns 0, or 2 if nothing could be started."""
    if not 1 <= options.employees <= 10_000 or not 1 <= options.companies <= 100:
        sys.stderr.write("--employees is from 1 to 10000, --companies from 1 to 100.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="mlc-sandbox-") as passing:
        try:
            sandbox = build(
                options.data or Path(passing),
                port=options.port,
                seed=options.seed,
                employees=options.employees,
                companies=options.companies,
                public_url=options.public_url,
            )
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            sys.stderr.write(f"The sandbox does not start: {reason}. Choose another --port or --data.\n")
            return 2
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        sandbox.start()
        found = facts(sandbox, with_grants=not options.without_grants)
        sys.stdout.write((json.dumps(found) if options.json else text(found)) + "\n")
        sys.stdout.flush()
        # Not for ever in one go: some platforms deliver a signal only between two waits.
        while not ended.wait(3600):
            pass
        sandbox.stop()
    return 0


def text(found: Mapping[str, Any]) -> str:
    """The facts for a person, one per line."""
    lines = [f"The sandbox serves at {found['address']} until Ctrl-C.", ""]
    for system, values in found.items():
        if not isinstance(values, dict):
            continue
        lines.append(system)
        for name, value in values.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                for row in value:
                    lines.append(f"  {name:<15} " + "  ".join(f"{key} {part}" for key, part in row.items()))
            else:
                shown = ", ".join(str(part) for part in value) if isinstance(value, list | tuple) else value
                lines.append(f"  {name:<15} {shown}")
        lines.append("")
    lines.append(f"Faults and the log of requests: {found['control']} (see manage.py sandbox --help).")
    return "\n".join(lines)
