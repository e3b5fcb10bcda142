"""GLS200MI and GLS250MI of the M3 sandbox: vouchers of the general ledger, and the additional information of their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from erp.infor.m3.sandbox_call import MiCall, Program, Row
from erp.infor.m3.sandbox_jobs import Jobs
from erp.infor.m3.sandbox_messages import not_found


class LedgerPrograms:
    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def table(self) -> dict[tuple[str, str], Program]:
        return {
            ("GLS200MI", "GetVoucherHead"): self.get_head,
            ("GLS200MI", "LstVoucherLines"): self.list_lines,
            ("GLS200MI", "LstVouchersByDt"): self.list_by_date,
            ("GLS250MI", "LstInfo"): self.list_information,
        }

    def get_head(self, call: MiCall) -> Iterable[Row]:
        rows = list(self._voucher(call))
        if not rows:
            raise not_found("VONO")
        first = rows[0]
        amounts = {name: [Decimal(row[name]) for row in rows] for name in ("ACAM", "CUAM")}
        return [
            {
                **{
                    name: first[name]
                    for name in ("CONO", "DIVI", "YEA4", "VSER", "VONO", "FEID", "FNCN", "VDSC", "CUCD")
                },
                "DSUM": f"{sum(each for each in amounts['ACAM'] if each > 0):.2f}",
                "CSUM": f"{sum(each for each in amounts['ACAM'] if each < 0):.2f}",
                "CUAD": f"{sum(each for each in amounts['CUAM'] if each > 0):.2f}",
                "CUAC": f"{sum(each for each in amounts['CUAM'] if each < 0):.2f}",
            }
        ]

    def list_lines(self, call: MiCall) -> Iterable[Row]:
        rows = list(self._voucher(call))
        if not rows:
            raise not_found("VONO")
        return rows

    def _voucher(self, call: MiCall) -> Iterator[Row]:
        wanted = {
            "DIVI": call.division,
            "YEA4": str(int(call.get("YEA4"))),
            "VONO": str(int(call.get("VONO"))),
            "VSER": call.get("VSER"),
            "JRNO": call.get("JRNO"),
        }
        for row in self._rows(call.division):
            # Series and journal are looked at only where they were given.
            if all(row[name] == value or (not value and name in {"VSER", "JRNO"}) for name, value in wanted.items()):
                yield row

    def list_by_date(self, call: MiCall) -> Iterator[Row]:
        for row in self._rows(call.division):
            if call.get("FRDT") <= row["ACDT"] <= call.get("TODT"):
                yield row

    def list_information(self, call: MiCall) -> Iterator[Row]:
        wanted = (str(int(call.get("YEA4"))), str(int(call.get("JRNO"))))
        line = call.get("JSNO").lstrip("0")
        for row in self._rows(call.division):
            if (row["YEA4"], row["JRNO"]) != wanted or (line and row["JSNO"] != line):
                continue
            for number, text in row["information"]:
                if number == str(int(call.get("GEXN"))):
                    yield {"GEXN": number, "GEXI": text, "JSNO": row["JSNO"], "RGDT": row["RGDT"], "CHID": row["CHID"]}

    def _rows(self, division: str) -> Iterator[dict[str, Any]]:
        for journal in self.jobs.journals():
            if journal["DIVI"] == division:
                yield from self.jobs.rows_of(journal)
