"""`manage.py sandbox`: stands in for the outside without anything of the product, and keeps what it is told to keep."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from connector_site import sandbox_urls
from erp.connector import CONNECTORS
from tests.connector_site.conftest import ROOT, line_of

#: A machine on which nothing of the product is set up.
BARE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def start(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *argv],
        cwd=ROOT, env=BARE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def running(*argv: str) -> Iterator[dict[str, Any]]:
    """The facts that it prints, while it runs; it ends with 0 on Ctrl-C."""
    process = start("--port", "0", "--json", "--employees", "2", *argv)
    try:
        line = line_of(process)
        assert line, process.communicate()[1]
        yield json.loads(line)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.communicate()


def test_every_erp_and_gusto_have_a_sandbox_and_every_sandbox_is_served():
    written = {folder.parent.name for folder in (ROOT / "erp").glob("*/sandbox.py")}
    assert set(sandbox_urls.SYSTEMS) == {"gusto", *written}
    # The products of Infor stand behind one gateway.
    assert {name.partition("_")[0] for name in CONNECTORS} <= written


def test_what_it_prints_is_enough_to_sign_in():
    with running() as facts:
        gusto, d365 = facts["gusto"], facts["d365"]
        assert len(gusto["companies"]) == 2
        for company in gusto["companies"]:
            answer = requests.get(
                f"{gusto['address']}/v1/companies/{company['uuid']}",
                headers={
                    "Authorization": f"Bearer {company['access_token']}",
                    "X-Gusto-API-Version": gusto["api_version"],
                },
                timeout=10,
            )
            assert answer.json()["uuid"] == company["uuid"]
        refreshed = requests.post(
            gusto["token_url"],
            json={
                "grant_type": "refresh_token",
                "client_id": gusto["client_id"],
                "client_secret": gusto["client_secret"],
                "refresh_token": gusto["companies"][0]["refresh_token"],
            },
            timeout=10,
        )
        assert refreshed.status_code == 200
        token = requests.post(
            f"{d365['authority']}/{d365['directory_id']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": d365["client_id"],
                "client_secret": d365["client_secret"],
                "scope": f"{d365['environment']}/.default",
            },
            timeout=10,
        ).json()["access_token"]
        answer = requests.get(
            f"{d365['environment']}/data/LegalEntities", headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        assert {row["LegalEntityId"].lower() for row in answer.json()["value"]} >= {"us01", "us02"}
        file = json.loads(facts["infor"]["ionapi"])
        form = {"grant_type": "password", "username": file["saak"], "password": file["sask"]}
        signed_in = requests.post(file["pu"] + file["ot"], data=form, auth=(file["ci"], file["cs"]), timeout=10)
        assert signed_in.json()["token_type"] == "Bearer"
        assert requests.get(f"{facts['control']}/health", timeout=10).json()["systems"] == sorted(sandbox_urls.SYSTEMS)


def test_what_is_kept_in_a_folder_survives_a_kill(tmp_path):
    process = start("--port", "0", "--json", "--employees", "2", "--data", str(tmp_path / "box"))
    first = json.loads(line_of(process))
    company = first["gusto"]["companies"][0]["uuid"]
    made = requests.post(f"{first['gusto']['address']}/_sandbox/companies/{company}/payrolls", timeout=30)
    assert made.status_code == 201
    process.kill()
    process.communicate()
    with running("--data", str(tmp_path / "box")) as second:
        assert second["gusto"]["client_secret"] == first["gusto"]["client_secret"]
        assert second["d365"]["client_secret"] == first["d365"]["client_secret"]
        companies = requests.get(f"{second['gusto']['address']}/_sandbox/companies", timeout=10).json()
        payrolls = [row["payroll_uuid"] for row in companies[0]["payrolls"]]
        assert made.json()["payroll_uuid"] in payrolls


def test_the_same_seed_makes_the_same_companies():
    with running("--seed", "5") as one, running("--seed", "5") as two, running("--seed", "6") as other:
        names = [[row["uuid"] for row in facts["gusto"]["companies"]] for facts in (one, two, other)]
    assert names[0] == names[1] != names[2]


def test_without_grants_no_company_is_connected():
    with running("--without-grants") as facts:
        assert "access_token" not in facts["gusto"]["companies"][0]
        companies = requests.get(f"{facts['gusto']['address']}/_sandbox/companies", timeout=10).json()
        assert not any(row["is_connected"] for row in companies)


def test_the_callback_follows_the_public_address():
    with running("--public-url", "https://payroll.example.com/") as facts:
        assert facts["gusto"]["redirect_uris"] == ["https://payroll.example.com/gusto/callback"]


def test_for_people_it_prints_names_and_values():
    process = start("--port", "0", "--employees", "2")
    lines = [line_of(process) for _ in range(24)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    text = "".join(lines)
    assert text.startswith("The sandbox serves at http://127.0.0.1:")
    for word in ("gusto\n", "d365\n", "client_secret", "refresh_token", "companies"):
        assert word in text


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--employees", "0"], "--employees is from 1 to 10000"),
        (["--companies", "101"], "--companies from 1 to 100"),
        (["--port", "many"], "invalid int value"),
        (["--data", "/proc/nowhere"], "The sandbox does not start"),
    ],
)
def test_a_wrong_argument_is_named(argv, sentence):
    process = start(*argv)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "Choose another --port or --data." in errors
