"""Signing in with IFS IAM and asking IFS Cloud: tokens, realms, refusals, pages, answers that are no answers."""

from __future__ import annotations

import time

import pytest
from django.db import connection as database

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.models import Exchange
from erp.ifs.client import IfsClient, Query
from erp.ifs.names import COMPANY, HELD_ROW
from erp.ifs.refusals import Missing
from tenants.scope import tenant_scope
from tests.erp.ifs.conftest import BATCH, CREATE, PROJECTION, Cloud, Kept, payroll

COMPANIES = Query(COMPANY)
DISCOVERY, TOKEN = "openid-configuration", "openid-connect/token"
COMPANY_SET = "CompaniesHandling.svc/CompanySet"


def client_of(cloud: Cloud, **changed: str) -> IfsClient:
    return cloud.connector(is_warm=False, **changed)._client


def asked(cloud: Cloud, what: str) -> int:
    with tenant_scope(cloud.tenant_id):
        return Exchange.objects.filter(path__contains=what).count()


def test_one_token_serves_all_clients_of_a_connection(cloud):
    client_of(cloud).sign_in()
    before = asked(cloud, TOKEN)
    for _ in range(3):
        client_of(cloud).rows(COMPANIES)
    assert asked(cloud, TOKEN) == before


def test_another_secret_is_another_token(cloud):
    client_of(cloud).rows(COMPANIES)
    with pytest.raises(Misconfigured):
        client_of(cloud, client_secret="wrong").rows(COMPANIES)
    client_of(cloud).rows(COMPANIES)


def test_a_token_is_renewed_before_it_ends(cloud):
    cloud.system.change_settings(token_seconds=1)
    client = client_of(cloud, scope="openid")
    for _ in range(2):
        client.rows(COMPANIES)
    assert asked(cloud, TOKEN) == 1
    time.sleep(0.6)
    client.rows(COMPANIES)
    assert asked(cloud, TOKEN) == 2
    # Where tokens come from is asked once.
    assert asked(cloud, DISCOVERY) == 1


def test_a_refused_token_is_renewed_once(cloud):
    client = client_of(cloud)
    client.rows(COMPANIES)
    before = asked(cloud, TOKEN)
    cloud.system.expire_tokens()
    cloud.requests()
    client.rows(COMPANIES)
    assert cloud.requests() == [f"GET /{COMPANY_SET}"] * 2
    assert asked(cloud, TOKEN) == before + 1


def test_a_token_that_is_refused_again_is_a_setting_to_repair(cloud):
    client = client_of(cloud)
    cloud.play("status", path=COMPANY_SET, status=401, times=2)
    with pytest.raises(Misconfigured, match="does not accept this sign-in") as refused:
        client.rows(COMPANIES)
    assert "ML_CONNECTOR" in refused.value.sentence
    assert len(cloud.requests()) == 2


# IFS IAM


def test_the_realm_is_not_the_name_of_the_host(cloud):
    with pytest.raises(Misconfigured, match="has no realm cobalt") as refused:
        client_of(cloud, realm="cobalt").sign_in()
    assert "Realm does not exist" in refused.value.sentence
    assert refused.value.page == "connection"


def test_an_address_for_tokens_needs_no_discovery(cloud):
    facts = cloud.system.facts()
    address = f"{facts['address']}/auth/realms/{facts['realm']}/protocol/openid-connect/token"
    client_of(cloud, token_address=address, realm="whatever").rows(COMPANIES)
    assert asked(cloud, DISCOVERY) == 0
    wrong = address.replace(facts["realm"], "nosuch")
    with pytest.raises(Misconfigured, match="Address for tokens"):
        client_of(cloud, token_address=wrong).sign_in()


def test_a_discovery_that_is_hidden_leads_to_the_documented_address(cloud):
    cloud.play("status", path=DISCOVERY, status=403, body={"error": "forbidden"})
    client = client_of(cloud)
    client.sign_in()
    assert client.rows(COMPANIES)


def test_an_iam_of_its_own_is_asked_there(cloud):
    address = cloud.system.facts()["address"]
    client_of(cloud, iam_address=address.replace("127.0.0.1", "localhost")).sign_in()
    with pytest.raises(Misconfigured, match="/ifs/nothing has no realm"):
        client_of(cloud, iam_address=f"{address}/nothing").sign_in()


