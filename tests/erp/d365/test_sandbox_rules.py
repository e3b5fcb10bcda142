"""Every rule of simulator-rules.json, one test each, named after the rule: over HTTP, seen from the far side.

Rule "read-4" is held by `test_read_4`. Here: auth, co, batch, read, err, thr; the rules about journals are in
`test_sandbox_rules_journals`. The sandbox has to refuse what Dynamics refuses, or every other test of the connector
would prove nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.erp.d365 import test_sandbox_rules_journals
from tests.erp.d365.dynamics import (
    Dynamics,
    batch_of,
    changeset,
    inner_message,
    inner_type,
    operation,
    parts_of,
    post_line,
    request_text,
    running,
)

RULES = Path(__file__).resolve().parents[4] / "shared/reference/dynamics365/simulator-rules.json"
WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"


@pytest.fixture
def d365() -> Iterator[Dynamics]:
    with running() as dynamics:
        yield dynamics


@pytest.mark.contract
def test_every_rule_has_its_test():
    if not RULES.exists():
        pytest.skip("../shared/reference/dynamics365/simulator-rules.json is not here")
    wanted = {"test_" + rule["id"].replace("-", "_") for rule in json.loads(RULES.read_text())["rules"]}
    assert wanted <= {*globals(), *vars(test_sandbox_rules_journals)}


# Signing in


def test_auth_1(d365):
    """401 without a body for: no token, a foreign one, an expired one, another audience, an unregistered client."""
    address = f"{d365.environment}/data/Companies"

    def status(**headers: str) -> int:
        answer = requests.get(address, headers=headers, timeout=10)
        if answer.status_code == 401:
            assert answer.content == b""
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        return answer.status_code

    good = d365.sign_in()
    assert status(**good) == 200
    assert status() == 401
    assert status(Authorization="Bearer not.a.token") == 401
    head, payload, _ = good["Authorization"].split(".")
    assert status(Authorization=f"{head}.{payload}.{'A' * 43}") == 401
    assert status(**d365.sign_in(scope="https://graph.microsoft.com/.default")) == 401
    assert status(**d365.sign_in(scope=f"{d365.environment}//.default")) == 401, (
        "a slash at the end is another audience"
    )
    d365.control("POST", "expire-tokens").raise_for_status()
    assert status(**good) == 401
    good = d365.sign_in()
    client_id = d365.facts["client_id"]
    d365.control("POST", "clients", {"client_id": client_id, "registered": False}).raise_for_status()
    assert status(**good) == 401
    assert status(**d365.sign_in()) == 401, "Entra still gives tokens; Dynamics alone does not know the client"
    d365.control("POST", "clients", {"client_id": client_id, "registered": True}).raise_for_status()
    assert status(**good) == 200
    d365.control("POST", "settings", {"token_seconds": 1}).raise_for_status()
    short = d365.sign_in()
    assert status(**short) == 200
    time.sleep(1.1)
    assert status(**short) == 401


def test_auth_2(d365):
    """Roles, default company and language of the one F&O user behind the client id apply to every call."""
    assert d365.rows("SysAADClients")[0]["AADClientId"] == d365.facts["client_id"]
    d365.control("POST", "settings", {"denied_entities": "LedgerJournalHeaders", "default_company": "us02"})
    for answer in (
        d365.call("GET", "LedgerJournalHeaders"),
        d365.call("POST", "LedgerJournalHeaders", {"JournalName": "PAYROLL"}),
    ):
        assert answer.status_code == 403
        assert inner_message(answer) == "Access is denied."
    assert {row["dataAreaId"] for row in d365.rows("JournalNames")} == {"us02"}
    d365.control("POST", "settings", {"denied_entities": "", "language": "de"})
    assert d365.create("LedgerJournalHeaders", {"JournalName": "PAYROLL"})["dataAreaId"] == "us02"
    answer = d365.call("POST", "LedgerJournalHeaders", {"JournalName": "NOPE"})
    assert "wurde in der verknüpften Tabelle" in inner_message(answer)


# Companies


def test_co_1(d365):
    """Without cross-company=true a read sees the default company, whatever the filter says."""
    d365.journal("us01")
    there = d365.journal("us02")
    assert {row["dataAreaId"] for row in d365.rows("LedgerJournalHeaders")} == {"us01"}
    assert d365.rows("LedgerJournalHeaders?$filter=dataAreaId eq 'us02'") == []
    found = d365.rows("LedgerJournalHeaders?$filter=dataAreaId eq 'us02'&cross-company=true")
    assert [row["JournalBatchNumber"] for row in found] == [there]
    assert len(d365.rows("LedgerJournalHeaders?cross-company=true")) == 2
    assert len(d365.rows("LedgerJournalHeaders?cross-company=false")) == 1


def test_co_2(d365):
    """GET, PATCH and DELETE by key of another company need cross-company=true."""
    key = f"LedgerJournalHeaders(dataAreaId='us02',JournalBatchNumber='{d365.journal('us02')}')"
    assert d365.call("GET", key).status_code == 404
    for method, body in (("PATCH", {"Description": "x"}), ("DELETE", None)):
        answer = d365.call(method, key, body)
        assert answer.status_code == 400
        assert inner_message(answer) == "No resources were found when selecting for update."
    key += "?cross-company=true"
    assert d365.get(key)["dataAreaId"] == "us02"
    assert d365.call("PATCH", key, {"Description": "seen"}).status_code == 204
    assert d365.get(key)["Description"] == "seen"
    assert d365.call("DELETE", key).status_code == 204
    assert d365.rows("LedgerJournalHeaders?cross-company=true") == []


def test_co_3(d365):
    """POST takes the company from the body, answers it in lower case; Company and OffsetCompany come in upper case."""
    made = d365.create("LedgerJournalHeaders", {"dataAreaId": "US02", "JournalName": "PAYROLL"})
    assert made["dataAreaId"] == "us02"
    assert d365.create("LedgerJournalHeaders", {"JournalName": "PAYROLL"})["dataAreaId"] == "us01"
    line = d365.add_line(made["JournalBatchNumber"], "6000-----", debit=1, dataAreaId="US02")
    assert (line["dataAreaId"], line["Company"], line["OffsetCompany"]) == ("us02", "US02", "US02")
    answer = d365.call("POST", "LedgerJournalHeaders", {"dataAreaId": "zz99", "JournalName": "PAYROLL"})
    assert answer.status_code == 400
    assert "The company 'zz99' does not exist." in inner_message(answer)


# Batches


def test_batch_1(d365):
    """200 outside whatever happens inside; a failed changeset is one error part and stores nothing."""
    journal = d365.journal()
    good, bad = d365.line(journal, debit=1), d365.line(journal, "9999-----", debit=1)
    parts = d365.send_changesets([good, good, good])
    assert [(part.content_id, part.status) for part in parts] == [("1", 201), ("2", 201), ("3", 201)]
    assert [part.json()["LineNumber"] for part in parts] == [1, 2, 3]
    assert parts[0].headers["location"].endswith(f"(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)")
    parts = d365.send_changesets([good, bad, good])
    assert len(parts) == 1
    assert parts[0].status == 400
    assert inner_type(parts[0]) == WRITE_EXCEPTION
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 3
    d365.control("POST", "settings", {"infolog_status": 500})
    assert d365.send_changesets([bad])[0].status == 500


def test_batch_2(d365):
    """The Content-ID of the error part is not the failing row's; the row is known from the text only."""
    journal = d365.journal()
    bad = d365.line(journal, debit=1, CurrencyCode="XXX")
    (part,) = d365.send_changesets([d365.line(journal, debit=1), d365.line(journal, debit=2), bad])
    assert part.content_id == "1"
    assert "'XXX'" in inner_message(part)


