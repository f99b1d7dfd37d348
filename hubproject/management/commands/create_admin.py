import getpass
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from hubproject.access import create_admin
from hubproject.audit import Caller


class Command(BaseCommand):
    help = "Creates an admin. The password is read from standard input, or asked for on a terminal; never an argument."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the user name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            create_admin(username=options["name"], password=_password(), by=Caller(actor="command"), now=timezone.now())
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        self.stdout.write(f"{options['name']} is an admin.")


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
