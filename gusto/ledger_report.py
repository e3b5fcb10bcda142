"""Gusto's own general ledger report of a payroll: an independent check of our lines (T9 of accounting.md 10).

Asked for, polled, and fetched from a presigned address, which is asked without Authorization. Only sums by account type
are kept: the detailed table names people. Gusto's account types are no closed list, so an unknown one is shown and never
guessed. A report that is not to be had stops nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from audit.exchange import Misconfigured, OutcomeUnknown, RecordedSession, Rejected, TemporaryFailure
from audit.work import Claim, Later
from gusto import payroll_run
from gusto.client import GustoClient
from gusto.figures import ZERO, Unreadable, amount_of, document_of, rows_of
from gusto.models import PayrollRun
from gusto.payroll_document import reading_of
from gusto.payroll_lines import Reading
from gusto.tie_out import Row, compared, known
from mappings.payroll import LineKind
from tenants.scope import tenant_scope

#: A report is ready within seconds; after this it is not waited for.
POLL_EVERY = timedelta(seconds=10)
POLLED_FOR = timedelta(minutes=10)
#: Tries before the report counts as not available: nothing waits for it, so a day of outage is not sat out.
ATTEMPTS_MAX = 12

WAGES_ENDING = "Wages"
EMPLOYER_TAX = "EmployerTax"
CONTRIBUTION = "BenefitCompanyContribution"
NET_PAY_DEBIT = "DebitNetPay"
TAX_DEBIT = "DebitTax"
#: Account types seen in Gusto's guide, beside wages (gusto.md 8).
KNOWN_TYPES = frozenset({EMPLOYER_TAX, CONTRIBUTION, "BenefitLiability", NET_PAY_DEBIT, TAX_DEBIT})


class Availability(enum.StrEnum):
    PENDING = "pending"
    COMPARED = "compared"
    NOT_AVAILABLE = "not_available"


@dataclass(frozen=True, slots=True)
class AccountType:
    """Sums of one account type of the report's basic table."""

    name: str
    debit: Decimal = ZERO
    credit: Decimal = ZERO

    @property
    def balance(self) -> Decimal:
        return self.debit - self.credit

    @property
    def is_known(self) -> bool:
        return self.name in KNOWN_TYPES or self.name.endswith(WAGES_ENDING)


def account_types(document: Any) -> tuple[AccountType, ...]:
    """The basic table summed by account type, in the order of first appearance. Raises Unreadable."""
    if not isinstance(document, dict):
        raise Unreadable("Gusto's ledger report is not an object.")
    tables = [table for table in rows_of(document, "data") if table.get("data_type") == "Basic"]
    if len(tables) != 1:
        raise Unreadable("Gusto's ledger report has no basic table, or several.")
    headers, rows = tables[0].get("headers"), tables[0].get("rows")
    try:
        kind, debit, credit = (headers.index(name) for name in ("Account Type", "Debit", "Credit"))  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        raise Unreadable("Gusto's ledger report has other columns than its guide says.") from None
    sums: dict[str, AccountType] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, list) or len(row) != len(headers):  # type: ignore[arg-type]
            raise Unreadable("A row of Gusto's ledger report has not the columns of its table.")
        name = str(row[kind])
        held = sums.get(name, AccountType(name))
        sums[name] = replace(
            held, debit=held.debit + amount_of(row[debit]), credit=held.credit + amount_of(row[credit])
        )
    return tuple(sums.values())


def compare(reading: Reading, types: Iterable[AccountType]) -> tuple[Row, ...]:
    """T9. A difference that an account type we do not know may explain is shown with its name; any other one stops
    unless a person accepts it.
    """
    by_name = {each.name: each for each in types}
    sums, totals = reading.sums, reading.totals
    wages = ZERO
    for each in by_name.values():
        wages += each.balance if each.name.endswith(WAGES_ENDING) else ZERO
    earnings = sum((line.amount for line in reading.header.lines if line.kind is LineKind.EARNING), ZERO)

    def balance(name: str) -> Decimal:
        return by_name[name].balance if name in by_name else ZERO

    unknown = [each for each in by_name.values() if not each.is_known]
    debits = [each.name for each in unknown if each.debit]
    credits = [each.name for each in unknown if each.credit]
    peoples = sums.employer_taxes
    net_pay = totals.get("net_pay_debit", ZERO)
    return (
        _row("T9 wages", "wages in Gusto's ledger report = earnings", wages, [earnings], debits),
        # Whether company taxes and reimbursements are in these, no source says.
        _row("T9 EmployerTax", _same(EMPLOYER_TAX, "employer taxes"), balance(EMPLOYER_TAX),
             [peoples + sums.company_taxes, peoples], debits),
        _row("T9 BenefitCompanyContribution", _same(CONTRIBUTION, "contributions that are not imputed"),
             balance(CONTRIBUTION), [sums.contributions - sums.imputed], debits),
        _row("T9 DebitNetPay", _same(NET_PAY_DEBIT, "net pay debit"), -balance(NET_PAY_DEBIT),
             [net_pay, net_pay + totals.get("reimbursement_debit", ZERO)], credits),
        _row("T9 DebitTax", _same(TAX_DEBIT, "tax debit"), -balance(TAX_DEBIT), [totals.get("tax_debit", ZERO)], credits),
        _row("T9 balance", "debits of Gusto's ledger report = its credits", sum((each.debit for each in by_name.values()), ZERO),
             [sum((each.credit for each in by_name.values()), ZERO)], []),
    )  # fmt: skip


