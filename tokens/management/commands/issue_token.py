from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from hubproject.audit import command_caller
from tokens.scripts import PLATFORMS
from tokens.services import issue_token


class Command(BaseCommand):
    help = "Issues a one-time token and prints the command to paste on the machine. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the spoke's name")
        parser.add_argument("--ip", help="an address of the network; the next free one if left out")
        parser.add_argument("--hours", type=int, help="how long it is valid; TOKEN_EXPIRATION_HOURS if left out")
        parser.add_argument("--platform", default="linux", choices=list(PLATFORMS), help="whose command to print")

    def handle(self, *args: Any, **options: Any) -> None:
        issued = issue_token(
            spoke_name=options["name"],
            custom_ip=options["ip"],
            expires_in_hours=options["hours"],
            platform=options["platform"],
            by=command_caller(),
            now=timezone.now(),
        )
        if settings.ONLY_THIS_MACHINE_REACHES_US:
            self.stderr.write(
                f"Only the hub itself reaches {settings.HUB_PUBLIC_URL}. For other machines set HUB_PUBLIC_URL."
            )
        row = issued.row
        self.stderr.write(
            f"{row.spoke_name} gets {row.address}. Works once, until {row.expires_at:%Y-%m-%d %H:%M} UTC:"
        )
        self.stdout.write(issued.install_commands[options["platform"]])
