"""Our journal in Dynamics' words, and Dynamics' lines compared with our journal. Pure: no network, no clock.

Lengths are those of the AX 2012 types that F&O inherits (Description 60, Text 60, Document 20); whether Dynamics cuts
or refuses more is not known, so nothing longer is ever sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from audit.exchange import Misconfigured, TemporaryFailure
from erp.odata import Row
from mappings.journal import ZERO, Journal

DESCRIPTION_LENGTH = 60
TEXT_LENGTH = 60

#: DimensionParameters.DimensionSegmentDelimiter -> what stands between two segments (dimensions.md).
DELIMITERS = {
    "Hyphen": "-",
    "Period": ".",
    "Underscore": "_",
    "Bar": "|",
    "Tilde": "~",
    "DoubleHyphen": "--",
    "DoublePeriod": "..",
    "DoubleUnderscore": "__",
    "DoubleBar": "||",
    "DoubleTilde": "~~",
}

MAIN_ACCOUNT = "MainAccount"

#: Fields of a held line that are compared and shown.
LINE_FIELDS = (
    "JournalBatchNumber",
    "LineNumber",
    "Voucher",
    "Document",
    "TransDate",
    "AccountDisplayValue",
    "DebitAmount",
    "CreditAmount",
    "CurrencyCode",
    "Text",
)


@dataclass(frozen=True, slots=True)
class LedgerFormat:
    """The active format of ledger accounts: names of the segments in order, and what stands between them."""

    segments: tuple[str, ...]
    delimiter: str

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(name for name in self.segments if name.casefold() != MAIN_ACCOUNT.casefold())


def escaped(value: str, delimiter: str) -> str:
    """A value with a backslash before each delimiter in it (recorded: DAT\\-0000000002).

    Raises Misconfigured for a value that Dynamics might read as something else: how it escapes a backslash or a double
    delimiter is not known, and a wrong guess would put money on another account.
    """
    if "\\" in value:
        raise Misconfigured(f"The value “{value}” holds a backslash, which cannot be sent to Dynamics.", "mapping")
    if len(delimiter) == 1:
        return value.replace(delimiter, "\\" + delimiter)
    if delimiter in value or value.startswith(delimiter[0]) or value.endswith(delimiter[0]):
        raise Misconfigured(
            f"The value “{value}” touches the delimiter “{delimiter}” of Dynamics' account strings, "
            "so it cannot be sent without doubt.",
            "mapping",
        )
    return value


def display_value(segments: Sequence[str], delimiter: str, values: Mapping[str, str]) -> str:
    """Values in the order of the format, empty segments kept; empty if there is no value at all."""
    if not any(values.values()):
        return ""
    return delimiter.join(escaped(values.get(name, ""), delimiter) for name in segments)


def account_display_value(ledger_format: LedgerFormat, main_account: str, dimensions: Sequence[tuple[str, str]]) -> str:
    """The account string of a ledger line: main account and dimension values, for example `601200-001-022--`.

    Names are compared without case. Raises Misconfigured for a dimension that the format does not have: Dynamics
    would drop it silently.
    """
    spelled = {name.casefold(): name for name in ledger_format.segments}
    values = {spelled.get(MAIN_ACCOUNT.casefold(), MAIN_ACCOUNT): main_account}
    for name, value in dimensions:
        if name.casefold() not in spelled or name.casefold() == MAIN_ACCOUNT.casefold():
            raise Misconfigured(
                f"The dimension {name} of main account {main_account} is not in Dynamics' active format for ledger "
                f"accounts ({', '.join(ledger_format.segments)}). Take it out of the mapping table, or add it to the "
                "format in Dynamics.",
                "mapping",
            )
        values[spelled[name.casefold()]] = value
    return display_value(ledger_format.segments, ledger_format.delimiter, values)


def _one_line(text: str) -> str:
    """Without line ends and surplus spaces: Dynamics cuts spaces at the end, and a comparison must not see that."""
    return re.sub(r"\s+", " ", text).strip()


def header_description(journal: Journal) -> str:
    """At most 60 characters, the posting key as the last word."""
    room = DESCRIPTION_LENGTH - len(journal.posting_key) - 1
    return f"{_one_line(journal.header_text)[:room].rstrip()} {journal.posting_key}".strip()


def line_text(text: str) -> str:
    return _one_line(text)[:TEXT_LENGTH].rstrip()


def wire_date(day: date) -> str:
    """A day is noon UTC on the wire (recorded)."""
    return f"{day.isoformat()}T12:00:00Z"


def line_bodies(journal: Journal, ledger_format: LedgerFormat) -> list[Row]:
    """The lines as they are sent, without the number of the journal, in the journal's order.

    `LineNumber` is refused by Dynamics and `ExchRate` is better left to it. Voucher is left out: Dynamics numbers it
    from the series of the journal name. Raises Misconfigured for what cannot be written.
    """
    return [
        {
            "dataAreaId": journal.company_code.lower(),
            "TransDate": wire_date(journal.posting_date),
            "DocumentDate": wire_date(journal.document_date),
            "Document": journal.posting_key,
            "AccountType": "Ledger",
            "AccountDisplayValue": account_display_value(ledger_format, line.main_account, line.dimensions),
            "DebitAmount": line.debit,
            "CreditAmount": line.credit,
            "CurrencyCode": journal.currency,
            "Text": line_text(line.text or journal.header_text),
        }
        for line in journal.lines
    ]


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One line as Dynamics holds it."""

    journal_number: str
    line_number: Decimal
    document: str
    debit: Decimal
    credit: Decimal
    identity: tuple[str, ...]
    """What makes two lines the same, for comparison with a planned one."""


