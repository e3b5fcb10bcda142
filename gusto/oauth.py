"""Connect a Gusto company, and keep its grant alive without ever losing it (gusto.md 2, traps 2.3).

A refresh token works once, and the old pair dies when the new access token is first used. So the order is fixed: lock the
row, look again, refresh, COMMIT the new pair, only then use it. The lock is held during that one call on a database
connection of its own, the only network inside a transaction in this product; everybody else waits for its result.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg.errors
from django.conf import settings
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils import timezone
from requests_oauthlib import OAuth2Session

from audit import checks, work
from audit.exchange import ExchangeError, Misconfigured, RecordedSession, TemporaryFailure
from audit.trail import record
from gusto import notices
from gusto.answers import answer_of
from gusto.models import AuthorizationState, CompanyRoute, GustoApplication
from gusto.token_endpoint import GrantEnded, Pair, active_application, api_address, ask, authorize_address, pair_of
from tenants.models import Connection, LegalEntity, Membership, Role, User, installation_tenant
from tenants.scope import tenant_scope

#: Seconds to wait for another worker's refresh: the longest that its call may take.
LOCK_SECONDS = 10
#: A token this close to its end is not used any more: the request has to arrive before it ends.
LAST_SECONDS = 60

#: How long an owner may take in Gusto; its code lives as long (gusto.md 2).
STATE_LIFE = timedelta(minutes=10)
#: States are kept this long after their end, for the question who started what.
STATE_KEPT = timedelta(days=1)

ENDED = "Gusto ended our access to this company. An owner has to connect Gusto again."
NOT_CONNECTED = "No Gusto company is connected here. An owner has to connect Gusto."
NOT_AN_OWNER = "Only an owner of this tenant can connect Gusto."
STATE_UNKNOWN = "This attempt to connect Gusto is not known here, or it was used already. Please start again."
STATE_LATE = "Connecting took longer than ten minutes. Please start again."
STATE_FOREIGN = "This attempt to connect Gusto was started by somebody else or in another browser. Please start again."
OTHER_COMPANY = (
    "This legal entity belongs to another Gusto company than the one that was chosen. "
    "Sign in to Gusto as an admin of the right company and start again."
)
TAKEN = "This Gusto company is already connected in this installation. A company can be connected once."
NO_COMPANY = "Gusto gave access to something that is not a company."
CODE_ENDED = "Gusto does not accept the code that it gave. Please start again."
GIVEN_ENDED = "Gusto does not accept this refresh token. Each works once; it may have been used already."

#: Only one worker of a process opens the extra database connection for a grant; the row lock stands between processes.
_gates: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


class ConnectRefused(Exception):  # noqa: N818 - reads as what happened
    """Nothing was stored. `sentence` is for the owner."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def callback_address() -> str:
    """Where Gusto sends the owner back to: has to be registered with the Gusto application, letter for letter."""
    return settings.PUBLIC_URL + reverse("gusto:callback")


def begin(membership: Membership, session_key: str, legal_entity: LegalEntity) -> str:
    """Open one attempt to connect and return the address in Gusto to which the owner has to go.

    Call inside the tenant's scope. Raises ConnectRefused, Misconfigured (no Gusto application).
    """
    application = active_application()
    if not membership.has_role(Role.OWNER):
        raise ConnectRefused(NOT_AN_OWNER)
    now = timezone.now()
    AuthorizationState.objects.filter(created_at__lt=now - STATE_LIFE - STATE_KEPT).delete()
    # The tenant is named so that the callback finds it, whatever tenant the owner looks at by then.
    assert legal_entity.tenant_id is not None, "a stored row has its tenant"
    state = f"{legal_entity.tenant_id.hex}.{secrets.token_urlsafe(32)}"
    AuthorizationState.objects.create(
        digest=_digest(state),
        user=membership.user,
        session_digest=_digest(session_key),
        legal_entity=legal_entity,
        created_at=now,
    )
    session = OAuth2Session(application.client_id, redirect_uri=callback_address())
    address, _ = session.authorization_url(authorize_address(application), state=state)
    return str(address)


