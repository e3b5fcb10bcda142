"""`manage.py verify_audit`: was anything in the audit trail changed, removed, inserted or cut off?"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector_site import anchors


class Command(BaseCommand):
    help = (
        "Verify the audit trail of every tenant. Each entry is sealed over the one before, so a changed, removed or "
        "inserted entry shows by itself. A trail that was cut off at its end, or rewritten whole, shows only against "
        "an anchor file, which belongs outside the database and out of reach of whoever can write to it. "
        "Daily: verify_audit --anchor FILE. At any time: verify_audit --against FILE. "
        "Exit code 1 and the sentence when a trail is broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--anchor",
            metavar="FILE",
            type=Path,
            help="verify against every anchor in FILE, then append today's heads to it (JSON lines; made if missing)",
        )
        which.add_argument(
            "--against", metavar="FILE", type=Path, help="verify against every anchor in FILE, write none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["anchor"] or options["against"]
        try:
            is_new = options["anchor"] is not None and not path.exists()
            known = anchors.read(path) if path is not None and not is_new else []
        except anchors.AnchorUnreadable as error:
            raise CommandError(str(error)) from None
        found = anchors.verify_all(known)
        for slug, result in found:
            self.stdout.write(f"{'intact' if result.is_intact else 'BROKEN':<7} {slug}: {result.sentence}")
        broken = [slug for slug, result in found if not result.is_intact]
        if broken:
            raise CommandError(f"The audit trail is broken: {', '.join(broken)}. No anchor was written.")
        if options["anchor"] is not None:
            try:
                anchors.append(path, (result.head for _, result in found))
            except OSError as error:
                raise CommandError(f"The anchor file {path} cannot be written: {error.strerror}.") from None
            self.stdout.write(f"{len(found)} heads were appended to {path}.")
        elif path is None:
            self.stdout.write(
                "Without an anchor file a trail that was cut off at its end cannot be told from a whole one."
            )
