"""The tables that finance edits, and the ledger's words that they may use.

A `MappingTable` is one version: rules + crosswalks + policy of a legal entity, valid from a check date on; once approved
it never changes (a trigger refuses it). `MainAccount`, `Dimension`, `DimensionValue` and `FiscalPeriod` are copies of the
ERP's reference data, refreshed by `erp.reference`.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from mappings.payroll import LineKind, Side
from mappings.policy import HEADER_NAMES, LINE_NAMES
from mappings.policy_values import LENGTHS_MAX, NAME_LENGTH_MAX, stored_value
from mappings.text_template import LENGTH_MAX, template_faults
from tenants.models import Connection, LegalEntity
from tenants.scope import TenantModel

KINDS = [(kind.value, kind.value.replace("_", " ").capitalize()) for kind in LineKind]
SIDES = [(side.value, side.value.capitalize()) for side in Side]


def valid_holidays(value: str) -> None:
    _check_value("unpaid_holidays", value)


def valid_payroll_types(value: str) -> None:
    _check_value("ignored_payroll_types", value)


def valid_header_text(value: str) -> None:
    _check_template(value, HEADER_NAMES)


def valid_line_text(value: str) -> None:
    _check_template(value, LINE_NAMES)


def _check_value(name: str, value: str) -> None:
    try:
        stored_value(name, value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _check_template(value: str, known: tuple[str, ...]) -> None:
    if faults := [f"{fault[:1].upper()}{fault[1:]}" for fault in template_faults(value, known)]:
        raise ValidationError(faults)


class MappingTable(TenantModel):
    """One version of a legal entity's mapping. Approved versions of the same date correct one another: the newest serves."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        SUBMITTED = "submitted", "Submitted"
        APPROVED = "approved", "Approved"

    legal_entity = models.ForeignKey(LegalEntity, models.PROTECT, related_name="mapping_tables")
    version = models.PositiveIntegerField(editable=False)
    valid_from = models.DateField(help_text="The first check date that this version serves.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT, editable=False)
    note = models.CharField(max_length=200, blank=True)
    # Policy: names and values are those of `mappings.policy_values`; what contradicts itself is refused before approval.
    posting_date = models.CharField(
        max_length=12,
        default="check_date",
        choices=[("check_date", "Check date"), ("period_end", "Pay period end"), ("debit_date", "Debit date")],
    )
    journals = models.CharField(
        max_length=20,
        default="payroll",
        choices=[("payroll", "One journal"), ("accrual_settlement", "Accrual and settlement")],
    )
    credits = models.CharField(
        max_length=14,
        default="follow_wages",
        choices=[("follow_wages", "Credits follow the wages"), ("paymaster", "One company code pays for all")],
    )
    straddle = models.CharField(
        max_length=14,
        default="none",
        choices=[
            ("none", "No month-end accrual"),
            ("calendar_days", "Calendar days"),
            ("working_days", "Working days"),
        ],
    )
    lines = models.CharField(
        max_length=10,
        default="summary",
        choices=[
            ("summary", "By account and dimensions"),
            ("department", "Also by department"),
            ("employee", "Also by employee: shows in the ledger what each one is paid"),
        ],
    )
    paying_company_code = models.CharField(
        max_length=NAME_LENGTH_MAX,
        blank=True,
        help_text="Where one pays for all: the company code whose bank account Gusto debits.",
    )
    due_from_account = models.CharField(
        max_length=NAME_LENGTH_MAX, blank=True, help_text="In the paying company code: what the others owe it."
    )
    due_to_account = models.CharField(
        max_length=NAME_LENGTH_MAX, blank=True, help_text="In every other company code: what it owes the paying one."
    )
    affiliate_dimension = models.CharField(
        max_length=NAME_LENGTH_MAX,
        blank=True,
        help_text="The dimension that names the other company code; empty = there is none.",
    )
    accrual_account = models.CharField(
        max_length=NAME_LENGTH_MAX,
        blank=True,
        help_text="Credit of a month-end accrual: pay that is owed for work done.",
    )
    straddle_off_cycle = models.BooleanField(
        "Month-end accrual of off-cycle runs", default=False, help_text="A bonus belongs to its date: usually not."
    )
    unpaid_holidays = models.CharField(
        max_length=LENGTHS_MAX["unpaid_holidays"],
        blank=True,
        validators=[valid_holidays],
        help_text="Days from Monday to Friday that nobody is paid for, as 2026-11-27. A paid holiday is a working day.",
    )
    clearing_detail = models.BooleanField(
        default=False, help_text="Net pay, taxes and child support on separate lines, as Gusto's withdrawals are."
    )
    header_text = models.CharField(
        max_length=LENGTH_MAX,
        blank=True,
        validators=[valid_header_text],
        help_text=f"Empty = the usual one. Names: {{{'}, {'.join(HEADER_NAMES)}}}.",
    )
    line_text = models.CharField(
        max_length=LENGTH_MAX,
        blank=True,
        validators=[valid_line_text],
        help_text=f"Empty = the usual ones. Names: {{{'}, {'.join(LINE_NAMES)}}}.",
    )
    ignored_payroll_types = models.CharField(
        max_length=NAME_LENGTH_MAX,
        blank=True,
        default="external",
        validators=[valid_payroll_types],
        help_text="Types that make no journal: regular, off_cycle, external.",
    )
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.JSONField(default=list, editable=False, help_text="Everybody whose change is in it.")
    submitted_by = models.CharField(max_length=150, blank=True, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    approved_by = models.CharField(max_length=150, blank=True, editable=False)
    approved_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "legal_entity", "version"], name="mappings_table_version"),
        ]

    def __str__(self) -> str:
        return f"Version {self.version}"


