"""Payroll files as payroll runs: kept once, never doubled beside another file or Gusto, taken back whole."""

from __future__ import annotations

import json
import threading
import zlib
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import AuditEntry, WorkItem
from audit.trail import sentence
from gusto import events, files
from gusto.files import Effect, NotPossible, Outcome, add, effect_of, read_file, take_back
from gusto.models import Employee, PayrollDocument, PayrollRun
from gusto.payroll_document import header_of, reading_of
from gusto.payroll_run import accept_difference
from gusto.signals import payroll_changed, payroll_processed
from mappings.models import SourceCode
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tenants.secrets import unsealed
from tests.gusto.conftest import legal_entity_of
from tests.gusto.documents import COMPANY, PAYROLL, payroll
from tests.gusto.payroll_files import COLUMNS, csv_file, excel_file, json_file, line_rows
from tests.gusto.payroll_files import LINES as PAYROLL_LINES
from tests.gusto.test_file_reading import EMPLOYEES, PERSON, SECOND

State = PayrollRun.State
LINES = csv_file(line_rows())
#: The same payroll as LINES, in which somebody is paid otherwise.
OTHER_LINES = csv_file(line_rows()[:-1] + line_rows([("net_pay", "Direct Deposit", "E02", "", "Sales", "2570.10", "")]))
DOCUMENT = json_file(payroll(PERSON, SECOND))
OTHER_DOCUMENT = json_file(payroll(PERSON))


@pytest.fixture
def told() -> Any:
    said: list[str] = []

    def processed(run: PayrollRun, **_: Any) -> None:
        said.append("processed")

    def changed(what: str, **_: Any) -> None:
        said.append(what)

    payroll_processed.connect(processed)
    payroll_changed.connect(changed)
    yield said
    payroll_processed.disconnect(processed)
    payroll_changed.disconnect(changed)


def give(
    entity: LegalEntity, content: bytes, by: str = "bob", employees: bytes | None = None, name: str = "june.csv"
) -> Effect:
    """A person adds a file."""
    file = read_file(name, content, employees)
    with tenant_scope(entity.tenant_id):
        return add(entity, file, by)


def preview(entity: LegalEntity, content: bytes) -> Effect:
    with tenant_scope(entity.tenant_id):
        return effect_of(entity, read_file("june.csv", content))


def again(run: PayrollRun | None) -> PayrollRun:
    assert run is not None
    with tenant_scope(run.tenant_id):
        found: PayrollRun = PayrollRun.objects.select_related("legal_entity").get(pk=run.pk)
        return found


def runs(entity: LegalEntity) -> int:
    with tenant_scope(entity.tenant_id):
        return PayrollRun.objects.count()


def from_gusto(entity: LegalEntity, **fields: Any) -> PayrollRun:
    """A run that the API brought, of the same days as LINES."""
    with tenant_scope(entity.tenant_id):
        run: PayrollRun = PayrollRun.objects.create(
            legal_entity=entity,
            **{
                "company_uuid": COMPANY, "payroll_uuid": "from-gusto", "state": State.READ, "payroll_type": "regular",
                "check_date": "2026-06-26", "period_start": "2026-06-06", "period_end": "2026-06-19",
                "announced_at": timezone.now(), "read_at": timezone.now(), "content_digest": "0" * 64,
            } | fields,
        )  # fmt: skip
        return run


def documents(run: PayrollRun | None) -> list[PayrollDocument]:
    assert run is not None
    with tenant_scope(run.tenant_id):
        return list(PayrollDocument.objects.filter(payroll_run=run))


def entries(entity: LegalEntity) -> list[tuple[str, str]]:
    """(who, sentence) of the audit trail, oldest first."""
    with tenant_scope(entity.tenant_id):
        return [(entry.actor, sentence(entry)) for entry in AuditEntry.objects.order_by("number")]