def finish(user: User, session_key: str, parameters: Mapping[str, str]) -> LegalEntity:
    """The owner is back from Gusto with `parameters` (state, and code or error): exchange the code, learn the company,
    and keep the grant. Call outside any scope. Raises ConnectRefused.
    """
    tenant_id, legal_entity_id = _use_state(user, session_key, parameters.get("state", ""))
    try:
        if "error" in parameters or not parameters.get("code"):
            raise ConnectRefused(_denial(parameters.get("error", "")))
        application = active_application()
        about = f"legal entity {legal_entity_id}"
        pair = ask(
            application,
            tenant_id,
            about,
            grant_type="authorization_code",
            code=parameters["code"],
            redirect_uri=callback_address(),
        )
        company_uuid = _company_of(application, tenant_id, about, pair.access_token)
        return _keep(tenant_id, legal_entity_id, company_uuid, pair.fields())
    except GrantEnded:
        refused = ConnectRefused(CODE_ENDED)
    except ExchangeError as error:
        refused = ConnectRefused(error.sentence)
    except ConnectRefused as error:
        refused = error
    _record_refusal(tenant_id, legal_entity_id, refused)
    raise refused


def connect_with_refresh_token(legal_entity: LegalEntity, refresh_token: str) -> bool:
    """Connect with a refresh token that the operator holds (`manage.py provision`). False = this very token has
    connected the legal entity before, nothing was done.

    The new pair is stored, on a connection of its own that nothing uses, before it is used for the first time: a kill at
    any point leaves either the given token or the stored pair alive, and the next call goes on from there. Call outside
    any scope. Raises ConnectRefused, Misconfigured, TemporaryFailure.
    """
    assert legal_entity.tenant_id is not None, "a stored row has its tenant"
    tenant_id, digest = legal_entity.tenant_id, _digest(refresh_token)
    waiting_name = f"Gusto, being connected ({legal_entity.pk})"
    with tenant_scope(tenant_id):
        connected = Connection.objects.filter(gusto_legal_entities=legal_entity.pk).first()
        if connected is not None and connected.stored_fields().get("provisioned_digest") == digest:
            return False
        waiting = Connection.objects.filter(name=waiting_name).first()
        if waiting is not None and waiting.stored_fields().get("provisioned_digest") != digest:
            waiting.delete()
            waiting = None
    application = active_application()
    about = f"legal entity {legal_entity.pk}"
    try:
        if waiting is None:
            pair = ask(application, tenant_id, about, grant_type="refresh_token", refresh_token=refresh_token)
            with tenant_scope(tenant_id):
                waiting = Connection(system="gusto", name=waiting_name, health=Connection.Health.OFF)
                waiting.set_fields({**pair.fields(), "provisioned_digest": digest})
                waiting.save()
        company_uuid = _company_of(application, tenant_id, about, access_token(waiting.pk, tenant_id))
        with tenant_scope(tenant_id):
            fields = Connection.objects.select_for_update().get(pk=waiting.pk).stored_fields()
            _keep(tenant_id, legal_entity.pk, company_uuid, fields)
            waiting.delete()
    except GrantEnded:
        refused = ConnectRefused(GIVEN_ENDED)
    except ConnectRefused as error:
        refused = error
    else:
        return True
    with tenant_scope(tenant_id):
        Connection.objects.filter(name=waiting_name).delete()
    _record_refusal(tenant_id, legal_entity.pk, refused)
    raise refused


def _digest(text: str) -> str:
    """What is stored of a secret that only has to be recognised; all of them are random and long."""
    return hashlib.sha256(text.encode()).hexdigest()


