"""This module owns one decision: what a refusal of IFS Cloud means for what happens next.

It is made by codes alone: the code of the OData provider, the ORA number in the detail of a DATABASE_ERROR, and the
constant behind it (`ORA-20110: Voucher.VOUNOTBALANCED: …`). Texts are in the language of the service user and are only
shown. What no table knows is `OutcomeUnknown` for CreateVoucher and `TemporaryFailure` for everything else, which has
no effect on the books. Numbers and constants are those of the public application model, 21R1 to 22R2.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from audit.exchange import (
    ExchangeError,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    TemporaryFailure,
    retry_after_seconds,
)
from erp.ifs.constants import CONSTANTS, Field
from erp.odata import ErrorBody, error_body

#: Longest part of the vendor's words that goes into a sentence.
WORDS_LENGTH = 600


class Missing(Misconfigured):
    """IFS has no such projection, set or record, or hides it from this user: it does not say which."""


class Stale(TemporaryFailure):
    """The record was changed since it was read, or IFS wants to be told which state is meant: read it and repeat once."""


class Next(enum.Enum):
    """What a code means for what happens next."""

    RETRY = "it passes by itself"
    STALE = "read again and repeat once"
    REFUSED = "understood and refused"
    RIGHT = "a right is missing"
    NAMES = "a name or a type is not what this release has"
    SETTING = "a setting is wrong"
    MISSING = "not there, or not shown to this user"
    CAUSE = "the detail says why"
    UNCLEAR = "nobody knows what was done"


#: Codes of the OData provider.
PROVIDER_CODES: dict[str, Next] = {
    "CSRF_ERROR": Next.SETTING,
    "DATABASE_ERROR": Next.CAUSE,
    "DB_ACCESS_ERROR": Next.UNCLEAR,
    "DB_INSUFFICIENT_PRIVILEGES": Next.RIGHT,
    "DB_OBJECT_EXIST": Next.REFUSED,
    "DB_OBJECT_MODIFIED": Next.STALE,
    "DB_RESULTSET_ERROR": Next.UNCLEAR,
    "DB_SOURCE_NOTFOUND": Next.REFUSED,
    "DB_UNIQUE_ENTITY_REQUIRED": Next.REFUSED,
    "DB_VALUE_TOO_LARGE": Next.REFUSED,
    "META_INFORMATION_ERROR": Next.UNCLEAR,
    "MI_DUPLICATE_ERROR": Next.UNCLEAR,
    "MI_METADATA_NOTFOUND": Next.MISSING,
    # The service was deployed anew under the request, which was not carried out.
    "MI_MODIFIED_ERROR": Next.RETRY,
    "MI_RETRIEVAL_ERROR": Next.UNCLEAR,
    "MI_UNMARSHAL_ERROR": Next.UNCLEAR,
    "ODATA_PROVIDER_ERROR": Next.UNCLEAR,
    "ODP_DESERIALIZATION_ERROR": Next.NAMES,
    # 500, and the same again however often it is sent.
    "ODP_ILLEGAL_STATE": Next.REFUSED,
    "ODP_MAPPING_ERROR": Next.UNCLEAR,
    "ODP_MISSING_PRECONDITION": Next.STALE,
    "ODP_MISSING_PROPERTY": Next.NAMES,
    "ODP_NOT_ALLOWED": Next.NAMES,
    "ODP_NOT_IMPLEMENTED": Next.NAMES,
    # The statement may go on after the answer.
    "ODP_OPERATION_TIMEOUT": Next.UNCLEAR,
    "ODP_PRECONDITION_VIOLATION": Next.STALE,
    "ODP_RESOURCE_NOTFOUND": Next.MISSING,
    "ODP_SERIALIZATION_ERROR": Next.UNCLEAR,
    "ODP_STATEMENT_ERROR": Next.UNCLEAR,
    "ODP_UNSUPPORTED_URL": Next.NAMES,
    "PROJECTION_IMPL_EXCEPTION": Next.UNCLEAR,
    "QUEUED_FOR_SCANNING": Next.RETRY,
    "SECURITY_ERROR": Next.RIGHT,
    "SE_AUTHENTICATION_ERROR": Next.RIGHT,
    "SE_UNAUTHORIZED": Next.RIGHT,
    "THREAT_DETECTED": Next.REFUSED,
    "UNEXPECTED": Next.UNCLEAR,
}

#: Numbers of DATABASE_ERROR: the application raised them, so its transaction was undone.
ORA_NUMBERS: dict[str, Next] = {
    "20100": Next.REFUSED,  # System_General
    "20105": Next.REFUSED,  # Appl_General: a business rule
    "20106": Next.RIGHT,
    "20107": Next.RIGHT,
    "20110": Next.REFUSED,  # Record_General: a business rule
    "20111": Next.REFUSED,  # Record_Not_Exist
    "20112": Next.REFUSED,  # Record_Exist
    "20113": Next.RETRY,  # Record_Locked
    "20114": Next.STALE,  # Record_Modified
    "20115": Next.REFUSED,  # Record_Removed
    "20116": Next.REFUSED,  # Record_Constraint: in use
    "20117": Next.REFUSED,  # Too_Many_Rows
    "20118": Next.RIGHT,
    "20120": Next.REFUSED,  # Item_General
    "20121": Next.REFUSED,  # Item_Insert
    "20122": Next.REFUSED,  # Item_Update
    "20123": Next.REFUSED,  # Item_Update_If_Null
    "20124": Next.REFUSED,  # Item_Format, a mandatory field is missing
    "20125": Next.NAMES,  # Item_Not_Exist: unknown field
    "20126": Next.REFUSED,  # Item_Length
    "20130": Next.REFUSED,  # State_General
    "20131": Next.REFUSED,  # State_Not_Exist
    "20132": Next.REFUSED,  # State_Event_Not_Handled
    "20140": Next.RIGHT,  # Security_Checkpoint
    "20160": Next.REFUSED,  # Rowkey_Exist
    **{str(number): Next.REFUSED for number in range(20170, 20176)},  # raised in projections
    "20180": Next.REFUSED,  # Odp_Record_Not_Exist
}

_DETAIL = re.compile(r"ORA-(\d{5}): (?:([A-Za-z][A-Za-z0-9]*\.[A-Z0-9_]+): )?(.*)", re.DOTALL)

#: Where a person repairs what stands behind a constant: page of the console, and what to do.
_REPAIRS: dict[Field, tuple[str, str]] = {
    Field.MAPPING: ("mapping", "Repair the mapping table, or the account or code part in IFS."),
    Field.PERIOD: ("period", "Open the period for the user group in IFS."),
    Field.AUTHORIZATION: ("connection", "Give the service user that right in IFS, or change the connection."),
    Field.SERIES: ("connection", "Repair the voucher type or its number series in IFS, or change the connection."),
    Field.CURRENCY: ("connection", "Repair the currency rate type in IFS, or change the connection."),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """A DATABASE_ERROR taken apart."""

    number: str
    constant: str
    """`Voucher.VOUNOTBALANCED`; empty where the detail does not say it."""
    text: str


def plain(text: str) -> str:
    """Without the control characters that mark messages and fields, on one line, not too long."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= WORDS_LENGTH else text[: WORDS_LENGTH - 1].rstrip() + "…"


