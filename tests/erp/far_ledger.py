"""One ERP's sandbox, as the contract of posting needs it: what an ERP gives so that `tests.erp.contract` can be played on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from audit.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a posting, as faults are aimed at it. `path`: a regular expression searched in the path below the
    system's prefix; `skip`: requests that fit and come before it.
    """

    name: str
    method: str
    path: str
    skip: int = 0
    has_effect: bool = False
    """Sent twice, it would leave something twice in the books."""


@dataclass(frozen=True, slots=True)
class Held:
    """One journal in the far ledger, read by the far side's own means."""

    posting_key: str
    company_code: str
    line_count: int
    debit: Decimal
    credit: Decimal


class FarLedger(ABC):
    """The sandbox of one ERP and one way of connecting to it. Its set-up stays as it is for all tests of a class; only its
    books are emptied between two tests.
    """

    system: ClassVar[str]
    sandbox: ClassVar[str] = ""
    """The name under which its sandbox is served; empty = that of the system."""
    company_code: ClassVar[str]
    other_company_code: ClassVar[str]
    """A second set of books in the same currency."""
    debit: ClassVar[tuple[str, tuple[tuple[str, str], ...]]]
    """A main account that takes wages, and dimensions for it; in both companies, and the only one that tests close."""
    credit: ClassVar[str]
    """A main account for the other side that needs no dimension; in both companies."""
    steps: ClassVar[tuple[Step, ...]]
    """The requests of one posting of four lines in their order, from the sign-in with no token at hand to the read-back."""
    sign_in: ClassVar[Step]
    """The one of them that signs in."""
    read_back: ClassVar[Step]
    """The one of them that reads the journal back."""
    pieces: ClassVar[tuple[dict[str, str], Step]]
    """Fields of the connection with which a journal of twelve lines goes in several requests, and one in the middle."""
    can_search_ledger: ClassVar[bool] = True
    """Whether a journal can be proven absent although it left once."""
    faults: ClassVar[tuple[str, ...] | None] = None
    """The faults of `contract.FAULTS` to play at each step; None: all. Name fewer where another class of the same ERP plays
    the rest."""

    def __init__(self, folder: Path) -> None:
        self.server = self.start(folder)

    @abstractmethod
    def start(self, folder: Path) -> Sandbox:
        """The sandbox on a free port, with its store in `folder`, listening."""

    def stop(self) -> None:
        self.server.stop()

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """The fields of a connection that works in both companies."""

    def wrong_secret(self) -> dict[str, str]:
        """Fields to change so that the sign-in is refused; the value `not-the-secret` may stand nowhere afterwards."""
        return {"client_secret": "not-the-secret"}

    @abstractmethod
    def reset(self) -> None:
        """Empty books; settings as at the start."""

    @abstractmethod
    def journals(self) -> list[Held]:
        """Everything in the books of both companies, entered or posted, whole or not."""

    @abstractmethod
    def expire_tokens(self) -> None:
        """No token given out so far is taken any more."""

    @abstractmethod
    def post_all(self) -> None:
        """What people or jobs over there do to post what was entered."""

    @abstractmethod
    def remove(self, posting_key: str) -> None:
        """A person takes an entered journal out."""

    @abstractmethod
    def alter(self, posting_key: str) -> None:
        """A person takes one line out of an entered journal, or changes its amount."""

    @abstractmethod
    def set_account(self, number: str, *, is_open: bool) -> None:
        """Close or open a main account."""

    @abstractmethod
    def refusal(self) -> dict[str, Any]:
        """The fault by which the far side refuses a journal in the middle, for good: arguments of `Books.play`."""
