"""Everything that the M3 sandbox holds of journals, for tests and its page: batches, jobs, vouchers with sums."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from erp.infor.m3.sandbox_interface import Interface
from erp.infor.m3.sandbox_jobs import Jobs


def ledger_state(interface: Interface, jobs: Jobs) -> dict[str, Any]:
    """`vouchers`: one per division, year and number, with `rows`, `debit`, `credit` and the `information` of its rows.
    `batches`: what is in GLS840. `jobs`: what became of each UpdBatch.
    """
    vouchers: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    keys: dict[tuple[str, str, str], str] = {}
    for journal in jobs.journals():
        for row in jobs.rows_of(journal):
            key = (row["DIVI"], row["YEA4"], row["VONO"])
            vouchers[key].append({**row, "CUAM": Decimal(row["CUAM"]), "ACAM": Decimal(row["ACAM"])})
            keys[key] = journal["KEY1"]
    return {
        "vouchers": [voucher(key, keys[key], rows) for key, rows in vouchers.items()],
        "batches": [{**batch, "lines": interface.lines(batch["key"])} for batch in interface.batches()],
        "jobs": [
            {"KEY1": job["head"]["KEY1"], "DIVI": job["head"]["DIVI"], "state": job["state"], "errors": job["errors"]}
            for job in jobs.all()
        ],
    }


def voucher(key: tuple[str, str, str], key1: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    amounts = [row["CUAM"] for row in rows]
    return {
        "DIVI": key[0],
        "YEA4": key[1],
        "VONO": key[2],
        "VSER": rows[0]["VSER"],
        "JRNO": rows[0]["JRNO"],
        "ACDT": rows[0]["ACDT"],
        "KEY1": key1,
        "rows": rows,
        "row_count": len(rows),
        "debit": sum((each for each in amounts if each > 0), Decimal("0.00")),
        "credit": -sum((each for each in amounts if each < 0), Decimal("0.00")),
        "information": sorted({text for row in rows for _, text in row["information"]}),
    }