def cause_of(error: ErrorBody) -> Cause | None:
    """The first detail with an ORA number; None where there is none."""
    for detail in error.details:
        found = _DETAIL.match(re.sub(r"[\x1e\x1f]+", " ", detail).strip())
        if found is not None:
            return Cause(found[1], found[2] or "", plain(found[3]))
    return None


def refusal(
    status: int, headers: Mapping[str, str], content: bytes, what: str, *, has_effect: bool = False
) -> ExchangeError:
    """The error that an answer means. `what` names what was asked for or written, for a sentence.

    `has_effect`: the request may have changed the books. Only then is an answer that says nothing an OutcomeUnknown;
    any other error means that nothing was done.
    """
    given = {name.title(): value for name, value in headers.items()}
    if status == 429 or (status == 503 and not has_effect):
        return TemporaryFailure("IFS asks us to slow down. We try again by itself.", retry_after_seconds(given))
    error = error_body(content)
    if error is None:
        return _wordless(status, given, what, has_effect)
    cause = cause_of(error)
    words = cause.text if cause else plain(error.words)
    next_step = PROVIDER_CODES.get(error.code, Next.UNCLEAR)
    if next_step is Next.CAUSE:
        if cause is None:
            return _unclear(f"IFS answered {what} with a database error that says nothing: “{words}”", has_effect)
        if cause.constant in CONSTANTS:
            return _by_constant(cause, what)
        next_step = ORA_NUMBERS.get(cause.number, Next.UNCLEAR)
    return _judged(next_step, error.code, words, what, has_effect)