def _same(account_type: str, words: str) -> str:
    return f"{account_type} in Gusto's ledger report = {words}"


def _row(name: str, equation: str, left: Decimal, rights: list[Decimal], unknown: list[str]) -> Row:
    """Compare with the first right side that fits, or the first of all."""
    right = left if left in rights else rights[0]
    row = compared(name, equation, left, right, is_acceptable=True)
    if row.stops and unknown:
        return known(row, f"The report has account types that are not known here: {', '.join(sorted(unknown))}.")
    return row


def read_ledger_report(claim: Claim) -> Later | None:
    """Work gusto.read_ledger_report, `ref` is the id of the run. Safe to repeat: a report is only asked for, never kept
    by Gusto in our name.
    """
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        run = PayrollRun.objects.select_related("legal_entity").filter(pk=int(claim.ref), read_at__isnull=False).first()
        connection_id = run.legal_entity.gusto_connection_id if run is not None else None
        if run is None or connection_id is None or run.ledger_report.get("state") in _ENDED:
            return None
        asked: dict[str, Any] = dict(run.ledger_report)
        payroll_uuid = run.payroll_uuid
    try:
        with GustoClient(connection_id, claim.tenant_id, payroll_uuid, claim.guard) as client:
            if "request_uuid" not in asked:
                asked = _ask(client, payroll_uuid)
                _keep(claim, asked)
            addresses = _poll(client, asked["request_uuid"])
        if addresses is None:
            if timezone.now() > datetime.fromisoformat(asked["asked_at"]) + POLLED_FOR:
                _not_available(claim, "Gusto did not finish the report in time.")
                return None
            return Later(timezone.now() + POLL_EVERY, "Gusto is making its ledger report.")
        types = _download(claim, payroll_uuid, addresses)
    except (Misconfigured, Rejected) as error:
        _not_available(claim, error.sentence)
        return None
    except Unreadable as error:
        _not_available(claim, str(error))
        return None
    except OutcomeUnknown as error:
        # Asking twice makes two reports and changes nothing else.
        raise TemporaryFailure(error.sentence) from error
    claim.guard()
    with tenant_scope(claim.tenant_id):
        _take(claim, types)
    return None


def read_ledger_report_exhausted(claim: Claim, sentence: str) -> None:
    """The report was given up: said so, and nothing waits for it."""
    _not_available(claim, sentence)


_ENDED = frozenset({Availability.COMPARED.value, Availability.NOT_AVAILABLE.value})


def _ask(client: GustoClient, payroll_uuid: str) -> dict[str, Any]:
    answer = client.post(
        f"/v1/payrolls/{payroll_uuid}/reports/general_ledger", {"aggregation": "default", "integration_type": None}
    ).document
    request_uuid = answer.get("request_uuid") if isinstance(answer, dict) else None
    if not isinstance(request_uuid, str) or not request_uuid:
        raise Unreadable("Gusto took the request for its ledger report and gave no number for it.")
    return {
        "state": Availability.PENDING.value,
        "request_uuid": request_uuid,
        "asked_at": timezone.now().isoformat(),
    }


def _poll(client: GustoClient, request_uuid: str) -> list[str] | None:
    """Presigned addresses of the report, good for about ten minutes; None while Gusto works on it."""
    # Private: a presigned address opens the report for whoever holds it.
    answer = client.fetch(f"/v1/reports/{request_uuid}").document
    state = answer.get("status") if isinstance(answer, dict) else None
    if state == "pending":
        return None
    addresses = answer.get("report_urls") if isinstance(answer, dict) else None
    if state != "succeeded" or not isinstance(addresses, list) or not addresses:
        raise Unreadable("Gusto could not make its ledger report.")
    return [str(address) for address in addresses]


def _download(claim: Claim, payroll_uuid: str, addresses: list[str]) -> tuple[AccountType, ...]:
    """The first file. The address carries its own permission, so no token goes along; it is not Gusto's own host."""
    assert claim.tenant_id is not None
    with RecordedSession(tenant_id=claim.tenant_id, system="gusto", about=payroll_uuid) as session:
        response = session.call("GET", addresses[0], writes=False, private=True)
    if response.status_code != 200:
        raise TemporaryFailure("The address of Gusto's ledger report does not work any more. It is asked for again.")
    return account_types(document_of(response.content))


def _keep(claim: Claim, report: Mapping[str, Any]) -> None:
    assert claim.tenant_id is not None
    with tenant_scope(claim.tenant_id):
        PayrollRun.objects.filter(pk=int(claim.ref)).update(ledger_report=dict(report))


def _not_available(claim: Claim, sentence: str) -> None:
    _keep(claim, {"state": Availability.NOT_AVAILABLE.value, "sentence": sentence})


def _take(claim: Claim, types: tuple[AccountType, ...]) -> None:
    """Keep the sums and the comparison."""
    run = PayrollRun.objects.select_for_update(of=("self",)).select_related("legal_entity").get(pk=int(claim.ref))
    if run.state == PayrollRun.State.WITHDRAWN:
        return
    rows = compare(reading_of(run), types)
    run.ledger_report = {
        "state": Availability.COMPARED.value,
        "read_at": timezone.now().isoformat(),
        "account_types": [
            {"name": each.name, "debit": str(each.debit), "credit": str(each.credit), "is_known": each.is_known}
            for each in types
        ],
    }
    payroll_run.add_rows(run, rows)
