"""What a connection asks for, and where it may reach: declared credential fields and the address allow-list.

A connector declares its fields once; the form, the provision file, the checks and the docs are drawn from that
declaration. An address that a tenant typed is the way into the operator's network, so every address is checked when
it is saved and again when it is resolved for a request.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

#: A file that is a credential is short; more than this is read of none.
FILE_BYTES_MAX = 64 * 1024


class ValueCheck(Protocol):
    """A check of one value that no pattern can express. Returns the sentence that says what is wrong, or nothing."""

    def __call__(self, value: str, *, is_on_premises: bool, sandbox_allowed: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of a connection form. `pattern` is a regular expression for the whole value.

    `is_file`: the value is the text of a file that a person uploads, cut behind FILE_BYTES_MAX + 1 characters; `accept`
    says which files are offered (as HTML has it).
    """

    name: str
    label: str
    hint: str = ""
    pattern: str = ""
    example: str = ""
    default: str = ""
    is_secret: bool = False
    is_required: bool = True
    is_address: bool = False
    is_file: bool = False
    accept: str = ""
    check: ValueCheck | None = None


@dataclass(frozen=True, slots=True)
class SystemDeclaration:
    """One outside system that a connection can point to."""

    system: str
    label: str
    fields: tuple[CredentialField, ...]

    def field(self, name: str) -> CredentialField:
        """Raises KeyError for a name that is not declared."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


_declared: dict[str, SystemDeclaration] = {}


def declare(system: str, label: str, fields: tuple[CredentialField, ...]) -> None:
    """Called by each system's `apps.py`; the last declaration of a name wins."""
    _declared[system] = SystemDeclaration(system, label, fields)


def declaration(system: str) -> SystemDeclaration:
    """Raises KeyError for a system that nobody declared."""
    return _declared[system]


def declarations() -> dict[str, SystemDeclaration]:
    return dict(_declared)


class AddressRefused(Exception):  # noqa: N818 - reads as what happened
    """The sentence says which address and why, for the person who typed it."""


def problems_of(
    system: str, values: Mapping[str, str], *, is_on_premises: bool, sandbox_allowed: bool
) -> dict[str, str]:
    """Field name -> sentence, for every value that cannot be right. Empty = all fields fit."""
    found: dict[str, str] = {}
    known = declaration(system)
    for name in values:
        if all(name != candidate.name for candidate in known.fields):
            found[name] = f"{known.label} has no field “{name}”."
    for candidate in known.fields:
        value = values.get(candidate.name, "") or candidate.default
        if not value:
            if candidate.is_required:
                found[candidate.name] = f"{candidate.label} is missing."
            continue
        if candidate.pattern and not re.fullmatch(candidate.pattern, value):
            example = f" It looks like {candidate.example}." if candidate.example else ""
            found[candidate.name] = f"{candidate.label} does not have the expected form.{example}"
        elif candidate.is_address:
            try:
                check_address(value, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)
            except AddressRefused as refused:
                found[candidate.name] = str(refused)
        elif candidate.check is not None:
            sentence = candidate.check(value, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)
            if sentence:
                found[candidate.name] = sentence
    return found


def check_address(address: str, *, is_on_premises: bool, sandbox_allowed: bool) -> None:
    """All that can be said of an address before its name is resolved. Raises AddressRefused."""
    check_address_text(address, sandbox_allowed=sandbox_allowed)
    host = urlsplit(address).hostname or ""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    # A number needs no look-up, so that who typed it hears of it at once.
    resolve(host, 0, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)


def check_address_text(address: str, *, sandbox_allowed: bool) -> None:
    """The part of the check that needs no name resolution. Raises AddressRefused."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise AddressRefused(f"“{address}” is not an address.") from None
    if parts.username or parts.password:
        raise AddressRefused("An address must not carry a user or a password.")
    if not parts.hostname or parts.scheme not in {"http", "https"} or parts.fragment or port == 0:
        raise AddressRefused(f"“{address}” is not an address. It starts with https:// and names a host.")
    if parts.scheme == "http" and not (sandbox_allowed and is_loopback_name(parts.hostname)):
        raise AddressRefused(f"“{address}” is not encrypted. Use https://.")


def is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve(host: str, port: int, *, is_on_premises: bool, sandbox_allowed: bool) -> str:
    """The one numeric address to connect to. Every address of the name is checked, so that a name with one public and
    one private address cannot slip through. Raises AddressRefused; OSError where the name cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = [str(entry[4][0]) for entry in found]
    for number in numbers:
        address = ipaddress.ip_address(number.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address.is_loopback and sandbox_allowed:
            continue
        if address.is_global and not address.is_multicast:
            continue
        if is_on_premises and address.is_private and not (address.is_loopback or address.is_link_local):
            continue
        raise AddressRefused(
            f"{host} leads to {address}, which is not a public address. "
            "Only the operator can allow an address inside the own network, by marking the connection on-premises."
        )
    return numbers[0]
