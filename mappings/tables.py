"""Versions of a legal entity's mapping, between database rows and the pure table that allocation sees.

A version is a draft until a person who had no part in it approves it; from then on the database itself refuses every
change. All functions run inside a tenant scope.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Max, Min
from django.utils import timezone

from audit import trail
from mappings.chart import Chart, chart_of, has_reference, system_label
from mappings.checks import check_table, company_codes_of
from mappings.journal import Problem
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.policy import Policy
from mappings.policy_values import NAMES, policy_from
from mappings.table import PRECEDENCE, CrosswalkEntry, Table
from mappings.table_csv import (
    CROSSWALK_COLUMNS,
    MAPPING_COLUMNS,
    MAPPING_COLUMNS_OPTIONAL,
    CrosswalkRow,
    MappingRow,
    read_crosswalk_rows,
    read_mapping_rows,
    rules_by_version,
)
from tenants.models import LegalEntity

#: The fields of a version that are its policy.
POLICY_FIELDS = NAMES

#: Fields of a row that are columns of its file under the same name; the version's date stands before them.
RULE_FIELDS = tuple(name for name in (*MAPPING_COLUMNS, *MAPPING_COLUMNS_OPTIONAL) if name != "valid_from")
CROSSWALK_FIELDS = tuple(name for name in CROSSWALK_COLUMNS if name != "valid_from")


class NotADraft(Exception):  # noqa: N818
    """A version that was submitted or approved was to be changed."""


# Rows and their text form


def percent_text(percent: Decimal) -> str:
    """`100`, `33.33`: without the zeros that the database adds."""
    return f"{percent.normalize():f}"


def rule_cells(rule: MappingRule, valid_from: date) -> dict[str, str]:
    """A row as mapping.csv has it, the optional columns included."""
    texts = {name: str(getattr(rule, name)) for name in RULE_FIELDS}
    return {"valid_from": valid_from.isoformat(), **texts, "percent": percent_text(Decimal(rule.percent))}


def crosswalk_cells(entry: Crosswalk, valid_from: date) -> dict[str, str]:
    """A row as crosswalks.csv has it."""
    return {"valid_from": valid_from.isoformat(), **{name: str(getattr(entry, name)) for name in CROSSWALK_FIELDS}}


def rule_of(row: MappingRow, mapping_table: MappingTable) -> MappingRule:
    """An unsaved row of a version from a row of a file."""
    criteria = {name: getattr(row.criteria, name) for name in PRECEDENCE if name != "custom_field"}
    return MappingRule(
        mapping_table=mapping_table,
        rule=row.rule,
        kind=row.kind.value,
        custom_field="=".join(row.criteria.custom_field) if any(row.criteria.custom_field) else "",
        side=row.side.value,
        target=row.target.position,
        percent=row.target.percent,
        main_account=row.target.main_account,
        dimensions=";".join(f"{name}={value}" for name, value in row.target.dimensions),
        company_code=row.target.company_code,
        accrual_account=row.target.accrual_account,
        **criteria,
    )


def crosswalk_of(row: CrosswalkRow, mapping_table: MappingTable) -> Crosswalk:
    """An unsaved row of a version's crosswalk from a row of a file."""
    return Crosswalk(
        mapping_table=mapping_table,
        source_kind=row.entry.source_kind,
        source_value=row.entry.source_value,
        target=row.entry.target,
        target_value=row.entry.target_value,
    )


# Reading


def table_of(mapping_table: MappingTable) -> Table:
    """The pure form of a version, in two queries.

    A draft may have defects, which `check_table` names. Raises ValueError for a row that cannot be read at all, which
    neither a form nor a file can bring in.
    """
    return table_of_instances(mapping_table, list(mapping_table.rules.all()), list(mapping_table.crosswalks.all()))


def table_of_instances(mapping_table: MappingTable, rules: list[MappingRule], entries: list[Crosswalk]) -> Table:
    """The same with the rows of the version read before."""
    valid_from = mapping_table.valid_from
    return table_of_rows(
        mapping_table,
        _mapping_rows(rules, valid_from),
        [row.entry for row in _crosswalk_rows(entries, valid_from)],
    )


def table_of_rows(
    mapping_table: MappingTable, rows: Iterable[MappingRow], crosswalk: Iterable[CrosswalkEntry]
) -> Table:
    """The pure form of a version with these rows instead of its own."""
    return Table(
        version=str(mapping_table.version),
        valid_from=mapping_table.valid_from,
        rules=rules_by_version(rows).get(mapping_table.valid_from, ()),
        crosswalk=tuple(crosswalk),
        policy=policy_of(mapping_table),
    )


def policy_of(mapping_table: MappingTable) -> Policy:
    """The journal policy of a version. Raises ValueError for a value that neither a form nor a file can bring in."""
    return policy_from(
        mapping_table.legal_entity.company_code, {name: getattr(mapping_table, name) for name in POLICY_FIELDS}
    )


def _mapping_rows(rules: list[MappingRule], valid_from: date) -> list[MappingRow]:
    rows, errors = read_mapping_rows((number, rule_cells(rule, valid_from)) for number, rule in enumerate(rules, 1))
    if len(rows) < len(rules):
        raise ValueError(f"rule {rules[errors[0].row - 1]} cannot be read: {errors[0].sentence}")
    return rows


