"""Answers of FSM taken apart: lists, batches, form operations. Pure: no network, no clock.

A list is an array whose first element is the header of the page; every other element is a row under `_fields`. A batch
answers with one element per row, in their order, and `batchStatus` at the end; HTTP says 200 whatever became of the rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from audit.exchange import TemporaryFailure

#: A row of a class as FSM writes it: every value is a text.
Row = dict[str, str]

#: What a row answers that was created: “Global Ledger Transaction Interface created”.
CREATED = "created"
WORDS_LENGTH = 400


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `count` is of the whole list, None where FSM does not say it."""

    rows: tuple[Row, ...]
    count: int | None
    next_query: Mapping[str, str]
    """The query of the page behind it; empty where none is offered."""


def page_of(document: Any, what: str) -> Page:
    """Raises TemporaryFailure for what is no list; a client must not take that for an empty one."""
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise unreadable(what)
    header: Mapping[str, Any] = document[0] if document and "_fields" not in document[0] else {}
    rows = []
    for element in document[1 if header else 0 :]:
        fields = element.get("_fields")
        if not isinstance(fields, dict) or "exception" in element:
            raise unreadable(what)
        rows.append({name: text_of(value) for name, value in fields.items()})
    try:
        count = int(header.get("_count", -1))
    except (TypeError, ValueError):
        raise unreadable(what) from None
    return Page(tuple(rows), count if count >= 0 else None, _next_query(header))


def _next_query(header: Mapping[str, Any]) -> Mapping[str, str]:
    """Only the query of the link is used: wherever it points, we ask the address that we asked before."""
    links = header.get("_links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(str(link.get("href") or "")).query, keep_blank_values=True))
    return {}


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of the rows of one batch."""

    created: tuple[Row, ...]
    refused: tuple[tuple[str, str], ...]
    """(sequence number or empty, words of FSM)"""
    is_complete: bool
    """Every row that was sent is answered, and the batch says that it ended well."""


def batch_of(document: Any, sequence_field: str, sent: int) -> BatchAnswer | None:
    """None for what is no answer to a batch at all."""
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        return None
    created: list[Row] = []
    refused: list[tuple[str, str]] = []
    status = None
    for element in document:
        fields = element.get("_fields")
        fields = fields if isinstance(fields, dict) else {}
        if "batchStatus" in element:
            status = str(element["batchStatus"])
        elif (words := exception_of(element)) is not None:
            refused.append((text_of(fields.get(sequence_field)), words))
        elif fields and CREATED in str(element.get("message", "")).lower():
            created.append({name: text_of(value) for name, value in fields.items()})
        else:
            refused.append((text_of(fields.get(sequence_field)), plain(str(element.get("message") or "no words"))))
    # Whether a batch with a refused row ends with "0" is not confirmed, so the status only counts where none was refused.
    is_complete = len(created) + len(refused) == sent and (status == "0" or bool(refused))
    return BatchAnswer(tuple(created), tuple(refused), is_complete)


def exception_of(element: Mapping[str, Any]) -> str | None:
    """The words of an exception, which comes as an object with a message or as a text; None where there is none."""
    if "exception" not in element:
        return None
    found = element["exception"]
    if isinstance(found, dict):
        found = found.get("message") or found
    return plain(str(found or "no words"))


def operation_exception(document: Any) -> str | None:
    """What a form operation says against itself, in the array of records or in a bare one."""
    elements = document if isinstance(document, list) else [document]
    for element in elements:
        if isinstance(element, dict) and (words := exception_of(element)) is not None:
            return words
    return None


def error_words(document: Any) -> str:
    """The words of an error body `{code, message}`; empty where it is none."""
    if not isinstance(document, dict):
        return ""
    return plain(str(document.get("message") or "")) or (exception_of(document) or "")


def plain(text: str) -> str:
    """Without what is only of use to Infor: exception ids, names of Java classes. One line, not too long."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^Exception ID: [0-9A-Fa-f-]+ - ", "", text)
    text = re.sub(r"^(?:[a-z]\w*\.)+[A-Z]\w*(?:Exception|Error): ", "", text)
    return text if len(text) <= WORDS_LENGTH else text[: WORDS_LENGTH - 1].rstrip() + "…"


def text_of(value: Any) -> str:
    return "" if value is None else str(value)


def unreadable(what: str) -> TemporaryFailure:
    return TemporaryFailure(f"FSM gave an answer to {what} that cannot be read. We try again by itself.")
