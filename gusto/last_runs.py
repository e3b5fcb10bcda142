"""The last payroll runs of a legal entity with their lines, for the floor below that shows what a mapping does to them."""

from __future__ import annotations

from gusto.models import PayrollDocument, PayrollRun
from gusto.payroll_run import header_of
from mappings.payroll import PayrollHeader
from tenants.models import LegalEntity


def last_runs(legal_entity: LegalEntity, runs: int) -> list[PayrollHeader]:
    """At most so many, newest check date first, inside a scope. Those that were read back, blocked or not; none that
    was taken back or is not posted.
    """
    read = PayrollDocument.objects.filter(payroll_run__legal_entity=legal_entity).values("payroll_run_id")
    found = (
        PayrollRun.objects.select_related("legal_entity")
        .filter(legal_entity=legal_entity, pk__in=read)
        .exclude(state__in=[PayrollRun.State.WITHDRAWN, PayrollRun.State.IGNORED])
        .order_by("-check_date", "-pk")
    )
    return [header_of(run) for run in found[:runs]]
