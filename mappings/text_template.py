"""Texts that finance words for its journals: plain text with a few known names in braces.

Not Python's own format strings, which reach into whatever they are given. A name that is not known is refused when the
mapping is checked, never left standing in a ledger.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

LENGTH_MAX = 120

_NAME = re.compile(r"\{([a-z_]+)\}")


def names_in(template: str) -> tuple[str, ...]:
    """The names in braces, in their order."""
    return tuple(_NAME.findall(template))


def template_faults(template: str, known: Collection[str]) -> Iterator[str]:
    """What is wrong with a template, as sentences; nothing for an empty one."""
    if len(template) > LENGTH_MAX:
        yield f"it has {len(template)} characters, {LENGTH_MAX} are possible."
    if not template.isprintable():
        yield "it has a line break or another character that cannot be printed."
    for name in dict.fromkeys(names_in(template)):
        if name not in known:
            yield f"{{{name}}} is unknown. Choose from {', '.join(f'{{{each}}}' for each in known)}."
    if re.search(r"[{}]", _NAME.sub("", template)):
        yield "a brace stands alone. Write a name as {check_date}."


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its values. What an empty value leaves behind, a comma or a space too many, goes with it."""
    text = _NAME.sub(lambda found: values[found[1]], template)
    text = re.sub(r"\s+([,;])", r"\1", " ".join(text.split()))
    return re.sub(r"[,;]+([,;])", r"\1", text).strip(" ,;")
