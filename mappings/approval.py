"""From a draft to a version that serves: submitted by those who prepared it, approved by somebody who did not.

What is submitted stands still, so that an approver approves what was shown and nothing else; whoever wants to change it
takes it back first. All functions run inside a tenant scope.
"""

from __future__ import annotations

from django.utils import timezone

from audit import trail
from mappings.journal import Problem
from mappings.models import MappingTable
from mappings.signals import version_approved
from mappings.tables import add_preparer, open_draft, table_problems
from tenants.models import LegalEntity

State = MappingTable.State


class ApprovalRefused(Exception):  # noqa: N818 - reads as what happened
    """A version was not submitted or approved. `problems` says why, all of it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = problems


def preparers_of(mapping_table: MappingTable) -> set[str]:
    """User names of everybody whose work is in a version."""
    return {*mapping_table.changed_by, *({mapping_table.created_by} - {""})}


def submission_problems(mapping_table: MappingTable) -> list[Problem]:
    """Why a draft cannot be submitted: its state, and everything wrong with it."""
    if mapping_table.state != State.DRAFT:
        return [_refusal("not_a_draft", f"Version {mapping_table.version} is {mapping_table.state} already.")]
    return [*_superseded(mapping_table), *table_problems(mapping_table)]


def submit(mapping_table: MappingTable, by: str) -> MappingTable:
    """Hand a draft over for approval; `by` is a user name and has prepared it from now on. Returns it as it stands then.

    Raises ApprovalRefused with every problem.
    """
    table = _locked(mapping_table)
    if problems := submission_problems(table):
        raise ApprovalRefused(problems)
    add_preparer(open_draft(table.pk), by)
    table.refresh_from_db()
    table.state = State.SUBMITTED
    table.submitted_by, table.submitted_at = by, timezone.now()
    table.save(update_fields=["state", "submitted_by", "submitted_at"])
    _record("mapping_table.submitted", table, by)
    return table


def take_back(mapping_table: MappingTable, by: str) -> MappingTable:
    """Make a submitted version a draft again: by those who want to change it, or by an approver who does not approve it.

    Raises ApprovalRefused where it is not submitted (any more).
    """
    table = _locked(mapping_table)
    if table.state != State.SUBMITTED:
        raise ApprovalRefused([_refusal("not_submitted", f"Version {table.version} is {_now(table)}.")])
    table.state = State.DRAFT
    table.submitted_by, table.submitted_at = "", None
    table.save(update_fields=["state", "submitted_by", "submitted_at"])
    _record("mapping_table.taken_back", table, by)
    return table


def approval_problems(mapping_table: MappingTable, by: str) -> list[Problem]:
    """Why this person cannot approve this version: its state, whose work it is, and everything wrong with it."""
    if mapping_table.state == State.APPROVED:
        return [_refusal("not_a_draft", f"Version {mapping_table.version} is approved already.")]
    problems = []
    preparers = preparers_of(mapping_table)
    if by in preparers:
        problems.append(_refusal("own_work", "You prepared this version. Someone else approves it."))
    elif not by and preparers:
        names = ", ".join(sorted(preparers))
        problems.append(_refusal("own_work", f"{names} changed this version. A person who did not approves it."))
    if by and mapping_table.state == State.DRAFT:
        sentence = f"Version {mapping_table.version} is not submitted yet. Whoever prepares it submits it first."
        problems.append(_refusal("not_submitted", sentence))
    return [*problems, *_superseded(mapping_table), *table_problems(mapping_table)]


def approve(mapping_table: MappingTable, by: str) -> MappingTable:
    """Approve a submitted version: from now on it serves check dates and never changes. Returns it as it stands then.

    `by` is the approver's user name. Never what they prepared, also where the legal entity posts by itself: there this
    approval is the only second pair of eyes that a payroll gets. Empty = the installation itself, for a draft in which no
    person had a part (an operator's file); it submits nothing to itself. Who holds the approver's role is for the caller
    to check. Raises ApprovalRefused with every problem.
    """
    table = _locked(mapping_table)
    if problems := approval_problems(table, by):
        raise ApprovalRefused(problems)
    table.state = State.APPROVED
    table.approved_by = by
    table.approved_at = timezone.now()
    table.save(update_fields=["state", "approved_by", "approved_at"])
    version_approved.send(sender=MappingTable, table=table)
    _record("mapping_table.approved", table, by)
    return table


def _locked(mapping_table: MappingTable) -> MappingTable:
    """The version, locked until the transaction ends, behind the lock under which new versions are made."""
    LegalEntity.objects.select_for_update(no_key=True).get(pk=mapping_table.legal_entity_id)
    found: MappingTable = (
        MappingTable.objects.select_for_update(of=("self",))
        .select_related("legal_entity__erp_connection")
        .get(pk=mapping_table.pk)
    )
    return found


def _superseded(mapping_table: MappingTable) -> list[Problem]:
    newer = MappingTable.objects.filter(
        legal_entity_id=mapping_table.legal_entity_id,
        valid_from=mapping_table.valid_from,
        state=State.APPROVED,
        version__gt=mapping_table.version,
    ).first()
    if newer is None:
        return []
    # Approved now it would serve nothing: the newer one of this date would go on doing so.
    return [
        _refusal(
            "superseded",
            f"Version {newer.version} is approved for the same first check date and is newer. "
            f"Make a new draft as a copy of version {newer.version} to correct it.",
        )
    ]


def _now(table: MappingTable) -> str:
    return "a draft" if table.state == State.DRAFT else "approved already"


def _record(action: str, table: MappingTable, by: str) -> None:
    trail.record(
        action,
        subject="mapping_table",
        subject_id=str(table.pk),
        by=by or None,
        version=table.version,
        legal_entity=table.legal_entity.name,
        valid_from=table.valid_from.isoformat(),
    )


def _refusal(kind: str, sentence: str) -> Problem:
    return Problem("mapping", kind, sentence, page="mapping")
