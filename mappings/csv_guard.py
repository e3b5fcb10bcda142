"""Names that a spreadsheet would take for a formula, on their way out and back in.

A component may be called "=HYPERLINK(...)", and a company code "@job" is ours: opened as CSV, a spreadsheet would run
them. They go out behind an apostrophe, and the reader takes exactly one away, so that what goes out comes in unchanged.
"""

from __future__ import annotations

#: First characters that a spreadsheet reads as the start of a formula, the wide ones of East Asian keyboards included.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guarded(text: str, *, is_typed: bool = False) -> str:
    """The cell as it goes out. `is_typed`: the file says itself that the cell is text, so no formula can start there."""
    if _looks_guarded(text) or (not is_typed and text.startswith(FORMULA_STARTS)):
        return f"'{text}"
    return text


def unguarded(text: str) -> str:
    """The cell as it was before `guarded`. What was never guarded stays as it is."""
    return text[1:] if _looks_guarded(text) else text


def _looks_guarded(text: str) -> bool:
    return text.startswith("'") and text[1:].startswith(("'", *FORMULA_STARTS))
