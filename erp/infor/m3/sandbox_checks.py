"""What M3 finds wrong with a staged batch: in CtrlBatch, and in the job behind UpdBatch where CRS750 says so.

The facts are those of the console pages: identities have a validity, may be blocked or blocked for manual entry, and name
other dimensions that are mandatory (ACR 1 = mandatory is this sandbox's; the codes are not published); a division is active
between two dates; GLS990 closes dates. A voucher is what one group number makes, and has to add up to zero per currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp.infor.m3.sandbox_call import Row
from erp.infor.m3.sandbox_messages import Nok, does_not_exist, invalid, must_be_entered, not_found
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_setup import SetUp
from erp.infor.m3.sandbox_transactions import NUMBER, is_day

FIELD_BASED, POSITION_BASED = 2, 1


@dataclass(frozen=True, slots=True)
class LineError:
    """`line` is 0 for what concerns the batch as a whole."""

    line: int
    nok: Nok


class Checks:
    def __init__(self, set_up: SetUp) -> None:
        self.set_up = set_up

    def fields_of(self, interface: Mapping[str, Any], line: Row, settings: M3Settings) -> Row:
        """The fields of a line, whichever way it was staged. Raises Nok for one that its interface cannot read."""
        if interface["usage_type"] == FIELD_BASED:
            if "PARM" in line:
                raise invalid("INTN", interface["INTN"])
            return line
        if "PARM" not in line:
            raise invalid("INTN", interface["INTN"])
        return {**line, **cut_by_position(interface["layout"], line["PARM"], settings.decimal_mark)}

    def errors_of(self, head: Row, lines: Sequence[Row], settings: M3Settings) -> list[LineError]:
        """All of them, the lines' first, in the order of their numbers."""
        interface = self.set_up.interfaces[head["INTN"]]
        found: list[LineError] = []
        if not lines:
            return [LineError(0, not_found("LINE"))]
        sums: dict[tuple[str, str], Decimal] = {}
        identities: dict[tuple[str, str], Row | None] = {}
        for line in lines:
            try:
                fields = self.fields_of(interface, line, settings)
                self._check_line(head, interface, fields, identities)
            except Nok as nok:
                found.append(LineError(int(line["LINE"]), nok))
                continue
            group = (fields.get("GRNR", ""), fields.get("CUCD", ""))
            sums[group] = sums.get(group, Decimal(0)) + Decimal(fields["CUAM"])
        if not found:
            found += [LineError(0, invalid("CUAM", f"{total:f}")) for total in sums.values() if total]
        return found

    def _check_line(
        self,
        head: Row,
        interface: Mapping[str, Any],
        line: Row,
        identities: dict[tuple[str, str], Row | None],
    ) -> None:
        division = head["DIVI"]
        settings = self.set_up.settings(division)
        if settings is None:
            raise invalid("DIVI", division)
        if line.get("INRI") != interface["INRI"]:
            raise does_not_exist("INRI", line.get("INRI", ""))
        day = line.get("ACDT", "")
        self._check_day(division, day)
        if line.get("SHDT", "0") != "0":
            if not interface["is_reversing"]:
                raise invalid("SHDT", line["SHDT"])
            self._check_day(division, line["SHDT"], "SHDT")
        self._check_amount(line, settings)
        self._check_identities(division, line, day, settings, identities)
        for number in ("EXN1", "EXN2"):
            value = line.get(number, "").lstrip("0")
            if value and value not in self.set_up.information_numbers:
                raise does_not_exist(number, value)

    def _check_day(self, division: str, day: str, name: str = "ACDT") -> None:
        if not day:
            raise must_be_entered(name)
        row = self.set_up.division(division)
        is_active = row is not None and row["FADT"] <= day <= row["LADT"]
        has_period = self.set_up.period_of(division, day) is not None
        if not is_day(day) or not is_active or not has_period or not self.set_up.is_open(division, day):
            raise invalid(name, day)

    def _check_amount(self, line: Row, settings: Row) -> None:
        if line.get("CUCD", "") not in self.set_up.currencies:
            raise does_not_exist("CUCD", line.get("CUCD", ""))
        text = line.get("CUAM", "")
        if not NUMBER.fullmatch(text):
            raise Nok("XNU0000", "CUAM")
        amount = Decimal(text)
        decimals = int(self.set_up.currencies[line["CUCD"]]["DCCD"])
        if amount != round(amount, decimals):
            raise invalid("CUAM", text)
        if settings["DCNY"] == "1":
            code = line.get("DBCR", "")
            if not code:
                raise must_be_entered("DBCR")
            if code not in {"D", "C"} or (amount > 0) != (code == "D"):
                raise invalid("DBCR", code)

    def _check_identities(
        self, division: str, line: Row, day: str, settings: Row, identities: dict[tuple[str, str], Row | None]
    ) -> None:
        account = self._identity(division, line, "1", day, identities)
        if account is None:
            raise must_be_entered("AIT1")
        if account.get("MTCD") == "1" and not line.get("VTXT"):
            raise must_be_entered("VTXT")
        if account.get("MQCD") == "1" and not line.get("ACQT"):
            raise must_be_entered("ACQT")
        for dimension in "234567":
            found = self._identity(division, line, dimension, day, identities)
            if found is not None and settings[f"FAC{dimension}"] != "1":
                raise invalid(f"AIT{dimension}", line[f"AIT{dimension}"])
            if found is None and account.get(f"ACR{dimension}") == "1":
                raise must_be_entered(f"AIT{dimension}")

    def _identity(
        self, division: str, line: Row, dimension: str, day: str, identities: dict[tuple[str, str], Row | None]
    ) -> Row | None:
        """None where the line has none. Raises Nok for one that may not be used on this day."""
        name = f"AIT{dimension}"
        code = line.get(name, "").strip()
        if not code:
            return None
        if (dimension, code) not in identities:
            identities[dimension, code] = self.set_up.identity(division, dimension, code)
        found = identities[dimension, code]
        if found is None:
            raise does_not_exist(name, code)
        if found["LCCD"] != "0" or found["AT13"] != "0" or not found["VFDT"] <= day <= found["VTDT"]:
            raise invalid(name, code)
        return found


def cut_by_position(layout: Sequence[tuple[str, int]], text: str, decimal_mark: str) -> Row:
    """PARM cut where the interface says; an amount has the decimal mark of the user. Blanks before a field matter."""
    found: Row = {}
    place = 0
    for name, width in layout:
        value = text[place : place + width].strip()
        place += width
        if name == "CUAM" and value:
            other = "." if decimal_mark == "," else ","
            if other in value:
                raise Nok("XNU0000", "CUAM")
            value = value.replace(decimal_mark, ".")
        if value:
            found[name] = value
    found.setdefault("EXN1", "1")
    return found
