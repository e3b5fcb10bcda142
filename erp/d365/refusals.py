"""This module owns one decision: what a refusal of Dynamics means for what happens next.

`code` is always empty, so the decision is by status, the type of the inner error and words of its text, in a table that
can be compared with the vendor's messages. Texts come in the language of the Dynamics user behind the connection
(reference rule err-2); a text that no row knows falls back to the type, so a user in another language loses precision,
never safety. What is known of neither is `OutcomeUnknown` for a write.
"""

from __future__ import annotations

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
from erp.odata import ErrorBody, error_body

#: Longest part of the vendor's words that goes into a sentence: an Infolog can name every line of a changeset.
WORDS_LENGTH = 600

DATA_WRITE = "AxODataWriteException"
DATA_SECURITY = "ODataSecurityException"


class EntityMissing(Rejected):
    """The environment has no such entity set, or hides it from this user."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: words that the text holds, the error they mean, and what to do, as a sentence."""

    text: str
    error: type[TemporaryFailure] | type[Misconfigured] | type[Rejected]
    advice: str


#: First row that fits. Messages marked (r) are recorded, (a) assumed in wording.
REFUSALS = (
    # (r) parallel writers on one journal; nothing of the request was kept.
    Refusal(
        "An update conflict occurred due to another user process",
        TemporaryFailure,
        "Somebody else wrote to this journal at the same moment. We try again by itself.",
    ),
    # (r) a row that was there a moment ago is gone: look again before deciding.
    Refusal(
        "No resources were found when selecting for update",
        TemporaryFailure,
        "Somebody else changed this journal at the same moment. We look again by itself.",
    ),
    # (r)
    Refusal(
        "No active format for data entities has been set up",
        Misconfigured,
        "Activate one in Dynamics under General ledger > Chart of accounts > Dimensions > "
        "Financial dimension configuration for integrating applications.",
    ),
    # (r)
    Refusal(
        "Only active dimensions can be used",
        Misconfigured,
        "Activate the financial dimensions in Dynamics under General ledger > Chart of accounts > Dimensions.",
    ),
    # (r) form of a check that failed; here it is the journal name of the connection.
    Refusal(
        "LedgerJournalHeaderEntity.JournalName",
        Misconfigured,
        "Choose a journal name of type Daily that exists in this company, in the settings of the connection.",
    ),
    # (r)
    Refusal(
        "cannot be deleted while dependent Journal lines exist",
        TemporaryFailure,
        "Somebody added a line while the journal was being removed. We look again by itself.",
    ),
)

#: Statuses with an error body that mean: understood, refused, nothing done.
_REFUSED = frozenset({400, 403, 404, 405, 409, 412, 413, 422})


def words_of(error: ErrorBody) -> str:
    """The Infolog of an error without its frame, on one line, or the message."""
    text = error.words
    _, found, infolog = text.partition("Infolog: ")
    text = re.sub(r"\s+", " ", infolog if found else text).strip()
    text = re.sub(r"\.{2,}$", ".", text)
    return text if len(text) <= WORDS_LENGTH else text[: WORDS_LENGTH - 1].rstrip() + "…"


def write_refusal(status: int, headers: Mapping[str, str], content: bytes, what: str) -> ExchangeError:
    """The error that a write's answer means. `what` names the thing written: “the header of the journal”.

    Only answers to writes that Dynamics undoes as a whole (one row, one changeset) may be judged here.
    """
    if status == 429:
        return _throttled(headers)
    error = error_body(content)
    if error is None:
        return OutcomeUnknown(f"Dynamics gave an answer to {what} that says nothing (status {status}).")
    words = words_of(error)
    for row in REFUSALS:
        if row.text in words:
            return row.error(f"Dynamics did not accept {what}: “{words}” {row.advice}")
    if error.inner_type.endswith(DATA_WRITE):
        return Rejected(f"Dynamics did not accept {what}: “{words}”")
    if error.inner_type.endswith(DATA_SECURITY):
        return _security(words, what)
    if status == 401:
        return Misconfigured(f"Dynamics did not let us write {what}.")
    if status in _REFUSED:
        return Rejected(f"Dynamics did not accept {what}: “{words}”")
    return OutcomeUnknown(f"Dynamics answered with status {status} to {what}: “{words}”")


def read_refusal(status: int, headers: Mapping[str, str], content: bytes, what: str) -> ExchangeError:
    """The error that a read's answer means. `what` names the entity set."""
    if status == 429:
        return _throttled(headers)
    error = error_body(content)
    if error is None:
        return TemporaryFailure(f"Dynamics gave an answer to {what} that says nothing (status {status}).")
    words = words_of(error)
    if status == 404:
        return EntityMissing(f"Dynamics has no {what} for this user: “{words}”")
    if error.inner_type.endswith(DATA_SECURITY) or status == 403:
        return Misconfigured(
            f"The Dynamics user of this connection may not read {what}: “{words}” "
            "Give it a role with that right under System administration > Users."
        )
    if status in _REFUSED:
        return Rejected(f"Dynamics refused to show {what}: “{words}”")
    return TemporaryFailure(f"Dynamics could not show {what} (status {status}): “{words}”")


def _throttled(headers: Mapping[str, str]) -> TemporaryFailure:
    # retry_after_seconds() reads the header as requests writes it; parts of a $batch carry names in lower case.
    given = {name.title(): value for name, value in headers.items()}
    return TemporaryFailure("Dynamics asks us to slow down. We try again by itself.", retry_after_seconds(given))


def _security(words: str, what: str) -> ExchangeError:
    # 403 is also the answer to a field that may not be written (recorded live): that is no lost right.
    if "not allowed for field" in words:
        return Rejected(f"Dynamics did not accept {what}: “{words}”")
    return Misconfigured(
        f"The Dynamics user of this connection may not write {what}: “{words}” "
        "Give it a role with that right (for example Accountant) under System administration > Users."
    )
