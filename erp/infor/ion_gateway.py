"""What an answer of the ION API gateway means, by a table.

The gateway stands before the product and answers in its own name: with JSON, HTML or nothing at all, none of it
documented. A status below tells whether the product got the request. Where it may have, the outcome of a call that
changes something is unknown, and it is never sent again from here. What no table knows counts as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, TemporaryFailure, retry_after_seconds

#: The gateway gives up on the product after this time, whether or not the product does (docs.infor.com, statuses).
GATEWAY_SECONDS = 60


class Meaning(Enum):
    """What a status of the gateway says about the request."""

    SIGN_IN = auto()
    """The token was not accepted; the product got nothing."""
    RIGHT = auto()
    """Not allowed, for good."""
    NOWHERE = auto()
    """No such suite, tenant or method, for good."""
    SLOW_DOWN = auto()
    """Throttled or over a quota; the product got nothing."""
    UNCLEAR = auto()
    """The product may have got it, and may still be working on it."""


#: 401, 404, 405, 429, 504 documented; 403 assumed; 500, 502, 503 as public clients meet them.
STATUSES: dict[int, Meaning] = {
    401: Meaning.SIGN_IN,
    403: Meaning.RIGHT,
    404: Meaning.NOWHERE,
    405: Meaning.NOWHERE,
    429: Meaning.SLOW_DOWN,
    500: Meaning.UNCLEAR,
    502: Meaning.UNCLEAR,
    503: Meaning.UNCLEAR,
    504: Meaning.UNCLEAR,
}
#: Statuses that `RecordedSession.call` leaves to this table.
OWN_STATUSES = frozenset({429, *range(500, 600)})


def meaning_of(status: int) -> Meaning:
    return STATUSES.get(status, Meaning.UNCLEAR)


def gateway_error(
    status: int, headers: Mapping[str, str], content: bytes, what: str, *, has_effect: bool
) -> ExchangeError:
    """The error for an answer that is the gateway's own, or that says nothing. `what` names the call for people.

    401 comes here only after a second try with a new token.
    """
    match meaning_of(status):
        case Meaning.SIGN_IN:
            return Misconfigured(
                f"Infor does not accept our sign-in for {what}, although Infor OS gives us tokens. Check that the authorized app "
                "may use this product, and that its service account belongs to an active user there."
            )
        case Meaning.RIGHT:
            return Misconfigured(
                f"Infor does not allow this connection to use {what}. Give the authorized app, or the user of its service account, the "
                "right to it."
            )
        case Meaning.NOWHERE:
            return Misconfigured(
                f"The ION API has no address for {what} (status {status}). The product is not in this tenant, or the .ionapi file is of "
                "another tenant."
            )
        case Meaning.SLOW_DOWN:
            given = {name.title(): value for name, value in headers.items()}
            return TemporaryFailure(
                "The ION API asks us to slow down. Nothing was done; we try again by itself.",
                retry_after_seconds(given),
            )
        case _:
            return _unclear(status, headers, content, what, has_effect)


def _unclear(status: int, headers: Mapping[str, str], content: bytes, what: str, has_effect: bool) -> ExchangeError:
    if status == 504:
        answer = f"gave up waiting for {what} after its {GATEWAY_SECONDS} seconds (status 504)"
    elif 300 <= status < 400 or (status == 200 and is_page(headers, content)):
        answer = f"answered {what} with a sign-in page"
    elif not content.strip():
        answer = f"gave an empty answer to {what} (status {status})"
    else:
        answer = f"gave no clear answer to {what} (status {status})"
    if has_effect:
        return OutcomeUnknown(f"The ION API {answer}. Whether Infor did it is not known.")
    if is_sign_in_page(status, headers, content):
        return Misconfigured(
            f"The ION API {answer}. Check the .ionapi file and “ION API address”; if both are right, something between here and "
            "Infor answers in its place."
        )
    given = {name.title(): value for name, value in headers.items()}
    return TemporaryFailure(f"The ION API {answer}. We try again by itself.", retry_after_seconds(given))


def is_page(headers: Mapping[str, str], content: bytes) -> bool:
    """Whether an answer is a web page, by its own word or by its first character."""
    given = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return "html" in given.lower() or content.lstrip()[:1] == b"<"


def is_sign_in_page(status: int, headers: Mapping[str, str], content: bytes) -> bool:
    """A redirect, or a page in place of an answer: sign-in gateways do this with a bad token (assumed for Infor's)."""
    return 300 <= status < 400 or (200 <= status < 300 and is_page(headers, content))
