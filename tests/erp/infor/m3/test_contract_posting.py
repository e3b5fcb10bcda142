"""Infor M3 holds what every ERP has to hold: with batches that are handed to the ledger, and with batches that wait for a
person in GLS840.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from django.utils import timezone

from audit import work
from audit.sandbox import Sandbox, Store
from erp.connector import Reference
from erp.infor.m3.sandbox import M3Sandbox
from erp.infor.m3.sandbox_interface import CHECKED, lines_kind
from erp.infor.m3.sandbox_jobs import JOB
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.sandbox import InforSandbox
from erp.models import Posting
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.erp.books import Books, books_of
from tests.erp.contract import PostingContract
from tests.erp.far_ledger import FarLedger, Held, Step
from tests.erp.infor.m3.conftest import CHECK, LOOK, READ_BACK, STAGE, UPDATE

SIGN_IN = Step("sign_in", "POST", "/as/token.oauth2")
FIND, STAGING = Step("find", "POST", LOOK), Step("stage", "POST", STAGE)
READING = Step("read_back", "POST", READ_BACK)
CHECKING, UPDATING = Step("check", "POST", CHECK), Step("update", "POST", UPDATE, has_effect=True)


def sums(lines: list[dict[str, Any]]) -> tuple[Decimal, Decimal]:
    amounts = [Decimal(line["CUAM"]) for line in lines]
    zero = Decimal("0.00")
    return sum((each for each in amounts if each > 0), zero), -sum((each for each in amounts if each < 0), zero)


class UpdatingM3(FarLedger):
    """Batches are handed to the ledger, whose job runs when the test says so."""

    system: ClassVar[str] = "infor_m3"
    sandbox: ClassVar[str] = "infor"
    company_code: ClassVar[str] = "MIL"
    other_company_code: ClassVar[str] = "HAU"
    debit: ClassVar[tuple[str, tuple[tuple[str, str], ...]]] = ("6000", (("CostCenter", "100"),))
    credit: ClassVar[str] = "2110"
    steps: ClassVar[tuple[Step, ...]] = (SIGN_IN, FIND, STAGING, READING, CHECKING, UPDATING)
    sign_in: ClassVar[Step] = SIGN_IN
    read_back: ClassVar[Step] = READING
    pieces: ClassVar[tuple[dict[str, str], Step]] = ({"bulk_size": "4"}, Step("lines", "POST", STAGE, skip=2))
    can_search_ledger: ClassVar[bool] = False
    submit_mode: ClassVar[str] = "update"

    def start(self, folder: Path) -> Sandbox:
        self.gateway = InforSandbox(Store(folder / "infor.sqlite"))
        server = Sandbox([self.gateway])
        server.start()
        return server

    @property
    def m3(self) -> M3Sandbox:
        found = self.gateway.suites["M3"]
        assert isinstance(found, M3Sandbox)
        return found

    def fields(self) -> dict[str, str]:
        return {
            "ionapi": self.gateway.ionapi(),
            "company": "100",
            "interface": "PAYROLL",
            "dimensions": "CostCenter=AIT2",
            "divisions": "MIL, HAU",
            "submit_mode": self.submit_mode,
        }

    def wrong_secret(self) -> dict[str, str]:
        file = {**json.loads(self.gateway.ionapi()), "cs": "not-the-secret"}
        return {"ionapi": json.dumps(file)}

    def reset(self) -> None:
        self.gateway.reset_ledger()
        self.m3.change_settings(**{**M3Settings().as_dict(), "updates_by_itself": False})

    def journals(self) -> list[Held]:
        """What was handed to the ledger, once for each time that it was: in the work table or posted."""
        return [
            Held(job["head"]["KEY1"], job["head"]["DIVI"], len(lines), *sums(lines))
            for job in self.m3.jobs.all()
            for lines in [self.m3.jobs.lines_of(job)]
        ]

    def expire_tokens(self) -> None:
        self.gateway.sign_in.expire_all()

    def post_all(self) -> None:
        self.m3.update_ledger()

    def _key(self, posting_key: str) -> str:
        return self.m3.interface.find_key(posting_key)

    def remove(self, posting_key: str) -> None:
        with self.m3.store.transaction():
            self.m3.interface.remove(self._key(posting_key))
            for job in self.m3.jobs.all():
                if job["head"]["KEY1"] == posting_key:
                    self.m3.store.delete(JOB, str(job["id"]))

    def alter(self, posting_key: str) -> None:
        """An amount, on both sides, before the job posts it."""
        with self.m3.store.transaction():
            for job in self.m3.jobs.all():
                if job["head"]["KEY1"] == posting_key:
                    lines = self.m3.jobs.lines_of(job)
                    self._change(lines)
                    self.m3.store.put("M3 job lines", str(job["id"]), lines)
        self.m3.update_ledger()

    def _change(self, lines: list[dict[str, Any]]) -> None:
        for place, difference in ((0, Decimal("0.01")), (-1, Decimal("-0.01"))):
            lines[place]["CUAM"] = str(Decimal(lines[place]["CUAM"]) + difference)

    def set_account(self, number: str, *, is_open: bool) -> None:
        with self.m3.store.transaction():
            for division in ("MIL", "HAU"):
                row = {"DIVI": division, "AITP": "1", "AITM": number, "LCCD": "0" if is_open else "1"}
                self.m3.set_up.set_identity(row)

    def refusal(self) -> dict[str, Any]:
        return {"fault": "refused_transaction", "path": STAGE, "body": {"place": 3, "code": "XNU0000", "field": "CUAM"}}


class StagingM3(UpdatingM3):
    """Batches wait in GLS840 for a person."""

    steps: ClassVar[tuple[Step, ...]] = (
        SIGN_IN,
        FIND,
        Step("stage", "POST", STAGE, has_effect=True),
        READING,
        CHECKING,
    )
    submit_mode: ClassVar[str] = "stage_only"
    faults: ClassVar[tuple[str, ...]] = ("lost_answer", "status", "cut_body")

    def journals(self) -> list[Held]:
        """What waits for a person, which is what M3 checked, and what a person handed to the ledger."""
        staged = [
            Held(batch["head"]["KEY1"], batch["head"]["DIVI"], len(batch["lines"]), *sums(batch["lines"]))
            for batch in self.m3.ledger_state()["batches"]
            if batch["head"] and batch["head"]["STAT"] == CHECKED
        ]
        return [*staged, *super().journals()]

    def reset(self) -> None:
        super().reset()
        self.m3.change_settings(keeps_batch=False)

    def post_all(self) -> None:
        for batch in self.m3.ledger_state()["batches"]:
            self.m3.update_batch(batch["head"]["KEY1"])
        self.m3.update_ledger()

    def alter(self, posting_key: str) -> None:
        with self.m3.store.transaction():
            key = self._key(posting_key)
            lines = self.m3.interface.lines(key)
            self._change(lines)
            self.m3.store.put_many(lines_kind(key), {f"{int(line['LINE']):07d}": line for line in lines})


class TestUpdatingM3(PostingContract):
    far_ledger = UpdatingM3

    def ended_well(self, books: Books, posting: Posting, *, may_be_lost: bool = False) -> None:
        """As everywhere; where nobody knows whether M3 took the batch, a person is asked, M3 has it at most once, and once the
        ledger shows it, asking again is enough.
        """
        far = books.far
        assert isinstance(far, UpdatingM3)
        held = far.journals()
        if posting.reason == "unclear" and held:
            assert "was handed to the ledger of M3, and the answer was lost" in posting.sentence
            books.holds(posting)
            far.post_all()
            posting = books.replay(posting)
            assert posting.state == Posting.State.POSTED, posting.sentence
            assert len(far.m3.ledger_state()["vouchers"]) == 1
        super().ended_well(books, posting, may_be_lost=may_be_lost)

    def test_a_second_installation_finds_the_voucher(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        """Absence cannot be proven once a batch was handed over, yet what is posted is found by its key."""
        journal = books.journal()
        first = books.send(journal)
        books.far.post_all()
        second = books_of(other_tenant, books.far, known).send(journal)
        assert second.state == Posting.State.POSTED, second.sentence
        assert second.document_number.startswith("PR 1000000")
        books.holds(first)

    def test_a_second_installation_never_hands_over_what_the_first_staged(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        """The first one died between staging and UpdBatch, or is about to send it: nobody can know."""
        journal = books.journal()
        books.play("status", UPDATING, status=429, times=1)
        work.drain(seconds=60)
        books.keep(journal)
        work.drain(seconds=60)
        assert books.far.server.faults.waiting() == 0
        other = books_of(other_tenant, books.far, known)
        second = other.send(journal)
        assert second.state == Posting.State.ENTERED
        assert other.attempts(second) == [("find", "found")]
        books.holds()

    def test_what_two_people_do_not_find_is_sent_again_once(self, books: Books) -> None:
        """What is staged already is not handed over a second time: the answer to the first may just be slow. It is left to a
        person in GLS840.
        """
        member(books.tenant, "dana", "approver")
        books.play("status", UPDATING, times=50, status=500)
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        books.far.server.faults.clear()
        posting = books.not_there(posting, "bob", "dana")
        assert posting.state == Posting.State.ENTERED, posting.sentence
        books.holds()
        far = books.far
        assert isinstance(far, UpdatingM3)
        far.m3.update_batch(posting.posting_key)
        far.post_all()
        books.hurry()
        assert books.again(posting).state == Posting.State.POSTED
        books.holds(posting)

    def test_a_voucher_whose_update_was_not_answered_is_found_by_a_person(self, books: Books) -> None:
        books.play("lost_answer", UPDATING)
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        assert f"Look for reference {posting.posting_key} in Infor M3." in posting.sentence
        books.far.post_all()
        posting = books.found(posting, "PR 10000001")
        assert (posting.state, posting.document_number) == ("posted", "PR 10000001")
        books.holds(posting)


class TestStagingM3(PostingContract):
    far_ledger = StagingM3

    def test_a_batch_that_a_person_deleted_is_staged_again_only_if_a_person_says_so(self, books: Books) -> None:
        posting = books.send(books.journal())
        books.far.remove(posting.posting_key)
        books.hurry()
        with tenant_scope(books.tenant.pk):
            row = Posting.objects.get(pk=posting.pk)
            row.progress = {**row.progress, "gone": (timezone.now() - timedelta(hours=5)).isoformat()}
            row.save(update_fields=["progress"])
        books.hurry()
        posting = books.again(posting)
        assert (posting.state, posting.reason) == ("blocked", "removed"), posting.sentence
        books.holds()
        books.holds(books.replay(posting))
