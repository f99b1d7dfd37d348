from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from hubproject.audit import command_caller
from spokes.errors import SpokeNotFound
from spokes.models import Spoke
from spokes.services import remove_spoke


class Command(BaseCommand):
    help = "Cuts a machine off at once and frees its name and address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the spoke's name")

    def handle(self, *args: Any, **options: Any) -> None:
        spoke = Spoke.objects.live().filter(name__iexact=options["name"]).first()
        if spoke is None:
            hint = (
                f"`{settings.PROGRAM} list_spokes` shows them. An install command that nobody has used yet is revoked "
                "in the dashboard, or by DELETE /api/installation/token/{id}."
            )
            raise SpokeNotFound("There is no spoke of that name.", recovery_hint=hint)
        is_off = remove_spoke(spoke_id=spoke.id, by=command_caller(), now=timezone.now())
        self.stdout.write("Removed; its tunnel is cut." if is_off else "Removed; the agent has not confirmed it yet.")