def test_the_secret_is_never_sent_where_a_discovery_points(cloud):
    for endpoint in ("https://evil.example.com/token", "", "ftp://127.0.0.1/token"):
        cloud.play("status", path=DISCOVERY, status=200, body={"token_endpoint": endpoint})
        with pytest.raises(Misconfigured, match="Address of IFS IAM"):
            client_of(cloud).sign_in()
    assert asked(cloud, "/token") == 0


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_secret_and_a_switched_off_client_are_said(cloud, status):
    cloud.system.change_settings(iam_refusal_status=status)
    with pytest.raises(Misconfigured, match="Invalid client or Invalid client credentials") as refused:
        client_of(cloud, client_secret="topsecret").sign_in()
    assert refused.value.sentence.startswith("The client id ML_CONNECTOR or its secret is wrong")
    assert "topsecret" not in refused.value.sentence
    cloud.system.change_settings(client_enabled=False)
    with pytest.raises(Misconfigured, match="switched off"):
        client_of(cloud).sign_in()


def test_a_scope_that_is_not_offered_can_be_left_out(cloud):
    with pytest.raises(Misconfigured, match="Change “Scope”"):
        client_of(cloud, scope="openid nosuch").sign_in()
    client = client_of(cloud, scope="none")
    client.sign_in()
    assert client.rows(COMPANIES)


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
def test_an_iam_that_cannot_answer_now_is_asked_again(cloud, path):
    client = client_of(cloud)
    for fault in (
        {"fault": "status", "status": 503},
        {"fault": "html", "status": 502},
        {"fault": "lost_answer"},
        {"fault": "html", "status": 403},
        {"fault": "status", "status": 429, "headers": {"Retry-After": "3"}},
    ):
        cloud.play(path=path, **fault)
        with pytest.raises(TemporaryFailure):
            client.sign_in()
    client.sign_in()


@pytest.mark.parametrize("body", [{"token_type": "Bearer"}, {"access_token": "x", "expires_in": "soon"}])
def test_an_answer_without_a_token_is_asked_for_again(cloud, body):
    cloud.play("status", path=TOKEN, status=200, body=body)
    with pytest.raises(TemporaryFailure, match="without a token"):
        client_of(cloud).sign_in()


def test_an_error_that_no_table_knows_still_shows_the_words(cloud):
    client = client_of(cloud)
    cloud.play(
        "status", path=TOKEN, status=400, body={"error": "invalid_grant", "error_description": "Account disabled"}
    )
    with pytest.raises(Misconfigured, match="Account disabled"):
        client.sign_in()
    cloud.play("status", path=TOKEN, status=400, body={"error": "temporarily_unavailable"})
    with pytest.raises(TemporaryFailure):
        client.sign_in()


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_at_the_address_is_a_setting_to_repair(cloud, path, status):
    cloud.play("html", path=path, status=status)
    with pytest.raises(Misconfigured, match="Check the IFS Cloud address") as refused:
        client_of(cloud).sign_in()
    assert refused.value.page == "connection"


def test_no_secret_and_no_token_is_kept_in_an_exchange(cloud):
    connector = cloud.connector()
    connector._client.sign_in()
    connector.post_journal(payroll(4), Kept().progress())
    with database.cursor() as cursor, tenant_scope(cloud.tenant_id):
        cursor.execute("SELECT string_agg(audit_exchange::text, ' ') FROM audit_exchange")
        (text,) = cursor.fetchone()
    assert "/openid-connect/token" in text
    assert cloud.system.iam.client_secret[:12] not in text
    assert "eyJ" not in text
    assert "VoucherPostingArray" in text


def test_writes_are_recorded_as_writes(cloud):
    connector = cloud.connector()
    connector.find_journal(payroll(4), Kept().progress())
    connector.post_journal(payroll(4), Kept().progress())
    with tenant_scope(cloud.tenant_id):
        rows = Exchange.objects.filter(path__contains=PROJECTION).order_by("id")
        assert [row.is_write for row in rows] == [False, True, True, False]


# Reading


@pytest.mark.parametrize("paging", [{}, {"top_is_page": False}, {"relative_next_link": True}])
@pytest.mark.parametrize("size", ["10", "1000"])
def test_pages_are_followed(cloud, paging, size):
    cloud.system.change_settings(page_size=7, **paging)
    from_accounts = Query(HELD_ROW)
    cloud.connector().post_journal(payroll(40), Kept().progress())
    rows = client_of(cloud, page_size=size).rows(from_accounts)
    assert len({row["RowNo"] for row in rows}) == len(rows) == 40


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/x/CompaniesHandling.svc/CompanySet", "../VoucherHandling.svc/VoucherSet"]
)
def test_a_page_elsewhere_is_never_asked_for(cloud, link):
    client = client_of(cloud)
    cloud.play("status", path=COMPANY_SET, status=200, body={"value": [], "@odata.nextLink": link})
    with pytest.raises(Misconfigured, match="sent us on to"):
        client.rows(COMPANIES)


