"""Brings an installation to the state that a provision file describes: nothing more, and nothing if the file has a mistake.

Everything but the Gusto grants happens in one transaction; a dry run is the same transaction, rolled back. What the file
does not mention stays as it is. Running a file twice changes nothing the second time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models, transaction

from audit import trail, work
from audit.exchange import ExchangeError
from connector_site.provision_file import (
    CROSSWALK_KEYS,
    GUSTO_APPLICATION,
    RULE_KEYS,
    Entry,
    Mistake,
    ProvisionFile,
    read,
)
from erp.connector import CONNECTORS
from gusto import oauth
from gusto.models import GustoApplication
from mappings.approval import ApprovalRefused, approve
from mappings.file_import import MAPPING, FileError, import_csv
from mappings.models import MappingTable
from mappings.tables import POLICY_FIELDS
from tenants.credentials import AddressRefused, check_address_text, declaration, problems_of
from tenants.models import Connection, LegalEntity, Membership, Tenant, User, installation_tenant
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file did, line by line, and its mistakes. `is_applied` is False for a dry run and for a file with a mistake;
    mistakes of an applied file are grants that Gusto refused.
    """

    changes: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    is_applied: bool


class _Wrong(Exception):  # noqa: N818 - reads as what happened
    """An entry cannot be applied: (key, sentence) for each reason, none if the reason is told elsewhere."""

    def __init__(self, *reasons: tuple[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


def provision(path: Path, *, is_dry_run: bool = False, environment: Mapping[str, str] | None = None) -> Outcome:
    """Read and apply a file. Call outside any scope; `environment` holds the secrets that the file names."""
    run = _Run(read(path), os.environ if environment is None else environment, is_dry_run)
    with transaction.atomic():
        run.apply()
        is_applied = not run.mistakes and not is_dry_run
        if not is_applied:
            transaction.set_rollback(True)
    if is_applied:
        run.connect_gusto()
    elif run.mistakes:
        run.changes.clear()
    return Outcome(tuple(run.changes), tuple(run.mistakes), is_applied)


@dataclass(slots=True)
class _Run:
    """One pass over a file, table by table in the order in which they build on one another."""

    file: ProvisionFile
    environment: Mapping[str, str]
    is_dry_run: bool
    changes: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    _counts: defaultdict[Any, int] = field(default_factory=lambda: defaultdict(int))
    _grants: list[tuple[Entry, LegalEntity, str]] = field(default_factory=list)

    def apply(self) -> None:
        """Inside a transaction. Goes on after a mistake, so that all of them are named."""
        self.mistakes += self.file.mistakes
        for table, do in (
            (GUSTO_APPLICATION, self._application),
            ("tenant", self._tenant),
            ("member", self._member),
            ("connection", self._connection),
            ("legal_entity", self._legal_entity),
            ("mapping_table", self._mapping_table),
        ):
            for entry in self.file.entries[table]:
                with self._told(entry):
                    do(entry)
        for tenant_id, count in self._counts.items():
            with tenant_scope(tenant_id):
                trail.record("provision.applied", subject="tenant", subject_id=str(tenant_id), changes=count)

    def connect_gusto(self) -> None:
        """The grants, after everything else is committed: a refresh token works once and must never be lost."""
        for entry, entity, token in self._grants:
            try:
                is_new = oauth.connect_with_refresh_token(entity, token)
            except (oauth.ConnectRefused, ExchangeError) as refused:
                self.mistakes.append(entry.mistake("gusto_refresh_token_env", refused.sentence))
            else:
                if is_new:
                    self.changes.append(_grant_words(entry))

    # --- the tables -------------------------------------------------------------------------------------------------

    def _application(self, entry: Entry) -> None:
        found = GustoApplication.objects.filter(is_active=True).first()
        row = found or GustoApplication()
        values = {name: value for name, value in entry.values.items() if name != "client_secret_env"}
        reasons = [
            (name, sentence)
            for name in ("api_url", "authorize_url", "token_url")
            if values.get(name) and (sentence := _address_fault(values[name]))
        ]
        if reasons:
            raise _Wrong(*reasons)
        changed = _set(row, {**values, "client_secret": self._secret(entry["client_secret_env"], "client_secret_env")})
        _check_fields(row)
        if not changed:
            return
        # Another application or another Gusto: what the old one was granted is worth nothing there.
        _set(row, {"system_token": "", "system_token_expires_at": None})
        row.save()
        work.enqueue("gusto.subscribe", tenant_id=None)
        work.enqueue("gusto.feed", tenant_id=None)
        self._note(installation_tenant(), f"Gusto application: {_words(found, changed)}")

    def _tenant(self, entry: Entry) -> None:
        found = Tenant.objects.filter(slug=entry["slug"]).first()
        if found is not None and found.is_installation:
            raise _Wrong(("slug", "This name is reserved for the installation itself."))
        row = found or Tenant(slug=entry["slug"])
        names = ("name", "requires_second_factor", "time_zone", "date_style")
        changed = _set(row, {name: entry[name] for name in names if name in entry.values})
        _check_fields(row)
        if not changed:
            return
        row.save()
        with tenant_scope(row.id):
            trail.record(f"tenant.{_verb(found)}", subject="tenant", subject_id=str(row.id), name=row.name)
        self._note(row, f"tenant {row.slug}: {_words(found, changed)}")

    def _member(self, entry: Entry) -> None:
        tenant = self._tenant_of(entry)
        user, user_changed = self._user(entry)
        found = Membership.objects.filter(tenant=tenant, user=user).first()
        row = found or Membership(tenant=tenant, user=user)
        values = {name: entry[name] for name in ("may_see_pay",) if name in entry.values}
        if set(row.roles or []) != set(entry["roles"]):
            values["roles"] = sorted(set(entry["roles"]))
        changed = _set(row, values)
        if found is None or changed:
            row.save()
            with tenant_scope(tenant.id):
                trail.record(
                    f"membership.{_verb(found)}", subject="membership", subject_id=str(row.pk), user=user.get_username(),
                    roles=", ".join(row.roles),
                )  # fmt: skip
        if found is None or changed or user_changed:
            words = f"created as {', '.join(row.roles)}" if found is None else _words(found, changed + user_changed)
            self._note(tenant, f"member {user.get_username()} of {tenant.slug}: {words}")

    def _user(self, entry: Entry) -> tuple[User, list[str]]:
        """The person, made if need be. A password that somebody has is theirs and is never replaced."""
        found = User.objects.filter(username=entry["user"]).first()
        row = found or User(username=entry["user"])
        if found is None:
            row.set_unusable_password()
        changed = _set(row, {"email": entry["email"]} if "email" in entry.values else {})
        _check_fields(row, {"username": "user"})
        if "password_env" in entry.values and not row.has_usable_password():
            password = self._secret(entry["password_env"], "password_env")
            try:
                validate_password(password, row)
            except ValidationError as error:
                raise _Wrong(("password_env", " ".join(error.messages))) from None
            row.set_password(password)
            changed.append("password")
        if found is None or changed:
            row.save()
        return row, changed

    def _connection(self, entry: Entry) -> None:
        tenant = self._tenant_of(entry)
        if entry["system"] not in CONNECTORS:
            hint = (
                " Gusto is connected by gusto_refresh_token_env of a legal entity."
                if entry["system"] == "gusto"
                else ""
            )
            raise _Wrong(("system", f"There is no such ERP. Known are: {', '.join(CONNECTORS)}.{hint}"))
        values = self._fields(entry)
        with tenant_scope(tenant.id):
            found = Connection.objects.filter(name=entry["name"]).first()
            if found is not None and found.system != entry["system"]:
                raise _Wrong(("system", f"This connection exists and leads to {found.system}. Choose another name."))
            row = found or Connection(name=entry["name"], system=entry["system"])
            before = row.stored_fields()
            row.set_fields(values)
            after = row.stored_fields()
            is_on_premises = entry.get("on_premises", row.is_on_premises)
            faults = problems_of(
                row.system, after, is_on_premises=is_on_premises, sandbox_allowed=settings.SANDBOX_ALLOWED
            )
            if faults:
                raise _Wrong(*((f"fields.{name}", sentence) for name, sentence in faults.items()))
            changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
            changed += _set(row, {"is_on_premises": is_on_premises})
            _check_fields(row)
            if found is not None and not changed:
                return
            row.health, row.health_sentence = Connection.Health.UNTESTED, ""
            row.save()
            subject = {"subject": "connection", "subject_id": str(row.pk), "name": row.name}
            if found is None:
                trail.record("connection.created", **subject, system=row.system)
            else:
                trail.record("connection.changed", **subject, changed=", ".join(changed))
            if "is_on_premises" in changed and is_on_premises:
                trail.record("connection.on_premises", **subject)
            work.enqueue("tenants.check_connection", str(row.pk), tenant_id=tenant.id)
            work.enqueue("erp.read_reference", str(row.pk), tenant_id=tenant.id)
        self._note(tenant, f"connection {row.name} of {tenant.slug}: {_words(found, changed)}")

    def _fields(self, entry: Entry) -> dict[str, str]:
        """The declared fields that the file gives, secrets taken from where it says."""
        declared = {known.name: known for known in declaration(entry["system"]).fields}
        found: dict[str, str] = {}
        reasons = []
        for key, value in entry["fields"].items():
            name = key.removesuffix("_env") if key not in declared else key
            known = declared.get(name)
            if known is None:
                reasons.append((f"fields.{key}", f"There is no such field. Known are: {', '.join(declared)}."))
            elif not isinstance(value, str) and (isinstance(value, bool) or not isinstance(value, int)):
                reasons.append((f"fields.{key}", "It must be text in quotes."))
            elif known.is_secret and name == key:
                reasons.append((f"fields.{key}", f"Secrets do not stand in the file. Name a variable: {name}_env."))
            elif name == key:
                found[name] = "" if str(value) == known.default else str(value)
            else:
                try:
                    found[name] = self._secret(str(value), f"fields.{key}")
                except _Wrong as wrong:
                    reasons += wrong.reasons
        if reasons:
            raise _Wrong(*reasons)
        return found

    def _legal_entity(self, entry: Entry) -> None:
        tenant = self._tenant_of(entry)
        with tenant_scope(tenant.id):
            found = LegalEntity.objects.filter(name=entry["name"]).first()
            row = found or LegalEntity(name=entry["name"])
            names = ("company_code", "currency", "approval", "posts_from_date", "sweep_hours")
            values = {name: entry[name] for name in names if name in entry.values}
            if "approval_limit" in entry.values:
                values["approval_limit"] = _amount(entry["approval_limit"], "approval_limit")
            if "erp_connection" in entry.values:
                values["erp_connection"] = self._erp_connection(tenant, entry["erp_connection"])
            changed = _set(row, values)
            _check_fields(row)
            if found is None or changed:
                row.save()
                subject = {"subject": "legal_entity", "subject_id": str(row.pk), "name": row.name}
                if found is None:
                    trail.record("legal_entity.created", **subject)
                else:
                    trail.record("legal_entity.changed", **subject, changed=", ".join(changed))
                    work.enqueue("erp.recheck", str(row.pk), tenant_id=tenant.id)
                self._note(tenant, f"legal entity {row.name} of {tenant.slug}: {_words(found, changed)}")
            if "gusto_refresh_token_env" in entry.values:
                self._plan_grant(entry, row)

    def _erp_connection(self, tenant: Tenant, name: str) -> Connection:
        found: Connection | None = Connection.objects.filter(name=name, system__in=list(CONNECTORS)).first()
        if found is None:
            self._refuse_unknown(
                "connection", (tenant.slug, name), "erp_connection", f"{tenant.slug} has no ERP connection “{name}”."
            )
        return found

    def _plan_grant(self, entry: Entry, row: LegalEntity) -> None:
        """Inside the scope: whether this refresh token is still to be used, or has done its work before."""
        token = self.environment.get(entry["gusto_refresh_token_env"], "")
        if not token and row.gusto_connection is not None:
            # It worked once and is worth nothing since; whoever runs the file again need not keep it.
            return
        token = self._secret(entry["gusto_refresh_token_env"], "gusto_refresh_token_env")
        if not GustoApplication.objects.filter(is_active=True).exists():
            raise _Wrong(("gusto_refresh_token_env", "There is no Gusto application. Write [gusto_application]."))
        digest = hashlib.sha256(token.encode()).hexdigest()
        if (
            row.gusto_connection is not None
            and row.gusto_connection.stored_fields().get("provisioned_digest") == digest
        ):
            return
        self._grants.append((entry, row, token))
        if self.is_dry_run:
            self.changes.append(_grant_words(entry))

    def _mapping_table(self, entry: Entry) -> None:
        tenant = self._tenant_of(entry)
        mapping_text, crosswalks_text, source = self._mapping_texts(entry)
        with tenant_scope(tenant.id):
            entity = LegalEntity.objects.filter(name=entry["legal_entity"]).first()
            if entity is None:
                self._refuse_unknown(
                    "legal_entity", (tenant.slug, entry["legal_entity"]), "legal_entity",
                    f"{tenant.slug} has no legal entity “{entry['legal_entity']}”.",
                )  # fmt: skip
            policy = {name: entry[name] for name in POLICY_FIELDS if name in entry.values}
            outcome = import_csv(entity, mapping_text, crosswalks_text, "", source, policy)
            if outcome.errors:
                raise _Wrong(*(_csv_reason(entry, error) for error in outcome.errors))
            for table in outcome.tables:
                words = []
                if table in outcome.changed:
                    words.append(f"version {table.version} written, {table.rules.count()} rows")
                if entry.get("approved") and table.state == MappingTable.State.DRAFT:
                    try:
                        approve(table, "")
                    except ApprovalRefused as refused:
                        raise _Wrong(*(("approved", problem.sentence) for problem in refused.problems)) from None
                    words.append(f"version {table.version} approved")
                if words:
                    where = f"mapping table of {entity.name} of {tenant.slug} from {table.valid_from}"
                    self._note(tenant, f"{where}: {', '.join(words)}")

    def _mapping_texts(self, entry: Entry) -> tuple[str, str | None, str]:
        """mapping.csv, crosswalks.csv (None = as they are) and the name of their source for the audit trail."""
        if "mapping_csv" not in entry.values:
            crosswalks = (
                _csv_text(CROSSWALK_KEYS, entry.get("crosswalk", []), entry["valid_from"])
                if entry.get("crosswalk")
                else ""
            )
            return _csv_text(RULE_KEYS, entry["rule"], entry["valid_from"]), crosswalks, "the provision file"
        texts: list[str | None] = []
        reasons = []
        for key in ("mapping_csv", "crosswalks_csv"):
            if key not in entry.values:
                texts.append(None)
                continue
            try:
                texts.append((self.file.folder / entry[key]).read_text(encoding="utf-8-sig"))
            except OSError as error:
                reasons.append((key, f"{entry[key]} cannot be read: {error.strerror}."))
            except UnicodeDecodeError:
                reasons.append((key, f"{entry[key]} is not UTF-8 text."))
        if reasons:
            raise _Wrong(*reasons)
        assert texts[0] is not None
        return texts[0], texts[1], Path(entry["mapping_csv"]).name

    # --- small parts ------------------------------------------------------------------------------------------------

    @contextmanager
    def _told(self, entry: Entry) -> Iterator[None]:
        """One entry in a savepoint of its own; what is wrong with it becomes mistakes, and the next one goes on."""
        try:
            with transaction.atomic():
                yield
        except _Wrong as wrong:
            self.mistakes += [entry.mistake(key, sentence) for key, sentence in wrong.reasons]

    def _tenant_of(self, entry: Entry) -> Tenant:
        found = Tenant.objects.filter(slug=entry["tenant"], is_installation=False).first()
        if found is None:
            self._refuse_unknown("tenant", (entry["tenant"],), "tenant", f"There is no tenant “{entry['tenant']}”.")
        return found

    def _refuse_unknown(self, table: str, identity: tuple[str, ...], key: str, sentence: str) -> NoReturn:
        """Raises _Wrong. What the file does mention has a mistake of its own, and that one is told."""
        raise _Wrong() if (table, *identity) in self.file.mentioned else _Wrong((key, sentence))

    def _secret(self, name: str, key: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            raise _Wrong((key, f"The environment variable {name} is not set."))
        return value

    def _note(self, tenant: Tenant, line: str) -> None:
        self.changes.append(line)
        self._counts[tenant.id] += 1


def _set(row: models.Model, values: Mapping[str, Any]) -> list[str]:
    """Give a row new values; returns the names of those that differ from what it had."""
    changed = [name for name, value in values.items() if row._state.adding or getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return changed


def _check_fields(row: models.Model, names: Mapping[str, str] | None = None) -> None:
    """The model's own checks on each value. Raises _Wrong."""
    try:
        row.clean_fields(exclude={"password", "tenant", "sealed_fields", "roles"})
    except ValidationError as error:
        raise _Wrong(
            *(((names or {}).get(name, name), " ".join(words)) for name, words in error.message_dict.items())
        ) from None


def _amount(text: str, key: str) -> Decimal | None:
    """An amount as the file writes it; empty text is none. Raises _Wrong."""
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _Wrong((key, 'It must be an amount in quotes, like "50000.00".')) from None


def _address_fault(address: str) -> str:
    try:
        check_address_text(address, sandbox_allowed=settings.SANDBOX_ALLOWED)
    except AddressRefused as refused:
        return str(refused)
    return ""


def _csv_text(keys: tuple[str, ...], rows: list[dict[str, Any]], valid_from: Any) -> str:
    """Rows of the file in the form of the CSV, so that both ways in are judged by the same rules."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("valid_from", *keys))
    defaults = {"target": "1", "percent": "100"}
    for row in rows:
        writer.writerow((valid_from, *(row.get(key, defaults.get(key, "")) for key in keys)))
    return text.getvalue()


def _csv_reason(entry: Entry, error: FileError) -> tuple[str, str]:
    """Where a mistake of the CSV stands: in the named file, or in an inline row (the header of the CSV is row 1)."""
    is_mapping = error.file == MAPPING
    if "mapping_csv" in entry.values:
        key = "mapping_csv" if is_mapping else "crosswalks_csv"
        column = f", column {error.column}" if error.column else ""
        return key, f"{entry.get(key, error.file)}, row {error.row}{column}: {error.sentence}"
    key = f"{'rule' if is_mapping else 'crosswalk'} {max(error.row - 1, 1)}"
    return f"{key}, {error.column}" if error.column else key, error.sentence


def _verb(found: models.Model | None) -> str:
    return "created" if found is None else "changed"


def _words(found: models.Model | None, changed: list[str]) -> str:
    return "created" if found is None else f"{', '.join(changed)} changed"


def _grant_words(entry: Entry) -> str:
    return f"legal entity {entry['name']} of {entry['tenant']}: connected to Gusto"
