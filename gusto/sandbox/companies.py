"""What a person at Gusto does beside payrolls: set up a company, move people."""

from __future__ import annotations

from typing import Any

from gusto.sandbox import errors
from gusto.sandbox.calendar import PayPeriod, next_period
from gusto.sandbox.generate import CompanyOptions
from gusto.sandbox.generate import company as generated
from gusto.sandbox.runs import Runs, payroll_summary
from gusto.sandbox.state import State, versioned
from gusto.sandbox.webhooks import Webhooks


class Companies:
    """Commands on companies and their people. All raise Refused for what does not exist."""

    def __init__(self, state: State, webhooks: Webhooks, runs: Runs) -> None:
        self.state = state
        self.store = state.store
        self.webhooks = webhooks
        self.runs = runs

    def create_company(self, **options: Any) -> dict[str, Any]:
        """Generate a company with its people and past payrolls; options as in `CompanyOptions`. Raises ValueError."""
        chosen = CompanyOptions.of(options)
        with self.store.transaction():
            made = generated(self.store.next("company"), chosen, self.state.today())
            self.store.put("company", made.uuid, made.document)
            lists = {
                "location": made.locations,
                "department": made.departments,
                "company_benefit": made.benefits,
                "pay_schedule": [made.pay_schedule],
                "contractor": made.contractors,
                "contractor_payment": made.contractor_payments,
            }
            for subject, rows in lists.items():
                self.store.put_many(f"{subject}:{made.uuid}", {row["uuid"]: row for row in rows})
                self.state.own(made.uuid, subject, {row["uuid"]: row["uuid"] for row in rows})
            self.store.put_many(f"employee:{made.uuid}", {row["public"]["uuid"]: row for row in made.employees})
            self._own_people(made.uuid, made.employees)
            first = next_period(self.state.now()).index - chosen.history
            for index in range(first, first + chosen.history + 1):
                payroll = self.runs.new_regular(made.uuid, PayPeriod(index))
                if index < first + chosen.history:
                    self.runs.process_in_time(payroll["payroll_uuid"])
            return self.summary(made.uuid)

    def _own_people(self, company_uuid: str, people: list[dict[str, Any]]) -> None:
        owned: dict[str, dict[str, str]] = {}
        for person in people:
            uuid = person["public"]["uuid"]
            owned.setdefault("employee", {})[uuid] = uuid
            for job in person["public"]["jobs"]:
                owned.setdefault("job", {})[job["uuid"]] = uuid
                owned.setdefault("compensation", {}).update({row["uuid"]: uuid for row in job["compensations"]})
            addresses = {row["uuid"]: uuid for row in person["work_addresses"]}
            owned.setdefault("work_address", {}).update(addresses)
            owned.setdefault("termination", {}).update({row["uuid"]: uuid for row in person["public"]["terminations"]})
        for subject, uuids in owned.items():
            self.state.own(company_uuid, subject, uuids)

    def summary(self, company_uuid: str) -> dict[str, Any]:
        """A company with its payrolls, for the page and for tests."""
        company = self.state.company(company_uuid)["public"]
        grant = self.store.get("grant", company_uuid)
        rows = self.store.all(f"payroll:{company_uuid}")
        return {
            "uuid": company_uuid,
            "name": company["name"],
            "employees": self.store.count(f"employee:{company_uuid}"),
            "is_connected": grant is not None and grant["is_live"],
            "payrolls": [payroll_summary(row) for row in rows],
        }

    def companies(self) -> list[dict[str, Any]]:
        return [self.summary(uuid) for uuid in self.store.keys("company")]

    def change_department(self, employee_uuid: str, department_uuid: str | None) -> dict[str, Any]:
        """Move a person to another department, or to none; sends employee.updated. Returns the employee."""
        with self.store.transaction():
            company_uuid = self.state.owner(employee_uuid, "employee").company_uuid
            target = None
            if department_uuid is not None:
                if self.state.owner(department_uuid, "department").company_uuid != company_uuid:
                    raise errors.not_found()
                target = self.store.get(f"department:{company_uuid}", department_uuid)
            row = self.state.held(f"employee:{company_uuid}", employee_uuid)
            for department in self.store.all(f"department:{company_uuid}"):
                members = [member for member in department["employees"] if member["uuid"] != employee_uuid]
                if department["uuid"] == department_uuid:
                    members.append({"uuid": employee_uuid})
                if members != department["employees"]:
                    changed = versioned({**department, "employees": members})
                    self.store.put(f"department:{company_uuid}", department["uuid"], changed)
            row["public"] |= {"department": target["title"] if target else None, "department_uuid": department_uuid}
            row["public"] = versioned(row["public"])
            self.store.put(f"employee:{company_uuid}", employee_uuid, row)
            self.webhooks.emit("employee.updated", company_uuid, "Employee", employee_uuid)
            public: dict[str, Any] = row["public"]
            return public
