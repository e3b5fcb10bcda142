"""OAuth of the Gusto sandbox over HTTP: what Gusto refuses, the sandbox refuses (gusto.md 2)."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.gusto.running_sandbox import CALLBACK, Running, running


@pytest.fixture(scope="module")
def gusto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gusto"), employees=3, history=0) as sandbox:
        yield sandbox


def authorize_form(gusto: Running, **changes: str) -> dict[str, str]:
    form = {
        "client_id": gusto.facts["client_id"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "s p&e=cial",
        "company_uuid": gusto.company,
    }
    return form | changes


def approve(gusto: Running, **changes: str) -> requests.Response:
    address = f"{gusto.address}/oauth/authorize"
    return gusto.http.post(address, data=authorize_form(gusto, **changes), allow_redirects=False, timeout=10)


def redirected(answer: requests.Response) -> dict[str, list[str]]:
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith(f"{CALLBACK}?")
    return parse_qs(urlsplit(location).query)


def new_code(gusto: Running) -> str:
    return redirected(approve(gusto))["code"][0]


def exchange(gusto: Running, code: str, **changes: str) -> requests.Response:
    return gusto.post_token(**({"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK} | changes))


def status_of(gusto: Running, token: str) -> int:
    return gusto.get(f"/v1/companies/{gusto.company}", token).status_code


def test_the_page_lists_the_companies_with_both_buttons(gusto):
    query = authorize_form(gusto)
    page = gusto.http.get(f"{gusto.address}/oauth/authorize", params=query, timeout=10)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    for company in gusto.facts["companies"]:
        assert company["uuid"] in page.text
    assert "Approve" in page.text
    assert "Deny" in page.text
    assert "s p&amp;e=cial" in page.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_id": "someone-else"}, 401),
        ({"redirect_uri": CALLBACK + "/"}, 400),
        ({"redirect_uri": "http://evil.example/"}, 400),
        ({"response_type": "token"}, 400),
    ],
)
def test_an_authorization_that_must_not_be_redirected(gusto, change, status):
    page = gusto.http.get(f"{gusto.address}/oauth/authorize", params=authorize_form(gusto, **change), timeout=10)
    assert page.status_code == status
    answer = approve(gusto, **change)
    assert answer.status_code == status
    assert "Location" not in answer.headers


def test_approval_gives_code_and_state_and_the_code_a_company(gusto):
    query = redirected(approve(gusto))
    assert query["state"] == ["s p&e=cial"]
    answer = exchange(gusto, query["code"][0])
    assert answer.status_code == 200
    pair = answer.json()
    assert pair["expires_in"] == 7200
    assert pair["token_type"].lower() == "bearer"
    assert "payrolls:read" in pair["scope"].split()
    who = gusto.get("/v1/token_info", pair["access_token"]).json()
    assert who["resource"] == {"type": "Company", "uuid": gusto.company}
    assert who["resource_owner"]["type"] == "CompanyAdmin"


def test_denial(gusto):
    assert redirected(approve(gusto, decision="deny")) == {"error": ["access_denied"], "state": ["s p&e=cial"]}


def test_a_code_works_once(gusto):
    code = new_code(gusto)
    assert exchange(gusto, code).status_code == 200
    again = exchange(gusto, code)
    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"


def test_a_code_lives_ten_minutes(gusto):
    code = new_code(gusto)
    gusto.control("clock", seconds=599)
    in_time = new_code(gusto)
    gusto.control("clock", seconds=2)
    assert exchange(gusto, code).json()["error"] == "invalid_grant"
    assert exchange(gusto, in_time).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"redirect_uri": "http://localhost:8000/gusto/callback"}, 400, "invalid_grant"),
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": "wröng"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"redirect_uri": ""}, 400, "invalid_request"),
    ],
)
def test_what_the_token_address_refuses(gusto, change, status, error):
    answer = exchange(gusto, **{"code": new_code(gusto)} | change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_secrets_in_the_url_and_forms_are_refused(gusto):
    client = {"client_id": gusto.facts["client_id"], "client_secret": gusto.facts["client_secret"]}
    body = client | {"grant_type": "system_access"}
    address = f"{gusto.address}/oauth/token"
    assert gusto.http.post(address, params=client, json=body, timeout=10).status_code == 400
    assert gusto.http.post(address, data=body, timeout=10).status_code == 400
    assert (
        gusto.http.post(address, data="{", headers={"Content-Type": "application/json"}, timeout=10).status_code == 400
    )
    assert gusto.http.post(address, json=body, timeout=10).status_code == 200


def test_refresh_rotates_and_the_old_pair_ends_when_the_new_one_is_used(gusto):
    first = exchange(gusto, new_code(gusto)).json()
    second = gusto.post_token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    # Not used yet: an answer that got lost can be asked for again.
    assert status_of(gusto, first["access_token"]) == 200
    assert gusto.post_token(grant_type="refresh_token", refresh_token=first["refresh_token"]).status_code == 200
    assert status_of(gusto, second["access_token"]) == 200
    assert status_of(gusto, first["access_token"]) == 401
    used_up = gusto.post_token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (used_up.status_code, used_up.json()["error"]) == (400, "invalid_grant")
    assert gusto.post_token(grant_type="refresh_token", refresh_token=second["refresh_token"]).status_code == 200


def test_the_first_use_counts_even_when_the_request_is_refused(gusto):
    first = exchange(gusto, new_code(gusto)).json()
    second = gusto.post_token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert gusto.get("/v1/companies/no-such-company", second["access_token"]).status_code == 404
    assert gusto.post_token(grant_type="refresh_token", refresh_token=first["refresh_token"]).status_code == 400


def test_an_access_token_lives_two_hours_and_its_refresh_token_longer(gusto):
    pair = exchange(gusto, new_code(gusto)).json()
    gusto.control("clock", seconds=7199)
    assert status_of(gusto, pair["access_token"]) == 200
    gusto.control("clock", seconds=2)
    expired = gusto.get(f"/v1/companies/{gusto.company}", pair["access_token"])
    assert expired.status_code == 401
    gusto.control("clock", seconds=90 * 86_400)
    assert gusto.post_token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).status_code == 200


def test_tokens_can_be_made_to_expire_and_to_live_shorter(gusto):
    pair = exchange(gusto, new_code(gusto)).json()
    assert gusto.control("expire_tokens", company_uuid=gusto.company).json()["expired"] >= 1
    assert status_of(gusto, pair["access_token"]) == 401
    assert gusto.control("settings", token_seconds=30).status_code == 200
    try:
        answer = gusto.post_token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
        assert answer["expires_in"] == 30
        gusto.control("clock", seconds=31)
        assert status_of(gusto, answer["access_token"]) == 401
    finally:
        gusto.control("settings", token_seconds=7200)


def test_a_system_token_has_no_refresh_token_and_no_company(gusto):
    answer = gusto.post_token(grant_type="system_access").json()
    assert answer["refresh_token"] is None
    who = gusto.get("/v1/token_info", answer["access_token"]).json()
    assert who["resource"]["type"] == "Oauth::Application"
    assert who["resource_owner"] is None
    assert status_of(gusto, answer["access_token"]) == 403
    assert gusto.get("/v1/events", gusto.company_token()).status_code == 403


def test_revoke_ends_the_whole_pair(gusto):
    pair = exchange(gusto, new_code(gusto)).json()
    client = {"client_id": gusto.facts["client_id"], "client_secret": gusto.facts["client_secret"]}
    address = f"{gusto.address}/oauth/revoke"
    assert gusto.http.post(address, json=client | {"token": pair["access_token"]}, timeout=10).status_code == 200
    assert status_of(gusto, pair["access_token"]) == 401
    assert gusto.post_token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).status_code == 400
    bad = client | {"client_secret": "wrong", "token": pair["access_token"]}
    assert gusto.http.post(address, json=bad, timeout=10).status_code == 401


def test_disconnect_needs_the_system_token_and_ends_the_grant(gusto):
    other = gusto.facts["companies"][1]["uuid"]
    token = gusto.system.connect(other)["access_token"]
    path = f"/v1/companies/{other}/disconnect_app_integration"
    assert gusto.call("POST", path, token).status_code == 403
    system = gusto.system_token()
    assert gusto.call("POST", path, system).status_code == 204
    assert gusto.get(f"/v1/companies/{other}", token).status_code == 401
    assert gusto.call("POST", path, system).status_code == 404
    assert gusto.call("POST", "/v1/companies/unknown/disconnect_app_integration", system).status_code == 404


def test_application_and_companies_survive_a_restart(tmp_path):
    with running(tmp_path, employees=2, companies=1, history=0) as first:
        facts, token = first.facts, first.company_token()
    with running(tmp_path, employees=9, companies=5) as second:
        assert {**second.facts, "address": "", "authorize_url": "", "token_url": ""} == {
            **facts,
            "address": "",
            "authorize_url": "",
            "token_url": "",
        }
        assert status_of(second, token) == 200
