"""The demo: an installation lives through its main job and says what it does, step by step.

Nothing is played: people sign in to the console over HTTP, Gusto's authorize page is filled in, webhooks are signed and
sent, a worker does the work, and what counts in the end is what the ledger of the sandbox holds.
"""

from __future__ import annotations

import json
import secrets
import shutil
import string
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.urls import reverse

from audit.exchange import json_of
from audit.trail import verify
from connector_site import demo_ledger, health
from connector_site.demo_ledger import LEDGERS
from connector_site.demo_visitor import PageRefused, Visitor
from connector_site.provision import provision
from erp.models import Posting, ReferenceSnapshot
from gusto.models import PayrollRun, WebhookEvent, WebhookSubscription
from mappings.models import MainAccount
from tenants.models import Connection, LegalEntity, Tenant
from tenants.scope import tenant_scope

DATA = Path(__file__).resolve().parent / "demo_data"
SLUG = "harbor"
#: user -> what they may do, as the summary says it.
PEOPLE = {"olivia": "owner", "pete": "preparer", "anna": "approver"}
#: How often the people and jobs of the far ledgers post what was entered, once the demo waits for visitors.
POST_EVERY_SECONDS = 5
#: Seconds that the sandbox may take for one thing that somebody does there.
CONTROL_SECONDS = 15.0


def companies() -> int:
    """How many companies the sandbox's Gusto needs: one for each legal entity of the installation."""
    return (DATA / "installation.toml").read_text().count("[[legal_entity]]")


class DemoFailed(Exception):  # noqa: N818 - reads as what happened
    """The sentence says which step did not come to its end."""


