"""Reference data of an ERP: read when they are older than an hour and something depends on them, kept as rows.

Checks and pages use the rows (`mappings.models`); the connector gets its own facts back (formats, delimiters), so that
it need not ask for them again in each job.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from audit import trail, work
from audit.checks import mark_broken, mark_healthy
from audit.exchange import Misconfigured, RecordedSession
from erp.connector import Access, Connector, Reference, connector_class
from erp.models import ReferenceSnapshot
from gusto.models import PayrollRun
from mappings.models import Dimension, DimensionValue, FiscalPeriod, MainAccount
from tenants.checks import Check
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope

#: Older reference data are read again before a journal is built and before it is sent (design section 6).
FRESH_FOR = timedelta(hours=1)
#: How often they are read without any need, so that a gap shows before the next payroll does.
READ_EVERY = timedelta(hours=24)
#: While a payroll is under way they are read as often as Gusto is swept: until two days after its check date.
READ_EVERY_BUSY = timedelta(hours=1)
BUSY_DAYS_AFTER_CHECK_DATE = 2

#: Among the counts of a snapshot: how many accounts the last reading brought that were not there before.
NEW_ACCOUNTS = "new main accounts"


@contextmanager
def connector_of(
    tenant_id: uuid.UUID, connection_id: int, *, about: str, company_code: str = "", is_private: bool = False
) -> Iterator[Connector]:
    """A connector ready to be used, outside any scope. A call that finds a setting wrong marks the connection broken.
    `is_private`: what is sent and answered shows people's pay, so that of its exchanges only digests are kept.

    Raises Misconfigured where the connection lacks a field.
    """
    with tenant_scope(tenant_id):
        row = Connection.objects.get(pk=connection_id)
        snapshot = ReferenceSnapshot.objects.filter(connection_id=connection_id).first()
        fields = row.fields
        is_on_premises = row.is_on_premises
        system = row.system
    reference = (
        Reference(
            company_codes=tuple((code, name, currency) for code, name, currency in snapshot.company_codes),
            dimensions=(),
            accounts=(),
            dimension_values=(),
            periods=(),
            setup_problems=tuple(snapshot.setup_problems),
            facts=snapshot.facts,
        )
        if snapshot
        else None
    )
    with RecordedSession(
        tenant_id=tenant_id, system=system, about=about, is_on_premises=is_on_premises, is_private=is_private
    ) as session:
        try:
            yield connector_class(system)(
                Access(
                    connection_id=connection_id,
                    company_code=company_code,
                    credentials=fields,
                    session=session,
                    reference=reference,
                )
            )
        except Misconfigured as error:
            if error.page == "connection":
                mark_broken(connection_id, tenant_id, error.sentence)
            raise
    mark_healthy(connection_id, tenant_id)


def is_fresh(connection_id: int) -> bool:
    """Inside a scope: whether the reference data of this connection may be relied on."""
    return ReferenceSnapshot.objects.filter(
        connection_id=connection_id, read_at__gt=timezone.now() - FRESH_FOR
    ).exists()


def read(tenant_id: uuid.UUID, connection_id: int) -> bool:
    """Read the reference data now and keep them; outside any scope. True if they differ from what was kept.

    Raises the errors of `Connector.read_reference`.
    """
    with tenant_scope(tenant_id):
        company_code = _company_code(connection_id)
    with connector_of(
        tenant_id, connection_id, about=f"reference {connection_id}", company_code=company_code
    ) as connector:
        reference = connector.read_reference()
    with tenant_scope(tenant_id):
        changed = save(connection_id, reference)
        if changed:
            row = Connection.objects.get(pk=connection_id)
            trail.record(
                "reference.read", subject="connection", subject_id=str(connection_id), name=row.name,
                accounts=len(reference.accounts), values=len(reference.dimension_values),
            )  # fmt: skip
            for found in LegalEntity.objects.filter(erp_connection_id=connection_id):
                work.enqueue("erp.recheck", str(found.pk), tenant_id=tenant_id)
    return changed


def ensure_fresh(tenant_id: uuid.UUID, connection_id: int) -> None:
    """Read the reference data if they are too old to rely on; outside any scope."""
    with tenant_scope(tenant_id):
        fresh = is_fresh(connection_id)
    if not fresh:
        read(tenant_id, connection_id)


def read_reference(claim: work.Claim) -> work.Later | None:
    """Work item erp.read_reference: read now, and again in an hour while a payroll is under way, else in a day."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        if not Connection.objects.filter(pk=int(claim.ref)).exists():
            return None
        last_busy_date = timezone.localdate() - timedelta(days=BUSY_DAYS_AFTER_CHECK_DATE)
        is_busy = PayrollRun.objects.filter(
            legal_entity__erp_connection_id=int(claim.ref), check_date__gte=last_busy_date
        ).exists()
    sentence = ""
    try:
        read(claim.tenant_id, int(claim.ref))
    except Misconfigured as error:
        sentence = error.sentence
    return work.Later(timezone.now() + (READ_EVERY_BUSY if is_busy else READ_EVERY), sentence)


