"""The stored payroll: pages as they were given and what was true of its people, compressed and encrypted as one blob.

It is the most private thing here, so it is opened only to make lines of it, inside the tenant's scope, and kept nowhere
in the clear. The blob opens to JSON {"pages": [text, ...], "people": {employee_uuid: {...}}}.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from gusto.lines_file import reading_of_lines
from gusto.models import PayrollDocument, PayrollRun
from gusto.payroll_lines import Form, Reading, read_document
from gusto.roster import person_of
from mappings.payroll import PayrollHeader
from tenants.secrets import sealed, unsealed


class NotRead(LookupError):  # noqa: N818 - reads as what is wrong
    """This run has no document: it was never read back, or is not posted."""


def store(
    run: PayrollRun, pages: list[str], people: dict[str, Any], read_at: datetime, form: Form = Form.DOCUMENT
) -> PayrollDocument:
    """Keep a payroll with its run, inside a scope. The same pages and people as the last time are kept once."""
    digest = digest_of(pages)
    last: PayrollDocument | None = PayrollDocument.objects.filter(payroll_run=run).first()
    if last is not None and last.digest == digest and _opened(last)["people"] == people:
        return last
    document = PayrollDocument(
        payroll_run=run, form=form.value, read_at=read_at, pages=len(pages), digest=digest, sealed=_blob(pages, people)
    )
    document.save(force_insert=True)
    return document


def reading_of(run: PayrollRun) -> Reading:
    """The payroll that the run stands on, read again from what was stored, inside a scope. Raises NotRead."""
    last = PayrollDocument.objects.filter(payroll_run=run).first()
    if last is None:
        raise NotRead(f"payroll run {run.pk} has no document")
    opened = _opened(last)
    if last.form == Form.LINES:
        return reading_of_lines(opened["pages"][0], run.company_uuid, run.payroll_uuid, run.legal_entity.currency)
    people = {uuid: person_of(kept) for uuid, kept in opened["people"].items()}
    return read_document(_taken(opened["pages"]), people, run.legal_entity.currency, with_digest=False)


def header_of(run: PayrollRun) -> PayrollHeader:
    """Header and lines of a run, from the stored document, inside a scope. Raises NotRead."""
    return reading_of(run).header


def digest_of(pages: Iterable[str]) -> str:
    """SHA-256 of the pages as received, in hexadecimal."""
    digest = hashlib.sha256()
    for page in pages:
        digest.update(page.encode())
    return digest.hexdigest()


def _blob(pages: list[str], people: dict[str, Any]) -> bytes:
    """Compressed piece by piece: the pages of ten thousand people are never there twice in the clear."""
    compressor = zlib.compressobj()
    parts = [compressor.compress(b'{"pages":[')]
    for number, page in enumerate(pages):
        parts.append(compressor.compress((("," if number else "") + json.dumps(page)).encode()))
    parts.append(compressor.compress(('],"people":' + json.dumps(people, sort_keys=True) + "}").encode()))
    parts.append(compressor.flush())
    return sealed(b"".join(parts))


def _opened(document: PayrollDocument) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(zlib.decompress(unsealed(document.sealed)))
    return opened


def _taken(pages: list[str]) -> Iterator[str]:
    """The pages in order, each let go before the next is read."""
    pages.reverse()
    while pages:
        yield pages.pop()
