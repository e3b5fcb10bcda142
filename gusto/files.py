"""File mode: a payroll that a person brings as a file goes the same way as one that Gusto announces.

A file is read without the database (`read_file`); what adding it would do is said before anything is kept (`effect_of`);
then it is kept once (`add`). The same payroll twice is one payroll run, whatever it came in. Other content under a known
identity makes that run wait for a person, and nothing is ever replaced: a wrong file is taken back first, with what was
made of it, and the right one follows under the next sequence.
"""

from __future__ import annotations

import codecs
import enum
import hashlib
from dataclasses import dataclass, field, replace
from datetime import date

from django.utils import timezone

from audit.trail import record
from gusto.document_file import read_documents
from gusto.file_rows import (
    BYTES_MAX,
    OLD_EXCEL_START,
    ZIP_START,
    FileProblem,
    FileRefused,
    refused,
    rows_of_csv,
    rows_of_excel,
    text_of,
)
from gusto.lines_file import identified, read_lines
from gusto.models import PayrollRun
from gusto.payroll_identity import goes_by_days, ids_of, of_same_days, take_turn
from gusto.payroll_lines import Form, Reading
from gusto.payroll_pages import Pages
from gusto.payroll_run import begin_again, block, changes, reach_read, take, withdrawal_is_under_way
from gusto.signals import payroll_changed
from mappings.sheets import csv_text
from tenants.models import LegalEntity

__all__ = [
    "Effect",
    "FileProblem",
    "FileReading",
    "FileRefused",
    "NotPossible",
    "Outcome",
    "add",
    "effect_of",
    "read_file",
    "take_back",
]

State = PayrollRun.State
Source = PayrollRun.Source

TWO_FILES = (
    "Two files say different things of this payroll. The first one stands: add it again if it is right. If not, take this "
    "payroll run back, then add the other file."
)
TWO_SOURCES = (
    "This payroll was read from Gusto, and a file says it too, with other content. What Gusto said stands: replay the run to "
    "read it there again."
)


@dataclass(frozen=True, slots=True)
class FileReading:
    """A payroll file without mistakes. Nothing of it is kept yet."""

    name: str
    digest: str
    """SHA-256 of the file, with the employees document if there is one."""
    pages: Pages
    reading: Reading


class Outcome(enum.StrEnum):
    """What adding a file does."""

    NEW = "new"
    """It becomes a payroll run."""
    AGAIN = "again"
    """It takes the place of one that was taken back, under the next sequence."""
    KNOWN = "known"
    """It is here. Nothing is added."""
    RESTORED = "restored"
    """It is here and waits because of another file. It goes on."""
    DIFFERS = "differs"
    """The payroll is here with other content. That run waits for a person."""
    REFUSED = "refused"
    """It cannot be added."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What adding a file does, in words, with the payroll run that it is about (None = one that is not there yet)."""

    outcome: Outcome
    sentence: str
    run: PayrollRun | None = None
    changes: list[str] = field(default_factory=list)
    """Where the file says something else than the run, sum by sum."""


class NotPossible(Exception):  # noqa: N818 - reads as what it is
    """Something that a person wanted to do with a file and cannot; the text is for that person."""


def read_file(name: str, content: bytes, employees: bytes | None = None) -> FileReading:
    """A payroll file as JSON, CSV or Excel, by what is in it and not by its name. Pure. Raises FileRefused with every
    mistake that could be told.

    `employees` is the list of employees as Gusto's API gives it, beside a payroll as JSON only.
    """
    if len(content) + len(employees or b"") > BYTES_MAX:
        raise refused(f"The file is larger than {BYTES_MAX // 1024**2} MB.")
    if content.startswith(OLD_EXCEL_START):
        raise refused("This is the Excel format of before 2007. Save it as .xlsx.")
    if content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        pages, reading = read_documents(content, employees)
    else:
        if employees is not None:
            raise refused("An employees document goes with a payroll as JSON only.", column="employees")
        if content.startswith(ZIP_START):
            rows = [*rows_of_excel(content)]
            reading, text = read_lines(rows), csv_text(cells for _, cells in rows)
        else:
            text = text_of(content)
            reading = read_lines(rows_of_csv(text))
        pages = Pages(reading.facts, False, [text])
    digest = hashlib.sha256(content)
    digest.update(employees or b"")
    return FileReading(name, digest.hexdigest(), pages, reading)


