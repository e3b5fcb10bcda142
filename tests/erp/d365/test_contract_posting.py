"""Dynamics 365 holds what every ERP has to hold."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audit.sandbox import Sandbox, Store
from erp.d365.sandbox import D365Sandbox
from erp.d365.sandbox_settings import Settings
from tests.erp.books import Books
from tests.erp.contract import PostingContract
from tests.erp.far_ledger import FarLedger, Held, Step

BATCH = r"/data/\$batch"


SIGN_IN = Step("sign_in", "POST", "/oauth2/v2.0/token")
READ_BACK = Step("read_back", "POST", BATCH, skip=2)


class Dynamics(FarLedger):
    system: ClassVar[str] = "d365"
    company_code: ClassVar[str] = "us01"
    other_company_code: ClassVar[str] = "us02"
    debit: ClassVar[tuple[str, tuple[tuple[str, str], ...]]] = ("6000", (("Department", "020"),))
    credit: ClassVar[str] = "2110"
    steps: ClassVar[tuple[Step, ...]] = (
        SIGN_IN,
        Step("find", "POST", BATCH),
        Step("header", "POST", "/data/LedgerJournalHeaders", has_effect=True),
        Step("lines", "POST", BATCH, skip=1, has_effect=True),
        READ_BACK,
    )
    sign_in: ClassVar[Step] = SIGN_IN
    read_back: ClassVar[Step] = READ_BACK
    # The search, then six changesets of two lines: a request for each, as the setting says how many lines go together.
    pieces: ClassVar[tuple[dict[str, str], Step]] = ({"changeset_size": "2"}, Step("third pair", "POST", BATCH, skip=3))

    def start(self, folder: Path) -> Sandbox:
        self.books = D365Sandbox(Store(folder / "d365.sqlite"))
        server = Sandbox([self.books])
        server.start()
        return server

    def fields(self) -> dict[str, str]:
        facts = self.books.facts()
        known = ("environment", "authority", "directory_id", "client_id", "client_secret")
        return {**{name: facts[name] for name in known}, "journal_name": "PAYROLL"}

    def reset(self) -> None:
        self.books.reset_ledger()
        self.books.change_settings(**asdict(Settings()))

    def journals(self) -> list[Held]:
        return [
            Held(
                journal["Description"].rsplit(" ", 1)[-1],
                journal["dataAreaId"],
                journal["line_count"],
                journal["debit"],
                journal["credit"],
            )
            for journal in self.books.ledger_state()["journals"]
        ]

    def expire_tokens(self) -> None:
        self.books.expire_tokens()

    def post_all(self) -> None:
        self.books.post_journals()

    def remove(self, posting_key: str) -> None:
        (found,) = [each for each in self.books.ledger_state()["journals"] if each["Description"].endswith(posting_key)]
        self.books.delete_journal(found["dataAreaId"], found["JournalBatchNumber"])

    def alter(self, posting_key: str) -> None:
        (found,) = [each for each in self.books.ledger_state()["journals"] if each["Description"].endswith(posting_key)]
        self.books.delete_line(found["dataAreaId"], found["JournalBatchNumber"], 1)

    def set_account(self, number: str, *, is_open: bool) -> None:
        with self.books.store.transaction():
            self.books.reference.change_account(number, {"IsSuspended": "No" if is_open else "Yes"})

    def refusal(self) -> dict[str, Any]:
        return {"fault": "changeset_fails"}


class TestDynamics(PostingContract):
    far_ledger = Dynamics

    @pytest.mark.parametrize("fault", ["update_conflict", "batch_part_429", "batch_truncated"])
    def test_one_journal_whatever_dynamics_does_to_the_lines(self, books: Books, fault: str) -> None:
        books.play(fault)
        self.ended_well(books, books.send(books.journal()))

    def test_a_journal_of_many_changesets_is_resumed_and_never_doubled(self, books: Books) -> None:
        books.change_fields(changeset_size="2")
        # The first request with lines arrives and is stored, its answer is cut after the first changeset.
        books.play("batch_truncated")
        books.play("lost_answer", READ_BACK, skip=4)
        self.ended_well(books, books.send(books.journal(lines=12)))
