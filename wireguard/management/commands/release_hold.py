from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from hubproject.audit import command_caller
from wireguard.models import AgentState
from wireguard.services import release_hold


class Command(BaseCommand):
    help = (
        "After a restore: lists how the interface differs from the database, and lets the agent put it right. "
        "Until then nobody is cut off and nobody let in."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for sentence in AgentState.current().differences:
            self.stdout.write(sentence)
        released = release_hold(by=command_caller(), now=timezone.now())
        self.stdout.write("Released." if released else "There is no hold.")
