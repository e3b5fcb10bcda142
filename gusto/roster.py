"""What is kept of the people of one payroll: where they work, what they do, how they are employed. Pure.

An employee as Gusto gives it carries names, birth date, home address and court orders. None of that is needed to book a
payroll, so it never gets past this module. Department and job have no history at Gusto: what is kept here is frozen when
the payroll is read (gusto.md 4.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gusto.figures import Unreadable, flag_of, folded, name_of, rows_of

#: Payment units of a job that is paid by time of its own, not by the hour (gusto.md 5).
SALARIED_UNITS = frozenset({"Week", "Month", "Year", "Paycheck"})
#: Gusto does not pay over child support to these, nor to tribal agencies (accounting.md 13).
NOT_REMITTED_STATES = frozenset({"SC", "PR", "GU", "VI", "AS", "MP"})

CHILD_SUPPORT = "child_support"
#: Child support of an agency that Gusto does not pay: the employer does.
CHILD_SUPPORT_NOT_REMITTED = "child_support_not_remitted"
COURT_ORDERED = "court_ordered"


@dataclass(frozen=True, slots=True)
class Job:
    """A job of an employee. `payment_unit` is empty where the grant may not see pay."""

    title: str = ""
    is_primary: bool = False
    payment_unit: str = ""
    location: str = ""
    """The city: locations have no name at Gusto."""
    compensation_level: str = ""
    """The FLSA status of the current compensation, as Gusto words it."""

    @property
    def is_salaried(self) -> bool:
        return self.payment_unit in SALARIED_UNITS


@dataclass(frozen=True, slots=True)
class Person:
    """An employee of one payroll, without name."""

    employee_code: str = ""
    department: str = ""
    jobs: Mapping[str, Job] = field(default_factory=dict)
    """By job_uuid, in Gusto's order."""
    custom_fields: tuple[tuple[str, str], ...] = ()
    deductions: Mapping[str, str] = field(default_factory=dict)
    """Nature of a deduction by its folded name, where the grant may see garnishments; empty = by agreement."""

    @property
    def primary_job(self) -> Job:
        """The primary job; the only one where none is marked; else an empty one."""
        jobs = list(self.jobs.values())
        marked = [job for job in jobs if job.is_primary] or jobs
        return marked[0] if len(marked) == 1 else Job()


def kept_of(employee: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an employee that is stored with the payroll, as JSON. Raises Unreadable."""
    kept: dict[str, Any] = {
        "code": name_of(employee.get("employee_code")),
        "department": name_of(employee.get("department")),
        "jobs": {_uuid(job): _kept_job(job) for job in rows_of(employee, "jobs")},
    }
    fields = [[name_of(row.get("name")), _field_value(row.get("value"))] for row in rows_of(employee, "custom_fields")]
    if fields:
        kept["custom_fields"] = [pair for pair in fields if pair[0] and pair[1]]
    natures = {folded(name_of(row.get("description"))): _nature(row) for row in rows_of(employee, "garnishments")}
    if natures:
        kept["deductions"] = {name: nature for name, nature in natures.items() if name}
    return kept


def person_of(kept: Mapping[str, Any]) -> Person:
    """The person behind what `kept_of` kept."""
    return Person(
        employee_code=kept["code"],
        department=kept["department"],
        jobs={uuid: Job(**job) for uuid, job in kept["jobs"].items()},
        custom_fields=tuple((name, value) for name, value in kept.get("custom_fields", ())),
        deductions=kept.get("deductions", {}),
    )


def _uuid(row: Mapping[str, Any]) -> str:
    uuid = row.get("uuid")
    if not isinstance(uuid, str) or not uuid:
        raise Unreadable("A job has no uuid.")
    return uuid


def _kept_job(job: Mapping[str, Any]) -> dict[str, Any]:
    location = job.get("location") or {}
    return {
        "title": name_of(job.get("title")),
        "is_primary": flag_of(job.get("primary")),
        "payment_unit": name_of(job.get("payment_unit")),
        "location": name_of(location.get("city")) if isinstance(location, dict) else "",
        "compensation_level": _level(job),
    }


def _level(job: Mapping[str, Any]) -> str:
    """FLSA status of the current compensation; of the only one where none is named as current."""
    compensations = rows_of(job, "compensations")
    current = [row for row in compensations if row.get("uuid") == job.get("current_compensation_uuid")]
    found = current or compensations
    return name_of(found[0].get("flsa_status")) if len(found) == 1 else ""


def _field_value(value: object) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _nature(garnishment: Mapping[str, Any]) -> str:
    """What a deduction is, by garnishment_type, else by court_ordered and name; empty for a loan or anything else."""
    given = garnishment.get("garnishment_type")
    if given == "child_support" or (not given and is_child_support(name_of(garnishment.get("description")))):
        terms = garnishment.get("child_support") or {}
        state = terms.get("state") if isinstance(terms, dict) else None
        return CHILD_SUPPORT_NOT_REMITTED if state in NOT_REMITTED_STATES else CHILD_SUPPORT
    return COURT_ORDERED if given or garnishment.get("court_ordered") is True else ""


def is_child_support(name: str) -> bool:
    """Where the type cannot be read, the name tells."""
    return folded(name).startswith("child support")
