"""Infor FSM holds what every ERP has to hold: with a validation run first and without."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audit.sandbox import Request, Sandbox, Store
from erp.connector import Reference
from erp.infor.fsm.sandbox import FsmSuite
from erp.infor.fsm.sandbox_settings import FsmSettings
from erp.infor.sandbox import InforSandbox
from tenants.models import Tenant
from tests.erp.books import Books, books_of
from tests.erp.contract import PostingContract
from tests.erp.far_ledger import FarLedger, Held, Step
from tests.erp.infor.fsm.conftest import CREATE, DETAILS, INTERFACE, RESULTS, STAGED

SIGN_IN = Step("sign_in", "POST", "token.oauth2")
READ_BACK = Step("read_back", "GET", STAGED, skip=1)
STAGE = Step("stage", "POST", CREATE, has_effect=True)


class Fsm(FarLedger):
    system: ClassVar[str] = "infor_fsm"
    sandbox: ClassVar[str] = "infor"
    company_code: ClassVar[str] = "100"
    other_company_code: ClassVar[str] = "200"
    debit: ClassVar[tuple[str, tuple[tuple[str, str], ...]]] = ("6000", (("CostCenter", "100"), ("Location", "BOS")))
    credit: ClassVar[str] = "2110"
    can_search_ledger: ClassVar[bool] = False
    validates_first: ClassVar[str] = "no"
    steps: ClassVar[tuple[Step, ...]] = (
        SIGN_IN,
        Step("find_staged", "GET", STAGED),
        Step("find_results", "GET", RESULTS),
        Step("find_lines", "GET", DETAILS),
        STAGE,
        Step("interface", "GET", f"{INTERFACE}$", has_effect=True),
        Step("result", "GET", RESULTS, skip=1),
        READ_BACK,
    )
    sign_in: ClassVar[Step] = SIGN_IN
    read_back: ClassVar[Step] = READ_BACK
    pieces: ClassVar[tuple[dict[str, str], Step]] = ({"batch_rows": "5"}, Step("second batch", "POST", CREATE, skip=1))

    def start(self, folder: Path) -> Sandbox:
        self.infor = InforSandbox(Store(folder / "infor.sqlite"))
        server = Sandbox([self.infor])
        server.start()
        return server

    @property
    def suite(self) -> FsmSuite:
        found = self.infor.suites["FSM"]
        assert isinstance(found, FsmSuite)
        return found

    def fields(self) -> dict[str, str]:
        return {"ionapi": self.infor.ionapi(), "enterprise_group": "1", "validates_first": self.validates_first}

    def wrong_secret(self) -> dict[str, str]:
        return {"ionapi": json.dumps({**json.loads(self.infor.ionapi()), "cs": "not-the-secret"})}

    def reset(self) -> None:
        self.infor.reset_ledger()
        self.suite.change_settings(**asdict(FsmSettings()))

    def journals(self) -> list[Held]:
        return [
            Held(each["run_group"], each["entity"], each["row_count"], each["debit"], each["credit"])
            for each in self.suite.ledger_state()["journals"]
        ]

    def expire_tokens(self) -> None:
        self.infor.sign_in.expire_all()

    def post_all(self) -> None:
        self.suite.post_journals()

    def remove(self, posting_key: str) -> None:
        self.suite.remove_run_group(posting_key)

    def alter(self, posting_key: str) -> None:
        """In the journal that FSM made; what was changed there shows once it is posted."""
        with self.suite.store.transaction():
            (journal,) = [each for each in self.suite.books.journals() if each["run_group"] == posting_key]
            first, *others = journal["rows"]
            rows = [{**first, "TransactionAmount": f"{Decimal(first['TransactionAmount']) - 7:.3f}"}, *others]
            self.suite.books.put_journal({**journal, "rows": rows, "is_posted": True})

    def set_account(self, number: str, *, is_open: bool) -> None:
        with self.suite.store.transaction():
            active = "true" if is_open else "false"
            self.suite.books.change_record("GeneralLedgerChartAccount", number, {"Active": active})

    def refusal(self) -> dict[str, Any]:
        return {"fault": "row_error", "path": f"{INTERFACE}$"}

    def interface(self, posting_key: str) -> None:
        """A person in FSM lets a run group be interfaced."""
        query = "&".join(
            f"{name}={value}"
            for name, value in {
                "PrmRunGroup": posting_key,
                "PrmEnterpriseGroup": "1",
                "PrmEditOnly": "false",
                "PrmEditAndInterface": "true",
            }.items()
        )
        request = Request("GET", "", query, {}, b"", "", self.server.faults, "infor")
        with self.suite.store.transaction():
            self.suite.runs().submit(request)

    def staged(self) -> dict[str, Any]:
        """What lies in the staging and is in no journal."""
        state = self.suite.ledger_state()
        entered = {each["run_group"] for each in state["journals"]}
        return {group: rows for group, rows in state["staged"].items() if group not in entered}


class FsmValidating(Fsm):
    """An edit-only run first; of the other steps the faults are played above."""

    validates_first: ClassVar[str] = "yes"
    faults: ClassVar[tuple[str, ...] | None] = ("lost_answer", "refuse", "status_after")
    steps: ClassVar[tuple[Step, ...]] = (
        SIGN_IN,
        Step("validate", "GET", f"{INTERFACE}/EditOnly"),
        Step("validated", "GET", RESULTS, skip=1),
        Step("interface", "GET", f"{INTERFACE}$", has_effect=True),
    )


class TestFsm(PostingContract):
    far_ledger = Fsm

    def test_what_is_posted_is_found_by_a_second_installation(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        """The ledger can be searched by reference, although it shows nothing before a journal is posted."""
        journal = books.journal()
        first = books.send(journal)
        books.far.post_all()
        second = books_of(other_tenant, books.far, known).send(journal)
        assert second.state == "posted", second.sentence
        assert second.document_number != journal.posting_key
        books.holds(first)

    def test_a_closed_period_blocks_and_goes_on_by_itself_once_it_is_open(self, books: Books) -> None:
        """The reference data are fresh, so only FSM itself can refuse; they change when it is opened again."""
        far = books.far
        assert isinstance(far, Fsm)
        entity = far.suite.books.record("AccountingEntity", "100")
        assert entity is not None
        far.suite.books.change_record("AccountingEntity", "100", {"CurrentPeriodEndDate": "20991231"})
        try:
            posting = books.send(books.journal())
            assert (posting.state, posting.reason) == ("blocked", "period"), posting.sentence
            assert "Period is closed for Posting Date August 14, 2026" in posting.sentence
            assert far.staged() == {}
            books.holds()
            books.read_reference()
        finally:
            far.suite.books.put_record("AccountingEntity", "100", entity)
        books.read_reference()
        books.hurry()
        books.holds(books.settled(posting))

    @pytest.mark.parametrize("fault", ["row_error", "row_refused"])
    def test_a_refusal_leaves_nothing_in_the_staging(self, books: Books, fault: str) -> None:
        far = books.far
        assert isinstance(far, Fsm)
        books.play(fault)
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "rejected"), posting.sentence
        assert far.staged() == {}
        books.holds(books.replay(posting))

    @pytest.mark.parametrize("way", ["deleted", "interfaced"])
    def test_a_run_that_never_happened_is_settled_by_a_person_in_fsm(self, books: Books, way: str) -> None:
        """Shown as unclear, with what to do; what the person does over there decides, and nothing is sent by itself."""
        far = books.far
        assert isinstance(far, Fsm)
        books.change_fields(result_seconds="1")
        books.play("run_vanishes", path=f"{INTERFACE}$")
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        assert "interface it there, or delete it there" in posting.sentence
        assert list(far.staged()) == [posting.posting_key]
        posting = books.replay(posting)
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        books.holds()
        if way == "deleted":
            far.remove(posting.posting_key)
            posting = books.replay(posting)
            assert (posting.state, posting.reason) == ("blocked", "removed"), posting.sentence
            books.holds()
        else:
            far.interface(posting.posting_key)
        books.holds(books.replay(posting))


class TestFsmValidating(PostingContract):
    far_ledger = FsmValidating
