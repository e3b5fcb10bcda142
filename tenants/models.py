"""Who: tenants, their members, their legal entities, and the connections that hold their secrets.

`Tenant`, `User`, `Membership`, `Invitation` and `ApiToken` stand outside row-level security, because they are read before
the tenant of a request is known; everything else here belongs to one tenant.
"""

from __future__ import annotations

import json
import uuid
import zoneinfo
from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.credentials import declaration
from tenants.scope import TenantModel
from tenants.secrets import SecretField


class User(AbstractUser):
    """A person who signs in. What they may do is said by their memberships, not here."""


def check_time_zone(name: str) -> None:
    """Raises ValidationError for a name that the time zone database does not know."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"There is no time zone “{name}”. Write it like America/New_York.")


class Tenant(models.Model):
    """A customer of this installation: the wall between data."""

    class DateStyle(models.TextChoices):
        """How days are written. None of them can be read as another day."""

        DAY_FIRST = "day_first", "13 Nov 2026"
        MONTH_FIRST = "month_first", "Nov 13, 2026"
        ISO = "iso", "2026-11-13"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=60, unique=True)
    is_installation = models.BooleanField(
        default=False, editable=False, help_text="The reserved tenant of the operator's own exchanges and entries."
    )
    requires_second_factor = models.BooleanField(
        default=False, help_text="Owners and approvers sign in with a second factor."
    )
    time_zone = models.CharField(max_length=60, default="UTC", validators=[check_time_zone])
    date_style = models.CharField(max_length=12, choices=DateStyle.choices, default=DateStyle.DAY_FIRST)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_installation"], condition=Q(is_installation=True), name="tenants_one_installation"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do. A member holds a set of them."""

    OWNER = "owner", "Owner"
    PREPARER = "preparer", "Preparer"
    APPROVER = "approver", "Approver"
    AUDITOR = "auditor", "Auditor"


class Membership(models.Model):
    """A person in a tenant."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    roles = ArrayField(
        models.CharField(max_length=20, choices=Role.choices), help_text="Owner, preparer, approver, auditor."
    )
    may_see_pay = models.BooleanField(default=False, help_text="May see amounts of single employees.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="tenants_membership_once"),
            models.CheckConstraint(
                condition=Q(roles__contained_by=[role.value for role in Role]) & Q(roles__len__gt=0),
                name="tenants_membership_roles_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"

    def has_role(self, *roles: Role) -> bool:
        return any(role.value in self.roles for role in roles)

    @property
    def roles_in_words(self) -> str:
        return ", ".join(Role(role).label for role in self.roles)


class Invitation(models.Model):
    """The right to become a member once, until a moment. Only the digest of the link's secret is stored.

    Without a tenant it is a sign-up: whoever proves the mail address founds `tenant_name` as its owner.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="invitations")
    tenant_name = models.CharField(max_length=200, blank=True)
    email = models.EmailField()
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices))
    may_see_pay = models.BooleanField(default=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="invitations_sent"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="invitations_accepted"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=[role.value for role in Role]) & Q(roles__len__gt=0),
                name="tenants_invitation_roles_known",
            ),
            models.CheckConstraint(
                condition=Q(tenant__isnull=False) | ~Q(tenant_name=""), name="tenants_invitation_somewhere"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant or self.tenant_name}"

    @property
    def is_open(self) -> bool:
        """Neither used nor run out."""
        return self.accepted_at is None and self.expires_at > timezone.now()

    @property
    def roles_in_words(self) -> str:
        return ", ".join(Role(role).label for role in self.roles)


class Scope(models.TextChoices):
    """What an API token may do, within what its member may do."""

    READ_PAYROLL_RUNS = "payroll_runs:read", "Read payroll runs"
    READ_POSTINGS = "postings:read", "Read journals"
    WRITE_POSTINGS = "postings:write", "Approve, replay and give up journals"
    READ_MAPPINGS = "mappings:read", "Read mapping rules"
    WRITE_MAPPINGS = "mappings:write", "Change drafts of mapping tables"
    READ_REFERENCE = "reference:read", "Read reference data"
    READ_AUDIT = "audit:read", "Read the audit trail"


def every_scope() -> list[str]:
    """What a token may do that was made before tokens had scopes."""
    return [scope.value for scope in Scope]


class ApiToken(models.Model):
    """A bearer token of a member. Only its digest is stored; the token itself is shown once."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope.choices), default=every_scope)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="tenants_apitoken_some_scope"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scopes_in_words(self) -> str:
        return ", ".join(Scope(scope).label for scope in self.scopes)


class CacheEntry(models.Model):
    """The table of Django's database cache, which every web process sees: wrong passwords are counted in it. Rows are
    written by `django.core.cache.backends.db` alone.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "mlc_cache"


