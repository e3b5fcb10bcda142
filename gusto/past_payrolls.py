"""The last payrolls of a company that is being set up: read from Gusto so that the mapping is made for what the company
really pays, and can be tried on it. They were paid before the first check date, so nothing of them is ever posted.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from audit.exchange import Misconfigured, Rejected
from audit.work import Claim, Later
from gusto import payroll_document, people, source_codes
from gusto.client import GustoClient
from gusto.figures import Unreadable
from gusto.models import PayrollDocument, PayrollRun
from gusto.payroll_lines import Reading, read_document
from gusto.payroll_pages import Gone, Pages, fetch_payroll
from gusto.roster import person_of
from gusto.tie_out import tie_out
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope

#: As many as the coverage of a mapping looks at.
RUNS = 6
#: Two quarters of monthly payrolls; Gusto allows a year from start to end (gusto.md 4.1).
DAYS_BACK = 200
#: After a refusal that only a person can mend; connecting again makes it due at once.
EVERY_REFUSED = timedelta(hours=1)


def before_first_day(first_date: date) -> str:
    """Why a payroll that was paid earlier is not posted."""
    return f"Payrolls with a check date before {first_date:%-d %b %Y} are not posted here."


def read_past(claim: Claim) -> Later | None:
    """Work gusto.read_past, `ref` is a legal entity that is not live. Safe to repeat: what is here is not read again."""
    assert claim.tenant_id is not None, "a legal entity belongs to a tenant"
    with tenant_scope(claim.tenant_id):
        entity = LegalEntity.objects.select_related("gusto_connection").filter(pk=int(claim.ref)).first()
        known = set(
            PayrollDocument.objects.filter(payroll_run__legal_entity_id=int(claim.ref)).values_list(
                "payroll_run__payroll_uuid", flat=True
            )
        )
    connection = entity.gusto_connection if entity is not None else None
    if entity is None or entity.is_live or connection is None or connection.health == Connection.Health.OFF:
        return None
    try:
        with GustoClient(connection.pk, claim.tenant_id, f"legal entity {entity.pk}", claim.guard) as client:
            _take_company(client, entity)
            for payroll_uuid in _last(client, entity):
                if payroll_uuid not in known:
                    _read(claim, client, entity, payroll_uuid)
    except (Misconfigured, Rejected) as error:
        return Later(timezone.now() + EVERY_REFUSED, error.sentence)
    return None


def _take_company(client: GustoClient, entity: LegalEntity) -> None:
    """How Gusto calls the company."""
    document = client.fetch(f"/v1/companies/{entity.gusto_company_uuid}").document
    given = (document.get("trade_name") or document.get("name")) if isinstance(document, dict) else ""
    assert entity.tenant_id is not None, "a stored row has its tenant"
    with tenant_scope(entity.tenant_id):
        LegalEntity.objects.filter(pk=entity.pk).update(gusto_company_name=str(given or "")[:200])


def _last(client: GustoClient, entity: LegalEntity) -> list[str]:
    """The newest processed payrolls that were paid before the first check date; the sweep announces the others."""
    today = timezone.now().date()
    params = {
        "processing_statuses": "processed", "payroll_types": "regular,off_cycle", "date_filter_by": "check_date",
        "start_date": (today - timedelta(days=DAYS_BACK)).isoformat(), "end_date": (today + timedelta(days=85)).isoformat(),
    }  # fmt: skip
    found: dict[str, date] = {}
    for page in client.pages(f"/v1/companies/{entity.gusto_company_uuid}/payrolls", params):
        for row in page.document if isinstance(page.document, list) else []:
            payroll_uuid, check_date = _identity(row)
            if payroll_uuid and check_date:
                found[payroll_uuid] = check_date
    newest = sorted(found, key=lambda uuid: found[uuid], reverse=True)[:RUNS]
    first_date = entity.posts_from_date or today
    return [uuid for uuid in newest if found[uuid] < first_date]


def _identity(row: Any) -> tuple[str, date | None]:
    given = row if isinstance(row, dict) else {}
    try:
        check_date = date.fromisoformat(str(given.get("check_date")))
    except ValueError:
        check_date = None
    return str(given.get("payroll_uuid") or given.get("uuid") or ""), check_date


def _read(claim: Claim, client: GustoClient, entity: LegalEntity, payroll_uuid: str) -> None:
    """One payroll, or nothing where Gusto shows none that can be read: a mapping is made without it."""
    started = timezone.now()
    try:
        pages = fetch_payroll(
            client, entity.gusto_company_uuid, payroll_uuid,
            lambda facts: facts.is_processed and facts.payroll_type != "external",
        )  # fmt: skip
        if not pages.pages:
            return
        known = {uuid: person_of(kept) for uuid, kept in pages.people.items()}
        reading = read_document(pages.pages, known, entity.currency)
    except (Gone, Unreadable):
        return
    claim.guard()
    assert entity.tenant_id is not None, "a stored row has its tenant"
    with tenant_scope(entity.tenant_id):
        _keep(entity, payroll_uuid, pages, reading, started)


def _keep(entity: LegalEntity, payroll_uuid: str, pages: Pages, reading: Reading, read_at: datetime) -> None:
    """The payroll with its run, which is not posted. Who went live meanwhile gets it by the sweep."""
    locked = LegalEntity.objects.select_for_update(no_key=True).get(pk=entity.pk)
    if locked.is_live or PayrollRun.objects.filter(legal_entity=entity, payroll_uuid=payroll_uuid).exists():
        return
    facts = reading.facts
    run = PayrollRun.objects.create(
        legal_entity=entity, company_uuid=entity.gusto_company_uuid, payroll_uuid=payroll_uuid, announced_at=read_at,
        state=PayrollRun.State.IGNORED, sentence=before_first_day(locked.posts_from_date or read_at.date()),
        payroll_type=facts.payroll_type, off_cycle_reason=facts.off_cycle_reason, check_date=facts.check_date,
        debit_date=facts.debit_date, period_start=facts.period_start, period_end=facts.period_end,
        employees=reading.sums.people, tie_out=[row.as_json() for row in tie_out(reading)],
    )  # fmt: skip
    payroll_document.store(run, pages.pages, pages.people, read_at, reading.form)
    people.take(entity.pk, pages.employees, read_at)
    source_codes.take(entity.pk, facts.check_date, reading.header.lines)
