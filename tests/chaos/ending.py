"""How a run of a plan ended, looked at from the far ledger, and what must hold of it (invariants of the design)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from audit import trail
from audit.models import WorkItem
from erp.models import Posting
from gusto.models import PayrollRun
from mappings.journal import ZERO, JournalKind
from tenants.models import installation_tenant
from tenants.scope import tenant_scope
from tests.chaos.plan import Plan
from tests.world import World

#: Work that is always waiting for its next time; everything else has to be done in the end.
RECURRING = frozenset(
    {"gusto.feed", "gusto.sweep", "gusto.subscribe", "erp.read_reference", "audit.canary", "audit.verify"}
)

Net = dict[tuple[str, str], Decimal]


@dataclass(frozen=True, slots=True)
class Ending:
    """By payroll uuid."""

    runs: dict[str, tuple[str, str]]
    """(state, reason)"""
    journals: dict[str, list[tuple[Any, ...]]]
    """Live journals: posting key, kind, company code, sequence, state, debit, lines, digest."""
    net: dict[str, Net]
    """What the far ledger holds for the payroll in sum, by company code and account string."""


def ending_of(world: World) -> Ending:
    """Look at both sides, once everything has come to rest."""
    with tenant_scope(world.tenant.id):
        runs = {run.payroll_uuid: (run.state, run.reason) for run in PayrollRun.objects.all()}
        postings = list(Posting.objects.select_related("payroll_run").order_by("id"))
    payroll_of = {posting.posting_key: posting.payroll_run.payroll_uuid for posting in postings}
    journals: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for posting in postings:
        if posting.state != Posting.State.VOIDED:
            journals[posting.payroll_run.payroll_uuid].append(
                (
                    posting.posting_key, posting.kind, posting.company_code, posting.sequence, posting.state,
                    posting.debit, posting.line_count, posting.journal_digest,
                )
            )  # fmt: skip
    net: dict[str, Net] = defaultdict(dict)
    for journal in world.journals():
        for line in journal["lines"]:
            sums = net[payroll_of.get(line["Document"], "nobody's")]
            account = journal["dataAreaId"], line["AccountDisplayValue"]
            sums[account] = sums.get(account, ZERO) + Decimal(line["DebitAmount"]) - Decimal(line["CreditAmount"])
    return Ending(
        runs,
        {payroll: sorted(found) for payroll, found in journals.items()},
        {payroll: {account: amount for account, amount in sums.items() if amount} for payroll, sums in net.items()},
    )


def violations(world: World) -> Iterator[str]:
    """What must hold at any rest, whatever the plan was: I1, I2, I8, and no work that hangs."""
    there = world.journals()
    postings = world.postings()
    live = {posting.posting_key: posting for posting in postings if posting.state != Posting.State.VOIDED}
    counted = Counter(key for journal in there for key in _keys(journal))
    yield from (f"I1: {count} journals in Dynamics under {key}" for key, count in counted.items() if count > 1)
    yield from (f"I1: Dynamics holds {key}, and there is no live posting of it" for key in counted.keys() - live.keys())
    identities = Counter(
        (each.payroll_run_id, each.kind, each.company_code, each.sequence, each.reverses_id) for each in live.values()
    )
    yield from (f"I1: {count} live postings of {identity}" for identity, count in identities.items() if count > 1)
    reversed_keys = {each.reverses.posting_key for each in live.values() if each.reverses}
    standing = Counter(
        (each.payroll_run_id, each.company_code)
        for each in live.values()
        if each.kind != JournalKind.REVERSAL.value and each.posting_key not in reversed_keys
    )
    yield from (f"I1: {count} unreversed journals of {identity}" for identity, count in standing.items() if count > 1)
    for posting in live.values():
        if posting.state != Posting.State.POSTED:
            yield f"posting {posting.posting_key} is {posting.state} {posting.reason}: {posting.sentence}"
        found = [journal for journal in there if posting.posting_key in _keys(journal)]
        if len(found) == 1:
            yield from _differences(posting, found[0])
        elif not found:
            yield f"I9: Dynamics does not hold {posting.posting_key}, which is {posting.state}"
    yield from _ledger_differences(world, live)
    for tenant_id in (world.tenant.id, installation_tenant().pk):
        with tenant_scope(tenant_id):
            verified = trail.verify()
        if not verified.is_intact:
            yield f"I8: {verified.sentence}"
    for item in WorkItem.objects.exclude(state=WorkItem.State.DONE).exclude(kind__in=RECURRING):
        yield f"work {item.kind} {item.ref} is {item.state} after {item.attempts} attempts: {item.sentence}"


def differences(plan: Plan, payrolls: list[str], calm: Ending, stormy: Ending) -> Iterator[str]:
    """I6 and I9: where a storm ended otherwise than the undisturbed run. A payroll that was taken back may have gone
    through fewer journals on the way, if nobody looked in between; what stands in the ledger is the same.
    """
    for payroll_uuid in sorted({*calm.runs, *stormy.runs, *calm.net, *stormy.net}):
        number = payrolls.index(payroll_uuid) if payroll_uuid in payrolls else -1
        name = f"payroll {number if number >= 0 else payroll_uuid}"
        before, after = calm.net.get(payroll_uuid, {}), stormy.net.get(payroll_uuid, {})
        for account in sorted({*before, *after}):
            if before.get(account, ZERO) != after.get(account, ZERO):
                yield (
                    f"I6: {name}: {'/'.join(account)} is {after.get(account, ZERO)} in Dynamics; undisturbed it was "
                    f"{before.get(account, ZERO)}"
                )
        was_heard_late = number >= 0 and not plan.payrolls[number].is_plain
        if was_heard_late:
            continue
        if calm.runs.get(payroll_uuid) != stormy.runs.get(payroll_uuid):
            yield f"I6: {name} is {stormy.runs.get(payroll_uuid)}; undisturbed it was {calm.runs.get(payroll_uuid)}"
        if calm.journals.get(payroll_uuid) != stormy.journals.get(payroll_uuid):
            yield (
                f"I6: {name} has journals {stormy.journals.get(payroll_uuid)}; undisturbed it had "
                f"{calm.journals.get(payroll_uuid)}"
            )


def _keys(journal: dict[str, Any]) -> set[str]:
    """The posting keys that a journal in Dynamics carries, in its description or in a line."""
    return {journal["Description"].rsplit(" ", 1)[-1], *(line["Document"] for line in journal["lines"])}


def _differences(posting: Posting, journal: dict[str, Any]) -> Iterator[str]:
    """I2: one journal in Dynamics against ours."""
    debit = sum((Decimal(line["DebitAmount"]) for line in journal["lines"]), ZERO)
    credit = sum((Decimal(line["CreditAmount"]) for line in journal["lines"]), ZERO)
    if debit != credit:
        yield f"I2: {posting.posting_key} does not balance in Dynamics: {debit}, {credit}"
    if (len(journal["lines"]), debit, credit) != (posting.line_count, posting.debit, posting.credit):
        yield (
            f"I2: {posting.posting_key} has {len(journal['lines'])} lines, {debit} in Dynamics and "
            f"{posting.line_count} lines, {posting.debit} here"
        )
    if journal["dataAreaId"].lower() != posting.company_code.lower():
        yield f"{posting.posting_key} stands in {journal['dataAreaId']} instead of {posting.company_code}"
    if journal["JournalBatchNumber"] != posting.document_number:
        yield f"{posting.posting_key} is {journal['JournalBatchNumber']}, and we call it {posting.document_number}"


def _ledger_differences(world: World, live: dict[str, Posting]) -> Iterator[str]:
    """The general ledger itself, once everything is posted: each document once, with our sum."""
    for key, noted in world.d365.ledger_state()["documents"].items():
        posting = live.get(key)
        if posting is None:
            continue
        if len(noted["posted_journals"]) != 1:
            yield f"I1: {key} is posted in {noted['posted_journals']}"
        if (noted["ledger_debit"], noted["ledger_credit"]) != (posting.debit, posting.credit):
            yield f"I2: the ledger shows {noted['ledger_debit']}, {noted['ledger_credit']} of {key}, ours {posting.debit}"
