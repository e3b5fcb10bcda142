"""What the gusto floor says upwards. Sent inside the tenant's scope and its transaction: a receiver only enqueues work."""

from __future__ import annotations

from django.dispatch import Signal

#: `run` (PayrollRun) was read back whole and reached READ. Sender: PayrollRun.
payroll_processed = Signal()

#: `run` is no longer what it was; `what` is cancelled, deleted, unprocessed, reversed, partially_reversed, or taken_back
#: for a payroll file that a person took back.
#: Sender: PayrollRun.
payroll_changed = Signal()