def held_line(row: Row) -> HeldLine:
    """Raises TemporaryFailure for a row that is not a journal line."""
    try:
        return HeldLine(
            journal_number=str(row["JournalBatchNumber"]),
            line_number=Decimal(row["LineNumber"]),
            document=str(row["Document"]),
            debit=amount(row["DebitAmount"]),
            credit=amount(row["CreditAmount"]),
            identity=identity(row),
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise TemporaryFailure("Dynamics showed a journal line that cannot be read.") from error


def amount(value: Any) -> Decimal:
    """An amount as Dynamics writes it, with at least two decimals. Raises TypeError for a float."""
    if isinstance(value, float):
        raise TypeError("an amount must not pass through a float")
    found = Decimal(value)
    cents = found.quantize(ZERO)
    return cents if cents == found else found


def identity(row: Row) -> tuple[str, ...]:
    """Account, amounts, currency, date and text of a line, ours or theirs, so that equal lines are equal.

    Case of account and currency does not count: Dynamics gives back its own spelling of a dimension value.
    """
    return (
        str(row["AccountDisplayValue"]).casefold(),
        str(amount(row["DebitAmount"])),
        str(amount(row["CreditAmount"])),
        str(row["CurrencyCode"]).casefold(),
        str(row["TransDate"])[:10],
        _one_line(str(row["Text"])).casefold(),
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has to be sent so that the held lines become the planned ones, and what does not belong there."""

    missing: tuple[Row, ...]
    surplus: tuple[HeldLine, ...]


def compare(planned: Sequence[Row], held: Sequence[HeldLine]) -> Comparison:
    """As multisets: two equal lines are two lines. `missing` keeps the order of the plan."""
    there = Counter(line.identity for line in held)
    missing = []
    for body in planned:
        same = identity(body)
        if there[same] > 0:
            there[same] -= 1
        else:
            missing.append(body)
    surplus = []
    for line in reversed(held):
        if there[line.identity] > 0:
            there[line.identity] -= 1
            surplus.append(line)
    return Comparison(tuple(missing), tuple(reversed(surplus)))