def effect_of(legal_entity: LegalEntity, file: FileReading) -> Effect:
    """What adding a file does as things stand, inside a scope. Nothing is written."""
    facts = file.reading.facts
    if legal_entity.posts_from_date is not None and facts.check_date < legal_entity.posts_from_date:
        from_day = _day(legal_entity.posts_from_date)
        return Effect(
            Outcome.REFUSED, f"Payrolls with a check date before {from_day} are not posted for {legal_entity}."
        )
    if sentence := _foreign_company(legal_entity, facts.company_uuid):
        return Effect(Outcome.REFUSED, sentence)
    run = _known(legal_entity, file.reading)
    if run is None:
        return Effect(Outcome.NEW, f"It becomes the payroll run of {_day(facts.check_date)} of {legal_entity}.")
    if run.source == Source.API:
        return _beside_gusto(run, file.reading)
    return _beside_file(run, file.reading)


def add(legal_entity: LegalEntity, file: FileReading, by: str) -> Effect:
    """Keep a payroll file and let its payroll run go on, inside a scope; `by` is the user name of who adds it, who is a
    preparer of its journals from then on. The effect that is returned is what happened; the same file again is KNOWN.

    Raises NotPossible where the effect is REFUSED.
    """
    take_turn(legal_entity.pk)
    effect = effect_of(legal_entity, file)
    run = effect.run
    if run is not None:
        run = PayrollRun.objects.select_for_update(of=("self",)).select_related("legal_entity").get(pk=run.pk)
    match effect.outcome:
        case Outcome.REFUSED:
            raise NotPossible(effect.sentence)
        case Outcome.NEW | Outcome.AGAIN:
            run = _keep(legal_entity, run, file, by)
        case Outcome.DIFFERS:
            assert run is not None
            _record(run, "payroll_run.file_differs", file, by)
            sentence = TWO_SOURCES if run.source == Source.API else TWO_FILES
            block(run, "unclear", sentence, changes(run, file.reading))
        case Outcome.RESTORED:
            assert run is not None
            _record(run, "payroll_run.file_restored", file, by)
            reach_read(run)
    return replace(effect, run=run)


def take_back(run: PayrollRun, by: str, reason: str) -> None:
    """Take a payroll file back with everything that was made of it, inside a scope: journals that the ERP does not hold are
    given up, the others get a contra journal. Raises NotPossible.
    """
    take_turn(run.legal_entity_id)
    locked = PayrollRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if locked.source != Source.FILE:
        raise NotPossible("This payroll run came from Gusto. It is taken back there.")
    if locked.state == State.WITHDRAWN:
        raise NotPossible("This payroll run was taken back already.")
    if not reason.strip():
        raise NotPossible("Say why: the reason goes into the audit trail.")
    was_read = locked.read_at is not None
    locked.state, locked.reason, locked.problems = State.WITHDRAWN, "", []
    locked.sentence = "Its payroll file was taken back."
    locked.undone_by, locked.withdrawn_at = TAKEN_BACK, timezone.now()
    locked.prepared_by = _with(locked.prepared_by, by)
    locked.save()
    record(
        "payroll_run.taken_back", subject="payroll_run", subject_id=locked.payroll_uuid, by=by,
        check_date=str(locked.check_date), reason=reason.strip(),
    )  # fmt: skip
    if was_read:
        payroll_changed.send(sender=PayrollRun, run=locked, what=TAKEN_BACK)


#: How `payroll_changed` calls it that a file was taken back.
TAKEN_BACK = "taken_back"


def _keep(legal_entity: LegalEntity, run: PayrollRun | None, file: FileReading, by: str) -> PayrollRun:
    now = timezone.now()
    if run is None:
        run = PayrollRun(legal_entity=legal_entity, source=Source.FILE)
    else:
        begin_again(run)
    run.announced_at = now
    facts = file.reading.facts
    if file.reading.form is Form.DOCUMENT:
        run.company_uuid, run.payroll_uuid = facts.company_uuid, facts.payroll_uuid
    elif not run.payroll_uuid:
        run.company_uuid, run.payroll_uuid = ids_of(legal_entity, facts)
    run.prepared_by = _with(run.prepared_by, by)
    reading = identified(file.reading, run.company_uuid, run.payroll_uuid, legal_entity.currency)
    run.check_date = facts.check_date
    _record(run, "payroll_run.file_added", file, by, employees=reading.sums.people)
    take(run, file.pages, reading, now)
    return run


