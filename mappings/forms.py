"""Forms of the mapping pages: a row of a draft, a new draft, and the two steps of an import.

A row is judged as a row of a file would be, by the same reader, and against its neighbours: a rule has one set of
criteria in all its rows, and two rules must not catch the same lines equally well.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from django import forms
from django.core import signing
from import_export.forms import ConfirmImportForm
from import_export.forms import ImportForm as BaseImportForm
from unfold.widgets import UnfoldAdminSingleDateWidget

from mappings.checks import crosswalk_faults, target_faults, ties
from mappings.faults import company_code_faults
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.payroll import LineKind, Side
from mappings.sheets import ROWS_MAX
from mappings.table import PRECEDENCE, fold, looked_up
from mappings.table_csv import MappingRow, read_crosswalk_rows, read_mapping_rows
from mappings.tables import (
    chart_for,
    crosswalk_cells,
    crosswalk_of,
    percent_text,
    rule_cells,
    rule_of,
    table_of,
    table_of_rows,
)
from tenants.admin import TenantForm
from tenants.models import LegalEntity

#: Fields that say which lines a rule catches; all rows of a rule have the same.
CRITERIA = ("kind", *PRECEDENCE)

#: An uploaded file waits this long for "Import".
PREVIEW_SECONDS = 3600
#: 5,000 rows are about 1 MB as CSV and 0.4 MB as Excel.
FILE_BYTES_MAX = 5 * 1024 * 1024


class RowForm(TenantForm):
    """A row of a draft."""

    def draft(self) -> MappingTable | None:
        """The version that the row belongs to, or None while the form does not say it."""
        if self.instance.mapping_table_id:
            found: MappingTable = self.instance.mapping_table
            return found
        chosen: MappingTable | None = self.cleaned_data.get("mapping_table")
        return chosen

    def add_errors(self, column: str, sentence: str) -> None:
        self.add_error(column if column in self.fields else None, sentence)


class MappingRuleForm(RowForm):
    """One target of one side of a rule. After `is_valid()`, `siblings` are the other rows of the rule, to be saved with
    the same criteria.
    """

    siblings: list[MappingRule]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["percent"] = Decimal(percent_text(self.instance.percent))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self.siblings = []
        draft = self.draft()
        if draft is None or self.errors:
            return cleaned
        row = self._read(self._edited(draft), draft)
        if row is None:
            return cleaned
        # As it will be stored: names trimmed, dimensions sorted, as if it had come from a file.
        canonical = rule_of(row, draft)
        for name in self.fields:
            if name != "mapping_table" and name in self.cleaned_data:
                self.cleaned_data[name] = getattr(canonical, name)
        self._check_siblings(canonical, draft)
        if not self.errors:
            self._check_table(row, canonical, draft)
        return self.cleaned_data

    def _edited(self, draft: MappingTable) -> MappingRule:
        values = {name: self.cleaned_data[name] for name in self.fields if name != "mapping_table"}
        return MappingRule(mapping_table=draft, **values)

    def _read(self, rule: MappingRule, draft: MappingTable) -> MappingRow | None:
        """The row as the reader sees it; its mistakes go to their fields. What several rows say together is not its."""
        rows, errors = read_mapping_rows([(1, rule_cells(rule, draft.valid_from))])
        if rows:
            return rows[0]
        for error in errors:
            self.add_errors(error.column, error.sentence)
        return None

    def _check_siblings(self, rule: MappingRule, draft: MappingTable) -> None:
        others = list(draft.rules.filter(rule=rule.rule).exclude(pk=self.instance.pk))
        if any((other.side, other.target) == (rule.side, rule.target) for other in others):
            self.add_errors("target", f"Rule {rule.rule} has a {rule.side} target {rule.target} already.")
            return
        is_same_rule = self.instance.pk is not None and self.initial.get("rule") == rule.rule
        for other in others:
            different = [name for name in CRITERIA if fold(getattr(other, name)) != fold(getattr(rule, name))]
            if not different:
                continue
            if not is_same_rule:
                for name in different:
                    self.add_errors(name, f"The other rows of rule {rule.rule} have another {name.replace('_', ' ')}.")
                return
            for name in different:
                setattr(other, name, getattr(rule, name))
            rows, errors = read_mapping_rows([(1, rule_cells(other, draft.valid_from))])
            if not rows:
                self.add_errors("kind", f"Rule {rule.rule} has another row: {errors[0].sentence}")
            self.siblings.append(other)

    def _check_table(self, row: MappingRow, rule: MappingRule, draft: MappingTable) -> None:
        """Ties with other rules, and what the ledger does not know."""
        edited = [rule, *self.siblings]
        untouched = draft.rules.exclude(pk__in=[other.pk for other in self.siblings]).exclude(pk=self.instance.pk)
        rows, _ = read_mapping_rows(
            (number, rule_cells(each, draft.valid_from)) for number, each in enumerate([*untouched, *edited], 1)
        )
        table = table_of_rows(draft, rows, table_of(draft).crosswalk)
        for problem in ties(table):
            if rule.rule in problem.fact("rules").split():
                self.add_error(None, problem.sentence)
        chart, system_label = chart_for(draft, table)
        if chart is None:
            return
        faults = target_faults(table, LineKind(rule.kind), Side(rule.side), row.target, chart, system_label)
        if rule.company_code and not looked_up(rule.company_code):
            faults += company_code_faults(chart, system_label, rule.company_code)
        for fault in faults:
            if fault.is_unknown:
                self.add_errors(fault.column, fault.words)


class RuleTargetForm(forms.Form):
    """Where a gap goes, with as few fields as that takes."""

    main_account = forms.CharField(
        label="Main account", max_length=60, widget=forms.TextInput(attrs={"list": "accounts", "autocomplete": "off"})
    )
    dimensions = forms.CharField(
        label="Dimensions",
        required=False,
        max_length=500,
        help_text="Name=value joined by ; with @department, @location, @job, @employee by crosswalk.",
    )
    company_code = forms.CharField(
        label="Company code", required=False, max_length=60, help_text="A code, @job etc. by crosswalk, or empty."
    )
    accrual_account = forms.CharField(
        label="Accrual account",
        required=False,
        max_length=60,
        help_text="Where it waits until the settlement; empty where the journals are not split.",
    )

    def __init__(self, *args: Any, side: Side, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if side == Side.DEBIT:
            # Only a credit waits on an accrual account.
            del self.fields["accrual_account"]


class CrosswalkForm(RowForm):
    """One translation."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        draft = self.draft()
        if draft is None or self.errors:
            return cleaned
        values = {name: self.cleaned_data[name] for name in self.fields if name != "mapping_table"}
        rows, errors = read_crosswalk_rows(
            [(1, crosswalk_cells(Crosswalk(mapping_table=draft, **values), draft.valid_from))]
        )
        for error in errors:
            self.add_errors(error.column, error.sentence)
        if not rows:
            return cleaned
        entry = crosswalk_of(rows[0], draft)
        self.cleaned_data |= {name: getattr(entry, name) for name in values}
        key = rows[0].entry.key()
        for other in draft.crosswalks.exclude(pk=self.instance.pk):
            if (other.source_kind, fold(other.source_value), fold(other.target)) == key:
                self.add_errors("source_value", f"{other} has its {other.target} already: {other.target_value}.")
        table = table_of(draft)
        chart, system_label = chart_for(draft, table)
        if chart is not None:
            for fault in crosswalk_faults(table, entry.target, entry.target_value, chart, system_label):
                if fault.is_unknown:
                    self.add_errors(fault.column, fault.words)
        return self.cleaned_data


