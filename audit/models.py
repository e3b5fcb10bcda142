"""What was said and done, and what is still to do.

`AuditEntry` and `Exchange` belong to a tenant. `WorkItem` stands outside row-level security, because a worker has to
find due work before it knows whose it is; it holds ids only.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tenants.scope import TenantModel


class AuditEntry(TenantModel):
    """Who did what to what, when. Written by `audit.trail.record()`; number, moment and seal come from the database,
    which also refuses every change (migration 0001).
    """

    number = models.BigIntegerField(editable=False, default=0)
    at = models.DateTimeField(editable=False, null=True)
    action = models.CharField(max_length=80)
    actor = models.CharField(max_length=200, blank=True, help_text="Empty = by itself.")
    subject = models.CharField(max_length=60, blank=True, help_text="What kind of thing it was done to.")
    subject_id = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)
    previous_seal = models.BinaryField(editable=False, default=b"")
    seal = models.BinaryField(editable=False, default=b"")

    class Meta:
        verbose_name_plural = "audit trail"
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="audit_entry_number")]
        indexes = [models.Index(fields=["tenant", "subject", "subject_id"], name="audit_entry_subject")]

    def __str__(self) -> str:
        return f"{self.number} {self.action}"


class AuditHead(models.Model):
    """The last number and seal of each tenant's chain, written by the trigger alone."""

    tenant = models.OneToOneField("tenants.Tenant", models.PROTECT, primary_key=True, related_name="+")
    number = models.BigIntegerField(default=0)
    seal = models.BinaryField(default=b"")


class ChainVerification(TenantModel):
    """One walk along a tenant's chain: the last one stands on the audit trail, and a broken one on every page."""

    verified_at = models.DateTimeField()
    entries = models.PositiveBigIntegerField()
    broken_at = models.PositiveBigIntegerField(null=True, help_text="Number of the first entry that does not fit.")
    sentence = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]

    @property
    def is_intact(self) -> bool:
        return self.broken_at is None


class Exchange(TenantModel):
    """One request to an outside system and its answer, masked; digests and sizes only where it carries pay or people."""

    system = models.CharField(max_length=30)
    about = models.CharField(max_length=100, blank=True, help_text="Posting key, payroll or connection it was for.")
    request_id = models.CharField(max_length=64, blank=True)
    method = models.CharField(max_length=10)
    host = models.CharField(max_length=255)
    path = models.TextField()
    query = models.TextField(blank=True)
    is_write = models.BooleanField(default=False)
    is_private = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=12, help_text="answered, temporary, unknown or refused")
    reason = models.CharField(max_length=300, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    request_bytes = models.PositiveIntegerField(default=0)
    request_digest = models.CharField(max_length=64, blank=True)
    request_body = models.TextField(blank=True)
    answer_bytes = models.PositiveIntegerField(default=0)
    answer_digest = models.CharField(max_length=64, blank=True)
    answer_body = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "about"], name="audit_exchange_about"),
            models.Index(fields=["tenant", "started_at"], name="audit_exchange_started"),
        ]

    def __str__(self) -> str:
        return f"{self.system} {self.method} {self.path}"


class WorkItem(models.Model):
    """Durable work: the truth about what is to be done. The queue only rings the bell."""

    class State(models.TextChoices):
        READY = "ready", "Ready"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        EXHAUSTED = "exhausted", "Given up"

    tenant_id = models.UUIDField(null=True, help_text="None = the installation's own work.")
    kind = models.CharField(max_length=60)
    ref = models.CharField(max_length=100, blank=True, help_text="Id of what the work is about.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True, default=None)
    leased_until = models.DateTimeField(null=True)
    sentence = models.TextField(blank=True, help_text="Why the last attempt did not finish.")
    steps_done = models.PositiveIntegerField(default=0, db_default=0)
    steps_total = models.PositiveIntegerField(default=0, db_default=0, help_text="0 = nobody knows how many there are.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # NULLs count as equal, so that the installation's own work is enqueued once as well.
            models.UniqueConstraint(
                fields=["tenant_id", "kind", "ref"],
                condition=Q(state="ready"),
                name="audit_work_ready_once",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["ready", "running"]), name="audit_work_due"),
            models.Index(fields=["kind", "ref"], condition=Q(state="running"), name="audit_work_running"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"