def _use_state(user: User, session_key: str, state: str) -> tuple[uuid.UUID, int]:
    """Use up the state; returns its tenant and legal entity. Raises ConnectRefused."""
    try:
        tenant_id = uuid.UUID(hex=state.partition(".")[0])
    except ValueError:
        raise ConnectRefused(STATE_UNKNOWN) from None
    membership = Membership.objects.filter(tenant_id=tenant_id, user=user).first()
    if membership is None or not membership.has_role(Role.OWNER):
        raise ConnectRefused(STATE_UNKNOWN if membership is None else NOT_AN_OWNER)
    now = timezone.now()
    with tenant_scope(tenant_id):
        row = AuthorizationState.objects.select_for_update().filter(digest=_digest(state), used_at=None).first()
        if row is None:
            raise ConnectRefused(STATE_UNKNOWN)
        # Used up by whoever presents it, so that a state that got into wrong hands is worth nothing afterwards.
        row.used_at = now
        row.save(update_fields=["used_at"])
    if row.user_id != user.pk or not secrets.compare_digest(row.session_digest, _digest(session_key)):
        raise ConnectRefused(STATE_FOREIGN)
    if now > row.created_at + STATE_LIFE:
        raise ConnectRefused(STATE_LATE)
    return tenant_id, row.legal_entity_id


def _denial(error: str) -> str:
    """Gusto does not document its denial; any `error` counts (gusto.md 10)."""
    if error == "access_denied":
        return "Access was declined in Gusto, so nothing was connected."
    reason = f" ({error})" if re.fullmatch(r"[a-z_]{1,40}", error) else ""
    return f"Gusto gave no access{reason}, so nothing was connected."


def _company_of(application: GustoApplication, tenant_id: uuid.UUID, about: str, token: str) -> str:
    """The company that an access token belongs to. Raises ConnectRefused and the four errors."""
    with RecordedSession(tenant_id=tenant_id, system="gusto", about=about) as session:
        response = session.call(
            "GET",
            api_address(application, "/v1/token_info"),
            writes=False,
            headers={"Authorization": f"Bearer {token}", "X-Gusto-API-Version": application.api_version},
        )
    document = answer_of(response, writes=False).document
    resource = document.get("resource") if isinstance(document, dict) else None
    if not isinstance(resource, dict) or resource.get("type") != "Company" or not resource.get("uuid"):
        raise ConnectRefused(NO_COMPANY)
    return str(resource["uuid"])


def _keep(tenant_id: uuid.UUID, legal_entity_id: int, company_uuid: str, fields: dict[str, str]) -> LegalEntity:
    """Store a grant with everything that hangs on it, or nothing. Raises ConnectRefused."""
    with tenant_scope(tenant_id):
        legal_entity: LegalEntity = LegalEntity.objects.select_for_update().get(pk=legal_entity_id)
        if legal_entity.gusto_company_uuid not in ("", company_uuid):
            raise ConnectRefused(OTHER_COMPANY)
        if LegalEntity.objects.filter(gusto_company_uuid=company_uuid).exclude(pk=legal_entity_id).exists():
            raise ConnectRefused(TAKEN)
        route, _ = CompanyRoute.objects.get_or_create(
            company_uuid=company_uuid, defaults={"tenant_id": tenant_id, "legal_entity_id": legal_entity_id}
        )
        if (route.tenant_id, route.legal_entity_id) != (tenant_id, legal_entity_id):
            raise ConnectRefused(TAKEN)
        grant = _connection_of(legal_entity)
        was_broken = grant.health == Connection.Health.BROKEN
        grant.set_fields({"provisioned_digest": "", **fields, "company_uuid": company_uuid})
        grant.health, grant.health_sentence = Connection.Health.HEALTHY, ""
        grant.succeeded_at = timezone.now()
        grant.save()
        legal_entity.gusto_company_uuid = company_uuid
        legal_entity.gusto_connection = grant
        is_dated = legal_entity.posts_from_date is None
        if is_dated:
            # What was paid before is booked already; a notice about it must not book it twice. The owner may change it.
            legal_entity.posts_from_date = timezone.now().date()
        legal_entity.save(update_fields=["gusto_company_uuid", "gusto_connection", "posts_from_date"])
        notices.pick_up(company_uuid)
        work.enqueue("gusto.sweep", str(legal_entity.pk), tenant_id=tenant_id)
        if not legal_entity.is_live:
            work.enqueue("gusto.read_past", str(legal_entity.pk), tenant_id=tenant_id)
        work.enqueue(checks.KIND, str(grant.pk), tenant_id=tenant_id)
        work.enqueue("gusto.feed", tenant_id=None)
        work.enqueue("gusto.subscribe", tenant_id=None)
        subject = {"subject": "legal_entity", "subject_id": str(legal_entity.pk)}
        record("gusto.connected", **subject, legal_entity=legal_entity.name, company=company_uuid)
        if is_dated:
            changed = f"payrolls are posted from {legal_entity.posts_from_date} on"
            record("legal_entity.changed", **subject, name=legal_entity.name, changed=changed)
        if was_broken:
            record("connection.healed", subject="connection", subject_id=str(grant.pk), name=grant.name)
    return legal_entity