class CopyForm(forms.Form):
    """A new draft as a copy of a version."""

    valid_from = forms.DateField(
        label="Valid from",
        help_text="The first check date that the new version serves.",
        widget=UnfoldAdminSingleDateWidget,
    )


class SheetImportForm(BaseImportForm):
    """First step: which file. The legal entity is that of the page, the format that of the file's name."""

    legal_entity: forms.ModelChoiceField[LegalEntity] = forms.ModelChoiceField(queryset=None, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["legal_entity"].queryset = LegalEntity.objects.order_by("name")
        self.fields["format"].widget = forms.HiddenInput()
        file = self.fields["import_file"]
        file.label, file.widget = "File", forms.FileInput(attrs={"accept": ".csv,.xlsx"})
        file.error_messages |= {"required": "Choose a file.", "empty": "The file is empty."}

    @property
    def media(self) -> forms.Media:
        """None of the library's: its script sets a field that is not on the page."""
        return forms.Media()

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > FILE_BYTES_MAX:
            raise forms.ValidationError(f"The file has more than 5 MB. A mapping has at most {ROWS_MAX:,} rows.")
        return file


def is_excel_name(name: str) -> bool:
    """Whether a file is read as Excel; anything else is read as CSV and says what it is."""
    return name.lower().endswith((".xlsx", ".xlsm"))


class SheetConfirmForm(ConfirmImportForm):
    """Second step: the file itself comes back with the form, sealed."""

    legal_entity: forms.ModelChoiceField[LegalEntity] = forms.ModelChoiceField(queryset=None, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["legal_entity"].queryset = LegalEntity.objects.all()

    def clean_import_file_name(self) -> str:
        sealed: str = self.cleaned_data["import_file_name"]
        try:
            SealedFile(name=sealed).read()
        except signing.BadSignature:
            raise forms.ValidationError("This preview is too old. Upload the file again.") from None
        return sealed


class SealedFile:
    """Between preview and import the uploaded file waits in the form, signed, and not on a disk: whichever process or
    machine answers the second request has it, nobody can change it, and an import that is given up leaves nothing.
    """

    salt = "mappings.import"

    def __init__(self, name: str = "", **kwargs: Any) -> None:
        self.name = name

    def save(self, data: bytes) -> None:
        self.name = signing.dumps(base64.b64encode(data).decode(), salt=self.salt, compress=True)

    def read(self) -> bytes:
        """Raises signing.BadSignature for a file that is too old or was changed."""
        return base64.b64decode(signing.loads(self.name, salt=self.salt, max_age=PREVIEW_SECONDS))

    def remove(self) -> None:
        """Nothing was kept."""
