"""What the sandbox's Gusto knows beside its documents: settings, its clock, and where a uuid belongs.

Kinds in the store (all keys are uuids unless said): application (client id), code, token (access token), refresh
(refresh token), company, owner, event, subscription, delivery, report; per company `location:<company>`,
`department:`, `employee:`, `contractor:`, `contractor_payment:`, `company_benefit:`, `pay_schedule:`, `payroll:`,
`reversal:`; per payroll `compensation:<payroll>` (key: employee uuid, in the order Gusto pages them).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from audit.sandbox import Store, dumps
from gusto.sandbox import errors


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be changed while the sandbox runs, by `POST /_sandbox/settings`."""

    token_seconds: int = 7200
    code_seconds: int = 600
    rate_limit: int = 200
    rate_limit_seconds: int = 60
    report_polls: int = 1
    """How often a report answers `pending` before it is there."""
    report_seconds: int = 600
    """How long the presigned address of a report works."""
    delivery_timeout_seconds: int = 10
    delivery_retries: int = 16
    delivery_backoff_milliseconds: int = 200
    """Wait before the first retry; doubles with each."""
    delivery_backoff_max_milliseconds: int = 30_000
    unreachable_after: int = 3
    """A subscription becomes `unreachable` after so many deliveries in a row were given up."""
    handshake_names_subscription: bool = False
    """Whether the handshake carries the subscription's uuid: unknown of the real Gusto (gusto.md 3.1), so play both."""
    names_missing_scope: bool = True
    embedded: bool = False
    """Whether addresses of Gusto Embedded (payroll reversals, jobs) answer, or refuse as for App Integrations."""

    def changed(self, **changes: Any) -> Settings:
        """A copy with these values. Raises ValueError for an unknown name, a wrong type or a negative number."""
        known = {entry.name: type(getattr(self, entry.name)) for entry in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no such setting: {name}")
            if type(value) is not known[name] or int(value) < 0:
                raise ValueError(f"setting {name} must be a {known[name].__name__}, not negative")
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a uuid belongs: `subject` is what it is, `parent` the uuid of the document that holds it."""

    company_uuid: str
    subject: str
    parent: str


class State:
    """Settings, clock and lookups over one store; every part of the sandbox works on this."""

    def __init__(self, store: Store, settings: Settings, today: date | None) -> None:
        self.store = store
        self.base_url = ""
        """The sandbox's own address once it listens, without slash."""
        kept = store.get("setting", "all")
        self._settings = settings if kept is None else Settings().changed(**kept)
        if kept is None:
            store.put("setting", "all", asdict(self._settings))
        offset = store.get("setting", "clock_offset_seconds")
        if offset is None:
            offset = 0 if today is None else (today - datetime.now(UTC).date()).days * 86_400
            store.put("setting", "clock_offset_seconds", offset)
        self._offset_seconds = int(offset)

    @property
    def settings(self) -> Settings:
        return self._settings

    def change_settings(self, **changes: Any) -> Settings:
        """Raises ValueError, see `Settings.changed`."""
        self._settings = self._settings.changed(**changes)
        self.store.put("setting", "all", asdict(self._settings))
        return self._settings

    def now(self) -> datetime:
        """The sandbox's time, aware UTC: real time plus what `advance` added."""
        return datetime.now(UTC) + timedelta(seconds=self._offset_seconds)

    def now_milliseconds(self) -> int:
        return int(time.time() * 1000) + self._offset_seconds * 1000

    def today(self) -> date:
        return self.now().date()

    def advance(self, seconds: int) -> None:
        """Put the clock on (or back), so that tokens expire and deadlines pass without waiting."""
        self._offset_seconds += seconds
        self.store.put("setting", "clock_offset_seconds", self._offset_seconds)

    def advanced(self, seconds: int) -> dict[str, Any]:
        """`advance`, and the time it is then. Raises ValueError."""
        if type(seconds) is not int:
            raise ValueError("seconds must be a whole number")
        self.advance(seconds)
        return {"now": stamp(self.now())}

    def settings_changed(self, **changes: Any) -> dict[str, Any]:
        """`change_settings`, and all settings."""
        return asdict(self.change_settings(**changes))

    def change_application(self, **changes: Any) -> dict[str, Any]:
        """Change redirect_uris, scopes (for tokens made from now on) or minimum_version. Raises ValueError."""
        application = self.application()
        for name, value in changes.items():
            if name not in ("redirect_uris", "scopes", "minimum_version"):
                raise ValueError(f"the application's {name} cannot be changed")
            if type(value) is not type(application[name]):
                raise ValueError(f"{name} has the wrong type")
        application |= changes
        self.store.put("application", application["client_id"], application)
        return application

    def application(self) -> dict[str, Any]:
        """The one developer application: client_id, client_secret, uuid, name, redirect_uris, scopes, minimum_version."""
        applications = self.store.all("application")
        assert len(applications) == 1, "the sandbox has exactly one application"
        application: dict[str, Any] = applications[0]
        return application

    def held(self, kind: str, key: str) -> dict[str, Any]:
        """The document. Raises Refused (404) where there is none."""
        document: dict[str, Any] | None = self.store.get(kind, key)
        if document is None:
            raise errors.not_found()
        return document

    def company(self, company_uuid: str) -> dict[str, Any]:
        """Raises Refused (404)."""
        return self.held("company", company_uuid)

    def own(self, company_uuid: str, subject: str, uuids: dict[str, str]) -> None:
        """Note where uuids belong: `uuids` maps each to the uuid of the document that holds it."""
        self.store.put_many(
            "owner",
            {
                uuid: {"company_uuid": company_uuid, "subject": subject, "parent": parent}
                for uuid, parent in uuids.items()
            },
        )

    def owner(self, uuid: str, subject: str) -> Owner:
        """Raises Refused (404) where there is no such thing."""
        found = self.held("owner", uuid)
        if found["subject"] != subject:
            raise errors.not_found()
        return Owner(**found)


def versioned(document: dict[str, Any]) -> dict[str, Any]:
    """The document with `version`, a hash of its content: what Gusto gives as a change mark."""
    content = {name: value for name, value in document.items() if name != "version"}
    return {**document, "version": hashlib.sha256(dumps(content).encode()).hexdigest()[:32]}


def stamp(moment: datetime) -> str:
    """A moment as Gusto writes it, `2026-06-15T23:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
