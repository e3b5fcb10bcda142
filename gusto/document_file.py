"""A payroll file in Gusto's own form: the JSON that its API gives for one payroll, in one page or in several. Pure.

What the API route asks of a payroll is asked of a file as well, and before anything is kept: a run that the API brought
waits visibly until Gusto is asked again, a file is not taken until it is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import simplejson

from gusto.figures import Unreadable, flag_of, rows_of
from gusto.file_rows import FileProblem, FileRefused, refused, text_of
from gusto.payroll_findings import ACCEPTABLE, Finding
from gusto.payroll_lines import Facts, Reading, facts_of, read_document
from gusto.payroll_pages import INCLUDE, Pages, employee_row
from gusto.roster import kept_of, person_of
from gusto.tie_out import tie_out

#: What the includes add to each person; a payroll that was asked for without them lacks whole kinds of lines.
PERSON_LISTS = ("taxes", "benefits", "deductions")
LENGTHS_MAX = {"uuid": 64, "off_cycle_reason": 60}
#: Somebody of whom no document says where they work.
NOBODY_KNOWN = {"code": "", "department": "", "jobs": {}}

HOW_TO_GET = f"Ask Gusto for the single payroll, with include={INCLUDE}."


def read_documents(content: bytes, employees: bytes | None) -> tuple[Pages, Reading]:
    """A payroll and, if given, the employees document that goes with it. Raises FileRefused."""
    texts, documents = _pages_of(content)
    if problems := [*_page_problems(documents)]:
        raise FileRefused(*problems)
    try:
        facts = facts_of(documents[0])
        pages = Pages(facts, bool(documents[0].get("reversal_payroll_uuids")), texts)
        _add_people(pages, documents, employees)
        if problems := [*_fact_problems(facts, documents[0])]:
            raise FileRefused(*problems)
        reading = read_document(texts, {uuid: person_of(kept) for uuid, kept in pages.people.items()})
    except Unreadable as error:
        raise refused(f"{error} {HOW_TO_GET}") from None
    if problems := [*_reading_problems(reading)]:
        raise FileRefused(*problems)
    return pages, reading


def _pages_of(content: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """The pages, each as its own text and parsed. A single object is one page."""
    text = text_of(content)
    start = _after_space(text, 0)
    if text[start : start + 1] != "[":
        return [text], [_object(_parsed(text))]
    texts, documents = [], []
    for page, document in _elements(text, start + 1):
        texts.append(page)
        documents.append(_object(document))
    if not documents:
        raise refused(f"The list of pages is empty. {HOW_TO_GET}")
    return texts, documents


def _elements(text: str, at: int) -> Iterator[tuple[str, Any]]:
    """The elements of a JSON list, each with its own text as it stands: that is what is kept."""
    at = _after_space(text, at)
    is_first = True
    while text[at : at + 1] != "]":
        if not is_first:
            if text[at : at + 1] != ",":
                raise refused("This is not JSON: the list of pages does not end.", row=text.count("\n", 0, at) + 1)
            at = _after_space(text, at + 1)
        document, end = _decoded(text, at)
        yield text[at:end], document
        at, is_first = _after_space(text, end), False
    if text[at + 1 :].strip():
        raise refused("This is not JSON: something stands behind its end.", row=text.count("\n", 0, at) + 1)


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _parsed(text: str) -> Any:
    at = _after_space(text, 0)
    document, end = _decoded(text, at)
    if text[end:].strip():
        raise refused("This is not JSON: something stands behind its end.", row=text.count("\n", 0, end) + 1)
    return document


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except simplejson.JSONDecodeError as error:
        raise refused(f"This is not JSON: {error.msg}.", row=error.lineno) from None
    except RecursionError:
        raise refused("The JSON is nested too deeply. A payroll of Gusto's is not.") from None
    except ValueError as error:
        raise refused(f"This is not JSON: {error}.") from None


def _figure(text: str) -> Decimal:
    """A fraction. Gusto writes none with an exponent, and one with a large exponent would be gigabytes of digits."""
    if "e" in text or "E" in text:
        raise ValueError("a number has an exponent")
    return Decimal(text)


_DECODER = simplejson.JSONDecoder(parse_float=_figure)


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise refused(f"This JSON is no payroll. {HOW_TO_GET}")
    return document


def _page_problems(documents: list[dict[str, Any]]) -> Iterator[FileProblem]:
    header = {name: value for name, value in documents[0].items() if name != "employee_compensations"}
    for page, document in enumerate(documents, start=1):
        if not isinstance(document.get("employee_compensations"), list):
            sentence = f"Page {page} has no list of employee_compensations. {HOW_TO_GET}"
            yield FileProblem(0, "employee_compensations", "", sentence)
        names = {*header, *document} - {"employee_compensations"}
        differ = sorted(name for name in names if header.get(name) != document.get(name))
        if differ:
            sentence = (
                f"Page {page} says something else of the payroll than page 1. Get all pages again, one after the other."
            )
            yield FileProblem(0, ", ".join(differ), "", sentence)


def _fact_problems(facts: Facts, header: Mapping[str, Any]) -> Iterator[FileProblem]:
    if not facts.is_processed:
        yield FileProblem(
            0, "processed", "false", "Gusto has not processed this payroll. Only a processed one is final."
        )
    if facts.payroll_type == "external":
        yield FileProblem(0, "external", "true", "Gusto did not run this payroll, so it is not posted.")
    if not header.get("totals"):
        yield FileProblem(
            0, "totals", "", f"The payroll has no totals, so nothing shows that it is whole. {HOW_TO_GET}"
        )
    for name, text in (
        ("uuid", facts.payroll_uuid),
        ("uuid", facts.company_uuid),
        ("off_cycle_reason", facts.off_cycle_reason),
    ):
        if len(text) > LENGTHS_MAX[name]:
            sentence = f"This has {len(text)} characters. Gusto's have at most {LENGTHS_MAX[name]}."
            yield FileProblem(0, name, text[:40], sentence)


def _add_people(pages: Pages, documents: list[dict[str, Any]], employees: bytes | None) -> None:
    """Where the people of the payroll work: from the employees document; nothing is known of them without one."""
    paid: dict[str, None] = {}
    lists: set[str] = set()
    for document in documents:
        for compensation in rows_of(document, "employee_compensations"):
            if flag_of(compensation.get("excluded")):
                continue
            paid[str(compensation.get("employee_uuid"))] = None
            lists |= {name for name in PERSON_LISTS if name not in compensation}
    if lists:
        raise refused(f"The payroll lacks {', '.join(sorted(lists))}. {HOW_TO_GET}", column="employee_compensations")
    if any(len(uuid) > LENGTHS_MAX["uuid"] for uuid in paid):
        raise refused("An employee_uuid is longer than Gusto's are.", column="employee_uuid")
    if employees is None:
        pages.people = dict.fromkeys(paid, NOBODY_KNOWN)
        return
    for employee in _employees_of(employees):
        uuid = employee.get("uuid")
        if isinstance(uuid, str) and uuid in paid and uuid not in pages.people:
            pages.people[uuid] = kept_of(employee)
            pages.employees.append(employee_row(uuid, employee, pages.people[uuid]))


def _employees_of(content: bytes) -> list[Mapping[str, Any]]:
    """The list of employees, or the pages of it."""
    try:
        document = _parsed(text_of(content))
    except FileRefused as error:
        (problem,) = error.problems
        raise refused(f"The employees document: {problem.sentence}", problem.row, "employees") from None
    if isinstance(document, list) and document and all(isinstance(page, list) for page in document):
        document = [employee for page in document for employee in page]
    if not isinstance(document, list) or not all(isinstance(row, dict) and "jobs" in row for row in document):
        sentence = "The employees document is not the list of employees, with their jobs, that Gusto's API gives."
        raise refused(sentence, column="employees")
    return document


def _reading_problems(reading: Reading) -> Iterator[FileProblem]:
    """What could not be read, and what does not tie out; not what a person may accept once the run is there."""
    for problem in reading.problems:
        if problem.kind not in ACCEPTABLE or problem.kind == Finding.UNKNOWN_EMPLOYEE:
            yield FileProblem(0, "employee_compensations", problem.fact("names"), problem.sentence)
    for row in tie_out(reading):
        if row.stops and not row.is_acceptable:
            yield FileProblem(0, "totals", "", row.sentence)
