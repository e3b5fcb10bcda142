"""What may be kept of an exchange: everything but secrets and people.

Masking is by name of field, closed towards secrets: a name that contains one of the words below never keeps its value.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

MASK = "•••"

_SECRET_NAME = re.compile(
    r"secret|password|passwd|token|authorization|cookie|api[_-]?key|assertion|^code$|ssn|date_of_birth|"
    r"account_number|routing_number|signature",
    re.IGNORECASE,
)
# Names that contain a secret word but say only what kind of thing it is.
_HARMLESS = frozenset({"token_type", "token_endpoint", "expires_in", "refresh_token_expires_in"})

#: The part of a body that is kept, in characters: enough for a vendor's error message with its stack trace.
BODY_LENGTH = 16_000


def is_secret_name(name: str) -> bool:
    return name.lower() not in _HARMLESS and _SECRET_NAME.search(name) is not None


def masked_fields(value: Any) -> Any:
    """A copy of a JSON value in which the values of secret names are replaced."""
    if isinstance(value, dict):
        return {
            name: MASK if is_secret_name(str(name)) and item else masked_fields(item) for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked_fields(item) for item in value]
    return value


def masked_query(query: str) -> str:
    return urlencode(
        [(name, MASK if is_secret_name(name) else value) for name, value in parse_qsl(query, True)], safe="$'(),*:•"
    )


def masked_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name: MASK if is_secret_name(name) else value for name, value in headers.items()}
