"""The demo, as everybody meets it first: from nothing to journals in the ledger, with an exit code that is true."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from connector_site import demo_ledger
from connector_site.demo_ledger import HeldJournal, HeldLine
from erp.models import Posting
from tests.connector_site.conftest import ROOT, free_port, line_of, wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for a demo of its own, which PostgreSQL's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="mlc-demo-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def environment(folder: Path) -> dict[str, str]:
    """A shell on a fresh machine, with a few variables of another installation that a demo must not touch."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    other = {
        "DATABASE_URL": "postgresql://mlc@production.example.com/mlc",
        "SECRET_KEY": "the key of another installation, long enough",
        "MLC_PUBLIC_URL": "https://payroll.example.com",
    }
    return {**kept, **other, "MLC_DATA": str(folder)}


def demo(folder: Path, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--employees", "3", *argv],
        cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def test_once_ends_with_zero_and_shows_every_journal(folder):
    process = demo(folder, "--once", "--port", str(free_port()))
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    for words in (
        "olivia connected Harbor Lantern Foods Inc to Gusto company",
        "The signed webhooks arrived.",
        "anna approved journal",
        "Verified at the ledgers: 6 journals, each exactly once",
        "Payroll clearing, Gusto",
        # Departments, locations and two company codes of one payroll, and every ERP.
        "Harbor Lantern Foods Inc, Dynamics 365, company code us01",
        "Harbor Lantern Foods Inc, Dynamics 365, company code us02",
        "Cobalt Ridge Mills Inc, IFS Cloud, company code US10",
        "Department 030, CostCenter 110",
        "CostCenter 110, Department 030",
        "Cobalt Ridge Haulage LLC, Infor M3, company code HAU",
        "Harbor Foods West LLC, Infor FSM, company code 200",
        "Location SEA, CostCenter 100",
        "olivia ", "pete ", "anna ",
    ):  # fmt: skip
        assert words in output
    totals = re.findall(r"Total +([\d,.]+) +([\d,.]+)", output)
    assert len(totals) == 6
    assert all(debit == credit for debit, credit in totals)
    numbers = set(re.findall(r"Document number ([^,]+), posting key", output))
    assert len(numbers) == 6
    assert "Traceback" not in output
    # Whoever looks afterwards finds the same.
    look = subprocess.run(
        [sys.executable, "manage.py", "status", "--json"],
        cwd=ROOT, env={**environment(folder), "MLC_DEMO": "1"}, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    postings = json.loads(look.stdout)["postings"]
    assert {row["document_number"] for row in postings} == numbers
    assert {row["state"] for row in postings} == {"posted"}


def test_without_once_one_journal_waits_and_ctrl_c_ends_everything(folder):
    port = free_port()
    process = demo(folder, "--port", str(port))
    output = ""
    while "Everything runs until Ctrl-C." not in output:
        line = line_of(process)
        assert line, output
        output += line
    assert "waits for an approver: sign in as anna" in output
    assert "Verified at the ledgers: 5 journals, each exactly once" in output
    console = f"http://127.0.0.1:{port}/console/"
    assert requests.get(console, timeout=10).status_code == 200
    (sandbox,) = re.findall(r"Sandbox +(\S+)/gusto/", output)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    for address in (console, sandbox):
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=5)


def test_a_port_in_use_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = demo(folder, "--once", "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Choose another --port." in output
    assert "Traceback" not in output


def test_a_demo_that_cannot_reach_its_end_says_so_and_ends_with_one(folder):
    """The sandbox is killed for good before the payrolls are processed."""
    process = demo(folder, "--once", "--port", str(free_port()))
    output = ""
    while "The sandbox stands in" not in output:
        line = line_of(process)
        assert line, output
        output += line
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (sandbox,) = [
        int(child) for child in children if b"sandbox" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    ]
    os.kill(sandbox, signal.SIGSTOP)
    rest, _ = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "CommandError" in rest
    assert "Logs are in" in rest
    assert "Traceback" not in rest
    wait_until(lambda: not Path(f"/proc/{sandbox}").exists(), "the end of the sandbox", 5)


# --- what "exactly once" means ---------------------------------------------------------------------------------------


def posting(key: str = "ABC", state: str = "posted") -> Posting:
    return Posting(
        posting_key=key, state=state, line_count=2, debit=Decimal("10.50"), credit=Decimal("10.50"), company_code="us01"
    )


def held(key: str = "ABC", *, is_posted: bool = True, amount: str = "10.5", lines: int = 2) -> HeldJournal:
    zero = Decimal(0)
    rows = [HeldLine("6000", "", Decimal(amount), zero), HeldLine("2110", "", zero, Decimal("10.5"))]
    return HeldJournal(key, is_posted, tuple(rows[:lines]))


def test_the_ledger_holds_exactly_what_it_should():
    assert demo_ledger.faults([held()], [posting()]) == []
    assert demo_ledger.faults([], [posting(state="allocated"), posting("X", "voided")]) == []


@pytest.mark.parametrize(
    ("journals", "sentence"),
    [
        ([], "does not hold ABC"),
        ([held(), held()], "in 2 journals instead of one"),
        ([held(is_posted=False)], "but not posted"),
        ([held(lines=1)], "with other figures"),
        ([held(amount="10.51")], "with other figures"),
        ([held(), held("XYZ")], "XYZ, which nobody here knows"),
    ],
)
def test_anything_else_is_a_fault(journals, sentence):
    (found,) = demo_ledger.faults(journals, [posting()])
    assert sentence in found


def test_what_was_not_sent_must_not_be_there():
    (found,) = demo_ledger.faults([held()], [posting(state="allocated")])
    assert "although it is allocated" in found
