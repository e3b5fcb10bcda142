"""A bare client of the Dynamics 365 sandbox for tests: plain requests, no code of the connector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import quote

import requests

from audit.sandbox import Sandbox, Store, dumps, loads
from erp.d365.sandbox import D365Sandbox

TODAY = date(2026, 11, 20)
PAY_DAY = "2026-11-13T12:00:00Z"
CRLF = "\r\n"


@dataclass
class Part:
    """One answer inside a batch."""

    content_id: str
    status: int
    headers: dict[str, str]
    body: bytes
    changeset: int
    """Which changeset of the answer, from 1; 0 for a single operation."""

    def json(self) -> Any:
        return loads(self.body)


@dataclass
class Dynamics:
    """Signed in once, on first use."""

    sandbox: D365Sandbox
    frame: Sandbox
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        return self.sandbox.facts()

    @property
    def environment(self) -> str:
        # Not from the facts: they read the store, which `at_once` holds.
        return f"{self.frame.address}/d365"

    # Signing in

    def ask_token(self, directory: str = "", version: str = "v2.0/", **form: str) -> requests.Response:
        facts = self.facts
        given = {
            "grant_type": "client_credentials",
            "client_id": facts["client_id"],
            "client_secret": facts["client_secret"],
            **form,
        }
        if version:
            given.setdefault("scope", f"{self.environment}/.default")
        address = f"{facts['authority']}/{directory or facts['directory_id']}/oauth2/{version}token"
        return requests.post(address, data=given, timeout=10)

    def sign_in(self, **form: str) -> dict[str, str]:
        answer = self.ask_token(**form)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self.headers

    # Calling

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """`path` below /data, query included; blanks in it become %20."""
        sent = {
            **(self.headers or self.sign_in()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        address = f"{self.environment}/data/" + quote(path, safe="/$?&=(),'%.:*;+@")
        # Prepared by hand, because requests would encode once more and change "+".
        prepared = requests.Request(method, "http://unused", headers=sent, data=data).prepare()
        prepared.url = address
        with requests.Session() as session:
            return session.send(prepared, timeout=30)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return loads(answer.content)

    def rows(self, path: str) -> list[dict[str, Any]]:
        return list(self.get(path)["value"])

    def create(self, collection: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.call("POST", collection, body)
        assert answer.status_code == 201, answer.text
        return dict(loads(answer.content))

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        data = None if body is None else dumps(body).encode()
        return requests.request(method, f"{self.environment}/_sandbox/{path}", data=data, timeout=30)

    def fault(self, name: str, **fields: Any) -> None:
        body = {"fault": name, "system": "d365", **fields}
        requests.post(f"{self.frame.address}/_sandbox/faults", json=body, timeout=10).raise_for_status()

    # Journals

    def journal(self, company: str = "us01", name: str = "PAYROLL", **fields: Any) -> str:
        body = {"dataAreaId": company, "JournalName": name, **fields}
        return str(self.create("LedgerJournalHeaders", body)["JournalBatchNumber"])

    def line(
        self, journal: str, account: str = "6000-----", debit: Any = 0, credit: Any = 0, **fields: Any
    ) -> dict[str, Any]:
        """The body of a line that is fine in company us01."""
        return {
            "dataAreaId": "us01",
            "JournalBatchNumber": journal,
            "TransDate": PAY_DAY,
            "AccountType": "Ledger",
            "AccountDisplayValue": account,
            "DebitAmount": debit,
            "CreditAmount": credit,
            "CurrencyCode": "USD",
            "Text": "Wages",
            "Document": "MLCKEY000000001",
            **fields,
        }

    def add_line(
        self, journal: str, account: str = "6000-----", debit: Any = 0, credit: Any = 0, **fields: Any
    ) -> dict[str, Any]:
        return self.create("LedgerJournalLines", self.line(journal, account, debit, credit, **fields))

    def refuse_line(self, journal: str, status: int = 400, **fields: Any) -> str:
        """The Infolog of a line that is refused, and the proof that nothing of it was stored."""
        body = {**self.line(journal, debit=10), **fields}
        before = self.sandbox.ledger_state()["journals"]
        answer = self.call(
            "POST", "LedgerJournalLines", {name: value for name, value in body.items() if value is not ...}
        )
        assert answer.status_code == status, answer.text
        assert self.sandbox.ledger_state()["journals"] == before
        return inner_message(answer)

    # Batches

    def batch(self, content: bytes, boundary: str = "batch_1", **headers: str) -> requests.Response:
        answer = self.call("POST", "$batch", content, Content_Type=f"multipart/mixed; boundary={boundary}", **headers)
        # All lines of the frame end with CRLF; our JSON has no line ends of its own.
        assert b"\n" not in answer.content.replace(b"\r\n", b"")
        return answer

    def send_changesets(self, *changesets: list[dict[str, Any]], **headers: str) -> list[Part]:
        """Lines to create, one changeset per list; the parts of the answer."""
        written = [
            changeset(number, [post_line(self.environment, body) for body in bodies])
            for number, bodies in enumerate(changesets, start=1)
        ]
        answer = self.batch(batch_of(*written), **headers)
        assert answer.status_code == 200, answer.text
        return parts_of(answer)


def inner_message(answer: requests.Response | Part) -> str:
    error = answer.json()["error"]
    return str(error.get("innererror", {}).get("message", ""))


def inner_type(answer: requests.Response | Part) -> str:
    return str(answer.json()["error"]["innererror"]["type"])


def post_line(environment: str, body: dict[str, Any]) -> str:
    return request_text("POST", f"{environment}/data/LedgerJournalLines", body)


def request_text(method: str, address: str, body: dict[str, Any] | None = None, **headers: str) -> str:
    lines = [f"{method} {address} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json;odata.metadata=minimal"]
    return CRLF.join([*lines, "", "" if body is None else dumps(body)])


def operation(text: str, content_id: str = "") -> str:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        head.append(f"Content-ID: {content_id}")
    return CRLF.join([*head, "", text])


def changeset(number: int, texts: list[str]) -> str:
    boundary = f"changeset_{number}"
    parts = [f"--{boundary}{CRLF}{operation(text, str(place))}" for place, text in enumerate(texts, start=1)]
    return CRLF.join([f"Content-Type: multipart/mixed; boundary={boundary}", "", *parts, f"--{boundary}--"])


def batch_of(*parts: str, boundary: str = "batch_1") -> bytes:
    return CRLF.join([*(f"--{boundary}{CRLF}{part}" for part in parts), f"--{boundary}--", ""]).encode()


def parts_of(answer: requests.Response) -> list[Part]:
    """The answer of a batch, taken apart by the boundaries it names itself."""
    kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/mixed"
    found: list[Part] = []
    changesets = 0
    for piece in pieces(answer.content, boundary):
        head, _, rest = piece.partition(b"\r\n\r\n")
        headers = headers_of(head)
        if headers["content-type"].startswith("multipart/mixed"):
            changesets += 1
            inner = headers["content-type"].partition("boundary=")[2]
            for one in pieces(rest, inner):
                inner_head, _, inner_rest = one.partition(b"\r\n\r\n")
                found.append(part_of(headers_of(inner_head), inner_rest, changesets))
        else:
            found.append(part_of(headers, rest, 0))
    return found


def pieces(content: bytes, boundary: str) -> list[bytes]:
    mark = b"--" + boundary.encode()
    begun, *rest = (b"\r\n" + content).split(b"\r\n" + mark)
    assert begun == b""
    assert rest[-1].startswith(b"--")
    return [piece.removeprefix(b"\r\n") for piece in rest[:-1]]


def headers_of(head: bytes) -> dict[str, str]:
    pairs = (line.partition(": ") for line in head.decode().split(CRLF) if line)
    return {name.lower(): value for name, _, value in pairs}


def part_of(headers: dict[str, str], content: bytes, number: int) -> Part:
    assert headers["content-type"] == "application/http"
    assert headers["content-transfer-encoding"] == "binary"
    status_line, _, rest = content.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    version, status, _ = status_line.decode().split(" ", 2)
    assert version == "HTTP/1.1"
    return Part(headers.get("content-id", ""), int(status), headers_of(head), body, number)


@contextmanager
def running(path: Any = ":memory:", **arguments: Any) -> Iterator[Dynamics]:
    """A sandbox on a free port, in threads of this process."""
    arguments.setdefault("today", TODAY)
    store = Store(path)
    sandbox = D365Sandbox(store, **arguments)
    frame = Sandbox([sandbox])
    frame.start()
    try:
        yield Dynamics(sandbox, frame)
    finally:
        frame.stop()
        store.close()


def at_once(dynamics: Dynamics, *calls: Any) -> list[Any]:
    """Make requests overlap: hold the sandbox still until all of them have arrived, then let it work."""
    results: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        results[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    with dynamics.sandbox.store.transaction():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=0.4)
    for thread in threads:
        thread.join(timeout=20)
    return results
