"""`manage.py doctor`: what is wrong with this installation?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector_site import doctor
from tenants.models import Tenant
from tenants.scope import actor


class Command(BaseCommand):
    help = (
        "Look at database, roles, keys, worker and work, sign in to Gusto and to the ERP of every connection, and say "
        "plainly what is wrong. Changes nothing over there. Exit code 1 if anything is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", default="", help="of the tenants only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        actor.set("manage.py doctor")
        slug = options["tenant"]
        if slug and not Tenant.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no tenant “{slug}”.")
        wrong = 0
        for finding in doctor.examine(slug):
            wrong += not finding.is_passed
            self.stdout.write(f"{'ok' if finding.is_passed else 'WRONG':<6} {finding.where}: {finding.sentence}")
            self.stdout.flush()
        if wrong:
            raise CommandError(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
        self.stdout.write("Everything works.")