class TestAdded:
    def test_a_file_of_lines_becomes_a_run_that_was_read(self, legal_entity, told):
        effect = give(legal_entity, LINES)
        assert (effect.outcome, effect.sentence) == (
            Outcome.NEW, "It becomes the payroll run of 26 Jun 2026 of Acme Bakery LLC.",
        )  # fmt: skip
        run = again(effect.run)
        assert (run.state, run.source, run.employees, run.prepared_by) == (State.READ, "file", 2, ["bob"])
        assert (str(run.check_date), str(run.period_end), str(run.debit_date)) == (
            "2026-06-26",
            "2026-06-19",
            "2026-06-25",
        )
        assert told == ["processed"]
        assert {row["verdict"] for row in run.tie_out} == {"equal"}
        file = read_file("june.csv", LINES)
        assert entries(legal_entity) == [
            ("bob", "File “june.csv” was added as payroll run with check date 26 Jun 2026: 2 people.")
        ]
        with tenant_scope(run.tenant_id):
            assert AuditEntry.objects.get().facts["digest"] == file.digest
            assert header_of(run).lines == file.reading.header.lines
            assert (header_of(run).payroll_uuid, header_of(run).company_uuid) == (run.payroll_uuid, run.company_uuid)
            assert SourceCode.objects.count() == len({line[:2] for line in PAYROLL_LINES})
            # Nothing is asked of Gusto about it.
            assert not WorkItem.objects.exclude(kind="erp.allocate").exists()
            assert not Employee.objects.exists()

    def test_a_document_becomes_a_run_under_its_own_uuid(self, legal_entity, told):
        effect = give(legal_entity, DOCUMENT, employees=json_file(EMPLOYEES), name="june.json")
        run = again(effect.run)
        assert (run.company_uuid, run.payroll_uuid, run.employees) == (COMPANY, PAYROLL, 2)
        assert {row["name"] for row in run.tie_out} > {"T1", "T3 gross", "T7 paid"}
        with tenant_scope(run.tenant_id):
            assert {line.department for line in header_of(run).lines} == {"Fleet", "Office"}
            assert set(Employee.objects.values_list("employee_code", flat=True)) == {"h1", "h2"}
        assert told == ["processed"]

    @pytest.mark.parametrize(("content", "private"), [(LINES, b"2000.00"), (DOCUMENT, b"gross_pay")])
    def test_what_is_kept_is_sealed(self, legal_entity, content, private):
        (document,) = documents(give(legal_entity, content).run)
        assert private in content
        assert private not in bytes(document.sealed)
        opened = json.loads(zlib.decompress(unsealed(document.sealed)))
        assert "".join(opened["pages"]).encode() == content

    def test_excel_is_kept_as_its_rows(self, legal_entity):
        rows = line_rows()
        effect = give(legal_entity, excel_file([COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in rows)]))
        with tenant_scope(legal_entity.tenant_id):
            assert header_of(again(effect.run)).lines == read_file("june.csv", LINES).reading.header.lines

    def test_ids_come_from_the_payroll_and_not_from_our_rows(self, legal_entity, other_tenant):
        there = legal_entity_of(other_tenant, legal_entity.name)
        here, twin = again(give(legal_entity, LINES).run), again(give(there, LINES).run)
        assert (here.company_uuid, here.payroll_uuid) == (twin.company_uuid, twin.payroll_uuid)
        assert here.pk != twin.pk
        cousin = again(give(legal_entity_of(other_tenant, "Another one"), LINES).run)
        assert not {cousin.company_uuid, cousin.payroll_uuid} & {here.company_uuid, here.payroll_uuid}
        bonus = {"payroll_type": "off_cycle", "off_cycle_reason": "Bonus"}
        other = again(give(legal_entity, csv_file(line_rows(**bonus))).run)
        assert (other.company_uuid == here.company_uuid, other.payroll_uuid == here.payroll_uuid) == (True, False)

    def test_a_connected_company_keeps_its_uuid(self, tenant):
        entity = legal_entity_of(tenant, gusto_company_uuid=COMPANY)
        assert again(give(entity, LINES).run).company_uuid == COMPANY

    def test_a_difference_that_may_be_accepted_waits_for_a_person(self, legal_entity, told):
        run = again(give(legal_entity, json_file(payroll(PERSON, totals={"other_deductions": "5.00"}))).run)
        assert (run.state, run.reason, told) == (State.BLOCKED, "tie_out", [])
        with tenant_scope(run.tenant_id):
            accept_difference(run, "T6 other_deductions", "Gusto support knows.")
            assert not WorkItem.objects.filter(kind="gusto.read_ledger_report").exists()
        assert (again(run).state, told) == (State.READ, ["processed"])

    def test_a_payroll_that_gusto_reversed_says_so(self, legal_entity, told):
        document = {**payroll(PERSON), "reversal_payroll_uuids": ["another"]}
        assert again(give(legal_entity, json_file(document)).run).undone_by == "reversed"
        assert told == ["processed", "reversed"]


