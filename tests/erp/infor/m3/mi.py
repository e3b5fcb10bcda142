"""A bare client of the M3 sandbox for tests: plain requests, no code of the connector."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import requests

from audit.sandbox import Fault, Sandbox, Store
from erp.infor.m3.sandbox import M3Sandbox
from erp.infor.sandbox import InforSandbox

TODAY = date(2026, 11, 20)
PAY_DAY = "20261113"
KEY = "K3Y0F0NEP0ST1NG"
COMPANY = "100"
#: (AIT1, AIT2, CUAM): two expenses by cost center and what is owed for them.
LINES = (("6000", "100", "8200.00"), ("6100", "100", "627.30"), ("2110", "", "-8827.30"))


@dataclass
class Mi:
    """Signed in once, on first use."""

    frame: Sandbox
    gateway: InforSandbox
    token: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def m3(self) -> M3Sandbox:
        found = self.gateway.suites["M3"]
        assert isinstance(found, M3Sandbox)
        return found

    @property
    def address(self) -> str:
        return f"{self.frame.address}/infor/{self.gateway.facts()['tenant']}/M3/m3api-rest/v2/execute"

    def headers(self) -> dict[str, str]:
        if not self.token:
            file = json.loads(self.gateway.ionapi())
            form = {"grant_type": "password", "username": file["saak"], "password": file["sask"]}
            address = file["pu"] + file["ot"]
            answer = self.session.post(address, data=form, auth=(file["ci"], file["cs"]), timeout=10)
            self.token = answer.json()["access_token"]
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}

    # Asking

    def get(self, program: str, transaction: str, **query: str) -> requests.Response:
        """`query`: fields of the transaction and parameters of the call."""
        address = f"{self.address}/{program}/{transaction}"
        return self.session.get(address, params=query, headers=self.headers(), timeout=10)

    def post(self, body: Any, **query: str) -> requests.Response:
        return self.session.post(self.address, json=body, params=query, headers=self.headers(), timeout=10)

    def bulk(
        self, program: str, transactions: Sequence[tuple[str, Mapping[str, str]]], **context: Any
    ) -> requests.Response:
        """`context`: cono, divi, lanc, ... of the body."""
        listed = [{"transaction": name, "record": dict(record)} for name, record in transactions]
        return self.post({"program": program, "cono": 100, "divi": "MIL", **context, "transactions": listed})

    def records(self, program: str, transaction: str, **query: str) -> list[dict[str, str]]:
        """Of one transaction that succeeds."""
        answer = self.get(program, transaction, **{"cono": COMPANY, "divi": "MIL", "maxrecs": "0", **query})
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        assert "errorCode" not in result, result
        found: list[dict[str, str]] = result["records"]
        return found

    def code(self, program: str, transaction: str, **query: str) -> tuple[str, str]:
        """Code and field of the refusal of one transaction."""
        answer = self.get(program, transaction, **{"cono": COMPANY, "divi": "MIL", "maxrecs": "0", **query})
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        return result.get("errorCode", ""), result.get("errorField", "")

    def select(self, query: str, *, headers: str = "0", **context: str) -> list[str]:
        """Lines of a question to EXPORTMI, in a session without division."""
        rows = self.records("EXPORTMI", "Select", QERY=query, SEPC=";", HDRS=headers, **{"divi": "", **context})
        return [row["REPL"] for row in rows]

    # A journal

    def head(self, **changed: str) -> tuple[str, dict[str, str]]:
        given = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY, "INTN": "PAYROLL", "DESC": "Payroll", **changed}
        return "AddBatchHead", {name: value for name, value in given.items() if value}

    def lines(self, lines: Sequence[tuple[str, str, str]] = LINES, **changed: str) -> list[tuple[str, dict[str, str]]]:
        found = []
        for number, (account, center, amount) in enumerate(lines, start=1):
            given = {
                "KEY1": KEY, "LINE": str(number), "INRI": "I1", "DIVI": "MIL", "GRNR": "1", "AIT1": account, "AIT2": center,
                "CUCD": "USD", "CUAM": amount, "ACDT": PAY_DAY, "VTXT": "Wages", "EXN1": "1", "EXI1": KEY, **changed,
            }  # fmt: skip
            found.append(("AddBatchLineFld", {name: value for name, value in given.items() if value}))
        return found

    def stage(self, lines: Sequence[tuple[str, str, str]] = LINES, **changed: str) -> dict[str, Any]:
        """Head and lines in one bulk; the answer."""
        answer = self.bulk("GLS840MI", [self.head(), *self.lines(lines, **changed)])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def batch(self, transaction: str, **changed: str) -> dict[str, Any]:
        """CtrlBatch or UpdBatch; the one result."""
        record = {"CONO": COMPANY, "DIVI": "MIL", "KEY1": KEY, **changed}
        answer = self.bulk("GLS840MI", [(transaction, record)])
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        found: dict[str, Any] = result
        return found

    # The far side

    def play(self, fault: str, **details: Any) -> None:
        self.frame.faults.add(Fault(fault, system="infor", **details))

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.frame.address}/infor/_sandbox/M3/{path}", json=body, timeout=10)

    def vouchers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.m3.ledger_state()["vouchers"]
        return found

    def staged(self) -> list[str]:
        """Numbers of the lines in the one batch."""
        (batch,) = self.m3.ledger_state()["batches"]
        return [line["LINE"] for line in batch["lines"]]


@contextmanager
def serving(folder: Path) -> Iterator[Mi]:
    store = Store(folder / "infor.sqlite")
    gateway = InforSandbox(store, today=TODAY)
    frame = Sandbox([gateway])
    frame.start()
    found = Mi(frame, gateway)
    yield found
    found.session.close()
    frame.stop()
    store.close()
