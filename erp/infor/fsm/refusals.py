"""This module owns one decision: what words of FSM mean for what happens next.

FSM has no published list of codes: an error is a text, in a body `{code, message}` with status 400, as the exception of a
row, or as ErrorMessage of a staged row after a run. Texts may be in the language of the service account. So the table holds
words; what no row knows is `Rejected` with the words as they are, since FSM understood and refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.exchange import ExchangeError, Misconfigured, Rejected, TemporaryFailure


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: words that the text holds (in any case), where a person repairs it, and what to do.

    `page`: connection, mapping, period; empty = the far side refused, and a person decides.
    """

    text: str
    page: str
    advice: str


#: First row that fits. (r) recorded words, (a) assumed in wording.
REFUSALS: tuple[Refusal, ...] = (
    # (r) GLTransactionInterface.ErrorMessage
    Refusal("No period found", "period", "Open the period in FSM, or change the posting date."),
    # (r) an LPL filter that FSM cannot read: one of ours only if a setting of the connection brought it there.
    Refusal(
        "ConditionNode tree failed",
        "connection",
        "Check “Condition for posted” and “Finance enterprise group” of the connection.",
    ),
    Refusal(
        "Expected a logical operator",
        "connection",
        "Check “Condition for posted” and “Finance enterprise group” of the connection.",
    ),
    # (r) a list of a class that cannot be put together
    Refusal(
        "SpecArray Invalid Operation",
        "connection",
        "FSM cannot put this list together. Press Test connection, which says which one.",
    ),
    # (a) security classes of the service account
    Refusal("not authorized", "connection", "Give the service account's security class that right in FSM."),
    Refusal("security", "connection", "Give the service account's security class that right in FSM."),
    # (a) a name that this release does not know
    Refusal("is not a field", "connection", "This release of FSM may call it otherwise: press Test connection."),
    Refusal("is not a set", "connection", "This release of FSM may call it otherwise: press Test connection."),
    # (r) the run group is interfaced and FSM has not made journals of it yet
    Refusal("journalize not complete", "", "FSM is still making a journal of it. Nothing was taken out."),
    # (a) in this order, because a sentence about a period may name an account
    Refusal("period", "period", "Open the period in FSM, or change the posting date."),
    Refusal("accounting unit", "mapping", "Repair the mapping table, or the accounting unit in FSM."),
    Refusal("dimension", "mapping", "Repair the mapping table, or the finance dimension in FSM."),
    Refusal("account", "mapping", "Repair the mapping table, or the account in FSM."),
)


def refusal_of(words: str) -> Refusal | None:
    folded = words.casefold()
    return next((row for row in REFUSALS if row.text.casefold() in folded), None)


def refused(words: str, what: str) -> ExchangeError:
    """The error that a refusal means. `what` names what was asked for or written: “the rows of the journal”."""
    row = refusal_of(words)
    sentence = f"FSM did not accept {what}: “{words}”"
    if row is None:
        return Rejected(sentence)
    return Misconfigured(f"{sentence} {row.advice}", row.page) if row.page else Rejected(f"{sentence} {row.advice}")


def read_refused(words: str, what: str) -> ExchangeError:
    """The same for a read, where nothing but a setting or a right can be wrong."""
    row = refusal_of(words)
    if row is not None and row.page == "connection":
        return Misconfigured(f"FSM did not show {what}: “{words}” {row.advice}")
    if not words:
        return TemporaryFailure(f"FSM did not show {what} and does not say why. We try again by itself.")
    return Misconfigured(f"FSM did not show {what}: “{words}” Press Test connection.")


@dataclass(frozen=True, slots=True)
class LineError:
    """What FSM says of one staged row."""

    sequence: str
    account: str
    words: str


def lines_refused(errors: Sequence[LineError], failed: int) -> ExchangeError:
    """All that a run says against the rows of a journal, in one sentence each; `failed`: how many it counted.

    Waits for a mapping or a period only where every row of it does.
    """
    by_words: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        by_words.setdefault((error.words, error.account), []).append(error.sequence)
    if not by_words:
        return Rejected(
            f"FSM did not take the journal: {failed} of its rows were refused, and it does not say why. Nothing was entered."
        )
    parts = [f"{_lines(sequences)} (account {account}): “{words}”" for (words, account), sequences in by_words.items()]
    shown = " ".join(parts[:LINES_SHOWN])
    if len(parts) > LINES_SHOWN:
        shown += f" And {len(parts) - LINES_SHOWN} more."
    found = [refusal_of(words) for words, _ in by_words]
    pages = [row.page if row else "" for row in found]
    sentence = f"FSM did not take the journal. {shown}"
    if all(pages):
        # What has to be repaired first: the mapping also changes what is sent.
        page = next(name for name in ("connection", "mapping", "period") if name in pages)
        advice = dict.fromkeys(row.advice for row in found if row is not None)
        return Misconfigured(" ".join([sentence, *advice]), page)
    return Rejected(sentence)


#: Different errors of one journal that a sentence holds.
LINES_SHOWN = 8


def _lines(sequences: Sequence[str]) -> str:
    if len(sequences) == 1:
        return f"Line {sequences[0]}"
    shown = ", ".join(sequences[:6])
    return f"Lines {shown}{' and more' if len(sequences) > 6 else ''}"
