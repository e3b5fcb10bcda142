"""JSON logs that carry request, tenant and payroll ids and never a secret or a person's pay.

Only ids and names of things are logged, never messages of unknown exceptions or values of fields: what is not passed
to the logger cannot leak. Exceptions are logged by type and place.
"""

from __future__ import annotations

import logging
import logging.config
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: A request id given by a proxy is kept if it looks like one; anything else could smuggle text into the log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
#: Addresses that let somebody in; what follows them is never logged, neither by us nor by Django.
_SECRET_PATH = re.compile(r"(/account/(?:invitation|password/reset/key)/)[^/\s]+")


def _without_values(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Exceptions keep type and place; their message may hold values of a payroll or a secret. Addresses lose what opens
    a door.
    """
    for field in ("event", "path"):
        if isinstance(event.get(field), str):
            event[field] = _SECRET_PATH.sub(r"\1...", event[field])
    found = event.pop("exc_info", None)
    if found:
        error = found[1] if isinstance(found, tuple) else found
        if isinstance(error, BaseException):
            event["error"] = type(error).__name__
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                event["place"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
    return event


def configuration(level: str, *, is_readable: bool) -> None:
    """Route structlog and the standard library's loggers to one JSON line each on stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if is_readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # Its request lines repeat ours; its SQL would hold values.
                "django.server": {"level": "WARNING"},
                "django.db.backends": {"level": "WARNING"},
                "django-q": {"level": "WARNING"},
                "urllib3": {"level": "WARNING"},
            },
        }
    )


class RequestMiddleware:
    """Gives each request an id, binds it to every log line, exchange and audit entry, and logs one line at its end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.logger = structlog.get_logger("connector_site.request")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        from audit.exchange import request_id  # noqa: PLC0415 - this module is imported by the settings

        given = request.headers.get("X-Request-Id", "")
        mine = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(mine)
        structlog.contextvars.bind_contextvars(request=mine)
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = mine
            if not request.path.startswith(("/health/", "/metrics", "/static/")):
                self.logger.info("request", method=request.method, path=request.path, status=response.status_code)
            return response
        finally:
            request_id.reset(token)
            structlog.contextvars.clear_contextvars()
