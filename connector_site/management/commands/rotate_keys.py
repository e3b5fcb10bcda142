"""`manage.py rotate_keys`: encrypt everything with the first key."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from connector_site import rotation
from tenants.scope import actor


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret and payroll document anew with the first of FIELD_ENCRYPTION_KEYS. "
        "To change the key: put a new one first and keep the old one behind it, restart web and worker, run this, and "
        "take the old one away once it says that nothing is left. Safe to stop and to run again; the product keeps "
        "working meanwhile. Exit code 1 if something cannot be opened with any key."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        actor.set("manage.py rotate_keys")
        rotated = current = 0
        unreadable = []
        for tally in rotation.rotate():
            rotated += tally.rotated
            current += tally.current
            where = f"{tally.place.label}{f' of {tally.tenant}' if tally.tenant else ''}"
            if tally.rotated:
                self.stdout.write(f"{where}: {tally.rotated} encrypted anew")
            if tally.unreadable:
                unreadable.append(f"{where}: row {', '.join(map(str, tally.unreadable))}")
        self.stdout.write(f"{rotated} encrypted anew, {current} were already under the first key.")
        if unreadable:
            raise CommandError("No key opens:\n" + "\n".join(f"- {line}" for line in unreadable))
        if len(settings.FIELD_ENCRYPTION_KEYS) > 1:
            self.stdout.write("Nothing is left under the other keys; they can be taken away.")
