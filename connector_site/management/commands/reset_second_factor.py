"""For somebody who lost phone, keys and recovery codes: take every second factor away and end every session."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Takes every second factor of a person away and signs them out everywhere. Be sure who is asking."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the person")

    def handle(self, *args: Any, **options: Any) -> None:
        from allauth.mfa.models import Authenticator
        from allauth.usersessions.models import UserSession

        from connector_site.sign_in import note
        from tenants.models import User

        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no person with the user name {options['user']}.")
        Authenticator.objects.filter(user=user).delete()
        for session in UserSession.objects.filter(user=user):
            session.end()
        note(user, "second_factor.reset", by="operator")
        self.stdout.write(f"{user.get_username()} signs in with the password alone, and was signed out everywhere.")
