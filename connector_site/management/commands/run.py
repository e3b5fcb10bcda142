"""`manage.py run`: the whole product under one supervisor."""

import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector_site import checks, supervisor

logger = structlog.get_logger("connector_site.run")


class Command(BaseCommand):
    help = (
        "Run ml-connector: web server, worker and sweep under one supervisor, until Ctrl-C or SIGTERM. "
        "A child that dies or hangs is started again. Refuses to start on a database whose role could read past the "
        "wall between tenants, and on one that is not at the state of this version (run `manage.py migrate` first; on "
        "the embedded database it is done here)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; 0.0.0.0 = all)")
        parser.add_argument("--port", type=int, help="port to listen on (8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"] or default_port()
        refuse_taken_port(options["host"], port)
        prepare()
        supervised = supervisor.Supervisor(
            [supervisor.worker(), supervisor.web(options["host"], port)], supervisor.Pulse()
        )
        logger.info("run.starting", listens=f"{options['host']}:{port}", console=f"{settings.PUBLIC_URL}/console/")
        supervised.run()


def default_port() -> int:
    """The embedded installation listens where its public address says; behind a proxy it is 8000."""
    public = urlsplit(settings.PUBLIC_URL)
    if settings.IS_EMBEDDED and public.hostname in {"127.0.0.1", "localhost"}:
        return public.port or 80
    return 8000


def refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError if nobody could listen there: better said once than by a web server that dies again and again."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"Nothing can listen on {host}:{port}: {reason}. Choose another --port.") from None


def prepare() -> None:
    """Bring database and static files to the state that serving needs. Raises CommandError with all reasons why not."""
    if settings.IS_EMBEDDED:
        call_command("migrate", verbosity=0, interactive=False)
    reasons = checks.refusals()
    if reasons:
        raise CommandError("ml-connector does not start:\n" + "\n".join(f"- {reason}" for reason in reasons))
    for message in checks.check_settings(None):
        sys.stderr.write(f"{message.msg} {message.hint} ({message.id})\n")
    call_command("collectstatic", verbosity=0, interactive=False)