class Connection(TenantModel):
    """Address and credentials of one outside system.

    All declared fields live in one encrypted text; the console shows the ones that are not secret. For Gusto it holds
    one company's grant (access and refresh token), which `gusto.oauth` alone writes.
    """

    class Health(models.TextChoices):
        UNTESTED = "untested", "Not tested yet"
        HEALTHY = "healthy", "Healthy"
        BROKEN = "broken", "Needs you"
        OFF = "off", "Off"

    system = models.CharField(max_length=30, help_text="Which product: gusto, d365, ...")
    name = models.CharField(max_length=100)
    is_on_premises = models.BooleanField(
        default=False, editable=False, help_text="The operator allows addresses inside the own network."
    )
    sealed_fields = SecretField(default="{}")
    health = models.CharField(max_length=10, choices=Health.choices, default=Health.UNTESTED, editable=False)
    health_sentence = models.TextField(blank=True, editable=False)
    checks = models.JSONField(default=list, editable=False, help_text="Lines of the last test.")
    tested_at = models.DateTimeField(null=True, editable=False)
    succeeded_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="tenants_connection_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def fields(self) -> dict[str, str]:
        """Every declared field with its value or default, secrets in clear: for connectors only, never for a page."""
        stored = json.loads(self.sealed_fields or "{}")
        declared = {field.name: field.default for field in declaration(self.system).fields}
        return {**declared, **stored}

    def stored_fields(self) -> dict[str, str]:
        """What was entered or granted, without defaults."""
        found: dict[str, str] = json.loads(self.sealed_fields or "{}")
        return found

    def set_fields(self, values: Mapping[str, str]) -> None:
        """Replace values by name; empty text removes one. A changed address clears every secret (no secret may
        travel to an address that another person typed). Does not save.
        """
        known = {field.name: field for field in declaration(self.system).fields}
        stored = self.stored_fields()
        before = {name: self.fields.get(name, "") for name, field in known.items() if field.is_address}
        moved = any(
            name in before and (value or known[name].default) != before[name] and stored
            for name, value in values.items()
        )
        if moved:
            stored = {name: value for name, value in stored.items() if name in known and not known[name].is_secret}
        for name, value in values.items():
            if value:
                stored[name] = value
            else:
                stored.pop(name, None)
        self.sealed_fields = json.dumps(stored, sort_keys=True)  # type: ignore[assignment]

    def public_fields(self) -> list[tuple[str, str]]:
        """(label, value) of the declared fields for a page: secrets only as present or missing."""
        values = self.fields
        return [
            (
                field.label,
                ("stored" if values.get(field.name) else "missing") if field.is_secret else values.get(field.name, ""),
            )
            for field in declaration(self.system).fields
        ]


class LegalEntity(TenantModel):
    """One employer = one Gusto company, with an ERP connection and a default company code."""

    class Approval(models.TextChoices):
        PERSON = "person", "A person, never the preparer"
        AUTOMATIC = "automatic", "By itself when it ties out"

    name = models.CharField(max_length=200)
    gusto_company_uuid = models.CharField(max_length=64, blank=True, editable=False)
    gusto_company_name = models.CharField(max_length=200, blank=True, editable=False, help_text="As Gusto last said.")
    is_live = models.BooleanField(
        default=True, editable=False, help_text="No journal is made of its payrolls before an owner goes live."
    )
    gusto_connection = models.ForeignKey(
        Connection, models.PROTECT, null=True, blank=True, related_name="gusto_legal_entities"
    )
    erp_connection = models.ForeignKey(Connection, models.PROTECT, null=True, blank=True, related_name="legal_entities")
    company_code = models.CharField(max_length=20, blank=True, help_text="Default company code in the ERP.")
    currency = models.CharField(max_length=3, default="USD")
    approval = models.CharField(max_length=10, choices=Approval.choices, default=Approval.PERSON)
    approval_limit = models.DecimalField(
        "always a person above",
        max_digits=14, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Total debits of a journal, in its currency, above which a person approves it in every case.",
    )  # fmt: skip
    posts_from_date = models.DateField(
        null=True, blank=True, help_text="Payroll runs with an earlier check date are not posted."
    )
    sweep_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Hours between sweeps; empty follows the pay schedule."
    )

    class Meta:
        verbose_name_plural = "legal entities"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="tenants_legal_entity_name"),
            models.UniqueConstraint(
                fields=["tenant", "gusto_company_uuid"],
                condition=~Q(gusto_company_uuid=""),
                name="tenants_legal_entity_company",
            ),
            models.UniqueConstraint(
                fields=["tenant", "gusto_connection"],
                condition=Q(gusto_connection__isnull=False),
                name="tenants_legal_entity_one_grant",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def installation_tenant() -> Tenant:
    """The reserved tenant that owns the operator's exchanges and audit entries; made on first use."""
    found, _ = Tenant.objects.get_or_create(
        is_installation=True, defaults={"name": "Installation", "slug": "installation"}
    )
    return found