def test_batch_3(d365):
    """Changesets are committed one by one; after a failed one the rest goes unanswered and undone, unless asked to."""
    journal = d365.journal()
    good, bad = d365.line(journal, debit=1), d365.line(journal, "9999-----", debit=1)
    parts = d365.send_changesets([good], [bad], [good])
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 400)]
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 1
    parts = d365.send_changesets([good], [bad], [good], Prefer="odata.continue-on-error")
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 400), (3, 201)]
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 3


def test_batch_4(d365):
    """More operations than the limit are refused as a whole; the limit is 5,000, or what the environment says."""
    assert d365.sandbox.settings.batch_limit == 5_000
    d365.control("POST", "settings", {"batch_limit": 5})
    journal = d365.journal()
    texts = [post_line(d365.environment, d365.line(journal, debit=1)) for _ in range(3)]
    answer = d365.batch(batch_of(changeset(1, texts), changeset(2, texts)))
    assert answer.status_code == 400
    assert d365.sandbox.ledger_state()["journals"][0]["lines"] == []
    assert d365.batch(batch_of(changeset(1, texts), changeset(2, texts[:2]))).status_code == 200
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 5


def test_batch_5(d365):
    """A part carries its own 429 with Retry-After while the outer status is 200."""
    journal = d365.journal()
    good = d365.line(journal, debit=1)
    d365.fault("batch_part_429", skip=1, headers={"Retry-After": "7"})
    parts = d365.send_changesets([good], [good], [good])
    assert [(part.changeset, part.status) for part in parts] == [(1, 201), (2, 429)]
    assert parts[1].headers["retry-after"] == "7"
    assert parts[1].json()["error"]["code"] == "429"
    assert len(d365.sandbox.ledger_state()["journals"][0]["lines"]) == 1


