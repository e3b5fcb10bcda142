"""Account strings of the Dynamics 365 sandbox: taken apart by the active format, checked value by value.

Facts: order and names come from the one active format of the type, every segment is present, a delimiter inside a
value has a backslash before it, a dimension outside the account structure (with its advanced rules) is refused.
Assumed, because nobody has published it, and always in the stricter way: another number of segments is refused rather
than posted somewhere else; a doubled delimiter is escaped once; a backslash before anything else is part of the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from erp.d365.sandbox_errors import Infolog
from erp.d365.sandbox_reference import DEFAULT_FORMAT, LEDGER_FORMAT, Reference, fits_criterion, segments_of
from erp.d365.sandbox_schema import EMPTY_DATE, EntitySet, Row, entity_set

#: Account types of a line that can be posted to here -> what their numbers are looked up in.
SUBLEDGERS = {"Vend": ("VendorsV2", "Vendors"), "Bank": ("BankAccounts", "Bank accounts")}


def split_account_string(text: str, delimiter: str) -> list[str]:
    """Segments of an account string, unescaped."""
    segments = [""]
    position = 0
    while position < len(text):
        if text.startswith("\\" + delimiter, position):
            segments[-1] += delimiter
            position += 1 + len(delimiter)
        elif text.startswith(delimiter, position):
            segments.append("")
            position += len(delimiter)
        else:
            segments[-1] += text[position]
            position += 1
    return segments


def join_account_string(segments: list[str], delimiter: str) -> str:
    return delimiter.join(segment.replace(delimiter, "\\" + delimiter) for segment in segments)


def is_active_on(row: Row, day: date) -> bool:
    """An empty ActiveFrom or ActiveTo, which reads 1900-01-01, is no limit."""
    first, last = str(row.get("ActiveFrom", EMPTY_DATE)), str(row.get("ActiveTo", EMPTY_DATE))
    return (first == EMPTY_DATE or first <= day.isoformat()) and (last == EMPTY_DATE or day.isoformat() <= last)


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """A main account and its dimensions, checked."""

    main_account: str
    dimensions: tuple[tuple[str, str], ...]


class Dimensions:
    """Checks account strings; raises `InfologRefused` in the name of journal lines."""

    entity: EntitySet = entity_set("LedgerJournalLines")

    def __init__(self, reference: Reference, infolog: Infolog, banks: list[Row]) -> None:
        self.reference = reference
        self.infolog = infolog
        self.banks = banks

    def ledger_account(self, company: str, text: str, day: date, label: str = "Account") -> LedgerAccount:
        """The account of an AccountType Ledger line, valid on a day for manual entry."""
        names = self._format(LEDGER_FORMAT)
        values = dict(zip(names, self._segments(text, names, LEDGER_FORMAT), strict=True))
        number = self._main_account(company, values.pop("MainAccount"), day, label)
        filled = {name: self._value(company, name, value, day) for name, value in values.items() if value}
        self._structure(company, text, number, filled)
        return LedgerAccount(number, tuple(sorted(filled.items())))

    def default_dimensions(self, company: str, text: str, day: date) -> None:
        """DefaultDimensionDisplayValue of a line that is not on the ledger; empty is fine."""
        if not text:
            return
        names = self._format(DEFAULT_FORMAT)
        for name, value in zip(names, self._segments(text, names, DEFAULT_FORMAT), strict=True):
            if value:
                self._value(company, name, value, day)

    def subledger_account(self, company: str, kind: str, text: str, label: str = "Account") -> str:
        """The number of a vendor or bank account, escaped like a dimension value. Other types are not set up."""
        if kind not in SUBLEDGERS:
            raise self.infolog.refuse(self.entity, "account_type", kind=kind, company=company)
        segments = split_account_string(text, self.reference.delimiter())
        number = segments[0]
        table = SUBLEDGERS[kind][1]
        if kind == "Bank":
            found = any(row["company"] == company and row["account"] == number for row in self.banks)
        else:
            found = self.reference.rows.find("VendorsV2", company, number) is not None
        # An unescaped delimiter cuts the number in two; no such vendor then.
        if len(segments) != 1 or not found:
            raise self.infolog.unrelated(self.entity, "AccountDisplayValue", text, label, table)
        if kind == "Vend":
            vendor = self.reference.existing("VendorsV2", company, number)
            if vendor.get("OnHoldStatus", "No") == "All":
                raise self.infolog.refuse(self.entity, "vendor_on_hold", vendor=number)
        return number

    def _format(self, kind: str) -> list[str]:
        row = self.reference.active_format(kind)
        if row is None:
            raise self.infolog.refuse(self.entity, "no_format")
        names: list[str] = row["_dimensions"]
        if not all(self.reference.is_active_dimension(name) for name in names):
            raise self.infolog.refuse(self.entity, "inactive_dimension")
        return names

    def _segments(self, text: str, names: list[str], kind: str) -> list[str]:
        delimiter = self.reference.delimiter()
        segments = split_account_string(text, delimiter)
        if len(segments) != len(names):
            shown = delimiter.join(names)
            raise self.infolog.refuse(self.entity, "segment_count", value=text, format=shown)
        return segments

    def _main_account(self, company: str, number: str, day: date, label: str) -> str:
        """The check of debit or credit requirement is the line's, see the journals."""
        account = self.reference.main_account(company, number) if number else None
        if account is None:
            raise self.infolog.refuse(self.entity, "account_unknown", value=number, label=label)
        number = account["MainAccountId"]
        if account["MainAccountType"] in {"Total", "Reporting", "Common_CN"}:
            kind = account["MainAccountType"]
            raise self.infolog.refuse(self.entity, "account_total", account=number, kind=kind)
        if account.get("IsSuspended") == "Yes":
            raise self.infolog.refuse(self.entity, "account_suspended", account=number)
        if not is_active_on(account, day):
            raise self.infolog.refuse(self.entity, "account_inactive", account=number, date=day)
        if account.get("DoNotAllowManualEntry") == "Yes":
            raise self.infolog.refuse(self.entity, "account_manual", account=number)
        return str(number)

    def _value(self, company: str, dimension: str, value: str, day: date) -> str:
        found = self.reference.dimension_value(company, dimension, value)
        facts = {"value": value, "dimension": dimension}
        if found is None:
            raise self.infolog.refuse(self.entity, "dimension_unknown", **facts)
        if found.get("IsSuspended") == "Yes":
            raise self.infolog.refuse(self.entity, "dimension_suspended", **facts)
        if not is_active_on(found, day):
            raise self.infolog.refuse(self.entity, "dimension_inactive_value", date=day, **facts)
        if found.get("IsBlockedForManualEntry") == "Yes":
            raise self.infolog.refuse(self.entity, "dimension_manual", **facts)
        return value

    def _structure(self, company: str, text: str, number: str, filled: dict[str, str]) -> None:
        """The first structure of the ledger that covers the main account decides which dimensions may be filled."""
        for structure, constraints in self.reference.structures(company):
            segments = segments_of(structure)
            place = segments.index("MainAccount") + 1
            covering = [
                row for row in constraints if fits_criterion(number, row.get(f"SegmentCriteria{place:02d}", ""))
            ]
            if not covering:
                continue
            name = structure["AccountStructureName"]
            allowed = {*segments, *self.reference.added_dimensions(name, number)}
            for dimension in filled:
                if dimension not in allowed:
                    facts = {"value": text, "dimension": dimension, "structure": name}
                    raise self.infolog.refuse(self.entity, "structure_dimension", **facts)
            failed = [first_misfit(segments, row, number, filled) for row in covering]
            if all(failed):
                dimension = str(failed[0])
                facts = {"value": text, "segment": filled.get(dimension, ""), "dimension": dimension, "structure": name}
                raise self.infolog.refuse(self.entity, "structure_value", **facts)
            return
        raise self.infolog.refuse(self.entity, "structure_missing", account=number, company=company)


def first_misfit(segments: list[str], constraint: Row, number: str, filled: dict[str, str]) -> str:
    """The first dimension whose value the constraint does not allow; empty where all fit."""
    for place, name in enumerate(segments, start=1):
        value = number if name == "MainAccount" else filled.get(name, "")
        if not fits_criterion(value, constraint.get(f"SegmentCriteria{place:02d}", "")):
            return name
    return ""
