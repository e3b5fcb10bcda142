"""“Test connection” as work, and the two moments in a connection's life that people must hear of: broken and healed.

A test may take a minute (a sleeping ERP), so a worker runs it; the console shows what is stored on the connection.
"""

from __future__ import annotations

import uuid

from django.utils import timezone

from audit.exchange import ExchangeError
from audit.trail import record
from audit.work import Claim
from tenants import checks, health
from tenants.checks import Check
from tenants.models import Connection
from tenants.scope import tenant_scope
from tenants.signals import connection_healed

KIND = "tenants.check_connection"


def check_connection(claim: Claim) -> None:
    """Test the connection whose id is the claim's ref, and store what was found. A connection that is gone is done."""
    assert claim.tenant_id is not None, "a connection belongs to a tenant"
    with tenant_scope(claim.tenant_id):
        connection = Connection.objects.filter(pk=int(claim.ref)).first()
    if connection is None:
        return
    try:
        found = checks.run(connection)
    except ExchangeError as error:
        # Whoever pressed the button wants an answer, not a retry.
        found = [Check(name="Connection", is_passed=False, sentence=error.sentence)]
    failed = [line for line in found if not line["is_passed"]]
    with tenant_scope(claim.tenant_id):
        now = timezone.now()
        # Never save(): the row also holds secrets that another worker may be renewing.
        Connection.objects.filter(pk=connection.pk).update(checks=found, tested_at=now)
        result = "everything works" if not failed else f"{len(failed)} of {len(found)} checks failed"
        record(
            "connection.tested",
            subject="connection",
            subject_id=str(connection.pk),
            name=connection.name,
            result=result,
        )
        if failed:
            _set_broken(connection.pk, failed[0]["sentence"])
        else:
            _set_healthy(connection.pk)


def mark_broken(connection_id: int, tenant_id: uuid.UUID, sentence: str) -> None:
    """The connection needs a person; `sentence` says why and what to do. Told once, not with every failing call."""
    with tenant_scope(tenant_id):
        _set_broken(connection_id, sentence)


def mark_healthy(connection_id: int, tenant_id: uuid.UUID) -> None:
    """The connection works (again)."""
    with tenant_scope(tenant_id):
        _set_healthy(connection_id)


def _set_broken(connection_id: int, sentence: str) -> None:
    connection = _switched_on(connection_id)
    if connection is not None and health.mark_broken(connection_id, sentence):
        record(
            "connection.broken",
            subject="connection",
            subject_id=str(connection_id),
            name=connection.name,
            sentence=sentence,
        )


def _set_healthy(connection_id: int) -> None:
    connection = _switched_on(connection_id)
    if connection is not None and health.mark_healthy(connection_id):
        record("connection.healed", subject="connection", subject_id=str(connection_id), name=connection.name)
        connection_healed.send(sender=Connection, connection_id=connection_id)


def _switched_on(connection_id: int) -> Connection | None:
    """None where the connection is gone or was switched off: what is off neither breaks nor heals."""
    return Connection.objects.filter(pk=connection_id).exclude(health=Connection.Health.OFF).first()
