from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from hubproject import audit
from hubproject.commands import RefusingCommand
from wireguard.export import wg_quick_file
from wireguard.sealing import SealingError


class Command(RefusingCommand):
    help = (
        "Prints a wg-quick file of the hub and all its peers, private key included: keep it as safe as the key. "
        "The agent does not need it; it is for whoever wants to run the hub without this product."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = wg_quick_file()
        except SealingError as problem:
            raise CommandError(str(problem)) from None
        audit.record("hub.exported", by=audit.command_caller(), about="hub", now=timezone.now())
        self.stdout.write(text, ending="")
