"""What the erp floor does by itself: its kinds of work, and what it hears from below."""

from __future__ import annotations

from typing import Any

from audit import work
from erp import building, posting, reference, reversal
from erp.connector import CONNECTORS
from erp.models import Posting
from gusto.models import PayrollRun
from gusto.past_payrolls import before_first_day
from gusto.signals import payroll_changed, payroll_processed
from mappings.models import MappingTable
from mappings.signals import version_approved
from tenants import checks
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope
from tenants.signals import connection_healed


def register() -> None:
    """Called once by `erp.apps`."""
    work.register("erp.allocate", _allocate, building.allocate_exhausted)
    work.register("erp.post", posting.post, posting.post_exhausted)
    work.register("erp.withdraw", reversal.withdraw)
    work.register("erp.recheck", building.recheck)
    work.register("erp.read_reference", reference.read_reference)
    for system in CONNECTORS:
        checks.register(system, reference.check_erp)
    connection_healed.connect(_on_healed, dispatch_uid="erp")
    payroll_processed.connect(_on_processed, dispatch_uid="erp")
    payroll_changed.connect(_on_changed, dispatch_uid="erp")
    version_approved.connect(_on_version_approved, dispatch_uid="erp")


def schedule_all() -> None:
    """Make the work due that should be waiting and is not: reference data of every ERP connection, every posting that is
    on its way, every run that was read and never allocated. Outside any scope; safe at any time.
    """
    for tenant_id in Tenant.objects.filter(is_installation=False).values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            for pk in Connection.objects.filter(system__in=list(CONNECTORS)).values_list("pk", flat=True):
                work.ensure("erp.read_reference", str(pk), tenant_id=tenant_id)
            moving = [Posting.State.APPROVED, Posting.State.SENDING, Posting.State.ENTERED]
            for pk in Posting.objects.filter(state__in=moving).values_list("pk", flat=True):
                work.ensure("erp.post", str(pk), tenant_id=tenant_id)
            unbuilt = PayrollRun.objects.filter(
                state=PayrollRun.State.READ, postings__isnull=True, legal_entity__is_live=True
            )
            for pk in unbuilt.values_list("pk", flat=True):
                work.ensure("erp.allocate", str(pk), tenant_id=tenant_id)


def _allocate(claim: work.Claim) -> work.Later | None:
    """Work item erp.allocate. Whoever asks for it: no journal is made for a legal entity that is still being set up."""
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        is_set_up = PayrollRun.objects.filter(pk=int(claim.ref), legal_entity__is_live=True).exists()
    return building.allocate_run(claim) if is_set_up else None


def go_live(entity: LegalEntity) -> None:
    """From its first check date on, payrolls of a legal entity become journals; inside a scope, the row is stored.

    What was paid before that day and is here stays out of the books; what is on time and was read for the mapping only is
    read again, whole.
    """
    assert entity.posts_from_date is not None, "a legal entity goes live on a day"
    LegalEntity.objects.filter(pk=entity.pk).update(is_live=True)
    runs = PayrollRun.objects.select_for_update(of=("self",)).filter(legal_entity=entity)
    sentence = before_first_day(entity.posts_from_date)
    for run in runs.filter(
        state__in=[PayrollRun.State.READ, PayrollRun.State.BLOCKED], check_date__lt=entity.posts_from_date
    ):
        # `read_at` goes as well: what was never to be posted is no payroll run that was read and then dropped.
        run.state, run.reason, run.sentence, run.problems, run.read_at = (
            PayrollRun.State.IGNORED,
            "",
            sentence,
            [],
            None,
        )
        run.save(update_fields=["state", "reason", "sentence", "problems", "read_at"])
    for pk in runs.filter(state=PayrollRun.State.READ).values_list("pk", flat=True):
        work.enqueue("erp.allocate", str(pk), tenant_id=entity.tenant_id)
    ignored = runs.filter(
        state=PayrollRun.State.IGNORED, source=PayrollRun.Source.API, check_date__gte=entity.posts_from_date
    )
    for pk in ignored.values_list("pk", flat=True):
        work.enqueue("gusto.read_payroll", str(pk), tenant_id=entity.tenant_id)
    if entity.gusto_connection_id is not None:
        work.enqueue("gusto.sweep", str(entity.pk), tenant_id=entity.tenant_id)


def _on_healed(sender: type[Connection], connection_id: int, **_: Any) -> None:
    for entity in LegalEntity.objects.filter(erp_connection_id=connection_id):
        work.enqueue("erp.recheck", str(entity.pk), tenant_id=entity.tenant_id)


def _on_processed(sender: type[PayrollRun], run: PayrollRun, **_: Any) -> None:
    work.enqueue("erp.allocate", str(run.pk), tenant_id=run.tenant_id)


def _on_changed(sender: type[PayrollRun], run: PayrollRun, **_: Any) -> None:
    work.enqueue("erp.withdraw", str(run.pk), tenant_id=run.tenant_id)


def _on_version_approved(sender: type[MappingTable], table: MappingTable, **_: Any) -> None:
    work.enqueue("erp.recheck", str(table.legal_entity_id), tenant_id=table.tenant_id)
