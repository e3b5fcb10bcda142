"""A grant is never lost and refreshed once, however many race (invariant I10), whatever is killed or answered badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit.exchange import Misconfigured, NetworkInsideTransaction, TemporaryFailure
from audit.models import AuditEntry, Exchange
from gusto import oauth
from gusto.client import GustoClient, SystemClient
from gusto.models import GustoApplication
from gusto.token_endpoint import Pair
from tenants.models import Connection, installation_tenant
from tenants.scope import tenant_scope
from tests.gusto.conftest import requests_to

THREADS = 50


def in_threads(number: int, work: Callable[[], Any]) -> list[Any]:
    """Run `work` in so many threads that start together; what it returns or raises, in no order."""
    results: list[Any] = []
    gate = threading.Barrier(number)

    def run() -> None:
        try:
            gate.wait(30)
            results.append(work())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@contextmanager
def another_session() -> Iterator[Any]:
    """A transaction of another database session, as another process has it; committed at the end."""
    session = connection.copy()
    try:
        session.set_autocommit(False)
        with session.cursor() as cursor:
            yield cursor
        session.commit()
    finally:
        session.close()


def stored(entity) -> dict[str, str]:
    with tenant_scope(entity.tenant_id):
        return Connection.objects.get(pk=entity.gusto_connection_id).stored_fields()


def age(entity, seconds: int) -> None:
    """Let the stored pair be as old as that, by our clock."""
    with tenant_scope(entity.tenant_id):
        held = Connection.objects.get(pk=entity.gusto_connection_id)
        granted_at = timezone.now() - timedelta(seconds=seconds)
        held.set_fields(
            {"granted_at": granted_at.isoformat(), "expires_at": (granted_at + timedelta(seconds=7200)).isoformat()}
        )
        held.save(update_fields=["sealed_fields"])


def token(entity, refused: str = "") -> str:
    return oauth.access_token(entity.gusto_connection_id, entity.tenant_id, refused)


def forget_requests(gusto) -> None:
    with gusto.server.log_lock:
        gusto.server.log.clear()


@pytest.mark.django_db(transaction=True)
class TestRefresh:
    def test_fifty_workers_with_a_token_near_its_end_make_one_call(self, connected, gusto):
        age(connected, 5900)
        forget_requests(gusto)
        tokens = in_threads(THREADS, lambda: token(connected))
        assert len(tokens) == THREADS
        assert set(tokens) == {stored(connected)["access_token"]}
        assert requests_to(gusto, "/oauth/token") == [200]
        assert gusto.get("/v1/token_info", tokens[0]).status_code == 200

    def test_fifty_workers_with_a_refused_token_make_one_call(self, connected, gusto):
        """Gusto refuses a token that is fresh by our clock: each worker meets 401, one renews."""
        before = stored(connected)["access_token"]
        assert gusto.system.expire_tokens(gusto.company) == 1
        forget_requests(gusto)

        def read() -> int:
            with GustoClient(connected.gusto_connection_id, connected.tenant_id) as client:
                return client.fetch(f"/v1/companies/{gusto.company}").status

        assert in_threads(THREADS, read) == [200] * THREADS
        assert requests_to(gusto, "/oauth/token") == [200]
        assert stored(connected)["access_token"] != before

    def test_a_fresh_token_is_not_renewed(self, connected, gusto):
        age(connected, 4000)
        forget_requests(gusto)
        assert token(connected) == stored(connected)["access_token"]
        assert requests_to(gusto, "/oauth/token") == []

    def test_a_lost_answer_loses_no_grant(self, connected, gusto):
        """As a kill between Gusto's answer and our commit: the new pair is gone, the old refresh token lives."""
        age(connected, 7300)
        before = stored(connected)
        gusto.fault(fault="lost_answer", path="oauth/token")
        with pytest.raises(TemporaryFailure):
            token(connected)
        assert stored(connected) == before
        renewed = token(connected)
        assert renewed == stored(connected)["access_token"] != before["access_token"]
        assert gusto.get("/v1/token_info", renewed).status_code == 200

    def test_a_failed_commit_loses_no_grant(self, connected, gusto):
        """The database ends our session after Gusto answered: nothing is committed, so nothing new is used."""
        age(connected, 7300)
        before = stored(connected)
        gusto.fault(fault="slow_answer", path="oauth/token", seconds=1.5)
        result: list[Any] = []
        worker = threading.Thread(target=lambda: result.extend(in_threads(1, lambda: token(connected))), daemon=True)
        worker.start()
        holder = self._row_lock_holder()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [holder])
        worker.join(30)
        assert isinstance(result[0], Exception)
        assert stored(connected) == before
        assert gusto.get("/v1/token_info", token(connected)).status_code == 200

    def _row_lock_holder(self) -> int:
        """Process id of the session that waits for Gusto with the row locked."""
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' "
                    "AND query LIKE '%%FOR NO KEY UPDATE%%' AND datname = current_database()"
                )
                row = cursor.fetchone()
            if row:
                return int(row[0])
            time.sleep(0.02)
        raise AssertionError("nobody holds the row")

    def test_another_process_that_is_renewing_is_waited_for(self, connected, gusto):
        """The row lock is what stands between processes: here a session of another one holds it and renews first."""
        age(connected, 7300)
        forget_requests(gusto)
        result: list[Any] = []
        with another_session() as theirs:
            theirs.execute("SELECT set_config('app.tenant', %s, true)", [str(connected.tenant_id)])
            theirs.execute(
                "SELECT 1 FROM tenants_connection WHERE id = %s FOR NO KEY UPDATE", [connected.gusto_connection_id]
            )
            worker = threading.Thread(
                target=lambda: result.extend(in_threads(1, lambda: token(connected))), daemon=True
            )
            worker.start()
            time.sleep(0.7)
            assert worker.is_alive()
            assert requests_to(gusto, "/oauth/token") == []
            answer = gusto.post_token(
                grant_type="refresh_token", refresh_token=stored(connected)["refresh_token"]
            ).json()
            now = timezone.now()
            pair = Pair(
                answer["access_token"], answer["refresh_token"], answer["scope"], now, now + timedelta(seconds=7200)
            )
            with tenant_scope(connected.tenant_id):
                held = Connection.objects.get(pk=connected.gusto_connection_id)
                held.set_fields(pair.fields())
            sealed = Connection._meta.get_field("sealed_fields").get_prep_value(held.sealed_fields)
            theirs.execute(
                "UPDATE tenants_connection SET sealed_fields = %s WHERE id = %s",
                [sealed, connected.gusto_connection_id],
            )
        worker.join(30)
        assert result == [answer["access_token"]]
        assert requests_to(gusto, "/oauth/token") == [200]

    def test_while_renewing_fails_a_living_token_goes_on(self, connected, gusto):
        age(connected, 5900)
        living = stored(connected)["access_token"]
        gusto.fault(fault="status", path="oauth/token", status=503)
        assert token(connected) == living
        age(connected, 7190)
        gusto.fault(fault="status", path="oauth/token", status=503)
        with pytest.raises(TemporaryFailure):
            token(connected)

    def test_a_grant_that_ended_breaks_the_connection_once_and_keeps_the_tokens(self, connected, gusto, tenant):
        before = stored(connected)
        gusto.system.revoke_grant(gusto.company)
        for _ in range(2):
            with (
                pytest.raises(Misconfigured, match="Gusto ended our access"),
                GustoClient(connected.gusto_connection_id, connected.tenant_id) as client,
            ):
                client.fetch(f"/v1/companies/{gusto.company}")
        assert stored(connected) == before
        with tenant_scope(tenant.id):
            held = Connection.objects.get()
            assert (held.health, held.health_sentence) == (Connection.Health.BROKEN, oauth.ENDED)
            assert AuditEntry.objects.filter(action="connection.broken").count() == 1

    def test_a_second_401_breaks_the_connection(self, connected, gusto, tenant):
        gusto.fault(fault="status", path="v1/companies", status=401, times=2)
        with (
            pytest.raises(Misconfigured),
            GustoClient(connected.gusto_connection_id, connected.tenant_id) as client,
        ):
            client.fetch(f"/v1/companies/{gusto.company}")
        with tenant_scope(tenant.id):
            assert Connection.objects.get().health == Connection.Health.BROKEN

    def test_a_wrong_client_secret_is_the_operators_and_breaks_no_connection(self, connected, gusto, tenant):
        age(connected, 7300)
        GustoApplication.objects.update(client_secret="wrong")
        with pytest.raises(Misconfigured) as caught:
            token(connected)
        assert caught.value.page == "gusto"
        with tenant_scope(tenant.id):
            assert Connection.objects.get().health == Connection.Health.HEALTHY

    @pytest.mark.parametrize(
        "fault",
        [
            {"fault": "html", "status": 200},
            {"fault": "status", "status": 200, "body": {"access_token": "only this"}},
            {"fault": "status", "status": 418},
            {"fault": "cut_body"},
        ],
    )
    def test_an_answer_that_nobody_knows_changes_nothing(self, connected, gusto, fault):
        age(connected, 7300)
        before = stored(connected)
        gusto.fault(path="oauth/token", **fault)
        with pytest.raises(TemporaryFailure):
            token(connected)
        assert stored(connected) == before
        assert gusto.get("/v1/token_info", token(connected)).status_code == 200


