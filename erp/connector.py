"""What posting knows of an ERP, and all of it: one interface, its answers, and the list of ERPs.

A vendor folder implements `Connector`; a vendor's word never leaves it. Money is Decimal, dates are days, texts are
for finance staff. A connector never opens a database transaction and never decides whether to send again: it answers
with a value or with one of the four errors of `audit.exchange`, and `erp.posting` decides.
"""

from __future__ import annotations

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from audit.exchange import RecordedSession
    from mappings.journal import Journal
    from tenants.credentials import CredentialField

#: One line per ERP: system -> (name for people, dotted path of its Connector).
CONNECTORS: dict[str, tuple[str, str]] = {
    "d365": ("Dynamics 365 Finance & Operations", "erp.d365.connector.D365Connector"),
    "ifs": ("IFS Cloud", "erp.ifs.connector.IfsConnector"),
    "infor_m3": ("Infor M3", "erp.infor.m3.connector.M3Connector"),
    "infor_fsm": ("Infor FSM", "erp.infor.fsm.connector.FsmConnector"),
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of "Test connection": what was tried, whether it works, and what to do if not."""

    name: str
    is_passed: bool
    sentence: str
    told_at: float = field(default_factory=time.monotonic, compare=False, repr=False)
    """When it was known, in seconds of the monotonic clock: what lies between two lines is how long the second took."""


@dataclass(frozen=True, slots=True)
class ReferenceAccount:
    """A main account as the ERP has it. Dates are inclusive; None = open."""

    company_code: str
    number: str
    name: str
    is_active: bool = True
    allows_manual_entry: bool = True
    valid_from: date | None = None
    valid_to: date | None = None
    allowed_dimensions: frozenset[str] | None = None
    """Names that may be filled; None = any."""
    required_dimensions: frozenset[str] = frozenset()
    requires_text: bool = False
    entry_note: str = ""
    """Why it takes no manual entry, as a clause behind “it”; empty where the ERP does not say."""


@dataclass(frozen=True, slots=True)
class ReferenceDimensionValue:
    company_code: str
    """Empty = valid in every company code."""
    dimension: str
    value: str
    name: str
    is_active: bool = True
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class ReferencePeriod:
    company_code: str
    start: date
    end: date
    is_open: bool
    name: str = ""
    closed_note: str = ""
    """Why no journal can be entered in it, as a clause; empty where it is simply closed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference data of one connection. `facts` belongs to the connector alone (formats, delimiters) and is JSON."""

    company_codes: tuple[tuple[str, str, str], ...]
    """(company code, name, accounting currency)"""
    dimensions: tuple[str, ...]
    accounts: tuple[ReferenceAccount, ...]
    dimension_values: tuple[ReferenceDimensionValue, ...]
    periods: tuple[ReferencePeriod, ...]
    setup_problems: tuple[str, ...] = ()
    """Sentences about settings in the ERP under which nothing can be posted; they block with `configuration`."""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The ERP holds something under our posting key or under the number that we stored.

    `is_complete` compares count and sums with the journal. `is_posted` means that its ledger shows it.
    """

    document_number: str
    is_complete: bool
    is_posted: bool
    line_count: int
    debit: Decimal
    credit: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Proven: the ERP holds nothing of this journal. `was_known` = we had stored a number, so somebody removed it."""

    was_known: bool = False


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The ERP can neither show the journal nor prove its absence; a person has to look.

    A journal that is entered already is asked for again, and a person only called where `needs_person`: asking again will
    not help.
    """

    sentence: str
    needs_person: bool = False
    is_not_shown: bool = False
    """The ERP shows nothing of a journal that left, which proves nothing: whoever looks has only our reference."""


FindResult = Found | Absent | CannotTell


@dataclass(frozen=True, slots=True)
class JournalReceipt:
    """What the ERP holds after `post_journal`, read back from the ERP and not from what we sent."""

    document_number: str
    is_posted: bool
    line_count: int
    debit: Decimal
    credit: Decimal


class Progress:
    """Steps of a multi-step post, durable before the next step.

    `save()` has committed when it returns; a second worker that takes over sees the same values. `guard()` raises
    `audit.work.LeaseLost` if somebody else owns the work by now: call it before each outside write.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        save: Callable[[dict[str, Any]], None],
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._values = dict(values)
        self._save = save
        self.guard = guard

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def save(self, **values: Any) -> None:
        self._values.update(values)
        self._save(dict(self._values))

    def clear(self) -> None:
        self._values = {}
        self._save({})


@dataclass(frozen=True, slots=True)
class Access:
    """What a connector is given to do its work: the connection's fields, a session that records, the last reference."""

    connection_id: int
    company_code: str
    credentials: Mapping[str, str]
    """Every declared credential field by name, secrets in clear, defaults filled in."""
    session: RecordedSession
    reference: Reference | None = None


class Connector(ABC):
    """The whole interface. Raises only TemporaryFailure, Rejected, Misconfigured, OutcomeUnknown and LeaseLost."""

    system: ClassVar[str]
    label: ClassVar[str]
    credential_fields: ClassVar[tuple[CredentialField, ...]]
    settling_seconds: ClassVar[int] = 60
    """How long after an unknown outcome the ERP is asked (design section 6)."""
    can_undo: ClassVar[bool] = False
    posts_by_itself: ClassVar[bool] = False
    """False: the journal is entered and somebody posts it in the ERP; the console says so in words."""
    effect_sentence: ClassVar[str] = ""
    """What sending creates over there, for the approve dialog."""
    to_ask: ClassVar[tuple[str, ...]] = ()
    """What an administrator of the system has to give or set up, as sentences, before a connection can be tested."""
    limits: ClassVar[tuple[str, ...]] = ()
    """What this system cannot do, as sentences for the console."""

    def __init__(self, access: Access) -> None:
        self.access = access

    @classmethod
    def page(cls, fields: Mapping[str, str], company_code: str) -> str:
        """Address of the system as people open it in a browser; empty = the fields of the connection do not say."""
        return ""

    @classmethod
    def begun_anew(cls, progress: Mapping[str, Any]) -> dict[str, Any]:
        """What stays of a posting's progress when two people say that the ERP holds nothing of it: by default nothing."""
        return {}

    @abstractmethod
    def check(self) -> list[CheckResult]:
        """Sign in and look at what posting needs. Never raises for what it finds: each finding is a line."""

    @abstractmethod
    def read_reference(self) -> Reference: ...

    @abstractmethod
    def find_journal(self, journal: Journal, progress: Progress) -> FindResult:
        """Look by posting key and by the stored number. Absent only where absence is proven."""

    @abstractmethod
    def post_journal(self, journal: Journal, progress: Progress) -> JournalReceipt:
        """Enter the journal, or resume a partial one that `progress` or the ERP knows, and read it back."""

    def undo_journal(self, journal: Journal, progress: Progress) -> None:
        """Take a partial, unposted journal out of the ERP. Only where `can_undo`."""
        raise NotImplementedError(f"{self.label} offers no undo")


def connector_class(system: str) -> type[Connector]:
    """The class behind a system. Raises KeyError for a system that is not in CONNECTORS."""
    module_name, _, class_name = CONNECTORS[system][1].rpartition(".")
    found: type[Connector] = getattr(importlib.import_module(module_name), class_name)
    return found
