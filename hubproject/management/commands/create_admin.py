import getpass
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from hubproject.accounts import create_admin, reset_admin
from hubproject.audit import command_caller
from hubproject.commands import RefusingCommand


class Command(RefusingCommand):
    help = (
        "Creates an admin. The password is read from standard input, or asked for on a terminal; never an argument. "
        "With --reset it lets a user in again who is locked out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the user name")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="the user exists: give the new password, make an active admin of him, remove his second factors",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            make = reset_admin if options["reset"] else create_admin
            make(username=options["name"], password=_password(), by=command_caller(), now=timezone.now())
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        self.stdout.write(f"{options['name']} is an admin.")


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
