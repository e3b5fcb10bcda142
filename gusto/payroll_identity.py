"""When two payrolls are one: by Gusto's uuid, or, where nothing gives it, by legal entity, days, type and reason (design 6,
"Identity of a payroll run"). One payroll that came from Gusto and as a file must never become two journals.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import Protocol

from django.db.models import QuerySet

from gusto.figures import folded
from gusto.models import PayrollRun
from gusto.payroll_lines import Form
from tenants.models import LegalEntity

#: Under this name the ids of payrolls are made that Gusto gave none for. It must never change: posting keys hang on it.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ml-connector/payroll-files")


class Days(Protocol):
    """What a payroll is known by without a uuid: a payroll run, or the facts of one."""

    @property
    def check_date(self) -> date | None: ...

    @property
    def period_start(self) -> date | None: ...

    @property
    def period_end(self) -> date | None: ...

    @property
    def payroll_type(self) -> str: ...

    @property
    def off_cycle_reason(self) -> str: ...


def take_turn(legal_entity_id: int) -> None:
    """One payroll of a legal entity is taken at a time, inside a scope: two that come at once, from Gusto and as a file,
    would not see each other. Call it before a run is locked.
    """
    LegalEntity.objects.select_for_update(no_key=True).get(pk=legal_entity_id)


def has_other_source(run: PayrollRun) -> bool:
    """The same payroll came in by file, or the other way round."""
    others = of_same_days(run.legal_entity_id, run).exclude(source=run.source)
    others = others.exclude(state__in=[PayrollRun.State.WITHDRAWN, PayrollRun.State.IGNORED])
    return any(goes_by_days(run) or goes_by_days(other) for other in others)


def of_same_days(legal_entity_id: int, days: Days) -> QuerySet[PayrollRun]:
    """Runs of one legal entity with the same pay period, check date, type and reason, inside a scope."""
    found: QuerySet[PayrollRun] = PayrollRun.objects.filter(
        legal_entity_id=legal_entity_id,
        check_date=days.check_date,
        period_start=days.period_start,
        period_end=days.period_end,
        payroll_type=days.payroll_type,
    )
    reason = folded(days.off_cycle_reason)
    return found.filter(pk__in=[run.pk for run in found if folded(run.off_cycle_reason) == reason])


def goes_by_days(run: PayrollRun) -> bool:
    """Whether nothing gave the uuid of this payroll, so that its days are all that it is known by."""
    return run.source == PayrollRun.Source.FILE and not run.documents.filter(form=Form.DOCUMENT).exists()


def ids_of(legal_entity: LegalEntity, days: Days) -> tuple[str, str]:
    """(company_uuid, payroll_uuid) for a payroll without them, the same wherever and whenever they are made: posting keys
    are derived from them, and a restored database or a second installation has to find the same journal.
    """
    company_uuid = legal_entity.gusto_company_uuid or str(uuid.uuid5(_NAMESPACE, folded(legal_entity.name)))
    parts = (
        days.check_date, days.period_start, days.period_end, days.payroll_type, folded(days.off_cycle_reason)
    )  # fmt: skip
    seed = "\n".join([company_uuid, *("" if part is None else str(part) for part in parts)])
    return company_uuid, str(uuid.uuid5(_NAMESPACE, seed))
