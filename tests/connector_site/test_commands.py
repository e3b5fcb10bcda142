"""The operator's commands: what they print, what they change, and with which code they end."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import BinaryField
from django.utils import timezone

from audit import trail, work
from audit.models import AuditEntry, WorkItem
from connector_site import rotation
from erp.models import Posting, PostingLine, PostingTrace
from gusto.models import CompanyRoute, GustoApplication, PayrollDocument, PayrollRun
from mappings.models import MappingTable
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tenants.secrets import sealed, unsealed
from tests.audit.test_trail import as_owner, entries

OWN = [
    "demo", "doctor", "migrate", "provision", "replay", "reset_second_factor", "rotate_keys", "run", "sandbox", "status", "sweep",
    "verify_audit",
]  # fmt: skip


def said(*argv: str) -> str:
    out = StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


def posting(tenant: Tenant, state: str = "posted", reason: str = "", **values) -> Posting:
    """A posting with two lines of 1,234.50, with everything it hangs on."""
    with tenant_scope(tenant.id):
        books = Connection.objects.create(system="d365", name="Books")
        entity = LegalEntity.objects.create(name="Acme Bakery Inc", company_code="us01", erp_connection=books)
        table = MappingTable.objects.create(
            legal_entity=entity, version=1, valid_from=datetime.date(2026, 1, 1), state="approved"
        )
        run = PayrollRun.objects.create(
            legal_entity=entity,
            company_uuid="c-1",
            payroll_uuid="p-1",
            announced_at=timezone.now(),
            check_date=datetime.date(2026, 11, 13),
            state="read",
        )
        row: Posting = Posting.objects.create(
            legal_entity=entity, payroll_run=run, connection=books, mapping_table=table, kind="payroll", company_code="us01",
            posting_key="ABCDEF123456789", state=state, reason=reason, posting_date=run.check_date,
            document_date=run.check_date, currency="USD", header_text="Payroll", debit=Decimal("1234.50"),
            credit=Decimal("1234.50"), line_count=2, journal_digest="d", document_number="US01-000123", **values,
        )  # fmt: skip
        PostingLine.objects.create(posting=row, number=1, main_account="6000", debit=Decimal("1234.50"), credit=0)
        PostingLine.objects.create(posting=row, number=2, main_account="2000", debit=0, credit=Decimal("1234.50"))
        PostingTrace.objects.create(posting=row, sealed=sealed(b"who got what"))
        PayrollDocument.objects.create(
            payroll_run=run, read_at=timezone.now(), pages=1, digest="d", sealed=sealed(b"the payroll")
        )
        return row


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OWN)
def test_every_command_explains_itself_on_an_empty_machine(manage, name):
    done = manage(
        name, "--help", without=("DATABASE_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "MLC_EMBEDDED", "MLC_SANDBOX")
    )
    assert done.returncode == 0, done.stderr
    assert f"manage.py {name}" in done.stdout
    assert len(done.stdout) > 400


def test_help_lists_every_command(manage):
    done = manage("help", without=("DATABASE_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "MLC_EMBEDDED"))
    assert done.returncode == 0
    assert set(OWN) <= set(done.stdout.split())


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_lists_where_each_journal_stands(tenant, other_tenant):
    posting(tenant)
    found = json.loads(said("status", "--json"))
    assert [row["name"] for row in found["connections"]] == ["Books"]
    assert found["payroll_runs"][0]["check_date"] == "2026-11-13"
    (row,) = found["postings"]
    expected = {
        "tenant": "acme",
        "legal_entity": "Acme Bakery Inc",
        "company_code": "us01",
        "payroll_uuid": "p-1",
        "check_date": "2026-11-13",
        "kind": "payroll",
        "state": "posted",
        "reason": "",
        "posting_key": "ABCDEF123456789",
        "document_number": "US01-000123",
        "debit": "1234.50",
        "credit": "1234.50",
    }
    assert {name: row[name] for name in expected} == expected
    table = said("status")
    assert "ABCDEF123456789" in table
    assert "1,234.50" in table
    assert json.loads(said("status", "--json", "--tenant", "borealis"))["postings"] == []
    with pytest.raises(CommandError, match="no tenant “nobody”"):
        said("status", "--tenant", "nobody")


def test_status_of_an_empty_installation(db):
    assert said("status").split() == ["Connections", "none", "Payroll", "runs", "none", "Postings", "none"]


# --- verify_audit ---------------------------------------------------------------------------------------------------


def test_an_intact_trail_is_anchored_and_verified_again(tenant, other_tenant, tmp_path):
    anchor = tmp_path / "anchors.jsonl"
    entries(tenant, 2)
    assert "2 heads were appended" in said("verify_audit", "--anchor", str(anchor))
    entries(tenant, 1)
    said("verify_audit", "--anchor", str(anchor))
    rows = [json.loads(line) for line in anchor.read_text().splitlines()]
    assert [row["number"] for row in rows if row["tenant_id"] == str(tenant.id)] == [2, 3]
    assert "intact  acme: 3 entries" in said("verify_audit", "--against", str(anchor))
    assert len(anchor.read_text().splitlines()) == 4
    assert "cannot be told" in said("verify_audit")


def test_a_changed_entry_is_found_without_an_anchor(tenant, capsys):
    entries(tenant, 3)
    as_owner("UPDATE audit_auditentry SET actor = 'mallory' WHERE number = 2")
    with pytest.raises(CommandError, match="The audit trail is broken: acme"):
        said("verify_audit")


def test_a_cut_off_trail_is_found_against_the_anchor_and_not_anchored_again(tenant, tmp_path):
    anchor = tmp_path / "anchors.jsonl"
    entries(tenant, 3)
    said("verify_audit", "--anchor", str(anchor))
    before = anchor.read_text()
    as_owner("DELETE FROM audit_auditentry WHERE number = 3")
    as_owner(
        "UPDATE audit_audithead SET number = 2, seal = (SELECT seal FROM audit_auditentry WHERE number = 2) "
        "WHERE tenant_id = %s",
        tenant.id,
    )
    said("verify_audit")
    for option in ("--against", "--anchor"):
        with pytest.raises(CommandError, match="broken: acme"):
            said("verify_audit", option, str(anchor))
    assert anchor.read_text() == before


def test_a_tenant_that_vanished_is_found(tenant, tmp_path):
    anchor = tmp_path / "anchors.jsonl"
    anchor.write_text('{"tenant_id": "00000000-0000-0000-0000-000000000001", "number": 7, "seal": "ab"}\n')
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--against", str(anchor), stdout=out)
    assert "up to entry 7; the database does not know it" in out.getvalue()


@pytest.mark.parametrize("text", ["nonsense\n", '{"number": 1}\n', "[]\n"])
def test_a_damaged_anchor_file_is_named(tenant, tmp_path, text):
    anchor = tmp_path / "anchors.jsonl"
    anchor.write_text(text)
    with pytest.raises(CommandError, match="Line 1 of the anchor file"):
        said("verify_audit", "--against", str(anchor))
    with pytest.raises(CommandError, match="cannot be read"):
        said("verify_audit", "--against", str(tmp_path / "nowhere"))


@pytest.mark.django_db(transaction=True)
def test_the_exit_code_tells(manage, tenant, tmp_path):
    entries(tenant, 3)
    assert manage("verify_audit").returncode == 0
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mlc_owner")
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER audit_no_change")
        cursor.execute("DELETE FROM audit_auditentry WHERE number = 2")
        cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER audit_no_change")
        cursor.execute("RESET ROLE")
    done = manage("verify_audit")
    assert done.returncode == 1
    assert "BROKEN  acme: Audit entry 3 does not match its seal." in done.stdout
    assert "Traceback" not in done.stderr


# --- rotate_keys ----------------------------------------------------------------------------------------------------


def stored_texts() -> list[bytes]:
    """Every encrypted value as it lies in the database."""
    found = []
    for place in rotation.places():
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE mlc_owner")
            cursor.execute(f'SELECT "{place.column}" FROM "{place.model._meta.db_table}"')
            found += [row[0].encode() if isinstance(row[0], str) else bytes(row[0]) for row in cursor.fetchall()]
            cursor.execute("RESET ROLE")
    return found


def test_every_binary_column_is_a_seal_or_encrypted():
    columns = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, BinaryField)
    }
    known = {place.label for place in rotation.places()}
    assert columns - known == {"audit.AuditEntry.seal", "audit.AuditEntry.previous_seal", "audit.AuditHead.seal"}


def test_after_a_rotation_the_first_key_alone_opens_everything(tenant, other_tenant, settings):
    row = posting(tenant)
    with tenant_scope(other_tenant.id):
        Connection.objects.create(system="d365", name="Theirs", sealed_fields='{"client_secret": "hunter2"}')
    GustoApplication.objects.create(client_id="id", client_secret="hunter3")
    old = settings.FIELD_ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *old]
    report = said("rotate_keys")
    assert "tenants.Connection.sealed_fields of borealis: 1 encrypted anew" in report
    assert "Nothing is left under the other keys" in report
    values = stored_texts()
    assert len(values) == 6
    for value in values:
        Fernet(new).decrypt(value)
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert GustoApplication.objects.get().client_secret == "hunter3"
    with tenant_scope(other_tenant.id):
        assert "hunter2" in Connection.objects.get().sealed_fields
        assert trail.sentence(AuditEntry.objects.get()) == "1 stored secrets were encrypted anew."
    with tenant_scope(tenant.id):
        assert unsealed(PostingTrace.objects.get(posting_id=row.pk).sealed) == b"who got what"
        assert unsealed(PayrollDocument.objects.get().sealed) == b"the payroll"
    assert said("rotate_keys").startswith("0 encrypted anew")


def test_what_no_key_opens_is_named(tenant, settings):
    with tenant_scope(tenant.id):
        lost = Connection.objects.create(system="d365", name="Books", sealed_fields="{}")
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=rf"tenants.Connection.sealed_fields of acme: row {lost.pk}"):
        said("rotate_keys")


# --- sweep and replay -----------------------------------------------------------------------------------------------


def test_sweep_does_what_is_due_here_and_now(tenant):
    done = []
    work.register("test.thing", lambda claim: done.append(claim.ref))
    work.enqueue("test.thing", "1", tenant_id=tenant.id)
    assert "1 work items were tried; nothing more is due." in said("sweep")
    assert done == ["1"]


def test_sweep_makes_the_payroll_list_of_each_company_due(tenant, other_tenant):
    for number, one in enumerate((tenant, other_tenant)):
        CompanyRoute.objects.create(company_uuid=f"c-{number}", tenant=one, legal_entity_id=number)
    said("sweep", "--tenant", "borealis")
    assert [(item.tenant_id, item.ref) for item in WorkItem.objects.filter(kind="gusto.sweep")] == [
        (other_tenant.id, "1")
    ]


def test_replay_of_a_blocked_posting_builds_it_anew(tenant):
    row = posting(tenant, "blocked", "mapping")
    assert "posting ABCDEF123456789 is replayed" in said("replay", "ABCDEF123456789")
    assert WorkItem.objects.get(kind="erp.allocate").ref == str(row.payroll_run_id)
    with tenant_scope(tenant.id):
        entry = AuditEntry.objects.get(action="posting.replayed")
    assert entry.actor == "manage.py replay"


def test_replay_of_a_payroll_run_reads_it_again(tenant):
    row = posting(tenant)
    said("replay", "p-1")
    assert WorkItem.objects.get(kind="gusto.read_payroll").ref == str(row.payroll_run_id)


def test_replay_refuses_what_is_done_and_what_is_not_there(tenant, other_tenant):
    posting(tenant)
    with pytest.raises(CommandError, match="only a waiting one can be replayed"):
        said("replay", "ABCDEF123456789")
    with pytest.raises(CommandError, match="There is no posting and no payroll run"):
        said("replay", "ABCDEF123456789", "--tenant", "borealis")


# --- doctor ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_doctor_names_everything_that_is_missing(manage, tenant):
    with tenant_scope(tenant.id):
        LegalEntity.objects.create(name="Acme Bakery Inc")
    done = manage("doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("WRONG  installation: No worker was seen ever") for line in lines)
    assert any(line.startswith("WRONG  Gusto application: There is none.") for line in lines)
    assert (
        "WRONG  acme / Acme Bakery Inc: Its payrolls cannot be posted: it is not connected to Gusto, it has no ERP "
        "connection, it has no company code, it has no approved mapping version." in lines
    )
    assert "things are wrong" in done.stderr
    assert "Traceback" not in done.stderr
