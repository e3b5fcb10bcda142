"""No payroll is missed (invariant I9): what a notice makes due, and how the feed and the sweep find what no notice told."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import work
from audit.models import AuditEntry, WorkItem
from audit.trail import sentence
from gusto import events
from gusto.models import CompanyRoute, FeedCursor, LastSweep, PayrollRun, WebhookEvent
from gusto.notices import Notice, store
from tenants.models import Connection, LegalEntity, installation_tenant
from tenants.scope import tenant_scope
from tests.gusto.conftest import connect, do, is_due, legal_entity_of, requests_to

pytestmark = pytest.mark.django_db

STATES = WebhookEvent.State
#: Not a payroll of the sandbox: what is made of a notice does not depend on what Gusto knows.
PAYROLL = "1c2d3e4f-0000-4000-8000-a1b2c3d4e5f6"


def handled(event_type: str, company_uuid: str, entity_uuid: str = PAYROLL) -> WebhookEvent:
    """Store a notice as the webhook does, and do its work."""
    notice = Notice(str(uuid.uuid4()), event_type, company_uuid, "Payroll", entity_uuid, timezone.now())
    store([notice], "webhook")
    event = WebhookEvent.objects.get(event_uuid=notice.event_uuid)
    do("gusto.read_event", str(event.pk))
    event.refresh_from_db()
    return event


def runs(tenant) -> list[PayrollRun]:
    with tenant_scope(tenant.id):
        return list(PayrollRun.objects.order_by("pk"))


def trail(tenant_id, action: str) -> list[str]:
    with tenant_scope(tenant_id):
        return [sentence(entry) for entry in AuditEntry.objects.filter(action=action).order_by("number")]


def file_event(gusto, minutes_ago: float, event_type: str = "employee.updated") -> str:
    """An event in Gusto's feed with a moment of its own."""
    event_uuid = str(uuid.uuid4())
    event = {
        "uuid": event_uuid,
        "event_type": event_type,
        "resource_type": "Company",
        "resource_uuid": gusto.company,
        "entity_type": "Employee",
        "entity_uuid": str(uuid.uuid4()),
        "timestamp": int((timezone.now() - timedelta(minutes=minutes_ago)).timestamp()),
    }
    gusto.system.store.put("event", event_uuid, event)
    return event_uuid


def stored_uuids() -> set[str]:
    return set(WebhookEvent.objects.values_list("event_uuid", flat=True))


