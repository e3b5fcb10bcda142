"""The client over HTTP: version, paging, what each refusal becomes, and the limit that all workers share."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any

import pytest
import requests

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from audit.models import Exchange
from gusto import call_window
from gusto.answers import NotThere, answer_of, errors_of, words_of
from gusto.client import GustoClient
from gusto.models import CallWindow, GustoApplication
from tenants.scope import tenant_scope
from tests.gusto.conftest import connect, legal_entity_of, requests_to
from tests.gusto.test_grant import in_threads


def client_of(entity, **options: Any) -> GustoClient:
    return GustoClient(entity.gusto_connection_id, entity.tenant_id, **options)


def response(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    found = requests.Response()
    found.status_code, found._content = status, body
    found.headers.update(headers)
    return found


@pytest.mark.django_db
class TestReading:
    def test_an_answer_keeps_its_text_and_its_decimals(self, connected, gusto):
        path = f"/v1/companies/{gusto.company}/payrolls"
        with client_of(connected) as client:
            answer = client.fetch(path, {"include": "totals", "per": "1"})
        assert answer.status == 200
        assert answer.headers["x-total-pages"] == answer.headers["X-Total-Pages"]
        row = answer.document[0]
        assert Decimal(row["totals"]["gross_pay"]) > 0
        assert row["totals"]["gross_pay"] in answer.text

    def test_fractions_are_decimals_digit_for_digit(self):
        answer = answer_of(response(200, b'{"amount": 0.10, "large": 12345678901234567.89}'), writes=False)
        assert str(answer.document["amount"]) == "0.10"
        assert answer.document["large"] == Decimal("12345678901234567.89")

    def test_the_version_of_the_application_is_sent(self, connected, gusto):
        with client_of(connected) as client:
            assert client.fetch("/v1/token_info").headers["X-Gusto-API-Version"] == "2026-06-15"

    def test_a_version_that_gusto_does_not_know_is_the_operators(self, connected, gusto):
        GustoApplication.objects.update(api_version="2019-01-01")
        with client_of(connected) as client, pytest.raises(Misconfigured, match="2019-01-01") as caught:
            client.fetch("/v1/token_info")
        assert caught.value.page == "gusto"

    def test_private_exchanges_keep_no_body(self, connected, gusto, tenant):
        with client_of(connected, about="a payroll") as client:
            client.fetch(f"/v1/companies/{gusto.company}/employees")
        with tenant_scope(tenant.id):
            row = Exchange.objects.get(about="a payroll")
        assert (row.is_private, row.answer_body, row.request_body) == (True, "", "")
        assert row.answer_bytes > 0
        assert len(row.answer_digest) == 64

    def test_the_guard_is_asked_before_every_call(self, connected, gusto):
        asked = []
        with client_of(connected, guard=lambda: asked.append(1)) as client:
            client.fetch("/v1/token_info")
            client.fetch("/v1/token_info")
        assert len(asked) == 2


@pytest.mark.django_db
class TestPages:
    def test_every_page_is_read(self, application, gusto, tenant):
        company = gusto.system.create_company(seed=7, employees=31, history=1)["uuid"]
        entity = connect(gusto, legal_entity_of(tenant), company)
        with client_of(entity) as client:
            pages = list(client.pages(f"/v1/companies/{company}/employees", per=10))
        uuids = [row["uuid"] for page in pages for row in page.document]
        assert len(pages) == 4
        assert len(uuids) == len(set(uuids)) == int(pages[0].headers["X-Total-Count"]) > 30

    def test_the_people_inside_a_payroll_are_paged(self, application, gusto, tenant):
        company = gusto.system.create_company(seed=7, employees=31, history=1)["uuid"]
        entity = connect(gusto, legal_entity_of(tenant), company)
        with client_of(entity) as client:
            [listed] = client.fetch(f"/v1/companies/{company}/payrolls", {"per": "1"}).document
            path = f"/v1/companies/{company}/payrolls/{listed['payroll_uuid']}"
            pages = list(client.pages(path, per=20))
        people = [row["employee_uuid"] for page in pages for row in page.document["employee_compensations"]]
        assert len(pages) == 2
        assert len(people) == len(set(people)) == int(pages[0].headers["X-Total-Count"])

    @pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 25])
    def test_without_headers_the_shape_decides(self, connected, gusto, length):
        """A proxy took the headers away: the list is still whole."""
        rows = [{"uuid": str(number)} for number in range(length)]
        for start in range(0, length + 1, 10):
            gusto.fault(fault="status", status=200, path="departments", body=rows[start : start + 10])
        with client_of(connected) as client:
            path = f"/v1/companies/{gusto.company}/departments"
            found = [row for page in client.pages(path, per=10) for row in page.document]
        assert found == rows

    def test_without_headers_a_list_that_does_not_page_comes_once(self, connected, gusto):
        rows = [{"uuid": str(number)} for number in range(10)]
        gusto.fault(fault="status", status=200, path="departments", body=rows, times=2)
        with client_of(connected) as client:
            pages = list(client.pages(f"/v1/companies/{gusto.company}/departments", per=10))
        assert [page.document for page in pages] == [rows]

    def test_without_headers_a_payroll_is_still_whole(self, connected, gusto):
        people = [{"employee_uuid": str(number)} for number in range(15)]
        for part in (people[:10], people[10:]):
            body = {"payroll_uuid": "p", "employee_compensations": part}
            gusto.fault(fault="status", status=200, path="payrolls/p", body=body)
        with client_of(connected) as client:
            pages = client.pages(f"/v1/companies/{gusto.company}/payrolls/p", per=10)
            assert [row for page in pages for row in page.document["employee_compensations"]] == people

    def test_a_list_that_changes_meanwhile_is_not_believed(self, connected, gusto):
        for total in ("11", "12"):
            headers = {"X-Total-Pages": "2", "X-Total-Count": total}
            gusto.fault(fault="status", status=200, path="departments", body=[{"uuid": total}], headers=headers)
        with client_of(connected) as client, pytest.raises(TemporaryFailure, match="changed"):
            list(client.pages(f"/v1/companies/{gusto.company}/departments", per=10))


@pytest.mark.django_db
class TestRefusals:
    def fetched(self, entity, path: str) -> BaseException:
        with client_of(entity) as client, pytest.raises(Exception) as caught:  # noqa: PT011 - the type is asserted
            client.fetch(path)
        return caught.value

    def test_what_is_not_there(self, connected, gusto):
        error = self.fetched(connected, f"/v1/companies/{gusto.company}/payrolls/nothing")
        assert isinstance(error, NotThere)
        assert isinstance(error, Rejected)
        assert error.category == "not_found"

    def test_a_company_of_somebody_else(self, connected, gusto):
        error = self.fetched(connected, f"/v1/companies/{gusto.facts['companies'][1]['uuid']}")
        assert isinstance(error, NotThere)
        assert error.category == "missing_permissions"

    @pytest.mark.parametrize("is_named", [True, False])
    def test_a_missing_permission_is_named_where_gusto_names_it(self, application, gusto, tenant, is_named):
        gusto.system.change_application(scopes=["companies:read"])
        gusto.system.change_settings(names_missing_scope=is_named)
        entity = connect(gusto, legal_entity_of(tenant))
        error = self.fetched(entity, f"/v1/companies/{gusto.company}/departments")
        assert isinstance(error, Misconfigured)
        assert ("departments:read" in error.sentence) is is_named

    def test_what_gusto_refuses_is_in_its_words(self, connected, gusto):
        with client_of(connected) as client, pytest.raises(Rejected, match="3 months in future"):
            client.fetch(f"/v1/companies/{gusto.company}/payrolls", {"end_date": "2099-01-01"})

    def test_a_conflict_is_tried_again(self, connected, gusto):
        gusto.fault(fault="status", status=409, path="token_info")
        assert isinstance(self.fetched(connected, "/v1/token_info"), TemporaryFailure)

    @pytest.mark.parametrize("fault", [{"fault": "html", "status": 200}, {"fault": "html", "status": 502}])
    def test_a_proxy_that_answers_in_its_place(self, connected, gusto, fault):
        gusto.fault(path="token_info", **fault)
        error = self.fetched(connected, "/v1/token_info")
        assert isinstance(error, TemporaryFailure)
        assert "<" not in error.sentence

    @pytest.mark.parametrize("status", [302, 400, 418])
    def test_what_no_table_knows_is_closed(self, connected, gusto, status):
        gusto.fault(fault="status", status=status, path="token_info", times=2)
        assert isinstance(self.fetched(connected, "/v1/token_info"), TemporaryFailure)
        with client_of(connected) as client, pytest.raises(OutcomeUnknown):
            client.post("/v1/token_info", {})

    def test_a_write_without_a_clear_answer_is_not_repeated(self, connected, gusto):
        gusto.fault(fault="lost_answer", path="general_ledger")
        with client_of(connected) as client, pytest.raises(OutcomeUnknown):
            client.post("/v1/payrolls/x/reports/general_ledger", {"aggregation": "default"})
        assert len(requests_to(gusto, "/v1/payrolls/x/reports/general_ledger")) == 1


class TestWords:
    """Error bodies come in more shapes than are documented (gusto.md 7)."""

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"errors": ["Something is off"]}', "Something is off"),
            (b'{"errors": "Something is off"}', "Something is off"),
            (b'{"errors": [{"category": "x"}, null, 5]}', "it gave no reason."),
            (b'{"errors": {"message": "Alone"}}', "Alone"),
            (b'{"error": "invalid_grant", "error_description": "used up"}', "used up"),
            (b"<html>Bad gateway</html>", "it gave no reason."),
            (b"[1, 2]", "it gave no reason."),
            (b"", "it gave no reason."),
        ],
    )
    def test_every_shape_is_read(self, body, words):
        assert words_of(errors_of(response(422, body))) == words

    @pytest.mark.contract
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("error-422-resource", "First name is required Date of birth is not a valid date"),
            ("error-422-nested", "Ella Fitzgerald is paid fixed wage and hours cannot be set on a contractor payment"),
            ("error-422-basic", "Company must complete all onboarding requirements in order to run payroll."),
            ("error-404-not-found", "The requested resource was not found."),
            ("error-406-version", "Invalid API Version `2023`. Expected format: YYYY-MM-DD"),
        ],
    )
    def test_official_bodies(self, shared, name, words):
        body = (shared / "reference" / "gusto" / f"{name}.json").read_bytes()
        assert words in words_of(errors_of(response(422, body)))

    @pytest.mark.contract
    def test_official_missing_scope(self, shared):
        folder = shared / "reference" / "gusto"
        [named] = errors_of(response(403, (folder / "error-403-missing-scope.json").read_bytes()))
        assert (named.category, named.scope) == ("missing_oauth_scopes", "company_benefits:read")
        [unnamed] = errors_of(response(403, (folder / "error-403-missing-scope-unnamed.json").read_bytes()))
        assert (unnamed.category, unnamed.scope) == ("missing_oauth_scopes", "")


@pytest.fixture
def small_window(monkeypatch, gusto) -> None:
    """The same rule with smaller figures, here and at Gusto: 20 calls in 2 s, of which we use 16."""
    monkeypatch.setattr(call_window, "CALLS_MAX", 20)
    monkeypatch.setattr(call_window, "CALLS_RESERVE", 4)
    monkeypatch.setattr(call_window, "WINDOW_SECONDS", 2.2)
    gusto.system.change_settings(rate_limit=20, rate_limit_seconds=2)


@pytest.mark.django_db(transaction=True)
class TestLimit:
    def test_the_real_figures(self):
        assert call_window.CALLS_MAX - call_window.CALLS_RESERVE < 200
        assert call_window.WINDOW_SECONDS >= 60

    def test_workers_of_a_grant_share_one_window(self, connected, gusto, small_window):
        def read() -> int:
            with client_of(connected) as client:
                return sum(client.fetch("/v1/token_info").status == 200 for _ in range(12))

        assert in_threads(4, read) == [12] * 4
        # 48 calls, 16 in each window: Gusto, which lets 20 through, never had to refuse one.
        statuses = requests_to(gusto, "/v1/token_info")
        assert statuses.count(429) == 0
        assert len(statuses) >= 48

    def test_another_grant_has_a_window_of_its_own(self, connected, gusto, tenant, monkeypatch):
        other = connect(gusto, legal_entity_of(tenant, "Second LLC"), gusto.facts["companies"][1]["uuid"])
        # Two calls a minute for each grant; the third of one is given back, as the next test shows.
        monkeypatch.setattr(call_window, "CALLS_RESERVE", 198)
        for entity in (connected, other):
            with client_of(entity) as client:
                assert [client.fetch("/v1/token_info").status for _ in range(2)] == [200, 200]

    def test_a_long_wait_gives_the_worker_back(self, connected, monkeypatch):
        monkeypatch.setattr(call_window, "CALLS_RESERVE", 198)
        with client_of(connected) as client:
            client.fetch("/v1/token_info")
            client.fetch("/v1/token_info")
        with client_of(connected) as client, pytest.raises(TemporaryFailure) as caught:
            client.fetch("/v1/token_info")
        assert 50 < caught.value.retry_after_seconds <= 61

    def test_who_has_read_something_waits(self, connected, gusto, small_window, monkeypatch):
        """A payroll of 10,000 people needs more calls than a window has: giving up half-way would never end."""
        monkeypatch.setattr(call_window, "WAIT_SECONDS_MAX", 0.1)
        with client_of(connected) as client:
            assert [client.fetch("/v1/token_info").status for _ in range(18)] == [200] * 18

    def test_slow_down_is_obeyed_by_every_worker(self, connected, gusto):
        gusto.fault(fault="status", status=429, path="token_info", headers={"Retry-After": "2"})
        times: list[float] = []

        def read() -> None:
            with client_of(connected) as client:
                client.fetch("/v1/token_info")
            times.append(time.monotonic())

        began = time.monotonic()
        first = threading.Thread(target=in_threads, args=(1, read), daemon=True)
        first.start()
        while not requests_to(gusto, "/v1/token_info"):
            time.sleep(0.01)
        time.sleep(0.2)
        in_threads(3, read)
        first.join(20)
        assert len(times) == 4
        assert min(times) - began >= 1.9

    def test_a_long_slow_down_gives_the_worker_back_with_the_time_to_wait(self, connected, gusto):
        gusto.fault(fault="status", status=429, path="token_info", headers={"Retry-After": "47"})
        for _ in range(2):
            with client_of(connected) as client, pytest.raises(TemporaryFailure) as caught:
                client.fetch("/v1/token_info")
            assert 40 < caught.value.retry_after_seconds <= 47
        # The second worker did not even ask.
        assert requests_to(gusto, "/v1/token_info").count(429) == 1

    def test_slow_down_without_end_is_put_back(self, connected, gusto, monkeypatch):
        monkeypatch.setattr(call_window, "PAUSE_SECONDS", 0.1)
        gusto.fault(fault="status", status=429, path="token_info", times=99)
        with client_of(connected) as client, pytest.raises(TemporaryFailure):
            client.fetch("/v1/token_info")
        assert requests_to(gusto, "/v1/token_info").count(429) == 5

    def test_the_window_forgets_what_is_past(self, connected, tenant):
        with tenant_scope(tenant.id):
            CallWindow.objects.create(connection_id=connected.gusto_connection_id, sent_at=[1.0] * 500)
        with client_of(connected) as client:
            client.fetch("/v1/token_info")
        with tenant_scope(tenant.id):
            assert len(CallWindow.objects.get().sent_at) == 1