@pytest.mark.django_db
class TestSystemToken:
    def test_it_is_kept_and_shared(self, application, gusto):
        for _ in range(3):
            with SystemClient() as client:
                assert client.fetch("/v1/events").status == 200
        assert requests_to(gusto, "/oauth/token") == [200]
        application.refresh_from_db()
        assert application.system_token

    def test_a_refused_one_is_replaced_once(self, application, gusto):
        application.system_token = "ended"
        application.system_token_expires_at = timezone.now() + timedelta(hours=1)
        application.save()
        with SystemClient() as client:
            assert client.fetch("/v1/events").status == 200
        assert requests_to(gusto, "/v1/events") == [401, 200]

    def test_its_exchanges_belong_to_the_installation(self, application, gusto, tenant):
        with SystemClient() as client:
            client.fetch("/v1/events")
        with tenant_scope(installation_tenant().pk):
            paths = set(Exchange.objects.values_list("path", flat=True))
        assert paths == {"/gusto/oauth/token", "/gusto/v1/events"}
        with tenant_scope(tenant.id):
            assert not Exchange.objects.exists()


@pytest.mark.django_db
def test_no_call_leaves_inside_a_scope(connected, gusto):
    with (
        tenant_scope(connected.tenant_id),
        GustoClient(connected.gusto_connection_id, connected.tenant_id) as client,
        pytest.raises(NetworkInsideTransaction),
    ):
        client.fetch("/v1/token_info")
