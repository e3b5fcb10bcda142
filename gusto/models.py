"""What Gusto told us: its application, the notices it sent, and the payroll runs that were read back.

Outside row-level security stand the installation's own things (`GustoApplication`, `WebhookSubscription`, `FeedCursor`),
`WebhookEvent`, which is stored before its tenant is known and holds ids only, and `CompanyRoute`, which tells the tenant.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from tenants.models import Connection, LegalEntity
from tenants.scope import TenantModel
from tenants.secrets import SecretField


class GustoApplication(models.Model):
    """The installation's own developer application at Gusto; the operator alone sets it up.

    The addresses are the operator's: a tenant who could redirect OAuth would receive the client secret.
    """

    name = models.CharField(max_length=100, default="Gusto")
    client_id = models.CharField(max_length=200)
    client_secret = SecretField(default="")
    api_url = models.CharField(max_length=300, default="https://api.gusto.com", help_text="Where the API answers.")
    authorize_url = models.CharField(
        max_length=300, blank=True, help_text="Where owners grant access; empty = API address + /oauth/authorize."
    )
    token_url = models.CharField(max_length=300, blank=True, help_text="Empty = API address + /oauth/token.")
    api_version = models.CharField(max_length=10, default="2026-06-15", help_text="Sent as X-Gusto-API-Version.")
    is_active = models.BooleanField(default=True)
    system_token = SecretField(default="", help_text="Installation-wide access token for events and webhooks.")
    system_token_expires_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "Gusto application"
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="gusto_one_application")
        ]

    def __str__(self) -> str:
        return self.name


class WebhookSubscription(models.Model):
    """One subscription of ours at Gusto; its verification token is the key of every signature."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for Gusto's handshake"
        VERIFIED = "verified", "Verified"
        REMOVED = "removed", "Removed"
        UNREACHABLE = "unreachable", "Unreachable"

    application = models.ForeignKey(GustoApplication, models.PROTECT, related_name="subscriptions")
    subscription_uuid = models.CharField(max_length=64, unique=True)
    url = models.CharField(max_length=300)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    verification_token = SecretField(default="")
    offered_token = SecretField(default="", help_text="Received in a handshake, not yet accepted by Gusto.")
    created_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"{self.url} ({self.get_state_display()})"


class WebhookEvent(models.Model):
    """One notice from Gusto, stored as received: ids only. A notice is a hint; the truth is read back over the API."""

    class State(models.TextChoices):
        STORED = "stored", "Stored"
        HANDLED = "handled", "Handled"
        IGNORED = "ignored", "Not ours to act on"
        UNKNOWN_COMPANY = "unknown_company", "Unknown company"

    event_uuid = models.CharField(max_length=64, unique=True)
    event_type = models.CharField(max_length=100)
    resource_uuid = models.CharField(max_length=64, db_index=True, help_text="The company.")
    entity_type = models.CharField(max_length=60, blank=True)
    entity_uuid = models.CharField(max_length=64, blank=True)
    sent_at = models.DateTimeField(help_text="Gusto's timestamp; notices may come in any order.")
    received_at = models.DateTimeField(auto_now_add=True)
    source = models.CharField(max_length=10, default="webhook", help_text="webhook or feed")
    state = models.CharField(max_length=20, choices=State.choices, default=State.STORED)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.event_type} {self.entity_uuid}"


class CompanyRoute(models.Model):
    """Which tenant and legal entity a Gusto company belongs to: all companies arrive on one webhook address."""

    company_uuid = models.CharField(max_length=64, unique=True)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    legal_entity_id = models.BigIntegerField()

    def __str__(self) -> str:
        return self.company_uuid


class FeedCursor(models.Model):
    """How far the events feed has been read. Gusto keeps events for 30 days."""

    application = models.OneToOneField(GustoApplication, models.CASCADE, related_name="cursor")
    last_event_uuid = models.CharField(max_length=64, blank=True)
    polled_at = models.DateTimeField(null=True)


class AuthorizationState(TenantModel):
    """The `state` of one OAuth round: bound to session, member, tenant and legal entity; one use, ten minutes."""

    digest = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session_digest = models.CharField(max_length=64)
    legal_entity = models.ForeignKey(LegalEntity, models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="gusto_state_once")]


