"""`manage.py replay`: run a waiting posting or a stored payroll run again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from erp import decisions
from erp.building import replay_run
from erp.models import Posting
from erp.states import NotAllowed
from gusto.models import PayrollRun
from tenants.models import Tenant
from tenants.scope import actor, tenant_scope

NAME = "manage.py replay"


class Command(BaseCommand):
    help = (
        "Run something again, safely: a posting by its posting key, or a payroll run by its Gusto uuid. A posting that "
        "was never sent is built anew with the approved mapping; one that was sent is first asked for in the ERP, and "
        "nothing is sent twice. A payroll run is read back from Gusto again. The worker does the work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", metavar="POSTING_KEY|PAYROLL_UUID", help="as manage.py status shows it")
        parser.add_argument("--tenant", metavar="SLUG", default="", help="look only in this tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        actor.set(NAME)
        tenants = Tenant.objects.filter(is_installation=False).order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
        found = 0
        for tenant in tenants:
            with tenant_scope(tenant.id):
                found += self._replay(tenant, options["what"])
        if not found:
            raise CommandError(f"There is no posting and no payroll run “{options['what']}”.")

    def _replay(self, tenant: Tenant, what: str) -> int:
        """Inside the scope. How many were found."""
        postings = Posting.objects.filter(posting_key=what).exclude(state=Posting.State.VOIDED)
        for posting in postings:
            try:
                decisions.replay(posting, NAME)
            except NotAllowed as refused:
                raise CommandError(f"{tenant.slug}: {refused.sentence}") from None
            self.stdout.write(f"{tenant.slug}: posting {what} is replayed.")
        runs = PayrollRun.objects.filter(payroll_uuid=what)
        for run in runs:
            replay_run(run, NAME)
            self.stdout.write(f"{tenant.slug}: payroll run {what} is read again.")
        return len(postings) + len(runs)