def _crosswalk_rows(entries: list[Crosswalk], valid_from: date) -> list[CrosswalkRow]:
    rows, errors = read_crosswalk_rows(
        (number, crosswalk_cells(entry, valid_from)) for number, entry in enumerate(entries, 1)
    )
    if len(rows) < len(entries):
        raise ValueError(f"crosswalk row {errors[0].row} cannot be read: {errors[0].sentence}")
    return rows


def approved_table(legal_entity: LegalEntity, check_date: date) -> MappingTable | None:
    """The approved version with the latest valid-from not after the check date; None where there is none.

    Of several with the same date the newest serves: it corrects the others, which are kept for what they made.
    """
    found: MappingTable | None = (
        MappingTable.objects.select_related("legal_entity")
        .filter(legal_entity=legal_entity, state=MappingTable.State.APPROVED, valid_from__lte=check_date)
        .order_by("-valid_from", "-version")
        .first()
    )
    return found


def chart_for(mapping_table: MappingTable, table: Table) -> tuple[Chart | None, str]:
    """The reference data that a version is checked against, and the system's name for people.

    None until the reference data were read once. A version is judged on a day that it serves: today, or the nearest to
    today, so that an account that was closed after a later version took over is no problem of the older one.
    """
    connection = mapping_table.legal_entity.erp_connection
    if connection is None or not has_reference(connection):
        return None, ""
    following = MappingTable.objects.filter(
        legal_entity_id=mapping_table.legal_entity_id,
        state=MappingTable.State.APPROVED,
        valid_from__gt=mapping_table.valid_from,
    ).aggregate(Min("valid_from"))["valid_from__min"]
    today = timezone.localdate()
    last = min(today, following - timedelta(days=1)) if following else today
    on_date = max(mapping_table.valid_from, last)
    return chart_of(connection, company_codes_of(table), on_date), system_label(connection)


def table_problems(mapping_table: MappingTable) -> list[Problem]:
    """Everything that is wrong with a version, with or without reference data."""
    table = table_of(mapping_table)
    return check_table(table, *chart_for(mapping_table, table))


# Writing


def new_draft(
    legal_entity: LegalEntity, valid_from: date, copy_of: MappingTable | None = None, *, by: str = ""
) -> MappingTable:
    """A new draft: empty, or a copy of rules, crosswalk and policy. `by` is a user name, empty = the installation.

    Whoever prepared a draft that is copied has prepared the copy, too; an approved version counts as nobody's change.
    """
    # Versions are numbered per legal entity: two drafts at the same moment wait for one another here.
    LegalEntity.objects.select_for_update(no_key=True).get(pk=legal_entity.pk)
    latest = MappingTable.objects.filter(legal_entity=legal_entity).aggregate(Max("version"))["version__max"] or 0
    preparers = {by} - {""}
    if copy_of is not None and copy_of.state != MappingTable.State.APPROVED:
        preparers |= {*copy_of.changed_by, *({copy_of.created_by} - {""})}
    policy = {name: getattr(copy_of, name) for name in POLICY_FIELDS} if copy_of else {}
    draft: MappingTable = MappingTable.objects.create(
        legal_entity=legal_entity,
        version=latest + 1,
        valid_from=valid_from,
        created_by=by,
        changed_by=sorted(preparers),
        **policy,
    )
    if copy_of is not None:
        MappingRule.objects.bulk_create(
            MappingRule(mapping_table=draft, **{name: getattr(rule, name) for name in RULE_FIELDS})
            for rule in copy_of.rules.all()
        )
        Crosswalk.objects.bulk_create(
            Crosswalk(mapping_table=draft, **{name: getattr(entry, name) for name in CROSSWALK_FIELDS})
            for entry in copy_of.crosswalks.all()
        )
    trail.record(
        "mapping_table.created",
        subject="mapping_table",
        subject_id=str(draft.pk),
        by=by or None,
        version=draft.version,
        legal_entity=legal_entity.name,
        valid_from=valid_from.isoformat(),
        source=f"version {copy_of.version}" if copy_of else "nothing",
    )
    return draft


def open_draft(table_id: int) -> MappingTable:
    """The draft, locked until the transaction ends, so that it cannot be approved halfway through a change.

    Raises NotADraft for a version that was submitted or approved, MappingTable.DoesNotExist.
    """
    drafts = MappingTable.objects.select_for_update(of=("self",)).select_related("legal_entity__erp_connection")
    table: MappingTable = drafts.get(pk=table_id)
    if table.state != MappingTable.State.DRAFT:
        raise NotADraft(f"version {table.version} is {table.state}")
    return table


def note_change(draft: MappingTable, by: str, changed: str) -> None:
    """Say who changed a draft and what: that person cannot approve it any more. Call it last in the transaction."""
    add_preparer(draft, by)
    trail.record(
        "mapping_table.changed",
        subject="mapping_table",
        subject_id=str(draft.pk),
        by=by or None,
        version=draft.version,
        changed=changed,
    )


def add_preparer(draft: MappingTable, by: str) -> None:
    """Whoever has a part in a draft is remembered with it."""
    if by and by not in draft.changed_by:
        draft.changed_by = sorted({*draft.changed_by, by})
        draft.save(update_fields=["changed_by"])
