"""$batch of the IFS Cloud sandbox: parts in order, changesets all or nothing, references, what is refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from erp.ifs.sandbox_schema import projections
from tests.erp.ifs.cloud import (
    ASSISTANT,
    CREATE,
    CRLF,
    KEY,
    Cloud,
    batch_of,
    begun_anew,
    changeset,
    code_of,
    database_error,
    operation,
    parts_of,
    request_text,
    running,
)


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def voucher_requests(ifs, objkey, count=2, **fields):
    """Type, `count` rows and the last step."""
    path = f"VoucherSet(Objkey='{objkey}')"
    rows = [ifs.row(objkey, "6000", Decimal("10.00"), **fields) for _ in range(count - 1)]
    rows.append(ifs.row(objkey, "2110", None, Decimal("10.00") * (count - 1)))
    return [
        request_text("PATCH", path, {"VoucherType": "P"}, If_Match="*"),
        *(request_text("POST", f"{path}/VoucherPostingArray", row) for row in rows),
        request_text("POST", f"{path}/{CREATE}", {}, If_Match="*"),
    ]


def test_a_voucher_in_one_changeset(ifs):
    objkey = ifs.header()["Objkey"]
    parts = parts_of(ifs.batch(batch_of(changeset(*voucher_requests(ifs, objkey)))))
    assert [(part.content_id, part.status, part.changeset) for part in parts] == [
        ("1", 200, 1), ("2", 201, 1), ("3", 201, 1), ("4", 200, 1),
    ]  # fmt: skip
    assert parts[0].json()["VoucherType"] == "P"
    assert parts[1].headers["etag"].startswith('W/"')
    assert parts[-1].json()["value"] == 2026000001
    assert ifs.sandbox.ledger_state()["references"][KEY]["vouchers"] == ["US10/2026/P/2026000001"]


def test_a_changeset_is_all_or_nothing(ifs):
    objkey = ifs.header()["Objkey"]
    answer = ifs.batch(batch_of(changeset(*voucher_requests(ifs, objkey, CodeB="999"))))
    (part,) = parts_of(answer)
    assert (answer.status_code, part.content_id, part.changeset) == (200, "4", 0), "the part that failed, alone"
    assert "CostCenter 999" in database_error(part)
    assert ifs.sandbox.ledger_state()["vouchers"] == []
    assert ifs.rows(f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')/VoucherPostingArray") == []
    assert ifs.get(f"{ASSISTANT}/VoucherSet(Objkey='{objkey}')")["VoucherType"] == "M"
    ifs.batch(batch_of(changeset(*voucher_requests(ifs, objkey))))
    assert ifs.sandbox.ledger_state()["references"][KEY]["rows"] == 2


def test_parts_run_in_order_and_stop_at_the_first_failure(ifs):
    objkey = ifs.header()["Objkey"]
    rows = f"VoucherSet(Objkey='{objkey}')/VoucherPostingArray"
    good = changeset(request_text("POST", rows, ifs.row(objkey, debit=1)))
    bad = operation(request_text("GET", "VoucherSet(Objkey='nobody')"))
    read = operation(request_text("GET", f"{rows}?$select=Account&$top=5"), "r")
    content = batch_of(good, read, bad, good)
    parts = parts_of(ifs.batch(content))
    assert [(part.status, part.changeset, part.content_id) for part in parts] == [
        (201, 1, "1"),
        (200, 0, "r"),
        (404, 0, ""),
    ]
    assert [set(row) & {"Account", "Text"} for row in parts[1].json()["value"]] == [{"Account"}]
    assert len(ifs.rows(f"{ASSISTANT}/{rows}")) == 1, "what was done before stays done"
    parts = parts_of(ifs.batch(content, Prefer="odata.continue-on-error"))
    assert [part.status for part in parts] == [201, 200, 404, 201]
    assert len(ifs.rows(f"{ASSISTANT}/{rows}")) == 3


def test_a_batch_of_reads(ifs):
    years = [operation(request_text("GET", f"AccountingYearSet(Company='US10',AccountingYear={year})/"
             "AccountingPeriodDetailArray?$top=20")) for year in (2025, 2026)]  # fmt: skip
    parts = parts_of(ifs.batch(batch_of(*years), "AccountingPeriodsHandling"))
    assert [len(part.json()["value"]) for part in parts] == [14, 14]


def test_forms_of_an_address(ifs):
    service = ifs.service(ASSISTANT)
    path = service.partition("127.0.0.1")[2].partition("/")[2]
    for address in ("VoucherSet", f"{service}/VoucherSet", f"/{path}/VoucherSet"):
        (part,) = parts_of(ifs.batch(batch_of(operation(request_text("GET", address)))))
        assert part.status == 200, address
    for address in (f"{ifs.service('AccountsHandling')}/AccountSet", "/other/VoucherSet", "$batch", "$metadata"):
        answer = ifs.batch(batch_of(operation(request_text("GET", address))))
        assert code_of(answer) == (400, "ODP_DESERIALIZATION_ERROR"), address


def test_references_to_what_was_created_before(ifs):
    ifs.sandbox.change_settings(parent_from_path=True)
    header = {"OpennedFrom": "NEW_VOUCHER", "Company": "US10", "VoucherDate": "2026-11-13", "FunctionGroup": "M"}
    debit, credit = ifs.row("", "6000", 10), ifs.row("", "2110", None, 10)
    for row in (debit, credit):
        del row["ParentObjkey"]
    texts = [
        request_text("POST", "VoucherSet", header),
        request_text("PATCH", "$1", {"VoucherText2": "Later"}, If_Match="$1"),
        request_text("POST", "$1/VoucherPostingArray", debit),
        request_text("POST", "$1/VoucherPostingArray", credit),
        request_text("POST", f"$1/{CREATE}", {}),
    ]
    parts = parts_of(ifs.batch(batch_of(changeset(*texts))))
    assert [part.status for part in parts] == [201, 200, 201, 201, 200], parts[-1].body
    (voucher,) = ifs.sandbox.ledger_state()["vouchers"]
    assert voucher["VoucherText2"] == "Later"
    # A reference to a later part, to none, or from another changeset.
    for other in (texts[1:], [texts[2].replace("$1", "$9")]):
        (part,) = parts_of(ifs.batch(batch_of(changeset(*other))))
        assert part.status == 404
    parts = parts_of(ifs.batch(batch_of(changeset(texts[0]), changeset(texts[2], name="changeset_2"))))
    assert [part.status for part in parts] == [201, 404]
    # As long as it is unproven, a row has to name its parent, which nobody can know before the answer.
    ifs.sandbox.change_settings(parent_from_path=False)
    (part,) = parts_of(ifs.batch(batch_of(changeset(*texts))))
    assert (part.content_id, part.status, part.json()["error"]["code"]) == ("3", 400, "ODP_MISSING_PROPERTY")


def test_what_is_refused_whole(ifs):
    objkey = ifs.header()["Objkey"]
    good = changeset(*voucher_requests(ifs, objkey))
    content = batch_of(good)
    bad = [
        content.replace(CRLF.encode(), b"\n"),
        content.replace(b"--batch_1--", b""),
        content.replace(b"Content-ID: 2", b"Content-ID: 1"),
        content.replace(b"Content-ID: 2\r\n", b""),
        content.replace(b"Content-Transfer-Encoding: binary\r\n", b""),
        content.replace(b"application/http", b"text/plain"),
        content.replace(b"PATCH VoucherSet", b"GET VoucherSet"),
        content.replace(b" HTTP/1.1", b""),
        b"",
    ]
    for wrong in bad:
        answer = ifs.batch(wrong)
        assert code_of(answer) == (400, "ODP_DESERIALIZATION_ERROR"), wrong[:300]
    answer = ifs.call("POST", f"{ASSISTANT}/$batch", content, Content_Type="application/json")
    assert answer.status_code == 400
    assert code_of(ifs.call("GET", f"{ASSISTANT}/$batch")) == (405, "ODP_NOT_ALLOWED")
    ifs.sandbox.change_settings(batch_limit=3)
    assert ifs.batch(content).status_code == 400
    assert ifs.sandbox.ledger_state()["vouchers"] == []


def test_headers_inside_count(ifs):
    objkey = ifs.header()["Objkey"]
    path = f"VoucherSet(Objkey='{objkey}')"
    (part,) = parts_of(ifs.batch(batch_of(changeset(request_text("PATCH", path, {"VoucherType": "P"})))))
    assert (part.status, part.json()["error"]["code"]) == (428, "ODP_MISSING_PRECONDITION")
    stale = request_text("PATCH", path, {"VoucherType": "P"}, If_Match='W/"c3RhbGU="')
    (part,) = parts_of(ifs.batch(batch_of(changeset(stale))))
    assert part.status == 412


def test_another_outer_status(ifs):
    ifs.sandbox.change_settings(batch_status=202)
    assert ifs.batch(batch_of(operation(request_text("GET", "VoucherSet")))).status_code == 202


def test_every_projection_takes_batches(ifs):
    for name, projection in projections().items():
        if not projection.optional:
            path = f"{next(iter(projection.sets))}?$top=1"
            (part,) = parts_of(ifs.batch(batch_of(operation(request_text("GET", path))), name))
            assert part.status == 200, name


# Faults


def test_a_changeset_that_meets_a_locked_record(ifs):
    objkey = ifs.header()["Objkey"]
    content = batch_of(changeset(*voucher_requests(ifs, objkey)))
    ifs.fault("locked", path="batch")
    (part,) = parts_of(ifs.batch(content))
    assert database_error(part).startswith("ORA-20113: Voucher.FND_LOCKED:")
    assert ifs.sandbox.ledger_state()["vouchers"] == []
    assert [part.status for part in parts_of(ifs.batch(content))] == [200, 201, 201, 200]


def test_a_part_that_comes_too_often(ifs):
    ifs.fault("batch_part_429", headers={"Retry-After": "7"})
    read = operation(request_text("GET", "VoucherSet"))
    (part,) = parts_of(ifs.batch(batch_of(read, read)))
    assert (part.status, part.headers["retry-after"], part.body) == (429, "7", b"")


def test_an_answer_that_is_cut_after_the_changeset_was_stored(ifs):
    objkey = ifs.header()["Objkey"]
    ifs.fault("batch_truncated")
    with pytest.raises(requests.ConnectionError):
        ifs.batch(batch_of(changeset(*voucher_requests(ifs, objkey))))
    assert len(ifs.sandbox.ledger_state()["vouchers"]) == 1


def test_a_large_voucher(ifs):
    objkey = ifs.header()["Objkey"]
    parts = parts_of(ifs.batch(batch_of(changeset(*voucher_requests(ifs, objkey, 1000)))))
    assert (len(parts), parts[-1].status) == (1002, 200)
    reference = ifs.sandbox.ledger_state()["references"][KEY]
    assert (reference["rows"], reference["debit"], reference["credit"]) == (1000, 9990, 9990)
