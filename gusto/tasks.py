"""What the gusto floor does by itself: its kinds of work, and its part of “Test connection”."""

from __future__ import annotations

from audit import work
from gusto import events, ledger_report, notices, past_payrolls, payroll_run, subscription
from gusto.check import check_gusto
from tenants import checks


def register() -> None:
    """Called once by `gusto.apps`."""
    work.register(notices.KIND_READ_EVENT, events.read_event)
    work.register("gusto.feed", events.feed)
    work.register("gusto.sweep", events.sweep)
    work.register("gusto.subscribe", subscription.ensure)
    work.register("gusto.read_past", past_payrolls.read_past)
    work.register("gusto.read_payroll", payroll_run.read_payroll, payroll_run.read_payroll_exhausted)
    work.register(
        payroll_run.LEDGER_REPORT,
        ledger_report.read_ledger_report,
        ledger_report.read_ledger_report_exhausted,
        attempts_max=ledger_report.ATTEMPTS_MAX,
    )
    checks.register("gusto", check_gusto)
