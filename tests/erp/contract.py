"""What every ERP has to hold, as one test class: `erp.posting` brings journals into a far ledger over real HTTP while
requests fail, answers are lost, tokens end and workers are killed. However it goes, the ledger has each journal exactly
once, or none and a sentence (invariants I1, I2 and I6).

To test an ERP, give in its test folder

1. a subclass of `FarLedger` (`tests.erp.far_ledger`; every attribute says what it is): how its sandbox is started, which
   fields a connection has, which requests one posting makes, and how its books are read and changed from over there;
2. a subclass of `PostingContract` whose `far_ledger` is that class. Nothing else: all tests are inherited. Tests of what
   only this ERP does to a posting go into the same class. One more pair for each other way of connecting, with the steps
   (and `faults`) that differ only.

`tests/erp/d365/test_contract_posting.py` is the model. A test takes about a tenth of a second, a kill about half a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.db import IntegrityError, connection

from audit import work
from audit.models import AuditEntry, Exchange
from erp.connector import Reference
from erp.models import Posting
from mappings.journal import JournalKind
from mappings.models import MappingTable
from tenants.models import Connection, Tenant
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.erp.books import FAULTS, FINAL, Books, books_of
from tests.erp.far_ledger import FarLedger, Step
from tests.erp.nursery import Nursery, wait_until

#: How long a request is held open so that something can happen beside it, in seconds.
MOMENT = 0.15
ENTERED = {Posting.State.ENTERED, Posting.State.POSTED}


class PostingContract:
    """Inherit this as `class TestX(PostingContract)` and name the FarLedger."""

    far_ledger: ClassVar[type[FarLedger]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        far = self.far_ledger
        if "frame_fault" in metafunc.fixturenames:
            metafunc.parametrize("frame_fault", far.faults or tuple(FAULTS))
        if "step" in metafunc.fixturenames:
            metafunc.parametrize("step", far.steps, ids=lambda step: step.name)
        if "effect" in metafunc.fixturenames:
            effects = [step for step in far.steps if step.has_effect]
            metafunc.parametrize("effect", effects, ids=lambda step: step.name)

    @pytest.fixture(scope="class")
    @classmethod
    def far(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarLedger]:
        found = cls.far_ledger(tmp_path_factory.mktemp("far"))
        yield found
        found.stop()

    @pytest.fixture(scope="class")
    @classmethod
    def known(cls) -> list[Reference]:
        return []

    @pytest.fixture(scope="class")
    @classmethod
    def nurseries(cls) -> Iterator[list[Nursery]]:
        """At most one, made where a test wants workers of its own: the database has to be there first."""
        found: list[Nursery] = []
        yield found
        for nursery in found:
            nursery.close()

    @pytest.fixture
    def books(self, far: FarLedger, known: list[Reference], tenant: Tenant, settings: Any) -> Books:
        # Unknown outcomes settle at once; how long they settle in production is each connector's own figure.
        settings.SETTLING_SECONDS = 0
        far.server.faults.clear()
        far.server.log.clear()
        far.reset()
        return books_of(tenant, far, known)

    @pytest.fixture
    def nursery(self, transactional_db: None, nurseries: list[Nursery]) -> Nursery:
        if not nurseries:
            nurseries.append(Nursery())
        return nurseries[0]

    def ended_well(self, books: Books, posting: Posting, *, may_be_lost: bool = False) -> None:
        """One journal; or, where a request with an effect on the books vanished on its way and the ledger cannot be
        searched, none and a person who is asked.
        """
        assert books.far.server.faults.waiting() == 0, "the fault was never played"
        if posting.state == Posting.State.BLOCKED and may_be_lost and not self.far_ledger.can_search_ledger:
            assert posting.reason == "unclear", posting.sentence
            assert posting.posting_key in posting.sentence
            books.holds()
            return
        assert posting.state in ENTERED, posting.sentence
        books.holds(posting)

    # The main job

    def test_a_journal_is_entered_read_back_and_then_posted(self, books: Books) -> None:
        posting = books.send(books.journal(lines=12))
        assert posting.state == Posting.State.ENTERED, posting.sentence
        assert posting.document_number
        assert books.attempts(posting) == [("find", "absent"), ("post", "journalreceipt")]
        books.holds(posting)
        books.far.post_all()
        books.hurry()
        posting = books.again(posting)
        assert posting.state == Posting.State.POSTED, posting.sentence
        books.holds(posting)

    def test_every_kind_of_journal_is_entered_and_stands_apart(self, books: Books) -> None:
        kinds = (JournalKind.PAYROLL, JournalKind.ACCRUAL, JournalKind.SETTLEMENT)
        postings = [books.send(books.journal(kind)) for kind in kinds]
        postings.append(books.settled(books.keep_contra(postings[0])))
        assert {posting.state for posting in postings} == {Posting.State.ENTERED}, [each.sentence for each in postings]
        assert len({posting.document_number for posting in postings}) == 4
        books.holds(*postings)

    def test_a_payroll_of_two_company_codes_is_a_journal_in_each(self, books: Books) -> None:
        first = books.keep(books.journal())
        second = books.keep(books.journal(company_code=self.far_ledger.other_company_code), beside=first)
        first = books.settled(first)
        assert first.state in ENTERED, first.sentence
        second = books.settled(second)
        assert second.state in ENTERED, second.sentence
        books.holds(first, second)

    def test_a_journal_that_does_not_balance_is_refused_and_nothing_leaves(self, books: Books) -> None:
        with pytest.raises(IntegrityError, match="erp_posting_balances"):
            books.keep(books.unbalanced())
        assert books.requests() == 0

    def test_of_a_journal_that_shows_pay_no_exchange_keeps_a_body(self, books: Books) -> None:
        with tenant_scope(books.tenant.pk):
            MappingTable.objects.update(lines="employee")
        posting = books.send(books.journal())
        assert posting.state in ENTERED, posting.sentence
        with tenant_scope(books.tenant.pk):
            kept = list(Exchange.objects.filter(about=posting.posting_key))
        assert kept
        assert {(each.is_private, each.request_body, each.answer_body) for each in kept} == {(True, "", "")}

    # Faults

    def test_one_journal_whatever_happens_to_one_request(self, books: Books, frame_fault: str, step: Step) -> None:
        if step == self.far_ledger.sign_in:
            books.far.expire_tokens()
        books.play(frame_fault, step)
        posting = books.send(books.journal())
        self.ended_well(books, posting, may_be_lost=step.has_effect)

    def test_one_journal_whatever_happens_in_the_middle_of_many_requests(self, books: Books, frame_fault: str) -> None:
        """What is found of it is resumed, or thrown away and begun anew."""
        fields, piece = self.far_ledger.pieces
        books.change_fields(**fields)
        books.play(frame_fault, piece)
        self.ended_well(books, books.send(books.journal(lines=12)))

    def test_a_lost_answer_is_asked_for_and_not_sent_again(self, books: Books, effect: Step) -> None:
        books.play("lost_answer", effect)
        posting = books.send(books.journal())
        self.ended_well(books, posting)
        steps = [step for step, _ in books.attempts(posting)]
        assert steps[:3] == ["find", "post", "find"]

    def test_a_far_side_that_is_away_for_a_while_costs_time_only(self, books: Books) -> None:
        books.play("status", times=5)
        books.holds(books.send(books.journal()))

    def test_a_far_side_that_never_gives_a_clear_answer_is_shown_to_a_person(self, books: Books) -> None:
        first = next(step for step in self.far_ledger.steps if step.has_effect)
        books.play("status", first, times=50, status=500)
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        assert posting.posting_key in posting.sentence
        books.holds()

    def test_a_token_that_ends_between_two_steps_is_not_noticed(self, books: Books, step: Step) -> None:
        """While the answer of one step is on its way, all tokens end; the next step finds that out."""
        books.far.expire_tokens()
        posting = books.keep(books.journal())
        books.play("slow_answer", step, seconds=MOMENT)
        ended = threading.Event()

        def end_tokens() -> None:
            wait_until(lambda: not books.far.server.faults.waiting(), "the step was never reached")
            time.sleep(MOMENT / 2)
            books.far.expire_tokens()
            ended.set()

        watcher = threading.Thread(target=end_tokens)
        watcher.start()
        work.drain(seconds=60)
        watcher.join()
        assert ended.is_set()
        posting = books.again(posting)
        assert posting.state == Posting.State.ENTERED, posting.sentence
        assert [outcome for _, outcome in books.attempts(posting)] == ["absent", "journalreceipt"]
        books.holds(posting)

    # Kills and races

    @pytest.mark.parametrize("moment", ["slow", "slow_answer"], ids=["before it is done", "after it is done"])
    def test_a_worker_killed_at_any_step_leaves_one_journal(
        self, nursery: Nursery, books: Books, moment: str, step: Step
    ) -> None:
        books.far.expire_tokens()
        posting = books.keep(books.journal())
        books.play(moment, step, seconds=MOMENT)
        pid = nursery.worker()
        wait_until(lambda: not books.far.server.faults.waiting(), "the step was never reached")
        # The request has arrived; its work is still to be done, or its answer is still to come.
        time.sleep(MOMENT / 3)
        nursery.kill(pid)
        # What the dead worker asked for is done all the same.
        wait_until(lambda: moment in books.played(), "the request was never finished")
        books.leases_end()
        self.ended_well(books, books.settled(posting))

    def test_workers_that_race_make_one_journal(self, nursery: Nursery, books: Books) -> None:
        postings = [books.keep(books.journal()) for _ in range(3)]
        workers = [nursery.worker() for _ in range(3)]
        wait_until(lambda: all(books.again(posting).state in ENTERED for posting in postings), "not all entered")
        for pid in workers:
            nursery.kill(pid)
        books.holds(*[books.again(posting) for posting in postings])

    @pytest.mark.parametrize("moment", ["slow", "slow_answer"], ids=["before it is done", "after it is done"])
    def test_a_worker_that_was_taken_for_dead_makes_no_second_journal(
        self, transactional_db: None, books: Books, settings: Any, moment: str, effect: Step
    ) -> None:
        """It hangs in a request while another one takes its work over, and goes on once the answer is there. The other one
        asks after the settling time, which is longer than a request may take.
        """
        settings.SETTLING_SECONDS = 3 * MOMENT
        posting = books.keep(books.journal())
        books.play(moment, effect, seconds=2 * MOMENT)

        def work_off() -> None:
            try:
                work.drain(seconds=60)
            finally:
                connection.close()

        sleeper = threading.Thread(target=work_off)
        sleeper.start()
        wait_until(lambda: not books.far.server.faults.waiting(), "the step was never reached")
        books.leases_end()

        def is_final() -> bool:
            work.drain(seconds=60)
            return books.again(posting).state in FINAL

        wait_until(is_final, "nobody took the work over")
        sleeper.join()
        self.ended_well(books, books.again(posting))
        assert [step for step, _ in books.attempts(posting)].count("find") == 2, "it was never taken over"
        with tenant_scope(books.tenant.pk):
            assert AuditEntry.objects.filter(action="posting.entered").count() == 1

    # Found and absent

    def test_a_second_installation_finds_what_the_first_entered(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        journal = books.journal()
        first = books.send(journal)
        other = books_of(other_tenant, books.far, known)
        second = other.send(journal)
        assert (second.state, second.document_number) == (Posting.State.ENTERED, first.document_number)
        assert other.attempts(second) == [("find", "found")]
        books.holds(first)

    def test_a_second_installation_finds_what_is_posted(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        if not self.far_ledger.can_search_ledger:
            pytest.skip("this ledger cannot be searched")
        journal = books.journal()
        first = books.send(journal)
        books.far.post_all()
        second = books_of(other_tenant, books.far, known).send(journal)
        assert second.state == Posting.State.POSTED, second.sentence
        books.holds(first)

    def test_a_found_journal_that_is_not_whole_is_resumed_or_shown_and_never_doubled(
        self, books: Books, other_tenant: Tenant, known: list[Reference]
    ) -> None:
        journal = books.journal(lines=6)
        first = books.send(journal)
        books.far.alter(journal.posting_key)
        (altered,) = books.far.journals()
        assert (altered.line_count, altered.debit) != (first.line_count, first.debit)
        second = books_of(other_tenant, books.far, known).send(journal)
        if second.state == Posting.State.BLOCKED:
            assert second.reason in {"rejected", "unclear"}
            assert books.far.journals() == [altered]
        else:
            books.holds(second)

    def test_a_journal_that_a_person_changed_is_noticed(self, books: Books) -> None:
        posting = books.send(books.journal())
        books.far.alter(posting.posting_key)
        books.hurry()
        posting = books.again(posting)
        assert (posting.state, posting.reason) == ("blocked", "unclear")
        assert posting.document_number in posting.sentence
        assert len(books.far.journals()) == 1

    def test_a_replay_of_what_is_there_sends_nothing(self, books: Books) -> None:
        posting = books.send(books.journal())
        with tenant_scope(books.tenant.pk):
            Posting.objects.filter(pk=posting.pk).update(state="blocked", reason="unclear")
        posting = books.replay(posting)
        assert posting.state == Posting.State.ENTERED
        assert [step for step, _ in books.attempts(posting)].count("post") == 1
        books.holds(posting)

    def test_a_journal_that_a_person_removed_is_not_entered_again_by_itself(self, books: Books) -> None:
        posting = books.send(books.journal())
        books.far.remove(posting.posting_key)
        books.hurry()
        posting = books.again(posting)
        books.holds()
        if self.far_ledger.can_search_ledger:
            assert (posting.state, posting.reason) == ("blocked", "removed")
            books.holds(books.replay(posting))
        else:
            # It may as well have been posted.
            assert posting.state == Posting.State.ENTERED or posting.reason == "unclear"

    def test_a_known_number_without_its_journal_is_not_sent_again(self, books: Books) -> None:
        """It was entered, its read-back failed, and a person took it out before it was tried again."""
        posting = books.keep(books.journal())
        books.play("lost_answer", self.far_ledger.read_back)
        work.drain(seconds=60)
        assert books.far.server.faults.waiting() == 0, "the fault was never played"
        assert books.again(posting).state == Posting.State.SENDING
        books.far.remove(posting.posting_key)
        posting = books.settled(posting)
        expected = "removed" if self.far_ledger.can_search_ledger else "unclear"
        assert (posting.state, posting.reason) == ("blocked", expected), posting.sentence
        books.holds()

    # What people say about a journal of which nobody knows

    def test_what_two_people_do_not_find_is_sent_again_once(self, books: Books) -> None:
        member(books.tenant, "dana", "approver")
        books.play("status", next(step for step in self.far_ledger.steps if step.has_effect), times=50, status=500)
        posting = books.send(books.journal())
        assert (posting.state, posting.reason) == ("blocked", "unclear"), posting.sentence
        books.far.server.faults.clear()
        posting = books.not_there(posting, "bob")
        assert (posting.state, posting.not_there_by) == ("blocked", ["bob"])
        books.holds()
        posting = books.not_there(posting, "dana")
        assert posting.state in ENTERED, posting.sentence
        books.holds(posting)

    def test_what_is_there_after_all_is_found_although_two_people_did_not_find_it(self, books: Books) -> None:
        member(books.tenant, "dana", "approver")
        posting = books.send(books.journal())
        with tenant_scope(books.tenant.pk):
            Posting.objects.filter(pk=posting.pk).update(state="blocked", reason="unclear")
        posting = books.not_there(posting, "bob", "dana")
        assert posting.state in ENTERED, posting.sentence
        assert [step for step, _ in books.attempts(posting)].count("post") == 1
        books.holds(posting)

    # Refusals

    def test_a_refused_journal_leaves_nothing_behind(self, books: Books) -> None:
        books.play(**books.far.refusal())
        posting = books.send(books.journal())
        assert books.far.server.faults.waiting() == 0, "the fault was never played"
        assert (posting.state, posting.reason) == ("blocked", "rejected"), posting.sentence
        books.holds()
        books.holds(books.replay(posting))

    def test_an_account_that_was_closed_since_it_was_read_blocks_in_the_vendors_words(self, books: Books) -> None:
        account, _ = books.far.debit
        books.far.set_account(account, is_open=False)
        try:
            posting = books.send(books.journal())
        finally:
            books.far.set_account(account, is_open=True)
        assert posting.state == Posting.State.BLOCKED
        assert posting.reason in {"rejected", "mapping"}
        assert account in posting.sentence
        books.holds()
        books.holds(books.replay(posting))

    def test_a_wrong_secret_breaks_the_connection_and_the_journal_goes_on_once_it_is_right(self, books: Books) -> None:
        first = books.send(books.journal())
        books.change_fields(**books.far.wrong_secret())
        posting = books.settled(books.keep_contra(first))
        assert (posting.state, posting.reason) == ("blocked", "configuration"), posting.sentence
        with tenant_scope(books.tenant.pk):
            broken = Connection.objects.get(pk=books.connection_id)
        assert broken.health == Connection.Health.BROKEN
        assert "secret" in broken.health_sentence
        assert "not-the-secret" not in posting.sentence + broken.health_sentence
        books.holds(first)
        books.change_fields(**books.far.fields())
        books.read_reference()
        books.hurry()
        posting = books.settled(posting)
        assert posting.state in ENTERED, posting.sentence
        books.holds(first, posting)
        with tenant_scope(books.tenant.pk):
            assert Connection.objects.get(pk=books.connection_id).health == Connection.Health.HEALTHY
