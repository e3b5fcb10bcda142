"""Which legal entity and which version a mapping page is about, and what all mapping pages have in common: the head, the
tabs, who may do what.

The address of a page says both, never the session: two windows may look at two legal entities.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.db.models import Max
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from mappings.models import MappingTable, SourceCode
from tenants.admin import has_role
from tenants.middleware import membership_of
from tenants.models import LegalEntity, Role

EDITORS = frozenset({Role.OWNER, Role.PREPARER})
APPROVERS = frozenset({Role.APPROVER})

State = MappingTable.State

#: Name of a tab, its words and the address behind it.
TABS = (
    ("coverage", "Coverage"),
    ("rules", "Rules"),
    ("crosswalks", "Crosswalks"),
    ("versions", "Versions"),
    ("files", "Import and export"),
)


class Standing(enum.StrEnum):
    """Where a version is between draft and history."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    """It serves check dates that are still to come."""
    IN_USE = "in_use"
    REPLACED = "replaced"
    """A later or newer one serves today's check date; what it made stays as it is."""


@dataclass(slots=True)
class Place:
    """One legal entity with its versions, the newest first; `version` is the one that the page is about."""

    entity: LegalEntity
    entities: list[LegalEntity]
    versions: list[MappingTable]
    version: MappingTable | None
    may_edit: bool
    may_approve: bool
    may_see_pay: bool
    username: str
    on_date: date
    """Today, or the check date of the last payroll where that lies ahead, as it usually does."""
    tab: str = ""

    @property
    def unfinished(self) -> MappingTable | None:
        """The newest version that is a draft or submitted and could still come to serve."""
        return unfinished_of(self.versions)

    @property
    def in_use(self) -> MappingTable | None:
        return serving(self.versions, self.on_date)

    @property
    def base(self) -> MappingTable | None:
        """The approved version from which `version` takes over."""
        return before(self.version, self.versions) if self.version else None

    @property
    def standing(self) -> Standing | None:
        return standing(self.version, self.versions, self.on_date) if self.version else None

    @property
    def is_draft(self) -> bool:
        return self.version is not None and self.version.state == State.DRAFT

    @property
    def is_submitted(self) -> bool:
        return self.version is not None and self.version.state == State.SUBMITTED

    @property
    def others(self) -> list[tuple[LegalEntity, str]]:
        """Other legal entities with the address of the same tab."""
        return [(entity, address(self.tab, entity.pk, None)) for entity in self.entities if entity.pk != self.entity.pk]

    @property
    def tabs(self) -> list[tuple[str, str, bool]]:
        """Words and address of each tab, and whether it is open."""
        return [(words, self.link(tab), tab == self.tab) for tab, words in TABS]

    def link(self, tab: str) -> str:
        return address(tab, self.entity.pk, self.version.pk if self.version else None)


def address(tab: str, entity_id: int, version_id: int | None) -> str:
    """The address of a tab for a legal entity and, where it is given, one of its versions."""
    rows = {"rules": "mappings_mappingrule_changelist", "crosswalks": "mappings_crosswalk_changelist"}
    if tab in rows:
        query = {"mapping_table__id__exact": version_id} if version_id else {"entity": entity_id}
        return f"{reverse(f'admin:{rows[tab]}')}?{urlencode(query)}"
    if tab == "versions":
        query = {"legal_entity__id__exact": entity_id}
        return f"{reverse('admin:mappings_mappingtable_changelist')}?{urlencode(query)}"
    page = reverse(f"admin:mappings_{tab}", args=[entity_id])
    return f"{page}?{urlencode({'version': version_id})}" if version_id else page


def crumbs_of(place: Place | None, title: str) -> dict[str, list[tuple[str, str]]]:
    """The way to a mapping page, for its template."""
    return {"crumbs": [("Mapping", address("coverage", place.entity.pk, None) if place else ""), (title, "")]}


