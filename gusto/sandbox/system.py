"""The Gusto sandbox as one system of the sandbox server: its parts, its routes, its start.

Addresses follow the real ones below the system's prefix: `http://127.0.0.1:<port>/gusto` takes the place of
`https://api.gusto.com`.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import date
from typing import Any

from audit.sandbox import Answer, Request, SandboxSystem, Store
from gusto.sandbox import errors
from gusto.sandbox.access import API_VERSION, COMPANY_SCOPES, Access, ApiHandler
from gusto.sandbox.companies import Companies
from gusto.sandbox.control import Control
from gusto.sandbox.oauth import OAuth
from gusto.sandbox.organisation import Organisation
from gusto.sandbox.payrolls import Payrolls
from gusto.sandbox.people import People
from gusto.sandbox.reports import Reports
from gusto.sandbox.runs import Runs
from gusto.sandbox.state import Settings, State
from gusto.sandbox.webhooks import Webhooks

#: Absent version headers get this older version's shapes: a client that forgets the header shall notice.
MINIMUM_VERSION = "2026-02-01"
REDIRECT_URIS = ("http://127.0.0.1:8000/gusto/callback", "http://localhost:8000/gusto/callback")


class GustoSandbox(SandboxSystem):
    """One Gusto. What the store already holds (application, companies, clock) is kept; arguments are for a new store.

    `today` sets the sandbox's clock to that day. `settings` are the fields of `Settings`; raises ValueError.
    """

    name = "gusto"

    def __init__(
        self,
        store: Store,
        seed: int = 1,
        employees: int = 12,
        companies: int = 2,
        today: date | None = None,
        history: int = 2,
        redirect_uris: tuple[str, ...] = REDIRECT_URIS,
        **settings: Any,
    ) -> None:
        super().__init__(store)
        self.state = State(store, Settings().changed(**settings), today)
        self.webhooks = Webhooks(self.state, lambda: self.faults)
        self.access = Access(self.state)
        self.oauth = OAuth(self.state, self.access, self.webhooks)
        self._runs = Runs(self.state, self.webhooks)
        self._companies = Companies(self.state, self.webhooks, self._runs)
        if not store.count("application"):
            self._first_start(seed, employees, companies, history, redirect_uris)
        self._route_oauth()
        self._route_organisation(Organisation(self.state, self.access))
        self._route_people(People(self.state, self.access))
        self._route_payrolls(Payrolls(self.state, self.access))
        self._route_reports(Reports(self.state, self.access))
        self._route_webhooks()
        self._route_control(Control(self.state, self._companies, self._runs, self.oauth))
        # The commands, for tests and scripts in this process.
        self.create_company = self._companies.create_company
        self.create_payroll = self._runs.create_payroll
        self.submit = self._runs.submit
        self.process = self._runs.process
        self.fail = self._runs.fail
        self.pay = self._runs.pay
        self.cancel = self._runs.cancel
        self.delete = self._runs.delete
        self.reverse = self._runs.reverse
        self.distort = self._runs.distort
        self.payroll_document = self._runs.payroll_document
        self.change_department = self._companies.change_department
        self.companies = self._companies.companies
        self.expire_tokens = self.oauth.expire
        self.revoke_grant = self.oauth.revoke_grant
        self.connect = self.oauth.connected
        self.change_settings = self.state.change_settings
        self.change_application = self.state.change_application
        self.advance = self.state.advance

    def _first_start(
        self, seed: int, employees: int, companies: int, history: int, redirect_uris: tuple[str, ...]
    ) -> None:
        with self.store.transaction():
            client_id = secrets.token_urlsafe(32)
            application = {
                "client_id": client_id,
                "client_secret": secrets.token_urlsafe(32),
                "uuid": str(uuid.uuid4()),
                "name": "ml-connector",
                "redirect_uris": list(redirect_uris),
                "scopes": list(COMPANY_SCOPES),
                "minimum_version": MINIMUM_VERSION,
            }
            self.store.put("application", client_id, application)
            for _ in range(companies):
                self._companies.create_company(seed=seed, employees=employees, history=history)

    def facts(self) -> dict[str, Any]:
        """What one needs to use the sandbox; addresses are empty until the server listens."""
        application = self.state.application()
        return {
            "address": self.state.base_url,
            "authorize_url": f"{self.state.base_url}/oauth/authorize",
            "token_url": f"{self.state.base_url}/oauth/token",
            "api_version": API_VERSION,
            "client_id": application["client_id"],
            "client_secret": application["client_secret"],
            "redirect_uris": application["redirect_uris"],
            "companies": [{"uuid": row["uuid"], "name": row["name"]} for row in self.companies()],
        }

    def started(self, base_url: str) -> None:
        self.state.base_url = base_url
        self.webhooks.start()

    def stopped(self) -> None:
        self.webhooks.stop()

    def unknown_path(self, request: Request) -> Answer:
        return errors.not_found().answer

    def _api(self, method: str, pattern: str, handler: ApiHandler, scope: str) -> None:
        self.route(method, f"/v1{pattern}", self.access.guard(handler, scope))

    def _read(self, pattern: str, handler: ApiHandler, scope: str) -> None:
        self._api("GET", pattern, handler, scope)

    def _route_oauth(self) -> None:
        self.route("GET", "/oauth/authorize", self.oauth.authorize_page)
        self.route("POST", "/oauth/authorize", self.oauth.authorize)
        self.route("POST", "/oauth/token", self.oauth.token)
        self.route("POST", "/oauth/revoke", self.oauth.revoke)
        self._read("/token_info", self.oauth.token_info, "")
        disconnect = "/companies/(?P<company>[^/]+)/disconnect_app_integration"
        self._api("POST", disconnect, self.oauth.disconnect, "companies:disconnect_app_integration")

    def _route_organisation(self, part: Organisation) -> None:
        company = "/companies/(?P<company>[^/]+)"
        self._read(company, part.company, "companies:read")
        self._read(f"{company}/locations", part.locations, "companies:read")
        self._read("/locations/(?P<location>[^/]+)", part.location, "companies:read")
        self._read(f"{company}/custom_fields", part.custom_fields, "companies:read")
        self._read(f"{company}/departments", part.departments, "departments:read")
        self._read("/departments/(?P<department>[^/]+)", part.department, "departments:read")
        self._read(f"{company}/earning_types", part.earning_types, "payrolls:read")
        self._read(f"{company}/pay_schedules", part.pay_schedules, "pay_schedules:read")
        self._read(f"{company}/pay_schedules/(?P<pay_schedule>[^/]+)", part.pay_schedule, "pay_schedules:read")
        self._read(f"{company}/pay_periods", part.pay_periods, "payrolls:read")
        self._read(f"{company}/company_benefits", part.company_benefits, "company_benefits:read")
        self._read("/company_benefits/(?P<benefit>[^/]+)", part.company_benefit, "company_benefits:read")
        self._read("/benefits", part.benefits, "benefits:read")

    def _route_people(self, part: People) -> None:
        company, employee = "/companies/(?P<company>[^/]+)", "/employees/(?P<employee>[^/]+)"
        self._read(f"{company}/employees", part.employees, "employees:read")
        self._read(employee, part.employee, "employees:read")
        self._read(f"{employee}/custom_fields", part.custom_fields, "employees:read")
        self._read(f"{employee}/work_addresses", part.work_addresses, "employees:read")
        self._read("/work_addresses/(?P<work_address>[^/]+)", part.work_address, "employees:read")
        self._read(f"{employee}/terminations", part.terminations, "employments:read")
        self._read("/terminations/(?P<termination>[^/]+)", part.termination, "employments:read")
        self._read(f"{employee}/rehire", part.rehire, "employments:read")
        self._read(f"{employee}/employment_history", part.employment_history, "employments:read")
        self._read(f"{employee}/garnishments", part.garnishments, "garnishments:read")
        self._read(f"{employee}/employee_benefits", part.employee_benefits, "employee_benefits:read")
        self._read(f"{employee}/jobs", part.jobs, "jobs:read")
        self._read("/jobs/(?P<job>[^/]+)/compensations", part.job_compensations, "compensations:read")
        self._read("/compensations/(?P<compensation>[^/]+)", part.compensation, "compensations:read")
        self._read(f"{company}/contractors", part.contractors, "contractors:read")
        self._read("/contractors/(?P<contractor>[^/]+)", part.contractor, "contractors:read")
        self._read(f"{company}/contractor_payments", part.contractor_payments, "payrolls:read")
        self._read(f"{company}/contractor_payments/(?P<payment>[^/]+)", part.contractor_payment, "payrolls:read")

    def _route_payrolls(self, part: Payrolls) -> None:
        company = "/companies/(?P<company>[^/]+)"
        self._read(f"{company}/payrolls", part.all, "payrolls:read")
        self._read(f"{company}/payrolls/(?P<payroll>[^/]+)", part.show, "payrolls:read")
        self._read(f"{company}/payroll_reversals", part.reversals, "payrolls:read")

    def _route_reports(self, part: Reports) -> None:
        payroll = "/payrolls/(?P<payroll>[^/]+)/reports/general_ledger"
        self._api("POST", payroll, part.create, "company_reports:write")
        self._read("/reports/(?P<report>[^/]+)", part.poll, "company_reports:read")
        self.route("GET", r"/presigned/(?P<file>[^/]+)\.json", part.download)

    def _route_webhooks(self) -> None:
        part, one = self.webhooks, "/webhook_subscriptions/(?P<subscription>[^/]+)"
        read, write = "webhook_subscriptions:read", "webhook_subscriptions:write"
        self._read("/webhook_subscriptions", part.all, read)
        self._api("POST", "/webhook_subscriptions", part.create, write)
        self._read(one, part.show, read)
        self._api("PUT", one, part.update, write)
        self._api("DELETE", one, part.delete, write)
        self._api("PUT", f"{one}/verify", part.verify, write)
        self._read(f"{one}/request_verification_token", part.request_token, read)
        self._read("/webhooks/health_check", part.health, read)
        self._read("/events", part.events, "events:read")

    def _route_control(self, part: Control) -> None:
        company, payroll = "/_sandbox/companies/(?P<company>[^/]+)", "/_sandbox/payrolls/(?P<payroll>[^/]+)"
        self.route("GET", "/", part.home)
        self.route("GET", "/_sandbox/companies", part.companies)
        self.route("POST", "/_sandbox/companies", part.create_company)
        self.route("POST", f"{company}/payrolls", part.create_payroll)
        actions = "(?P<action>submit|process|fail|pay|cancel|delete|reverse|distort)"
        self.route("POST", f"{payroll}/{actions}", part.payroll)
        self.route("POST", "/_sandbox/employees/(?P<employee>[^/]+)/department", part.change_department)
        self.route("GET", "/_sandbox/grants", part.grants)
        self.route("POST", f"{company}/connect", part.connect)
        self.route("POST", f"{company}/revoke_grant", part.revoke_grant)
        self.route("POST", "/_sandbox/expire_tokens", part.expire_tokens)
        self.route("POST", "/_sandbox/settings", part.settings)
        self.route("POST", "/_sandbox/clock", part.clock)
        self.route("POST", "/_sandbox/application", part.application)
        self.route("GET", "/_sandbox/deliveries", part.deliveries)