class TestTwice:
    @pytest.mark.parametrize("content", [LINES, DOCUMENT])
    def test_the_same_file_is_one_run(self, legal_entity, content, told):
        first = give(legal_entity, content)
        before = vars_of(again(first.run))
        told.clear()
        seen = preview(legal_entity, content)
        second = give(legal_entity, content, by="fred")
        day = f"{timezone.now():%-d %b %Y}"
        assert second.outcome == seen.outcome == Outcome.KNOWN
        assert second.sentence == f"This file was added on {day} as payroll run 26 Jun 2026. Nothing was added."
        assert second.run == first.run
        assert vars_of(again(first.run)) == before
        assert (runs(legal_entity), len(documents(first.run)), len(entries(legal_entity)), told) == (1, 1, 1, [])

    def test_the_same_payroll_in_another_order_or_format_is_one_run(self, legal_entity):
        rows = line_rows()
        give(legal_entity, LINES)
        turned = csv_file([rows[0], *reversed(rows[1:])])
        excel = excel_file([COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in rows)])
        for content in (turned, excel):
            assert content != LINES
            assert give(legal_entity, content).outcome == Outcome.KNOWN
        assert runs(legal_entity) == 1

    def test_another_legal_entity_has_its_own(self, legal_entity, tenant):
        other = legal_entity_of(tenant, "Another one")
        assert give(legal_entity, LINES).outcome == give(other, LINES).outcome == Outcome.NEW
        assert runs(legal_entity) == 2

    @pytest.mark.parametrize(
        ("first", "second"), [(LINES, OTHER_LINES), (DOCUMENT, OTHER_DOCUMENT), (LINES, DOCUMENT), (DOCUMENT, LINES)]
    )
    def test_other_content_blocks_and_replaces_nothing(self, legal_entity, first, second, told):
        run = again(give(legal_entity, first).run)
        with tenant_scope(run.tenant_id):
            header = header_of(run)
        seen = preview(legal_entity, second)
        assert again(run).state == State.READ, "a preview changes nothing"
        effect = give(legal_entity, second, by="fred", name="second.csv")
        assert effect.outcome == seen.outcome == Outcome.DIFFERS
        assert effect.changes == seen.changes
        assert "Another file with other content was added on" in effect.sentence
        blocked = again(run)
        assert (blocked.state, blocked.reason, blocked.sentence) == (State.BLOCKED, "unclear", files.TWO_FILES)
        assert [problem["sentence"] for problem in blocked.problems] == effect.changes
        assert blocked.prepared_by == ["bob"]
        assert (runs(legal_entity), len(documents(run)), told) == (1, 1, ["processed"])
        with tenant_scope(run.tenant_id):
            assert header_of(blocked) == header
        assert entries(legal_entity)[1] == (
            "fred", "File “second.csv” says something else of the payroll run with check date 26 Jun 2026. Nothing was replaced.",
        )  # fmt: skip

    def test_what_differs_is_said_sum_by_sum(self, legal_entity):
        give(legal_entity, LINES)
        assert "Checks was 2,570.10 and is 0.00 now." in preview(legal_entity, OTHER_LINES).changes

    def test_the_first_file_again_ends_the_waiting(self, legal_entity, told):
        run = give(legal_entity, LINES).run
        give(legal_entity, OTHER_LINES)
        effect = give(legal_entity, LINES, by="fred")
        assert effect.outcome == Outcome.RESTORED
        assert (again(run).state, again(run).problems, again(run).prepared_by) == (State.READ, [], ["bob"])
        assert told == ["processed", "processed"]
        assert runs(legal_entity) == 1

    def test_two_documents_of_the_same_days_are_two_payrolls(self, legal_entity):
        other = {**payroll(PERSON), "payroll_uuid": "another", "uuid": "another"}
        assert give(legal_entity, DOCUMENT).outcome == give(legal_entity, json_file(other)).outcome == Outcome.NEW
        assert runs(legal_entity) == 2

    @pytest.mark.django_db(transaction=True)
    def test_added_by_two_at_once_it_is_one_run(self, legal_entity):
        outcomes: list[Outcome] = []

        def press() -> None:
            try:
                outcomes.append(give(legal_entity, LINES).outcome)
            finally:
                connection.close()

        threads = [threading.Thread(target=press) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [Outcome.KNOWN] * 3 + [Outcome.NEW]
        assert runs(legal_entity) == 1


class TestBesideGusto:
    def test_a_payroll_that_gusto_brought_is_not_added(self, legal_entity, told):
        run = from_gusto(legal_entity)
        effect = give(legal_entity, LINES)
        assert effect.outcome == Outcome.DIFFERS
        assert (again(run).state, again(run).reason, again(run).sentence) == (
            State.BLOCKED,
            "unclear",
            files.TWO_SOURCES,
        )
        assert (runs(legal_entity), told, documents(run)) == (1, [], [])

    def test_the_same_content_from_gusto_is_known(self, legal_entity):
        digest = read_file("june.json", DOCUMENT).reading.digest
        run = from_gusto(legal_entity, payroll_uuid=PAYROLL, content_digest=digest)
        effect = give(legal_entity, DOCUMENT)
        assert (effect.outcome, effect.run) == (Outcome.KNOWN, run)
        assert "was read from Gusto on" in effect.sentence
        assert again(run).state == State.READ
        assert give(legal_entity, OTHER_DOCUMENT).outcome == Outcome.DIFFERS
        assert (again(run).state, runs(legal_entity)) == (State.BLOCKED, 1)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"state": State.NEW, "read_at": None, "check_date": None}, "Gusto announced this payroll on"),
            ({"state": State.WITHDRAWN, "sentence": "The payroll was cancelled in Gusto."}, "was cancelled in Gusto"),
            ({"state": State.IGNORED, "sentence": "Not posted here."}, "Not posted here"),
        ],
    )
    def test_what_gusto_has_said_of_it_stands(self, legal_entity, fields, said):
        run = from_gusto(legal_entity, payroll_uuid=PAYROLL, **fields)
        before = vars_of(again(run))
        with pytest.raises(NotPossible, match=said):
            give(legal_entity, DOCUMENT)
        assert (vars_of(again(run)), runs(legal_entity)) == (before, 1)

    def test_a_withdrawn_payroll_of_the_same_days_is_another_one(self, legal_entity):
        from_gusto(legal_entity, state=State.WITHDRAWN)
        assert give(legal_entity, LINES).outcome == Outcome.NEW

    def test_another_uuid_is_another_payroll(self, legal_entity):
        from_gusto(legal_entity)
        assert give(legal_entity, DOCUMENT).outcome == Outcome.NEW

    def test_nothing_that_gusto_says_touches_a_file(self, legal_entity):
        run = again(give(legal_entity, DOCUMENT).run)
        before = vars_of(run)
        with tenant_scope(run.tenant_id):
            events._announce(legal_entity.pk, COMPANY, PAYROLL, "the sweep")
            assert not WorkItem.objects.filter(kind="gusto.read_payroll").exists()
        assert (vars_of(again(run)), runs(legal_entity)) == (before, 1)


