"""The gateway sandbox rule by rule: who gets through to a suite, policies, faults, and what it remembers."""

from __future__ import annotations

import base64
import json
import time

import pytest
import requests

from audit.sandbox import Sandbox, Store
from erp.infor.sandbox import InforSandbox
from erp.infor.sandbox_suite import SUITES, suite_class
from tests.erp.infor.conftest import TODAY, Ion, Ledger, until


def file_of(ion: Ion) -> dict[str, str]:
    return json.loads(ion.system.ionapi())


def ask(ion: Ion, path: str = "as/token.oauth2", *, basic: bool = True, **form: str) -> requests.Response:
    file = file_of(ion)
    given = {"grant_type": "password", "username": file["saak"], "password": file["sask"], **form}
    headers = {}
    if basic:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{file['ci']}:{file['cs']}".encode()).decode()
    return requests.post(f"{file['iu']}/{file['ti']}/{path}", data=given, headers=headers, timeout=10)


def call(ion: Ion, path: str, token: str, method: str = "GET", tenant: str = "", **more) -> requests.Response:
    file = file_of(ion)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{file['iu']}/{tenant or file['ti']}/{path}"
    return requests.request(method, address, headers=headers, timeout=10, allow_redirects=False, **more)


def control(ion: Ion, method: str, path: str, **more) -> requests.Response:
    return requests.request(method, f"{ion.server.address}/infor/_sandbox/{path}", timeout=10, **more)


@pytest.fixture
def token(ion) -> str:
    return ask(ion).json()["access_token"]


def test_every_suite_can_be_made(tmp_path):
    for name in SUITES:
        assert suite_class(name).name == name
    with pytest.raises(ValueError, match="there is no setting speed"):
        InforSandbox(Store(tmp_path / "x.sqlite"), settings={"speed": 1})


def test_a_token_comes_for_the_right_account_and_app(ion):
    answer = ask(ion)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 7200)
    file = file_of(ion)
    assert ask(ion, basic=False, client_id=file["ci"], client_secret=file["cs"]).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"password": "wrong"}, 400, "invalid_grant"),
        # What a client sends that forgets to encode the # of the access key.
        ({"username": "COBALT_TST"}, 400, "invalid_grant"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "none"}, 400, "invalid_grant"),
    ],
)
def test_what_is_refused(ion, form, status, error):
    answer = ask(ion, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}


