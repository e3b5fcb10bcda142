"""The FSM sandbox, and what our client asks of it, against the published facts in ../shared/reference/infor-fsm.

Fields, parameters and sets against the OpenAPI extracts, a real batch of eight rows with its real answer, real results of
runs, the calls of public clients, and the error texts. So client and sandbox cannot agree on an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from django.db.models import Q

from audit.exchange import OutcomeUnknown, Rejected
from audit.models import Exchange
from erp.infor.fsm.answers import batch_of, page_of
from erp.infor.fsm.fields import fields_of
from erp.infor.fsm.journal import SEQUENCE, row_bodies
from erp.infor.fsm.ledger import RunResult
from erp.infor.fsm.reference import ACCOUNT_FIELDS, ENTITY_FIELDS, PERIOD_FIELDS
from erp.infor.fsm.refusals import refusal_of
from erp.infor.fsm.sandbox_runs import SWITCHES, TEXTS
from erp.infor.fsm.sandbox_schema import classes
from erp.infor.fsm.setup import GROUP_FIELDS
from tenants.scope import tenant_scope
from tests.erp.infor.fsm.conftest import DEFAULTS, INTERFACE, Fsm, Kept, payroll

SHARED = Path(__file__).resolve().parents[5] / "shared/reference/infor-fsm"

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not SHARED.exists(), reason="../shared/reference/infor-fsm is not here"),
]
STAGING = "/classes/GLTransactionInterface"
RUN = "/ldrest/GLTransactionInterface/InterfaceTransactions_InterfaceTransactionsForm_FormOperation"
#: Classes whose OpenAPI is not public; what the sandbox has of them is assumed.
UNPUBLISHED = {"GLTransactionInterfaceResult", "GLTransactionDetail", "AccountingUnit"}


def shared(name: str) -> Any:
    return json.loads((SHARED / f"{name}.json").read_text())


def case(name: str) -> Any:
    (found,) = [each for each in shared("errors")["cases"] if each["name"] == name]
    return found


# Classes


def test_the_staging_class_has_the_fields_of_its_openapi() -> None:
    published, ours = shared("gltransactioninterface"), classes()["GLTransactionInterface"]
    assert set(ours.create["fields"]) == {field["name"] for field in published["createFields"]}
    assert set(ours.create["required"]) == {field["name"] for field in published["createFields"] if field["required"]}
    assert set(ours.create["dates"]) == {field["name"] for field in published["createFields"] if field.get("format")}
    assert ours.create["enums"] == {
        field["name"]: field["enum"] for field in published["createFields"] if field.get("enum")
    }
    assert ours.fields | {"_all"} == set(published["listFields"])
    (sets,) = [parameter["enum"] for parameter in published["listParams"] if parameter["name"] == "_setName"]
    assert ours.sets == set(sets)


@pytest.mark.parametrize("name", ["AccountingEntity", "FinanceDimension1", "GeneralLedgerChartAccount"])
def test_a_class_of_the_set_up_has_no_field_that_is_not_published(name: str) -> None:
    published, ours = shared("setup-classes")[name], classes()[name]
    assert ours.fields <= set(published["genericFieldsOfInterest"])
    assert ours.sets <= set(published["sets"])
    assert ours.lists <= {"_generic", *published["lists"]}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("FinanceEnterpriseGroup", GROUP_FIELDS),
        ("AccountingEntity", ENTITY_FIELDS),
        ("GeneralLedgerChartAccount", ACCOUNT_FIELDS),
        ("GeneralLedgerClosePeriod", PERIOD_FIELDS),
        ("FinanceDimension1", ("FinanceDimension1", "Description", "Active")),
    ],
)
def test_we_ask_for_published_fields_only(name: str, fields: tuple[str, ...]) -> None:
    assert set(fields) <= set(shared("setup-classes")[name]["genericFieldsOfInterest"])


def test_every_class_of_the_sandbox_is_published_or_named_as_assumed() -> None:
    published = {"GLTransactionInterface", *shared("setup-classes")}
    ours = {name for name in classes() if not name.startswith("FinanceDimension")}
    assert ours - published == UNPUBLISHED


# Staging


def test_a_real_batch_is_answered_as_the_real_one_was(fsm: Fsm) -> None:
    answer = fsm.ask(
        f"{STAGING}/actions/CreateUnreleased/batch", {"_maxFailures": "-1"}, shared("create-batch-request")
    )
    assert answer.status_code == 200
    assert answer.json() == shared("create-batch-response")


def test_the_real_answer_is_read_as_eight_rows() -> None:
    found = batch_of(shared("create-batch-response"), SEQUENCE, 8)
    assert found is not None
    assert (len(found.created), found.refused, found.is_complete) == (8, (), True)


def test_our_rows_have_the_shape_of_real_ones() -> None:
    real = shared("create-batch-request")["_records"][0]["_fields"]
    published = {field["name"] for field in shared("gltransactioninterface")["createFields"]}
    fields = fields_of({**DEFAULTS, "enterprise_group": "1"})
    (first, *_) = row_bodies(payroll(4), {"CostCenter": "AccountingUnit"}, fields)
    assert set(first) <= published
    assert all(isinstance(value, str) for value in first.values())
    dimensions = {name for name in real if name.startswith("FinanceDimension")}
    assert set(first) - {"AccountingUnit"} == set(real) - dimensions
    same = (
        "Status",
        "GeneralLedgerEvent",
        "System",
        "AutoReverse",
        "UnitsAmount",
        "JournalCode",
        "Project",
        "DocumentNumber",
    )
    assert {name: first[name] for name in same} == {name: real[name] for name in same}
    assert len(first["PostingDate"]) == len(real["PostingDate"]) == 8


@pytest.mark.parametrize("place", [0, 1])
def test_a_refused_row_is_read_in_both_shapes(fsm: Fsm, place: int) -> None:
    row = case("batch-row-failed")["rowVariants"][place]
    found = batch_of([row, {"batchStatus": "0"}], SEQUENCE, 1)
    assert found is not None
    assert found.refused == (("3", "…"),)
    fsm.set(exception_style=("object", "text")[place])
    body = {"_records": [{"message": "BatchImport", "_fields": {SEQUENCE: "3", "Colour": "red"}}]}
    ours, _ = fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", None, body).json()
    assert set(ours) == set(row)
    assert ours["_fields"] == row["_fields"]
    assert type(ours["exception"]) is type(row["exception"])


# Runs


def published_run() -> dict[str, Any]:
    found: dict[str, Any] = shared("interface-transactions-call")
    return found


def test_we_submit_a_run_as_a_public_client_does(fsm: Fsm) -> None:
    journal = payroll(4)
    fsm.connector().post_journal(journal, Kept().progress())
    with tenant_scope(fsm.tenant_id):
        sent = Exchange.objects.get(Q(path__endswith=INTERFACE))
    published = published_run()["request"]
    assert sent.method == published["method"]
    assert sent.path.endswith(published["path"].removeprefix("/{tenant}"))
    query, expected = dict(parse_qsl(sent.query)), {**published["query"], "PrmRunGroup": journal.posting_key}
    # Our record of the exchange hides what is called a rate.
    hidden = {name for name, value in query.items() if value == "•••"}
    assert set(query) == set(expected)
    assert hidden <= {"PrmBypassNegativeRateEdit"}
    assert {name: query[name] for name in set(query) - hidden} == {name: expected[name] for name in set(query) - hidden}
    assert sent.is_write


def test_a_run_is_answered_in_the_published_shape(fsm: Fsm) -> None:
    published = published_run()
    answer = fsm.ask(RUN, published["request"]["query"])
    assert (answer.status_code, answer.json()) == (200, published["response200"])


def test_a_run_has_the_parameters_of_its_openapi() -> None:
    published = {each["name"] for each in shared("gltransactioninterface")["interfaceTransactions"]["params"]}
    assert published - {"FSMInboundBODTracker", "_cm.<index>"} == SWITCHES | TEXTS


@pytest.mark.parametrize(("name", "fails"), [("interface-result-ok", False), ("interface-result-failed", True)])
def test_a_result_has_the_shape_of_a_real_one(fsm: Fsm, name: str, fails: bool) -> None:
    header, real = shared(name)
    query = dict(parse_qsl(urlsplit(header["_links"][0]["href"]).query))
    group = real["_fields"]["RunGroup"]
    if fails:
        # 645 rows with bad coding: every one of them is staged, and every one of them fails.
        rows = [
            {
                "message": "BatchImport",
                "_fields": {
                    "FinanceEnterpriseGroup": "1", "GLTransactionInterface.RunGroup": group, SEQUENCE: str(number),
                    "AccountingEntity": "100", "AccountCode": "none", "PostingDate": "20260731",
                },
            }
            for number in range(1, 646)
        ]  # fmt: skip
        answer = fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", None, {"_records": rows}).json()
        assert len(answer) == 646
        assert {element.get("message") for element in answer[:-1]} == {"Global Ledger Transaction Interface created"}
    else:
        journal = payroll(8, key=group)
        bodies = row_bodies(journal, {"CostCenter": "AccountingUnit"}, fields_of({**DEFAULTS, "enterprise_group": "1"}))
        records = [{"message": "BatchImport", "_fields": body} for body in bodies]
        fsm.ask(f"{STAGING}/actions/CreateUnreleased/batch", None, {"_records": records})
    fsm.ask(RUN, {**published_run()["request"]["query"], "PrmRunGroup": group})
    ours_header, ours = fsm.ask("/classes/GLTransactionInterfaceResult/lists/_generic", query).json()
    assert {**ours["_fields"], "GLTransactionInterfaceResult": ""} == {
        **real["_fields"], "GLTransactionInterfaceResult": "",
    }  # fmt: skip
    assert ours_header["_count"] == header["_count"] == -1
    assert [link["rel"] for link in ours_header["_links"]] == [link["rel"] for link in header["_links"]]
    for link, real_link in zip(ours_header["_links"], header["_links"], strict=True):
        assert link["href"].startswith("../lists/_generic?")
        asked, really = parse_qs(urlsplit(link["href"]).query), parse_qs(urlsplit(real_link["href"]).query)
        assert asked["_lplFilter"] == really["_lplFilter"]
    found = RunResult.of(page_of([header, real], "it").rows[0])
    assert (found.is_good, found.is_refusal) == (not fails, fails)


# Lists


CALLS = (
    "pre-check staging", "interface result", "line errors", "posted lines", "accounts", "dimension", "entities", "periods",
)  # fmt: skip


def test_every_published_call_is_played() -> None:
    assert {each["name"] for each in shared("list-calls")["calls"]} == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_of_public_clients_are_answered(fsm: Fsm, call: str) -> None:
    (published,) = [each for each in shared("list-calls")["calls"] if each["name"] == call]
    answer = fsm.ask(published["path"], published["query"])
    assert answer.status_code == 200, answer.text
    wanted = published["query"]["_fields"].split(",")
    header, *rows = answer.json()
    assert "_count" in header
    for row in rows:
        assert list(row["_fields"]) == wanted
        assert all(isinstance(value, str) for value in row["_fields"].values())


def test_an_empty_list_is_a_header_alone(fsm: Fsm) -> None:
    answer = fsm.ask(f"{STAGING}/lists/_generic", {"_fields": "Status", "_lplFilter": 'Status = "9"'})
    assert answer.json() == shared("list-calls")["emptyList"]


def test_a_list_shows_as_many_rows_as_its_openapi_says(fsm: Fsm) -> None:
    (limit,) = [each for each in shared("gltransactioninterface")["listParams"] if each["name"] == "_limit"]
    answer = fsm.ask("/classes/AccountingUnit/lists/_generic", {"_fields": "AccountingUnit"})
    assert len(answer.json()) - 1 == limit["default"]


def test_we_use_published_parameters_of_lists(fsm: Fsm) -> None:
    fsm.connector(is_warm=False).read_reference()
    fsm.connector().find_journal(payroll(4), Kept().progress())
    published = {each["name"] for each in shared("gltransactioninterface")["listParams"]} | {
        "_fields",
        "_omitCountValue",
    }
    with tenant_scope(fsm.tenant_id):
        queries = list(Exchange.objects.filter(path__contains="/lists/").values_list("query", flat=True))
    assert queries
    for query in queries:
        assert set(parse_qs(query)) <= published


# Errors


def test_a_filter_that_cannot_be_read_is_refused_in_the_real_words(fsm: Fsm) -> None:
    wrong = case("lpl-filter-bad")
    answer = fsm.ask(f"{STAGING}/lists/_generic", {"_fields": "Status", "_lplFilter": 'Status == "0"'})
    assert answer.status_code == wrong["status"]
    assert set(answer.json()) == set(case("generic-400")["shape"])
    for words in wrong["bodyContains"]:
        assert words in answer.json()["message"]
        assert refusal_of(words) is not None


def test_a_run_group_without_journal_is_not_deleted_in_the_real_words(fsm: Fsm) -> None:
    journal = payroll(4)
    connector = fsm.connector()
    connector.post_journal(journal, Kept().progress())
    real = case("delete-run-group-not-journalized")["messageText"]
    query = {"PrmRunGroup": journal.posting_key, "_cmAll": "true"}
    path = next(path for _, path in shared("gltransactioninterface")["allPaths"] if "DeleteAllTransactions" in path)
    answer = fsm.ask(path, query)
    assert answer.status_code == 400
    assert answer.json()["message"].endswith(real)
    with pytest.raises(Rejected, match="“Cannot delete, journalize not complete for this run group”"):
        connector._client.delete(journal.posting_key)


def test_the_error_of_a_line_has_the_real_words(own_fsm: Fsm) -> None:
    real = case("interface-line-error")
    for month in range(1, 13):
        own_fsm.suite.books.remove_record("GeneralLedgerClosePeriod", f"2025|{month:02d}")
    row = {"PostingDate": "20250825", "AccountingEntity": "100"}
    assert own_fsm.suite.runs().error_of(row) == real["examples"][0]
    assert refusal_of(real["examples"][0]) is not None


def test_a_list_of_another_kind_that_cannot_be_put_together_is_known() -> None:
    assert refusal_of(case("aggregation-bad")["bodyContains"][0]) is not None


def test_the_gateway_that_gives_up_is_an_unknown_outcome(fsm: Fsm) -> None:
    real = case("gateway-504")
    fsm.play("status", f"{INTERFACE}$", status=real["status"], body=real["body"])
    with pytest.raises(OutcomeUnknown, match="gave up waiting"):
        fsm.connector().post_journal(payroll(4), Kept().progress())
