"""`manage.py status`: what this installation knows and where each journal stands."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector_site import columns, status
from tenants.models import Tenant

#: Columns for the terminal; --json has all.
SHOWN = {
    "connections": ("tenant", "name", "system", "health", "succeeded_at", "sentence"),
    "payroll_runs": ("tenant", "legal_entity", "payroll_uuid", "check_date", "state", "reason", "sentence"),
    "postings": (
        "tenant", "legal_entity", "company_code", "check_date", "kind", "state", "reason", "posting_key",
        "document_number", "debit", "credit", "sentence",
    ),
}  # fmt: skip
#: A terminal line is no place for a paragraph.
SENTENCE_LENGTH = 80


class Command(BaseCommand):
    help = (
        "List connections, payroll runs and postings with their states and reasons. With --json one document: "
        '{"connections": [...], "payroll_runs": [...], "postings": [...]}, amounts as text with two decimals.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
        parser.add_argument("--tenant", metavar="SLUG", default="", help="only this tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = status.report(options["tenant"])
        except Tenant.DoesNotExist:
            raise CommandError(f"There is no tenant “{options['tenant']}”.") from None
        if options["json"]:
            self.stdout.write(json.dumps(found, default=_text, ensure_ascii=False))
            return
        for subject, names in SHOWN.items():
            rows = [[_shown(row[name]) for name in names] for row in found[subject]]
            self.stdout.write(subject.replace("_", " ").capitalize())
            header = [name.replace("_", " ") for name in names]
            for line in columns.lines(header, rows) if rows else ["none"]:
                self.stdout.write(f"  {line}")
            self.stdout.write("")


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not printed")


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str) and len(value) > SENTENCE_LENGTH:
        return value[: SENTENCE_LENGTH - 1] + "…"
    return value
