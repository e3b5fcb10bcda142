"""A bare client of the IFS Cloud sandbox for tests: plain requests, no code of the connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import requests

from audit.sandbox import Sandbox, Store, dumps, loads
from erp.ifs.sandbox import IfsSandbox

TODAY = date(2026, 11, 20)
PAY_DAY = "2026-11-13"
ASSISTANT = "VoucherEntryAssistantHandling"
CREATE = f"IfsApp.{ASSISTANT}.VoucherEntry_CreateVoucher"
REMOVE = f"IfsApp.{ASSISTANT}.VoucherEntry_RemoveTempVoucher"
CRLF = "\r\n"
KEY = "K3Y0F0NEP0ST1NG"


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
class Cloud:
    """Signed in once, on first use."""

    sandbox: IfsSandbox
    frame: Sandbox
    headers: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def host(self) -> str:
        return f"{self.frame.address}/ifs"

    # Signing in

    def ask_token(self, realm: str = "", **form: str) -> requests.Response:
        facts = self.sandbox.facts()
        given = {
            "grant_type": "client_credentials",
            "client_id": facts["client_id"],
            "client_secret": facts["client_secret"],
            "scope": "openid microprofile-jwt",
            **form,
        }
        given = {name: value for name, value in given.items() if value}
        address = f"{self.host}/auth/realms/{realm or facts['realm']}/protocol/openid-connect/token"
        return requests.post(address, data=given, timeout=10)

    def sign_in(self) -> dict[str, str]:
        answer = self.ask_token()
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self.headers

    # Calling

    def service(self, projection: str) -> str:
        return f"{self.host}/main/ifsapplications/projection/v1/{projection}.svc"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """`path` begins with the projection and holds the query; blanks in it become %20."""
        sent = {
            **(self.headers or self.sign_in()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        projection, _, rest = path.partition("/")
        address = f"{self.service(projection)}/" + quote(rest, safe="/$?&=(),'%.:*;+@")
        prepared = requests.Request(method, "http://unused", headers=sent, data=data).prepare()
        prepared.url = address
        return self.session.send(prepared, timeout=30)

    def get(self, path: str, **headers: str) -> Any:
        answer = self.call("GET", path, **headers)
        assert answer.status_code == 200, answer.text
        return loads(answer.content)

    def rows(self, path: str) -> list[dict[str, Any]]:
        return list(self.get(path)["value"])

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        data = None if body is None else dumps(body).encode()
        answer = requests.request(method, f"{self.host}/_sandbox/{path}", data=data, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer

    def fault(self, name: str, **fields: Any) -> None:
        body = {"fault": name, "system": "ifs", **fields}
        requests.post(f"{self.frame.address}/_sandbox/faults", json=body, timeout=10).raise_for_status()

    # Vouchers

    def open(self, company: str = "US10", **fields: Any) -> requests.Response:
        body = {
            "OpennedFrom": "NEW_VOUCHER",
            "Company": company,
            "VoucherDate": PAY_DAY,
            "FunctionGroup": "M",
            "VoucherText2": "Payroll 2026-10-31 to 2026-11-13",
            **fields,
        }
        return self.call("POST", f"{ASSISTANT}/VoucherSet", {n: v for n, v in body.items() if v is not ...})

    def header(self, company: str = "US10", **fields: Any) -> dict[str, Any]:
        answer = self.open(company, **fields)
        assert answer.status_code == 201, answer.text
        return dict(loads(answer.content))

    def row(
        self, objkey: str, account: str = "6000", debit: Any = None, credit: Any = None, **fields: Any
    ) -> dict[str, Any]:
        """The body of a row that is fine in company US10."""
        amounts = {}
        if debit is not None:
            amounts = {"CurrencyDebetAmount": debit, "DebetAmount": debit}
        if credit is not None:
            amounts |= {"CurrencyCreditAmount": credit, "CreditAmount": credit}
        body = {
            "ParentObjkey": objkey,
            "Company": "US10",
            "Account": account,
            "CurrencyCode": "USD",
            "CurrencyType": "1",
            "CurrencyRate": 1,
            "ConversionFactor": 1,
            "Correction": False,
            "AddInternal": False,
            "IntManualAdded": False,
            "Text": "Wages",
            "ReferenceSerie": "GUSTO",
            "ReferenceNumber": KEY,
            **amounts,
            **fields,
        }
        return {name: value for name, value in body.items() if value is not ...}

    def add_row(self, objkey: str, *arguments: Any, **fields: Any) -> dict[str, Any]:
        path = f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/VoucherPostingArray"
        answer = self.call("POST", path, self.row(objkey, *arguments, **fields))
        assert answer.status_code == 201, answer.text
        return dict(loads(answer.content))

    def patch(self, header: dict[str, Any], body: dict[str, Any], tag: str = "*") -> requests.Response:
        return self.call("PATCH", f"{ASSISTANT}/VoucherSet(Objkey='{header['Objkey']}')", body, If_Match=tag)

    def create(self, objkey: str, **headers: str) -> requests.Response:
        headers = {"If_Match": "*", **headers}
        return self.call("POST", f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/{CREATE}", {}, **headers)

    def voucher(self, amount: Any = Decimal("10.00"), company: str = "US10", **fields: Any) -> int:
        """A balanced voucher of two rows in the hold table."""
        objkey = self.header(company)["Objkey"]
        self.add_row(objkey, "6000", amount, Company=company, **fields)
        self.add_row(objkey, "2110", None, amount, Company=company, **fields)
        answer = self.create(objkey)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["value"])

    def refusal(self, header: dict[str, Any] | None = None, *rows: dict[str, Any], **fields: Any) -> str:
        """What CreateVoucher says of a voucher with a good row of 10.00 and one to its credit with `fields`.

        Proves that each step before was taken, and that nothing reached the books.
        """
        objkey = (header or self.header())["Objkey"]
        for row in rows:
            self.add_row(objkey, **row)
        if not rows:
            self.add_row(objkey, "6000", Decimal("10.00"))
            self.add_row(objkey, **{"account": "2110", "credit": Decimal("10.00"), **fields})
        before = self.sandbox.ledger_state()["vouchers"]
        answer = self.create(objkey)
        assert self.sandbox.ledger_state()["vouchers"] == before
        return database_error(answer)

    # Batches

    def batch(self, content: bytes, projection: str = ASSISTANT, **headers: str) -> requests.Response:
        kind = "multipart/mixed; boundary=batch_1"
        answer = self.call("POST", f"{projection}/$batch", content, Content_Type=kind, **headers)
        if answer.status_code < 300:
            # All lines of the frame end with CRLF; our JSON has no line ends of its own.
            assert b"\n" not in answer.content.replace(b"\r\n", b"")
        return answer


def database_error(answer: requests.Response | Part, status: int = 400) -> str:
    """`ORA-20110: Lu.CONST: text` of an accounting error."""
    assert (answer.status_code if isinstance(answer, requests.Response) else answer.status) == status
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("DATABASE_ERROR", "Database error occurred. Contact administrator.")
    (detail,) = error["details"]
    return str(detail["message"])


def constant_of(message: str) -> str:
    return message.split(": ")[1]


def code_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# Batches


def request_text(method: str, address: str, body: Any = None, **headers: str) -> str:
    lines = [f"{method} {address} HTTP/1.1", "Accept: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append("Content-Type: application/json")
    return CRLF.join([*lines, "", "" if body is None else dumps(body)])


def operation(text: str, content_id: str = "") -> str:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        head.append(f"Content-ID: {content_id}")
    return CRLF.join([*head, "", text])


def changeset(*texts: str, name: str = "changeset_1") -> str:
    parts = [f"--{name}{CRLF}{operation(text, str(place))}" for place, text in enumerate(texts, start=1)]
    return CRLF.join([f"Content-Type: multipart/mixed; boundary={name}", "", *parts, f"--{name}--"])


def batch_of(*parts: str) -> bytes:
    return CRLF.join([*(f"--batch_1{CRLF}{part}" for part in parts), "--batch_1--", ""]).encode()


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
            for one in pieces(rest, headers["content-type"].partition("boundary=")[2]):
                inner_head, _, inner_rest = one.partition(b"\r\n\r\n")
                found.append(part_of(headers_of(inner_head), inner_rest, changesets))
        else:
            found.append(part_of(headers, rest, 0))
    return found


def pieces(content: bytes, boundary: str) -> list[bytes]:
    begun, *rest = (b"\r\n" + content).split(b"\r\n--" + boundary.encode())
    assert begun == b""
    assert rest[-1].startswith(b"--")
    return [piece.removeprefix(b"\r\n") for piece in rest[:-1]]


def headers_of(head: bytes) -> dict[str, str]:
    pairs = (line.partition(": ") for line in head.decode().split(CRLF) if line)
    return {name.lower(): value for name, _, value in pairs}


def part_of(headers: dict[str, str], content: bytes, number: int) -> Part:
    assert headers["content-type"] == "application/http"
    status_line, _, rest = content.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    version, status, _ = status_line.decode().split(" ", 2)
    assert version == "HTTP/1.1"
    return Part(headers.get("content-id", ""), int(status), headers_of(head), body, number)


@contextmanager
def running(path: Any = ":memory:", **arguments: Any) -> Iterator[Cloud]:
    """A sandbox on a free port, in threads of this process."""
    arguments.setdefault("today", TODAY)
    store = Store(path)
    sandbox = IfsSandbox(store, **arguments)
    frame = Sandbox([sandbox])
    frame.start()
    cloud = Cloud(sandbox, frame)
    try:
        yield cloud
    finally:
        cloud.session.close()
        frame.stop()
        store.close()


def begun_anew(cloud: Cloud) -> Cloud:
    """A sandbox that a module shares, with the set-up, the settings and the books of the beginning."""
    cloud.frame.faults.clear()
    cloud.sandbox.reset()
    return cloud
