"""Our record of bringing each journal into a ledger, with its state and everything that was tried.

The database itself refuses a posting whose lines do not balance to 0.00 (deferred trigger, invariant I2) and a second
live posting for the same journal (invariant I1).
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from gusto.models import PayrollRun
from mappings.journal import JournalKind
from mappings.models import MappingTable
from mappings.policy import Lines
from tenants.models import Connection, LegalEntity
from tenants.scope import TenantModel


class Posting(TenantModel):
    """One journal on its way into one ledger. See design section 6 for what each state means."""

    class State(models.TextChoices):
        ALLOCATED = "allocated", "Allocated"
        APPROVED = "approved", "Approved"
        SENDING = "sending", "Sending"
        ENTERED = "entered", "Entered"
        POSTED = "posted", "Posted"
        BLOCKED = "blocked", "Blocked"
        VOIDED = "voided", "Voided"

    class Reason(models.TextChoices):
        MAPPING = "mapping", "mapping"
        REFERENCE = "reference", "reference data"
        CONFIGURATION = "configuration", "configuration"
        REJECTED = "rejected", "rejected by the ERP"
        EXHAUSTED = "exhausted", "tried too often"
        UNCLEAR = "unclear", "no clear answer"
        REMOVED = "removed", "removed in the ERP"
        TIE_OUT = "tie_out", "tie-out"
        PERIOD = "period", "fiscal period"

    legal_entity = models.ForeignKey(LegalEntity, models.PROTECT, related_name="postings")
    payroll_run = models.ForeignKey(PayrollRun, models.PROTECT, related_name="postings")
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="postings")
    mapping_table = models.ForeignKey(MappingTable, models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=12)
    company_code = models.CharField(max_length=20)
    sequence = models.PositiveSmallIntegerField(default=1)
    reverses = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="reversals")
    posting_key = models.CharField(max_length=15)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ALLOCATED)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    sentence = models.TextField(blank=True, help_text="Why it waits, for finance.")
    problems = models.JSONField(default=list)
    posting_date = models.DateField()
    document_date = models.DateField()
    currency = models.CharField(max_length=3)
    header_text = models.CharField(max_length=200)
    debit = models.DecimalField(max_digits=18, decimal_places=2)
    credit = models.DecimalField(max_digits=18, decimal_places=2)
    line_count = models.PositiveIntegerField()
    journal_digest = models.CharField(max_length=64)
    prepared_by = models.JSONField(default=list, help_text="Everybody whose change is in this journal.")
    approved_by = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True)
    document_number = models.CharField(max_length=60, blank=True)
    progress = models.JSONField(default=dict, help_text="Steps of a multi-step post, durable before the next step.")
    was_sent = models.BooleanField(default=False, help_text="A write has left at least once.")
    settles_at = models.DateTimeField(null=True, help_text="An outcome is unknown; the ERP is asked from then on.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=300, blank=True)
    found_by = models.CharField(max_length=150, blank=True, help_text="Who looked in the ERP and gave the number.")
    not_there_by = models.JSONField(
        default=list, help_text="User names that looked in the ERP and found nothing; the second one sends it again."
    )
    not_there_at = models.DateTimeField(null=True, help_text="When the first of them said so.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "payroll_run", "kind", "company_code", "sequence", "reverses"],
                condition=~Q(state="voided"),
                nulls_distinct=False,
                name="erp_posting_one_live",
            ),
            models.UniqueConstraint(
                fields=["tenant", "posting_key"], condition=~Q(state="voided"), name="erp_posting_key_once"
            ),
            models.CheckConstraint(condition=Q(debit=F("credit")), name="erp_posting_balances"),
            models.CheckConstraint(
                condition=Q(state="blocked", reason__gt="") | (~Q(state="blocked") & Q(reason="")),
                name="erp_posting_reason_iff_blocked",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "state"], name="erp_posting_state")]

    def __str__(self) -> str:
        return f"Journal {self.posting_key}"

    @property
    def is_contra(self) -> bool:
        """Whether it undoes a journal that was meant to stay, unlike an accrual's own reversal (sequence from 100 on)."""
        return self.kind == JournalKind.REVERSAL.value and self.sequence < 100

    @property
    def shows_pay(self) -> bool:
        """Whether its lines tell what each employee is paid."""
        return bool(self.mapping_table.lines == Lines.EMPLOYEE)

    @property
    def is_held(self) -> bool:
        """Whether nothing of it goes out because its payroll run is blocked: two sources contradict each other. A payroll
        that Gusto answers with one of its own stands, and what undoes a journal is never held.
        """
        run = self.payroll_run
        return run.state == PayrollRun.State.BLOCKED and not run.undone_by and not self.is_contra


class PostingLine(TenantModel):
    """One line of a frozen journal; exactly one of debit and credit is positive."""

    posting = models.ForeignKey(Posting, models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    main_account = models.CharField(max_length=60)
    dimensions = models.JSONField(default=list, help_text="[[name, value], ...] sorted by name")
    debit = models.DecimalField(max_digits=18, decimal_places=2)
    credit = models.DecimalField(max_digits=18, decimal_places=2)
    text = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "posting", "number"], name="erp_posting_line_once"),
            models.CheckConstraint(
                condition=(Q(debit__gt=0) & Q(credit=0)) | (Q(credit__gt=0) & Q(debit=0)),
                name="erp_posting_line_one_side",
            ),
        ]


class PostingTrace(TenantModel):
    """Which payroll line put how much where, with the rule that caught it. Holds people's pay: encrypted as one blob."""

    posting = models.OneToOneField(Posting, models.CASCADE, related_name="trace")
    sealed = models.BinaryField()


class PostingAttempt(TenantModel):
    """One go at a posting: what was asked or sent, and how it ended. The intent is saved before anything leaves."""

    posting = models.ForeignKey(Posting, models.CASCADE, related_name="attempts")
    step = models.CharField(max_length=12, help_text="find, post, undo or read_back")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True, help_text="Empty = never heard of again.")
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]


class ReferenceSnapshot(TenantModel):
    """The reference data of a connection as last read; the connector's own facts live here."""

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="reference_snapshot")
    read_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    company_codes = models.JSONField(default=list)
    setup_problems = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
