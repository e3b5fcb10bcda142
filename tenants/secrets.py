"""Secrets at rest: `SecretField`, its keys, and their rotation.

Built on django-fernet-encrypted-fields with three of its habits taken away (traps.md 2.6): keys are dedicated and not
derived from SECRET_KEY, a wrong key raises instead of returning the ciphertext as the value, and no state is kept on
the field, so that threads cannot read each other's ciphertext.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from encrypted_fields.fields import EncryptedTextField


class SecretUnreadable(Exception):  # noqa: N818 - reads as what happened
    """A stored secret cannot be opened with any of FIELD_ENCRYPTION_KEYS."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """The first key encrypts, every key decrypts."""
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS))


def sealed(data: bytes) -> bytes:
    """Bytes encrypted for a binary column (payroll documents, traces)."""
    return fernet().encrypt(data)


def unsealed(data: bytes | memoryview) -> bytes:
    """Raises SecretUnreadable."""
    try:
        return fernet().decrypt(bytes(data))
    except InvalidToken:
        raise SecretUnreadable("a stored document cannot be opened with FIELD_ENCRYPTION_KEYS") from None


class SecretField(EncryptedTextField):
    """Text that is encrypted in the database and never in a form, a dump or a query."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError("a secret is text")
        return fernet().encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if value is None:
            return None
        try:
            return fernet().decrypt(value.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable(f"{self.model._meta.label}.{self.name}") from None

    def to_python(self, value: Any) -> Any:
        return value

    def clean(self, value: Any, model_instance: Any) -> Any:
        return value

    def formfield(self, **kwargs: Any) -> None:
        return None

    def value_to_string(self, obj: Any) -> str:
        raise TypeError("a secret is not dumped")

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None
