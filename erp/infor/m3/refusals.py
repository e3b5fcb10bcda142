"""This module owns one decision: what an error of M3 means for what happens next.

It is made by codes alone: the type of the error, its message id, and the field that it names. Texts are in the language of
the service user and are only shown. M3 says “NOK” to one transaction at a time, so what was refused was not done; only
for UpdBatch, whose job may have begun, a code that no table knows is `OutcomeUnknown`. Ids are those of a public list of M3
messages; the classes are ours.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure

#: Longest part of the vendor's words that goes into a sentence.
WORDS_LENGTH = 300


@dataclass(frozen=True, slots=True)
class MiError:
    """An error of one transaction, or of a whole answer."""

    code: str
    """M3's message id, such as XRE0103; empty where M3 gives none."""
    words: str
    """Without padding, and without the code and field that M3 puts behind some of its texts."""
    field: str = ""
    type: str = ""


class Next(enum.Enum):
    """What a code means for what happens next."""

    ABSENT = "not there"
    DUPLICATE = "there already"
    REFUSED = "understood and refused"
    RIGHT = "a right is missing"
    CONFLICT = "somebody else was faster"
    SETTING = "a setting is wrong"
    UNCLEAR = "no table knows it"


#: Message ids.
CODES: dict[str, Next] = {
    "XRE0103": Next.ABSENT,
    "XRE0104": Next.DUPLICATE,
    "XAU0008": Next.RIGHT,
    "XNU0000": Next.REFUSED,
    "XDT0001": Next.REFUSED,
    "XUP0001": Next.CONFLICT,
    "XAD0001": Next.CONFLICT,
    "XDE0001": Next.CONFLICT,
    "XOPC001": Next.SETTING,
    "MO48302": Next.REFUSED,
    "CPF9898": Next.UNCLEAR,
}
#: The last two digits of ids such as WTT0403: invalid, must be entered, does not exist, already exists.
ENDINGS: dict[str, Next] = {
    "01": Next.REFUSED,
    "02": Next.REFUSED,
    "03": Next.ABSENT,
    "04": Next.DUPLICATE,
}
_WITH_ENDING = re.compile(r"W[A-Z0-9]{4}(0[1-4])")

#: Types of errors that the REST layer finds before a program runs; the program was not called.
TYPES: dict[str, Next] = {
    "MandatoryInputFieldNotFound": Next.REFUSED,
    "InputFieldTooLong": Next.REFUSED,
    "TransactionNotFound": Next.SETTING,
}
#: The type under which a program says NOK, with a message id.
NOK = "ServerReturnedNOK"

#: Field of a refused line -> page where it is repaired. Amounts, texts and our own references are nobody's to repair.
PAGES: dict[str, str] = {
    **{f"AIT{number}": "mapping" for number in range(1, 8)},
    "ACDT": "period",
    "CUCD": "mapping",
    "CONO": "connection",
    "DIVI": "connection",
    "INTN": "connection",
    "INRI": "connection",
    "GRNR": "connection",
    "EICD": "connection",
    "EXN1": "connection",
    "CRTP": "connection",
    "DBCR": "connection",
}
#: What to do about a field on the page of the connection.
ADVICE: dict[str, str] = {
    "CONO": "Check “Company” of the connection, and whether the service user may work in it.",
    "DIVI": "Check the company code, and whether the service user may work in that division.",
    "INTN": "Check “Interface” of the connection: it has to be a template of usage type 2 in GLS850.",
    "INRI": "Check “Record identity” of the connection against the interface template in GLS850.",
    "GRNR": "Check “Group number” of the connection against the interface template in GLS850.",
    "EICD": "Check “External or internal transaction” of the connection.",
    "EXN1": "Check “GL information number” of the connection: the number has to exist in M3.",
    "CRTP": "Check “Exchange rate type” of the connection.",
    "DBCR": "Check “How a side is written” of the connection against CRS750.",
}
DEFAULT_ADVICE = "Check the settings of the connection."


def next_of(error: MiError) -> Next:
    """By type, then by message id, then by the ending of the id."""
    if error.type in TYPES:
        return TYPES[error.type]
    if error.code in CODES:
        return CODES[error.code]
    ending = _WITH_ENDING.fullmatch(error.code)
    return ENDINGS[ending[1]] if ending else Next.UNCLEAR


def words_of(text: str, code: str, field: str) -> str:
    """A message on one line, without padding and without the code and the field at its end."""
    words = re.sub(r"\s+", " ", text).strip()
    for tail in (f"{code}{field}", field, code):
        if tail:
            words = words.removesuffix(tail).rstrip()
    return words if len(words) <= WORDS_LENGTH else words[: WORDS_LENGTH - 1].rstrip() + "…"


def quoted(error: MiError) -> str:
    """M3's own words with its code, for a sentence."""
    named = ", ".join(part for part in (error.code or error.type, error.field and f"field {error.field}") if part)
    words = error.words or "no text"
    return f"“{words}” ({named})" if named else f"“{words}”"


def read_error(error: MiError, what: str) -> ExchangeError:
    """What an error means for a read. `what` names the thing read: “the divisions”."""
    match next_of(error):
        case Next.RIGHT:
            return Misconfigured(f"The service user may not read {what} in M3: {quoted(error)}. Give it that right.")
        case Next.SETTING:
            return Misconfigured(f"This release of M3 has no transaction for {what}: {quoted(error)}.")
        case Next.REFUSED if error.type in TYPES:
            return Misconfigured(f"This release of M3 asks otherwise for {what}: {quoted(error)}.")
        case Next.CONFLICT | Next.UNCLEAR | Next.ABSENT:
            # Absent beside records: the list broke off.
            return TemporaryFailure(f"M3 could not show {what}: {quoted(error)}. We try again by itself.")
        case _:
            return Rejected(f"M3 refused to show {what}: {quoted(error)}.")


def write_error(error: MiError, what: str, *, has_ledger_effect: bool = False) -> ExchangeError:
    """What an error means for a write. `has_ledger_effect`: UpdBatch, of which nobody knows what it began."""
    meaning = next_of(error)
    if has_ledger_effect and meaning in {Next.UNCLEAR, Next.CONFLICT, Next.DUPLICATE}:
        return OutcomeUnknown(f"M3 answered {quoted(error)} to {what}. Whether it began is not known.")
    match meaning:
        case Next.RIGHT:
            return Misconfigured(f"The service user may not write {what} in M3: {quoted(error)}. Give it that right.")
        case Next.SETTING:
            return Misconfigured(f"This release of M3 does not know {what}: {quoted(error)}.")
        case Next.CONFLICT:
            return TemporaryFailure(f"Somebody else changed {what} at the same moment: {quoted(error)}. We try again.")
        case _:
            return _refused(error, what)


def _refused(error: MiError, what: str) -> ExchangeError:
    sentence = f"M3 did not accept {what}: {quoted(error)}."
    page = PAGES.get(error.field)
    if page is None:
        return Rejected(sentence)
    if page == "connection":
        return Misconfigured(f"{sentence} {ADVICE.get(error.field, DEFAULT_ADVICE)}", page)
    return Misconfigured(sentence, page)
