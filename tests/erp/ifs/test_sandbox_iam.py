"""Signing in to the IFS Cloud sandbox: realm, client credentials, tokens of three minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from erp.ifs.sandbox_iam import CLIENT_ID
from tests.erp.ifs.cloud import ASSISTANT, Cloud, begun_anew, running

COMPANIES = "CompaniesHandling/CompanySet?$top=10"


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def test_a_token_is_needed_and_lives_for_its_time(ifs):
    token = ifs.ask_token().json()
    assert (token["token_type"], token["expires_in"], token["refresh_expires_in"]) == ("Bearer", 180, 1800)
    good = f"Bearer {token['access_token']}"
    assert ifs.call("GET", COMPANIES, Authorization=good).status_code == 200
    for bad in ("", "Bearer x", f"Basic {token['access_token']}", f"bearer {token['access_token']}",
                f"Bearer {token['id_token']}", f"Bearer {token['refresh_token']}"):  # fmt: skip
        answer = ifs.call("GET", COMPANIES, Authorization=bad)
        assert (answer.status_code, answer.text, answer.headers["WWW-Authenticate"]) == (401, "", "Bearer")
    # Whatever the address: the token comes first.
    assert ifs.call("GET", "Nothing/Set", Authorization="Bearer x").status_code == 401


def test_a_short_life(ifs):
    ifs.sandbox.change_settings(token_seconds=1)
    headers = {"Authorization": f"Bearer {ifs.ask_token().json()['access_token']}"}
    assert ifs.call("GET", COMPANIES, **headers).status_code == 200
    time.sleep(1.05)
    assert ifs.call("GET", COMPANIES, **headers).status_code == 401
    kept = ifs.sandbox.store.count("token")
    ifs.ask_token()
    assert ifs.sandbox.store.count("token") <= kept, "dead tokens are thrown away when a new one is issued"
    objkey = ifs.header()["Objkey"]
    assert ifs.call("POST", f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/x", {}, **headers).status_code == 401


def test_tokens_can_be_ended(ifs):
    assert ifs.call("GET", COMPANIES).status_code == 200
    ifs.control("POST", "expire-tokens")
    assert ifs.call("GET", COMPANIES).status_code == 401
    ifs.sign_in()
    assert ifs.call("GET", COMPANIES).status_code == 200


def test_the_realm_is_not_the_name_of_the_host(ifs):
    realm = ifs.sandbox.facts()["realm"]
    assert realm not in ifs.host
    answer = ifs.ask_token(realm="127")
    assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})
    address = f"{ifs.host}/auth/realms/{{}}/.well-known/openid-configuration"
    assert requests.get(address.format("127"), timeout=10).status_code == 404
    document = requests.get(address.format(realm), timeout=10).json()
    assert document["issuer"] == f"{ifs.host}/auth/realms/{realm}"
    assert document["token_endpoint"] == f"{document['issuer']}/protocol/openid-connect/token"
    assert "client_credentials" in document["grant_types_supported"]
    facts = ifs.sandbox.facts()
    form = {
        "grant_type": "client_credentials",
        "client_id": facts["client_id"],
        "client_secret": facts["client_secret"],
    }
    assert requests.post(document["token_endpoint"], data=form, timeout=10).status_code == 200


def test_the_scope_may_be_left_out(ifs):
    token = ifs.ask_token(scope="").json()
    assert "id_token" not in token
    answer = ifs.call("GET", COMPANIES, Authorization=f"Bearer {token['access_token']}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "OTHER"}, 400, "unauthorized_client"),
        ({"client_secret": "wrong"}, 400, "unauthorized_client"),
        ({"client_secret": ""}, 400, "unauthorized_client"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "everything"}, 400, "invalid_scope"),
    ],
)
def test_refusals(ifs, form, status, error):
    answer = ifs.ask_token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "error_description" in answer.json()


def test_a_client_that_was_switched_off(ifs):
    ifs.sandbox.change_settings(client_enabled=False, iam_refusal_status=401)
    answer = ifs.ask_token()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_only_a_form_is_taken(ifs):
    facts = ifs.sandbox.facts()
    address = f"{ifs.host}/auth/realms/{facts['realm']}/protocol/openid-connect/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": facts["client_id"],
        "client_secret": facts["client_secret"],
    }
    assert requests.post(address, json=form, timeout=10).status_code == 415
    # The secret holds what breaks a form that is not encoded.
    broken = "&".join(f"{name}={value}" for name, value in form.items())
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(address, data=broken, headers=kind, timeout=10).status_code == 400


def test_secret_and_tokens_survive_a_restart(tmp_path):
    with running(tmp_path / "ifs.sqlite", seed=5) as first:
        secret = first.sandbox.facts()["client_secret"]
        headers = dict(first.sign_in())
        first.voucher()
        first.control("POST", "settings", {"language": "de"})
    with running(tmp_path / "ifs.sqlite", seed=5) as second:
        assert second.sandbox.facts()["client_secret"] == secret
        assert second.call("GET", COMPANIES, **headers).status_code == 200
        assert len(second.sandbox.ledger_state()["vouchers"]) == 1
        assert second.sandbox.settings.language == "de"
    with running(seed=6) as other:
        assert other.sandbox.facts()["client_secret"] != secret


def test_the_client_id_is_one_that_iam_takes():
    assert len(CLIENT_ID) <= 20
