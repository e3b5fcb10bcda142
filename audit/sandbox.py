"""The frame that all sandboxes share: a real HTTP server, a store of its own, and faults on demand.

A sandbox stands in for an outside system so that the product's client code runs unchanged against it; only the
address differs. It is a process of its own with one SQLite file, survives a kill of the product and never touches the
product's database. It listens on loopback only.

A system is a `SandboxSystem` with routes; `Sandbox` serves several of them under /<system>/. Handlers are plain
functions `(Request) -> Answer`; each runs inside one store transaction, so a request is done whole or not at all.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import simplejson

#: Requests kept for `GET /_sandbox/log`: enough for a chaos seed of ten thousand employees.
LOG_LENGTH = 200_000


def dumps(document: Any) -> str:
    """JSON with Decimal as a number, digit for digit."""
    return simplejson.dumps(document, use_decimal=True, ensure_ascii=False, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """JSON with every fraction as Decimal. Raises ValueError for malformed text."""
    return simplejson.loads(text, use_decimal=True)


class Store:
    """Documents of a sandbox: (kind, key) -> JSON, in one SQLite file, in the order of their first writing."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.executescript(
            """PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
            CREATE TABLE IF NOT EXISTS document (
                position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
                UNIQUE (kind, key));
            CREATE INDEX IF NOT EXISTS document_order ON document (kind, position);
            CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);"""
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; may be nested, the outermost decides. One at a time over all threads."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def put(self, kind: str, key: str, document: Any) -> None:
        with self._lock:
            self._db.execute(
                "INSERT INTO document (kind, key, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                (kind, key, dumps(document)),
            )

    def put_many(self, kind: str, documents: Mapping[str, Any]) -> None:
        with self._lock, self.transaction():
            self._db.executemany(
                "INSERT INTO document (kind, key, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                [(kind, key, dumps(document)) for key, document in documents.items()],
            )

    def get(self, kind: str, key: str) -> Any | None:
        with self._lock:
            row = self._db.execute("SELECT body FROM document WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return loads(row[0]) if row else None

    def delete(self, kind: str, key: str) -> bool:
        with self._lock:
            return self._db.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0

    def delete_kind(self, kind: str) -> int:
        with self._lock:
            return self._db.execute("DELETE FROM document WHERE kind = ?", (kind,)).rowcount

    def all(self, kind: str, offset: int = 0, limit: int = -1) -> list[Any]:
        with self._lock:
            rows = self._db.execute(
                "SELECT body FROM document WHERE kind = ? ORDER BY position LIMIT ? OFFSET ?", (kind, limit, offset)
            ).fetchall()
        return [loads(row[0]) for row in rows]

    def keys(self, kind: str) -> list[str]:
        with self._lock:
            rows = self._db.execute("SELECT key FROM document WHERE kind = ? ORDER BY position", (kind,)).fetchall()
        return [row[0] for row in rows]

    def count(self, kind: str) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM document WHERE kind = ?", (kind,)).fetchone()[0])

    def next(self, name: str) -> int:
        """The next number of a named series, from 1."""
        with self._lock:
            row = self._db.execute(
                "INSERT INTO counter (name, value) VALUES (?, 1) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                (name,),
            ).fetchone()
        return int(row[0])

    def close(self) -> None:
        with self._lock:
            self._db.close()


@dataclass(slots=True)
class Request:
    """One request as it came in. `path` is below the system's prefix; `base_url` names the system, without slash."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    base_url: str
    faults: Faults
    system: str
    about: str = ""
    """The path as faults see it, where the system says another (`SandboxSystem.fault_path`)."""

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.raw_query, keep_blank_values=True)

    def parameter(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name.lower(), default)

    def json(self) -> Any:
        """Raises ValueError for malformed JSON."""
        return loads(self.body)

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    def fault(self, name: str) -> Fault | None:
        """Take a fault that the system itself plays (a partial bulk failure, a conflict), if one is waiting."""
        return self.faults.take(self.system, self.method, self.about or self.path, {name})


@dataclass(slots=True)
class Answer:
    """`body`: bytes and str go out as they are, None is empty, everything else as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    hang_up: bool = False
    """Close the connection instead of answering: what was done stays done."""

    def encoded(self) -> tuple[bytes, str]:
        if self.body is None:
            return b"", self.content_type
        if isinstance(self.body, bytes):
            return self.body, self.content_type or "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), self.content_type or "text/html; charset=utf-8"
        return dumps(self.body).encode(), self.content_type or "application/json"


class Refused(Exception):  # noqa: N818 - reads as what happens: the vendor refuses
    """Raised by a handler to answer with an error; the store transaction of the request is rolled back."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


Handler = Callable[..., Answer]


def controlled(control: Callable[..., Any], request: Request, **arguments: str) -> Answer:
    """A control address: JSON object in, JSON out or 204; a mistake in the body is 422 with a sentence.

    Runs inside the store transaction of the request, which a 422 rolls back.
    """
    try:
        body = request.json() if request.body else {}
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        result = control(body, **arguments)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(Answer(422, {"error": str(error)})) from None
    return Answer(204) if result is None else Answer(200, result)


class SandboxSystem:
    """One outside system. Subclasses fill `routes` in `__init__` by `self.route(...)`."""

    name: str = ""

    def __init__(self, store: Store) -> None:
        self.store = store
        #: The faults of the server that serves this system, for what happens outside a request (sending a webhook).
        self.faults = Faults()
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """`pattern` is a regular expression for the whole path; its named groups are the handler's arguments."""
        self._routes.append((method, re.compile(pattern), handler))

    def started(self, base_url: str) -> None:
        """Called once the server listens, with the address that reaches this system."""

    def stopped(self) -> None:
        """Called before the server ends."""

    def before(self, request: Request) -> None:
        """Runs before the route, inside the request's transaction. Raise `Refused` to answer with an error."""

    def fault_path(self, request: Request) -> str:
        """The path as faults and the log see it: where one address serves everything, what the request is about."""
        return request.path

    def unknown_path(self, request: Request) -> Answer:
        return Answer(404, {"error": f"no such address in this sandbox: {request.method} {request.path}"})

    def answer(self, request: Request) -> Answer:
        try:
            with self.store.transaction():
                self.before(request)
                for method, pattern, handler in self._routes:
                    if method == request.method and (match := pattern.fullmatch(request.path)):
                        arguments = {k: unquote(v) for k, v in match.groupdict().items() if v is not None}
                        return handler(request, **arguments)
                return self.unknown_path(request)
        except Refused as refused:
            return refused.answer


#: Faults that the frame plays for every system. Any other name is for the system itself, by `Request.fault()`.
FRAME_FAULTS = frozenset({"status", "status_after", "lost_answer", "refuse", "slow", "slow_answer", "cut_body", "html"})


@dataclass(slots=True)
class Fault:
    """What goes wrong, on which requests, how often.

    status: answer `status` without doing the work. status_after: do the work, then answer `status`. lost_answer: do
    the work, close without answering. refuse: close before the work. slow / slow_answer: wait `seconds` before /
    after the work. cut_body: do the work, send half the body. html: a proxy's HTML page with `status`.
    """

    fault: str
    system: str = ""
    method: str = ""
    path: str = ""
    """Regular expression searched in the path; empty = every path."""
    times: int = 1
    skip: int = 0
    """Let this many matching requests pass first."""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0

    def fits(self, system: str, method: str, path: str) -> bool:
        return (
            (not self.system or self.system == system)
            and (not self.method or self.method == method)
            and (not self.path or re.search(self.path, path) is not None)
        )


class Faults:
    """The faults that wait to be played, shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> int:
        with self._lock:
            return len(self._waiting)

    def take(self, system: str, method: str, path: str, names: frozenset[str] | set[str]) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.fault in names and fault.fits(system, method, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None


class Sandbox:
    """Serves systems under /<system>/ on loopback until `stop()`.

    Control addresses: POST /_sandbox/faults (fields of `Fault`), DELETE /_sandbox/faults, GET and DELETE
    /_sandbox/log (every request: system, method, path, about, status, fault, seconds), GET /_sandbox/health.
    """

    def __init__(self, systems: list[SandboxSystem], port: int = 0) -> None:
        self.systems = {system.name: system for system in systems}
        self.faults = Faults()
        for system in systems:
            system.faults = self.faults
        self.log: list[dict[str, Any]] = []
        self.log_lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _HttpHandler)
        self._server.sandbox = self
        self.port = int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        ).start()
        for system in self.systems.values():
            system.started(f"{self.address}/{system.name}")

    def stop(self) -> None:
        for system in self.systems.values():
            system.stopped()
        self._server.shutdown()
        self._server.server_close()

    def note(self, **entry: Any) -> None:
        with self.log_lock:
            self.log.append(entry)
            if len(self.log) > LOG_LENGTH:
                del self.log[: LOG_LENGTH // 10]

    def control(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("GET", "/_sandbox/health"):
            return Answer(200, {"systems": sorted(self.systems), "faults_waiting": self.faults.waiting()})
        if (method, path) == ("POST", "/_sandbox/faults"):
            try:
                self.faults.add(Fault(**json.loads(body)))
            except (TypeError, ValueError) as error:
                return Answer(422, {"error": str(error)})
            return Answer(201, {"faults_waiting": self.faults.waiting()})
        if (method, path) == ("DELETE", "/_sandbox/faults"):
            self.faults.clear()
            return Answer(204)
        if (method, path) == ("GET", "/_sandbox/log"):
            with self.log_lock:
                return Answer(200, list(self.log))
        if (method, path) == ("DELETE", "/_sandbox/log"):
            with self.log_lock:
                self.log.clear()
            return Answer(204)
        return Answer(404, {"error": "no such control address", "systems": sorted(self.systems)})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    sandbox: Sandbox

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away mid-way (a killed worker) is part of the game; anything else is a defect: shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Without this, small answers wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        began = time.monotonic()
        sandbox = self.server.sandbox
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if parts.path.startswith("/_sandbox"):
            self.send_answer(sandbox.control(self.command, parts.path, body))
            return
        name, _, rest = parts.path.lstrip("/").partition("/")
        system = sandbox.systems.get(name)
        if system is None:
            self.send_answer(Answer(404, {"error": "no such system", "systems": sorted(sandbox.systems)}))
            return
        host = self.headers.get("Host") or f"127.0.0.1:{sandbox.port}"
        request = Request(
            method=self.command,
            path="/" + rest,
            raw_query=parts.query,
            headers={key.lower(): value for key, value in self.headers.items()},
            body=body,
            base_url=f"http://{host}/{name}",
            faults=sandbox.faults,
            system=name,
        )
        fault = None
        if not rest.startswith("_sandbox"):
            request.about = system.fault_path(request)
            fault = sandbox.faults.take(name, self.command, request.about, FRAME_FAULTS)
        try:
            status = self.play(fault, system, request)
        except OSError:
            # The client went away (a killed worker): what it asked for is done, and nobody was there for the answer.
            self.close_connection, status = True, 0
        if not rest.startswith("_sandbox"):
            sandbox.note(
                system=name,
                method=self.command,
                path=request.path,
                about=request.about,
                query=parts.query,
                status=status,
                fault=fault.fault if fault else "",
                seconds=round(time.monotonic() - began, 4),
            )

    def play(self, fault: Fault | None, system: SandboxSystem, request: Request) -> int:
        """Do the request under a fault; returns the status sent, 0 where nothing was answered."""
        kind = fault.fault if fault else ""
        if fault is None:
            return self.send_answer(system.answer(request))
        if kind == "refuse":
            return self.hang_up()
        if kind == "status":
            return self.send_answer(Answer(fault.status, fault.body, dict(fault.headers)))
        if kind == "html":
            page = "<html><head><title>Bad gateway</title></head><body>Our services aren't available</body></html>"
            return self.send_answer(Answer(fault.status, page, dict(fault.headers), "text/html"))
        if kind == "slow":
            time.sleep(fault.seconds)
            return self.send_answer(system.answer(request))
        answer = system.answer(request)
        if kind == "lost_answer":
            return self.hang_up()
        if kind == "status_after":
            return self.send_answer(Answer(fault.status, fault.body, dict(fault.headers)))
        if kind == "slow_answer":
            time.sleep(fault.seconds)
            return self.send_answer(answer)
        return self.send_answer(answer, cut=True)

    def hang_up(self) -> int:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return 0

    def send_answer(self, answer: Answer, cut: bool = False) -> int:
        if answer.hang_up:
            return self.hang_up()
        body, content_type = answer.encoded()
        self.send_response(answer.status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.hang_up()
        return answer.status

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names fixed by http.server

    def log_message(self, format: str, *args: Any) -> None:
        """The sandbox keeps its own log; nothing goes to stderr."""
