from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from hubproject.access import create_api_key
from hubproject.audit import Caller
from hubproject.models import Role


class Command(BaseCommand):
    help = "Prints a new API key, and nothing else, on standard output. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--expires-days", type=int, help="days until it expires; never if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["expires_days"] is not None and options["expires_days"] < 1:
            raise CommandError("--expires-days must be at least 1.")
        secret = create_api_key(
            name=options["name"],
            role=Role(options["role"]),
            expires_in_days=options["expires_days"],
            by=Caller(actor="command"),
            now=timezone.now(),
        )
        self.stdout.write(secret)