class TestNotices:
    @pytest.mark.parametrize("what", ["processed", "paid", "reversed", "partially_reversed"])
    def test_final_figures_announce_a_run(self, connected, gusto, tenant, what):
        event = handled(f"payroll.{what}", gusto.company)
        assert event.state == STATES.HANDLED
        assert event.handled_at is not None
        [run] = runs(tenant)
        assert (run.state, run.payroll_uuid, run.legal_entity_id) == (PayrollRun.State.NEW, PAYROLL, connected.pk)
        assert is_due("gusto.read_payroll", str(run.pk))
        assert WorkItem.objects.get(kind="gusto.read_payroll").tenant_id == tenant.id
        assert trail(tenant.id, "payroll_run.announced") == [f"Payroll run {PAYROLL} was announced by a webhook."]

    def test_a_second_notice_finds_the_same_run(self, connected, gusto, tenant):
        for what in ("processed", "paid", "processed"):
            handled(f"payroll.{what}", gusto.company)
        assert len(runs(tenant)) == len(trail(tenant.id, "payroll_run.announced")) == 1

    @pytest.mark.parametrize(
        "what", ["created", "updated", "calculated", "submitted", "processing_failed", "cancelled", "deleted"]
    )
    def test_other_notices_make_no_run_but_look_at_one_again(self, connected, gusto, tenant, what):
        assert handled(f"payroll.{what}", gusto.company).state == STATES.IGNORED
        assert runs(tenant) == []
        handled("payroll.processed", gusto.company)
        assert handled(f"payroll.{what}", gusto.company).state == STATES.HANDLED
        assert is_due("gusto.read_payroll", str(runs(tenant)[0].pk))

    @pytest.mark.parametrize(
        "event_type",
        [
            "payroll.brand_new",
            "employee.terminated",
            "company.updated",
            "company.provisioned",
            "external_payroll.created",
        ],
    )
    def test_what_changes_nothing_is_ignored(self, connected, gusto, tenant, event_type):
        assert handled(event_type, gusto.company).state == STATES.IGNORED
        assert runs(tenant) == []

    def test_each_company_goes_to_its_own_tenant(self, connected, gusto, tenant, other_tenant):
        other = gusto.facts["companies"][1]["uuid"]
        connect(gusto, legal_entity_of(other_tenant, "Borealis Tools Inc"), other)
        handled("payroll.processed", other)
        assert runs(tenant) == []
        assert [run.company_uuid for run in runs(other_tenant)] == [other]

    def test_an_unknown_company_is_told_to_the_operator_once(self, application, gusto):
        for event_type in ("company.provisioned", "payroll.processed", "payroll.paid"):
            assert handled(event_type, gusto.company).state == STATES.UNKNOWN_COMPANY
        told = trail(installation_tenant().pk, "webhook.unknown_company")
        assert told == ["A notice arrived for a company that nobody here has connected."]
        assert handled("company.deprovisioned", gusto.company).state == STATES.IGNORED

    def test_an_unknown_company_that_is_connected_later_loses_nothing(self, application, gusto, tenant, legal_entity):
        event = handled("payroll.processed", gusto.company)
        connect(gusto, legal_entity)
        event.refresh_from_db()
        assert event.state == STATES.STORED
        do("gusto.read_event", str(event.pk))
        assert [run.payroll_uuid for run in runs(tenant)] == [PAYROLL]

    @pytest.mark.django_db(transaction=True)
    def test_a_grant_that_ended_breaks_the_connection(self, connected, gusto, tenant):
        gusto.system.revoke_grant(gusto.company)
        assert handled("company.deprovisioned", gusto.company, gusto.company).state == STATES.HANDLED
        with tenant_scope(tenant.id):
            assert Connection.objects.get().health == Connection.Health.BROKEN
        assert trail(tenant.id, "connection.broken")

    def test_an_old_notice_of_an_end_does_not_break_a_newer_connection(self, connected, gusto, tenant):
        handled("company.deprovisioned", gusto.company, gusto.company)
        with tenant_scope(tenant.id):
            assert Connection.objects.get().health == Connection.Health.HEALTHY

    def test_a_notice_that_was_removed_is_done(self, connected):
        assert do("gusto.read_event", "999999").state == WorkItem.State.DONE


