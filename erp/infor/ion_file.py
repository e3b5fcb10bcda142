"""The `.ionapi` file: addresses and keys of a service account, as Infor OS lets an administrator download it.

Infor OS > API Gateway > Authorized Apps > (a backend service) > Download Credentials. Its keys are short names; which
are needed is what public clients ask for. Its addresses come from whoever made the file, so they are checked like every
address that a tenant types: https, and nothing inside the operator's network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import simplejson

from tenants.credentials import FILE_BYTES_MAX, AddressRefused, check_address

#: Key -> what it is, for people. Web apps have these too.
APP_KEYS = {
    "ti": "the tenant",
    "ci": "the client id",
    "cs": "the client secret",
    "iu": "the ION API address",
    "pu": "the sign-in address",
    "ot": "the path of tokens",
}
#: Only in the file of a backend service whose download had “Create Service Account” ticked.
ACCOUNT_KEYS = {"saak": "the access key of a service account", "sask": "its secret"}
OPTIONAL_KEYS = ("oa", "or")
#: The longest value seen has 110 characters.
VALUE_LENGTH_MAX = 2_000
AGAIN = "Download it again from Infor OS, under API Gateway, Authorized Apps, and upload it unchanged."


class IonFileRefused(ValueError):  # noqa: N818 - reads as what happened
    """The text is a sentence for the person who uploaded the file; it holds no key of it."""


@dataclass(frozen=True, slots=True)
class IonFile:
    """Names are Infor's. Two of the values are secrets, two more are half of one: none is shown."""

    ti: str
    iu: str
    pu: str
    ot: str
    ci: str = field(repr=False)
    cs: str = field(repr=False)
    saak: str = field(repr=False)
    sask: str = field(repr=False)
    oa: str = ""
    or_: str = ""
    """`or` in the file: the path where tokens are revoked."""
    sc: tuple[str, ...] = ()
    """Scopes that a token is asked for; few files have them."""

    @property
    def ion_url(self) -> str:
        """What stands before the suite, without a slash at the end."""
        return f"{self.iu.rstrip('/')}/{quote(self.ti, safe='')}"

    @property
    def token_url(self) -> str:
        """`pu` and `ot` joined with exactly one slash; `pu` already holds the tenant."""
        return f"{self.pu.rstrip('/')}/{self.ot.lstrip('/')}"


def read_ionapi(content: bytes | str, *, is_on_premises: bool = False, sandbox_allowed: bool = False) -> IonFile:
    """The file, checked. Raises IonFileRefused with a sentence.

    `is_on_premises`: the operator marked the connection, so that private addresses are allowed. `sandbox_allowed`: the
    installation may reach the sandbox of this machine.
    """
    document = _document(content)
    values = {name if name != "or" else "or_": value for name, value in _values(document).items()}
    found = IonFile(**values, sc=_scopes(document))
    for name, address in (("iu", found.iu), ("pu", found.pu), ("ot", found.token_url)):
        try:
            check_address(address, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)
        except AddressRefused as refused:
            raise IonFileRefused(f"The address “{name}” in the file cannot be used. {refused}") from None
    return found


def _document(content: bytes | str) -> dict[str, Any]:
    if len(content) > FILE_BYTES_MAX:
        raise IonFileRefused(
            f"The file is larger than {FILE_BYTES_MAX // 1024} KB; an .ionapi file has about 1 KB. Choose the file that Infor "
            "OS gave you."
        )
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        document = simplejson.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise IonFileRefused(f"This is not an .ionapi file: it is not a JSON object. {AGAIN}")
    return document


def _values(document: dict[str, Any]) -> dict[str, str]:
    """The keys that are used. What else a file holds does not matter."""
    required = {**APP_KEYS, **ACCOUNT_KEYS}
    given = {name: document[name] for name in (*required, *OPTIONAL_KEYS) if document.get(name) not in (None, "")}
    missing = [f"“{name}” ({words})" for name, words in APP_KEYS.items() if name not in given]
    if missing:
        raise IonFileRefused(f"The file lacks {_listed(missing)}. {AGAIN}")
    if any(name not in given for name in ACCOUNT_KEYS):
        raise IonFileRefused(
            "The file has no service account (“saak” and “sask”), so nobody could sign in without a browser. Make an authorized "
            "app of type Backend Service, download its credentials with “Create Service Account” ticked, and upload that file."
        )
    wrong = [f"“{name}”" for name, value in given.items() if not isinstance(value, str) or not _is_plain(value)]
    if wrong:
        raise IonFileRefused(f"{_listed(wrong)} in the file must be one line of text. {AGAIN}")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given["ti"]):
        raise IonFileRefused(f"“ti” in the file is not the name of an Infor tenant, such as ACME_TST. {AGAIN}")
    return given


def _scopes(document: dict[str, Any]) -> tuple[str, ...]:
    found = document.get("sc") or []
    if not isinstance(found, list) or not all(isinstance(each, str) and _is_plain(each) for each in found):
        raise IonFileRefused(f"“sc” in the file must be a list of scopes. {AGAIN}")
    return tuple(found)


def _is_plain(value: str) -> bool:
    return len(value) <= VALUE_LENGTH_MAX and value.isprintable()


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
