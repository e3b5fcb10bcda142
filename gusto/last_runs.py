"""The last payroll runs of a legal entity with their lines, for the floor below that shows what a mapping does to them."""

from __future__ import annotations

from django.db.models import QuerySet

from gusto.models import PayrollDocument, PayrollRun
from gusto.payroll_run import header_of
from mappings.payroll import PayrollHeader
from tenants.models import LegalEntity

#: People of all runs together: reading ten thousand takes seconds, and a page waits for it.
PEOPLE_MAX = 12_000


def last_runs(legal_entity: LegalEntity, runs: int) -> list[PayrollHeader]:
    """At most so many, newest check date first, inside a scope; fewer where they are large, but always the last. Those that
    were read back, see `last_documents`.
    """
    kept: list[PayrollRun] = []
    people = 0
    for run in last_documents(legal_entity)[:runs]:
        people += run.employees
        if kept and people > PEOPLE_MAX:
            break
        kept.append(run)
    return [header_of(run) for run in kept]


def last_documents(legal_entity: LegalEntity) -> QuerySet[PayrollRun]:
    """Runs that were read back, blocked or not, newest check date first, inside a scope; with them those that were paid
    before the first check date and read for the mapping. None that was taken back or that the mapping does not post.
    """
    read = PayrollDocument.objects.filter(payroll_run__legal_entity=legal_entity).values("payroll_run_id")
    return (
        PayrollRun.objects.select_related("legal_entity")
        .filter(legal_entity=legal_entity, pk__in=read)
        .exclude(state=PayrollRun.State.WITHDRAWN)
        .exclude(state=PayrollRun.State.IGNORED, read_at__isnull=False)
        .order_by("-check_date", "-pk")
    )
