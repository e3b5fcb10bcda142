"""`manage.py provision`: tenants, members, connections, legal entities and mapping tables from one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector_site import provision
from tenants.scope import actor


class Command(BaseCommand):
    help = (
        "Create or update the Gusto application, tenants, members, connections, legal entities and mapping tables from "
        "one TOML file, described in docs/reference/provision.md. Secrets, passwords and Gusto refresh tokens come from "
        "environment variables that the file names. Prints what changed, line by line; running it again changes "
        "nothing. A file with a mistake changes nothing at all, and every mistake is named with table, number and key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the TOML file; CSV files are named relative to it")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        actor.set("manage.py provision")
        outcome = provision.provision(options["file"], is_dry_run=options["dry_run"])
        for line in outcome.changes:
            self.stdout.write(line)
        if outcome.mistakes:
            rest = "The rest of the file was applied." if outcome.is_applied else "Nothing was changed."
            raise CommandError("\n".join([*map(str, outcome.mistakes), rest]))
        count = len(outcome.changes)
        words = "Nothing to change." if not count else f"{count} {'change' if count == 1 else 'changes'}."
        self.stdout.write(
            f"Dry run: {words[0].lower()}{words[1:]} Nothing was written." if options["dry_run"] else words
        )
