"""How far a legal entity is on its way to its first journal: six steps, each derived from what is there.

Nothing is kept about the steps themselves, except that an owner went live (`LegalEntity.is_live`): whoever comes back finds
what was done, and what broke in between is a step again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property

from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from audit.models import WorkItem
from erp.dry_run import DryRun, dry_run
from erp.models import ReferenceSnapshot
from gusto.last_runs import last_documents
from gusto.models import Employee, LastSweep, PayrollRun
from mappings.models import MappingTable
from mappings.place import Place, serving, unfinished_of
from mappings.tables import approved_table
from tenants.models import Connection, LegalEntity, Role, Tenant
from tenants.scope import current_tenant

#: Name in the address -> title, and what it is about.
STEPS: dict[str, tuple[str, str]] = {
    "gusto": ("Connect Gusto", "You sign in at Gusto and allow reading."),
    "erp": ("Connect your ERP", "About 10 minutes. You need an administrator of the ERP."),
    "reference": ("Read reference data", "Accounts, dimensions and open periods. Reads only."),
    "map": ("Map payroll to accounts", "We suggest an account for every component of your last payroll runs."),
    "dry-run": ("Dry run", "Your last real payroll as a journal, checked to 0.00. Nothing is sent."),
    "go-live": ("Go live", "Choose: every journal approved by a person, or posted by itself when it ties out."),
}
#: Seconds for which the number beside "Set up" may be old: to know it, a payroll is allocated.
COUNT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list. `state`: done, now or later."""

    number: int
    name: str
    title: str
    state: str
    note: str
    link: str
    after: int
    """The step that has to be done first."""


class Progress:
    """What is done of one legal entity, inside a scope; asked for piece by piece, so that an early step costs little."""

    def __init__(self, entity: LegalEntity, username: str = "") -> None:
        self.entity = entity
        self.username = username

    # 1

    @cached_property
    def is_connected(self) -> bool:
        gusto = self.entity.gusto_connection
        return gusto is not None and gusto.health != Connection.Health.OFF

    @cached_property
    def is_in_file_mode(self) -> bool:
        """Payrolls come as files."""
        found = PayrollRun.objects.filter(legal_entity=self.entity, source=PayrollRun.Source.FILE)
        return not self.is_connected and found.exists()

    @cached_property
    def employees(self) -> int:
        return Employee.objects.filter(legal_entity=self.entity).count()

    @cached_property
    def runs(self) -> list[PayrollRun]:
        """The last payroll runs that can be tried, newest first."""
        return list(last_documents(self.entity)[:6])

    @property
    def is_reading_payrolls(self) -> bool:
        assert self.entity.tenant_id is not None, "a stored row has its tenant"
        if is_moving(self.entity.tenant_id, "gusto.read_past", str(self.entity.pk)):
            return True
        unread = PayrollRun.objects.filter(legal_entity=self.entity, state=PayrollRun.State.NEW)
        return unread.exists()

    # 2

    @property
    def erp(self) -> Connection | None:
        found: Connection | None = self.entity.erp_connection
        return found

    @property
    def is_testing(self) -> bool:
        return self.erp is not None and is_moving(self.erp.tenant_id, "tenants.check_connection", str(self.erp.pk))

    @property
    def failed_checks(self) -> int:
        return sum(not check["is_passed"] for check in self.erp.checks) if self.erp else 0

    @property
    def is_erp_done(self) -> bool:
        erp = self.erp
        if erp is None or not self.entity.company_code or erp.health == Connection.Health.OFF:
            return False
        return bool(erp.checks) and not self.failed_checks

    # 3

    @cached_property
    def snapshot(self) -> ReferenceSnapshot | None:
        found: ReferenceSnapshot | None = ReferenceSnapshot.objects.filter(connection=self.erp).first()
        return found

    @property
    def has_company_code(self) -> bool:
        """Whether the ERP showed the company code of this legal entity."""
        codes = {code for code, *_ in self.snapshot.company_codes} if self.snapshot else set()
        return self.entity.company_code in codes

    # 4

    @cached_property
    def versions(self) -> list[MappingTable]:
        found = MappingTable.objects.filter(legal_entity=self.entity).select_related("legal_entity__erp_connection")
        return list(found.order_by("-version"))

    @cached_property
    def version(self) -> MappingTable | None:
        """What the dry run tries: the unfinished version, else the one that serves the last payroll, else the newest."""
        day = self.runs[0].check_date if self.runs else None
        today = timezone.localdate()
        served = serving(self.versions, max(day, today) if day else today)
        return unfinished_of(self.versions) or served or next(iter(self.versions), None)

    @cached_property
    def place(self) -> Place:
        """The same for the pages of the mapping."""
        day = self.runs[0].check_date if self.runs else None
        today = timezone.localdate()
        return Place(
            entity=self.entity, entities=[self.entity], versions=self.versions, version=self.version, may_edit=True,
            may_approve=False, may_see_pay=False, username=self.username, on_date=max(day, today) if day else today,
            tab="coverage",
        )  # fmt: skip

    @cached_property
    def tried(self) -> DryRun | None:
        """The last payroll, tried; None where there is nothing to try or nothing to try it with."""
        if self.version is None or not self.runs or self.snapshot is None:
            return None
        return dry_run(self.entity, self.runs[0], self.version)

    @property
    def is_mapped(self) -> bool:
        if self.version is None:
            return False
        if self.tried is None:
            return not self.runs and not self.is_reading_payrolls
        return bool(self.tried.journals)

    # 5

    @property
    def is_tried(self) -> bool:
        """A company that never paid anybody has nothing to try."""
        return self.is_mapped and (self.tried is None or self.tried.is_clean)

    # 6

    @property
    def first_date(self) -> str:
        """The first check date that is proposed: the next one that Gusto announced, else today."""
        swept = LastSweep.objects.filter(legal_entity=self.entity).first()
        day = swept.next_check_date if swept and swept.next_check_date else timezone.localdate()
        return day.isoformat()

    @cached_property
    def approved(self) -> MappingTable | None:
        return approved_table(self.entity, max(timezone.localdate(), self.place.on_date))

    @cached_property
    def done(self) -> dict[str, bool]:
        """Step -> whether it is done; one that stands before it is not asked for more than it needs."""
        found = {"gusto": self.is_connected or self.is_in_file_mode, "erp": self.is_erp_done}
        found["reference"] = found["erp"] and self.has_company_code
        found["map"] = found["reference"] and self.is_mapped
        found["dry-run"] = found["map"] and self.is_tried
        found["go-live"] = self.entity.is_live
        return found

    @property
    def next_step(self) -> str:
        return next((name for name, is_done in self.done.items() if not is_done), "go-live")

    @property
    def left(self) -> int:
        return sum(not is_done for is_done in self.done.values())

    def steps(self) -> list[Step]:
        return _steps(self.done, self.next_step, self.entity, self._notes())

    def _notes(self) -> dict[str, str]:
        counts = self.snapshot.counts if self.snapshot else {}
        notes = {
            "gusto": (self.entity.gusto_company_name or self.entity.name) if self.is_connected else "Payroll files",
            "erp": f"{self.erp}, company code {self.entity.company_code}",
            "reference": f"{counts.get('main accounts', 0)} accounts",
            "map": f"Version {self.version.version}" if self.version else "",
            "dry-run": "Ties out to 0.00" if self.tried else "No payroll to try yet",
            "go-live": "Live",
        }
        return {name: note for name, note in notes.items() if self.done[name]}