@pytest.mark.parametrize("body", [{"value": "nothing"}, ["x"], {}])
def test_an_answer_that_is_none_is_temporary(cloud, body):
    client = client_of(cloud)
    cloud.play("status", path=COMPANY_SET, status=200, body=body)
    with pytest.raises(TemporaryFailure):
        client.rows(COMPANIES)


def test_a_web_page_instead_of_data_is_a_setting_to_repair(cloud):
    client = client_of(cloud)
    for status in (200, 404):
        cloud.play("html", path=COMPANY_SET, status=status)
        with pytest.raises(Misconfigured, match="A web page came"):
            client.rows(COMPANIES)
    cloud.play("html", path=COMPANY_SET, status=503)
    with pytest.raises(TemporaryFailure):
        client.rows(COMPANIES)


@pytest.mark.parametrize("uses_batch", ["yes", "no"])
def test_several_reads_answer_each_for_itself(cloud, uses_batch):
    client = client_of(cloud, uses_batch=uses_batch)
    wrong = Query(COMPANY, where="NoSuchField eq 1")
    first, second, third = client.read_many([COMPANIES, wrong, COMPANIES])
    assert isinstance(first, list)
    assert isinstance(second, Misconfigured)
    assert first == third
    one, two, three = client_of(cloud, uses_batch=uses_batch, changeset_size="2").read_many([COMPANIES] * 3)
    assert one == two == three == first


def test_a_batch_of_reads_that_is_none_is_temporary(cloud):
    client = client_of(cloud)
    path = r"CompaniesHandling\.svc/\$batch"
    cloud.play("status", path=path, status=200, body={"value": []})
    with pytest.raises(TemporaryFailure):
        client.read_many([COMPANIES, COMPANIES])
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    cloud.play("status", path=path, status=200, body="--b--\r\n", headers=headers)
    with pytest.raises(TemporaryFailure, match="without an answer"):
        client.read_many([COMPANIES, COMPANIES])


def test_a_changeset_that_is_answered_without_its_parts_is_unknown(cloud):
    connector, kept = cloud.connector(), Kept()
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    cloud.play("status", path=BATCH, status=200, body="--b--\r\n", headers=headers)
    with pytest.raises(OutcomeUnknown, match="answered 0 of 6 parts"):
        connector.post_journal(payroll(4), kept.progress())


@pytest.mark.parametrize("body", [{}, {"value": "x"}, [], "nothing"])
def test_a_number_that_cannot_be_read_is_read_back(cloud, body):
    journal, kept = payroll(4), Kept()
    cloud.play("status_after", path=CREATE, status=200, body=body)
    receipt = cloud.connector(uses_batch="no").post_journal(journal, kept.progress())
    there = cloud.holds(journal)
    assert receipt.document_number == kept.values["number"] == f"P {there['VoucherNo']} (2026)"


def test_a_header_without_its_key_is_begun_anew(cloud):
    kept = Kept()
    cloud.play("status", path="VoucherSet$", status=201, body={"Company": "US10"})
    with pytest.raises(TemporaryFailure, match="without its key"):
        cloud.connector().post_journal(payroll(4), kept.progress())
    assert kept.values == {}


def test_a_missing_projection_and_a_missing_right_are_told_from_a_fault(cloud):
    client = client_of(cloud)
    cloud.system.change_settings(denied_projections="CompaniesHandling", ungranted_status=404)
    with pytest.raises(Missing, match="CompaniesHandling"):
        client.rows(COMPANIES)
    cloud.system.change_settings(ungranted_status=403)
    with pytest.raises(Misconfigured, match="permission set"):
        client.rows(COMPANIES)
    cloud.system.change_settings(denied_projections="")
    cloud.play("illegal_state", path=COMPANY_SET)
    with pytest.raises(Rejected):
        client.rows(COMPANIES)


def test_no_cookie_is_kept(cloud):
    """With a cookie session, IFS wants an anti-forgery token for each write."""
    cloud.system.change_settings(sets_cookie=True)
    journal = payroll(4)
    cloud.connector(uses_batch="no").post_journal(journal, Kept().progress())
    cloud.holds(journal)


def test_slow_down_is_heard(cloud):
    client = client_of(cloud)
    for status in (429, 503):
        cloud.play("status", path=COMPANY_SET, status=status, headers={"Retry-After": "7"})
        with pytest.raises(TemporaryFailure) as wait:
            client.rows(COMPANIES)
        assert wait.value.retry_after_seconds == 7