# Reading


def test_read_1(d365):
    """Pages of 10,000 with an absolute nextLink; $top, $skip, $count, $select, $orderby, $filter; no unknown $expand."""
    assert d365.sandbox.settings.page_size == 10_000
    d365.control("POST", "settings", {"page_size": 4})
    journal = d365.journal(name="GENJRN")
    for amount in range(1, 11):
        d365.add_line(journal, debit=amount)
    asked = f"LedgerJournalLines?$filter=JournalBatchNumber eq '{journal}'&$orderby=DebitAmount desc&$count=true&$select=DebitAmount"
    document = d365.get(asked)
    assert document["@odata.count"] == 10
    assert document["@odata.context"].endswith("#LedgerJournalLines(DebitAmount)")
    assert all(set(row) == {"@odata.etag", "DebitAmount"} for row in document["value"])
    amounts, links = [row["DebitAmount"] for row in document["value"]], 0
    while "@odata.nextLink" in document:
        assert document["@odata.nextLink"].startswith(f"{d365.environment}/data/LedgerJournalLines?")
        answer = requests.get(document["@odata.nextLink"], headers=d365.headers, timeout=10)
        document = answer.json()
        amounts += [row["DebitAmount"] for row in document["value"]]
        links += 1
    assert (amounts, links) == (list(range(10, 0, -1)), 2)
    top = d365.get("LedgerJournalLines?$orderby=LineNumber&$skip=2&$top=3")
    assert [row["LineNumber"] for row in top["value"]] == [3, 4, 5]
    assert "@odata.nextLink" not in top
    page = d365.get("LedgerJournalLines?$top=6")
    assert (len(page["value"]), "@odata.nextLink" in page) == (4, True)
    assert len(requests.get(page["@odata.nextLink"], headers=d365.headers, timeout=10).json()["value"]) == 2
    for wrong in ("$expand=LedgerJournalLines", "$top=-1", "$skip=x", "$count=yes", "$search=x", "$apply=x"):
        assert d365.call("GET", f"LedgerJournalHeaders?{wrong}").status_code == 400, wrong


def test_read_2(d365):
    """Enumerations only by their full literal with eq and ne; a number is an incompatible type."""
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    d365.add_line(journal, "2110-----", credit=1)
    d365.sandbox.post_journals()
    d365.journal()
    yes = "Microsoft.Dynamics.DataEntities.NoYes'Yes'"
    assert [row["JournalBatchNumber"] for row in d365.rows(f"LedgerJournalHeaders?$filter=IsPosted eq {yes}")] == [
        journal
    ]
    assert len(d365.rows(f"LedgerJournalHeaders?$filter=IsPosted ne {yes}")) == 1
    answer = d365.call("GET", "LedgerJournalHeaders?$filter=IsPosted eq 0")
    assert answer.status_code == 400
    assert inner_message(answer) == (
        "A binary operator with incompatible types was detected. Found operand types "
        "'Microsoft.Dynamics.DataEntities.NoYes' and 'Edm.Int32' for operator kind 'Equal'."
    )
    other = "Microsoft.Dynamics.DataEntities.NewVoucher'Manually'"
    unknown = "Microsoft.Dynamics.DataEntities.NoYes'Maybe'"
    for wrong in ("eq 'Yes'", f"gt {yes}", f"eq {other}", f"eq {unknown}", "eq Yes", "has 1"):
        assert d365.call("GET", f"LedgerJournalHeaders?$filter=IsPosted {wrong}").status_code == 400, wrong
    kind = "Microsoft.Dynamics.DataEntities.LedgerJournalACType'Ledger'"
    assert d365.rows(f"LedgerJournalLines?$filter=AccountType eq {kind}") == [], "reportedly returns nothing"