def _known(legal_entity: LegalEntity, reading: Reading) -> PayrollRun | None:
    """The run of the same payroll; one from a file before one from Gusto, which may have been read and withdrawn."""
    same_days = [*of_same_days(legal_entity.pk, reading.facts).order_by("-source", "pk")]
    if reading.form is Form.DOCUMENT:
        known = PayrollRun.objects.filter(legal_entity=legal_entity, payroll_uuid=reading.facts.payroll_uuid).first()
        return known or next((run for run in same_days if goes_by_days(run)), None)
    dropped = (State.WITHDRAWN, State.IGNORED)
    return next((run for run in same_days if run.source == Source.FILE or run.state not in dropped), None)


def _beside_gusto(run: PayrollRun, reading: Reading) -> Effect:
    """The payroll is known from Gusto."""
    if run.state in (State.WITHDRAWN, State.IGNORED):
        return Effect(Outcome.REFUSED, f"Gusto announced this payroll, and it is not posted: {run.sentence}", run)
    if run.read_at is None:
        sentence = f"Gusto announced this payroll on {_day(run.announced_at)}, and it is read there. Nothing is added."
        return Effect(Outcome.REFUSED, sentence, run)
    was_read = f"This payroll was read from Gusto on {_day(run.read_at)} as payroll run {_day(run.check_date)}"
    if reading.digest == run.content_digest:
        return Effect(Outcome.KNOWN, f"{was_read}. Nothing was added.", run)
    return Effect(Outcome.DIFFERS, f"{was_read}, with other content.", run, _changes(run, reading))


def _beside_file(run: PayrollRun, reading: Reading) -> Effect:
    """The payroll is known from a file."""
    if run.state == State.WITHDRAWN:
        if withdrawal_is_under_way(run):
            sentence = "The journals of the file that was taken back are being undone. Add the file again in a minute."
            return Effect(Outcome.REFUSED, sentence, run)
        sentence = f"It becomes payroll run {_day(run.check_date)} again, in place of the file that was taken back."
        return Effect(Outcome.AGAIN, sentence, run)
    was_added = f"on {_day(run.announced_at)} as payroll run {_day(run.check_date)}"
    if reading.digest != run.content_digest:
        sentence = f"Another file with other content was added {was_added}."
        return Effect(Outcome.DIFFERS, sentence, run, _changes(run, reading))
    if run.state == State.BLOCKED and run.reason == "unclear":
        sentence = f"This file was added {was_added}, which waits because of another file. It goes on."
        return Effect(Outcome.RESTORED, sentence, run)
    return Effect(Outcome.KNOWN, f"This file was added {was_added}. Nothing was added.", run)


def _foreign_company(legal_entity: LegalEntity, company_uuid: str) -> str:
    """Why a payroll of this Gusto company is none of this legal entity, or nothing."""
    if not company_uuid:
        return ""
    others = LegalEntity.objects.exclude(pk=legal_entity.pk)
    other = (
        others.filter(gusto_company_uuid=company_uuid).first()
        or others.filter(payroll_runs__company_uuid=company_uuid).first()
    )
    if other is not None:
        return f"This payroll is of the Gusto company of {other}, not of {legal_entity}."
    own = {legal_entity.gusto_company_uuid} - {""}
    own |= set(
        PayrollRun.objects.filter(legal_entity=legal_entity, documents__form=Form.DOCUMENT)
        .exclude(company_uuid="").values_list("company_uuid", flat=True).distinct()[:2]
    )  # fmt: skip
    if own and company_uuid not in own:
        return f"This payroll is of another Gusto company than those of {legal_entity} so far."
    return ""


def _changes(run: PayrollRun, reading: Reading) -> list[str]:
    return [problem.sentence for problem in changes(run, reading)]


def _with(names: list[str], name: str) -> list[str]:
    return sorted({*names, name} - {""})


def _record(run: PayrollRun, action: str, file: FileReading, by: str, **facts: int) -> None:
    record(
        action, subject="payroll_run", subject_id=run.payroll_uuid, by=by, check_date=str(run.check_date),
        file=file.name, digest=file.digest, **facts,
    )  # fmt: skip


def _day(moment: date | None) -> str:
    return f"{moment:%-d %b %Y}" if moment else "?"
