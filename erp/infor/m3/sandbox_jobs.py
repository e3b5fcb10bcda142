"""What UpdBatch sets going in the M3 sandbox: work table, check, general ledger, some time later and without a word.

UpdBatch only says that the batch was taken. Its lines go into the work table FCR040. When their time comes, and CRS750 wants
it, they are checked; what is wrong stays there with status 8, and nobody is told. Else vouchers and a journal number are
made, one voucher for each group number and day. Without the check everything is written, right or wrong.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from audit.sandbox import Store
from erp.infor.m3.sandbox_call import Row
from erp.infor.m3.sandbox_checks import Checks
from erp.infor.m3.sandbox_messages import Nok
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_setup import SetUp

JOB, JOURNAL = "M3 job", "M3 journal"
WAITING, FAILED, POSTED = "waiting", "failed", "posted"
#: FCR040: not updated, erroneous.
WORK_STATUS = {WAITING: "0", FAILED: "8"}
#: First numbers of a year's series.
FIRST_VOUCHER, FIRST_JOURNAL = 10_000_000, 4_000


class Jobs:
    """Settings are those of the moment in which a job runs. Every method wants a transaction of the store around it."""

    def __init__(self, store: Store, set_up: SetUp, checks: Checks) -> None:
        self.store = store
        self.set_up = set_up
        self.checks = checks

    def begin(self, head: Row, lines: Sequence[Row], *, fails: bool = False) -> None:
        """`fails`: the job will end with status 8 whatever the lines say."""
        number = self.store.next("M3 job")
        job = {
            "id": number,
            "head": head,
            "at": time.time(),
            "polls": 0,
            "state": WAITING,
            "fails": fails,
            "errors": [],
        }
        self.store.put(JOB, str(number), job)
        self.store.put("M3 job lines", str(number), list(lines))

    def all(self) -> list[dict[str, Any]]:
        return self.store.all(JOB)

    def lines_of(self, job: dict[str, Any]) -> list[Row]:
        return self.store.get("M3 job lines", str(job["id"])) or []

    def looked(self, settings: M3Settings) -> None:
        """Somebody is about to look into the ledger: jobs whose time has come are done first."""
        if not settings.updates_by_itself:
            return
        for job in self.all():
            if job["state"] != WAITING:
                continue
            job["polls"] += 1
            is_time = time.time() >= float(job["at"]) + settings.update_seconds
            if is_time and job["polls"] > settings.update_polls:
                self._run(job, settings)
            else:
                self.store.put(JOB, str(job["id"]), job)

    def run_waiting(self, settings: M3Settings) -> list[dict[str, Any]]:
        """All that wait, now; what became of them."""
        found = [job for job in self.all() if job["state"] == WAITING]
        for job in found:
            self._run(job, settings)
        return found

    def clear(self) -> None:
        for journal in self.journals():
            self.store.delete_kind(rows_kind(journal))
        for kind in (JOB, "M3 job lines", JOURNAL):
            self.store.delete_kind(kind)

    # One job

    def _run(self, job: dict[str, Any], settings: M3Settings) -> None:
        head, lines = job["head"], self.lines_of(job)
        rules = self.set_up.settings(head["DIVI"])
        is_checked = rules is not None and rules["CHEC"] in {"1", "2"}
        errors = self.checks.errors_of(head, lines, settings) if is_checked else []
        if errors or job["fails"] or settings.update_fails or rules is None:
            job["state"] = FAILED
            job["errors"] = [f"{error.line}: {error.nok}" for error in errors]
        else:
            try:
                job["journals"] = self._post(job, head, lines, settings)
                job["state"] = POSTED
            except Nok as nok:
                # Not even the form can be read, which no setting lets pass.
                job["state"], job["errors"] = FAILED, [str(nok)]
        self.store.put(JOB, str(job["id"]), job)

    def _post(self, job: dict[str, Any], head: Row, lines: Sequence[Row], settings: M3Settings) -> list[str]:
        interface = self.set_up.interfaces[head["INTN"]]
        fields = [self.checks.fields_of(interface, line, settings) for line in lines]
        years: dict[str, list[Row]] = {}
        for row in fields:
            years.setdefault(self._year(head["DIVI"], row.get("ACDT", "")), []).append(row)
        made = [self._journal(job, head, year, rows) for year, rows in sorted(years.items())]
        reversed_rows = [reversal_of(row) for row in fields if row.get("SHDT", "0") not in {"", "0"}]
        if reversed_rows:
            year = self._year(head["DIVI"], reversed_rows[0]["ACDT"])
            made.append(self._journal(job, head, year, reversed_rows))
        return made

    def _year(self, division: str, day: str) -> str:
        period = self.set_up.period_of(division, day)
        return str(period["YEA4"]) if period else day[:4]

    def _journal(self, job: dict[str, Any], head: Row, year: str, rows: Sequence[Row]) -> str:
        division = head["DIVI"]
        number = FIRST_JOURNAL + self.store.next(f"M3 journal {division}/{year}")
        journal = {"CONO": head["CONO"], "DIVI": division, "YEA4": year, "JRNO": str(number), "KEY1": head["KEY1"]}
        vouchers: dict[tuple[str, str], str] = {}
        documents = {}
        for place, row in enumerate(rows, start=1):
            group = (row.get("GRNR", ""), row.get("ACDT", ""))
            if group not in vouchers:
                vouchers[group] = str(FIRST_VOUCHER + self.store.next(f"M3 voucher {division}/{year}"))
            documents[f"{place:07d}"] = self._ledger_row(journal, place, vouchers[group], row)
        information = sorted({text for row in documents.values() for _, text in row["information"]})
        key = f"{division}/{year}/{number}"
        self.store.put(JOURNAL, key, {**journal, "key": key, "information": information, "job": job["id"]})
        self.store.put_many(f"M3 FGLEDG {key}", documents)
        return key

    def _ledger_row(self, journal: Row, place: int, voucher: str, row: Row) -> dict[str, Any]:
        division = self.set_up.division(journal["DIVI"])
        assert division is not None, "a batch names a division that exists"
        currency = row.get("CUCD") or division["LOCD"]
        rate = row.get("ARAT") or self.set_up.rate(division["LOCD"], currency) or "1.000000"
        amount = Decimal(row.get("CUAM") or "0")
        recorded = Decimal(row["ACAM"]) if row.get("ACAM") else amount * Decimal(rate)
        period = self.set_up.period_of(journal["DIVI"], row.get("ACDT", ""))
        information = [
            (row[number].lstrip("0"), row[text])
            for number, text in (("EXN1", "EXI1"), ("EXN2", "EXI2"))
            if row.get(number, "").lstrip("0") and row.get(text)
        ]
        return {
            **{name: journal[name] for name in ("CONO", "DIVI", "YEA4", "JRNO")},
            "JSNO": str(place),
            "VONO": voucher,
            "VSER": self.set_up.series,
            "ACDT": row.get("ACDT", "0"),
            "ACYP": f"{period['YEA4']}{int(period['PERI']):02d}" if period else "0",
            "CUCD": currency,
            "CRTP": row.get("CRTP") or "1",
            "ARAT": f"{Decimal(rate):.6f}",
            "CUAM": f"{amount:.2f}",
            "ACAM": f"{recorded:.2f}",
            "DCAM": "2",
            "DBCR": "C" if amount < 0 else "D",
            "ACQT": row.get("ACQT") or "0",
            "VTXT": row.get("VTXT", ""),
            **{f"AIT{n}": row.get(f"AIT{n}", "") for n in range(1, 8)},
            "EICD": row.get("EICD") or "0",
            "FEID": "GL02",
            "FNCN": "1",
            "TRCD": "40",
            "VDSC": "PAYROLL",
            **{name: row[name] for name in ("RGDT", "RGTM", "LMDT", "CHNO", "CHID")},
            "information": information,
        }

    # Looking

    def journals(self) -> list[dict[str, Any]]:
        """In the order of their keys: division, year, number."""
        return sorted(self.store.all(JOURNAL), key=lambda row: (row["DIVI"], int(row["YEA4"]), int(row["JRNO"])))

    def rows_of(self, journal: dict[str, Any]) -> list[dict[str, Any]]:
        return self.store.all(rows_kind(journal))


def rows_kind(journal: dict[str, Any]) -> str:
    return f"M3 FGLEDG {journal['key']}"


def reversal_of(row: Row) -> Row:
    """The same on the reversal date with the other sign; that it carries no information of ours is assumed."""
    kept = {name: value for name, value in row.items() if name not in {"SHDT", "EXN1", "EXI1", "EXN2", "EXI2", "ACAM"}}
    return {**kept, "ACDT": row["SHDT"], "CUAM": str(-Decimal(row["CUAM"]))}
