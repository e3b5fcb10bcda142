"""One payroll as Gusto gives it, over the network: whole, or not at all.

The people inside a payroll are paged, 100 at most, so one read of a large payroll is silently short (gusto.md 4.1). It is
whole when every page says the same of the payroll, nobody is in it twice, and there are as many people as Gusto counts.
Then the people's jobs and departments are read, a page at a time and never one call per person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from audit.exchange import TemporaryFailure
from gusto.answers import NotThere
from gusto.client import GustoClient
from gusto.figures import Unreadable, flag_of, name_of, rows_of
from gusto.payroll_lines import Facts, facts_of
from gusto.roster import kept_of

INCLUDE = "benefits,deductions,taxes,payroll_status_meta,totals,risk_blockers,reversals,payroll_taxes"
#: How often a payroll that changes between its pages is begun anew before the work is put back.
READS_MAX = 3
#: People that are asked for by uuid in one call: 50 uuids are under 2,000 characters of address.
UUIDS_PER_CALL = 50


class EmployeeRow(NamedTuple):
    """What is shown of an employee outside the payroll."""

    employee_uuid: str
    employee_code: str
    department: str
    is_terminated: bool
    version: str
    name: str = ""
    """First and last name; empty where the source has none."""


@dataclass(slots=True)
class Pages:
    """What Gusto answered, or what a file holds. Without pages only the facts are known: nobody wanted the rest."""

    facts: Facts
    has_reversals: bool
    """Gusto names reversal payrolls of this one."""
    pages: list[str] = field(default_factory=list)
    """Raw text, in order."""
    people: dict[str, Any] = field(default_factory=dict)
    """By employee_uuid, see `gusto.roster.kept_of`."""
    employees: list[EmployeeRow] = field(default_factory=list)


class Gone(Exception):  # noqa: N818 - reads as what happened
    """Gusto has no such payroll any more, and answers for its company."""


def fetch_payroll(
    client: GustoClient, company_uuid: str, payroll_uuid: str, is_wanted: Callable[[Facts], bool],
    progress: Callable[[int, int], None] | None = None,
) -> Pages:  # fmt: skip
    """Read a payroll and its people. `is_wanted` is asked after the first page whether the rest is needed. `progress` is
    told after each page how many of how many people are read; each is read twice, what they are paid and who they are.

    Raises Gone, Unreadable, TemporaryFailure (also for a payroll that keeps changing), Misconfigured, Rejected.
    """
    try:
        for _ in range(READS_MAX):
            found = _pages_of(client, company_uuid, payroll_uuid, is_wanted, progress)
            if found is not None:
                pages, uuids = found
                if pages.pages:
                    _add_people(client, company_uuid, pages, uuids, progress)
                return pages
    except NotThere as missing:
        if missing.category != "not_found":
            # "missing_permissions" and a proxy's own page are 404 as well, and prove nothing.
            raise
        _prove_company(client, company_uuid)
        raise Gone from None
    raise TemporaryFailure("The payroll changes in Gusto while it is read. It is read again.")


def _prove_company(client: GustoClient, company_uuid: str) -> None:
    """A payroll that is gone takes journals back, so make sure that it is not the company that is out of reach."""
    try:
        client.fetch(f"/v1/companies/{company_uuid}", private=False)
    except NotThere:
        raise TemporaryFailure("Gusto shows neither the payroll nor its company. We try again by itself.") from None


def _pages_of(
    client: GustoClient, company_uuid: str, payroll_uuid: str, is_wanted: Callable[[Facts], bool],
    progress: Callable[[int, int], None] | None,
) -> tuple[Pages, list[str]] | None:  # fmt: skip
    """The pages with the uuids of those who are paid; None if the payroll changed between two of them."""
    path = f"/v1/companies/{company_uuid}/payrolls/{payroll_uuid}"
    found: Pages | None = None
    header: Mapping[str, Any] = {}
    count = -1
    uuids: list[str] = []
    paid: list[str] = []
    for answer in client.pages(path, {"include": INCLUDE}):
        document = answer.document
        if not isinstance(document, dict):
            raise Unreadable("Gusto's answer is not a payroll.")
        said = {name: value for name, value in document.items() if name != "employee_compensations"}
        if found is None:
            header = said
            found = Pages(facts_of(document), bool(said.get("reversal_payroll_uuids")))
            _check_identity(found.facts, company_uuid, payroll_uuid)
            if not is_wanted(found.facts):
                return found, []
            count = _count(answer.headers.get("X-Total-Count"))
        elif said != header or _count(answer.headers.get("X-Total-Count")) != count:
            return None
        found.pages.append(answer.text)
        for compensation in rows_of(document, "employee_compensations"):
            uuids.append(str(compensation.get("employee_uuid")))
            if not flag_of(compensation.get("excluded")):
                paid.append(uuids[-1])
        if progress is not None:
            progress(len(uuids), 2 * count)
    if found is None or len(uuids) != count or len(set(uuids)) != count:
        return None
    return found, paid


def _check_identity(facts: Facts, company_uuid: str, payroll_uuid: str) -> None:
    if facts.payroll_uuid != payroll_uuid or facts.company_uuid not in ("", company_uuid):
        raise Unreadable("Gusto answered with another payroll than the one that was asked for.")


def _count(given: str | None) -> int:
    if given is None or not given.isdigit():
        raise TemporaryFailure("Gusto did not say how many people the payroll has.")
    return int(given)


def _add_people(
    client: GustoClient, company_uuid: str, pages: Pages, uuids: list[str], progress: Callable[[int, int], None] | None
) -> None:
    """Who is asked for by uuid where that is one call; else those of the payroll, and whoever is missing then."""
    path = f"/v1/companies/{company_uuid}/employees"

    def tell() -> None:
        if progress is not None:
            progress(len(uuids) + min(len(pages.people), len(uuids)), 2 * len(uuids))

    if len(uuids) > UUIDS_PER_CALL:
        _take_employees(client, path, pages, {"payroll_uuid": pages.facts.payroll_uuid}, tell)
    missing = [uuid for uuid in uuids if uuid not in pages.people]
    for start in range(0, len(missing), UUIDS_PER_CALL):
        _take_employees(client, path, pages, {"uuids": ",".join(missing[start : start + UUIDS_PER_CALL])}, tell)
    wanted = set(uuids)
    pages.people = {uuid: kept for uuid, kept in pages.people.items() if uuid in wanted}
    pages.employees = [row for row in pages.employees if row.employee_uuid in wanted]


def _take_employees(
    client: GustoClient, path: str, pages: Pages, params: Mapping[str, str], tell: Callable[[], None]
) -> None:
    for answer in client.pages(path, {"include": "custom_fields", **params}):
        for employee in _employees(answer.document):
            uuid = employee.get("uuid")
            if not isinstance(uuid, str) or uuid in pages.people:
                continue
            kept = kept_of(employee)
            pages.people[uuid] = kept
            pages.employees.append(employee_row(uuid, employee, kept))
        tell()


def employee_row(uuid: str, employee: Mapping[str, Any], kept: Mapping[str, Any]) -> EmployeeRow:
    """An employee as Gusto gives it, and what `gusto.roster.kept_of` kept of it, as the row that is shown. Raises
    Unreadable.
    """
    names = (name_of(employee.get("first_name")), name_of(employee.get("last_name")))
    return EmployeeRow(
        uuid,
        kept["code"],
        kept["department"],
        flag_of(employee.get("terminated")),
        name_of(employee.get("version")),
        " ".join(filter(None, names)),
    )


def _employees(document: Any) -> Iterable[Mapping[str, Any]]:
    return rows_of({"employees": document}, "employees")
