"""Reference data of FSM: accounting entities, posting accounts, accounting units, the finance dimensions in use under the
tenant's own labels, and close periods.

Accounts and dimensions belong to the finance enterprise group, accounting units and periods to an entity. Which fields a
class offers beyond the published ones is not confirmed, so those are asked for with `_all` where FSM knows no such field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from audit.exchange import ExchangeError, Misconfigured
from erp.connector import Reference, ReferenceAccount, ReferenceDimensionValue, ReferencePeriod
from erp.infor.fsm.answers import Row
from erp.infor.fsm.client import FsmClient, Listing, lpl
from erp.infor.fsm.fields import UNIT
from erp.infor.fsm.setup import (
    GROUP_FIELDS,
    SetUp,
    day,
    entity_problems,
    group_problem,
    is_active,
    set_up_from,
)

ENTITY_FIELDS = (
    "AccountingEntity", "Name", "FunctionalCurrency", "CloseConfiguration", "CurrentPeriod", "CurrentPeriodEndDate",
    "PostingCategory", "Status",
)  # fmt: skip
PERIOD_FIELDS = (
    "GeneralLedgerCloseConfiguration", "GeneralLedgerCloseYear", "PeriodNumber", "PeriodName", "BeginDate", "DerivedEndDate",
)  # fmt: skip
ACCOUNT_FIELDS = ("DisplayAccount", "AccountDescription", "AccountType", "ChartSection", "Active")
UNIT_FIELDS = ("AccountingEntity", UNIT, "Description", "Active")

#: Close periods that are kept: of this year, the one before it, and all that are to come.
YEARS_BACK = 1


def read_reference(client: FsmClient, company_code: str) -> Reference:
    """Reference data of the entities that the service account may see, or of those that the connection names.

    Raises what a read raises; settings under which nothing can be posted become `setup_problems`.
    """
    fields = client.fields
    group = fields.enterprise_group
    found = group_rows(client)
    problem = group_problem(found, group)
    set_up = set_up_from(found[0] if found else {}, fields)
    wanted = fields.entities | {company_code} if fields.entities and company_code else fields.entities
    seen = {row["AccountingEntity"]: row for row in entity_rows(client)}
    entities = {code: row for code, row in sorted(seen.items()) if not wanted or code in wanted}
    return Reference(
        company_codes=tuple(
            (code, row.get("Name", ""), row.get("FunctionalCurrency", "")) for code, row in entities.items()
        ),
        dimensions=tuple(sorted(set_up.dimension_fields)),
        accounts=tuple(_accounts(account_rows(client), entities, set_up)),
        dimension_values=tuple(_values(client, entities, set_up)),
        periods=tuple(_periods(client, entities, set_up)),
        setup_problems=(problem,) if problem else tuple(entity_problems(seen, group, company_code)),
        facts={
            **set_up.facts(),
            "currencies": {code: row.get("FunctionalCurrency", "") for code, row in entities.items()},
        },
    )


def set_up_of(client: FsmClient) -> SetUp:
    """The enterprise group, where no reference data are at hand. One round trip. Raises Misconfigured where there is none."""
    found = group_rows(client)
    if problem := group_problem(found, client.fields.enterprise_group):
        raise Misconfigured(problem)
    return set_up_from(found[0], client.fields)


def of_group(client: FsmClient) -> str:
    return lpl(FinanceEnterpriseGroup=client.fields.enterprise_group)


def group_rows(client: FsmClient) -> list[Row]:
    return client.rows(
        Listing("FinanceEnterpriseGroup", GROUP_FIELDS, "the finance enterprise group", of_group(client))
    )


def entity_rows(client: FsmClient) -> list[Row]:
    return client.rows(Listing("AccountingEntity", ENTITY_FIELDS, "the accounting entities", of_group(client)))


def account_rows(client: FsmClient) -> list[Row]:
    return _rows_with(
        client,
        Listing(
            "GeneralLedgerChartAccount", ACCOUNT_FIELDS, "the accounts", of_group(client), list_name="DetailAccountList"
        ),
    )


def period_rows(client: FsmClient) -> list[Row]:
    return client.rows(
        Listing(
            "GeneralLedgerClosePeriod",
            PERIOD_FIELDS,
            "the close periods",
            of_group(client),
            set_name="ByYearPeriodDescending",
        )
    )


def unit_rows(client: FsmClient) -> list[Row]:
    return _rows_with(client, Listing(UNIT, UNIT_FIELDS, "the accounting units", of_group(client)))


def dimension_rows(client: FsmClient, field: str, name: str) -> list[Row]:
    """Only values that can be posted to: those below which nothing stands."""
    return _rows_with(
        client,
        Listing(
            field, (field, "Description", "Active"), f"the values of {name}", of_group(client), set_name="LeafRecords"
        ),
    )


def _rows_with(client: FsmClient, listing: Listing) -> list[Row]:
    """With the fields that are wanted, or with all that there are where FSM knows one of them by another name."""
    try:
        return client.rows(listing)
    except Misconfigured as error:
        try:
            return client.rows(
                Listing(
                    listing.business_class, ("_all",), listing.words, listing.where, listing.set_name, listing.list_name
                )
            )
        except ExchangeError:
            # What was said first names the right or the field.
            raise error from None


# Accounts and dimensions


def _accounts(rows: Sequence[Row], entities: Mapping[str, Row], set_up: SetUp) -> Iterator[ReferenceAccount]:
    """An account may stand in several charts; it is active where one of them says so."""
    by_number: dict[str, list[Row]] = {}
    for row in rows:
        number = row.get("DisplayAccount") or row.get("Account", "")
        if number:
            by_number.setdefault(number, []).append(row)
    required = frozenset({set_up.unit_name}) if set_up.is_unit_required else frozenset()
    for entity in entities:
        for number, same in by_number.items():
            yield ReferenceAccount(
                company_code=entity,
                number=number,
                name=same[0].get("AccountDescription", ""),
                is_active=any(map(is_active, same)),
                required_dimensions=required,
            )


def _values(client: FsmClient, entities: Mapping[str, Row], set_up: SetUp) -> Iterator[ReferenceDimensionValue]:
    for name, field in set_up.dimension_fields.items():
        rows = unit_rows(client) if field == UNIT else dimension_rows(client, field, name)
        for row in rows:
            entity = row.get("AccountingEntity", "") if field == UNIT else ""
            value = row.get(field, "")
            if value and (not entity or entity in entities):
                yield ReferenceDimensionValue(entity, name, value, row.get("Description", ""), is_active(row))


# Periods


def _periods(client: FsmClient, entities: Mapping[str, Row], set_up: SetUp) -> Iterator[ReferencePeriod]:
    """Each entity has those of its close configuration, else of the group's; open from its current period on."""
    rows = period_rows(client)
    first = datetime.now(UTC).year - YEARS_BACK
    for entity, own in entities.items():
        configuration = own.get("CloseConfiguration") or set_up.close_configuration
        current_end = day(own.get("CurrentPeriodEndDate", ""), f"the current period of entity {entity}")
        for row in rows:
            if configuration and row.get("GeneralLedgerCloseConfiguration", configuration) != configuration:
                continue
            start = day(row.get("BeginDate", ""), "a close period")
            end = day(row.get("DerivedEndDate", ""), "a close period")
            if start is None or end is None or end.year < first:
                continue
            is_back = current_end is not None and end < current_end and not client.fields.allows_back_periods
            note = f"it lies before the current period of accounting entity {entity}" if is_back else ""
            name = (
                row.get("PeriodName") or f"{row.get('GeneralLedgerCloseYear', end.year)} {row.get('PeriodNumber', '')}"
            )
            yield ReferencePeriod(entity, start, end, not is_back, name.strip(), note)
