"""What follows from Gusto's notices, and the two nets under them: the events feed and the payroll sweep.

A notice is a hint: it makes a payroll run due to be read back, and the truth is what Gusto answers then. Notices get lost
when we are down; the feed brings those of 30 days under the same uuids, and the sweep compares the payroll list itself, so
that a processed payroll is found even if no notice of it ever existed (invariant I9).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from django.utils import timezone

from audit import work
from audit.exchange import Misconfigured, Rejected, TemporaryFailure
from audit.models import AuditEntry
from audit.trail import record
from audit.work import Claim, Later
from gusto import notices
from gusto.client import GustoClient, SystemClient
from gusto.models import CompanyRoute, FeedCursor, GustoApplication, LastSweep, PayrollRun, WebhookEvent
from gusto.notices import NoticeMalformed, notice_of
from tenants.models import Connection, LegalEntity, installation_tenant
from tenants.scope import tenant_scope

logger = structlog.get_logger("gusto.events")

#: After these the figures of a payroll are final (gusto.md 4.5): they make a payroll run.
ANNOUNCING = frozenset({"processed", "paid", "reversed", "partially_reversed"})
#: After these a run that exists is looked at again; a payroll that nobody processed yet is not ours.
CHANGING = frozenset({"cancelled", "deleted", "updated", "created", "calculated", "submitted", "processing_failed"})

#: How often the feed is asked: soon enough that a lost notice costs minutes; rarely where no company is connected.
FEED_EVERY = timedelta(minutes=5)
FEED_EVERY_IDLE = timedelta(hours=1)
FEED_LIMIT = 100
#: The cursor stays this far behind: an event that Gusto files a little late, under an earlier moment, is still met.
FEED_OVERLAP = timedelta(minutes=10)
#: After a refusal that only a person can mend.
EVERY_REFUSED = timedelta(hours=1)

#: From a payroll's deadline until two days after people were paid it may be processed, cancelled or reversed.
SWEEP_EVERY_BUSY = timedelta(hours=1)
SWEEP_EVERY = timedelta(days=1)
BUSY_DAYS_AFTER_CHECK_DATE = 2
#: Gusto allows a year from start to end and an end at most three months ahead (gusto.md 4.1). Back so far, because
#: off-cycle payrolls are filtered by their pay period, which may lie months before the check date.
SWEEP_DAYS_BACK = 270
SWEEP_DAYS_AHEAD = 85
#: Unprocessed payrolls are only asked for their deadlines.
SWEEP_DAYS_BACK_OPEN = 60


def read_event(claim: Claim) -> None:
    """Work `gusto.read_event`: do what a stored notice asks for. Safe to repeat."""
    event = WebhookEvent.objects.filter(pk=int(claim.ref)).first()
    if event is None:
        return
    route = CompanyRoute.objects.filter(company_uuid=event.resource_uuid).first()
    kind, _, what = event.event_type.partition(".")
    if route is None:
        state = _unknown_company(event)
    elif kind == "payroll":
        state = _payroll_event(event, what, route)
    elif event.event_type == "company.deprovisioned":
        state = _deprovisioned(route)
    else:
        # People, schedules and external payrolls are read when a payroll is; their notices change nothing by themselves.
        state = WebhookEvent.State.IGNORED
    WebhookEvent.objects.filter(pk=event.pk).update(state=state, handled_at=timezone.now())


def _unknown_company(event: WebhookEvent) -> WebhookEvent.State:
    """Kept and shown to the operator; picked up when the company is connected. Told once per company."""
    if event.event_type == "company.deprovisioned":
        return WebhookEvent.State.IGNORED
    if event.event_type != "company.provisioned":
        # That one comes with every new connection, before the owner is back here.
        with tenant_scope(installation_tenant().pk):
            told = AuditEntry.objects.filter(action="webhook.unknown_company", subject_id=event.resource_uuid)
            if not told.exists():
                record("webhook.unknown_company", subject="company", subject_id=event.resource_uuid)
    return WebhookEvent.State.UNKNOWN_COMPANY


def _payroll_event(event: WebhookEvent, what: str, route: CompanyRoute) -> WebhookEvent.State:
    with tenant_scope(route.tenant_id):
        if what in ANNOUNCING:
            source = "a webhook" if event.source == "webhook" else "the events feed"
            _announce(route.legal_entity_id, route.company_uuid, event.entity_uuid, source)
            return WebhookEvent.State.HANDLED
        if what in CHANGING:
            run = PayrollRun.objects.filter(
                legal_entity_id=route.legal_entity_id, payroll_uuid=event.entity_uuid
            ).first()
            if run is not None:
                _read_again(run)
                return WebhookEvent.State.HANDLED
    return WebhookEvent.State.IGNORED


def _deprovisioned(route: CompanyRoute) -> WebhookEvent.State:
    """The company may have been connected again since: whether the grant has ended is asked, and the client marks the
    connection as broken if so.
    """
    with tenant_scope(route.tenant_id):
        connection_id = (
            LegalEntity.objects.filter(pk=route.legal_entity_id).values_list("gusto_connection_id", flat=True).first()
        )
    if connection_id is not None:
        with suppress(Misconfigured), GustoClient(connection_id, route.tenant_id) as client:
            client.fetch("/v1/token_info", private=False)
    return WebhookEvent.State.HANDLED


def _announce(legal_entity_id: int, company_uuid: str, payroll_uuid: str, source: str) -> None:
    """Make or find the payroll run and let it be read, in the open scope."""
    run, is_new = PayrollRun.objects.get_or_create(
        legal_entity_id=legal_entity_id,
        payroll_uuid=payroll_uuid,
        defaults={"company_uuid": company_uuid, "announced_at": timezone.now()},
    )
    _read_again(run)
    if is_new:
        record(
            "payroll_run.announced", subject="payroll_run", subject_id=payroll_uuid, payroll=payroll_uuid, source=source
        )


def _read_again(run: PayrollRun) -> None:
    if run.source == PayrollRun.Source.FILE:
        # A person brought this payroll; what Gusto says of it changes nothing here.
        return
    work.enqueue("gusto.read_payroll", str(run.pk), tenant_id=run.tenant_id)


def feed(claim: Claim) -> Later | None:
    """Work `gusto.feed`: store every event of all companies since the cursor. None = there is no application."""
    application = GustoApplication.objects.filter(is_active=True).first()
    if application is None:
        return None
    try:
        with SystemClient(about="events feed", guard=claim.guard) as client:
            _poll(client, application)
    except Misconfigured as error:
        logger.warning("gusto.feed_refused", sentence=error.sentence)
        return Later(timezone.now() + EVERY_REFUSED, error.sentence)
    notices.pick_up()
    has_companies = CompanyRoute.objects.exists()
    return Later(timezone.now() + (FEED_EVERY if has_companies else FEED_EVERY_IDLE))


def _poll(client: SystemClient, application: GustoApplication) -> None:
    cursor, _ = FeedCursor.objects.get_or_create(application=application)
    settled, after = cursor.last_event_uuid, cursor.last_event_uuid
    behind = timezone.now() - FEED_OVERLAP
    while True:
        params = {"limit": str(FEED_LIMIT), "sort_order": "asc"}
        if after:
            params["starting_after_uuid"] = after
        try:
            rows = client.fetch("/v1/events", params, private=False).document
        except Rejected:
            if not after:
                raise
            # Gusto does not know the cursor any more (older than 30 days, or another application): from the start.
            logger.warning("gusto.feed_cursor_unknown")
            settled = after = ""
            continue
        last = rows[-1].get("uuid") if isinstance(rows, list) and rows and isinstance(rows[-1], dict) else None
        if not isinstance(rows, list) or (rows and (not isinstance(last, str) or last == after)):
            raise TemporaryFailure("Gusto's events have a form that we do not know.")
        found = list(_readable(rows))
        notices.store(found, "feed")
        settled = next((notice.event_uuid for notice in reversed(found) if notice.sent_at <= behind), settled)
        FeedCursor.objects.filter(pk=cursor.pk).update(last_event_uuid=settled, polled_at=timezone.now())
        if len(rows) < FEED_LIMIT:
            return
        after = str(last)


def _readable(rows: Iterable[Any]) -> Iterable[notices.Notice]:
    """One event that cannot be read must not stop all the others; the sweep finds its payroll."""
    for row in rows:
        try:
            yield notice_of(row)
        except NoticeMalformed as error:
            logger.warning("gusto.event_malformed", field=str(error))


def sweep(claim: Claim) -> Later | None:
    """Work `gusto.sweep`: compare one legal entity's payrolls with Gusto's list. None = it is not connected any more.

    A processed payroll without a run is announced. A run whose payroll is not in the list as expected is read again,
    nothing more: the list is filtered by days, so absence from it proves nothing.
    """
    assert claim.tenant_id is not None, "a legal entity belongs to a tenant"
    with tenant_scope(claim.tenant_id):
        legal_entity = LegalEntity.objects.select_related("gusto_connection").filter(pk=int(claim.ref)).first()
    connection = legal_entity.gusto_connection if legal_entity is not None else None
    if legal_entity is None or connection is None or connection.health == Connection.Health.OFF:
        return None
    now = timezone.now()
    start, end = now.date() - timedelta(days=SWEEP_DAYS_BACK), now.date() + timedelta(days=SWEEP_DAYS_AHEAD)
    try:
        with GustoClient(connection.pk, claim.tenant_id, f"legal entity {claim.ref}", claim.guard) as client:
            path = f"/v1/companies/{legal_entity.gusto_company_uuid}/payrolls"
            processed = _listed(
                client,
                path,
                processing_statuses="processed",
                payroll_types="regular,off_cycle,external",
                date_filter_by="check_date",
                include="reversals",
                start_date=start.isoformat(),
                end_date=end.isoformat(),
            )
            unprocessed = _listed(
                client,
                path,
                processing_statuses="unprocessed",
                payroll_types="regular,off_cycle",
                start_date=(now.date() - timedelta(days=SWEEP_DAYS_BACK_OPEN)).isoformat(),
                end_date=end.isoformat(),
            )
    except (Misconfigured, Rejected) as error:
        # Connecting again makes the sweep due at once.
        return Later(now + SWEEP_EVERY, error.sentence)
    _compare(legal_entity, connection, processed, start, end)
    _note(legal_entity, connection, unprocessed, now)
    return Later(_next_sweep(legal_entity, [*processed.values(), *unprocessed.values()], now))


def _listed(client: GustoClient, path: str, **params: str) -> dict[str, dict[str, Any]]:
    """The payrolls of the list by uuid, all pages."""
    found: dict[str, dict[str, Any]] = {}
    for page in client.pages(path, params):
        for row in page.document if isinstance(page.document, list) else [page.document]:
            payroll_uuid = (row.get("payroll_uuid") or row.get("uuid")) if isinstance(row, dict) else None
            if not isinstance(payroll_uuid, str) or not payroll_uuid:
                raise TemporaryFailure("Gusto's list of payrolls has a form that we do not know.")
            found[payroll_uuid] = row
    return found


def _note(
    legal_entity: LegalEntity, connection: Connection, unprocessed: dict[str, dict[str, Any]], now: datetime
) -> None:
    """Keep that nothing is missing, and when Gusto means to pay next."""
    days = [day for row in unprocessed.values() if (day := _day(row.get("check_date"))) and day >= now.date()]
    assert legal_entity.tenant_id is not None, "a stored row has its tenant"
    with tenant_scope(legal_entity.tenant_id):
        LastSweep.objects.update_or_create(
            legal_entity=legal_entity,
            defaults={
                "swept_at": now,
                # The list goes back no further.
                "complete_from_date": max(
                    _from_date(legal_entity, connection), now.date() - timedelta(days=SWEEP_DAYS_BACK)
                ),
                "next_check_date": min(days, default=None),
            },
        )


def _from_date(legal_entity: LegalEntity, connection: Connection) -> date:
    """What was paid before the company came here is history that somebody has booked already."""
    return legal_entity.posts_from_date or connection.created_at.date()


def _compare(
    legal_entity: LegalEntity, connection: Connection, processed: dict[str, dict[str, Any]], start: date, end: date
) -> None:
    from_date = _from_date(legal_entity, connection)
    states = PayrollRun.State
    assert legal_entity.tenant_id is not None, "a stored row has its tenant"
    with tenant_scope(legal_entity.tenant_id):
        runs = {
            run.payroll_uuid: run
            for run in PayrollRun.objects.filter(legal_entity=legal_entity, source=PayrollRun.Source.API)
        }
        for payroll_uuid, row in processed.items():
            run, check_date = runs.get(payroll_uuid), _day(row.get("check_date"))
            if run is None:
                if check_date is None or check_date >= from_date:
                    _announce(legal_entity.pk, legal_entity.gusto_company_uuid, payroll_uuid, "the sweep")
            elif (
                run.state in (states.NEW, states.WITHDRAWN)
                or (check_date is not None and run.check_date != check_date)
                or (row.get("reversal_payroll_uuids") and not run.undone_by)
            ):
                _read_again(run)
        for payroll_uuid, run in runs.items():
            is_expected = run.check_date is None or start <= run.check_date <= end
            if payroll_uuid not in processed and is_expected and run.state not in (states.WITHDRAWN, states.IGNORED):
                _read_again(run)


def _next_sweep(legal_entity: LegalEntity, payrolls: Iterable[dict[str, Any]], now: datetime) -> datetime:
    """Hourly from a payroll's deadline until two days after its check date, else daily, unless the tenant says."""
    if legal_entity.sweep_hours:
        return now + timedelta(hours=legal_entity.sweep_hours)
    due_at = now + SWEEP_EVERY
    for row in payrolls:
        begins, check_date = _moment(row.get("payroll_deadline")), _day(row.get("check_date"))
        if begins is None or check_date is None:
            continue
        ends = datetime.combine(check_date + timedelta(days=BUSY_DAYS_AFTER_CHECK_DATE + 1), time(), UTC)
        if begins <= now < ends:
            return now + SWEEP_EVERY_BUSY
        if now < begins:
            due_at = min(due_at, begins)
    return due_at


def _day(given: Any) -> date | None:
    """A date of Gusto; None for anything else (an official sample has the word “nil”)."""
    try:
        return date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _moment(given: Any) -> datetime | None:
    """A moment of Gusto, written with Z, with an offset, or as a mere day (gusto.md 4.2); None for anything else."""
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def schedule_all() -> None:
    """Make the recurring work due that should be waiting and is not: after a start, after connecting, after an item was
    given up. What waits already keeps its moment, so this may be called at any time.
    """
    if not GustoApplication.objects.filter(is_active=True).exists():
        return
    work.ensure("gusto.feed", tenant_id=None)
    work.ensure("gusto.subscribe", tenant_id=None)
    for legal_entity_id, tenant_id in CompanyRoute.objects.values_list("legal_entity_id", "tenant_id"):
        work.ensure("gusto.sweep", str(legal_entity_id), tenant_id=tenant_id)
