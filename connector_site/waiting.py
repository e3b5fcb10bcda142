"""What waits for the person who asks: the things that they, by their roles, can do something about, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from connector_site.templatetags.console import day
from erp.models import Posting
from erp.repairs import components_missing, summary
from erp.run_differences import ROLES as ACCEPTING
from erp.unclear import first_who_confirmed
from gusto.models import PayrollRun
from gusto.payroll_run import acceptable_differences
from mappings.approval import preparers_of
from mappings.models import MappingTable
from tenants.models import Connection, Membership, Role

#: Things listed before "N more", and where the whole list ends.
SHOWN = 5
SHOWN_ALL = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that a person can do something about. `what` is said first and strongest."""

    tone: str
    icon: str
    what: str
    more: str
    link: str
    button: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows of one kind that wait, and how one of them is said."""

    rows: QuerySet[Any] | list[Any]
    say: Callable[[Any], Waiting]

    def count(self) -> int:
        return len(self.rows) if isinstance(self.rows, list) else self.rows.count()

    def first(self, limit: int) -> Iterable[Waiting]:
        return (self.say(row) for row in self.rows[:limit])


def waits_for(membership: Membership, username: str, shown: int = SHOWN) -> tuple[list[Waiting], int]:
    """What waits for this person, at most `shown`, and how many there are in all; inside a scope."""
    kinds = list(_kinds(membership, username))
    found: list[Waiting] = []
    for kind in kinds:
        if len(found) < shown:
            found += kind.first(shown - len(found))
    return found, sum(kind.count() for kind in kinds)


def count_for(membership: Membership, username: str) -> int:
    """How many things wait for this person, inside a scope."""
    return sum(kind.count() for kind in _kinds(membership, username))


def _kinds(membership: Membership, username: str) -> Iterable[_Kind]:
    prepares = membership.has_role(Role.OWNER, Role.PREPARER)
    if prepares:
        runs = PayrollRun.objects.filter(state=PayrollRun.State.BLOCKED).select_related("legal_entity")
        yield _Kind(runs.order_by("check_date", "id"), _blocked_run)
        postings = Posting.objects.filter(state=Posting.State.BLOCKED).select_related("legal_entity", "payroll_run")
        yield _Kind(postings.order_by("posting_date", "id"), _blocked_posting)
    elif membership.has_role(*ACCEPTING):
        yield _Kind(_with_differences(), _difference)
    if not prepares and membership.has_role(Role.APPROVER):
        unclear = Posting.objects.filter(state=Posting.State.BLOCKED, reason=Posting.Reason.UNCLEAR)
        unclear = unclear.select_related("legal_entity", "payroll_run")
        yield _Kind(unclear.order_by("posting_date", "id"), _blocked_posting)
    if membership.has_role(Role.OWNER):
        broken = Connection.objects.filter(health=Connection.Health.BROKEN)
        yield _Kind(broken.order_by("name"), _broken_connection)
    if membership.has_role(Role.APPROVER):
        waiting = Posting.objects.filter(state=Posting.State.ALLOCATED).exclude(prepared_by__contains=[username])
        # Held, as `Posting.is_held` says of one.
        waiting = waiting.exclude(
            payroll_run__state=PayrollRun.State.BLOCKED, payroll_run__undone_by="", reverses__isnull=True
        ).select_related("legal_entity", "payroll_run")
        yield _Kind(waiting.order_by("posting_date", "id"), _to_approve)
        yield _Kind(_submitted(username), _version_to_approve)


def _with_differences() -> list[PayrollRun]:
    """Payroll runs whose difference an approver may accept; for whoever prepares they are blocked runs already."""
    stopped = PayrollRun.objects.filter(state=PayrollRun.State.BLOCKED, reason="tie_out").select_related("legal_entity")
    return [run for run in stopped.order_by("check_date", "id")[:SHOWN_ALL] if acceptable_differences(run)]


def _submitted(username: str) -> list[MappingTable]:
    """Mapping versions that somebody else submitted."""
    submitted = MappingTable.objects.filter(state=MappingTable.State.SUBMITTED).select_related("legal_entity")
    return [
        table for table in submitted.order_by("valid_from", "id")[:SHOWN_ALL] if username not in preparers_of(table)
    ]


def _of_run(run: PayrollRun) -> str:
    return f"Payroll run {day(run.check_date) if run.check_date else run.payroll_uuid}"


def _blocked_run(run: PayrollRun) -> Waiting:
    button = "Look at it"
    if run.reason == "mapping":
        gaps = components_missing(run.problems)
        button = f"Map {gaps} component{'s' if gaps > 1 else ''}" if gaps else "Repair the mapping"
    problems = run.problems if run.reason != "unclear" else []
    return Waiting(
        "stop", "report", f"Blocked: {summary(problems, run.sentence)}", f"{_of_run(run)}, {run.legal_entity}.",
        reverse("admin:gusto_payrollrun_change", args=[run.pk]), button,
    )  # fmt: skip


def _difference(run: PayrollRun) -> Waiting:
    return Waiting(
        "stop", "difference", f"Blocked: {summary(run.problems, run.sentence)}",
        f"{_of_run(run)}, {run.legal_entity}. You may accept the difference.",
        reverse("admin:gusto_payrollrun_change", args=[run.pk]), "Look at the difference",
    )  # fmt: skip


def _blocked_posting(posting: Posting) -> Waiting:
    button = {
        "mapping": "Repair the mapping", "reference": "Repair the mapping", "configuration": "Repair",
        "unclear": "Say what is there",
    }  # fmt: skip
    first = first_who_confirmed(posting) if posting.reason == Posting.Reason.UNCLEAR else ""
    says = f" {first} says that it is not there; a second person has to confirm it." if first else ""
    return Waiting(
        "stop", "report", f"Blocked: {summary(posting.problems, posting.sentence)}",
        f"{_of_run(posting.payroll_run)}, company code {posting.company_code}, {posting.debit:,.2f}.{says}",
        reverse("admin:erp_posting_change", args=[posting.pk]), button.get(posting.reason, "Look at it"),
    )  # fmt: skip


def _broken_connection(connection: Connection) -> Waiting:
    return Waiting(
        "stop", "key", f"{connection.name} does not work.", connection.health_sentence,
        reverse("admin:tenants_connection_change", args=[connection.pk]), "Repair the connection",
    )  # fmt: skip


def _to_approve(posting: Posting) -> Waiting:
    by = f" Prepared by {', '.join(posting.prepared_by)}." if posting.prepared_by else ""
    return Waiting(
        "wait", "how_to_reg", f"Approve {posting.debit:,.2f} for company code {posting.company_code}.",
        f"{_of_run(posting.payroll_run)}, {posting.legal_entity}, {posting.line_count} journal lines.{by}",
        reverse("admin:erp_posting_change", args=[posting.pk]), "Review and approve",
    )  # fmt: skip


def _version_to_approve(table: MappingTable) -> Waiting:
    return Waiting(
        "wait", "account_tree", f"Approve mapping version {table.version} of {table.legal_entity}.",
        f"Valid from {day(table.valid_from)}. Submitted by {table.submitted_by}.",
        reverse("admin:mappings_mappingtable_change", args=[table.pk]), "Review the version",
    )  # fmt: skip
