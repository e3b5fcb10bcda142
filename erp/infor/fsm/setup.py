"""How a tenant has set up its finance enterprise group: what it calls its dimensions, and what is mandatory. Pure.

Each question has a sentence for the person who repairs it, used by "Test connection" and by the reference data alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from audit.exchange import TemporaryFailure
from erp.infor.fsm.answers import Row
from erp.infor.fsm.fields import DIMENSION_FIELDS, UNIT, Fields

GROUP_FIELDS = (
    "FinanceEnterpriseGroup", "AccountingUnitLabel", "AccountingUnitRequired", "CoreLedger", "CloseConfiguration",
    *(f"FinanceDimension{number}Label" for number in range(1, 11)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetUp:
    """One finance enterprise group."""

    dimension_fields: Mapping[str, str]
    """Name in the mapping table -> field of a row."""
    core_ledger: str
    close_configuration: str
    is_unit_required: bool

    @property
    def unit_name(self) -> str:
        return next(name for name, field in self.dimension_fields.items() if field == UNIT)

    def facts(self) -> dict[str, Any]:
        return {"dimension_fields": dict(self.dimension_fields), "core_ledger": self.core_ledger}


def set_up_from(row: Row, fields: Fields) -> SetUp:
    """What the row of the enterprise group says, and the connection where it says otherwise."""
    is_required = is_true(row.get("AccountingUnitRequired", ""))
    return SetUp(
        dimension_fields=dimension_names(row, fields.dimension_names),
        core_ledger=row.get("CoreLedger", ""),
        close_configuration=row.get("CloseConfiguration", ""),
        is_unit_required=is_required if fields.unit_required is None else fields.unit_required,
    )


def dimension_names(group: Row, chosen: Mapping[str, str]) -> dict[str, str]:
    """Name -> field: what the connection chose, else the tenant's own label. A dimension without either is not used; the
    accounting unit always is. Two of one name carry their fields.
    """
    by_field = {field: name for name, field in chosen.items()}
    names = {}
    for field in DIMENSION_FIELDS:
        # The signs that separate names and values in a mapping table.
        label = re.sub(r"[\s=;,@]+", " ", group.get(f"{field}Label", "")).strip()
        name = by_field.get(field) or label or (UNIT if field == UNIT else "")
        if name:
            names[field] = name
    doubles = {name for name, count in Counter(names.values()).items() if count > 1}
    return {f"{name} {field}" if name in doubles else name: field for field, name in names.items()}


def group_problem(rows: Sequence[Row], group: str) -> str:
    if rows:
        return ""
    return (
        f"FSM shows no finance enterprise group {group} to this connection. Check “Finance enterprise group”, and give the service "
        "account's security class the right to it in FSM."
    )


def entity_problems(entities: Collection[str], group: str, company_code: str) -> list[str]:
    """Why nothing can be posted to this entity."""
    if not entities:
        return [
            f"FSM shows no accounting entity of finance enterprise group {group} to this connection. Give the service account's "
            "security class the right to them in FSM."
        ]
    if company_code and company_code not in entities:
        shown = ", ".join(sorted(entities)[:20])
        return [
            f"FSM shows no accounting entity {company_code} in finance enterprise group {group}. It shows {shown}. Check the company "
            "code, and the rights of the service account."
        ]
    return []


def is_true(text: str) -> bool:
    """Booleans are texts: `true`, in some places `1` or `Y`."""
    return text.strip().casefold() in {"true", "1", "y", "yes"}


def is_active(row: Row) -> bool:
    """A class that does not say whether a record is active has none that are not."""
    text = row.get("Active", "").strip()
    return not text or is_true(text)


def day(text: str, what: str) -> date | None:
    """`20251117`; empty where none is given. Raises TemporaryFailure for what is no day."""
    digits = re.sub(r"\D", "", text)[:8]
    if not digits or digits == "00000000":
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007 - a day, not a moment
    except ValueError as error:
        raise TemporaryFailure(f"FSM showed “{text}” where a date of {what} belongs.") from error
