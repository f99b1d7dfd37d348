from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from hubproject.access import create_api_key
from hubproject.audit import command_caller
from hubproject.commands import RefusingCommand
from hubproject.models import Role

LONGEST_DAYS = 3650


class Command(RefusingCommand):
    help = "Prints a new API key, and nothing else, on standard output. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--expires-days", type=int, help="days until it expires; never if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["expires_days"] is not None and not 1 <= options["expires_days"] <= LONGEST_DAYS:
            raise CommandError(f"--expires-days must be between 1 and {LONGEST_DAYS} days.")
        secret = create_api_key(
            name=options["name"],
            role=Role(options["role"]),
            expires_in_days=options["expires_days"],
            by=command_caller(),
            now=timezone.now(),
        )
        self.stdout.write(secret)