class CallWindow(TenantModel):
    """The calls of the last minute under one grant, shared by all workers (200 per rolling 60 s and grant)."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    sent_at = models.JSONField(default=list, help_text="Epoch seconds of the calls of the last minute.")
    paused_until = models.DateTimeField(null=True, help_text="Gusto asked us to wait until then.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "connection"], name="gusto_call_window_once")]


class PayrollRun(TenantModel):
    """One calculated payroll of one legal entity, from the first notice to what became of it.

    It carries NEW, READ and BLOCKED; from ALLOCATED on each journal has an `erp.models.Posting` of its own.
    """

    class State(models.TextChoices):
        NEW = "new", "New"
        READ = "read", "Read"
        BLOCKED = "blocked", "Blocked"
        WITHDRAWN = "withdrawn", "Withdrawn"
        IGNORED = "ignored", "Not posted"

    class Source(models.TextChoices):
        API = "api", "Gusto"
        FILE = "file", "Payroll file"

    legal_entity = models.ForeignKey(LegalEntity, models.PROTECT, related_name="payroll_runs")
    company_uuid = models.CharField(max_length=64)
    payroll_uuid = models.CharField(max_length=64)
    source = models.CharField(max_length=5, choices=Source.choices, default=Source.API)
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    reason = models.CharField(max_length=20, blank=True, help_text="Why it is blocked: tie_out, mapping, unclear, ...")
    sentence = models.TextField(blank=True)
    problems = models.JSONField(default=list, help_text="What has to be repaired, sentence by sentence; no persons.")
    tie_out = models.JSONField(default=list, help_text="Rows of the tie-out: name, both figures, difference, verdict.")
    ledger_report = models.JSONField(default=dict, help_text="Gusto's ledger report, summed by account type.")
    accepted_differences = models.JSONField(default=list)
    payroll_type = models.CharField(max_length=12, blank=True)
    off_cycle_reason = models.CharField(max_length=60, blank=True)
    check_date = models.DateField(null=True)
    period_start = models.DateField(null=True)
    period_end = models.DateField(null=True)
    debit_date = models.DateField(null=True)
    employees = models.PositiveIntegerField(default=0)
    debits = models.DecimalField(
        max_digits=18,
        decimal_places=2,
        null=True,
        help_text="What Gusto's totals say is to be debited. Null = not read.",
    )
    journal_debits = models.DecimalField(
        max_digits=18,
        decimal_places=2,
        null=True,
        help_text="What its journals debit for its lines. Null = never built.",
    )
    sequence = models.PositiveSmallIntegerField(
        default=1, help_text="Raised when a withdrawn payroll is processed again under the same uuid."
    )
    content_digest = models.CharField(max_length=64, blank=True, help_text="Of the payroll's figures, as last read.")
    prepared_by = models.JSONField(
        default=list,
        help_text="User names whose work is in it: who added its file or took it back, replayed it, or chose a posting date.",
    )
    chosen_dates = models.JSONField(
        default=dict, help_text="Posting key -> posting date (ISO) that a person chose for that journal."
    )
    announced_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=20, blank=True, help_text="cancelled, deleted, unprocessed, reversed, ...")

    class Meta:
        ordering = ["-check_date", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "legal_entity", "payroll_uuid"], name="gusto_payroll_run_once")
        ]
        indexes = [models.Index(fields=["tenant", "state"], name="gusto_payroll_run_state")]

    def __str__(self) -> str:
        return f"Payroll run {self.check_date or self.payroll_uuid}"


class LabourCost(TenantModel):
    """What one payroll run debits for one kind of line in one department, for figures that need no person."""

    payroll_run = models.ForeignKey(PayrollRun, models.CASCADE, related_name="labour_costs")
    kind = models.CharField(max_length=30, help_text="A kind of payroll line with a debit side.")
    department = models.CharField(max_length=200, blank=True, help_text="Empty = none.")
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    employees = models.PositiveIntegerField(
        help_text="How many people it is of; the amount of one is that person's pay."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "payroll_run", "kind", "department"], name="gusto_labour_cost_once"
            )
        ]


class LastSweep(TenantModel):
    """The last time that Gusto's list of payrolls was compared with what is here, and what it announces."""

    legal_entity = models.OneToOneField(LegalEntity, models.CASCADE, related_name="last_sweep")
    swept_at = models.DateTimeField()
    complete_from_date = models.DateField(help_text="No processed payroll with a later check date is missing here.")
    next_check_date = models.DateField(null=True, help_text="Of the payrolls that are not processed yet.")


class PayrollDocument(TenantModel):
    """A payroll as Gusto or a person gave it, page by page, with what was true of its people when it was read.

    Compressed and encrypted as one blob: it is the most private thing here. `sealed` opens to JSON
    {"pages": [raw text of each page], "people": {...}}, see `gusto.payroll_document`.
    """

    payroll_run = models.ForeignKey(PayrollRun, models.PROTECT, related_name="documents")
    form = models.CharField(
        max_length=10,
        default="document",
        help_text="document as Gusto's API gives it, lines as our file of payroll lines.",
    )
    read_at = models.DateTimeField()
    pages = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the pages as received.")
    sealed = models.BinaryField()

    class Meta:
        ordering = ["-id"]


class Employee(TenantModel):
    """An employee as read from Gusto, without what nobody needs (no birth date, no number of an authority)."""

    legal_entity = models.ForeignKey(LegalEntity, models.PROTECT, related_name="employees")
    employee_uuid = models.CharField(max_length=64)
    employee_code = models.CharField(max_length=60, blank=True)
    sealed_name = SecretField(default="")
    department = models.CharField(max_length=200, blank=True)
    is_terminated = models.BooleanField(default=False)
    version = models.CharField(max_length=100, blank=True, help_text="Gusto's change mark.")
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "legal_entity", "employee_uuid"], name="gusto_employee_once")
        ]
