"""Signing in and asking: tokens, refusals of Entra and of Dynamics, pages, answers that are no answers."""

from __future__ import annotations

import time

import pytest
from django.db import connection as database

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.models import Exchange
from erp.d365.client import Query
from erp.d365.refusals import EntityMissing
from tenants.scope import tenant_scope
from tests.erp.d365.conftest import Environment, Kept, payroll

LEGAL_ENTITIES = Query("LegalEntities", select=("LegalEntityId",))


def client_of(dynamics: Environment, **changed: str):
    return dynamics.connector(is_warm=False, **changed)._client


def sign_ins(dynamics: Environment) -> int:
    with tenant_scope(dynamics.tenant_id):
        return Exchange.objects.filter(path__contains="/oauth2/").count()


def test_one_token_serves_all_clients_of_a_connection(dynamics):
    dynamics.system.expire_tokens()
    for _ in range(3):
        client_of(dynamics).rows(LEGAL_ENTITIES)
    assert sign_ins(dynamics) == 1


def test_another_secret_is_another_token(dynamics):
    client_of(dynamics).rows(LEGAL_ENTITIES)
    with pytest.raises(Misconfigured):
        client_of(dynamics, client_secret="wrong").rows(LEGAL_ENTITIES)
    client_of(dynamics).rows(LEGAL_ENTITIES)


def test_a_token_is_renewed_before_it_ends(dynamics):
    dynamics.system.change_settings(token_seconds=1)
    client = client_of(dynamics, client_id=dynamics.system.entra.client_id.upper())
    for _ in range(2):
        client.rows(LEGAL_ENTITIES)
    assert sign_ins(dynamics) == 1
    time.sleep(0.6)
    client.rows(LEGAL_ENTITIES)
    assert sign_ins(dynamics) == 2


def test_a_refused_token_is_renewed_once(dynamics):
    client = client_of(dynamics)
    client.rows(LEGAL_ENTITIES)
    before = sign_ins(dynamics)
    dynamics.system.expire_tokens()
    dynamics.requests()
    client.rows(LEGAL_ENTITIES)
    assert dynamics.requests() == ["GET /data/LegalEntities"] * 2
    assert sign_ins(dynamics) == before + 1


def test_a_client_id_that_dynamics_does_not_know_is_a_setting_to_repair(own_dynamics):
    client_id = own_dynamics.system.entra.client_id
    own_dynamics.system.unregister_client(client_id)
    client = client_of(own_dynamics)
    with pytest.raises(Misconfigured, match="Microsoft Entra ID applications") as refused:
        client.rows(LEGAL_ENTITIES)
    assert client_id in refused.value.sentence
    assert len(own_dynamics.requests()) == 2
    own_dynamics.system.register_client(client_id)
    assert client.rows(LEGAL_ENTITIES)


@pytest.mark.parametrize(
    ("changed", "advice", "words"),
    [
        ({"client_secret": "wrong"}, "The client secret is wrong.", "AADSTS7000215"),
        ({"client_id": "11111111-1111-1111-1111-111111111111"}, "The client id is not known", "AADSTS700016"),
        ({"directory_id": "contoso.example"}, "The directory id is wrong", "AADSTS90002"),
        ({"environment": "http://127.0.0.1:9/d365"}, "The environment address is not one", "AADSTS500011"),
    ],
)
def test_what_entra_refuses_is_said_in_our_words_and_in_its_own(dynamics, changed, advice, words):
    with pytest.raises(Misconfigured) as refused:
        client_of(dynamics, **changed).sign_in()
    assert refused.value.sentence.startswith(advice)
    assert words in refused.value.sentence
    assert "Trace ID" not in refused.value.sentence
    assert "wrong" not in refused.value.sentence.replace("is wrong", "")
    assert refused.value.page == "connection"


def test_an_expired_secret_is_told_apart(dynamics):
    dynamics.system.change_settings(secret_expired=True)
    with pytest.raises(Misconfigured, match="has expired"):
        client_of(dynamics).sign_in()


def test_a_code_that_no_row_knows_still_shows_the_words(dynamics):
    body = {"error": "invalid_client", "error_description": "AADSTS53003: Blocked by policy. Trace ID: 1"}
    dynamics.play("status", path="oauth2", status=400, body=body)
    with pytest.raises(Misconfigured, match="Blocked by policy"):
        client_of(dynamics).sign_in()


def test_entra_that_cannot_answer_now_is_asked_again(dynamics):
    client = client_of(dynamics)
    dynamics.play("status", path="oauth2", status=400, body={"error": "temporarily_unavailable"})
    with pytest.raises(TemporaryFailure):
        client.sign_in()
    dynamics.play("html", path="oauth2", status=403)
    with pytest.raises(TemporaryFailure):
        client.sign_in()
    dynamics.play("status", path="oauth2", status=200, body={"token_type": "Bearer"})
    with pytest.raises(TemporaryFailure):
        client.sign_in()
    client.sign_in()


def test_no_secret_and_no_token_is_kept_in_an_exchange(dynamics):
    connector = dynamics.connector(is_warm=False)
    connector._client.sign_in()
    connector.post_journal(payroll(4), Kept().progress())
    with database.cursor() as cursor, tenant_scope(dynamics.tenant_id):
        cursor.execute("SELECT string_agg(audit_exchange::text, ' ') FROM audit_exchange")
        (text,) = cursor.fetchone()
    assert "/oauth2/v2.0/token" in text
    assert dynamics.system.entra.client_secret not in text
    assert dynamics.system.entra.client_secret[:12] not in text
    assert "eyJ" not in text
    assert "LedgerJournalLines" in text


