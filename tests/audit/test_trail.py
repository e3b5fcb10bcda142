"""The trail is append-only and shows tampering (invariant I8), per tenant."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from audit import trail
from audit.models import AuditEntry, AuditHead
from tenants.scope import tenant_scope


def entries(tenant, count: int) -> None:
    with tenant_scope(tenant.id):
        for number in range(count):
            trail.record("tenant.changed", subject="tenant", subject_id=str(number), name=f"Name {number}")


def as_owner(sql: str, *values: object) -> None:
    """What only somebody with the owner's rights could do: triggers aside."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE audit_auditentry DISABLE TRIGGER USER; ALTER TABLE audit_audithead DISABLE TRIGGER USER"
        )
        cursor.execute("SELECT set_config('app.tenant', '', true)")
        cursor.execute(sql, values)
        cursor.execute(
            "ALTER TABLE audit_auditentry ENABLE TRIGGER USER; ALTER TABLE audit_audithead ENABLE TRIGGER USER"
        )
        cursor.execute("RESET ROLE")


def test_entries_are_numbered_and_sealed_by_the_database(tenant, other_tenant):
    entries(tenant, 3)
    entries(other_tenant, 1)
    with tenant_scope(tenant.id):
        assert [entry.number for entry in AuditEntry.objects.order_by("number")] == [1, 2, 3]
        assert trail.verify().is_intact
        assert trail.sentence(AuditEntry.objects.get(number=2)) == "Tenant Name 1 was changed."
    with tenant_scope(other_tenant.id):
        assert AuditEntry.objects.count() == 1
        assert trail.verify().entries == 1


@pytest.mark.parametrize("act", ["update", "delete", "head"])
def test_the_application_cannot_change_the_trail(tenant, act):
    entries(tenant, 2)
    with pytest.raises(IntegrityError), transaction.atomic(), tenant_scope(tenant.id):
        if act == "update":
            AuditEntry.objects.filter(number=1).update(action="tenant.created")
        elif act == "delete":
            AuditEntry.objects.filter(number=1).delete()
        else:
            AuditHead.objects.filter(tenant=tenant).update(number=0)


@pytest.mark.parametrize(
    ("sql", "broken_at"),
    [
        ("UPDATE audit_auditentry SET facts = '{}' WHERE number = 2", 2),
        ("UPDATE audit_auditentry SET actor = 'mallory' WHERE number = 1", 1),
        ("DELETE FROM audit_auditentry WHERE number = 2", 3),
        ("DELETE FROM audit_auditentry WHERE number = 3", 3),
        ("UPDATE audit_auditentry SET at = at + interval '1 day' WHERE number = 3", 3),
    ],
)
def test_tampering_is_found(tenant, sql, broken_at):
    entries(tenant, 3)
    as_owner(sql)
    with tenant_scope(tenant.id):
        found = trail.verify()
    assert found.broken_at == broken_at


def test_a_cut_off_end_is_found_against_the_anchor_only(tenant):
    entries(tenant, 3)
    with tenant_scope(tenant.id):
        anchor = trail.verify().head
    as_owner("DELETE FROM audit_auditentry WHERE number = 3")
    as_owner(
        "UPDATE audit_audithead SET number = 2, seal = (SELECT seal FROM audit_auditentry WHERE number = 2) "
        "WHERE tenant_id = %s",
        tenant.id,
    )
    with tenant_scope(tenant.id):
        assert trail.verify().is_intact
        found = trail.verify([anchor])
    assert found.broken_at == 3
    assert "anchor knows entry 3" in found.sentence


def test_a_secret_never_reaches_the_trail(tenant):
    with tenant_scope(tenant.id):
        trail.record("connection.changed", name="Dynamics", changed={"client_secret": "hunter2"})
        assert "hunter2" not in str(AuditEntry.objects.get().facts)


def test_an_action_without_a_sentence_is_refused(tenant):
    with tenant_scope(tenant.id), pytest.raises(KeyError):
        trail.record("tenant.sneezed")


def test_a_sentence_writes_days_and_amounts_for_people(tenant):
    with tenant_scope(tenant.id):
        entry = trail.record(
            "posting.allocated", posting_key="K", lines=3, debit="-1234567.80", company_code="2026-13-45"
        )
        assert trail.sentence(entry) == "Journal K was built: 3 lines, -1,234,567.80, company code 2026-13-45."
        entry = trail.record("payroll_run.withdrawn", check_date="2026-11-03", what="cancelled")
        assert trail.sentence(entry) == "Payroll run with check date 3 Nov 2026 was cancelled in Gusto."
        entry = trail.record("mapping_table.approved", version="1.50", valid_from="2026-01-01")
        assert "version 1.50" in trail.sentence(entry)