def _steps(done: dict[str, bool], now: str, entity: LegalEntity | None, notes: dict[str, str]) -> list[Step]:
    found = []
    for number, (name, (title, about)) in enumerate(STEPS.items(), 1):
        state = "done" if done[name] else "now" if name == now else "later"
        link = reverse("admin:set_up_step", args=[entity.pk, name]) if entity else reverse("admin:set_up_new")
        found.append(Step(number, name, title, state, notes.get(name) or about, link, number - 1))
    return found


def first_steps() -> list[Step]:
    """Those of a tenant that has no legal entity yet."""
    return _steps(dict.fromkeys(STEPS, False), "gusto", None, {})


def entities_in_set_up() -> list[LegalEntity]:
    """Those that are not live yet, by name; inside a scope."""
    found = LegalEntity.objects.filter(is_live=False).select_related("erp_connection", "gusto_connection")
    return list(found.order_by("name"))


def steps_of_tenant() -> list[Step]:
    """What Home shows: the steps of the first legal entity that is being set up; none where all are live."""
    entities = entities_in_set_up()
    if entities:
        return Progress(entities[0]).steps()
    return [] if LegalEntity.objects.exists() else first_steps()


def steps_left(tenant: Tenant) -> int:
    """For the navigation, at most COUNT_SECONDS old; 0 = nothing is being set up. Inside a scope."""
    key = _key(tenant.pk)
    found: int | None = cache.get(key)
    if found is None:
        found = sum(step.state != "done" for step in steps_of_tenant())
        cache.set(key, found, COUNT_SECONDS)
    return found


def count_anew() -> None:
    """Something was done: the number in the navigation is wrong."""
    cache.delete(_key(current_tenant()))


def _key(tenant_id: uuid.UUID | str) -> str:
    return f"set-up:{tenant_id}"


def is_moving(tenant_id: uuid.UUID | None, kind: str, ref: str) -> bool:
    """Whether work on something is due or runs now; what waits for tomorrow does not move."""
    found = WorkItem.objects.filter(tenant_id=tenant_id, kind=kind, ref=ref)
    return (
        found.filter(state=WorkItem.State.RUNNING).exists()
        or found.filter(state=WorkItem.State.READY, due_at__lte=timezone.now()).exists()
    )


#: Who sets a tenant up.
OWNER = (Role.OWNER,)