class TestFeed:
    def test_it_heals_a_missed_webhook(self, connected, gusto, tenant):
        """No subscription exists: not one webhook is sent."""
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        do("gusto.feed")
        found = WebhookEvent.objects.get(event_type="payroll.processed", entity_uuid=payroll_uuid)
        assert found.source == "feed"
        assert is_due("gusto.read_event", str(found.pk))
        do("gusto.read_event", str(found.pk))
        assert [run.payroll_uuid for run in runs(tenant)] == [payroll_uuid]
        assert trail(tenant.id, "payroll_run.announced")[0].endswith("announced by the events feed.")

    def test_what_the_webhook_brought_is_not_stored_twice(self, connected, gusto):
        event_uuid = file_event(gusto, 1)
        store([Notice(event_uuid, "employee.updated", gusto.company, "Employee", PAYROLL, timezone.now())], "webhook")
        do("gusto.feed")
        assert WebhookEvent.objects.get(event_uuid=event_uuid).source == "webhook"

    def test_every_page_is_read_in_one_poll(self, connected, gusto):
        filed = {file_event(gusto, 2000 - number) for number in range(250)}
        do("gusto.feed")
        assert filed <= stored_uuids()
        assert requests_to(gusto, "/v1/events") == [200] * 3

    def test_the_cursor_goes_on_and_only_new_events_are_asked_for(self, connected, gusto):
        for number in range(150):
            file_event(gusto, 2000 - number)
        do("gusto.feed")
        do("gusto.feed")
        assert requests_to(gusto, "/v1/events") == [200] * 3
        late = file_event(gusto, 0)
        do("gusto.feed")
        assert late in stored_uuids()
        assert FeedCursor.objects.get().polled_at > timezone.now() - timedelta(minutes=1)

    def test_an_event_that_gusto_files_late_is_still_met(self, connected, gusto):
        file_event(gusto, 60)
        file_event(gusto, 1)
        do("gusto.feed")
        late = file_event(gusto, 5)
        do("gusto.feed")
        assert late in stored_uuids()

    def test_an_unknown_cursor_starts_over(self, connected, gusto):
        filed = {file_event(gusto, 40_000), file_event(gusto, 100)}
        do("gusto.feed")
        WebhookEvent.objects.all().delete()
        FeedCursor.objects.update(last_event_uuid="8f14e45f-ceea-467f-9c5d-000000000000")
        do("gusto.feed")
        assert filed <= stored_uuids()
        assert 422 in requests_to(gusto, "/v1/events")
        assert FeedCursor.objects.get().last_event_uuid in filed

    def test_an_event_that_cannot_be_read_stops_nothing(self, connected, gusto):
        broken = file_event(gusto, 100)
        gusto.system.store.put("event", broken, gusto.system.store.get("event", broken) | {"event_type": "??"})
        fine = file_event(gusto, 99)
        do("gusto.feed")
        assert fine in stored_uuids()
        assert broken not in stored_uuids()

    def test_a_kill_between_two_pages_goes_on_from_the_first(self, connected, gusto):
        filed = {file_event(gusto, 2000 - number) for number in range(150)}
        gusto.fault(fault="status", status=503, path="v1/events", skip=1)
        assert do("gusto.feed").state == WorkItem.State.READY
        assert len(filed & stored_uuids()) == 100
        do("gusto.feed")
        assert filed <= stored_uuids()
        assert requests_to(gusto, "/v1/events") == [200, 503, 200]

    @pytest.mark.parametrize("body", [{"events": []}, [1, 2], [{"uuid": None}], "text"])
    def test_a_form_that_nobody_knows_is_tried_again(self, connected, gusto, body):
        gusto.fault(fault="status", status=200, path="v1/events", body=body)
        item = do("gusto.feed")
        assert (item.state, item.attempts) == (WorkItem.State.READY, 1)

    def test_how_often(self, application, gusto, legal_entity):
        item = do("gusto.feed")
        assert abs(item.due_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)
        connect(gusto, legal_entity)
        item = do("gusto.feed")
        assert abs(item.due_at - timezone.now() - timedelta(minutes=5)) < timedelta(minutes=1)

    def test_a_refused_application_is_said_and_tried_hourly(self, application, gusto):
        type(application).objects.update(client_secret="wrong")
        item = do("gusto.feed")
        assert "client id and secret" in item.sentence
        assert item.due_at > timezone.now() + timedelta(minutes=50)

    def test_it_picks_up_what_slipped_past_the_connecting(self, connected, gusto):
        event = handled("payroll.processed", gusto.company)
        WebhookEvent.objects.update(state=STATES.UNKNOWN_COMPANY)
        do("gusto.feed")
        assert is_due("gusto.read_event", str(event.pk))


