"""Employees and contractors, and everything that hangs on them (gusto.md 5 and 6)."""

from __future__ import annotations

from datetime import date
from typing import Any

from audit.sandbox import Answer, Request
from gusto.sandbox import errors, money
from gusto.sandbox.access import Access, Caller
from gusto.sandbox.paging import day, flag, includes, page_of, paged, words
from gusto.sandbox.state import State

EMPLOYEE_INCLUDES = frozenset(
    {"all_compensations", "all_home_addresses", "company_name", "current_home_address", "custom_fields"}
)
#: Fields of a job that only compensations:read shows.
PAY_FIELDS = ("rate", "payment_unit", "current_compensation_uuid", "compensations")


class People:
    """The addresses of people under /v1."""

    def __init__(self, state: State, access: Access) -> None:
        self.state = state
        self.access = access

    def employees(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/employees: onboarding, active and terminated; whole unless paged."""
        kind = f"employee:{self.access.company(caller, company)['public']['uuid']}"
        wanted = includes(request, EMPLOYEE_INCLUDES)
        page = page_of(request, always=False)
        asked = set(request.query) - {"page", "per", "include", "include[]"}
        if page is not None and not asked:
            rows = self.state.store.all(kind, page.offset, page.per)
            return Answer(200, self._shown_all(rows, wanted, caller), page.headers(self.state.store.count(kind)))
        if page is not None and asked == {"payroll_uuid"}:
            # Not by looking at everybody for every page: ten thousand people are a hundred pages.
            uuids = self._paid(company, request.parameter("payroll_uuid"))
            rows = [self.state.store.get(kind, uuid) for uuid in uuids[page.offset : page.offset + page.per]]
            return Answer(200, self._shown_all(rows, wanted, caller), page.headers(len(uuids)))
        rows = self._sorted(request, [row for row in self.state.store.all(kind) if self._fits(request, row)])
        headers: dict[str, str] = {}
        if page is not None:
            headers = page.headers(len(rows))
            rows = rows[page.offset : page.offset + page.per]
        return Answer(200, self._shown_all(rows, wanted, caller), headers)

    def _paid(self, company: str, payroll: str) -> list[str]:
        """The people of a payroll of this company, in the order of its people."""
        is_known = self.state.store.get(f"payroll:{company}", payroll) is not None
        return self.state.store.keys(f"compensation:{payroll}") if is_known else []

    def _fits(self, request: Request, row: dict[str, Any]) -> bool:
        public = row["public"]
        terminated = flag(request, "terminated")
        # Terminations here lie in the past, so "in effect today" is the same.
        terminated = flag(request, "terminated_today") if terminated is None else terminated
        if terminated is not None and public["terminated"] != terminated:
            return False
        onboarded, active = flag(request, "onboarded"), flag(request, "onboarded_active")
        if onboarded is not None and public["onboarded"] != onboarded:
            return False
        if active is not None and (public["onboarded"] and not public["terminated"]) != active:
            return False
        uuids = words(request, "uuids")
        if uuids is not None and public["uuid"] not in uuids:
            return False
        location = request.parameter("location_uuid")
        if location and all(job["location_uuid"] != location for job in public["jobs"] if job["primary"]):
            return False
        payroll = request.parameter("payroll_uuid")
        if payroll and self.state.store.get(f"compensation:{payroll}", public["uuid"]) is None:
            return False
        term = request.parameter("search_term").lower()
        return not term or term in f"{public['first_name']} {public['last_name']}".lower()

    def _sorted(self, request: Request, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        asked = words(request, "sort_by") or []
        if asked and request.parameter("search_term"):
            raise errors.invalid_parameter("sort_by", "Parameter 'sort_by' cannot be used with 'search_term'.")
        keys = {
            "name": lambda row: (row["public"]["last_name"], row["public"]["first_name"]),
            "created_at": lambda row: row["created_at"],
            "onboarding_status": lambda row: row["public"]["onboarding_status"],
        }
        for word in reversed(asked):
            name, _, direction = word.partition(":")
            if name not in keys or direction not in ("", "asc", "desc"):
                raise errors.invalid_parameter("sort_by", "Parameter 'sort_by' is not valid.")
            rows.sort(key=keys[name], reverse=direction == "desc")
        return rows

    def _shown_all(self, rows: list[dict[str, Any]], wanted: frozenset[str], caller: Caller) -> list[dict[str, Any]]:
        name = self.state.company(caller.company_uuid)["public"]["name"] if "company_name" in wanted else ""
        return [self._shown(row, wanted, caller, name) for row in rows]

    def _shown(self, row: dict[str, Any], wanted: frozenset[str], caller: Caller, company_name: str) -> dict[str, Any]:
        public = dict(row["public"])
        public["jobs"] = [job_shown(job, "all_compensations" in wanted, caller) for job in public["jobs"]]
        if not caller.has("garnishments:read"):
            del public["garnishments"]
        if "custom_fields" in wanted:
            public["custom_fields"] = row["custom_fields"]
        if "current_home_address" in wanted:
            public["current_home_address"] = row["home_address"]
        if "all_home_addresses" in wanted:
            public["all_home_addresses"] = [{**row["home_address"], "effective_date": row["created_at"]}]
        if "company_name" in wanted:
            public["company_name"] = company_name
        return public

    def _employee(self, caller: Caller, uuid: str, subject: str = "employee") -> dict[str, Any]:
        """The employee who is `uuid`, or who holds it. Raises Refused (404)."""
        owner = self.access.owned(caller, uuid, subject)
        return self.state.held(f"employee:{caller.company_uuid}", owner)

    def employee(self, request: Request, caller: Caller, employee: str) -> Answer:
        row = self._employee(caller, employee)
        return Answer(200, self._shown_all([row], includes(request, EMPLOYEE_INCLUDES), caller)[0])

    def custom_fields(self, request: Request, caller: Caller, employee: str) -> Answer:
        """An object with the list, not a bare list."""
        row = self._employee(caller, employee)
        answer = paged(request, row["custom_fields"])
        return Answer(200, {"custom_fields": answer.body}, answer.headers)

    def terminations(self, request: Request, caller: Caller, employee: str) -> Answer:
        return Answer(200, self._employee(caller, employee)["public"]["terminations"])

    def termination(self, request: Request, caller: Caller, termination: str) -> Answer:
        row = self._employee(caller, termination, "termination")
        return Answer(200, next(row for row in row["public"]["terminations"] if row["uuid"] == termination))

    def rehire(self, request: Request, caller: Caller, employee: str) -> Answer:
        """204 when there is none (since 2025-06-15)."""
        rehire = self._employee(caller, employee)["rehire"]
        return Answer(204) if rehire is None else Answer(200, rehire)

    def employment_history(self, request: Request, caller: Caller, employee: str) -> Answer:
        return Answer(200, self._employee(caller, employee)["employment_history"])

    def work_addresses(self, request: Request, caller: Caller, employee: str) -> Answer:
        return Answer(200, self._employee(caller, employee)["work_addresses"])

    def work_address(self, request: Request, caller: Caller, work_address: str) -> Answer:
        row = self._employee(caller, work_address, "work_address")
        return Answer(200, next(row for row in row["work_addresses"] if row["uuid"] == work_address))

    def garnishments(self, request: Request, caller: Caller, employee: str) -> Answer:
        return paged(request, self._employee(caller, employee)["public"]["garnishments"])

    def employee_benefits(self, request: Request, caller: Caller, employee: str) -> Answer:
        """Health benefits only with the :phi scope."""
        rows = self._employee(caller, employee)["benefits"]
        if not caller.has("employee_benefits:read:phi"):
            hidden = {
                plan["uuid"] for plan in self.state.store.all(f"company_benefit:{caller.company_uuid}") if is_phi(plan)
            }
            rows = [row for row in rows if row["company_benefit_uuid"] not in hidden]
        return paged(request, rows)

    def jobs(self, request: Request, caller: Caller, employee: str) -> Answer:
        """GET /v1/employees/{uuid}/jobs: Embedded only, see `Settings.embedded`."""
        if not self.state.settings.embedded:
            raise errors.only_embedded()
        jobs = self._employee(caller, employee)["public"]["jobs"]
        return paged(request, [job_shown(job, False, caller) for job in jobs])

    def job_compensations(self, request: Request, caller: Caller, job: str) -> Answer:
        """GET /v1/jobs/{uuid}/compensations: the current one, all with include=all_compensations."""
        row = self._employee(caller, job, "job")
        held = next(each for each in row["public"]["jobs"] if each["uuid"] == job)
        is_all = "all_compensations" in includes(request, frozenset({"all_compensations"}))
        return paged(request, held["compensations"] if is_all else held["compensations"][:1])

    def compensation(self, request: Request, caller: Caller, compensation: str) -> Answer:
        row = self._employee(caller, compensation, "compensation")
        held = (each for job in row["public"]["jobs"] for each in job["compensations"])
        return Answer(200, next(each for each in held if each["uuid"] == compensation))

    # Contractors

    def contractors(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/contractors: active and inactive."""
        self.access.company(caller, company)
        rows = self.state.store.all(f"contractor:{company}")
        term = request.parameter("search_term").lower()
        active = flag(request, "onboarded_active")
        terminated = flag(request, "terminated")
        rows = [
            row
            for row in rows
            if term in f"{row['first_name']} {row['last_name']} {row['business_name']}".lower()
            and (active is None or row["is_active"] == active)
            and (terminated is None or (row["dismissal_date"] is not None) == terminated)
        ]
        return paged(request, rows)

    def contractor(self, request: Request, caller: Caller, contractor: str) -> Answer:
        self.access.owned(caller, contractor, "contractor")
        return Answer(200, self.state.store.get(f"contractor:{caller.company_uuid}", contractor))

    def contractor_payments(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/contractor_payments: needs both dates; grouped by contractor or by date."""
        self.access.company(caller, company)
        start, end = day(request, "start_date"), day(request, "end_date")
        for name, value in (("start_date", start), ("end_date", end)):
            if value is None:
                raise errors.unprocessable(name, "missing_parameter", f"Parameter '{name}' is required.")
        assert start is not None
        assert end is not None
        rows = [
            row
            for row in self.state.store.all(f"contractor_payment:{company}")
            if start <= date.fromisoformat(row["date"]) <= end
            and request.parameter("contractor_uuid") in ("", row["contractor_uuid"])
        ]
        by = "date" if flag(request, "group_by_date") else "contractor_uuid"
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            # The list leaves out the status, as the official sample does.
            payment = {name: value for name, value in row.items() if name != "status"}
            groups.setdefault(row[by], []).append(payment)
        named = "check_date" if by == "date" else by
        summaries = [
            {
                named: key,
                "reimbursement_total": _sum(group, "reimbursement"),
                "wage_total": _sum(group, "wage_total"),
                "payments": group,
            }
            for key, group in groups.items()
        ]
        answer = paged(request, summaries)
        total = {"reimbursements": _sum(rows, "reimbursement"), "wages": _sum(rows, "wage_total")}
        return Answer(200, {"total": total, "contractor_payments": answer.body}, answer.headers)

    def contractor_payment(self, request: Request, caller: Caller, company: str, payment: str) -> Answer:
        self.access.company(caller, company)
        return Answer(200, self.state.held(f"contractor_payment:{company}", payment))


def is_phi(plan: dict[str, Any]) -> bool:
    """Health, vision, dental and life plans are shown with a :phi scope only (gusto.md 2)."""
    return plan["benefit_type"] in (1, 2, 3, 107)


def job_shown(job: dict[str, Any], all_compensations: bool, caller: Caller) -> dict[str, Any]:
    """A job as this caller sees it."""
    if not caller.has("compensations:read"):
        return {name: value for name, value in job.items() if name not in PAY_FIELDS}
    return job if all_compensations else {**job, "compensations": job["compensations"][:1]}


def _sum(rows: list[dict[str, Any]], name: str) -> str:
    return str(money.number(money.text(sum(money.cents(row[name]) for row in rows))))