def test_read_3(d365):
    """A star in a text stands for anything."""
    journal = d365.journal()
    for text in ("PAY 2026-11 17 Wages", "PAY 2026-11 17 Taxes", "PAY 2026-11 18 Wages", "Bonus"):
        d365.add_line(journal, debit=1, Text=text)

    def count(condition: str) -> int:
        return len(d365.rows(f"LedgerJournalLines?$filter={condition}"))

    assert count("Text eq 'PAY 2026-11 17 *'") == 2
    assert count("Text eq '*wages*'") == 2
    assert count("Text eq '*Wages'") == 2
    assert count("Text eq 'PAY*Wages'") == 2
    assert count("Text ne 'PAY*'") == 1
    assert count("Text eq 'PAY'") == 0
    assert count("Text eq 'BONUS'") == 1, "texts compare without case"


def test_read_4(d365):
    """A blank in the query is %20; "+" is refused."""
    d365.journal()
    assert d365.call("GET", "LedgerJournalHeaders?$filter=JournalName eq 'PAYROLL'").status_code == 200
    answer = d365.call("GET", "LedgerJournalHeaders?$filter=JournalName+eq+'PAYROLL'")
    assert answer.status_code == 400
    assert "%20" in answer.json()["error"]["message"]


def test_read_5(d365):
    """Names of collections, fields and query options are case-sensitive."""
    answer = d365.call("GET", "ledgerjournalheaders")
    assert answer.status_code == 404
    address = f"{d365.environment}/data/ledgerjournalheaders"
    assert answer.json() == {"Message": f"No HTTP resource was found that matches the request URI '{address}'."}
    for wrong in (
        "$filter=journalname eq 'X'",
        "$select=journalname",
        "$orderby=journalname",
        "$Filter=JournalName eq 'X'",
    ):
        assert d365.call("GET", f"LedgerJournalHeaders?{wrong}").status_code == 400, wrong
    assert d365.call("POST", "LedgerJournalHeaders", {"journalName": "PAYROLL"}).status_code == 400
    journal = d365.journal()
    assert (
        d365.call("GET", f"LedgerJournalHeaders(DataAreaId='us01',JournalBatchNumber='{journal}')").status_code == 400
    )
    assert d365.rows(f"LedgerJournalHeaders?$filter=JournalBatchNumber eq '{journal.lower()}'"), "values are not"


# Errors


def test_err_1(d365):
    """A plain PATCH says only that an error has occurred; the same PATCH in a batch carries the Infolog."""
    journal = d365.journal()
    d365.add_line(journal, debit=1)
    key = f"LedgerJournalLines(dataAreaId='us01',JournalBatchNumber='{journal}',LineNumber=1)"
    plain = d365.call("PATCH", key, {"CurrencyCode": "XXX"})
    assert plain.status_code == 500
    assert plain.json() == {"error": {"code": "", "message": "An error has occurred."}}
    text = request_text("PATCH", f"{d365.environment}/data/{key}", {"CurrencyCode": "XXX"})
    (part,) = parts_of(d365.batch(batch_of(changeset(1, [text]))))
    assert part.status == 400
    assert "The value 'XXX' in field 'Currency' is not found" in inner_message(part)
    assert d365.get(key)["CurrencyCode"] == "USD"
    (single,) = parts_of(d365.batch(batch_of(operation(text))))
    assert "'XXX'" in inner_message(single)


def test_err_2(d365):
    """Infolog texts are in the language of the F&O user."""
    journal = d365.journal()
    english = d365.refuse_line(journal, CurrencyCode="XXX")
    d365.control("POST", "settings", {"language": "de"})
    german = d365.refuse_line(journal, CurrencyCode="XXX")
    assert "is not found in the related table 'Currencies'" in english
    assert "wurde in der verknüpften Tabelle 'Currencies' nicht gefunden" in german
    assert english.partition("Infolog:")[0] == german.partition("Infolog:")[0]


def test_thr_1(d365):
    """No quota per user; 429 with Retry-After only under load."""
    statuses: list[int] = []

    def read() -> None:
        statuses.extend(d365.call("GET", "Companies").status_code for _ in range(25))

    d365.sign_in()
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    d365.fault("status", status=429, headers={"Retry-After": "15"}, path="/data/")
    answer = d365.call("GET", "Companies")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "15")
    assert d365.call("GET", "Companies").status_code == 200