def _connection_of(legal_entity: LegalEntity) -> Connection:
    """The legal entity's own Gusto connection, locked (a refresh under way is waited for), or a new one."""
    if legal_entity.gusto_connection_id is not None:
        held: Connection = Connection.objects.select_for_update().get(pk=legal_entity.gusto_connection_id)
        return held
    name = f"Gusto: {legal_entity.name}"[:90]
    if Connection.objects.filter(name=name).exists():
        name = f"{name} ({legal_entity.pk})"
    return Connection(system="gusto", name=name)


def _record_refusal(tenant_id: uuid.UUID, legal_entity_id: int, refused: ConnectRefused) -> None:
    with tenant_scope(tenant_id):
        name = LegalEntity.objects.values_list("name", flat=True).get(pk=legal_entity_id)
        record(
            "gusto.refused",
            subject="legal_entity",
            subject_id=str(legal_entity_id),
            legal_entity=name,
            sentence=refused.sentence,
        )


def access_token(connection_id: int, tenant_id: uuid.UUID, refused: str = "") -> str:
    """An access token of this grant that is stored and not about to end. `refused`: one that Gusto answered with 401.

    Not callable inside a tenant scope. Raises Misconfigured (the grant has ended, the connection is marked as broken) or
    TemporaryFailure.
    """
    held = _held(connection_id, tenant_id)
    if _serves(held, refused):
        return held.access_token
    gate = _gates[connection_id]
    if not gate.acquire(timeout=LOCK_SECONDS):
        return _last_look(connection_id, tenant_id, refused)
    try:
        held = _held(connection_id, tenant_id)
        return held.access_token if _serves(held, refused) else _refreshed(connection_id, tenant_id, refused)
    except TemporaryFailure:
        return _last_look(connection_id, tenant_id, refused)
    except GrantEnded:
        # The tokens stay: whoever looks into it needs them, and a race must never wipe the winner's pair.
        checks.mark_broken(connection_id, tenant_id, ENDED)
        raise Misconfigured(ENDED) from None
    finally:
        gate.release()


def _held(connection_id: int, tenant_id: uuid.UUID) -> Pair:
    with tenant_scope(tenant_id):
        row = Connection.objects.filter(pk=connection_id, system="gusto").first()
    pair = pair_of(row.stored_fields()) if row is not None else None
    if pair is None:
        raise Misconfigured(NOT_CONNECTED)
    return pair


def _serves(pair: Pair, refused: str) -> bool:
    return pair.access_token != refused and pair.is_fresh(timezone.now())