def _judged(next_step: Next, code: str, words: str, what: str, has_effect: bool) -> ExchangeError:
    match next_step:
        case Next.RETRY:
            return TemporaryFailure(f"IFS cannot take {what} at the moment: “{words}” We try again by itself.")
        case Next.STALE:
            return Stale(f"Somebody else changed the same record in IFS at that moment: “{words}”")
        case Next.REFUSED:
            return Rejected(f"IFS did not accept {what}: “{words}”")
        case Next.RIGHT:
            return Misconfigured(
                f"The service user of this connection has no right to {what}: “{words}” Add it to a permission set of the "
                "service user in IFS."
            )
        case Next.NAMES:
            return Misconfigured(
                f"IFS does not understand {what} in this form ({code}): “{words}” This release may call something otherwise: "
                "press Test connection, which says what."
            )
        case Next.SETTING:
            return Misconfigured(
                f"IFS takes {what} only from a browser session: “{words}” Ask for the connection's client to be allowed, or "
                "change “First part of the path”."
            )
        case Next.MISSING:
            return Missing(
                f"IFS shows no {what} to this connection. Either the service user's permission sets do not grant the "
                "projection, or this release calls it otherwise: press Test connection."
            )
        case _:
            return _unclear(f"IFS gave no clear answer to {what} ({code}): “{words}”", has_effect)


def _by_constant(cause: Cause, what: str) -> ExchangeError:
    known = CONSTANTS[cause.constant]
    sentence = f"IFS did not accept {what}: {known.meaning}. In its words: “{cause.text}”"
    if known.field in _REPAIRS:
        page, advice = _REPAIRS[known.field]
        return Misconfigured(f"{sentence} {advice}", page)
    return Rejected(sentence)


def _wordless(status: int, headers: Mapping[str, str], what: str, has_effect: bool) -> ExchangeError:
    """An answer without IFS' own error: a web page, or nothing."""
    if has_effect:
        return OutcomeUnknown(f"IFS gave an answer to {what} that says nothing (status {status}).")
    if status < 500 and "html" in headers.get("Content-Type", "").lower():
        return Misconfigured(
            f"A web page came where IFS should have answered {what} (status {status}). Check the IFS Cloud address; if it "
            "is right, something between here and IFS answers in its place."
        )
    if status == 403:
        return Misconfigured(
            f"The service user of this connection has no right to {what}. Grant the projection to a permission set of it."
        )
    if status == 404:
        return Missing(
            f"There is no {what} at the IFS Cloud address. Check the address, and whether the projection is granted."
        )
    return TemporaryFailure(
        f"IFS gave an answer to {what} that says nothing (status {status}). We try again by itself."
    )


def _unclear(sentence: str, has_effect: bool) -> ExchangeError:
    return OutcomeUnknown(sentence) if has_effect else TemporaryFailure(f"{sentence} We try again by itself.")