class TestRefused:
    def test_a_payroll_of_before(self, tenant):
        entity = legal_entity_of(tenant, posts_from_date="2026-07-01")
        with tenant_scope(tenant.id):
            entity.refresh_from_db()
        with pytest.raises(NotPossible, match="check date before 1 Jul 2026 are not posted for Acme Bakery LLC"):
            give(entity, LINES)
        assert (runs(entity), entries(entity)) == (0, [])

    def test_a_payroll_of_another_company(self, tenant):
        first = legal_entity_of(tenant, "First", gusto_company_uuid="another-company")
        second = legal_entity_of(tenant, "Second", gusto_company_uuid=COMPANY)
        with pytest.raises(NotPossible, match="is of the Gusto company of Second, not of First"):
            give(first, DOCUMENT)
        give(second, DOCUMENT)
        third = legal_entity_of(tenant, "Third")
        elsewhere = {**payroll(PERSON), "company_uuid": "a-third", "payroll_uuid": "other", "uuid": "other"}
        give(third, json_file(elsewhere))
        with pytest.raises(NotPossible, match="is of the Gusto company of Third, not of Second"):
            give(second, json_file(elsewhere))
        with pytest.raises(NotPossible, match="another Gusto company than those of Third so far"):
            give(third, json_file({**elsewhere, "company_uuid": "a-fourth", "payroll_uuid": "more", "uuid": "more"}))
        assert runs(first) == 2


