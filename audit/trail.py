"""The audit trail: what people and the product did, one sentence each, chained so that tampering shows.

`record()` appends; the database gives number, moment and seal (SHA-256 over the previous seal and the entry) and
refuses changes. `verify()` walks a chain; compared with an anchor kept outside the database it also finds a chain that
was cut off or rewritten whole. Append last in a transaction: the head row stays locked until commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from audit.exchange import request_id
from audit.mask import masked_fields
from audit.models import AuditEntry
from tenants.scope import actor, current_tenant

#: Every action with its sentence. `{name}` is filled from the entry's facts; a missing fact prints as "?".
SENTENCES: dict[str, str] = {
    "tenant.created": "Tenant {name} was created.",
    "tenant.changed": "Tenant {name} was changed.",
    "tenant.settings_changed": "The settings of {name} were changed: {changed}.",
    "invitation.sent": "{email} was invited as {roles}, until {expires}.",
    "invitation.withdrawn": "The invitation of {email} was withdrawn.",
    "password.changed": "{user} has a new password.",
    "second_factor.added": "{user} set up a second factor: {kind}.",
    "second_factor.removed": "{user} has one second factor less: {kind}.",
    "second_factor.reset": "The operator took every second factor of {user} away.",
    "membership.created": "{user} became a member as {roles}.",
    "membership.changed": "The roles of {user} are now {roles}.",
    "membership.removed": "{user} is no longer a member.",
    "api_token.created": "An API token “{name}” was created for {user}: {scopes}.",
    "api_token.removed": "The API token “{name}” of {user} was removed.",
    "legal_entity.created": "Legal entity {name} was created.",
    "legal_entity.changed": "Legal entity {name} was changed: {changed}.",
    "legal_entity.went_live": (
        "Legal entity {name} went live with company code {company_code}, from check date {first_date} on: {approval}."
    ),
    "connection.created": "Connection {name} to {system} was created.",
    "connection.changed": "Connection {name} was changed: {changed}.",
    "connection.tested": "Connection {name} was tested: {result}.",
    "connection.broken": "Connection {name} stopped working: {sentence}",
    "connection.healed": "Connection {name} works again.",
    "connection.disconnected": "Connection {name} was disconnected: its secrets were removed.",
    "connection.on_premises": "The operator allowed connection {name} to reach addresses inside the own network.",
    "gusto.connected": "{legal_entity} was connected to Gusto company {company}.",
    "gusto.refused": "Connecting {legal_entity} to Gusto was refused: {sentence}",
    "gusto.disconnected": "{legal_entity} was disconnected from Gusto.",
    "payroll_run.announced": "Payroll run {payroll} was announced by {source}.",
    "payroll_run.read": "Payroll run with check date {check_date} was read back: {employees} people in {pages} pages.",
    "payroll_run.blocked": "Payroll run with check date {check_date} waits for a person: {sentence}",
    "payroll_run.withdrawn": "Payroll run with check date {check_date} was {what} in Gusto.",
    "payroll_run.replayed": "Payroll run with check date {check_date} was replayed.",
    "payroll_run.ignored": "Payroll run with check date {check_date} is not posted: {sentence}",
    "payroll_run.file_added": "File “{file}” was added as payroll run with check date {check_date}: {employees} people.",
    "payroll_run.file_differs": (
        "File “{file}” says something else of the payroll run with check date {check_date}. Nothing was replaced."
    ),
    "payroll_run.file_restored": "File “{file}” was given again for the payroll run with check date {check_date}. It stands.",
    "payroll_run.taken_back": "The payroll file of the payroll run with check date {check_date} was taken back: {reason}",
    "payroll_run.difference_accepted": "A difference of {amount} in the tie-out was accepted: {reason}",
    "posting.allocated": "Journal {posting_key} was built: {lines} lines, {debit}, company code {company_code}.",
    "posting.approved": "Journal {posting_key}, {debit}, was approved.",
    "posting.approval_withdrawn": "The approval of journal {posting_key} was withdrawn.",
    "posting.sending": "Journal {posting_key} is being sent to {system}.",
    "posting.entered": "{system} holds journal {posting_key} as {document_number}.",
    "posting.posted": "The ledger shows journal {posting_key} as {document_number}.",
    "posting.date_changed": "The posting date of journal {posting_key} was changed from {before} to {posting_date}.",
    "posting.found": "Journal {posting_key} was found in {system} as {document_number}, by a person who looked there.",
    "posting.not_there": "Journal {posting_key} is not in {system}, as a person says who looked there.",
    "posting.not_there_taken_back": "Whoever said that journal {posting_key} is not there took that back.",
    "posting.sent_again": "Journal {posting_key} is sent again: two people say that it is not in {system}, {first} first.",
    "posting.blocked": "Journal {posting_key} waits for a person: {sentence}",
    "posting.released": "Journal {posting_key} goes on by itself: {sentence}",
    "posting.replayed": "Journal {posting_key} was replayed.",
    "posting.voided": "Journal {posting_key} was given up: {reason}",
    "posting.reversal_created": "A reversal of journal {posting_key} was created: {reason}",
    "posting.undone": "A partial journal {posting_key} was taken out of {system}.",
    "posting.people_looked_up": "The employees behind journal {posting_key} were looked at.",
    "mapping_table.created": "Mapping table version {version} was created from {source}.",
    "mapping_table.changed": "Mapping table version {version} was changed: {changed}.",
    "mapping_table.submitted": "Mapping table version {version}, valid from {valid_from}, was submitted for approval.",
    "mapping_table.taken_back": "Mapping table version {version} became a draft again.",
    "mapping_table.approved": "Mapping table version {version}, valid from {valid_from}, was approved.",
    "mapping_table.removed": "Mapping table version {version}, a draft, was removed.",
    "mapping_table.imported": "{rows} rows were imported into mapping table version {version} from {file}.",
    "reference.read": "Reference data of {name} were read: {accounts} main accounts, {values} dimension values.",
    "webhook.unknown_company": "A notice arrived for a company that nobody here has connected.",
    "webhook_subscription.created": "The webhook subscription was created.",
    "webhook_subscription.verified": "The webhook subscription was verified by Gusto.",
    "gusto_application.created": "The application {name} at Gusto was entered.",
    "gusto_application.changed": "The application {name} at Gusto was changed: {changed}.",
    "keys.rotated": "{count} stored secrets were encrypted anew.",
    "audit.verification_asked": "A verification of the chain of audit entries was asked for.",
    "provision.applied": "A provision file was applied: {changes} changes.",
}


#: Facts that are money; a version or a number of rows is none, whatever it looks like.
AMOUNTS = frozenset({"debit", "amount"})
_AMOUNT = re.compile(r"-?\d+\.\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def record(action: str, *, subject: str = "", subject_id: str = "", by: str | None = None, **facts: Any) -> AuditEntry:
    """Append one entry in the open tenant scope. Facts are masked, hold no person's pay, and must be JSON.

    Raises KeyError for an action without a sentence, ScopeMissing outside a scope.
    """
    if action not in SENTENCES:
        raise KeyError(f"no sentence for action {action}")
    entry = AuditEntry(
        action=action,
        actor=actor.get() if by is None else by,
        subject=subject,
        subject_id=str(subject_id),
        request_id=request_id.get(),
        facts={
            name: value if isinstance(value, int | list | dict) else str(value)
            for name, value in masked_fields(facts).items()
        },
    )
    entry.save(force_insert=True)
    return entry


def sentence(entry: AuditEntry) -> str:
    """The entry in words: days as 13 Nov 2026, amounts with thousands."""
    facts = {name: _in_words(name, value) for name, value in entry.facts.items()}
    return SENTENCES.get(entry.action, entry.action).format_map(_Facts(facts))


def _in_words(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in AMOUNTS and _AMOUNT.fullmatch(value):
        return f"{Decimal(value):,.2f}"
    if _DAY.fullmatch(value):
        with suppress(ValueError):
            return f"{date.fromisoformat(value):%-d %b %Y}"
    return value


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: number of the last entry and its seal in hexadecimal."""

    tenant_id: str
    number: int
    seal: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one tenant. `broken_at` is the number of the first entry that does not match, None = intact."""

    head: Head
    entries: int
    broken_at: int | None
    sentence: str

    @property
    def is_intact(self) -> bool:
        return self.broken_at is None


# The same text that the trigger of migration 0001 seals; jsonb prints keys in a fixed order.
_SEALED_TEXT = """convert_to(jsonb_build_array(tenant_id, number, extract(epoch from at)::text, action, actor, subject,
    subject_id, request_id, facts)::text, 'UTF8')"""


#: Below every number: a chain is read from its very beginning, so that nothing hides before number 1.
LOWEST = -(2**62)


def verify(anchors: Iterable[Head] = ()) -> Verification:
    """Check the chain of the tenant whose scope is open, against the anchors given for it."""
    head, entries = standing()
    broken_at = first_unfit(1, head.number) if head.number else None
    if broken_at is not None:
        return unfit(head, entries, broken_at)
    return verify_end(head, entries, anchors)


def standing() -> tuple[Head, int]:
    """The head of the open scope's chain, and how many entries there are."""
    tenant = str(current_tenant())
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, encode(seal, 'hex') FROM audit_audithead WHERE tenant_id = %s", [tenant])
        row = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM audit_auditentry WHERE tenant_id = %s", [tenant])
        counted = cursor.fetchone()
    head = Head(tenant, int(row[0]), str(row[1])) if row else Head(tenant, 0, "")
    return head, int(counted[0]) if counted else 0


