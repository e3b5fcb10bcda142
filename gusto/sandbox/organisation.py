"""The company itself: places, departments, pay schedules and periods, earning types, benefit plans (gusto.md 5)."""

from __future__ import annotations

from datetime import date
from typing import Any

from audit.sandbox import Answer, Request
from gusto.sandbox import errors
from gusto.sandbox.access import Access, Caller
from gusto.sandbox.chance import data
from gusto.sandbox.paging import day, flag, months_from, paged, words
from gusto.sandbox.people import is_phi
from gusto.sandbox.state import State


class Organisation:
    """The addresses of the company's own things under /v1."""

    def __init__(self, state: State, access: Access) -> None:
        self.state = state
        self.access = access

    def company(self, request: Request, caller: Caller, company: str) -> Answer:
        """The signatory and the payroll admin need scopes this application does not have."""
        return Answer(200, self.access.company(caller, company)["public"])

    def locations(self, request: Request, caller: Caller, company: str) -> Answer:
        self.access.company(caller, company)
        return paged(request, self.state.store.all(f"location:{company}"))

    def location(self, request: Request, caller: Caller, location: str) -> Answer:
        self.access.owned(caller, location, "location")
        return Answer(200, self.state.store.get(f"location:{caller.company_uuid}", location))

    def departments(self, request: Request, caller: Caller, company: str) -> Answer:
        self.access.company(caller, company)
        return Answer(200, self.state.store.all(f"department:{company}"))

    def department(self, request: Request, caller: Caller, department: str) -> Answer:
        self.access.owned(caller, department, "department")
        return Answer(200, self.state.store.get(f"department:{caller.company_uuid}", department))

    def custom_fields(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/custom_fields: the schema of the fields."""
        answer = paged(request, self.access.company(caller, company)["custom_fields"])
        return Answer(200, {"custom_fields": answer.body}, answer.headers)

    def earning_types(self, request: Request, caller: Caller, company: str) -> Answer:
        return Answer(200, self.access.company(caller, company)["earning_types"])

    def pay_schedules(self, request: Request, caller: Caller, company: str) -> Answer:
        self.access.company(caller, company)
        return paged(request, self.state.store.all(f"pay_schedule:{company}"))

    def pay_schedule(self, request: Request, caller: Caller, company: str, pay_schedule: str) -> Answer:
        self.access.company(caller, company)
        return Answer(200, self.state.held(f"pay_schedule:{company}", pay_schedule))

    def pay_periods(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/pay_periods: six months back to today, at most three months ahead; never paged."""
        self.access.company(caller, company)
        today = self.state.today()
        start = day(request, "start_date") or months_from(today, -6)
        end = day(request, "end_date") or today
        if end > months_from(today, 3):
            raise errors.invalid_parameter("end_date", "End date cannot be more than 3 months in future")
        if "regular" not in (words(request, "payroll_types") or ["regular"]):
            return Answer(200, [])
        periods = [
            pay_period(row["public"])
            for row in self.state.store.all(f"payroll:{company}")
            if not row["public"]["off_cycle"] and not row["public"]["external"]
        ]
        fitting = [row for row in periods if start <= date.fromisoformat(row["start_date"]) <= end]
        return Answer(200, sorted(fitting, key=lambda row: str(row["start_date"])))

    def company_benefits(self, request: Request, caller: Caller, company: str) -> Answer:
        """Health plans only with the :phi scope."""
        self.access.company(caller, company)
        active = flag(request, "active")
        types = words(request, "benefit_type")
        rows = [
            row
            for row in self.state.store.all(f"company_benefit:{company}")
            if (caller.has("company_benefits:read:phi") or not is_phi(row))
            and (active is None or row["active"] == active)
            and (types is None or str(row["benefit_type"]) in types)
        ]
        if flag(request, "enrollment_count"):
            rows = [{**row, "enrollment_count": self._enrolled(company, row["uuid"])} for row in rows]
        return Answer(200, rows)

    def _enrolled(self, company_uuid: str, benefit_uuid: str) -> int:
        people = self.state.store.all(f"employee:{company_uuid}")
        return sum(row["company_benefit_uuid"] == benefit_uuid for person in people for row in person["benefits"])

    def company_benefit(self, request: Request, caller: Caller, benefit: str) -> Answer:
        self.access.owned(caller, benefit, "company_benefit")
        row = self.state.held(f"company_benefit:{caller.company_uuid}", benefit)
        if is_phi(row) and not caller.has("company_benefits:read:phi"):
            raise errors.not_found()
        return Answer(200, row)

    def benefits(self, request: Request, caller: Caller) -> Answer:
        """GET /v1/benefits: the kinds of benefits Gusto knows; a company benefit names one by number."""
        names = (
            "benefit_type",
            "name",
            "description",
            "pretax",
            "posttax",
            "imputed",
            "healthcare",
            "retirement",
            "yearly_limit",
            "category",
        )
        return Answer(200, [dict(zip(names, row, strict=True)) for row in data("benefits")["supported"]])


def pay_period(payroll: dict[str, Any]) -> dict[str, Any]:
    """The pay period of a regular payroll, with the payroll in it."""
    return {
        **payroll["pay_period"],
        "payroll": {
            "payroll_uuid": payroll["payroll_uuid"],
            "check_date": payroll["check_date"],
            "processed": payroll["processed"],
            "payroll_deadline": payroll["payroll_deadline"],
            "payroll_type": "regular",
        },
    }