class Demo:
    """One run of the story. `say` prints a line; `is_ended` tells that the installation is being stopped."""

    def __init__(
        self,
        folder: Path,
        sandbox_output: Path,
        say: Callable[[str], None],
        is_ended: Callable[[], bool],
        *,
        employees: int,
        is_once: bool,
    ) -> None:
        self.folder = folder
        self.console = f"{settings.PUBLIC_URL}/console"
        self.is_once = is_once
        # Large companies take longer to make, to process and to read.
        self._patience = 1 + employees / 500
        self._sandbox_output = sandbox_output
        self._say = say
        self._is_ended = is_ended
        self._passwords = {user: _password() for user in PEOPLE}
        self._told: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.tenant: Tenant

    def play(self) -> None:
        """The whole story. Raises DemoFailed."""
        try:
            self._meet_the_sandbox()
            self._provision()
            self._wait(self._is_ready, "web server and worker", 60)
            self._say("Web server and worker are ready.")
            self._connect_gusto()
            self._process_payrolls()
            if self.is_once:
                self._approve()
            self._post_in_the_ledger()
            self._verify()
        except PageRefused as refused:
            raise DemoFailed(str(refused)) from None

    # --- the steps --------------------------------------------------------------------------------------------------

    def _meet_the_sandbox(self) -> None:
        self._wait(lambda: self._sandbox_output.read_text().endswith("\n"), "the sandbox", 60)
        self.facts = json.loads(self._sandbox_output.read_text().splitlines()[0])
        names = ", ".join(ledger.name for ledger in LEDGERS.values())
        self._say(f"The sandbox stands in for Gusto, {names} at {self.facts['address']}.")
        for system, ledger in LEDGERS.items():
            if ledger.settings:
                self._control("POST", self._sandbox_of(system, "settings"), ledger.settings)

    def _provision(self) -> None:
        first = min(date.fromisoformat(payroll["check_date"]) for payroll in self._open_payrolls().values())
        for file in DATA.glob("*.csv"):
            shutil.copy(file, self.folder / file.name)
        path = self.folder / "installation.toml"
        path.write_text(
            string.Template((DATA / "installation.toml").read_text()).substitute(
                first_check_date=first.isoformat(), **self._served()
            )
        )
        served = {name.upper(): value for name, value in self._served().items()}
        passwords = {f"{user.upper()}_PASSWORD": password for user, password in self._passwords.items()}
        outcome = provision(path, environment={**served, **passwords})
        if outcome.mistakes:
            raise DemoFailed("The installation cannot be provisioned: " + " ".join(map(str, outcome.mistakes)))
        self.tenant = Tenant.objects.get(slug=SLUG)
        self._say(f"Provisioned {path} ({len(outcome.changes)} changes): {self.tenant.name} with")
        for entity in self._entities():
            approval = (
                "posts by itself" if entity.approval == LegalEntity.Approval.AUTOMATIC else "waits for an approver"
            )
            self._say(f"  {entity.name}, company code {entity.company_code}, {approval}")

    def _connect_gusto(self) -> None:
        """The real OAuth flow, as the owner in a browser: console, Gusto's page, back with a code."""
        owner = self._visitor("olivia")
        for entity, company in zip(self._entities(), self.facts["gusto"]["companies"], strict=True):
            page = f"{settings.PUBLIC_URL}{reverse('admin:tenants_legalentity_change', args=[entity.pk])}"
            authorize = owner.press(page, f"{settings.PUBLIC_URL}{reverse('gusto:connect', args=[entity.pk])}")
            if not authorize.url.startswith(self.facts["gusto"]["authorize_url"]):
                raise DemoFailed(
                    f"Connecting {entity.name} did not lead to Gusto but to {authorize.url.partition('?')[0]}."
                )
            owner.send(authorize, company_uuid=company["uuid"], decision="approve")
            with tenant_scope(self.tenant.id):
                entity.refresh_from_db()
            if entity.gusto_company_uuid != company["uuid"]:
                raise DemoFailed(f"{entity.name} was not connected to {company['name']}.")
            self._say(f"{owner.user} connected {entity.name} to Gusto company {company['name']} by OAuth.")
        self._wait(_is_subscribed, "Gusto's handshake for webhooks", 90)
        self._say("Gusto verified our webhook address; its notices come signed from now on.")

    def _process_payrolls(self) -> None:
        """A person at each company processes the open payroll; everything after that happens by itself."""
        before = WebhookEvent.objects.filter(event_type="payroll.processed").count()
        payrolls = self._open_payrolls()
        for entity in self._entities():
            payroll = payrolls[entity.gusto_company_uuid]
            self._control(
                "POST", f"{self.facts['gusto']['address']}/_sandbox/payrolls/{payroll['payroll_uuid']}/process"
            )
            self._say(f"Gusto processed the payroll of {entity.name} with check date {payroll['check_date']}.")
        self._wait(
            lambda: WebhookEvent.objects.filter(event_type="payroll.processed").count() >= before + len(payrolls),
            "the signed webhooks", 60,
        )  # fmt: skip
        self._say("The signed webhooks arrived.")
        self._wait(self._are_built, "the journals", 120)

    def _approve(self) -> None:
        """As the approver, by the console's own page."""
        approver = self._visitor("anna")
        for posting in self._postings():
            if posting.state == Posting.State.ALLOCATED:
                page = f"{settings.PUBLIC_URL}{reverse('admin:erp_posting_approve', args=[posting.pk])}"
                approver.press(page, page)
                self._say(f"{approver.user} approved journal {posting.posting_key} in the console.")

    def _post_in_the_ledger(self) -> None:
        """An ERP posts nothing at our word: its people and jobs do, here by the sandbox's control addresses."""
        self._wait(self._are_in(Posting.State.ENTERED, Posting.State.POSTED), "the journals in the ERPs", 120)
        for system, ledger in LEDGERS.items():
            if ledger.post_address:
                self._control("POST", self._sandbox_of(system, ledger.post_address))
            self._say(ledger.post_sentence)
        self._wait(self._are_in(Posting.State.POSTED), "the posted journals", 60)
        if not self.is_once:
            for system, ledger in LEDGERS.items():
                if ledger.timer:
                    self._control("POST", self._sandbox_of(system, "settings"), {ledger.timer: POST_EVERY_SECONDS})

    def _verify(self) -> None:
        """Ask the ledgers themselves: every journal once and whole. And the tie-out, and the audit chain."""
        found = []
        for system in LEDGERS:
            found += demo_ledger.faults(self._held(system), [row for row in self._postings() if _system(row) == system])
        for run in self._runs():
            unexplained = sum(
                (abs(Decimal(row["difference"])) for row in run.tie_out if row["verdict"] not in {"equal", "known"}),
                Decimal(0),
            )
            if unexplained or not run.tie_out:
                found.append(f"The tie-out of the payroll run of {run.check_date} leaves {unexplained} unexplained.")
        with tenant_scope(self.tenant.id):
            chain = verify()
        if not chain.is_intact:
            found.append(chain.sentence)
        if found:
            raise DemoFailed(" ".join(found))
        posted = [posting for posting in self._postings() if posting.state == Posting.State.POSTED]
        self._say(
            f"Verified at the ledgers: {len(posted)} {'journal' if len(posted) == 1 else 'journals'}, each exactly once, "
            f"debits = credits, tie-out 0.00 unexplained; audit trail of {chain.entries} entries unbroken."
        )

    # --- the end ----------------------------------------------------------------------------------------------------

    def summary(self) -> list[str]:
        """The journals as they stand in the ledgers, and how to get in."""
        held = {journal.posting_key: journal for system in LEDGERS for journal in self._held(system)}
        lines: list[str] = []
        for posting in sorted(self._postings(), key=lambda posting: posting.legal_entity_id):
            head = (
                f"{posting.legal_entity.name}, {posting.legal_entity.erp_connection}, "
                f"company code {posting.company_code}, posting date {posting.posting_date}"
            )
            if posting.state == Posting.State.POSTED:
                lines += [
                    "",
                    head,
                    f"Document number {posting.document_number}, posting key {posting.posting_key}, {posting.currency}",
                ]
                lines += [
                    f"  {line}"
                    for line in demo_ledger.journal_table(held[posting.posting_key], self._account_names(posting))
                ]
            else:
                lines += [
                    "",
                    head,
                    f"  {posting.get_state_display()}: {posting.debit:,.2f} {posting.currency}, waits for an approver: sign in as anna.",
                ]
        lines += ["", f"Console   {self.console}/"]
        lines += [f"  {user:<8} {self._passwords[user]}   {role}" for user, role in PEOPLE.items()]
        lines += [f"Sandbox   {self.facts['gusto']['address']}/"]
        lines += [f"          {self.facts['address']}/{ledger.page}   {ledger.name}" for ledger in LEDGERS.values()]
        return lines

    # --- small parts ------------------------------------------------------------------------------------------------

    def _visitor(self, user: str) -> Visitor:
        found = Visitor(self.console, user, self._passwords[user])
        found.sign_in()
        return found

    def _entities(self) -> list[LegalEntity]:
        with tenant_scope(self.tenant.id):
            return list(LegalEntity.objects.select_related("erp_connection").order_by("id"))

    def _runs(self) -> list[PayrollRun]:
        with tenant_scope(self.tenant.id):
            return list(PayrollRun.objects.select_related("legal_entity").order_by("id"))

    def _postings(self) -> list[Posting]:
        with tenant_scope(self.tenant.id):
            return list(Posting.objects.select_related("legal_entity__erp_connection", "payroll_run").order_by("id"))

    def _open_payrolls(self) -> dict[str, dict[str, Any]]:
        """Company -> its payroll that nobody has processed yet."""
        companies = self._control("GET", f"{self.facts['gusto']['address']}/_sandbox/companies")
        return {
            company["uuid"]: next(row for row in company["payrolls"] if not row["processed"]) for company in companies
        }

    def _sandbox_of(self, system: str, control: str) -> str:
        return f"{self.facts['address']}/{LEDGERS[system].control}/{control}"

    def _served(self) -> dict[str, str]:
        """What an installation needs to know of the sandboxes, each named after its sandbox: d365_client_id."""
        return {
            f"{sandbox}_{name}": value
            for sandbox in ("gusto", *(ledger.sandbox for ledger in LEDGERS.values()))
            for name, value in self.facts[sandbox].items()
            if isinstance(value, str)
        }

    def _held(self, system: str) -> list[demo_ledger.HeldJournal]:
        """Everything that the far ledger of an ERP holds."""
        with tenant_scope(self.tenant.id):
            facts = ReferenceSnapshot.objects.get(connection__system=system).facts
        return LEDGERS[system].journals(self._control("GET", self._sandbox_of(system, "ledger")), facts)

    def _account_names(self, posting: Posting) -> dict[str, str]:
        with tenant_scope(self.tenant.id):
            of_ledger = MainAccount.objects.filter(
                connection=posting.legal_entity.erp_connection, company_code=posting.company_code
            )
            return dict(of_ledger.values_list("number", "name"))

    def _control(self, method: str, address: str, document: Any = None) -> Any:
        """What somebody does in the far system itself, by the sandbox's control addresses. Raises DemoFailed."""
        try:
            answer = requests.request(method, address, json=document, timeout=CONTROL_SECONDS * self._patience)
        except requests.RequestException as error:
            raise DemoFailed(f"The sandbox does not answer ({type(error).__name__}).") from None
        if answer.status_code >= 300:
            raise DemoFailed(f"The sandbox refused {urlsplit(address).path} (status {answer.status_code}).")
        return json_of(answer)

    def _is_ready(self) -> bool:
        return all(finding.is_passed for finding in health.findings()) and _answers(
            f"{settings.PUBLIC_URL}/health/ready"
        )

    def _are_built(self) -> bool:
        """Every payroll run has its journal, and the one that needs an approver is the only one that waits."""
        postings = self._postings()
        self._tell_states(postings)
        built = {posting.legal_entity_id for posting in postings}
        return built == {entity.pk for entity in self._entities()} and all(
            posting.state != Posting.State.ALLOCATED or posting.legal_entity.approval == LegalEntity.Approval.PERSON
            for posting in postings
        )

    def _are_in(self, *states: Posting.State) -> Callable[[], bool]:
        """Whether every journal that is not left to a visitor has come so far."""

        def look() -> bool:
            postings = self._postings()
            self._tell_states(postings)
            moving = [
                posting for posting in postings
                if self.is_once or posting.legal_entity.approval == LegalEntity.Approval.AUTOMATIC
            ]  # fmt: skip
            return bool(moving) and all(posting.state in states for posting in moving)

        return look

    def _tell_states(self, postings: list[Posting]) -> None:
        """Say every state that is new. Raises DemoFailed for one that waits for a repair."""
        for run in self._runs():
            self._tell(
                f"Payroll run of {run.legal_entity.name}", run.state, f"{run.employees} people" if run.read_at else ""
            )
            if run.state == PayrollRun.State.BLOCKED:
                raise DemoFailed(f"The payroll run of {run.legal_entity.name} is blocked: {run.sentence}")
        for posting in postings:
            note = f"{posting.debit:,.2f} in {posting.line_count} lines"
            if posting.document_number:
                note += f", document number {posting.document_number}"
            self._tell(f"Journal {posting.posting_key} of {posting.legal_entity.name}", posting.state, note)
            if posting.state == Posting.State.BLOCKED:
                raise DemoFailed(f"Journal {posting.posting_key} is blocked: {posting.sentence}")

    def _tell(self, what: str, state: str, note: str) -> None:
        if self._told.get(what) != state:
            self._told[what] = state
            self._say(f"  {what}: {state.upper()}{f' ({note})' if note else ''}")

    def _wait(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        seconds *= self._patience
        ends = time.monotonic() + seconds
        while not condition():
            if self._is_ended():
                raise DemoFailed("The demo was ended.")
            if time.monotonic() > ends:
                raise DemoFailed(f"Waited {round(seconds)} seconds for {what}.{self._why_not()}")
            time.sleep(0.2)

    def _why_not(self) -> str:
        """What the installation itself says, for whoever has to find out."""
        said = [finding.sentence for finding in health.findings() if not finding.is_passed]
        if hasattr(self, "tenant"):
            with tenant_scope(self.tenant.id):
                said += Connection.objects.exclude(health_sentence="").values_list("health_sentence", flat=True)
        return "".join(f" {sentence}" for sentence in said)


def _system(posting: Posting) -> str:
    connection = posting.legal_entity.erp_connection
    return connection.system if connection else ""


def _is_subscribed() -> bool:
    return WebhookSubscription.objects.filter(state=WebhookSubscription.State.VERIFIED).exists()


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _password() -> str:
    """Easy to read off a terminal, and good for one demo on this machine."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))