def first_unfit(first: int, last: int) -> int | None:
    """Number of the first entry from `first` to `last` that does not fit to the one before it; None where all do."""
    tenant = str(current_tenant())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT min(number) FROM (
                SELECT number,
                    number = %s + row_number() OVER w
                    AND previous_seal = COALESCE(lag(seal) OVER w, ''::bytea)
                    AND seal = sha256(previous_seal || {_SEALED_TEXT}) AS fits
                FROM audit_auditentry WHERE tenant_id = %s AND number BETWEEN %s AND %s WINDOW w AS (ORDER BY number)
            ) AS chain WHERE NOT fits AND number >= %s""",  # noqa: S608 - a constant of this module
            # The entry before the first is read as well: its seal is what the first one names.
            [max(first - 2, 0), tenant, first - 1 if first > 1 else LOWEST, last, first if first > 1 else LOWEST],
        )
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else None


def unfit(head: Head, entries: int, broken_at: int) -> Verification:
    """The result where an entry does not fit."""
    return Verification(head, entries, broken_at, f"Audit entry {broken_at} does not match its seal.")


def verify_end(head: Head, entries: int, anchors: Iterable[Head] = ()) -> Verification:
    """The rest of `verify` for a chain whose entries fit up to `head`: whether it ends there, and where the anchors say."""
    tenant = head.tenant_id
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(max(number), 0) FROM audit_auditentry WHERE tenant_id = %s", [tenant])
        row = cursor.fetchone()
        highest = int(row[0]) if row else 0
        # What is written meanwhile stands behind the head that was read.
        if highest < head.number or (head.number and not _has_seal(cursor, tenant, head.number, head.seal)):
            return Verification(head, entries, highest + 1, f"Entries after number {highest} are missing.")
        if highest > head.number and not _is_known_end(cursor, tenant, highest):
            return Verification(
                head, entries, head.number + 1, f"The trail goes on behind number {head.number}, where it ended."
            )
        for anchor in anchors:
            if anchor.tenant_id != tenant or anchor.number == 0:
                continue
            if anchor.number > head.number:
                return Verification(
                    head,
                    entries,
                    head.number + 1,
                    f"The anchor knows entry {anchor.number}, the trail ends at {head.number}.",
                )
            if not _has_seal(cursor, tenant, anchor.number, anchor.seal):
                return Verification(
                    head, entries, anchor.number, f"Entry {anchor.number} is not the one that was anchored."
                )
    return Verification(head, entries, None, f"{entries} entries, unbroken up to number {head.number}.")


def _is_known_end(cursor: Any, tenant: str, number: int) -> bool:
    cursor.execute("SELECT number >= %s FROM audit_audithead WHERE tenant_id = %s", [number, tenant])
    row = cursor.fetchone()
    return bool(row and row[0])


def _has_seal(cursor: Any, tenant: str, number: int, seal: str) -> bool:
    cursor.execute(
        "SELECT encode(seal, 'hex') = %s FROM audit_auditentry WHERE tenant_id = %s AND number = %s",
        [seal, tenant, number],
    )
    row = cursor.fetchone()
    return bool(row and row[0])
