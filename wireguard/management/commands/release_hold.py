from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from hubproject.audit import command_caller
from wireguard.models import AgentState
from wireguard.services import release_hold


class Command(BaseCommand):
    help = (
        "After a restore: lists how the interface differs from the database, and lets the agent put it right. "
        "Until then nobody is cut off and nobody let in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="only list them; the hold stays")

    def handle(self, *args: Any, **options: Any) -> None:
        agent = AgentState.current()
        for sentence in agent.differences:
            self.stdout.write(sentence)
        is_held = agent.hold if options["list"] else release_hold(by=command_caller(), now=timezone.now())
        if not is_held:
            self.stdout.write("There is no hold.")
        elif not options["list"]:
            self.stdout.write("Released.")