def test_an_unknown_client_is_refused(ion):
    answer = ask(ion, basic=False, client_id="X~1", client_secret="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_refresh_token_serves_once_and_a_revoked_token_no_more(ion):
    ion.system.change_settings(issues_refresh_token=True)
    refresh = ask(ion).json()["refresh_token"]
    second = ask(ion, grant_type="refresh_token", refresh_token=refresh).json()["access_token"]
    assert ask(ion, grant_type="refresh_token", refresh_token=refresh).json()["error"] == "invalid_grant"
    assert call(ion, "LEDGER/entries", second).status_code == 200
    assert ask(ion, "as/revoke_token.oauth2", token=second, token_type_hint="access_token").status_code == 200
    assert call(ion, "LEDGER/entries", second).status_code == 401


def test_only_who_signed_in_gets_through(ion, token):
    assert call(ion, "LEDGER/entries", token).json() == {"entries": []}
    for wrong in ("", "x.y.z"):
        answer = call(ion, "LEDGER/entries", wrong)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    ion.system.sign_in.expire_all()
    assert call(ion, "LEDGER/entries", token).status_code == 401


def test_a_token_ends_after_its_life(ion):
    control(ion, "POST", "settings", json={"token_seconds": 0.2})
    short = ask(ion).json()
    assert short["expires_in"] == 0.2
    assert call(ion, "LEDGER/entries", short["access_token"]).status_code == 200
    time.sleep(0.25)
    assert call(ion, "LEDGER/entries", short["access_token"]).status_code == 401


def test_suites_that_are_not_there_or_not_allowed(ion, token):
    assert call(ion, "NOSUCH/entries", token).status_code == 404
    assert call(ion, "LEDGER/entries", token, tenant="OTHER_TST").status_code == 404
    ion.system.change_settings(denied_suites="LEDGER")
    assert call(ion, "LEDGER/entries", token).status_code == 403
    ion.system.change_settings(denied_suites="", absent_suites="LEDGER")
    assert call(ion, "LEDGER/entries", token).status_code == 404


def test_spike_arrest_and_quota_answer_429_without_doing_the_work(ion, token):
    ion.system.change_settings(requests_max=2, period_milliseconds=300)
    statuses = [call(ion, "LEDGER/entries", token, "POST", json={"amount": "1"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert len(ion.amounts()) == 2
    time.sleep(0.35)
    assert call(ion, "LEDGER/entries", token).status_code == 200
    ion.system.change_settings(requests_max=0, quota_allow=1, quota_seconds=30, sends_retry_after=True)
    answer = call(ion, "LEDGER/entries", token)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 30


def test_rate_smoothing_makes_requests_wait(ion, token):
    ion.system.change_settings(delay_after_count=1, delay_milliseconds=80, period_milliseconds=10_000)
    began = time.monotonic()
    for _ in range(3):
        assert call(ion, "LEDGER/entries", token).status_code == 200
    assert time.monotonic() - began >= 0.24


def test_a_fault_can_tell_what_a_request_is_about(ion, token):
    ion.play("status", path="LEDGER/entries/Add", status=500)
    assert call(ion, "LEDGER/entries", token).status_code == 200
    assert call(ion, "LEDGER/entries", token, "POST", json={"amount": "1"}).status_code == 500
    assert ion.amounts() == []
    assert until(lambda: ion.server.log[-1]["status"] == 500)
    noted = ion.server.log[-1]
    assert noted["path"].endswith("LEDGER/entries")
    assert noted["about"] == "/COBALT_TST/LEDGER/entries/Add"


def test_pages_in_place_of_answers(ion, token):
    ion.play("login_page", status=302)
    redirected = call(ion, "LEDGER/entries", token)
    assert (redirected.status_code, redirected.headers["Location"][-9:]) == (302, "/as/login")
    ion.play("login_page", status=200)
    shown = call(ion, "LEDGER/entries", token)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html")
    assert "Sign in" in shown.text


def test_a_suites_own_addresses_need_no_sign_in(ion, token):
    call(ion, "LEDGER/entries", token, "POST", json={"amount": "1"})
    assert control(ion, "GET", "LEDGER/count").json() == {"count": 1}
    # From outside they are not there.
    assert call(ion, "LEDGER/_sandbox/count", token).status_code == 404


def test_facts_and_a_reset(ion, token):
    facts = control(ion, "GET", "facts").json()
    assert facts["ledger_company"] == "100"
    assert json.loads(facts["ionapi"])["iu"] == f"{ion.server.address}/infor"
    control(ion, "POST", "settings", json={"token_seconds": 60.0})
    call(ion, "LEDGER/entries", token, "POST", json={"amount": "1"})
    assert control(ion, "POST", "reset").status_code == 204
    assert ion.amounts() == []
    assert control(ion, "GET", "settings").json()["token_seconds"] == 60.0
    assert control(ion, "POST", "reset", json={"everything": True}).status_code == 204
    assert control(ion, "GET", "settings").json()["token_seconds"] == 7200.0
    assert call(ion, "LEDGER/entries", token).status_code == 200


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"speed": 1}, "there is no setting speed"),
        ({"token_seconds": "1"}, "setting token_seconds must be float"),
        ({"token_seconds": -1}, "setting token_seconds must not be negative"),
        ({"expires_in": "never"}, "setting expires_in must be one of number, text, missing"),
    ],
)
def test_a_setting_that_cannot_be(ion, values, sentence):
    answer = control(ion, "POST", "settings", json=values)
    assert answer.status_code == 422
    assert sentence in answer.json()["error"]


def test_a_restart_keeps_settings_keys_and_tokens(ion, token, tmp_path):
    ion.system.change_settings(expires_in="text")
    before = file_of(ion)
    store = Store(tmp_path / "infor.sqlite")
    system = InforSandbox(store, today=TODAY)
    system.suites["LEDGER"] = Ledger(store)
    server = Sandbox([system])
    server.start()
    again = Ion(ion.tenant_id, server, system)
    after = file_of(again)
    assert [after[name] for name in ("ci", "cs", "saak", "sask")] == [
        before[name] for name in ("ci", "cs", "saak", "sask")
    ]
    assert system.settings.expires_in == "text"
    assert call(again, "LEDGER/entries", token).status_code == 200
    server.stop()
    store.close()