class TestTakenBack:
    def test_a_file_is_taken_back_and_the_right_one_follows(self, legal_entity, told):
        run = again(give(legal_entity, LINES).run)
        with tenant_scope(run.tenant_id):
            take_back(run, "fred", " The wrong month. ")
        gone = again(run)
        assert (gone.state, gone.undone_by, gone.prepared_by) == (State.WITHDRAWN, "taken_back", ["bob", "fred"])
        assert told == ["processed", "taken_back"]
        assert entries(legal_entity)[-1] == (
            "fred",
            "The payroll file of the payroll run with check date 26 Jun 2026 was taken back: The wrong month.",
        )
        with pytest.raises(NotPossible, match="being undone"):
            give(legal_entity, OTHER_LINES)
        WorkItem.objects.filter(kind="erp.withdraw").update(state="done")
        effect = give(legal_entity, OTHER_LINES, by="gina")
        assert effect.outcome == Outcome.AGAIN
        back = again(run)
        assert (effect.run, back.state, back.sequence, back.undone_by) == (run, State.READ, 2, "")
        assert (back.payroll_uuid, back.prepared_by) == (run.payroll_uuid, ["bob", "fred", "gina"])
        with tenant_scope(run.tenant_id):
            assert "Check" not in {line.component for line in reading_of(back).header.lines}
        assert len(documents(run)) == 2

    def test_a_document_takes_the_place_of_lines_with_its_own_uuid(self, legal_entity):
        run = again(give(legal_entity, LINES).run)
        with tenant_scope(run.tenant_id):
            take_back(run, "bob", "Gusto's own document is here.")
        WorkItem.objects.filter(kind="erp.withdraw").update(state="done")
        assert give(legal_entity, DOCUMENT).outcome == Outcome.AGAIN
        assert (again(run).payroll_uuid, again(run).sequence) == (PAYROLL, 2)
        with tenant_scope(run.tenant_id):
            assert header_of(again(run)).payroll_uuid == PAYROLL

    def test_what_cannot_be_taken_back(self, legal_entity, told):
        api = from_gusto(legal_entity, check_date="2026-05-01")
        run = again(give(legal_entity, LINES).run)
        with tenant_scope(run.tenant_id):
            for what, reason, said in ((api, "why", "came from Gusto"), (run, "  ", "Say why")):
                with pytest.raises(NotPossible, match=said):
                    take_back(what, "bob", reason)
            take_back(run, "bob", "why")
            with pytest.raises(NotPossible, match="already"):
                take_back(run, "bob", "why")
        assert told == ["processed", "taken_back"]


def vars_of(run: PayrollRun) -> dict[str, Any]:
    return {field.name: getattr(run, field.name) for field in PayrollRun._meta.local_fields}
