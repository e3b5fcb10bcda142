"""What a refusal of IFS Cloud means: the tables, fed with every code of the facts and with what no table knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.ifs.constants import CONSTANTS, Field
from erp.ifs.refusals import ORA_NUMBERS, PROVIDER_CODES, WORDS_LENGTH, Missing, Stale, refusal
from erp.odata import batch_answers

FACTS = "reference/ifs-cloud"


def database_error(detail: str) -> bytes:
    return json.dumps(
        {
            "error": {
                "code": "DATABASE_ERROR",
                "message": "Database error occurred. Contact administrator.",
                "details": [{"message": detail}],
            }
        }
    ).encode()


def provider_error(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "Something."}}).encode()


@pytest.mark.contract
def test_every_constant_of_the_facts_is_in_the_table(shared: Path) -> None:
    facts = json.loads((shared / FACTS / "business_errors.json").read_text())["errors"]
    assert {error["key"]: (error["ora"], error["class"]) for error in facts} == {
        name: (f"ORA-{constant.number}", constant.field.value) for name, constant in CONSTANTS.items()
    }


@pytest.mark.contract
def test_every_code_and_number_of_the_facts_is_in_the_tables(shared: Path) -> None:
    facts = json.loads((shared / FACTS / "error_codes.json").read_text())
    assert {error["code"] for error in facts["odp"]} == set(PROVIDER_CODES)
    assert {error["ora"].removeprefix("ORA-") for error in facts["ora"]} <= set(ORA_NUMBERS)


@pytest.mark.contract
def test_every_answer_of_the_facts_has_its_meaning(shared: Path) -> None:
    """Status and code of each sample -> what it means for a step without effect, and for CreateVoucher."""
    meanings: dict[tuple[int, str], tuple[type[ExchangeError], type[ExchangeError]]] = {
        (400, "ODP_DESERIALIZATION_ERROR"): (Misconfigured, Misconfigured),
        (400, "AccountingCodestr.CODEMISSING"): (Misconfigured, Misconfigured),
        (400, "Voucher.VOUNOTBALANCED"): (Rejected, Rejected),
        (400, "UserGroupPeriod.NOTOPENPERIODGROUP"): (Misconfigured, Misconfigured),
        (400, "ORA-20124"): (Rejected, Rejected),
        (403, "DB_INSUFFICIENT_PRIVILEGES"): (Misconfigured, Misconfigured),
        (403, "CSRF_ERROR"): (Misconfigured, Misconfigured),
        (404, "ODP_RESOURCE_NOTFOUND"): (Missing, Missing),
        (412, "DB_OBJECT_MODIFIED"): (Stale, Stale),
        (428, "ODP_MISSING_PRECONDITION"): (Stale, Stale),
        (500, "ODP_ILLEGAL_STATE"): (Rejected, Rejected),
        (500, "MI_MODIFIED_ERROR"): (TemporaryFailure, TemporaryFailure),
        (501, "ODP_NOT_IMPLEMENTED"): (Misconfigured, Misconfigured),
        (504, "ODP_OPERATION_TIMEOUT"): (TemporaryFailure, OutcomeUnknown),
        (429, ""): (TemporaryFailure, TemporaryFailure),
    }
    seen = set()
    for sample in json.loads((shared / FACTS / "samples/errors.json").read_text()):
        body = sample["body"]
        if sample.get("endpoint") == "token" or sample["status"] == 401:
            continue  # signing in has its own words, and 401 is answered with a new token
        content = json.dumps(body).encode() if body else b""
        known = next(name for name in ["", *[k for _, k in meanings if k]][::-1] if name in content.decode())
        harmless, final = meanings[sample["status"], known]
        headers = sample.get("headers", {})
        assert type(refusal(sample["status"], headers, content, "a row")) is harmless, sample
        assert type(refusal(sample["status"], headers, content, "the voucher", has_effect=True)) is final, sample
        seen.add((sample["status"], known))
    assert seen == set(meanings)


@pytest.mark.contract
def test_the_failed_changeset_of_the_facts_is_read(shared: Path) -> None:
    raw = (shared / FACTS / "samples/batch-response-changeset-failed.txt").read_bytes()
    (part,) = batch_answers(raw, "multipart/mixed; boundary=batchresponse_1")
    assert not isinstance(part, list)
    found = refusal(part.status, part.headers, part.content, "the voucher", has_effect=True)
    assert isinstance(found, Misconfigured)
    assert found.page == "mapping"
    assert "Account 5010 is missing" in found.sentence
    whole = (shared / FACTS / "samples/batch-response.txt").read_bytes()
    (answers,) = batch_answers(whole, "multipart/mixed; boundary=batchresponse_1")
    assert isinstance(answers, list)
    assert [answer.status for answer in answers] == [200, 201, 201, 201, 201, 200]
    assert answers[-1].json() == {"value": 2026000123}


#: Field of a constant -> the error that it means, and the page that repairs it.
PAGES = {
    Field.MAPPING: (Misconfigured, "mapping"),
    Field.PERIOD: (Misconfigured, "period"),
    Field.AUTHORIZATION: (Misconfigured, "connection"),
    Field.SERIES: (Misconfigured, "connection"),
    Field.CURRENCY: (Misconfigured, "connection"),
}


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("has_effect", [False, True])
def test_each_constant_is_judged_by_its_field_whatever_the_language(name: str, has_effect: bool) -> None:
    constant = CONSTANTS[name]
    content = database_error(f"ORA-{constant.number}: {name}: Konto 5010 fehlt\x1e1\x1f")
    found = refusal(400, {}, content, "the voucher", has_effect=has_effect)
    error, page = PAGES.get(constant.field, (Rejected, ""))
    assert type(found) is error
    assert getattr(found, "page", "") == page
    assert found.sentence.startswith(f"IFS did not accept the voucher: {constant.meaning}.")
    assert "“Konto 5010 fehlt 1”" in found.sentence


Pair = tuple[type[ExchangeError], type[ExchangeError]]
#: What a code has to mean for a step without an effect on the books, and for CreateVoucher; written out independently of the
#: tables of the connector.
PASSES: Pair = (TemporaryFailure, TemporaryFailure)
READ_AGAIN: Pair = (Stale, Stale)
REFUSED: Pair = (Rejected, Rejected)
TO_REPAIR: Pair = (Misconfigured, Misconfigured)
NOT_THERE: Pair = (Missing, Missing)
UNCLEAR: Pair = (TemporaryFailure, OutcomeUnknown)

MEANINGS_OF_CODES: dict[str, Pair] = {
    "CSRF_ERROR": TO_REPAIR,
    "DATABASE_ERROR": UNCLEAR,  # without an ORA number
    "DB_ACCESS_ERROR": UNCLEAR,
    "DB_INSUFFICIENT_PRIVILEGES": TO_REPAIR,
    "DB_OBJECT_EXIST": REFUSED,
    "DB_OBJECT_MODIFIED": READ_AGAIN,
    "DB_RESULTSET_ERROR": UNCLEAR,
    "DB_SOURCE_NOTFOUND": REFUSED,
    "DB_UNIQUE_ENTITY_REQUIRED": REFUSED,
    "DB_VALUE_TOO_LARGE": REFUSED,
    "META_INFORMATION_ERROR": UNCLEAR,
    "MI_DUPLICATE_ERROR": UNCLEAR,
    "MI_METADATA_NOTFOUND": NOT_THERE,
    "MI_MODIFIED_ERROR": PASSES,
    "MI_RETRIEVAL_ERROR": UNCLEAR,
    "MI_UNMARSHAL_ERROR": UNCLEAR,
    "ODATA_PROVIDER_ERROR": UNCLEAR,
    "ODP_DESERIALIZATION_ERROR": TO_REPAIR,
    "ODP_ILLEGAL_STATE": REFUSED,
    "ODP_MAPPING_ERROR": UNCLEAR,
    "ODP_MISSING_PRECONDITION": READ_AGAIN,
    "ODP_MISSING_PROPERTY": TO_REPAIR,
    "ODP_NOT_ALLOWED": TO_REPAIR,
    "ODP_NOT_IMPLEMENTED": TO_REPAIR,
    "ODP_OPERATION_TIMEOUT": UNCLEAR,
    "ODP_PRECONDITION_VIOLATION": READ_AGAIN,
    "ODP_RESOURCE_NOTFOUND": NOT_THERE,
    "ODP_SERIALIZATION_ERROR": UNCLEAR,
    "ODP_STATEMENT_ERROR": UNCLEAR,
    "ODP_UNSUPPORTED_URL": TO_REPAIR,
    "PROJECTION_IMPL_EXCEPTION": UNCLEAR,
    "QUEUED_FOR_SCANNING": PASSES,
    "SECURITY_ERROR": TO_REPAIR,
    "SE_AUTHENTICATION_ERROR": TO_REPAIR,
    "SE_UNAUTHORIZED": TO_REPAIR,
    "THREAT_DETECTED": REFUSED,
    "UNEXPECTED": UNCLEAR,
}
#: The class that the facts give an ORA number; every other class is a refusal.
MEANINGS_OF_CLASSES = {
    "retry": PASSES, "concurrency: re-read": READ_AGAIN, "permission": TO_REPAIR, "unknown field": TO_REPAIR,
}  # fmt: skip
#: The same number by number, for a machine without the facts.
MEANINGS_OF_NUMBERS: dict[str, Pair] = {
    "20113": PASSES,
    "20114": READ_AGAIN,
    **dict.fromkeys(("20106", "20107", "20118", "20140", "20125"), TO_REPAIR),
}


def test_no_code_is_in_the_table_without_a_row_here() -> None:
    assert set(MEANINGS_OF_CODES) == set(PROVIDER_CODES)


@pytest.mark.contract
def test_each_ora_number_means_what_the_facts_say_of_it(shared: Path) -> None:
    facts = json.loads((shared / FACTS / "error_codes.json").read_text())["ora"]
    assert {
        error["ora"].removeprefix("ORA-"): MEANINGS_OF_CLASSES[error["class"]]
        for error in facts
        if error["class"] in MEANINGS_OF_CLASSES
    } == MEANINGS_OF_NUMBERS


@pytest.mark.parametrize("code", MEANINGS_OF_CODES)
def test_each_provider_code_is_judged_by_the_code_and_not_by_the_status(code: str) -> None:
    harmless, final = MEANINGS_OF_CODES[code]
    for status in (400, 403, 500):
        assert type(refusal(status, {}, provider_error(code), "a row")) is harmless
        assert type(refusal(status, {}, provider_error(code), "the voucher", has_effect=True)) is final


@pytest.mark.parametrize("number", ORA_NUMBERS)
def test_each_ora_number_is_judged_without_a_constant(number: str) -> None:
    harmless, final = MEANINGS_OF_NUMBERS.get(number, REFUSED)
    content = database_error(f"ORA-{number}: Feld [X] ist Pflicht.")
    unknown = database_error(f"ORA-{number}: Lu.NEVERSEEN: Text")
    for status in (400, 500):
        assert type(refusal(status, {}, content, "a row")) is harmless
        found = refusal(status, {}, content, "the voucher", has_effect=True)
        assert type(found) is final
        assert "Feld [X] ist Pflicht." in found.sentence
        assert type(refusal(status, {}, unknown, "the voucher", has_effect=True)) is final


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (400, database_error("ORA-00060: deadlock detected")),
        (500, database_error("no number at all")),
        (400, provider_error("NEVER_SEEN")),
        (500, b"<html>bad gateway</html>"),
        (503, b""),
        (504, b""),
        (302, b""),
        (200, b"nothing"),
    ],
)
def test_what_no_table_knows_is_unknown_for_create_voucher_and_temporary_before_it(status: int, content: bytes) -> None:
    assert type(refusal(status, {}, content, "a row")) is TemporaryFailure
    assert type(refusal(status, {}, content, "the voucher", has_effect=True)) is OutcomeUnknown


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_asked_for_is_kept(status: int) -> None:
    found = refusal(status, {"retry-after": "7"}, b"", "a row")
    assert isinstance(found, TemporaryFailure)
    assert found.retry_after_seconds == 7


def test_a_web_page_is_a_setting_to_repair() -> None:
    found = refusal(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>", "VoucherRowsAnalysis")
    assert isinstance(found, Misconfigured)
    assert "Check the IFS Cloud address" in found.sentence


def test_long_words_are_cut() -> None:
    found = refusal(400, {}, database_error("ORA-20110: " + "x" * 5000), "the voucher")
    assert len(found.sentence) < WORDS_LENGTH + 100
