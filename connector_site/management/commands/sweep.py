"""`manage.py sweep`: look for everything that was missed, now."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import work
from gusto.models import CompanyRoute, GustoApplication
from tenants.models import Tenant
from tenants.scope import actor


class Command(BaseCommand):
    help = (
        "One sweep now: read Gusto's events feed, compare the payroll list of every connected company, and do all work "
        "that is due, here and now. The supervisor does the same by itself; this is for after an outage, or where no "
        "worker runs. Safe beside a running worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", default="", help="compare only this tenant's companies")
        parser.add_argument(
            "--seconds", type=float, default=300.0, help="stop beginning new work after this many seconds (%(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor.set("manage.py sweep")
        routes = CompanyRoute.objects.all()
        if options["tenant"]:
            tenant = Tenant.objects.filter(slug=options["tenant"]).first()
            if tenant is None:
                raise CommandError(f"There is no tenant “{options['tenant']}”.")
            routes = routes.filter(tenant=tenant)
        overdue = work.sweep()
        if GustoApplication.objects.filter(is_active=True).exists():
            work.enqueue("gusto.feed", tenant_id=None)
            work.enqueue("gusto.subscribe", tenant_id=None)
        for route in routes:
            work.enqueue("gusto.sweep", str(route.legal_entity_id), tenant_id=route.tenant_id)
        self.stdout.write(f"{overdue} overdue; the feed and {routes.count()} companies are asked.")
        began = time.monotonic()
        done = work.drain(options["seconds"])
        if time.monotonic() - began > options["seconds"]:
            raise CommandError(f"{done} work items were tried, and more is due. Run it again.")
        self.stdout.write(f"{done} work items were tried; nothing more is due.")
