"""Signing in to the Dynamics 365 sandbox: Entra's token addresses, their answers and their refusals."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from tests.erp.d365.dynamics import Dynamics, running


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


def refusal(answer: requests.Response) -> tuple[int, str, int]:
    body = answer.json()
    (code,) = body["error_codes"]
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert body["timestamp"]
    assert "trace_id" in body
    assert "correlation_id" in body
    assert "access_token" not in body
    return answer.status_code, body["error"], code


def test_v2_answers_numbers(d365):
    body = d365.ask_token().json()
    assert (body["token_type"], body["expires_in"], body["ext_expires_in"]) == ("Bearer", 3599, 3599)
    d365.control("POST", "settings", {"token_seconds": 60})
    assert d365.ask_token().json()["expires_in"] == 60


def test_v1_answers_texts_and_its_token_works(d365):
    answer = d365.ask_token(version="", resource=d365.environment)
    body = answer.json()
    assert (body["expires_in"], body["resource"]) == ("3599", d365.environment)
    assert isinstance(body["expires_on"], str)
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert requests.get(f"{d365.environment}/data/Companies", headers=headers, timeout=10).status_code == 200
    slash = d365.ask_token(version="", resource=d365.environment + "/").json()["access_token"]
    headers = {"Authorization": f"Bearer {slash}"}
    assert requests.get(f"{d365.environment}/data/Companies", headers=headers, timeout=10).status_code == 401


def test_each_mistake_has_its_code(d365):
    assert refusal(d365.ask_token(client_secret="wrong")) == (401, "invalid_client", 7000215)
    assert refusal(d365.ask_token(client_id="11111111-1111-1111-1111-111111111111")) == (
        400,
        "unauthorized_client",
        700016,
    )
    assert refusal(d365.ask_token(directory="22222222-2222-2222-2222-222222222222")) == (400, "invalid_request", 90002)
    for scope in (d365.environment, "openid", "/.default", f"{d365.environment}/.default offline_access"):
        assert refusal(d365.ask_token(scope=scope)) == (400, "invalid_scope", 70011), scope
    unknown = d365.ask_token(scope="https://elsewhere.operations.example/.default")
    assert refusal(unknown) == (400, "invalid_resource", 500011)
    assert refusal(d365.ask_token(grant_type="password")) == (400, "unsupported_grant_type", 70003)
    assert refusal(d365.ask_token(client_secret="")) == (400, "invalid_request", 900144)
    d365.control("POST", "settings", {"secret_expired": True})
    assert refusal(d365.ask_token()) == (401, "invalid_client", 7000222)
    assert refusal(d365.ask_token(client_secret="wrong")) == (401, "invalid_client", 7000215)


def test_the_secret_has_to_be_encoded(d365):
    """An unencoded "+" arrives as a blank: the wrong secret."""
    facts = d365.facts
    assert set("+/=") <= set(facts["client_secret"])
    address = f"{facts['authority']}/{facts['directory_id']}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def send(secret: str) -> requests.Response:
        form = f"grant_type=client_credentials&client_id={facts['client_id']}&client_secret={secret}"
        form += f"&scope={quote(d365.environment + '/.default', safe='')}"
        return requests.post(address, data=form, headers=headers, timeout=10)

    assert refusal(send(facts["client_secret"])) == (401, "invalid_client", 7000215)
    assert send(quote(facts["client_secret"], safe="")).status_code == 200


def test_only_a_form_is_understood(d365):
    facts = d365.facts
    address = f"{facts['authority']}/{facts['directory_id']}/oauth2/v2.0/token"
    body = {"grant_type": "client_credentials", "client_id": facts["client_id"], "scope": "x"}
    assert refusal(requests.post(address, json=body, timeout=10)) == (400, "invalid_request", 900144)
    assert requests.get(address, timeout=10).status_code == 404


def test_ids_and_secret_follow_from_the_seed(d365):
    with running(seed=7) as other, running(seed=7) as same:
        ids = ("client_id", "client_secret", "directory_id")
        assert [other.facts[name] for name in ids] == [same.facts[name] for name in ids]
        assert [other.facts[name] for name in ids] != [d365.facts[name] for name in ids]


def test_faults_of_the_frame_work_on_the_token_address(d365):
    d365.fault("status", path="/oauth2/", status=503)
    assert d365.ask_token().status_code == 503
    d365.fault("lost_answer", path="/oauth2/")
    with pytest.raises(requests.ConnectionError):
        d365.ask_token()
    assert d365.ask_token().status_code == 200
