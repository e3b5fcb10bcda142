"""IFS Cloud holds what every ERP has to hold: in one changeset and row by row, with a search in its ledger and without."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audit import work
from audit.models import AuditEntry
from audit.sandbox import Sandbox, Store
from erp.ifs.sandbox import IfsSandbox
from erp.ifs.sandbox_settings import Settings
from erp.models import Posting
from erp.states import NotAllowed
from tenants.scope import tenant_scope
from tests.erp.books import Books
from tests.erp.contract import PostingContract
from tests.erp.far_ledger import FarLedger, Held, Step
from tests.erp.ifs.conftest import BATCH, CREATE, LEDGER_SOURCES, LOOK, OPEN
from tests.erp.nursery import wait_until

SIGN_IN = Step("sign_in", "POST", "openid-connect/token")
DISCOVERY = Step("discovery", "GET", "openid-configuration")
FIND, READ_BACK = Step("find", "GET", LOOK), Step("read_back", "GET", LOOK, skip=1)
HEADER = Step("header", "POST", OPEN)
CREATE_IN_BATCH = Step("create", "POST", BATCH, has_effect=True)


class Ifs(FarLedger):
    """As it should be set up: vouchers in one changeset, and a search in the ledger."""

    system: ClassVar[str] = "ifs"
    company_code: ClassVar[str] = "US10"
    other_company_code: ClassVar[str] = "US20"
    debit: ClassVar[tuple[str, tuple[tuple[str, str], ...]]] = ("6000", (("CostCenter", "100"),))
    credit: ClassVar[str] = "2110"
    ledger_source: ClassVar[str] = "projection"
    uses_batch: ClassVar[str] = "yes"
    steps: ClassVar[tuple[Step, ...]] = (
        SIGN_IN,
        FIND,
        Step("search", "GET", "LEDGERROWSSet"),
        HEADER,
        CREATE_IN_BATCH,
        READ_BACK,
    )
    sign_in: ClassVar[Step] = SIGN_IN
    read_back: ClassVar[Step] = READ_BACK
    # Twelve rows in three changesets, CreateVoucher with the last of them.
    pieces: ClassVar[tuple[dict[str, str], Step]] = (
        {"changeset_size": "4"},
        Step("second changeset", "POST", BATCH, skip=1),
    )

    def start(self, folder: Path) -> Sandbox:
        self.books = IfsSandbox(Store(folder / "ifs.sqlite"))
        server = Sandbox([self.books])
        server.start()
        return server

    def fields(self) -> dict[str, str]:
        facts = self.books.facts()
        known = ("address", "realm", "client_id", "client_secret", "user_group", "voucher_type")
        own = {"companies": "US10, US20", "uses_batch": self.uses_batch}
        return {**{name: facts[name] for name in known}, **own, **LEDGER_SOURCES.get(self.ledger_source, {})}

    def reset(self) -> None:
        self.books.reset_ledger()
        self.books.change_settings(**{**asdict(Settings()), "ledger_source": self.ledger_source})

    def journals(self) -> list[Held]:
        return [
            Held(key, voucher["Company"], voucher["row_count"], voucher["debit"], voucher["credit"])
            for voucher in self.books.ledger_state()["vouchers"]
            for key in {row["ReferenceNumber"] for row in voucher["rows"]}
        ]

    def expire_tokens(self) -> None:
        self.books.expire_tokens()

    def post_all(self) -> None:
        self.books.update_ledger()

    def remove(self, posting_key: str) -> None:
        self.books.remove_voucher(*self._key(posting_key))

    def alter(self, posting_key: str) -> None:
        with self.books.store.transaction():
            held = self.books.held_voucher(*self._key(posting_key))
            self.books.books.change_row(held, 1, {"DebetAmount": Decimal(7), "CurrencyDebetAmount": Decimal(7)})

    def _key(self, posting_key: str) -> tuple[str, int, str, int]:
        (found,) = [
            voucher
            for voucher in self.books.ledger_state()["vouchers"]
            if voucher["rows"][0]["ReferenceNumber"] == posting_key
        ]
        return found["Company"], int(found["AccountingYear"]), found["VoucherType"], int(found["VoucherNo"])

    def set_account(self, number: str, *, is_open: bool) -> None:
        with self.books.store.transaction():
            until = "2049-12-31" if is_open else "2001-01-01"
            self.books.reference.set_account("US10", number, {"ValidUntil": until})

    def refusal(self) -> dict[str, Any]:
        return {"fault": "illegal_state", "path": BATCH if self.uses_batch == "yes" else CREATE}


class IfsRowByRow(Ifs):
    uses_batch: ClassVar[str] = "no"
    steps: ClassVar[tuple[Step, ...]] = (
        Step("type", "PATCH", "VoucherSet"),
        Step("row", "POST", "VoucherPostingArray", skip=2),
        Step("create", "POST", CREATE, has_effect=True),
    )
    pieces: ClassVar[tuple[dict[str, str], Step]] = ({}, Step("seventh row", "POST", "VoucherPostingArray", skip=6))


class IfsWithoutSearch(Ifs):
    ledger_source: ClassVar[str] = "none"
    can_search_ledger: ClassVar[bool] = False
    steps: ClassVar[tuple[Step, ...]] = (DISCOVERY, CREATE_IN_BATCH, READ_BACK)


class TestIfs(PostingContract):
    far_ledger = Ifs

    def test_a_web_page_in_place_of_ifs_blocks_and_is_released_once_it_is_gone(self, books: Books) -> None:
        first = books.send(books.journal())
        books.play("html", FIND, status=200, times=50)
        posting = books.settled(books.keep_contra(first))
        assert (posting.state, posting.reason) == ("blocked", "configuration")
        assert "Check the IFS Cloud address" in posting.sentence
        books.far.server.faults.clear()
        books.read_reference()
        books.hurry()
        books.holds(first, books.settled(posting))

    @pytest.mark.parametrize(
        ("what", "reason"), [("period", "period"), ("right", "configuration"), ("account", "mapping")]
    )
    def test_what_was_closed_since_it_was_read_goes_on_by_itself_once_it_is_open(
        self, books: Books, what: str, reason: str
    ) -> None:
        """The reference data are fresh, so only IFS itself can refuse; they change when it is opened again."""
        ifs = books.far.books  # type: ignore[attr-defined]
        journal = books.journal()

        def turn(is_open: bool) -> None:
            if what == "period":
                ifs.reference.set_period("US10", journal.posting_date, "Open" if is_open else "Closed")
            elif what == "right":
                ifs.change_settings(denied_projections="" if is_open else "VoucherEntryAssistantHandling")
            else:
                books.far.set_account(books.far.debit[0], is_open=is_open)

        turn(False)
        posting = books.send(journal)
        assert (posting.state, posting.reason) == ("blocked", reason), posting.sentence
        books.holds()
        if what != "right":
            books.read_reference()
            assert books.settled(posting).reason == reason, "what is read now closes it as well"
        turn(True)
        books.read_reference()
        books.hurry()
        books.holds(books.settled(posting))

    def test_all_that_ifs_would_refuse_is_named_at_once_and_nothing_leaves(self, books: Books) -> None:
        """IFS itself names one mistake at a time, after the last step."""
        lines = [
            ("1010", ()),  # a ledger account
            ("2105", (("CostCenter", "100"),)),  # blocks it
            ("5000", ()),  # demands it
            ("6000", (("CostCenter", "101"),)),  # no longer valid
            ("6000", (("CostCenter", "777"),)),  # does not exist
            ("6000", (("Planet", "MARS"),)),  # no code part
            ("6095", (("CostCenter", "100"),)),  # not valid on the day
            ("6999", ()),  # for budgets only
            ("9999", ()),  # does not exist
        ]
        journal = books.journal()
        debit = Decimal("10.00")
        bad = [
            replace(journal.lines[0], number=number, main_account=account, dimensions=dimensions, debit=debit)
            for number, (account, dimensions) in enumerate(lines, 1)
        ]
        last = replace(journal.lines[-1], number=len(bad) + 1, credit=debit * len(bad))
        before = books.requests()
        posting = books.send(replace(journal, lines=(*bad, last), posting_date=date(2031, 1, 1)))
        assert (posting.state, posting.reason) == ("blocked", "reference"), posting.sentence
        for words in ("1010", "2105", "5000", "101", "777", "Planet", "6095", "6999", "9999", "2031"):
            assert words in posting.sentence, words
        assert len(posting.problems) >= len(lines) + 1
        assert books.requests() == before

    def test_a_company_code_that_ifs_does_not_have_is_named_and_nothing_leaves(self, books: Books) -> None:
        before = books.requests()
        posting = books.send(books.journal(company_code="XX99"))
        assert posting.state == Posting.State.BLOCKED
        assert "XX99" in posting.sentence
        assert books.requests() == before


class TestIfsRowByRow(PostingContract):
    far_ledger = IfsRowByRow


class TestIfsWithoutSearch(PostingContract):
    far_ledger = IfsWithoutSearch

    def test_a_voucher_whose_answer_was_lost_before_the_ledger_update_is_found_by_a_person(
        self, books: Books, settings: Any
    ) -> None:
        settings.SETTLING_SECONDS = 60
        posting = books.keep(books.journal())
        books.play("lost_answer", CREATE_IN_BATCH)
        work.drain(seconds=60)
        assert books.far.server.faults.waiting() == 0, "the fault was never played"
        books.far.post_all()
        posting = books.settled(posting)
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        words = f"The ledger does not show the journal after 1 minute. Look for reference {posting.posting_key} in IFS Cloud."
        assert posting.sentence.startswith(words)
        for number in ("", "   ", "9" * 61):
            with pytest.raises(NotAllowed, match="ocument number"):
                books.found(posting, number)
        posting = books.found(posting, " G 2026000131 ")
        assert (posting.state, posting.document_number, posting.found_by) == ("posted", "G 2026000131", "dana")
        with tenant_scope(books.tenant.pk):
            entry = AuditEntry.objects.get(action="posting.found")
        assert (entry.actor, entry.facts["document_number"]) == ("dana", "G 2026000131")
        books.holds(posting)

    def test_with_a_token_at_hand_a_journal_costs_four_requests(self, books: Books) -> None:
        """Find, open, changeset, read back: seen from over there, all that the product does for one journal."""
        books.send(books.journal())
        before = books.requests()
        books.send(books.journal(lines=20))
        wait_until(lambda: books.requests() >= before + 4, "fewer requests than that")
        assert books.requests() == before + 4