class MappingRule(TenantModel):
    """One target of one side of one rule: the row form of mapping.csv. Rows with the same rule id have one set of
    criteria; empty criterion = any.
    """

    mapping_table = models.ForeignKey(MappingTable, models.CASCADE, related_name="rules")
    rule = models.CharField(max_length=40, help_text="Id of the rule, for example R01.")
    kind = models.CharField(max_length=30, choices=KINDS)
    component = models.CharField(max_length=200, blank=True, help_text="As Gusto names it; empty = every component.")
    employee = models.CharField(max_length=64, blank=True)
    employee_code = models.CharField(max_length=60, blank=True)
    job = models.CharField(max_length=200, blank=True)
    custom_field = models.CharField(
        max_length=200, blank=True, help_text="Name=value of a custom field of the employee."
    )
    department = models.CharField(max_length=200, blank=True)
    location = models.CharField(max_length=200, blank=True)
    compensation_level = models.CharField(max_length=100, blank=True)
    payroll_type = models.CharField(
        max_length=12,
        blank=True,
        choices=[("regular", "Regular"), ("off_cycle", "Off-cycle"), ("external", "External")],
    )
    off_cycle_reason = models.CharField(max_length=60, blank=True)
    side = models.CharField(max_length=6, choices=SIDES)
    target = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    percent = models.DecimalField(
        max_digits=9, decimal_places=6, default=100, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    main_account = models.CharField(max_length=60)
    dimensions = models.CharField(
        max_length=500,
        blank=True,
        help_text="Name=value joined by ; with @department, @location, @job, @employee by crosswalk.",
    )
    company_code = models.CharField(max_length=60, blank=True, help_text="A code, @job etc. by crosswalk, or empty.")
    accrual_account = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["rule", "side", "target"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mapping_table", "rule", "side", "target"], name="mappings_rule_target"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.side} {self.target}"


class Crosswalk(TenantModel):
    """From a department, location, job, compensation level or employee to a dimension's value or to a company code."""

    SOURCES = [
        ("department", "Department"),
        ("location", "Location"),
        ("job", "Job"),
        ("compensation_level", "Compensation level"),
        ("employee", "Employee"),
    ]

    mapping_table = models.ForeignKey(MappingTable, models.CASCADE, related_name="crosswalks")
    source_kind = models.CharField(max_length=20, choices=SOURCES)
    source_value = models.CharField(max_length=200, help_text="(none) = the person has none.")
    target = models.CharField(max_length=60, help_text="Name of a dimension, or company_code.")
    target_value = models.CharField(max_length=100)

    class Meta:
        ordering = ["source_kind", "source_value", "target"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mapping_table", "source_kind", "source_value", "target"],
                name="mappings_crosswalk_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source_kind} {self.source_value}"


class SourceCode(TenantModel):
    """A kind and component that a payroll of this legal entity has carried."""

    legal_entity = models.ForeignKey(LegalEntity, models.CASCADE, related_name="source_codes")
    kind = models.CharField(max_length=30, choices=KINDS)
    component = models.CharField(max_length=200)
    first_seen_date = models.DateField()
    last_seen_date = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "kind", "component"], name="mappings_source_code_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.component}"


class MainAccount(TenantModel):
    """One number of the chart of accounts in one company code, as the ERP had it when it was last read."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    company_code = models.CharField(max_length=20)
    number = models.CharField(max_length=60)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    allows_manual_entry = models.BooleanField(default=True)
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)
    allowed_dimensions = models.JSONField(null=True, help_text="Names that may be filled; none given = any.")
    required_dimensions = models.JSONField(default=list)
    requires_text = models.BooleanField(default=False)
    entry_note = models.CharField(
        max_length=200, blank=True, help_text="Why it takes no manual entry, as a clause behind “it”."
    )

    class Meta:
        ordering = ["company_code", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "company_code", "number"], name="mappings_account_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Dimension(TenantModel):
    """What else a journal line can say: cost center, department, project."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "connection", "name"], name="mappings_dimension_once")]

    def __str__(self) -> str:
        return self.name


class DimensionValue(TenantModel):
    """One value of a dimension; an empty company code means that it holds in all of them."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    company_code = models.CharField(max_length=20, blank=True)
    dimension = models.CharField(max_length=60)
    value = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)

    class Meta:
        ordering = ["dimension", "value"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "company_code", "dimension", "value"], name="mappings_value_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value}"


class FiscalPeriod(TenantModel):
    """A fiscal period of a company code, open or closed."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    company_code = models.CharField(max_length=20)
    name = models.CharField(max_length=60, blank=True)
    start_date = models.DateField()
    end_date = models.DateField()
    is_open = models.BooleanField()
    closed_note = models.CharField(max_length=500, blank=True, help_text="Why no journal can be entered in it.")

    class Meta:
        ordering = ["company_code", "start_date"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "company_code", "start_date", "end_date"], name="mappings_period_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.company_code} {self.start_date} to {self.end_date}"
