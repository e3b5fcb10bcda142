"""Encrypt every stored secret anew with the first of FIELD_ENCRYPTION_KEYS, so that an old key can be dropped.

Works on the stored text itself, tenant by tenant inside its scope, in small transactions: it can be stopped and started
again at any point, and the product goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from audit import trail
from tenants.models import Tenant, installation_tenant
from tenants.scope import TenantModel, tenant_scope
from tenants.secrets import SecretField, fernet

#: Rows per transaction: few enough that nobody waits for their locks.
BATCH = 200
#: What `connector_site.sign_in.SecondFactorAdapter` encrypts.
SECOND_FACTOR_SECRETS = ("secret", "seed")


@dataclass(frozen=True, slots=True)
class Place:
    """One column that holds encrypted values."""

    model: type[models.Model]
    column: str

    @property
    def label(self) -> str:
        return f"{self.model._meta.label}.{self.column}"

    @property
    def is_of_tenants(self) -> bool:
        return issubclass(self.model, TenantModel)


def places() -> list[Place]:
    """Every SecretField, and every binary column named sealed..., which holds an encrypted document."""
    found = []
    for model in apps.get_models():
        for field in model._meta.local_fields:
            is_sealed = isinstance(field, models.BinaryField) and field.name.startswith("sealed")
            if isinstance(field, SecretField) or is_sealed:
                found.append(Place(model, field.column or field.name))
    return found


@dataclass(slots=True)
class Tally:
    """What happened in one place (of one tenant). `unreadable` holds ids that no key opens."""

    place: Place
    tenant: str = ""
    rotated: int = 0
    current: int = 0
    unreadable: tuple[int, ...] = ()


def rotate() -> Iterator[Tally]:
    """Rotate everything, one Tally per place and tenant as it is done. Writes one audit entry per tenant."""
    installation = [place for place in places() if not place.is_of_tenants]
    tallies = [*(_rotate(place) for place in installation), _rotate_second_factors()]
    yield from tallies
    _record(installation_tenant(), tallies)
    for tenant in Tenant.objects.order_by("slug"):
        tallies = []
        for place in places():
            if place.is_of_tenants:
                tallies.append(_rotate(place, tenant))
                yield tallies[-1]
        _record(tenant, tallies)


def _record(tenant: Tenant, tallies: list[Tally]) -> None:
    count = sum(tally.rotated for tally in tallies)
    if count:
        with tenant_scope(tenant.id):
            trail.record("keys.rotated", subject="tenant", subject_id=str(tenant.id), count=count)


def _rotate(place: Place, tenant: Tenant | None = None) -> Tally:
    tally = Tally(place, tenant.slug if tenant else "")
    after = 0
    while True:
        with tenant_scope(tenant.id) if tenant else nullcontext(), transaction.atomic():
            rows = _batch(place, after)
            for key, value in rows:
                _rotate_one(place, key, value, tally)
        if not rows:
            return tally
        after = rows[-1][0]


def _batch(place: Place, after: int) -> list[tuple[int, Any]]:
    table, key = place.model._meta.db_table, place.model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "{key}", "{place.column}" FROM "{table}" WHERE "{key}" > %s AND "{place.column}" IS NOT NULL '  # noqa: S608
            f'ORDER BY "{key}" LIMIT {BATCH} FOR UPDATE',
            [after],
        )
        return [(int(row[0]), row[1]) for row in cursor.fetchall()]


def _rotate_one(place: Place, key: int, value: Any, tally: Tally) -> None:
    stored = value.encode() if isinstance(value, str) else bytes(value)
    if _opens(stored):
        tally.current += 1
        return
    try:
        fresh = fernet().rotate(stored)
    except InvalidToken:
        tally.unreadable = (*tally.unreadable, key)
        return
    table, key_column = place.model._meta.db_table, place.model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{table}" SET "{place.column}" = %s WHERE "{key_column}" = %s',  # noqa: S608
            [fresh.decode() if isinstance(value, str) else fresh, key],
        )
    tally.rotated += 1


def _rotate_second_factors() -> Tally:
    """Secrets of authenticator apps and seeds of recovery codes stand encrypted inside a JSON column of allauth's."""
    tally = Tally(Place(Authenticator, "data"))
    for key in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).values_list("pk", flat=True):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().get(pk=key)
            names = [name for name in SECOND_FACTOR_SECRETS if isinstance(row.data.get(name), str)]
            if all(_opens(row.data[name].encode()) for name in names):
                tally.current += 1
                continue
            try:
                row.data |= {name: fernet().rotate(row.data[name].encode()).decode() for name in names}
            except InvalidToken:
                tally.unreadable = (*tally.unreadable, key)
                continue
            row.save(update_fields=["data"])
            tally.rotated += 1
    return tally


def _opens(stored: bytes) -> bool:
    """Whether the first key alone opens it."""
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(stored)
    except InvalidToken:
        return False
    return True
