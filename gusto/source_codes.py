"""The kinds and components that a legal entity's payrolls have carried: what a mapping table has to cover."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from mappings.models import SourceCode
from mappings.payroll import PayrollLine


def take(legal_entity_id: int, check_date: date, lines: Iterable[PayrollLine]) -> None:
    """Note every spelling with the check dates it was seen on, inside a scope."""
    seen = {(line.kind.value, line.component[:200]) for line in lines if line.component}
    known = {(code.kind, code.component): code for code in SourceCode.objects.filter(legal_entity_id=legal_entity_id)}
    SourceCode.objects.bulk_create(
        [
            SourceCode(
                legal_entity_id=legal_entity_id,
                kind=kind,
                component=component,
                first_seen_date=check_date,
                last_seen_date=check_date,
            )
            for kind, component in sorted(seen - set(known))
        ],
        ignore_conflicts=True,
    )
    wider = [
        known[key]
        for key in seen & set(known)
        if not known[key].first_seen_date <= check_date <= known[key].last_seen_date
    ]
    for code in wider:
        code.first_seen_date = min(code.first_seen_date, check_date)
        code.last_seen_date = max(code.last_seen_date, check_date)
    SourceCode.objects.bulk_update(wider, ["first_seen_date", "last_seen_date"])