def save(connection_id: int, reference: Reference) -> bool:
    """Keep reference data, inside a scope. True if anything differs from what was kept before."""
    digest = _digest(reference)
    snapshot = ReferenceSnapshot.objects.filter(connection_id=connection_id).first()
    if snapshot is not None and snapshot.digest == digest:
        snapshot.read_at = timezone.now()
        snapshot.counts = {**snapshot.counts, NEW_ACCOUNTS: 0}
        snapshot.save(update_fields=["read_at", "counts"])
        return False
    known = set(MainAccount.objects.filter(connection_id=connection_id).values_list("company_code", "number"))
    new_accounts = sum((account.company_code, account.number) not in known for account in reference.accounts)
    _replace(
        MainAccount, connection_id, ("company_code", "number"),
        (
            MainAccount(
                connection_id=connection_id, company_code=account.company_code, number=account.number,
                name=account.name[:200], is_active=account.is_active, allows_manual_entry=account.allows_manual_entry,
                valid_from=account.valid_from, valid_to=account.valid_to,
                allowed_dimensions=None if account.allowed_dimensions is None else sorted(account.allowed_dimensions),
                required_dimensions=sorted(account.required_dimensions), requires_text=account.requires_text,
                entry_note=account.entry_note[:200],
            )
            for account in reference.accounts
        ),
    )  # fmt: skip
    _replace(
        Dimension, connection_id, ("name",),
        (Dimension(connection_id=connection_id, name=name) for name in reference.dimensions),
    )  # fmt: skip
    _replace(
        DimensionValue, connection_id, ("company_code", "dimension", "value"),
        (
            DimensionValue(
                connection_id=connection_id, company_code=value.company_code, dimension=value.dimension,
                value=value.value, name=value.name[:200], is_active=value.is_active, valid_from=value.valid_from,
                valid_to=value.valid_to,
            )
            for value in reference.dimension_values
        ),
    )  # fmt: skip
    _replace(
        FiscalPeriod, connection_id, ("company_code", "start_date", "end_date"),
        (
            FiscalPeriod(
                connection_id=connection_id, company_code=period.company_code, name=period.name,
                start_date=period.start, end_date=period.end, is_open=period.is_open,
                closed_note=period.closed_note[:500],
            )
            for period in reference.periods
        ),
    )  # fmt: skip
    ReferenceSnapshot.objects.update_or_create(
        connection_id=connection_id,
        defaults={
            "read_at": timezone.now(),
            "digest": digest,
            "company_codes": [list(code) for code in reference.company_codes],
            "setup_problems": list(reference.setup_problems),
            "facts": dict(reference.facts),
            "counts": {
                "main accounts": len(reference.accounts),
                "dimension values": len(reference.dimension_values),
                "fiscal periods": len(reference.periods),
                # At the first reading all are; that is no news.
                NEW_ACCOUNTS: new_accounts if known else 0,
            },
        },
    )
    return True


def _replace(model: type[models.Model], connection_id: int, key: tuple[str, ...], rows: Iterable[models.Model]) -> None:
    """Make the rows of one connection equal to `rows`: update and insert by key, delete the rest."""
    wanted = {tuple(getattr(row, name) for name in key): row for row in rows}
    manager: Any = model.objects  # type: ignore[attr-defined]
    stale = [
        row.pk
        for row in manager.filter(connection_id=connection_id).only("pk", *key)
        if tuple(getattr(row, name) for name in key) not in wanted
    ]
    if stale:
        manager.filter(pk__in=stale).delete()
    fixed = {"id", "tenant", "connection", *key}
    others = [field.name for field in model._meta.concrete_fields if field.name not in fixed]
    conflict: dict[str, Any] = (
        {"update_conflicts": True, "update_fields": others} if others else {"ignore_conflicts": True}
    )
    manager.bulk_create(
        wanted.values(), batch_size=2000, **conflict,
        **({"unique_fields": ["tenant", "connection", *key]} if others else {}),
    )  # fmt: skip


def _digest(reference: Reference) -> str:
    """Equal reference data give equal digests, whatever the order in which the ERP listed them."""

    def plain(value: Any) -> Any:
        if isinstance(value, frozenset | set):
            return sorted(value)
        if hasattr(value, "isoformat"):
            return value.isoformat()
        raise TypeError(type(value).__name__)

    document = [
        sorted(reference.company_codes),
        sorted(reference.dimensions),
        sorted(
            json.dumps([getattr(row, name) for name in row.__slots__], default=plain)
            for group in (reference.accounts, reference.dimension_values, reference.periods)
            for row in group
        ),
        sorted(reference.setup_problems),
        reference.facts,
    ]
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=plain).encode()).hexdigest()


def check_erp(connection_id: int, tenant_id: uuid.UUID) -> list[Check]:
    """“Test connection” of an ERP: the connector's own lines. Outside any scope."""
    with tenant_scope(tenant_id):
        company_code = _company_code(connection_id)
    with connector_of(tenant_id, connection_id, about=f"test {connection_id}", company_code=company_code) as connector:
        before = time.monotonic()
        found = []
        for line in connector.check():
            seconds, before = line.told_at - before, line.told_at
            found.append(
                Check(name=line.name, is_passed=line.is_passed, sentence=line.sentence, seconds=round(seconds, 1))
            )
        return found


def _company_code(connection_id: int) -> str:
    entity = LegalEntity.objects.filter(erp_connection_id=connection_id).exclude(company_code="").first()
    return entity.company_code if entity else ""


def settling_seconds(connector: type[Connector]) -> int:
    """How long an unknown outcome settles before the ERP is asked: the connector's figure unless the operator's."""
    return connector.settling_seconds if settings.SETTLING_SECONDS is None else int(settings.SETTLING_SECONDS)
