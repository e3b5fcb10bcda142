"""The five steps of a voucher in the IFS Cloud sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.erp.ifs.cloud import ASSISTANT, KEY, Cloud, begun_anew, running

LOOKUP = f"VoucherRowsAnalysis/VoucherRowSet?$filter=Company eq 'US10' and ReferenceNumber eq '{KEY}'&$top=10"


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


def test_the_conversation(ifs):
    assert ifs.rows(LOOKUP) == []
    header = ifs.header()
    assert header["VoucherType"] == "M"
    answer = ifs.patch(header, {"VoucherType": "P"}, header["@odata.etag"])
    assert answer.status_code == 200, answer.text
    ifs.add_row(header["Objkey"], "6000", Decimal("12500.25"), CodeB="100")
    ifs.add_row(header["Objkey"], "2110", None, Decimal("12500.25"))
    assert ifs.rows(LOOKUP) == []
    answer = ifs.create(header["Objkey"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == 2026000001
    rows = ifs.rows(LOOKUP)
    assert [(row["Account"], row["CodeB"], row["DebetAmount"], row["CreditAmount"]) for row in rows] == [
        ("6000", "100", Decimal("12500.25"), None),
        ("2110", None, None, Decimal("12500.25")),
    ]
    state = ifs.sandbox.ledger_state()
    assert state["references"][KEY]["vouchers"] == ["US10/2026/P/2026000001"]
    removed = ifs.call(
        "POST",
        f"{ASSISTANT}/VoucherSet(Objkey='{header['Objkey']}')/IfsApp.{ASSISTANT}.VoucherEntry_RemoveTempVoucher",
        {},
    )
    assert removed.status_code == 204