class TestSweep:
    def sweep(self, entity: LegalEntity) -> WorkItem:
        return do("gusto.sweep", str(entity.pk), entity.tenant_id)

    def without_notices(self, gusto) -> None:
        """Webhooks are off and the feed is empty: 30 days have passed, or Gusto lost them."""
        gusto.system.store.delete_kind("event")

    def read(self, tenant) -> None:
        for run in runs(tenant):
            do("gusto.read_payroll", str(run.pk), tenant.id)

    def test_it_finds_what_no_notice_told(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        self.without_notices(gusto)
        do("gusto.feed")
        assert runs(tenant) == []
        self.sweep(connected)
        [run] = runs(tenant)
        assert run.payroll_uuid == payroll_uuid
        assert is_due("gusto.read_payroll", str(run.pk))
        assert trail(tenant.id, "payroll_run.announced") == [f"Payroll run {payroll_uuid} was announced by the sweep."]

    def test_off_cycle_payrolls_are_found_as_well(self, connected, gusto, tenant):
        payroll = gusto.system.create_payroll(gusto.company, off_cycle_reason="Bonus")
        gusto.system.process(payroll["payroll_uuid"])
        self.sweep(connected)
        assert payroll["payroll_uuid"] in {run.payroll_uuid for run in runs(tenant)}

    def last(self, entity: LegalEntity) -> LastSweep:
        with tenant_scope(entity.tenant_id):
            found: LastSweep = LastSweep.objects.get(legal_entity=entity)
        return found

    def test_what_is_not_processed_is_not_announced_but_its_check_date_is_known(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        self.sweep(connected)
        assert runs(tenant) == []
        days = [
            date.fromisoformat(row["check_date"]) for row in gusto.system.companies()[0]["payrolls"] if not row["processed"]
        ]  # fmt: skip
        assert gusto.system.payroll_document(payroll_uuid)["check_date"] in {day.isoformat() for day in days}
        last = self.last(connected)
        assert last.next_check_date == min(day for day in days if day >= timezone.now().date())
        with tenant_scope(tenant.id):
            connected.refresh_from_db()
        assert last.complete_from_date == connected.posts_from_date

    def test_history_is_announced_only_if_the_tenant_says_so(self, connected, gusto, tenant):
        old = [row for row in gusto.system.companies()[0]["payrolls"] if row["processed"]]
        assert old
        self.sweep(connected)
        assert runs(tenant) == []
        first = min(row["check_date"] for row in old)
        with tenant_scope(tenant.id):
            LegalEntity.objects.update(posts_from_date=date.fromisoformat(first))
        self.sweep(connected)
        assert {run.payroll_uuid for run in runs(tenant)} == {row["payroll_uuid"] for row in old}

    def test_a_missed_cancellation_is_found(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        self.sweep(connected)
        self.read(tenant)
        gusto.system.cancel(payroll_uuid)
        self.without_notices(gusto)
        self.sweep(connected)
        [run] = runs(tenant)
        assert is_due("gusto.read_payroll", str(run.pk))
        self.read(tenant)
        assert runs(tenant)[0].state == PayrollRun.State.WITHDRAWN
        # Withdrawn and unprocessed agree: there is nothing to look at.
        self.sweep(connected)
        assert not is_due("gusto.read_payroll", str(run.pk))
        # Processed again, and again nobody told.
        gusto.system.process(payroll_uuid)
        self.without_notices(gusto)
        self.sweep(connected)
        assert is_due("gusto.read_payroll", str(run.pk))

    def test_a_missed_deletion_and_a_missed_reversal_are_found(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        self.sweep(connected)
        self.read(tenant)
        [run] = runs(tenant)
        self.sweep(connected)
        assert not is_due("gusto.read_payroll", str(run.pk))
        gusto.system.reverse(payroll_uuid)
        self.without_notices(gusto)
        self.sweep(connected)
        assert is_due("gusto.read_payroll", str(run.pk))
        gusto.system.store.delete(f"payroll:{gusto.company}", payroll_uuid)
        self.sweep(connected)
        assert is_due("gusto.read_payroll", str(run.pk))

    def test_a_run_that_was_given_up_is_begun_again(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        handled("payroll.processed", gusto.company, payroll_uuid)
        WorkItem.objects.all().delete()
        self.sweep(connected)
        assert is_due("gusto.read_payroll", str(runs(tenant)[0].pk))

    def test_a_list_that_is_cut_short_concludes_nothing(self, connected, gusto, tenant):
        payroll_uuid = gusto.open_payroll()
        gusto.system.process(payroll_uuid)
        self.sweep(connected)
        self.read(tenant)
        known = self.last(connected)
        gusto.fault(fault="cut_body", path="payrolls")
        item = self.sweep(connected)
        assert (item.state, item.attempts) == (WorkItem.State.READY, 1)
        assert self.last(connected).swept_at == known.swept_at
        assert not is_due("gusto.read_payroll", str(runs(tenant)[0].pk))

    @pytest.mark.django_db(transaction=True)
    def test_a_broken_connection_is_said_and_tried_again(self, connected, gusto, tenant):
        gusto.system.revoke_grant(gusto.company)
        item = self.sweep(connected)
        assert "ended our access" in item.sentence
        assert item.due_at > timezone.now() + timedelta(hours=23)

    def test_what_is_not_connected_any_more_is_not_swept(self, connected, gusto, tenant, legal_entity):
        with tenant_scope(tenant.id):
            Connection.objects.update(health=Connection.Health.OFF)
        before = len(requests_to(gusto, f"/v1/companies/{gusto.company}/payrolls"))
        assert self.sweep(connected).state == WorkItem.State.DONE
        assert do("gusto.sweep", "999999", tenant.id).state == WorkItem.State.DONE
        assert len(requests_to(gusto, f"/v1/companies/{gusto.company}/payrolls")) == before

    def test_the_next_one_is_due_by_the_pay_schedule(self, connected, gusto, tenant):
        item = self.sweep(connected)
        assert timezone.now() < item.due_at <= timezone.now() + timedelta(days=1, minutes=1)
        with tenant_scope(tenant.id):
            LegalEntity.objects.update(sweep_hours=3)
        item = self.sweep(connected)
        assert abs(item.due_at - timezone.now() - timedelta(hours=3)) < timedelta(minutes=1)


NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOURLY, DAILY = NOW + timedelta(hours=1), NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("deadline", "check_date", "due_at"),
    [
        ("2026-03-09T23:00:00Z", "2026-03-12", HOURLY),  # past the deadline, not yet paid
        ("2026-03-04T23:00:00Z", "2026-03-08", HOURLY),  # two days after the check date
        ("2026-03-03T23:00:00Z", "2026-03-07", DAILY),  # three days after
        ("2026-03-20T23:00:00Z", "2026-03-24", DAILY),  # far ahead
        ("2026-03-10T16:00:00-07:00", "2026-03-13", datetime(2026, 3, 10, 23, tzinfo=UTC)),  # today: at the deadline
        ("2026-03-09", "2026-03-12", HOURLY),  # an older form: a mere day
        ("nil", "2026-03-12", DAILY),
        (None, None, DAILY),
        ("2026-03-09T23:00:00Z", "nil", DAILY),
    ],
)
def test_how_often_a_legal_entity_is_swept(deadline: Any, check_date: Any, due_at: datetime):
    rows = [{"payroll_deadline": deadline, "check_date": check_date}]
    assert events._next_sweep(LegalEntity(), rows, NOW) == due_at
    assert events._next_sweep(LegalEntity(sweep_hours=6), rows, NOW) == NOW + timedelta(hours=6)


class TestScheduling:
    def test_what_is_missing_is_made_due(self, connected):
        WorkItem.objects.all().delete()
        events.schedule_all()
        due = set(WorkItem.objects.values_list("kind", "ref", "tenant_id"))
        sweep = ("gusto.sweep", str(connected.pk), connected.tenant_id)
        assert due == {("gusto.feed", "", None), ("gusto.subscribe", "", None), sweep}

    def test_what_waits_keeps_its_moment(self, connected):
        WorkItem.objects.all().delete()
        later = timezone.now() + timedelta(hours=5)
        for kind, ref, tenant_id in [
            ("gusto.feed", "", None),
            ("gusto.subscribe", "", None),
            ("gusto.sweep", str(connected.pk), connected.tenant_id),
        ]:
            work.enqueue(kind, ref, tenant_id=tenant_id, due_at=later)
        for _ in range(3):
            events.schedule_all()
        assert set(WorkItem.objects.values_list("due_at", flat=True)) == {later}

    def test_without_an_application_nothing_is_due(self, tenant):
        CompanyRoute.objects.create(company_uuid="x" * 36, tenant=tenant, legal_entity_id=1)
        events.schedule_all()
        assert not WorkItem.objects.exists()
