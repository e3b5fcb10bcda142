"""`manage.py demo`: a whole installation on this machine, living through its main job."""

import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from connector_site import local, supervisor
from connector_site.management.commands.run import prepare, refuse_taken_port
from connector_site.sandbox_urls import DEFAULT_PORT


class Command(BaseCommand):
    help = (
        "Show the main job on this machine, from nothing: an embedded PostgreSQL, a sandbox of Gusto and of each ERP, web "
        "server and worker. Several legal entities are provisioned and connected to Gusto by OAuth; a payroll of each is "
        "processed; the signed webhooks arrive; the journals are built, entered and posted, with departments, locations "
        "and two company codes. One waits for an approver. Prints each journal as its ledger holds it, the console's "
        "address and people to sign in as, and stays up until Ctrl-C. Each start begins anew and touches no other "
        "installation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="approve as the approver, verify, and end: with 0 only if the ledger holds every journal exactly once",
        )
        parser.add_argument("--port", type=int, help="port of the console (8000, or any free one if that is taken)")
        parser.add_argument("--employees", type=int, default=12, help="people per company, 1 to 10000 (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        from connector_site.demo import Demo, DemoFailed, companies

        if not settings.IS_DEMO:
            raise CommandError("Start the demo through manage.py, which prepares a database of its own.")
        if not 1 <= options["employees"] <= 10_000:
            raise CommandError("--employees is from 1 to 10000.")
        folder = Path(settings.DATA_FOLDER)
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        _log_to(logs / "demo.log")
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - began:5.1f} s] {line}")
            self.stdout.flush()

        port = urlsplit(settings.PUBLIC_URL).port or 80
        refuse_taken_port("127.0.0.1", port)
        say(f"PostgreSQL runs in {folder}.")
        prepare()
        say("The database is set up.")
        supervised = supervisor.Supervisor(
            [
                _sandbox(options["employees"], companies(), logs / "sandbox.log"),
                supervisor.worker(logs / "worker.log"),
                supervisor.web("127.0.0.1", port, logs / "web.log"),
            ],
            supervisor.Pulse(),
        )
        ended = threading.Event()
        demo = Demo(
            folder,
            logs / "sandbox.log",
            say,
            ended.is_set,
            employees=options["employees"],
            is_once=options["once"],
        )
        failure: list[str] = ["The demo was ended before it was over."]

        def play() -> None:
            try:
                demo.play()
                for line in demo.summary():
                    self.stdout.write(line)
                failure.clear()
                if not options["once"]:
                    self.stdout.write("\nEverything runs until Ctrl-C.")
                self.stdout.flush()
            except DemoFailed as error:
                failure[:] = [str(error)]
            except Exception as error:  # noqa: BLE001 - told below, with its place in the log
                failure[:] = [f"The demo has a fault of its own ({type(error).__name__})."]
                (logs / "fault.log").write_text(traceback.format_exc())
            finally:
                connection.close()
                if options["once"] or failure:
                    supervised.request_stop()

        story = threading.Thread(target=play, name="demo", daemon=True)
        supervised.run(started=story.start)
        ended.set()
        story.join(timeout=5)
        if failure:
            raise CommandError(f"{failure[0]} Logs are in {logs}.")


def _sandbox(employees: int, companies: int, output: Path) -> supervisor.Child:
    port = local.free_port(DEFAULT_PORT)
    output.write_text("")
    argv = (
        sys.executable, str(settings.BASE_DIR / "manage.py"), "sandbox", "--json", "--without-grants", "--port", str(port),
        "--employees", str(employees), "--companies", str(companies),
        "--data", str(output.parent.parent / "sandbox"), "--public-url", settings.PUBLIC_URL,
    )  # fmt: skip
    return supervisor.Child("sandbox", argv, grace_seconds=5.0, output=output)


def _log_to(path: Path) -> None:
    """Our own log lines beside those of the children: the terminal belongs to the story."""
    root = logging.getLogger()
    handler = logging.FileHandler(path)
    handler.setFormatter(root.handlers[0].formatter if root.handlers else None)
    root.handlers = [handler]