def test_writes_are_recorded_as_writes(dynamics):
    connector = dynamics.connector()
    connector.find_journal(payroll(4), Kept().progress())
    connector.post_journal(payroll(4), Kept().progress())
    with tenant_scope(dynamics.tenant_id):
        rows = Exchange.objects.exclude(path__contains="oauth2").order_by("id")
        assert [row.is_write for row in rows][-4:] == [False, True, True, False]
        assert not any(row.is_private for row in rows)


def test_pages_are_followed(dynamics):
    dynamics.system.change_settings(page_size=5)
    rows = client_of(dynamics).rows(Query("MainAccounts", select=("MainAccountId",)))
    assert len(rows) == len({row["MainAccountId"] for row in rows}) > 20


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/d365/data/Rows", "https://evil.example.com/data/Rows"])
def test_a_page_elsewhere_is_never_asked_for(dynamics, link):
    client = client_of(dynamics)
    dynamics.play("status", path="/data/LegalEntities", status=200, body={"value": [], "@odata.nextLink": link})
    with pytest.raises(Misconfigured, match="sent us on to"):
        client.rows(LEGAL_ENTITIES)


@pytest.mark.parametrize("body", ["<html>maintenance</html>", {"value": "nothing"}, ["x"], {}])
def test_an_answer_that_is_none_is_temporary(dynamics, body):
    client = client_of(dynamics)
    dynamics.play("status", path="/data/LegalEntities", status=200, body=body)
    with pytest.raises(TemporaryFailure):
        client.rows(LEGAL_ENTITIES)


def test_a_batch_that_is_no_batch_is_temporary_for_reads_and_unknown_for_writes(dynamics):
    connector, kept = dynamics.connector(), Kept()
    dynamics.play("status", path="batch", status=200, body={"value": []})
    with pytest.raises(TemporaryFailure):
        connector.find_journal(payroll(4), kept.progress())
    connector.find_journal(payroll(4), kept.progress())
    dynamics.play("status", path="batch", status=200, body={"value": []})
    with pytest.raises(OutcomeUnknown):
        connector.post_journal(payroll(4), kept.progress())


def test_a_batch_without_an_answer_is_temporary_for_reads_and_unknown_for_writes(dynamics):
    """Well-formed multipart that simply leaves the parts out."""
    connector, kept = dynamics.connector(), Kept()
    empty = "--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    dynamics.play("status", path="batch", status=200, body=empty, headers=headers)
    with pytest.raises(TemporaryFailure):
        connector.find_journal(payroll(4), kept.progress())
    connector.find_journal(payroll(4), kept.progress())
    dynamics.play("status", path="batch", status=200, body=empty, headers=headers)
    with pytest.raises(OutcomeUnknown, match="answered 0 of 4 parts"):
        connector.post_journal(payroll(4), kept.progress())


def test_a_header_that_is_answered_without_its_number_is_unknown(dynamics):
    connector, kept = dynamics.connector(), Kept()
    dynamics.play("status", path="LedgerJournalHeaders", status=201, body={"dataAreaId": "us01"})
    with pytest.raises(OutcomeUnknown, match="no number"):
        connector.post_journal(payroll(4), kept.progress())
    assert kept.values == {}


def test_each_read_of_a_batch_answers_for_itself(dynamics):
    dynamics.system.change_settings(denied_entities="Currencies")
    client = client_of(dynamics)
    dynamics.requests()
    found = client.read_many([LEGAL_ENTITIES, Query("Currencies"), Query("NoSuchSet"), LEGAL_ENTITIES])
    assert len(dynamics.requests()) == 1
    assert isinstance(found[1], Misconfigured)
    assert isinstance(found[2], EntityMissing)
    assert found[0] == found[3]
    assert len(found[0]) == 3


def test_reads_that_dynamics_leaves_out_after_a_refusal_are_asked_for_again(dynamics):
    """A server that ignores odata.continue-on-error answers up to the first refusal."""
    client = client_of(dynamics)
    refusal = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        'HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{"Message": "none"}\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    dynamics.play("status", path="batch", status=200, body=refusal, headers=headers)
    found = client.read_many([Query("NoSuchSet"), LEGAL_ENTITIES, LEGAL_ENTITIES])
    assert isinstance(found[0], EntityMissing)
    assert [len(rows) for rows in found[1:] if isinstance(rows, list)] == [3, 3]


def test_throttling_says_how_long_to_wait(dynamics):
    client = client_of(dynamics)
    dynamics.play("status", path="/data/", status=429, headers={"Retry-After": "9"})
    with pytest.raises(TemporaryFailure) as wait:
        client.rows(LEGAL_ENTITIES)
    assert wait.value.retry_after_seconds == 9


def test_a_question_that_dynamics_does_not_understand_is_shown(dynamics):
    with pytest.raises(Rejected, match="Could not find a property named 'Nonsense'"):
        client_of(dynamics).rows(Query("LegalEntities", where="Nonsense eq 'x'"))