def place_of(request: HttpRequest, tab: str, entity_id: object = None, version_id: object = None) -> Place | None:
    """The place of a request, in three queries, inside a scope; kept with the request for head and tabs.

    Without a legal entity the first by name; without a version the unfinished one, else the one in use. None where the
    tenant has no legal entity. Raises Http404 for what does not exist here.
    """
    entities = list(LegalEntity.objects.select_related("erp_connection").order_by("name"))
    wanted = _number(version_id)
    if not entities:
        if wanted is not None:
            raise Http404
        return None
    versions = list(MappingTable.objects.select_related("legal_entity__erp_connection").order_by("-version"))
    if wanted is not None:
        version = next((each for each in versions if each.pk == wanted), None)
        if version is None or entity_id not in (None, version.legal_entity_id):
            raise Http404
        entity_id = version.legal_entity_id
    number = _number(entity_id)
    entity = entities[0] if number is None else next((each for each in entities if each.pk == number), None)
    if entity is None:
        raise Http404
    mine = [each for each in versions if each.legal_entity_id == entity.pk]
    last_seen = SourceCode.objects.filter(legal_entity=entity).aggregate(Max("last_seen_date"))["last_seen_date__max"]
    on_date = max(timezone.localdate(), last_seen or date.min)
    shown = next((each for each in mine if each.pk == wanted), None) if wanted else _default(mine, on_date)
    membership = membership_of(request)
    place = Place(
        entity=entity,
        entities=entities,
        versions=mine,
        version=shown,
        may_edit=has_role(request, EDITORS),
        may_approve=has_role(request, APPROVERS),
        may_see_pay=membership is not None and membership.may_see_pay,
        username=request.user.get_username(),
        on_date=on_date,
        tab=tab,
    )
    request.mapping_place = place  # type: ignore[attr-defined]
    return place


# Versions of one legal entity


def serving(versions: Iterable[MappingTable], check_date: date) -> MappingTable | None:
    """The approved version that serves a check date, as `tables.approved_table` finds it."""
    found = [each for each in versions if each.state == State.APPROVED and each.valid_from <= check_date]
    return max(found, key=_age, default=None)


def before(version: MappingTable, versions: Iterable[MappingTable]) -> MappingTable | None:
    """The approved version that serves the first check date of a version without it."""
    return serving((each for each in versions if _age(each) < _age(version)), version.valid_from)


def standing(version: MappingTable, versions: Collection[MappingTable], on_date: date) -> Standing:
    """`on_date` is that of the place: whatever serves today or then is in use."""
    if version.state != State.APPROVED:
        return Standing(version.state)
    if version in (serving(versions, timezone.localdate()), serving(versions, on_date)):
        return Standing.IN_USE
    is_later = version.valid_from > on_date and version == serving(versions, version.valid_from)
    return Standing.APPROVED if is_later else Standing.REPLACED


def unfinished_of(versions: Collection[MappingTable]) -> MappingTable | None:
    newest = sorted(versions, key=lambda each: -each.version)
    return next((each for each in newest if each.state != State.APPROVED and not _is_overtaken(each, versions)), None)


def _is_overtaken(version: MappingTable, versions: Iterable[MappingTable]) -> bool:
    """Whether a newer version of its date is approved: it could never come to serve."""
    return any(
        each.state == State.APPROVED and each.valid_from == version.valid_from and each.version > version.version
        for each in versions
    )


def _default(versions: list[MappingTable], on_date: date) -> MappingTable | None:
    return unfinished_of(versions) or serving(versions, on_date) or next(iter(versions), None)


def _age(version: MappingTable) -> tuple[date, int]:
    return version.valid_from, version.version


def _number(value: object) -> int | None:
    """An id out of an address. Raises Http404 for what is none."""
    if value in (None, ""):
        return None
    if not str(value).isdecimal() or len(str(value)) > 18:
        raise Http404
    return int(str(value))