def _last_look(connection_id: int, tenant_id: uuid.UUID, refused: str) -> str:
    """It could not be refreshed now: another worker may have done it, or the stored token may still live.
    Raises TemporaryFailure.
    """
    held = _held(connection_id, tenant_id)
    if held.access_token != refused and timezone.now() < held.expires_at - timedelta(seconds=LAST_SECONDS):
        return held.access_token
    raise TemporaryFailure("Gusto's access could not be renewed just now. We try again by itself.")


def _refreshed(connection_id: int, tenant_id: uuid.UUID, refused: str) -> str:
    """Refresh under the row lock. Raises GrantEnded, Misconfigured, TemporaryFailure."""
    application = active_application()
    with _locked_row(connection_id, tenant_id) as row:
        held = pair_of(row.fields)
        if held is None:
            raise Misconfigured(NOT_CONNECTED)
        if not _serves(held, refused):
            held = ask(
                application,
                tenant_id,
                f"connection {connection_id}",
                grant_type="refresh_token",
                refresh_token=held.refresh_token,
            )
            row.replace(held)
    # Committed. Only from here on may the new token be used.
    return held.access_token


class _Row:
    """The locked row of a connection, on a database connection of its own."""

    def __init__(self, cursor: Any, connection_id: int, tenant_id: uuid.UUID, sealed_fields: str) -> None:
        self._cursor = cursor
        self._ids = [connection_id, str(tenant_id)]
        self._field = Connection._meta.get_field("sealed_fields")
        self.fields: dict[str, str] = json.loads(self._field.from_db_value(sealed_fields, None, None) or "{}")

    def replace(self, pair: Pair) -> None:
        self.fields |= pair.fields()
        sealed_fields = self._field.get_prep_value(json.dumps(self.fields, sort_keys=True))
        self._cursor.execute(
            "UPDATE tenants_connection SET sealed_fields = %s WHERE id = %s AND tenant_id = %s",
            [sealed_fields, *self._ids],
        )


@contextmanager
def _locked_row(connection_id: int, tenant_id: uuid.UUID) -> Iterator[_Row]:
    """Lock the row until the block ends, then commit; an exception rolls back.

    The lock is NO KEY UPDATE: rows that refer to the connection can still be written. Raises TemporaryFailure where
    another worker holds the lock for longer than LOCK_SECONDS, Misconfigured where there is no such row.
    """
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('app.tenant', %s, true), set_config('lock_timeout', %s, true)",
                [str(tenant_id), f"{LOCK_SECONDS}s"],
            )
            try:
                cursor.execute(
                    "SELECT sealed_fields FROM tenants_connection "
                    "WHERE id = %s AND tenant_id = %s AND system = 'gusto' FOR NO KEY UPDATE",
                    [connection_id, str(tenant_id)],
                )
            except OperationalError as error:
                if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    raise TemporaryFailure("Another worker is renewing Gusto's access.") from error
                raise
            found = cursor.fetchone()
            if found is None:
                raise Misconfigured(NOT_CONNECTED)
            yield _Row(cursor, connection_id, tenant_id, found[0])
        own.commit()
    finally:
        # Closing an open transaction rolls it back.
        own.close()


def system_token(refused: str = "") -> str:
    """The installation's own token, for events, webhook subscriptions and disconnecting. Several may be live at once, so
    two workers that ask together do no harm. Raises Misconfigured, TemporaryFailure.
    """
    application = active_application()
    expires_at = application.system_token_expires_at
    if (
        application.system_token
        and application.system_token != refused
        and expires_at is not None
        and timezone.now() < expires_at
    ):
        return application.system_token
    try:
        pair = ask(application, installation_tenant().pk, "system token", grant_type="system_access")
    except GrantEnded:
        raise Misconfigured("Gusto gives this installation no access of its own.", "gusto") from None
    # Stored with an end before its real one, like a grant's: it has to arrive while it lives.
    GustoApplication.objects.filter(pk=application.pk).update(
        system_token=pair.access_token,
        system_token_expires_at=pair.granted_at + (pair.expires_at - pair.granted_at) * 3 / 4,
    )
    return pair.access_token
