"""`manage.py sandbox`. manage.py starts it before the settings are read; this module lists it among the commands."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connector_site import sandbox_urls


class Command(BaseCommand):
    help = "Run a small Gusto and a small Dynamics 365 on this machine. Needs no database and no settings."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        sandbox_urls.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(sandbox_urls.serve(argparse.Namespace(**options)))
