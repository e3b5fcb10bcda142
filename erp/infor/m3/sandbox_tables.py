"""Tables of M3 that EXPORTMI reads in the sandbox: their columns, and where a query's rows come from.

Columns of FGLEDG, FGLEDX, FGLINH and FGLINL are those that public code shows, as far as the sandbox fills them. The prefixes
of FGLINF and FCR040 and every status column are not published: settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from erp.infor.m3.sandbox_settings import M3Settings

#: Column without prefix -> kind, length, decimals, heading.
KINDS: dict[str, tuple[str, int, int, str]] = {
    "CONO": ("N", 3, 0, "Company"),
    "DIVI": ("A", 3, 0, "Division"),
    "YEA4": ("N", 4, 0, "Year"),
    "JRNO": ("N", 7, 0, "Journal number"),
    "JSNO": ("N", 7, 0, "Journal seq no"),
    "GEXN": ("N", 3, 0, "GL info no"),
    "GEXI": ("A", 45, 0, "GL add info"),
    "TXID": ("N", 13, 0, "Text identity"),
    "VONO": ("N", 8, 0, "Voucher number"),
    "VSER": ("A", 3, 0, "Voucher series"),
    "ACDT": ("N", 8, 0, "Accounting date"),
    "CUCD": ("A", 3, 0, "Currency"),
    "CRTP": ("N", 2, 0, "Rate type"),
    "CUAM": ("N", 17, 2, "Currency amount"),
    "ACAM": ("N", 17, 2, "Recorded amount"),
    "ARAT": ("N", 13, 6, "Exchange rate"),
    "ACQT": ("N", 17, 2, "Quantity"),
    "DBCR": ("A", 1, 0, "Debit/credit"),
    "VTXT": ("A", 40, 0, "Voucher text"),
    "FEID": ("A", 4, 0, "FAM function"),
    "FNCN": ("N", 3, 0, "Sequence number"),
    "TRCD": ("N", 2, 0, "Transaction"),
    "VDSC": ("A", 7, 0, "Description"),
    "RGDT": ("N", 8, 0, "Entry date"),
    "RGTM": ("N", 6, 0, "Entry time"),
    "LMDT": ("N", 8, 0, "Change date"),
    "CHNO": ("N", 3, 0, "Change number"),
    "CHID": ("A", 10, 0, "Changed by"),
    "KEY1": ("A", 15, 0, "Key value"),
    "LINE": ("N", 7, 0, "Line number"),
    "INTN": ("A", 15, 0, "Interface"),
    "DESC": ("A", 40, 0, "Description"),
    "USID": ("A", 10, 0, "User"),
    "PARM": ("A", 900, 0, "Parameter value"),
    "INRI": ("A", 2, 0, "Record identity"),
    "GRNR": ("A", 10, 0, "Group number"),
    "EICD": ("N", 1, 0, "External/int"),
    "EXN1": ("N", 3, 0, "GL info no 1"),
    "EXI1": ("A", 45, 0, "GL add info 1"),
    "EXN2": ("N", 3, 0, "GL info no 2"),
    "EXI2": ("A", 45, 0, "GL add info 2"),
    "SHDT": ("N", 8, 0, "Reversal date"),
    "STAT": ("A", 2, 0, "Status"),
    **{f"AIT{n}": ("A", 10, 0, f"Acc dimension {n}") for n in range(1, 8)},
}
DIMENSION_COLUMNS = "AIT1 AIT2 AIT3 AIT4 AIT5 AIT6 AIT7"
#: Table -> columns, those of its key first.
COLUMNS = {
    "FGLEDG": f"CONO DIVI YEA4 JRNO JSNO VONO VSER ACDT CUCD CRTP ARAT CUAM ACAM DBCR ACQT VTXT {DIMENSION_COLUMNS} FEID FNCN TRCD "
    "VDSC RGDT RGTM LMDT CHNO CHID",
    "FGLEDX": "CONO DIVI YEA4 JRNO JSNO GEXN GEXI TXID",
    "FGLINH": "CONO DIVI KEY1 INTN DESC USID RGDT RGTM LMDT CHNO CHID",
    "FGLINL": "CONO DIVI KEY1 LINE PARM RGDT RGTM LMDT CHNO CHID",
    "FGLINF": f"CONO DIVI KEY1 LINE INRI GRNR EICD {DIMENSION_COLUMNS} ACQT CRTP CUCD ARAT CUAM ACAM DBCR ACDT VTXT EXN1 EXI1 EXN2 "
    "EXI2 SHDT RGDT RGTM LMDT CHNO CHID",
    "FCR040": f"CONO DIVI STAT ACDT CUCD CUAM VTXT {DIMENSION_COLUMNS} RGDT RGTM CHID",
}
PREFIXES = {"FGLEDG": "EG", "FGLEDX": "EG", "FGLINH": "FH", "FGLINL": "FL"}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    """With the prefix."""
    field: str
    """Without it."""
    kind: str
    length: int
    decimals: int
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: Mapping[str, Column]
    """By name with prefix."""


def tables(settings: M3Settings) -> dict[str, Table]:
    """As this tenant has them."""
    prefixes = {**PREFIXES, "FGLINF": settings.field_lines_prefix, "FCR040": settings.work_table_prefix}
    found = {}
    for name, listed in COLUMNS.items():
        fields = listed.split()
        if name == "FGLINH" and settings.head_status:
            fields.append("STAT")
        columns = [Column(f"{prefixes[name]}{field}", field, *KINDS[field]) for field in fields]
        found[name] = Table(name, {column.name: column for column in columns})
    return found
