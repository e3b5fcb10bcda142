"""The form of a connection's credentials, drawn from the fields that its system declares."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminFileFieldWidget

from tenants.credentials import FILE_BYTES_MAX, declaration, problems_of
from tenants.models import Connection


class CredentialFileField(forms.FileField):
    """A file that is a credential: its value is the text, read no further than its check needs."""

    def clean(self, data: Any, initial: Any = None) -> str:
        found = super().clean(data, initial)
        if not found:
            return ""
        with found.open() as file:
            return str(file.read(FILE_BYTES_MAX + 1).decode("utf-8-sig", "replace"))


class CredentialsForm(forms.Form):
    """Drawn from the fields that the system declares. A secret that is left empty stays as it was."""

    def __init__(self, system: str, connection: Connection | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.system, self.connection = system, connection
        stored = connection.fields if connection else {}
        if connection is None:
            self.fields["name"] = forms.CharField(
                label="Name", max_length=100, initial=declaration(system).label, error_messages={"required": "Name is missing."}
            )  # fmt: skip
        for field in declaration(system).fields:
            has_secret = field.is_secret and bool(stored.get(field.name))
            hint = field.hint + (f" For example {field.example}." if field.example else "")
            if field.is_file:
                self.fields[field.name] = CredentialFileField(
                    label=field.label,
                    error_messages={"required": f"{field.label} is missing.", "empty": f"{field.label} is empty."},
                    required=field.is_required and not has_secret,
                    help_text="Stored. Upload a new one to replace it." if has_secret else hint,
                    # Not a bare file input: unfold writes a chosen file's name into the next text field, here the name.
                    widget=UnfoldAdminFileFieldWidget(attrs={"accept": field.accept}),
                )
                continue
            self.fields[field.name] = forms.CharField(
                label=field.label,
                error_messages={"required": f"{field.label} is missing."},
                required=field.is_required and not field.default and not has_secret,
                help_text=f"{hint} Leave empty to keep the stored one.".strip() if has_secret else hint,
                initial="" if field.is_secret else stored.get(field.name, field.default),
                strip=not field.is_secret,
                widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})
                if field.is_secret
                else None,
            )

    def values(self) -> dict[str, str]:
        """What to store: every field but a secret that was left empty."""
        found = {}
        for field in declaration(self.system).fields:
            value = self.cleaned_data.get(field.name, "")
            if field.is_secret and not value and self.connection is not None:
                continue
            found[field.name] = "" if value == field.default and not field.is_secret else value
        return found

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        declared = {field.name for field in declaration(self.system).fields}
        given = {name: value for name, value in cleaned.items() if name in declared and value}
        if self.connection is not None:
            given = {**self.connection.stored_fields(), **given}
        found = problems_of(
            self.system, given,
            is_on_premises=bool(self.connection and self.connection.is_on_premises),
            sandbox_allowed=settings.SANDBOX_ALLOWED,
        )  # fmt: skip
        for name, sentence in found.items():
            if name in self.fields and name not in self.errors:
                self.add_error(name, sentence)
        self._check_moved(cleaned)
        return cleaned

    def _check_moved(self, cleaned: dict[str, Any]) -> None:
        """A changed address clears the secrets, so they have to be entered with it."""
        if self.connection is None:
            return
        before, declared = self.connection.fields, declaration(self.system).fields
        moved = [
            field
            for field in declared
            if field.is_address and (cleaned.get(field.name) or field.default) != before.get(field.name)
        ]
        for field in declared:
            if moved and field.is_secret and before.get(field.name) and not cleaned.get(field.name):
                self.add_error(field.name, f"{moved[0].label} changed, so this has to be entered again.")
